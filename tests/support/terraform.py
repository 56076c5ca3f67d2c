"""The Terraform example, deployed by Terraform itself with the real AWS provider, in each of its two ways to wait.

Another story is that of a project that had no wait: tests/e2e/terraform_before.

Each way is a story in an account of its own. Its commands run one after the other in a thread, and a test asks for the
step that it is about.

- By stack: a wait that fails; then dev, deployed while the script pushes; then another tag, pushed during the wait.
- By invocation: the script first, and then prod by the apply that the script prints; then another version, pushed
  during the wait; then a wait that fails.
- Script first: by stack, too, prod is deployed after the script, by the apply that the script prints.
- From before: staging without a wait; then with the wait added as the page says; then with the example's files.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.cloud import Cloud
from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT
from tests.support.accounts import Account, with_waiter
from tests.support.waiting import eventually

EXAMPLE = ROOT / "examples" / "terraform"
FUNCTIONS = sorted(folder.name for folder in (EXAMPLE / "lambda").iterdir())
REPOSITORIES = {name: f"creative-automation-{name}" for name in FUNCTIONS}
BEFORE = ROOT / "tests" / "e2e" / "terraform_before"
BY_STACK, BY_INVOCATION, SCRIPT_FIRST, FROM_BEFORE = "by stack", "by invocation", "script first", "from before"
_STEPS = ("validate", "create", "second plan", "new trigger", "new tag", "failed wait", "destroy")
STEPS = {
    BY_STACK: ("check it", *_STEPS),
    BY_INVOCATION: _STEPS,
    SCRIPT_FIRST: ("create",),
    FROM_BEFORE: ("before", "wait added", "taken over"),
}
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
        self._stopped = False

    def script(self, version: str) -> str:
        """Builds and pushes a version, and returns the output of the script."""
        return self.account.run(f"scripts/build-and-push.sh {self.environment} {version}", self.folder)

    def script_of_the_page(self) -> str:
        """Builds and pushes by the command under Deploy, and returns the output of the script."""
        (command,) = re.findall(r"^```sh\n(.*?)^```$", self._page, re.MULTILINE | re.DOTALL)
        return self.account.run(command, self.folder)

    def check_it(self) -> dict[str, tuple[str, str]]:
        """Runs the commands under Check it, and returns for each the page's output and that of the command."""
        (block,) = re.findall(r"^## Check it\n\n```text\n(.*?)^```$", self._page, re.MULTILINE | re.DOTALL)
        shown = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)+)", block, re.MULTILINE)
        return {command: (output, self.account.run(command, self.folder)) for command, output in shown}

    @property
    def _page(self) -> str:
        return (self.folder / "README.md").read_text()

    def terraform(self, *arguments: str) -> Run:
        assert not self._stopped
        self._running = _start(self.folder, self.account.environment, arguments)
        done = _finish(self._running)
        with self._log.open("a") as file:
            file.write(f"=== {self.environment}: terraform {' '.join(arguments)}\n{done.printed}\n")
        return done

    def stop(self) -> None:
        """Kills the command that is still running, and the provider that it has started; no other begins."""
        self._stopped = True
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

    def state(self) -> frozenset[str]:
        """Returns the addresses in the state, without the data sources."""
        listed = self.terraform("state", "list").checked().printed.splitlines()
        return frozenset(address for address in listed if ".data." not in address)


@dataclass(frozen=True)
class Step:
    """A step of a story: a command of Terraform, and the account after it.

    Attributes:
        run: the command.
        checks: for each command of the page under Check it, its output there and here.
        uris: the image of each function.
        pushed: the images of each function's repository by their tags, with TIME for a tag that is a time.
        left: the names of all resources in the account that were not there before the story.
        state: the addresses in Terraform's state.
        plan: the plan that was applied, as `terraform show -json` prints it.
        script: the output of the script.
    """

    run: Run = Run(0, "")
    checks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    uris: Mapping[str, str] = field(default_factory=dict)
    pushed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    state: frozenset[str] = frozenset()
    plan: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""


Story = Iterator[tuple[str, Step]]


