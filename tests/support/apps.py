"""The examples' CDK apps, synthesized as the CDK's command does it."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.cloud import CDK_PYTHON, node_for_the_cdk
from sandbox.processes import ROOT


def synthesized(folder: Path, out: Path, context: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the templates of an app by the names of their stacks.

    Args:
        folder: where the app's cdk.json is.
        out: where what is synthesized goes.
        context: as of `--context`.

    Raises:
        CalledProcessError: the app failed.
    """
    program, *arguments = json.loads((folder / "cdk.json").read_text())["app"].split()
    assert program == "python3", program
    own = {
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(out),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PYTHONPATH": str(ROOT / "src"),
    }
    environment = {**os.environ, **node_for_the_cdk(), **own}
    subprocess.run([CDK_PYTHON, *arguments], cwd=folder, env=environment, check=True, timeout=300)
    return {
        file.name.removesuffix(".template.json"): json.loads(file.read_text()) for file in out.glob("*.template.json")
    }
