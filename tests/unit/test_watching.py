"""Every metric that the dashboard and the alarms name is one that this project writes or that Lambda has."""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from samtranslator.yaml_helper import yaml_parse

import last_resort
from ecr_image_waiter.core.deadline import MAX_INVOCATIONS
from ecr_image_waiter.core.state import Cause, Ended, Outcome
from ecr_image_waiter.telemetry import NAMESPACE, UNITS, Meter
from sandbox.processes import ROOT
from tests.policy.template import as_cloudformation_gets_it
from tests.support.deployments import resolved

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

EVERYTHING: Final = {
    "Dashboard": "true",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
    "ReservedConcurrency": "50",
}
STACK: Final = {"Fn::Sub": "${AWS::StackName}"}


class Named(NamedTuple):
    """A metric as a dashboard or an alarm names it."""

    by: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str


def watched(**changed: str) -> dict[str, dict[str, Any]]:
    given = {**EVERYTHING, **changed}
    template = as_cloudformation_gets_it(yaml_parse((ROOT / "template.yaml").read_text()), given)
    return {
        name: resource["Properties"]
        for name, resource in resolved(template, given)["Resources"].items()
        if resource["Type"].startswith("AWS::CloudWatch::")
    }


def body(**changed: str) -> dict[str, Any]:
    text = watched(**changed)["WaitsDashboard"]["DashboardBody"]["Fn::Sub"]
    found: dict[str, Any] = json.loads(text)
    return found


def of_alarms() -> Iterator[Named]:
    for name, alarm in watched().items():
        if name != "WaitsDashboard":
            dimensions = tuple((each["Name"], _text(each["Value"])) for each in alarm.get("Dimensions", []))
            yield Named(name, alarm["Namespace"], alarm["MetricName"], dimensions, alarm["Statistic"])


def _text(value: Any) -> str:
    return "${" + value["Ref"] + "}" if isinstance(value, dict) else str(value)


def of_dashboard() -> Iterator[Named]:
    """Read the dashboard's own short forms: "." is what stood there in the row before, "..." all that did."""
    for widget in body()["widgets"]:
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
            pairs = tuple(zip(rest[::2], rest[1::2], strict=True))
            yield Named(properties["title"], namespace, name, pairs, statistic)


NAMED: Final = [*of_alarms(), *of_dashboard()]


def written() -> set[tuple[str, frozenset[str]]]:
    """Return each metric that is written, with each set of dimensions that it has, by writing all of them."""
    lines: list[str] = []
    meter = Meter(lines.append, "waiter")
    meter.started()
    meter.handed_over(1)
    meter.ended(Ended(Outcome.READY, 1.0, 2, 1), deliveries=2)
    documents = [*map(json.loads, lines), last_resort.metric()]
    return {
        (metric["Name"], frozenset(dimensions))
        for document in documents
        for directive in document["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


@pytest.mark.parametrize("named", NAMED, ids=lambda named: f"{named.by}: {named.name}")
def test_a_metric_that_is_watched_is_written_by_us_or_by_lambda(named: Named) -> None:
    if named.namespace == NAMESPACE:
        assert (named.name, frozenset(name for name, _ in named.dimensions)) in written()
        values = dict(named.dimensions)
        assert values["service"] == "${AWS::StackName}"
        assert values.get("outcome", "ready") in {*Outcome, *Cause}
    else:
        assert named.namespace == "AWS/Lambda"
        assert tuple(name for name, _ in named.dimensions) == LAMBDAS[named.name]
        assert {value for _, value in named.dimensions} <= {"${WaiterFunction}", "${LastResortFunction}"}


def test_both_functions_write_under_the_name_that_is_watched() -> None:
    template = as_cloudformation_gets_it(yaml_parse((ROOT / "template.yaml").read_text()))
    for name in ("WaiterFunction", "LastResortFunction"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


def test_the_dashboard_shows_every_metric_of_ours_and_every_outcome() -> None:
    shown = [named for named in of_dashboard() if named.namespace == NAMESPACE]

    assert {named.name for named in shown} == {*UNITS, "LastResortAnswers"}
    outcomes = [dict(named.dimensions)["outcome"] for named in shown if "outcome" in dict(named.dimensions)]
    assert sorted(outcomes) == sorted([*Outcome, *Cause])


@pytest.mark.parametrize("named", NAMED, ids=lambda named: f"{named.by}: {named.name}")
def test_what_is_a_height_is_watched_at_its_highest_and_what_is_counted_is_added_up(named: Named) -> None:
    heights = {"HandOverNumber", "ConcurrentExecutions", "ClaimedAccountConcurrency", "AsyncEventAge"}
    if named.name == "WaitSeconds":
        assert named.statistic in ("p50", "p95", "Maximum")
    else:
        assert named.statistic == ("Maximum" if named.name in heights else "Sum")


def test_the_alarm_of_hand_overs_comes_before_lambdas_guard() -> None:
    assert watched()["HandOversAlarm"]["Threshold"] < MAX_INVOCATIONS - 1
    assert {"label": "alarm", "value": watched()["HandOversAlarm"]["Threshold"]} in [
        line
        for widget in body()["widgets"]
        for line in widget["properties"].get("annotations", {}).get("horizontal", [])
    ]


@pytest.mark.parametrize(("reserved", "lines"), [("", [800]), ("50", [800, 50])])
def test_the_dashboard_draws_the_limits_there_are(reserved: str, lines: list[int]) -> None:
    (widget,) = [
        each["properties"]
        for each in body(ReservedConcurrency=reserved)["widgets"]
        if each["properties"]["title"] == "Concurrent executions"
    ]
    assert [line["value"] for line in widget["annotations"]["horizontal"]] == lines


def test_no_two_widgets_cover_each_other() -> None:
    covered = [
        (widget["x"] + x, widget["y"] + y)
        for widget in body()["widgets"]
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24
