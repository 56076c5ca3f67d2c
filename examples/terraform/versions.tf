terraform {
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.42, < 7"
    }
  }
}

provider "aws" {
  region = var.region
}

# For modules/image-by-invocation alone: an answer that is lost on the way must not have the wait begun anew, up to 25 times.
provider "aws" {
  alias       = "no_retries"
  region      = var.region
  max_retries = 1
}
