"""Bugs that the chaos suite must catch: each is planted in one function, and the suite runs until it says so.

A bug replaces a named function, in every module that has it, by a broken one that is made of the real one.

make planted
"""

import inspect
import json
import multiprocessing
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from unittest.mock import patch

from rich.console import Console

import last_resort
from ecr_image_waiter import (
    check,
    stack_questions,
    waiter,
)
from ecr_image_waiter.aws import cloudformation, ecr, self_invoke
from ecr_image_waiter.aws import errors as aws_errors
from ecr_image_waiter.cfn import event as cfn_event
from ecr_image_waiter.cfn import response
from ecr_image_waiter.core import deadline, manifests, messages, model, polling, state
from ecr_image_waiter.core.state import Outcome
from tests.chaos import suite

RUNS: Final = 2000
"""As many as a run of the suite has in continuous integration."""
FIRST: Final = 1

Function: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """A bug in a function: the attribute `name` of `owner`, a module or a class.

    `broken` makes the broken function from the real one.
    """

    title: str
    owner: Any
    name: str
    broken: Callable[[Function], Function]


BUGS: Final[list[Bug]] = []


def bug(title: str, owner: Any, name: str) -> Callable[[Callable[[Function], Function]], None]:
    """Make a bug of the function below."""

    def register(broken: Callable[[Function], Function]) -> None:
        BUGS.append(Bug(title, owner, name, broken))

    return register


# --- the start, the limit and the hand-over


@bug("the start is lost on a hand-over", state, "read_state")
def _(real: Function) -> Function:
    return lambda received, now: replace(real(received, now), start=now)


@bug("the limit moves at each hand-over", state, "continuation")
def _(real: Function) -> Function:
    return lambda event, carried: real(event, replace(carried, limit=carried.limit + 10))


@bug("a redelivered event starts its wait again", cfn_event, "start_of_wait")
def _(_: Function) -> Function:
    return lambda _started, now: now


@bug("the limit is off by the reserve", deadline, "bounds_for_stack")
def _(real: Function) -> Function:
    def broken(start: float, max_wait: float, service_timeout: float) -> Any:
        bounds = real(start, max_wait, service_timeout)
        return replace(bounds, limit=min(bounds.asked_limit, bounds.expires))

    return broken


@bug("the hand-over is dropped", self_invoke.HandOver, "with_retries")
def _(_: Function) -> Function:
    return lambda *_, **__: ""


@bug("a failed hand-over counts as made", self_invoke.HandOver, "with_retries")
def _(real: Function) -> Function:
    return lambda *args, **kwargs: real(*args, **kwargs) and ""


@bug("a failed hand-over is not answered", waiter.Waiter, "_hand_over")
def _(real: Function) -> Function:
    return lambda *args: real(*args) and None


@bug("a hand-over forgets how the wait stood", state, "read_state")
def _(real: Function) -> Function:
    def broken(received: object, now: float) -> Any:
        read = real(received, now)
        return replace(read, progress=state.Progress(due=read.progress.due, hops=read.progress.hops))

    return broken


@bug("a hand-over changes the event", state, "continuation")
def _(real: Function) -> Function:
    return lambda event, carried: real({**event, "ResourceType": "Custom::Image"}, carried)


@bug("no time is kept for the hand-over", deadline, "invocation_reserve")
def _(_: Function) -> Function:
    return lambda _timeout: 0.0


# --- what is found


@bug("an image found at the limit is not found", polling, "judge")
def _(real: Function) -> Function:
    def broken(backoff: Any, bounds: Any, progress: Any, found: Any, **moments: Any) -> Any:
        late = moments["began"] >= bounds.limit and isinstance(found, model.Image)
        return real(backoff, bounds, progress, model.NoImage() if late else found, **moments)

    return broken


@bug("throttling ends the wait", aws_errors, "finding_of")
def _(real: Function) -> Function:
    def broken(error: Exception) -> Any:
        found = real(error)
        throttled = isinstance(found, model.Unavailable) and found.code == "ThrottlingException"
        return model.Refused(found.code, found.message) if throttled else found

    return broken


def _older(kind: Any, seconds: float) -> Callable[[Function], Function]:
    """Let a streak look so much longer than it is."""

    def make(real: Function) -> Function:
        def broken(backoff: Any, bounds: Any, progress: Any, found: Any, **moments: Any) -> Any:
            if progress.streak is kind:
                progress = replace(progress, streak_since=progress.streak_since - seconds)
            return real(backoff, bounds, progress, found, **moments)

        return broken

    return make


