"""An app of two stacks, which tests/e2e deploys: `python -m tests.cdk.app OUT BUCKET STACK...`.

`looked-up` uses the waiter of the account, `own` brings its own. Each has a function and a parameter that wait.
"""

import sys

from aws_cdk import App, DefaultStackSynthesizer, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm

from ecr_image_waiter.cdk import EcrImageWaiter, EcrImageWaiterProvider


def main(out: str, bucket: str, *names: str) -> None:
    """Synthesize the stacks of these names, with assets that are taken from a bucket."""
    app = App(outdir=out)
    for name in names:
        synthesizer = DefaultStackSynthesizer(file_assets_bucket_name=bucket, generate_bootstrap_version_rule=False)
        stack = Stack(app, name, synthesizer=synthesizer)
        waiter = EcrImageWaiterProvider(stack, "Waiter") if name == "own" else None
        image = EcrImageWaiter(stack, "Image", repository=name, tag="v1", max_retries=3, service_token=waiter)
        lambda_.DockerImageFunction(stack, "Function", function_name=f"cdk-{name}", code=image.docker_image_code())
        after = ssm.StringParameter(stack, "After", parameter_name=f"/cdk/{name}", string_value="the image is there")
        after.node.add_dependency(image)
    app.synth()


if __name__ == "__main__":
    main(*sys.argv[1:])
