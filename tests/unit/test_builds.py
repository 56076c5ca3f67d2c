"""What the runs of a builder come to for a wait: the whole table, and the one place that starts a run."""

from collections.abc import Sequence
from random import Random

import pytest

from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.check import FollowedBuild
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
    judge_runs,
)
from ecr_image_waiter.core.deadline import Bounds, Deadline
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Found,
    Image,
    ImagesFound,
    NoImage,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Place,
    Refused,
    Several,
    Unavailable,
)
from ecr_image_waiter.core.polling import judge
from ecr_image_waiter.core.state import Backoff, Cause, CheckResult, GivenUp, Memory, Progress, Ready
from sandbox.processes import ROOT
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import DIGEST, PROPERTIES, REPOSITORY_URI

PROJECT = Builder(BuilderKind.PROJECT, "app")
THERE = Image(DIGEST, "123456789012", REPOSITORY_URI)
BOUNDS = Bounds(start=NOW, limit=NOW + 1800, template_limit=NOW + 1800, expires=NOW + 3600)
DENIED = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", "no")
UNHEARD = BuildUnavailable("ThrottlingException")
UNDER_WAY, SUCCEEDED, BROKEN, SUPERSEDED = RunStatus
Runs = Sequence[BuildRun] | BuildHidden | BuildUnavailable


def run(
    status: RunStatus, *, ours: bool = False, began: float = 10.0, ended: float = 60.0, id_: str = "app:1"
) -> BuildRun:
    """Returns a run; its times are seconds after the wait began."""
    return BuildRun(id_, status, status.value, NOW + began, None if status is UNDER_WAY else NOW + ended, ours)


def without_image(build: BuildFinding) -> Awaited:
    return Awaited(NoImage(), PROJECT, build)


