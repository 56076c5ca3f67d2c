"""The template asks for no more than it needs, and its upgrades strand nobody. Read after SAM's own transform."""

import json
from graphlib import TopologicalSorter
from itertools import chain
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.policy.template import as_cloudformation_gets_it

TEMPLATE = as_cloudformation_gets_it(yaml_parse((ROOT / "template.yaml").read_text()))
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTION = RESOURCES["WaiterFunction"]["Properties"]
ALARMS = (
    *("LastResort", "LastResortErrors", "Errors", "Unexpected", "Stopped", "HandOvers", "Recursion", "DroppedEvents"),
    *("Throttles", "AccountConcurrency", "Reservation", "UnansweredChecks", "DeliveryRetries"),
)


def references(value: object) -> set[str]:
    """Return the logical ids of the resources that a part of the template refers to."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(references, value.values()))
    if "Ref" in value:
        found.add(value["Ref"])
    if "Fn::GetAtt" in value:
        named = value["Fn::GetAtt"]
        found.add(named.split(".")[0] if isinstance(named, str) else named[0])
    if "DependsOn" in value:
        named = value["DependsOn"]
        found |= {named} if isinstance(named, str) else set(named)
    return found & RESOURCES.keys()


def statements() -> list[dict[str, Any]]:
    policies = [
        *RESOURCES["WaiterRole"]["Properties"]["Policies"],
        *(resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::IAM::Policy"),
    ]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def test_no_resource_refers_to_itself_in_a_circle() -> None:
    TopologicalSorter({name: references(resource) for name, resource in RESOURCES.items()}).prepare()


def test_the_logical_ids_stay_what_they_were_because_another_one_is_another_function() -> None:
    assert {name: resource["Type"] for name, resource in RESOURCES.items()} == {
        "WaiterFunction": "AWS::Lambda::Function",
        "WaiterFunctionEventInvokeConfig": "AWS::Lambda::EventInvokeConfig",
        "WaiterRole": "AWS::IAM::Role",
        "InvokeItself": "AWS::IAM::Policy",
        "LookForPublicImages": "AWS::IAM::Policy",
        "AssumeRoles": "AWS::IAM::Policy",
        "FollowBuilds": "AWS::IAM::Policy",
        "StartBuilds": "AWS::IAM::Policy",
        "FollowPipelines": "AWS::IAM::Policy",
        "StartPipelines": "AWS::IAM::Policy",
        "LastResortFunction": "AWS::Lambda::Function",
        "LastResortFunctionEventInvokeConfig": "AWS::Lambda::EventInvokeConfig",
        "LastResortRole": "AWS::IAM::Role",
        "LastResortLogGroup": "AWS::Logs::LogGroup",
        "WaiterLogGroup": "AWS::Logs::LogGroup",
        "ServiceTokenParameter": "AWS::SSM::Parameter",
        **{f"ConsumerAccount{number}": "AWS::Lambda::Permission" for number in range(1, 6)},
        "ConsumerOrganization": "AWS::Lambda::Permission",
        "WaitsDashboard": "AWS::CloudWatch::Dashboard",
        **{f"{name}Alarm": "AWS::CloudWatch::Alarm" for name in ALARMS},
    }


def test_nothing_is_named_unless_the_operator_names_it() -> None:
    assert FUNCTION["FunctionName"] == {"Fn::If": ["HasFunctionName", {"Ref": "FunctionName"}, {"Ref": "AWS::NoValue"}]}
    assert "RoleName" not in RESOURCES["WaiterRole"]["Properties"]
    assert RESOURCES["WaiterLogGroup"]["Properties"]["LogGroupName"] == {
        "Fn::If": ["HasLogGroupName", {"Ref": "LogGroupName"}, {"Ref": "AWS::NoValue"}]
    }
    assert TEMPLATE["Conditions"]["HasLogGroupName"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "LogGroupName"}, ""]}]}
    assert "LogGroupName" not in RESOURCES["LastResortLogGroup"]["Properties"]
    assert {TEMPLATE["Parameters"][name]["Default"] for name in ("FunctionName", "LogGroupName")} == {""}


def test_the_function_runs_as_promised() -> None:
    assert FUNCTION["Runtime"] == "python3.13"
    assert FUNCTION["Handler"] == "ecr_image_waiter.handler.lambda_handler"
    assert FUNCTION["Timeout"] == 900
    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    assert (defaults["Architecture"], defaults["MemorySize"]) == ("arm64", 128)
    assert defaults["ServiceTokenParameterName"] == "/ecr-image-waiter/service-token"
    assert defaults["ReservedConcurrency"] == ""


@pytest.mark.parametrize("function", ["WaiterFunction", "LastResortFunction"])
def test_an_asynchronous_invocation_is_retried_twice_however_late_it_crashes(function: str) -> None:
    config = RESOURCES[f"{function}EventInvokeConfig"]["Properties"]
    assert config["MaximumRetryAttempts"] == 2
    assert config["MaximumEventAgeInSeconds"] == 3600  # three runs of 900 s and their pauses of 60 s and 120 s fit
    assert config["Qualifier"] == "$LATEST"  # what an invocation by the plain ARN gets


def test_the_role_may_do_these_things_and_nothing_else() -> None:
    assert "ManagedPolicyArns" not in RESOURCES["WaiterRole"]["Properties"]
    actions = ([s["Action"]] if isinstance(s["Action"], str) else s["Action"] for s in statements())
    assert sorted(chain.from_iterable(actions)) == [
        "cloudformation:DescribeStacks",
        "codebuild:BatchGetBuilds",
        "codebuild:ListBuildsForProject",
        "codebuild:StartBuild",
        "codepipeline:ListActionExecutions",
        "codepipeline:ListPipelineExecutions",
        "codepipeline:StartPipelineExecution",
        "ecr-public:DescribeImages",
        "ecr-public:DescribeRegistries",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        "lambda:InvokeFunction",  # itself
        "lambda:InvokeFunction",  # the last resort
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sts:AssumeRole",
    ]


def test_each_permission_is_for_one_resource_or_for_the_repositories_the_operator_names() -> None:
    by_sid = {statement["Sid"]: statement["Resource"] for statement in statements()}
    assert by_sid["HandOver"] == {"Fn::GetAtt": ["WaiterFunction", "Arn"]}
    assert by_sid["CallLastResort"] == {"Fn::GetAtt": ["LastResortFunction", "Arn"]}
    assert by_sid["WriteOwnLog"] == {"Fn::GetAtt": ["WaiterLogGroup", "Arn"]}
    stacks = {"Fn::Sub": "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"}
    assert by_sid["DescribeStacks"] == stacks  # it waits for stacks that nobody knows beforehand
    everywhere = {"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*"}
    named = {"Fn::If": ["AllRepositories", everywhere, {"Ref": "RepositoryArnPattern"}]}
    for sid in ("DescribeImages", "GetManifests", "GetConfigs"):
        assert by_sid[sid] == named, sid
    public = "arn:${AWS::Partition}:ecr-public::${AWS::AccountId}:"
    assert by_sid["DescribePublicImages"] == {"Fn::Sub": public + "repository/*"}
    assert by_sid["DescribePublicRegistry"] == {"Fn::Sub": public + "registry/*"}


def test_ecr_public_is_looked_into_where_there_is_one() -> None:
    assert RESOURCES["LookForPublicImages"]["Condition"] == "HasEcrPublic"
    assert TEMPLATE["Conditions"]["HasEcrPublic"] == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]}


def test_no_role_may_be_assumed_unless_the_operator_names_it() -> None:
    assert RESOURCES["AssumeRoles"]["Condition"] == "AssumesRoles"
    assert TEMPLATE["Parameters"]["AssumableRoleArns"]["Default"] == ""
    (statement,) = RESOURCES["AssumeRoles"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sts:AssumeRole", {"Ref": "AssumableRoleArns"})


@pytest.mark.parametrize(
    ("policy", "condition", "parameter"),
    [
        ("FollowBuilds", "FollowsBuilds", "BuildProjectArns"),
        ("StartBuilds", "StartsBuilds", "BuildProjectArns"),
        ("FollowPipelines", "FollowsPipelines", "PipelineArns"),
        ("StartPipelines", "StartsPipelines", "PipelineArns"),
    ],
)
def test_no_build_is_followed_or_started_unless_the_operator_names_it(
    policy: str, condition: str, parameter: str
) -> None:
    assert RESOURCES[policy]["Condition"] == condition
    assert TEMPLATE["Parameters"][parameter]["Default"] == ""
    assert TEMPLATE["Parameters"]["AllowStartBuild"]["Default"] == "false"
    (statement,) = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Ref": parameter}
    named = {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]}
    follows = "FollowsBuilds" if parameter == "BuildProjectArns" else "FollowsPipelines"
    assert TEMPLATE["Conditions"][follows] == named
    if condition != follows:
        allowed = {"Fn::Equals": [{"Ref": "AllowStartBuild"}, "true"]}
        assert TEMPLATE["Conditions"][condition] == {"Fn::And": [{"Condition": follows}, allowed]}


def test_the_role_s_policies_stand_before_the_service_token_is_known() -> None:
    assert "AssumeRoles" not in references(RESOURCES["WaiterFunction"])


def test_the_last_resort_is_called_when_the_waiter_dies_and_refers_to_nothing_of_the_waiter_s() -> None:
    config = RESOURCES["WaiterFunctionEventInvokeConfig"]["Properties"]
    assert config["DestinationConfig"]["OnFailure"] == {"Destination": {"Fn::GetAtt": ["LastResortFunction", "Arn"]}}
    for name in ("LastResortFunction", "LastResortRole", "LastResortLogGroup", "LastResortFunctionEventInvokeConfig"):
        assert not {other for other in references(RESOURCES[name]) if other.startswith("Waiter")}


def test_the_last_resort_may_ask_about_stacks_and_write_its_log_and_nothing_else() -> None:
    policies = RESOURCES["LastResortRole"]["Properties"]["Policies"]
    allowed = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    stacks = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"
    assert [(s["Action"], s["Resource"]) for s in allowed] == [
        ("cloudformation:DescribeStacks", {"Fn::Sub": stacks}),
        (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["LastResortLogGroup", "Arn"]}),
    ]


@pytest.mark.parametrize("group", ["WaiterLogGroup", "LastResortLogGroup"])
def test_the_operator_may_name_a_key_for_both_logs(group: str) -> None:
    key = {"Fn::If": ["HasLogKmsKey", {"Ref": "LogKmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    assert RESOURCES[group]["Properties"]["KmsKeyId"] == key
    assert TEMPLATE["Conditions"]["HasLogKmsKey"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "LogKmsKeyArn"}, ""]}]}
    assert TEMPLATE["Parameters"]["LogKmsKeyArn"]["Default"] == ""


def test_whoever_finds_the_service_token_may_use_it() -> None:
    assert references(RESOURCES["ServiceTokenParameter"]) >= {"InvokeItself", "WaiterFunction"}
    token = TEMPLATE["Outputs"]["ServiceToken"]
    assert token["Value"] == {"Fn::GetAtt": ["WaiterFunction", "Arn"]}
    assert token["Export"]["Name"] == {"Fn::Sub": "${AWS::StackName}-ServiceToken"}


def test_a_deployed_function_sends_its_answers_nowhere_but_to_aws() -> None:
    # Any of these set would let it answer other hosts.
    variables = FUNCTION["Environment"]["Variables"]
    set_here = {name for name, value in variables.items() if value != {"Ref": "AWS::NoValue"}}
    assert set_here == {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_every_parameter_is_described_and_has_a_default(name: str) -> None:
    parameter = TEMPLATE["Parameters"][name]
    assert len(parameter["Description"]) > 20
    assert "Default" in parameter
    assert name in json.dumps(TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"])


def test_the_reserved_concurrency_says_what_it_costs() -> None:
    description = TEMPLATE["Parameters"]["ReservedConcurrency"]["Description"]
    assert "Deletes and images that are already there queue behind waits that sleep" in description
