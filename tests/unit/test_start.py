"""What costs time on every machine is counted: modules and clients of a new environment, calls of each check."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore

from sandbox.processes import ROOT
from tests.support.ecr import Reply
from tests.support.simulation import EPOCH, THERE, Simulation, no_image
from tests.support.starting import FORBIDDEN, MOST_LOOKS, MOST_MODULES, START

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}


def started() -> Mapping[str, Any]:
    authorities = Path(botocore.__file__).parent / "cacert.pem"
    environment = {"PYTHONPATH": str(ROOT / "src"), "SSL_CERT_FILE": str(authorities)}
    done = subprocess.run([sys.executable, "-c", START], env=environment, capture_output=True, text=True, check=True)
    begun: Mapping[str, Any] = json.loads(done.stdout)
    return begun


def test_a_new_environment_imports_what_an_image_that_is_there_needs_and_makes_the_client_for_it() -> None:
    begun = started()
    assert begun["clients"] == ["ecr"]
    assert not FORBIDDEN & set(begun["modules"])
    assert len(begun["modules"]) <= MOST_MODULES, "what is this import for, and must every new environment have it?"


def test_the_garbage_collector_rests_until_an_environment_is_made_and_then_leaves_that_alone() -> None:
    collector = started()["collector"]
    assert collector["looks"] <= MOST_LOOKS
    assert collector["works"]
    assert collector["leaves"] > 10_000


def test_the_authorities_that_the_answer_trusts_are_read_before_the_first_event() -> None:
    assert started()["trusting"] == 1


def test_outside_lambda_the_garbage_collector_is_as_it_was() -> None:
    code = "import gc; import ecr_image_waiter.handler; print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "0"]


def test_environments_that_are_started_from_one_snapshot_spread_their_checks_apart() -> None:
    # A fork has what a snapshot has: the memory that INIT left.
    code = """
import os
from ecr_image_waiter.handler import _waiter
waiter = _waiter()
for _ in range(2):
    if not os.fork():
        print(waiter._tools.random.random(), flush=True)
        os._exit(0)
    os.wait()
"""
    environment = {"PYTHONPATH": str(ROOT / "src"), "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    one, other = done.stdout.split()
    assert one != other


def test_crhelper_gets_its_boto3_when_it_asks_for_it() -> None:
    code = "import ecr_image_waiter.cfn.response; from crhelper import resource_helper as h; print(h.boto3.client)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True
    )
    assert "function client" in done.stdout


def simulated(pushed: float) -> tuple[Simulation, list[float]]:
    """Wait for an image that comes after so many seconds. Returns the world, and when each call of ECR came."""
    calls: list[float] = []

    def answered(elapsed: float) -> Reply | None:
        calls.append(elapsed)
        return THERE if elapsed >= pushed else no_image()

    simulation = Simulation(answered)
    create = simulation.create(PROPERTIES)
    simulation.play()
    assert create.outcome
    assert create.outcome.status == "SUCCESS"
    return simulation, calls


def test_an_image_that_is_there_costs_one_call_of_ecr_one_put_and_nothing_else() -> None:
    simulation, calls = simulated(pushed=0.0)
    assert len(calls) == 1
    assert simulation.questions == []
    assert [len(record.puts) for record in simulation.invocations] == [1]


def test_each_check_costs_one_call_and_the_first_one_more_for_an_archived_image() -> None:
    simulation, calls = simulated(pushed=1700.0)
    assert len(calls) == len(simulation.checks) + 1
    assert len(simulation.checks) <= 75


def test_a_delete_costs_one_put() -> None:
    calls: list[float] = []

    def answered(elapsed: float) -> Reply | None:
        calls.append(elapsed)
        return THERE

    simulation = Simulation(answered)
    create = simulation.create(PROPERTIES)
    simulation.at(60.0, lambda: simulation.cloudformation.delete(create.resource))
    simulation.play()
    assert [len(record.puts) for record in simulation.invocations if record.began > EPOCH + 59.0] == [1]
    assert len(calls) == 1, "the Create's"
    assert simulation.questions == []
