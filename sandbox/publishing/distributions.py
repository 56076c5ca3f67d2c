"""`make dist`: what a release carries: a wheel, an sdist, a package of npm, and the folder that `make publish` sends.

The first two are built with the setuptools that the SAM CLI's environment has, locked with its hashes: nothing is
fetched. Their README is ours with its links made absolute, because a package's page shows no other files.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from sandbox.processes import ROOT

from . import npm
from .application import build
from .changelog import Project, project

_PYTHON: Final = ROOT / ".venvs" / "sam" / "bin" / "python"
_BACKEND: Final = (
    "import sys; from setuptools import build_meta as backend; target = sys.argv[1]; "
    "backend.build_sdist(target); backend.build_wheel(target)"
)
_LINK: Final = re.compile(r"(\]\()(?!https?://|mailto:)([^)\s]+)")


def absolute(text: str, said: Project) -> str:
    """Return a document with its relative links leading to this version's files in the repository."""
    page = f"{said.repository}/blob/{said.tag}/"
    return _LINK.sub(lambda match: match[1] + page + ("README.md" if match[2][0] == "#" else "") + match[2], text)


def package(target: Path) -> None:
    """Build the wheel and the sdist into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in ("pyproject.toml", "LICENSE"):
            shutil.copyfile(ROOT / name, copy / name)
        (copy / "README.md").write_text(absolute((ROOT / "README.md").read_text(), project()))
        shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        command: list[str | Path] = [_PYTHON, "-c", _BACKEND, target.resolve()]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"setuptools failed:\n{(done.stdout + done.stderr)[-3000:]}")


def main() -> None:
    """Write all four into a folder, which is emptied first."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    target: Path = parser.parse_args().folder
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    package(target)
    said = project()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = build(work)
        npm.build(work / "npm", {name: folder / name for name in npm.FUNCTIONS})
        npm.pack(work / "npm", target)
        shutil.make_archive(str(target / f"{said.name}-{said.version}-sar"), "zip", folder)
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size:>12,} bytes  {path}")


if __name__ == "__main__":
    main()
