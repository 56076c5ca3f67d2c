"""Waits that follow a build: the whole service over real boto3 and the sandbox's builds, on a fake clock.

Every answer of the sandbox, an error too, is compared with botocore's model of its operation.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from ecr_image_waiter.aws.builds import CodeBuild, CodePipeline
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.messages import GaveUp, StackUnknown
from ecr_image_waiter.core.uris import console_link
from sandbox.accounts import client_of
from sandbox.builds import Action, Build, Builds, Execution, Run
from sandbox.builds import Place as SandboxPlace
from sandbox.proxy import Proxy, Rule, deny, throttle
from tests.support.botocore_shapes import faults
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import aws_error, response_url, signed_query, stack_event
from tests.support.world import IN_MEMORY, World

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
MESSAGE: Final = "Error while executing command: docker build -t app . Reason: exit status 1"
HERE: Final = SandboxPlace(ACCOUNT, REGION)


class Watched(Builds):
    """Builds that compare their own answers with the models."""

    def __init__(self, clock: FakeClock) -> None:
        self.faults: list[str] = []
        super().__init__(clock=clock)

    def answer(self, service: str, operation: str, *arguments: Any) -> tuple[int, dict[str, Any]]:
        status, answer = super().answer(service, operation, *arguments)
        self.faults += faults(service, operation, status, answer)
        return status, answer


class Place:
    """A waiter, a repository, a project and a pipeline `app` on one clock, and a proxy before the builds."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.builds = Watched(self.clock)
        self.proxy = Proxy(self.builds.url)
        self.world = self.new_world(**options)
        self.world.ecr.repository("app")
        self.builds.play("app", Build())

    def new_world(self, **options: Any) -> World:
        """Return a waiter in a new process."""
        codebuild, codepipeline = (
            client_of(service, self.proxy.url, ACCOUNT, REGION) for service in ("codebuild", "codepipeline")
        )

        def console(path: str) -> str:
            return console_link(path, REGION)

        self.service = CodeBuild(lambda _: codebuild, console)
        return World(
            IN_MEMORY,
            clock=self.clock,
            builds={
                BuilderKind.PROJECT: self.service,
                BuilderKind.PIPELINE: CodePipeline(lambda _: codepipeline, console, self.clock.now),
            },
            **options,
        )

    def close(self) -> None:
        self.proxy.stop()
        self.builds.stop()
        assert self.builds.faults == []

    def push(self, tag: str = "v1") -> None:
        self.world.ecr.push("app", tag)

    def create_pipeline(self) -> None:
        """Create a pipeline that runs at once, as all do."""
        client_of("codepipeline", self.builds.url, ACCOUNT, REGION).create_pipeline(pipeline=PIPELINE)

    def wait(self, kind: str = "Create", /, **properties: Any) -> dict[str, Any]:
        """Run a wait to its end and return the answer."""
        self.world.run_to_the_end(event(kind, **properties))
        return self.world.response

    @property
    def seconds(self) -> float:
        return self.clock.time - NOW

    @property
    def seen(self) -> list[str]:
        return [line["seen"] for line in self.world.lines_of("checked")]

    def calls(self, *operations: str) -> dict[str, int]:
        return {operation: self.proxy.count(operation) for operation in operations}


SOURCE: Final[dict[str, Any]] = {
    "name": "Checkout",
    "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeStarSourceConnection", "version": "1"},
    "outputArtifacts": [{"name": "SourceOutput"}],
}
DOCKER: Final[dict[str, Any]] = {
    "name": "Docker",
    "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
    "configuration": {"ProjectName": "app"},
    "inputArtifacts": [{"name": "SourceOutput"}],
}
PIPELINE: Final[dict[str, Any]] = {
    "name": "app",
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/pipeline",
    "artifactStore": {"type": "S3", "location": "artifacts"},
    "stages": [{"name": "Source", "actions": [SOURCE]}, {"name": "Build", "actions": [DOCKER]}],
}


class Killed(BaseException):
    """The end of a process."""


def die() -> None:
    raise Killed


def signed_now(place: Place, **properties: Any) -> dict[str, Any]:
    """Return a request that CloudFormation signs now."""
    signed = datetime.fromtimestamp(place.clock.time, UTC).strftime("%Y%m%dT%H%M%SZ")
    return {**event(**properties), "ResponseURL": response_url(query=signed_query(signed))}


