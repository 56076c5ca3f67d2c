"""ECR: what is at this tag or digest now? This module asks and reports; `core` decides what that means.

Codes and fields are those of botocore's models of ECR and ECR Public and of the User Guide's "Archiving an image".
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, TypedDict, Unpack, cast

from ecr_image_waiter.core.deadline import Clock, Deadline
from ecr_image_waiter.core.manifests import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Config,
    Manifest,
    read_config,
    read_manifest,
)
from ecr_image_waiter.core.messages import AnswerTooLarge
from ecr_image_waiter.core.model import (
    OWN,
    Finding,
    Image,
    ImageId,
    NewestTags,
    NoImage,
    NotDeployable,
    NotPullable,
    Refused,
    Source,
    TagSeen,
    Unavailable,
)

from .errors import INVALID, MOST_DOCUMENT_BYTES, finding_of, finding_of_failure, too_large

if TYPE_CHECKING:
    from types_boto3_ecr import ECRClient
    from types_boto3_ecr.type_defs import (
        DescribeImagesFilterTypeDef,
        ImageDetailTypeDef,
        ImageFailureTypeDef,
        ImageIdentifierTypeDef,
        ImageTypeDef,
    )
    from types_boto3_ecr_public import ECRPublicClient

    class _RegistryId(TypedDict, total=False):
        registryId: str

    class _More(TypedDict, total=False):
        filter: DescribeImagesFilterTypeDef
        nextToken: str


NEWEST_TAGS_SECONDS: Final = 5.0
_MOST_LISTED: Final = 1000
_IMAGES_A_PAGE: Final = 100
_MEDIA_TYPES: Final = [DOCKER_MANIFEST, OCI_MANIFEST, DOCKER_INDEX, OCI_INDEX]


class Registry:
    """ECR's registries, private and public.

    `client` makes a client for a source, for a call that may take so many seconds, retries included. `uri` makes a
    repository's URI, what docker calls it, from its source, registry id and name. `download` is `PresignedUrls.get`.
    """

    def __init__(
        self,
        client: Callable[[Source, float], "ECRClient"],
        uri: Callable[[Source, str, str], str],
        clock: Clock,
        download: Callable[..., bytes | None],
    ) -> None:
        self._client = client
        self._clock = clock
        self.uri = uri
        self._download = download
        self._status_filter_known = True
        self._aliases: dict[str, set[str]] = {}  # by the role that calls: another account has others

    def describe_one(self, image: ImageId, *, source: Source = OWN, include_archived: bool, seconds: float) -> Finding:
        """Returns what is at the image's tag or digest.

        One DescribeImages; where that finds nothing and `include_archived` is set, a second one that asks for
        archived images, which the first may leave out. Each may take `seconds`, or half of it where a call more asks
        whose a public registry is. Everything that AWS answers is a finding, as is AWS not answering.
        """
        if source.alias and source.alias not in self._aliases.get(source.role_arn, ()):
            seconds /= 2
            if refusal := self._not_ours(source, seconds):
                return refusal
        finding = self._describe_images(image, source, seconds)
        if isinstance(finding, NoImage) and finding.tag_points_at is None and include_archived and not source.alias:
            archived = self._describe_any_status(image, source, seconds)
            return archived if isinstance(archived, NotPullable | Image) else finding
        return finding

    def describe_several(
        self, repository: str, images: Iterable[ImageId], *, source: Source, seconds: float
    ) -> dict[ImageId, Finding] | Finding:
        """Returns what is at several tags or digests of one repository, with one DescribeImages.

        Returns:
            A finding for each image, or one for all: ECR answers for none of them where one is not there.
        """
        wanted = list(dict.fromkeys(images))
        try:
            details = self._client(source, seconds).describe_images(
                repositoryName=repository, imageIds=_ids(wanted), **_registry_id(source)
            )["imageDetails"]
            found: dict[ImageId, Finding] = {}
            for image in wanted:
                mine = (each for each in details if _is(image, each["imageDigest"], each.get("imageTags", ())))
                detail = next(mine, None)
                found[image] = self._image(image, source, detail) if detail else NoImage()
        except Exception as error:  # noqa: BLE001  # whatever AWS or boto3 says is a finding
            return finding_of(error)
        return found

    def manifests(
        self, repository: str, images: Iterable[ImageId], *, source: Source, seconds: float
    ) -> dict[ImageId, tuple[Image, Manifest] | Finding] | Finding:
        """Returns the manifests of several images of one repository, with one BatchGetImage.

        It counts as a pull, and may fill a pull-through cache.

        Returns:
            For each image what it is and what its manifest says, or why not; or one finding for all.
        """
        wanted = list(dict.fromkeys(images))
        try:
            answer = self._client(source, seconds).batch_get_image(
                repositoryName=repository,
                imageIds=_ids(wanted),
                acceptedMediaTypes=_MEDIA_TYPES,
                **_registry_id(source),
            )
            found: dict[ImageId, tuple[Image, Manifest] | Finding] = {}
            for image in wanted:
                mine = (
                    each
                    for each in answer["images"]
                    if _is(image, each["imageId"]["imageDigest"], [each["imageId"].get("imageTag")])
                )
                got = next(mine, None)
                found[image] = self._got(image, source, got) if got else _failure(image, answer.get("failures", []))
        except AnswerTooLarge as error:
            return finding_of(error) if len(wanted) > 1 else {wanted[0]: too_large("manifest")}
        except Exception as error:  # noqa: BLE001  # as above
            return finding_of(error)
        return found

    def config(
        self, repository: str, digest: str, labels: Sequence[str], *, source: Source, seconds: float
    ) -> Config | Finding:
        """Returns what an image's config says: one GetDownloadUrlForLayer, and one GET of what it leads to.

        `labels`: the names of those that are asked for. `seconds`: how long both calls may take together.
        """
        deadline = Deadline(self._clock.now() + seconds, self._clock)
        try:
            url = self._client(source, seconds / 2).get_download_url_for_layer(
                repositoryName=repository, layerDigest=digest, **_registry_id(source)
            )["downloadUrl"]
            content = self._download(url, most_bytes=MOST_DOCUMENT_BYTES, seconds=max(deadline.left(), 0.1))
        except OSError as error:
            return Unavailable("ConfigUnread", f"the image's config could not be read: {error}")
        except Exception as error:  # noqa: BLE001  # as above
            return finding_of(error)
        if content is None:
            return too_large("config")
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            return Unavailable("ConfigUnread", "the image's config came with another digest than its own")
        return read_config(content, labels)

    def newest_tags(self, repository: str, *, source: Source = OWN, most: int, seconds: float) -> NewestTags | None:
        """Returns the newest tags of a repository, from at most 1,000 images.

        For the Reason of a wait that timed out, so nothing that goes wrong here may matter: then it is what was
        read so far, or None. It takes at most `seconds`, and never more than 5.
        """
        deadline = Deadline(self._clock.now() + min(seconds, NEWEST_TAGS_SECONDS), self._clock)
        newest: list[TagSeen] = []
        images = asked = 0
        size = _IMAGES_A_PAGE
        more: _More = {} if source.alias else {"filter": {"tagStatus": "TAGGED"}}  # ECR Public has no filter
        try:
            while asked < _MOST_LISTED:
                left = deadline.left()
                if left <= 0:
                    break
                try:
                    answer = self._client(source, left).describe_images(
                        repositoryName=repository, maxResults=size, **_registry_id(source), **more
                    )
                except AnswerTooLarge:  # an image may have 1,000 tags
                    if size == 1:
                        raise
                    size //= 10
                    continue
                tags = (
                    TagSeen(tag, detail["imagePushedAt"].timestamp())
                    for detail in answer["imageDetails"]
                    if "imagePushedAt" in detail
                    for tag in detail.get("imageTags", [])
                )
                newest = heapq.nsmallest(most, chain(newest, tags), key=lambda seen: (-seen.pushed_at, seen.tag))
                images += len(answer["imageDetails"])
                asked += size
                if not answer.get("nextToken"):
                    return NewestTags(tuple(newest))
                more["nextToken"] = answer["nextToken"]
        except Exception:  # noqa: BLE001  # as the docstring says; boto3 raises all sorts for an odd answer
            return NewestTags(tuple(newest), images) if newest else None
        return NewestTags(tuple(newest), images) if images else None

    def _not_ours(self, source: Source, seconds: float) -> Finding | None:
        """Returns why a public registry cannot be read, None if it is the account's own.

        ECR Public describes repositories of the caller's account alone, by a name that another account may have too.
        """
        known = self._aliases.setdefault(source.role_arn, set())
        try:
            # A source with an alias has ECR Public's client, whose other calls are like ECR's.
            client = cast("ECRPublicClient", self._client(source, seconds))
            registries = client.describe_registries()["registries"]
            known |= {alias["name"] for registry in registries for alias in registry["aliases"]}
        except Exception as error:  # noqa: BLE001  # as above
            return finding_of(error)
        if source.alias in known:
            return None
        ours = ", ".join(sorted(known)[:5]) or "none"
        return NotDeployable(
            f'the public registry "{source.alias}" is not this account\'s (it has: {ours}), and ECR Public describes '
            "only the account's own repositories",
            "correct ImageUri",
            cannot="be waited for",
        )

    def _describe_any_status(self, image: ImageId, source: Source, seconds: float) -> Finding:
        if not self._status_filter_known:
            return NoImage()
        finding = self._describe_images(image, source, seconds, filter={"imageStatus": "ANY"})
        # How the filter acts together with imageIds is not documented: where it is not valid, it is asked for no more.
        self._status_filter_known = not (isinstance(finding, Refused) and finding.code in INVALID)
        return finding

    def _describe_images(self, image: ImageId, source: Source, seconds: float, **more: "Unpack[_More]") -> Finding:
        try:
            details = self._client(source, seconds).describe_images(
                repositoryName=image.repository, imageIds=_ids([image]), **_registry_id(source), **more
            )["imageDetails"]
            return self._image(image, source, details[0]) if details else NoImage()
        except Exception as error:  # noqa: BLE001  # as above
            return finding_of(error)

    def _image(self, image: ImageId, source: Source, detail: "ImageDetailTypeDef") -> Finding:
        digest = detail["imageDigest"]
        if image.digest not in (None, digest):
            return NoImage(tag_points_at=digest)
        status = detail.get("imageStatus", "ACTIVE")
        if status != "ACTIVE":
            return NotPullable(status)
        pushed_at = detail.get("imagePushedAt")
        return Image(
            digest=digest,
            registry_id=detail["registryId"],
            repository_uri=self.uri(source, detail["registryId"], image.repository),
            pushed_at=pushed_at.timestamp() if pushed_at else None,
            size=detail.get("imageSizeInBytes"),
            media_type=detail.get("imageManifestMediaType"),
            artifact_type=detail.get("artifactMediaType"),
        )

    def _got(self, image: ImageId, source: Source, got: "ImageTypeDef") -> tuple[Image, Manifest] | Finding:
        digest = got["imageId"]["imageDigest"]
        if image.digest not in (None, digest):
            return NoImage(tag_points_at=digest)
        if len(got["imageManifest"].encode("utf-8", "replace")) > MOST_DOCUMENT_BYTES:
            return too_large("manifest")
        manifest = read_manifest(got["imageManifest"], got.get("imageManifestMediaType", ""))
        found = Image(
            digest=digest,
            registry_id=got["registryId"],
            repository_uri=self.uri(source, got["registryId"], image.repository),
            media_type=manifest.media_type,
            artifact_type=manifest.config_type or None,
        )
        return found, manifest


def _ids(images: Sequence[ImageId]) -> list["ImageIdentifierTypeDef"]:
    # By the tag where there is one: it is the tag that may point elsewhere by now.
    ids: list[ImageIdentifierTypeDef] = []
    for image in images:
        id_: ImageIdentifierTypeDef = {"imageTag": image.tag} if image.tag else {"imageDigest": image.digest or ""}
        if id_ not in ids:
            ids.append(id_)
    return ids


def _is(image: ImageId, digest: str, tags: Iterable[str | None]) -> bool:
    return image.tag in tags if image.tag else image.digest == digest


def _registry_id(source: Source) -> "_RegistryId":
    return {"registryId": source.registry_id} if source.registry_id else {}


def _failure(image: ImageId, failures: Sequence["ImageFailureTypeDef"]) -> Finding:
    (wanted,) = _ids([image])
    mine = (each for each in failures if wanted.items() <= each.get("imageId", {}).items())
    nothing: ImageFailureTypeDef = {}
    failure = next(mine, nothing)
    return finding_of_failure(failure.get("failureCode", "ImageNotFound"), failure.get("failureReason", ""))
