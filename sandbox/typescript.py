"""Write what the TypeScript construct has from the model: `python -m sandbox.typescript`, --check to compare only.

The props with their comments come from the JSON schema, the attributes with theirs from the Python construct, and the
sentences of faults from the service, which is asked about properties that are wrong in one way each.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ecr_image_waiter.cfn.properties import Properties
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.messages import InvalidRequest, shown
from ecr_image_waiter.core.uris import without_fips

from .generated import write_or_check
from .processes import ROOT

PACKAGE: Final = ROOT / "cdk-typescript"
TARGET: Final = PACKAGE / "src" / "generated.ts"
SCHEMA: Final = ROOT / "schema" / "ecr-image-waiter.json"
_CONSTRUCT: Final = ROOT / "src" / "ecr_image_waiter" / "cdk" / "waiter.py"
_WIDTH: Final = 120

_NAMES: Final = {
    "RepositoryName": "repository",
    "ImageTag": "tag",
    "ImageDigest": "digest",
    "RoleArn": "role",
    "RetryDelaySeconds": "retryDelay",
}
"""Props that are not called like their property."""
_TYPES: Final = {
    "RepositoryName": "string | ecr.IRepository",
    "RoleArn": "string | iam.IRole",
    "DeployTarget": '"Lambda" | "ECS"',
    "Platform": "string | lambda.Architecture",
    "Labels": "Readonly<Record<string, string>>",
    "PushedAfter": "string | Date",
    "Images": "readonly Image[]",
    "RetryDelaySeconds": "number | Duration",
    "BuildProject": "string | codebuild.IProject",
    "Pipeline": "string | codepipeline.IPipeline",
    "ServiceTimeout": "number | Duration",
}
"""Props that take more than their property does. Any other takes what the schema says."""
_BY_HAND: Final = "ServiceToken"
_HEAD: Final = """\
// Written by `make schema` from the model of the waiter. Change that, not this file.
import type { Duration } from "aws-cdk-lib";
import type * as codebuild from "aws-cdk-lib/aws-codebuild";
import type * as codepipeline from "aws-cdk-lib/aws-codepipeline";
import type * as ecr from "aws-cdk-lib/aws-ecr";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
"""
_URI: Final = "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/app:v1"
_ONE: Final = {"RepositoryName": "app", "ImageTag": "v1"}


def text() -> str:
    """Return what the file must hold."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    of_an_image = schema["properties"]["Images"]["items"]["properties"]
    of_all = {name: each for name, each in schema["properties"].items() if name not in {*of_an_image, _BY_HAND}}
    properties = {_prop(name): name for name in (*of_an_image, *of_all)}
    parts = [
        _HEAD,
        "/** Which image to wait for, and what it must be. */",
        *_interface("ImageProps", {name: each for name, each in of_an_image.items() if name != "Id"}),
        "/** One of several images. */",
        *_interface("Image extends ImageProps", {"Id": of_an_image["Id"]}, required=("Id",)),
        "/** The properties of `Custom::EcrImageWaiter`. */",
        *_interface("WaiterProps extends ImageProps", of_all),
        "type Prop = keyof Image | keyof WaiterProps;",
        "/** The property of the resource that each prop becomes. */",
        f"export const PROPERTIES: Readonly<Record<Prop, string>> = {_literal(properties)};\n",
        "/** The service's own sentences about faults. */",
        f"export const WORDS = {_literal(_words(schema))};\n",
        *_attributes(),
    ]
    return "\n".join(parts)


def _prop(name: str) -> str:
    return _NAMES.get(name, name[0].lower() + name[1:])


def _type(schema: Mapping[str, Any]) -> str:
    types = schema.get("type", "string")
    for type_ in ("boolean", "number", "integer"):
        if "default" in schema and type_ in types:
            return "number" if type_ == "integer" else type_
    return "string"


