"""What the stories of tests/support/terraform.py prove."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.support.few import some_slow
from tests.support.terraform import (
    BY_INVOCATION,
    BY_STACK,
    EXAMPLE,
    FROM_BEFORE,
    FUNCTIONS,
    REPOSITORIES,
    SCRIPT_FIRST,
    TIME,
    Step,
    Stories,
    Unavailable,
    copy_example,
    program,
    run,
    wait_by_invocation,
)

DEPLOYED = {name: f'aws_lambda_function.this["{name}"]' for name in FUNCTIONS}
WAITS = {
    BY_STACK: {name: f'module.image["{name}"].aws_cloudformation_stack.image' for name in FUNCTIONS},
    BY_INVOCATION: {name: f'module.image["{name}"].aws_lambda_invocation.image' for name in FUNCTIONS},
}
Tell = Callable[[str, str], Step]
both = pytest.mark.parametrize("way", some_slow([BY_STACK, BY_INVOCATION], lambda way: way == BY_INVOCATION))


@pytest.fixture
def tell(stories: Stories) -> Tell:
    """Waits for a step of a way."""

    def step(way: str, name: str) -> Step:
        try:
            return stories.step(way, name)
        except Unavailable as reason:
            pytest.skip(str(reason))

    return step


@both
def test_the_files_are_formatted_as_terraform_does(way: str, tmp_path: Path) -> None:
    try:
        program()
    except Unavailable as reason:
        pytest.skip(str(reason))
    copy = tmp_path / "copy"
    copy_example(copy)
    if way == BY_INVOCATION:
        wait_by_invocation(copy)
    done = run(copy, {}, "fmt", "-check", "-diff", "-recursive")
    assert (done.status, done.printed) == (0, "")


@both
def test_terraform_takes_the_files_for_valid(way: str, tell: Tell) -> None:
    found = json.loads(tell(way, "validate").run.printed)
    assert (found["valid"], found["diagnostics"]) == (True, [])


def test_every_environment_is_deployed() -> None:
    assert {file.stem for file in (EXAMPLE / "environments").iterdir()} == {"dev", "staging", "prod"}


@both
def test_an_environment_gives_every_variable_that_has_no_default_and_no_other(way: str, tell: Tell) -> None:
    run = tell(way, "create").run
    assert run.status == 0  # or it would have asked for a variable
    assert [warning for warning in run.diagnostics("warning") if "undeclared" in warning] == []


@both
@pytest.mark.parametrize("step", ["create", "new tag"])
def test_no_function_is_deployed_before_the_wait_for_its_image_is_over(way: str, step: str, tell: Tell) -> None:
    applied = tell(way, step).run.applied
    for name in FUNCTIONS:
        deployed = applied.index(("apply_start", DEPLOYED[name]))
        # One that is replaced is begun and completed twice: it is deleted first.
        assert ("apply_complete", WAITS[way][name]) in applied[:deployed], applied
        assert WAITS[way][name] not in {address for _, address in applied[deployed:]}, applied


@both
@pytest.mark.parametrize("step", ["create", "new tag"])
def test_every_function_runs_the_digest_that_was_pushed(way: str, step: str, tell: Tell) -> None:
    done = tell(way, step)
    assert done.uris == {name: done.pushed[name]["latest"] for name in FUNCTIONS}
    assert len(set(done.uris.values()) | set(tell(way, "create").uris.values())) == {"create": 3, "new tag": 6}[step]


@both
@pytest.mark.parametrize("step", ["create", "new tag"])
def test_the_outputs_are_the_images_that_the_functions_run(way: str, step: str, tell: Tell) -> None:
    done = tell(way, step)
    assert done.run.outputs == {"image_uris": done.uris}


@both
def test_the_script_pushes_the_time_the_version_and_latest(way: str, tell: Tell) -> None:
    for name, pushed in tell(way, "create").pushed.items():
        version = {BY_STACK: set(), BY_INVOCATION: {"v1.0.0"}}[way]
        assert pushed.keys() - {"broken"} == {TIME, "latest", *version}
        assert {uri for tag, uri in pushed.items() if tag != "broken"} == {tell(way, "create").uris[name]}


@both
def test_a_second_plan_has_nothing_to_do(way: str, tell: Tell) -> None:
    run = tell(way, "second plan").run
    assert (run.status, run.planned) == (0, {})


@both
def test_a_new_tag_changes_exactly_the_functions_and_their_waits(way: str, tell: Tell) -> None:
    wait = {BY_STACK: "update", BY_INVOCATION: "delete, create"}[way]
    expected = dict.fromkeys(DEPLOYED.values(), "update") | dict.fromkeys(WAITS[way].values(), wait)
    assert actions(tell(way, "new tag").plan) == expected


@both
def test_a_new_trigger_changes_exactly_the_functions_and_their_waits(way: str, tell: Tell) -> None:
    assert tell(way, "new trigger").run.planned.keys() == {*DEPLOYED.values(), *WAITS[way].values()}


@both
def test_the_reason_of_a_wait_that_fails_is_in_terraform_s_error(way: str, tell: Tell) -> None:
    run = tell(way, "failed wait").run
    errors = run.diagnostics("error")
    assert (run.status, len(errors)) == (1, len(FUNCTIONS)), errors
    for repository in REPOSITORIES.values():
        (error,) = (each for each in errors if repository in each)
        assert re.search('cannot be deployed: it is for "linux/arm64", wanted "linux/amd64"', error)


@both
def test_a_wait_that_fails_leaves_nothing_behind_and_every_function_as_it_was(way: str, tell: Tell) -> None:
    failed = tell(way, "failed wait")
    assert failed.uris == ({} if way == BY_STACK else tell(way, "new tag").uris)
    assert not [each for each in failed.left if each.startswith("stack ")]
    assert not {address for _, address in failed.run.applied} & set(DEPLOYED.values())


@pytest.mark.slow
def test_the_apply_after_a_wait_that_failed_begins_the_wait_anew(tell: Tell) -> None:
    planned = tell(BY_STACK, "create").run.planned
    assert planned == dict.fromkeys([*WAITS[BY_STACK].values(), *DEPLOYED.values()], "create")
    assert not tell(BY_INVOCATION, "failed wait").state & set(WAITS[BY_INVOCATION].values())


@pytest.mark.slow
@pytest.mark.parametrize("way", [BY_INVOCATION, SCRIPT_FIRST])
def test_repositories_that_the_script_made_become_terraform_s(way: str, tell: Tell) -> None:
    adopted = tell(way, "create")
    assert adopted.script.count("Creating the repository") == len(FUNCTIONS)
    imported = {address for address, action in adopted.run.planned.items() if action == "import"}
    assert imported == {f'aws_ecr_repository.this["{name}"]' for name in FUNCTIONS}
    assert imported < adopted.state
    assert adopted.uris == {name: adopted.pushed[name]["v1.0.0"] for name in FUNCTIONS}
    assert "Creating the repository" not in tell(BY_STACK, "create").script


def test_the_commands_under_check_it_print_what_the_page_shows(tell: Tell) -> None:
    checks = tell(BY_STACK, "check it").checks
    assert len(checks) == 4
    for command, (shown, printed) in checks.items():
        # The failed wait left a tag behind.
        assert [word for word in comparable(printed) if word != "broken"] == comparable(shown), command


@pytest.mark.slow
def test_a_project_that_adds_the_wait_keeps_its_repositories_and_functions(tell: Tell) -> None:
    before, added = tell(FROM_BEFORE, "before"), tell(FROM_BEFORE, "wait added")
    assert actions(added.plan) == {
        **{f"aws_lambda_function.{name}": "update" for name in FUNCTIONS},
        **dict.fromkeys(WAITS[BY_STACK].values(), "create"),
    }
    assert before.uris == {name: uri_by_tag(added.uris[name], "v1.0.0") for name in FUNCTIONS}
    assert added.uris == {name: added.pushed[name]["v1.0.0"] for name in FUNCTIONS}


@pytest.mark.slow
def test_a_project_that_takes_the_files_over_moves_all_and_keeps_its_functions_settings(tell: Tell) -> None:
    taken = tell(FROM_BEFORE, "taken over")
    kinds = ("aws_ecr_repository", "aws_ecr_lifecycle_policy", "aws_lambda_function")
    changes = taken.plan["resource_changes"]
    moved = {each["address"]: each["previous_address"] for each in changes if "previous_address" in each}
    assert moved == {f'{kind}.this["{name}"]': f"{kind}.{name}" for kind in kinds for name in FUNCTIONS}
    assert actions(taken.plan) == {}
    planned = [each["change"]["after"] for each in changes if each["type"] == "aws_lambda_function"]
    settings = [(each["memory_size"], each["timeout"], each["environment"][0]["variables"]) for each in planned]
    assert settings == [(1024, 300, {"STAGE": "staging"})] * len(FUNCTIONS)
    assert taken.uris == tell(FROM_BEFORE, "wait added").uris


def test_every_parameter_that_terraform_leaves_empty_has_a_default(tell: Tell) -> None:
    for stack in resources(tell(BY_STACK, "new tag").plan, "aws_cloudformation_stack"):
        parameters = yaml_parse(stack["template_body"])["Parameters"]
        given = {name for name, value in stack["parameters"].items() if value}
        assert parameters.keys() - given <= {name for name, each in parameters.items() if "Default" in each}
        assert stack["parameters"].keys() <= parameters.keys()


def test_terraform_waits_for_a_stack_longer_than_cloudformation_does_for_the_waiter(tell: Tell) -> None:
    for stack in resources(tell(BY_STACK, "new tag").plan, "aws_cloudformation_stack"):
        minutes = [int(stack["timeouts"][each].removesuffix("m")) for each in ("create", "update")]
        assert min(minutes) > 60


@pytest.mark.slow
def test_an_invocation_ends_before_a_nat_gateway_cuts_its_connection(tell: Tell) -> None:
    for invocation in resources(tell(BY_INVOCATION, "new tag").plan, "aws_lambda_invocation"):
        sent = json.loads(invocation["input"])
        assert sent["MaxRetries"] * sent["RetryDelaySeconds"] < 350


@pytest.mark.slow
def test_an_invocation_whose_answer_is_lost_is_not_repeated(tell: Tell) -> None:
    configuration = tell(BY_INVOCATION, "new tag").plan["configuration"]
    calls = configuration["root_module"]["module_calls"]["image"]["module"]["resources"]
    (used,) = {each["provider_config_key"] for each in calls if each["type"] == "aws_lambda_invocation"}
    assert configuration["provider_config"][used]["expressions"]["max_retries"]["constant_value"] == 1


@both
def test_a_destroy_leaves_nothing_behind(way: str, tell: Tell) -> None:
    assert tell(way, "create").left > {f"repository {name}" for name in REPOSITORIES.values()}
    done = tell(way, "destroy")
    assert done.run.status == 0, done.run.diagnostics("error")
    assert (done.left, done.state) == (frozenset(), frozenset())


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


def uri_by_tag(uri: str, tag: str) -> str:
    """Returns the URI by its tag of an image whose URI by digest is known."""
    return f"{uri.partition('@')[0]}:{tag}"
