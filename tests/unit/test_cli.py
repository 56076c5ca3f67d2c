"""The command: what it asks of ECR, says and exits with, in one process, on a fake clock and an ECR in memory."""

import io
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from ecr_image_waiter.aws.clients import UnknownRegion
from ecr_image_waiter.cfn.properties import Properties
from ecr_image_waiter.cli.arguments import asked, image_of
from ecr_image_waiter.cli.connection import Connection
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


def faults(*arguments: str, file: str = "") -> tuple[str, ...]:
    with pytest.raises(InvalidRequest) as raised:
        asked(line(*arguments), HERE, lambda _: file)
    return raised.value.faults


def test_the_command_imports_nothing_that_only_lambda_needs() -> None:
    code = "import sys, ecr_image_waiter.cli.command, ecr_image_waiter.cli.connection; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert not {"aws_lambda_powertools", "crhelper"} & set(done.stdout.split())


# --- options


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


def test_a_look_has_no_options_of_a_wait() -> None:
    assert "--max-retries" not in _help("check")
    assert "--build-project" in _help("check")


def _help(command: str) -> str:
    (choices,) = (action.choices for action in parser()._actions if action.dest == "command")
    return str(dict(choices or {})[command].format_help())


@pytest.mark.parametrize("arguments", [["--help"], ["wait", "--help"], ["--version"], ["completion", "bash"]], ids=str)
def test_help_version_and_completion_import_nothing_that_takes_long(arguments: list[str]) -> None:
    code = (
        "import sys; from ecr_image_waiter.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT / "src",
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    modules = {name for name in done.stderr.split() if not name.startswith("_")}
    assert done.returncode == 0, done.stderr
    assert not {"pydantic", "botocore", "urllib3", "rich.console", "ecr_image_waiter.cli.command"} & modules
    assert "shtab" not in modules or arguments[0] == "completion"
    # 76 with Python 3.13; 700 and more with what a wait needs.
    assert len(modules) < 110 or arguments[0] in ("--version", "completion"), sorted(modules)


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
        ("ecr-image-waiter ", {"wait", "check", "completion"}),
        ("ecr-image-waiter wait --ti", {"--timeout"}),
        ("ecr-image-waiter wait app:v1 --re", {"--region", "--registry-id", "--retry-delay-seconds"}),
        ("ecr-image-waiter check --output ", {"text", "json", "uri", "github"}),
        ("ecr-image-waiter check --from pyproj", {"pyproject.toml"}),
        ("ecr-image-waiter completion f", {"fish"}),
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
        ("app:v1", {"RepositoryName": "app", "ImageTag": "v1"}),
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
             "--start-build"),
        HERE,
        lambda _: "",
    )  # fmt: skip

    assert [one.id for one in request.wanted] == ["app:v1", "app:v2"]
    assert {one.conditions.Platform for one in request.wanted} == {"arm64"}
    assert request.wanted[0].conditions.Labels == {"a": "b=c", "d": "e"}
    assert (request.max_wait, request.backoff.delay, request.backoff.rate) == (21.0, 7, 1.0)
    assert request.backoff.wait_for_repository
    assert request.builder
    assert (request.builder.name, request.starts_build) == ("app", True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h0m5s", 3605),
        ("900h", 3240000),
    ],
)
def test_a_timeout_is_in_seconds_minutes_and_hours(text: str, seconds: int) -> None:
    request = asked(line("app:v1", "--timeout", text), HERE, lambda _: "")
    assert (request.max_wait, request.backoff.delay) == (seconds, 30)


@pytest.mark.parametrize("text", ["", "10", "1.5m", "10 m", "m", "5m1h", "-1s", "1d", "901h", "٣s"])
def test_a_timeout_without_a_unit_or_beyond_the_longest_is_a_fault(text: str) -> None:
    assert faults("app:v1", f"--timeout={text}") == (
        f'--timeout: received "{text}", allowed: 0 to 900h, such as 90s, 10m or 1h30m',
    )


@pytest.mark.parametrize("text", ["0", "16m", "30"])
def test_an_interval_below_a_second_or_above_a_quarter_of_an_hour_is_a_fault(text: str) -> None:
    assert faults("app:v1", "--interval", text) == (
        f'--interval: received "{text}", allowed: 1s to 15m, such as 30s or 1m',
    )


