"""What must hold after any run, however much went wrong in it. No I/O: a finished world in, violations out."""

import json
import math
import re
from collections.abc import Iterable, Iterator

from ecr_image_waiter.core.messages import DeliveryFailed, StackUnknown
from ecr_image_waiter.core.state import STATE_KEY
from last_resort import NotDeliveredError
from sandbox.player import CANARIES, Outcome
from tests.chaos.world import ELSEWHERE, HAND_OVER_ERRORS, Asked, ChaosWorld, Story, elapsed, hostile_image, told
from tests.support.fakes import DIGEST
from tests.support.simulation import Record

ATTRIBUTES = {
    *("ImageUri", "ImageDigest", "TaggedImageUri", "RepositoryUri", "RepositoryName", "ImageTag", "RegistryId"),
    *("ImagePushedAt", "ImageSizeInBytes", "ImageManifestMediaType", "PlatformDigest", "PlatformImageUri"),
    *("Architecture", "Attempts", "WaitedSeconds"),
}
MOST_INVOCATIONS = 400
"""Of one request, those of the last resort included: chains whose replies were lost may double, but not for ever."""
NEXT_RUN = 120.0 + 20.0
"""Seconds: Lambda's longest pause before it runs a failed invocation again, and some for that one."""
COMMAND = re.compile(r"(^|\s)::|##\w*\[")
"""The beginning of a command in the log of a CI service."""
ABANDONED_AFTER = 255.0 + 15.0
"""Seconds: the latest first question, and what a slow check may add."""


def violations(world: ChaosWorld) -> list[str]:
    """Return every claim that a finished run breaks, in words."""
    found = [*_of_the_log(world), *(f"an event was dropped: {why}" for why, _ in world.dropped if why == "recursion")]
    for operation in world.cloudformation.operations:
        story = world.story_of(operation.event)
        for check in (_answered, _ends, _ids, _bounds, _saw, _status, _harmless, _over, _in_peace):
            found += [f"{operation.kind} {check.__name__[1:]}: {text}" for text in check(world, story)]
    return found


def excused(world: ChaosWorld, story: Story) -> bool:
    """Whether nobody could have answered: the endpoint refused throughout, or it was held up for too long."""
    if world.plan.target == ("refuses throughout", "put"):
        return True
    return story.delay + world.plan.skew > max(_reserve(story) - 45.0, 2.0)


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


def _by_last_resort(world: ChaosWorld, story: Story) -> Record | None:
    """Return the invocation of the last resort that sent the response that counted, if it did."""
    counted = [attempt.put.body for attempt in story.operation.attempts if attempt.counted]
    records = [record for record in world.records_of(story) if record.for_last_resort]
    return next((record for record in records if counted and counted[0] in [body for _, body in record.puts]), None)


