variable "region" {
  type        = string
  description = "Where everything is; the waiter must be installed there"
}

variable "environment" {
  type        = string
  description = "Goes before the names of the functions: dev, staging, prod"
}

variable "project_name" {
  type        = string
  default     = "creative-automation"
  description = "Goes before the names of everything; scripts/build-and-push has it too"
}

variable "ecr_image_tag" {
  type        = string
  description = "The tag that is deployed: latest in dev, a version in staging and prod"
}

variable "adopt_repositories" {
  type        = bool
  default     = false
  description = "Whether to import the repositories, because scripts/build-and-push was run first; true does no harm later"
}
