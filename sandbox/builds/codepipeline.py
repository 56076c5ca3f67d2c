"""CodePipeline's pipelines and their executions. Actions do nothing but pass the time that a script says. No I/O."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any, Final, Literal

from .calls import Answer, Context, Place, Refused, Request, Tokens, page
from .scripts import Action, Execution, Scripts

Status = Literal["Cancelled", "InProgress", "Stopped", "Stopping", "Succeeded", "Superseded", "Failed"]
ActionStatus = Literal["InProgress", "Abandoned", "Succeeded", "Failed"]
Trigger = Mapping[str, str]

DEPLOYER: Final = "deployer/AWSCloudFormation"
"""The role and the session of whoever creates pipelines."""
PUSH: Final[Trigger] = {"triggerType": "WebhookV2", "triggerDetail": "refs/heads/main"}
"""What a push starts an execution by."""

_DEFAULT_ACTION: Final = Action()
_GOING_ON: Final = ("InProgress", "Stopping")
_ids = count(1)


@dataclass
class StartedAction:
    """An action that was started. `ends`: when it is to end; `changed`: when its status came to be what it is."""

    stage: str
    settings: Mapping[str, Any]
    script: Action
    external_id: str
    started: float
    ends: float
    changed: float
    status: ActionStatus = "InProgress"
    error: Mapping[str, str] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    order: int = field(default_factory=lambda: next(_ids))

    @property
    def name(self) -> str:
        return str(self.settings["name"])

    @property
    def is_source(self) -> bool:
        return bool(self.settings["actionTypeId"]["category"] == "Source")

    @property
    def summary(self) -> str:
        if self.script.summary or self.settings["actionTypeId"]["provider"] != "CodeBuild":
            return self.script.summary
        return "" if self.status == "InProgress" else f"Build terminated with state: {self.status.upper()}"

    def end(self, at: float) -> None:
        """Do what it does, and succeed or fail."""
        self.changed = at
        self.status = "Succeeded"
        message = self.script.fails
        if not message and self.script.does is not None:
            try:
                self.script.does()
            except Exception as error:  # noqa: BLE001  # whatever a script raises is how its action failed
                message = str(error)
        if message:
            self.status = "Failed"
            self.error = {"code": self.script.code, "message": message}

    def abandon(self, at: float) -> None:
        self.status, self.changed = "Abandoned", at


@dataclass
class StartedExecution:
    """An execution that was started. It is in a stage, the one with this number, or waits before it."""

    script: Execution
    version: int
    mode: str
    started: float
    trigger: Trigger
    changed: float
    status: Status = "InProgress"
    stop_reason: str | None = None
    stage: int = 0
    waits: bool = True
    actions: list[StartedAction] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def running(self) -> list[StartedAction]:
        return [action for action in self.actions if action.status == "InProgress"]

    def end(self, status: Status, at: float) -> None:
        """End with a status, and abandon what is running."""
        for action in self.running:
            action.abandon(at)
        self.status, self.changed = status, at

    def sources(self) -> list[StartedAction]:
        return [action for action in self.actions if action.is_source and action.status == "Succeeded"]


class Pipeline:
    """A pipeline and its executions.

    Args:
        place: where.
        declaration: as the API has it.
        now: the time.
    """

    def __init__(self, place: Place, declaration: Request, now: float) -> None:
        self.place = place
        self.created = now
        self.executions: list[StartedExecution] = []
        self.version = 0
        self.declare(declaration, now)

    def declare(self, declaration: Request, now: float) -> None:
        """Replace the declaration, which cancels every execution that is going on."""
        self.version += 1
        self.updated = now
        self.declaration = {
            "executionMode": "SUPERSEDED",
            "pipelineType": "V1",
            **declaration,
            "version": self.version,
            "stages": [
                {**stage, "actions": [_with_defaults(action) for action in stage["actions"]]}
                for stage in declaration["stages"]
            ],
        }
        for execution in self._going_on():
            execution.end("Cancelled", now)

    @property
    def name(self) -> str:
        return str(self.declaration["name"])

    @property
    def stages(self) -> list[Mapping[str, Any]]:
        stages: list[Mapping[str, Any]] = self.declaration["stages"]
        return stages

    def find(self, execution_id: str) -> StartedExecution | None:
        return next((each for each in self.executions if each.id == execution_id), None)

    def start(self, script: Execution, trigger: Trigger, now: float) -> StartedExecution:
        mode = str(self.declaration["executionMode"])
        execution = StartedExecution(script, self.version, mode, now, trigger, now)
        self.executions.append(execution)
        self._let_in(now)
        return execution

    def advance(self, now: float) -> None:
        """Let everything happen that is due, in its order."""
        while (due := self._next_end()) <= now:
            for execution in self._going_on():
                for action in execution.running:
                    if action.ends <= due:
                        action.end(due)
                self._proceed(execution, due)
            self._let_in(due)

    def stop(self, execution: StartedExecution, *, abandon: bool, reason: str, now: float) -> None:
        execution.status, execution.changed, execution.stop_reason = "Stopping", now, reason
        if abandon or execution.waits:
            execution.end("Stopped", now)
        self._let_in(now)

    def _next_end(self) -> float:
        return min((action.ends for each in self._going_on() for action in each.running), default=inf)

    def _going_on(self) -> list[StartedExecution]:
        return [execution for execution in self.executions if execution.status in _GOING_ON]

    def _proceed(self, execution: StartedExecution, at: float) -> None:
        """Take the next step of an execution in a stage, if its running actions have ended."""
        if execution.waits or execution.running:
            return
        execution.changed = at
        stage = self.stages[execution.stage]
        here = [action for action in execution.actions if action.stage == stage["name"]]
        begun = {action.name for action in here}
        left = [action for action in stage["actions"] if action["name"] not in begun]
        if any(action.status == "Failed" for action in here):
            execution.end("Failed", at)
        elif execution.status == "Stopping":
            execution.end("Stopped", at)
        elif left:
            self._begin(execution, stage["name"], left, at)
        elif execution.stage + 1 == len(self.stages):
            execution.end("Succeeded", at)
        else:
            execution.stage, execution.waits = execution.stage + 1, True

    def _let_in(self, at: float) -> None:
        """Let executions into the stages that they wait for."""
        for number, stage in enumerate(self.stages):
            waiting = [each for each in self._going_on() if each.waits and each.stage == number]
            mode = self.declaration["executionMode"]
            if mode == "SUPERSEDED":
                for overtaken in waiting[:-1]:
                    overtaken.end("Superseded", at)
                waiting = waiting[-1:]
            locked = any(not each.waits and each.stage == number for each in self._going_on())
            if mode != "PARALLEL":
                waiting = [] if locked else waiting[:1]
            for execution in waiting:
                execution.waits, execution.changed = False, at
                self._begin(execution, stage["name"], stage["actions"], at)

    def _begin(self, execution: StartedExecution, stage: str, left: Iterable[Mapping[str, Any]], at: float) -> None:
        """Begin those of a stage's actions that come first, side by side."""
        first = min(action["runOrder"] for action in left)
        for settings in left:
            if settings["runOrder"] == first:
                script = execution.script.actions.get(settings["name"], _DEFAULT_ACTION)
                external_id = _external_id(settings, execution.script)
                ends = at + script.seconds
                execution.actions.append(StartedAction(stage, settings, script, external_id, at, ends, at))