def event(kind: str = "Create", /, **properties: Any) -> dict[str, Any]:
    """Return a request for app:v1 that waits for half an hour."""
    return stack_event(kind, ResourceProperties={"RepositoryName": "app", "ImageTag": "v1", **properties})


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.close()


LIST, GET, START = "codebuild:ListBuildsForProject", "codebuild:BatchGetBuilds", "codebuild:StartBuild"
EXECUTIONS, ACTIONS = "codepipeline:ListPipelineExecutions", "codepipeline:ListActionExecutions"
EXECUTE = "codepipeline:StartPipelineExecution"


# --- following a project


def test_a_build_that_fails_ends_the_wait_within_two_checks_with_its_own_message(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 8}, ends="FAILED", message=MESSAGE))
    place.builds.start("app", place=HERE)

    answer = place.wait(BuildProject="app")

    (run,) = place.builds.runs("app", place=HERE)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Waited ")
    for words in (run.id, 'CodeBuild project "app" failed in BUILD', MESSAGE, "/projects/app/build/app%3A"):
        assert words in answer["Reason"]
    first_late = next(number for number, seen in enumerate(place.seen) if "failed" in seen)
    assert len(place.seen) == first_late + 1
    assert 8 <= place.seconds <= 8 + 7.6  # the pause in force then


def test_following_costs_two_calls_a_check_and_none_when_the_image_is_there(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 60}, does=place.push))
    place.builds.start("app", place=HERE)

    place.wait(BuildProject="app")

    waited = len(place.seen) - 1
    assert place.calls(LIST, GET, START) == {LIST: waited, GET: waited, START: 0}


def test_a_failure_older_than_the_wait_does_not_count(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 5}, ends="FAILED"), Build({"BUILD": 5}, does=place.push))
    place.builds.start("app", place=HERE)
    place.clock.time += 60
    place.clock.plan(30, lambda: place.builds.start("app", place=HERE))

    place.world.run_to_the_end(signed_now(place, BuildProject="app"))

    assert place.world.response["Status"] == "SUCCESS"
    assert 'no build of the CodeBuild project "app" is under way' in place.seen[0]


def test_a_build_that_pushes_and_then_fails_has_done_its_part(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 4, "POST_BUILD": 2}, ends="FAILED", phase="POST_BUILD", does=place.push))
    place.builds.start("app", place=HERE)

    assert place.wait(BuildProject="app")["Status"] == "SUCCESS"


def test_a_build_that_pushes_another_tag_fails_after_a_minute_saying_which(place: Place) -> None:
    place.push("old")
    place.builds.play("app", Build({"BUILD": 20}, does=lambda: place.world.ecr.push("app", "v2", content="new")))
    place.clock.time += 5
    place.builds.start("app", place=HERE)

    answer = place.wait(BuildProject="app")

    assert '"v2" (' in answer["Reason"]
    assert '"old"' not in answer["Reason"]
    assert 80 <= place.seconds - 5 <= 20 + 60 + 31


def test_a_repository_that_the_build_s_first_push_creates_is_waited_for_without_being_asked(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 90}, does=lambda: place.world.ecr.push("new", "v1")))

    answer = place.wait(RepositoryName="new", BuildProject="app", StartBuild="true")

    assert answer["Status"] == "SUCCESS"
    assert place.seen[0].startswith("the repository does not exist; started build app:")


def test_a_repository_is_not_waited_for_beside_a_build_where_the_template_says_so(place: Place) -> None:
    answer = place.wait(RepositoryName="new", BuildProject="app", WaitForRepository="false")

    assert "set WaitForRepository to true" in answer["Reason"]
    assert place.seconds <= 15
    assert place.calls(LIST) == {LIST: 0}


def test_a_build_that_succeeds_while_ecr_is_slow_to_tell_has_a_minute(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 2}))
    place.builds.start("app", place=HERE)
    place.clock.plan(45, place.push)

    assert place.wait(BuildProject="app")["Status"] == "SUCCESS"


def test_throttled_questions_about_the_build_leave_the_wait_as_it_is(place: Place) -> None:
    place.clock.plan(100, place.push)
    with place.proxy.rule(Rule("codebuild:ListBuildsForProject", throttle())):
        answer = place.wait(BuildProject="app")

    assert answer["Status"] == "SUCCESS"
    assert 'the state of the CodeBuild project "app" is unknown (ThrottlingException)' in place.seen[0]


