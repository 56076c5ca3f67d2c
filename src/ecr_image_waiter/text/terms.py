"""The phrases that Reasons and the log share: what was seen, what to do, the words of each interface. Pure."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from ecr_image_waiter.core.builds import (
    Broken,
    Builder,
    BuildFinding,
    BuildHidden,
    BuildRun,
    BuildUnavailable,
    Built,
    NoRun,
    RunStatus,
    UnderWay,
)
from ecr_image_waiter.core.conditions import Wanted
from ecr_image_waiter.core.deadline import Bounds, response_reserve
from ecr_image_waiter.core.messages import LONGEST_MESSAGE, clipped, coded, duration
from ecr_image_waiter.core.model import (
    AccessDenied,
    Awaited,
    Finding,
    Found,
    Image,
    ImageId,
    Lacks,
    NewestTags,
    NoImage,
    NoRegion,
    NoRepository,
    NotDeployable,
    NotPullable,
    NotYet,
    Place,
    Refused,
    Several,
    Unavailable,
    images_of,
    lacks_image,
)
from ecr_image_waiter.core.uris import PUBLIC_HOSTS, registry_in

NEWEST_TAGS: Final = 5
_ENDS: Final = {
    "FAILED": "failed",
    "Failed": "failed",
    "FAULT": "ended in a CodeBuild fault",
    "TIMED_OUT": "timed out",
    "STOPPED": "was stopped",
    "Stopped": "was stopped",
    "Cancelled": "was cancelled",
}
_ROLE: Final = re.compile(r":(\d*):assumed-role/([^/\s]+)/")
_ACTION: Final = re.compile(r"\b((?:ecr|ecr-public|sts|codebuild|codepipeline):[A-Za-z]+)")
_RESOURCE: Final = re.compile(r"\b(arn:\S+:(?:(?:repository|registry|role)/|code(?:build|pipeline):)\S+)")
_THROTTLED: Final = re.compile("Throttl|TooManyRequests|LimitExceeded")
LIMITS: Final = {True: "ServiceTimeout", False: "the function's timeout"}
"""The limit that shortened a wait, by whether CloudFormation waits."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of one interface of the waiter, a template's or the command's.

    `named`: the name of a property. `switched_on`: how to set a property to true. `by_parameter`: the parameter of the
    waiter's stack that grants a permission, after a blank; empty if there is no stack. `again`: the step after a fix.
    `beforehand`: when to create a missing resource. `waiter`: the principal to allow. `credentials`: what to check if
    AWS rejects the credentials. `trusted`: the principal for a role's trust policy. `here`: the owner of the network.
    """

    named: Callable[[str], str]
    switched_on: Callable[[str], str]
    by_parameter: Callable[[str], str]
    again: str
    beforehand: str
    waiter: str
    credentials: str
    trusted: str
    here: str


TEMPLATE: Final = Terms(
    named=str,
    switched_on=lambda name: f"set {name} to true",
    by_parameter=lambda name: f" with the waiter's parameter {name}",
    again="deploy again",
    beforehand="before this resource",
    waiter="the waiter's role",
    credentials="that the waiter's role was not replaced",
    trusted="the waiter's role",
    here="the function's",
)
"""The words for a template's author."""


def subject(wanted: Sequence[Wanted]) -> str:
    """Returns the image, or the number of images."""
    return str(wanted[0].image) if len(wanted) == 1 else f"{len(wanted)} images"


def seen(found: Found) -> str:
    """Returns what a check saw, as a phrase for the log and for a Reason."""
    match found:
        case Awaited():
            return seen(found.images) + awaited_build(found)
        case Several(findings=((_, only),)):
            return seen(only)
        case Several():
            ready = f"{len(found.findings) - len(found.missing)} of {len(found.findings)} are ready"
            return "; ".join([ready, *grouped((seen(each), id_) for id_, each in found.missing)])
        case _:
            return _seen_of_one(found)


def awaited_build(found: Found | None) -> str:
    """Returns the state of the build, as the end of a phrase; empty if no build is followed."""
    return f"; {seen_of_build(found.builder, found.build)}" if isinstance(found, Awaited) else ""


