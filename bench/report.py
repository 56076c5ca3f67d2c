"""docs/performance.md from what was measured: each goal beside its figure, and tables."""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Final

import botocore

from sandbox.cloud import function_python_version

from .latency import OURS, Samples
from .processes import Twenty
from .waits import GIGABYTES, Cost, Crowd, Detection, Storm

_HAND: Final = "hand-written"
# List prices of us-east-1, arm64: Lambda's page, tier 1; CloudWatch's for what is written into a log.
_PER_GIGABYTE_SECOND: Final = 0.0000133334
_PER_INVOCATION: Final = 0.20 / 1e6
_PER_LOG_BYTE: Final = 0.50 / 1e9
_TEXT: Final = (Path(__file__).parent / "report.md").read_text(encoding="utf-8")
_QUANTITIES: Final = (
    ("image there, cold", "cold", 1.0, "s"),
    ("of it INIT", "init", 1.0, "s"),
    ("image there, warm", "warm", 1000.0, "ms"),
    ("Delete, warm", "delete", 1000.0, "ms"),
    ("peak memory", "peak", 1e-6, "MB"),
)
"""What was measured of a contestant: its name in the report and in the samples, a factor, and the unit."""


@dataclass
class Results:
    """All that a run measured."""

    runs: int
    quick: bool
    storm_pushed: float
    detections: list[Detection]
    checks: int
    costs: dict[int, Cost]
    storms: dict[str, Storm]
    crowds: list[Crowd]
    samples: dict[str, Samples] = field(default_factory=dict)
    twenties: dict[str, Twenty] = field(default_factory=dict)
    seconds: float = 0.0


Goal = tuple[str, str, bool]
"""A goal, the figure beside it, and whether it is met."""


def write(results: Results, docs: Path) -> list[str]:
    """Write the report, and return the goals that were missed."""
    found = goals(results)
    text = _TEXT.format(
        command="make bench QUICK=1" if results.quick else "make bench",
        quick="**A quick run: few runs, and only part of the figures. `make bench` has all.**\n\n" * results.quick,
        minutes=f"{results.seconds / 60:.1f}",
        runs=results.runs,
        machine=_machine(),
        boto=botocore.__version__,
        pushed=f"{results.storm_pushed:.0f}",
        goals=_table("goal | figure | met", (f"{goal} | {figure} | {_met(met)}" for goal, figure, met in found)),
        latency=_latency(results),
        detection=_table(
            "wait | RetryDelaySeconds | mean | worst | mean / pause | worst / pause | checks",
            (
                f"{each.wait / 60:g} min | {each.delay} s | {each.mean:.1f} s | {each.worst:.1f} s | "
                f"{each.mean_of_pause:.2f} | {each.worst_of_pause:.2f} | {each.checks:.0f}"
                for each in results.detections
            ),
        ),
        costs=_table("wait | contestant | GB-seconds | invocations | ECR calls | $ for 1,000 waits", _costs(results)),
        storms=_table(
            "contestant | succeeded | late on average | at worst",
            (
                f"{name} | {storm.succeeded} of {storm.waits} | {storm.mean:.0f} s | {storm.worst:.0f} s"
                for name, storm in results.storms.items()
            ),
        ),
        crowds=_table(
            "waits | allowed | answered | last after the push | a perfect scheduler's | mean | peak | throttled",
            (
                f"{each.waits} | {each.allowance:g} | {each.answered} | {each.last:.0f} s | "
                f"{each.perfect:.0f} s | {each.mean:.1f} | {each.peak} | {each.throttled}"
                for each in results.crowds
            ),
        ),
        twenties=_table(
            "in | last answer after the last push | ECR calls | checks each | invocations | GB-seconds",
            (
                f"{name} | {each.late:.1f} s | {each.ecr_calls} | {each.checks} | {each.invocations} | "
                f"{each.billed * GIGABYTES:.2f}"
                for name, each in results.twenties.items()
            ),
        ),
    )
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "performance.md").write_text(text, encoding="utf-8")
    return [f"{goal}: {figure}" for goal, figure, met in found if not met]


