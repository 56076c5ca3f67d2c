# Sourced by push.sh and deploy.sh: the repository and the tag of each function's image, and what to build it from.
PREFIX=ai-social-media
export AWS_DEFAULT_REGION=us-east-1

of_function() {
  case "${1:-}" in
  api | triage | publish) repository=$PREFIX-lambda-light dockerfile=light ;;
  thumbnails | video) repository=$PREFIX-lambda-heavy dockerfile=heavy ;;
  webhook) repository=$PREFIX-webhook dockerfile=light ;;
  *)
    echo "not a function: '${1:-}'; there are api, triage, publish, thumbnails, video, webhook" >&2
    exit 2
    ;;
  esac
  tag=$1-latest
  registry="$(aws sts get-caller-identity --query Account --output text).dkr.ecr.$AWS_DEFAULT_REGION.amazonaws.com"
}
