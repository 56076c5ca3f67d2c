"""Whether those whom a template lets push images may do all that a push asks of ECR."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

PUSH: Final = frozenset(
    {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",  # whether the manifest is there already
        "ecr:CompleteLayerUpload",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    }
)
"""ECR User Guide, "IAM permissions for pushing an image to an Amazon ECR private repository"."""


def lacking(template: Mapping[str, Any]) -> list[str]:
    """Return what each statement that allows PutImage leaves out, an empty text where that is nothing."""
    allowed = [set(each["Action"]) for each in _statements(template) if "ecr:PutImage" in each["Action"]]
    return [", ".join(sorted(PUSH - each)) for each in allowed]


def _statements(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        if "Action" in part and "Effect" in part:
            yield part
        part = part.values()
    elif not isinstance(part, list):
        return
    for each in part:
        yield from _statements(each)
