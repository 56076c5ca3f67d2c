"""A template for given parameters: what its conditions leave, without those that the parameters decide. Pure."""

from collections.abc import Mapping
from typing import Any, Final

_NO_VALUE: Final = {"Ref": "AWS::NoValue"}
_NOTHING: Final = object()


def settled(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a template with its parameters put in.

    What only a deployment can work out stays as it is, conditions among it.

    Parameters that are not given are at their defaults. A list of values is a list.

    Raises:
        ValueError: a condition is of a kind that is not known here.
    """
    parameters = _Parameters(template, given)
    conditions, resources = template["Conditions"], template["Resources"]
    held = {name: parameters.holds(name) for name in conditions}
    return {
        "Conditions": {name: parameters.left_of(conditions[name]) for name in conditions if held[name] is None},
        "Resources": {
            name: parameters.value({key: each for key, each in resource.items() if key != "Condition"} | condition)
            for name, resource in resources.items()
            if (condition := _condition(held, resource.get("Condition"))) is not None
        },
    }


def _condition(held: Mapping[str, bool | None], name: str | None) -> dict[str, str] | None:
    """Returns what is left of a resource's condition, None where the resource is not wanted."""
    if name is None or held[name]:
        return {}
    return {"Condition": name} if held[name] is None else None


def _joined(separator: str, parts: Any) -> Any:
    if isinstance(parts, str):  # the default of a list, which is empty
        return parts
    if isinstance(parts, list):  # a parameter's number is text to CloudFormation, and Fn::Join takes nothing else
        parts = [str(part) if isinstance(part, int) else part for part in parts]
    settled = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    return separator.join(parts) if settled else {"Fn::Join": [separator, parts]}


class _Parameters:
    def __init__(self, template: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._conditions = template["Conditions"]
        self._values = {name: parameter["Default"] for name, parameter in template["Parameters"].items()} | dict(given)

    def holds(self, condition: Any) -> bool | None:
        """Returns whether a condition holds, by its name or its definition; None if only a deployment can decide."""
        match condition:
            case {"Condition": name} | (str() as name):
                return self.holds(self._conditions[name])
            case {"Fn::Equals": [left, right]}:
                left, right = self.value(left), self.value(right)
                return None if isinstance(left, dict) or isinstance(right, dict) else bool(left == right)
            case {"Fn::Not": [inner]}:
                return None if (held := self.holds(inner)) is None else not held
            case {"Fn::And": [*inner]}:
                held_each = [self.holds(each) for each in inner]
                return False if False in held_each else None if None in held_each else True
            case _:
                raise ValueError(f"unknown condition: {condition}")

    def left_of(self, condition: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns a condition that only a deployment can decide, without the parts that the parameters decide."""
        match condition:
            case {"Fn::Not": [inner]}:
                return {"Fn::Not": [self.left_of(inner)]}
            case {"Fn::And": [*inner]}:
                left = [self.left_of(each) for each in inner if self.holds(each) is None]
                return {"Fn::And": left} if len(left) > 1 else left[0]
            case _:
                return condition

    def value(self, part: Any) -> Any:
        """Returns a part of the template with the parameters in it."""
        match part:
            case {"Ref": "AWS::NoValue"}:
                return _NOTHING
            case {"Ref": name} if name in self._values:
                return self._values[name]
            case {"Fn::If": [condition, then, otherwise]}:
                return self._one_of(condition, self.value(then), self.value(otherwise))
            case {"Fn::Join": [str() as separator, parts]}:
                return _joined(separator, self.value(parts))
            case {"Fn::Split": [str() as separator, whole]} if isinstance(whole := self.value(whole), str):
                return whole.split(separator)
            case {"Fn::Sub": [str() as text, dict() as variables]}:
                # Put in by name: a value that only the deployment knows is no text here.
                named = {name: value for name, value in self._values.items() if f"${{{name}}}" in text}
                return {"Fn::Sub": [text, named | self.value(variables)]}
            case {"Fn::Select": [int() as number, parts]} if isinstance(parts := self.value(parts), list):
                return parts[number]
            case dict():
                return {key: value for key, each in part.items() if (value := self.value(each)) is not _NOTHING}
            case list():
                return [value for each in part if (value := self.value(each)) is not _NOTHING]
            case _:
                return part

    def _one_of(self, condition: str, then: Any, otherwise: Any) -> Any:
        held = self.holds(condition)
        if held is None:
            return {"Fn::If": [condition, *(_NO_VALUE if each is _NOTHING else each for each in (then, otherwise))]}
        return then if held else otherwise
