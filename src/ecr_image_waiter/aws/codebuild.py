"""CodeBuild: the newest builds of a project, and starting one. This module looks and reports; `builds` decides.

Codes and fields are those of botocore's model of CodeBuild; a phase's contexts say why it failed (API Reference,
BuildPhase and PhaseContext).
"""

from collections.abc import Callable, Sequence
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
    from types_boto3_codebuild import CodeBuildClient
    from types_boto3_codebuild.type_defs import BuildTypeDef

_MISSING: Final = "ResourceNotFoundException"
_STATUSES: Final = {"IN_PROGRESS": RunStatus.UNDER_WAY, "SUCCEEDED": RunStatus.SUCCEEDED}
"""Any other is an end without success: FAILED, FAULT, TIMED_OUT, STOPPED."""


class CodeBuild:
    """Projects of the function's own account and region.

    Args:
        client: makes a client for a call that may take so many seconds, retries included.
        console: makes a link to the console from a path.
    """

    kind: Final = BuilderKind.PROJECT

    def __init__(self, client: Callable[[float], "CodeBuildClient"], console: Callable[[str], str]) -> None:
        self._client = client
        self._console = console

    def runs(self, project: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Return the newest builds of a project, with two calls.

        Args:
            project: its name.
            own: the id of the one that was started by this wait, empty where there is none.
            deadline: when the calls must be done.
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
            return build_finding_of(error, action, missing=_MISSING)

    def start(self, project: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Start a build of a project as the project says, with one call.

        Args:
            project: its name.
            token: the same for the same request; CodeBuild starts no second build for it within five minutes.
            deadline: when the call must be done.
        """
        try:
            build = self._client(deadline.per_call()).start_build(projectName=project, idempotencyToken=token)["build"]
            return self._run(build, build["id"])
        except Exception as error:  # noqa: BLE001  # as above
            return build_finding_of(error, "codebuild:StartBuild", missing=_MISSING)

    def explained(self, project: str, run: BuildRun, deadline: Deadline) -> BuildRun:  # noqa: ARG002  # a builder's
        """Return the run with all that is known of it: CodeBuild has told it already."""
        return run

    def _run(self, build: "BuildTypeDef", own: str) -> BuildRun:
        said = build["buildStatus"]
        status = _STATUSES.get(said, RunStatus.BROKEN)
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
    """Return the phase that failed, and why; or the one that the build ended in."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus", "SUCCEEDED") not in ("SUCCEEDED", "IN_PROGRESS"):
            said = (context.get("message", "") for context in phase.get("contexts", []))
            return phase["phaseType"], next(filter(None, said), "")
    return build.get("currentPhase", ""), ""
