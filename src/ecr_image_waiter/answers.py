"""What the answer says: the attributes of a found image, and why there is none. No I/O, no clock."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, assert_never

from .errors import InvalidRequest
from .findings import (
    AccessDenied,
    Finding,
    Image,
    ImageId,
    NoImage,
    NoRepository,
    NotPullable,
    Refused,
    TagSeen,
    Unavailable,
)
from .waiting import MAX_INVOCATIONS, Bounds, Cause, GivenUp, Ready

NEWEST_TAGS: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where the function looks: its own region and account. `partition` is `aws`, `aws-cn`, ..."""

    partition: str
    region: str
    account: str

    def repository_arn(self, repository: str) -> str:
        """Return the repository's ARN, as an IAM policy names it."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"


def place_of(function_arn: str) -> Place:
    """Return the partition, region and account that the function's own ARN names."""
    _, partition, _, region, account, *_ = [*function_arn.split(":"), *[""] * 5]
    return Place(partition or "aws", region, account)


def attributes(image: ImageId, ready: Ready, waited: float) -> dict[str, str]:
    """Return the attributes for Fn::GetAtt: every key always, each value a string, empty where it does not apply."""
    found = ready.image
    return {
        "ImageUri": f"{found.repository_uri}@{found.digest}",
        "ImageDigest": found.digest,
        "TaggedImageUri": f"{found.repository_uri}:{image.tag}" if image.tag else "",
        "RepositoryUri": found.repository_uri,
        "RepositoryName": image.repository,
        "ImageTag": image.tag or "",
        "RegistryId": found.registry_id,
        "ImagePushedAt": "" if found.pushed_at is None else _iso(found.pushed_at),
        "ImageSizeInBytes": "" if found.size is None else str(found.size),
        "ImageManifestMediaType": found.media_type or "",
        "Attempts": str(ready.checks),
        "WaitedSeconds": str(int(waited)),
    }


def attributes_without_image(image: ImageId, repository_uri: str, registry_id: str) -> dict[str, str]:
    """Return the attributes where a rollback goes on without the image: the URI that the template names, no digest.

    Args:
        image: as the template names it; without a repository everything is empty.
        repository_uri: of its repository.
        registry_id: the account.
    """
    if not image.repository:
        repository_uri = registry_id = ""
    nothing = attributes(image, Ready(Image("", registry_id, repository_uri), 1), 0.0)
    tagged = f"{repository_uri}:{image.tag}" if image.repository and image.tag else ""
    by_digest = f"{repository_uri}@{image.digest}" if image.repository and image.digest else ""
    return {**nothing, "ImageUri": tagged or by_digest, "TaggedImageUri": tagged}


def seen(finding: Finding) -> str:
    """Say what a check saw, in a phrase for the log and for a Reason."""
    match finding:
        case Image():
            return f"the image, {finding.digest}"
        case NoImage(tag_points_at=None):
            return "the repository has no such image"
        case NoImage():
            return f"the tag points at another image, {finding.tag_points_at}"
        case NotPullable(status="ARCHIVED"):
            return "the image is archived, so nothing can pull it"
        case NotPullable():
            return f"the image is not to be had yet, its status is {finding.status}"
        case NoRepository():
            return "the repository does not exist"
        case AccessDenied():
            return f"ECR denied access ({finding.code})"
        case Unavailable():
            return f"ECR did not answer ({_coded(finding.code, finding.message)})"
        case Refused():
            return f"ECR refused ({_coded(finding.code, finding.message)})"
        case _:
            assert_never(finding)


def reason_given_up(
    image: ImageId, place: Place, bounds: Bounds, *, given_up: GivenUp, now: float, newest: Sequence[TagSeen] | None
) -> str:
    """Say in one sentence what was waited for, how long, how often, what was last seen and what to do next.

    Args:
        image: what was waited for.
        place: where.
        bounds: of the wait.
        given_up: how it ended.
        now: the time, from which the ages of tags are told.
        newest: the repository's tags, the newest first; None where nobody looked.
    """
    unanswered = f", {given_up.faults} of them unanswered" if given_up.faults else ""
    effort = f"{_times(given_up.checks)} in {duration(now - bounds.start)}{unanswered}"
    wanted = f"{image} in {place.region}"
    finding = given_up.finding
    match given_up.cause:
        case Cause.NO_REPOSITORY:
            return (
                f"The repository {image.repository} does not exist in {place.region}, account {place.account} "
                f"(checked {effort}): create it first, correct RepositoryName, or set WaitForRepository to true to "
                "wait for it as well"
            )
        case Cause.ACCESS_DENIED:
            return _reason_denied(image, place, finding, effort)
        case Cause.REFUSED:
            said = seen(finding) if finding else "ECR refused"
            return f"Cannot look for {wanted} (checked {effort}): {said}; correct what AWS names, then deploy again"
        case Cause.TOO_LATE:
            return (
                f"Gave up on {wanted} (checked {effort}): Lambda delivered this invocation only when ServiceTimeout "
                "had passed; look for throttled invocations of the function, then deploy again"
            )
        case Cause.TIME_UP:
            cut = (
                f" (the wait was shortened from {duration(bounds.wanted - bounds.start)} to end before the time "
                "allowed is up)"
                if bounds.shortened
                else ""
            )
            last = seen(finding) if finding else "nothing"
            if isinstance(finding, Unavailable) and given_up.image_missing:
                last += ", and before that no such image"
            return (
                f"Gave up on {wanted}: checked {effort}{cut}, last seen: {last}"
                f"{_newest(newest, now)}; {_advice(image, bounds, finding, newest)}"
            )
        case _:
            assert_never(given_up.cause)


