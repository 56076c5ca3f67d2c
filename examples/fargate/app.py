"""A repository, and a service on Fargate that is deployed when the commit's image is in it."""

from aws_cdk import App, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_ecs_patterns as patterns

from ecr_image_waiter.cdk import EcrImageWaiter

app = App()
commit = app.node.get_context("commit")

registry = Stack(app, "AppStack")
repository = ecr.Repository(
    registry,
    "Repository",
    repository_name="app-mp",
    image_tag_mutability=ecr.TagMutability.IMMUTABLE,
)

service = Stack(app, "FargateStack")
image = EcrImageWaiter(
    service,
    "Image",
    repository=repository,
    tag=commit,
    deploy_target="ECS",
    platform="linux/amd64",
)
vpc = ec2.Vpc(
    service,
    "Vpc",
    max_azs=2,
    nat_gateways=0,
    subnet_configuration=[ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC)],
)
patterns.ApplicationLoadBalancedFargateService(
    service,
    "Api",
    cluster=ecs.Cluster(service, "Cluster", vpc=vpc),
    task_image_options=patterns.ApplicationLoadBalancedTaskImageOptions(
        image=image.container_image(),
        container_port=8080,
    ),
    assign_public_ip=True,  # to pull the image: there is no NAT gateway
    circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
    min_healthy_percent=100,
)

app.synth()
