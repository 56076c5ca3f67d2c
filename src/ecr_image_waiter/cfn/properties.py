"""The properties of `Custom::EcrImageWaiter`: what each one means and allows. `validation` reads them.

A field's description says what the property means, its "allowed" what a fault says about a wrong value. Both stand here
once: schema, command and constructs take them from here, and a test holds the documents to them.
"""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, field_validator
from pydantic.fields import FieldInfo

from ecr_image_waiter.core.builds import Builder, BuilderKind
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.model import ImageId, Source
from ecr_image_waiter.core.state import Backoff
from ecr_image_waiter.core.uris import DIGEST, REGION, REPOSITORY, TAG, read_uri

DEFAULT_SERVICE_TIMEOUT: Final = 3600
MOST_IMAGES: Final = 20
_LONGEST_REPOSITORY: Final = 256
_LONGEST_TAG: Final = 300


def _number(form: str) -> BeforeValidator:
    """Returns what takes numbers, and strings of this form: pydantic takes "1_000" and " +30 " as well."""

    def read(value: object) -> object:
        # True is a kind of 1 to Python, and to nobody who writes a template.
        if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(form, value)):
            raise ValueError("not a number")  # what pydantic wants
        return value

    return BeforeValidator(read)


def _true_or_false(value: object) -> object:
    # pydantic takes "yes", "on" and 1 as well.
    if not isinstance(value, bool) and str(value).lower() not in ("true", "false"):
        raise ValueError("neither true nor false")
    return value


Whole = Annotated[int, _number(r"[0-9]+(\.0+)?")]
Decimal = Annotated[float, _number(r"[0-9]+(\.[0-9]+)?")]
Truth = Annotated[bool, BeforeValidator(_true_or_false)]


class OneImage(Conditions):
    """The identity, place and conditions of one image."""

    RepositoryName: str = Field(
        default="",
        min_length=2,
        max_length=_LONGEST_REPOSITORY,
        pattern=f"^{REPOSITORY}$",
        description="The repository, with its namespaces.",
        json_schema_extra={
            "allowed": "an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - "
            "between them, and / between namespaces; no URI"
        },
    )
    ImageTag: str = Field(
        default="",
        min_length=1,
        max_length=_LONGEST_TAG,
        pattern=f"^{TAG}$",
        description="The tag to wait for. Required unless ImageDigest or ImageUri is given.",
        json_schema_extra={
            "allowed": "an image tag of up to 300 characters: letters, digits, _ . - and not beginning with . or -"
        },
    )
    ImageDigest: str = Field(
        default="",
        pattern=f"^{DIGEST}$",
        description="The digest to wait for. With ImageTag, the tag must point at it.",
        json_schema_extra={"allowed": "sha256: and 64 lower-case hexadecimal digits"},
    )
    ImageUri: str = Field(
        default="",
        min_length=1,
        max_length=700,
        description="The whole URI of the image, instead of its parts. Account and region are read from it.",
        json_schema_extra={
            "allowed": "an image URI of ECR or ECR Public with a tag, a digest or both, such as "
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"
        },
    )
    RegistryId: str = Field(
        default="",
        pattern=r"^[0-9]{12}$",
        description="The account whose registry holds the image, if it is another one.",
        json_schema_extra={"allowed": "an AWS account id of 12 digits"},
    )
    Region: str = Field(
        default="",
        pattern=f"^{REGION}$",
        description="The region of the registry, if it is another one.",
        json_schema_extra={"allowed": "an AWS region, such as eu-west-1"},
    )
    RoleArn: str = Field(
        default="",
        max_length=600,
        pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        description="The role to assume before ECR is called.",
        json_schema_extra={"allowed": "the ARN of an IAM role"},
    )

    @field_validator("RepositoryName")
    @classmethod
    def _no_uri(cls, name: str) -> str:
        # A URI has the form of a name with a namespace, and a wait for it would time out.
        if ".dkr.ecr." in name:
            raise ValueError("a URI")
        return name

    @field_validator("ImageUri")
    @classmethod
    def _a_whole_uri(cls, uri: str) -> str:
        read = read_uri(uri)
        if read is None or not (read[0].tag or read[0].digest):
            raise ValueError("not a whole URI")
        if not 2 <= len(read[0].repository) <= _LONGEST_REPOSITORY or len(read[0].tag or "") > _LONGEST_TAG:
            raise ValueError("a name that ECR does not take")
        return uri

    @property
    def image(self) -> ImageId:
        """The image to wait for."""
        read = read_uri(self.ImageUri)
        if read:
            return read[0]
        return ImageId(repository=self.RepositoryName, tag=self.ImageTag or None, digest=self.ImageDigest or None)

    @property
    def source(self) -> Source:
        """The registry of the image."""
        read = read_uri(self.ImageUri)
        source = read[1] if read else Source(region=self.Region, registry_id=self.RegistryId)
        return Source(source.region, source.registry_id, self.RoleArn, source.host, source.alias)

    def wanted(self, id_: str = "") -> Wanted:
        """Returns all of it, under an id of its own where there are several."""
        conditions = Conditions.model_construct(**{name: getattr(self, name) for name in Conditions.model_fields})
        return Wanted(id_, self.image, self.source, conditions)


