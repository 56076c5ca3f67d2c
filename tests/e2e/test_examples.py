"""The examples deployed, from nothing, by the commands of their pages, while their own build steps push the images.

Each twice, in two accounts: as it is, by the SAM CLI; and with its waiters renamed so that they come last in the
alphabet, by CloudFormation's API, since the emulator creates in that order what depends on nothing.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.builds import Action, Execution
from sandbox.builds.calls import Place
from sandbox.builds.scripts import COMMIT
from sandbox.cloud import REGION, Cloud
from sandbox.processes import ROOT
from tests import hcl
from tests.e2e.accounts import Account
from tests.e2e.terraform import Step, Terraform
from tests.ordering import sorted_last

EXAMPLES = ROOT / "examples"

STAND_INS = {
    "AWS::CodePipeline::Pipeline": "the sandbox's pipeline, whose actions run buildspec.yml here, one after the other",
    "AWS::CodeBuild::Project": "MiniStack's project; the pipeline's actions do what it would",
    "AWS::ECR::Repository": "a repository of the sandbox's ECR",
    "AWS::Serverless::Application in nested-app": "the template that sam build has made for the other tests",
    "terraform and its AWS provider": "tests/e2e/terraform.py, which reads the files and makes the same calls",
    "docker, git and the AWS CLI": "the package sandbox.commands",
}
"""What an account has and the sandbox has not, and what is there in its place."""


@pytest.fixture(scope="module", autouse=True)
def told() -> None:
    """Print the list of stand-ins."""
    print(*(f"stand-in for {name}: {what}" for name, what in STAND_INS.items()), sep="\n")


@pytest.fixture(scope="module")
def accounts(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Account, Account]:
    """Two accounts with nothing in them but the waiter."""
    folder = tmp_path_factory.mktemp("accounts")
    made = [Account(cloud, number, folder / number) for number in ("111111111111", "222222222222")]
    assert cloud.artifact.exists()  # built before there are two to wait for it
    with ThreadPoolExecutor() as pool:
        list(pool.map(Account.install_waiter, made))
    return made[0], made[1]


def commands(example: str) -> list[str]:
    """Return the commands of an example's page, under Deploy."""
    page = (EXAMPLES / example / "README.md").read_text()
    section = page.partition("\n## Deploy\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def renamed(file: Path) -> str:
    """Return a template whose waiters come last."""
    return json.dumps(sorted_last(yaml_parse(file.read_text())))


@contextmanager
def meanwhile(run: Any, *arguments: Any) -> Iterator[None]:
    """Do something else while a deployment is under way, and wait for its end."""
    with ThreadPoolExecutor(1) as pool:
        deployment = pool.submit(run, *arguments)
        try:
            yield
        except BaseException:
            if deployment.done():
                deployment.result()  # why it is over says more than what was missed
            raise
        deployment.result()


def assert_created_in_order(account: Account, stack: str, pins: Mapping[str, str]) -> None:
    """Make sure that each function was begun when its waiter was complete. `pins`: the waiter, by function."""
    events = account.events(stack)
    for function, waiter in pins.items():
        begun, found = events.index((function, "CREATE_IN_PROGRESS")), events.index((waiter, "CREATE_COMPLETE"))
        assert found < begun, events


def test_minimal_waits_for_its_push(accounts: tuple[Account, Account]) -> None:
    first, last = accounts
    folder = EXAMPLES / "minimal"
    deploy, push = commands("minimal")

    with meanwhile(first.run, deploy, folder):
        first.wait_for("app", "AppImage", "CREATE_IN_PROGRESS")
        first.run(push, folder)
    assert_created_in_order(first, "app", {"App": "AppImage"})
    assert first.image_of("app", "App") == first.uri("app")

    last.create_stack("app", renamed(folder / "template.yaml"))
    last.wait_for("app", "ZzAppImage", "CREATE_IN_PROGRESS")
    last.run(push, folder)
    last.wait_for("app", "app", "CREATE_COMPLETE")
    assert_created_in_order(last, "app", {"App": "ZzAppImage"})
    assert last.image_of("app", "App") == last.uri("app")


def build(account: Account, action: Mapping[str, Any]) -> None:
    """Do what CodeBuild does for an action of the pipeline: run buildspec.yml, with the action's variables."""
    spec = yaml_parse((EXAMPLES / "two-stacks" / "buildspec.yml").read_text())
    given = {each["name"]: each["value"] for each in json.loads(action["configuration"]["EnvironmentVariables"])}
    script = "\n".join(command for phase in spec["phases"].values() for command in phase["commands"])
    variables = {**spec["env"]["variables"], **given, "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT}
    account.run(script, EXAMPLES / "two-stacks", variables)


def push_commit(account: Account) -> None:
    """Have the pipeline run for the commit."""
    stages = account.client("codepipeline").get_pipeline(name="oer-images")["pipeline"]["stages"]
    scripts = {action["name"]: Action(does=partial(build, account, action)) for action in stages[1]["actions"]}
    account.cloud.builds.play_pipeline("oer-images", Execution({"Source": Action(0.2), **scripts}))
    account.cloud.builds.start_pipeline("oer-images", place=Place(account.number, REGION))


def test_the_api_stack_waits_for_the_pipeline_of_the_cicd_stack(accounts: tuple[Account, Account]) -> None:
    first, last = accounts
    folder = EXAMPLES / "two-stacks"
    cicd, api = commands("two-stacks")
    images = {"TextGeneration": "oer/text-generation", "PracticeMaterial": "oer/practice-material"}
    unauthorised = Action(0.2, fails="The connection is not available: it has not been authorised yet")
    first.cloud.builds.play_pipeline("oer-images", Execution({"Source": unauthorised}))

    first.run(cicd, folder)
    with meanwhile(first.run, api, folder):
        first.wait_for("oer-api", "PracticeMaterialImage", "CREATE_IN_PROGRESS")
        push_commit(first)
    assert_created_in_order(first, "oer-api", {name: f"{name}Image" for name in images})
    for function, repository in images.items():
        assert first.image_of("oer-api", function) == first.uri(repository)
    (created, pushed) = first.cloud.builds.pipeline_runs("oer-images", place=Place(first.number, REGION))
    assert (created.status, pushed.status) == ("Failed", "Succeeded")

    last.cloud.builds.play_pipeline("oer-images", Execution({"Source": unauthorised}))
    source = {"ConnectionArn": "arn:aws:codeconnections:us-east-1:222222222222:connection/x", "SourceRepository": "x/y"}
    last.create_stack("oer-cicd", json.dumps(yaml_parse((folder / "cicd.yaml").read_text())), source)
    last.wait_for("oer-cicd", "oer-cicd", "CREATE_COMPLETE")
    last.create_stack("oer-api", renamed(folder / "api.yaml"), {"Commit": COMMIT})
    last.wait_for("oer-api", "ZzPracticeMaterialImage", "CREATE_IN_PROGRESS")
    push_commit(last)
    last.wait_for("oer-api", "oer-api", "CREATE_COMPLETE")
    assert_created_in_order(last, "oer-api", {name: f"Zz{name}Image" for name in images})
    for function, repository in images.items():
        assert last.image_of("oer-api", function) == last.uri(repository)


def test_a_stack_that_brings_its_own_waiter_waits_for_its_push(
    accounts: tuple[Account, Account], tmp_path: Path
) -> None:
    first, last = accounts
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    for built in first.cloud.artifact.parent.iterdir():
        (tmp_path / built.name).symlink_to(built)
    folder = tmp_path / "examples" / "nested-app"
    _, deploy, push = commands("nested-app")
    pin = {"App": "AppImage"}

    with meanwhile(first.run, deploy, folder):
        first.wait_for("nested-app", "AppImage", "CREATE_IN_PROGRESS")
        first.run(push, folder)
    assert_created_in_order(first, "nested-app", pin)
    assert first.image_of("nested-app", "App") == first.uri("nested-app")

    (folder / "template.yaml").write_text(renamed(folder / "template.yaml"))
    with meanwhile(last.run, deploy, folder):
        last.wait_for("nested-app", "ZzAppImage", "CREATE_IN_PROGRESS")
        last.run(push, folder)
    assert_created_in_order(last, "nested-app", {"App": "ZzAppImage"})
    assert last.image_of("nested-app", "App") == last.uri("nested-app")


@pytest.mark.parametrize("way", ["by-stack", "by-invocation"])
def test_terraform_s_functions_wait_for_the_script(way: str, accounts: tuple[Account, Account], tmp_path: Path) -> None:
    account = accounts[way == "by-invocation"]
    folder = tmp_path / "terraform"
    shutil.copytree(EXAMPLES / "terraform", folder)
    images = folder / "images.tf"
    images.write_text(images.read_text().replace('"./modules/image-by-stack"', f'"./modules/image-{way}"'))
    image = folder / "modules/image-by-stack/image.yaml"
    image.write_text(renamed(image))
    terraform = Terraform(account.client, folder, hcl.read_variables(folder / "environments" / "dev.tfvars"))
    (push,) = commands("terraform")

    def deploy() -> None:
        uris.update(terraform.apply()["image_uris"])

    uris: dict[str, str] = {}
    functions = hcl.evaluate(hcl.read(folder).locals["functions"], {})
    wait = {"by-stack": "aws_cloudformation_stack.image", "by-invocation": "aws_lambda_invocation.image"}[way]
    with meanwhile(deploy):
        printed = account.run(push, folder)

    for function in functions:
        waited = Step(f'module.image["{function}"].{wait}', "made")
        begun = Step(f'aws_lambda_function.this["{function}"]', "begun")
        assert terraform.steps.index(waited) < terraform.steps.index(begun)
        name = f"creative-automation-{function}"
        found = account.client("lambda").get_function(FunctionName=f"dev-{name}")["Code"]["ImageUri"]
        assert found == account.uri(name) == uris[function]
        tags = [each["imageTag"] for each in account.client("ecr").list_images(repositoryName=name)["imageIds"]]
        assert "latest" in tags
        assert any(re.fullmatch(r"\d{8}-\d{6}", tag) for tag in tags)
    assert "Creating" not in printed
