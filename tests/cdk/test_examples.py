"""The apps that the documents show can be synthesized, and CloudFormation would take what comes out."""

import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from sandbox.processes import ROOT
from tests.support.lint import Linter

DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "cdk.md"]
EXAMPLES = [
    pytest.param(document, number, match[1], id=f"{document.name}-{number}")
    for document in DOCUMENTS
    for number, match in enumerate(
        re.finditer(r"^```python\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    )
]


def test_each_document_shows_an_app() -> None:
    assert {each.values[0] for each in EXAMPLES} == set(DOCUMENTS)


@pytest.mark.parametrize(("document", "number", "text"), EXAMPLES)
def test_an_app_of_the_documents_waits_and_passes_cfn_lint(
    document: Path, number: int, text: str, lint: Linter
) -> None:
    names: dict[str, Any] = {}
    exec(compile(text, f"{document.name}, app {number}", "exec"), names)  # noqa: S102  # what the documents show
    (app,) = (value for value in names.values() if isinstance(value, App))
    templates = {stack.stack_name: stack.template for stack in app.synth().stacks}
    assert any("Custom::EcrImageWaiter" in str(template) for template in templates.values())
    assert lint(templates) == ""
