"""`ecr-image-waiter`: the wait without CloudFormation and Lambda, and a single check.

From the command line to the exit status; what is decided on the way is decided by the modules that decide for Lambda.
"""

import math
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, TextIO

from ecr_image_waiter.check import Checker, FollowedBuild
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Clock, Deadline, bounds_for_direct
from ecr_image_waiter.core.messages import InvalidRequest, clipped, duration, harmless, times
from ecr_image_waiter.core.model import Awaited, Finding, Found, Place, Several, decisive, images_of
from ecr_image_waiter.core.polling import wait
from ecr_image_waiter.core.state import Cause, CheckResult, GivenUp, Memory, Progress, Ready
from ecr_image_waiter.core.uris import partition_of
from ecr_image_waiter.text.reasons import Reason, reason_of
from ecr_image_waiter.text.terms import seen, subject

from .arguments import Asked, asked, regions
from .connection import Connection, Misconfigured
from .github import annotation, outputs, summary
from .inspecting import inspect
from .options import PROGRAM, Line
from .results import Result, Seen, Status, laid_out, status_of_check, status_of_wait, without_images, written
from .screen import Standing
from .words import COMMAND

_OF_AN_ACCOUNT: Final = frozenset({Cause.NO_REPOSITORY, Cause.ACCESS_DENIED, Cause.BUILD_HIDDEN})
_LONGEST_SEEN: Final = 500  # characters: of many images a line tells the first, the result each


@dataclass(frozen=True)
class Edges:
    """The world around the command.

    `show`: shows how a command goes on, and gives what shows a line; its second argument says whether to be quiet.
    `width`: of the terminal that stderr is, 0 if it is none. `random` spreads the checks of waits that began together.
    `connect` is `connection.connect`. `publish` adds a text to the file that a variable names.
    """

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    show: Callable[[Standing, bool], AbstractContextManager[Callable[[str], None]]]
    width: int
    clock: Clock
    random: Random
    connect: Callable[..., Connection]
    publish: Callable[[str, str], None]


def run(line: Line, edges: Edges) -> Status:
    """Runs the command and returns its exit status. The result goes to stdout, all else to stderr."""
    now = 0.0
    try:
        connection, request = _understood(line, edges)
        command = _Wait if line.command == "wait" else _Check
        result = command(line, request, connection, edges).run()
        now = edges.clock.now()
    except InvalidRequest as error:
        return _wrong_usage(line, error.faults, edges)
    except KeyboardInterrupt:
        result = without_images(Status.INTERRUPTED, "Interrupted: there is no result", "interrupted")
    except Exception as error:
        said = f"The command failed ({type(error).__name__}); its traceback is on stderr"
        with suppress(OSError):
            _publish(line, without_images(Status.BROKEN, said, "broken"), edges, 0.0)
        raise
    _publish(line, result, edges, now)
    found = result.status is Status.FOUND
    if not (line.quiet if found else line.output == "github"):
        for each in laid_out(result.note, edges.width):
            _say(edges, each)
    return result.status


def _wrong_usage(line: Line, faults: Sequence[str], edges: Edges) -> Status:
    for usage in line.usage.rstrip().split("\n"):
        _say(edges, usage)
    numbered = len(faults) > 1
    for number, fault in enumerate(faults, 1):
        _say(edges, f"{PROGRAM}: error: {f'({number}) ' if numbered else ''}{fault}")
    if line.output == "github":
        _publish(line, without_images(Status.WRONG_USAGE, "; ".join(faults), "wrong-usage"), edges, 0.0)
    return Status.WRONG_USAGE


def _publish(line: Line, result: Result, edges: Edges, now: float) -> None:
    edges.stdout.write(written(result, line.output, now))
    if line.output == "github":
        edges.publish("GITHUB_OUTPUT", outputs(result))
        edges.publish("GITHUB_STEP_SUMMARY", summary(result))
        if result.status is not Status.FOUND:
            edges.stdout.write(annotation(result.reason))
    edges.stdout.flush()


