"""The built artifact does what the contract says, deployed in the sandbox and under AWS's own runtime.

Each scenario runs where it proves something: deployed, with permissions and Lambda's queue, or under AWS's runtime,
with its processes and their end; in both only where the two differ. Most of a wait is waiting, so the scenarios run
side by side; each test collects one of them.
"""

import math
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from sandbox.cloud import Cloud
from sandbox.player import Delay, Operation, Reset, Status, new_resource
from sandbox.player_server import Player
from sandbox.processes import PATIENCE
from sandbox.proxy import Rule, deny, throttle
from tests.support.functions import (
    FAR,
    HANDED_OVER,
    LONG_TIMEOUT,
    TIMEOUT,
    Deployed,
    Function,
    FunctionError,
    UnderRie,
    handed_over,
    seconds,
)
from tests.support.patience import eventually
from tests.support.side_by_side import side_by_side

SIDE_BY_SIDE = 6
KEYS = {
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

Scenario = Callable[[Function], None]
SCENARIOS: list[tuple[Scenario, str, int]] = []
"""Each with the places where it runs and the timeout that its function has there."""


def scenario(*places: str, timeout: int = LONG_TIMEOUT) -> Callable[[Scenario], Scenario]:
    def register(function: Scenario) -> Scenario:
        SCENARIOS.extend((function, place, timeout) for place in places)
        return function

    return register


@scenario("deployed")
def an_image_that_is_there_is_answered_at_once(function: Function) -> None:
    repository = function.repository()
    digest = function.push(repository)
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR})
        outcome = create.wait()
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data.keys() == KEYS
    assert outcome.data["ImageUri"] == f"{outcome.data['RepositoryUri']}@{digest}"
    assert (outcome.data["Attempts"], function.checks(repository), function.hand_overs(create)) == ("1", 1, 0)


@scenario("deployed", "rie", timeout=TIMEOUT)
def an_image_pushed_during_the_second_invocation_is_found_by_it(function: Function) -> None:
    repository = function.repository()
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        handed_over(function, create)
        digest = function.push(repository)
        outcome = create.wait()
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data["ImageDigest"] == digest
    assert function.hand_overs(create) >= 1


@scenario("deployed")
def an_image_never_pushed_fails_at_the_limit_and_names_the_newest_tag(function: Function) -> None:
    repository = function.repository()
    function.push(repository, tag="lastest")
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "latest", **seconds(5)})
        outcome = create.wait()
        deleted = create.follow_up.wait() if create.follow_up else None
    assert outcome.status == "FAILED"
    assert f'for "{repository}:latest" in' in outcome.reason
    assert "lastest" in outcome.reason
    eventually(partial(_is_in_the_log, function, create, "Sent "), "the answer is in the log")
    assert function.elapsed(create)[-1] >= 5
    assert deleted is not None
    assert deleted.status == "SUCCESS"
    assert len(create.accepted) == 1


@scenario("deployed")
def a_missing_repository_fails_after_its_grace_of_fifteen_seconds(function: Function) -> None:
    with function.player() as player:
        create = player.create({"RepositoryName": "nowhere", "ImageTag": "v1", **FAR})
        outcome = create.wait()
    assert outcome.status == "FAILED"
    assert "nowhere" in outcome.reason
    assert "the repository does not exist" in outcome.reason
    eventually(partial(_is_in_the_log, function, create, "Sent "), "the answer is in the log")
    assert function.elapsed(create)[-1] >= 15


@scenario("deployed")
def denied_access_fails_and_names_action_resource_and_role(function: Function) -> None:
    repository = function.repository()
    rule = Rule("ecr:DescribeImages", deny(), repository)
    with function.ecr_proxy.rule(rule), function.player() as player:
        outcome = player.create({"RepositoryName": repository, "ImageTag": "v1", **seconds(3)}).wait()
    assert outcome.status == "FAILED"
    assert "allow ecr:DescribeImages" in outcome.reason
    assert f"arn:aws:ecr:us-east-1:123456789012:repository/{repository}" in outcome.reason
    assert "waiter-role" in outcome.reason


@scenario("deployed")
def four_waits_of_four_succeed_although_ecr_throttles_three_calls_of_five(function: Function) -> None:
    with ExitStack() as stack:
        player = stack.enter_context(function.player())
        creates = []
        for seed in range(4):  # each takes a process of its own
            repository = function.repository()
            function.push(repository)
            code = "ThrottleException" if seed % 2 else "ThrottlingException"
            rule = Rule("ecr:DescribeImages", throttle(code), repository, share=0.6, seed=seed)
            stack.enter_context(function.ecr_proxy.rule(rule))
            creates.append(player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR}))
        assert [create.wait().status for create in creates] == ["SUCCESS"] * 4


