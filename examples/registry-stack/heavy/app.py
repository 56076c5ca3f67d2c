"""What two functions run that need ffmpeg and its like. Stand-ins for yours."""

from typing import Any


def thumbnails(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Make a thumbnail of each of the media of `keys`."""
    return {"thumbnails": event.get("keys", [])}


def video(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Enhance each of the videos of `keys`."""
    return {"videos": event.get("keys", [])}
