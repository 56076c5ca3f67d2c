"""The constructs in TypeScript: the same templates and the same faults as in Python, and a package for everybody."""

import inspect
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from ecr_image_waiter.cdk import EcrImageWaiterProvider, waiter
from ecr_image_waiter.cfn.properties import Entry, Properties
from sandbox import typescript
from sandbox.processes import ROOT
from sandbox.publishing import npm
from sandbox.publishing.changelog import project
from tests.cdk.parity import APPS, normal, snake, synthesized
from tests.support.apps import synthesized as apps_in_python
from tests.support.lint import Linter

RIGHT, WRONG = APPS["right"], APPS["wrong"]
UNKNOWN: Final = {
    "unknown props": {
        "waiters": {"Image": {"repository": "app", "imageTag": "v1", "maxRetrys": 3, "serviceTokn": "arn", "id": "A"}}
    },
    "unknown props of images": {
        "waiters": {
            "Image": {
                "images": [
                    {"id": "A", "repository": "app", "tag": "v1", "plattform": "arm64", "ImageTag": "v2"},
                    {"id": "B", "repository": "app", "tag": "v1", "maxRetries": 3},
                ]
            }
        }
    },
    "unknown props of the provider": {
        "waiters": {"Image": {"serviceToken": {"$provider": {"memory": 256, "logRetention": 7, "toString": "x"}}}}
    },
    "CloudFormation's names": {
        "waiters": {
            "Image": {"repository": "app", "tag": "v1", "RepositoryName": "b", "ServiceToken": "arn", "toString": "x"}
        }
    },
}
"""Apps with props that Python refuses as unknown arguments."""
Templates = Mapping[str, Any]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled package, with something small in place of the functions."""
    folder = tmp_path_factory.mktemp("typescript") / "package"
    npm.build(folder)
    return folder


def synthesize(package: Path, apps: Mapping[str, Any], work: Path) -> Templates:
    """Return the templates of apps as the package makes them, all by one process."""
    table, out = work / "table.json", work / "out.json"
    table.write_text(json.dumps(apps))
    npm.run(package, "test/apps.mts", str(table), str(out))
    found: Templates = json.loads(out.read_text())
    return found


@pytest.fixture(scope="module")
def in_typescript(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    wrong = {f"wrong: {name}": app for name, app in {**WRONG, **UNKNOWN}.items()}
    return synthesize(package, {**RIGHT, **wrong}, tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def in_python() -> Templates:
    return {name: synthesized(app) for name, app in RIGHT.items()}


@pytest.mark.parametrize("name", RIGHT)
def test_both_languages_synthesize_the_same_template(name: str, in_python: Templates, in_typescript: Templates) -> None:
    assert "error" not in in_python[name], in_python[name]
    assert normal(in_typescript[name]) == normal(in_python[name])


@pytest.mark.parametrize("name", WRONG)
def test_both_languages_report_the_same_faults_in_one_error(name: str, in_typescript: Templates) -> None:
    said = synthesized(WRONG[name])
    assert said.keys() == {"error"}
    assert normal(in_typescript[f"wrong: {name}"]) == normal(said)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        (
            "unknown props",
            [
                'imageTag: received "v1", unknown property; the nearest known one is tag',
                "maxRetrys: received 3, unknown property; the nearest known one is maxRetries",
                'serviceTokn: received "arn", unknown property; the nearest known one is serviceToken',
                'Id: received "A", unknown property; the nearest known one is registryId',
                "ImageTag: missing; set ImageTag, ImageDigest or both",
            ],
        ),
        (
            "unknown props of images",
            [
                'Images[0].plattform: received "arm64", unknown property; the nearest known one is platform',
                'Images[0].ImageTag: received "v2", unknown property; the nearest known one is tag',
                (
                    "Images[1].MaxRetries: received 3, no property of one image; it applies to every image, so set it "
                    "next to Images"
                ),
            ],
        ),
        (
            "unknown props of the provider",
            [
                "memory: received 256, unknown property; the nearest known one is memorySize",
                "logRetention: received 7, unknown property; the nearest known one is logRetentionDays",
                'toString: received "x", unknown property; the nearest known one is repositories',
            ],
        ),
        (
            "CloudFormation's names",
            [
                'RepositoryName: received "b", unknown property; the nearest known one is repository',
                'ServiceToken: received "arn", unknown property; the nearest known one is serviceToken',
                'toString: received "x", unknown property; the nearest known one is trigger',
            ],
        ),
    ],
)
def test_typescript_reports_unknown_props_with_the_nearest_known_ones(
    name: str, faults: list[str], in_typescript: Templates
) -> None:
    _, *said = in_typescript[f"wrong: {name}"]["error"].split("\n- ")
    assert sorted(said) == sorted(faults)


def test_the_apps_use_every_property_argument_and_attribute(in_python: Templates) -> None:
    waiters = [
        resource["Properties"]
        for template in in_python.values()
        for resource in template["Resources"].values()
        if resource["Type"] == waiter.TYPE
    ]
    assert {name for each in waiters for name in each} == Properties.model_fields.keys()
    assert {name for each in waiters for image in each.get("Images", ()) for name in image} == Entry.model_fields.keys()

    text = json.dumps(RIGHT)
    arguments = {*arguments_of(waiter.EcrImageWaiter), *arguments_of(EcrImageWaiterProvider)}
    attributes = {name for name, value in vars(waiter.EcrImageWaiter).items() if isinstance(value, property)}
    named = {snake(name) for name in re.findall(r'"(\w+)"', text)}
    assert {*arguments, *attributes} - named == set()


def arguments_of(construct: type) -> set[str]:
    return inspect.signature(vars(construct)["__init__"]).parameters.keys() - {"self", "scope", "id"}


def test_a_difference_that_is_planted_in_python_is_noticed(
    in_typescript: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "values of the library's types"
    monkeypatch.setattr(waiter, "_seconds", lambda time: time.to_minutes())
    assert normal(synthesized(RIGHT[app])) != normal(in_typescript[app])


def test_what_typescript_has_from_the_model_is_what_the_model_gives() -> None:
    assert typescript.TARGET.read_text() == typescript.text()


def test_a_property_that_is_new_in_the_model_makes_what_typescript_has_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    schema = json.loads(typescript.SCHEMA.read_text())
    schema["properties"]["Novelty"] = {"description": "New.", "type": "string"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    monkeypatch.setattr(typescript, "SCHEMA", tmp_path / "schema.json")
    assert "readonly novelty?: string;" in typescript.text()
    assert typescript.TARGET.read_text() != typescript.text()


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user's, with the file that is published installed in it."""
    work = tmp_path_factory.mktemp("installed")
    modules = work / "node_modules"
    modules.mkdir()
    for module in npm.MODULES.iterdir():
        (modules / module.name).symlink_to(module)
    with tarfile.open(npm.pack(package, work)) as archive:
        archive.extractall(work, filter="data")
    (work / "package").rename(modules / "ecr-image-waiter")
    return work


