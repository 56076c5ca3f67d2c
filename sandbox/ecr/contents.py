"""What a repository holds, blobs and manifests, and the rules for putting them in: the same for ECR and ECR Public.

No I/O. Where each rule is from stands in the package's table.
"""

import hashlib
import json
import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
INDEXES: Final = (DOCKER_LIST, OCI_INDEX)

Request: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]
Status = Literal["ACTIVE", "ARCHIVED", "ACTIVATING"]


class Refused(Exception):
    """A call that ends in an error of the service. `members`: what the error has beside its message."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members


def digest_of(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


@dataclass
class Image:
    """A manifest and its tags. `active_from`: when it is, or was, restored; None while it is archived."""

    digest: str
    manifest: str
    media_type: str
    pushed_at: float
    tags: list[str] = field(default_factory=list)
    active_from: float | None = 0.0

    @cached_property
    def said(self) -> dict[str, list[dict[str, Any]]]:
        """The objects that the manifest has as entries, config and layers; only tests put in what is none."""
        try:
            document = json.loads(self.manifest)
        except (ValueError, RecursionError):
            document = None
        found = document if isinstance(document, dict) else {}
        listed = {key: found.get(key) for key in ("manifests", "config", "layers")}
        each_alone = {key: value if isinstance(value, list) else [value] for key, value in listed.items()}
        return {key: [each for each in values if isinstance(each, dict)] for key, values in each_alone.items()}

    def _described(self, *keys: str) -> list[dict[str, Any]]:
        return [each for key in keys for each in self.said[key] if isinstance(each.get("digest"), str)]

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def children(self) -> list[str]:
        """The digests of an index's entries."""
        return [entry["digest"] for entry in self._described("manifests")] if self.is_index else []

    @property
    def blobs(self) -> list[dict[str, Any]]:
        """The descriptors of a single manifest's config and layers."""
        return [] if self.is_index else self._described("config", "layers")

    def ids(self) -> list[Answer]:
        """Return what ListImages has for it: an entry for each tag, or one without."""
        entry: Answer = {"imageDigest": self.digest}
        return [{**entry, "imageTag": tag} for tag in self.tags] or [entry]

    def status(self, now: float) -> Status:
        if self.active_from is None:
            return "ARCHIVED"
        return "ACTIVE" if now >= self.active_from else "ACTIVATING"


