"""The construct that deploys the waiter itself, from the installed package."""

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling, Token
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_sns as sns
from aws_cdk import cloudformation_include as include
from constructs import Construct, Dependable, DependencyGroup

from ecr_image_waiter.core.messages import shown

from .intrinsics import settled

T = TypeVar("T")

PACKAGE: Final = Path(__file__).parent.parent
# In a wheel what is deployed, and what makes it, is in the package; in a checkout beside it.
_IN_WHEEL: Final = (PACKAGE / "deployed").is_dir()
_DEPLOYED: Final = PACKAGE / "deployed" if _IN_WHEEL else PACKAGE.parent
if TYPE_CHECKING:
    import artifact
else:
    artifact = import_module("ecr_image_waiter.deployed.artifact" if _IN_WHEEL else "artifact")
REQUIREMENTS: Final = _DEPLOYED / "requirements.txt"
LAST_RESORT: Final = _DEPLOYED / "last_resort"
TEMPLATE: Final = Path(__file__).parent / "waiter.json"


class EcrImageWaiterProvider(Construct):
    """Deploys the waiter into the stack, as template.yaml does, for apps that want no second stack.

    Give the construct itself as `service_token` to each `EcrImageWaiter`. Its path in the app must stay: another path
    is another function, and the ServiceToken of a resource can never change.

    The artifact is made by pip when the app is synthesized, the first time and after an upgrade.

    Args:
        scope: the stack, or a construct of it.
        id: as of any construct.
        repositories: or ARNs with `*`, that it may read; otherwise all of this account and region.
        assumable_roles: or ARNs, that a waiter may name as its role.
        build_projects: or ARNs, that a waiter may name.
        pipelines: or ARNs, that a waiter may name.
        allow_start_build: whether a waiter may start those.
        architecture: of the processor; the artifact runs on either.
        memory_size: in MB.
        reserved_concurrency: how many invocations may run at once.
        permissions_boundary: or its ARN, for the roles.
        function_name: never to be changed later.
        log_level: which log lines are kept.
        log_group_name: of the waiter; another one later is another log group.
        log_retention_days: how long they are kept.
        log_key: or its ARN, that encrypts the log; CloudWatch Logs must be allowed to use it.
        dashboard: whether to make a CloudWatch dashboard of the waits.
        alarm_topic: or its ARN, that CloudWatch alarms about the waiter report to; none without it.
        account_concurrency_threshold: of the account's concurrent executions, above which there is an alarm.
        service_token_parameter_name: an SSM parameter for the ServiceToken, for other stacks; none without it.

    Raises:
        ValueError: with every fault of the arguments.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # its name in every construct
        *,
        repositories: Sequence[ecr.IRepository | str] = (),
        assumable_roles: Sequence[iam.IRole | str] = (),
        build_projects: Sequence[codebuild.IProject | str] = (),
        pipelines: Sequence[codepipeline.IPipeline | str] = (),
        allow_start_build: bool = False,
        architecture: lambda_.Architecture | None = None,
        memory_size: float | None = None,
        reserved_concurrency: float | None = None,
        permissions_boundary: iam.IManagedPolicy | str | None = None,
        function_name: str = "",
        log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None,
        log_group_name: str = "",
        log_retention_days: float | None = None,
        log_key: kms.IKey | str | None = None,
        dashboard: bool = False,
        alarm_topic: sns.ITopic | str | None = None,
        account_concurrency_threshold: float | None = None,
        service_token_parameter_name: str = "",
    ) -> None:
        super().__init__(scope, id)
        boundary = permissions_boundary
        given = {
            "RepositoryArnPattern": _arns(repositories, lambda each: each.repository_arn),
            "AssumableRoleArns": _arns(assumable_roles, lambda each: each.role_arn),
            "BuildProjectArns": _arns(build_projects, lambda each: each.project_arn),
            "PipelineArns": _arns(pipelines, lambda each: each.pipeline_arn),
            "AllowStartBuild": "true" if allow_start_build else "false",
            "Architecture": architecture.name if architecture else None,
            "MemorySize": memory_size,
            "ReservedConcurrency": reserved_concurrency,
            "PermissionsBoundary": boundary if isinstance(boundary, str | None) else boundary.managed_policy_arn,
            "FunctionName": function_name,
            "LogLevel": log_level,
            "LogGroupName": log_group_name,
            "LogRetentionDays": log_retention_days,
            "LogKmsKeyArn": log_key if isinstance(log_key, str | None) else log_key.key_arn,
            "Dashboard": "true" if dashboard else "false",
            "AlarmTopicArn": alarm_topic if isinstance(alarm_topic, str | None) else alarm_topic.topic_arn,
            "AccountConcurrencyThreshold": account_concurrency_threshold,
            "ServiceTokenParameterName": service_token_parameter_name,
        }
        template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
        parameters = {name: value for name, value in given.items() if value is not None}
        if faults := [*_faults(template["Parameters"], parameters)]:
            raise ValueError("\n- ".join([f"{self.node.path}, the waiter, is not valid:", *faults]))

        template = settled(template, parameters)
        included = _included(self, template)
        self._function = _with_code(included, "WaiterFunction", _artifact(self))
        _with_code(included, "LastResortFunction", _last_resort(self))
        # Nothing can depend on a resource that the deployment may leave out.
        always = [name for name, resource in template["Resources"].items() if "Condition" not in resource]
        Dependable.implement(self, Dependable.of(DependencyGroup(*map(included.get_resource, always))))
        self._role = included.get_resource("WaiterRole")
        self._log_group = included.get_resource("WaiterLogGroup")

    @property
    def service_token(self) -> str:
        """The function's ARN.

        Whatever uses it must depend on this construct as well, or it may run before the function's permissions are
        there; an `EcrImageWaiter` that is given the construct does.
        """
        return self._function.attr_arn

    @property
    def role_arn(self) -> str:
        """The waiter's role, for policies of other accounts' repositories and trust policies of roles."""
        return Token.as_string(self._role.get_att("Arn"))

    @property
    def log_group_name(self) -> str:
        """The log group, with a line for each check, continuation and response."""
        return self._log_group.ref


def artifact_hash() -> str:
    """Returns what changes when the waiter's artifact does.

    It is of what goes in, because the artifact itself has bytecode on some machines only, and would be deployed anew by
    each that differs.
    """
    content = hashlib.sha256(artifact.PYTHON_VERSION.encode())
    for path in (*artifact.sources(PACKAGE), REQUIREMENTS, Path(artifact.__file__)):
        content.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


@jsii.implements(ILocalBundling)
class _Bundling:
    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        """Makes the artifact here; there is no other way."""
        artifact.build(Path(output_dir), PACKAGE, REQUIREMENTS)
        return True


def _artifact(scope: Construct) -> assets.Asset:
    return assets.Asset(
        scope,
        "Artifact",
        path=str(PACKAGE),
        asset_hash_type=AssetHashType.CUSTOM,
        asset_hash=artifact_hash(),
        # CDK wants the name of an image for where the local way declines, which ours never does.
        bundling=BundlingOptions(local=cast("ILocalBundling", _Bundling()), image=DockerImage.from_registry("none")),
    )


def _last_resort(scope: Construct) -> assets.Asset:
    return assets.Asset(scope, "LastResort", path=str(LAST_RESORT), exclude=["*", "!last_resort.py"])


def _included(scope: Construct, template: Mapping[str, Any]) -> include.CfnInclude:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waiter.json"
        file.write_text(json.dumps(template), encoding="utf-8")
        # Ids of the app's own, so that it goes beside anything.
        return include.CfnInclude(scope, "Resource", template_file=str(file), preserve_logical_ids=False)


def _with_code(included: include.CfnInclude, name: str, code: assets.Asset) -> lambda_.CfnFunction:
    function = cast("lambda_.CfnFunction", included.get_resource(name))
    function.code = lambda_.CfnFunction.CodeProperty(s3_bucket=code.s3_bucket_name, s3_key=code.s3_object_key)
    code.add_resource_metadata(function, "Code")
    return function


def _arns(given: Sequence[T | str], arn_of: Callable[[T], str]) -> list[str]:
    # A text is a sequence of letters to Python: one that stands where a list belongs is a list of one.
    return [each if isinstance(each, str) else arn_of(each) for each in ([given] if isinstance(given, str) else given)]


def _faults(parameters: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Returns what CloudFormation would say of these parameters."""
    for name, value in given.items():
        if not Token.is_unresolved(value):
            for each in value if isinstance(value, list) else [value]:
                yield from (f"{name}: received {shown(each)}, {must}" for must in _refused(parameters[name], each))


def _refused(parameter: Mapping[str, Any], value: Any) -> Iterator[str]:
    if Token.is_unresolved(value):
        return
    allowed = parameter.get("AllowedValues")
    if allowed and value not in allowed:
        yield f"allowed: {', '.join(map(str, allowed))}"
    if not re.search(parameter.get("AllowedPattern", ""), str(value)):
        yield f"it {parameter['ConstraintDescription']}"
    least, most = parameter.get("MinValue"), parameter.get("MaxValue", sys.maxsize)
    if least is not None and value not in range(least, most + 1):
        yield f"allowed: a whole number from {least}" + (f" to {most}" if "MaxValue" in parameter else "")
