"""Whatever comes in, there is one answer, one continuation or one clear refusal, and nothing else.

`make test` runs some examples, always the same ones; `make fuzz` runs 20,000 that it draws.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_image_waiter.cfn.properties import Properties
from ecr_image_waiter.core.builds import BuilderKind, BuildHidden
from ecr_image_waiter.core.manifests import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ecr_image_waiter.core.messages import GaveUp, InvalidRequest, UnusableEvent
from ecr_image_waiter.core.state import STATE_KEY
from sandbox.player import MAX_BODY_BYTES, Put, judge
from tests.support.clock import NOW
from tests.support.ecr import OCI_CONFIG, Ecr, digest_of
from tests.support.fakes import (
    DIGEST,
    REPOSITORY_URI,
    FakeCloudFormation,
    FakeLambda,
    FakeTransport,
    leaked,
    path_of,
    response_url,
    stack_event,
)
from tests.support.strategies import HUGE, JSON, NUMBERS, TEXT
from tests.support.world import IN_MEMORY, World

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "400"))
DRAWN: Final = "FUZZ_EXAMPLES" in os.environ
LONGEST_MESSAGE: Final = 5000
LONGEST_FAULT: Final = 400
"""Any one fault stays readable: its property, a clipped value and a line about what is allowed."""

run: Counter[str] = Counter()
read: Counter[str] = Counter()
Fuzz = Callable[[Callable[..., None]], Callable[..., None]]


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    yield
    print(f"\n{run.total()} examples: {dict(run)}; {dict(read)} read of what images say")


def share(of_all: float) -> Fuzz:
    """Returns the settings of a test that gets a share of the examples."""
    return settings(max_examples=max(int(EXAMPLES * of_all), 1), derandomize=not DRAWN)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draws objects that have some of these members."""
    return st.fixed_dictionaries({}, optional=members)


# What comes in.

