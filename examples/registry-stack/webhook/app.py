"""The webhook; a stand-in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer the challenge that a platform sends when it is told of the webhook."""
    return {"statusCode": 200, "body": (event.get("queryStringParameters") or {}).get("hub.challenge", "")}
