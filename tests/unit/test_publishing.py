"""`make publish` stops at each mistake that the SAM CLI and the repository would not tell, or would tell too late."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from sandbox.publishing import __main__ as command
from sandbox.publishing import application, changelog
from sandbox.publishing.application import TEMPLATE, prepare, read, violations
from sandbox.publishing.changelog import Project

HERE = "https://github.com/someone/n"
SAID = Project("n", "1.2.3", "Apache-2.0", HERE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What would be published, with a file in place of each artifact."""
    built, made = tmp_path / "build", tmp_path / "application"
    text = (ROOT / "template.yaml").read_text()
    for name in application.functions(yaml_parse(text)):
        (built / name).mkdir(parents=True)
        (built / name / "code.py").write_bytes(b"pass")
    (built / "template.yaml").write_text(text)
    prepare(built, made)
    return made


@contextmanager
def changed(folder: Path) -> Iterator[dict[str, Any]]:
    template = read(folder)
    yield template
    (folder / TEMPLATE).write_text(json.dumps(template))


def test_this_checkout_breaks_no_rule_and_would_without_its_entry_in_the_changelog(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert violations(folder) == []

    (tmp_path / "empty.md").touch()
    monkeypatch.setattr(changelog, "TEXT", tmp_path / "empty.md")
    assert [each[:22] for each in violations(folder)] == ["CHANGELOG.md: no entry"]


@pytest.mark.parametrize("version", ["1.2", "1.2.3.4", "01.2.3", "v1.2.3", "1.2.3rc1", "1.2.3+build"])
def test_a_version_is_three_numbers_which_python_and_the_repository_read_alike(version: str) -> None:
    (told,) = changelog.violations(SAID._replace(version=version), f"## [{version}] - 2026-01-02\n\n- a\n", date.max)
    assert told == f"pyproject.toml: the version is {version!r}, allowed: three numbers, as in 1.2.3"


def test_a_version_has_an_entry_in_the_changelog_with_a_date_and_a_change() -> None:
    text = (
        "## [2.0.0]\n\n- c\n\n## [1.2.3] - 2026-01-02\n\n### Added\n\n- b\n\n## [1.1.0] - 2026-01-01\n\nSome words.\n"
    )
    today = date(2026, 1, 2)

    assert changelog.entry(text, "1.2.3") == ("2026-01-02", "### Added\n\n- b")
    assert changelog.violations(SAID, text, today) == []
    for version, day, sentence in (
        ("2.0.0", today, "no entry for 2.0.0"),
        ("1.2.3", date(2026, 1, 1), "lies in the future"),
        ("1.1.0", today, "lists no change"),
    ):
        (told,) = changelog.violations(SAID._replace(version=version), text, day)
        assert sentence in told


def test_a_release_has_its_tag_and_the_address_of_the_repository_that_publishes() -> None:
    assert changelog.gaps(SAID, "", tags=["x", "v1.2.3"], repository=HERE) == []
    assert changelog.gaps(SAID, "", tags=["v1.2.3"], repository=None) == []
    for said, tags, repository, sentence in (
        (SAID, ["v1.2.2"], HERE, "this commit needs the tag v1.2.3; it has v1.2.2"),
        (SAID, ["v1.2.3"], "https://github.com/fork/n", "but https://github.com/fork/n publishes"),
        (SAID._replace(repository="https://github.com/example/n"), ["v1.2.3"], None, "is a placeholder"),
    ):
        (told,) = changelog.gaps(said, "", tags=tags, repository=repository)
        assert sentence in told


def test_a_version_that_is_not_released_breaks_no_rule_and_needs_a_date_to_be_published() -> None:
    text = "## [1.2.3] - not released\n\n- a\n"

    assert changelog.violations(SAID, text, date(2026, 1, 2)) == []
    (told,) = changelog.gaps(SAID, text, tags=["v1.2.3"], repository=HERE)
    assert told.startswith("CHANGELOG.md: head the entry ## [1.2.3] - YYYY-MM-DD")


def test_the_licence_is_the_one_that_pyproject_names_and_each_type_of_resource_is_supported(folder: Path) -> None:
    """The licence of a published application can never be corrected."""
    (folder / "LICENSE").write_text("MIT License")
    with changed(folder) as template:
        template["Resources"]["Added"] = {"Type": "AWS::Scheduler::Schedule"}

    assert sorted(violations(folder)) == [
        "AWS::Scheduler::Schedule: not known to be supported by the repository",
        "LICENSE: does not begin like the licence Apache-2.0 that pyproject.toml names",
    ]


BLOCKED = ["iam:AttachRolePolicy", "iam:PutRolePolicy"]


@pytest.mark.parametrize(("actions", "blocked"), [(["s3:GetObject", BLOCKED[1]], BLOCKED[1:]), ("IAM:*", BLOCKED)])
def test_a_grant_that_the_repository_blocks_is_refused_on_all_resources_alone(
    actions: str | list[str], blocked: list[str], folder: Path
) -> None:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:iam::*:role/a", "*"]}
    policies = [{"PolicyDocument": {"Statement": [statement]}}]
    for expected in ([f"Added: {each} on all resources is blocked by the repository" for each in blocked], []):
        with changed(folder) as template:
            template["Resources"]["Added"] = {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies}}
        assert violations(folder) == expected
        statement["Resource"].pop()