@pytest.mark.parametrize(
    ("options", "max_wait", "delay"),
    [
        ((), 1800, 30),
        (("--interval", "5s"), 1800, 5),
        (("--interval", "2m", "--timeout", "1h"), 3600, 120),
        (("--interval", "5s", "--max-retries", "10"), 50, 5),
        (("--timeout", "1m", "--retry-delay-seconds", "10"), 60, 10),
        (("--max-retries", "10"), 300, 30),
        (("--retry-delay-seconds", "5"), 300, 5),
    ],
)
def test_the_times_are_what_their_options_say_and_the_properties_names_multiply(
    options: tuple[str, ...], max_wait: int, delay: int
) -> None:
    request = asked(line("app:v1", *options), HERE, lambda _: "")
    assert (request.max_wait, request.backoff.delay) == (max_wait, delay)


def test_a_time_is_given_in_one_way() -> None:
    told = faults("aa:1", "--timeout", "1m", "--max-retries", "2", "--interval", "1s", "--retry-delay-seconds", "9")
    assert told == (
        "--max-retries: received beside --timeout; leave one of them out",
        "--retry-delay-seconds: received beside --interval; leave one of them out",
    )


def test_a_role_is_assumed_in_the_command_s_own_name() -> None:
    request = asked(line("app:v1", "--role-arn", "arn:aws:iam::999999999999:role/reader"), HERE, lambda _: "")
    assert request.wanted[0].source.session == "ecr-image-waiter@command"


def test_pushed_after_now_means_since_the_command_began() -> None:
    request = asked(line("app:v1", "--pushed-after", "now"), HERE, lambda _: "")
    assert request.wanted[0].conditions.pushed_after(NOW) == NOW


def test_an_image_pushed_in_the_second_in_which_the_command_begins_counts_as_pushed_after_now(
    command: Command,
) -> None:
    command.ecr.push("app", "v1")
    command.clock.sleep(0.9)

    assert command("wait", "app:v1", "--pushed-after", "now", "--max-retries", "0") == Status.FOUND
    assert command("check", "app:v1", "--pushed-after", "now") == Status.FOUND


def test_all_faults_are_told_at_once_each_by_its_option(command: Command) -> None:
    command.misconfigured = "no region is named"

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
            "--start-build: received without --build-project and --pipeline; name the one that is to be started",
            'App:v1: the repository\'s name: received "App", allowed: ',
            "app: the tag: missing; give the tag, the digest or both",
            "no region is named",
        ],
        1,
    ):
        assert told[number].startswith(f"ecr-image-waiter: error: ({number}) {beginning}"), told[number]
    assert len(told) == 13


def test_the_command_does_not_speak_of_templates() -> None:
    """It has no AWS::NoValue, and of Images no entries but those of a list."""
    assert faults("app:v1", "--platform", "") == (
        '--platform: received "", allowed: a platform such as linux/arm64, linux/amd64, linux/arm/v7, or arm64 alone',
    )
    file = json.dumps([{"RepositoryName": "app", "ImageTag": "v1", "DeployTarget": "", "MaxRetries": 5}])
    assert faults("--from", "images.json", file=file) == (
        '--from images.json: entry 1: DeployTarget: received "", allowed: Lambda or ECS',
        (
            "--from images.json: entry 1: MaxRetries: received 5, no property of one image; it applies to every "
            "image, so give it as an option, where there is one"
        ),
    )


def test_a_fault_alone_has_no_number(command: Command) -> None:
    assert command("wait") == 2
    assert "error: no image is named: give one, or --from FILE with some in it\n" in command.err


@pytest.mark.parametrize("arguments", [[], ["wiat", "app:v1"], ["wait", "app:v1", "--platform"]])
def test_a_line_that_cannot_be_parsed_is_wrong_usage(arguments: list[str], command: Command) -> None:
    assert len(parse(arguments).faults) == 1
    assert command(*arguments) == 2
    assert command.err.startswith("usage: ecr-image-waiter")


def test_a_fault_of_an_option_is_told_once_and_not_for_each_image() -> None:
    assert len(faults("app:v1", "app:v2", "app:v3", "--platform", "z80")) == 1


def test_an_option_that_a_uri_says_already_is_told_with_the_image() -> None:
    assert faults("app:v1", f"{URI}:v1", "--registry-id", ACCOUNT) == (
        f"{URI}:v1: --registry-id: received beside the URI, which says it already; leave one of them out",
    )


