"""The server that answers as CodeBuild and CodePipeline do, and passes on what concerns projects."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from ecr_image_waiter.clock import Clock, SystemClock
from sandbox.accounts import DEFAULT_ACCOUNT, Accounts, scope_of
from sandbox.serving import Handler, Server, Whole, forward, without_hop_by_hop

from .calls import Answer, Context, Place, Refused, Request
from .codebuild import WEBHOOK, CodeBuild, Projects, StartedBuild
from .codepipeline import PUSH, CodePipeline, StartedExecution, Trigger
from .scripts import Build, Execution

CALLER: Final = "waiter-role/function"
"""The role and the session of whoever calls the API, since a call in the sandbox does not say so."""
REGION: Final = "us-east-1"
TICK_SECONDS: Final = 0.1
"""How often the front looks what is due, on the system's clock."""

_HERE: Final = Place(DEFAULT_ACCOUNT, REGION)
_CODEBUILD: Final = "CodeBuild_20161006"
_CODEPIPELINE: Final = "CodePipeline_20150709"
_SERVICES: Final = {_CODEBUILD: "codebuild", _CODEPIPELINE: "codepipeline"}
_STATUSES: Final = {"ConflictException": 409}


@dataclass(frozen=True)
class Call:
    """A call of one of the two APIs, as far as its head and its signature show it."""

    service: str
    operation: str
    place: Place
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> Request:
        request: Request = json.loads(self.body or b"{}")
        return request