def goals(results: Results) -> list[Goal]:
    """Hold the figures against the goals."""
    ours, hand = results.samples[OURS], results.samples[_HAND]
    cold = median(_ratios(results, "cold"))
    warm, delete = (
        1000 * median(mine - theirs for mine, theirs in zip(ours.seen[name], hand.seen[name], strict=True))
        for name in ("warm", "delete")
    )
    by_default = [each for each in results.detections if each.delay == 30]
    worst, part = max(each.worst_of_pause for each in by_default), mean(each.mean_of_pause for each in by_default)
    storms = [storm for name, storm in results.storms.items() if name.startswith(OURS)]
    steady = all(storm.succeeded == storm.waits for storm in storms)
    answered = " and ".join(f"{storm.succeeded} of {storm.waits}" for storm in storms)
    crowd, one = results.crowds[0], results.twenties["one resource"]
    late = crowd.last - crowd.perfect
    peak, size = max(ours.seen["peak"]) / 1e6, ours.artifact_bytes / 1e6
    return [
        (f"Cold, image there: at most 1.25 times the {_HAND} handler", f"{cold:.2f}", cold <= 1.25),
        ("Warm: within 5 ms of one DescribeImages and one PUT, the minimum by hand", f"{warm:+.1f} ms", warm <= 5),
        ("Delete, warm: within 5 ms of one PUT", f"{delete:+.1f} ms", delete <= 5),
        ("Peak memory at most 80 MB", f"{peak:.0f} MB, image there", peak <= 80),
        ("Detection by default: never later than the pause in force", f"at most {worst:.2f} of it", worst <= 1),
        ("and on average no more than half of it", f"{part:.2f} of it", part <= 0.5),
        ("Checks in a wait of 30 minutes: at most 75", f"{results.checks}", results.checks <= 75),
        ("Storm, 60 % throttled: all waits succeed", f"{answered} (simulated, real)", steady),
        ("Crowd of 500 at 20 calls a second: all get a response", f"{crowd.answered}", crowd.answered == crowd.waits),
        ("the last within two pauses (60 s) of a perfect scheduler's", f"{late:+.0f} s", late <= 60),
        ("calls under the allowance after five minutes", f"{crowd.mean:.1f} a second", crowd.mean < crowd.allowance),
        ("peak second at most three times the mean", f"{crowd.peak / crowd.mean:.1f}", crowd.peak <= 3 * crowd.mean),
        (
            "Twenty images in one repository: one call a check",
            f"{one.ecr_calls} calls in {one.checks} checks: the last check is described once, for one response",
            one.ecr_calls <= one.checks + 1,
        ),
        ("Artifact at most 22 MB zipped, boto3 packaged", f"{size:.1f} MB", size <= 22),
    ]


def _ratios(results: Results, quantity: str) -> list[float]:
    """Return how many times as long ours took as the hand-written handler, run by run."""
    pairs = zip(results.samples[OURS].seen[quantity], results.samples[_HAND].seen[quantity], strict=True)
    return [mine / theirs for mine, theirs in pairs]


def _latency(results: Results) -> str:
    rows = [
        [
            title,
            *(_spread([factor * value for value in each.seen[name]], unit) for each in results.samples.values()),
            _spread(_ratios(results, name)),
        ]
        for title, name, factor, unit in _QUANTITIES
    ]
    sizes = (f"{each.artifact_bytes / 1e6:.2f} MB" for each in results.samples.values())
    head = " | ".join(["measured", *results.samples, f"{OURS} / {_HAND}"])
    return _table(head, map(" | ".join, [*rows, ["artifact, zipped", *sizes, ""]]))


def _costs(results: Results) -> Iterator[str]:
    """Return the rows of what a wait of so many minutes takes of each contestant, as far as it was measured."""
    init = {name: median(each.seen["init"]) for name, each in results.samples.items()}
    for minutes, cost in results.costs.items():
        seconds = 60.0 * minutes
        billed = cost.gigabyte_seconds + cost.invocations * init[OURS] * GIGABYTES
        yield _cost(minutes, OURS, replace(cost, gigabyte_seconds=billed))
        if seconds <= 880:
            slept = (seconds + 5 + init[_HAND]) * GIGABYTES
            yield _cost(minutes, _HAND, Cost(slept, 1, round(seconds / 10) + 1))
        else:
            yield f"{minutes} min | {_HAND} | cannot: an invocation ends after 15 minutes | | |"


def _cost(minutes: int, name: str, cost: Cost) -> str:
    lambdas = cost.gigabyte_seconds * _PER_GIGABYTE_SECOND + cost.invocations * _PER_INVOCATION
    dollars = 1000 * (lambdas + cost.log_bytes * _PER_LOG_BYTE)
    return (
        f"{minutes} min | {name} | {cost.gigabyte_seconds:.1f} | {cost.invocations} | {cost.ecr_calls} | {dollars:.2f}"
    )


def _machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; functions run on "
        f"Python {function_python_version()}"
    )


def _met(met: object) -> str:
    return "yes" if met else "**no**"


def _table(head: str, rows: Iterable[str]) -> str:
    rule = " | ".join(["---"] * len(head.split("|")))
    return "\n".join(f"| {row} |" for row in (head, rule, *rows))


def _spread(values: Sequence[float], unit: str = "") -> str:
    told = [f"{value:.{max(0, 3 - len(str(int(value))))}f}" for value in (median(values), min(values), max(values))]
    return f"{told[0]} {unit} ({told[1]} to {told[2]})".replace("  ", " ")
