"""Tests of the constructs, which run in an environment of their own (docs/decisions/0017-cdk.md)."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import ROOT
from tests.support.lint import Linter

# Without aws-cdk-lib there is nothing to be collected here: tests/run.py runs this folder with .venvs/cdk.
collect_ignore_glob = [] if importlib.util.find_spec("aws_cdk") else ["test_*.py"]

# Before jsii starts, which reads it once. No artifact is made but where a test makes one.
os.environ["CDK_CONTEXT_JSON"] = json.dumps({"aws:cdk:bundling-stacks": []})
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "1"


@pytest.fixture
def lint(tmp_path: Path) -> Linter:
    """What cfn-lint, with our rule, says of templates by name."""

    def linted(templates: Mapping[str, Any]) -> str:
        for name, template in templates.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(template))
        cfn_lint = Path(sys.executable).parent / "cfn-lint"
        command: list[str | Path] = [cfn_lint, *sorted(tmp_path.glob("*.json")), "--append-rules", ROOT / "schema"]
        # CDK writes DependsOn also where a reference says it already.
        command += ["--ignore-checks", "W3005"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return linted
