"""The example of Fargate waits, its check notices what is taken out, and its two ways ask for the same image."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import CDK_PYTHON
from sandbox.processes import ROOT
from tests.policy.ordering import dependencies, faults, pins, uses, waiters
from tests.support.apps import synthesized
from tests.support.lint import Linter

EXAMPLE = ROOT / "examples" / "fargate"
COMMIT = "8f3c2d1" * 5
Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return synthesized(EXAMPLE, tmp_path_factory.mktemp("fargate"), {"commit": COMMIT})


@pytest.fixture(scope="module")
def service(templates: Templates) -> dict[str, Any]:
    return templates["FargateStack"]


def the(template: dict[str, Any], type_: str) -> str:
    """Return the id of the one resource of a type."""
    (found,) = (name for name, each in template["Resources"].items() if each["Type"] == type_)
    return str(found)


def jobs() -> dict[str, Any]:
    """Return the jobs of the workflow."""
    return dict(yaml_parse((EXAMPLE / ".github" / "workflows" / "deploy.yml").read_text())["jobs"])


@pytest.mark.parametrize("job", ["type-check", pytest.param("test", marks=pytest.mark.slow)])
def test_a_copy_of_the_folder_passes_the_checks_of_its_workflow(job: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy)
    command = str(jobs()[job]["steps"][-1]["run"]).split()
    if job == "type-check":  # with the types of aws-cdk-lib as they were read for the constructs
        command += ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache" / "cdk")]
    path = os.pathsep.join([str(CDK_PYTHON.parent), os.environ["PATH"]])
    source = str(ROOT / "src")
    environment = {**os.environ, "PATH": path, "PYTHONPATH": source, "MYPYPATH": source}
    environment.pop("CDK_CONTEXT_JSON", None)
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_has_the_names_by_which_it_is_stopped(service: dict[str, Any]) -> None:
    cluster = service["Resources"][the(service, "AWS::ECS::Cluster")]["Properties"]["ClusterName"]
    name = service["Resources"][the(service, "AWS::ECS::Service")]["Properties"]["ServiceName"]
    assert (cluster, name) == ("mp-cluster", "mp-api-service")
    command = f"aws ecs update-service --cluster {cluster} --service {name} --desired-count 0"
    assert command in (EXAMPLE / "README.md").read_text()


def test_its_templates_pass_cfn_lint(templates: Templates, lint: Linter) -> None:
    assert set(templates) == {"AppStack", "FargateStack"}
    assert lint(templates) == ""


def test_the_service_follows_a_task_definition_that_runs_the_digest_that_was_found(service: dict[str, Any]) -> None:
    (waiter,) = waiters(service)
    task = the(service, "AWS::ECS::TaskDefinition")
    assert faults(service) == []
    assert [use.resource for use in uses(service)] == [task]
    assert pins(service) == {task: [waiter]}
    assert task in dependencies(service, the(service, "AWS::ECS::Service"))


def test_it_waits_for_the_commit_s_tag_which_nobody_can_move_while_latest_moves(
    templates: Templates, service: dict[str, Any]
) -> None:
    registry = templates["AppStack"]
    repository = registry["Resources"][the(registry, "AWS::ECR::Repository")]["Properties"]
    assert repository == {
        "RepositoryName": "app-mp",
        "ImageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "ImageTagMutabilityExclusionFilters": [
            {"ImageTagMutabilityExclusionFilterType": "WILDCARD", "ImageTagMutabilityExclusionFilterValue": "latest"}
        ],
    }
    assert service["Resources"][waiters(service)[0]]["Properties"]["ImageTag"] == COMMIT


def test_only_the_registry_s_stack_has_a_repository_which_a_failed_wait_leaves_alone(templates: Templates) -> None:
    types = {name: {each["Type"] for each in template["Resources"].values()} for name, template in templates.items()}
    assert types["AppStack"] == {"AWS::ECR::Repository"}
    assert "AWS::ECR::Repository" not in types["FargateStack"]


def test_the_circuit_breaker_is_on(service: dict[str, Any]) -> None:
    properties = service["Resources"][the(service, "AWS::ECS::Service")]["Properties"]
    assert properties["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_the_gate_of_the_workflow_and_the_push_mean_what_the_stack_waits_for(
    templates: Templates, service: dict[str, Any]
) -> None:
    registry = templates["AppStack"]
    name = registry["Resources"][the(registry, "AWS::ECR::Repository")]["Properties"]["RepositoryName"]
    wanted = service["Resources"][waiters(service)[0]]["Properties"]
    workflow = jobs()
    (gate,) = (step["with"] for step in workflow["deploy-ecs"]["steps"] if step.get("id") == "gate")
    assert gate["images"] == f"{name}:${{{{ github.sha }}}}"
    assert gate["deploy-target"] == wanted["DeployTarget"]
    assert gate["platform"] == wanted["Platform"]
    push = (EXAMPLE / "push.sh").read_text()
    assert re.findall(r"^repository=(.*)$", push, flags=re.MULTILINE) == [name]
    assert re.findall(r"--platform (\S+)", push) == [wanted["Platform"]]
