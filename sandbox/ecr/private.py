"""The operations of ECR on a repository's layers and images. No I/O; what a repository is, moto knows."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlencode

from ecr_image_waiter.clock import Clock
from sandbox.player import ACCESS_KEY_ID, SIGNATURE

from .contents import Answer, Image, Refused, Repository, Request, in_milliseconds, is_digest, page

URL_LIFETIME: Final = 3600
"""Of a layer's download URL, in seconds."""
RESTORE_SECONDS: Final = 1200.0
"""How long it takes to restore an archived image, unless a test says otherwise."""


@dataclass(frozen=True)
class Context:
    """Where an operation takes place. `base`: scheme and host of URLs; `settings`: the repository, as moto knows it."""

    repository: Repository
    region: str
    base: str
    settings: Mapping[str, Any]


class Private:
    """ECR's operations, by the names that the API has for them in `operations`.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._downloads: dict[str, tuple[str, bytes, float]] = {}
        self._repositories: dict[tuple[str, str, str], Repository] = {}
        self.restore_seconds = RESTORE_SECONDS
        self.operations: dict[str, Callable[[Context, Request], Answer]] = {
            "BatchCheckLayerAvailability": self._batch_check_layer_availability,
            "BatchDeleteImage": self._batch_delete_image,
            "BatchGetImage": self._batch_get_image,
            "CompleteLayerUpload": self._complete_layer_upload,
            "DescribeImages": self._describe_images,
            "GetDownloadUrlForLayer": self._get_download_url_for_layer,
            "InitiateLayerUpload": lambda context, _: context.repository.begin_upload(),
            "ListImages": self._list_images,
            "PutImage": self._put_image,
            "UpdateImageStorageClass": self._update_image_storage_class,
            "UploadLayerPart": lambda context, request: context.repository.upload_part(request),
        }

    # --- Repositories, as far as they have contents -----------------------------------------------------------------

    def repository(self, registry_id: str, region: str, name: str) -> Repository:
        """Return the contents of a repository that is known to exist."""
        return self._repositories.setdefault((registry_id, region, name), Repository(registry_id, name))

    def forget(self, registry_id: str, region: str, name: str) -> None:
        """Drop the contents of a repository that was deleted."""
        self._repositories.pop((registry_id, region, name), None)

    def reset(self) -> None:
        self._repositories.clear()
        self._downloads.clear()

    def end_restores(self) -> None:
        """Let every image that is being restored be active now."""
        now = self._clock.now()
        for repository in self._repositories.values():
            for image in repository.images.values():
                if image.active_from is not None:
                    image.active_from = min(image.active_from, now)

    def download(self, target: str) -> bytes | None:
        """Return the blob that a download URL, its path and query, leads to; None where S3 would answer 403."""
        path, _, query = target.partition("?")
        signed, blob, until = self._downloads.get(path, ("", b"", 0.0))
        return blob if query == signed and self._clock.now() < until else None

    # --- Layers -----------------------------------------------------------------------------------------------------

    def _complete_layer_upload(self, context: Context, request: Request) -> Answer:
        archived = self._inaccessible(context.repository)
        return context.repository.complete_upload(
            request, replaceable=any(digest in archived for digest in request["layerDigests"])
        )

    def _batch_check_layer_availability(self, context: Context, request: Request) -> Answer:
        return context.repository.check_layers(request, self._inaccessible(context.repository))

    def _inaccessible(self, repository: Repository) -> set[str]:
        """Return the digests of the blobs that belong to images which can't be pulled, and to no other."""
        now = self._clock.now()
        by_activity: dict[bool, set[str]] = {True: set(), False: set()}
        for image in repository.images.values():
            by_activity[image.status(now) == "ACTIVE"].update(entry["digest"] for entry in image.blobs)
        return by_activity[False] - by_activity[True]

    def _get_download_url_for_layer(self, context: Context, request: Request) -> Answer:
        repository, digest = context.repository, request["layerDigest"]
        if digest not in repository.blobs:
            raise Refused(
                "LayersNotFoundException",
                f"The layer with digest {digest} does not exist within {repository.place}",
            )
        used = any(entry["digest"] == digest for image in repository.images.values() for entry in image.blobs)
        if not used or digest in self._inaccessible(repository):
            raise Refused(
                "LayerInaccessibleException",
                f"The layer with digest '{digest}' belongs to no image of {repository.place} that can be pulled",
            )
        now = self._clock.now()
        path = f"/{uuid.uuid4().hex[:4]}-{repository.registry_id}-{uuid.uuid4()}/{uuid.uuid4()}"
        signed = datetime.fromtimestamp(now, UTC)
        query = urlencode(
            {
                "X-Amz-Security-Token": f"IQoJb3JpZ2luX2VjE{SIGNATURE}",
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Date": signed.strftime("%Y%m%dT%H%M%SZ"),
                "X-Amz-SignedHeaders": "host",
                "X-Amz-Expires": URL_LIFETIME,
                "X-Amz-Credential": f"{ACCESS_KEY_ID}/{signed:%Y%m%d}/{context.region}/s3/aws4_request",
                "X-Amz-Signature": SIGNATURE,
            }
        )
        self._downloads[path] = (query, repository.blobs[digest], now + URL_LIFETIME)
        return {"downloadUrl": f"{context.base}{path}?{query}", "layerDigest": digest}

    # --- Images -----------------------------------------------------------------------------------------------------

    def _put_image(self, context: Context, request: Request) -> Answer:
        immutable = _is_immutable(context.settings, request.get("imageTag"))
        return context.repository.put_image(request, self._clock.now(), immutable=immutable)

    def _describe_images(self, context: Context, request: Request) -> Answer:
        repository, now = context.repository, self._clock.now()
        found = repository.describe(request, self._filtered(repository, request))
        return page([_with_status(repository.detail(image), image, now) for image in found], request, "imageDetails")

    def _list_images(self, context: Context, request: Request) -> Answer:
        ids = [each for image in self._filtered(context.repository, request) for each in image.ids()]
        return page(ids, request, "imageIds")

    def _filtered(self, repository: Repository, request: Request) -> Iterable[Image]:
        wanted = request.get("filter", {})
        status, tagged = wanted.get("imageStatus", "ACTIVE"), wanted.get("tagStatus", "ANY")
        now = self._clock.now()
        return [
            image
            for image in repository.images.values()
            if status in ("ANY", image.status(now)) and tagged in ("ANY", "TAGGED" if image.tags else "UNTAGGED")
        ]

    def _batch_get_image(self, context: Context, request: Request) -> Answer:
        repository, now = context.repository, self._clock.now()
        images, failures = [], []
        for wanted in request["imageIds"]:
            image = repository.find(wanted)
            failure = _failure_of(repository, wanted)
            if not failure and image and image.status(now) != "ACTIVE":
                failure = "ImageInaccessible", f"The requested image is {image.status(now)}"
            if failure:
                failures.append(_image_failure(wanted, *failure))
            elif image:
                images.append(repository.described(image, {"imageDigest": image.digest, **wanted}))
        return {"images": images, "failures": failures}

    def _batch_delete_image(self, context: Context, request: Request) -> Answer:
        repository = context.repository
        deleted, failures = [], []
        for wanted in request["imageIds"]:
            image, tag = repository.find(wanted), wanted.get("imageTag")
            failure = _failure_of(repository, wanted)
            if not failure and image and (tag is None or image.tags == [tag]):
                parents = [each for each in repository.images.values() if image.digest in each.children]
                if parents:
                    reason = f"Requested image referenced by manifest list: [{parents[0].digest}]"
                    failure = "ImageReferencedByManifestList", reason
            if failure:
                failures.append(_image_failure(wanted, *failure))
            elif image:
                deleted += [{"imageDigest": image.digest, "imageTag": tag}] if tag else image.ids()
                image.tags = [each for each in image.tags if tag not in (None, each)]
                if not image.tags:
                    del repository.images[image.digest]
        return {"imageIds": deleted, "failures": failures}

    def _update_image_storage_class(self, context: Context, request: Request) -> Answer:
        repository, now = context.repository, self._clock.now()
        wanted, target = request["imageId"], request["targetStorageClass"]
        if target not in ("STANDARD", "ARCHIVE"):
            raise Refused("ValidationException", f"targetStorageClass: received '{target}', allowed: STANDARD, ARCHIVE")
        image = repository.find(wanted)
        if image is None:
            raise repository.image_not_found(wanted)
        status = image.status(now)
        if (target, status) == ("ARCHIVE", "ACTIVE"):
            image.active_from, image.archived_at = None, in_milliseconds(now)
        elif (target, status) == ("STANDARD", "ARCHIVED"):
            image.active_from = in_milliseconds(now + self.restore_seconds)
        else:
            raise Refused(
                "ImageStorageClassUpdateNotSupportedException",
                f"The image with digest '{image.digest}' is {status}: it cannot be moved to {target}",
            )
        image_id = {"imageDigest": image.digest, **wanted}
        return {**repository.identity, "imageId": image_id, "imageStatus": image.status(now)}


