"""The service on Fargate."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_ecs_patterns as patterns
from constructs import Construct

from ecr_image_waiter.cdk import EcrImageWaiter


class FargateStack(Stack):
    """Starts the service when the commit's image is in the repository.

    Args:
        scope: the app.
        name: of the stack.
        repository: holds the image.
        commit: the image's tag.
        settings: of any stack.
    """

    def __init__(
        self, scope: Construct, name: str, *, repository: ecr.IRepository, commit: str, **settings: Any
    ) -> None:
        super().__init__(scope, name, **settings)
        image = EcrImageWaiter(
            self,
            "Image",
            repository=repository,
            tag=commit,
            deploy_target="ECS",
            platform="linux/amd64",
        )
        vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC)],
        )
        patterns.ApplicationLoadBalancedFargateService(
            self,
            "Api",
            service_name="mp-api-service",
            cluster=ecs.Cluster(self, "Cluster", cluster_name="mp-cluster", vpc=vpc),
            task_image_options=patterns.ApplicationLoadBalancedTaskImageOptions(
                image=image.container_image(),
                container_port=8080,
            ),
            desired_count=1,
            assign_public_ip=True,  # to pull the image: there is no NAT gateway
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            min_healthy_percent=100,
        )
