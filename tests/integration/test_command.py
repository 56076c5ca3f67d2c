"""The command against the sandbox's ECR over HTTP: in this process, or in one of its own in a pipe or a terminal."""

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from ecr_image_waiter import handler
from ecr_image_waiter.aws.clients import SystemClock
from ecr_image_waiter.cli import main
from ecr_image_waiter.cli.connection import connect
from ecr_image_waiter.core.builds import BuilderKind
from sandbox.ecr.front import Front
from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT
from tests.support.case_selection import some_slow
from tests.support.patience import eventually

REGION: Final = "eu-west-1"
URI: Final = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/app"
KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
BY_TOKEN: Final = {
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pipeline",
    "AWS_WEB_IDENTITY_TOKEN_FILE": str(ROOT / "README.md"),
}
COMMAND: Final = [sys.executable, "-m", "ecr_image_waiter.cli"]
# A shell in the background lets its children ignore the interrupt that this is about.
ON_A_TERMINAL: Final = [
    sys.executable,
    "-c",
    (
        "import os, signal, sys; os.login_tty(0); signal.signal(signal.SIGINT, signal.SIG_DFL);"
        "os.execv(sys.executable, [sys.executable, '-m', 'ecr_image_waiter.cli', *sys.argv[1:]])"
    ),
]


