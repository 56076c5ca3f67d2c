"""The clock of the machine, and a call that has no limit of its own, which gets one."""

import threading
import time
from datetime import UTC, datetime

import pytest

from ecr_image_waiter.aws.clients import SystemClock, within

LONG = 60.0
"""More than any test may take: what ends sooner was not waited out."""


class Boom(BaseException):
    """Not even an Exception."""


def test_the_clock_of_the_machine_goes_on_while_it_sleeps() -> None:
    clock = SystemClock()
    before = clock.now()

    clock.sleep(0.01)

    assert clock.now() - before > 0.009
    assert abs(before - datetime.now(UTC).timestamp()) < LONG


def test_what_a_call_returns_comes_back_and_the_call_does_not_keep_the_process() -> None:
    assert within(LONG, lambda: threading.current_thread().daemon) is True
    assert within(LONG, lambda: None) is None


@pytest.mark.parametrize("fault", [ValueError("x"), TimeoutError("the call's own"), Boom()], ids=repr)
def test_what_a_call_raises_comes_back_as_it_is(fault: BaseException) -> None:
    def call() -> None:
        raise fault

    with pytest.raises(type(fault)) as caught:
        within(LONG, call)

    assert caught.value is fault


@pytest.mark.parametrize("seconds", [0.05, 0.0, -1.0])
def test_a_call_that_does_not_end_is_left_when_its_time_is_up(seconds: float) -> None:
    release = threading.Event()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        within(seconds, lambda: release.wait(LONG))

    assert max(seconds, 0.0) <= time.monotonic() - began < LONG / 10
    release.set()


def test_a_fault_that_comes_when_the_time_is_up_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []

    def slow() -> None:
        threads.append(threading.current_thread())
        release.wait(LONG)
        raise RuntimeError("too late")

    with pytest.raises(TimeoutError):
        within(0.01, slow)
    release.set()
    threads[0].join(LONG)

    assert within(LONG, lambda: "mine") == "mine"
    assert capsys.readouterr() == ("", "")
