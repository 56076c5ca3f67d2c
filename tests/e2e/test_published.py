"""What a release carries: the folder as the SAM CLI packages and publishes it, the wheel and the sdist."""

import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import Cloud
from sandbox.processes import ROOT
from sandbox.publishing.application import KEY, TEMPLATE, functions, prepare, violations
from sandbox.publishing.changelog import project
from sandbox.publishing.distributions import package

BUCKET = "published"
ASKED = """
import json, sys
from unittest.mock import MagicMock
from samcli.vendor.serverlessrepo import publish_application
client = MagicMock()
publish_application(open(sys.argv[1]).read(), client)
print(json.dumps(client.create_application.call_args.kwargs))
"""


@pytest.fixture(scope="module")
def packaged(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template that `sam package` made of the folder beside it, and the folder's files in the sandbox's S3."""
    work = tmp_path_factory.mktemp("published")
    prepare(cloud.artifact.parent, work / "application")
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    files = ("--template-file", work / "application" / TEMPLATE, "--output-template-file", work / "packaged.yaml")
    cloud.sam("package", *files, "--s3-bucket", BUCKET, "--no-progressbar")
    return work / "packaged.yaml"


def uploaded(cloud: Cloud, uri: str) -> bytes:
    content: bytes = cloud.client("s3").get_object(Bucket=BUCKET, Key=urlsplit(uri).path[1:])["Body"].read()
    return content


def test_sam_publish_sends_the_metadata_with_what_pyproject_says(cloud: Cloud, packaged: Path) -> None:
    python = ROOT / ".venvs" / "sam" / "bin" / "python"
    done = subprocess.run([python, "-c", ASKED, packaged], check=True, capture_output=True, text=True)
    request: dict[str, Any] = json.loads(done.stdout)
    said = project()

    shape = (
        ServiceModel(Loader().load_service_model("serverlessrepo", "service-2"))
        .operation_model("CreateApplication")
        .input_shape
    )
    assert not ParamValidator().validate(request, shape).has_errors()
    assert KEY not in request["TemplateBody"]
    assert {name: request[name] for name in ("Name", "SpdxLicenseId", "SemanticVersion", "HomePageUrl")} == {
        "Name": said.name,
        "SpdxLicenseId": said.licence,
        "SemanticVersion": said.version,
        "HomePageUrl": said.repository,
    }
    assert request["SourceCodeUrl"] == f"{said.repository}/tree/v{said.version}"
    assert uploaded(cloud, request["LicenseUrl"]) == (ROOT / "LICENSE").read_bytes()
    assert uploaded(cloud, request["ReadmeUrl"]) == (ROOT / "README-SAR.md").read_bytes()
    # Its limits: "AWS SAM template Metadata section properties" in the SAM Developer Guide.
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", request["Name"])
    assert re.fullmatch(r"(?=.{1,127}$)[a-z0-9](-?[a-z0-9])*", request["Author"])
    assert re.fullmatch(r".{1,256}", request["Description"])
    assert all(re.fullmatch(r"[a-zA-Z0-9+_:/@-]{1,127}", each) for each in request["Labels"])
    assert 1 <= len(request["Labels"]) <= 10


def test_what_is_published_breaks_no_rule_and_names_no_path_of_this_machine(cloud: Cloud, packaged: Path) -> None:
    folder, template = packaged.parent / "application", yaml_parse(packaged.read_text())
    names = functions(template)

    assert violations(folder) == []
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "README-SAR.md", TEMPLATE, *names}
    assert str(ROOT) not in packaged.read_text()
    assert str(packaged.parent) not in packaged.read_text()
    for name in names:
        assert uploaded(cloud, template["Resources"][name]["Properties"]["CodeUri"])[:2] == b"PK"


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
    home = ROOT / "src" / "ecr_image_waiter"
    modules = {str(path.relative_to(home)) for path in home.rglob("*.py")}
    assert {name.removeprefix("ecr_image_waiter/") for name in names if name.endswith(".py")} >= modules
    for name in (*names, *sources):
        # What the construct of the CDK deploys beside the package is a part of it.
        own = name.replace("last_resort/last_resort.py", "").replace("src/last_resort", "")
        assert not re.search(r"(^|/)(tests?|sandbox|last_resort|__pycache__)(/|\.|$)", own), name
    assert f"Version: {project().version}\n" in metadata
    assert re.findall(r"\]\((?!https?://|mailto:)[^)]*\)", metadata) == []
    assert f"]({project().repository}/blob/{project().tag}/docs/" in metadata
