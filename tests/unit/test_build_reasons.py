"""The phrases and Reasons of a wait that follows a build, word for word."""

from dataclasses import replace
from typing import get_args

import pytest

from ecr_image_waiter.core.builds import (
    Broken,
    Builder,
    BuilderKind,
    BuildFinding,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    Built,
    NoRun,
    RunStatus,
    UnderWay,
)
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.model import (
    OWN,
    Awaited,
    Image,
    ImageId,
    NewestTags,
    NoImage,
    NoRepository,
    Place,
    Several,
    TagSeen,
)
from ecr_image_waiter.core.state import Cause, GivenUp
from ecr_image_waiter.text.reasons import reason_of, reason_of_build
from ecr_image_waiter.text.terms import Effort, seen, seen_of_build
from tests.support.fakes import DIGEST

PLACE = Place("aws", "eu-west-1", "123456789012")
PROJECT = Builder(BuilderKind.PROJECT, "app")
PIPELINE = Builder(BuilderKind.PIPELINE, "app")
APP = Wanted("", ImageId("team/app", "v1", None), OWN, Conditions())
BOUNDS = Bounds(1000.0, 2800.0, 2800.0, 4600.0)
THERE = Image(DIGEST, "123456789012", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app")
LINK = "https://eu-west-1.console.aws.amazon.com/x"


def run(said: str = "IN_PROGRESS", where: str = "BUILD", message: str = "", link: str = LINK) -> BuildRun:
    status = {"IN_PROGRESS": RunStatus.UNDER_WAY, "SUCCEEDED": RunStatus.SUCCEEDED, "Superseded": RunStatus.SUPERSEDED}
    return BuildRun("7", status.get(said, RunStatus.BROKEN), said, 2000.0, where=where, message=message, link=link)


SEEN: list[tuple[Builder, BuildFinding, str]] = [
    (PROJECT, NoRun(), 'no build of the CodeBuild project "app" is under way'),
    (PIPELINE, NoRun(), 'no execution of the pipeline "app" is under way'),
    (PROJECT, UnderWay(run(), started=True), 'started build 7 of the CodeBuild project "app"'),
    (PROJECT, UnderWay(run()), 'build 7 of the CodeBuild project "app" is under way in BUILD'),
    (PROJECT, UnderWay(run(where="")), 'build 7 of the CodeBuild project "app" is under way'),
    (PIPELINE, UnderWay(run(where="queued")), 'execution 7 of the pipeline "app" is under way, queued'),
    (
        PIPELINE,
        UnderWay(run("Superseded", where="")),
        'execution 7 of the pipeline "app" was superseded, and its successor is not listed yet',
    ),
    (
        PROJECT,
        Broken(run("FAILED", message="docker:\n exit  status 1")),
        'build 7 of the CodeBuild project "app" failed in BUILD: docker: exit status 1',
    ),
    (PROJECT, Broken(run("FAULT", where="")), 'build 7 of the CodeBuild project "app" ended in a CodeBuild fault'),
    (PROJECT, Broken(run("TIMED_OUT")), 'build 7 of the CodeBuild project "app" timed out in BUILD'),
    (PROJECT, Broken(run("STOPPED")), 'build 7 of the CodeBuild project "app" was stopped in BUILD'),
    (PIPELINE, Broken(run("Failed", where="")), 'execution 7 of the pipeline "app" failed'),
    (PIPELINE, Broken(run("Stopped", where="")), 'execution 7 of the pipeline "app" was stopped'),
    (PIPELINE, Broken(run("Cancelled", where="")), 'execution 7 of the pipeline "app" was cancelled'),
    (PIPELINE, Broken(run("Odd", where="")), 'execution 7 of the pipeline "app" ended as Odd'),
    (PROJECT, Built(run("SUCCEEDED")), 'build 7 of the CodeBuild project "app" succeeded'),
    (
        PROJECT,
        BuildHidden("codebuild:X", "Missing", "", missing=True),
        'the CodeBuild project "app" does not exist',
    ),
    (
        PROJECT,
        BuildHidden("codebuild:X", "Denied", "no"),
        'AWS refused codebuild:X on the CodeBuild project "app" (Denied: no)',
    ),
    (PIPELINE, BuildUnavailable("Throttled"), 'the state of the pipeline "app" is unknown (Throttled)'),
]  # fmt: skip


@pytest.mark.parametrize(("builder", "build", "said"), SEEN)
def test_what_is_seen_of_a_build_is_a_phrase(builder: Builder, build: BuildFinding, said: str) -> None:
    assert seen_of_build(builder, build) == said
    assert seen(Awaited(NoImage(), builder, build)) == f"the repository has no such image; {said}"


def test_each_kind_of_finding_has_a_phrase_here() -> None:
    assert {type(build) for _, build, _ in SEEN} == set(get_args(BuildFinding))


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/waiter-role/fn is not authorized to perform: codebuild:StartBuild on "
    "resource: arn:aws:codebuild:eu-west-1:123456789012:project/app"
)


