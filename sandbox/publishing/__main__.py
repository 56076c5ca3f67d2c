"""`make publish`: print what would go to the Serverless Application Repository; with CONFIRM=yes, send it."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from sandbox.processes import ROOT

from . import changelog
from .folder import build, read
from .rehearsal import PACKAGED, commands, rehearse
from .report import report
from .rules import Application, violations

CONFIRMED: Final = "yes"


def gaps(application: Application, folder: Path, bucket: str, region: str) -> list[str]:
    """Return what is missing for publishing a folder that breaks no rule."""
    here = os.environ.get("GITHUB_REPOSITORY")
    repository = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{here}" if here else None
    tags = _git("tag", "--points-at", "HEAD").split()
    found = changelog.gaps(application.project, tags=tags, repository=repository)
    if _git("status", "--porcelain", "--untracked-files=no"):
        found.append("the checkout has changes that are not committed")
    if not any(folder.glob("WaiterFunction/**/*.pyc")):
        found.append("the artifact has no bytecode: build it where the Python that Lambda runs is on the PATH")
    if not bucket:
        found.append("no bucket for the files, which serverlessrepo.amazonaws.com may read: BUCKET=name")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        found.append("no region to publish in: REGION=name")
    return found


def publish(folder: Path, bucket: str, region: str) -> None:
    """Publish a folder, with the credentials that are configured.

    Raises:
        subprocess.CalledProcessError: the SAM CLI failed; it has said why.
    """
    sam = ROOT / ".venvs" / "sam" / "bin" / "sam"
    with tempfile.TemporaryDirectory() as work:
        for command in commands(folder, Path(work) / PACKAGED, bucket, region):
            subprocess.run([sam, *command], check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main() -> int:
    """Check, rehearse and print; publish where that was asked for and nothing is missing."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, help="what `make dist` made, unpacked; built anew where it is not given")
    parser.add_argument("--confirm", default="", help=f"{CONFIRMED} publishes; all else is a dry run")
    parser.add_argument("--bucket", default="", help="for the files; SAR must be allowed to read it")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "")))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ecr-image-waiter-") as temporary:
        work = Path(temporary)
        folder: Path = options.folder or build(work)
        application = read(folder)
        broken = violations(application)
        if not broken:
            print("Rehearsing ...", file=sys.stderr, flush=True)
            rehearsed = rehearse(folder, work)
            application = rehearsed.measured(application)
            print(report(application, rehearsed, folder))
            broken = violations(application)
        if broken:
            print(*(f"error: {each}" for each in broken), sep="\n", file=sys.stderr)
            return 1
        missing = gaps(application, folder, options.bucket, options.region)
        if options.confirm != CONFIRMED:
            print("\nA dry run: nothing has left this machine. No rule is broken.")
            if missing:
                print(*("To publish it:", *(f"  {each}" for each in missing)), sep="\n")
            return 0
        if missing:
            print(*(f"error: {each}" for each in missing), sep="\n", file=sys.stderr)
            return 1
        publish(folder, options.bucket, options.region)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
