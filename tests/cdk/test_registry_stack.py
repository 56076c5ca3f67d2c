"""The example registry-stack: what lasts is apart from what waits, and each check notices what is taken out."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest

from sandbox.cloud import node_for_the_cdk
from sandbox.processes import ROOT
from tests.policy.ordering import faults, pins, uses, waiters
from tests.support.lint import Linter
from tests.support.push_permissions import lacking
from tests.support.registry_stack import FOLDER, LASTING, Synthesized, stacks

pytestmark = pytest.mark.slow
App = Mapping[str, Synthesized]

STATEFUL = {"AiSocialMediaRegistry", "AiSocialMediaStorage"}
PINS: Mapping[str, Mapping[str, list[str]]] = {
    "AiSocialMediaBackend": {user: ["Images"] for user in ("Api", "Triage", "Publish", "Thumbnails", "Video")},
    "AiSocialMediaWebhook": {"Webhook": ["Image"]},
}
"""What runs an image, and by the digest that which waiter found, without the hashes at the ends of the ids."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """The stacks of the example, synthesized."""
    return stacks(tmp_path_factory.mktemp("registry-stack") / "cdk.out")


def bare(text: str) -> str:
    """Return a text without the hashes that the CDK puts after its ids."""
    return re.sub(r"(?<=[a-z])[0-9A-F]{8}\b", "", text)


def lost(app: App) -> list[str]:
    """Return what must not be lost, in the stacks that a failed wait may roll back."""
    return [f"{name}: {each}" for name, stack in app.items() if name not in STATEFUL for each in stack.ids(*LASTING)]


# --- Stacks -----------------------------------------------------------------------------------------------------------


def test_a_copied_folder_passes_its_own_tests_which_say_who_owns_what_and_what_depends_on_what(tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(FOLDER, copied)
    environment = {**os.environ, **node_for_the_cdk(), "PYTHONPATH": str(ROOT / "src")}
    environment.pop("CDK_CONTEXT_JSON", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=copied, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_script_and_stacks_name_the_same_repository_and_tag_of_each_function(app: App) -> None:
    functions = ["api", "triage", "publish", "thumbnails", "video", "webhook"]
    command = ["./images.sh", "name", *functions]
    told = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True).stdout.split()
    names = {
        name: each["Properties"]["RepositoryName"]
        for name, each in app["AiSocialMediaRegistry"].template["Resources"].items()
        if each["Type"] == "AWS::ECR::Repository"
    }
    found = set()
    for stack in PINS:
        (waiter,) = waiters(app[stack].template)
        properties = app[stack].template["Resources"][waiter]["Properties"]
        for image in properties.get("Images", [{"Id": "Webhook", **properties}]):
            (repository,) = {name for id_, name in names.items() if id_ in str(image["RepositoryName"])}
            found.add((image["Id"].lower(), f"{repository}:{image['ImageTag']}"))
    assert set(zip(functions, told, strict=True)) == found


def test_no_stateless_stack_declares_a_bucket_a_table_or_a_repository(app: App) -> None:
    assert lost(app) == []


# --- Waits ------------------------------------------------------------------------------------------------------------


def test_whatever_runs_an_image_is_created_after_it_and_runs_the_digest_that_was_found(app: App) -> None:
    for name, stack in app.items():
        found = {bare(user): [bare(each) for each in those] for user, those in pins(stack.template).items()}
        assert faults(stack.template) == []
        assert found == PINS.get(name, {})
        assert {bare(use.resource) for use in uses(stack.template)} == set(found)


def test_each_wait_is_for_the_commit_s_image_and_has_it_built_where_it_is_missing(app: App) -> None:
    for name in PINS:
        template = app[name].template
        (waiter,) = waiters(template)
        properties = template["Resources"][waiter]["Properties"]
        assert properties["StartBuild"] is True
        assert "AiSocialMediaBackendPipeline:" in str(properties["Pipeline"])
        for image in properties.get("Images", [properties]):
            assert "AiSocialMediaRegistry:" in str(image["RepositoryName"])
            assert set(image["Labels"]) == {"org.opencontainers.image.revision"}


def test_whoever_pushes_may_do_all_that_a_push_asks(app: App) -> None:
    assert lacking(app["AiSocialMediaBackendPipeline"].template) == [""] * 3


def test_the_pipeline_needs_no_function_so_that_functions_can_wait_for_it(app: App) -> None:
    pipeline = app["AiSocialMediaBackendPipeline"]
    assert pipeline.needs == STATEFUL
    assert all(f"ai-social-media-{each}" in str(pipeline.template) for each in ("api", "video", "webhook"))
    for name in PINS:
        assert "AiSocialMediaBackendPipeline" in app[name].needs


# --- Templates --------------------------------------------------------------------------------------------------------


def test_cloudformation_would_take_every_template(app: App, lint: Linter) -> None:
    assert lint({name: stack.template for name, stack in app.items()}) == ""


def test_what_is_imported_is_exported_by_a_stack_that_is_deployed_before(app: App) -> None:
    for stack in app.values():
        exports = chain.from_iterable(app[name].template.get("Outputs", {}).values() for name in stack.needs)
        exported = {each["Export"]["Name"] for each in exports if "Export" in each}
        assert set(re.findall(r"'Fn::ImportValue': '([^']+)'", str(stack.template))) <= exported
