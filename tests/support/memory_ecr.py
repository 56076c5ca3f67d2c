"""ECR in memory: images with real manifests and configs, for waits on a fake clock.

It holds a registry for each account and region, and answers DescribeImages, BatchGetImage, GetDownloadUrlForLayer and
ECR Public's DescribeRegistries. Questions and answers are held against botocore's models (types and required members,
not patterns). It is not ECR: pages, permissions, scans and storage classes are missing; an image has a status, and that
is all. What it does with a status, and with an image asked for twice in a call, is from the API Reference and untried.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.validate import ParamValidator

from ecr_image_waiter.aws.clients import MOST_ANSWER_BYTES
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.faults import AnswerTooLarge
from ecr_image_waiter.core.manifests import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ecr_image_waiter.core.model import OWN, Source
from tests.support.fakes import as_client, aws_error

ACCOUNT: Final = "123456789012"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
OF_DOCKER: Final = {DOCKER_MANIFEST: DOCKER_CONFIG, OCI_MANIFEST: OCI_CONFIG}


def digest_of(content: bytes | str) -> str:
    """Return the digest of a manifest, a config or a layer."""
    return "sha256:" + hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@dataclass
class Stored:
    """One image of a repository."""

    manifest: str
    media_type: str
    pushed_at: float
    status: str = "ACTIVE"

    @property
    def config_type(self) -> str | None:
        config = json.loads(self.manifest).get("config")
        media_type = config.get("mediaType") if isinstance(config, dict) else None
        return media_type if isinstance(media_type, str) else None


@dataclass
class Repository:
    """Images by digest, tags, and configs by digest."""

    images: dict[str, Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


class MemoryEcr:
    """The whole of it. `calls` is each call's operation and repository; `before` is told each before its answer."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.repositories: dict[tuple[str, str, str], Repository] = {}
        self.aliases = ["shop", "a1b2c3d4"]
        self.calls: list[tuple[str, str]] = []
        self.roles: list[str] = []
        self.sessions: list[str] = []
        self.before: Callable[[str, str], object] = lambda *_: None
        self.faults: dict[str, Exception] = {}

    def registry(self, clock: Clock | None = None) -> Registry:
        """Return the waiter's registry on it."""
        return Registry(lambda source, _: as_client(_Client(self, source)), _uri, clock or self.clock, self)

    def client(self) -> Any:
        """Return boto3's client for the function's own registry."""
        return _Client(self, OWN)

    def count(self, operation: str, repository: str = "") -> int:
        return sum(call[0] == operation and repository in ("", call[1]) for call in self.calls)

    # --- pushing

    def repository(self, name: str, region: str = "eu-west-1", account: str = ACCOUNT) -> Repository:
        return self.repositories.setdefault((account, region, name), Repository())

    def put(
        self,
        name: str,
        tag: str | None,
        manifest: Mapping[str, Any],
        media_type: str,
        *,
        region: str = "eu-west-1",
        account: str = ACCOUNT,
    ) -> str:
        """Push a manifest and return its digest."""
        text = json.dumps(manifest)
        repository = self.repository(name, region=region, account=account)
        repository.images.setdefault(digest_of(text), Stored(text, media_type, self.clock.now()))
        if tag:
            repository.tags[tag] = digest_of(text)
        return digest_of(text)

    def push(
        self,
        name: str,
        tag: str | None = "v1",
        *,
        platform: str = "linux/arm64",
        labels: Mapping[str, str] | None = None,
        media_type: str = OCI_MANIFEST,
        content: str = "",
        config_type: str = "",
        layers: Sequence[str] = (),
        region: str = "eu-west-1",
        account: str = ACCOUNT,
    ) -> str:
        """Push an image of one platform. `layers` are the media types of its layers."""
        os, architecture, variant = [*platform.split("/"), ""][:3]
        config: dict[str, Any] = {"os": os, "architecture": architecture, "config": {}, "created": content}
        config |= {"variant": variant} if variant else {}
        config["config"] = {"Labels": dict(labels)} if labels is not None else {}
        blob = json.dumps(config).encode()
        self.repository(name, region=region, account=account).blobs[digest_of(blob)] = blob
        described = {
            "mediaType": config_type or OF_DOCKER.get(media_type, OCI_CONFIG),
            "size": len(blob),
            "digest": digest_of(blob),
        }
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": described}
        manifest["layers"] = [{"mediaType": layer, "size": 1, "digest": digest_of(layer)} for layer in layers]
        return self.put(name, tag, manifest, media_type, region=region, account=account)

    def push_index(
        self,
        name: str,
        tag: str | None = "v1",
        *,
        platforms: Sequence[str] = ("linux/amd64", "linux/arm64"),
        labels: Mapping[str, str] | None = None,
        attestations: bool = False,
        media_type: str = OCI_INDEX,
        more: Sequence[Mapping[str, Any]] = (),
        content: str = "",
        region: str = "eu-west-1",
        account: str = ACCOUNT,
    ) -> str:
        """Push an index of an image for each platform, as `docker buildx` does."""
        entries: list[Mapping[str, Any]] = []
        single = DOCKER_MANIFEST if media_type == DOCKER_INDEX else OCI_MANIFEST
        for platform in platforms:
            digest = self.push(
                name,
                None,
                platform=platform,
                labels=labels,
                media_type=single,
                content=content,
                region=region,
                account=account,
            )
            entries.append(entry(digest, platform, single))
            if attestations:
                statement = self.push(
                    name, None, platform="unknown/unknown", content=platform + content, region=region, account=account
                )
                annotations = {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": digest,
                }
                entries.append({**entry(statement, "unknown/unknown"), "annotations": annotations})
        manifest = {"schemaVersion": 2, "mediaType": media_type, "manifests": [*entries, *more]}
        return self.put(name, tag, manifest, media_type, region=region, account=account)

    # --- reading

    def get(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:  # noqa: ARG002  # nothing takes time
        """Be the bucket of layers."""
        self.calls.append(("GET", ""))
        self.before("GET", "")
        if "GET" in self.faults:
            raise self.faults["GET"]
        blobs = [repository.blobs for repository in self.repositories.values()]
        content = next((each[digest] for each in blobs for digest in each if url.endswith(digest)), None)
        if content is None:
            raise OSError("HTTP status 404")
        return content if len(content) <= most_bytes else None


def entry(digest: str, platform: str, media_type: str = OCI_MANIFEST) -> dict[str, Any]:
    """Return an index's entry."""
    os, architecture, variant = [*platform.split("/"), ""][:3]
    said = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
    return {"mediaType": media_type, "digest": digest, "size": 1, "platform": said}


def _uri(source: Source, registry_id: str, repository: str) -> str:
    if source.alias:
        return f"{source.host}/{source.alias}/{repository}"
    host = source.host or f"{registry_id}.dkr.ecr.{source.region or 'eu-west-1'}.amazonaws.com"
    return f"{host}/{repository}"


@cache
def _model(service: str, operation: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


class _Client:
    """boto3's client for one source."""

    def __init__(self, ecr: MemoryEcr, source: Source) -> None:
        self._ecr = ecr
        self._source = source
        self._service = "ecr-public" if source.alias else "ecr"
        if source.role_arn:
            ecr.roles.append(source.role_arn)
            ecr.sessions.append(source.session)

    def _asked(self, operation: str, asked: dict[str, Any]) -> Repository:
        model = _model(self._service, operation)
        if asked or model.input_shape:
            _hold(asked, model.input_shape)
        name = asked.get("repositoryName", "")
        self._ecr.calls.append((operation, name))
        self._ecr.before(operation, name)
        for key in (operation, name):
            if key in self._ecr.faults:
                raise self._ecr.faults[key]
        own = self._source.role_arn.split(":")[4] if self._source.role_arn else ACCOUNT
        region = "public" if self._source.alias else self._source.region or "eu-west-1"
        repository = self._ecr.repositories.get((asked.get("registryId", own), region, name))
        if name and repository is None:
            raise aws_error("RepositoryNotFoundException", operation=operation)
        return repository or Repository()

    def _answered(self, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        _hold(answer, _model(self._service, operation).output_shape)
        if len(json.dumps(answer, default=str)) > MOST_ANSWER_BYTES:
            raise AnswerTooLarge("as `aws` has it")
        return answer

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        repository = self._asked("DescribeImages", asked)
        wanted = asked.get("imageIds") or [{"imageDigest": digest} for digest in repository.images]
        any_status = asked.get("filter", {}).get("imageStatus") == "ANY"
        details = {}
        for each in wanted:
            digest = repository.tags.get(each["imageTag"]) if "imageTag" in each else each["imageDigest"]
            stored = repository.images.get(digest or "")
            if not digest or not stored or not (any_status or stored.status == "ACTIVE"):
                raise aws_error("ImageNotFoundException")
            details[digest] = {
                "registryId": asked.get("registryId", ACCOUNT),
                "repositoryName": asked["repositoryName"],
                "imageDigest": digest,
                "imageTags": [tag for tag, at in repository.tags.items() if at == digest],
                "imageSizeInBytes": 1234,
                "imagePushedAt": datetime.fromtimestamp(stored.pushed_at, UTC),
                "imageManifestMediaType": stored.media_type,
            }
            if stored.config_type:
                details[digest]["artifactMediaType"] = stored.config_type
            if self._service == "ecr":
                details[digest]["imageStatus"] = stored.status
        return self._answered("DescribeImages", {"imageDetails": list(details.values())})

    def batch_get_image(self, **asked: Any) -> dict[str, Any]:
        repository = self._asked("BatchGetImage", asked)
        images, failures = [], []
        for each in asked["imageIds"]:
            digest = repository.tags.get(each["imageTag"]) if "imageTag" in each else each["imageDigest"]
            stored = repository.images.get(digest or "")
            if not stored:
                failures.append({"imageId": each, "failureCode": "ImageNotFound", "failureReason": "not found"})
            elif stored.status != "ACTIVE":
                failures.append({"imageId": each, "failureCode": "ImageInaccessible", "failureReason": stored.status})
            else:
                images.append(
                    {
                        "registryId": asked.get("registryId", ACCOUNT),
                        "repositoryName": asked["repositoryName"],
                        "imageId": {**each, "imageDigest": digest},
                        "imageManifest": stored.manifest,
                        "imageManifestMediaType": stored.media_type,
                    }
                )
        return self._answered("BatchGetImage", {"images": images, "failures": failures})

    def get_download_url_for_layer(self, **asked: Any) -> dict[str, Any]:
        repository = self._asked("GetDownloadUrlForLayer", asked)
        if asked["layerDigest"] not in repository.blobs:
            raise aws_error("LayersNotFoundException", operation="GetDownloadUrlForLayer")
        url = f"https://layers.s3.eu-west-1.amazonaws.com/{asked['layerDigest']}"
        return self._answered("GetDownloadUrlForLayer", {"downloadUrl": url, "layerDigest": asked["layerDigest"]})

    def describe_registries(self, **asked: Any) -> dict[str, Any]:
        self._asked("DescribeRegistries", asked)
        aliases = [
            {"name": name, "status": "ACTIVE", "primaryRegistryAlias": not n, "defaultRegistryAlias": bool(n)}
            for n, name in enumerate(self._ecr.aliases)
        ]
        registry = {
            "registryId": ACCOUNT,
            "registryArn": f"arn:aws:ecr-public::{ACCOUNT}:registry/{ACCOUNT}",
            "registryUri": f"public.ecr.aws/{self._ecr.aliases[0]}",
            "verified": False,
            "aliases": aliases,
        }
        return self._answered("DescribeRegistries", {"registries": [registry]})


def _hold(value: Mapping[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
