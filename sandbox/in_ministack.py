"""MiniStack, with resources of the fronts in its CloudFormation: run by its interpreter in place of `-m ministack`.

- AWS::CodePipeline::Pipeline: MiniStack refuses a whole template that has one.
- AWS::ECR::Repository, AWS::ECR::PublicRepository: MiniStack makes the first in an ECR of its own, which nobody here
  asks, and has none of the second. An Update heeds a new name alone; an import takes them as they are.
- A nested stack's template: MiniStack applies SAM's transform to the outer one alone, and here to both.
- A custom resource's function: MiniStack invokes it synchronously and once. Here it is invoked asynchronously, with
  Lambda's retries and its on-failure destination, and the ResponseURL has an X-Amz-Date.
- Conditions: MiniStack knows Ref and Select, and takes anything else for a text that nothing is equal to. Here Join,
  Split and Sub are worked off before, by its own means.

AWS_ENDPOINT_URL_CODEPIPELINE, AWS_ENDPOINT_URL_ECR and AWS_ENDPOINT_URL_ECR_PUBLIC are where the fronts are.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
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


def create_pipeline(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    """Return the pipeline's name and attributes."""
    name = properties.get("Name") or _PROVISIONERS._physical_name(stack_name, logical_id, max_len=100)  # noqa: SLF001  # nothing public
    _client("codepipeline").create_pipeline(pipeline=_declaration(name, properties))
    return name, {"Version": "1"}


def update_pipeline(
    name: str, _: Mapping[str, Any], properties: Mapping[str, Any], stack_name: str
) -> tuple[str, dict[str, Any]]:
    """Return the pipeline's name and attributes. Another name makes another pipeline."""
    if properties.get("Name", name) != name:
        return create_pipeline(name, properties, stack_name)
    _client("codepipeline").update_pipeline(pipeline=_declaration(name, properties))
    return name, {"Version": "1"}


def delete_pipeline(name: str, _: Mapping[str, Any]) -> None:
    """Delete a pipeline, if it is there."""
    _client("codepipeline").delete_pipeline(name=name)


def repositories(service: str) -> dict[str, Callable[..., Any]]:
    """Return what makes, changes, imports and deletes the repositories of a stack in ECR or in ECR Public."""

    def create(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("RepositoryName") or _PROVISIONERS._physical_name(  # noqa: SLF001  # as above
            stack_name, logical_id, lowercase=True, max_len=205
        )
        made = _client(service).create_repository(repositoryName=name, **_mutability(properties))
        return name, attributes(made["repository"])

    def update(
        name: str, _: Mapping[str, Any], properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        if properties.get("RepositoryName", name) != name:
            return create("", properties, stack_name)
        return found(name)

    def found(name: str) -> tuple[str, dict[str, Any]]:
        return name, attributes(_client(service).describe_repositories(repositoryNames=[name])["repositories"][0])

    def attributes(repository: Mapping[str, Any]) -> dict[str, Any]:
        return {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}

    def delete(name: str, properties: Mapping[str, Any]) -> None:
        client = _client(service)
        force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
        with suppress(client.exceptions.RepositoryNotFoundException):
            client.delete_repository(repositoryName=name, force=force)

    def import_existing(identifier: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        return found(identifier["RepositoryName"])

    return {"create": create, "update": update, "delete": delete, "import": import_existing}


def _mutability(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what CreateRepository is told about tags that may be overwritten."""
    kind = "ImageTagMutabilityExclusionFilter"
    filters = [
        {"filterType": each[f"{kind}Type"], "filter": each[f"{kind}Value"]} for each in properties.get(f"{kind}s", [])
    ]
    given = {"imageTagMutability": properties.get("ImageTagMutability"), "imageTagMutabilityExclusionFilters": filters}
    return {name: value for name, value in given.items() if value}


def transform_nested_templates() -> None:
    """Have a nested stack's template transformed when it is read.

    Its maker imports the reader when it needs it; those of other stacks hold the one they got at their import.
    """
    for importer in ("handlers", "changesets"):
        import_module(f"ministack.services.cloudformation.{importer}")
    parse, transform = _ENGINE._parse_template, _ENGINE._apply_transforms  # noqa: SLF001  # as above
    setattr(_ENGINE, "_parse_template", lambda body: transform(parse(body)))  # noqa: B010  # mypy knows no such name


def invoke_as_cloudformation_does() -> None:
    """Invoke the functions of custom resources asynchronously, with the time of the request in the ResponseURL."""
    functions = import_module("ministack.services.lambda_svc")
    resources = import_module(f"{_CLOUDFORMATION}.custom_resource")
    execute, url_of = functions._execute_function_with_config_scope, resources._response_url  # noqa: SLF001  # as above

    def invoke(function: Mapping[str, Any], event: Any) -> Any:
        if not isinstance(event, dict) or not str(event.get("ResponseURL")).startswith(url_of("")):
            return execute(function, event)
        functions.invoke_async_with_retry(function, event)
        return {}

    setattr(functions, execute.__name__, invoke)
    setattr(resources, url_of.__name__, lambda token: f"{url_of(token)}?X-Amz-Date={datetime.now(UTC):%Y%m%dT%H%M%SZ}")


def _client(service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=os.environ[f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"],
        region_name=_RESPONSES.get_region(),
        aws_access_key_id=_RESPONSES.get_account_id(),
        aws_secret_access_key="sandbox",  # noqa: S106  # fake
    )


def _declaration(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    known = ("RoleArn", "ArtifactStore", "Stages", "ExecutionMode", "PipelineType")
    return {"name": name, **_in_camel_case({key: properties[key] for key in known if key in properties})}


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
    pipelines = {"create": create_pipeline, "update": update_pipeline, "delete": delete_pipeline}
    fronts = {
        "AWS::CodePipeline::Pipeline": pipelines,
        "AWS::ECR::Repository": repositories("ecr"),
        "AWS::ECR::PublicRepository": repositories("ecr-public"),
    }
    _PROVISIONERS._RESOURCE_HANDLERS.update(fronts)  # noqa: SLF001  # as above
    for module in ("changesets", "engine", "handlers", "stacks"):
        vars(import_module(f"{_CLOUDFORMATION}.{module}"))["_evaluate_conditions"] = evaluate_conditions
    transform_nested_templates()
    invoke_as_cloudformation_does()
    import_module("ministack.app").main()
