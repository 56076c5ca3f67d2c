"""A registry, and a service on Fargate that is deployed when the commit's image is in it."""

from aws_cdk import App
from stacks.app_stack import AppStack
from stacks.fargate_stack import FargateStack

app = App()
registry = AppStack(app, "AppStack")
FargateStack(app, "FargateStack", repository=registry.repository, commit=app.node.get_context("commit"))
app.synth()