class Repository:
    """A repository's blobs and images. `registry_id` is the account."""

    def __init__(self, registry_id: str, name: str) -> None:
        self.registry_id = registry_id
        self.name = name
        self.blobs: dict[str, bytes] = {}
        self.images: dict[str, Image] = {}
        self._uploads: dict[str, bytes] = {}

    @property
    def identity(self) -> Answer:
        """The two members by which most answers name their repository."""
        return {"registryId": self.registry_id, "repositoryName": self.name}

    @property
    def place(self) -> str:
        """Return how messages name the repository."""
        return f"the repository with name '{self.name}' in the registry with id '{self.registry_id}'"

    # --- Layers -----------------------------------------------------------------------------------------------------

    def begin_upload(self) -> Answer:
        upload_id = str(uuid.uuid4())
        self._uploads[upload_id] = b""
        return {"uploadId": upload_id, "partSize": 10 << 20}

    def upload_part(self, request: Request) -> Answer:
        upload_id = request["uploadId"]
        self._uploads[upload_id] += b64decode(request["layerPartBlob"])
        return {**self.identity, "uploadId": upload_id, "lastByteReceived": len(self._uploads[upload_id]) - 1}

    def complete_upload(self, request: Request) -> Answer:
        blob = self._uploads.pop(request["uploadId"])
        self.blobs[digest_of(blob)] = blob
        return {**self.identity, "uploadId": request["uploadId"], "layerDigest": digest_of(blob)}

    def check_layers(self, request: Request) -> Answer:
        asked = request["layerDigests"]
        failure = {"failureCode": "MissingLayerDigest", "failureReason": "The layer does not exist"}
        return {
            "layers": [{"layerDigest": each, "layerAvailability": "AVAILABLE"} for each in asked if each in self.blobs],
            "failures": [{"layerDigest": each, **failure} for each in asked if each not in self.blobs],
        }

    # --- Images -----------------------------------------------------------------------------------------------------

    def put_image(self, request: Request, now: float) -> Answer:
        """Keep an image and move its tag to it."""
        manifest, tag = request["imageManifest"], request.get("imageTag")
        media_type = request.get("imageManifestMediaType") or json.loads(manifest)["mediaType"]
        pushed = Image(digest_of(manifest.encode()), manifest, media_type, float(int(now)))
        image = self.images.setdefault(pushed.digest, pushed)
        if image.status(now) != "ACTIVE":  # a push of an archived image restores it
            image.active_from = now
        if tag is not None and tag not in image.tags:
            for each in self.images.values():
                each.tags = [other for other in each.tags if other != tag]
            image.tags.append(tag)
        return {"image": self.described(image, {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})})}

    def refuse_to_move(self, tag: str | None, manifest: str, settings: Answer) -> None:
        """Refuse a push of another image at a tag that the repository's settings make immutable."""
        there = self.tagged(tag) if tag else None
        if there is None or there.digest == digest_of(manifest.encode()):
            return
        patterns = [each["filter"] for each in settings.get("imageTagMutabilityExclusionFilters") or []]
        excluded = any(fnmatchcase(str(tag), pattern) for pattern in patterns)
        if settings.get("imageTagMutability", "MUTABLE").startswith("IMMUTABLE") != excluded:
            raise Refused(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{self.name}' repository and cannot be overwritten "
                "because the tag is immutable.",
            )

    def tagged(self, tag: str) -> Image | None:
        return next((image for image in self.images.values() if tag in image.tags), None)

    def find(self, wanted: Request) -> Image | None:
        """Return the image with this digest, this tag, or both."""
        digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
        image = self.tagged(tag) if tag else self.images.get(digest or "")
        return image if image and digest in (None, image.digest) else None

    def describe(self, request: Request, among: Iterable[Image]) -> list[Image]:
        """Return those of some images that a DescribeImages asks for: all of its `imageIds`, or all that there are."""
        if "imageIds" not in request:
            return list(among)
        visible = {image.digest for image in among}
        found: dict[str, Image] = {}
        for wanted in request["imageIds"]:
            image = self.find(wanted)
            if image is None or image.digest not in visible:
                raise self.image_not_found(wanted)
            found[image.digest] = image
        return list(found.values())

    def image_not_found(self, wanted: Request) -> Refused:
        digest, tag = wanted.get("imageDigest", "null"), wanted.get("imageTag", "null")
        return Refused(
            "ImageNotFoundException",
            f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within {self.place}",
        )

    def described(self, image: Image, image_id: Answer) -> Answer:
        """Return an image as PutImage and BatchGetImage do."""
        return {
            **self.identity,
            "imageId": image_id,
            "imageManifest": image.manifest,
            "imageManifestMediaType": image.media_type,
        }

    def detail(self, image: Image) -> Answer:
        """Return an image as DescribeImages does; what only one of the two services has is added by it."""
        detail = {
            **self.identity,
            "imageDigest": image.digest,
            "imageSizeInBytes": self.size(image),
            "imagePushedAt": image.pushed_at,
            "imageManifestMediaType": image.media_type,
        }
        if image.tags:
            detail["imageTags"] = list(image.tags)
        types = [each["mediaType"] for each in image.said["config"] if isinstance(each.get("mediaType"), str)]
        if types:
            detail["artifactMediaType"] = types[0]
        return detail

    def size(self, image: Image) -> int:
        """Return the size of a manifest's blobs; of an index the largest of its images'."""
        if image.is_index:
            return max((self.size(self.images[child]) for child in {*image.children} & self.images.keys()), default=0)
        return sum(entry["size"] for entry in image.blobs if isinstance(entry.get("size"), int))


def page(items: list[Any], request: Request, member: str) -> Answer:
    """Return a page of an answer's list, with the token of the next one."""
    start = int(request.get("nextToken") or 0)
    end = start + request.get("maxResults", 100)
    return {member: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}
