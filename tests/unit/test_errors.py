"""A code that says that a permission is missing says so of every service."""

from typing import cast

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from ecr_image_waiter.aws.cloudformation import Stacks
from ecr_image_waiter.aws.errors import DENIED, build_finding_of, finding_of
from ecr_image_waiter.aws.self_invoke import SelfInvoker
from ecr_image_waiter.core.builds import BuildHidden
from ecr_image_waiter.core.messages import HandOverFailed
from ecr_image_waiter.core.model import AccessDenied, Refused, StackHidden
from tests.support.fakes import FakeCloudFormation, FakeLambda, as_client, aws_error

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/shop/5b1c9a50-0000-11ee-9d01-0a1b2c3d4e5f"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:waiter"


@pytest.mark.parametrize("code", sorted(DENIED))
def test_a_denial_is_one_from_ecr_a_builder_cloudformation_and_lambda(code: str) -> None:
    error = aws_error(code, "no")

    assert finding_of(error) == AccessDenied(code, "no")
    assert build_finding_of(error, "codebuild:X", missing="Y") == BuildHidden("codebuild:X", code, "no", denied=True)
    stacks = Stacks(lambda _: as_client(FakeCloudFormation(error)))
    assert stacks.ask(STACK_ID, 5.0, account="123456789012") == StackHidden(code, denied=True)
    with pytest.raises(HandOverFailed, match="allow lambda:InvokeFunction"):
        SelfInvoker(lambda _: as_client(FakeLambda(error))).invoke(FUNCTION_ARN, {}, seconds=1.0)


def test_a_build_service_is_quoted_when_it_rejects_credentials_and_when_none_are_found() -> None:
    none, expired = NoCredentialsError(), aws_error("ExpiredTokenException", "no")

    assert build_finding_of(none, "X", missing="Y") == BuildHidden("X", "NoCredentialsError", str(none))
    assert build_finding_of(expired, "X", missing="Y") == BuildHidden("X", "ExpiredTokenException", "no", rejected=True)


def test_an_answer_whose_code_and_message_are_null_is_an_unknown_refusal() -> None:
    error = ClientError({"Error": {"Code": cast("str", None), "Message": cast("str", None)}}, "DescribeImages")

    assert finding_of(error) == Refused("Unknown", "")
