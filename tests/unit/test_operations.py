"""What docs/operations.md says of queries, metrics, alarms and parameters is what there is."""

import re
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from ecr_image_waiter.core.deadline import MAX_INVOCATIONS, invocations_needed
from ecr_image_waiter.core.polling import FRESH
from ecr_image_waiter.core.state import Cause, Outcome
from ecr_image_waiter.telemetry import UNITS
from sandbox.processes import ROOT
from tests.policy.template import LONGEST_WAIT
from tests.support.fakes import aws_error, stack_event
from tests.support.world import FOUND, World

GUIDE: Final = (ROOT / "docs" / "operations.md").read_text()
PARAMETERS: Final = (ROOT / "docs" / "parameters.md").read_text()
TEMPLATE: Final = yaml_parse((ROOT / "template.yaml").read_text())
NOT_FOUND: Final = aws_error("ImageNotFoundException")
QUERIES: Final = [block for block in re.findall(r"```text\n(.*?)```", GUIDE, flags=re.DOTALL) if "filter" in block]
COMMANDS: Final = {
    "fields",
    "filter",
    "stats",
    "sort",
    "dedup",
    "limit",
    "as",
    "by",
    "and",
    "in",
    "like",
    "not",
    "desc",
}
FUNCTIONS: Final = {"ispresent", "latest", "max", "avg", "count"}


def logged() -> list[dict[str, Any]]:
    """Return lines of the log of waits that check, hand over and are answered, and their metrics."""
    lines = []
    for script in ([NOT_FOUND], [NOT_FOUND, FOUND]):
        world = World(*script)
        world.run_to_the_end(stack_event())
        lines += [*world.lines, *world.metrics]
    return lines


FIELDS: Final = {name for line in logged() for name in line} | {"@timestamp"}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_fields_that_lines_of_the_log_have(query: str) -> None:
    words = re.sub(r'"[^"]*"|/[^/\n]*/', " ", query)
    aliases = set(re.findall(r"\bas (\w+)", words))
    named = set(re.findall(r"@?[A-Za-z_][\w.]*", words)) - COMMANDS - FUNCTIONS - aliases

    assert {name.removesuffix(".0") for name in named} <= FIELDS
    # A metric's value is a list, of which CloudWatch Logs Insights names each item.
    assert all(name.endswith(".0") == (name.removesuffix(".0") in UNITS) for name in named)


def test_the_queries_find_the_lines_they_are_for() -> None:
    messages = [str(line["message"]) for line in logged() if "message" in line]
    patterns = {pattern for query in QUERIES for pattern in re.findall(r"like /(.*?)/", query)}

    assert len(QUERIES) >= 6
    assert patterns
    for pattern in patterns:
        assert any(re.match(pattern, message) for message in messages)
    assert 'filter StackId like "stack/shop/"' in QUERIES[0]
    assert "stack/shop/" in stack_event()["StackId"]


def rows(heading: str) -> list[str]:
    """Return the first cells of the tables below a heading."""
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)


def test_every_metric_and_every_outcome_is_explained() -> None:
    named = [name for cell in rows("Metrics") for name in re.findall(r"`(.*?)`", cell)]

    assert sorted(named) == sorted([*UNITS, "LastResortAnswers", *Outcome, *Cause])


def test_every_alarm_is_explained() -> None:
    alarms = [name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"]

    assert sorted(cell.strip("`") for cell in rows("Alarms")) == sorted(alarms)


def test_every_parameter_stands_in_its_page_with_its_default() -> None:
    section = PARAMETERS.partition("\n## ")[0]
    told = {
        name: default
        for cell, default in re.findall(r"^\| (`.*?) +\| (.*?) +\|", section, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }

    assert told.keys() == TEMPLATE["Parameters"].keys()
    for name, parameter in TEMPLATE["Parameters"].items():
        default = str(parameter["Default"])
        assert told[name].strip("`") == default if default else told[name].startswith("empty")


@pytest.mark.parametrize("name", ["ReservedConcurrency", "AccountConcurrencyThreshold"])
def test_what_an_account_with_a_reduced_limit_does_to_a_parameter_stands_in_the_guide_and_beside_it(name: str) -> None:
    section = GUIDE.partition("In an account with a reduced limit:")[2].partition("When the limit")[0]
    assert f"**`{name}`" in section
    assert "new account" in TEMPLATE["Parameters"][name]["Description"]


def test_the_guide_says_what_express_mode_changes() -> None:
    assert "after a failed\nwait, no Delete follows" in GUIDE.partition("\n## Express mode\n")[2].partition("\n## ")[0]


def test_the_figures_are_those_of_the_code() -> None:
    assert invocations_needed(LONGEST_WAIT, 900) <= 5
    assert "at most 5 of 900 s" in GUIDE
    assert MAX_INVOCATIONS == 15
    assert "of fifteen invocations that Lambda lets be" in GUIDE
    config = TEMPLATE["Resources"]["WaiterFunction"]["Properties"]["EventInvokeConfig"]
    assert config["MaximumEventAgeInSeconds"] == 3600
    assert "older than an hour (`MaximumEventAgeInSeconds`)" in GUIDE
    assert FRESH < 240  # "one every three minutes"
