"""`make live`: deploy the waiter into the AWS account that is configured, and find out what no emulator can tell."""

import argparse
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sandbox.processes import ROOT

from .account import Account
from .checks import CHECKS, Check, Scene

CONFIRMED: Final = "yes"
AT_ONCE: Final = 4
"""Checks. A new AWS account has ten concurrent executions."""
_RUN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,18}[a-z0-9]")
_WIDTH: Final = 160
COST: Final = "less than $0.10: half an hour of functions, 48 metrics for two hours, 30 MB of artifacts and images"
"""At list prices of us-east-1, 2026-11: $0.004 for 1,900 s with 128 MB, $0.04 for the metrics ($0.30 a month each),
$0.01 for logs and an archived image, which is paid for three months. The rest is free.
"""


@dataclass
class Result:
    """What became of a check."""

    check: Check
    outcome: str = "not finished"
    seconds: float = 0.0
    said: str = ""
    events: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Run:
    """One run: its results by check, and what could not be removed."""

    account: Account
    checks: Collection[Check]
    console: Console
    before_removal: Callable[[], object] = list
    results: dict[str, Result] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    @property
    def waiters(self) -> list[str]:
        return sorted({"waiter", *(check.waiter for check in self.checks)})

    def go(self, built: Path) -> None:
        """Deploys, makes all checks, and removes everything, also after an exception."""
        runnable = [check for check in self.checks if not (self.account.emulated and check.emulator)]
        for check in self.checks:
            self.results[check.name] = Result(check)
            if check not in runnable:
                self.results[check.name] = Result(check, "not run", said=check.emulator)
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            self.say(f"Deploying the waiter as {', '.join(self.waiters)} ...")
            self.account.deploy(built, self.waiters)
            for done in as_completed([pool.submit(self._make, check) for check in runnable]):
                done.result()
        finally:
            self.before_removal()
            self.say("Removing everything ...")
            self.left = self.account.remove(self.waiters, [check.name for check in self.checks])
            pool.shutdown(cancel_futures=True)

    def _make(self, check: Check) -> None:
        self.say(f"{check.name} ...")
        began = time.monotonic()
        result = self.results[check.name]
        scene = Scene(self.account, check)
        try:
            outcome, said = "ok", check.run(scene)
        except Exception as error:  # noqa: BLE001  # the others go on
            outcome, said = "FAILED", f"{type(error).__name__}: {error}"
        if not self.account.over:
            result.outcome, result.said, result.seconds = outcome, said, time.monotonic() - began
            with suppress(ClientError):  # it may have made no stack
                result.events = self.account.events(scene.stack)
            self.say(f"{check.name}: {outcome}")

    def say(self, text: str) -> None:
        self.console.print(escape(text), soft_wrap=True, highlight=False)

    @property
    def good(self) -> bool:
        return not self.left and all(result.outcome in ("ok", "not run") for result in self.results.values())

    def report(self, file: Path) -> None:
        """Prints what each check found and what is left; writes that into a file, with the events of the stacks."""
        table = Table("check", "proves", "result", "s", Column("what AWS said", overflow="fold"), show_lines=True)
        for result in self.results.values():
            cells = (result.check.name, result.check.claim, result.outcome, f"{result.seconds:.0f}", result.said)
            table.add_row(*map(escape, cells))
        left = [f"LEFT OVER: {each}" for each in self.left] or ["Nothing is left over."]
        where = "an emulator" if self.account.emulated else self.account.region
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as text:
            for console in (self.console, Console(file=text, width=_WIDTH)):
                console.print(f"Run {self.account.run}, {where}:", table, *map(escape, left), sep="\n", soft_wrap=True)
            for result in self.results.values():
                text.writelines(f"{result.check.name}: {' '.join(event)}\n" for event in result.events)


def plan(run: Run) -> str:
    """Returns what a run makes, how long it takes and what it costs."""
    account, checks, waiters = run.account, run.checks, run.waiters
    return f"""Run {account.run}, in account {account.id}, {account.region}. It makes, and removes at its end:

  {len(waiters)} stacks with the waiter: {account.name}-{{{",".join(waiters)}}}
  an SSM parameter: {account.parameter}
  {len(checks)} stacks that wait, an ECR repository for each: {account.name}-{{{",".join(c.name for c in checks)}}}
  up to two functions that Lambda is to refuse, under the names of their checks
  an S3 bucket: {account.bucket}

CloudWatch keeps the metrics of those waiters, which cannot be removed and then cost nothing.
It takes about 25 minutes and costs {COST}.
If it is killed: make live REMOVE=yes ID={account.run}
"""


def on_stops(handler: Callable[..., object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def stop(*_: object) -> NoReturn:
    """Ends the run, once: nothing interrupts the removal."""
    on_stops(signal.SIG_IGN)
    raise KeyboardInterrupt


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make live", description=__doc__)
    parser.add_argument("--confirm", default="", help=f"{CONFIRMED} makes the run; all else says what it would make")
    parser.add_argument("--remove", default="", help=f"{CONFIRMED} removes what a run that was killed has left")
    parser.add_argument("--id", default="", help="tells the run from others; drawn where it is not given")
    parser.add_argument("--only", default="", help="names of checks, with commas between them; all by default")
    parser.add_argument("--built", type=Path, default=ROOT / ".aws-sam" / "build", help="what sam build made")
    parser.add_argument("--output", type=Path, default=ROOT / ".output" / "live.txt", help="file for the table")
    options = parser.parse_args()
    if options.remove == CONFIRMED and not options.id:
        parser.error("REMOVE=yes needs ID=, the id of the run")
    options.id = options.id or secrets.token_hex(4)
    options.checks = [CHECKS[name] for name in options.only.split(",") if name in CHECKS] or list(CHECKS.values())
    if options.only and {check.name for check in options.checks} != set(options.only.split(",")):
        parser.error(f"ONLY: received {options.only}, allowed: {', '.join(CHECKS)}")
    if not _RUN.fullmatch(options.id):
        parser.error(f"ID: received {options.id}, allowed: 2 to 20 lower-case letters, digits and hyphens")
    return options


def main() -> int:
    """Says what a run makes; makes it where that was confirmed. Returns 0 if all held and nothing is left over."""
    options = arguments()
    console = Console()
    config = Config(retries={"mode": "standard", "total_max_attempts": 8})
    account = Account(lambda service: boto3.client(service, config=config), options.id)
    run = Run(account, options.checks, console, partial(on_stops, signal.SIG_IGN))
    if options.remove == CONFIRMED:
        left = account.remove(run.waiters, [check.name for check in options.checks])
        run.say("\n".join(f"LEFT OVER: {each}" for each in left) or f"Nothing is left over of run {options.id}.")
        return 1 if left else 0
    run.say(plan(run))
    if options.confirm != CONFIRMED:
        run.say("Nothing has been made. CONFIRM=yes makes it.")
        return 0
    if account.in_use():
        sys.exit(f"error: there is a run {options.id} in this account, under way or left over; take another ID=")
    on_stops(stop)
    try:
        run.go(options.built)
    except KeyboardInterrupt:
        return 130
    finally:
        run.report(options.output)
    return 0 if run.good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BotoCoreError, ClientError, RuntimeError) as error:
        sys.exit(f"error: {error}")
