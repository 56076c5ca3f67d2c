"""The whole service through the longest waits, on a simulated clock, and the properties of the wait loop."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecr_image_waiter.core.deadline import (
    MAX_INVOCATIONS,
    Bounds,
    bounds_for_stack,
    invocation_reserve,
    invocations_needed,
    timeout_needed,
)
from ecr_image_waiter.core.model import (
    AccessDenied,
    Finding,
    Image,
    NoImage,
    NoRegion,
    NoRepository,
    NotPullable,
    Refused,
    Unavailable,
)
from ecr_image_waiter.core.polling import hand_over_at, wait
from ecr_image_waiter.core.state import (
    STATE_KEY,
    Abandoned,
    Backoff,
    Cause,
    CheckResult,
    GivenUp,
    Memory,
    PartDone,
    Progress,
    Ready,
    State,
    continuation,
    read_state,
)
from sandbox.player import Operation
from tests.support.clock import FakeClock
from tests.support.ecr import Reply
from tests.support.simulation import (
    EPOCH,
    Crash,
    Record,
    Schedule,
    Simulation,
    broken,
    never,
    no_image,
    pushed_at,
    throttled,
)
from tests.support.world import IN_MEMORY

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1", "MaxRetries": 3600}
START = math.floor(EPOCH)
LIMIT = START + 3360


def run(schedule: Schedule, properties: dict[str, Any] = PROPERTIES, **world: Any) -> tuple[Simulation, Operation]:
    simulation = Simulation(schedule, **world)
    create = simulation.create(properties)
    simulation.play()
    return simulation, create


def waiting_invocations(simulation: Simulation) -> list[Record]:
    """Return the invocations that waited: all but those for a Delete."""
    return [record for record in simulation.invocations if record.event["RequestType"] != "Delete"]


def gave_up(create: Operation) -> str:
    """Return the Reason of the one answer that counted, which came in time."""
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "answer")
    assert [attempt.counted for attempt in create.attempts].count(True) == 1
    return create.outcome.reason


# --- the longest wait


@cache
def longest() -> tuple[Simulation, Operation]:
    """Return the longest wait, whose image never comes."""
    return run(never)


def test_an_image_that_never_comes_takes_at_most_five_invocations_and_one_answer() -> None:
    simulation, create = longest()
    assert len(waiting_invocations(simulation)) <= 5
    assert len(create.attempts) == 1
    assert "Timed out waiting" in gave_up(create)
    assert simulation.dropped == []
    assert {record.end for record in simulation.invocations} == {"returned"}
    assert max(record.ended - record.began for record in simulation.invocations) <= 871, "far from the timeout"


def test_the_last_check_of_the_longest_wait_starts_within_a_second_of_the_limit() -> None:
    simulation, create = longest()
    assert simulation.checks[-2] < LIMIT <= simulation.checks[-1] <= LIMIT + 1
    assert create.outcome
    assert create.outcome.at < LIMIT + 5
    gaps = [later - earlier for earlier, later in pairwise(simulation.checks)]
    assert max(gaps) <= 31, "the longest pause, also across continuations"


def test_every_check_of_a_wait_is_logged_and_counted_once_in_the_reason() -> None:
    simulation, create = longest()
    logged = [line["attempt"] for line in simulation.lines if line.get("event") == "checked"]
    assert logged == list(range(1, len(simulation.checks) + 1))
    assert f"({len(simulation.checks)} checks" in gave_up(create)


def test_every_continuation_carries_the_first_event_unchanged_and_the_first_limit() -> None:
    simulation, create = longest()
    for record in waiting_invocations(simulation)[1:]:
        assert {key: value for key, value in record.event.items() if key != STATE_KEY} == create.event
        assert (record.event[STATE_KEY]["start"], record.event[STATE_KEY]["limit"]) == (START, LIMIT)


@pytest.mark.parametrize(
    ("seconds", "invocations"),
    [
        (0, 1),
        (600, 1),
        (870.12, 2),  # while the first invocation hands over
        (2000, 3),
        (LIMIT - EPOCH - 0.05, 4),
        (LIMIT - EPOCH, 4),
    ],
)
def test_an_image_pushed_at_any_time_up_to_the_limit_is_found_within_a_pause(seconds: float, invocations: int) -> None:
    simulation, create = run(pushed_at(seconds))
    assert create.outcome
    assert create.outcome.status == "SUCCESS"
    assert EPOCH + seconds <= create.outcome.at <= EPOCH + seconds + 31
    assert len(waiting_invocations(simulation)) == invocations
    assert len(create.attempts) == 1


@pytest.mark.parametrize("timeout", [300, 900])
@pytest.mark.parametrize("service_timeout", [15, 60, 3600])
def test_whatever_the_service_timeout_the_answer_comes_before_it(service_timeout: int, timeout: int) -> None:
    simulation, create = run(never, {**PROPERTIES, "ServiceTimeout": service_timeout}, timeout=timeout)
    gave_up(create)
    limit = START + service_timeout - min(max(0.2 * service_timeout, 15), 240)
    # With 15 s, all of it is reserve: there is only the one check that is always made.
    assert max(limit, waiting_invocations(simulation)[0].began) <= simulation.checks[-1] <= max(limit, EPOCH) + 1


@pytest.mark.parametrize("service_timeout", [20, 60, 120])
def test_slow_calls_of_ecr_leave_time_for_the_answer(service_timeout: int) -> None:
    _, create = run(never, {**PROPERTIES, "ServiceTimeout": service_timeout}, ecr_latency=lambda _: 8.5)
    gave_up(create)


def test_a_late_first_delivery_shortens_the_wait_and_does_not_move_its_limit() -> None:
    simulation, create = run(never, queue_seconds=100.0)
    gave_up(create)
    assert min(simulation.checks) >= EPOCH + 100
    # Each continuation is as late; the check at the limit then comes with the invocation.
    assert LIMIT <= simulation.checks[-1] <= LIMIT + 100


def test_a_limit_just_after_an_invocation_is_met_although_handing_over_takes_seconds() -> None:
    properties = {**PROPERTIES, "MaxRetries": 437, "RetryDelaySeconds": 2}
    simulation, create = run(never, properties, queue_seconds=3.0)
    gave_up(create)
    assert len(waiting_invocations(simulation)) == 2
    assert START + 874 <= simulation.checks[-1] <= START + 875


def until_limit(seconds: int) -> dict[str, Any]:
    """Return properties of a wait of so many seconds with the default backoff."""
    delay = next(delay for delay in range(30, 0, -1) if seconds % delay == 0)
    return {**PROPERTIES, "MaxRetries": seconds // delay, "RetryDelaySeconds": delay}


@pytest.mark.parametrize("latency", [0.05, 5.0, 8.5, math.inf])
@pytest.mark.parametrize("seconds", [60, 865, 900])
def test_the_check_at_the_limit_starts_within_a_second_of_it_however_slow_ecr_is(seconds: int, latency: float) -> None:
    simulation, create = run(never, until_limit(seconds), ecr_latency=lambda _: latency)
    gave_up(create)
    assert simulation.checks[-2] < START + seconds <= simulation.checks[-1] <= START + seconds + 1


def test_one_throttled_check_at_the_limit_does_not_hide_what_was_seen_before_it() -> None:
    simulation, create = run(lambda elapsed: throttled() if elapsed >= LIMIT - EPOCH else no_image())
    reason = gave_up(create)
    assert f"({len(simulation.checks)} checks, 1 unanswered" in reason
    assert "ThrottlingException: Rate exceeded), and before that had no such image" in reason
    assert "some-other-tag" in reason


def test_the_unanswered_checks_of_every_invocation_are_counted() -> None:
    simulation, create = run(lambda elapsed: throttled() if elapsed % 300 > 150 else no_image())
    silent = [line for line in simulation.lines if "did not answer" in line.get("seen", "")]
    assert len({line["InvocationId"] for line in silent}) == len(waiting_invocations(simulation))
    assert f"({len(simulation.checks)} checks, {len(silent)} unanswered" in gave_up(create)


def test_reading_the_newest_tags_never_takes_the_time_of_the_answer() -> None:
    """The event comes 4.4 s before ServiceTimeout, and ECR answers checks at once but not the call for tags."""
    _, create = run(
        never,
        {**PROPERTIES, "ServiceTimeout": 60},
        queue_seconds=55.0,
        ecr_latency=lambda elapsed: 0.05 if elapsed < 55.09 else 5.0,
    )
    gave_up(create)
    assert create.outcome
    assert create.outcome.at <= START + 60 - 3


# --- continuations that fail


@pytest.mark.parametrize("when", [400.0, 1200.0])
def test_a_timeout_that_somebody_shortens_during_a_wait_is_answered_at_the_next_continuation(when: float) -> None:
    simulation = Simulation(never)
    create = simulation.create(PROPERTIES)
    simulation.at(when, lambda: setattr(simulation, "timeout", 60))
    simulation.play()
    assert "timeout of 60 s" in gave_up(create)
    assert simulation.dropped == []
    assert create.outcome
    assert create.outcome.at < EPOCH + 870 * math.ceil(when / 870) + 2


# --- crashes


LAST = 0  # in the place of the number of the check at the limit
CRASHES = [
    *(Crash("begin", 1), Crash("check", 1, 1, "after"), Crash("hand-over", 1), Crash("hand-over", 1, 1, "after")),
    *(Crash("check", 3, 15), Crash("begin", 4), Crash("check", 4, LAST), Crash("check", 4, LAST, "after")),
    *(Crash("newest tags", 4), Crash("put", 4), Crash("put", 4, 1, "after")),
]


def checks_of_the_last() -> int:
    return len(waiting_invocations(longest()[0])[-1].checks)


@pytest.mark.parametrize("crash", CRASHES, ids=str)
def test_a_crash_anywhere_changes_neither_the_limit_nor_that_one_answer_counts(crash: Crash) -> None:
    crash = replace(crash, nth=crash.nth or checks_of_the_last())
    simulation, create = run(never, crashes=[crash])
    assert "crashed" in {record.end for record in simulation.invocations}
    gave_up(create)
    states = [record.event[STATE_KEY] for record in waiting_invocations(simulation) if record.continues]
    assert {state["limit"] for state in states} == {LIMIT}
    at_limit = [check for check in simulation.checks if check >= LIMIT]
    # Within a second, or as soon as Lambda delivers the event again.
    assert at_limit[0] <= LIMIT + 61
    assert len({attempt.verdict.answer["PhysicalResourceId"] for attempt in create.attempts}) == 1


def test_two_crashes_in_a_row_at_the_limit_still_leave_time_for_the_answer() -> None:
    # The limit is 750 s into its invocation, so the second retry comes 930 s after the event.
    simulation, create = run(never, crashes=[Crash("check", 4, checks_of_the_last()), Crash("check", 5, 1)])
    assert [record.end for record in waiting_invocations(simulation)][-3:] == ["crashed", "crashed", "returned"]
    gave_up(create)


@pytest.mark.parametrize("crashes", [1, 2])
def test_invocations_that_crash_at_their_very_end_are_run_again(crashes: int) -> None:
    """An invocation's end is 870 s after its event; its second retry comes 1,920 s after it."""
    simulation, create = run(never, crashes=[Crash("hand-over", number) for number in range(1, crashes + 1)])
    ends = [record.end for record in waiting_invocations(simulation)]
    assert ends[: crashes + 1] == [*["crashed"] * crashes, "returned"]
    assert simulation.dropped == []
    gave_up(create)


