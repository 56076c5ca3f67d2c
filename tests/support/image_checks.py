"""Checks of images, one after the other, without the wait around them."""

from collections.abc import Callable, Sequence
from typing import Any

from ecr_image_waiter.check import Checker
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.manifests import Cache
from ecr_image_waiter.core.model import ImagesFound, images_of
from ecr_image_waiter.core.state import Memory


class Allowed:
    """A deadline that allows each call what a function says."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds

    def per_call(self, _calls: int = 2) -> float:
        return self._seconds()


class ImageChecks:
    """The checks of one wait. Each goes on with what the one before it remembers."""

    def __init__(self, registry: Any, wanted: Sequence[Wanted], cache: Cache, start: float) -> None:
        self._checker = Checker(registry, wanted, start)
        self.memory = Memory(cache)

    def __call__(self, *, include_archived: bool, budget: Callable[[], float]) -> ImagesFound:
        deadline: Any = Allowed(budget)
        result = self._checker.check(self.memory, deadline, include_archived=include_archived)
        self.memory = result.memory
        return images_of(result.found)
