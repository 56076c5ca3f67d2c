"""No part of a response URL's query may stand in anything the suite's processes print.

`python -m tests.policy.leaks FOLDER` reads every file below the folder. The URLs of the tests carry canaries where the
secrets are; the names of the fields are checked as well, so that a URL of another origin shows too, and a query
that was taken apart. No needle changes when it is quoted, encoded for a URL or printed as JSON or as a dict.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.player import CANARIES

SESSION_TOKEN = "CanaryOfASessionToken"  # noqa: S105  # fake
NEEDLES = (*CANARIES, SESSION_TOKEN, "X-Amz-")


@dataclass(frozen=True)
class Leak:
    """Where something stands that must not."""

    file: Path
    line: int
    needle: str


def leaks(folder: Path) -> list[Leak]:
    """Return every leak in the files below a folder."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            found += [Leak(file, number, needle) for needle in NEEDLES if needle in line]
    return found


def main() -> int:
    """Report what leaked in the folder named by the first argument. Returns 1 if anything did, or if it is empty."""
    folder = Path(sys.argv[1])
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = leaks(folder)
    for leak in found:
        print(f"{leak.file}:{leak.line}: holds {leak.needle!r}, a part of a response URL's query")
    size = sum(path.stat().st_size for path in files)
    print(f"leak check: {len(found)} leaks in {len(files)} files, {size} bytes")
    return 1 if found or not size else 0


if __name__ == "__main__":
    sys.exit(main())
