"""Clients whose calls end in time: botocore's, and urllib3 for presigned URLs; and the machine's clock.

Without boto3 around botocore, which brings resources and the transfers of S3: a tenth of what a new environment would
do before it can make a client.
"""

import difflib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import botocore.session
import urllib3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, NoRegionError, ReadTimeoutError, ResponseStreamingError
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.messages import AnswerTooLarge
from ecr_image_waiter.core.model import Source
from ecr_image_waiter.core.uris import PUBLIC_REGION, REGION, console_link, partition_of

if TYPE_CHECKING:
    from types_boto3_sts import STSClient

T = TypeVar("T")

MOST_ANSWER_BYTES: Final = 2_097_152
"""Of any answer of AWS: what one becomes when it is parsed is many times as large."""
_CHUNK: Final = 65_536
_MOST_KEPT: Final = 32  # clients, and credentials; a wait may need 20, and a process serves stack after stack
_CREDENTIALS_LEFT: Final = 1000.0  # seconds: more than an invocation takes


# A resolver that does not answer says something else; not every system has the second.
_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Returns the time as seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Returns after `seconds`."""
        time.sleep(seconds)


def within(seconds: float, call: Callable[[], T]) -> T:
    """Runs a call in a thread of its own, and returns or raises its result.

    Socket timeouts count for each address of a name and for each read, and resolving a name has none: eight addresses
    that do not answer take eight times the timeout, and a peer that sends a byte now and then takes for ever.

    A call that takes longer is left to itself: its result is dropped, but it may still have its effect.

    Raises:
        TimeoutError: the time is up.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as fault:  # noqa: BLE001  # handed to the caller, whatever it is
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if faults:
        raise faults[0]
    if not results:
        raise TimeoutError("the time is up")
    return results[0]


class UnknownRegion(EndpointConnectionError):
    """A host name does not exist, of a region that botocore does not know. `kwargs` has `region` and `nearest`."""

    kwargs: Any
    fmt = "There is no host of the region {region}"


