"""The sandbox leaves nothing behind, however it ends, and shows nothing that did not happen."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from sandbox.builds import Build
from sandbox.cloud import ACCOUNT, STACK, Cloud
from sandbox.demo import chosen, play
from sandbox.images import push
from sandbox.processes import ROOT, PortTaken, require_free
from sandbox.scenarios import IMAGES, SCENARIOS
from tests.e2e.demonstrated import require_every_line, told_of
from tests.e2e.functions import TIMEOUT, Deployed
from tests.waiting import eventually

OWNER = """
import signal, sys, time
from pathlib import Path
from sandbox.cloud import Cloud
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a shell inherits ignored
with Cloud(log=Path(sys.argv[1])) as cloud:
    print("up", cloud.endpoint, cloud.ecr_endpoint, flush=True)
    time.sleep(600)
"""


def processes_of(group: int) -> list[int]:
    """Return the ids of the running processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group and (folder / "cmdline").read_bytes():  # a zombie has none
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def processes_naming(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text, in their command or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            held = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in held and folder.name != str(os.getpid()):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_of_the_sandbox_outlives_its_owner(ending: signal.Signals, output: Path) -> None:
    log = output / f"owner-{ending.name}"
    mark = f"owned-by-test-{ending.name}-{os.getpid()}"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, log],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "MARK": mark},
    )
    assert owner.stdout
    assert owner.stdout.readline().startswith("up")
    assert len(processes_naming(mark)) >= 3
    owner.send_signal(ending)
    owner.wait(20)
    owner.stdout.close()
    eventually(lambda: not processes_naming(mark), "nothing is left")


def test_a_crash_of_the_emulator_leaves_no_process_of_a_function(output: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("f.py", "import os\ndef handler(*_): return os.getpid()")
    with Cloud(log=output / "crash") as cloud:
        function = cloud.client("lambda")
        function.create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role="arn:aws:iam::123456789012:role/f",
            Handler="f.handler",
            Code={"ZipFile": archive.getvalue()},
        )
        worker = int(function.invoke(FunctionName="f")["Payload"].read())
        assert "ministack" not in Path(f"/proc/{worker}/comm").read_text(), "a process of its own"
        group = os.getpgid(worker)
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(group)}
        assert worker in commands
        (emulator,) = [
            pid for pid, command in commands.items() if command.endswith(b"/in_ministack.py\0") and pid != group
        ]
        os.kill(emulator, signal.SIGKILL)
        eventually(lambda: not processes_of(group), "nothing is left")


def stack_of_builds(project: str, pipeline: str, run_order: str = "1") -> str:
    """Return a template with a project and a pipeline that have these names."""
    role = f"arn:aws:iam::{ACCOUNT}:role/build"
    kinds = {"Source": "CodeStarSourceConnection", "Build": "CodeBuild"}
    stages = [
        {
            "Name": kind,
            "Actions": [
                {
                    "Name": kind,
                    "ActionTypeId": {"Category": kind, "Owner": "AWS", "Provider": provider, "Version": 1},
                    "Configuration": {"ProjectName": {"Ref": "Project"}},
                    "RunOrder": run_order,
                }
            ],
        }
        for kind, provider in kinds.items()
    ]
    environment = {"Type": "LINUX_CONTAINER", "Image": "image", "ComputeType": "BUILD_GENERAL1_SMALL"}
    parts = {"ServiceRole": role, "Environment": environment}
    parts |= {"Source": {"Type": "NO_SOURCE"}, "Artifacts": {"Type": "NO_ARTIFACTS"}}
    resources: dict[str, dict[str, Any]] = {
        "Project": {"Type": "AWS::CodeBuild::Project", "Properties": {"Name": project, **parts}},
        "Pipeline": {
            "Type": "AWS::CodePipeline::Pipeline",
            "Properties": {"Name": pipeline, "RoleArn": role, "Stages": stages},
        },
    }
    return json.dumps({"Resources": resources})


