"""One check of several images: how many calls it costs, and that no answer mixes two images."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.errors import MOST_DOCUMENT_BYTES
from ecr_image_waiter.cfn.attributes import there
from ecr_image_waiter.check import check_in_rollback
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
    NotPullable,
    NotYet,
    Platform,
    Refused,
    Several,
    Source,
    Unavailable,
    decisive,
)
from tests.support.checks import Look
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import ACCOUNT, STATUSES, Ecr, digest_of
from tests.support.fakes import aws_error

OPERATIONS = ("DescribeImages", "BatchGetImage", "GetDownloadUrlForLayer", "GET", "DescribeRegistries")
ROLE = "arn:aws:iam::999999999999:role/reader"


@pytest.fixture
def ecr() -> Ecr:
    return Ecr(FakeClock())


def wanted(number: int, *, repository: str = "team/app", source: Source = OWN, **conditions: Any) -> Wanted:
    return Wanted(f"I{number}", ImageId(repository, f"v{number}", None), source, Conditions(**conditions))


def looking(ecr: Ecr, *images: Wanted, known: Cache | None = None) -> Callable[[], Several]:
    """Return what makes one check after another."""
    look = Look(ecr.registry(), images, known or Cache(), NOW)

    def check() -> Several:
        ecr.calls.clear()
        found = look(archived_too=True, budget=lambda: 9.0)
        assert isinstance(found, Several)
        return found

    return check


def spent(ecr: Ecr) -> dict[str, int]:
    return {operation: ecr.count(operation) for operation in OPERATIONS if ecr.count(operation)}


# --- calls


def test_twenty_images_of_one_repository_cost_one_call_a_check_and_one_more_when_all_are_there(ecr: Ecr) -> None:
    images = [wanted(number) for number in range(20)]
    ecr.repository("team/app")
    check = looking(ecr, *images)

    for number in range(20):
        assert len(check().missing) == 20 - number
        assert spent(ecr) == {"BatchGetImage": 1}
        ecr.push("team/app", f"v{number}", content=str(number))

    assert not check().missing
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 1}


def test_more_images_of_one_repository_than_a_call_takes_are_asked_for_in_several(ecr: Ecr) -> None:
    for number in range(230):
        ecr.push("team/app", f"v{number}", content=str(number))

    assert not looking(ecr, *(wanted(number) for number in range(230)))().missing
    assert spent(ecr) == {"BatchGetImage": 3, "DescribeImages": 3}


def test_what_a_check_of_many_images_has_read_the_next_one_knows(ecr: Ecr) -> None:
    platforms = [f"linux/arm/v{n}" for n in range(25)]
    for number in range(60):
        ecr.push_index("team/app", f"v{number}", platforms=platforms, content=str(number), labels={"a": "old"})
    look = looking(ecr, *(wanted(number, Labels={"a": "old", "b": "new"}) for number in range(60)))
    look()
    ecr.calls.clear()

    assert len(look().missing) == 60
    assert spent(ecr) == {"BatchGetImage": 1}


def test_images_that_are_ready_are_not_asked_for_again_until_the_last_is(ecr: Ecr) -> None:
    ecr.push("one", "v0")
    ecr.repository("two")
    check = looking(ecr, wanted(0, repository="one"), wanted(1, repository="two"))
    check()
    assert spent(ecr) == {"BatchGetImage": 2}

    check()
    assert ecr.calls == [("BatchGetImage", "two")]

    ecr.push("two", "v1")
    check()
    assert ecr.calls == [("BatchGetImage", "two"), ("DescribeImages", "one"), ("DescribeImages", "two")]


def test_a_manifest_and_a_config_are_read_once_and_never_again(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", labels={"a": "old"})
    look = Look(
        ecr.registry(),
        [Wanted("", ImageId("team/app", "v0", None), OWN, Conditions(Labels={"a": "new"}))],
        Cache(),
        NOW,
    )

    for check in range(5):
        ecr.calls.clear()
        assert isinstance(look(archived_too=False, budget=lambda: 9.0), NotYet)
        more = {} if check else {"BatchGetImage": 1, "GetDownloadUrlForLayer": 1, "GET": 1}
        assert spent(ecr) == {"DescribeImages": 1, **more}

    ecr.push("team/app", "v0", labels={"a": "new"})
    assert isinstance(look(archived_too=False, budget=lambda: 9.0), Image)
    assert spent(ecr) == {"DescribeImages": 2, "BatchGetImage": 1, "GetDownloadUrlForLayer": 1, "GET": 1}


def test_several_images_with_conditions_use_the_manifests_they_came_with(ecr: Ecr) -> None:
    for number in range(3):
        ecr.push("team/app", f"v{number}", content=str(number), labels={"a": "b"})
    images = [wanted(number, Labels={"a": "b"}, Platform="arm64", DeployTarget="Lambda") for number in range(3)]

    assert not looking(ecr, *images)().missing
    assert spent(ecr) == {"DescribeImages": 1, "BatchGetImage": 1, "GetDownloadUrlForLayer": 3, "GET": 3}


def test_what_is_known_is_kept_within_bounds_however_large_each_of_it_is(ecr: Ecr) -> None:
    """An index of fifty entries counts for fifty-one, a config of long labels for its characters."""
    platform = Platform("linux", "arm64")
    entries = tuple(Entry(digest_of(str(n)), OCI_MANIFEST, platform) for n in range(MOST_ENTRIES))
    full = Cache(
        manifests={digest_of(f"{n}"): Manifest(OCI_INDEX, entries=entries) for n in range(MOST_KNOWN // 51)},
        configs={digest_of(f"{n}"): Config(platform, {"a": "x" * 1000}) for n in range(MOST_KNOWN // 6)},
    )
    oldest, newest = digest_of("0"), digest_of(f"{MOST_KNOWN // 51 - 1}")
    look = Look(ecr.registry(), [replace(wanted(0, Labels={"a": "new"}), id="")], full, NOW)

    for number in range(60):
        ecr.push("team/app", "v0", labels={"a": f"{number}"})
        look(archived_too=False, budget=lambda: 9.0)

    kept = look.memory.cache
    assert oldest not in kept.manifests
    assert newest in kept.manifests
    assert sum(1 + len(each.entries) for each in kept.manifests.values()) <= MOST_KNOWN
    assert sum(len(label) for each in kept.configs.values() for label in each.labels.values()) <= MOST_KNOWN * 200
    assert len(kept.manifests) > 60 + MOST_KNOWN // 51 - 4, "no more than necessary is forgotten"


def test_what_is_known_already_counts_where_a_wait_goes_on(ecr: Ecr) -> None:
    known = Cache(manifests={digest_of(f"{n}"): Manifest(OCI_MANIFEST) for n in range(MOST_KNOWN + 9)})
    ecr.push("team/app", "v0")

    look = Look(ecr.registry(), [wanted(0, Platform="arm64"), wanted(1)], known, NOW)

    look(archived_too=True, budget=lambda: 9.0)

    assert len(look.memory.cache.manifests) == MOST_KNOWN


# --- manifests too large to be read


def pad(ecr: Ecr, number: int, size: int, **more: Any) -> None:
    """Push an image whose manifest has about that many bytes."""
    digest = ecr.push("team/app", None, content=str(number), **more)
    manifest = json.loads(ecr.image("team/app", digest).manifest)
    ecr.put("team/app", f"v{number}", {**manifest, "annotations": {"a": "x" * size}}, OCI_MANIFEST)


def test_manifests_too_large_for_one_call_are_asked_for_in_smaller_groups_and_so_from_then_on(ecr: Ecr) -> None:
    """Twenty of 250 kB are 5 MB, which no function has the memory for."""
    for number in range(19):
        pad(ecr, number, 250_000)
    check = looking(ecr, *(wanted(number, Platform="arm64") for number in range(20)))

    assert len(check().missing) == 1
    assert spent(ecr)["BatchGetImage"] == 1 + 2 + 4, "twenty, ten, five each"
    pad(ecr, 19, 250_000)
    assert not check().missing
    assert ecr.count("BatchGetImage") == 1

    again = Look(ecr.registry(), [wanted(number, Labels={"a": "b"}) for number in range(20)], Cache(), NOW)
    for expected in (7, 4, 4):
        ecr.calls.clear()
        again(archived_too=False, budget=lambda: 9.0)
        assert ecr.count("BatchGetImage") == expected


def test_answers_of_usual_size_are_one_call_as_ever(ecr: Ecr) -> None:
    for number in range(20):
        pad(ecr, number, 50_000)

    assert not looking(ecr, *(wanted(number, Platform="arm64") for number in range(20)))().missing
    assert ecr.count("BatchGetImage") == 1


@pytest.mark.parametrize("size", [MOST_DOCUMENT_BYTES, 4_000_000])
@pytest.mark.parametrize("others", [0, 3])
def test_an_image_whose_manifest_is_too_large_is_refused_within_one_check(ecr: Ecr, size: int, others: int) -> None:
    pad(ecr, 0, size)
    for number in range(1, 1 + others):
        ecr.push("team/app", f"v{number}", content=str(number))
    look = Look(ecr.registry(), [wanted(n, Platform="arm64") for n in range(1 + others)], Cache(), NOW)

    refused = decisive(look(archived_too=False, budget=lambda: 9.0))

    assert isinstance(refused, NotDeployable)
    assert refused.because == "its manifest is larger than the 512 KiB that are read"
    assert refused.cannot == "be checked"
    assert refused.image
    assert refused.image.digest == ecr.image("team/app", "v0").digest
    assert ecr.count("BatchGetImage") <= (6 if others else 1)


def test_a_manifest_just_small_enough_is_read(ecr: Ecr) -> None:
    pad(ecr, 0, 0)
    length = len(ecr.image("team/app", "v0").manifest)
    pad(ecr, 0, MOST_DOCUMENT_BYTES - length)

    assert isinstance(decisive(looking(ecr, wanted(0, Platform="arm64"), wanted(0))()), Image)


def test_a_manifest_that_no_condition_must_read_may_be_of_any_size(ecr: Ecr) -> None:
    pad(ecr, 0, 4_000_000)
    pad(ecr, 1, MOST_DOCUMENT_BYTES)
    ecr.push("team/app", "v2")
    images = [wanted(0), wanted(1, DeployTarget="ECS", PushedAfter="2020-01-01T00:00:00Z"), wanted(2, Platform="arm64")]

    assert not looking(ecr, *images)().missing


def test_a_rollback_to_an_image_whose_manifest_is_too_large_is_told_its_digest(ecr: Ecr) -> None:
    pad(ecr, 0, 4_000_000)

    found = check_in_rollback(
        ecr.registry(), [wanted(0, Platform="arm64"), wanted(0)], Deadline(NOW + 60.0, FakeClock())
    )

    assert isinstance(found, Several)
    assert {image.digest for _, each in found.findings if (image := there(each))} == {
        ecr.image("team/app", "v0").digest
    }
    assert len(found.findings) == 2


def test_images_of_a_thousand_tags_each_are_described_in_smaller_groups(ecr: Ecr) -> None:
    for number in range(20):
        digest = ecr.push("team/app", f"v{number}", content=str(number))
        ecr.image("team/app", digest).tags.extend(f"{number}-{n}-{'t' * 118}" for n in range(999))

    assert not looking(ecr, *(wanted(number) for number in range(20)))().missing
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 3}


def test_an_old_image_among_several_is_described_once_and_remembered(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    ecr.image("team/app", "v0").pushed_at = NOW - 1
    check = looking(ecr, wanted(0, PushedAfter="StackOperation", DeployTarget="ECS"), wanted(1))

    check()
    assert spent(ecr) == {"BatchGetImage": 1, "DescribeImages": 1}
    for _ in range(3):
        assert isinstance(dict(check().findings)["I0"], NotYet)
        assert spent(ecr) == {"BatchGetImage": 1}


def test_the_same_image_pushed_to_two_repositories_is_as_old_in_each_as_its_push_there(ecr: Ecr) -> None:
    old = ecr.push("staging", "v0")
    ecr.image("staging", old).pushed_at = NOW - 1
    assert ecr.push("live", "v1") == old

    images = [
        wanted(number, repository=name, PushedAfter="StackOperation") for number, name in enumerate(("staging", "live"))
    ]
    found = dict(looking(ecr, *images)().findings)

    assert [type(finding) for finding in found.values()] == [NotYet, Image]


def test_a_check_without_time_left_reads_no_more_and_says_so(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", labels={"a": "b"})
    left = iter([5.0, 0.01, 0.0])
    image = Wanted("", ImageId("team/app", "v0", None), OWN, Conditions(Labels={"a": "b"}))

    found = Look(ecr.registry(), [image], Cache(), NOW)(archived_too=False, budget=lambda: next(left))

    assert found == Unavailable("OutOfTime", "this check had no time left to read the image's manifest and config")
    assert spent(ecr) == {"DescribeImages": 1}


def test_each_call_of_a_check_may_take_what_the_budget_says_then(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", labels={"a": "b"})
    ecr.push_index("team/app", "v1", labels={"a": "b"})
    registry = ecr.registry()
    calls: list[tuple[str, float]] = []

    class Timed:
        def __getattr__(self, operation: str) -> Any:
            def call(*asked: Any, seconds: float, **more: Any) -> Any:
                calls.append((operation, seconds))
                return getattr(registry, operation)(*asked, seconds=seconds, **more)

            return call

    images = [wanted(number, Labels={"a": "b"}, PushedAfter="StackOperation") for number in range(2)]
    left = iter(range(100, 0, -1))
    look = Look(Timed(), images, Cache(), NOW)
    look(archived_too=False, budget=lambda: next(left))

    assert [seconds for _, seconds in calls] == [*range(100, 100 - len(calls), -1)]
    assert [operation for operation, _ in calls] == [
        *("get", "describe", "config", "describe", "get", "config"),  # the index lists the other image too
        "describe",
    ]


# --- what is found decides for all


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (aws_error("RepositoryNotFoundException"), NoRepository),
        (aws_error("AccessDeniedException"), AccessDenied),
        (aws_error("ThrottlingException"), Unavailable),
        (aws_error("InvalidParameterException"), Refused),
        (KeyError("nonsense"), Unavailable),
    ],
)
def test_what_one_repository_says_is_said_of_its_images_and_decides(ecr: Ecr, fault: Exception, kind: type) -> None:
    ecr.push("one", "v0")
    ecr.faults["two"] = fault

    found = looking(ecr, wanted(0, repository="one"), wanted(1, repository="two"), wanted(2, repository="two"))()

    assert [type(finding) for _, finding in found.findings] == [Image, kind, kind]
    assert found.deciding == ("I1", decisive(found))
    assert isinstance(decisive(found), kind)


def test_what_can_never_be_deployed_decides_before_anything_else(ecr: Ecr) -> None:
    ecr.push_index("one", "v0")
    ecr.faults["two"] = aws_error("AccessDeniedException")

    found = looking(ecr, wanted(1, repository="two"), wanted(0, repository="one", DeployTarget="Lambda"))()

    assert found.deciding[0] == "I0"
    assert isinstance(decisive(found), NotDeployable)


@pytest.mark.parametrize("status", ["ARCHIVED", "ACTIVATING"])
def test_an_archived_image_among_several_is_not_yet_and_named_so(ecr: Ecr, status: str) -> None:
    digest = ecr.push("team/app", "v0")
    ecr.push("team/app", "v1", content="1")
    check = looking(ecr, wanted(0), wanted(1))
    ecr.image("team/app", digest).active_from = STATUSES[status]

    assert isinstance(dict(check().findings)["I0"], NotPullable)

    ecr.image("team/app", digest).active_from = 0.0
    assert not check().missing


def test_an_uncompressed_docker_layer_among_several_images_is_never_for_lambda(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", layers=["application/vnd.docker.image.rootfs.diff.tar"])
    ecr.push("team/app", "v1", layers=["application/vnd.docker.image.rootfs.diff.tar.gzip"])

    found = dict(looking(ecr, wanted(0, DeployTarget="Lambda"), wanted(1, DeployTarget="Lambda"))().findings)

    assert isinstance(found["I0"], NotDeployable)
    assert isinstance(found["I1"], Image)
    assert ecr.count("BatchGetImage") == 1


@pytest.mark.parametrize(("code", "kind"), [("KmsError", AccessDenied), ("UpstreamUnavailable", Unavailable)])
def test_an_image_that_ecr_fails_to_serve_is_not_said_to_be_missing(ecr: Ecr, code: str, kind: type) -> None:
    class Client:
        def batch_get_image(self, **asked: Any) -> Any:
            failures = [{"imageId": each, "failureCode": code, "failureReason": "why"} for each in asked["imageIds"]]
            return {"images": [], "failures": failures}

    registry = Registry(lambda *_: Client(), lambda *_: "", ecr.clock, ecr)  # type: ignore[arg-type]  # one answer

    found = Look(registry, [wanted(0), wanted(1)], Cache(), NOW)(archived_too=False, budget=lambda: 9.0)

    assert isinstance(decisive(found), kind)


# --- other registries


def test_the_same_name_in_other_accounts_and_regions_is_another_repository(ecr: Ecr) -> None:
    own = ecr.push("app", "v0", content="own")
    there = ecr.push("app", "v0", content="there", region="us-east-1")
    theirs = ecr.push("app", "v0", content="theirs", account="999999999999")
    sources = [OWN, Source(region="us-east-1"), Source(registry_id="999999999999")]
    images = [Wanted(f"I{n}", ImageId("app", "v0", None), source, Conditions()) for n, source in enumerate(sources)]

    found = looking(ecr, *images)()

    assert [
        (finding.digest, finding.repository_uri) for _, finding in found.findings if isinstance(finding, Image)
    ] == [
        (own, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"),
        (there, f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/app"),
        (theirs, "999999999999.dkr.ecr.eu-west-1.amazonaws.com/app"),
    ]


def test_a_role_is_assumed_where_it_is_named(ecr: Ecr) -> None:
    digest = ecr.push("app", "v0", account="999999999999")
    image = Wanted("", ImageId("app", "v0", None), Source(role_arn=ROLE), Conditions())

    found = Look(ecr.registry(), [image], Cache(), NOW)(archived_too=False, budget=lambda: 9.0)

    assert isinstance(found, Image)
    assert (found.digest, ecr.roles) == (digest, [ROLE])


def public(number: int, alias: str = "shop", **conditions: Any) -> Wanted:
    return wanted(number, source=Source(region="us-east-1", host="public.ecr.aws", alias=alias), **conditions)


def test_public_images_are_described_one_by_one_and_their_registry_is_checked_once(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", region="public")
    check = looking(ecr, public(0), public(1))

    assert isinstance(dict(check().findings)["I1"], NoImage)
    assert spent(ecr) == {"DescribeRegistries": 1, "DescribeImages": 2}
    ecr.push("team/app", "v1", region="public")
    found = check()
    assert not found.missing
    assert spent(ecr) == {"DescribeImages": 2}, "the missing one, and then both of them at once"
    assert {f.repository_uri for _, f in found.findings if isinstance(f, Image)} == {"public.ecr.aws/shop/team/app"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_public_image_of_which_ecr_does_not_say_when_it_was_pushed_is_no_new_one(ecr: Ecr, count: int) -> None:
    for number in range(count):
        ecr.push("team/app", f"v{number}", region="public")
    registry = ecr.registry()

    class Timeless:
        def look(self, *asked: Any, **more: Any) -> Any:
            found = registry.look(*asked, **more)
            assert isinstance(found, Image)
            return replace(found, pushed_at=None)

        def describe(self, *asked: Any, **more: Any) -> Any:
            found = registry.describe(*asked, **more)
            assert isinstance(found, dict)
            return {name: replace(each, pushed_at=None) for name, each in found.items() if isinstance(each, Image)}

    images = [public(number, PushedAfter="StackOperation") for number in range(count)]
    look = Look(Timeless(), images, Cache(), NOW)
    found = decisive(look(archived_too=False, budget=lambda: 9.0))

    assert isinstance(found, NotYet)
    assert "it was pushed at a time unknown, before this operation began at " in found.because


def test_an_image_among_several_whose_time_is_denied_is_said_to_be_that(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    ecr.faults["DescribeImages"] = aws_error("AccessDeniedException", "no")

    found = dict(looking(ecr, wanted(0, PushedAfter="StackOperation"), wanted(1))().findings)

    assert found == {"I0": AccessDenied("AccessDeniedException", "no"), "I1": NoImage()}


def test_a_public_registry_of_somebody_else_can_never_be_waited_for(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", region="public")

    found = looking(ecr, public(0, alias="docker"), public(1))()

    assert found.deciding[0] == "I0"
    refused = decisive(found)
    assert isinstance(refused, NotDeployable)
    assert "the public registry docker is not this account's (those are a1b2c3d4, shop)" in refused.because


# --- what changes between two calls


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", range(20))
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
    images = [wanted(number, Platform="linux/arm64", Labels={"build": "1"}) for number in range(3)]
    look = Look(ecr.registry(), images if several else images[:1], Cache(), NOW)

    answered = 0
    for _ in range(500 if several else 200):
        found = look(archived_too=True, budget=lambda: 9.0)
        assert isinstance(found, Several)
        assert not isinstance(decisive(found), NotDeployable | Refused | AccessDenied | NoRepository)
        if not found.missing:
            answered += 1
            for id_, image in found.findings:
                assert isinstance(image, Image)
                assert builds[image.digest] == ("1", image.platform_digest)
                assert image.architecture == "arm64"
                assert image.pushed_at is not None
                assert id_[0] == "I"
            look = Look(ecr.registry(), images if several else images[:1], Cache(), NOW)
    assert answered >= (1 if several else 20)


def test_a_tag_that_moves_while_the_others_are_waited_for_is_answered_as_it_is_in_the_end(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", content="first")
    check = looking(ecr, wanted(0), wanted(1))
    assert len(check().missing) == 1

    moved = ecr.push("team/app", "v0", content="second")
    ecr.push("team/app", "v1")
    found = dict(check().findings)

    assert isinstance(found["I0"], Image)
    assert found["I0"].digest == moved


def test_a_tag_that_is_gone_when_the_last_image_comes_is_missing_again(ecr: Ecr) -> None:
    ecr.push("team/app", "v0")
    check = looking(ecr, wanted(0), wanted(1))
    check()

    ecr.untag("team/app", "v0")
    ecr.push("team/app", "v1", content="1")
    found = check()

    assert [type(finding) for _, finding in found.findings] == [NoImage, Image]


def test_a_tag_that_moves_at_every_call_is_not_yet_and_told(ecr: Ecr) -> None:
    count = iter(range(1000))
    ecr.push("team/app", "v1", content="still")
    ecr.before = lambda operation, _: (
        operation == "DescribeImages" and ecr.push("team/app", "v0", content=str(next(count)))
    )
    ecr.push("team/app", "v0")

    found = dict(looking(ecr, wanted(0), wanted(1))().findings)

    assert isinstance(found["I0"], NotYet)
    assert found["I0"].because == "it was there, and then something in its repository changed"
    assert found["I0"].image.digest in ecr.repository("team/app").images  # which a rollback goes on with


def test_ecr_that_does_not_answer_when_the_last_image_is_there_is_asked_once_a_check(ecr: Ecr) -> None:
    ecr.push("one", "v0")
    ecr.push("two", "v1")
    ecr.faults["DescribeImages"] = aws_error("ThrottlingException")
    check = looking(ecr, wanted(0, repository="one"), wanted(1, repository="two"))

    for _ in range(2):
        assert isinstance(decisive(check()), Unavailable)
        assert spent(ecr) == {"BatchGetImage": 2, "DescribeImages": 2}, "one of each for each repository"

    del ecr.faults["DescribeImages"]
    assert not check().missing


def test_an_image_deleted_before_its_manifest_is_read_is_not_there(ecr: Ecr) -> None:
    digest = ecr.push("team/app", "v0", labels={"a": "b"})
    ecr.before = lambda operation, _: operation == "BatchGetImage" and ecr.repository("team/app").images.pop(digest)
    image = Wanted("", ImageId("team/app", "v0", None), OWN, Conditions(Labels={"a": "b"}))

    found = Look(ecr.registry(), [image], Cache(), NOW)(archived_too=False, budget=lambda: 9.0)

    assert found == NoImage()


def test_what_ecr_public_does_not_say_of_an_image_is_not_held_against_it(ecr: Ecr) -> None:
    ecr.push("team/app", "v0", region="public", media_type=DOCKER_MANIFEST)
    source = Source(region="us-east-1", host="public.ecr.aws", alias="shop")
    image = Wanted("", ImageId("team/app", "v0", None), source, Conditions(DeployTarget="ECS"))
    says_config = ecr.registry()

    class Silent:
        def look(self, *args: Any, **kwargs: Any) -> Any:
            found = says_config.look(*args, **kwargs)
            assert isinstance(found, Image)
            return replace(found, artifact_type=None)

    found = Look(Silent(), [image], Cache(), NOW)(archived_too=False, budget=lambda: 9.0)

    assert isinstance(found, Image)
