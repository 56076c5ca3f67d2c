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

from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.state import STATE_KEY
from sandbox.player import ACCOUNT, Delay, Event, Fault, Operation, Reset, Resource, StackState, Status, new_resource
from tests.chaos import hostile
from tests.support.ecr import Call, Reply
from tests.support.fakes import DIGEST
from tests.support.simulation import (
    EPOCH,
    Killed,
    Point,
    QueuedEvent,
    Record,
    Simulation,
    broken,
    denied,
    fault,
    no_image,
    no_repository,
    point_of,
    throttled,
)
from tests.support.world import IN_MEMORY

Hit: TypeAlias = tuple[str, str]
"""A fault and the step that it hit."""

ECR_STEPS: Final = ("check", "archive check", "newest tags", "manifest", "config")
ECR_FAULTS: Final = ("throttled", "5xx", "hang", "reset", "denied", "nonsense")
QUESTION_STEPS: Final = ("question", "rollback")
"""A question about the stack: of a wait, and of the Update of a rollback. "last question": the last resort's."""
QUESTION_FAULTS: Final = ("throttled", "5xx", "hang", "reset", "denied", "nonsense", "late", "lying")
LAST_QUESTION_FAULTS: Final = tuple(fault for fault in QUESTION_FAULTS if fault != "nonsense")
"""botocore, which is played there, raises what it cannot read and does not ask again."""
HAND_OVER_FAULTS: Final = (
    *("throttled", "5xx", "denied", "refused", "unreachable", "reply lost"),
    *("delivered late", "delivered twice", "no room"),
)
EVENT_FAULTS: Final = ("delivered late", "delivered twice", "no room")
LAST_RESORT_FAULTS: Final = ("no room",)
PUT_FAULTS: Final = ("429", "500", "503", "403", "reset", "slow", "reply lost")
CRASH_STEPS: Final = ("check", "archive check", "newest tags", "question", "hand-over", "put")

HITS: Final[tuple[Hit, ...]] = (
    *((fault, step) for step in ECR_STEPS for fault in ECR_FAULTS),
    *((fault, step) for step in QUESTION_STEPS for fault in QUESTION_FAULTS),
    ("out", "rollback"),
    *((fault, "last question") for fault in LAST_QUESTION_FAULTS),
    *((fault, "hand-over") for fault in HAND_OVER_FAULTS),
    *((fault, "event") for fault in EVENT_FAULTS),
    *((fault, "last resort") for fault in LAST_RESORT_FAULTS),
    *(("hostile", step) for step in ("manifest", "config")),
    *((fault, "put") for fault in PUT_FAULTS),
    *((f"crash {side}", step) for step in CRASH_STEPS for side in ("before", "after")),
    ("crash before", "begin"),
    ("slow", "clock"),
    ("fast", "clock"),
    ("refuses throughout", "put"),
    *((fault, kind) for fault in ("cancelled", "updated again") for kind in ("Create", "Update")),
    ("another account's", "rollback"),
)
"""Every fault at every step that it can hit."""


def _runs(hit: Hit) -> int:
    """Return for how many runs a hit is the target, where another one is it for one run."""
    fault, step = hit
    seldom = (
        step in ("newest tags", "clock")
        or fault in ("updated again", "out", "hostile")
        or (fault in ("denied", "late", "lying") and step in ("rollback", "last question"))
        or (fault.startswith(("crash", "no room")) and step in ("hand-over", "question", "put"))
    )
    often = step in ("check", "question", "rollback") and not fault.startswith("crash")
    return 4 if fault.startswith("crash") and step == "hand-over" else 3 if seldom else 1 if often else 2


_IN_ORDER: Final = [hit for hit in HITS for _ in range(_runs(hit))]
TARGETS: Final = tuple(Random("targets").sample(_IN_ORDER, len(_IN_ORDER)))  # noqa: S311  # repeatable on purpose
"""What runs go for in turn, mixed, so that a few runs find what many do."""

_SHARES: Final = {"check": 0.4, "question": 0.5, "rollback": 0.9, "event": 0.7, "put": 0.7}
"""How often a target hits its step each time; steps that are reached seldom are hit nearly each time."""

Kind: TypeAlias = Literal["Create", "Update", "Delete", "rollback"]
"""Of a run's first request; the last one is an Update too, of a stack that rolls back."""

