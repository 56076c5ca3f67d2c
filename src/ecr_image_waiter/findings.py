"""What one look can find: values that `registry` and `stacks` make, `waiting` and `standing` judge, `answers` words."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ImageId:
    """An image as a template names it: by tag, by digest, or by a tag that must point at a digest."""

    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Image:
    """The image is there and can be pulled. `pushed_at` is in seconds since 1970 UTC, `size` in bytes."""

    digest: str
    registry_id: str
    repository_uri: str
    pushed_at: float | None = None
    size: int | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class NoImage:
    """The repository holds no such image. `tag_points_at`: the digest the tag has instead of the one asked for."""

    tag_points_at: str | None = None


@dataclass(frozen=True, slots=True)
class NotPullable:
    """ECR knows the image but does not serve it: `status` is ARCHIVED or ACTIVATING."""

    status: str


@dataclass(frozen=True, slots=True)
class NoRepository:
    """The registry holds no such repository."""


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """IAM, or the repository's policy, says no. `message` is AWS's own; it names user, action and resource."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """ECR did not say: it throttled, failed or could not be reached."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """ECR will not answer this question, and asking again will not help."""

    code: str
    message: str


Finding: TypeAlias = Image | NoImage | NotPullable | NoRepository | AccessDenied | Unavailable | Refused


@dataclass(frozen=True, slots=True)
class TagSeen:
    """A tag that a repository does hold, and when its image was pushed (seconds since 1970 UTC)."""

    tag: str
    pushed_at: float


@dataclass(frozen=True, slots=True)
class StackSeen:
    """The stack's status, such as UPDATE_IN_PROGRESS; empty where CloudFormation knows no such stack."""

    status: str


@dataclass(frozen=True, slots=True)
class StackHidden:
    """CloudFormation did not say. `denied`: nor will it, because the stack is another account's, say."""

    code: str
    denied: bool = False


StackFinding: TypeAlias = StackSeen | StackHidden
