"""A world in which things go wrong at random, and which remembers what it did.

Everything is drawn from one seed: the request, the image's coming, and one fault after another, as the run reaches the
steps that they can hit. Each run has a target, one fault at one step, that it hits often, and maybe a background.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, TypeAlias

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from ecr_image_waiter.clock import Clock
from ecr_image_waiter.request import STATE_KEY
from sandbox.player import Delay, Event, Fault, Operation, Reset, Status, new_resource
from tests.simulation import (
    EPOCH,
    Killed,
    Moment,
    QueuedEvent,
    Record,
    Reply,
    Simulation,
    broken,
    denied,
    fault,
    image,
    no_image,
    no_repository,
    throttled,
)

Hit: TypeAlias = tuple[str, str]
"""A fault and the step that it hit."""

ECR_STEPS: Final = ("check", "archive check", "newest tags")
ECR_FAULTS: Final = ("throttled", "5xx", "hang", "reset", "denied", "nonsense")
QUESTION_FAULTS: Final = ("throttled", "5xx", "hang", "reset", "denied", "nonsense")
HAND_OVER_FAULTS: Final = (
    *("throttled", "5xx", "denied", "refused", "unreachable", "reply lost"),
    *("delivered late", "delivered twice", "no room"),
)
EVENT_FAULTS: Final = ("delivered late", "delivered twice", "no room")
PUT_FAULTS: Final = ("429", "500", "503", "403", "reset", "slow", "reply lost")
CRASH_STEPS: Final = ("check", "archive check", "newest tags", "question", "hand-over", "put")

HITS: Final[tuple[Hit, ...]] = (
    *((fault, step) for step in ECR_STEPS for fault in ECR_FAULTS),
    *((fault, "question") for fault in QUESTION_FAULTS),
    *((fault, "hand-over") for fault in HAND_OVER_FAULTS),
    *((fault, "event") for fault in EVENT_FAULTS),
    *((fault, "put") for fault in PUT_FAULTS),
    *((f"crash {side}", step) for step in CRASH_STEPS for side in ("before", "after")),
    ("crash before", "begin"),
    ("slow", "clock"),
    ("fast", "clock"),
    ("refuses throughout", "put"),
    ("cancelled", "Create"),
    ("cancelled", "Update"),
)
"""Every fault at every step that it can hit."""

_SHARES: Final = {"check": 0.4, "question": 0.5, "event": 0.7, "put": 0.7}
"""How often a target hits its step each time; steps that are reached seldom are hit nearly each time."""

Kind: TypeAlias = Literal["Create", "Update", "Delete"]


@dataclass(frozen=True)
class Plan:
    """What a run is about. Times are seconds, moments are seconds since the run began.

    `target`: the fault that is hit often. `background`: the share of steps that any other fault hits. `crashes` and
    `put_faults`: at most so many. `skew`: how far a process's clock may be off, either way.
    """

    seed: int
    target: Hit
    kind: Kind
    properties: Mapping[str, str]
    valid: bool
    timeout: float
    image_from: float
    repository_from: float
    background: float
    crashes: int
    put_faults: int
    skew: float
    cancel_at: float | None


def plan(seed: int) -> Plan:
    """Return the plan that a seed stands for."""
    random = Random(seed)  # noqa: S311  # repeatable on purpose
    target = HITS[seed % len(HITS)]
    kind: Kind = "Create"
    if target == ("cancelled", "Update") or random.random() < 0.25:
        kind = "Update"
    elif target[1] in ("put", "event") and random.random() < 0.25:
        kind = "Delete"
    if target == ("cancelled", "Create"):
        kind = "Create"
    properties, wait = _properties(random, long=target[1] in ("hand-over", "question") or target[0] == "cancelled")
    valid = random.random() > 0.03
    if not valid:
        properties |= random.choice([{"MaxRetries": "many"}, {"ImageTag": "-no"}, {"Unknown": "x"}])
    # A target that is reached only by waits in vain needs one.
    in_vain = 0.9 if target[1] in ("newest tags", "hand-over", "question") or target[0] == "cancelled" else 0.4
    image_from = random.choice([0.0, random.uniform(0, wait)]) if random.random() > in_vain else 1e9
    if random.random() < 0.3 and image_from < 1e9:
        image_from = random.uniform(0.7 * wait, 1.02 * wait)
    cancelled = target[0] == "cancelled" or random.random() < 0.05
    return Plan(
        seed=seed,
        target=target,
        kind=kind,
        properties=properties,
        valid=valid,
        timeout=random.choice([900.0, 900.0, 900.0, float(random.randint(260, 899))]),
        image_from=image_from,
        repository_from=0.0 if random.random() < 0.9 else random.choice([5.0, 100.0, 1e9]),
        background=random.choice([0.0, 0.0, 0.0, 0.02, 0.2]),
        crashes=random.choice([1, 1, 2, 3, 4]) if target[0].startswith("crash") else random.choice([0, 0, 0, 1]),
        put_faults=random.choice([1, 2, 3]),
        skew=random.uniform(0.2, 2.0) if target[1] == "clock" else 0.0,
        cancel_at=random.uniform(1, wait) if cancelled and kind != "Delete" else None,
    )


def _properties(random: Random, *, long: bool) -> tuple[dict[str, str], float]:
    """Return properties of a request, and about how long its wait is."""
    properties = {"RepositoryName": "team/app", "ImageTag": "v1"}
    delay = random.choice([30, 30, 60, 120, 15])
    wait = random.uniform(1100, 3500) if long else random.choice([random.uniform(30, 900), random.uniform(600, 3600)])
    if random.random() < 0.15 and not long:
        wait = 0.0
    properties |= {"RetryDelaySeconds": str(delay), "MaxRetries": str(round(wait / delay))}
    if random.random() < 0.3:
        properties["BackoffRate"] = random.choice(["1", "2", "10"])
    if random.random() < 0.2:
        properties["WaitForRepository"] = "true"
    if random.random() < 0.3:
        properties["ServiceTimeout"] = str(random.randint(1500 if long else 120, 3600))
    return properties, wait


class _OwnClock:
    """A process's clock: a little off, and it wakes a sleeper a little late."""

    def __init__(self, clock: Clock, offset: float, overshoot: float) -> None:
        self._clock = clock
        self._offset = offset
        self._overshoot = overshoot

    def now(self) -> float:
        return self._clock.now() + self._offset

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds + self._overshoot)


