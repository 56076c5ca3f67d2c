"""What costs time on every machine is counted: modules and clients of a new environment, calls of each check."""

import json
import subprocess
import sys
from pathlib import Path

import botocore

from sandbox.processes import ROOT
from tests.support.ecr import Reply
from tests.support.init_cost import FORBIDDEN, MOST_COLLECTIONS, MOST_MODULES, START
from tests.support.simulation import Simulation, no_image
from tests.support.world import IN_MEMORY

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}


def run(code: str, **environment: str) -> str:
    """Run a program in a process of its own. Returns what it printed."""
    environment = {"PYTHONPATH": str(ROOT / "src"), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_new_environment_imports_and_makes_no_more_than_an_image_that_is_there_needs() -> None:
    begun = json.loads(run(START, SSL_CERT_FILE=str(Path(botocore.__file__).parent / "cacert.pem")))
    assert begun["clients"] == ["ecr"]
    assert not FORBIDDEN & set(begun["modules"])
    assert len(begun["modules"]) <= MOST_MODULES, "what is this import for, and must every new environment have it?"
    collector = begun["collector"]
    assert collector["collections"] <= MOST_COLLECTIONS, "the garbage collector rests until the environment is made"
    assert collector["works"]
    assert collector["leaves"] > 10_000, "and leaves that alone afterwards"
    assert begun["trusting"] == 1, "the authorities that the answer trusts are read before the first event"


def test_outside_lambda_the_garbage_collector_stays_and_environments_of_one_snapshot_spread_their_checks() -> None:
    # A fork has what a snapshot has: the memory that INIT left.
    code = """
import gc, os, sys
from ecr_image_waiter.cfn.response import crhelper
from ecr_image_waiter.handler import _waiter
waiter = _waiter()
print(gc.isenabled(), gc.get_freeze_count(), flush=True)
for _ in range(2):
    if not os.fork():
        print(waiter.tools.random.random(), flush=True)
        os._exit(0)
    os.wait()
print("boto3" in sys.modules, crhelper().resource_helper.boto3.client)  # imported when crhelper asks for it
"""
    works, frozen, one, other, imported, boto3 = run(code, AWS_DEFAULT_REGION="us-east-1").split(maxsplit=5)
    assert (works, frozen) == ("True", "0")
    assert one != other
    assert imported == "False"
    assert "function client" in boto3


def simulated(pushed: float) -> tuple[Simulation, list[float]]:
    """Wait for an image that comes after so many seconds. Returns the world, and when each call of ECR came."""
    calls: list[float] = []

    def answered(elapsed: float) -> Reply | None:
        calls.append(elapsed)
        return IN_MEMORY if elapsed >= pushed else no_image()

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
    assert 40_000 < sum(len(json.dumps(line)) for line in simulation.lines) < 60_000, "about 50 kB for half an hour"
