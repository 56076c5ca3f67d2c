"""The log, in which no response URL stands, and the metrics, which are lines of it. Both are Powertools'.

Metrics are in CloudWatch's embedded metric format: CloudWatch reads them from the log (CloudWatch User Guide,
"Specification: Embedded metric format"), so they cost no call of AWS and no permission. docs/operations.md says what
each one means.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from .core.messages import harmless
from .core.state import WaitEnd

NAMESPACE: Final = "EcrImageWaiter"
SERVICE: Final = "ecr-image-waiter"
UNITS: Final = {
    "WaitsStarted": "Count",
    "HandOvers": "Count",
    "HandOverNumber": "Count",
    "Waits": "Count",
    "WaitSeconds": "Seconds",
    "Checks": "Count",
    "UnansweredChecks": "Count",
    "DeliveryRetries": "Count",
}
"""Every metric there is, with its unit."""

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def make_logger() -> Logger:
    """Returns the one logger of the process, at the level that `LOG_LEVEL` names (INFO where it names none)."""
    # The query of a response URL is a credential. urllib3 shows the whole URL of a PUT in its warnings, botocore what
    # it sends at DEBUG; the level of the root logger, which Lambda's own settings can lower, must not reach them.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
    for name in ("boto3", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    level = os.environ.get("LOG_LEVEL", "").upper()
    return Logger(
        service="ecr-image-waiter",
        level=level if level in _LEVELS else "INFO",
        use_rfc3339=True,
        location=None,
        json_serializer=to_json,
    )


def to_json(record: Mapping[str, Any]) -> str:
    """Returns a log record as one line, of which every text is harmless in print."""
    return json.dumps(_harmless(record), separators=(",", ":"), ensure_ascii=False)


def _harmless(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {harmless(str(key)): _harmless(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(each) for each in value]
    if isinstance(value, int | float | None):
        return value
    # The lines of a traceback stay lines.
    return "\n".join(map(harmless, str(value).split("\n"))) if name == "exception" else harmless(str(value))


def to_log(line: str) -> None:
    """Writes a line of its own into the log, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Meter:
    """Writes metrics, each a document of one line. None of them names a stack, an image or a URL.

    `service`: the dimension that all have; two deployments that are not to be one in CloudWatch have two.
    """

    def __init__(self, write: Callable[[str], object], service: str) -> None:
        self._write = write
        self._service = service

    def count_start(self) -> None:
        """Counts a wait that begins. An event that Lambda runs again begins again."""
        self._put(WaitsStarted=1)

    def count_continuation(self, number: int) -> None:
        """Counts a continuation: the first of its wait has the number 1."""
        self._put(HandOvers=1, HandOverNumber=number)

    def count_end(self, end: WaitEnd, deliveries: int = 1) -> None:
        """Counts a wait that ended, with the attempts to send its response."""
        values: dict[str, float] = {"Waits": 1}
        if end.seconds is not None:
            values |= {"WaitSeconds": end.seconds, "Checks": end.checks, "UnansweredChecks": end.unanswered}
        if deliveries > 1:
            values["DeliveryRetries"] = deliveries - 1
        self._put(end.outcome, **values)

    def _put(self, outcome: str = "", **values: float) -> None:
        with suppress(Exception):  # whatever is wrong with a metric, it must not cost a response
            metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
            for name, value in values.items():
                metrics.add_metric(name, UNITS[name], value)
            if outcome:
                metrics.add_dimension("outcome", outcome)
            document: dict[str, Any] = {**metrics.serialize_metric_set()}
            if outcome:
                # Over all outcomes as well, which alarms could not add up.
                document["_aws"]["CloudWatchMetrics"][0]["Dimensions"].append(["service"])
            self._write(json.dumps(document))
