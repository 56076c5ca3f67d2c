"""JSON logs by Powertools, in which no response URL ever stands."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger

from .text.format import harmless

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def make_logger() -> Logger:
    """Return the one logger of the process, at the level that `LOG_LEVEL` names (INFO where it names none)."""
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
    """Returns a log record as one line, of which every text is harmless to whoever prints it."""
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
