"""What the documents show can be used: templates pass cfn-lint, YAML and JSON can be read, links lead somewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.support.push_permissions import lacking

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


class Snippet(NamedTuple):
    """A block of a document. `line` is where its first one stands."""

    document: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def snippets(document: Path) -> list[Snippet]:
    """Return a document's blocks of code, without the indent that a list gives them."""
    text = document.read_text()
    found = re.finditer(r"^( *)```(\w+)\n(.*?)^\1```$", text, flags=re.MULTILINE | re.DOTALL)
    return [
        Snippet(document, text[: match.start(3)].count("\n") + 1, match[2], _dedented(match[3], match[1]))
        for match in found
    ]


def _dedented(text: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))


SNIPPETS = [snippet for document in DOCUMENTS for snippet in snippets(document)]
TEMPLATES = [each for each in SNIPPETS if each.language == "yaml" and each.text.startswith("AWSTemplateFormatVersion")]


def of(language: str) -> list[Snippet]:
    return [snippet for snippet in SNIPPETS if snippet.language == language]


def test_there_are_templates_in_the_documents_and_every_block_names_its_language() -> None:
    assert len(TEMPLATES) >= 10
    for document in DOCUMENTS:
        fences = re.findall(r"^ *```(.*)$", document.read_text(), flags=re.MULTILINE)
        assert all(fences[::2]), document
        assert not any(fences[1::2]), document


def test_every_template_passes_cfn_lint_and_the_rule_of_the_schema(tmp_path: Path) -> None:
    files = {}
    for number, snippet in enumerate(TEMPLATES):
        file = tmp_path / f"{number}.yaml"
        file.write_text(snippet.text)
        files[file.name] = snippet.name

    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", *sorted(tmp_path.iterdir()), "--append-rules", ROOT / "schema"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    told = re.sub(r"\S*/(\d+\.yaml)", lambda match: files[match[1]], done.stdout)
    assert (done.returncode, told) == (0, "")


@pytest.mark.parametrize("snippet", of("yaml"), ids=lambda snippet: snippet.name)
def test_every_yaml_can_be_read(snippet: Snippet) -> None:
    assert yaml_parse(snippet.text) or all(line.startswith("#") for line in snippet.text.splitlines())


def test_a_role_that_pushes_has_every_permission_of_a_push() -> None:
    told = [each for snippet in TEMPLATES for each in lacking(yaml_parse(snippet.text))]
    assert told
    assert set(told) == {""}


def test_every_template_in_the_documents_gives_the_service_token_by_a_parameter_or_an_import() -> None:
    given = [(each.name, re.findall(r"ServiceToken: (.*)", each.text)) for each in of("yaml")]
    assert sum(map(len, (tokens for _, tokens in given))) >= 10
    short = [name for name, tokens in given if any("resolve:" in token for token in tokens)]
    assert short == []


@pytest.mark.parametrize("snippet", of("json"), ids=lambda snippet: snippet.name)
def test_every_json_can_be_read(snippet: Snippet) -> None:
    lines = snippet.text.strip().splitlines()
    text = snippet.text if lines[0][0] in "{[" else "{" + snippet.text + "}"
    for each in lines if lines[0].startswith('{"level"') else [text]:
        json.loads(each)


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_each_fault_of_the_page_on_reliability_names_tests_that_exist() -> None:
    rows = re.findall(
        r"^\| [^|\n]+ \|(?: [^|\n]* \|){2} ([^|\n]*) \|$", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE
    )
    assert {row for row in rows if "test_" not in row} <= {"test", "----", "the same"}
    found = [each for row in rows for each in re.findall(r"`(\w+/test_\w+\.py)`((?:,? [a-z_]+\b)*)", row)]
    missing = []
    for name, parts in found:
        tests = re.findall(r"^def (\w+)", (ROOT / "tests" / name).read_text(), re.MULTILINE)
        missing += [f"{name} {part}" for part in re.findall(r"\w+", parts) if not any(part in test for test in tests)]
    assert missing == []


ANSWERS = {
    "terraform": "Your project, part by part",
    "fargate": "Your pipeline, part by part",
    "registry-stack": "DDR-046, a central RegistryStack, and DDR-045, stateful and stateless stacks",
    "two-stacks": "Your stacks, part by part",
}
"""The examples that answer a document, and the heading of the table with the document's parts."""


@pytest.mark.parametrize("example", ANSWERS)
def test_each_part_of_a_document_has_its_place_in_the_example_and_a_reason_for_what_differs(example: str) -> None:
    folder = ROOT / "examples" / example
    page = (folder / "README.md").read_text()
    section = page.partition(f"\n## {ANSWERS[example]}\n")[2].partition("\n## ")[0]
    _, _, *rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    assert len(rows) >= 5
    for row in rows:
        there, here, differs = (cell.strip() for cell in row.split("|"))
        assert all((there, here, differs)), row
        assert "missing" not in here
        for name in re.findall(r"[\w/-]+\.(?:py|tf|yaml|yml|sh|ts)\b", here.partition(", there ")[0]):
            assert list(folder.rglob(name)), name
        if re.fullmatch(r"[A-Z][a-z ]+", here):
            assert re.search(rf"^## {here}$|\*\*{here}:", page, re.MULTILINE), here


def test_each_path_of_a_test_in_the_documents_exists() -> None:
    named = {(file, each) for file in DOCUMENTS for each in re.findall(r"\btests/[\w./]*\w", file.read_text())}
    # An example has tests of its own.
    assert [each for file, each in sorted(named) if not ((ROOT / each).exists() or (file.parent / each).exists())] == []


def test_the_readme_can_be_read_in_two_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180