class CodePipeline:
    """CodePipeline's operations, by the names that the API has for them in `operations`."""

    def __init__(self) -> None:
        self._scripts = Scripts(Execution())
        self._tokens = Tokens("ValidationException")
        self._pipelines: dict[Place, dict[str, Pipeline]] = {}
        self.operations: dict[str, Callable[[Context, Request], Answer]] = {
            "CreatePipeline": self._create_pipeline,
            "DeletePipeline": self._delete_pipeline,
            "GetPipeline": self._get_pipeline,
            "GetPipelineExecution": self._get_pipeline_execution,
            "GetPipelineState": self._get_pipeline_state,
            "ListActionExecutions": self._list_action_executions,
            "ListPipelineExecutions": self._list_pipeline_executions,
            "StartPipelineExecution": self._start_pipeline_execution,
            "StopPipelineExecution": self._stop_pipeline_execution,
            "UpdatePipeline": self._update_pipeline,
        }

    def play(self, pipeline: str, *executions: Execution) -> None:
        """Let the next executions of a pipeline go so, in this order; the last one again and again."""
        self._scripts.play(pipeline, *executions)

    def advance(self, now: float) -> None:
        """Let everything happen that is due."""
        for pipelines in self._pipelines.values():
            for pipeline in pipelines.values():
                pipeline.advance(now)

    def forget_tokens(self, name: str) -> None:
        self._tokens.forget(name)

    def clear(self) -> None:
        self._pipelines.clear()
        self._scripts.clear()
        self._tokens = Tokens(self._tokens.mismatch)

    def executions(self, place: Place, pipeline: str) -> list[StartedExecution]:
        """Return a pipeline's executions, in the order of their start."""
        return list(self._find(place, pipeline).executions)

    def start(self, context: Context, pipeline: str, trigger: Trigger) -> StartedExecution:
        found = self._find(context.place, pipeline)
        return found.start(self._scripts.next(pipeline), trigger, context.now)

    def _find(self, place: Place, name: str) -> Pipeline:
        pipeline = self._pipelines.get(place, {}).get(name)
        if pipeline is None:
            message = f"Pipeline with name {name} does not exist in account {place.account}."
            raise Refused("PipelineNotFoundException", message)
        return pipeline

    # --- Pipelines --------------------------------------------------------------------------------------------------

    def _create_pipeline(self, context: Context, request: Request) -> Answer:
        place, now = context.place, context.now
        declaration = request["pipeline"]
        name = declaration["name"]
        if name in self._pipelines.get(place, {}):
            raise Refused("PipelineNameInUseException", f"A pipeline with the name '{name}' already exists")
        if len(declaration["stages"]) < 2:
            raise Refused("InvalidStructureException", "Pipeline should have at least two stages")
        pipeline = Pipeline(place, declaration, now)
        self._pipelines.setdefault(place, {})[name] = pipeline
        deployer = f"arn:aws:sts::{place.account}:assumed-role/{DEPLOYER}"
        self.start(context, name, {"triggerType": "CreatePipeline", "triggerDetail": deployer})
        return {"pipeline": pipeline.declaration, "tags": request.get("tags", [])}

    def _update_pipeline(self, context: Context, request: Request) -> Answer:
        declaration = request["pipeline"]
        pipeline = self._pipelines.get(context.place, {}).get(declaration["name"])
        if pipeline is None:
            raise Refused("InvalidStructureException", f"There is no pipeline with the name {declaration['name']}")
        pipeline.declare(declaration, context.now)
        return {"pipeline": pipeline.declaration}

    def _delete_pipeline(self, context: Context, request: Request) -> Answer:
        self._pipelines.get(context.place, {}).pop(request["name"], None)
        return {}

    def _get_pipeline(self, context: Context, request: Request) -> Answer:
        place = context.place
        pipeline = self._find(place, request["name"])
        metadata = {
            "pipelineArn": f"arn:aws:codepipeline:{place.region}:{place.account}:{pipeline.name}",
            "created": round(pipeline.created, 3),
            "updated": round(pipeline.updated, 3),
        }
        return {"pipeline": pipeline.declaration, "metadata": metadata}

    def _get_pipeline_state(self, context: Context, request: Request) -> Answer:
        pipeline = self._find(context.place, request["name"])
        return {
            "pipelineName": pipeline.name,
            "pipelineVersion": pipeline.version,
            "stageStates": [_stage_state(pipeline, number) for number in range(len(pipeline.stages))],
            "created": round(pipeline.created, 3),
            "updated": round(pipeline.updated, 3),
        }

    # --- Executions -------------------------------------------------------------------------------------------------

    def _start_pipeline_execution(self, context: Context, request: Request) -> Answer:
        token = request.get("clientRequestToken")
        known = self._tokens.find(context, token, request)
        if known:
            return {"pipelineExecutionId": known}
        trigger = {"triggerType": "StartPipelineExecution", "triggerDetail": context.caller}
        execution = self.start(context, request["name"], trigger)
        self._tokens.keep(context, token, request, execution.id)
        return {"pipelineExecutionId": execution.id}

    def _stop_pipeline_execution(self, context: Context, request: Request) -> Answer:
        pipeline = self._find(context.place, request["pipelineName"])
        execution = pipeline.find(request["pipelineExecutionId"])
        abandon = bool(request.get("abandon"))
        if execution is None or execution.status not in _GOING_ON:
            raise Refused(
                "PipelineExecutionNotStoppableException",
                f"Unable to stop the pipeline execution {request['pipelineExecutionId']}: it is not in progress",
            )
        if execution.status == "Stopping" and not abandon:
            raise Refused("DuplicatedStopRequestException", "The pipeline execution is already in a Stopping state")
        pipeline.stop(execution, abandon=abandon, reason=request.get("reason", ""), now=context.now)
        return {"pipelineExecutionId": execution.id}

    def _get_pipeline_execution(self, context: Context, request: Request) -> Answer:
        pipeline = self._find(context.place, request["pipelineName"])
        execution = _existing(pipeline, request["pipelineExecutionId"])
        answer = {
            "pipelineName": pipeline.name,
            "pipelineVersion": execution.version,
            "pipelineExecutionId": execution.id,
            "artifactRevisions": [
                {"name": artifact["name"], **_revision(action)}
                for action in execution.sources()
                for artifact in action.settings["outputArtifacts"]
            ],
            **_what_all_show(execution),
        }
        return {"pipelineExecution": answer}

    def _list_pipeline_executions(self, context: Context, request: Request) -> Answer:
        pipeline = self._find(context.place, request["pipelineName"])
        stage = request.get("filter", {}).get("succeededInStage", {}).get("stageName")
        listed = [
            _summary(execution)
            for execution in reversed(pipeline.executions)
            if stage is None or _status_in(execution, _number_of(pipeline, stage)) == "Succeeded"
        ]
        return page(listed, request, "pipelineExecutionSummaries", "InvalidNextTokenException")

    def _list_action_executions(self, context: Context, request: Request) -> Answer:
        pipeline = self._find(context.place, request["pipelineName"])
        wanted = request.get("filter", {})
        wanted = wanted.get("latestInPipelineExecution", wanted).get("pipelineExecutionId")
        executions = [_existing(pipeline, wanted)] if wanted else pipeline.executions
        listed = [(action.order, _detail(pipeline, each, action)) for each in executions for action in each.actions]
        details = [detail for _, detail in sorted(listed, key=lambda pair: -pair[0])]
        return page(details, request, "actionExecutionDetails", "InvalidNextTokenException")


