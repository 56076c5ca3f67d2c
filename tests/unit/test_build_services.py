"""What is made of answers of CodeBuild and CodePipeline that say less than usual: no field of theirs is promised."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.model import StringShape
from botocore.session import get_session

from ecr_image_waiter.aws.builds import CodeBuild, CodePipeline
from ecr_image_waiter.core.builds import Broken, BuildRun, NoRun, RunStatus, UnderWay, judge_runs
from ecr_image_waiter.core.deadline import Deadline
from tests.support.clock import NOW, FakeClock

SOON = Deadline(NOW + 10.0, FakeClock())
UNDER_WAY, SUCCEEDED, BROKEN, SUPERSEDED = RunStatus


def at(seconds: float) -> datetime:
    """Returns a moment so many seconds after the wait began."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def builds(*answers: dict[str, Any]) -> Sequence[BuildRun]:
    """Returns the runs of a project with these builds."""
    arn = "arn:aws:codebuild:eu-west-1:123456789012:build/app:1"
    listed = [{"id": f"app:{len(answers) - n}", "arn": arn, **answer} for n, answer in enumerate(answers)]
    client = Mock()
    client.list_builds_for_project.return_value = {"ids": [build["id"] for build in listed]}
    client.batch_get_builds.return_value = {"builds": listed}
    found = CodeBuild(lambda _: client, lambda path: path).runs("app", "", SOON)
    assert isinstance(found, Sequence)
    return found


def pipeline(*answers: dict[str, Any], actions: Sequence[dict[str, Any]] = ()) -> CodePipeline:
    """Returns a pipeline with these executions, and these actions of each."""
    listed = [{"pipelineExecutionId": str(len(answers) - n), **answer} for n, answer in enumerate(answers)]
    client = Mock()
    client.list_pipeline_executions.return_value = {"pipelineExecutionSummaries": listed}
    client.list_action_executions.return_value = {"actionExecutionDetails": list(actions)}
    return CodePipeline(lambda _: client, lambda path: path, lambda: NOW)


def executions(*answers: dict[str, Any]) -> Sequence[BuildRun]:
    found = pipeline(*answers).runs("app", "", SOON)
    assert isinstance(found, Sequence)
    return found


def test_the_newest_twenty_builds_are_read_and_the_one_that_the_wait_started() -> None:
    client = Mock()
    client.list_builds_for_project.return_value = {"ids": [f"app:{n}" for n in range(100)]}
    client.batch_get_builds.return_value = {"builds": []}

    CodeBuild(lambda _: client, lambda path: path).runs("app", "app:99", SOON)

    assert client.batch_get_builds.call_args.kwargs["ids"] == [*(f"app:{n}" for n in range(20)), "app:99"]


def phase(kind: str, status: str, **more: Any) -> dict[str, Any]:
    return {"phaseType": kind, "phaseStatus": status, **more}


@pytest.mark.parametrize("phases", [{}, {"phases": [phase("BUILD", "FAILED", startTime=at(-70), endTime=at(-60))]}])
def test_an_old_build_that_does_not_say_when_it_ended_is_no_failure_of_this_wait(phases: dict[str, Any]) -> None:
    assert judge_runs(builds({"buildStatus": "FAILED", "startTime": at(-90), **phases}), NOW) == NoRun()


def test_a_build_that_does_not_say_when_it_ended_ended_with_its_last_phase() -> None:
    phases = [phase("SUBMITTED", "SUCCEEDED", endTime=at(-90)), phase("BUILD", "STOPPED", endTime=at(5))]

    (run,) = builds({"buildStatus": "STOPPED", "startTime": at(-90), "phases": phases})

    assert judge_runs([run], NOW) == Broken(run)
    assert run.ended == NOW + 5


def test_a_build_that_does_not_say_when_it_began_hides_no_other() -> None:
    queued = {"buildStatus": "IN_PROGRESS", "currentPhase": "QUEUED"}
    runs = builds(queued, {"buildStatus": "FAILED", "startTime": at(1), "endTime": at(2)})

    assert judge_runs(runs, NOW) == UnderWay(runs[0])
    assert runs[0].where == "QUEUED"


def test_a_build_under_way_is_in_its_current_phase_whatever_failed_before() -> None:
    phases = [phase("BUILD", "FAILED", endTime=at(5)), {"phaseType": "POST_BUILD", "startTime": at(5)}]

    (run,) = builds({"buildStatus": "IN_PROGRESS", "currentPhase": "POST_BUILD", "startTime": at(1), "phases": phases})

    assert (run.status, run.ended, run.where) == (UNDER_WAY, None, "POST_BUILD")


