"""The answer to CloudFormation, and the only module that knows crhelper.

crhelper makes the answer's body. What surrounds it here is what its 2.0.12 lacks: the limit of 4096 bytes, a Reason
that keeps its beginning, and a delivery that looks at the status, has timeouts and ends
(docs/decisions/0001-crhelper.md).
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal, Protocol

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from ecr_image_waiter.clock import within
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Clock, Deadline
from ecr_image_waiter.core.messages import DeliveryFailed, InvalidRequest, harmless
from ecr_image_waiter.core.model import Place
from ecr_image_waiter.core.state import Ended, Outcome, Ready

from .attributes import Uri, attributes, longest_attributes
from .event import StackRequest


@contextmanager
def _imported_when_used(name: str) -> Iterator[None]:
    """Give whoever imports a module in a `with` block one that is imported when something of it is asked for.

    A module that is there already is given as it is.
    """
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.__getattr__ = lambda attribute: getattr(import_module(name), attribute)  # type: ignore[method-assign]  # PEP 562
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


with _imported_when_used("boto3"):  # crhelper imports it for a polling that is not used here
    from crhelper import FAILED, SUCCESS, CfnResource

MAX_BODY_BYTES: Final = 4096  # crpg-ref, "Custom resource response objects"
_FIRST_PAUSE: Final = 0.5
_LONGEST_DELIVERY: Final = 20.0  # so that three invocations and Lambda's two pauses fit the answer's reserve of 240 s
_SOCKET_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Response:
    """One answer to CloudFormation. `note` ends the Reason and is never cut.

    `ended` is for the metrics: how the wait ended that this is the answer to, None where there was none. `body`: what
    is sent, once it is encoded.
    """

    status: Literal["SUCCESS", "FAILED"]
    reason: str = ""
    note: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    ended: Ended | None = None
    body: bytes = b""


def response_when_ready(wanted: Sequence[Wanted], ready: Ready, waited: float) -> Response:
    """Returns the response to a wait of so many seconds whose images are there."""
    ended = Ended(Outcome.READY, waited, ready.checks, ready.unanswered)
    return Response("SUCCESS", data=attributes(wanted, ready.found, checks=ready.checks, waited=waited), ended=ended)


class Transport(Protocol):
    """Sends one PUT."""

    def put(self, url: str, body: bytes, seconds: float) -> int:
        """Return the HTTP status.

        Raises:
            OSError: the connection could not be made or broke, or took longer than `seconds`.
        """


class Urllib3Transport:
    """urllib3 without its retries, whose log lines and errors would carry the URL and which know no deadline."""

    def __init__(self) -> None:
        # Made once, while the process is: to read the system's authorities takes longer than the rest of an answer.
        context = create_urllib3_context()
        context.load_default_certs()
        self._pool = urllib3.PoolManager(num_pools=2, retries=False, ssl_context=context)

    def put(self, url: str, body: bytes, seconds: float) -> int:
        """See `Transport.put`."""
        try:
            return within(seconds, lambda: self._put(url, body, seconds))
        except urllib3.exceptions.HTTPError as error:
            raise OSError(type(error).__name__) from None

    def _put(self, url: str, body: bytes, seconds: float) -> int:
        # Short for a connection, because it counts for each address of the host. The status is all that is read.
        timeout = urllib3.Timeout(connect=min(1.5, seconds), total=seconds)
        # An empty Content-Type: the URL was signed without one.
        answer = self._pool.request(
            "PUT", url, body=body, headers={"Content-Type": ""}, timeout=timeout, redirect=False, preload_content=False
        )
        answer.close()
        return int(answer.status)


def physical_id(request: StackRequest) -> str:
    """Return the id of the resource: the one it has, or for a Create one that follows from the event alone.

    A repeated Create event thus gives the same id, and the id says which resource it is.
    """
    if request.physical_id is not None:
        return request.physical_id
    source = f"{request.stack_id}\n{request.logical_id}\n{request.request_id}"
    return f"{request.logical_id}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"


def harmless_data(data: Mapping[str, str]) -> dict[str, str]:
    """Return attributes as they leave the process, whatever a pusher wrote."""
    return {harmless(name): harmless(value) for name, value in data.items()}


class _Protocol(CfnResource):
    """crhelper for a single answer.

    `super().__init__()` is left out on purpose: it makes three boto3 clients for a polling that is not used here
    (67 ms and 8 MB) and sets the level and format of the root logger. One object for each answer, so that
    nothing is left over for the next request in the same process.
    """

    def __init__(self, request: StackRequest, answer: Response) -> None:
        self.Status = SUCCESS if answer.status == "SUCCESS" else FAILED
        self.Reason = answer.reason
        self.PhysicalResourceId = physical_id(request)
        self.StackId = request.stack_id
        self.RequestId = request.request_id
        self.LogicalResourceId = request.logical_id
        self.Data = harmless_data(answer.data)
        self.NoEcho = False
        self._response_url = request.response_url
        self._ssl_verify = None

    def body(self) -> dict[str, Any]:
        caught: list[dict[str, Any]] = []
        # crhelper's type stubs leave out the one method that takes a sender.
        self._send(send_response=lambda _url, body, _verify: caught.append(body))  # type: ignore[attr-defined]
        return caught[0]


def encoded(request: StackRequest, answer: Response) -> Response:
    """Returns the response with its body, at most 4096 bytes of JSON.

    A Reason that is too long loses its end. A SUCCESS whose attributes do not fit becomes a FAILED that says so,
    because CloudFormation would not take it.
    """
    body = _Protocol(request, answer).body()
    shown = _fitting(body, answer.reason, answer.note)
    if shown is None:
        ended = replace(answer.ended, outcome=Outcome.UNEXPECTED) if answer.ended else None
        refusal = "The attributes do not fit the 4096 bytes CloudFormation takes"
        answer = Response("FAILED", refusal, answer.note, ended=ended)
        body = _Protocol(request, answer).body()
        shown = _fitting(body, answer.reason, answer.note) or body
    return replace(answer, body=_json(shown))


def fits(request: StackRequest, answer: Response) -> bool:
    """Return whether CloudFormation would take an answer with all its attributes."""
    return _fitting(_Protocol(request, answer).body(), answer.reason, answer.note) is not None


def require_room(request: StackRequest, wanted: Sequence[Wanted], uri: Uri, place: Place) -> None:
    """Refuse what could not be answered in the end. The arguments are those of `longest_attributes`.

    Raises:
        InvalidRequest: the attributes of so many images would not fit a response; with how many would.
    """

    def fit(count: int) -> bool:
        return fits(request, Response("SUCCESS", data=longest_attributes(wanted[:count], uri, place)))

    images = len(wanted)
    most = next((count for count in range(images, 0, -1) if fit(count)), 0)
    if most < images:
        raise InvalidRequest([fault_too_much(most, images)])


def fault_too_much(fits: int, images: int) -> str:
    """Say that an answer would be longer than CloudFormation takes."""
    if images == 1:
        return (
            "RepositoryName, ImageTag: the answer with names this long would not fit the 4096 bytes that "
            "CloudFormation takes; use shorter ones"
        )
    return (
        f"Images: received {images}, allowed here: {fits}, because the answer with more would not fit the 4096 bytes "
        "that CloudFormation takes; use shorter Ids, or two resources"
    )


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _fitting(body: dict[str, Any], reason: str, note: str) -> dict[str, Any] | None:
    reason, note = harmless(reason), harmless(note)

    def with_reason(length: int) -> dict[str, Any]:
        kept = reason if length >= len(reason) else reason[:length] + "..."
        return {**body, "Reason": kept + note if kept else ""}

    low, high = 0, len(reason)
    if len(_json(with_reason(low))) > MAX_BODY_BYTES:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_json(with_reason(middle))) <= MAX_BODY_BYTES else (low, middle - 1)
    return with_reason(low)


class Courier:
    """Brings answers to CloudFormation.

    Args:
        transport: sends one PUT.
        clock: the time, for pauses and the deadline.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def deliver(self, url: str, body: bytes, deadline: Deadline) -> int:
        """Deliver a body, with retries on connection errors, 429 and 5xx.

        Args:
            url: CloudFormation's ResponseURL. It is a credential and stands in no message.
            body: the answer.
            deadline: when this invocation must be done.

        Returns:
            How many attempts it took.

        Raises:
            DeliveryFailed: CloudFormation did not take it. The message says the likely cause.
        """
        deadline = deadline.before(self._clock.now() + _LONGEST_DELIVERY)
        pause = _FIRST_PAUSE
        attempt = 0
        while True:
            attempt += 1
            try:
                status = self._transport.put(url, body, max(min(_SOCKET_SECONDS, deadline.left()), 0.1))
            except OSError as error:
                fault = f"no connection to its bucket ({error})"
                cause = "a function in a VPC needs a route to S3, for example a gateway endpoint"
            else:
                if 200 <= status < 300:
                    return attempt
                fault = f"HTTP status {status}"
                cause = _LIKELY_CAUSES.get(status, "S3 is at fault" if status >= 500 else "the URL is not one of S3's")
                if status != 429 and status < 500:
                    raise DeliveryFailed(f"CloudFormation did not take the answer: {fault}, probably {cause}")
            if pause >= deadline.left():
                raise DeliveryFailed(
                    f"CloudFormation did not take the answer in {attempt} attempts: {fault}, probably {cause}"
                )
            self._clock.sleep(pause)
            pause *= 2


_LIKELY_CAUSES: Final = {
    400: "the URL or the body was changed on its way",
    403: "the URL has expired (it is valid for two hours), or an endpoint policy denies the bucket",
    404: "the bucket is not there any more",
    429: "S3 is throttling",
    503: "S3 is throttling",
}