def test_what_a_user_wrote_is_not_taken_for_the_name_of_a_property() -> None:
    assert in_options('ImageTag: received "Platform Labels", allowed: Labels') == (
        'the tag: received "Platform Labels", allowed: --label'
    )


def test_an_image_given_twice_is_a_fault() -> None:
    assert faults("app:v1", "app:v1") == ("app:v1: given 2 times",)


def test_a_label_given_twice_is_a_fault_whatever_it_says() -> None:
    assert faults("app:v1", "--label", "a=1", "--label", "b=1", "--label", "a=2") == ("--label a: given 2 times",)


def test_a_region_of_another_partition_is_a_fault() -> None:
    (fault,) = faults(f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn/app:v1")
    assert "which is in the partition aws-cn" in fault


# --- the file of images


def test_a_file_has_an_image_a_line_and_comments() -> None:
    text = "# those of the shop\napp:v1\n\n  team/app:v2   # the second\n"
    request = asked(line("app:v0", "--from", "images.txt"), HERE, lambda _: text)
    assert request.names == ("app:v0", "app:v1", "team/app:v2")


def test_the_images_of_every_file_are_waited_for() -> None:
    request = asked(line("--from", "app:v1", "--from", "app:v2"), HERE, lambda file: file)
    assert request.names == ("app:v1", "app:v2")


def test_a_file_without_a_name_is_a_fault_and_not_ignored(command: Command) -> None:
    assert command("wait", "app:v1", "--from", "") == 2
    assert "--from : Is a directory" in command.err


def test_a_file_may_be_a_list_of_objects_whose_own_properties_win() -> None:
    text = json.dumps(
        [
            {"Id": "Parser", "RepositoryName": "app", "ImageTag": "v1", "Platform": "amd64"},
            {"ImageUri": f"{URI}:v2"},
            {"RepositoryName": "app", "ImageDigest": DIGEST},
        ]
    )
    request = asked(line("--from", "images.json", "--platform", "arm64"), HERE, lambda _: text)

    assert request.names == ("Parser", f"{URI}:v2", f"app@{DIGEST}")
    assert [one.conditions.Platform for one in request.wanted] == ["amd64", "arm64", "arm64"]


def test_a_tag_that_is_a_number_in_a_list_is_part_of_what_the_image_is_called() -> None:
    text = '[{"RepositoryName": "app", "ImageTag": 1}, {"RepositoryName": "app", "ImageTag": 2}]'
    assert asked(line("--from", "images.json"), HERE, lambda _: text).names == ("app:1", "app:2")


@pytest.mark.parametrize("text", ["app:v1\n", '[{"RepositoryName": "app", "ImageTag": "v1"}]'])
def test_a_byte_order_mark_is_no_part_of_the_first_image(text: str) -> None:
    assert asked(line("--from", "-"), HERE, lambda _: f"\ufeff{text}").names == ("app:v1",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[{", "--from f: it begins as a JSON list does, and cannot be read as one: "),
        ("[1]", "--from f: entry 1: received 1, allowed: an object"),
        ('[{"RepositoryName": "app"}]', "--from f: entry 1: ImageTag: missing"),
        ('[{"ImageTag": "v1", "Foo": 1}]', "--from f: entry 1: Foo: received 1, unknown property; the nearest"),
        ('[{"RepositoryName": "app", "ImageTag": "v1", "MaxRetries": 1}]', "--from f: entry 1: MaxRetries: received 1"),
        ("", "no image is named"),
        ("# nothing\n", "no image is named"),
    ],
)
def test_a_fault_of_the_file_names_the_entry_and_the_property(text: str, fault: str) -> None:
    assert faults("--from", "f", file=text)[0].startswith(fault)


@pytest.mark.parametrize(
    "text", ['{"RepositoryName": "app",\n "ImageTag": "v1"}', "\ufeff {}", '{"Id": "a"}\n{"Id": "b"}\n', "{"]
)
def test_a_json_object_that_is_no_list_is_one_fault(text: str) -> None:
    assert faults("--from", "f", file=text) == (
        "--from f: received a JSON object, allowed: a JSON list of objects, or one image a line",
    )


def test_a_file_that_is_no_text_is_a_fault(command: Command, tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"\xff\xfe\x00")
    assert command("wait", "--from", str(tmp_path / "f")) == 2
    assert "codec can't decode" in command.err


def test_a_dash_reads_the_images_from_stdin(command: Command) -> None:
    command.stdin = io.StringIO("app:v1\n")
    command.ecr.push("app", "v1")
    assert command("wait", "--from", "-", "--output", "uri") == 0


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


def test_a_wait_checks_in_the_rhythm_of_the_core_until_the_image_is_there(command: Command) -> None:
    command.clock.plan(100.0, lambda: command.ecr.push("app", "v1"))

    assert command("wait", "app:v1", "--backoff-rate", "1") == 0

    assert command.clock.sleeps == [30.0, 30.0, 30.0, 30.0]
    assert "1 min" not in command.err.splitlines()[0]
    assert command.err.splitlines()[-1] == "Found app:v1 after 2 min, checked 5 times"


def test_a_wait_goes_on_for_as_long_as_it_is_told_and_not_only_for_an_invocation(command: Command) -> None:
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


def test_a_wait_in_vain_says_why_in_the_words_of_the_command_line(command: Command) -> None:
    command.ecr.push("app", "lastest")

    assert command("wait", "app:latest", "--max-retries", "2", "--output", "json") == 1

    reason = command.json["Reason"]
    assert command.err.splitlines()[-1] == reason
    assert reason.startswith("Gave up on app:latest in eu-west-1: checked ")
    assert "the repository's newest tags are lastest (1 min" in reason
    assert reason.endswith("then try again, with a larger --timeout if the build needs longer")
    assert command.json["Cause"] == "time-up"


def test_a_timeout_is_laid_out_on_a_terminal_and_one_sentence_elsewhere(command: Command) -> None:
    command.ecr.push("app", "v1")
    command.width = 60

    assert command("wait", "app:v2", "--timeout", "1m", "--output", "json") == 1

    told = command.err.splitlines()
    assert told[-8:] == [
        "Gave up on app:v2 in eu-west-1",
        "  checked      10 times in 1 min",
        "  last seen    the repository has no such image",
        "  newest tags  v1 (1 min old)",
        "  what to do   correct the tag if one of these is the image,",
        "               otherwise see why its build did not push it,",
        "               then try again, with a larger --timeout if",
        "               the build needs longer",
    ], told
    assert command.json["Reason"].startswith(
        "Gave up on app:v2 in eu-west-1: checked 10 times in 1 min, last seen: the "
    )


def test_the_reasons_of_several_images_do_not_name_one_twice(command: Command) -> None:
    command("wait", "app:v1", "app:v2", "--max-retries", "0")
    assert (
        "2 of 2 images in eu-west-1: checked once in 0 s, last seen: the repository has no such image: app:v1, app:v2"
        in command.err
    )


def hopeless(command: Command, what: str) -> list[str]:
    """Make the world one in which waiting cannot help; return the options with which that shows."""
    match what:
        case "no-repository":
            del command.ecr.repositories[ACCOUNT, "eu-west-1", "app"]
        case "access-denied":
            command.ecr.faults["DescribeImages"] = aws_error("AccessDeniedException", "no")
        case "refused":
            command.ecr.faults["DescribeImages"] = aws_error("InvalidParameterException", "no such thing")
        case "never":
            command.ecr.push_index("app", "v1")
            return ["--deploy-target", "Lambda"]
        case "build-hidden":
            command.builder.found = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", "no")
            return ["--build-project", "app"]
    return []


@pytest.mark.parametrize("command_", ["wait", "check"])
def test_an_image_of_another_registry_is_told_that_only_ecr_is_looked_into(command_: str, command: Command) -> None:
    file = json.dumps([{"RepositoryName": "ghcr.io/org/app", "ImageTag": "v1"}])
    command.stdin = io.StringIO(file)
    assert command(command_, "--from", "-") == 3
    assert "does not exist" in command.out + command.err
    assert "(only ECR is looked into, and ghcr.io looks like another registry" in command.out + command.err


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("ghcr.io/org/app:v1", "ghcr.io"),
        ("https://quay.io/org/app:v1", "quay.io"),
        ("Registry.GitLab.com:5050/org/app:v1", "Registry.GitLab.com"),
        ("localhost/app:v1", "localhost"),
        ("registry:5000/app:v1", "registry:5000"),
        ("10.0.0.1:5000/app@" + DIGEST, "10.0.0.1:5000"),
    ],
)
def test_a_registry_that_is_not_ecr_s_is_wrong_usage_and_nothing_is_asked(
    image: str, host: str, command: Command
) -> None:
    assert command("wait", image) == 2
    assert (
        f"{image}: {host} is not a registry of ECR; for a repository with this name in ECR, give its whole"
        in command.err
    )
    assert command.ecr.calls == []


