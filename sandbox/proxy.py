"""A proxy in front of an AWS endpoint that counts calls, and throttles, fails, delays, denies, answers or drops some.

| what it imitates | source |
|---|---|
| ThrottlingException, ThrottleException: HTTP 400, "Rate exceeded" | ECR API Reference, "Common Errors"; botocore |
| ServerException, ServiceException: HTTP 500 | botocore's models of ECR and Lambda |
| AccessDeniedException: HTTP 400 from a JSON service, 403 from a REST one | botocore's recorded errors of both |
| AccessDenied: HTTP 403, and XML, from a query service such as STS | IAM User Guide, as below; botocore's parser |
| its sentence with user, action and resource | IAM User Guide, "Troubleshoot access denied error messages" |
| a connection reset without an answer | TCP |

All else passes through unchanged but for x-forwarded-host, which says where the call came in; so its other limits are
those of the emulators behind it.
"""

import json
import random
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from .serving import Handler, Server, Whole, forward, without_hop_by_hop


@dataclass(frozen=True)
class Call:
    """One call that came by.

    `operation`: like `ecr:DescribeImages`; `s3:GetObject` where a presigned URL is followed. `repository`, `registry`:
    empty where none is named.
    """

    operation: str
    target: str = field(repr=False)  # the query of a presigned URL would stand in every failed assertion
    body: str
    region: str = "us-east-1"

    @property
    def repository(self) -> str:
        return self._named("repositoryName")

    @property
    def registry(self) -> str:
        return self._named("registryId")

    @property
    def resource(self) -> str:
        """What IAM calls that which the call is about."""
        service, account = self.operation.partition(":")[0], self.registry or "123456789012"
        match service:
            case "lambda":
                return unquote(self.target.split("/")[3])
            case "sts":
                return parse_qs(self.body).get("RoleArn", ["*"])[0]
            case "codebuild":
                build = self._named("id") or next(iter(self._parameters.get("ids", [])), "")
                name = self._named("projectName") or build.partition(":")[0]
                return f"arn:aws:codebuild:{self.region}:{account}:project/{name}" if name else "*"
            case "codepipeline":
                name = self._named("pipelineName") or self._named("name")
                return f"arn:aws:codepipeline:{self.region}:{account}:{name}" if name else "*"
            case "ecr-public":
                return f"arn:aws:ecr-public::{account}:repository/{self.repository or '*'}"
            case _:
                return f"arn:aws:ecr:{self.region}:{account}:repository/{self.repository or '*'}"

    @property
    def _parameters(self) -> dict[str, Any]:
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    def _named(self, parameter: str) -> str:
        return str(self._parameters.get(parameter, ""))


@dataclass(frozen=True)
class Effect:
    """What happens to a call instead of, or before, being passed on."""

    name: str
    status: int = 0
    code: str = ""
    message: str = ""
    delay: float = 0.0
    padding: int = 0
    hold: float = 0.0
    content: Callable[["Call"], str] | None = None


def throttle(code: str = "ThrottlingException") -> Effect:
    return Effect("throttle", 400, code, "Rate exceeded")


def fail(code: str = "ServerException", status: int = 500) -> Effect:
    return Effect("fail", status, code, "An internal failure has occurred.")


def delay(seconds: float) -> Effect:
    return Effect("delay", delay=seconds)


def deny() -> Effect:
    return Effect("deny", 400, "AccessDeniedException")


def answer(content: Callable[[Call], str]) -> Effect:
    """Answer in the endpoint's place."""
    return Effect("answer", 200, content=content)


def drop(after: float = 0.0) -> Effect:
    return Effect("drop", delay=after)


def late(seconds: float) -> Effect:
    """Pass the call on at once, and its answer back only so many seconds later."""
    return Effect("late", hold=seconds)


@dataclass
class Rule:
    """Which calls an effect meets.

    `operation`: such as `ecr:DescribeImages`. `repository`: the one that the call names; empty for all. `where`: which
    calls. `share`: of the calls, drawn with `seed`. `times`: at most so often.
    """

    operation: str
    effect: Effect
    repository: str = ""
    share: float = 1.0
    times: float = float("inf")
    seed: int = 0
    where: Callable[[Call], bool] = lambda _: True
    _random: random.Random = field(init=False)
    _met: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # reproducible on purpose

    @property
    def met(self) -> int:
        """How many calls the effect has met so far."""
        return self._met

    def meets(self, call: Call) -> bool:
        if call.operation != self.operation or self.repository not in ("", call.repository) or self._met >= self.times:
            return False
        if not self.where(call) or self._random.random() >= self.share:
            return False
        self._met += 1
        return True