def ran(
    environment: Mapping[str, str], *arguments: str, stdout: io.TextIOBase | None = None, stderr: Any = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command in this process, to its end."""
    out, err, handler = stdout or io.StringIO(), stderr or io.StringIO(), signal.getsignal(signal.SIGTERM)
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["ecr-image-waiter", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            status = main()
        except SystemExit as end:
            status = int(end.code or 0)
    signal.signal(signal.SIGTERM, handler)
    shown = [each.getvalue() if isinstance(each, io.StringIO) else "" for each in (out, err)]
    return subprocess.CompletedProcess(arguments, status, *shown)


def in_a_shell(environment: Mapping[str, str], script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, as `$@` of a script."""
    return subprocess.run(
        ["/bin/bash", "-c", script, "sh", *COMMAND, *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip


def changed(environment: Mapping[str, str], *without: str, **changes: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in without} | changes


def started(environment: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Starts the command in pipes."""
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Terminal:
    """A pseudo-terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self._shown: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self.master, 4096):
                self._shown.append(piece)
        except OSError:  # how Linux says that the last process has left
            pass

    def left(self) -> str:
        """Return all that was written, when the process is gone."""
        os.close(self.slave)
        self._reader.join(10)
        os.close(self.master)
        return self.shown

    @property
    def shown(self) -> str:
        return b"".join(self._shown).decode()


def plain(shown: str) -> str:
    """Return what a terminal shows without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


# --- in a pipe


def test_an_image_that_comes_is_found_and_its_uri_alone_is_on_stdout(ecr: Any, environment: dict[str, str]) -> None:
    process = started(environment, "wait", "app:v1", "--output", "uri")
    stderr = process.stderr
    assert stderr
    assert "the repository has no such image; the next in" in stderr.readline()
    digest = push(ecr, "app", "v1")

    out, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out) == (0, f"{URI}@{digest}\n")
    assert "\x1b" not in err
    assert re.search(r"^Found app:v1 after \d+ s, checked \d+ times$", err, re.MULTILINE)


def test_an_interrupt_says_what_was_seen_so_far(ecr: Any, environment: dict[str, str]) -> None:
    process = started(environment, "wait", "app:v1", "--output", "json")
    stderr = process.stderr
    assert stderr
    stderr.readline()
    process.send_signal(signal.SIGTERM)

    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert re.search(r"^Interrupted: waited \d s for app:v1, checked once, last seen: the repo", err, re.MULTILINE)
    assert json.loads(out)["Cause"] == "interrupted"
    assert "Traceback" not in err


def test_an_interrupt_while_the_command_starts_is_a_result_too(environment: dict[str, str]) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'botocore.session': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from ecr_image_waiter.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "wait", "app:v1", "--output", "json"],
        env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 130
    assert json.loads(done.stdout)["Cause"] == "interrupted"
    assert done.stderr == "Interrupted: there is no result\n"


def test_a_reader_that_leaves_gets_no_traceback(ecr: Any, environment: dict[str, str]) -> None:
    done = in_a_shell(environment, '"$@" | true; echo ${PIPESTATUS[0]}', "check", "app:v1")
    assert (done.stdout, done.stderr) == ("141\n", "checking app:v1\n")


def test_the_form_for_github_is_text_where_no_job_names_files(ecr: Any, environment: dict[str, str]) -> None:
    push(ecr, "app", "v1")
    without = changed(environment, "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    assert ran(without, "check", "app:v1", "--output", "github").stdout.startswith("app:v1: ready\n")


# --- in a terminal


def test_a_terminal_shows_one_line_that_goes_on_and_is_gone_in_the_end(ecr: Any, environment: dict[str, str]) -> None:
    terminal = Terminal()
    process = subprocess.Popen(
        [*COMMAND, "wait", "app:v1", "--output", "uri", "--retry-delay-seconds", "1"],
        env=environment, stdin=terminal.slave, stdout=subprocess.PIPE, stderr=terminal.slave, text=True,
    )  # fmt: skip
    line = re.compile(r"  2 s.*checked \d+ times, next in .*no such image")
    eventually(lambda: line.search(plain(terminal.shown)), "a live line")
    digest = push(ecr, "app", "v1")

    out, _ = process.communicate(timeout=PATIENCE)

    shown = terminal.left()
    assert (process.returncode, out) == (0, f"{URI}@{digest}\n")
    assert {"0 s", "1 s", "2 s"} <= set(re.findall(r"app:v1  (\d s)", plain(shown)))
    # Drawn again and again in its place: nothing but the last sentence ends a line.
    last = shown[: shown.index("Found app:v1")]
    assert last.endswith("\x1b[2K"), repr(last[-40:])
    assert "\x1b[?25h" in shown


def test_ctrl_c_on_a_terminal_says_what_was_seen_and_gives_the_cursor_back(
    ecr: Any, environment: dict[str, str]
) -> None:
    terminal = Terminal()
    process = subprocess.Popen(
        [*ON_A_TERMINAL, "wait", "app:v1"],
        env=environment, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave,
    )  # fmt: skip
    eventually(lambda: "no such image" in terminal.shown, "a live line")
    os.write(terminal.master, b"\x03")

    assert process.wait(timeout=PATIENCE) == 130
    shown = terminal.left()
    assert "Interrupted: waited " in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "Traceback" not in shown


def test_a_terminal_that_cannot_draw_a_line_anew_gets_plain_ones(ecr: Any, environment: dict[str, str]) -> None:
    class Dumb(io.StringIO):
        def isatty(self) -> bool:
            return True

    push(ecr, "app", "v1")
    done = ran(environment | {"TERM": "dumb"}, "wait", "app:v1", stderr=Dumb())
    assert done.stderr.splitlines()[-1] == "Found app:v1 after 0 s, checked once"
    assert "\x1b" not in done.stderr


# --- streams that are not there, or not as usual


def test_characters_that_the_encoding_lacks_are_escaped(ecr: Any, environment: dict[str, str]) -> None:
    push(ecr, "app", "v1", labels={"author": "Zoë 作"})
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    done = ran(environment, "check", "app:v1", "--label", "author=Zoë 作", stdout=out)
    out.flush()
    assert done.returncode == 0, done.stderr
    assert rb"label author  Zo\xeb \u4f5c" in written.getvalue()


@pytest.mark.parametrize("closed", some_slow([">&-", "2>&-", "<&- >&- 2>&-"], lambda closed: "<" not in closed))
def test_a_stream_that_is_closed_does_not_change_the_exit_status(
    closed: str, ecr: Any, environment: dict[str, str]
) -> None:
    push(ecr, "app", "v1")
    done = in_a_shell(environment, f'"$@" {closed}', "wait", "app:v1")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_images_from_a_stdin_that_is_closed_are_none(environment: dict[str, str]) -> None:
    with patch.object(sys, "stdin", None):
        done = ran(environment, "check", "--from", "-")
        sys.stdin.close()  # what the command took in its place
    assert (done.returncode, "no image: " in done.stderr) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_not_taken_for_an_image_that_is_not_there(
    unbuffered: str, ecr: Any, environment: dict[str, str]
) -> None:
    push(ecr, "app", "v1")
    done = in_a_shell(changed(environment, PYTHONUNBUFFERED=unbuffered), '"$@" >/dev/full', "wait", "app:v1")
    assert done.returncode == 70


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_fault_of_the_command_itself_is_a_result_on_stdout(ecr: Any, environment: dict[str, str]) -> None:
    push(ecr, "app", "v1")
    done = in_a_shell(environment, '"$@" 2>/dev/full', "wait", "app:v1", "--output", "json")
    assert done.returncode == 70
    assert json.loads(done.stdout)["Cause"] == "broken"


# --- what is not the image's fault


NOWHERE: Final = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("without", "changes", "arguments", "status", "said"),
    [
        (("AWS_DEFAULT_REGION", "AWS_REGION"), {}, (), 2, "no region: give --region"),
        ((), {}, ("--profile", "nobody"), 2, "The config profile (nobody) could not be found"),
        ((), {"AWS_CONFIG_FILE": str(ROOT / "README.md")}, (), 2, "Unable to parse config file"),
        ((), {}, ("--region", "eu west"), 2, "Provided region_name 'eu west' doesn't match"),
        ((), {"AWS_ENDPOINT_URL": "nowhere"}, (), 2, "Invalid endpoint: nowhere"),
        (KEYS, {}, (), 2, "no credentials: give --profile"),
        (("AWS_SECRET_ACCESS_KEY",), {}, (), 2, "Partial credentials found in env, missing: AWS_SECRET"),
        ((), NOWHERE, (), 1, "EndpointConnectionError: ECR could not be reached"),
        (KEYS, BY_TOKEN | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, (), 2, "are not available: [Errno 2]"),
        (KEYS, BY_TOKEN | NOWHERE, (), 1, "EndpointConnectionError: ECR"),
    ],
)
@pytest.mark.parametrize("command", some_slow(["wait", "check"], lambda command: command == "check"))
def test_an_invalid_configuration_is_an_error_without_a_traceback(  # noqa: PLR0917  # a table's columns
    without: tuple[str, ...],
    changes: dict[str, str],
    arguments: tuple[str, ...],
    status: int,
    said: str,
    command: str,
    environment: dict[str, str],
) -> None:
    once = ("--max-retries", "0") if command == "wait" else ()
    done = ran(changed(environment, *without, **changes), command, "app:v1", *once, *arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({}, (f"{URI}:v1",)),
        ({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": "us-east-1"}, ("app:v1",)),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": REGION}, ("app:v1",)),
        ({"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}, ("app:v1", "--region", REGION)),
        ({"AWS_REGION": REGION}, ("app:v1", "--profile", "elsewhere")),
        (dict.fromkeys(KEYS, ""), ("app:v1", "--profile", "here")),
    ],
    ids=["the URI", "AWS_REGION", "AWS_DEFAULT_REGION", "the option", "before a profile's", "a profile, and its keys"],
)
def test_the_region_is_the_one_that_the_aws_cli_would_take(
    variables: dict[str, str], arguments: tuple[str, ...], ecr: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    push(ecr, "app", "v1")
    keys = "aws_access_key_id = 123456789012\naws_secret_access_key = made-up\n"
    profiles = (f"[profile {name}]\nregion = {region}\n{keys}" for name, region in PROFILES.items())
    (tmp_path / "config").write_text("".join(profiles))
    variables |= {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    done = ran(changed(environment, "AWS_DEFAULT_REGION", "AWS_REGION", **variables), "check", *arguments)
    assert (done.returncode, f".{REGION}." in done.stdout) == (0, True), done.stdout + done.stderr


PROFILES: Final = {"here": REGION, "elsewhere": "us-east-1"}


def test_an_endpoint_is_taken_from_the_option_or_the_service_s_variable(
    front: Front, ecr: Any, environment: dict[str, str]
) -> None:
    push(ecr, "app", "v1")
    nowhere = environment | NOWHERE
    assert ran(nowhere, "check", "app:v1", "--endpoint-url", front.url).returncode == 0
    assert ran(nowhere | {"AWS_ENDPOINT_URL_ECR": front.url}, "check", "app:v1").returncode == 0


def test_an_account_that_sts_does_not_return_is_left_out(front: Front) -> None:
    connection = connect(SystemClock(), profile="", region=REGION, endpoint_url="http://127.0.0.1:9", regions=[])
    assert connection.account() == ""
    connection = connect(SystemClock(), profile="", region=REGION, endpoint_url=front.url, regions=[])
    assert connection.account() == "123456789012"


def test_the_function_and_the_command_know_a_service_for_every_kind_of_builder(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(SystemClock(), profile="", region=REGION, endpoint_url=front.url, regions=[])
    assert connection.builds.keys() == {*BuilderKind}
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert handler._waiter.__wrapped__().tools.build_services.keys() == {*BuilderKind}


# --- the package


@pytest.mark.slow
def test_without_the_extra_it_works_in_plain_lines(ecr: Any, environment: dict[str, str]) -> None:
    push(ecr, "app", "v1")
    code = "import sys; sys.modules |= {'rich': None, 'shtab': None}\n"
    code += "from ecr_image_waiter.cli import main\nsys.exit(main())"
    terminal = Terminal()
    done = subprocess.run(
        [sys.executable, "-c", code, "wait", "app:v1"],
        env=environment, stderr=terminal.slave, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:13]) == (0, b"app:v1: ready")
    assert terminal.left().splitlines()[-1] == "Found app:v1 after 0 s, checked once"

    done = subprocess.run(
        [sys.executable, "-c", code, "completion", "bash"], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.splitlines()[-1] == b"  pip install 'ecr-image-waiter[cli]'"


def test_the_version_is_printed(environment: dict[str, str]) -> None:
    done = ran(environment, "--version")
    assert (done.returncode, done.stdout[:16]) == (0, "ecr-image-waiter")


@pytest.mark.slow
def test_what_the_dockerfile_installs_works_alone(ecr: Any, environment: dict[str, str], tmp_path: Path) -> None:
    """Takes as long as pip needs to get and build the packages: it asks the index that pip is configured with."""
    push(ecr, "app", "v1")
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", (ROOT / "docs" / "cli.md").read_text(), re.DOTALL)
    from_, copy, run, entrypoint = dockerfile.splitlines()
    assert re.fullmatch(r"FROM python:3\.\d+-slim", from_)
    assert copy == "COPY . /source"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    binaries, source = tmp_path / "venv" / "bin", tmp_path / "source"
    # A copy, because setuptools builds in the folder of the source.
    shutil.copytree(ROOT / "src", source / "src")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    # The locked versions, without their hashes: pip would want one for the package itself, too.
    pins = re.findall(r"^\S+==\S+", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    (tmp_path / "pins.txt").write_text("\n".join(pins))
    inside = {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "PIP_CONSTRAINT": str(tmp_path / "pins.txt")}
    script = run.removeprefix("RUN ").replace("/source", str(source))
    done = subprocess.run(
        ["sh", "-c", script], env=os.environ | inside, capture_output=True, text=True, check=False, timeout=PATIENCE  # noqa: S607  # the image's shell
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    alone = changed(environment, "PYTHONPATH")
    done = subprocess.run(
        [binaries / json.loads(entrypoint.removeprefix("ENTRYPOINT "))[0], "check", "app:v1"],
        env=alone, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("app:v1: ready\n")
    listed = subprocess.run(
        [binaries / "python", "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    installed = {entry["name"] for entry in json.loads(listed.stdout)}
    assert {"ecr-image-waiter", "rich", "shtab"} <= installed
    assert not installed & {"moto", "pytest", "aws-cdk-lib"}