class Aws:
    """The account and region that are ours, as botocore finds them in the environment.

    Clients are made when first needed and kept; so are the credentials of each role and session, until they do not
    outlast an invocation (STS API Reference, AssumeRole). Of both, those used last are kept, and no more than that.

    `profile` is one of the configuration files, `endpoint_url` that of every service; what is empty is the
    environment's, or AWS's own.

    Raises:
        NoRegionError: nothing names a region.
        ProfileNotFound: the configuration files have no such profile.
        BotoCoreError: they cannot be read.
    """

    def __init__(
        self, clock: Clock | None = None, *, profile: str = "", region: str = "", endpoint_url: str = ""
    ) -> None:
        self._clock = clock or SystemClock()
        self._roles: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}
        self.session = botocore.session.get_session()
        for name, value in {"profile": profile, "region": region}.items():
            if value:
                self.session.set_config_variable(name, value)
        self.session.get_scoped_config()  # read now, also where the region comes from elsewhere
        self._endpoint_url = endpoint_url or None
        self._made = lru_cache(_MOST_KEPT)(self._make)
        region = self.session.get_config_variable("region")
        if not region:
            raise NoRegionError
        self.region: str = region

    @property
    def dns_suffix(self) -> str:
        """The DNS suffix of the region's partition, `amazonaws.com` for one."""
        # botocore's own resolver of suffixes is not public any more; the data is.
        partitions = self._partitions()
        mine = (p for p in partitions if self.region in p["regions"] or re.match(p["regionRegex"], self.region))
        return str(next(mine, partitions[0])["outputs"]["dnsSuffix"])

    def _partitions(self) -> list[Any]:
        return list(self.session.get_component("data_loader").load_data("partitions")["partitions"])

    def _nearest_to(self, region: str) -> str:
        """Returns the known region whose name is nearest to that of an unknown one; nothing for a known one."""
        known = {each for partition in self._partitions() for each in partition["regions"]}
        if region in known:
            return ""
        candidates = [
            each for each in known if re.fullmatch(REGION, each) and partition_of(each) == partition_of(region)
        ]
        return str(difflib.get_close_matches(region, sorted(candidates), n=1, cutoff=0)[0])

    def repository_uri(self, source: Source, registry_id: str, repository: str) -> str:
        """Returns what docker calls a repository (User Guide, "Amazon ECR private registry")."""
        if source.alias:
            return f"{source.host}/{source.alias}/{repository}"
        host = source.host or f"{registry_id}.dkr.ecr.{source.region or self.region}.{self.dns_suffix}"
        return f"{host}/{repository}"

    def console_link(self, path: str) -> str:
        """Returns the address of a page of the AWS console in this region, empty where it is not known."""
        return console_link(path, self.region)

    def client(self, service: str, seconds: float) -> Any:
        """Returns a client that ends each call after `seconds`, retries included: a `_TimedClient`."""
        return _TimedClient(self._made(service, "", ()), seconds, self._nearest_to)

    def ecr_client(self, source: Source, seconds: float) -> Any:
        """Returns a client for a registry, as `client` does; with a role, its calls may take half of `seconds`.

        Raises:
            ClientError, BotoCoreError: the role's credentials are not available.
        """
        service, region = ("ecr-public", PUBLIC_REGION) if source.alias else ("ecr", source.region)
        if not source.role_arn:
            return _TimedClient(self._made(service, region, ()), seconds, self._nearest_to)
        credentials = tuple(self._in_role(source.role_arn, source.session, seconds / 2).items())
        return _TimedClient(self._made(service, region, credentials), seconds / 2, self._nearest_to)

    def _in_role(self, role_arn: str, session: str, seconds: float) -> dict[str, str]:
        expires, credentials = self._roles.pop((role_arn, session), (0.0, {}))
        if expires - self._clock.now() < _CREDENTIALS_LEFT:
            sts: STSClient = self.client("sts", seconds)
            got = sts.assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
            expires = got["Expiration"].timestamp()
            credentials = {
                "aws_access_key_id": got["AccessKeyId"],
                "aws_secret_access_key": got["SecretAccessKey"],
                "aws_session_token": got["SessionToken"],
            }
        self._roles[role_arn, session] = expires, credentials  # the last in order is the one used last
        if len(self._roles) > _MOST_KEPT:
            del self._roles[next(iter(self._roles))]
        return credentials

    def _make(self, service: str, region: str, credentials: tuple[tuple[str, str], ...]) -> Any:
        # A continuation is retried by its caller alone, since one whose reply is lost may have gone through; a
        # question about a stack is not worth a second call.
        attempts = 2 if service in ("ecr", "ecr-public") else 1
        # Short, because they count for each address of a name; the deadline of the whole call is the caller's.
        config = Config(
            connect_timeout=1.5, read_timeout=4, retries={"mode": "standard", "total_max_attempts": attempts}
        )
        own: dict[str, Any] = {
            "region_name": region or self.region,
            "endpoint_url": self._endpoint_url,
            **dict(credentials),
        }
        client: Any = self.session.create_client(service, config=config, **own)
        session = client._endpoint.http_session  # noqa: SLF001  # nothing else leads to it
        client.meta.events.register("before-send", partial(_send, session))
        return client


def _send(session: Any, request: Any, **_: object) -> Any:
    """Sends a request in place of botocore, which reads an answer of any length before it parses it."""
    request.stream_output = True
    response = session.send(request)
    response.raw = _CappedBody(response.raw)
    try:
        response.content  # noqa: B018  # which reads it, once
    except HTTPError as error:
        raise ResponseStreamingError(error=type(error).__name__) from None
    return response


