"""From a command line to what is asked for, validated: every fault at once. Pure but for the file of images.

The options are made from the model of the properties, so that a new property is an option as soon as it is there.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, NoReturn, get_origin
from urllib.parse import urlsplit

from ecr_image_waiter.cfn.properties import OneImage, Properties, allowed_by, read_properties
from ecr_image_waiter.core.builds import Builder
from ecr_image_waiter.core.conditions import STACK_OPERATION, Wanted
from ecr_image_waiter.core.faults import InvalidRequest
from ecr_image_waiter.core.format import clipped, shown
from ecr_image_waiter.core.model import Place
from ecr_image_waiter.core.polling import Rhythm

from .words import in_options, option_of, without_template

PROGRAM: Final = "ecr-image-waiter"
OUTPUTS: Final = ("text", "json", "uri")
NOW: Final = "now"
_IDENTITY: Final = ("RepositoryName", "ImageTag", "ImageDigest", "ImageUri")
# Region is the AWS CLI's own option; the others are CloudFormation's business, or said by the arguments.
_NO_OPTIONS: Final = frozenset({*_IDENTITY, "Region", "Images", "Trigger", "ServiceTimeout", "ServiceToken"})
_OF_ONE: Final = tuple(name for name in OneImage.model_fields if name not in _NO_OPTIONS)
_OF_WAIT: Final = tuple(name for name in Properties.model_fields if name not in (*_OF_ONE, *_NO_OPTIONS))
_OF_LOOK: Final = ("BuildProject", "Pipeline")
_URI: Final = re.compile(r".*\.dkr[.-]ecr[.-]|(https?://)?(public\.ecr\.aws|ecr-public\.aws\.com)/")
_EPILOG: Final = """\
An image is REPOSITORY:TAG, REPOSITORY@DIGEST, REPOSITORY:TAG@DIGEST or a whole URI of ECR or ECR Public.
The result goes to stdout, all else to stderr.
exit status: 0 found, 1 not there (in time), 2 wrong usage, 3 waiting cannot help, 130 interrupted
"""


class WrongUsage(Exception):
    """The command line cannot be understood. `usage`: how it is used."""

    def __init__(self, usage: str, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.usage = usage
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Line:
    """A command line as it was given. `given` are the options that stand for properties, by the property's name.

    `faults`: what was wrong with it already; what they are about is left out of the rest.
    """

    command: str
    usage: str
    images: tuple[str, ...]
    files: tuple[str, ...]
    given: Mapping[str, object]
    output: str
    quiet: bool
    profile: str
    region: str
    endpoint_url: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for. `names`: the images as they were named, in their order. `max_wait` is in seconds."""

    names: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    rhythm: Rhythm
    max_wait: float
    builder: Builder | None
    starts_build: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongUsage(self.format_usage(), [message])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. What options allow is said in their help and validated afterwards."""
    whole = _Parser(prog=PROGRAM, description="Wait for container images in ECR.", allow_abbrev=False)
    whole.add_argument("--version", action="version", version=_version())
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, meaning, properties in (
        ("wait", "wait until every image is there", (*_OF_ONE, *_OF_WAIT)),
        ("check", "look once, and say everything seen", (*_OF_ONE, *_OF_LOOK)),
    ):
        command = commands.add_parser(
            name,
            help=meaning,
            description=meaning[0].upper() + meaning[1:] + ".",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("images", nargs="*", metavar="IMAGE", help="REPOSITORY:TAG, REPOSITORY@DIGEST or a URI")
        command.add_argument(
            "--from",
            dest="files",
            action="append",
            default=[],
            metavar="FILE",
            help="more images, one a line, # for comments, or a JSON list of objects as in the property Images; "
            "-: from stdin; may be repeated",
        )
        command.add_argument("--output", default="text", metavar="FORM", help=f"{', '.join(OUTPUTS)} (default: text)")
        command.add_argument("--quiet", action="store_true", help="say nothing of what goes on")
        aws = command.add_argument_group("AWS", "as the AWS CLI has them")
        aws.add_argument("--profile", default="", help="of the configuration files")
        aws.add_argument("--region", default="", help="where images without a URI are, and builds")
        aws.add_argument("--endpoint-url", default="", metavar="URL", help="of every service")
        group = command.add_argument_group("properties", "as those of Custom::EcrImageWaiter, for every image")
        for property_ in properties:
            _add_option(group, property_)
    return whole


def _add_option(group: argparse._ArgumentGroup, name: str) -> None:
    field = Properties.model_fields[name]
    meaning = in_options(str(field.description)).replace(STACK_OPERATION, NOW)
    if field.annotation is bool:
        group.add_argument(option_of(name), dest=name, action="store_const", const="true", help=meaning)
    elif get_origin(field.annotation) is dict:
        help_ = f"{meaning} May be repeated."
        group.add_argument(option_of(name), dest=name, action="append", metavar="NAME=VALUE", help=help_)
    else:
        allowed = allowed_by(field).replace(STACK_OPERATION, NOW)
        help_ = f"{meaning} Allowed: {allowed}." + (f" Default: {field.default}." if field.default else "")
        group.add_argument(option_of(name), dest=name, metavar="VALUE", help=help_.replace("%", "%%"))


def parse(arguments: Sequence[str]) -> Line:
    """Return what a command line says.

    Raises:
        WrongUsage: it does not even say which command.
        SystemExit: it asks for help, which is then on stdout.
    """
    options, unknown = parser().parse_known_args(arguments)
    usage = f"usage: {PROGRAM} {options.command} [options] IMAGE [IMAGE ...]"
    known = (*_OF_ONE, *(_OF_WAIT if options.command == "wait" else _OF_LOOK))
    given = {name: value for name in known if (value := getattr(options, name)) is not None}
    faults = [f"unrecognized argument: {each}" for each in unknown]
    if "Labels" in given:
        pairs = [label.partition("=") for label in options.Labels]
        faults += [
            f"{option_of('Labels')}: received {shown(name)}, allowed: NAME=VALUE" for name, sign, _ in pairs if not sign
        ]
        faults += _repeated(f"{option_of('Labels')} {clipped(name)}" for name, _, _ in pairs)
        given["Labels"] = {name: value for name, _, value in pairs}
    if given.get("PushedAfter") == NOW:
        given["PushedAfter"] = STACK_OPERATION
    if options.output not in OUTPUTS:
        faults.append(f"--output: received {shown(options.output)}, allowed: {', '.join(OUTPUTS)}")
    usable = not options.endpoint_url or _is_url(options.endpoint_url)
    if not usable:
        faults.append(f"--endpoint-url: received {shown(options.endpoint_url)}, allowed: an http or https URL")
    return Line(
        command=options.command,
        usage=usage,
        images=tuple(options.images),
        files=tuple(options.files),
        given=given,
        output=options.output,
        quiet=options.quiet,
        profile=options.profile,
        region=options.region,
        endpoint_url=options.endpoint_url if usable else "",
        faults=tuple(faults),
    )


def asked(line: Line, place: Place | None, read: Callable[[str], str]) -> Asked:
    """Return what a command line asks for.

    Args:
        line: what it says.
        place: where images without a URI are; None where that is not known, and then nothing is said about it.
        read: returns what is in the file of images. Raises OSError or ValueError.

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
        faults.append("no image is named: give one, or --from FILE with some in it")
    names = [image.name for image in images]
    faults += _repeated(names)
    whole = Properties.model_fields
    of_one = {name: value for name, value in line.given.items() if name in OneImage.model_fields}
    of_wait = {name: value for name, value in line.given.items() if name in whole and name not in of_one}
    of_options = [in_options(fault) for fault in _faults({"RepositoryName": "aa", "ImageTag": "a"} | of_one, of_wait)]
    faults += of_options
    for image in images:
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
        rhythm=read_[0].rhythm,
        max_wait=read_[0].max_wait,
        builder=read_[0].builder,
        starts_build=read_[0].StartBuild,
    )


def _repeated(names: Iterable[str]) -> list[str]:
    return [f"{name}: given {count} times" for name, count in Counter(names).items() if count > 1]


def regions(line: Line) -> Iterator[str]:
    """Return the regions that the URIs of a command line name."""
    for text in line.images:
        found = re.match(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.", text)
        if found or _URI.match(text):
            yield found[1] if found else "us-east-1"


def image_of(text: str) -> dict[str, Any]:
    """Return the properties of an image that is named on a command line. Nothing is validated."""
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
        raise ValueError(f"it begins as a JSON list does, and cannot be read as one: {error}") from None
    listed = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"entry {number}: received {shown(entry)}, allowed: an object")  # noqa: TRY004  # as above
        listed.append(_Given(_name_of(entry, number), entry, f"--from {file}: entry {number}: "))
    return listed


def _name_of(entry: Mapping[str, Any], number: int) -> str:
    """Return how an entry is called: by its Id, or as a command line would."""
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


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _version() -> str:
    try:
        return f"{PROGRAM} {metadata.version(PROGRAM)}"
    except metadata.PackageNotFoundError:
        return f"{PROGRAM}, not installed"
