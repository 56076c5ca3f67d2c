"""Hold a CloudFormation stack until a container image is in its ECR repository."""