@scenario("deployed")
def an_update_to_a_new_tag_waits_for_it_and_keeps_the_physical_id(function: Function) -> None:
    repository = function.repository()
    old = function.push(repository, "v1", "old")
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR})
        created = create.wait()
        update = player.update(create.resource, {"RepositoryName": repository, "ImageTag": "v2", **FAR})
        checks = function.checks(repository)
        eventually(lambda: function.checks(repository) > checks, "a check for the new tag")
        assert update.outcome is None
        new = function.push(repository, "v2", "new")
        updated = update.wait()
    assert (created.data["ImageDigest"], updated.data["ImageDigest"]) == (old, new)
    assert updated.physical_id == created.physical_id
    assert update.follow_up is None


def _is_in_the_log(function: Function, operation: Operation, beginning: str) -> bool:
    return any(message.startswith(beginning) for message in function.logged(operation))


@scenario("deployed", timeout=TIMEOUT)
def a_delete_before_during_and_after_a_wait_is_answered_without_a_check_or_a_hand_over(function: Function) -> None:
    repository = function.repository()
    with function.player() as player:
        early = player.delete(new_resource())
        outcomes = [early.wait()]
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        handed_over(function, create)
        during = player.delete(create.resource)
        outcomes.append(during.wait())
        create.wait()  # its stack is being deleted, which the wait notices
        checks = function.checks(repository)
        late = player.delete(create.resource)
        outcomes.append(late.wait())
    assert [outcome.status for outcome in outcomes] == ["SUCCESS"] * 3
    assert function.checks(repository) == checks
    for delete in (early, during, late):
        eventually(partial(_is_in_the_log, function, delete, "Sent SUCCESS"), "the answer is in the log")
        assert not _is_in_the_log(function, delete, "Checked ")
        assert function.hand_overs(delete) == 0


@scenario("deployed", timeout=TIMEOUT)
def a_wait_whose_stack_was_cancelled_ends_at_the_next_hand_over(function: Function) -> None:
    repository = function.repository()
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        handed_over(function, create)
        deleted = player.cancel(create).wait()
        before = function.hand_overs(create)
        eventually(partial(_is_in_the_log, function, create, "Sent FAILED: Waited "), "it stopped")
    assert deleted.status == "SUCCESS"
    assert [attempt.counted for attempt in create.attempts] == [False]
    assert function.hand_overs(create) <= before + 1, "one may have been under way"


@scenario("deployed", timeout=TIMEOUT)
def an_update_that_is_cancelled_rolls_back_without_its_old_image(function: Function) -> None:
    repository = function.repository()
    function.push(repository)
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        assert create.wait().status == "SUCCESS"
        function.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])
        update = player.update(create.resource, {"RepositoryName": repository, "ImageTag": "v2", **HANDED_OVER})
        eventually(partial(_is_in_the_log, function, update, "Checked "), "the Update is under way")
        outcome = player.cancel_update(update).wait()
        eventually(partial(_is_in_the_log, function, update, "Sent "), "it stopped")
    assert outcome.status == "SUCCESS"
    assert outcome.data["ImageUri"].endswith(f"/{repository}:v1")
    assert outcome.data["ImageDigest"] == ""
    assert [attempt.counted for attempt in update.attempts] == [False]


@scenario("deployed")
def a_direct_invocation_returns_the_attributes_or_ends_in_a_function_error(function: Function) -> None:
    repository = function.repository()
    with pytest.raises(FunctionError, match="Timed out waiting"):
        function.ask({"RepositoryName": repository, "ImageTag": "v1", "MaxRetries": 1, "RetryDelaySeconds": 1})
    digest = function.push(repository)
    result = function.ask({"RepositoryName": repository, "ImageTag": "v1", **FAR})
    assert result.keys() == KEYS
    assert result["ImageDigest"] == digest
    assert function.ask({"RepositoryName": repository, "tf": {"action": "delete"}}) == {}


@scenario("deployed")
def a_garbage_event_is_a_function_error_that_says_what_was_expected(function: Function) -> None:
    with pytest.raises(FunctionError, match="expected an object"):
        function.ask([1, 2])
    with pytest.raises(FunctionError, match="ResponseURL: received nothing"):
        function.ask({"RequestType": "Create", "StackId": "s", "RequestId": "r", "LogicalResourceId": "l"})


@scenario("deployed")
def an_answer_arrives_although_the_endpoint_says_503_and_resets_the_connection(function: Function) -> None:
    repository = function.repository()
    function.push(repository)
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR}, faults=[Status(503), Reset()])
        assert create.wait().status == "SUCCESS"
    assert len(create.accepted) == 1