class Entry(OneImage):
    """One of several images."""

    Id: str = Field(
        pattern=r"^[A-Za-z0-9]{1,64}$",
        description="The name of this image, unique among Images. Fn::GetAtt gives <Id>.ImageUri.",
        json_schema_extra={"allowed": "1 to 64 letters and digits"},
    )


class Properties(OneImage):
    """The properties, as docs/EcrImageWaiter.md has them. They arrive as strings, or as JSON has them."""

    Images: list[Entry] = Field(
        default_factory=list,
        min_length=1,
        max_length=MOST_IMAGES,
        description=f"1 to {MOST_IMAGES} images to wait for together, instead of one.",
        json_schema_extra={
            "allowed": f"a list of 1 to {MOST_IMAGES} objects, each with an Id and the properties of one image"
        },
    )
    MaxRetries: Whole = Field(
        default=60,
        ge=0,
        le=3600,
        description="The longest wait, as a multiple of RetryDelaySeconds. 0 checks once.",
        json_schema_extra={"allowed": "a whole number from 0 to 3600"},
    )
    RetryDelaySeconds: Whole = Field(
        default=30,
        ge=1,
        le=900,
        description="The longest pause between two checks, in seconds.",
        json_schema_extra={"allowed": "a whole number from 1 to 900"},
    )
    BackoffRate: Decimal = Field(
        default=1.5,
        ge=1,
        le=10,
        description="The factor by which pauses grow, from 1 s up to RetryDelaySeconds. With 1, every pause is "
        "RetryDelaySeconds.",
        json_schema_extra={"allowed": "a number from 1 to 10"},
    )
    WaitForRepository: Truth = Field(
        default=False,
        description="Whether to wait for a repository that does not exist yet. With BuildProject or Pipeline, the "
        "default is true.",
        json_schema_extra={"allowed": "true or false"},
    )
    BuildProject: str = Field(
        default="",
        pattern=rf"^(arn:[a-z-]+:codebuild:{REGION}:[0-9]{{12}}:project/)?[A-Za-z0-9][A-Za-z0-9_-]{{1,149}}$",
        description="The CodeBuild project that pushes the image. When its build fails, the wait fails.",
        json_schema_extra={"allowed": "the name of a CodeBuild project, or its ARN"},
    )
    Pipeline: str = Field(
        default="",
        pattern=rf"^(arn:[a-z-]+:codepipeline:{REGION}:[0-9]{{12}}:)?[A-Za-z0-9.@_-]{{1,100}}$",
        description="The pipeline of CodePipeline that pushes the image. When its execution fails, the wait fails.",
        json_schema_extra={"allowed": "the name of a pipeline of CodePipeline, or its ARN"},
    )
    StartBuild: Truth = Field(
        default=False,
        description="Whether to start BuildProject or Pipeline if the image is missing and no run is under way.",
        json_schema_extra={"allowed": "true or false"},
    )
    Trigger: object = Field(
        default="",
        description="Ignored. Change it to have the image checked again.",
        json_schema_extra={"allowed": "anything"},
    )
    ServiceTimeout: Whole = Field(
        default=DEFAULT_SERVICE_TIMEOUT,
        ge=10,
        le=DEFAULT_SERVICE_TIMEOUT,
        description="CloudFormation's own limit, in seconds, after which it fails the resource. The wait ends earlier.",
        json_schema_extra={
            "allowed": "a whole number from 10 to 3600; below 10 there is no time for a check and a response"
        },
    )
    ServiceToken: object = Field(
        default="",
        description="The ARN of the waiter function. CloudFormation's own property.",
        json_schema_extra={"allowed": "an ARN"},
    )

    @property
    def all_wanted(self) -> tuple[Wanted, ...]:
        """Every image to wait for; without `Images`, one image without an Id."""
        return tuple(entry.wanted(entry.Id) for entry in self.Images) or (self.wanted(),)

    @property
    def builder(self) -> Builder | None:
        """The builder that pushes the images."""
        for kind in BuilderKind:
            if named := getattr(self, kind.property):
                return Builder(kind, named.rpartition(":")[2].removeprefix(kind.path))
        return None

    @property
    def backoff(self) -> Backoff:
        """The backoff that the template sets."""
        return Backoff(
            delay=self.RetryDelaySeconds, rate=self.BackoffRate, wait_for_repository=self.waits_for_repository
        )

    @property
    def waits_for_repository(self) -> bool:
        """Whether to wait for a repository that does not exist. A build may create it."""
        return self.WaitForRepository if "WaitForRepository" in self.model_fields_set else self.builder is not None

    @property
    def max_wait(self) -> float:
        """The longest wait the template asks for, in seconds."""
        return float(self.MaxRetries * self.RetryDelaySeconds)


def allowed_by(field: FieldInfo) -> str:
    """Returns what a property allows, in the words of a fault."""
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""