ELSEWHERE: Final = "210987654321"
"""Another account."""
MOST_EVENTS: Final = 20_000
"""Of one run, each check, pause and delivery being one: beyond that there is no end."""
NONSENSE: Final[Mapping[str, Reply]] = {
    "manifest": {"images": [{"registryId": "1"}], "failures": []},
    "config": {"layerDigest": "1"},
}
"""Answers without what the waiter needs, besides DescribeImages'."""
QUESTION_ERRORS: Final[Mapping[str | None, Callable[[], Exception]]] = {
    "hang": lambda: ReadTimeoutError(endpoint_url="https://cloudformation"),
    "throttled": lambda: fault("Throttling", "Rate exceeded"),
    "5xx": lambda: fault("InternalFailure", "", 500),
    "reset": lambda: ConnectionClosedError(endpoint_url="https://cloudformation"),
    "denied": lambda: fault("AccessDenied", "User is not authorized to perform: cloudformation:DescribeStacks"),
    "nonsense": lambda: KeyError("Stacks"),
}
HAND_OVER_ERRORS: Final[Mapping[str | None, Callable[[], Exception]]] = {
    "throttled": lambda: fault("TooManyRequestsException", "Rate Exceeded."),
    "5xx": lambda: fault("ServiceException", "", 500),
    "denied": lambda: fault("AccessDeniedException", "User is not authorized to perform: lambda:InvokeFunction"),
    "refused": lambda: fault("RequestTooLargeException", "Request must be smaller", 413),
    "unreachable": lambda: EndpointConnectionError(endpoint_url="https://lambda"),
    "reply lost": lambda: ReadTimeoutError(endpoint_url="https://lambda"),
}
LONGEST_LIE: Final = 4.0
"""Seconds. So old is what CloudFormation tells of a stack that rolls back at most."""


@dataclass(frozen=True)
class Plan:
    """What a run is about. Times are seconds, moments are seconds since the run began.

    `target`: the fault that is hit often. `background`: the share of steps that any other fault hits. `crashes` and
    `put_faults`: at most so many. `skew`: how far a process's clock may be off, either way. `before`: the properties
    that a rollback brings back. `image`: a kind of `hostile.KINDS`, empty for an ordinary one. `again_after`: seconds
    from a cancellation until the stack is updated again. `out_until`: until when CloudFormation's API does not answer.
    `dies`: whether the waiter crashes whenever it begins.
    """

    seed: int
    target: Hit
    kind: Kind
    properties: Mapping[str, Any]
    before: Mapping[str, Any]
    valid: bool
    image: str
    timeout: float
    image_from: float
    repository_from: float
    background: float
    crashes: int
    put_faults: int
    skew: float
    cancel_at: float | None
    again_after: float | None
    out_until: float
    account: str
    dies: bool


def plan(seed: int) -> Plan:
    """Return the plan that a seed stands for."""
    random = Random(seed)  # noqa: S311  # repeatable on purpose
    target = TARGETS[seed % len(TARGETS)]
    fault, step = target
    kind = _kind(random, target)
    cancelled = fault in ("cancelled", "updated again")
    properties, wait = _properties(random, long=step in ("hand-over", "question") or cancelled)
    at_the_end = step in ("archive check", "newest tags")
    valid = random.random() > 0.03 or at_the_end
    if not valid:
        properties |= random.choice([{"MaxRetries": "many"}, {"ImageTag": "-no"}, {"Unknown": "x"}])
    # A target that is reached only by waits that time out needs one.
    in_vain = 1.0 if at_the_end else 0.9 if step in ("hand-over", "question") or cancelled else 0.4
    image_from = random.choice([0.0, random.uniform(0, wait)]) if random.random() > in_vain else 1e9
    if random.random() < 0.3 and image_from < 1e9:
        image_from = random.uniform(0.7 * wait, 1.02 * wait)
    before, image = _before(random) if kind == "rollback" else (GONE, _image(random, target))
    if image:
        properties |= hostile_image(image, seed).conditions
        image_from = 0.0 if kind == "rollback" or step in ("manifest", "config") else image_from
    cancelled = cancelled or (random.random() < 0.05 and not at_the_end)
    again = fault == "updated again" or random.random() < 0.3
    return Plan(
        seed=seed,
        target=target,
        kind=kind,
        properties=properties,
        before=before,
        valid=valid,
        image=image,
        timeout=random.choice([900.0, 900.0, 900.0, float(random.randint(260, 899))]),
        image_from=image_from,
        repository_from=0.0 if random.random() < 0.9 or at_the_end else random.choice([5.0, 100.0, 1e9]),
        background=random.choice([0.0, 0.0, 0.0, 0.02, 0.2]),
        crashes=random.choice([1, 1, 2, 3, 4]) if fault.startswith("crash") else random.choice([0, 0, 0, 1]),
        put_faults=random.choice([1, 2, 3]),
        skew=random.uniform(0.2, 2.0) if step == "clock" else 0.0,
        cancel_at=random.uniform(1, min(wait, 900)) if cancelled and kind in ("Create", "Update") else None,
        again_after=random.choice([random.uniform(5, 60), random.uniform(60, 600)]) if again else None,
        out_until=random.choice([random.uniform(5, 60), random.uniform(60, 400), 1e9, 1e9]) if fault == "out" else 0.0,
        account=ELSEWHERE if fault == "another account's" or random.random() < 0.02 else ACCOUNT,
        dies=step in ("last question", "last resort"),
    )


