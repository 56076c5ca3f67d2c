"""Responds to CloudFormation when the waiter cannot, because it crashed three times or cannot be imported.

Lambda's on-failure destination of the waiter function. It needs the standard library alone and shares no code with the
waiter, so that a fault of the waiter's cannot be its own. It imports the runtime's boto3 late and inside a try.
CloudFormation takes the first response to a request and ignores the rest, so it always responds.
"""

import hashlib
import http.client
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


ATTRIBUTES = (
    *("ImageUri", "ImageDigest", "TaggedImageUri", "RepositoryUri", "RepositoryName", "ImageTag", "RegistryId"),
    *("ImagePushedAt", "ImageSizeInBytes", "ImageManifestMediaType"),
    *("PlatformDigest", "PlatformImageUri", "Architecture"),
)


class NotDeliveredError(Exception):
    """The response could not be sent. The invocation fails, so that Lambda retries the event."""


def lambda_handler(event: object, _context: Any) -> None:
    """Responds to the request that the waiter failed to respond to.

    Args:
        event: what Lambda tells an on-failure destination (invocation-async-retain-records): `requestPayload` is the
            waiter's event, `requestContext` and `responsePayload` say what became of it.
        _context: Lambda's; not used.

    Raises:
        NotDeliveredError: CloudFormation did not take it.
    """
    answer_for(event, send, time.sleep, rolls_back)


def answer_for(
    event: object, put: Callable[[str, bytes], int], sleep: Callable[[float], None], rolls_back: Callable[[str], bool]
) -> None:
    """Does what `lambda_handler` does, with a way to CloudFormation and a clock that come from outside.

    `put` sends a body to a URL and returns the HTTP status, or raises OSError or HTTPException. `sleep` takes seconds.

    Raises:
        NotDeliveredError: CloudFormation did not take it.
    """
    record = event if isinstance(event, dict) else {}
    request = record.get("requestPayload")
    fault = unusable(request)
    if fault or not isinstance(request, dict):
        log("ERROR", "invalid_event", f"The waiter failed, and its event is invalid, no response can be sent: {fault}")
        return
    keys = {key: request.get(key) for key in ("StackId", "LogicalResourceId", "RequestId", "RequestType")}
    data = None
    if request["RequestType"] == "Update" and rolls_back(request["StackId"]):
        context = record.get("requestContext")
        data = attributes(request, str(context.get("functionArn", "")) if isinstance(context, dict) else "")
    body = answer(request, what_lambda_said(record, request["ResponseURL"]), data)
    attempts = deliver(request["ResponseURL"], body, put, sleep)
    status = json.loads(body)["Status"]
    log(
        "WARNING",
        "last_resort_response_sent",
        f"Sent {status} in place of the waiter",
        **keys,
        delivery_attempts=attempts,
    )
    print(json.dumps(metric()))


def metric() -> dict[str, Any]:
    """Returns a metric of one response, as CloudWatch reads it from a log ("Embedded metric format")."""
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
    """Returns why no response to a request can be sent, empty if one can."""
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
    """Returns the Reason: what Lambda tells of the waiter's end, without any part of the URL's query."""
    context = record.get("requestContext")
    context = context if isinstance(context, dict) else {}
    payload = record.get("responsePayload")
    if isinstance(payload, dict):
        told = ": ".join(str(payload[key]) for key in ("errorType", "errorMessage") if payload.get(key))
    else:
        told = str(payload) if payload else ""
    query = urlsplit(url).query
    told = told.replace(query, "...") if query else told
    if isinstance(payload, dict) and payload.get("errorType") == "StackUnknown":
        return harmless(told.partition(": ")[2])
    attempts = context.get("approximateInvokeCount", "unknown")
    if context.get("condition") == "EventAgeExceeded" and not context.get("approximateInvokeCount"):
        return (
            "The waiter function never ran (EventAgeExceeded, attempts: 0): no concurrency was free for too long; "
            "raise the account's limit of concurrent executions, or ReservedConcurrency if it is set"
        )
    return harmless(
        f"The waiter function failed ({context.get('condition', 'no condition given')}, attempts: {attempts}): "
        f"{told or 'no error given'}; see the function's log, fix the cause, then deploy again"
    )


