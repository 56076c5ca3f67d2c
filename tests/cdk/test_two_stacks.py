"""The CDK edition of two-stacks: each function waits for its image, and the check notices a missing wait."""

import json
import re
from typing import Any

import pytest

from sandbox.processes import ROOT
from tests.policy.ordering import faults, pins, uses, waiters
from tests.support.apps import synthesized
from tests.support.lint import Linter
from tests.support.push_permissions import lacking

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "two-stacks" / "cdk"
COMMIT = "8f3c2d1" * 5
PINS = {"TextGeneration": ["TextGenerationImage"], "PracticeMaterial": ["PracticeMaterialImage"]}
"""Each function, and the waiter whose digest it runs, without the hashes at the ends of the ids."""
Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    context = json.loads((EXAMPLE / "cdk.json").read_text())["context"]
    return synthesized(EXAMPLE, tmp_path_factory.mktemp("two-stacks"), {**context, "commit": COMMIT})


def bare(text: str) -> str:
    """Return a text without the hashes that the CDK puts after its ids."""
    return re.sub(r"(?<=[a-z])[0-9A-F]{8}\b", "", text)


def test_its_templates_pass_cfn_lint(templates: Templates, lint: Linter) -> None:
    assert set(templates) == {"OER-CICD", "OER-Api"}
    assert lint(templates) == ""


def test_each_function_follows_its_waiter_and_runs_the_digest_that_was_found(templates: Templates) -> None:
    api = templates["OER-Api"]
    assert faults(api) == []
    assert {bare(user): [bare(each) for each in found] for user, found in pins(api).items()} == PINS
    assert {bare(use.resource) for use in uses(api)} == set(PINS)


def test_each_wait_is_for_the_commit_s_image_and_follows_the_pipeline(templates: Templates) -> None:
    api = templates["OER-Api"]
    for each in waiters(api):
        properties = api["Resources"][each]["Properties"]
        assert properties["Labels"] == {"org.opencontainers.image.revision": COMMIT}
        assert "OER-CICD:" in str(properties["Pipeline"])
        assert "OER-CICD:" in str(properties["RepositoryName"])


def test_the_project_may_do_all_that_a_push_asks(templates: Templates) -> None:
    assert lacking(templates["OER-CICD"]) == ["", ""]
