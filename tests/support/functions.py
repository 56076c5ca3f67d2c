"""The built artifact where it really runs: deployed in the sandbox, and under AWS's Runtime Interface Emulator."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sandbox.cloud import REGION, Cloud
from sandbox.images import push
from sandbox.player import ACCOUNT, Event, Operation, Outcome
from sandbox.player_server import Player
from sandbox.proxy import Call, Proxy, Rule, answer
from sandbox.rie import FUNCTION_ARN, AsyncLambda, Emulator
from tests.support.patience import eventually

TIMEOUT = 15
"""Of the function, in seconds: a slice is twelve of them, and handing over has half of the rest. On a busy machine the
emulator takes a second for one."""

LONG_TIMEOUT = 900
"""Of the function as it is deployed, in seconds: for waits that are over within its first invocation, and long ones."""

EVERYTHING = {
    "RepositoryArnPattern": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*",
    "AssumableRoleArns": "arn:aws:iam::210987654321:role/reader",
    "BuildProjectArns": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/*",
    "PipelineArns": f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:*",
    "AllowStartBuild": "true",
    "LogLevel": "DEBUG",
    "LogGroupName": "/waits/watched",
    "LogRetentionDays": "1",
    "LogKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "MemorySize": "256",
    "Architecture": "x86_64",
    "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "FunctionName": "watched",
    "ReservedConcurrency": "20",
    "ServiceTokenParameterName": "/watched/service-token",
    "ConsumerAccounts": "111122223333,111122223334",
    "ConsumerOrganizationId": "o-a1b2c3d4e5",
    "Dashboard": "true",
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms",
    "AccountConcurrencyThreshold": "700",
}
"""Every parameter of the template, with which the function is deployed that has `TIMEOUT` then."""

_numbers = itertools.count()


def stacks_of(player: Player) -> Rule:
    """Return the rule by which CloudFormation knows the stacks that a player invented.

    Of DescribeStacks' answer there is what botocore's model requires of a stack.
    """

    def stack_of(call: Call) -> str:
        return parse_qs(call.body)["StackName"][0]

    def described(call: Call) -> str:
        stack_id = stack_of(call)
        state = player.state_of(stack_id)
        updated = ""
        if state.updated_at is not None:
            updated = f"<LastUpdatedTime>{datetime.fromtimestamp(state.updated_at, UTC).isoformat()}</LastUpdatedTime>"
        members = (
            f"<StackId>{stack_id}</StackId><StackName>{stack_id.split('/')[1]}</StackName>"
            f"<CreationTime>2026-11-01T12:00:00Z</CreationTime>{updated}<StackStatus>{state.status}</StackStatus>"
        )
        return (
            '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>'
            f"<Stacks><member>{members}</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        )

    where = lambda call: bool(player.status_of(stack_of(call)))  # noqa: E731  # next to the two it belongs to
    return Rule("cloudformation:DescribeStacks", answer(described), where=where)


def handed_over(function: "Function", operation: Operation, times: int = 1) -> None:
    """Return when the function has handed an operation over so often."""

    def often_enough() -> bool:
        assert operation.outcome is None, operation.outcome
        return function.hand_overs(operation) >= times

    eventually(often_enough, f"hand-over {times}")


def seconds(count: int) -> dict[str, str]:
    """Properties for a wait of so many seconds with a check in each."""
    return {"MaxRetries": str(count), "RetryDelaySeconds": "1"}


FAR = seconds(900)
"""Of a wait that the test ends, where the function has `LONG_TIMEOUT`."""
HANDED_OVER = seconds(110)
"""Of a wait that the test ends, where the function has `TIMEOUT`. A wait that would need more than fifteen invocations
is refused, and on a busy machine an invocation has less than its timeout left when it checks."""


def uri(repository: str, digest: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}@{digest}"


def failed(operation: Operation) -> Outcome:
    """Return the outcome of a Create that fails, when the Delete that follows has gone through."""
    outcome = operation.wait()
    assert outcome.status == "FAILED", outcome
    assert operation.follow_up
    assert operation.follow_up.wait().status == "SUCCESS"
    return outcome


class FunctionError(Exception):
    """A direct invocation ended with a function error."""


class Function(ABC):
    """The waiter function, somewhere. Safe to use from several threads."""

    account = ACCOUNT
    """The function's own, and that of the stacks that it waits for."""

    def __init__(self, cloud: Cloud) -> None:
        self.ecr = cloud.client("ecr")
        self.ecr_proxy = cloud.ecr_proxy
        self.proxy = cloud.proxy
        self.self_invokes = cloud.proxy

    @abstractmethod
    def invoke(self, event: Event) -> None:
        """Invoke asynchronously."""

    @abstractmethod
    def ask(self, event: object) -> Any:
        """Invoke synchronously and return the result, or raise `FunctionError` with its message."""

    @abstractmethod
    def hand_overs(self, operation: Operation) -> int:
        """Return how often the function has invoked itself for an operation."""

    @abstractmethod
    def output(self, since: float = 0.0) -> str:
        """Return what the function has logged, at least what it has since a time."""

    def checks(self, repository: str) -> int:
        """Return how often ECR was asked for an image of a repository."""
        return self.ecr_proxy.count("ecr:DescribeImages", repository=repository)

    def logged(self, operation: Operation) -> list[str]:
        """Return the messages that the function has logged about an operation."""
        return [str(entry["message"]) for entry in self.entries(operation)]

    def elapsed(self, operation: Operation) -> list[float]:
        """Return how many seconds of an operation's wait had passed at each check, by the function's own clock."""
        return [entry["elapsed_seconds"] for entry in self.entries(operation) if "elapsed_seconds" in entry]

    def entries(self, operation: Operation) -> list[dict[str, Any]]:
        """Return the lines of the log about an operation."""
        entries = []
        for line in self.output(operation.sent).splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # START, END and REPORT
            if isinstance(entry, dict) and entry.get("RequestId") == operation.event["RequestId"]:
                entries.append(entry)
        return entries

    def repository(self) -> str:
        """Create a repository that no other test has."""
        name = f"{type(self).__name__.lower()}/app-{next(_numbers)}"
        self.ecr.create_repository(repositoryName=name)
        return name

    def push(self, repository: str, tag: str = "v1", content: str = "hello") -> str:
        """Push an image and return its digest."""
        return push(self.ecr, repository, tag, content=content)

    @contextmanager
    def player(self, *, tls: bool = False) -> Iterator[Player]:
        """Play CloudFormation's part for stacks that use this function, which can ask what becomes of them."""
        with Player(self.invoke, tls=tls) as player, self.proxy.rule(stacks_of(player)):
            player.account = self.account
            yield player


