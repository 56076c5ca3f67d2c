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
    "a managed policy": (lambda t: of(t, "WaiterRole").update(ManagedPolicyArns=["arn:x"]), "managed policy"),
    "no destination": (lambda t: config(t).pop("DestinationConfig"), "nobody answers when it dies"),
    "the whole world": (lambda t: of(t, "ConsumerOrganization").pop("PrincipalOrgID"), "anybody may call"),
    "a table": (lambda t: t["Resources"].update(T={"Type": "AWS::DynamoDB::Table"}), "one thing more to operate"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_named(built: dict[str, Any], name: str) -> None:
    break_it, said = BREAKS[name]
    broken = copy.deepcopy(built)

    break_it(broken)

    assert any(said in violation for violation in violations(broken, TEXT))


def test_a_reason_that_names_a_module_that_is_gone_is_named(built: dict[str, Any]) -> None:
    text = TEXT.replace("# aws/cloudformation.py:", "# gone.py:")

    assert violations(built, text) == ["DescribeStacks: needed by gone.py, which is not there"]