def _seen_of_one(finding: Finding) -> str:
    match finding:
        case Image():
            return f"the image, {finding.digest}"
        case NotYet(because=because) | NotDeployable(because=because):
            return because
        case NoImage(tag_points_at=None):
            return "the repository has no such image"
        case NoImage():
            return f"the tag points at another image, {finding.tag_points_at}"
        case NotPullable():
            waits = f"not available yet (status {finding.status})"
            return f"the image is {'archived' if finding.status == 'ARCHIVED' else waits}"
        case NoRegion(region=region, nearest=nearest):
            return f'ECR has no host in "{region}" (nearest known: "{nearest}")'
        case NoRepository():
            return "the repository does not exist"
        case AccessDenied():
            return f"ECR denied access ({finding.code})"
        case Unavailable() | Refused():
            did = "did not answer" if isinstance(finding, Unavailable) else "refused"
            return f"ECR {did} ({coded(finding.code, finding.message)})"
        case _:
            assert_never(finding)


def seen_of(image: ImageId, finding: Finding) -> str:
    """Returns what was seen of an image, with a hint about the name of a repository that does not exist."""
    return seen(finding) + (elsewhere(image.repository) if isinstance(finding, NoRepository) else "")


def elsewhere(repository: str) -> str:
    """Returns a hint about a repository name that begins with the host of a registry; empty for other names."""
    host = registry_in(repository)
    if not host:
        return ""
    if host in PUBLIC_HOSTS:
        return " (for an image of ECR Public, set ImageUri to its whole URI)"
    return f' (only ECR is checked; for a pull-through cache of "{host}", pull the image once)'


def grouped(told: Iterable[tuple[str, str]]) -> list[str]:
    """Returns each phrase once, followed by all names it applies to, in the order of first names."""
    names: dict[str, list[str]] = {}
    for phrase, name in told:
        names.setdefault(phrase, []).append(name)
    return [f"{phrase}: {', '.join(each)}" for phrase, each in names.items()]


def in_question(wanted: Sequence[Wanted], found: Found | None) -> Wanted:
    """Returns the image whose repository's newest tags help the reader.

    Among several images it is the first whose repository exists without it, else the deciding one.
    """
    images = images_of(found) if found else None
    if not isinstance(images, Several):
        return wanted[0]
    id_ = next((id_ for id_, finding in images.findings if lacks_image(finding)), images.deciding[0])
    return next(one for one in wanted if one.id == id_)


def seen_of_build(builder: Builder, build: BuildFinding) -> str:
    """Returns the state of the build, as a phrase."""
    match build:
        case NoRun():
            return f"no {builder.kind.run_noun} of {builder} is under way"
        case UnderWay(run=run, started=True):
            return f"started {run_of(builder, run)}"
        case UnderWay(run=run):
            if run.status is RunStatus.SUPERSEDED:
                return f"{run_of(builder, run)} was superseded, and its successor is not listed yet"
            return f"{run_of(builder, run)} is under way{_where(run)}"
        case Broken(run=run):
            return f"{run_of(builder, run)} {ended(run)}"
        case Built(run=run):
            return f"{run_of(builder, run)} succeeded"
        case BuildHidden(missing=True):
            return f"{builder} does not exist"
        case BuildHidden(action=action, code=code, message=message):
            return f"AWS refused {action} on {builder} ({coded(code, message)})"
        case BuildUnavailable(code=code):
            return f"the state of {builder} is unknown ({code})"
        case _:
            assert_never(build)


def run_of(builder: Builder, run: BuildRun) -> str:
    """Returns a run by its id and its builder."""
    return f"{builder.kind.run_noun} {run.id} of {builder}"


def ended(run: BuildRun) -> str:
    """Returns how a run ended."""
    message = clipped(" ".join(run.message.split()), LONGEST_MESSAGE)
    how = _ENDS.get(run.said, f"ended as {clipped(run.said)}")
    return f"{how}{_where(run)}" + (f": {message}" if message else "")


def _where(run: BuildRun) -> str:
    if run.where == "queued":
        return ", queued"
    return f" in {clipped(run.where, 200)}" if run.where else ""


def among(newest: NewestTags) -> str:
    """Returns the number of images read, after a blank; empty if all images were read."""
    return f" of the {newest.images:,} images read" if newest.images else ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a wait took, in seconds, with the number of its checks."""

    seconds: float
    checks: int
    note: str = ""

    def on(self, wanted: str) -> str:
        """Returns the effort with its object: `30 min for "app:v1" (37 checks)`."""
        checks = "1 check" if self.checks == 1 else f"{self.checks} checks"
        return f"{duration(self.seconds)}{wanted and f' for {wanted}'} ({checks}{self.note})"


def whom_to_allow(message: str, terms: Terms) -> str:
    """Returns the principal to allow, which AWS's message may name."""
    role = _ROLE.search(message)
    return f'the role "{role[2]}" of account {role[1]}' if role else terms.waiter


