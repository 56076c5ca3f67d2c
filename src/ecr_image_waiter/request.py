"""From an event to what was asked: which kind of event it is, and its properties, validated."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import InvalidRequest, UnusableEvent
from .findings import ImageId
from .waiting import Rhythm

STATE_KEY: Final = "EcrImageWaiter"
"""The one key of a continuation's event that CloudFormation did not put there."""

RequestType = Literal["Create", "Update", "Delete"]
_STACK_KEYS: Final = ("RequestType", "ResponseURL", "StackId", "RequestId")
_DEFAULT_SERVICE_TIMEOUT: Final = 3600
_OLDEST_START: Final = 7200.0  # the presigned URL itself is valid for two hours

# ECR's own pattern and length: a test compares them with botocore's model of ECR.
_REPOSITORY: Final = re.compile(r"(?=.{2,256}$)[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class _NotAllowedError(ValueError):
    """What is allowed stands in the description of the field."""


def _text(value: object) -> str:
    # A number with a fraction has lost how it was written: 1.10 arrives as 1.1.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _NotAllowedError
    return str(value)


def _number(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return _text(value)


def _matching(pattern: re.Pattern[str]) -> BeforeValidator:
    def check(value: object) -> str:
        text = _text(value)
        if not pattern.fullmatch(text):
            raise _NotAllowedError
        return text

    return BeforeValidator(check)


def _whole(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> int:
        text = _number(value)
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise _NotAllowedError
        return int(text)

    return BeforeValidator(check)


def _decimal(low: float, high: float) -> BeforeValidator:
    def check(value: object) -> float:
        text = _number(value)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,30})?", text) or not low <= float(text) <= high:
            raise _NotAllowedError
        return float(text)

    return BeforeValidator(check)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise _NotAllowedError
    return value.lower() == "true"


def _any_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _number(value)


class Properties(BaseModel):
    """The properties of `Custom::EcrImageWaiter`, as docs/EcrImageWaiter.md has them.

    Each description says what is allowed, in the words that a fault's message uses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    RepositoryName: Annotated[
        str,
        _matching(_REPOSITORY),
        Field(
            description="an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - "
            "between them, and / between namespaces"
        ),
    ]
    ImageTag: Annotated[
        str | None,
        _matching(_TAG),
        Field(description="an image tag of up to 300 characters: letters, digits, _ . - and not beginning with . or -"),
    ] = None
    ImageDigest: Annotated[
        str | None, _matching(_DIGEST), Field(description="sha256: and 64 lower-case hexadecimal digits")
    ] = None
    MaxRetries: Annotated[int, _whole(0, 3600), Field(description="a whole number from 0 to 3600")] = 60
    RetryDelaySeconds: Annotated[int, _whole(1, 900), Field(description="a whole number from 1 to 900")] = 30
    BackoffRate: Annotated[float, _decimal(1, 10), Field(description="a number from 1 to 10")] = 1.5
    WaitForRepository: Annotated[bool, BeforeValidator(_truth), Field(description="true or false")] = False
    Trigger: Annotated[str, BeforeValidator(_any_text), Field(description="a string")] = ""
    ServiceTimeout: Annotated[
        int, _whole(1, _DEFAULT_SERVICE_TIMEOUT), Field(description="a whole number from 1 to 3600")
    ] = _DEFAULT_SERVICE_TIMEOUT
    ServiceToken: Annotated[str, BeforeValidator(_any_text), Field(description="a string")] = ""

    @property
    def image(self) -> ImageId:
        """The image to wait for."""
        return ImageId(repository=self.RepositoryName, tag=self.ImageTag, digest=self.ImageDigest)

    @property
    def rhythm(self) -> Rhythm:
        """How the template wants to wait."""
        return Rhythm(
            delay=self.RetryDelaySeconds, backoff_rate=self.BackoffRate, wait_for_repository=self.WaitForRepository
        )

    @property
    def max_wait(self) -> float:
        """The longest wait the template asks for, in seconds."""
        return float(self.MaxRetries * self.RetryDelaySeconds)


def read_properties(received: object) -> Properties:
    """Return the validated properties.

    Args:
        received: `ResourceProperties` of an event, or a direct invocation's whole event.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    if not isinstance(received, Mapping):
        raise InvalidRequest([f"ResourceProperties: received {_shown(received)}, allowed: an object of properties"])
    no_image = ["ImageTag: missing; give ImageTag, ImageDigest or both"]
    neither = no_image if received.keys().isdisjoint({"ImageTag", "ImageDigest"}) else []
    try:
        properties = Properties.model_validate(dict(received))
    except ValidationError as error:
        # pydantic names no place for a key that is not valid Unicode.
        faults = [
            _fault(item["type"], str(item["loc"][0] if item["loc"] else "?"), item["input"]) for item in error.errors()
        ]
        raise InvalidRequest([*faults, *neither]) from None
    if neither:
        raise InvalidRequest(neither)
    return properties


def _fault(kind: str, name: str, received: object) -> str:
    if kind == "extra_forbidden" or name not in Properties.model_fields:
        # Case is what people get wrong most; it must not count as distance.
        known = {field.lower(): field for field in Properties.model_fields}
        nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)
        return (
            f"{_clipped(name)}: received {_shown(received)}, unknown property; the nearest known one is "
            f"{known[nearest[0]]}"
        )
    allowed = Properties.model_fields[name].description
    if kind == "missing":
        return f"{name}: missing; allowed: {allowed}"
    return f"{name}: received {_shown(received)}, allowed: {allowed}"


