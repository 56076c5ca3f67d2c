"""Terraform's part played: a configuration applied to the sandbox, where its AWS provider cannot be had.

What it is: the files are read, expressions evaluated, and resources made in the order of their references; instances of
one block side by side, as Terraform makes them. What it is not: a plan, a state, an update, a destruction, and the
provider's own checks. A resource is made by one call of AWS's API; the table `MAKERS` is all there is, and an argument
that a maker does not know is an error.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hcl import Block, Module, address_of, evaluate, read

Arguments = dict[str, Any]
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Step:
    """Something that happened: a block's instance was begun or made."""

    address: str
    what: str


class ApplyError(Exception):
    """A resource could not be made."""


class Terraform:
    """One `terraform apply`. `steps` is what has happened so far, in order.

    Args:
        client: makes a boto3 client of a service.
        folder: of the root module.
        variables: their values.
    """

    def __init__(self, client: Client, folder: Path, variables: Mapping[str, Any]) -> None:
        self._client = client
        self._root = read(folder)
        self._variables = variables
        self._lock = threading.Lock()
        self.steps: list[Step] = []

    def apply(self) -> dict[str, Any]:
        """Make everything, and return the outputs."""
        return self._module(self._root, self._variables, "")

    def _module(self, module: Module, given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        path = {"module": str(module.folder)}
        defaults = {
            name: evaluate(variable.arguments["default"], {})
            for name, variable in module.variables.items()
            if "default" in variable.arguments
        }
        names: dict[str, Any] = {"var": {**defaults, **given}, "path": path, "data": {}, "module": {}}
        names["local"] = {name: evaluate(value, names) for name, value in module.locals.items()}
        for block in _in_order(module):
            kind, name = block.address.split(".")[-2:]
            made = self._instances(module, block, names, prefix)
            where = (
                names["data"].setdefault(kind, {}) if block.address.startswith("data.") else names.setdefault(kind, {})
            )
            where[name] = made
        return {name: evaluate(each.arguments["value"], names) for name, each in module.outputs.items()}

    def _instances(self, module: Module, block: Block, names: dict[str, Any], prefix: str) -> Any:
        if "for_each" not in block.arguments:
            return self._instance(module, block, names, f"{prefix}{block.address}")
        keys = evaluate(block.arguments["for_each"], names)
        with ThreadPoolExecutor(len(keys)) as pool:
            return dict(
                zip(
                    keys,
                    pool.map(
                        lambda key: self._instance(
                            module,
                            block,
                            {**names, "each": {"key": key, "value": key}},
                            f'{prefix}{block.address}["{key}"]',
                        ),
                        keys,
                    ),
                    strict=True,
                )
            )

    def _instance(self, module: Module, block: Block, names: Mapping[str, Any], address: str) -> Any:
        arguments = _evaluated(block, names, frozenset({"for_each", "depends_on", "providers", "source"}))
        if block.kind == "module":
            return self._module(module.child(block), arguments, f"{address}.")
        self._tell(address, "begun")
        kind = f"data.{block.kind}" if block.address.startswith("data.") else block.kind
        made = MAKERS[kind](self._client, arguments)
        if arguments:
            raise ApplyError(f"{address}: not played: {', '.join(arguments)}")
        self._tell(address, "made")
        return made

    def _tell(self, address: str, what: str) -> None:
        with self._lock:
            self.steps.append(Step(address, what))


def _in_order(module: Module) -> Iterator[Block]:
    left = dict(module.blocks)
    while left:
        ready = [
            block
            for block in left.values()
            if not any(address_of(reference) in left for reference in block.references())
        ]
        if not ready:
            raise ApplyError(f"A cycle: {', '.join(left)}")
        for block in ready:
            yield left.pop(block.address)


def _evaluated(block: Block, names: Mapping[str, Any], but: frozenset[str] = frozenset()) -> Arguments:
    blocks = {name: [_evaluated(each, names) for each in inner] for name, inner in block.blocks.items()}
    return {name: evaluate(value, names) for name, value in block.arguments.items() if name not in but} | blocks


def _parameter(client: Client, arguments: Arguments) -> Arguments:
    found = client("ssm").get_parameter(Name=arguments.pop("name"))["Parameter"]
    return {"value": found["Value"], "insecure_value": found["Value"]}


def _repository(client: Client, arguments: Arguments) -> Arguments:
    (scanning,) = arguments.pop("image_scanning_configuration")
    made = client("ecr").create_repository(
        repositoryName=arguments.pop("name"), imageScanningConfiguration={"scanOnPush": scanning["scan_on_push"]}
    )["repository"]
    return {"name": made["repositoryName"], "arn": made["repositoryArn"], "repository_url": made["repositoryUri"]}


def _lifecycle(client: Client, arguments: Arguments) -> Arguments:
    policy, repository = arguments.pop("policy"), arguments.pop("repository")
    client("ecr").put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy)
    return {"repository": repository}


def _role(client: Client, arguments: Arguments) -> Arguments:
    made = client("iam").create_role(
        RoleName=arguments.pop("name"), AssumeRolePolicyDocument=arguments.pop("assume_role_policy")
    )["Role"]
    return {"name": made["RoleName"], "arn": made["Arn"]}


def _attachment(client: Client, arguments: Arguments) -> Arguments:
    client("iam").attach_role_policy(RoleName=arguments.pop("role"), PolicyArn=arguments.pop("policy_arn"))
    return {}


def _stack(client: Client, arguments: Arguments) -> Arguments:
    cloudformation = client("cloudformation")
    seconds = float(arguments.pop("timeouts")[0]["create"].removesuffix("m")) * 60
    arguments["parameters"] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in arguments["parameters"].items()
    ]
    stack = cloudformation.create_stack(
        StackName=arguments.pop("name"),
        TemplateBody=arguments.pop("template_body"),
        Parameters=arguments.pop("parameters"),
        OnFailure=arguments.pop("on_failure"),
    )["StackId"]
    deadline = time.monotonic() + seconds
    while True:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if found["StackStatus"] == "CREATE_COMPLETE":
            return {"outputs": {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}}
        if not found["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            raise ApplyError("; ".join(event.get("ResourceStatusReason", "") for event in events))
        time.sleep(0.2)


def _invocation(client: Client, arguments: Arguments) -> Arguments:
    arguments.pop("triggers")
    answer = client("lambda").invoke(FunctionName=arguments.pop("function_name"), Payload=arguments.pop("input"))
    result = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise ApplyError(json.loads(result)["errorMessage"])
    return {"result": result}


def _function(client: Client, arguments: Arguments) -> Arguments:
    made = client("lambda").create_function(
        FunctionName=arguments.pop("function_name"),
        Role=arguments.pop("role"),
        PackageType=arguments.pop("package_type"),
        Architectures=arguments.pop("architectures"),
        MemorySize=arguments.pop("memory_size"),
        Timeout=arguments.pop("timeout"),
        Code={"ImageUri": arguments.pop("image_uri")},
    )
    return {"arn": made["FunctionArn"], "function_name": made["FunctionName"]}


MAKERS: dict[str, Callable[[Client, Arguments], Arguments]] = {
    "data.aws_ssm_parameter": _parameter,
    "aws_cloudformation_stack": _stack,
    "aws_ecr_lifecycle_policy": _lifecycle,
    "aws_ecr_repository": _repository,
    "aws_iam_role": _role,
    "aws_iam_role_policy_attachment": _attachment,
    "aws_lambda_function": _function,
    "aws_lambda_invocation": _invocation,
}
