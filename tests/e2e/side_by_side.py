"""Jobs that mostly wait, run side by side; each test collects one of them."""

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def side_by_side(jobs: Mapping[Key, Callable[[], None]], at_once: int) -> dict[Key, Future[None]]:
    """Start jobs, in their order and so many at once, and return at once.

    Returns:
        What will become of each; a failed assertion is raised where its result is asked for.
    """
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
        futures[key] = Future()
        queue.put((futures[key], run))
    for _ in range(at_once):
        # Not a pool: one that hangs would be waited for when Python exits.
        threading.Thread(target=work, daemon=True).start()
    return futures
