"""What each stack owns, and what it depends on. Run `python -m pytest tests` in this folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent
LASTING = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::ECR::PublicRepository"}
STATEFUL = {"Registry", "Storage"}
Stacks = dict[str, dict]


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the app synthesizes."""
    out = tmp_path_factory.mktemp("cdk.out")
    context = {**json.loads((FOLDER / "cdk.json").read_text())["context"], "commit": "0" * 40}
    environment = {**os.environ, "CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run([sys.executable, "app.py"], cwd=FOLDER, env=environment, check=True)
    return out


@pytest.fixture(scope="session")
def stacks(assembly: Path) -> Stacks:
    """The stacks of the manifest, without the app's prefix in their names."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    return {
        short(name): {
            **each["properties"],
            "needs": {short(other) for other in each.get("dependencies", []) if not other.endswith(".assets")},
            "resources": json.loads((assembly / each["properties"]["templateFile"]).read_text())["Resources"],
        }
        for name, each in artifacts.items()
        if each["type"] == "aws:cloudformation:stack"
    }


def short(name: str) -> str:
    return name.removeprefix("AiSocialMedia")


def owned(stacks: Stacks, resource_type: str) -> dict[str, list[str]]:
    """Return the ids of the resources of a type by stack, without the hashes at their ends."""
    return {
        name: [re.sub(r"[0-9A-F]{8}$", "", id_) for id_ in found]
        for name, stack in stacks.items()
        if (found := [id_ for id_, each in stack["resources"].items() if each["Type"] == resource_type])
    }


def test_what_lasts_comes_first_then_the_pipeline_then_what_waits_for_it(stacks: Stacks) -> None:
    assert {name: stack["needs"] for name, stack in stacks.items()} == {
        "Registry": set(),
        "Storage": set(),
        "Frontend": {"Storage"},
        "FrontendPipeline": {"Storage"},
        "BackendPipeline": STATEFUL,
        "Backend": {*STATEFUL, "BackendPipeline"},
        "Webhook": {"Registry", "BackendPipeline"},
        "Operations": {"Storage", "Backend", "Webhook"},
    }


def test_registry_owns_every_repository_and_nothing_else(stacks: Stacks) -> None:
    assert owned(stacks, "AWS::ECR::Repository") == {"Registry": ["Light", "Heavy", "Webhook"]}
    assert owned(stacks, "AWS::ECR::PublicRepository") == {"Registry": ["PublicLight", "PublicHeavy"]}
    assert len(stacks["Registry"]["resources"]) == 5


def test_storage_owns_every_bucket_and_the_table(stacks: Stacks) -> None:
    buckets = ["Media", "Frontend", "LogArchive", "MetricsArchive", "BackendArtifacts", "FrontendArtifacts"]
    assert owned(stacks, "AWS::S3::Bucket") == {"Storage": buckets}
    assert owned(stacks, "AWS::DynamoDB::Table") == {"Storage": ["Sessions"]}


def test_storage_alone_is_protected(stacks: Stacks) -> None:
    assert {name for name, stack in stacks.items() if stack.get("terminationProtection")} == {"Storage"}


def test_what_lasts_has_an_explicit_name_and_is_deleted_only_when_its_own_creation_rolls_back(stacks: Stacks) -> None:
    lasting = [each for name in STATEFUL for each in stacks[name]["resources"].values() if each["Type"] in LASTING]
    assert len(lasting) == 12
    policies = {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in lasting}
    assert policies == {("RetainExceptOnCreate", "Retain")}
    assert all({"RepositoryName", "BucketName", "TableName"} & each["Properties"].keys() for each in lasting)


def test_functions_have_the_names_by_which_the_pipeline_knows_them(stacks: Stacks) -> None:
    functions = [
        each["Properties"]["FunctionName"]
        for stack in stacks.values()
        for each in stack["resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    assert len(functions) == 6
    policies = json.dumps(stacks["BackendPipeline"]["resources"])
    assert set(functions) == set(re.findall(r":function:([a-z-]+)", policies))
