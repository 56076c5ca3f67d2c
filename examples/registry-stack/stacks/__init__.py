"""The stacks, a module each, and the names that several of them use."""

from aws_cdk import RemovalPolicy

PREFIX = "ai-social-media"
FUNCTIONS = {
    "api": "light",
    "triage": "light",
    "publish": "light",
    "thumbnails": "heavy",
    "video": "heavy",
    "webhook": "webhook",
}
"""The repository of each function's image. images.sh has the same."""

LASTING = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""RETAIN would also keep a resource when its own creation rolls back, and its name would block the next try."""


def function_name(name: str) -> str:
    """Returns a function's explicit name, which the pipeline knows before the function exists."""
    return f"{PREFIX}-{name}"


def image_tag(name: str) -> str:
    """Returns the tag of a function's image in the repository that it shares with others."""
    return f"{name}-latest"
