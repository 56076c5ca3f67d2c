"""The world with Lambda's queue and CloudFormation's rules in it, to run hours of waiting in milliseconds.

ECR and CloudFormation are the sandbox's rules, and replies can be put in front of ECR's. Each fake says what it is not.
Everything in it is deterministic but the ids, and it runs one invocation at a time: a thread for each, of which all but
one sleep.

    simulation = Simulation(pushed_at(1000.0))
    create = simulation.create({"RepositoryName": "team/app", "ImageTag": "v1"})
    simulation.play()
    assert create.outcome.status == "SUCCESS"
"""

import json
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from samtranslator.yaml_helper import yaml_parse

import last_resort
from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.state import STATE_KEY
from ecr_image_waiter.waiter import Waiter
from sandbox.player import FUNCTION_ARN, RESET, CloudFormation, Delay, Fault, Operation, Put, StackState
from sandbox.processes import ROOT
from tests.support.clock import FakeClock
from tests.support.ecr import Call, Reply
from tests.support.fakes import DIGEST, aws_error, details
from tests.support.world import IN_MEMORY, World

EPOCH: Final = 1_800_000_000.6
"""When a simulation begins. Not a whole second, because X-Amz-Date is one."""
_RESOURCES: Final = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
MAXIMUM_EVENT_AGE: Final[int] = _RESOURCES["WaiterFunction"]["Properties"]["EventInvokeConfig"][
    "MaximumEventAgeInSeconds"
]
LAST_RESORT_EVENT_AGE: Final[int] = _RESOURCES["LastResortFunction"]["Properties"]["EventInvokeConfig"][
    "MaximumEventAgeInSeconds"
]
LAST_RESORT_TIMEOUT: Final = 120.0
PUSHED: Final = datetime(2027, 1, 15, 7, 30, tzinfo=UTC)


Event: TypeAlias = dict[str, Any]
Point: TypeAlias = Literal[
    "begin", "check", "archive check", "newest tags", "manifest", "config", "question", "hand-over", "put"
]
Schedule: TypeAlias = Callable[[float], Reply | None]


# --- ECR


def fault(code: str, message: str, status: int = 400) -> Exception:
    """Return what AWS answers in place of an answer, as boto3 raises it."""
    return aws_error(code, message, status=status)


def no_image() -> Reply:
    return fault("ImageNotFoundException", "The image requested does not exist")


def no_repository() -> Reply:
    return fault("RepositoryNotFoundException", "The repository with name 'team/app' does not exist")


def denied() -> Reply:
    return fault("AccessDeniedException", "User is not authorized to perform: ecr:DescribeImages")


def throttled() -> Reply:
    return fault("ThrottlingException", "Rate exceeded")


def broken() -> Reply:
    return fault("ServerException", "Service Unavailable", 500)


def pushed_at(seconds: float) -> Schedule:
    """Return the schedule of an image that is there from so many seconds on."""
    return lambda elapsed: IN_MEMORY if elapsed >= seconds else no_image()


def never(_: float) -> Reply:
    """Return the schedule of an image that is not there."""
    return no_image()


# --- Lambda


class Killed(BaseException):
    """An invocation ends here, by its timeout or by an injected crash. Nothing in the service may catch it."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Kill invocation number `invocation` (the first is 1, redeliveries count) before or after something it does.

    `nth` counts the occurrences of the point within the invocation; `None` in either means every one.
    """

    point: Point
    invocation: int | None = None
    nth: int | None = 1
    side: Literal["before", "after"] = "before"


@dataclass(slots=True)
class QueuedEvent:
    """An asynchronous event in Lambda's queue. `chain`: its place in a chain of self-invocations, from 1."""

    payload: Event = field(repr=False)  # it holds the ResponseURL, which a failed assertion must not show
    accepted: float
    chain: int
    attempts: int = 0
    throttles: int = 0
    for_last_resort: bool = False


@dataclass(slots=True)
class Record:
    """One invocation as it went."""

    number: int
    event: Event = field(repr=False)
    began: float
    chain: int
    ended: float = 0.0
    end: Literal["returned", "raised", "crashed", "timed out"] = "returned"
    error: BaseException | None = None
    checks: list[float] = field(default_factory=list)
    """When each check began."""
    for_last_resort: bool = False
    puts: list[tuple[int, bytes]] = field(default_factory=list)
    """Each PUT that was answered: the status and what was sent."""

    @property
    def continues(self) -> bool:
        return STATE_KEY in self.event


