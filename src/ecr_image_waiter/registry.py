"""ECR: what is at this tag or digest now? This module looks and reports; it decides nothing.

Codes and fields are those of botocore's model of ECR and of the User Guide's "Archiving an image".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

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
_NEWEST_LOOK_IMAGES: Final = 1000  # the largest page DescribeImages has

_THROTTLED: Final = frozenset(
    {
        # ThrottleException is ECR's own spelling, which botocore's standard retries do not know.
        "ThrottleException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceededException",
    }
)
_FAULTS: Final = frozenset(
    {
        "ServerException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
_INVALID: Final = frozenset({"InvalidParameterException", "ValidationException", "ParamValidationError"})
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "AuthorizationError"}
)


class EcrClient(Protocol):
    """The part of boto3's ECR client that is used here."""

    def describe_images(self, **kwargs: Any) -> Any:
        """Describe images of one repository."""


class Registry:
    """The ECR registry of the function's own account and region.

    Args:
        client: makes an ECR client for a call that may take so many seconds, retries included.
        uri: makes a repository's URI from its registry id and name.
    """

    def __init__(self, client: Callable[[float], EcrClient], uri: Callable[[str, str], str]) -> None:
        self._client = client
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

    def newest_tags(self, repository: str, seconds: float) -> list[TagSeen] | None:
        """Return the tags of a repository, the newest first, from at most 1,000 images.

        For the sentence that ends a wait in vain, so nothing that goes wrong here may matter: then it is None.
        """
        try:
            answer = self._client(min(seconds, NEWEST_LOOK_SECONDS)).describe_images(
                repositoryName=repository, filter={"tagStatus": "TAGGED"}, maxResults=_NEWEST_LOOK_IMAGES
            )
        except (ClientError, BotoCoreError):
            return None
        seen = [
            TagSeen(tag, detail["imagePushedAt"].timestamp())
            for detail in answer.get("imageDetails", [])
            if "imagePushedAt" in detail
            for tag in detail.get("imageTags", [])
        ]
        return sorted(seen, key=lambda entry: (-entry.pushed_at, entry.tag))

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
        details = answer.get("imageDetails") or []
        return self._image(image, details[0]) if details else NoImage()

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
    """Classify AWS's answer by its code. The message is only ever repeated, never read."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ImageNotFoundException":
        return NoImage()
    if code == "RepositoryNotFoundException":
        return NoRepository()
    if code in _DENIED:
        return AccessDenied(code, message)
    if code in _THROTTLED or status == 429:
        return Unavailable(code, message, throttled=True)
    if code in _FAULTS or status >= 500:
        return Unavailable(code, message)
    return Refused(code, message)
