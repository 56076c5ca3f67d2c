"""The properties of `Custom::EcrImageWaiter`, validated: all faults at once, each one a sentence.

A field's description says what the property means, its "allowed" what a fault says about a wrong value. Both stand here
once: schema, command and constructs take them from here, and a test holds the documents to them.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from ecr_image_waiter.core.builds import Builder, BuilderKind
from ecr_image_waiter.core.conditions import Conditions, Wanted, read_platform, runs_on_lambda
from ecr_image_waiter.core.faults import InvalidRequest
from ecr_image_waiter.core.format import clipped, shown
from ecr_image_waiter.core.model import ImageId, Place, Source
from ecr_image_waiter.core.polling import Rhythm
from ecr_image_waiter.core.uris import DIGEST, REGION, REPOSITORY, TAG, partition_of, read_uri, without_fips

DEFAULT_SERVICE_TIMEOUT: Final = 3600
MOST_IMAGES: Final = 20
_LONGEST_REPOSITORY: Final = 256
_LONGEST_TAG: Final = 300
_PARTS: Final = ("RepositoryName", "ImageTag", "ImageDigest", "RegistryId", "Region")
LEAVE_OUT: Final = "; !Ref AWS::NoValue leaves it out"
BESIDE_IMAGES: Final = "; it applies to every image, so set it beside Images"
_LIMIT: Final = "MaxRetries: times RetryDelaySeconds, it is the longest wait in seconds"
# Other waiters' names for our properties, in small letters.
_ELSEWHERE: Final = {
    "codebuildprojectname": "BuildProject",
    "codepipelinename": "Pipeline",
    "digest": "ImageDigest",
    "maxattempts": _LIMIT,
    "pollinterval": "RetryDelaySeconds",
    "repository": "RepositoryName",
    "tag": "ImageTag",
    "timeoutseconds": _LIMIT,
    "triggerbuildonmissing": "StartBuild",
}


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
    """Which image, where, and what it must be."""

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
        # A URI has the form of a name with a namespace, and would be waited for in vain.
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
        """The registry it is to come to."""
        read = read_uri(self.ImageUri)
        source = read[1] if read else Source(region=self.Region, registry_id=self.RegistryId)
        return Source(source.region, source.registry_id, self.RoleArn, source.host, source.alias)

    def wanted(self, id_: str = "") -> Wanted:
        """Return all of it, under an id of its own where there are several."""
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
        """Every image to wait for; one without an id where `Images` is not used."""
        return tuple(entry.wanted(entry.Id) for entry in self.Images) or (self.wanted(),)

    @property
    def builder(self) -> Builder | None:
        """What is to push the images."""
        for kind in BuilderKind:
            if named := getattr(self, kind.property):
                return Builder(kind, named.rpartition(":")[2].removeprefix(kind.path))
        return None

    @property
    def rhythm(self) -> Rhythm:
        """How the template wants to wait."""
        return Rhythm(
            delay=self.RetryDelaySeconds, backoff_rate=self.BackoffRate, wait_for_repository=self.waits_for_repository
        )

    @property
    def waits_for_repository(self) -> bool:
        """Whether a repository that does not exist is waited for. What is to push the image may create it."""
        return self.WaitForRepository if "WaitForRepository" in self.model_fields_set else self.builder is not None

    @property
    def max_wait(self) -> float:
        """The longest wait the template asks for, in seconds."""
        return float(self.MaxRetries * self.RetryDelaySeconds)


def allowed_by(field: FieldInfo) -> str:
    """Returns what a property allows, in the words of a fault."""
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def read_properties(received: object, place: Place | None = None) -> Properties:
    """Return the validated properties.

    Args:
        received: `ResourceProperties` of an event, or a direct invocation's whole event.
        place: where the function is; without it, nothing is said about regions and partitions that it cannot reach.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    if not isinstance(received, Mapping):
        raise InvalidRequest([f"ResourceProperties: received {shown(received)}, allowed: an object of properties"])
    together = [*_faults_together(received), *(_faults_of_place(received, place) if place else ())]
    try:
        properties = Properties.model_validate(dict(received))
    except ValidationError as error:
        raise InvalidRequest([*dict.fromkeys([*_faults(error), *together])]) from None
    if together:
        raise InvalidRequest(together)
    return properties


