#!/usr/bin/env bash
# images.sh push FUNCTION...    builds the image of each function and pushes it, labelled with its commit
# images.sh deploy FUNCTION...  gives each function the image that is at its tag now, by digest
# images.sh name FUNCTION...    prints the repository and the tag of each function's image
# The pipeline runs the first two, and so can you.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
prefix=ai-social-media
export AWS_DEFAULT_REGION=us-east-1
# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1

repository_of() {
  case "$1" in
  api | triage | publish) echo "$prefix-lambda-light" ;;
  thumbnails | video) echo "$prefix-lambda-heavy" ;;
  webhook) echo "$prefix-webhook" ;;
  *)
    echo "not a function: $1" >&2
    return 2
    ;;
  esac
}

log_in() {
  registry="$(aws sts get-caller-identity --query Account --output text).dkr.ecr.$AWS_DEFAULT_REGION.amazonaws.com"
  if [[ $action == push ]]; then
    aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
  fi
}

push() {
  local commit dockerfile=cmd/media-lambda/Dockerfile.light
  commit="${CODEBUILD_RESOLVED_SOURCE_VERSION:-$(git rev-parse HEAD)}"
  [[ $repository == *-heavy ]] && dockerfile=cmd/media-lambda/Dockerfile.heavy
  docker build --platform linux/arm64 --label "org.opencontainers.image.revision=$commit" \
    --build-arg "CMD_TARGET=$1" --tag "$registry/$repository:$1-latest" --file "$dockerfile" .
  docker push "$registry/$repository:$1-latest"
}

deploy() {
  local digest uri running
  digest="$(aws ecr describe-images --repository-name "$repository" --image-ids "imageTag=$1-latest" \
    --query 'imageDetails[0].imageDigest' --output text)"
  uri="$registry/$repository@$digest"
  if ! running="$(aws lambda get-function --function-name "$prefix-$1" --query Code.ImageUri --output text 2>&1)"; then
    [[ $running == *ResourceNotFoundException* ]] || { echo "$running" >&2 && return 1; }
    echo "$prefix-$1 is not there yet: its stack waits for this image and creates it"
  elif [[ $running == "$uri" ]]; then
    echo "$prefix-$1 runs $uri already"
  else
    aws lambda update-function-code --function-name "$prefix-$1" --image-uri "$uri" --query FunctionArn
    aws lambda wait function-updated-v2 --function-name "$prefix-$1"
  fi
}

name() {
  echo "$repository:$1-latest"
}

action="${1:-}"
case "$action" in
push | deploy) log_in ;;
name) ;;
*)
  echo "usage: images.sh push|deploy|name FUNCTION..." >&2
  exit 2
  ;;
esac
for function in "${@:2}"; do
  repository="$(repository_of "$function")"
  "$action" "$function"
done
