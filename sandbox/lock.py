"""Lock every environment: names, versions and hashes, for each Python that pyproject.toml allows."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("sam", "ministack", "runtime", "cdk", "mutants", "uv")
TESTING = {"cdk": ["--extra", "cdk"], "mutants": []}
"""Groups that test the project, so with its versions; and what of its extras they take."""


def main() -> None:
    """Write the lock files with the uv that the first argument names."""
    uv = sys.argv[1]
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


if __name__ == "__main__":
    main()
