"""Text that a pusher, a template or AWS has written leaves the process harmless, by every way out.

A way out is a Reason, an attribute, a line of the log, what a direct invocation returns or raises, and both streams of
the command. `--output json` is none: JSON escapes by itself.
"""

import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

import last_resort
from ecr_image_waiter import cli
from ecr_image_waiter.cfn import response
from ecr_image_waiter.cfn.event import StackRequest
from ecr_image_waiter.cli.screen import LiveLine, Standing
from ecr_image_waiter.core.builds import BuilderKind, BuildHidden, BuildRun, RunStatus
from ecr_image_waiter.core.manifests import LONGEST_PLATFORM_NAME, OCI_INDEX, OCI_MANIFEST
from ecr_image_waiter.core.messages import WaiterError, harmless
from tests.support.clock import FakeClock
from tests.support.command import Builder, Command
from tests.support.ecr import ACCOUNT, OCI_CONFIG, Ecr, digest_of, entry
from tests.support.fakes import STACK_ID, FakeContext, aws_error, response_url, stack_event
from tests.support.world import IN_MEMORY, World

NASTY: Final = "\n::hit\x1b[1m\u202e\ud800##[z"
"""A line break, commands of CI logs, an escape, a mark, half a character; short, so that nothing of it is cut."""
COMMAND: Final = re.compile(r"(^|\s)::|##\w*\[")


def assert_harmless(text: str) -> None:
    assert text.isprintable(), ascii(text)
    assert not COMMAND.search(text), ascii(text)


def assert_lines_harmless(output: str) -> None:
    assert output == "" or output.endswith("\n")
    for line in output.split("\n"):
        assert_harmless(line)


