"""ECR: what is at this tag or digest now? This module looks and reports; what that means is decided elsewhere.

Codes and fields are those of botocore's model of ECR and of the User Guide's "Archiving an image".
"""

import heapq
from collections.abc import Callable, Mapping
from http import HTTPStatus
from itertools import chain
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from .clock import Clock
from .findings import (
    AccessDenied,
    Finding,
    Image,
    ImageId,
    NoImage,
    NoRepository,
    NotPullable,
    Refused,
    TagSeen,
    Unavailable,
)

NEWEST_LOOK_SECONDS: Final = 5.0
_PAGES: Final = 10
_IMAGES_A_PAGE: Final = 100  # an image may have 1,000 tags, and all of a page must fit into the function's memory

_MEANING: Final[dict[str, Callable[[str, str], Finding]]] = {
    "ImageNotFoundException": lambda _code, _message: NoImage(),
    "RepositoryNotFoundException": lambda _code, _message: NoRepository(),
    "AccessDenied": AccessDenied,
    "AccessDeniedException": AccessDenied,
    "AuthorizationError": AccessDenied,
    "NotAuthorized": AccessDenied,
    "UnauthorizedOperation": AccessDenied,
    "ThrottleException": Unavailable,  # ECR's own spelling, which botocore's standard retries do not know
    "Throttling": Unavailable,
    "ThrottlingException": Unavailable,
    "ThrottledException": Unavailable,
    "RequestThrottled": Unavailable,
    "RequestThrottledException": Unavailable,
    "RequestLimitExceeded": Unavailable,
    "TooManyRequestsException": Unavailable,
    "LimitExceededException": Unavailable,
    "ServerException": Unavailable,
    "InternalError": Unavailable,
    "InternalFailure": Unavailable,
    "InternalServerError": Unavailable,
    "ServiceUnavailable": Unavailable,
    "ServiceUnavailableException": Unavailable,
    "RequestTimeout": Unavailable,
    "RequestTimeoutException": Unavailable,
}
_INVALID: Final = frozenset({"InvalidParameterException", "ValidationException", "ParamValidationError"})


class EcrClient(Protocol):
    """The part of boto3's ECR client that is used here."""

    def describe_images(self, **kwargs: Any) -> Any:
        """Describe images of one repository."""


class Registry:
    """The ECR registry of the function's own account and region.

    Args:
        client: makes an ECR client for a call that may take so many seconds, retries included.
        uri: makes a repository's URI from its registry id and name.
        clock: the time.
    """

    def __init__(self, client: Callable[[float], EcrClient], uri: Callable[[str, str], str], clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._uri = uri
        self._status_filter_known = True

    def look(self, image: ImageId, *, archived_too: bool, seconds: float) -> Finding:
        """Return what is at the image's tag or digest.

        One DescribeImages; where that finds nothing and `archived_too` is set, a second one that asks for
        archived images, which the first may leave out.

        Args:
            image: what to look for.
            archived_too: whether an archived image is worth a second call.
            seconds: how long the look may take.

        Returns:
            A finding. Everything that AWS answers is one, as is AWS not answering.
        """
        finding = self._describe(image, seconds)
        if isinstance(finding, NoImage) and finding.tag_points_at is None and archived_too:
            archived = self._describe_any_status(image, seconds)
            return archived if isinstance(archived, NotPullable | Image) else finding
        return finding

    def uri(self, registry_id: str, repository: str) -> str:
        """Return what docker calls a repository."""
        return self._uri(registry_id, repository)

    def newest_tags(self, repository: str, *, most: int, seconds: float) -> list[TagSeen] | None:
        """Return the newest tags of a repository, the newest first, from at most 1,000 images.

        For the sentence that ends a wait in vain, so nothing that goes wrong here may matter: then it is what was
        read so far, or None.

        Args:
            repository: its name.
            most: how many tags.
            seconds: how long the look may take; never more than 5.
        """
        until = self._clock.now() + min(seconds, NEWEST_LOOK_SECONDS)
        newest: list[TagSeen] = []
        page: dict[str, Any] = {}
        try:
            for _ in range(_PAGES):
                left = until - self._clock.now()
                if left <= 0:
                    break
                answer = self._client(left).describe_images(
                    repositoryName=repository, filter={"tagStatus": "TAGGED"}, maxResults=_IMAGES_A_PAGE, **page
                )
                tags = (
                    TagSeen(tag, detail["imagePushedAt"].timestamp())
                    for detail in answer["imageDetails"]
                    if "imagePushedAt" in detail
                    for tag in detail.get("imageTags", [])
                )
                newest = heapq.nsmallest(most, chain(newest, tags), key=lambda seen: (-seen.pushed_at, seen.tag))
                if not answer.get("nextToken"):
                    break
                page = {"nextToken": answer["nextToken"]}
        except Exception:  # noqa: BLE001  # as the docstring says; boto3 raises all sorts for an odd answer
            return newest or None
        return newest

    def _describe_any_status(self, image: ImageId, seconds: float) -> Finding:
        if not self._status_filter_known:
            return NoImage()
        finding = self._describe(image, seconds, filter={"imageStatus": "ANY"})
        # How the filter acts together with imageIds is not documented: where it is not valid, it is asked for no more.
        self._status_filter_known = not (isinstance(finding, Refused) and finding.code in _INVALID)
        return finding

    def _describe(self, image: ImageId, seconds: float, **more: object) -> Finding:
        wanted = {"imageTag": image.tag} if image.tag else {"imageDigest": image.digest}
        try:
            answer = self._client(seconds).describe_images(repositoryName=image.repository, imageIds=[wanted], **more)
        except ClientError as error:
            return _finding_of(error)
        except (HTTPClientError, BotoConnectionError) as error:
            return Unavailable(type(error).__name__, "ECR could not be reached or did not answer in time")
        except BotoCoreError as error:
            return Refused(type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001  # an answer that boto3 cannot read is none
            return _unreadable(error)
        try:
            details = answer["imageDetails"]
            return self._image(image, details[0]) if details else NoImage()
        except Exception as error:  # noqa: BLE001  # as above
            return _unreadable(error)

    def _image(self, image: ImageId, detail: Mapping[str, Any]) -> Finding:
        digest = detail["imageDigest"]
        if image.digest not in (None, digest):
            return NoImage(tag_points_at=digest)
        status = detail.get("imageStatus", "ACTIVE")
        if status != "ACTIVE":
            return NotPullable(status)
        pushed_at = detail.get("imagePushedAt")
        return Image(
            digest=digest,
            registry_id=detail["registryId"],
            repository_uri=self._uri(detail["registryId"], image.repository),
            pushed_at=pushed_at.timestamp() if pushed_at else None,
            size=detail.get("imageSizeInBytes"),
            media_type=detail.get("imageManifestMediaType"),
        )


def _finding_of(error: ClientError) -> Finding:
    """Classify AWS's answer by its code, never by its message."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MEANING:
        return _MEANING[code](code, message)
    passing = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Unavailable(code, message) if passing else Refused(code, message)


def _unreadable(error: Exception) -> Unavailable:
    return Unavailable(type(error).__name__, "ECR's answer cannot be read")
