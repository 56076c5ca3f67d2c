"""What a wait carries from one invocation to the next, and the self-invocation that carries it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .cfn.event import STATE_KEY
from .clock import Clock
from .core.builds import Own
from .core.conditions import Known
from .core.faults import HandOverFailed, InvalidRequest
from .core.polling import MAX_INVOCATIONS, NEVER, Progress
from .invocation import Invocation

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

VERSION: Final = 1
_MOST_BYTES: Final = 200_000  # Lambda queues 1 MB, and 256 kB where that is not in force yet
_MOST_KNOWN_BYTES: Final = 500_000  # what versions before this one carried
_LONGEST_ID: Final = 300  # of a build or an execution
_LONGEST_WAIT: Final = 3600.0  # the greatest ServiceTimeout
_LONGEST_PAUSE: Final = 900.0  # the greatest RetryDelaySeconds
_MOST_CHECKS: Final = 7200  # twice as many as pauses of a second allow
_OLDEST: Final = 86_400.0  # longer than Lambda keeps any event, however often it is handed over
_FIRST_PAUSE: Final = 1.0
_TRY_SECONDS: Final = 5.0  # so that an invocation's reserve holds three tries of which nothing is heard
_MOST_LOST_REPLIES: Final = 3
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException"})


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
        "lost_replies": (progress.lost_replies, 0, _MOST_LOST_REPLIES),
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


class HandOver:
    """Invokes this function asynchronously.

    Args:
        client: makes a Lambda client for a call that may take so many seconds, retries included.
    """

    def __init__(self, client: Callable[[float], "LambdaClient"]) -> None:
        self._client = client

    def to(self, function_arn: str, event: Mapping[str, Any], *, seconds: float) -> None:
        """Queue `event` for the function, which may be retried: running a continuation twice does no harm.

        Raises:
            HandOverFailed: Lambda did not take it. The message names AWS's code and the permission it needs.
        """
        try:
            self._client(seconds).invoke(
                FunctionName=function_arn, InvocationType="Event", Payload=json.dumps(event).encode()
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "Unknown")
            message = " ".join(error.response.get("Error", {}).get("Message", "").split())  # a Reason is one line
            cure = f"; its role needs lambda:InvokeFunction on {function_arn}" if code in _DENIED else ""
            raise HandOverFailed(
                f"the function could not invoke itself to go on waiting ({code}: {message}){cure}"
            ) from None
        except BotoCoreError as error:
            raise HandOverFailed(
                f"the function could not invoke itself to go on waiting ({type(error).__name__}): Lambda could not be "
                "reached",
                reply_lost=isinstance(error, ReadTimeoutError | ConnectionClosedError),
            ) from None


def hand_over_with_retries(
    hand_over: HandOver,
    event: Mapping[str, Any],
    state: State,
    invocation: Invocation,
    *,
    clock: Clock,
    logger: Logger,
) -> str:
    """Return why the hand-over failed in the end, nothing where it went through.

    A try whose reply was lost may have gone through: two continuations do no harm, none would. But after the third
    lost reply of a wait there is no further try, since their number would double with each hand-over.
    """
    last_try = invocation.ends - (invocation.ends - invocation.slice_ends) / 3
    pause = _FIRST_PAUSE
    while True:
        try:
            seconds = min((invocation.ends - clock.now()) / 2, _TRY_SECONDS)
            hand_over.to(invocation.function_arn, continuation(event, state), seconds=seconds)
        except HandOverFailed as error:
            lost = state.progress.lost_replies + error.reply_lost
            if lost == _MOST_LOST_REPLIES or clock.now() + pause > last_try:
                return str(error)
            state = replace(state, progress=replace(state.progress, lost_replies=lost))
            logger.warning("The hand-over failed, the next try is in %.0f s: %s", pause, error)
            clock.sleep(pause)
            pause *= 2
        else:
            return ""
