"""What ECR answers, as boto3 hears it: errors, odd answers and pages, from botocore's Stubber and from sockets."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.errors import finding_of
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.messages import AnswerTooLarge
from ecr_image_waiter.core.model import (
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    NoRepository,
    NotPullable,
    Place,
    Refused,
    TagSeen,
    Unavailable,
)
from ecr_image_waiter.core.state import Cause, GivenUp
from ecr_image_waiter.text.reasons import reason_given_up
from ecr_image_waiter.text.terms import seen
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import Ecr, registry_on
from tests.support.fakes import DIGEST, OTHER_DIGEST, aws_error, details

ACCOUNT: Final = "123456789012"
TAGGED: Final = ImageId("team/app", "v1", None)
BY_DIGEST: Final = ImageId("team/app", None, DIGEST)


def look(registry: Registry, image: ImageId = TAGGED, *, include_archived: bool = True) -> Finding:
    return registry.describe_one(image, include_archived=include_archived, seconds=10.0)


def scripted(*script: Any) -> tuple[Registry, Ecr]:
    ecr = Ecr(FakeClock())
    ecr.script(*script)
    return ecr.registry(), ecr


# --- Errors, by their codes -----------------------------------------------------------------------------------------

_THROTTLES = "ThrottleException ThrottlingException Throttling TooManyRequestsException RequestLimitExceeded"
_FAULTS = (
    "ServerException InternalFailure ServiceUnavailable ServiceUnavailableException LimitExceededException "
    "UnableToGetUpstreamImageException"
)
_DENIALS = "AccessDeniedException AccessDenied UnauthorizedOperation"
_CREDENTIALS = (
    "UnrecognizedClientException InvalidSignatureException ExpiredTokenException RequestExpired InvalidClientTokenId "
    "SignatureDoesNotMatch ExpiredToken"
)
_REFUSALS = "InvalidParameterException ValidationException OptInRequired"


def test_an_error_is_classified_by_its_code_or_status() -> None:
    expected: dict[tuple[str, int], Finding] = {
        ("ImageNotFoundException", 400): NoImage(),
        ("RepositoryNotFoundException", 400): NoRepository(),
        **{(code, 400): Unavailable(code, "words") for code in (_THROTTLES + " " + _FAULTS).split()},
        **{("Else", status): Unavailable("Else", "words") for status in (429, 500, 502, 503, 504)},
        **{(code, 400): AccessDenied(code, "words") for code in _DENIALS.split()},
        ("AccessDeniedException", 403): AccessDenied("AccessDeniedException", "words"),
        **{(code, 400): AccessDenied(code, "words", Lacks.CREDENTIALS) for code in _CREDENTIALS.split()},
        **{(code, 400): Refused(code, "words") for code in _REFUSALS.split()},
        ("Else", 403): Refused("Else", "words"),
    }
    found = {(code, status): finding_of(aws_error(code, "words", status=status)) for code, status in expected}
    assert found == expected


def test_an_error_without_a_code_is_refused_and_not_a_crash() -> None:
    registry, _ = scripted(ClientError({}, "DescribeImages"))

    assert look(registry) == Refused("Unknown", "")


def test_what_boto3_itself_refuses_is_refused() -> None:
    registry, _ = scripted(NoCredentialsError())

    found = look(registry)

    assert isinstance(found, Refused)
    assert found.code == "NoCredentialsError"


@pytest.mark.parametrize("kind", [ReadTimeoutError, ConnectTimeoutError, EndpointConnectionError, SSLError])
def test_a_connection_that_fails_is_not_yet(kind: type[BotoCoreError]) -> None:
    found = finding_of(kind(endpoint_url="https://ecr", error="x"))

    assert isinstance(found, Unavailable), found
    assert found.code == kind.__name__
    assert "did not answer" in seen(found)


# --- Archived images -------------------------------------------------------------------------------------------------


def archive(question: dict[str, Any]) -> dict[str, Any]:
    """Answer as ECR with one archived image does, if the filter's default of ACTIVE goes for imageIds too."""
    if question.get("filter", {}).get("imageStatus") != "ANY":
        raise aws_error("ImageNotFoundException")
    return details({"imageStatus": "ARCHIVED"})


