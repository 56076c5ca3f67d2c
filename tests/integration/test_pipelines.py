"""The steps for pipelines in docs/cli.md: their lines, run by a shell as there, against the sandbox's ECR."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT

DOCUMENT: Final = (ROOT / "docs" / "cli.md").read_text()
COMMIT: Final = "8f3c2d1"


def snippet(heading: str, language: str) -> str:
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", DOCUMENT, re.MULTILINE | re.DOTALL)
    (text,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return str(text)


class Pipeline:
    """A machine on which the command is installed, and pip and sam only note how they were called."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        binaries = folder / "bin"
        binaries.mkdir()
        for name, script in {
            "ecr-image-waiter": f'exec {sys.executable} -m ecr_image_waiter.cli "$@" --interval 1s',
            "pip": f'printf "%s\\n" "$@" > {folder}/pip.txt',
            "sam": f'printf "%s\\n" "$@" > {folder}/sam.txt',
        }.items():
            (binaries / name).write_text(f"#!/bin/sh\n{script}\n")
            (binaries / name).chmod(0o755)
        variables = {"CI_COMMIT_SHA": COMMIT, "COMMIT": COMMIT}
        self.environment = {**environment, **variables, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}

    def runs(self, shell: list[str], lines: list[str]) -> int:
        """Run the lines of a step, with a wait that does not take long."""
        script = "\n".join(lines).replace("--timeout 20m", "--timeout 1s")
        done = subprocess.run(
            [*shell, "-c", script], env=self.environment, cwd=self.folder, check=False, timeout=PATIENCE
        )
        return done.returncode

    def called(self, program: str) -> list[str] | None:
        file = self.folder / f"{program}.txt"
        return file.read_text().splitlines() if file.exists() else None


@pytest.fixture
def pipeline(environment: dict[str, str], tmp_path: Path) -> Pipeline:
    return Pipeline(environment, tmp_path)


def uri(digest: str, repository: str = "app") -> str:
    return f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{repository}@{digest}"


def test_gitlab_deploys_the_image_by_its_digest_when_it_is_there_and_not_before(ecr: Any, pipeline: Pipeline) -> None:
    lines = yaml_parse(snippet("In GitLab CI", "yaml"))["deploy"]["script"]
    assert pipeline.runs(["bash", "-eo", "pipefail"], lines) == 1
    assert (pipeline.called("pip"), pipeline.called("sam")) == (
        ["install", "ecr-image-waiter[cli]", "aws-sam-cli"],
        None,
    )

    digest = push(ecr, "app", COMMIT)
    assert pipeline.runs(["bash", "-eo", "pipefail"], lines) == 0
    assert pipeline.called("sam") == ["deploy", "--parameter-overrides", f"ImageUri={uri(digest)}"]


@pytest.mark.slow
def test_codebuild_deploys_both_images_by_their_digests_when_they_are_there(ecr: Any, pipeline: Pipeline) -> None:
    phases = yaml_parse(snippet("In CodeBuild", "yaml"))["phases"]
    assert phases["build"]["on-failure"] == "ABORT"
    lines = [*phases["install"]["commands"], *phases["build"]["commands"]]
    (pipeline.folder / "images.txt").write_text(snippet("In CodeBuild", "text"))
    names = ("team/parser", "team/generator")
    for name in names:
        ecr.create_repository(repositoryName=name)
    try:
        one, two = push(ecr, names[0], "v1"), push(ecr, names[1], "v1", content="2")
        assert pipeline.runs(["sh", "-e"], lines) == 0
        uris = [f"ParserUri={uri(one, names[0])}", f"GeneratorUri={uri(two, names[1])}"]
        assert pipeline.called("sam") == ["deploy", "--parameter-overrides", *uris]
    finally:
        for name in names:
            ecr.delete_repository(repositoryName=name, force=True)


@pytest.mark.slow
def test_terragrunt_goes_on_when_the_image_is_there(ecr: Any, pipeline: Pipeline) -> None:
    text = snippet("In Terragrunt", "hcl")
    (commands,) = re.findall(r"^    commands = (\[.*\])$", text, re.MULTILINE)
    (execute,) = re.findall(r"^    execute  = (\[.*\])$", text, re.MULTILINE)
    assert json.loads(commands) == ["apply"]
    arguments = json.loads(execute.replace('${get_env("COMMIT")}', COMMIT).replace("20m", "1s"))
    assert arguments[2] == f"app:{COMMIT}"
    push(ecr, "app", COMMIT)
    program = pipeline.folder / "bin" / arguments[0]
    done = subprocess.run([program, *arguments[1:]], env=pipeline.environment, check=False, timeout=PATIENCE)
    assert done.returncode == 0


def test_the_step_for_github_gives_the_action_inputs_and_takes_outputs_that_it_has() -> None:
    action = yaml_parse((ROOT / "action.yml").read_text())
    text = snippet("In GitHub Actions", "yaml")
    steps = yaml_parse(text)["jobs"]["deploy"]["steps"]
    (ours,) = [step for step in steps if "ecr-image-waiter@" in step.get("uses", "")]
    assert ours["with"].keys() <= action["inputs"].keys()
    assert set(re.findall(r"steps\.image\.outputs\.(\w+)", text)) <= action["outputs"].keys()
    for kind in ("inputs", "outputs"):
        assert [name for name in action[kind] if f"`{name}`" not in DOCUMENT] == []
