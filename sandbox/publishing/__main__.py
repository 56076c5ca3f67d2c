"""`make publish`: print what would go to the Serverless Application Repository; with CONFIRM=yes, send it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandbox.processes import ROOT

from . import changelog
from .application import KEY, TEMPLATE, build, functions, read, sizes, violations

CONFIRMED: Final = "yes"


def report(folder: Path) -> str:
    """Return what would be published: the metadata, the changelog's entry, the artifacts and the template."""
    template, said = read(folder), changelog.project()
    artifacts = {name: sizes(folder / name) for name in functions(template)}
    return "\n".join(
        [
            *(f"{name}: {value}" for name, value in template["Metadata"][KEY].items()),
            *(f"{name}: {before:,} bytes, {after:,} zipped" for name, (before, after) in artifacts.items()),
            "\n".join(changelog.entry(changelog.TEXT.read_text(), said.version) or ()),
            json.dumps(template, indent=2),
        ]
    )


def gaps(folder: Path) -> list[str]:
    """Return what is missing for publishing a folder that breaks no rule."""
    here = os.environ.get("GITHUB_REPOSITORY")
    repository = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{here}" if here else None
    tags = _git("tag", "--points-at", "HEAD").split()
    found = changelog.gaps(changelog.project(), changelog.TEXT.read_text(), tags=tags, repository=repository)
    if _git("status", "--porcelain", "--untracked-files=no"):
        found.append("the checkout has changes that are not committed")
    if not any(folder.glob("WaiterFunction/**/*.pyc")):
        found.append("the artifact has no bytecode: build it with Lambda's version of Python on the PATH")
    return found


def publish(folder: Path, bucket: str, region: str) -> None:
    """Publish a folder, with the credentials that are configured."""
    sam = ROOT / ".venvs" / "sam" / "bin" / "sam"
    with tempfile.TemporaryDirectory() as work:
        packaged = Path(work) / "packaged.yaml"
        files = ("--template-file", folder / TEMPLATE, "--output-template-file", packaged)
        commands: list[list[str | Path]] = [
            ["package", *files, "--s3-bucket", bucket, "--region", region, "--no-progressbar"],
            ["publish", "--template", packaged, "--region", region, "--fail-on-same-version"],
        ]
        for command in commands:
            subprocess.run([sam, *command], check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and print; publish if that was asked for and nothing is missing."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, help="what `make dist` made, unpacked; built anew if it is not given")
    parser.add_argument("--confirm", default="", help=f"{CONFIRMED} publishes; anything else is a dry run")
    parser.add_argument("--bucket", default="", help="for the files; the repository must be allowed to read it")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "")))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ecr-image-waiter-") as temporary:
        folder: Path = options.folder or build(Path(temporary))
        wrong = violations(folder)
        if not wrong:
            print(report(folder))
            missing = gaps(folder)
            if options.confirm != CONFIRMED:
                print("\nA dry run: nothing has left this machine. No rule is broken.")
                print(*(f"Before publishing: {each}" for each in missing), sep="\n")
                return 0
            wrong = missing + [
                f"{name}= is missing" for name in ("BUCKET", "REGION") if not vars(options)[name.lower()]
            ]
        if wrong:
            print(*(f"error: {each}" for each in wrong), sep="\n", file=sys.stderr)
            return 1
        publish(folder, options.bucket, options.region)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
