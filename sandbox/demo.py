"""`make demo`: a stack that waits for two images and then succeeds, or with `--image never` says why it failed.

Every line of the timeline is read from DescribeStackEvents or CloudWatch Logs; see `timeline`.
"""

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from .cloud import STACK, STATE, Cloud, python_note
from .images import push
from .timeline import lines

CONSUMER = Path(__file__).with_name("consumer.yaml")
_TYPING_ERROR = "lastest"  # the commonest cause, so that the Reason has something to name
FUNCTION_TIMEOUT = 5
"""Seconds. So short that a wait of some seconds crosses several invocations; deployed, it is 900."""
PUSHED_AFTER = {"parser": 19.0, "generator": 12.0}
"""Seconds, by repository. The emulator creates one resource at a time, so that the second image's wait comes after."""
_STYLES = {"good": "green", "bad": "red", "plain": "", "dim": "dim"}
HOLD_BACK = 3.0
"""Seconds. Log lines come when an invocation ends; held back for so long, they mostly stand in order with the stack's
events. Held back for as long as an invocation takes, they always do."""
_LAST_LINES = 1.5


def deploy_consumer(cloud: Any, stack: str, repositories: tuple[str, ...], retries: int, delay: int) -> str:
    """Create the consumer stack and return its id; nothing is waited for."""
    values = {"Repositories": ",".join(repositories), "MaxRetries": str(retries), "RetryDelaySeconds": str(delay)}
    answer = cloud.client("cloudformation").create_stack(
        StackName=stack,
        TemplateBody=CONSUMER.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    return str(answer["StackId"])


def follow(cloud: Any, stack: str, log_group: str, console: Console, hold_back: float = HOLD_BACK) -> str:
    """Print the stack's timeline until its operation ends, each line when it is `hold_back` seconds old.

    Returns:
        The stack's last status.
    """
    shown: set[str] = set()
    start: float | None = None
    while True:
        status = str(cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        over = not status.endswith("_IN_PROGRESS")
        if over:
            time.sleep(_LAST_LINES)
        for line in lines(cloud, stack, log_group):
            start = line.at if start is None else start
            text = line.plain(start)
            if text not in shown and (over or line.at < time.time() - hold_back):
                shown.add(text)
                console.print(Text(text, style=_STYLES[line.weight]), soft_wrap=not console.is_terminal)
        if over:
            return status
        time.sleep(0.3)


def play(
    cloud: Any,
    log_group: str,
    console: Console,
    image: str,
    *,
    stack: str = "consumer",
    namespace: str = "",
    hold_back: float = HOLD_BACK,
) -> str:
    """Deploy the consumer stack, push its images half-way (or never), and show what happens.

    Args:
        cloud: makes a boto3 client, by `cloud.client(service)`.
        log_group: of the waiter function.
        console: to print on.
        image: `pushed` or `never`.
        stack: its name.
        namespace: goes before the names of the repositories, which are made first.
        hold_back: see `follow`.

    Returns:
        The stack's last status.
    """
    ecr = cloud.client("ecr")
    tag, retries, delay = (_TYPING_ERROR, 9, 2) if image == "never" else ("latest", 25, 2)
    pushes = []
    repositories = tuple(namespace + name for name in PUSHED_AFTER)
    for repository, after in zip(repositories, PUSHED_AFTER.values(), strict=True):
        ecr.create_repository(repositoryName=repository)
        seconds = 0.0 if image == "never" else after
        pushes.append(threading.Timer(seconds, push, (ecr, repository, tag), {"content": repository}))
    deploy_consumer(cloud, stack, repositories, retries, delay)
    for timer in pushes:
        timer.start()
    try:
        return follow(cloud, stack, log_group, console, hold_back)
    finally:
        for timer in pushes:
            timer.cancel()


def main() -> int:
    """Set the sandbox up and play. Returns 0 when the stack ended as it should."""
    parser = argparse.ArgumentParser(usage="make demo [IMAGE=pushed|never]", description=main.__doc__)
    parser.add_argument("--image", choices=["pushed", "never"], default="pushed")
    options = parser.parse_args()
    console = Console(highlight=False)
    expected = {"pushed": "CREATE_COMPLETE", "never": "ROLLBACK_COMPLETE"}[options.image]
    console.print(
        "Setting up: an AWS account on this machine, `sam build` and `sam deploy` of the waiter ...", soft_wrap=True
    )
    console.print(python_note(), soft_wrap=True)
    with Cloud(log=STATE / "demo") as cloud:
        token = cloud.deploy_waiter()
        cloud.set_timeout(token, FUNCTION_TIMEOUT)
        group = cloud.output(STACK, "LogGroupName")
        console.print(
            "Deploying a stack with two images that nobody has pushed yet. The function's time-out is "
            f"{FUNCTION_TIMEOUT} s here, so that the wait crosses several invocations.\n",
            soft_wrap=True,
        )
        status = play(cloud, group, console, options.image)
        outputs = cloud.client("cloudformation").describe_stacks(StackName="consumer")["Stacks"][0].get("Outputs", [])
        console.print(f"\nThe stack is {status}.", style="green" if status == expected else "red")
        if outputs:
            console.print("What its template got from Fn::GetAtt:")
        for output in outputs:
            console.print(f"  {output['OutputKey']:22} {output['OutputValue']}", soft_wrap=True)
    return 0 if status == expected else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
