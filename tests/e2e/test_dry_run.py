"""The dry run of `make publish` with the SAM CLI itself: what it would send, and that a broken rule stops it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import REGION, Cloud
from sandbox.processes import ROOT
from sandbox.publishing.__main__ import publish
from sandbox.publishing.changelog import project
from sandbox.publishing.distributions import package
from sandbox.publishing.folder import TEMPLATE, functions, prepare, read
from sandbox.publishing.rehearsal import BUCKET, Rehearsed, parameters, rehearse, services
from sandbox.publishing.report import report
from sandbox.publishing.rules import KEY, violations


@pytest.fixture(scope="module")
def folder(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("published") / "application"
    prepare(cloud.artifact.parent, target)
    return target


@pytest.fixture(scope="module")
def rehearsed(folder: Path, output: Path) -> Rehearsed:
    return rehearse(folder, output / "publishing")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox.publishing", "--folder", folder, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_sam_sends_the_whole_metadata_with_pyprojects_version(folder: Path, rehearsed: Rehearsed) -> None:
    said = read(folder).template["Metadata"][KEY]
    request = dict(rehearsed.request)
    for field in ("LicenseUrl", "ReadmeUrl"):
        uploaded = rehearsed.uploads[request.pop(field)]
        assert uploaded.size == len((ROOT / said.pop(field)).read_bytes())
    template = yaml_parse(request.pop("TemplateBody"))

    assert request == said
    assert request["SemanticVersion"] == project().version
    assert KEY not in template["Metadata"]


def test_what_was_packaged_has_no_path_of_this_machine_and_breaks_no_rule(folder: Path, rehearsed: Rehearsed) -> None:
    template = yaml_parse(rehearsed.request["TemplateBody"])
    uris = {template["Resources"][name]["Properties"]["CodeUri"] for name in functions(template)}

    assert uris <= set(rehearsed.uploads)
    assert str(ROOT) not in rehearsed.request["TemplateBody"]
    assert str(folder) not in rehearsed.request["TemplateBody"]
    assert violations(rehearsed.measured(read(folder))) == []


def test_the_report_has_all_that_would_be_published(folder: Path, rehearsed: Rehearsed) -> None:
    application = rehearsed.measured(read(folder))

    text = report(application, rehearsed, folder)

    for name, value in rehearsed.request.items():
        lines = value.splitlines() if name == "TemplateBody" else value if isinstance(value, list) else [value]
        assert all(line.rstrip() in text for line in lines), name
    for upload in rehearsed.uploads.values():
        assert f"{upload.size:,} bytes" in text
        assert upload.sha256 in text
    for name, parameter in application.template["Parameters"].items():
        assert f"{name} ({parameter['Type']}, default {parameter['Default']!r})" in text
    for each in (*application.artifacts, "CAPABILITY_IAM: because of", "AWS::Lambda::EventInvokeConfig"):
        assert each in text
    assert (folder / "WaiterFunction" / "ecr_image_waiter").is_dir()
    assert " bytes  ecr_image_waiter\n" in text


def test_a_broken_rule_fails_the_dry_run_with_one_clear_error(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "application"
    shutil.copytree(folder, broken)
    template: dict[str, Any] = json.loads((broken / TEMPLATE).read_text())
    template["Metadata"][KEY]["Author"] = "Some Body"
    (broken / TEMPLATE).write_text(json.dumps(template))

    done = run(broken)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: Author: received 'Some Body', allowed: lower-case letters and digits, with single - between them"
    ]
    assert done.stdout == ""


def test_a_dry_run_says_that_it_is_one_and_what_is_missing(folder: Path) -> None:
    done = run(folder)

    assert done.returncode == 0, done.stderr
    assert "A dry run: nothing has left this machine. No rule is broken." in done.stdout
    assert "no bucket for the files" in done.stdout


def test_nothing_is_published_while_something_is_missing_for_it(folder: Path) -> None:
    done = run(folder, "--confirm", "yes")

    assert done.returncode == 1
    assert "error: no bucket for the files, which serverlessrepo.amazonaws.com may read: BUCKET=name" in done.stderr


def test_publishing_sends_what_the_dry_run_showed(
    folder: Path, rehearsed: Rehearsed, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services(output / "publishing") as (s3, sar):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{sar.server_port}")
        boto3.client("s3", endpoint_url=s3).create_bucket(Bucket="ours")

        publish(folder, "ours", REGION)

    (body,) = sar.requests
    assert json.loads(json.dumps(parameters(body)).replace("s3://ours/", f"s3://{BUCKET}/")) == rehearsed.request


def test_the_wheel_and_the_sdist_have_the_package_its_types_and_no_test(tmp_path: Path) -> None:
    package(tmp_path)

    (wheel,) = tmp_path.glob("*.whl")
    (sdist,) = tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    with tarfile.open(sdist) as archive:
        sources = archive.getnames()
    assert "ecr_image_waiter/py.typed" in names
    modules = {path.name for path in (ROOT / "src" / "ecr_image_waiter").glob("*.py")}
    assert {name.removeprefix("ecr_image_waiter/") for name in names if name.endswith(".py")} >= modules
    for name in (*names, *sources):
        # What the construct of the CDK deploys beside the package is a part of it.
        own = name.replace("last_resort/last_resort.py", "").replace("src/last_resort", "")
        assert not re.search(r"(^|/)(tests?|sandbox|last_resort|__pycache__)(/|\.|$)", own), name
    assert f"Version: {project().version}\n" in metadata
    assert re.findall(r"\]\((?!https?://|mailto:)[^)]*\)", metadata) == []
