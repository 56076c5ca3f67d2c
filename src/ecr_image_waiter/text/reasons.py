"""The sentences of Reasons: why a wait ended without its image. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from ecr_image_waiter.core.builds import Broken, BuildHidden, BuildRun, Built
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.messages import clipped, duration
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    ImageId,
    ImagesFound,
    Lacks,
    NewestTags,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Place,
    Several,
    Unavailable,
    decisive,
    images_of,
)
from ecr_image_waiter.core.state import Cause, GivenUp

from .terms import (
    LIMITS,
    NEWEST_TAGS,
    TEMPLATE,
    Effort,
    Terms,
    advice,
    among,
    awaited_build,
    denial,
    elsewhere,
    ended,
    grant,
    grouped,
    in_question,
    run_of,
    seen,
    seen_of,
    seen_of_build,
    subject,
    whom_to_allow,
)

_LONGEST_LIST: Final = 1000  # characters, so that a Reason has room for what comes after
_CREATE_ALL: Final = "create the missing repositories, or check the pushes that create them"
_TOO_LATE: Final = "Lambda delivered the event after ServiceTimeout; check the function for throttling"
_FIX: Final = "; fix the cause that AWS names"
_OF_BUILDS: Final = frozenset({Cause.BUILD_BROKEN, Cause.BUILT_WITHOUT, Cause.BUILD_HIDDEN})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a wait ended without its image, as one sentence; after a timeout also as titled rows below a heading."""

    sentence: str
    heading: str = ""
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest tags of a repository, as a clause of the sentence and as a titled row."""

    clause: str = ""
    title: str = ""
    text: str = ""


def reason_of(
    wanted: Sequence[Wanted],
    place: Place,
    bounds: Bounds,
    *,
    given_up: GivenUp,
    now: float,
    newest: NewestTags | None,
    terms: Terms = TEMPLATE,
) -> Reason:
    """Returns why a wait ended without one or more of its images.

    Args:
        wanted: the images.
        place: of the function.
        bounds: of the wait.
        given_up: how it ended.
        now: the time, for durations and the ages of tags.
        newest: the newest tags of the image `in_question`; None if they were not read.
        terms: the words of the interface.
    """
    effort = _effort_of(given_up, bounds, now)
    if given_up.cause is Cause.TOO_LATE and len(wanted) > 1:
        return Reason(_stopped(subject(wanted), effort, _TOO_LATE))
    found = images_of(given_up.found) if given_up.found else None
    by_id = {one.id: one for one in wanted}
    one = by_id[found.deciding[0]] if isinstance(found, Several) else wanted[0]
    if isinstance(given_up.found, Awaited) and given_up.cause in _OF_BUILDS:
        return Reason(
            reason_of_build(
                _missing_in_words(wanted, place, given_up.found.images),
                place,
                given_up.found,
                effort=effort,
                newest=newest,
                now=now,
                elsewhere=elsewhere(one.image.repository),
                terms=terms,
            )
        )
    if not isinstance(found, Several) or given_up.cause is not Cause.TIME_UP or len(wanted) == 1:
        return reason_given_up(
            one.image,
            place.at(one.source),
            bounds,
            given_up=given_up,
            now=now,
            newest=newest,
            terms=terms,
            which=f" ({one.id}, one of {len(wanted)} images)" if len(wanted) > 1 else "",
        )
    finding = found.deciding[1]
    regions = [place.at(by_id[id_].source).region for id_, _ in found.missing]
    where = f" in {regions[0]}" if len({*regions}) == 1 else ""
    last = grouped(
        (seen(each) if where else f"in {region}, {seen(each)}", id_ if id_ == name else f"{id_} ({name})")
        for region, (id_, each) in zip(regions, found.missing, strict=True)
        for name in [str(by_id[id_].image)]
    )
    # Once, for the deciding image: repeated for 20 images it leaves no room for the advice.
    last[-1] += elsewhere(one.image.repository) if isinstance(finding, NoRepository) else ""
    last[-1] += awaited_build(given_up.found)
    image = in_question(wanted, found).image
    absent = {(by_id[id_].image.repository, by_id[id_].source) for id_, each in found.missing if each == NoRepository()}
    return _reason_timed_out(
        f"{len(found.missing)} of {len(wanted)} images{where}",
        effort,
        last,
        _newest(newest, now, finding, whose=image.repository),
        _CREATE_ALL if finding == NoRepository() and len(absent) > 1 else advice(image, bounds, finding, newest, terms),
    )


def _effort_of(given_up: GivenUp, bounds: Bounds, now: float) -> Effort:
    """Returns the effort of a wait, with its unanswered checks, and the limit that shortened it."""
    note = f", {given_up.unanswered} unanswered" if given_up.unanswered else ""
    if given_up.cause is Cause.TIME_UP and bounds.shortened:
        note += f"; cut from {duration(bounds.template_limit - bounds.start)} by {LIMITS[bounds.expires < math.inf]}"
    return Effort(now - bounds.start, given_up.checks, note)


def _reason_timed_out(wanted: str, effort: Effort, last: Sequence[str], newest: _Newest, advice: str) -> Reason:
    heading = f"Timed out waiting for {wanted}"
    told = [("last seen" if not number else "", each) for number, each in enumerate(last)]
    rows = [("waited", effort.on("")), *told, (newest.title, newest.text), ("what to do", advice)]
    return Reason(
        f"Timed out waiting {effort.on(wanted)}: {'; '.join(last)}{newest.clause}; {advice}",
        heading,
        tuple((title, text) for title, text in rows if text),
    )


def _stopped(wanted: str, effort: Effort, why: str) -> str:
    return f"Waited {effort.on(wanted)}: {why}"


def reason_given_up(
    image: ImageId,
    place: Place,
    bounds: Bounds,
    *,
    given_up: GivenUp,
    now: float,
    newest: NewestTags | None,
    terms: Terms = TEMPLATE,
    which: str = "",
) -> Reason:
    """Returns what was waited for, how long, what was seen and what to do, for one image.

    `place` is the registry's, `which` the image's Id among several; the other arguments are those of `reason_of`.
    """
    effort = _effort_of(given_up, bounds, now)
    wanted = f'"{image}"{which} in {place.region}'
    finding = given_up.found if given_up.found is None else decisive(given_up.found)
    match given_up.cause:
        case Cause.NO_REPOSITORY:
            why = (
                f"the repository does not exist in account {place.account}{elsewhere(image.repository)}; create it, "
                f"correct {terms.named('RepositoryName')}, or {terms.switched_on('WaitForRepository')}"
            )
        case Cause.ACCESS_DENIED:
            denied = finding if isinstance(finding, AccessDenied) else AccessDenied("access denied", "")
            why = grant(denied, place, place.repository_arn(image.repository), terms)
        case Cause.REFUSED:
            said = seen(finding) if finding else "ECR refused"
            why = said + (
                f"; {advice(image, bounds, finding, newest, terms)}" if isinstance(finding, NoRegion) else _FIX
            )
        case Cause.NOT_DEPLOYABLE:
            never = finding if isinstance(finding, NotDeployable) else NotDeployable("", "")
            why = f"the image cannot {never.cannot}: {never.because}; {never.cure}"
        case Cause.TOO_LATE:
            why = _TOO_LATE
        case Cause.TIME_UP:
            last = seen_of(image, finding) + awaited_build(given_up.found) if finding else "nothing was checked"
            if isinstance(finding, Unavailable) and given_up.image_missing:
                last += ", and before that had no such image"
            return _reason_timed_out(
                wanted, effort, [last], _newest(newest, now, finding), advice(image, bounds, finding, newest, terms)
            )
        case Cause.BUILD_BROKEN | Cause.BUILT_WITHOUT | Cause.BUILD_HIDDEN:
            raise TypeError("a build is not a finding of one image")
        case _:
            assert_never(given_up.cause)
    return Reason(_stopped(wanted, effort, why))


def _missing_in_words(wanted: Sequence[Wanted], place: Place, found: ImagesFound) -> str:
    where = {one.id: (f"in {place.at(one.source).region}", str(one.image)) for one in wanted}
    if len(wanted) == 1 or not isinstance(found, Several):
        region, image = where[wanted[0].id]
        return f'"{image}" {region}'
    missing = clipped("; ".join(grouped(where[id_] for id_, _ in found.missing)), _LONGEST_LIST)
    return f"{len(found.missing)} of {len(wanted)} images ({missing})"


def waited_for(wanted: Sequence[Wanted], place: Place) -> str:
    """Returns the image with its region, or the number of images."""
    return f'"{subject(wanted)}" in {place.at(wanted[0].source).region}' if len(wanted) == 1 else subject(wanted)


def reason_stopped(wanted: str, *, checks: int, waited: float, fault: str) -> str:
    """Returns the Reason for a wait that could not be handed over. `wanted`: as `waited_for` returns it."""
    return _stopped(wanted, Effort(waited, checks), f"{fault}; deploy again")


def reason_abandoned(wanted: str, status: str, *, checks: int, waited: float) -> str:
    """Returns the Reason for a stack that no longer waits. `status`: of the stack, empty if it is gone."""
    stack = f"is {status}" if status else "is gone"
    why = f"the stack {stack}; deploy again if it still needs the image"
    return _stopped(wanted, Effort(waited, checks), why)


def _newest(newest: NewestTags | None, now: float, finding: Finding | None, whose: str = "") -> _Newest:
    # Only images that can be pulled are read.
    if newest is None or (not newest.tags and isinstance(finding, NotPullable)):
        return _Newest()
    title, of = f"newest tags{f' of {whose}' if whose else ''}", among(newest)
    if not newest.tags:
        return _Newest(f"; {title}: none{of}", title, f"none{of}")
    tags = ", ".join(f'"{entry.tag}" ({duration(now - entry.pushed_at)} old)' for entry in newest.tags[:NEWEST_TAGS])
    return _Newest(f"; {title}{of}: {tags}", title, f"{tags}{of and f',{of}'}")


def reason_of_build(
    wanted: str,
    place: Place,
    found: Awaited,
    *,
    effort: Effort,
    newest: NewestTags | None,
    now: float,
    elsewhere: str = "",
    terms: Terms = TEMPLATE,
) -> str:
    """Returns why a build ended the wait, and what to do.

    Args:
        wanted: the missing images, with their regions.
        place: of the function.
        found: the finding that ended the wait.
        effort: how long and how often the wait checked.
        newest: the repository's newest tags; None if they were not read.
        now: the time, for the ages of tags.
        elsewhere: a hint about the name of a repository that does not exist.
        terms: the words of the interface.
    """
    builder, build = found.builder, found.build
    match build:
        case Broken(run=run):
            why = f"{run_of(builder, run)} {ended(run)}; fix the build{_link_of(run)}"
        case Built(run=run) if isinstance(image := decisive(found), NotYet):
            conditions = f"{terms.named('Labels')} or {terms.named('PushedAfter')}"
            why = (
                f"{run_of(builder, run)} succeeded, but {image.because}; correct {conditions} here, or the build"
                f"{_link_of(run)}"
            )
        case Built(run=run):
            no_repository = isinstance(decisive(found), NoRepository)
            instead = (
                f"; the repository does not exist{elsewhere}" if no_repository else _pushed_since(run, newest, now)
            )
            what = "its name" if no_repository else "the tag"
            why = (
                f"{run_of(builder, run)} succeeded without pushing it{instead}; correct {what} here or in the build"
                f"{_link_of(run)}"
            )
        case BuildHidden(missing=True):
            why = (
                f"{builder} does not exist in {place.region}, account {place.account}; correct "
                f"{terms.named(builder.kind.property)}, or create it {terms.beforehand}"
            )
        case BuildHidden(denied=True):
            whom = whom_to_allow(build.message, terms)
            how = terms.by_parameter(
                builder.kind.parameter + (" and AllowStartBuild" if ":Start" in build.action else "")
            )
            why = (
                f"access denied ({denial(build.code, build.message)}); allow {build.action} on "
                f"{place.builder_arn(builder)} to {whom}{how}"
            )
        case BuildHidden(rejected=True):
            why = grant(AccessDenied(build.code, build.message, Lacks.CREDENTIALS), place, "", terms)
        case _:
            why = seen_of_build(builder, build) + (_FIX if isinstance(build, BuildHidden) else "")
    return _stopped(wanted, effort, why)


def _link_of(run: BuildRun) -> str:
    """Returns the link to a run in parentheses, empty if its service gave no link."""
    return f" ({clipped(run.link, 400)})" if run.link else ""


def _pushed_since(run: BuildRun, newest: NewestTags | None, now: float) -> str:
    """Returns the tags that were pushed since a run began, as a clause; empty if tags were not read."""
    if newest is None:
        return ""
    new = (entry for entry in newest.tags if entry.pushed_at >= run.began)
    got = ", ".join(f'"{entry.tag}" ({duration(now - entry.pushed_at)} old)' for entry in new)
    return f"; tags pushed since it began: {got or 'none' + among(newest)}"
