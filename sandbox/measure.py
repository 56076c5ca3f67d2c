"""Measure the artifact under AWS's Runtime Interface Emulator: its size, cold start and peak memory.

Against moto on loopback, with the image there, so that a cold start ends in an answer. The figures are this machine's;
docs/architecture.md has those of one machine. `memory` says how the most memory is measured. `--compare` adds what
other ways to package it would give.
"""

import argparse
import io
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import memory
from .cloud import MINISTACK_PYTHON, Cloud, function_python_version
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
    shutil.copytree(_site() / "botocore" / "data", target / "botocore" / "data", dirs_exist_ok=True)
    return target


def _site() -> Path:
    return next((ROOT / ".venv").glob("lib/python3*/site-packages"))


def variants(artifact: Path, folder: Path) -> dict[str, tuple[Path, list[Path]]]:
    """Return other ways to package the function: the artifact of each, and what the runtime would bring."""
    bare, full, lean = (folder / name for name in ("no-bytecode", "every-service", "lean"))
    for target in (bare, full, lean):
        shutil.copytree(artifact, target)
    for cache in list(bare.rglob("__pycache__")):
        shutil.rmtree(cache)
    shutil.copytree(_site() / "botocore" / "data", full / "botocore" / "data", dirs_exist_ok=True)
    runtime = runtime_boto3(artifact, folder / "runtime")
    for name in _BOTO:
        shutil.rmtree(lean / name) if (lean / name).is_dir() else (lean / name).unlink()
    return {
        "as built": (artifact, []),
        "without bytecode": (bare, []),
        "with all of botocore's services": (full, []),
        "boto3 from the runtime": (lean, [runtime]),
    }


def import_cost(artifact: Path, statement: str, runs: int) -> float:
    """Return the median milliseconds that a statement takes after boto3 and an ECR client are there."""
    code = (
        "import time, boto3; boto3.client('ecr', region_name='us-east-1'); t = time.perf_counter()\n"
        f"{statement}\nprint((time.perf_counter() - t) * 1000)"
    )
    environment = {**os.environ, "PYTHONPATH": str(artifact), "PYTHONDONTWRITEBYTECODE": "1"}
    command: list[str | Path] = [MINISTACK_PYTHON, "-S", "-c", code]
    return statistics.median(
        float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for _ in range(runs)
    )


def main() -> None:
    """Print a table, and with `--compare` a second one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=10, help="cold starts per row (10)")
    parser.add_argument("--compare", action="store_true", help="other ways to package it, and what imports cost")
    options = parser.parse_args()
    console = Console(width=110)
    python, cores = function_python_version(), os.cpu_count()
    console.print(f"{platform.machine()}, {cores} cores, Python {python}, medians of {options.runs} cold starts")
    with tempfile.TemporaryDirectory() as folder, Cloud() as cloud:
        artifact = cloud.artifact
        ecr = cloud.client("ecr")
        ecr.create_repository(repositoryName="app")
        push(ecr, "app", "v1")
        rows = variants(artifact, Path(folder)) if options.compare else {"as built": (artifact, [])}
        table = Table("artifact", "zip MB", "INIT ms", "first handler call ms", "peak MB", title="Image there, cold")
        for name, (built, runtime) in rows.items():
            path = os.pathsep.join(map(str, [built, *runtime]))
            environment = {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_ENDPOINT_URL_ECR": cloud.ecr_endpoint}
            seen = measure(built, {**environment, "PYTHONPATH": path}, options.runs, Path(folder) / "log")
            medians = [f"{statistics.median(values):.0f}" for values in seen.values()]
            table.add_row(name, f"{zipped_bytes(built) / 1e6:.1f}", *medians)
        console.print(table)
        peaks = Table("input", "peak MB", title="The most memory")
        for case in memory.CASES:
            most, _ = memory.peak(artifact, case, Path(folder) / "log")
            peaks.add_row((case.__doc__ or "").strip("."), f"{most / 1e6:.0f}")
        most, invocations = memory.peak_of_wait(artifact, Path(folder) / "log", seconds=130, timeout=15)
        peaks.add_row(f"A wait of 130 checks in {invocations} invocations, with builds", f"{most / 1e6:.0f}")
        console.print(peaks)
        if options.compare:
            costs = Table("after boto3 and an ECR client", "ms", title="Imports")
            model = "import pydantic\nclass M(pydantic.BaseModel):\n    a: int = 1"
            for name, statement in {
                "pydantic, with a model of one field": model,
                "Powertools' Logger": "from aws_lambda_powertools import Logger",
                "Powertools' custom-resource models": "from aws_lambda_powertools.utilities.parser.models import "
                "CloudFormationCustomResourceCreateModel",
                "crhelper": "import crhelper",
                "crhelper, with one CfnResource()": "import os; os.environ['AWS_REGION'] = 'us-east-1'\n"
                "import crhelper; crhelper.CfnResource()",
            }.items():
                # With every service: CfnResource makes clients of three.
                whole = rows["with all of botocore's services"][0]
                costs.add_row(name, f"{import_cost(whole, statement, options.runs):.0f}")
            console.print(costs)


if __name__ == "__main__":
    main()
