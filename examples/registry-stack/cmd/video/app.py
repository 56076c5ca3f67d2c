"""Enhances videos. Stands in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Enhances each of the videos of `keys`."""
    return {"keys": event.get("keys", [])}
