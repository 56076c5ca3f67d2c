output "image_uri" {
  description = "The image by its digest, once it is there"
  value       = aws_cloudformation_stack.image.outputs["ImageUri"]
}
