"""The construct says what the resource can be told, at synth, and hands its answers on as tokens."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, Environment, Fn, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from ecr_image_waiter.cdk import EcrImageWaiter, EcrImageWaiterProvider, Image
from ecr_image_waiter.cfn.properties import Entry, Properties
from ecr_image_waiter.cfn.response import longest_attributes
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.messages import InvalidRequest
from ecr_image_waiter.core.model import Place
from sandbox.processes import ROOT
from tests.support.lint import Linter

TYPE = "Custom::EcrImageWaiter"
DIGEST = "sha256:" + "0123456789abcdef" * 4
URI = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app@{DIGEST}"
PLACE = Environment(account="123456789012", region="eu-west-1")


@pytest.fixture
def stack() -> Stack:
    return Stack(App(), "Stack")


def waiter(stack: Stack, **given: Any) -> EcrImageWaiter:
    return EcrImageWaiter(stack, "Parser", **{"repository": "app", "tag": "v1", **given})


def synthesized(stack: Stack) -> dict[str, Any]:
    return dict(Template.from_stack(stack).to_json())


def resources(stack: Stack, type_: str = TYPE) -> dict[str, Any]:
    return {id_: each for id_, each in synthesized(stack)["Resources"].items() if each["Type"] == type_}


def properties(stack: Stack) -> dict[str, Any]:
    (resource,) = resources(stack).values()
    received: dict[str, Any] = resource["Properties"]
    return received


def faults(**given: Any) -> str:
    with pytest.raises(ValueError, match="is not valid") as caught:
        EcrImageWaiter(given.pop("stack", None) or Stack(App(), "Stack"), "Parser", **given)
    return str(caught.value)


def test_every_property_of_the_resource_can_be_given(stack: Stack) -> None:
    of_an_image: dict[str, Any] = {
        "digest": DIGEST,
        "registry_id": "210987654321",
        "region": "us-east-1",
        "role": "arn:aws:iam::210987654321:role/reader",
        "deploy_target": "ECS",
        "platform": lambda_.Architecture.ARM_64,
        "labels": {"commit": "4711"},
        "pushed_after": datetime(2026, 11, 1, 12, tzinfo=UTC),
    }
    rest: dict[str, Any] = {
        "build_project": "build",
        "start_build": True,
        "max_retries": 0,
        "retry_delay": Duration.minutes(1),
        "backoff_rate": 1.25,
        "wait_for_repository": False,
        "trigger": "4711",
        "service_timeout": 1200,
    }

    reader = iam.Role.from_role_arn(stack, "Role", of_an_image["role"])
    one = waiter(stack, **{**of_an_image, "role": reader}, **rest)
    EcrImageWaiter(stack, "Uri", image_uri=URI, pipeline="pipeline")
    entry = Image(id="A", repository="app", tag="v1", **of_an_image)
    EcrImageWaiter(stack, "Several", images=[entry, Image(id="B", image_uri=URI)])

    by_id = {id_[:-8]: each["Properties"] for id_, each in resources(stack).items()}
    assert by_id["Parser"] == {
        "ServiceToken": by_id["Several"]["ServiceToken"],
        "RepositoryName": "app",
        "ImageTag": "v1",
        "ImageDigest": DIGEST,
        "RegistryId": "210987654321",
        "Region": "us-east-1",
        "RoleArn": "arn:aws:iam::210987654321:role/reader",
        "DeployTarget": "ECS",
        "Platform": "linux/arm64",
        "Labels": {"commit": "4711"},
        "PushedAfter": "2026-11-01T12:00:00+00:00",
        "BuildProject": "build",
        "StartBuild": True,
        "MaxRetries": 0,
        "RetryDelaySeconds": 60,
        "BackoffRate": 1.25,
        "WaitForRepository": False,
        "Trigger": "4711",
        "ServiceTimeout": 1200,
    }
    assert {*by_id["Parser"], *by_id["Uri"], *by_id["Several"]} == Properties.model_fields.keys()
    assert {name for each in by_id["Several"]["Images"] for name in each} == Entry.model_fields.keys()
    for each in by_id.values():
        assert read_properties(each, None)
    assert one.node.path == "Stack/Parser"


def test_what_is_not_given_is_not_said(stack: Stack) -> None:
    waiter(stack, repository=ecr.Repository(stack, "Repository"))
    assert properties(stack).keys() == {"ServiceToken", "RepositoryName", "ImageTag"}


def test_all_that_is_wrong_stands_in_one_error() -> None:
    wrong = {"RepositoryName": "App", "MaxRetries": -1, "Platform": "vax"}
    with pytest.raises(InvalidRequest) as said:
        read_properties(wrong, None)
    assert len(said.value.faults) == 4
    head, *lines = faults(repository="App", max_retries=-1, platform="vax").splitlines()
    assert head == "Stack/Parser, Custom::EcrImageWaiter, is not valid:"
    assert lines == [f"- {fault}" for fault in said.value.faults], "what the service itself would say"
    assert "Images[1].ImageTag: missing" in faults(
        images=[Image(id="A", image_uri=URI), Image(id="B", repository="b1")]
    )
    assert 'RepositoryName: received "app", cannot be combined with Images' in faults(
        repository="app", images=[Image(id="A", image_uri=URI)]
    )
    assert 'duplicate Id "A"' in faults(images=[Image(id="A", image_uri=URI)] * 2)
    assert "Images: received a list of 0, allowed" in faults(images=[])


def test_values_that_only_the_deployment_knows_are_let_through(stack: Stack) -> None:
    text = CfnParameter(stack, "Text").value_as_string
    number = CfnParameter(stack, "Number", type="Number").value_as_number
    image: dict[str, Any] = {
        **dict.fromkeys(("registry_id", "region", "role", "deploy_target", "platform", "pushed_after"), text),
        "labels": {"commit": text},
    }
    rest = dict.fromkeys(("build_project", "trigger"), text) | {"max_retries": number, "backoff_rate": number}

    waiter(stack, repository=text, tag=text, digest=text, **image, **rest, service_timeout=number, retry_delay=number)
    EcrImageWaiter(
        stack, "Uri", image_uri=f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com/app:v1", pipeline=text
    )
    EcrImageWaiter(stack, "Several", images=[Image(id="A", repository=text, tag=text, **image)])
    EcrImageWaiter(stack, "Duration", image_uri=text, retry_delay=Duration.seconds(number))

    by_id = {id_[:-8]: each["Properties"] for id_, each in resources(stack).items()}
    assert by_id["Parser"]["RepositoryName"] == {"Ref": "Text"}
    assert by_id["Parser"]["MaxRetries"] == by_id["Duration"]["RetryDelaySeconds"] == {"Ref": "Number"}
    assert by_id["Several"]["Images"][0]["Platform"] == {"Ref": "Text"}


def test_a_value_that_is_not_known_hides_no_fault_of_another() -> None:
    stack = Stack(App(), "Stack")
    text = CfnParameter(stack, "Text").value_as_string
    told = faults(stack=stack, images=[Image(id="A", repository=text, tag="-", labels={"a": text, "b": "x" * 1025})])
    named = {line.split(": ")[0] for line in told.splitlines()[1:]}
    assert named == {"- Images[0].ImageTag", '- Images[0].Labels["b"]'}


def test_what_cannot_be_reached_from_the_stack_s_region_is_told_where_that_is_known() -> None:
    abroad = {"repository": "app", "tag": "v1", "region": "us-east-1", "deploy_target": "Lambda"}

    assert "received Lambda with an image in" in faults(stack=Stack(App(), "Stack", env=PLACE), **abroad)
    waiter(Stack(App(), "Anywhere"), **abroad)
    for name in ("region", "role", "build_project", "image_uri"):
        here = Stack(App(), "Stack", env=PLACE)
        token = Fn.ref("AWS::StackId")
        unknown = (
            {"image_uri": token, "repository": None, "tag": None} if name == "image_uri" else {name: f"arn:{token}"}
        )
        waiter(here, **{**({} if name == "build_project" else {"deploy_target": "Lambda"}), **unknown})


def test_the_service_token_is_looked_up_when_the_stack_is_deployed(stack: Stack) -> None:
    parameter = "/other/token"
    waiter(stack, service_token_parameter=parameter)
    parameters = synthesized(stack)["Parameters"]
    (name,) = parameters.keys() - {"BootstrapVersion"}
    assert properties(stack)["ServiceToken"] == {"Ref": name}
    assert parameters[name] == {"Type": "AWS::SSM::Parameter::Value<String>", "Default": parameter}


def test_the_service_token_can_be_given(stack: Stack) -> None:
    waiter(stack, service_token=Fn.import_value("ecr-image-waiter-ServiceToken"))
    assert properties(stack)["ServiceToken"] == {"Fn::ImportValue": "ecr-image-waiter-ServiceToken"}


def test_a_waiter_of_the_app_is_used_when_all_of_it_is_there(stack: Stack) -> None:
    waiter(stack, service_token=EcrImageWaiterProvider(stack, "Waiter"))

    template = synthesized(stack)["Resources"]
    (resource,) = resources(stack).values()
    (function,) = (id_ for id_ in template if id_.startswith("WaiterWaiterFunction") and "Config" not in id_)
    assert resource["Properties"]["ServiceToken"] == {"Fn::GetAtt": [function, "Arn"]}
    always = {id_ for id_, each in template.items() if id_.startswith("Waiter") and "Condition" not in each}
    assert set(resource["DependsOn"]) == always
    assert any("InvokeItself" in id_ for id_ in always)


def test_each_attribute_is_a_token_of_its_own(stack: Stack) -> None:
    one = waiter(stack)
    (id_,) = resources(stack)
    read = read_properties({"RepositoryName": "app", "ImageTag": "v1"}, None)
    told = longest_attributes(read.all_wanted, lambda *_: "", Place("aws", "eu-west-1", "123456789012"))
    for name in told:
        argument = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        assert stack.resolve(getattr(one, argument)) == {"Fn::GetAtt": [id_, name]}
    with pytest.raises(ValueError, match="no image with the Id 'A'; it has none: there is one image, see image_uri"):
        one.image_uri_of("A")


def test_of_several_images_each_has_its_uri_and_nothing_else(stack: Stack) -> None:
    several = EcrImageWaiter(stack, "Both", images=[Image(id=id_, repository="app", tag=id_) for id_ in ("a", "b")])
    (id_,) = resources(stack)
    assert stack.resolve(several.image_uri_of("b")) == {"Fn::GetAtt": [id_, "b.ImageUri"]}
    assert stack.resolve(several.waited_seconds) == {"Fn::GetAtt": [id_, "WaitedSeconds"]}
    with pytest.raises(ValueError, match="no image with the Id 'c'; it has a, b"):
        several.image_uri_of("c")
    with pytest.raises(ValueError, match="several images"):
        _ = several.image_uri


def test_a_function_runs_the_very_image_that_was_found_and_is_created_after_it(stack: Stack) -> None:
    repository = ecr.Repository(stack, "Repository")
    one = waiter(stack, repository=repository)

    lambda_.DockerImageFunction(
        stack,
        "Function",
        code=one.docker_image_code(cmd=["app.handler"], entrypoint=["/run"], working_directory="/app"),
    )

    (id_,) = resources(stack)
    (function,) = resources(stack, "AWS::Lambda::Function").values()
    assert function["Properties"]["Code"] == {"ImageUri": {"Fn::GetAtt": [id_, "ImageUri"]}}
    assert function["Properties"]["ImageConfig"] == {
        "Command": ["app.handler"],
        "EntryPoint": ["/run"],
        "WorkingDirectory": "/app",
    }
    (held,) = resources(stack, "AWS::ECR::Repository").values()
    (statement,) = held["Properties"]["RepositoryPolicyText"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("given", "arn"),
    [
        ({"repository": "team/app", "tag": "v1"}, ["ecr:", {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}]),
        (
            {"repository": "team/app", "tag": "v1", "region": "us-east-1", "registry_id": "210987654321"},
            ["ecr:us-east-1:210987654321:repository/team/app"],
        ),
        ({"image_uri": URI}, ["ecr:eu-west-1:123456789012:repository/team/app"]),
    ],
)
def test_a_task_runs_the_very_image_that_was_found_and_may_pull_it(
    stack: Stack, given: dict[str, Any], arn: list[Any]
) -> None:
    one = EcrImageWaiter(stack, "Parser", **given)
    task = ecs.FargateTaskDefinition(stack, "Task")
    task.add_container("Container", image=one.container_image())

    (id_,) = resources(stack)
    (definition,) = resources(stack, "AWS::ECS::TaskDefinition").values()
    assert definition["Properties"]["ContainerDefinitions"][0]["Image"] == {"Fn::GetAtt": [id_, "ImageUri"]}
    (policy,) = resources(stack, "AWS::IAM::Policy").values()
    pull, log_in = policy["Properties"]["PolicyDocument"]["Statement"]
    assert "ecr:BatchGetImage" in pull["Action"]
    assert all(str(part).strip("'") in str(pull["Resource"]) for part in arn)
    assert log_in["Action"] == "ecr:GetAuthorizationToken"


def test_one_of_several_images_is_run_by_its_id(stack: Stack) -> None:
    several = EcrImageWaiter(stack, "Both", images=[Image(id=id_, repository="app", tag=id_) for id_ in ("a", "b")])
    lambda_.DockerImageFunction(stack, "Function", code=several.docker_image_code("b"))
    ecs.FargateTaskDefinition(stack, "Task").add_container("Container", image=several.container_image("b"))

    (id_,) = resources(stack)
    uri = {"Fn::GetAtt": [id_, "b.ImageUri"]}
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::Lambda::Function", {"Code": {"ImageUri": uri}})
    definition = {"ContainerDefinitions": [Match.object_like({"Image": uri})]}
    template.has_resource_properties("AWS::ECS::TaskDefinition", definition)


def test_an_image_of_ecr_public_is_pulled_without_permissions_and_never_by_lambda(stack: Stack) -> None:
    public = EcrImageWaiter(stack, "Public", image_uri="public.ecr.aws/a1b2c3d4/app:v1")
    ecs.FargateTaskDefinition(stack, "Task").add_container("Container", image=public.container_image())

    (id_,) = resources(stack)
    (definition,) = resources(stack, "AWS::ECS::TaskDefinition").values()
    assert definition["Properties"]["ContainerDefinitions"][0]["Image"] == {"Fn::GetAtt": [id_, "ImageUri"]}
    assert resources(stack, "AWS::IAM::Policy") == {}
    with pytest.raises(ValueError, match="needs a private repository"):
        public.docker_image_code()


def test_a_uri_that_only_the_deployment_knows_gives_nobody_permission_and_says_so(stack: Stack) -> None:
    unknown = EcrImageWaiter(stack, "Parser", image_uri=CfnParameter(stack, "Uri").value_as_string)
    for code in (unknown.docker_image_code, unknown.container_image):
        with pytest.raises(ValueError, match="give repository and tag or digest instead of image_uri"):
            code()


def test_a_repository_of_another_account_and_region_is_looked_up_there() -> None:
    stack = Stack(App(), "Stack", env=PLACE)
    arn = "arn:aws:ecr:us-east-1:210987654321:repository/app"
    theirs = ecr.Repository.from_repository_arn(stack, "Theirs", arn)
    ours = ecr.Repository.from_repository_name(stack, "Ours", "app")

    EcrImageWaiter(stack, "There", repository=theirs, tag="v1")
    EcrImageWaiter(stack, "Here", repository=ours, tag="v1")
    EcrImageWaiter(stack, "Said", repository=theirs, tag="v1", region="eu-west-3", registry_id="111111111111")

    by_id = {id_[:-8]: each["Properties"] for id_, each in resources(stack).items()}
    assert (by_id["There"]["RegistryId"], by_id["There"]["Region"]) == ("210987654321", "us-east-1")
    assert {"RegistryId", "Region"}.isdisjoint(by_id["Here"])
    assert (by_id["Said"]["RegistryId"], by_id["Said"]["Region"]) == ("111111111111", "eu-west-3")


def test_a_repository_that_was_imported_with_its_arn_is_looked_up_where_that_says(stack: Stack) -> None:
    account = CfnParameter(stack, "Account").value_as_string
    arn = stack.format_arn(service="ecr", account=account, resource="repository", resource_name="app")
    waiter(
        stack,
        repository=ecr.Repository.from_repository_attributes(
            stack, "Theirs", repository_arn=arn, repository_name="app"
        ),
    )
    assert properties(stack)["RegistryId"] == {"Ref": "Account"}
    assert "Region" not in properties(stack)


def test_a_repository_of_another_stack_comes_first() -> None:
    app = App()
    registry, backend = Stack(app, "Registry"), Stack(app, "Backend")
    waiter(backend, repository=ecr.Repository(registry, "Repository"))
    assert "Fn::ImportValue" in properties(backend)["RepositoryName"]
    assert [each.node.id for each in backend.dependencies] == ["Registry"]


def test_a_project_is_named_by_its_arn_and_ready_to_be_started(stack: Stack) -> None:
    repository = ecr.Repository(stack, "Repository")
    build_spec = codebuild.BuildSpec.from_object({"version": "0.2"})
    project = codebuild.Project(stack, "Build", build_spec=build_spec)
    repository.grant_pull_push(project)

    waiter(stack, repository=repository, build_project=project, start_build=True)

    (resource,) = resources(stack).values()
    (id_,) = resources(stack, "AWS::CodeBuild::Project")
    (policy,) = resources(stack, "AWS::IAM::Policy")
    assert resource["Properties"]["BuildProject"] == {"Fn::GetAtt": [id_, "Arn"]}
    assert {id_, policy} <= set(resource["DependsOn"])


def test_a_pipeline_is_named_by_its_arn_and_ready_to_be_started(stack: Stack) -> None:
    bucket, source = s3.Bucket(stack, "Source"), codepipeline.Artifact()
    fetch = actions.S3SourceAction(action_name="S", bucket=bucket, bucket_key="k", output=source)
    approve = actions.ManualApprovalAction(action_name="M")
    pipeline = codepipeline.Pipeline(stack, "Pipeline")
    pipeline.add_stage(stage_name="Source", actions=[fetch])
    pipeline.add_stage(stage_name="Build", actions=[approve])

    waiter(stack, pipeline=pipeline, start_build=True)

    (resource,) = resources(stack).values()
    (id_,) = resources(stack, "AWS::CodePipeline::Pipeline")
    assert resource["Properties"]["Pipeline"]["Fn::Join"][1][-1] == {"Ref": id_}
    assert {id_, *resources(stack, "AWS::IAM::Policy")} <= set(resource["DependsOn"])


def test_a_dependent_waits_without_a_reference(stack: Stack) -> None:
    ecr.Repository(stack, "After").node.add_dependency(waiter(stack))
    (repository,) = resources(stack, "AWS::ECR::Repository").values()
    assert repository["DependsOn"] == [*resources(stack)]


def test_the_templates_pass_cfn_lint_with_the_rule_of_the_schema(stack: Stack, lint: Linter) -> None:
    repository = ecr.Repository(stack, "Repository")
    one = waiter(stack, repository=repository, service_token=EcrImageWaiterProvider(stack, "Waiter"))
    function = lambda_.DockerImageFunction(stack, "Function", code=one.docker_image_code())
    several = EcrImageWaiter(stack, "Both", images=[Image(id=id_, repository="app", tag=id_) for id_ in ("a", "b")])
    function.add_environment("OTHER", several.image_uri_of("b"))
    assert lint({"stack": synthesized(stack)}) == ""
    resource = {"Type": TYPE, "Properties": {"ServiceToken": "x", "RepositoryName": "App", "ImageTag": "v1"}}
    assert "E9350" in lint({"wrong": {"Resources": {"Wrong": resource}}})


@pytest.mark.parametrize("missing", ["aws_cdk", "constructs", "jsii"])
def test_without_the_extra_the_import_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; import ecr_image_waiter.cdk"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    last = done.stderr.strip().splitlines()[-1]
    needs = f"ecr_image_waiter.cdk needs {missing}: pip install 'ecr-image-waiter[cdk]'"
    assert last == f"ModuleNotFoundError: {needs}"
