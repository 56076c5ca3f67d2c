"""Properties read, and what is wrong with them: all faults at once, each one a sentence."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.conditions import read_platform, runs_on_lambda
from ecr_image_waiter.core.messages import InvalidRequest, clipped, shown
from ecr_image_waiter.core.model import Place, Source
from ecr_image_waiter.core.uris import partition_of, read_uri, without_fips

from .properties import Entry, OneImage, Properties, allowed_by

_PARTS: Final = ("RepositoryName", "ImageTag", "ImageDigest", "RegistryId", "Region")
LEAVE_OUT: Final = "; use !Ref AWS::NoValue to omit it"
BESIDE_IMAGES: Final = "; it applies to every image, so set it next to Images"
_LIMIT: Final = "MaxRetries: times RetryDelaySeconds, it is the longest wait in seconds"
# Other waiters' names for our properties, in small letters.
_ELSEWHERE: Final = {
    "codebuildprojectname": "BuildProject",
    "codepipelinename": "Pipeline",
    "digest": "ImageDigest",
    "maxattempts": _LIMIT,
    "pollinterval": "RetryDelaySeconds",
    "repository": "RepositoryName",
    "tag": "ImageTag",
    "timeoutseconds": _LIMIT,
    "triggerbuildonmissing": "StartBuild",
}


def read_properties(received: object, place: Place | None) -> Properties:
    """Returns the validated properties.

    Args:
        received: `ResourceProperties` of an event, or a direct invocation's whole event.
        place: where the function is. If it is None, regions and partitions that it cannot reach are not refused.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    if not isinstance(received, Mapping):
        raise InvalidRequest([f"ResourceProperties: received {shown(received)}, allowed: an object of properties"])
    properties, faults = _read(received, place, lambda _: True)
    if properties is None or faults:
        raise InvalidRequest(faults)
    return properties


def known_faults(
    received: Mapping[Any, object], place: Place | None, known: Callable[[object], bool]
) -> tuple[str, ...]:
    """Returns what can be said to be wrong with properties before all of their values are known.

    `known`: whether a value is known yet. A list or an object is, its own values may not be.
    """
    return (*_read(received, place, known)[1],)


def _read(
    received: Mapping[Any, object], place: Place | None, known: Callable[[object], bool]
) -> tuple[Properties | None, list[str]]:
    together = [*_faults_together(received), *(_faults_of_place(_only(known, received), place) if place else ())]
    try:
        return Properties.model_validate(dict(received)), together
    except ValidationError as error:
        alone = [_fault(each["type"], each["loc"], each["input"]) for each in error.errors() if known(each["input"])]
        return None, [*dict.fromkeys([*alone, *together])]


