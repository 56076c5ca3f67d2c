"""docs/performance.md from what was measured: each goal beside its figure, and tables."""

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Final

import botocore

from sandbox.cloud import function_python_version

from .latency import OURS, Samples, ratios
from .processes import Shot, Twenty
from .share import share_of
from .waits import GIGABYTES, Cost, Crowd, Detection, Storm

_HAND: Final = "hand-written"
_POLLING: Final = "crhelper"
# List prices of us-east-1, arm64: Lambda's page, tier 1; CloudWatch's for what is written into a log.
_PER_GIGABYTE_SECOND: Final = 0.0000133334
_PER_INVOCATION: Final = 0.20 / 1e6
_PER_LOG_BYTE: Final = 0.50 / 1e9
_TEXT: Final = (Path(__file__).parent / "report.md").read_text(encoding="utf-8")


@dataclass
class Results:
    """All that a run measured. `shares`: by MB, the share of a core that a process got; none without control groups."""

    runs: int
    quick: bool
    shares: dict[int, float] = field(default_factory=dict)
    samples: dict[str, Samples] = field(default_factory=dict)
    detections: list[Detection] = field(default_factory=list)
    checks: int = 0
    shots: dict[str, Shot] = field(default_factory=dict)
    costs: dict[int, Cost] = field(default_factory=dict)
    storm_pushed: float = 0.0
    storms: dict[str, Storm] = field(default_factory=dict)
    crowds: dict[str, Crowd] = field(default_factory=dict)
    twenties: dict[str, Twenty] = field(default_factory=dict)
    seconds: float = 0.0


_MET: Final = {True: "yes", False: "**no**"}
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
        shares=_shares(results),
        boto=botocore.__version__,
        pushed=f"{results.storm_pushed:.0f}",
        goals=_table("goal | figure | met", [f"{goal} | {figure} | {_MET[met]}" for goal, figure, met in found]),
        latency=_latency(results),
        ratios=_ratios(results),
        cheapest=_cheapest(results),
        detection=_table(
            "wait | RetryDelaySeconds | mean | worst | mean / pause | worst / pause | checks",
            [
                f"{each.wait / 60:g} min | {each.delay} s | {each.mean:.1f} s | {each.worst:.1f} s | "
                f"{each.mean_of_pause:.2f} | {each.worst_of_pause:.2f} | {each.checks:.0f}"
                for each in results.detections
            ],
        ),
        shots=_table(
            "contestant | mean | worst | checks",
            [
                f"{name} | {shot.mean:.1f} s | {shot.worst:.1f} s | {shot.checks:.1f}"
                for name, shot in results.shots.items()
            ],
        ),
        costs=_table(
            "wait | contestant | GB-seconds | invocations | ECR calls | $ for 1,000 waits",
            [_cost(minutes, name, cost) for minutes, name, cost in _costs(results)],
        ),
        storms=_table(
            "contestant | succeeded | late on average | at worst",
            [
                f"{name} | {storm.succeeded} of {storm.waits} | {storm.mean:.0f} s | {storm.worst:.0f} s"
                for name, storm in results.storms.items()
            ],
        ),
        crowds=_table(
            "contestant | allowed | answered | last after the push | a perfect scheduler's | mean | peak | throttled",
            [
                f"{name} | {each.allowance:g} | {each.answered} of {each.waits} | {each.last:.0f} s | "
                f"{each.perfect:.0f} s | {each.mean:.1f} | {each.peak} | {each.throttled}"
                for name, each in results.crowds.items()
            ],
        ),
        twenties=_table(
            "in | last answer after the last push | ECR calls | checks each | invocations | GB-seconds",
            [
                f"{name} | {each.late:.1f} s | {each.ecr_calls} | {each.checks} | {each.invocations} | "
                f"{each.billed * GIGABYTES:.2f}"
                for name, each in results.twenties.items()
            ],
        ),
    )
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "performance.md").write_text(text, encoding="utf-8")
    return [f"{goal}: {figure}" for goal, figure, met in found if not met]


