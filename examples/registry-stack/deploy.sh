#!/usr/bin/env bash
# Gives functions the images that are at their tags now, by digest. The pipeline runs it after its builds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source images.sh

for name in "$@"; do
  of_function "$name"
  digest="$(aws ecr describe-images --repository-name "$repository" --image-ids "imageTag=$tag" \
    --query 'imageDetails[0].imageDigest' --output text)"
  uri="$registry/$repository@$digest"
  if ! running="$(aws lambda get-function --function-name "$PREFIX-$name" --query Code.ImageUri --output text 2>&1)"; then
    [[ $running == *ResourceNotFoundException* ]] || { echo "$running" >&2 && exit 1; }
    echo "$PREFIX-$name is not there yet: its stack waits for this image and creates it"
  elif [[ $running == "$uri" ]]; then
    echo "$PREFIX-$name runs $uri already"
  else
    aws lambda update-function-code --function-name "$PREFIX-$name" --image-uri "$uri" --query FunctionArn
    aws lambda wait function-updated-v2 --function-name "$PREFIX-$name"
  fi
done
