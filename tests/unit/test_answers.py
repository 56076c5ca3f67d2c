"""Section 5 of the contract: what an answer says."""

from dataclasses import replace
from typing import Any

import pytest

from ecr_image_waiter.cfn.attributes import attributes, longest_attributes
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.manifests import INDEXES, LONGEST_PLATFORM_NAME, SINGLE
from ecr_image_waiter.core.messages import InvalidRequest, duration
from ecr_image_waiter.core.model import (
    OWN,
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    Place,
    Several,
    Source,
    TagSeen,
    place_of,
)
from ecr_image_waiter.core.state import Cause, GivenUp
from ecr_image_waiter.text.reasons import reason_given_up, reason_invalid
from ecr_image_waiter.text.terms import seen
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


def wanted(image: ImageId, id_: str = "") -> list[Wanted]:
    return [Wanted(id_, image, OWN, Conditions())]


# --- Attributes -----------------------------------------------------------------------------------------------------


def test_the_attributes_of_an_image_found_by_tag_are_these() -> None:
    assert attributes(wanted(IMAGE), FOUND, checks=3, waited=42.9) == {
        "ImageUri": f"{REPOSITORY_URI}@{DIGEST}",
        "ImageDigest": DIGEST,
        "TaggedImageUri": f"{REPOSITORY_URI}:v1",
        "RepositoryUri": REPOSITORY_URI,
        "RepositoryName": "team/app",
        "ImageTag": "v1",
        "RegistryId": "123456789012",
        "ImagePushedAt": "2026-11-01T11:58:59Z",
        "ImageSizeInBytes": "12345",
        "ImageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "PlatformDigest": "",
        "PlatformImageUri": "",
        "Architecture": "",
        "Attempts": "3",
        "WaitedSeconds": "42",
    }


def test_what_does_not_apply_is_an_empty_string_and_every_key_stays() -> None:
    bare = Image(DIGEST, "123456789012", REPOSITORY_URI)

    found = attributes(wanted(ImageId("team/app", None, DIGEST)), bare, checks=1, waited=0)

    assert found.keys() == attributes(wanted(IMAGE), FOUND, checks=1, waited=0).keys()
    assert all(isinstance(value, str) for value in found.values())
    assert {key for key, value in found.items() if not value} == {
        "TaggedImageUri",
        "ImageTag",
        "ImagePushedAt",
        "ImageSizeInBytes",
        "ImageManifestMediaType",
        "PlatformDigest",
        "PlatformImageUri",
        "Architecture",
    }


def test_an_image_of_no_bytes_and_of_1970_is_told_from_one_of_which_ecr_says_nothing() -> None:
    found = attributes(wanted(IMAGE), replace(FOUND, size=0, pushed_at=0.0), checks=1, waited=0)

    assert (found["ImageSizeInBytes"], found["ImagePushedAt"]) == ("0", "1970-01-01T00:00:00Z")


def uri(_: Source, registry_id: str, name: str) -> str:
    return f"{registry_id}.dkr.ecr.eu-west-1.amazonaws.com/{name}"


def lengths(told: dict[str, str]) -> dict[str, int]:
    return {name: len(value) for name, value in told.items()}


@pytest.mark.parametrize(
    ("conditions", "learnt"),
    [
        ({}, {}),
        ({"Labels": {"a": "b"}}, {"architecture": "\0" * LONGEST_PLATFORM_NAME}),
        ({"Platform": "arm64"}, {"architecture": "\0" * LONGEST_PLATFORM_NAME, "platform_digest": OTHER_DIGEST}),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_an_answer_is_planned_as_long_as_it_can_become(
    conditions: dict[str, Any], learnt: dict[str, str], *, several: bool
) -> None:
    """14 digits of bytes, five of checks and of seconds, and the longest names that anything may have."""
    one = Wanted("App" if several else "", IMAGE, OWN, Conditions(**conditions))
    found = Image(DIGEST, PLACE.account, REPOSITORY_URI, NOW, 99_999_999_999_999, max(SINGLE | INDEXES, key=len))
    found = replace(found, **learnt)  # type: ignore[arg-type]  # fields that are text
    longest = attributes([one], Several((("App", found),)) if several else found, checks=99_999, waited=99_999.9)

    assert lengths(longest_attributes([one], uri, PLACE)) == lengths(longest)


# --- Words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (1.9, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (1800, "30 min"),
        (3360, "56 min"),
        (7199, "119 min 59 s"),
        (7200, "2 h"),
        (12_000, "3 h 20 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 days"),
        (432_000, "5 days"),
    ],
)
def test_a_duration_is_said_as_a_person_would(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("arn", "place"),
    [
        (FUNCTION_ARN, PLACE),
        (FUNCTION_ARN + ":alias", PLACE),
        ("arn:aws-cn:lambda:cn-north-1:1:function:w", Place("aws-cn", "cn-north-1", "1")),
        ("", Place("aws", "", "")),
        ("waiter", Place("aws", "", "")),
    ],
)
def test_the_place_is_read_from_the_functions_arn(arn: str, place: Place) -> None:
    assert place_of(arn) == place


