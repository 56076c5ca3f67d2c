resource "aws_lambda_function" "parser" {
  function_name = "${var.environment}-${var.project_name}-parser"
  role          = aws_iam_role.functions.arn
  package_type  = "Image"
  image_uri     = "${aws_ecr_repository.parser.repository_url}:${var.ecr_image_tag}"
  memory_size   = 1024
  timeout       = 300

  environment {
    variables = { STAGE = var.environment }
  }
}

resource "aws_lambda_function" "generator" {
  function_name = "${var.environment}-${var.project_name}-generator"
  role          = aws_iam_role.functions.arn
  package_type  = "Image"
  image_uri     = "${aws_ecr_repository.generator.repository_url}:${var.ecr_image_tag}"
  memory_size   = 1024
  timeout       = 300

  environment {
    variables = { STAGE = var.environment }
  }
}

resource "aws_lambda_function" "variants" {
  function_name = "${var.environment}-${var.project_name}-variants"
  role          = aws_iam_role.functions.arn
  package_type  = "Image"
  image_uri     = "${aws_ecr_repository.variants.repository_url}:${var.ecr_image_tag}"
  memory_size   = 1024
  timeout       = 300

  environment {
    variables = { STAGE = var.environment }
  }
}

resource "aws_iam_role" "functions" {
  name = "${var.environment}-${var.project_name}-functions"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }
    ]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.functions.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