class Following:
    """Follows the builder of one wait, check after check: a service with these runs, which starts another if asked."""

    def __init__(self, found: Runs = (), *, may_start: bool = False, waits_for_repository: bool = False) -> None:
        self.found = found
        self.start_fails: BuildHidden | BuildUnavailable | None = None
        self.starts: list[str] = []
        self.asked: list[str] = []
        self.memory = Memory()
        self._build = FollowedBuild(
            self,
            PROJECT,
            NOW,
            token="t",  # noqa: S106  # no secret
            ask_whether_to_start=lambda _: may_start,
            waits_for_repository=waits_for_repository,
        )

    def runs(self, _: str, own: str, __: Deadline) -> Runs:
        self.asked.append(own)
        return self.found

    def start(self, _: str, token: str, __: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        self.starts.append(token)
        return self.start_fails or run(UNDER_WAY, ours=True, id_="app:2")

    def explained(self, _: str, run: BuildRun, __: Deadline) -> BuildRun:
        return run

    def check(self, *looks: ImagesFound) -> Found:
        """Makes one check that finds these images, the last one again and again."""
        left = list(looks)
        result = self._build.check(
            lambda memory: CheckResult(left.pop(0) if len(left) > 1 else left[0], memory),
            self.memory,
            Deadline(NOW + 3600.0, FakeClock()),
        )
        self.memory = result.memory
        return result.found


def judged(
    found: Found, after: float, progress: Progress | None = None, *, delay: float = 30, for_repository: bool = False
) -> Ready | GivenUp | Progress:
    """Judges a check so many seconds after the wait began."""
    backoff = Backoff(delay=delay, rate=1.5, wait_for_repository=for_repository)
    progress, at = progress or Progress(due=NOW + after), NOW + after
    return judge(backoff, BOUNDS, progress, found, began=at, ended=at, random=Random(1))  # noqa: S311


def going_on(build: BuildFinding, after: float, progress: Progress | None = None, *, delay: float = 30) -> Progress:
    now = judged(without_image(build), after, progress, delay=delay)
    assert isinstance(now, Progress)
    return now


def outcome(found: Found, *, for_repository: bool = False) -> str:
    """Says what comes of a wait that finds the same at each check."""
    at = 100.0
    now = judged(found, at, for_repository=for_repository)
    while isinstance(now, Progress) and at < 400:
        at = now.due - NOW
        now = judged(found, at, now, for_repository=for_repository)
    if isinstance(now, GivenUp):
        return now.cause.value + (f", after {at - 100:.0f} s" if at > 100 else "")
    return "SUCCESS" if isinstance(now, Ready) else "wait"


# --- the whole table

IMAGES: dict[str, tuple[ImagesFound, str]] = {
    # what is found of the image, and what comes of a wait whatever its builder does; empty where that matters
    "there": (THERE, "SUCCESS"),
    "missing": (NoImage(), ""),
    "tag elsewhere": (NoImage(tag_points_at="sha256:0"), ""),
    "old": (NotYet("an older one", THERE), ""),
    "archived": (NotPullable("ARCHIVED"), "wait"),
    "no repository": (NoRepository(), "no-repository, after 15 s"),
    "denied": (AccessDenied("AccessDenied", ""), "access-denied, after 60 s"),
    "unavailable": (Unavailable("ThrottlingException", ""), "wait"),
    "refused": (Refused("InvalidParameterException", ""), "refused"),
    "never": (NotDeployable("an index", "push another"), "never"),
}
RUNS: dict[str, tuple[Runs, str]] = {
    # what the newest run came to, and what comes of a wait whose image is missing
    "under way": ([run(UNDER_WAY)], "wait"),
    "ours, under way": ([run(UNDER_WAY, ours=True)], "wait"),
    "under way since before the wait": ([run(UNDER_WAY, began=-50)], "wait"),
    "succeeded": ([run(SUCCEEDED)], "built-without, after 60 s"),
    "ours, succeeded": ([run(SUCCEEDED, ours=True)], "built-without, after 60 s"),
    "succeeded, begun before the wait": ([run(SUCCEEDED, began=-50)], "built-without, after 60 s"),
    "succeeded before the wait": ([run(SUCCEEDED, began=-50, ended=-1)], "start"),
    "broken": ([run(BROKEN)], "build-broken"),
    "ours, broken": ([run(BROKEN, ours=True)], "build-broken"),
    "broken, begun before the wait": ([run(BROKEN, began=-50)], "build-broken"),
    "broken before the wait": ([run(BROKEN, began=-50, ended=-1)], "start"),
    "superseded": ([run(SUPERSEDED)], "wait"),
    "ours, superseded": ([run(SUPERSEDED, ours=True)], "wait"),
    "superseded before the wait": ([run(SUPERSEDED, began=-50, ended=-1)], "start"),
    "none": ([], "start"),
    "denied": (DENIED, "build-hidden, after 60 s"),
    "unavailable": (UNHEARD, "wait"),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("starts", [False, True])
def test_what_comes_of_each_run_beside_each_image(name: str, *, starts: bool) -> None:
    runs, of_missing = RUNS[name]
    for image, of_image in IMAGES.values():
        following = Following(runs, may_start=starts)

        found = following.check(image)

        expected = of_image or of_missing
        assert bool(following.starts) == (expected == "start" and starts), image
        assert outcome(found) == expected.replace("start", "wait"), image
        if isinstance(image, NoRepository | AccessDenied):
            assert not following.asked  # the builder is not even asked


@pytest.mark.parametrize("name", RUNS)
def test_a_repository_that_is_waited_for_is_as_good_as_one_without_the_image(name: str) -> None:
    runs, of_missing = RUNS[name]

    found = Following(runs, waits_for_repository=True).check(NoRepository())

    assert outcome(found, for_repository=True) == of_missing.replace("start", "wait")


# --- several runs


@pytest.mark.parametrize("began", [5, -50])
def test_our_own_decides_before_any_other_whatever_its_times_say(began: float) -> None:
    """A direct invocation that is repeated is given the run that it had started before."""
    own, other = run(BROKEN, ours=True, began=began, ended=began + 45), run(UNDER_WAY, began=20, id_="app:9")

    assert judge_runs([other, own], NOW) == Broken(own)


def test_one_under_way_decides_then_the_last_to_end() -> None:
    succeeded, broken = run(SUCCEEDED, began=5, ended=90), run(BROKEN, began=20, ended=80)
    under_way = run(UNDER_WAY, began=1, id_="app:2")

    assert judge_runs([broken, under_way, succeeded], NOW) == UnderWay(under_way)
    assert judge_runs([broken, succeeded], NOW) == Built(succeeded)


@pytest.mark.parametrize("ours", [True, False])
def test_a_superseded_run_passes_the_baton_to_its_successor(*, ours: bool) -> None:
    first = run(SUPERSEDED, ours=ours, began=5, id_="1")
    second, third = run(SUPERSEDED, began=10, id_="2"), run(BROKEN, began=20, id_="3")
    earlier, fourth = run(BROKEN, began=-20, ended=50, id_="0"), run(UNDER_WAY, began=30, id_="4")

    assert judge_runs([third, second, first, earlier], NOW) == Broken(third)
    assert judge_runs([second, first], NOW) == UnderWay(second)
    assert judge_runs([fourth, third, first], NOW) == UnderWay(fourth)


def test_before_our_own_nothing_takes_the_baton() -> None:
    own, before = run(SUPERSEDED, ours=True, began=5), run(BROKEN, began=2, ended=50)

    assert judge_runs([own, before], NOW) == UnderWay(own)


# --- one check


@pytest.mark.parametrize("second", [THERE, Unavailable("Throttling", "")])
def test_when_the_run_has_failed_the_images_are_checked_once_more(second: ImagesFound) -> None:
    assert Following([run(BROKEN)]).check(NoImage(), second) == second
    assert Following([run(BROKEN)]).check(NoImage()) == without_image(Broken(run(BROKEN)))


def test_an_image_that_is_there_costs_no_call_of_the_builder() -> None:
    following = Following([run(BROKEN)])

    assert following.check(THERE) == THERE
    assert following.asked == []


def test_of_several_images_the_least_hopeful_says_whether_the_builder_is_asked() -> None:
    following = Following([run(UNDER_WAY)])
    missing = Several((("A", THERE), ("B", NoImage())))
    archived = Several((("A", NotPullable("ARCHIVED")), ("B", THERE)))

    assert following.check(missing) == Awaited(missing, PROJECT, UnderWay(run(UNDER_WAY)))
    assert following.check(archived) == archived


def test_a_run_is_started_once_and_remembered() -> None:
    following = Following(may_start=True)

    found = following.check(NoImage())
    assert found == without_image(UnderWay(run(UNDER_WAY, ours=True, id_="app:2"), started=True))
    assert (following.starts, following.memory.own_run.run) == (["t"], "app:2")

    following.check(NoImage())  # the list lags behind
    following.found = [run(UNDER_WAY, ours=True, id_="app:2")]
    following.check(NoImage())
    assert following.starts == ["t"]
    assert following.asked == ["", "app:2", "app:2"]


@pytest.mark.parametrize("fault", [DENIED, UNHEARD])
def test_a_start_that_fails_is_tried_again_with_the_same_token(fault: BuildHidden | BuildUnavailable) -> None:
    following = Following(may_start=True)
    following.start_fails = fault

    assert [following.check(NoImage()) for _ in range(2)] == [without_image(fault)] * 2
    assert (following.starts, following.memory.own_run.run) == (["t", "t"], "")


# --- grace periods


def test_a_success_that_is_followed_by_another_run_is_forgotten() -> None:
    first = going_on(Built(run(SUCCEEDED)), 100)
    between = going_on(UnderWay(run(UNDER_WAY)), 150, first)
    last = going_on(Built(run(SUCCEEDED)), 200, between)

    assert (first.streak_since, last.streak_since) == (NOW + 100, NOW + 200)
    assert first.due <= NOW + 105


@pytest.mark.parametrize(
    ("build", "cause"), [(Built(run(SUCCEEDED)), Cause.BUILT_WITHOUT), (DENIED, Cause.BUILD_HIDDEN)]
)
def test_a_builder_that_does_not_answer_now_and_then_prolongs_no_grace(build: BuildFinding, cause: Cause) -> None:
    """As with ECR: that nothing is heard says nothing about the run."""
    progress = going_on(build, 100)
    for after in (130, 161):
        progress = going_on(UNHEARD, after, progress)

    last = judged(without_image(build), 165, progress)

    assert isinstance(last, GivenUp)
    assert last.cause is cause


@pytest.mark.parametrize("build", [UNHEARD, UnderWay(run(UNDER_WAY))])
def test_a_builder_that_is_not_heard_of_or_under_way_ends_no_wait_before_the_limit(build: BuildFinding) -> None:
    progress = going_on(build, 100)
    for after in range(150, 1700, 50):
        progress = going_on(build, after, progress)

    last = judged(without_image(build), 1800, progress)

    assert isinstance(last, GivenUp)
    assert (last.cause, last.image_missing) == (Cause.TIME_UP, True)


def test_a_builder_that_does_not_answer_is_asked_less_often() -> None:
    heard, unheard = (going_on(build, 100, Progress(due=NOW, pause=2), delay=2) for build in (NoRun(), UNHEARD))

    assert heard.due <= NOW + 102 < unheard.due <= NOW + 104


@pytest.mark.parametrize("kind", BuilderKind)
def test_a_kind_of_builder_is_named_by_its_property_and_allowed_by_its_parameter(kind: BuilderKind) -> None:
    builder = Builder(kind, "app")
    arn = Place("aws", "eu-west-1", "123456789012").builder_arn(builder)

    assert {read_properties({**PROPERTIES, kind.property: named}, None).builder for named in ("app", arn)} == {builder}
    assert read_properties(PROPERTIES, None).builder is None
    assert f"\n  {kind.parameter}:\n" in (ROOT / "template.yaml").read_text(encoding="utf-8")
