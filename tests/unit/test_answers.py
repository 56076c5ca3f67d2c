"""Section 5 of the contract: what an answer says."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from ecr_image_waiter.answers import (
    reason_given_up,
    reason_invalid,
    reason_stopped,
    seen,
)
from ecr_image_waiter.attributes import attributes, longest_attributes
from ecr_image_waiter.errors import InvalidRequest
from ecr_image_waiter.findings import (
    OWN,
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    Never,
    NewestTags,
    NoImage,
    NoRegion,
    NoRepository,
    NotPullable,
    NotYet,
    Refused,
    Several,
    Source,
    TagSeen,
    Unavailable,
)
from ecr_image_waiter.manifests import INDEXES, SINGLE
from ecr_image_waiter.place import Place, place_of
from ecr_image_waiter.readiness import Conditions, Wanted
from ecr_image_waiter.waiting import Bounds, Cause, GivenUp
from ecr_image_waiter.wording import duration
from tests.fakes import DIGEST, FUNCTION_ARN, NOW, OTHER_DIGEST, REPOSITORY_URI

PLACE = Place("aws", "eu-west-1", "123456789012")
IMAGE = ImageId("team/app", "v1", None)
FOUND = Image(DIGEST, "123456789012", REPOSITORY_URI, NOW - 60.5, 12_345, "application/vnd.oci.image.manifest.v1+json")
BOUNDS = Bounds(start=NOW, limit=NOW + 725, wanted=NOW + 725, expires=NOW + 3600)
DENIED = AccessDenied(
    "AccessDeniedException",
    "User: arn:aws:sts::123456789012:assumed-role/waiter-role/waiter is not authorized to perform: ecr:BatchGetImage "
    "on resource: arn:aws:ecr:eu-west-1:999999999999:repository/team/other because no identity-based policy allows it",
)
REFUSED = Refused("InvalidParameterException", "Invalid parameter")
THROTTLED = Unavailable("ThrottleException", "Rate exceeded")
OLD = NotYet("the image there is an older one", FOUND)
INDEX = Never("an image index is there, and Lambda takes a single image only", "push one", FOUND)


def reason(
    cause: Cause,
    finding: Finding | None,
    *,
    image: ImageId = IMAGE,
    bounds: Bounds = BOUNDS,
    newest: NewestTags | None = None,
    checks: int = 7,
    now: float = NOW + 725.4,
) -> str:
    given_up = GivenUp(cause, finding, checks)
    return reason_given_up(image, PLACE, bounds, given_up=given_up, now=now, newest=newest)


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
        ({"Labels": {"a": "b"}}, {"architecture": "x" * 255}),
        ({"Platform": "arm64"}, {"architecture": "x" * 255, "platform_digest": OTHER_DIGEST}),
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
    ("finding", "words"),
    [
        (FOUND, ["the image", DIGEST]),
        (NoImage(), ["no such image"]),
        (NoImage(tag_points_at=OTHER_DIGEST), ["points at another image", OTHER_DIGEST]),
        (NotPullable("ARCHIVED"), ["archived"]),
        (NotPullable("ACTIVATING"), ["ACTIVATING"]),
        (NoRepository(), ["repository does not exist"]),
        (DENIED, ["denied", "AccessDeniedException"]),
        (THROTTLED, ["did not answer", "ThrottleException: Rate exceeded"]),
        (Unavailable("ServerException", ""), ["did not answer (ServerException)"]),
        (REFUSED, ["refused", "InvalidParameterException: Invalid parameter"]),
        (OLD, ["an older one"]),
        (INDEX, ["Lambda takes a single image only"]),
    ],
)
def test_each_finding_has_words_of_its_own(finding: Finding, words: list[str]) -> None:
    assert [word for word in words if word not in seen(finding)] == []


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


# --- Reasons --------------------------------------------------------------------------------------------------------

_NOT_YET: list[Finding] = [NoImage(), NoImage(OTHER_DIGEST), NotPullable("ARCHIVED"), NotPullable("ACTIVATING"), OLD]
GIVEN_UP = [
    *(
        (Cause.TIME_UP, finding)
        for finding in (*_NOT_YET, NoRepository(), THROTTLED, Unavailable("ReadTimeoutError", ""))
    ),
    (Cause.REFUSED, NoRegion("eu-wset-1", "eu-west-1")),
    (Cause.NO_REPOSITORY, NoRepository()),
    (Cause.ACCESS_DENIED, DENIED),
    (Cause.ACCESS_DENIED, AccessDenied("AccessDenied", "")),
    (Cause.REFUSED, REFUSED),
    (Cause.NEVER, INDEX),
    (Cause.TOO_LATE, None),
]
"""Every cause with every finding it comes with."""


OF_BUILDS = {Cause.BUILD_BROKEN, Cause.BUILT_WITHOUT, Cause.BUILD_HIDDEN}
"""test_build_reasons.py has them."""


def test_each_cause_has_a_case_here() -> None:
    assert {known for known, _ in GIVEN_UP} == set(Cause) - OF_BUILDS


def test_each_kind_of_finding_that_can_end_a_wait_has_a_case_here() -> None:
    assert {type(finding) for _, finding in GIVEN_UP if finding} == set(get_args(Finding)) - {Image}


@pytest.mark.parametrize(("cause", "finding"), GIVEN_UP)
def test_a_reason_is_one_sentence(cause: Cause, finding: Finding | None) -> None:
    said = reason(cause, finding, newest=NewestTags((TagSeen("v0", NOW),)))

    assert said[0].isupper()
    assert not said.endswith(".")
    assert ". " not in said
    assert said.isprintable()  # so no line break either


@pytest.mark.parametrize(("cause", "finding"), GIVEN_UP)
def test_a_reason_says_what_was_waited_for(cause: Cause, finding: Finding | None) -> None:
    assert ("team/app " if cause is Cause.NO_REPOSITORY else "team/app:v1 ") in reason(cause, finding)


@pytest.mark.parametrize(("cause", "finding"), GIVEN_UP)
def test_a_reason_says_how_long(cause: Cause, finding: Finding | None) -> None:
    assert "12 min 5 s" in reason(cause, finding)


@pytest.mark.parametrize(("cause", "finding"), GIVEN_UP)
@pytest.mark.parametrize(("checks", "said"), [(1, "checked once"), (7, "checked 7 times")])
def test_a_reason_says_how_often_it_was_checked(cause: Cause, finding: Finding | None, checks: int, said: str) -> None:
    assert said in reason(cause, finding, checks=checks)


@pytest.mark.parametrize(("cause", "finding"), [case for case in GIVEN_UP if case[1] is not None])
def test_a_reason_says_what_was_last_seen(cause: Cause, finding: Finding) -> None:
    said = reason(cause, finding)

    if cause is Cause.NO_REPOSITORY:
        assert "The repository team/app does not exist in eu-west-1, account 123456789012" in said
    elif isinstance(finding, AccessDenied):
        assert "Not allowed" in said
        assert finding.code in said
        assert finding.message in said
    else:
        assert seen(finding) in said


@pytest.mark.parametrize(
    ("cause", "finding", "advice"),
    [
        (Cause.TIME_UP, NoImage(), "see whether the build that pushes it ran"),
        (Cause.TIME_UP, NotPullable("ARCHIVED"), "restore the image from the archive or push it again, then"),
        (Cause.TIME_UP, NotPullable("ACTIVATING"), "deploy again"),
        (Cause.TIME_UP, OLD, "see why the build that pushes it did not, and whether Labels and PushedAfter say"),
        (Cause.TIME_UP, NoRepository(), "create the repository"),
        (Cause.TIME_UP, THROTTLED, "see whether ECR works in this region and can be reached"),
        (Cause.NO_REPOSITORY, NoRepository(), "set WaitForRepository to true"),
        (Cause.REFUSED, NoRegion("eu-wset-1", "eu-west-1"), "correct the region in Region or ImageUri"),
        (Cause.ACCESS_DENIED, DENIED, "allow ecr:BatchGetImage"),
        (Cause.REFUSED, REFUSED, "correct what AWS names, then deploy again"),
        (Cause.NEVER, INDEX, "push one, then deploy again"),
        (Cause.TOO_LATE, None, "look for throttled invocations of the function"),
    ],
)
def test_a_reason_says_what_to_do_next(cause: Cause, finding: Finding | None, advice: str) -> None:
    assert advice in reason(cause, finding)


def test_an_image_that_is_being_restored_already_is_not_to_be_restored_once_more() -> None:
    assert "restore the image" not in reason(Cause.TIME_UP, NotPullable("ACTIVATING"))


def test_a_digest_waited_for_beside_a_tag_is_named() -> None:
    said = reason(Cause.TIME_UP, NoImage(OTHER_DIGEST), image=ImageId("team/app", "v1", DIGEST))

    assert f"team/app:v1@{DIGEST}" in said
    assert f"points at another image, {OTHER_DIGEST}" in said


def test_who_waits_for_a_digest_alone_is_not_told_to_correct_a_tag() -> None:
    image = ImageId("team/app", None, DIGEST)

    assert "ImageTag" not in reason(Cause.TIME_UP, NoImage(), image=image, newest=NewestTags((TagSeen("v0", NOW),)))


# --- Access denied --------------------------------------------------------------------------------------------------


def test_access_denied_names_action_resource_and_role_as_aws_does() -> None:
    assert (
        "allow ecr:BatchGetImage on arn:aws:ecr:eu-west-1:999999999999:repository/team/other to the role waiter-role"
    ) in reason(Cause.ACCESS_DENIED, DENIED)


@pytest.mark.parametrize("message", ["", "No.", "User is not authorized"])
def test_access_denied_without_details_falls_back_on_what_is_known(message: str) -> None:
    assert (
        "allow ecr:DescribeImages on arn:aws:ecr:eu-west-1:123456789012:repository/team/app to the role of the waiter "
        "function"
    ) in reason(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", message))


def test_a_role_that_may_not_be_assumed_is_named_with_the_parameter_and_the_trust_it_needs() -> None:
    said = AccessDenied(
        "AccessDenied",
        "User: arn:aws:sts::123456789012:assumed-role/waiter-role/waiter is not authorized to perform: sts:AssumeRole "
        "on resource: arn:aws:iam::999999999999:role/reader",
    )

    denied = reason(Cause.ACCESS_DENIED, said)

    assert "allow sts:AssumeRole on arn:aws:iam::999999999999:role/reader to the role waiter-role, " in denied
    assert "with the waiter stack's parameter AssumableRoleArns, and let that role's trust policy name" in denied


def test_access_denied_to_a_public_repository_names_its_action() -> None:
    said = AccessDenied(
        "AccessDeniedException",
        "User: arn:aws:sts::1:assumed-role/waiter-role/w is not authorized to perform: ecr-public:DescribeImages on "
        "resource: arn:aws:ecr-public::123456789012:repository/team/app",
    )

    assert (
        "allow ecr-public:DescribeImages on arn:aws:ecr-public::123456789012:repository/team/app to the role "
        "waiter-role"
    ) in reason(Cause.ACCESS_DENIED, said)


def test_access_denied_to_ecr_public_without_details_names_its_own_action_and_arn() -> None:
    place = Place("aws", "public.ecr.aws/shop", "123456789012")
    given_up = GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", ""), 1)

    said = reason_given_up(IMAGE, place, BOUNDS, given_up=given_up, now=NOW, newest=None)

    assert "allow ecr-public:DescribeImages on arn:aws:ecr-public::123456789012:repository/team/app to the role" in said
    assert "which the waiter stack's policy LookForPublicImages does" in said


def test_credentials_that_ecr_public_does_not_accept_have_nothing_to_do_with_a_region() -> None:
    place = Place("aws", "public.ecr.aws/shop", "123456789012")
    denied = AccessDenied("ExpiredTokenException", "", Lacks.CREDENTIALS)

    said = reason_given_up(IMAGE, place, BOUNDS, given_up=GivenUp(Cause.ACCESS_DENIED, denied, 1), now=NOW, newest=None)

    assert "AWS does not accept the credentials; see whether the role of the waiter function was replaced, then" in said


def test_access_denied_in_china_names_an_arn_of_china() -> None:
    place = Place("aws-cn", "cn-north-1", "123456789012")
    given_up = GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDenied", ""), 1)

    said = reason_given_up(IMAGE, place, BOUNDS, given_up=given_up, now=NOW, newest=None)

    assert "on arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/app to" in said


# --- Newest tags ----------------------------------------------------------------------------------------------------


def test_the_newest_tags_are_named_with_their_age_and_only_five_of_them() -> None:
    newest = NewestTags(tuple(TagSeen(f"v{age}", NOW + 725 - age * 3600) for age in range(1, 8)))

    said = reason(Cause.TIME_UP, NoImage(), newest=newest)

    assert "newest tags are v1 (60 min old), v2 (2 h old), v3 (3 h old), v4 (4 h old), v5 (5 h old); correct" in said
    assert "v6" not in said


def test_a_wait_that_service_timeout_shortened_is_not_told_to_ask_for_more_retries() -> None:
    shortened = replace(BOUNDS, wanted=BOUNDS.limit + 60)

    for newest in (NewestTags(()), NewestTags((TagSeen("v0", NOW),))):
        said = reason(Cause.TIME_UP, NoImage(), bounds=shortened, newest=newest)
        assert "with a larger ServiceTimeout" in said
        assert "MaxRetries" not in said


def test_a_tag_that_points_elsewhere_is_told_to_be_moved_or_corrected() -> None:
    said = reason(Cause.TIME_UP, NoImage(tag_points_at="sha256:0"), newest=NewestTags((TagSeen("v0", NOW),)))

    assert "correct ImageTag or ImageDigest, or see why the tag was not moved" in said


def test_a_repository_without_tags_is_told_from_one_nobody_looked_into() -> None:
    assert "no tagged image at all" in reason(Cause.TIME_UP, NoImage(), newest=NewestTags(()))
    assert "tagged" not in reason(Cause.TIME_UP, NoImage(), newest=None)


def test_newest_tags_of_only_some_images_are_not_told_as_those_of_the_repository() -> None:
    some = NewestTags((TagSeen("v0", NOW + 665),), images=1000)

    assert (
        "no such image, the repository's newest tags of the 1,000 images looked at are v0 (1 min old); correct"
    ) in reason(Cause.TIME_UP, NoImage(), newest=some)
    assert "no such image, and no tagged image of the 300 images looked at; see" in reason(
        Cause.TIME_UP, NoImage(), newest=NewestTags((), images=300)
    )


# --- Shortened, stopped, invalid ------------------------------------------------------------------------------------


def test_a_shortened_wait_is_said_with_the_length_that_was_asked_for() -> None:
    shortened = Bounds(start=NOW, limit=NOW + 725, wanted=NOW + 7200, expires=NOW + 965)

    assert "shortened from 2 h" in reason(Cause.TIME_UP, NoImage(), bounds=shortened)
    assert "shortened" not in reason(Cause.TIME_UP, NoImage())


def test_a_stopped_wait_says_what_how_often_how_long_and_why() -> None:
    fault = "the function could not invoke itself"

    said = reason_stopped("team/app:v1 in eu-west-1", checks=1, waited=65.0, fault=fault)

    assert said == (
        "Stopped waiting for team/app:v1 in eu-west-1, checked once in 1 min 5 s: the function could not invoke itself"
    )


def test_an_invalid_request_lists_every_fault_and_what_to_do() -> None:
    said = reason_invalid(InvalidRequest(["ImageTag: missing", "MaxRetries: received -1"]))

    assert "(1) ImageTag: missing; (2) MaxRetries: received -1; correct it and deploy again" in said
