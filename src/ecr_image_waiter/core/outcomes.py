"""A wait's backoff and how it ends, as values: the outcomes of `polling.wait`, and what the metrics count of them."""

from dataclasses import dataclass
from enum import StrEnum

from .model import Found, Looked, StackFinding, StackSeen
from .state import Memory, Progress


@dataclass(frozen=True, slots=True)
class Backoff:
    """How a template wants to wait."""

    delay: float
    rate: float
    wait_for_repository: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The image is there, or all of several are. `unanswered` is `Progress`'s."""

    found: Looked
    checks: int
    unanswered: int = 0


class Cause(StrEnum):
    """Why a wait ended without the image."""

    TIME_UP = "time-up"
    NO_REPOSITORY = "no-repository"
    ACCESS_DENIED = "access-denied"
    REFUSED = "refused"
    NEVER = "never"
    BUILD_BROKEN = "build-broken"
    BUILT_WITHOUT = "built-without"
    BUILD_HIDDEN = "build-hidden"
    TOO_LATE = "too-late"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The image did not come, or cannot. `found` is the last finding, None where no check was left to make.

    `unanswered` and `image_missing` are `Progress`'s.
    """

    cause: Cause
    found: Found | None
    checks: int
    unanswered: int = 0
    image_missing: bool = False


class Outcome(StrEnum):
    """How a wait ended that did not give up: with its image, abandoned, failed, or in a rollback."""

    READY = "ready"
    ABANDONED = "abandoned"
    STOPPED = "stopped"
    INVALID = "invalid"
    UNEXPECTED = "unexpected"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a wait ended. `seconds` since its start, None where nothing was waited for.

    `unanswered`: how many of the checks were throttled, failed or got no reply.
    """

    outcome: Outcome | Cause
    seconds: float | None = None
    checks: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The stack does not wait for the response any more."""

    progress: Progress
    stack: StackFinding

    @property
    def status(self) -> str:
        """The stack's status, empty if it is gone."""
        return self.stack.status if isinstance(self.stack, StackSeen) else ""


@dataclass(frozen=True, slots=True)
class PartDone:
    """This invocation's part of the wait is done, and a continuation goes on."""

    progress: Progress
    memory: Memory
