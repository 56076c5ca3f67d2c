"""The sandbox's ECR over HTTP, for the command and what runs it."""

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest

from sandbox.ecr.front import Front
from sandbox.ecr.standalone import standalone
from sandbox.processes import ROOT

REGION: Final = "eu-west-1"


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    with standalone() as front:
        yield front


@pytest.fixture
def ecr(front: Front) -> Iterator[Any]:
    ecr = front.client(region=REGION)
    ecr.create_repository(repositoryName="app")
    yield ecr
    ecr.delete_repository(repositoryName="app", force=True)


@pytest.fixture
def environment(front: Front) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "AWS_ENDPOINT_URL": front.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "TERM": "xterm",
    }
