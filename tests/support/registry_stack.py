"""The app of examples/registry-stack, as it is synthesized: its stacks in the order in which the CDK deploys them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.commands import COMMIT
from sandbox.processes import ROOT
from tests.support.apps import synthesized

FOLDER = ROOT / "examples" / "registry-stack"
LASTING = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::ECR::PublicRepository")
"""The types of what must not be lost."""


@dataclass(frozen=True)
class Synthesized:
    """A stack: its template, the stacks that it depends on, and whether it may be deleted."""

    template: dict[str, Any]
    needs: frozenset[str]
    protected: bool

    def ids(self, *types: str) -> list[str]:
        """Return the logical ids of the resources of some types, sorted."""
        return sorted(name for name, each in self.template["Resources"].items() if each["Type"] in types)


def stacks(out: Path) -> dict[str, Synthesized]:
    """Return the app's stacks by their names, each after those that it depends on.

    Args:
        out: where what is synthesized goes.
    """
    context = json.loads((FOLDER / "cdk.json").read_text())["context"]
    templates = synthesized(FOLDER, out, {**context, "commit": COMMIT})
    artifacts = json.loads((out / "manifest.json").read_text())["artifacts"]
    found = {
        name: Synthesized(
            template,
            frozenset(templates.keys() & artifacts[name].get("dependencies", [])),
            bool(artifacts[name]["properties"].get("terminationProtection")),
        )
        for name, template in templates.items()
    }
    return {name: found[name] for name in _in_order({name: each.needs for name, each in found.items()})}


def _in_order(needs: Mapping[str, frozenset[str]]) -> Iterator[str]:
    done: set[str] = set()
    while done < needs.keys():
        ready = min(name for name, those in needs.items() if name not in done and those <= done)
        yield ready
        done.add(ready)
