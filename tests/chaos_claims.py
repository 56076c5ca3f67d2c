"""What must hold after any run, however much went wrong in it. No I/O: a finished world in, violations out."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise

from ecr_image_waiter.errors import DeliveryFailed
from ecr_image_waiter.request import STATE_KEY
from last_resort import NotDeliveredError
from sandbox.player import CANARIES, Outcome
from tests.chaos_world import ChaosWorld, Story, elapsed, told
from tests.simulation import DIGEST, Record

ATTRIBUTES = {
    *("ImageUri", "ImageDigest", "TaggedImageUri", "RepositoryUri", "RepositoryName", "ImageTag", "RegistryId"),
    *(
        "ImagePushedAt",
        "ImageSizeInBytes",
        "ImageManifestMediaType",
        "PlatformDigest",
        "PlatformImageUri",
        "Architecture",
    ),
    *("Attempts", "WaitedSeconds"),
}
LAST_RESORT = ("The waiter function died before it could answer", "The waiter function never ran")
HAND_OVER_FAULTS = {"throttled", "5xx", "denied", "refused", "unreachable", "reply lost"}
MOST_INVOCATIONS = 400
"""Of one request, those of the last resort included: chains whose replies were lost may double, but not for ever."""
ABANDONED_AFTER = 255.0 + 15.0
"""Seconds: the latest first question, and what a slow check may add."""


def violations(world: ChaosWorld) -> list[str]:
    """Return every claim that a finished run breaks, in words."""
    found = [
        *_of_the_log(world),
        *(f"an event was dropped: {why}" for why, _ in world.dropped if why == "recursion"),
    ]
    for operation in world.cloudformation.operations:
        story = world.story_of(operation.event)
        for check in (_answered, _ends, _ids, _bounds, _status, _over, _in_peace):
            found += [f"{operation.kind} {check.__name__[1:]}: {text}" for text in check(world, story)]
    return found


def excused(world: ChaosWorld, story: Story) -> bool:
    """Whether nobody could have answered: the endpoint refused throughout, or it was held up for too long."""
    if world.plan.target == ("refuses throughout", "put"):
        return True
    return story.delay + world.plan.skew > _reserve(story) - 45.0


def _service_timeout(story: Story) -> float:
    return float(story.operation.event["ResourceProperties"].get("ServiceTimeout", 3600))


def _reserve(story: Story) -> float:
    return min(max(0.2 * _service_timeout(story), 15.0), 240.0)


def _limit(story: Story) -> float:
    """Return when the contract's section 3 has the wait end."""
    properties = story.operation.event["ResourceProperties"]
    wanted = float(properties.get("MaxRetries", 60)) * float(properties.get("RetryDelaySeconds", 30))
    return math.floor(story.operation.sent) + min(wanted, _service_timeout(story) - _reserve(story))


def _tolerance(world: ChaosWorld) -> float:
    return world.plan.skew + (1.6 if world.plan.skew else 0.5)


def _checks(world: ChaosWorld, story: Story) -> list[float]:
    return sorted(moment for record in world.records_of(story) for moment in record.checks)


def _is_a_rollback_s(world: ChaosWorld, story: Story) -> bool:
    first = world.cloudformation.operations[0]
    return story.operation.kind == "Update" and story.operation is not first


