"""A function that others call, of an image of its own."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter


class WebhookStack(Stack):
    """Waits for the image of the commit, and puts it behind an HTTP API."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        repository: ecr.IRepository,
        pipeline: codepipeline.IPipeline,
        commit: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        image = EcrImageWaiter(
            self,
            "Image",
            repository=repository,
            tag="webhook-latest",
            labels={"org.opencontainers.image.revision": commit},
            deploy_target="Lambda",
            platform=lambda_.Architecture.ARM_64,
            pipeline=pipeline,
            start_build=True,
        )
        function = lambda_.DockerImageFunction(
            self, "Webhook", code=image.docker_image_code(), architecture=lambda_.Architecture.ARM_64
        )
        api = apigateway.HttpApi(
            self, "Api", default_integration=integrations.HttpLambdaIntegration("Webhook", function)
        )
        CfnOutput(self, "Url", value=api.api_endpoint)
