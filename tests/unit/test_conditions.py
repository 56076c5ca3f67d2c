"""What makes an image the one meant, and deployable: pure, from manifests and configs as builders make them."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from pydantic import ValidationError

from ecr_image_waiter.core.conditions import Conditions, Wanted, assess
from ecr_image_waiter.core.manifests import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA_1,
    INDEXES,
    MOST_INDEXES,
    OCI_INDEX,
    OCI_MANIFEST,
    SINGLE,
    Cache,
    Unread,
    read_config,
    read_manifest,
)
from ecr_image_waiter.core.model import OWN, AccessDenied, Image, ImageId, NotDeployable, NotYet
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import OCI_CONFIG, Ecr, digest_of, entry
from tests.support.fakes import aws_error
from tests.support.image_checks import ImageChecks

REVISION = "org.opencontainers.image.revision"
HELM = "application/vnd.cncf.helm.config.v1+json"
LAMBDA: dict[str, Any] = {"DeployTarget": "Lambda"}
ECS: dict[str, Any] = {"DeployTarget": "ECS"}
ARM64: dict[str, Any] = {"Platform": "arm64"}


@pytest.fixture
def ecr() -> Ecr:
    return Ecr(FakeClock())


def found(ecr: Ecr, *, began: float = NOW, **conditions: Any) -> Any:
    """Return what one check for team/app:v1 finds."""
    wanted = Wanted("", ImageId("team/app", "v1", None), OWN, Conditions(**conditions))
    return ImageChecks(ecr.registry(), [wanted], Cache(), began)(include_archived=False, budget=lambda: 9.0)


def refused(ecr: Ecr, **conditions: Any) -> str:
    """Return why team/app:v1 is not deployable."""
    finding = found(ecr, **conditions)
    assert isinstance(finding, NotDeployable)
    return finding.because


def set_pushed(ecr: Ecr, moment: float) -> None:
    """Push an image at that moment."""
    ecr.image("team/app", ecr.push("team/app")).pushed_at = moment


# --- what is not deployable

Push: TypeAlias = Callable[[Ecr], str]
CHART: Push = lambda ecr: ecr.push("team/app", config_type=HELM)  # noqa: E731  # a case
CORRECT = "correct the tag, or push a container image"
BUILD = "docker buildx build --platform linux/arm64"
NOT_DEPLOYABLE: dict[str, tuple[Push, dict[str, Any], str, str]] = {
    "an index": (lambda ecr: ecr.push_index("team/app"), LAMBDA, "an image index", "--provenance=false"),
    "an index for one platform": (
        lambda ecr: ecr.push_index("team/app"),
        *({**LAMBDA, "Platform": "amd64"}, "an image index", "--provenance=false --platform linux/amd64"),
    ),
    "a format of before 2016": (
        lambda ecr: ecr.put("team/app", "v1", {"schemaVersion": 1}, min(DOCKER_SCHEMA_1)),
        *(ARM64, "Docker's old schema 1, whose platform is not read", "push it again"),
    ),
    "an unknown format": (lambda ecr: ecr.put("team/app", "v1", {}, "app/x"), LAMBDA, '"app/x"', "push an"),
    "a chart": (CHART, ECS, f'an artifact of the type "{HELM}"', CORRECT),
    "a chart for Lambda": (CHART, LAMBDA, HELM, CORRECT),
    "a chart with a platform": (CHART, ARM64, HELM, CORRECT),
    "an artifact that names no type": (
        lambda ecr: ecr.put("team/app", "v1", {"mediaType": OCI_MANIFEST, "config": {}}, OCI_MANIFEST),
        *(ECS, 'an artifact of the type "none"', CORRECT),
    ),
    "another platform": (
        lambda ecr: ecr.push("team/app", platform="linux/amd64"),
        *(ARM64, 'is for "linux/amd64", wanted "linux/arm64"', BUILD),
    ),
    "an index of other platforms": (
        lambda ecr: ecr.push_index("team/app", platforms=("linux/amd64", "linux/386"), attestations=True),
        *(ARM64, 'no image for "linux/arm64"; it has linux/amd64, linux/386', BUILD),
    ),
    "an index of nothing": (lambda ecr: ecr.push_index("team/app", platforms=()), ARM64, "it has none", BUILD),
    "an index whose entry's config names no platform": (
        lambda ecr: ecr.push_index("team/app", platforms=(), more=listing(ecr.push("team/app", None, platform="/"))),
        *(ARM64, 'no image for "linux/arm64"', BUILD),
    ),
}


def listing(*images: str) -> list[dict[str, Any]]:
    """Return entries of an index that do not say which platform they are for, which OCI leaves to the builder."""
    return [{"mediaType": OCI_MANIFEST, "digest": image, "size": 1} for image in images]


@pytest.mark.parametrize("case", NOT_DEPLOYABLE)
def test_an_image_that_is_not_deployable_is_named_with_why_and_the_cure(ecr: Ecr, case: str) -> None:
    push, conditions, because, cure = NOT_DEPLOYABLE[case]
    digest = push(ecr)

    finding = found(ecr, **conditions)

    assert isinstance(finding, NotDeployable)
    assert because in finding.because
    assert cure in finding.cure
    assert finding.cannot == "be deployed"
    assert finding.image  # which a rollback goes on with
    assert finding.image.digest == digest


# --- DeployTarget


@pytest.mark.parametrize("media_type", [*sorted(DOCKER_SCHEMA_1), ""])
def test_an_image_in_docker_s_old_schema_1_is_told_as_such_by_every_condition(media_type: str) -> None:
    image = Image("sha256:1", "1", "r", pushed_at=NOW)
    known = Cache(manifests={"sha256:1": read_manifest('{"schemaVersion": 1, "architecture": "amd64"}', media_type)})

    for conditions in (Conditions(DeployTarget="ECS"), Conditions(Platform="amd64"), Conditions(Labels={"a": "b"})):
        verdict = assess(image, conditions, known, NOW)
        assert isinstance(verdict, NotDeployable | NotYet)
        assert verdict.because.startswith("it is an image in Docker's old schema 1, ")


@pytest.mark.parametrize(("media_type", "name"), [(OCI_INDEX, "an image index"), (DOCKER_INDEX, "a manifest list")])
def test_an_index_is_never_for_lambda_with_the_cure_and_fine_for_ecs(ecr: Ecr, media_type: str, name: str) -> None:
    digest = ecr.push_index("team/app", media_type=media_type, attestations=True)

    assert name in refused(ecr, DeployTarget="Lambda")
    assert found(ecr, DeployTarget="ECS").digest == digest
    assert ecr.calls == [("DescribeImages", "team/app")] * 2


UNCOMPRESSED = "application/vnd.docker.image.rootfs.diff.tar"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


@pytest.mark.parametrize("read", [{"Platform": "arm64"}, {"Labels": {"a": "b"}}])
def test_an_uncompressed_docker_layer_is_never_for_lambda_where_the_manifest_is_read_anyway(
    ecr: Ecr, read: dict[str, Any]
) -> None:
    digest = ecr.push("team/app", media_type=DOCKER_MANIFEST, labels={"a": "b"}, layers=["gzip", UNCOMPRESSED])

    assert found(ecr, DeployTarget="Lambda").digest == digest
    assert ecr.count("BatchGetImage") == 0
    assert found(ecr, DeployTarget="ECS", **read).digest == digest
    assert UNCOMPRESSED in refused(ecr, DeployTarget="Lambda", **read)
    assert "compression=gzip" in found(ecr, DeployTarget="Lambda", **read).cure


def test_layers_of_every_other_media_type_are_accepted_for_lambda(ecr: Ecr) -> None:
    """Whether Lambda takes zstd could not be established."""
    digest = ecr.push("team/app", layers=[ZSTD, "application/vnd.oci.image.layer.v1.tar", ""])

    assert found(ecr, DeployTarget="Lambda", Platform="arm64").digest == digest


@pytest.mark.parametrize("layers", [None, {}, [5], [{"mediaType": [UNCOMPRESSED]}], UNCOMPRESSED])
def test_layers_that_cannot_be_read_say_nothing(layers: object) -> None:
    assert not read_manifest(json.dumps({"config": {}, "layers": layers}), "").uncompressed


def test_a_type_that_ecr_does_not_say_is_that_of_the_manifest() -> None:
    """Old images have no media type in DescribeImages."""
    known = Cache(manifests={"sha256:1": read_manifest('{"manifests": []}', "")})

    assert isinstance(assess(Image("sha256:1", "1", "r"), Conditions(**LAMBDA), known, NOW), NotDeployable)


# --- Platform


@pytest.mark.parametrize(
    ("built", "wanted", "architecture"),
    [
        *(("linux/arm64", wanted, "arm64") for wanted in ("linux/arm64", "arm64", "ARM64", "linux/arm64/v8")),
        *(("linux/amd64", wanted, "amd64") for wanted in ("x86_64", "X86_64", "amd64", "linux/amd64/v1")),
        ("windows/amd64", "windows/amd64", "amd64"),
        ("linux/amd64/v2", "linux/amd64", "amd64"),
        ("linux/amd64/V2", "linux/amd64/v2", "amd64"),
        *((f"linux/arm64/{variant}", "linux/arm64/v8", "arm64") for variant in ("8", "v8.0")),
        *((f"linux/arm64/{variant}", "linux/arm64/v9", "arm64") for variant in ("9", "v9.0")),
        *((f"linux/arm{variant}", "linux/arm/v7", "arm") for variant in ("", "/7", "/V7", "hf")),
        *((f"linux/arm{variant}", "linux/arm/v6", "arm") for variant in ("/6", "/v6", "el")),
        *((f"linux/arm{variant}", "linux/arm", "arm") for variant in ("", "/5", "/v7")),
        *((f"linux/{name}", "amd64", "amd64") for name in ("x86_64", "x86-64")),
        ("Linux/AArch64", "arm64", "arm64"),
        ("linux/i386", "386", "386"),
    ],
)
def test_a_platform_is_known_by_the_names_that_docker_lambda_and_ecs_give_it(
    ecr: Ecr, built: str, wanted: str, architecture: str
) -> None:
    ecr.push("team/app", platform=built)

    assert found(ecr, Platform=wanted).architecture == architecture

    index = ecr.push_index("team/app", platforms=("linux/s390x", built))
    ready = found(ecr, Platform=wanted)
    assert (ready.digest, ready.architecture) == (index, architecture)
    assert ready.platform_digest not in ("", index)


def push_config(ecr: Ecr, config: dict[str, Any]) -> None:
    """Push an image with this config."""
    blob = json.dumps(config).encode()
    ecr.repository("team/app").blobs[digest_of(blob)] = blob
    described = {"mediaType": OCI_CONFIG, "size": 1, "digest": digest_of(blob)}
    ecr.put("team/app", "v1", {"schemaVersion": 2, "config": described, "layers": []}, OCI_MANIFEST)


def test_a_config_of_any_form_says_a_platform_or_none(ecr: Ecr) -> None:
    push_config(ecr, {"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1"})
    assert isinstance(found(ecr, Platform="windows/amd64"), Image)

    for config in ({"os": None, "architecture": ["arm64"]}, {}):
        push_config(ecr, config)
        assert refused(ecr, Platform="linux/arm64")


def test_of_several_windows_versions_in_an_index_the_first_is_the_one(ecr: Ecr) -> None:
    digests = [ecr.push("team/app", None, platform="windows/amd64", content=version) for version in ("2022", "2019")]
    ecr.push_index("team/app", platforms=(), more=[entry(digest, "windows/amd64") for digest in digests])

    assert found(ecr, Platform="windows/amd64").platform_digest == digests[0]


@pytest.mark.parametrize(
    ("built", "wanted"),
    [
        ("linux/amd64/v3", "linux/amd64/v1"),
        ("linux/arm64/v9", "linux/arm64/v8"),
        ("windows/amd64", "amd64"),
        ("linux/arm/v6", "linux/arm/v7"),
    ],
)
def test_another_platform_is_never_the_one_and_is_named(ecr: Ecr, built: str, wanted: str) -> None:
    ecr.push("team/app", platform=built)
    assert f'it is for "{built}", wanted ' in refused(ecr, Platform=wanted)

    ecr.push_index("team/app", platforms=(built,), attestations=True)
    assert refused(ecr, Platform=wanted).endswith(f"; it has {built}")


def test_a_nested_index_is_read_too(ecr: Ecr) -> None:
    inner = ecr.push_index("team/app", None, platforms=("linux/s390x", "linux/arm64"))
    nested = {"mediaType": OCI_INDEX, "digest": inner, "size": 1}
    outer = ecr.push_index("team/app", platforms=("linux/amd64",), more=[nested])

    ready = found(ecr, Platform="linux/arm64")

    assert ready.digest == outer
    assert ready.platform_digest == read_manifest(ecr.image("team/app", inner).manifest, "").entries[1].digest
    assert refused(ecr, Platform="linux/386").endswith("it has linux/amd64, linux/s390x, linux/arm64")


def test_the_platform_of_an_entry_that_names_none_is_that_of_its_config(ecr: Ecr) -> None:
    amd64, arm = (ecr.push("team/app", None, platform=platform) for platform in ("linux/amd64", "linux/arm"))
    chart = ecr.push("team/app", None, config_type=HELM)
    index = ecr.push_index("team/app", platforms=(), more=listing(chart, amd64, arm))

    ready = found(ecr, Platform="linux/arm/v7")

    assert (ready.digest, ready.platform_digest, ready.architecture) == (index, arm, "arm")
    assert refused(ecr, Platform="linux/s390x").endswith("it has linux/amd64, linux/arm/v7")


def test_an_entry_that_names_no_platform_is_read_only_where_no_other_one_is_the_one(ecr: Ecr) -> None:
    unnamed = ecr.push("team/app", None, platform="linux/arm64", content="unnamed")
    ecr.push_index("team/app", platforms=("linux/amd64",), more=listing(unnamed))

    assert found(ecr, Platform="linux/amd64").platform_digest not in ("", unnamed)
    assert ecr.count("BatchGetImage") == 1
    assert found(ecr, Platform="linux/arm64").platform_digest == unnamed


def test_labels_are_those_of_the_entry_whose_config_is_for_the_platform(ecr: Ecr) -> None:
    old = ecr.push("team/app", None, platform="linux/amd64", labels={REVISION: "old"})
    new = ecr.push("team/app", None, platform="linux/arm64", labels={REVISION: "new"})
    ecr.push_index("team/app", platforms=(), more=listing(old, new))

    assert found(ecr, Labels={REVISION: "new"}, Platform="linux/arm64").platform_digest == new
    assert isinstance(found(ecr, Labels={REVISION: "new"}, Platform="linux/amd64"), NotYet)


def test_without_a_platform_wanted_no_more_is_read_of_entries_that_name_none(ecr: Ecr) -> None:
    images = [ecr.push("team/app", None, platform=p, labels={REVISION: "old"}) for p in ("linux/amd64", "linux/arm64")]
    ecr.push_index("team/app", platforms=(), more=listing(*images))

    assert isinstance(found(ecr, Labels={REVISION: "new"}), NotYet)
    assert ecr.count("GetDownloadUrlForLayer") == 1, "of the first image, which is an old one"


def test_of_very_many_entries_that_name_no_platform_no_more_are_read_than_of_others(ecr: Ecr) -> None:
    inner = []
    for n in range(5):
        images = [ecr.push("team/app", None, platform="linux/amd64", content=f"{n}.{m}") for m in range(20)]
        inner.append(ecr.push_index("team/app", None, platforms=(), more=listing(*images)))
    ecr.push_index("team/app", platforms=(), more=[{"mediaType": OCI_INDEX, "digest": each} for each in inner])

    assert isinstance(found(ecr, Platform="arm64"), NotDeployable)
    assert ecr.count("BatchGetImage") == 60, "of 106"


def test_indexes_that_list_each_other_without_end_are_read_to_an_end(ecr: Ecr) -> None:
    inner = ""
    for level in range(70):
        more: list[dict[str, Any]] = [{"mediaType": OCI_INDEX, "digest": inner, "size": 1}][: len(inner)]
        inner = ecr.push_index("team/app", "v1", platforms=(), more=more, content=str(level))

    assert isinstance(found(ecr, Platform="linux/386"), NotDeployable)
    assert ecr.count("BatchGetImage") == 1 + MOST_INDEXES, "of 70"


# --- Labels


@pytest.mark.parametrize("labels", [None, {}, {REVISION: "old"}, {REVISION: "NEW"}, {"other": "new"}])
def test_an_image_without_the_labels_is_not_yet_the_one(ecr: Ecr, labels: dict[str, str] | None) -> None:
    ecr.push("team/app", labels=labels)

    waits = found(ecr, Labels={REVISION: "new"})

    assert isinstance(waits, NotYet)
    carries = f'is "{labels[REVISION]}"' if labels and REVISION in labels else "is missing"
    assert waits.because == f'the image is another one: its label "{REVISION}" {carries}, wanted "new"'


@pytest.mark.parametrize("labels", [None, [], "abc", {"build": None}, {"build": 5}, {"build": ["new"]}])
def test_labels_that_are_no_strings_are_not_the_wanted_ones(ecr: Ecr, labels: Any) -> None:
    push_config(ecr, {"os": "linux", "architecture": "arm64", "config": {"Labels": labels}})

    assert isinstance(found(ecr, Labels={"build": "new"}), NotYet)


def test_an_image_with_all_the_labels_is_the_one(ecr: Ecr) -> None:
    digest = ecr.push("team/app", labels={REVISION: "new", "a": "x", "more": ""})

    assert found(ecr, Labels={REVISION: "new", "a": "x"}).digest == digest
    assert isinstance(found(ecr, Labels={REVISION: "new", "a": "1"}), NotYet)


@pytest.mark.parametrize("order", [1, -1], ids=["the new one first", "the old one first"])
def test_an_index_is_the_one_when_each_of_its_images_carries_the_labels(ecr: Ecr, order: int) -> None:
    one = ecr.push("team/app", None, platform="linux/amd64", labels={REVISION: "new"})
    other = ecr.push("team/app", None, platform="linux/arm64", labels={REVISION: "old"})
    manifests = [entry(one, "linux/amd64"), entry(other, "linux/arm64")][::order]
    ecr.put("team/app", "v1", {"mediaType": OCI_INDEX, "manifests": manifests}, OCI_INDEX)

    assert isinstance(found(ecr, Labels={REVISION: "new"}), NotYet)
    assert found(ecr, Labels={REVISION: "new"}, Platform="linux/amd64").platform_digest == one
    assert isinstance(found(ecr, Labels={REVISION: "new"}, Platform="linux/arm64"), NotYet)


def test_what_an_index_lists_beside_its_images_needs_no_labels(ecr: Ecr) -> None:
    image = ecr.push("team/app", None, labels={REVISION: "new"})
    chart = ecr.push("team/app", None, config_type=HELM)
    manifests = [entry(image, "linux/arm64"), {"mediaType": OCI_MANIFEST, "digest": chart, "size": 1}]
    index = ecr.put("team/app", "v1", {"mediaType": OCI_INDEX, "manifests": manifests}, OCI_INDEX)

    assert found(ecr, Labels={REVISION: "new"}).digest == index


def test_an_architecture_is_told_of_one_image_and_not_of_several(ecr: Ecr) -> None:
    ecr.push_index("team/app", platforms=("linux/amd64", "linux/arm64"), labels={REVISION: "new"})
    assert found(ecr, Labels={REVISION: "new"}).architecture == ""

    ecr.push_index("team/app", platforms=("linux/arm64",), labels={REVISION: "new"})
    assert found(ecr, Labels={REVISION: "new"}).architecture == "arm64"


def test_a_new_index_without_the_platform_fails_and_an_old_one_is_waited_out(ecr: Ecr) -> None:
    ecr.push_index("team/app", platforms=("linux/amd64",), labels={REVISION: "old"})
    assert isinstance(found(ecr, Labels={REVISION: "new"}, Platform="linux/arm64"), NotYet)

    ecr.push_index("team/app", platforms=("linux/amd64",), labels={REVISION: "new"})
    assert isinstance(found(ecr, Labels={REVISION: "new"}, Platform="linux/arm64"), NotDeployable)


def test_an_old_image_of_the_wrong_kind_is_waited_out(ecr: Ecr) -> None:
    """The image is not the one to deploy, so it does not matter that it could not be."""
    ecr.push_index("team/app", labels={REVISION: "old"})

    assert isinstance(found(ecr, Labels={REVISION: "new"}, DeployTarget="Lambda"), NotYet)
    assert isinstance(found(ecr, Labels={REVISION: "old"}, DeployTarget="Lambda"), NotDeployable)


@pytest.mark.parametrize(
    "push",
    [
        lambda ecr: ecr.push_index("team/app", platforms=()),
        lambda ecr: ecr.push_index("team/app", platforms=("unknown/unknown",)),
        CHART,
    ],
    ids=["an empty index", "an attestation", "a chart"],
)
def test_what_holds_no_image_has_no_labels(ecr: Ecr, push: Push) -> None:
    push(ecr)

    waits = found(ecr, Labels={"a": "b"})

    assert isinstance(waits, NotYet)
    assert "no labels" in waits.because


# --- PushedAfter


@pytest.mark.parametrize(("age", "ready"), [(-1.0, True), (0.0, True), (0.1, False), (60.0, False)])
@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("StackOperation", "before this operation began at 2026-11-01T12:00:00Z"),
        ("2026-11-01T14:00:00+02:00", "before PushedAfter 2026-11-01T12:00:00Z"),
    ],
)
def test_an_image_pushed_earlier_is_not_yet_the_one(
    ecr: Ecr, age: float, after: str, said: str, *, ready: bool
) -> None:
    set_pushed(ecr, NOW - age)

    verdict = found(ecr, PushedAfter=after)

    assert isinstance(verdict, Image if ready else NotYet)
    if age == 60.0 and isinstance(verdict, NotYet):
        assert f"at 2026-11-01T11:59:00Z, {said}" in verdict.because


@pytest.mark.parametrize("fraction", [0.001, 0.999])
@pytest.mark.parametrize("after", ["StackOperation", "2026-11-01T12:00:00.{}Z"])
def test_an_image_pushed_in_the_very_second_counts_though_the_time_has_a_fraction(
    ecr: Ecr, after: str, fraction: float
) -> None:
    """ECR tells whole seconds: an image of a moment later would seem older."""
    conditions: dict[str, Any] = {"PushedAfter": after.format(f"{fraction:.3f}"[2:]), "began": NOW + fraction}
    set_pushed(ecr, NOW)
    assert isinstance(found(ecr, **conditions), Image)

    set_pushed(ecr, NOW - 1.0)
    assert isinstance(found(ecr, **conditions), NotYet)


def test_an_image_of_which_ecr_does_not_say_when_it_was_pushed_is_asked_for_and_then_an_older_one() -> None:
    image = Image("sha256:1", "1", "r")
    conditions = Conditions(PushedAfter="StackOperation")

    assert assess(image, conditions, Cache(), NOW) == Unread("details", "sha256:1")
    verdict = assess(image, conditions, Cache(pushed={image.uri: 0.0}), NOW)
    assert isinstance(verdict, NotYet)
    assert "an unknown time" in verdict.because


def test_an_old_image_is_waited_out_whatever_it_is_and_nothing_of_it_is_read(ecr: Ecr) -> None:
    ecr.push_index("team/app")
    ecr.clock.sleep(10.0)

    assert isinstance(found(ecr, PushedAfter="StackOperation", began=NOW + 10, DeployTarget="Lambda"), NotYet)
    assert ecr.calls == [("DescribeImages", "team/app")]


# --- reading


@pytest.mark.parametrize(
    ("operation", "conditions"),
    [("BatchGetImage", {"Platform": "arm64"}), ("GetDownloadUrlForLayer", {"Labels": {"a": "b"}})],
)
def test_an_image_whose_manifest_or_config_is_denied_is_said_to_be_that(
    ecr: Ecr, operation: str, conditions: dict[str, Any]
) -> None:
    ecr.push("team/app")
    ecr.faults[operation] = aws_error("AccessDeniedException", "no", operation=operation)

    assert found(ecr, **conditions) == AccessDenied("AccessDeniedException", "no")


@pytest.mark.parametrize("media_type", sorted(SINGLE | INDEXES))
def test_a_manifest_says_its_own_media_type_where_ecr_does_not(media_type: str) -> None:
    text = json.dumps({"mediaType": media_type} | ({"manifests": []} if media_type in INDEXES else {}))

    assert read_manifest(text, "").media_type == media_type
    assert read_manifest(text, "ecr/says").media_type == "ecr/says"


@pytest.mark.parametrize("config", ["application/vnd.oci.empty.v1+json", OCI_CONFIG])
def test_a_manifest_that_names_the_type_of_an_artifact_is_of_no_image(config: str) -> None:
    text = json.dumps({"artifactType": "application/spdx+json", "config": {"mediaType": config}})

    manifest = read_manifest(text, OCI_MANIFEST)

    assert not manifest.is_image
    assert manifest.config_type == "application/spdx+json"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"manifests": 5}', '{"config": []}', '{"manifests": [1, {}]}', "[" * 100_000, '{"a":' * 9999],
)
def test_a_manifest_that_cannot_be_read_says_nothing(text: str) -> None:
    manifest = read_manifest(text, OCI_MANIFEST)

    assert not manifest.is_image
    assert not manifest.config_digest


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"config": 5}', b'{"config": {"Labels": []}, "os": 7}', b"[" * 100_000]
)
def test_a_config_that_cannot_be_read_says_nothing(content: bytes) -> None:
    config = read_config(content, ["a"])

    assert (str(config.platform), config.labels) == ("no platform", {})


def test_a_label_longer_than_any_that_can_be_wanted_equals_none() -> None:
    content = b'{"config": {"Labels": {"a": "%s"}}}' % (b"x" * 5000)

    assert len(read_config(content, ["a"]).labels["a"]) == 1025
    with pytest.raises(ValidationError):
        Conditions(Labels={"a": "x" * 1025})


def test_a_config_of_another_digest_than_its_own_is_not_believed(ecr: Ecr) -> None:
    ecr.push("team/app", labels={"a": "b"})
    blobs = ecr.repository("team/app").blobs
    for digest in blobs:
        blobs[digest] = blobs[digest].replace(b"b", b"c")

    assert found(ecr, Labels={"a": "c"}).code == "ConfigUnread"


def test_a_config_beyond_the_limit_is_not_read(ecr: Ecr) -> None:
    ecr.push("team/app", labels={"a": "x" * 1_100_000})

    assert isinstance(found(ecr, Labels={"a": "b"}), NotDeployable)
