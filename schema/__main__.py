"""Write what is made of the model of the properties: `python -m schema`, with --check to compare only.

These are the JSON schemas of this folder, and the options of the command.

The generator has no module of its own beside this one, because cfn-lint loads every module of this folder whose name
begins with a letter or a digit, on machines that have nothing of this project but the folder.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, get_origin

from ecr_image_waiter.cfn.properties import OneImage, Properties, allowed_by
from ecr_image_waiter.cli.options import NOW
from ecr_image_waiter.cli.words import in_options, option_of
from ecr_image_waiter.core.conditions import STACK_OPERATION
from ecr_image_waiter.core.uris import DIGEST, REGION, REPOSITORY, SUFFIXES, TAG

Schema: TypeAlias = dict[str, Any]
Wrap: TypeAlias = Callable[[Schema], Schema]

FOLDER: Final = Path(__file__).parent
PROPERTIES_FILE: Final = "ecr-image-waiter.json"
TEMPLATE_FILE: Final = "template.json"
OPTIONS_FILE: Final = "../src/ecr_image_waiter/cli/options.json"
TYPE: Final = "Custom::EcrImageWaiter"
DRAFT: Final = "http://json-schema.org/draft-07/schema#"

MOST_EXACT: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly; a longer one must be written as a string."""

# CloudFormation sends numbers and booleans as text, so they will do where their text does. A number with a fraction may
# have lost digits by then.
_TEXT_OF_ANY: Final = {"type": ["string", "integer", "boolean"]}
_TEXT_OF: Final = {
    "RepositoryName": {"type": ["string", "integer", "boolean"], "minimum": 10, "maximum": MOST_EXACT},
    "ImageTag": {**_TEXT_OF_ANY, "minimum": 0, "maximum": MOST_EXACT},
    "RegistryId": {"type": ["string", "integer"], "minimum": 10**11, "maximum": 10**12 - 1},
    "Platform": {"type": ["string", "integer"], "minimum": 386, "maximum": 386},
    "BuildProject": {"type": ["string", "integer", "boolean"], "minimum": 10, "maximum": MOST_EXACT},
    "Pipeline": {**_TEXT_OF_ANY, "minimum": -MOST_EXACT, "maximum": MOST_EXACT},
    "Id": {"type": ["string", "integer", "boolean"], "minimum": 0, "maximum": MOST_EXACT},
}


def digits_between(least: int, most: int) -> str:
    """Return a pattern of the whole numbers from `least`, 0 or more, to `most`, without leading zeros."""
    alternatives = []
    for length in range(len(str(least)), len(str(most)) + 1):
        low = max(least, 10 ** (length - 1) if length > 1 else 0)
        alternatives += _of_one_length(str(low), str(min(most, 10**length - 1)))
    return f"({'|'.join(alternatives)})"


def _of_one_length(low: str, high: str) -> list[str]:
    rest = len(low) - 1
    if not rest:
        return [low if low == high else f"[{low}-{high}]"]
    first, last = int(low[0]), int(high[0])
    if first == last:
        return [low[0] + tail for tail in _of_one_length(low[1:], high[1:])]
    before, after = [], []
    if low[1:] != "0" * rest:
        before = [low[0] + tail for tail in _of_one_length(low[1:], "9" * rest)]
        first += 1
    if high[1:] != "9" * rest:
        after = [high[0] + tail for tail in _of_one_length("0" * rest, high[1:])]
        last -= 1
    heads = _of_one_length(str(first), str(last)) if first <= last else []
    return [*before, *(head + "[0-9]" * rest for head in heads), *after]


def _whole(field: Schema) -> Schema:
    digits = digits_between(field["minimum"], field["maximum"])
    return {"type": ["integer", "string"], "pattern": rf"^0*{digits}(\.0+)?$"}


def _decimal(field: Schema) -> Schema:
    least, most = int(field["minimum"]), int(field["maximum"])
    within = rf"{digits_between(least, most - 1)}(\.[0-9]+)?|{most}(\.0+)?"
    return {"type": ["number", "string"], "pattern": f"^0*({within})$"}


def _boolean(_: Schema) -> Schema:
    words = ("".join(f"[{c.upper()}{c}]" for c in word) for word in ("true", "false"))
    return {"type": ["boolean", "string"], "pattern": f"^({'|'.join(words)})$"}


_OF_TYPE: Final[dict[str, Callable[[Schema], Schema]]] = {"integer": _whole, "number": _decimal, "boolean": _boolean}


def _uri_pattern() -> str:
    usual, dual_stack = (
        "|".join(dict.fromkeys(suffixes[kind].replace(".", r"\.") for suffixes in SUFFIXES.values())) for kind in (0, 1)
    )
    host = (
        rf"[0-9]{{12}}\.dkr(\.ecr(-fips)?\.{REGION}\.({usual})|-ecr(-fips)?\.{REGION}\.({dual_stack}))"
        r"|(public\.ecr\.aws|ecr-public\.aws\.com)/[a-z][a-z0-9._-]+"
    )
    return f"^({host})/{REPOSITORY}(:{TAG}(@{DIGEST})?|@{DIGEST})$"


