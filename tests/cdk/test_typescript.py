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
from sandbox.publishing import npm
from sandbox.publishing.changelog import project
from tests.cdk.parity import APPS, normal, snake, synthesized

RIGHT, WRONG = APPS["right"], APPS["wrong"]
Templates = Mapping[str, Any]
PLANTED: Final = {
    "the property of a prop": ('"tag": "ImageTag"', '"tag": "ImageDigest"', "generated.js"),
    "the unit of a duration": (".toSeconds()", ".toMinutes()", "waiter.js"),
}


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
    return synthesize(
        package, {**RIGHT, **{f"wrong: {name}": app for name, app in WRONG.items()}}, tmp_path_factory.mktemp("apps")
    )


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


@pytest.mark.parametrize("name", PLANTED)
def test_a_difference_that_is_planted_in_typescript_is_noticed(
    name: str, package: Path, in_python: Templates, tmp_path: Path
) -> None:
    old, new, file = PLANTED[name]
    app = "values of the library's types"
    planted = tmp_path / "package"
    shutil.copytree(package, planted, symlinks=True)
    code = planted / "lib" / file
    assert code.read_text().count(old) == 1
    code.write_text(code.read_text().replace(old, new))
    found = synthesize(planted, {app: RIGHT[app]}, tmp_path)
    assert normal(found[app]) != normal(in_python[app])


def test_a_difference_that_is_planted_in_python_is_noticed(
    in_typescript: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "values of the library's types"
    monkeypatch.setattr(waiter, "_seconds", lambda time: time.to_minutes())
    assert normal(synthesized(RIGHT[app])) != normal(in_typescript[app])


def test_what_typescript_has_from_the_model_is_what_the_model_gives() -> None:
    assert typescript.TARGET.read_text() == typescript.text()


def test_a_property_that_is_new_in_the_model_makes_what_typescript_has_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = json.loads(typescript.SCHEMA.read_text())
    schema["properties"]["Novelty"] = {"description": "New.", "type": "string"}
    monkeypatch.setattr(json, "loads", lambda _: schema)
    assert "readonly novelty?: string;" in typescript.text()
    assert typescript.TARGET.read_text() != typescript.text()


IMPORTS = {
    "cjs": "const { EcrImageWaiter, EcrImageWaiterProvider } = require('ecr-image-waiter')",
    "mjs": "import { EcrImageWaiter, EcrImageWaiterProvider } from 'ecr-image-waiter'",
}


def test_the_file_that_is_published_has_what_an_app_needs_and_can_be_imported_either_way(
    package: Path, tmp_path: Path
) -> None:
    with tarfile.open(npm.pack(package, tmp_path)) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        modules = {path.stem for path in (typescript.PACKAGE / "src").iterdir()}
        assert names == {
            *("LICENSE", "README.md", "package.json", "schema/ecr-image-waiter.json"),
            *("artifact/waiter.json", "artifact/WaiterFunction.zip", "artifact/LastResortFunction.zip"),
            *(f"lib/{module}{kind}" for module in modules for kind in (".js", ".d.ts")),
        }
        archive.extractall(tmp_path, filter="data")
    installed = tmp_path / "node_modules"
    installed.mkdir()
    for module in npm.MODULES.iterdir():
        (installed / module.name).symlink_to(module)
    (tmp_path / "package").rename(installed / "ecr-image-waiter")
    for kind, code in IMPORTS.items():
        (tmp_path / f"app.{kind}").write_text(f"{code}; console.log(EcrImageWaiter.name, EcrImageWaiterProvider.name)")
        assert npm.run(tmp_path, f"app.{kind}") == "EcrImageWaiter EcrImageWaiterProvider\n"


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
