"""The sandbox leaves nothing behind, however it ends, and shows nothing that did not happen."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.cloud import STACK, Cloud
from sandbox.demo import play
from sandbox.processes import ROOT, PortTaken, free_port
from sandbox.timeline import lines
from tests.e2e.functions import TIMEOUT, Deployed

OWNER = """
import sys, time
from pathlib import Path
from sandbox.cloud import Cloud
with Cloud(log=Path(sys.argv[1])) as cloud:
    print("up", cloud.endpoint, cloud.ecr_endpoint, flush=True)
    time.sleep(600)
"""


def processes_naming(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text, in their command or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            held = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in held and folder.name != str(os.getpid()):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_of_the_sandbox_outlives_its_owner(ending: signal.Signals, output: Path) -> None:
    log = output / f"owner-{ending.name}"
    mark = f"owned-by-test-{ending.name}-{os.getpid()}"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, log],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "MARK": mark},
    )
    assert owner.stdout
    assert owner.stdout.readline().startswith("up")
    assert len(processes_naming(mark)) >= 3
    owner.send_signal(ending)
    owner.wait(20)
    assert eventually(lambda: not processes_naming(mark)), processes_naming(mark)


def test_a_port_that_is_taken_is_said_so(output: Path) -> None:
    with Cloud(log=output / "first", port=(port := free_port())), pytest.raises(PortTaken, match=f"Port {port} of"):
        Cloud(log=output / "second", port=port)


@pytest.mark.parametrize(("image", "ends_as"), [("pushed", "CREATE_COMPLETE"), ("never", "ROLLBACK_COMPLETE")])
def test_every_line_of_the_demo_is_read_from_the_stack_s_events_or_the_log(
    cloud: Cloud, deployed: dict[int, Deployed], image: str, ends_as: str
) -> None:
    assert deployed[TIMEOUT]
    screen = io.StringIO()
    group = cloud.output(STACK, "LogGroupName")
    status = play(cloud, group, Console(file=screen), image, stack=f"demo-{image}", namespace=f"{image}/")
    happened = lines(cloud, f"demo-{image}", group)
    printed = screen.getvalue().splitlines()

    assert status == ends_as
    assert printed == [line.plain(happened[0].at) for line in happened]
    assert sum("Handed over to invocation" in line for line in printed) >= 2, "three invocations or more"
    assert sum("ParserImage" in line and "Checked" in line for line in printed) >= 1 or image == "never"
    if image == "never":
        assert any("stack" in line and "Gave up on" in line for line in printed), "the event carries the Reason"
