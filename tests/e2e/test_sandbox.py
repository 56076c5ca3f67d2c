"""The sandbox leaves nothing behind, however it ends, and shows nothing that did not happen."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from sandbox.builds import Build
from sandbox.cloud import ACCOUNT, STACK, Cloud
from sandbox.demo import FUNCTION_TIMEOUT, play
from sandbox.images import push
from sandbox.processes import ROOT, PortTaken, free_port
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


def stack_of_builds(project: str, pipeline: str, mode: str = "SUPERSEDED") -> str:
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
                    "RunOrder": "1",
                }
            ],
        }
        for kind, provider in kinds.items()
    ]
    environment = {"Type": "LINUX_CONTAINER", "Image": "image", "ComputeType": "BUILD_GENERAL1_SMALL"}
    parts = {"ServiceRole": role, "Environment": environment}
    parts |= {"Source": {"Type": "NO_SOURCE"}, "Artifacts": {"Type": "NO_ARTIFACTS"}}
    resources = {
        "Project": {"Type": "AWS::CodeBuild::Project", "Properties": {"Name": project, **parts}},
        "Pipeline": {
            "Type": "AWS::CodePipeline::Pipeline",
            "Properties": {"Name": pipeline, "RoleArn": role, "Stages": stages, "ExecutionMode": mode},
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
    build = codebuild.start_build(projectName="of-a-stack")["build"]
    assert build["environment"]["image"] == "image"
    (execution,) = cloud.builds.pipeline_runs("pipeline-of-a-stack")
    assert execution.trigger["triggerType"] == "CreatePipeline"
    (stage, _) = codepipeline.get_pipeline(name="pipeline-of-a-stack")["pipeline"]["stages"]
    assert stage["actions"][0]["configuration"] == {"ProjectName": "of-a-stack"}

    queued = stack_of_builds("of-a-stack", "pipeline-of-a-stack", "QUEUED")
    cloudformation.update_stack(StackName="builds", TemplateBody=queued)
    settle("UPDATE_COMPLETE")
    assert codepipeline.get_pipeline(name="pipeline-of-a-stack")["pipeline"]["executionMode"] == "QUEUED"

    cloudformation.delete_stack(StackName="builds")
    settle("DELETE_COMPLETE")
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException):
        codebuild.start_build(projectName="of-a-stack")
    with pytest.raises(codepipeline.exceptions.PipelineNotFoundException):
        codepipeline.get_pipeline(name="pipeline-of-a-stack")


def stack_of_a_repository(**properties: object) -> str:
    """Return a template with a repository that has these properties beside its name."""
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "of-a-stack", **properties}}
    uri = {"Value": {"Fn::GetAtt": ["Repository", "RepositoryUri"]}}
    return json.dumps({"Resources": {"Repository": repository}, "Outputs": {"Uri": uri}})


def test_repositories_of_a_stack_are_those_that_images_are_pushed_to_and_go_with_it(cloud: Cloud) -> None:
    cloudformation, ecr, named = cloud.client("cloudformation"), cloud.client("ecr"), {"repositoryName": "of-a-stack"}

    def settle(status: str) -> None:
        stack = {"StackName": created}
        eventually(lambda: cloudformation.describe_stacks(**stack)["Stacks"][0]["StackStatus"] == status, status)

    old = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}
    rules = json.dumps({"rules": [{"rulePriority": 1, "selection": old, "action": {"type": "expire"}}]})
    body = stack_of_a_repository(LifecyclePolicy={"LifecyclePolicyText": rules})
    created = cloudformation.create_stack(StackName="repository", TemplateBody=body)["StackId"]
    settle("CREATE_COMPLETE")
    assert cloud.output("repository", "Uri") == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/of-a-stack"
    assert ecr.get_lifecycle_policy(**named)["lifecyclePolicyText"] == rules
    push(ecr, "of-a-stack", "v1")

    scanned = stack_of_a_repository(ImageScanningConfiguration={"ScanOnPush": True}, EmptyOnDelete=True)
    cloudformation.update_stack(StackName="repository", TemplateBody=scanned)
    settle("UPDATE_COMPLETE")
    (found,) = ecr.describe_repositories(repositoryNames=["of-a-stack"])["repositories"]
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}

    cloudformation.delete_stack(StackName="repository")
    settle("DELETE_COMPLETE")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=["of-a-stack"])


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


def test_a_port_that_is_taken_is_said_so(output: Path) -> None:
    with Cloud(log=output / "first", port=(port := free_port())), pytest.raises(PortTaken, match=f"Port {port} of"):
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


PRINTED = re.compile(r" *([0-9.]+) s  (stack|log)  +(\S+) +(.+)")


def stack_events(cloud: Cloud, stack: str) -> list[dict[str, Any]]:
    pages = cloud.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]]


def log_entries(cloud: Cloud, group: str, stack_id: str) -> list[dict[str, Any]]:
    logs = cloud.client("logs")
    streams = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
    messages = [
        event["message"]
        for page in streams
        for stream in page["logStreams"]
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)[
            "events"
        ]
    ]
    entries = [json.loads(message) for message in messages if message.startswith("{")]
    return [entry for entry in entries if entry.get("StackId") == stack_id]


@pytest.mark.parametrize(("image", "ends_as"), [("pushed", "CREATE_COMPLETE"), ("never", "ROLLBACK_COMPLETE")])
def test_every_line_of_the_demo_is_one_of_the_stack_s_events_or_of_the_log_s_and_none_is_missing(
    cloud: Cloud, deployed: dict[int, Deployed], image: str, ends_as: str
) -> None:
    stack, group = f"demo-{image}", cloud.output(STACK, "LogGroupName")
    screen = io.StringIO()
    cloud.set_timeout(cloud.output(STACK, "ServiceToken"), FUNCTION_TIMEOUT)
    try:
        # Long enough for an invocation on a busy machine to end and be logged, so that the order cannot depend on it.
        hold_back = 3.0 * FUNCTION_TIMEOUT
        console = Console(file=screen)
        status = play(cloud, group, console, image, stack=stack, namespace=f"{image}/", hold_back=hold_back)
    finally:
        cloud.set_timeout(cloud.output(STACK, "ServiceToken"), TIMEOUT)
    assert deployed
    assert status == ends_as

    matches = [PRINTED.fullmatch(line) for line in screen.getvalue().splitlines()]
    assert None not in matches, screen.getvalue()
    printed = [match.groups() for match in matches if match]
    times = [float(at) for at, *_ in printed]
    assert times == sorted(times)

    events = stack_events(cloud, stack)
    expected = Counter(
        (
            event["LogicalResourceId"],
            ": ".join(filter(None, [event["ResourceStatus"], event.get("ResourceStatusReason")])),
        )
        for event in events
    )
    assert Counter((resource, text) for _, source, resource, text in printed if source == "stack") == expected

    entries = log_entries(cloud, group, events[0]["StackId"])
    told = [(entry["LogicalResourceId"], entry["message"], entry.get("next_check_in_seconds")) for entry in entries]
    shown = [(resource, *_without_the_pause(text)) for _, source, resource, text in printed if source == "log"]
    assert Counter(
        (resource, message, None if pause is None else f"{pause:.1f}") for resource, message, pause in told
    ) == (Counter(shown))

    assert sum("Handed over to invocation" in message for _, message, _ in told) >= 2, "three invocations or more"
    if image == "pushed":
        assert {resource for resource, message, _ in told if message.startswith("Checked")} == {
            "ParserImage",
            "GeneratorImage",
        }
    else:
        texts = [text for _, text in expected]
        assert any(
            re.match("CREATE_FAILED: Gave up on never/[a-z]+:latest .*newest tags are lastest", text) for text in texts
        ), texts
        assert any(text.startswith("ROLLBACK_IN_PROGRESS") for text in texts)
        assert any(text.startswith("ROLLBACK_COMPLETE") for text in texts)


def _without_the_pause(text: str) -> tuple[str, str | None]:
    found = re.fullmatch(r"(.*); check [0-9]+, the next in ([0-9.]+) s", text)
    return (found[1], found[2]) if found else (text, None)
