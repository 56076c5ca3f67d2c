"""The Terraform example, deployed by each of its two ways to wait, and by a project that had no wait before.

Each test is a story in an account of its own; `make test` tells the beginning of one.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import Cloud
from tests.support.accounts import with_waiter
from tests.support.functions import LONG_TIMEOUT, Deployed
from tests.support.terraform import (
    EXAMPLE,
    FUNCTIONS,
    REPOSITORIES,
    TIME,
    Run,
    Unavailable,
    Workspace,
    add_the_wait,
    copy_example,
    edit,
    go_back,
    program,
    provider,
    run,
    take_over,
    wait_by_invocation,
)

DEPLOYED = {name: f'aws_lambda_function.this["{name}"]' for name in FUNCTIONS}
BY_STACK = {name: f'module.image["{name}"].aws_cloudformation_stack.image' for name in FUNCTIONS}
BY_INVOCATION = {name: f'module.image["{name}"].aws_lambda_invocation.image' for name in FUNCTIONS}
Make = Callable[[str, str], Workspace]


@pytest.fixture
def workspace(cloud: Cloud, deployed: dict[int, Deployed], output: Path, tmp_path: Path) -> Iterator[Make]:
    """Copies the example, for an account of a number in which there is nothing but the waiter, and an environment."""
    try:
        found = provider(tmp_path)
    except Unavailable as reason:
        pytest.skip(str(reason))
    made: list[Workspace] = []

    def make(number: str, environment: str) -> Workspace:
        assert deployed[LONG_TIMEOUT], "what is sent to the account"
        (account,) = with_waiter(cloud, tmp_path, [number])
        made.append(Workspace(account, tmp_path / environment, environment, found, output / "terraform.txt"))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.mark.parametrize("change", [lambda _: None, wait_by_invocation], ids=["by stack", "by invocation"])
def test_the_files_are_formatted_as_terraform_does(change: Callable[[Path], None], tmp_path: Path) -> None:
    try:
        program()
    except Unavailable as reason:
        pytest.skip(str(reason))
    copy = tmp_path / "copy"
    copy_example(copy)
    change(copy)
    done = run(copy, {}, "fmt", "-check", "-diff", "-recursive")
    assert (done.status, done.printed) == (0, "")


def test_every_environment_is_deployed() -> None:
    assert {file.stem for file in (EXAMPLE / "environments").iterdir()} == {"dev", "staging", "prod"}


def test_dev_is_deployed_while_its_script_pushes_the_images(workspace: Make) -> None:
    dev = workspace("131313131313", "dev")
    dev.init()
    require_valid(dev)
    deploy_while_the_script_pushes(dev)


@pytest.mark.slow
def test_dev_waits_by_stack_until_it_is_destroyed(workspace: Make) -> None:
    dev = workspace("161616161616", "dev")
    dev.init()
    broken = partial(dev.push, "broken", content="broken", architecture="arm64")
    failed, _ = dev.during_its_wait(partial(dev.apply, "-var", "ecr_image_tag=broken"), "broken", broken)
    require_reasons(failed)
    assert dev.uris() == {}
    assert not [each for each in dev.left() if each.startswith("stack ")]

    created, script = deploy_while_the_script_pushes(dev)
    again = dict.fromkeys([*BY_STACK.values(), *DEPLOYED.values()], "create")
    assert created.planned == again, "the apply after a wait that failed begins the wait anew"
    assert "Creating the repository" not in script
    assert dev.left() > {f"repository {name}" for name in REPOSITORIES.values()}
    require_the_page_s_output(dev)
    require_nothing_to_do(dev)
    assert dev.plan("-var", "trigger=another").planned.keys() == {*DEPLOYED.values(), *BY_STACK.values()}

    before, plan = dev.uris(), dev.show_plan("-var", "ecr_image_tag=v2.0.0")
    assert actions(plan) == dict.fromkeys([*DEPLOYED.values(), *BY_STACK.values()], "update")
    for stack in resources(plan, "aws_cloudformation_stack"):
        parameters = yaml_parse(stack["template_body"])["Parameters"]
        given = {name for name, value in stack["parameters"].items() if value}
        assert parameters.keys() - given <= {name for name, each in parameters.items() if "Default" in each}
        assert stack["parameters"].keys() <= parameters.keys()
        minutes = [int(stack["timeouts"][each].removesuffix("m")) for each in ("create", "update")]
        assert min(minutes) > 60, "Terraform waits longer than CloudFormation does for the waiter"
    other, _ = dev.during_its_wait(dev.apply_plan, "v2.0.0", partial(dev.push, "v2.0.0", "latest"))
    require_deployed(dev, other, BY_STACK)
    assert len({*before.values(), *dev.uris().values()}) == 6
    require_destroyed(dev)


@pytest.mark.slow
def test_prod_waits_by_invocation_until_it_is_destroyed(workspace: Make) -> None:
    prod = workspace("141414141414", "prod")
    wait_by_invocation(prod.folder)
    prod.init()
    require_valid(prod)
    options = deploy_after_the_script(prod, BY_INVOCATION)
    require_nothing_to_do(prod, *options)

    edit(prod.folder / "environments" / "prod.tfvars", "v1.0.0", "v1.1.0")
    before, plan = prod.uris(), prod.show_plan()
    replaced = dict.fromkeys(BY_INVOCATION.values(), "delete, create")
    assert actions(plan) == {**dict.fromkeys(DEPLOYED.values(), "update"), **replaced}
    for invocation in resources(plan, "aws_lambda_invocation"):
        sent = json.loads(invocation["input"])
        assert sent["MaxRetries"] * sent["RetryDelaySeconds"] < 350, "a NAT gateway cuts a connection that is longer"
    calls = plan["configuration"]["root_module"]["module_calls"]["image"]["module"]["resources"]
    (used,) = {each["provider_config_key"] for each in calls if each["type"] == "aws_lambda_invocation"}
    retries = plan["configuration"]["provider_config"][used]["expressions"]["max_retries"]["constant_value"]
    assert retries == 1, "an invocation whose answer is lost is not repeated"
    other, _ = prod.during_its_wait(prod.apply_plan, "v1.1.0", partial(prod.push, "v1.1.0", "latest"))
    require_deployed(prod, other, BY_INVOCATION)
    assert len({*before.values(), *prod.uris().values()}) == 6

    before = prod.uris()
    prod.push("v1.1.0", content="broken", architecture="arm64")
    failed = prod.apply("-var", "trigger=another")
    assert failed.planned.keys() == {*DEPLOYED.values(), *BY_INVOCATION.values()}
    require_reasons(failed)
    assert prod.uris() == before
    assert not prod.state() & {*BY_INVOCATION.values()}
    require_destroyed(prod)


@pytest.mark.slow
def test_prod_by_stack_takes_over_the_repositories_that_its_script_made(workspace: Make) -> None:
    prod = workspace("171717171717", "prod")
    prod.init()
    deploy_after_the_script(prod, BY_STACK)


@pytest.mark.slow
def test_a_project_adds_the_wait_and_takes_the_files_over_and_keeps_all_that_it_had(workspace: Make) -> None:
    staging = workspace("151515151515", "staging")
    go_back(staging.folder)
    staging.init()
    staging.apply(*(f"-target=aws_ecr_repository.{name}" for name in FUNCTIONS)).checked()
    staging.push("v1.0.0")
    staging.apply().checked()
    before = staging.uris()

    add_the_wait(staging.folder, staging.environment)
    staging.init()
    assert actions(staging.show_plan()) == {
        **{f"aws_lambda_function.{name}": "update" for name in FUNCTIONS},
        **dict.fromkeys(BY_STACK.values(), "create"),
    }
    staging.apply_plan().checked()
    added = staging.uris()
    assert before == {name: f"{uri.partition('@')[0]}:v1.0.0" for name, uri in added.items()}
    assert added == {name: tags["v1.0.0"] for name, tags in staging.pushed().items()}

    take_over(staging.folder)
    plan = staging.show_plan()
    kinds = ("aws_ecr_repository", "aws_ecr_lifecycle_policy", "aws_lambda_function")
    moved = {each["address"]: each.get("previous_address") for each in plan["resource_changes"]}
    assert {address: old for address, old in moved.items() if old} == {
        f'{kind}.this["{name}"]': f"{kind}.{name}" for kind in kinds for name in FUNCTIONS
    }
    assert actions(plan) == {}
    planned = [each["change"]["after"] for each in plan["resource_changes"] if each["type"] == "aws_lambda_function"]
    settings = [(each["memory_size"], each["timeout"], each["environment"][0]["variables"]) for each in planned]
    assert settings == [(1024, 300, {"STAGE": "staging"})] * len(FUNCTIONS)
    staging.apply_plan().checked()
    assert staging.uris() == added


# --- What holds in several stories ------------------------------------------------------------------------------------


def deploy_while_the_script_pushes(dev: Workspace) -> tuple[Run, str]:
    """Applies, and pushes by the page's command meanwhile. Returns both."""
    (command,) = re.findall(r"^```sh\n(.*?)^```$", dev.page, re.MULTILINE | re.DOTALL)
    created, script = dev.during_its_wait(dev.apply, "latest", lambda: dev.account.run(command, dev.folder))
    require_deployed(dev, created, BY_STACK)
    require_tags(dev, TIME, "latest")
    return created, script


