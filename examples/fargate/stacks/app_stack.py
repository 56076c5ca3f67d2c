"""The registry."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct


class AppStack(Stack):
    """Owns the repository, so that no failed deployment of the service removes an image."""

    def __init__(self, scope: Construct, name: str, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name="app-mp",
            # A commit's tag can never be overwritten; latest can.
            image_tag_mutability=ecr.TagMutability.IMMUTABLE_WITH_EXCLUSION,
            image_tag_mutability_exclusion_filters=[ecr.ImageTagMutabilityExclusionFilter.wildcard("latest")],
        )
