"""What a template of this project must be, as rules that name what breaks them.

They read the template as CloudFormation gets it, after the build and the transform; the reasons beside permissions are
read from its source, since a build drops comments.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from samtranslator.translator.transform import transform

from ecr_image_waiter.core.deadline import MAX_INVOCATIONS, invocations_needed, response_reserve
from sandbox.processes import ROOT
from tests.support.fakes import ManagedPolicies

LONGEST_WAIT = 3600 - response_reserve(3600)
"""Seconds; the contract's section 3."""
OPTIONAL = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::Permission"}
"""What an operator has to ask for."""
FOLDERS = ("ecr_image_waiter", "last_resort")
"""Of src: what needs permissions."""
TYPES = OPTIONAL | {
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::SSM::Parameter",
}
"""Nothing else to operate, and nothing that would keep a response URL."""


def as_cloudformation_gets_it(source: dict[str, Any], given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a SAM template after the transform. `source` is changed.

    Args:
        source: as it is written, or built.
        given: parameters that are not to have their defaults.
    """
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": name}
    defaults = {name: parameter["Default"] for name, parameter in source["Parameters"].items()}
    result: dict[str, Any] = transform(source, {**defaults, **(given or {})}, ManagedPolicies())
    return result


def statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every statement that gives a role of the template permissions."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        policies = [properties] if resource["Type"] == "AWS::IAM::Policy" else properties.get("Policies", [])
        for policy in policies:
            yield from policy["PolicyDocument"]["Statement"]


def reasons(text: str) -> dict[str, str]:
    """Return what the source of a template says beside each Sid."""
    return dict(re.findall(r"- Sid: (\w+) # (.+)", text))


def violations(template: dict[str, Any], text: str) -> list[str]:
    """Return how a template breaks the rules.

    Args:
        template: as CloudFormation gets it.
        text: its source.
    """
    return [
        *_violations_of_permissions(template, text),
        *_violations_of_functions(template),
        *_violations_of_options(template),
        *(
            f"{name}: {resource['Type']} is one thing more to operate"
            for name, resource in template["Resources"].items()
            if resource["Type"] not in TYPES
        ),
    ]


def _violations_of_permissions(template: dict[str, Any], text: str) -> Iterator[str]:
    for name, resource in template["Resources"].items():
        if resource.get("Properties", {}).get("ManagedPolicyArns"):
            yield f"{name}: a managed policy may change without us"
    for statement in statements(template):
        sid = statement.get("Sid", "")
        if statement["Effect"] != "Allow" or "NotAction" in statement or "NotResource" in statement:
            yield f"{sid}: says what is not meant"
        actions, resources = (_listed(statement.get(key, "*")) for key in ("Action", "Resource"))
        yield from (f"{sid}: wildcard in action {action}" for action in actions if re.search(r"[*?]", action))
        yield from (f"{sid}: every resource there is" for resource in resources if _text_of(resource) == "*")
        yield from _violations_of_a_reason(sid, reasons(text).get(sid))


def _violations_of_a_reason(sid: str, reason: str | None) -> Iterator[str]:
    module = re.match(r"([\w/]+\.py): ", reason or "")
    if reason is None:
        yield f"{sid or 'a statement'}: no reason beside it"
    elif module and not any((ROOT / "src" / folder / module[1]).is_file() for folder in FOLDERS):
        yield f"{sid}: needed by {module[1]}, which is not there"


def _violations_of_functions(template: dict[str, Any]) -> Iterator[str]:
    resources = template["Resources"]
    configs = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::EventInvokeConfig"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Logs::LogGroup" and "RetentionInDays" not in resource.get("Properties", {}):
            yield f"{name}: grows for ever"
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        function = resource["Properties"]
        group = function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if resources.get(group, {}).get("Type") != "AWS::Logs::LogGroup":
            yield f"{name}: no log group of its own"
        if function.get("RecursiveLoop", "Terminate") != "Terminate":
            yield f"{name}: nothing stops a loop"
        if "DeadLetterConfig" in function:
            yield f"{name}: a dead letter would keep the response URL"
        config: dict[str, Any] = next((each for each in configs if each["FunctionName"] == {"Ref": name}), {})
        yield from (f"{name}: {key} is left to Lambda" for key in _SET_FOR_EACH if key not in config)
        if name == "WaiterFunction":
            yield from _violations_of_the_waiter(function, config, resources)


def _violations_of_options(template: dict[str, Any]) -> Iterator[str]:
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] in OPTIONAL and "Condition" not in resource and "Conditions" in template:
            yield f"{name}: comes without being asked for"
        if resource["Type"] == "AWS::Lambda::Permission":
            if properties.get("Action") != "lambda:InvokeFunction":
                yield f"{name}: allows more than a call"
            if properties.get("Principal") == "*" and not properties.get("PrincipalOrgID"):
                yield f"{name}: anybody may call the function"
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            if not properties.get("AlarmActions"):
                yield f"{name}: tells nobody"
            if properties.get("TreatMissingData") != "notBreaching":
                yield f"{name}: where nothing happens there is no alarm"


_SET_FOR_EACH = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")


def _violations_of_the_waiter(
    function: dict[str, Any], config: dict[str, Any], resources: dict[str, Any]
) -> Iterator[str]:
    timeout = function.get("Timeout", 3)
    if invocations_needed(LONGEST_WAIT, timeout) > MAX_INVOCATIONS:
        yield f"WaiterFunction: with {timeout} s the longest wait is stopped by the guard against recursion"
    destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", {})
    last_resort = destination.get("Fn::GetAtt", [""])[0] if isinstance(destination, dict) else ""
    if resources.get(last_resort, {}).get("Type") != "AWS::Lambda::Function":
        yield "WaiterFunction: nobody answers when it dies"
    given = function.get("Environment", {}).get("Variables", {})
    for name, value in given.items():
        if name.startswith("AWS_") and value != {"Ref": "AWS::NoValue"}:
            yield f"WaiterFunction: {name} would let answers go anywhere"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text_of(resource: Any) -> str:
    return str(resource.get("Fn::Sub", "")) if isinstance(resource, dict) else str(resource)
