"""The phrases that Reasons and the log share: what was seen, what to do, the words of each interface. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from ecr_image_waiter.core.builds import (
    Broken,
    Builder,
    BuildFinding,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    Built,
    NoRun,
    RunStatus,
    UnderWay,
)
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.messages import clipped, coded, duration, times
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    Found,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Place,
    Refused,
    Several,
    Unavailable,
    images_of,
    lacks_image,
)
from ecr_image_waiter.core.state import GivenUp
from ecr_image_waiter.core.uris import PUBLIC_HOSTS, registry_in

NEWEST_TAGS: Final = 5
_ENDS: Final = {
    "FAILED": "failed",
    "Failed": "failed",
    "FAULT": "ended in a fault of CodeBuild's",
    "TIMED_OUT": "timed out",
    "STOPPED": "was stopped",
    "Stopped": "was stopped",
    "Cancelled": "was cancelled",
}
_LONGEST_MESSAGE: Final = 600


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of one face of the waiter.

    `named`: what a property is called. `switched_on`: how one that is true or false is set. `by_parameter`: with which
    parameter of the install something is granted, beginning with a blank; empty where there is no install. `again`:
    what to do when the cause is mended. `beforehand`: when to create what is missing. `waiter`: who must be allowed.
    `credentials`: what to check of credentials that AWS does not accept. `trusted`: whom a role's trust policy must
    name. `here`: from where AWS must be reached.
    """

    named: Callable[[str], str]
    switched_on: Callable[[str], str]
    by_parameter: Callable[[str], str]
    again: str
    beforehand: str
    waiter: str
    credentials: str
    trusted: str
    here: str


TEMPLATE: Final = Terms(
    named=str,
    switched_on=lambda name: f"set {name} to true",
    by_parameter=lambda name: f" with the waiter stack's parameter {name}",
    again="deploy again",
    beforehand="before this resource",
    waiter="the role of the waiter function",
    credentials="whether the role of the waiter function was replaced",
    trusted="the waiter's",
    here="the function",
)
"""Those of a stack that waits."""


def subject(wanted: Sequence[Wanted]) -> str:
    """Say what is waited for, in a word or two."""
    return str(wanted[0].image) if len(wanted) == 1 else f"{len(wanted)} images"


def called(one: Wanted) -> str:
    """Returns which of several images is meant, by its Id."""
    return one.id if one.id == str(one.image) else f"{one.id} ({one.image})"


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


def seen_of_build(builder: Builder, build: BuildFinding) -> str:
    """Say what was seen of the build, in a phrase."""
    match build:
        case NoRun():
            return f"no {builder.kind.run_noun} of {builder} is under way"
        case UnderWay(run=run, started=True):
            return f"started {run_of(builder, run)}"
        case UnderWay(run=run):
            if run.status is RunStatus.SUPERSEDED:
                return f"{run_of(builder, run)} was superseded, and its successor is not seen yet"
            return f"{run_of(builder, run)} is under way{_where(run)}"
        case Broken(run=run):
            return f"{run_of(builder, run)} {ended(run)}"
        case Built(run=run):
            return f"{run_of(builder, run)} succeeded"
        case BuildHidden(missing=True):
            return f"{builder} does not exist"
        case BuildHidden(action=action, code=code, message=message):
            return f"AWS refused {action} on {builder} ({coded(code, message)})"
        case BuildUnavailable(code=code):
            return f"nothing was heard of {builder} ({code})"
        case _:
            assert_never(build)


def run_of(builder: Builder, run: BuildRun) -> str:
    """Returns a run by its id and its builder."""
    return f"{builder.kind.run_noun} {run.id} of {builder}"


def ended(run: BuildRun) -> str:
    """Returns how a run ended."""
    message = clipped(" ".join(run.message.split()), _LONGEST_MESSAGE)
    how = _ENDS.get(run.said, f"ended as {clipped(run.said)}")
    return f"{how}{_where(run)}" + (f", saying: {message}" if message else "")


def _where(run: BuildRun) -> str:
    if run.where == "queued":
        return ", queued"
    return f", in {clipped(run.where, 200)}" if run.where else ""


def link_of(run: BuildRun) -> str:
    """Returns where to see a run, empty if its service gave no link."""
    return f", see {clipped(run.link, 400)}" if run.link else ""


def instead_of_it(run: BuildRun, newest: NewestTags | None, now: float) -> str:
    """Returns the tags that were pushed in place of the image since a run began."""
    if newest is None:
        return ""
    new = (entry for entry in newest.tags if entry.pushed_at >= run.began)
    got = ", ".join(f"{entry.tag} ({duration(now - entry.pushed_at)} old)" for entry in new)
    return f", and since it began the repository got {got or 'no new image' + among(newest)}"


