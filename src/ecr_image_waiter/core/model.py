"""Images, sources and places, and what is found of images and stacks: values that `aws` makes and `text` words."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, TypeAlias

from .builds import Builder, BuildFinding, BuildUnavailable


@dataclass(frozen=True, slots=True)
class ImageId:
    """An image as a template names it: by tag, by digest, or by a tag that must point at a digest."""

    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an image, its registry; empty fields stand for the function's own account and region.

    `host`: of the image's URI, where a template names it. `alias`: of the public registry, for ECR Public. `session`:
    the name under which a role is assumed, for CloudTrail.
    """

    region: str = ""
    registry_id: str = ""
    role_arn: str = ""
    host: str = ""
    alias: str = ""
    session: str = "ecr-image-waiter"


OWN: Final = Source()


@dataclass(frozen=True, slots=True)
class Place:
    """A region of an account. `partition` is `aws`, `aws-cn`, ... `assumed`: a role of a template is assumed there."""

    partition: str
    region: str
    account: str
    assumed: bool = False

    @property
    def is_public(self) -> bool:
        """Whether this is ECR Public, which has no regions."""
        return "/" in self.region

    def builder_arn(self, builder: Builder) -> str:
        """Returns the ARN of a builder here."""
        kind = builder.kind
        return f"arn:{self.partition}:{kind.service}:{self.region}:{self.account}:{kind.path}{builder.name}"

    def repository_arn(self, repository: str) -> str:
        """Returns the repository's ARN, as an IAM policy names it."""
        if self.is_public:
            return f"arn:{self.partition}:ecr-public::{self.account}:repository/{repository}"
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"

    def at(self, source: Source) -> "Place":
        """Returns the place of an image's registry, from the function's own."""
        if source.alias:
            return Place(self.partition, f"public.ecr.aws/{source.alias}", self.account)
        account = source.registry_id or (source.role_arn.split(":")[4] if source.role_arn else self.account)
        return Place(self.partition, source.region or self.region, account, assumed=bool(source.role_arn))


def place_of(function_arn: str) -> Place:
    """Returns the partition, region and account that the function's own ARN names."""
    _, partition, _, region, account, *_ = [*function_arn.split(":"), *[""] * 5]
    return Place(partition or "aws", region, account)


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system, an architecture and a variant: `linux`, `arm64`, `v8`. Unknown parts are empty."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant))) or "no platform"


@dataclass(frozen=True, slots=True)
class Image:
    """The image is there and can be pulled. `pushed_at` is in seconds since 1970 UTC, `size` in bytes.

    `artifact_type` is the media type of its config. `architecture`, and `platform_digest` of one image of an index, are
    there where somebody asked for them.
    """

    digest: str
    registry_id: str
    repository_uri: str
    pushed_at: float | None = None
    size: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    architecture: str = ""
    platform_digest: str = ""

    @property
    def uri(self) -> str:
        """The image's URI by its digest."""
        return f"{self.repository_uri}@{self.digest}"


@dataclass(frozen=True, slots=True)
class NotYet:
    """An image is there, and it is not the one meant: the old one, say. `because` is a phrase."""

    because: str
    image: Image


@dataclass(frozen=True, slots=True)
class NotDeployable:
    """The image cannot be deployed, checked or waited for, and waiting does not help. All are phrases."""

    because: str
    cure: str
    image: Image | None = None
    cannot: str = "be deployed"


@dataclass(frozen=True, slots=True)
class NoImage:
    """The repository holds no such image. `tag_points_at`: the digest the tag has instead of the one asked for."""

    tag_points_at: str | None = None


@dataclass(frozen=True, slots=True)
class NotPullable:
    """ECR knows the image but does not serve it: `status` is ARCHIVED or ACTIVATING."""

    status: str


@dataclass(frozen=True, slots=True)
class NoRegion:
    """ECR's host name in a region does not exist, and botocore knows no such region. `nearest`: one that it knows."""

    region: str
    nearest: str


@dataclass(frozen=True, slots=True)
class NoRepository:
    """The registry holds no such repository."""


class Lacks(StrEnum):
    """The missing part if access is denied; by default a permission of IAM or of the repository's policy."""

    PERMISSION = auto()
    CREDENTIALS = auto()
    KEY = auto()
    UPSTREAM = auto()


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """AWS says no. `message` is AWS's own; where a permission is missing, it names user, action and resource."""

    code: str
    message: str
    lacks: Lacks = Lacks.PERMISSION