def _kind(random: Random, target: Hit) -> Kind:
    fault, step = target
    if fault in ("cancelled", "updated again"):
        return "Create" if step == "Create" else "Update"
    if step in ("rollback", "last question"):
        return "rollback"
    if step in ("archive check", "newest tags"):
        return random.choice(["Create", "Update"])
    if step in ("put", "event", "last resort") and random.random() < 0.25:
        return "Delete"
    kinds: list[Kind] = ["Create", "Update", "rollback"]
    return random.choices(kinds, [65, 25, 10])[0]


GONE: Final = {"RepositoryName": "team/app", "ImageTag": "v0"}
"""Properties of before the update, of an image that is not there any more."""


def _before(random: Random) -> tuple[dict[str, Any], str]:
    """Return properties that a rollback brings back, none of which would succeed, and the kind of image there."""
    trouble = random.choice(["none", "waits", "waits", "repository", "refused", "platform"])
    properties: dict[str, Any] = {**GONE}
    if random.random() < 0.3:
        properties["ServiceTimeout"] = str(random.randint(120, 3600))
    if trouble == "waits":
        # Every other one ends near the end of an invocation of 900 s, which leaves its questions to the next one.
        seconds = random.choice([random.randint(0, 3600), 870 * random.randint(1, 3) - random.randint(10, 250)])
        properties |= {"RetryDelaySeconds": "30", "MaxRetries": str(seconds // 30)}
    elif trouble == "repository":
        properties |= {"RepositoryName": "team/gone"}
    elif trouble == "refused":
        properties |= random.choice([{"MaxRetries": "many"}, {"Unknown": "x"}, {"ImageTag": "-no"}])
    elif trouble == "platform":
        return {**properties, **hostile.PLATFORM}, "architecture"
    return properties, ""


def _image(random: Random, target: Hit) -> str:
    fault, step = target
    if fault == "hostile":
        return random.choice([kind for kind in hostile.KINDS if hostile.KINDS[kind](random).where == step])
    if step in ("manifest", "config"):
        return random.choice(["annotations", "other label", "architecture"])
    return random.choice([*hostile.KINDS]) if random.random() < 0.1 and step != "newest tags" else ""


def hostile_image(kind: str, seed: int) -> hostile.Hostile:
    """Return the hostile image of a run."""
    return hostile.KINDS[kind](Random(f"image of {seed}"))  # noqa: S311  # repeatable on purpose


def _properties(random: Random, *, long: bool) -> tuple[dict[str, Any], float]:
    """Return properties of a request, and about how long its wait is."""
    properties: dict[str, Any] = {"RepositoryName": "team/app", "ImageTag": "v1"}
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


@dataclass(frozen=True)
class Asked:
    """A question about the stack. `told`: the status, "denied", or nothing where there was no answer.

    `number` is the invocation's; `lie` says whether the status is one of a moment before.
    """

    at: float
    number: int
    told: str
    lie: bool = False


@dataclass
class Story:
    """What happened to one request."""

    operation: Operation
    hits: Counter[Hit] = field(default_factory=Counter)
    delay: float = 0.0
    """Seconds by which it was held up: late deliveries, pauses before Lambda's retries, slow responses."""
    first_denied: float | None = None
    """When the first check began that was denied access."""
    saw_image: set[int] = field(default_factory=set)
    """Numbers of the invocations whose check was told that the image is there."""
    rolls_back: bool = False
    """Whether it is the Update of a rollback."""
    asked: list[Asked] = field(default_factory=list)
    """Each question about its stack, in the order of their ends."""

    @property
    def request_id(self) -> str:
        return str(self.operation.event["RequestId"])


class ChaosWorld(Simulation):
    """A simulation that goes by a plan. Make it, `run_plan`, then check `stories`, `hits` and the rest."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hits: Counter[Hit] = Counter()
        self.stories: dict[str, Story] = {}
        self._chance = Random(f"faults of {plan.seed}")  # noqa: S311  # repeatable on purpose
        self._crashes_left = plan.crashes
        self._put_faults_left = plan.put_faults
        self._full_until = 0.0
        self._image = hostile_image(plan.image, plan.seed) if plan.image else None
        self._twins_left = 3  # beyond that it is Lambda that makes the crowd
        self._steps: dict[int, str] = {}
        """What each invocation is at, by its number."""
        self._faults: dict[int, str | None] = {}
        """What befalls it there."""
        super().__init__(
            self._truth,
            timeout=plan.timeout,
            ecr_latency=self._latency,
            question_reply=self._reply_to_question,
            has_room=lambda _: self.clock.now() >= self._full_until,
            seed=plan.seed,
            last_resort=True,
        )

    def run_plan(self) -> None:
        """Let the request, and all that follows from it, happen."""
        plan = self.plan
        if self._image:
            hostile.push(self.ecr, self._image, "team/app", "v1", DIGEST)
        self.ecr.image("team/app").tags.append("v0")
        resource = new_resource(account=plan.account)
        resource.properties = dict(plan.before)
        if plan.kind == "Create":
            # A stack that is still created cannot be updated again.
            create = self.cloudformation.create
            operation = create(plan.properties, new=resource) if plan.again_after else create(plan.properties)
        else:
            resource.physical_id = "Image-0123456789abcdef"
            operation = self._begin(resource)
        if plan.account == ELSEWHERE:
            self._count("another account's", "rollback", self.story_of(operation.event))
        if plan.cancel_at is not None:
            self.at(plan.cancel_at, lambda: self._cancel(operation))
        self.play(MOST_EVENTS)

    def _begin(self, resource: Resource) -> Operation:
        plan = self.plan
        if plan.kind == "Update":
            return self.cloudformation.update(resource, plan.properties)
        resource.properties = dict(plan.properties)
        if plan.kind == "Delete":
            return self.cloudformation.delete(resource)
        self.cloudformation.begin_update(resource)
        operation = self.cloudformation.roll_back(resource, plan.before)
        self.story_of(operation.event).rolls_back = True
        return operation

    def _cancel(self, operation: Operation) -> None:
        if operation.outcome is not None:
            return
        self._count("cancelled", operation.kind, self.story_of(operation.event))
        if operation.kind == "Create":
            back = self.cloudformation.cancel(operation)
        else:
            back = self.cloudformation.cancel_update(operation)
            self.story_of(back.event).rolls_back = True
        if self.plan.again_after:
            self.at_time(self.clock.now() + self.plan.again_after, lambda: self._update_again(operation, back))

    def _update_again(self, operation: Operation, back: Operation) -> None:
        """Update the stack again, some time after its rollback."""
        if back.outcome is None or self.clock.now() < back.outcome.at + LONGEST_LIE + 1.0:
            self.at_time(self.clock.now() + 10.0, lambda: self._update_again(operation, back))
        elif back.outcome.status == "SUCCESS":
            self._count("updated again", operation.kind, self.story_of(operation.event))
            if operation.kind == "Create":
                self.cloudformation.create(self.plan.properties, new=operation.resource)
            else:
                self.cloudformation.update(operation.resource, self.plan.properties)

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
    def _check_began(self) -> float:
        """When the running invocation's last check began."""
        assert self.running
        return self.running.record.checks[-1]

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

    def reach(self, point: Point, side: Literal["before", "after"]) -> None:
        if side == "before":
            self._steps[self._number] = point
            if point == "put":
                self._spoil_put()
            if point == "begin" and self.plan.dies:
                self._count("crash before", "begin", self._present)
                raise Killed("dies whenever it begins")
        super().reach(point, side)
        crash = (f"crash {side}", point)
        if self._crashes_left and crash in HITS:
            share = _SHARES.get(point, 0.9) if crash == self.plan.target else self.plan.background / 10
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

    def reply(self, call: Call) -> Reply | None:
        point = point_of(call)
        reply = self._fault_or(point, lambda: super(ChaosWorld, self).reply(call))
        if point == "check" and reply is IN_MEMORY and not self._image:
            self._present.saw_image.add(self._number)
        if self._image and self._image.where == point and not self._faults[self._number]:
            self._count("hostile", point, self._present)
        return reply

    def _fault_or(self, point: Point, truth: Callable[[], Reply | None]) -> Reply | None:
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
                present.first_denied = present.first_denied or self._check_began
                return denied()
            case "nonsense":
                return NONSENSE.get(point, {"imageDetails": [{"registryId": "1"}]})
            case _:
                return truth()

    def _truth(self, elapsed: float) -> Reply | None:
        properties = self._present.operation.event["ResourceProperties"]
        if elapsed < self.plan.repository_from or properties["RepositoryName"] == "team/gone":
            return no_repository()
        return IN_MEMORY if elapsed >= self.plan.image_from else no_image()

    def _reply_to_question(self, elapsed: float) -> Exception | None:
        present, seconds = self._present, self.patience
        step = "rollback" if present.rolls_back else "question"
        faults: tuple[str, ...] = QUESTION_FAULTS
        if self.running and self.running.record.for_last_resort:
            step, faults = "last question", LAST_QUESTION_FAULTS
        if elapsed < self.plan.out_until:
            drawn: str | None = self._chance.choice(["throttled", "5xx", "hang", "reset"])
            self._count("out", "rollback", present)
        else:
            drawn = self._draw(step, faults, present)
        self._faults[self._number] = drawn
        if drawn in ("hang", "late"):
            self.clock.sleep(seconds if drawn == "hang" else min(self._chance.uniform(0.5, 4.0), 0.9 * seconds))
        if drawn in QUESTION_ERRORS:
            told = "denied" if drawn == "denied" else ""
            present.asked.append(Asked(self.clock.now(), self._number, told))
            return QUESTION_ERRORS[drawn]()
        return None

    def stack_as_told(self, stack_id: str) -> StackState:
        present, now = self._present, self.clock.now()
        truth = told = super().stack_as_told(stack_id)
        if self._faults[self._number] == "lying":
            most = LONGEST_LIE - self.plan.skew
            if "ROLLBACK" not in truth.status:  # an older lie only keeps a wait that is over
                most = max(most, min(now - present.operation.sent - 1.0, 60.0))
            told = self.cloudformation.state_of(stack_id, now - self._chance.uniform(0.5, most))
        present.asked.append(Asked(now, self._number, told.status, lie=told != truth))
        return told

    def hand_over_reply(self) -> Exception | None:
        present = self._present
        drawn = self._draw("hand-over", HAND_OVER_FAULTS, present)
        self._faults[self._number] = drawn
        return HAND_OVER_ERRORS[drawn]() if drawn in HAND_OVER_ERRORS else None

    def accept(self, payload: Event, chain: int = 1) -> None:
        story = self.story_of(payload)
        drawn = self._faults[self._number] if STATE_KEY in payload else self._draw("event", EVENT_FAULTS, story)
        queued = QueuedEvent({**payload}, self.clock.now(), chain)
        late = 0.1
        if drawn == "delivered late":
            late = self._chance.uniform(1, 20)
        elif drawn == "no room":
            self._fill_up()
        story.delay += late
        self.at_time(self.clock.now() + late, lambda: self._deliver(queued))
        if drawn == "delivered twice" and self._twins_left:
            self._twins_left -= 1
            again = QueuedEvent(queued.payload, queued.accepted, chain)
            self.at_time(self.clock.now() + self._chance.uniform(0, 90), lambda: self._deliver(again))

    def drop(self, why: str, queued: QueuedEvent, error: BaseException | None = None) -> None:
        if not queued.for_last_resort and self._draw("last resort", LAST_RESORT_FAULTS, self.story_of(queued.payload)):
            self._fill_up()
        super().drop(why, queued, error)

    def _fill_up(self) -> None:
        """Leave no concurrency free in the account for a while, for whatever function."""
        # The longest is one after which Lambda has given up an event, and the last resort just has time.
        least, most = self._chance.choice([(1.0, 60.0), (1.0, 600.0), (3450.0, 3580.0)])
        self._full_until = max(self._full_until, self.clock.now() + self._chance.uniform(least, most))

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
