"""Which waits the crash suite makes, and what must have become of each. No I/O.

All moments are seconds since 1970 UTC, all durations seconds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from sandbox.player import Attempt, Operation, Outcome

PAUSE: Final = 2.0
"""The emulated Lambda's longer pause before it runs a failed event again; AWS takes two minutes."""
SOON: Final = 120.0
"""A cold start with a check and an answer takes less, on a busy machine too."""
ANEW: Final = 2.0
"""A wait that begins anew begins at least so much later: X-Amz-Date has whole seconds, and a death takes a while."""
HAND_OVER: Final = 8.0
"""When the first one is: the function's timeout of ten seconds less a fifth."""
HELD_ANSWER: Final = 0.3
"""How long an answer is held in which a process is to be killed."""
GRACE: Final = 600
"""What CloudFormation waits longer than the template's limit: time for three attempts that each run into a timeout."""


class Kind(StrEnum):
    """What is done to a wait."""

    ONCE = "SIGKILL once"
    OFTEN = "SIGKILL two to four times"
    EVERY = "SIGKILL in every attempt"
    NO_IMPORT = "cannot be imported"
    CHECK = "timeout in a check"
    HAND_OVER = "timeout in a hand-over"
    ANSWER = "timeout in an answer"


class Place(StrEnum):
    """Where the artifact runs: deployed in the sandbox, or under AWS's Runtime Interface Emulator."""

    DEPLOYED = "deployed"
    EMULATOR = "emulator"


SHARES: Final[dict[tuple[Kind, Place], int]] = {
    (Kind.ONCE, Place.DEPLOYED): 28,
    (Kind.OFTEN, Place.DEPLOYED): 18,
    (Kind.EVERY, Place.DEPLOYED): 8,
    (Kind.NO_IMPORT, Place.DEPLOYED): 3,
    (Kind.CHECK, Place.DEPLOYED): 5,
    (Kind.HAND_OVER, Place.DEPLOYED): 5,
    (Kind.ANSWER, Place.DEPLOYED): 5,
    (Kind.ONCE, Place.EMULATOR): 6,
    (Kind.OFTEN, Place.EMULATOR): 4,
    (Kind.EVERY, Place.EMULATOR): 2,
    (Kind.NO_IMPORT, Place.EMULATOR): 1,
    (Kind.CHECK, Place.EMULATOR): 2,
    (Kind.HAND_OVER, Place.EMULATOR): 2,
    (Kind.ANSWER, Place.EMULATOR): 1,
}
"""Of a hundred waits."""


class After(StrEnum):
    """What a moment is counted from."""

    START = "start"
    HAND_OVER = "hand-over"
    ANSWER = "answer"


@dataclass(frozen=True)
class Moment:
    """When a process is killed: so many seconds after something."""

    after: After
    seconds: float


@dataclass(frozen=True)
class Case:
    """One wait.

    `limit`: of the wait, from the template. `push_after`: when the image comes, None for never. `moments`: of the
    kills. `times`: how many attempts run into their timeout. `lost`: whether what is under way at a timeout or a kill
    does not arrive. `pauses`: before a process that was waited for is killed.
    """

    number: int
    kind: Kind
    place: Place
    limit: int
    push_after: float | None = None
    moments: tuple[Moment, ...] = ()
    times: int = 1
    lost: bool = False
    pauses: tuple[float, ...] = ()

    @property
    def service_timeout(self) -> int:
        return self.limit + GRACE


@dataclass(frozen=True)
class Blow:
    """One thing done to the processes of a wait. `noticed`: when Lambda has noticed by, if it hit any."""

    what: str
    at: float
    hit: bool
    noticed: float


@dataclass
class Run:
    """What became of a case.

    `deaths`: the invocations that Lambda says have failed. `pushed_at`: when the image came, 0 if it did not. `fault`:
    why the suite itself could not go through with it. `begun`: when the wait began, as each check of it has logged.
    """

    case: Case
    create: Operation | None = None
    blows: list[Blow] = field(default_factory=list)
    deaths: int = 0
    pushed_at: float = 0.0
    fault: str = ""
    begun: list[float] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome | None:
        return self.create.outcome if self.create else None

    @property
    def hits(self) -> int:
        return sum(blow.hit for blow in self.blows)

    @property
    def due(self) -> float:
        """When the wait is over if nothing keeps it."""
        if self.create is None:
            return 0.0
        if self.case.kind is Kind.NO_IMPORT:
            return self.create.sent
        if self.pushed_at:
            return self.pushed_at
        return math.floor(self.create.sent) + self.case.limit  # X-Amz-Date has whole seconds

    @property
    def latest(self) -> float:
        """When the answer must have come.

        A death that Lambda notices before the wait is due costs nothing. After a later one comes Lambda's pause, and
        then a cold start with the last check, or with the last resort's answer.
        """
        if self.case.kind is Kind.NO_IMPORT:
            return self.due + PAUSE / 2 + PAUSE + 4 * SOON  # three attempts and the last resort, each a cold start
        return max([self.due, *(blow.noticed + PAUSE for blow in self.blows)]) + SOON


