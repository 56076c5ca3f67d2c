"""What an image's manifest and config say. Pure, and total: what cannot be read says nothing.

The forms are those of the OCI image specification 1.1 and of Docker's manifest V2 schema 2.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from .model import Platform

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_UNCOMPRESSED: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
SINGLE: Final = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEXES: Final = frozenset({DOCKER_INDEX, OCI_INDEX})
IMAGE_CONFIGS: Final = frozenset(
    {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
)

MOST_ENTRIES: Final = 50
_LONGEST_NAME: Final = 135  # of a digest, which by SHA-512 has 135, and a media type
LONGEST_PLATFORM_NAME: Final = 20  # of an operating system, an architecture, a variant; those there are have up to 11
MOST_LABEL_CHARACTERS: Final = 1024
"""Of a wanted label's value. A longer one in an image is cut behind that, and then equals none."""

# Other names of an architecture, and of an architecture's variants, as containerd reads them (platforms/database.go).
_ARCHITECTURES: Final = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
_VARIANTS: Final = {
    "amd64": {"v1": ""},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
    "arm": {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"},
}
_WITH_VARIANT: Final = {"armhf": ("arm", "v7"), "armel": ("arm", "v6")}


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest that an index lists."""

    digest: str
    media_type: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest: of one image, with its config, or an index, with its entries.

    `uncompressed`: whether a layer is of Docker's uncompressed media type.
    """

    media_type: str
    config_digest: str = ""
    config_type: str = ""
    entries: tuple[Entry, ...] = ()
    uncompressed: bool = False

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in INDEXES

    @property
    def is_image(self) -> bool:
        """Whether it is one image's: a manifest may as well be a Helm chart's, a signature's, ..."""
        return self.media_type in SINGLE and self.config_type in IMAGE_CONFIGS


@dataclass(frozen=True, slots=True)
class Config:
    """What an image's config says of its platform, and of the labels that somebody asked for."""

    platform: Platform
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cache:
    """What was read of images, so that nothing is read twice. A continuation carries it.

    `manifests` and `configs`: by digest, so they never change. `pushed`: when each image was pushed, in seconds since
    1970 UTC, 0 where ECR does not say; by URI, because the same image may have been pushed to several repositories.
    """

    pushed: dict[str, float] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)

    def copy(self) -> "Cache":
        """Returns one that changes apart from this."""
        return Cache(dict(self.pushed), dict(self.manifests), dict(self.configs))


def platform_of(os: str, architecture: str, variant: str) -> Platform:
    """Return a platform under one name of the several that it has. A variant that is the usual one is empty."""
    architecture, variant = _WITH_VARIANT.get(architecture.lower(), (architecture.lower(), variant.lower()))
    architecture = _ARCHITECTURES.get(architecture, architecture)
    return Platform(os.lower(), architecture, _VARIANTS.get(architecture, {}).get(variant, variant))


def read_manifest(text: str, media_type: str) -> Manifest:
    """Return what a manifest says.

    Args:
        text: the manifest, as ECR has it.
        media_type: as ECR says it; where it does not, the manifest's own.
    """
    document = _object(text)
    media_type = _name(media_type) or _name(document.get("mediaType"))
    entries = document.get("manifests")
    if isinstance(entries, Sequence):
        read = (_entry(entry) for entry in entries if isinstance(entry, Mapping))
        # A builder's attestations lie in the index as images for an unknown platform.
        kept = (entry for entry in read if entry.platform.os != "unknown")
        return Manifest(media_type or OCI_INDEX, entries=tuple(islice(kept, MOST_ENTRIES)))
    config = document.get("config")
    config = config if isinstance(config, Mapping) else {}
    config_type = _name(document.get("artifactType")) or _name(config.get("mediaType"))
    layers = document.get("layers")
    uncompressed = isinstance(layers, Sequence) and any(
        isinstance(layer, Mapping) and layer.get("mediaType") == DOCKER_UNCOMPRESSED for layer in layers
    )
    if document.get("schemaVersion") == 1:
        media_type = media_type or min(DOCKER_SCHEMA_1)
    return Manifest(media_type or OCI_MANIFEST, _name(config.get("digest")), config_type, uncompressed=uncompressed)


def read_config(content: bytes, labels: Sequence[str]) -> Config:
    """Return what an image's config says.

    Args:
        content: the config, as the registry has it.
        labels: the names of those that are asked for.
    """
    document = _object(content)
    inner = document.get("config")
    carried = inner.get("Labels") if isinstance(inner, Mapping) else None
    carried = carried if isinstance(carried, Mapping) else {}
    platform = _platform(document)
    values = {name: carried[name] for name in labels if name in carried}
    wanted = {
        name: value[: MOST_LABEL_CHARACTERS + 1] if isinstance(value, str) else "" for name, value in values.items()
    }
    return Config(platform, wanted)


def _entry(entry: Mapping[str, Any]) -> Entry:
    platform = entry.get("platform")
    platform = platform if isinstance(platform, Mapping) else {}
    return Entry(
        _name(entry.get("digest")),
        _name(entry.get("mediaType")),
        _platform(platform),
    )


def _platform(document: Mapping[str, Any]) -> Platform:
    return platform_of(*(_name(document.get(key), LONGEST_PLATFORM_NAME) for key in ("os", "architecture", "variant")))


def _object(content: str | bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _name(value: object, longest: int = _LONGEST_NAME) -> str:
    """Returns a name as it may be remembered: so many characters of a byte each, whatever a pusher writes."""
    return value[:longest].encode("ascii", "backslashreplace").decode()[:longest] if isinstance(value, str) else ""
