"""The Terraform example, deployed by Terraform itself with the real AWS provider."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.images import push
from sandbox.processes import ROOT
from tests.support.accounts import Account
from tests.support.patience import eventually

EXAMPLE = ROOT / "examples" / "terraform"
FUNCTIONS = sorted(folder.name for folder in (EXAMPLE / "lambda").iterdir())
REPOSITORIES = {name: f"creative-automation-{name}" for name in FUNCTIONS}
BEFORE = ROOT / "tests" / "e2e" / "terraform_before"
TIME = "00000000-000000"


class Unavailable(Exception):
    """This machine has no Terraform, or no AWS provider for it."""


@dataclass(frozen=True)
class Run:
    """A finished command of Terraform."""

    status: int
    printed: str

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """Everything that a command with `-json` printed."""
        return [json.loads(line) for line in self.printed.splitlines() if line.startswith("{")]

    @property
    def applied(self) -> list[tuple[str, str]]:
        """The events of an apply, such as `apply_start`, each with the address of its resource."""
        events = (event for event in self.events if event["type"].startswith("apply_"))
        return [(event["type"], event["hook"]["resource"]["addr"]) for event in events]

    @property
    def planned(self) -> dict[str, str]:
        """The planned action by the address of each resource that changes."""
        changes = (event["change"] for event in self.events if event["type"] == "planned_change")
        return {change["resource"]["addr"]: change["action"] for change in changes}

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs after an apply."""
        *_, last = (event["outputs"] for event in self.events if event["type"] == "outputs")
        return {name: output["value"] for name, output in last.items()}

    def diagnostics(self, severity: str) -> list[str]:
        """Returns the errors or warnings."""
        found = (event["diagnostic"] for event in self.events if event["type"] == "diagnostic")
        return [f"{each['summary']} {each['detail']}" for each in found if each["severity"] == severity]

    def checked(self) -> "Run":
        """Returns the run if it succeeded, and raises an AssertionError with its errors otherwise."""
        assert self.status == 0, self.errors
        return self

    @property
    def errors(self) -> str:
        """The errors of a command with `-json`, or else the end of its output."""
        return "\n".join(self.diagnostics("error")) if '"@level"' in self.printed else self.printed[-6000:]


def program() -> str:
    """Returns the path of Terraform.

    Raises:
        Unavailable: with the reason.
    """
    if found := shutil.which("terraform"):
        return found
    raise Unavailable("terraform is not on the PATH")


def provider(folder: Path) -> Path:
    """Returns the folder with the AWS provider: TF_PLUGIN_DIR, or a copy of the one that Terraform finds or downloads.

    Args:
        folder: an empty folder, for the copy.

    Raises:
        Unavailable: with the reason.
    """
    program()
    if named := os.environ.get("TF_PLUGIN_DIR"):
        return Path(named).resolve()
    shutil.copy(EXAMPLE / "modules" / "image-by-stack" / "versions.tf", folder)
    done = run(folder, os.environ, "init", "-input=false", "-no-color")
    if done.status:
        raise Unavailable(f"TF_PLUGIN_DIR is not set, and terraform init failed: {' '.join(done.printed.split())}")
    return folder / ".terraform" / "providers"


def run(folder: Path, environment: Mapping[str, str], *arguments: str) -> Run:
    """Runs a command of Terraform in a folder, without the settings of the user."""
    return _finish(_start(folder, environment, arguments))


def _start(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> "subprocess.Popen[str]":
    given = {name: value for name, value in environment.items() if not name.startswith("TF_")}
    configured = environment.get("TF_CLI_CONFIG_FILE", "")
    if Path(configured).is_file():
        given["TF_CLI_CONFIG_FILE"] = configured
    # The provider takes three seconds of a core to start, a third of them for Go's garbage collector.
    own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "GOGC": "400"}
    return subprocess.Popen(
        [program(), *arguments],
        cwd=folder,
        env={**given, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(process: "subprocess.Popen[str]") -> Run:
    with process:
        printed, _ = process.communicate()
    return Run(process.returncode, printed)


def copy_example(folder: Path) -> None:
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))


def edit(file: Path, old: str, new: str) -> None:
    """Replaces a text of a file, which must be there once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} in {file}"
    file.write_text(text.replace(old, new))


def go_back(folder: Path) -> None:
    """Changes a copy of the example into a project whose author has not read its page."""
    shutil.rmtree(folder / "modules")
    for name in ("images.tf", "moved.tf", "outputs.tf"):
        (folder / name).unlink()
    shutil.copytree(BEFORE, folder, dirs_exist_ok=True)
    for variables in (folder / "environments").iterdir():
        variables.write_text(re.sub(r"^architecture .*\n", "", variables.read_text(), flags=re.MULTILINE))


def add_the_wait(folder: Path, environment: str) -> None:
    """Changes a project as the page says under "Add the wait to your own project"."""
    page = (EXAMPLE / "README.md").read_text()
    old, new = re.findall(r"^ +[-+]  image_uri +(= .*)$", page, re.MULTILINE)
    (architecture,) = re.findall(r"`(architecture = .*?)`", page)
    shutil.copytree(EXAMPLE / "modules", folder / "modules")
    shutil.copy(EXAMPLE / "images.tf", folder)
    for name in FUNCTIONS:
        edit(folder / "lambda.tf", old.replace("parser", name), new.replace("parser", name))
    with (folder / "environments" / f"{environment}.tfvars").open("a") as variables:
        variables.write(f"{architecture}\n")


def take_over(folder: Path) -> None:
    """Replaces a project's files by those of the example, its moved.tf included, with the settings of its functions."""
    own = folder / "lambda.tf"
    settings = re.findall(r"^  memory_size.*?^  }\n", own.read_text(), re.MULTILINE | re.DOTALL)
    for name in ("ecr.tf", "lambda.tf", "moved.tf"):
        shutil.copy(EXAMPLE / name, folder)
    (usual,) = re.findall(r"^  memory_size.*\n  timeout.*\n", own.read_text(), re.MULTILINE)
    edit(own, usual, settings[0])


