"""CloudFormation: what is the stack doing now? This module asks and reports; `core.polling` decides.

One DescribeStacks a question: the calls are throttled at a few a second for the whole account, and everyone's
deployments need them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ecr_image_waiter.core.model import StackFinding, StackHidden, StackSeen

from .errors import DENIED, is_of_missing_stack, said_by

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient


class Stacks:
    """Asks about stacks of the function's own account and region.

    `client` makes a client for a call that may take so many seconds, retries included.
    """

    def __init__(self, client: Callable[[float], "CloudFormationClient"]) -> None:
        self._client = client

    def ask(self, stack_id: str, seconds: float, *, account: str) -> StackFinding:
        """Returns what is known of a stack. Whatever AWS answers is a finding, as is AWS not answering.

        `stack_id`: its ARN, by which a deleted stack is described too (API Reference, DescribeStacks). `account`: the
        function's own.
        """
        theirs = stack_id.split(":")[4:5]
        if theirs and account and theirs != [account]:
            # Not asked at all: "does not exist" is what may be said of it here, and would end the wait in silence.
            return StackHidden("OtherAccount", denied=True)
        try:
            (stack,) = self._client(seconds).describe_stacks(StackName=stack_id)["Stacks"]
            updated = stack.get("LastUpdatedTime")
            return StackSeen(str(stack["StackStatus"]), updated.timestamp() if updated else None)
        except ClientError as error:
            if is_of_missing_stack(error):
                return StackSeen("")
            code, _ = said_by(error)
            return StackHidden(code, denied=code in DENIED)
        except Exception as error:  # noqa: BLE001  # a question that comes to nothing must not end a wait
            return StackHidden(type(error).__name__)
