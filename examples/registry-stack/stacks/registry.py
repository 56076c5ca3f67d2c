"""The repositories, and no function: it can always be created, and nothing that fails elsewhere takes them away."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

LASTING = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""RETAIN would also keep it when its own creation rolls back, and its name would block the next try."""
LIGHT, HEAVY, WEBHOOK = "media-lambda-light", "media-lambda-heavy", "media-webhook"


class RegistryStack(Stack):
    """Owns every repository: private for light, heavy and webhook, public as well for the first two."""

    def __init__(self, scope: Construct, name: str, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.light = self._repository("Light", LIGHT)
        self.heavy = self._repository("Heavy", HEAVY)
        self.webhook = self._repository("Webhook", WEBHOOK)
        for each in (LIGHT, HEAVY):
            public = ecr.CfnPublicRepository(self, f"Public{each.rpartition('-')[2].title()}", repository_name=each)
            public.apply_removal_policy(LASTING)

    def _repository(self, name: str, repository_name: str) -> ecr.Repository:
        repository = ecr.Repository(self, name, repository_name=repository_name, removal_policy=LASTING)
        # An image that a function runs loses its tag to the next one: what has none must outlive a deployment, and
        # its rollback.
        repository.add_lifecycle_rule(tag_status=ecr.TagStatus.UNTAGGED, max_image_age=Duration.days(90))
        return repository
