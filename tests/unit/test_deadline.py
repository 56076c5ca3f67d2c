"""A call that has no limit of its own gets one."""

import threading
import time

import pytest

from ecr_image_waiter.clock import within

LONG = 60.0
"""More than any test may take: what ends sooner was not waited out."""


class Boom(BaseException):
    """Not even an Exception."""


def test_what_a_call_returns_comes_back() -> None:
    marker = object()

    assert within(LONG, lambda: marker) is marker
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


@pytest.mark.parametrize("late", ["result", "exception"])
def test_what_comes_when_the_time_is_up_is_dropped_and_disturbs_no_later_call(
    late: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release, done = threading.Event(), threading.Event()

    def slow() -> str:
        release.wait(LONG)
        threading.current_thread().name = "slow"
        done.set()
        if late == "exception":
            raise RuntimeError("too late")
        return "too late"

    with pytest.raises(TimeoutError):
        within(0.01, slow)
    release.set()
    assert done.wait(LONG)
    for thread in threading.enumerate():
        if thread.name == "slow":
            thread.join(LONG)

    assert within(LONG, lambda: "mine") == "mine"
    assert capsys.readouterr() == ("", "")


def test_a_call_left_behind_does_not_keep_the_process() -> None:
    seen: list[bool] = []

    within(LONG, lambda: seen.append(threading.current_thread().daemon))

    assert seen == [True]