def _only(known: Callable[[object], bool], received: Mapping[Any, object]) -> dict[Any, object]:
    return {
        name: [_only(known, each) if isinstance(each, Mapping) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in received.items()
        if known(value)
    }


def _each_image(received: Mapping[object, object]) -> Iterator[tuple[str, Mapping[object, object]]]:
    """Returns each image's own properties, unvalidated, with what stands before their names in a fault."""
    images = received.get("Images")
    if "Images" not in received:
        yield "", received
    elif isinstance(images, list):
        yield from ((f"Images[{n}].", entry) for n, entry in enumerate(images) if isinstance(entry, Mapping))


def _faults_together(received: Mapping[object, object]) -> Iterator[str]:
    """Returns what is wrong with properties beside each other, each of which may be right."""
    if "Images" in received:
        yield from (
            f"{name}: received {shown(received[name])}, cannot be combined with Images; set it per entry"
            for name in OneImage.model_fields
            if name in received
        )
        ids = [entry.get("Id") for _, entry in _each_image(received)]
        # A caller's 1 is the same Id as "1"; a number of more digits is none.
        read = [str(each) for each in ids if isinstance(each, str) or (isinstance(each, int) and 0 <= each < 10**64)]
        yield from (f"Images: duplicate Id {shown(twice)}" for twice, times in Counter(read).items() if times > 1)
    for before, image in _each_image(received):
        yield from _faults_of_identity(before, image)
        if image.get("DeployTarget") == "Lambda":
            yield from _faults_of_lambda(before, image)
    first, *others = [kind.property for kind in BuilderKind if kind.property in received] or [""]
    for name in others:
        yield f"{name}: received {shown(received[name])}, cannot be combined with {first}; set one of them"
    if "StartBuild" in received and not first:
        kinds = " or ".join(kind.property for kind in BuilderKind)
        yield f"StartBuild: received {shown(received['StartBuild'])}, requires {kinds}; set one of them"


def _faults_of_identity(before: str, image: Mapping[object, object]) -> Iterator[str]:
    if "ImageUri" in image:
        yield from (
            f"{before}{name}: received {shown(image[name])}, cannot be combined with ImageUri, which contains it; "
            "remove one of them"
            for name in _PARTS
            if name in image
        )
        return
    if "RepositoryName" not in image:
        allowed = allowed_by(OneImage.model_fields["RepositoryName"])
        yield f"{before}RepositoryName: missing; allowed: {allowed}{'' if before else '; or set ImageUri or Images'}"
    if image.keys().isdisjoint({"ImageTag", "ImageDigest"}):
        yield f"{before}ImageTag: missing; set ImageTag, ImageDigest or both"


def _faults_of_lambda(before: str, image: Mapping[object, object]) -> Iterator[str]:
    """Returns the faults that Lambda never takes ("Create a Lambda function using a container image")."""
    received = image.get("Platform")
    platform = read_platform(str(received))
    if platform and not runs_on_lambda(platform):
        yield (
            f"{before}Platform: received {shown(received)} with DeployTarget Lambda, allowed: linux/amd64 or "
            "linux/arm64"
        )
    read = read_uri(text_of(image.get("ImageUri")))
    host = read[1].host if read else ""
    if host != without_fips(host):
        yield (
            f"{before}ImageUri: received {shown(host)} with DeployTarget Lambda, allowed: "
            f"{shown(without_fips(host))}; Lambda rejects FIPS hosts"
        )


def _faults_of_place(received: Mapping[object, object], place: Place) -> Iterator[str]:
    """Returns what cannot be reached from where the function is, or not be deployed there."""
    for kind in BuilderKind:
        arn = text_of(received.get(kind.property))
        own = f"arn:{place.partition}:{kind.service}:{place.region}:{place.account}:"
        if arn.startswith("arn:") and not arn.startswith(own):
            yield (
                f"{kind.property}: received {shown(arn)}, allowed: an ARN that begins with {shown(own)}, the waiter's "
                "account and region"
            )
    for before, image in _each_image(received):
        uri, region, role = (text_of(image.get(name)) for name in ("ImageUri", "Region", "RoleArn"))
        source = (read_uri(uri) or (None, Source(region=region)))[1]
        named = "ImageUri" if uri else "Region"
        if source.region and partition_of(source.region) != place.partition:
            yield (
                f"{before}{named}: received {shown(uri or region)} in the partition "
                f"{shown(partition_of(source.region))}, allowed: the waiter's partition, {shown(place.partition)}"
            )
        if role.startswith("arn:") and role.split(":")[1] != place.partition:
            yield (
                f"{before}RoleArn: received {shown(role)}, allowed: a role in the waiter's partition, "
                f"{shown(place.partition)}"
            )
        target = image.get("DeployTarget")
        if target == "Lambda" and (source.alias or source.region not in ("", place.region)):
            where = "ECR Public" if source.alias else clipped(source.region)
            yield (
                f"{before}DeployTarget: received Lambda with an image in {where}, allowed: a private repository in the "
                f"function's region, {place.region}"
            )
        if source.alias:
            for name in ("Platform", "Labels"):
                if name in image:
                    why = "cannot be used with ECR Public, whose API returns no manifests; remove it"
                    yield f"{before}{name}: received {shown(image[name])}, {why}"


def _fault(kind: str, loc: tuple[int | str, ...], received: object) -> str:
    model: type[BaseModel] = Properties
    before, names = "", list(loc)
    if len(names) > 2 and names[0] == "Images":
        model, before, names = Entry, f"Images[{names[1]}].", names[2:]
    elif len(names) == 2 and names[0] == "Images":
        return f"Images[{names[1]}]: received {shown(received)}, allowed: an object with an Id"
    # pydantic names no place for a key that is not valid Unicode.
    name = str(names[0]) if names else "?"
    if kind == "extra_forbidden" or name not in model.model_fields:
        return f"{before}{clipped(name)}: received {shown(received)}, {_unknown(name, model)}"
    allowed = allowed_by(model.model_fields[name])
    if kind == "missing":
        return f"{before}{name}: missing; allowed: {allowed}"
    inner = f"[{shown(str(names[1]))}]" if len(names) > 1 else ""
    count = f" of {len(received)}" if kind in ("too_short", "too_long") and isinstance(received, Sized) else ""
    hint = LEAVE_OUT if received == "" and "[key]" not in names else ""
    if isinstance(received, float) and (inner or model.model_fields[name].annotation is str):
        hint = "; put it in quotes to keep its digits"
    return f"{before}{name}{inner}: received {shown(received)}{count}, allowed: {allowed}{hint}"


def _unknown(name: str, model: type[BaseModel]) -> str:
    """Returns the property that an unknown name probably means."""
    # Case is what people get wrong most; it must not count as distance.
    known = {field.lower(): field for field in {**model.model_fields, **Properties.model_fields}}
    if model is Entry:
        del known["images"]
    meant = _ELSEWHERE.get(name.lower())
    said = f"unknown property; use {meant}"
    if not meant:
        meant = known[difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)[0]]
        said = "no property of one image" if meant == name else f"unknown property; the nearest known one is {meant}"
    return said + ("" if meant.partition(":")[0] in model.model_fields else BESIDE_IMAGES)


def text_of(value: object) -> str:
    """Returns a text as it is, of anything else nothing."""
    return value if isinstance(value, str) else ""
