"""What CloudWatch reads metrics from: its "Specification: Embedded metric format", as a schema and a rule beside it.

Written from the specification's text (CloudWatch User Guide), with its limits. It is stricter in two things: a unit is
always given, and a timestamp is a whole number.
"""

from typing import Any, Final

import botocore.session
from jsonschema import Draft202012Validator

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 1024}
_UNITS: Final = botocore.session.get_session().get_service_model("cloudwatch").shape_for("StandardUnit").enum
_DIMENSIONS: Final = {"type": "array", "maxItems": 30, "uniqueItems": True, "items": {**_NAME, "maxLength": 250}}


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*members], "properties": members}


_METRIC: Final = {**_object(Name=_NAME, Unit={"enum": _UNITS}), "additionalProperties": False}
_DIRECTIVE: Final = _object(
    Namespace=_NAME,
    Dimensions={"type": "array", "minItems": 1, "items": _DIMENSIONS},
    Metrics={"type": "array", "minItems": 1, "maxItems": 100, "items": _METRIC},
)
SCHEMA: Final = _object(
    _aws=_object(
        Timestamp={"type": "integer", "minimum": 0},
        CloudWatchMetrics={"type": "array", "minItems": 1, "items": {**_DIRECTIVE, "additionalProperties": False}},
    )
)
_VALIDATOR: Final = Draft202012Validator(SCHEMA)


def faults(document: dict[str, Any]) -> list[str]:
    """Return why CloudWatch would not read all the metrics of a document; nothing where it would."""
    found = [f"{error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(document)]
    if found:
        return found
    for directive in document["_aws"]["CloudWatchMetrics"]:
        # The members that a directive names must be there: strings for dimensions, numbers for metrics.
        for name in {name for dimensions in directive["Dimensions"] for name in dimensions}:
            value = document.get(name)
            if not isinstance(value, str) or not 1 <= len(value) <= 1024:
                found.append(f"the dimension {name} is {value!r}")
        for name in (metric["Name"] for metric in directive["Metrics"]):
            value = document.get(name)
            values = value if isinstance(value, list) else [value]
            if not 1 <= len(values) <= 100 or not all(type(each) in (int, float) for each in values):
                found.append(f"the metric {name} is {value!r}")
    return found


def metrics_of(document: dict[str, Any]) -> dict[str, float]:
    """Return the values of a document's metrics, each of which it must give once."""
    found = {}
    for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        value = document[metric["Name"]]
        (found[metric["Name"]],) = value if isinstance(value, list) else [value]
    return found
