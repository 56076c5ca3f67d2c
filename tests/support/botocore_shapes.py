"""Whether an answer of an AWS service is one that botocore's model of the service knows."""

from functools import cache
from typing import Any, Final

import botocore.session
from botocore.validate import ParamValidator

COMMON_ERRORS: Final = frozenset({"AccessDeniedException"})
"""Those that an operation's model need not name (API reference, "Common Errors")."""


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def faults(service: str, operation: str, status: int, answer: dict[str, Any]) -> list[str]:
    """Returns what the model has against an answer's body: unknown keys, missing members, types, an error's code."""
    model = _model(service).operation_model(operation)
    if status == 200:
        shape, members = model.output_shape, answer
    else:
        modelled = {shape.error_code: shape for shape in model.error_shapes}
        code = answer.get("__type")
        if code in COMMON_ERRORS:
            return []
        if code not in modelled:
            return [f"{operation}: the error {code} is not one of {', '.join(sorted(modelled))}"]
        shape = modelled[code]
        # A message comes with every error; some models leave it out.
        own = {"__type"} if "message" in shape.members else {"__type", "message"}
        members = {key: value for key, value in answer.items() if key not in own}
    if shape is None:
        return [f"{operation}: {key}: unknown" for key in members]
    report = ParamValidator().validate(members, shape)
    # The least length of a list holds for what is asked; answers have empty ones.
    report._errors = [each for each in report._errors if each[0] != "invalid length"]
    return [f"{operation}: {report.generate_report()}"] if report.has_errors() else []
