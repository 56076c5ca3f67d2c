"""The stage on which all contestants stand: one emulated account, one ECR behind a proxy, one CloudFormation.

Everything that a function talks to speaks https, as on AWS, and is trusted through a bundle of as many authorities as a
function on AWS has: reading that bundle costs as much processor time as some whole handlers.
"""

import contextlib
import itertools
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import botocore
import trustme

from sandbox.cloud import REGION, Cloud
from sandbox.images import push
from sandbox.measure import runtime_boto3
from sandbox.player import Event, Operation, Resource, new_resource
from sandbox.player_server import Player
from sandbox.processes import ROOT
from sandbox.proxy import Call, Proxy, Rule, answer
from sandbox.rie import AsyncLambda, Emulator

REPOSITORY: Final = "team/app"
_RULE_ARN: Final = f"arn:aws:events:{REGION}:123456789012:rule/poll"
_PATIENCE: Final = 1000.0
_HANDLERS: Final = ROOT / "bench" / "contestants"


@dataclass(frozen=True)
class Contestant:
    """A function that waits for images. `every`: the seconds between the invocations that EventBridge gives it.

    So long it also sleeps before it answers a Delete. They are booked, not slept.
    """

    name: str
    artifact: Path
    handler: str = "handler.handler"
    every: float = 0.0


class Stage:
    """Use it as a context manager. `log` is the folder for what programs print; emptied first, because it is read."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._stack = ExitStack()
        self._numbers = itertools.count()  # safe to use from several threads

    def __enter__(self) -> Self:
        shutil.rmtree(self._log, ignore_errors=True)
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="bench-")))
        self.cloud = self._stack.enter_context(Cloud(log=self._log))
        authority = trustme.CA()
        self.ecr_proxy = self._stack.enter_context(Proxy(self.cloud.ecr_endpoint, authority=authority))
        self.events_proxy = self._stack.enter_context(Proxy(self.cloud.endpoint))
        self.player = self._stack.enter_context(Player(self._invoke, tls=True))
        self._invokers: dict[str, Callable[[Event], object]] = {}
        self._bundle = folder / "authorities.pem"
        usual = Path(botocore.__file__).parent / "cacert.pem"
        self._bundle.write_bytes(usual.read_bytes() + authority.cert_pem.bytes() + self.player.ca_pem)
        self.ecr = self.cloud.client("ecr")
        self.ecr.create_repository(repositoryName=REPOSITORY)
        ours = self.cloud.artifact
        self._runtime = runtime_boto3(ours, folder / "runtime")
        self.contestants = {each.name: each for each in _contestants(ours, folder)}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def push(self, tag: str, repository: str = REPOSITORY) -> None:
        """Push an image."""
        push(self.ecr, repository, tag, content=tag)

    def environment(self, contestant: Contestant) -> Emulator:
        """Return a new execution environment of a contestant; nothing of it is initialised yet."""
        return Emulator(
            contestant.artifact,
            {
                # As on Lambda: the function's own modules first, then those of the runtime.
                "PYTHONPATH": os.pathsep.join(map(str, (contestant.artifact, self._runtime))),
                "AWS_ENDPOINT_URL": self.cloud.endpoint,
                "AWS_ENDPOINT_URL_ECR": self.ecr_proxy.url,
                "AWS_ENDPOINT_URL_LAMBDA": self.events_proxy.url,
                "AWS_ENDPOINT_URL_EVENTBRIDGE": self.events_proxy.url,
                "AWS_CA_BUNDLE": str(self._bundle),
                "SSL_CERT_FILE": str(self._bundle),
                "SLEEP_ON_DELETE": "0",
            },
            self._log,
            name=f"environment-{next(self._numbers)}",
            handler=contestant.handler,
        )

    def service(self, contestant: Contestant) -> AsyncLambda:
        """Return Lambda with one function, the contestant."""
        return AsyncLambda(lambda _: self.environment(contestant))

    def create(self, invoke: Callable[[Event], object], properties: Mapping[str, Any]) -> Operation:
        """Let CloudFormation create a resource; its event goes to `invoke`, in a thread of its own."""
        logical_id = f"Image{next(self._numbers)}"
        self._invokers[logical_id] = invoke
        return self.player.create(properties, logical_id=logical_id)

    def delete(self, invoke: Callable[[Event], object], resource: Resource | None = None) -> Operation:
        """Let CloudFormation delete what was created; without it, something that nobody has heard of."""
        resource = resource or new_resource(logical_id=f"Gone{next(self._numbers)}")
        self._invokers[resource.logical_id] = invoke
        return self.player.delete(resource)

    def _invoke(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # the Delete of a failed Create may come after its environment has ended
            self._invokers[event["LogicalResourceId"]](event)

    @contextmanager
    def eventbridge(self, contestant: Contestant, invoke: Callable[[Event], object]) -> Iterator["Polling"]:
        """Play EventBridge for a contestant that has itself invoked by it."""
        polling = Polling(invoke)
        with ExitStack() as rules:
            for rule in polling.rules() if contestant.every else ():
                rules.enter_context(self.events_proxy.rule(rule))
            yield polling


class Turn:
    """One invocation, whose end can be waited for: an environment takes one at a time."""

    def __init__(self, invoke: Callable[[Event], object]) -> None:
        self._invoke = invoke
        self._over = threading.Event()

    def __call__(self, event: Event) -> None:
        """Invoke."""
        try:
            self._invoke(event)
        finally:
            self._over.set()

    def over(self) -> None:
        """Return when the invocation is over."""
        self._over.wait(_PATIENCE)


class Polling:
    """EventBridge's part in crhelper's polling, with the two minutes between invocations left out.

    PutRule, AddPermission and PutTargets are answered in the services' place; the target's input is the event that the
    function is invoked with again. Left out: EventBridge invokes at its own time, which may be up to a minute later.
    """

    def __init__(self, invoke: Callable[[Event], object]) -> None:
        self._invoke = invoke
        self._inputs: dict[str, Event] = {}

    def rules(self) -> list[Rule]:
        """Return what the proxy is to answer."""
        nothing = answer(lambda _: "{}")
        return [
            Rule("events:PutRule", answer(lambda _: json.dumps({"RuleArn": _RULE_ARN}))),
            Rule("events:PutTargets", answer(self._targeted)),
            *(Rule(f"events:{name}", nothing) for name in ("RemoveTargets", "DeleteRule")),
            Rule("lambda:unknown", nothing),  # AddPermission, RemovePermission
        ]

    def _targeted(self, call: Call) -> str:
        event = json.loads(json.loads(call.body)["Targets"][0]["Input"])
        self._inputs[event["RequestId"]] = event
        return json.dumps({"FailedEntryCount": 0, "FailedEntries": []})

    def run(self, operation: Operation) -> int:
        """Invoke again until there is an outcome. Returns how often."""
        for count in range(1, 41):
            self._invoke(self._inputs[operation.event["RequestId"]])
            if operation.outcome:
                return count
        raise TimeoutError("no outcome after 40 invocations")


def _contestants(ours: Path, folder: Path) -> Iterator[Contestant]:
    yield Contestant("ecr-image-waiter", ours, "ecr_image_waiter.handler.lambda_handler")
    shutil.copytree(_HANDLERS, folder / "contestants", ignore=shutil.ignore_patterns("__pycache__"))
    yield Contestant("hand-written", folder / "contestants" / "handwritten")
    for package in ours.glob("crhelper*"):
        shutil.copytree(package, folder / "contestants" / "polling" / package.name)
    yield Contestant("crhelper", folder / "contestants" / "polling", every=120.0)
