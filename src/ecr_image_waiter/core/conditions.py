"""Is this the image meant, and may it be deployed? Pure: from what was seen to ready, not yet because, never because.

A condition is a property of `Conditions` and a rule in `_RULES`. Rules are asked in that order: first whether it is the
image meant at all, since an older one may be of any kind, then whether that image can be deployed. A rule that needs
to know more says what is to be read, and is asked again.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from . import model
from .manifests import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA_1,
    DOCKER_UNCOMPRESSED,
    IMAGE_CONFIGS,
    INDEXES,
    MOST_LABEL_CHARACTERS,
    OCI_INDEX,
    SINGLE,
    Cache,
    Manifest,
    Unread,
    images_meant,
    listed,
    matches,
    platform_of,
)
from .messages import clipped, iso, shown
from .model import Image, ImageId, NotDeployable, NotYet, Source

STACK_OPERATION: Final = "StackOperation"
_PLATFORM: Final = (
    "^((linux|windows)/)?(amd64|arm64|x86_64|X86_64|ARM64|aarch64|arm|386|ppc64le|s390x|riscv64)(/v[0-9]+)?$"
)
_OF_LAMBDA: Final = frozenset({("linux", "amd64"), ("linux", "arm64")})
_OLD: Final = "it is an image in Docker's old schema 1"
_RENEW: Final = "build and push it again with a current Docker"
_NAMES: Final = {DOCKER_INDEX: "a manifest list", OCI_INDEX: "an image index", DOCKER_MANIFEST: "a Docker image"}


def _no_fraction(value: object) -> object:
    # It may have lost digits on its way: JSON's 1.10 is 1.1.
    if isinstance(value, float):
        raise ValueError("not a whole number")  # noqa: TRY004  # what pydantic wants
    return value


class Conditions(BaseModel):
    """The conditions that an image must meet; each is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)

    DeployTarget: str = Field(
        default="",
        pattern="^(Lambda|ECS)$",
        description="The service that will run the image. Fails immediately if that service cannot deploy it: Lambda "
        "takes a single image from a private repository in the function's region, ECS takes an image index too.",
        json_schema_extra={"allowed": "Lambda or ECS"},
    )
    Platform: str = Field(
        default="",
        pattern=_PLATFORM,
        description="The platform that the image must be for; an image index must list it. Fails immediately if the "
        "image is for another platform.",
        json_schema_extra={"allowed": "a platform such as linux/arm64, linux/amd64, linux/arm/v7, or arm64 alone"},
    )
    Labels: dict[
        Annotated[str, StringConstraints(min_length=1, max_length=256)],
        Annotated[
            str, StringConstraints(min_length=1, max_length=MOST_LABEL_CHARACTERS), BeforeValidator(_no_fraction)
        ],
    ] = Field(
        default_factory=dict,
        min_length=1,
        max_length=20,
        description="The labels that the image must carry. An image without them is an older one, so the wait goes on.",
        json_schema_extra={
            "allowed": f"an object of 1 to 20 labels, each value a string of 1 to {MOST_LABEL_CHARACTERS} characters"
        },
    )
    PushedAfter: str = Field(
        default="",
        min_length=1,
        description="The time from which a push counts. An image pushed earlier is an older one, so the wait goes on. "
        f"{STACK_OPERATION} is the start of the wait.",
        json_schema_extra={
            "allowed": f"an ISO 8601 time with its offset, such as 2026-11-01T12:00:00Z, or {STACK_OPERATION}"
        },
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_fraction_as_text(cls, value: object, info: ValidationInfo) -> object:
        return _no_fraction(value) if cls.model_fields[info.field_name or ""].annotation is str else value

    @field_validator("PushedAfter")
    @classmethod
    def _a_time(cls, value: str) -> str:
        if value != STACK_OPERATION and _moment(value) is None:
            raise ValueError("no time")
        return value

    @property
    def platform(self) -> model.Platform | None:
        """The wanted platform, None if any will do."""
        return read_platform(self.Platform)

    def pushed_after(self, start: float) -> float | None:
        """Returns the time before which an image is too old, in whole seconds since 1970 UTC, ECR's precision."""
        moment = start if self.PushedAfter == STACK_OPERATION else _moment(self.PushedAfter)
        return None if moment is None else math.floor(moment)


def read_platform(text: str) -> model.Platform | None:
    """Returns the platform in a text, None if it has none. The default operating system is Linux."""
    found = re.fullmatch(_PLATFORM, text)
    if not found:
        return None
    variant = (found[4] or "").lstrip("/")
    # The variant stays as it is written: without one, any will do.
    return replace(platform_of(found[2] or "linux", found[3], variant), variant=variant)


def runs_on_lambda(platform: model.Platform) -> bool:
    """Returns whether Lambda runs images for a platform ("Create a Lambda function using a container image")."""
    return (platform.os, platform.architecture) in _OF_LAMBDA


@dataclass(frozen=True)
class Wanted:
    """One image to wait for. `id` is its Id among several images, otherwise empty."""

    id: str
    image: ImageId
    source: Source
    conditions: Conditions

    def in_session(self, name: str) -> "Wanted":
        """Returns the same image, with this session name for its role."""
        return replace(self, source=replace(self.source, session=name))


@dataclass(frozen=True, slots=True)
class _Case:
    conditions: Conditions
    image: Image
    cache: Cache
    start: float

    @property
    def manifest(self) -> Manifest | Unread:
        return self.cache.manifest(self.image.digest)

    def not_yet(self, because: str) -> NotYet:
        return NotYet(because, self.image)

    def never(self, because: str, cure: str) -> NotDeployable:
        return NotDeployable(because, cure, self.image)


Verdict: TypeAlias = NotYet | NotDeployable | Unread | Image | None
"""A rule's: None or the image where it has nothing against it, the image where it knows more of it."""


def assess(image: Image, conditions: Conditions, cache: Cache, start: float) -> Image | NotYet | NotDeployable | Unread:
    """Returns whether an image is ready, as far as the cache tells. The wait began at `start`, in seconds since 1970.

    Returns:
        The image with all that was read of it if it is ready, why it is not ready, or what to read first.
    """
    for rule in _RULES:
        verdict = rule(_Case(conditions, image, cache, start))
        if isinstance(verdict, Image):
            image = verdict
        elif verdict is not None:
            return verdict
    return image


def without_judgement(conditions: Conditions) -> Conditions:
    """Returns the conditions of a rollback: any image is ready, and its platform is read."""
    return Conditions(Platform=conditions.Platform) if conditions.Platform else Conditions()


def _pushed_after(case: _Case) -> Verdict:
    threshold = case.conditions.pushed_after(case.start)
    if threshold is None:
        return None
    pushed = case.image.pushed_at
    if pushed is None:
        if case.image.uri not in case.cache.pushed:
            return Unread("details", case.image.digest)
        pushed = case.cache.pushed[case.image.uri]
    if pushed >= threshold:
        return None
    since = "this operation began at" if case.conditions.PushedAfter == STACK_OPERATION else "PushedAfter"
    when = f"at {iso(pushed)}" if pushed else "at an unknown time"
    return case.not_yet(f"the image is an older one, pushed {when}, before {since} {iso(threshold)}")


def _labels(case: _Case) -> Verdict:
    wanted = case.conditions.Labels
    if not wanted:
        return None
    manifest = case.manifest
    if isinstance(manifest, Unread):
        return manifest
    if not manifest.is_index and not manifest.is_image:
        old = f"{_OLD}, whose labels are not read"
        artifact = "it is an artifact, which has no labels"
        return case.not_yet(old if manifest.media_type in DOCKER_SCHEMA_1 else artifact)
    meant = images_meant(case.cache, case.image.digest, case.conditions.platform)
    if isinstance(meant, Unread):
        return meant
    if not meant:
        return case.not_yet("the index holds no container image, so it has no labels")
    architecture = ""
    for single in meant:
        config = case.cache.config(single)
        if isinstance(config, Unread):
            return config
        for name, value in wanted.items():
            if config.labels.get(name) != value:
                carries = f"is {shown(config.labels[name])}" if name in config.labels else "is missing"
                return case.not_yet(
                    f"the image is another one: its label {shown(name)} {carries}, wanted {shown(value)}"
                )
        architecture = config.platform.architecture
    return replace(case.image, architecture=architecture) if len(meant) == 1 else None


def _deploy_target(case: _Case) -> Verdict:
    target, image = case.conditions.DeployTarget, case.image
    if not target:
        return None
    media_type, config_type = image.media_type, image.artifact_type
    if not media_type or (media_type not in INDEXES and not config_type):
        manifest = case.manifest
        if isinstance(manifest, Unread):
            return manifest
        media_type, config_type = manifest.media_type, manifest.config_type
    if media_type in INDEXES:
        if target == "ECS":
            return None
        platform = case.conditions.platform
        return case.never(
            f"it is {_NAMES[media_type]}, and Lambda takes a single image only",
            f"push one with docker buildx build --provenance=false --platform {platform or 'linux/arm64'} "
            "(or linux/amd64: one platform, no attestations)",
        )
    if media_type in DOCKER_SCHEMA_1:
        return case.never(f"{_OLD}, which {target} does not take", _RENEW)
    if media_type not in SINGLE:
        return case.never(
            f"its media type is {shown(media_type)}, which {target} does not take",
            "push an image in the format Docker V2 schema 2 or OCI",
        )
    if config_type not in IMAGE_CONFIGS:
        return _artifact(case, config_type)
    read = case.cache.manifests.get(image.digest)
    if target == "Lambda" and read and read.uncompressed:
        return case.never(
            f'it has a layer of the media type "{DOCKER_UNCOMPRESSED}", which Lambda does not take',
            "push it with compressed layers: docker buildx build --provenance=false --output "
            "type=image,push=true,compression=gzip,force-compression=true",
        )
    return None


def _platform(case: _Case) -> Verdict:
    wanted = case.conditions.platform
    if wanted is None:
        return None
    manifest = case.manifest
    if isinstance(manifest, Unread):
        return manifest
    cure = f"build it for that platform with docker buildx build --platform {wanted}"
    if manifest.is_index:
        entries, unread = listed(case.cache, case.image.digest, wanted)
        found = next((entry for entry in entries if matches(wanted, entry.platform)), None)
        if found:
            return replace(case.image, architecture=found.platform.architecture, platform_digest=found.digest)
        if unread:
            return unread
        there = ", ".join(dict.fromkeys(str(entry.platform) for entry in entries)) or "none"
        return case.never(f'the index holds no image for "{wanted}"; it has {clipped(there, 200)}', cure)
    if manifest.media_type in DOCKER_SCHEMA_1:
        return case.never(f"{_OLD}, whose platform is not read", _RENEW)
    if not manifest.is_image:
        return _artifact(case, manifest.config_type)
    config = case.cache.config(manifest)
    if isinstance(config, Unread):
        return config
    if not matches(wanted, config.platform):
        return case.never(f'it is for {shown(str(config.platform))}, wanted "{wanted}"', cure)
    return replace(case.image, architecture=config.platform.architecture)


def _artifact(case: _Case, config_type: str | None) -> NotDeployable:
    return case.never(
        f"it is an artifact of the type {shown(config_type or 'none')}", "correct the tag, or push a container image"
    )


_RULES: Final[tuple[Callable[[_Case], Verdict], ...]] = (_pushed_after, _labels, _deploy_target, _platform)


def _moment(text: str) -> float | None:
    try:
        read = datetime.fromisoformat(text)
        # In UTC it must still lie in the years that can be written.
        return read.astimezone(UTC).timestamp() if read.tzinfo else None
    except (ValueError, OverflowError):
        return None
