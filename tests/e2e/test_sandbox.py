"""The sandbox leaves nothing behind, however it ends, and shows nothing that did not happen."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.cloud import STACK, Cloud
from sandbox.demo import chosen, play
from sandbox.processes import PATIENCE, ROOT, PortTaken
from sandbox.scenarios import IMAGES
from tests.support.case_selection import some_slow
from tests.support.demo_output import AT_THE_END, require_every_line, told_of
from tests.support.functions import LONG_TIMEOUT, Deployed
from tests.support.patience import eventually
from tests.support.processes import processes_naming

OWNER = """
import signal, sys, time
from pathlib import Path
from sandbox.cloud import Cloud
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a shell inherits ignored
with Cloud(log=Path(sys.argv[1])) as cloud:
    print("up", cloud.endpoint, cloud.ecr_endpoint, flush=True)
    time.sleep(600)
"""


def processes_of(group: int) -> list[int]:
    """Return the ids of the running processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group and (folder / "cmdline").read_bytes():  # a zombie has none
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    "ending", some_slow([signal.SIGKILL, signal.SIGINT, signal.SIGTERM], lambda ending: ending != signal.SIGKILL)
)
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
    owner.wait(PATIENCE)
    owner.stdout.close()
    eventually(lambda: not processes_naming(mark), "nothing is left")


@pytest.mark.slow
def test_a_crash_of_the_emulator_leaves_no_process_of_a_function(output: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("f.py", "import os\ndef handler(*_): return os.getpid()")
    with Cloud(log=output / "crash") as cloud:
        function = cloud.client("lambda")
        function.create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role="arn:aws:iam::123456789012:role/f",
            Handler="f.handler",
            Code={"ZipFile": archive.getvalue()},
        )
        worker = int(function.invoke(FunctionName="f")["Payload"].read())
        assert "ministack" not in Path(f"/proc/{worker}/comm").read_text(), "a process of its own"
        group = os.getpgid(worker)
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(group)}
        assert worker in commands
        (emulator,) = [
            pid for pid, command in commands.items() if command.endswith(b"/in_ministack.py\0") and pid != group
        ]
        os.kill(emulator, signal.SIGKILL)
        eventually(lambda: not processes_of(group), "nothing is left")


def test_a_port_that_is_taken_is_said_so(output: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} of"):
            Cloud(log=output / "second", port=port)


@pytest.mark.parametrize("image", some_slow(IMAGES, lambda image: image == "never"))
def test_every_line_of_the_demo_is_one_of_the_stack_s_events_or_of_the_log_s_and_none_is_missing(
    cloud: Cloud, deployed: dict[int, Deployed], image: str
) -> None:
    stack, scenario, screen = f"demo-{image}", IMAGES[image], io.StringIO()
    assert scenario.timeout
    deployed[LONG_TIMEOUT].set_timeout(scenario.timeout)
    try:
        group, console = cloud.output(STACK, "LogGroupName"), Console(file=screen)
        status = play(cloud, group, console, scenario, stack=stack, namespace=f"{image}/", hold_back=AT_THE_END)
    finally:
        deployed[LONG_TIMEOUT].set_timeout(LONG_TIMEOUT)
    assert status == scenario.ends_as, screen.getvalue()
    told = told_of(cloud, stack, group)
    require_every_line(screen.getvalue(), told)

    if image == "pushed":
        checked = {each["LogicalResourceId"] for each in told.entries if each.get("event") == "checked"}
        assert checked == {"ParserImage", "GeneratorImage"}
    else:
        assert re.match(
            'CREATE_FAILED: Timed out waiting .* for "never/[a-z]+:latest" .*newest tags: "lastest"', told.reason
        )
        assert ("demo-never", "ROLLBACK_IN_PROGRESS: Rollback requested") in told.events


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--scenario", "frist-deploy"], "SCENARIO: received frist-deploy, allowed: build-fails, first-deploy"),
        (["--image", "never", "--scenario", "build-fails"], "IMAGE and SCENARIO: one of them, not both"),
    ],
)
def test_a_demo_that_is_not_there_is_one_clear_error(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        chosen(asked)
    usage, error = capsys.readouterr().err.splitlines()
    assert usage == "usage: make demo [IMAGE=pushed|never] or [SCENARIO=build-fails|first-deploy]"
    assert error == f"make demo: error: {said}"


def test_the_demo_that_nobody_names_is_the_one_whose_images_come() -> None:
    assert chosen(["--image", "", "--scenario", ""])[0] is IMAGES["pushed"]
