"""Whatever the template's parameters are, what comes of it passes cfn-lint and the rules of the template."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.processes import ROOT
from tests.policy.template import as_cloudformation_gets_it, violations
from tests.support.template_conditions import allowed, pairwise, resolved

TEXT: Final = (ROOT / "template.yaml").read_text()
SOURCE: Final = yaml_parse(TEXT)
REPOSITORY: Final = "arn:aws:ecr:eu-west-1:123456789012:repository/team-a/*"
PROJECT: Final = "arn:aws:codebuild:eu-west-1:123456789012:project/app"
CHOICES: Final = {
    "RepositoryArnPattern": ["", f"{REPOSITORY},arn:aws:ecr:eu-west-1:210987654321:repository/b"],
    "AssumableRoleArns": ["", "arn:aws:iam::210987654321:role/reader"],
    "BuildProjectArns": ["", PROJECT, f"{PROJECT},{PROJECT}-*"],
    "PipelineArns": ["", "arn:aws:codepipeline:eu-west-1:123456789012:app"],
    "AllowStartBuild": ["false", "true"],
    "LogLevel": ["INFO", "DEBUG"],
    "LogGroupName": ["", "/aws/lambda/Shop-Api-EcrImageWaiter"],
    "LogRetentionDays": ["30", "1"],
    "LogKmsKeyArn": ["", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    "MemorySize": ["128", "10240"],
    "Architecture": ["arm64", "x86_64"],
    "PermissionsBoundary": ["", "arn:aws:iam::123456789012:policy/boundary"],
    "FunctionName": ["", "waiter"],
    "ReservedConcurrency": ["", "50"],
    "ServiceTokenParameterName": ["/ecr-image-waiter/service-token", ""],
    "ConsumerAccounts": ["", "111122223333", "111122223331,111122223332,111122223333,111122223334,111122223335"],
    "ConsumerOrganizationId": ["", "o-a1b2c3d4e5"],
    "Dashboard": ["false", "true"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-west-1:123456789012:alarms"],
    "AccountConcurrencyThreshold": ["800", "4000"],
}
ROWS: Final = pairwise(CHOICES)


def deployed(row: dict[str, str]) -> dict[str, Any]:
    """Return the template that CloudFormation works off, given these parameters."""
    return resolved(as_cloudformation_gets_it(copy.deepcopy(SOURCE), row), row)


def test_every_parameter_is_tried_with_its_default_and_with_something_else_that_is_allowed() -> None:
    assert CHOICES.keys() == SOURCE["Parameters"].keys()
    for name, values in CHOICES.items():
        parameter = SOURCE["Parameters"][name]
        assert str(parameter["Default"]) == values[0]
        assert len(values) > 1
        assert [value for value in values if not allowed(parameter, value)] == []


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_what_any_two_parameters_make_of_the_template_breaks_no_rule_of_it(number: int) -> None:
    assert violations(deployed(ROWS[number]), TEXT) == []


@pytest.mark.slow
def test_what_any_two_parameters_make_of_the_template_passes_cfn_lint(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        (tmp_path / f"{number}.json").write_text(json.dumps(deployed(row)))

    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--regions", "us-east-1", "--", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )

    told = re.sub(r"\S*/(\d+)\.json", lambda match: str(ROWS[int(match[1])]), done.stdout)
    assert (done.returncode, told) == (0, "")