def test_an_execution_that_does_not_say_when_it_ended_or_began_hides_no_other() -> None:
    runs = executions(
        {"status": "InProgress", "startTime": at(1)},
        {"status": "Failed", "startTime": at(-50)},
        {"status": "Cancelled"},
    )

    assert judge_runs(runs, NOW) == UnderWay(runs[0])
    assert judge_runs(runs[1:], NOW) == NoRun()


def test_an_execution_that_brings_an_old_revision_back_builds_nothing_and_is_nobodys_successor() -> None:
    back = {"status": "Succeeded", "startTime": at(21), "lastUpdateTime": at(30), "executionType": "ROLLBACK"}
    failed = {"status": "Failed", "startTime": at(1), "lastUpdateTime": at(20), "executionType": "STANDARD"}

    (run,) = executions(back, failed)

    assert (run.id, judge_runs([run], NOW)) == ("1", Broken(run))


MEANINGS = {
    ("codebuild", "StatusType"): {
        "IN_PROGRESS": UNDER_WAY,
        "SUCCEEDED": SUCCEEDED,
        **dict.fromkeys(["FAILED", "FAULT", "TIMED_OUT", "STOPPED"], BROKEN),
    },
    ("codepipeline", "PipelineExecutionStatus"): {
        **dict.fromkeys(["InProgress", "Stopping"], UNDER_WAY),
        "Succeeded": SUCCEEDED,
        "Superseded": SUPERSEDED,
        **dict.fromkeys(["Failed", "Stopped", "Cancelled"], BROKEN),
    },
}


@pytest.mark.parametrize(("service", "shape"), MEANINGS)
def test_every_status_that_a_service_knows_has_its_meaning(service: str, shape: str) -> None:
    known = get_session().get_service_model(service).shape_for(shape)
    assert isinstance(known, StringShape)
    assert sorted(known.enum) == sorted(MEANINGS[service, shape])

    for said, status in MEANINGS[service, shape].items():
        (run,) = builds({"buildStatus": said}) if service == "codebuild" else executions({"status": said})
        assert (run.status, run.said, run.ended is None) == (status, said, status is UNDER_WAY)


SUMMARY, ERROR = "Build terminated with state: FAILED", {"code": "JobFailed", "message": "No such stack"}
RAN: dict[str, Any] = {
    "externalExecutionUrl": "https://build",
    "externalExecutionSummary": SUMMARY,
    "errorDetails": ERROR,
}
UNTOLD = ("", "of the execution", "its own")


def action(status: str, name: str = "Docker", **result: Any) -> dict[str, Any]:
    return {"status": status, "stageName": "Build", "actionName": name, "output": {"executionResult": result}}


@pytest.mark.parametrize(
    ("status", "actions", "told"),
    [
        # One that is tried again is in its newest action.
        (UNDER_WAY, [action("InProgress"), action("Failed", "Lint")], ("stage Build, action Docker", *UNTOLD[1:])),
        (UNDER_WAY, [action("InProgress", **RAN)], ("stage Build, action Docker", *UNTOLD[1:])),
        (UNDER_WAY, [], ("queued", *UNTOLD[1:])),
        (BROKEN, [], UNTOLD),
        (BROKEN, [action("InProgress"), action("Failed", "Lint")], ("stage Build, action Lint", *UNTOLD[1:])),
        # The action that failed says why before its execution does, and where to read on.
        (BROKEN, [action("Failed", **RAN)], ("stage Build, action Docker", "No such stack", "https://build")),
        (
            BROKEN,
            [action("Failed", externalExecutionSummary=SUMMARY)],
            ("stage Build, action Docker", SUMMARY, "its own"),
        ),
    ],
)
def test_an_execution_is_explained_by_the_action_that_failed_or_is_under_way(
    status: RunStatus, actions: list[dict[str, Any]], told: tuple[str, str, str]
) -> None:
    run = BuildRun("1", status, status.value, NOW, message="of the execution", link="its own")

    explained = pipeline(actions=actions).explained("app", run, SOON)

    assert (explained.where, explained.message, explained.link) == told


def test_an_execution_says_why_it_ended_by_its_summary_or_by_who_stopped_it() -> None:
    listed = {"status": "Stopped", "stopTrigger": {"reason": "wrong branch"}}

    (stopped,) = executions(listed)
    (summed_up,) = executions({**listed, "statusSummary": "Timed out"})

    assert (stopped.message, summed_up.message) == ("wrong branch", "Timed out")
