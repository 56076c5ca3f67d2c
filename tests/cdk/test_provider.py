"""What the construct deploys is what template.yaml deploys, and its code is the installed package's."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template
from samtranslator.yaml_helper import yaml_parse

import artifact
from ecr_image_waiter.cdk import EcrImageWaiterProvider, provider
from sandbox.plain_template import TARGET, text
from sandbox.processes import ROOT
from tests.policy.template import as_cloudformation_gets_it
from tests.support.lint import Linter
from tests.support.template_conditions import resolved

ARN = "arn:aws:{}:eu-west-1:123456789012:{}"
PARAMETER = "/token"
REPOSITORIES = [ARN.format("ecr", "repository/team/*"), ARN.format("ecr", "repository/app")]
EVERYTHING = {
    "RepositoryArnPattern": ",".join(REPOSITORIES),
    "AssumableRoleArns": "arn:aws:iam::210987654321:role/reader",
    "BuildProjectArns": ARN.format("codebuild", "project/build"),
    "PipelineArns": ARN.format("codepipeline", "pipeline"),
    "AllowStartBuild": "true",
    "Architecture": "x86_64",
    "MemorySize": "256",
    "ReservedConcurrency": "5",
    "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
    "FunctionName": "waiter",
    "LogLevel": "DEBUG",
    "LogGroupName": "/waits",
    "LogRetentionDays": "7",
    "LogKmsKeyArn": ARN.format("kms", "key/1234abcd"),
    "Dashboard": "true",
    "AlarmTopicArn": ARN.format("sns", "alarms"),
    "AccountConcurrencyThreshold": "2000",
    "ServiceTokenParameterName": PARAMETER,
}
OPEN = {"HasEcrPublic"}
"""Conditions that only a deployment can decide."""
PLACES = [("aws", "us-east-1"), ("aws-cn", "cn-north-1")]


@pytest.fixture
def stack() -> Stack:
    return Stack(App(), "Stack")


def resources(stack: Stack) -> Any:
    """Return the resources by the ids of template.yaml, which they refer to each other by."""
    return renamed(stack)["Resources"]


def renamed(stack: Stack) -> Any:
    """Return the template with the ids of template.yaml."""
    template = Template.from_stack(stack).to_json()
    ids = r'(?<=["{])Waiter(?:Conditions)?(\w+?)[0-9A-F]{8}(?=["}])'  # as values, and in what Fn::Sub puts together
    found = json.loads(re.sub(ids, r"\1", json.dumps(template)))
    assert len(found["Resources"]) == len(template["Resources"])
    return found


def made(template: dict[str, Any], given: dict[str, str], partition: str, region: str) -> dict[str, Any]:
    """Return what is deployed of a template, without the place of its code, which SAM and CDK each choose."""
    place = {"AWS::Partition": partition, "AWS::Region": region}
    result = {}
    for name, resource in resolved(template, {**given, **place})["Resources"].items():
        properties = dict(resource["Properties"])
        if resource["Type"] == "AWS::Lambda::Function":
            assert set(properties.pop("Code")) == {"S3Bucket", "S3Key"}
            assert properties.pop("Tags", []) in ([], [{"Key": "lambda:createdBy", "Value": "SAM"}])
        after = resource.get("DependsOn", [])
        result[name] = {
            "Type": resource["Type"],
            "Properties": in_words(properties),
            "DependsOn": [after] if isinstance(after, str) else after,
            **{key: part for key, part in resource.items() if key.endswith("Policy")},
        }
    return result


def in_words(part: Any) -> Any:
    """Return a part of a template with its numbers as a parameter has them."""
    match part:
        case dict():
            return {key: in_words(each) for key, each in part.items()}
        case list():
            return [in_words(each) for each in part]
        case int() | float() if not isinstance(part, bool):
            return str(part)
        case _:
            return part


def of_the_template(given: dict[str, str], partition: str, region: str) -> dict[str, Any]:
    template = as_cloudformation_gets_it(yaml_parse((ROOT / "template.yaml").read_text()))
    return made(template, given, partition, region)


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_by_default_it_is_what_the_template_deploys_but_for_the_parameter(
    stack: Stack, partition: str, region: str
) -> None:
    EcrImageWaiterProvider(stack, "Waiter")
    expected = of_the_template({"ServiceTokenParameterName": ""}, partition, region)
    assert made(renamed(stack), {}, partition, region) == expected


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_with_everything_given_it_is_what_the_template_deploys(stack: Stack, partition: str, region: str) -> None:
    EcrImageWaiterProvider(
        stack,
        "Waiter",
        repositories=[REPOSITORIES[0], ecr.Repository.from_repository_arn(stack, "App", REPOSITORIES[1])],
        assumable_roles=[iam.Role.from_role_arn(stack, "Role", EVERYTHING["AssumableRoleArns"])],
        build_projects=[codebuild.Project.from_project_arn(stack, "Build", EVERYTHING["BuildProjectArns"])],
        pipelines=[codepipeline.Pipeline.from_pipeline_arn(stack, "Pipe", EVERYTHING["PipelineArns"])],
        allow_start_build=True,
        architecture=lambda_.Architecture.X86_64,
        memory_size=256,
        reserved_concurrency=5,
        permissions_boundary=iam.ManagedPolicy.from_managed_policy_arn(
            stack, "Boundary", EVERYTHING["PermissionsBoundary"]
        ),
        function_name="waiter",
        log_level="DEBUG",
        log_group_name="/waits",
        log_retention_days=7,
        log_key=kms.Key.from_key_arn(stack, "Key", EVERYTHING["LogKmsKeyArn"]),
        dashboard=True,
        alarm_topic=sns.Topic.from_topic_arn(stack, "Topic", EVERYTHING["AlarmTopicArn"]),
        account_concurrency_threshold=2000,
        service_token_parameter_name=PARAMETER,
    )
    assert made(renamed(stack), {}, partition, region) == of_the_template(EVERYTHING, partition, region)


def test_what_only_the_deployment_can_decide_is_left_to_it(stack: Stack) -> None:
    EcrImageWaiterProvider(stack, "Waiter")
    template = yaml_parse((ROOT / "template.yaml").read_text())
    assert renamed(stack)["Conditions"] == {name: template["Conditions"][name] for name in OPEN}


def test_whether_lambda_has_the_metric_of_an_alarm_is_left_to_the_deployment(stack: Stack) -> None:
    EcrImageWaiterProvider(stack, "Waiter", alarm_topic=ARN.format("sns", "alarms"))
    elsewhere = {"Fn::Not": [{"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}]}
    assert renamed(stack)["Conditions"]["HasDroppedEventsAlarm"] == elsewhere
    assert resources(stack)["DroppedEventsAlarm"]["Condition"] == "HasDroppedEventsAlarm"


@pytest.mark.parametrize("arn", ["arn:aws:ecr:::repository/app", "arn:aws:ecr:eu-west-1::repository/app"])
def test_a_pattern_of_repositories_that_matches_none_is_a_fault(stack: Stack, arn: str) -> None:
    with pytest.raises(ValueError, match="with region and account"):
        EcrImageWaiterProvider(stack, "Waiter", repositories=[arn])


def test_a_build_may_be_started_only_where_that_is_said(stack: Stack) -> None:
    arns: dict[str, Any] = {
        "build_projects": [ARN.format("codebuild", "project/b")],
        "pipelines": [ARN.format("codepipeline", "p")],
    }
    EcrImageWaiterProvider(stack, "Waiter", **arns)
    assert resources(stack).keys() >= {"FollowBuilds", "FollowPipelines"}
    assert resources(stack).keys().isdisjoint({"StartBuilds", "StartPipelines"})


def test_what_it_deploys_was_made_of_the_template_of_today() -> None:
    assert TARGET.read_text() == text()


def test_the_logical_ids_stay_what_they_were_because_another_one_is_another_function(stack: Stack) -> None:
    EcrImageWaiterProvider(stack, "Waiter")
    template = Template.from_stack(stack).to_json()["Resources"]
    assert {id_ for id_, each in template.items() if each["Type"] == "AWS::Lambda::Function"} == {
        "WaiterWaiterFunction4824EEA3",
        "WaiterLastResortFunction7871FE2D",
    }


def test_two_stand_side_by_side_in_one_stack(stack: Stack) -> None:
    one, other = EcrImageWaiterProvider(stack, "One"), EcrImageWaiterProvider(stack, "Other")
    assert stack.resolve(one.service_token) != stack.resolve(other.service_token)


def test_it_tells_its_role_and_its_log(stack: Stack) -> None:
    waiter = EcrImageWaiterProvider(stack, "Waiter")
    told = json.dumps(stack.resolve([waiter.service_token, waiter.role_arn, waiter.log_group_name]))
    assert json.loads(re.sub(r'"Waiter(\w+?)[0-9A-F]{8}"', r'"\1"', told)) == [
        {"Fn::GetAtt": ["WaiterFunction", "Arn"]},
        {"Fn::GetAtt": ["WaiterRole", "Arn"]},
        {"Ref": "WaiterLogGroup"},
    ]


def test_whoever_finds_the_parameter_may_use_the_function(stack: Stack) -> None:
    EcrImageWaiterProvider(stack, "Waiter", service_token_parameter_name=PARAMETER)
    assert resources(stack)["ServiceTokenParameter"]["DependsOn"] == ["InvokeItself"]


def test_all_arguments_that_the_template_would_refuse_stand_in_one_error(stack: Stack) -> None:
    with pytest.raises(ValueError, match="is not valid") as caught:
        EcrImageWaiterProvider(
            stack,
            "Waiter",
            repositories=["app"],
            memory_size=64,
            log_retention_days=31,
            function_name="a b",
            alarm_topic="alarms",
            account_concurrency_threshold=0,
        )
    for line, begins in zip(
        str(caught.value).splitlines(),
        [
            "Stack/Waiter, the waiter, is not valid:",
            '- RepositoryArnPattern: received "app", it must be empty or the ARNs of ECR repositories',
            "- MemorySize: received 64, allowed: a whole number from 128 to 10240",
            '- FunctionName: received "a b", it must be empty or at most 64 letters, digits, - and _',
            "- LogRetentionDays: received 31, allowed: 1, 3, 5, 7, ",
            '- AlarmTopicArn: received "alarms", it must be empty or the ARN of an SNS topic',
            "- AccountConcurrencyThreshold: received 0, allowed: a whole number from 1",
        ],
        strict=True,
    ):
        assert line.startswith(begins)


@pytest.mark.parametrize("memory_size", [512.5, "512"])
def test_a_size_that_is_no_whole_number_is_a_fault(stack: Stack, memory_size: Any) -> None:
    with pytest.raises(ValueError, match=r"MemorySize: received .*, allowed: a whole number from 128 to 10240"):
        EcrImageWaiterProvider(stack, "Waiter", memory_size=memory_size)


def test_a_single_arn_is_not_read_letter_by_letter(stack: Stack) -> None:
    with pytest.raises(ValueError, match="is not valid") as caught:
        EcrImageWaiterProvider(stack, "Faulty", repositories="app")
    _, fault = str(caught.value).splitlines()
    assert fault.startswith('- RepositoryArnPattern: received "app", it must be empty or the ARNs of ECR repositories')
    EcrImageWaiterProvider(stack, "Waiter", build_projects="arn:aws:codebuild:eu-west-1:123456789012:project/app")


def test_values_that_only_the_deployment_knows_are_let_through(stack: Stack) -> None:
    arns = CfnParameter(stack, "Arns", type="CommaDelimitedList").value_as_list
    repository = ecr.Repository(stack, "Repository")
    EcrImageWaiterProvider(
        stack,
        "Waiter",
        repositories=[repository],
        assumable_roles=arns,
        function_name=CfnParameter(stack, "Name").value_as_string,
        memory_size=CfnParameter(stack, "Memory", type="Number").value_as_number,
    )
    found = resources(stack)
    assert found["WaiterFunction"]["Properties"]["FunctionName"] == {"Ref": "Name"}
    assert found["WaiterFunction"]["Properties"]["MemorySize"] == {"Ref": "Memory"}
    (assume,) = found["AssumeRoles"]["Properties"]["PolicyDocument"]["Statement"]
    assert assume["Resource"] == {"Ref": "Arns"}


def test_the_template_passes_cfn_lint(stack: Stack, lint: Linter) -> None:
    EcrImageWaiterProvider(
        stack, "Waiter", service_token_parameter_name=PARAMETER, dashboard=True, alarm_topic=ARN.format("sns", "alarms")
    )
    assert lint({"stack": Template.from_stack(stack).to_json()}) == ""


def test_it_needs_no_region_and_no_account_to_be_synthesized() -> None:
    app = App()
    EcrImageWaiterProvider(Stack(app, "Anywhere"), "Waiter")
    EcrImageWaiterProvider(Stack(app, "There", env=Environment(account="1" * 12, region="cn-north-1")), "Waiter")
    manifest = Path(app.synth().directory) / "manifest.json"
    assert "missing" not in json.loads(manifest.read_text()), "nothing that the CLI would have to look up"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A synthesized app with its artifact, which pip has made, and the template."""
    out = tmp_path_factory.mktemp("app") / "cdk.out"
    app = App(outdir=str(out), post_cli_context={"aws:cdk:bundling-stacks": ["**"]})
    EcrImageWaiterProvider(Stack(app, "Stack"), "Waiter")
    app.synth()
    return out, json.loads((out / "Stack.template.json").read_text())


