"""The construct that stands for `Custom::EcrImageWaiter`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast

from aws_cdk import CfnResource, CustomResource, Duration, Stack, Token
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from ecr_image_waiter.cfn.validation import known_faults
from ecr_image_waiter.core.model import Place, place_of
from ecr_image_waiter.core.uris import partition_of, read_uri

from .provider import EcrImageWaiterProvider

TYPE: Final = "Custom::EcrImageWaiter"
SERVICE_TOKEN_PARAMETER: Final = "/ecr-image-waiter/service-token"  # noqa: S105  # the name of a parameter

# A number of the deployment's, a token, is a float to Python.
Seconds: TypeAlias = Duration | float


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image among several. Each argument is the property of docs/EcrImageWaiter.md that docs/cdk.md names."""

    id: str
    repository: ecr.IRepository | str | None = None
    tag: str | None = None
    digest: str | None = None
    image_uri: str | None = None
    registry_id: str | None = None
    region: str | None = None
    role: iam.IRole | str | None = None
    deploy_target: Literal["Lambda", "ECS"] | None = None
    platform: lambda_.Architecture | str | None = None
    labels: Mapping[str, str] | None = None
    pushed_after: datetime | str | None = None


class _Attribute:
    """An attribute of the resource, as a text that the deployment knows."""

    def __init__(self, name: str, meaning: str, *, of_one: bool = True) -> None:
        self._name = name
        self._of_one = of_one
        self.__doc__ = meaning

    def __get__(self, waiter: "EcrImageWaiter | None", _: object = None) -> str:
        if waiter is None:
            return self.__doc__ or ""
        if self._of_one and "" not in waiter._images:  # noqa: SLF001  # of this module
            raise ValueError(f"{waiter.node.path} waits for several images: use image_uri_of(Id)")
        return waiter._resource.get_att_string(self._name)  # noqa: SLF001  # as above


