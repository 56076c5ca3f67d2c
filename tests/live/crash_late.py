"""Handler of a waiter that crashes at a given time. It lies beside the waiter's package.

The property `Trigger`, which the waiter ignores, says when, in seconds since 1970 UTC. An invocation that begins later
does not crash.
"""

import os
import threading
import time
from typing import Any

from ecr_image_waiter.handler import lambda_handler as wait


def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    """Lambda's entry point."""
    left = float(event["ResourceProperties"]["Trigger"]) - time.time()
    crash = threading.Timer(left, os._exit, [1])
    crash.daemon = True
    if left > 0:
        crash.start()
    try:
        return wait(event, context)
    finally:
        crash.cancel()
