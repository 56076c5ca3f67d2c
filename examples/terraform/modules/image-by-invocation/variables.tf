variable "name" {
  type        = string
  description = "Of what waits; unique in the account and region"
}

variable "repository_name" {
  type        = string
  description = "The repository, which must exist"
}

variable "image_tag" {
  type        = string
  description = "The tag to wait for"
}

variable "platform" {
  type        = string
  default     = "linux/arm64"
  description = "What the image must be for"
}

variable "trigger" {
  type        = string
  default     = ""
  description = "Change it to have the tag looked up again"
}
