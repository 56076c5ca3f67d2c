"""The monitoring of the functions."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from aws_cdk import aws_s3 as s3
from constructs import Construct


class OperationsStack(Stack):
    """Alarms and a dashboard of the functions, and Firehose, which archives their logs and metrics in buckets."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        functions: Mapping[str, lambda_.Function],
        log_archive: s3.IBucket,
        metrics_archive: s3.IBucket | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        archive = firehose.DeliveryStream(self, "Logs", destination=firehose.S3Bucket(log_archive))
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name="ai-social-media")
        for each, function in functions.items():
            errors = function.metric_errors()
            errors.create_alarm(self, f"{each.title()}Errors", threshold=1, evaluation_periods=1)
            dashboard.add_widgets(cloudwatch.GraphWidget(title=each, left=[function.metric_invocations(), errors]))
            logs.SubscriptionFilter(
                self,
                f"{each.title()}Logs",
                log_group=function.log_group,
                destination=destinations.FirehoseDestination(archive),
                filter_pattern=logs.FilterPattern.all_events(),
            )
        if metrics_archive:
            self._archive_metrics(
                firehose.DeliveryStream(self, "Metrics", destination=firehose.S3Bucket(metrics_archive))
            )

    def _archive_metrics(self, archive: firehose.DeliveryStream) -> None:
        role = iam.Role(
            self, "MetricsRole", assumed_by=iam.ServicePrincipal("streams.metrics.cloudwatch.amazonaws.com")
        )
        archive.grant_put_records(role)
        cloudwatch.CfnMetricStream(
            self,
            "MetricStream",
            firehose_arn=archive.delivery_stream_arn,
            role_arn=role.role_arn,
            output_format="json",
            include_filters=[cloudwatch.CfnMetricStream.MetricStreamFilterProperty(namespace="AWS/Lambda")],
        )
