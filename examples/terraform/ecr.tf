locals {
  functions = toset(["parser", "generator", "variants"])
}

resource "aws_ecr_repository" "this" {
  for_each = local.functions

  name = "${var.project_name}-${each.key}"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = local.functions

  repository = aws_ecr_repository.this[each.key].name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Keep the last ten images"
        selection = {
          tagStatus   = "any"
          countType   = "imageCountMoreThan"
          countNumber = 10
        }
        action = {
          type = "expire"
        }
      }
    ]
  })
}

# After a push that came first: takes over the repositories that scripts/build-and-push has created.
import {
  for_each = var.adopt_repositories ? local.functions : toset([])
  to       = aws_ecr_repository.this[each.key]
  id       = "${var.project_name}-${each.key}"
}