def _understood(line: Line, edges: Edges) -> tuple[Connection, Asked]:
    """Returns the connection and what is asked for.

    Raises:
        InvalidRequest: with every fault of both.
    """
    if not line.command:
        raise InvalidRequest(line.faults)

    def read(file: str) -> str:
        return edges.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")

    faults: list[str] = []
    connection, place = None, None
    try:
        connection = edges.connect(
            edges.clock, profile=line.profile, region=line.region, endpoint_url=line.endpoint_url, regions=regions(line)
        )
        place = _place(connection, _account_of(line, connection))
    except Misconfigured as error:
        faults.append(str(error))
    try:
        request = asked(line, place, read)
    except InvalidRequest as error:
        faults = [*error.faults, *faults]
    if faults or connection is None:
        raise InvalidRequest(faults)
    return connection, request


def _account_of(line: Line, connection: Connection) -> str:
    """Returns whose the credentials are where a builder's ARN must be compared with that."""
    arns = [str(line.given.get(name, "")) for name in ("BuildProject", "Pipeline")]
    arn = next((arn for arn in arns if arn.startswith("arn:") and arn.count(":") > 4), "")
    return (connection.account() or arn.split(":")[4]) if arn else ""


def _place(connection: Connection, account: str) -> Place:
    return Place(partition_of(connection.region), connection.region, account)


def _say(edges: Edges, text: str) -> None:
    edges.stderr.write(f"{harmless(text)}\n")
    edges.stderr.flush()


class _Command:
    """The common part of both commands."""

    def __init__(self, line: Line, request: Asked, connection: Connection, edges: Edges) -> None:
        self._line = line
        self._request = request
        self._connection = connection
        self._edges = edges
        self._clock = edges.clock
        self._start = edges.clock.now()
        self._deadline = Deadline(math.inf, edges.clock)
        self._standing = Standing(subject(request.wanted), self._start)

    def _images(self, findings: Sequence[Finding | None]) -> tuple[Seen, ...]:
        request = self._request
        return tuple(Seen(*each) for each in zip(request.names, request.wanted, findings, strict=True))

    def _of_each(self, found: Found | None) -> Sequence[Finding | None]:
        """Returns the findings in the order of the images, None for each before the first check."""
        images = images_of(found) if found is not None else None
        if isinstance(images, Several):
            return [finding for _, finding in images.findings]
        return [images for _ in self._request.wanted]

    def _build(
        self, token: str, ask_whether_to_start: Callable[[float], bool], *, waits_for_repository: bool
    ) -> FollowedBuild | None:
        builder = self._request.builder
        if builder is None:
            return None
        service = self._connection.builds[builder.kind]
        return FollowedBuild(service, builder, self._start, token, ask_whether_to_start, waits_for_repository)

    def _waited(self) -> float:
        return self._clock.now() - self._start

    def _interrupted(self, images: tuple[Seen, ...]) -> Result:
        told = f"Interrupted: {self._standing.told(self._clock.now())}"
        return Result(
            Status.INTERRUPTED,
            images,
            self._standing.checks,
            self._waited(),
            reason=told,
            cause="interrupted",
            note=Reason(told),
        )


