"""Everything that can be said of an image that is there: its platforms, and the labels that were asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.manifests import DOCKER_SCHEMA_1, Cache, Config, Manifest
from ecr_image_waiter.core.model import Image, ImageId
from ecr_image_waiter.text.terms import seen


@dataclass(frozen=True, slots=True)
class Inside:
    """What manifests and configs say. `unread`: why one of them could not be read, in a phrase."""

    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""


def inspect(registry: Registry, wanted: Wanted, image: Image, cache: Cache, deadline: Deadline) -> Inside:
    """Returns what is in an image, with at most one BatchGetImage and one config more than is known of it.

    Args:
        registry: calls ECR.
        wanted: the image as it was asked for.
        image: what is there.
        cache: what has been read already.
        deadline: when the calls must be done.
    """
    source, repository = wanted.source, wanted.image.repository
    if source.alias:
        return Inside()  # ECR Public gives no manifests
    manifest = cache.manifests.get(image.digest)
    if manifest is None:
        one = ImageId(repository, None, image.digest)
        got = registry.get(repository, [one], source=source, seconds=deadline.per_call())
        answer = got[one] if isinstance(got, Mapping) else got
        if not isinstance(answer, tuple):
            return Inside(unread=f"its manifest: {seen(answer)}")
        manifest = answer[1]
    if manifest.is_index:
        platforms = tuple(dict.fromkeys(str(entry.platform) for entry in manifest.entries))
        return Inside(platforms, _labels(manifest, cache))
    if manifest.media_type in DOCKER_SCHEMA_1:
        return Inside(unread="an image in Docker's old schema 1, of which nothing is read")
    if not manifest.is_image:
        return Inside(unread=f"no container image but an artifact of the type {manifest.config_type or 'none'}")
    labels = sorted(wanted.conditions.Labels)
    config = cache.configs.get(manifest.config_digest) or registry.config(
        repository, manifest.config_digest, labels, source=source, seconds=deadline.per_call()
    )
    if not isinstance(config, Config):
        return Inside(unread=f"its config: {seen(config)}")
    return Inside((str(config.platform),), config.labels)


def _labels(index: Manifest, cache: Cache) -> dict[str, str]:
    """Returns the labels of an index's images, as far as their configs have been read."""
    labels: dict[str, str] = {}
    for config in _configs(index, cache):
        labels |= config.labels
    return labels


def _configs(index: Manifest, cache: Cache) -> Iterator[Config]:
    for entry in index.entries:
        single = cache.manifests.get(entry.digest)
        config = cache.configs.get(single.config_digest) if single else None
        if config:
            yield config