@pytest.mark.parametrize("image", ["v1.2/app:v1", "team/app.io:v1", "ghcr.io:v1", f"{URI[:-3]}ghcr.io/app:v1"])
def test_a_namespace_with_a_dot_is_not_taken_for_a_registry(image: str) -> None:
    assert asked(line(image), HERE, lambda _: "").names == (image,)


@pytest.mark.parametrize("command_", ["wait", "check"])
def test_a_repository_that_a_build_may_create_is_not_there_yet(command_: str, command: Command) -> None:
    limit = ["--max-retries", "4"] if command_ == "wait" else []
    assert command(command_, "new:v1", "--build-project", "app", *limit) == 1
    assert command.clock.now() - NOW == pytest.approx(120 if limit else 0, abs=1)


def test_expired_credentials_end_the_wait_after_the_grace_of_a_denial(command: Command) -> None:
    command.ecr.faults["DescribeImages"] = aws_error("ExpiredTokenException", "The security token has expired")

    assert command("wait", "app:v1", "--output", "json") == 3
    assert command.json["Cause"] == "access-denied"
    assert "whether they have expired or the clock is wrong, then try again; AWS said ExpiredToken" in command.err
    assert command.clock.now() - NOW == pytest.approx(60, abs=1)


def test_a_region_that_does_not_exist_ends_the_wait_after_a_minute(command: Command) -> None:
    command.ecr.faults["DescribeImages"] = UnknownRegion(region="eu-wset-1", nearest="eu-west-1", endpoint_url="")

    assert command("wait", "app:v1", "--region", "eu-wset-1") == 3
    assert "nearest known region is eu-west-1; correct the region in --region or the URI, then try again" in command.err
    assert command.clock.now() - NOW == pytest.approx(60, abs=1)
    assert command("check", "app:v1", "--region", "eu-wset-1") == 3


