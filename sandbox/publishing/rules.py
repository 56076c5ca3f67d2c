"""What must hold before anything is published, as rules that say in one sentence what breaks them.

Lengths and patterns are those of botocore's model of serverlessrepo (CreateApplication), and of "AWS SAM template
Metadata section properties" in the SAM Developer Guide. AWS publishes no limits of SAR's for the template, so that
CloudFormation's apply, which cfn-lint knows. Lambda takes 250 MB of code unzipped. 50 MB zipped are what Lambda takes
without S3, and SAR takes of an archive of the source; whether SAR holds code to it is not documented, so we do.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from . import changelog
from .accepted import TYPES, capabilities
from .changelog import Project

KEY: Final = "AWS::ServerlessRepo::Application"
LICENCE: Final = "LICENSE"
README: Final = "README-SAR.md"
MOST_TEXT: Final = 5 * 1024 * 1024
"""Bytes, of the licence and of the readme, each."""
MOST_ZIPPED: Final = 50 * 1024 * 1024
MOST_UNZIPPED: Final = 250 * 1024 * 1024
MOST_LABELS: Final = 10


@dataclass(frozen=True)
class _Field:
    longest: int | None
    pattern: str
    allowed: str


_FIELDS: Final = {
    "Name": _Field(140, r"[a-zA-Z0-9\-]+", "letters, digits and -"),
    "Description": _Field(256, r"[^\x00-\x1f]+", "one line of text"),
    "Author": _Field(127, r"[a-z0-9](?:-?[a-z0-9])*", "lower-case letters and digits, with single - between them"),
    "SpdxLicenseId": _Field(None, r"[A-Za-z0-9.+\-]+", "an identifier of the SPDX licence list"),
    "LicenseUrl": _Field(None, r"(?!/|\w+:).+", "the path of a file of this project"),
    "ReadmeUrl": _Field(None, r"(?!/|\w+:).+", "the path of a file of this project"),
    "HomePageUrl": _Field(None, r"https://[^\s/]+\.[^\s/]+\S*", "an address that begins with https://"),
    "SourceCodeUrl": _Field(None, r"https://[^\s/]+\.[^\s/]+\S*", "an address that begins with https://"),
    # A version of Python's as well: how the two spell what comes before a release differs.
    "SemanticVersion": _Field(None, r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}", "three numbers, as in 1.2.3"),
}
_LABEL: Final = _Field(127, r"[a-zA-Z0-9+\-_:/@]+", "letters, digits and + - _ : / @")
_LICENCES: Final = {"Apache-2.0": r"Apache License\s+Version 2\.0"}


@dataclass(frozen=True)
class Artifact:
    """A function's code, in bytes. `zipped` is None until it is packaged."""

    files: int
    unzipped: int
    zipped: int | None = None


@dataclass(frozen=True)
class Application:
    """All that is to be published.

    Args:
        template: the SAM template, its metadata complete.
        transformed: the same after SAM's transform.
        files: what the metadata names, by path.
        artifacts: by the logical id of their function.
    """

    project: Project
    template: Mapping[str, Any]
    transformed: Mapping[str, Any]
    files: Mapping[str, bytes]
    artifacts: Mapping[str, Artifact]
    changelog: str
    today: date


