"""What three functions run that need little: each names its own by its command. Stand-ins for yours."""

from typing import Any


def api(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a call of the API."""
    return {"statusCode": 200, "body": event.get("rawPath", "/")}


def triage(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Say which of the media of `keys` are worth keeping: all."""
    return {"keep": event.get("keys", [])}


def publish(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Publish the media of `keys`."""
    return {"published": event.get("keys", [])}