def goals(results: Results) -> list[Goal]:
    """Hold the figures against the goals."""
    ours, hand = results.samples[OURS], results.samples[_HAND]
    cold, *held = (median(ratios(ours, hand, name)) for name in ("cold", *_of(128, results)))
    warm, delete = (
        1000 * median(mine - theirs for mine, theirs in zip(ours.seen[name], hand.seen[name], strict=True))
        for name in ("warm", "delete warm")
    )
    by_default = [each for each in results.detections if each.delay == 30]
    worst, part = max(each.worst_of_pause for each in by_default), mean(each.mean_of_pause for each in by_default)
    storms = [storm for name, storm in results.storms.items() if name.startswith(OURS)]
    crowd = next(iter(results.crowds.values()))
    one = results.twenties["one resource"]
    answered = " and ".join(f"{storm.succeeded} of {storm.waits}" for storm in storms)
    peak, size = max(ours.seen["peak"]) / 1e6, ours.artifact_bytes / 1e6
    return [
        (f"Cold, image there: at most 1.25 times the {_HAND} handler", f"{cold:.2f}", cold <= 1.25),
        *(("the same at 128 MB's share of a core", f"{each:.2f}", each <= 1.25) for each in held),
        (
            "Warm: within 5 ms of one DescribeImages and one PUT, the minimum by hand",
            f"{warm:+.1f} ms",
            warm <= 5,
        ),
        ("Delete, warm: within 5 ms of one PUT", f"{delete:+.1f} ms", delete <= 5),
        ("Peak memory at most 80 MB", f"{peak:.0f} MB, image there", peak <= 80),
        ("Detection by default: never later than the pause in force", f"at most {worst:.2f} of it", worst <= 1),
        ("and on average no more than half of it", f"{part:.2f} of it", part <= 0.5),
        ("Checks in a wait of 30 minutes: at most 75", f"{results.checks}", results.checks <= 75),
        (
            "Storm, 60 % throttled: all waits succeed",
            f"{answered} (simulated, real)",
            all(storm.succeeded == storm.waits for storm in storms),
        ),
        ("Crowd of 500 at 20 calls a second: all get a response", f"{crowd.answered}", crowd.answered == crowd.waits),
        (
            "the last within two pauses (60 s) of a perfect scheduler's",
            f"{crowd.last - crowd.perfect:+.0f} s",
            crowd.last <= crowd.perfect + 60,
        ),
        (
            "calls under the allowance after five minutes",
            f"{crowd.mean:.1f} a second",
            crowd.mean < crowd.allowance,
        ),
        ("peak second at most three times the mean", f"{crowd.peak / crowd.mean:.1f}", crowd.peak <= 3 * crowd.mean),
        (
            "Twenty images in one repository: one call a check",
            f"{one.ecr_calls} calls in {one.checks} checks: the last check is described once, for one response",
            one.ecr_calls <= one.checks + 1,
        ),
        ("Artifact at most 22 MB zipped, boto3 packaged", f"{size:.1f} MB", size <= 22),
    ]


def _quantities(results: Results) -> list[tuple[str, str, float, str]]:
    """Return what was measured of a contestant: its name in the report and in the samples, a factor, and the unit."""
    return [
        ("image there, cold", "cold", 1.0, "s"),
        ("of it INIT", "init", 1.0, "s"),
        ("of it the first handler", "handler", 1.0, "s"),
        *((f"cold at {memory} MB's share", f"cold {memory}", 1.0, "s") for memory in results.shares),
        ("image there, warm", "warm", 1000.0, "ms"),
        ("Delete, cold", "delete cold", 1.0, "s"),
        ("Delete, warm", "delete warm", 1000.0, "ms"),
        ("peak memory", "peak", 1e-6, "MB"),
    ]


def _latency(results: Results) -> str:
    rows = []
    for title, name, factor, unit in _quantities(results):
        told = (_spread([value * factor for value in each.seen[name]], unit) for each in results.samples.values())
        rows.append(" | ".join([title, *told]))
    sizes = (f"{each.artifact_bytes / 1e6:.2f} MB" for each in results.samples.values())
    return _table(" | ".join(["measured", *results.samples]), [*rows, " | ".join(["artifact, zipped", *sizes])])