def deploy_after_the_script(prod: Workspace, waits: Mapping[str, str]) -> list[str]:
    """Applies as the script prints, which makes its repositories Terraform's. Returns the options."""
    script = prod.account.run("scripts/build-and-push.sh prod v1.0.0", prod.folder)
    assert script.count("Creating the repository") == len(FUNCTIONS)
    terraform, apply, variables, *options = shlex.split(script.splitlines()[-1])
    assert (terraform, apply, variables) == ("terraform", "apply", "-var-file=environments/prod.tfvars")
    created = prod.apply(*options)
    require_deployed(prod, created, waits)
    require_tags(prod, TIME, "latest", "v1.0.0")
    repositories = {f'aws_ecr_repository.this["{name}"]' for name in FUNCTIONS}
    assert {address for address, action in created.planned.items() if action == "import"} == repositories
    assert repositories < prod.state()
    return options


def require_valid(here: Workspace) -> None:
    found = json.loads(here.terraform("validate", "-json").printed)
    assert (found["valid"], found["diagnostics"]) == (True, [])


def require_deployed(here: Workspace, applied: Run, waits: Mapping[str, str]) -> None:
    """Holds that no function was deployed before the wait for its image was over, and that each runs that image."""
    applied.checked()  # or it would have asked for a variable that the environment does not give
    assert [warning for warning in applied.diagnostics("warning") if "undeclared" in warning] == []
    for name in FUNCTIONS:
        deployed = applied.applied.index(("apply_start", DEPLOYED[name]))
        # One that is replaced is begun and completed twice: it is deleted first.
        assert ("apply_complete", waits[name]) in applied.applied[:deployed], applied.applied
        assert waits[name] not in {address for _, address in applied.applied[deployed:]}, applied.applied
    uris = here.uris()
    assert uris == {name: tags["latest"] for name, tags in here.pushed().items()}
    assert len({*uris.values()}) == len(FUNCTIONS)
    assert applied.outputs == {"image_uris": uris}


