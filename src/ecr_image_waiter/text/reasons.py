"""Why a wait ended without its image: the sentences of a Reason. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from ecr_image_waiter.core.builds import (
    Broken,
    BuildHidden,
    Built,
)
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.messages import InvalidRequest, clipped, coded, duration, times
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    ImageId,
    Looked,
    NewestTags,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    Place,
    Several,
    Unavailable,
    decisive,
    images_of,
)
from ecr_image_waiter.core.state import Cause, GivenUp

from .terms import (
    NEWEST_TAGS,
    TEMPLATE,
    Terms,
    advice,
    among,
    awaited_build,
    called,
    effort_of,
    elsewhere,
    ended,
    grant,
    grouped,
    in_question,
    instead_of_it,
    link_of,
    run_of,
    seen,
    seen_of,
    seen_of_build,
    shortened,
    subject,
)

_LONGEST_LIST: Final = 1000  # characters, so that a Reason has room for what comes after
_OF_BUILDS: Final = frozenset({Cause.BUILD_BROKEN, Cause.BUILT_WITHOUT, Cause.BUILD_HIDDEN})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a wait ended without its image: a sentence. For a timeout the same as titled rows below a heading, too."""

    sentence: str
    heading: str = ""
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest tags of a repository: a clause of the sentence, and a titled row."""

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
    """Say why a wait ended without its image, or without one of several; see `reason_given_up`.

    `newest` are those of the image `in_question`.
    """
    effort = effort_of(given_up, bounds, now)
    if given_up.cause is Cause.TOO_LATE and len(wanted) > 1:
        return Reason(_reason_too_late(subject(wanted), effort))
    if isinstance(given_up.found, Awaited) and given_up.cause in _OF_BUILDS:
        images = given_up.found.images
        one = next(one for one in wanted if not isinstance(images, Several) or one.id == images.deciding[0])
        return Reason(
            reason_of_build(
                _missing_in_words(wanted, place, images),
                place,
                given_up.found,
                effort=effort,
                newest=newest,
                now=now,
                elsewhere=elsewhere(one.image.repository),
                terms=terms,
            )
        )
    found = images_of(given_up.found) if given_up.found else None
    if not isinstance(found, Several):
        return reason_given_up(
            wanted[0].image, place.at(wanted[0].source), bounds, given_up=given_up, now=now, newest=newest, terms=terms
        )
    by_id = {one.id: one for one in wanted}
    id_, finding = found.deciding
    one = by_id[id_]
    if given_up.cause is not Cause.TIME_UP or len(wanted) == 1:
        alone = replace(given_up, found=finding)
        reason = reason_given_up(
            one.image, place.at(one.source), bounds, given_up=alone, now=now, newest=newest, terms=terms
        )
        if len(wanted) == 1:
            return reason
        return replace(reason, sentence=f"{id_}, one of {len(wanted)} images: {reason.sentence}")
    regions = [place.at(by_id[id_].source).region for id_, _ in found.missing]
    where = f" in {regions[0]}" if len({*regions}) == 1 else ""
    last = grouped(
        (seen(each) if where else f"in {region}, {seen(each)}", called(by_id[id_]))
        for region, (id_, each) in zip(regions, found.missing, strict=True)
    )
    # Once, for the one that decides: twenty times it would leave no room for what to do.
    last[-1] += elsewhere(one.image.repository) if isinstance(finding, NoRepository) else ""
    last[-1] += awaited_build(given_up.found)
    image = in_question(wanted, found).image
    return _reason_timed_out(
        f"{len(found.missing)} of {len(wanted)} images{where}",
        f"{effort}{shortened(bounds)}",
        last,
        _newest(newest, now, finding, whose=image.repository),
        advice(image, bounds, finding, newest, terms),
    )


def _reason_timed_out(wanted: str, effort: str, last: Sequence[str], newest: _Newest, advice: str) -> Reason:
    heading = f"Gave up on {wanted}"
    told = [("last seen" if not number else "", each) for number, each in enumerate(last)]
    rows = [("checked", effort), *told, (newest.title, newest.text), ("what to do", advice)]
    return Reason(
        f"{heading}: checked {effort}, last seen: {'; '.join(last)}{newest.clause}; {advice}",
        heading,
        tuple((title, text) for title, text in rows if text),
    )


def reason_given_up(
    image: ImageId,
    place: Place,
    bounds: Bounds,
    *,
    given_up: GivenUp,
    now: float,
    newest: NewestTags | None,
    terms: Terms = TEMPLATE,
) -> Reason:
    """Say in one sentence what was waited for, how long, how often, what was last seen and what to do next.

    Args:
        image: what was waited for.
        place: where.
        bounds: of the wait.
        given_up: how it ended.
        now: the time, from which the ages of tags are told.
        newest: the repository's; None where nobody looked.
        terms: the words of whoever reads it.
    """
    effort = effort_of(given_up, bounds, now)
    wanted = f"{image} in {place.region}"
    finding = given_up.found if given_up.found is None else decisive(given_up.found)
    match given_up.cause:
        case Cause.NO_REPOSITORY:
            return Reason(
                f"The repository {image.repository} does not exist in {place.region}, account {place.account}"
                f"{elsewhere(image.repository)} (checked {effort}): create it first, correct "
                f"{terms.named('RepositoryName')}, or, where its first push creates it, "
                f"{terms.switched_on('WaitForRepository')}"
            )
        case Cause.ACCESS_DENIED:
            return Reason(_reason_denied(image, place, finding, effort, terms))
        case Cause.REFUSED:
            said = seen(finding) if finding else "ECR refused"
            cure = f"correct what AWS names, then {terms.again}"
            if isinstance(finding, NoRegion):
                cure = advice(image, bounds, finding, newest, terms)
            return Reason(f"Cannot look for {wanted} (checked {effort}): {said}; {cure}")
        case Cause.NEVER:
            never = finding if isinstance(finding, NotDeployable) else NotDeployable("", "")
            return Reason(
                f"The image {wanted} cannot {never.cannot} (checked {effort}): {never.because}; {never.cure}, then "
                f"{terms.again}"
            )
        case Cause.TOO_LATE:
            return Reason(_reason_too_late(wanted, effort))
        case Cause.TIME_UP:
            last = seen_of(image, finding) + awaited_build(given_up.found) if finding else "nothing"
            if isinstance(finding, Unavailable) and given_up.image_missing:
                last += ", and before that no such image"
            return _reason_timed_out(
                wanted,
                f"{effort}{shortened(bounds)}",
                [last],
                _newest(newest, now, finding),
                advice(image, bounds, finding, newest, terms),
            )
        case Cause.BUILD_BROKEN | Cause.BUILT_WITHOUT | Cause.BUILD_HIDDEN:
            raise TypeError("a build is not a finding of one image")
        case _:
            assert_never(given_up.cause)


def _missing_in_words(wanted: Sequence[Wanted], place: Place, found: Looked) -> str:
    where = {one.id: (f"in {place.at(one.source).region}", str(one.image)) for one in wanted}
    if len(wanted) == 1 or not isinstance(found, Several):
        region, image = where[wanted[0].id]
        return f"{image} {region}"
    missing = clipped("; ".join(grouped(where[id_] for id_, _ in found.missing)), _LONGEST_LIST)
    return f"{len(found.missing)} of {len(wanted)} images ({missing})"


def reason_invalid(error: InvalidRequest) -> str:
    """Say every fault of a request at once."""
    return f"Nothing was waited for, the request is not valid: {error}; correct it and deploy again"


def waited_for(wanted: Sequence[Wanted], place: Place) -> str:
    """Say what was waited for, and where if it is one image."""
    return subject(wanted) + (f" in {place.at(wanted[0].source).region}" if len(wanted) == 1 else "")


def reason_stopped(wanted: str, *, checks: int, waited: float, fault: str) -> str:
    """Say that the wait could not go on although it had time left. `wanted`: what was waited for, and where."""
    return f"Stopped waiting for {wanted}, checked {times(checks)} in {duration(waited)}: {fault}"


def reason_abandoned(wanted: str, status: str, *, checks: int, waited: float) -> str:
    """Say that the stack no longer waits. `status`: of the stack, empty if it is gone."""
    stack = f"is {status} now" if status else "is gone"
    return (
        f"Stopped waiting for {wanted}, checked {times(checks)} in {duration(waited)}: the stack {stack}, so the "
        "operation that asked for the image is over; deploy again if the stack still needs it"
    )


def _reason_denied(image: ImageId, place: Place, finding: Finding | None, effort: str, terms: Terms) -> str:
    denied = finding if isinstance(finding, AccessDenied) else AccessDenied("access denied", "")
    allowed = grant(denied, place, place.repository_arn(image.repository), terms)
    said = coded(denied.code, denied.message)
    return f"Not allowed to look for {image} (checked {effort}): {allowed}; AWS said {said}"


def _reason_too_late(wanted: str, effort: str) -> str:
    return (
        f"Gave up on {wanted} (checked {effort}): Lambda delivered this invocation only when ServiceTimeout had "
        "passed; look for throttled invocations of the function, then deploy again"
    )


def _newest(newest: NewestTags | None, now: float, finding: Finding | None, whose: str = "") -> _Newest:
    # Those look at what can be pulled.
    if newest is None or (not newest.tags and isinstance(finding, NotPullable)):
        return _Newest()
    title, of = f"newest tags{f' of {whose}' if whose else ''}", among(newest)
    if not newest.tags:
        return _Newest(f", and no tagged image{of or ' at all'}", title, f"none{of}")
    tags = ", ".join(f"{entry.tag} ({duration(now - entry.pushed_at)} old)" for entry in newest.tags[:NEWEST_TAGS])
    return _Newest(f", {whose or 'the repository'}'s newest tags{of} are {tags}", title, f"{tags}{of and f',{of}'}")


def reason_of_build(
    wanted: str,
    place: Place,
    found: Awaited,
    *,
    effort: str,
    newest: NewestTags | None,
    now: float,
    elsewhere: str = "",
    terms: Terms = TEMPLATE,
) -> str:
    """Returns one sentence: why a build ended the wait, and what to do; see `reason_given_up`.

    Args:
        wanted: the missing images, with their regions.
        place: of the function.
        found: the finding that ended the wait.
        effort: how often and how long the wait checked.
        newest: the repository's newest tags; None if they were not read.
        now: the time, for the ages of tags.
        elsewhere: a hint about the repository's name, if it does not exist.
        terms: the words of the interface.
    """
    builder, build = found.builder, found.build
    match build:
        case Broken(run=run):
            return (
                f"Gave up on {wanted} (checked {effort}): {run_of(builder, run)}, which was to push it, {ended(run)}; "
                f"mend that{link_of(run)}, then {terms.again}"
            )
        case Built(run=run):
            no_repository = isinstance(decisive(found), NoRepository)
            instead = (
                f", and the repository does not exist{elsewhere}" if no_repository else instead_of_it(run, newest, now)
            )
            what = "its name" if no_repository else "the tag"
            return (
                f"Gave up on {wanted} (checked {effort}): {run_of(builder, run)} succeeded without pushing it"
                f"{instead}; correct {what} here or in the build{link_of(run)}, then {terms.again}"
            )
        case BuildHidden(missing=True):
            return (
                f"Gave up on {wanted} (checked {effort}): {builder} does not exist in {place.region}, account "
                f"{place.account}; correct {terms.named(builder.kind.property)}, or create it {terms.beforehand}"
            )
        case BuildHidden():
            return _reason_hidden(wanted, place, found, build, effort=effort, terms=terms)
        case _:
            return f"Gave up on {wanted} (checked {effort}): {seen_of_build(builder, build)}"


def _reason_hidden(wanted: str, place: Place, found: Awaited, build: BuildHidden, *, effort: str, terms: Terms) -> str:
    builder = found.builder
    said = coded(build.code, build.message)
    if not build.denied:
        return (
            f"Gave up on {wanted} (checked {effort}): AWS refused {build.action} on {builder} ({said}); correct what "
            f"AWS names, then {terms.again}"
        )
    role = re.search(r":assumed-role/([^/\s]+)/", build.message)
    how = terms.by_parameter(builder.kind.parameter + (" and AllowStartBuild" if ":Start" in build.action else ""))
    return (
        f"Not allowed to follow {builder}, which is to push {wanted} (checked {effort}): allow {build.action} on "
        f"{place.builder_arn(builder)} to {'the role ' + role[1] if role else terms.waiter}"
        f"{',' if how else ''}{how}; AWS said {said}"
    )
