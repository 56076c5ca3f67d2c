"""What runs an image in a template, and what it is waited for by: from a template to sentences about it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

WAITER = "Custom::EcrImageWaiter"
Template = Mapping[str, Any]


class Use(NamedTuple):
    """A resource that runs an image, and the value that names the image."""

    resource: str
    image: Any


def waiters(template: Template) -> list[str]:
    """Return the logical ids of the waiters, in their order."""
    return [name for name, resource in template["Resources"].items() if resource["Type"] == WAITER]


def uses(template: Template) -> list[Use]:
    """Return every image that a resource runs."""
    return [Use(name, image) for name, each in template["Resources"].items() for image in _images(each)]


def pins(template: Template) -> dict[str, list[str]]:
    """Return by resource the waiters whose digest it runs; a waiter once for each of its images that is used."""
    found: dict[str, list[str]] = {}
    for use in uses(template):
        if waiter := _pin(template, use.image):
            found.setdefault(use.resource, []).append(waiter)
    return found


def faults(template: Template) -> list[str]:
    """Return a sentence for each image that is not waited for or not pinned, and for each waiter that nobody needs."""
    told = []
    for use in uses(template):
        if not set(dependencies(template, use.resource)) & set(waiters(template)):
            told.append(f"{use.resource} depends on no waiter: it may be created before its image is there")
        elif not _pin(template, use.image):
            told.append(f"{use.resource} runs an image that no waiter's digest names: it may be another one by then")
    return told + [
        f"Nothing depends on {waiter}"
        for waiter in waiters(template)
        if not any(waiter in dependencies(template, name) for name in template["Resources"])
    ]


def dependencies(template: Template, name: str) -> list[str]:
    """Return what a resource depends on itself: by Ref, Fn::GetAtt, Fn::Sub and DependsOn."""
    return sorted({each for each in _named(template["Resources"][name]) if each in template["Resources"]})


def _images(resource: Mapping[str, Any]) -> list[Any]:
    properties = resource.get("Properties", {})
    match resource["Type"]:
        case "AWS::Lambda::Function" if "ImageUri" in properties.get("Code", {}):
            return [properties["Code"]["ImageUri"]]
        case "AWS::Serverless::Function" if "ImageUri" in properties:
            return [properties["ImageUri"]]
        case "AWS::ECS::TaskDefinition":
            return [each["Image"] for each in properties.get("ContainerDefinitions", [])]
    return []


def _pin(template: Template, value: Any) -> str | None:
    """Return the waiter whose digest a value is, if it is one."""
    if not isinstance(value, Mapping) or "Fn::GetAtt" not in value:
        return None
    waiter, attribute = _attribute(value["Fn::GetAtt"])
    resource = template["Resources"].get(waiter, {})
    if resource.get("Type") != WAITER:
        return None
    listed = {f"{image['Id']}.ImageUri" for image in resource["Properties"].get("Images", [])}
    return waiter if attribute in (listed or {"ImageUri", "PlatformImageUri"}) else None


def _attribute(value: Any) -> tuple[str, str]:
    name, _, attribute = value.partition(".") if isinstance(value, str) else (value[0], ".", value[1])
    return name, attribute


def _named(value: Any) -> Iterator[str]:
    """Yield the logical ids that a value names, in any place."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "Ref":
                yield each
            elif key == "Fn::GetAtt":
                yield _attribute(each)[0]
            elif key == "Fn::Sub":
                yield from _in_sub(each)
            elif key == "DependsOn":
                yield from [each] if isinstance(each, str) else each
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