def known_faults(
    received: Mapping[Any, object], place: Place | None, known: Callable[[object], bool]
) -> tuple[str, ...]:
    """Return what can be said to be wrong with properties before all of their values are known.

    Args:
        received: the properties.
        place: as for `read_properties`.
        known: whether a value is known yet. A list or an object is, its own values may not be.
    """
    together = [*_faults_together(received), *(_faults_of_place(_only(known, received), place) if place else ())]
    try:
        Properties.model_validate(dict(received))
    except ValidationError as error:
        return (*dict.fromkeys([*_faults(error, known), *together]),)
    return (*together,)


def _faults(error: ValidationError, known: Callable[[object], bool] = lambda _: True) -> Iterator[str]:
    yield from (_fault(item["type"], item["loc"], item["input"]) for item in error.errors() if known(item["input"]))


def _only(known: Callable[[object], bool], received: Mapping[Any, object]) -> dict[Any, object]:
    return {
        name: [_only(known, each) if isinstance(each, Mapping) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in received.items()
        if known(value)
    }


def _each_image(received: Mapping[object, object]) -> Iterator[tuple[str, Mapping[object, object]]]:
    """Return each image's own properties, unvalidated, with what stands before their names in a fault."""
    images = received.get("Images")
    if "Images" not in received:
        yield "", received
    elif isinstance(images, list):
        yield from ((f"Images[{n}].", entry) for n, entry in enumerate(images) if isinstance(entry, Mapping))


def _faults_together(received: Mapping[object, object]) -> Iterator[str]:
    """Return what is wrong with properties beside each other, each of which may be right."""
    if "Images" in received:
        yield from (
            f"{name}: received beside Images; give it in the entries of Images that it is meant for"
            for name in OneImage.model_fields
            if name in received
        )
        ids = [entry.get("Id") for _, entry in _each_image(received)]
        # A caller's 1 is the same Id as "1"; a number of more digits is none.
        read = [str(each) for each in ids if isinstance(each, str) or (isinstance(each, int) and 0 <= each < 10**64)]
        yield from (
            f"Images: the Id {shown(twice)} stands in it {times} times, allowed: once"
            for twice, times in Counter(read).items()
            if times > 1
        )
    for before, image in _each_image(received):
        yield from _faults_of_identity(before, image)
        if image.get("DeployTarget") == "Lambda":
            yield from _faults_of_lambda(before, image)
    first, *others = [kind.property for kind in BuilderKind if kind.property in received] or [""]
    yield from (f"{name}: received beside {first}; name the one that is to be followed" for name in others)
    if "StartBuild" in received and not first:
        kinds = " and ".join(kind.property for kind in BuilderKind)
        yield f"StartBuild: received without {kinds}; name the one that is to be started"


def _faults_of_identity(before: str, image: Mapping[object, object]) -> Iterator[str]:
    if "ImageUri" in image:
        yield from (
            f"{before}{name}: received beside ImageUri, which says it already; leave one of them out"
            for name in _PARTS
            if name in image
        )
        return
    if "RepositoryName" not in image:
        allowed = allowed_by(OneImage.model_fields["RepositoryName"])
        yield f"{before}RepositoryName: missing; allowed: {allowed}{'' if before else '; or give ImageUri or Images'}"
    if image.keys().isdisjoint({"ImageTag", "ImageDigest"}):
        yield f"{before}ImageTag: missing; give ImageTag, ImageDigest or both"


def _faults_of_lambda(before: str, image: Mapping[object, object]) -> Iterator[str]:
    """Return what Lambda refuses whatever is there ("Create a Lambda function using a container image")."""
    received = image.get("Platform")
    platform = read_platform(str(received))
    if platform and not runs_on_lambda(platform):
        yield (
            f"{before}Platform: received {shown(received)} beside DeployTarget Lambda, allowed: linux/amd64 or "
            "linux/arm64; Lambda runs no other"
        )
    read = read_uri(_text(image.get("ImageUri")))
    host = read[1].host if read else ""
    if host != without_fips(host):
        yield (
            f"{before}ImageUri: received {shown(host)} beside DeployTarget Lambda, allowed: the usual host, "
            f"{without_fips(host)}; Lambda takes no FIPS host"
        )


def _faults_of_place(received: Mapping[object, object], place: Place) -> Iterator[str]:
    """Return what cannot be reached from where the function is, or not be deployed there."""
    for kind in BuilderKind:
        arn = _text(received.get(kind.property))
        own = f"arn:{place.partition}:{kind.service}:{place.region}:{place.account}:"
        if arn.startswith("arn:") and not arn.startswith(own):
            yield (
                f"{kind.property}: received {shown(arn)}, allowed: one of the waiter's own account and region, whose "
                f"ARN begins with {own}"
            )
    for before, image in _each_image(received):
        uri, region, role = (_text(image.get(name)) for name in ("ImageUri", "Region", "RoleArn"))
        source = (read_uri(uri) or (None, Source(region=region)))[1]
        named = "ImageUri" if uri else "Region"
        if source.region and partition_of(source.region) != place.partition:
            yield (
                f"{before}{named}: received {shown(uri or region)}, which is in the partition "
                f"{partition_of(source.region)}, allowed: the waiter's own, {place.partition}"
            )
        if role.startswith("arn:") and role.split(":")[1] != place.partition:
            yield (
                f"{before}RoleArn: received {shown(role)}, allowed: a role of the waiter's own partition, "
                f"{place.partition}"
            )
        target = image.get("DeployTarget")
        if target == "Lambda" and (source.alias or source.region not in ("", place.region)):
            where = "ECR Public" if source.alias else source.region
            yield (
                f"{before}DeployTarget: received Lambda for an image in {where}, allowed: a private repository in the "
                f"function's own region, {place.region}; Lambda deploys from nowhere else"
            )
        if source.alias:
            for name in ("Platform", "Labels"):
                if name in image:
                    yield (
                        f"{before}{name}: received for an image of ECR Public, allowed: without it; the API of ECR "
                        "Public does not give manifests"
                    )


def _fault(kind: str, loc: tuple[int | str, ...], received: object) -> str:
    model: type[BaseModel] = Properties
    before, names = "", list(loc)
    if len(names) > 2 and names[0] == "Images":
        model, before, names = Entry, f"Images[{names[1]}].", names[2:]
    elif len(names) == 2 and names[0] == "Images":
        return f"Images[{names[1]}]: received {shown(received)}, allowed: an object with an Id"
    # pydantic names no place for a key that is not valid Unicode.
    name = str(names[0]) if names else "?"
    if kind == "extra_forbidden" or name not in model.model_fields:
        return f"{before}{clipped(name)}: received {shown(received)}, {_unknown(name, model)}"
    allowed = allowed_by(model.model_fields[name])
    if kind == "missing":
        return f"{before}{name}: missing; allowed: {allowed}"
    inner = f"[{shown(str(names[1]))}]" if len(names) > 1 else ""
    count = f" of {len(received)}" if kind in ("too_short", "too_long") and isinstance(received, Sized) else ""
    hint = LEAVE_OUT if received == "" and "[key]" not in names else ""
    if isinstance(received, float) and (inner or model.model_fields[name].annotation is str):
        hint = "; in quotes it keeps its digits"
    return f"{before}{name}{inner}: received {shown(received)}{count}, allowed: {allowed}{hint}"


def _unknown(name: str, model: type[BaseModel]) -> str:
    """Say what is meant by a name that is none of a model's properties."""
    # Case is what people get wrong most; it must not count as distance.
    known = {field.lower(): field for field in {**model.model_fields, **Properties.model_fields}}
    if model is Entry:
        del known["images"]
    meant = _ELSEWHERE.get(name.lower())
    said = f"unknown property; use {meant}"
    if not meant:
        meant = known[difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)[0]]
        said = "no property of one image" if meant == name else f"unknown property; the nearest known one is {meant}"
    return said + ("" if meant.partition(":")[0] in model.model_fields else BESIDE_IMAGES)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
