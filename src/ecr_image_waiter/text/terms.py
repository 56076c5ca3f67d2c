"""What a Reason calls things, because whoever reads it has a template before them, or a command line. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of one face of the waiter.

    `named`: what a property is called. `switched_on`: how one that is true or false is set. `by_parameter`: with which
    parameter of the install something is granted, beginning with a blank; empty where there is no install. `again`:
    what to do when the cause is mended. `beforehand`: when to create what is missing. `waiter`: who must be allowed.
    `credentials`: what to check of credentials that AWS does not accept. `trusted`: whom a role's trust policy must
    name. `here`: from where AWS must be reached.
    """

    named: Callable[[str], str]
    switched_on: Callable[[str], str]
    by_parameter: Callable[[str], str]
    again: str
    beforehand: str
    waiter: str
    credentials: str
    trusted: str
    here: str


TEMPLATE: Final = Terms(
    named=str,
    switched_on=lambda name: f"set {name} to true",
    by_parameter=lambda name: f" with the waiter stack's parameter {name}",
    again="deploy again",
    beforehand="before this resource",
    waiter="the role of the waiter function",
    credentials="whether the role of the waiter function was replaced",
    trusted="the waiter's",
    here="the function",
)
"""Those of a stack that waits."""
