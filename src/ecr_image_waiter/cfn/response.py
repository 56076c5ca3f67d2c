"""The response to CloudFormation: its attributes, its 4096 bytes and its delivery. The only module that knows crhelper.

crhelper makes the body. What surrounds it here is what its 2.0.12 lacks: the limit of 4096 bytes, a Reason that keeps
its beginning, and a delivery that checks the status, has timeouts and ends (docs/decisions/0001-crhelper.md).
"""

import hashlib
import json
import sys
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Clock, Deadline
from ecr_image_waiter.core.manifests import DOCKER_INDEX, LONGEST_PLATFORM_NAME
from ecr_image_waiter.core.messages import DeliveryFailed, InvalidRequest, harmless, iso
from ecr_image_waiter.core.model import Finding, Image, ImagesFound, NotDeployable, NotYet, Place, Several, Source
from ecr_image_waiter.core.state import Outcome, Ready, WaitEnd

from .event import StackRequest

MAX_BODY_BYTES: Final = 4096  # crpg-ref, "Custom resource response objects"
Uri: TypeAlias = Callable[[Source, str, str], str]
"""Makes a repository's URI from its source, registry id and name."""
_LONGEST_ARCHITECTURE: Final = "\0" * LONGEST_PLATFORM_NAME  # no ASCII character is longer once it is harmless
_FIRST_PAUSE: Final = 0.5
_LONGEST_DELIVERY: Final = 20.0  # so that three invocations and Lambda's two pauses fit the response's reserve of 240 s
_SOCKET_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Response:
    """One response to CloudFormation. `note` ends the Reason and is never cut.

    `end` is for the metrics: the end of the wait, None without a wait. `body`: the bytes to send, once it is encoded.
    """

    status: Literal["SUCCESS", "FAILED"]
    reason: str = ""
    note: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    end: WaitEnd | None = None
    body: bytes = b""


def response_when_ready(wanted: Sequence[Wanted], ready: Ready, waited: float) -> Response:
    """Returns the response to a wait of so many seconds whose images are there."""
    end = WaitEnd(Outcome.READY, waited, ready.checks, ready.unanswered)
    return Response("SUCCESS", data=attributes(wanted, ready.found, checks=ready.checks, waited=waited), end=end)


def attributes(wanted: Sequence[Wanted], found: ImagesFound, *, checks: int, waited: float) -> dict[str, str]:
    """Returns the attributes for Fn::GetAtt: every key always, each value a string, empty where it does not apply.

    Of several images it is the URI of each alone, because a response is limited to 4096 bytes. All that
    was found are images; `waited` is in seconds.
    """
    effort = {"Attempts": str(checks), "WaitedSeconds": str(int(waited))}
    if isinstance(found, Several):
        return {f"{id_}.ImageUri": image.uri for id_, image in found.findings if isinstance(image, Image)} | effort
    if not isinstance(found, Image):
        raise TypeError("no image")
    image, repository_uri = wanted[0].image, found.repository_uri
    return {
        "ImageUri": found.uri,
        "ImageDigest": found.digest,
        "TaggedImageUri": f"{repository_uri}:{image.tag}" if image.tag else "",
        "RepositoryUri": repository_uri,
        "RepositoryName": image.repository,
        "ImageTag": image.tag or "",
        "RegistryId": found.registry_id,
        "ImagePushedAt": "" if found.pushed_at is None else iso(found.pushed_at),
        "ImageSizeInBytes": "" if found.size is None else str(found.size),
        "ImageManifestMediaType": found.media_type or "",
        "PlatformDigest": found.platform_digest,
        "PlatformImageUri": f"{repository_uri}@{found.platform_digest}" if found.platform_digest else "",
        "Architecture": found.architecture,
        **effort,
    }


