"""Which of many alike cases every run has."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

Case = TypeVar("Case")


def few_of(cases: Iterable[object], every: int = 10) -> list[object]:
    """Returns the cases for a parametrization: one of every ten for `make test`, the others for `make acceptance`."""
    return [pytest.param(case, marks=pytest.mark.slow) if n % every else case for n, case in enumerate(cases)]


def some_slow(cases: Iterable[Case], slow: Callable[[Case], bool]) -> list[object]:
    """Returns the cases for a parametrization, those that `slow` picks for `make acceptance` alone."""
    return [pytest.param(case, marks=pytest.mark.slow) if slow(case) else case for case in cases]
