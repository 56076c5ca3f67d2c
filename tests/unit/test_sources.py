"""What code names as its source stands in docs/sources.md, with where it is and what it says."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes import ROOT

SOURCES = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
THREAD = r"\b[a-z]+(?:-[a-z]+)*#[0-9]+\b"
NAMED = re.compile(
    r"\((?P<key>[a-z]+(?:-[a-z]+)+)(?=[),;])"
    r'|# (?P<key_of_comment>[a-z]+(?:-[a-z]+)+)(?=, ")'
    r'|(?P<title>"[A-Z][A-Za-z]+:?(?: [A-Za-z0-9-]+)+")'
    r"|API Reference, (?P<api>[A-Z]\w+(?: and [A-Z]\w+)*)"
    rf"|(?P<thread>{THREAD})"
)


def remarks(code: str) -> Iterator[str]:
    """Return the comments and docstrings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield " ".join(node.value.value.split())


def named(code: str) -> Iterator[str]:
    """Return the sources that a module names, as docs/sources.md has them between bars and commas."""
    for match in (match for remark in remarks(code) for match in NAMED.finditer(remark)):
        key = match["key"] or match["key_of_comment"] or match["thread"]
        apis = [f"API Reference, {api} |" for api in (match["api"] or "").split(" and ") if api]
        yield from [f"`{key}`"] if key else apis or [match["title"]]


@pytest.mark.parametrize("module", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_that_a_module_names_is_on_the_page_of_sources(module: Path) -> None:
    assert {each for each in named(module.read_text(encoding="utf-8")) if each not in SOURCES} == set()


def test_every_thread_that_the_repository_names_is_on_the_page_of_sources() -> None:
    folders = [ROOT / name for name in ("src", "sandbox", "tests", "bench", "schema", "docs", "examples")]
    files = [path for folder in folders for path in (*folder.rglob("*.py"), *folder.rglob("*.md"))]
    threads = {
        thread
        for path in (*files, *ROOT.glob("*.md"))
        if path != Path(__file__)
        for thread in re.findall(THREAD, path.read_text(encoding="utf-8"))
    }
    assert threads
    assert {each for each in threads if f"`{each}`" not in SOURCES} == set()
