# One call of the waiter, which answers when the image is there. The connection is idle until then, and firewalls and NAT
# gateways cut one that is idle for 350 s: so no longer than five minutes.
data "aws_ssm_parameter" "service_token" {
  name = "/ecr-image-waiter/service-token"
}

resource "aws_lambda_invocation" "image" {
  function_name = data.aws_ssm_parameter.service_token.insecure_value # the function's ARN, which is no secret

  input = jsonencode({
    RepositoryName    = var.repository_name
    ImageTag          = var.image_tag
    DeployTarget      = "Lambda"
    Platform          = var.architecture
    WaitForRepository = true
    MaxRetries        = 20
    RetryDelaySeconds = 15
  })

  triggers = {
    trigger = var.trigger
    name    = var.name
  }
}