def among(newest: NewestTags) -> str:
    """Say how many images were looked at, beginning with a blank; nothing where those were all."""
    return f" of the {newest.images:,} images looked at" if newest.images else ""


def effort_of(given_up: GivenUp, bounds: Bounds, now: float) -> str:
    """Returns how often and how long a wait checked."""
    unanswered = f", {given_up.unanswered} of them unanswered" if given_up.unanswered else ""
    return f"{times(given_up.checks)} in {duration(now - bounds.start)}{unanswered}"


def shortened(bounds: Bounds) -> str:
    """Returns how much a wait was shortened, empty if it was not."""
    if not bounds.shortened:
        return ""
    wanted = duration(bounds.asked_limit - bounds.start)
    return f" (the wait was shortened from {wanted} to end before the time allowed is up)"


def grant(denied: AccessDenied, place: Place, arn: str, terms: Terms) -> str:
    """Returns what to do so that access is allowed."""
    match denied.lacks:
        case Lacks.PERMISSION:
            return _allow(denied.message, place, arn, terms)
        case Lacks.CREDENTIALS:
            enabled = "" if place.is_public else f"whether the account has enabled {place.region}, and "
            return f"AWS does not accept the credentials; see {enabled}{terms.credentials}, then {terms.again}"
        case Lacks.KEY:
            return (
                f"ECR may not use the KMS key of {arn}; enable the key and restore ECR's grant for kms:Decrypt, then "
                f"{terms.again}"
            )
        case Lacks.UPSTREAM:
            return (
                f"the registry behind the pull-through cache of {arn} denied access to ECR; correct the secret or the "
                f"role of the pull-through cache rule, then {terms.again}"
            )
        case _:
            assert_never(denied.lacks)


def _allow(message: str, place: Place, arn: str, terms: Terms) -> str:
    """Say what to allow whom, as far as AWS's message names it."""
    role = re.search(r":assumed-role/([^/\s]+)/", message)
    named = re.search(r"\b((?:ecr|ecr-public|sts):[A-Za-z]+)", message)
    resource = re.search(r"\b(arn:[^\s]+:(?:repository|registry|role)/[^\s]+)", message)
    action = named[1] if named else "ecr-public:DescribeImages" if place.is_public else "ecr:DescribeImages"
    service = action.partition(":")[0]
    parameter = terms.by_parameter("AssumableRoleArns" if service == "sts" else "RepositoryArnPattern")
    how = f", for example{parameter}" if parameter else ""
    if service == "sts":
        how = f"{',' if parameter else ''}{parameter}, and let that role's trust policy name {terms.trusted}"
    elif service == "ecr-public" and parameter:
        how = ", which the waiter stack's policy LookForPublicImages does, unless something bounds it"
    whom = f"the role {role[1]}" if role else terms.waiter
    return f"allow {action} on {resource[1] if resource else arn} to {whom}{how}"


def advice(image: ImageId, bounds: Bounds, finding: Finding | None, newest: NewestTags | None, terms: Terms) -> str:
    """Returns what to do after a timeout."""
    again, named = terms.again, terms.named
    longer = f"with a larger {named('ServiceTimeout' if bounds.shortened else 'MaxRetries')}"
    match finding:
        case NoImage(tag_points_at=str()):
            tag, digest = named("ImageTag"), named("ImageDigest")
            return f"correct {tag} or {digest}, or see why the tag was not moved, then {again}"
        case NotYet():
            return (
                f"see why the build that pushes it did not, and whether {named('Labels')} and {named('PushedAfter')} "
                f"say what was meant, then {again}, {longer} if it needs longer"
            )
        case NotPullable(status="ARCHIVED"):
            return f"restore the image from the archive or push it again, then {again}"
        case NotPullable():
            return f"{again} when ECR has restored it"
        case Unavailable():
            return f"see whether ECR works in this region and can be reached from {terms.here}, then {again}"
        case NoRegion():
            return f"correct the region in {named('Region')} or {named('ImageUri')}, then {again}"
        case NoRepository():
            return f"create the repository, or see why no push created it, then {again}"
        case _ if newest and newest.tags and image.tag:
            return (
                f"correct {named('ImageTag')} if one of these is the image, otherwise see why its build did not push "
                f"it, then {again}, {longer} if the build needs longer"
            )
        case _:
            return f"see whether the build that pushes it ran and succeeded, then {again}, {longer} if it needs longer"
