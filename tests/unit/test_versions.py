"""The waiter may be upgraded or taken back by a version while waits are under way: each ends as if nothing had been."""

import importlib.util
import itertools
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

import pytest

from ecr_image_waiter.core.model import OWN
from ecr_image_waiter.core.state import STATE_KEY, continuation, read_state
from sandbox.processes import ROOT
from tests.support.clock import NOW
from tests.support.fakes import PROPERTIES, REPOSITORY_URI, aws_error, stack_event
from tests.support.world import FOUND, World

RECORDED: Final = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "continuations").glob("*.json"))
}
OLDER: Final = ROOT / "tests" / "continuations" / "older.zip"
OLDERS_FORM: Final = "4-lost-replies"
DROPPED: Final = {"progress.forward"}
"""Fields that nothing reads any more; a version that reads them takes their defaults."""
NOT_FOUND: Final = aws_error("ImageNotFoundException")
THROTTLED: Final = aws_error("ThrottlingException")
LONGEST: Final = {**PROPERTIES, "MaxRetries": "3600"}


def names(value: object, at: str = "") -> set[str]:
    """Return the path of each key of nested objects."""
    if not isinstance(value, dict):
        return set()
    return {f"{at}{key}" for key in value}.union(*(names(each, f"{at}{key}.") for key, each in value.items()))


# --- Recorded continuations -----------------------------------------------------------------------------------------


def waiting(recorded: dict[str, Any], *script: Any) -> World:
    """Return a world at the time of a recorded continuation. Its URL is one of a user's own machine."""
    world = World(*script, any_host=True)
    world.clock.time = recorded[STATE_KEY]["progress"]["due"] - 1
    return world


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_wait_goes_on_to_its_own_limit_counts_on_and_finds_its_image(name: str) -> None:
    recorded = RECORDED[name]
    state = recorded[STATE_KEY]
    world = waiting(recorded, NOT_FOUND)

    world.run_to_the_end(recorded)

    checks = state["progress"]["checks"] + len(world.lines_of("checked"))
    assert len(world.lines_of("checked")) >= 2
    assert world.clock.now() == state["limit"]
    assert f"({checks} checks)" in world.response["Reason"]

    world = waiting(recorded, FOUND)
    world.run(recorded)
    assert world.response["Status"] == "SUCCESS"
    assert world.response["Data"]["Attempts"] == str(state["progress"]["checks"] + 1)


def test_each_form_has_the_fields_of_the_one_before_and_the_last_is_todays() -> None:
    forms = [names(recorded[STATE_KEY]) for recorded in RECORDED.values()]

    assert len(forms) >= 5
    assert all(earlier - DROPPED < later | DROPPED for earlier, later in itertools.pairwise(forms))
    assert not forms[-1] & DROPPED
    today = list(RECORDED.values())[-1]
    event = {key: value for key, value in today.items() if key != STATE_KEY}
    written = continuation(event, read_state(today[STATE_KEY], NOW + 86_400))
    assert names(written[STATE_KEY]) == forms[-1], "a new form of the state is recorded under the next number"


# --- Two versions ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the name under which the older version can be imported beside today's."""
    folder = tmp_path_factory.mktemp("older")
    with zipfile.ZipFile(OLDER) as archive:
        archive.extractall(folder)  # of this repository
    package = folder / "ecr_image_waiter"
    name = "older_ecr_image_waiter"
    found = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    yield name
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]


class TwoVersions(World):
    """A world in which the older version runs as well: as the first process, the second, or every other one."""

    def __init__(self, older: str, *script: Any, **options: Any) -> None:
        self._older = older
        super().__init__(*script, **options)
        self.newer_waiter, self.older_waiter = self.waiter, self._build_older()

    def _module(self, name: str) -> ModuleType:
        return import_module(f"{self._older}.{name}")

    def _build_older(self) -> Any:
        return self._module("handler").Waiter(
            registry=self._module("registry").Registry(
                lambda seconds: self.ecr.client(OWN, seconds), lambda *_: REPOSITORY_URI, self.clock
            ),
            stacks=self._module("stacks").Stacks(self.stacks.within),
            hand_over=self._module("continuation").HandOver(self.lambda_within),
            courier=self._module("response").Courier(self.transport, self.clock),
            logger=self.waiter.tools.logger,
            clock=self.clock,
            random=Random(1),  # noqa: S311  # any seed
            dns_suffix="amazonaws.com",
            any_host=False,
        )

    def run_in_turn(self, event: dict[str, Any], versions: str) -> str:
        """Run a wait to its end, each invocation in the version that `versions` says, the last of which goes on.

        Returns:
            Which versions ran: o for the older, n for the newer.
        """
        ran = ""
        pending = [event]
        while pending:
            version = versions[min(len(ran), len(versions) - 1)]
            self.waiter = self.older_waiter if version == "o" else self.newer_waiter
            before = len(self.functions.calls)
            self.run(pending.pop())
            pending += self.functions.events[before:]
            ran += version
        return ran


TURNS: Final = {"an upgrade": "onnn", "one taken back": "nooo", "both, several times": "onon"}


def test_the_older_version_is_another_one(older: str) -> None:
    folder = Path(str(import_module(older).__file__)).parent

    assert not (folder / "builds.py").exists()
    world = TwoVersions(older, NOT_FOUND)
    world.run_in_turn(stack_event(), "on")
    first = world.functions.events[0][STATE_KEY]
    assert names(first) == names(RECORDED[OLDERS_FORM][STATE_KEY])


@pytest.mark.parametrize("turns", TURNS)
def test_the_longest_wait_across_two_versions_keeps_its_limit_and_counts_on(older: str, turns: str) -> None:
    world = TwoVersions(older, *[THROTTLED] * 3, NOT_FOUND)

    ran = world.run_in_turn(stack_event(ResourceProperties=LONGEST), TURNS[turns])

    assert len(ran) == 4
    assert world.clock.now() == NOW + 3360
    assert [event[STATE_KEY]["progress"]["hops"] for event in world.functions.events] == [1, 2, 3]
    assert {event[STATE_KEY]["limit"] for event in world.functions.events} == {NOW + 3360}
    checks = len([line for line in world.lines if "Checked " in line["message"]])
    assert re.search(rf"\b{checks} (checks|times)", world.response["Reason"])
    assert re.search("3 (of them )?unanswered", world.response["Reason"])


@pytest.mark.parametrize("turns", TURNS)
def test_an_image_that_comes_after_the_other_version_took_over_is_found_once(older: str, turns: str) -> None:
    world = TwoVersions(older, *[NOT_FOUND] * 50, FOUND)

    ran = world.run_in_turn(stack_event(), TURNS[turns])

    assert len(ran) == 2
    assert (world.response["Status"], world.response["Data"]["Attempts"]) == ("SUCCESS", "50")


def test_an_event_that_comes_again_to_the_other_version_names_the_same_resource(older: str) -> None:
    worlds = [TwoVersions(older, FOUND), TwoVersions(older, FOUND)]
    for world, version in zip(worlds, "on", strict=True):
        world.run_in_turn(stack_event(), version)

    assert worlds[0].response["PhysicalResourceId"] == worlds[1].response["PhysicalResourceId"]
