"""A proxy in front of an AWS endpoint that counts calls, and throttles, fails, delays, denies, answers or drops some.

Codes and statuses are those of botocore's models and recorded errors, and of ECR's API Reference, "Common Errors". A
denial's sentence is from the IAM User Guide, "Troubleshoot access denied error messages"; it comes with HTTP 400 from a
JSON service, with 403 from a REST one, and with 403 and XML from a query service such as STS. All else passes through
unchanged but for x-forwarded-host, which says where the call came in.
"""

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from .serving import Service, Whole, forward

if TYPE_CHECKING:
    import trustme  # where only the CDK is installed, there is none


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
        account = self.registry or "123456789012"
        if self.operation.startswith("lambda:"):
            return unquote(self.target.split("/")[3])
        if self.operation.startswith("codebuild:"):
            build = next(iter(self._parameters.get("ids", [])), "")
            name = self._named("projectName") or build.partition(":")[0]
            return f"arn:aws:codebuild:{self.region}:{account}:project/{name}" if name else "*"
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
    hold: float = 0.0
    content: Callable[["Call"], str] | None = None


def throttle(code: str = "ThrottlingException") -> Effect:
    return Effect("throttle", 400, code, "Rate exceeded")


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


class Proxy(Service):
    """Listens on a port of its own and passes calls on to one endpoint.

    Args:
        upstream: where calls go, `http://host:port`.
        authority: vouches for it; it speaks http without one.
    """

    def __init__(self, upstream: str, authority: "trustme.CA | None" = None) -> None:
        self._calls: list[Call] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._upstream = urlsplit(upstream).netloc
        super().__init__(authority=authority)

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

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole | None:
        """Let the first rule that meets a call have its way, or pass the call on."""
        text = body.decode(errors="replace")
        scope = _SCOPE.search(headers.get("authorization", ""))
        call = Call(operation_of(target, headers, text), target, text, scope[1] if scope else "us-east-1")
        with self._lock:
            self._calls.append(call)
            effect = next((rule.effect for rule in self._rules if rule.meets(call)), _NONE)
        time.sleep(effect.delay)
        if effect.name == "drop":
            return None
        if effect.content:
            return effect.status, [("content-type", "text/xml")], effect.content(call).encode()
        if effect.code:
            return _refusal(effect, call)
        # An answer with a URL of the endpoint's own then leads back here.
        passed_on = {**headers, "x-forwarded-host": urlsplit(self.url).netloc}
        whole = forward(self._upstream, method, target, passed_on, body)
        time.sleep(effect.hold)
        return whole


_NONE = Effect("none")
_QUERY_SERVICES = ("cloudformation:", "sts:")
_SCOPE = re.compile(r"Credential=[^/]+/[0-9]+/([^/]+)/([a-z0-9-]+)/")


def operation_of(target: str, headers: Mapping[str, str], body: str) -> str:
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


def _refusal(effect: Effect, call: Call) -> Whole:
    status, code, message = effect.status, effect.code, effect.message
    query = call.operation.startswith(_QUERY_SERVICES)
    if effect.name == "deny":
        action = "lambda:InvokeFunction" if call.operation == "lambda:Invoke" else call.operation
        status = 403 if query or call.operation.startswith("lambda:") else 400
        message = (
            f"User: arn:aws:sts::123456789012:assumed-role/waiter-role/function is not authorized to perform: {action} "
            f"on resource: {call.resource} because no identity-based policy allows the {action} action"
        )
    if query:
        code = {"AccessDeniedException": "AccessDenied"}.get(code, code)
        error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
        content = f"<ErrorResponse><Error>{error}</Error><RequestId>0</RequestId></ErrorResponse>".encode()
        return status, [("content-type", "text/xml")], content
    content = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    return status, [("x-amzn-errortype", code)], content
