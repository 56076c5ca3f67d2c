"""What the Serverless Application Repository (SAR) takes: types of resources, and what they make a user acknowledge.

The types are those of "List of Supported AWS Resources" in SAR's Developer Guide, as its source on GitHub
(awsdocs/aws-serverlessrepo-developer-guide, commit 83c2822) has them. The page has grown since; a type that is missing
here is looked up there and added. The capabilities are those of "Application Capabilities" in the same guide, and
AWS::IAM::ManagedPolicy, for which CloudFormation demands one.
"""

from collections.abc import Mapping
from typing import Any, Final

_BY_SERVICE: Final = {
    "AccessAnalyzer": "Analyzer",
    "ApiGateway": "ApiKey Authorizer BasePathMapping ClientCertificate Deployment DocumentationPart "
    "DocumentationVersion DomainName GatewayResponse Method Model RequestValidator Resource RestApi Stage UsagePlan "
    "UsagePlanKey VpcLink",
    "ApiGatewayV2": "Api ApiMapping Authorizer Deployment DomainName Integration IntegrationResponse Model Route "
    "RouteResponse Stage",
    "AppSync": "ApiKey DataSource GraphQLApi GraphQLSchema Resolver",
    "ApplicationAutoScaling": "ScalableTarget ScalingPolicy",
    "Athena": "NamedQuery",
    "CertificateManager": "Certificate",
    "CloudFormation": "CustomResource Interface Macro WaitConditionHandle",
    "CloudFront": "CloudFrontOriginAccessIdentity Distribution StreamingDistribution",
    "CloudTrail": "Trail",
    "CloudWatch": "Alarm AnomalyDetector Dashboard InsightRule",
    "CodeBuild": "Project",
    "CodeCommit": "Repository",
    "CodePipeline": "CustomActionType Pipeline Webhook",
    "Cognito": "IdentityPool IdentityPoolRoleAttachment UserPool UserPoolClient UserPoolDomain UserPoolGroup "
    "UserPoolResourceServer UserPoolUser UserPoolUserToGroupAttachment",
    "Config": "AggregationAuthorization ConfigRule ConfigurationAggregator ConfigurationRecorder DeliveryChannel "
    "RemediationConfiguration",
    "DataPipeline": "Pipeline",
    "DynamoDB": "Table",
    "EC2": "SecurityGroup",
    "ECR": "Repository",
    "Elasticsearch": "Domain",
    "EventSchemas": "Discoverer Registry Schema",
    "Events": "EventBusPolicy Rule",
    "Glue": "Classifier Connection Crawler Database DevEndpoint Job Partition Table Trigger",
    "IAM": "Group InstanceProfile ManagedPolicy Policy Role",
    "IoT": "Certificate Policy PolicyPrincipalAttachment Thing ThingPrincipalAttachment TopicRule",
    "KMS": "Alias Key",
    "Kinesis": "Stream StreamConsumer Streams",
    "KinesisAnalytics": "Application ApplicationOutput",
    "KinesisFirehose": "DeliveryStream",
    "Lambda": "Alias EventInvokeConfig EventSourceMapping Function LayerVersion LayerVersionPermission Permission "
    "Version",
    "Logs": "Destination LogGroup LogStream MetricFilter SubscriptionFilter",
    "Route53": "HealthCheck HostedZone RecordSet RecordSetGroup",
    "S3": "Bucket BucketPolicy",
    "SNS": "Subscription Topic TopicPolicy",
    "SQS": "Queue QueuePolicy",
    "SSM": "Association Document MaintenanceWindowTask Parameter PatchBaseline ResourceDataSync",
    "Serverless": "Api Application Function HttpApi LayerVersion SimpleTable StateMachine",
    "StepFunctions": "Activity StateMachine",
}
TYPES: Final = frozenset(f"AWS::{service}::{name}" for service, names in _BY_SERVICE.items() for name in names.split())

_IAM: Final = frozenset(
    f"AWS::IAM::{name}" for name in ("Group", "InstanceProfile", "ManagedPolicy", "Policy", "Role", "User")
)
_NAMES: Final = frozenset({"GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName"})
_RESOURCE_POLICY: Final = frozenset(
    {
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Events::EventBusPolicy",
        "AWS::IAM::Policy",
        "AWS::Lambda::LayerVersionPermission",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
)


def capabilities(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the capabilities that a user must acknowledge, each with the logical ids that demand it.

    SAR looks at the template alone, so a resource under a condition counts as well.

    Args:
        resources: of a template, after SAM's transform; nested applications as they were before it.
    """
    found: dict[str, list[str]] = {}
    for name, resource in sorted(resources.items()):
        kind = resource["Type"]
        if kind in _IAM:
            named = not _NAMES.isdisjoint(resource.get("Properties", {}))
            found.setdefault("CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM", []).append(name)
        if kind in _RESOURCE_POLICY:
            found.setdefault("CAPABILITY_RESOURCE_POLICY", []).append(name)
        if kind == "AWS::Serverless::Application":
            found.setdefault("CAPABILITY_AUTO_EXPAND", []).append(name)
    return found
