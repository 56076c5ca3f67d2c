"""Measure the most memory that the artifact takes under AWS's Runtime Interface Emulator, where others try to fill it.

`make measure` prints it, tests/e2e/test_memory.py holds it. Memory is measured and not enforced: VmHWM of the process,
which has 128 MB on Lambda by default. ECR takes manifests of up to 4 MB, and 1,000 tags to an image (User Guide,
"Service quotas"); a stack has up to 200 parameters and outputs of 4,096 bytes (CloudFormation User Guide, "Quotas").

Answers are in UTF-8. There a letter takes a byte, and four in Python where its text has a character beyond the Basic
Multilingual Plane.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from ecr_image_waiter.aws.clients import SystemClock

from .cloud import ACCOUNT, REGION
from .ecr.contents import OCI_INDEX, OCI_MANIFEST, Image, Refused, digest_of
from .ecr.private import Context, Private
from .player_server import Player
from .proxy import operation_of
from .rie import AsyncLambda, Emulator
from .serving import Service, Whole

WORST_OBJECTS: Final = '{"":{"":{"":{"":{"":{"":{"":{}}}}}}}}'
"""Of all JSON there is, what becomes the largest for its length."""
MOST_READ: Final = 523_000
"""Of bytes in a manifest or a config that is just small enough to be read."""
WIDE: Final = "\U0001f600"
LABELS: Final = {f"org.example.label{number}": "wanted " * 5 for number in range(20)}
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


class Hostile(Service):
    """An AWS with one repository, whose ECR has its rules; of other services it says what is in `told`."""

    def __init__(self) -> None:
        self._ecr = Private(SystemClock())
        self.repository = self._ecr.repository(ACCOUNT, REGION, "app")
        self.told: dict[str, Callable[[], str]] = {}
        super().__init__()

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
        """Answer a call, or the download of a config."""
        if method == "GET":
            return 200, [], self._ecr.download(target) or b""
        operation = operation_of(target, headers, body.decode()).partition(":")[2]
        if operation in self.told:
            return 200, [("content-type", "text/xml")], self.told[operation]().encode()
        if operation not in self._ecr.operations:
            return 500, [], b"{}"
        try:
            context = Context(self.repository, REGION, self.url)
            return 200, [], _json(self._ecr.operations[operation](context, json.loads(body))).encode()
        except Refused as refused:
            return 400, [], _json({"__type": refused.code, "message": refused.message}).encode()

    def put(self, document: Mapping[str, Any], *, tag: str = "", size: int = 0, media_type: str = OCI_MANIFEST) -> str:
        """Pushes a manifest of so many bytes and returns its digest."""
        manifest = padded(document, size)
        pushed = {"imageManifest": manifest, "imageManifestMediaType": media_type}
        self.repository.put_image({**pushed, **({"imageTag": tag} if tag else {})}, now=1.79e9)
        return digest_of(manifest.encode())

    def image(self, tag: str, *, manifest: int = 0, config: int = 0) -> str:
        """Pushes an image whose manifest and config have so many bytes."""
        platform = {"os": "linux", "architecture": "arm64"}
        inside = padded({**platform, "created": tag, "config": {"Labels": LABELS}}, config).encode()
        self.repository.blobs[digest := digest_of(inside)] = inside
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

    def many_tags(self) -> None:
        """Puts in a thousand images, each with a thousand tags of the greatest length."""
        for number in range(1000):
            tags = [f"{number:03}-{tag:03}-{'t' * 120}" for tag in range(1000)]
            digest = digest_of(str(number).encode())
            self.repository.images[digest] = Image(digest, "{}", OCI_MANIFEST, 1.79e9, tags)


def padded(document: Mapping[str, Any], size: int) -> str:
    """Returns a document as JSON of that many bytes, in which a key that nobody knows holds objects."""
    head = _json({**document, "w": WIDE})[:-1] + ',"x":['
    return head + ",".join([WORST_OBJECTS] * ((size - len(head.encode()) - 2) // (len(WORST_OBJECTS) + 1))) + "]}"


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


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
    ecr.many_tags()
    return {"RepositoryName": "app", "ImageTag": "missing", "MaxRetries": "0"}


CASES: Final[tuple[Case, ...]] = (there, four_megabytes, twenty_small, twenty_large, twenty_indexes, tags)


def peak(artifact: Path, case: Case, log: Path) -> tuple[int, Any]:
    """Returns the bytes that one check of a case took at most, from a cold start on, and what came of it."""
    with Hostile() as aws:
        properties, environment = case(aws), {"AWS_ENDPOINT_URL": aws.url}
        with Emulator(artifact, environment, log, name=f"memory-{case.__name__}") as rie:
            outcome = rie.invoke(properties)
            return rie.peak_memory(), outcome


def peak_of_wait(artifact: Path, log: Path, *, seconds: int, timeout: int) -> tuple[int, int]:
    """Returns the bytes that a wait of so many seconds took at most, and in how many invocations.

    It checks every second, follows a project of twenty builds and asks about a stack, all of which say as much as they
    may. As many invocations as are needed run in the same environment, one after another; `timeout` is the function's.
    """
    builds = [f"app:{number:04}" for number in range(20)]
    with ExitStack() as stack:
        aws = stack.enter_context(Hostile())
        aws.many_tags()
        aws.told = {
            "ListBuildsForProject": lambda: _json({"ids": builds}),
            "BatchGetBuilds": lambda: _json({"builds": [_build(each) for each in builds]}),
            "DescribeStacks": _stack,
        }

        def start(number: int) -> Emulator:
            environment = {
                "AWS_ENDPOINT_URL": aws.url,
                "AWS_ENDPOINT_URL_LAMBDA": service.url,
                "SSL_CERT_FILE": str(ca),
            }
            return Emulator(artifact, environment, log, timeout=timeout, name=f"memory-wait-{number}")

        service = stack.enter_context(AsyncLambda(start))
        player = stack.enter_context(Player(service.invoke_later, tls=True))
        ca = log / "memory-ca.pem"
        ca.write_bytes(player.ca_pem)
        properties = {"RepositoryName": "app", "ImageTag": "missing", "BuildProject": "app"}
        pauses = {"BackoffRate": "1", "RetryDelaySeconds": "1", "MaxRetries": str(seconds)}
        player.create({**properties, **pauses}).wait(seconds + 60.0)
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
