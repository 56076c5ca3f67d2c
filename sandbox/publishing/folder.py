"""The folder that is published: the built template with its metadata complete, the files it names, the artifacts.

It refers to nothing outside itself, so that it can be archived, signed and published from another machine.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import REGION, run_sam
from sandbox.processes import ROOT

from .changelog import project
from .rules import KEY, LICENCE, README, Application, Artifact, completed

TEMPLATE: Final = "template.json"
"""JSON, so that nothing of it depends on how YAML is written; the SAM CLI takes both."""


def build(work: Path) -> Path:
    """Build the artifacts and make the folder, in a folder for both and for what the SAM CLI prints.

    Raises:
        RuntimeError: the SAM CLI failed; with what it printed.
        ValueError: the template's metadata cannot be completed.
    """
    print("Building ...", file=sys.stderr, flush=True)
    # Not as the sandbox builds: always for the Python that Lambda runs, whatever this machine has.
    command = ("build", "--template-file", ROOT / "template.yaml", "--build-dir", work / "build")
    run_sam(*command, environment={"AWS_DEFAULT_REGION": REGION, "PYTHON_VERSION": None}, log=work)
    prepare(work / "build", work / "application")
    return work / "application"


def prepare(built: Path, target: Path) -> None:
    """Make the folder from what `sam build` made.

    Args:
        built: the folder that `sam build` made.
        target: the folder to make; there must be none.

    Raises:
        ValueError: the template's metadata cannot be completed.
    """
    template = completed(yaml_parse((built / "template.yaml").read_text()), project())
    target.mkdir(parents=True)
    for file in (LICENCE, README):
        shutil.copyfile(ROOT / file, target / file)
    for function in functions(template):
        if (built / function).is_dir():
            shutil.copytree(built / function, target / function)
    (target / TEMPLATE).write_text(json.dumps(template, indent=2) + "\n")


def functions(template: Mapping[str, Any]) -> list[str]:
    """Return the logical ids of a template's functions."""
    return [name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"]


def read(folder: Path) -> Application:
    """Return what a folder that `prepare` made would publish, with this project's changelog.

    Raises:
        ValueError: it is none that `prepare` made.
    """
    template = _template(folder)
    return Application(
        project=project(),
        template=template,
        transformed=transformed(template),
        files={path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()},
        artifacts={name: _artifact(folder / name) for name in functions(template) if (folder / name).is_dir()},
        changelog=(ROOT / "CHANGELOG.md").read_text(),
        today=datetime.now(tz=UTC).date(),
    )


def _template(folder: Path) -> dict[str, Any]:
    try:
        template: dict[str, Any] = json.loads((folder / TEMPLATE).read_text(encoding="utf-8"))
        whole = bool(template["Resources"] and template["Metadata"][KEY])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: {TEMPLATE} is not what `make dist` packs: {error!r}") from None
    if not whole:
        raise ValueError(f"{folder}: {TEMPLATE} is not what `make dist` packs: it says nothing")
    return template


def transformed(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template after SAM's transform, its parameters at their defaults."""
    source = json.loads(json.dumps(template))
    for name in functions(source):
        source["Resources"][name]["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": name}
    defaults = {name: parameter.get("Default", "") for name, parameter in source.get("Parameters", {}).items()}
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # SAM insists on one, and nothing here depends on it
    result: dict[str, Any] = transform(source, defaults, _ManagedPolicies())
    return result


class _ManagedPolicies:
    """Managed policies by name, of which the template uses none; the transform wants to be able to ask AWS."""

    def load(self) -> dict[str, str]:
        return {}


def _artifact(folder: Path) -> Artifact:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Artifact(files=len(sizes), unzipped=sum(sizes))
