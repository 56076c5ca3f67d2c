"""The command: what it asks of ECR, says and exits with, in one process, on a fake clock and an ECR in memory."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ecr_image_waiter.aws.clients import UnknownRegion
from ecr_image_waiter.cfn.properties import Properties
from ecr_image_waiter.cli.arguments import asked, image_of
from ecr_image_waiter.cli.options import Line, parse, parser
from ecr_image_waiter.cli.results import Status
from ecr_image_waiter.cli.screen import LiveLine, Standing
from ecr_image_waiter.cli.words import in_options, option_of
from ecr_image_waiter.core.builds import BuildHidden, BuildRun, RunStatus
from ecr_image_waiter.core.messages import InvalidRequest
from ecr_image_waiter.core.model import Place
from ecr_image_waiter.core.state import Cause
from sandbox.processes import ROOT
from tests.screen import PICTURE, picture
from tests.support.clock import NOW, FakeClock
from tests.support.command import Command
from tests.support.ecr import ACCOUNT
from tests.support.fakes import DIGEST, aws_error

HERE = Place("aws", "eu-west-1", ACCOUNT)
URI = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"


@pytest.fixture
def command() -> Command:
    return Command()


def line(*arguments: str) -> Line:
    return parse(["wait", *arguments])


def names(*arguments: str, file: str = "") -> tuple[str, ...]:
    return asked(line(*arguments), HERE, lambda _: file).names


def interrupt(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def fail(*_: object) -> Any:
    raise ArithmeticError


def python(code: str, *arguments: str) -> str:
    """Runs a program without the packages that an environment imports at its start; returns its stderr."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-S", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "src", env=environment).stderr


def test_the_command_imports_nothing_that_only_lambda_needs() -> None:
    modules = "sys, ecr_image_waiter.cli.command, ecr_image_waiter.cli.connection"
    loaded = python(f"import {modules}; print(*sys.modules, file=sys.stderr)").split()
    assert not {"aws_lambda_powertools", "crhelper"} & set(loaded)


@pytest.mark.parametrize("arguments", [["wait", "--help"], ["--version"], ["completion", "bash"]], ids=str)
def test_help_version_and_completion_import_nothing_that_takes_long(arguments: list[str]) -> None:
    code = (
        "import sys; from ecr_image_waiter.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    modules = {name for name in python(code, *arguments).split() if not name.startswith("_")}
    assert not {"pydantic", "botocore", "urllib3", "rich.console", "ecr_image_waiter.cli.command"} & modules
    # 76 with Python 3.13; 700 and more with what a wait needs.
    assert len(modules) < 110 or "--help" not in arguments, sorted(modules)


# --- options


def _help(command: str) -> str:
    (choices,) = (action.choices for action in parser()._actions if action.dest == "command")
    return str(dict(choices or {})[command].format_help())


def test_every_property_is_an_option_or_said_by_the_arguments_or_cloudformation_s_own() -> None:
    said = {"RepositoryName", "ImageTag", "ImageDigest", "ImageUri", "Images"}
    cloudformation_s = {"Trigger", "ServiceTimeout", "ServiceToken"}
    help_ = " ".join(_help("wait").split())

    options = {option_of(name) for name in Properties.model_fields if name not in said | cloudformation_s}

    assert {option for option in options if f"{option} " not in help_} == set()


def test_the_help_of_an_option_says_its_meaning_what_is_allowed_and_its_default() -> None:
    help_ = " ".join(_help("wait").split()).replace("- ", "-")  # argparse breaks lines at hyphens
    longest = "The longest wait, as a multiple of --retry-delay-seconds. 0 checks once."
    assert f"{longest} Allowed: a whole number from 0 to 3600. Default: 60." in help_
    assert "now is the start of the wait." in help_
    assert "StackOperation" not in help_
    assert "exit status: 0 found, 1 not there (in time), 2 wrong usage, 3 waiting cannot help" in help_
    assert "--max-retries" not in _help("check")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_has_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["completion", shell])
    assert not ended.value.code
    script = capsys.readouterr().out
    wanted = {"wait", "check", "completion", *re.findall(r"--([a-z-]+)", _help("wait") + _help("check"))}
    assert {word for word in wanted if word not in script} == set()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ecr-image-waiter wait --ti", {"--timeout"}),
        ("ecr-image-waiter check --output ", {"text", "json", "uri", "github"}),
        ("ecr-image-waiter check --from pyproj", {"pyproject.toml"}),
    ],
)
def test_bash_offers_what_can_come_next(typed: str, offered: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["completion", "bash"])
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"{capsys.readouterr().out}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
    script += '_shtab_ecr_image_waiter; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S607  # a shell of the user's
    assert set(done.stdout.split()) == offered