def texts(value: Any) -> list[str]:
    """Returns every text in a JSON document, keys among them."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


# --- the one place


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from(":#[ \n\x1b"), max_size=30))
@example("::error::x")
@example("###[x]")
@example("\u2003::x")
def test_any_text_becomes_harmless_once_and_for_all(text: str) -> None:
    told = harmless(text)

    assert_harmless(told)
    told.encode()
    assert harmless(told) == told
    assert last_resort.harmless(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "Timed out waiting 1 s for team/app:v1: see #1, ## Notes, [a], arn:aws:s3:::bucket",
        "arn:aws:ecr::123456789012:x, Custom::EcrImageWaiter, AWS::NoValue, std::string, 12:30, a: b",
        "Größe, 日本語, 💥, é, C:\\new\\x",
    ],
)
def test_a_text_that_means_no_harm_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


# --- what others write, and where


def put_config(ecr: Ecr, **members: Any) -> None:
    blob = json.dumps({"os": "linux", "architecture": "arm64", **members}).encode()
    ecr.repository("app").blobs[digest_of(blob)] = blob
    put(ecr, {"config": {"mediaType": OCI_CONFIG, "size": 1, "digest": digest_of(blob)}})


def put(ecr: Ecr, members: dict[str, Any], media_type: str = OCI_MANIFEST) -> None:
    ecr.put("app", "v1", {"schemaVersion": 2, "layers": [], **members}, media_type)


def fail(ecr: Ecr, code: str) -> None:
    ecr.faults["DescribeImages"] = aws_error(code, f"denied{NASTY}")


LABELS: Final = {"Labels": {"a": "b"}}
PLATFORM: Final = {"Platform": "linux/amd64"}
ENTRIES: Final = [entry(digest_of(str(n)), f"{NASTY}/{NASTY}/{NASTY}{n}") for n in range(3)]
FEEDS: Final[dict[str, tuple[Callable[[Ecr], object], dict[str, Any]]]] = {
    "a config's architecture": (lambda ecr: put_config(ecr, architecture=NASTY), PLATFORM),
    "an attribute": (lambda ecr: put_config(ecr, architecture=NASTY, config=LABELS), LABELS),
    "a label": (lambda ecr: put_config(ecr, config={"Labels": {"a": NASTY}}), LABELS),
    "an index's platforms": (lambda ecr: put(ecr, {"manifests": ENTRIES}, OCI_INDEX), PLATFORM),
    "a media type": (lambda ecr: put(ecr, {"config": {"mediaType": "x"}}, f"x{NASTY}"), {"DeployTarget": "ECS"}),
    "a config's media type": (lambda ecr: put(ecr, {"config": {"mediaType": NASTY}}), PLATFORM),
    "an artifact's type": (lambda ecr: put(ecr, {"artifactType": NASTY, "config": {"mediaType": "x"}}), PLATFORM),
    "AWS's refusal": (lambda ecr: fail(ecr, "InvalidParameterException"), {}),
    "AWS's denial": (lambda ecr: fail(ecr, "AccessDeniedException"), {}),
    "AWS's fault": (lambda ecr: fail(ecr, "ServerException"), {}),
    "AWS's code": (lambda ecr: fail(ecr, f"Odd{NASTY}"), {}),
    "tags": (lambda ecr: ecr.push("app", f"v0{NASTY}"), {}),
}
by_feed = pytest.mark.parametrize("fed", FEEDS)


def assert_stack_harmless(there: World, *returned: str, hits: bool = True) -> None:
    """Checks every text that a wait has sent, returned, raised or logged."""
    assert all(line.isascii() or line.isprintable() for line in there.output.split("\n"))
    told = [*returned, *texts(there.transport.bodies), *texts(there.lines)]
    assert any("hit" in text for text in told) or not hits
    for text in told:
        assert_harmless(text)


def properties(more: dict[str, Any]) -> dict[str, Any]:
    return {"RepositoryName": "app", "ImageTag": "v1", "MaxRetries": "2", "RetryDelaySeconds": "30", **more}


@by_feed
@pytest.mark.parametrize("way", ["stack", "stack rolling back", "direct invocation"])
def test_a_stack_a_caller_and_the_log_get_harmless_words(fed: str, way: str) -> None:
    feed, more = FEEDS[fed]
    back = way.endswith("back")
    there = World(IN_MEMORY, stack=("UPDATE_ROLLBACK_IN_PROGRESS" if back else "UPDATE_IN_PROGRESS",))
    there.ecr.repository("app")
    feed(there.ecr)
    wanted = properties(more)

    try:
        told = texts(there.run(stack_event("Update", ResourceProperties=wanted) if "stack" in way else wanted))
    except WaiterError as raised:
        told = [str(raised)]

    assert not back or there.response["Status"] == "SUCCESS"
    assert_stack_harmless(there, *told, hits=not back)


@by_feed
@pytest.mark.parametrize("line", ["wait --max-retries 1", "check"])
def test_the_command_writes_harmless_lines(fed: str, line: str) -> None:
    feed, more = FEEDS[fed]
    command = Command()
    feed(command.ecr)
    options = {"Platform": "--platform linux/amd64", "Labels": "--label a=b", "DeployTarget": "--deploy-target ECS"}

    command(*line.split(), "app:v1", *(word for name in more for word in options[name].split()))

    assert "hit" in command.out + command.err or fed in ("tags", "AWS's denial", "an attribute")
    assert_lines_harmless(command.out)
    assert_lines_harmless(command.err)


def test_what_github_and_json_read_of_the_command_is_harmless() -> None:
    command = Command()
    put_config(command.ecr, architecture=NASTY)

    command("wait", "app:v1", "--platform", "linux/arm64", "--output", "github")

    assert "hit" in command.published["GITHUB_STEP_SUMMARY"]
    for text in command.published.values():
        assert_lines_harmless(text)
    assert command.published["GITHUB_STEP_SUMMARY"].isascii()
    (error,) = [line for line in command.out.splitlines() if line.startswith("::error title=ecr-image-waiter::")]
    assert_lines_harmless(command.out.replace(error, error.removeprefix("::error title=ecr-image-waiter::")))

    command("check", "app:v1", "--output", "json")

    assert command.out.isascii()
    told = NASTY.encode("ascii", "backslashreplace").decode()[:LONGEST_PLATFORM_NAME]
    assert command.json["Images"][0]["Platforms"] == [f"linux/{told}"]


def test_the_live_line_is_harmless_to_the_terminal() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=200, color_system=None)
    for checks in (0, 1):
        standing = Standing(f"app{NASTY}", 0.0, checks, seen=NASTY, due=9.0)
        console.print(LiveLine(standing, FakeClock()).__rich__())

    assert "hit" in shown.getvalue()
    assert_lines_harmless(shown.getvalue())


BROKEN = BuildRun(NASTY, RunStatus.BROKEN, NASTY, 1e11, 1e11, where=NASTY, message=NASTY, link=NASTY)
HIDDEN = BuildHidden("codebuild:ListBuildsForProject", "AccessDeniedException", f"no{NASTY}")


@pytest.mark.parametrize("found", [[BROKEN], HIDDEN], ids=["broken", "hidden"])
def test_what_a_build_says_is_repeated_in_harmless_words(found: Any) -> None:
    builder, command = Builder(), Command()
    command.builder.found = builder.found = found
    there = World(IN_MEMORY, builds={BuilderKind.PROJECT: builder})
    there.ecr.repository("app")

    there.run(stack_event(ResourceProperties=properties({"BuildProject": "app"})))
    command("wait", "app:v1", "--build-project", "app")

    assert_stack_harmless(there)
    assert "hit" in there.response["Reason"]
    assert "hit" in command.err
    assert_lines_harmless(command.err)


@pytest.mark.parametrize(
    "more",
    [
        {"RepositoryName": f"app{NASTY}"},
        {"ImageUri": f"x{NASTY}"},
        {f"x{NASTY}": NASTY},
        {"RoleArn": f"arn:{NASTY}"},
        {"Labels": {"a": [NASTY], NASTY: "x" * 2000}},
        {"Images": [{"Id": NASTY, "ImageUri": NASTY}]},
    ],
    ids=range(6),
)
@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_what_a_template_says_is_repeated_in_harmless_words(more: dict[str, Any], status: str) -> None:
    there = World(IN_MEMORY, stack=(status,))

    there.run(stack_event("Update", ResourceProperties=properties(more)))

    assert_stack_harmless(there)


def test_an_event_that_nobody_can_be_answered_for_is_refused_in_harmless_words() -> None:
    there = World(IN_MEMORY)

    for event in (stack_event(f"Create{NASTY}"), stack_event(ResponseURL=response_url(f"a{NASTY}"))):
        with pytest.raises(WaiterError) as raised:
            there.run(event)
        assert_stack_harmless(there, str(raised.value))


def test_lambdas_refusal_and_the_log_streams_name_are_repeated_in_harmless_words() -> None:
    denied = aws_error("AccessDeniedException", NASTY, operation="Invoke")
    there = World(IN_MEMORY, hand_overs=(denied,))
    there.ecr.repository("app")
    event = stack_event(ResourceProperties=properties({"MaxRetries": "12"}))

    there.waiter.handle(event, FakeContext(there.clock, 60.0, stream=f"s{NASTY}"))

    assert there.response["Reason"].count("hit") == 2
    assert_stack_harmless(there)


@pytest.mark.parametrize(
    "arguments",
    [
        ["wait", f"app:v1{NASTY}", "--label", NASTY, "--platform", NASTY, "--output", NASTY],
        ["wait", "app:v1", "--from", f"no-{NASTY}"],
        ["wait", "app:v1", "--from", "-"],
        ["check", "::x", "--profile", NASTY, "--region", NASTY, "--endpoint-url", NASTY, f"--{NASTY}", NASTY],
    ],
    ids=range(4),
)
def test_a_command_line_is_refused_in_harmless_words(arguments: list[str]) -> None:
    command = Command()
    command.stdin = io.StringIO(json.dumps([{"Id": NASTY, NASTY: 1}]))
    command.misconfigured = f"The config profile ({NASTY}) could not be found"

    command(*arguments)

    assert command.out == ""
    assert "error" in command.err
    assert_lines_harmless(command.err)


def test_a_bug_of_the_command_is_printed_in_harmless_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise ValueError(NASTY)

    monkeypatch.setattr(cli, "_run", fail)
    monkeypatch.setattr(cli, "_drop_what_cannot_be_written", lambda: None)
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)

    assert cli.main() == 70

    printed = capsys.readouterr().err
    assert "hit" in printed
    assert_lines_harmless(printed)


def test_the_last_resort_repeats_lambdas_words_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    puts: list[bytes] = []
    payload = {"errorType": NASTY, "errorMessage": NASTY}
    record = {"requestPayload": stack_event(LogicalResourceId=f"I{NASTY}"), "responsePayload": payload}

    def put(_: str, body: bytes) -> int:
        puts.append(body)
        return 200

    last_resort.answer_for(record, put, lambda _: None, lambda _: False)

    assert json.loads(puts[0])["Reason"].count("hit") == 2
    assert_harmless(json.loads(puts[0])["Reason"])
    for line in capsys.readouterr().out.splitlines():
        for text in texts(json.loads(line)):
            assert_harmless(text)


# --- making the answer


def test_an_exception_in_the_making_of_an_answer_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = World(IN_MEMORY)
    there.ecr.push("app")
    body = response._body

    def broken(request: StackRequest, told: response.Response) -> dict[str, Any]:
        if told.status == "SUCCESS" and told.data.get("ImageDigest", "").removeprefix("sha256:").strip("0"):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return body(request, told)

    monkeypatch.setattr(response, "_body", broken)
    there.run(stack_event(ResourceProperties=properties({})))

    assert there.response["Status"] == "FAILED"
    assert "failed unexpectedly (UnicodeEncodeError)" in there.response["Reason"]


def test_whatever_an_image_calls_its_architecture_the_answer_fits() -> None:
    """It is the only attribute whose text an image's pusher chooses. What may not fit is refused before the wait."""
    there = World(IN_MEMORY)
    put_config(there.ecr, architecture="\U000e0001" * 3000, config=LABELS)
    name, tag = "app" * 80, "v" * 300
    there.ecr.repositories[ACCOUNT, "eu-west-1", name] = there.ecr.repository("app")
    there.ecr.image("app").tags.append(tag)
    named = properties({"RepositoryName": name, "ImageTag": tag, **LABELS})
    ids = {"StackId": STACK_ID + "s" * 400, "RequestId": "r" * 255, "LogicalResourceId": "L" * 255}

    for length in range(4, 1025, 60):
        there.run(stack_event("Update", ResourceProperties=named, PhysicalResourceId="i" * length, **ids))

    told = [(answer["Status"], answer["Reason"][:17]) for answer in there.transport.bodies]
    assert set(told) == {("SUCCESS", ""), ("FAILED", "Invalid request: ")}
