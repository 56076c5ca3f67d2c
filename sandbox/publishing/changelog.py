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
_HEADING: Final = re.compile(r"^## \[(?P<version>[^\]]+)\](?P<rest>.*)$", re.MULTILINE)
_PLACEHOLDER: Final = re.compile(r"https://github\.com/example/")


class Project(NamedTuple):
    """What pyproject.toml says, which is the one place that says it. `repository` is an address."""

    name: str
    version: str
    description: str
    licence: str
    repository: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def project(folder: Path = ROOT) -> Project:
    """Read pyproject.toml."""
    said = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return Project(said["name"], said["version"], said["description"], said["license"], said["urls"]["Repository"])


def entry(text: str, version: str) -> tuple[str, str] | None:
    """Return what stands behind the version in its heading, and what stands below it; None where there is no entry."""
    headings = list(_HEADING.finditer(text))
    for number, heading in enumerate(headings):
        if heading["version"] == version:
            end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
            return heading["rest"].strip(), text[heading.end() : end].strip()
    return None


def violations(text: str, version: str, today: date) -> list[str]:
    """Return what is wrong with a version's entry."""
    found = entry(text, version)
    if found is None:
        return [f"CHANGELOG.md: no entry for {version}; head it ## [{version}] - YYYY-MM-DD"]
    rest, body = found
    try:
        dated = date.fromisoformat(rest.removeprefix("- ")) if re.fullmatch(r"- \d{4}-\d{2}-\d{2}", rest) else None
    except ValueError:
        dated = None
    if dated is None:
        return [f"CHANGELOG.md: the entry for {version} has no date; head it ## [{version}] - YYYY-MM-DD"]
    if dated > today:
        return [f"CHANGELOG.md: the entry for {version} is of {dated}, which has not come yet"]
    if not re.search(r"^- \S", body, re.MULTILINE):
        return [f"CHANGELOG.md: the entry for {version} says of nothing that changed"]
    return []


def gaps(said: Project, *, tags: Sequence[str], repository: str | None) -> list[str]:
    """Return what a checkout that passes every rule may still lack for being published.

    Args:
        said: what pyproject.toml says.
        tags: of the commit.
        repository: the address of the repository that publishes; None where nobody says.
    """
    found = []
    if _PLACEHOLDER.match(said.repository):
        found.append(f"pyproject.toml: the Repository among project.urls, {said.repository}, is a placeholder")
    elif repository is not None and repository != said.repository:
        found.append(
            f"pyproject.toml: the Repository among project.urls is {said.repository}, "
            f"and {repository} is what publishes"
        )
    if said.tag not in tags:
        found.append(f"the tag {said.tag} is not of this commit, which has {', '.join(tags) or 'none'}")
    return found


def main() -> None:
    """Print the notes of the release that a tag stands for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--repository", required=True, help="its address, https://...")
    options = parser.parse_args()
    said = project()
    text = (ROOT / "CHANGELOG.md").read_text()
    wrong = [
        *gaps(said, tags=[options.tag], repository=options.repository),
        *violations(text, said.version, datetime.now(tz=UTC).date()),
    ]
    if wrong:
        sys.exit("\n".join(f"error: {each}" for each in wrong))
    print((entry(text, said.version) or ("", ""))[1])


if __name__ == "__main__":
    main()
