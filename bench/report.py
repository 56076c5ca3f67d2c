"""docs/performance.md from what was measured: tables, plots, and each goal beside its figure."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Final

import botocore

from sandbox.cloud import function_python_version

from .latency import MEMORIES, OURS, Samples, ratios
from .plots import bars, lines
from .processes import Shot, Twenty
from .share import share_of
from .waits import GIGABYTES, Cost, Crowd, Detection, Storm

_HAND: Final = "hand-written"
_POLLING: Final = "crhelper"
# List prices of us-east-1, arm64: Lambda's page, tier 1; CloudWatch's for what is written into a log.
_PER_GIGABYTE_SECOND: Final = 0.0000133334
_PER_INVOCATION: Final = 0.20 / 1e6
_PER_LOG_BYTE: Final = 0.50 / 1e9
# Of CDK's provider framework, as seen on another machine before this benchmark was there, beside a hand-written
# handler's 0.24 s: cold start, warm, Delete, memory.
_CDK: Final = ("0.61 s", "0.029 s", "0.65 s", "4 x 60 MiB")
_CDK_RATIO: Final = 0.61 / 0.24


@dataclass
class Results:
    """All that a run measured."""

    runs: int
    quick: bool
    shares: dict[int, tuple[str, float]] = field(default_factory=dict)
    samples: dict[str, Samples] = field(default_factory=dict)
    detections: list[Detection] = field(default_factory=list)
    checks: int = 0
    shots: dict[str, Shot] = field(default_factory=dict)
    costs: dict[int, Cost] = field(default_factory=dict)
    storm: Storm | None = None
    storm_pushed: float = 0.0
    storms: dict[str, Storm] = field(default_factory=dict)
    crowds: list[Crowd] = field(default_factory=list)
    real_crowds: dict[str, Crowd] = field(default_factory=dict)
    twenties: dict[str, Twenty] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Goal:
    """A goal, the figure beside it, and whether it is met. `limit`: what limits it where it is not."""

    goal: str
    figure: str
    met: bool
    limit: str = ""


def write(results: Results, docs: Path) -> list[str]:
    """Write the report and its plots, and return the goals that were missed."""
    found = goals(results)
    parts = [_head(results), _goals(found), _latency(results), _detection(results), _cost(results)]
    parts += [_storm(results), _crowd(results), _twenty(results)]
    files = {
        "performance/cold.svg": _plot_of_cold_starts(results),
        "performance/crowd.svg": _plot_of_crowds(results),
        "performance.md": "\n".join(parts),
    }
    # All is there before anything is written: what fails leaves the last report whole.
    (docs / "performance").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (docs / name).write_text(content, encoding="utf-8")
    return [f"{each.goal}: {each.figure}" for each in found if not each.met]


def goals(results: Results) -> list[Goal]:
    """Hold the figures against the goals."""
    ours, hand = results.samples[OURS], results.samples[_HAND]
    cold, held = median(ratios(ours, hand, "cold")), median(ratios(ours, hand, "cold 128"))
    warm = median(mine - theirs for mine, theirs in zip(ours.seen["warm"], hand.seen["warm"], strict=True)) * 1000
    delete = median(
        mine - theirs for mine, theirs in zip(ours.seen["delete warm"], hand.seen["delete warm"], strict=True)
    )
    peak = max(ours.seen["peak"]) / 1e6
    default = [each for each in results.detections if each.delay == 30]
    late, part = max(each.worst_of_pause for each in default), mean(each.mean_of_pause for each in default)
    crowd = results.crowds[0]
    storms = [storm for storm in (results.storm, results.storms[OURS]) if storm]
    one = results.twenties["one resource"]
    interpreter = "importing botocore and pydantic, and reading the certificate authorities"
    return [
        Goal("Cold, image there: at most 1.5 times the hand-written handler", f"{cold:.2f}", cold <= 1.5, interpreter),
        Goal("the aim: 1.25 times", f"{cold:.2f}", cold <= 1.25, interpreter),
        Goal("the same at 1/14 of a core: 1.5 times", f"{held:.2f}", held <= 1.5, "what the handler does itself"),
        Goal("the aim: 1.25 times", f"{held:.2f}", held <= 1.25, "what the handler does itself"),
        Goal(
            "Cold: below two thirds of CDK's provider framework",
            f"{cold / _CDK_RATIO:.2f} of it, by each one's ratio to the hand-written handler",
            cold < _CDK_RATIO * 2 / 3,
            interpreter,
        ),
        Goal(
            "Warm: within 5 ms of one DescribeImages and one PUT, which is all that the hand-written handler does",
            f"{warm:+.1f} ms",
            warm <= 5,
            "validation, logs, and a thread for each call's deadline",
        ),
        Goal("Delete, warm: one PUT", f"{delete * 1000:+.1f} ms beside the hand-written PUT", delete <= 0.005, "logs"),
        Goal(
            "Peak memory at most 80 MB", f"{peak:.0f} MB, image there", peak <= 80, "botocore's and pydantic's modules"
        ),
        Goal(
            "Detection by default: never later than the pause in force",
            f"at most {late:.2f} of it",
            late <= 1,
            "the backoff",
        ),
        Goal(
            "and on average no more than half of it",
            f"{part:.2f} of it",
            part <= 0.5,
            "the backoff",
        ),
        Goal(
            "Checks in a wait of 30 minutes: at most 75", f"{results.checks}", results.checks <= 75, "RetryDelaySeconds"
        ),
        Goal(
            "Storm, 60 % throttled: all waits succeed",
            " and ".join(f"{storm.succeeded} of {storm.waits}" for storm in storms) + " (simulated, real)",
            all(storm.succeeded == storm.waits for storm in storms),
            "the limit of a wait",
        ),
        Goal(
            "Crowd of 500 at 20 calls a second: all answered",
            f"{crowd.answered}",
            crowd.answered == crowd.waits,
            "throttling",
        ),
        Goal(
            "the last within two pauses (60 s) of a perfect scheduler's",
            f"{crowd.last - crowd.perfect:+.0f} s",
            crowd.last <= crowd.perfect + 60,
            "pauses after throttled calls, up to 60 s",
        ),
        Goal(
            "calls under the allowance after five minutes",
            f"{crowd.mean:.1f} a second",
            crowd.mean < crowd.allowance,
            "throttled calls, and their retries",
        ),
        Goal(
            "peak second at most three times the mean",
            f"{crowd.peak / crowd.mean:.1f}",
            crowd.peak <= 3 * crowd.mean,
            "jitter",
        ),
        Goal(
            "Twenty images in one repository: one call a check",
            f"{one.ecr_calls} calls in {one.checks} checks: the last look is described once, for one answer",
            one.ecr_calls <= one.checks + 1,
            "rounds of one check",
        ),
        Goal(
            "Artifact at most 22 MB zipped, boto3 packaged",
            f"{ours.artifact_bytes / 1e6:.1f} MB",
            ours.artifact_bytes <= 22e6,
            "botocore",
        ),
    ]


def _head(results: Results) -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    memory = next((int(line.split()[1]) / 1e6 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    held = "; ".join(
        f"{memory_} MB by {how}: {got:.3f} where {share_of(memory_):.3f} is due"
        for memory_, (how, got) in results.shares.items()
    )
    command = "make bench QUICK=1" if results.quick else "make bench"
    quick = (
        "\n**A quick run: few runs, and only part of the figures. `make bench` has all.**\n" if results.quick else ""
    )
    return f"""# Performance

