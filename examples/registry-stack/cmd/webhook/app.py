"""The webhook. Stands in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answers the challenge that a platform sends when the webhook is registered."""
    return {"statusCode": 200, "body": (event.get("queryStringParameters") or {}).get("hub.challenge", "")}
