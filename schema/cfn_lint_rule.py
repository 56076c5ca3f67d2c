"""A rule for cfn-lint: the properties of resources of the type Custom::EcrImageWaiter.

    cfn-lint template.yaml --append-rules schema

It needs cfn-lint and the JSON file beside it, nothing else of this project. A resource of the type
AWS::CloudFormation::CustomResource is not checked: nothing in a template says which function it calls.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cfnlint.jsonschema import ValidationError, Validator
from cfnlint.rules.jsonschema import CfnLintJsonSchema

_COUNTS: Final = ("minItems", "maxItems", "minProperties", "maxProperties")
_SCHEMA: Final = Path(__file__).with_name("ecr-image-waiter.json")

Keyword = Callable[[Validator, Any, Any, dict[str, Any]], Iterator[ValidationError]]


def _of_numbers_only(keyword: Keyword) -> Keyword:
    # cfn-lint applies it to text that reads like a number as well, and a tag may: 12e4567.
    def check(validator: Validator, limit: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        if not isinstance(instance, str):
            yield from keyword(validator, limit, instance, schema)

    return check


class EcrImageWaiterProperties(CfnLintJsonSchema):  # type: ignore[misc]  # cfn-lint comes without types
    """Validates the properties as the waiter does, those given by functions as far as cfn-lint resolves them.

    What cfn-lint has found by way of a function's default or allowed values keeps the rule and level cfn-lint gives it.
    """

    id = "E9350"
    shortdesc = "Properties of Custom::EcrImageWaiter are invalid"
    description = "Checks the properties of Custom::EcrImageWaiter by the schema that is generated from its model"
    tags = ("resources", "ecr")

    def __init__(self) -> None:
        """Read the schema."""
        super().__init__(keywords=["Resources/Custom::EcrImageWaiter/Properties"])
        self._schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
        # A keyword of cfn-lint's own.
        self._schema["properties"]["Images"]["uniqueKeys"] = ["Id"]

    def validate(self, validator: Validator, _: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
        """Return an error for each fault, at the property that has it."""
        limits = {name: _of_numbers_only(validator.validators[name]) for name in ("minimum", "maximum")}
        ours = self.extend_validator(validator, self._schema, validator.context.evolve(), limits)
        said = set()
        for error in ours.iter_errors(instance):
            if error.unknown:
                continue
            error.message = _in_words(error, self._schema["properties"])
            if (fault := (tuple(error.path), error.message)) not in said:
                said.add(fault)
                yield self._clean_error(error)


def _in_words(error: ValidationError, properties: dict[str, Any]) -> str:
    """Return the fault in the words of the waiter's own Reason, as far as the schema has them."""
    where = _place(list(error.path))
    if error.schema is False:
        beside = list(error.schema_path)[-3]
        return f"{where}: cannot be combined with {beside}; remove one of them"
    if error.validator == "uniqueKeys":
        return f"{where}: duplicate Id"
    # Of a schema that counts, cfn-lint shows the error no more than the counts.
    schema = properties[where.rpartition(".")[2]] if error.validator in _COUNTS else error.schema
    allowed = schema.get("errorMessage")
    if not allowed:
        return f"{where}: {error.message}" if where else str(error.message)
    kinds = ((list, "a list"), (dict, "an object"))
    received = next((word for kind, word in kinds if isinstance(error.instance, kind)), repr(error.instance))
    count = f" of {len(error.instance)}" if error.validator in _COUNTS else ""
    return f"{where}: received {received}{count}. {allowed}"


def _place(path: list[Any]) -> str:
    """Return the property that a path leads to. The branches of an Fn::If are no steps, other functions end it."""
    where = ""
    steps = iter(path)
    for step in steps:
        if str(step) == "Fn::If":
            next(steps, None)
        elif str(step) == "Ref" or str(step).startswith("Fn::"):
            break
        else:
            where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
    return where
