"""Every Reason of a wait that ended in vain, word for word: people read them when they have least time to."""

from collections.abc import Sequence

import pytest

from ecr_image_waiter.answers import reason_given_up, reason_stopped
from ecr_image_waiter.findings import (
    AccessDenied,
    ImageId,
    NoImage,
    NoRepository,
    NotPullable,
    Refused,
    TagSeen,
    Unavailable,
)
from ecr_image_waiter.place import Place
from ecr_image_waiter.waiting import Bounds, Cause, GivenUp
from tests.fakes import DIGEST, OTHER_DIGEST

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
NEWEST = [TagSeen("v2", 2740.0), TagSeen("v0", 1000.0)]


@pytest.mark.parametrize(
    ("image", "bounds", "given_up", "newest", "reason"),
    [
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.NO_REPOSITORY, NoRepository(), 37),
            None,
            "The repository team/app does not exist in eu-west-1, account 123456789012 (checked 37 times in 30 "
            "min): create it first, correct RepositoryName, or set WaitForRepository to true to wait for it as "
            "well",
            id="no repository",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(
                Cause.ACCESS_DENIED,
                AccessDenied("AccessDeniedException", SAID),
                37,
            ),
            None,
            "Not allowed to look for team/app:v1 (checked 37 times in 30 min): allow ecr:DescribeImages on "
            "arn:aws:ecr:eu-west-1:123456789012:repository/team/app to the role waiter-role, for example with the"
            " waiter stack's parameter RepositoryArnPattern; AWS said AccessDeniedException: User: "
            "arn:aws:sts::123456789012:assumed-role/waiter-role/fn is not authorized to perform: "
            "ecr:DescribeImages on resource: arn:aws:ecr:eu-west-1:123456789012:repository/team/app because no "
            "identity-based policy allows it",
            id="denied, as AWS says it",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.ACCESS_DENIED, AccessDenied("AccessDenied", ""), 37),
            None,
            "Not allowed to look for team/app:v1 (checked 37 times in 30 min): allow ecr:DescribeImages on "
            "arn:aws:ecr:eu-west-1:123456789012:repository/team/app to the role of the waiter function, for "
            "example with the waiter stack's parameter RepositoryArnPattern; AWS said AccessDenied",
            id="denied, and AWS names nothing",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.REFUSED, Refused("InvalidParameterException", "first\n second"), 37),
            None,
            "Cannot look for team/app:v1 in eu-west-1 (checked 37 times in 30 min): ECR refused "
            "(InvalidParameterException: first second); correct what AWS names, then deploy again",
            id="refused",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TOO_LATE, None, 37),
            None,
            "Gave up on team/app:v1 in eu-west-1 (checked 37 times in 30 min): Lambda delivered this invocation "
            "only when ServiceTimeout had passed; look for throttled invocations of the function, then deploy "
            "again",
            id="too late",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            NEWEST,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the repository has no "
            "such image, the repository's newest tags are v2 (1 min old), v0 (30 min old); correct ImageTag if "
            "one of these is the image, otherwise see why its build did not push it, then deploy again, with a "
            "larger MaxRetries if the build needs longer",
            id="no image, and other tags",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            [],
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the repository has no "
            "such image, and no tagged image at all; see whether the build that pushes it ran and succeeded, then"
            " deploy again, with a larger MaxRetries if it needs longer",
            id="no image, and no tag",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            None,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the repository has no "
            "such image; see whether the build that pushes it ran and succeeded, then deploy again, with a larger"
            " MaxRetries if it needs longer",
            id="no image, and nobody looked further",
        ),
        pytest.param(
            DIGEST_ONLY,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            NEWEST,
            "Gave up on team/app@sha256:abababababababababababababababababababababababababababababababab in "
            "eu-west-1: checked 37 times in 30 min, last seen: the repository has no such image, the repository's"
            " newest tags are v2 (1 min old), v0 (30 min old); see whether the build that pushes it ran and "
            "succeeded, then deploy again, with a larger MaxRetries if it needs longer",
            id="no image by its digest",
        ),
        pytest.param(
            IMAGE,
            SHORTENED,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            NEWEST,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min (the wait was shortened from 60 min "
            "to end before the time allowed is up), last seen: the repository has no such image, the repository's"
            " newest tags are v2 (1 min old), v0 (30 min old); correct ImageTag if one of these is the image, "
            "otherwise see why its build did not push it, then deploy again, with a larger ServiceTimeout if the "
            "build needs longer",
            id="no image in a shortened wait",
        ),
        pytest.param(
            IMAGE,
            SHORTENED,
            GivenUp(Cause.TIME_UP, NoImage(), 37),
            [],
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min (the wait was shortened from 60 min "
            "to end before the time allowed is up), last seen: the repository has no such image, and no tagged "
            "image at all; see whether the build that pushes it ran and succeeded, then deploy again, with a "
            "larger ServiceTimeout if it needs longer",
            id="no image and no tag in a shortened wait",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoImage(tag_points_at=OTHER_DIGEST), 37),
            NEWEST,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the tag points at "
            "another image, sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd, the "
            "repository's newest tags are v2 (1 min old), v0 (30 min old); correct ImageTag or ImageDigest, or "
            "see why the tag was not moved, then deploy again",
            id="a tag at another digest",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NotPullable("ARCHIVED"), 37),
            NEWEST,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the image is archived, "
            "so nothing can pull it, the repository's newest tags are v2 (1 min old), v0 (30 min old); restore "
            "the image from the archive, then deploy again",
            id="archived",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NotPullable("ACTIVATING"), 37),
            [],
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the image is not to be "
            "had yet, its status is ACTIVATING, and no tagged image at all; deploy again when ECR has restored it",
            id="being restored",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, NoRepository(), 37),
            None,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: the repository does not "
            "exist; create the repository, then deploy again",
            id="no repository, which was waited for",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, Unavailable("ThrottlingException", "Rate exceeded"), 37, 3),
            None,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, 3 of them unanswered, last seen: "
            "ECR did not answer (ThrottlingException: Rate exceeded); see whether ECR works in this region and "
            "can be reached from the function, then deploy again",
            id="ECR unavailable",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, Unavailable("ThrottlingException", ""), 37, 1, image_missing=True),
            [],
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, 1 of them unanswered, last seen: "
            "ECR did not answer (ThrottlingException), and before that no such image, and no tagged image at all;"
            " see whether ECR works in this region and can be reached from the function, then deploy again",
            id="ECR unavailable after an answer",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, AccessDenied("AccessDenied", ""), 37),
            None,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: ECR denied access "
            "(AccessDenied); see whether the build that pushes it ran and succeeded, then deploy again, with a "
            "larger MaxRetries if it needs longer",
            id="denied at the limit",
        ),
        pytest.param(
            IMAGE,
            BOUNDS,
            GivenUp(Cause.TIME_UP, None, 37),
            None,
            "Gave up on team/app:v1 in eu-west-1: checked 37 times in 30 min, last seen: nothing; see whether the"
            " build that pushes it ran and succeeded, then deploy again, with a larger MaxRetries if it needs "
            "longer",
            id="nothing was looked at",
        ),
    ],
)
def test_a_wait_in_vain_says_what_was_seen_and_what_to_do(
    image: ImageId, bounds: Bounds, given_up: GivenUp, newest: Sequence[TagSeen] | None, reason: str
) -> None:
    said = reason_given_up(image, PLACE, bounds, given_up=given_up, now=2800.0, newest=newest)

    assert said == reason


@pytest.mark.parametrize(("checks", "times"), [(0, "never"), (1, "once"), (2, "2 times")])
def test_a_wait_that_had_to_stop_says_how_far_it_got(checks: int, times: str) -> None:
    said = reason_stopped("team/app:v1 in eu-west-1", checks=checks, waited=75.0, fault="no route")

    assert said == f"Stopped waiting for team/app:v1 in eu-west-1, checked {times} in 1 min 15 s: no route"
