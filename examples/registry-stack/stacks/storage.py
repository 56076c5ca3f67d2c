"""Everything that holds data. It is deployed once and seldom changes, and no failure of another stack touches it."""

from typing import Any

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from . import LASTING, PREFIX


class StorageStack(Stack):
    """Owns every bucket and the table."""

    def __init__(self, scope: Construct, name: str, *, metrics_archive: bool = True, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        self.media = self._bucket("Media", "uploads")
        self.frontend = self._bucket("Frontend", "frontend")
        self.log_archive = self._bucket("LogArchive", "log-archive")
        self.metrics_archive = self._bucket("MetricsArchive", "metrics-archive") if metrics_archive else None
        month = Duration.days(30)
        self.backend_artifacts = self._bucket("BackendArtifacts", "backend-artifacts", expires_after=month)
        self.frontend_artifacts = self._bucket("FrontendArtifacts", "frontend-artifacts", expires_after=month)
        self.sessions = dynamodb.Table(
            self,
            "Sessions",
            table_name="media-selection-sessions",
            partition_key=dynamodb.Attribute(name="PK", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="SK", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=LASTING,
        )
        # The CDK would name the distribution here, and this stack would need the one that needs it.
        self.frontend.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                resources=[self.frontend.arn_for_objects("*")],
                conditions={
                    "ArnLike": {"AWS:SourceArn": f"arn:{Aws.PARTITION}:cloudfront::{Aws.ACCOUNT_ID}:distribution/*"}
                },
            )
        )

    def _bucket(self, name: str, bucket_name: str, expires_after: Duration | None = None) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            bucket_name=f"{PREFIX}-{bucket_name}-{Aws.ACCOUNT_ID}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=expires_after)] if expires_after else None,
            removal_policy=LASTING,
        )
