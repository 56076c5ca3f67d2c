"""What a demo has printed, held against the stack's events and the function's log."""

import json
import re
from collections import Counter
from typing import Any, NamedTuple

from sandbox.cloud import Cloud

AT_THE_END = 600.0
"""Seconds for which a demo holds its lines back: it prints them all at once."""
PRINTED = re.compile(r" *([0-9.]+) s  (stack|log)  +(\S+) +(.+)")


class Told(NamedTuple):
    """What became of a stack: the texts of its events, by resource, and the entries of the log about it, in order."""

    events: list[tuple[str, str]]
    entries: list[dict[str, Any]]

    @property
    def reason(self) -> str:
        """Why the resource failed that did."""
        return next(text for _, text in self.events if text.startswith("CREATE_FAILED: "))

    def messages(self, beginning: str) -> list[str]:
        return [entry["message"] for entry in self.entries if entry["message"].startswith(beginning)]


def told_of(cloud: Cloud, stack: str, group: str) -> Told:
    """Return what became of a stack.

    Args:
        cloud: where it is.
        stack: its name.
        group: the log group of the function.
    """
    pages = cloud.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    events = [event for page in pages for event in page["StackEvents"]][::-1]
    texts = [(each["LogicalResourceId"], _text_of(each)) for each in events]
    return Told(texts, _log_entries(cloud, group, events[0]["StackId"]))


def require_every_line(printed: str, told: Told) -> None:
    """Hold that every line is one of the stack's events or of the log's, that none is missing, and their order."""
    matches = [PRINTED.fullmatch(line) for line in printed.splitlines()]
    assert None not in matches, printed
    lines = [match.groups() for match in matches if match]
    times = [float(at) for at, *_ in lines]
    assert times == sorted(times)
    assert Counter((resource, text) for _, source, resource, text in lines if source == "stack") == Counter(told.events)
    shown = Counter((resource, *_without_the_pause(text)) for _, source, resource, text in lines if source == "log")
    assert shown == Counter((each["LogicalResourceId"], each["message"], _pause_of(each)) for each in told.entries)


def _text_of(event: dict[str, Any]) -> str:
    return ": ".join(filter(None, [event["ResourceStatus"], event.get("ResourceStatusReason")]))


def _log_entries(cloud: Cloud, group: str, stack_id: str) -> list[dict[str, Any]]:
    logs = cloud.client("logs")
    streams = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
    messages = [
        event["message"]
        for page in streams
        for stream in page["logStreams"]
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)[
            "events"
        ]
    ]
    entries = [json.loads(message) for message in messages if message.startswith("{")]
    return sorted((each for each in entries if each.get("StackId") == stack_id), key=lambda each: each["timestamp"])


def _pause_of(entry: dict[str, Any]) -> str | None:
    pause = entry.get("next_check_in_seconds")
    return None if pause is None else f"{pause:.1f}"


def _without_the_pause(text: str) -> tuple[str, str | None]:
    found = re.fullmatch(r"(.*); check [0-9]+, the next in ([0-9.]+) s", text)
    return (found[1], found[2]) if found else (text, None)