def _ratios(results: Results) -> str:
    ours, hand = results.samples[OURS], results.samples[_HAND]
    measured = _quantities(results)
    return _table("measured | ratio", [f"{each} | {_spread(ratios(ours, hand, name))}" for each, name, *_ in measured])


def _cheapest(results: Results) -> str:
    billed = {memory: median(results.samples[OURS].seen[f"billed {memory}"]) for memory in results.shares}
    dollars = {memory: seconds * memory / 1024 * _PER_GIGABYTE_SECOND for memory, seconds in billed.items()}
    prices = (f"{memory} MB ${1e6 * (each + _PER_INVOCATION):.2f}" for memory, each in dollars.items())
    told = ", ".join(prices) or "left out, as above"
    return f"A million deployments whose image is there, each in a new environment with INIT billed, cost: {told}."


def _costs(results: Results) -> Iterator[tuple[int, str, Cost | None]]:
    """Return what a wait of so many minutes takes of each contestant; None where it cannot or was not measured."""
    init = {name: median(each.seen["init"]) for name, each in results.samples.items()}
    polling = results.samples[_POLLING].seen
    for minutes, cost in results.costs.items():
        seconds, polls = 60.0 * minutes, -(-minutes // 2)
        billed = cost.gigabyte_seconds + cost.invocations * init[OURS] * GIGABYTES
        yield minutes, OURS, replace(cost, gigabyte_seconds=billed)
        slept = Cost((seconds + 5 + init[_HAND]) * GIGABYTES, 1, round(seconds / 10) + 1)
        yield minutes, _HAND, slept if seconds <= 880 else None
        if _of(128, results):
            busy = median(polling["billed 128"]) + polls * median(polling["billed again 128"])
            yield minutes, _POLLING, Cost(busy * GIGABYTES, 1 + polls, polls)


def _cost(minutes: int, name: str, cost: Cost | None) -> str:
    if cost is None:
        return f"{minutes} min | {name} | cannot: an invocation ends after 15 minutes | | |"
    lambdas = cost.gigabyte_seconds * _PER_GIGABYTE_SECOND + cost.invocations * _PER_INVOCATION
    dollars = 1000 * (lambdas + cost.log_bytes * _PER_LOG_BYTE)
    return (
        f"{minutes} min | {name} | {cost.gigabyte_seconds:.1f} | {cost.invocations} | {cost.ecr_calls} | {dollars:.2f}"
    )


def _of(memory: int, results: Results) -> list[str]:
    """Return the name of what was measured at a memory's share of a core, nothing where it was not."""
    return [f"cold {memory}"] if memory in results.shares else []


def _shares(results: Results) -> str:
    if not results.shares:
        return "No control group can be made here: figures at a share of a core, as Lambda gives it, are left out."
    held = "; ".join(
        f"{memory} MB: {got:.3f} (target {share_of(memory):.3f})" for memory, got in results.shares.items()
    )
    return f"A share of a core, after INIT, by a control group: {held}. Lambda's is memory / 1769 MB."


def _machine() -> str:
    cpu = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")) / 1e6
    return (
        f"{platform.machine()}, {cpu[0] if cpu else 'unknown'}, {len(cpu)} cores, {memory:.0f} GB, "
        f"Linux {platform.release()};\n  functions run on Python {function_python_version()}."
    )


def _table(head: str, rows: Iterable[str]) -> str:
    rule = " | ".join(["---"] * len(head.split("|")))
    return "\n".join(f"| {row} |" for row in (head, rule, *rows))


def _spread(values: Sequence[float], unit: str = "") -> str:
    told = [f"{value:.{max(0, 3 - len(str(int(value))))}f}" for value in (median(values), min(values), max(values))]
    return f"{told[0]} {unit} ({told[1]} to {told[2]})".replace("  ", " ")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
