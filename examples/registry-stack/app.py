"""The app: what lasts, what fills the repositories, and what may come and go."""

from aws_cdk import App, Environment
from stacks.backend import BackendStack
from stacks.pipeline import BackendPipelineStack
from stacks.registry import RegistryStack
from stacks.storage import StorageStack
from stacks.webhook import WebhookStack

app = App()
home = Environment(region="us-east-1")  # CloudFormation makes public repositories nowhere else
commit = app.node.get_context("commit")

registry = RegistryStack(app, "MediaRegistry", env=home)
storage = StorageStack(app, "MediaStorage", env=home, termination_protection=True)
pipeline = BackendPipelineStack(
    app,
    "MediaBackendPipeline",
    env=home,
    repositories=[registry.light, registry.heavy, registry.webhook],
    artifacts=storage.backend_artifacts,
    connection_arn=app.node.get_context("connectionArn"),
    source_repository=app.node.get_context("sourceRepository"),
)
BackendStack(
    app,
    "MediaBackend",
    env=home,
    light=registry.light,
    heavy=registry.heavy,
    media=storage.media,
    sessions=storage.sessions,
    pipeline=pipeline.pipeline,
    commit=commit,
)
WebhookStack(app, "MediaWebhook", env=home, repository=registry.webhook, pipeline=pipeline.pipeline, commit=commit)
app.synth()
