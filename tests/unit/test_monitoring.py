"""docs/operations.md, the dashboard and the alarms name the metrics, fields and parameters that there are, and all."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from samtranslator.yaml_helper import yaml_parse

import last_resort
from ecr_image_waiter.core.deadline import MAX_INVOCATIONS, invocations_needed
from ecr_image_waiter.core.polling import FRESH
from ecr_image_waiter.core.state import Cause, Outcome, WaitEnd
from ecr_image_waiter.telemetry import NAMESPACE, UNITS, Meter
from sandbox.processes import ROOT
from tests.policy.template import LONGEST_WAIT, as_cloudformation_gets_it
from tests.support.fakes import aws_error, stack_event
from tests.support.template_conditions import resolved
from tests.support.world import FOUND, World

SOURCE: Final = (ROOT / "template.yaml").read_text()
TEMPLATE: Final = yaml_parse(SOURCE)
GUIDE: Final = (ROOT / "docs" / "operations.md").read_text()
PARAMETERS: Final = (ROOT / "docs" / "parameters.md").read_text()


# --- the dashboard and the alarms

LAMBDAS: Final = {
    # Lambda Developer Guide, "Types of metrics for Lambda functions", and "Monitoring concurrency" for the last one.
    **dict.fromkeys(
        ("Errors", "Throttles", "DestinationDeliveryFailures", "RecursiveInvocationsDropped", "ConcurrentExecutions"),
        ("FunctionName",),
    ),
    **dict.fromkeys(("AsyncEventAge", "AsyncEventsDropped"), ("FunctionName",)),
    "ClaimedAccountConcurrency": (),  # of all functions in a region, so without a dimension
}
"""Metrics of the namespace AWS/Lambda, with their dimensions ("Using CloudWatch metrics with Lambda")."""
HEIGHTS: Final = {"HandOverNumber", "ConcurrentExecutions", "ClaimedAccountConcurrency", "AsyncEventAge"}


class Named(NamedTuple):
    """A metric as a dashboard or an alarm names it."""

    by: str
    namespace: str
    name: str
    dimensions: dict[str, str]
    statistic: str


def monitors(reserved: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the dashboard and of each alarm, with every parameter given."""
    topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
    given = {"Dashboard": "true", "AlarmTopicArn": topic, "ReservedConcurrency": reserved}
    template = as_cloudformation_gets_it(yaml_parse(SOURCE), given)
    return {
        name: resource["Properties"]
        for name, resource in resolved(template, given)["Resources"].items()
        if resource["Type"].startswith("AWS::CloudWatch::")
    }


