"""The example registry-stack: what lasts is apart from what waits, and each check notices what is taken out."""

import copy
import re
from collections.abc import Mapping
from itertools import chain

import pytest

from tests.policy.ordering import faults, mutants, pins, sorted_last, uses, waiters
from tests.support.lint import Linter
from tests.support.pushing import lacking
from tests.support.registry_stack import LASTING, Synthesized, stacks

App = Mapping[str, Synthesized]

STATEFUL = {"MediaRegistry", "MediaStorage"}
PINS: Mapping[str, Mapping[str, list[str]]] = {
    "MediaBackend": {user: ["Images"] for user in ("Api", "Triage", "Publish", "Thumbnails", "Video")},
    "MediaWebhook": {"Webhook": ["Image"]},
}
"""What runs an image, and by the digest that which waiter found, without the hashes at the ends of the ids."""
FORGOTTEN = sorted(
    {
        f"{stack}: {forgotten}"
        for stack, pinned in PINS.items()
        for user, waiter in ((user, waiter) for user, found in pinned.items() for waiter in found)
        for forgotten in (
            f"{waiter} taken out",
            f"{user} no longer depends on {waiter}",
            f"{user} no longer pinned to what {waiter} found",
        )
    }
)


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


def test_repositories_and_data_come_first_then_what_fills_them_then_what_waits(app: App) -> None:
    assert [*app] == ["MediaRegistry", "MediaStorage", "MediaBackendPipeline", "MediaBackend", "MediaWebhook"]
    assert {name: set(stack.needs) for name, stack in app.items()} == {
        "MediaRegistry": set(),
        "MediaStorage": set(),
        "MediaBackendPipeline": STATEFUL,
        "MediaBackend": {*STATEFUL, "MediaBackendPipeline"},
        "MediaWebhook": {"MediaRegistry", "MediaBackendPipeline"},
    }


def test_the_registry_owns_every_repository_and_nothing_else(app: App) -> None:
    registry = app["MediaRegistry"]
    private = [each for each in registry.template["Resources"].values() if each["Type"] == "AWS::ECR::Repository"]
    assert {each["Properties"]["RepositoryName"] for each in private} == {
        "media-lambda-light",
        "media-lambda-heavy",
        "media-webhook",
    }
    assert all("LifecyclePolicy" in each["Properties"] for each in private)
    assert registry.ids("AWS::ECR::PublicRepository") == ["PublicHeavy", "PublicLight"]
    assert len(registry.template["Resources"]) == 5


def test_the_storage_owns_every_bucket_and_the_table_and_is_protected(app: App) -> None:
    storage = app["MediaStorage"]
    assert {bare(name) for name in storage.ids("AWS::S3::Bucket")} == {
        "Media",
        "Frontend",
        "LogArchive",
        "MetricsArchive",
        "BackendArtifacts",
        "FrontendArtifacts",
    }
    assert [bare(name) for name in storage.ids("AWS::DynamoDB::Table")] == ["Sessions"]
    assert {name for name, stack in app.items() if stack.protected} == {"MediaStorage"}


def test_what_must_not_be_lost_has_a_name_and_outlives_its_stack_but_not_a_creation_that_fails(app: App) -> None:
    resources = [app[name].template["Resources"][each] for name in STATEFUL for each in app[name].ids(*LASTING)]
    assert len(resources) == 12
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in resources} == {
        ("RetainExceptOnCreate", "Retain")
    }
    names = {"RepositoryName", "BucketName", "TableName"}
    assert all(names & each["Properties"].keys() for each in resources)


def test_no_stateless_stack_declares_a_bucket_a_table_or_a_repository(app: App) -> None:
    assert lost(app) == []


@pytest.mark.parametrize("resource_type", LASTING)
def test_a_bucket_a_table_or_a_repository_in_a_stateless_stack_is_noticed(app: App, resource_type: str) -> None:
    stack = copy.deepcopy(app["MediaBackend"])
    stack.template["Resources"]["Own"] = {"Type": resource_type}
    assert lost({**app, "MediaBackend": stack}) == ["MediaBackend: Own"]


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
        assert "MediaBackendPipeline:" in str(properties["Pipeline"])
        for image in properties.get("Images", [properties]):
            assert "MediaRegistry:" in str(image["RepositoryName"])
            assert set(image["Labels"]) == {"org.opencontainers.image.revision"}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_waiter_a_dependency_or_a_pin_that_is_taken_out_is_noticed(app: App, name: str) -> None:
    stack, _, forgotten = name.partition(": ")
    broken = {bare(what): mutant for what, mutant in mutants(app[stack].template)}
    assert faults(broken[forgotten]) != []


def test_each_waiter_each_dependency_and_each_pin_was_taken_out_once(app: App) -> None:
    taken_out = [f"{name}: {bare(what)}" for name, stack in app.items() for what, _ in mutants(stack.template)]
    assert sorted(taken_out) == FORGOTTEN


def test_a_stack_with_its_waiters_sorted_last_is_the_same_otherwise(app: App) -> None:
    for name in PINS:
        renamed = sorted_last(app[name].template)
        assert faults(renamed) == []
        assert max(renamed["Resources"]) in waiters(renamed)


def test_whoever_pushes_may_do_all_that_a_push_asks(app: App) -> None:
    assert lacking(app["MediaBackendPipeline"].template) == [""] * 3


# --- Templates --------------------------------------------------------------------------------------------------------


def test_cloudformation_would_take_every_template(app: App, lint: Linter) -> None:
    assert lint({name: stack.template for name, stack in app.items()}) == ""


def test_what_is_imported_is_exported_by_a_stack_that_is_deployed_before(app: App) -> None:
    for stack in app.values():
        exports = chain.from_iterable(app[name].template.get("Outputs", {}).values() for name in stack.needs)
        exported = {each["Export"]["Name"] for each in exports if "Export" in each}
        assert set(re.findall(r"'Fn::ImportValue': '([^']+)'", str(stack.template))) <= exported
