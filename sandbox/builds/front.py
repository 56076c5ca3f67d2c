"""The server that answers as CodeBuild and CodePipeline do, and passes on what concerns projects."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ecr_image_waiter.aws.clients import SystemClock
from ecr_image_waiter.core.deadline import Clock
from sandbox.accounts import DEFAULT_ACCOUNT, REGION, Accounts, client_of, scope_of
from sandbox.ecr.contents import Answer, Refused, Request
from sandbox.serving import Service, Whole, forward

from .runs import Build, Execution, Run, Step

TOKEN_SECONDS: Final = 300.0
"""How long the token of a request that starts a run is remembered."""
TICK_SECONDS: Final = 0.1
"""How often the front checks for due steps, on the system's clock."""

_CODEBUILD: Final = "CodeBuild_20161006"
_SERVICES: Final = {_CODEBUILD: "codebuild", "CodePipeline_20150709": "codepipeline"}


class Place(NamedTuple):
    """Where a call takes place."""

    account: str
    region: str


class _Name(NamedTuple):
    service: str
    place: Place
    name: str


_HERE: Final = Place(DEFAULT_ACCOUNT, REGION)
Script = TypeVar("Script", Build, Execution)


class Builds(Service):
    """CodeBuild and CodePipeline on one port. Use it as a context manager, or call `stop`.

    What is due is done whenever somebody calls, and on the system's clock also when nobody does.

    Args:
        passes_on: the endpoint that knows the projects and whose an access key is; without one, a project is there if
            its builds were written down, and every key but an account's digits is the default account's.
        bind: the address to listen on.
        port: to listen on; a free one by default.
        clock: the time; the system's by default.
    """

    def __init__(
        self, passes_on: str | None = None, *, bind: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._passes_on = passes_on
        self._accounts = Accounts(passes_on)
        self._lock = threading.Lock()
        self._builds: dict[str, list[Build]] = {}
        self._executions: dict[str, list[Execution]] = {}
        self._runs: defaultdict[_Name, list[Run]] = defaultdict(list)
        self._pipelines: dict[_Name, Answer] = {}
        self._tokens: dict[tuple[_Name, str], tuple[float, Run]] = {}
        self._operations: dict[str, Callable[[Place, Request], Answer]] = {
            "BatchGetBuilds": self._batch_get_builds,
            "ListBuildsForProject": self._list_builds_for_project,
            "StartBuild": self._start_build,
            "CreatePipeline": self._create_pipeline,
            "UpdatePipeline": self._update_pipeline,
            "GetPipeline": self._get_pipeline,
            "DeletePipeline": self._delete_pipeline,
            "ListActionExecutions": self._list_action_executions,
            "ListPipelineExecutions": self._list_pipeline_executions,
            "StartPipelineExecution": self._start_pipeline_execution,
        }
        self._stopped = threading.Event()
        super().__init__(bind=bind, port=port)
        if clock is None:
            threading.Thread(target=self._keep_going, daemon=True).start()

    # --- For tests and demos ----------------------------------------------------------------------------------------

    def play(self, project: str, *builds: Build) -> None:
        """Let a project's next builds go so, in this order; the last one again and again. It need not exist yet."""
        self._builds[project] = list(builds)

    def play_pipeline(self, pipeline: str, *executions: Execution) -> None:
        """Let a pipeline's next executions go so, as `play` does; the first is the one that its creation starts."""
        self._executions[pipeline] = list(executions)

    def start(self, project: str, *, place: Place = _HERE) -> Run:
        """Start a build as somebody else does, by a push for one."""
        return self._start(_Name("codebuild", place, project), "GitHub-Hookshot/9ec8ffd")

    def start_pipeline(self, pipeline: str, *, place: Place = _HERE, supersedes: Run | None = None) -> Run:
        """Start an execution as somebody else does, by a push for one, which may overtake another one."""
        run = self._start(_Name("codepipeline", place, pipeline), "WebhookV2")
        if supersedes:
            with self._lock:
                supersedes.end("SUPERSEDED", self._clock.now(), "")
        return run

    def stop_run(self, run: Run, reason: str = "") -> None:
        """Stop a build or an execution, as somebody does by hand, who may say why."""
        with self._lock:
            run.end("STOPPED", self._clock.now(), reason)

    def runs(self, project: str, *, place: Place = _HERE) -> list[Run]:
        """Return a project's builds, in the order of their start."""
        return self._started(_Name("codebuild", place, project))

    def pipeline_runs(self, pipeline: str, *, place: Place = _HERE) -> list[Run]:
        """Return a pipeline's executions, in the order of their start."""
        return self._started(_Name("codepipeline", place, pipeline))

    def forget_tokens(self) -> None:
        """Let no token be good any more that started a run, as if their time were up."""
        with self._lock:
            self._tokens.clear()

    def stop(self) -> None:
        self._stopped.set()
        super().stop()

    # --- Runs -------------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let everything happen that is due."""
        while step := self._due():
            step.do()  # without the lock: what it calls may wait for somebody who asks here

    def _due(self) -> Step | None:
        """Advance every run, up to a step that has something to do."""
        with self._lock:
            now = self._clock.now()
            steps = (run.advance(now) for runs in self._runs.values() for run in runs)
            return next(filter(None, steps), None)

    def _keep_going(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.advance()

    def _started(self, name: _Name) -> list[Run]:
        self.advance()
        with self._lock:
            return list(self._runs[name])

    def _start(self, name: _Name, trigger: str, token: str = "") -> Run:
        self._require(name)
        self.advance()
        with self._lock:
            now = self._clock.now()
            at, run = self._tokens.get((name, token), (0.0, None))
            if token and run and now - at < TOKEN_SECONDS:
                return run
            run = Run(self._next_steps(name), now, trigger)
            if name.service == "codebuild":
                run.id = f"{name.name}:{run.id}"
            self._runs[name].append(run)
            self._tokens[name, token] = now, run
        self.advance()
        return run

    def _next_steps(self, name: _Name) -> list[Step]:
        if name.service == "codebuild":
            return _next(self._builds.get(name.name), Build()).steps()
        stages = self._pipelines[name]["stages"]
        declared = [(stage["name"], action["name"]) for stage in stages for action in stage["actions"]]
        return _next(self._executions.get(name.name), Execution()).steps(declared)

    def _require(self, name: _Name) -> None:
        """Refuse what concerns a project or a pipeline that there is not."""
        if name.service == "codepipeline" and name not in self._pipelines:
            message = f"Pipeline with name {name.name} does not exist in account {name.place.account}."
            raise Refused("PipelineNotFoundException", message)
        if name.service == "codebuild" and not self._is_project(name):
            arn = f"arn:aws:codebuild:{name.place.region}:{name.place.account}:project/{name.name}"
            raise Refused("ResourceNotFoundException", f"Project cannot be found: {arn}")

    def _is_project(self, name: _Name) -> bool:
        if not self._passes_on:
            return name.name in self._builds
        client = client_of("codebuild", self._passes_on, *name.place)
        return bool(client.batch_get_projects(names=[name.name])["projects"])

    # --- Operations -------------------------------------------------------------------------------------------------

    def _start_build(self, place: Place, request: Request) -> Answer:
        name = _Name("codebuild", place, request["projectName"])
        run = self._start(name, "waiter-role/function", request.get("idempotencyToken", ""))
        return {"build": _build(name, run)}

    def _batch_get_builds(self, place: Place, request: Request) -> Answer:
        names = {build: _Name("codebuild", place, build.partition(":")[0]) for build in request["ids"]}
        found = {run.id: _build(name, run) for name in set(names.values()) for run in self._started(name)}
        return {
            "builds": [found[build] for build in names if build in found],
            "buildsNotFound": [build for build in names if build not in found],
        }

    def _list_builds_for_project(self, place: Place, request: Request) -> Answer:
        name = _Name("codebuild", place, request["projectName"])
        self._require(name)
        return {"ids": [run.id for run in self._started(name)[:-101:-1]]}

    def _create_pipeline(self, place: Place, request: Request) -> Answer:
        answer = self._update_pipeline(place, request)
        self._start(_Name("codepipeline", place, request["pipeline"]["name"]), "CreatePipeline")
        return answer

    def _update_pipeline(self, place: Place, request: Request) -> Answer:
        declaration = {**request["pipeline"], "version": 1}
        self._pipelines[_Name("codepipeline", place, declaration["name"])] = declaration
        return {"pipeline": declaration}

    def _get_pipeline(self, place: Place, request: Request) -> Answer:
        self._require(name := _Name("codepipeline", place, request["name"]))
        return {"pipeline": self._pipelines[name]}

    def _delete_pipeline(self, place: Place, request: Request) -> Answer:
        name = _Name("codepipeline", place, request["name"])
        self._pipelines.pop(name, None)
        self._runs.pop(name, None)
        return {}

    def _start_pipeline_execution(self, place: Place, request: Request) -> Answer:
        name = _Name("codepipeline", place, request["name"])
        run = self._start(name, "StartPipelineExecution", request.get("clientRequestToken", ""))
        return {"pipelineExecutionId": run.id}

    def _list_pipeline_executions(self, place: Place, request: Request) -> Answer:
        self._require(name := _Name("codepipeline", place, request["pipelineName"]))
        newest = self._started(name)[::-1][: request.get("maxResults", 100)]
        return {"pipelineExecutionSummaries": [_execution(run) for run in newest]}

    def _list_action_executions(self, place: Place, request: Request) -> Answer:
        self._require(name := _Name("codepipeline", place, request["pipelineName"]))
        wanted = request.get("filter", {}).get("pipelineExecutionId")
        runs = [run for run in self._started(name)[::-1] if wanted in (None, run.id)]
        return {"actionExecutionDetails": [_action(run, step) for run in runs for step in run.begun[::-1]]}

    # --- Serving ----------------------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
        """Answer a request, or pass it on."""
        api, _, operation = headers.get("x-amz-target", "").partition(".")
        scope = scope_of(headers.get("authorization", ""))
        if self._passes_on and (scope is None or (api == _CODEBUILD and operation not in self._operations)):
            return forward(urlsplit(self._passes_on).netloc, method, target, headers, body)
        key, region = scope or (DEFAULT_ACCOUNT, REGION)
        place = Place(self._accounts.of(key), region)
        status, content = self.answer(_SERVICES.get(api, ""), operation, place, json.loads(body or b"{}"))
        return status, [("content-type", "application/x-amz-json-1.1")], json.dumps(content).encode()

    def answer(self, service: str, operation: str, place: Place, request: Request) -> tuple[int, Answer]:
        """Return status and body of an answer of the front's own, be it a refusal."""
        if operation not in self._operations:
            return 400, {"__type": "UnknownOperationException", "message": f"{service} here has no {operation}"}
        try:
            return 200, self._operations[operation](place, request)
        except Refused as refused:
            return 400, {"__type": refused.code, "message": refused.message}


def _next(coming: list[Script] | None, default: Script) -> Script:
    if not coming:
        return default
    return coming.pop(0) if len(coming) > 1 else coming[0]


def _build(name: _Name, run: Run) -> Answer:
    phases = [_phase(step) for step in run.begun]
    answer = {
        "id": run.id,
        "arn": f"arn:aws:codebuild:{name.place.region}:{name.place.account}:build/{run.id}",
        "projectName": name.name,
        "initiator": run.trigger,
        "startTime": run.began,
        "buildStatus": run.status,
        "currentPhase": run.begun[-1].name if run.ended is None else "COMPLETED",
        "phases": phases,
    }
    if run.ended is not None:
        phases.append({"phaseType": "COMPLETED", "startTime": run.ended})
        answer["endTime"] = run.ended
    return answer


def _phase(step: Step) -> Answer:
    begun = {"phaseType": step.name, "startTime": step.began}
    if step.ended is None:
        return begun
    contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": step.message}] if step.message else []
    return {**begun, "phaseStatus": step.ends, "endTime": step.ended, "contexts": contexts}


def _execution(run: Run) -> Answer:
    return {
        "pipelineExecutionId": run.id,
        "status": "InProgress" if run.ended is None else run.status.capitalize(),
        "startTime": run.began,
        "lastUpdateTime": run.changed,
        "trigger": {"triggerType": run.trigger},
        **({"stopTrigger": {"reason": run.reason}} if run.reason else {}),
    }


def _action(run: Run, step: Step) -> Answer:
    error = {"errorDetails": {"code": "JobFailed", "message": step.message}} if step.message else {}
    ended = {"SUCCEEDED": "Succeeded", "FAILED": "Failed"}.get(step.ends, "Abandoned")
    return {
        "pipelineExecutionId": run.id,
        "stageName": step.stage,
        "actionName": step.name,
        "startTime": step.began,
        "lastUpdateTime": step.began if step.ended is None else step.ended,
        "status": "InProgress" if step.ended is None else ended,
        "output": {"executionResult": error},
    }
