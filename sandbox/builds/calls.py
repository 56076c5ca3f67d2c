"""What both services have in common: where a call takes place, refusals, pages and tokens. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sandbox.ecr.contents import Answer, Refused, Request

__all__ = ["PAGE", "TOKEN_SECONDS", "Answer", "Context", "Place", "Refused", "Request", "Tokens", "page"]

TOKEN_SECONDS: Final = 300.0
"""How long the token of a request that starts a run is remembered."""
PAGE: Final = 100
"""The most that a list returns at once."""


class Place(NamedTuple):
    """Where a call takes place."""

    account: str
    region: str


@dataclass(frozen=True)
class Context:
    """Of a call: where it takes place, when in seconds since 1970 UTC, who calls, and the project it names, if any."""

    place: Place
    now: float
    caller: str
    project: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Known:
    at: float
    request: Request
    run: str


@dataclass
class Tokens:
    """The runs that were started with a token, for as long as their service remembers it.

    Args:
        mismatch: the error's code when a token comes again with another request.
    """

    mismatch: str
    _known: dict[tuple[Place, str], _Known] = field(default_factory=dict)

    def find(self, context: Context, token: str | None, request: Request) -> str | None:
        """Return the id of the run that a request with this token has started already."""
        known = self._known.get((context.place, token or ""))
        if known is None or context.now - known.at >= TOKEN_SECONDS:
            return None
        if known.request != request:
            raise Refused(self.mismatch, "The token was used before by a request with other parameters")
        return known.run

    def forget(self, name: str) -> None:
        """Remember no token any more that came with a request about a project or a pipeline of this name."""
        named = {key: known.request.get("projectName", known.request.get("name")) for key, known in self._known.items()}
        self._known = {key: known for key, known in self._known.items() if named[key] != name}

    def keep(self, context: Context, token: str | None, request: Request, run: str) -> None:
        if token:
            self._known[context.place, token] = _Known(context.now, request, run)


def page(items: list[Any], request: Mapping[str, Any], member: str, error: str) -> Answer:
    """Return a page of a list, with the token of the next one. `error`: the code where the token is not one."""
    token = request.get("nextToken") or "0"
    if not token.isdecimal():
        raise Refused(error, "The next token is not one that was returned")
    start = int(token)
    end = start + min(request.get("maxResults", PAGE), PAGE)
    return {member: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}
