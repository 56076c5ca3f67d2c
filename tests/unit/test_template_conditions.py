"""The template by its parameters: who may use the function, its monitoring, the capabilities that it takes."""

import copy
import json
import tomllib
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.policy.template import OPTIONAL, as_cloudformation_gets_it
from tests.support.template_conditions import allowed, resolved

SOURCE: Final = yaml_parse((ROOT / "template.yaml").read_text())
ACCOUNTS: Final = [f"11112222333{number}" for number in range(6)]
ORGANIZATION: Final = "o-a1b2c3d4e5"
TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:alarms"


def deployed(**given: str) -> dict[str, dict[str, Any]]:
    """Return the resources that CloudFormation makes with these parameters."""
    template = as_cloudformation_gets_it(copy.deepcopy(SOURCE), given)
    resources: dict[str, dict[str, Any]] = resolved(template, given)["Resources"]
    return resources


def of_type(resources: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def test_with_its_defaults_it_lets_nobody_else_in_and_watches_nothing() -> None:
    assert not {resource["Type"] for resource in deployed().values()} & OPTIONAL


@pytest.mark.parametrize("count", [1, 5])
def test_each_account_that_is_named_and_no_other_may_call_the_function(count: int) -> None:
    permissions = of_type(deployed(ConsumerAccounts=",".join(ACCOUNTS[:count])), "AWS::Lambda::Permission")

    function = {"Fn::GetAtt": ["WaiterFunction", "Arn"]}
    assert permissions == [
        {"Action": "lambda:InvokeFunction", "FunctionName": function, "Principal": account}
        for account in ACCOUNTS[:count]
    ]


def test_an_organisation_may_call_the_function_beside_accounts() -> None:
    both = deployed(ConsumerAccounts=",".join(ACCOUNTS[:5]), ConsumerOrganizationId=ORGANIZATION)

    permissions = of_type(both, "AWS::Lambda::Permission")
    assert len(permissions) == 6
    assert [each["Principal"] for each in permissions if each.get("PrincipalOrgID") == ORGANIZATION] == ["*"]


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_the_alarm_of_dropped_events_is_made_where_lambda_counts_them(partition: str) -> None:
    made = deployed(AlarmTopicArn=TOPIC, **{"AWS::Partition": partition})

    assert ("DroppedEventsAlarm" in made) == (partition != "aws-cn")
    assert {"LastResortAlarm", "ErrorsAlarm", "ThrottlesAlarm"} <= made.keys()


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("ConsumerAccounts", ["", ",".join(ACCOUNTS[:5])], ["*", "arn:aws:iam::111122223333:root"]),
        # A sixth would be left out in silence.
        ("ConsumerAccounts", [], [",".join(ACCOUNTS), f"{ACCOUNTS[0]}, {ACCOUNTS[1]}"]),
        ("ConsumerOrganizationId", ["", ORGANIZATION], ["*", "r-abcd"]),
        ("AlarmTopicArn", [TOPIC, TOPIC.replace("aws", "aws-cn", 1)], ["alarms"]),
        ("Dashboard", [], ["yes"]),
        (
            "RepositoryArnPattern",
            [
                f"arn:{where}:repository/team/*"
                for where in ("aws:ecr:eu-west-1:123456789012", "aws-us-gov:ecr:us-*-1:*")
            ],
            # IAM matches nothing with these.
            [f"arn:aws:ecr:{where}:repository/app" for where in (":", ":123456789012", "eu-west-1:")],
        ),
        ("BuildProjectArns", ["arn:aws:codebuild:*:*:project/app"], ["arn:aws:codebuild:::project/app"]),
        ("PipelineArns", ["arn:aws:codepipeline:*:*:app"], ["arn:aws:codepipeline:::app"]),
        # CloudWatch Logs takes no alias.
        (
            "LogKmsKeyArn",
            ["arn:aws-cn:kms:cn-north-1:123456789012:key/1"],
            ["arn:aws:kms:eu-west-1:123456789012:alias/l"],
        ),
        ("LogGroupName", ["/aws/lambda/Shop-Api-EcrImageWaiter"], ["waits of the shop"]),
        ("AccountConcurrencyThreshold", [], ["0"]),
    ],
)
def test_a_value_that_would_not_mean_what_it_says_is_refused(name: str, taken: list[str], refused: list[str]) -> None:
    parameter = SOURCE["Parameters"][name]
    assert [value for value in [*taken, *refused] if allowed(parameter, value)] == taken


def test_the_dashboard_comes_with_its_parameter_alone() -> None:
    assert len(of_type(deployed(Dashboard="true"), "AWS::CloudWatch::Dashboard")) == 1
    assert of_type(deployed(Dashboard="true"), "AWS::CloudWatch::Alarm") == []


@pytest.mark.parametrize(("reserved", "count"), [("", 12), ("50", 13)])
def test_the_alarms_come_with_their_topic_alone_and_notify_it(reserved: str, count: int) -> None:
    alarms = of_type(deployed(AlarmTopicArn=TOPIC, ReservedConcurrency=reserved), "AWS::CloudWatch::Alarm")

    assert len(alarms) == count
    assert {json.dumps(alarm["AlarmActions"]) for alarm in alarms} == {json.dumps([TOPIC])}
    assert [alarm["Threshold"] for alarm in alarms if alarm["MetricName"] == "ConcurrentExecutions"] == (
        [reserved] if reserved else []
    )


@pytest.mark.parametrize(
    "parameters", [{}, {"Dashboard": "true", "AlarmTopicArn": TOPIC, "ConsumerAccounts": "1" * 12}]
)
def test_it_takes_the_capability_that_readme_names_and_no_other(parameters: dict[str, str]) -> None:
    """Names of roles and policies would take CAPABILITY_NAMED_IAM, a macro or a nested stack CAPABILITY_AUTO_EXPAND."""
    resources = deployed(**parameters)

    roles = of_type(resources, "AWS::IAM::Role")
    assert roles
    assert not any("RoleName" in role for role in roles)
    assert not {"AWS::CloudFormation::Stack", "AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::Group"} & {
        resource["Type"] for resource in resources.values()
    }
    # sam deploy and aws cloudformation deploy make a change set, which expands this one without it.
    assert SOURCE["Transform"] == "AWS::Serverless-2016-10-31"
    assert "Fn::Transform" not in json.dumps(SOURCE)
    readme = (ROOT / "README.md").read_text()
    assert "`CAPABILITY_IAM`" in readme
    assert "CAPABILITY_NAMED_IAM" not in readme
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert config["global"]["parameters"]["stack_name"] == "ecr-image-waiter"
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
