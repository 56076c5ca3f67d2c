"""A function that others call, of an image of its own."""

from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter

from . import function_name, image_tag


class WebhookStack(Stack):
    """Waits for the image of the commit, and puts it behind an HTTP API and CloudFront."""

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
            tag=image_tag("webhook"),
            labels={"org.opencontainers.image.revision": commit},
            deploy_target="Lambda",
            platform=lambda_.Architecture.ARM_64,
            pipeline=pipeline,
            start_build=True,
        )
        function = lambda_.DockerImageFunction(
            self,
            "Webhook",
            function_name=function_name("webhook"),
            code=image.docker_image_code(),
            architecture=lambda_.Architecture.ARM_64,
            log_group=logs.LogGroup(self, "WebhookLog", removal_policy=RemovalPolicy.DESTROY),
        )
        self.functions = {"webhook": function}
        api = apigateway.HttpApi(
            self, "Api", default_integration=integrations.HttpLambdaIntegration("Webhook", function)
        )
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.HttpOrigin(f"{api.api_id}.execute-api.{self.region}.{self.url_suffix}"),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            ),
        )
        CfnOutput(self, "Url", value=f"https://{distribution.domain_name}")
