"""Makes thumbnails. Stands in for yours."""

from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Makes a thumbnail of each of the media of `keys`."""
    return {"keys": event.get("keys", [])}
