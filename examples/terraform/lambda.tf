resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name = "${var.environment}-${var.project_name}-${each.key}"
  role          = aws_iam_role.functions.arn
  package_type  = "Image"
  architectures = [var.architecture]
  memory_size   = 512
  timeout       = 60

  # By digest: the image that was waited for, whatever its tag points at by then.
  image_uri = module.image[each.key].image_uri
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
