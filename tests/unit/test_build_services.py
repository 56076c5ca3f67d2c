"""What is made of answers of CodeBuild and CodePipeline that say less than usual: no field of theirs is promised."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import StringShape
from botocore.session import get_session

from ecr_image_waiter.aws.builds import CodeBuild, CodePipeline
from ecr_image_waiter.core.builds import Broken, BuildRun, NoRun, RunStatus, UnderWay, judge_runs
from ecr_image_waiter.core.deadline import Deadline
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import as_client

SOON = Deadline(NOW + 10.0, FakeClock())
ARN = "arn:aws:codebuild:eu-west-1:123456789012:build/app:1"


def at(seconds: float) -> datetime:
    """Return a moment so many seconds after the wait began."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


class Builds:
    """CodeBuild with these builds."""

    def __init__(self, *builds: dict[str, Any]) -> None:
        self._builds = builds

    def list_builds_for_project(self, **_: Any) -> Any:
        return {"ids": [build["id"] for build in self._builds]}

    def batch_get_builds(self, **_: Any) -> Any:
        return {"builds": list(self._builds)}

    def start_build(self, **_: Any) -> Any:
        return {"build": self._builds[0]}


class Executions:
    """CodePipeline with these executions, and these actions of each."""

    def __init__(self, *executions: dict[str, Any], actions: Sequence[dict[str, Any]] = ()) -> None:
        self._executions = executions
        self._actions = actions

    def list_pipeline_executions(self, **_: Any) -> Any:
        return {"pipelineExecutionSummaries": list(self._executions)}

    def list_action_executions(self, **_: Any) -> Any:
        return {"actionExecutionDetails": list(self._actions)}

    def start_pipeline_execution(self, **_: Any) -> Any:
        return {"pipelineExecutionId": "1"}


def builds(*answers: dict[str, Any]) -> Sequence[BuildRun]:
    found = CodeBuild(lambda _: as_client(Builds(*answers)), lambda path: path).runs("app", "", SOON)
    assert isinstance(found, Sequence)
    return found


def pipeline(*answers: dict[str, Any], actions: Sequence[dict[str, Any]] = ()) -> CodePipeline:
    client = Executions(*answers, actions=actions)
    return CodePipeline(lambda _: as_client(client), lambda path: path, lambda: NOW)


def executions(*answers: dict[str, Any]) -> Sequence[BuildRun]:
    found = pipeline(*answers).runs("app", "", SOON)
    assert isinstance(found, Sequence)
    return found


def phase(kind: str, status: str, **more: Any) -> dict[str, Any]:
    return {"phaseType": kind, "phaseStatus": status, **more}


@pytest.mark.parametrize("status", ["FAILED", "FAULT", "STOPPED", "TIMED_OUT"])
@pytest.mark.parametrize("phases", [{}, {"phases": [phase("BUILD", "FAILED", startTime=at(-70), endTime=at(-60))]}])
def test_an_old_build_that_does_not_say_when_it_ended_is_no_failure_of_this_wait(
    status: str, phases: dict[str, Any]
) -> None:
    runs = builds({"id": "app:1", "arn": ARN, "buildStatus": status, "startTime": at(-90), **phases})

    assert judge_runs(runs, NOW) == NoRun()


def test_a_build_that_does_not_say_when_it_ended_ended_with_its_last_phase() -> None:
    phases = [
        phase("SUBMITTED", "SUCCEEDED", startTime=at(-90), endTime=at(-90)),
        phase("BUILD", "STOPPED", endTime=at(5)),
    ]
    runs = builds({"id": "app:1", "arn": ARN, "buildStatus": "STOPPED", "startTime": at(-90), "phases": phases})

    assert judge_runs(runs, NOW) == Broken(runs[0])
    assert runs[0].ended == NOW + 5


def test_a_build_that_does_not_say_when_it_began_hides_no_other() -> None:
    queued = {"id": "app:2", "arn": ARN, "buildStatus": "IN_PROGRESS", "currentPhase": "QUEUED"}
    runs = builds(queued, {"id": "app:1", "arn": ARN, "buildStatus": "FAILED", "startTime": at(1), "endTime": at(2)})

    assert judge_runs(runs, NOW) == UnderWay(runs[0])
    assert runs[0].where == "QUEUED"


def test_a_build_under_way_is_in_its_current_phase_whatever_failed_before() -> None:
    phases = [phase("BUILD", "FAILED", endTime=at(5)), {"phaseType": "POST_BUILD", "startTime": at(5)}]
    answer = {"buildStatus": "IN_PROGRESS", "currentPhase": "POST_BUILD", "startTime": at(1), "phases": phases}

    (run,) = builds({"id": "app:1", "arn": ARN, **answer})

    assert (run.status, run.ended, run.where) == (RunStatus.UNDER_WAY, None, "POST_BUILD")


def test_an_execution_that_does_not_say_when_it_ended_or_began_hides_no_other() -> None:
    old = {"pipelineExecutionId": "1", "status": "Failed", "startTime": at(-50)}
    timeless = {"pipelineExecutionId": "0", "status": "Cancelled"}
    runs = executions({"pipelineExecutionId": "2", "status": "InProgress", "startTime": at(1)}, old, timeless)

    assert judge_runs(runs, NOW) == UnderWay(runs[0])
    assert judge_runs(runs[1:], NOW) == NoRun()