class _CappedBody:
    """The body of an answer, which fails when it is too long."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        """Yields it in pieces."""
        left = MOST_ANSWER_BYTES
        for chunk in self._raw.stream(_CHUNK):
            left -= len(chunk)
            if left < 0:
                self._raw.close()
                raise AnswerTooLarge(f"an answer of more than {MOST_ANSWER_BYTES} bytes")
            yield chunk


class _TimedClient:
    """A client that runs each call in a thread, ends it as a read timeout, and recognizes an unknown region."""

    def __init__(self, client: Any, seconds: float, nearest_to: Callable[[str], str]) -> None:
        self._client = client
        self._seconds = seconds
        self._nearest_to = nearest_to

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        def call(**kwargs: Any) -> Any:
            try:
                return within(self._seconds, partial(attribute, **kwargs))
            except TimeoutError:
                raise ReadTimeoutError(endpoint_url=self._client.meta.endpoint_url) from None
            except EndpointConnectionError as error:
                raise self._unknown_region(error) or error from None

        return call

    def _unknown_region(self, error: EndpointConnectionError) -> UnknownRegion | None:
        region, url = self._client.meta.region_name, self._client.meta.endpoint_url
        resolver = getattr(error.kwargs.get("error"), "__cause__", None)  # as urllib3 and botocore hand it down
        said = resolver.errno if isinstance(resolver, socket.gaierror) else None
        # Of the host of an emulator, which names no region, nothing follows.
        if f".{region}." not in url or said not in _NO_SUCH_NAME:
            return None
        nearest = self._nearest_to(region)
        return UnknownRegion(region=region, nearest=nearest, endpoint_url=url) if nearest else None


class PresignedUrls:
    """S3's presigned URLs, by urllib3 without its retries, whose log lines and errors would carry the URL.

    The URL is a credential, and urllib3 knows no deadline. `any_scheme`: plain http is read too, for an emulator.
    """

    def __init__(self, *, any_scheme: bool = False) -> None:
        self._any_scheme = any_scheme

    @cached_property
    def pool(self) -> urllib3.PoolManager:
        """The connections. Made before the first event: reading the system's authorities takes longer than a PUT."""
        context = create_urllib3_context()
        context.load_default_certs()
        return urllib3.PoolManager(num_pools=4, retries=False, ssl_context=context)

    def get(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        """Returns the content, None if it is larger.

        Raises:
            OSError: there is none, or it took longer. The message does not hold the URL.
        """
        if not (self._any_scheme or url.startswith("https://")):
            raise OSError("its URL is not an https one")
        try:
            return within(seconds, lambda: self._get(url, most_bytes, seconds))
        except HTTPError as error:
            raise OSError(f"no connection to the bucket of ECR's layers ({type(error).__name__})") from None

    def put(self, url: str, body: bytes, seconds: float) -> int:
        """Returns the HTTP status.

        Raises:
            OSError: the connection could not be made or broke, or took longer than `seconds`.
        """
        try:
            return within(seconds, lambda: self._put(url, body, seconds))
        except HTTPError as error:
            raise OSError(type(error).__name__) from None

    def _put(self, url: str, body: bytes, seconds: float) -> int:
        # An empty Content-Type: the URL was signed without one. The status is all that is read.
        answer = self._request("PUT", url, seconds, body=body, headers={"Content-Type": ""})
        answer.close()
        return int(answer.status)

    def _get(self, url: str, most_bytes: int, seconds: float) -> bytes | None:
        answer = self._request("GET", url, seconds)
        try:
            if answer.status != 200:
                raise OSError(f"HTTP status {answer.status}")
            content = bytearray()
            # As it is, never unpacked: its digest is that of these bytes, and the limit is for them.
            for chunk in answer.stream(_CHUNK, decode_content=False):
                content += chunk
                if len(content) > most_bytes:
                    return None
            return bytes(content)
        finally:
            answer.close()

    def _request(self, method: str, url: str, seconds: float, **more: Any) -> urllib3.BaseHTTPResponse:
        # Short for a connection, because it counts for each address of the host.
        timeout = urllib3.Timeout(connect=min(1.5, seconds), total=seconds)
        return self.pool.request(method, url, timeout=timeout, redirect=False, preload_content=False, **more)
