"""The template deploys in the sandbox with everything on, and what that makes is there.

The other end-to-end tests deploy it with its defaults. MiniStack keeps alarms, dashboards and resource policies; it
enforces none of them, and makes no metrics of the log.
"""

import json
from typing import Any

import pytest

from sandbox.cloud import ACCOUNT, REGION, STACK, Cloud
from tests.policy.template import OPTIONAL
from tests.support.emf import faults, metrics_of
from tests.support.functions import TIMEOUT, Deployed
from tests.support.waiting import eventually

INSTALL = f"{STACK}-watched"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
EVERYTHING = {
    "RepositoryArnPattern": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*",
    "AssumableRoleArns": "arn:aws:iam::210987654321:role/reader",
    "BuildProjectArns": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/*",
    "PipelineArns": f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:*",
    "AllowStartBuild": "true",
    "LogLevel": "DEBUG",
    "LogGroupName": "/waits/watched",
    "LogRetentionDays": "1",
    "LogKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "MemorySize": "256",
    "Architecture": "x86_64",
    "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "FunctionName": "watched",
    "ReservedConcurrency": "20",
    "ServiceTokenParameterName": "/watched/service-token",
    "ConsumerAccounts": "111122223333,111122223334",
    "ConsumerOrganizationId": "o-a1b2c3d4e5",
    "Dashboard": "true",
    "AlarmTopicArn": TOPIC,
    "AccountConcurrencyThreshold": "700",
}


@pytest.fixture(scope="module")
def install(cloud: Cloud) -> Cloud:
    cloud.deploy_waiter(stack=INSTALL, parameters=[f"{name}={value}" for name, value in EVERYTHING.items()])
    return cloud


def test_with_everything_on_it_deploys_and_each_parameter_was_given(install: Cloud) -> None:
    (stack,) = install.client("cloudformation").describe_stacks(StackName=INSTALL)["Stacks"]

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]} == EVERYTHING


@pytest.mark.usefixtures("deployed")
def test_with_its_defaults_it_deploys_without_what_has_to_be_asked_for(cloud: Cloud) -> None:
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
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {TOPIC}
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


def test_a_wait_there_leaves_its_metrics_in_the_log(install: Cloud) -> None:
    function = Deployed(install, INSTALL, TIMEOUT)
    repository = function.repository()
    function.push(repository)

    function.ask({"RepositoryName": repository, "ImageTag": "v1"})

    logs, group = install.client("logs"), install.output(INSTALL, "LogGroupName")

    def documents() -> list[dict[str, Any]]:
        events = logs.filter_log_events(logGroupName=group)["events"]
        return [json.loads(each["message"]) for each in events if each["message"].startswith('{"_aws"')]

    eventually(lambda: len(documents()) >= 2, "the metrics are in the log")
    assert [faults(document) for document in documents()] == [[], []]
    started, ended = documents()
    assert {document["service"] for document in (started, ended)} == {INSTALL}
    assert (metrics_of(started), ended["outcome"]) == ({"WaitsStarted": 1}, "ready")
