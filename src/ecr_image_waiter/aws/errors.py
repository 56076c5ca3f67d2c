"""The meaning of AWS's errors for a wait: one table of codes.

One message is read: `is_of_missing_stack` says why.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from ecr_image_waiter.core.builds import BuildHidden, BuildUnavailable
from ecr_image_waiter.core.model import (
    AccessDenied,
    Finding,
    Lacks,
    NoImage,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    Refused,
    Unavailable,
)

from .clients import UnknownRegion

DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation"}
)
"""The codes with which AWS's services say that a permission is missing."""
_NO_IMAGE: Final = ("ImageNotFoundException", "ImageNotFound", "InvalidImageTag", "InvalidImageDigest")
# New credentials can take seconds to be known everywhere. ECR's spellings, then those of STS.
_CREDENTIALS: Final = (
    *("UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "RequestExpired"),
    *("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"),
)
_UNAVAILABLE: Final = (
    # The first is ECR's own spelling, which botocore's standard retries do not know.
    *("ThrottleException", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
    *("RequestThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "LimitExceededException"),
    # As many builds or executions run as may; starting one works later.
    *("AccountLimitExceededException", "ConcurrentPipelineExecutionsLimitExceededException", "ConflictException"),
    # An image behind a pull-through cache whose upstream is at fault, and a layer that is being written or deleted.
    *("UnableToGetUpstreamImageException", "UnableToGetUpstreamLayerException"),
    *("LayersNotFoundException", "LayerInaccessibleException"),
    *("ServerException", "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable"),
    *("ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException"),
)
_MEANING: Final[dict[str, Callable[[str, str], Finding]]] = {
    **dict.fromkeys(_NO_IMAGE, lambda _code, _message: NoImage()),
    "ImageInaccessible": lambda _code, _message: NotPullable("ARCHIVED"),
    "RepositoryNotFoundException": lambda _code, _message: NoRepository(),
    **dict.fromkeys(DENIED, AccessDenied),
    "KmsError": partial(AccessDenied, lacks=Lacks.KEY),
    "UpstreamAccessDenied": partial(AccessDenied, lacks=Lacks.UPSTREAM),
    **dict.fromkeys(_CREDENTIALS, partial(AccessDenied, lacks=Lacks.CREDENTIALS)),
    **dict.fromkeys(_UNAVAILABLE, Unavailable),
}
MOST_DOCUMENT_BYTES: Final = 524_288
"""Of a manifest or a config. Parsed, it may take forty times as much memory."""
INVALID: Final = frozenset({"InvalidParameterException", "ValidationException", "ParamValidationError"})


def build_finding_of(error: Exception, action: str, *, missing: str) -> BuildHidden | BuildUnavailable:
    """Returns what an exception of a call to a build service, of an IAM action, means.

    `missing`: the code with which the service says that there is no such project or pipeline.
    """
    found = finding_of(error)
    if isinstance(found, Unavailable):
        return BuildUnavailable(found.code)
    code, message = said_by(error) if isinstance(error, ClientError) else (type(error).__name__, str(error))
    rejected = code in _CREDENTIALS
    return BuildHidden(action, code, message, missing=code == missing, denied=code in DENIED, rejected=rejected)


def too_large(document: str) -> NotDeployable:
    """Returns what it means that a manifest or a config is too large to be read."""
    smaller = "push it with shorter annotations" if document == "manifest" else "push it with a smaller one"
    return NotDeployable(
        f"its {document} is larger than the {MOST_DOCUMENT_BYTES // 1024} KiB that are read",
        smaller,
        cannot="be checked",
    )


def said_by(error: ClientError) -> tuple[str, str]:
    """Returns the code and the message of AWS's answer."""
    answer = error.response.get("Error", {})
    return answer.get("Code") or "Unknown", answer.get("Message") or ""


def is_of_missing_stack(error: ClientError) -> bool:
    """Returns whether CloudFormation says that there is no such stack.

    By the message, because DescribeStacks has no code of its own for it (API Reference, DescribeStacks): a faulty name
    is a ValidationError, too.
    """
    code, message = said_by(error)
    return code == "ValidationError" and message.endswith("does not exist")


def finding_of(error: Exception) -> Finding:
    """Returns what an exception of a boto3 call means: AWS's answer by its code, anything else by its kind."""
    if isinstance(error, ClientError):
        code, message = said_by(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        passing = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _MEANING.get(code, Unavailable if passing else Refused)(code, message)
    if isinstance(error, UnknownRegion):
        return NoRegion(error.kwargs["region"], error.kwargs["nearest"])
    if isinstance(error, HTTPClientError | BotoConnectionError):
        return Unavailable(type(error).__name__, "ECR could not be reached or did not answer in time")
    if isinstance(error, BotoCoreError):
        return Refused(type(error).__name__, str(error))
    # An answer that boto3 cannot read is none.
    return Unavailable(type(error).__name__, "ECR's answer cannot be read")


def finding_of_failure(code: str, message: str) -> Finding:
    """Returns what a failure of one image in BatchGetImage's answer means. In doubt it means no answer."""
    return _MEANING.get(code, Unavailable)(code, message)
