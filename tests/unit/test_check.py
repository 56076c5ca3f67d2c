"""One check of several images: how many calls it costs, and that no answer mixes two images."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ecr_image_waiter.aws.errors import MOST_DOCUMENT_BYTES
from ecr_image_waiter.cfn.response import there
from ecr_image_waiter.check import Checker
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.manifests import (
    DOCKER_MANIFEST,
    MOST_ENTRIES,
    MOST_KNOWN,
    OCI_INDEX,
    OCI_MANIFEST,
    Cache,
    Config,
    Entry,
    Manifest,
)
from ecr_image_waiter.core.model import (
    OWN,
    AccessDenied,
    Image,
    ImageId,
    NoImage,
    NoRepository,
    NotDeployable,
    NotYet,
    Platform,
    Refused,
    Several,
    Source,
    Unavailable,
    decisive,
)
from tests.support.case_selection import few_of
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import ACCOUNT, Ecr, digest_of
from tests.support.fakes import aws_error, details
from tests.support.image_checks import ImageChecks

PUBLIC = Source(region="us-east-1", host="public.ecr.aws", alias="shop")


@pytest.fixture
def ecr() -> Ecr:
    return Ecr(FakeClock())


def wanted(number: int, *, repository: str = "team/app", source: Source = OWN, **conditions: Any) -> Wanted:
    return Wanted(f"I{number}", ImageId(repository, f"v{number}", None), source, Conditions(**conditions))


def alone(**conditions: Any) -> Wanted:
    """Return the image v0, waited for alone."""
    return replace(wanted(0, **conditions), id="")


def checking(ecr: Ecr, *images: Wanted, budget: Callable[[], float] = lambda: 9.0) -> Callable[[], Any]:
    """Return a function that makes one check after another. `ecr` has the calls of the last one."""
    checks = ImageChecks(ecr.registry(), images, Cache(), NOW)

    def check() -> Any:
        ecr.calls.clear()
        return checks(include_archived=len(images) > 1, budget=budget)

    return check


def found_by(ecr: Ecr, *images: Wanted) -> dict[str, Any]:
    """Return what one check finds of each image."""
    return dict(checking(ecr, *images)().findings)


def spent(ecr: Ecr) -> dict[str, int]:
    return {operation: ecr.count(operation) for operation, _ in ecr.calls}


# --- calls


def test_twenty_images_of_one_repository_cost_one_call_a_check_and_one_more_when_all_are_there(ecr: Ecr) -> None:
    ecr.repository("team/app")
    check = checking(ecr, *map(wanted, range(20)))

    for number in range(20):
        assert len(check().missing) == 20 - number
        assert spent(ecr) == {"BatchGetImage": 1}
        ecr.push("team/app", f"v{number}", content=str(number))

    assert not check().missing
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 1}


def test_more_images_of_one_repository_than_a_call_takes_are_asked_for_in_several(ecr: Ecr) -> None:
    for number in range(101):
        ecr.push("team/app", f"v{number}", content=str(number))

    assert not checking(ecr, *map(wanted, range(101)))().missing
    assert spent(ecr) == {"BatchGetImage": 2, "DescribeImages": 2}


def test_images_that_are_ready_are_not_asked_for_again_until_the_last_is(ecr: Ecr) -> None:
    ecr.push("one", "v0")
    ecr.repository("two")
    check = checking(ecr, wanted(0, repository="one"), wanted(1, repository="two"))
    check()
    assert spent(ecr) == {"BatchGetImage": 2}

    check()
    assert ecr.calls == [("BatchGetImage", "two")]

    ecr.push("two", "v1")
    check()
    assert ecr.calls == [("BatchGetImage", "two"), ("DescribeImages", "one"), ("DescribeImages", "two")]


def test_a_manifest_and_a_config_are_read_once_and_never_again(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", labels={"a": "old"})
    check = checking(ecr, alone(Labels={"a": "new"}))
    reading = {"DescribeImages": 1, "BatchGetImage": 1, "GetDownloadUrlForLayer": 1, "GET": 1}

    for expected in (reading, {"DescribeImages": 1}, {"DescribeImages": 1}):
        assert isinstance(check(), NotYet)
        assert spent(ecr) == expected

    ecr.push("team/app", "v0", labels={"a": "new"})
    assert isinstance(check(), Image)
    assert spent(ecr) == reading


def test_nothing_of_twenty_indexes_for_six_platforms_is_read_twice(ecr: Ecr) -> None:
    platforms = [f"linux/{name}" for name in ("amd64", "arm64", "arm/v7", "386", "ppc64le", "s390x")]
    for number in range(20):
        labels = {"build": "old" if number == 19 else "new"}
        ecr.push_index("team/app", f"v{number}", platforms=platforms, labels=labels, content=str(number))
    check = checking(ecr, *(wanted(number, Labels={"build": "newer"}) for number in range(20)))

    first = check()
    assert len(ecr.calls) == 1 + 20 * 6 + 2 * 20, "manifests and one config each"
    assert check() == first
    assert spent(ecr) == {"BatchGetImage": 1}


def test_the_cache_is_kept_within_bounds_however_large_each_entry_is(ecr: Ecr) -> None:
    """An index of fifty entries counts for fifty-one, a config of long labels for its characters."""
    platform = Platform("linux", "arm64")
    entries = tuple(Entry(digest_of(str(n)), OCI_MANIFEST, platform) for n in range(MOST_ENTRIES))
    full = Cache(
        manifests={digest_of(f"{n}"): Manifest(OCI_INDEX, entries=entries) for n in range(MOST_KNOWN // 51)},
        configs={digest_of(f"{n}"): Config(platform, {"a": "x" * 1000}) for n in range(MOST_KNOWN // 6)},
    )
    oldest, newest = digest_of("0"), digest_of(f"{MOST_KNOWN // 51 - 1}")
    checks = ImageChecks(ecr.registry(), [alone(Labels={"a": "new"})], full, NOW)

    for number in range(60):
        ecr.push("team/app", "v0", labels={"a": f"{number}"})
        checks(include_archived=False, budget=lambda: 9.0)

    kept = checks.memory.cache
    assert oldest not in kept.manifests
    assert newest in kept.manifests
    assert sum(1 + len(each.entries) for each in kept.manifests.values()) <= MOST_KNOWN
    assert sum(len(label) for each in kept.configs.values() for label in each.labels.values()) <= MOST_KNOWN * 200
    assert len(kept.manifests) > 60 + MOST_KNOWN // 51 - 4, "no more than necessary is forgotten"


def test_a_cache_that_a_continuation_brings_is_kept_within_bounds_too(ecr: Ecr) -> None:
    known = Cache(manifests={digest_of(f"{n}"): Manifest(OCI_MANIFEST) for n in range(MOST_KNOWN + 9)})
    ecr.push("team/app", "v0")
    checks = ImageChecks(ecr.registry(), [wanted(0, Platform="arm64"), wanted(1)], known, NOW)

    checks(include_archived=True, budget=lambda: 9.0)

    assert len(checks.memory.cache.manifests) == MOST_KNOWN


# --- manifests too large to be read


def pad(ecr: Ecr, number: int, size: int) -> None:
    """Push an image whose manifest has about that many bytes."""
    digest = ecr.push("team/app", None, content=str(number))
    manifest = json.loads(ecr.image("team/app", digest).manifest)
    ecr.put("team/app", f"v{number}", {**manifest, "annotations": {"a": "x" * size}}, OCI_MANIFEST)


def test_manifests_too_large_for_one_call_are_asked_for_in_smaller_groups_and_so_from_then_on(ecr: Ecr) -> None:
    """Twenty of 250 kB are 5 MB, which no function has the memory for."""
    for number in range(19):
        pad(ecr, number, 250_000)
    check = checking(ecr, *(wanted(number, Platform="arm64") for number in range(20)))

    assert len(check().missing) == 1
    assert spent(ecr)["BatchGetImage"] == 1 + 2 + 4, "twenty, ten, five each"
    pad(ecr, 19, 250_000)
    assert not check().missing
    assert ecr.count("BatchGetImage") == 1

    waiting = checking(ecr, *(wanted(number, Labels={"a": "b"}) for number in range(20)))
    for expected in (7, 4):
        waiting()
        assert ecr.count("BatchGetImage") == expected


@pytest.mark.parametrize(("size", "others"), [(MOST_DOCUMENT_BYTES, 0), (4_000_000, 0), (4_000_000, 3)])
def test_an_image_whose_manifest_is_too_large_is_refused_within_one_check(ecr: Ecr, size: int, others: int) -> None:
    pad(ecr, 0, size)
    for number in range(1, 1 + others):
        ecr.push("team/app", f"v{number}", content=str(number))

    refused = decisive(checking(ecr, *(wanted(n, Platform="arm64") for n in range(1 + others)))())

    assert isinstance(refused, NotDeployable)
    assert "512 KiB" in refused.because
    assert refused.cannot == "be checked"
    assert refused.image
    assert refused.image.digest == ecr.image("team/app", "v0").digest
    assert ecr.count("BatchGetImage") <= (6 if others else 1)


def test_a_manifest_just_small_enough_is_read(ecr: Ecr) -> None:
    pad(ecr, 0, 0)
    length = len(ecr.image("team/app", "v0").manifest)
    pad(ecr, 0, MOST_DOCUMENT_BYTES - length)

    assert isinstance(decisive(checking(ecr, wanted(0, Platform="arm64"), wanted(0))()), Image)


def test_a_manifest_that_no_condition_must_read_may_be_of_any_size(ecr: Ecr) -> None:
    pad(ecr, 0, 4_000_000)
    pad(ecr, 1, MOST_DOCUMENT_BYTES)
    ecr.push("team/app", "v2")
    images = [wanted(0), wanted(1, DeployTarget="ECS", PushedAfter="2020-01-01T00:00:00Z"), wanted(2, Platform="arm64")]

    assert not checking(ecr, *images)().missing


def test_a_rollback_to_an_image_whose_manifest_is_too_large_has_its_digest(ecr: Ecr) -> None:
    pad(ecr, 0, 4_000_000)
    images = [wanted(0, Platform="arm64"), wanted(0)]

    found = Checker(ecr.registry(), images, NOW).check_in_rollback(Deadline(NOW + 60.0, FakeClock()))

    assert isinstance(found, Several)
    digests = [image.digest for _, each in found.findings if (image := there(each))]
    assert digests == [ecr.image("team/app", "v0").digest] * 2


def test_images_of_a_thousand_tags_each_are_described_in_smaller_groups(ecr: Ecr) -> None:
    for number in range(20):
        digest = ecr.push("team/app", f"v{number}", content=str(number))
        ecr.image("team/app", digest).tags.extend(f"{number}-{n}-{'t' * 118}" for n in range(999))

    assert not checking(ecr, *map(wanted, range(20)))().missing
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 3}


# --- when an image was pushed


def test_an_old_image_among_several_is_described_once_and_remembered(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    ecr.image("team/app", "v0").pushed_at = NOW - 1
    check = checking(ecr, wanted(0, PushedAfter="StackOperation", DeployTarget="ECS"), wanted(1))

    check()
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 1}
    assert isinstance(dict(check().findings)["I0"], NotYet)
    assert spent(ecr) == {"BatchGetImage": 1}


def test_the_same_image_pushed_to_two_repositories_is_as_old_in_each_as_its_push_there(ecr: Ecr) -> None:
    old = ecr.push("staging", "v0")
    ecr.image("staging", old).pushed_at = NOW - 1
    assert ecr.push("live", "v1") == old

    images = [wanted(n, repository=name, PushedAfter="StackOperation") for n, name in enumerate(("staging", "live"))]

    assert [type(finding) for finding in found_by(ecr, *images).values()] == [NotYet, Image]


def test_a_public_image_of_which_ecr_does_not_say_when_it_was_pushed_is_no_new_one(ecr: Ecr) -> None:
    ecr.repository("team/app", "public")
    ecr.script(details({"imageTags": ["v0"]}))

    found = checking(ecr, alone(source=PUBLIC, PushedAfter="StackOperation"))()

    assert isinstance(found, NotYet)
    assert "an unknown time" in found.because


def test_an_image_among_several_whose_time_is_denied_is_said_to_be_that(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    ecr.faults["DescribeImages"] = aws_error("AccessDeniedException", "no")

    found = found_by(ecr, wanted(0, PushedAfter="StackOperation"), wanted(1))

    assert found == {"I0": AccessDenied("AccessDeniedException", "no"), "I1": NoImage()}


def test_a_check_without_time_left_reads_no_more_and_says_so(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", labels={"a": "b"})
    left = iter([5.0, 0.01])

    found = checking(ecr, alone(Labels={"a": "b"}), budget=lambda: next(left))()

    assert (found.code, spent(ecr)) == ("OutOfTime", {"DescribeImages": 1})


# --- the finding that decides for all


def test_an_image_that_is_not_deployable_decides_before_anything_else(ecr: Ecr) -> None:
    ecr.push_index("one", "v0")
    ecr.faults["two"] = aws_error("AccessDeniedException")

    found = checking(ecr, wanted(1, repository="two"), wanted(0, repository="one", DeployTarget="Lambda"))()

    assert found.deciding[0] == "I0"
    assert isinstance(decisive(found), NotDeployable)


# --- other registries


def test_the_same_name_in_other_accounts_and_regions_is_another_repository(ecr: Ecr) -> None:
    own = ecr.push("app", "v0", content="own")
    there = ecr.push("app", "v0", content="there", region="us-east-1")
    theirs = ecr.push("app", "v0", content="theirs", account="999999999999")
    sources = [OWN, Source(region="us-east-1"), Source(registry_id="999999999999")]

    found = found_by(ecr, *(replace(alone(repository="app", source=each), id=str(each)) for each in sources))

    assert [(image.digest, image.repository_uri) for image in found.values()] == [
        (own, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"),
        (there, f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/app"),
        (theirs, "999999999999.dkr.ecr.eu-west-1.amazonaws.com/app"),
    ]


def test_public_images_are_described_one_by_one_and_their_registry_is_checked_once(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", region="public")
    check = checking(ecr, wanted(0, source=PUBLIC), wanted(1, source=PUBLIC))

    assert isinstance(dict(check().findings)["I1"], NoImage)
    assert spent(ecr) == {"DescribeRegistries": 1, "DescribeImages": 2}
    ecr.push("team/app", "v1", region="public")
    found = check()
    assert not found.missing
    assert spent(ecr) == {"DescribeImages": 2}, "the missing one, and then both of them at once"
    assert {image.repository_uri for _, image in found.findings} == {"public.ecr.aws/shop/team/app"}


def test_a_public_registry_of_somebody_else_can_never_be_waited_for(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", region="public")

    found = checking(ecr, wanted(0, source=replace(PUBLIC, alias="docker")), wanted(1, source=PUBLIC))()

    assert found.deciding[0] == "I0"
    refused = decisive(found)
    assert isinstance(refused, NotDeployable)
    assert "is not this account's (it has: a1b2c3d4, shop)" in refused.because


def test_an_artifact_type_that_ecr_public_does_not_say_is_not_held_against_an_image(ecr: Ecr) -> None:
    ecr.repository("team/app", "public")
    ecr.script(details({"imageTags": ["v0"], "imageManifestMediaType": DOCKER_MANIFEST}))

    assert isinstance(checking(ecr, alone(source=PUBLIC, DeployTarget="ECS"))(), Image)


# --- changes between two calls


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", few_of(range(20)))
def test_whatever_moves_or_goes_between_two_calls_an_answer_is_one_image_that_was_there(
    ecr: Ecr, seed: int, *, several: bool
) -> None:
    """Before each call a tag moves, goes or comes back; each build has an image and labels of its own."""
    random = Random(seed)  # noqa: S311  # reproducible on purpose
    builds: dict[str, tuple[str, str]] = {}

    def push(tag: str) -> None:
        build = str(random.randrange(2))
        index = ecr.push_index("team/app", tag, labels={"build": build}, content=f"{tag}{build}")
        manifest = json.loads(ecr.repository("team/app").images[index].manifest)
        builds[index] = (build, manifest["manifests"][1]["digest"])

    def disturb(*_: str) -> None:
        tag = random.choice(["v0", "v1", "v2"])
        act = random.randrange(12)
        if act <= 2:
            push(tag)
        elif act == 3:
            ecr.untag("team/app", tag)
        elif act == 4 and (gone := ecr.untag("team/app", tag)):
            ecr.repository("team/app").images.pop(gone)

    for tag in ("v0", "v1", "v2"):
        push(tag)
    ecr.before = disturb
    images = [wanted(number, Platform="linux/arm64", Labels={"build": "1"}) for number in range(3 if several else 1)]
    checks: Any = ImageChecks(ecr.registry(), images, Cache(), NOW)

    answered = 0
    for _ in range(500 if several else 200):
        found = checks(include_archived=True, budget=lambda: 9.0)
        assert not isinstance(decisive(found), NotDeployable | Refused | AccessDenied | NoRepository)
        if not found.missing:
            answered += 1
            for _, image in found.findings:
                assert builds[image.digest] == ("1", image.platform_digest)
                assert image.architecture == "arm64"
                assert image.pushed_at is not None
            checks = ImageChecks(ecr.registry(), images, Cache(), NOW)
    assert answered >= (1 if several else 20)


@pytest.mark.parametrize(("source", "region"), [(OWN, ""), (PUBLIC, "public")], ids=["private", "public"])
def test_a_tag_that_moves_while_the_others_are_waited_for_is_answered_as_it_is_in_the_end(
    ecr: Ecr, source: Source, region: str
) -> None:
    ecr.push("team/app", "v0", content="first", region=region)
    ecr.repository("team/app")
    check = checking(ecr, wanted(0, source=source), wanted(1))
    assert len(check().missing) == 1

    moved = ecr.push("team/app", "v0", content="second", region=region)
    ecr.push("team/app", "v1")

    assert dict(check().findings)["I0"].digest == moved


def test_a_tag_that_is_gone_when_the_last_image_comes_is_missing_again(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    check = checking(ecr, wanted(0), wanted(1))
    check()

    ecr.untag("team/app", "v0")
    ecr.push("team/app", "v1", content="1")

    assert [type(finding) for _, finding in check().findings] == [NoImage, Image]


def test_a_tag_that_moves_at_every_call_is_not_yet_and_named_so(ecr: Ecr) -> None:
    count = iter(range(1000))
    ecr.push("team/app", "v1", content="still")
    ecr.before = lambda operation, _: (
        operation == "DescribeImages" and ecr.push("team/app", "v0", content=str(next(count)))
    )
    ecr.push("team/app", "v0")

    found = found_by(ecr, wanted(0), wanted(1))["I0"]

    assert isinstance(found, NotYet)
    assert "changed" in found.because
    assert found.image.digest in ecr.repository("team/app").images  # which a rollback goes on with


def test_ecr_that_does_not_answer_when_the_last_image_is_there_is_asked_once_a_check(ecr: Ecr) -> None:
    ecr.push("one", "v0")
    ecr.push("two", "v1")
    ecr.faults["DescribeImages"] = aws_error("ThrottlingException")
    check = checking(ecr, wanted(0, repository="one"), wanted(1, repository="two"))

    for _ in range(2):
        assert isinstance(decisive(check()), Unavailable)
        assert spent(ecr) == {"BatchGetImage": 2, "DescribeImages": 2}, "one of each for each repository"

    del ecr.faults["DescribeImages"]
    assert not check().missing


def test_an_image_deleted_before_its_manifest_is_read_is_not_there(ecr: Ecr) -> None:
    digest = ecr.push("team/app", "v0", labels={"a": "b"})
    ecr.before = lambda operation, _: operation == "BatchGetImage" and ecr.repository("team/app").images.pop(digest)

    assert checking(ecr, alone(Labels={"a": "b"}))() == NoImage()
