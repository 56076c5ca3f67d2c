"""Processes of the deployed waiter are killed, or stopped until the function's timeout, in the middle of a wait.

Each blow follows an event: a call that the proxy holds, or a response that CloudFormation has begun to receive.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import Final, NamedTuple

import pytest

from sandbox.cloud import Cloud
from sandbox.player import Delay, Operation, Status
from sandbox.processes import awaits_input
from sandbox.proxy import Rule, delay, drop
from tests.support.functions import HANDED_OVER, TIMEOUT, Deployed, seconds
from tests.support.patience import eventually

HELD: Final = 10.0
"""Seconds for which a call is held, longer than any client waits for it when it hands over."""
QUIET: Final = 4.0
"""Seconds without work after which nothing runs again: the emulated Lambda's longer pause before a retry takes two."""
LATER: Final = 2.0
"""Seconds by which a wait that started anew would start later. X-Amz-Date has whole seconds."""
LIMIT: Final = 16
DIED: Final = "The waiter function failed"


class Case(NamedTuple):
    """`times`: how many attempts are hit. `lost`: whether the call or response that is under way does not arrive."""

    during: str
    blow: signal.Signals = signal.SIGKILL
    times: int = 1
    lost: bool = False
    image_comes: bool = True


QUICK: Final = [Case("check"), Case("check", times=3)]
SLOW: Final = [
    Case("check", image_comes=False),
    Case("check", times=2),
    *(Case("check", signal.SIGSTOP, times) for times in (1, 3)),
    *(Case("hand-over", blow, lost=lost) for blow in (signal.SIGKILL, signal.SIGSTOP) for lost in (False, True)),
    *(Case("response", blow, lost=lost) for blow in (signal.SIGKILL, signal.SIGSTOP) for lost in (False, True)),
]


class Attack:
    """One wait whose processes come to harm."""

    def __init__(self, case: Case, cloud: Cloud, function: Deployed, create: Operation) -> None:
        self._case, self._cloud, self._function, self._create = case, cloud, function, create

    def busy(self) -> list[int]:
        return [pid for pid in self._cloud.workers(self._function.name) if not awaits_input(pid)]

    def hit(self) -> None:
        """Hits the process that works on the wait, once it is in the middle of the call or the response."""
        while not self._hit():
            pass  # a busy machine was late: the next call or response is hit

    def _hit(self) -> bool:
        hold, begun = self._held()
        with hold:
            eventually(begun, self._case.during)
            pids = self.busy()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, self._case.blow)
            self._create.faults.clear()
            eventually(lambda: not {*pids} & {*self.busy()}, "Lambda's end to the process")
        return bool(pids)

    def _held(self) -> tuple[AbstractContextManager[None], Callable[[], bool]]:
        create, effect = self._create, (drop if self._case.lost else delay)(HELD)
        if self._case.during == "response":
            faults = [Status(503)] * 9 if self._case.lost else [Delay(HELD)]
            create.faults.extend(faults)
            return nullcontext(), lambda: len(create.faults) < len(faults)
        mine = create.event["RequestId"]
        rule = Rule("ecr:DescribeImages", effect, create.event["ResourceProperties"]["RepositoryName"], times=1)
        proxy = self._function.ecr_proxy
        if self._case.during == "hand-over":
            rule = Rule("lambda:Invoke", effect, where=lambda call: mine in call.body, times=1)
            proxy = self._function.self_invokes
        return proxy.rule(rule), lambda: rule.met > 0

    def rest(self) -> None:
        """Returns when nothing of the wait runs or is going to run."""
        quiet_since = time.monotonic()

        def quiet() -> bool:
            nonlocal quiet_since
            quiet_since = time.monotonic() if self.busy() else quiet_since
            return time.monotonic() > quiet_since + QUIET

        eventually(quiet, "rest")


@pytest.mark.parametrize("case", [*QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW)], ids=str)
def test_a_wait_whose_processes_die_keeps_its_start_and_gets_one_response(
    case: Case, cloud: Cloud, deployed: dict[int, Deployed]
) -> None:
    function = deployed[TIMEOUT]
    repository = function.repository()
    if case.during == "response":
        function.push(repository)
    with function.player() as player:
        duration = HANDED_OVER if case.image_comes else seconds(LIMIT)
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **duration})
        attack = Attack(case, cloud, function, create)
        for _ in range(case.times):
            attack.hit()
        if case.image_comes and case.during != "response" and case.times < 3:
            function.push(repository)
        outcome = create.wait()
        if create.follow_up:
            assert create.follow_up.wait().status == "SUCCESS"
        attack.rest()

    assert outcome.by == "answer"
    if case.times == 3:
        assert outcome.reason.startswith(DIED)
        assert any(words in outcome.reason for words in ("Worker process died", "timed out")), outcome.reason
    else:
        assert outcome.status == ("SUCCESS" if case.image_comes else "FAILED"), outcome.reason
    if not case.image_comes:
        assert outcome.reason.startswith("Timed out waiting ")
        assert function.elapsed(create)[-1] >= LIMIT
    starts = [
        datetime.fromisoformat(entry["timestamp"]).timestamp() - entry["elapsed_seconds"]
        for entry in function.entries(create)
        if "elapsed_seconds" in entry
    ]
    assert max(starts, default=0.0) <= create.sent + LATER
    assert sum(attempt.counted for attempt in create.attempts) == 1
    answers = [attempt.verdict.answer for attempt in create.accepted]
    assert len({(each["Status"], each["PhysicalResourceId"]) for each in answers}) == 1
