"""Images as a hostile pusher makes them: text that commands terminals and logs, and documents that are none.

Each of `KINDS` is one image, and the conditions that make the waiter read the hostile part of it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from ecr_image_waiter.core.manifests import OCI_INDEX, OCI_MANIFEST
from tests.support.ecr import OCI_CONFIG, Ecr, digest_of, entry

PARTS: Final = (
    *(
        "\n",
        "\r",
        "\x00",
        "\x07",
        "\x08",
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\x9b2J",
        "\x7f",
        "\u0085",
        "\u2028",
        "\u202e",
    ),
    *("\ud800", "\udfff", "\U0001f4a5", "\u00e9", "::error title=x::", "##[error]", "##vso[task]", "::", "%0A", "${x}"),
    *("'", '"', "\\", "<!--", "{", "}", "%s", "arm64", "amd64", "a", " "),
)
"""The parts of hostile text: line breaks, escapes, halves of pairs, commands of CI logs, and harmless text between."""


def text(random: Random, most: int = 30) -> str:
    """Returns hostile text: at least one part of the alphabet's hostile half."""
    parts = [random.choice(PARTS[:18]), *random.choices(PARTS, k=random.randint(0, most))]
    random.shuffle(parts)
    return "".join(parts)


@dataclass(frozen=True)
class Hostile:
    """A hostile image. `conditions` are properties, and `ready` says whether they hold.

    `where`: the document that is hostile, "manifest" or "config".
    """

    where: str
    conditions: Mapping[str, Any]
    manifest: str
    media_type: str
    config: bytes
    ready: bool


def _document(config: bytes, **more: Any) -> dict[str, Any]:
    described = {"mediaType": OCI_CONFIG, "size": len(config), "digest": digest_of(config)}
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": [], **more}


def _config(**more: Any) -> bytes:
    return json.dumps(
        {"os": "linux", "architecture": "arm64", "config": {"Labels": {"commit": "abc"}}, **more}
    ).encode()


PLATFORM: Final = {"Platform": "linux/arm64"}
LABELS: Final = {"Labels": {"commit": "abc"}}


def _of_config(conditions: Mapping[str, Any], config: bytes, *, ready: bool = False) -> Hostile:
    return Hostile("config", conditions, json.dumps(_document(config)), OCI_MANIFEST, config, ready)


def _of_manifest(
    conditions: Mapping[str, Any], manifest: str, *, ready: bool = False, media_type: str = OCI_MANIFEST
) -> Hostile:
    return Hostile("manifest", conditions, manifest, media_type, _config(), ready)


def _index(random: Random) -> Hostile:
    entries = [entry(digest_of(str(n)), f"{text(random)}/{text(random)}/{text(random)}") for n in range(3)]
    return _of_manifest(PLATFORM, json.dumps({"schemaVersion": 2, "manifests": entries}), media_type=OCI_INDEX)


KINDS: Final[Mapping[str, Callable[[Random], Hostile]]] = {
    "architecture": lambda random: _of_config(PLATFORM, _config(architecture=text(random), variant=text(random))),
    "architecture of a ready image": lambda random: _of_config(
        LABELS, _config(architecture=text(random), os=text(random)), ready=True
    ),
    "wanted label": lambda random: _of_config(LABELS, _config(config={"Labels": {"commit": text(random)}})),
    "other label": lambda random: _of_config(
        {**PLATFORM, **LABELS}, _config(config={"Labels": {"commit": "abc", text(random): text(random)}}), ready=True
    ),
    "config without a shape": lambda random: _of_config(
        {**PLATFORM, **LABELS},
        random.choice(
            [b"", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, _config(config=[1]), _config(os=7, config=None)]
        ),
    ),
    "manifest without a shape": lambda random: _of_manifest(
        PLATFORM,
        random.choice(["[]", "nothing", "[" * 100_000, "null", "NaN", '{"config": []}', '{"manifests": [1, {}]}']),
    ),
    "artifact type": lambda random: _of_manifest(
        {"DeployTarget": "ECS", **PLATFORM}, json.dumps(_document(_config(), artifactType=text(random)))
    ),
    "annotations": lambda random: _of_manifest(
        PLATFORM, json.dumps(_document(_config(), annotations={text(random): text(random)})), ready=True
    ),
    "platforms of an index": _index,
    "too large": lambda random: _of_manifest(
        PLATFORM, json.dumps(_document(_config(), annotations={"a": "x" * random.randint(600_000, 1_900_000)}))
    ),
    "config too large": lambda random: _of_config(PLATFORM, _config(created="x" * random.randint(600_000, 1_900_000))),
}


def push(ecr: Ecr, image: Hostile, repository: str, tag: str, digest: str) -> None:
    """Pushes an image under a digest that is not its own: the waiter knows the digest before the manifest."""
    ecr.repository(repository).images.pop(digest, None)
    ecr.put_text(repository, tag, image.manifest, image.media_type, digest)
    ecr.repository(repository).blobs[digest_of(image.config)] = image.config
