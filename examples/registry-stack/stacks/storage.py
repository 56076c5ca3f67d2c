"""Everything that holds data. It is deployed once and seldom changes, and no failure of another stack touches it."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct


class StorageStack(Stack):
    """Owns every bucket and the table."""

    def __init__(self, scope: Construct, name: str, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.media = self._bucket("Media")
        self.frontend = self._bucket("Frontend")
        self.log_archive = self._bucket("LogArchive")
        self.metrics_archive = self._bucket("MetricsArchive")
        self.backend_artifacts = self._bucket("BackendArtifacts", expires_after=Duration.days(30))
        self.frontend_artifacts = self._bucket("FrontendArtifacts", expires_after=Duration.days(30))
        self.sessions = dynamodb.Table(
            self,
            "Sessions",
            partition_key=dynamodb.Attribute(name="PK", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="SK", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _bucket(self, name: str, expires_after: Duration | None = None) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=expires_after)] if expires_after else None,
            removal_policy=RemovalPolicy.RETAIN,
        )