bug("no grace for a new repository", polling, "judge")(_older(state.Streak.NO_REPOSITORY, 13.0))
bug("no grace for a new permission", polling, "judge")(_older(state.Streak.ACCESS_DENIED, 58.0))


@bug("a late invocation gives up without a check", polling, "wait")
def _(real: Function) -> Function:
    def broken(backoff: Any, bounds: Any, progress: Any, *memory: Any, **rest: Any) -> Any:
        if rest["clock"].now() > bounds.limit + 1.0:
            return state.GivenUp(state.Cause.TIME_UP, model.NoImage(), progress.checks)
        return real(backoff, bounds, progress, *memory, **rest)

    return broken


# --- what a pusher wrote


@bug("what others wrote leaves the process as it is", messages, "harmless")
def _(_: Function) -> Function:
    return lambda text: text


@bug("an odd name in an image's config ends in an exception", manifests, "_name")
def _(real: Function) -> Function:
    return lambda value, *rest: real(value.encode().decode() if isinstance(value, str) else value, *rest)


@bug("a label counts whatever its value is", manifests, "read_config")
def _(real: Function) -> Function:
    def broken(content: bytes, labels: Any) -> Any:
        config = real(content, labels)
        return replace(config, labels=dict.fromkeys(config.labels, "abc"))

    return broken


@bug("a manifest of any size is read", ecr.Registry, "_got")
def _(real: Function) -> Function:
    def broken(ecr: Any, image: Any, source: Any, got: Any) -> Any:
        manifest = got["imageManifest"]
        if len(manifest) > aws_errors.MOST_DOCUMENT_BYTES:
            manifest = json.dumps({**json.loads(manifest), "annotations": {}})
        return real(ecr, image, source, {**got, "imageManifest": manifest})

    return broken


@bug("a manifest that cannot be read counts as the image", check._ImageCheck, "_assessed")
def _(real: Function) -> Function:
    def broken(images: Any, one: Any, finding: Any) -> Any:
        assessed = real(images, one, finding)
        return finding if isinstance(assessed, model.NotDeployable) else assessed

    return broken


# --- the response


@bug("a delivery error is swallowed", waiter.Waiter, "_deliver")
def _(real: Function) -> Function:
    def broken(*args: Any) -> None:
        try:
            real(*args)
        except messages.DeliveryFailed:
            return

    return broken


@bug("a failed delivery is not logged", response.Courier, "deliver")
def _(real: Function) -> Function:
    def broken(*args: Any) -> Any:
        try:
            return real(*args)
        except messages.DeliveryFailed:
            raise messages.DeliveryFailed("not delivered") from None

    return broken


class _Trusting:
    """A transport that takes a fault for a delivery."""

    def __init__(self, transport: response.Transport, fault: str) -> None:
        self._transport = transport
        self._fault = fault

    def put(self, url: str, body: bytes, seconds: float) -> int:
        try:
            status = self._transport.put(url, body, seconds)
        except OSError:
            if self._fault == "connection":
                return 200
            raise
        return 200 if self._fault == "5xx" and status >= 500 else status


def _trusting(fault: str) -> Callable[[Function], Function]:
    def make(real: Function) -> Function:
        def broken(courier: Any, *args: Any) -> Any:
            return real(response.Courier(_Trusting(courier._transport, fault), courier._clock), *args)

        return broken

    return make


bug("a 5xx counts as delivered", response.Courier, "deliver")(_trusting("5xx"))
bug("a connection error of a delivery counts as delivered", response.Courier, "deliver")(_trusting("connection"))


@bug("the physical id is another one each time", response, "physical_id")
def _(real: Function) -> Function:
    return lambda asked: real(asked) if asked.physical_id else f"{asked.logical_id}-{uuid.uuid4()}"


@bug("an Update gets a new physical id", response, "physical_id")
def _(real: Function) -> Function:
    return lambda asked: real(replace(asked, physical_id=None))


@bug("a Delete is validated", waiter.Waiter, "_respond")
def _(real: Function) -> Function:
    def broken(ours: Any, asked: Any, invocation: Any) -> Any:
        if asked.type == "Delete":
            cfn_event.properties_of(asked, invocation.place)
        return real(ours, asked, invocation)

    return broken


