"""When to look, when to stop looking, when to hand over: every decision of a wait, and no I/O.

All times are seconds since 1970 UTC, all durations seconds. The clock and the random source come in from outside.
The rules are those of the contract's sections 3 and 4, told to users in docs/EcrImageWaiter.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from .builds import Broken, BuildHidden, BuildUnavailable, Built
from .deadline import Bounds, Clock
from .model import (
    AccessDenied,
    Awaited,
    Found,
    Image,
    Looked,
    Never,
    NoRegion,
    NoRepository,
    NotPullable,
    Refused,
    Unavailable,
    decisive,
    images_of,
    lacks_image,
    partly_unanswered,
)

FIRST_PAUSE: Final = 1.0
JITTER: Final = 0.1
FAULT_PAUSE_CAP: Final = 60.0
REPOSITORY_GRACE: Final = 15.0
REGION_GRACE: Final = 60.0
ACCESS_GRACE: Final = 60.0
BUILT_GRACE: Final = 60.0
GRACE_PAUSE: Final = 5.0
LAST_ASK: Final = 10.0
"""So long before the limit nobody asks any more whether the stack still waits: the last check must not come late."""
FRESH: Final = 210.0
"""A hand-over does without asking where the last answer is younger than this, and than a quarter of the slice."""
NEVER: Final = 1e11
"""Seconds since 1970: after every wait. Not infinity, which JSON does not have."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a template wants to wait."""

    delay: float
    backoff_rate: float
    wait_for_repository: bool


class Run(StrEnum):
    """What a run of equal findings is made of, where its length matters."""

    NO_REGION = "no-region"
    NO_REPOSITORY = "no-repository"
    ACCESS_DENIED = "access-denied"
    ARCHIVED = "archived"
    BUILT = "built"
    BUILD_HIDDEN = "build-hidden"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a wait stands between two checks. All of it survives a hand-over.

    `due`: when the next check is. `pause`: the latest pause of the backoff. `fault_pause`: the latest pause while
    ECR does not answer, 0 when it does. `run` and `run_since`: the unbroken run of findings under way. `faults`: how
    many checks ECR did not answer. `image_missing`: the last one that it did found a repository without the image.
    `asked` and `ask_due`: when it was last asked whether anybody still waits (0: not yet), and when it is next.
    `lost_replies`: how many hand-overs of this wait may have gone through twice.
    """

    due: float
    checks: int = 0
    hops: int = 0
    pause: float = 0.0
    fault_pause: float = 0.0
    run: Run | None = None
    run_since: float = 0.0
    faults: int = 0
    image_missing: bool = False
    lost_replies: int = 0
    asked: float = 0.0
    ask_due: float = NEVER


@dataclass(frozen=True, slots=True)
class Ready:
    """The image is there, or all of several are. `faults` is `Progress`'s."""

    found: Looked
    checks: int
    faults: int = 0


class Cause(StrEnum):
    """Why a wait ended without the image."""

    TIME_UP = "time-up"
    NO_REPOSITORY = "no-repository"
    ACCESS_DENIED = "access-denied"
    REFUSED = "refused"
    NEVER = "never"
    BUILD_BROKEN = "build-broken"
    BUILT_WITHOUT = "built-without"
    BUILD_HIDDEN = "build-hidden"
    TOO_LATE = "too-late"


GRACES: Final[dict[Run | None, tuple[Cause, float]]] = {
    Run.NO_REGION: (Cause.REFUSED, REGION_GRACE),
    Run.NO_REPOSITORY: (Cause.NO_REPOSITORY, REPOSITORY_GRACE),
    Run.ACCESS_DENIED: (Cause.ACCESS_DENIED, ACCESS_GRACE),
    Run.BUILT: (Cause.BUILT_WITHOUT, BUILT_GRACE),
    Run.BUILD_HIDDEN: (Cause.BUILD_HIDDEN, ACCESS_GRACE),
}


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The image did not come, or cannot. `finding` is the last one, None where no check was left to make.

    `faults` and `image_missing` are `Progress`'s.
    """

    cause: Cause
    finding: Found | None
    checks: int
    faults: int = 0
    image_missing: bool = False


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nobody waits for the answer any more."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class SliceUsedUp:
    """This invocation's time is used up and the wait goes on in another one."""

    progress: Progress


