"""Validates a command line, with every fault at once, and reads files of images."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecr_image_waiter.cfn.properties import OneImage, Properties
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.builds import Builder
from ecr_image_waiter.core.conditions import STACK_OPERATION, Wanted
from ecr_image_waiter.core.messages import InvalidRequest, shown
from ecr_image_waiter.core.model import Place
from ecr_image_waiter.core.state import Backoff

from .options import NOW, Line, repeated
from .words import in_options, without_template

_IDENTITY: Final = ("RepositoryName", "ImageTag", "ImageDigest", "ImageUri")
_URI: Final = re.compile(r".*\.dkr[.-]ecr[.-]|(https?://)?(public\.ecr\.aws|ecr-public\.aws\.com)/")
# A name of a host, or one with a port. ECR takes dots in a namespace, so `v1.2/app` is a repository.
_HOST: Final = re.compile(
    r"(?:[a-z]+://)?((?:[a-z0-9-]+\.)+[a-z]{2,}|localhost|[^/@]+:[0-9]+)(?::[0-9]+)?/", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The validated request. `names`: the images as they were named, in their order. `max_wait` is in seconds."""

    names: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    backoff: Backoff
    max_wait: float
    builder: Builder | None
    starts_build: bool


def asked(line: Line, place: Place | None, read: Callable[[str], str]) -> Asked:
    """Returns what a command line asks for.

    `place`: where images without a URI are; None where that is not known, and then nothing is said about it. `read`
    returns what is in the file of images, or raises OSError or ValueError.

    Raises:
        InvalidRequest: with every fault of the line.
    """
    faults = list(line.faults)
    images = [_Given(text, image_of(text), "") for text in line.images]
    unread = []
    for file in line.files:
        try:
            images += _listed(file, read(file))
        except (OSError, ValueError) as error:
            unread.append(f"--from {file}: {error.strerror if isinstance(error, OSError) else error}")
    faults += unread
    if not images and not unread:
        faults.append("no image: name one, or list images in --from FILE")
    names = [image.name for image in images]
    faults += repeated(names)
    whole = Properties.model_fields
    given = {**line.given, **({"PushedAfter": STACK_OPERATION} if line.given.get("PushedAfter") == NOW else {})}
    of_one = {name: value for name, value in given.items() if name in OneImage.model_fields}
    of_wait = {name: value for name, value in given.items() if name in whole and name not in of_one}
    of_options = [in_options(fault) for fault in _faults({"RepositoryName": "aa", "ImageTag": "a"} | of_one, of_wait)]
    faults += of_options
    for image in images:
        host = None if image.where or "ImageUri" in image.properties else _HOST.match(image.name)
        if host:
            in_ecr = "for a repository of this name in ECR, name the whole URI"
            faults.append(f"{image.name}: {host[1]} is not a registry of ECR; {in_ecr}")
            continue
        # What is wrong with an option is said once, and not for every image.
        mine, wait = (image.properties, {}) if of_options else ({**of_one, **image.properties}, of_wait)
        told = _faults(mine, wait, place)
        faults += [f"{image.where}{fault}" if image.where else f"{image.name}: {in_options(fault)}" for fault in told]
    if faults:
        raise InvalidRequest([*dict.fromkeys(faults)])
    read_ = [_read({**of_one, **image.properties}, of_wait, place) for image in images]
    several = len(images) > 1
    return Asked(
        names=tuple(names),
        wanted=tuple(
            one.Images[0].wanted(image.name if several else "").in_session("ecr-image-waiter@command")
            for one, image in zip(read_, images, strict=True)
        ),
        backoff=read_[0].backoff,
        max_wait=read_[0].max_wait if line.timeout is None else line.timeout,
        builder=read_[0].builder,
        starts_build=read_[0].StartBuild,
    )


def regions(line: Line) -> Iterator[str]:
    """Returns the regions that the URIs of a command line name."""
    for text in line.images:
        found = re.match(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.", text)
        if found or _URI.match(text):
            yield found[1] if found else "us-east-1"


def image_of(text: str) -> dict[str, Any]:
    """Returns the properties of an image that is named on a command line. Nothing is validated."""
    if _URI.match(text):
        return {"ImageUri": text}
    rest, at, digest = text.partition("@")
    repository, colon, tag = rest.partition(":")
    return {
        "RepositoryName": repository,
        **({"ImageTag": tag} if colon else {}),
        **({"ImageDigest": digest} if at else {}),
    }


@dataclass(frozen=True, slots=True)
class _Given:
    """An image as it was named. `where`: what stands before its faults, where its properties have their own names."""

    name: str
    properties: Mapping[str, Any]
    where: str


def _listed(file: str, text: str) -> list[_Given]:
    text = text.removeprefix("\ufeff")  # which some editors and shells begin a text with
    if text.lstrip().startswith("{"):
        raise ValueError("received a JSON object, allowed: a JSON list of objects, or one image a line")
    if not text.lstrip().startswith("["):
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
        return [_Given(line, image_of(line), "") for line in lines if line]
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it begins like a JSON list, but is invalid: {error}") from None
    listed = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"entry {number}: received {shown(entry)}, allowed: an object")  # noqa: TRY004  # as above
        listed.append(_Given(_name_of(entry, number), entry, f"--from {file}: entry {number}: "))
    return listed


def _name_of(entry: Mapping[str, Any], number: int) -> str:
    """Returns how an entry is called: by its Id, or as a command line would."""
    parts = {name: entry.get(name) for name in ("Id", *_IDENTITY)}
    text = {name: str(value) if isinstance(value, str | int | float) else "" for name, value in parts.items()}
    tag, digest = text["ImageTag"], text["ImageDigest"]
    named = text["RepositoryName"] + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    return text["Id"] or text["ImageUri"] or named or f"entry {number}"


def _read(image: Mapping[str, Any], wait: Mapping[str, Any], place: Place | None) -> Properties:
    return read_properties({"Images": [{"Id": "I", **image}], **wait}, place)


def _faults(image: Mapping[str, Any], wait: Mapping[str, Any], place: Place | None = None) -> list[str]:
    try:
        _read(image, wait, place)
    except InvalidRequest as error:
        return [without_template(fault) for fault in error.faults]
    return []
