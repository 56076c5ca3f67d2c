"""The phrases and Reasons of a wait that follows a build, word for word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    NotYet,
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
WAITED = 'Waited 30 min for "team/app:v1" in eu-west-1 (5 checks): '
BUILD, EXECUTION = 'build 7 of the CodeBuild project "app"', 'execution 7 of the pipeline "app"'


def run(said: str = "IN_PROGRESS", where: str = "BUILD", message: str = "", link: str = LINK) -> BuildRun:
    status = {"IN_PROGRESS": RunStatus.UNDER_WAY, "SUCCEEDED": RunStatus.SUCCEEDED, "Superseded": RunStatus.SUPERSEDED}
    return BuildRun("7", status.get(said, RunStatus.BROKEN), said, 2000.0, where=where, message=message, link=link)


SEEN: list[tuple[Builder, BuildFinding, str]] = [
    (PROJECT, NoRun(), 'no build of the CodeBuild project "app" is under way'),
    (PIPELINE, NoRun(), 'no execution of the pipeline "app" is under way'),
    (PROJECT, UnderWay(run(), started=True), f"started {BUILD}"),
    (PROJECT, UnderWay(run()), f"{BUILD} is under way in BUILD"),
    (PROJECT, UnderWay(run(where="")), f"{BUILD} is under way"),
    (PIPELINE, UnderWay(run(where="queued")), f"{EXECUTION} is under way, queued"),
    (PIPELINE, UnderWay(run("Superseded")), f"{EXECUTION} was superseded, and its successor is not listed yet"),
    (PROJECT, Broken(run("FAILED", message="docker:\n status  1")), f"{BUILD} failed in BUILD: docker: status 1"),
    (PROJECT, Broken(run("FAULT", where="")), f"{BUILD} ended in a CodeBuild fault"),
    (PROJECT, Broken(run("TIMED_OUT")), f"{BUILD} timed out in BUILD"),
    (PROJECT, Broken(run("STOPPED")), f"{BUILD} was stopped in BUILD"),
    (PIPELINE, Broken(run("Failed", where="")), f"{EXECUTION} failed"),
    (PIPELINE, Broken(run("Stopped", where="")), f"{EXECUTION} was stopped"),
    (PIPELINE, Broken(run("Cancelled", where="")), f"{EXECUTION} was cancelled"),
    (PIPELINE, Broken(run("Odd", where="")), f"{EXECUTION} ended as Odd"),
    (PROJECT, Built(run("SUCCEEDED")), f"{BUILD} succeeded"),
    (PROJECT, BuildHidden("X", "Missing", "", missing=True), 'the CodeBuild project "app" does not exist'),
    (PROJECT, BuildHidden("X", "Denied", "no"), 'AWS refused X on the CodeBuild project "app" (Denied: no)'),
    (PIPELINE, BuildUnavailable("Throttled"), 'the state of the pipeline "app" is unknown (Throttled)'),
]


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


def tags(*pushed: tuple[str, float], images: int = 0) -> NewestTags:
    return NewestTags(tuple(TagSeen(tag, at) for tag, at in pushed), images=images)


UNTOLD = run("SUCCEEDED", link="")
WITHOUT = f"{WAITED}{BUILD} succeeded without pushing it; "
STARTING, LISTING = "codebuild:StartBuild", "codepipeline:ListPipelineExecutions"


@dataclass
class Case:
    """How a wait of `builder` ends, and its Reason."""

    builder: Builder
    build: BuildFinding
    cause: Cause
    reason: str
    newest: NewestTags | None = None


CASES = {
    "failed": Case(
        PROJECT,
        Broken(run("FAILED", message="exit status 1")),
        Cause.BUILD_BROKEN,
        f"{WAITED}{BUILD} failed in BUILD: exit status 1; fix the build ({LINK})",
    ),
    "failed, without a link": Case(
        PIPELINE,
        Broken(run("Failed", where="stage Source, action Checkout", message="gone", link="")),
        Cause.BUILD_BROKEN,
        f"{WAITED}{EXECUTION} failed in stage Source, action Checkout: gone; fix the build",
    ),
    "succeeded with other tags": Case(
        PROJECT,
        Built(run("SUCCEEDED")),
        Cause.BUILT_WITHOUT,
        f'{WITHOUT}tags pushed since it began: "v2" (1 min old), "v3" (13 min 20 s old); correct the tag here or in '
        f"the build ({LINK})",
        newest=tags(("v2", 2740.0), ("v3", 2000.0), ("v0", 1999.0)),
    ),
    "succeeded with nothing": Case(
        PROJECT,
        Built(UNTOLD),
        Cause.BUILT_WITHOUT,
        f"{WITHOUT}tags pushed since it began: none; correct the tag here or in the build",
        newest=tags(("v0", 1000.0)),
    ),
    "succeeded with nothing in the images read": Case(
        PROJECT,
        Built(UNTOLD),
        Cause.BUILT_WITHOUT,
        f"{WITHOUT}tags pushed since it began: none of the 1,000 images read; correct the tag here or in the build",
        newest=tags(("v0", 1000.0), images=1000),
    ),
    "succeeded, and nobody knows with what": Case(
        PROJECT, Built(UNTOLD), Cause.BUILT_WITHOUT, f"{WITHOUT}correct the tag here or in the build"
    ),
    "no project": Case(
        PROJECT,
        BuildHidden("codebuild:ListBuildsForProject", "ResourceNotFoundException", "", missing=True),
        Cause.BUILD_HIDDEN,
        f'{WAITED}the CodeBuild project "app" does not exist in eu-west-1, account 123456789012; correct BuildProject, '
        "or create it before this resource",
    ),
    "not allowed to start": Case(
        PROJECT,
        BuildHidden(STARTING, "AccessDeniedException", DENIED, denied=True),
        Cause.BUILD_HIDDEN,
        f"{WAITED}access denied (AccessDeniedException); allow {STARTING} on arn:aws:codebuild:eu-west-1:123456789012:"
        'project/app to the role "waiter-role" of account 123456789012 with the waiter\'s parameter BuildProjectArns '
        "and AllowStartBuild",
    ),
    "not allowed to follow": Case(
        PIPELINE,
        BuildHidden(LISTING, "AccessDeniedException", "", denied=True),
        Cause.BUILD_HIDDEN,
        f"{WAITED}access denied (AccessDeniedException); allow {LISTING} on arn:aws:codepipeline:eu-west-1:"
        "123456789012:app to the waiter's role with the waiter's parameter PipelineArns",
    ),
    "refused": Case(
        PROJECT,
        BuildHidden(STARTING, "InvalidInputException", "no source"),
        Cause.BUILD_HIDDEN,
        f'{WAITED}AWS refused {STARTING} on the CodeBuild project "app" (InvalidInputException: no source); fix the '
        "cause that AWS names",
    ),
    "credentials that AWS does not accept": Case(
        PROJECT,
        BuildHidden(STARTING, "ExpiredTokenException", "expired", rejected=True),
        Cause.BUILD_HIDDEN,
        f"{WAITED}AWS rejects the credentials (ExpiredTokenException: expired); check that the account has enabled "
        "eu-west-1, and that the waiter's role was not replaced",
    ),
    "time is up while it runs": Case(
        PROJECT,
        UnderWay(run()),
        Cause.TIME_UP,
        'Timed out waiting 30 min for "team/app:v1" in eu-west-1 (5 checks): the repository has no such image; '
        f"{BUILD} is under way in BUILD; newest tags: none; check its build, or raise MaxRetries",
        newest=tags(),
    ),
}


def sentence(cause: Cause, found: Awaited, newest: NewestTags | None = None, wanted: Sequence[Wanted] = (APP,)) -> str:
    given_up = GivenUp(cause, found, 5, image_missing=True)
    return reason_of(wanted, PLACE, BOUNDS, given_up=given_up, now=2800.0, newest=newest).sentence


@pytest.mark.parametrize("name", CASES)
def test_a_failed_wait_says_what_became_of_the_build_and_what_to_do(name: str) -> None:
    case = CASES[name]

    assert sentence(case.cause, Awaited(NoImage(), case.builder, case.build), case.newest) == case.reason


def test_of_several_images_the_missing_ones_are_named() -> None:
    wanted = [Wanted(f"I{n}", ImageId("team/app", f"v{n}", None), OWN, Conditions()) for n in range(3)]
    images = Several((("I0", THERE), ("I1", NoImage()), ("I2", NoImage())))

    said = sentence(Cause.BUILD_BROKEN, Awaited(images, PROJECT, Broken(run("FAILED"))), wanted=wanted)
    missing = "2 of 3 images (in eu-west-1: team/app:v1, team/app:v2)"
    assert said.startswith(f"Waited 30 min for {missing} (5 checks): {BUILD} failed")

    said = sentence(Cause.TIME_UP, Awaited(images, PROJECT, UnderWay(run())), wanted=wanted)
    missing = "the repository has no such image: I1 (team/app:v1), I2 (team/app:v2)"
    assert f"{missing}; {BUILD} is under way in BUILD; check its build" in said


def test_many_missing_images_leave_room_for_what_the_build_says() -> None:
    wanted = [Wanted(f"I{n}", ImageId("r" * 256, f"{n:0128}", None), OWN, Conditions()) for n in range(20)]
    images = Several(tuple((one.id, NoImage()) for one in wanted))
    broken = Broken(run("FAILED", message="\n" + "\U000e0001" * 600, link="l" * 400))

    said = sentence(Cause.BUILD_BROKEN, Awaited(images, PROJECT, broken), wanted=wanted)

    assert said.startswith("Waited 30 min for 20 of 20 images (in eu-west-1: rrr")
    assert f"...; fix the build ({'l' * 400})" in said
    assert len(said) < 3000  # the answer has 4096 bytes, its ids included


def test_a_reason_says_that_a_build_created_no_repository_and_that_only_ecr_is_checked() -> None:
    assert sentence(Cause.BUILT_WITHOUT, Awaited(NoRepository(), PROJECT, Built(UNTOLD))) == (
        f"{WITHOUT}the repository does not exist; correct its name here or in the build"
    )

    found = Awaited(Several((("App", NoImage()), ("Jobs", NoRepository()))), PROJECT, Built(UNTOLD))
    jobs = Wanted("Jobs", ImageId("docker.io/org/jobs", "v1", None), OWN, Conditions())
    assert sentence(Cause.BUILT_WITHOUT, found, wanted=[replace(APP, id="App"), jobs]).endswith(
        "; the repository does not exist (only ECR is checked; for a pull-through cache of "
        '"docker.io", pull the image once); correct its name here or in the build'
    )


def test_a_build_that_pushed_another_image_is_not_said_to_have_pushed_none() -> None:
    found = Awaited(
        NotYet('the image is another one: its label "commit" is "a", wanted "b"', THERE), PROJECT, Built(run())
    )

    assert sentence(Cause.BUILT_WITHOUT, found, tags()) == (
        f'{WAITED}{BUILD} succeeded, but the image is another one: its label "commit" is "a", wanted "b"; correct '
        f"Labels or PushedAfter here, or the build ({LINK})"
    )


@pytest.mark.parametrize("build", [NoRun(), UnderWay(run()), BuildUnavailable("x")])
def test_what_ends_no_wait_has_a_reason_all_the_same(build: BuildFinding) -> None:
    found = Awaited(NoImage(), PROJECT, build)

    assert seen_of_build(PROJECT, build) in reason_of_build(
        "it", PLACE, found, effort=Effort(0.0, 1), newest=None, now=0.0
    )