def asset(bundled: tuple[Path, dict[str, Any]], function: str) -> Path:
    out, template = bundled
    (found,) = (each for id_, each in template["Resources"].items() if re.fullmatch(rf"Waiter{function}\w{{8}}", id_))
    return out / f"asset.{found['Properties']['Code']['S3Key'].removesuffix('.zip')}"


@pytest.mark.slow
def test_the_artifact_is_the_package_with_what_it_needs_for_both_architectures(
    bundled: tuple[Path, dict[str, Any]],
) -> None:
    folder = asset(bundled, "WaiterFunction")
    package = {path.name for path in (folder / "ecr_image_waiter").iterdir()}
    own = {path.name for path in provider.PACKAGE.iterdir()} - {"__pycache__"}
    assert package - {"__pycache__"} == own - {"cdk", "cli"}
    assert {path.name for path in folder.rglob("_pydantic_core*.so")} == {
        "_pydantic_core.cpython-313-aarch64-linux-gnu.so",
        "_pydantic_core.cpython-313-x86_64-linux-gnu.so",
    }
    assert {path.name for path in (folder / "botocore" / "data").iterdir() if path.is_dir()} == set(artifact.SERVICES)
    assert not [*folder.glob("aws_cdk*"), *folder.glob("jsii*"), *folder.glob("bin")]


