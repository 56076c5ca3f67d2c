"""Which module knows which: what decides imports no AWS SDK, no crhelper and no Powertools, so its tests need none."""

import ast
import re
from pathlib import Path

import pytest

import ecr_image_waiter
from ecr_image_waiter.artifact import NOT_FOR_LAMBDA
from sandbox.processes import ROOT

SOURCE = Path(ecr_image_waiter.__file__).parent
EDGES = {"boto3", "botocore", "crhelper", "aws_lambda_powertools", "urllib3"}
MODULES = {
    str(path.relative_to(SOURCE).with_suffix("")): path
    for path in SOURCE.rglob("*.py")
    if path.relative_to(SOURCE).parts[0] not in NOT_FOR_LAMBDA
}


def _imported(module: str) -> set[str]:
    """Return what a module imports: packages of others by their first name, modules of its own by folder and name."""
    names: set[str] = set()
    path = SOURCE / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level:
                parts = [*path.relative_to(SOURCE).parts[: -node.level], *parts]
            elif parts[0] == "ecr_image_waiter":
                parts = parts[1:]
            else:
                parts = parts[:1]
            found = "/".join(filter(None, parts))
            names |= (
                {found}
                if found in MODULES or not (SOURCE / found).is_dir()
                else {"/".join(filter(None, (found, alias.name))) for alias in node.names}
            )
    return names


def _reached(module: str) -> set[str]:
    """Return what a module imports, and what those import of this package."""
    seen: set[str] = set()
    left = [module]
    while left:
        for name in _imported(left.pop()) - seen:
            seen.add(name)
            if name in MODULES:
                left.append(name)
    return seen


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith(("core/", "text/"))))
def test_what_decides_and_what_words_it_reach_no_edge(module: str) -> None:
    assert not _reached(module) & EDGES


def test_the_real_time_is_known_to_the_clock_alone() -> None:
    modules = [str(path.relative_to(SOURCE).with_suffix("")) for path in SOURCE.glob("**/*.py")]
    assert {module for module in modules if "time" in _imported(module)} == {"clock"}


@pytest.mark.parametrize("module", ["arguments", "inspecting", "results", "words"])
def test_what_the_command_decides_knows_neither_aws_nor_a_terminal(module: str) -> None:
    assert not _imported(f"cli/{module}") & (EDGES | {"rich"})


def test_nothing_that_lambda_gets_knows_the_command() -> None:
    assert [name for name in MODULES if any(found.startswith("cli") for found in _imported(name))] == []


def test_no_test_module_imports_another() -> None:
    folders = ("unit", "integration", "cdk", "e2e")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in (ROOT / "tests").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.match(rf"\s*(from|import) (tests\.({'|'.join(folders)}|conftest)\b|tests import|\.|test_|conftest)", line)
        and path.parent.name != "live"
    ]
    assert found == []
