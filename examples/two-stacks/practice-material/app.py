"""Makes practice material; a stand-in for yours."""

import json
from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a POST of the HTTP API with as many exercises as its body says in `count`."""
    count = int(json.loads(event.get("body") or "{}").get("count", 1))
    return {"statusCode": 200, "body": json.dumps({"exercises": [f"Exercise {n + 1}" for n in range(count)]})}
