"""How runs go, as a test or a demo writes it down beforehand. No I/O."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

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
    "COMPLETED",
)
"""Of a build, in their order."""
COMMIT: Final = "f2194c1757bbdcb0f8f229254a4b3c8b27d43e0b"
"""What is built unless a script says otherwise."""

AnyRun = TypeVar("AnyRun")


@dataclass(frozen=True)
class Build:
    """How a build of CodeBuild goes.

    Args:
        seconds: how long each phase takes, by its name; one that is not named takes no time.
        ends: its status in the end.
        phase: the one at whose end it ends so, if it does not succeed.
        code: the status code in that phase's context.
        message: the message in that phase's context.
        commit: what it builds.
        does: what it does at the end of BUILD unless it fails before or there, such as pushing an image. If that
            raises, BUILD fails with the error as its message. It must not call the front.
    """

    seconds: Mapping[str, float] = field(default_factory=lambda: {"QUEUED": 0.5, "PROVISIONING": 0.5, "BUILD": 2.0})
    ends: Ending = "SUCCEEDED"
    phase: str = "BUILD"
    code: str = "COMMAND_EXECUTION_ERROR"
    message: str = "Error while executing command: docker build -t app . Reason: exit status 1"
    commit: str = COMMIT
    does: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        unknown = {*self.seconds, self.phase} - {*PHASES[:-1]}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: no phase that takes time; there are {', '.join(PHASES)}")


@dataclass(frozen=True)
class Action:
    """How an action of a pipeline goes.

    Args:
        seconds: how long it takes.
        fails: the message of its error, if it ends in one.
        code: of that error.
        summary: what its provider says of it; the usual sentence by default.
        does: what it does at its end unless it fails. If that raises, it fails with the error as its message. It must
            not call the front.
    """

    seconds: float = 1.0
    fails: str = ""
    code: str = "JobFailed"
    summary: str = ""
    does: Callable[[], object] | None = None


@dataclass(frozen=True)
class Execution:
    """How an execution of a pipeline goes.

    Args:
        actions: how each action goes, by its name; one that is not named succeeds after a second.
        revision: what its source actions find.
        summary: its statusSummary once it has ended.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    revision: str = COMMIT
    summary: str = ""


class Scripts(Generic[AnyRun]):
    """The runs that are to come, by the name of a project or a pipeline, which need not exist yet.

    Args:
        default: how a run goes that nobody has written down.
    """

    def __init__(self, default: AnyRun) -> None:
        self._default = default
        self._by_name: defaultdict[str, list[AnyRun]] = defaultdict(list)

    def play(self, name: str, *runs: AnyRun) -> None:
        """Let the next runs go so, in this order; the last one again and again."""
        self._by_name[name] = list(runs)

    def next(self, name: str) -> AnyRun:
        coming = self._by_name[name]
        if not coming:
            return self._default
        return coming.pop(0) if len(coming) > 1 else coming[0]

    def clear(self) -> None:
        self._by_name.clear()
