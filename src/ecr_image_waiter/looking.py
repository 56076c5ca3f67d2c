"""One check: what of the images is there, and which of it is ready.

The registry looks, `readiness` judges, and this module goes between them until there is nothing left to be read. It
decides nothing about the wait. One image costs one DescribeImages. Of several, those not yet ready cost one
BatchGetImage for each repository, and when the last is ready all are described once, for an answer of one moment.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from .findings import (
    Finding,
    Image,
    ImageId,
    Looked,
    Never,
    NoImage,
    NotYet,
    Several,
    Source,
    Unavailable,
    decisive,
)
from .manifests import MOST_ENTRIES, Config, Manifest
from .readiness import Conditions, Known, Unread, Wanted, assess, without_judgement

T = TypeVar("T")

_MOST_IDS: Final = 100  # that one call takes (API Reference, DescribeImages and BatchGetImage)
# Of each kind: what one check can need, or it would read again and again what it has just read.
_MOST_KNOWN_OF_ONE: Final = MOST_ENTRIES + 1
MOST_KNOWN: Final = 20 * _MOST_KNOWN_OF_ONE
_MOST_ROUNDS: Final = 3  # of one check, while images change under it
_SHORTEST_CALL: Final = 0.05


class Eyes(Protocol):
    """The part of `registry.Registry` that is used here; see there."""

    def look(self, image: ImageId, *, source: Source, archived_too: bool, seconds: float) -> Finding:
        """Return what is at a tag or digest."""

    def describe(
        self, repository: str, images: Iterable[ImageId], *, source: Source, seconds: float
    ) -> dict[ImageId, Finding] | Finding:
        """Return what is at several."""

    def get(
        self, repository: str, images: Iterable[ImageId], *, source: Source, seconds: float
    ) -> dict[ImageId, tuple[Image, Manifest] | Finding] | Finding:
        """Return the manifests of several."""

    def config(
        self, repository: str, digest: str, labels: Sequence[str], *, source: Source, seconds: float
    ) -> Config | Finding:
        """Return what a config says."""


class Look:
    """Looks for the images of one wait, check after check.

    Args:
        registry: looks into ECR.
        wanted: the images.
        known: what earlier checks have read; it grows.
        operation_began: when CloudFormation asked, in seconds since 1970 UTC.
    """

    def __init__(self, registry: Eyes, wanted: Sequence[Wanted], known: Known, operation_began: float) -> None:
        self._registry = registry
        self._wanted = wanted
        self._known = known
        self._operation_began = operation_began
        self._labels = sorted({name for one in wanted for name in one.conditions.Labels})
        self._found: dict[str, Finding] = {}
        self._most_known = max(MOST_KNOWN, len(wanted) * _MOST_KNOWN_OF_ONE)

    def __call__(self, *, archived_too: bool, budget: Callable[[], float]) -> Looked:
        """Make one check.

        Args:
            archived_too: whether an archived image is worth a second call, where there is one image.
            budget: how many seconds the next call may take, now.
        """
        first = self._wanted[0]
        if len(self._wanted) > 1:
            return self._several(budget)
        finding = self._registry.look(first.image, source=first.source, archived_too=archived_too, seconds=budget())
        finding = self._assessed(first, finding, budget)
        return Several(((first.id, finding),)) if first.id else finding

    def _several(self, budget: Callable[[], float]) -> Several:
        for _ in range(_MOST_ROUNDS):
            pending = [one for one in self._wanted if not isinstance(self._found.get(one.id), Image)]
            for group in _groups(pending):
                self._ask(group, budget)
            if self._missing() or not self._changed(budget):
                break
        # What changed under the last round is looked for anew in the next check, which describes all of them again.
        return Several(tuple((one.id, self._found[one.id]) for one in self._wanted))

    def _missing(self) -> list[Finding]:
        return [finding for finding in self._found.values() if not isinstance(finding, Image)]

    def _ask(self, group: Sequence[Wanted], budget: Callable[[], float]) -> None:
        """Look for those images of one repository that are not ready yet."""
        source, repository = group[0].source, group[0].image.repository
        if source.alias:  # ECR Public has no BatchGetImage
            for one in group:
                seen = self._registry.look(one.image, source=source, archived_too=False, seconds=budget())
                self._found[one.id] = self._assessed(one, seen, budget)
            return
        got = self._registry.get(repository, (one.image for one in group), source=source, seconds=budget())
        for one in group:
            answer = got[one.image] if isinstance(got, Mapping) else got
            if isinstance(answer, tuple):
                answer, manifest = answer
                if one.conditions != Conditions():
                    self._keep(self._known.manifests, answer.digest, manifest)
            self._found[one.id] = self._assessed(one, answer, budget)

    def _changed(self, budget: Callable[[], float]) -> bool:
        """Describe all images, and see whether each is still the one that was found ready.

        Returns:
            Whether it is worth another look at once: not where ECR refuses to say, or does not answer.
        """
        for group in _groups(self._wanted):
            source, repository = group[0].source, group[0].image.repository
            described = self._registry.describe(
                repository, (one.image for one in group), source=source, seconds=budget()
            )
            for one in group:
                ready, now = self._found[one.id], described[one.image] if isinstance(described, Mapping) else described
                if isinstance(ready, Image) and isinstance(now, Image) and now.digest == ready.digest:
                    self._found[one.id] = replace(
                        now, architecture=ready.architecture, platform_digest=ready.platform_digest
                    )
                elif isinstance(ready, Image) and isinstance(now, Image | NoImage):
                    self._found[one.id] = NotYet("it was there, and then something in its repository changed", ready)
                else:
                    self._found[one.id] = now
        missing = self._missing()
        return bool(missing) and all(isinstance(finding, NotYet) for finding in missing)

    def _assessed(self, one: Wanted, finding: Finding, budget: Callable[[], float]) -> Finding:
        while isinstance(finding, Image):
            verdict = assess(finding, one.conditions, self._known, self._operation_began)
            if not isinstance(verdict, Unread):
                return verdict
            if one.source.alias and verdict.what != "details":
                return finding  # ECR Public gives no manifests, so there is nothing to hold against the image
            fault = self._read(one, finding, verdict, budget())
            if fault:
                return fault
        return finding

    def _read(self, one: Wanted, seen: Image, unread: Unread, seconds: float) -> Finding | None:
        """Read what is to be known next. Returns a finding where that cannot be had."""
        if seconds < _SHORTEST_CALL:
            return Unavailable("OutOfTime", "this check had no time left to read the image's manifest and config")
        source, repository = one.source, one.image.repository
        if unread.what == "config":
            config = self._registry.config(repository, unread.digest, self._labels, source=source, seconds=seconds)
            if not isinstance(config, Config):
                return config
            self._keep(self._known.configs, unread.digest, config)
            return None
        image = ImageId(repository, None, unread.digest)
        if unread.what == "manifest":
            got = self._registry.get(repository, [image], source=source, seconds=seconds)
            answer = got[image] if isinstance(got, Mapping) else got
            if not isinstance(answer, tuple):
                return answer
            self._keep(self._known.manifests, unread.digest, answer[1])
            return None
        described = self._registry.describe(repository, [image], source=source, seconds=seconds)
        detail = described[image] if isinstance(described, Mapping) else described
        if not isinstance(detail, Image):
            return detail
        self._keep(self._known.pushed, seen.uri, detail.pushed_at or 0.0)
        return None

    def _keep(self, store: dict[str, T], digest: str, value: T) -> None:
        store[digest] = value
        while len(store) > self._most_known:
            del store[next(iter(store))]


def look_in_rollback(registry: Eyes, wanted: Sequence[Wanted], budget: Callable[[], float]) -> Looked:
    """Look once for what is there, whatever it is: only its platform is told, where that can be read.

    Args:
        registry: looks into ECR.
        wanted: the images.
        budget: how many seconds the next call may take, now.
    """

    def look(conditions: Callable[[Conditions], Conditions]) -> Looked:
        images = [replace(one, conditions=conditions(one.conditions)) for one in wanted]
        return Look(registry, images, Known(), 0.0)(archived_too=False, budget=budget)

    found = look(without_judgement)
    tells_platforms = any(one.conditions.Platform for one in wanted)
    # Where a platform cannot be read, the image may be there all the same.
    return look(lambda _: Conditions()) if tells_platforms and not isinstance(decisive(found), Image | Never) else found


def _groups(wanted: Iterable[Wanted]) -> list[list[Wanted]]:
    """Return the images by repository, each of which one call can ask for."""
    groups: dict[tuple[Source, str], list[Wanted]] = {}
    for one in wanted:
        groups.setdefault((one.source, one.image.repository), []).append(one)
    return [group[n : n + _MOST_IDS] for group in groups.values() for n in range(0, len(group), _MOST_IDS)]