def harmless(text: str) -> str:
    """Returns a text that prints on one line, and that no terminal and no CI log takes for a command.

    The same as the waiter's own: what failed may tell of names that a pusher has chosen.
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return re.sub(r"(?<!\S):(?=:)|#(?=#\w*\[)", lambda found: f"\\x{ord(found[0]):02x}", text)


def rolls_back(stack_id: str) -> bool:
    """Returns whether a stack certainly rolls back. botocore retries for some 15 s; without an answer, False."""
    try:
        import boto3  # noqa: PLC0415  # late: it is the runtime's, and whatever is wrong with it must not matter
        from botocore.config import Config  # noqa: PLC0415

        retries: Any = {"mode": "standard", "total_max_attempts": 5}
        config = Config(connect_timeout=2, read_timeout=5, retries=retries)
        (stack,) = boto3.client("cloudformation", config=config).describe_stacks(StackName=stack_id)["Stacks"]
        return str(stack["StackStatus"]).endswith("ROLLBACK_IN_PROGRESS")
    except Exception as error:  # noqa: BLE001  # no import, no permission, no answer: it stays at FAILED
        log("WARNING", "rollback_unknown", f"The check whether the stack rolls back failed ({type(error).__name__})")
        return False


def attributes(request: dict[str, Any], function_arn: str) -> dict[str, str]:
    """Returns what Fn::GetAtt gets in a rollback: what can be read from the properties, and no digest.

    The waiter's ARN names partition, region and account.
    """
    properties = request.get("ResourceProperties")
    properties = properties if isinstance(properties, dict) else {}
    effort = {"Attempts": "0", "WaitedSeconds": "0"}
    images = properties.get("Images")
    if isinstance(images, list):
        named = [(_text(image, "Id"), image) for image in images if isinstance(image, dict)]
        return {f"{id_}.ImageUri": _named(image, function_arn)["ImageUri"] for id_, image in named if id_} | effort
    return _named(properties, function_arn) | effort


def _named(image: dict[str, Any], function_arn: str) -> dict[str, str]:
    _, _, _, region, account, *_ = [*function_arn.split(":"), *[""] * 5]
    role = _text(image, "RoleArn").split(":")
    registry = _text(image, "RegistryId", "[0-9]{12}") or (role[4] if len(role) > 4 else account)
    region = _text(image, "Region", "[a-z]+(-[a-z]+)+-[0-9]+") or region
    suffix = next((value for key, value in SUFFIXES.items() if region.startswith(key)), "amazonaws.com")
    name, tag, digest = (_text(image, key) for key in ("RepositoryName", "ImageTag", "ImageDigest"))
    repository = f"{registry}.dkr.ecr.{region}.{suffix}/{name}" if name else ""
    hosts = r"(?:([0-9]{12})\.dkr[.-]ecr[a-z0-9.-]+|public\.ecr\.aws/[^/]+|ecr-public\.aws\.com/[^/]+)"
    uri = re.fullmatch(rf"({hosts}/(.+?))(?::([^:@/]+))?(?:@(sha256:[0-9a-f]+))?", _text(image, "ImageUri"))
    if uri:
        repository, name, tag, digest = uri[1], uri[3], uri[4] or "", uri[5] or ""
        registry = uri[2] or account
    tagged = f"{repository}:{tag}" if repository and tag else ""
    named = tagged or (f"{repository}@{digest}" if repository and digest else "")
    return {
        **dict.fromkeys(ATTRIBUTES, ""),
        "ImageUri": named,
        "TaggedImageUri": tagged,
        "RepositoryUri": repository,
        "RepositoryName": name,
        "ImageTag": tag,
        "RegistryId": registry if repository else "",
        "PlatformImageUri": named if _text(image, "Platform") else "",
    }


def _text(values: dict[str, Any], key: str, pattern: str = "(?s:.*)") -> str:
    value = values.get(key)
    return harmless(value) if isinstance(value, str) and re.fullmatch(pattern, value) else ""


def answer(request: dict[str, Any], reason: str, data: dict[str, str] | None = None) -> bytes:
    """Returns the response's body, at most 4096 bytes: SUCCESS for a Delete or with data, else FAILED with the reason.

    Data that does not fit is left out.
    """
    source = f"{request['StackId']}\n{request['LogicalResourceId']}\n{request['RequestId']}"
    # The id that the waiter would have given, so that the Delete that follows names the same resource.
    made = f"{request['LogicalResourceId']}-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"
    given = request.get("PhysicalResourceId")
    succeeds = request["RequestType"] == "Delete" or data is not None
    while True:
        body = json.dumps(
            {
                "Status": "SUCCESS" if succeeds else "FAILED",
                "Reason": "" if succeeds else reason,
                "PhysicalResourceId": given if isinstance(given, str) and given else made,
                "StackId": request["StackId"],
                "RequestId": request["RequestId"],
                "LogicalResourceId": request["LogicalResourceId"],
                "Data": data or {},
            }
        ).encode()
        if len(body) <= MAX_BODY_BYTES or not (reason or data):
            return body
        data = {} if succeeds else data
        reason = reason[: len(reason) * 9 // 10]


def deliver(url: str, body: bytes, put: Callable[[str, bytes], int], sleep: Callable[[float], None]) -> int:
    """Sends the response, again after connection errors, 429 and 5xx. Returns the number of attempts.

    Raises:
        NotDeliveredError: the response could not be sent. The message has no part of the URL.
    """
    fault = ""
    for attempt, pause in enumerate((*PAUSES, 0.0), 1):
        try:
            status = put(url, body)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            fault = type(error).__name__  # no part of its message, which may be the URL
        else:
            if status < 300:
                return attempt
            fault = f"HTTP status {status}"
            if status != 429 and status < 500:
                break
        sleep(pause)
    log("ERROR", "response_not_sent", f"The response could not be sent: {fault}")
    raise NotDeliveredError(f"The response could not be sent: {fault}")


def send(url: str, body: bytes) -> int:
    """PUTs a body and return the HTTP status. Raises OSError or HTTPException if there is no reply."""
    # An empty Content-Type: the URL was signed without one.
    put = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310  # checked
    try:
        with urllib.request.urlopen(put, timeout=SOCKET_SECONDS) as reply:  # noqa: S310  # as above
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def log(level: str, event: str, message: str, **keys: object) -> None:
    """Writes one line of JSON."""
    keys = {key: harmless(value) if isinstance(value, str) else value for key, value in keys.items()}
    record = {"level": level, "message": message, "service": "ecr-image-waiter-last-resort", "event": event, **keys}
    print(json.dumps(record))
