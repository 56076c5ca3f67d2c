"""What is remembered of images: enough that nothing is read twice, and never more than an event and a function hold."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import pytest

from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.manifests import (
    MOST_ENTRIES,
    MOST_LABEL_CHARACTERS,
    OCI_INDEX,
    OCI_MANIFEST,
    Cache,
    Config,
    Entry,
    Manifest,
    read_config,
    read_manifest,
)
from ecr_image_waiter.core.model import OWN, Finding, Image, ImageId, NotDeployable, NotYet, Platform, Several, Source
from ecr_image_waiter.core.state import STATE_KEY, Progress, State, continuation, read_state
from tests.support.checks import Look
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import Ecr, digest_of, entry
from tests.support.fakes import stack_event

MOST_QUEUED: Final = 1_048_576
"""Of bytes that Lambda queues (Developer Guide, "Lambda quotas"); 256 KiB formerly, and in some partitions still."""
MOST_EVENT: Final = 200_000


@pytest.fixture
def ecr() -> Ecr:
    return Ecr(FakeClock())


def looking(ecr: Ecr, *wanted: Wanted, known: Cache | None = None) -> Callable[[], tuple[Any, int]]:
    """Return what makes one check after another, and says what it found and how many calls that cost."""
    look = Look(ecr.registry(), wanted, known or Cache(), NOW)

    def budget() -> float:
        assert len(ecr.calls) < 20_000, "it reads without end"
        return 9.0

    def check() -> tuple[Any, int]:
        ecr.calls.clear()
        return look(archived_too=False, budget=budget), len(ecr.calls)

    return check


def one(**conditions: Any) -> Wanted:
    return Wanted("", ImageId("team/app", "v1", None), OWN, Conditions(**conditions))


# --- within a process


def test_nothing_of_twenty_indexes_for_six_platforms_is_read_twice(ecr: Ecr) -> None:
    platforms = [f"linux/{name}" for name in ("amd64", "arm64", "arm/v7", "386", "ppc64le", "s390x")]
    wanted = []
    for number in range(20):
        labels = {"build": "old" if number == 19 else "new"}
        ecr.push_index("team/app", f"v{number}", platforms=platforms, labels=labels, content=str(number))
        image = ImageId("team/app", f"v{number}", None)
        wanted.append(Wanted(f"I{number}", image, OWN, Conditions(Labels={"build": "newer"})))
    check = looking(ecr, *wanted)

    first, again = check(), check()

    assert isinstance(first[0], Several)
    assert first[0] == again[0]
    assert (first[1], again[1]) == (1 + 20 * 6 + 2 * 20, 1), "manifests and one config each; then BatchGetImage alone"


def test_an_index_of_indexes_with_more_images_than_are_remembered_is_judged_all_the_same(ecr: Ecr) -> None:
    inner = []
    for number in range(40):
        platforms = [f"linux/arm/v{number * 100 + n}" for n in range(MOST_ENTRIES)]
        digest = ecr.push_index("team/app", None, platforms=platforms, labels={"build": "new"})
        inner.append({"mediaType": OCI_INDEX, "digest": digest, "size": 1})
    ecr.put("team/app", "v1", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": inner}, OCI_INDEX)

    found, calls = looking(ecr, one(Labels={"build": "new"}))()

    assert isinstance(found, Image)
    assert calls < 500


def test_what_a_manifest_or_a_config_names_is_remembered_in_reasonable_length() -> None:
    long = "x" * 4_000_000
    platform = {"os": long, "architecture": long, "variant": long}

    index = read_manifest(json.dumps({"manifests": [{"digest": long, "mediaType": long, "platform": platform}]}), "")
    single = read_manifest(json.dumps({"mediaType": long, "config": {"digest": long, "mediaType": long}}), "")
    config = read_config(json.dumps({**platform, "config": {"Labels": {"a": long}}}).encode(), ["a"])

    assert max(map(len, map(str, (index, single, config)))) < 3000
    assert config.labels == {"a": "x" * (MOST_LABEL_CHARACTERS + 1)}


def test_attestations_take_no_place_among_an_indexs_entries() -> None:
    """An attestation stands beside each image, or they all stand before them."""
    attestations = [entry(digest_of(str(n)), "unknown/unknown") for n in range(MOST_ENTRIES)]
    image = entry(digest_of("image"), "linux/arm64")

    index = read_manifest(json.dumps({"manifests": [*attestations, image]}), OCI_INDEX)

    assert index.entries == (Entry(digest_of("image"), OCI_MANIFEST, Platform("linux", "arm64")),)


def test_of_a_thousand_entries_the_first_fifty_are_kept() -> None:
    entries = [entry(digest_of(str(number)), f"linux/arm/v{number}") for number in range(1000)]

    index = read_manifest(json.dumps({"manifests": entries}), OCI_INDEX)

    assert [each.digest for each in index.entries] == [each["digest"] for each in entries[:MOST_ENTRIES]]


# --- across a hand-over


def state(known: Cache) -> State:
    return State(NOW, NOW + 1800, Progress(due=NOW), known)


def handed_over(known: Cache, **event: Any) -> tuple[Cache, int]:
    """Return what arrives of it, and the size of the event."""
    payload = json.dumps(continuation(stack_event(**event), state(known))).encode()
    return read_state(json.loads(payload)[STATE_KEY], NOW).known, len(payload)


def digests() -> Callable[[], str]:
    numbers = count()
    return lambda: digest_of(str(next(numbers)))


def labelled(images: int, character: str) -> Cache:
    """Return what is known of images with twenty labels of the greatest length each."""
    new = digests()
    labels = {f"org.example.label{n}": character * (MOST_LABEL_CHARACTERS + 1) for n in range(20)}
    return Cache(configs={new(): Config(Platform("linux", "arm64"), labels) for _ in range(images)})


def indexes(images: int, entries: int) -> Cache:
    new = digests()
    listed = tuple(Entry(new(), OCI_MANIFEST, Platform("linux", "arm64")) for _ in range(entries))
    return Cache(manifests={new(): Manifest(OCI_INDEX, entries=listed) for _ in range(images)})


@pytest.mark.parametrize(
    "known",
    [labelled(100, "x"), labelled(20, "\U0001f600"), indexes(100, 50), indexes(1000, 50)],
    ids=["100 images", "20 images, each character twelve bytes", "100 indexes", "1000 indexes"],
)
def test_whatever_is_known_a_continuation_is_no_longer_than_lambda_takes(known: Cache) -> None:
    arrived, size = handed_over(known)

    assert size < MOST_EVENT
    assert arrived == Cache(), "it is read again"


@pytest.mark.parametrize("entries", [8, 50, 300])
def test_an_event_below_the_most_carries_what_is_known_and_one_above_does_not(entries: int) -> None:
    """Where both fit to the byte, both are carried."""
    known = indexes(10, entries)
    room = MOST_EVENT - len(json.dumps(continuation(stack_event(), state(known)))) if entries < 300 else 0
    padding = [{"ResourceProperties": {"Trigger": "x" * (room + more)}} for more in (-1000, 1000)]

    sizes = [handed_over(known, **event) for event in padding]

    assert [arrived == known for arrived, _ in sizes] == [entries < 300, False]
    assert max(size for _, size in sizes) <= MOST_EVENT or entries < 300


def test_beside_a_long_event_less_is_carried() -> None:
    """Twenty images with twenty labels of the greatest length each, now and before the update."""
    labels = {f"org.example.label{n}": "x" * MOST_LABEL_CHARACTERS for n in range(20)}
    properties = {"Images": [{"Id": f"I{n}", "ImageUri": "x" * 700, "Labels": labels} for n in range(20)]}

    arrived, size = handed_over(labelled(20, "x"), ResourceProperties=properties, OldResourceProperties=properties)

    assert (arrived, size < MOST_QUEUED) == (Cache(), True)


@pytest.mark.parametrize("known", [Cache(), indexes(20, 8), labelled(9, "x")], ids=["nothing", "indexes", "labels"])
def test_what_a_usual_wait_knows_arrives_whole(known: Cache) -> None:
    known.pushed["sha256:a"] = NOW

    assert handed_over(known)[0] == known


def test_labels_that_are_no_valid_unicode_arrive_as_they_were() -> None:
    odd = read_config(b'{"config": {"Labels": {"a": "\\ud800", "b": "\\u0000"}}}', ["a", "b"])

    assert handed_over(Cache(configs={"sha256:a": odd}))[0].configs == {"sha256:a": odd}


# --- labels and platforms of all sorts


@pytest.mark.parametrize(
    "labels",
    [None, [], "abc", 5, {"build": None}, {"build": 5}, {"build": ["new"]}, {"build": {"new": 1}}, {"BUILD": "new"}],
)
def test_labels_that_are_no_strings_are_not_the_wanted_ones(ecr: Ecr, labels: Any) -> None:
    push_config(ecr, {"os": "linux", "architecture": "arm64", "config": {"Labels": labels}})

    assert isinstance(looking(ecr, one(Labels={"build": "new"}))()[0], NotYet)


def push_config(ecr: Ecr, config: dict[str, Any]) -> None:
    """Push an image with this config."""
    blob = json.dumps(config).encode()
    ecr.repository("team/app").blobs[digest_of(blob)] = blob
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1, "digest": digest_of(blob)}
    ecr.put("team/app", "v1", {"schemaVersion": 2, "config": described, "layers": []}, OCI_MANIFEST)


@pytest.mark.parametrize(
    ("config", "wanted", "kind"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64", Image),
        ({"os": "linux", "architecture": "arm64"}, "linux/arm64/v8", Image),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7", Image),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm", Image),
        ({"os": "linux", "architecture": "arm", "variant": "v6"}, "linux/arm/v7", NotDeployable),
        ({"os": "linux", "architecture": "arm"}, "linux/arm/v7", Image),
        ({"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1"}, "windows/amd64", Image),
        ({"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1"}, "linux/amd64", NotDeployable),
        ({"os": None, "architecture": ["arm64"]}, "linux/arm64", NotDeployable),
        ({}, "linux/arm64", NotDeployable),
    ],
    ids=str,
)
def test_a_platform_is_judged_by_what_the_config_says_of_it(
    ecr: Ecr, config: dict[str, Any], wanted: str, kind: type
) -> None:
    push_config(ecr, config)

    found: Finding = looking(ecr, one(Platform=wanted))()[0]

    assert isinstance(found, kind)


def test_of_several_windows_versions_in_an_index_the_first_is_the_one(ecr: Ecr) -> None:
    entries = []
    for version in ("10.0.20348.1", "10.0.17763.1"):
        digest = ecr.push("team/app", None, platform="windows/amd64", content=version)
        platform = {"os": "windows", "architecture": "amd64", "os.version": version}
        entries.append({**entry(digest, "windows/amd64"), "platform": platform})
    ecr.put("team/app", "v1", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, OCI_INDEX)

    found = looking(ecr, one(Platform="windows/amd64"))()[0]

    assert isinstance(found, Image)
    assert found.platform_digest == entries[0]["digest"]


# --- what moved since it was found


def test_a_public_tag_that_moves_while_others_are_waited_for_is_answered_as_it_is_in_the_end(ecr: Ecr) -> None:
    public = Source(region="us-east-1", host="public.ecr.aws", alias="shop")
    ecr.push("team/app", "v1", content="first", region="public")
    ecr.repository("team/app")
    check = looking(
        ecr,
        Wanted("Theirs", ImageId("team/app", "v1", None), public, Conditions()),
        Wanted("Ours", ImageId("team/app", "v1", None), OWN, Conditions()),
    )
    check()

    moved = ecr.push("team/app", "v1", content="second", region="public")
    ecr.push("team/app", "v1")
    found = dict(check()[0].findings)

    assert isinstance(found["Theirs"], Image)
    assert found["Theirs"].digest == moved