def attributes_in_rollback(
    wanted: Sequence[Wanted], found: ImagesFound | None, uri: Uri, place: Place
) -> dict[str, str]:
    """Returns the attributes for a rollback, for any findings.

    An image that is there is told as ever. Where it is not, it is the URI that the template names, without a digest.
    Where no image for the platform is known, it is the same URI as that of the whole: no dependent takes an empty one.

    Without a repository everything is empty. `found` is None where nothing could be checked; `uri` makes a repository's
    URI from its source, registry id and name; `place` is the function's.
    """
    if wanted and not wanted[0].id:
        one = wanted[0]
        image = there(found) if found is not None and not isinstance(found, Several) else None
        if image:
            told = attributes(wanted, image, checks=1, waited=0.0)
        else:
            repository_uri = _repository_uri(one, uri, place)
            registry_id = place.at(one.source).account if one.image.repository else ""
            told = attributes(wanted, Image("", registry_id, repository_uri), checks=1, waited=0.0)
            told["ImageUri"] = _as_named(one, uri, place)
            told["TaggedImageUri"] = f"{repository_uri}:{one.image.tag}" if repository_uri and one.image.tag else ""
        if one.conditions.Platform and not told["PlatformImageUri"]:
            told["PlatformImageUri"] = told["ImageUri"]
        return told
    images = {id_: there(finding) for id_, finding in found.findings} if isinstance(found, Several) else {}
    uris = {one.id: image.uri if (image := images.get(one.id)) else _as_named(one, uri, place) for one in wanted}
    return {f"{id_}.ImageUri": value for id_, value in uris.items()} | {"Attempts": "1", "WaitedSeconds": "0"}


def there(found: Finding) -> Image | None:
    """Returns the image that is there, be it the one meant or not."""
    return found.image if isinstance(found, NotYet | NotDeployable) else found if isinstance(found, Image) else None


def longest_attributes(wanted: Sequence[Wanted], uri: Uri, place: Place) -> dict[str, str]:
    """Returns attributes that are as long as those of these images can become, in a rollback to them too.

    The arguments are those of `attributes_in_rollback`.
    """
    digest = "sha256:" + "0" * 64
    found = [
        Image(
            digest,
            place.at(one.source).account,
            _repository_uri(one, uri, place),
            pushed_at=0.0,
            size=10**13,
            media_type=DOCKER_INDEX,
            architecture=_LONGEST_ARCHITECTURE if one.conditions.Platform or one.conditions.Labels else "",
            platform_digest=digest if one.conditions.Platform else "",
        )
        for one in wanted
    ]
    several = Several(tuple(zip((one.id for one in wanted), found, strict=True)))
    usual = attributes(wanted, several if wanted[0].id else found[0], checks=10**4, waited=10**4)
    # With a tag instead of a digest, which may be longer: a response that did not fit would block the rollback.
    in_rollback = attributes_in_rollback(wanted, None, uri, place)
    return {name: max(value, in_rollback[name], key=len) for name, value in usual.items()}


def _repository_uri(one: Wanted, uri: Uri, place: Place) -> str:
    return uri(one.source, place.at(one.source).account, one.image.repository) if one.image.repository else ""


def _as_named(one: Wanted, uri: Uri, place: Place) -> str:
    if not one.image.repository or not (one.image.tag or one.image.digest):
        return ""
    which = f":{one.image.tag}" if one.image.tag else f"@{one.image.digest}"
    return _repository_uri(one, uri, place) + which


def physical_id(request: StackRequest) -> str:
    """Returns the id of the resource: the one it has, or for a Create one that follows from the event alone.

    A repeated Create event thus gives the same id, and the id says which resource it is.
    """
    if request.physical_id is not None:
        return request.physical_id
    source = f"{request.stack_id}\n{request.logical_id}\n{request.request_id}"
    return f"{request.logical_id}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"


def harmless_data(data: Mapping[str, str]) -> dict[str, str]:
    """Returns attributes made harmless, whatever a pusher wrote."""
    return {harmless(name): harmless(value) for name, value in data.items()}


@cache
def crhelper() -> ModuleType:
    """Returns crhelper, which the command does not need.

    It imports boto3 for a polling that is not used here: a stub imports that on first attribute access.
    """
    if "boto3" in sys.modules:
        return import_module("crhelper")
    stub = sys.modules["boto3"] = ModuleType("boto3")
    stub.__getattr__ = lambda attribute: getattr(import_module("boto3"), attribute)  # type: ignore[method-assign]  # PEP 562
    try:
        return import_module("crhelper")
    finally:
        del sys.modules["boto3"]


