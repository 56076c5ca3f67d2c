#!/usr/bin/env bash
# Builds the image of one function and pushes it, labelled with its commit. The pipeline runs it, and so can you.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source images.sh
of_function "${1:-}"

commit="${CODEBUILD_RESOLVED_SOURCE_VERSION:-$(git rev-parse HEAD)}"
aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"

# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
docker build --platform linux/arm64 --label "org.opencontainers.image.revision=$commit" --build-arg "CMD_TARGET=$1" \
  --tag "$registry/$repository:$tag" --file "cmd/media-lambda/Dockerfile.$dockerfile" .
docker push "$registry/$repository:$tag"
