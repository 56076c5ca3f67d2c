"""What a wait remembers of manifests and configs, in a process and in a continuation."""

import json
from itertools import count
from typing import Any, Final

import pytest

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
from ecr_image_waiter.core.model import Platform
from ecr_image_waiter.core.state import STATE_KEY, Progress, State, continuation, read_state
from tests.support.clock import NOW
from tests.support.ecr import digest_of, entry
from tests.support.fakes import stack_event

MOST_EVENT: Final = 200_000
"""Bytes. Lambda queues 1 MiB; formerly, and in some partitions still, 256 KiB (Developer Guide, "Lambda quotas")."""
ARM64: Final = Platform("linux", "arm64")


def test_names_of_a_manifest_and_a_config_are_remembered_in_reasonable_length() -> None:
    long = "x" * 4_000_000
    platform = {"os": long, "architecture": long, "variant": long}

    index = read_manifest(json.dumps({"manifests": [{"digest": long, "mediaType": long, "platform": platform}]}), "")
    single = read_manifest(json.dumps({"mediaType": long, "config": {"digest": long, "mediaType": long}}), "")
    config = read_config(json.dumps({**platform, "config": {"Labels": {"a": long}}}).encode(), ["a"])

    assert max(map(len, map(str, (index, single, config)))) < 3000
    assert config.labels == {"a": "x" * (MOST_LABEL_CHARACTERS + 1)}


def test_the_first_fifty_entries_of_an_index_are_kept_and_no_attestations() -> None:
    attestations = [entry(digest_of(str(n)), "unknown/unknown") for n in range(MOST_ENTRIES)]
    entries = [entry(digest_of(str(number)), f"linux/arm/v{number}") for number in range(1000)]

    index = read_manifest(json.dumps({"manifests": [*attestations, *entries]}), OCI_INDEX)

    assert [each.digest for each in index.entries] == [each["digest"] for each in entries[:MOST_ENTRIES]]


# --- across a continuation


def state(known: Cache) -> State:
    return State(NOW, NOW + 1800, Progress(due=NOW), known)


def handed_over(known: Cache, **event: Any) -> tuple[Cache, int]:
    """Return what arrives of it, and the size of the event."""
    payload = json.dumps(continuation(stack_event(**event), state(known))).encode()
    return read_state(json.loads(payload)[STATE_KEY], NOW).known, len(payload)


def labelled(images: int, character: str) -> Cache:
    """Return the cache of images with twenty labels of the greatest length each."""
    labels = {f"org.example.label{n}": character * (MOST_LABEL_CHARACTERS + 1) for n in range(20)}
    return Cache(configs={digest_of(str(n)): Config(ARM64, labels) for n in range(images)})


def indexes(images: int, entries: int) -> Cache:
    digests = map(digest_of, map(str, count()))
    listed = tuple(Entry(next(digests), OCI_MANIFEST, ARM64) for _ in range(entries))
    return Cache(manifests={next(digests): Manifest(OCI_INDEX, entries=listed) for _ in range(images)})


@pytest.mark.parametrize(
    "known", [labelled(20, "\U0001f600"), indexes(1000, 50)], ids=["20 images, each character twelve bytes", "indexes"]
)
def test_a_continuation_is_no_longer_than_lambda_takes(known: Cache) -> None:
    arrived, size = handed_over(known)

    assert size < MOST_EVENT
    assert arrived == Cache(), "it is read again"


def test_an_event_below_the_greatest_length_carries_the_cache_and_one_above_does_not() -> None:
    known = indexes(10, 50)
    room = MOST_EVENT - len(json.dumps(continuation(stack_event(), state(known))))

    for more, carried in ((-1000, known), (1000, Cache())):
        arrived, size = handed_over(known, ResourceProperties={"Trigger": "x" * (room + more)})
        assert arrived == carried
        assert size <= MOST_EVENT


@pytest.mark.parametrize("known", [Cache(), indexes(20, 8), labelled(9, "x")], ids=["nothing", "indexes", "labels"])
def test_the_cache_of_a_usual_wait_arrives_whole(known: Cache) -> None:
    known.pushed["sha256:a"] = NOW

    assert handed_over(known)[0] == known


def test_labels_that_are_no_valid_unicode_arrive_as_they_were() -> None:
    odd = read_config(b'{"config": {"Labels": {"a": "\\ud800", "b": "\\u0000"}}}', ["a", "b"])

    assert handed_over(Cache(configs={"sha256:a": odd}))[0].configs == {"sha256:a": odd}