class EcrImageWaiter(Construct):
    """Holds the stack until an image, or each of several, is in ECR and may be deployed.

    Whatever uses one of its attributes is created afterwards; for anything else there is `node.add_dependency`.

    Args:
        scope: a construct of the stack that is to wait.
        id: as of any construct.
        repository: The repository, with its namespaces. From a construct, account and region are taken as well.
        tag: The tag to wait for. Required unless `digest` or `image_uri` is given.
        digest: The digest to wait for. With `tag`, the tag must point at it.
        image_uri: The whole URI of the image, instead of its parts. Account and region are read from it.
        registry_id: The account whose registry holds the image, if it is another one.
        region: The region of the registry, if it is another one.
        role: The role to assume before ECR is called.
        deploy_target: The service that will run the image. Fails immediately if that service cannot deploy it: Lambda
            takes a single image from a private repository in the function's region, ECS takes an image index too.
        platform: The platform that the image must be for; an image index must list it. Fails immediately if the image
            is for another platform.
        labels: The labels that the image must carry. An image without them is an older one, so the wait goes on.
        pushed_after: The time from which a push counts. An image pushed earlier is an older one, so the wait goes on.
            StackOperation is the start of the wait.
        images: 1 to 20 images to wait for together, instead of one.
        build_project: The CodeBuild project that pushes the image. When its build fails, the wait fails. The
            resources of a construct are created first.
        pipeline: The pipeline of CodePipeline that pushes the image. When its execution fails, the wait fails. The
            resources of a construct are created first.
        start_build: Whether to start `build_project` or `pipeline` if the image is missing and no run is under way.
        max_retries: The longest wait, as a multiple of `retry_delay`. 0 checks once.
        retry_delay: The longest pause between two checks, in seconds.
        backoff_rate: The factor by which pauses grow, from 1 s up to `retry_delay`. With 1, every pause is
            `retry_delay`.
        wait_for_repository: Whether to wait for a repository that does not exist yet. With `build_project` or
            `pipeline`, the default is true.
        trigger: Ignored. Change it to have the image checked again.
        service_timeout: CloudFormation's own limit, in seconds, after which it fails the resource. The wait ends
            earlier.
        service_token: The ARN of the waiter function. CloudFormation's own property. Takes the construct that deploys
            the function as well.
        service_token_parameter: The SSM parameter that has the ARN, if `service_token` is not given.

    Raises:
        ValueError: with every fault that can be seen before the deployment.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # its name in every construct
        *,
        repository: ecr.IRepository | str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        image_uri: str | None = None,
        registry_id: str | None = None,
        region: str | None = None,
        role: iam.IRole | str | None = None,
        deploy_target: Literal["Lambda", "ECS"] | None = None,
        platform: lambda_.Architecture | str | None = None,
        labels: Mapping[str, str] | None = None,
        pushed_after: datetime | str | None = None,
        images: Sequence[Image] | None = None,
        build_project: codebuild.IProject | str | None = None,
        pipeline: codepipeline.IPipeline | str | None = None,
        start_build: bool | None = None,
        max_retries: float | None = None,
        retry_delay: Seconds | None = None,
        backoff_rate: float | None = None,
        wait_for_repository: bool | None = None,
        trigger: str | None = None,
        service_timeout: Seconds | None = None,
        service_token: EcrImageWaiterProvider | str | None = None,
        service_token_parameter: str = SERVICE_TOKEN_PARAMETER,
    ) -> None:
        super().__init__(scope, id)
        one = Image(
            id="",
            repository=repository,
            tag=tag,
            digest=digest,
            image_uri=image_uri,
            registry_id=registry_id,
            region=region,
            role=role,
            deploy_target=deploy_target,
            platform=platform,
            labels=labels,
            pushed_after=pushed_after,
        )
        several = None if images is None else [*images]
        self._images = {"": one} if several is None else {image.id: image for image in several}
        self._pinned: dict[str, ecr.IRepository] = {}
        stack = Stack.of(self)
        values = _given(
            {
                **_of_image(one, stack),
                "Images": None if several is None else [{"Id": each.id, **_of_image(each, stack)} for each in several],
                "BuildProject": build_project if isinstance(build_project, str | None) else build_project.project_arn,
                "Pipeline": pipeline if isinstance(pipeline, str | None) else pipeline.pipeline_arn,
                "StartBuild": start_build,
                "MaxRetries": max_retries,
                "RetryDelaySeconds": _seconds(retry_delay),
                "BackoffRate": backoff_rate,
                "WaitForRepository": wait_for_repository,
                "Trigger": trigger,
                "ServiceTimeout": _seconds(service_timeout),
            }
        )
        if faults := known_faults(values, _place(stack), lambda value: not Token.is_unresolved(value)):
            raise ValueError("\n- ".join([f"{self.node.path}, {TYPE}, is not valid:", *faults]))

        if service_token is None:
            token = ssm.StringParameter.value_for_string_parameter(self, service_token_parameter)
        else:
            token = service_token if isinstance(service_token, str) else service_token.service_token
        timeout = values.pop("ServiceTimeout", None)  # The library warns of it among the others.
        self._resource = CustomResource(self, "Resource", resource_type=TYPE, service_token=token, properties=values)
        cast("CfnResource", self._resource.node.default_child).add_property_override("ServiceTimeout", timeout)
        # A function is used before its permissions are there, and a build is started before its own, unless told so.
        for first in (service_token, build_project, pipeline):
            if first is not None and not isinstance(first, str):
                self._resource.node.add_dependency(first)

    image_uri = _Attribute(
        "ImageUri", "The image by its digest. Deploying this deploys exactly the image that was found."
    )
    image_digest = _Attribute("ImageDigest", "The image's digest; empty in a rollback for which the image is gone.")
    tagged_image_uri = _Attribute("TaggedImageUri", "The image by its tag.")
    repository_uri = _Attribute("RepositoryUri", "The repository's URI.")
    repository_name = _Attribute("RepositoryName", "The repository's name.")
    image_tag = _Attribute("ImageTag", "The tag that was given.")
    registry_id = _Attribute("RegistryId", "The account of the registry.")
    image_pushed_at = _Attribute("ImagePushedAt", "When the image was pushed, ISO 8601 in UTC.")
    image_size_in_bytes = _Attribute("ImageSizeInBytes", "The image's size, as ECR has it.")
    image_manifest_media_type = _Attribute("ImageManifestMediaType", "The media type of the image's manifest.")
    platform_digest = _Attribute("PlatformDigest", "The digest of the one image for `platform` in an index.")
    platform_image_uri = _Attribute("PlatformImageUri", "The one image for `platform` in an index, by its digest.")
    architecture = _Attribute("Architecture", "The image's architecture, if `platform` or `labels` is set.")
    attempts = _Attribute("Attempts", "How many checks the wait took.", of_one=False)
    waited_seconds = _Attribute("WaitedSeconds", "How many seconds it took.", of_one=False)

    def image_uri_of(self, id: str) -> str:  # noqa: A002  # as in Image
        """Returns one of several images by its digest.

        Raises:
            ValueError: there is no such image.
        """
        if id not in self._images or not id:
            known = ", ".join(filter(None, self._images)) or "none: there is one image, see image_uri"
            raise ValueError(f"{self.node.path} waits for no image with the Id {id!r}; it has {known}")
        return self._resource.get_att_string(f"{id}.ImageUri")

    def docker_image_code(
        self,
        id: str = "",  # noqa: A002  # as in Image
        *,
        cmd: Sequence[str] | None = None,
        entrypoint: Sequence[str] | None = None,
        working_directory: str | None = None,
    ) -> lambda_.DockerImageCode:
        """Returns one image, by the digest that was found, as code of a Lambda function: `DockerImageCode.from_ecr`.

        Raises:
            ValueError: there is no such image, or it is in no repository that is known before the deployment.
        """
        return lambda_.DockerImageCode.from_ecr(
            self._repository(id),
            cmd=None if cmd is None else [*cmd],
            entrypoint=None if entrypoint is None else [*entrypoint],
            working_directory=working_directory,
        )

    def container_image(self, id: str = "") -> ecs.ContainerImage:  # noqa: A002  # as in Image
        """Returns one image, by the digest that was found, for a container of ECS.

        Raises:
            ValueError: as `docker_image_code`.
        """
        uri = self._uri(id)
        read = read_uri(self._images[id].image_uri or "")
        if read and read[1].alias:  # ECR Public asks for no permission
            return ecs.ContainerImage.from_registry(uri)
        return ecs.ContainerImage.from_ecr_repository(self._repository(id))

    def _uri(self, id_: str) -> str:
        return self.image_uri_of(id_) if id_ else self.image_uri

    def _repository(self, id_: str) -> ecr.IRepository:
        """Returns the image's repository, one that has the checked image whatever tag or digest it is asked for."""
        uri = self._uri(id_)
        if id_ not in self._pinned:
            self._pinned[id_] = _Pinned(self, f"Pinned{id_}", self._imported(id_), uri)
        return self._pinned[id_]

    def _imported(self, id_: str) -> ecr.IRepository:
        image, stack = self._images[id_], Stack.of(self)
        name, region, account = image.repository, image.region, image.registry_id
        if image.image_uri:
            read = read_uri(image.image_uri)
            if read is None or read[1].alias:
                raise ValueError(
                    f"{self.node.path}: permission to pull needs a private repository that is known before the "
                    "deployment: give repository and tag or digest instead of image_uri"
                )
            name, region, account = read[0].repository, read[1].region, read[1].registry_id
        if not isinstance(name, str):
            assert name is not None  # noqa: S101  # for mypy: an image without a repository is a fault
            return name
        arn = stack.format_arn(service="ecr", resource="repository", resource_name=name, region=region, account=account)
        return ecr.Repository.from_repository_attributes(
            self, f"Repository{id_}", repository_arn=arn, repository_name=name
        )