Written by `{command}` in {results.seconds / 60:.1f} minutes. Do not edit it.
{quick}
- Machine: {platform.machine()}, {cpu}, {cores} cores, {memory:.0f} GB, Linux {platform.release()};
  functions run on Python {function_python_version()}.
- Every function runs under AWS's Runtime Interface Emulator with its artifact and what Lambda's runtime carries (boto3
  among it), against the sandbox's ECR behind its proxy. ECR and CloudFormation speak https, with as many authorities
  to trust as AWS's own bundle has.
- Medians of {results.runs} runs, with the least and the most. The contestants take turns within each run, and ratios
  are taken within runs.
- A share of a core, after INIT: {held}. Lambda's is memory / 1769 MB.
- The figures compare; they do not predict Lambda, where the network takes its time.

| contestant | what it is |
| ---------- | ---------- |
| {OURS} | the artifact, as `sam build` makes it |
| {_HAND} | thirty lines: boto3, `sleep(10)`, urllib ([source](../bench/contestants/handwritten/handler.py)) |
| {_POLLING} | crhelper's polling ([source](../bench/contestants/polling/handler.py)), every two minutes |
| CDK's provider framework | not run: figures of another machine, given before this benchmark was there |

Of {_POLLING}'s polling, its calls of EventBridge are answered by the proxy, and the function is invoked again at once
with the event that it put there. The two minutes are added to what was measured instead of being waited, and so are
those that it sleeps before a Delete. EventBridge may be up to a minute later than that.
"""


def _goals(found: Sequence[Goal]) -> str:
    rows = [f"| {each.goal} | {each.figure} | {'yes' if each.met else f'**no**: {each.limit}'} |" for each in found]
    return "\n".join(["## Goals", "", "| goal | figure | met |", "| ---- | ------ | --- |", *rows, ""])


def _latency(results: Results) -> str:
    samples = list(results.samples.values())
    rows = [
        ("image there, cold", "cold", 1.0, "s", _CDK[0]),
        ("of it INIT", "init", 1.0, "s", ""),
        ("of it the first handler", "handler", 1.0, "s", ""),
        *((f"cold at {memory} MB's share", f"cold {memory}", 1.0, "s", "") for memory in results.shares),
        ("image there, warm", "warm", 1000.0, "ms", _CDK[1]),
        ("Delete, cold", "delete cold", 1.0, "s", _CDK[2]),
        ("Delete, warm", "delete warm", 1000.0, "ms", ""),
        ("peak memory", "peak", 1e-6, "MB", _CDK[3]),
    ]
    body = [
        f"| {name} | "
        + " | ".join(_spread([value * factor for value in each.seen[quantity]], unit) for each in samples)
        + f" | {cited} |"
        for name, quantity, factor, unit, cited in rows
    ]
    body.append(
        "| artifact, zipped | " + " | ".join(f"{each.artifact_bytes / 1e6:.2f} MB" for each in samples) + " | |"
    )
    ours, hand = results.samples[OURS], results.samples[_HAND]
    ratio_rows = [
        f"| {name} | {_spread(ratios(ours, hand, quantity), '')} |"
        for name, quantity, *_ in rows
        if quantity in ours.seen
    ]
    return "\n".join(
        [
            "## Image there, and Delete",
            "",
            "From CloudFormation's event to the answer, in a new environment (its start is in it) and in one that has",
            "served before.",
            "",
            "| | " + " | ".join(each.name for each in samples) + " | CDK, cited |",
            "| --- |" + " --- |" * (len(samples) + 1),
            *body,
            "",
            "![Cold starts](performance/cold.svg)",
            "",
            f"{OURS} / {_HAND}, run by run:",
            "",
            "| | ratio |",
            "| --- | --- |",
            *ratio_rows,
            "",
            _cheapest(results),
            "",
        ]
    )


def _cheapest(results: Results) -> str:
    ours = results.samples[OURS]
    prices = {
        memory: median(ours.seen[f"billed {memory}"]) * memory / 1024 * _PER_GIGABYTE_SECOND + _PER_INVOCATION
        for memory in results.shares
    }
    told = ", ".join(f"{memory} MB ${price * 1e6:.2f}" for memory, price in prices.items())
    best = min(prices, key=prices.__getitem__)
    few = "" if len(prices) > 1 else " (a quick run looks at no other)"
    return (
        f"A million deployments whose image is there, each in a new environment and INIT billed: {told}. "
        f"The cheapest is {best} MB{few}."
    )


def _detection(results: Results) -> str:
    simulated = [
        f"| {each.wait / 60:g} min | {each.delay} s | {each.mean:.1f} s | {each.worst:.1f} s | "
        f"{each.mean_of_pause:.2f} | {each.worst_of_pause:.2f} | {each.checks:.0f} |"
        for each in results.detections
    ]
    shots = [
        f"| {name} | {shot.mean:.1f} s | {shot.worst:.1f} s | {shot.checks:.1f} |"
        for name, shot in results.shots.items()
    ]
    return "\n".join(
        [
            "## Detection",
            "",
            "A push at moments spread over a wait; how long until the check that finds the image (simulated clock),",
            "and what part that is of the pause in force at the push, before jitter:",
            "",
            "| wait | RetryDelaySeconds | mean | worst | mean / pause | worst / pause | checks |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *simulated,
            "",
            "Waits of up to 10 s in real processes, from the push to the answer:",
            "",
            "| | mean | worst | checks |",
            "| --- | --- | --- | --- |",
            *shots,
            "",
            f"By its rhythm alone, {_POLLING} takes 60 s on average, 120 s at worst, and a check every two minutes.",
            "",
        ]
    )


def _cost(results: Results) -> str:
    hand, polling = results.samples[_HAND], results.samples[_POLLING]
    init = median(results.samples[OURS].seen["init"]) * GIGABYTES
    rows = []
    for minutes, cost in results.costs.items():
        seconds = 60.0 * minutes
        billed = cost.gigabyte_seconds + cost.invocations * init
        rows.append(_cost_row(minutes, OURS, replace(cost, gigabyte_seconds=billed)))
        if seconds <= 880:
            one = Cost((seconds + 5 + median(hand.seen["init"])) * GIGABYTES, 1, round(seconds / 10) + 1)
            rows.append(_cost_row(minutes, _HAND, one))
        else:
            rows.append(f"| {minutes} min | {_HAND} | cannot: an invocation ends after 15 minutes | | | |")
        polls = -(-round(seconds) // 120)
        seconds = median(polling.seen["billed 128"]) + polls * median(polling.seen["billed again 128"])
        rows.append(_cost_row(minutes, _POLLING, Cost(seconds * GIGABYTES, 1 + polls, polls)))
    return "\n".join(
        [
            "## Cost of a wait",
            "",
            "At 128 MB, arm64, list price of us-east-1: Lambda's GB-seconds and requests, and what ours logs.",
            f"Ours is simulated, with an INIT in each invocation; {_HAND} sleeps throughout, and is 5 s late on",
            f"average; of {_POLLING}, whose pauses nobody pays for, the invocations are measured at 128 MB's share.",
            "Calls of ECR cost nothing.",
            "",
            "| wait | | GB-seconds | invocations | ECR calls | $ for 1,000 waits |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cost_row(minutes: int, name: str, cost: Cost) -> str:
    dollars = (
        cost.gigabyte_seconds * _PER_GIGABYTE_SECOND
        + cost.invocations * _PER_INVOCATION
        + cost.log_bytes * _PER_LOG_BYTE
    )
    return (
        f"| {minutes} min | {name} | {cost.gigabyte_seconds:.1f} | {cost.invocations} | {cost.ecr_calls} | "
        f"{dollars * 1000:.2f} |"
    )


def _storm(results: Results) -> str:
    rows = [_storm_row(f"{name}, real", storm) for name, storm in results.storms.items()]
    if results.storm:
        rows.insert(0, _storm_row(f"{OURS}, simulated, pushed after 5 min", results.storm))
    return "\n".join(
        [
            "## Storm",
            "",
            "60 % of the calls of ECR are throttled, another draw for each wait. In real processes the image is pushed",
            f"after {results.storm_pushed:.0f} s; for {_POLLING} that is before its first look. {_HAND} and",
            f"{_POLLING} retry as boto3 does by default, of which this is {botocore.__version__}: three tries in all.",
            "Its legacy mode, the default of older ones, makes five, and more of their waits would succeed.",
            "",
            "| | succeeded | late on average | at worst |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _storm_row(name: str, storm: Storm) -> str:
    return f"| {name} | {storm.succeeded} of {storm.waits} | {storm.mean:.0f} s | {storm.worst:.0f} s |"


def _crowd(results: Results) -> str:
    crowds = [(f"{OURS}, simulated", each) for each in results.crowds]
    crowds += [(f"{name}, real", each) for name, each in results.real_crowds.items()]
    rows = [
        f"| {name} | {each.waits} | {each.allowance:g} | {each.answered} | {each.last:.0f} s | {each.perfect:.0f} s | "
        f"{each.mean:.1f} | {each.peak} | {each.throttled} |"
        for name, each in crowds
    ]
    return "\n".join(
        [
            "## Crowd",
            "",
            "Waits that begin within a second, against an ECR that allows so many calls a second and throttles the",
            "rest; all images come at the same moment, after 15 minutes where it is simulated and 20 s where it is",
            "real. Mean and peak are calls a second after five minutes; over the whole time, where it is real.",
            "",
            "| | waits | allowed | answered | last after the push | a perfect scheduler's | mean | peak | throttled |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "![Calls a second](performance/crowd.svg)",
            "",
        ]
    )


def _twenty(results: Results) -> str:
    rows = [
        f"| {name} | {each.late:.1f} s | {each.ecr_calls} | {each.checks} | {each.invocations} | "
        f"{each.billed * GIGABYTES:.2f} |"
        for name, each in results.twenties.items()
    ]
    return "\n".join(
        [
            "## Twenty images",
            "",
            "Of one repository, pushed after four seconds, in real processes.",
            "",
            "| | last answer after the last push | ECR calls | checks each | invocations | GB-seconds |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _plot_of_cold_starts(results: Results) -> str:
    several = [results.samples[name] for name in (OURS, _HAND)]
    groups = {"full core": {each.name: each.seen["cold"] for each in several}}
    for memory in reversed(MEMORIES):
        if memory in results.shares:
            groups[f"{memory} MB's share"] = {each.name: each.seen[f"cold {memory}"] for each in several}
    groups["full core, Delete"] = {each.name: each.seen["delete cold"] for each in several}
    return bars("Event to answer in a new environment, image there", "s", groups)


def _plot_of_crowds(results: Results) -> str:
    series = {
        f"{crowd.waits} waits": [(number / 6, calls) for number, calls in enumerate(crowd.curve)]
        for crowd in results.crowds
    }
    furthest = max(points[-1][0] for points in series.values())
    allowance = results.crowds[0].allowance
    return lines(
        "Calls of ECR a second, in each ten seconds",
        "",
        "minutes",
        {**series, "allowed": [(0, allowance), (furthest, allowance)]},
    )


def _spread(values: Sequence[float], unit: str) -> str:
    told = [f"{value:.{max(0, 3 - len(str(int(value))))}f}" for value in (median(values), min(values), max(values))]
    return f"{told[0]} {unit} ({told[1]} to {told[2]})".replace("  ", " ")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
