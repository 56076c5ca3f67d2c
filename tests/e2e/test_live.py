"""What `make live` does on an AWS account it does in the sandbox, and nothing of it is left over, however it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from sandbox.cloud import Cloud
from sandbox.processes import PATIENCE, ROOT
from tests.live.__main__ import Run
from tests.live.account import PREFIX, Account
from tests.live.checks import CHECKS, Check, Scene
from tests.support.patience import eventually


def left_over(cloud: Cloud, run: str) -> list[str]:
    """Return what there is in the account that bears a run's name."""
    name = f"{PREFIX}-{run}"
    stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
    found = [
        *(stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"),
        *(each["FunctionName"] for each in cloud.client("lambda").list_functions()["Functions"]),
        *(each["repositoryName"] for each in cloud.client("ecr").describe_repositories()["repositories"]),
        *(each["Name"] for each in cloud.client("s3").list_buckets()["Buckets"]),
        *(each["Name"] for each in cloud.client("ssm").describe_parameters()["Parameters"]),
        *(each["RoleName"] for each in cloud.client("iam").list_roles()["Roles"]),
        *(each["logGroupName"] for each in cloud.client("logs").describe_log_groups()["logGroups"]),
    ]
    return [each for each in found if name in each]


def live(cloud: Cloud, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start `make live` on the sandbox's account."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.live", "--built", cloud.artifact.parent, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **cloud.environment, "COLUMNS": "200"},
    )


@dataclass
class Whole:
    """A run of every check, what it reported, and the calls that it made of AWS, with their arguments."""

    run: Run
    text: str
    calls: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def whole(cloud: Cloud, output: Path) -> Whole:
    calls: dict[str, dict[str, Any]] = {}

    def called(params: dict[str, Any], model: Any, **_: object) -> None:
        calls[f"{model.service_model.service_name}:{model.name}"] = params

    def client(service: str) -> Any:
        made = cloud.client(service)
        made.meta.events.register("before-parameter-build", called)
        return made

    run = Run(Account(client, "whole"), CHECKS.values(), Console(width=200))
    run.go(cloud.artifact.parent)
    run.report(output / "live.txt")
    return Whole(run, (output / "live.txt").read_text(), calls)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_holds_in_the_sandbox_or_says_why_it_does_not_run_there(whole: Whole, name: str) -> None:
    result = whole.run.results[name]
    assert (result.outcome, result.said) == ("not run", CHECKS[name].emulator) or result.outcome == "ok", result


@pytest.mark.slow
def test_a_whole_run_reports_every_check_and_leaves_nothing(cloud: Cloud, whole: Whole) -> None:
    assert all(f"{name}: Image CREATE_" in whole.text for name, check in CHECKS.items() if not check.emulator)
    assert "Nothing is left over." in whole.text
    assert whole.run.good
    assert left_over(cloud, "whole") == []


@pytest.mark.slow
def test_the_policy_of_the_documents_allows_every_call_of_a_run(whole: Whole) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "live.md").read_text(), re.DOTALL)
    allowed = {action for statement in json.loads(block)["Statement"] for action in listed(statement["Action"])}
    others = {"s3:HeadBucket": "s3:ListBucket", "s3:ListObjectsV2": "s3:ListBucket"}
    assert {others.get(call, call) for call in whole.calls} - {"sts:GetCallerIdentity"} <= allowed


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_only_what_the_emulator_cannot_do_is_left_out() -> None:
    assert [check.name for check in CHECKS.values() if check.emulator] == ["delete-during-a-create"]


def test_without_confirmation_a_run_says_what_it_would_make_and_cost_and_makes_nothing(cloud: Cloud) -> None:
    process = live(cloud, "--id", "dry")
    told = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0
    assert "costs less than $0.10" in told
    assert "CONFIRM=yes" in told
    assert all(name in told for name in CHECKS)
    assert left_over(cloud, "dry") == []


def of_one_check(cloud: Cloud, run: str, scene: Any) -> Run:
    check = Check("planted", "A planted check.", scene)
    return Run(Account(cloud.client, run), [check], Console())


def test_a_check_that_raises_is_reported_and_what_it_made_is_removed(cloud: Cloud, output: Path) -> None:
    def raises(scene: Scene) -> str:
        scene.push("v1")
        scene.create(ImageTag="never", MaxRetries=30)
        scene.under_way()
        raise ValueError(f"with {scene.repository}")

    run = of_one_check(cloud, "raises", raises)
    run.go(cloud.artifact.parent)
    assert (run.results["planted"].outcome, run.good) == ("FAILED", False)
    run.report(output / "raises.txt")
    assert "ValueError: with" in (output / "raises.txt").read_text()
    assert left_over(cloud, "raises") == []


@pytest.mark.slow
def test_a_run_whose_waiter_cannot_be_deployed_leaves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    run = of_one_check(cloud, "undeployed", lambda _: "")
    with pytest.raises(FileNotFoundError):
        run.go(tmp_path)
    assert run.results["planted"].outcome == "not finished"
    assert left_over(cloud, "undeployed") == []


@pytest.mark.slow
def test_what_cannot_be_removed_is_named_with_the_command_for_it(
    cloud: Cloud, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = of_one_check(cloud, "stuck", lambda scene: scene.push("v1"))

    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DeleteRepository")

    with monkeypatch.context() as patched:
        patched.setattr(run.account.ecr, "delete_repository", denied)
        run.go(cloud.artifact.parent)
    run.report(output / "stuck.txt")
    command = f"aws ecr delete-repository --force --repository-name {PREFIX}-stuck/planted --region us-east-1"
    assert command in (output / "stuck.txt").read_text().replace("\n", "")
    assert not run.good
    assert left_over(cloud, "stuck") == [f"{PREFIX}-stuck/planted"]
    assert run.account.remove(run.waiters, ["planted"]) == []
    assert left_over(cloud, "stuck") == []


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_nothing(cloud: Cloud, ending: signal.Signals, tmp_path: Path) -> None:
    name, file = ending.name.lower(), tmp_path / "live.txt"
    process = live(cloud, "--confirm", "yes", "--id", name, "--only", "hand-over", "--output", file)
    stack = f"{PREFIX}-{name}-hand-over"
    cloudformation = cloud.client("cloudformation")

    def waits() -> bool:
        assert process.poll() is None, process.communicate()
        stacks = {each["StackName"]: each["StackStatus"] for each in cloudformation.describe_stacks()["Stacks"]}
        return stacks.get(stack) == "CREATE_IN_PROGRESS"

    eventually(waits, "the check's stack waits")
    process.send_signal(ending)
    process.send_signal(ending)
    told = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130, told
    assert "not finished" in file.read_text()
    assert left_over(cloud, name) == []


@pytest.mark.slow
def test_what_a_killed_run_has_left_is_removed_by_its_name_and_nobody_else_takes_that(cloud: Cloud) -> None:
    cloud.client("s3").create_bucket(Bucket=Account(cloud.client, "killed").bucket)
    again = live(cloud, "--confirm", "yes", "--id", "killed")
    told = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 1
    assert "there is a run killed" in told
    removal = live(cloud, "--remove", "yes", "--id", "killed")
    assert "Nothing is left over" in removal.communicate(timeout=PATIENCE)[0]
    assert left_over(cloud, "killed") == []