def test_a_policy_that_the_repository_blocks_is_refused_however_it_is_attached(folder: Path) -> None:
    with changed(folder) as template:
        function, role = (template["Resources"][name]["Properties"] for name in ("WaiterFunction", "LastResortRole"))
        del function["Role"]
        function["Policies"] = ["AWSLambda_FullAccess"]
        role["ManagedPolicyArns"] = [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AWSLambda_FullAccess"}]

    assert set(violations(folder)) == {
        f"{name}: AWSLambda_FullAccess is blocked by the repository"
        for name in ("WaiterFunctionRole", "LastResortRole")
    }


def test_code_is_no_larger_than_lambda_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "_MOST_UNZIPPED", 4)
    monkeypatch.setattr(application, "_MOST_ZIPPED", 999)
    assert violations(folder) == []

    (folder / "WaiterFunction" / "more.py").write_bytes(b"1" * 1000)
    monkeypatch.setattr(application, "_MOST_ZIPPED", 200)
    unzipped, zipped = violations(folder)
    assert unzipped == "WaiterFunction: 1,004 bytes unzipped, allowed: 4"
    assert re.fullmatch(r"WaiterFunction: \d+ bytes zipped, allowed: 200", zipped)


def test_the_repositorys_page_names_every_parameter_both_capabilities_and_no_file_of_ours() -> None:
    text = (ROOT / application.README).read_text()
    parameters = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]

    assert [name for name in parameters if f"`{name}`" not in text] == []
    # The repository demands the second for the template's AWS::IAM::Policy and AWS::Lambda::Permission.
    assert set(re.findall(r"CAPABILITY_[A-Z_]+[A-Z]", text)) == {"CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"}
    nothing_there = r"\]\((?!https://)[^)]*\)|^\[[^]]+\]:(?! https://).*|^ *<[a-z!]|```mermaid"
    assert re.findall(nothing_there, text, re.MULTILINE) == []


def test_a_dry_run_prints_all_that_would_be_published_and_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--folder", str(folder)]) == 0

    told = capsys.readouterr().out
    assert (folder / TEMPLATE).read_text() in told
    assert "WaiterFunction: 4 bytes, " in told
    assert f"SemanticVersion: {changelog.project().version}\n" in told
    assert "A dry run: nothing has left this machine. No rule is broken." in told
    assert "Before publishing: the artifact has no bytecode" in told


def test_a_version_is_published_once_and_only_if_no_rule_is_broken_and_nothing_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str | Path]] = []
    monkeypatch.setattr(command, "gaps", lambda _: ["no tag"])
    monkeypatch.setattr(subprocess, "run", lambda arguments, **_: ran.append(arguments[1:]))
    confirmed = ["--folder", str(folder), "--confirm", "yes", "--region", "eu-west-1"]

    assert command.main(confirmed) == 1
    assert capsys.readouterr().err == "error: no tag\nerror: BUCKET= is missing\n"
    assert ran == []

    monkeypatch.setattr(command, "gaps", lambda _: [])
    assert command.main([*confirmed, "--bucket", "ours"]) == 0
    package, publish = ran
    assert package[:3] == ["package", "--template-file", folder / TEMPLATE]
    assert publish == ["publish", "--template", package[4], "--region", "eu-west-1", "--fail-on-same-version"]

    (folder / "LICENSE").write_text("MIT License")
    assert command.main([*confirmed, "--bucket", "ours"]) == 1
    assert capsys.readouterr().err.startswith("error: LICENSE: ")
    assert ran == [package, publish]
