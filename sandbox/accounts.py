"""Whose a call is, by the access key that signed it."""

import re
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

DEFAULT_ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_SCOPE: Final = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/")


def scope_of(authorization: str) -> tuple[str, str] | None:
    """Return the access key and the region that a call's signature names."""
    found = _SCOPE.search(authorization)
    return (found[1], found[2]) if found else None


def is_account(key: str) -> bool:
    """Whether an access key is an account's twelve digits, which then are that account, as in MiniStack."""
    return bool(_ACCOUNT.fullmatch(key))


def client_of(service: str, endpoint: str, key: str = DEFAULT_ACCOUNT, region: str = REGION) -> Any:
    """Return a boto3 client of the account that an access key belongs to."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="sandbox",  # noqa: S106  # fake
        config=Config(read_timeout=120, retries={"total_max_attempts": 1}),
    )


class Accounts:
    """The accounts that access keys belong to.

    Args:
        sts: the endpoint that gave the keys which are no accounts themselves; None if there are no such.
    """

    def __init__(self, sts: str | None) -> None:
        self._sts = sts
        self._known: dict[str, str] = {}

    def of(self, key: str) -> str:
        """Return the account that an access key belongs to."""
        if is_account(key) or not self._sts:
            return key if is_account(key) else DEFAULT_ACCOUNT
        if key not in self._known:
            try:
                self._known[key] = str(client_of("sts", self._sts, key).get_caller_identity()["Account"])
            except ClientError:
                self._known[key] = DEFAULT_ACCOUNT
        return self._known[key]

    def forget(self) -> None:
        self._known.clear()