class _Wait(_Command):
    """`wait`."""

    def __init__(self, line: Line, request: Asked, connection: Connection, edges: Edges) -> None:
        super().__init__(line, request, connection, edges)
        self._last: Found | None = None
        self._bounds = bounds_for_direct(self._start, request.max_wait, self._deadline.at)
        build = self._build(
            uuid.uuid4().hex,
            lambda _: request.starts_build and self._clock.now() < self._bounds.limit,
            waits_for_repository=request.backoff.wait_for_repository,
        )
        self._checker = Checker(connection.registry, request.wanted, self._start, build)

    def run(self) -> Result:
        """Waits, and returns how it ended."""
        edges = self._edges
        try:
            with edges.show(self._standing, self._line.quiet) as show:

                def checked(judged: Progress | Ready | GivenUp, result: CheckResult) -> None:
                    found = result.found
                    self._last = found
                    self._standing.checks, self._standing.seen = judged.checks, clipped(seen(found), _LONGEST_SEEN)
                    self._standing.due = judged.due if isinstance(judged, Progress) else 0.0
                    show(self._standing.checked(self._clock.now()))

                outcome = wait(
                    self._request.backoff,
                    self._bounds,
                    Progress(due=self._start),
                    Memory(),
                    checks_end=self._deadline.at,
                    check=self._check,
                    log_check=checked,
                    ask=None,
                    clock=self._clock,
                    random=edges.random,
                )
                if isinstance(outcome, GivenUp):
                    return self._given_up(outcome)
        except KeyboardInterrupt:
            return self._interrupted(self._images(self._of_each(self._last)))
        if not isinstance(outcome, Ready):
            raise TypeError("a wait that nobody else ends")
        told = (
            f"Found {subject(self._request.wanted)} after {duration(self._waited())}, checked {times(outcome.checks)}"
        )
        images = self._images(self._of_each(outcome.found))
        return Result(Status.FOUND, images, outcome.checks, self._waited(), note=Reason(told))

    def _given_up(self, given_up: GivenUp) -> Result:
        waited = self._waited()
        account = self._connection.account() if given_up.cause in _OF_AN_ACCOUNT else ""
        reason = reason_of(
            self._request.wanted,
            _place(self._connection, account or "unknown"),
            self._bounds,
            given_up=given_up,
            now=self._clock.now(),
            newest=self._checker.newest_tags(given_up, self._deadline),
            terms=COMMAND,
        )
        images = self._images(self._of_each(given_up.found))
        status = status_of_wait(given_up.cause)
        said, cause = reason.sentence, str(given_up.cause)
        return Result(status, images, given_up.checks, waited, reason=said, cause=cause, note=reason)

    def _check(self, memory: Memory, include_archived: bool) -> CheckResult:  # noqa: FBT001  # the one thing `wait` has to say
        return self._checker.check(memory, self._deadline.for_check(self._bounds), include_archived=include_archived)


class _Check(_Command):
    """`check`. Each image is described by itself, because ECR tells nothing of any where one is not there."""

    def __init__(self, line: Line, request: Asked, connection: Connection, edges: Edges) -> None:
        super().__init__(line, request, connection, edges)
        self._bounds = bounds_for_direct(self._start, 0.0, self._deadline.at)
        self._memory = Memory()

    def run(self) -> Result:
        """Checks once, and returns everything seen."""
        images: list[Seen] = []
        request, standing = self._request, self._standing
        try:
            with self._edges.show(standing, self._line.quiet) as show:
                for number, (name, one) in enumerate(zip(request.names, request.wanted, strict=True), 1):
                    many = f" ({number} of {len(request.names)})" if len(request.names) > 1 else ""
                    standing.subject = f"{name}{many}"
                    show(f"checking {standing.subject}")
                    images.append(self._seen(name, one))
                if request.builder:
                    standing.subject = f"{request.builder}"
                    show(f"checking {standing.subject}")
                found = self._followed(Several(tuple((each.name, each.finding) for each in images if each.finding)))
        except KeyboardInterrupt:
            return self._interrupted((*images, *self._images([None] * len(request.wanted))[len(images) :]))
        status = status_of_check(found)
        reason = "" if status is Status.FOUND else seen(found)
        # The text says it of each image already.
        note = reason if self._line.output != "text" or isinstance(found, Awaited) else ""
        return Result(status, tuple(images), 1, self._waited(), reason=reason, note=Reason(note))

    def _seen(self, name: str, one: Wanted) -> Seen:
        deadline = self._deadline.for_check(self._bounds)
        checker = Checker(self._connection.registry, [one], self._start)
        result = checker.check(self._memory, deadline, include_archived=True)
        self._memory = result.memory
        found = Seen(name, one, decisive(result.found))
        return inspect(self._connection.registry, found, self._memory.cache, deadline)

    def _followed(self, found: Several) -> Found:
        """Returns the findings, with that of the build if an image is missing."""
        build = self._build("", lambda _: False, waits_for_repository=True)
        if build is None:
            return found
        deadline = self._deadline.for_check(self._bounds)
        return build.check(lambda memory: CheckResult(found, memory), self._memory, deadline).found
