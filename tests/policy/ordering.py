"""What runs an image in a template, what it is waited for by, and templates in which somebody forgot that.

Pure: from a template, as `yaml_parse` or a synthesis gives it, to sentences and to changed copies of it.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WAITER = "Custom::EcrImageWaiter"
Template = Mapping[str, Any]


@dataclass(frozen=True)
class Use:
    """A place of a resource that names the image it runs. `path` leads there from the resource's properties."""

    resource: str
    path: tuple[str | int, ...]


def waiters(template: Template) -> list[str]:
    """Return the logical ids of the waiters, in their order."""
    return [name for name, resource in template["Resources"].items() if resource["Type"] == WAITER]


def uses(template: Template) -> list[Use]:
    """Return every place that names an image to run."""
    return [Use(name, path) for name, each in template["Resources"].items() for path in _paths(each)]


def pins(template: Template) -> dict[str, list[str]]:
    """Return by resource the waiters whose digest it runs; a waiter once for each of its images that is used."""
    found: dict[str, list[str]] = {}
    for use in uses(template):
        waiter = _pin(template, _at(template, use))
        if waiter:
            found.setdefault(use.resource, []).append(waiter)
    return found


def faults(template: Template) -> list[str]:
    """Return a sentence for each image that is not waited for or not pinned, and for each waiter that nobody needs."""
    resources = template["Resources"]
    told = []
    for use in uses(template):
        if not set(dependencies(template, use.resource)) & set(waiters(template)):
            told.append(f"{use.resource} depends on no waiter: it may be created before its image is there")
        elif not _pin(template, _at(template, use)):
            told.append(f"{use.resource} runs an image that no waiter's digest names: it may be another one by then")
    told += [
        f"Nothing depends on {waiter}"
        for waiter in waiters(template)
        if not any(waiter in dependencies(template, name) for name in resources)
    ]
    told += [
        f"{name} refers to {gone}, which is not there"
        for name, resource in resources.items()
        for gone in sorted(
            set(_named(resource)) - {*resources, *template.get("Parameters", {}), *_made_by_sam(template)}
        )
        if not gone.startswith("AWS::")
    ]
    return told


def dependencies(template: Template, name: str) -> list[str]:
    """Return what a resource depends on itself: by Ref, Fn::GetAtt, Fn::Sub and DependsOn."""
    return sorted({each for each in _named(template["Resources"][name]) if each in template["Resources"]})


