"""Prose keeps to the field's words: pages, messages, docstrings and comments have none of the words listed here."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator

import pytest

from sandbox.processes import ROOT

INSTEAD = {
    "check": r"\blook(?:s|ed|ing)?\b(?! (?:like|alike|up)\b|-(?:up|around))|\bwatch(?:es|ed|ing)?\b",
    "backoff": r"\brhythms?\b",
    "continuation, hand over": r"\bhops?\b|\bhand-overs?\b",
    "grace period": r"\bgraces?\b(?! period)",
    "timed out": r"\bin vain\b|\bgave up on\b",
    "send the response": r"\bcouriers?\b|\bbrings? (?:an?|the) (?:answer|response)",
    "the waiter's stack": r"\b(?:an?|the|this|two|each|of|per|own|every|another|second|its|central) installs?\b",
    "fix": r"\bmend(?:s|ed|ing)?\b",
    "fake": r"\bmade[- ]up\b",
    "timeout": r"\btime-outs?\b",
    "invalid, not available": r"\bof no use\b|\bto be had\b",
    "the name of the person": r"\bwhoever\b",
    "the name of the thing": r"\bwhat is there\b",
    "fires": r"\b(?:alarms?|one of them) rings?\b",
    "the plain sentence": r"second way is to be|does not take what|all the rest twenty|however often it is seen|"
    r"nobody is answered|stands in it|received beside|does without asking|give whoever",
}
"""What a page or message says, by the words that it replaces."""
IN_PRODUCT = {"simulated": r"\bplay(?:s|ed|ing)?\b"}
"""The same, in all that users see. The sandbox has a player."""


def files() -> Iterator[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    kinds = (".md", ".py", ".yaml", ".yml", ".ts", ".mts", ".tf", ".sh", "Makefile", "ecr-image-waiter.json")
    quoting = {"tests/unit/test_language.py", "docs/decisions/0024-house.md"}
    for name in listed.stdout.splitlines():
        if name.endswith(kinds) and name not in quoting and (ROOT / name).exists():
            yield name


def prose(name: str) -> Iterator[str]:
    """Yields the prose of a file: of Python docstrings and comments, in the product all strings; of pages no code."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name == "CHANGELOG.md":
        text = text.partition("## [Unreleased]")[2].partition("\n## [")[0]
    if name.endswith(".md"):
        yield re.sub(r"\]\([^)]*\)", "]", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    elif name.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield str(node.value.value)
            elif isinstance(node, ast.Constant) and name.startswith(("src/", "schema/")) and " " in str(node.value):
                yield str(node.value)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from (token.string for token in tokens if token.type == tokenize.COMMENT)
    else:
        yield text


def wrong(name: str) -> Iterator[str]:
    instead = INSTEAD if name.startswith(("tests/", "sandbox/", "bench/")) else INSTEAD | IN_PRODUCT
    for part in prose(name):
        text = re.sub(r"`[^`\n]*`", "``", part)
        for better, words in instead.items():
            yield from (f"{name}: {match[0]!r}, write {better!r}" for match in re.finditer(words, text, re.IGNORECASE))


def test_prose_keeps_to_the_fields_words() -> None:
    assert [each for name in files() for each in wrong(name)] == []


@pytest.mark.parametrize("text", ["It looks at the tag.", "the install's role", "Gave up on it", "a grace of 60 s"])
def test_a_wrong_word_is_found(text: str) -> None:
    assert any(re.search(words, text, re.IGNORECASE) for words in INSTEAD.values())