def reason_invalid(error: InvalidRequest) -> str:
    """Say every fault of a request at once."""
    return f"Nothing was waited for, the request is not valid: {error}; correct it and deploy again"


def reason_stopped(image: ImageId, place: Place, *, checks: int, waited: float, fault: str) -> str:
    """Say that the wait could not go on although it had time left."""
    return f"Stopped waiting for {image} in {place.region}, checked {_times(checks)} in {duration(waited)}: {fault}"


def duration(seconds: float) -> str:
    """Say a duration as a person would: `45 s`, `30 min`, `12 min 5 s`, `3 h 20 min`, `5 days`."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if whole < 60:
        return f"{whole} s"
    if minutes < 120:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    if hours < 48:
        return f"{hours} h" + (f" {minutes_left} min" if minutes_left else "")
    return f"{hours // 24} days"


def fault_too_long(seconds: float, needed: int, timeout: int, timeout_needed: int) -> str:
    """Say why a wait of so many seconds takes more invocations than Lambda's recursion guard allows."""
    return (
        f"MaxRetries x RetryDelaySeconds: a wait of {seconds:.0f} seconds would take {needed} invocations of this "
        f"function, whose time-out is {timeout} seconds, allowed: {MAX_INVOCATIONS}, because Lambda stops longer "
        f"chains; give the function a time-out of at least {timeout_needed} seconds or shorten the wait"
    )


def _reason_denied(image: ImageId, place: Place, finding: Finding | None, effort: str) -> str:
    message = finding.message if isinstance(finding, AccessDenied) else ""
    code = finding.code if isinstance(finding, AccessDenied) else "access denied"
    role = re.search(r":assumed-role/([^/\s]+)/", message)
    action = re.search(r"\b(ecr:[A-Za-z]+)", message)
    resource = re.search(r"\b(arn:[^\s]+:repository/[^\s]+)", message)
    return (
        f"Not allowed to look for {image} (checked {effort}): allow {action[1] if action else 'ecr:DescribeImages'} on "
        f"{resource[1] if resource else place.repository_arn(image.repository)} to "
        f"{'the role ' + role[1] if role else 'the role of the waiter function'}, for example with the waiter "
        f"stack's parameter RepositoryArnPattern; AWS said {_coded(code, message)}"
    )


def _newest(newest: Sequence[TagSeen] | None, now: float) -> str:
    if newest is None:
        return ""
    if not newest:
        return ", and no tagged image at all"
    tags = ", ".join(f"{entry.tag} ({duration(now - entry.pushed_at)} old)" for entry in newest[:NEWEST_TAGS])
    return f", the repository's newest tags are {tags}"


def _advice(image: ImageId, bounds: Bounds, finding: Finding | None, newest: Sequence[TagSeen] | None) -> str:
    longer = "with a larger ServiceTimeout" if bounds.shortened else "with a larger MaxRetries"
    match finding:
        case NoImage(tag_points_at=str()):
            return "correct ImageTag or ImageDigest, or see why the tag was not moved, then deploy again"
        case NotPullable(status="ARCHIVED"):
            return "restore the image from the archive, then deploy again"
        case NotPullable():
            return "deploy again when ECR has restored it"
        case Unavailable():
            return "see whether ECR works in this region and can be reached from the function, then deploy again"
        case NoRepository():
            return "create the repository, then deploy again"
        case _ if newest and image.tag:
            return (
                "correct ImageTag if one of these is the image, otherwise see why its build did not push it, then "
                f"deploy again, {longer} if the build needs longer"
            )
        case _:
            return (
                f"see whether the build that pushes it ran and succeeded, then deploy again, {longer} if it needs "
                "longer"
            )


def _coded(code: str, message: str) -> str:
    message = " ".join(message.split())  # a Reason is one line
    return f"{code}: {message}" if message else code


def _times(checks: int) -> str:
    return {0: "never", 1: "once"}.get(checks, f"{checks} times")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
