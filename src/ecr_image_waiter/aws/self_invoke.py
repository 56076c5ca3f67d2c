"""Lambda: this function invokes itself, and so hands a wait over to a continuation."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from ecr_image_waiter.core.deadline import Invocation
from ecr_image_waiter.core.messages import HandOverFailed, coded
from ecr_image_waiter.core.state import MOST_LOST_REPLIES, State, continuation

from .errors import DENIED, said_by

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from types_boto3_lambda import LambdaClient

_FIRST_PAUSE: Final = 1.0
_TRY_SECONDS: Final = 5.0  # so that an invocation's reserve holds three tries of which nothing is heard


class SelfInvoker:
    """Invokes this function asynchronously.

    `client` makes a client for a call that may take so many seconds, retries included.
    """

    def __init__(self, client: Callable[[float], "LambdaClient"]) -> None:
        self._client = client

    def invoke(self, function_arn: str, event: Mapping[str, Any], *, seconds: float) -> None:
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
            cure = f"; allow lambda:InvokeFunction on {function_arn} to its role" if code in DENIED else ""
            raise HandOverFailed(f"the function could not invoke itself ({coded(code, said)}){cure}") from None
        except BotoCoreError as error:
            raise HandOverFailed(
                f"the function could not invoke itself ({type(error).__name__}): Lambda could not be reached",
                reply_lost=isinstance(error, ReadTimeoutError | ConnectionClosedError),
            ) from None

    def hand_over(
        self, event: Mapping[str, Any], state: State, *, image: str, invocation: Invocation, logger: "Logger"
    ) -> str | None:
        """Hands over a wait, with logged retries. Returns why that failed, None if it succeeded.

        A try whose reply was lost may have gone through: two continuations do no harm, none would. But after the third
        lost reply of a wait there is no further try, since their number would double with each continuation.
        """
        deadline, clock = invocation.deadline, invocation.deadline.clock
        last_try = deadline.at - (deadline.at - invocation.checks_end) / 3
        pause = _FIRST_PAUSE
        while True:
            try:
                seconds = min(deadline.left() / 2, _TRY_SECONDS)
                self.invoke(invocation.function_arn, continuation(event, state), seconds=seconds)
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
                    state.progress.hops + 1,
                    extra={
                        "event": "handed_over",
                        "image": image,
                        "hops": state.progress.hops,
                        "attempt": state.progress.checks,
                        "elapsed_seconds": round(now - state.start, 3),
                        "seconds_to_limit": round(state.limit - now, 3),
                    },
                )
                return None