def test_an_execution_that_brings_an_old_revision_back_builds_nothing_and_is_nobodys_successor() -> None:
    failed = {"pipelineExecutionId": "1", "status": "Failed", "startTime": at(1), "lastUpdateTime": at(20)}
    back = {"pipelineExecutionId": "2", "status": "Succeeded", "startTime": at(21), "lastUpdateTime": at(30)}
    runs = executions({**back, "executionType": "ROLLBACK"}, {**failed, "executionType": "STANDARD"})

    assert judge_runs(runs, NOW) == Broken(runs[0])
    assert [run.id for run in runs] == ["1"]


BROKEN, UNDER_WAY = RunStatus.BROKEN, RunStatus.UNDER_WAY
MEANINGS = {
    "codebuild": {
        "IN_PROGRESS": UNDER_WAY,
        "SUCCEEDED": RunStatus.SUCCEEDED,
        **dict.fromkeys(["FAILED", "FAULT", "TIMED_OUT", "STOPPED"], BROKEN),
    },
    "codepipeline": {
        **dict.fromkeys(["InProgress", "Stopping"], UNDER_WAY),
        "Succeeded": RunStatus.SUCCEEDED,
        "Superseded": RunStatus.SUPERSEDED,
        **dict.fromkeys(["Failed", "Stopped", "Cancelled"], BROKEN),
    },
}


@pytest.mark.parametrize("service", MEANINGS)
def test_every_status_that_a_service_knows_has_its_meaning(service: str) -> None:
    shape = {"codebuild": "StatusType", "codepipeline": "PipelineExecutionStatus"}[service]
    known = get_session().get_service_model(service).shape_for(shape)
    assert isinstance(known, StringShape)
    assert sorted(known.enum) == sorted(MEANINGS[service])

    for said, status in MEANINGS[service].items():
        (run,) = (
            builds({"id": "app:1", "arn": ARN, "buildStatus": said})
            if service == "codebuild"
            else executions({"pipelineExecutionId": "1", "status": said})
        )
        assert (run.status, run.said, run.ended is None) == (status, said, status is UNDER_WAY)


def test_an_execution_that_is_tried_again_is_in_its_newest_action_and_not_in_the_one_that_failed() -> None:
    actions: list[dict[str, Any]] = [
        {"status": "InProgress", "stageName": "Build", "actionName": "Docker"},
        {"status": "Failed", "stageName": "Lint", "actionName": "Lint"},
    ]
    service = pipeline(actions=actions)
    under_way = BuildRun("1", RunStatus.UNDER_WAY, "InProgress", NOW)
    broken = BuildRun("1", RunStatus.BROKEN, "Failed", NOW)

    assert service.explained("app", under_way, SOON).where == "stage Build, action Docker"
    assert service.explained("app", broken, SOON).where == "stage Lint, action Lint"


SUMMARY, ERROR = "Build terminated with state: FAILED", {"code": "JobFailed", "message": "No such stack"}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"externalExecutionSummary": SUMMARY, "errorDetails": ERROR}, "No such stack"),
        ({"externalExecutionSummary": SUMMARY}, SUMMARY),
        ({}, "of the execution"),
    ],
)
def test_the_action_that_failed_says_why_before_its_execution_does(result: dict[str, Any], said: str) -> None:
    failed = {"status": "Failed", "stageName": "Build", "actionName": "Docker", "output": {"executionResult": result}}
    broken = BuildRun("1", BROKEN, "Failed", NOW, message="of the execution", link="its own")

    explained = pipeline(actions=[failed]).explained("app", broken, SOON)

    assert (explained.message, explained.link) == (said, "its own")


def test_the_link_leads_to_what_the_failed_action_ran() -> None:
    result = {"externalExecutionUrl": "https://build", "errorDetails": ERROR}
    action = {"stageName": "Build", "actionName": "Docker", "output": {"executionResult": result}}
    broken = BuildRun("1", BROKEN, "Failed", NOW, link="its own")
    under_way = BuildRun("1", UNDER_WAY, "InProgress", NOW, link="its own")

    explained = pipeline(actions=[{**action, "status": "Failed"}]).explained("app", broken, SOON)
    assert explained.link == "https://build"
    explained = pipeline(actions=[{**action, "status": "InProgress"}]).explained("app", under_way, SOON)
    assert (explained.message, explained.link) == ("", "its own")


def test_an_execution_under_way_that_has_begun_no_action_is_queued() -> None:
    under_way = BuildRun("1", UNDER_WAY, "InProgress", NOW)
    broken = BuildRun("1", BROKEN, "Stopped", NOW)

    assert pipeline().explained("app", under_way, SOON).where == "queued"
    assert pipeline().explained("app", broken, SOON) == broken


def test_an_execution_says_why_it_ended_by_its_summary_or_by_who_stopped_it() -> None:
    listed = {"pipelineExecutionId": "1", "status": "Stopped", "stopTrigger": {"reason": "wrong branch"}}

    (stopped,) = executions(listed)
    (summed_up,) = executions({**listed, "statusSummary": "Timed out"})

    assert (stopped.message, summed_up.message) == ("wrong branch", "Timed out")
