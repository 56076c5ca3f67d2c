#!/usr/bin/env bash
# Builds light, heavy or webhook and pushes it, labelled with its commit. The pipeline runs it, and so can you.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case "${1:-}" in
light | heavy) image="media-lambda-$1:latest" ;;
webhook) image=media-webhook:webhook-latest ;;
*)
  echo "usage: push.sh light|heavy|webhook" >&2
  exit 2
  ;;
esac
commit="${CODEBUILD_RESOLVED_SOURCE_VERSION:-$(git rev-parse HEAD)}"
account="$(aws sts get-caller-identity --query Account --output text)"
registry="$account.dkr.ecr.us-east-1.amazonaws.com"
aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin "$registry"

# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
docker build --platform linux/arm64 --label "org.opencontainers.image.revision=$commit" --tag "$registry/$image" "$1"
docker push "$registry/$image"
