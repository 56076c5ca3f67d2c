"""The operations of ECR on a repository's layers and images. No I/O; what a repository is, moto knows."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from ecr_image_waiter.core.deadline import Clock
from sandbox.player import SIGNATURE, signed_query

from .contents import Answer, Image, Refused, Repository, Request, page

RESTORE_SECONDS: Final = 1200.0
"""How long it takes to restore an archived image."""


@dataclass(frozen=True)
class Context:
    """Where an operation takes place. `base`: scheme and host of URLs."""

    repository: Repository
    region: str
    base: str


class Private:
    """ECR's operations, by the names that the API has for them in `operations`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._downloads: dict[str, bytes] = {}
        self._repositories: dict[tuple[str, str, str], Repository] = {}
        self.operations: dict[str, Callable[[Context, Request], Answer]] = {
            "BatchCheckLayerAvailability": lambda context, request: context.repository.check_layers(request),
            "BatchDeleteImage": self._batch_delete_image,
            "BatchGetImage": self._batch_get_image,
            "CompleteLayerUpload": lambda context, request: context.repository.complete_upload(request),
            "DescribeImages": self._describe_images,
            "GetDownloadUrlForLayer": self._get_download_url_for_layer,
            "InitiateLayerUpload": lambda context, _: context.repository.begin_upload(),
            "ListImages": self._list_images,
            "PutImage": lambda context, request: context.repository.put_image(request, clock.now()),
            "UpdateImageStorageClass": self._update_image_storage_class,
            "UploadLayerPart": lambda context, request: context.repository.upload_part(request),
        }

    def repository(self, registry_id: str, region: str, name: str) -> Repository:
        """Return the contents of a repository that is known to exist."""
        return self._repositories.setdefault((registry_id, region, name), Repository(registry_id, name))

    def forget(self, registry_id: str, region: str, name: str) -> None:
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
        return self._downloads.get(target)

    # --- Layers -----------------------------------------------------------------------------------------------------

    def _get_download_url_for_layer(self, context: Context, request: Request) -> Answer:
        repository, digest = context.repository, request["layerDigest"]
        if digest not in repository.blobs:
            raise Refused(
                "LayersNotFoundException", f"The layer with digest {digest} does not exist within {repository.place}"
            )
        now = self._clock.now()
        users = [image for image in repository.images.values() if digest in (each["digest"] for each in image.blobs)]
        if users and all(image.status(now) != "ACTIVE" for image in users):
            raise Refused(
                "LayerInaccessibleException",
                f"The layer with digest '{digest}' belongs to no image of {repository.place} that can be pulled",
            )
        path = f"/{uuid.uuid4().hex[:4]}-{repository.registry_id}-{uuid.uuid4()}/{uuid.uuid4()}"
        token = {"X-Amz-Security-Token": f"IQoJb3JpZ2luX2VjE{SIGNATURE}"}
        target = f"{path}?{urlencode({**token, **signed_query(now, context.region, expires=3600)})}"
        self._downloads[target] = repository.blobs[digest]
        return {"downloadUrl": f"{context.base}{target}", "layerDigest": digest}

    # --- Images -----------------------------------------------------------------------------------------------------

    def _describe_images(self, context: Context, request: Request) -> Answer:
        repository, now = context.repository, self._clock.now()
        found = repository.describe(request, self._filtered(repository, request))
        details = [{**repository.detail(image), "imageStatus": image.status(now)} for image in found]
        return page(details, request, "imageDetails")

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
            if image is None:
                failures.append(_image_failure(wanted, "ImageNotFound", "Requested image not found"))
            elif image.status(now) != "ACTIVE":
                reason = f"The requested image is {image.status(now)}"
                failures.append(_image_failure(wanted, "ImageInaccessible", reason))
            else:
                images.append(repository.described(image, {"imageDigest": image.digest, **wanted}))
        return {"images": images, "failures": failures}

    def _batch_delete_image(self, context: Context, request: Request) -> Answer:
        images = context.repository.images
        deleted, failures = [], []
        for wanted in request["imageIds"]:
            image, tag = context.repository.find(wanted), wanted.get("imageTag")
            if image is None:
                failures.append(_image_failure(wanted, "ImageNotFound", "Requested image not found"))
                continue
            deleted += [{"imageDigest": image.digest, "imageTag": tag}] if tag else image.ids()
            image.tags = [each for each in image.tags if tag not in (None, each)]
            if not image.tags:
                del images[image.digest]
        return {"imageIds": deleted, "failures": failures}

    def _update_image_storage_class(self, context: Context, request: Request) -> Answer:
        repository, now = context.repository, self._clock.now()
        wanted, target = request["imageId"], request["targetStorageClass"]
        image = repository.find(wanted)
        if image is None:
            raise repository.image_not_found(wanted)
        image.active_from = None if target == "ARCHIVE" else now + RESTORE_SECONDS
        image_id = {"imageDigest": image.digest, **wanted}
        return {**repository.identity, "imageId": image_id, "imageStatus": image.status(now)}


def _image_failure(wanted: Request, code: str, reason: str) -> Answer:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}
