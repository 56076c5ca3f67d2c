"""The sandbox's ECR and ECR Public without their server, on a fake clock, and replies in front of them.

What an image, a tag and a status do is `sandbox.ecr`'s. Questions and answers are held against botocore's models (types
and required members, not patterns).
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

from ecr_image_waiter.aws.clients import MOST_ANSWER_BYTES
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.manifests import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ecr_image_waiter.core.messages import AnswerTooLarge
from ecr_image_waiter.core.model import OWN, Source
from sandbox.ecr.contents import Image, Refused, Repository
from sandbox.ecr.contents import digest_of as digest_of_bytes
from sandbox.ecr.private import Context, Private
from sandbox.ecr.public import Public
from tests.support.clock import FakeClock
from tests.support.fakes import as_client, aws_error

ACCOUNT: Final = "123456789012"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
SIZE: Final = 1234
"""Of each image that is pushed, in bytes, if its config is smaller."""
LAYERS: Final = "https://layers.s3.eu-west-1.amazonaws.com"
ALIASES: Final = ("a1b2c3d4", "shop")
"""The default alias and the own one of every public registry."""
STATUSES: Final[Mapping[str, float | None]] = {"ACTIVE": 0.0, "ARCHIVED": None, "ACTIVATING": math.inf}

Reply: TypeAlias = Mapping[str, Any] | Exception
"""What a call ends in without the rules: an answer or an error."""


@dataclass(frozen=True)
class Call:
    """A call of an operation, which may take so many seconds."""

    operation: str
    asked: Mapping[str, Any]
    seconds: float


def digest_of(content: bytes | str) -> str:
    """Return the digest of a manifest, a config or a layer."""
    return digest_of_bytes(content.encode() if isinstance(content, str) else content)


class Ecr:
    """The whole of it.

    `calls` is each call's operation and repository, `asked` what each one asked, `seconds` what each client was made
    for. `around` surrounds each call and `before` is called with it; `faults` are by operation or repository.
    `front` may reply in place of the rules.
    """

    def __init__(self, clock: Clock, region: str = "eu-west-1") -> None:
        self.clock = clock
        self.region = region
        self.repositories: dict[tuple[str, str, str], Repository] = {}
        self.calls: list[tuple[str, str]] = []
        self.asked: list[Mapping[str, Any]] = []
        self.seconds: list[float] = []
        self.roles: list[str] = []
        self.sessions: list[str] = []
        self.around: Callable[[Call], AbstractContextManager[object]] = lambda _: nullcontext()
        self.before: Callable[[str, str], object] = lambda *_: None
        self.faults: dict[str, Exception] = {}
        self.front: Callable[[Call], Reply | None] = lambda _: None
        self._slow: FakeClock | None = None
        self._private = Private(clock)
        self._public = Public(clock, lambda _: ALIASES)

    def registry(self, clock: Clock | None = None) -> Registry:
        """Return the waiter's registry on it."""
        return Registry(lambda *of: as_client(_Client(self, *of)), self._uri, clock or self.clock, self.get)

    def client(self, source: Source = OWN, seconds: float = math.inf) -> Any:
        """Return boto3's client."""
        return _Client(self, source, seconds)

    def count(self, operation: str, repository: str = "") -> int:
        return sum(call[0] == operation and repository in ("", call[1]) for call in self.calls)

    def script(self, *replies: Any) -> None:
        """Has each DescribeImages get the next reply, and the last one for ever. None: what the rules say.

        A reply may be a function of what is asked.
        """
        left = list(replies)

        def front(call: Call) -> Reply | None:
            if call.operation != "DescribeImages":
                return None
            reply = left.pop(0) if len(left) > 1 else left[0]
            return reply(call.asked) if callable(reply) else reply  # type: ignore[no-any-return]

        self.front = front

    def hang(self, clock: FakeClock) -> None:
        """Let each call, and each config that is read, take all the time it may before its reply."""
        self._slow = clock

        def around(call: Call) -> AbstractContextManager[object]:
            clock.advance(max(call.seconds, 0.0))
            return nullcontext()

        self.around = around

    # --- What it holds

    def repository(self, name: str, region: str = "", account: str = ACCOUNT) -> Repository:
        """Return a repository, which is created if there is none."""
        key = account, region or self.region, name
        if key not in self.repositories:
            if region == "public":
                asked = {"repositoryName": name}
                self._public.answer("CreateRepository", account, asked)
                self.repositories[key] = self._public._repository(account, asked)
            else:
                self.repositories[key] = self._private.repository(*key)
        return self.repositories[key]

    def image(self, name: str, tag: str = "v1") -> Image:
        """Return the image at a tag or digest."""
        found = self.repository(name).find({"imageDigest" if tag.startswith("sha256:") else "imageTag": tag})
        assert found, f"{name}:{tag}"
        return found

    def tag(self, name: str, tag: str, digest: str) -> None:
        """Move a tag to an image."""
        self.untag(name, tag)
        self.repository(name).images[digest].tags.append(tag)

    def untag(self, name: str, tag: str) -> str | None:
        """Take a tag away; return the digest that it was at."""
        found = self.repository(name).tagged(tag)
        if found:
            found.tags.remove(tag)
        return found.digest if found else None

    def put(
        self, name: str, tag: str | None, manifest: Mapping[str, Any], media_type: str, digest: str = "", **where: str
    ) -> str:
        """Push a manifest and return its digest, which may be another one than its own."""
        return self.put_text(name, tag, json.dumps(manifest), media_type, digest, **where)

    def put_text(self, name: str, tag: str | None, text: str, media_type: str, digest: str = "", **where: str) -> str:
        """Push anything as a manifest."""
        repository, digest = self.repository(name, **where), digest or digest_of(text)
        repository.images.setdefault(digest, Image(digest, text, media_type, float(int(self.clock.now()))))
        asked = {"imageManifest": text, "imageManifestMediaType": media_type, **({"imageTag": tag} if tag else {})}
        if media_type and digest == digest_of(text):
            repository.put_image(asked, self.clock.now())
        elif tag:
            self.tag(name, tag, digest)
        return digest

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
        layers: Sequence[str] = (OCI_LAYER,),
        digest: str = "",
        **where: str,
    ) -> str:
        """Push an image of one platform. `layers` are the media types of its layers."""
        os, architecture, variant = [*platform.split("/"), ""][:3]
        config: dict[str, Any] = {"os": os, "architecture": architecture, "config": {}, "created": content}
        config |= {"variant": variant} if variant else {}
        config["config"] = {"Labels": dict(labels)} if labels is not None else {}
        blob = json.dumps(config).encode()
        self.repository(name, **where).blobs[digest_of(blob)] = blob
        described = {
            "mediaType": config_type or (DOCKER_CONFIG if media_type == DOCKER_MANIFEST else OCI_CONFIG),
            "size": len(blob),
            "digest": digest_of(blob),
        }
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": described}
        own = max(SIZE - len(blob), 0) // len(layers)
        manifest["layers"] = [{"mediaType": layer, "size": own, "digest": digest_of(layer)} for layer in layers]
        return self.put(name, tag, manifest, media_type, digest, **where)

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
        **where: str,
    ) -> str:
        """Push an index of an image for each platform, as `docker buildx` does."""
        entries: list[Mapping[str, Any]] = []
        single = DOCKER_MANIFEST if media_type == DOCKER_INDEX else OCI_MANIFEST
        for platform in platforms:
            of: dict[str, Any] = {"labels": labels, "media_type": single, "content": content, **where}
            digest = self.push(name, None, platform=platform, **of)
            entries.append(entry(digest, platform, single))
            if attestations:
                statement = self.push(name, None, platform="unknown/unknown", **{**of, "content": platform + content})
                annotations = {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": digest,
                }
                entries.append({**entry(statement, "unknown/unknown"), "annotations": annotations})
        manifest = {"schemaVersion": 2, "mediaType": media_type, "manifests": [*entries, *more]}
        return self.put(name, tag, manifest, media_type, **where)

    # --- What is asked of it

    def get(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        """Be the bucket of layers."""
        self.calls.append(("GET", ""))
        if self._slow:
            self._slow.advance(seconds)
        self.before("GET", "")
        if "GET" in self.faults:
            raise self.faults["GET"]
        parts = urlsplit(url)
        content = self._private.download(f"{parts.path}?{parts.query}")
        if content is None:
            raise OSError("HTTP status 403")
        return content if len(content) <= most_bytes else None

    def answer(self, source: Source, call: Call) -> Mapping[str, Any]:
        """Answer a call of a client.

        Raises:
            ClientError: what it ends in.
        """
        service = "ecr-public" if source.alias else "ecr"
        model = _model(service, call.operation)
        if call.asked or model.input_shape:
            report = ParamValidator().validate(call.asked, model.input_shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
        name = call.asked.get("repositoryName", "")
        self.calls.append((call.operation, name))
        self.asked.append(call.asked)
        with self.around(call):
            self.before(call.operation, name)
            for key in (call.operation, name):
                if key in self.faults:
                    raise self.faults[key]
            reply = self.front(call)
            if reply is None:
                reply = self._by_the_rules(source, call, name)
        if isinstance(reply, Exception):
            raise reply
        report = ParamValidator().validate(reply, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        if len(json.dumps(reply, default=str)) > MOST_ANSWER_BYTES:
            raise AnswerTooLarge("as `aws` has it")
        return reply

    def _by_the_rules(self, source: Source, call: Call, name: str) -> Reply:
        caller = source.role_arn.split(":")[4] if source.role_arn else ACCOUNT
        account = call.asked.get("registryId", caller)
        try:
            if source.alias:
                answer = self._public.answer(call.operation, caller, call.asked)
            else:
                repository = self.repositories[account, source.region or self.region, name]
                context = Context(repository, source.region or self.region, LAYERS)
                answer = self._private.operations[call.operation](context, call.asked)
        except KeyError:
            message = f"The repository with name '{name}' does not exist"
            return aws_error("RepositoryNotFoundException", message, operation=call.operation)
        except Refused as refused:
            return aws_error(refused.code, refused.message, operation=call.operation)
        for detail in answer.get("imageDetails", ()):
            detail["imagePushedAt"] = datetime.fromtimestamp(detail["imagePushedAt"], UTC)
        return answer

    def _uri(self, source: Source, registry_id: str, repository: str) -> str:
        if source.alias:
            return f"{source.host}/{source.alias}/{repository}"
        host = source.host or f"{registry_id}.dkr.ecr.{source.region or self.region}.amazonaws.com"
        return f"{host}/{repository}"


def entry(digest: str, platform: str, media_type: str = OCI_MANIFEST) -> dict[str, Any]:
    """Return an index's entry."""
    os, architecture, variant = [*platform.split("/"), ""][:3]
    said = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
    return {"mediaType": media_type, "digest": digest, "size": 1, "platform": said}


@cache
def _model(service: str, operation: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


class _Client:
    """boto3's client for one source, as far as the waiter calls it."""

    def __init__(self, ecr: Ecr, source: Source, seconds: float) -> None:
        self._ecr = ecr
        self._source = source
        self._seconds = seconds
        ecr.seconds.append(seconds)
        if source.role_arn:
            ecr.roles.append(source.role_arn)
            ecr.sessions.append(source.session)

    def __getattr__(self, method: str) -> Callable[..., Mapping[str, Any]]:
        operation = "".join(part.title() for part in method.split("_"))
        return lambda **asked: self._ecr.answer(self._source, Call(operation, asked, self._seconds))


def no_download(url: str, *, most_bytes: int, seconds: float) -> bytes | None:
    """Ask a bucket of layers that nothing is in."""
    raise OSError(f"none of {most_bytes} bytes in {seconds} s at {len(url)} characters")


def registry_on(client: Callable[[float], Any], clock: Clock | None = None) -> Registry:
    """Return a registry on a client of boto3, which is the same for each source and holds no configs."""
    return Registry(lambda _, seconds: client(seconds), lambda *_: "", clock or FakeClock(), no_download)
