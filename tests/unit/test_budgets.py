"""How long one check takes when each of its calls takes all its time: never what the invocation needs afterwards."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import pytest

from ecr_image_waiter.builds import Own
from ecr_image_waiter.findings import Image, Unavailable
from ecr_image_waiter.invocation import Invocation
from ecr_image_waiter.logs import make_logger
from ecr_image_waiter.properties import read_properties
from ecr_image_waiter.readiness import Known
from ecr_image_waiter.registry import Registry
from ecr_image_waiter.slice import Slice, Tools
from ecr_image_waiter.stacks import Stacks
from ecr_image_waiter.waiting import bounds_for_stack
from tests.fakes import NOW, FakeClock, FakeCloudFormation, FakeContext, aws_error
from tests.memory_ecr import MemoryEcr

PUBLIC: Final = {"ImageUri": "public.ecr.aws/shop/team/app:v1"}
PRIVATE: Final = {"RepositoryName": "team/app", "ImageTag": "v1"}
LABELS: Final = {"Labels": {"build": "new"}}
TIMEOUTS: Final = (900.0, 150.0, 60.0, 10.0, 3.0)


class Slow:
    """Every call of a client takes all its time, and then has an answer."""

    def __init__(self, client: Any, seconds: float, clock: FakeClock) -> None:
        self._client = client
        self._seconds = seconds
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        self._clock.time += max(self._seconds, 0.0)
        return getattr(self._client, name)


class World:
    """An ECR in which everything takes as long as it may."""

    def __init__(self, timeout: float) -> None:
        self.clock = FakeClock()
        self.ecr = MemoryEcr(self.clock)
        self.invocation = Invocation(FakeContext(self.clock, timeout), NOW)
        self.bounds = bounds_for_stack(NOW, 3600.0, 3600.0)
        quick = self.ecr.registry()
        self.registry = Registry(
            lambda source, seconds: Slow(quick._client(source, seconds), seconds, self.clock),
            quick._uri,
            self.clock,
            self,
        )

    def get(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        self.clock.time += seconds
        return self.ecr.get(url, most_bytes=most_bytes, seconds=seconds)

    def check(self, properties: dict[str, Any], known: Known | None = None, *, archived_too: bool = True) -> Any:
        cloud = FakeCloudFormation()
        tools = Tools(self.registry, Stacks(cloud.within), {}, make_logger(), self.clock, Random(0))  # noqa: S311  # a test's
        wanted = read_properties(properties, self.invocation.place)
        piece = Slice(tools, wanted, self.bounds, self.invocation, known=known or Known(), own=Own())
        return piece._look(archived_too)


def several(count: int, **more: Any) -> dict[str, Any]:
    return {
        "Images": [{"Id": f"I{n}", "RepositoryName": f"r{n % 7}0", "ImageTag": f"v{n}", **more} for n in range(count)]
    }


WANTED: Final[Sequence[dict[str, Any]]] = [
    PRIVATE,
    PUBLIC,
    PRIVATE | LABELS | {"Platform": "arm64", "DeployTarget": "Lambda"},
    PUBLIC | {"PushedAfter": "StackOperation"},
    several(20),
    several(20, **LABELS),
    {"Images": [{"Id": f"I{n}", "ImageUri": f"public.ecr.aws/shop/team/app:v{n}"} for n in range(20)]},
]


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("at_end", [False, True], ids=["beginning", "end of slice"])
@pytest.mark.parametrize("archived_too", [False, True])
@pytest.mark.parametrize("pushed", [False, True], ids=["missing", "there"])
@pytest.mark.parametrize("properties", WANTED, ids=range(len(WANTED)))
def test_a_check_leaves_half_of_the_time_for_the_hand_over_or_the_answer(
    *, properties: dict[str, Any], pushed: bool, archived_too: bool, at_end: bool, timeout: float
) -> None:
    world = World(timeout)
    for name, region in [
        ("team/app", "eu-west-1"),
        ("team/app", "public"),
        *((f"r{n}0", "eu-west-1") for n in range(7)),
    ]:
        world.ecr.repository(name, region)
    if pushed:
        world.ecr.push("team/app", "v1", labels={"build": "new"})
        world.ecr.push("team/app", "v1", region="public")
        for number in range(20):
            world.ecr.push_index(f"r{number % 7}0", f"v{number}", labels={"build": "new"}, content=str(number))
    if at_end:
        world.clock.time = world.invocation.slice_ends
    began = world.clock.now()
    left = world.invocation.left(began, world.bounds)

    world.check(properties, archived_too=archived_too)

    assert world.clock.now() - began <= left / 2 + 0.2


def test_what_a_check_had_no_time_to_read_the_next_one_reads() -> None:
    world = World(900.0)
    world.ecr.push_index("team/app", "v1", platforms=[f"linux/arm/v{n}" for n in range(30)], labels={"build": "new"})
    known = Known()

    found = [world.check(PRIVATE | LABELS, known) for _ in range(12)]

    assert isinstance(found[0], Unavailable)
    assert found[0].code == "OutOfTime"
    assert isinstance(found[-1], Image)


def test_a_public_registry_that_did_not_answer_at_first_takes_no_more_time_later() -> None:
    world = World(10.0)
    world.ecr.push("team/app", "v1", region="public")
    world.ecr.faults["DescribeRegistries"] = aws_error("ServerException")
    assert isinstance(world.check(PUBLIC), Unavailable)
    del world.ecr.faults["DescribeRegistries"]
    world.clock.time = began = world.invocation.slice_ends

    world.check(PUBLIC, archived_too=False)

    assert world.clock.now() - began <= world.invocation.left(began, world.bounds) / 2


def test_the_fake_is_as_slow_as_it_says() -> None:
    world = World(900.0)

    world.registry.look(read_properties(PRIVATE).image, archived_too=False, seconds=7.0)

    assert world.clock.now() - NOW == 7.0
