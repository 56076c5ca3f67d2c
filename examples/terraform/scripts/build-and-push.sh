#!/usr/bin/env bash
# Builds the three images and pushes them, tagged latest, with the time and, for an environment that deploys versions, with
# the version: scripts/build-and-push.sh dev, scripts/build-and-push.sh staging v1.0.0
# Into the account and region that the AWS CLI is configured for. Repositories that do not exist are created.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage="usage: scripts/build-and-push.sh ENVIRONMENT [VERSION]"
environment="${1:?"$usage"}"
version="${2:-}"
project=creative-automation
environments=environments # terraform/environments, if Terraform has a folder of its own
variables="$environments/$environment.tfvars"
[[ -f $variables ]] || { echo "There is no $variables; $usage" >&2; exit 2; }

# Prints a variable of the tfvars file, whose lines may end with a comment, or as on Windows.
value() {
  sed -nE 's/^[[:space:]]*'"$1"'[[:space:]]*=[[:space:]]*"([^"]*)".*$/\1/p' "$variables"
}

wanted="$(value ecr_image_tag)"
if [[ $wanted != latest && $wanted != "$version" ]]; then
  echo "$environment deploys $wanted ($variables), and that is the version to give; $usage" >&2
  exit 2
fi
architecture="$(value architecture)"
case "$architecture" in
  x86_64) platform=linux/amd64 ;;
  arm64) platform=linux/arm64 ;;
  *) echo "$variables: architecture is \"$architecture\", not x86_64 or arm64" >&2; exit 2 ;;
esac

account="$(aws sts get-caller-identity --query Account --output text)"
region="$(value region)"
registry="$account.dkr.ecr.$region.amazonaws.com"
aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry"

time="$(date -u +%Y%m%d-%H%M%S)"
# With attestations, buildx pushes an index, which Lambda does not take.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
for function in parser generator variants; do
  repository="$project-$function"
  if ! aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1; then
    echo "Creating the repository $repository"
    aws ecr create-repository --region "$region" --repository-name "$repository" \
      --image-scanning-configuration scanOnPush=true >/dev/null
  fi
  docker build --platform "$platform" --tag "$repository" "lambda/$function"
  for tag in "$time" ${version:+"$version"} latest; do
    docker tag "$repository" "$registry/$repository:$tag"
    docker push "$registry/$repository:$tag"
  done
done

# Terraform does not see that latest has moved, unless the trigger changes.
trigger=
[[ $wanted != latest ]] || trigger=" -var trigger=$time"
echo "Pushed. Unless an apply is waiting for these images, deploy them:"
echo "terraform apply -var-file=environments/$environment.tfvars -var adopt_repositories=true$trigger"