def test_the_document_has_every_option_status_and_cause() -> None:
    document = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z-]+", _help("wait") + _help("check"))) - {"--help"}
    assert {option for option in options if f"`{option}" not in document} == set()
    assert {status for status in Status if f"| {status.value} |" not in document} == set()
    assert {cause for cause in Cause if f"`{cause}`" not in document} == {Cause.TOO_LATE}


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("team/app:v1", {"RepositoryName": "team/app", "ImageTag": "v1"}),
        (f"app@{DIGEST}", {"RepositoryName": "app", "ImageDigest": DIGEST}),
        (f"app:v1@{DIGEST}", {"RepositoryName": "app", "ImageTag": "v1", "ImageDigest": DIGEST}),
        ("a.b/app:v1", {"RepositoryName": "a.b/app", "ImageTag": "v1"}),
        (f"{URI}:v1", {"ImageUri": f"{URI}:v1"}),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/app:v1", {"ImageUri": f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/app:v1"}),
        ("public.ecr.aws/shop/app:v1", {"ImageUri": "public.ecr.aws/shop/app:v1"}),
        ("app", {"RepositoryName": "app"}),
    ],
)
def test_an_image_is_named_by_tag_digest_or_both_or_by_a_uri(text: str, properties: dict[str, str]) -> None:
    assert image_of(text) == properties


def test_options_are_properties_of_each_image_and_of_the_wait() -> None:
    request = asked(
        line("app:v1", "app:v2", "--platform", "arm64", "--label", "a=b=c", "--label", "d=e", "--max-retries", "3",
             "--retry-delay-seconds", "7", "--backoff-rate", "1", "--wait-for-repository", "--build-project", "app",
             "--start-build", "--role-arn", "arn:aws:iam::999999999999:role/reader"),
        HERE,
        lambda _: "",
    )  # fmt: skip

    assert [one.id for one in request.wanted] == ["app:v1", "app:v2"]
    assert {one.conditions.Platform for one in request.wanted} == {"arm64"}
    assert request.wanted[0].conditions.Labels == {"a": "b=c", "d": "e"}
    assert request.wanted[0].source.session == "ecr-image-waiter@command"
    assert (request.max_wait, request.backoff.delay, request.backoff.rate) == (21.0, 7, 1.0)
    assert request.backoff.wait_for_repository
    assert request.builder
    assert (request.builder.name, request.starts_build) == ("app", True)


@pytest.mark.parametrize(
    ("options", "max_wait", "delay"),
    [
        ("", 1800, 30),
        ("--timeout 0s", 0, 30),
        ("--timeout 90s", 90, 30),
        ("--timeout 1h0m5s", 3605, 30),
        ("--timeout 900h", 3240000, 30),
        ("--interval 2m --timeout 1h", 3600, 120),
        ("--interval 5s --max-retries 10", 50, 5),
        ("--timeout 1m --retry-delay-seconds 10", 60, 10),
        ("--max-retries 10", 300, 30),
        ("--retry-delay-seconds 5", 300, 5),
    ],
)
def test_the_times_are_what_their_options_say_and_the_properties_names_multiply(
    options: str, max_wait: int, delay: int
) -> None:
    request = asked(line("app:v1", *options.split()), HERE, lambda _: "")
    assert (request.max_wait, request.backoff.delay) == (max_wait, delay)


def test_an_image_pushed_in_the_second_in_which_the_command_begins_counts_as_pushed_after_now(command: Command) -> None:
    command.ecr.push("app", "v1")
    command.clock.sleep(0.9)

    assert command("wait", "app:v1", "--pushed-after", "now", "--max-retries", "0") == Status.FOUND
    assert command("check", "app:v1", "--pushed-after", "now") == Status.FOUND


