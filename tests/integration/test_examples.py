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
from tests import hcl
from tests.ordering import faults, mutants, pins, sorted_last, uses, waiters
from tests.pushing import lacking
from tests.terraform_rules import faults as terraform_faults
from tests.terraform_rules import ordering_faults

EXAMPLES = ROOT / "examples"
TEMPLATES = sorted(EXAMPLES.rglob("*.yaml"))
SCRIPTS = sorted(EXAMPLES.rglob("*.sh"))
PROVIDER = json.loads(Path(__file__).with_name("aws_provider.json").read_text())["types"]

PINS: Mapping[str, Mapping[str, list[str]]] = {
    "minimal/template.yaml": {"App": ["AppImage"]},
    "nested-app/template.yaml": {"App": ["AppImage"]},
    "terraform/modules/image-by-stack/image.yaml": {},  # its image is for Terraform
    "two-stacks/api.yaml": {
        "TextGeneration": ["TextGenerationImage"],
        "PracticeMaterial": ["PracticeMaterialImage"],
    },
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
        return
    assert faults(template(file)) == []
    assert pins(template(file)) == PINS[name_of(file)]
    assert {use.resource for use in uses(template(file))} == set(PINS[name_of(file)])


def test_whoever_pushes_may_do_all_that_a_push_asks() -> None:
    assert lacking(template(EXAMPLES / "two-stacks" / "cicd.yaml")) == [""]


MUTANTS = {
    f"{name_of(file)}: {name}": mutant
    for file in TEMPLATES
    if PINS[name_of(file)]
    for name, mutant in mutants(template(file))
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_waiter_a_dependency_or_a_pin_that_is_taken_out_is_noticed(name: str) -> None:
    assert faults(MUTANTS[name]) != []


def test_each_waiter_each_dependency_and_each_pin_was_taken_out_once() -> None:
    for file in TEMPLATES:
        pairs = [(user, waiter) for user, known in PINS[name_of(file)].items() for waiter in known]
        expected = {f"{waiter} taken out" for _, waiter in pairs}
        expected |= {f"{user} no longer depends on {waiter}" for user, waiter in pairs}
        expected |= {f"{user} no longer pinned to what {waiter} found" for user, waiter in pairs}
        assert {name for name in MUTANTS if name.startswith(f"{name_of(file)}: ")} == {
            f"{name_of(file)}: {each}" for each in expected
        }


@pytest.mark.parametrize("file", [file for file in TEMPLATES if PINS[name_of(file)]], ids=name_of)
def test_a_template_with_its_waiters_sorted_last_is_the_same_otherwise(file: Path) -> None:
    renamed = sorted_last(template(file))
    assert faults(renamed) == []
    assert max(renamed["Resources"]) in waiters(renamed)
    assert {name.removeprefix("Zz") for name in renamed["Resources"]} == set(template(file)["Resources"])


def test_a_reference_that_leads_nowhere_is_noticed() -> None:
    broken = template(EXAMPLES / "two-stacks" / "api.yaml")
    broken["Resources"]["TextGenerationImage"]["Properties"]["ImageTag"] = {"Fn::Sub": "${Tag}-${AWS::Region}"}
    assert faults(broken) == ["TextGenerationImage refers to Tag, which is not there"]


def test_a_container_and_an_image_of_several_are_uses_and_pins_as_well() -> None:
    image = {"Type": "Custom::EcrImageWaiter", "Properties": {"Images": [{"Id": "Web"}, {"Id": "Proxy"}]}}
    containers: list[dict[str, Any]] = [
        {"Image": {"Fn::GetAtt": "Images.Web.ImageUri"}},
        {"Image": {"Fn::GetAtt": ["Images", "Proxy.ImageUri"]}},
    ]
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": containers}}
    made = {"Resources": {"Images": image, "Task": task}}
    assert pins(made) == {"Task": ["Images", "Images"]}
    assert faults(made) == []
    containers[1]["Image"] = {"Fn::GetAtt": "Images.Other.ImageUri"}
    assert faults(made) == ["Task runs an image that no waiter's digest names: it may be another one by then"]


def test_the_minimal_template_has_twenty_lines() -> None:
    assert len((EXAMPLES / "minimal" / "template.yaml").read_text().splitlines()) == 20


# --- Terraform --------------------------------------------------------------------------------------------------------

TERRAFORM = EXAMPLES / "terraform"
BY_INVOCATION = {
    "images.tf": [
        (
            '"./modules/image-by-stack"',
            '"./modules/image-by-invocation"\n  providers = { aws = aws.no_retries }',
        )
    ]
}
Edits = Mapping[str, list[tuple[str, str]]]
WAYS: Mapping[str, Edits] = {"by stack": {}, "by invocation": BY_INVOCATION}


def edited(target: Path, *edits: Edits) -> hcl.Module:
    """Return a copy of the example in which texts, each of which is there once, are others."""
    shutil.copytree(TERRAFORM, target)
    for each in edits:
        for name, changes in each.items():
            text = (target / name).read_text()
            for old, new in changes:
                assert text.count(old) == 1, f"{old} in {name}"
                text = text.replace(old, new)
            (target / name).write_text(text)
    return hcl.read(target)


@pytest.mark.parametrize("way", WAYS)
def test_terraform_s_references_lead_somewhere_and_its_arguments_are_the_provider_s(way: str, tmp_path: Path) -> None:
    module = edited(tmp_path / "copy", WAYS[way])
    assert terraform_faults(module, PROVIDER) == []
    assert ordering_faults(module) == []


BY_TAG = '"${aws_ecr_repository.this[each.key].repository_url}:${var.ecr_image_tag}"'
BROKEN: Mapping[str, tuple[Edits, str]] = {
    "a variable": (
        {"ecr.tf": [('${var.project_name}-${each.key}"\n\n  image', '${var.project}"\n\n  image')]},
        "project",
    ),
    "a local": ({"images.tf": [("local.functions", "local.images")]}, "there is no local images"),
    "a resource": ({"lambda.tf": [("aws_iam_role.functions.arn", "aws_iam_role.lambda.arn")]}, "aws_iam_role.lambda"),
    "an attribute": ({"lambda.tf": [("functions.arn", "functions.role_arn")]}, "has no role_arn"),
    "an output": ({"lambda.tf": [("].image_uri", "].uri")]}, "module.image has no uri"),
    "an argument": ({"lambda.tf": [("memory_size", "memory")]}, "there is no argument memory"),
    "a required one": ({"lambda.tf": [("  role       = aws_iam_role.functions.name\n", "")]}, "role is missing"),
    "a block": ({"ecr.tf": [("image_scanning_configuration", "image_scanning")]}, "there is no block image_scanning"),
    "in a block": ({"ecr.tf": [("scan_on_push", "scan_on_pull")]}, "there is no argument scan_on_pull"),
    "a module's variable": ({"images.tf": [("image_tag  ", "tag  ")]}, "the module has no variable tag"),
    "a module's need": ({"images.tf": [("  image_tag       = var.ecr_image_tag\n", "")]}, "the module needs image_tag"),
    "in a module": (
        {"modules/image-by-stack/main.tf": [("var.platform", "var.architecture")]},
        "there is no variable architecture",
    ),
    "a key without its loop": ({"images.tf": [("  for_each = local.functions\n", "")]}, "each.key without for_each"),
    "a variable that is of no use": ({"images.tf": [("var.trigger", '""')]}, "variable trigger: nobody uses it"),
    "the provider's": ({"versions.tf": [("max_retries", "retries")]}, "there is no argument retries"),
    "a type": ({"lambda.tf": [('"aws_iam_role" ', '"aws_iam_rule" ')]}, "the type aws_iam_rule is not known here"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_name_in_terraform_that_leads_nowhere_is_noticed(name: str, tmp_path: Path) -> None:
    edits, told = BROKEN[name]
    found = terraform_faults(edited(tmp_path / "copy", edits), PROVIDER)
    assert any(told in fault for fault in found), found


def test_a_file_that_is_no_terraform_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(TERRAFORM, tmp_path / "copy")
    with (tmp_path / "copy" / "lambda.tf").open("a") as file:
        file.write('resource "aws_iam_role" "unfinished" {\n')
    with pytest.raises(Exception, match="Unexpected"):
        hcl.read(tmp_path / "copy")


BY_STACK, INVOKED = "modules/image-by-stack", "modules/image-by-invocation"
FORGOTTEN: Mapping[str, tuple[str, Edits]] = {
    "the dependency, by stack": ("by stack", {"lambda.tf": [("module.image[each.key].image_uri", BY_TAG)]}),
    "the dependency, by invocation": ("by invocation", {"lambda.tf": [("module.image[each.key].image_uri", BY_TAG)]}),
    "the pin, by stack, with depends_on": (
        "by stack",
        {"lambda.tf": [("module.image[each.key].image_uri", f"{BY_TAG}\n  depends_on = [module.image]")]},
    ),
    "the pin, by invocation, with depends_on": (
        "by invocation",
        {"lambda.tf": [("module.image[each.key].image_uri", f"{BY_TAG}\n  depends_on = [module.image]")]},
    ),
    "the waiter in the stack": (
        "by stack",
        {f"{BY_STACK}/image.yaml": [("Custom::EcrImageWaiter", "AWS::CloudFormation::WaitConditionHandle")]},
    ),
    "the pin in the stack": ("by stack", {f"{BY_STACK}/image.yaml": [("Image.ImageUri", "Image.TaggedImageUri")]}),
    "the waiter, by stack": (
        "by stack",
        {f"{BY_STACK}/outputs.tf": [('aws_cloudformation_stack.image.outputs["ImageUri"]', "var.repository_name")]},
    ),
    "the waiter, by invocation": (
        "by invocation",
        {
            f"{INVOKED}/outputs.tf": [('jsondecode(aws_lambda_invocation.image.result)["ImageUri"]', "var.image_tag")],
            f"{INVOKED}/main.tf": [("data.aws_ssm_parameter.service_token.insecure_value", '"another-function"')],
        },
    ),
    "the pin in the invocation's answer": (
        "by invocation",
        {f"{INVOKED}/outputs.tf": [('["ImageUri"]', '["TaggedImageUri"]')]},
    ),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_terraform_s_author_forgets_about_the_wait_is_noticed(name: str, tmp_path: Path) -> None:
    way, edits = FORGOTTEN[name]
    assert ordering_faults(edited(tmp_path / "copy", WAYS[way], edits)) != []


@pytest.mark.parametrize("file", sorted((TERRAFORM / "environments").iterdir()), ids=lambda file: file.stem)
def test_an_environment_gives_every_variable_that_has_no_default_and_no_other(file: Path) -> None:
    variables = hcl.read(TERRAFORM).variables
    given = set(hcl.read_variables(file))
    assert {name for name, each in variables.items() if "default" not in each.arguments} <= given <= set(variables)


def test_a_short_wait_ends_before_a_nat_gateway_cuts_its_connection() -> None:
    invocation = hcl.read(TERRAFORM / INVOKED).blocks["aws_lambda_invocation.image"].arguments["input"]
    names = dict.fromkeys(("repository_name", "image_tag", "platform"), "x")
    sent = json.loads(hcl.evaluate(invocation, {"var": names}))
    assert int(sent["MaxRetries"]) * int(sent["RetryDelaySeconds"]) < 350


def test_terraform_itself_takes_the_files_for_formatted() -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("There is no terraform on this machine; its syntax is checked with python-hcl2 alone")
    done = subprocess.run(
        [program, "fmt", "-check", "-diff", "-recursive", TERRAFORM],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


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
    module = hcl.read(TERRAFORM)
    project = hcl.evaluate(module.variables["project_name"].arguments["default"], {})
    functions = hcl.evaluate(module.locals["functions"], {})
    for script in (TERRAFORM / "scripts").iterdir():
        text = script.read_text()
        assert re.search(rf"project ?= ?'?{project}'?$", text, flags=re.MULTILINE), script
        (listed,) = re.findall(r"function in (.+?)[);]", text)
        assert sorted(re.findall(r"\w+", listed)) == functions, script
    assert {folder.name for folder in (TERRAFORM / "lambda").iterdir()} == set(functions)
