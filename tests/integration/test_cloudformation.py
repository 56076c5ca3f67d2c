"""What boto3's answers about a stack are taken for: against moto, and against recorded refusals."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from ecr_image_waiter.aws.cloudformation import Stacks
from ecr_image_waiter.core.model import StackFinding, StackHidden, StackSeen
from tests.support.fakes import as_client

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/shop/5b1c9a50-0000-11ee-9d01-0a1b2c3d4e5f"
TEMPLATE = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'


@pytest.fixture
def client() -> Any:
    credentials = {"aws_access_key_id": "made", "aws_secret_access_key": "up"}
    return boto3.client("cloudformation", region_name="us-east-1", **credentials)


def look(client: Any, stack_id: str = STACK_ID) -> StackFinding:
    return Stacks(lambda _: client).ask(stack_id, 5.0, account="123456789012")


@pytest.mark.slow
@mock_aws
def test_a_stack_is_seen_with_its_status_and_after_its_deletion_too(client: Any) -> None:
    stack_id = client.create_stack(StackName="shop", TemplateBody=TEMPLATE)["StackId"]
    assert look(client, stack_id) == StackSeen("CREATE_COMPLETE")

    client.delete_stack(StackName=stack_id)

    assert look(client, stack_id) == StackSeen("DELETE_COMPLETE")
    assert look(client) == StackSeen(""), "one that never was"


def test_a_stack_is_seen_with_the_moment_its_last_operation_began() -> None:
    updated = datetime(2026, 11, 1, 12, tzinfo=UTC)
    client = Odd({"Stacks": [{"StackStatus": "UPDATE_IN_PROGRESS", "LastUpdatedTime": updated}]})

    assert look(client) == StackSeen("UPDATE_IN_PROGRESS", updated.timestamp())


@pytest.mark.parametrize(
    ("code", "message", "found"),
    [
        ("Throttling", "Rate exceeded", StackHidden("Throttling")),
        ("AccessDenied", "User is not authorized to perform: ...", StackHidden("AccessDenied", denied=True)),
        ("ValidationError", f"Stack with id {STACK_ID} does not exist", StackSeen("")),
        ("ValidationError", "1 validation error detected", StackHidden("ValidationError")),
        ("Other", f"Stack with id {STACK_ID} does not exist", StackHidden("Other")),
    ],
)
def test_a_refusal_hides_the_stack_unless_it_says_that_there_is_none(
    client: Any, code: str, message: str, found: StackFinding
) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error("describe_stacks", code, message, expected_params={"StackName": STACK_ID})
        assert look(client) == found


class Odd:
    """A client that answers what CloudFormation would not."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def describe_stacks(self, **_: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ReadTimeoutError(endpoint_url="https://cloudformation"), "ReadTimeoutError"),
        ({}, "KeyError"),
        ({"Stacks": []}, "ValueError"),
        ({"Stacks": [{"StackStatus": "A"}, {"StackStatus": "B"}]}, "ValueError"),
    ],
)
def test_no_answer_and_an_odd_one_hide_the_stack(answer: Any, code: str) -> None:
    assert look(Odd(answer)) == StackHidden(code)


def test_a_question_may_take_as_long_as_it_is_given() -> None:
    given: list[float] = []

    def client(seconds: float) -> Any:
        given.append(seconds)
        return Odd({"Stacks": [{"StackStatus": "CREATE_IN_PROGRESS"}]})

    Stacks(client).ask(STACK_ID, 2.5, account="123456789012")

    assert given == [2.5]


def test_a_stack_of_another_account_is_hidden_and_not_asked_for() -> None:
    asked = Stacks(lambda _: as_client(Odd(AssertionError("it was asked"))))

    assert asked.ask(STACK_ID, 5.0, account="210987654321") == StackHidden("OtherAccount", denied=True)


@pytest.mark.parametrize(("stack_id", "account"), [("shop", "123456789012"), (STACK_ID, "")])
def test_a_stack_whose_account_is_not_known_to_be_another_one_is_asked_for(stack_id: str, account: str) -> None:
    client = as_client(Odd({"Stacks": [{"StackStatus": "CREATE_IN_PROGRESS"}]}))

    assert Stacks(lambda _: client).ask(stack_id, 5.0, account=account) == StackSeen("CREATE_IN_PROGRESS")