def test_an_event_that_finds_no_free_concurrency_is_dropped_within_an_hour_and_the_last_resort_answers() -> None:
    simulation, create = run(never, has_room=lambda elapsed: elapsed > 3550.0, last_resort=True)
    assert [(why, event.attempts) for why, event in simulation.dropped] == [("age", 0)]
    gave_up(create)


def test_an_event_that_waits_for_free_concurrency_keeps_its_start() -> None:
    simulation, create = run(never, has_room=lambda elapsed: elapsed > 1000.0)
    assert waiting_invocations(simulation)[0].began > EPOCH + 1000.0
    assert "Timed out waiting" in gave_up(create)
    assert simulation.checks[-1] < LIMIT + 1


# --- duplicates, faults, deletes


@pytest.mark.parametrize("seed", range(3))
def test_throttling_and_faults_never_end_a_wait(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # repeatable

    def schedule(elapsed: float) -> Reply | None:
        if random.random() < 0.6:
            return random.choice([throttled(), broken()])
        return IN_MEMORY if elapsed > 1000 else no_image()

    _, create = run(schedule)
    assert create.outcome
    assert create.outcome.status == "SUCCESS"


def test_calls_that_hang_end_in_time_for_the_answer() -> None:
    simulation, create = run(never, ecr_latency=lambda _: math.inf)
    assert "did not answer" in gave_up(create)
    assert {record.end for record in simulation.invocations} == {"returned"}
    assert len(waiting_invocations(simulation)) <= 5


# --- the wait loop alone

IMAGE = Image("sha256:" + "ab" * 32, "123456789012", "uri")
FINDINGS: Sequence[Finding] = (
    NoImage(),
    NoImage(),
    NoRepository(),
    AccessDenied("AccessDeniedException", ""),
    NotPullable("ARCHIVED"),
    Unavailable("ThrottlingException", ""),
    Unavailable("ServerException", ""),
    IMAGE,
    Refused("InvalidParameterException", ""),
    NoRegion("eu-wset-1", "eu-west-1"),
)
GRACE_SECONDS = {NoRegion: 60.0, NoRepository: 15.0, AccessDenied: 60.0}
CAUSES = {NoRegion: Cause.REFUSED, NoRepository: Cause.NO_REPOSITORY, AccessDenied: Cause.ACCESS_DENIED}
SLACK = 1.0
"""What the contract allows a check to be late, and what handing over and two sleeps that last too long may take."""


@dataclass(frozen=True)
class Check:
    """One check as it went."""

    began: float
    ended: float
    finding: Finding
    judged: Progress | Ready | GivenUp


@dataclass(frozen=True)
class Trace:
    """A whole wait as it went."""

    bounds: Bounds
    checks: list[Check]
    pauses: list[tuple[float, float, float]]
    """When each pause began, until when it was to last, and the end of its slice."""
    outcome: Ready | GivenUp
    slices: int


def play(
    backoff: Backoff,
    bounds: Bounds,
    findings: Callable[[int], tuple[Finding, float]],
    *,
    timeout: float,
    hand_over: float = 0.0,
    overshoot: float = 0.0,
    random: Random,
) -> Trace:
    """Run a wait through its slices. `findings` tells what check n finds, and what share of its time it takes."""
    clock = FakeClock(bounds.start, overshoot)
    progress = Progress(due=bounds.start)
    checks: list[Check] = []
    pauses: list[tuple[float, float, float]] = []
    for slices in range(1, 1000):
        ends = clock.now() + timeout
        slice_end = ends - invocation_reserve(timeout)

        def check(memory: Memory, _: bool, *, ends: float = ends) -> CheckResult:  # noqa: FBT001  # its type
            finding, share = findings(len(checks))
            began = clock.now()
            clock.advance(share * min(9.0, max(ends - 0.5 - began, 0.0) / 2))
            checks.append(Check(began, clock.now(), finding, Progress(began)))
            return CheckResult(finding, memory)

        def checked(judged: Progress | Ready | GivenUp, _: CheckResult) -> None:
            checks[-1] = replace(checks[-1], judged=judged)

        outcome = wait(
            backoff,
            bounds,
            progress,
            Memory(),
            checks_end=slice_end,
            check=check,
            log_check=checked,
            ask=None,
            clock=clock,
            random=random,
        )
        assert not isinstance(outcome, Abandoned)
        pauses += [(began, until, slice_end) for began, until in clock.pauses]
        clock.pauses.clear()
        if not isinstance(outcome, PartDone):
            return Trace(bounds, checks, pauses, outcome, slices)
        state = State(bounds.start, bounds.limit, replace(outcome.progress, hops=outcome.progress.hops + 1))
        arrived = read_state(json.loads(json.dumps(continuation({"a": "b"}, state)))[STATE_KEY], clock.now())
        assert arrived == state
        progress = arrived.progress
        clock.advance(hand_over)
    raise AssertionError("no end")


@st.composite
def traces(draw: st.DrawFn) -> tuple[Backoff, float, Trace]:
    """Any backoff, limit, slice length, schedule of findings, durations of checks, lateness and chance."""
    backoff = Backoff(
        delay=draw(st.integers(1, 900)),
        rate=draw(st.one_of(st.just(1.0), st.just(1.5), st.floats(1, 10))),
        wait_for_repository=draw(st.booleans()),
    )
    bounds = bounds_for_stack(
        EPOCH, draw(st.integers(0, 3600)) * backoff.delay, draw(st.one_of(st.just(3600), st.integers(1, 3600)))
    )
    shortest = timeout_needed(bounds.limit - bounds.start)
    timeout = max(draw(st.integers(3, 900)), shortest)
    script = draw(st.lists(st.tuples(st.sampled_from(FINDINGS), st.integers(1, 40), st.floats(0, 1)), max_size=20))
    steps = [(finding, share) for finding, times, share in script for _ in range(times)]
    trace = play(
        backoff,
        bounds,
        lambda n: steps[n] if n < len(steps) else (NoImage(), 0.01),
        timeout=timeout,
        hand_over=draw(st.floats(0, 0.5)),
        overshoot=draw(st.floats(0, 0.1)),
        random=draw(st.randoms(use_true_random=False)),
    )
    return backoff, timeout, trace


@settings(max_examples=2 * settings().max_examples)
@given(traces())
def test_whatever_is_found_a_wait_ends_once_checks_in_time_and_keeps_to_its_limit_and_grace_periods(
    drawn: tuple[Backoff, float, Trace],
) -> None:
    backoff, timeout, trace = drawn
    assert trace.slices <= invocations_needed(trace.bounds.limit - trace.bounds.start, timeout) <= MAX_INVOCATIONS
    for _began, until, slice_end in trace.pauses:
        assert until <= min(slice_end, trace.bounds.limit) + 1e-6
    ends_with_the_check_that_decided_it(trace)
    checks_in_time(backoff, trace)
    keeps_grace_periods(backoff, trace)


def ends_with_the_check_that_decided_it(trace: Trace) -> None:
    outcome, faults = trace.outcome, sum(isinstance(check.finding, Unavailable) for check in trace.checks)
    if isinstance(outcome, GivenUp) and outcome.cause is Cause.TOO_LATE:
        assert outcome == GivenUp(Cause.TOO_LATE, None, len(trace.checks), faults)
        return
    if isinstance(outcome, GivenUp) and outcome.cause is not Cause.REFUSED:
        assert outcome.unanswered == faults
        answered = [check.finding for check in trace.checks if not isinstance(check.finding, Unavailable)]
        assert outcome.image_missing == isinstance(answered[-1] if answered else None, NoImage | NotPullable)
    *earlier, last = trace.checks
    assert last.judged == outcome
    assert outcome.checks == len(trace.checks)
    assert all(isinstance(check.judged, Progress) for check in earlier)
    assert not any(isinstance(check.finding, Image | Refused) for check in earlier)
    assert isinstance(outcome, Ready) == (last.finding == IMAGE)


def checks_in_time(backoff: Backoff, trace: Trace) -> None:
    """Hold each check against the pause in force and the limit."""
    limit = trace.bounds.limit
    for before, check in pairwise(trace.checks):
        longest = max(60.0, backoff.delay) if isinstance(before.finding, Unavailable) else backoff.delay
        assert check.began <= before.ended + longest + SLACK
        # A check that is under way at the limit delays the last one by what it takes.
        assert check.began <= max(limit, before.ended) + SLACK
    late = [check for check in trace.checks if check.began >= limit]
    assert len(late) <= 1
    if isinstance(trace.outcome, GivenUp) and trace.outcome.cause is Cause.TIME_UP:
        assert late


def keeps_grace_periods(backoff: Backoff, trace: Trace) -> None:
    """Hold a grace period against the contract: its length, and a check every five seconds."""
    limit = trace.bounds.limit
    kind: type[Finding] | None = None
    since = 0.0
    for before, check in zip([None, *trace.checks], trace.checks, strict=False):
        if isinstance(check.finding, Unavailable | Image | Refused):
            continue  # says nothing about the repository, or ends the wait
        graced = type(check.finding) in GRACE_SECONDS and not (
            backoff.wait_for_repository and isinstance(check.finding, NoRepository)
        )
        if not graced:
            kind = None
            assert isinstance(check.judged, GivenUp) == (check.began >= limit)
            continue
        if type(check.finding) is not kind:
            kind, since = type(check.finding), check.began
        elif before and type(before.finding) is kind:
            assert check.began <= before.ended + 5.0 + SLACK
            assert check.began <= max(since + GRACE_SECONDS[kind], before.ended) + SLACK
        over = check.began >= min(since + GRACE_SECONDS[kind], limit)
        assert isinstance(check.judged, GivenUp) == over
        if isinstance(check.judged, GivenUp):
            assert check.judged.cause is CAUSES[kind]


def test_a_wait_that_ends_within_an_invocation_is_decided_in_it_however_long_a_check_takes() -> None:
    # Checks end after 80 s, the limit is at 78.5 s, and a check runs from 73.7 s to 82.7 s.
    bounds = Bounds(EPOCH, EPOCH + 78.5, EPOCH + 78.5)
    backoff = Backoff(1, 1.0, wait_for_repository=False)
    trace = play(backoff, bounds, lambda n: (NoImage(), 1.0 if n else 0.3), timeout=100, random=Dice(0.0))
    assert [check.began - EPOCH for check in trace.checks][-2:] == pytest.approx([73.7, 82.7], abs=1e-5)
    assert trace.slices == 1


@pytest.mark.parametrize(
    ("slice_length", "limit_behind", "left"), [(870.0, 5.0, 0.0), (870.0, 0.5, 4.5), (8.0, 0.5, 1.5)]
)
def test_an_invocation_hands_over_five_seconds_or_a_quarter_of_it_early_where_the_limit_is_just_behind(
    slice_length: float, limit_behind: float, left: float
) -> None:
    end = EPOCH + slice_length
    bounds = Bounds(EPOCH, end + limit_behind, end + limit_behind)
    assert end - hand_over_at(bounds, end, slice_length) == pytest.approx(left, abs=1e-5)


class Dice(Random):
    """Chance that always falls the same way."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


NOT_YET: Finding = NoImage()
FAULT: Finding = Unavailable("ThrottlingException", "")


def pauses(
    delay: int, rate: float, *faults: int, found: Finding = NOT_YET, dice: float = 0.0, seconds: float = 1000.0
) -> list[float]:
    """Return how long each pause of a wait was whose checks take no time. `faults`: the checks not answered."""
    bounds = Bounds(EPOCH, EPOCH + seconds, EPOCH + seconds)
    backoff = Backoff(delay, rate, wait_for_repository=False)
    trace = play(backoff, bounds, lambda n: (FAULT if n in faults else found, 0.0), timeout=2000, random=Dice(dice))
    return [later.began - earlier.began for earlier, later in pairwise(trace.checks)]


def test_pauses_start_at_a_second_and_grow_by_the_rate_up_to_the_delay() -> None:
    assert pauses(30, 1.5)[:11] == pytest.approx([*(1.5**n for n in range(9)), 30, 30], abs=1e-5)
    assert pauses(5, 10)[:3] == pytest.approx([1, 5, 5], abs=1e-5)


@given(st.floats(0, 1, exclude_max=True))
@example(0.999)
def test_jitter_only_shortens_a_pause_and_by_a_tenth_at_most(dice: float) -> None:
    full = pauses(30, 1.5, seconds=300)
    for jittered, pause in zip(pauses(30, 1.5, dice=dice, seconds=300), full[:-1], strict=False):
        assert jittered == pytest.approx(pause * (1 - 0.1 * dice), abs=1e-5)


def test_a_rate_of_one_is_a_fixed_pause() -> None:
    assert pauses(30, 1.0, dice=0.999, seconds=300) == pytest.approx([30] * 10, abs=1e-5)


def test_faults_double_the_pause_up_to_a_minute_and_draw_from_its_upper_half() -> None:
    doubled = [2, 4, 8, 16, 32, 60, 60, 60]
    assert pauses(30, 1.5, found=FAULT)[:8] == pytest.approx(doubled, abs=1e-5)
    drawn = pauses(30, 1.5, found=FAULT, dice=0.999999)[:8]
    assert drawn == pytest.approx([pause / 2 for pause in doubled], abs=1e-3)


def test_a_pause_longer_than_a_minute_is_not_shortened_by_a_fault() -> None:
    assert pauses(200, 1.0, found=FAULT)[:3] == pytest.approx([200, 200, 200], abs=1e-5)


@pytest.mark.parametrize("faults", [(2, 3), (2, 3, 5)], ids=["a check gets through", "and then another fault"])
def test_the_backoff_goes_on_where_it_was_when_a_check_gets_through(faults: tuple[int, ...]) -> None:
    assert pauses(30, 2.0, *faults)[:6] == pytest.approx([1, 2, 4, 8, 4, 8], abs=1e-5)


@pytest.mark.parametrize(
    ("wait", "timeout", "invocations"), [(0.0, 1.0, 1), (-5.0, 1.0, 1), (0.5, 1.0, 1), (0.8, 1.0, 2)]
)
def test_a_wait_of_less_than_a_slice_takes_one_invocation(wait: float, timeout: float, invocations: int) -> None:
    assert invocations_needed(wait, timeout) == invocations


@pytest.mark.parametrize(("wait", "seconds"), [(0.0, 1), (5.0, 1), (12.0, 2), (1800.0, 151), (3360.0, 255)])
def test_the_time_out_that_a_wait_needs_is_the_smallest_that_does(wait: float, seconds: int) -> None:
    assert timeout_needed(wait) == seconds
