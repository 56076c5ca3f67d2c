"""What the runs of a builder come to for a wait: the whole table, and the one place that starts a run."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

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
    Looked,
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
BOUNDS = Bounds(start=NOW, limit=NOW + 1800, asked_limit=NOW + 1800, expires=NOW + 3600)
DENIED = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", "no")


def run(
    status: RunStatus, *, ours: bool = False, began: float = 10.0, ended: float | None = 60.0, id_: str = "app:1"
) -> BuildRun:
    """Return a run; its times are seconds after the wait began."""
    over = None if status is RunStatus.UNDER_WAY or ended is None else NOW + ended
    return BuildRun(id_, status, status.value, NOW + began, over, ours)


UNDER_WAY, SUCCEEDED, BROKEN, SUPERSEDED = RunStatus


# --- the whole table

IMAGES: dict[str, Looked] = {
    "there": THERE,
    "missing": NoImage(),
    "tag elsewhere": NoImage(tag_points_at="sha256:0"),
    "old": NotYet("an older one", THERE),
    "archived": NotPullable("ARCHIVED"),
    "no repository": NoRepository(),
    "denied": AccessDenied("AccessDenied", ""),
    "unavailable": Unavailable("ThrottlingException", ""),
    "refused": Refused("InvalidParameterException", ""),
    "never": NotDeployable("an index", "push another"),
}
BUILD_MATTERS = ("missing", "tag elsewhere", "old")
"""So does a missing repository, where that is waited for."""
WITHOUT_BUILD = {
    "there": "SUCCESS",
    "archived": "wait",
    "no repository": "wait",  # for its own 15 s
    "denied": "wait",  # for its own 60 s
    "unavailable": "wait",
    "refused": "refused",
    "never": "never",
}
RUNS: dict[tuple[str, bool], str] = {
    # what the run came to, whether this wait started it: what comes of a wait whose image is missing
    ("under way", True): "wait",
    ("under way", False): "wait",
    ("under way since before the wait", False): "wait",
    ("succeeded", True): "built-without, after 60 s",
    ("succeeded", False): "built-without, after 60 s",
    ("succeeded, begun before the wait", False): "built-without, after 60 s",
    ("succeeded before the wait", False): "start",
    ("broken", True): "build-broken",
    ("broken", False): "build-broken",
    ("broken, begun before the wait", False): "build-broken",
    ("broken before the wait", False): "start",
    ("superseded", True): "wait",
    ("superseded", False): "wait",
    ("superseded before the wait", False): "start",
    ("none", False): "start",
    ("denied", False): "build-hidden, after 60 s",
    ("no project", False): "build-hidden, after 60 s",
    ("unavailable", False): "wait",
}


def played(name: str, *, ours: bool) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
    since_before: dict[str, Any] = {"began": -50.0, "ended": 60.0}
    before: dict[str, Any] = {"began": -50.0, "ended": -1.0}
    if name == "denied":
        return DENIED
    if name == "no project":
        return BuildHidden("codebuild:ListBuildsForProject", "ResourceNotFoundException", "", missing=True)
    if name == "unavailable":
        return BuildUnavailable("ThrottlingException")
    if name == "none":
        return []
    statuses = {"under": UNDER_WAY, "succeeded": SUCCEEDED, "broken": BROKEN, "superseded": SUPERSEDED}
    times = since_before if "begun before" in name or "since before" in name else before if "before" in name else {}
    return [run(statuses[name.replace(",", "").split()[0]], ours=ours, **times)]


class Service:
    """A builder's service with these runs, which starts another when it is asked to."""

    def __init__(self, runs: Sequence[BuildRun] | BuildHidden | BuildUnavailable = ()) -> None:
        self.found = runs
        self.starts: list[str] = []
        self.start_fails: BuildHidden | BuildUnavailable | None = None
        self.asked: list[str] = []

    def runs(self, _: str, own: str, __: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        self.asked.append(own)
        return self.found

    def start(self, _: str, token: str, __: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        self.starts.append(token)
        return self.start_fails or run(UNDER_WAY, ours=True, id_="app:2")

    def explained(self, _: str, run: BuildRun, __: Deadline) -> BuildRun:
        return run


class Following:
    """Follows the builder of one wait, check after check."""

    def __init__(self, service: Service, *, may_start: bool, since: float) -> None:
        self._build = FollowedBuild(
            service,
            PROJECT,
            since,
            token="t",  # noqa: S106  # no secret
            may_start=lambda _: may_start,
            waits_for_repository=False,
        )
        self.memory = Memory()

    def check(self, looks: Sequence[Looked], *, waits_for_repository: bool) -> Found:
        left = list(looks)
        result = replace(self._build, waits_for_repository=waits_for_repository).check(
            lambda memory: CheckResult(left.pop(0) if len(left) > 1 else left[0], memory),
            self.memory,
            Deadline(NOW + 3600.0, FakeClock()),
        )
        self.memory = result.memory
        return result.found


def following(service: Service, *, may_start: bool = False, since: float = NOW) -> Following:
    return Following(service, may_start=may_start, since=since)


def check(follows: Following, *looks: Looked, waits_for_repository: bool = False) -> Found:
    """Make one check whose looks find these, the last one again and again."""
    return follows.check(looks, waits_for_repository=waits_for_repository)


def outcome(found: Found, *, waits_for_repository: bool = False) -> str:
    """Say what comes of a wait that finds the same at each check."""
    backoff = Backoff(delay=30, rate=1.5, wait_for_repository=waits_for_repository)
    progress, began = Progress(due=NOW + 100), NOW + 100.0
    for _ in range(40):
        judged = judge(backoff, BOUNDS, progress, found, began=began, ended=began, random=Random(1))  # noqa: S311
        if isinstance(judged, Ready):
            return "SUCCESS"
        if isinstance(judged, GivenUp):
            after = began - NOW - 100
            return judged.cause.value + (f", after {after:.0f} s" if after else "")
        progress, began = judged, judged.due
        if began > NOW + 400:
            return "wait"
    raise AssertionError


@pytest.mark.parametrize(("name", "ours"), RUNS)
@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("starts", [False, True])
def test_what_comes_of_each_run_beside_each_image(name: str, image: str, *, ours: bool, starts: bool) -> None:
    service = Service(played(name, ours=ours))

    found = check(following(service, may_start=starts), IMAGES[image])

    expected = RUNS[name, ours] if image in BUILD_MATTERS else WITHOUT_BUILD[image]
    assert bool(service.starts) == (expected == "start" and starts)
    if image in ("no repository", "denied"):
        assert isinstance(found, type(IMAGES[image]))  # the builder is not even asked
        assert not service.asked
    else:
        assert outcome(found) == expected.replace("start", "wait")


def test_the_table_is_complete() -> None:
    finished = [name for name, _ in RUNS]
    for status, when in product(("under way", "succeeded", "broken", "superseded"), (True, False)):
        assert (status, when) in RUNS
    assert {type(played(name, ours=False)) for name in finished} == {list, BuildHidden, BuildUnavailable}
    assert set(IMAGES) == {*BUILD_MATTERS, *WITHOUT_BUILD}


@pytest.mark.parametrize(("name", "ours"), RUNS)
def test_a_repository_that_is_waited_for_is_as_good_as_one_without_the_image(name: str, *, ours: bool) -> None:
    found = check(following(Service(played(name, ours=ours))), NoRepository(), waits_for_repository=True)

    assert outcome(found, waits_for_repository=True) == RUNS[name, ours].replace("start", "wait")


# --- several runs


def test_while_one_of_them_is_under_way_there_is_hope() -> None:
    runs = [run(BROKEN, began=5), run(UNDER_WAY, began=1, id_="app:2"), run(SUCCEEDED, began=9)]

    assert judge_runs(runs, NOW) == UnderWay(runs[1])


def test_the_last_to_end_decides_when_all_have() -> None:
    succeeded, broken = run(SUCCEEDED, began=5, ended=90), run(BROKEN, began=20, ended=80)

    assert judge_runs([broken, succeeded], NOW) == Built(succeeded)
    assert judge_runs([broken], NOW) == Broken(broken)


def test_our_own_decides_before_any_other() -> None:
    own, other = run(BROKEN, ours=True, began=5), run(UNDER_WAY, began=20, id_="app:9")

    assert judge_runs([other, own], NOW) == Broken(own)


def test_our_own_decides_whatever_its_times_say() -> None:
    """As where a direct invocation is repeated, and is given the run that it had started before."""
    own, other = run(BROKEN, ours=True, began=-50, ended=-5), run(UNDER_WAY, began=20, id_="app:9")

    assert judge_runs([other, own], NOW) == Broken(own)


@pytest.mark.parametrize("ours", [True, False])
def test_a_superseded_run_passes_the_baton_to_its_successor(*, ours: bool) -> None:
    first = run(SUPERSEDED, ours=ours, began=5, id_="1")
    second, third = run(SUPERSEDED, began=10, id_="2"), run(BROKEN, began=20, id_="3")
    earlier = run(BROKEN, began=-20, ended=50, id_="0")

    assert judge_runs([third, second, first, earlier], NOW) == Broken(third)
    assert judge_runs([second, first], NOW) == UnderWay(second)
    assert judge_runs([run(UNDER_WAY, began=30, id_="4"), third, first], NOW) == UnderWay(
        run(UNDER_WAY, began=30, id_="4")
    )


def test_before_our_own_nothing_takes_the_baton() -> None:
    own, before = run(SUPERSEDED, ours=True, began=5), run(BROKEN, began=2, ended=50)

    assert judge_runs([own, before], NOW) == UnderWay(own)


# --- one check


def test_when_the_run_has_failed_the_images_are_looked_at_once_more() -> None:
    service = Service([run(BROKEN)])

    assert check(following(service), NoImage(), THERE) == THERE
    assert check(following(service), NoImage(), Unavailable("Throttling", "")) == Unavailable("Throttling", "")
    assert check(following(service), NoImage(), NoImage()) == Awaited(NoImage(), PROJECT, Broken(run(BROKEN)))


def test_an_image_that_is_there_costs_no_call_of_the_builder() -> None:
    service = Service([run(BROKEN)])

    assert check(following(service), THERE) == THERE
    assert service.asked == []


def test_of_several_images_the_least_hopeful_says_whether_the_builder_is_asked() -> None:
    service = Service([run(UNDER_WAY)])
    missing = Several((("A", THERE), ("B", NoImage())))
    archived = Several((("A", NotPullable("ARCHIVED")), ("B", THERE)))

    assert check(following(service), missing) == Awaited(missing, PROJECT, UnderWay(run(UNDER_WAY)))
    assert check(following(service), archived) == archived


# --- starting


def test_a_run_is_started_once_and_remembered() -> None:
    service = Service()
    follows = following(service, may_start=True)

    found = check(follows, NoImage())
    assert isinstance(found, Awaited)
    assert found.build == UnderWay(run(UNDER_WAY, ours=True, id_="app:2"), started=True)
    assert (service.starts, follows.memory.started.run) == (["t"], "app:2")

    check(follows, NoImage())  # the list lags behind
    service.found = [run(UNDER_WAY, ours=True, id_="app:2")]
    check(follows, NoImage())
    assert service.starts == ["t"]
    assert service.asked == ["", "app:2", "app:2"]


@pytest.mark.parametrize("name", [name for name, ours in RUNS if not ours and RUNS[name, ours] != "start"])
def test_nothing_is_started_where_a_run_is_followed_or_nothing_is_known(name: str) -> None:
    service = Service(played(name, ours=False))

    check(following(service, may_start=True), NoImage())

    assert service.starts == []


@pytest.mark.parametrize("fault", [DENIED, BuildUnavailable("ThrottlingException")])
def test_a_start_that_fails_is_tried_again_with_the_same_token(fault: BuildHidden | BuildUnavailable) -> None:
    service = Service()
    service.start_fails = fault
    follows = following(service, may_start=True)

    found: list[BuildFinding] = []
    for _ in range(2):
        seen = check(follows, NoImage())
        assert isinstance(seen, Awaited)
        found.append(seen.build)

    assert found == [fault, fault]
    assert (service.starts, follows.memory.started.run) == (["t", "t"], "")


def test_without_leave_to_start_there_is_no_run() -> None:
    assert check(following(Service()), NoImage()) == Awaited(NoImage(), PROJECT, NoRun())


# --- graces


def test_a_success_that_is_followed_by_another_run_is_forgotten() -> None:
    backoff = Backoff(delay=30, rate=1.5, wait_for_repository=False)
    progress = Progress(due=NOW)
    builds: list[BuildFinding] = [Built(run(SUCCEEDED)), UnderWay(run(UNDER_WAY)), Built(run(SUCCEEDED))]
    for number, build in enumerate(builds):
        at = NOW + 100 + 50 * number
        judged = judge(
            backoff,
            BOUNDS,
            progress,
            Awaited(NoImage(), PROJECT, build),
            began=at,
            ended=at,
            random=Random(1),  # noqa: S311
        )
        assert isinstance(judged, Progress)
        assert judged.due <= at + (5 if isinstance(build, Built) else 30)
        progress = judged
    assert progress.streak_since == NOW + 200


RHYTHM = Backoff(delay=30, rate=1.5, wait_for_repository=False)


def go_on(progress: Progress, build: BuildFinding, after: float, backoff: Backoff = RHYTHM) -> Progress | GivenUp:
    """Judge a check so many seconds after the wait began."""
    at, found = NOW + after, Awaited(NoImage(), PROJECT, build)
    judged = judge(backoff, BOUNDS, progress, found, began=at, ended=at, random=Random(1))  # noqa: S311
    assert not isinstance(judged, Ready)
    return judged


@pytest.mark.parametrize(
    ("build", "cause"), [(Built(run(SUCCEEDED)), Cause.BUILT_WITHOUT), (DENIED, Cause.BUILD_HIDDEN)]
)
def test_a_builder_that_does_not_answer_now_and_then_prolongs_no_grace(build: BuildFinding, cause: Cause) -> None:
    """As with ECR: that nothing is heard says nothing about the run."""
    first = go_on(Progress(due=NOW), build, 100)
    assert isinstance(first, Progress)
    unheard = go_on(first, BuildUnavailable("ThrottlingException"), 130)
    assert isinstance(unheard, Progress)
    late = go_on(unheard, BuildUnavailable("ThrottlingException"), 161)
    assert isinstance(late, Progress)

    last = go_on(late, build, 165)

    assert isinstance(last, GivenUp)
    assert last.cause is cause


def test_a_builder_that_is_never_heard_of_ends_no_wait_before_the_limit() -> None:
    progress: Progress | GivenUp = Progress(due=NOW)
    for after in range(100, 1700, 50):
        assert isinstance(progress, Progress)
        progress = go_on(progress, BuildUnavailable("ThrottlingException"), after)
    assert isinstance(progress, Progress)

    last = go_on(progress, BuildUnavailable("ThrottlingException"), 1800)

    assert isinstance(last, GivenUp)
    assert last.cause is Cause.TIME_UP


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_builder_that_does_not_answer_is_asked_less_often(rate: float) -> None:
    backoff = Backoff(delay=2, rate=rate, wait_for_repository=False)
    heard = go_on(Progress(due=NOW, pause=2), NoRun(), 100, backoff)
    unheard = go_on(Progress(due=NOW, pause=2), BuildUnavailable("ThrottlingException"), 100, backoff)

    assert isinstance(heard, Progress)
    assert isinstance(unheard, Progress)
    assert heard.due <= NOW + 102 < unheard.due <= NOW + 104


def test_at_the_limit_a_build_under_way_is_no_cause_of_its_own() -> None:
    backoff = Backoff(delay=30, rate=1.5, wait_for_repository=False)
    found = Awaited(NoImage(), PROJECT, UnderWay(run(UNDER_WAY)))

    judged = judge(
        backoff,
        BOUNDS,
        Progress(due=NOW),
        found,
        began=BOUNDS.limit,
        ended=BOUNDS.limit,
        random=Random(1),  # noqa: S311
    )

    assert judged == GivenUp(Cause.TIME_UP, found, 1, image_missing=True)


@pytest.mark.parametrize("kind", BuilderKind)
def test_a_kind_of_builder_is_named_by_its_property_and_allowed_by_its_parameter(kind: BuilderKind) -> None:
    builder = Builder(kind, "app")
    arn = Place("aws", "eu-west-1", "123456789012").builder_arn(builder)

    assert {read_properties({**PROPERTIES, kind.property: named}, None).builder for named in ("app", arn)} == {builder}
    assert f"\n  {kind.parameter}:\n" in (ROOT / "template.yaml").read_text(encoding="utf-8")


def test_without_a_property_of_a_builder_there_is_none() -> None:
    assert read_properties(PROPERTIES, None).builder is None
