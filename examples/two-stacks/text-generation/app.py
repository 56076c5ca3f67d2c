"""Generates texts; a stand-in for yours."""

import json
from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a POST of the HTTP API with a text about what its body names as `topic`."""
    topic = json.loads(event.get("body") or "{}").get("topic", "nothing")
    return {"statusCode": 200, "body": json.dumps({"text": f"A text about {topic}"})}
