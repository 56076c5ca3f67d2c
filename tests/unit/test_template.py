"""The template asks for no more than it needs, and its upgrades strand nobody. Read after SAM's own transform."""

import json
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


STACKS = {"Fn::Sub": "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"}


def references(value: object) -> set[str]:
    """Return the logical ids of the resources that a part of the template refers to."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(references, value.values()))
    for key in {"Ref", "Fn::GetAtt", "DependsOn"} & value.keys():
        named = value[key].split(".")[:1] if isinstance(value[key], str) else value[key]
        found |= set(named[:1] if key == "Fn::GetAtt" else named)
    return found & RESOURCES.keys()


def statements() -> list[dict[str, Any]]:
    policies = [
        *RESOURCES["WaiterRole"]["Properties"]["Policies"],
        *(resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::IAM::Policy"),
    ]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def test_the_logical_ids_stay_what_they_were_because_another_one_is_another_function() -> None:
    functions = ("WaiterFunction", "LastResortFunction")
    assert {name: resource["Type"].removeprefix("AWS::") for name, resource in RESOURCES.items()} == {
        **dict.fromkeys(functions, "Lambda::Function"),
        **dict.fromkeys((f"{name}EventInvokeConfig" for name in functions), "Lambda::EventInvokeConfig"),
        **dict.fromkeys(("WaiterRole", "LastResortRole"), "IAM::Role"),
        **dict.fromkeys(("InvokeItself", "LookForPublicImages", "AssumeRoles"), "IAM::Policy"),
        **dict.fromkeys(("FollowBuilds", "StartBuilds", "FollowPipelines", "StartPipelines"), "IAM::Policy"),
        **dict.fromkeys(("WaiterLogGroup", "LastResortLogGroup"), "Logs::LogGroup"),
        "ServiceTokenParameter": "SSM::Parameter",
        **dict.fromkeys((f"ConsumerAccount{number}" for number in range(1, 6)), "Lambda::Permission"),
        "ConsumerOrganization": "Lambda::Permission",
        "WaitsDashboard": "CloudWatch::Dashboard",
        **dict.fromkeys((f"{name}Alarm" for name in ALARMS), "CloudWatch::Alarm"),
    }


def given(parameter: str, condition: str) -> dict[str, Any]:
    """Return an optional property, which is the value of a parameter that is empty by default."""
    assert TEMPLATE["Parameters"][parameter]["Default"] == ""
    assert TEMPLATE["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
    return {"Fn::If": [condition, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}


def test_nothing_is_named_or_encrypted_unless_the_operator_says_so() -> None:
    waiters, last_resorts = (RESOURCES[name]["Properties"] for name in ("WaiterLogGroup", "LastResortLogGroup"))
    assert FUNCTION["FunctionName"] == given("FunctionName", "HasFunctionName")
    assert "RoleName" not in RESOURCES["WaiterRole"]["Properties"]
    assert waiters["LogGroupName"] == given("LogGroupName", "HasLogGroupName")
    assert "LogGroupName" not in last_resorts
    assert waiters["KmsKeyId"] == last_resorts["KmsKeyId"] == given("LogKmsKeyArn", "HasLogKmsKey")


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
    for sid, name in (("HandOver", "WaiterFunction"), ("CallLastResort", "LastResortFunction")):
        assert by_sid[sid] == {"Fn::GetAtt": [name, "Arn"]}
    assert by_sid["WriteOwnLog"] == {"Fn::GetAtt": ["WaiterLogGroup", "Arn"]}
    assert by_sid["DescribeStacks"] == STACKS  # it waits for stacks that nobody knows beforehand
    everywhere = {"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*"}
    named = {"Fn::If": ["AllRepositories", everywhere, {"Ref": "RepositoryArnPattern"}]}
    assert [by_sid[sid] for sid in ("DescribeImages", "GetManifests", "GetConfigs")] == [named] * 3
    public = "arn:${AWS::Partition}:ecr-public::${AWS::AccountId}:"
    assert by_sid["DescribePublicImages"] == {"Fn::Sub": public + "repository/*"}
    assert by_sid["DescribePublicRegistry"] == {"Fn::Sub": public + "registry/*"}


NAMED_BUILDS = {"FollowsBuilds": "BuildProjectArns", "FollowsPipelines": "PipelineArns"}
OPTIONAL = {
    "LookForPublicImages": ("HasEcrPublic", ""),
    "AssumeRoles": ("AssumesRoles", "AssumableRoleArns"),
    "FollowBuilds": ("FollowsBuilds", "BuildProjectArns"),
    "StartBuilds": ("StartsBuilds", "BuildProjectArns"),
    "FollowPipelines": ("FollowsPipelines", "PipelineArns"),
    "StartPipelines": ("StartsPipelines", "PipelineArns"),
}


@pytest.mark.parametrize("policy", OPTIONAL)
def test_no_role_is_assumed_and_no_build_followed_or_started_unless_the_operator_names_it(policy: str) -> None:
    condition, parameter = OPTIONAL[policy]
    assert RESOURCES[policy]["Condition"] == condition
    if parameter:
        assert TEMPLATE["Parameters"][parameter]["Default"] == ""
        resources = [each["Resource"] for each in RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]]
        assert resources == [{"Ref": parameter}]


def test_a_policy_is_there_where_its_condition_holds() -> None:
    conditions = TEMPLATE["Conditions"]
    assert conditions["HasEcrPublic"] == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]}
    assert TEMPLATE["Parameters"]["AllowStartBuild"]["Default"] == "false"
    allowed = {"Fn::Equals": [{"Ref": "AllowStartBuild"}, "true"]}
    for follows, parameter in NAMED_BUILDS.items():
        assert conditions[follows] == {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]}
        starts = follows.replace("Follows", "Starts")
        assert conditions[starts] == {"Fn::And": [{"Condition": follows}, allowed]}


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
    assert [(s["Action"], s["Resource"]) for s in allowed] == [
        ("cloudformation:DescribeStacks", STACKS),
        (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["LastResortLogGroup", "Arn"]}),
    ]


def test_the_service_token_may_be_used_once_it_is_found() -> None:
    assert references(RESOURCES["ServiceTokenParameter"]) >= {"InvokeItself", "WaiterFunction"}
    token = TEMPLATE["Outputs"]["ServiceToken"]
    assert token["Value"] == {"Fn::GetAtt": ["WaiterFunction", "Arn"]}
    assert token["Export"]["Name"] == {"Fn::Sub": "${AWS::StackName}-ServiceToken"}


def test_a_deployed_function_sends_its_answers_nowhere_but_to_aws() -> None:
    # Any of these set would let it answer other hosts.
    variables = FUNCTION["Environment"]["Variables"]
    set_here = {name for name, value in variables.items() if value != {"Ref": "AWS::NoValue"}}
    assert set_here == {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}


def test_every_parameter_is_described_and_has_a_default() -> None:
    for name, parameter in TEMPLATE["Parameters"].items():
        assert len(parameter["Description"]) > 20
        assert "Default" in parameter
        assert name in json.dumps(TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"])
