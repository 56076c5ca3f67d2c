"""The app: stacks that last, and stacks that may come and go."""

from aws_cdk import App, Environment
from stacks import FUNCTIONS, function_name
from stacks.backend import BackendStack
from stacks.backend_pipeline import BackendPipelineStack
from stacks.frontend import FrontendStack
from stacks.frontend_pipeline import FrontendPipelineStack
from stacks.operations import OperationsStack
from stacks.registry import RegistryStack
from stacks.storage import StorageStack
from stacks.webhook import WebhookStack

app = App()
home = Environment(region="us-east-1")  # CloudFormation makes public repositories nowhere else
commit = app.node.get_context("commit")
source = {
    "connection_arn": app.node.get_context("connectionArn"),
    "source_repository": app.node.get_context("sourceRepository"),
}

registry = RegistryStack(app, "AiSocialMediaRegistry", env=home)
storage = StorageStack(app, "AiSocialMediaStorage", env=home, termination_protection=True)

FrontendStack(app, "AiSocialMediaFrontend", env=home, frontend=storage.frontend)
FrontendPipelineStack(
    app,
    "AiSocialMediaFrontendPipeline",
    env=home,
    frontend=storage.frontend,
    artifacts=storage.frontend_artifacts,
    **source,
)
backend_pipeline = BackendPipelineStack(
    app,
    "AiSocialMediaBackendPipeline",
    env=home,
    repositories=[registry.light, registry.heavy, registry.webhook],
    functions={each: function_name(each) for each in FUNCTIONS},
    artifacts=storage.backend_artifacts,
    **source,
)
backend = BackendStack(
    app,
    "AiSocialMediaBackend",
    env=home,
    light=registry.light,
    heavy=registry.heavy,
    media=storage.media,
    sessions=storage.sessions,
    pipeline=backend_pipeline.pipeline,
    commit=commit,
)
webhook = WebhookStack(
    app,
    "AiSocialMediaWebhook",
    env=home,
    repository=registry.webhook,
    pipeline=backend_pipeline.pipeline,
    commit=commit,
)
OperationsStack(
    app,
    "AiSocialMediaOperations",
    env=home,
    functions={**backend.functions, **webhook.functions},
    log_archive=storage.log_archive,
    metrics_archive=storage.metrics_archive,
)
app.synth()
