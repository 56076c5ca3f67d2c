"""Answer CloudFormation when the waiter cannot: it died for good, or could not even be imported.

Lambda's on-failure destination of the waiter function. Nothing but the standard library is on its path and it shares no
code with the waiter, so that what broke the waiter cannot break it. CloudFormation takes the first answer to a request
and ignores the rest, so that it always answers: at worst for nothing.
"""

import hashlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

MAX_BODY_BYTES = 4096  # crpg-ref, "Custom resource response objects"
PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds; Lambda itself runs a failed invocation again after that
SOCKET_SECONDS = 5.0

# Suffixes of partitions other than aws and aws-us-gov, by how their regions begin (botocore's partitions).
SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


class NotDeliveredError(Exception):
    """CloudFormation did not take the answer. The invocation fails, so that Lambda runs it again."""


def lambda_handler(event: object, _context: Any) -> None:
    """Answer the request that the waiter failed to answer.

    Args:
        event: what Lambda tells an on-failure destination (invocation-async-retain-records): `requestPayload` is the
            waiter's event, `requestContext` and `responsePayload` say what became of it.
        _context: Lambda's; not used.

    Raises:
        NotDeliveredError: CloudFormation did not take it.
    """
    answer_for(event, send, time.sleep)


def answer_for(event: object, put: Callable[[str, bytes], int], sleep: Callable[[float], None]) -> None:
    """Do what `lambda_handler` does, with a way to CloudFormation and a clock that come from outside.

    Args:
        event: as there.
        put: sends a body to a URL and returns the HTTP status, or raises OSError.
        sleep: pauses for so many seconds.

    Raises:
        NotDeliveredError: CloudFormation did not take it.
    """
    record = event if isinstance(event, dict) else {}
    request = record.get("requestPayload")
    fault = unusable(request)
    if fault or not isinstance(request, dict):
        log("ERROR", f"The waiter died, and its event is one that cannot be answered: {fault}")
        return
    keys = {key: request.get(key) for key in ("StackId", "LogicalResourceId", "RequestId", "RequestType")}
    body = answer(request, what_lambda_said(record, request["ResponseURL"]))
    attempts = deliver(request["ResponseURL"], body, put, sleep)
    status = json.loads(body)["Status"]
    log("WARNING", f"Answered {status} in place of the waiter", **keys, delivery_attempts=attempts)
    print(json.dumps(metric()))


def metric() -> dict[str, Any]:
    """Return what counts one answer, as CloudWatch reads it from a log ("Embedded metric format")."""
    directive = {
        "Namespace": "EcrImageWaiter",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "LastResortAnswers", "Unit": "Count"}],
    }
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "service": os.environ.get("POWERTOOLS_SERVICE_NAME") or "ecr-image-waiter",  # the waiter's own
        "LastResortAnswers": 1,
    }


def unusable(request: object) -> str:
    """Return why a request cannot be answered, nothing if it can."""
    if not isinstance(request, dict):
        return "it is not an object"
    for key in ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId"):
        if not isinstance(request.get(key), str) or not request[key]:
            return f"it has no {key}"
    if request["RequestType"] not in ("Create", "Update", "Delete"):
        return "its RequestType is none of CloudFormation's"
    if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_SAM_LOCAL"):  # never so in a deployed function
        return "" if re.match(r"https?://", request["ResponseURL"]) else "its ResponseURL is no http or https one"
    region = os.environ.get("AWS_REGION", "")
    suffix = next((value for key, value in SUFFIXES.items() if region.startswith(key)), "amazonaws.com")
    host = re.match(r"https://([a-z0-9.-]+)(:443)?[/?]", request["ResponseURL"], re.IGNORECASE)
    if not host or not host[1].lower().endswith("." + suffix):
        return f"its ResponseURL is not https to a host under {suffix}"
    return ""


def what_lambda_said(record: dict[str, Any], url: str) -> str:
    """Return the Reason: what Lambda tells of the waiter's end, without any part of the URL's query."""
    context = record.get("requestContext")
    context = context if isinstance(context, dict) else {}
    payload = record.get("responsePayload")
    if isinstance(payload, dict):
        told = ": ".join(str(payload[key]) for key in ("errorType", "errorMessage") if payload.get(key))
    else:
        told = str(payload) if payload else ""
    query = urlsplit(url).query
    told = told.replace(query, "...") if query else told
    attempts = context.get("approximateInvokeCount", "unknown")
    return harmless(
        f"The waiter function died before it could answer ({context.get('condition', 'no condition given')}, attempts: "
        f"{attempts}). Lambda says: {told or 'nothing'}. See the function's log, mend the cause, then deploy again"
    )


def harmless(text: str) -> str:
    """Return a text that prints on one line, and that no terminal and no CI log takes for a command.

    The same as the waiter's own: what failed may tell of names that a pusher has chosen.
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return re.sub(r"(?<!\S):(?=:)|#(?=#\w*\[)", lambda found: f"\\x{ord(found[0]):02x}", text)


def answer(request: dict[str, Any], reason: str) -> bytes:
    """Return the answer's body, at most 4096 bytes: SUCCESS for a Delete, otherwise FAILED with the reason."""
    source = f"{request['StackId']}\n{request['LogicalResourceId']}\n{request['RequestId']}"
    # The id that the waiter would have given, so that the Delete that follows names the same resource.
    made = f"{request['LogicalResourceId']}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"
    given = request.get("PhysicalResourceId")
    deletes = request["RequestType"] == "Delete"
    while True:
        body = json.dumps(
            {
                "Status": "SUCCESS" if deletes else "FAILED",
                "Reason": "" if deletes else reason,
                "PhysicalResourceId": given if isinstance(given, str) and given else made,
                "StackId": request["StackId"],
                "RequestId": request["RequestId"],
                "LogicalResourceId": request["LogicalResourceId"],
            }
        ).encode()
        if len(body) <= MAX_BODY_BYTES or not reason:
            return body
        reason = reason[: len(reason) * 9 // 10]


def deliver(url: str, body: bytes, put: Callable[[str, bytes], int], sleep: Callable[[float], None]) -> int:
    """Send the answer, again after connection errors, 429 and 5xx.

    Returns:
        How many attempts it took.

    Raises:
        NotDeliveredError: CloudFormation did not take it. No part of the URL stands in the message.
    """
    fault = ""
    for attempt, pause in enumerate((*PAUSES, 0.0), 1):
        try:
            status = put(url, body)
        except OSError as error:
            fault = type(error).__name__
        else:
            if status < 300:
                return attempt
            fault = f"HTTP status {status}"
            if status != 429 and status < 500:
                break
        sleep(pause)
    log("ERROR", f"CloudFormation did not take the answer: {fault}")
    raise NotDeliveredError(f"CloudFormation did not take the answer: {fault}")


def send(url: str, body: bytes) -> int:
    """PUT a body and return the HTTP status. Raises OSError where there is no answer."""
    # An empty Content-Type: the URL was signed without one.
    put = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310  # checked
    try:
        with urllib.request.urlopen(put, timeout=SOCKET_SECONDS) as reply:  # noqa: S310  # as above
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def log(level: str, message: str, **keys: object) -> None:
    """Write one line of JSON."""
    keys = {key: harmless(value) if isinstance(value, str) else value for key, value in keys.items()}
    print(json.dumps({"level": level, "message": message, "service": "ecr-image-waiter-last-resort", **keys}))