def _answered(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Exactly one answer counts, in time."""
    outcome = story.operation.outcome
    if outcome is None:
        yield "no end"
        return
    counted = [attempt for attempt in story.operation.attempts if attempt.counted]
    if outcome.by == "answer" and len(counted) != 1:
        yield f"{len(counted)} answers counted"
    if outcome.by == "timeout" and not excused(world, story):
        yield f"no answer before ServiceTimeout, held up for {story.delay:.0f} s"
    if not story.operation.attempts and not excused(world, story):
        yield "nobody answered, not even for nothing"
    if outcome.by == "refused answer":
        yield f"CloudFormation did not accept an answer: {outcome.reason}"


def _ends(world: ChaosWorld, story: Story) -> Iterator[str]:
    """No invocation ends in silence, or in an error that is not of the delivery's or of a stack in doubt."""
    for record in world.records_of(story):
        delivered = any(200 <= status < 300 for status, _ in record.puts)
        if record.end == "raised":
            doubt = isinstance(record.error, StackUnknown) and _unheard(story, record)
            if not doubt and not isinstance(record.error, DeliveryFailed | NotDeliveredError):
                yield f"invocation {record.number} raised {type(record.error).__name__}"
            elif delivered:
                yield f"invocation {record.number} failed although its answer was taken"
        if record.end != "returned" or delivered or _handed_over(world, story, record):
            continue
        if record.puts:
            yield f"invocation {record.number} swallowed that its answer was not taken"
        else:
            yield f"invocation {record.number} ended with neither an answer, a hand-over nor an error"


def _unheard(story: Story, record: Record) -> bool:
    """Whether the last question of an invocation about the stack was not answered."""
    asked = [each for each in story.asked if each.number == record.number]
    return bool(asked) and not asked[-1].told


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
    # After that an Update's stack rolls back, and a late invocation checks once.
    if story.operation.kind == "Create" and last >= story.operation.sent + _service_timeout(story) + _tolerance(world):
        yield "a check after ServiceTimeout"


def _status(world: ChaosWorld, story: Story) -> Iterator[str]:
    """The response is the one that what happened calls for."""
    outcome = story.operation.outcome
    if outcome is None or outcome.by != "answer":
        return
    last_resort = _by_last_resort(world, story)
    if story.operation.kind == "Delete":
        if outcome.status != "SUCCESS":
            yield "FAILED"
    elif last_resort and not any(world.story_of(queued.payload) is story for _, queued in world.dropped):
        yield "the last resort answered for a waiter that lives"
    elif outcome.status == "SUCCESS":
        yield from _success(world, story, outcome)
    elif story.rolls_back:
        yield from _blocked(world, story, outcome, last_resort)
    elif not last_resort:
        yield from _failure(world, story, outcome)


def _saw(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Whichever invocation sees the image says so."""
    for record in world.records_of(story):
        seen = record.number in story.saw_image and record.end == "returned"
        statuses = [json.loads(body)["Status"] for _, body in record.puts]
        if seen and "SUCCESS" not in statuses:
            yield f"invocation {record.number} saw the image and answered {statuses or 'nothing'}"


def _blocked(world: ChaosWorld, story: Story, outcome: Outcome, last_resort: Record | None) -> Iterator[str]:
    """A rollback's Update gets FAILED only where nobody could know that it is one."""
    if world.plan.account == ELSEWHERE:
        return
    asked = [each for each in story.asked if each.at <= outcome.at]
    if why := _known_better(story, outcome, asked, last_resort) if asked else "nobody asked":
        yield f"a rollback was blocked: {why}: {outcome.reason[:100]}"


def _known_better(story: Story, outcome: Outcome, asked: list[Asked], last_resort: Record | None) -> str:
    if asked[-1].told == "denied":
        return ""
    if asked[-1].told:
        return f"{asked[-1].told} was told{' of a moment before' * asked[-1].lie}"
    if last_resort:
        tried = [each for each in asked if each.number == last_resort.number]
        return "" if len(tried) > 1 else f"the last resort asked {len(tried)} times"
    left = story.operation.deadline - outcome.at
    return f"it was in doubt, {left:.0f} s before ServiceTimeout" if left > NEXT_RUN else ""


def _harmless(world: ChaosWorld, story: Story) -> Iterator[str]:
    """No response commands a terminal or a log."""
    for record in world.records_of(story):
        for _, body in record.puts:
            answer = json.loads(body)
            yield from _commands("a response", [answer.get("Reason") or "", *answer.get("Data", {}).values()])


def _commands(where: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if not text.isprintable() or COMMAND.search(text):
            yield f"{where} may command a terminal: {text[:200]!r}"


def _success(world: ChaosWorld, story: Story, outcome: Outcome) -> Iterator[str]:
    data = outcome.data
    if data.keys() != ATTRIBUTES:
        yield f"attributes missing: {sorted(ATTRIBUTES - data.keys())}"
        return
    if data["ImageDigest"] == DIGEST:
        if elapsed(outcome.at) < world.plan.image_from or not data["ImageUri"].endswith(f"@{DIGEST}"):
            yield "SUCCESS with an image that is not there"
        if not story.rolls_back and not _is_ready(world):
            yield f"SUCCESS with an image that its conditions refuse: {world.plan.image}"
    elif not story.rolls_back:
        yield "SUCCESS without the image"
    elif not data["ImageUri"].endswith((":v0", "/team/gone", ":-no")) or data["ImageDigest"]:
        yield f"a rollback got {data['ImageUri']}"


def _is_ready(world: ChaosWorld) -> bool:
    """Whether the image is one that its conditions take, once it is there."""
    return not world.plan.image or hostile_image(world.plan.image, world.plan.seed).ready


def _failure(world: ChaosWorld, story: Story, outcome: Outcome) -> Iterator[str]:
    checks = _checks(world, story)
    if "log stream" not in outcome.reason:
        yield "a Reason that does not name the log stream"
    if outcome.reason.startswith("Invalid request: "):
        if world.plan.valid and "invocations with the function's timeout" not in outcome.reason:
            yield f"valid properties were refused: {outcome.reason[:150]}"
        if checks:
            yield "checked in spite of invalid properties"
    elif not world.plan.valid and not story.rolls_back:
        yield "invalid properties were accepted"
    elif unfounded := _unfounded(world, story, outcome, checks):
        yield unfounded


def _unfounded(world: ChaosWorld, story: Story, outcome: Outcome, checks: list[float]) -> str:
    """Return why a wait should not have ended as it did, nothing if it should."""
    at, limit = outcome.at + _tolerance(world), _limit(story)
    slow = 2.0  # what a check may take
    if outcome.reason.startswith("Timed out waiting"):
        last = max(checks, default=0.0) + _tolerance(world)
        unfounded = at < limit or last < limit
        what = f"gave up {limit - outcome.at:.1f} s before the limit, {limit - last:.1f} s before it looked last"
    elif "does not exist in account" in outcome.reason:
        unfounded = at + slow < min(checks[0] + 15.0, limit) or world.plan.repository_from < 5.0
        what = "no grace for the repository"
    elif "access denied (" in outcome.reason:
        unfounded = story.first_denied is None or at + slow < min(story.first_denied + 60.0, limit)
        what = "no grace for the permission"
    elif "deploy again if it still needs the image" in outcome.reason:
        unfounded, what = True, "abandoned although its stack waits"
    elif "could not invoke itself" in outcome.reason:
        unfounded = not any(step == "hand-over" and fault in HAND_OVER_ERRORS for fault, step in story.hits)
        what = "stopped for no fault"
    elif "cannot be" in outcome.reason:
        unfounded, what = _is_ready(world), "refused an image that is ready"
    else:
        unfounded, what = True, f"a Reason that nothing explains: {outcome.reason[:150]}"
    return what if unfounded else ""


def _over(world: ChaosWorld, story: Story) -> Iterator[str]:
    """A wait that nobody waits for makes no check later than four minutes on, where it may ask and did not crash."""
    outcome = story.operation.outcome
    steps = ("question", "event", "hand-over", "put")
    troubled = any(step in steps or fault.startswith("crash") for fault, step in story.hits)
    elsewhere = world.plan.account == ELSEWHERE
    if outcome is None or outcome.by != "cancellation" or troubled or elsewhere:
        return
    late = [moment - outcome.at for moment in _checks(world, story) if moment > outcome.at + ABANDONED_AFTER]
    if late:
        yield f"a check {late[-1]:.0f} s after the stack was cancelled"


def _in_peace(world: ChaosWorld, story: Story) -> Iterator[str]:
    """Where nothing went wrong, an image that comes before the limit is found, and a rollback does not wait."""
    outcome = story.operation.outcome
    answered = outcome is not None and outcome.by == "answer" and story.operation.kind != "Delete"
    disturbed = story.hits or story.delay > 1.0 or world.plan.skew or world.plan.account == ELSEWHERE
    if outcome is None or not answered or disturbed or not world.plan.valid:
        return
    there = max(world.plan.image_from, elapsed(story.operation.sent))
    if story.rolls_back:
        checks = _checks(world, story)
        # Two, where the platform of the image is asked for and cannot be read.
        if len(checks) > 2 or outcome.at - story.operation.sent > 12.0:
            yield f"a rollback waited: {len(checks)} checks, {outcome.at - story.operation.sent:.0f} s"
    elif outcome.status == "SUCCESS" or not _is_ready(world) or world.plan.repository_from:
        return
    elif there < elapsed(_limit(story)):
        yield f"did not find an image that was there: {outcome.reason[:150]}"


def _of_the_log(world: ChaosWorld) -> Iterator[str]:
    """Nothing shows the response URL, and a delivery that failed for good is an error in the log."""
    log = world.log.getvalue()
    told_elsewhere = [str(record.error) for record in world.invocations if record.error]
    told_elsewhere += [body.decode() for record in world.invocations for _, body in record.puts]
    if any(canary in text for text in (log, *told_elsewhere) for canary in CANARIES):
        yield "a part of the response URL's query is shown"
    failed = [record for record in world.invocations if isinstance(record.error, DeliveryFailed)]
    lines = world.lines
    errors = [line for line in lines if line["level"] == "ERROR" and line.get("event") == "response_not_sent"]
    if len(errors) < len(failed):
        yield "an answer that was not delivered is not in the log"
    if any(line.get("event") == "failed_unexpectedly" for line in lines):
        yield "a fault of the waiter's own"
    for line in lines:  # a traceback's lines stay lines
        yield from _commands("the log", (str(value) for key, value in line.items() if key != "exception"))