def _clipped(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(value: object) -> str:
    """Show a value as JSON would, so that a list, a number and a string can be told apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{_clipped(value)}"'
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    try:
        return _clipped(str(value))
    except ValueError:  # an integer beyond Python's limit for conversion to text
        return "a number of thousands of digits"


@dataclass(frozen=True, slots=True)
class StackRequest:
    """CloudFormation's request: what must be known to answer it, whatever its properties are.

    `properties` is unvalidated. `started` is X-Amz-Date of the ResponseURL in seconds since 1970 UTC. `state` is
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
    started: float | None
    state: object
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A caller without CloudFormation. `deletes`: Terraform destroys its invocation, and nothing is to be done."""

    properties: dict[str, object]
    deletes: bool


Request: TypeAlias = StackRequest | DirectRequest


def read_event(event: object, *, dns_suffix: str, any_host: bool) -> Request:
    """Tell what kind of event this is.

    Args:
        event: what Lambda handed to the function.
        dns_suffix: of the function's AWS partition, `amazonaws.com` for one. The answer goes nowhere else.
        any_host: whether an emulator's or a local run's hosts are accepted too, and plain http.

    Raises:
        UnusableEvent: it is neither CloudFormation's nor a direct one, or there is no usable way to answer it.
    """
    if not isinstance(event, Mapping):
        raise UnusableEvent(
            f"received {_shown(event)}, expected an object: CloudFormation's custom-resource event, or the properties "
            "of a direct invocation"
        )
    if not any(key in event for key in _STACK_KEYS):
        tf = event.get("tf")
        properties = {key: value for key, value in event.items() if key != "tf"}
        return DirectRequest(properties, deletes=isinstance(tf, Mapping) and tf.get("action") == "delete")
    url = _usable_url(event.get("ResponseURL"), dns_suffix, any_host=any_host)
    request_type = event.get("RequestType")
    if request_type not in ("Create", "Update", "Delete"):
        raise UnusableEvent(f"RequestType: received {_shown(request_type)}, expected Create, Update or Delete")
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
        started=_signed_at(url),
        state=event.get(STATE_KEY),
        event=event,
    )


def stack_properties(request: StackRequest) -> Properties:
    """Return the validated properties of CloudFormation's request.

    ServiceTimeout has been seen among the properties and at the top level of the event; it is read from either.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    received = request.properties
    if isinstance(received, Mapping) and "ServiceTimeout" not in received and request.service_timeout is not None:
        received = {**received, "ServiceTimeout": request.service_timeout}
    return read_properties(received)


def start_of_wait(signed: float | None, now: float) -> float:
    """Return when a wait began: when CloudFormation signed its request, or `now` where that cannot be believed."""
    return signed if signed is not None and now - _OLDEST_START <= signed <= now else now


def _identifier(event: Mapping[str, Any], key: str, longest: int) -> str:
    value = event.get(key)
    if not _fits(value, longest):
        raise UnusableEvent(f"{key}: received {_shown(value)}, expected a string of 1 to {longest} bytes")
    return str(value)


def _fits(value: object, longest: int) -> bool:
    """Whether the answer can repeat this text: all of it must fit 4096 bytes of JSON, in UTF-8."""
    if not isinstance(value, str) or not value:
        return False
    try:
        return len(json.dumps(value, ensure_ascii=False).encode()) - len('""') <= longest
    except UnicodeEncodeError:
        return False


def _usable_url(url: object, dns_suffix: str, *, any_host: bool) -> str:
    """Return the ResponseURL, or say what is wrong with it without showing it: it is a credential."""
    if not isinstance(url, str) or not url:
        raise UnusableEvent(f"ResponseURL: received {'an empty string' if url == '' else _kind(url)}, expected a URL")
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
            f'ResponseURL: received one with scheme "{_clipped(parts.scheme)}" and a host that ends in "{host[-60:]}", '
            f"expected https and a host under {dns_suffix}: the answer is sent nowhere else"
        )
    return url


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _signed_at(url: str) -> float | None:
    dates = parse_qs(urlsplit(url).query).get("X-Amz-Date", [])
    try:
        return datetime.strptime(dates[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (IndexError, ValueError):
        return None
