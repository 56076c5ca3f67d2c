"""Run tests/unit/test_fuzz.py with as many examples as one likes, drawn from a seed that is printed.

python -m tests.fuzz --examples 20000
"""

import argparse
import os
import re
import secrets
import subprocess
import sys
import time

from sandbox.processes import ROOT
from tests.policy.leaks import NEEDLES

TESTS = "tests/unit/test_fuzz.py"


def main() -> None:
    """Run the fuzz tests, then read what they printed for parts of a response URL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="how many, all tests together")
    parser.add_argument("--seed", type=int, help="drawn when it is not given")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"{options.examples} examples from seed {seed}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:logging", f"--hypothesis-seed={seed}", TESTS]
    environment = {**os.environ, "FUZZ_EXAMPLES": str(options.examples)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    told = [line for line in done.stdout.splitlines() if done.returncode or not line.startswith("{")]
    print("\n".join(told))
    if done.returncode:
        sys.exit(done.returncode)
    ran = re.search(r"^([0-9]+) examples: ", done.stdout, re.MULTILINE)
    if not ran or int(ran[1]) < options.examples:
        sys.exit(f"{ran[1] if ran else 'no'} examples were run, wanted: {options.examples}")
    print(f"{ran[1]} examples in {time.monotonic() - began:.0f} s, each answered, handed over or refused")
    if any(needle in done.stdout for needle in NEEDLES):
        sys.exit("a part of a response URL's query was printed")


if __name__ == "__main__":
    main()
