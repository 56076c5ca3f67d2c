"""Every decision of a wait: when to check, to ask about the stack, to stop and to hand over. Pure but for `wait`.

All times are seconds since 1970 UTC, all durations seconds. The clock and the random source come in from outside.
The rules are those of docs/contract.md, sections 3 and 4. docs/decisions/0011 says when the stack is asked about.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from typing import Final

from .builds import Broken, BuildHidden, BuildUnavailable, Built
from .deadline import (
    MAX_INVOCATIONS,
    Bounds,
    Clock,
    bounds_for_stack,
    fault_too_long,
    invocations_needed,
    timeout_needed,
)
from .messages import InvalidRequest
from .model import (
    AccessDenied,
    Awaited,
    Found,
    Image,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    Refused,
    StackFinding,
    StackHidden,
    Unavailable,
    decisive,
    images_of,
    lacks_image,
    partly_unanswered,
    still_waits,
)
from .state import (
    NEVER,
    Abandoned,
    Backoff,
    Cause,
    CheckResult,
    GivenUp,
    Memory,
    PartDone,
    Progress,
    Ready,
    Streak,
    read_state,
)

FIRST_PAUSE: Final = 1.0
JITTER: Final = 0.1
FAULT_PAUSE_CAP: Final = 60.0
REPOSITORY_GRACE_PERIOD: Final = 15.0
REGION_GRACE_PERIOD: Final = 60.0
ACCESS_GRACE_PERIOD: Final = 60.0
BUILT_GRACE_PERIOD: Final = 60.0
GRACE_PAUSE: Final = 5.0
FIRST_ASK: Final = (120.0, 255.0)
NEXT_ASK: Final = (150.0, 210.0)
"""Drawn from these, so that 500 waits that began together ask fewer than four times a second."""
LAST_ASK: Final = 10.0
"""So long before the limit nobody asks any more whether the stack still waits: the last check must not come late."""
FRESH: Final = 210.0
"""Skip the question before a continuation if one ran within this many seconds (or a quarter of the invocation)."""
_LONGEST_PAUSE: Final = 15.0
GRACE_PERIODS: Final[dict[Streak | None, tuple[Cause, float]]] = {
    Streak.NO_REGION: (Cause.REFUSED, REGION_GRACE_PERIOD),
    Streak.NO_REPOSITORY: (Cause.NO_REPOSITORY, REPOSITORY_GRACE_PERIOD),
    Streak.ACCESS_DENIED: (Cause.ACCESS_DENIED, ACCESS_GRACE_PERIOD),
    Streak.BUILT: (Cause.BUILT_WITHOUT, BUILT_GRACE_PERIOD),
    Streak.BUILD_HIDDEN: (Cause.BUILD_HIDDEN, ACCESS_GRACE_PERIOD),
}


def begin_or_go_on(
    received: object, *, start: float, max_wait: float, service_timeout: float, now: float, timeout: int, random: Random
) -> tuple[Bounds, Progress, Memory]:
    """Returns the progress of a stack's wait: its beginning, or as the previous invocation left it.

    `received`: the state that a continuation carries, None at the beginning. `start` is used there alone. `timeout`:
    the function's. `random` spreads the questions of waits that began together.

    Raises:
        InvalidRequest: somebody else wrote the state, or the wait takes too many invocations.
    """
    if received is None:
        bounds, memory = bounds_for_stack(start, max_wait, service_timeout), Memory()
        progress = Progress(due=now, ask_due=first_ask(now, random))
    else:
        state = read_state(received, now)
        bounds, memory = bounds_for_stack(state.start, max_wait, service_timeout), Memory(state.known, state.own)
        # The first limit stays, whatever a newer version of this code would make of the same event.
        bounds = replace(bounds, limit=min(state.limit, bounds.expires))
        progress = replace(state.progress, due=min(state.progress.due, bounds.limit))
    # Asked each time, because the function's timeout may be changed while a wait is under way.
    needed = progress.hops + invocations_needed(bounds.limit - now, timeout)
    if needed > MAX_INVOCATIONS:
        seconds = bounds.limit - bounds.start
        raise InvalidRequest([fault_too_long(seconds, needed, timeout, timeout_needed(seconds))])
    return bounds, progress, memory


def judge(
    backoff: Backoff, bounds: Bounds, progress: Progress, found: Found, *, began: float, ended: float, random: Random
) -> Ready | GivenUp | Progress:
    """Returns what a check that ran from `began` to `ended` means: a result, or the progress to go on with.

    "Found" wins over "time is up": an image found at the limit, or after it, is found.
    """
    checks = progress.checks + 1
    finding = decisive(found)
    if isinstance(finding, Image):
        return Ready(images_of(found), checks, progress.unanswered)
    if isinstance(finding, Refused | NotDeployable):
        cause = Cause.REFUSED if isinstance(finding, Refused) else Cause.NOT_DEPLOYABLE
        return GivenUp(cause, found, checks, progress.unanswered)
    time_is_up = began >= bounds.limit

    if isinstance(finding, Unavailable):
        unanswered = progress.unanswered + 1
        missing = lacks_image(found) or progress.image_missing
        if time_is_up:
            return GivenUp(Cause.TIME_UP, found, checks, unanswered, missing)
        # A fault says nothing about the repository, so it neither breaks nor makes a streak.
        present = max(progress.fault_pause or progress.pause, _first_pause(backoff))
        fault_pause = max(present, min(2 * present, FAULT_PAUSE_CAP))
        due = ended + fault_pause * (1.0 - 0.5 * random.random())
        due = min(due, bounds.limit)
        return replace(
            progress, checks=checks, unanswered=unanswered, fault_pause=fault_pause, image_missing=missing, due=due
        )

    missing = lacks_image(found)
    if isinstance(found, Awaited) and isinstance(found.build, Broken):
        return GivenUp(Cause.BUILD_BROKEN, found, checks, progress.unanswered, missing)
    streak = _streak_of(backoff, found)
    since = progress.streak_since if streak is not None and streak is progress.streak else began
    cause, grace = GRACE_PERIODS.get(streak, (Cause.TIME_UP, math.inf))
    grace_ends = since + grace
    if time_is_up or began >= grace_ends:
        return GivenUp(cause, found, checks, progress.unanswered, missing)
    pause = min(max(progress.pause * backoff.rate, _first_pause(backoff)), backoff.delay)
    rest = pause if backoff.rate == 1.0 else pause * (1.0 - JITTER * random.random())
    if partly_unanswered(found):
        rest = max(rest, min(2 * pause, FAULT_PAUSE_CAP) * (1.0 - 0.5 * random.random()))
    if grace < math.inf:
        rest = min(rest, GRACE_PAUSE)
    due = min(ended + rest, bounds.limit, grace_ends)
    unheard = isinstance(found, Awaited) and isinstance(found.build, BuildUnavailable)
    if unheard and progress.streak in (Streak.BUILT, Streak.BUILD_HIDDEN):
        # As with ECR, that says nothing about the build.
        streak, since = progress.streak, progress.streak_since
    return replace(
        progress,
        checks=checks,
        pause=pause,
        fault_pause=0.0,
        streak=streak,
        streak_since=since,
        image_missing=missing,
        due=due,
    )


def _first_pause(backoff: Backoff) -> float:
    return backoff.delay if backoff.rate == 1.0 else min(FIRST_PAUSE, backoff.delay)


def _streak_of(backoff: Backoff, found: Found) -> Streak | None:
    if isinstance(found, Awaited) and isinstance(found.build, Built | BuildHidden):
        return Streak.BUILT if isinstance(found.build, Built) else Streak.BUILD_HIDDEN
    match decisive(found):
        case NoRegion():
            return Streak.NO_REGION
        case NoRepository() if not backoff.wait_for_repository:
            return Streak.NO_REPOSITORY
        case AccessDenied():
            return Streak.ACCESS_DENIED
        case NotPullable():
            return Streak.ARCHIVED
        case _:
            return None


def hand_over_at(bounds: Bounds, checks_end: float, window: float) -> float:
    """Returns when an invocation that cannot see the wait's end hands over.

    That is at the end of its checks, or a little before it where the limit lies just behind: the next invocation must
    be up by then, because the check at the limit may start no more than a second late. `window`: how long this
    invocation may check.
    """
    return min(checks_end, bounds.limit - min(5.0, window / 4))


def first_ask(wait_began: float, random: Random) -> float:
    """Returns when to ask for the first time in a wait."""
    return wait_began + random.uniform(*FIRST_ASK)


def next_ask(stack: StackFinding, now: float, random: Random) -> float:
    """Returns when to ask again: never, where asking is not allowed."""
    if isinstance(stack, StackHidden) and stack.denied:
        return NEVER
    return now + random.uniform(*NEXT_ASK)


def pause_before_asking_again(attempt: int, random: Random) -> float:
    """Returns how long to pause after so many questions without an answer: 1, 2, 4 ... 15 s, less up to a half."""
    return min(2.0 ** (attempt - 1), _LONGEST_PAUSE) * (1.0 - 0.5 * random.random())


class Step(Enum):
    """The next step of a wait, unless it sleeps."""

    ASK = auto()
    CHECK = auto()
    HAND_OVER = auto()


@dataclass(frozen=True, slots=True)
class Sleep:
    """The wait has nothing to do until that moment."""

    until: float


def next_step(bounds: Bounds, progress: Progress, now: float, *, checks_end: float, window: float) -> Step | Sleep:
    """Returns what a wait that has not expired does now. `window`: how long this invocation may check."""
    leaves_at = checks_end if bounds.limit <= checks_end else hand_over_at(bounds, checks_end, window)
    hands_over = now >= leaves_at and (progress.due > now or bounds.limit > leaves_at)
    must_ask = progress.ask_due <= now
    if hands_over and progress.ask_due < NEVER:
        must_ask = must_ask or now - progress.asked >= min(FRESH, window / 4)
    if must_ask and now <= bounds.limit - LAST_ASK:
        return Step.ASK
    if hands_over:
        return Step.HAND_OVER
    if progress.due <= now:
        return Step.CHECK
    next_question = progress.ask_due if progress.ask_due > now else NEVER
    return Sleep(min(progress.due, next_question, max(leaves_at, now)))


def wait(
    backoff: Backoff,
    bounds: Bounds,
    progress: Progress,
    memory: Memory,
    *,
    checks_end: float,
    check: Callable[[Memory, bool], CheckResult],
    log_check: Callable[[Progress | Ready | GivenUp, CheckResult], None],
    ask: Callable[[], StackFinding] | None,
    clock: Clock,
    random: Random,
) -> Ready | GivenUp | Abandoned | PartDone:
    """Checks and pauses until the image is there, the wait fails, or this invocation's part is done.

    `check` makes one check; its second argument says whether to ask for archived images too, for one more call.
    `log_check` logs each result. `ask` asks CloudFormation about the stack; it is None if no stack waits, and
    `progress.ask_due` is `NEVER` then, so that no step asks. `random` spreads the checks of waits that began together.

    Returns:
        The result, or `PartDone` with what a continuation carries.
    """
    window = checks_end - clock.now()
    while True:
        now = clock.now()
        if now >= bounds.expires:
            return GivenUp(Cause.TOO_LATE, None, progress.checks, progress.unanswered)
        step = next_step(bounds, progress, now, checks_end=checks_end, window=window)
        if isinstance(step, Sleep):
            clock.sleep(step.until - now)
            continue
        if step is Step.ASK and ask:
            stack = ask()
            if not still_waits(stack, bounds.start):
                return Abandoned(progress, stack)
            progress = replace(progress, asked=now, ask_due=next_ask(stack, clock.now(), random))
            continue
        if step is Step.HAND_OVER:
            return PartDone(progress, memory)
        include_archived = progress.checks == 0 or progress.streak is Streak.ARCHIVED or now >= bounds.limit
        result = check(memory, include_archived)
        memory = result.memory
        judged = judge(backoff, bounds, progress, result.found, began=now, ended=clock.now(), random=random)
        log_check(judged, result)
        if not isinstance(judged, Progress):
            return judged
        progress = judged
