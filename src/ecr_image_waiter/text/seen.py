"""What a check saw: the phrases of the log, which a Reason repeats. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.format import coded
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    Found,
    Image,
    ImageId,
    NoImage,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Refused,
    Several,
    Unavailable,
    images_of,
    lacks_image,
)
from ecr_image_waiter.core.uris import PUBLIC_HOSTS, registry_in

from .build_reasons import seen_of_build

NEWEST_TAGS: Final = 5


def subject(wanted: Sequence[Wanted]) -> str:
    """Say what is waited for, in a word or two."""
    return str(wanted[0].image) if len(wanted) == 1 else f"{len(wanted)} images"


def seen(found: Found) -> str:
    """Say what a check saw, in a phrase for the log and for a Reason."""
    match found:
        case Awaited():
            return seen(found.images) + awaited_build(found)
        case Several():
            return _seen_of_several(found)
        case _:
            return _seen_of_one(found)


def awaited_build(found: Found | None) -> str:
    """Say what was seen of the build, after what was seen of the images; nothing where there is none."""
    return f"; {seen_of_build(found.builder, found.build)}" if isinstance(found, Awaited) else ""


def _seen_of_one(finding: Finding) -> str:
    match finding:
        case Image():
            return f"the image, {finding.digest}"
        case NotYet(because=because) | NotDeployable(because=because):
            return because
        case NoImage(tag_points_at=None):
            return "the repository has no such image"
        case NoImage():
            return f"the tag points at another image, {finding.tag_points_at}"
        case NotPullable():
            archived = "the image is archived, so nothing can pull it"
            waits = f"the image is not available yet (status {finding.status})"
            return archived if finding.status == "ARCHIVED" else waits
        case NoRegion(region=region, nearest=nearest):
            return f"ECR has no host in {region}, and the nearest known region is {nearest}"
        case NoRepository():
            return "the repository does not exist"
        case AccessDenied():
            return f"ECR denied access ({finding.code})"
        case Unavailable() | Refused():
            did = "did not answer" if isinstance(finding, Unavailable) else "refused"
            return f"ECR {did} ({coded(finding.code, finding.message)})"
        case _:
            assert_never(finding)


def seen_of(image: ImageId, finding: Finding) -> str:
    """Say what was seen of an image; of a repository that does not exist, what its name may mean."""
    return seen(finding) + (elsewhere(image.repository) if isinstance(finding, NoRepository) else "")


def elsewhere(repository: str) -> str:
    """Say what the name of a repository that does not exist may mean; nothing where it is a usual one."""
    host = registry_in(repository)
    if not host:
        return ""
    if host in PUBLIC_HOSTS:
        return " (for an image of ECR Public, give its whole URI as ImageUri)"
    return (
        f" (only ECR is looked into, and {host} looks like another registry; where it is the prefix of a pull-through "
        "cache, the first pull creates the repository)"
    )


def _seen_of_several(found: Several) -> str:
    if len(found.findings) == 1:
        return seen(found.findings[0][1])
    ready = f"{len(found.findings) - len(found.missing)} of {len(found.findings)} are ready"
    return "; ".join([ready, *grouped((seen(each), id_) for id_, each in found.missing)])


def grouped(told: Iterable[tuple[str, str]]) -> list[str]:
    """Returns each phrase once, with the names of everything that it is said of, in the order of the first of them."""
    names: dict[str, list[str]] = {}
    for phrase, name in told:
        names.setdefault(phrase, []).append(name)
    return [f"{phrase}: {', '.join(each)}" for phrase, each in names.items()]


def in_question(wanted: Sequence[Wanted], found: Found | None) -> Wanted:
    """Return the image whose repository's newest tags are worth telling.

    Of several it is the first whose repository is known to be there without it, else the one that decides.
    """
    images = images_of(found) if found else None
    if not isinstance(images, Several):
        return wanted[0]
    id_ = next((id_ for id_, finding in images.findings if lacks_image(finding)), images.deciding[0])
    return next(one for one in wanted if one.id == id_)