ARM = {"os": "linux", "architecture": "arm64"}
ARN = "arn:aws:{}:eu-west-1:123456789012:{}"
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "RepositoryName": st.sampled_from(["team/app", "app", "Team/App", "a", "team//app", "app/", "x" * 257, " app", ""]),
    "ImageTag": st.sampled_from(["v1", "latest", "-v1", ".v1", "v" * 301, "v 1", "v1\n", "ü", ""]),
    "ImageDigest": st.sampled_from(
        [DIGEST, DIGEST.upper(), "sha256:", DIGEST[:-1], DIGEST + "a", "sha512:" + "a" * 128]
    ),
    **dict.fromkeys(("MaxRetries", "RetryDelaySeconds", "BackoffRate", "ServiceTimeout"), NUMBERS),
    "WaitForRepository": st.sampled_from(["true", "false", "True", "yes", "on", "1", "maybe", "", "truee"]),
    "Trigger": TEXT | HUGE,
    "ServiceToken": TEXT,
    "BuildProject": st.sampled_from(
        ["app", "app:1", "", ARN.format("codebuild", "project/app"), "arn:aws:", "x" * 151]
    ),
    "Pipeline": st.sampled_from(["app", "a b", "", ARN.format("codepipeline", "app"), "arn:aws:s3:::app", "x" * 101]),
    "StartBuild": st.sampled_from(["true", "false", True, "maybe", ""]),
    "RegistryId": st.sampled_from(["123456789012", 123456789012, "1234", "", "x" * 12]),
    "Region": st.sampled_from(["eu-west-1", "us-east-1", "cn-north-1", "Ireland", "eu-west-1a", ""]),
    "RoleArn": st.sampled_from([f"arn:aws{cn}:iam::999999999999:role/reader" for cn in ("", "-cn")] + ["arn:", ""]),
    "DeployTarget": st.sampled_from(["Lambda", "ECS", "lambda", ""]),
    "Platform": st.sampled_from(["linux/arm64", "arm64", "linux/arm/v7", "X86_64", "linux", "/", ""]),
    "Labels": st.dictionaries(TEXT, TEXT | JSON, max_size=3) | HUGE,
    "PushedAfter": st.sampled_from(
        ["StackOperation", "2026-11-01T12:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026", ""]
    ),
}
URIS = st.sampled_from(
    [
        *(f"{REPOSITORY_URI}:v1", f"{REPOSITORY_URI}@{DIGEST}", REPOSITORY_URI, "public.ecr.aws/shop/team/app:v1"),
        *("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/app:v1", "docker.io/team/app:v1", ""),
    ]
)
IDENTITY = ("RegistryId", "Region", "RoleArn", "DeployTarget", "Platform", "Labels", "PushedAfter")
ENTRIES = st.fixed_dictionaries(
    {"Id": st.text("abcXYZ019", min_size=1, max_size=64) | TEXT},
    optional={
        "RepositoryName": st.sampled_from(["team/app", "app", "Team"]),
        "ImageTag": st.sampled_from(["v1", "v2"]) | TEXT,
        "ImageUri": URIS,
        **{name: VALUES[name] for name in IDENTITY},
    },
)
NAMED = {"RepositoryName": VALUES.pop("RepositoryName"), "ImageTag": VALUES.pop("ImageTag")}
NEARLY = st.fixed_dictionaries(
    {"RepositoryName": st.just("team/app") | NAMED["RepositoryName"], "ImageTag": st.just("v1") | NAMED["ImageTag"]},
    optional={**VALUES, "ImageDigset": TEXT, "maxRetries": NUMBERS},
)
PROPERTY_SETS = st.one_of(
    NEARLY,
    st.tuples(NEARLY, st.dictionaries(st.sampled_from(sorted(VALUES)) | TEXT, JSON, max_size=3)).map(
        lambda two: {**two[0], **two[1]}
    ),
    st.fixed_dictionaries(
        {"Images": st.lists(ENTRIES | JSON, max_size=4) | st.lists(ENTRIES, min_size=18, max_size=22) | JSON},
        optional={"MaxRetries": NUMBERS, "RepositoryName": st.just("team/app"), "Trigger": TEXT},
    ),
    st.fixed_dictionaries({"ImageUri": URIS | TEXT}, optional=VALUES),
    JSON,
)
URLS = st.one_of(
    st.sampled_from([response_url(), response_url("evil.example"), response_url("evil.example\\.amazonaws.com")]),
    st.sampled_from(["", *(f"X-Amz-Date={date}" for date in ("99991231T235959Z", "19700101T000000Z", "", "ü"))]).map(
        lambda query: response_url(query=query)
    ),
    st.sampled_from([response_url(scheme="http"), "https://[::1", "https://x.amazonaws.com:99999/"]),
    JSON,
)
STATES = JSON | st.fixed_dictionaries(
    {
        "start": st.floats(NOW - 4000, NOW) | st.floats() | NUMBERS,
        "limit": st.floats(NOW, NOW + 4000) | st.floats() | NUMBERS,
        "progress": JSON
        | st.fixed_dictionaries(
            {"due": st.floats(NOW - 900, NOW + 900) | st.floats()},
            optional={
                **dict.fromkeys(("checks", "hops", "faults", "lost_replies"), st.integers(-1, 20)),
                **dict.fromkeys(("pause", "fault_pause", "run_since"), st.floats(-1, 1000)),
                **dict.fromkeys(("asked", "ask_due"), st.floats(NOW - 900, NOW + 900) | st.floats()),
                "run": st.sampled_from([None, "archived", "no-repository", "access-denied", "?"]),
            },
        ),
        "known": JSON
        | some(
            pushed=st.dictionaries(TEXT, st.floats() | JSON, max_size=2),
            manifests=st.dictionaries(st.just(DIGEST) | TEXT, JSON | some(media_type=TEXT), max_size=2),
            configs=st.dictionaries(st.just(DIGEST) | TEXT, JSON | some(platform=st.just(ARM)), max_size=2),
        ),
    }
)
# What a pusher pushes: manifests that nearly are some, with anything beside and within.
CONFIG_DIGEST = "sha256:" + "c" * 64
MEDIA_TYPES = st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX, OCI_CONFIG, ""]) | TEXT
ODD = JSON | TEXT | MEDIA_TYPES
PLATFORMS = ODD | some(
    **{name: ODD | st.sampled_from(["linux", "arm64"]) for name in ("os", "architecture", "variant")}
)
DIGESTS = st.sampled_from([CONFIG_DIGEST, DIGEST]) | ODD
PARTS = ODD | some(mediaType=MEDIA_TYPES | JSON, digest=DIGESTS, platform=PLATFORMS, annotations=JSON)
PADDING = st.sampled_from([0, 0, 0, 1000, 600_000, 3_000_000])
DOCUMENTS = some(
    mediaType=MEDIA_TYPES,
    artifactType=ODD,
    config=PARTS,
    manifests=st.lists(PARTS, max_size=4) | ODD,
    layers=st.lists(PARTS, max_size=2) | ODD,
    annotations=PADDING.map(lambda size: {"x": "y" * size}) | JSON,
    schemaVersion=st.sampled_from([1, 2]) | JSON,
)
PLAIN = {"config": {"mediaType": OCI_CONFIG, "digest": CONFIG_DIGEST}, "layers": []}
NEARLY_PLAIN = DOCUMENTS.map(lambda odd: {**odd, "artifactType": "", **PLAIN})
MANIFESTS = st.one_of(
    st.tuples(DOCUMENTS, MEDIA_TYPES),
    st.tuples(NEARLY_PLAIN, st.just(OCI_MANIFEST)),
    st.just((PLAIN, OCI_MANIFEST)),
    st.tuples(st.lists(PARTS, max_size=3).map(lambda parts: {"manifests": parts}), st.just(OCI_INDEX)),
)
LABELS = some(Labels=JSON | st.dictionaries(st.just("a") | TEXT, ODD))
HUGE_CONFIGS = [b"[" * 200_000, b'{"":' * 100_000, b"1" * 5000, b"[" + b"{}," * 150_000 + b"{}]", b'{"os": "\xff"}']
CONFIGS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(HUGE_CONFIGS),
    st.tuples(PLATFORMS, some(config=JSON | LABELS)).map(
        lambda two: json.dumps({**two[0], **two[1]} if isinstance(two[0], dict) else two[0]).encode()
    ),
)
ASKED = {"Platform": st.sampled_from(["arm64", "linux/arm/v7"]), "Labels": st.just({"a": "b"})}
CONDITIONS = st.fixed_dictionaries(ASKED) | some(
    **ASKED,
    DeployTarget=st.sampled_from(["Lambda", "ECS"]),
    PushedAfter=st.sampled_from(["StackOperation", "2020-01-01T00:00:00Z"]),
)
KEYS = sorted({*stack_event("Update"), "OldResourceProperties", "ServiceTimeout", "tf"})
KINDS = st.sampled_from(["Create", "Update", "Delete"])