def _answered(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Exactly one answer counts, in time."""
    outcome = story.operation.outcome
    if outcome is None:
        yield "no end"
        return
    counted = [attempt for attempt in story.operation.attempts if attempt.counted]
    if outcome.by == "answer" and len(counted) != 1:
        yield f"{len(counted)} answers counted"
    if outcome.by == "time-out" and not excused(world, story):
        yield f"no answer before ServiceTimeout, held up for {story.delay:.0f} s"
    if outcome.by == "refused answer":
        yield f"CloudFormation did not accept an answer: {outcome.reason}"


def _ends(world: ChaosWorld, story: Story) -> Iterator[str]:
    """No invocation ends in silence, or in an error that is not of the delivery's."""
    outcome = story.operation.outcome
    for record in world.records_of(story):
        delivered = any(200 <= status < 300 for status, _ in record.puts)
        if record.end == "raised":
            if not isinstance(record.error, DeliveryFailed | NotDeliveredError):
                yield f"invocation {record.number} raised {type(record.error).__name__}"
            elif delivered:
                yield f"invocation {record.number} failed although its answer was taken"
        if record.end != "returned" or delivered or _handed_over(world, story, record):
            continue
        over = outcome is not None and outcome.at <= record.ended
        if not over or record.for_last_resort:
            yield f"invocation {record.number} ended with neither an answer, a hand-over nor an error"
        elif record.puts:
            yield f"invocation {record.number} swallowed that its answer was not taken"


def _handed_over(world: ChaosWorld, story: Story, record: Record) -> bool:
    """Whether an invocation has a successor, delivered or still in Lambda's hands."""
    hops = told(record.event)["progress"]["hops"] if record.continues else 0
    events = [each.event for each in world.records_of(story) if each.continues]
    events += [queued.payload for _, queued in world.dropped if STATE_KEY in queued.payload]
    return any(told(event)["progress"]["hops"] == hops + 1 for event in events)


def _ids(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Every answer to a request names the same resource, and an Update or a Delete the one that it came with."""
    ids = {json.loads(body)["PhysicalResourceId"] for r in world.records_of(story) for _, body in r.puts}
    given = story.operation.event.get("PhysicalResourceId")
    if len(ids | ({given} if given else set())) > 1:
        yield f"several physical ids: {sorted(ids)}"


def _bounds(world: ChaosWorld, story: Story) -> Iterator[str]:
    """The limit never moves, and a chain of invocations is never longer than Lambda allows."""
    for record in world.records_of(story):
        if record.chain > 15:
            yield f"a chain of {record.chain} invocations"
        if not record.continues:
            continue
        state = told(record.event)
        if abs(state["limit"] - _limit(story)) > _tolerance(world):
            yield f"the limit moved by {state['limit'] - _limit(story):.1f} s"
        if abs(state["start"] - math.floor(story.operation.sent)) > _tolerance(world):
            yield f"the start moved by {state['start'] - story.operation.sent:.1f} s"
        if {key: value for key, value in record.event.items() if key != STATE_KEY} != story.operation.event:
            yield "a hand-over changed the event"
    if len(world.records_of(story)) > MOST_INVOCATIONS:
        yield f"{len(world.records_of(story))} invocations"
    last = max(_checks(world, story), default=0.0)
    # After that an Update's stack rolls back, and a late invocation looks once.
    if story.operation.kind == "Create" and last >= story.operation.sent + _service_timeout(story) + _tolerance(world):
        yield "a check after ServiceTimeout"


def _status(world: ChaosWorld, story: Story) -> Iterator[str]:
    """The answer is the one that what happened calls for."""
    outcome = story.operation.outcome
    for record in world.records_of(story):
        seen = record.number in story.saw_image and record.end == "returned"
        statuses = [json.loads(body)["Status"] for _, body in record.puts]
        if seen and "SUCCESS" not in statuses:
            yield f"invocation {record.number} saw the image and answered {statuses or 'nothing'}"
    if outcome is None or outcome.by != "answer":
        return
    died = outcome.reason.startswith(LAST_RESORT)
    if story.operation.kind == "Delete":
        if outcome.status != "SUCCESS":
            yield "FAILED"
    elif died:
        if not any(world.story_of(queued.payload) is story for _, queued in world.dropped):
            yield "the last resort answered for a waiter that lives"
    elif outcome.status == "SUCCESS":
        yield from _success(world, story, outcome)
    elif _is_a_rollback_s(world, story) and not any(step == "question" for _, step in story.hits):
        yield f"a rollback was blocked: {outcome.reason[:100]}"
    else:
        yield from _failure(world, story, outcome)


def _success(world: ChaosWorld, story: Story, outcome: Outcome) -> Iterator[str]:
    data = outcome.data
    if data.keys() != ATTRIBUTES:
        yield f"attributes missing: {sorted(ATTRIBUTES - data.keys())}"
        return
    if data["ImageDigest"] == DIGEST:
        if elapsed(outcome.at) < world.plan.image_from or not data["ImageUri"].endswith(f"@{DIGEST}"):
            yield "SUCCESS with an image that is not there"
    elif not _is_a_rollback_s(world, story):
        yield "SUCCESS without the image"
    elif not data["ImageUri"].endswith(":v0") or data["ImageDigest"]:
        yield f"a rollback got {data['ImageUri']}"


def _failure(world: ChaosWorld, story: Story, outcome: Outcome) -> Iterator[str]:
    checks = _checks(world, story)
    if "log stream" not in outcome.reason:
        yield "a Reason that does not name the log stream"
    if outcome.reason.startswith("Nothing was waited for"):
        if world.plan.valid and "invocations of this function" not in outcome.reason:
            yield f"valid properties were refused: {outcome.reason[:150]}"
        if checks:
            yield "checked in spite of invalid properties"
    elif not world.plan.valid and not _is_a_rollback_s(world, story):
        yield "invalid properties were accepted"
    elif unfounded := _unfounded(world, story, outcome, checks):
        yield unfounded


def _unfounded(world: ChaosWorld, story: Story, outcome: Outcome, checks: list[float]) -> str:
    """Return why a wait should not have ended as it did, nothing if it should."""
    at, limit = outcome.at + _tolerance(world), _limit(story)
    slow = 2.0  # what a check may take
    if outcome.reason.startswith("Gave up on"):
        last = max(checks, default=0.0) + _tolerance(world)
        unfounded = at < limit or last < limit
        what = f"gave up {limit - outcome.at:.1f} s before the limit, {limit - last:.1f} s before it looked last"
    elif "does not exist in" in outcome.reason:
        unfounded = at + slow < min(checks[0] + 15.0, limit) or world.plan.repository_from < 5.0
        what = "no grace for the repository"
    elif outcome.reason.startswith("Not allowed to look"):
        unfounded = story.first_denied is None or at + slow < min(story.first_denied + 60.0, limit)
        what = "no grace for the permission"
    elif outcome.reason.startswith("Stopped waiting for"):
        unfounded = not any(step == "hand-over" and fault in HAND_OVER_FAULTS for fault, step in story.hits)
        what = "stopped for no fault"
    else:
        unfounded, what = True, f"a Reason that nothing explains: {outcome.reason[:150]}"
    return what if unfounded else ""


def _over(world: ChaosWorld, story: Story) -> Iterator[str]:
    """A wait that nobody waits for makes no check later than four minutes on, where it may ask and did not crash."""
    outcome = story.operation.outcome
    steps = ("question", "event", "hand-over", "put")
    troubled = any(step in steps or fault.startswith("crash") for fault, step in story.hits)
    if outcome is None or outcome.by != "cancellation" or troubled:
        return
    late = [moment - outcome.at for moment in _checks(world, story) if moment > outcome.at + ABANDONED_AFTER]
    if late:
        yield f"a check {late[-1]:.0f} s after the stack was cancelled"
    if not story.operation.attempts:
        yield "a wait that was abandoned in silence"


def _in_peace(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Where nothing went wrong, everything is exact."""
    outcome = story.operation.outcome
    answered = outcome is not None and outcome.by == "answer" and story.operation.kind != "Delete"
    if outcome is None or not answered or story.hits or world.plan.skew or not world.plan.valid:
        return
    checks = _checks(world, story)
    if _is_a_rollback_s(world, story):
        if len(checks) != 1 or outcome.at - story.operation.sent > 12.0:
            yield f"a rollback waited: {len(checks)} checks"
        return
    delay = float(story.operation.event["ResourceProperties"]["RetryDelaySeconds"])
    pauses = [later - earlier for earlier, later in pairwise(checks)]
    if any(pause > delay + 9.0 for pause in pauses):
        yield f"a pause of {max(pauses):.1f} s, allowed: {delay:.0f}"
    if checks and checks[-1] > _limit(story) + 1.6:
        yield f"the last check came {checks[-1] - _limit(story):.1f} s after the limit"
    yield from _questions_in_peace(world, story)
    if outcome.status == "SUCCESS":
        if int(outcome.data["Attempts"]) != len(checks):
            yield f"Attempts {outcome.data['Attempts']}, made: {len(checks)}"
        waited = outcome.at - math.floor(story.operation.sent)
        if abs(int(outcome.data["WaitedSeconds"]) - waited) > 2.0:
            yield f"WaitedSeconds {outcome.data['WaitedSeconds']}, waited: {waited:.1f}"


def _questions_in_peace(world: ChaosWorld, story: Story) -> Iterator[str]:
    # An Update asks when it begins, and before it fails.
    asked = story.questions[1:-1] if story.operation.kind == "Update" else story.questions
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    # With shorter slices, hand-overs ask as well.
    if world.plan.timeout >= 900 and any(not 149.0 <= gap <= 225.0 for gap in gaps):
        yield f"questions about the stack {min(gaps):.1f} to {max(gaps):.1f} s apart"


def _of_the_log(world: ChaosWorld) -> Iterator[str]:
    """Nothing shows the response URL, and a delivery that failed for good is an error in the log."""
    log = world.log.getvalue()
    told_elsewhere = [str(record.error) for record in world.invocations if record.error]
    told_elsewhere += [body.decode() for record in world.invocations for _, body in record.puts]
    if any(canary in text for text in (log, *told_elsewhere) for canary in CANARIES):
        yield "a part of the response URL's query is shown"
    failed = [record for record in world.invocations if isinstance(record.error, DeliveryFailed)]
    lines = world.log_lines()
    errors = [line for line in lines if line["level"] == "ERROR" and "did not take the answer" in line["message"]]
    if len(errors) < len(failed):
        yield "an answer that was not delivered is not in the log"
    if any("failed unexpectedly" in line["message"] for line in lines):
        yield "a fault of the waiter's own"
