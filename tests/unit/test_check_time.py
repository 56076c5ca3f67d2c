"""How long one check takes when each of its calls takes all its time: never what the invocation needs afterwards."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final
from unittest.mock import Mock

import pytest

from ecr_image_waiter.aws.builds import BuildService, CodeBuild, CodePipeline
from ecr_image_waiter.cfn.event import StackRequest, read_event
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.deadline import Invocation, bounds_for_stack
from ecr_image_waiter.core.model import Unavailable
from ecr_image_waiter.core.state import Memory
from ecr_image_waiter.waiter import Part
from tests.support.clock import NOW
from tests.support.fakes import FakeContext, aws_error, stack_event
from tests.support.world import IN_MEMORY, World

PUBLIC: Final = {"ImageUri": "public.ecr.aws/shop/team/app:v1"}
PRIVATE: Final = {"RepositoryName": "team/app", "ImageTag": "v1"}
LABELS: Final = {"Labels": {"build": "new"}}
TIMEOUTS: Final = (900.0, 150.0, 60.0, 10.0, 3.0)


class SlowCheck:
    """A check for which everything takes as long as it may."""

    def __init__(self, timeout: float, runs: Sequence[dict[str, Any]] = ()) -> None:
        builds: dict[BuilderKind, BuildService] = {
            BuilderKind.PROJECT: CodeBuild(self._builds, str),
            BuilderKind.PIPELINE: CodePipeline(self._builds, str, lambda: NOW),
        }
        self._runs = runs
        self.world = World(IN_MEMORY, stack=("CREATE_IN_PROGRESS",), builds=builds)
        self.clock, self.ecr = self.world.clock, self.world.ecr
        self.ecr.hang(self.clock)
        self.world.stacks.hang(self.clock)
        self.invocation = Invocation(FakeContext(self.clock, timeout), self.clock)
        self.bounds = bounds_for_stack(NOW, 3600.0, 3600.0)
        self.memory = Memory()

    def _builds(self, seconds: float) -> Any:
        """Returns a client of both services, whose one call has taken all its time."""
        self.clock.advance(max(seconds, 0.0))
        run = {
            "id": "app:1",
            "pipelineExecutionId": "1",
            "arn": "arn:aws:codebuild:eu-west-1:123456789012:build/app:1",
            "startTime": datetime.fromtimestamp(NOW, UTC),
        }
        runs = [{**run, **each} for each in self._runs]
        client = Mock()
        client.list_builds_for_project.return_value = {"ids": [each["id"] for each in runs]}
        client.batch_get_builds.return_value = {"builds": runs}
        client.start_build.return_value = {"build": {**run, "buildStatus": "IN_PROGRESS"}}
        client.list_pipeline_executions.return_value = {"pipelineExecutionSummaries": runs}
        client.list_action_executions.return_value = {"actionExecutionDetails": []}
        client.start_pipeline_execution.return_value = {"pipelineExecutionId": "2"}
        return client

    @property
    def left(self) -> float:
        return self.invocation.deadline.for_response(self.bounds).left()

    def check(self, properties: dict[str, Any], *, include_archived: bool = True) -> Any:
        wanted = read_properties(properties, self.invocation.place)
        request = read_event(stack_event(), dns_suffix="amazonaws.com", any_host=False)
        assert isinstance(request, StackRequest)
        part = Part(self.world.waiter.tools, wanted, self.bounds, self.invocation, request)
        result = part.check(self.memory, include_archived)
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
@pytest.mark.parametrize("properties", WANTED, ids=range(len(WANTED)))
def test_a_check_leaves_half_of_the_time_for_the_hand_over_or_the_answer(
    properties: dict[str, Any], timeout: float
) -> None:
    for pushed, include_archived, at_end in product((False, True), repeat=3):
        slow = SlowCheck(timeout)
        for region in ("eu-west-1", "public"):
            slow.ecr.repository("team/app", region)
            if pushed:
                slow.ecr.push("team/app", "v1", labels={"build": "new"}, region=region)
        for number in range(20):
            slow.ecr.repository(f"r{number % 7}0")
            if pushed:
                slow.ecr.push_index(f"r{number % 7}0", f"v{number}", labels={"build": "new"}, content=str(number))
        if at_end:
            slow.clock.time = slow.invocation.checks_end
        began, left = slow.clock.now(), slow.left

        slow.check(properties, include_archived=include_archived)

        assert slow.clock.now() - began <= left / 2 + 0.2, (pushed, include_archived, at_end)


RUNS: Final[dict[str, list[dict[str, Any]]]] = {
    "none": [],
    "under way": [{"buildStatus": "IN_PROGRESS", "status": "InProgress"}],
    "broken": [{"buildStatus": "FAILED", "status": "Failed"}],
}


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("builder", ["BuildProject", "Pipeline"])
def test_a_check_with_a_build_keeps_to_the_same_time(builder: str, runs: str) -> None:
    for timeout, before in product(TIMEOUTS, (None, 12.0, 3.0, 0.5, 0.0)):  # seconds before the limit
        slow = SlowCheck(timeout, RUNS[runs])
        slow.ecr.repository("team/app")
        slow.clock.time = began = slow.invocation.checks_end
        if before is not None:
            slow.bounds = replace(slow.bounds, limit=began + before)
        left = slow.left

        slow.check(PRIVATE | {builder: "app", "StartBuild": "true"})

        took = slow.clock.now() - began
        assert took <= left / 2 + 0.2, (timeout, before)
        assert not before or took <= max(before, 1.0) + 0.2, (timeout, before)  # the check at the limit comes in time


def test_a_public_registry_that_did_not_answer_at_first_takes_no_more_time_later() -> None:
    slow = SlowCheck(10.0)
    slow.ecr.push("team/app", "v1", region="public")
    slow.ecr.faults["DescribeRegistries"] = aws_error("ServerException")
    assert isinstance(slow.check(PUBLIC), Unavailable)
    del slow.ecr.faults["DescribeRegistries"]
    slow.clock.time = began = slow.invocation.checks_end
    left = slow.left

    slow.check(PUBLIC, include_archived=False)

    assert slow.clock.now() - began <= left / 2
