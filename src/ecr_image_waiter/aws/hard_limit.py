"""A hard limit for a call that has none of its own.

Socket time-outs count for each address of a name and for each read, and looking a name up has none: eight addresses
that do not answer take eight times the time-out, and a peer that sends a byte now and then takes for ever.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call in a thread of its own and return what it returns, or raise what it raises.

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