def test_an_archived_image_is_found_by_asking_for_any_status() -> None:
    registry, ecr = scripted(archive)

    assert look(registry) == NotPullable("ARCHIVED")
    assert [call.get("filter") for call in ecr.asked] == [None, {"imageStatus": "ANY"}]


def test_archived_images_are_not_asked_for_where_that_is_not_worth_a_call() -> None:
    registry, ecr = scripted(archive)

    assert look(registry, include_archived=False) == NoImage()
    assert len(ecr.asked) == 1


def test_an_archived_image_that_is_described_at_once_is_not_pullable() -> None:
    registry, ecr = scripted(details({"imageStatus": "ACTIVATING"}))

    assert look(registry) == NotPullable("ACTIVATING")
    assert len(ecr.asked) == 1


def test_an_archived_image_of_another_digest_is_not_the_one() -> None:
    registry, _ = scripted(details({"imageStatus": "ARCHIVED"}))

    assert look(registry, ImageId("team/app", "v1", OTHER_DIGEST)) == NoImage(tag_points_at=DIGEST)


def test_an_image_that_appears_between_the_two_calls_is_found() -> None:
    registry, _ = scripted(aws_error("ImageNotFoundException"), details({"imageStatus": "ACTIVE"}))

    assert isinstance(look(registry), Image)


@pytest.mark.parametrize("second", [aws_error("AccessDeniedException"), details()], ids=str)
def test_whatever_else_comes_of_the_second_call_is_plain_not_yet(second: Any) -> None:
    registry, ecr = scripted(aws_error("ImageNotFoundException"), second)

    assert look(registry) == NoImage()
    assert len(ecr.asked) == 2


@pytest.mark.parametrize(
    ("second", "calls"),
    [(aws_error("InvalidParameterException"), 3), (aws_error("ThrottleException"), 4)],
    ids=["unsupported", "throttled"],
)
def test_an_unsupported_filter_is_asked_for_no_more(second: Exception, calls: int) -> None:
    missing = aws_error("ImageNotFoundException")
    registry, ecr = scripted(missing, second, missing)

    assert (look(registry), look(registry)) == (NoImage(), NoImage())
    assert len(ecr.asked) == calls


# --- Calls and answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (details({}), 1),
        (details({"imageStatus": "ARCHIVED"}), 1),
        (aws_error("ThrottleException"), 1),
        (aws_error("ImageNotFoundException"), 2),
        (details(), 2),
    ],
    ids=str,
)
def test_a_check_takes_one_call_and_a_second_one_only_if_nothing_is_found(answer: Any, calls: int) -> None:
    registry, ecr = scripted(answer)

    look(registry)

    assert len(ecr.asked) == calls
    assert ecr.seconds == [10.0] * calls


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (TAGGED, {"imageTag": "v1"}),
        (BY_DIGEST, {"imageDigest": DIGEST}),
        (ImageId("team/app", "v1", DIGEST), {"imageTag": "v1"}),
    ],
    ids=str,
)
def test_an_image_is_asked_for_by_its_tag_where_it_has_one(image: ImageId, asked: dict[str, str]) -> None:
    registry, ecr = scripted(details({}))

    look(registry, image)

    assert ecr.asked == [{"repositoryName": "team/app", "imageIds": [asked]}]


def test_what_ecr_does_not_say_about_an_image_is_none() -> None:
    registry, _ = scripted(details({}))

    assert look(registry) == Image(
        DIGEST, ACCOUNT, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/team/app", None, None, None
    )