class Stage:
    """The account in which a story takes place."""

    def __init__(self, workspace: Workspace) -> None:
        self._account, self._workspace, self._before = workspace.account, workspace, workspace.account.resources()

    def step(self, run: Run, *, plan: Mapping[str, Any] | None = None, script: str = "") -> Step:
        left = frozenset(self._account.resources() - self._before)
        get_function = self._account.client("lambda").get_function
        names = {name.rpartition("-")[2]: name for kind, name in map(str.split, left) if kind == "function"}
        return Step(
            run,
            {},
            {short: get_function(FunctionName=name)["Code"]["ImageUri"] for short, name in names.items()},
            {name: self._pushed(each) for name, each in REPOSITORIES.items() if f"repository {each}" in left},
            left,
            self._workspace.state(),
            plan or {},
            script,
        )

    def during_its_wait(self, command: Callable[[], Run], tag: str, act: Callable[[], str]) -> tuple[Run, str]:
        """Runs a command, and acts once the waiter has asked ECR for a tag in each repository.

        Returns:
            The command, and the result of the act.
        """
        count = self._account.cloud.ecr_proxy.count
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
                self._workspace.stop()
                raise
            return running.result(), result

    def push_other_images(self, *tags: str) -> str:
        """Pushes images that differ from those of the script."""
        return self._push(tags, content="other", architecture="amd64")

    def push_broken_images(self, tag: str) -> str:
        """Pushes images that the functions cannot run."""
        return self._push([tag], content="broken", architecture="arm64")

    def delete_images(self) -> None:
        ecr = self._account.client("ecr")
        for repository in REPOSITORIES.values():
            images = ecr.list_images(repositoryName=repository)["imageIds"]
            ecr.batch_delete_image(repositoryName=repository, imageIds=images)

    def _push(self, tags: Sequence[str], *, content: str, architecture: str) -> str:
        for repository in REPOSITORIES.values():
            for tag in tags:
                own = f"{content}, in {repository}"
                push(self._account.client("ecr"), repository, tag, content=own, architecture=architecture)
        return ""

    def _pushed(self, repository: str) -> dict[str, str]:
        images = self._account.client("ecr").list_images(repositoryName=repository)["imageIds"]
        tags = sorted(image["imageTag"] for image in images)
        return {re.sub(r"^\d{8}-\d{6}$", TIME, tag): self._account.uri(repository, tag) for tag in tags}


def _by_stack(stage: Stage, dev: Workspace) -> Story:
    yield "validate", Step(dev.terraform("validate", "-json"))
    wrong_tag = partial(dev.apply, "-var", "ecr_image_tag=broken")
    run, _ = stage.during_its_wait(wrong_tag, "broken", partial(stage.push_broken_images, "broken"))
    yield "failed wait", stage.step(run)
    run, script = stage.during_its_wait(dev.apply, "latest", dev.script_of_the_page)
    yield "create", stage.step(run.checked(), script=script)
    yield "check it", Step(checks=dev.check_it())
    yield "second plan", Step(dev.plan())
    yield "new trigger", Step(dev.plan("-var", "trigger=another"))
    plan = dev.show_plan("-var", "ecr_image_tag=v2.0.0")
    run, _ = stage.during_its_wait(dev.apply_plan, "v2.0.0", partial(stage.push_other_images, "v2.0.0", "latest"))
    yield "new tag", stage.step(run.checked(), plan=plan)
    stage.delete_images()
    yield "destroy", stage.step(dev.apply("-destroy"))


def _by_invocation(stage: Stage, prod: Workspace) -> Story:
    yield "validate", Step(prod.terraform("validate", "-json"))
    script, options = _prod_by_script(prod)
    yield "create", stage.step(prod.apply(*options).checked(), script=script)
    yield "second plan", Step(prod.plan(*options))
    edit(prod.folder / "environments" / "prod.tfvars", "v1.0.0", "v1.1.0")
    plan = prod.show_plan()
    run, _ = stage.during_its_wait(prod.apply_plan, "v1.1.0", partial(stage.push_other_images, "v1.1.0", "latest"))
    yield "new tag", stage.step(run.checked(), plan=plan)
    stage.push_broken_images("v1.1.0")
    failed = stage.step(prod.apply("-var", "trigger=another"))
    yield "new trigger", failed
    yield "failed wait", failed
    stage.delete_images()
    yield "destroy", stage.step(prod.apply("-destroy"))