@bug("the response URL is logged", waiter.Waiter, "_deliver")
def _(real: Function) -> Function:
    def broken(ours: Any, asked: Any, *rest: Any) -> None:
        ours._logger.info("Answering %s", asked.response_url)
        real(ours, asked, *rest)

    return broken


@bug("a Reason is empty", waiter.Part, "reason")
def _(_: Function) -> Function:
    return lambda *_: ""


# --- the stack


@bug("a rollback is not noticed", model, "rolls_back")
def _(_: Function) -> Function:
    return lambda _found: False


@bug("a rollback without its image fails", stack_questions.StackQuestions, "_response_in_rollback")
def _(real: Function) -> Function:
    def broken(*args: Any) -> Any:
        told = real(*args)
        return told if told.data["ImageDigest"] else response.Response("FAILED", "no image")

    return broken


@bug("an Update that began in doubt is left in its rollback", stack_questions.StackQuestions, "_certainly_rolls_back")
def _(_: Function) -> Function:
    return lambda *_: False


@bug("a question about a rollback gets one attempt", model, "is_answer")
def _(_: Function) -> Function:
    return lambda _found: True


@bug("a status of a moment before is believed", stack_questions.StackQuestions, "_certainly_rolls_back")
def _(real: Function) -> Function:
    def broken(ours: Any, asked: Any, *rest: Any) -> Any:
        stack = ours._ask(asked, rest[0])
        return model.rolls_back(stack) if model.is_answer(stack) else real(ours, asked, *rest)

    return broken


@bug(
    "an Update in doubt is answered FAILED before its time is used up",
    stack_questions.StackQuestions,
    "_certainly_rolls_back",
)
def _(real: Function) -> Function:
    def broken(*args: Any) -> Any:
        try:
            return real(*args)
        except messages.StackUnknown:
            return False

    return broken


@bug("a wait is abandoned although its stack waits", model, "still_waits")
def _(real: Function) -> Function:
    return lambda found, start: real(found, start) and getattr(found, "status", "") != "UPDATE_IN_PROGRESS"


@bug("a throttled question counts as nobody waiting", model, "still_waits")
def _(real: Function) -> Function:
    return lambda found, start: isinstance(found, model.StackSeen) and real(found, start)


@bug("an odd answer about the stack ends the wait", cloudformation.Stacks, "look")
def _(real: Function) -> Function:
    def broken(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        if isinstance(found, model.StackHidden) and found.code == "KeyError":
            raise KeyError("Stacks")
        return found

    return broken


@bug("nobody asks about the stack", polling, "first_ask")
def _(_: Function) -> Function:
    return lambda *_: state.NEVER


@bug("the stack is asked about all the time", polling, "next_ask")
def _(_: Function) -> Function:
    return lambda _found, now, random: now + random.uniform(5.0, 9.0)


@bug("a stack that was updated again still waits", cloudformation.Stacks, "look")
def _(real: Function) -> Function:
    def broken(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        return replace(found, updated_at=None) if isinstance(found, model.StackSeen) else found

    return broken


@bug("a stack that was ever updated waits no more", model, "still_waits")
def _(real: Function) -> Function:
    return lambda found, start: real(found, start) and getattr(found, "updated_at", None) is None


@bug("an abandoned wait ends in silence", waiter.Waiter, "_response_of_wait")
def _(real: Function) -> Function:
    def broken(*args: Any) -> Any:
        answer = real(*args)
        return None if answer and answer.ended and answer.ended.outcome == Outcome.ABANDONED else answer

    return broken


# --- the last resort


@bug("the last resort does not answer", last_resort, "deliver")
def _(_: Function) -> Function:
    return lambda *_: 0


@bug("the last resort gives up after one attempt", last_resort, "deliver")
def _(_: Function) -> Function:
    def broken(url: str, body: bytes, put: Function, _sleep: Function) -> int:
        with suppress(OSError):
            put(url, body)
        return 1

    return broken


@bug("the last resort does not ask about the stack", last_resort, "answer_for")
def _(real: Function) -> Function:
    return lambda event, put, sleep, _rolls_back: real(event, put, sleep, lambda _: False)


@bug("the last resort forgets the attributes of a rollback", last_resort, "attributes")
def _(_: Function) -> Function:
    return lambda *_: {}


@bug("the last resort leaves alone an event that never ran", last_resort, "answer_for")
def _(real: Function) -> Function:
    def broken(event: Any, *rest: Any) -> None:
        if event["requestContext"]["approximateInvokeCount"]:
            real(event, *rest)

    return broken


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
