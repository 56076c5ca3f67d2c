output "image_uri" {
  description = "The image by its digest, once it is there"
  value       = jsondecode(aws_lambda_invocation.image.result)["ImageUri"]
}
