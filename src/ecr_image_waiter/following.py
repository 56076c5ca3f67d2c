"""One check of images that a build is to push: what of them is there, and what of the build where they are not.

The builder looks and starts, `builds` judges, and this module goes between them. It decides nothing about the wait.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from .core.builds import (
    Broken,
    Builder,
    BuildFinding,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    NoRun,
    Own,
    RunStatus,
    UnderWay,
    follow,
)
from .core.model import Awaited, Found, Looked, NoImage, NoRepository, NotYet, decisive


class BuildService(Protocol):
    """The part of `codebuild.CodeBuild` and `codepipeline.CodePipeline` that is used here; see there."""

    def runs(
        self, name: str, own: str, budget: Callable[[], float]
    ) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Return the newest runs."""

    def start(self, name: str, token: str, budget: Callable[[], float]) -> BuildRun | BuildHidden | BuildUnavailable:
        """Start a run."""

    def explained(self, name: str, run: BuildRun, budget: Callable[[], float]) -> BuildRun:
        """Return a run with all that is known of it."""


class Following:
    """Follows the builder of one wait, check after check.

    Args:
        service: what knows the builder's runs.
        builder: which.
        own: what is remembered of the run that this wait started; it is noted there.
        since: when the wait began, in seconds since 1970 UTC.
        token: the same for the same request, however often it comes.
        may_start: whether a run may be started now; to find out it may take so many seconds.
    """

    def __init__(
        self,
        service: BuildService,
        builder: Builder,
        own: Own,
        *,
        since: float,
        token: str,
        may_start: Callable[[float], bool],
    ) -> None:
        self._service = service
        self._builder = builder
        self._own = own
        self._since = since
        self._token = token
        self._may_start = may_start

    def __call__(self, look: Callable[[], Looked], budget: Callable[[], float], *, waits_for_repository: bool) -> Found:
        """Make one check.

        Args:
            look: looks for the images.
            budget: how many seconds the next call may take, now.
            waits_for_repository: whether a repository that does not exist is waited for.
        """
        waited_for: tuple[type, ...] = (NoImage, NotYet, *([NoRepository] if waits_for_repository else []))
        images = look()
        if not isinstance(decisive(images), waited_for):
            return images
        build = self._build(budget)
        if isinstance(build, Broken):
            # It may have pushed the image after the look, and then failed.
            images = look()
            if not isinstance(decisive(images), waited_for):
                return images
        return Awaited(images, self._builder, build)

    def _build(self, budget: Callable[[], float]) -> BuildFinding:
        name = self._builder.name
        runs = self._service.runs(name, self._own.run, budget)
        if isinstance(runs, BuildHidden | BuildUnavailable):
            return runs
        found = follow(runs, self._since)
        if isinstance(found, NoRun) and self._own.run:
            # Lists may lag behind.
            return UnderWay(BuildRun(self._own.run, RunStatus.UNDER_WAY, "", self._since, ours=True))
        if isinstance(found, NoRun):
            return self._start(budget) if self._may_start(budget()) else found
        if isinstance(found, Broken):
            return Broken(self._service.explained(name, found.run, budget))
        if isinstance(found, UnderWay):
            return UnderWay(self._service.explained(name, found.run, budget))
        return found

    def _start(self, budget: Callable[[], float]) -> BuildFinding:
        started = self._service.start(self._builder.name, self._token, budget)
        if not isinstance(started, BuildRun):
            return started
        self._own.run = started.id
        return UnderWay(started, started=True)
