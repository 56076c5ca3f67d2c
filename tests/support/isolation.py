"""No test uses the account that its user has configured."""

import os

from sandbox.cloud import CREDENTIALS, ISOLATED


def keep_accounts_out_of_reach() -> None:
    """Replaces the user's AWS configuration by credentials that only the sandbox takes."""
    for name, value in {**ISOLATED, **CREDENTIALS}.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