def _with_defaults(action: Mapping[str, Any]) -> dict[str, Any]:
    return {"runOrder": 1, "configuration": {}, "outputArtifacts": [], "inputArtifacts": [], **action}


def _external_id(settings: Mapping[str, Any], script: Execution) -> str:
    kind = settings["actionTypeId"]
    if kind["category"] == "Source":
        return script.revision
    project = settings["configuration"].get("ProjectName", settings["name"])
    return f"{project}:{uuid.uuid4()}" if kind["provider"] == "CodeBuild" else str(uuid.uuid4())


def _external_url(place: Place, action: StartedAction) -> str:
    if action.settings["actionTypeId"]["provider"] == "CodeBuild":
        builds = f"https://console.aws.amazon.com/codebuild/home?region={place.region}#/builds"
        return f"{builds}/{action.external_id}/view/new"
    if action.is_source:
        return f"https://github.com/example/app/commit/{action.external_id}"
    return f"https://console.aws.amazon.com/codepipeline/home?region={place.region}"


def _existing(pipeline: Pipeline, execution_id: str) -> StartedExecution:
    execution = pipeline.find(execution_id)
    if execution is None:
        message = f"The pipeline execution {execution_id} does not exist in the pipeline {pipeline.name}"
        raise Refused("PipelineExecutionNotFoundException", message)
    return execution