def _script_first(stage: Stage, prod: Workspace) -> Story:
    script, options = _prod_by_script(prod)
    yield "create", stage.step(prod.apply(*options).checked(), script=script)


def _prod_by_script(prod: Workspace) -> tuple[str, list[str]]:
    """Runs the script; returns what it prints, and the options of the apply in its last line."""
    script = prod.script("v1.0.0")
    terraform, apply, variables, *options = shlex.split(script.splitlines()[-1])
    assert (terraform, apply, variables) == ("terraform", "apply", "-var-file=environments/prod.tfvars")
    return script, options


def _from_before(stage: Stage, staging: Workspace) -> Story:
    staging.apply(*(f"-target=aws_ecr_repository.{name}" for name in FUNCTIONS)).checked()
    stage.push_other_images("v1.0.0")
    yield "before", stage.step(staging.apply().checked())
    add_the_wait(staging.folder, staging.environment)
    staging.init()
    plan = staging.show_plan()
    yield "wait added", stage.step(staging.apply_plan().checked(), plan=plan)
    take_over(staging.folder)
    plan = staging.show_plan()
    yield "taken over", stage.step(staging.apply_plan().checked(), plan=plan)


class Stories:
    """The stories, under way in threads.

    Args:
        ways: those to tell.
        cloud: the sandbox.
        folder: an empty folder.
        log: a file for the output of Terraform.
    """

    def __init__(self, ways: Collection[str], cloud: Cloud, folder: Path, log: Path) -> None:
        self._ways, self._cloud, self._folder, self._log = ways, cloud, folder, log
        self._steps: dict[str, dict[str, Future[Step]]] = {
            way: {name: Future() for name in names} for way, names in STEPS.items()
        }
        self._workspaces: list[Workspace] = []
        _ = cloud.artifact  # built here, once: tests in other threads ask for it as well
        threading.Thread(target=self._begin, daemon=True).start()

    def step(self, way: str, name: str) -> Step:
        """Returns a step once it is over, and raises the exception that ended the story before it."""
        return self._steps[way][name].result(timeout=2 * PATIENCE)

    def stop(self) -> None:
        """Ends the stories, in the middle if need be."""
        for workspace in self._workspaces:
            workspace.stop()

    def _begin(self) -> None:
        try:
            found = provider(self._folder)
            numbers = [str(number) * 6 for number in (13, 14, 15, 16)]  # accounts of no other test
            first, second, third, fourth = with_waiter(self._cloud, self._folder, numbers, stack="waiter-for-terraform")
            dev = Workspace(first, self._folder / "by-stack", "dev", found, self._log)
            prod = Workspace(second, self._folder / "by-invocation", "prod", found, self._log)
            staging = Workspace(third, self._folder / "from-before", "staging", found, self._log)
            scripted = Workspace(fourth, self._folder / "script-first", "prod", found, self._log)
            wait_by_invocation(prod.folder)
            go_back(staging.folder)
            self._workspaces += [dev, prod, staging, scripted]
            told = (
                (BY_STACK, dev, _by_stack),
                (BY_INVOCATION, prod, _by_invocation),
                (FROM_BEFORE, staging, _from_before),
                (SCRIPT_FIRST, scripted, _script_first),
            )
            for way, workspace, story in told:
                if way not in self._ways:
                    continue
                threading.Thread(target=self._tell, args=(way, workspace, story), daemon=True).start()
        except BaseException as error:  # noqa: BLE001  # pytest's failures are no Exceptions
            for way in self._steps:
                self._fail(way, error)

    def _tell(self, way: str, workspace: Workspace, story: Callable[[Stage, Workspace], Story]) -> None:
        try:
            workspace.init()
            for name, step in story(Stage(workspace), workspace):
                self._steps[way][name].set_result(step)
        except BaseException as error:  # noqa: BLE001  # as above
            self._fail(way, error)

    def _fail(self, way: str, error: BaseException) -> None:
        for future in self._steps[way].values():
            if not future.done():
                future.set_exception(error)