def test_projects_and_pipelines_of_a_stack_are_those_that_run_and_go_with_it(cloud: Cloud) -> None:
    cloudformation = cloud.client("cloudformation")
    codebuild, codepipeline = cloud.client("codebuild"), cloud.client("codepipeline")

    def settle(status: str) -> None:
        stack = {"StackName": created}
        eventually(lambda: cloudformation.describe_stacks(**stack)["Stacks"][0]["StackStatus"] == status, status)

    created = cloudformation.create_stack(
        StackName="builds", TemplateBody=stack_of_builds("of-a-stack", "pipeline-of-a-stack")
    )["StackId"]
    settle("CREATE_COMPLETE")
    assert codebuild.start_build(projectName="of-a-stack")["build"]["buildStatus"] == "IN_PROGRESS"
    (execution,) = cloud.builds.pipeline_runs("pipeline-of-a-stack")
    assert execution.trigger == "CreatePipeline"

    def action() -> dict[str, Any]:
        (stage, _) = codepipeline.get_pipeline(name="pipeline-of-a-stack")["pipeline"]["stages"]
        found: dict[str, Any] = stage["actions"][0]
        return found

    assert action()["configuration"] == {"ProjectName": "of-a-stack"}

    changed = stack_of_builds("of-a-stack", "pipeline-of-a-stack", "2")
    cloudformation.update_stack(StackName="builds", TemplateBody=changed)
    settle("UPDATE_COMPLETE")
    assert action()["runOrder"] == 2

    cloudformation.delete_stack(StackName="builds")
    settle("DELETE_COMPLETE")
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException):
        codebuild.start_build(projectName="of-a-stack")
    with pytest.raises(codepipeline.exceptions.PipelineNotFoundException):
        codepipeline.get_pipeline(name="pipeline-of-a-stack")


def test_a_repository_of_a_stack_is_where_images_are_pushed_and_goes_with_it(cloud: Cloud) -> None:
    cloudformation, ecr = cloud.client("cloudformation"), cloud.client("ecr")
    properties = {"ImageTagMutability": "IMMUTABLE", "EmptyOnDelete": True}
    resources: dict[str, dict[str, Any]] = {
        "Named": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "of-a-stack", **properties}},
        "Unnamed": {"Type": "AWS::ECR::Repository"},
    }
    outputs = {
        "Arn": {"Value": {"Fn::GetAtt": ["Named", "Arn"]}},
        "Uri": {"Value": {"Fn::GetAtt": ["Named", "RepositoryUri"]}},
        "Unnamed": {"Value": {"Ref": "Unnamed"}},
    }
    created = cloudformation.create_stack(
        StackName="repositories", TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs})
    )["StackId"]

    def settle(status: str) -> None:
        stack = {"StackName": created}
        eventually(lambda: cloudformation.describe_stacks(**stack)["Stacks"][0]["StackStatus"] == status, status)

    settle("CREATE_COMPLETE")
    (named,) = ecr.describe_repositories(repositoryNames=["of-a-stack"])["repositories"]
    assert named["imageTagMutability"] == "IMMUTABLE"
    assert [cloud.output(created, key) for key in ("Arn", "Uri")] == [named["repositoryArn"], named["repositoryUri"]]
    unnamed = cloud.output(created, "Unnamed")
    for repository in ("of-a-stack", unnamed):
        push(ecr, repository, "v1")
    ecr.batch_delete_image(repositoryName=unnamed, imageIds=[{"imageTag": "v1"}])

    resources["Named"]["Properties"] = {"RepositoryName": "of-a-stack-2"}
    cloudformation.update_stack(StackName=created, TemplateBody=json.dumps({"Resources": resources}))
    settle("UPDATE_COMPLETE")
    names = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
    assert {"of-a-stack-2", unnamed} <= names

    cloudformation.delete_stack(StackName=created)
    settle("DELETE_COMPLETE")
    names = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
    assert not {"of-a-stack-2", unnamed} & names


def test_a_build_that_a_function_starts_pushes_its_image_without_anybody_asking(cloud: Cloud) -> None:
    started = "boto3.client('codebuild').start_build(projectName='by-a-function')"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("f.py", f"import boto3\ndef handler(*_): return {started}['build']['id']")
    parts = {"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"}
    cloud.client("codebuild").create_project(
        name="by-a-function",
        source={"type": "NO_SOURCE"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment=parts,
        serviceRole=f"arn:aws:iam::{ACCOUNT}:role/build",
    )
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="by-a-function")
    cloud.builds.play("by-a-function", Build({"BUILD": 0.5}, does=lambda: push(ecr, "by-a-function", "v1")))
    cloud.client("lambda").create_function(
        FunctionName="starts-a-build",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT}:role/f",
        Handler="f.handler",
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
    )
    answer = cloud.client("lambda").invoke(FunctionName="starts-a-build")
    build_id = json.loads(answer["Payload"].read())
    assert [build.id for build in cloud.builds.runs("by-a-function")] == [build_id]
    assert cloud.builds_proxy.count("codebuild:StartBuild", containing="by-a-function") == 1
    eventually(lambda: ecr.list_images(repositoryName="by-a-function")["imageIds"] != [], "the image is there")


