"""Mutate the modules that decide, one change at a time, and see that the unit tests notice.

    python -m tests.mutants            # every mutant; takes about an hour on two cores
    python -m tests.mutants --module core.polling

It works in a copy under `.mutants`, one for each choice of modules, and goes on where it was when the sources are the
same. Mutants that survive are listed in tests/mutants.toml by function and mutation, with the reason; one that is not
there fails the run, as does a share of killed ones under 90 %.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from sandbox.processes import ROOT

MODULES = (
    *("core.polling", "core.model", "core.deadline", "core.builds", "core.conditions", "core.manifests", "core.uris"),
    *("cfn.event", "cfn.properties", "cfn.validation", "cfn.response", "check"),
    *("text.terms", "text.reasons", "core.messages"),
)
"""Those that decide, and the words they decide on."""
LEAST_KILLED = 0.9
COPIES = ROOT / ".mutants"
SURVIVORS = ROOT / "tests" / "mutants.toml"
# What reads the source as text, counts imports, of which mutmut adds some, or is too slow to run for each mutant and
# adds nothing.
LEFT_OUT = ("chaos", "fuzz", "imports", "language", "locks", "player", "schema", "start", "template")
DESELECTED = ("tests/unit/test_cli.py::test_the_command_imports_nothing_that_only_lambda_needs",)


def main() -> None:
    """Run the mutants and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", choices=MODULES, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    modules = tuple(options.module or MODULES)
    # mutmut keeps which test reaches which function, of the modules that it mutated alone.
    folder = COPIES / "+".join(modules)
    copy(modules, folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src/last_resort", "src"])}
    mutmut = str(Path(sys.executable).parent / "mutmut")
    subprocess.run([mutmut, "run", "--max-children", str(os.cpu_count())], cwd=folder, env=environment, check=True)
    told = subprocess.run(
        [mutmut, "results", "--all", "true"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    fates = re.findall(r"ecr_image_waiter\.([\w.]+)\.(\S+): (.+)", told.stdout)
    sys.exit(report(modules, fates, folder, mutmut))


def copy(modules: tuple[str, ...], folder: Path) -> None:
    """Bring the copy up to date, with mutmut's settings in its pyproject.toml."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    folders = sorted({name.partition("/")[0] for name in names} - {".gitignore"})
    selection = [
        "tests/unit",
        *(f"--ignore=tests/unit/test_{name}.py" for name in LEFT_OUT),
        *(f"--deselect={test}" for test in DESELECTED),
    ]
    settings = {
        "source_paths": ["src/ecr_image_waiter"],
        "only_mutate": [f"src/ecr_image_waiter/{name.replace('.', '/')}.py" for name in modules],
        "also_copy": folders,
        "pytest_add_cli_args_test_selection": selection,
        "timeout_multiplier": 2.0,  # of what the tests take without a mutant; a wait that never ends takes all of it
        "timeout_constant": 2.0,
    }
    lines = ["", "[tool.mutmut]", *(f"{key} = {value!r}" for key, value in settings.items()), ""]
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n".join(lines))


def report(modules: tuple[str, ...], fates: list[tuple[str, str, str]], folder: Path, mutmut: str) -> int:
    """Print a line for each module and each survivor. Returns the exit status."""
    listed = tomllib.loads(SURVIVORS.read_text())
    known = {(module, function, mutation) for module, each in listed.items() for function, mutation, _ in each}
    status = 0
    everything: Counter[bool] = Counter()
    for module in modules:
        mine = [(name, fate) for of, name, fate in fates if of == module]
        # A mutant that hangs is noticed as well.
        alive = [name for name, fate in mine if fate not in ("killed", "timeout")]
        everything.update({True: len(mine) - len(alive), False: len(alive)})
        print(f"{module}: {len(mine) - len(alive)} of {len(mine)} killed ({1 - len(alive) / max(len(mine), 1):.1%})")
        for name in alive:
            found = (module, function_of(name), mutation_of(module, name, folder, mutmut))
            status |= found not in known
            print(f"  {'survived' if found in known else 'SURVIVED, NOT LISTED'}: {list(found[1:])}")
    share = everything[True] / max(everything.total(), 1)
    print(f"{everything[True]} of {everything.total()} mutants killed ({share:.1%})")
    return 1 if status or share < LEAST_KILLED else 0


def function_of(name: str) -> str:
    """Return the function of a mutant: mutmut calls it `x_judge__mutmut_3`, or `xǁBudgetǁleft__mutmut_1` in a class."""
    return name.partition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")


def mutation_of(module: str, name: str, folder: Path, mutmut: str) -> str:
    """Return what a mutant changes, as `old -> new`: the words alone that differ."""
    shown = subprocess.run(
        [mutmut, "show", f"ecr_image_waiter.{module}.{name}"], cwd=folder, capture_output=True, text=True, check=True
    )
    changed = [line for line in shown.stdout.splitlines() if re.match(r"[-+](?![-+]{2})", line)]
    old, new = ([word for line in changed if line[0] == sign for word in words(line[1:])] for sign in "-+")
    parts = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return "; ".join(
        f"{' '.join(old[a:b])} -> {' '.join(new[c:d])}".strip() for kind, a, b, c, d in parts if kind != "equal"
    )


def words(line: str) -> list[str]:
    """Split a line of Python into its words and signs."""
    return re.findall(r"[\w.]+|[^\w\s]+", line)


if __name__ == "__main__":
    main()
