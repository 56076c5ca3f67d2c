"""The sandbox's docker, git and AWS CLI refuse what they do not know: else a script with a mistake would pass."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox import commands
from sandbox.cloud import ACCOUNT, CREDENTIALS, ISOLATED

REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f"docker push {REGISTRY}/app:v1", "no basic auth credentials"),
        (f"echo x | docker login --username AWS --password-stdin {REGISTRY}; docker push {REGISTRY}/a:b", "No such"),
        ("docker build --tag app elsewhere", "failed to read dockerfile"),
        ("docker build --tag app .", '"/app.py": not found'),
        ("touch app.py; docker build --build-arg NAME=x --tag app .", "does not declare: NAME"),
        ("docker build --no-such-option --tag app .", "unrecognized arguments"),
        (f"docker login --username AWS --password-stdin {REGISTRY} </dev/null", "failed"),
        ("aws ecr describe-repositories --repository app", "Unknown options: --repository"),
        ("git status", ""),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, script: str, told: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
    merged = {**os.environ, **ISOLATED, **CREDENTIALS, **commands.install(tmp_path / "bin", "4c0f9e1")}
    environment = {name: value for name, value in merged.items() if value is not None}
    command = ["/bin/bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode != 0
    assert told in done.stderr
