"""What the sandbox says about itself."""

import pytest

from sandbox import cloud


@pytest.mark.parametrize(
    ("here", "note"),
    [
        ("3.11", "The function runs on Python 3.11 here; Lambda runs 3.13."),
        ("3.13", "The function runs on Python 3.13 here, as on Lambda."),
    ],
)
def test_it_says_which_python_the_function_runs_on(monkeypatch: pytest.MonkeyPatch, here: str, note: str) -> None:
    monkeypatch.setattr(cloud, "function_python_version", lambda: here)
    assert cloud.python_note() == note
