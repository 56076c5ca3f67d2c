#!/usr/bin/env bash
# Builds the image and pushes it as app:latest, into the account and region that the AWS CLI is configured for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

uri="$(aws ecr describe-repositories --repository-names app --query 'repositories[0].repositoryUri' --output text)"
aws ecr get-login-password | docker login --username AWS --password-stdin "${uri%%/*}"

# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
docker build --platform linux/arm64 --tag "$uri:latest" .
docker push "$uri:latest"
