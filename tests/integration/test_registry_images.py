"""What ECR and ECR Public say of images of every kind, through boto3 and over HTTP: from manifests that were pushed.

Every answer of the sandbox's ECR, an error too, is compared with botocore's model of its operation.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import botocore.session
import pytest

from ecr_image_waiter.aws.clients import Aws, PresignedUrls
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.errors import finding_of_failure
from ecr_image_waiter.core.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Config, Manifest
from ecr_image_waiter.core.model import (
    OWN,
    AccessDenied,
    Finding,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    NoRepository,
    NotDeployable,
    NotPullable,
    Platform,
    Source,
    TagSeen,
    Unavailable,
)
from sandbox import images
from sandbox.accounts import DEFAULT_ACCOUNT
from sandbox.ecr import Front
from sandbox.ecr.contents import Answer
from sandbox.ecr.front import Call
from sandbox.ecr.standalone import standalone
from sandbox.player import CANARIES
from tests.support.botocore_shapes import faults
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import Ecr, no_download
from tests.support.fakes import DIGEST, OTHER_DIGEST, aws_error, leaked

REGION: Final = "eu-west-1"
OTHER: Final = "210987654321"
ROLE: Final = f"arn:aws:iam::{OTHER}:role/reader"
ALIAS: Final = "team9012"
PUBLIC: Final = Source(region="us-east-1", host="public.ecr.aws", alias=ALIAS)
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
ARM64: Final = Platform("linux", "arm64")
AMD64: Final = Platform("linux", "amd64")


class Watched(Front):
    """A front on a clock of the test's that keeps which operations were asked for, and compares its own answers."""

    def __init__(self, upstream: str) -> None:
        self.time = FakeClock()
        self.asked: list[str] = []
        self.faults: list[str] = []
        super().__init__(upstream, clock=self.time)

    def answer(self, call: Call) -> tuple[int, Answer]:
        self.asked.append(call.operation)
        status, answer = super().answer(call)
        self.faults += faults(call.service, call.operation, status, answer)
        return status, answer


@pytest.fixture(scope="module")
def served() -> Iterator[Watched]:
    fronts: list[Watched] = []

    def make(upstream: str) -> Watched:
        fronts.append(Watched(upstream))
        return fronts[0]

    with standalone(make):
        yield fronts[0]


