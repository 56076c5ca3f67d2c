"""The template that `sam build` makes keeps the rules, and each rule notices when it is broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import Cloud
from sandbox.processes import ROOT
from tests.policy.template import as_cloudformation_gets_it, violations

TEXT = (ROOT / "template.yaml").read_text()
Break = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def built(cloud: Cloud) -> dict[str, Any]:
    return as_cloudformation_gets_it(yaml_parse((cloud.artifact.parent / "template.yaml").read_text()))


def test_the_built_template_breaks_no_rule(built: dict[str, Any]) -> None:
    assert violations(built, TEXT) == []


def of(template: dict[str, Any], name: str) -> dict[str, Any]:
    properties: dict[str, Any] = template["Resources"][name]["Properties"]
    return properties


def statement(template: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = of(template, "WaiterRole")["Policies"][0]["PolicyDocument"]["Statement"][0]
    return first


def config(template: dict[str, Any]) -> dict[str, Any]:
    return of(template, "WaiterFunctionEventInvokeConfig")


BREAKS: dict[str, tuple[Break, str]] = {
    "a wildcard action": (lambda t: statement(t).update(Action="ecr:Describe*"), "wildcard in action"),
    "every resource": (lambda t: statement(t).update(Resource="*"), "every resource"),
    "no resource": (lambda t: statement(t).pop("Resource"), "every resource"),
    "a denial": (lambda t: statement(t).update(Effect="Deny"), "not meant"),
    "all but": (lambda t: statement(t).update(NotAction="x"), "not meant"),
    "no Sid": (lambda t: statement(t).pop("Sid"), "no reason beside it"),
    "a Sid nobody explains": (lambda t: statement(t).update(Sid="JustInCase"), "no reason beside it"),
    "a managed policy": (lambda t: of(t, "WaiterRole").update(ManagedPolicyArns=["arn:x"]), "managed policy"),
    "a log for ever": (lambda t: of(t, "WaiterLogGroup").pop("RetentionInDays"), "grows for ever"),
    "a log that Lambda makes": (lambda t: of(t, "WaiterFunction").pop("LoggingConfig"), "no log group of its own"),
    "no guard": (lambda t: of(t, "WaiterFunction").update(RecursiveLoop="Allow"), "nothing stops a loop"),
    "a dead letter queue": (
        lambda t: of(t, "WaiterFunction").update(DeadLetterConfig={}),
        "would keep the response URL",
    ),
    "retries unset": (lambda t: config(t).pop("MaximumRetryAttempts"), "MaximumRetryAttempts is left to Lambda"),
    "event age unset": (lambda t: config(t).pop("MaximumEventAgeInSeconds"), "EventAgeInSeconds is left to Lambda"),
    "no config": (lambda t: t["Resources"].pop("LastResortFunctionEventInvokeConfig"), "LastResortFunction: Maximum"),
    "no destination": (lambda t: config(t).pop("DestinationConfig"), "nobody answers when it dies"),
    "a queue as destination": (
        lambda t: config(t)["DestinationConfig"]["OnFailure"].update(Destination="arn:aws:sqs:x"),
        "nobody answers when it dies",
    ),
    "a short timeout": (lambda t: of(t, "WaiterFunction").update(Timeout=250), "the guard against recursion"),
    "an endpoint": (
        lambda t: of(t, "WaiterFunction")["Environment"]["Variables"].update(AWS_ENDPOINT_URL="https://x"),
        "answers go anywhere",
    ),
    "alarms for everybody": (lambda t: t["Resources"]["ErrorsAlarm"].pop("Condition"), "without being asked for"),
    "the whole world": (lambda t: of(t, "ConsumerOrganization").pop("PrincipalOrgID"), "anybody may call"),
    "more than a call": (lambda t: of(t, "ConsumerAccount2").update(Action="lambda:*"), "allows more than a call"),
    "a silent alarm": (lambda t: of(t, "ErrorsAlarm").pop("AlarmActions"), "tells nobody"),
    "an alarm at rest": (lambda t: of(t, "ErrorsAlarm").pop("TreatMissingData"), "where nothing happens"),
    "a table": (lambda t: t["Resources"].update(T={"Type": "AWS::DynamoDB::Table"}), "one thing more to operate"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_named(built: dict[str, Any], name: str) -> None:
    break_it, said = BREAKS[name]
    broken = copy.deepcopy(built)

    break_it(broken)

    found = violations(broken, TEXT)
    assert found
    assert any(said in violation for violation in found), found


def test_a_reason_that_names_a_module_that_is_gone_is_named(built: dict[str, Any]) -> None:
    text = TEXT.replace("# aws/cloudformation.py:", "# gone.py:")

    assert violations(built, text) == ["DescribeStacks: needed by gone.py, which is not there"]
