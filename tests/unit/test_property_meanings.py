"""What a property means stands in the model; the documents say the same, and may say more after it."""

import ast
import re
from collections.abc import Mapping

import pytest

from ecr_image_waiter.cfn.properties import Entry, Properties
from sandbox.processes import ROOT

MEANINGS = {name: str(field.description) for name, field in {**Entry.model_fields, **Properties.model_fields}.items()}
OF_THE_CONSTRUCT = {
    "RepositoryName": "repository",
    "ImageTag": "tag",
    "ImageDigest": "digest",
    "RoleArn": "role",
    "RetryDelaySeconds": "retry_delay",
}
"""The arguments that are not called as their properties are."""


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def of_the_reference() -> Mapping[str, str]:
    text = (ROOT / "docs" / "EcrImageWaiter.md").read_text(encoding="utf-8")
    section = text.partition("\n## Properties\n")[2].partition("\n## ")[0]
    return {
        name: plain(said)
        for name, said in re.findall(r"^#### (\w+)\n\n(.*?)(?=\n\n)", section, re.MULTILINE | re.DOTALL)
    }


def of_the_readme() -> Mapping[str, tuple[str, str]]:
    """Return the default and the meaning of each property."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("\n| property ")[2].partition("\n\n")[0]
    rows = re.finditer(r"^\| `(\w+)` *\|([^|]*)\| (.*) \|$", table, re.MULTILINE)
    return {row[1]: (row[2].strip(), plain(row[3])) for row in rows}


def argument_of(name: str) -> str:
    return OF_THE_CONSTRUCT.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def of_the_construct() -> Mapping[str, str]:
    # Read and not imported: the CDK's packages are in another environment.
    tree = ast.parse((ROOT / "src/ecr_image_waiter/cdk/waiter.py").read_text(encoding="utf-8"))
    (construct,) = (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "EcrImageWaiter")
    arguments = str(ast.get_docstring(construct)).partition("\nArgs:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*?)(?=\n    \w|\Z)", arguments, re.MULTILINE | re.DOTALL)
    return {argument: " ".join(said.split()) for argument, said in found}


@pytest.mark.parametrize("name", [name for name in MEANINGS if name != "Id"])
def test_the_reference_and_the_readme_begin_with_what_the_model_says(name: str) -> None:
    assert of_the_reference()[name].startswith(MEANINGS[name])
    assert of_the_readme()[name][1].startswith(MEANINGS[name])


@pytest.mark.parametrize("name", [name for name in MEANINGS if name != "Id"])
def test_the_construct_s_docstring_says_it_in_the_names_of_its_arguments(name: str) -> None:
    names = re.compile(rf"\b({'|'.join(MEANINGS)})\b")
    meaning = names.sub(lambda found: f"`{argument_of(found[1])}`", MEANINGS[name])

    assert of_the_construct()[argument_of(name)].startswith(meaning)


def test_the_readme_says_the_defaults_of_the_model() -> None:
    defaults = {name: field.default for name, field in Properties.model_fields.items()}
    settled = {name: str(value).lower() for name, value in defaults.items() if isinstance(value, int | float)}

    assert {name: of_the_readme()[name][0] for name in settled} == settled
