"""What the tests hand in instead of the world. Each class says where it is simpler than the real thing."""

import json
import math
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from sandbox.player import ACCESS_KEY_ID, SIGNATURE
from tests.policy.leaks import NEEDLES, SESSION_TOKEN
from tests.support.clock import FakeClock

SIGNED_AT: Final = "20261101T120000Z"
"""`NOW`, the moment the signed URL below was made."""

FUNCTION_ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:waiter"
STACK_ID: Final = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/5b1c9a50-0000-11ee-9d01-0a1b2c3d4e5f"
REQUEST_ID: Final = "7c0f1f4e-0000-4b11-8f0a-3f5d2b1c0a99"
HOST: Final = "cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com"
DIGEST: Final = "sha256:" + "ab" * 32
OTHER_DIGEST: Final = "sha256:" + "cd" * 32
REPOSITORY_URI: Final = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"
PROPERTIES: Final = {"RepositoryName": "team/app", "ImageTag": "v1"}


def signed_query(date: str = SIGNED_AT) -> str:
    """Return a query in the form of the real presigned URL's, with canaries where that has secrets."""
    return (
        f"X-Amz-Security-Token={SESSION_TOKEN}%3D%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Date={date}&X-Amz-SignedHeaders=host&X-Amz-Expires=7199"
        f"&X-Amz-Credential={ACCESS_KEY_ID}%2F20261101%2Feu-west-1%2Fs3%2Faws4_request"
        f"&X-Amz-Signature={SIGNATURE}"
    )


def response_url(host: str = HOST, *, scheme: str = "https", query: str | None = None) -> str:
    """Return a ResponseURL that looks like the real one."""
    return f"{scheme}://{host}/arn%3Aaws%3Acloudformation/Image?{signed_query() if query is None else query}"


def leaked(text: str) -> list[str]:
    """Return the parts of a ResponseURL's query that stand in a text, as the check of the whole suite knows them."""
    return [needle for needle in NEEDLES if needle in text]


def stack_event(request_type: str = "Create", /, **changes: Any) -> dict[str, Any]:
    """Return CloudFormation's event; a change to `...` takes the key out."""
    event: dict[str, Any] = {
        "RequestType": request_type,
        "ServiceToken": FUNCTION_ARN,
        "ResponseURL": response_url(),
        "StackId": STACK_ID,
        "RequestId": REQUEST_ID,
        "LogicalResourceId": "Image",
        "ResourceType": "Custom::EcrImageWaiter",
        "ResourceProperties": {"ServiceToken": FUNCTION_ARN, **PROPERTIES},
    }
    if request_type != "Create":
        event["PhysicalResourceId"] = "Image-0123456789abcdef"
    return {key: value for key, value in {**event, **changes}.items() if value is not ...}


def aws_error(
    code: str, message: str = "AWS's own words", *, status: int = 400, operation: str = "DescribeImages"
) -> ClientError:
    """Return an error as boto3 raises it."""
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def as_client(fake: object) -> Any:
    """Return a fake for the client of boto3 that it stands in for, of which it has what is called."""
    return fake


class FakeContext:
    """Lambda's context. Its time runs on the fake clock, and nothing ends an invocation that overruns it."""

    def __init__(self, clock: FakeClock, timeout: float = 900.0, arn: str = FUNCTION_ARN, stream: str = "s[1]") -> None:
        self.aws_request_id = "invocation-1"
        self.invoked_function_arn = arn
        self.log_stream_name = stream
        self._clock = clock
        self._ends = clock.now() + timeout

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - self._clock.now()) * 1000)


def details(*images: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of DescribeImages; members left out get defaults."""
    default = {"registryId": "123456789012", "repositoryName": "team/app", "imageDigest": DIGEST}
    return {"imageDetails": [{**default, **image} for image in images]}


class FakeLambda:
    """Lambda's Invoke from a script, of which the last line repeats for ever: it keeps the calls and runs nothing."""

    def __init__(self, *script: Exception | None) -> None:
        self.calls: list[dict[str, Any]] = []
        self._script = list(script) or [None]

    def invoke(self, **kwargs: Any) -> dict[str, int]:
        self.calls.append(kwargs)
        error = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if error:
            raise error
        return {"StatusCode": 202}

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(call["Payload"]) for call in self.calls]


class FakeCloudFormation:
    """CloudFormation's DescribeStacks from a script of statuses and errors, of which the last line repeats for ever.

    A status may come with its LastUpdatedTime, in seconds since 1970 UTC.

    Without a script, every stack is being updated, which a Create and an Update may belong to. It knows no stacks.
    """

    def __init__(self, *script: str | tuple[str, float] | Exception) -> None:
        self._script: list[str | tuple[str, float] | Exception] = [*script] or ["UPDATE_IN_PROGRESS"]
        self._hangs_on: FakeClock | None = None
        self.asked: list[str] = []
        self.seconds: list[float] = []

    def within(self, seconds: float) -> Any:
        """Stand in for the function that makes clients."""
        self.seconds.append(seconds)
        return self

    def hang(self, clock: FakeClock) -> None:
        """Let each call take all the time it may, without a reply."""
        self._hangs_on = clock

    def describe_stacks(self, **kwargs: Any) -> dict[str, Any]:
        self.asked.append(kwargs["StackName"])
        if self._hangs_on:
            self._hangs_on.time += self.seconds[-1]
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, Exception):
            raise answer
        status, updated = answer if isinstance(answer, tuple) else (answer, None)
        told = {"LastUpdatedTime": datetime.fromtimestamp(updated, UTC)} if updated else {}
        return {"Stacks": [{"StackName": "shop", "StackStatus": status, **told}]}


class FakeTransport:
    """CloudFormation's end of the line: it keeps each PUT, answers from a script (then 200), takes no real time."""

    def __init__(self, *script: int | Exception, clock: FakeClock | None = None, takes: float = 0.0) -> None:
        self._script = list(script)
        self._clock = clock
        self._takes = takes
        self.puts: list[tuple[str, bytes, float]] = []

    def hang(self, clock: FakeClock) -> None:
        """Let each PUT take all the time it may."""
        self._clock, self._takes = clock, math.inf

    def put(self, url: str, body: bytes, seconds: float) -> int:
        self.puts.append((url, body, seconds))
        if self._clock:
            self._clock.time += min(self._takes, seconds)
        answer = self._script.pop(0) if self._script else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body, _ in self.puts]


def path_of(url: str) -> str:
    """Return a URL's path, which is no secret."""
    return urlsplit(url).path


class ManagedPolicies:
    """In the place of SAM's loader of managed policies, which asks IAM. The template names none."""

    def load(self) -> dict[str, str]:
        return {}