HOPELESS = ["no-repository", "access-denied", "refused", "never", "build-hidden"]


@pytest.mark.parametrize("what", HOPELESS)
def test_what_waiting_cannot_help_exits_with_3_after_its_grace_without_a_word_of_stacks(
    what: str, command: Command
) -> None:
    options = hopeless(command, what)
    assert command("wait", "app:v1", "--output", "json", *options) == 3
    assert command.json["Cause"] == what
    assert command.clock.now() - NOW <= 60
    for word in ("stack", "deploy again", "function", "RepositoryName", "WaitForRepository", "parameter"):
        assert word not in command.json["Reason"]


@pytest.mark.parametrize("what", HOPELESS)
def test_one_look_exits_as_a_wait_would_if_nothing_changed(what: str, command: Command) -> None:
    options = hopeless(command, what)
    assert command("check", "app:v1", *options) == 3
    assert command.clock.now() == NOW


def run_of(status: RunStatus, said: str) -> BuildRun:
    return BuildRun("app:1", status, said, NOW, None if status is RunStatus.UNDER_WAY else NOW, message="exit status 1")


@pytest.mark.parametrize(
    ("run_", "cause"),
    [
        (run_of(RunStatus.BROKEN, "FAILED"), "build-broken"),
        (run_of(RunStatus.SUCCEEDED, "SUCCEEDED"), "built-without"),
        (run_of(RunStatus.UNDER_WAY, "IN_PROGRESS"), "time-up"),
    ],
)
def test_what_the_next_build_may_mend_exits_with_1(run_: BuildRun, cause: str, command: Command) -> None:
    command.builder.found = [run_]
    assert command("wait", "app:v1", "--build-project", "app", "--max-retries", "4", "--output", "json") == 1
    assert command.json["Cause"] == cause


def test_every_cause_of_a_wait_without_cloudformation_has_been_seen_above() -> None:
    seen = {*HOPELESS, "build-broken", "built-without", "time-up"}
    assert {str(cause) for cause in Cause} - seen == {"too-late"}


def test_a_reason_that_names_the_account_asks_for_it_and_no_other_does(command: Command) -> None:
    command("wait", "app:v1", "--max-retries", "0")
    assert command.accounts == 0
    command("wait", "other:v1")
    assert command.accounts == 1
    assert f"does not exist in eu-west-1, account {ACCOUNT}" in command.err