class Deployed(Function):
    """The function that `sam deploy` put into the sandbox."""

    def __init__(self, cloud: Cloud, stack: str, timeout: int) -> None:
        super().__init__(cloud)
        token, log_group = cloud.output(stack, "ServiceToken"), cloud.output(stack, "LogGroupName")
        self._cloud = cloud
        self._lambda = cloud.client("lambda")
        self._logs = cloud.client("logs")
        self._token = token
        self.name = token.rpartition(":")[2]
        self.set_timeout(timeout)
        self._log_group = log_group

    def set_timeout(self, seconds: int) -> None:
        """Give the function another timeout."""
        self._cloud.set_timeout(self._token, seconds)

    def invoke(self, event: Event) -> None:
        self._lambda.invoke(FunctionName=self._token, InvocationType="Event", Payload=json.dumps(event))

    def ask(self, event: object) -> Any:
        answer = self._lambda.invoke(FunctionName=self._token, Payload=json.dumps(event))
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionError(result["errorMessage"])
        return result

    def hand_overs(self, operation: Operation) -> int:
        return self.proxy.count("lambda:Invoke", containing=operation.event["RequestId"])

    def output(self, since: float = 0.0) -> str:
        which = {"logGroupName": self._log_group, "startTime": int(since) * 1000}
        pages = self._logs.get_paginator("filter_log_events").paginate(**which)
        return "\n".join(event["message"] for page in pages for event in page["events"])


class UnderRie(Function):
    """The same artifact under AWS's Runtime Interface Emulator."""

    account = FUNCTION_ARN.split(":")[4]  # which the emulator makes up

    def __init__(
        self, cloud: Cloud, output: Path, *, timeout: int = TIMEOUT, artifact: Path | None = None, **environment: str
    ) -> None:
        super().__init__(cloud)
        self.timeout = timeout
        self.output_folder = output / f"rie-{next(_numbers)}"
        self.environments: list[Emulator] = []

        def start(number: int) -> Emulator:
            everything = {
                "AWS_ENDPOINT_URL": cloud.endpoint,
                "AWS_ENDPOINT_URL_CLOUDFORMATION": cloud.proxy.url,
                "AWS_ENDPOINT_URL_CODEBUILD": cloud.builds_proxy.url,
                "AWS_ENDPOINT_URL_CODEPIPELINE": cloud.builds_proxy.url,
                "AWS_ENDPOINT_URL_ECR": cloud.ecr_proxy.url,
                "AWS_ENDPOINT_URL_ECR_PUBLIC": cloud.ecr_proxy.url,
                "AWS_ENDPOINT_URL_LAMBDA": self.self_invokes.url,
                "LOG_LEVEL": "DEBUG",
                **environment,
            }
            name = f"environment-{number}"
            emulator = Emulator(artifact or cloud.artifact, everything, self.output_folder, timeout=timeout, name=name)
            self.environments.append(emulator)
            return emulator

        def start_last_resort(number: int) -> Emulator:
            return Emulator(
                cloud.artifact.parent / "LastResortFunction",
                {"AWS_ENDPOINT_URL": cloud.endpoint},
                self.output_folder,
                timeout=120,
                name=f"last-resort-{number}",
                handler="last_resort.lambda_handler",
            )

        self.last_resort = AsyncLambda(start_last_resort)
        self.service = AsyncLambda(start, self.last_resort.invoke_later)
        self.self_invokes = Proxy(self.service.url)

    def invoke(self, event: Event) -> None:
        self.service.invoke_later(event)

    def ask(self, event: object) -> Any:
        result = self.service.invoke(event)
        if isinstance(result, str):
            raise FunctionError(result)
        if isinstance(result, dict) and "errorType" in result:
            raise FunctionError(result["errorMessage"])
        return result

    def hand_overs(self, operation: Operation) -> int:
        wanted = operation.event["RequestId"]
        return sum(
            isinstance(event, dict) and event.get("RequestId") == wanted and "EcrImageWaiter" in event
            for event in list(self.service.invocations)
        )

    def output(self, since: float = 0.0) -> str:  # noqa: ARG002  # a file has no index of times
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.output_folder.glob("*.log")))

    def stop(self) -> None:
        self.self_invokes.stop()
        self.service.stop()
        self.last_resort.stop()
