"""The structure of the house: which folder may know which, and how large a module may grow."""

import ast
import re
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ecr_image_waiter
from artifact import NOT_FOR_LAMBDA
from sandbox.processes import ROOT

SOURCE = Path(ecr_image_waiter.__file__).parent
MOST_LINES = 350
MOST_IMPORTS = 12
MOST_MODULES = 26
EDGES = {"boto3", "botocore", "crhelper", "aws_lambda_powertools", "urllib3"}
MODULES = {
    str(path.relative_to(SOURCE).with_suffix("")): path
    for path in SOURCE.rglob("*.py")
    if path.relative_to(SOURCE).parts[0] not in NOT_FOR_LAMBDA
}


def _imported(module: str) -> set[str]:
    """Returns what a module imports: packages of others by their first name, modules of its own by folder and name."""
    names: set[str] = set()
    package = ".".join(("ecr_image_waiter", *module.split("/")[:-1]))
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    own = {name.partition(".")[2].replace(".", "/") for name in names if name.startswith("ecr_image_waiter.")}
    found = {name for name in own if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()}
    return found | {name.split(".")[0] for name in names}


def _folder(module: str) -> str:
    return module.partition("/")[0] if "/" in module else ""


IMPORTED = {module: _imported(module) for module in MODULES}
BELOW = {"core": {"core"}, "text": {"core", "text"}, "cfn": {"core", "text", "cfn"}, "aws": {"core", "aws"}}
"""The folders of this package that the modules of a folder may import."""


@pytest.mark.parametrize("folder", BELOW)
def test_no_arrow_runs_back_up(folder: str) -> None:
    found = {
        (module, name) for module in MODULES if _folder(module) == folder for name in IMPORTED[module] & {*MODULES}
    }
    assert {arrow for arrow in found if _folder(arrow[1]) not in BELOW[folder]} == set()


def test_there_are_few_enough_modules_to_know_each() -> None:
    assert len([module for module in MODULES if not module.endswith("__init__")]) <= MOST_MODULES


def test_no_imports_go_in_a_circle() -> None:
    TopologicalSorter({module: IMPORTED[module] & MODULES.keys() for module in MODULES}).prepare()


CORE = {module: path for module, path in MODULES.items() if _folder(module) == "core"}


@pytest.mark.parametrize("module", CORE)
def test_core_imports_no_io_no_clock_and_no_chance(module: str) -> None:
    """Of `random`, the type `Random` is known: what is drawn comes in from outside."""
    assert not IMPORTED[module] & (EDGES | {"time", "asyncio", "threading", "socket", "os", "secrets", "uuid"})
    for node in ast.walk(ast.parse(CORE[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "random" not in {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "random":
            assert {alias.name for alias in node.names} == {"Random"}
        elif isinstance(node, ast.Attribute):
            assert not (
                node.attr in ("now", "utcnow", "today") and getattr(node.value, "id", "") in ("datetime", "date")
            )


def test_words_import_no_io() -> None:
    assert [module for module in MODULES if _folder(module) == "text" and IMPORTED[module] & EDGES] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_at_once(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    assert len(IMPORTED[module] & {*MODULES}) <= MOST_IMPORTS


def test_the_real_time_is_known_to_one_module_alone() -> None:
    modules = [str(path.relative_to(SOURCE).with_suffix("")) for path in SOURCE.glob("**/*.py")]
    assert {module for module in modules if "time" in _imported(module)} == {"aws/clients"}


@pytest.mark.parametrize("module", ["arguments", "inspecting", "results", "words"])
def test_what_the_command_decides_knows_neither_aws_nor_a_terminal(module: str) -> None:
    assert not _imported(f"cli/{module}") & (EDGES | {"rich"})


def test_nothing_that_lambda_gets_knows_the_command() -> None:
    assert [name for name in MODULES if any(found.startswith("cli") for found in _imported(name))] == []


def test_no_test_module_imports_another() -> None:
    imports = re.compile(
        r"\s*(from|import) ([\w.]*\b(test_\w+|conftest)\b|tests\.\w+ import test_|\.+\w* import test_)"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in (ROOT / "tests").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if imports.match(line)
    ]
    assert found == []