def test_all_faults_are_printed_at_once_each_by_its_option(command: Command) -> None:
    command.misconfigured = "no region"

    status = command(
        "wait", "App:v1", "app", "--max-retries", "x", "--platfrom", "arm64", "--output", "xml", "--label", "a",
        "--endpoint-url", "nowhere", "--start-build", "--platform", "z80", "--from", "/does/not/exist",
    )  # fmt: skip

    assert status == 2
    assert command.out == ""
    told = command.err.splitlines()
    assert told[0] == "usage: ecr-image-waiter wait [options] IMAGE [IMAGE ...]"
    for number, beginning in enumerate(
        [
            "unrecognized argument: --platfrom",
            "unrecognized argument: arm64",
            '--label: received "a", allowed: NAME=VALUE',
            '--output: received "xml", allowed: text, json, uri',
            '--endpoint-url: received "nowhere", allowed: an http or https URL',
            "--from /does/not/exist: No such file or directory",
            '--platform: received "z80", allowed: a platform',
            '--max-retries: received "x", allowed: a whole number from 0 to 3600',
            '--start-build: received "true", requires --build-project or --pipeline; set one of them',
            'App:v1: the repository\'s name: received "App", allowed: ',
            "app: the tag: missing; set the tag, the digest or both",
            "no region",
        ],
        1,
    ):
        assert told[number].startswith(f"ecr-image-waiter: error: ({number}) {beginning}"), told[number]
    assert len(told) == 13


ENTRY = {"RepositoryName": "app", "ImageTag": "v1"}
NO_LIST = "--from f: received a JSON object, allowed: a JSON list of objects, or one image a line"


