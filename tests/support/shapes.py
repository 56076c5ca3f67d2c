"""Whether an answer of an AWS service is one that botocore's model of the service knows."""

import re
from functools import cache
from math import inf
from typing import Any, Final

import botocore.session

COMMON_ERRORS: Final = frozenset({"AccessDeniedException"})
"""Those that an operation's model need not name (API reference, "Common Errors")."""

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "string": (str,),
    "structure": (dict,),
    "list": (list,),
    "map": (dict,),
    "timestamp": (int, float),
}


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def faults(service: str, operation: str, status: int, answer: dict[str, Any]) -> list[str]:
    """Return what the model has against the body of an answer, as it is sent by JSON.

    Keys that it does not know, members that it requires, types, enumerations, patterns and the lengths of strings; for
    an error, also its code.
    """
    model = _model(service).operation_model(operation)
    if status == 200 and model.output_shape is None:
        return [f"{operation}: {key}: unknown" for key in answer]
    if status == 200:
        return [f"{operation}: {fault}" for fault in _faults(model.output_shape, answer, "")]
    modelled = {shape.error_code: shape for shape in model.error_shapes}
    code = answer.get("__type")
    if code in COMMON_ERRORS:
        return []
    if code not in modelled:
        return [f"{operation}: the error {code} is not one of {', '.join(sorted(modelled))}"]
    # A message comes with every error; some models leave it out.
    own = {"__type"} if "message" in modelled[code].members else {"__type", "message"}
    members = {key: value for key, value in answer.items() if key not in own}
    return [f"{operation}: {fault}" for fault in _faults(modelled[code], members, f" of {code}")]


def _faults(shape: Any, value: Any, place: str) -> list[str]:
    wrong_type = not isinstance(value, _TYPES[shape.type_name])
    if wrong_type or (isinstance(value, bool) and shape.type_name != "boolean"):
        return [f"{value!r}{place}: no {shape.type_name}"]
    if shape.type_name == "structure":
        found = [f"{key}{place}: unknown" for key in value.keys() - shape.members.keys()]
        found += [f"{key}{place}: missing" for key in set(shape.required_members) - value.keys()]
        known = {key: member for key, member in shape.members.items() if key in value}
        return found + [each for key, member in known.items() for each in _faults(member, value[key], f" of {key}")]
    if shape.type_name == "map":
        return [each for key, item in value.items() for each in _faults(shape.value, item, f" of {key}{place}")]
    if shape.type_name == "list":
        return [each for item in value for each in _faults(shape.member, item, place)]
    if shape.type_name == "string":
        # Python knows no classes of characters by their Unicode category.
        pattern = shape.metadata.get("pattern", ".*").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
        if shape.enum and value not in shape.enum:
            return [f"{value!r}{place}: not one of {', '.join(shape.enum)}"]
        if not re.fullmatch(pattern, value, re.DOTALL):
            return [f"{value!r}{place}: not like {pattern}"]
        if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", inf):
            return [f"{value!r}{place}: {len(value)} characters"]
    return []
