"""The machine's time: its clock, and a hard limit for a call that has none of its own."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the time as seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)


def within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call in a thread of its own and return what it returns, or raise what it raises.

    Socket timeouts count for each address of a name and for each read, and looking a name up has none: eight addresses
    that do not answer take eight times the timeout, and a peer that sends a byte now and then takes for ever.

    Args:
        seconds: how long it may take. A call that takes longer is left to itself: its result is dropped.
        call: what to run; it may still have its effect after the time is up.

    Raises:
        TimeoutError: the time is up.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as fault:  # noqa: BLE001  # handed to the caller, whatever it is
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if faults:
        raise faults[0]
    if not results:
        raise TimeoutError("the time is up")
    return results[0]
