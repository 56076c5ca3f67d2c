"""What a repository holds, blobs and manifests, and the rules for putting them in: the same for ECR and ECR Public.

No I/O. Where each rule is from stands in the package's table.
"""

import hashlib
import json
import re
import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
INDEXES: Final = (DOCKER_LIST, OCI_INDEX)
MANIFESTS: Final = (DOCKER_MANIFEST, OCI_MANIFEST, *INDEXES)

PART_SIZE: Final = 10 << 20
"""The size that is proposed for a part."""
SMALLEST_PART: Final = 5 << 20
"""Of every part but a layer's last."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

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


def invalid(parameter: str, constraint: str) -> Refused:
    return Refused(
        "InvalidParameterException", f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'"
    )


def digest_of(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def is_digest(text: str) -> bool:
    return bool(_DIGEST.fullmatch(text))


def in_milliseconds(moment: float) -> float:
    """Return a moment, in seconds since 1970 UTC, as precisely as most of ECR's answers have it."""
    return round(moment, 3)


@dataclass(slots=True)
class Image:
    """A manifest and its tags. `active_from`: when it is, or was, restored; None while it is archived."""

    digest: str
    manifest: str
    media_type: str
    pushed_at: float
    tags: list[str] = field(default_factory=list)
    active_from: float | None = 0.0
    archived_at: float | None = None

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.manifest)
        return document

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def children(self) -> list[str]:
        """The digests of an index's entries."""
        return [entry["digest"] for entry in self.document.get("manifests", [])] if self.is_index else []

    @property
    def blobs(self) -> list[dict[str, Any]]:
        """The descriptors of a single manifest's config and layers."""
        document = self.document
        return [] if self.is_index else [document["config"], *document.get("layers", [])]

    def ids(self) -> list[Answer]:
        """Return what ListImages has for it: an entry for each tag, or one without."""
        entry: Answer = {"imageDigest": self.digest}
        return [{**entry, "imageTag": tag} for tag in self.tags] or [entry]

    def status(self, now: float) -> Status:
        if self.active_from is None:
            return "ARCHIVED"
        return "ACTIVE" if now >= self.active_from else "ACTIVATING"


@dataclass(slots=True)
class Upload:
    """A layer that is being uploaded. `parts`: the sizes of those that came."""

    received: bytearray = field(default_factory=bytearray)
    parts: list[int] = field(default_factory=list)


