"""Measure the artifact under AWS's Runtime Interface Emulator: its size, cold start and peak memory.

Against moto on loopback, with the image there, so that a cold start ends in an answer. The figures are this machine's;
docs/architecture.md has those of one machine. `memory` says how the most memory is measured.
"""

import argparse
import io
import os
import platform
import shutil
import statistics
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import memory
from .cloud import Cloud, function_python_version
from .images import push
from .processes import ROOT
from .rie import Emulator

_BOTO = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")


def zipped_bytes(artifact: Path) -> int:
    """Return how large the artifact is as the zip file that Lambda gets."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(artifact.rglob("*")):
            archive.write(path, path.relative_to(artifact))
    return len(buffer.getvalue())


def measure(artifact: Path, environment: dict[str, str], runs: int, log: Path) -> dict[str, list[float]]:
    """Return INIT, first handler call (milliseconds each) and peak memory (MB) of that many cold starts."""
    seen: dict[str, list[float]] = {"INIT ms": [], "handler ms": [], "peak MB": []}
    for run in range(runs):
        with Emulator(artifact, environment, log, name=f"rie-{artifact.name}-{run}") as emulator:
            answer = emulator.invoke({"RepositoryName": "app", "ImageTag": "v1"})
            if not isinstance(answer, dict) or "ImageDigest" not in answer:
                raise RuntimeError(f"The function did not find the image: {answer}")
            init, handler = emulator.durations()
            seen["INIT ms"].append(init)
            seen["handler ms"].append(handler)
            seen["peak MB"].append(emulator.peak_memory() / 1e6)
    return seen


def runtime_boto3(artifact: Path, target: Path) -> Path:
    """Make the folder of what Lambda's runtime brings: the artifact's boto3, with every service. Returns the folder."""
    target.mkdir()
    for name in _BOTO:
        source = artifact / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy2(source, target / name)
    data = next((ROOT / ".venv").glob("lib/python3*/site-packages/botocore/data"))
    shutil.copytree(data, target / "botocore" / "data", dirs_exist_ok=True)
    return target


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=10, help="cold starts (10)")
    options = parser.parse_args()
    console = Console(width=110)
    python, cores = function_python_version(), os.cpu_count()
    console.print(f"{platform.machine()}, {cores} cores, Python {python}, medians of {options.runs} cold starts")
    with tempfile.TemporaryDirectory() as folder, Cloud() as cloud:
        artifact, log = cloud.artifact, Path(folder)
        ecr = cloud.client("ecr")
        ecr.create_repository(repositoryName="app")
        push(ecr, "app", "v1")
        environment = {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_ENDPOINT_URL_ECR": cloud.ecr_endpoint}
        seen = measure(artifact, environment, options.runs, log)
        table = Table("zip MB", *seen, title="Image there, cold")
        medians = [f"{statistics.median(values):.0f}" for values in seen.values()]
        table.add_row(f"{zipped_bytes(artifact) / 1e6:.1f}", *medians)
        console.print(table)
        peaks = Table("input", "peak MB", title="The most memory")
        for case in memory.CASES:
            most, _ = memory.peak(artifact, case, log)
            peaks.add_row((case.__doc__ or "").strip("."), f"{most / 1e6:.0f}")
        most, invocations = memory.peak_of_wait(artifact, log, seconds=130, timeout=15)
        peaks.add_row(f"A wait of 130 checks in {invocations} invocations, with builds", f"{most / 1e6:.0f}")
        console.print(peaks)


if __name__ == "__main__":
    main()