class _Pinned(ecr.RepositoryBase):
    """A repository with one image in it: the library tells tag and digest by their text, which the deployment finds."""

    def __init__(self, scope: Construct, id: str, repository: ecr.IRepository, image_uri: str) -> None:  # noqa: A002  # its name in every construct
        super().__init__(scope, id)
        self._pinned = repository
        self._image_uri = image_uri

    @property
    def repository_arn(self) -> str:
        return self._pinned.repository_arn

    @property
    def repository_name(self) -> str:
        return self._pinned.repository_name

    def add_to_resource_policy(self, statement: iam.PolicyStatement) -> iam.AddToResourcePolicyResult:
        return self._pinned.add_to_resource_policy(statement)

    def grant_pull(self, grantee: iam.IGrantable) -> iam.Grant:
        return self._pinned.grant_pull(grantee)

    def repository_uri_for_tag_or_digest(self, tag_or_digest: str | None = None) -> str:  # noqa: ARG002  # its signature in RepositoryBase
        return self._image_uri


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def _of_image(image: Image, stack: Stack) -> dict[str, Any]:
    repository, role, platform, pushed_after = image.repository, image.role, image.platform, image.pushed_after
    registry_id, region = image.registry_id, image.region
    if not isinstance(repository, str | None):
        # Of one that was imported with its ARN the library knows better than it tells.
        named, env = place_of(repository.repository_arn), repository.env
        account, where = named.account or env.account, named.region or env.region
        registry_id = registry_id or (None if account == stack.account else account)
        region = region or (None if where == stack.region else where)
        repository = repository.repository_name
    return _given(
        {
            "RepositoryName": repository,
            "ImageTag": image.tag,
            "ImageDigest": image.digest,
            "ImageUri": image.image_uri,
            "RegistryId": registry_id,
            "Region": region,
            "RoleArn": role if isinstance(role, str | None) else role.role_arn,
            "DeployTarget": image.deploy_target,
            "Platform": platform if isinstance(platform, str | None) else platform.docker_platform,
            "Labels": None if image.labels is None else dict(image.labels),
            "PushedAfter": pushed_after.isoformat() if isinstance(pushed_after, datetime) else pushed_after,
        }
    )


def _seconds(time: Seconds | None) -> float | None:
    if not isinstance(time, Duration):
        return time
    seconds = time.to_seconds()
    return seconds if Token.is_unresolved(seconds) else int(seconds)


def _place(stack: Stack) -> Place | None:
    """Returns where the stack, and so the function, will be; None where that is not known yet."""
    known = not Token.is_unresolved(stack.region) and not Token.is_unresolved(stack.account)
    return Place(partition_of(stack.region), stack.region, stack.account) if known else None
