"""CodePipeline: the newest executions of a pipeline, and starting one. This module looks and reports; `builds` decides.

Statuses and fields are those of botocore's model of CodePipeline; a superseded execution was overtaken by a newer one
(User Guide, "How pipeline executions work").
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ecr_image_waiter.core.builds import (
    NEWEST_RUNS,
    BuilderKind,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    RunStatus,
    first_told,
)
from ecr_image_waiter.core.deadline import Deadline

from .errors import build_finding_of

if TYPE_CHECKING:
    from types_boto3_codepipeline import CodePipelineClient
    from types_boto3_codepipeline.type_defs import PipelineExecutionSummaryTypeDef

_MISSING: Final = "PipelineNotFoundException"
_STATUSES: Final = {
    "InProgress": RunStatus.UNDER_WAY,
    "Stopping": RunStatus.UNDER_WAY,
    "Succeeded": RunStatus.SUCCEEDED,
    "Superseded": RunStatus.SUPERSEDED,
}
"""Any other is an end without success: Failed, Stopped, Cancelled."""


class CodePipeline:
    """Pipelines of the function's own account and region.

    Args:
        client: makes a client for a call that may take so many seconds, retries included.
        console: makes a link to the console from a path.
        now: the time.
    """

    kind: Final = BuilderKind.PIPELINE

    def __init__(
        self,
        client: Callable[[float], "CodePipelineClient"],
        console: Callable[[str], str],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._console = console
        self._now = now

    def runs(self, pipeline: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Return the newest executions of a pipeline, with one call. The arguments are those of `CodeBuild.runs`."""
        try:
            listed = self._client(deadline.per_call()).list_pipeline_executions(
                pipelineName=pipeline, maxResults=NEWEST_RUNS
            )
            # One that rolls a stage back builds nothing.
            builds = (each for each in listed["pipelineExecutionSummaries"] if each.get("executionType") != "ROLLBACK")
            return [self._run(pipeline, each, own) for each in builds]
        except Exception as error:  # noqa: BLE001  # whatever AWS or boto3 says is a finding
            return build_finding_of(error, "codepipeline:ListPipelineExecutions", missing=_MISSING)

    def start(self, pipeline: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Start an execution as the pipeline says, with one call. The arguments are those of `CodeBuild.start`."""
        try:
            started = self._client(deadline.per_call()).start_pipeline_execution(
                name=pipeline, clientRequestToken=token
            )
            id_ = started["pipelineExecutionId"]
            link = self._link(pipeline, id_)
            return BuildRun(id_, RunStatus.UNDER_WAY, "InProgress", self._now(), ours=True, link=link)
        except Exception as error:  # noqa: BLE001  # as above
            return build_finding_of(error, "codepipeline:StartPipelineExecution", missing=_MISSING)

    def explained(self, pipeline: str, run: BuildRun, deadline: Deadline) -> BuildRun:
        """Return the run with the stage and action it is in or failed in, and why, with one call.

        For words alone, so that nothing that goes wrong here may matter: then it is the run as it is.
        """
        try:
            actions = self._client(deadline.per_call()).list_action_executions(
                pipelineName=pipeline, filter={"pipelineExecutionId": run.id}
            )["actionExecutionDetails"]
            # One under way may have failed before, and be tried again.
            ended = run.status is not RunStatus.UNDER_WAY
            failed = next((action for action in actions if ended and action["status"] == "Failed"), None)
            action = failed or next(iter(actions), None)
            if not action:
                return replace(run, where="queued") if run.status is RunStatus.UNDER_WAY else run
            result = action.get("output", {}).get("executionResult", {})
            message = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary", "")
            return replace(
                run,
                where=f"stage {action['stageName']}, action {action['actionName']}",
                message=(message if failed else "") or run.message,
                link=(result.get("externalExecutionUrl", "") if failed else "") or run.link,
            )
        except Exception:  # noqa: BLE001  # as the docstring says
            return run

    def _run(self, pipeline: str, listed: "PipelineExecutionSummaryTypeDef", own: str) -> BuildRun:
        id_, said = listed["pipelineExecutionId"], listed["status"]
        status = _STATUSES.get(said, RunStatus.BROKEN)
        over = status is not RunStatus.UNDER_WAY
        return BuildRun(
            id=id_,
            status=status,
            said=said,
            began=first_told(listed.get("startTime")),
            ended=first_told(listed.get("lastUpdateTime"), listed.get("startTime")) if over else None,
            ours=id_ == own,
            message=listed.get("statusSummary") or listed.get("stopTrigger", {}).get("reason", ""),
            link=self._link(pipeline, id_),
        )

    def _link(self, pipeline: str, id_: str) -> str:
        return self._console(f"codesuite/codepipeline/pipelines/{pipeline}/executions/{id_}/timeline")
