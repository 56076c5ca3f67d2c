"""What `sam build` makes is what Lambda needs."""

import ast
import gzip
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from packaging.requirements import Requirement

from sandbox.cloud import MINISTACK_PYTHON, Cloud, function_python_version
from sandbox.measure import zipped_bytes
from sandbox.processes import ROOT
from tests.support.init_cost import FORBIDDEN, MOST_MODULES, START


@pytest.fixture(scope="module")
def artifact(cloud: Cloud) -> Path:
    return cloud.artifact


def asked(artifact: Path, code: str) -> Any:
    """Return what a program prints that has the artifact and the standard library, and nothing else."""
    environment = {**os.environ, "PYTHONPATH": str(artifact), "AWS_DEFAULT_REGION": "us-east-1"}
    command: list[str | Path] = [MINISTACK_PYTHON, "-S", "-c", f"import json\n{code}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_has_the_compiled_parts_for_both_of_lambda_s_architectures(artifact: Path) -> None:
    compiled = {path.name for path in artifact.rglob("*.so")}
    version = function_python_version().replace(".", "")
    assert {name for name in compiled if "pydantic_core" in name} == {
        f"_pydantic_core.cpython-{version}-aarch64-linux-gnu.so",
        f"_pydantic_core.cpython-{version}-x86_64-linux-gnu.so",
    }
    assert {name.rpartition("-linux-gnu")[0].rpartition("-")[2] for name in compiled} == {"aarch64", "x86_64"}


def test_it_has_the_services_that_the_code_calls_and_no_others(artifact: Path) -> None:
    known = set(botocore.session.get_session().get_available_services())
    strings: set[object] = set()
    for source in (ROOT / "src" / "ecr_image_waiter").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            # aws/clients.py makes every client; elsewhere a service is named in a call of its.
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client"
            if named or source.name == "clients.py":
                strings |= {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    called = strings & known
    assert {path.name for path in (artifact / "botocore" / "data").iterdir() if path.is_dir()} == called


def test_it_has_neither_the_constructs_nor_what_made_it(artifact: Path) -> None:
    assert not (artifact / "ecr_image_waiter" / "cdk").exists()
    assert not (artifact / "artifact.py").exists()
    assert not [*artifact.glob("aws_cdk*"), *artifact.glob("constructs*"), *artifact.glob("jsii*")]


def test_its_model_of_ecr_knows_image_status_and_its_model_of_lambda_invoke(artifact: Path) -> None:
    code = """
import botocore.session
session = botocore.session.get_session()
describe = session.get_service_model("ecr").operation_model("DescribeImages")
invoke = session.get_service_model("lambda").operation_model("Invoke")
print(json.dumps([
    describe.input_shape.members["filter"].members["imageStatus"].enum,
    describe.output_shape.members["imageDetails"].member.members["imageStatus"].enum,
    sorted(invoke.input_shape.members),
]))
"""
    wanted, told, invoke = asked(artifact, code)
    assert {"ACTIVE", "ARCHIVED", "ANY"} <= set(wanted)
    assert {"ACTIVE", "ARCHIVED", "ACTIVATING"} <= set(told)
    assert {"FunctionName", "InvocationType", "Payload"} <= set(invoke)


def test_its_boto3_makes_a_client_for_each_service_and_knows_the_partitions(artifact: Path) -> None:
    code = """
from ecr_image_waiter.aws.clients import Aws
aws = Aws()
names = [aws.client(name, 9).meta.service_model.service_name for name in ("ecr", "lambda")]
print(json.dumps([names, aws.dns_suffix]))
"""
    assert asked(artifact, code) == [["ecr", "lambda"], "amazonaws.com"]


def test_it_has_bytecode_wherever_the_python_that_runs_it_is_here(artifact: Path) -> None:
    tag = f"cpython-{function_python_version().replace('.', '')}"
    compiled = list((artifact / "ecr_image_waiter").rglob(f"*.{tag}.pyc"))
    assert len(compiled) == len(list((artifact / "ecr_image_waiter").rglob("*.py")))


def test_it_carries_neither_the_command_nor_what_only_the_command_needs(artifact: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {path.name for path in artifact.iterdir()}

    assert not (artifact / "ecr_image_waiter" / "cli").exists()
    assert {Requirement(each).name for each in extras["cli"]} == {"rich", "shtab"}
    assert not packages & {"rich", "shtab", "markdown_it", "mdurl", "pygments"}


def test_it_is_not_larger_than_it_was_by_more_than_a_tenth(artifact: Path) -> None:
    assert zipped_bytes(artifact) < 12_000_000, "the goal is 22 MB; raise this only for something worth its bytes"


def test_its_process_starts_with_the_modules_and_the_one_client_of_an_image_that_is_there(artifact: Path) -> None:
    begun = asked(artifact, START)
    assert begun["clients"] == ["ecr"]
    assert not FORBIDDEN & set(begun["modules"])
    assert len(begun["modules"]) <= MOST_MODULES


def test_it_knows_the_endpoints_of_the_services_that_it_has_and_no_others(artifact: Path) -> None:
    data = artifact / "botocore" / "data"
    models = [json.loads(gzip.decompress(path.read_bytes())) for path in data.glob("*/*/service-2.json.gz")]
    kept = {model["metadata"]["endpointPrefix"] for model in models}
    here = json.loads((data / "endpoints.json").read_text())
    there = json.loads((Path(botocore.__file__).parent / "data" / "endpoints.json").read_text())
    for partition in there["partitions"]:
        partition["services"] = {name: each for name, each in partition["services"].items() if name in kept}
    assert len(kept) == 7
    assert here == there


def test_sam_local_passes_on_the_endpoints_that_a_deployed_function_does_not_have() -> None:
    # What `sam local invoke --env-vars` may set are the variables that the template declares.
    code = """
import json
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
stacks, _ = SamLocalStackProvider.get_stacks("template.yaml")
function = SamFunctionProvider(stacks).get("WaiterFunction")
print(json.dumps(sorted(function.environment["Variables"])))
"""
    python = ROOT / ".venvs" / "sam" / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        "AWS_ENDPOINT_URL_CLOUDFORMATION",
        "AWS_ENDPOINT_URL_CODEBUILD",
        "AWS_ENDPOINT_URL_CODEPIPELINE",
        "AWS_ENDPOINT_URL_ECR",
        "AWS_ENDPOINT_URL_ECR_PUBLIC",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL_STS",
        "LOG_LEVEL",
        "POWERTOOLS_SERVICE_NAME",
    ]