@pytest.mark.parametrize(
    ("arguments", "file", "told"),
    [
        *(
            (f"app:v1 --timeout={text}", "", f'--timeout: received "{text}", allowed: 0 to 900h, such as 90s, 10m or ')
            for text in ("", "10", "1.5m", "5m1h", "-1s", "901h")
        ),
        *(
            (f"app:v1 --interval={text}", "", f'--interval: received "{text}", allowed: 1s to 15m, such as 30s or 1m')
            for text in ("0", "16m", "30")
        ),
        (
            "aa:1 --timeout 1m --max-retries 2 --interval 1s --retry-delay-seconds 9",
            "",
            (
                "--max-retries: cannot be combined with --timeout; remove one of them\n"
                "--retry-delay-seconds: cannot be combined with --interval; remove one of them"
            ),
        ),
        ("app:v1 app:v1", "", "app:v1: given 2 times"),
        ("app:v1 --label a=1 --label b=1 --label a=2", "", "--label a: given 2 times"),
        # Once, not for each image; and not as of a template, which has AWS::NoValue for it.
        ("app:v1 app:v2 --platform=", "", '--platform: received "", allowed: a platform such as linux/arm64, linux/'),
        (
            f"app:v1 {URI}:v1 --registry-id {ACCOUNT}",
            "",
            f'{URI}:v1: --registry-id: received "{ACCOUNT}", cannot be combined with the URI, which ',
        ),
        ("1.dkr.ecr.cn-north-1.amazonaws.com.cn/app:v1".replace("1", ACCOUNT, 1), "", f"{ACCOUNT}.dkr.ecr.cn-north-1."),
        (
            "--from f",
            json.dumps([{**ENTRY, "DeployTarget": "", "MaxRetries": 5}]),
            (
                '--from f: entry 1: DeployTarget: received "", allowed: Lambda or ECS\n'
                "--from f: entry 1: MaxRetries: received 5, no property of one image; it applies to every image, so "
            ),
        ),
        ("--from f", "[{", "--from f: it begins like a JSON list, but is invalid: "),
        ("--from f", "[1]", "--from f: entry 1: received 1, allowed: an object"),
        ("--from f", '[{"RepositoryName": "app"}]', "--from f: entry 1: ImageTag: missing"),
        ("--from f", json.dumps([{**ENTRY, "Foo": 1}]), "--from f: entry 1: Foo: received 1, unknown property; the "),
        ("--from f", "# nothing\n", "no image: name one, or list images in --from FILE"),
        ("--from f", '{"RepositoryName": "app",\n "ImageTag": "v1"}', NO_LIST),
        ("--from f", "\ufeff {}", NO_LIST),
        ("--from f", '{"Id": "a"}\n{"Id": "b"}\n', NO_LIST),
    ],
)
def test_a_fault_names_the_option_or_the_entry_and_what_is_allowed(arguments: str, file: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        names(*arguments.split(), file=file)

    assert "\n".join(raised.value.faults).startswith(told)
    assert len(raised.value.faults) == told.count("\n") + 1


@pytest.mark.parametrize("arguments", [[], ["wiat", "app:v1"], ["wait", "app:v1", "--platform"], ["wait"]])
def test_a_line_that_cannot_be_parsed_is_wrong_usage_and_its_one_fault_has_no_number(
    arguments: list[str], command: Command
) -> None:
    assert command(*arguments) == 2
    assert command.err.startswith("usage: ecr-image-waiter")
    assert "(1)" not in command.err


def test_what_a_user_wrote_is_not_taken_for_the_name_of_a_property() -> None:
    assert in_options('ImageTag: received "Platform Labels", allowed: Labels') == (
        'the tag: received "Platform Labels", allowed: --label'
    )


# --- the file of images


@pytest.mark.parametrize(
    ("arguments", "file", "images"),
    [
        (
            ["app:v0", "--from", "f"],
            "# those of the shop\napp:v1\n\n  team/app:v2   # the second\n",
            ("app:v0", "app:v1", "team/app:v2"),
        ),
        (["--from", "f"], '[{"RepositoryName": "app", "ImageTag": 1}]', ("app:1",)),
        (["--from", "-"], "\ufeffapp:v1\n", ("app:v1",)),  # a byte order mark
        (["--from", "-"], f"\ufeff[{json.dumps(ENTRY)}]", ("app:v1",)),
    ],
)
def test_a_file_has_an_image_a_line_or_is_a_list(arguments: list[str], file: str, images: tuple[str, ...]) -> None:
    assert names(*arguments, file=file) == images


def test_the_images_of_every_file_are_waited_for() -> None:
    request = asked(line("--from", "app:v1", "--from", "app:v2"), HERE, lambda file: file)
    assert request.names == ("app:v1", "app:v2")


def test_a_file_may_be_a_list_of_objects_whose_own_properties_win() -> None:
    entries = [
        {"Id": "Parser", **ENTRY, "Platform": "amd64"},
        {"ImageUri": f"{URI}:v2"},
        {"RepositoryName": "app", "ImageDigest": DIGEST},
    ]
    request = asked(line("--from", "images.json", "--platform", "arm64"), HERE, lambda _: json.dumps(entries))

    assert request.names == ("Parser", f"{URI}:v2", f"app@{DIGEST}")
    assert [one.conditions.Platform for one in request.wanted] == ["amd64", "arm64", "arm64"]


@pytest.mark.parametrize(("file", "told"), [("", "--from : Is a directory"), ("f", "codec can't decode")])
def test_a_file_that_cannot_be_read_is_a_fault(file: str, told: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\xfe\x00")
    assert command("wait", "app:v1", "--from", str(tmp_path / file) if file else "") == 2
    assert told in command.err


# --- waiting


def test_an_image_that_is_there_is_found_at_once_with_one_call(command: Command) -> None:
    digest = command.ecr.push("app", "v1")

    assert command("wait", "app:v1", "--output", "uri") == 0

    assert command.out == f"{URI}@{digest}\n"
    assert command.err.splitlines() == [
        f"0 s: check 1 of app:v1: the image, {digest}",
        "Found app:v1 after 0 s, checked once",
    ]
    assert command.ecr.calls == [("DescribeImages", "app")]


def test_a_wait_goes_on_for_its_whole_timeout_and_not_only_for_an_invocation(command: Command) -> None:
    ten_hours = 36_000.0
    command.clock.plan(ten_hours - 5, lambda: command.ecr.push("app", "v1"))
    assert command("wait", "app:v1", "--max-retries", "40", "--retry-delay-seconds", "900") == 0
    assert command.clock.now() - NOW == pytest.approx(ten_hours, abs=1)


def test_a_hundred_and_fifty_images_are_one_wait(command: Command) -> None:
    names = [f"app:v{number}" for number in range(150)]
    command.clock.plan(4.0, lambda: [command.ecr.push("app", f"v{n}", content=str(n)) for n in range(150)])

    assert command("wait", *names, "--output", "uri") == 0

    assert len(command.out.splitlines()) == 150
    assert command.ecr.count("BatchGetImage") == 2 * (command.err.count("check "))


def test_the_line_of_a_check_of_many_images_stays_short_enough_to_read(command: Command) -> None:
    command("wait", *[f"app:v{number}" for number in range(60)], "--max-retries", "0")
    first = command.err.splitlines()[0]
    assert first.startswith(
        "0 s: check 1 of 60 images: 0 of 60 are ready; the repository has no such image: app:v0, app:v1, app:v2, "
    )
    assert len(first) < 600
    assert command.out.count("not ready") == 1
    assert command.out.startswith("app:v0, app:v1, app:v2, app:v3, ")
    assert command.out.endswith(", app:v59: not ready: the repository has no such image\n")


def test_uris_come_in_the_order_of_the_arguments_and_all_or_none(command: Command) -> None:
    one = command.ecr.push("app", "v1")
    assert command("wait", "app:v2", "app:v1", "--max-retries", "0", "--output", "uri") == 1
    assert command.out == ""
    two = command.ecr.push("app", "v2", content="2")
    assert command("wait", "app:v2", "app:v1", "--output", "uri") == 0
    assert command.out == f"{URI}@{two}\n{URI}@{one}\n"


def test_a_timeout_is_laid_out_on_a_terminal_and_one_sentence_elsewhere_in_the_words_of_the_command_line(
    command: Command,
) -> None:
    command.ecr.push("app", "v1")
    command.width = 60

    assert command("wait", "app:v2", "--timeout", "1m", "--output", "json") == 1

    assert command.err.splitlines()[-6:] == [
        'Timed out waiting for "app:v2" in eu-west-1',
        "  waited       1 min (10 checks)",
        "  last seen    the repository has no such image",
        '  newest tags  "v1" (1 min old)',
        "  what to do   correct the tag, check its build, or raise",
        "               --timeout",
    ]
    reason = command.json["Reason"]
    assert reason.startswith('Timed out waiting 1 min for "app:v2" in eu-west-1 (10 checks): the ')
    assert 'newest tags: "v1" (1 min' in reason
    assert reason.endswith("or raise --timeout")
    assert command.json["Cause"] == "time-up"

    command.width = 0
    command("wait", "app:v2", "--timeout", "1m")
    assert command.err.splitlines()[-1].startswith('Timed out waiting 1 min for "app:v2" in eu-west-1 (10 checks): ')


def test_the_reasons_of_several_images_do_not_name_one_twice(command: Command) -> None:
    command("wait", "app:v1", "app:v2", "--max-retries", "0")
    assert "2 of 2 images in eu-west-1 (1 check): the repository has no such image: app:v1, app:v2;" in command.err


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("ghcr.io/org/app:v1", "ghcr.io"),
        ("https://quay.io/org/app:v1", "quay.io"),
        ("Registry.GitLab.com:5050/org/app:v1", "Registry.GitLab.com"),
        ("localhost/app:v1", "localhost"),
        (f"registry:5000/app@{DIGEST}", "registry:5000"),
    ],
)
def test_a_registry_that_is_not_ecr_s_is_wrong_usage_and_nothing_is_asked(
    image: str, host: str, command: Command
) -> None:
    assert command("wait", image) == 2
    assert f"{image}: {host} is not a registry of ECR; for a repository of this name in ECR, name" in command.err
    assert command.ecr.calls == []


