"""Parses a command line. Standard library only, so that help and completion come immediately.

The options that stand for properties are in options.json, which `make schema` writes from the model.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from ecr_image_waiter.core.messages import clipped, shown

PROGRAM: Final = "ecr-image-waiter"
OUTPUTS: Final = ("text", "json", "uri", "github")
NOW: Final = "now"
OPTIONS: Final = Path(__file__).with_name("options.json")
DEFAULT_TIMEOUT: Final = 1800.0
_LONGEST_TIMEOUT: Final = 900 * 3600.0  # of MaxRetries x RetryDelaySeconds
_SHELLS: Final = ("bash", "zsh", "fish")
_DURATION: Final = re.compile(r"0|(?=[0-9])(?:([0-9]{1,6})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,8})s)?")
_EPILOG: Final = """\
An image is REPOSITORY:TAG, REPOSITORY@DIGEST, REPOSITORY:TAG@DIGEST or a whole URI of ECR or ECR Public.
The result goes to stdout, all else to stderr.
exit status: 0 found, 1 not there (in time), 2 wrong usage, 3 waiting cannot help, 130 interrupted
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A command line as it was given. `given` are the options that stand for properties, by the property's name.

    `command` is empty if the line does not even say which. `timeout` is in seconds; None leaves it to the properties.
    `faults`: what was wrong with it already; what they are about is left out of the rest.
    """

    command: str
    usage: str
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    given: Mapping[str, object] = field(default_factory=dict)
    timeout: float | None = None
    output: str = ""
    quiet: bool = False
    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    faults: tuple[str, ...] = ()


class _Unparsable(Exception):
    """argparse cannot go on."""

    def __init__(self, usage: str, message: str) -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Unparsable(self.format_usage(), message)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line. What options allow is said in their help and validated afterwards."""
    whole = _Parser(prog=PROGRAM, description="Wait for container images in ECR.", allow_abbrev=False)
    whole.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    options = json.loads(OPTIONS.read_text(encoding="utf-8"))
    for name, meaning in (("wait", "wait until every image is ready"), ("check", "check once, and print the result")):
        command = commands.add_parser(
            name,
            usage=f"{PROGRAM} {name} [options] IMAGE [IMAGE ...]",
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
        if name == "wait":
            time = command.add_argument_group("time", "in s, m and h, such as 90s, 10m or 1h30m")
            time.add_argument("--timeout", metavar="TIME", help="the longest wait; 0 checks once (default: 30m)")
            time.add_argument("--interval", metavar="TIME", help="the longest pause, 1s to 15m (default: 30s)")
        aws = command.add_argument_group("AWS", "as the AWS CLI has them")
        aws.add_argument("--profile", default="", help="of the configuration files")
        aws.add_argument("--region", default="", help="where images without a URI are, and builds")
        aws.add_argument("--endpoint-url", default="", metavar="URL", help="of every service")
        group = command.add_argument_group("properties", "as those of Custom::EcrImageWaiter, for every image")
        for option in options:
            if name in option["commands"]:
                how = {key: option[key] for key in ("dest", "action", "const", "metavar", "help") if key in option}
                group.add_argument(option["option"], **how)
    completion = commands.add_parser("completion", help="print a shell's completion of this command")
    completion.add_argument("shell", choices=_SHELLS)
    return whole


class _Version(argparse.Action):
    """Reads the version only if asked, because that takes as long as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata  # noqa: PLC0415  # as above

        try:
            version = metadata.version(PROGRAM)
        except metadata.PackageNotFoundError:
            version = "not installed"
        sys.stdout.write(f"{PROGRAM} {version}\n")
        parser.exit()


def parse(arguments: Sequence[str]) -> Line:
    """Returns what a command line says.

    Raises:
        SystemExit: it asks for help, the version or a completion, which is then on stdout.
    """
    whole = parser()
    try:
        options, unknown = whole.parse_known_args(arguments)
    except _Unparsable as error:
        return Line(command="", usage=error.usage, faults=(str(error),))
    if options.command == "completion":
        sys.stdout.write(_completion(whole, options.shell))
        whole.exit()
    usage = f"usage: {PROGRAM} {options.command} [options] IMAGE [IMAGE ...]"
    given = {name: value for name, value in vars(options).items() if name[0].isupper() and value is not None}
    faults = [f"unrecognized argument: {each}" for each in unknown]
    if "Labels" in given:
        pairs = [label.partition("=") for label in options.Labels]
        faults += [f"--label: received {shown(name)}, allowed: NAME=VALUE" for name, sign, _ in pairs if not sign]
        faults += repeated(f"--label {clipped(name)}" for name, _, _ in pairs)
        given["Labels"] = {name: value for name, sign, value in pairs if sign}
        if not given["Labels"]:
            del given["Labels"]
    timeout, of_times = _times(options, given) if options.command == "wait" else (None, [])
    faults += of_times
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
        timeout=timeout,
        output=options.output,
        quiet=options.quiet,
        profile=options.profile,
        region=options.region,
        endpoint_url=options.endpoint_url if usable else "",
        faults=tuple(faults),
    )


def _completion(whole: argparse.ArgumentParser, shell: str) -> str:
    """Returns the script of a shell that completes the command."""
    try:
        import shtab  # noqa: PLC0415  # for this alone
    except ImportError:
        whole.exit(2, f"{PROGRAM}: error: completion needs shtab; install it with\n  pip install '{PROGRAM}[cli]'\n")
    (commands,) = (action.choices for action in whole._actions if action.dest == "command")  # noqa: SLF001  # as below
    for command in dict(commands or {}).values():
        for action in command._actions:  # noqa: SLF001  # argparse has no other way to them
            if action.dest == "output":
                action.choices = OUTPUTS
            if action.dest == "files":
                action.complete = shtab.FILE
    return f"{shtab.complete(whole, shell)}\n"


def _times(options: argparse.Namespace, given: dict[str, object]) -> tuple[float | None, list[str]]:
    """Returns the time limit and what is wrong with the times, and takes `--interval` for RetryDelaySeconds."""
    faults = []
    for option, value, older, name in (
        ("--timeout", options.timeout, "--max-retries", "MaxRetries"),
        ("--interval", options.interval, "--retry-delay-seconds", "RetryDelaySeconds"),
    ):
        if value is not None and name in given:
            faults.append(f"{older}: cannot be combined with {option}; remove one of them")
    timeout = None
    if options.interval is not None:
        interval = seconds_in(options.interval)
        if interval is None or not 1 <= interval <= 900:
            faults.append(f"--interval: received {shown(options.interval)}, allowed: 1s to 15m, such as 30s or 1m")
        else:
            given["RetryDelaySeconds"] = str(int(interval))
        timeout = None if "MaxRetries" in given else DEFAULT_TIMEOUT
    if options.timeout is not None:
        timeout = seconds_in(options.timeout)
        if timeout is None or timeout > _LONGEST_TIMEOUT:
            faults.append(
                f"--timeout: received {shown(options.timeout)}, allowed: 0 to 900h, such as 90s, 10m or 1h30m"
            )
    return timeout, faults


def seconds_in(text: str) -> float | None:
    """Returns how many seconds `90s`, `10m`, `1h30m` or `0` are; None for all else."""
    found = _DURATION.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def repeated(names: Iterable[str]) -> list[str]:
    """Returns a fault for each name that is given more than once."""
    return [f"{name}: given {count} times" for name, count in Counter(names).items() if count > 1]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