@dataclass
class Story:
    """What happened to one request."""

    operation: Operation
    hits: Counter[Hit] = field(default_factory=Counter)
    delay: float = 0.0
    """Seconds by which it was held up: late deliveries, pauses before Lambda's retries, slow responses."""
    first_denied: float | None = None
    saw_image: set[int] = field(default_factory=set)
    """Numbers of the invocations whose check was told that the image is there."""
    questions: list[float] = field(default_factory=list)

    @property
    def request_id(self) -> str:
        return str(self.operation.event["RequestId"])


class ChaosWorld(Simulation):
    """A simulation that goes by a plan. Make it, `run_plan`, then look at `stories`, `hits` and the rest."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hits: Counter[Hit] = Counter()
        self.stories: dict[str, Story] = {}
        self._chance = Random(f"faults of {plan.seed}")  # noqa: S311  # repeatable on purpose
        self._crashes_left = plan.crashes
        self._put_faults_left = plan.put_faults
        self._twins_left = 3  # beyond that it is Lambda that makes the crowd
        self._steps: dict[int, str] = {}
        """What each invocation is at, by its number."""
        self._faults: dict[int, str | None] = {}
        """What befalls it there."""
        super().__init__(
            self._reply_to_check,
            timeout=plan.timeout,
            newest_tags=self._reply_to_newest_tags,
            ecr_latency=self._latency,
            question_reply=self._reply_to_question,
            seed=plan.seed,
            last_resort=True,
        )

    def run_plan(self) -> None:
        """Let the request, and all that follows from it, happen."""
        plan = self.plan
        resource = new_resource()
        resource.physical_id = "Image-0123456789abcdef"
        resource.properties = {"RepositoryName": "team/app", "ImageTag": "v0"}
        if plan.kind == "Create":
            operation = self.cloudformation.create(plan.properties)
        elif plan.kind == "Update":
            operation = self.cloudformation.update(resource, plan.properties)
        else:
            resource.properties = dict(plan.properties)
            operation = self.cloudformation.delete(resource)
        if plan.cancel_at is not None:
            self.at(plan.cancel_at, lambda: self._cancel(operation))
        self.run()

    def _cancel(self, operation: Operation) -> None:
        if operation.outcome is not None:
            return
        self._count("cancelled", operation.kind, self.story_of(operation.event))
        if operation.kind == "Create":
            self.cloudformation.cancel(operation)
        else:
            self.cloudformation.cancel_update(operation)

    # What happened to whom.

    def story_of(self, event: Event) -> Story:
        """Return the story of the request that an event belongs to."""
        request_id = event.get("requestPayload", event)["RequestId"]
        if request_id not in self.stories:
            operation = next(o for o in self.cloudformation.operations if o.event["RequestId"] == request_id)
            self.stories[request_id] = Story(operation)
        return self.stories[request_id]

    @property
    def _present(self) -> Story:
        assert self.running
        return self.story_of(self.running.record.event)

    @property
    def _number(self) -> int:
        """The running invocation's."""
        assert self.running
        return self.running.record.number

    def records_of(self, story: Story) -> list[Record]:
        """Return the invocations that a request had, those of the last resort included."""
        return [record for record in self.invocations if self.story_of(record.event) is story]

    def _count(self, fault: str, step: str, story: Story) -> None:
        self.hits[fault, step] += 1
        story.hits[fault, step] += 1

    # What goes wrong.

    def _draw(self, step: str, faults: tuple[str, ...], story: Story) -> str | None:
        """Return the fault that hits a step now, if any."""
        target, at = self.plan.target
        drawn = None
        if at == step and target in faults and self._chance.random() < _SHARES.get(step, 0.9):
            drawn = target
        elif self._chance.random() < self.plan.background:
            drawn = self._chance.choice(faults)
        if drawn:
            self._count(drawn, step, story)
        return drawn

    def reach(self, moment: Moment, side: Literal["before", "after"]) -> None:
        if side == "before":
            self._steps[self._number] = moment
            if moment == "put":
                self._spoil_put()
        super().reach(moment, side)
        crash = (f"crash {side}", moment)
        if self._crashes_left and crash in HITS:
            share = _SHARES.get(moment, 0.9) if crash == self.plan.target else self.plan.background / 10
            if self._chance.random() < share:
                self._crashes_left -= 1
                self._count(*crash, self._present)
                raise Killed(" ".join(crash))

    def again(self, queued: QueuedEvent, pause: float, error: BaseException | None = None) -> None:
        self.story_of(queued.payload).delay += pause
        super().again(queued, pause, error)

    def container_clock(self) -> Clock:
        skew = self.plan.skew
        if not skew:
            return self.clock
        slow = self.plan.target[0] == "slow"
        self.hits["slow" if slow else "fast", "clock"] += 1
        return _OwnClock(self.clock, self._chance.uniform(0, skew) * (-1 if slow else 1), 0.2 if slow else 0.0)

    def _latency(self, _: float) -> float:
        drawn = self._draw(self._steps[self._number], ECR_FAULTS, self._present)
        self._faults[self._number] = drawn
        return 1e6 if drawn == "hang" else self._chance.choice([0.05, 0.05, 2.0])

    def _reply_to_check(self, elapsed: float) -> Reply:
        reply = self._fault_or(lambda: self._truth(elapsed))
        if self._steps[self._number] == "check" and reply == image():
            self._present.saw_image.add(self._number)
        return reply

    def _reply_to_newest_tags(self, _: float) -> Reply:
        return self._fault_or(lambda: image("some-other-tag"))

    def _fault_or(self, truth: Callable[[], Reply]) -> Reply:
        present = self._present
        error: Exception
        match self._faults[self._number]:
            case "throttled":
                return throttled()
            case "5xx":
                return broken()
            case "reset":
                error = ConnectionClosedError(endpoint_url="https://ecr")
                return error
            case "denied":
                present.first_denied = present.first_denied or self.clock.now()
                return denied()
            case "nonsense":
                return {"imageDetails": [{"registryId": "1"}]}
            case _:
                return truth()

    def _truth(self, elapsed: float) -> Reply:
        if elapsed < self.plan.repository_from:
            return no_repository()
        return image() if elapsed >= self.plan.image_from else no_image()

    def _reply_to_question(self, _: float) -> Exception | None:
        present = self._present
        present.questions.append(self.clock.now())
        drawn = self._draw("question", QUESTION_FAULTS, present)
        if drawn == "hang":
            self.clock.sleep(4.0)
            unheard: Exception = ReadTimeoutError(endpoint_url="https://cloudformation")
            return unheard
        replies: dict[str | None, Exception] = {
            "throttled": fault("Throttling", "Rate exceeded"),
            "5xx": fault("InternalFailure", "", 500),
            "reset": ConnectionClosedError(endpoint_url="https://cloudformation"),
            "denied": fault("AccessDenied", "User is not authorized to perform: cloudformation:DescribeStacks"),
            "nonsense": KeyError("Stacks"),
        }
        return replies.get(drawn)

    def hand_over_reply(self) -> Exception | None:
        present = self._present
        drawn = self._draw("hand-over", HAND_OVER_FAULTS, present)
        self._faults[self._number] = drawn
        replies: dict[str | None, Exception] = {
            "throttled": fault("TooManyRequestsException", "Rate Exceeded."),
            "5xx": fault("ServiceException", "", 500),
            "denied": fault("AccessDeniedException", "User is not authorized to perform: lambda:InvokeFunction"),
            "refused": fault("RequestTooLargeException", "Request must be smaller", 413),
            "unreachable": EndpointConnectionError(endpoint_url="https://lambda"),
            "reply lost": ReadTimeoutError(endpoint_url="https://lambda"),
        }
        return replies.get(drawn)

    def accept(self, payload: Event, chain: int = 1) -> None:
        story = self.story_of(payload)
        drawn = self._faults[self._number] if STATE_KEY in payload else self._draw("event", EVENT_FAULTS, story)
        queued = QueuedEvent({**payload}, self.clock.now(), chain)
        late = 0.1
        if drawn == "delivered late":
            late = self._chance.uniform(1, 20)
        elif drawn == "no room":
            most = self._chance.choice([60.0, 600.0, 4000.0])
            queued.room_from = self.clock.now() + self._chance.uniform(1, most)
        story.delay += late
        self.at_time(self.clock.now() + late, lambda: self._deliver(queued))
        if drawn == "delivered twice" and self._twins_left:
            self._twins_left -= 1
            again = QueuedEvent(queued.payload, queued.accepted, chain)
            self.at_time(self.clock.now() + self._chance.uniform(0, 90), lambda: self._deliver(again))

    def _spoil_put(self) -> None:
        present = self._present
        operation = present.operation
        if self.plan.target == ("refuses throughout", "put"):
            self._count("refuses throughout", "put", present)
            operation.faults.append(Status(403 if self.plan.seed % 2 else 503))
            return
        if self._put_faults_left == 0 or operation.faults:
            return
        drawn = self._draw("put", PUT_FAULTS, present)
        if drawn:
            self._put_faults_left -= 1
            present.delay += 8.0
            faults: dict[str, Fault] = {"reset": Reset(), "slow": Delay(2.0), "reply lost": Delay(30.0)}
            operation.faults.append(faults[drawn] if drawn in faults else Status(int(drawn)))


def elapsed(moment: float) -> float:
    """Return how long after the beginning a moment is."""
    return moment - EPOCH


def told(event: Event) -> dict[str, Any]:
    """Return the state that a continuation carries."""
    state: dict[str, Any] = event[STATE_KEY]
    return state
