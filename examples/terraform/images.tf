# One wait for each image, side by side. The other way to wait, for at most five minutes:
#
#   source    = "./modules/image-by-invocation"
#   providers = { aws = aws.no_retries }
module "image" {
  for_each = toset(["parser", "generator", "variants"])

  source = "./modules/image-by-stack"

  name            = "${var.environment}-${var.project_name}-${each.key}-image"
  repository_name = "${var.project_name}-${each.key}" # by its name, so that this file fits any ecr.tf
  image_tag       = var.ecr_image_tag
  architecture    = var.architecture
  trigger         = var.trigger
}

variable "architecture" {
  type        = string
  description = "Processor of the functions and of their images, as Lambda spells it: x86_64 or arm64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "must be x86_64 or arm64"
  }
}

variable "trigger" {
  type        = string
  default     = ""
  description = "Change it to have the tag looked up again; a tag that moves, like latest, needs that for every deployment"
}