def _body(request: StackRequest, response: Response) -> dict[str, Any]:
    """Returns a response's body, by crhelper."""
    # Without its __init__, which makes three boto3 clients (67 ms and 8 MB) and sets up the root logger. One object for
    # each response, so that nothing is left over for the next request.
    helper = object.__new__(crhelper().CfnResource)
    vars(helper).update(
        Status=response.status,
        Reason=response.reason,
        PhysicalResourceId=physical_id(request),
        StackId=request.stack_id,
        RequestId=request.request_id,
        LogicalResourceId=request.logical_id,
        Data=harmless_data(response.data),
        NoEcho=False,
        _response_url=request.response_url,
        _ssl_verify=None,
    )
    caught: list[dict[str, Any]] = []
    helper._send(send_response=lambda _url, body, _verify: caught.append(body))
    return caught[0]


def encoded(request: StackRequest, response: Response) -> Response:
    """Returns the response with its body, at most 4096 bytes of JSON.

    A Reason that is too long loses its end. A SUCCESS whose attributes do not fit becomes a FAILED that says so,
    because CloudFormation would not take it.
    """
    body = _fitting(request, response)
    if body is None:
        end = replace(response.end, outcome=Outcome.UNEXPECTED) if response.end else None
        refusal = "The attributes exceed the 4096 bytes of a response; use shorter names"
        response = Response("FAILED", refusal, response.note, end=end)
        body = _fitting(request, response) or _json(_body(request, response))
    return replace(response, body=body)


def fits(request: StackRequest, response: Response) -> bool:
    """Returns whether CloudFormation would take a response with all its attributes."""
    return _fitting(request, response) is not None


def require_room(request: StackRequest, wanted: Sequence[Wanted], uri: Uri, place: Place) -> None:
    """Refuses a request whose response would be too large. The arguments are those of `longest_attributes`.

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
    """Returns the fault of a request whose response would exceed 4096 bytes."""
    if images == 1:
        return "RepositoryName, ImageTag: names this long exceed the 4096 bytes of a response; use shorter ones"
    return (
        f"Images: received {images}, allowed here: {fits}, because a response is limited to 4096 bytes; use shorter "
        "Ids, or two resources"
    )


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _fitting(request: StackRequest, response: Response) -> bytes | None:
    """Returns a body with as much of the Reason as fits, None where nothing does."""
    body, reason, note = _body(request, response), harmless(response.reason), harmless(response.note)

    def with_reason(kept: str) -> bytes:
        return _json({**body, "Reason": kept + note if kept else ""})

    def too_long(kept: str) -> bool:
        return len(with_reason(kept)) > MAX_BODY_BYTES

    if too_long(reason):
        length = bisect_left(range(len(reason)), x=True, key=lambda length: too_long(reason[:length] + "...")) - 1
        return with_reason(reason[:length] + "...") if length >= 0 else None
    return with_reason(reason)


class Sender:
    """Sends responses to CloudFormation.

    `put` sends one PUT within so many seconds and returns the HTTP status, or raises an OSError.
    """

    def __init__(self, put: Callable[[str, bytes, float], int], clock: Clock) -> None:
        self._put = put
        self._clock = clock

    def deliver(self, url: str, body: bytes, deadline: Deadline) -> int:
        """Deliver a body, with retries on connection errors, 429 and 5xx. Returns how many attempts it took.

        The URL is a credential and stands in no message.

        Raises:
            DeliveryFailed: CloudFormation did not take it. The message says the likely cause.
        """
        deadline = deadline.before(self._clock.now() + _LONGEST_DELIVERY)
        pause = _FIRST_PAUSE
        attempt = 0
        while True:
            attempt += 1
            try:
                status = self._put(url, body, max(min(_SOCKET_SECONDS, deadline.left()), 0.1))
            except OSError as error:
                fault = f"no connection to S3 ({error})"
                cause = "the function's VPC has no route to S3, such as a gateway endpoint"
            else:
                if 200 <= status < 300:
                    return attempt
                fault = f"HTTP status {status}"
                cause = _LIKELY_CAUSES.get(status, "S3 is at fault" if status >= 500 else "the URL is not S3's")
                if status != 429 and status < 500:
                    raise DeliveryFailed(f"The response could not be sent: {fault}, probably {cause}")
            if pause >= deadline.left():
                raise DeliveryFailed(f"The response could not be sent in {attempt} attempts: {fault}, probably {cause}")
            self._clock.sleep(pause)
            pause *= 2


_LIKELY_CAUSES: Final = {
    400: "the URL or the body was changed in transit",
    403: "the URL has expired (it is valid for two hours), or an endpoint policy denies the bucket",
    404: "the bucket no longer exists",
    429: "S3 is throttling",
    503: "S3 is throttling",
}
