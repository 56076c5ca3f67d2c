"""The command's result in three forms, and its exit status. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import zip_longest
from textwrap import wrap
from typing import Any, Final

from ecr_image_waiter.cfn.response import attributes, there
from ecr_image_waiter.core.builds import BuildHidden
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.messages import clipped, duration, harmless, iso
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    Found,
    Image,
    NoRegion,
    NoRepository,
    NotDeployable,
    Refused,
    decisive,
)
from ecr_image_waiter.core.state import Cause
from ecr_image_waiter.text.reasons import Reason
from ecr_image_waiter.text.terms import seen_of


class Status(IntEnum):
    """Exit statuses. docs/cli.md tells them to users."""

    FOUND = 0
    NOT_THERE = 1
    WRONG_USAGE = 2
    NEVER = 3
    BROKEN = 70
    INTERRUPTED = 130


# Somebody must change something before waiting can help. All else may come by itself, or by the next build.
_NEVER: Final = frozenset(
    {Cause.NO_REPOSITORY, Cause.ACCESS_DENIED, Cause.REFUSED, Cause.NOT_DEPLOYABLE, Cause.BUILD_HIDDEN}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One image, as far as it was checked. `finding`: None if it was not.

    `platforms` and `labels`: read from it; `unread`: why they could not be read.
    """

    name: str
    wanted: Wanted
    finding: Finding | None
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""

    @property
    def image(self) -> Image | None:
        """The image that is there, be it the one meant or not."""
        return there(self.finding) if self.finding else None

    @property
    def uri(self) -> str:
        """Its URI by digest, empty if there is none."""
        return self.image.uri if self.image else ""

    @property
    def phrase(self) -> str:
        """The finding, as a phrase."""
        if self.finding is None:
            return "not checked"
        told = seen_of(self.wanted.image, self.finding)
        return f"{told}; {self.finding.cure}" if isinstance(self.finding, NotDeployable) else told


_NOTHING: Final = Reason("")


@dataclass(frozen=True, slots=True)
class Result:
    """The result. `waited` is in seconds; `reason` and `cause` are empty if every image is ready.

    `note`: a text for people.
    """

    status: Status
    images: tuple[Seen, ...]
    checks: int
    waited: float
    reason: str = ""
    cause: str = ""
    note: Reason = _NOTHING


def without_images(status: Status, reason: str, cause: str) -> Result:
    """Returns the result of a command that ended before it had one."""
    return Result(status, (), 0, 0.0, reason=reason, cause=cause, note=Reason(reason))


def status_of_wait(cause: Cause) -> Status:
    """Returns the exit status of a wait that ended without the image."""
    return Status.NEVER if cause in _NEVER else Status.NOT_THERE


def status_of_check(found: Found) -> Status:
    """Returns the exit status of one check: the status of a wait during which nothing changes."""
    finding = decisive(found)
    if isinstance(finding, Image):
        return Status.FOUND
    hidden = isinstance(found, Awaited) and isinstance(found.build, BuildHidden)
    # What is to push the image may create the repository.
    no_repository = isinstance(finding, NoRepository) and not isinstance(found, Awaited)
    hopeless = isinstance(finding, NotDeployable | Refused | NoRegion | AccessDenied) or no_repository
    return Status.NEVER if hopeless or hidden else Status.NOT_THERE


def written(result: Result, form: str, now: float) -> str:
    """Returns what stands on stdout, with its line ends; nothing where the form has nothing to say.

    `form`: `text`, which is that of `github` too, `json` or `uri`. Ages are told from `now`, in seconds since 1970 UTC.
    """
    if form == "json":
        return json.dumps(as_json(result), indent=2) + "\n"
    if form != "uri":
        lines = _as_text(result.images, now)
    else:
        # All or nothing: a script must not take the second image for the first.
        lines = [image.uri for image in result.images] if result.status is Status.FOUND else []
    return "".join(f"{harmless(line)}\n" for line in lines)


def laid_out(note: Reason, width: int) -> list[str]:
    """Returns the lines of a note: its sentence, or its rows on a terminal that is `width` characters wide."""
    if not (width and note.rows):
        return [note.sentence] if note.sentence else []
    indent = max(len(title) for title, _ in note.rows) + 4
    lines = [note.heading]
    for title, text in note.rows:
        wrapped = wrap(harmless(text), max(width - indent, 20), break_on_hyphens=False)
        lines += [f"  {each:<{indent - 2}}{part}" for each, part in zip_longest([title], wrapped, fillvalue="")]
    return lines


def as_json(result: Result) -> dict[str, Any]:
    """Returns a result as docs/cli.md has it."""
    return {
        "Ready": result.status is Status.FOUND,
        "Reason": result.reason,
        "Cause": result.cause,
        "Attempts": result.checks,
        "WaitedSeconds": int(result.waited),
        "Images": [_image_as_json(image) for image in result.images],
    }


def _image_as_json(one: Seen) -> dict[str, Any]:
    image = one.image
    said: dict[str, Any] = {
        "Image": one.name,
        "Ready": isinstance(one.finding, Image),
        "Seen": one.phrase,
        **(attributes([one.wanted], image, checks=0, waited=0.0) if image else {}),
    }
    # They are of all images together.
    said = {key: value for key, value in said.items() if key not in ("Attempts", "WaitedSeconds")}
    return (
        said
        | ({"Platforms": list(one.platforms)} if one.platforms else {})
        | ({"Labels": dict(one.labels)} if one.labels else {})
    )


def _as_text(images: Sequence[Seen], now: float) -> list[str]:
    """Returns what was seen of each image; those that nothing but the same phrase is said of together."""
    named: dict[tuple[str, ...], list[str]] = {}
    for image in images:
        ready = "ready" if isinstance(image.finding, Image) else f"not ready: {image.phrase}"
        named.setdefault((ready, *_rows(image, now)), []).append(image.name)
    return [line for (ready, *rows), names in named.items() for line in (f"{', '.join(names)}: {ready}", *rows)]


def _rows(one: Seen, now: float) -> list[str]:
    image = one.image
    if not image:
        return []
    pushed = f"{iso(image.pushed_at)}, {duration(now - image.pushed_at)} ago" if image.pushed_at else ""
    rows = [
        ("uri", one.uri),
        ("type", image.media_type or ""),
        ("pushed", pushed),
        ("size", f"{image.size:,} bytes" if image.size is not None else ""),
        ("platform" if len(one.platforms) < 2 else "platforms", ", ".join(one.platforms)),
        ("architecture", "" if one.platforms else image.architecture),
        *((f"label {clipped(name)}", clipped(value, 200)) for name, value in one.labels.items()),
        ("unread", one.unread),
    ]
    width = max(len(title) for title, text in rows if text)
    return [f"  {title:<{width}}  {text}" for title, text in rows if text]
