"""One check: the images, whether they are ready, and the build if an image is missing.

A check may start a build if the template asks for it. It decides nothing about the wait, whose memory goes in and comes
out as a value. One image costs one DescribeImages, and a second one if `include_archived` is set and no image is there.
Several cost one BatchGetImage for each repository with images that are not ready. When the last is ready, all are
described once, for a response of one moment. Conditions cost calls for what they read; a client may retry a call once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from .aws.builds import BuildService
from .aws.ecr import Registry
from .core.builds import (
    Broken,
    Builder,
    BuildFinding,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    NoRun,
    RunStatus,
    StartedRun,
    UnderWay,
    judge_runs,
)
from .core.conditions import Conditions, Wanted, assess, without_judgement
from .core.deadline import Deadline
from .core.manifests import Config, Unread
from .core.model import (
    TOO_LARGE,
    Awaited,
    Finding,
    Image,
    ImageId,
    ImagesFound,
    NewestTags,
    NoImage,
    NoRepository,
    NotDeployable,
    NotYet,
    Several,
    Source,
    Unavailable,
    decisive,
    images_of,
)
from .core.state import Cause, CheckResult, GivenUp, Memory
from .text.terms import NEWEST_TAGS, in_question, seen, subject

T = TypeVar("T")

_MOST_ROUNDS: Final = 3  # of one check, while images change under it
_SHORTEST_CALL: Final = 0.05
_START_AGAIN: Final = 60.0  # seconds after which a build may be asked for again


@dataclass(frozen=True)
class FollowedBuild:
    """The build that is to push the images of a wait.

    `wait_start`: in seconds since 1970 UTC. `token`: the same for the same request, however often it comes.
    `ask_whether_to_start`: whether a run may be started now; to find out it may take so many seconds.
    """

    service: BuildService
    builder: Builder
    wait_start: float
    token: str
    ask_whether_to_start: Callable[[float], bool]
    waits_for_repository: bool

    def check(self, images: Callable[[Memory], CheckResult], memory: Memory, deadline: Deadline) -> CheckResult:
        """Checks the images, and the build where they are not there. `images` checks the images alone."""
        result = images(memory)
        if not self._awaits(result):
            return result
        build, memory = self._follow(result.memory, deadline)
        if isinstance(build, Broken):
            # It may have pushed the image meanwhile, and then failed.
            result = images(memory)
            if not self._awaits(result):
                return result
            memory = result.memory
        return CheckResult(Awaited(images_of(result.found), self.builder, build), memory)

    def _awaits(self, result: CheckResult) -> bool:
        missing: tuple[type, ...] = (NoImage, NotYet, *([NoRepository] if self.waits_for_repository else []))
        return isinstance(decisive(result.found), missing)

    def _follow(self, memory: Memory, deadline: Deadline) -> tuple[BuildFinding, Memory]:
        name, started = self.builder.name, memory.own_run.run
        runs = self.service.runs(name, started, deadline)
        if isinstance(runs, BuildHidden | BuildUnavailable):
            return runs, memory
        judged = judge_runs(runs, self.wait_start)
        if isinstance(judged, NoRun) and started:
            # Lists may lag behind.
            return UnderWay(BuildRun(started, RunStatus.UNDER_WAY, "", self.wait_start, ours=True)), memory
        if isinstance(judged, NoRun):
            return self._start_run(memory, deadline)
        if isinstance(judged, Broken):
            return Broken(self.service.explained(name, judged.run, deadline)), memory
        if isinstance(judged, UnderWay):
            return UnderWay(self.service.explained(name, judged.run, deadline)), memory
        return judged, memory

    def _start_run(self, memory: Memory, deadline: Deadline) -> tuple[BuildFinding, Memory]:
        if deadline.clock.now() < memory.start_due:
            return NoRun(), memory
        if not self.ask_whether_to_start(deadline.per_call()):
            return NoRun(), replace(memory, start_due=deadline.clock.now() + _START_AGAIN)
        run = self.service.start(self.builder.name, self.token, deadline)
        if not isinstance(run, BuildRun):
            return run, memory
        return UnderWay(run, started=True), replace(memory, own_run=StartedRun(run.id))


class Checker:
    """Checks the images of one wait, which began at `start`, in seconds since 1970 UTC.

    `build`: the build that pushes them, None if unknown. `subject`: the images in a word or two.
    """

    def __init__(
        self, registry: Registry, wanted: Sequence[Wanted], start: float, build: FollowedBuild | None = None
    ) -> None:
        self._registry = registry
        self.wanted = wanted
        self._start = start
        self._build = build
        self.subject = subject(wanted)

    def check(self, memory: Memory, deadline: Deadline, *, include_archived: bool) -> CheckResult:
        """Makes one check, which may start a build. Returns the findings and the new memory.

        `include_archived`: whether an archived image is worth a second call, where there is one image.
        """

        def images(known: Memory) -> CheckResult:
            check = _ImageCheck(self._registry, self.wanted, self._start, known, deadline)
            return check.run(include_archived=include_archived, only_call=self._build is None)

        return self._build.check(images, memory, deadline) if self._build else images(memory)

    def check_in_rollback(self, deadline: Deadline) -> ImagesFound:
        """Checks the images once, without conditions: only the platform is told, where that can be read."""

        def images(conditions: Callable[[Conditions], Conditions]) -> ImagesFound:
            wanted = [replace(one, conditions=conditions(one.conditions)) for one in self.wanted]
            check = _ImageCheck(self._registry, wanted, self._start, Memory(), deadline)
            return images_of(check.run(include_archived=False, only_call=False).found)

        first = images(without_judgement)
        platforms = any(one.conditions.Platform for one in self.wanted)
        if isinstance(decisive(first), Image | NotDeployable) or not platforms:
            return first
        # Where a platform cannot be read, the image may be there all the same.
        return images(lambda _: Conditions())

    in_words = staticmethod(seen)
    """What a check found, in a phrase."""

    def newest_tags(self, given_up: GivenUp, deadline: Deadline) -> NewestTags | None:
        """Returns the newest tags of the repository without the image, where they tell why a wait ended."""
        if not given_up.image_missing or given_up.cause in (Cause.BUILD_BROKEN, Cause.BUILD_HIDDEN):
            return None
        one = in_question(self.wanted, given_up.found)
        return self._registry.newest_tags(
            one.image.repository, source=one.source, most=NEWEST_TAGS, seconds=deadline.left() / 2
        )


class _ImageCheck:
    """One check of the images, on copies of the memory: reads until `assess` has a verdict."""

    def __init__(
        self, registry: Registry, wanted: Sequence[Wanted], start: float, memory: Memory, deadline: Deadline
    ) -> None:
        self._registry = registry
        self._wanted = wanted
        self._start = start
        self._memory = memory
        self._deadline = deadline
        self._cache = memory.cache.to_add_to(len(wanted))
        self._findings: dict[str, Finding] = dict(memory.ready)
        self._most_ids = memory.most_ids
        self._labels = sorted({name for one in wanted for name in one.conditions.Labels})

    def run(self, *, include_archived: bool, only_call: bool) -> CheckResult:
        """Makes the check. `only_call`: no call follows it, unless a condition takes one."""
        several = len(self._wanted) > 1
        found = self._several() if several else self._one(include_archived=include_archived, only_call=only_call)
        ready = {id_: finding for id_, finding in self._findings.items() if isinstance(finding, Image)}
        return CheckResult(found, replace(self._memory, cache=self._cache, ready=ready, most_ids=self._most_ids))

    def _one(self, *, include_archived: bool, only_call: bool) -> ImagesFound:
        (one,) = self._wanted
        calls = 1 if only_call and not include_archived and one.conditions == Conditions() else 2
        finding = self._assessed(one, self._find(one, include_archived=include_archived, calls=calls))
        return Several(((one.id, finding),)) if one.id else finding

    def _find(self, one: Wanted, *, include_archived: bool = False, calls: int = 2) -> Finding:
        seconds = self._deadline.per_call(calls)
        return self._registry.describe_one(
            one.image, source=one.source, include_archived=include_archived, seconds=seconds
        )

    def _several(self) -> Several:
        for _ in range(_MOST_ROUNDS):
            pending = [one for one in self._wanted if not isinstance(self._findings.get(one.id), Image)]
            for group in _groups(pending, self._most_ids):
                self._read_group(group)
            if self._missing() or not self._changed():
                break
        # What changed under the last round is checked anew next time, which describes all of them again.
        return Several(tuple((one.id, self._findings[one.id]) for one in self._wanted))

    def _missing(self) -> list[Finding]:
        return [finding for finding in self._findings.values() if not isinstance(finding, Image)]

    def _read_group(self, group: Sequence[Wanted]) -> None:
        """Reads the images of one repository that are not ready yet."""
        if group[0].source.alias:  # ECR Public has no BatchGetImage
            for one in group:
                self._findings[one.id] = self._assessed(one, self._find(one))
            return
        for one, answer in self._answers(self._registry.manifests, group):
            if isinstance(answer, tuple):
                finding: Finding = answer[0]
                if one.conditions != Conditions():
                    self._cache.manifests[answer[0].digest] = answer[1]
            elif isinstance(answer, NotDeployable):
                # Its manifest is too large, which matters only if there is a condition that must read it.
                finding = self._find(one)
            else:
                finding = answer
            self._findings[one.id] = self._assessed(one, finding)

    def _answers(
        self, call: Callable[..., Mapping[ImageId, T] | Finding], group: Sequence[Wanted]
    ) -> Iterator[tuple[Wanted, T | Finding]]:
        """Yields what a call says of each image of a group, with as many calls as it takes to read the answers."""
        source, repository = group[0].source, group[0].image.repository
        told = call(repository, [one.image for one in group], source=source, seconds=self._deadline.per_call())
        if isinstance(told, Unavailable) and told.code == TOO_LARGE and len(group) > 1:
            self._most_ids = half = len(group) // 2
            for part in (group[:half], group[half:]):
                yield from self._answers(call, part)
            return
        for one in group:
            yield one, told[one.image] if isinstance(told, Mapping) else told

    def _changed(self) -> bool:
        """Describes all images. Returns whether another round is worth it at once: some changed, none is unknown."""
        for group in _groups(self._wanted, self._most_ids):
            for one, now in self._answers(self._registry.describe_several, group):
                ready = self._findings[one.id]
                if isinstance(ready, Image) and isinstance(now, Image) and now.digest == ready.digest:
                    self._findings[one.id] = replace(
                        now, architecture=ready.architecture, platform_digest=ready.platform_digest
                    )
                elif isinstance(ready, Image) and isinstance(now, Image | NoImage):
                    self._findings[one.id] = NotYet("it was there, and then something in its repository changed", ready)
                else:
                    self._findings[one.id] = now
        missing = self._missing()
        return bool(missing) and all(isinstance(finding, NotYet) for finding in missing)

    def _assessed(self, one: Wanted, finding: Finding) -> Finding:
        while isinstance(finding, Image):
            verdict = assess(finding, one.conditions, self._cache, self._start)
            if not isinstance(verdict, Unread):
                return verdict
            if one.source.alias and verdict.what != "details":
                return finding  # ECR Public gives no manifests, so there is nothing to hold against the image
            fault = self._read(one, finding, verdict, self._deadline.per_call())
            if fault:
                return replace(fault, image=finding) if isinstance(fault, NotDeployable) else fault
        return finding

    def _read(self, one: Wanted, seen: Image, unread: Unread, seconds: float) -> Finding | None:
        """Reads what is to be known next. Returns a finding where that cannot be had."""
        if seconds < _SHORTEST_CALL:
            return Unavailable("OutOfTime", "this check had no time left to read the image's manifest and config")
        source, repository = one.source, one.image.repository
        if unread.what == "config":
            config = self._registry.config(repository, unread.digest, self._labels, source=source, seconds=seconds)
            if not isinstance(config, Config):
                return config
            self._cache.configs[unread.digest] = config
            return None
        image = ImageId(repository, None, unread.digest)
        if unread.what == "manifest":
            got = self._registry.manifests(repository, [image], source=source, seconds=seconds)
            answer = got[image] if isinstance(got, Mapping) else got
            if not isinstance(answer, tuple):
                return answer
            self._cache.manifests[unread.digest] = answer[1]
            return None
        described = self._registry.describe_several(repository, [image], source=source, seconds=seconds)
        detail = described[image] if isinstance(described, Mapping) else described
        if not isinstance(detail, Image):
            return detail
        self._cache.pushed[seen.uri] = detail.pushed_at or 0.0
        return None


def _groups(wanted: Iterable[Wanted], most: int) -> list[list[Wanted]]:
    """Returns the images by repository, at most so many together."""
    groups: dict[tuple[Source, str], list[Wanted]] = {}
    for one in wanted:
        groups.setdefault((one.source, one.image.repository), []).append(one)
    return [group[n : n + most] for group in groups.values() for n in range(0, len(group), most)]
