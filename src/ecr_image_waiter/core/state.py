"""The state of a wait: progress, memory of checks, results, and the form that a continuation carries. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from .builds import StartedRun
from .deadline import MAX_INVOCATIONS, Bounds
from .manifests import Cache
from .messages import InvalidRequest
from .model import Found, Image, ImagesFound, StackFinding, StackSeen

STATE_KEY: Final = "EcrImageWaiter"
"""The one key of a continuation's event that CloudFormation did not put there."""
VERSION: Final = 1
_MOST_BYTES: Final = 200_000  # Lambda queues 1 MB, and 256 kB where that is not in force yet
_MOST_KNOWN_BYTES: Final = 500_000  # what versions before this one carried
_LONGEST_ID: Final = 300  # of a build or an execution
_LONGEST_WAIT: Final = 3600.0  # the greatest ServiceTimeout
_LONGEST_PAUSE: Final = 900.0  # the greatest RetryDelaySeconds
_MOST_CHECKS: Final = 7200  # twice as many as pauses of a second allow
_OLDEST: Final = 86_400.0  # longer than Lambda keeps any event, however often it is handed over
MOST_LOST_REPLIES: Final = 3
_MOST_IDS: Final = 100  # that one call takes (API Reference, DescribeImages and BatchGetImage)
NEVER: Final = 1e11
"""Seconds since 1970: after every wait. Not infinity, which JSON does not have."""


class Streak(StrEnum):
    """Findings of which it matters how long they have been the same."""

    NO_REGION = "no-region"
    NO_REPOSITORY = "no-repository"
    ACCESS_DENIED = "access-denied"
    ARCHIVED = "archived"
    BUILT = "built"
    BUILD_HIDDEN = "build-hidden"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a wait between two checks. A continuation carries all of it.

    `due`: when the next check is. `hops`: how many continuations came before. `pause`: the latest pause of the
    backoff. `fault_pause`: the latest pause while ECR does not answer, 0 when it does. `streak` and `streak_since`: the
    one under way, and its start. `unanswered`: how many checks ECR did not answer. `image_missing`: the last one that
    it did found a repository without the image. `asked` and `ask_due`: when it was last asked whether anybody still
    waits (0: not yet), and when it is next. `lost_replies`: how many continuations of this wait may run twice. The
    aliases are the continuation's.
    """

    due: float
    checks: int = 0
    hops: int = 0
    pause: float = 0.0
    fault_pause: float = 0.0
    streak: Annotated[Streak | None, Field(alias="run")] = None
    streak_since: Annotated[float, Field(alias="run_since")] = 0.0
    unanswered: Annotated[int, Field(alias="faults")] = 0
    image_missing: bool = False
    lost_replies: int = 0
    asked: float = 0.0
    ask_due: float = NEVER


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a wait, passed into and out of each check.

    A continuation carries `cache` and `own_run`; the rest is found again. `ready`: of several images, those that are,
    by id. `most_ids`: how many images one call asks for. `start_due`: no build is started before.
    """

    cache: Cache = field(default_factory=Cache)
    own_run: StartedRun = field(default_factory=StartedRun)
    ready: Mapping[str, Image] = field(default_factory=dict)
    most_ids: int = _MOST_IDS
    start_due: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings of a check, and the memory for the next one."""

    found: Found
    memory: Memory


@dataclass(frozen=True, slots=True)
class Backoff:
    """The backoff that a template sets."""

    delay: float
    rate: float
    wait_for_repository: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """All images are ready. `unanswered` is `Progress`'s."""

    found: ImagesFound
    checks: int
    unanswered: int = 0


