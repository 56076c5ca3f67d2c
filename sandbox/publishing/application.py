"""The folder that is published, and the rules that a publication would break unnoticed or too late.

The folder has the built template with its metadata complete, the files that this names, and the artifacts. It refers to
nothing outside itself, so that it can be archived, signed and published from another machine.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import REGION, run_sam
from sandbox.measure import zipped_bytes
from sandbox.plain_template import plain
from sandbox.processes import ROOT

from . import changelog
from .changelog import project

KEY: Final = "AWS::ServerlessRepo::Application"
LICENCE: Final = "LICENSE"
README: Final = "README-SAR.md"
TEMPLATE: Final = "template.json"
"""JSON, so that nothing of it depends on how YAML is written; the SAM CLI takes both."""
_LICENCES: Final = {"Apache-2.0": r"\s*Apache License\s+Version 2\.0"}
_MOST_UNZIPPED: Final = 250 * 1024 * 1024
"""Lambda's quota."""
_MOST_ZIPPED: Final = 50 * 1024 * 1024
"""Ours: Lambda's quota without S3, and the repository's for an archive of the source."""
_FUNCTION: Final = "AWS::Serverless::Function"
_TYPES: Final = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::SSM::Parameter",
    _FUNCTION,
}
"""The types in the template, each found in "List of Supported AWS Resources" of the repository's Developer Guide (its
source on GitHub at commit 83c2822). Check there for a new one before adding it here.
"""
_BLOCKED_POLICY: Final = "AWSLambda_FullAccess"
_BLOCKED_ACTIONS: Final = ("iam:AttachRolePolicy", "iam:PutRolePolicy")
"""On all resources; `iam:*` grants both. With the policy above, these are the grants that the repository refuses in new
applications: "Using AWS SAM with the AWS Serverless Application Repository" in the same guide.
"""


def build(work: Path) -> Path:
    """Build the artifacts and make the folder, both within `work`."""
    print("Building ...", file=sys.stderr, flush=True)
    # Not as the sandbox builds: always for the Python that Lambda runs, whatever this machine has.
    command = ("build", "--template-file", ROOT / "template.yaml", "--build-dir", work / "build")
    run_sam(*command, environment={"AWS_DEFAULT_REGION": REGION, "PYTHON_VERSION": None}, log=work)
    prepare(work / "build", work / "application")
    return work / "application"


def prepare(built: Path, target: Path) -> None:
    """Make the folder `target`, which must not exist, from the one that `sam build` made."""
    template, said = yaml_parse((built / "template.yaml").read_text()), project()
    template["Metadata"][KEY] |= {
        "Name": said.name,
        "SpdxLicenseId": said.licence,
        "SemanticVersion": said.version,
        "HomePageUrl": said.repository,
        "SourceCodeUrl": f"{said.repository}/tree/{said.tag}",
        "LicenseUrl": LICENCE,
        "ReadmeUrl": README,
    }
    target.mkdir(parents=True)
    for file in (LICENCE, README):
        shutil.copyfile(ROOT / file, target / file)
    for function in functions(template):
        shutil.copytree(built / function, target / function)
    (target / TEMPLATE).write_text(json.dumps(template, indent=2) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """Return the template of a folder that `prepare` made."""
    template: dict[str, Any] = json.loads((folder / TEMPLATE).read_text())
    return template


def functions(template: Mapping[str, Any]) -> list[str]:
    """Return the logical ids of a template's functions."""
    return [name for name, resource in template["Resources"].items() if resource["Type"] == _FUNCTION]


def violations(folder: Path) -> list[str]:
    """Return how a folder, and this checkout's version and changelog, break the rules, a sentence each."""
    template, said = read(folder), project()
    source = template["Resources"]
    resources = plain(deepcopy(template))["Resources"]
    licence = re.match(_LICENCES.get(said.licence, r"(?!)"), (folder / LICENCE).read_text())
    kinds = {resource["Type"] for part in (source, resources) for resource in part.values()}
    return [
        *changelog.violations(said, changelog.TEXT.read_text(), datetime.now(tz=UTC).date()),
        *([] if licence else [f"{LICENCE}: does not begin like the licence {said.licence} that pyproject.toml names"]),
        *(f"{kind}: not known to be supported by the repository" for kind in sorted(kinds - _TYPES)),
        *(each for name, resource in resources.items() for each in _of_grants(name, resource)),
        *(each for name in functions(template) for each in _of_size(folder / name)),
    ]


def sizes(artifact: Path) -> tuple[int, int]:
    """Return the bytes of an artifact, unzipped and zipped."""
    return sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()), zipped_bytes(artifact)


def _of_grants(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(resource):
        if isinstance(part, str) and part.endswith(_BLOCKED_POLICY):
            yield f"{name}: {_BLOCKED_POLICY} is blocked by the repository"
        if isinstance(part, dict) and part.get("Effect") == "Allow" and "*" in _parts(part.get("Resource")):
            given = [each.lower() for each in _parts(part.get("Action")) if isinstance(each, str)]
            for action in _BLOCKED_ACTIONS:
                if any(fnmatchcase(action.lower(), pattern) for pattern in given):
                    yield f"{name}: {action} on all resources is blocked by the repository"


def _of_size(artifact: Path) -> Iterator[str]:
    unzipped, zipped = sizes(artifact)
    for size, most, how in ((unzipped, _MOST_UNZIPPED, "unzipped"), (zipped, _MOST_ZIPPED, "zipped")):
        if size > most:
            yield f"{artifact.name}: {size:,} bytes {how}, allowed: {most:,}"


def _parts(value: Any) -> Iterator[Any]:
    """Return a value and all values in it, at any depth."""
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(each)
