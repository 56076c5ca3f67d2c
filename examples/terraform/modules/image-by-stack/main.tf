# CloudFormation does the waiting: up to 56 minutes, and no connection is held open meanwhile.
resource "aws_cloudformation_stack" "image" {
  name          = var.name
  template_body = file("${path.module}/image.yaml")

  parameters = {
    RepositoryName = var.repository_name
    ImageTag       = var.image_tag
    Architecture   = var.architecture
    Trigger        = var.trigger
  }

  # Nothing is left over from a wait that failed, and the next apply begins anew. The Reason stands in Terraform's error.
  on_failure = "DELETE"

  # Longer than CloudFormation waits for the waiter. Terraform's own 30 minutes end together with the waiter's.
  timeouts {
    create = "65m"
    update = "65m"
  }
}
