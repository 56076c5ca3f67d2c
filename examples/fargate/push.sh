#!/usr/bin/env bash
# Builds the commit's image and pushes it as app-mp:COMMIT and app-mp:latest, into the account and region that the AWS CLI is
# configured for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

repository=app-mp
commit="${GITHUB_SHA:-$(git rev-parse HEAD)}"

# A commit's tag is pushed once and last: if it exists, nothing is left to do.
found="$(aws ecr list-images --repository-name "$repository" --query "imageIds[?imageTag=='$commit'].imageTag" --output text)"
if [[ -n $found ]]; then
  echo "$repository:$commit is there already"
  exit
fi

uri="$(aws ecr describe-repositories --repository-names "$repository" --query 'repositories[0].repositoryUri' --output text)"
aws ecr get-login-password | docker login --username AWS --password-stdin "${uri%%/*}"
docker build --platform linux/amd64 --tag "$uri:$commit" --tag "$uri:latest" web
docker push "$uri:latest"
docker push "$uri:$commit"
