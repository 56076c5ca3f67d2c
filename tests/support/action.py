"""The steps of the Action, run by bash as GitHub runs those of a composite action."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT

ACTION: Final = yaml_parse((ROOT / "action.yml").read_text())
STEPS: Final = ACTION["runs"]["steps"]
INSTALL, WAIT = (next(step for step in STEPS if step.get("name") == name) for name in ("Install", "Wait"))
EXPRESSION: Final = re.compile(r"\$\{\{ (.*?) \}\}")


def variables(step: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that GitHub gives a step of the Action."""
    known = {f"inputs.{name}": str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
    assert inputs.keys() <= ACTION["inputs"].keys()
    known |= {f"inputs.{name}": value for name, value in inputs.items()}
    known["steps.python.outputs.python-path"] = sys.executable
    values = {name: EXPRESSION.sub(lambda each: known[each[1]], text) for name, text in step["env"].items()}
    return values | {"GITHUB_ACTION_PATH": str(ROOT)}


class Run:
    """A step that was run: its exit status, log, outputs and summary."""

    def __init__(
        self, step: Mapping[str, Any], environment: Mapping[str, str], folder: Path, inputs: Mapping[str, str]
    ) -> None:
        assert step["shell"] == "bash"
        files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        (folder / "script.sh").write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", folder / "script.sh"],  # noqa: S607  # as GitHub does
            env={**environment, **variables(step, inputs), **{name: str(file) for name, file in files.items()}},
            capture_output=True, text=True, check=False, cwd=folder, timeout=500,
        )  # fmt: skip
        self.status, self.log = done.returncode, done.stdout + done.stderr
        self.outputs = outputs_in(files["GITHUB_OUTPUT"].read_text())
        self.source = files["GITHUB_STEP_SUMMARY"].read_text()
        self.summary = html.unescape(self.source)

    @property
    def json(self) -> Any:
        return json.loads(self.outputs["json"])

    @property
    def errors(self) -> list[str]:
        return re.findall(r"^::error title=ecr-image-waiter::(.*)$", self.log, re.MULTILINE)


def outputs_in(text: str) -> dict[str, str]:
    """Return what GitHub reads in the file of outputs."""
    found = re.findall(r"^(\w+)(?:=(.*)|<<(\w+)\n((?:.*\n)*?)\3)$", text, re.MULTILINE)
    return {name: value or several.rstrip("\n") for name, value, _, several in found}
