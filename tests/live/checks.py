"""What `make live` finds out. Each check's docstring is its claim."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from sandbox.images import push, push_index

from .account import SHORT_TIMEOUT, Account

SERVICE_TIMEOUT: Final = 1500
"""Seconds. More than the longest wait and its retries take, and less than the hour that is the default."""
_TAKEN: Final = "taken"
_ATTRIBUTES: Final = ("ImageUri", "Attempts", "WaitedSeconds")


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: of its stack, its repository and its function.
        claim: what it proves.
        run: makes it. Returns what AWS said, and raises an AssertionError where the claim does not hold.
        waiter: the deployment of the waiter that it uses.
        emulator: why it cannot run in an emulator; empty if it can.
    """

    name: str
    claim: str
    run: Callable[["Scene"], str]
    waiter: str = "waiter"
    emulator: str = ""


CHECKS: Final[dict[str, Check]] = {}
"""By name, the longest first."""


class Scene:
    """A check's own stack and repository."""

    def __init__(self, account: Account, check: Check) -> None:
        self.account = account
        self._name = check.name
        self._waiter = check.waiter
        self.stack = f"{account.name}-{check.name}"

    @cached_property
    def repository(self) -> str:
        name = f"{self.account.name}/{self._name}"
        with self.account.making():
            self.account.ecr.create_repository(repositoryName=name)
        return name

    def push(self, tag: str) -> str:
        """Pushes an image, another one for each tag; returns its digest."""
        return push(self.account.ecr, self.repository, tag, content=tag)

    def template(self, *, then_fail: bool = False, **properties: Any) -> dict[str, Any]:
        """Returns a template with one wait, and another one after it that fails if `then_fail`."""
        token = self.account.outputs(self._waiter)["ServiceToken"]
        common = {"ServiceToken": token, "RepositoryName": self.repository, "ServiceTimeout": SERVICE_TIMEOUT}
        kind = {"Type": "Custom::EcrImageWaiter"}
        resources: dict[str, Any] = {"Image": {**kind, "Properties": common | properties}}
        if then_fail:
            missing = common | {"ImageTag": "never", "MaxRetries": 0}
            resources["Missing"] = {**kind, "DependsOn": "Image", "Properties": missing}
        outputs = {name: {"Value": {"Fn::GetAtt": ["Image", name]}} for name in _ATTRIBUTES}
        return {"Resources": resources, "Outputs": outputs}

    def create(self, **properties: Any) -> None:
        """Begins to create the stack; what is said of it is said of this one, also when it is gone."""
        self.stack = self.account.create(self._name, self.template(**properties))

    def under_way(self) -> None:
        """Returns when CloudFormation has asked the waiter for the image."""
        self.account.until(
            "the Create is under way",
            lambda: ("Image", "CREATE_IN_PROGRESS") in [event[:2] for event in self.account.events(self.stack)],
        )

    def ends_as(self, wanted: str) -> str:
        """Waits for the end of the creation, and returns the status and the reason of the image's resource."""
        status = self.account.settled(self._name)
        events = [event[1:] for event in self.account.events(self.stack) if event[0] == "Image"]
        told = ": ".join(filter(None, next((event for event in events if event[0] == "CREATE_FAILED"), events[-1])))
        expect(status == wanted, f"the stack is {status}: {told}")
        return told

    def found(self, digest: str) -> tuple[str, dict[str, str]]:
        """Waits for a creation that succeeds with an image; returns what was said, and the attributes."""
        told, outputs = self.ends_as("CREATE_COMPLETE"), self.account.outputs(self._name)
        expect(outputs["ImageUri"].endswith(f"@{digest}"), f"another image: {outputs}")
        return f"{told}; checks: {outputs['Attempts']}, in {outputs['WaitedSeconds']} s", outputs

    def asked(self, call: Callable[..., Any], **arguments: Any) -> str:
        """Returns the error in which a call ends, or what it answered."""
        try:
            answer = call(**arguments)
        except ClientError as error:
            return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
        return json.dumps({key: value for key, value in answer.items() if key != "ResponseMetadata"}, default=str)

    def asked_of_lambda(self, tag: str) -> str:
        """Returns what Lambda says when it is to run an image; an emulator takes any."""
        account = self.account
        uri = account.ecr.describe_repositories(repositoryNames=[self.repository])["repositories"][0]["repositoryUri"]
        role = account.outputs("waiter")["WaiterRoleArn"]
        with account.making():
            told = self.asked(
                account.functions.create_function,
                FunctionName=f"{account.name}-{self._name}",
                PackageType="Image",
                Code={"ImageUri": f"{uri}:{tag}"},
                Role=role,
                Architectures=["arm64"],
            )
        return _TAKEN if "FunctionArn" in told else told


