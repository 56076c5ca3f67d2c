"""Five functions of two images."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter, Image

FUNCTIONS = {"Api": "Light", "Triage": "Light", "Publish": "Light", "Thumbnails": "Heavy", "Video": "Heavy"}
"""The image of each; which part of it a function runs, its command says."""


class BackendStack(Stack):
    """Waits for both images of the commit, has them built where nobody has, and runs what was found."""

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
        images = EcrImageWaiter(
            self,
            "Images",
            images=[
                Image(
                    id=each,
                    repository=repository,
                    tag="latest",
                    labels={"org.opencontainers.image.revision": commit},  # latest is another commit's until the push
                    deploy_target="Lambda",
                    platform=lambda_.Architecture.ARM_64,
                )
                for each, repository in (("Light", light), ("Heavy", heavy))
            ],
            pipeline=pipeline,
            start_build=True,
        )
        for each, image in FUNCTIONS.items():
            function = lambda_.DockerImageFunction(
                self,
                each,
                code=images.docker_image_code(image, cmd=[f"app.{each.lower()}"]),
                architecture=lambda_.Architecture.ARM_64,
                memory_size=2048 if image == "Heavy" else 256,
                timeout=Duration.minutes(5 if image == "Heavy" else 1),
                environment={"MEDIA": media.bucket_name, "SESSIONS": sessions.table_name},
            )
            media.grant_read_write(function)
            sessions.grant_read_write_data(function)