class _Context:
    """Lambda's context object, as far as the waiter reads it."""

    def __init__(self, strand: "_Strand") -> None:
        self._strand = strand
        self.aws_request_id = f"00000000-0000-4000-8000-{strand.record.number:012}"
        self.invoked_function_arn = FUNCTION_ARN
        self.log_stream_name = f"2027/01/15/[$LATEST]{strand.record.number:032x}"

    def get_remaining_time_in_millis(self) -> int:
        return int((self._strand.ends - self._strand.world.clock.now()) * 1000)


class _Strand:
    """An invocation as a thread, which runs only while the simulation waits for it."""

    def __init__(self, world: "Simulation", queued: QueuedEvent, record: Record) -> None:
        self.world = world
        self.queued = queued
        self.record = record
        self.ends = world.clock.now() + (LAST_RESORT_TIMEOUT if queued.for_last_resort else world.timeout)
        self.reached: Counter[Point] = Counter()
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.resume()

    def resume(self) -> None:
        """Run it until it sleeps or ends. Called by the simulation."""
        self.world.running = self
        with redirect_stdout(self.world.log):  # the last resort's log
            self._go.release()
            self._paused.acquire()
        self.world.running = None

    def sleep(self, seconds: float) -> None:
        """Let the simulation go on, and wake up later: at the timeout, to die. Called by the invocation."""
        wake = self.world.clock.now() + seconds
        self.world.at_time(min(wake, self.ends), self.resume)
        self._paused.release()
        self._go.acquire()
        if wake > self.ends:
            self.record.end = "timed out"
            raise Killed("the function's timeout")

    def _run(self) -> None:
        self._go.acquire()
        record = self.record
        container = None if record.for_last_resort else self.world.take_container()
        try:
            if container:
                self.world.reach("begin", "before")
                container.handle(record.event, _Context(self))
            else:
                self.world.run_last_resort(record.event)
        except Killed as killed:
            record.end = "timed out" if record.end == "timed out" else "crashed"
            record.error = killed
        except BaseException as error:  # noqa: BLE001  # Lambda takes every one for a function error
            record.end = "raised"
            record.error = error
            self.world.return_container(container)
        else:
            self.world.return_container(container)
        record.ended = self.world.clock.now()
        if record.error is not None:
            self.world.failed(self.queued, record.error)
        self._paused.release()


class _LambdaClient:
    """The one method of boto3's Lambda client that the waiter calls. It knows no limit and no permission.

    A read timeout in the script is a reply that is lost: Lambda has taken the event.
    """

    def __init__(self, world: "Simulation", seconds: float) -> None:
        self._world = world
        self._seconds = seconds

    def invoke(self, **kwargs: Any) -> Mapping[str, Any]:
        if kwargs["InvocationType"] != "Event" or kwargs["FunctionName"] != FUNCTION_ARN:
            raise AssertionError("the waiter invokes nothing but itself, asynchronously")
        strand = self._world.running
        with self._world.around("hand-over"):
            self._world.clock.sleep(0.05)
            reply = self._world.hand_over_reply()
            if reply and not isinstance(reply, ReadTimeoutError):
                raise reply
            self._world.accept(json.loads(kwargs["Payload"]), chain=strand.queued.chain + 1 if strand else 1)
            if reply:
                self._world.clock.sleep(self._seconds)
                raise reply
        return {"StatusCode": 202}


class _CloudFormationClient:
    """The one method of boto3's CloudFormation client that the waiter calls, answering from the player's stacks.

    Not CloudFormation: a stack here is its status and the time of its last update.
    """

    def __init__(self, world: "Simulation", seconds: float) -> None:
        self._world = world
        self._seconds = seconds

    def describe_stacks(self, **kwargs: Any) -> Mapping[str, Any]:
        with self._world.around("question"):
            self._world.clock.sleep(max(min(0.05, self._seconds), 0.0))
            self._world.questions.append(self._world.clock.now())
            self._world.patience = self._seconds
            reply = self._world.question_reply(self._world.elapsed())
            if reply is not None:
                raise reply
            stack = self._world.stack_as_told(kwargs["StackName"])
        if not stack.status:
            raise aws_error("ValidationError", f"Stack with id {kwargs['StackName']} does not exist")
        updated = {} if stack.updated_at is None else {"LastUpdatedTime": datetime.fromtimestamp(stack.updated_at, UTC)}
        return {"Stacks": [{"StackStatus": stack.status, **updated}]}


