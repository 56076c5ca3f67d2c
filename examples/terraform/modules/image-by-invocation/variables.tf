variable "name" {
  type        = string
  description = "Name of the wait; unique in the account and region"
}

variable "repository_name" {
  type        = string
  description = "The repository; it need not exist yet"
}

variable "image_tag" {
  type        = string
  description = "The tag to wait for"
}

variable "architecture" {
  type        = string
  description = "Processor of the function that runs the image, as Lambda spells it: x86_64 or arm64"
}

variable "trigger" {
  type        = string
  default     = ""
  description = "Change it to have the tag looked up again"
}