class Cause(StrEnum):
    """The cause of a wait that ended without the image."""

    TIME_UP = "time-up"
    NO_REPOSITORY = "no-repository"
    ACCESS_DENIED = "access-denied"
    REFUSED = "refused"
    NOT_DEPLOYABLE = "never"
    BUILD_BROKEN = "build-broken"
    BUILT_WITHOUT = "built-without"
    BUILD_HIDDEN = "build-hidden"
    TOO_LATE = "too-late"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The wait ended without the image. `found` is the last finding, None if no check was made.

    `unanswered` and `image_missing` are `Progress`'s.
    """

    cause: Cause
    found: Found | None
    checks: int
    unanswered: int = 0
    image_missing: bool = False


class Outcome(StrEnum):
    """The outcome of a wait without a `Cause`: with its image, abandoned, failed, or in a rollback."""

    READY = "ready"
    ABANDONED = "abandoned"
    HAND_OVER_FAILED = "stopped"
    INVALID = "invalid"
    UNEXPECTED = "unexpected"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """The end of a wait. `seconds` since its start, None without a wait.

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

    def state(self, bounds: Bounds) -> "State":
        """Returns the state for the continuation."""
        progress = replace(self.progress, hops=self.progress.hops + 1)
        return State(bounds.start, bounds.limit, progress, self.memory.cache, self.memory.own_run)


@pydantic_dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False, defer_build=True))  # a short wait needs none
class State:
    """The state that outlives an invocation: `known` is the cache of `Memory`, `own` its `own_run`.

    Times are seconds since 1970 UTC.
    A field may be added, with a default; where one changes its meaning, the version does too.
    """

    start: float
    limit: float
    progress: Progress
    known: Cache = field(default_factory=Cache)
    own: StartedRun = field(default_factory=StartedRun)
    version: Literal[1] = VERSION


_ADAPTER: Final = TypeAdapter(State)


def read_state(received: object, now: float) -> State:
    """Returns the state that a continuation carries under the one key.

    Raises:
        InvalidRequest: the state is not the waiter's own, such as one that begins later than now.
    """
    try:
        state = _ADAPTER.validate_python(received)
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"][:2])) or STATE_KEY for item in error.errors()})
    else:
        fields = _impossible(state, now)
        if not fields:
            return state
    invalid = f"this key of the event is reserved for the waiter and cannot be read ({', '.join(fields)}); remove it"
    raise InvalidRequest([f"{STATE_KEY}: {invalid}"])


def _impossible(state: State, now: float) -> list[str]:
    """Returns the names of fields whose values no wait can reach."""
    start, limit, progress = state.start, state.limit, state.progress
    ranges = {
        "start": (start, now - _OLDEST, now),
        "limit": (limit, start, start + _LONGEST_WAIT),
        "due": (progress.due, start, limit),
        "checks": (progress.checks, 0, _MOST_CHECKS),
        "hops": (progress.hops, 0, MAX_INVOCATIONS),
        "pause": (progress.pause, 0.0, _LONGEST_PAUSE),
        "fault_pause": (progress.fault_pause, 0.0, _LONGEST_PAUSE),
        "run_since": (progress.streak_since or start, start, limit),
        "faults": (progress.unanswered, 0, progress.checks),
        "lost_replies": (progress.lost_replies, 0, MOST_LOST_REPLIES),
        "asked": (progress.asked or start, start, limit),
        "ask_due": (start if progress.ask_due == NEVER else progress.ask_due, start, limit + _LONGEST_WAIT),
        "known": (len(json.dumps(_ADAPTER.dump_python(state, mode="json")["known"])), 0, _MOST_KNOWN_BYTES),
        "known.pushed": (max(state.known.pushed.values(), default=0.0), 0.0, NEVER),
        "own": (len(state.own.run), 0, _LONGEST_ID),
    }
    return [name for name, (value, least, most) in ranges.items() if not least <= value <= most]


def continuation(event: Mapping[str, Any], state: State) -> dict[str, Any]:
    """Returns the event of the next invocation: CloudFormation's own, unchanged, and the state under one key.

    What is known of images stays behind where the event would be too long to be queued: it can be read again.
    """
    whole = {**event, STATE_KEY: _ADAPTER.dump_python(state, mode="json", by_alias=True)}
    if len(json.dumps(whole)) > _MOST_BYTES:
        whole[STATE_KEY]["known"] = {}
    return whole
