"""The rules of `player` behind a real server on loopback."""

import threading
from collections.abc import Callable
from typing import Final, Self

from ecr_image_waiter.aws.clients import SystemClock
from ecr_image_waiter.core.deadline import Clock

from .authority import Authority
from .player import RESET, CloudFormation, Event, Operation, Put
from .serving import Handler, Server

_LONGEST_READ: Final = 1 << 20  # of a body, so that a runaway one is judged and not stored


class Player(CloudFormation):
    """CloudFormation, to be reached. Use it as a context manager, from as many threads as you like.

    Args:
        invoke: hands an event to the function, by an asynchronous invocation for one; it runs in a thread of its own.
        clock: the time.
        tls: https in place of http, with a certificate that `ca_pem` vouches for.
    """

    def __init__(self, invoke: Callable[[Event], None], clock: Clock | None = None, *, tls: bool = False) -> None:
        self._invoke = invoke
        self._authority = Authority()
        self._server = _Server(("127.0.0.1", 0), _Handler, self._authority.context() if tls else None)
        self._server.rules = self
        base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        super().__init__(self._invoke_later, clock or SystemClock(), base_url=base_url)

    @property
    def ca_pem(self) -> bytes:
        """The certificate to trust, for SSL_CERT_FILE in the function's environment."""
        return self._authority.pem

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _invoke_later(self, operation: Operation) -> None:
        threading.Thread(target=self._invoke, args=(operation.event,), daemon=True).start()


class _Server(Server):
    rules: CloudFormation


class _Handler(Handler):
    server: _Server
    timeout = 30

    def _take(self) -> None:
        body = self.read_body(_LONGEST_READ)
        rules = self.server.rules
        verdict = rules.receive(Put(self.command, self.path, dict(self.headers.items()), body, rules.clock.now()))
        if verdict.status == RESET:
            self.reset()
        else:
            self.reply(verdict.status)

    do_PUT = do_POST = do_GET = do_HEAD = do_DELETE = _take  # noqa: N815  # http.server's name for it