def test_an_image_that_was_seen_is_named_by_its_digest() -> None:
    assert DIGEST in seen(FOUND)


# --- Reasons, as far as test_reasons.py does not pin them ------------------------------------------------------------


def test_a_digest_waited_for_beside_a_tag_is_named() -> None:
    said = reason(Cause.TIME_UP, NoImage(OTHER_DIGEST), image=ImageId("team/app", "v1", DIGEST))

    assert f"team/app:v1@{DIGEST}" in said
    assert f"points at another image, {OTHER_DIGEST}" in said


@pytest.mark.parametrize("message", ["", "No.", "User is not authorized"])
def test_access_denied_without_details_falls_back_on_what_is_known(message: str) -> None:
    assert (
        "allow ecr:DescribeImages on arn:aws:ecr:eu-west-1:123456789012:repository/team/app to the role of the waiter "
        "function"
    ) in reason(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", message))


def test_access_denied_to_ecr_public_without_details_names_its_own_action_and_arn() -> None:
    said = reason(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", ""), place=PUBLIC)

    assert "allow ecr-public:DescribeImages on arn:aws:ecr-public::123456789012:repository/team/app to the role" in said
    assert "which the waiter stack's policy LookForPublicImages does" in said


def test_credentials_that_ecr_public_does_not_accept_have_nothing_to_do_with_a_region() -> None:
    denied = AccessDenied("ExpiredTokenException", "", Lacks.CREDENTIALS)

    said = reason(Cause.ACCESS_DENIED, denied, place=PUBLIC)

    assert "AWS does not accept the credentials; see whether the role of the waiter function was replaced, then" in said


def test_access_denied_in_china_names_an_arn_of_china() -> None:
    said = reason(
        Cause.ACCESS_DENIED, AccessDenied("AccessDenied", ""), place=Place("aws-cn", "cn-north-1", "123456789012")
    )

    assert "on arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/app to" in said


def test_the_newest_tags_are_named_with_their_age_and_only_five_of_them() -> None:
    newest = NewestTags(tuple(TagSeen(f"v{age}", NOW + 725 - age * 3600) for age in range(1, 8)))

    said = reason(Cause.TIME_UP, NoImage(), newest=newest)

    assert "newest tags are v1 (60 min old), v2 (2 h old), v3 (3 h old), v4 (4 h old), v5 (5 h old); correct" in said
    assert "v6" not in said


def test_newest_tags_of_only_some_images_are_not_told_as_those_of_the_repository() -> None:
    some = NewestTags((TagSeen("v0", NOW + 665),), images=1000)

    assert (
        "no such image, the repository's newest tags of the 1,000 images looked at are v0 (1 min old); correct"
    ) in reason(Cause.TIME_UP, NoImage(), newest=some)
    assert "no such image, and no tagged image of the 300 images looked at; see" in reason(
        Cause.TIME_UP, NoImage(), newest=NewestTags((), images=300)
    )


def test_an_invalid_request_lists_every_fault_and_what_to_do() -> None:
    said = reason_invalid(InvalidRequest(["ImageTag: missing", "MaxRetries: received -1"]))

    assert "(1) ImageTag: missing; (2) MaxRetries: received -1; correct it and deploy again" in said
