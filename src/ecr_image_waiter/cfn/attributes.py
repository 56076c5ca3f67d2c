"""What a SUCCESS says: the attributes for Fn::GetAtt. No I/O, no clock."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.manifests import DOCKER_INDEX, LONGEST_PLATFORM_NAME
from ecr_image_waiter.core.messages import iso
from ecr_image_waiter.core.model import Finding, Image, Looked, NotDeployable, NotYet, Place, Several, Source

Uri: TypeAlias = Callable[[Source, str, str], str]
"""Makes a repository's URI from its source, registry id and name."""
_LONGEST_ARCHITECTURE: Final = "\0" * LONGEST_PLATFORM_NAME  # no ASCII character is longer once it is harmless


def attributes(wanted: Sequence[Wanted], found: Looked, *, checks: int, waited: float) -> dict[str, str]:
    """Return the attributes for Fn::GetAtt: every key always, each value a string, empty where it does not apply.

    Of several images it is the URI of each alone, because twenty of all the rest would not fit an answer.

    Args:
        wanted: the images, in the template's order.
        found: what is there of them, all of it images.
        checks: how often they were looked for.
        waited: for how many seconds.
    """
    effort = {"Attempts": str(checks), "WaitedSeconds": str(int(waited))}
    if isinstance(found, Several):
        return {f"{id_}.ImageUri": image.uri for id_, image in found.findings if isinstance(image, Image)} | effort
    if not isinstance(found, Image):
        raise TypeError("no image")
    image, repository_uri = wanted[0].image, found.repository_uri
    return {
        "ImageUri": found.uri,
        "ImageDigest": found.digest,
        "TaggedImageUri": f"{repository_uri}:{image.tag}" if image.tag else "",
        "RepositoryUri": repository_uri,
        "RepositoryName": image.repository,
        "ImageTag": image.tag or "",
        "RegistryId": found.registry_id,
        "ImagePushedAt": "" if found.pushed_at is None else iso(found.pushed_at),
        "ImageSizeInBytes": "" if found.size is None else str(found.size),
        "ImageManifestMediaType": found.media_type or "",
        "PlatformDigest": found.platform_digest,
        "PlatformImageUri": f"{repository_uri}@{found.platform_digest}" if found.platform_digest else "",
        "Architecture": found.architecture,
        **effort,
    }


def attributes_in_rollback(wanted: Sequence[Wanted], found: Looked | None, uri: Uri, place: Place) -> dict[str, str]:
    """Return the attributes with which a rollback goes on, whatever was found.

    An image that is there is told as ever. Where it is not, it is the URI that the template names, without a digest.
    Where no image for the platform is known, it is the same URI as that of the whole: no dependent takes an empty one.

    Args:
        wanted: as the template names them; without a repository everything is empty.
        found: what is there of them, None where nobody could look.
        uri: makes a repository's URI from its source, registry id and name.
        place: where the function is.
    """
    effort = {"Attempts": "1", "WaitedSeconds": "0"}
    if wanted and not wanted[0].id:
        one = wanted[0]
        image = there(found) if found is not None and not isinstance(found, Several) else None
        if image:
            told = attributes(wanted, image, checks=1, waited=0.0)
        else:
            repository_uri = _repository_uri(one, uri, place)
            registry_id = place.at(one.source).account if one.image.repository else ""
            told = attributes(wanted, Image("", registry_id, repository_uri), checks=1, waited=0.0)
            told["ImageUri"] = _as_named(one, uri, place)
            told["TaggedImageUri"] = f"{repository_uri}:{one.image.tag}" if repository_uri and one.image.tag else ""
        if one.conditions.Platform and not told["PlatformImageUri"]:
            told["PlatformImageUri"] = told["ImageUri"]
        return told
    images = {id_: there(finding) for id_, finding in found.findings} if isinstance(found, Several) else {}
    uris = {}
    for one in wanted:
        image = images.get(one.id)
        uris[f"{one.id}.ImageUri"] = image.uri if image else _as_named(one, uri, place)
    return uris | effort


def there(found: Finding) -> Image | None:
    """Return the image that is there, be it the one meant or not."""
    match found:
        case Image():
            return found
        case NotYet() | NotDeployable():
            return found.image
        case _:
            return None


def longest_attributes(wanted: Sequence[Wanted], uri: Uri, place: Place) -> dict[str, str]:
    """Return attributes that are as long as those of these images can become, in a rollback to them too.

    The arguments are those of `attributes_in_rollback`.
    """
    digest = "sha256:" + "0" * 64
    found = [
        Image(
            digest,
            place.at(one.source).account,
            _repository_uri(one, uri, place),
            pushed_at=0.0,
            size=10**13,
            media_type=DOCKER_INDEX,
            architecture=_LONGEST_ARCHITECTURE if one.conditions.Platform or one.conditions.Labels else "",
            platform_digest=digest if one.conditions.Platform else "",
        )
        for one in wanted
    ]
    several = Several(tuple((one.id, image) for one, image in zip(wanted, found, strict=True)))
    usual = attributes(wanted, several if wanted[0].id else found[0], checks=10**4, waited=10**4)
    # With a tag instead of a digest, which may be longer: an answer that did not fit would block the rollback.
    in_rollback = attributes_in_rollback(wanted, None, uri, place)
    return {name: max(value, in_rollback[name], key=len) for name, value in usual.items()}


def _repository_uri(one: Wanted, uri: Uri, place: Place) -> str:
    return uri(one.source, place.at(one.source).account, one.image.repository) if one.image.repository else ""


def _as_named(one: Wanted, uri: Uri, place: Place) -> str:
    if not one.image.repository or not (one.image.tag or one.image.digest):
        return ""
    which = f":{one.image.tag}" if one.image.tag else f"@{one.image.digest}"
    return _repository_uri(one, uri, place) + which
