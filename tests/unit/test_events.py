"""The events to try the waiter with do what docs/sam-local.md says of them, all but the network's part."""

import json
from typing import Any

import pytest

from ecr_image_waiter.cfn.event import StackRequest, read_event
from ecr_image_waiter.cfn.response import physical_id
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.messages import GaveUp
from ecr_image_waiter.core.state import STATE_KEY, continuation, read_state
from sandbox.processes import ROOT
from tests.support.clock import NOW
from tests.support.fakes import DIGEST, aws_error, details
from tests.support.world import World

EVENTS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")}
FOUND = details({"imageTags": ["latest"]})
NOT_FOUND = aws_error("ImageNotFoundException")


def local(*script: Any) -> World:
    """Return a world as `sam local invoke` makes it, which sets AWS_SAM_LOCAL: any host may be answered."""
    return World(*script, any_host=True)


def test_direct_returns_the_attributes_or_gives_up_after_ten_seconds() -> None:
    found = local(FOUND).run(EVENTS["direct"])
    missing = local(NOT_FOUND)

    with pytest.raises(GaveUp, match=r'^Timed out waiting .* for "app:latest" '):
        missing.run(EVENTS["direct"])

    assert found
    assert (found["ImageDigest"], found["RepositoryName"], found["ImageTag"]) == (DIGEST, "app", "latest")
    assert missing.clock.now() == NOW + 10


@pytest.mark.parametrize(("name", "tag"), [("create", "latest"), ("update", "v2")])
@pytest.mark.parametrize("found", [True, False])
def test_create_and_update_are_answered_at_once_or_after_ten_seconds(name: str, tag: str, *, found: bool) -> None:
    world = local(FOUND if found else NOT_FOUND)

    assert world.run(EVENTS[name]) is None

    assert world.response["Status"] == ("SUCCESS" if found else "FAILED")
    assert world.clock.now() == NOW + (0 if found else 10)
    assert found or world.response["Reason"].startswith("Timed out waiting ")
    assert ":4568/" in world.transport.puts[0][0]


def test_delete_succeeds_at_once() -> None:
    world = local(NOT_FOUND)

    world.run(EVENTS["delete"])

    assert (world.response["Status"], world.clock.sleeps, world.ecr.calls) == ("SUCCESS", [], [])


def test_continuation_comes_long_after_service_timeout_and_goes_on_with_times_of_today() -> None:
    late, world = local(NOT_FOUND), local(NOT_FOUND)
    for each in (late, world):
        each.clock.advance(86_400)
    event, now = EVENTS["continuation"], world.clock.now()
    # As the command for jq in docs/sam-local.md does.
    state = {**event[STATE_KEY], "start": now - 900, "limit": now + 60}
    state["progress"] = {**state["progress"], "due": now, "ask_due": now + 60}

    late.run(event)
    world.run({**event, STATE_KEY: state})

    assert "after ServiceTimeout" in late.response["Reason"]
    assert (world.response["Status"], world.clock.now()) == ("FAILED", now + 60)


def test_continuation_is_what_the_wait_of_create_would_hand_over() -> None:
    event = EVENTS["continuation"]
    state = read_state(event[STATE_KEY], NOW + 86_400)
    properties = read_properties(event["ResourceProperties"], None)

    assert {key: value for key, value in event.items() if key != STATE_KEY} == EVENTS["create"]
    assert event == continuation(EVENTS["create"], state)  # every field, under the name it has now
    assert state.limit == state.start + properties.max_wait
    assert state.start < state.progress.due <= state.limit
    assert 0 < state.progress.pause <= properties.RetryDelaySeconds


def test_the_events_of_cloudformation_are_of_one_resource() -> None:
    requests = [
        read_event(EVENTS[name], dns_suffix="amazonaws.com", any_host=True)
        for name in ("create", "update", "delete", "continuation")
    ]

    assert len({(each.stack_id, physical_id(each)) for each in requests if isinstance(each, StackRequest)}) == 1


@pytest.mark.parametrize("name", ["env", "env-none"])
def test_the_files_of_variables_name_the_function_of_the_template(name: str) -> None:
    assert EVENTS[name].keys() == {"WaiterFunction"}
