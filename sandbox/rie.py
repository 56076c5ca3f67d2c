"""AWS's own Lambda runtime on the bare host: the Runtime Interface Emulator with the real runtime interface client.

Real INIT, real timeouts by SIGKILL, real REPORT lines. Its limits: one process serves one invocation at a time, every
invocation is answered synchronously, memory is not enforced, and the interpreter is this machine's, not Amazon Linux's.
"""

import itertools
import json
import platform
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from .cloud import CREDENTIALS, ISOLATED, REGION
from .processes import ROOT, Program, free_port, listens
from .serving import Service, Whole

_RUNTIME_PYTHON = ROOT / ".venvs" / "runtime" / "bin" / "python"
_SUFFIX = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
_PATH = "/2015-03-31/functions/function/invocations"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:012345678912:function:test_function"
"""What the emulator calls every function."""


class Emulator:
    """One execution environment of one function. Use it as a context manager, or call `stop`.

    `artifact` is the folder that `sam build` made; `log` the folder for the log file `name`.
    """

    def __init__(
        self,
        artifact: Path,
        environment: Mapping[str, str],
        log: Path,
        *,
        timeout: int = 900,
        name: str = "rie",
        handler: str = "ecr_image_waiter.handler.lambda_handler",
    ) -> None:
        self._port, api = free_port(), free_port()
        emulator = next((ROOT / ".venvs" / "sam").glob(f"lib/python3*/site-packages/samcli/local/rapid/*{_SUFFIX}"))
        self._program = Program(
            name,
            [
                *(emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
                *("--runtime-api-address", f"127.0.0.1:{api}", "--log-level", "info"),
                *(_RUNTIME_PYTHON, "-m", "awslambdaric", handler),
            ],
            {
                **ISOLATED,
                **CREDENTIALS,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
                "AWS_LAMBDA_FUNCTION_NAME": "test_function",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "LAMBDA_TASK_ROOT": str(artifact),
                "PYTHONPATH": str(artifact),
                "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's own file system is read-only
                **environment,
            },
            log,
            folder=artifact,
        )
        self._timeout = timeout
        try:
            self._program.wait_until(lambda: listens(self._port))
        except BaseException:
            self.stop()
            raise

    def invoke(self, event: object) -> Any:
        """Invoke the function and return what it returned, or the error object that Lambda makes of an exception."""
        # INIT, which has ten seconds on Lambda, comes on top of the function's timeout.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=self._timeout + 30)
        try:
            connection.request("POST", _PATH, json.dumps(event).encode())
            text = connection.getresponse().read().decode()  # an error too: the process has died, or never came up
        finally:
            connection.close()
        try:
            return json.loads(text)
        except ValueError:  # a timeout is plain text
            return text

    def output(self) -> str:
        """Return all that the function and the emulator have printed."""
        return self._program.log.read_text(errors="replace")

    def durations(self) -> tuple[float, float]:
        """Return how long INIT and the first invocation's handler took, in milliseconds."""
        (init,) = re.findall(r"INIT REPORT\(durationMs: ([0-9.]+)\)", self.output())
        return float(init), self.handler_durations()[0]

    def handler_durations(self) -> list[float]:
        """Return how long the handler took in each invocation so far, in milliseconds."""
        return [float(took) for took in re.findall(r"INVOKE RTDONE\(.*duration: ([0-9.]+)ms\)", self.output())]

    def peak_memory(self) -> int:
        """Return the largest resident size of the function's process so far, in bytes."""
        status = Path(f"/proc/{self.function_pid()}/status").read_text()
        return int(re.search(r"VmHWM:\s+([0-9]+) kB", status)[1]) * 1024  # type: ignore[index]  # Linux has it

    def function_pid(self) -> int:
        """Return the id of the process that the function runs in."""
        for pid, command in self._program.processes().items():
            if command[1:3] == ["-m", "awslambdaric"]:
                return pid
        raise RuntimeError("The function's process is not there")

    def stop(self) -> None:
        """End the environment."""
        self._program.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class AsyncLambda(Service):
    """The Lambda service's part for functions under the emulator: asynchronous invocations, several at once.

    It takes Invoke over HTTP, so that a function can invoke itself, and starts another environment whenever all are
    busy, as Lambda does. An error or a timeout has the same event run again, twice (invocation-async-error-handling);
    then the on-failure destination gets a record (invocation-async-retain-records).

    Its limits: the pauses before a retry are a second, not one and two minutes; no event age, no recursion guard, no
    concurrency limit, and no check of who may invoke.

    Args:
        start: makes an execution environment; its argument is a number for its log's name.
        on_failure: the destination of events that failed for good.
    """

    def __init__(
        self, start: Callable[[int], Emulator], on_failure: Callable[[object], None] = lambda _record: None
    ) -> None:
        self._start = start
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._idle: list[Emulator] = []
        self._all: list[Emulator] = []
        self._numbers = itertools.count()
        self._stopped = False
        self.invocations: list[Any] = []
        super().__init__()

    @property
    def busy(self) -> bool:
        """Whether any environment is at work."""
        with self._lock:
            return len(self._idle) < len(self._all)

    @property
    def environments(self) -> list[Emulator]:
        """The environments that were started."""
        with self._lock:
            return list(self._all)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:  # noqa: ARG002  # Invoke is all that it knows
        """Take an asynchronous Invoke."""
        self.invoke_later(json.loads(body))
        return 202, [], b""

    def invoke_later(self, event: object) -> None:
        """Queue an event."""
        with self._lock:
            self.invocations.append(event)
        threading.Thread(target=self._run_with_retries, args=(event,), daemon=True).start()

    def invoke(self, event: object) -> Any:
        """Run an event and return the function's result."""
        emulator = self._take()
        try:
            return emulator.invoke(event)
        finally:
            with self._lock:
                self._idle.append(emulator)

    def _take(self) -> Emulator:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        emulator = self._start(next(self._numbers))
        with self._lock:
            self._all.append(emulator)
            stopped = self._stopped
        if stopped:
            emulator.stop()
        return emulator

    def _run_with_retries(self, event: object) -> None:
        for _ in range(3):
            fault = {} if self._stopped else self._fault_of(event)
            if not fault:
                return
            time.sleep(1)
        context = {"functionArn": FUNCTION_ARN, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
        self._on_failure({"requestContext": context, "requestPayload": event, "responsePayload": fault})

    def _fault_of(self, event: object) -> Mapping[str, str]:
        """Run an event and return how it failed, nothing if it did not."""
        try:
            result = self.invoke(event)
        except OSError as error:
            return {"errorType": "Runtime.ExitError", "errorMessage": type(error).__name__}
        if isinstance(result, str):
            return {"errorType": "Sandbox.Timedout", "errorMessage": result}
        return result if isinstance(result, dict) and "errorType" in result else {}

    def stop(self) -> None:
        """End all environments; one that is just starting ends when it has."""
        super().stop()
        with self._lock:
            self._stopped = True
            environments = list(self._all)
        for emulator in environments:
            emulator.stop()
