"""CodeBuild and CodePipeline: the newest runs of a builder, and starting one. `core.builds` decides what that means.

Codes, statuses and fields are those of botocore's models. A phase's contexts say why a build failed (CodeBuild API
Reference, BuildPhase and PhaseContext); a superseded execution was overtaken by a newer one (CodePipeline User Guide,
"How pipeline executions work").
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

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
    from types_boto3_codebuild import CodeBuildClient
    from types_boto3_codebuild.type_defs import BuildTypeDef
    from types_boto3_codepipeline import CodePipelineClient
    from types_boto3_codepipeline.type_defs import PipelineExecutionSummaryTypeDef

_NO_PROJECT: Final = "ResourceNotFoundException"
_OF_BUILDS: Final = {"IN_PROGRESS": RunStatus.UNDER_WAY, "SUCCEEDED": RunStatus.SUCCEEDED}
"""Any other is an end without success: FAILED, FAULT, TIMED_OUT, STOPPED."""
_NO_PIPELINE: Final = "PipelineNotFoundException"
_OF_EXECUTIONS: Final = {
    "InProgress": RunStatus.UNDER_WAY,
    "Stopping": RunStatus.UNDER_WAY,
    "Succeeded": RunStatus.SUCCEEDED,
    "Superseded": RunStatus.SUPERSEDED,
}
"""Any other is an end without success: Failed, Stopped, Cancelled."""


class BuildService(Protocol):
    """The operations of `CodeBuild` and `CodePipeline`; see there."""

    def runs(self, name: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Returns the newest runs."""

    def start(self, name: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Starts a run."""

    def explained(self, name: str, run: BuildRun, deadline: Deadline) -> BuildRun:
        """Returns a run with all that is known of it."""


class CodeBuild:
    """Projects of the function's own account and region.

    `client` makes a client for a call that may take so many seconds, retries included; `console` a link from a path.
    """

    kind: Final = BuilderKind.PROJECT

    def __init__(self, client: Callable[[float], "CodeBuildClient"], console: Callable[[str], str]) -> None:
        self._client = client
        self._console = console

    def runs(self, project: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Returns the newest builds of a project, with two calls.

        `own`: the id of the one that was started by this wait, empty where there is none.
        """
        action = "codebuild:ListBuildsForProject"
        try:
            # The newest first: so is the default, and naming the order is an error for a project of over 100 builds.
            ids = self._client(deadline.per_call()).list_builds_for_project(projectName=project)["ids"]
            wanted = list(dict.fromkeys([*ids[:NEWEST_RUNS], *([own] if own else [])]))
            if not wanted:
                return []
            action = "codebuild:BatchGetBuilds"
            builds = self._client(deadline.per_call()).batch_get_builds(ids=wanted)["builds"]
            return [self._run(build, own) for build in builds]
        except Exception as error:  # noqa: BLE001  # whatever AWS or boto3 says is a finding
            return build_finding_of(error, action, missing=_NO_PROJECT)

    def start(self, project: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Starts a build of a project as the project says, with one call.

        `token`: the same for the same request; CodeBuild starts no second build for it within five minutes.
        """
        try:
            build = self._client(deadline.per_call()).start_build(projectName=project, idempotencyToken=token)["build"]
            return self._run(build, build["id"])
        except Exception as error:  # noqa: BLE001  # as above
            return build_finding_of(error, "codebuild:StartBuild", missing=_NO_PROJECT)

    def explained(self, project: str, run: BuildRun, deadline: Deadline) -> BuildRun:  # noqa: ARG002  # a builder's
        """Returns the run with all that is known of it: CodeBuild has told it already."""
        return run

    def _run(self, build: "BuildTypeDef", own: str) -> BuildRun:
        said = build["buildStatus"]
        status = _OF_BUILDS.get(said, RunStatus.BROKEN)
        over = status is not RunStatus.UNDER_WAY
        where, message = _failed_phase(build) if over else (build.get("currentPhase", ""), "")
        phases = [phase["endTime"] for phase in build.get("phases", []) if "endTime" in phase]
        ended = first_told(build.get("endTime"), max(phases, default=None), build.get("startTime"))
        project, number = build["id"].split(":", 1) if ":" in build["id"] else (build.get("projectName", ""), "")
        account = build["arn"].split(":")[4]
        return BuildRun(
            id=build["id"],
            status=status,
            said=said,
            began=first_told(build.get("startTime")),
            ended=ended if over else None,
            ours=build["id"] == own,
            where=where,
            message=message,
            link=self._console(f"codesuite/codebuild/{account}/projects/{project}/build/{project}%3A{number}"),
        )


def _failed_phase(build: "BuildTypeDef") -> tuple[str, str]:
    """Returns the phase that failed, and why; or the one that the build ended in."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus", "SUCCEEDED") not in ("SUCCEEDED", "IN_PROGRESS"):
            said = (context.get("message", "") for context in phase.get("contexts", []))
            return phase["phaseType"], next(filter(None, said), "")
    return build.get("currentPhase", ""), ""


class CodePipeline:
    """Pipelines of the function's own account and region. The arguments are those of `CodeBuild`, and the time."""

    kind: Final = BuilderKind.PIPELINE

    def __init__(
        self, client: Callable[[float], "CodePipelineClient"], console: Callable[[str], str], now: Callable[[], float]
    ) -> None:
        self._client = client
        self._console = console
        self._now = now

    def runs(self, pipeline: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Returns the newest executions of a pipeline, with one call. The arguments are those of `CodeBuild.runs`."""
        try:
            listed = self._client(deadline.per_call()).list_pipeline_executions(
                pipelineName=pipeline, maxResults=NEWEST_RUNS
            )
            # One that rolls a stage back builds nothing.
            builds = (each for each in listed["pipelineExecutionSummaries"] if each.get("executionType") != "ROLLBACK")
            return [self._run(pipeline, each, own) for each in builds]
        except Exception as error:  # noqa: BLE001  # whatever AWS or boto3 says is a finding
            return build_finding_of(error, "codepipeline:ListPipelineExecutions", missing=_NO_PIPELINE)

    def start(self, pipeline: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Starts an execution as the pipeline says, with one call. The arguments are those of `CodeBuild.start`."""
        try:
            started = self._client(deadline.per_call()).start_pipeline_execution(
                name=pipeline, clientRequestToken=token
            )
            id_ = started["pipelineExecutionId"]
            link = self._link(pipeline, id_)
            return BuildRun(id_, RunStatus.UNDER_WAY, "InProgress", self._now(), ours=True, link=link)
        except Exception as error:  # noqa: BLE001  # as above
            return build_finding_of(error, "codepipeline:StartPipelineExecution", missing=_NO_PIPELINE)

    def explained(self, pipeline: str, run: BuildRun, deadline: Deadline) -> BuildRun:
        """Returns the run with the stage and action it is in or failed in, and why, with one call.

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
        status = _OF_EXECUTIONS.get(said, RunStatus.BROKEN)
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