class _Transport:
    """The way from the sender to CloudFormation's rules. No HTTP and no TLS: what urllib3 sends is assumed here."""

    def __init__(self, world: "Simulation") -> None:
        self._world = world

    def put(self, url: str, body: bytes, seconds: float) -> int:
        world = self._world
        parts = urlsplit(url)
        with world.around("put"):
            world.clock.sleep(0.05)
            put = Put("PUT", f"{parts.path}?{parts.query}", {"Content-Type": ""}, body, world.clock.now())
            operation = world.cloudformation.operation_of(put.target)
            fault = operation.faults[0] if operation and operation.faults else None
            if operation and isinstance(fault, Delay) and fault.seconds > seconds:
                # The answer arrives all the same, only nobody waits for the reply any more.
                operation.faults.popleft()
                late = replace(put, at=put.at + fault.seconds)
                world.at_time(late.at, lambda: world.cloudformation.receive(late, scripted=False))
                world.clock.sleep(seconds)
                raise TimeoutError("the socket's timeout")
            status = world.cloudformation.receive(put).status
            if world.running:
                world.running.record.puts.append((status, body))
        if status == RESET:
            raise ConnectionResetError("reset by script")
        return status


class _Around:
    def __init__(self, world: "Simulation", point: Point) -> None:
        self._world = world
        self._point = point

    def __enter__(self) -> None:
        self._world.reach(self._point, "before")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            self._world.reach(self._point, "after")


