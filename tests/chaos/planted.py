"""Bugs that the chaos suite must catch: each is planted in one function, and the suite runs until it says so.

A bug replaces a named function, in every module that has it, by a broken one made of the real one. The table has the
bugs that only a whole wait shows; mutmut plants those that a single function shows (tests/mutants.py).

make planted
"""

import inspect
import multiprocessing
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias
from unittest.mock import patch

from rich.console import Console

import last_resort
from ecr_image_waiter import stack_questions, waiter
from ecr_image_waiter.aws import cloudformation, self_invoke
from ecr_image_waiter.cfn import event as cfn_event
from ecr_image_waiter.cfn import response
from ecr_image_waiter.core import deadline, messages, model, polling, state
from tests.chaos import suite

RUNS: Final = 2000
"""As many as a run of the suite has in continuous integration."""
FIRST: Final = 1

Function: TypeAlias = Callable[..., Any]


class Bug(NamedTuple):
    """A bug in a function: the attribute `name` of `owner`, a module or a class.

    `broken` makes the broken function from the real one.
    """

    title: str
    owner: Any
    name: str
    broken: Callable[[Function], Function]


def _gives_up_late(real: Function) -> Function:
    def broken(backoff: Any, bounds: Any, progress: Any, *memory: Any, **rest: Any) -> Any:
        if rest["clock"].now() > bounds.limit + 1.0:
            return state.GivenUp(state.Cause.TIME_UP, model.NoImage(), progress.checks)
        return real(backoff, bounds, progress, *memory, **rest)

    return broken


def _swallows(kind: type[Exception], instead: object) -> Callable[[Function], Function]:
    """Take an exception for a result."""

    def make(real: Function) -> Function:
        def broken(*args: Any) -> Any:
            try:
                return real(*args)
            except kind:
                return instead

        return broken

    return make


def _logs_the_url(real: Function) -> Function:
    def broken(ours: Any, asked: Any, *rest: Any) -> None:
        ours.tools.logger.info("Answering %s", asked.response_url)
        real(ours, asked, *rest)

    return broken


def _believes_a_status(real: Function) -> Function:
    def broken(ours: Any, asked: Any, *rest: Any) -> Any:
        stack = ours.ask(asked, rest[0])
        return model.rolls_back(stack) if model.is_answer(stack) else real(ours, asked, *rest)

    return broken


def _knows_no_update(real: Function) -> Function:
    def broken(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        return replace(found, updated_at=None) if isinstance(found, model.StackSeen) else found

    return broken


def _abandons_in_silence(real: Function) -> Function:
    def broken(*args: Any) -> Any:
        answer = real(*args)
        return None if answer and answer.end and answer.end.outcome == state.Outcome.ABANDONED else answer

    return broken


def _tries_once(_: Function) -> Function:
    def broken(url: str, body: bytes, put: Function, _sleep: Function) -> int:
        with suppress(OSError):
            put(url, body)
        return 1

    return broken


HAND_OVER: Final = self_invoke.SelfInvoker
QUESTIONS: Final = stack_questions.StackQuestions
BUGS: Final = [
    # The start, the limit and the continuation.
    Bug("the limit moves at each hand-over", state, "continuation",
        lambda real: lambda event, carried: real(event, replace(carried, limit=carried.limit + 10))),
    Bug("a redelivered event starts its wait again", cfn_event, "believable_start", lambda _: lambda _signed, now: now),
    Bug("the continuation is lost", HAND_OVER, "hand_over", lambda _: lambda *_, **__: None),
    Bug("a failed hand-over counts as made", HAND_OVER, "hand_over",
        lambda real: lambda *args, **kwargs: real(*args, **kwargs) and None),
    Bug("no time is kept for the hand-over", deadline, "invocation_reserve", lambda _: lambda _timeout: 0.0),
    Bug("a late invocation gives up without a check", polling, "wait", _gives_up_late),
    # The response.
    Bug("what others wrote leaves the process as it is", messages, "harmless", lambda _: lambda text: text),
    Bug("a delivery error is swallowed", waiter.Waiter, "_deliver", _swallows(messages.DeliveryFailed, None)),
    Bug("the physical id is another one each time", response, "physical_id",
        lambda real: lambda asked: real(asked) if asked.physical_id else f"{asked.logical_id}-{uuid.uuid4()}"),
    Bug("the response URL is logged", waiter.Waiter, "_deliver", _logs_the_url),
    # The stack.
    Bug("a rollback is not noticed", model, "rolls_back", lambda _: lambda _found: False),
    Bug("an Update that began in doubt is left in its rollback", QUESTIONS, "_certainly_rolls_back",
        lambda _: lambda *_: False),
    Bug("a status of a moment before is believed", QUESTIONS, "_certainly_rolls_back", _believes_a_status),
    Bug("an Update in doubt is answered FAILED before its time is used up", QUESTIONS, "_certainly_rolls_back",
        _swallows(messages.StackUnknown, instead=False)),
    Bug("a wait is abandoned although its stack waits", model, "still_waits", lambda real: lambda found, start: (
        real(found, start) and getattr(found, "status", "") != "UPDATE_IN_PROGRESS")),
    Bug("nobody asks about the stack", polling, "first_ask", lambda _: lambda *_: state.NEVER),
    Bug("a stack that was updated again still waits", cloudformation.Stacks, "ask", _knows_no_update),
    Bug("an abandoned wait ends in silence", waiter.Waiter, "_response_or_failure", _abandons_in_silence),
    # The last resort.
    Bug("the last resort does not answer", last_resort, "deliver", lambda _: lambda *_: 0),
    Bug("the last resort gives up after one attempt", last_resort, "deliver", _tries_once),
    Bug("the last resort does not ask about the stack", last_resort, "answer_for",
        lambda real: lambda event, put, sleep, _rolls_back: real(event, put, sleep, lambda _: False)),
]  # fmt: skip


@contextmanager
def planted(bug: Bug) -> Iterator[int]:
    """Have a bug in the service for as long as the context lasts. Tells in how many places it is."""
    real = inspect.getattr_static(bug.owner, bug.name)
    broken = bug.broken(real)
    owners = [bug.owner]
    if inspect.ismodule(bug.owner):
        ours = [module for name, module in sys.modules.items() if name.startswith(("ecr_image_waiter", "last_resort"))]
        owners = [module for module in ours if getattr(module, bug.name, None) is real]
    with ExitStack() as patches:
        for owner in owners:
            patches.enter_context(patch.object(owner, bug.name, broken))
        yield len(owners)


def caught(bug: Bug, runs: int = RUNS) -> str:
    """Run the suite with a bug, and return how it was caught, nothing if it was not."""
    with planted(bug):
        for number, seed in enumerate(range(FIRST, FIRST + runs), 1):
            if found := suite.run(seed).violations:
                return f"run {number}, seed {seed}: {found[0]}"
    return ""


def _caught(number: int) -> str:
    return caught(BUGS[number])


def plant_all(console: Console) -> int:
    """Plant every bug, and say what became of it. Returns the exit status."""
    missed = 0
    # Not forked: each process has its own threads and loggers from the start.
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for each, how in zip(BUGS, pool.imap(_caught, range(len(BUGS))), strict=True):
            missed += not how
            console.print(f"{'caught' if how else 'NOT CAUGHT'}: {each.title}: {how}", markup=False)
    console.print(f"{len(BUGS) - missed} of {len(BUGS)} planted bugs caught, each within {RUNS} runs from seed {FIRST}")
    return 1 if missed else 0