def test_an_arn_of_a_builder_must_be_of_the_caller_s_account(command: Command) -> None:
    arn = "arn:aws:codebuild:eu-west-1:999999999999:project/app"
    assert command("wait", "app:v1", "--build-project", arn) == 2
    assert f'--build-project: received "{arn}", allowed: one of the waiter\'s own account' in command.err


def test_a_build_is_started_once_when_the_image_is_missing(command: Command) -> None:
    command.clock.plan(50.0, lambda: command.ecr.push("app", "v1"))
    assert command("wait", "app:v1", "--build-project", "app", "--start-build") == 0
    assert len(command.builder.started) == 1


def test_a_build_is_not_started_where_nobody_asked_for_that(command: Command) -> None:
    assert command("wait", "app:v1", "--build-project", "app", "--max-retries", "2") == 1
    assert command.builder.started == []


def test_one_look_starts_no_build(command: Command) -> None:
    assert command("check", "app:v1", "--build-project", "app") == 1
    assert command.builder.started == []
    assert "no build of the CodeBuild project app is under way" in command.err


def test_quiet_leaves_the_result_and_the_reason(command: Command) -> None:
    command.ecr.push("app", "v1")
    command("wait", "app:v1", "--quiet", "--output", "uri")
    assert command.err == ""
    command("wait", "app:v2", "--quiet", "--max-retries", "1")
    assert command.err.startswith("Gave up on app:v2")
    assert command.err.count("\n") == 1


def test_an_interrupted_wait_says_what_was_seen_so_far(command: Command) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    command.clock.plan(20.0, interrupt)
    assert command("wait", "app:v1", "--output", "json") == 130
    told = "Interrupted: waited 20 s for app:v1, checked 7 times, last seen: the repository has no such image"
    assert command.err.splitlines()[-1] == told
    assert (command.json["Reason"], command.json["Cause"]) == (told, "interrupted")


def test_a_wait_interrupted_before_it_saw_anything_says_no_more_than_that(command: Command) -> None:
    def interrupt(*_: str) -> None:
        raise KeyboardInterrupt

    command.ecr.before = interrupt
    assert command("wait", "app:v1") == 130
    assert command.out == "app:v1: not ready: not looked at\n"
    assert command.err == "Interrupted: waited 0 s for app:v1, checked never\n"


def test_an_interrupt_on_the_way_to_aws_is_a_result_too(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> Connection:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "connect", interrupt)
    assert command("wait", "app:v1", "--output", "json") == 130
    told = "Interrupted: there is no result"
    assert command.json == {
        "Ready": False, "Reason": told, "Cause": "interrupted", "Attempts": 0, "WaitedSeconds": 0, "Images": []
    }  # fmt: skip
    assert command.err == f"{told}\n"
    assert command("check", "app:v1") == 130
    assert (command.out, command.err) == ("", f"{told}\n")


@pytest.mark.parametrize("command_", ["wait", "check"])
def test_a_fault_of_the_command_itself_is_a_result_too(command_: str, command: Command) -> None:
    def fail(*_: str) -> None:
        raise ArithmeticError

    command.ecr.repository("app")
    command.clock.now = fail  # type: ignore[assignment, method-assign]  # a bug
    with pytest.raises(ArithmeticError):
        command(command_, "app:v1", "--output", "json")
    assert command.json == {
        "Ready": False, "Reason": "The command failed (ArithmeticError); its traceback is on stderr",
        "Cause": "broken", "Attempts": 0, "WaitedSeconds": 0, "Images": [],
    }  # fmt: skip


def test_an_interrupted_look_says_which_images_it_has_seen(command: Command) -> None:
    def interrupt(operation: str, name: str) -> None:
        if name == "other":
            raise KeyboardInterrupt

    command.ecr.push("app", "v1")
    command.ecr.before = interrupt
    assert command("check", "app:v1", "other:v1") == 130
    assert command.out.startswith("app:v1: ready\n")
    assert command.out.endswith("other:v1: not ready: not looked at\n")


