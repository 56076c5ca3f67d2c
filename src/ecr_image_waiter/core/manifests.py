"""The content of an image's manifest and config. Pure and total: unreadable parts are empty.

The forms are those of the OCI image specification 1.1 and of Docker's manifest V2 schema 2.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, Literal, TypeVar

from .model import Platform

K = TypeVar("K", bound="Manifest | Config | float")

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
MOST_READ: Final = 60  # manifests of one index, those of indexes in it among them
MOST_INDEXES: Final = 4  # in an index, so that all of what twenty hold can be remembered
# What one check can need, or it would read again and again what it has just read.
_MOST_KNOWN_OF_ONE: Final = (1 + MOST_INDEXES) * (1 + MOST_ENTRIES) + MOST_READ
MOST_KNOWN: Final = 20 * _MOST_KNOWN_OF_ONE
"""Of manifests, and of configs, in the units of `_weight`: about 10 MB each, whatever an image's pusher writes."""
_LABEL_UNIT: Final = 200  # characters of labels, of up to four bytes each
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
        """Whether it describes one image, as opposed to a Helm chart, a signature or another artifact."""
        return self.media_type in SINGLE and self.config_type in IMAGE_CONFIGS


@dataclass(frozen=True, slots=True)
class Config:
    """The platform and the wanted labels in an image's config."""

    platform: Platform
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """The next document to read: an image, a manifest or a config, by its digest."""

    what: Literal["details", "manifest", "config"]
    digest: str


@dataclass(frozen=True, slots=True)
class Cache:
    """The documents read so far, so that none is read twice. A continuation carries it.

    `manifests` and `configs`: by digest, so they never change. `pushed`: when each image was pushed, in seconds since
    1970 UTC, 0 where ECR does not say; by URI, because the same image may have been pushed to several repositories.
    """

    pushed: dict[str, float] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)

    def manifest(self, digest: str) -> "Manifest | Unread":
        """Returns a manifest, or that it is to be read."""
        return self.manifests.get(digest) or Unread("manifest", digest)

    def config(self, manifest: Manifest) -> "Config | Unread":
        """Returns the config of an image, or that it is to be read."""
        digest = manifest.config_digest
        return self.configs.get(digest) or Unread("config", digest)

    def to_add_to(self, images: int) -> "Cache":
        """Returns a copy to add to, which drops the oldest documents if it exceeds the size for so many images."""
        most = max(MOST_KNOWN, images * _MOST_KNOWN_OF_ONE)
        return Cache(_Bounded(self.pushed, most), _Bounded(self.manifests, most), _Bounded(self.configs, most))


class _Bounded(dict[str, K]):
    """A dict that forgets its oldest entries when all weigh more than `most`; see `_weight`."""

    def __init__(self, kept: Mapping[str, K], most: int) -> None:
        super().__init__(kept)
        self._most = most
        self._total = sum(map(_weight, kept.values()))

    def __setitem__(self, digest: str, value: K) -> None:
        self._total += _weight(value) - (_weight(self.pop(digest)) if digest in self else 0)
        super().__setitem__(digest, value)
        while self._total > self._most and len(self) > 1:
            self._total -= _weight(self.pop(next(iter(self))))


def _weight(value: Manifest | Config | float) -> int:
    """Returns how much memory it may take, in units of about a kilobyte."""
    if isinstance(value, Manifest):
        return 1 + len(value.entries)
    return 1 + sum(map(len, value.labels.values())) // _LABEL_UNIT if isinstance(value, Config) else 1


def platform_of(os: str, architecture: str, variant: str) -> Platform:
    """Returns a platform under one name of the several that it has. A variant that is the usual one is empty."""
    architecture, variant = _WITH_VARIANT.get(architecture.lower(), (architecture.lower(), variant.lower()))
    architecture = _ARCHITECTURES.get(architecture, architecture)
    return Platform(os.lower(), architecture, _VARIANTS.get(architecture, {}).get(variant, variant))


def images_meant(cache: Cache, digest: str, wanted: Platform | None) -> list[Manifest] | Unread:
    """Returns the manifests of the images meant: of an index, those of the wanted platform, or all where none is."""
    manifest = cache.manifest(digest)
    if isinstance(manifest, Unread):
        return manifest
    if not manifest.is_index:
        return [manifest]
    entries, unread = listed(cache, digest, wanted)
    if unread:
        return unread
    meant: list[Manifest] = []
    of_platform = [entry for entry in entries if wanted and matches(wanted, entry.platform)] or entries
    for entry in of_platform[:MOST_READ]:
        single = cache.manifest(entry.digest)
        if isinstance(single, Unread):
            return single
        meant += [single] if single.is_image else []
    return meant


def listed(cache: Cache, digest: str, wanted: Platform | None) -> tuple[list[Entry], Unread | None]:
    """Returns the images that an index lists, those of an index in it among them, and what is left to be read.

    Where a platform is wanted, that of an entry that names none (OCI image specification, "platform") is its config's.
    The index itself must be in the cache.
    """
    images: list[Entry] = []
    unread: Unread | None = None
    open_: list[Iterator[Entry]] = [iter(cache.manifests[digest].entries)]
    read: set[str] = {digest}
    indexes = 0
    while open_:
        entry = next(open_[-1], None)
        if entry is None:
            open_.pop()
        elif entry.media_type not in INDEXES and (entry.platform.architecture or not wanted):
            images.append(entry)
        elif entry.digest and entry.digest not in read and len(read) < MOST_READ and indexes < MOST_INDEXES:
            read.add(entry.digest)
            inner = _behind(cache, entry)
            if isinstance(inner, Unread):
                unread = unread or inner
                indexes += entry.media_type in INDEXES
            elif isinstance(inner, Entry):
                images.append(inner)
            else:
                open_.append(iter(inner.entries))
                indexes += bool(inner.entries)
    return images, unread


def _behind(cache: Cache, entry: Entry) -> Manifest | Entry | Unread:
    """Returns the entry of an image with its config's platform; of anything else, its manifest."""
    manifest = cache.manifest(entry.digest)
    if isinstance(manifest, Unread) or not manifest.is_image:
        return manifest
    config = cache.config(manifest)
    return config if isinstance(config, Unread) else replace(entry, platform=config.platform)


def matches(wanted: Platform, seen: Platform) -> bool:
    """Returns whether a platform is the wanted one, of which the variant may be left open."""
    exact = platform_of(wanted.os, wanted.architecture, wanted.variant)
    return (exact.os, exact.architecture) == (seen.os, seen.architecture) and (
        not wanted.variant or exact.variant == seen.variant
    )


def read_manifest(text: str, media_type: str) -> Manifest:
    """Returns what a manifest says. Where ECR says no media type, it is the manifest's own."""
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
    """Returns what an image's config says of its platform and of the labels with these names."""
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
    return Entry(_name(entry.get("digest")), _name(entry.get("mediaType")), _platform(platform))


def _platform(document: Mapping[str, Any]) -> Platform:
    return platform_of(*(_name(document.get(key), LONGEST_PLATFORM_NAME) for key in ("os", "architecture", "variant")))


def _object(content: str | bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _name(value: object, longest: int = _LONGEST_NAME) -> str:
    """Returns a name as the cache keeps it: at most so many ASCII characters, however a pusher writes it."""
    return value[:longest].encode("ascii", "backslashreplace").decode()[:longest] if isinstance(value, str) else ""
