"""Where the crash suite's waits run, and how their processes come to harm.

A lane is a function of its own with one wait at a time, so that every process of it belongs to that wait: MiniStack
ends all processes of a function when one dies in INIT, which must not be those of another wait.
"""

import os
import re
import signal
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from itertools import chain, cycle
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Self

from sandbox.cloud import Cloud
from sandbox.player import Delay, Fault, Operation, Reset
from sandbox.processes import PATIENCE, awaits_input
from sandbox.proxy import Effect, Rule, delay, drop
from tests.crash.cases import HELD_ANSWER, PAUSE, After, Blow, Case, Kind, Run
from tests.support.functions import TIMEOUT, Deployed, Function, UnderRie

HELD: Final = 2.0  # seconds for which a call is held so that its process stops in the middle of it
ENDED: Final = 2.0  # what MiniStack gives a process that timed out to end by itself
TICK: Final = 0.02
LOOK: Final = 0.1  # to go through all processes of the machine takes a while
QUIET: Final = PAUSE + 2.0  # after which nothing is going to be run again


class Lane(ABC):
    """A function that serves one wait at a time, and CloudFormation's part for it."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._stack = ExitStack()
        self.player = self._stack.enter_context(function.player())

    @abstractmethod
    def processes(self) -> list[int]:
        """Return the ids of the function's processes."""

    @abstractmethod
    def busy(self) -> list[int]:
        """Return the ids of those that are at work on an event."""

    @abstractmethod
    def deaths(self) -> int:
        """Return how many invocations Lambda says have failed so far."""

    def rest(self, seconds: float = PATIENCE) -> bool:
        """Return when nothing runs or is going to be run again, or False if that is not so in time."""
        until = time.monotonic() + seconds
        since = time.monotonic()
        while time.monotonic() < until:
            if self.busy():
                since = time.monotonic()
            elif time.monotonic() > since + QUIET:
                return True
            time.sleep(LOOK)
        return False

    def stop(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class DeployedLane(Lane):
    """A function that `sam deploy` put into the sandbox."""

    def __init__(self, cloud: Cloud, function: Deployed) -> None:
        super().__init__(function)
        self._cloud = cloud
        self._name = function.name

    def processes(self) -> list[int]:
        return self._cloud.workers(self._name)

    def busy(self) -> list[int]:
        return [pid for pid in self.processes() if not awaits_input(pid)]

    def deaths(self) -> int:
        return deaths(self._name, self._cloud.emulator_log())


class EmulatorLane(Lane):
    """The artifact under the Runtime Interface Emulator."""

    def __init__(self, cloud: Cloud, output: Path, artifact: Path | None = None) -> None:
        under_rie = UnderRie(cloud, output, artifact=artifact)
        super().__init__(under_rie)
        self._under_rie = under_rie
        self._stack.callback(under_rie.stop)

    def processes(self) -> list[int]:
        found = []
        for environment in list(self._under_rie.environments):
            with suppress(RuntimeError):  # it has none at the moment
                found.append(environment.function_pid())
        return found

    def busy(self) -> list[int]:
        found = []
        for environment in self._under_rie.service.at_work:
            with suppress(RuntimeError):
                found.append(environment.function_pid())
        return found

    def deaths(self) -> int:
        return len(self._under_rie.service.failures)


_HEAD = re.compile(r"[0-9-]{10} [0-9:]{8} [A-Z]+ \[")
_DIED = re.compile(r"Worker process died|Task timed out after|Traceback \(most recent call last\)|.*Broken pipe")


def deaths(function: str, log: str) -> int:
    """Return how many invocations of a function have failed, as MiniStack's log tells it."""
    number, inside = 0, False
    for line in log.splitlines():
        if _HEAD.match(line):
            # In INIT the function has printed nothing yet, and there is but this line.
            number += f"Warm worker execution error for {function}: " in line
            inside = f"Lambda {function} async output (attempt " in line
        elif inside and _DIED.match(line):
            number, inside = number + 1, False
    return number


class Attack:
    """One case under way."""

    def __init__(self, case: Case, lane: Lane, stack: ExitStack) -> None:
        self.case = case
        self.lane = lane
        self.run = Run(case)
        self._rules = stack
        self._repository = lane.function.repository()
        self._deaths = lane.deaths()
        properties = {
            "RepositoryName": self._repository,
            "ImageTag": "v1",
            "MaxRetries": str(case.limit),
            "RetryDelaySeconds": "1",
            "ServiceTimeout": str(case.service_timeout),
        }
        self._next_look = 0.0
        self._pauses = cycle(case.pauses)
        self.create: Operation = lane.player.create(properties, faults=list(_faults(case)))
        self.run.create = self.create
        self._faults = len(self.create.faults)

    def go_through(self) -> Run:
        """Return when the wait has its answer, the Delete after it too, and nothing of it runs any more."""
        for _ in chain(_SCRIPTS[self.case.kind](self), self._until(lambda: False)):
            self._push_when_due()
            time.sleep(TICK)
        self.create.wait(1)
        if self.create.follow_up:
            with suppress(TimeoutError):
                self.create.follow_up.wait()
        if not self.lane.rest():
            self.run.fault = "something of it still runs long after the answer"
        self.run.deaths = self.lane.deaths() - self._deaths
        self.run.begun = [
            datetime.fromisoformat(entry["timestamp"]).timestamp() - entry["elapsed_seconds"]
            for entry in self.lane.function.entries(self.create)
            if "elapsed_seconds" in entry
        ]
        return self.run

    @property
    def over(self) -> bool:
        return self.create.outcome is not None or time.time() >= self.create.deadline

    def strike(self, what: signal.Signals, noticed_after: float = 0.0) -> list[int]:
        """Send a signal to whatever is at work on the wait."""
        pids, now = self.lane.busy(), time.time()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, what)
        self.run.blows.append(Blow(what.name, now, bool(pids), now + noticed_after))
        return pids

    def look(self) -> bool:
        """Whether it is time to go through the processes again."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK
        return True

    def kills(self) -> Iterator[None]:
        """SIGKILL at the case's moments."""
        hand_over = None
        if any(moment.after is After.HAND_OVER for moment in self.case.moments):
            hand_over = self._hold_hand_over(0.5)
        for moment in self.case.moments:
            begun: Callable[[], object] = {
                After.START: lambda: True,
                After.HAND_OVER: lambda: hand_over is not None and hand_over.met,
                After.ANSWER: self._answering,
            }[moment.after]
            yield from self._until(begun)
            since = self.create.sent if moment.after is After.START else time.time()
            # An answer that has arrived is not the end of the process that sent it.
            while time.time() < since + moment.seconds and (moment.after is After.ANSWER or not self.over):
                yield
            if moment.after is not After.ANSWER:
                yield from self._until_one_is_at_work()
            if begun() and (moment.after is After.ANSWER or not self.over):
                self.strike(signal.SIGKILL)

    def kills_every_attempt(self) -> Iterator[None]:
        """SIGKILL to every process, soon after it came up."""
        killed: set[int] = set()
        while not self.over:
            yield
            if self.look() and set(self.lane.busy()) - killed:
                yield from self._pause(next(self._pauses))
                if not self.over:
                    killed |= set(self.strike(signal.SIGKILL))

    def stops_in_check(self) -> Iterator[None]:
        """Stop the process in the middle of a check, until the function's timeout."""
        for _ in range(self.case.times):
            held = self._rule(Rule("ecr:DescribeImages", self._held(HELD), self._repository, times=1))
            yield from self._stop_once(partial(_met, held))

    def stops_in_hand_over(self) -> Iterator[None]:
        """Stop the process in the middle of a hand-over, which arrives or does not, until the function's timeout."""
        for _ in range(self.case.times):
            yield from self._stop_once(partial(_met, self._hold_hand_over(HELD)))

    def stops_in_answer(self) -> Iterator[None]:
        """Stop the process in the middle of an answer, which arrives or does not, until the function's timeout."""
        for number in range(1, self.case.times + 1):
            yield from self._stop_once(partial(self._answering, number))

    def nothing(self) -> Iterator[None]:
        """The artifact does it by itself."""
        yield

    def _stop_once(self, reached: Callable[[], object]) -> Iterator[None]:
        yield from self._until(reached)
        if reached():
            stopped = self.strike(signal.SIGSTOP, TIMEOUT + ENDED)
            while set(stopped) & set(self.lane.busy()) and not self.over:
                yield from self._pause(LOOK)

    def _until_one_is_at_work(self) -> Iterator[None]:
        """Go past the pauses in which there is nothing to kill, and into what comes then."""
        waited = False
        while not self.over and not self.lane.busy():
            waited = True
            yield from self._pause(LOOK)
        if waited:
            yield from self._pause(next(self._pauses))

    def _until(self, condition: Callable[[], object]) -> Iterator[None]:
        while not condition() and not self.over:
            yield

    def _pause(self, seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.over:
            yield

    def _answering(self, number: int = 1) -> bool:
        """Whether that many answers have begun to arrive."""
        return self._faults - len(self.create.faults) >= number

    def _rule(self, rule: Rule) -> Rule:
        self._rules.enter_context(self.lane.function.ecr_proxy.rule(rule))
        return rule

    def _hold_hand_over(self, seconds: float) -> Rule:
        """Have the next hand-over of this wait take so long that there is a moment in the middle of it."""
        mine = self.create.event["RequestId"]
        rule = Rule("lambda:Invoke", self._held(seconds), where=lambda call: mine in call.body, times=1)
        self._rules.enter_context(self.lane.function.self_invokes.rule(rule))
        return rule

    def _held(self, seconds: float) -> Effect:
        return drop(seconds) if self.case.lost else delay(seconds)

    def _push_when_due(self) -> None:
        after = self.case.push_after
        if after is not None and not self.run.pushed_at and not self.over and time.time() >= self.create.sent + after:
            self.lane.function.push(self._repository)
            self.run.pushed_at = time.time()


def _met(rule: Rule) -> bool:
    return rule.met > 0


def _faults(case: Case) -> Iterator[Fault]:
    """What befalls the answers, so that there is a moment in the middle of each."""
    if case.kind is Kind.ANSWER:
        yield from [Reset() if case.lost else Delay(HELD)] * case.times
    elif any(moment.after is After.ANSWER for moment in case.moments):
        yield Delay(HELD_ANSWER)


_SCRIPTS: Final[dict[Kind, Callable[[Attack], Iterator[None]]]] = {
    Kind.ONCE: Attack.kills,
    Kind.OFTEN: Attack.kills,
    Kind.EVERY: Attack.kills_every_attempt,
    Kind.NO_IMPORT: Attack.nothing,
    Kind.CHECK: Attack.stops_in_check,
    Kind.HAND_OVER: Attack.stops_in_hand_over,
    Kind.ANSWER: Attack.stops_in_answer,
}


def run_case(case: Case, lane: Lane) -> Run:
    """Go through one case."""
    with ExitStack() as stack:
        return Attack(case, lane, stack).go_through()


def go_through(cases: Sequence[Case], lanes: Sequence[Lane], done: Callable[[Run], None]) -> None:
    """Go through all cases, on each lane one at a time."""
    queue: SimpleQueue[Case] = SimpleQueue()
    for case in cases:
        queue.put(case)

    def work(lane: Lane) -> None:
        while True:
            try:
                case = queue.get_nowait()
            except Empty:
                return
            try:
                run = run_case(case, lane)
            except Exception:  # noqa: BLE001  # the others go on
                run = Run(case, fault=traceback.format_exc())
            done(run)

    threads = [Thread(target=work, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
