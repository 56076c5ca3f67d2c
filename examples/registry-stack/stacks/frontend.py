"""What serves the frontend."""

from typing import Any

from aws_cdk import Annotations, CfnOutput, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct


class FrontendStack(Stack):
    """CloudFront before the bucket of another stack, which lets it in itself."""

    def __init__(self, scope: Construct, name: str, *, frontend: s3.IBucket, **settings: Any) -> None:
        super().__init__(scope, name, **settings)
        # As one that is imported: to a bucket of the app, the CDK would add a policy that names the distribution.
        bucket = s3.Bucket.from_bucket_attributes(
            self,
            "Bucket",
            bucket_arn=frontend.bucket_arn,
            bucket_regional_domain_name=frontend.bucket_regional_domain_name,
        )
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            ),
        )
        Annotations.of(self).acknowledge_warning(
            "@aws-cdk/aws-cloudfront-origins:updateImportedBucketPolicyOac", "storage.py has the policy"
        )
        CfnOutput(self, "Url", value=f"https://{distribution.domain_name}")
