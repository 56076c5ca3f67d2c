"""Push an image as docker does: its layers, its config, its manifest under a tag, all through the ECR API.

`python -m sandbox.images REPOSITORY TAG` does so with the endpoints and credentials of the environment, and creates the
repository first where there is none.
"""

import contextlib
import gzip
import hashlib
import io
import json
import sys
import tarfile
from datetime import UTC, datetime
from typing import Any

import boto3

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def push(ecr: Any, repository: str, tag: str, *, content: str = "hello", architecture: str = "arm64") -> str:
    """Push an image of one layer.

    Args:
        ecr: a boto3 client.
        repository: an existing repository.
        tag: the tag to put on it.
        content: of the one file in its layer; another content makes another digest.
        architecture: as the image's config says it.

    Returns:
        The image's digest.
    """
    plain = _tar("greeting.txt", content.encode())
    layer = gzip.compress(plain, mtime=0)
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": datetime.now(UTC).isoformat(),
            "config": {"Cmd": ["cat", "/greeting.txt"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
    ).encode()
    for blob in (layer, config):
        _upload(ecr, repository, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}],
    }
    answer = ecr.put_image(
        repositoryName=repository, imageManifest=json.dumps(manifest), imageManifestMediaType=MANIFEST, imageTag=tag
    )
    return str(answer["image"]["imageId"]["imageDigest"])


def _upload(ecr: Any, repository: str, blob: bytes) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=repository, uploadId=upload, partFirstByte=0, partLastByte=len(blob) - 1, layerPartBlob=blob
    )
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[_digest(blob)])


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
    repository, tag = sys.argv[1:]
    ecr = boto3.client("ecr")
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=repository)
    print(f"{repository}:{tag} {push(ecr, repository, tag, content=datetime.now(UTC).isoformat())}")


if __name__ == "__main__":
    main()
