"""One check: what of the images is there, and which of it is ready.

The registry looks, `readiness` judges, and this module goes between them until there is nothing left to be read. It
decides nothing about the wait. One image costs one DescribeImages. Of several, those not yet ready cost one
BatchGetImage for each repository, and when the last is ready all are described once, for an answer of one moment.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from .core.conditions import MOST_INDEXES, MOST_READ, Conditions, Known, Unread, Wanted, assess, without_judgement
from .core.manifests import MOST_ENTRIES, Config, Manifest
from .core.model import (
    TOO_LARGE,
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

T = TypeVar("T")
K = TypeVar("K", Manifest, Config, float)

_MOST_IDS: Final = 100  # that one call takes (API Reference, DescribeImages and BatchGetImage)
# What one check can need, or it would read again and again what it has just read.
_MOST_KNOWN_OF_ONE: Final = (1 + MOST_INDEXES) * (1 + MOST_ENTRIES) + MOST_READ
MOST_KNOWN: Final = 20 * _MOST_KNOWN_OF_ONE
"""Of manifests, and of configs, in the units of `_weight`: about 10 MB each, whatever an image's pusher writes."""
_LABEL_UNIT: Final = 200  # characters of labels, of up to four bytes each
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
        self._weights = {
            id(store): sum(map(_weight, store.values())) for store in (known.pushed, known.manifests, known.configs)
        }
        self._most_ids = _MOST_IDS

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
            for group in _groups(pending, self._most_ids):
                self._ask(group, budget)
            if self._missing() or not self._changed(budget):
                break
        # What changed under the last round is looked for anew in the next check, which describes all of them again.
        return Several(tuple((one.id, self._found[one.id]) for one in self._wanted))

    def _missing(self) -> list[Finding]:
        return [finding for finding in self._found.values() if not isinstance(finding, Image)]

    def _ask(self, group: Sequence[Wanted], budget: Callable[[], float]) -> None:
        """Look for those images of one repository that are not ready yet."""
        source = group[0].source
        if source.alias:  # ECR Public has no BatchGetImage
            for one in group:
                seen = self._registry.look(one.image, source=source, archived_too=False, seconds=budget())
                self._found[one.id] = self._assessed(one, seen, budget)
            return
        for one, answer in self._answers(self._registry.get, group, budget):
            if isinstance(answer, tuple):
                found: Finding = answer[0]
                if one.conditions != Conditions():
                    self._keep(self._known.manifests, answer[0].digest, answer[1])
            elif isinstance(answer, Never):
                # Its manifest is too large, which matters only if there is a condition that must read it.
                found = self._registry.look(one.image, source=source, archived_too=False, seconds=budget())
            else:
                found = answer
            self._found[one.id] = self._assessed(one, found, budget)

    def _answers(
        self,
        call: Callable[..., Mapping[ImageId, T] | Finding],
        group: Sequence[Wanted],
        budget: Callable[[], float],
    ) -> Iterator[tuple[Wanted, T | Finding]]:
        """Yields what a call says of each image of a group, with as many calls as it takes to read the answers."""
        source, repository = group[0].source, group[0].image.repository
        told = call(repository, [one.image for one in group], source=source, seconds=budget())
        if isinstance(told, Unavailable) and told.code == TOO_LARGE and len(group) > 1:
            self._most_ids = half = len(group) // 2
            for part in (group[:half], group[half:]):
                yield from self._answers(call, part, budget)
            return
        for one in group:
            yield one, told[one.image] if isinstance(told, Mapping) else told

    def _changed(self, budget: Callable[[], float]) -> bool:
        """Describe all images, and see whether each is still the one that was found ready.

        Returns:
            Whether it is worth another look at once: not where ECR refuses to say, or does not answer.
        """
        for group in _groups(self._wanted, self._most_ids):
            for one, now in self._answers(self._registry.describe, group, budget):
                ready = self._found[one.id]
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
                return replace(fault, image=finding) if isinstance(fault, Never) else fault
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

    def _keep(self, store: dict[str, K], digest: str, value: K) -> None:
        total = self._weights[id(store)] + _weight(value) - (_weight(store.pop(digest)) if digest in store else 0)
        store[digest] = value
        while total > self._most_known and len(store) > 1:
            total -= _weight(store.pop(next(iter(store))))
        self._weights[id(store)] = total


def _weight(value: Manifest | Config | float) -> int:
    """Returns how much memory it may take, in units of about a kilobyte."""
    if isinstance(value, Manifest):
        return 1 + len(value.entries)
    return 1 + sum(map(len, value.labels.values())) // _LABEL_UNIT if isinstance(value, Config) else 1


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


def _groups(wanted: Iterable[Wanted], most: int) -> list[list[Wanted]]:
    """Return the images by repository, at most so many together."""
    groups: dict[tuple[Source, str], list[Wanted]] = {}
    for one in wanted:
        groups.setdefault((one.source, one.image.repository), []).append(one)
    return [group[n : n + most] for group in groups.values() for n in range(0, len(group), most)]
