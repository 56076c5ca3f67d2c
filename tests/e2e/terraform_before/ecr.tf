resource "aws_ecr_repository" "parser" {
  name = "${var.project_name}-parser"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_repository" "generator" {
  name = "${var.project_name}-generator"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_repository" "variants" {
  name = "${var.project_name}-variants"

  image_scanning_configuration {
    scan_on_push = true
  }
}

locals {
  keep_the_last_ten = jsonencode({
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

resource "aws_ecr_lifecycle_policy" "parser" {
  repository = aws_ecr_repository.parser.name
  policy     = local.keep_the_last_ten
}

resource "aws_ecr_lifecycle_policy" "generator" {
  repository = aws_ecr_repository.generator.name
  policy     = local.keep_the_last_ten
}

resource "aws_ecr_lifecycle_policy" "variants" {
  repository = aws_ecr_repository.variants.name
  policy     = local.keep_the_last_ten
}
