"""The entry of CHANGELOG.md that a version must have, and the release's notes, which are that entry.

`python3 -m sandbox.publishing.changelog --tag v1.2.3 --repository URL` prints them, or says what is wrong; it needs
Python alone, so that a release can begin with it.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = ROOT / "CHANGELOG.md"
# A version of Python's as well: the two spell pre-releases differently.
_VERSION: Final = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}")
NOT_RELEASED: Final = "not released"
_PLACEHOLDER: Final = "https://github.com/example/"


class Project(NamedTuple):
    """What pyproject.toml says, which is the one place that says it. `repository` is an address."""

    name: str
    version: str
    licence: str
    repository: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def project() -> Project:
    """Read pyproject.toml."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return Project(said["name"], said["version"], said["license"], said["urls"]["Repository"])


def entry(text: str, version: str) -> tuple[str, str] | None:
    """Return the date, or `NOT_RELEASED`, and the text of a version's entry; None without such a heading."""
    heading = rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d|{NOT_RELEASED})$"
    found = re.search(rf"{heading}(.*?)(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL)
    return (found[1], found[2].strip()) if found else None


def violations(said: Project, text: str, today: date) -> list[str]:
    """Return what is wrong with a version and with its entry in the changelog."""
    version = said.version
    if not _VERSION.fullmatch(version):
        return [f"pyproject.toml: the version is {version!r}, allowed: three numbers, as in 1.2.3"]
    found = entry(text, version)
    if not found:
        return [f"CHANGELOG.md: no entry for {version}; head it ## [{version}] - YYYY-MM-DD"]
    dated, body = found
    if dated != NOT_RELEASED and dated > today.isoformat():
        return [f"CHANGELOG.md: the entry for {version} has the date {dated}, which lies in the future"]
    if not re.search(r"^- \S", body, re.MULTILINE):
        return [f"CHANGELOG.md: the entry for {version} lists no change"]
    return []


def gaps(said: Project, text: str, *, tags: Sequence[str], repository: str | None) -> list[str]:
    """Return what a checkout that passes every rule may still lack for being published.

    `tags` are the commit's, `repository` is the address of the repository that publishes; None if it is unknown.
    """
    found = []
    if said.repository.startswith(_PLACEHOLDER):
        found.append(f"pyproject.toml: the Repository among project.urls, {said.repository}, is a placeholder")
    elif repository not in {None, said.repository}:
        found.append(
            f"pyproject.toml: the Repository among project.urls is {said.repository}, but {repository} publishes"
        )
    if (entry(text, said.version) or ("",))[0] == NOT_RELEASED:
        found.append(f"CHANGELOG.md: head the entry ## [{said.version}] - YYYY-MM-DD, with the date of the release")
    if said.tag not in tags:
        found.append(f"this commit needs the tag {said.tag}; it has {', '.join(tags) or 'none'}")
    return found


def main() -> None:
    """Print the notes of the release that a tag stands for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--repository", required=True, help="its address, https://...")
    options = parser.parse_args()
    said, text = project(), TEXT.read_text()
    wrong = [
        *gaps(said, text, tags=[options.tag], repository=options.repository),
        *violations(said, text, datetime.now(tz=UTC).date()),
    ]
    if wrong:
        sys.exit("\n".join(f"error: {each}" for each in wrong))
    print((entry(text, said.version) or ("", ""))[1])


if __name__ == "__main__":
    main()
