"""boto3: the session, and clients whose calls end in time."""

import re
from functools import cache, partial
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import NoRegionError, ReadTimeoutError

from .deadline import within


class Aws:
    """The function's own account and region, as boto3 finds them in the environment.

    Clients are made when first needed and kept for the life of the process.

    Raises:
        NoRegionError: the environment names no region.
    """

    def __init__(self) -> None:
        self._core = botocore.session.get_session()
        self._session = boto3.Session(botocore_session=self._core)
        self._made = cache(self._make)
        if not self._session.region_name:
            raise NoRegionError
        self.region: str = self._session.region_name

    @property
    def dns_suffix(self) -> str:
        """The DNS suffix of the region's partition, `amazonaws.com` for one."""
        # botocore's own resolver of suffixes is not public any more; the data is.
        partitions = self._core.get_component("data_loader").load_data("partitions")["partitions"]
        mine = (p for p in partitions if self.region in p["regions"] or re.match(p["regionRegex"], self.region))
        return str(next(mine, partitions[0])["outputs"]["dnsSuffix"])

    def repository_uri(self, registry_id: str, repository: str) -> str:
        """Return what docker calls the repository (User Guide, "Amazon ECR private registry")."""
        return f"{registry_id}.dkr.ecr.{self.region}.{self.dns_suffix}/{repository}"

    def client(self, service: str, seconds: float) -> Any:
        """Return a client of which no call takes longer than `seconds`, retries and everything else included."""
        return _Bounded(self._made(service), seconds)

    def _make(self, service: str) -> Any:
        # A hand-over is tried again by its caller alone, since one whose reply is lost may have gone through; a
        # question about a stack is not worth a second call.
        attempts = 2 if service == "ecr" else 1
        # Short, because they count for each address of a name; the deadline of the whole call is the caller's.
        config = Config(
            connect_timeout=1.5, read_timeout=4, retries={"mode": "standard", "total_max_attempts": attempts}
        )
        return self._session.client(service, region_name=self.region, config=config)


class _Bounded:
    """A client whose calls end as a read time-out when theirs is up."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        def call(**kwargs: Any) -> Any:
            try:
                return within(self._seconds, partial(attribute, **kwargs))
            except TimeoutError:
                raise ReadTimeoutError(endpoint_url=self._client.meta.endpoint_url) from None

        return call