def test_the_file_that_is_published_has_what_an_app_needs_and_nothing_else(installed: Path) -> None:
    folder = installed / "node_modules" / "ecr-image-waiter"
    modules = {path.stem for path in (typescript.PACKAGE / "src").iterdir()}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        *("LICENSE", "README.md", "package.json", "schema/ecr-image-waiter.json"),
        *("artifact/waiter.json", "artifact/WaiterFunction.zip", "artifact/LastResortFunction.zip"),
        *(f"lib/{module}{kind}" for module in modules for kind in (".js", ".d.ts")),
    }


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("cjs", "const { EcrImageWaiter, EcrImageWaiterProvider } = require('ecr-image-waiter')"),
        ("mjs", "import { EcrImageWaiter, EcrImageWaiterProvider } from 'ecr-image-waiter'"),
    ],
)
def test_it_can_be_imported_by_both_kinds_of_modules(kind: str, code: str, installed: Path) -> None:
    (installed / f"app.{kind}").write_text(f"{code}; console.log(EcrImageWaiter.name, EcrImageWaiterProvider.name)")
    assert npm.run(installed, f"app.{kind}") == "EcrImageWaiter EcrImageWaiterProvider\n"


def apps_of(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


README: Final = ROOT / "README.md"
IN_PYTHON, IN_TYPESCRIPT = (
    [app for document in (README, ROOT / "docs" / "cdk.md") for app in apps_of(document, language)]
    for language in ("python", "typescript")
)
"""The apps of the documents."""
CONTEXT: Final = {"commit": "8f3c2d1" * 5}
EXAMPLES: Final = {"fargate": "fargate", "two-stacks": "two-stacks/cdk"}
"""Folders of apps in Python, by the example that has the same app in TypeScript."""


def context_of(folder: Path) -> dict[str, Any]:
    return {**json.loads((folder / "cdk.json").read_text()).get("context", {}), **CONTEXT}


def made_of(installed: Path, apps: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> Mapping[str, Templates]:
    """Returns the templates of apps, given as files with contexts, as the installed package makes them."""
    run = shutil.copy(typescript.PACKAGE / "test" / "run.mts", installed)
    runs = [(str(file), str(installed / f"{name}.out"), context) for name, (file, context) in apps.items()]
    npm.run(installed, str(run), json.dumps(runs))
    return {
        name: {
            path.name.partition(".")[0]: json.loads(path.read_text())
            for path in (installed / f"{name}.out").glob("*.template.json")
        }
        for name in apps
    }


def require_types(installed: Path, *files: Path) -> None:
    options = ["--strict", "--skipLibCheck", "--noEmit", "--module", "node20", "--target", "es2023", "--types", "node"]
    npm.run(installed, npm.COMPILER, *options, *map(str, files))


@pytest.fixture(scope="module")
def documents_in_python() -> Templates:
    templates: dict[str, Any] = {}
    for number, code in enumerate(IN_PYTHON):
        names: dict[str, Any] = {}
        exec(compile(code, f"app {number} of the documents", "exec"), names)  # noqa: S102  # what the documents show
        templates[str(number)] = {stack.stack_name: stack.template for stack in names["app"].synth().stacks}
    return templates


@pytest.fixture(scope="module")
def documents_in_typescript(installed: Path) -> list[Path]:
    files = [installed / f"app{number}.mts" for number in range(len(IN_TYPESCRIPT))]
    for file, code in zip(files, IN_TYPESCRIPT, strict=True):
        file.write_text(code)
    return files


def test_the_documents_show_the_same_apps_in_both_languages(
    installed: Path, documents_in_typescript: list[Path], documents_in_python: Templates
) -> None:
    found = made_of(installed, {str(number): (file, {}) for number, file in enumerate(documents_in_typescript)})
    assert normal(found) == normal(documents_in_python)


@pytest.mark.slow
def test_the_types_of_the_documents_apps_are_right(installed: Path, documents_in_typescript: list[Path]) -> None:
    require_types(installed, *documents_in_typescript)


def test_each_app_of_the_documents_waits_and_passes_cfn_lint(documents_in_python: Templates, lint: Linter) -> None:
    assert all("Custom::EcrImageWaiter" in str(app) for app in documents_in_python.values())
    assert (
        lint({f"{app}-{name}": each for app, some in documents_in_python.items() for name, each in some.items()}) == ""
    )


@pytest.mark.slow
def test_the_sources_pass_eslint(package: Path) -> None:
    npm.lint(package)


@pytest.mark.slow
def test_the_types_of_its_tests_are_right(package: Path) -> None:
    npm.run(package, npm.COMPILER, "--project", "test")


def test_the_page_of_the_package_shows_the_app_of_the_readme() -> None:
    assert apps_of(typescript.PACKAGE / "README.md", "typescript") == apps_of(README, "typescript")


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_in_typescript_is_deployed_as_the_one_in_python(
    example: str, installed: Path, tmp_path: Path
) -> None:
    folder, copy = ROOT / "examples" / EXAMPLES[example], installed / example
    shutil.copytree(ROOT / "examples" / example / "typescript", copy)
    require_types(installed, copy / "app.ts")
    apps = made_of(installed, {f"{example}-app": (copy / "app.ts", context_of(copy))})
    assert normal(apps[f"{example}-app"]) == normal(apps_in_python(folder, tmp_path, context_of(folder)))


def test_its_package_json_says_what_pyproject_says_and_no_more_than_a_user_needs(package: Path) -> None:
    manifest, said = json.loads((package / "package.json").read_text()), project()
    assert (manifest["name"], manifest["version"], manifest["license"]) == (said.name, said.version, said.licence)
    assert manifest["repository"]["url"] == f"git+{said.repository}.git"
    assert "devDependencies" not in manifest
    assert "scripts" not in manifest
    assert manifest["engines"] == {"node": ">=20"}


def test_the_functions_archives_have_the_same_bytes_whenever_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "built" / "package").mkdir(parents=True)
    (tmp_path / "built" / "package" / "code.py").write_text("pass")
    made = []
    for number, moment in enumerate((1_000_000_000, 1_500_000_000)):
        os.utime(tmp_path / "built" / "package" / "code.py", (moment, moment))
        npm.archive(tmp_path / "built", tmp_path / f"{number}.zip")
        made.append((tmp_path / f"{number}.zip").read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert archive.namelist() == ["package/code.py"]
