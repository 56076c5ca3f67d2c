"""Publishes media. Stands in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Publishes the media of `keys`."""
    return {"published": event.get("keys", [])}
