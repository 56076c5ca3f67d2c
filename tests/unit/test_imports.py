"""The modules that decide know no AWS SDK, no crhelper and no Powertools, so their tests need none either."""

import ast
from pathlib import Path

import pytest

import ecr_image_waiter

SOURCE = Path(ecr_image_waiter.__file__).parent
EDGES = {"boto3", "botocore", "crhelper", "aws_lambda_powertools", "urllib3"}
AT_THE_EDGE = {
    *(
        "aws",
        "aws_codes",
        "blobs",
        "codebuild",
        "codepipeline",
        "continuation",
        "handler",
        "logs",
        "metrics",
        "registry",
        "response",
        "rollback",
        "slice",
        "stacks",
    )
}
DECIDING = {path.stem for path in SOURCE.glob("*.py")} - AT_THE_EDGE


def _imported(module: str) -> set[str]:
    """Return what a module imports, packages of others by their first name, its own modules by theirs."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("module", sorted(DECIDING))
def test_a_deciding_module_imports_no_edge_and_no_module_that_does(module: str) -> None:
    assert not _imported(module) & (EDGES | AT_THE_EDGE)


@pytest.mark.parametrize("module", sorted(AT_THE_EDGE))
def test_a_module_at_the_edge_is_there_because_it_imports_one(module: str) -> None:
    assert _imported(module) & (EDGES | AT_THE_EDGE)


def test_the_real_time_is_known_to_the_clock_alone() -> None:
    modules = [str(path.relative_to(SOURCE).with_suffix("")) for path in SOURCE.glob("**/*.py")]
    assert {module for module in modules if "time" in _imported(module)} == {"clock"}


@pytest.mark.parametrize("module", ["arguments", "inspecting", "results", "words"])
def test_what_the_command_decides_knows_neither_aws_nor_a_terminal(module: str) -> None:
    assert not _imported(f"cli/{module}") & (EDGES | AT_THE_EDGE | {"rich"})


def test_nothing_that_lambda_gets_knows_the_command() -> None:
    assert {path.stem for path in SOURCE.glob("*.py") if "cli" in _imported(path.stem)} == set()
