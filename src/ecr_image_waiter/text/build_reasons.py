"""What a builder's runs come to, in words: the phrases of the log and of a Reason. No I/O, no clock."""

import re
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
from ecr_image_waiter.core.format import clipped, coded, duration
from ecr_image_waiter.core.model import Awaited, NewestTags, NoRepository, Place, decisive

from .terms import TEMPLATE, Terms

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


def seen_of_build(builder: Builder, build: BuildFinding) -> str:
    """Say what was seen of the build, in a phrase."""
    match build:
        case NoRun():
            return f"no {builder.kind.run_noun} of {builder} is under way"
        case UnderWay(run=run, started=True):
            return f"started {_run(builder, run)}"
        case UnderWay(run=run):
            if run.status is RunStatus.SUPERSEDED:
                return f"{_run(builder, run)} was superseded, and its successor is not seen yet"
            return f"{_run(builder, run)} is under way{_where(run)}"
        case Broken(run=run):
            return f"{_run(builder, run)} {_ended(run)}"
        case Built(run=run):
            return f"{_run(builder, run)} succeeded"
        case BuildHidden(missing=True):
            return f"{builder} does not exist"
        case BuildHidden(action=action, code=code, message=message):
            return f"AWS refused {action} on {builder} ({coded(code, message)})"
        case BuildUnavailable(code=code):
            return f"nothing was heard of {builder} ({code})"
        case _:
            assert_never(build)


def reason_of_build(
    wanted: str,
    place: Place,
    found: Awaited,
    *,
    effort: str,
    newest: NewestTags | None,
    now: float,
    elsewhere: str = "",
    terms: Terms = TEMPLATE,
) -> str:
    """Say in one sentence why a build ended the wait, and what to do next.

    Args:
        wanted: what was waited for, and where.
        place: where the function is.
        found: what was found.
        effort: how often it was looked for, and for how long.
        newest: the repository's newest tags; None where nobody looked.
        now: the time, from which the ages of tags are told.
        elsewhere: what the name of a repository that does not exist may mean.
        terms: the words of whoever reads it.
    """
    builder, build = found.builder, found.build
    match build:
        case Broken(run=run):
            return (
                f"Gave up on {wanted} (checked {effort}): {_run(builder, run)}, which was to push it, {_ended(run)}; "
                f"mend that{_link(run)}, then {terms.again}"
            )
        case Built(run=run):
            no_repository = isinstance(decisive(found), NoRepository)
            instead = f", and the repository does not exist{elsewhere}" if no_repository else _instead(run, newest, now)
            what = "its name" if no_repository else "the tag"
            return (
                f"Gave up on {wanted} (checked {effort}): {_run(builder, run)} succeeded without pushing it{instead}; "
                f"correct {what} here or in the build{_link(run)}, then {terms.again}"
            )
        case BuildHidden(missing=True):
            return (
                f"Gave up on {wanted} (checked {effort}): {builder} does not exist in {place.region}, account "
                f"{place.account}; correct {terms.named(builder.kind.property)}, or create it {terms.beforehand}"
            )
        case BuildHidden():
            return _reason_hidden(wanted, place, found, build, effort=effort, terms=terms)
        case _:
            return f"Gave up on {wanted} (checked {effort}): {seen_of_build(builder, build)}"


def _reason_hidden(wanted: str, place: Place, found: Awaited, build: BuildHidden, *, effort: str, terms: Terms) -> str:
    builder = found.builder
    said = coded(build.code, build.message)
    if not build.denied:
        return (
            f"Gave up on {wanted} (checked {effort}): AWS refused {build.action} on {builder} ({said}); correct what "
            f"AWS names, then {terms.again}"
        )
    role = re.search(r":assumed-role/([^/\s]+)/", build.message)
    how = terms.by_parameter(builder.kind.parameter + (" and AllowStartBuild" if ":Start" in build.action else ""))
    return (
        f"Not allowed to follow {builder}, which is to push {wanted} (checked {effort}): allow {build.action} on "
        f"{place.builder_arn(builder)} to {'the role ' + role[1] if role else terms.waiter}"
        f"{',' if how else ''}{how}; AWS said {said}"
    )


def _run(builder: Builder, run: BuildRun) -> str:
    return f"{builder.kind.run_noun} {run.id} of {builder}"


def _ended(run: BuildRun) -> str:
    message = clipped(" ".join(run.message.split()), _LONGEST_MESSAGE)
    how = _ENDS.get(run.said, f"ended as {clipped(run.said)}")
    return f"{how}{_where(run)}" + (f", saying: {message}" if message else "")


def _where(run: BuildRun) -> str:
    if run.where == "queued":
        return ", queued"
    return f", in {clipped(run.where, 200)}" if run.where else ""


def _link(run: BuildRun) -> str:
    return f", see {clipped(run.link, 400)}" if run.link else ""


def _instead(run: BuildRun, newest: NewestTags | None, now: float) -> str:
    if newest is None:
        return ""
    new = (entry for entry in newest.tags if entry.pushed_at >= run.began)
    got = ", ".join(f"{entry.tag} ({duration(now - entry.pushed_at)} old)" for entry in new)
    return f", and since it began the repository got {got or 'no new image' + among(newest)}"


def among(newest: NewestTags) -> str:
    """Say how many images were looked at, beginning with a blank; nothing where those were all."""
    return f" of the {newest.images:,} images looked at" if newest.images else ""
