"""AWS as the AWS CLI would reach it, for the command."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from ecr_image_waiter.aws.builds import BuildService, CodeBuild, CodePipeline
from ecr_image_waiter.aws.clients import Aws, PresignedUrls
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.errors import finding_of
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.messages import WaiterError
from ecr_image_waiter.core.model import OWN, Unavailable

_QUESTION_SECONDS: Final = 5.0


class Misconfigured(WaiterError):
    """botocore cannot begin with what the options and the environment say."""


@dataclass(frozen=True)
class Connection:
    """The connection to AWS. `account` returns the credentials' account, empty if unknown."""

    region: str
    registry: Registry
    builds: Mapping[BuilderKind, BuildService]
    account: Callable[[], str]


def connect(clock: Clock, *, profile: str, region: str, endpoint_url: str, regions: Iterable[str]) -> Connection:
    """Returns what is used of AWS. Nothing is called yet but what gives credentials.

    What is empty is the environment's: AWS_REGION comes before AWS_DEFAULT_REGION, as in the AWS CLI version 2. Of
    `regions`, those of the images, the first will do where nothing else names one.

    Raises:
        Misconfigured: nothing names a region, there is no such profile, there are no credentials or they are not
            available, or the configuration cannot be read.
    """
    try:
        # botocore knows the other variable alone.
        region = region or os.environ.get("AWS_REGION", "")
        aws = _aws(clock, profile, region, endpoint_url, next(iter(regions), ""))
        # Made now: a wrong configuration must not pass for an ECR that does not answer.
        has_credentials = _has_credentials(aws)
        aws.ecr_client(OWN, math.inf)
    except NoRegionError:
        raise Misconfigured("no region: give --region, set AWS_REGION, or name the image by its whole URI") from None
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(" ".join(str(error).split())) from None
    if not has_credentials:
        raise Misconfigured(
            "no credentials: give --profile, log in, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    elsewhere = bool(endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_ECR"))

    def account() -> str:
        try:
            return str(aws.client("sts", _QUESTION_SECONDS).get_caller_identity()["Account"])
        except Exception:  # noqa: BLE001  # for words alone, so nothing that goes wrong here may matter
            return ""

    return Connection(
        region=aws.region,
        registry=Registry(aws.ecr_client, aws.repository_uri, clock, PresignedUrls(any_scheme=elsewhere).get),
        builds={
            CodeBuild.kind: CodeBuild(lambda seconds: aws.client("codebuild", seconds), aws.console_link),
            CodePipeline.kind: CodePipeline(
                lambda seconds: aws.client("codepipeline", seconds), aws.console_link, clock.now
            ),
        },
        account=account,
    )


def _has_credentials(aws: Aws) -> bool:
    """Returns whether there are credentials. An unavailable source of credentials counts as some."""
    try:
        # Those of a role or of a login are fetched.
        credentials = aws.session.get_credentials()
        return credentials is not None and bool(credentials.get_frozen_credentials())
    except (BotoCoreError, ClientError, OSError, EOFError, ValueError) as error:
        if isinstance(error, BotoCoreError | ClientError) and isinstance(finding_of(error), Unavailable):
            return True
        said = " ".join(str(error).split()) or type(error).__name__
        raise Misconfigured(f"the credentials are not available: {said}") from None


def _aws(clock: Clock, profile: str, region: str, endpoint_url: str, fallback: str) -> Aws:
    try:
        return Aws(clock, profile=profile, region=region, endpoint_url=endpoint_url)
    except NoRegionError:
        return Aws(clock, profile=profile, region=fallback, endpoint_url=endpoint_url)
