"""The sandbox's CodeBuild and CodePipeline answer as botocore's models say, and play runs as their scripts go.

Every answer that the front makes itself, an error too, is compared with the model of its operation. Time is a fake
clock's.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from sandbox import images
from sandbox.builds import CALLER, Action, Build, Builds, Execution
from sandbox.builds.calls import PAGE, TOKEN_SECONDS, Answer
from sandbox.builds.front import Call
from sandbox.builds.scripts import PHASES
from sandbox.ecr.standalone import standalone
from sandbox.proxy import Proxy, Rule, deny
from tests.fakes import NOW, FakeClock
from tests.shapes import faults

ACCOUNT: Final = "123456789012"
OTHER: Final = "210987654321"
PROJECT: Final[dict[str, Any]] = {
    "source": {"type": "GITHUB", "location": "https://github.com/example/app.git"},
    "artifacts": {"type": "NO_ARTIFACTS"},
    "environment": {"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
    "serviceRole": f"arn:aws:iam::{ACCOUNT}:role/build",
}
NO_BUILD: Final = "app:00000000-0000-0000-0000-000000000000"
NO_EXECUTION: Final = "00000000-0000-0000-0000-000000000000"


class Watched(Builds):
    """A front that compares its own answers with the models."""

    def __init__(self, passes_on: str | None = None) -> None:
        self.faults: list[str] = []
        self.time = FakeClock()
        super().__init__(passes_on, clock=self.time)

    def answer(self, call: Call) -> tuple[int, Answer]:
        status, answer = super().answer(call)
        self.faults += faults(call.service, call.operation, status, answer)
        return status, answer


@pytest.fixture(scope="module")
def served() -> Iterator[Watched]:
    with Watched() as builds:
        yield builds


@pytest.fixture
def front(served: Watched) -> Iterator[Watched]:
    served.reset()
    served.time.time = NOW
    yield served
    assert served.faults == []


@pytest.fixture
def codebuild(front: Watched) -> Any:
    return with_project(front.client("codebuild"))


@pytest.fixture
def codepipeline(front: Watched) -> Any:
    return front.client("codepipeline")


def with_project(client: Any, name: str = "app") -> Any:
    client.create_project(name=name, **PROJECT)
    return client


def start(client: Any, project: str = "app", **parameters: Any) -> dict[str, Any]:
    build: dict[str, Any] = client.start_build(projectName=project, **parameters)["build"]
    return build


def look(client: Any, build: dict[str, Any]) -> dict[str, Any]:
    """Return a build as BatchGetBuilds has it now."""
    (found,) = client.batch_get_builds(ids=[build["id"]])["builds"]
    answer: dict[str, Any] = found
    return answer


def phase(build: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in build["phases"] if each["phaseType"] == name)
    return found


def outcomes(build: dict[str, Any]) -> dict[str, str]:
    """Return the status of each phase that has one and does not merely say SUCCEEDED."""
    said = {each["phaseType"]: each.get("phaseStatus", "") for each in build["phases"]}
    return {name: status for name, status in said.items() if status not in ("SUCCEEDED", "")}


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


# --- Projects -------------------------------------------------------------------------------------------------------


def test_a_project_is_found_by_its_name_and_by_its_arn_until_it_is_deleted(codebuild: Any) -> None:
    arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/app"
    answer = codebuild.batch_get_projects(names=["app", "other", arn])
    assert [project["arn"] for project in answer["projects"]] == [arn, arn]
    assert answer["projectsNotFound"] == ["other"]

    codebuild.delete_project(name="app")

    assert codebuild.batch_get_projects(names=["app"])["projectsNotFound"] == ["app"]
    codebuild.delete_project(name="app")


def test_a_project_is_created_once_in_each_account_and_region(front: Watched, codebuild: Any) -> None:
    assert code_of(with_project, client=codebuild) == "ResourceAlreadyExistsException"
    with_project(front.client(account=OTHER))
    with_project(front.client(region="eu-west-1"))


def test_the_projects_may_be_another_services() -> None:
    with Builds(clock=FakeClock()) as behind, Watched(behind.url) as front:
        client = with_project(front.client())
        assert behind.client().batch_get_projects(names=["app"])["projects"]
        build = start(client)
        behind.client().delete_project(name="app")
        assert code_of(start, client=client) == "ResourceNotFoundException"
        assert look(client, build)["id"] == build["id"]
        assert behind.runs("app") == []
        with_project(client)
        arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/app"
        assert client.batch_get_projects(names=[arn])["projects"]
        assert code_of(start, client=client, project=arn) == "ResourceNotFoundException"
        assert front.faults == []


def test_a_name_in_another_account_or_region_is_another_project(front: Watched, codebuild: Any) -> None:
    build = start(codebuild)
    for client in (front.client(account=OTHER), front.client(region="eu-west-1")):
        assert code_of(start, client=client) == "ResourceNotFoundException"
        assert client.batch_get_builds(ids=[build["id"]])["buildsNotFound"] == [build["id"]]


# --- Builds ---------------------------------------------------------------------------------------------------------


def test_a_build_goes_through_its_phases_in_their_time(front: Watched, codebuild: Any) -> None:
    seconds = {name: float(number) for number, name in enumerate(PHASES[:-1], 1)}
    front.play("app", Build(seconds))
    build = start(codebuild)
    seen = [(build["currentPhase"], build["buildStatus"], build["buildComplete"])]
    for name in PHASES[:-1]:
        front.time.time += seconds[name] - 0.5
        assert look(codebuild, build)["currentPhase"] == name
        front.time.time += 0.5
        now = look(codebuild, build)
        seen.append((now["currentPhase"], now["buildStatus"], now["buildComplete"]))
        assert phase(now, name)["durationInSeconds"] == seconds[name]
    assert seen == [*((name, "IN_PROGRESS", False) for name in PHASES[:-1]), ("COMPLETED", "SUCCEEDED", True)]
    ended = look(codebuild, build)
    assert ended["startTime"].timestamp() == NOW
    assert ended["endTime"].timestamp() == NOW + 55
    assert [each["phaseType"] for each in ended["phases"]] == list(PHASES)


def test_a_phase_under_way_has_a_beginning_alone_and_so_has_its_build(front: Watched, codebuild: Any) -> None:
    front.play("app", Build({"QUEUED": 2}))
    build = start(codebuild)
    assert phase(build, "QUEUED").keys() == {"phaseType", "startTime"}
    assert "endTime" not in build


@pytest.mark.parametrize("ending", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
@pytest.mark.parametrize("name", PHASES[:-1])
def test_a_build_can_end_badly_in_any_phase_with_its_message(
    front: Watched, codebuild: Any, name: str, ending: Any
) -> None:
    front.play("app", Build({name: 8}, ends=ending, phase=name, code="SOME_ERROR", message="no space left"))
    build = start(codebuild)
    front.time.time += 7.9
    assert look(codebuild, build)["buildStatus"] == "IN_PROGRESS"

    front.time.time += 0.1
    ended = look(codebuild, build)

    assert (ended["buildStatus"], ended["currentPhase"], ended["buildComplete"]) == (ending, "COMPLETED", True)
    assert outcomes(ended) == {name: ending}
    if name not in ("SUBMITTED", "QUEUED"):
        assert phase(ended, name)["contexts"] == [{"statusCode": "SOME_ERROR", "message": "no space left"}]


@pytest.mark.parametrize(
    ("name", "ending", "after"),
    [
        ("PRE_BUILD", "FAILED", ("FINALIZING", "COMPLETED")),
        ("BUILD", "FAILED", ("POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED")),
        ("POST_BUILD", "FAILED", ("UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED")),
        ("BUILD", "TIMED_OUT", ("FINALIZING", "COMPLETED")),
    ],
)
def test_what_comes_after_a_failure_depends_on_where_it_was(
    front: Watched, codebuild: Any, name: str, ending: Any, after: tuple[str, ...]
) -> None:
    front.play("app", Build({}, ends=ending, phase=name))
    names = [each["phaseType"] for each in start(codebuild)["phases"]]
    assert names == [*PHASES[: PHASES.index(name) + 1], *after]


def test_a_build_that_failed_in_build_is_in_progress_until_it_is_completed(front: Watched, codebuild: Any) -> None:
    front.play("app", Build({"BUILD": 8, "FINALIZING": 2}, ends="FAILED"))
    build = start(codebuild)
    front.time.time += 9
    now = look(codebuild, build)
    assert (now["buildStatus"], phase(now, "BUILD")["phaseStatus"]) == ("IN_PROGRESS", "FAILED")
    front.time.time += 1
    assert look(codebuild, build)["buildStatus"] == "FAILED"


def test_what_a_build_does_is_done_once_at_the_end_of_its_phase(front: Watched, codebuild: Any) -> None:
    done: list[float] = []
    front.play("app", Build({"BUILD": 8, "FINALIZING": 2}, does=lambda: done.append(front.time.now())))
    start(codebuild)
    front.time.time += 7.9
    front.advance()
    assert done == []
    front.time.time += 0.1
    front.advance()
    front.time.time += 100
    front.advance()
    assert done == [NOW + 8]


@pytest.mark.parametrize("ending", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_a_build_that_fails_before_its_end_of_build_does_nothing(front: Watched, codebuild: Any, ending: Any) -> None:
    done: list[str] = []
    front.play("app", Build({}, ends=ending, does=lambda: done.append("done")))
    start(codebuild)
    front.advance()
    assert done == []


def test_a_build_that_fails_after_build_has_done_what_it_does(front: Watched, codebuild: Any) -> None:
    done: list[str] = []
    front.play("app", Build({}, ends="FAILED", phase="POST_BUILD", does=lambda: done.append("done")))
    assert start(codebuild)["buildStatus"] == "FAILED"
    assert done == ["done"]


def test_a_build_fails_if_what_it_does_fails(front: Watched, codebuild: Any) -> None:
    def fail() -> None:
        raise OSError("name unknown: the repository does not exist")

    front.play("app", Build({"BUILD": 8}, does=fail))
    build = start(codebuild)
    front.time.time += 8
    ended = look(codebuild, build)
    assert ended["buildStatus"] == "FAILED"
    (context,) = phase(ended, "BUILD")["contexts"]
    assert context == {
        "statusCode": "COMMAND_EXECUTION_ERROR",
        "message": "Error while executing command: name unknown: the repository does not exist",
    }


def test_an_image_that_a_build_pushes_is_in_its_repository_when_the_build_is_over(
    front: Watched, codebuild: Any
) -> None:
    with standalone() as ecr:
        client = ecr.client()
        client.create_repository(repositoryName="app")
        front.play("app", Build({"BUILD": 8}, does=lambda: images.push(client, "app", "v1")))
        build = start(codebuild)
        front.time.time += 8
        assert look(codebuild, build)["buildStatus"] == "SUCCEEDED"
        assert client.describe_images(repositoryName="app", imageIds=[{"imageTag": "v1"}])["imageDetails"]


def test_scripts_are_played_in_their_order_and_the_last_one_again(front: Watched, codebuild: Any) -> None:
    front.play("app", Build({}, ends="FAILED"), Build({}, ends="FAULT"), Build({}))
    assert [start(codebuild)["buildStatus"] for _ in range(4)] == ["FAILED", "FAULT", "SUCCEEDED", "SUCCEEDED"]


def test_a_script_can_be_there_before_its_project(front: Watched) -> None:
    front.play("later", Build({}, ends="FAULT"))
    assert start(with_project(front.client(), "later"), "later")["buildStatus"] == "FAULT"


def test_a_build_without_a_script_succeeds_after_a_few_seconds(front: Watched, codebuild: Any) -> None:
    build = start(codebuild)
    assert build["buildStatus"] == "IN_PROGRESS"
    front.time.time += 5
    assert look(codebuild, build)["buildStatus"] == "SUCCEEDED"


def test_a_script_of_a_phase_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="BIULD: no phase that takes time"):
        Build({"BIULD": 8})


def test_builds_are_numbered_and_say_who_began_them(front: Watched, codebuild: Any) -> None:
    start(with_project(codebuild, "other"), "other")
    pushed = front.start("app")
    begun = start(codebuild)
    assert [build["buildNumber"] for build in (look(codebuild, {"id": pushed.id}), begun)] == [1, 2]
    assert begun["initiator"] == CALLER
    assert look(codebuild, {"id": pushed.id})["initiator"].startswith("GitHub-Hookshot/")
    assert [build.id for build in front.runs("app")] == [pushed.id, begun["id"]]


def test_the_commit_is_known_once_the_source_is_there(front: Watched, codebuild: Any) -> None:
    gone = Build({}, ends="FAILED", phase="DOWNLOAD_SOURCE")
    front.play("app", gone, Build({"DOWNLOAD_SOURCE": 3, "BUILD": 1}, commit="c0ffee"))
    assert "resolvedSourceVersion" not in start(codebuild)
    build = start(codebuild, sourceVersion="main")
    assert build["sourceVersion"] == "main"
    assert "resolvedSourceVersion" not in build
    front.time.time += 3
    assert look(codebuild, build)["resolvedSourceVersion"] == "c0ffee"


def test_the_link_to_the_log_leads_nowhere_before_provisioning(front: Watched, codebuild: Any) -> None:
    front.play("app", Build({"QUEUED": 3, "PROVISIONING": 3}))
    build = start(codebuild)
    assert build["logs"]["deepLink"].endswith("#logsV2:log-groups/log-group/null/log-events/null")
    assert "groupName" not in build["logs"]
    front.time.time += 3
    logs = look(codebuild, build)["logs"]
    assert (logs["groupName"], logs["streamName"]) == ("/aws/codebuild/app", build["id"].removeprefix("app:"))
    assert logs["deepLink"].endswith(f"log-group/$252Faws$252Fcodebuild$252Fapp/log-events/{logs['streamName']}")


def test_a_build_can_be_stopped_once(front: Watched, codebuild: Any) -> None:
    done: list[str] = []
    front.play("app", Build({"BUILD": 8}, does=lambda: done.append("done")))
    build = start(codebuild)
    front.time.time += 5
    stopped = codebuild.stop_build(id=build["id"])["build"]
    assert (stopped["buildStatus"], stopped["endTime"].timestamp()) == ("STOPPED", NOW + 5)
    assert outcomes(stopped) == {"BUILD": "STOPPED"}
    front.time.time += 5
    assert codebuild.stop_build(id=build["id"])["build"] == look(codebuild, build) == {**stopped}
    assert done == []


def test_a_build_that_has_ended_stays_as_it_ended(front: Watched, codebuild: Any) -> None:
    front.play("app", Build({}))
    build = start(codebuild)
    assert codebuild.stop_build(id=build["id"])["build"]["buildStatus"] == "SUCCEEDED"


def test_builds_that_there_are_not_are_said_to_be_missing(codebuild: Any) -> None:
    build = start(codebuild)
    answer = codebuild.batch_get_builds(ids=[NO_BUILD, build["id"]])
    assert [each["id"] for each in answer["builds"]] == [build["id"]]
    assert answer["buildsNotFound"] == [NO_BUILD]
    assert code_of(codebuild.stop_build, id=NO_BUILD) == "ResourceNotFoundException"


@pytest.mark.parametrize("ids", [["app"], ["app:1"], [NO_BUILD] * (PAGE + 1)], ids=["name", "number", "too many"])
def test_ids_that_are_none_or_too_many_are_refused(codebuild: Any, ids: list[str]) -> None:
    assert code_of(codebuild.batch_get_builds, ids=ids) == "InvalidInputException"


def test_a_project_that_is_not_there_has_no_builds_to_start_or_list(codebuild: Any) -> None:
    arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/other"
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException, match=f"Project cannot be found: {arn}"):
        start(codebuild, "other")
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException, match=arn):
        codebuild.list_builds_for_project(projectName="other")


def test_builds_outlive_their_project(codebuild: Any) -> None:
    build = start(codebuild)
    codebuild.delete_project(name="app")
    assert look(codebuild, build)["projectName"] == "app"
    assert code_of(codebuild.list_builds_for_project, projectName="app") == "ResourceNotFoundException"


def test_the_builds_of_a_project_come_newest_first_in_pages(front: Watched, codebuild: Any) -> None:
    assert codebuild.list_builds_for_project(projectName="app")["ids"] == []
    with_project(codebuild, "other")
    front.start("other")
    ids = [front.start("app").id for _ in range(PAGE)]
    assert codebuild.list_builds_for_project(projectName="app")["ids"] == ids[::-1]
    assert codebuild.list_builds_for_project(projectName="app", sortOrder="ASCENDING")["ids"] == ids
    ids.append(front.start("app").id)
    pages = list(codebuild.get_paginator("list_builds_for_project").paginate(projectName="app"))
    assert [len(page["ids"]) for page in pages] == [PAGE, 1]
    assert [build for page in pages for build in page["ids"]] == ids[::-1]
    assert len(codebuild.list_builds()["ids"]) == PAGE


def test_more_builds_than_a_page_cannot_be_sorted(front: Watched, codebuild: Any) -> None:
    for _ in range(PAGE + 1):
        front.start("app")
    call = {"projectName": "app", "sortOrder": "DESCENDING"}
    assert code_of(codebuild.list_builds_for_project, **call) == "InvalidInputException"


def test_a_token_that_nobody_gave_is_refused(codebuild: Any, codepipeline: Any) -> None:
    create(codepipeline)
    assert code_of(codebuild.list_builds, nextToken="x") == "InvalidInputException"
    for operation in (codepipeline.list_pipeline_executions, codepipeline.list_action_executions):
        assert code_of(operation, pipelineName="app", nextToken="x") == "InvalidNextTokenException"


def test_a_build_is_started_once_for_each_token_within_five_minutes(front: Watched, codebuild: Any) -> None:
    first = start(codebuild, idempotencyToken="one")
    front.time.time += TOKEN_SECONDS - 1
    assert start(codebuild, idempotencyToken="one")["id"] == first["id"]
    assert start(codebuild, idempotencyToken="two")["id"] != first["id"]
    front.time.time += 1
    assert start(codebuild, idempotencyToken="one")["id"] != first["id"]
    assert len(front.runs("app")) == 3


def test_a_forgotten_token_starts_another_run_and_those_of_other_names_are_still_good(
    front: Watched, codebuild: Any, codepipeline: Any
) -> None:
    with_project(codebuild, "other")
    create(codepipeline)
    build, other = start(codebuild, idempotencyToken="one"), start(codebuild, "other", idempotencyToken="two")
    execution = execute(codepipeline, clientRequestToken="one")
    front.forget_tokens("app")
    assert start(codebuild, idempotencyToken="one")["id"] != build["id"]
    assert start(codebuild, "other", idempotencyToken="two")["id"] == other["id"]
    assert execute(codepipeline, clientRequestToken="one") != execution


def test_a_token_comes_with_the_same_request_or_is_refused(codebuild: Any) -> None:
    start(codebuild, idempotencyToken="one")
    call = {"client": codebuild, "idempotencyToken": "one", "sourceVersion": "main"}
    assert code_of(start, **call) == "InvalidInputException"


def test_builds_without_a_token_are_different(codebuild: Any) -> None:
    assert start(codebuild)["id"] != start(codebuild)["id"]


# --- Pipelines ------------------------------------------------------------------------------------------------------

SOURCE: Final[dict[str, Any]] = {
    "name": "Checkout",
    "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeStarSourceConnection", "version": "1"},
    "outputArtifacts": [{"name": "SourceOutput"}],
}
BUILD: Final[dict[str, Any]] = {
    "name": "Docker",
    "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
    "configuration": {"ProjectName": "app"},
    "inputArtifacts": [{"name": "SourceOutput"}],
}
TEST: Final = {**BUILD, "name": "Test", "runOrder": 2}
LINT: Final = {**BUILD, "name": "Lint"}
STAGES: Final = (("Source", SOURCE), ("Build", BUILD))
STARTED: Final = "StartPipelineExecution"


def declaration(*stages: tuple[Any, ...], **settings: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/pipeline",
        "artifactStore": {"type": "S3", "location": "artifacts"},
        "stages": [{"name": name, "actions": list(actions)} for name, *actions in stages or STAGES],
        **settings,
    }


def create(client: Any, *stages: tuple[Any, ...], **settings: Any) -> str:
    """Create a pipeline and return the id of the execution that this starts."""
    client.create_pipeline(pipeline=declaration(*stages, **settings))
    return str(summaries(client)[0]["pipelineExecutionId"])


def execute(client: Any, **parameters: Any) -> str:
    return str(client.start_pipeline_execution(name="app", **parameters)["pipelineExecutionId"])


def summaries(client: Any, **parameters: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.list_pipeline_executions(pipelineName="app", **parameters)[
        "pipelineExecutionSummaries"
    ]
    return listed


def status_of(client: Any, execution: str) -> str:
    answer = client.get_pipeline_execution(pipelineName="app", pipelineExecutionId=execution)["pipelineExecution"]
    assert [each["status"] for each in summaries(client) if each["pipelineExecutionId"] == execution] == [
        answer["status"]
    ]
    return str(answer["status"])


def actions_of(client: Any, execution: str) -> list[dict[str, Any]]:
    """Return the actions of an execution as ListActionExecutions has them, in the order of their start."""
    answer = client.list_action_executions(pipelineName="app", filter={"pipelineExecutionId": execution})
    listed: list[dict[str, Any]] = answer["actionExecutionDetails"][::-1]
    assert {each["pipelineExecutionId"] for each in listed} <= {execution}
    return listed


def action_states(client: Any, execution: str) -> dict[str, str]:
    return {each["actionName"]: each["status"] for each in actions_of(client, execution)}


def stage_of(client: Any, name: str) -> dict[str, Any]:
    states = client.get_pipeline_state(name="app")["stageStates"]
    state: dict[str, Any] = next(each for each in states if each["stageName"] == name)
    return state


def test_a_pipeline_starts_when_it_is_created(codepipeline: Any) -> None:
    create(codepipeline)
    (summary,) = summaries(codepipeline)
    assert (summary["status"], summary["trigger"]["triggerType"]) == ("InProgress", "CreatePipeline")


def test_a_pipeline_is_as_it_was_declared_until_it_is_deleted(codepipeline: Any) -> None:
    create(codepipeline)
    answer = codepipeline.get_pipeline(name="app")
    assert [stage["name"] for stage in answer["pipeline"]["stages"]] == ["Source", "Build"]
    assert answer["pipeline"]["version"] == 1
    assert answer["metadata"]["pipelineArn"] == f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:app"
    assert code_of(create, client=codepipeline) == "PipelineNameInUseException"

    codepipeline.delete_pipeline(name="app")
    codepipeline.delete_pipeline(name="app")

    assert code_of(codepipeline.get_pipeline, name="app") == "PipelineNotFoundException"


def test_nothing_is_known_of_a_pipeline_that_there_is_not(front: Watched, codepipeline: Any) -> None:
    create(codepipeline)
    other = front.client("codepipeline", account=OTHER)
    execution = {"pipelineName": "app", "pipelineExecutionId": NO_EXECUTION}
    for operation, parameters in (
        (other.start_pipeline_execution, {"name": "app"}),
        (other.get_pipeline_state, {"name": "app"}),
        (other.list_pipeline_executions, {"pipelineName": "app"}),
        (other.list_action_executions, {"pipelineName": "app"}),
        (other.get_pipeline_execution, execution),
        (other.stop_pipeline_execution, execution),
    ):
        assert code_of(operation, **parameters) == "PipelineNotFoundException"


def test_an_execution_that_there_is_not_is_not_found(codepipeline: Any) -> None:
    create(codepipeline)
    execution = {"pipelineName": "app", "pipelineExecutionId": NO_EXECUTION}
    assert code_of(codepipeline.get_pipeline_execution, **execution) == "PipelineExecutionNotFoundException"
    assert code_of(actions_of, client=codepipeline, execution=NO_EXECUTION) == "PipelineExecutionNotFoundException"
    assert code_of(codepipeline.stop_pipeline_execution, **execution) == "PipelineExecutionNotStoppableException"


def test_a_pipeline_of_one_stage_is_refused(codepipeline: Any) -> None:
    assert code_of(codepipeline.create_pipeline, pipeline=declaration(("Source", SOURCE))) == (
        "InvalidStructureException"
    )


def test_actions_take_their_time_one_stage_after_the_other(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(3), "Docker": Action(8), "Test": Action(2)}))
    execution = create(codepipeline, ("Source", SOURCE), ("Build", BUILD, TEST))
    assert action_states(codepipeline, execution) == {"Checkout": "InProgress"}
    front.time.time += 3
    assert action_states(codepipeline, execution) == {"Checkout": "Succeeded", "Docker": "InProgress"}
    front.time.time += 8
    assert action_states(codepipeline, execution)["Test"] == "InProgress"
    assert status_of(codepipeline, execution) == "InProgress"
    front.time.time += 2
    assert status_of(codepipeline, execution) == "Succeeded"
    assert summaries(codepipeline)[0]["lastUpdateTime"].timestamp() == NOW + 13
    ends = {
        each["actionName"]: each["lastUpdateTime"].timestamp() - NOW for each in actions_of(codepipeline, execution)
    }
    assert ends == {"Checkout": 3, "Docker": 11, "Test": 13}


def test_what_is_due_is_done_in_its_order_however_late_somebody_looks(front: Watched, codepipeline: Any) -> None:
    done: list[str] = []
    scripted = {
        "Checkout": Action(3, does=lambda: done.append("Checkout")),
        "Docker": Action(8, does=lambda: done.append("Docker")),
    }
    front.play_pipeline("app", Execution(scripted))
    execution = create(codepipeline)
    front.time.time += 1000
    assert status_of(codepipeline, execution) == "Succeeded"
    assert done == ["Checkout", "Docker"]
    assert summaries(codepipeline)[0]["lastUpdateTime"].timestamp() == NOW + 11


def test_a_failing_action_says_why_in_both_places_and_ends_the_execution(front: Watched, codepipeline: Any) -> None:
    error = {"code": "ConfigurationError", "message": "No Branch [main] found"}
    script = Execution({"Checkout": Action(3, error["message"], code=error["code"])}, summary="It failed")
    front.play_pipeline("app", script)
    execution = create(codepipeline)
    front.time.time += 3

    assert status_of(codepipeline, execution) == "Failed"
    assert summaries(codepipeline)[0]["statusSummary"] == "It failed"
    (action,) = actions_of(codepipeline, execution)
    assert action["output"]["executionResult"]["errorDetails"] == error
    state = stage_of(codepipeline, "Source")
    assert state["latestExecution"]["status"] == "Failed"
    assert state["actionStates"][0]["latestExecution"]["errorDetails"] == error
    assert "latestExecution" not in stage_of(codepipeline, "Build")


def test_a_build_action_names_its_build(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(0), "Docker": Action(8, "Build failed")}))
    execution = create(codepipeline)
    front.time.time += 8
    result = actions_of(codepipeline, execution)[-1]["output"]["executionResult"]
    assert result["externalExecutionId"].startswith("app:")
    assert result["externalExecutionId"] in result["externalExecutionUrl"]
    assert result["externalExecutionSummary"] == "Build terminated with state: FAILED"
    latest = stage_of(codepipeline, "Build")["actionStates"][0]["latestExecution"]
    assert (latest["externalExecutionId"], latest["externalExecutionUrl"], latest["summary"]) == (
        result["externalExecutionId"],
        result["externalExecutionUrl"],
        result["externalExecutionSummary"],
    )


def test_an_action_fails_if_what_it_does_fails(front: Watched, codepipeline: Any) -> None:
    def fail() -> None:
        raise OSError("name unknown")

    front.play_pipeline("app", Execution({"Checkout": Action(0), "Docker": Action(0, does=fail)}))
    execution = create(codepipeline)
    front.advance()
    details = actions_of(codepipeline, execution)[-1]["output"]["executionResult"]["errorDetails"]
    assert details == {"code": "JobFailed", "message": "name unknown"}


def test_an_action_beside_a_failing_one_ends_before_the_execution_does(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(0), "Lint": Action(2, "unused"), "Docker": Action(8)}))
    execution = create(codepipeline, ("Source", SOURCE), ("Build", BUILD, LINT, TEST))
    front.time.time += 2
    assert action_states(codepipeline, execution) == {
        "Checkout": "Succeeded",
        "Docker": "InProgress",
        "Lint": "Failed",
    }
    assert status_of(codepipeline, execution) == "InProgress"
    front.time.time += 6
    assert status_of(codepipeline, execution) == "Failed"
    assert "Test" not in action_states(codepipeline, execution)


def test_an_execution_says_what_it_was_started_by_and_on_which_commit(front: Watched, codepipeline: Any) -> None:
    create(codepipeline)
    front.time.time += 10
    front.play_pipeline("app", Execution(revision="c0ffee"))
    pushed = front.start_pipeline("app").id
    front.time.time += 10
    begun = execute(codepipeline)
    front.time.time += 1
    summary = {each["pipelineExecutionId"]: each for each in summaries(codepipeline)}
    assert summary[pushed]["trigger"]["triggerType"] == "WebhookV2"
    assert summary[begun]["trigger"] == {
        "triggerType": STARTED,
        "triggerDetail": f"arn:aws:sts::{ACCOUNT}:assumed-role/{CALLER}",
    }
    (revision,) = summary[begun]["sourceRevisions"]
    assert (revision["actionName"], revision["revisionId"]) == ("Checkout", "c0ffee")
    found = codepipeline.get_pipeline_execution(pipelineName="app", pipelineExecutionId=begun)["pipelineExecution"]
    assert [(each["name"], each["revisionId"]) for each in found["artifactRevisions"]] == [("SourceOutput", "c0ffee")]
    assert [each.id for each in front.pipeline_runs("app")][1:] == [pushed, begun]


def test_executions_come_newest_first_in_pages_and_filtered_by_stage(front: Watched, codepipeline: Any) -> None:
    good, bad = Execution(), Execution({"Docker": Action(0, "no")})
    front.play_pipeline("app", good, bad, good)
    ids = [create(codepipeline)]
    for _ in range(2):
        front.time.time += 10
        ids.append(execute(codepipeline))
    front.time.time += 10
    listed = codepipeline.list_pipeline_executions(pipelineName="app", maxResults=2)
    assert [each["pipelineExecutionId"] for each in listed["pipelineExecutionSummaries"]] == ids[:0:-1]
    rest = summaries(codepipeline, maxResults=2, nextToken=listed["nextToken"])
    assert [each["pipelineExecutionId"] for each in rest] == ids[:1]
    built = summaries(codepipeline, filter={"succeededInStage": {"stageName": "Build"}})
    assert [each["pipelineExecutionId"] for each in built] == [ids[2], ids[0]]
    fetched = summaries(codepipeline, filter={"succeededInStage": {"stageName": "Source"}})
    assert len(fetched) == 3


def test_actions_come_newest_first_in_pages(front: Watched, codepipeline: Any) -> None:
    create(codepipeline)
    front.time.time += 10
    pages = codepipeline.get_paginator("list_action_executions").paginate(
        pipelineName="app", PaginationConfig={"PageSize": 1}
    )
    assert [[each["actionName"] for each in page["actionExecutionDetails"]] for page in pages] == [
        ["Docker"],
        ["Checkout"],
    ]


# --- Executions that meet -------------------------------------------------------------------------------------------


def test_a_newer_execution_overtakes_one_that_waits_between_stages(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(1), "Docker": Action(30)}))
    first = create(codepipeline)
    front.time.time += 2
    second = execute(codepipeline)
    front.time.time += 2
    assert status_of(codepipeline, second) == "InProgress"
    assert stage_of(codepipeline, "Build")["inboundExecution"]["pipelineExecutionId"] == second
    third = execute(codepipeline)
    front.time.time += 2
    assert [status_of(codepipeline, each) for each in (first, second, third)] == [
        "InProgress",
        "Superseded",
        "InProgress",
    ]
    assert stage_of(codepipeline, "Build")["latestExecution"]["pipelineExecutionId"] == first
    front.time.time += 25
    assert status_of(codepipeline, first) == "Succeeded"
    assert stage_of(codepipeline, "Build")["latestExecution"]["pipelineExecutionId"] == third
    front.time.time += 30
    assert status_of(codepipeline, third) == "Succeeded"
    assert action_states(codepipeline, second) == {"Checkout": "Succeeded"}


def test_queued_executions_go_in_the_order_of_their_start(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(1), "Docker": Action(10)}))
    ids = [create(codepipeline, executionMode="QUEUED"), execute(codepipeline), execute(codepipeline)]
    front.time.time += 31
    assert [status_of(codepipeline, each) for each in ids] == ["Succeeded"] * 3
    ends = {each["pipelineExecutionId"]: each["lastUpdateTime"].timestamp() - NOW for each in summaries(codepipeline)}
    assert [ends[each] for each in ids] == [11, 21, 31]


def test_parallel_executions_do_not_meet(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(1), "Docker": Action(10)}))
    ids = [create(codepipeline, executionMode="PARALLEL"), execute(codepipeline), execute(codepipeline)]
    front.time.time += 11
    assert [status_of(codepipeline, each) for each in ids] == ["Succeeded"] * 3


def test_a_failure_lets_the_next_execution_in(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Docker": Action(5, "no")}), Execution())
    first = create(codepipeline)
    second = execute(codepipeline)
    front.time.time += 6
    assert status_of(codepipeline, first) == "Failed"
    assert action_states(codepipeline, second)["Docker"] == "InProgress"


def test_what_is_due_is_done_before_a_push_starts_another_execution(front: Watched, codepipeline: Any) -> None:
    first = create(codepipeline)
    front.time.time += 10
    second = front.start_pipeline("app").id
    assert [status_of(codepipeline, each) for each in (first, second)] == ["Succeeded", "InProgress"]
    assert actions_of(codepipeline, second)[0]["startTime"].timestamp() == NOW + 10


def test_what_an_action_does_last_is_its_state(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(1, "no")}), Execution())
    create(codepipeline)
    front.time.time += 10
    last = execute(codepipeline)
    state = stage_of(codepipeline, "Source")["actionStates"][0]["latestExecution"]
    assert (state["actionExecutionId"], state["status"]) == (
        actions_of(codepipeline, last)[0]["actionExecutionId"],
        "InProgress",
    )


def test_an_execution_that_is_abandoned_lets_the_next_one_in(front: Watched, codepipeline: Any) -> None:
    first, second = create(codepipeline), execute(codepipeline)
    assert action_states(codepipeline, second) == {}
    codepipeline.stop_pipeline_execution(pipelineName="app", pipelineExecutionId=first, abandon=True)
    assert action_states(codepipeline, second) == {"Checkout": "InProgress"}


def test_stopping_waits_for_what_is_running(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(3)}))
    execution = create(codepipeline)
    call = {"pipelineName": "app", "pipelineExecutionId": execution, "reason": "wrong commit"}
    codepipeline.stop_pipeline_execution(**call)
    assert status_of(codepipeline, execution) == "Stopping"
    assert code_of(codepipeline.stop_pipeline_execution, **call) == "DuplicatedStopRequestException"
    front.time.time += 3
    assert status_of(codepipeline, execution) == "Stopped"
    assert summaries(codepipeline)[0]["stopTrigger"] == {"reason": "wrong commit"}
    assert action_states(codepipeline, execution) == {"Checkout": "Succeeded"}
    assert stage_of(codepipeline, "Source")["latestExecution"]["status"] == "Stopped"
    assert code_of(codepipeline.stop_pipeline_execution, **call) == "PipelineExecutionNotStoppableException"


@pytest.mark.parametrize("waited", [False, True])
def test_stopping_can_abandon_what_is_running(front: Watched, codepipeline: Any, *, waited: bool) -> None:
    done: list[str] = []
    front.play_pipeline("app", Execution({"Checkout": Action(3, does=lambda: done.append("done"))}))
    execution = create(codepipeline)
    call = {"pipelineName": "app", "pipelineExecutionId": execution}
    if waited:
        codepipeline.stop_pipeline_execution(**call)
    codepipeline.stop_pipeline_execution(**call, abandon=True)
    assert status_of(codepipeline, execution) == "Stopped"
    assert action_states(codepipeline, execution) == {"Checkout": "Abandoned"}
    front.time.time += 5
    front.advance()
    assert done == []


def test_an_execution_that_waits_is_stopped_at_once(front: Watched, codepipeline: Any) -> None:
    front.play_pipeline("app", Execution({"Checkout": Action(30)}))
    create(codepipeline)
    waiting = execute(codepipeline)
    codepipeline.stop_pipeline_execution(pipelineName="app", pipelineExecutionId=waiting)
    assert status_of(codepipeline, waiting) == "Stopped"


def test_a_changed_declaration_cancels_what_is_under_way(front: Watched, codepipeline: Any) -> None:
    execution = create(codepipeline)
    codepipeline.update_pipeline(pipeline=declaration(("Get", SOURCE), ("Build", BUILD)))
    assert status_of(codepipeline, execution) == "Cancelled"
    front.time.time += 5
    newer = execute(codepipeline)
    front.time.time += 5
    assert status_of(codepipeline, newer) == "Succeeded"
    assert {each["pipelineVersion"] for each in actions_of(codepipeline, newer)} == {2}
    unknown = {**declaration(), "name": "other"}
    assert code_of(codepipeline.update_pipeline, pipeline=unknown) == "InvalidStructureException"


def test_an_execution_is_started_once_for_each_token_within_five_minutes(front: Watched, codepipeline: Any) -> None:
    create(codepipeline)
    first = execute(codepipeline, clientRequestToken="one")
    front.time.time += TOKEN_SECONDS - 1
    assert execute(codepipeline, clientRequestToken="one") == first
    front.time.time += 1
    assert execute(codepipeline, clientRequestToken="one") != first
    call = {"client": codepipeline, "clientRequestToken": "one", "variables": [{"name": "a", "value": "b"}]}
    assert code_of(execute, **call) == "ValidationException"


# --- The front ------------------------------------------------------------------------------------------------------


def test_what_is_due_is_done_on_the_systems_clock_when_nobody_asks() -> None:
    pushed = threading.Event()
    with Builds() as builds:
        with_project(builds.client())
        builds.play("app", Build({"BUILD": 0.05}, does=pushed.set))
        builds.start("app")
        assert pushed.wait(10)


def test_an_operation_that_is_not_played_is_refused() -> None:
    with Builds(clock=FakeClock()) as front:
        for operation in (front.client().list_reports, front.client("codepipeline").list_webhooks):
            assert code_of(operation) == "UnknownOperationException"


def test_a_reset_forgets_scripts_runs_projects_pipelines_and_tokens(
    front: Watched, codebuild: Any, codepipeline: Any
) -> None:
    front.play("app", Build({}, ends="FAULT"))
    start(codebuild, idempotencyToken="one")
    create(codepipeline)
    front.reset()
    assert code_of(start, client=codebuild) == "ResourceNotFoundException"
    with_project(codebuild)
    assert start(codebuild, idempotencyToken="one", sourceVersion="main")["buildStatus"] == "IN_PROGRESS"
    assert len(front.runs("app")) == 1
    assert create(codepipeline)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "resource"),
    [
        ("codebuild", "StartBuild", {"projectName": "app"}, "project/app"),
        ("codebuild", "BatchGetBuilds", {"ids": [NO_BUILD]}, "project/app"),
        ("codebuild", "StopBuild", {"id": NO_BUILD}, "project/app"),
        ("codebuild", "ListBuilds", {}, "*"),
        ("codepipeline", "StartPipelineExecution", {"name": "app"}, "app"),
        ("codepipeline", "ListPipelineExecutions", {"pipelineName": "app"}, "app"),
    ],
)
def test_a_call_that_the_proxy_denies_names_the_project_or_the_pipeline(
    front: Watched, service: str, operation: str, parameters: dict[str, Any], resource: str
) -> None:
    action = f"{service}:{operation}"
    with Proxy(front.url) as proxy, proxy.rule(Rule(action, deny())):
        client = boto3.client(
            service,
            endpoint_url=proxy.url,
            region_name="eu-west-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="sandbox",  # noqa: S106  # made up
        )
        with pytest.raises(ClientError) as caught:
            getattr(client, xform_name(operation))(**parameters)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    arn = "*" if resource == "*" else f"arn:aws:{service}:eu-west-1:{ACCOUNT}:{resource}"
    assert f"to perform: {action} on resource: {arn} because" in str(caught.value)
