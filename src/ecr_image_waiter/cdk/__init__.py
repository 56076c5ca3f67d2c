"""Constructs for AWS CDK apps in Python. They need the extra `cdk`; Lambda gets none of this folder."""

try:
    from .provider import EcrImageWaiterProvider
    from .waiter import EcrImageWaiter, Image
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing not in {"aws_cdk", "constructs", "jsii"}:
        raise
    raise ModuleNotFoundError(
        f"ecr_image_waiter.cdk needs {missing}: pip install 'ecr-image-waiter[cdk]'", name=error.name
    ) from None

__all__ = ["EcrImageWaiter", "EcrImageWaiterProvider", "Image"]
