variable "region" {
  type        = string
  description = "Where everything is; the waiter must be installed there"
}

variable "environment" {
  type        = string
  description = "Goes before the names of the functions: dev, prod"
}

variable "project_name" {
  type        = string
  default     = "creative-automation"
  description = "Goes before the names of everything; scripts/build-and-push has it too"
}

variable "ecr_image_tag" {
  type        = string
  description = "The tag that is deployed: latest in dev, a version in prod"
}

variable "trigger" {
  type        = string
  default     = ""
  description = "Change it to have the tag looked up again; a tag that moves, like latest, needs that for every deployment"
}

variable "adopt_repositories" {
  type        = bool
  default     = false
  description = "Whether the repositories are there already, because scripts/build-and-push was run first"
}