def denial(code: str, message: str) -> str:
    """Returns AWS's code and message, without the role, action and resource that the advice names."""
    resource = _RESOURCE.search(message)
    if resource and _ROLE.search(message) and _ACTION.search(message):
        message = message[resource.end() :].strip().removeprefix("because ")
    return coded(code, message)


def grant(denied: AccessDenied, place: Place, arn: str, terms: Terms) -> str:
    """Returns why access is denied and how to allow it."""
    said = denial(denied.code, denied.message)
    match denied.lacks:
        case Lacks.PERMISSION:
            return f"access denied ({said}); {_allow(denied.message, place, arn, terms)}"
        case Lacks.CREDENTIALS:
            enabled = "" if place.is_public else f"that the account has enabled {place.region}, and "
            return f"AWS rejects the credentials ({said}); check {enabled}{terms.credentials}"
        case Lacks.KEY:
            return f"ECR may not use the KMS key of {arn} ({said}); enable it and restore ECR's grant for kms:Decrypt"
        case Lacks.UPSTREAM:
            rule = "correct the secret or the role of its pull-through cache rule"
            return f"the upstream registry of {arn} denied access ({said}); {rule}"
        case _:
            assert_never(denied.lacks)


def _allow(message: str, place: Place, arn: str, terms: Terms) -> str:
    """Returns the permission to grant, as far as AWS's message names it."""
    named, resource = _ACTION.search(message), _RESOURCE.search(message)
    action = named[1] if named else "ecr-public:DescribeImages" if place.is_public else "ecr:DescribeImages"
    service = action.partition(":")[0]
    call = f"{action} on {resource[1] if resource else arn}"
    if service != "sts" and place.assumed:
        terms = replace(terms, waiter=f"the role of {terms.named('RoleArn')}", by_parameter=lambda _: "")
    whom = whom_to_allow(message, terms)
    parameter = terms.by_parameter("AssumableRoleArns" if service == "sts" else "RepositoryArnPattern")
    if "explicit deny" in message:
        return f"remove the explicit deny of {call} for {whom}"
    if service == "sts":
        how = f"{parameter}, and name {terms.trusted} in that role's trust policy"
    elif "resource-based" in message:
        how = " in the repository's policy"
    elif service == "ecr-public" and parameter:
        how = " (the waiter stack's policy LookForPublicImages allows it, unless another policy restricts it)"
    else:
        how = f", for example{parameter}" if parameter else ""
    return f"allow {call} to {whom}{how}"


def advice(image: ImageId, bounds: Bounds, finding: Finding | None, newest: NewestTags | None, terms: Terms) -> str:
    """Returns what to do after a timeout."""
    named = terms.named
    match finding:
        case NoImage(tag_points_at=str()):
            return f"correct {named('ImageTag')} or {named('ImageDigest')}, or move the tag"
        case NotYet():
            return f"check its build, {named('Labels')} and {named('PushedAfter')}, or {_longer(bounds, terms)}"
        case NotPullable(status="ARCHIVED"):
            return "restore it or push it again"
        case NotPullable():
            return f"{terms.again} when ECR has restored it"
        case Unavailable(code=code, message=message):
            if _THROTTLED.search(code):
                return "run fewer waits at once, or raise ECR's quota"
            if code.startswith("UnableToGetUpstream"):
                return "check the upstream registry"
            status = "HTTP status" in message
            return f"check {terms.here} route to S3" if status else f"check ECR's health and {terms.here} network"
        case NoRegion():
            return f"correct {named('Region')} or {named('ImageUri')}"
        case NoRepository():
            return "create the repository, or check the push that creates it"
        case _:
            tag = f"correct {named('ImageTag')}, " if newest and newest.tags and image.tag else ""
            return f"{tag}check its build, or {_longer(bounds, terms)}"


def _longer(bounds: Bounds, terms: Terms) -> str:
    """Returns what gives the image more time, within the maximum of each limit."""
    # In floats, the end of a wait that lasts as long as ServiceTimeout allows may differ.
    if not bounds.shortened and bounds.limit < bounds.expires - response_reserve(bounds.expires - bounds.start) - 1:
        return f"raise {terms.named('MaxRetries')}"
    of_stack = bounds.expires < math.inf
    longest, otherwise = (3360, "start the build earlier") if of_stack else (870, "invoke the function again")
    return otherwise if math.ceil(bounds.limit - bounds.start) >= longest else f"raise {LIMITS[of_stack]}"
