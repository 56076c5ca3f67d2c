"""The CICD stack, whose pipeline pushes two images, and the API stack, whose functions run them."""

from aws_cdk import App
from stacks.api_stack import ApiStack
from stacks.cicd_stack import CicdStack

app = App()
cicd = CicdStack(
    app,
    "OER-CICD",
    connection_arn=app.node.get_context("connectionArn"),
    source_repository=app.node.get_context("sourceRepository"),
)
api = ApiStack(
    app,
    "OER-Api",
    text_generation=cicd.text_generation,
    practice_material=cicd.practice_material,
    pipeline=cicd.pipeline,
    commit=app.node.get_context("commit"),
)
api.add_dependency(cicd)
app.synth()
