"""Jobs that mostly wait, run side by side; each test collects one of them."""

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

import pytest

Key = TypeVar("Key", bound=Hashable)


def side_by_side(
    request: pytest.FixtureRequest,
    jobs: Mapping[Key, Callable[[], None]],
    at_once: int,
    needs: Mapping[Key, Key] | None = None,
) -> dict[Key, Future[None]]:
    """Start the jobs that the module's selected tests collect, in their order and so many at once, and return at once.

    A test collects the job whose key, or each part of whose key, is one of its parameters.

    Args:
        request: of the fixture that starts the jobs.
        jobs: what to run, by keys.
        at_once: how many of them.
        needs: the job that another one needs beside it, by the other's key.

    Returns:
        What will become of each; a failed assertion is raised where its result is asked for.
    """
    parameters = [
        set(item.callspec.params.values())
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    selected = {key for key in jobs for each in parameters if each.issuperset(key if isinstance(key, tuple) else {key})}
    selected |= {needed for key, needed in (needs or {}).items() if key in selected}
    queue: SimpleQueue[tuple[Future[None], Callable[[], None]]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                future, run = queue.get_nowait()
            except Empty:
                return
            try:
                run()
            except BaseException as error:  # noqa: BLE001  # pytest's failures are no Exceptions
                future.set_exception(error)
            else:
                future.set_result(None)

    futures: dict[Key, Future[None]] = {}
    for key, run in jobs.items():
        if key not in selected:
            continue
        futures[key] = Future()
        queue.put((futures[key], run))
    for _ in range(at_once):
        # Not a pool: one that hangs would be waited for when Python exits.
        threading.Thread(target=work, daemon=True).start()
    return futures
