"""Reads an event: its kind, its sender and its request."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from ecr_image_waiter.core.conditions import Wanted, without_judgement
from ecr_image_waiter.core.messages import UnusableEvent, clipped, shown
from ecr_image_waiter.core.model import Place
from ecr_image_waiter.core.state import STATE_KEY

from .properties import DEFAULT_SERVICE_TIMEOUT, OneImage, Properties
from .validation import read_properties, text_of

RequestType = Literal["Create", "Update", "Delete"]
_STACK_KEYS: Final = ("RequestType", "ResponseURL", "StackId", "RequestId")
_OLDEST_START: Final = 7200.0  # the presigned URL itself is valid for two hours


@dataclass(frozen=True, slots=True)
class StackRequest:
    """CloudFormation's request: all that a response needs, whatever the properties are.

    `properties` is unvalidated. `signed_at` is X-Amz-Date of the ResponseURL in seconds since 1970 UTC. `state` is
    what a continuation carries, None in an event that comes from CloudFormation itself. `event` is the whole of it.
    """

    type: RequestType
    request_id: str
    stack_id: str
    logical_id: str
    physical_id: str | None
    response_url: str
    properties: object
    service_timeout: object
    signed_at: float | None
    state: object
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A caller without CloudFormation. `deletes`: Terraform destroys its invocation, and nothing is to be done."""

    properties: dict[str, object]
    deletes: bool


Request: TypeAlias = StackRequest | DirectRequest


def read_event(event: object, *, dns_suffix: str, any_host: bool) -> Request:
    """Returns the request in an event, by its kind.

    `dns_suffix`: of the function's AWS partition, `amazonaws.com` for one; the response goes nowhere else. `any_host`:
    whether an emulator's or a local run's hosts are accepted too, and plain http.

    Raises:
        UnusableEvent: it is neither CloudFormation's nor a direct one, or there is no usable way to answer it.
    """
    if not isinstance(event, Mapping):
        raise UnusableEvent(
            f"received {shown(event)}, expected an object: CloudFormation's custom-resource event, or the properties "
            "of a direct invocation"
        )
    if not any(key in event for key in _STACK_KEYS):
        tf = event.get("tf")
        properties = {key: value for key, value in event.items() if key != "tf"}
        return DirectRequest(properties, deletes=isinstance(tf, Mapping) and tf.get("action") == "delete")
    url = _usable_url(event.get("ResponseURL"), dns_suffix, any_host=any_host)
    request_type = event.get("RequestType")
    if request_type not in ("Create", "Update", "Delete"):
        raise UnusableEvent(f"RequestType: received {shown(request_type)}, expected Create, Update or Delete")
    physical_id = event.get("PhysicalResourceId")
    return StackRequest(
        type=cast("RequestType", request_type),
        request_id=_identifier(event, "RequestId", 255),
        stack_id=_identifier(event, "StackId", 600),
        logical_id=_identifier(event, "LogicalResourceId", 255),
        physical_id=str(physical_id) if _fits(physical_id, 1024) else None,
        response_url=url,
        properties=event.get("ResourceProperties"),
        service_timeout=event.get("ServiceTimeout"),
        signed_at=_signed_at(url),
        state=event.get(STATE_KEY),
        event=event,
    )


def properties_of(request: Request, place: Place) -> Properties:
    """Returns the validated properties of a request to the function in this place.

    ServiceTimeout has been seen among the properties and at the top level of CloudFormation's event; it is read from
    either.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    received: object = request.properties
    beside = request.service_timeout if isinstance(request, StackRequest) else None
    if beside is not None and isinstance(received, Mapping) and "ServiceTimeout" not in received:
        received = {**received, "ServiceTimeout": beside}
    return read_properties(received, place)


def service_timeout_of(request: StackRequest) -> int:
    """Returns ServiceTimeout in seconds, as far as it can be read; CloudFormation's default of 3600 otherwise."""
    received = request.properties if isinstance(request.properties, Mapping) else {}
    for value in (received.get("ServiceTimeout"), request.service_timeout):
        with suppress(ValueError, OverflowError):
            return min(max(int(float(str(value))), 1), DEFAULT_SERVICE_TIMEOUT)
    return DEFAULT_SERVICE_TIMEOUT


def start_of(request: StackRequest, now: float) -> float:
    """Returns when the wait of a request began, as `believable_start` does; a continuation carries it."""
    carried = request.state.get("start") if isinstance(request.state, Mapping) else None
    return believable_start(carried if isinstance(carried, int | float) else request.signed_at, now)


