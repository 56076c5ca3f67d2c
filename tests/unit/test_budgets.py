"""How long one check takes when each of its calls takes all its time: never what the invocation needs afterwards."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import pytest

from ecr_image_waiter.aws.builds import CodeBuild, CodePipeline
from ecr_image_waiter.aws.cloudformation import Stacks
from ecr_image_waiter.cfn.event import StackRequest, read_event
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.deadline import Bounds, Deadline, Invocation, bounds_for_stack
from ecr_image_waiter.core.model import Image, Unavailable
from ecr_image_waiter.core.state import Memory
from ecr_image_waiter.stack_questions import StackQuestions
from ecr_image_waiter.telemetry import make_logger
from ecr_image_waiter.tools import Tools
from ecr_image_waiter.waiter import Part
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import Ecr
from tests.support.fakes import FakeCloudFormation, FakeContext, aws_error, stack_event

PUBLIC: Final = {"ImageUri": "public.ecr.aws/shop/team/app:v1"}
PRIVATE: Final = {"RepositoryName": "team/app", "ImageTag": "v1"}
LABELS: Final = {"Labels": {"build": "new"}}
TIMEOUTS: Final = (900.0, 150.0, 60.0, 10.0, 3.0)


class Slow:
    """Every call of a client takes all its time, and then has an answer."""

    def __init__(self, client: Any, seconds: float, clock: FakeClock) -> None:
        self._client = client
        self._seconds = seconds
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        self._clock.time += max(self._seconds, 0.0)
        return getattr(self._client, name)


class SlowBuilds:
    """CodeBuild and CodePipeline with these runs, the same fields for both."""

    def __init__(self, runs: Sequence[dict[str, Any]]) -> None:
        self.runs = [
            {
                "id": "app:1",
                "pipelineExecutionId": "1",
                "arn": "arn:aws:codebuild:eu-west-1:123456789012:build/app:1",
                "startTime": datetime.fromtimestamp(NOW, UTC),
                **run,
            }
            for run in runs
        ]

    def list_builds_for_project(self, **_: Any) -> Any:
        return {"ids": [run["id"] for run in self.runs]}

    def batch_get_builds(self, **_: Any) -> Any:
        return {"builds": self.runs}

    def start_build(self, **_: Any) -> Any:
        return {
            "build": {"id": "app:2", "arn": "arn:aws:codebuild:eu-west-1:1:build/app:2", "buildStatus": "IN_PROGRESS"}
        }

    def list_pipeline_executions(self, **_: Any) -> Any:
        return {"pipelineExecutionSummaries": self.runs}

    def list_action_executions(self, **_: Any) -> Any:
        return {"actionExecutionDetails": []}

    def start_pipeline_execution(self, **_: Any) -> Any:
        return {"pipelineExecutionId": "2"}


class SlowCheck:
    """A check for which everything takes as long as it may."""

    def __init__(self, timeout: float) -> None:
        self.clock = FakeClock()
        self.ecr = Ecr(self.clock)
        self.invocation = Invocation(FakeContext(self.clock, timeout), self.clock)
        self.memory = Memory()
        self.bounds = bounds_for_stack(NOW, 3600.0, 3600.0)
        self.ecr.hang(self.clock)
        self.registry = self.ecr.registry()

    def check(
        self,
        properties: dict[str, Any],
        *,
        archived_too: bool = True,
        runs: Sequence[dict[str, Any]] = (),
    ) -> Any:
        cloud, runs_of = FakeCloudFormation("CREATE_IN_PROGRESS"), SlowBuilds(runs)
        cloud.hang(self.clock)

        def build_client(seconds: float) -> Any:
            return Slow(runs_of, seconds, self.clock)

        unused: Any = None
        tools = Tools(
            registry=self.registry,
            stacks=Stacks(cloud.within),
            services={
                BuilderKind.PROJECT: CodeBuild(build_client, str),
                BuilderKind.PIPELINE: CodePipeline(build_client, str, self.clock.now),
            },
            hand_over=unused,
            courier=unused,
            meter=unused,
            logger=make_logger(),
            clock=self.clock,
            random=Random(0),  # noqa: S311  # a test's
        )
        wanted = read_properties(properties, self.invocation.place)
        request = read_event(stack_event(), dns_suffix="amazonaws.com", any_host=False)
        assert isinstance(request, StackRequest)
        part = Part(tools, StackQuestions(tools), wanted, self.bounds, self.invocation, request)
        result = part.check(self.memory, archived_too)
        self.memory = result.memory
        return result.found


def several(count: int, **more: Any) -> dict[str, Any]:
    return {
        "Images": [{"Id": f"I{n}", "RepositoryName": f"r{n % 7}0", "ImageTag": f"v{n}", **more} for n in range(count)]
    }


WANTED: Final[Sequence[dict[str, Any]]] = [
    PRIVATE,
    PUBLIC,
    PRIVATE | LABELS | {"Platform": "arm64", "DeployTarget": "Lambda"},
    PUBLIC | {"PushedAfter": "StackOperation"},
    several(20),
    several(20, **LABELS),
    {"Images": [{"Id": f"I{n}", "ImageUri": f"public.ecr.aws/shop/team/app:v{n}"} for n in range(20)]},
]


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("at_end", [False, True], ids=["beginning", "end of slice"])
@pytest.mark.parametrize("archived_too", [False, True])
@pytest.mark.parametrize("pushed", [False, True], ids=["missing", "there"])
@pytest.mark.parametrize("properties", WANTED, ids=range(len(WANTED)))
def test_a_check_leaves_half_of_the_time_for_the_hand_over_or_the_answer(
    *, properties: dict[str, Any], pushed: bool, archived_too: bool, at_end: bool, timeout: float
) -> None:
    world = SlowCheck(timeout)
    for name, region in [
        ("team/app", "eu-west-1"),
        ("team/app", "public"),
        *((f"r{n}0", "eu-west-1") for n in range(7)),
    ]:
        world.ecr.repository(name, region)
    if pushed:
        world.ecr.push("team/app", "v1", labels={"build": "new"})
        world.ecr.push("team/app", "v1", region="public")
        for number in range(20):
            world.ecr.push_index(f"r{number % 7}0", f"v{number}", labels={"build": "new"}, content=str(number))
    if at_end:
        world.clock.time = world.invocation.checks_end
    began = world.clock.now()
    left = world.invocation.deadline.for_response(world.bounds).left()

    world.check(properties, archived_too=archived_too)

    assert world.clock.now() - began <= left / 2 + 0.2


BUILDERS: Final = ({"BuildProject": "app"}, {"Pipeline": "app"})
RUNS: Final[dict[str, list[dict[str, Any]]]] = {
    "none": [],
    "under way": [{"buildStatus": "IN_PROGRESS", "status": "InProgress"}],
    "broken": [{"buildStatus": "FAILED", "status": "Failed"}],
}


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("before", [None, 12.0, 3.0, 0.5, 0.0], ids=lambda before: f"{before} s before the limit")
@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("builder", BUILDERS, ids=["project", "pipeline"])
def test_a_check_with_a_build_keeps_to_the_same_time(
    *, builder: dict[str, Any], runs: str, before: float | None, timeout: float
) -> None:
    world = SlowCheck(timeout)
    world.ecr.repository("team/app")
    world.clock.time = began = world.invocation.checks_end
    if before is not None:
        world.bounds = replace(world.bounds, limit=began + before)
    left = world.invocation.deadline.for_response(world.bounds).left()

    world.check(PRIVATE | builder | {"StartBuild": "true"}, runs=RUNS[runs])

    took = world.clock.now() - began
    assert took <= left / 2 + 0.2
    assert not before or took <= max(before, 1.0) + 0.2  # the check at the limit comes in time


@pytest.mark.parametrize(
    ("limit", "ends", "looks_for"),
    [
        (3600.0, 40.0, 20.0),
        (3600.0, 900.0, 60.0),
        (5.0, 40.0, 5.0),
        (0.2, 40.0, 1.0),
        (0.0, 40.0, 20.0),
        (-5.0, 40.0, 20.0),
    ],
    ids=["half", "a minute", "up to the limit", "a second", "the look at the limit", "a look behind it"],
)
def test_a_look_of_many_calls_ends_when_half_of_the_time_is_left_and_before_the_limit(
    limit: float, ends: float, looks_for: float
) -> None:
    bounds = Bounds(NOW - 60.0, NOW + limit, NOW + limit, NOW + 3600.0)

    assert Deadline(NOW + ends, FakeClock()).for_check(bounds).at == NOW + looks_for


@pytest.mark.parametrize(("left", "seconds"), [(100.0, 9.0), (10.0, 5.0), (1.0, 0.5), (0.0, 0.0), (-3.0, 0.0)])
def test_the_next_of_many_calls_may_take_half_of_what_is_left_and_never_more_than_any_call(
    left: float, seconds: float
) -> None:
    assert Deadline(NOW + left, FakeClock()).per_call() == seconds


def test_what_a_check_had_no_time_to_read_the_next_one_reads() -> None:
    world = SlowCheck(900.0)
    world.ecr.push_index("team/app", "v1", platforms=[f"linux/arm/v{n}" for n in range(30)], labels={"build": "new"})

    found = [world.check(PRIVATE | LABELS) for _ in range(12)]

    assert isinstance(found[0], Unavailable)
    assert found[0].code == "OutOfTime"
    assert isinstance(found[-1], Image)


def test_a_public_registry_that_did_not_answer_at_first_takes_no_more_time_later() -> None:
    world = SlowCheck(10.0)
    world.ecr.push("team/app", "v1", region="public")
    world.ecr.faults["DescribeRegistries"] = aws_error("ServerException")
    assert isinstance(world.check(PUBLIC), Unavailable)
    del world.ecr.faults["DescribeRegistries"]
    world.clock.time = began = world.invocation.checks_end
    left = world.invocation.deadline.for_response(world.bounds).left()

    world.check(PUBLIC, archived_too=False)

    assert world.clock.now() - began <= left / 2


def test_the_fake_is_as_slow_as_it_says() -> None:
    world = SlowCheck(900.0)

    world.registry.look(read_properties(PRIVATE, None).image, archived_too=False, seconds=7.0)

    assert world.clock.now() - NOW == 7.0