def four_free_ports() -> int:
    """Return the first of four ports in a row, which no connection gets from the system at random."""
    for first in range(20_000 + os.getpid() % 1000 * 4, 32_000, 4):
        try:
            for port in range(first, first + 4):
                require_free(port, "127.0.0.1")
        except PortTaken:
            continue
        return first
    raise AssertionError


def test_a_port_that_is_taken_is_said_so(output: Path) -> None:
    port = four_free_ports()

    with Cloud(log=output / "first", port=port), pytest.raises(PortTaken, match=f"Port {port} of"):
        Cloud(log=output / "second", port=port)


def test_an_assumed_role_reads_its_own_account_s_ecr_and_names_another_one_s(cloud: Cloud) -> None:
    other, repository = "210987654321", {"repositoryName": "assumed"}
    pushed = {}
    for account in (ACCOUNT, other):
        ecr = cloud.client("ecr", account=account)
        ecr.create_repository(**repository)
        pushed[account] = push(ecr, "assumed", "v1", content=account)
    role = f"arn:aws:iam::{other}:role/reader"
    given = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="waiter")["Credentials"]
    assumed = boto3.client(
        "ecr",
        endpoint_url=cloud.ecr_proxy.url,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    own = assumed.describe_images(**repository)["imageDetails"]
    named = assumed.describe_images(**repository, registryId=ACCOUNT)["imageDetails"]
    assert [[each["imageDigest"] for each in found] for found in (own, named)] == [[pushed[other]], [pushed[ACCOUNT]]]


@pytest.mark.parametrize("image", IMAGES)
def test_every_line_of_the_demo_is_one_of_the_stack_s_events_or_of_the_log_s_and_none_is_missing(
    cloud: Cloud, deployed: dict[int, Deployed], image: str
) -> None:
    stack, group, scenario = f"demo-{image}", cloud.output(STACK, "LogGroupName"), IMAGES[image]
    assert scenario.timeout
    screen = io.StringIO()
    deployed[TIMEOUT].set_timeout(scenario.timeout)
    try:
        # Long enough for an invocation on a busy machine to end and be logged, so that the order cannot depend on it.
        hold_back = 3.0 * scenario.timeout
        console = Console(file=screen)
        status = play(cloud, group, console, scenario, stack=stack, namespace=f"{image}/", hold_back=hold_back)
    finally:
        deployed[TIMEOUT].set_timeout(TIMEOUT)
    assert status == scenario.ends_as
    told = told_of(cloud, stack, group)
    require_every_line(screen.getvalue(), told)

    assert len(told.messages("Handed over to invocation")) >= 2, "three invocations or more"
    if image == "pushed":
        checked = {each["LogicalResourceId"] for each in told.entries if each["message"].startswith("Checked")}
        assert checked == {"ParserImage", "GeneratorImage"}
    else:
        assert re.match("CREATE_FAILED: Gave up on never/[a-z]+:latest .*newest tags are lastest", told.reason)
        assert ("demo-never", "ROLLBACK_IN_PROGRESS: Rollback requested") in told.events


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--scenario", "frist-deploy"], "SCENARIO: received frist-deploy, allowed: build-fails, first-deploy"),
        (["--image", "late"], "IMAGE: received late, allowed: pushed, never"),
        (["--image", "never", "--scenario", "build-fails"], "IMAGE and SCENARIO: one of them, not both"),
    ],
)
def test_a_demo_that_is_not_there_is_one_clear_error(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        chosen(asked)
    usage, error = capsys.readouterr().err.splitlines()
    assert usage == "usage: make demo [IMAGE=pushed|never] or [SCENARIO=build-fails|first-deploy]"
    assert error == f"make demo: error: {said}"


def test_the_demo_that_nobody_names_is_the_one_whose_images_come() -> None:
    assert chosen(["--image", "", "--scenario", ""]) is IMAGES["pushed"]
    assert chosen(["--image", "never", "--scenario", ""]) is IMAGES["never"]
    assert chosen(["--image", "", "--scenario", "first-deploy"]) is SCENARIOS["first-deploy"]
