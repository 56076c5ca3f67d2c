"""Lambda: this function invokes itself, and so hands a wait over to a continuation."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from ecr_image_waiter.core.deadline import Bounds, Invocation
from ecr_image_waiter.core.messages import HandOverFailed
from ecr_image_waiter.core.state import MOST_LOST_REPLIES, PartDone, State, continuation

from .errors import DENIED, said_by

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from types_boto3_lambda import LambdaClient

_FIRST_PAUSE: Final = 1.0
_TRY_SECONDS: Final = 5.0  # so that an invocation's reserve holds three tries of which nothing is heard


class HandOver:
    """Invokes this function asynchronously.

    `client` makes a client for a call that may take so many seconds, retries included.
    """

    def __init__(self, client: Callable[[float], "LambdaClient"]) -> None:
        self._client = client

    def to(self, function_arn: str, event: Mapping[str, Any], *, seconds: float) -> None:
        """Queues `event` for the function, which may be retried: running a continuation twice does no harm.

        Raises:
            HandOverFailed: Lambda did not take it. The message names AWS's code and the permission it needs.
        """
        try:
            self._client(seconds).invoke(
                FunctionName=function_arn, InvocationType="Event", Payload=json.dumps(event).encode()
            )
        except ClientError as error:
            code, said = said_by(error)
            message = " ".join(said.split())  # a Reason is one line
            cure = f"; allow lambda:InvokeFunction on {function_arn} to its role" if code in DENIED else ""
            raise HandOverFailed(f"the function could not invoke itself ({code}: {message}){cure}") from None
        except BotoCoreError as error:
            raise HandOverFailed(
                f"the function could not invoke itself ({type(error).__name__}): Lambda could not be reached",
                reply_lost=isinstance(error, ReadTimeoutError | ConnectionClosedError),
            ) from None

    def with_retries(
        self,
        event: Mapping[str, Any],
        bounds: Bounds,
        done: PartDone,
        *,
        image: str,
        invocation: Invocation,
        logger: "Logger",
    ) -> str:
        """Hands over a wait, with logged retries. Returns why that failed, empty if it succeeded.

        A try whose reply was lost may have gone through: two continuations do no harm, none would. But after the third
        lost reply of a wait there is no further try, since their number would double with each continuation.
        """
        progress = replace(done.progress, hops=done.progress.hops + 1)
        state = State(bounds.start, bounds.limit, progress, done.memory.cache, done.memory.started)
        deadline, clock = invocation.deadline, invocation.deadline.clock
        last_try = deadline.at - (deadline.at - invocation.checks_end) / 3
        pause = _FIRST_PAUSE
        while True:
            try:
                seconds = min(deadline.left() / 2, _TRY_SECONDS)
                self.to(invocation.function_arn, continuation(event, state), seconds=seconds)
            except HandOverFailed as error:
                lost = state.progress.lost_replies + error.reply_lost
                if lost == MOST_LOST_REPLIES or clock.now() + pause > last_try:
                    logger.error("Handing over the wait failed: %s", error, extra={"event": "hand_over_failed"})
                    return str(error)
                state = replace(state, progress=replace(state.progress, lost_replies=lost))
                logger.warning(
                    "Handing over the wait failed, the next try is in %.0f s: %s",
                    pause,
                    error,
                    extra={"event": "hand_over_retried"},
                )
                clock.sleep(pause)
                pause *= 2
            else:
                now = clock.now()
                logger.info(
                    "Handed over to invocation %d of this wait",
                    progress.hops + 1,
                    extra={
                        "event": "handed_over",
                        "image": image,
                        "hops": progress.hops,
                        "attempt": progress.checks,
                        "elapsed_seconds": round(now - bounds.start, 3),
                        "seconds_to_limit": round(bounds.limit - now, 3),
                    },
                )
                return ""