def test_the_newest_tags_come_first_and_images_without_a_date_or_tag_are_left_out() -> None:
    registry, _ = scripted(
        details(
            {"imageTags": ["old"], "imagePushedAt": at(100)},
            {"imageTags": ["b", "a"], "imagePushedAt": at(1)},
            {"imageTags": ["undated"]},
            {"imagePushedAt": at(0)},
        )
    )

    newest = registry.newest_tags("team/app", most=5, seconds=5.0)

    assert newest == NewestTags((TagSeen("a", NOW - 1), TagSeen("b", NOW - 1), TagSeen("old", NOW - 100)))


def at(age: float) -> datetime:
    return datetime.fromtimestamp(NOW - age, UTC)


def page(*tags: str, age: float, more: bool = True) -> dict[str, Any]:
    """Return a page of one image with these tags; one more follows unless told otherwise."""
    following = {"nextToken": f"after {tags[0]}"} if more else {}
    return {**details({"imageTags": list(tags), "imagePushedAt": at(age)}), **following}


def test_all_pages_are_read_and_the_newest_tags_of_all_of_them_are_kept() -> None:
    registry, ecr = scripted(page("c", age=30), page("d", "a", age=10), page("b", age=20, more=False))

    newest = registry.newest_tags("team/app", most=3, seconds=5.0)

    assert newest == NewestTags((TagSeen("a", NOW - 10), TagSeen("d", NOW - 10), TagSeen("b", NOW - 20)))
    assert [call.get("nextToken") for call in ecr.asked] == [None, "after c", "after d"]
    assert all(call["filter"] == {"tagStatus": "TAGGED"} for call in ecr.asked)


def test_at_most_a_thousand_images_are_read_a_hundred_at_a_time() -> None:
    registry, ecr = scripted(page("a", age=1))

    assert registry.newest_tags("team/app", most=2, seconds=5.0) == NewestTags((TagSeen("a", NOW - 1),) * 2, images=10)

    assert [call["maxResults"] for call in ecr.asked] == [100] * 10


def test_pages_too_large_to_be_read_are_asked_for_again_with_fewer_images() -> None:
    """An image may have 1,000 tags of 128 characters: a hundred of them are 13 MB."""
    registry, ecr = scripted(page("a", age=2), AnswerTooLarge("x"), page("b", age=1), page("c", age=3, more=False))

    newest = registry.newest_tags("team/app", most=1, seconds=5.0)

    assert newest == NewestTags((TagSeen("b", NOW - 1),))
    assert [(call["maxResults"], call.get("nextToken")) for call in ecr.asked] == [
        (100, None),
        (100, "after a"),
        (10, "after a"),
        (10, "after b"),
    ]


def test_if_even_one_image_is_too_large_no_tags_are_named() -> None:
    registry, ecr = scripted(AnswerTooLarge("x"))

    assert registry.newest_tags("team/app", most=1, seconds=5.0) is None
    assert [call["maxResults"] for call in ecr.asked] == [100, 10, 1]


def test_a_repository_that_the_last_page_ends_was_seen_whole() -> None:
    registry, _ = scripted(*[page("a", age=1)] * 9, page("b", age=2, more=False))

    assert registry.newest_tags("team/app", most=1, seconds=5.0) == NewestTags((TagSeen("a", NOW - 1),))


@pytest.mark.parametrize("second", [aws_error("ThrottleException"), ReadTimeoutError(endpoint_url="x"), RuntimeError()])
def test_what_was_read_before_a_fault_is_kept(second: Exception) -> None:
    registry, ecr = scripted(page("a", age=1), second)

    assert registry.newest_tags("team/app", most=5, seconds=5.0) == NewestTags((TagSeen("a", NOW - 1),), images=1)
    assert len(ecr.asked) == 2