def _time_pattern() -> str:
    month, day = "(0[1-9]|1[0-2])", "(0[1-9]|[12][0-9]|3[01])"
    week = "W[0-5][0-9]"
    date = rf"[0-9]{{4}}(-{month}-{day}|{month}{day}|-{week}(-[1-7])?|{week}[1-7]?)"
    clock = r"([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?|[0-5][0-9]([0-5][0-9]([.,][0-9]+)?)?)?"
    offset = "(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
    return f"^({STACK_OPERATION}|{date}[Tt ]{clock}{offset})$"


# What the model checks in code and not in a constraint of the field.
_CHECKED: Final[dict[str, Schema]] = {
    "RepositoryName": {"not": {"type": "string", "pattern": r"\.dkr\.ecr\."}},
    "ImageUri": {"pattern": _uri_pattern()},
    "PushedAfter": {"pattern": _time_pattern()},
}


def _property(name: str, field: Schema, wrap: Wrap) -> Schema:
    """Return the schema of one property of the model's, as templates write it."""
    allowed = str(field["allowed"])
    default = field.get("default", "")
    known = "" if default == "" else f" Default: {json.dumps(default)}."
    hover = {
        "description": f"{field['description']} Allowed: {allowed}.{known}",
        **({} if default == "" else {"default": default}),
    }
    annotations = ("title", "description", "allowed", "default")
    constraints = {key: value for key, value in field.items() if key not in annotations}
    written = _OF_TYPE.get(constraints.get("type", ""))
    changed = written(constraints) if written else {}
    value = {**constraints, **changed, **_TEXT_OF.get(name, {}), **_CHECKED.get(name, {})}
    if name == "Labels":
        label = constraints["additionalProperties"]
        said = f"Allowed: a string of 1 to {label['maxLength']} characters"
        value["additionalProperties"] = wrap({**label, **_TEXT_OF_ANY, "errorMessage": said})
    if not value:
        return hover
    return {**hover, **wrap({**value, "errorMessage": f"Allowed: {allowed}"})}


def _image(model: Schema, wrap: Wrap) -> Schema:
    """Return the schema of an object that says which image, without what must be beside what."""
    properties = {name: _property(name, field, wrap) for name, field in model["properties"].items() if name != "Images"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


# What Lambda refuses whatever is there.
_REFUSED_BY_LAMBDA: Final[Schema] = {
    "Platform": {
        "not": {
            "anyOf": [
                {"type": "string", "pattern": "^(windows/.*|(linux/)?(arm|386|ppc64le|s390x|riscv64)(/.*)?)$"},
                {"const": 386},
            ]
        },
        "errorMessage": "Allowed beside DeployTarget Lambda: linux/amd64 or linux/arm64",
    },
    "ImageUri": {
        "not": {"type": "string", "pattern": r"^[0-9]+\.dkr[.-]ecr-fips\."},
        "errorMessage": "Allowed beside DeployTarget Lambda: a URI without a FIPS host",
    },
}
_FOR_LAMBDA: Final[Schema] = {
    "DeployTarget": {
        "if": {"properties": {"DeployTarget": {"const": "Lambda"}}},
        "then": {"properties": _REFUSED_BY_LAMBDA},
    }
}


_FUNCTION: Final = {"$ref": "#/definitions/function"}


def _or_function(value: Schema) -> Schema:
    return {"if": _FUNCTION, "else": value}


PARTS: Final = ("RepositoryName", "ImageTag", "ImageDigest", "RegistryId", "Region")
_TAG_OR_DIGEST: Final = {"if": {"not": {"required": ["ImageDigest"]}}, "then": {"required": ["ImageTag"]}}
_BY_PARTS: Final = {"required": ["RepositoryName"], **_TAG_OR_DIGEST}


def _identity(*, instead: list[str]) -> Schema:
    """Return that an image is named by its parts, unless by one of the properties that stand instead of them."""
    named = [{"required": [name]} for name in instead]
    return {"if": {"not": {"anyOf": named}}, "then": _BY_PARTS}


def _excluded(beside: str, names: tuple[str, ...]) -> Schema:
    return {beside: {"properties": dict.fromkeys(names, False)}}


def _excluded_unless_functions(beside: str, names: tuple[str, ...]) -> Schema:
    """As above, where either may be an Fn::If that leaves it out: an editor does not resolve conditions."""
    # Nothing else takes null, so it stands for `false`, to which editors give no message.
    nothing = {"type": "null", "errorMessage": f"Cannot be combined with {beside}; remove one of them"}
    names_it = {"properties": {beside: _FUNCTION}}
    return {beside: {"if": names_it, "else": {"properties": dict.fromkeys(names, _or_function(nothing))}}}


def properties_schema(wrap: Wrap = lambda value: value, excluded: Callable[..., Schema] = _excluded) -> Schema:
    """Return the schema of the properties.

    Args:
        wrap: what becomes of the schema of a value.
        excluded: how it is said that properties must not stand beside another.
    """
    model = Properties.model_json_schema(mode="validation")
    entry = {
        **_image(model["$defs"]["Entry"], wrap),
        "required": model["$defs"]["Entry"]["required"],
        "dependencies": {**excluded("ImageUri", PARTS), **_FOR_LAMBDA},
        **_identity(instead=["ImageUri"]),
    }
    whole = _image(model, wrap)
    images = model["properties"]["Images"]
    whole["properties"]["Images"] = _property("Images", {**images, "items": wrap(entry)}, wrap)
    return {
        **whole,
        "dependencies": {
            **excluded("ImageUri", PARTS),
            **excluded("Images", tuple(OneImage.model_fields)),
            **excluded("BuildProject", ("Pipeline",)),
            **_FOR_LAMBDA,
            "StartBuild": {"anyOf": [{"required": ["BuildProject"]}, {"required": ["Pipeline"]}]},
        },
        **_identity(instead=["ImageUri", "Images"]),
    }


def template_schema() -> Schema:
    """Return the schema of a template, which constrains the properties of resources of our type and nothing else."""
    properties = properties_schema(_or_function, _excluded_unless_functions)
    properties["required"] = ["ServiceToken"]
    properties["patternProperties"] = {"^Fn::(Transform$|ForEach::)": {}}
    ours = {"required": ["Properties"], "properties": {"Properties": {"$ref": "#/definitions/properties"}}}
    return {
        "$schema": DRAFT,
        "title": f"A CloudFormation template with {TYPE}",
        "definitions": {
            "function": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "patternProperties": {"^(Ref|Fn::[A-Za-z0-9:]+)$": {}},
            },
            "properties": properties,
        },
        "type": "object",
        "properties": {
            "Resources": {
                "type": "object",
                "additionalProperties": {
                    "if": {"type": "object", "required": ["Type"], "properties": {"Type": {"const": TYPE}}},
                    "then": ours,
                },
            }
        },
    }


