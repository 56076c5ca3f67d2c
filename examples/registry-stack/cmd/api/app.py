"""Answers the API. Stands in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Returns the path of the call."""
    return {"statusCode": 200, "body": event.get("rawPath", "/")}
