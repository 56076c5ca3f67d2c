"""Push images and artifacts as docker, buildx and helm do, all through the API of ECR or ECR Public.

`python -m sandbox.images REPOSITORY TAG` pushes an image with the endpoints and credentials of the environment, and
creates the repository first where there is none.

Each function takes a boto3 client, an existing repository and the tag, and returns the digest under the tag; the same
arguments make the same one. Formats: OCI image-spec, "Image Manifest", "Image Configuration" and "Image Index";
distribution, "Image Manifest Version 2, Schema 2"; BuildKit, "Image attestation storage"; Helm, "Use OCI-based
registries", helm#11482.
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import boto3

MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
HELM_CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"
CREATED: Final = "2026-11-01T12:00:00Z"
"""When the images say that they were made."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_BOTH: Final = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class _Types:
    """The media types of one of the two formats."""

    manifest: str
    index: str
    config: str
    layer: str


_DOCKER: Final = _Types(
    MANIFEST,
    MANIFEST_LIST,
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_OCI: Final = _Types(
    OCI_MANIFEST, OCI_INDEX, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
)


def push(
    ecr: Any,
    repository: str,
    tag: str,
    *,
    content: str = "hello",
    architecture: str = "arm64",
    labels: Mapping[str, str] = _NOTHING,
    oci: bool = False,
    variant: str = "",
    os: str = "linux",
) -> str:
    """Push an image of one layer, in which `content` is the one file."""
    platform = _platform(os, architecture, variant)
    image = _Repository(ecr, repository).push_image(_OCI if oci else _DOCKER, platform, content, labels, tag=tag)
    return str(image["digest"])


def push_index(
    ecr: Any,
    repository: str,
    tag: str,
    *,
    platforms: Iterable[str] = _BOTH,
    attestations: bool = False,
    oci: bool = True,
    labels: Mapping[str, str] = _NOTHING,
    content: str = "hello",
) -> str:
    """Push an image for several platforms as `docker buildx` does, which adds an attestation for each."""
    target, types = _Repository(ecr, repository), _OCI if oci else _DOCKER
    entries = target.push_images(types, platforms, content, labels)
    if attestations:
        entries += [target.push_attestation(types, str(entry["digest"])) for entry in entries]
    return str(target.push_index(types, entries, tag)["digest"])


def push_artifact(ecr: Any, repository: str, tag: str) -> str:
    """Push a Helm chart with one file, which is no image."""
    target = _Repository(ecr, repository)
    chart = json.dumps({"apiVersion": "v2", "name": "chart", "version": "0.1.0"}).encode()
    config = target.push_blob(HELM_CONFIG, chart)
    packed = gzip.compress(_tar("chart/Chart.yaml", chart), mtime=0)
    layer = target.push_blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed)
    manifest = {"schemaVersion": 2, "config": config, "layers": [layer]}
    return str(target.push_manifest(OCI_MANIFEST, manifest, tag)["digest"])


@dataclass(frozen=True)
class _Repository:
    """Where things are pushed to. What is pushed is returned as the descriptor that refers to it."""

    ecr: Any
    name: str

    def push_images(
        self, types: _Types, platforms: Iterable[str], content: str, labels: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Push an image for each platform, without a tag; return their entries for an index."""
        named = [_platform(*platform.split("/")) for platform in platforms]
        return [{**self.push_image(types, each, content, labels), "platform": each} for each in named]

    def push_image(
        self,
        types: _Types,
        platform: Mapping[str, str],
        content: str,
        labels: Mapping[str, str],
        tag: str | None = None,
    ) -> dict[str, Any]:
        plain = _tar("greeting.txt", content.encode())
        config = {
            **platform,
            "created": CREATED,
            "config": {"Cmd": ["cat", "/greeting.txt"], **({"Labels": dict(labels)} if labels else {})},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
            "history": [{"created": CREATED, "created_by": "COPY greeting.txt /"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": types.manifest,
            "config": self.push_blob(types.config, json.dumps(config).encode()),
            "layers": [self.push_blob(types.layer, gzip.compress(plain, mtime=0))],
        }
        return self.push_manifest(types.manifest, manifest, tag)

    def push_attestation(self, types: _Types, subject: str) -> dict[str, Any]:
        """Push the attestation of the image with this digest; return its entry for the index."""
        content = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "subject": subject}).encode()
        platform = {"architecture": "unknown", "os": "unknown"}
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [_digest(content)]}}
        layer = self.push_blob("application/vnd.in-toto+json", content)
        manifest = {
            "schemaVersion": 2,
            "mediaType": types.manifest,
            "config": self.push_blob(types.config, json.dumps(config).encode()),
            "layers": [{**layer, "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}}],
        }
        annotations = {"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}
        return {**self.push_manifest(types.manifest, manifest), "annotations": annotations, "platform": platform}

    def push_index(self, types: _Types, entries: list[dict[str, Any]], tag: str | None = None) -> dict[str, Any]:
        return self.push_manifest(
            types.index, {"schemaVersion": 2, "mediaType": types.index, "manifests": entries}, tag
        )

    def push_manifest(self, media_type: str, manifest: Mapping[str, Any], tag: str | None = None) -> dict[str, Any]:
        """Push a manifest, unless it is there with that tag."""
        written = json.dumps(manifest, indent=2)
        with contextlib.suppress(self.ecr.exceptions.ImageAlreadyExistsException):
            self.ecr.put_image(
                repositoryName=self.name,
                imageManifest=written,
                imageManifestMediaType=media_type,
                **({"imageTag": tag} if tag else {}),
            )
        return _descriptor(media_type, written.encode())

    def push_blob(self, media_type: str, blob: bytes) -> dict[str, Any]:
        """Upload a blob, unless it is there."""
        descriptor = _descriptor(media_type, blob)
        place = {"repositoryName": self.name}
        digests = [descriptor["digest"]]
        known = self.ecr.batch_check_layer_availability(**place, layerDigests=digests)["layers"]
        if [layer["layerAvailability"] for layer in known] != ["AVAILABLE"]:
            upload = {**place, "uploadId": self.ecr.initiate_layer_upload(**place)["uploadId"]}
            self.ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=len(blob) - 1, layerPartBlob=blob)
            self.ecr.complete_layer_upload(**upload, layerDigests=digests)
        return descriptor


def _platform(os: str, architecture: str, variant: str = "") -> dict[str, str]:
    return {"architecture": architecture, "os": os, **({"variant": variant} if variant else {})}


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def main() -> None:
    """Push an image into the repository, and under the tag, that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.images", description=main.__doc__)
    parser.add_argument("repository")
    parser.add_argument("tag")
    parser.add_argument("--architecture", default="arm64", choices=("arm64", "amd64"))
    options, ecr = parser.parse_args(), boto3.client("ecr")
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=options.repository)
    print(f"{options.repository}:{options.tag}", push(ecr, **vars(options), content=datetime.now(UTC).isoformat()))


if __name__ == "__main__":
    main()
