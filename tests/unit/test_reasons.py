"""Every Reason of a failed wait, word for word, for people who read it in a failed stack."""

import math
from dataclasses import replace
from typing import NamedTuple, get_args

import pytest

from ecr_image_waiter.cfn.response import fault_too_much
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.deadline import Bounds, bounds_for_direct, bounds_for_stack
from ecr_image_waiter.core.messages import InvalidRequest
from ecr_image_waiter.core.model import (
    OWN,
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Place,
    Refused,
    Several,
    Source,
    TagSeen,
    Unavailable,
)
from ecr_image_waiter.core.state import Cause, GivenUp
from ecr_image_waiter.text.reasons import reason_given_up, reason_of, reason_stopped
from ecr_image_waiter.text.terms import seen
from tests.support.fakes import DIGEST, OTHER_DIGEST

PLACE = Place("aws", "eu-west-1", "123456789012")
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"
IMAGE = ImageId("team/app", "v1", None)
DIGEST_ONLY = ImageId("team/app", None, DIGEST)
BOUNDS = Bounds(1000.0, 2800.0, 2800.0, 4600.0)
SHORTENED = Bounds(1000.0, 2800.0, 4600.0, 3040.0)
SAID = (
    "User: arn:aws:sts::123456789012:assumed-role/waiter-role/fn is not authorized to perform: ecr:DescribeImages on "
    f"resource: {ARN} because no identity-based policy allows it"
)
NEWEST = NewestTags((TagSeen("v2", 2740.0), TagSeen("v0", 1000.0)))
THERE = Image(DIGEST, "123456789012", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app")
WAITED = 'Waited 30 min for "team/app:v1" in eu-west-1 (37 checks): '
TIMED_OUT = 'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (37 checks): '
TAGS = 'newest tags: "v2" (1 min old), "v0" (30 min old)'
NOT_ASSUMED = (
    "User: arn:aws:sts::123456789012:assumed-role/waiter-role/fn is not authorized to perform: sts:AssumeRole on "
    "resource: arn:aws:iam::999999999999:role/reader"
)


class Case(NamedTuple):
    """The end of a wait, and its Reason."""

    given_up: GivenUp
    reason: str
    image: ImageId = IMAGE
    bounds: Bounds = BOUNDS
    newest: NewestTags | None = None


CASES = {
    "no repository": Case(
        GivenUp(Cause.NO_REPOSITORY, NoRepository(), 37),
        f"{WAITED}the repository does not exist in account 123456789012; create it, correct RepositoryName, or set "
        "WaitForRepository to true",
    ),
    "no repository with the name of another registry": Case(
        GivenUp(Cause.NO_REPOSITORY, NoRepository(), 37),
        'Waited 30 min for "docker.io/library/nginx:v1" in eu-west-1 (37 checks): the repository does not exist in '
        'account 123456789012 (only ECR is checked; for a pull-through cache of "docker.io", pull the image once); '
        "create it, correct RepositoryName, or set WaitForRepository to true",
        image=replace(IMAGE, repository="docker.io/library/nginx"),
    ),
    "no repository with the name of ECR Public": Case(
        GivenUp(Cause.NO_REPOSITORY, NoRepository(), 37),
        'Waited 30 min for "public.ecr.aws/shop/app:v1" in eu-west-1 (37 checks): the repository does not exist in '
        "account 123456789012 (for an image of ECR Public, set ImageUri to its whole URI); create it, correct "
        "RepositoryName, or set WaitForRepository to true",
        image=replace(IMAGE, repository="public.ecr.aws/shop/app"),
    ),
    "no repository with the name of another registry, which was waited for": Case(
        GivenUp(Cause.TIME_UP, NoRepository(), 37),
        'Timed out waiting 30 min for "ghcr.io/org/app:v1" in eu-west-1 (37 checks): the repository does not exist '
        '(only ECR is checked; for a pull-through cache of "ghcr.io", pull the image once); create the repository, or '
        "check the push that creates it",
        image=replace(IMAGE, repository="ghcr.io/org/app"),
    ),
    "a repository with the name of another registry that is there": Case(
        GivenUp(Cause.TIME_UP, NoImage(), 37),
        'Timed out waiting 30 min for "ghcr.io/org/app:v1" in eu-west-1 (37 checks): the repository has no such '
        "image; check its build, or raise MaxRetries",
        image=replace(IMAGE, repository="ghcr.io/org/app"),
    ),
    "denied, as AWS says it": Case(
        GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDeniedException", SAID), 37),
        f"{WAITED}access denied (AccessDeniedException: no identity-based policy allows it); allow ecr:DescribeImages "
        f'on {ARN} to the role "waiter-role" of account 123456789012, for example with the waiter\'s '
        "parameter RepositoryArnPattern",
    ),
    "no region": Case(
        GivenUp(Cause.REFUSED, NoRegion("eu-wset-1", "eu-west-1"), 37),
        f'{WAITED}ECR has no host in "eu-wset-1" (nearest known: "eu-west-1"); correct Region or ImageUri',
    ),
    "denied, and AWS names nothing": Case(
        GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDenied", ""), 37),
        f"{WAITED}access denied (AccessDenied); allow ecr:DescribeImages on {ARN} to the waiter's role, for example "
        "with the waiter's parameter RepositoryArnPattern",
    ),
    "credentials that AWS does not accept": Case(
        GivenUp(
            Cause.ACCESS_DENIED,
            AccessDenied("UnrecognizedClientException", "The security token is invalid", Lacks.CREDENTIALS),
            37,
        ),
        f"{WAITED}AWS rejects the credentials (UnrecognizedClientException: The security token is invalid); check "
        "that the account has enabled eu-west-1, and that the waiter's role was not replaced",
    ),
    "the repository's key": Case(
        GivenUp(Cause.ACCESS_DENIED, AccessDenied("KmsError", "Key is disabled", Lacks.KEY), 37),
        f"{WAITED}ECR may not use the KMS key of {ARN} (KmsError: Key is disabled); enable it and restore ECR's "
        "grant for kms:Decrypt",
    ),
    "the registry behind a pull-through cache": Case(
        GivenUp(Cause.ACCESS_DENIED, AccessDenied("UpstreamAccessDenied", "", Lacks.UPSTREAM), 37),
        f"{WAITED}the upstream registry of {ARN} denied access (UpstreamAccessDenied); correct the secret or the "
        "role of its pull-through cache rule",
    ),
    "refused": Case(
        GivenUp(Cause.REFUSED, Refused("InvalidParameterException", "first\n second"), 37),
        f"{WAITED}ECR refused (InvalidParameterException: first second); fix the cause that AWS names",
    ),
    "too late": Case(
        GivenUp(Cause.TOO_LATE, None, 37),
        f"{WAITED}Lambda delivered the event after ServiceTimeout; check the function for throttling",
    ),
    "no image, and other tags": Case(
        GivenUp(Cause.TIME_UP, NoImage(), 37),
        f"{TIMED_OUT}the repository has no such image; {TAGS}; correct ImageTag, check its build, or raise MaxRetries",
        newest=NEWEST,
    ),
    "no image, and no tag": Case(
        GivenUp(Cause.TIME_UP, NoImage(), 37),
        f"{TIMED_OUT}the repository has no such image; newest tags: none; check its build, or raise MaxRetries",
        newest=NewestTags(()),
    ),
    "no image by its digest": Case(
        GivenUp(Cause.TIME_UP, NoImage(), 37),
        "Timed out waiting 30 min for "
        '"team/app@sha256:abababababababababababababababababababababababababababababababab" in eu-west-1 (37 '
        f"checks): the repository has no such image; {TAGS}; check its build, or raise MaxRetries",
        image=DIGEST_ONLY,
        newest=NEWEST,
    ),
    "no image in a shortened wait": Case(
        GivenUp(Cause.TIME_UP, NoImage(), 37),
        'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (37 checks; cut from 60 min by ServiceTimeout): '
        f"the repository has no such image; {TAGS}; correct ImageTag, check its build, or raise ServiceTimeout",
        bounds=SHORTENED,
        newest=NEWEST,
    ),
    "a tag at another digest": Case(
        GivenUp(Cause.TIME_UP, NoImage(tag_points_at=OTHER_DIGEST), 37),
        f"{TIMED_OUT}the tag points at another image, "
        f"sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd; {TAGS}; correct ImageTag or "
        "ImageDigest, or move the tag",
        newest=NEWEST,
    ),
    "archived": Case(
        GivenUp(Cause.TIME_UP, NotPullable("ARCHIVED"), 37),
        f"{TIMED_OUT}the image is archived; {TAGS}; restore it or push it again",
        newest=NEWEST,
    ),
    "being restored": Case(
        GivenUp(Cause.TIME_UP, NotPullable("ACTIVATING"), 37),
        f"{TIMED_OUT}the image is not available yet (status ACTIVATING); deploy again when ECR has restored it",
        newest=NewestTags(()),
    ),
    "ECR unavailable": Case(
        GivenUp(Cause.TIME_UP, Unavailable("ThrottlingException", "Rate exceeded"), 37, 3),
        'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (37 checks, 3 unanswered): ECR did not answer '
        "(ThrottlingException: Rate exceeded); run fewer waits at once, or raise ECR's quota",
    ),
    "ECR unavailable after an answer": Case(
        GivenUp(Cause.TIME_UP, Unavailable("ServerException", ""), 37, 1, image_missing=True),
        'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (37 checks, 1 unanswered): ECR did not answer '
        "(ServerException), and before that had no such image; newest tags: none; check ECR's health and the "
        "function's network",
        newest=NewestTags(()),
    ),
    "denied at the limit": Case(
        GivenUp(Cause.TIME_UP, AccessDenied("AccessDenied", ""), 37),
        f"{TIMED_OUT}ECR denied access (AccessDenied); check its build, or raise MaxRetries",
    ),
    "nothing was checked": Case(
        GivenUp(Cause.TIME_UP, None, 37), f"{TIMED_OUT}nothing was checked; check its build, or raise MaxRetries"
    ),
    "an old image": Case(
        GivenUp(Cause.TIME_UP, NotYet("the image is an older one", THERE), 37),
        f"{TIMED_OUT}the image is an older one; {TAGS}; check its build, Labels and PushedAfter, or raise MaxRetries",
        newest=NEWEST,
    ),
    "an image that cannot be deployed": Case(
        GivenUp(Cause.NOT_DEPLOYABLE, NotDeployable("it is an image index", "push a single image", THERE), 1),
        'Waited 30 min for "team/app:v1" in eu-west-1 (1 check): the image cannot be deployed: it is an image '
        "index; push a single image",
    ),
    "a role that may not be assumed": Case(
        GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDenied", NOT_ASSUMED), 37),
        f"{WAITED}access denied (AccessDenied); allow sts:AssumeRole on arn:aws:iam::999999999999:role/reader to the "
        'role "waiter-role" of account 123456789012 with the waiter\'s parameter AssumableRoleArns, and name the '
        "waiter's role in that role's trust policy",
    ),
}


def test_each_cause_and_each_finding_that_can_end_a_wait_has_a_case_here() -> None:
    given_up = [case.given_up for case in CASES.values()]
    of_builds = {Cause.BUILD_BROKEN, Cause.BUILT_WITHOUT, Cause.BUILD_HIDDEN}  # test_build_reasons.py has them
    assert {each.cause for each in given_up} == set(Cause) - of_builds
    findings = {type(each.found) for each in given_up}
    assert findings - {type(None)} == set(get_args(Finding)) - {Image}


@pytest.mark.parametrize("name", CASES)
def test_a_failed_wait_says_what_was_seen_and_what_to_do(name: str) -> None:
    given_up, reason, image, bounds, newest = CASES[name]

    said = reason_given_up(image, PLACE, bounds, given_up=given_up, now=2800.0, newest=newest)

    assert said.sentence == reason


def denied(message: str) -> GivenUp:
    return GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDenied", message), 37)


def unanswered(code: str, message: str = "") -> GivenUp:
    return GivenUp(Cause.TIME_UP, Unavailable(code, message), 37)


BY_RESOURCE = SAID.replace("identity-based", "resource-based")
BY_DENY = SAID.replace(
    "because no identity-based policy allows it", "with an explicit deny in a service control policy"
)
ASSUMED = PLACE.at(Source(registry_id=PLACE.account, role_arn="arn:aws:iam::123456789012:role/reader"))
DENIED = denied("")
NOT_ACCEPTED = GivenUp(Cause.ACCESS_DENIED, AccessDenied("ExpiredTokenException", "", Lacks.CREDENTIALS), 37)
MISSING = GivenUp(Cause.TIME_UP, NoImage(), 37)
PUBLIC, CHINA = (Place(*of, "123456789012") for of in (("aws", "public.ecr.aws/shop"), ("aws-cn", "cn-north-1")))
SEVEN = NewestTags(tuple(TagSeen(f"v{age}", 2800.0 - age * 3600) for age in range(1, 8)))
SOME = NewestTags((TagSeen("v0", 2740.0),), images=1000)


@pytest.mark.parametrize(
    ("given_up", "words", "place", "newest"),
    [
        (DENIED, "allow ecr-public:DescribeImages on arn:aws:ecr-public::123456789012:repository/team", PUBLIC, None),
        (DENIED, "LookForPublicImages", PUBLIC, None),
        (NOT_ACCEPTED, "; check that the waiter's role was not replaced", PUBLIC, None),  # nothing of a region
        (DENIED, "on arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/app to", CHINA, None),
        (MISSING, '"v2" (2 h old), "v3" (3 h old), "v4" (4 h old), "v5" (5 h old); correct', PLACE, SEVEN),
        (MISSING, 'newest tags of the 1,000 images read: "v0" (1 min old); correct', PLACE, SOME),
        (MISSING, "newest tags: none of the 300 images read; check", PLACE, NewestTags((), images=300)),
        (GivenUp(Cause.TIME_UP, NoRegion("eu-wset-1", "eu-west-1"), 1), "; correct Region or ImageUri", PLACE, None),
        (GivenUp(Cause.TIME_UP, NoImage(OTHER_DIGEST), 37), f"team/app:v1@{DIGEST}", PLACE, None),
        (denied(SAID), f'on {ARN} to the role "waiter-role" of account 123456789012', ASSUMED, None),
        (denied(""), f"on {ARN} to the role of RoleArn", ASSUMED, None),
        (denied(NOT_ASSUMED), "parameter AssumableRoleArns, and name the waiter's role", ASSUMED, None),
        (denied(BY_RESOURCE), "of account 123456789012 in the repository's policy", PLACE, None),
        (denied(BY_DENY), f"; remove the explicit deny of ecr:DescribeImages on {ARN} for the role", PLACE, None),
        (denied("x" * 5000), f"...); allow ecr:DescribeImages on {ARN} to the waiter's role, for", PLACE, None),
        (unanswered("TooManyRequestsException"), "; run fewer waits at once, or raise ECR's quota", PLACE, None),
        (unanswered("UnableToGetUpstreamImageException"), "; check the upstream registry", PLACE, None),
        (unanswered("ConfigUnread", "not read: HTTP status 403"), "; check the function's route to S3", PLACE, None),
        (unanswered("ConnectTimeoutError", "\U000e0001" * 600), "...); check ECR's health and", PLACE, None),
    ],
)
def test_a_reason_names_the_place_and_some_of_the_newest_tags(
    given_up: GivenUp, words: str, place: Place, newest: NewestTags | None
) -> None:
    image = replace(IMAGE, digest=DIGEST) if given_up.found == NoImage(OTHER_DIGEST) else IMAGE

    said = reason_given_up(image, place, BOUNDS, given_up=given_up, now=2800.0, newest=newest).sentence

    assert words in said
    assert "RepositoryArnPattern" not in said or not place.assumed
    assert len(said) < 1100


@pytest.mark.parametrize(
    ("bounds", "step"),
    [
        (bounds_for_stack(1000.25, 3330.0, 3600.0), "raise MaxRetries"),
        (bounds_for_stack(1000.25, 3360.0, 3600.0), "start the build earlier"),
        (bounds_for_stack(1000.25, 6000.0, 3600.0), "start the build earlier"),
        (bounds_for_stack(1000.25, 960.0, 1200.0), "raise ServiceTimeout"),
        (bounds_for_direct(1000.25, 1800.0, 1869.25), "raise the function's timeout"),
        (bounds_for_direct(1000.25, 1800.0, 1869.75), "invoke the function again"),
        (bounds_for_direct(1000.25, 6000.0, math.inf), "raise MaxRetries"),
    ],
)
def test_no_reason_advises_to_raise_a_limit_above_its_maximum(bounds: Bounds, step: str) -> None:
    for finding in (NoImage(), NotYet("the image is an older one", THERE)):
        given_up = GivenUp(Cause.TIME_UP, finding, 37)
        said = reason_given_up(IMAGE, PLACE, bounds, given_up=given_up, now=2800.0, newest=None)
        assert said.sentence.endswith(f", or {step}")


def test_an_invalid_request_lists_every_fault() -> None:
    said = InvalidRequest(["ImageTag: missing", "MaxRetries: received -1"])

    assert str(said) == "(1) ImageTag: missing; (2) MaxRetries: received -1"


@pytest.mark.parametrize(("checks", "times"), [(0, "0 checks"), (1, "1 check"), (2, "2 checks")])
def test_a_wait_that_had_to_stop_says_how_far_it_got(checks: int, times: str) -> None:
    said = reason_stopped("team/app:v1 in eu-west-1", checks=checks, waited=75.0, fault="no route")

    assert said == f"Waited 1 min 15 s for team/app:v1 in eu-west-1 ({times}): no route; deploy again"


APP = Wanted("App", IMAGE, OWN, Conditions())
JOBS = Wanted("Jobs", ImageId("jobs", "v2", None), Source(region="us-east-1"), Conditions())
TOOLS = Wanted("Tools", ImageId("tools", "v3", None), OWN, Conditions())


class OfSeveral(NamedTuple):
    """The end of a wait for several images, and its Reason."""

    wanted: list[Wanted]
    found: list[Finding]
    reason: str
    cause: Cause = Cause.TIME_UP
    newest: NewestTags | None = None


SEVERAL = {
    "some are missing": OfSeveral(
        [APP, JOBS, TOOLS],
        [THERE, NoImage(), NotPullable("ARCHIVED")],
        "Timed out waiting 30 min for 2 of 3 images (37 checks): in us-east-1, the repository has no such "
        "image: Jobs (jobs:v2); in eu-west-1, the image is archived: Tools (tools:v3); newest tags of "
        'jobs: "v2" (1 min old), "v0" (30 min old); correct ImageTag, check its build, or raise MaxRetries',
        newest=NEWEST,
    ),
    "ECR unavailable for one": OfSeveral(
        [APP, JOBS],
        [THERE, Unavailable("ThrottlingException", "")],
        "Timed out waiting 30 min for 1 of 2 images in us-east-1 (37 checks): ECR did not answer "
        "(ThrottlingException): Jobs (jobs:v2); run fewer waits at once, or raise ECR's quota",
    ),
    "one repository is missing": OfSeveral(
        [APP, JOBS],
        [NoImage(), NoRepository()],
        'Waited 30 min for "jobs:v2" (Jobs, one of 2 images) in us-east-1 (37 checks): the repository does '
        "not exist in account 123456789012; create it, correct RepositoryName, or set WaitForRepository to "
        "true",
        cause=Cause.NO_REPOSITORY,
    ),
    "the first of two missing repositories decides": OfSeveral(
        [APP, replace(JOBS, image=ImageId("quay.io/jobs", "v2", None))],
        [NoRepository(), NoRepository()],
        "Timed out waiting 30 min for 2 of 2 images (37 checks): in eu-west-1, the repository does not "
        "exist: App (team/app:v1); in us-east-1, the repository does not exist: Jobs (quay.io/jobs:v2); "
        "create the missing repositories, or check the pushes that create them",
    ),
    "one of another registry": OfSeveral(
        [APP, replace(JOBS, image=ImageId("quay.io/jobs", "v2", None))],
        [NoImage(), NoRepository()],
        "Timed out waiting 30 min for 2 of 2 images (37 checks): in eu-west-1, the repository has no such "
        "image: App (team/app:v1); in us-east-1, the repository does not exist: Jobs (quay.io/jobs:v2) "
        '(only ECR is checked; for a pull-through cache of "quay.io", pull the image once); create '
        "the repository, or check the push that creates it",
    ),
    "a list of one": OfSeveral(
        [APP],
        [NoImage()],
        'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (37 checks): the repository has no such '
        "image; newest tags: none; check its build, or raise MaxRetries",
        newest=NewestTags(()),
    ),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_a_failed_wait_for_several_says_which_are_missing_and_what_to_do(case: str) -> None:
    wanted, found, reason, cause, newest = SEVERAL[case]
    several = Several(tuple((one.id, each) for one, each in zip(wanted, found, strict=True)))

    said = reason_of(wanted, PLACE, BOUNDS, given_up=GivenUp(cause, several, 37), now=2800.0, newest=newest)

    assert said.sentence == reason


def test_a_phrase_is_said_once_of_all_images_that_it_is_true_of_and_none_is_lost() -> None:
    wanted = [Wanted(f"I{n}", ImageId("team/app", f"v{n}", None), OWN, Conditions()) for n in range(20)]
    kinds: list[Finding] = [NoImage(), NotPullable("ARCHIVED"), NoImage(OTHER_DIGEST), NotYet("an older one", THERE)]
    several = Several(tuple((one.id, kinds[n % 4]) for n, one in enumerate(wanted)))

    said = reason_of(
        wanted, PLACE, BOUNDS, given_up=GivenUp(Cause.TIME_UP, several, 37), now=2800.0, newest=None
    ).sentence

    assert [one.id for one in wanted if f"{one.id} ({one.image})" not in said] == []
    assert {said.count(seen(each)) for each in kinds} == {1}
    assert seen(several).startswith("0 of 20 are ready; the repository has no such image: I0, I4, I8, I12, I16; the ")


def test_a_timeout_is_told_in_rows_too_and_other_ends_are_not() -> None:
    out_of_time = GivenUp(Cause.TIME_UP, NoImage(), 37)
    said = reason_given_up(IMAGE, PLACE, SHORTENED, given_up=out_of_time, now=2800.0, newest=NEWEST)

    assert said.heading == 'Timed out waiting for "team/app:v1" in eu-west-1'
    titles, texts = zip(*said.rows, strict=True)
    assert titles == ("waited", "last seen", "newest tags", "what to do")
    assert texts[0] == "30 min (37 checks; cut from 60 min by ServiceTimeout)"
    assert texts[1:3] == ("the repository has no such image", '"v2" (1 min old), "v0" (30 min old)')
    assert [text for text in texts[1:] if text not in said.sentence] == []
    never = GivenUp(Cause.NOT_DEPLOYABLE, NotDeployable("it is an image index", "push a single image", THERE), 1)
    assert reason_given_up(IMAGE, PLACE, BOUNDS, given_up=never, now=2800.0, newest=None).rows == ()


@pytest.mark.parametrize(
    ("newest", "row"),
    [
        (NewestTags(NEWEST.tags, images=1000), '"v2" (1 min old), "v0" (30 min old), of the 1,000 images read'),
        (NewestTags((), images=1000), "none of the 1,000 images read"),
        (NewestTags(()), "none"),
    ],
)
def test_the_row_of_the_newest_tags_says_how_many_images_were_read(newest: NewestTags, row: str) -> None:
    several = Several((("App", THERE), ("Jobs", NoImage())))
    given_up = GivenUp(Cause.TIME_UP, several, 37)
    said = reason_of([APP, JOBS], PLACE, BOUNDS, given_up=given_up, now=2800.0, newest=newest)
    assert said.heading == "Timed out waiting for 1 of 2 images in us-east-1"
    assert ("newest tags of jobs", row) in said.rows


def test_a_wait_for_several_delivered_too_late_names_none_of_them() -> None:
    said = reason_of([APP, JOBS], PLACE, BOUNDS, given_up=GivenUp(Cause.TOO_LATE, None, 37), now=2800.0, newest=None)

    assert said.sentence == (
        "Waited 30 min for 2 images (37 checks): Lambda delivered the event after ServiceTimeout; check the function "
        "for throttling"
    )


def test_an_answer_that_would_be_too_long_is_refused_with_what_would_fit() -> None:
    assert fault_too_much(12, 20) == (
        "Images: received 20, allowed here: 12, because a response is limited to 4096 bytes; use shorter Ids, or two "
        "resources"
    )
    assert fault_too_much(0, 1) == (
        "RepositoryName, ImageTag: names this long exceed the 4096 bytes of a response; use shorter ones"
    )