@pytest.fixture
def front(served: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """An empty ECR, to which the environment leads as a deployed function's does."""
    served.reset()
    served.time.time = NOW
    for name, value in {
        "AWS_ENDPOINT_URL": served.url,
        "AWS_ACCESS_KEY_ID": DEFAULT_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield served
    assert served.faults == []


@pytest.fixture
def ecr(front: Watched) -> Any:
    """The client of a pusher; its repository is there."""
    return with_repository(front.client(region=REGION))


@pytest.fixture
def public(front: Watched) -> Any:
    return with_repository(front.client("ecr-public"))


@pytest.fixture
def registry(front: Watched) -> Registry:
    return registry_of(front)


def registry_of(front: Watched, download: Callable[..., bytes | None] | None = None) -> Registry:
    aws = Aws()
    front.asked.clear()
    return Registry(aws.ecr_client, aws.repository_uri, front.time, download or PresignedUrls(any_scheme=True).get)


def with_repository(client: Any, name: str = "app") -> Any:
    client.create_repository(repositoryName=name)
    return client


def named(tag: str | None = "v1", digest: str | None = None, repository: str = "app") -> ImageId:
    return ImageId(repository, tag, digest)


def look(
    registry: Registry, image: ImageId | None = None, source: Source = OWN, *, include_archived: bool = False
) -> Finding:
    return registry.describe_one(image or named(), source=source, include_archived=include_archived, seconds=10.0)


def get(registry: Registry, *wanted: ImageId, source: Source = OWN) -> dict[ImageId, tuple[Image, Manifest] | Finding]:
    found = registry.manifests("app", wanted or [named()], source=source, seconds=10.0)
    assert isinstance(found, dict), found
    return found


def manifest(registry: Registry, image: ImageId | None = None) -> Manifest:
    found = get(registry, image or named())[image or named()]
    assert isinstance(found, tuple), found
    return found[1]


def describe(registry: Registry, *wanted: ImageId, source: Source = OWN) -> dict[ImageId, Finding]:
    found = registry.describe_several("app", wanted, source=source, seconds=10.0)
    assert isinstance(found, dict), found
    return found


def config(registry: Registry, digest: str, *labels: str) -> Config | Finding:
    return registry.config("app", digest, labels, source=OWN, seconds=10.0)


def digest_in(found: object) -> str:
    assert isinstance(found, Image), found
    return found.digest


def archive(client: Any, digest: str, target: str = "ARCHIVE") -> None:
    client.update_image_storage_class(repositoryName="app", imageId={"imageDigest": digest}, targetStorageClass=target)


# --- What is pushed -------------------------------------------------------------------------------------------------

KINDS: Final[dict[str, tuple[Callable[[Any], str], str, str | None]]] = {
    "docker": (lambda ecr: images.push(ecr, "app", "v1"), DOCKER_MANIFEST, DOCKER_CONFIG),
    "index": (lambda ecr: images.push_index(ecr, "app", "v1"), OCI_INDEX, None),
    "chart": (lambda ecr: images.push_artifact(ecr, "app", "v1"), OCI_MANIFEST, images.HELM_CONFIG),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_pushed_is_found_by_tag_and_by_digest_with_its_media_types(
    ecr: Any, registry: Registry, kind: str
) -> None:
    push, *types = KINDS[kind]
    digest = push(ecr)

    by_tag, by_digest, by_both = (look(registry, named(*one)) for one in (("v1",), (None, digest), ("v1", digest)))

    assert by_tag == by_digest == by_both
    assert isinstance(by_tag, Image)
    assert (by_tag.digest, by_tag.registry_id, by_tag.pushed_at) == (digest, DEFAULT_ACCOUNT, NOW)
    assert by_tag.repository_uri == f"{DEFAULT_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app"
    assert [by_tag.media_type, by_tag.artifact_type] == types
    assert by_tag.size
    assert describe(registry, named()) == {named(): by_tag}


def test_a_single_image_has_a_config_which_says_its_platform_and_labels(ecr: Any, registry: Registry) -> None:
    labels = {"revision": "4f2c", "other": "x"}
    images.push(ecr, "app", "v1", architecture="amd64", variant="v3", labels=labels, oci=True)

    single = manifest(registry)

    assert single.is_image
    assert not single.is_index
    expected = Config(Platform("linux", "amd64", "v3"), {"revision": "4f2c"})
    assert config(registry, single.config_digest, "revision", "missing") == expected


def test_an_index_lists_its_images_and_no_attestations(ecr: Any, registry: Registry) -> None:
    images.push_index(ecr, "app", "v1", attestations=True)

    index = manifest(registry)

    assert index.is_index
    assert [entry.platform for entry in index.entries] == [AMD64, ARM64]
    for entry in index.entries:
        single = manifest(registry, named(None, entry.digest))
        read = config(registry, single.config_digest)
        assert isinstance(read, Config)
        assert read.platform == entry.platform


# --- Configs --------------------------------------------------------------------------------------------------------


def test_the_url_of_a_config_carries_the_canaries_by_which_leaks_are_found(ecr: Any, registry: Registry) -> None:
    images.push(ecr, "app", "v1")
    digest = manifest(registry).config_digest

    url = ecr.get_download_url_for_layer(repositoryName="app", layerDigest=digest)["downloadUrl"]

    assert set(CANARIES) < set(leaked(url))


@pytest.mark.parametrize(("takes", "left"), [(0.5, 7.5), (9.0, 0.1)])
def test_a_config_is_read_in_what_its_url_left_of_the_time(takes: float, left: float) -> None:
    budgets: list[float] = []

    def timed(url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        budgets.append(seconds)
        return no_download(url, most_bytes=most_bytes, seconds=seconds)

    ecr = Ecr(FakeClock())
    ecr.before = lambda *_: ecr.clock.sleep(takes)
    ecr.push("app")
    registry = Registry(ecr.client, lambda *_: "", ecr.clock, timed)

    registry.config("app", next(iter(ecr.repository("app").blobs)), [], source=OWN, seconds=8.0)

    assert (ecr.seconds, budgets) == ([4.0], [left])


# --- Tags and digests -----------------------------------------------------------------------------------------------


def test_a_tag_at_another_digest_is_named_by_every_call(ecr: Any, registry: Registry) -> None:
    old = images.push(ecr, "app", "v1", content="old")
    new = images.push(ecr, "app", "v1", content="new")
    both, by_tag, by_digest = named("v1", old), named("v1"), named(None, old)

    assert look(registry, both) == NoImage(tag_points_at=new)
    assert look(registry, both, include_archived=True) == NoImage(tag_points_at=new)
    described, got = describe(registry, both, by_tag, by_digest), get(registry, both, by_tag, by_digest)
    assert described[both] == got[both] == NoImage(tag_points_at=new)
    assert [digest_in(described[each]) for each in (by_tag, by_digest)] == [new, old]
    assert [digest_in(got[each][0]) for each in (by_tag, by_digest)] == [new, old]  # type: ignore[index]  # tuples


@pytest.mark.parametrize("image", [named("none"), named(None, OTHER_DIGEST)], ids=str)
def test_a_missing_image_is_found_missing_beside_one_that_is_there(
    ecr: Any, registry: Registry, image: ImageId
) -> None:
    images.push(ecr, "app", "v1")

    got = get(registry, named(), image)

    assert isinstance(got[named()], tuple)
    assert got[image] == look(registry, image, include_archived=True) == NoImage()
    assert registry.describe_several("app", [named(), image], source=OWN, seconds=10.0) == NoImage()


def test_a_missing_repository_is_missing_in_every_call(registry: Registry) -> None:
    assert look(registry) == NoRepository()
    assert registry.manifests("app", [named()], source=OWN, seconds=10.0) == NoRepository()
    assert registry.describe_several("app", [named()], source=OWN, seconds=10.0) == NoRepository()
    assert config(registry, DIGEST) == NoRepository()
    assert registry.newest_tags("app", most=5, seconds=5.0) is None


# --- Archived images ------------------------------------------------------------------------------------------------


def test_an_archived_image_is_not_pullable_until_it_is_restored(front: Watched, ecr: Any, registry: Registry) -> None:
    digest = images.push(ecr, "app", "v1")
    config_digest = manifest(registry).config_digest

    for status, act in (("ARCHIVED", "ARCHIVE"), ("ACTIVATING", "STANDARD")):
        archive(ecr, digest, act)
        assert look(registry, include_archived=True) == NotPullable(status)
        assert look(registry) == NoImage(), "one call alone does not see it"
        assert isinstance(get(registry)[named()], NotPullable)
        assert registry.describe_several("app", [named()], source=OWN, seconds=10.0) == NoImage()
        unread = config(registry, config_digest)
        assert isinstance(unread, Unavailable)
        assert unread.code == "LayerInaccessibleException"

    front.end_restores()
    assert digest_in(look(registry)) == digest
    assert isinstance(get(registry)[named()], tuple)


# --- Other registries -----------------------------------------------------------------------------------------------


def test_other_regions_and_accounts_have_images_of_their_own(front: Watched, ecr: Any, registry: Registry) -> None:
    places = {
        OWN: (DEFAULT_ACCOUNT, REGION),
        Source(region="us-east-1"): (DEFAULT_ACCOUNT, "us-east-1"),
        Source(registry_id=OTHER): (OTHER, REGION),
        Source(role_arn=ROLE, region="eu-north-1"): (OTHER, "eu-north-1"),
    }
    pushed = {}
    for source, (account, region) in places.items():
        client = ecr if source == OWN else with_repository(front.client(account=account, region=region))
        pushed[source] = images.push(client, "app", "v1", content=account + region)

    for source, (account, region) in places.items():
        found = look(registry, source=source)
        assert digest_in(found) == pushed[source]
        assert isinstance(found, Image)
        assert found.repository_uri == f"{account}.dkr.ecr.{region}.amazonaws.com/app"
        got = get(registry, source=source)[named()]
        assert isinstance(got, tuple)
        assert (got[0].digest, got[0].repository_uri) == (found.digest, found.repository_uri)


def test_an_account_that_denies_access_does_so_in_every_call(front: Watched, registry: Registry) -> None:
    images.push(with_repository(front.client(account=OTHER, region=REGION)), "app", "v1")
    source = Source(registry_id=OTHER)

    with front.closed(OTHER):
        findings = [
            look(registry, source=source),
            registry.manifests("app", [named()], source=source, seconds=10.0),
            registry.describe_several("app", [named()], source=source, seconds=10.0),
            registry.config("app", DIGEST, [], source=source, seconds=10.0),
        ]
        assert digest_in(look(registry, source=Source(role_arn=ROLE)))

    actions = ["DescribeImages", "BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer"]
    for finding, action in zip(findings, actions, strict=True):
        assert isinstance(finding, AccessDenied)
        assert f"not authorized to perform: ecr:{action} on resource: arn:aws:ecr:{REGION}:{OTHER}:" in finding.message


@pytest.mark.parametrize("kind", ["docker", "chart"])
def test_a_public_image_is_found_as_a_private_one_is(public: Any, registry: Registry, kind: str) -> None:
    push, *types = KINDS[kind]
    digest = push(public)

    found = look(registry, source=PUBLIC)

    assert isinstance(found, Image)
    assert (found.digest, found.registry_id, found.pushed_at) == (digest, DEFAULT_ACCOUNT, NOW)
    assert found.repository_uri == f"public.ecr.aws/{ALIAS}/app"
    assert [found.media_type, found.artifact_type] == types
    assert look(registry, named(None, digest), PUBLIC) == look(registry, named("v1", digest), PUBLIC) == found
    assert describe(registry, named(), named(None, digest), source=PUBLIC) == {
        named(): found,
        named(None, digest): found,
    }


def test_a_public_image_may_be_missing_moved_or_without_a_repository(
    front: Watched, public: Any, registry: Registry
) -> None:
    assert look(registry, source=PUBLIC, include_archived=True) == NoImage()
    old, new = (images.push(public, "app", "v1", content=content) for content in ("old", "new"))

    assert look(registry, named("v1", old), PUBLIC, include_archived=True) == NoImage(tag_points_at=new)
    assert look(registry, named(repository="other"), PUBLIC) == NoRepository()
    assert set(front.asked) <= {"DescribeRegistries", "DescribeImages", "PutImage", "CreateRepository"} | {
        operation for operation in front.asked if "Layer" in operation
    }, "ECR Public has no other way to look, and no status to ask for"


def test_an_alias_is_that_of_the_assumed_role(front: Watched, public: Any, registry: Registry) -> None:
    """The same name in two accounts: what a role may read is no business of the function's own account."""
    images.push(public, "app", "v1", content="own")
    theirs = images.push(with_repository(front.client("ecr-public", account=OTHER)), "app", "v1", content="theirs")
    alias = {"region": "us-east-1", "host": "public.ecr.aws", "alias": "team4321"}

    assert digest_in(look(registry, source=Source(role_arn=ROLE, **alias))) == theirs
    assert isinstance(look(registry, source=Source(**alias)), NotDeployable)


# --- The newest tags ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [OWN, PUBLIC], ids=["private", "public"])
def test_the_newest_tags_come_with_their_times(front: Watched, ecr: Any, public: Any, source: Source) -> None:
    client = public if source.alias else ecr
    for number in range(5):
        front.time.time = NOW + number
        images.push(client, "app", f"v{number}", content=str(number))
    images.push(client, "app", "again", content="4")
    images.push_index(client, "app", "indexed")  # and two images without a tag

    newest = registry_of(front).newest_tags("app", source=source, most=4, seconds=5.0)

    assert newest == NewestTags(
        (TagSeen("again", NOW + 4), *(TagSeen(tag, NOW + 4) for tag in ("indexed", "v4")), TagSeen("v3", NOW + 3))
    )
    assert registry_of(front).newest_tags("other", source=source, most=4, seconds=5.0) is None


# --- BatchGetImage's failures, by their codes -----------------------------------------------------------------------

FAILURES: Final[dict[str, Finding]] = {
    "ImageNotFound": NoImage(),
    "InvalidImageTag": NoImage(),
    "InvalidImageDigest": NoImage(),
    "ImageInaccessible": NotPullable("ARCHIVED"),
    "KmsError": AccessDenied("KmsError", "why", Lacks.KEY),
    "UpstreamAccessDenied": AccessDenied("UpstreamAccessDenied", "why", Lacks.UPSTREAM),
    **{
        code: Unavailable(code, "why")
        for code in (
            "ImageTagDoesNotMatchDigest",
            "MissingDigestAndTag",
            "ImageReferencedByManifestList",
            "UpstreamTooManyRequests",
            "UpstreamUnavailable",
        )
    },
}


def answering(answer: dict[str, Any]) -> Registry:
    """Returns a registry whose BatchGetImage answers so, checked against botocore's model."""
    ecr = Ecr(FakeClock())
    ecr.front = lambda _: answer
    return ecr.registry()


def test_a_failure_of_one_image_is_classified_by_its_code() -> None:
    assert {code: finding_of_failure(code, "why") for code in FAILURES} == FAILURES
    failure = {"imageId": {"imageTag": "v1"}, "failureCode": "KmsError", "failureReason": "why"}
    other = {"imageId": {"imageTag": "v2"}, "failureCode": "ImageNotFound", "failureReason": "another's"}

    found = get(answering({"images": [], "failures": [other, failure]}))

    assert found == {named(): FAILURES["KmsError"]}


def test_every_failure_code_that_botocore_knows_has_a_meaning() -> None:
    model = botocore.session.get_session().get_service_model("ecr").operation_model("BatchGetImage")
    failure = model.output_shape.members["failures"].member

    assert set(failure.members["failureCode"].enum) == set(FAILURES)


def test_a_call_that_fails_says_the_same_of_all_its_images() -> None:
    ecr = Ecr(FakeClock())
    ecr.faults["BatchGetImage"] = aws_error("LimitExceededException", "why")

    found = ecr.registry().manifests("app", [named(), named("v2")], source=OWN, seconds=10.0)

    assert found == Unavailable("LimitExceededException", "why")


# --- Answers that nobody would expect -------------------------------------------------------------------------------

_GOT: Final = {"registryId": "1", "repositoryName": "app", "imageId": {"imageDigest": DIGEST, "imageTag": "v1"}}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"images": []},
        {"images": [{**_GOT, "imageId": {}}]},
        {"images": [{**_GOT, "imageId": {"imageTag": "v1"}, "imageManifest": "{}"}]},
        {"images": [{"imageId": _GOT["imageId"], "imageManifest": "{}"}]},
        {"images": [{**_GOT, "imageId": {"imageDigest": DIGEST}, "imageManifest": "{}"}]},
        {"images": [], "failures": [{"failureCode": "KmsError"}]},
        {"images": [], "failures": [{"imageId": {"imageTag": "v1"}}]},
    ],
    ids=json.dumps,
)
def test_an_answer_with_something_missing_ends_no_wait(answer: dict[str, Any]) -> None:
    found = answering(answer).manifests("app", [named()], source=OWN, seconds=10.0)

    assert isinstance(found[named()] if isinstance(found, dict) else found, NoImage | Unavailable)
