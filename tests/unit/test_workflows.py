"""The claims about the workflows that neither actionlint nor zizmor checks; `make check` runs both."""

import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.support.action import ACTION

FOLDER = Path(".github", "workflows")
TEXTS = {
    path.name: path.read_text()
    for root in (ROOT, ROOT / "examples" / "fargate")
    for path in sorted((root / FOLDER).iterdir())
}
WORKFLOWS: dict[str, dict[str, Any]] = {name: yaml_parse(text) for name, text in TEXTS.items()}
RELEASE, DEPLOY = (WORKFLOWS[name]["jobs"] for name in ("release.yml", "deploy.yml"))
READ, ROLE = {"contents": "read"}, {"id-token": "write"}
PERMISSIONS = {
    "ci.yml": {"lint": READ, "test": READ},
    "release.yml": {
        "test": READ,
        "build": READ,
        "provenance": ROLE | {"attestations": "write"},
        "serverless-application-repository": READ | ROLE,
        "python-package-index": ROLE,
        "npm": ROLE,
        "github-release": {"contents": "write"},
    },
    "docs.yml": {"build": READ, "deploy": {"pages": "write"} | ROLE},
    "live.yml": {"live": READ | ROLE},
    "nightly.yml": {"long": READ},
    "deploy.yml": {
        **dict.fromkeys(("lint", "type-check", "test"), READ),
        **dict.fromkeys(("deploy-ecr", "build-and-push", "deploy-ecs"), READ | ROLE),
    },
}
PUBLISHES = {"serverless-application-repository", "python-package-index", "npm"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_job_has_a_permission_that_it_does_not_need_and_each_has_a_timeout(name: str) -> None:
    jobs = WORKFLOWS[name]["jobs"]
    assert WORKFLOWS[name]["permissions"] == {}
    assert {job: jobs[job].get("permissions") for job in jobs} == PERMISSIONS[name]
    assert [job for job in jobs if "timeout-minutes" not in jobs[job]] == []


def test_no_secret_is_kept_and_somebody_approves_each_publication() -> None:
    assert [name for name, text in TEXTS.items() if re.search(r"\bsecrets\b", text)] == []
    assert [job for job in PUBLISHES if "environment" not in RELEASE[job]] == []


def test_a_run_on_an_account_is_started_by_hand_and_approved_and_what_it_left_is_removed_in_any_case() -> None:
    workflow = WORKFLOWS["live.yml"]
    assert re.search(r"^on:\n  workflow_dispatch:\n\n", TEXTS["live.yml"], re.MULTILINE)
    assert workflow["jobs"]["live"]["environment"] == "live"
    (removal,) = [step for step in workflow["jobs"]["live"]["steps"] if "REMOVE=yes" in step.get("run", "")]
    assert "always()" in removal["if"]


def test_each_pinned_action_says_its_version_which_is_the_same_everywhere() -> None:
    pins = re.findall(
        r"uses: (?!example/)([\w/-]+)@(.+)", "".join([*TEXTS.values(), (ROOT / "action.yml").read_text()])
    )
    assert [pin for _, pin in pins if not re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin)] == []
    assert len({name for name, _ in pins}) == len(set(pins))


def needed(jobs: dict[str, Any], name: str) -> set[str]:
    """Return the jobs that have to be over before a job begins."""
    needs = jobs[name].get("needs", [])
    direct = [needs] if isinstance(needs, str) else needs
    return set(direct).union(*(needed(jobs, each) for each in direct))


def test_nothing_is_published_that_was_not_tested_built_once_and_signed() -> None:
    for name in (*PUBLISHES, "github-release"):
        assert {"test", "build", "provenance"} <= needed(RELEASE, name)
    assert needed(RELEASE, "github-release") >= PUBLISHES
    assert [name for name, job in RELEASE.items() if "make dist" in str(job)] == ["build"]


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_a_release_begins_with_its_tag_and_its_entry_in_the_changelog() -> None:
    assert commands(RELEASE["test"])[0].startswith("python -m sandbox.publishing.changelog --tag")


def test_the_example_deploys_what_was_checked_and_its_service_when_its_image_has_been_pushed_and_seen() -> None:
    checks = {"lint", "type-check", "test"}
    assert needed(DEPLOY, "deploy-ecr") == checks
    assert DEPLOY["build-and-push"]["needs"] == "deploy-ecr"
    assert DEPLOY["deploy-ecs"]["needs"] == ["deploy-ecr", "build-and-push"]
    assert not any(needed(DEPLOY, each) for each in checks)
    before = commands(DEPLOY["deploy-ecr"]) + commands(DEPLOY["build-and-push"])
    assert [each for each in before if re.search(r"\bFargateStack\b|--all\b", each)] == []
    gate, deploy = DEPLOY["deploy-ecs"]["steps"][-2:]
    assert gate["uses"].startswith("example/ecr-image-waiter@")
    assert gate["with"].keys() <= ACTION["inputs"].keys()
    assert " deploy " in deploy["run"]
    assert not any(" deploy " in each for each in commands(DEPLOY["deploy-ecs"])[:-1])
