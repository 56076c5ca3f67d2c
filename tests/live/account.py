"""The AWS account that a run uses. All that a run makes has the run's name, and is removed by it."""

import json
import re
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory
from threading import Event, Lock
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from samtranslator.yaml_helper import yaml_parse

PREFIX: Final = "ecr-image-waiter-live"
SHORT_TIMEOUT: Final = 15
"""Seconds. Of the function whose waits are to cross several invocations."""
_GONE: Final = re.compile(r"NotFound|NoSuch|404")
_MISSING: Final = "nothing_that_is_there.lambda_handler"
_CRASHES: Final = Path(__file__).with_name("crash_late.py")
_TRIES: Final = 8
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Over(Exception):
    """The run ends, so nothing more is made."""


class Account:
    """An account, and the names of one run in it. Safe to use from several threads.

    Args:
        client: returns a boto3 client of a service.
        run: tells this run from all others.
    """

    def __init__(self, client: Callable[[str], Any], run: str) -> None:
        self.run = run
        self.name = f"{PREFIX}-{run}"
        services = ("cloudformation", "ecr", "lambda", "logs", "s3")
        self.cloudformation, self.ecr, self.functions, self.logs, self.s3 = map(client, services)
        caller = client("sts").get_caller_identity()
        self.id, self.partition = caller["Account"], caller["Arn"].split(":")[1]
        self.region = self.cloudformation.meta.region_name
        self.emulated = "amazonaws." not in self.cloudformation.meta.endpoint_url
        self.bucket = f"{self.name}-{self.id}"
        self.parameter = f"/{self.name}/service-token"
        self._pause = 1 if self.emulated else 5
        self._lock = Lock()
        self._ended = Event()

    @property
    def late_timeout(self) -> int:
        """The timeout in seconds of the function that crashes late: Lambda's most, but in an emulator."""
        return 30 if self.emulated else 900

    @contextmanager
    def making(self) -> Iterator[None]:
        """Holds the end of the run back while something is made.

        Raises:
            Over: the run ends.
        """
        with self._lock:
            if self.over:
                raise Over
            yield

    @property
    def over(self) -> bool:
        """Whether the run ends."""
        return self._ended.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleeps. Raises Over when the run ends meanwhile."""
        if self._ended.wait(seconds):
            raise Over

    def in_use(self) -> bool:
        """Whether a run with this name is under way, or has left something."""
        try:
            self.s3.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            return not _is_gone(error)
        return True

    def deploy(self, built: Path, names: Iterable[str]) -> None:
        """Deploys what `sam build` made, once for each name of `_variants`."""
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        with self.making():
            self.s3.create_bucket(Bucket=self.bucket, **({"CreateBucketConfiguration": place} if place else {}))
        template = yaml_parse((built / "template.yaml").read_text())
        with TemporaryDirectory() as folder:
            for function in ("WaiterFunction", "LastResortFunction"):
                archive = make_archive(f"{folder}/{function}", "zip", built / function)
                template["Resources"][function]["Properties"]["CodeUri"] = self._upload(archive, function)
            archive = f"{folder}/WaiterFunction.zip"
            with zipfile.ZipFile(archive, "a") as file:
                file.write(_CRASHES, _CRASHES.name)
            crashing = self._upload(archive, "Crashing")
        repositories = f"arn:{self.partition}:ecr:{self.region}:{self.id}:repository/{self.name}/*"
        common = {"RepositoryArnPattern": repositories, "LogRetentionDays": "1", "ServiceTokenParameterName": ""}
        properties, variants = dict(template["Resources"]["WaiterFunction"]["Properties"]), self._variants(crashing)
        for name in names:
            changed, parameters = variants[name]
            template["Resources"]["WaiterFunction"]["Properties"] = properties | changed
            self.create(name, template, common | parameters)
        for name in names:
            if (status := self.settled(name)) != "CREATE_COMPLETE":
                raise RuntimeError(f"the stack {self.name}-{name} is {status}: {self.events(f'{self.name}-{name}')}")

    def _variants(self, crashing: str) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
        """Returns what differs of the waiter's function and parameters, by the name of the deployment."""
        late = {"Handler": f"{_CRASHES.stem}.lambda_handler", "CodeUri": crashing, "Timeout": self.late_timeout}
        return {
            "waiter": ({}, {"ServiceTokenParameterName": self.parameter}),
            "short": ({"Timeout": SHORT_TIMEOUT}, {"Architecture": "x86_64"}),
            "broken": ({"Handler": _MISSING}, {}),
            "late": (late, {}),
        }

    def _upload(self, archive: str, key: str) -> str:
        with self.making():
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=Path(archive).read_bytes())
        return f"s3://{self.bucket}/{key}"

    def create(self, name: str, template: Mapping[str, Any], parameters: Mapping[str, str] = _NOTHING) -> str:
        """Begins to create a stack, and returns its id."""
        with self.making():
            stack = self.cloudformation.create_stack(
                StackName=f"{self.name}-{name}",
                TemplateBody=json.dumps(template, separators=(",", ":")),  # CloudFormation takes 51,200 bytes
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        return str(stack["StackId"])

    def update(self, name: str, template: Mapping[str, Any]) -> None:
        """Begins to update a stack."""
        with self.making():
            self.cloudformation.update_stack(StackName=f"{self.name}-{name}", TemplateBody=json.dumps(template))

    def wait(self, waiter: str, stack: str) -> None:
        """Waits for a stack with one of boto3's waiters. Raises its WaiterError."""
        config = {"Delay": self._pause, "MaxAttempts": 1800 // self._pause}
        self.cloudformation.get_waiter(waiter).wait(StackName=stack, WaiterConfig=config)

    def settled(self, name: str) -> str:
        """Returns the status in which the creation of a stack ends."""
        stack = f"{self.name}-{name}"
        try:
            self.wait("stack_create_complete", stack)
        except WaiterError as error:
            last: Any = error.last_response
            return str(last["Stacks"][0]["StackStatus"]) if "Stacks" in last else "gone"
        return "CREATE_COMPLETE"

    def outputs(self, name: str) -> dict[str, str]:
        (stack,) = self.cloudformation.describe_stacks(StackName=f"{self.name}-{name}")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def events(self, stack: str) -> list[tuple[str, str, str]]:
        """Returns a stack's events, the oldest first: resource, status and reason of each."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
        found = [event for page in pages for event in page["StackEvents"]]
        keys = ("LogicalResourceId", "ResourceStatus", "ResourceStatusReason")
        return [(event[keys[0]], event[keys[1]], event.get(keys[2]) or "") for event in reversed(found)]

    def logged(self, name: str, text: str) -> list[str]:
        """Returns the log lines of a waiter's deployment that hold a text."""
        group = self.outputs(name)["LogGroupName"]
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"] if text in event["message"]]

    def until(self, what: str, holds: Callable[[], object], seconds: float = 120) -> None:
        """Returns when something holds that boto3 has no waiter for.

        Raises:
            AssertionError: not in time.
            Over: the run ends.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            self.sleep(self._pause)

    def remove(self, waiters: Iterable[str], checks: Iterable[str]) -> list[str]:
        """Removes all that a run can have made. Nothing is made any more from now on.

        Args:
            waiters: the names of deployments of the waiter.
            checks: the names of checks. Their stacks go first, because the waiters answer their Deletes.

        Returns:
            What is left, each with the reason and with the command that removes it.
        """
        with self._lock:
            self._ended.set()
        left = []
        for group in (list(checks), list(waiters)):
            stacks = [f"{self.name}-{name}" for name in group]
            for stack in stacks:
                self._try(partial(self.cloudformation.delete_stack, StackName=stack))
            left += [
                f"stack {stack} ({fault}): aws cloudformation delete-stack --stack-name {stack}"
                for stack in stacks
                if (fault := self._delete_stack(stack))
            ]
        for name in checks:
            function, repository = f"{self.name}-{name}", f"{self.name}/{name}"
            if fault := self._try(partial(self.functions.delete_function, FunctionName=function)):
                left.append(f"function {function} ({fault}): aws lambda delete-function --function-name {function}")
            if fault := self._try(partial(self.ecr.delete_repository, repositoryName=repository, force=True)):
                command = f"aws ecr delete-repository --force --repository-name {repository}"
                left.append(f"repository {repository} ({fault}): {command}")
        if fault := self._try(self._delete_bucket):
            left.append(f"bucket {self.bucket} ({fault}): aws s3 rb --force s3://{self.bucket}")
        return [f"{each} --region {self.region}" for each in left]

    def _delete_stack(self, stack: str) -> str:
        """Returns why a stack is still there; nothing if it is gone. One that is being updated is tried again."""
        fault = ""
        for _ in range(_TRIES):
            try:
                self.wait("stack_delete_complete", stack)
            except (BotoCoreError, ClientError) as error:
                fault = str(error)
            else:
                return ""
            time.sleep(3 * self._pause)
            self._try(partial(self.cloudformation.delete_stack, StackName=stack))
        return fault

    def _delete_bucket(self) -> None:
        for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            self.s3.delete_object(Bucket=self.bucket, Key=item["Key"])
        self.s3.delete_bucket(Bucket=self.bucket)

    def _try(self, remove: Callable[[], object]) -> str:
        """Returns why something could not be removed; nothing if it is gone."""
        try:
            remove()
        except (BotoCoreError, ClientError) as error:
            return "" if _is_gone(error) else str(error)
        return ""


def _is_gone(error: Exception) -> bool:
    return isinstance(error, ClientError) and bool(_GONE.search(error.response["Error"]["Code"]))
