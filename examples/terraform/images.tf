# One wait for each image, side by side. The other way to wait, for at most five minutes:
#
#   source    = "./modules/image-by-invocation"
#   providers = { aws = aws.no_retries }
module "image" {
  for_each = local.functions

  source = "./modules/image-by-stack"

  name            = "${var.environment}-${var.project_name}-${each.key}-image"
  repository_name = aws_ecr_repository.this[each.key].name
  image_tag       = var.ecr_image_tag
  trigger         = var.trigger
}
