"""Everything that holds data. It is deployed once and seldom changes, and no failure of another stack touches it."""

from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

LASTING = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""RETAIN would also keep it when its own creation rolls back, and its name would block the next try."""


class StorageStack(Stack):
    """Owns every bucket and the table."""

    def __init__(self, scope: Construct, name: str, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.media = self._bucket("Media", "uploads")
        self.frontend = self._bucket("Frontend", "frontend")
        self.log_archive = self._bucket("LogArchive", "logs")
        self.metrics_archive = self._bucket("MetricsArchive", "metrics")
        self.backend_artifacts = self._bucket("BackendArtifacts", "backend-artifacts", expires_after=Duration.days(30))
        self.frontend_artifacts = self._bucket(
            "FrontendArtifacts", "frontend-artifacts", expires_after=Duration.days(30)
        )
        self.sessions = dynamodb.Table(
            self,
            "Sessions",
            table_name="media-selection-sessions",
            partition_key=dynamodb.Attribute(name="PK", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="SK", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=LASTING,
        )

    def _bucket(self, name: str, bucket_name: str, expires_after: Duration | None = None) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            bucket_name=f"media-{bucket_name}-{Aws.ACCOUNT_ID}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=expires_after)] if expires_after else None,
            removal_policy=LASTING,
        )