def _interface(name: str, properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"export interface {name} {{"
    for property_, schema in properties.items():
        yield from _comment(_of_props(schema["description"]))
        optional = "" if property_ in required else "?"
        yield f"  readonly {_prop(property_)}{optional}: {_TYPES.get(property_) or _type(schema)};"
    yield "}\n"


def _of_props(words: str) -> str:
    """Return a description with the names of props in place of those of properties."""
    names = "|".join(read for read in Properties.model_fields if read != _BY_HAND)
    return re.sub(rf"(?<=[a-z] )({names})\b", lambda match: f"`{_prop(match[1])}`", words)


def _comment(words: str) -> Iterator[str]:
    lines, line = [], ""
    for word in words.replace("*/", "* /").split():
        if len(line) + len(word) + len("   * ") >= _WIDTH:
            lines.append(line)
            line = ""
        line += f" {word}" if line else word
    lines.append(line)
    if len(lines) == 1 and len(lines[0]) + len("  /**  */") <= _WIDTH:
        yield f"  /** {lines[0]} */"
    else:
        yield from ("  /**", *(f"   * {each}" for each in lines), "   */")


def _literal(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _attributes() -> Iterator[str]:
    """Return a class with the attributes that the Python construct has, in its words."""
    tree = ast.parse(_CONSTRUCT.read_text(encoding="utf-8"))
    (construct,) = (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "EcrImageWaiter")
    yield "/** What the resource returns, as tokens. */"
    yield "export abstract class Attributes extends Construct {"
    for each in construct.body:
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call) and isinstance(each.targets[0], ast.Name):
            name, meaning = (ast.literal_eval(argument) for argument in each.value.args)
            of = "attribute" if each.value.keywords else "ofOne"
            first, *rest = each.targets[0].id.split("_")
            yield from _comment(meaning)
            yield f"  get {first}{''.join(part.capitalize() for part in rest)}(): string {{"
            yield f'    return this.{of}("{name}");'
            yield "  }\n"
    yield "  /** An attribute of a wait for one image. */"
    yield "  protected abstract ofOne(name: string): string;"
    yield "  /** An attribute that every wait has. */"
    yield "  protected abstract attribute(name: string): string;"
    yield "}\n"


def _words(schema: Mapping[str, Any]) -> dict[str, Any]:
    image = {"Id": "a", **_ONE}
    allowed = {
        name: each.get("errorMessage", "").removeprefix("Allowed: ") for name, each in schema["properties"].items()
    }
    host = _URI.partition("/")[0]
    for_lambda = {"DeployTarget": "Lambda"}
    return {
        "value": _said("Images", {"Images": []}).replace(" of 0", "{count}").replace(allowed["Images"], "{allowed}"),
        "empty": _said("ImageTag", {**_ONE, "ImageTag": ""}).partition(allowed["ImageTag"])[2],
        "missing": {
            "RepositoryName": _said("RepositoryName", {"ImageTag": "v1"}),
            "ImageTag": _said("ImageTag", {"RepositoryName": "app"}),
            "Images.RepositoryName": _said("Images[0].RepositoryName", {"Images": [{"Id": "a", "ImageTag": "v1"}]}),
            "Images.ImageTag": _said("Images[0].ImageTag", {"Images": [{"Id": "a", "RepositoryName": "app"}]}),
            "Images.Id": _said("Images[0].Id", {"Images": [_ONE]}),
        },
        "beside": {
            "ImageUri": _said("RepositoryName", {"ImageUri": "-", "RepositoryName": "app"}),
            "Images": _said("RepositoryName", {"Images": [image], "RepositoryName": "app"}),
            "BuildProject": _said("Pipeline", {**_ONE, "BuildProject": "build", "Pipeline": "pipeline"}),
        },
        "unknown": _said("MaxRetry", {**_ONE, "MaxRetry": "-"}).replace("MaxRetries", "{meant}"),
        "ofAll": _said("Images[0].Trigger", {"Images": [{**image, "Trigger": "-"}]}).replace('"-"', "{received}"),
        "StartBuild": _said("StartBuild", {**_ONE, "StartBuild": True}),
        "Lambda": {
            "Platform": _said("Platform", {**_ONE, **for_lambda, "Platform": "arm"}),
            "ImageUri": _said("ImageUri", {**for_lambda, "ImageUri": _URI})
            .replace(f'"{host}"', "{received}")
            .replace(f'"{without_fips(host)}"', "{usual}"),
        },
        "twice": _said("Images", {"Images": [image, image]}).replace('"a"', "{received}"),
    }


def _said(of: str, properties: Mapping[str, Any]) -> str:
    """Return the sentence of the service about one property, without its name and the value received."""
    received = f"received {shown(properties.get(of))}"
    try:
        read_properties(properties, None)
    except InvalidRequest as error:
        said = next(fault.removeprefix(f"{of}: ") for fault in error.faults if fault.startswith(f"{of}: "))
        return said.replace(received, "received {received}")
    raise AssertionError(f"{properties} are valid")


if __name__ == "__main__":
    write_or_check(TARGET, text())