def _with_status(detail: Answer, image: Image, now: float) -> Answer:
    detail["imageStatus"] = image.status(now)
    if image.archived_at is not None:
        detail["lastArchivedAt"] = image.archived_at
        if image.status(now) == "ACTIVE":
            detail["lastActivatedAt"] = image.active_from
    subject = image.document.get("subject")
    if subject:
        detail["subjectManifestDigest"] = subject["digest"]
    return detail


def _failure_of(repository: Repository, wanted: Request) -> tuple[str, str] | None:
    """Return why BatchGetImage and BatchDeleteImage can't have an image, if so: code and reason."""
    digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
    if not digest and not tag:
        return "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
    if digest and not is_digest(digest):
        reason = "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        return "InvalidImageDigest", reason
    if repository.find(wanted):
        return None
    if digest in repository.images and tag and repository.tagged(tag):
        return "ImageTagDoesNotMatchDigest", "Requested image tag does not match the requested image digest"
    return "ImageNotFound", "Requested image not found"


def _image_failure(wanted: Request, code: str, reason: str) -> Answer:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}


def _is_immutable(settings: Mapping[str, Any], tag: str | None) -> bool:
    mutability = settings.get("imageTagMutability", "MUTABLE")
    filters = settings.get("imageTagMutabilityExclusionFilters") or []
    excluded = any(fnmatchcase(tag or "", each["filter"]) for each in filters)
    return bool(mutability.startswith("IMMUTABLE") != excluded)