def wait_by_invocation(folder: Path) -> None:
    """Changes a copy of the example as the comment in images.tf says."""
    images = folder / "images.tf"
    lines = re.findall(r"^#   ((?:source|providers) .*)$", images.read_text(), flags=re.MULTILINE)
    edit(images, '  source = "./modules/image-by-stack"\n', "".join(f"  {line}\n" for line in lines))


class Workspace:
    """A copy of the example, to be deployed to an account.

    Args:
        account: to deploy to.
        folder: to copy the example into.
        environment: the name of its tfvars file.
        provider: the folder with the AWS provider.
        log: a file for the output of Terraform.
    """

    def __init__(self, account: Account, folder: Path, environment: str, provider: Path, log: Path) -> None:
        copy_example(folder)
        self.account, self.folder, self.environment, self._log = account, folder, environment, log
        self._provider = provider
        self._variables = f"-var-file=environments/{environment}.tfvars"
        self._running: subprocess.Popen[str] | None = None
        self._before = account.resources()

    @property
    def page(self) -> str:
        return (self.folder / "README.md").read_text()

    def terraform(self, *arguments: str) -> Run:
        self._running = _start(self.folder, self.account.environment, arguments)
        done = _finish(self._running)
        with self._log.open("a") as file:
            file.write(f"=== {self.environment}: terraform {' '.join(arguments)}\n{done.printed}\n")
        return done

    def stop(self) -> None:
        """Kills the command that is still running, and the provider that it has started."""
        if self._running and self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)

    def init(self) -> None:
        self.terraform("init", "-input=false", "-no-color", f"-plugin-dir={self._provider}").checked()

    def apply(self, *options: str) -> Run:
        return self.terraform("apply", "-json", "-auto-approve", "-input=false", self._variables, *options)

    def plan(self, *options: str) -> Run:
        """Returns the run, whose status is 2 if there is something to do."""
        return self.terraform("plan", "-json", "-detailed-exitcode", "-input=false", self._variables, *options)

    def show_plan(self, *options: str) -> Mapping[str, Any]:
        """Writes a plan for `apply_plan`, and returns it as `terraform show -json` prints it."""
        run = self.plan("-out=new.plan", *options)
        assert run.status == 2, run.errors
        return dict(json.loads(self.terraform("show", "-json", "new.plan").checked().printed))

    def apply_plan(self) -> Run:
        return self.terraform("apply", "-json", "-input=false", "new.plan")

    def state(self) -> set[str]:
        """Returns the addresses in the state, without the data sources."""
        listed = self.terraform("state", "list").checked().printed.splitlines()
        return {address for address in listed if ".data." not in address}

    def left(self) -> set[str]:
        """Returns the names of all resources in the account that were not there before."""
        return self.account.resources() - self._before

    def uris(self) -> dict[str, str]:
        """Returns the image of each function."""
        get_function = self.account.client("lambda").get_function
        names = (name for kind, name in map(str.split, self.left()) if kind == "function")
        return {name.rpartition("-")[2]: get_function(FunctionName=name)["Code"]["ImageUri"] for name in names}

    def pushed(self) -> dict[str, dict[str, str]]:
        """Returns the images of each function's repository by their tags, with TIME for a tag that is a time."""
        found = {}
        for name, repository in REPOSITORIES.items():
            images = self.account.client("ecr").list_images(repositoryName=repository)["imageIds"]
            tags = sorted(image["imageTag"] for image in images)
            found[name] = {re.sub(r"^\d{8}-\d{6}$", TIME, tag): self.account.uri(repository, tag) for tag in tags}
        return found

    def during_its_wait(self, command: Callable[[], Run], tag: str, act: Callable[[], str]) -> tuple[Run, str]:
        """Runs a command, and acts once the waiter has asked ECR for a tag in each repository.

        Returns:
            The command, and the result of the act.
        """
        count = self.account.cloud.ecr_proxy.count
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(command)

            def waits() -> bool:
                asked = [count("ecr:DescribeImages", repository=each, containing=tag) for each in REPOSITORIES.values()]
                return running.done() or all(asked)

            try:
                eventually(waits, f"the waiter has asked for {tag} in each repository")
                assert not running.done(), f"it did not wait: {running.result().errors}"
                result = act()
            except BaseException:
                self.stop()
                raise
            return running.result(), result

    def push(self, *tags: str, content: str = "other", architecture: str = "amd64") -> str:
        """Pushes images that differ from those of the script."""
        for repository in REPOSITORIES.values():
            for tag in tags:
                own = f"{content}, in {repository}"
                push(self.account.client("ecr"), repository, tag, content=own, architecture=architecture)
        return ""

    def delete_images(self) -> None:
        ecr = self.account.client("ecr")
        for repository in REPOSITORIES.values():
            images = ecr.list_images(repositoryName=repository)["imageIds"]
            ecr.batch_delete_image(repositoryName=repository, imageIds=images)
