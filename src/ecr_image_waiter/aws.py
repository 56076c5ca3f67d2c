"""boto3: the session, and clients whose calls end in time."""

import re
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

_CALL_SECONDS: Final = (9.0, 4.0, 1.6, 0.5)
"""How long one call may take, retries included. In a function of 150 s or more it is always the first, so that a
process makes one client for each service; the others are for functions with a shorter time-out, at their end."""


class Aws:
    """The function's own account and region, as boto3 finds them in the environment.

    Clients are made when first needed and kept for the life of the process.
    """

    def __init__(self) -> None:
        self._core = botocore.session.get_session()
        self._session = boto3.Session(botocore_session=self._core)
        self._made = cache(self._make)

    @property
    def region(self) -> str:
        """The region of the function, and of the registry it looks into."""
        return self._session.region_name or "us-east-1"

    @property
    def dns_suffix(self) -> str:
        """The DNS suffix of the region's partition, `amazonaws.com` for one."""
        partitions = self._core.get_component("data_loader").load_data("partitions")["partitions"]
        mine = (p for p in partitions if self.region in p["regions"] or re.match(p["regionRegex"], self.region))
        return str(next(mine, partitions[0])["outputs"]["dnsSuffix"])

    def repository_uri(self, registry_id: str, repository: str) -> str:
        """Return what docker calls the repository (User Guide, "Amazon ECR private registry")."""
        return f"{registry_id}.dkr.ecr.{self.region}.{self.dns_suffix}/{repository}"

    def client(self, service: str, seconds: float) -> Any:
        """Return a client of which no call takes longer than `seconds`, retries included, or 0.5 where less is left."""
        return self._made(service, next((s for s in _CALL_SECONDS if s <= seconds), _CALL_SECONDS[-1]))

    def _make(self, service: str, seconds: float) -> Any:
        attempts = 2 if seconds > 4 else 1
        # A retry pauses for up to a second; connecting and reading may each take the whole of their time-out.
        each = (seconds - (attempts - 1)) / (2 * attempts)
        config = Config(
            connect_timeout=each,
            read_timeout=each,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return self._session.client(service, region_name=self.region, config=config)