def require_tags(here: Workspace, *tags: str) -> None:
    """Holds that the script has pushed these tags, all for the image that the function runs."""
    uris = here.uris()
    for name, pushed in here.pushed().items():
        assert pushed.keys() - {"broken"} == {*tags}
        assert {uri for tag, uri in pushed.items() if tag != "broken"} == {uris[name]}


def require_reasons(failed: Run) -> None:
    """Holds that each wait failed with its Reason in Terraform's error, and that no function was touched."""
    errors = failed.diagnostics("error")
    assert (failed.status, len(errors)) == (1, len(FUNCTIONS)), errors
    for repository in REPOSITORIES.values():
        (error,) = (each for each in errors if repository in each)
        assert re.search("cannot be deployed.*linux/arm64.*linux/amd64", error), error
    assert not {address for _, address in failed.applied} & {*DEPLOYED.values()}


def require_nothing_to_do(here: Workspace, *options: str) -> None:
    second = here.plan(*options)
    assert (second.status, second.planned) == (0, {})


def require_the_page_s_output(here: Workspace) -> None:
    """Holds that the commands under Check it print what the page shows."""
    (block,) = re.findall(r"^## Check it\n\n```text\n(.*?)^```$", here.page, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)+)", block, re.MULTILINE)
    assert len(shown) == 4
    for command, output in shown:
        # The failed wait left a tag behind.
        printed = [word for word in comparable(here.account.run(command, here.folder)) if word != "broken"]
        assert printed == comparable(output), command


def require_destroyed(here: Workspace) -> None:
    here.delete_images()
    here.apply("-destroy").checked()
    assert (here.left(), here.state()) == (set(), set())


def resources(plan: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Returns the resources of a type as they are to become; at least one."""
    found = [each["change"]["after"] for each in plan["resource_changes"] if each["type"] == kind]
    assert found
    return found


def actions(plan: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a plan does to each resource that it changes."""
    found = {each["address"]: ", ".join(each["change"]["actions"]) for each in plan["resource_changes"]}
    return {address: action for address, action in found.items() if action not in ("no-op", "read")}


def comparable(output: str) -> list[str]:
    """Returns the words of a command's output, with placeholders for the time, the account and the digest."""
    for pattern, placeholder in (
        (r"\d{8}-\d{6}", TIME),
        (r"\b\d{12}\b", "ACCOUNT"),
        (r"sha256:[0-9a-f]+(\.\.\.)?", "DIGEST"),
    ):
        output = re.sub(pattern, placeholder, output)
    return sorted(output.split())
