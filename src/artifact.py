"""Makes the waiter function's artifact, for `sam build` (src/Makefile) and for apps of the CDK.

It holds the compiled parts for both of Lambda's architectures, of botocore only the services that are called and where
they are, and bytecode where this machine has the Python that Lambda runs (docs/decisions/0004-artifact.md). Standard
library only, because `sam build` runs it with whatever Python has pip.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PYTHON_VERSION: Final = "3.13"
"""Lambda's, as template.yaml has it. A test compares the two."""
SERVICES: Final = ("cloudformation", "codebuild", "codepipeline", "ecr", "ecr-public", "lambda", "sts")
"""What aws/clients.py makes clients for. A test compares the two."""
NOT_FOR_LAMBDA: Final = ("cdk", "cli", "deployed")
"""Parts of the package that a function does not need."""
_PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux2014_aarch64")


def build(target: Path, package: Path, requirements: Path, python_version: str = PYTHON_VERSION) -> None:
    """Makes the artifact.

    The target folder is empty, or not there yet. The package is the folder of `ecr_image_waiter`; what it requires is
    locked with hashes. The version is that of the Python that will run it, as `major.minor`.

    Raises:
        CalledProcessError: pip failed, or this Python has none; that is told on standard error.
    """
    first, *others = _PLATFORMS
    _install(target, requirements, python_version, first)
    for platform in others:
        with tempfile.TemporaryDirectory() as folder:
            _install(Path(folder), requirements, python_version, platform)
            _add_compiled(Path(folder), target)
    shutil.copytree(package, target / "ecr_image_waiter", ignore=shutil.ignore_patterns("__pycache__", *NOT_FOR_LAMBDA))
    for unneeded in _unneeded(target):
        shutil.rmtree(unneeded)
    _trim_endpoints(target / "botocore" / "data")
    _compile(target, python_version)


def sources(package: Path) -> Iterator[Path]:
    """Returns the files of the package that the artifact holds."""
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        if path.is_file() and parts[0] not in NOT_FOR_LAMBDA and "__pycache__" not in parts:
            yield path


def _install(target: Path, requirements: Path, python_version: str, platform: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", python_version, "--platform", platform]
    command += ["--requirement", str(requirements), "--target", str(target)]
    subprocess.run(command, check=True)  # noqa: S603  # pip, with paths of ours


def _add_compiled(installed: Path, target: Path) -> None:
    for part in installed.rglob("*.so"):
        beside = target / part.relative_to(installed)
        if beside.exists():
            raise RuntimeError(f"{beside.name} has one name for two architectures, so no artifact can hold both")
        shutil.copy2(part, beside)


def _unneeded(target: Path) -> Iterator[Path]:
    yield from (folder for name in ("bin", "boto3/examples", "boto3/data") if (folder := target / name).is_dir())
    for folder in (target / "botocore" / "data").iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            yield folder


def _trim_endpoints(data: Path) -> None:
    """Keeps, of botocore's table of endpoints, the services whose models are there.

    The whole table has 300 services in a megabyte of JSON, which a new environment reads before it can make a client.
    """
    models = [json.loads(gzip.decompress(path.read_bytes())) for path in data.glob("*/*/service-2.json.gz")]
    kept = {model["metadata"]["endpointPrefix"] for model in models}
    table = json.loads((data / "endpoints.json").read_text(encoding="utf-8"))
    for partition in table["partitions"]:
        services = partition["services"]
        partition["services"] = {name: service for name, service in services.items() if name in kept}
    (data / "endpoints.json").write_text(json.dumps(table), encoding="utf-8")


def _compile(target: Path, python_version: str) -> None:
    """Adds bytecode that stays valid whatever time stamps the files get on their way."""
    here = sys.executable if python_version == "{}.{}".format(*sys.version_info) else None
    compiler = here or shutil.which(f"python{python_version}")
    # A version manager's stand-in for a Python that is not installed is found, but does not run.
    if compiler and subprocess.run([compiler, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode == 0:  # noqa: S603  # a Python
        command = [compiler, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(target)]
        subprocess.run(command, check=True)  # noqa: S603  # the same
    else:
        sys.stderr.write(
            f"python{python_version} is not on this machine: the artifact goes without bytecode and starts slower\n"
        )


if __name__ == "__main__":  # pragma: no cover  # src/Makefile runs it, in a process of its own
    _, _target, *_version = sys.argv
    _beside = Path(__file__).resolve().parent
    build(Path(_target), _beside / "ecr_image_waiter", _beside / "requirements.txt", *_version)