@pytest.mark.parametrize(
    ("seconds", "budgets"),
    [(5.0, [5.0, 3.0, 1.0]), (400.0, [5.0, 3.0, 1.0]), (3.0, [3.0, 1.0]), (2.0, [2.0]), (0.0, []), (-1.0, [])],
)
def test_the_newest_tags_take_at_most_five_seconds(seconds: float, budgets: list[float]) -> None:
    registry, ecr = scripted(page("a", age=1))
    ecr.before = lambda *_: ecr.clock.sleep(2.0)

    newest = registry.newest_tags("team/app", most=1, seconds=seconds)

    assert ecr.seconds == budgets
    assert newest == (NewestTags((TagSeen("a", NOW - 1),), images=len(budgets)) if budgets else None)


@pytest.mark.parametrize("fault", [aws_error("AccessDeniedException"), NoCredentialsError()], ids=str)
def test_newest_tags_that_are_denied_are_unknown(fault: Exception) -> None:
    registry, _ = scripted(fault)

    assert registry.newest_tags("team/app", most=5, seconds=5.0) is None


# --- Answers that nobody would expect, through botocore's own parser -------------------------------------------------


@pytest.fixture(scope="module")
def odd() -> Callable[[str], Registry]:
    """Returns a registry whose ECR answers every question with a body and status 200."""
    keys = {"aws_access_key_id": "madeup", "aws_secret_access_key": "madeup"}
    client = boto3.client("ecr", region_name="eu-west-1", config=Config(retries={"total_max_attempts": 1}), **keys)
    headers: Any = {"Content-Type": "application/x-amz-json-1.1"}
    bodies = [""]
    client.meta.events.register(
        "before-send.ecr.DescribeImages",
        lambda request, **_: AWSResponse(request.url, 200, headers, _Raw(bodies[-1].encode())),
    )

    def answering(body: str) -> Registry:
        bodies.append(body)
        return registry_on(lambda _: client)

    return answering


class _Raw(BytesIO):
    """A response's body, as urllib3 gives it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


_GOOD = '"imageDigest": "d", "registryId": "1"'
_ODD = [
    "",
    "null",
    "5",
    "<html>",
    "{",
    "\xff",
    '{"imageDetails": 5}',
    '{"imageDetails": [null]}',
    '{"imageDetails": [{}]}',
    '{"imageDetails": [{"imageDigest": null}]}',
    '{"imageDetails": [{"imageDigest": "d", "registryId": null}]}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": "yesterday", "imageTags": ["a"]}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": 1e30, "imageTags": ["a"]}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": NaN, "imageTags": ["a"]}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": [], "imageTags": ["a"]}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": 1, "imageTags": [null]}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": 1, "imageTags": 5}}]}}',
    f'{{"imageDetails": [{{{_GOOD}, "imagePushedAt": 1, "imageTags": ["a"]}}], "nextToken": 5}}',
]


@pytest.mark.parametrize("body", _ODD)
def test_whatever_ecr_answers_ends_no_wait_and_raises_nothing(odd: Callable[[str], Registry], body: str) -> None:
    found = look(odd(body))

    assert isinstance(found, Unavailable | NoImage | Image), found
    if isinstance(found, Unavailable):
        assert "did not answer" in seen(found)
    said = reason_given_up(
        TAGGED,
        Place("aws", "eu-west-1", ACCOUNT),
        Bounds(NOW, NOW, NOW),
        given_up=GivenUp(Cause.TIME_UP, NoImage(), 1, image_missing=True),
        now=NOW,
        newest=odd(body).newest_tags("team/app", most=5, seconds=5.0),
    )
    assert said.sentence.startswith("Timed out waiting")


@pytest.mark.parametrize(
    "body", ["null", "[]", '{"imageDetails": [null]}', '{"imageDetails": [{}]}', "<html>", "{", ""], ids=repr
)
def test_a_response_that_cannot_be_parsed_is_no_response(odd: Callable[[str], Registry], body: str) -> None:
    """Botocore reads what is no JSON, a body that broke off among it, as an answer without any member."""
    assert isinstance(look(odd(body)), Unavailable)
