"""Write what the CDK constructs deploy from template.yaml: `python -m sandbox.plain_template`, --check to compare only.

It is template.yaml after SAM's transform, because an app of the CDK has neither SAM nor a reader of YAML. Where the
code lies, and SAM's own tag, are left out.
"""

import json
import os
from typing import Any, Final

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from .generated import write_or_check
from .processes import ROOT

TARGET: Final = ROOT / "src" / "ecr_image_waiter" / "cdk" / "waiter.json"


class _NoManagedPolicies:
    """Where SAM would find managed policies; the template names none."""

    def load(self) -> dict[str, str]:
        return {}


def plain(source: dict[str, Any]) -> dict[str, Any]:
    """Return a SAM template without SAM. `source` is changed."""
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "-", "Key": "-"}
    parameters = source["Parameters"]
    defaults = {name: parameter["Default"] for name, parameter in parameters.items()}
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # SAM insists on one, and nothing here depends on it
    template = transform(source, defaults, _NoManagedPolicies())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"] = {**resource["Properties"], "Code": {}}
            resource["Properties"].pop("Tags")
        resource.pop("Metadata", None)
    return {
        "Parameters": {
            name: {key: value for key, value in parameter.items() if key != "Description"}
            for name, parameter in parameters.items()
        },
        "Conditions": template["Conditions"],
        "Resources": template["Resources"],
    }


def text() -> str:
    """Return what the file must hold."""
    return json.dumps(plain(yaml_parse((ROOT / "template.yaml").read_text())), indent=2) + "\n"


if __name__ == "__main__":
    write_or_check(TARGET, text())