class Proxy:
    """Listens on a port of its own and passes calls on to one endpoint.

    Args:
        upstream: where calls go, `http://host:port`.
        role: the role named when a call is denied.
        context: for https; http without it.
    """

    def __init__(self, upstream: str, role: str = "waiter-role", context: ssl.SSLContext | None = None) -> None:
        self._calls: list[Call] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._role = role
        self._upstream = urlsplit(upstream).netloc
        self._server = Server(("127.0.0.1", 0), _handler(self), context)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextmanager
    def rule(self, rule: Rule) -> Iterator[None]:
        """Have a rule while a `with` block runs. The first that meets a call has its way."""
        with self._lock:
            self._rules.append(rule)
        try:
            yield
        finally:
            with self._lock:
                # By identity: two rules may be equal.
                self._rules = [each for each in self._rules if each is not rule]

    def count(self, operation: str, *, repository: str = "", containing: str = "") -> int:
        """Return how many calls of an operation came by, for one repository or with a text in their body."""
        with self._lock:
            return sum(
                call.operation == operation and repository in ("", call.repository) and containing in call.body
                for call in self._calls
            )

    def counts(self, repository: str) -> Counter[str]:
        """Return how many calls that name a repository came by, by their operations."""
        with self._lock:
            return Counter(call.operation for call in self._calls if call.repository == repository)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def effect_on(self, call: Call) -> Effect | None:
        """Return what is to happen to a call, and count it."""
        with self._lock:
            self._calls.append(call)
            return next((rule.effect for rule in self._rules if rule.meets(call)), None)

    def refusal(self, effect: Effect, call: Call) -> tuple[int, str]:
        """Return the status and message of a call that is refused."""
        if effect.name != "deny":
            return effect.status, effect.message
        user = f"arn:aws:sts::123456789012:assumed-role/{self._role}/function"
        action = "lambda:InvokeFunction" if call.operation == "lambda:Invoke" else call.operation
        message = (
            f"User: {user} is not authorized to perform: {action} on resource: {call.resource} because no "
            f"identity-based policy allows the {action} action"
        )
        return 403 if call.operation.startswith(("lambda:", *_QUERY_SERVICES)) else 400, message

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Whole:
        # An answer with a URL of the endpoint's own then leads back here.
        passed_on = {**without_hop_by_hop(headers), "x-forwarded-host": urlsplit(self.url).netloc}
        return forward(self._upstream, method, target, passed_on, body)


_QUERY_SERVICES = ("cloudformation:", "sts:")
_SCOPE = re.compile(r"Credential=[^/]+/[0-9]+/([^/]+)/([a-z0-9-]+)/")


def operation_of(target: str, headers: dict[str, str], body: str) -> str:
    """Name a call as IAM does, as far as the request shows it."""
    named = headers.get("x-amz-target", "")
    scope = _SCOPE.search(headers.get("authorization", ""))
    if not scope and "X-Amz-Signature=" in target:
        return "s3:GetObject"
    service = scope[2] if scope else "unknown"
    if named:
        return f"{service}:{named.rpartition('.')[2]}"
    if service == "lambda" and target.partition("?")[0].endswith("/invocations"):
        return "lambda:Invoke"
    return f"{service}:{parse_qs(body).get('Action', ['unknown'])[0]}"


def _in_xml(code: str, message: str) -> bytes:
    """Return an error as a query service sends it, by the name that it has there."""
    code = {"AccessDeniedException": "AccessDenied"}.get(code, code)
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    return f"<ErrorResponse><Error>{error}</Error><RequestId>0</RequestId></ErrorResponse>".encode()


def _handler(proxy: Proxy) -> type[Handler]:
    class ProxyHandler(Handler):
        def _serve(self) -> None:
            raw = self.read_body()
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = raw.decode(errors="replace")
            scope = _SCOPE.search(headers.get("authorization", ""))
            call = Call(operation_of(self.path, headers, body), self.path, body, scope[1] if scope else "us-east-1")
            effect = proxy.effect_on(call)
            if effect:
                time.sleep(effect.delay)
                if effect.name == "drop":
                    self.reset()
                    return
                if effect.content:
                    self.reply(effect.status, effect.content(call).encode(), [("content-type", "text/xml")])
                    return
                if effect.code:
                    status, message = proxy.refusal(effect, call)
                    if call.operation.startswith(_QUERY_SERVICES):
                        self.reply(status, _in_xml(effect.code, message), [("content-type", "text/xml")])
                        return
                    content = json.dumps({"__type": effect.code, "message": message, "Message": message}).encode()
                    self.reply(status, content, [("x-amzn-errortype", effect.code)])
                    return
            status, received, content = proxy.forward(self.command, self.path, headers, raw)
            if effect:
                time.sleep(effect.hold)
                content += b" " * effect.padding
            self.reply_whole((status, received, content))

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  # http.server's names for them

    return ProxyHandler