def expect(holds: object, told: str) -> None:
    """Raises an AssertionError where something does not hold."""
    if not holds:
        raise AssertionError(told)


def seconds(count: int) -> dict[str, Any]:
    """Returns properties for a wait of so many seconds with a check in each."""
    return {"MaxRetries": count, "RetryDelaySeconds": 1, "BackoffRate": 1}


def check(waiter: str = "waiter", emulator: str = "") -> Callable[[Callable[[Scene], str]], None]:
    """Adds a check. The arguments are those of `Check`."""

    def add(run: Callable[[Scene], str]) -> None:
        name, claim = run.__name__.replace("_", "-"), (run.__doc__ or "").partition("\n")[0]
        CHECKS[name] = Check(name, claim, run, waiter, emulator)

    return add


@check(waiter="late")
def crash_late_in_a_slice(scene: Scene) -> str:
    """Lambda runs an invocation again that crashed late in its slice, and the wait goes on from its old start."""
    # A slice ends 30 s before the timeout, and in an emulator, whose timeout is short, a fifth of it.
    after = scene.account.late_timeout - (10 if scene.account.emulated else 45)
    crash_at = time.time() + after
    scene.create(ImageTag="v1", Trigger=str(crash_at), **seconds(after + 200))
    scene.account.sleep(crash_at + 5 - time.time())
    digest = scene.push("v1")
    told, waited = scene.found(digest)
    checks, length = int(waited["Attempts"]), int(waited["WaitedSeconds"])
    expect(length >= after, f"the wait began anew: {waited}")
    # There is a check in each second, and after a crash they are counted from the beginning again.
    expect(checks < length - after / 2, f"nothing crashed: {waited}")
    return f"{told}; the checks are those since the crash after {after} s"


@check(waiter="broken")
def last_resort(scene: Scene) -> str:
    """The last resort answers for a waiter that cannot be imported, with Lambda's error."""
    scene.create(ImageTag="v1", **seconds(60))
    told = scene.ends_as("ROLLBACK_COMPLETE")
    expect("ImportModuleError" in told or "nothing_that_is_there" in told, told)
    return told


@check(emulator="the emulator deletes a stack beside its Create, without stopping that or sending a Delete")
def delete_during_a_create(scene: Scene) -> str:
    """A stack that is deleted during its Create is gone at once, and the wait ends by itself."""
    scene.create(ImageTag="never", **seconds(400))
    scene.under_way()
    scene.account.sleep(10)
    began = time.monotonic()
    scene.account.cloudformation.delete_stack(StackName=scene.stack)
    scene.account.wait("stack_delete_complete", scene.stack)
    gone = time.monotonic() - began
    scene.account.until("the wait ends", lambda: scene.account.logged("waiter", '"abandoned"'), 330)
    ended = time.monotonic() - began
    statuses = [status for resource, status, _ in scene.account.events(scene.stack) if resource == "Image"]
    expect(gone < 120, f"the stack was gone after {gone:.0f} s: {statuses}")
    return f"{', '.join(statuses)}; gone after {gone:.0f} s, the wait ended after at most {ended:.0f} s"


@check(waiter="short")
def hand_over(scene: Scene) -> str:
    """A wait goes on in further invocations of its function."""
    scene.create(ImageTag="v1", **seconds(120))
    scene.under_way()
    scene.account.sleep(2 * SHORT_TIMEOUT)
    digest = scene.push("v1")
    told, _ = scene.found(digest)
    scene.account.until("hand-overs are in the log", lambda: scene.account.logged("short", '"HandOverNumber"'))
    count = len(scene.account.logged("short", '"HandOverNumber"'))
    return f"{told}; hand-overs: {count}, at a timeout of {SHORT_TIMEOUT} s"