class Simulation(World):
    """The world, in which time goes on. Make operations by `create`, `at` and `cloudformation`, then `play`.

    Lambda as simulated: asynchronous events, each run after `queue_seconds`; a function error, crash or timeout is
    redelivered 60 s and then 120 s later and then dropped; while no concurrency is free, an event is tried again after
    1 s, 2 s, 4 s and so on up to 5 min (invocation-async-error-handling). An event whose age would pass
    MAXIMUM_EVENT_AGE by its next retry is dropped at once; the age counts from when Lambda took it. The sixteenth
    invocation of a chain is dropped (invocation-recursion). With `last_resort`, what is dropped goes to the real last
    resort (invocation-async-retain-records). It is not Lambda: no concurrency limit but `has_room`, no cold start, and
    `finally` blocks still run in an invocation that is killed. One simulation at a time keeps a log.

    Args:
        schedule: what ECR answers in front of its rules, by the seconds since the beginning.
        timeout: of the function.
        crashes: where invocations are killed.
        ecr_latency: how long a call of ECR takes, by the seconds since the beginning.
        calls_end_in_time: whether calls of ECR end by their deadline, as boto3's do; else only by the timeout.
        question_reply: what CloudFormation raises when asked about a stack, by the seconds since the beginning.
        hand_over_replies: what the first self-invocations get in place of success, one each.
        has_room: whether an invocation finds free concurrency, by the seconds since the beginning.
        queue_seconds: from taking an event to running it.
        seed: of the waiter's random source.
        last_resort: whether the on-failure destination is there.
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        timeout: float = 900.0,
        crashes: Iterable[Crash] = (),
        ecr_latency: Callable[[float], float] = lambda _: 0.05,
        calls_end_in_time: bool = True,
        question_reply: Callable[[float], Exception | None] = lambda _: None,
        hand_over_replies: Iterable[Exception | None] = (),
        has_room: Callable[[float], bool] = lambda _: True,
        queue_seconds: float = 0.1,
        seed: int = 1,
        last_resort: bool = False,
    ) -> None:
        super().__init__(IN_MEMORY, timeout=timeout, clock=FakeClock(EPOCH), region="us-east-1")
        self.clock.sleeper = self._sleep
        self.random = Random(seed)  # noqa: S311  # repeatable, guards nothing
        self.schedule = schedule
        self.ecr_latency = ecr_latency
        self.calls_end_in_time = calls_end_in_time
        self.ecr.push("team/app", "v1", digest=DIGEST)
        self.ecr.image("team/app").pushed_at = PUSHED.timestamp()
        self.ecr.front, self.ecr.around = self.reply, self._around_call
        self.question_reply = question_reply
        self.patience = math.inf
        """How long the question about a stack that is being asked may take."""
        self.questions: list[float] = []
        """When CloudFormation was asked about a stack, in seconds since 1970 UTC."""
        self.cloudformation = CloudFormation(lambda operation: self.accept(operation.event), self.clock)
        self.invocations: list[Record] = []
        self.dropped: list[tuple[str, QueuedEvent]] = []
        """Events that Lambda gave up, and why: "age", "retries" or "recursion"."""
        self.running: _Strand | None = None
        self._last_resort = last_resort
        self._crashes = list(crashes)
        self._hand_over_replies = deque(hand_over_replies)
        self._has_room = has_room
        self._queue_seconds = queue_seconds
        self._idle: list[Waiter] = []

    # What a test says and asks.

    def create(self, properties: Mapping[str, Any], faults: Iterable[Fault] = ()) -> Operation:
        """Let CloudFormation send a Create now."""
        return self.cloudformation.create(properties, faults=faults)

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something happen so many seconds after the beginning."""
        self.at_time(EPOCH + seconds, action)

    def play(self, most: int = 100_000) -> None:
        """Let time pass until nothing is left to happen."""
        for _ in range(most):
            deadlines = [each.deadline for each in self.cloudformation.operations if each.outcome is None]
            if min(deadlines, default=math.inf) <= self.clock.next_plan:
                if not deadlines:
                    return
                self.clock.time = max(self.clock.time, min(deadlines))
                self.cloudformation.expire()
            else:
                self.clock.go_on()
        raise AssertionError(f"{most} things happened and there is no end")

    def elapsed(self) -> float:
        return self.clock.now() - EPOCH

    @property
    def checks(self) -> list[float]:
        """When each check of any invocation began, in order, in seconds since 1970 UTC."""
        return sorted(moment for record in self.invocations for moment in record.checks)

    # What the fakes need of it.

    def at_time(self, moment: float, action: Callable[[], object]) -> None:
        self.clock.plan_at(moment, action)

    def accept(self, payload: Event, chain: int = 1) -> None:
        """Take an asynchronous event."""
        queued = QueuedEvent(json.loads(json.dumps(payload)), self.clock.now(), chain)
        self.at_time(self.clock.now() + self._queue_seconds, lambda: self._deliver(queued))

    def failed(self, queued: QueuedEvent, error: BaseException) -> None:
        """An invocation ended in an error: run it again, or drop it."""
        if queued.attempts > 2:
            self.drop("retries", queued, error)
        else:
            self.again(queued, 60.0 * queued.attempts, error)

    def again(self, queued: QueuedEvent, pause: float, error: BaseException | None = None) -> None:
        """Run an event again after a pause, or drop it where it would be too old by then."""
        most = LAST_RESORT_EVENT_AGE if queued.for_last_resort else MAXIMUM_EVENT_AGE
        if self.clock.now() + pause - queued.accepted > most:
            self.drop("age", queued, error)
        else:
            self.at_time(self.clock.now() + pause, lambda: self._deliver(queued))

    def _deliver(self, queued: QueuedEvent) -> None:
        if queued.chain >= 16:
            self.drop("recursion", queued)
        elif not self._has_room(self.elapsed()):
            queued.throttles += 1
            self.again(queued, min(2.0 ** (queued.throttles - 1), 300.0))
        else:
            queued.attempts += 1
            record = Record(len(self.invocations) + 1, queued.payload, self.clock.now(), queued.chain)
            record.for_last_resort = queued.for_last_resort
            self.invocations.append(record)
            _Strand(self, queued, record).start()

    def drop(self, why: str, queued: QueuedEvent, error: BaseException | None = None) -> None:
        """Give up an event, and tell the last resort of it."""
        self.dropped.append((why, queued))
        if self._last_resort and not queued.for_last_resort:
            told = {
                "requestContext": {
                    "condition": "EventAgeExceeded" if why == "age" else "RetriesExhausted",
                    "approximateInvokeCount": queued.attempts,
                },
                "requestPayload": queued.payload,
                "responsePayload": {"errorType": type(error).__name__, "errorMessage": str(error)} if error else None,
            }
            event = QueuedEvent(told, self.clock.now(), queued.chain, for_last_resort=True)
            self.at_time(self.clock.now() + self._queue_seconds, lambda: self._deliver(event))

    def run_last_resort(self, event: Event) -> None:
        """Run the on-failure destination's function, in the place of the invocation that is running."""
        transport = _Transport(self)
        last_resort.answer_for(
            event, lambda url, body: transport.put(url, body, 5.0), self.clock.sleep, self._last_resort_asks
        )

    def _last_resort_asks(self, stack_id: str) -> bool:
        """Stand in for `last_resort.rolls_back`: as many attempts, with pauses as long as botocore's may become."""
        for pause in (1.0, 2.0, 4.0, 8.0, 0.0):
            try:
                (stack,) = _CloudFormationClient(self, 5.0).describe_stacks(StackName=stack_id)["Stacks"]
                return str(stack["StackStatus"]).endswith("ROLLBACK_IN_PROGRESS")
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] == "AccessDenied":
                    break
                self.clock.sleep(pause)
        return False

    def around(self, point: Point) -> _Around:
        return _Around(self, point)

    def reach(self, point: Point, side: Literal["before", "after"]) -> None:
        """Crash here if that is in the script."""
        strand = self.running
        if strand is None:
            raise RuntimeError("only an invocation can crash")
        if side == "before":
            strand.reached[point] += 1
            if point == "check":
                strand.record.checks.append(self.clock.now())
        if any(
            (crash.point, crash.side) == (point, side)
            and crash.invocation in (None, strand.record.number)
            and crash.nth in (None, strand.reached[point])
            for crash in self._crashes
        ):
            raise Killed(f"{side} {point}")

    def _sleep(self, seconds: float) -> None:
        if self.running is None:
            raise RuntimeError("only an invocation can sleep; use Simulation.at")
        self.running.sleep(seconds)

    @contextmanager
    def _around_call(self, call: Call) -> Iterator[None]:
        with self.around(point_of(call)):
            latency = self.ecr_latency(self.elapsed())
            patience = call.seconds if self.calls_end_in_time else math.inf
            self.clock.sleep(min(latency, patience))
            if latency > patience:
                raise ReadTimeoutError(endpoint_url="https://api.ecr.us-east-1.amazonaws.com/")
            yield

    def reply(self, call: Call) -> Reply | None:
        """Return what is in front of ECR's rules."""
        point = point_of(call)
        if point == "newest tags":
            return details({"imageTags": ["some-other-tag"], "imageDigest": DIGEST, "imagePushedAt": PUSHED})
        return self.schedule(self.elapsed()) if "check" in point else None

    def stack_as_told(self, stack_id: str) -> StackState:
        """Return what CloudFormation tells of a stack."""
        return self.cloudformation.state_of(stack_id)

    def hand_over_reply(self) -> Exception | None:
        return self._hand_over_replies.popleft() if self._hand_over_replies else None

    def take_container(self) -> Waiter:
        """Return a process that is free, or a new one."""
        return self._idle.pop() if self._idle else self._new_container()

    def return_container(self, container: Waiter | None) -> None:
        if container:
            self._idle.append(container)

    def container_clock(self) -> Clock:
        """Return the clock that a new process has."""
        return self.clock

    def _new_container(self) -> Waiter:
        return self.new_process(self.container_clock())

    @property
    def put(self) -> Callable[[str, bytes, float], int]:
        return _Transport(self).put

    def stacks_within(self, seconds: float) -> Any:
        return _CloudFormationClient(self, seconds)

    def lambda_within(self, seconds: float) -> Any:
        return _LambdaClient(self, seconds)


def point_of(call: Call) -> Point:
    if call.operation != "DescribeImages":
        return "manifest" if call.operation == "BatchGetImage" else "config"
    if "imageIds" not in call.asked:
        return "newest tags"
    return "archive check" if "filter" in call.asked else "check"
