"""The server that stands before moto's, answers what moto does not or does wrong, and passes the rest on."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ecr_image_waiter.aws.clients import SystemClock
from ecr_image_waiter.core.deadline import Clock
from sandbox.accounts import DEFAULT_ACCOUNT, Accounts, client_of, is_account, scope_of
from sandbox.serving import Service, Whole, forward

from .contents import Answer, Refused, Request
from .private import Context, Private
from .public import REGION, Public

FORWARDED_HOST: Final = "x-forwarded-host"
"""By which a proxy says where the call came in, so that a download URL leads there, too."""

_PRIVATE: Final = "AmazonEC2ContainerRegistry_V20150921"
_PUBLIC: Final = "SpencerFrontendService"


@dataclass(frozen=True)
class Call:
    """A call of one of the two APIs, as far as its head and its signature show it."""

    service: str
    operation: str
    region: str
    account: str
    base: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> Request:
        request: Request = json.loads(self.body or b"{}")
        return request


class _Passed(Exception):
    """What moto answered, where that is the answer."""

    def __init__(self, whole: Whole) -> None:
        super().__init__()
        self.whole = whole


class Front(Service):
    """ECR and ECR Public on one port. Use it as a context manager, or call `stop`.

    Args:
        upstream: moto's server, `http://host:port`. MOTO_ACCOUNT_ID must not be in its environment.
        sts: the endpoint that knows whose an access key is; moto by default.
        bind: the address to listen on.
        port: to listen on; a free one by default.
        clock: the time.
    """

    def __init__(
        self,
        upstream: str,
        *,
        sts: str | None = None,
        bind: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._upstream = urlsplit(upstream).netloc
        self._accounts = Accounts(sts or upstream)
        self._closed: set[str] = set()
        self._lock = threading.RLock()
        self._private = Private(clock)
        self._public = Public(clock)
        super().__init__(bind=bind, port=port)

    # --- For tests --------------------------------------------------------------------------------------------------

    def client(self, service: str = "ecr", *, account: str = DEFAULT_ACCOUNT, region: str = REGION) -> Any:
        """Return a boto3 client of an account in a region."""
        return client_of(service, self.url, account, region)

    def end_restores(self) -> None:
        """Let every image that is being restored be active now."""
        with self._lock:
            self._private.end_restores()

    def reset(self) -> None:
        """Forget everything, and let moto do so."""
        with self._lock:
            self._private.reset()
            self._public.reset()
            self._accounts.forget()
            forward(self._upstream, "POST", "/moto-api/reset", {}, b"")

    @contextmanager
    def closed(self, account: str) -> Iterator[None]:
        """Have an account's private registry deny every other account, as it does without a repository policy."""
        self._closed.add(account)
        try:
            yield
        finally:
            self._closed.discard(account)

    # --- Serving ----------------------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
        """Answer a request, or pass it on."""
        if method == "GET" and "X-Amz-Signature=" in target:
            blob = self._private.download(target)
            return (403, [], b"<Error><Code>AccessDenied</Code></Error>") if blob is None else (200, [], blob)
        call = self._call(headers, body)
        if call is None:
            scope = scope_of(headers.get("authorization", ""))
            account = {"x-moto-account-id": scope[0]} if scope and is_account(scope[0]) else {}
            return forward(self._upstream, method, target, {**headers, **account}, body)
        try:
            status, content = self.answer(call)
        except _Passed as passed:
            return passed.whole
        return status, [("content-type", "application/x-amz-json-1.1")], json.dumps(content).encode()

    def answer(self, call: Call) -> tuple[int, Answer]:
        """Return status and body of an answer of the front's own, be it a refusal.

        Raises:
            _Passed: moto's answer, which then stands.
        """
        try:
            return 200, self._result(call)
        except Refused as refused:
            return 400, {"__type": refused.code, "message": refused.message, **refused.members}

    def _call(self, headers: Mapping[str, str], body: bytes) -> Call | None:
        service, _, operation = headers.get("x-amz-target", "").partition(".")
        scope = scope_of(headers.get("authorization", ""))
        if service not in (_PRIVATE, _PUBLIC) or scope is None:
            return None
        base = f"http://{headers.get(FORWARDED_HOST) or headers['host']}"
        name = "ecr" if service == _PRIVATE else "ecr-public"
        key, region = scope
        return Call(name, operation, region, self._accounts.of(key), base, headers, body)

    def _result(self, call: Call) -> Answer:
        request = call.request
        if call.service == "ecr-public":
            return self._public_result(call, request)
        registry_id = request.get("registryId") or call.account
        name = request.get("repositoryName", "")
        if registry_id in self._closed and registry_id != call.account:
            raise _denied(call, registry_id, name)
        operation = self._private.operations.get(call.operation)
        if operation is None:
            return self._pass_on(call, registry_id, name)
        settings = self._required(call, registry_id, name)
        with self._lock:
            repository = self._private.repository(registry_id, call.region, name)
            if call.operation == "PutImage":
                repository.refuse_to_move(request.get("imageTag"), request["imageManifest"], settings)
            return operation(Context(repository, call.region, call.base), request)

    def _public_result(self, call: Call, request: Request) -> Answer:
        if call.region != REGION:
            raise Refused("UnsupportedCommandException", f"{call.operation} command is only supported in {REGION}.")
        if call.operation not in self._public.operations:
            raise Refused("UnsupportedCommandException", f"The sandbox's ECR Public has no {call.operation}.")
        with self._lock:
            return self._public.answer(call.operation, call.account, request)

    def _pass_on(self, call: Call, registry_id: str, name: str) -> Answer:
        """Let moto answer, and keep up with what it says about repositories."""
        with self._lock:
            deleted = call.operation == "DeleteRepository"
            images = self._private.repository(registry_id, call.region, name).images if deleted else {}
            if images and not call.request.get("force"):
                raise Refused(
                    "RepositoryNotEmptyException",
                    f"The repository with name '{name}' in registry with id '{registry_id}' cannot be deleted because "
                    "it still contains images",
                )
            passed = self._ask_moto(call, registry_id, call.operation, call.body)
            if deleted and passed.whole[0] == 200:
                self._private.forget(registry_id, call.region, name)
        raise passed

    def _required(self, call: Call, registry_id: str, name: str) -> Answer:
        """Return moto's description of a repository, and let its refusal be the answer if it knows none."""
        passed = self._ask_moto(
            call, registry_id, "DescribeRepositories", json.dumps({"repositoryNames": [name]}).encode()
        )
        status, _, body = passed.whole
        if status != 200:
            raise passed
        described: Answer = json.loads(body)["repositories"][0]
        return described

    def _ask_moto(self, call: Call, registry_id: str, operation: str, body: bytes) -> _Passed:
        headers = {**call.headers, "x-amz-target": f"{_PRIVATE}.{operation}", "x-moto-account-id": registry_id}
        return _Passed(forward(self._upstream, "POST", "/", headers, body))


def _denied(call: Call, registry_id: str, name: str) -> Refused:
    action = f"{call.service}:{call.operation}"
    return Refused(
        "AccessDeniedException",
        f"User: arn:aws:sts::{call.account}:assumed-role/waiter-role/function is not authorized to perform: {action} "
        f"on resource: arn:aws:ecr:{call.region}:{registry_id}:repository/{name or '*'} because no resource-based "
        f"policy allows the {action} action",
    )