def test_profile_region_and_endpoint_reach_the_connection(command: Command) -> None:
    command.ecr.push("app", "v1")
    command("wait", f"{URI}:v1", "--profile", "p", "--region", "us-east-1", "--endpoint-url", "http://localhost:1/")
    assert command.connected == {
        "profile": "p",
        "region": "us-east-1",
        "endpoint_url": "http://localhost:1/",
        "regions": ["eu-west-1"],
    }


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

    def fail(*_: str) -> None:
        raise ArithmeticError

    monkeypatch.setattr(command.clock, "now", fail)
    with pytest.raises(ArithmeticError):
        command("wait", "app:v1", "--output", "github")
    assert '"Cause": "broken"' in command.published["GITHUB_OUTPUT"]

    def interrupt(*_: object, **__: object) -> Connection:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "connect", interrupt)
    assert command("wait", "app:v1", "--output", "github") == 130
    assert command.published["GITHUB_STEP_SUMMARY"].startswith("### ecr-image-waiter: interrupted\n")


# --- one look


def test_one_look_says_everything_of_an_image(command: Command) -> None:
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


def test_one_look_at_an_index_says_its_platforms_and_labels(command: Command) -> None:
    command.ecr.push_index("app", "v1", attestations=True, labels={"a": "b"})
    command("check", "app:v1", "--label", "a=b", "--output", "json")
    (image,) = command.json["Images"]
    assert (image["Platforms"], image["Labels"]) == (["linux/amd64", "linux/arm64"], {"a": "b"})


def test_one_look_says_of_each_of_several_images_what_is_there_or_why_not(command: Command) -> None:
    command.ecr.push("app", "v1", labels={"a": "old"})
    assert command("check", "app:v1", "app:v2", "other:v1", "--label", "a=new", "--output", "json") == 3
    one, two, three = command.json["Images"]
    assert one["Seen"] == 'the image there is another one: its label a is "old", wanted "new"'
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


def test_one_look_at_an_artifact_says_that_it_is_no_image(command: Command) -> None:
    command.ecr.push("app", "chart", config_type="application/vnd.cncf.helm.config.v1+json")
    command("check", "app:chart")
    assert "no container image but an artifact of the type application/vnd.cncf.helm.config.v1+json" in command.out


def test_one_look_at_an_image_in_docker_s_old_schema_1_says_that_it_is_one(command: Command) -> None:
    command.ecr.put("app", "old", {"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws")
    command("check", "app:old")
    assert "an image in Docker's old schema 1, of which nothing is read" in command.out


def test_one_look_at_a_public_image_asks_for_no_manifest(command: Command) -> None:
    command.ecr.push("team/app", "v1", region="public")
    assert command("check", "public.ecr.aws/shop/team/app:v1") == 0
    assert command.ecr.count("BatchGetImage") == 0
    assert "unread" not in command.out


def test_a_uri_of_one_look_is_there_when_all_are_ready(command: Command) -> None:
    command.ecr.push("app", "v1")
    assert command("check", "app:v1", "app:v2", "--output", "uri") == 1
    assert command.out == ""
    assert command.err == (
        "checking app:v1 (1 of 2)\nchecking app:v2 (2 of 2)\n"
        "1 of 2 are ready; the repository has no such image: app:v2\n"
    )


# --- the live line


def drawn(standing: Standing, now: float, width: int = 100) -> list[str]:
    """Return the lines that the live line takes."""
    console = Console(file=io.StringIO(), width=width)
    lines = console.render_lines(LiveLine(standing, FakeClock(now)), pad=False)
    return ["".join(segment.text for segment in line) for line in lines]


def test_the_live_line_says_how_long_how_often_and_what_was_last_seen() -> None:
    standing = Standing("app:v1", NOW, checks=7, seen="the repository has no such image", due=NOW + 53)
    assert drawn(standing, NOW + 41) == [
        "● app:v1  41 s  checked 7 times, next in 12 s  the repository has no such image"
    ]
    assert drawn(Standing("app:v1", NOW), NOW + 1) == ["● app:v1  1 s  checking"]


def test_a_check_that_is_due_already_is_not_told_to_come_in_the_past() -> None:
    standing = Standing("app:v1", NOW, checks=2, seen="nothing", due=NOW + 1)
    assert standing.checked(NOW + 1.04) == "1 s: check 2 of app:v1: nothing; the next in 0.0 s"


def test_the_live_line_is_one_line_on_a_narrow_terminal() -> None:
    standing = Standing("app:v1", NOW, checks=7, seen="the repository has no such image", due=NOW + 53)
    (told,) = drawn(standing, NOW + 41, width=40)
    assert told.endswith("…")


def test_the_picture_in_the_readme_is_what_the_command_draws_now() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "make screen"
    assert "docs/images/command.svg" in (ROOT / "README.md").read_text()
