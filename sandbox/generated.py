"""Files that are written from something else, and must not be stale."""

import argparse
import sys
from pathlib import Path

from .processes import ROOT


def write_or_check(target: Path, wanted: str) -> None:
    """Write a file, or with --check on the command line say that it is stale."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="change nothing; fail where it is not what it should be")
    if not parser.parse_args().check:
        target.write_text(wanted)
    elif not target.exists() or target.read_text() != wanted:
        sys.exit(f"{target.relative_to(ROOT)} is stale: make schema")
