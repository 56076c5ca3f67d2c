"""The check for leaks finds every part of a response URL's query, in every form in which it may be printed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from sandbox.player import new_resource, response_url
from tests.policy.leaks import NEEDLES, leaks, main
from tests.support import fakes
from tests.support.clock import NOW

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "encoded": quote,
    "encoded twice": lambda url: quote(quote(url, safe=""), safe=""),
    "JSON": json.dumps,
    "dict": lambda url: repr(parse_qs(urlsplit(url).query)),
    "bytes": lambda url: str(url.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_url_is_found_in_every_form_and_nothing_else_is(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["leaks", str(tmp_path)])
    assert main() == 1, "an empty folder proves nothing"
    file = tmp_path / "a.log"
    file.write_text("an innocent line\n")
    assert main() == 0

    urls = [fakes.response_url(), response_url(new_resource().stack_id, "Image", "a-request", NOW)]
    file.write_text("\n".join(map(FORMS[form], urls)))
    assert main() == 1
    assert {leak.needle for leak in leaks(tmp_path) if leak.line == 1} == set(NEEDLES)
    assert {leak.line for leak in leaks(tmp_path)} == {1, 2}
    capsys.readouterr()  # what the run's own check for leaks must not find
