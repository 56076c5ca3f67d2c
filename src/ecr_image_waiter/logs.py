"""JSON logs by Powertools, in which no response URL ever stands."""

import logging
import os
from typing import Final

from aws_lambda_powertools import Logger

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
        service="ecr-image-waiter", level=level if level in _LEVELS else "INFO", use_rfc3339=True, location=None
    )