def widgets_of(monitors: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(monitors["WaitsDashboard"]["DashboardBody"]["Fn::Sub"])["widgets"]
    return found


ALARMS: Final = monitors("50")
WIDGETS: Final = widgets_of(ALARMS)


def of_alarms() -> Iterator[Named]:
    for name, alarm in ALARMS.items():
        if name != "WaitsDashboard":
            given = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
            texts = {key: f"${{{value['Ref']}}}" if isinstance(value, dict) else value for key, value in given.items()}
            yield Named(name, alarm["Namespace"], alarm["MetricName"], texts, alarm["Statistic"])


def of_dashboard() -> Iterator[Named]:
    """Read the dashboard's own short forms: "." repeats a part of the row before, "..." the rest of it."""
    for widget in WIDGETS:
        properties = widget["properties"]
        before: list[str] = []
        for row in properties["metrics"]:
            options = row[-1] if isinstance(row[-1], dict) else {}
            parts = [part for part in row if isinstance(part, str)]
            if parts[0] == "...":
                parts = before[: len(before) - len(parts) + 1] + parts[1:]
            before = [before[place] if part == "." else part for place, part in enumerate(parts)]
            namespace, name, *rest = before
            statistic = options.get("stat", properties.get("stat", "Average"))
            dimensions = dict(zip(rest[::2], rest[1::2], strict=True))
            yield Named(properties["title"], namespace, name, dimensions, statistic)


NAMED: Final = [*of_alarms(), *of_dashboard()]


def written() -> set[tuple[str, frozenset[str]]]:
    """Return each metric that is written, with each set of dimensions that it has, by writing all of them."""
    lines: list[str] = []
    meter = Meter(lines.append, "waiter")
    meter.count_start()
    meter.count_continuation(1)
    meter.count_end(WaitEnd(Outcome.READY, 1.0, 2, 1), deliveries=2)
    return {
        (metric["Name"], frozenset(dimensions))
        for document in [*map(json.loads, lines), last_resort.metric()]
        for directive in document["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def test_a_metric_of_an_alarm_or_the_dashboard_is_written_by_the_waiter_or_by_lambda() -> None:
    ours = written()
    for named in NAMED:
        if named.namespace == NAMESPACE:
            assert (named.name, frozenset(named.dimensions)) in ours
            assert named.dimensions["service"] == "${AWS::StackName}"
            assert named.dimensions.get("outcome", "ready") in {*Outcome, *Cause}
        else:
            assert named.namespace == "AWS/Lambda"
            assert tuple(named.dimensions) == LAMBDAS[named.name]
            assert {*named.dimensions.values()} <= {"${WaiterFunction}", "${LastResortFunction}"}


def test_both_functions_write_under_the_service_that_alarms_name() -> None:
    template = as_cloudformation_gets_it(yaml_parse(SOURCE))
    for name in ("WaiterFunction", "LastResortFunction"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


def test_the_dashboard_shows_every_metric_of_ours_and_every_outcome() -> None:
    shown = [named for named in of_dashboard() if named.namespace == NAMESPACE]

    assert {named.name for named in shown} == {*UNITS, "LastResortAnswers"}
    outcomes = [named.dimensions["outcome"] for named in shown if "outcome" in named.dimensions]
    assert sorted(outcomes) == sorted([*Outcome, *Cause])


def test_a_height_is_read_at_its_highest_and_a_count_is_added_up() -> None:
    wrong = [
        named
        for named in NAMED
        if named.name != "WaitSeconds" and named.statistic != ("Maximum" if named.name in HEIGHTS else "Sum")
    ]
    assert wrong == []
    assert {each.statistic for each in NAMED if each.name == "WaitSeconds"} <= {"p50", "p95", "Maximum"}


def test_the_alarm_of_hand_overs_comes_before_lambdas_guard() -> None:
    threshold = ALARMS["HandOversAlarm"]["Threshold"]
    lines = [line for each in WIDGETS for line in each["properties"].get("annotations", {}).get("horizontal", [])]

    assert threshold < MAX_INVOCATIONS - 1
    assert {"label": "alarm", "value": threshold} in lines


@pytest.mark.parametrize(("reserved", "lines"), [("", [800]), ("50", [800, 50])])
def test_the_dashboard_draws_the_limits_there_are(reserved: str, lines: list[int]) -> None:
    properties = [each["properties"] for each in widgets_of(monitors(reserved))]
    (widget,) = [each for each in properties if each["title"] == "Concurrent executions"]

    assert [line["value"] for line in widget["annotations"]["horizontal"]] == lines


# --- docs/operations.md

QUERIES: Final = [block for block in re.findall(r"```text\n(.*?)```", GUIDE, flags=re.DOTALL) if "filter" in block]
WORDS: Final = {
    *("fields", "filter", "stats", "sort", "dedup", "limit", "as", "by", "and", "in", "like", "not", "desc"),
    *("ispresent", "latest", "max", "avg", "count"),
}


def logged() -> list[dict[str, Any]]:
    """Return lines of the log of waits that check, hand over and are answered, and their metrics."""
    lines = []
    for more in ([], [FOUND]):
        world = World(aws_error("ImageNotFoundException"), *more)
        world.run_to_the_end(stack_event())
        lines += [*world.lines, *world.metrics]
    return lines


def test_the_queries_ask_for_fields_and_lines_that_the_log_has() -> None:
    lines = logged()
    fields = {name for line in lines for name in line} | {"@timestamp"}
    events = {line["event"] for line in lines if "event" in line} | {"response_not_sent"}
    assert len(QUERIES) >= 6
    for query in QUERIES:
        words = re.sub(r'"[^"]*"|/[^/\n]*/', " ", query)
        aliases = set(re.findall(r"\bas (\w+)", words))
        named = set(re.findall(r"@?[A-Za-z_][\w.]*", words)) - WORDS - aliases
        assert {name.removesuffix(".0") for name in named} <= fields
        # A metric's value is a list, of which CloudWatch Logs Insights names each item.
        assert all(name.endswith(".0") == (name.removesuffix(".0") in UNITS) for name in named)
        assert not re.search(r"message (not )?(like|=)", query)
        for named_events in re.findall(r'(?:event =|last not in) (".*?"|\[.*?\])', query):
            assert set(re.findall(r'"(.*?)"', named_events)) <= events
    assert 'filter StackId like "stack/shop/"' in QUERIES[0]
    assert "stack/shop/" in stack_event()["StackId"]


def rows(heading: str) -> list[str]:
    """Return the names in the first cells of the tables below a heading."""
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return sorted(name for cell in cells for name in re.findall(r"`(.*?)`", cell))


def test_every_line_of_the_log_names_an_event_and_the_guide_explains_each() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    logs = [
        call for call in calls if re.search(r"logger\.(debug|info|warning|error|exception)$", ast.unparse(call.func))
    ]
    named = [re.findall(r"'event': '(\w+)'", ast.unparse(call)) for call in logs]
    by_the_last_resort = [ast.literal_eval(call.args[1]) for call in calls if ast.unparse(call.func) == "log"]

    assert [ast.unparse(log) for log, events in zip(logs, named, strict=True) if len(events) != 1] == []
    assert len({event for (event,) in named}) == len(named), "an event for each kind of line"
    assert rows("Log events") == sorted({*(event for (event,) in named), *by_the_last_resort})


def test_every_metric_every_outcome_and_every_alarm_is_explained() -> None:
    alarms = [name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"]

    assert rows("Metrics") == sorted([*UNITS, "LastResortAnswers", *Outcome, *Cause])
    assert rows("Alarms") == sorted(alarms)


def test_every_parameter_stands_in_its_page_with_its_default() -> None:
    section = PARAMETERS.partition("\n## ")[0]
    defaults = {
        name: default.strip("`")
        for cell, default in re.findall(r"^\| (`.*?) +\| (.*?) +\|", section, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }

    assert defaults.keys() == TEMPLATE["Parameters"].keys()
    for name, parameter in TEMPLATE["Parameters"].items():
        default = str(parameter["Default"])
        assert defaults[name] == default if default else defaults[name].startswith("empty")


def test_the_figures_of_the_guide_are_those_of_the_code() -> None:
    assert invocations_needed(LONGEST_WAIT, 900) <= 5
    assert "at most 5 of 900 s" in GUIDE
    assert MAX_INVOCATIONS == 15
    assert "a wait takes at most fifteen invocations" in GUIDE
    config = TEMPLATE["Resources"]["WaiterFunction"]["Properties"]["EventInvokeConfig"]
    assert config["MaximumEventAgeInSeconds"] == 3600
    assert "older than an hour (`MaximumEventAgeInSeconds`)" in GUIDE
    assert FRESH < 240  # "one every three minutes"
