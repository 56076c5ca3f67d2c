"""What is published keeps the Serverless Application Repository's rules and ours; each notices when it is broken."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from sandbox.publishing import changelog
from sandbox.publishing.accepted import TYPES, capabilities
from sandbox.publishing.changelog import Project, project
from sandbox.publishing.distributions import absolute
from sandbox.publishing.folder import TEMPLATE, prepare, read, transformed
from sandbox.publishing.rehearsal import commands, parameters
from sandbox.publishing.rules import KEY, MOST_TEXT, Application, Artifact, completed, resources, violations

SOURCE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
TODAY = date(2100, 1, 1)
MB = 1024 * 1024


def application() -> Application:
    """Return what this checkout would publish, with artifacts of a likely size."""
    template = completed(copy.deepcopy(SOURCE), project())
    return Application(
        project=project(),
        template=template,
        transformed=transformed(template),
        files={name: (ROOT / name).read_bytes() for name in ("LICENSE", "README-SAR.md")},
        artifacts={name: Artifact(100, 30 * MB, 11 * MB) for name in ("WaiterFunction", "LastResortFunction")},
        changelog=(ROOT / "CHANGELOG.md").read_text(),
        today=TODAY,
    )


Break = Callable[[Application], Application]


def metadata(**fields: Any) -> Break:
    """Return what gives fields of the metadata other values; None takes one away."""

    def breaks(whole: Application) -> Application:
        changed: dict[str, Any] = copy.deepcopy(dict(whole.template))
        for name, value in fields.items():
            changed["Metadata"][KEY][name] = value
            if value is None:
                del changed["Metadata"][KEY][name]
        return replace(whole, template=changed)

    return breaks


def file(name: str, change: Callable[[bytes], bytes]) -> Break:
    return lambda whole: replace(whole, files={**whole.files, name: change(whole.files[name])})


def readme(more: str) -> Break:
    return file("README-SAR.md", lambda content: content + more.encode())


def resource(kind: str, **properties: Any) -> Break:
    def breaks(whole: Application) -> Application:
        added = {"Added": {"Type": kind, "Properties": properties}}
        return replace(
            whole, transformed={**whole.transformed, "Resources": {**whole.transformed["Resources"], **added}}
        )

    return breaks


def parameter(**of_it: Any) -> Break:
    def breaks(whole: Application) -> Application:
        parameters = {**whole.template["Parameters"], "LogLevel": {"Type": "String", **of_it}}
        return replace(whole, template={**whole.template, "Parameters": parameters})

    return breaks


def artifact(size: Artifact) -> Break:
    return lambda whole: replace(whole, artifacts={**whole.artifacts, "WaiterFunction": size})


def entry(change: Callable[[str], str]) -> Break:
    return lambda whole: replace(whole, changelog=change(whole.changelog))


VERSION = project().version
HEADING = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith(f"## [{VERSION}]"))
UNUSED = "AWS::Serverless::Application"

BREAKS: dict[str, tuple[Break, str]] = {
    "no name": (metadata(Name=None), "Name: missing"),
    "a name with a space": (
        lambda whole: metadata(Name="ecr waiter")(replace(whole, project=whole.project._replace(name="ecr waiter"))),
        "Name: received 'ecr waiter', allowed: letters, digits and -",
    ),
    "a name too long": (
        lambda whole: metadata(Name="n" * 141)(replace(whole, project=whole.project._replace(name="n" * 141))),
        "Name: received 141 characters, allowed: 140",
    ),
    "a name of another project": (metadata(Name="other"), "Name: template.yaml has 'other', and pyproject.toml"),
    "no description": (metadata(Description=None), "Description: missing"),
    "an empty description": (metadata(Description=""), "Description: missing"),
    "a description too long": (metadata(Description="d" * 257), "Description: received 257 characters, allowed: 256"),
    "a description of two lines": (metadata(Description="a\nb"), "Description: received 'a\\nb', allowed: one line"),
    "a function": (metadata(Description={"Fn::Sub": "x"}), "functions are not resolved there"),
    "no author": (metadata(Author=None), "Author: missing"),
    "an author in capitals": (metadata(Author="Somebody"), "Author: received 'Somebody', allowed: lower-case"),
    "an author with two hyphens": (metadata(Author="some--body"), "Author: received 'some--body'"),
    "an author with a last hyphen": (metadata(Author="somebody-"), "Author: received 'somebody-'"),
    "an author too long": (metadata(Author="a" * 128), "Author: received 128 characters, allowed: 127"),
    "no licence": (metadata(LicenseUrl=None), "LicenseUrl: missing"),
    "a licence that is not there": (metadata(LicenseUrl="LICENCE"), "LicenseUrl: no file LICENCE"),
    "a licence somewhere else": (metadata(LicenseUrl="https://x.example/LICENSE"), "allowed: the path of a file"),
    "another licence": (file("LICENSE", lambda _: b"MIT License"), "LICENSE does not begin like the licence Apache"),
    "a licence too large": (file("LICENSE", lambda text: text + b" " * MOST_TEXT), "bytes, allowed: 5,242,880"),
    "an empty licence": (file("LICENSE", lambda _: b"\n"), "LicenseUrl: LICENSE is empty"),
    "no licence id": (metadata(SpdxLicenseId=None), "SpdxLicenseId: missing"),
    "a licence id that is not pyproject's": (
        lambda whole: replace(whole, project=whole.project._replace(licence="MIT")),
        "SpdxLicenseId: template.yaml has 'Apache-2.0', and pyproject.toml 'MIT'",
    ),
    "no readme": (metadata(ReadmeUrl=None), "ReadmeUrl: missing"),
    "a readme too large": (readme(" " * MOST_TEXT), "bytes, allowed: 5,242,880"),
    "a readme that is no text": (file("README-SAR.md", lambda text: text + b"\xff"), "README-SAR.md is not UTF-8"),
    "a relative link": (readme("[more](docs/recipes.md)"), "the link docs/recipes.md leads nowhere"),
    "a relative link by name": (readme("\n[more]: docs/recipes.md\n"), "the link docs/recipes.md leads nowhere"),
    "an anchor": (readme("[more](#use)"), "the link #use leads nowhere"),
    "a diagram": (readme("\n```mermaid\n```\n"), "draws no mermaid"),
    "HTML": (readme("\n<details>\n"), "takes Markdown, and no HTML"),
    "a parameter that the readme leaves out": (
        file("README-SAR.md", lambda text: text.replace(b"`LogRetentionDays`", b"retention")),
        "does not name the parameter LogRetentionDays",
    ),
    "a capability that the readme leaves out": (
        file("README-SAR.md", lambda text: text.replace(b"CAPABILITY_RESOURCE_POLICY", b"another one")),
        "does not name CAPABILITY_RESOURCE_POLICY",
    ),
    "a capability that nobody needs": (readme("CAPABILITY_AUTO_EXPAND"), "names CAPABILITY_AUTO_EXPAND"),
    "a role with a name": (resource("AWS::IAM::Role", RoleName="x"), "does not name CAPABILITY_NAMED_IAM"),
    "no labels": (metadata(Labels=[]), "Labels: received [], allowed: a list of 1 to 10"),
    "eleven labels": (metadata(Labels=["x"] * 11), "allowed: a list of 1 to 10"),
    "labels as one text": (metadata(Labels="ecr"), "Labels: received 'ecr', allowed: a list"),
    "a label with a space": (metadata(Labels=["container image"]), "Labels: received 'container image'"),
    "a label too long": (metadata(Labels=["x" * 128]), "Labels: received 128 characters, allowed: 127"),
    "no home page": (metadata(HomePageUrl=None), "HomePageUrl: missing"),
    "a home page without a scheme": (metadata(HomePageUrl="github.com/x/y"), "HomePageUrl: received 'github.com/x/y'"),
    "no source": (metadata(SourceCodeUrl=None), "SourceCodeUrl: missing"),
    "a source by git": (metadata(SourceCodeUrl="git@github.com:x/y"), "SourceCodeUrl: received"),
    "no version": (metadata(SemanticVersion=None), "SemanticVersion: missing"),
    "another version than pyproject's": (metadata(SemanticVersion="99.0.0"), "template.yaml has '99.0.0'"),
    "a field that SAR does not know": (metadata(SpdxLicenceId="Apache-2.0"), "SpdxLicenceId: nothing that SAR knows"),
    "a resource that SAR does not take": (
        resource("AWS::Scheduler::Schedule"),
        "AWS::Scheduler::Schedule: not among the types of resources that SAR supports",
    ),
    "a parameter without a default": (parameter(Description="x"), "LogLevel: a parameter without a default"),
    "a parameter without a description": (parameter(Default="x"), "LogLevel: a parameter without a description"),
    "code too large": (artifact(Artifact(1, 250 * MB + 1)), "262,144,001 bytes unzipped, allowed: 262,144,000"),
    "code too large when zipped": (artifact(Artifact(1, 1, 50 * MB + 1)), "52,428,801 bytes zipped, allowed: 52,428"),
    "a function that was not built": (
        lambda whole: replace(whole, artifacts={"WaiterFunction": whole.artifacts["WaiterFunction"]}),
        "LastResortFunction: nothing was built for it",
    ),
    "no entry in the changelog": (entry(lambda text: text.replace(HEADING, "## [9.9.9]")), f"no entry for {VERSION}"),
    "an entry without a date": (
        entry(lambda text: text.replace(HEADING, f"## [{VERSION}]")),
        f"the entry for {VERSION} has no date",
    ),
    "an entry of no day there is": (
        entry(lambda text: text.replace(HEADING, f"## [{VERSION}] - 2026-02-30")),
        f"the entry for {VERSION} has no date",
    ),
    "an entry of a day to come": (
        lambda whole: replace(whole, today=date(2020, 1, 1)),
        "which has not come yet",
    ),
    "an entry that says nothing": (
        entry(lambda text: text.replace(HEADING, f"{HEADING}\n\n## [0.0.1] - 2020-01-01")),
        "says of nothing that changed",
    ),
}


def test_this_checkout_breaks_no_rule() -> None:
    assert violations(application()) == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_one_sentence_that_names_what_breaks_it(name: str) -> None:
    breaks, sentence = BREAKS[name]

    (told,) = violations(breaks(application()))

    assert sentence in told


@pytest.mark.parametrize("version", ["1.2", "1.2.3.4", "01.2.3", "v1.2.3", "1.2.3rc1", "1.2.3-rc.1", "1.2.3+build"])
def test_a_version_is_three_numbers_which_python_and_sar_read_alike(version: str) -> None:
    whole = application()
    renamed = replace(whole, project=whole.project._replace(version=version))
    changed = entry(lambda text: text.replace(HEADING, f"## [{version}] - 2026-11-21"))(renamed)

    (told,) = violations(metadata(SemanticVersion=version)(changed))

    assert told == f"SemanticVersion: received {version!r}, allowed: three numbers, as in 1.2.3"


def test_the_version_stands_in_pyproject_alone() -> None:
    template = completed(SOURCE, Project("n", "4.5.6", "d", "l", "https://github.com/someone/n"))

    assert "SemanticVersion" not in SOURCE["Metadata"][KEY]
    assert template["Metadata"][KEY]["SemanticVersion"] == "4.5.6"
    assert template["Metadata"][KEY]["SourceCodeUrl"] == "https://github.com/someone/n/tree/v4.5.6"
    assert template["Metadata"][KEY]["HomePageUrl"] == "https://github.com/someone/n"
    assert template["Metadata"]["AWS::CloudFormation::Interface"]


@pytest.mark.parametrize("field", ["SemanticVersion", "HomePageUrl", "SourceCodeUrl", "LicenseUrl", "ReadmeUrl"])
def test_a_template_that_says_itself_what_publishing_adds_is_refused(field: str) -> None:
    twice = {**SOURCE, "Metadata": {KEY: {**SOURCE["Metadata"][KEY], field: "x"}}}
    with pytest.raises(ValueError, match=f"{field} among its Metadata, to which `make publish` adds it"):
        completed(twice, project())


def test_a_template_without_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match="no AWS::ServerlessRepo::Application among its Metadata"):
        completed({"Resources": {}}, project())


def test_only_what_sar_asks_for_has_to_be_acknowledged_and_a_name_of_ones_own_asks_for_more() -> None:
    assert set(capabilities(resources(application()))) == {"CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"}
    assert capabilities({"A": {"Type": "AWS::Logs::LogGroup"}}) == {}
    assert capabilities({"A": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x"}}}) == {
        "CAPABILITY_NAMED_IAM": ["A"]
    }
    assert capabilities({"A": {"Type": "AWS::Lambda::Permission"}}) == {"CAPABILITY_RESOURCE_POLICY": ["A"]}


def test_a_nested_application_is_seen_although_the_transform_makes_a_stack_of_it() -> None:
    whole = application()
    nested = {**whole.template["Resources"], "Nested": {"Type": UNUSED, "Properties": {"Location": "x"}}}

    found = capabilities(resources(replace(whole, template={**whole.template, "Resources": nested})))

    assert found["CAPABILITY_AUTO_EXPAND"] == ["Nested"]


def test_the_transform_needs_no_region_that_somebody_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "WaiterFunction" in transformed(SOURCE)["Resources"]


def test_the_types_are_those_of_the_guide() -> None:
    assert len(TYPES) == 148
    assert {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventInvokeConfig"} <= TYPES


def test_a_release_lacks_a_tag_and_an_address_until_it_has_them() -> None:
    said = Project("n", "1.2.3", "d", "l", "https://github.com/someone/n")
    assert changelog.gaps(said, tags=["v1.2.3"], repository="https://github.com/someone/n") == []
    assert changelog.gaps(said, tags=["x", "v1.2.3"], repository=None) == []
    (tag,) = changelog.gaps(said, tags=["v1.2.2"], repository=None)
    assert tag == "the tag v1.2.3 is not of this commit, which has v1.2.2"
    (fork,) = changelog.gaps(said, tags=["v1.2.3"], repository="https://github.com/fork/n")
    assert "https://github.com/fork/n is what publishes" in fork
    (placeholder,) = changelog.gaps(
        said._replace(repository="https://github.com/example/n"), tags=["v1.2.3"], repository=None
    )
    assert "is a placeholder" in placeholder


def test_an_entry_ends_where_the_next_one_begins() -> None:
    text = "## [2]\n\n- c\n\n## [1.1.0] - 2026-01-02\n\n### Added\n\n- b\n\n## [1.0.0] - 2026-01-01\n\n- a\n"
    assert changelog.entry(text, "1.1.0") == ("- 2026-01-02", "### Added\n\n- b")
    assert changelog.entry(text, "1.0.0") == ("- 2026-01-01", "- a")
    assert changelog.entry(text, "1.0") is None


def test_a_version_that_is_there_already_is_never_published_again() -> None:
    package, publish = commands(Path("folder"), Path("packaged"), "bucket", "eu-west-1")
    assert package[:3] == ["package", "--template-file", Path("folder/template.json")]
    assert publish[0] == "publish"
    assert "--fail-on-same-version" in publish


def test_a_request_that_sar_does_not_take_is_noticed() -> None:
    whole = b'{"author": "a", "description": "d", "name": "n", "labels": ["x"], "semanticVersion": "1.2.3"}'
    assert parameters(whole) == {
        "Author": "a",
        "Description": "d",
        "Name": "n",
        "Labels": ["x"],
        "SemanticVersion": "1.2.3",
    }
    for wrong in (b'{"author": "a", "name": "n"}', whole.replace(b'["x"]', b'"x"'), whole.replace(b"labels", b"tags")):
        with pytest.raises(ValueError, match="CreateApplication does not take"):
            parameters(wrong)


def test_the_folder_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    built = tmp_path / "build"
    (built / "WaiterFunction").mkdir(parents=True)
    shutil.copyfile(ROOT / "template.yaml", built / "template.yaml")

    prepare(built, tmp_path / "application")

    made = yaml_parse((tmp_path / "application" / "template.json").read_text())
    assert {name: made["Metadata"][KEY][name] for name in ("LicenseUrl", "ReadmeUrl")} == {
        "LicenseUrl": "LICENSE",
        "ReadmeUrl": "README-SAR.md",
    }
    assert {path.name for path in (tmp_path / "application").iterdir()} == {
        "LICENSE",
        "README-SAR.md",
        "WaiterFunction",
        "template.json",
    }


@pytest.mark.parametrize(
    "content", [None, b"{", b"\xff", b"[]", b"{}", b'{"Resources": {}, "Metadata": {"%s": {}}}' % KEY.encode()], ids=str
)
def test_a_folder_that_nobody_made_for_publishing_is_refused_by_its_name(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / TEMPLATE).write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path}: {TEMPLATE} is not what `make dist` packs"):
        read(tmp_path)


def test_the_page_of_the_package_has_no_relative_link() -> None:
    said = Project("n", "1.2.3", "d", "l", "https://github.com/someone/n")
    text = "[a](docs/a.md#b) [c](#d) [e](https://e.example) [f](mailto:f@e.example)"
    assert absolute(text, said) == (
        "[a](https://github.com/someone/n/blob/v1.2.3/docs/a.md#b) "
        "[c](https://github.com/someone/n/blob/v1.2.3/README.md#d) [e](https://e.example) [f](mailto:f@e.example)"
    )
