"""MiniStack, with pipelines and more conditions in its CloudFormation: run in place of `python -m ministack`.

It has no CodePipeline and refuses a whole template with an AWS::CodePipeline::Pipeline. Here the front makes, changes
and deletes that resource; AWS_ENDPOINT_URL_CODEPIPELINE is where it is. Nothing else of MiniStack is touched. `Ref` is
the pipeline's name, `Version` its attribute. RestartExecutionOnUpdate and DisableInboundStageTransitions are ignored.

In conditions it knows Ref and Select, and takes anything else for a text that nothing is equal to. Here Join, Split and
Sub are worked off before, by its own means.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import boto3

_CLOUDFORMATION = "ministack.services.cloudformation"
_ENGINE = import_module(f"{_CLOUDFORMATION}.engine")
_EVALUATE = _ENGINE._evaluate_conditions  # noqa: SLF001  # there is no public way
_PROVISIONERS = import_module(f"{_CLOUDFORMATION}.provisioners")
_RESPONSES = import_module("ministack.core.responses")


def evaluate_conditions(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, bool]:
    """Return which of a template's conditions hold."""

    def worked_off(part: Any) -> Any:
        if isinstance(part, list):
            return [worked_off(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.keys() & {"Fn::Join", "Fn::Split", "Fn::Select", "Fn::Sub"}:
            return _ENGINE._resolve_refs(part, {}, parameters, {}, template.get("Mappings", {}), "", "")  # noqa: SLF001
        return {key: worked_off(value) for key, value in part.items()}

    conditions = {name: worked_off(condition) for name, condition in template.get("Conditions", {}).items()}
    found: dict[str, bool] = _EVALUATE({**template, "Conditions": conditions}, parameters)
    return found


def create(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    """Return the pipeline's name and attributes."""
    name = properties.get("Name") or _PROVISIONERS._physical_name(stack_name, logical_id, max_len=100)  # noqa: SLF001
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])]
    answer = _client().create_pipeline(pipeline=_declaration(name, properties), tags=tags)
    return name, {"Version": str(answer["pipeline"]["version"])}


def update(
    name: str, _: Mapping[str, Any], properties: Mapping[str, Any], stack_name: str
) -> tuple[str, dict[str, Any]]:
    """Return the pipeline's name and attributes. Another name makes another pipeline."""
    if properties.get("Name", name) != name:
        return create(name, properties, stack_name)
    answer = _client().update_pipeline(pipeline=_declaration(name, properties))
    return name, {"Version": str(answer["pipeline"]["version"])}


def delete(name: str, _: Mapping[str, Any]) -> None:
    """Delete a pipeline, if it is there."""
    _client().delete_pipeline(name=name)


def _client() -> Any:
    return boto3.client(
        "codepipeline",
        endpoint_url=os.environ["AWS_ENDPOINT_URL_CODEPIPELINE"],
        region_name=_RESPONSES.get_region(),
        aws_access_key_id=_RESPONSES.get_account_id(),
        aws_secret_access_key="sandbox",  # noqa: S106  # made up
    )


def _declaration(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    known = ("RoleArn", "ArtifactStore", "Stages", "ExecutionMode", "PipelineType", "Variables", "Triggers")
    declaration: dict[str, Any] = _in_camel_case({key: properties[key] for key in known if key in properties})
    stores = {each["Region"]: _in_camel_case(each["ArtifactStore"]) for each in properties.get("ArtifactStores", [])}
    return {"name": name, **declaration, **({"artifactStores": stores} if stores else {})}


def _in_camel_case(value: Any, key: str = "") -> Any:
    """Spell a property as the API does; the keys of an action's configuration are its provider's own."""
    if isinstance(value, list):
        return [_in_camel_case(each) for each in value]
    if isinstance(value, dict) and key != "Configuration":
        return {name[0].lower() + name[1:]: _in_camel_case(each, name) for name, each in value.items()}
    if isinstance(value, dict):
        return {name: str(each) for name, each in value.items()}
    # A number may come as text, and text that looks like one as a number.
    return {"RunOrder": int, "TimeoutInMinutes": int, "Version": str}.get(key, lambda same: same)(value)


if __name__ == "__main__":
    _PROVISIONERS._RESOURCE_HANDLERS["AWS::CodePipeline::Pipeline"] = {  # noqa: SLF001  # there is no public way
        "create": create,
        "update": update,
        "delete": delete,
    }
    for module in ("changesets", "engine", "handlers", "stacks"):
        vars(import_module(f"{_CLOUDFORMATION}.{module}"))["_evaluate_conditions"] = evaluate_conditions
    import_module("ministack.app").main()
