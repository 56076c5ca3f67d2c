"""MiniStack, with pipelines, repositories and nested applications in its CloudFormation.

Run by its interpreter in place of `python -m ministack`. It has no CodePipeline and refuses a whole template with an
AWS::CodePipeline::Pipeline; its AWS::ECR::Repository makes repositories of its own ECR, into which nobody pushes here.
So the fronts make, change and delete the two, where AWS_ENDPOINT_URL_CODEPIPELINE and AWS_ENDPOINT_URL_ECR lead to. It
applies SAM's transform to a stack's template and not to a nested one's; here to both. Nothing else is touched.

| resource   | `Ref`    | attributes         | ignored                                                           |
|------------|----------|--------------------|-------------------------------------------------------------------|
| pipeline   | its name | Version            | RestartExecutionOnUpdate, DisableInboundStageTransitions          |
| repository | its name | Arn, RepositoryUri | EncryptionConfiguration; a lifecycle is kept, and expires nothing |
"""

import json
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import boto3

_ENGINE = import_module("ministack.services.cloudformation.engine")
_PROVISIONERS = import_module("ministack.services.cloudformation.provisioners")
_RESPONSES = import_module("ministack.core.responses")


class Pipelines:
    """AWS::CodePipeline::Pipeline."""

    @staticmethod
    def create(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        """Return the pipeline's name and attributes."""
        name = properties.get("Name") or _made_up(stack_name, logical_id, max_len=100)
        tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])]
        answer = _client("codepipeline").create_pipeline(pipeline=_declaration(name, properties), tags=tags)
        return name, {"Version": str(answer["pipeline"]["version"])}

    @classmethod
    def update(
        cls, name: str, _: Mapping[str, Any], properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        """Return the pipeline's name and attributes. Another name makes another pipeline."""
        if properties.get("Name", name) != name:
            return cls.create(name, properties, stack_name)
        answer = _client("codepipeline").update_pipeline(pipeline=_declaration(name, properties))
        return name, {"Version": str(answer["pipeline"]["version"])}

    @staticmethod
    def delete(name: str, _: Mapping[str, Any]) -> None:
        """Delete a pipeline, if it is there."""
        _client("codepipeline").delete_pipeline(name=name)


class Repositories:
    """AWS::ECR::Repository."""

    @classmethod
    def create(cls, logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        """Return the repository's name and attributes."""
        name = properties.get("RepositoryName") or _made_up(stack_name, logical_id, lowercase=True, max_len=256)
        tags = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in properties.get("Tags", [])]
        _client("ecr").create_repository(repositoryName=name, tags=tags)
        return name, cls._set(name, properties)

    @classmethod
    def update(
        cls, name: str, _: Mapping[str, Any], properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        """Return the repository's name and attributes. Another name makes another repository."""
        if properties.get("RepositoryName", name) != name:
            return cls.create(name, properties, stack_name)
        return name, cls._set(name, properties)

    @staticmethod
    def delete(name: str, properties: Mapping[str, Any]) -> None:
        """Delete a repository, if it is there; with its images only where the template says so."""
        ecr = _client("ecr")
        empty = str(properties.get("EmptyOnDelete", False)).lower() == "true"
        try:
            ecr.delete_repository(repositoryName=name, force=empty)
        except ecr.exceptions.RepositoryNotFoundException:
            return

    @staticmethod
    def _set(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        ecr, repository = _client("ecr"), {"repositoryName": name}
        scan = properties.get("ImageScanningConfiguration", {})
        ecr.put_image_scanning_configuration(
            **repository, imageScanningConfiguration={"scanOnPush": str(scan.get("ScanOnPush")).lower() == "true"}
        )
        ecr.put_image_tag_mutability(**repository, imageTagMutability=properties.get("ImageTagMutability", "MUTABLE"))
        lifecycle = properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
        if lifecycle:
            ecr.put_lifecycle_policy(**repository, lifecyclePolicyText=lifecycle)
        policy = properties.get("RepositoryPolicyText")
        if policy:
            text = policy if isinstance(policy, str) else json.dumps(policy)
            ecr.set_repository_policy(**repository, policyText=text)
        made = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        return {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}


def transform_nested_templates() -> None:
    """Have a nested stack's template transformed when it is read: its stack looks the reader up, the others have it."""
    for importer in ("handlers", "changesets"):
        import_module(f"ministack.services.cloudformation.{importer}")
    parse, transform = _ENGINE._parse_template, _ENGINE._apply_transforms  # noqa: SLF001  # there is no public way
    setattr(_ENGINE, "_parse_template", lambda body: transform(parse(body)))  # noqa: B010  # mypy knows no such name


def _made_up(stack_name: str, logical_id: str, **how: Any) -> str:
    return str(_PROVISIONERS._physical_name(stack_name, logical_id, **how))  # noqa: SLF001  # there is no public way


def _client(service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=os.environ[f"AWS_ENDPOINT_URL_{service.upper()}"],
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
    for kind, handler in (("AWS::CodePipeline::Pipeline", Pipelines), ("AWS::ECR::Repository", Repositories)):
        _PROVISIONERS._RESOURCE_HANDLERS[kind] = {  # noqa: SLF001  # there is no public way
            "create": handler.create,
            "update": handler.update,
            "delete": handler.delete,
        }
    transform_nested_templates()
    import_module("ministack.app").main()
