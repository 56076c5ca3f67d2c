"""`make demo`: a stack that waits for its image, and then succeeds or says why it failed; `scenarios` has which.

Every line of the timeline is read from DescribeStackEvents or CloudWatch Logs; see `timeline`.
"""

import argparse
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from .cloud import STACK, STATE, Cloud, python_note
from .processes import PATIENCE
from .scenarios import IMAGES, SCENARIOS, Scenario
from .timeline import lines

_STYLES = {"good": "green", "bad": "red", "plain": "", "dim": "dim"}
HOLD_BACK = 3.0
"""Seconds. Log lines come when an invocation ends; held back for so long, they mostly stand in order with the stack's
events. Held back for as long as an invocation takes, they always do."""


def follow(cloud: Any, stack: str, log_group: str, console: Console, hold_back: float = HOLD_BACK) -> str:
    """Print the stack's timeline until its operation ends, each line when it is `hold_back` seconds old.

    Returns the stack's last status.
    """
    shown: set[str] = set()
    start: float | None = None
    while True:
        status = str(cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        over = not status.endswith("_IN_PROGRESS")
        patience = time.monotonic() + PATIENCE
        while over and not _all_logged(cloud, stack, log_group) and time.monotonic() < patience:
            time.sleep(0.3)
        for line in lines(cloud, stack, log_group):
            start = line.at if start is None else start
            text = line.plain(start)
            if text not in shown and (over or line.at < time.time() - hold_back):
                shown.add(text)
                console.print(Text(text, style=_STYLES[line.weight]), soft_wrap=not console.is_terminal)
        if over:
            return status
        time.sleep(0.3)


def _all_logged(cloud: Any, stack: str, log_group: str) -> bool:
    """Return whether each wait that has ended has its last line in the log, which comes when its invocation ends."""
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    waits = [event for event in events if event["ResourceType"] == "Custom::EcrImageWaiter"]
    ended = {
        each["LogicalResourceId"] for each in waits if each["ResourceStatus"] in ("CREATE_COMPLETE", "CREATE_FAILED")
    }
    return ended <= {line.resource for line in lines(cloud, stack, log_group) if line.text.startswith("Sent ")}


def play(
    cloud: Any,
    log_group: str,
    console: Console,
    scenario: Scenario,
    *,
    stack: str = "consumer",
    namespace: str = "",
    hold_back: float = HOLD_BACK,
) -> str:
    """Deploy the scenario's stack, let happen what is to happen meanwhile, and show it. Returns its last status.

    `namespace` goes before the names of repositories and projects; `hold_back`: see `follow`.
    """
    prepared = scenario.prepare(cloud, namespace)
    cloud.client("cloudformation").create_stack(
        StackName=stack,
        TemplateBody=scenario.template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in prepared.parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    timers = [threading.Timer(seconds, do) for seconds, do in prepared.later]
    for timer in timers:
        timer.start()
    try:
        return follow(cloud, stack, log_group, console, hold_back)
    finally:
        for timer in timers:
            timer.cancel()


def chosen(arguments: list[str]) -> tuple[Scenario, Path | None]:
    """Return the scenario that the command line asks for, and the file for its picture. Exits on an unknown name."""
    parser = argparse.ArgumentParser(
        prog="make demo",
        usage=f"make demo [IMAGE={'|'.join(IMAGES)}] or [SCENARIO={'|'.join(SCENARIOS)}]",
        description=main.__doc__,
    )
    parser.add_argument("--image", default="")
    parser.add_argument("--scenario", default="")
    parser.add_argument("--picture", type=Path, help="file for an SVG of the run")
    options = parser.parse_args(arguments)
    if options.image and options.scenario:
        parser.error("IMAGE and SCENARIO: one of them, not both")
    known = SCENARIOS if options.scenario else IMAGES
    name = options.scenario or options.image or next(iter(IMAGES))
    if name not in known:
        parser.error(f"{'SCENARIO' if options.scenario else 'IMAGE'}: received {name}, allowed: {', '.join(known)}")
    return known[name], options.picture


def draw(console: Console, picture: Path) -> None:
    """Write what was printed as an SVG without fonts from elsewhere, which a README may not load."""
    drawn = console.export_svg(title="make demo", unique_id="demo")
    picture.write_text(re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).rstrip() + "\n", encoding="utf-8")


def main() -> int:
    """Set the sandbox up and play. Returns 0 when the stack ended as it should."""
    scenario, picture = chosen(sys.argv[1:])
    console = Console(highlight=False, record=True, width=166) if picture else Console(highlight=False)
    console.print(
        "Setting up: an AWS account on this machine, `sam build` and `sam deploy` of the waiter ...", soft_wrap=True
    )
    console.print(python_note(), soft_wrap=True)
    with Cloud(log=STATE / "demo") as cloud:
        token = cloud.deploy_waiter(parameters=scenario.install)
        if scenario.timeout:
            cloud.set_timeout(token, scenario.timeout)
        group = cloud.output(STACK, "LogGroupName")
        console.print(f"{scenario.said}\n", soft_wrap=True)
        status = play(cloud, group, console, scenario)
        outputs = cloud.client("cloudformation").describe_stacks(StackName="consumer")["Stacks"][0].get("Outputs", [])
        console.print(f"\nThe stack is {status}.", style="green" if status == scenario.ends_as else "red")
        if outputs:
            console.print("The attributes, by Fn::GetAtt:")
        for output in outputs:
            console.print(f"  {output['OutputKey']:22} {output['OutputValue']}", soft_wrap=True)
    if picture:
        draw(console, picture)
    return 0 if status == scenario.ends_as else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
