"""The examples hold together, and each of their checks notices when what it is about is taken out."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_powershell
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.policy.ordering import faults, pins, uses, waiters
from tests.support.push_permissions import lacking

EXAMPLES = ROOT / "examples"
TEMPLATES = sorted(EXAMPLES.rglob("*.yaml"))
SCRIPTS = sorted(EXAMPLES.rglob("*.sh"))
TERRAFORM = EXAMPLES / "terraform"

PINS: Mapping[str, Mapping[str, list[str]]] = {
    "minimal/template.yaml": {"App": ["AppImage"]},
    "nested-app/template.yaml": {"App": ["AppImage"]},
    "terraform/modules/image-by-stack/image.yaml": {},  # its image is for Terraform
    "two-stacks/api.yaml": {"TextGeneration": ["TextGenerationImage"], "PracticeMaterial": ["PracticeMaterialImage"]},
    "two-stacks/cicd.yaml": {},
}
"""What runs an image, and by the digest that which waiter found."""


def name_of(file: Path) -> str:
    return str(file.relative_to(EXAMPLES))


def template(file: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml_parse(file.read_text())
    return parsed


def test_every_example_is_in_the_list_with_a_page_of_its_own() -> None:
    page = (EXAMPLES / "README.md").read_text()
    for folder in (each for each in EXAMPLES.iterdir() if each.is_dir()):
        assert f"]({folder.name}/README.md)" in page, folder
        assert len((folder / "README.md").read_text().splitlines()) <= 100, f"{folder}: more than a page"


# --- Templates --------------------------------------------------------------------------------------------------------


def test_every_template_is_one_whose_pins_are_known() -> None:
    assert {name_of(file) for file in TEMPLATES} == set(PINS)


@pytest.mark.parametrize("file", TEMPLATES, ids=name_of)
def test_whatever_runs_an_image_is_created_after_it_and_runs_the_digest_that_was_found(file: Path) -> None:
    if name_of(file) == "terraform/modules/image-by-stack/image.yaml":
        assert waiters(template(file)) == ["Image"]
        assert template(file)["Parameters"]["Trigger"]["Default"] == "", "Terraform leaves an empty one out"
        return
    assert faults(template(file)) == []
    assert pins(template(file)) == PINS[name_of(file)]
    assert {use.resource for use in uses(template(file))} == set(PINS[name_of(file)])


@pytest.mark.parametrize("file", TEMPLATES, ids=name_of)
def test_a_service_token_is_a_parameter_from_ssm_an_import_or_an_output(file: Path) -> None:
    parsed = template(file)
    from_ssm = {
        name
        for name, each in parsed.get("Parameters", {}).items()
        if each["Type"] == "AWS::SSM::Parameter::Value<String>"
    }
    for each in waiters(parsed):
        token = parsed["Resources"][each]["Properties"]["ServiceToken"]
        assert token.get("Ref") in from_ssm or token.keys() <= {"Fn::ImportValue", "Fn::GetAtt"}, token


def test_a_role_that_pushes_has_every_permission_of_a_push() -> None:
    assert lacking(template(EXAMPLES / "two-stacks" / "cicd.yaml")) == [""]


def test_the_minimal_template_has_twenty_lines() -> None:
    assert len((EXAMPLES / "minimal" / "template.yaml").read_text().splitlines()) == 20


# --- Scripts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    program = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([program, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(script, os.X_OK)


def powershell_errors(text: str) -> list[str]:
    """Return the lines that a grammar of PowerShell cannot make sense of."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    waiting, found = [parser.parse(text.encode()).root_node], []
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(text.splitlines()[node.start_point.row])
        waiting += node.children
    return found


def test_the_powershell_script_can_be_parsed() -> None:
    text = (TERRAFORM / "scripts" / "build-and-push.ps1").read_text()
    assert powershell_errors(text) == []
    assert powershell_errors(text.replace("foreach ($tag in $tags) {", "foreach ($tag in $tags {")) != []


def test_both_scripts_push_what_terraform_deploys() -> None:
    (project,) = re.findall(
        r'variable "project_name" {[^}]*default += "(.+)"', (TERRAFORM / "variables.tf").read_text()
    )
    (functions,) = re.findall(r"functions = toset\((.+)\)", (TERRAFORM / "ecr.tf").read_text())
    names = json.loads(functions)
    assert f"for_each = toset({functions})" in (TERRAFORM / "images.tf").read_text()
    for script in (TERRAFORM / "scripts").iterdir():
        text = script.read_text()
        assert re.search(rf"project ?= ?'?{project}'?$", text, flags=re.MULTILINE), script
        (listed,) = re.findall(r"function in (.+?)[);]", text)
        assert re.findall(r"\w+", listed) == names, script
    assert {folder.name for folder in (TERRAFORM / "lambda").iterdir()} == set(names)


def test_a_script_refuses_a_version_that_the_environment_does_not_deploy() -> None:
    script = TERRAFORM / "scripts" / "build-and-push.sh"
    done = subprocess.run([script, "prod", "v2.0.0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "prod deploys v1.0.0 (environments/prod.tfvars)" in done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the Terraform example, beside a folder `bin` whose aws and docker write down their arguments."""
    folder = tmp_path / "project"
    shutil.copytree(TERRAFORM, folder)
    (tmp_path / "bin").mkdir()
    for name in ("aws", "docker"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\ncat >/dev/null\necho "{name} $*" >>{tmp_path / "told"}\necho 123456789012\n')
        program.chmod(0o755)
    return folder


def pushed_by(project: Path, *arguments: str) -> tuple[str, list[str]]:
    """Runs build-and-push.sh; returns what it printed, and the commands that it ran."""
    path = f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    script = project / "scripts" / "build-and-push.sh"
    done = subprocess.run(
        [script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, (project.parent / "told").read_text().splitlines()


def test_the_script_reads_variables_with_a_comment_and_the_line_ends_of_windows(project: Path) -> None:
    lines = [
        'region="eu-west-1" # "there"',
        'environment = "staging"',
        '  ecr_image_tag = "v1.0.0"   // the release',
        'architecture\t= "x86_64"',
    ]
    (project / "environments" / "staging.tfvars").write_bytes("\r\n".join([*lines, ""]).encode())
    printed, told = pushed_by(project, "staging", "v1.0.0")
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert "docker build --platform linux/amd64 --tag creative-automation-parser lambda/parser" in told
    assert f"docker push {registry}/creative-automation-parser:v1.0.0" in told
    assert all("--region eu-west-1" in each for each in told if each.startswith("aws ecr "))
    assert printed.splitlines()[-1] == (
        "terraform apply -var-file=environments/staging.tfvars -var adopt_repositories=true"
    )


def test_the_apply_that_the_script_prints_for_latest_has_a_new_trigger(project: Path) -> None:
    printed, told = pushed_by(project, "dev")
    (time,) = re.findall(r"docker push \S+-parser:(\d{8}-\d{6})", "\n".join(told))
    assert printed.splitlines()[-1] == (
        f"terraform apply -var-file=environments/dev.tfvars -var adopt_repositories=true -var trigger={time}"
    )


def test_a_script_refuses_an_environment_without_an_architecture(project: Path) -> None:
    variables = project / "environments" / "dev.tfvars"
    variables.write_text(variables.read_text().replace("architecture", "# architecture"))
    script = project / "scripts" / "build-and-push.sh"
    done = subprocess.run([script, "dev"], capture_output=True, text=True, check=False)
    assert (done.returncode, 'architecture is ""' in done.stderr) == (2, True)
