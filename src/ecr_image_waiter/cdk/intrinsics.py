"""A template's resources for given parameters: what its conditions leave, without them. Pure."""

from collections.abc import Mapping
from typing import Any, Final

_NOTHING: Final = object()


def resources(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources that a template has when it is deployed.

    Functions that only a deployment can work out stay as they are.

    Args:
        template: with Parameters, Conditions and Resources.
        given: values of parameters; the others are at their defaults. A list of values is a list.
    """
    settled = _Settled(template, given)
    return {
        name: settled.value({key: part for key, part in resource.items() if key != "Condition"})
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or settled.holds(resource["Condition"])
    }


class _Settled:
    def __init__(self, template: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._conditions = template["Conditions"]
        self._values = {name: parameter["Default"] for name, parameter in template["Parameters"].items()} | dict(given)

    def holds(self, condition: Any) -> bool:
        """Say whether a condition holds, by its name or as it is written."""
        match condition:
            case {"Condition": name} | (str() as name):
                return self.holds(self._conditions[name])
            case {"Fn::Equals": [left, right]}:
                return bool(self.value(left) == self.value(right))
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": inner}:
                return all(map(self.holds, inner))
            case _:
                raise ValueError(f"not a condition that is known here: {condition}")

    def value(self, part: Any) -> Any:
        """Return a part of the template, settled."""
        match part:
            case {"Ref": "AWS::NoValue"}:
                return _NOTHING
            case {"Ref": name} if name in self._values:
                return self._values[name]
            case {"Fn::If": [condition, then, otherwise]}:
                return self.value(then if self.holds(condition) else otherwise)
            case {"Fn::Join": ["", {"Ref": name}]} if name in self._values:
                return "".join(self._values[name])
            case dict():
                return {key: value for key, each in part.items() if (value := self.value(each)) is not _NOTHING}
            case list():
                return [value for each in part if (value := self.value(each)) is not _NOTHING]
            case _:
                return part