@pytest.mark.parametrize("command_", ["wait", "check"])
def test_a_reason_says_that_a_repository_named_so_in_a_file_is_checked_in_ecr_alone(
    command_: str, command: Command
) -> None:
    command.stdin = io.StringIO(json.dumps([{"RepositoryName": "ghcr.io/org/app", "ImageTag": "v1"}]))
    assert command(command_, "--from", "-") == 3
    assert "(only ECR is checked; " in command.out + command.err


@pytest.mark.parametrize("image", ["v1.2/app:v1", "team/app.io:v1", "ghcr.io:v1", f"{URI[:-3]}ghcr.io/app:v1"])
def test_a_namespace_with_a_dot_is_not_taken_for_a_registry(image: str) -> None:
    assert names(image) == (image,)


@pytest.mark.parametrize("command_", ["wait", "check"])
def test_a_repository_that_a_build_may_create_is_not_there_yet(command_: str, command: Command) -> None:
    limit = ["--max-retries", "4"] if command_ == "wait" else []
    assert command(command_, "new:v1", "--build-project", "app", *limit) == 1
    assert command.clock.now() - NOW == pytest.approx(120 if limit else 0, abs=1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            aws_error("ExpiredTokenException", "The security token has expired"),
            "that they have not expired and that the clock is right",
        ),
        (
            UnknownRegion(region="eu-wset-1", nearest="eu-west-1", endpoint_url=""),
            '(nearest known: "eu-west-1"); correct --region or the URI',
        ),
    ],
)
def test_credentials_or_a_region_that_aws_does_not_know_end_the_wait_after_a_minute(
    fault: Exception, told: str, command: Command
) -> None:
    command.ecr.faults["DescribeImages"] = fault

    assert command("wait", "app:v1") == 3
    assert told in command.err
    assert command.clock.now() - NOW == pytest.approx(60, abs=1)


