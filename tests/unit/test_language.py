"""Prose keeps to the field's words: pages, messages, docstrings and comments have none of the words listed here."""

import re
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


FOLDERS = (
    *("src", "docs", "examples", "sandbox", "tests", "bench", "schema"),
    *("cdk-typescript/src", "cdk-typescript/test"),
)
KINDS = {".md", ".py", ".yaml", ".yml", ".ts", ".mts", ".tf", ".sh"}
MADE = {"node_modules", "cdk.out", "__pycache__"}
PYTHON = re.compile(
    r"""(?P<prose>^[ ]*\"{3}(?s:.*?)\"{3}|\#[ ].*)|\"{3}(?s:.*?)\"{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
    re.MULTILINE,
)
"""Docstrings and comments, as `prose`, and all other strings, from the beginning of a file."""
QUOTING = {"tests/unit/test_language.py", "docs/decisions/0024-house.md"}


def files() -> Iterator[str]:
    paths = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    for path in paths:
        parts = path.relative_to(ROOT).parts
        made = MADE.intersection(parts) or any(part.startswith(".") and part != ".github" for part in parts)
        known = path.suffix in KINDS or path.name in ("Makefile", "ecr-image-waiter.json")
        if known and not made and path.is_file() and "/".join(parts) not in QUOTING:
            yield "/".join(parts)


def prose(name: str) -> str:
    """Returns the prose of a file: of Python docstrings and comments, in the product all strings; of pages no code."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name == "CHANGELOG.md":
        text = text.partition("## [Unreleased]")[2].partition("\n## [")[0]
    if name.endswith(".md"):
        text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    elif name.endswith(".py"):
        strings = name.startswith(("src/", "schema/"))
        parts = (match[0] for match in PYTHON.finditer(text) if strings or match["prose"])
        text = "\n".join(part for part in parts if " " in part)
    return re.sub(r"`[^`\n]*`", "``", text)


ANY = re.compile("|".join([*INSTEAD.values(), *IN_PRODUCT.values()]), re.IGNORECASE)


def wrong(name: str) -> Iterator[str]:
    text = prose(name)
    if ANY.search(text):
        instead = INSTEAD if name.startswith(("tests/", "sandbox/", "bench/")) else INSTEAD | IN_PRODUCT
        for better, words in instead.items():
            yield from (f"{name}: {match[0]!r}, write {better!r}" for match in re.finditer(words, text, re.IGNORECASE))


def test_prose_keeps_to_the_fields_words() -> None:
    assert [each for name in files() for each in wrong(name)] == []


@pytest.mark.parametrize("text", ["It looks at the tag.", "the install's role", "Gave up on it", "a grace of 60 s"])
def test_a_wrong_word_is_found(text: str) -> None:
    assert any(re.search(words, text, re.IGNORECASE) for words in INSTEAD.values())
