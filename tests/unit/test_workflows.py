"""The workflows run on what is pinned, with no permission that they do not need; a rule notices when that changes."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT

FOLDER = Path(".github", "workflows")
TEXTS = {
    path.name: path.read_text()
    for root in (ROOT, ROOT / "examples" / "fargate")
    for path in sorted((root / FOLDER).iterdir())
}
WORKFLOWS: dict[str, dict[str, Any]] = {name: yaml_parse(text) for name, text in TEXTS.items()}

ALLOWED = {
    ("ci.yml", "test"): {"contents": "read"},
    ("release.yml", "test"): {"contents": "read"},
    ("release.yml", "build"): {"contents": "read"},
    ("release.yml", "provenance"): {"id-token": "write", "attestations": "write"},
    ("release.yml", "serverless-application-repository"): {"contents": "read", "id-token": "write"},
    ("release.yml", "python-package-index"): {"id-token": "write"},
    ("release.yml", "github-release"): {"contents": "write"},
    ("deploy.yml", "deploy-ecr"): {"contents": "read", "id-token": "write"},
    ("deploy.yml", "build-and-push"): {"contents": "read", "id-token": "write"},
    ("deploy.yml", "deploy-ecs"): {"contents": "read", "id-token": "write"},
}
PUBLISHES = {"serverless-application-repository", "python-package-index"}


def broken(name: str, workflow: dict[str, Any], text: str) -> Iterator[str]:
    """Return how a workflow breaks the rules."""
    if workflow.get("permissions") != {}:
        yield "permissions for all jobs"
    for job_name, job in workflow["jobs"].items():
        if job.get("permissions") != ALLOWED.get((name, job_name)):
            yield f"{job_name}: other permissions than it needs"
        if "timeout-minutes" not in job:
            yield f"{job_name}: may run for hours"
        if job_name in PUBLISHES and "environment" not in job:
            yield f"{job_name}: nobody can be asked first"
        for step in job["steps"]:
            yield from _broken_step(job_name, step, text)


def _broken_step(job: str, step: dict[str, Any], text: str) -> Iterator[str]:
    uses = step.get("uses", "")
    if uses and not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses):
        yield f"{job}: {uses} is not pinned by commit"
    elif uses and not re.search(rf"{uses} # v\d+\.\d+\.\d+$", text, re.MULTILINE):
        yield f"{job}: {uses} says no version"
    if uses.startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
        yield f"{job}: leaves a token in the checkout"
    if "${{" in step.get("run", ""):
        yield f"{job}: what is filled into a command can be a command"
    if "secrets." in str(step):
        yield f"{job}: keeps a secret"


def test_every_workflow_keeps_the_rules() -> None:
    assert {name: list(broken(name, WORKFLOWS[name], TEXTS[name])) for name in WORKFLOWS} == {
        "ci.yml": [],
        "release.yml": [],
        "deploy.yml": [],
    }


def job(workflow: dict[str, Any], name: str = "build") -> dict[str, Any]:
    found: dict[str, Any] = workflow["jobs"][name]
    return found


BREAKS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "permissions at the top": (lambda w: w.update(permissions={"contents": "write"}), "permissions for all jobs"),
    "no permissions at the top": (lambda w: w.pop("permissions"), "permissions for all jobs"),
    "one more": (lambda w: job(w)["permissions"].update({"id-token": "write"}), "build: other permissions"),
    "none said": (lambda w: job(w).pop("permissions"), "build: other permissions"),
    "no time-out": (lambda w: job(w).pop("timeout-minutes"), "build: may run for hours"),
    "no environment": (lambda w: job(w, "python-package-index").pop("environment"), "nobody can be asked first"),
    "a tag": (lambda w: job(w)["steps"][0].update(uses="actions/checkout@v6"), "is not pinned by commit"),
    "a branch": (lambda w: job(w)["steps"][1].update(uses="actions/setup-python@main"), "is not pinned by commit"),
    "a pin of no version": (
        lambda w: job(w)["steps"][1].update(uses=f"actions/setup-python@{'0' * 40}"),
        "says no version",
    ),
    "a token": (lambda w: job(w)["steps"][0].pop("with"), "leaves a token in the checkout"),
    "a template in a command": (lambda w: job(w)["steps"][2].update(run="echo ${{ github.ref }}"), "can be a command"),
    "a secret": (lambda w: job(w)["steps"][2].update(env={"X": "${{ secrets.X }}"}), "keeps a secret"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_named(name: str) -> None:
    breaks, sentence = BREAKS[name]
    workflow = copy.deepcopy(WORKFLOWS["release.yml"])
    breaks(workflow)

    (told,) = broken("release.yml", workflow, TEXTS["release.yml"])

    assert sentence in told


def needed(workflow: dict[str, Any], name: str) -> set[str]:
    """Return the jobs that have to be over before a job begins."""
    needs = job(workflow, name).get("needs", [])
    direct = [needs] if isinstance(needs, str) else needs
    return set(direct).union(*(needed(workflow, each) for each in direct))


def test_nothing_is_published_that_was_not_tested_built_once_and_signed() -> None:
    release = WORKFLOWS["release.yml"]
    for name in (*PUBLISHES, "github-release"):
        assert {"test", "build", "provenance"} <= needed(release, name)
    assert needed(release, "github-release") >= PUBLISHES
    built = [name for name, each in WORKFLOWS["release.yml"]["jobs"].items() if "make dist" in str(each)]
    assert built == ["build"]


def test_a_release_begins_with_its_tag_and_its_entry_in_the_changelog() -> None:
    commands = [step["run"] for step in job(WORKFLOWS["release.yml"], "test")["steps"] if "run" in step]
    assert commands[0].startswith("python -m sandbox.publishing.changelog --tag")


def test_a_version_of_an_action_is_the_same_wherever_it_is_used() -> None:
    pins = re.findall(r"uses: (\S+)@(\S+)", "".join(TEXTS.values()))
    assert len({name for name, _ in pins}) == len(set(pins))


# --- The two phases of examples/fargate -------------------------------------------------------------------------------


def out_of_phase(workflow: dict[str, Any]) -> Iterator[str]:
    """Return how the service could be deployed before its image, or the image be pushed before its repository."""
    if "deploy-ecr" not in needed(workflow, "build-and-push"):
        yield "pushes into a repository that may not be there"
    if not {"deploy-ecr", "build-and-push"} <= needed(workflow, "deploy-ecs"):
        yield "deploys the service beside the build"
    commands = [step["run"] for step in job(workflow, "deploy-ecs")["steps"] if "run" in step]
    deploys = [number for number, each in enumerate(commands) if " deploy " in each]
    gates = [number for number, each in enumerate(commands) if each.startswith("ecr-image-waiter wait ")]
    if not gates or min(deploys) < min(gates):
        yield "deploys the service without having looked for its image"
    before = [str(workflow["jobs"][name]) for name in needed(workflow, "deploy-ecs")]
    if any(re.search(r"\bFargateStack\b|--all\b", each) for each in before):
        yield "deploys the service before the build"


def test_the_example_deploys_its_service_when_its_image_has_been_pushed_and_seen() -> None:
    assert list(out_of_phase(WORKFLOWS["deploy.yml"])) == []


OUT_OF_PHASE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "the push waits for nobody": (lambda w: job(w, "build-and-push").pop("needs"), "may not be there"),
    "the service waits for nobody": (lambda w: job(w, "deploy-ecs").pop("needs"), "beside the build"),
    "the service waits for the repository alone": (
        lambda w: job(w, "deploy-ecs").update(needs="deploy-ecr"),
        "beside the build",
    ),
    "no gate": (lambda w: job(w, "deploy-ecs")["steps"].pop(-2), "without having looked"),
    "the gate comes too late": (
        lambda w: job(w, "deploy-ecs")["steps"].append(job(w, "deploy-ecs")["steps"].pop(-2)),
        "without having looked",
    ),
    "both stacks at once": (
        lambda w: job(w, "deploy-ecr")["steps"][-1].update(run="npx aws-cdk@2 deploy --all"),
        "before the build",
    ),
}


@pytest.mark.parametrize("name", OUT_OF_PHASE)
def test_a_phase_too_early_is_noticed(name: str) -> None:
    breaks, sentence = OUT_OF_PHASE[name]
    workflow = copy.deepcopy(WORKFLOWS["deploy.yml"])
    breaks(workflow)

    assert any(sentence in told for told in out_of_phase(workflow))
