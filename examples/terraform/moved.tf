# For a state in which each repository and each function is a resource of its own. Without one, these blocks do nothing.
moved {
  from = aws_ecr_repository.parser
  to   = aws_ecr_repository.this["parser"]
}

moved {
  from = aws_ecr_repository.generator
  to   = aws_ecr_repository.this["generator"]
}

moved {
  from = aws_ecr_repository.variants
  to   = aws_ecr_repository.this["variants"]
}

moved {
  from = aws_ecr_lifecycle_policy.parser
  to   = aws_ecr_lifecycle_policy.this["parser"]
}

moved {
  from = aws_ecr_lifecycle_policy.generator
  to   = aws_ecr_lifecycle_policy.this["generator"]
}

moved {
  from = aws_ecr_lifecycle_policy.variants
  to   = aws_ecr_lifecycle_policy.this["variants"]
}

moved {
  from = aws_lambda_function.parser
  to   = aws_lambda_function.this["parser"]
}

moved {
  from = aws_lambda_function.generator
  to   = aws_lambda_function.this["generator"]
}

moved {
  from = aws_lambda_function.variants
  to   = aws_lambda_function.this["variants"]
}