def mutants(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what its author may have forgotten, in turn, and the template without it.

    Each waiter, as an author without one writes the template; each dependency of a resource on a waiter, which stays;
    each pin to a waiter's digest, with a DependsOn that keeps the order.
    """
    for waiter in waiters(template):
        mutant = _copy(template)
        for name in list(mutant["Resources"]):
            _by_tag(mutant, name, waiter)
        del mutant["Resources"][waiter]
        mutant["Outputs"] = {
            name: each for name, each in mutant.get("Outputs", {}).items() if waiter not in set(_named(each))
        }
        yield f"{waiter} taken out", mutant
    for name in template["Resources"]:
        for waiter in set(dependencies(template, name)) & set(waiters(template)):
            mutant = _copy(template)
            _by_tag(mutant, name, waiter)
            yield f"{name} no longer depends on {waiter}", mutant
    for use in uses(template):
        pinned = _pin(template, _at(template, use))
        if pinned:
            mutant = _copy(template)
            _put(mutant, use, _tagged(template, pinned))
            resource = mutant["Resources"][use.resource]
            resource["DependsOn"] = [*_as_list(resource.get("DependsOn")), pinned]
            yield f"{use.resource} no longer pinned to what {pinned} found", mutant


def sorted_last(template: Template) -> dict[str, Any]:
    """Return the template with its waiters renamed so that they come after everything else in the alphabet."""
    return dict(_renamed(_copy(template), {waiter: f"Zz{waiter}" for waiter in waiters(template)}))


def _paths(resource: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    properties = resource.get("Properties", {})
    match resource["Type"]:
        case "AWS::Lambda::Function" if "ImageUri" in properties.get("Code", {}):
            yield ("Code", "ImageUri")
        case "AWS::Serverless::Function" if "ImageUri" in properties:
            yield ("ImageUri",)
        case "AWS::ECS::TaskDefinition":
            for number, _ in enumerate(properties.get("ContainerDefinitions", [])):
                yield ("ContainerDefinitions", number, "Image")


def _pin(template: Template, value: Any) -> str | None:
    """Return the waiter whose digest a value is, if it is one."""
    if not isinstance(value, Mapping) or "Fn::GetAtt" not in value:
        return None
    waiter, attribute = _attribute(value["Fn::GetAtt"])
    resource = template["Resources"].get(waiter, {})
    if resource.get("Type") != WAITER:
        return None
    properties = resource["Properties"]
    listed = {f"{image['Id']}.ImageUri" for image in properties.get("Images", [])}
    allowed = listed or {"ImageUri", "PlatformImageUri"}
    return waiter if attribute in allowed else None


def _attribute(value: Any) -> tuple[str, str]:
    name, _, attribute = value.partition(".") if isinstance(value, str) else (value[0], ".", value[1])
    return name, attribute


def _named(value: Any) -> Iterator[str]:
    """Yield the logical ids that a value names, in any place."""
    if isinstance(value, str) or value is None:
        return
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "Ref":
                yield each
            elif key == "Fn::GetAtt":
                yield _attribute(each)[0]
            elif key == "Fn::Sub":
                yield from _in_sub(each)
            elif key == "DependsOn":
                yield from _as_list(each)
            else:
                yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)


def _in_sub(value: Any) -> Iterator[str]:
    text, own = (value, {}) if isinstance(value, str) else value
    for part in text.split("${")[1:]:
        name = part.partition("}")[0].partition(".")[0]
        if not name.startswith("!") and name not in own:
            yield name
    yield from _named(own)


def _made_by_sam(template: Template) -> set[str]:
    """Return ids of resources that are no one's in the template, because the SAM transform makes them."""
    return {"ServerlessHttpApi"} if "Transform" in template else set()


def _as_list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _at(template: Template, use: Use) -> Any:
    value = template["Resources"][use.resource]["Properties"]
    for step in use.path:
        value = value[step]
    return value


def _put(template: dict[str, Any], use: Use, value: Any) -> None:
    _at(template, Use(use.resource, use.path[:-1]))[use.path[-1]] = value


def _tagged(template: Template, waiter: str) -> Any:
    """Return the image as its tag names it, in some account."""
    properties = template["Resources"][waiter]["Properties"]
    repository = properties.get("RepositoryName", "repository")
    return {"Fn::Join": ["", ["123456789012.dkr.ecr.us-east-1.amazonaws.com/", repository, ":latest"]]}


def _by_tag(template: dict[str, Any], name: str, waiter: str) -> None:
    """Let a resource name the images of a waiter by their tag, and not depend on it."""
    for use in uses(template):
        if use.resource == name and waiter in set(_named(_at(template, use))):
            _put(template, use, _tagged(template, waiter))
    resource = template["Resources"][name]
    left = [each for each in _as_list(resource.pop("DependsOn", None)) if each != waiter]
    if left:
        resource["DependsOn"] = left
    template["Resources"][name] = _without(resource, waiter)


def _without(value: Any, waiter: str) -> Any:
    """Return a value in which what still refers to a waiter is a plain text, as an author would write it."""
    if isinstance(value, dict):
        if waiter in set(_named({key: each for key, each in value.items() if key in ("Ref", "Fn::GetAtt", "Fn::Sub")})):
            return "written out"
        return {key: _without(each, waiter) for key, each in value.items()}
    return [_without(each, waiter) for each in value] if isinstance(value, list) else value


def _copy(template: Template) -> dict[str, Any]:
    return copy.deepcopy(dict(template))


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        if key == "Resources":
            value = {names.get(name, name): each for name, each in value.items()}
        return {name: _renamed(each, names, name) for name, each in value.items()}
    if key == "Fn::GetAtt":
        name, attribute = _attribute(value)
        return [names.get(name, name), attribute]
    if isinstance(value, list):
        return [_renamed(each, names, key) for each in value]
    if isinstance(value, str) and key in ("Ref", "DependsOn"):
        return names.get(value, value)
    if isinstance(value, str) and key == "Fn::Sub":
        for name, new in names.items():
            value = value.replace(f"${{{name}}}", f"${{{new}}}").replace(f"${{{name}.", f"${{{new}.")
    return value
