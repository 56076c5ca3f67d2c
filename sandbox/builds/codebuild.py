"""CodeBuild's projects and builds. Builds do nothing but pass the time that their script says. No I/O."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

from .calls import PAGE, Answer, Context, Place, Refused, Request, Tokens, page
from .scripts import PHASES, Build, Ending, Scripts

WEBHOOK: Final = "GitHub-Hookshot/9ec8ffd"
"""The initiator of a build that a push starts."""

_BUILD_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TO_COMPLETION: Final = ("FINALIZING", "COMPLETED")


@dataclass(frozen=True)
class Phase:
    """A phase of a build: its name, its beginning and end in seconds since 1970 UTC, and how it ends."""

    type: str
    begins: float
    ends: float
    status: Ending = "SUCCEEDED"
    code: str = ""
    message: str = ""

    def seen(self, now: float) -> Answer:
        begun = {"phaseType": self.type, "startTime": round(self.begins, 3)}
        if now < self.ends:
            return begun
        ended = {
            **begun,
            "phaseStatus": self.status,
            "endTime": round(self.ends, 3),
            "durationInSeconds": int(self.ends - self.begins),
        }
        if self.type not in ("SUBMITTED", "QUEUED"):
            ended["contexts"] = [{"statusCode": self.code, "message": self.message}]
        return ended


def phases_of(script: Build, start: float) -> list[Phase]:
    """Return the phases of a build that begins at `start` and that nobody stops."""
    phases: list[Phase] = []
    names = list(PHASES)
    for name in PHASES:
        if name not in names:
            continue
        ends = inf if name == "COMPLETED" else start + script.seconds.get(name, 0.0)
        phase = Phase(name, start, ends)
        if name == script.phase and script.ends != "SUCCEEDED":
            phase = replace(phase, status=script.ends, code=script.code, message=script.message)
            # After commands of BUILD that failed, those of POST_BUILD are run, and artifacts uploaded.
            if (name, script.ends) not in (("BUILD", "FAILED"), ("POST_BUILD", "FAILED")):
                names = list(_TO_COMPLETION)
        phases.append(phase)
        start = ends
    return phases


def stopped(phases: Iterable[Phase], now: float) -> list[Phase]:
    """Return the phases of a build that is stopped now; the same where it has ended."""
    begun = [phase for phase in phases if phase.begins <= now]
    current = begun[-1]
    if current.type == "COMPLETED":
        return begun
    rest = [Phase("FINALIZING", now, now)] if current.type != "FINALIZING" else []
    return [*begun[:-1], replace(current, ends=now, status="STOPPED"), *rest, Phase("COMPLETED", now, inf)]


class StartedBuild:
    """A build that was started.

    Args:
        place: where.
        project: its project's settings, as they were then.
        number: of the build in its project.
        script: how it goes.
        started: when, in seconds since 1970 UTC.
        initiator: who started it.
        source_version: as the request says it, if it does.
    """

    def __init__(
        self,
        place: Place,
        project: Mapping[str, Any],
        number: int,
        script: Build,
        *,
        started: float,
        initiator: str,
        source_version: str | None,
    ) -> None:
        self._place = place
        self._settings = project
        self._script = script
        self._done = False
        self.project = str(project["name"])
        self.number = number
        self.started = started
        self.initiator = initiator
        self.source_version = source_version or project.get("sourceVersion")
        self.phases = phases_of(script, started)
        self.stream = str(uuid.uuid4())
        self.id = f"{self.project}:{self.stream}"

    @property
    def arn(self) -> str:
        return f"arn:aws:codebuild:{self._place.region}:{self._place.account}:build/{self.id}"

    def advance(self, now: float) -> None:
        """Do what the build does at the end of BUILD, if that is over."""
        over = any(each.type == "BUILD" and each.ends <= now and each.status == "SUCCEEDED" for each in self.phases)
        if self._done or not over or self._script.does is None:
            return
        self._done = True
        try:
            self._script.does()
        except Exception as error:  # noqa: BLE001  # whatever a script raises is how its command failed
            code, message = "COMMAND_EXECUTION_ERROR", f"Error while executing command: {error}"
            failed = replace(self._script, ends="FAILED", phase="BUILD", code=code, message=message)
            self.phases = phases_of(failed, self.started)

    def stop(self, now: float) -> None:
        self.phases = stopped(self.phases, now)

    def status(self, now: float) -> str:
        if now < self.phases[-1].begins:
            return "IN_PROGRESS"
        return next((phase.status for phase in self.phases if phase.status != "SUCCEEDED"), "SUCCEEDED")

    def answer(self, now: float) -> Answer:
        """Return the build as the API shows it."""
        begun = [phase for phase in self.phases if phase.begins <= now]
        complete = begun[-1].type == "COMPLETED"
        answer = {
            "id": self.id,
            "arn": self.arn,
            "buildNumber": self.number,
            "startTime": round(self.started, 3),
            "currentPhase": begun[-1].type,
            "buildStatus": self.status(now),
            "projectName": self.project,
            "phases": [phase.seen(now) for phase in begun],
            "secondarySources": [],
            "secondarySourceVersions": [],
            "artifacts": {"location": ""},
            "cache": {"type": "NO_CACHE"},
            "logs": self._logs(created=any(phase.type == "PROVISIONING" for phase in begun)),
            "queuedTimeoutInMinutes": 480,
            "buildComplete": complete,
            "initiator": self.initiator,
        }
        copied = ("source", "environment", "serviceRole", "timeoutInMinutes", "encryptionKey")
        answer |= {key: self._settings[key] for key in copied if key in self._settings}
        if self.source_version:
            answer["sourceVersion"] = self.source_version
        if any(
            phase.type == "DOWNLOAD_SOURCE" and phase.ends <= now and phase.status == "SUCCEEDED" for phase in begun
        ):
            answer["resolvedSourceVersion"] = self._script.commit
        if complete:
            answer["endTime"] = round(begun[-1].begins, 3)
        return answer

    def _logs(self, *, created: bool) -> Answer:
        region = self._place.region
        group, stream = (f"/aws/codebuild/{self.project}", self.stream) if created else ("null", "null")
        encoded = group.replace("/", "$252F")
        logs = {
            "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logsV2:log-groups/log-group/{encoded}/log-events/{stream}",
            "cloudWatchLogsArn": f"arn:aws:logs:{region}:{self._place.account}:log-group:{group}:log-stream:{stream}",
            "cloudWatchLogs": {"status": "ENABLED"},
            "s3Logs": {"status": "DISABLED", "encryptionDisabled": False},
        }
        return logs | ({"groupName": group, "streamName": stream} if created else {})


class Projects:
    """Projects of our own, where no other service has them: operations on them, by the API's names, in `operations`."""

    def __init__(self) -> None:
        self._projects: dict[Place, dict[str, Answer]] = {}
        self.operations: dict[str, Callable[[Context, Request], Answer]] = {
            "BatchGetProjects": self._batch_get_projects,
            "CreateProject": self._create_project,
            "DeleteProject": self._delete_project,
        }

    def find(self, place: Place, name: str) -> Answer | None:
        return self._projects.get(place, {}).get(name)

    def clear(self) -> None:
        self._projects.clear()

    def _create_project(self, context: Context, request: Request) -> Answer:
        place, name = context.place, request["name"]
        arn = project_arn(place, name)
        if self.find(place, name):
            raise Refused("ResourceAlreadyExistsException", f"Project already exists: {arn}")
        project = {
            "timeoutInMinutes": 60,
            "queuedTimeoutInMinutes": 480,
            "encryptionKey": f"arn:aws:kms:{place.region}:{place.account}:alias/aws/s3",
            **request,
            "arn": arn,
            "created": round(context.now, 3),
            "lastModified": round(context.now, 3),
            "badge": {"badgeEnabled": False},
        }
        project.pop("badgeEnabled", None)
        self._projects.setdefault(place, {})[name] = project
        return {"project": project}

    def _batch_get_projects(self, context: Context, request: Request) -> Answer:
        place = context.place
        names = {each: each.removeprefix(project_arn(place, "")) for each in request["names"]}
        found = {each: self.find(place, name) for each, name in names.items()}
        return {
            "projects": [project for project in found.values() if project],
            "projectsNotFound": [each for each, project in found.items() if not project],
        }

    def _delete_project(self, context: Context, request: Request) -> Answer:
        self._projects.get(context.place, {}).pop(request["name"], None)
        return {}


