"""The template deploys in the sandbox with everything on, and what that makes is there.

Other end-to-end tests use this deployment, too, or one with its defaults. MiniStack keeps alarms, dashboards and
resource policies; it enforces none of them, and makes no metrics of the log.
"""

import json
import time
from typing import Any

import pytest

from sandbox.cloud import STACK, Cloud
from tests.policy.template import OPTIONAL
from tests.support.emf import faults, metrics_of
from tests.support.functions import EVERYTHING, LONG_TIMEOUT, TIMEOUT, Deployed
from tests.support.patience import eventually

INSTALL = f"{STACK}-watched"


@pytest.fixture
def install(cloud: Cloud, deployed: dict[int, Deployed]) -> Cloud:
    assert deployed[TIMEOUT], "it is there"
    return cloud


def test_with_everything_on_it_deploys_and_each_parameter_was_given(install: Cloud) -> None:
    (stack,) = install.client("cloudformation").describe_stacks(StackName=INSTALL)["Stacks"]

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]} == EVERYTHING


def test_with_its_defaults_it_deploys_without_what_has_to_be_asked_for(
    cloud: Cloud, deployed: dict[int, Deployed]
) -> None:
    assert deployed[LONG_TIMEOUT], "it is there"
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    made = {resource["ResourceType"] for page in pages for resource in page["StackResourceSummaries"]}

    assert "AWS::Lambda::Function" in made
    assert not made & OPTIONAL


def test_the_alarms_and_the_dashboard_are_there(install: Cloud) -> None:
    cloudwatch = install.client("cloudwatch")
    alarms = [
        alarm
        for page in cloudwatch.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
        if alarm["AlarmName"].startswith(INSTALL)
    ]

    assert len(alarms) == 13
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {EVERYTHING["AlarmTopicArn"]}
    thresholds = {alarm["MetricName"]: alarm["Threshold"] for alarm in alarms}
    assert (thresholds["ConcurrentExecutions"], thresholds["ClaimedAccountConcurrency"]) == (20, 700)
    (name,) = [each["DashboardName"] for each in cloudwatch.list_dashboards()["DashboardEntries"]]
    text = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    assert "${" not in text
    assert len(json.loads(text)["widgets"]) == 6


def test_other_accounts_and_the_organisation_may_call_the_function_and_nobody_else(install: Cloud) -> None:
    policy = json.loads(install.client("lambda").get_policy(FunctionName="watched")["Policy"])

    def who(statement: dict[str, Any]) -> str:
        condition = statement.get("Condition", {}).get("StringEquals", {}).get("aws:PrincipalOrgID", "")
        return f"{statement['Principal']} {condition}"

    told = sorted(who(statement) for statement in policy["Statement"])
    expected = ("111122223333", "111122223334", "o-a1b2c3d4e5")
    assert len(told) == len(expected)
    assert [name for name in expected if not any(name in each for each in told)] == []
    assert {statement["Action"] for statement in policy["Statement"]} == {"lambda:InvokeFunction"}


def test_a_wait_there_leaves_its_metrics_in_the_log(install: Cloud, deployed: dict[int, Deployed]) -> None:
    function = deployed[TIMEOUT]
    repository = function.repository()
    function.push(repository)
    since = time.time()

    function.ask({"RepositoryName": repository, "ImageTag": "v1"})

    def documents() -> list[dict[str, Any]]:
        return [json.loads(line) for line in function.output(since).splitlines() if line.startswith('{"_aws"')]

    eventually(lambda: [each for each in documents() if "outcome" in each], "the metrics are in the log")
    assert {each for document in documents() for each in faults(document)} == set()
    assert {document["service"] for document in documents()} == {INSTALL}
    assert {"WaitsStarted": 1} in [metrics_of(document) for document in documents()]
    assert "ready" in [document.get("outcome") for document in documents()]
