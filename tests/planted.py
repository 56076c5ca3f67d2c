"""Bugs that the chaos suite must catch: each is planted in a copy of the source, and the suite run until it says so.

make planted
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sandbox.processes import ROOT

RUNS = 2000
"""As many as a run of the suite has in continuous integration."""
FIRST = 1
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Bug:
    """A bug: in a file under src, where `right` stands once, there stands `wrong`."""

    name: str
    file: str
    right: str
    wrong: str


_W = "ecr_image_waiter/"

BUGS = (
    Bug(
        "the start is lost on a hand-over",
        _W + "handler.py",
        "bounds = bounds_for_stack(state.start, properties.max_wait, properties.ServiceTimeout)",
        "bounds = bounds_for_stack(now, properties.max_wait, properties.ServiceTimeout)",
    ),
    Bug(
        "the limit moves at each hand-over",
        _W + "handler.py",
        "State(bounds.start, bounds.limit, replace(",
        "State(bounds.start, bounds.limit + 10, replace(",
    ),
    Bug(
        "a redelivered event starts its wait again",
        _W + "handler.py",
        "start = start_of_wait(request.started, now)",
        "start = now",
    ),
    Bug(
        "the limit is off by the reserve",
        _W + "waiting.py",
        "latest = start + max(service_timeout - answer_reserve(service_timeout), 0.0)",
        "latest = start + service_timeout",
    ),
    Bug(
        "a delivery error is swallowed",
        _W + "handler.py",
        '                "%s; the answer was %s: %s", error, answer.status, answer.reason[:_LOGGED] or "no Reason"\n'
        "            )\n            raise",
        '                "%s; the answer was %s: %s", error, answer.status, answer.reason[:_LOGGED] or "no Reason"\n'
        "            )\n            return",
    ),
    Bug(
        "a failed delivery is not logged",
        _W + "handler.py",
        '                "%s; the answer was %s: %s", error, answer.status,',
        '                "%s; answer: %s: %s", "not delivered", answer.status,',
    ),
    Bug(
        "a 5xx counts as delivered",
        _W + "response.py",
        "if 200 <= status < 300:",
        "if 200 <= status < 300 or status >= 500:",
    ),
    Bug(
        "a connection error of a delivery counts as delivered",
        _W + "response.py",
        'fault = f"no connection to its bucket ({error})"',
        "return attempt",
    ),
    Bug(
        "the hand-over is dropped",
        _W + "handler.py",
        "fault = hand_over_with_retries(\n            self._hand_over, event, state, invocation, clock=self._clock, "
        "logger=self._logger\n        )",
        'fault = ""',
    ),
    Bug(
        "a failed hand-over counts as made",
        _W + "continuation.py",
        "clock.now() + pause > last_try:\n                return str(error)",
        'clock.now() + pause > last_try:\n                return ""',
    ),
    Bug(
        "a failed hand-over is not answered",
        _W + "handler.py",
        'return Answer("FAILED", reason, invocation.note, ended=ended)\n        self._meter.handed_over',
        "return None\n        self._meter.handed_over",
    ),
    Bug(
        "a hand-over forgets how the wait stood",
        _W + "handler.py",
        "progress = replace(state.progress, due=min(state.progress.due, bounds.limit))",
        "progress = Progress(due=min(state.progress.due, bounds.limit), hops=state.progress.hops)",
    ),
    Bug(
        "a hand-over changes the event",
        _W + "continuation.py",
        "whole = {**event, STATE_KEY:",
        'whole = {**event, "ResourceType": "Custom::Image", STATE_KEY:',
    ),
    Bug(
        "no time is kept for the hand-over",
        _W + "waiting.py",
        "return 30.0 if timeout >= 150.0 else timeout / 5",
        "return 0.0",
    ),
    Bug(
        "an image found at the limit is not found",
        _W + "waiting.py",
        "    if isinstance(finding, Image):\n        return Ready(",
        "    if isinstance(finding, Image) and began < bounds.limit:\n        return Ready(",
    ),
    Bug(
        "throttling ends the wait",
        _W + "aws_codes.py",
        '"ThrottlingException": Unavailable,',
        '"ThrottlingException": Refused,',
    ),
    Bug(
        "no grace for a new repository",
        _W + "waiting.py",
        "REPOSITORY_GRACE: Final = 15.0",
        "REPOSITORY_GRACE: Final = 2.0",
    ),
    Bug("no grace for a new permission", _W + "waiting.py", "ACCESS_GRACE: Final = 60.0", "ACCESS_GRACE: Final = 2.0"),
    Bug(
        "the physical id is another one each time",
        _W + "response.py",
        "{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}",
        "{id(source):016x}",
    ),
    Bug("an Update gets a new physical id", _W + "response.py", "if request.physical_id is not None:", "if False:"),
    Bug(
        "a Delete is validated",
        _W + "handler.py",
        'if request.type == "Delete":',
        'if request.type == "Delete" and stack_properties(request):',
    ),
    Bug("a rollback is not noticed", _W + "handler.py", "            if rolls_back(stack):", "            if False:"),
    Bug(
        "a rollback without its image fails",
        _W + "rollback.py",
        'return Answer("SUCCESS", data=data, ended=Ended(Outcome.ROLLBACK))',
        'return Answer("FAILED", "no image", invocation.note)',
    ),
    Bug(
        "an Update that began in doubt is left in its rollback",
        _W + "handler.py",
        'if request.type == "Update" and rolls_back(piece.stack):',
        "if False:",
    ),
    Bug(
        "a wait is abandoned although its stack waits",
        _W + "standing.py",
        "return bool(found.status) and not over",
        'return bool(found.status) and found.status != "UPDATE_IN_PROGRESS" and not over',
    ),
    Bug(
        "a throttled question counts as nobody waiting",
        _W + "standing.py",
        "    if isinstance(found, StackHidden):\n        return True",
        "    if isinstance(found, StackHidden):\n        return False",
    ),
    Bug(
        "an odd answer about the stack ends the wait",
        _W + "stacks.py",
        "except Exception as error:",
        "except OSError as error:",
    ),
    Bug("nobody asks about the stack", _W + "standing.py", "return began + random.uniform(*FIRST_ASK)", "return NEVER"),
    Bug(
        "the stack is asked about all the time",
        _W + "standing.py",
        "NEXT_ASK: Final = (150.0, 210.0)",
        "NEXT_ASK: Final = (5.0, 9.0)",
    ),
    Bug(
        "the response URL is logged",
        _W + "handler.py",
        '            f": {answer.reason[:_LOGGED]}" if answer.reason else "",',
        '            f" to {request.response_url}",',
    ),
    Bug(
        "a Reason is empty",
        _W + "handler.py",
        'Answer("FAILED", piece.reason(outcome), invocation.note, ended=ended)',
        'Answer("FAILED", "")',
    ),
    Bug(
        "the last resort does not answer",
        "last_resort/last_resort.py",
        '    attempts = deliver(request["ResponseURL"], body, put, sleep)',
        "    attempts = 0",
    ),
    Bug(
        "the last resort gives up after one attempt",
        "last_resort/last_resort.py",
        "            if status != 429 and status < 500:\n                break",
        "            return attempt",
    ),
)


def source_of(bug: Bug) -> str:
    """Return the source with the bug in it.

    Raises:
        ValueError: the place to plant it is not there, or there twice.
    """
    text = (SOURCE / bug.file).read_text()
    if text.count(bug.right) != 1:
        raise ValueError(f"{bug.name}: {bug.file} has its text {text.count(bug.right)} times")
    return text.replace(bug.right, bug.wrong)


def plant(bug: Bug, runs: int = RUNS) -> str:
    """Run the suite on a copy of the source that has a bug, and return how it was caught, nothing if it was not.

    Raises:
        RuntimeError: the suite ended otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / bug.file).write_text(source_of(bug))
        path = os.pathsep.join(map(str, (copy / "last_resort", copy, ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos", "--first", str(FIRST), "--seeds", str(runs), "--until-caught"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            check=False,
        )
    last = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode == 1 and last[0].startswith("caught: "):
        return last[0].removeprefix("caught: ")
    if done.returncode:
        raise RuntimeError(f"{bug.name}: the suite ended with status {done.returncode}:\n{done.stderr}")
    return ""


def plant_all(console: Console) -> int:
    """Plant every bug, and say what became of it. Returns the exit status."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        caught = 0
        for bug, how in zip(BUGS, pool.map(plant, BUGS), strict=True):
            caught += bool(how)
            console.print(f"{'caught' if how else 'NOT CAUGHT'}: {bug.name}: {how}", markup=False)
    console.print(f"{caught} of {len(BUGS)} planted bugs caught, each within {RUNS} runs from seed {FIRST}")
    return 0 if caught == len(BUGS) else 1