@dataclass(frozen=True, slots=True)
class Unavailable:
    """ECR did not say: it throttled, failed or could not be reached."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """ECR refuses the call, and retries do not help."""

    code: str
    message: str


TOO_LARGE: Final = "AnswerTooLarge"
"""The code of an answer that is larger than may be parsed. It is smaller where fewer images are asked for."""

Finding: TypeAlias = (
    Image
    | NotYet
    | NotDeployable
    | NoImage
    | NotPullable
    | NoRegion
    | NoRepository
    | AccessDenied
    | Unavailable
    | Refused
)


@dataclass(frozen=True, slots=True)
class Several:
    """The findings of several images by their Ids, in the template's order."""

    findings: tuple[tuple[str, Finding], ...]

    @property
    def missing(self) -> tuple[tuple[str, Finding], ...]:
        """The images that are not ready, with their findings."""
        return tuple(entry for entry in self.findings if not isinstance(entry[1], Image))

    @property
    def deciding(self) -> tuple[str, Finding]:
        """The finding that decides for all images: the least hopeful one, the first among equals."""
        return min(self.findings, key=lambda entry: _LEAST_HOPEFUL.index(type(entry[1])))


_LEAST_HOPEFUL: Final[list[type]] = [
    NotDeployable, Refused, NoRegion, AccessDenied, NoRepository, Unavailable, NoImage, NotYet, NotPullable, Image
]  # fmt: skip


ImagesFound: TypeAlias = Finding | Several


@dataclass(frozen=True, slots=True)
class Awaited:
    """The findings of images, some of them missing, and of the build that pushes them."""

    images: ImagesFound
    builder: Builder
    build: BuildFinding


Found: TypeAlias = ImagesFound | Awaited


def images_of(found: Found) -> ImagesFound:
    """Returns what was found of the images alone."""
    return found.images if isinstance(found, Awaited) else found


def decisive(found: Found) -> Finding:
    """Returns the one finding of an image that decides."""
    images = images_of(found)
    return images.deciding[1] if isinstance(images, Several) else images


def lacks_image(found: Found) -> bool:
    """Returns whether a repository is known to exist without the image."""
    images = images_of(found)
    findings = [finding for _, finding in images.findings] if isinstance(images, Several) else [images]
    return any(isinstance(finding, NoImage | NotPullable | NotYet) for finding in findings)


def partly_unanswered(found: Found) -> bool:
    """Returns whether ECR did not answer for some images, or the state of their build is unknown."""
    if isinstance(found, Awaited) and isinstance(found.build, BuildUnavailable):
        return True
    images = images_of(found)
    return isinstance(images, Several) and any(isinstance(finding, Unavailable) for _, finding in images.findings)


@dataclass(frozen=True, slots=True)
class TagSeen:
    """A tag that a repository does hold, and when its image was pushed (seconds since 1970 UTC)."""

    tag: str
    pushed_at: float


@dataclass(frozen=True, slots=True)
class NewestTags:
    """The newest tags of a repository, the newest first.

    `images`: how many images were read, if the repository holds more; None if all were read.
    """

    tags: tuple[TagSeen, ...]
    images: int | None = None


@dataclass(frozen=True, slots=True)
class StackSeen:
    """The stack's status, such as UPDATE_IN_PROGRESS; empty if CloudFormation knows no such stack.

    `updated_at`: when its last operation began, in seconds since 1970 UTC; None if it is still the first one.
    """

    status: str
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class StackHidden:
    """CloudFormation did not say. `denied`: nor will it, because the stack is another account's, say."""

    code: str
    denied: bool = False


StackFinding: TypeAlias = StackSeen | StackHidden

SETTLES: Final = 5.0
"""How late DescribeStacks may show what CloudFormation has begun, and how far the two clocks may be apart."""


def is_answer(found: StackFinding) -> bool:
    """Returns whether asking again cannot tell more: the stack was seen, or it may not be asked for."""
    return isinstance(found, StackSeen) or found.denied


def rolls_back(found: StackFinding) -> bool:
    """Returns whether the stack certainly rolls back."""
    return isinstance(found, StackSeen) and found.status.endswith("ROLLBACK_IN_PROGRESS")


def still_waits(found: StackFinding, start: float) -> bool:
    """Returns whether CloudFormation may still wait for the response to a Create or an Update.

    It does while the stack is created, updated or imported into. It does not once that operation is over, rolls back,
    or was followed by another one, or the stack is gone. In doubt it does. The operation began before the wait's start.
    """
    if isinstance(found, StackHidden):
        return True
    if found.updated_at is not None and found.updated_at > start + SETTLES:
        return False
    over = found.status.endswith(("_COMPLETE", "_FAILED", "_CLEANUP_IN_PROGRESS"))
    return bool(found.status) and not over and "ROLLBACK" not in found.status and not found.status.startswith("DELETE")
