"""Measure the most memory that the artifact takes under AWS's Runtime Interface Emulator, where others try to fill it.

`make measure` prints it, tests/e2e/test_memory.py holds it. Memory is measured and not enforced: VmHWM of the process,
which has 128 MB on Lambda by default.

| what is simulated                                           | source                                                 |
|-------------------------------------------------------------|--------------------------------------------------------|
| BatchGetImage, DescribeImages, GetDownloadUrlForLayer       | botocore's model of ECR                                |
| a manifest of up to 4 MB, 1,000 tags to an image            | ECR User Guide, "Service quotas"                       |
| ListBuildsForProject, BatchGetBuilds                        | botocore's model of CodeBuild                          |
| DescribeStacks, with 200 parameters and outputs of 4,096 B  | CloudFormation User Guide, "Quotas"                    |

Answers are in UTF-8. There a letter takes a byte, and four in Python where its text has a character beyond the Basic
Multilingual Plane.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from .cloud import ACCOUNT, REGION
from .images import OCI_INDEX, OCI_MANIFEST
from .player_server import Player
from .proxy import Call, Effect, Proxy, Rule, answer, fail
from .rie import AsyncLambda, Emulator

WORST_OBJECTS: Final = '{"":{"":{"":{"":{"":{"":{"":{}}}}}}}}'
"""Of all JSON there is, what becomes the largest for its length."""
MOST_READ: Final = 523_000
"""Of bytes in a manifest or a config that is just small enough to be read."""
WIDE: Final = "\U0001f600"
LABELS: Final = {f"org.example.label{number}": "wanted " * 5 for number in range(20)}
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


@dataclass
class Hostile:
    """An ECR with one repository, and all else that the function asks. Manifests and configs by digest."""

    manifests: dict[str, tuple[str, str]] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    listed: Callable[[int, int], list[dict[str, Any]]] = lambda _first, _most: []

    def put(self, document: Mapping[str, Any], *, tag: str = "", size: int = 0, media_type: str = OCI_MANIFEST) -> str:
        """Pushes a manifest of so many bytes and returns its digest."""
        text = padded(document, size)
        self.manifests[digest := _digest(text)] = text, media_type
        self.tags |= {tag: digest} if tag else {}
        return digest

    def image(self, tag: str, *, manifest: int = 0, config: int = 0) -> str:
        """Pushes an image whose manifest and config have so many bytes."""
        platform = {"os": "linux", "architecture": "arm64"}
        inside = padded({**platform, "created": tag, "config": {"Labels": LABELS}}, config)
        self.configs[digest := _digest(inside)] = inside
        document = {"config": {"mediaType": _CONFIG, "digest": digest, "size": 1}, "layers": []}
        return self.put(document, tag=tag, size=manifest)

    def index(self, tag: str) -> str:
        """Pushes an index of four indexes, each of fifty entries with long names, and of one image."""
        image = self.image(f"{tag}-image", manifest=MOST_READ, config=MOST_READ)
        names = dict.fromkeys(("os", "variant"), WIDE * 99)
        inner = []
        for number in range(4):
            entries = [
                {
                    "mediaType": WIDE * 99,
                    "digest": image,
                    "platform": {**names, "architecture": f"{tag}{number}{n}{WIDE}"},
                }
                for n in range(50)
            ]
            digest = self.put({"manifests": entries}, size=MOST_READ, media_type=OCI_INDEX)
            inner.append({"mediaType": OCI_INDEX, "digest": digest})
        whole = {"mediaType": OCI_MANIFEST, "digest": image, "platform": {"os": "linux", "architecture": "arm64"}}
        return self.put({"manifests": [*inner, whole]}, tag=tag, size=MOST_READ, media_type=OCI_INDEX)

    def rules(self, url: Callable[[], str]) -> list[Rule]:
        """Returns what a proxy is to answer. `url`: where it listens."""

        def download(call: Call) -> str:
            digest = json.loads(call.body)["layerDigest"]
            return _json({"downloadUrl": f"{url()}/?digest={digest}&X-Amz-Signature=x", "layerDigest": digest})

        def blob(call: Call) -> str:
            return self.configs[call.target.partition("digest=")[2].partition("&")[0]]

        return [
            Rule("ecr:BatchGetImage", answer(self._got)),
            Rule("ecr:DescribeImages", Effect("missing", 400, "ImageNotFoundException"), where=self._misses),
            Rule("ecr:DescribeImages", answer(self._described)),
            Rule("ecr:GetDownloadUrlForLayer", answer(download)),
            Rule("s3:GetObject", answer(blob)),
        ]

    def _of(self, image_id: Mapping[str, str]) -> str:
        return self.tags.get(image_id["imageTag"], "") if "imageTag" in image_id else image_id["imageDigest"]

    def _misses(self, call: Call) -> bool:
        return any(self._of(each) not in self.manifests for each in json.loads(call.body).get("imageIds", []))

    def _got(self, call: Call) -> str:
        images: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for image_id in json.loads(call.body)["imageIds"]:
            digest = self._of(image_id)
            if digest in self.manifests:
                text, media_type = self.manifests[digest]
                named = {"imageId": {**image_id, "imageDigest": digest}, "registryId": ACCOUNT}
                images.append({**named, "imageManifest": text, "imageManifestMediaType": media_type})
            else:
                failures.append({"imageId": image_id, "failureCode": "ImageNotFound", "failureReason": "not found"})
        return _json({"images": images, "failures": failures})

    def _described(self, call: Call) -> str:
        asked = json.loads(call.body)
        if "imageIds" in asked:
            return _json({"imageDetails": [self._detail(self._of(each)) for each in asked["imageIds"]]})
        first, most = int(asked.get("nextToken") or 0), asked["maxResults"]
        details = self.listed(first, most)
        return _json({"imageDetails": details, **({"nextToken": str(first + most)} if len(details) == most else {})})

    def _detail(self, digest: str) -> dict[str, Any]:
        tags = [tag for tag, at in self.tags.items() if at == digest]
        media_type = self.manifests[digest][1]
        return _described(digest, tags) | {"imageManifestMediaType": media_type}


def _described(digest: str, tags: list[str]) -> dict[str, Any]:
    whose = {"registryId": ACCOUNT, "repositoryName": "app"}
    return {**whose, "imageDigest": digest, "imagePushedAt": 1.79e9, "imageSizeInBytes": 1, "imageTags": tags}


def padded(document: Mapping[str, Any], size: int) -> str:
    """Returns a document as JSON of that many bytes, in which a key that nobody knows holds objects."""
    head = _json({**document, "w": WIDE})[:-1] + ',"x":['
    return head + ",".join([WORST_OBJECTS] * ((size - len(head.encode()) - 2) // (len(WORST_OBJECTS) + 1))) + "]}"


def many_tags(first: int, most: int) -> list[dict[str, Any]]:
    """Returns a page of the thousand images of a repository, each with a thousand tags of the greatest length."""
    page = range(first, min(first + most, 1000))
    return [_described(_digest(str(n)), [f"{n:03}-{tag:03}-{'t' * 120}" for tag in range(1000)]) for n in page]


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def images(count: int, **conditions: object) -> dict[str, Any]:
    """Returns the properties of one check of so many images."""
    entries = [{"Id": f"I{n}", "RepositoryName": "app", "ImageTag": f"v{n}", **conditions} for n in range(count)]
    return {"Images": entries, "MaxRetries": "2", "RetryDelaySeconds": "30"}


Case = Callable[[Hostile], dict[str, Any]]
"""Fills an ECR and returns the properties of a wait for it."""


def there(ecr: Hostile) -> dict[str, Any]:
    """One image that is there, of which nothing is asked."""
    ecr.image("v0")
    return images(1)


def four_megabytes(ecr: Hostile) -> dict[str, Any]:
    """A manifest of 4 MB, the most that ECR takes."""
    ecr.image("v0", manifest=4_190_000)
    return images(1, Platform="linux/arm64")


def twenty_small(ecr: Hostile) -> dict[str, Any]:
    """Twenty images whose manifests just fit one call, with configs of 512 KiB."""
    for number in range(20):
        ecr.image(f"v{number}", manifest=95_000, config=MOST_READ)
    return images(20, Platform="linux/arm64", Labels=LABELS)


def twenty_large(ecr: Hostile) -> dict[str, Any]:
    """Twenty images whose manifests and configs have 512 KiB each."""
    for number in range(20):
        ecr.image(f"v{number}", manifest=MOST_READ, config=MOST_READ)
    return images(20, Platform="linux/arm64", Labels=LABELS)


def twenty_indexes(ecr: Hostile) -> dict[str, Any]:
    """Twenty indexes of four indexes of fifty images each, every manifest and config of 512 KiB."""
    for number in range(20):
        ecr.index(f"v{number}")
    return images(20, Labels=LABELS)


def tags(ecr: Hostile) -> dict[str, Any]:
    """A missing tag in a repository of 1,000 images with 1,000 tags each."""
    ecr.listed = many_tags
    return {"RepositoryName": "app", "ImageTag": "missing", "MaxRetries": "0"}


CASES: Final[tuple[Case, ...]] = (there, four_megabytes, twenty_small, twenty_large, twenty_indexes, tags)


@contextmanager
def _played(ecr: Hostile, more: list[Rule]) -> Iterator[dict[str, str]]:
    """Has an AWS that answers by rules alone; gives the environment that leads there."""
    nobody = Rule("sts:AssumeRole", fail())
    with Proxy("http://127.0.0.1:9") as proxy, ExitStack() as rules:
        for rule in [*ecr.rules(lambda: proxy.url), *more, nobody]:
            rules.enter_context(proxy.rule(rule))
        yield {"AWS_ENDPOINT_URL": proxy.url}


def peak(artifact: Path, case: Case, log: Path) -> tuple[int, Any]:
    """Returns the bytes that one check of a case took at most, from a cold start on, and what came of it."""
    ecr = Hostile()
    properties = case(ecr)
    with _played(ecr, []) as environment, Emulator(artifact, environment, log, name=f"memory-{case.__name__}") as rie:
        outcome = rie.invoke(properties)
        return rie.peak_memory(), outcome


def peak_of_wait(artifact: Path, log: Path, *, seconds: int, timeout: int) -> tuple[int, int]:
    """Returns the bytes that a wait took at most, and in how many invocations.

    It checks every second, follows a project of twenty builds and asks about a stack, all of which say as much as they
    may. As many invocations as are needed run in the same environment, one after another.

    Args:
        artifact: the function's.
        log: the folder for its log.
        seconds: of the wait.
        timeout: of the function.
    """
    ecr = Hostile(listed=many_tags)
    builds = [f"app:{number:04}" for number in range(20)]
    rules = [
        Rule("codebuild:ListBuildsForProject", answer(lambda _: _json({"ids": builds}))),
        Rule("codebuild:BatchGetBuilds", answer(lambda _: _json({"builds": [_build(each) for each in builds]}))),
        Rule("cloudformation:DescribeStacks", answer(lambda _: _stack())),
    ]
    with ExitStack() as stack:
        environment = stack.enter_context(_played(ecr, rules))

        def start(number: int) -> Emulator:
            more = {**environment, "AWS_ENDPOINT_URL_LAMBDA": service.url, "SSL_CERT_FILE": str(ca)}
            return Emulator(artifact, more, log, timeout=timeout, name=f"memory-wait-{number}")

        service = stack.enter_context(AsyncLambda(start))
        player = stack.enter_context(Player(service.invoke_later, tls=True))
        ca = log / "memory-ca.pem"
        ca.write_bytes(player.ca_pem)
        operation = player.create(
            {
                "RepositoryName": "app",
                "ImageTag": "missing",
                "BuildProject": "app",
                "BackoffRate": "1",
                "RetryDelaySeconds": "1",
                "MaxRetries": str(seconds),
            }
        )
        operation.wait(seconds + 60.0)
        return max(each.peak_memory() for each in service.environments), len(service.invocations)


def _build(id_: str) -> dict[str, Any]:
    contexts = [{"statusCode": "X", "message": WIDE + "m" * 7_500}]
    phases = [{"phaseType": f"P{number}", "phaseStatus": "SUCCEEDED", "contexts": contexts} for number in range(11)]
    arn = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build/{id_}"
    return {"id": id_, "arn": arn, "buildStatus": "IN_PROGRESS", "startTime": 1.79e9, "phases": phases}


def _stack() -> str:
    def members(name: str, key: str, value: str) -> str:
        each = (f"<member><{key}>{name}{n}</{key}><{value}>{'v' * 4096}</{value}></member>" for n in range(200))
        return f"<{name}>{''.join(each)}</{name}>"

    inside = members("Parameters", "ParameterKey", "ParameterValue") + members("Outputs", "OutputKey", "OutputValue")
    stack = (
        f"<StackId>x</StackId><StackName>x</StackName><CreationTime>2026-11-01T12:00:00Z</CreationTime>"
        f"<StackStatus>CREATE_IN_PROGRESS</StackStatus>{inside}"
    )
    return (
        '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>'
        f"<Stacks><member>{stack}</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