# Region is the AWS CLI's own option; the others are CloudFormation's business, or said by the arguments.
_NO_OPTIONS: Final = frozenset({"RepositoryName", "ImageTag", "ImageDigest", "ImageUri", "Region", "Images"}) | {
    "Trigger", "ServiceTimeout", "ServiceToken"
}  # fmt: skip
_OF_CHECK: Final = frozenset({*OneImage.model_fields, "BuildProject", "Pipeline"})


def _option(name: str) -> Schema:
    """Return what argparse is told of the option for a property, and the commands that have it."""
    field = Properties.model_fields[name]
    meaning, allowed = (
        in_options(text).replace(STACK_OPERATION, NOW) for text in (str(field.description), allowed_by(field))
    )
    default = f" Default: {field.default}." if field.default else ""
    how = {"metavar": "VALUE", "help": f"{meaning} Allowed: {allowed}.{default}".replace("%", "%%")}
    if field.annotation is bool:
        how = {"action": "store_const", "const": "true", "help": meaning}
    elif get_origin(field.annotation) is dict:
        how = {"action": "append", "metavar": "NAME=VALUE", "help": f"{meaning} May be repeated."}
    commands = ["wait", "check"] if name in _OF_CHECK else ["wait"]
    return {"option": option_of(name), "dest": name, **how, "commands": commands}


def options() -> list[Schema]:
    """Return the options of the command that stand for properties."""
    return [_option(name) for name in Properties.model_fields if name not in _NO_OPTIONS]


def files() -> Mapping[str, str]:
    """Return the text of each file by its name."""
    head = {"$schema": DRAFT, "title": TYPE, "description": "Holds a stack until a container image is in ECR."}
    texts = {
        PROPERTIES_FILE: {**head, **properties_schema()},
        TEMPLATE_FILE: template_schema(),
        OPTIONS_FILE: options(),
    }
    return {name: json.dumps(text, indent=2) + "\n" for name, text in texts.items()}


def stale(folder: Path) -> list[str]:
    """Return the names of the files of a folder that are missing or not what the model gives."""
    texts = files()
    return [name for name in texts if not (folder / name).exists() or (folder / name).read_text() != texts[name]]


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files, or say which are stale. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schema", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    options = parser.parse_args(arguments)
    old = stale(folder)
    if options.check:
        for name in old:
            print(f"{folder / name} is not what the model gives: make schema", file=sys.stderr)
        return 1 if old else 0
    texts = files()
    for name in old:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(texts[name])
        print(f"Wrote {folder / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
