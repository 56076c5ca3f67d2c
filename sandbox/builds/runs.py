"""How runs go, as a test or a demo writes it down beforehand, and what becomes of one that was started. No I/O."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Ending = Literal["SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"]

PHASES: Final = (
    "SUBMITTED",
    "QUEUED",
    "PROVISIONING",
    "DOWNLOAD_SOURCE",
    "INSTALL",
    "PRE_BUILD",
    "BUILD",
    "POST_BUILD",
    "UPLOAD_ARTIFACTS",
    "FINALIZING",
)
"""Of a build, in their order, before it is COMPLETED."""


@dataclass(frozen=True)
class Build:
    """How a build of CodeBuild goes.

    Args:
        seconds: how long each phase takes, by its name; one that is not named takes no time.
        ends: its status in the end.
        phase: the one at whose end it ends so, if it does not succeed.
        message: the message in that phase's context.
        does: what it does at the end of BUILD unless it fails before or there. If that raises, BUILD fails with the
            error as its message.
    """

    seconds: Mapping[str, float] = field(default_factory=lambda: {"QUEUED": 0.5, "PROVISIONING": 0.5, "BUILD": 2.0})
    ends: Ending = "SUCCEEDED"
    phase: str = "BUILD"
    message: str = "Error while executing command: docker build -t app . Reason: exit status 1"
    does: Callable[[], object] | None = None

    def steps(self) -> "list[Step]":
        steps = [Step("", name, self.seconds.get(name, 0.0)) for name in PHASES]
        steps[PHASES.index("BUILD")].does = self.does
        broken = steps[PHASES.index(self.phase)]
        broken.ends, broken.message = self.ends, "" if self.ends == "SUCCEEDED" else self.message
        return steps


@dataclass(frozen=True)
class Action:
    """How an action of a pipeline goes: its seconds, the message it `fails` with, and what it does at its end."""

    seconds: float = 1.0
    fails: str = ""
    does: Callable[[], object] | None = None


@dataclass(frozen=True)
class Execution:
    """How an execution of a pipeline goes: its actions by name; one that is not named succeeds after a second."""

    actions: Mapping[str, Action] = field(default_factory=dict)

    def steps(self, declared: Iterable[tuple[str, str]]) -> "list[Step]":
        """Return the steps of an execution. `declared`: stage and name of each action of its pipeline."""
        scripts = [(stage, name, self.actions.get(name, Action())) for stage, name in declared]
        return [
            Step(stage, name, script.seconds, script.does, "FAILED" if script.fails else "SUCCEEDED", script.fails)
            for stage, name, script in scripts
        ]


@dataclass
class Step:
    """A phase of a build, or an action of a stage: how it goes, and in seconds since 1970 UTC when it began and ended.

    `ends` and `message` are how it ends, or has ended; `doing`: whether somebody does what it does.
    """

    stage: str
    name: str
    seconds: float
    does: Callable[[], object] | None = None
    ends: Ending | Literal["SUPERSEDED"] = "SUCCEEDED"
    message: str = ""
    began: float = 0.0
    ended: float | None = None
    doing: bool = False

    def do(self) -> None:
        """Do what it does, and fail if that raises."""
        try:
            if self.does:
                self.does()
        except Exception as error:  # noqa: BLE001  # whatever a script raises is how its command failed
            self.ends, self.message = "FAILED", f"Error while executing command: {error}"
        self.does = None


@dataclass
class Run:
    """A build or an execution that was started. `trigger`: by what; `reason`: why somebody ended it."""

    coming: list[Step]
    began: float
    trigger: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    begun: list[Step] = field(default_factory=list)
    ended: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        self._next(self.began)

    @property
    def status(self) -> str:
        """Its status in CodeBuild's words, which CodePipeline's differ from in their spelling."""
        return "IN_PROGRESS" if self.ended is None else self.begun[-1].ends

    @property
    def changed(self) -> float:
        """When something last happened to it."""
        return self.begun[-1].began if self.ended is None else self.ended

    def advance(self, now: float) -> Step | None:
        """Let everything happen that is due, up to a step that has something to do. It is returned, once."""
        while self.ended is None and (due := self.begun[-1].began + self.begun[-1].seconds) <= now:
            step = self.begun[-1]
            if step.ends == "SUCCEEDED" and step.does:
                first, step.doing = not step.doing, True
                return step if first else None
            step.ended = due
            self._next(due)
        return None

    def end(self, how: Literal["STOPPED", "SUPERSEDED"], now: float, reason: str) -> None:
        """Have somebody stop it, or another one supersede it."""
        if self.ended is None:
            self.begun[-1].ends, self.begun[-1].ended = how, now
            self.reason = reason
            self._next(now)

    def _next(self, at: float) -> None:
        """Begin the next step, or end with the last one."""
        if self.coming and all(step.ends == "SUCCEEDED" for step in self.begun):
            self.begun.append(self.coming.pop(0))
            self.begun[-1].began = at
        else:
            self.ended = at
