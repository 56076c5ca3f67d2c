"""A stack's deployment as one list of lines, each read from DescribeStackEvents or from CloudWatch Logs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, order=True)
class Line:
    """One event. `at` is in seconds since 1970 UTC; `weight` says how much a reader should care."""

    at: float
    source: Literal["stack", "log"]
    resource: str
    text: str
    weight: Literal["good", "bad", "plain", "dim"] = "plain"

    def plain(self, start: float) -> str:
        """Return the line as text, its time counted from `start`."""
        return f"{self.at - start:6.1f} s  {self.source:5}  {self.resource:15}  {self.text}"


def lines(cloud: Any, stack: str, log_group: str) -> list[Line]:
    """Return what has happened to a stack so far, by its own events and the waiter function's log group, in order."""
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    stack_id = events[-1]["StackId"]
    # Stable: what has the same time stays in the order in which it was told.
    return sorted(
        [*(_of_stack(event) for event in reversed(events)), *_of_log(cloud.client("logs"), log_group, stack_id)],
        key=lambda line: line.at,
    )


def _of_stack(event: dict[str, Any]) -> Line:
    status = event["ResourceStatus"]
    reason = event.get("ResourceStatusReason") or ""
    weight: Literal["good", "bad", "plain"] = "plain"
    if "FAILED" in status or "ROLLBACK" in status:
        weight = "bad"
    elif status.endswith("COMPLETE"):
        weight = "good"
    text = f"{status}: {reason}" if reason else status
    return Line(event["Timestamp"].timestamp(), "stack", event["LogicalResourceId"], text, weight)


def _of_log(logs: Any, group: str, stack_id: str) -> Iterator[Line]:
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
    for name in [stream["logStreamName"] for page in pages for stream in page["logStreams"]]:
        for event in logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]:
            try:
                entry = json.loads(event["message"])
            except ValueError:
                continue  # START, END and REPORT, which name no stack
            if entry.get("StackId") == stack_id:
                yield _of_entry(entry)


def _of_entry(entry: dict[str, Any]) -> Line:
    text = entry["message"]
    weight: Literal["good", "bad", "plain", "dim"] = "plain"
    if "next_check_in_seconds" in entry:
        text = f"{text}; check {entry['attempt']}, the next in {entry['next_check_in_seconds']:.1f} s"
        weight = "dim"
    elif entry.get("event") == "response_sent":
        weight = "good" if entry.get("status") == "SUCCESS" else "bad"
    return Line(_timestamp(entry["timestamp"]), "log", entry["LogicalResourceId"], text, weight)


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