def plan(runs: int, seed: int) -> list[Case]:
    """Return that many cases, of each kind and place its share."""
    random = Random(f"{seed}")  # noqa: S311  # reproducible on purpose
    exact = {key: runs * share / sum(SHARES.values()) for key, share in SHARES.items()}
    counts = {key: math.floor(number) for key, number in exact.items()}
    for key in sorted(exact, key=lambda key: counts[key] - exact[key])[: runs - sum(counts.values())]:
        counts[key] += 1
    wanted = [key for key, number in counts.items() for _ in range(number)]
    random.shuffle(wanted)
    return [case(number, seed, kind, place) for number, (kind, place) in enumerate(wanted)]


def case(number: int, seed: int, kind: Kind, place: Place) -> Case:
    """Return a case drawn from its number and the seed alone, so that one of them can be run again by itself."""
    random = Random(f"{seed}/{number}")  # noqa: S311  # as above
    limit = random.randint(12, 30)
    push_after = random.uniform(1, limit - 4) if random.random() < 0.5 else None
    kills = {Kind.ONCE: 1, Kind.OFTEN: random.randint(2, 4)}.get(kind, 0)
    # X-Amz-Date has whole seconds, so that the limit may come almost one earlier than this.
    ends = limit - 1 if push_after is None else push_after
    return Case(
        number=number,
        kind=kind,
        place=place,
        limit=limit,
        push_after=push_after,
        moments=tuple(sorted(_moments(random, kills, ends), key=_order)),
        times=random.choice((1, 1, 2, 3)),
        lost=random.random() < 0.5,
        pauses=tuple(random.uniform(0.0, 1.5) for _ in range(20)),
    )


def _moments(random: Random, kills: int, ends: float) -> Iterator[Moment]:
    # A hand-over and an answer are short: of kills spread over the whole wait, few would hit one.
    begun = random.choices((After.START, After.HAND_OVER, After.ANSWER), (6, 2, 2))[0]
    for number in range(kills):
        after = begun if number == 0 and (begun is not After.HAND_OVER or ends > HAND_OVER + 4) else After.START
        longest = {After.START: ends, After.HAND_OVER: 0.5, After.ANSWER: HELD_ANSWER}[after]
        yield Moment(after, random.uniform(0.0, longest))


def _order(moment: Moment) -> float:
    return {After.START: 0.0, After.HAND_OVER: HAND_OVER, After.ANSWER: math.inf}[moment.after] + moment.seconds


def by_last_resort(reason: str) -> bool:
    return reason.startswith("The waiter function died before it could answer")


NAMED: Final = (
    "Worker process died",  # MiniStack, of a process that was killed
    "Worker process exited immediately",  # the same in INIT
    "Broken pipe",  # the same in between
    "Runtime.ExitError",  # the Runtime Interface Emulator
    "Task timed out after",
    "Sandbox.Timedout",
    "nothing_that_is_there",
)
"""What the emulated Lambdas call the ways to die that are met here."""


def violations(run: Run) -> list[str]:
    """Return what is wrong with how a wait ended. Called when nothing of it runs any more."""
    create = run.create
    outcome = run.outcome
    if run.fault or create is None or outcome is None:
        return [run.fault or "the wait has no outcome"]
    after = outcome.at - create.sent
    wrong = {
        f"no answer within ServiceTimeout, but {outcome.by}: {outcome.reason}": outcome.by != "answer",
        f"the wait began anew: {[round(each - create.sent, 1) for each in run.begun]} s after its event": any(
            each > create.sent + ANEW for each in run.begun
        ),
        "more than one answer counted": sum(attempt.counted for attempt in create.attempts) > 1,
        f"answered {outcome.at - run.latest:.1f} s too late, {after:.1f} s after the start": outcome.at > run.latest,
        f"SUCCESS after {after:.1f} s, without an image": outcome.status == "SUCCESS" and not run.pushed_at,
    }
    if outcome.by == "answer" and outcome.status == "FAILED":
        wrong |= _wrong_with_failure(run, outcome)
    deleted = create.follow_up.outcome if create.follow_up else None
    if outcome.status == "FAILED":
        wrong["the Delete after it was not answered SUCCESS"] = deleted is None or deleted.status != "SUCCESS"
    return [text for text, found in (wrong | _wrong_with_duplicates(run, create)).items() if found]