DENIALS: Final = {
    GET: ("codebuild:BatchGetBuilds on arn:aws:codebuild:eu-west-1:123456789012:project/app", "BuildProjectArns"),
    START: ("codebuild:StartBuild on arn:aws:codebuild:eu-west-1:123456789012:project/app", "AllowStartBuild"),
    EXECUTIONS: (
        "codepipeline:ListPipelineExecutions on arn:aws:codepipeline:eu-west-1:123456789012:app",
        "PipelineArns",
    ),
}


@pytest.mark.parametrize("operation", DENIALS)
def test_without_leave_the_wait_fails_after_a_minute_with_what_to_grant(place: Place, operation: str) -> None:
    builder = {"Pipeline": "app"} if operation == EXECUTIONS else {"BuildProject": "app"}
    with place.proxy.rule(Rule(operation, deny())):
        if operation == GET:
            place.builds.start("app", place=HERE)
        answer = place.wait(**builder, StartBuild="true" if operation == START else "false")

    assert all(words in answer["Reason"] for words in DENIALS[operation])
    assert 60 <= place.seconds <= 66


def test_a_project_that_does_not_exist_fails_after_a_minute(place: Place) -> None:
    answer = place.wait(BuildProject="other")

    assert (
        'the CodeBuild project "other" does not exist in eu-west-1, account 123456789012; correct BuildProject'
        in (answer["Reason"])
    )
    assert 60 <= place.seconds <= 66


# --- starting a build


def test_a_missing_image_starts_its_build_once_and_is_found(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 90}, does=place.push))

    answer = place.wait(BuildProject="app", StartBuild="true")

    assert answer["Status"] == "SUCCESS"
    assert place.calls(START) == {START: 1}
    assert place.seen[0].startswith("the repository has no such image; started build app:")


def test_a_build_that_the_same_function_started_for_another_wait_is_not_ours(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 40}, does=place.push), Build({"BUILD": 5}, ends="FAILED"))
    place.builds.start("app", place=HERE)
    place.clock.plan(2, lambda: place.service.start("app", "another", Deadline(math.inf, place.clock)))

    assert place.wait(BuildProject="app")["Status"] == "SUCCESS"


def test_the_same_event_again_starts_no_second_build(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 900}))
    request = event(BuildProject="app", StartBuild="true")
    # The first process dies when it has started the build, and has noted it nowhere.
    place.clock.plan(0.5, die)
    with pytest.raises(Killed):
        place.world.run(request)

    place.clock.time += 360.0
    again = place.new_world()
    again.ecr = place.world.ecr
    again.restart()
    again.run(request)

    assert len(place.builds.runs("app", place=HERE)) == 1
    assert place.calls(START) == {START: 1}


def test_a_hand_over_takes_the_build_along(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 200}, does=place.push))
    place.world.timeout = 60.0

    answer = place.wait(BuildProject="app", StartBuild="true", MaxRetries="15")

    assert answer["Status"] == "SUCCESS"
    assert place.calls(START) == {START: 1}
    (build,) = place.builds.runs("app", place=HERE)
    assert place.world.functions.events[0]["EcrImageWaiter"]["own"] == {"run": build.id}


def test_too_many_builds_at_once_are_waited_out(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 5}, does=place.push))
    busy = Rule(START, throttle("AccountLimitExceededException"), times=2)
    with place.proxy.rule(busy):
        answer = place.wait(BuildProject="app", StartBuild="true")

    assert answer["Status"] == "SUCCESS"


def test_a_single_check_starts_nothing(place: Place) -> None:
    place.wait(BuildProject="app", StartBuild="true", MaxRetries="0")

    assert place.calls(START) == {START: 0}


