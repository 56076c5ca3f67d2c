"""JSON logs by Powertools, in which no response URL ever stands."""

import logging
import os
from typing import Final

from aws_lambda_powertools import Logger

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def make_logger() -> Logger:
    """Return the one logger of the process, at the level that `LOG_LEVEL` names (INFO where it names none)."""
    # urllib3 shows the whole URL of a PUT in its warnings, and the query of a response URL is a credential.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
    level = os.environ.get("LOG_LEVEL", "").upper()
    return Logger(
        service="ecr-image-waiter", level=level if level in _LEVELS else "INFO", use_rfc3339=True, location=None
    )