def judge(
    rhythm: Rhythm, bounds: Bounds, progress: Progress, found: Found, *, began: float, ended: float, random: Random
) -> Ready | GivenUp | Progress:
    """Return what a check that ran from `began` to `ended` means: an outcome, or the progress to go on with.

    "Found" wins over "time is up": an image found at the limit, or after it, is found.
    """
    checks = progress.checks + 1
    finding = decisive(found)
    if isinstance(finding, Image):
        return Ready(images_of(found), checks, progress.faults)
    if isinstance(finding, Refused | Never):
        cause = Cause.REFUSED if isinstance(finding, Refused) else Cause.NEVER
        return GivenUp(cause, found, checks, progress.faults)
    time_is_up = began >= bounds.limit

    if isinstance(finding, Unavailable):
        faults = progress.faults + 1
        missing = lacks_image(found) or progress.image_missing
        if time_is_up:
            return GivenUp(Cause.TIME_UP, found, checks, faults, missing)
        # A fault says nothing about the repository, so it neither breaks nor makes a run.
        present = max(progress.fault_pause or progress.pause, _first_pause(rhythm))
        fault_pause = max(present, min(2 * present, FAULT_PAUSE_CAP))
        due = ended + fault_pause * (1.0 - 0.5 * random.random())
        due = min(due, bounds.limit)
        return replace(progress, checks=checks, faults=faults, fault_pause=fault_pause, image_missing=missing, due=due)

    missing = lacks_image(found)
    if isinstance(found, Awaited) and isinstance(found.build, Broken):
        return GivenUp(Cause.BUILD_BROKEN, found, checks, progress.faults, missing)
    run = _run_of(rhythm, found)
    since = progress.run_since if run is not None and run is progress.run else began
    cause, grace = GRACES.get(run, (Cause.TIME_UP, math.inf))
    grace_ends = since + grace
    if time_is_up or began >= grace_ends:
        return GivenUp(cause, found, checks, progress.faults, missing)
    pause = min(max(progress.pause * rhythm.backoff_rate, _first_pause(rhythm)), rhythm.delay)
    rest = pause if rhythm.backoff_rate == 1.0 else pause * (1.0 - JITTER * random.random())
    if partly_unanswered(found):
        rest = max(rest, min(2 * pause, FAULT_PAUSE_CAP) * (1.0 - 0.5 * random.random()))
    if grace < math.inf:
        rest = min(rest, GRACE_PAUSE)
    due = min(ended + rest, bounds.limit, grace_ends)
    unheard = isinstance(found, Awaited) and isinstance(found.build, BuildUnavailable)
    if unheard and progress.run in (Run.BUILT, Run.BUILD_HIDDEN):
        # As with ECR, that says nothing about the build.
        run, since = progress.run, progress.run_since
    return replace(
        progress,
        checks=checks,
        pause=pause,
        fault_pause=0.0,
        run=run,
        run_since=since,
        image_missing=missing,
        due=due,
    )


def _first_pause(rhythm: Rhythm) -> float:
    return rhythm.delay if rhythm.backoff_rate == 1.0 else min(FIRST_PAUSE, rhythm.delay)


def _run_of(rhythm: Rhythm, found: Found) -> Run | None:
    if isinstance(found, Awaited) and isinstance(found.build, Built | BuildHidden):
        return Run.BUILT if isinstance(found.build, Built) else Run.BUILD_HIDDEN
    match decisive(found):
        case NoRegion():
            return Run.NO_REGION
        case NoRepository() if not rhythm.wait_for_repository:
            return Run.NO_REPOSITORY
        case AccessDenied():
            return Run.ACCESS_DENIED
        case NotPullable():
            return Run.ARCHIVED
        case _:
            return None


def hand_over_at(bounds: Bounds, slice_end: float, slice_length: float) -> float:
    """Return when a slice that cannot see the wait's end hands over.

    That is at its end, or a little before it where the limit lies just behind: the next invocation must be up
    by then, because the check at the limit may start no more than a second late.
    """
    return min(slice_end, bounds.limit - min(5.0, slice_length / 4))


def wait(
    rhythm: Rhythm,
    bounds: Bounds,
    progress: Progress,
    *,
    slice_end: float,
    look: Callable[[bool], Found],
    checked: Callable[[Progress | Ready | GivenUp, Found], None],
    ask: Callable[[], float | None],
    clock: Clock,
    random: Random,
) -> Ready | GivenUp | Abandoned | SliceUsedUp:
    """Check and pause until the image is there, there is no hope or time left, or the slice is used up.

    Args:
        rhythm: how the template wants to wait.
        bounds: the wait's start, limit and end.
        progress: where the wait stands.
        slice_end: when this invocation must hand over or answer.
        look: makes one check. Its argument says whether to ask for archived images too, which costs one more call.
        checked: told what came of each check, for the log.
        ask: asks whether anybody still waits. Returns when to ask again, None if nobody does.
        clock: the time.
        random: spreads the checks of waits that began together.

    Returns:
        The outcome, or `SliceUsedUp` with the progress to hand over.
    """
    slice_length = slice_end - clock.now()
    fresh = min(FRESH, slice_length / 4)
    while True:
        now = clock.now()
        if now >= bounds.expires:
            return GivenUp(Cause.TOO_LATE, None, progress.checks, progress.faults)
        leave_at = slice_end if bounds.limit <= slice_end else hand_over_at(bounds, slice_end, slice_length)
        hands_over = now >= leave_at and (progress.due > now or bounds.limit > leave_at)
        asks = progress.ask_due <= now or (hands_over and progress.ask_due < NEVER and now - progress.asked >= fresh)
        if asks and now <= bounds.limit - LAST_ASK:
            again = ask()
            if again is None:
                return Abandoned(progress)
            progress = replace(progress, asked=now, ask_due=again)
            continue
        if hands_over:
            return SliceUsedUp(progress)
        if progress.due > now:
            asking = progress.ask_due if progress.ask_due > now else NEVER
            clock.sleep(min(progress.due, asking, max(leave_at, now)) - now)
            continue
        found = look(progress.checks == 0 or progress.run is Run.ARCHIVED or now >= bounds.limit)
        judged = judge(rhythm, bounds, progress, found, began=now, ended=clock.now(), random=random)
        checked(judged, found)
        if not isinstance(judged, Progress):
            return judged
        progress = judged