def fault_of_ecr(code: str) -> Callable[[Command], object]:
    return lambda command: command.ecr.faults.update(DescribeImages=aws_error(code, "no"))


def build(found: RunStatus | BuildHidden) -> Callable[[Command], object]:
    ended = None if found is RunStatus.UNDER_WAY else NOW
    runs = [BuildRun("app:1", found, "FAILED", NOW, ended)] if isinstance(found, RunStatus) else found
    return lambda command: setattr(command.builder, "found", runs)


HIDDEN = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", "no")
CAUSES: dict[str, tuple[int, Callable[[Command], object], str]] = {
    "no-repository": (3, lambda command: command.ecr.repositories.clear(), ""),
    "access-denied": (3, fault_of_ecr("AccessDeniedException"), ""),
    "refused": (3, fault_of_ecr("InvalidParameterException"), ""),
    "never": (3, lambda command: command.ecr.push_index("app", "v1"), "--deploy-target Lambda"),
    "build-hidden": (3, build(HIDDEN), "--build-project app"),
    # What the next build may fix.
    "build-broken": (1, build(RunStatus.BROKEN), "--build-project app"),
    "built-without": (1, build(RunStatus.SUCCEEDED), "--build-project app"),
    "time-up": (1, build(RunStatus.UNDER_WAY), "--build-project app"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_waiting_that_cannot_help_exits_with_3_after_its_grace_without_a_word_of_stacks(
    cause: str, command: Command
) -> None:
    status, happen, options = CAUSES[cause]
    happen(command)
    assert command("check", "app:v1", *options.split()) == status
    assert command.clock.now() == NOW
    assert command("wait", "app:v1", "--max-retries", "4", "--output", "json", *options.split()) == status
    assert command.json["Cause"] == cause
    assert command.clock.now() - NOW <= (60 if cause != "time-up" else 120)
    for word in ("stack", "deploy again", "function", "RepositoryName", "WaitForRepository", "parameter"):
        assert word not in command.json["Reason"]


def test_every_cause_of_a_wait_without_cloudformation_has_been_seen_above() -> None:
    assert set(map(str, Cause)) - CAUSES.keys() == {"too-late"}


def test_a_reason_that_names_the_account_asks_for_it_and_no_other_does(command: Command) -> None:
    command("wait", "app:v1", "--max-retries", "0")
    assert command.accounts == 0
    command("wait", "other:v1")
    assert command.accounts == 1
    assert f"does not exist in account {ACCOUNT}" in command.err


def test_an_arn_of_a_builder_must_be_of_the_caller_s_account(command: Command) -> None:
    arn = "arn:aws:codebuild:eu-west-1:999999999999:project/app"
    assert command("wait", "app:v1", "--build-project", arn) == 2
    assert f'--build-project: received "{arn}", allowed: an ARN that begins with "arn:' in command.err


def test_a_build_is_started_once_when_the_image_is_missing_and_that_is_asked_for(command: Command) -> None:
    assert command("wait", "app:v1", "--build-project", "app", "--max-retries", "2") == 1
    assert command("check", "app:v1", "--build-project", "app") == 1
    assert 'no build of the CodeBuild project "app" is under way' in command.err
    assert command.builder.started == []
    command.clock.plan(50.0, lambda: command.ecr.push("app", "v1"))
    assert command("wait", "app:v1", "--build-project", "app", "--start-build") == 0
    assert len(command.builder.started) == 1


def test_quiet_leaves_the_result_and_the_reason(command: Command) -> None:
    command.ecr.push("app", "v1")
    command("wait", "app:v1", "--quiet", "--output", "uri")
    assert command.err == ""
    command("wait", "app:v2", "--quiet", "--max-retries", "1")
    assert command.err.startswith("Timed out waiting ")
    assert command.err.count("\n") == 1


def test_an_interrupted_wait_says_what_was_seen_so_far(command: Command) -> None:
    command.clock.plan(20.0, interrupt)
    assert command("wait", "app:v1", "--output", "json") == 130
    told = "Interrupted: waited 20 s for app:v1, checked 7 times, last seen: the repository has no such image"
    assert command.err.splitlines()[-1] == told
    assert (command.json["Reason"], command.json["Cause"]) == (told, "interrupted")


def test_an_interrupt_before_anything_was_seen_says_no_more_than_that(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.ecr.before = interrupt
    assert command("wait", "app:v1") == 130
    assert command.out == "app:v1: not ready: not checked\n"
    assert command.err == "Interrupted: waited 0 s for app:v1, checked never\n"

    monkeypatch.setattr(command, "connect", interrupt)
    assert command("wait", "app:v1", "--output", "json") == 130
    told = "Interrupted: there is no result"
    assert command.json == {
        "Ready": False, "Reason": told, "Cause": "interrupted", "Attempts": 0, "WaitedSeconds": 0, "Images": []
    }  # fmt: skip
    assert command.err == f"{told}\n"


def test_an_interrupted_check_says_which_images_it_has_seen(command: Command) -> None:
    def interrupt_at_other(_: str, name: str) -> None:
        if name == "other":
            interrupt()

    command.ecr.push("app", "v1")
    command.ecr.before = interrupt_at_other
    assert command("check", "app:v1", "other:v1") == 130
    assert command.out.startswith("app:v1: ready\n")
    assert command.out.endswith("other:v1: not ready: not checked\n")


def test_profile_region_and_endpoint_reach_the_connection(command: Command) -> None:
    command("wait", f"{URI}:v1", "--profile", "p", "--region", "us-east-1", "--endpoint-url", "http://localhost:1/")
    asked_for = {"profile": "p", "region": "us-east-1", "endpoint_url": "http://localhost:1/", "regions": ["eu-west-1"]}
    assert command.connected == asked_for


# --- in a job of GitHub Actions


def test_outputs_give_the_uris_of_all_images_or_none(command: Command) -> None:
    one, two = command.ecr.push("app", "v1"), command.ecr.push("app", "v2", content="2")

    assert command("wait", "app:v2", "app:v1", "--output", "github") == 0
    *first, json_ = command.published["GITHUB_OUTPUT"].splitlines()
    assert first == [
        f"uri={URI}@{two}", f"digest={two}", "uris<<END_OF_URIS", f"{URI}@{two}", f"{URI}@{one}", "END_OF_URIS",
    ]  # fmt: skip
    assert json.loads(json_.removeprefix("json="))["Ready"] is True
    assert "::error" not in command.out
    assert command.err.endswith("Found 2 images after 0 s, checked once\n")

    assert command("wait", "app:v1", "app:v3", "--timeout", "0", "--output", "github") == 1
    *first, json_ = command.published["GITHUB_OUTPUT"].splitlines()
    assert first == ["uri=", "digest=", "uris<<END_OF_URIS", "END_OF_URIS"]
    reason = json.loads(json_.removeprefix("json="))["Reason"]
    assert command.out.splitlines()[-1] == f"::error title=ecr-image-waiter::{reason}"
    assert reason not in command.err


def test_an_end_without_a_result_is_published_too(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("wait", "app:v1", "--timeout", "5", "--output", "github") == 2
    assert command.published["GITHUB_STEP_SUMMARY"].startswith("### ecr-image-waiter: wrong usage\n")
    assert '"Cause": "wrong-usage"' in command.published["GITHUB_OUTPUT"]
    assert command.out.startswith('::error title=ecr-image-waiter::--timeout: received "5", allowed: ')

    monkeypatch.setattr(command.clock, "now", fail)
    for command_ in ("wait", "check"):
        with pytest.raises(ArithmeticError):
            command(command_, "app:v1", "--output", "github")
        assert '"Cause": "broken"' in command.published["GITHUB_OUTPUT"]
        assert "The command failed (ArithmeticError); its traceback is on stderr" in command.published["GITHUB_OUTPUT"]

    monkeypatch.setattr(command, "connect", interrupt)
    assert command("wait", "app:v1", "--output", "github") == 130
    assert command.published["GITHUB_STEP_SUMMARY"].startswith("### ecr-image-waiter: interrupted\n")


# --- one check


def test_a_check_says_everything_of_an_image(command: Command) -> None:
    digest = command.ecr.push("app", "v1", labels={"a": "b", "c": "d"})
    command.clock.time += 120

    assert command("check", "app:v1", "--label", "a=b") == 0

    assert command.out == (
        "app:v1: ready\n"
        f"  uri       {URI}@{digest}\n"
        "  type      application/vnd.oci.image.manifest.v1+json\n"
        "  pushed    2026-11-01T12:00:00Z, 2 min ago\n"
        "  size      1,234 bytes\n"
        "  platform  linux/arm64\n"
        "  label a   b\n"
    )
    assert command.err == "checking app:v1\n"
    assert command("check", "app:v1", "--quiet") == 0
    assert command.err == ""


def test_a_wait_that_saw_the_architecture_alone_does_not_call_it_a_platform(command: Command) -> None:
    command.ecr.push("app", "v1")

    assert command("wait", "app:v1", "--platform", "linux/arm64") == 0

    assert command.out.endswith("  architecture  arm64\n")


def test_a_check_of_an_index_says_its_platforms_and_labels(command: Command) -> None:
    command.ecr.push_index("app", "v1", attestations=True, labels={"a": "b"})
    command("check", "app:v1", "--label", "a=b", "--output", "json")
    (image,) = command.json["Images"]
    assert (image["Platforms"], image["Labels"]) == (["linux/amd64", "linux/arm64"], {"a": "b"})


def test_a_check_says_of_each_of_several_images_what_is_there_or_why_not(command: Command) -> None:
    command.ecr.push("app", "v1", labels={"a": "old"})
    assert command("check", "app:v1", "app:v2", "other:v1", "--label", "a=new", "--output", "json") == 3
    one, two, three = command.json["Images"]
    assert one["Seen"] == 'the image is another one: its label "a" is "old", wanted "new"'
    assert one["ImageSizeInBytes"] == "1234"
    assert one["Labels"] == {"a": "old"}
    assert (two["Ready"], two["Seen"]) == (False, "the repository has no such image")
    assert three["Seen"] == "the repository does not exist"


def test_what_cannot_be_read_of_an_image_does_not_make_it_missing(command: Command) -> None:
    command.ecr.push("app", "v1")
    command.ecr.faults["BatchGetImage"] = aws_error("AccessDeniedException", operation="BatchGetImage")
    assert command("check", "app:v1") == 0
    assert "  unread  its manifest: ECR denied access (AccessDeniedException)\n" in command.out

    del command.ecr.faults["BatchGetImage"]
    command.ecr.faults["GET"] = OSError("HTTP status 403")
    assert command("check", "app:v1") == 0
    assert "  unread  its config: ECR did not answer" in command.out


def test_a_check_says_what_an_artifact_or_an_image_in_docker_s_old_schema_1_is(command: Command) -> None:
    command.ecr.push("app", "chart", config_type="application/vnd.cncf.helm.config.v1+json")
    command.ecr.put("app", "old", {"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws")
    command("check", "app:chart", "app:old")
    assert "no container image but an artifact of the type application/vnd.cncf.helm.config.v1+json" in command.out
    assert "an image in Docker's old schema 1, of which nothing is read" in command.out


def test_a_check_of_a_public_image_asks_for_no_manifest(command: Command) -> None:
    command.ecr.push("team/app", "v1", region="public")
    assert command("check", "public.ecr.aws/shop/team/app:v1") == 0
    assert command.ecr.count("BatchGetImage") == 0
    assert "unread" not in command.out


def test_a_check_without_all_images_has_no_uris(command: Command) -> None:
    command.ecr.push("app", "v1")
    assert command("check", "app:v1", "app:v2", "--output", "uri") == 1
    assert command.out == ""
    assert command.err.endswith("\n1 of 2 are ready; the repository has no such image: app:v2\n")


# --- the live line


def drawn(standing: Standing, now: float, width: int = 100) -> list[str]:
    """Returns the lines that the live line takes."""
    lines = Console(file=io.StringIO(), width=width).render_lines(LiveLine(standing, FakeClock(now)), pad=False)
    return ["".join(segment.text for segment in line) for line in lines]


def test_the_live_line_says_how_long_how_often_and_what_was_last_seen_on_one_line() -> None:
    standing = Standing("app:v1", NOW, checks=7, seen="the repository has no such image", due=NOW + 53)
    assert drawn(standing, NOW + 41) == [
        "● app:v1  41 s  checked 7 times, next in 12 s  the repository has no such image"
    ]
    assert drawn(Standing("app:v1", NOW), NOW + 1) == ["● app:v1  1 s  checking"]
    (told,) = drawn(standing, NOW + 41, width=40)
    assert told.endswith("…")


def test_a_check_that_is_due_already_comes_in_no_negative_time() -> None:
    standing = Standing("app:v1", NOW, checks=2, seen="nothing", due=NOW + 1)
    assert standing.checked(NOW + 1.04) == "1 s: check 2 of app:v1: nothing; the next in 0.0 s"


def test_the_picture_in_the_guide_is_what_the_command_draws_now() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "make screen"
    assert "images/command.svg" in (ROOT / "docs" / "cli.md").read_text()