def completed(template: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """Return a template with the metadata that it leaves to others.

    Version, home page and source are pyproject.toml's. The files for licence and readme are named here alone, because
    the SAM CLI looks for them, by their way from wherever a built template lies, at every deployment too.

    Raises:
        ValueError: the template says one of them itself, so that it could say something else, or has no metadata.
    """
    metadata = template.get("Metadata", {})
    if KEY not in metadata:
        raise ValueError(f"template.yaml: no {KEY} among its Metadata")
    generated = {
        "SemanticVersion": project.version,
        "HomePageUrl": project.repository,
        "SourceCodeUrl": f"{project.repository}/tree/{project.tag}",
        "LicenseUrl": LICENCE,
        "ReadmeUrl": README,
    }
    twice = [name for name in generated if name in metadata[KEY]]
    if twice:
        raise ValueError(f"template.yaml: {', '.join(twice)} among its Metadata, to which `make publish` adds it")
    return {**template, "Metadata": {**metadata, KEY: {**metadata[KEY], **generated}}}


def violations(application: Application) -> list[str]:
    """Return how an application breaks the rules, a sentence each."""
    metadata = application.template["Metadata"][KEY]
    return [
        *_of_metadata(metadata),
        *_of_project(metadata, application.project),
        *_of_licence(metadata, application.files),
        *_of_readme(metadata, application),
        *_of_template(application),
        *_of_artifacts(application),
        *changelog.violations(application.changelog, application.project.version, application.today),
    ]


def _of_metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for name in metadata:
        if name not in {*_FIELDS, "Labels"}:
            yield f"{name}: nothing that SAR knows of an application"
    for name, field in _FIELDS.items():
        yield from _of_value(name, metadata.get(name, ""), field)
    labels = metadata.get("Labels", [])
    if not isinstance(labels, list) or not 1 <= len(labels) <= MOST_LABELS:
        yield f"Labels: received {labels!r}, allowed: a list of 1 to {MOST_LABELS}"
    else:
        for label in labels:
            yield from _of_value("Labels", label, _LABEL)


def _of_value(name: str, value: object, field: _Field) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{name}: received {value!r}, allowed: text; functions are not resolved there"
    elif not value:
        yield f"{name}: missing"
    elif field.longest is not None and len(value) > field.longest:
        yield f"{name}: received {len(value)} characters, allowed: {field.longest}"
    elif not re.fullmatch(field.pattern, value):
        yield f"{name}: received {value!r}, allowed: {field.allowed}"


def _of_project(metadata: Mapping[str, Any], project: Project) -> Iterator[str]:
    for name, said in {
        "Name": project.name,
        "SpdxLicenseId": project.licence,
        "SemanticVersion": project.version,
    }.items():
        if metadata.get(name) and metadata[name] != said:
            yield f"{name}: template.yaml has {metadata[name]!r}, and pyproject.toml {said!r}"


def _of_licence(metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    text, wrong = _text_of("LicenseUrl", metadata, files)
    yield from wrong
    identifier = metadata.get("SpdxLicenseId")
    beginning = _LICENCES.get(identifier) if isinstance(identifier, str) else None
    if text and identifier and not (beginning and re.search(beginning, text[:400])):
        yield f"LicenseUrl: {metadata['LicenseUrl']} does not begin like the licence {identifier}"


def _of_readme(metadata: Mapping[str, Any], application: Application) -> Iterator[str]:
    text, wrong = _text_of("ReadmeUrl", metadata, application.files)
    yield from wrong
    if not text:
        return
    name = metadata["ReadmeUrl"]
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE):
        address = target[0] or target[1]
        if not address.startswith("https://"):
            yield f"{name}: the link {address} leads nowhere from SAR's page, allowed: https://"
    if "```mermaid" in text:
        yield f"{name}: SAR's page draws no mermaid"
    if re.search(r"^\s*<[a-zA-Z!]", text, re.MULTILINE):
        yield f"{name}: SAR's page takes Markdown, and no HTML"
    for parameter in application.template.get("Parameters", {}):
        if f"`{parameter}`" not in text:
            yield f"{name}: does not name the parameter {parameter}"
    wanted = set(capabilities(resources(application)))
    named = set(re.findall(r"CAPABILITY_[A-Z_]+[A-Z]", text))
    for each in sorted(wanted - named):
        yield f"{name}: does not name {each}, which whoever installs it must acknowledge"
    for each in sorted(named - wanted):
        yield f"{name}: names {each}, which nobody has to acknowledge"


def _text_of(name: str, metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[str, list[str]]:
    """Return the text of the file that a field names, empty where there is none, and what is wrong with it."""
    path = metadata.get(name)
    if not isinstance(path, str) or not re.fullmatch(_FIELDS[name].pattern, path):
        return "", []  # the field is wrong already
    content = files.get(path)
    if content is None:
        return "", [f"{name}: no file {path}"]
    if len(content) > MOST_TEXT:
        return "", [f"{name}: {path} has {len(content):,} bytes, allowed: {MOST_TEXT:,}"]
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "", [f"{name}: {path} is not UTF-8"]
    return text.strip(), [] if text.strip() else [f"{name}: {path} is empty"]


def resources(application: Application) -> dict[str, Mapping[str, Any]]:
    """Return the resources after the transform, and those before it that it would take out of sight."""
    nested = {
        name: resource
        for name, resource in application.template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Application"
    }
    return {**application.transformed["Resources"], **nested}


def resource_types(application: Application) -> list[str]:
    """Return the types of all resources, before and after SAM's transform."""
    both = (application.template["Resources"], application.transformed["Resources"])
    return sorted({resource["Type"] for part in both for resource in part.values()})


def _of_template(application: Application) -> Iterator[str]:
    for kind in resource_types(application):
        if kind not in TYPES:
            yield f"{kind}: not among the types of resources that SAR supports"
    for name, parameter in application.template.get("Parameters", {}).items():
        if "Default" not in parameter:
            yield f"{name}: a parameter without a default, so that nobody can install it by one command"
        if not parameter.get("Description"):
            yield f"{name}: a parameter without a description, which SAR's page would show"


def _of_artifacts(application: Application) -> Iterator[str]:
    functions = {
        name
        for name, resource in application.template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    for name in sorted(functions - set(application.artifacts)):
        yield f"{name}: nothing was built for it"
    for name, artifact in sorted(application.artifacts.items()):
        if artifact.unzipped > MOST_UNZIPPED:
            yield f"{name}: {artifact.unzipped:,} bytes unzipped, allowed: {MOST_UNZIPPED:,}"
        if artifact.zipped is not None and artifact.zipped > MOST_ZIPPED:
            yield f"{name}: {artifact.zipped:,} bytes zipped, allowed: {MOST_ZIPPED:,}"