def _what_all_show(execution: StartedExecution) -> Answer:
    summary = execution.script.summary
    return {
        "status": execution.status,
        **({"statusSummary": summary} if summary and execution.status not in _GOING_ON else {}),
        "trigger": dict(execution.trigger),
        "executionMode": execution.mode,
        "executionType": "STANDARD",
    }


def _summary(execution: StartedExecution) -> Answer:
    return {
        "pipelineExecutionId": execution.id,
        "startTime": round(execution.started, 3),
        "lastUpdateTime": round(execution.changed, 3),
        "sourceRevisions": [{"actionName": each.name, **_revision(each)} for each in execution.sources()],
        **({} if execution.stop_reason is None else {"stopTrigger": {"reason": execution.stop_reason}}),
        **_what_all_show(execution),
    }


def _revision(source: StartedAction) -> Answer:
    return {
        "revisionId": source.external_id,
        "revisionSummary": "A change",
        "revisionUrl": f"https://github.com/example/app/commit/{source.external_id}",
    }


def _detail(pipeline: Pipeline, execution: StartedExecution, action: StartedAction) -> Answer:
    settings = action.settings
    return {
        "pipelineExecutionId": execution.id,
        "actionExecutionId": action.id,
        "pipelineVersion": execution.version,
        "stageName": action.stage,
        "actionName": action.name,
        "startTime": round(action.started, 3),
        "lastUpdateTime": round(action.changed, 3),
        "status": action.status,
        "input": {
            "actionTypeId": settings["actionTypeId"],
            "configuration": settings["configuration"],
            "resolvedConfiguration": settings["configuration"],
            "region": settings.get("region", pipeline.place.region),
            "inputArtifacts": settings["inputArtifacts"],
        },
        "output": {
            "outputArtifacts": settings["outputArtifacts"] if action.status == "Succeeded" else [],
            "executionResult": {
                "externalExecutionId": action.external_id,
                "externalExecutionSummary": action.summary,
                "externalExecutionUrl": _external_url(pipeline.place, action),
                **({"errorDetails": dict(action.error)} if action.error else {}),
            },
            "outputVariables": {},
        },
    }


