"""What a dry run prints: everything that would be published, for somebody who is about to do it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import changelog
from .accepted import capabilities
from .rehearsal import Rehearsed
from .rules import KEY, Application, resource_types, resources


def report(application: Application, rehearsed: Rehearsed, folder: Path) -> str:
    """Return what would be published: the request's fields, files with sizes, what the user grants, the template."""
    said = application.project
    found = changelog.entry(application.changelog, said.version)
    parts = {
        f"{said.name} {said.version}, as `sam publish` would send it": _request(rehearsed.request),
        "Uploaded to the bucket": list(_uploads(application, rehearsed)),
        "In the artifacts": list(_artifacts(application, folder)),
        "Types of resources": resource_types(application),
        "Capabilities that whoever installs it must acknowledge": [
            f"{name}: because of {', '.join(because)}"
            for name, because in sorted(capabilities(resources(application)).items())
        ],
        "Parameters": list(_parameters(application.template.get("Parameters", {}))),
        "Entry of the changelog": "\n".join(found or ()).splitlines(),
        "Template": rehearsed.request["TemplateBody"].splitlines(),
    }
    return "\n\n".join("\n".join([title, *(f"  {line}".rstrip() for line in lines)]) for title, lines in parts.items())


def _request(request: Mapping[str, Any]) -> list[str]:
    widest = max(map(len, request))
    return [
        f"{name:{widest}}  {', '.join(value) if isinstance(value, list) else value}"
        if name != "TemplateBody"
        else f"{name:{widest}}  {len(value.encode()):,} bytes, below"
        for name, value in request.items()
    ]


def _uploads(application: Application, rehearsed: Rehearsed) -> Iterator[str]:
    metadata = application.template["Metadata"][KEY]
    uses = {rehearsed.request[field]: metadata[field] for field in ("LicenseUrl", "ReadmeUrl")}
    for address, upload in rehearsed.uploads.items():
        what = uses.get(address, "a function's code")
        yield f"{upload.size:>12,} bytes  {what}: {address}, SHA-256 {upload.sha256}"


def _artifacts(application: Application, folder: Path) -> Iterator[str]:
    for name, artifact in application.artifacts.items():
        zipped = "" if artifact.zipped is None else f", {artifact.zipped:,} zipped"
        yield f"{name}: {artifact.files:,} files, {artifact.unzipped:,} bytes{zipped}"
        sizes = {entry.name: _size(entry) for entry in (folder / name).iterdir()}
        for entry in sorted(sizes, key=lambda entry: (-sizes[entry], entry)):
            yield f"{sizes[entry]:>12,} bytes  {entry}"


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in [path, *path.rglob("*")] if each.is_file())


def _parameters(parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, parameter in parameters.items():
        yield f"{name} ({parameter['Type']}, default {parameter['Default']!r}): {parameter['Description']}"
