"""The looks of one wait: which calls each may make and how long they take, and what is said when all were in vain.

It decides nothing about the wait; `waiting` does, and calls it. Lambda's slices and the command watch alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .core.builds import Builder, BuilderKind, Own
from .core.conditions import Conditions, Known, Wanted
from .core.deadline import Bounds, Budget, Clock
from .core.model import Found, Looked, NewestTags, Place, Source
from .core.polling import Cause, GivenUp
from .following import BuildService, Following
from .looking import Eyes, Look
from .text.reasons import NEWEST_TAGS, Reason, in_question, reason_of
from .text.terms import TEMPLATE, Terms


class Registry(Eyes, Protocol):
    """The part of `registry.Registry` that is used here; see there."""

    def newest_tags(self, repository: str, *, source: Source, most: int, seconds: float) -> NewestTags | None:
        """Return the newest tags of a repository."""


@dataclass(frozen=True)
class Follow:
    """The builder that a wait follows, and how.

    `own`: what is remembered of the run that this wait started. `token` and `may_start` are `Following`'s.
    """

    builder: Builder
    own: Own
    token: str
    may_start: Callable[[float], bool]


class Watch:
    """Looks for the images of one wait, check after check.

    Args:
        registry: looks into ECR.
        builds: what knows the runs of each kind of builder.
        clock: the time.
        wanted: the images.
        bounds: of the wait.
        budget: how much time there is.
        known: what has been read of images; it grows.
        follow: what is to push the images, None where nobody says.
        waits_for_repository: whether a repository that does not exist is waited for.
    """

    def __init__(
        self,
        registry: Registry,
        builds: Mapping[BuilderKind, BuildService],
        clock: Clock,
        *,
        wanted: Sequence[Wanted],
        bounds: Bounds,
        budget: Budget,
        known: Known,
        follow: Follow | None,
        waits_for_repository: bool,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._wanted = wanted
        self._bounds = bounds
        self._budget = budget
        self._waits_for_repository = waits_for_repository
        self._look_for = Look(registry, wanted, known, bounds.start)
        self._following = follow and Following(
            builds[follow.builder.kind],
            follow.builder,
            follow.own,
            since=bounds.start,
            token=follow.token,
            may_start=follow.may_start,
        )

    def __call__(self, archived_too: bool) -> Found:  # noqa: FBT001  # `wait` has only this one thing to say
        """Make one check. `archived_too`: whether an archived image is worth one more call."""
        budget, bounds, clock = self._budget, self._bounds, self._clock
        if not self._following and len(self._wanted) == 1 and self._wanted[0].conditions == Conditions():
            seconds = budget.for_each_call(2 if archived_too else 1, clock.now(), bounds)
            return self._look_for(archived_too=archived_too, budget=lambda: seconds)
        until = budget.look_ends(clock.now(), bounds)

        def for_next_call() -> float:
            return budget.for_next_call(until, clock.now())

        def look() -> Looked:
            return self._look_for(archived_too=archived_too, budget=for_next_call)

        if not self._following:
            return look()
        return self._following(look, for_next_call, waits_for_repository=self._waits_for_repository)

    def reason(self, given_up: GivenUp, place: Place, terms: Terms = TEMPLATE) -> Reason:
        """Say why the wait ended in vain. Looks for the newest tags where that tells them and there is a repository."""
        newest = None
        if given_up.image_missing and given_up.cause not in (Cause.BUILD_BROKEN, Cause.BUILD_HIDDEN):
            one = in_question(self._wanted, given_up.finding)
            seconds = self._budget.left(self._clock.now(), self._bounds) / 2
            newest = self._registry.newest_tags(
                one.image.repository, source=one.source, most=NEWEST_TAGS, seconds=seconds
            )
        return reason_of(
            self._wanted, place, self._bounds, given_up=given_up, now=self._clock.now(), newest=newest, terms=terms
        )