@st.composite
def spoilt_events(draw: st.DrawFn) -> dict[str, Any]:
    """Events of CloudFormation's, of which some keys are missing or hold anything."""
    event = stack_event(draw(KINDS))
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        if draw(st.booleans()):
            event.pop(key, None)
        else:
            event[key] = draw(JSON)
    if draw(st.booleans()):
        event["ResponseURL"] = draw(URLS)
    if draw(st.booleans()):
        event[STATE_KEY] = draw(STATES)
    return event


# What comes of it.
_denied = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", "not authorized", denied=True)
_world = World(IN_MEMORY, builds=dict.fromkeys(BuilderKind, Mock(runs=Mock(return_value=_denied))))


def world(*, found: bool = True, back: bool = False, push: Callable[[World], object] = lambda _: None) -> World:
    """Return the one world, as if nothing had happened in it. A logger for each example would stay for ever."""
    _world.clock.time = NOW
    _world.clock.sleeps.clear()
    _world.ecr = Ecr(_world.clock)
    _world.ecr.repository("team/app")
    if found:
        _world.ecr.push_index("team/app", "v1", labels={"a": "b"}, attestations=True)
        _world.ecr.push("team/app", "v2", labels={"a": "b"})
    _world.functions = FakeLambda(None)
    _world.transport = FakeTransport()
    _world.stacks = FakeCloudFormation("UPDATE_ROLLBACK_IN_PROGRESS" if back else "UPDATE_IN_PROGRESS")
    push(_world)
    _world.empty_output()
    _world.restart()
    return _world


def is_direct(event: object) -> bool:
    return isinstance(event, dict) and not event.keys() & {"RequestType", "ResponseURL", "StackId", "RequestId"}


def settle(event: object, **options: Any) -> World:
    """Run an event and see that it ended in one of the ways that there are."""
    there = world(**options)
    try:
        returned = there.run(event)
    except UnusableEvent as refusal:
        refused(event, str(refusal), there)
        assert len(str(refusal)) <= LONGEST_FAULT  # noqa: PT017  # as below
        assert re.search("expected|received", str(refusal))  # noqa: PT017  # that it was raised is no claim here
    except (InvalidRequest, GaveUp) as refusal:
        refused(event, str(refusal), there)
        assert all(len(fault) <= LONGEST_FAULT for fault in getattr(refusal, "faults", ()))  # noqa: PT017  # as above
        assert is_direct(event)
    else:
        if is_direct(event):
            assert isinstance(returned, dict)
            assert all(isinstance(value, str) for value in returned.values())
            assert (there.transport.puts, there.functions.calls) == ([], [])
        else:
            assert isinstance(event, dict)
            assert returned is None
            assert len(there.transport.puts) + len(there.functions.calls) == 1
            answered(event, there)
    assert not shown(event, there.output)
    return there


def shown(event: object, text: str) -> list[str]:
    """Return the parts of the ResponseURL's query that a text shows, unless they stand elsewhere in the event too."""
    rest = {key: value for key, value in event.items() if key != "ResponseURL"} if isinstance(event, dict) else event
    return [part for part in leaked(text) if part not in repr(rest)]


