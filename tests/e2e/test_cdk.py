"""What the constructs synthesize waits, deployed: by the waiter of the account, and by one of the app's own."""

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import CDK_PYTHON, REGION, Cloud, function_python_version
from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT
from sandbox.publishing import npm
from tests.support.case_selection import some_slow
from tests.support.functions import LONG_TIMEOUT, Deployed, uri
from tests.support.patience import eventually

BUCKET = "cdk-assets"


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def templates(request: pytest.FixtureRequest, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The templates of the stacks of tests/cdk/app.py and of the same app in TypeScript, their assets published."""
    work = tmp_path_factory.mktemp("cdk")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    # What no test asks for is not made: `own` installs the packages of a function.
    asked = [name for name in ("looked-up", "own") if any(f"[{name}]" in item.name for item in request.session.items)]
    command: list[str | Path] = [CDK_PYTHON, "-m", "tests.cdk.app", work / "python.out", BUCKET, *asked]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=PATIENCE)
    npm.build(work / "package", {name: cloud.artifact.parent / name for name in npm.FUNCTIONS})
    npm.run(work / "package", "test/app.mts", str(work / "typescript.out"), BUCKET)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for listed in work.glob("*.out/*.assets.json"):
        for asset in json.loads(listed.read_text())["files"].values():
            source = listed.parent / asset["source"]["path"]
            if source.suffix != ".json":  # the template
                (destination,) = asset["destinations"].values()
                content = zipped(source) if source.is_dir() else source.read_bytes()
                s3.put_object(Bucket=BUCKET, Key=destination["objectKey"], Body=content)
    return {path.name.partition(".")[0]: path.read_text() for path in work.glob("*.out/*.template.json")}


NAMES = ["looked-up", "own", "looked-up-typescript", "own-typescript"]


@pytest.mark.parametrize("name", some_slow(NAMES, lambda name: name in {"own", "looked-up-typescript"}))
def test_a_stack_of_the_cdk_goes_on_when_its_image_is_there_and_runs_that_very_image(
    cloud: Cloud, deployed: dict[int, Deployed], templates: dict[str, str], name: str
) -> None:
    if name.startswith("own") and function_python_version() != "3.13":
        pytest.skip("the construct's artifact is for Lambda's Python, which this machine has not")
    assert deployed[LONG_TIMEOUT], "the account has a waiter"
    cloudformation, ecr = cloud.client("cloudformation"), cloud.client("ecr")
    ecr.create_repository(repositoryName=name)

    def resources() -> dict[str, Any]:
        found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {each["LogicalResourceId"][:-8]: each for each in found if "ResourceStatus" in each}

    cloudformation.create_stack(StackName=name, TemplateBody=templates[name], Capabilities=["CAPABILITY_IAM"])
    eventually(lambda: cloud.ecr_proxy.count("ecr:DescribeImages", containing=f'"{name}"') >= 2, "two checks")
    assert {"Function", "After", "Task", "Service"}.isdisjoint(resources()), "they wait"
    digest = push(ecr, name, "v1")

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

    eventually(lambda: not status().endswith("IN_PROGRESS"), "the stack is done")
    assert status() == "CREATE_COMPLETE"
    code = cloud.client("lambda").get_function(FunctionName=f"cdk-{name}")["Code"]
    assert code["ImageUri"] == uri(name, digest, region=REGION)
    assert cloud.client("ssm").get_parameter(Name=f"/cdk/{name}")["Parameter"]["Value"] == "the image is there"
    if name == "own-typescript":
        task = cloud.client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
        assert [each["image"] for each in task["containerDefinitions"]] == [uri(name, digest, region=REGION)]
        assert "Service" in resources()