def _number_of(pipeline: Pipeline, stage: str) -> int:
    return next((number for number, each in enumerate(pipeline.stages) if each["name"] == stage), -1)


def _status_in(execution: StartedExecution, stage: int) -> str | None:
    """Return how an execution stands in a stage; None where it has not been there."""
    if not 0 <= stage <= execution.stage or (stage == execution.stage and execution.waits):
        return None
    return "Succeeded" if stage < execution.stage else execution.status


def _stage_state(pipeline: Pipeline, number: int) -> Answer:
    stage = pipeline.stages[number]
    inbound = [
        {"pipelineExecutionId": each.id, "status": each.status, "type": "STANDARD"}
        for each in pipeline.executions
        if each.status in _GOING_ON and each.waits and each.stage == number
    ]
    latest = [
        {"pipelineExecutionId": each.id, "status": status, "type": "STANDARD"}
        for each in pipeline.executions
        if (status := _status_in(each, number))
    ]
    return {
        "stageName": stage["name"],
        **({"inboundExecution": inbound[-1]} if inbound else {}),
        "inboundExecutions": inbound,
        "inboundTransitionState": {"enabled": True},
        "actionStates": [_action_state(pipeline, stage["name"], action["name"]) for action in stage["actions"]],
        **({"latestExecution": latest[-1]} if latest else {}),
    }


def _action_state(pipeline: Pipeline, stage: str, name: str) -> Answer:
    begun = [
        action
        for execution in pipeline.executions
        for action in execution.actions
        if (action.stage, action.name) == (stage, name)
    ]
    if not begun:
        return {"actionName": name}
    action = max(begun, key=lambda each: each.order)
    url = _external_url(pipeline.place, action)
    latest = {
        "actionExecutionId": action.id,
        "status": action.status,
        "lastStatusChange": round(action.changed, 3),
        "externalExecutionId": action.external_id,
        "externalExecutionUrl": url,
        **({"summary": action.summary} if action.summary else {}),
        **({"errorDetails": dict(action.error)} if action.error else {}),
    }
    state: Answer = {"actionName": name, "latestExecution": latest}
    if action.is_source and action.status == "Succeeded":
        revision = {"revisionId": action.external_id, "revisionChangeId": action.external_id}
        state["currentRevision"] = {**revision, "created": round(action.started, 3)}
        state["revisionUrl"] = url
    return state
