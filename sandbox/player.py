"""CloudFormation's side of the custom-resource protocol, for what the emulator can't show.

Here are the rules, which do no I/O; `player_server` puts them behind a server on loopback. What they imitate, and the
page or thread it is from; (m): from memory, read nowhere.

- The events, what an answer must have and its 4096 bytes, ServiceTimeout, a Delete of the old id after an Update that
  changed it: crpg-ref, template-custom-resources. Properties arrive as strings: coverage-roadmap#1037. Data is flat:
  aws-cdk#27626. An empty id is refused: empire#918; a refused body fails the operation (m).
- The ResponseURL, its X-Amz-Date and 2 h: recorded events, vpc-interface-endpoints. S3 answers 403 to another method,
  path, query or Content-Type, and to an old URL (crhelper#34, m), and 200 to everything else (m).
- A failed Create is followed by a Delete with the id of the FAILED answer: aws-cdk#5525; one that was cancelled, timed
  out or had no usable id by one with a fake id: coverage-roadmap#1814.
- An Update that is cancelled, by one back to the properties before: custom-resource-helper#71.
- A stack's status: "Stack status codes"; LastUpdatedTime: API Reference, Stack.

Limits. Nothing is signed: a URL is right when it is the one that was sent, canaries in the place of credentials.
Of a stack there is its state, as if it had this one resource: no order of resources, no rollback Update but by
`cancel_update` and `roll_back`, no NoEcho, no limit on `Data` beyond the body's. ServiceTimeout is noticed when
somebody waits, calls `expire` or answers. An event is sent once; sending it again is Lambda's part.
"""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from ecr_image_waiter.core.deadline import Clock
from sandbox.processes import PATIENCE

ACCESS_KEY_ID: Final = "AKIACANARYINAREDCAGE"
SIGNATURE: Final = "5ca1ab1e" * 8
CANARIES: Final = (ACCESS_KEY_ID, SIGNATURE[:16])
"""What stands in every ResponseURL's query and nowhere else. A clipped signature still holds the second."""

ACCOUNT: Final = "123456789012"
FUNCTION_ARN: Final = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:waiter"
MAX_BODY_BYTES: Final = 4096
MAX_ID_BYTES: Final = 1024
URL_LIFETIME: Final = 7200
DEFAULT_SERVICE_TIMEOUT: Final = 3600
RESET: Final = 0
"""In the place of an HTTP status: the connection was reset."""

_COPIED: Final = ("StackId", "RequestId", "LogicalResourceId")

Event: TypeAlias = dict[str, Any]
Kind = Literal["Create", "Update", "Delete"]


@dataclass(frozen=True, slots=True)
class Status:
    """A fault: one PUT gets this HTTP status and is not checked."""

    code: int


@dataclass(frozen=True, slots=True)
class Reset:
    """A fault: one PUT is read, then its connection is reset."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A fault: one PUT is read, and judged only so many seconds later."""

    seconds: float


Fault: TypeAlias = Status | Reset | Delay


@dataclass(frozen=True, slots=True)
class Put:
    """An HTTP request, PUT or not. `target` is path and query, `at` in seconds since 1970 UTC."""

    method: str
    target: str = field(repr=False)  # the query would stand in every failed assertion
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a PUT: its HTTP status, why it did not count, and the answer as far as it could be read.

    `read`: whether CloudFormation got to see it, so that a refusal fails the operation.
    """

    status: int
    refusal: str | None
    answer: Mapping[str, Any] = field(default_factory=dict)
    read: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. `by`: an answer, or what came in place of one. `at`: seconds since 1970 UTC."""

    status: Literal["SUCCESS", "FAILED"]
    by: Literal["answer", "refused answer", "timeout", "cancellation"]
    reason: str
    physical_id: str
    data: Mapping[str, Any]
    at: float


