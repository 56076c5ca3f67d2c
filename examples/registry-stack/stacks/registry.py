"""The repositories, and no function: it can always be created, and nothing that fails elsewhere takes them away."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from . import LASTING, PREFIX


class RegistryStack(Stack):
    """Owns every repository: private for light, heavy and webhook, public as well for the first two."""

    def __init__(self, scope: Construct, name: str, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.light = self._repository("Light", f"{PREFIX}-lambda-light")
        self.heavy = self._repository("Heavy", f"{PREFIX}-lambda-heavy")
        self.webhook = self._repository("Webhook", f"{PREFIX}-webhook")
        for each in ("light", "heavy"):
            public = ecr.CfnPublicRepository(self, f"Public{each.title()}", repository_name=f"{PREFIX}-lambda-{each}")
            public.apply_removal_policy(LASTING)

    def _repository(self, name: str, repository_name: str) -> ecr.Repository:
        repository = ecr.Repository(self, name, repository_name=repository_name, removal_policy=LASTING)
        # An image that a function runs loses its tag to the next one: what has none must outlive a deployment, and
        # its rollback.
        repository.add_lifecycle_rule(tag_status=ecr.TagStatus.UNTAGGED, max_image_age=Duration.days(90))
        return repository
