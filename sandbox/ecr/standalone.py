"""ECR alone, within this process: what tests of a module use that want no whole sandbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from .front import Front


@contextmanager
def standalone(make: Callable[[str], Front] = Front) -> Iterator[Front]:
    """Have an empty ECR, ECR Public and STS at `front.url`.

    moto keeps its state in the process, so that there can be only one at a time. `make` returns the front of its URL.
    """
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        with make(f"http://{host}:{port}") as front:
            front.reset()
            yield front
            front.reset()
    finally:
        moto.stop()
