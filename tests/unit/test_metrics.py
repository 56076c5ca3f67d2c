"""Each way a wait can end is counted, once, in a form that CloudWatch reads; a Delete is not."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from unittest.mock import Mock

import pytest

import last_resort
from ecr_image_waiter.core.builds import BuilderKind, BuildHidden, BuildRun, RunStatus
from ecr_image_waiter.core.messages import DeliveryFailed, GaveUp, InvalidRequest, UnusableEvent
from ecr_image_waiter.core.state import Cause, Outcome, Progress, State, continuation
from ecr_image_waiter.telemetry import NAMESPACE, SERVICE, UNITS, Meter
from tests.support.clock import NOW
from tests.support.emf import faults, metrics_of
from tests.support.fakes import DIGEST, PROPERTIES, aws_error, details, leaked, stack_event
from tests.support.world import FOUND, World, short

NOT_FOUND: Final = aws_error("ImageNotFoundException")
INDEX: Final = details(
    {"imageTags": ["v1"], "imageManifestMediaType": "application/vnd.oci.image.index.v1+json", "imageDigest": DIGEST}
)


def with_build(found: BuildRun | BuildHidden) -> World:
    """Return a world with a builder that has this run, or nothing but a fault."""
    runs = found if isinstance(found, BuildHidden) else [found]
    service = Mock(runs=lambda *_: runs, explained=lambda _, run, __: run)
    return World(NOT_FOUND, builds={BuilderKind.PROJECT: service})


def run(status: RunStatus) -> BuildRun:
    return BuildRun("app:1", status, status.value, began=NOW, ended=NOW + 1)


LATE: Final = continuation(
    stack_event(), State(NOW - 3700, NOW - 1900, Progress(due=NOW - 1900, checks=40, unanswered=3))
)


def of(**properties: str) -> dict[str, Any]:
    return stack_event(ResourceProperties={**PROPERTIES, **properties})


FOLLOWS: Final = of(BuildProject="app")
NOT_ALLOWED: Final = aws_error("AccessDeniedException", status=403, operation="Invoke")
ENDS: Final[dict[str, tuple[Callable[[], World], dict[str, Any]]]] = {
    Outcome.READY: (lambda: World(aws_error("ThrottlingException"), NOT_FOUND, FOUND), of()),
    Outcome.ABANDONED: (lambda: World(NOT_FOUND, stack=("DELETE_IN_PROGRESS",)), of()),
    Outcome.HAND_OVER_FAILED: (lambda: World(NOT_FOUND, hand_overs=(NOT_ALLOWED,)), of()),
    Outcome.INVALID: (World, of(MaxRetries="-1")),
    Outcome.UNEXPECTED: (lambda: World(NOT_FOUND, hand_overs=(RuntimeError("x"),)), of()),
    Outcome.ROLLBACK: (lambda: World(NOT_FOUND, stack=("UPDATE_ROLLBACK_IN_PROGRESS",)), stack_event("Update")),
    Cause.TIME_UP: (lambda: World(NOT_FOUND), stack_event(ResourceProperties=short())),
    Cause.NO_REPOSITORY: (lambda: World(aws_error("RepositoryNotFoundException")), of()),
    Cause.ACCESS_DENIED: (lambda: World(aws_error("AccessDeniedException")), of()),
    Cause.REFUSED: (lambda: World(aws_error("InvalidParameterException")), of()),
    Cause.NOT_DEPLOYABLE: (lambda: World(INDEX), of(DeployTarget="Lambda")),
    Cause.BUILD_BROKEN: (lambda: with_build(run(RunStatus.BROKEN)), FOLLOWS),
    Cause.BUILT_WITHOUT: (lambda: with_build(run(RunStatus.SUCCEEDED)), FOLLOWS),
    Cause.BUILD_HIDDEN: (lambda: with_build(BuildHidden("AccessDeniedException", "no", "codebuild:x")), FOLLOWS),
    Cause.TOO_LATE: (World, LATE),
}


def play(outcome: str) -> World:
    """Return a world in which a wait has ended like this."""
    made, event = ENDS[outcome]
    world = made()
    if outcome in (Outcome.HAND_OVER_FAILED, Outcome.UNEXPECTED):  # nothing came of what they handed over
        world.run(event)
    else:
        world.run_to_the_end(event)
    return world


def ended(world: World) -> list[dict[str, Any]]:
    return [document for document in world.metrics if "Waits" in document]


def test_there_is_a_case_here_for_every_way_to_end() -> None:
    assert ENDS.keys() == {*Outcome, *Cause}
    assert len(ENDS) == len(Outcome) + len(Cause)


@pytest.mark.parametrize("outcome", ENDS)
def test_however_a_wait_ends_it_is_counted_once_under_its_outcome_and_as_begun_in_its_first_invocation_alone(
    outcome: str,
) -> None:
    world = play(outcome)

    (document,) = ended(world)
    assert document["outcome"] == outcome
    assert metrics_of(document)["Waits"] == 1
    assert ("WaitSeconds" in document) is (outcome not in (Outcome.INVALID, Outcome.UNEXPECTED, Outcome.ROLLBACK))
    assert [faults(each) for each in world.metrics] == [[]] * len(world.metrics)
    assert len(world.transport.puts) == 1
    begun = [document for document in world.metrics if "WaitsStarted" in document]
    assert begun == world.metrics[:1] * (outcome != Cause.TOO_LATE)  # whose event is a continuation


def test_the_length_of_a_wait_is_counted_with_its_end() -> None:
    world = play(Outcome.READY)

    (document,) = ended(world)
    assert metrics_of(document) == {
        "Waits": 1,
        "WaitSeconds": pytest.approx(world.clock.now() - NOW),
        "Checks": 3,
        "UnansweredChecks": 1,
    }
    assert world.clock.now() > NOW


def test_each_hand_over_is_counted_with_its_number_and_one_that_failed_is_not() -> None:
    world = World(NOT_FOUND)

    world.run_to_the_end(of(MaxRetries="3600"))

    numbers = [metrics_of(document) for document in world.metrics if "HandOvers" in document]
    assert numbers == [{"HandOvers": 1, "HandOverNumber": number} for number in (1, 2, 3)]
    assert len(world.functions.calls) == 3
    assert not [document for document in play(Outcome.HAND_OVER_FAILED).metrics if "HandOvers" in document]


def test_retries_of_a_delivery_are_counted_where_there_were_any() -> None:
    retried = World(answers=(503, ConnectionResetError("reset"), 200))

    retried.run(stack_event())

    assert "DeliveryRetries" not in metrics_of(ended(play(Outcome.READY))[0])
    assert metrics_of(ended(retried)[0])["DeliveryRetries"] == 2


def test_an_answer_that_was_not_delivered_ends_no_wait_since_lambda_runs_it_again() -> None:
    world = World(answers=(403,))

    with pytest.raises(DeliveryFailed):
        world.run(stack_event())

    assert ended(world) == []


def test_a_delete_an_invalid_event_and_terraforms_delete_are_not_counted() -> None:
    world = World(answers=(503, 200))

    world.run(stack_event("Delete"))
    with pytest.raises(UnusableEvent):
        world.run(None)
    world.run({"tf": {"action": "delete"}})

    assert world.metrics == []


@pytest.mark.parametrize(
    ("script", "event", "timeout", "outcome"),
    [
        (FOUND, PROPERTIES, 900, Outcome.READY),
        (NOT_FOUND, short(), 900, Cause.TIME_UP),
        (FOUND, {"RepositoryName": "ab"}, 900, Outcome.INVALID),
        (NOT_FOUND, PROPERTIES, 0.1, Cause.TOO_LATE),
    ],
)
def test_a_direct_invocation_is_counted_like_a_stacks_wait(
    script: Any, event: dict[str, Any], timeout: float, outcome: str
) -> None:
    world = World(script)

    with suppress(GaveUp, InvalidRequest):
        world.run(event, timeout=timeout)

    assert metrics_of(world.metrics[0]) == {"WaitsStarted": 1}
    assert [document["outcome"] for document in ended(world)] == [outcome]


def test_a_document_has_its_metrics_with_their_units_and_dimensions_and_nothing_else() -> None:
    units: dict[str, str] = {}
    for world in (World(NOT_FOUND), World(answers=(503, 200))):
        world.run_to_the_end(stack_event())
        for document in world.metrics:
            (directive,) = document["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == NAMESPACE
            named = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
            units |= named
            sets = [sorted(each) for each in directive["Dimensions"]]
            assert sets == ([["outcome", "service"], ["service"]] if "Waits" in named else [["service"]])
            assert document.keys() <= {"_aws", "service", "outcome", *named}
            assert document["service"] == "waiter"
            assert not leaked(json.dumps(document))

    assert units == UNITS


def test_a_metric_that_cannot_be_written_costs_no_answer() -> None:
    world = World()

    def broken(_: str) -> None:
        raise OSError("the log is full")

    world.__dict__["waiter"] = replace(world.waiter, meter=Meter(broken, "waiter"))
    world.run(stack_event())

    assert world.response["Status"] == "SUCCESS"


@pytest.mark.parametrize(("given", "service"), [(None, SERVICE), ("", SERVICE), ("my-install", "my-install")])
def test_the_last_resort_counts_its_answers_in_the_same_form_and_under_the_same_service(
    given: str | None, service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_SAM_LOCAL", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", given)

    last_resort.answer_for(
        {"requestPayload": stack_event("Delete")}, lambda _, __: 200, lambda _: None, lambda _: False
    )

    _, line = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert faults(document) == []
    assert metrics_of(document) == {"LastResortAnswers": 1}
    assert document["service"] == service
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE


def test_the_last_resort_counts_nothing_that_it_could_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    last_resort.answer_for({"requestPayload": {}}, lambda _, __: 200, lambda _: None, lambda _: False)

    assert "_aws" not in capsys.readouterr().out
