"""What a template comes to with given parameters, and which parameters to try.

`resolved` knows the functions that our template uses, and of conditions all. What only AWS knows stays as it is: other
resources' attributes, and pseudo parameters.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

_DROPPED: Final = object()


def pairwise(choices: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return rows in which each value of each parameter stands beside each value of every other one at least once.

    Args:
        choices: the values of each parameter.
    """

    def pairs_of(row: Mapping[str, str]) -> set[frozenset[tuple[str, str]]]:
        return {frozenset(pair) for pair in combinations(row.items(), 2)}

    missing = {
        frozenset({(one, a), (other, b)})
        for one, other in combinations(choices, 2)
        for a in choices[one]
        for b in choices[other]
    }
    rows = []
    while missing:
        row = dict(min(sorted(pair) for pair in missing))
        for name, values in choices.items():
            if name not in row:
                # What stands beside the row as it is in most of the pairs that are missing; the first among equals.
                row[name] = max(values, key=lambda value: len(missing & pairs_of({**row, name: value})))
        missing -= pairs_of(row)
        rows.append(row)
    return rows


def allowed(parameter: Mapping[str, Any], value: str) -> bool:
    """Return whether CloudFormation takes a value for a parameter. Of a list, its pattern is each item's."""
    if "AllowedValues" in parameter:
        return value in map(str, parameter["AllowedValues"])
    items = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
    if "AllowedPattern" in parameter and not all(re.search(parameter["AllowedPattern"], item) for item in items):
        return False
    if parameter["Type"] == "Number":
        low, high = parameter.get("MinValue", float("-inf")), parameter.get("MaxValue", float("inf"))
        return re.fullmatch(r"\d+", value) is not None and low <= int(value) <= high
    return True


def resolved(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return what is deployed of a template: no parameters, no conditions, and only the resources that are made.

    Args:
        template: as CloudFormation gets it, after the transform.
        given: parameters that are not to have their defaults, and pseudo parameters that are to be known.
    """
    scope = _Scope(template, given)
    made = {
        name: scope.value({key: value for key, value in resource.items() if key != "Condition"})
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or scope.holds(resource["Condition"])
    }
    kept = {key: template[key] for key in ("AWSTemplateFormatVersion", "Description") if key in template}
    return {**kept, "Resources": made, "Outputs": scope.value(template.get("Outputs", {}))}


class _Scope:
    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._conditions = template.get("Conditions", {})
        self._parameters: dict[str, Any] = {name: value for name, value in given.items() if name.startswith("AWS::")}
        for name, parameter in template.get("Parameters", {}).items():
            value = str(given.get(name, parameter["Default"]))
            is_list = parameter["Type"] == "CommaDelimitedList"
            self._parameters[name] = value.split(",") if is_list else value

    def holds(self, name: str) -> bool:
        return bool(self._test(self._conditions[name]))

    def _test(self, condition: Mapping[str, Any]) -> bool:
        ((function, arguments),) = condition.items()
        match function:
            case "Condition":
                return self.holds(arguments)
            case "Fn::Equals":
                one, other = map(self.value, arguments)
                return bool(one == other)
            case "Fn::Not":
                return not self._test(arguments[0])
            case "Fn::And":
                return all(map(self._test, arguments))
            case "Fn::Or":
                return any(map(self._test, arguments))
        raise ValueError(function)

    def value(self, part: Any) -> Any:
        if isinstance(part, list):
            return [value for value in map(self.value, part) if value is not _DROPPED]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((key, argument),) = part.items()
            if key == "Ref" or key.startswith("Fn::"):
                return self._function(key, argument)
        values = {key: self.value(value) for key, value in part.items()}
        return {key: value for key, value in values.items() if value is not _DROPPED}

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref" if argument == "AWS::NoValue":
                return _DROPPED
            case "Ref":
                return self._parameters.get(argument, {"Ref": argument})
            case "Fn::If":
                condition, yes, no = argument
                return self.value(yes if self.holds(condition) else no)
            case "Fn::Join":
                delimiter, items = argument[0], self.value(argument[1])
                return delimiter.join(items)
            case "Fn::Split":
                return self.value(argument[1]).split(argument[0])
            case "Fn::Select":
                return self.value(argument[1])[int(argument[0])]
            case "Fn::Sub":
                return self._sub(argument)
        return {name: self.value(argument)}

    def _sub(self, argument: Any) -> Any:
        text, names = (argument, {}) if isinstance(argument, str) else argument
        known = {**self._parameters, **{name: self.value(value) for name, value in names.items()}}
        done = re.sub(r"\$\{([\w:.]+)\}", lambda match: str(known.get(match[1], match[0])), text)
        return {"Fn::Sub": done} if "${" in done else done
