"""The sandbox's ECR and ECR Public answer as botocore's models say, and hold what was pushed; as boto3 sees it.

Every answer that the front makes itself, an error too, is compared with the model of its operation.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from urllib3 import PoolManager

from sandbox import images
from sandbox.ecr import Front
from sandbox.ecr.contents import SMALLEST_PART, Answer
from sandbox.ecr.front import Call
from sandbox.ecr.private import RESTORE_SECONDS, URL_LIFETIME
from sandbox.ecr.standalone import standalone
from sandbox.player import CANARIES
from sandbox.proxy import Proxy, Rule, deny
from tests.fakes import DIGEST, NOW, OTHER_DIGEST, FakeClock, leaked
from tests.shapes import faults

ACCOUNT: Final = "123456789012"
OTHER: Final = "210987654321"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


class Watched(Front):
    """A front that compares its own answers with the models."""

    def __init__(self, upstream: str) -> None:
        self.faults: list[str] = []
        self.time = FakeClock()
        super().__init__(upstream, clock=self.time)

    def answer(self, call: Call) -> tuple[int, Answer]:
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
def front(served: Watched) -> Iterator[Watched]:
    served.reset()
    served.time.time = NOW
    yield served
    assert served.faults == []


@pytest.fixture
def ecr(front: Watched) -> Any:
    return with_repository(front.client())


@pytest.fixture(params=["ecr", "ecr-public"])
def either(front: Watched, request: pytest.FixtureRequest) -> Any:
    return with_repository(front.client(request.param))


def with_repository(client: Any, name: str = "app") -> Any:
    client.create_repository(repositoryName=name)
    return client


def upload(client: Any, blob: bytes, repository: str = "app") -> str:
    """Upload a blob in one part and return its digest."""
    begun = client.initiate_layer_upload(repositoryName=repository)["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": len(blob) - 1, "layerPartBlob": blob}
    client.upload_layer_part(repositoryName=repository, uploadId=begun, **part)
    digest = digest_of(blob)
    completed = client.complete_layer_upload(repositoryName=repository, uploadId=begun, layerDigests=[digest])
    assert completed["layerDigest"] == digest
    return digest


def digest_of(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def get_image(client: Any, **image_id: str) -> dict[str, Any]:
    answer = client.batch_get_image(repositoryName="app", imageIds=[image_id])
    assert answer["failures"] == []
    (image,) = answer["images"]
    found: dict[str, Any] = image
    return found


def manifest(client: Any, **image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get_image(client, **image_id)["imageManifest"])
    return found


def layer_url(client: Any, digest: str) -> str:
    answer = client.get_download_url_for_layer(repositoryName="app", layerDigest=digest)
    assert answer["layerDigest"] == digest
    return str(answer["downloadUrl"])


def download(url: str) -> tuple[int, bytes]:
    with PoolManager() as pool:
        answer = pool.request("GET", url, retries=False)
        return answer.status, answer.data


def blob_of(client: Any, digest: str) -> bytes:
    status, blob = download(layer_url(client, digest))
    assert status == 200
    return blob


def config_of(client: Any, **image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(blob_of(client, manifest(client, **image_id)["config"]["digest"]))
    return found


def details(client: Any, **parameters: Any) -> dict[str, dict[str, Any]]:
    """Return what DescribeImages says, by digest."""
    answer = client.describe_images(repositoryName="app", **parameters)
    return {detail["imageDigest"]: detail for detail in answer["imageDetails"]}


def detail(client: Any, digest: str, status: str = "ANY") -> dict[str, Any]:
    return details(client, imageIds=[{"imageDigest": digest}], filter={"imageStatus": status})[digest]


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def archive(client: Any, digest: str, target: str = "ARCHIVE") -> str:
    answer = client.update_image_storage_class(
        repositoryName="app", imageId={"imageDigest": digest}, targetStorageClass=target
    )
    assert answer["imageId"] == {"imageDigest": digest}
    return str(answer["imageStatus"])


# --- Layers ---------------------------------------------------------------------------------------------------------


def test_every_blob_of_an_image_is_downloaded_byte_for_byte(ecr: Any) -> None:
    images.push(ecr, "app", "v1")
    found = manifest(ecr, imageTag="v1")
    for entry in (found["config"], *found["layers"]):
        blob = blob_of(ecr, entry["digest"])
        assert (digest_of(blob), len(blob)) == (entry["digest"], entry["size"])


def test_a_layer_in_parts_is_the_parts_in_their_order(either: Any) -> None:
    first, second = b"a" * SMALLEST_PART, b"b"
    begun = either.initiate_layer_upload(repositoryName="app")["uploadId"]
    for at, part in ((0, first), (len(first), second)):
        last = at + len(part) - 1
        received = either.upload_layer_part(
            repositoryName="app", uploadId=begun, partFirstByte=at, partLastByte=last, layerPartBlob=part
        )
        assert received["lastByteReceived"] == last
    either.complete_layer_upload(repositoryName="app", uploadId=begun, layerDigests=[digest_of(first + second)])

    answer = either.batch_check_layer_availability(repositoryName="app", layerDigests=[digest_of(first + second)])

    assert answer["layers"][0]["layerSize"] == SMALLEST_PART + 1


@pytest.mark.parametrize(("first", "last"), [(1, 4), (0, 4), (0, 2)])
def test_a_part_that_does_not_fit_is_refused(either: Any, first: int, last: int) -> None:
    begun = either.initiate_layer_upload(repositoryName="app")["uploadId"]
    call = {"uploadId": begun, "partFirstByte": first, "partLastByte": last, "layerPartBlob": b"four"}
    assert code_of(either.upload_layer_part, repositoryName="app", **call) == "InvalidLayerPartException"


def test_a_layer_of_another_digest_is_refused(either: Any) -> None:
    begun = either.initiate_layer_upload(repositoryName="app")["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"four"}
    either.upload_layer_part(repositoryName="app", uploadId=begun, **part)
    call = {"repositoryName": "app", "uploadId": begun, "layerDigests": [DIGEST]}
    assert code_of(either.complete_layer_upload, **call) == "InvalidLayerException"


def test_an_upload_without_parts_or_with_a_small_one_in_its_middle_is_refused(either: Any) -> None:
    begun = either.initiate_layer_upload(repositoryName="app")["uploadId"]
    call = {"repositoryName": "app", "uploadId": begun, "layerDigests": [DIGEST]}
    assert code_of(either.complete_layer_upload, **call) == "EmptyUploadException"
    for at in (0, 1):
        part = {"partFirstByte": at, "partLastByte": at, "layerPartBlob": b"."}
        either.upload_layer_part(repositoryName="app", uploadId=begun, **part)
    assert code_of(either.complete_layer_upload, **call) == "LayerPartTooSmallException"


def test_an_upload_that_was_not_begun_or_is_complete_is_not_found(either: Any) -> None:
    begun = either.initiate_layer_upload(repositoryName="app")["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"four"}
    either.upload_layer_part(repositoryName="app", uploadId=begun, **part)
    call = {"repositoryName": "app", "uploadId": begun, "layerDigests": [digest_of(b"four")]}
    either.complete_layer_upload(**call)
    assert code_of(either.complete_layer_upload, **call) == "UploadNotFoundException"
    unknown = {"repositoryName": "app", "uploadId": "00000000-0000-0000-0000-000000000000", **part}
    assert code_of(either.upload_layer_part, **unknown) == "UploadNotFoundException"


def test_a_layer_that_is_there_is_refused_a_second_time(either: Any) -> None:
    upload(either, b"four")
    with pytest.raises(either.exceptions.LayerAlreadyExistsException):
        upload(either, b"four")


def test_layers_are_there_missing_or_no_layers_at_all(either: Any) -> None:
    images.push(either, "app", "v1")
    loose, used = upload(either, b"loose"), digest_of(b"")
    asked = [loose, used, "sha256:short"]

    answer = either.batch_check_layer_availability(repositoryName="app", layerDigests=asked)

    assert answer["layers"] == [{"layerDigest": loose, "layerAvailability": "AVAILABLE", "layerSize": 5}]
    assert [(each["layerDigest"], each["failureCode"]) for each in answer["failures"]] == [
        (used, "MissingLayerDigest"),
        ("sha256:short", "InvalidLayerDigest"),
    ]


def test_an_unknown_layer_is_not_found(ecr: Any) -> None:
    with pytest.raises(ecr.exceptions.LayersNotFoundException) as caught:
        layer_url(ecr, DIGEST)
    assert f"The layer with digest {DIGEST} does not exist within the repository with name 'app'" in str(caught.value)


def test_a_layer_of_another_repository_is_not_found(ecr: Any) -> None:
    with_repository(ecr, "other")
    images.push(ecr, "other", "v1")
    assert code_of(layer_url, client=ecr, digest=digest_of(b"hello")) == "LayersNotFoundException"


def test_a_layer_that_belongs_to_no_image_is_inaccessible(ecr: Any) -> None:
    assert code_of(layer_url, client=ecr, digest=upload(ecr, b"loose")) == "LayerInaccessibleException"


def test_a_download_url_looks_presigned_and_carries_the_canaries(ecr: Any, front: Watched) -> None:
    images.push(ecr, "app", "v1")
    url = layer_url(ecr, manifest(ecr, imageTag="v1")["config"]["digest"])
    assert url.startswith(f"{front.url}/")
    assert set(CANARIES) < set(leaked(url))
    assert parse_qs(urlsplit(url).query).keys() == {
        "X-Amz-Security-Token",
        "X-Amz-Algorithm",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
        "X-Amz-Credential",
        "X-Amz-Signature",
    }


def test_a_download_url_is_good_for_an_hour_and_for_nothing_else(ecr: Any, front: Watched) -> None:
    images.push(ecr, "app", "v1")
    url = layer_url(ecr, manifest(ecr, imageTag="v1")["config"]["digest"])
    other_path = url.replace(f"{front.url}/", f"{front.url}/x")
    front.time.time += URL_LIFETIME - 1
    assert [download(each)[0] for each in (url, url + "0", other_path)] == [200, 403, 403]
    front.time.time += 1
    assert download(url)[0] == 403


# --- Manifests ------------------------------------------------------------------------------------------------------


def test_a_manifest_comes_back_byte_for_byte_under_the_digest_of_its_bytes(either: Any) -> None:
    config, layer = upload(either, b"{}"), upload(either, b"layer")
    written = (
        '{"schemaVersion":2,  "note":"\u00e4", "mediaType":"' + images.OCI_MANIFEST + '",\n'
        '"config":{"mediaType":"x/y","size":2,"digest":"' + config + '"},'
        '"layers":[{"mediaType":"x/z","size":5,"digest":"' + layer + '"}]}\n'
    )
    pushed = either.put_image(repositoryName="app", imageManifest=written, imageTag="v1")["image"]
    digest = digest_of(written.encode())

    assert pushed == {
        "registryId": ACCOUNT,
        "repositoryName": "app",
        "imageId": {"imageDigest": digest, "imageTag": "v1"},
        "imageManifest": written,
        "imageManifestMediaType": images.OCI_MANIFEST,
    }
    assert details(either)[digest]["artifactMediaType"] == "x/y"
    if either.meta.service_model.service_name == "ecr":
        assert get_image(either, imageTag="v1") == pushed
        assert get_image(either, imageDigest=digest) == {**pushed, "imageId": {"imageDigest": digest}}


def test_a_manifest_whose_layers_are_missing_is_refused(either: Any) -> None:
    images.push(either, "app", "v1")
    with_repository(either, "other")
    written = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": images.MANIFEST,
            "config": {"mediaType": DOCKER_CONFIG, "size": 2, "digest": DIGEST},
            "layers": [],
        }
    )
    with pytest.raises(either.exceptions.LayersNotFoundException, match=DIGEST):
        either.put_image(repositoryName="other", imageManifest=written, imageTag="v1")


def test_an_index_whose_images_are_missing_is_refused(either: Any) -> None:
    there = images.push(either, "app", "v1")
    entries = [{"mediaType": images.MANIFEST, "size": 2, "digest": digest} for digest in (there, DIGEST)]
    written = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST_LIST, "manifests": entries})
    with pytest.raises(either.exceptions.ReferencedImagesNotFoundException) as caught:
        either.put_image(repositoryName="app", imageManifest=written, imageTag="index")
    assert f"[{DIGEST}]" in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "no JSON",
        "[]",
        json.dumps({"schemaVersion": 2, "config": {"mediaType": "x/y", "digest": DIGEST, "size": 1}, "layers": []}),
        json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST}),
        json.dumps({"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [{}]}),
        json.dumps({"mediaType": "text/plain", "config": {}, "layers": []}),
    ],
)
def test_what_is_no_manifest_or_says_not_of_which_kind_it_is_is_refused(either: Any, written: str) -> None:
    call = {"repositoryName": "app", "imageManifest": written, "imageTag": "v1"}
    assert code_of(either.put_image, **call) == "InvalidParameterException"


def test_a_digest_that_is_not_the_manifest_s_is_refused(either: Any) -> None:
    images.push(either, "app", "v1")
    entry = {"mediaType": images.MANIFEST, "size": 2, "digest": images.push(either, "app", "v1")}
    written = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST_LIST, "manifests": [entry]})
    call = {"repositoryName": "app", "imageManifest": written, "imageTag": "index"}
    assert code_of(either.put_image, **call, imageDigest=DIGEST) == "ImageDigestDoesNotMatchException"
    either.put_image(**call, imageDigest=digest_of(written.encode()))


def test_the_same_manifest_under_the_same_tag_is_refused_and_gets_a_second_tag(either: Any) -> None:
    digest = images.push(either, "app", "v1")
    entry = {"mediaType": images.MANIFEST, "size": 2, "digest": digest}
    written = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST_LIST, "manifests": [entry]})
    call = {"repositoryName": "app", "imageManifest": written}
    either.put_image(**call, imageTag="a")
    assert code_of(either.put_image, **call, imageTag="a") == "ImageAlreadyExistsException"
    assert code_of(either.put_image, **call) == "ImageAlreadyExistsException"
    either.put_image(**call, imageTag="b")
    assert details(either)[digest_of(written.encode())]["imageTags"] == ["a", "b"]


def test_a_tag_that_moves_leaves_its_image_there_untagged(either: Any) -> None:
    old = images.push(either, "app", "v1", content="old")
    new = images.push(either, "app", "v1", content="new")
    found = details(either)
    assert "imageTags" not in found[old]
    assert found[new]["imageTags"] == ["v1"]


def test_an_immutable_tag_does_not_move(ecr: Any) -> None:
    ecr.put_image_tag_mutability(
        repositoryName="app",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}],
    )
    for tag in ("v1", "dev-1"):
        images.push(ecr, "app", tag, content="old")
    with pytest.raises(ecr.exceptions.ImageTagAlreadyExistsException):
        images.push(ecr, "app", "v1", content="new")
    new = images.push(ecr, "app", "dev-1", content="new")
    assert details(ecr)[new]["imageTags"] == ["dev-1"]


@pytest.mark.parametrize(
    ("push", "manifest_type", "artifact_type"),
    [
        (images.push, images.MANIFEST, DOCKER_CONFIG),
        (lambda *at: images.push(*at, oci=True), images.OCI_MANIFEST, OCI_CONFIG),
        (images.push_index, images.OCI_INDEX, None),
        (lambda *at: images.push_index(*at, oci=False), images.MANIFEST_LIST, None),
        (images.push_nested_index, images.OCI_INDEX, None),
        (images.push_artifact, images.OCI_MANIFEST, images.HELM_CONFIG),
        (
            lambda *at: images.push_artifact(*at, artifact_type="application/spdx+json"),
            images.OCI_MANIFEST,
            images.EMPTY_CONFIG,
        ),
    ],
    ids=["docker", "oci", "index", "list", "nested", "helm", "artifact"],
)
def test_an_image_of_every_kind_is_described_with_its_types(
    either: Any, push: Callable[..., str], manifest_type: str, artifact_type: str | None
) -> None:
    digest = push(either, "app", "v1")
    (found,) = details(either, imageIds=[{"imageTag": "v1"}]).values()
    assert found["imageDigest"] == digest
    assert found["imageTags"] == ["v1"]
    assert found["imageManifestMediaType"] == manifest_type
    assert found.get("artifactMediaType") == artifact_type
    assert found["imagePushedAt"].timestamp() == NOW


def test_an_image_is_as_large_as_its_blobs_and_an_index_as_its_largest_image(ecr: Any) -> None:
    digest = images.push_index(ecr, "app", "v1")
    found = details(ecr)
    sizes = []
    for entry in manifest(ecr, imageTag="v1")["manifests"]:
        parts = manifest(ecr, imageDigest=entry["digest"])
        sizes.append(parts["config"]["size"] + sum(layer["size"] for layer in parts["layers"]))
        assert found[entry["digest"]]["imageSizeInBytes"] == sizes[-1]
    assert found[digest]["imageSizeInBytes"] == max(sizes)


def test_an_image_that_refers_to_a_subject_says_so(ecr: Any) -> None:
    subject = images.push(ecr, "app", "v1")
    config = {"mediaType": images.EMPTY_CONFIG, "size": 2, "digest": upload(ecr, b"{}")}
    written = {"schemaVersion": 2, "mediaType": images.OCI_MANIFEST, "config": config, "layers": [config]}
    written["subject"] = {"mediaType": images.MANIFEST, "size": 2, "digest": subject}
    ecr.put_image(repositoryName="app", imageManifest=json.dumps(written), imageTag="signature")
    assert details(ecr, imageIds=[{"imageTag": "signature"}]).popitem()[1]["subjectManifestDigest"] == subject


# --- Asking for images ----------------------------------------------------------------------------------------------


def test_one_missing_image_fails_a_whole_describe_images(either: Any) -> None:
    digest = images.push(either, "app", "v1")
    for missing in ({"imageTag": "v2"}, {"imageDigest": DIGEST}, {"imageTag": "v1", "imageDigest": DIGEST}):
        ids = [{"imageTag": "v1"}, missing]
        with pytest.raises(either.exceptions.ImageNotFoundException) as caught:
            details(either, imageIds=ids)
        named = f"{{imageDigest:'{missing.get('imageDigest', 'null')}', imageTag:'{missing.get('imageTag', 'null')}'}}"
        assert named in str(caught.value)
    asked = [{"imageTag": "v1"}, {"imageDigest": digest}, {"imageTag": "v1", "imageDigest": digest}]
    assert list(details(either, imageIds=asked)) == [digest]


def test_a_digest_that_is_none_is_an_invalid_parameter(either: Any) -> None:
    call = {"repositoryName": "app", "imageIds": [{"imageDigest": "latest"}]}
    assert code_of(either.describe_images, **call) == "InvalidParameterException"


def test_an_image_that_cannot_be_had_is_a_failure_beside_the_others(ecr: Any) -> None:
    digest, other = images.push(ecr, "app", "v1"), images.push(ecr, "app", "v2", content="other")
    asked: dict[str, list[dict[str, str]]] = {
        "ImageNotFound": [{"imageTag": "v3"}, {"imageDigest": DIGEST}, {"imageTag": "v3", "imageDigest": digest}],
        "ImageTagDoesNotMatchDigest": [{"imageTag": "v1", "imageDigest": other}],
        "InvalidImageDigest": [{"imageDigest": "latest"}],
        "MissingDigestAndTag": [{}],
    }
    wanted = [image_id for ids in asked.values() for image_id in ids]

    answer = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1", "imageDigest": digest}, *wanted])

    assert [image["imageId"] for image in answer["images"]] == [{"imageTag": "v1", "imageDigest": digest}]
    assert [each["imageId"] for each in answer["failures"]] == wanted
    assert [each["failureCode"] for each in answer["failures"]] == [code for code, ids in asked.items() for _ in ids]


def test_an_image_of_an_index_is_had_by_its_digest(ecr: Any) -> None:
    images.push_index(ecr, "app", "v1")
    for entry in manifest(ecr, imageTag="v1")["manifests"]:
        written = get_image(ecr, imageDigest=entry["digest"])["imageManifest"]
        assert (digest_of(written.encode()), len(written)) == (entry["digest"], entry["size"])


def test_images_come_in_pages(either: Any) -> None:
    pushed = [images.push(either, "app", f"v{number}", content=str(number)) for number in range(5)]
    pages = list(either.get_paginator("describe_images").paginate(repositoryName="app", maxResults=2))
    assert [len(page["imageDetails"]) for page in pages] == [2, 2, 1]
    assert [each["imageDigest"] for page in pages for each in page["imageDetails"]] == pushed
    refused = {"imageIds": [{"imageTag": "v1"}], "maxResults": 2}
    assert code_of(either.describe_images, repositoryName="app", **refused) == "InvalidParameterException"
    assert code_of(either.describe_images, repositoryName="app", nextToken="?") == "InvalidParameterException"


def test_every_tag_is_listed_and_an_image_without_one_once(ecr: Any) -> None:
    untagged = images.push(ecr, "app", "v1", content="old")
    images.push(ecr, "app", "v1", content="new")
    tagged = images.push(ecr, "app", "v2", content="new")
    every = [{"imageDigest": untagged}, *({"imageDigest": tagged, "imageTag": tag} for tag in ("v1", "v2"))]
    for status, expected in (("ANY", every), ("TAGGED", every[1:]), ("UNTAGGED", every[:1])):
        assert ecr.list_images(repositoryName="app", filter={"tagStatus": status})["imageIds"] == expected
    assert list(details(ecr, filter={"tagStatus": "UNTAGGED"})) == [untagged]


def test_the_last_tag_takes_its_image_with_it(ecr: Any) -> None:
    digest = images.push(ecr, "app", "v1")
    images.push(ecr, "app", "v2")
    for tag, left in (("v1", [digest]), ("v2", [])):
        image_id = {"imageTag": tag}
        deleted = ecr.batch_delete_image(repositoryName="app", imageIds=[image_id])
        assert deleted["imageIds"] == [{"imageDigest": digest, **image_id}]
        assert list(details(ecr)) == left


def test_an_image_is_deleted_with_all_its_tags_by_its_digest_unless_an_index_has_it(ecr: Any) -> None:
    index = images.push_index(ecr, "app", "v1")
    images.push_index(ecr, "app", "v2")
    child = manifest(ecr, imageTag="v1")["manifests"][0]["digest"]

    answer = ecr.batch_delete_image(
        repositoryName="app", imageIds=[{"imageDigest": each} for each in (child, index, child, DIGEST)]
    )

    assert answer["imageIds"] == [
        *({"imageDigest": index, "imageTag": tag} for tag in ("v1", "v2")),
        {"imageDigest": child},
    ]
    assert [each["failureCode"] for each in answer["failures"]] == ["ImageReferencedByManifestList", "ImageNotFound"]
    assert child not in details(ecr)


# --- Status ---------------------------------------------------------------------------------------------------------


def test_an_image_is_archived_restored_and_active_again(ecr: Any, front: Watched) -> None:
    digest = images.push(ecr, "app", "v1")
    assert detail(ecr, digest)["imageStatus"] == "ACTIVE"
    assert archive(ecr, digest) == "ARCHIVED"
    archived = detail(ecr, digest)
    front.time.time += 60
    assert archive(ecr, digest, "STANDARD") == "ACTIVATING"
    front.time.time += RESTORE_SECONDS - 1
    assert detail(ecr, digest)["imageStatus"] == "ACTIVATING"
    front.time.time += 1
    restored = detail(ecr, digest)
    assert (archived["imageStatus"], restored["imageStatus"]) == ("ARCHIVED", "ACTIVE")
    assert archived["lastArchivedAt"].timestamp() == NOW
    assert restored["lastActivatedAt"].timestamp() == NOW + 60 + RESTORE_SECONDS
    assert get_image(ecr, imageTag="v1")


def test_a_restore_takes_as_long_as_a_test_says_or_ends_when_it_says(ecr: Any, front: Watched) -> None:
    first, second = images.push(ecr, "app", "v1"), images.push(ecr, "app", "v2", content="2")
    front.set_restore_seconds(5)
    try:
        for digest in (first, second):
            archive(ecr, digest)
            archive(ecr, digest, "STANDARD")
            front.time.time += 3
        front.time.time += 1
        assert [detail(ecr, each)["imageStatus"] for each in (first, second)] == ["ACTIVE", "ACTIVATING"]
        front.end_restores()
    finally:
        front.set_restore_seconds(RESTORE_SECONDS)
    assert detail(ecr, second)["imageStatus"] == "ACTIVE"


def test_only_images_of_the_status_asked_for_are_found_and_active_ones_when_none_is(ecr: Any) -> None:
    active, archived, activating = (images.push(ecr, "app", tag, content=tag) for tag in ("a", "b", "c"))
    for digest in (archived, activating):
        archive(ecr, digest)
    archive(ecr, activating, "STANDARD")
    expected = {
        None: [active],
        "ACTIVE": [active],
        "ARCHIVED": [archived],
        "ACTIVATING": [activating],
        "ANY": [active, archived, activating],
    }
    for status, digests in expected.items():
        asked = {"filter": {"imageStatus": status}} if status else {}
        assert list(details(ecr, **asked)) == digests
        assert [each["imageDigest"] for each in ecr.list_images(repositoryName="app", **asked)["imageIds"]] == digests
    call = {"repositoryName": "app", "imageIds": [{"imageTag": "b"}]}
    assert code_of(ecr.describe_images, **call) == "ImageNotFoundException"
    assert ecr.describe_images(**call, filter={"imageStatus": "ARCHIVED"})["imageDetails"]


def test_an_image_that_is_not_active_cannot_be_pulled_nor_its_layers(ecr: Any) -> None:
    digest = images.push(ecr, "app", "v1")
    entry = manifest(ecr, imageTag="v1")["config"]["digest"]
    for target in ("ARCHIVE", "STANDARD"):
        archive(ecr, digest, target)
        answer = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        assert (answer["images"], answer["failures"][0]["failureCode"]) == ([], "ImageInaccessible")
        assert code_of(layer_url, client=ecr, digest=entry) == "LayerInaccessibleException"


def test_a_layer_that_an_active_image_has_as_well_can_be_had(ecr: Any) -> None:
    archive(ecr, images.push(ecr, "app", "v1"))
    images.push(ecr, "app", "v2", architecture="amd64")
    assert blob_of(ecr, manifest(ecr, imageTag="v2")["layers"][0]["digest"])


def test_a_push_of_an_archived_image_restores_it(ecr: Any) -> None:
    digest = images.push(ecr, "app", "v1")
    archive(ecr, digest)
    assert images.push(ecr, "app", "v1") == digest
    assert detail(ecr, digest, "ACTIVE")["imageTags"] == ["v1"]
    assert config_of(ecr, imageTag="v1")


def test_a_change_of_the_storage_class_that_is_none_is_refused(ecr: Any) -> None:
    digest = images.push(ecr, "app", "v1")
    call = {"repositoryName": "app", "imageId": {"imageDigest": digest}}
    change = ecr.update_image_storage_class
    assert code_of(change, **call, targetStorageClass="STANDARD") == "ImageStorageClassUpdateNotSupportedException"
    assert code_of(change, **call, targetStorageClass="COLD") == "ValidationException"
    missing = {"repositoryName": "app", "imageId": {"imageTag": "v2"}, "targetStorageClass": "ARCHIVE"}
    assert code_of(change, **missing) == "ImageNotFoundException"


# --- Repositories, accounts and regions -----------------------------------------------------------------------------

_PART: Final = {"partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b"."}
_UPLOAD: Final = {"uploadId": "00000000-0000-0000-0000-000000000000"}
_IDS: Final = {"imageIds": [{"imageTag": "v1"}]}
_LAYERS: Final = {"layerDigests": [DIGEST]}
SHARED: Final[dict[str, dict[str, Any]]] = {
    "batch_check_layer_availability": _LAYERS,
    "complete_layer_upload": {**_UPLOAD, **_LAYERS},
    "describe_images": _IDS,
    "initiate_layer_upload": {},
    "put_image": {"imageManifest": "{}", "imageTag": "v1"},
    "upload_layer_part": {**_UPLOAD, **_PART},
}
PRIVATE: Final[dict[str, dict[str, Any]]] = {
    "batch_delete_image": _IDS,
    "batch_get_image": _IDS,
    "get_download_url_for_layer": {"layerDigest": DIGEST},
    "list_images": {},
    "update_image_storage_class": {"imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"},
}
CALLS: Final = [
    *(("ecr", name, parameters) for name, parameters in (SHARED | PRIVATE).items()),
    *(("ecr-public", name, parameters) for name, parameters in SHARED.items()),
]


@pytest.mark.parametrize(("service", "name", "parameters"), CALLS)
def test_a_repository_that_is_not_there_is_not_found(
    front: Watched, service: str, name: str, parameters: dict[str, Any]
) -> None:
    client = front.client(service)
    with pytest.raises(client.exceptions.RepositoryNotFoundException, match="'nowhere' does not exist"):
        getattr(client, name)(repositoryName="nowhere", **parameters)


def test_a_repository_with_images_is_deleted_by_force_only_and_empty_when_it_is_made_again(either: Any) -> None:
    images.push(either, "app", "v1")
    assert code_of(either.delete_repository, repositoryName="app") == "RepositoryNotEmptyException"
    either.delete_repository(repositoryName="app", force=True)
    assert code_of(either.describe_images, repositoryName="app") == "RepositoryNotFoundException"
    with_repository(either)
    assert details(either) == {}
    either.delete_repository(repositoryName="app")


def test_a_repository_that_is_there_is_not_made_again(either: Any) -> None:
    assert code_of(either.create_repository, repositoryName="app") == "RepositoryAlreadyExistsException"


def test_moto_answers_all_else(ecr: Any) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}
    ecr.set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    assert json.loads(ecr.get_repository_policy(repositoryName="app")["policyText"]) == policy
    arn = ecr.describe_repositories()["repositories"][0]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "a"}])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "a"}]


def test_each_account_and_each_region_has_images_of_its_own(front: Watched) -> None:
    places = [(account, region) for account in (ACCOUNT, OTHER) for region in ("us-east-1", "eu-west-1")]
    clients = {place: with_repository(front.client(account=place[0], region=place[1])) for place in places}
    for (account, region), client in clients.items():
        images.push(client, "app", "v1", content=f"{account} {region}")
    described = {place: details(client) for place, client in clients.items()}
    assert len({digest for found in described.values() for digest in found}) == 4
    for (account, region), found in described.items():
        ((_, only),) = found.items()
        assert only["registryId"] == account
        repository = clients[account, region].describe_repositories()["repositories"][0]
        assert repository["repositoryUri"] == f"{account}.dkr.ecr.{region}.amazonaws.com/app"


def test_registry_id_looks_into_another_account_s_registry_in_the_caller_s_region(front: Watched) -> None:
    for region in ("us-east-1", "eu-west-1"):
        images.push(with_repository(front.client(account=OTHER, region=region)), "app", "v1", content=region)
    mine = with_repository(front.client(region="eu-west-1"))
    there = {"registryId": OTHER, "repositoryName": "app"}
    (found,) = mine.describe_images(**there)["imageDetails"]
    (image,) = mine.batch_get_image(**there, imageIds=[{"imageTag": "v1"}])["images"]
    config = json.loads(image["imageManifest"])["config"]["digest"]
    url = mine.get_download_url_for_layer(**there, layerDigest=config)["downloadUrl"]
    assert digest_of(download(url)[1]) == config
    assert found["registryId"] == image["registryId"] == OTHER
    assert found["imageDigest"] == details(front.client(account=OTHER, region="eu-west-1")).popitem()[0]
    assert details(mine) == {}
    assert [each["registryId"] for each in mine.describe_repositories(registryId=OTHER)["repositories"]] == [OTHER]


def test_a_repository_missing_from_another_account_s_registry_is_said_to_be_missing_there(front: Watched) -> None:
    mine = with_repository(front.client())
    with pytest.raises(mine.exceptions.RepositoryNotFoundException, match=f"registry with id '{OTHER}'"):
        mine.describe_images(repositoryName="app", registryId=OTHER)


def test_credentials_of_an_assumed_role_reach_the_account_of_the_role(front: Watched) -> None:
    role = f"arn:aws:iam::{OTHER}:role/reader"
    given = front.client("sts").assume_role(RoleArn=role, RoleSessionName="waiter")["Credentials"]
    assumed = boto3.client(
        "ecr",
        endpoint_url=front.url,
        region_name="eu-west-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    digest = images.push(with_repository(front.client(account=OTHER, region="eu-west-1")), "app", "v1")
    assert list(details(assumed)) == [digest]
    assert with_repository(assumed, "made").describe_repositories()["repositories"][1]["registryId"] == OTHER


def test_a_closed_registry_denies_other_accounts_alone(front: Watched) -> None:
    theirs, mine = with_repository(front.client(account=OTHER)), front.client()
    call = {"repositoryName": "app", "registryId": OTHER}
    with front.closed(OTHER):
        with pytest.raises(ClientError) as caught:
            mine.describe_images(**call)
        assert theirs.describe_images(**call)["imageDetails"] == []
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert f"ecr:DescribeImages on resource: arn:aws:ecr:us-east-1:{OTHER}:repository/app because no resource" in str(
        caught.value
    )
    assert mine.describe_images(**call)["imageDetails"] == []


# --- ECR Public -----------------------------------------------------------------------------------------------------


def test_a_public_registry_has_a_default_alias_and_one_of_its_own(front: Watched) -> None:
    registries = [front.client("ecr-public", account=account).describe_registries() for account in (ACCOUNT, OTHER)]
    aliases = set()
    for account, answer in zip((ACCOUNT, OTHER), registries, strict=True):
        (registry,) = answer["registries"]
        default, own = registry["aliases"]
        assert registry["registryId"] == account
        assert registry["registryUri"] == f"public.ecr.aws/{own['name']}"
        assert (default["defaultRegistryAlias"], default["primaryRegistryAlias"]) == (True, False)
        assert (own["defaultRegistryAlias"], own["primaryRegistryAlias"]) == (False, True)
        assert default["status"] == own["status"] == "ACTIVE"
        aliases |= {default["name"], own["name"]}
    assert len(aliases) == 4


def test_public_repositories_are_described_by_name_or_all_of_them(front: Watched) -> None:
    client = with_repository(with_repository(front.client("ecr-public")), "team/other")
    own = client.describe_registries()["registries"][0]["aliases"][1]["name"]
    names = [["app", "team/other"], ["team/other"]]
    answers = [
        client.describe_repositories(),
        client.describe_repositories(repositoryNames=["team/other"], registryId=ACCOUNT),
    ]
    for expected, answer in zip(names, answers, strict=True):
        uris = [each["repositoryUri"] for each in answer["repositories"]]
        assert uris == [f"public.ecr.aws/{own}/{name}" for name in expected]
    assert code_of(client.describe_repositories, repositoryNames=["app", "no"]) == "RepositoryNotFoundException"


def test_a_public_image_has_no_status_and_is_another_than_the_private_one(front: Watched) -> None:
    private, public = with_repository(front.client()), with_repository(front.client("ecr-public"))
    digest = images.push(public, "app", "v1")
    assert details(public)[digest].keys() == {
        "registryId",
        "repositoryName",
        "imageDigest",
        "imageTags",
        "imageSizeInBytes",
        "imagePushedAt",
        "imageManifestMediaType",
        "artifactMediaType",
    }
    assert details(private) == {}


def test_a_public_registry_is_named_by_its_id_and_in_a_push_also_by_its_aliases(front: Watched) -> None:
    theirs, mine = with_repository(front.client("ecr-public", account=OTHER)), front.client("ecr-public")
    digest = images.push(theirs, "app", "v1")
    assert list(details(mine, registryId=OTHER)) == [digest]
    for alias in theirs.describe_registries()["registries"][0]["aliases"]:
        assert mine.initiate_layer_upload(repositoryName="app", registryId=alias["name"])["uploadId"]
        named = {"repositoryName": "app", "registryId": alias["name"]}
        assert code_of(mine.describe_images, **named) == "InvalidParameterException"
    unknown = {"repositoryName": "app", "registryId": "nobody"}
    assert code_of(mine.initiate_layer_upload, **unknown) == "RegistryNotFoundException"


def test_ecr_public_is_in_us_east_1_only(front: Watched) -> None:
    client = front.client("ecr-public", region="eu-west-1")
    with pytest.raises(client.exceptions.UnsupportedCommandException, match="only supported in us-east-1"):
        client.describe_registries()


# --- Behind the proxy -----------------------------------------------------------------------------------------------


def through(proxy: Proxy, service: str, region: str = "us-east-1") -> Any:
    return boto3.client(
        service,
        endpoint_url=proxy.url,
        region_name=region,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="sandbox",  # noqa: S106  # made up
    )


def test_a_call_that_came_through_the_proxy_downloads_through_it(front: Watched) -> None:
    with Proxy(front.url) as proxy:
        ecr = with_repository(through(proxy, "ecr"))
        images.push(ecr, "app", "v1")
        url = layer_url(ecr, manifest(ecr, imageTag="v1")["config"]["digest"])
        assert url.startswith(f"{proxy.url}/")
        assert json.loads(download(url)[1])["os"] == "linux"
        assert [proxy.count(name) for name in ("s3:GetObject", "ecr:GetDownloadUrlForLayer")] == [1, 1]


def test_the_proxy_names_public_calls_and_denies_by_registry_and_region(front: Watched) -> None:
    with Proxy(front.url) as proxy:
        with_repository(through(proxy, "ecr-public")).describe_images(repositoryName="app")
        assert proxy.count("ecr-public:DescribeImages", repository="app") == 1
        assert proxy.count("ecr:DescribeImages") == 0
        rule = Rule("ecr:DescribeImages", deny(), where=lambda call: call.registry == OTHER)
        ecr = with_repository(through(proxy, "ecr", "eu-west-1"))
        with proxy.rule(rule):
            assert ecr.describe_images(repositoryName="app")["imageDetails"] == []
            with pytest.raises(ClientError, match=f"resource: arn:aws:ecr:eu-west-1:{OTHER}:repository/app because"):
                ecr.describe_images(repositoryName="app", registryId=OTHER)
        with (
            proxy.rule(Rule("ecr-public:DescribeImages", deny())),
            pytest.raises(ClientError, match=f"resource: arn:aws:ecr-public::{ACCOUNT}:repository/app because"),
        ):
            through(proxy, "ecr-public").describe_images(repositoryName="app")


# --- What is pushed -------------------------------------------------------------------------------------------------


def test_a_config_says_what_the_image_was_pushed_with(ecr: Any) -> None:
    images.push(ecr, "app", "v1", labels={"team": "a"}, architecture="arm", variant="v7", os="windows")
    config = config_of(ecr, imageTag="v1")
    assert (config["architecture"], config["variant"], config["os"]) == ("arm", "v7", "windows")
    assert config["config"]["Labels"] == {"team": "a"}
    images.push(ecr, "app", "v2")
    plain = config_of(ecr, imageTag="v2")
    assert (plain["architecture"], plain["os"]) == ("arm64", "linux")
    assert "variant" not in plain
    assert "Labels" not in plain["config"]


def test_the_same_push_makes_the_same_digest_and_changes_nothing(either: Any, front: Watched) -> None:
    pushes: list[Callable[..., str]] = [
        images.push,
        images.push_index,
        images.push_nested_index,
        images.push_artifact,
    ]
    first = [push(either, "app", f"v{number}") for number, push in enumerate(pushes)]
    before = details(either)
    front.time.time += 10
    assert [push(either, "app", f"v{number}") for number, push in enumerate(pushes)] == first
    assert details(either) == before
    assert images.push(either, "app", "other", content="other") not in first


@pytest.mark.parametrize("oci", [True, False])
def test_an_index_has_an_image_for_each_platform(ecr: Any, oci: bool) -> None:  # noqa: FBT001  # a case
    platforms = ("linux/amd64", "linux/arm/v7")
    images.push_index(ecr, "app", "v1", platforms=platforms, labels={"a": "b"}, oci=oci)
    entries = manifest(ecr, imageTag="v1")["manifests"]
    assert [entry["platform"] for entry in entries] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
    ]
    for entry in entries:
        config = config_of(ecr, imageDigest=entry["digest"])
        assert entry["platform"].items() <= config.items()
        assert config["config"]["Labels"] == {"a": "b"}
        assert get_image(ecr, imageDigest=entry["digest"])["imageManifestMediaType"] == entry["mediaType"]


def test_an_attestation_refers_to_its_image_and_runs_nowhere(ecr: Any) -> None:
    images.push_index(ecr, "app", "v1", attestations=True)
    entries = manifest(ecr, imageTag="v1")["manifests"]
    pushed, attestations = entries[:2], entries[2:]
    for image, attestation in zip(pushed, attestations, strict=True):
        assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert attestation["annotations"] == {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"],
        }
        (layer,) = manifest(ecr, imageDigest=attestation["digest"])["layers"]
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        statement = json.loads(blob_of(ecr, layer["digest"]))
        assert statement["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
        assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == image["digest"]


def test_a_nested_index_has_an_index_for_its_entry(ecr: Any) -> None:
    images.push_nested_index(ecr, "app", "v1")
    (entry,) = manifest(ecr, imageTag="v1")["manifests"]
    assert entry["mediaType"] == images.OCI_INDEX
    inner = manifest(ecr, imageDigest=entry["digest"])["manifests"]
    assert [each["platform"]["architecture"] for each in inner] == ["amd64", "arm64"]


def test_an_artifact_is_a_helm_chart_or_of_the_type_that_is_asked_for(ecr: Any) -> None:
    images.push_artifact(ecr, "app", "chart")
    images.push_artifact(ecr, "app", "sbom", artifact_type="application/spdx+json")
    chart, sbom = manifest(ecr, imageTag="chart"), manifest(ecr, imageTag="sbom")
    assert "mediaType" not in chart
    assert json.loads(blob_of(ecr, chart["config"]["digest"]))["name"] == "chart"
    assert sbom["artifactType"] == "application/spdx+json"
    assert blob_of(ecr, sbom["config"]["digest"]) == b"{}"


# --- The comparison with the models ---------------------------------------------------------------------------------

_DETAIL: Final = {"imageDigest": OTHER_DIGEST, "imageSizeInBytes": 1, "imagePushedAt": 1.5, "imageStatus": "ACTIVE"}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"imageSize": 1}, "DescribeImages: imageSize of imageDetails: unknown"),
        ({"imageSizeInBytes": "1"}, "DescribeImages: '1' of imageSizeInBytes: no long"),
        ({"imageSizeInBytes": True}, "DescribeImages: True of imageSizeInBytes: no long"),
        ({"imagePushedAt": "now"}, "DescribeImages: 'now' of imagePushedAt: no timestamp"),
        ({"imageStatus": "GONE"}, "DescribeImages: 'GONE' of imageStatus: not one of ACTIVE, ARCHIVED, ACTIVATING"),
        ({"registryId": "12"}, "DescribeImages: '12' of registryId: not like [0-9]{12}"),
    ],
)
def test_an_answer_that_the_model_does_not_know_is_noticed(changed: dict[str, Any], fault: str | None) -> None:
    answer = {"imageDetails": [{**_DETAIL, **changed}]}
    assert faults("ecr", "DescribeImages", 200, answer) == ([fault] if fault else [])


def test_a_member_that_is_missing_and_an_error_that_is_not_the_operation_s_are_noticed() -> None:
    assert faults("ecr-public", "DescribeRegistries", 200, {}) == ["DescribeRegistries: registries: missing"]
    assert faults("ecr", "BatchGetImage", 400, {"__type": "ServerException", "message": "words"}) == []
    (fault,) = faults("ecr", "BatchGetImage", 400, {"__type": "ImageNotFoundException", "message": "words"})
    assert "the error ImageNotFoundException is not one of" in fault
    assert faults("ecr", "PutImage", 400, {"__type": "ServerException", "words": b64encode(b"").decode()}) == [
        "PutImage: words of ServerException: unknown"
    ]
