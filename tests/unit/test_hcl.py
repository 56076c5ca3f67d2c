"""Terraform's language, as far as it is read here, is read as Terraform does; the rest is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests import hcl

NAMES = {
    "var": {"name": "app", "on": True, "tags": ["a", "b"]},
    "aws_ecr_repository": {"this": {"parser": {"name": "project-parser"}}},
    "each": {"key": "parser"},
}


def read(tmp_path: Path, value: str) -> hcl.Expression:
    (tmp_path / "main.tf").write_text(f"locals {{\n  it = {value}\n}}\n")
    return hcl.read(tmp_path).locals["it"]


@pytest.mark.parametrize(
    ("value", "comes_to"),
    [
        ("3", 3),
        ("true", True),
        ('"plain"', "plain"),
        (r'"a \"quoted\" word"', 'a "quoted" word'),
        ('"dev-${var.name}-x"', "dev-app-x"),
        ("var.tags[1]", "b"),
        ("aws_ecr_repository.this[each.key].name", "project-parser"),
        ('aws_ecr_repository.this["parser"].name', "project-parser"),
        ('var.name == "app" ? "yes" : "no"', "yes"),
        ('var.name != "app" ? "yes" : "no"', "no"),
        ("(var.on ? 1 : 2)", 1),
        ('toset(["b", "a"])', ["a", "b"]),
        ('jsonencode({ a = 1, "b" = var.tags })', '{"a": 1, "b": ["a", "b"]}'),
        ('jsondecode("{\\"uri\\": \\"x\\"}")["uri"]', "x"),
        ("{ name = var.name }", {"name": "app"}),
        ("[var.name, null]", ["app", None]),
    ],
)
def test_an_expression_comes_to_what_it_does_in_terraform(tmp_path: Path, value: str, comes_to: Any) -> None:
    assert hcl.evaluate(read(tmp_path, value), NAMES) == comes_to


def test_references_are_found_in_every_place_the_outer_one_first(tmp_path: Path) -> None:
    value = '"${module.image[each.key].uri}" == jsonencode([local.a, { b = data.x.y.z }]) ? var.c : var.d'
    assert list(hcl.references(read(tmp_path, value))) == [
        ("module", "image", "*", "uri"),
        ("each", "key"),
        ("local", "a"),
        ("data", "x", "y", "z"),
        ("var", "c"),
        ("var", "d"),
    ]


@pytest.mark.parametrize(
    ("reference", "address"),
    [
        (("aws_iam_role", "functions", "arn"), "aws_iam_role.functions"),
        (("data", "aws_ssm_parameter", "token", "value"), "data.aws_ssm_parameter.token"),
        (("module", "image", "*", "uri"), "module.image"),
        (("var", "name"), ""),
        (("each", "key"), ""),
        (("alone",), ""),
    ],
)
def test_a_reference_leads_to_a_block_or_to_none(reference: tuple[str, ...], address: str) -> None:
    assert hcl.address_of(reference) == address


@pytest.mark.parametrize(
    "value", ["[for each in var.tags : each]", "var.tags[*]", "1 + 1", "upper(var.name)", "var.none"]
)
def test_what_is_not_read_is_refused_and_not_guessed(tmp_path: Path, value: str) -> None:
    with pytest.raises(hcl.Unknown):
        hcl.evaluate(read(tmp_path, value), NAMES)


def test_a_kind_of_block_that_is_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('check "health" {\n}\n')
    with pytest.raises(hcl.Unknown, match="check"):
        hcl.read(tmp_path)