class Builds:
    """CodeBuild and CodePipeline on one port. Use it as a context manager, or call `stop`.

    What is due is done whenever somebody calls, and on the system's clock also when nobody does.

    Args:
        passes_on: the endpoint that knows the projects and whose an access key is; without one, projects are the
            front's own and every key but an account's digits is the default account's.
        bind: the address to listen on.
        port: to listen on; a free one by default.
        clock: the time; the system's by default.
    """

    def __init__(
        self,
        passes_on: str | None = None,
        *,
        bind: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._upstream = passes_on and urlsplit(passes_on).netloc
        self._accounts = Accounts(passes_on)
        self._lock = threading.RLock()
        self._projects = Projects()
        self._codebuild = CodeBuild()
        self._codepipeline = CodePipeline()
        self._stopped = threading.Event()
        self._server = Server((bind, port), _handler(self))
        host = "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104  # what the caller asked for
        self.url = f"http://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        if clock is None:
            threading.Thread(target=self._keep_going, daemon=True).start()

    # --- For tests and demos ----------------------------------------------------------------------------------------

    def client(self, service: str = "codebuild", *, account: str = DEFAULT_ACCOUNT, region: str = REGION) -> Any:
        """Return a boto3 client of an account in a region."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="sandbox",  # noqa: S106  # made up
            config=Config(retries={"total_max_attempts": 1}),
        )

    def play(self, project: str, *builds: Build) -> None:
        """Let a project's next builds go so, in this order; the last one again and again. It need not exist yet."""
        with self._lock:
            self._codebuild.play(project, *builds)

    def play_pipeline(self, pipeline: str, *executions: Execution) -> None:
        """Let a pipeline's next executions go so, as `play` does; the first is the one that its creation starts."""
        with self._lock:
            self._codepipeline.play(pipeline, *executions)

    def start(self, project: str, *, initiator: str = WEBHOOK, place: Place = _HERE) -> StartedBuild:
        """Start a build as somebody else does, by a push for one."""
        settings = self._project(place, project)
        with self._lock:
            self.advance()
            return self._codebuild.start(Context(place, self._clock.now(), initiator, settings), project)

    def start_pipeline(self, pipeline: str, *, trigger: Trigger = PUSH, place: Place = _HERE) -> StartedExecution:
        """Start an execution as somebody else does, by a push for one."""
        with self._lock:
            self.advance()
            return self._codepipeline.start(Context(place, self._clock.now(), ""), pipeline, trigger)

    def runs(self, project: str, *, place: Place = _HERE) -> list[StartedBuild]:
        """Return a project's builds, in the order of their start."""
        with self._lock:
            self.advance()
            return self._codebuild.builds(place, project)

    def pipeline_runs(self, pipeline: str, *, place: Place = _HERE) -> list[StartedExecution]:
        """Return a pipeline's executions, in the order of their start."""
        with self._lock:
            self.advance()
            return self._codepipeline.executions(place, pipeline)

    def advance(self) -> None:
        """Let everything happen that is due."""
        with self._lock:
            now = self._clock.now()
            self._codebuild.advance(now)
            self._codepipeline.advance(now)

    def forget_tokens(self, name: str) -> None:
        """Let no token be good any more that started a run of this project or pipeline, as if their time were up."""
        with self._lock:
            self._codebuild.forget_tokens(name)
            self._codepipeline.forget_tokens(name)

    def reset(self) -> None:
        """Forget everything, scripts too, but for projects of another service."""
        with self._lock:
            self._codebuild.clear()
            self._codepipeline.clear()
            self._projects.clear()
            self._accounts.forget()

    # --- Serving ----------------------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
        """Answer a request, or pass it on."""
        call = self._call(headers, body)
        if call is None or (call.service == "codebuild" and call.operation not in self._codebuild.operations):
            if self._upstream:
                return forward(self._upstream, method, target, without_hop_by_hop(headers), body)
            if call is None:
                return 404, [("content-type", "application/json")], b"{}"
        status, content = self.answer(call)
        return status, [("content-type", "application/x-amz-json-1.1")], json.dumps(content).encode()

    def answer(self, call: Call) -> tuple[int, Answer]:
        """Return status and body of an answer of the front's own, be it a refusal."""
        try:
            return 200, self._result(call)
        except Refused as refused:
            status = _STATUSES.get(refused.code, 400)
            return status, {"__type": refused.code, "message": refused.message, **refused.members}

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _keep_going(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.advance()

    def _call(self, headers: Mapping[str, str], body: bytes) -> Call | None:
        service, _, operation = headers.get("x-amz-target", "").partition(".")
        scope = scope_of(headers.get("authorization", ""))
        if service not in _SERVICES or scope is None:
            return None
        key, region = scope
        return Call(_SERVICES[service], operation, Place(self._accounts.of(key), region), headers, body)

    def _result(self, call: Call) -> Answer:
        caller = CALLER if call.service == "codebuild" else f"arn:aws:sts::{call.place.account}:assumed-role/{CALLER}"
        request = call.request
        by_name = {**self._codebuild.operations, **self._projects.operations}
        operation = (by_name if call.service == "codebuild" else self._codepipeline.operations).get(call.operation)
        if operation is None:
            raise Refused("UnknownOperationException", f"The sandbox's {call.service} has no {call.operation}")
        # Before the lock is taken: who answers this may be waiting for an answer of ours.
        project = self._project(call.place, request["projectName"]) if "projectName" in request else None
        with self._lock:
            self.advance()
            return operation(Context(call.place, self._clock.now(), caller, project), request)

    def _project(self, place: Place, name: str) -> Mapping[str, Any] | None:
        """Return a project's settings."""
        if not self._upstream:
            return self._projects.find(place, name)
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={place.account}/20260101/{place.region}/codebuild/"
            "aws4_request, SignedHeaders=host, Signature=0",
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"{_CODEBUILD}.BatchGetProjects",
        }
        body = json.dumps({"names": [name]}).encode()
        found = json.loads(forward(self._upstream, "POST", "/", headers, body)[2])["projects"]
        return next((project for project in found if project["name"] == name), None)


def _handler(builds: Builds) -> type[Handler]:
    class BuildsHandler(Handler):
        def _serve(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            self.reply_whole(builds.handle(self.command, self.path, headers, self.read_body()))

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  # names that http.server looks for

    return BuildsHandler