def refused(event: object, message: str, there: World) -> None:
    assert 0 < len(message) < LONGEST_MESSAGE
    assert len(message.splitlines()) == 1
    assert not shown(event, message)
    assert (there.transport.puts, there.functions.calls) == ([], [])


def answered(event: dict[str, Any], there: World) -> None:
    for url, body, _ in there.transport.puts:
        assert url == event["ResponseURL"]
        target = url.removeprefix("https://").partition("/")[2]
        put = Put("PUT", f"/{target}", {"Content-Type": ""}, body, NOW)
        if path_of(url).startswith("/") and "#" not in url and url.isascii() and "?" in url:
            assert judge(event, put, sent=NOW, deadline=NOW + 1e9).refusal is None
        answer = json.loads(body)
        assert len(body) <= MAX_BODY_BYTES
        assert not shown(event, body.decode())
        assert (answer["Status"], answer["Reason"]) != ("FAILED", "")
        if event["RequestType"] == "Delete":
            assert answer["Status"] == "SUCCESS"
        assert len(answer["Reason"].splitlines()) <= 1


@share(0.2)
@given(JSON)
def test_any_json_is_answered_handed_over_or_refused(event: object) -> None:
    run["any JSON"] += 1
    settle(event)


@share(0.3)
@given(spoilt_events(), st.booleans())
def test_a_spoilt_event_is_answered_handed_over_or_refused(event: dict[str, Any], back: bool) -> None:  # noqa: FBT001
    run["spoilt events"] += 1
    settle(event, back=back)


@share(0.25)
@given(KINDS, PROPERTY_SETS)
def test_any_properties_are_answered_or_waited_on(kind: str, properties: object) -> None:
    run["properties"] += 1
    there = settle(stack_event(kind, ResourceProperties=properties))
    assert len(there.transport.puts) + len(there.functions.calls) == 1


@share(0.05)
@given(PROPERTY_SETS, st.booleans())
def test_no_properties_block_a_rollback(properties: object, found: bool) -> None:  # noqa: FBT001
    run["rollbacks"] += 1
    there = settle(stack_event("Update", ResourceProperties=properties), back=True, found=found)
    answer = json.loads(there.transport.puts[0][1])
    assert answer["Status"] == "SUCCESS" or "attributes exceed" in answer["Reason"]


@share(0.1)
@given(MANIFESTS, MANIFESTS, CONFIGS, CONDITIONS, st.sampled_from(["", "images", "direct", "back"]))
def test_whatever_an_image_says_of_itself_is_answered_in_harmless_words(
    manifest: Any, other: Any, config: bytes, conditions: dict[str, Any], way: str
) -> None:
    run["images"] += 1
    properties: dict[str, Any] = {"RepositoryName": "team/app", "ImageTag": "odd", "MaxRetries": "0", **conditions}
    if way == "images":
        entries = [{"Id": f"I{tag}", **properties, "ImageTag": tag} for tag in ("odd", "other", "v1")]
        properties = {"Images": [drop(entry, "MaxRetries") for entry in entries], "MaxRetries": "0"}
    event = properties if way == "direct" else stack_event("Update", ResourceProperties=properties)

    def push(there: World) -> None:
        digest = digest_of(config)
        there.ecr.repository("team/app").blobs[digest] = config
        for tag, (document, media_type) in (("odd", manifest), ("other", other)):
            named = json.loads(json.dumps(document).replace(CONFIG_DIGEST, digest))
            there.ecr.put("team/app", tag, named, media_type)

    there = settle(event, back=way == "back", push=push)

    read["configs"] += there.ecr.count("GET")
    assert there.ecr.count("BatchGetImage") < 100
    if way != "direct":
        answer = json.loads(there.transport.puts[0][1])
        assert all(text.isprintable() for text in [answer["Reason"], *answer["Data"].values()])
        assert answer["Status"] == "SUCCESS" or way != "back"
    for line in there.lines:
        assert line["message"].isprintable()


def drop(properties: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key != name}


@share(0.15)
@given(PROPERTY_SETS, st.none() | JSON)
def test_a_direct_invocation_returns_the_attributes_or_raises_one_clear_error(properties: object, tf: object) -> None:
    run["direct"] += 1
    event = {**properties, **({"tf": tf} if tf is not None else {})} if isinstance(properties, dict) else properties
    settle(event)


def test_every_property_is_fuzzed() -> None:
    assert Properties.model_fields.keys() <= {*VALUES, *NAMED, "ImageUri", "Images"}
