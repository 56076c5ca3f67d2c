"""Run tests/unit/test_fuzz.py with as many examples as one likes, drawn from a seed that is printed.

python -m tests.fuzz --examples 20000
"""

import argparse
import os
import re
import secrets
import subprocess
import sys

from sandbox.processes import ROOT
from tests.policy.leaks import NEEDLES

TESTS = "tests/unit/test_fuzz.py"


def main() -> None:
    """Runs the fuzz tests, then reads what they printed for parts of a response URL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="how many, all tests together")
    parser.add_argument("--seed", type=int, help="drawn when it is not given", default=secrets.randbelow(2**32))
    options = parser.parse_args()
    print(f"{options.examples} examples from seed {options.seed}", flush=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-p",
        "no:logging",
        f"--hypothesis-seed={options.seed}",
        TESTS,
    ]
    environment = {**os.environ, "FUZZ_EXAMPLES": str(options.examples)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print("\n".join(line for line in done.stdout.splitlines() if done.returncode or not line.startswith("{")))
    ran = re.search(r"^([0-9]+) examples: ", done.stdout, re.MULTILINE)
    if done.returncode or not ran or int(ran[1]) < options.examples:
        sys.exit(done.returncode or "fewer examples were run than wanted")
    if any(needle in done.stdout + done.stderr for needle in NEEDLES):
        sys.exit("a part of a response URL's query was printed")


if __name__ == "__main__":
    main()