def _wrong_with_failure(run: Run, outcome: Outcome) -> dict[str, bool]:
    reason = outcome.reason
    if by_last_resort(reason):
        return {
            f"the last resort answered after {run.deaths} deaths": run.deaths < 3,
            f"the last resort does not name Lambda's error: {reason}": not any(name in reason for name in NAMED),
        }
    early = run.create is not None and outcome.at < math.floor(run.create.sent) + run.case.limit
    return {
        f"FAILED although the image was there: {reason}": bool(run.pushed_at),
        f"given up before the limit: {reason}": early,
        f"another Reason than that the image did not come: {reason}": not reason.startswith("Gave up on "),
    }


def _wrong_with_duplicates(run: Run, create: Operation) -> dict[str, bool]:
    """CloudFormation does not look at a second answer; but if it did, it must not learn anything else from it."""

    def of(attempt: Attempt, key: str) -> str:
        return str(attempt.verdict.answer.get(key))

    own = [attempt for attempt in create.accepted if not by_last_resort(of(attempt, "Reason"))]
    images = {
        str(attempt.verdict.answer["Data"].get("ImageDigest")) for attempt in own if of(attempt, "Status") == "SUCCESS"
    }
    refused = {attempt.verdict.refusal for attempt in create.attempts} - {
        None,
        "scripted fault",
        "after ServiceTimeout",
    }
    return {
        f"answers were refused: {refused}": bool(refused),
        "answers with several physical ids": len({of(attempt, "PhysicalResourceId") for attempt in create.accepted})
        > 1,
        "answers with several images": len(images) > 1,
        "answers of the waiter that contradict each other": len({of(attempt, "Status") for attempt in own}) > 1,
    }


def violations_of_all(runs: Sequence[Run]) -> list[str]:
    """Return what is wrong with the suite itself: that it hit nothing, and so proved nothing."""
    blows = sum(len(run.blows) for run in runs)
    hits = sum(run.hits for run in runs)
    deaths = sum(run.deaths for run in runs)
    meant = [run for run in runs if run.case.kind is not Kind.NO_IMPORT]
    spared = sum(not run.hits for run in meant)
    killed = [run for run in runs if run.case.kind in (Kind.ONCE, Kind.OFTEN, Kind.EVERY)]
    wrong = {
        f"only {hits} of {blows} blows hit a process that was at work": hits < 0.8 * blows,
        f"Lambda noticed {deaths} deaths of {hits}": deaths < 0.8 * sum(run.hits for run in killed),
        f"{spared} of {len(meant)} waits came to no harm": spared > 0.1 * len(meant),
        "no kill hit anything": bool(killed) and not sum(run.hits for run in killed),
    }
    return [text for text, found in wrong.items() if found]


HEAD: Final = (
    "kind",
    "where",
    "waits",
    "SUCCESS",
    "FAILED",
    "by last resort",
    "again",
    "blows",
    "hit",
    "slowest",
    "past due",
)
"""FAILED is by the waiter itself; `again` are answers after the first; the last two are the longest, in seconds."""


def rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return the lines of the table, the last of them with the sums."""
    found = [
        _row(kind, place, [run for run in runs if (run.case.kind, run.case.place) == (kind, place)])
        for kind, place in SHARES
    ]
    return [row for row in found if row] + [_row("all", "", list(runs))]


def _row(kind: str, place: str, runs: Sequence[Run]) -> tuple[str, ...]:
    if not runs:
        return ()
    ended = [(run, run.outcome) for run in runs]
    failed = [outcome for _, outcome in ended if outcome and outcome.by == "answer" and outcome.status == "FAILED"]
    resorts = sum(by_last_resort(outcome.reason) for outcome in failed)
    slowest = max((outcome.at - run.create.sent for run, outcome in ended if outcome and run.create), default=math.nan)
    late = max((outcome.at - run.due for run, outcome in ended if outcome), default=math.nan)
    numbers = (
        len(runs),
        sum(outcome is not None and outcome.status == "SUCCESS" for _, outcome in ended),
        len(failed) - resorts,
        resorts,
        sum(max(len(run.create.accepted) - 1, 0) for run in runs if run.create),
        sum(len(run.blows) for run in runs),
        sum(run.hits for run in runs),
    )
    return (kind, place, *map(str, numbers), f"{slowest:.1f}", f"{late:+.1f}")