@pytest.mark.parametrize(
    ("builder", "build", "cause", "newest", "reason"),
    [
        pytest.param(
            PROJECT,
            Broken(run("FAILED", message="exit status 1")),
            Cause.BUILD_BROKEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
            "failed in BUILD: exit status 1; fix the build (https://eu-west-1.console.aws.amazon.com/x)",
            id="failed",
        ),
        pytest.param(
            PIPELINE,
            Broken(run("Failed", where="stage Source, action Checkout", message="gone", link="")),
            Cause.BUILD_BROKEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): execution 7 of the pipeline "app" failed '
            "in stage Source, action Checkout: gone; fix the build",
            id="failed, without a link",
        ),
        pytest.param(
            PROJECT,
            Built(run("SUCCEEDED")),
            Cause.BUILT_WITHOUT,
            NewestTags((TagSeen("v2", 2740.0), TagSeen("v3", 2000.0), TagSeen("v0", 1999.0))),
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
            'succeeded without pushing it; tags pushed since it began: "v2" (1 min old), "v3" (13 min 20 s '
            "old); correct the tag here or in the build (https://eu-west-1.console.aws.amazon.com/x)",
            id="succeeded with other tags",
        ),
        pytest.param(
            PROJECT,
            Built(run("SUCCEEDED", link="")),
            Cause.BUILT_WITHOUT,
            NewestTags((TagSeen("v0", 1000.0),)),
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
            "succeeded without pushing it; tags pushed since it began: none; correct the tag here or in the "
            "build",
            id="succeeded with nothing",
        ),
        pytest.param(
            PROJECT,
            Built(run("SUCCEEDED", link="")),
            Cause.BUILT_WITHOUT,
            NewestTags((TagSeen("v0", 1000.0),), images=1000),
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
            "succeeded without pushing it; tags pushed since it began: none of the 1,000 images read; correct "
            "the tag here or in the build",
            id="succeeded with nothing in the images read",
        ),
        pytest.param(
            PROJECT,
            Built(run("SUCCEEDED", link="")),
            Cause.BUILT_WITHOUT,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
            "succeeded without pushing it; correct the tag here or in the build",
            id="succeeded, and nobody knows with what",
        ),
        pytest.param(
            PROJECT,
            BuildHidden("codebuild:ListBuildsForProject", "ResourceNotFoundException", "", missing=True),
            Cause.BUILD_HIDDEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): the CodeBuild project "app" does not '
            "exist in eu-west-1, account 123456789012; correct BuildProject, or create it before this resource",
            id="no project",
        ),
        pytest.param(
            PIPELINE,
            BuildHidden("codepipeline:X", "PipelineNotFoundException", "", missing=True),
            Cause.BUILD_HIDDEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): the pipeline "app" does not exist in '
            "eu-west-1, account 123456789012; correct Pipeline, or create it before this resource",
            id="no pipeline",
        ),
        pytest.param(
            PROJECT,
            BuildHidden("codebuild:StartBuild", "AccessDeniedException", DENIED, denied=True),
            Cause.BUILD_HIDDEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): access denied (AccessDeniedException); '
            "allow codebuild:StartBuild on arn:aws:codebuild:eu-west-1:123456789012:project/app to the role "
            '"waiter-role" with the waiter\'s parameter BuildProjectArns and AllowStartBuild',
            id="not allowed to start",
        ),
        pytest.param(
            PIPELINE,
            BuildHidden("codepipeline:ListPipelineExecutions", "AccessDeniedException", "", denied=True),
            Cause.BUILD_HIDDEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): access denied (AccessDeniedException); '
            "allow codepipeline:ListPipelineExecutions on arn:aws:codepipeline:eu-west-1:123456789012:app to "
            "the waiter's role with the waiter's parameter PipelineArns",
            id="not allowed to follow",
        ),
        pytest.param(
            PROJECT,
            BuildHidden("codebuild:StartBuild", "InvalidInputException", "no source"),
            Cause.BUILD_HIDDEN,
            None,
            'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): AWS refused codebuild:StartBuild on the '
            'CodeBuild project "app" (InvalidInputException: no source); fix the cause that AWS names',
            id="refused",
        ),
        pytest.param(
            PROJECT,
            UnderWay(run()),
            Cause.TIME_UP,
            NewestTags(()),
            'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (5 checks): the repository has no such '
            'image; build 7 of the CodeBuild project "app" is under way in BUILD; newest tags: none; check its '
            "build, or raise MaxRetries",
            id="time is up while it runs",
        ),
    ],
)
def test_a_failed_wait_says_what_became_of_the_build_and_what_to_do(
    builder: Builder, build: BuildFinding, cause: Cause, newest: NewestTags | None, reason: str
) -> None:
    given_up = GivenUp(cause, Awaited(NoImage(), builder, build), 5, image_missing=True)

    assert reason_of([APP], PLACE, BOUNDS, given_up=given_up, now=2800.0, newest=newest).sentence == reason


