"""A proxy in front of an AWS endpoint that throttles, fails, delays, denies or drops calls by rule, and counts them.

| what it imitates | source |
|---|---|
| ThrottlingException, ThrottleException: HTTP 400, "Rate exceeded" | ECR API Reference, "Common Errors"; botocore |
| ServerException, ServiceException: HTTP 500 | botocore's models of ECR and Lambda |
| AccessDeniedException: HTTP 400 from a JSON service, 403 from a REST one | botocore's recorded errors of both |
| its sentence with user, action and resource | IAM User Guide, "Troubleshoot access denied error messages" |
| a connection closed without an answer | TCP |

All else passes through unchanged, so its other limits are those of the emulators behind it.
"""

import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass(frozen=True)
class Call:
    """One call that came by. `operation` is like `ecr:DescribeImages`, `effect` what a rule did to it."""

    operation: str
    target: str
    body: str
    at: float
    effect: str | None


@dataclass(frozen=True)
class Effect:
    """What happens to a call instead of, or before, being passed on."""

    name: str
    status: int = 0
    code: str = ""
    message: str = ""
    delay: float = 0.0


def throttle(code: str = "ThrottlingException") -> Effect:
    return Effect("throttle", 400, code, "Rate exceeded")


def fail(code: str = "ServerException", status: int = 500) -> Effect:
    return Effect("fail", status, code, "An internal failure has occurred.")


def delay(seconds: float) -> Effect:
    return Effect("delay", delay=seconds)


def deny() -> Effect:
    return Effect("deny", 400, "AccessDeniedException")


def drop() -> Effect:
    return Effect("drop")


@dataclass
class Rule:
    """Which calls an effect meets.

    `operation`: such as `ecr:DescribeImages`. `containing`: a text in the call's path or body, for one repository or
    stack among many. `share`: of the calls, drawn with `seed`. `times`: at most so often.
    """

    operation: str
    effect: Effect
    containing: str = ""
    share: float = 1.0
    times: float = float("inf")
    seed: int = 0
    _random: random.Random = field(init=False)
    _met: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # reproducible on purpose

    def meets(self, operation: str, text: str) -> bool:
        if operation != self.operation or self.containing not in text or self._met >= self.times:
            return False
        if self._random.random() >= self.share:
            return False
        self._met += 1
        return True


class Proxy:
    """Listens on a port of its own and passes calls on to one endpoint.

    Args:
        upstream: where calls go, `http://host:port`.
        role: the role named when a call is denied.
        host: to listen on.
        port: to listen on, 0 for a free one.
    """

    def __init__(self, upstream: str, role: str = "waiter-role", host: str = "127.0.0.1", port: int = 0) -> None:
        self.calls: list[Call] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._role = role
        self._upstream = urlsplit(upstream).netloc
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def rule(
        self,
        operation: str,
        effect: Effect,
        *,
        containing: str = "",
        share: float = 1.0,
        times: float = float("inf"),
        seed: int = 0,
    ) -> Rule:
        """Add a rule. The first that meets a call has its way."""
        made = Rule(operation, effect, containing, share, times, seed)
        with self._lock:
            self._rules.append(made)
        return made

    def remove(self, rule: Rule) -> None:
        with self._lock:
            self._rules.remove(rule)

    def count(self, operation: str, containing: str = "") -> int:
        """Return how many calls of an operation came by."""
        with self._lock:
            return sum(call.operation == operation and containing in call.target + call.body for call in self.calls)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def effect_on(self, operation: str, target: str, body: str) -> Effect | None:
        """Return what is to happen to a call, and count it."""
        with self._lock:
            met = next((rule.effect for rule in self._rules if rule.meets(operation, target + body)), None)
            self.calls.append(Call(operation, target, body, time.time(), met.name if met else None))
            return met

    def refusal(self, effect: Effect, operation: str, target: str, body: str) -> tuple[int, str]:
        """Return the status and message of a call that is refused."""
        if effect.name != "deny":
            return effect.status, effect.message
        user = f"arn:aws:sts::123456789012:assumed-role/{self._role}/function"
        if operation == "lambda:Invoke":
            action, resource = "lambda:InvokeFunction", unquote(target.split("/")[3])
        else:
            action, resource = operation, f"arn:aws:ecr:us-east-1:123456789012:repository/{_repository(body)}"
        message = (
            f"User: {user} is not authorized to perform: {action} on resource: {resource} because no identity-based "
            f"policy allows the {action} action"
        )
        return 403 if operation.startswith("lambda:") else 400, message

    def forward(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self._upstream, timeout=1000)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def operation_of(target: str, headers: dict[str, str], body: str) -> str:
    """Name a call as IAM does, as far as the request shows it."""
    named = headers.get("x-amz-target", "")
    scope = re.search(r"Credential=[^/]+/[0-9]+/[^/]+/([a-z0-9-]+)/", headers.get("authorization", ""))
    service = scope[1] if scope else "unknown"
    if named:
        return f"{service}:{named.rpartition('.')[2]}"
    if service == "lambda" and target.partition("?")[0].endswith("/invocations"):
        return "lambda:Invoke"
    return f"{service}:{parse_qs(body).get('Action', ['unknown'])[0]}"


def _repository(body: str) -> str:
    try:
        return str(json.loads(body).get("repositoryName", "*"))
    except ValueError:
        return "*"


def _handler(proxy: Proxy) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = raw.decode(errors="replace")
            headers = {key.lower(): value for key, value in self.headers.items()}
            operation = operation_of(self.path, headers, body)
            effect = proxy.effect_on(operation, self.path, body)
            if effect:
                time.sleep(effect.delay)
                if effect.name == "drop":
                    # Linger of no seconds: the peer sees a reset, not an orderly end.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                if effect.code:
                    status, message = proxy.refusal(effect, operation, self.path, body)
                    content = json.dumps({"__type": effect.code, "message": message, "Message": message}).encode()
                    self._answer(status, [("x-amzn-errortype", effect.code)], content)
                    return
            passed_on = {key: value for key, value in headers.items() if key not in _HOP_BY_HOP}
            self._answer(*proxy.forward(self.command, self.path, passed_on, raw))

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            try:
                self.send_response_only(status)
                for key, value in headers:
                    if key.lower() not in _HOP_BY_HOP:
                        self.send_header(key, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                self.close_connection = True  # the caller's time-out was shorter than the delay

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  # names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
            """Say nothing: a log of paths would be one more place to keep clean."""

    return Handler
