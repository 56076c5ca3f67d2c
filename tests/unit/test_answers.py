"""Reasons, as far as test_reasons.py does not pin them."""

import pytest

from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.messages import InvalidRequest
from ecr_image_waiter.core.model import (
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    Place,
    TagSeen,
    place_of,
)
from ecr_image_waiter.core.state import Cause, GivenUp
from ecr_image_waiter.text.reasons import reason_given_up, reason_invalid
from tests.support.clock import NOW
from tests.support.fakes import DIGEST, FUNCTION_ARN, OTHER_DIGEST, REPOSITORY_URI

PLACE = Place("aws", "eu-west-1", "123456789012")
PUBLIC = Place("aws", "public.ecr.aws/shop", "123456789012")
IMAGE = ImageId("team/app", "v1", None)
FOUND = Image(DIGEST, "123456789012", REPOSITORY_URI, NOW - 60.5, 12_345, "application/vnd.oci.image.manifest.v1+json")
BOUNDS = Bounds(start=NOW, limit=NOW + 725, asked_limit=NOW + 725, expires=NOW + 3600)


def reason(
    cause: Cause,
    finding: Finding | None,
    *,
    image: ImageId = IMAGE,
    place: Place = PLACE,
    newest: NewestTags | None = None,
) -> str:
    given_up = GivenUp(cause, finding, 7)
    return reason_given_up(image, place, BOUNDS, given_up=given_up, now=NOW + 725.4, newest=newest).sentence


def test_a_digest_waited_for_beside_a_tag_is_named() -> None:
    said = reason(Cause.TIME_UP, NoImage(OTHER_DIGEST), image=ImageId("team/app", "v1", DIGEST))

    assert f"team/app:v1@{DIGEST}" in said
    assert f"points at another image, {OTHER_DIGEST}" in said


def test_access_denied_to_ecr_public_without_details_names_its_own_action_and_arn() -> None:
    said = reason(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", ""), place=PUBLIC)

    assert (
        "allow ecr-public:DescribeImages on arn:aws:ecr-public::123456789012:repository/team/app to the waiter's role ("
        in said
    )
    assert "LookForPublicImages" in said


def test_credentials_that_ecr_public_does_not_accept_have_nothing_to_do_with_a_region() -> None:
    denied = AccessDenied("ExpiredTokenException", "", Lacks.CREDENTIALS)

    said = reason(Cause.ACCESS_DENIED, denied, place=PUBLIC)

    assert "; check that the waiter's role was not replaced" in said


def test_access_denied_in_china_names_an_arn_of_china() -> None:
    said = reason(
        Cause.ACCESS_DENIED, AccessDenied("AccessDenied", ""), place=Place("aws-cn", "cn-north-1", "123456789012")
    )

    assert "on arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/app to" in said


def test_the_newest_tags_are_named_with_their_age_and_only_five_of_them() -> None:
    newest = NewestTags(tuple(TagSeen(f"v{age}", NOW + 725 - age * 3600) for age in range(1, 8)))

    said = reason(Cause.TIME_UP, NoImage(), newest=newest)

    assert (
        'newest tags: "v1" (60 min old), "v2" (2 h old), "v3" (3 h old), "v4" (4 h old), "v5" (5 h old); correct'
        in said
    )
    assert "v6" not in said


def test_newest_tags_of_only_some_images_are_not_told_as_those_of_the_repository() -> None:
    some = NewestTags((TagSeen("v0", NOW + 665),), images=1000)

    assert 'newest tags of the 1,000 images read: "v0" (1 min old); correct' in reason(
        Cause.TIME_UP, NoImage(), newest=some
    )
    assert "newest tags: none of the 300 images read; check" in reason(
        Cause.TIME_UP, NoImage(), newest=NewestTags((), images=300)
    )


def test_an_invalid_request_lists_every_fault() -> None:
    said = reason_invalid(InvalidRequest(["ImageTag: missing", "MaxRetries: received -1"]))

    assert "(1) ImageTag: missing; (2) MaxRetries: received -1" in said


@pytest.mark.parametrize(
    ("arn", "place"),
    [
        (FUNCTION_ARN + ":alias", PLACE),
        ("arn:aws-cn:lambda:cn-north-1:1:function:w", Place("aws-cn", "cn-north-1", "1")),
        ("waiter", Place("aws", "", "")),
    ],
)
def test_the_place_is_read_from_the_functions_arn(arn: str, place: Place) -> None:
    assert place_of(arn) == place