def test_of_several_images_the_missing_ones_are_named() -> None:
    wanted = [Wanted(f"I{n}", ImageId("team/app", f"v{n}", None), OWN, Conditions()) for n in range(3)]
    images = Several((("I0", THERE), ("I1", NoImage()), ("I2", NoImage())))
    broken, under_way = (Awaited(images, PROJECT, build) for build in (Broken(run("FAILED")), UnderWay(run())))

    said = reason_of(
        wanted, PLACE, BOUNDS, given_up=GivenUp(Cause.BUILD_BROKEN, broken, 5), now=2800.0, newest=None
    ).sentence
    assert said.startswith(
        "Waited 30 min for 2 of 3 images (in eu-west-1: team/app:v1, team/app:v2) (5 checks): "
        'build 7 of the CodeBuild project "app" failed'
    )

    said = reason_of(
        wanted, PLACE, BOUNDS, given_up=GivenUp(Cause.TIME_UP, under_way, 5), now=2800.0, newest=None
    ).sentence
    assert (
        "the repository has no such image: I1 (team/app:v1), I2 (team/app:v2); build 7 of the CodeBuild "
        'project "app" is under way in BUILD; check its build'
    ) in said


def test_many_missing_images_leave_room_for_what_the_build_says() -> None:
    wanted = [Wanted(f"I{n}", ImageId("r" * 256, f"{n:0128}", None), OWN, Conditions()) for n in range(20)]
    images = Several(tuple((one.id, NoImage()) for one in wanted))
    broken = Awaited(images, PROJECT, Broken(run("FAILED", message="m" * 600, link="l" * 400)))

    said = reason_of(
        wanted, PLACE, BOUNDS, given_up=GivenUp(Cause.BUILD_BROKEN, broken, 5), now=2800.0, newest=None
    ).sentence

    assert said.startswith("Waited 30 min for 20 of 20 images (in eu-west-1: rrr")
    assert f": {'m' * 600}; fix the build ({'l' * 400})" in said
    assert len(said) < 3000  # the answer has 4096 bytes, its ids included


def test_a_build_that_should_have_created_the_repository_too_is_told_so() -> None:
    found = Awaited(NoRepository(), PROJECT, Built(run("SUCCEEDED", link="")))
    given_up = GivenUp(Cause.BUILT_WITHOUT, found, 5)

    assert reason_of([APP], PLACE, BOUNDS, given_up=given_up, now=2800.0, newest=None).sentence == (
        'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): build 7 of the CodeBuild project "app" '
        "succeeded without pushing it; the repository does not exist; correct its name here or in the build"
    )


def test_a_build_that_pushes_to_another_registry_is_told_that_only_ecr_is_checked() -> None:
    found = Awaited(Several((("App", NoImage()), ("Jobs", NoRepository()))), PROJECT, Built(run("SUCCEEDED", link="")))
    jobs = Wanted("Jobs", ImageId("docker.io/org/jobs", "v1", None), OWN, Conditions())
    given_up = GivenUp(Cause.BUILT_WITHOUT, found, 5)

    assert reason_of(
        [replace(APP, id="App"), jobs], PLACE, BOUNDS, given_up=given_up, now=2800.0, newest=None
    ).sentence.endswith(
        "succeeded without pushing it; the repository does not exist (only ECR is checked; for a pull-through cache of "
        '"docker.io", pull the image once); correct its name here or in the build'
    )


@pytest.mark.parametrize("build", [NoRun(), UnderWay(run()), BuildUnavailable("x")])
def test_what_ends_no_wait_has_a_reason_all_the_same(build: BuildFinding) -> None:
    found = Awaited(NoImage(), PROJECT, build)

    assert seen_of_build(PROJECT, build) in reason_of_build(
        "it", PLACE, found, effort=Effort(0.0, 1), newest=None, now=0.0
    )


def test_a_long_message_is_cut() -> None:
    found = Awaited(NoImage(), PROJECT, Broken(run("FAILED", message="x" * 5000)))

    assert len(reason_of_build("it", PLACE, found, effort=Effort(0.0, 1), newest=None, now=0.0)) < 1000
