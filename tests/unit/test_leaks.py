"""The check for leaks fires on every part of a response URL's query, in every form in which it may be printed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from sandbox.player import new_resource, response_url
from tests.policy.leaks import NEEDLES, Leak, leaks, main
from tests.support import fakes
from tests.support.clock import NOW


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["leaks", str(folder)])
    return main()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder in which nothing has leaked."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.log").write_text("an innocent line\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    return tmp_path


def test_what_is_clean_passes(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leaks(output) == []
    assert checked(output, monkeypatch) == 0
    assert capsys.readouterr().out == "leak check: 0 leaks in 2 files, 20 bytes\n"


def test_an_empty_folder_proves_nothing_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.log").touch()
    assert checked(tmp_path, monkeypatch) == 1


@pytest.mark.parametrize("needle", NEEDLES, ids=range(len(NEEDLES)))
def test_each_needle_is_found_and_told_with_its_place(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], needle: str
) -> None:
    file = output / "inner" / "planted.log"
    file.write_text(f"a line\nseen: {needle}\n")
    assert leaks(output) == [Leak(file, 2, needle)]
    assert checked(output, monkeypatch) == 1
    assert f"{file}:2: holds {needle!r}" in capsys.readouterr().out
    assert fakes.leaked(f"seen: {needle}") == [needle]


FORMS: list[Callable[[str], str]] = [
    str,
    quote,
    lambda url: quote(quote(url, safe=""), safe=""),
    json.dumps,
    lambda url: repr(parse_qs(urlsplit(url).query)),
    lambda url: str(url.encode()),
]


@pytest.mark.parametrize("form", FORMS, ids=["plain", "encoded", "encoded twice", "JSON", "dict", "bytes"])
def test_a_whole_url_is_found_in_every_form(output: Path, form: Callable[[str], str]) -> None:
    resource = new_resource()
    urls = [fakes.response_url(), response_url(resource.stack_id, "Image", "a-request", NOW)]
    (output / "planted.log").write_text("\n".join(map(form, urls)))
    assert {leak.needle for leak in leaks(output) if leak.line == 1} == set(NEEDLES)
    assert {leak.line for leak in leaks(output)} == {1, 2}
