"""The function: says hello."""


def handler(event: dict[str, str], _: object) -> str:
    """Return a greeting to the event's `name`."""
    return f"Hello, {event.get('name', 'world')}"