class Repository:
    """A repository's blobs and images.

    Args:
        registry_id: the account.
        name: of the repository.
    """

    def __init__(self, registry_id: str, name: str) -> None:
        self.registry_id = registry_id
        self.name = name
        self.blobs: dict[str, bytes] = {}
        self.images: dict[str, Image] = {}
        self._uploads: dict[str, Upload] = {}

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
        self._uploads[upload_id] = Upload()
        return {"uploadId": upload_id, "partSize": PART_SIZE}

    def upload_part(self, request: Request) -> Answer:
        """Take a part, which begins where the last one ended."""
        upload_id, upload = self._upload(request)
        part = b64decode(request["layerPartBlob"])
        first, last, expected = request["partFirstByte"], request["partLastByte"], len(upload.received)
        if first != expected or last != first + len(part) - 1:
            raise Refused(
                "InvalidLayerPartException",
                f"Part of bytes {first} to {last}, with {len(part)} bytes, does not follow byte {expected - 1} of the "
                f"upload with id '{upload_id}' to {self.place}",
                **self.identity,
                uploadId=upload_id,
                lastValidByteReceived=max(expected - 1, 0),
            )
        upload.received += part
        upload.parts.append(len(part))
        return {**self.identity, "uploadId": upload_id, "lastByteReceived": last}

    def complete_upload(self, request: Request, *, replaceable: bool = False) -> Answer:
        """Keep what was uploaded. `replaceable`: also where the repository has that layer already."""
        upload_id, upload = self._upload(request)
        if not upload.parts:
            raise Refused("EmptyUploadException", f"The upload with id '{upload_id}' has no parts")
        if any(size < SMALLEST_PART for size in upload.parts[:-1]):
            raise Refused("LayerPartTooSmallException", "Layer parts must be at least 5 MiB in size, but for the last")
        blob = bytes(upload.received)
        digest = digest_of(blob)
        if digest not in request["layerDigests"]:
            raise Refused("InvalidLayerException", f"The uploaded layer has the digest '{digest}'")
        del self._uploads[upload_id]
        if digest in self.blobs and not replaceable:
            raise Refused(
                "LayerAlreadyExistsException", f"The layer with digest '{digest}' already exists in {self.place}"
            )
        self.blobs[digest] = blob
        return {**self.identity, "uploadId": upload_id, "layerDigest": digest}

    def check_layers(self, request: Request, inaccessible: Iterable[str] = ()) -> Answer:
        """Say which layers are there. `inaccessible`: the digests of those that are, and can't be had."""
        layers, failures = [], []
        media_types = {entry["digest"]: entry["mediaType"] for image in self.images.values() for entry in image.blobs}
        for digest in dict.fromkeys(request["layerDigests"]):
            if not is_digest(digest):
                failures.append(_failure(digest, "InvalidLayerDigest", f"Invalid layer digest '{digest}'"))
            elif digest not in self.blobs:
                failures.append(
                    _failure(digest, "MissingLayerDigest", "The layer does not exist in the specified repository")
                )
            else:
                layer = {
                    "layerDigest": digest,
                    "layerAvailability": "ARCHIVED" if digest in inaccessible else "AVAILABLE",
                    "layerSize": len(self.blobs[digest]),
                }
                if digest in media_types:
                    layer["mediaType"] = media_types[digest]
                layers.append(layer)
        return {"layers": layers, "failures": failures}

    def _upload(self, request: Request) -> tuple[str, Upload]:
        upload_id = request["uploadId"]
        if upload_id not in self._uploads:
            raise Refused("UploadNotFoundException", f"No upload with id '{upload_id}' to {self.place}")
        return upload_id, self._uploads[upload_id]

    # --- Images -----------------------------------------------------------------------------------------------------

    def put_image(self, request: Request, now: float, *, immutable: bool = False) -> Answer:
        """Keep a manifest, and put its tag on it.

        Args:
            request: of PutImage.
            now: the time.
            immutable: whether a tag that is there must stay where it is.
        """
        pushed = _image(request, now)
        tag = request.get("imageTag")
        if request.get("imageDigest", pushed.digest) != pushed.digest:
            raise Refused(
                "ImageDigestDoesNotMatchException",
                f"The digest '{request['imageDigest']}' is not that of the manifest, '{pushed.digest}'",
            )
        self._require_parts(pushed)
        image = self.images.get(pushed.digest)
        # A push of an archived image restores it.
        if image and image.status(now) == "ACTIVE" and (tag is None or tag in image.tags):
            raise Refused(
                "ImageAlreadyExistsException",
                f"Image with digest '{image.digest}' and tag '{tag or 'null'}' already exists in {self.place}",
            )
        if tag is not None:
            self._free(tag, pushed.digest, immutable=immutable)
        if image is None:
            image = self.images[pushed.digest] = pushed
        elif image.status(now) != "ACTIVE":
            image.active_from = in_milliseconds(now)
        if tag is not None and tag not in image.tags:
            image.tags.append(tag)
        return {"image": self.described(image, {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})})}

    def _require_parts(self, image: Image) -> None:
        layers = [entry["digest"] for entry in image.blobs if entry["digest"] not in self.blobs]
        images = [digest for digest in image.children if digest not in self.images]
        missing = layers or images
        if missing:
            raise Refused(
                "LayersNotFoundException" if layers else "ReferencedImagesNotFoundException",
                f"{'Layers' if layers else 'Images'} with digests '[{', '.join(missing)}]' required for pushing image "
                f"into repository with name '{self.name}' in the registry with id '{self.registry_id}' do not exist",
            )

    def _free(self, tag: str, digest: str, *, immutable: bool) -> None:
        """Take a tag off the image that has it, unless it is the one with this digest."""
        holder = self.tagged(tag)
        if holder is None or holder.digest == digest:
            return
        if immutable:
            raise Refused(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{self.name}' repository and cannot be overwritten "
                "because the tag is immutable.",
            )
        holder.tags.remove(tag)

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
        if "maxResults" in request or "nextToken" in request:
            raise invalid("imageIds", "must not be given together with maxResults or nextToken")
        visible = {image.digest for image in among}
        found: dict[str, Image] = {}
        for wanted in request["imageIds"]:
            if not (wanted.get("imageTag") or is_digest(wanted.get("imageDigest", ""))):
                raise invalid("imageDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")
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
        if not image.is_index:
            detail["artifactMediaType"] = image.document["config"]["mediaType"]
        return detail

    def size(self, image: Image) -> int:
        """Return the size of a manifest's blobs; of an index the largest of its images'."""
        if image.is_index:
            return max((self.size(self.images[child]) for child in image.children), default=0)
        return sum(int(entry["size"]) for entry in image.blobs)


def page(items: list[Any], request: Request, member: str) -> Answer:
    """Return a page of an answer's list, with the token of the next one."""
    try:
        start = int(request.get("nextToken") or 0)
    except ValueError:
        raise invalid("nextToken", "must be one that was returned") from None
    end = start + request.get("maxResults", 100)
    return {member: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}


def _image(request: Request, now: float) -> Image:
    """Return the image that a PutImage brings.

    Raises:
        Refused: its manifest is not one.
    """
    manifest = request["imageManifest"]
    try:
        document = json.loads(manifest)
        media_type = request.get("imageManifestMediaType") or document["mediaType"]
        parts = document["manifests"] if media_type in INDEXES else [document["config"], *document["layers"]]
        whole = all({"mediaType", "digest", "size"} <= part.keys() for part in parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise invalid("ImageManifest", "Invalid JSON syntax")
    if media_type not in MANIFESTS:
        raise invalid("imageManifestMediaType", f"must be one of {', '.join(MANIFESTS)}")
    return Image(digest_of(manifest.encode()), manifest, media_type, float(int(now)))


def _failure(digest: str, code: str, reason: str) -> Answer:
    return {"layerDigest": digest, "failureCode": code, "failureReason": reason}
