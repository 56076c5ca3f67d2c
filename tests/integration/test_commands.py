"""The sandbox's docker, git and AWS CLI do as the real ones do, and refuse what they do not know."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import commands
from sandbox.cloud import ACCOUNT, CREDENTIALS, ISOLATED
from sandbox.ecr import Front
from sandbox.ecr.standalone import standalone

REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
LOGIN = f"aws ecr get-login-password | docker login --username AWS --password-stdin {REGISTRY}"
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with standalone() as front:
        yield front


@pytest.fixture
def shell(front: Front, tmp_path: Path) -> Shell:
    """Run a script in a folder that has a Dockerfile, with nothing pushed."""
    front.reset()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
    (tmp_path / "app.py").write_text("")
    own = {"AWS_ENDPOINT_URL": front.url, **CREDENTIALS, **commands.install(tmp_path / "bin", "4c0f9e1")}
    merged = {**os.environ, **ISOLATED, **own}
    environment = {name: value for name, value in merged.items() if value is not None}

    def run(script: str) -> "subprocess.CompletedProcess[str]":
        command = ["/bin/bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)

    return run


def test_what_is_built_is_pushed_with_its_platform_and_its_labels(shell: Shell, front: Front) -> None:
    done = shell(
        f"""
        aws ecr create-repository --repository-name app --image-scanning-configuration scanOnPush=true >/dev/null
        {LOGIN}
        docker build --platform linux/arm64 --label commit=4c0f9e1 --tag app .
        docker tag app {REGISTRY}/app:v1
        docker push {REGISTRY}/app:v1
        """
    )
    assert done.returncode == 0, done.stderr
    front_client = front.client("ecr")
    (repository,) = front_client.describe_repositories()["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    (image,) = front_client.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])["images"]
    assert json.loads(image["imageManifest"])["schemaVersion"] == 2
    assert done.stdout.strip().endswith(f"v1: digest: {image['imageId']['imageDigest']}")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f"docker push {REGISTRY}/app:v1", "no basic auth credentials"),
        (f"{LOGIN}; docker push {REGISTRY}/app:v1", "No such image"),
        ("docker build --tag app elsewhere", "failed to read dockerfile"),
        ("rm app.py; docker build --tag app .", '"/app.py": not found'),
        ("docker build --no-such-option --tag app .", "unrecognized arguments"),
        (f"docker login --username AWS --password-stdin {REGISTRY} </dev/null", "failed"),
        ("aws ecr describe-repositories --repository-names app", "RepositoryNotFoundException"),
        ("aws ecr describe-repositories --repository app", "Unknown options: --repository"),
        ("git status", ""),
    ],
)
def test_what_is_wrong_is_refused(shell: Shell, script: str, told: str) -> None:
    done = shell(script)
    assert done.returncode != 0
    assert told in done.stderr


def test_answers_are_queried_and_printed_as_text(shell: Shell) -> None:
    done = shell(
        """
        aws ecr create-repository --repository-name app --query repository.repositoryUri --output text
        aws ecr describe-repositories --query "repositories[?repositoryName=='none'].repositoryName" --output text
        git rev-parse HEAD
        """
    )
    assert (done.stdout, done.stderr) == (f"{REGISTRY}/app\n\n4c0f9e1\n", "")


def test_what_scripts_build_side_by_side_is_all_remembered(shell: Shell) -> None:
    done = shell(
        """
        for number in 1 2 3 4 5 6 7 8 9 10 11 12; do docker build --tag "app$number" . & done
        wait
        for number in 1 2 3 4 5 6 7 8 9 10 11 12; do docker tag "app$number" "again$number"; done
        """
    )
    assert done.returncode == 0, done.stderr
