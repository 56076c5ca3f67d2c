"""Five functions of two repositories, and what calls them."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as stepfunctions
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter, Image

from . import FUNCTIONS, function_name, image_tag


class BackendStack(Stack):
    """Waits for the images of the commit, has them built if nobody has, and runs them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        light: ecr.IRepository,
        heavy: ecr.IRepository,
        media: s3.IBucket,
        sessions: dynamodb.ITable,
        pipeline: codepipeline.IPipeline,
        commit: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        repositories = {"light": light, "heavy": heavy}
        images = EcrImageWaiter(
            self,
            "Images",
            images=[
                Image(
                    id=each.title(),
                    repository=repositories[repository],
                    tag=image_tag(each),
                    labels={"org.opencontainers.image.revision": commit},  # the tag is another commit's until the push
                    deploy_target="Lambda",
                    platform=lambda_.Architecture.ARM_64,
                )
                for each, repository in FUNCTIONS.items()
                if repository in repositories
            ],
            pipeline=pipeline,
            start_build=True,
        )
        self.functions = {
            each: self._function(each, images, heavy=repository == "heavy")
            for each, repository in FUNCTIONS.items()
            if repository in repositories
        }
        for function in self.functions.values():
            function.add_environment("MEDIA", media.bucket_name)
            function.add_environment("SESSIONS", sessions.table_name)
            media.grant_read_write(function)
            sessions.grant_read_write_data(function)
        self._api(self.functions["api"], self._steps())

    def _function(self, name: str, images: EcrImageWaiter, *, heavy: bool) -> lambda_.DockerImageFunction:
        return lambda_.DockerImageFunction(
            self,
            name.title(),
            function_name=function_name(name),
            code=images.docker_image_code(name.title()),
            architecture=lambda_.Architecture.ARM_64,
            memory_size=2048 if heavy else 256,
            timeout=Duration.minutes(5 if heavy else 1),
            log_group=logs.LogGroup(self, f"{name.title()}Log", removal_policy=RemovalPolicy.DESTROY),
        )

    def _steps(self) -> stepfunctions.StateMachine:
        steps = {
            each: tasks.LambdaInvoke(self, f"{each.title()}Step", lambda_function=function, payload_response_only=True)
            for each, function in self.functions.items()
            if each != "api"
        }
        chain = steps["triage"].next(steps["thumbnails"]).next(steps["video"]).next(steps["publish"])
        return stepfunctions.StateMachine(
            self, "Steps", definition_body=stepfunctions.DefinitionBody.from_chainable(chain)
        )

    def _api(self, function: lambda_.Function, steps: stepfunctions.StateMachine) -> None:
        steps.grant_start_execution(function)
        function.add_environment("STEPS", steps.state_machine_arn)
        users = cognito.UserPool(self, "Users")
        client = users.add_client("Client")
        api = apigateway.HttpApi(
            self,
            "HttpApi",
            default_integration=integrations.HttpLambdaIntegration("Api", function),
            default_authorizer=authorizers.HttpUserPoolAuthorizer("Users", users, user_pool_clients=[client]),
        )
        CfnOutput(self, "Url", value=api.api_endpoint)