@pytest.mark.parametrize(
    ("kind", "stack", "starts"),
    [
        ("Create", "CREATE_IN_PROGRESS", 1),
        ("Update", "UPDATE_IN_PROGRESS", 1),
        ("Create", "ROLLBACK_IN_PROGRESS", 0),
        ("Create", aws_error("AccessDenied", operation="DescribeStacks"), 1),
        ("Create", aws_error("Throttling", operation="DescribeStacks"), 0),
        ("Update", aws_error("Throttling", operation="DescribeStacks"), 0),
    ],
)
def test_nothing_is_started_for_a_stack_that_may_not_wait_for_it(kind: str, stack: Any, starts: int) -> None:
    place = Place(stack=(stack,))
    try:
        place.builds.play("app", Build({"BUILD": 5}, does=place.push))
        with suppress(StackUnknown):  # an Update that would fail
            place.world.run(event(kind, BuildProject="app", StartBuild="true", MaxRetries="2"))

        assert place.calls(START) == {START: starts}
    finally:
        place.close()


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_a_rollback_and_a_delete_start_and_follow_nothing(kind: str) -> None:
    place = Place(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    try:
        assert place.wait(kind, BuildProject="app", StartBuild="true")["Status"] == "SUCCESS"
        assert place.calls(LIST, START) == {LIST: 0, START: 0}
    finally:
        place.close()


def test_a_direct_invocation_fails_with_the_build_s_error(place: Place) -> None:
    place.builds.play("app", Build({"BUILD": 5}, ends="FAILED"))

    with pytest.raises(GaveUp, match=" failed in BUILD"):
        place.world.run({"RepositoryName": "app", "ImageTag": "v1", "BuildProject": "app", "StartBuild": True})


# --- pipelines


def test_a_pipeline_that_fails_in_its_source_ends_the_wait_with_stage_action_and_message(place: Place) -> None:
    place.builds.play_pipeline("app", Execution({"Checkout": Action(8, fails="The repository could not be found")}))
    place.create_pipeline()

    answer = place.wait(Pipeline="app")

    (run,) = place.builds.pipeline_runs("app", place=HERE)
    assert (
        f'execution {run.id} of the pipeline "app" failed in stage Source, action Checkout: '
        "The repository could not be found; fix the build (https://"
    ) in answer["Reason"]
    assert 8 <= place.seconds <= 8 + 7.6


def test_following_a_pipeline_costs_two_calls_a_check(place: Place) -> None:
    place.builds.play_pipeline("app", Execution({"Docker": Action(60, does=place.push)}))
    place.create_pipeline()

    assert place.wait(Pipeline="app")["Status"] == "SUCCESS"

    waited = len(place.seen) - 1
    assert place.calls(EXECUTIONS) == {EXECUTIONS: waited}
    assert waited - 1 <= place.calls(ACTIONS)[ACTIONS] <= waited  # the last may see it succeeded, which says all
    assert any(seen.endswith("is under way in stage Source, action Checkout") for seen in place.seen)
    assert any(seen.endswith("is under way in stage Build, action Docker") for seen in place.seen)


def test_a_superseded_execution_passes_the_baton_to_its_successor(place: Place) -> None:
    slow = Execution({"Docker": Action(100)})
    place.builds.play_pipeline("app", slow, slow, Execution({"Docker": Action(10, does=place.push)}))
    place.create_pipeline()
    place.clock.plan(10, lambda: place.builds.start_pipeline("app", place=HERE))
    place.clock.plan(20, lambda: overtake(place.builds.pipeline_runs("app", place=HERE)[1]))

    def overtake(second: Run) -> None:
        place.builds.start_pipeline("app", place=HERE, supersedes=second)

    answer = place.wait(Pipeline="app")

    assert answer["Status"] == "SUCCESS"
    assert [run.status for run in place.builds.pipeline_runs("app", place=HERE)][1] == "SUPERSEDED"


def test_a_missing_image_starts_its_pipeline_once(place: Place) -> None:
    place.builds.play_pipeline("app", Execution(), Execution({"Docker": Action(30, does=place.push)}))
    place.create_pipeline()
    place.clock.time += 60

    place.world.run_to_the_end(signed_now(place, Pipeline="app", StartBuild="true"))

    assert place.world.response["Status"] == "SUCCESS"
    assert place.calls(EXECUTE) == {EXECUTE: 1}


def test_what_an_execution_s_actions_do_not_tell_is_left_out(place: Place) -> None:
    place.builds.play_pipeline("app", Execution({"Checkout": Action(8, fails="The repository could not be found")}))
    place.create_pipeline()
    with place.proxy.rule(Rule(ACTIONS, deny())):
        reason = place.wait(Pipeline="app")["Reason"]

    assert 'of the pipeline "app" failed; fix the build (https://' in reason
