"""The AWS CLI: see the package."""

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError


def main(arguments: Sequence[str]) -> None:
    """Do as the AWS CLI does."""
    parser = argparse.ArgumentParser("aws", allow_abbrev=False)
    parser.add_argument("--region")
    parser.add_argument("--query")
    parser.add_argument("--output", choices=["json", "text"], default="json")
    parser.add_argument("service")
    parser.add_argument("operation")
    options, rest = parser.parse_known_args(arguments)
    client = boto3.client(options.service, region_name=options.region)
    if (options.service, options.operation) == ("ecr", "get-login-password"):
        token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        print(base64.b64decode(token).decode().removeprefix("AWS:"))
        return
    try:
        if options.operation == "wait":
            name, *rest = rest
            waiter = client.get_waiter(name.replace("-", "_"))
            wanted = _parameters(client, xform_name(waiter.config.operation, "-"), rest)
            waiter.wait(**wanted, WaiterConfig={"Delay": 1})
            return
        method = getattr(client, xform_name(options.operation).replace("-", "_"))
        answer = method(**_parameters(client, options.operation, rest))
    except ClientError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(254)
    answer.pop("ResponseMetadata")
    found = jmespath.search(options.query, answer) if options.query else answer
    print(_as_text(found) if options.output == "text" else json.dumps(found, indent=4, default=str))


def _parameters(client: Any, operation: str, words: Sequence[str]) -> dict[str, Any]:
    """Return what the options of an operation say."""
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    members = {f"--{xform_name(name, '-')}": (name, member) for name, member in shape.members.items()}
    found: dict[str, Any] = {}
    name, member = "", None
    for word in words:
        if word.startswith("--"):
            flag = members.get(word.replace("--no-", "--", 1))
            if flag and flag[1].type_name == "boolean":
                found[flag[0]], member = not word.startswith("--no-"), None
                continue
            if word not in members:
                sys.exit(f"Unknown options: {word}")
            name, member = members[word]
        elif member is None:
            sys.exit(f"Unknown options: {word}")
        elif member.type_name == "list":
            found.setdefault(name, []).append(_structure(word) if member.member.type_name == "structure" else word)
        elif member.type_name == "structure":
            found[name] = _structure(word)
        else:
            found[name] = int(word) if member.type_name == "integer" else word
    return found


def _structure(word: str) -> dict[str, Any]:
    pairs = (pair.partition("=") for pair in word.split(","))
    return {key: {"true": True, "false": False}.get(value, value) for key, _, value in pairs}


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], list):
            return "\n".join(_as_text(each) for each in value)
        return "\t".join(_as_text(each) for each in value)
    return "None" if value is None else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
