"""The build that is to push the image: what its runs say, and which of them a wait follows. Pure.

A builder is a CodeBuild project or a pipeline; a run is one build of it, or one execution. All times are seconds since
1970 UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from operator import attrgetter
from typing import Final, TypeAlias


class BuilderKind(Enum):
    """A kind of builder, with the names that belong to it.

    `noun` is a builder in a sentence, `run_noun` one of its runs. An ARN has `service`, and `path` before the name.
    `property` names the builder in a template, `parameter` allows it in the waiter's stack.
    """

    PROJECT = ("CodeBuild project", "build", "codebuild", "project/", "BuildProject")
    PIPELINE = ("pipeline", "execution", "codepipeline", "", "Pipeline")

    def __init__(self, noun: str, run_noun: str, service: str, path: str, property_: str) -> None:
        self.noun = noun
        self.run_noun = run_noun
        self.service = service
        self.path = path
        self.property = property_
        self.parameter = f"{property_}Arns"


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder of the function's own account and region, by its name."""

    kind: BuilderKind
    name: str

    def __str__(self) -> str:
        return f'the {self.kind.noun} "{self.name}"'


class RunStatus(StrEnum):
    """The meaning of a run's status."""

    UNDER_WAY = "under-way"
    SUCCEEDED = "succeeded"
    BROKEN = "broken"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class BuildRun:
    """One run.

    `said` is the service's own status. `ended` is None while it is under way. `ours`: this wait started it. `where`:
    the phase, or the stage and action, that it is in or ended in. `message` and `link`: the service's, if it has them.
    """

    id: str
    status: RunStatus
    said: str
    began: float
    ended: float | None = None
    ours: bool = False
    where: str = ""
    message: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class NoRun:
    """No run is under way, and none began since the wait did."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run is under way, or has passed the baton to another that is not seen yet. `started`: by this very check."""

    run: BuildRun
    started: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The followed run failed or was stopped."""

    run: BuildRun


@dataclass(frozen=True, slots=True)
class Built:
    """The run that was followed has succeeded."""

    run: BuildRun


@dataclass(frozen=True, slots=True)
class BuildHidden:
    """The service does not say, and asking again will hardly help. `missing`: there is no such project or pipeline.

    `action` is what was refused, such as `codebuild:StartBuild`. `denied`: a permission is missing.
    `rejected`: AWS rejects the credentials.
    """

    action: str
    code: str
    message: str
    missing: bool = False
    denied: bool = False
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class BuildUnavailable:
    """The service throttled, failed or could not be reached."""

    code: str


BuildFinding: TypeAlias = NoRun | UnderWay | Broken | Built | BuildHidden | BuildUnavailable


@dataclass(frozen=True, slots=True)
class StartedRun:
    """The id of the run that a wait started, empty if none. A continuation carries it."""

    run: str = ""


NEWEST_RUNS: Final = 20
"""The number of a builder's runs that are read."""


def judge_runs(runs: Iterable[BuildRun], start: float) -> NoRun | UnderWay | Broken | Built:
    """Returns what the runs that matter to a wait come to.

    That is the one it started; otherwise those that were under way when it began, or began since. While one of them is
    under way there is hope; after that the last one to end decides. A superseded run is another one's business. `start`
    is when the wait began.
    """
    newest = list(runs)
    own = next((run for run in newest if run.ours), None)
    if own is None:
        matter = [run for run in newest if run.ended is None or run.ended >= start]
    elif own.status is RunStatus.SUPERSEDED:
        matter = [own, *(run for run in newest if run.began > own.began)]
    else:
        matter = [own]
    overtaken = [run for run in matter if run.status is RunStatus.SUPERSEDED]
    matter = [run for run in matter if run.status is not RunStatus.SUPERSEDED]
    under_way = [run for run in matter if run.status is RunStatus.UNDER_WAY]
    if under_way:
        return UnderWay(max(under_way, key=attrgetter("began")))
    if matter:
        last = max(matter, key=lambda run: (run.ended or 0.0, run.began))
        return Built(last) if last.status is RunStatus.SUCCEEDED else Broken(last)
    return UnderWay(max(overtaken, key=attrgetter("began"))) if overtaken else NoRun()


def first_told(*moments: datetime | None) -> float:
    """Returns the first known moment, or 0, which is before every wait."""
    return next((moment.timestamp() for moment in moments if moment), 0.0)
