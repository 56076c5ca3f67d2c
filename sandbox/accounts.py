"""Whose a call is, by the access key that signed it."""

import re
from typing import Final
from urllib.parse import urlsplit

from .serving import forward

DEFAULT_ACCOUNT: Final = "123456789012"

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_SCOPE: Final = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/")


def scope_of(authorization: str) -> tuple[str, str] | None:
    """Return the access key and the region that a call's signature names."""
    found = _SCOPE.search(authorization)
    return (found[1], found[2]) if found else None


def is_account(key: str) -> bool:
    """Whether an access key is an account's twelve digits, which then are that account, as in MiniStack."""
    return bool(_ACCOUNT.fullmatch(key))


class Accounts:
    """The accounts that access keys belong to.

    Args:
        sts: the endpoint that gave the keys which are no accounts themselves; None if there are no such.
    """

    def __init__(self, sts: str | None) -> None:
        self._sts = sts and urlsplit(sts).netloc
        self._known: dict[str, str] = {}

    def of(self, key: str) -> str:
        """Return the account that an access key belongs to."""
        if is_account(key):
            return key
        if key not in self._known:
            self._known[key] = self._asked(key)
        return self._known[key]

    def forget(self) -> None:
        self._known.clear()

    def _asked(self, key: str) -> str:
        if not self._sts:
            return DEFAULT_ACCOUNT
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sts/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "content-type": "application/x-www-form-urlencoded",
        }
        body = b"Action=GetCallerIdentity&Version=2011-06-15"
        content = forward(self._sts, "POST", "/", headers, body)[2].decode()
        found = re.search(r"<Account>([0-9]{12})</Account>", content)
        return found[1] if found else DEFAULT_ACCOUNT
