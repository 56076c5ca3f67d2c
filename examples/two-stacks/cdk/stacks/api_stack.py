"""The functions, each behind a waiter for its image."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter


class ApiStack(Stack):
    """Creates each function when the pipeline has pushed the commit's image of it.

    Args:
        scope: the app.
        name: of the stack.
        text_generation: the repository of one image.
        practice_material: the repository of the other one.
        pipeline: pushes both.
        commit: the deployed commit; the images carry it as a label.
        settings: of any stack.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        text_generation: ecr.IRepository,
        practice_material: ecr.IRepository,
        pipeline: codepipeline.IPipeline,
        commit: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        api = apigateway.HttpApi(self, "HttpApi")
        for id_, path, repository in (
            ("TextGeneration", "/text", text_generation),
            ("PracticeMaterial", "/practice-material", practice_material),
        ):
            image = EcrImageWaiter(
                self,
                f"{id_}Image",
                repository=repository,
                tag="latest",
                labels={"org.opencontainers.image.revision": commit},  # latest is an older commit's until the push
                deploy_target="Lambda",
                platform=lambda_.Architecture.ARM_64,
                pipeline=pipeline,  # if it fails, so does this stack, with its message
            )
            # The reference to the digest is the dependency, and the pin.
            function = lambda_.DockerImageFunction(
                self,
                id_,
                code=image.docker_image_code(),
                architecture=lambda_.Architecture.ARM_64,
                memory_size=512,
                timeout=Duration.seconds(30),
            )
            api.add_routes(
                path=path, methods=[apigateway.HttpMethod.POST], integration=HttpLambdaIntegration(id_, function)
            )
            CfnOutput(self, f"{id_}ImageUri", value=image.image_uri)
        CfnOutput(self, "Url", value=api.api_endpoint)