@scenario("deployed")
def an_answer_that_the_endpoint_sits_on_is_sent_again(function: Function) -> None:
    repository = function.repository()
    function.push(repository)
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR}, faults=[Delay(8)])
        assert create.wait().status == "SUCCESS"


@scenario("deployed")
def two_stacks_at_once_get_each_its_own_answer(function: Function) -> None:
    first, second = function.repository(), function.repository()
    with function.player() as player:
        creates = [
            player.create({"RepositoryName": name, "ImageTag": "v1", **FAR}, stack=name.replace("/", "-"))
            for name in (first, second)
        ]
        eventually(lambda: all(function.checks(name) for name in (first, second)), "a check for both")
        digests = [function.push(second, content="second"), function.push(first, content="first")]
        outcomes = [create.wait() for create in creates]
    assert [outcome.data["ImageDigest"] for outcome in outcomes] == digests[::-1]
    assert [outcome.data["RepositoryName"] for outcome in outcomes] == [first, second]


@scenario("rie", timeout=8)
def a_process_killed_by_its_timeout_is_run_again_and_answers_at_the_first_limit(function: Function) -> None:
    assert isinstance(function, UnderRie)
    repository = function.repository()
    limit = 16
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **seconds(limit)})
        eventually(lambda: function.checks(repository), "the first check")
        pid = function.environments[0].function_pid()
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: f"Sending SIGKILL to runtime-1({pid})" in function.output(), "the runtime's end to it")
        assert "Reset initiated: Timeout" in function.output()
        outcome = create.wait()
        eventually(lambda: not function.service.busy, "the last invocation's end")
    assert function.service.invocations[0] == create.event
    assert outcome.status == "FAILED"
    assert f'for "{repository}:v1" in' in outcome.reason
    # Each line tells how long the wait had lasted: from the first start, whichever attempt wrote it.
    starts = [
        datetime.fromisoformat(entry["timestamp"]).timestamp() - entry["elapsed_seconds"]
        for entry in function.entries(create)
        if "elapsed_seconds" in entry
    ]
    assert max(starts) - math.floor(create.sent) < function.timeout, "a second start would be later by the timeout"
    assert function.elapsed(create)[-1] >= limit
    assert [attempt.counted for attempt in create.attempts] == [True]


Running = dict[tuple[str, str], Future[None]]


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, cloud: Cloud, deployed: dict[int, Deployed], output: Path) -> Running:
    """Every scenario in each place, under way; those that take longest first."""

    def under_rie(run: Scenario, timeout: int) -> None:
        function = UnderRie(cloud, output, timeout=timeout)
        try:
            run(function)
        finally:
            function.stop()

    jobs: dict[tuple[str, str], Callable[[], None]] = {}
    for run, place, timeout in sorted(SCENARIOS, key=lambda each: each[2]):
        jobs[run.__name__, place] = (
            partial(run, deployed[timeout]) if place == "deployed" else partial(under_rie, run, timeout)
        )
    return side_by_side(request, jobs, SIDE_BY_SIDE)


@pytest.mark.parametrize(("name", "place"), [(run.__name__, place) for run, place, _ in SCENARIOS])
def test_the_artifact(running: Running, name: str, place: str) -> None:
    """Each scenario's name is its claim."""
    running[name, place].result(timeout=2 * PATIENCE)


def test_an_image_that_is_there_takes_a_warm_process_no_pause(cloud: Cloud, output: Path) -> None:
    function = UnderRie(cloud, output, timeout=LONG_TIMEOUT)
    repository = function.repository()
    function.push(repository)
    try:
        function.ask({"RepositoryName": repository, "ImageTag": "v1", **FAR})
        with function.player() as player:
            create = player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR})
            outcome = create.wait()
    finally:
        function.stop()
    assert len(function.environments) == 1
    assert outcome.data["Attempts"] == "1"


def test_answers_go_over_https_to_a_host_whose_certificate_is_trusted(cloud: Cloud, output: Path) -> None:
    holder: list[UnderRie] = []
    with Player(lambda event: holder[0].invoke(event), tls=True) as player:  # noqa: PLW0108  # not there yet
        certificate = output / "player-ca.pem"
        certificate.write_bytes(player.ca_pem)
        holder.append(UnderRie(cloud, output, timeout=LONG_TIMEOUT, SSL_CERT_FILE=str(certificate)))
        try:
            repository = holder[0].repository()
            holder[0].push(repository)
            assert player.create({"RepositoryName": repository, "ImageTag": "v1", **FAR}).wait().status == "SUCCESS"
        finally:
            holder[0].stop()
