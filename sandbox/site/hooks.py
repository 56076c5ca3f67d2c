"""Makes a site of docs/ and the README, whose files stay as GitHub shows them.

MkDocs calls the functions by their names: https://www.mkdocs.org/user-guide/plugins/#events.
"""

import posixpath
import re
import tomllib
from pathlib import Path
from urllib.parse import quote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
MERMAID = ROOT / ".venvs/mermaid/node_modules/mermaid/dist/mermaid.min.js"
SCRIPT = "assets/javascripts/mermaid.min.js"
MOVED = {"README.md": "index.md", "docs/README.md": "contents.md"}
"""Files that have another path on the site. All others of docs/ keep theirs."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Reads the navigation from the tables of docs/README.md, and the repository's address from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]
    config.extra |= {
        "repository": repository,
        "social": [{"icon": "fontawesome/brands/github", "link": repository, "name": "Source"}],
    }
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", index, flags=re.MULTILINE)[1:]
    config.nav = [{"Start": "index.md"}, {"Contents": "contents.md"}]
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        config.nav.append(
            {title: [_nav(target) for target in re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", text, re.MULTILINE)]}
        )
    return config


def _nav(target: str) -> str | dict[str, list[str]]:
    """Returns a page of the navigation, or a folder with all of its pages."""
    folder = ROOT / "docs" / target
    if not folder.is_dir():
        return target
    return {target.capitalize(): [f"{target}/{file.name}" for file in sorted(folder.glob("*.md"))]}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Makes the README the start page, docs/README.md a page beside it, and adds mermaid's script."""
    index = files.get_file_from_path("README.md")
    if index:
        files.remove(index)
    for source, page in MOVED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, SCRIPT, abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # MkDocs's signature
    """Turns each relative link into one to a page of the site or, if it leaves docs/, to a file of the repository."""
    pages = {page: source for source, page in MOVED.items()}
    source = pages.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def on_the_site(link: re.Match[str]) -> str:
        path, hash_, anchor = link[1].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in MOVED:
            target = MOVED[target]
        elif target.startswith("docs/") and (ROOT / target).is_file():
            target = target.removeprefix("docs/")
        elif (ROOT / target).exists():
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"]({config.extra['repository']}/{kind}/main/{quote(target)}{hash_}{anchor})"
        return f"]({posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or '.')}{hash_}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", on_the_site, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # MkDocs's signature
    """Gives mermaid to a page with a diagram. The theme would load it from another host."""
    if 'class="mermaid"' not in html:
        return html
    return f'{html}<script src="{posixpath.relpath(SCRIPT, page.url or ".")}"></script>'