@check()
def rollback(scene: Scene) -> str:
    """An Update that fails is rolled back although the old image is gone."""
    scene.push("v1")
    scene.push("v2")
    scene.create(ImageTag="v1", **seconds(30))
    scene.ends_as("CREATE_COMPLETE")
    account, repository = scene.account, {"repositoryName": scene.repository}
    account.ecr.batch_delete_image(**repository, imageIds=[{"imageTag": "v1"}])
    account.update("rollback", scene.template(then_fail=True, ImageTag="v2", **seconds(30)))
    try:
        account.wait("stack_rollback_complete", scene.stack)
    except WaiterError as error:
        raise AssertionError(f"no rollback: {account.events(scene.stack)}") from error
    events = [f"{resource} {status}" for resource, status, _ in account.events(scene.stack)]
    back = next(number for number, event in enumerate(events) if event.startswith("Missing ") and "FAILED" in event)
    return ", ".join(events[back:])


@check()
def pushed_during_the_wait(scene: Scene) -> str:
    """A stack gets the digest of an image that is pushed while it waits."""
    scene.create(ImageTag="v1", **seconds(120))
    scene.under_way()
    scene.account.sleep(10)
    digest = scene.push("v1")
    return scene.found(digest)[0]


@check()
def wrong_tag(scene: Scene) -> str:
    """A wait for a tag that nobody pushed ends in a Reason with the newest tags that are there."""
    scene.push("lastest")
    scene.create(ImageTag="latest", **seconds(20))
    told = scene.ends_as("ROLLBACK_COMPLETE")
    expect("lastest" in told, told)
    return told


@check()
def index_for_lambda(scene: Scene) -> str:
    """An index that Lambda is to run fails at once, and Lambda itself refuses it."""
    push_index(scene.account.ecr, scene.repository, "v1", attestations=True)
    began = time.monotonic()
    scene.create(ImageTag="v1", DeployTarget="Lambda", **seconds(600))
    told = scene.ends_as("ROLLBACK_COMPLETE")
    expect("index" in told and time.monotonic() - began < 300, told)
    refusal = scene.asked_of_lambda("v1")
    expect(scene.account.emulated or refusal != _TAKEN, f"Lambda took the index; {told}")
    return f"{told}; CreateFunction: {refusal}"


@check()
def archived_image(scene: Scene) -> str:
    """A wait for an archived image ends in a Reason that names the archive, and Lambda refuses the image."""
    scene.push("v1")
    ecr, image = scene.account.ecr, {"imageTag": "v1"}
    repository = {"repositoryName": scene.repository}
    archive = scene.asked(ecr.update_image_storage_class, **repository, imageId=image, targetStorageClass="ARCHIVE")
    scene.create(ImageTag="v1", **seconds(20))
    told = scene.ends_as("ROLLBACK_COMPLETE")
    refusal = scene.asked_of_lambda("v1")
    described = {
        "UpdateImageStorageClass": archive,
        "DescribeImages": scene.asked(ecr.describe_images, **repository, imageIds=[image]),
        "the same, filtered by ANY": scene.asked(
            ecr.describe_images, **repository, imageIds=[image], filter={"imageStatus": "ANY"}
        ),
        "BatchGetImage": scene.asked(ecr.batch_get_image, **repository, imageIds=[image]),
        "CreateFunction": refusal,
    }
    said = "; ".join([told, *(f"{call}: {answer}" for call, answer in described.items())])
    expect("archive" in told and (scene.account.emulated or refusal != _TAKEN), said)
    return said


@check()
def image_that_is_there(scene: Scene) -> str:
    """A stack gets the digest of an image that is there."""
    digest = scene.push("v1")
    scene.create(ImageTag="v1", **seconds(60))
    return scene.found(digest)[0]


@check()
def token_of_a_parameter(scene: Scene) -> str:
    """CloudFormation resolves `{{resolve:ssm:...}}` in a ServiceToken."""
    scene.push("v1")
    scene.create(ImageTag="v1", ServiceToken=f"{{{{resolve:ssm:{scene.account.parameter}}}}}", **seconds(60))
    return scene.ends_as("CREATE_COMPLETE")
