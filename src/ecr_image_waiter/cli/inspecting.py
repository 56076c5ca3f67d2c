"""Reads an image's platforms and the labels that were asked for."""

from collections.abc import Mapping
from dataclasses import replace

from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.manifests import DOCKER_SCHEMA_1, Cache, Config
from ecr_image_waiter.core.model import ImageId
from ecr_image_waiter.text.terms import seen

from .results import Seen


def inspect(registry: Registry, one: Seen, cache: Cache, deadline: Deadline) -> Seen:
    """Returns what is in an image, with at most one BatchGetImage and one config more than `cache` has of it."""
    source, repository, image = one.wanted.source, one.wanted.image.repository, one.image
    if image is None or source.alias:
        return one  # ECR Public gives no manifests
    manifest = cache.manifests.get(image.digest)
    if manifest is None:
        id_ = ImageId(repository, None, image.digest)
        got = registry.manifests(repository, [id_], source=source, seconds=deadline.per_call())
        answer = got[id_] if isinstance(got, Mapping) else got
        if not isinstance(answer, tuple):
            return replace(one, unread=f"its manifest: {seen(answer)}")
        manifest = answer[1]
    if manifest.is_index:
        platforms = tuple(dict.fromkeys(str(entry.platform) for entry in manifest.entries))
        labels: dict[str, str] = {}
        for entry in manifest.entries:  # as far as their configs have been read
            single = cache.manifests.get(entry.digest)
            read = cache.configs.get(single.config_digest) if single else None
            labels |= read.labels if read else {}
        return replace(one, platforms=platforms, labels=labels)
    if manifest.media_type in DOCKER_SCHEMA_1:
        return replace(one, unread="an image in Docker's old schema 1, of which nothing is read")
    if not manifest.is_image:
        return replace(one, unread=f"no container image but an artifact of the type {manifest.config_type or 'none'}")
    names = sorted(one.wanted.conditions.Labels)
    config = cache.configs.get(manifest.config_digest) or registry.config(
        repository, manifest.config_digest, names, source=source, seconds=deadline.per_call()
    )
    if not isinstance(config, Config):
        return replace(one, unread=f"its config: {seen(config)}")
    return replace(one, platforms=(str(config.platform),), labels=config.labels)