class CodeBuild:
    """CodeBuild's operations on builds, by the names that the API has for them in `operations`."""

    def __init__(self) -> None:
        self._scripts = Scripts(Build())
        self._tokens = Tokens("InvalidInputException")
        self._builds: dict[Place, dict[str, StartedBuild]] = {}
        self.operations: dict[str, Callable[[Context, Request], Answer]] = {
            "BatchGetBuilds": self._batch_get_builds,
            "ListBuilds": self._list_builds,
            "ListBuildsForProject": self._list_builds_for_project,
            "StartBuild": self._start_build,
            "StopBuild": self._stop_build,
        }

    def play(self, project: str, *builds: Build) -> None:
        """Let the next builds of a project go so, in this order; the last one again and again."""
        self._scripts.play(project, *builds)

    def advance(self, now: float) -> None:
        """Let every build do what is due."""
        for builds in self._builds.values():
            for build in builds.values():
                build.advance(now)

    def forget_tokens(self, name: str) -> None:
        self._tokens.forget(name)

    def clear(self) -> None:
        self._builds.clear()
        self._scripts.clear()
        self._tokens = Tokens(self._tokens.mismatch)

    def builds(self, place: Place, project: str | None = None) -> list[StartedBuild]:
        """Return the builds of a project, or of all, in the order of their start."""
        return [build for build in self._builds.get(place, {}).values() if project in (None, build.project)]

    def start(self, context: Context, name: str, source_version: str | None = None) -> StartedBuild:
        """Start a build of the context's project. `name`: the project's, also where there is none."""
        place, now = context.place, context.now
        if context.project is None:
            raise Refused("ResourceNotFoundException", f"Project cannot be found: {project_arn(place, name)}")
        build = StartedBuild(
            place,
            context.project,
            len(self.builds(place, name)) + 1,
            self._scripts.next(name),
            started=now,
            initiator=context.caller,
            source_version=source_version,
        )
        self._builds.setdefault(place, {})[build.id] = build
        build.advance(now)
        return build

    def _start_build(self, context: Context, request: Request) -> Answer:
        token = request.get("idempotencyToken")
        known = self._tokens.find(context, token, request)
        if known:
            return {"build": self._builds[context.place][known].answer(context.now)}
        build = self.start(context, request["projectName"], request.get("sourceVersion"))
        self._tokens.keep(context, token, request, build.id)
        return {"build": build.answer(context.now)}

    def _stop_build(self, context: Context, request: Request) -> Answer:
        build = self._builds.get(context.place, {}).get(_build_id(request["id"]))
        if build is None:
            raise Refused("ResourceNotFoundException", f"Build {request['id']} does not exist")
        build.stop(context.now)
        return {"build": build.answer(context.now)}

    def _batch_get_builds(self, context: Context, request: Request) -> Answer:
        if len(request["ids"]) > PAGE:
            raise Refused("InvalidInputException", f"Invalid ids: the number of build IDs must be 1 to {PAGE}")
        builds = self._builds.get(context.place, {})
        ids = [_build_id(each) for each in request["ids"]]
        return {
            "builds": [builds[each].answer(context.now) for each in ids if each in builds],
            "buildsNotFound": [each for each in ids if each not in builds],
        }

    def _list_builds_for_project(self, context: Context, request: Request) -> Answer:
        name = request["projectName"]
        if context.project is None:
            arn = project_arn(context.place, name)
            raise Refused("ResourceNotFoundException", f"The provided project {arn} does not exist")
        return _listed(self.builds(context.place, name), request)

    def _list_builds(self, context: Context, request: Request) -> Answer:
        return _listed(self.builds(context.place), request)


def project_arn(place: Place, name: str) -> str:
    return f"arn:aws:codebuild:{place.region}:{place.account}:project/{name}"


def _build_id(build_id: str) -> str:
    if not _BUILD_ID.fullmatch(build_id):
        raise Refused("InvalidInputException", "Invalid build ID provided")
    return build_id


def _listed(builds: list[StartedBuild], request: Request) -> Answer:
    if len(builds) > PAGE and "sortOrder" in request:
        raise Refused("InvalidInputException", f"sortOrder is not supported for more than {PAGE} builds")
    ids = [build.id for build in builds]
    ordered = ids if request.get("sortOrder") == "ASCENDING" else ids[::-1]
    return page(ordered, request, "ids", "InvalidInputException")