@dataclass(slots=True)
class Resource:
    """A custom resource of a stack. It has a `physical_id` and `properties` once CloudFormation took a SUCCESS."""

    stack_id: str
    logical_id: str
    type: str
    service_token: str
    physical_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    def made_up_id(self) -> str:
        """Return an id as CloudFormation makes one up where the function gave none."""
        return f"{self.stack_id.split('/')[1]}-{self.logical_id}-{uuid.uuid4().hex[:12].upper()}"


def new_resource(stack: str = "consumer", logical_id: str = "Image", account: str = ACCOUNT) -> Resource:
    """Return a resource of a stack that CloudFormation has not told the function about yet."""
    region = FUNCTION_ARN.split(":")[3]
    stack_id = f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/{uuid.uuid4()}"
    return Resource(stack_id, logical_id, "Custom::EcrImageWaiter", FUNCTION_ARN)


def as_sent(value: Any) -> Any:
    """Return a property's value as CloudFormation sends it: each primitive is a string."""
    if isinstance(value, Mapping):
        return {key: as_sent(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_sent(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def response_url(stack_id: str, logical_id: str, request_id: str, now: float, base: str | None = None) -> str:
    """Return a presigned S3 URL, alike in everything but the signature; `base` stands in for scheme and host."""
    region = stack_id.split(":")[3]
    bucket = f"cloudformation-custom-resource-response-{region.replace('-', '')}"
    path = f"{quote(stack_id)}%7C{logical_id}%7C{request_id}"
    query = urlencode(signed_query(now, region, URL_LIFETIME))
    return f"{base or f'https://{bucket}.s3.{region}.amazonaws.com'}/{path}?{query}"


def signed_query(now: float, region: str, expires: int) -> dict[str, object]:
    """Return the parameters by which a URL of S3 is presigned."""
    signed = datetime.fromtimestamp(now, UTC)
    return {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": signed.strftime("%Y%m%dT%H%M%SZ"),
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Expires": expires,
        "X-Amz-Credential": f"{ACCESS_KEY_ID}/{signed:%Y%m%d}/{region}/s3/aws4_request",
        "X-Amz-Signature": SIGNATURE,
    }


def judge(event: Event, put: Put, *, sent: float, deadline: float) -> Verdict:
    """Return what S3, and behind it CloudFormation, make of a PUT that answers an event.

    `sent` and `deadline`, when ServiceTimeout passes, are seconds since 1970 UTC.
    """
    url = urlsplit(event["ResponseURL"])
    headers = {name.lower(): value for name, value in put.headers.items()}
    if put.method != "PUT":
        return Verdict(403, f"method {put.method}: the URL is signed for PUT")
    if put.target != f"{url.path}?{url.query}":
        return Verdict(403, "another path or query than the ResponseURL's")
    if headers.get("content-type"):
        return Verdict(403, f"Content-Type {headers['content-type']}: the URL is signed without one")
    if put.at >= sent + URL_LIFETIME:
        return Verdict(403, "the URL has expired")
    if put.at >= deadline:
        return Verdict(200, "after ServiceTimeout")
    return _judge_body(event, put.body)


def _judge_body(event: Event, body: bytes) -> Verdict:
    if len(body) > MAX_BODY_BYTES:
        return Verdict(200, f"{len(body)} bytes, allowed: {MAX_BODY_BYTES}", read=True)
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return Verdict(200, "malformed: not a JSON object", read=True)
    return Verdict(200, _fault_of(event, answer), answer, read=True)


def _fault_of(event: Event, answer: Mapping[str, Any]) -> str | None:
    missing = [key for key in ("Status", "PhysicalResourceId", *_COPIED) if not isinstance(answer.get(key), str)]
    status, physical_id, data = answer.get("Status"), answer.get("PhysicalResourceId"), answer.get("Data") or {}
    wrong = [key for key in _COPIED if answer.get(key) != event[key]]
    flat = isinstance(data, dict) and not any(isinstance(value, dict | list) for value in data.values())
    faults = {
        f"missing: {', '.join(missing)}": missing,
        f"Status {status}, allowed: SUCCESS, FAILED": status not in ("SUCCESS", "FAILED"),
        f"not the request's own: {', '.join(wrong)}": wrong,
        "Invalid PhysicalResourceId": not 0 < len(str(physical_id).encode()) <= MAX_ID_BYTES,
        "missing: Reason": status == "FAILED" and not answer.get("Reason"),
        "Data is not flat": not flat,
    }
    return next((fault for fault, found in faults.items() if found), None)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One PUT and what came of it. `counted`: it ended the operation."""

    put: Put
    verdict: Verdict
    counted: bool


@dataclass(frozen=True, slots=True)
class StackState:
    """What DescribeStacks tells of a stack. `since` and `updated_at` are seconds since 1970 UTC."""

    status: str
    since: float = 0.0
    updated_at: float | None = None


class Operation:
    """One request of CloudFormation, and what came back.

    Read `outcome` (None while it lasts), `attempts` (every PUT) and `follow_up` (the Delete it led to, if any).
    """

    def __init__(
        self, cloudformation: "CloudFormation", resource: Resource, event: Event, sent: float, faults: Iterable[Fault]
    ) -> None:
        self._cloudformation = cloudformation
        self._settled = threading.Event()
        self.resource = resource
        self.event = event
        self.sent = sent
        self.deadline = sent + float(event["ResourceProperties"].get("ServiceTimeout", DEFAULT_SERVICE_TIMEOUT))
        self.faults = deque(faults)
        self.attempts: list[Attempt] = []
        self.outcome: Outcome | None = None
        self.follow_up: Operation | None = None

    @property
    def kind(self) -> Kind:
        kind: Kind = self.event["RequestType"]
        return kind

    @property
    def accepted(self) -> list[Attempt]:
        """Every answer that CloudFormation would take, also those after the first."""
        return [attempt for attempt in self.attempts if attempt.verdict.refusal is None]

    def wait(self, timeout: float = PATIENCE) -> Outcome:
        """Return the outcome, at the latest when ServiceTimeout has passed, or raise TimeoutError."""
        left = self.deadline - self._cloudformation.clock.now()
        self._settled.wait(max(min(timeout, left + 0.01), 0))
        self._cloudformation.expire()
        if self.outcome is None:
            raise TimeoutError(f"{self.kind} of {self.resource.logical_id} has no outcome after {timeout:g} s")
        return self.outcome

    def settle(self, outcome: Outcome, follow_up: "Operation | None") -> None:
        self.outcome = outcome
        self.follow_up = follow_up
        self._settled.set()


class CloudFormation:
    """The rules, without I/O: makes operations, takes PUTs, and sends the Deletes that follow.

    Args:
        send: hands an operation's event to the function. It returns before the function has run.
        clock: the time.
        base_url: scheme and host of the ResponseURLs; S3's own by default.
    """

    account = ACCOUNT

    def __init__(self, send: Callable[[Operation], None], clock: Clock, *, base_url: str | None = None) -> None:
        self._send = send
        self._base_url = base_url
        self._lock = threading.RLock()
        self._by_path: dict[str, Operation] = {}
        self._states: dict[str, list[StackState]] = {}
        self.clock = clock
        self.operations: list[Operation] = []

    def create(
        self,
        properties: Mapping[str, Any],
        *,
        stack: str = "consumer",
        logical_id: str = "Image",
        faults: Iterable[Fault] = (),
        new: Resource | None = None,
    ) -> Operation:
        """Send a Create, of a `new` resource in the update of a stack. `faults` befall its answers, in this order."""
        resource = new or new_resource(stack, logical_id, self.account)
        if new:
            self.begin_update(resource)
        else:
            self.set_status(resource.stack_id, "CREATE_IN_PROGRESS")
        return self._request("Create", resource, properties, faults=faults)

    def update(self, resource: Resource, properties: Mapping[str, Any], *, faults: Iterable[Fault] = ()) -> Operation:
        self.begin_update(resource)
        return self._update(resource, properties, resource.properties, faults)

    def roll_back(self, resource: Resource, properties: Mapping[str, Any]) -> Operation:
        """Send the Update back to the properties before, as a stack does whose update failed elsewhere."""
        self.set_status(resource.stack_id, "UPDATE_ROLLBACK_IN_PROGRESS")
        return self._update(resource, properties, resource.properties)

    def _update(
        self, resource: Resource, properties: Mapping[str, Any], old: Mapping[str, Any], faults: Iterable[Fault] = ()
    ) -> Operation:
        physical_id = resource.physical_id
        return self._request("Update", resource, properties, physical_id=physical_id, old=old, faults=faults)

    def begin_update(self, resource: Resource) -> None:
        """Let a stack be updated from now on."""
        now = self.clock.now()
        with self._lock:
            states = self._states.setdefault(resource.stack_id, [])
            states.append(StackState("UPDATE_IN_PROGRESS", now, updated_at=now))

    def delete(self, resource: Resource, *, faults: Iterable[Fault] = ()) -> Operation:
        physical_id = resource.physical_id or resource.made_up_id()
        self.set_status(resource.stack_id, "DELETE_IN_PROGRESS")
        return self._request("Delete", resource, resource.properties, physical_id=physical_id, faults=faults)

    def cancel(self, create: Operation) -> Operation:
        """End a Create that is under way, as a cancelled stack does; its answer counts no more. Returns the Delete."""
        with self._lock:
            if create.kind != "Create" or create.outcome is not None:
                raise ValueError("only a Create that is under way can be cancelled")
            return self._undo(create, self._failure(create, "cancellation", "Resource creation cancelled"))

    def cancel_update(self, update: Operation, *, faults: Iterable[Fault] = ()) -> Operation:
        """End an Update that is under way, as a cancelled stack does; return the one back to the properties before."""
        with self._lock:
            if update.kind != "Update" or update.outcome is not None:
                raise ValueError("only an Update that is under way can be cancelled")
            resource, old = update.resource, update.event["ResourceProperties"]
            self._settle(update, self._failure(update, "cancellation", "Resource update cancelled"))
            return self._update(resource, resource.properties, old, faults)

    def set_status(self, stack_id: str, status: str) -> None:
        """Let a stack have a status from now on, such as DELETE_IN_PROGRESS; empty: it is not known any more."""
        with self._lock:
            states = self._states.setdefault(stack_id, [])
            updated_at = states[-1].updated_at if states else None
            states.append(StackState(status, self.clock.now(), updated_at))

    def status_of(self, stack_id: str) -> str:
        """Return the status that DescribeStacks tells of a stack; nothing where there is none."""
        return self.state_of(stack_id).status

    def state_of(self, stack_id: str, at: float | None = None) -> StackState:
        """Return what DescribeStacks tells of a stack, now or as it was; an empty status where there is none."""
        with self._lock:
            states = self._states.get(stack_id) or [StackState("")]
            past = (state for state in reversed(states) if at is None or state.since <= at)
            return next(past, states[0])

    def operation_of(self, target: str) -> Operation | None:
        """Return the operation whose ResponseURL has this path."""
        return self._by_path.get(target.partition("?")[0])

    def receive(self, put: Put, *, scripted: bool = True) -> Verdict:
        """Take a request at the ResponseURL's host; with `scripted`, the next fault befalls it."""
        with self._lock:
            operation = self.operation_of(put.target)
            if operation is None:
                return Verdict(403, "no operation has this URL")
            fault = operation.faults.popleft() if scripted and operation.faults else None
        if isinstance(fault, Delay):
            self.clock.sleep(fault.seconds)
            put = replace(put, at=self.clock.now())
        with self._lock:
            self.expire()
            return self._take(operation, put, fault)

    def expire(self) -> None:
        """Fail every operation whose ServiceTimeout has passed."""
        with self._lock:
            for operation in self.operations:
                if operation.outcome is None and self.clock.now() >= operation.deadline:
                    reason = "CloudFormation did not receive a response in time"
                    self._settle(operation, self._failure(operation, "timeout", reason))

    def _take(self, operation: Operation, put: Put, fault: Fault | None) -> Verdict:
        match fault:
            case Status(code):
                verdict = Verdict(code, "scripted fault")
            case Reset():
                verdict = Verdict(RESET, "scripted fault")
            case _:
                verdict = judge(operation.event, put, sent=operation.sent, deadline=operation.deadline)
        counted = verdict.read and operation.outcome is None
        operation.attempts.append(Attempt(put, verdict, counted))
        if counted and verdict.refusal is not None:
            self._settle(operation, self._failure(operation, "refused answer", verdict.refusal))
        elif counted:
            said = verdict.answer
            reason, data = said.get("Reason") or "", said.get("Data") or {}
            self._settle(operation, Outcome(said["Status"], "answer", reason, said["PhysicalResourceId"], data, put.at))
        return verdict

    def _failure(
        self, operation: Operation, by: Literal["refused answer", "timeout", "cancellation"], reason: str
    ) -> Outcome:
        physical_id = operation.event.get("PhysicalResourceId") or operation.resource.made_up_id()
        return Outcome("FAILED", by, reason, physical_id, {}, self.clock.now())

    def _settle(self, operation: Operation, outcome: Outcome) -> None:
        if operation.kind == "Create" and outcome.status == "FAILED":
            self._undo(operation, outcome)
            return
        resource, follow_up = operation.resource, None
        if outcome.status == "SUCCESS":
            status = self.status_of(resource.stack_id).replace("IN_PROGRESS", "COMPLETE")
        else:
            failed = "ROLLBACK_FAILED" if "ROLLBACK" in self.status_of(resource.stack_id) else "ROLLBACK_IN_PROGRESS"
            status = "DELETE_FAILED" if operation.kind == "Delete" else f"UPDATE_{failed}"
        self.set_status(resource.stack_id, status)
        was = resource.physical_id, resource.properties
        if operation.kind != "Delete" and outcome.status == "SUCCESS":
            resource.physical_id = outcome.physical_id
            resource.properties = operation.event["ResourceProperties"]
            if operation.kind == "Update" and outcome.physical_id != was[0]:
                follow_up = self._request("Delete", resource, was[1], physical_id=was[0])
        operation.settle(outcome, follow_up)

    def _undo(self, create: Operation, outcome: Outcome) -> Operation:
        properties = create.event["ResourceProperties"]
        of_update = self.status_of(create.resource.stack_id).startswith("UPDATE")
        self.set_status(create.resource.stack_id, f"{'UPDATE_' if of_update else ''}ROLLBACK_IN_PROGRESS")
        delete = self._request("Delete", create.resource, properties, physical_id=outcome.physical_id)
        create.settle(outcome, delete)
        return delete

    def _request(
        self,
        kind: Kind,
        resource: Resource,
        properties: Mapping[str, Any],
        *,
        physical_id: str | None = None,
        old: Mapping[str, Any] | None = None,
        faults: Iterable[Fault] = (),
    ) -> Operation:
        now = self.clock.now()
        request_id = str(uuid.uuid4())
        url = response_url(resource.stack_id, resource.logical_id, request_id, now, self._base_url)
        sent = {"ServiceToken": resource.service_token, **as_sent(properties)}
        event: Event = {
            "RequestType": kind,
            "ServiceToken": resource.service_token,
            "ResponseURL": url,
            "StackId": resource.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": resource.logical_id,
            "ResourceType": resource.type,
            "ResourceProperties": sent,
        }
        if "ServiceTimeout" in sent:
            event["ServiceTimeout"] = sent["ServiceTimeout"]
        if physical_id is not None:
            event["PhysicalResourceId"] = physical_id
        if old is not None:
            event["OldResourceProperties"] = {"ServiceToken": resource.service_token, **as_sent(old)}
        operation = Operation(self, resource, event, now, faults)
        with self._lock:
            self._by_path[urlsplit(url).path] = operation
            self.operations.append(operation)
        self._send(operation)
        return operation
