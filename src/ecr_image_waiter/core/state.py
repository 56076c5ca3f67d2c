"""The state of a wait, which the event of a continuation carries from one invocation to the next. Pure."""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .builds import Own
from .conditions import Known
from .deadline import MAX_INVOCATIONS
from .faults import InvalidRequest
from .polling import NEVER, Progress

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


@dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False, defer_build=True))  # a wait that is short needs none
class State:
    """Everything that must outlive an invocation. Times are seconds since 1970 UTC.

    A field may be added, with a default; where one changes its meaning, the version does too.
    """

    start: float
    limit: float
    progress: Progress
    known: Known = field(default_factory=Known)
    own: Own = field(default_factory=Own)
    version: Literal[1] = VERSION


_ADAPTER: Final = TypeAdapter(State)


def read_state(received: object, now: float) -> State:
    """Return the state that a continuation carries.

    Args:
        received: what stands under the one key.
        now: the time; a wait that begins later than that is none of ours.

    Raises:
        InvalidRequest: somebody else wrote it.
    """
    try:
        state = _ADAPTER.validate_python(received)
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"][:2])) or STATE_KEY for item in error.errors()})
    else:
        fields = _impossible(state, now)
        if not fields:
            return state
    raise InvalidRequest(
        [f"{STATE_KEY}: this key of the event is the waiter's own and cannot be read ({', '.join(fields)})"]
    )


def _impossible(state: State, now: float) -> list[str]:
    """Returns the names of the fields whose values no wait can reach, whatever its template says."""
    start, limit, progress = state.start, state.limit, state.progress
    ranges = {
        "start": (start, now - _OLDEST, now),
        "limit": (limit, start, start + _LONGEST_WAIT),
        "due": (progress.due, start, limit),
        "checks": (progress.checks, 0, _MOST_CHECKS),
        "hops": (progress.hops, 0, MAX_INVOCATIONS),
        "pause": (progress.pause, 0.0, _LONGEST_PAUSE),
        "fault_pause": (progress.fault_pause, 0.0, _LONGEST_PAUSE),
        "run_since": (progress.run_since or start, start, limit),
        "faults": (progress.faults, 0, progress.checks),
        "lost_replies": (progress.lost_replies, 0, MOST_LOST_REPLIES),
        "asked": (progress.asked or start, start, limit),
        "ask_due": (start if progress.ask_due == NEVER else progress.ask_due, start, limit + _LONGEST_WAIT),
        "known": (len(json.dumps(_ADAPTER.dump_python(state, mode="json")["known"])), 0, _MOST_KNOWN_BYTES),
        "known.pushed": (max(state.known.pushed.values(), default=0.0), 0.0, NEVER),
        "own": (len(state.own.run), 0, _LONGEST_ID),
    }
    return [name for name, (value, least, most) in ranges.items() if not least <= value <= most]


def continuation(event: Mapping[str, Any], state: State) -> dict[str, Any]:
    """Return the event of the next invocation: CloudFormation's own, unchanged, and the state under one key.

    What is known of images stays behind where the event would be too long to be queued: it can be read again.
    """
    whole = {**event, STATE_KEY: _ADAPTER.dump_python(state, mode="json")}
    if len(json.dumps(whole)) > _MOST_BYTES:
        whole[STATE_KEY]["known"] = {}
    return whole