def expires_of(request: StackRequest, now: float) -> float:
    """Returns when CloudFormation gives a request up."""
    return start_of(request, now) + service_timeout_of(request)


def token_of(request: StackRequest) -> str:
    """Returns what names a request and nothing else does: 32 hexadecimal digits, the same however often it comes."""
    named = f"{request.stack_id}|{request.logical_id}|{request.request_id}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def session_of(request: StackRequest | None) -> str:
    """Returns the name under which a request's roles are assumed: it tells CloudTrail which stack it is for.

    2 to 64 characters of `[A-Za-z0-9_+=,.@-]` (STS API Reference, AssumeRole). Of a long stack name the beginning and
    the end are kept: the end tells nested stacks apart. None stands for a direct invocation.
    """
    if request is None:
        return "ecr-image-waiter@direct"
    _, _, after = request.stack_id.partition(":stack/")
    name = re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", after.partition("/")[0] or request.stack_id)
    return "ecr-image-waiter-" + (name if len(name) <= 47 else f"{name[:23]}..{name[-22:]}")


def named_images(request: StackRequest) -> list[Wanted]:
    """Returns the images that a request names, and their platforms, as far as its properties can be read at all."""
    received = request.properties if isinstance(request.properties, Mapping) else {}
    entries = received.get("Images")
    if isinstance(entries, list):
        named = [entry for entry in entries if isinstance(entry, Mapping)]
        return [_named(entry, text_of(entry.get("Id"))) for entry in named if text_of(entry.get("Id"))]
    return [_named(received, "")]


def _named(received: Mapping[str, object], id_: str) -> Wanted:
    read = {name: text_of(received.get(name)) for name in OneImage.model_fields}
    for name in ("ImageUri", "RegistryId", "Region", "RoleArn", "Platform"):
        try:
            OneImage.model_validate({name: read[name]})
        except ValidationError:
            read[name] = ""
    one = OneImage.model_construct(None, **read)
    return Wanted(id_, one.image, one.source, without_judgement(one))


def believable_start(signed: float | None, now: float) -> float:
    """Returns when a wait began: when CloudFormation signed its request, or `now` where that cannot be believed."""
    return signed if signed is not None and now - _OLDEST_START <= signed <= now else now


def _identifier(event: Mapping[str, Any], key: str, longest: int) -> str:
    value = event.get(key)
    if not _fits(value, longest):
        raise UnusableEvent(f"{key}: received {shown(value)}, expected a string of 1 to {longest} bytes")
    return str(value)


def _fits(value: object, longest: int) -> bool:
    """Returns whether the response can repeat a text: all of it must fit 4096 bytes of JSON, in UTF-8."""
    if not isinstance(value, str) or not value:
        return False
    try:
        return len(json.dumps(value, ensure_ascii=False).encode()) - len('""') <= longest
    except UnicodeEncodeError:
        return False


def _usable_url(url: object, dns_suffix: str, *, any_host: bool) -> str:
    """Returns the ResponseURL.

    Raises:
        UnusableEvent: it is invalid. The message does not show it, because it is a credential.
    """
    if not isinstance(url, str) or not url:
        received = "nothing" if url is None else "an empty string" if url == "" else f"a {type(url).__name__}"
        raise UnusableEvent(f"ResponseURL: received {received}, expected a URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise UnusableEvent("ResponseURL: received a malformed URL, expected an https one") from None
    if any_host:
        if parts.scheme not in ("http", "https") or not host:
            raise UnusableEvent("ResponseURL: received no http or https URL, expected one")
        return url
    # Read from the text itself as well, because parsers disagree on where a host ends.
    plain = re.match(r"https://([a-z0-9.-]+)(:443)?[/?]", url, re.IGNORECASE)
    if not plain or not plain[1].lower().endswith("." + dns_suffix):
        raise UnusableEvent(
            f'ResponseURL: received one with scheme "{clipped(parts.scheme)}" and a host that ends in "{host[-60:]}", '
            f"expected https and a host under {dns_suffix}: the response is sent nowhere else"
        )
    return url


def _signed_at(url: str) -> float | None:
    dates = parse_qs(urlsplit(url).query).get("X-Amz-Date", [])
    try:
        return datetime.strptime(dates[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (IndexError, ValueError):
        return None
