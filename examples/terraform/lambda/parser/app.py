"""The parser; a stand-in for yours."""


def handler(event: dict[str, object], _: object) -> dict[str, object]:
    """Return what came in, and who had it."""
    return {"handled_by": "parser", "event": event}