@pytest.mark.slow
def test_the_last_resort_s_artifact_is_its_one_file(bundled: tuple[Path, dict[str, Any]]) -> None:
    folder = asset(bundled, "LastResortFunction")
    assert [path.name for path in folder.iterdir()] == ["last_resort.py"]


@pytest.mark.slow
def test_the_artifact_is_made_once_and_then_kept(bundled: tuple[Path, dict[str, Any]]) -> None:
    folder = asset(bundled, "WaiterFunction")
    before = folder.stat().st_ino
    app = App(outdir=str(bundled[0]), post_cli_context={"aws:cdk:bundling-stacks": ["**"]})
    EcrImageWaiterProvider(Stack(app, "Stack"), "Waiter")
    app.synth()
    assert folder.stat().st_ino == before


def test_the_artifact_is_for_the_python_that_the_template_names() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    assert template["Resources"]["WaiterFunction"]["Properties"]["Runtime"] == f"python{artifact.PYTHON_VERSION}"


def test_without_the_python_that_runs_it_the_artifact_has_no_bytecode_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text("")
    artifact._compile(tmp_path, "9.99")
    assert "python9.99 is not on this machine: the artifact goes without bytecode" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


def test_a_compiled_part_that_has_one_name_for_two_architectures_is_not_overwritten(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.so").write_text(folder)
    with pytest.raises(RuntimeError, match=r"a\.so has one name for two architectures"):
        artifact._add_compiled(tmp_path / "one", tmp_path / "other")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install .` installs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    files = ["pyproject.toml", "README.md", "LICENSE", "src"]
    source.mkdir()
    for name in files:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    quiet = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*quiet, "--wheel-dir", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_what_is_deployed_and_nothing_else(wheel: Path) -> None:
    installed = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    package = {
        str(path.relative_to(ROOT / "src"))
        for path in provider.PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = ("artifact.py", "requirements.txt", "last_resort/last_resort.py")
    deployed = {f"ecr_image_waiter/deployed/{name}" for name in beside}
    assert {name for name in installed if ".dist-info/" not in name} == package | deployed


@pytest.mark.slow
def test_an_installed_package_deploys_what_the_checkout_does(wheel: Path) -> None:
    code = """
import json
from ecr_image_waiter.cdk import provider
print(json.dumps([str(provider.PACKAGE), provider.artifact_hash(), provider.LAST_RESORT.name]))
print(json.dumps([provider.REQUIREMENTS.exists(), (provider.LAST_RESORT / "last_resort.py").exists()]))
"""
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=wheel
    )
    where, there = map(json.loads, done.stdout.splitlines())
    assert where == [str(wheel / "ecr_image_waiter"), provider.artifact_hash(), "last_resort"]
    assert there == [True, True]
