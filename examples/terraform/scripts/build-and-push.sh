#!/usr/bin/env bash
# Builds the three images and pushes them, tagged latest, with the time and, for an environment that deploys versions, with
# the version: scripts/build-and-push.sh dev, scripts/build-and-push.sh prod v1.0.0
# Into the account and region that the AWS CLI is configured for. Repositories that are not there are created.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage="usage: scripts/build-and-push.sh ENVIRONMENT [VERSION]"
environment="${1:?"$usage"}"
version="${2:-}"
project=creative-automation
variables="environments/$environment.tfvars"
[[ -f $variables ]] || { echo "There is no $variables; $usage" >&2; exit 2; }

wanted="$(sed -nE 's/^ecr_image_tag *= *"(.*)"$/\1/p' "$variables")"
if [[ $wanted != latest && $wanted != "$version" ]]; then
  echo "$environment deploys $wanted ($variables), and that is the version to give; $usage" >&2
  exit 2
fi

account="$(aws sts get-caller-identity --query Account --output text)"
region="$(sed -nE 's/^region *= *"(.*)"$/\1/p' "$variables")"
registry="$account.dkr.ecr.$region.amazonaws.com"
aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry"

time="$(date -u +%Y%m%d-%H%M%S)"
# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
for function in parser generator variants; do
  repository="$project-$function"
  if ! aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1; then
    echo "Creating the repository $repository; terraform apply then needs -var adopt_repositories=true, once"
    aws ecr create-repository --region "$region" --repository-name "$repository" \
      --image-scanning-configuration scanOnPush=true >/dev/null
  fi
  docker build --platform linux/arm64 --tag "$repository" "lambda/$function"
  for tag in "$time" ${version:+"$version"} latest; do
    docker tag "$repository" "$registry/$repository:$tag"
    docker push "$registry/$repository:$tag"
  done
done
echo "Pushed. If it is not running already: terraform apply -var-file=$variables"
