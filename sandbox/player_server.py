"""The rules of `player` behind a real server on loopback."""

import threading
from collections.abc import Callable, Mapping

import trustme

from ecr_image_waiter.aws.clients import SystemClock

from .player import RESET, CloudFormation, Event, Operation, Put
from .serving import Service, Whole


class Player(CloudFormation, Service):
    """CloudFormation, to be reached. Use it as a context manager, from as many threads as you like.

    Args:
        invoke: hands an event to the function, by an asynchronous invocation for one; it runs in a thread of its own.
        tls: https in place of http, with a certificate that `ca_pem` vouches for.
    """

    def __init__(self, invoke: Callable[[Event], None], *, tls: bool = False) -> None:
        self._invoke = invoke
        authority = trustme.CA()
        self.ca_pem = authority.cert_pem.bytes()
        Service.__init__(self, authority=authority if tls else None)
        CloudFormation.__init__(self, self._invoke_later, SystemClock(), base_url=self.url)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole | None:
        """Take a response."""
        verdict = self.receive(Put(method, target, headers, body, self.clock.now()))
        return None if verdict.status == RESET else (verdict.status, [], b"")

    def _invoke_later(self, operation: Operation) -> None:
        threading.Thread(target=self._invoke, args=(operation.event,), daemon=True).start()
