"""cfn-lint itself, with the rule of the folder `schema`: what it reports, and where."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import PATIENCE, ROOT

TYPE = "Custom::EcrImageWaiter"
RULE = "E9350"
SUB_RESOLVED = "W1031"
REF_RESOLVED = "W1030"
HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Tag: {Type: String, Default: v1}
  Retries: {Type: Number, Default: 60}
  Names: {Type: CommaDelimitedList, Default: "team/app,team/other"}
  Stage: {Type: String, Default: test, AllowedValues: [test, live]}
Conditions:
  Live: !Equals [!Ref Stage, live]
Resources:
"""

RIGHT = f"""
  Literal:
    Type: {TYPE}
    Properties:
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      RepositoryName: team/app
      ImageTag: "12e4567"
      MaxRetries: 120
      WaitForRepository: true
  Functions:
    Type: {TYPE}
    Properties:
      ServiceToken: !ImportValue ecr-image-waiter-ServiceToken
      RepositoryName: !Select [1, !Ref Names]
      ImageTag: !Sub "${{Tag}}-x"
      MaxRetries: !Ref Retries
      RetryDelaySeconds: !If [Live, 30, "5"]
      BackoffRate: !If [Live, 2, !Ref AWS::NoValue]
      Labels:
        org.opencontainers.image.revision: !Ref Tag
      Trigger: !Ref AWS::StackId
  Either:
    Type: {TYPE}
    Properties:
      ServiceToken: !GetAtt Waiter.Arn
      ImageUri: !If [Live, !Sub "${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com/app:v1", !Ref AWS::NoValue]
      RepositoryName: !If [Live, !Ref AWS::NoValue, app]
      ImageTag: !If [Live, !Ref AWS::NoValue, v1]
  Several:
    Type: {TYPE}
    Properties:
      ServiceToken: !GetAtt Waiter.Arn
      Images:
        - Id: one
          RepositoryName: !GetAtt Literal.RepositoryName
          ImageDigest: !GetAtt Literal.ImageDigest
        - !If [Live, {{Id: two, RepositoryName: app, ImageTag: !Ref Tag}}, !Ref AWS::NoValue]
  OfAnotherType:
    Type: AWS::CloudFormation::CustomResource
    Properties:
      ServiceToken: !GetAtt Waiter.Arn
      RepositoryName: App
  Waiter:
    Type: AWS::Lambda::Function
    Properties:
      PackageType: Image
      Role: arn:aws:iam::123456789012:role/x
      Code: {{ImageUri: !GetAtt Literal.ImageUri}}
"""

WRONG = f"""
  OneByOne:
    Type: {TYPE}
    Properties:
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      RepositoryName: App  # RepositoryName: received 'App'. Allowed: an ECR repository name
      ImageTag: !Sub "-${{AWS::Partition}}"  # ImageTag: received '-aws'. Allowed: an image tag
      MaxRetries: "3601"  # MaxRetries: received '3601'. Allowed: a whole number from 0 to 3600
      RetryDelay: 5  # RetryDelay: Additional properties are not allowed
      BackoffRate: [2]  # BackoffRate: received a list. Allowed: a number from 1 to 10
      WaitForRepository: !If [Live, true, maybe]  # WaitForRepository: received 'maybe'. Allowed: true or false
      Labels:
        a: {{b: c}}  # Labels.a: received an object. Allowed: a string
  NotNamed:
    Type: {TYPE}
    Properties:  # 'ImageTag' is a required property
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      RepositoryName: app
  NamedTwice:
    Type: {TYPE}
    Properties:
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      ImageUri: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1
      Region: eu-west-1  # Region: cannot be combined with ImageUri; remove one of them
  NamedTwiceWhenLive:
    Type: {TYPE}
    Properties:
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      RepositoryName: app  # RepositoryName: cannot be combined with Images; remove one of them
      ImageTag: !If [Live, !Ref AWS::NoValue, v1]
      Images: !If [Live, [], !Ref AWS::NoValue]  # Images: received a list of 0. Allowed: a list of 1 to 20
  Several:
    Type: {TYPE}
    Properties:
      ServiceToken: "{{{{resolve:ssm:/ecr-image-waiter/service-token}}}}"
      Images:  # Images: duplicate Id
        - Id: one
          RepositoryName: app
          ImageTag: v 1  # Images[0].ImageTag: received 'v 1'. Allowed: an image tag
        - Id: one
          RepositoryName: app
          ImageTag: v1
        - !If [Live, {{Id: two, RepositoryName: A, ImageTag: v1}}, !Ref AWS::NoValue]  # Images[2].RepositoryName:
"""

PARAMETER = f"""
  Image:
    Type: {TYPE}
    Properties:
      ServiceToken: x
      RepositoryName: app
      ImageTag: !Ref Tag
      MaxRetries: !Ref Tag
"""

Found = dict[str, list[tuple[int, str, str]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What cfn-lint says of each template, with `schema` and nothing else of the project: line, rule, message."""
    folder = tmp_path_factory.mktemp("of-a-user")
    shutil.copytree(ROOT / "schema", folder / "schema", ignore=shutil.ignore_patterns("__pycache__"))
    templates = {"right.yaml": RIGHT, "wrong.yaml": WRONG, "parameter.yaml": PARAMETER}
    for name, resources in templates.items():
        (folder / name).write_text(HEAD + resources)
    program = Path(sys.executable).parent / "cfn-lint"
    unused = ["W2001", "W8001"]  # parameters, conditions
    done = subprocess.run(
        [program, *templates, "--format", "json", "--append-rules", "schema", "--ignore-checks", *unused],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert not done.stderr
    found: Found = {name: [] for name in templates}
    for each in json.loads(done.stdout):
        found[each["Filename"]].append((each["Location"]["Start"]["LineNumber"], each["Rule"]["Id"], each["Message"]))
    return found


def test_a_right_template_is_clean_whether_its_values_are_literals_or_functions(found: Found) -> None:
    assert found["right.yaml"] == []


def test_each_fault_is_reported_at_its_line_in_the_words_of_the_waiter(found: Found) -> None:
    lines = enumerate((HEAD + WRONG).splitlines(), start=1)
    marked = {number: line.partition("  # ")[2] for number, line in lines if "  # " in line}
    wrong = found["wrong.yaml"]
    assert [line for line, _, _ in wrong] == sorted(marked)
    assert [message[: len(marked[line])] for line, _, message in wrong] == list(marked.values())
    assert {rule for _, rule, _ in wrong} == {RULE, SUB_RESOLVED}


def test_a_parameter_s_default_that_would_be_refused_is_a_warning_at_the_parameter(found: Found) -> None:
    ((line, rule, message),) = found["parameter.yaml"]
    assert (line, rule, message[:27]) == (3, REF_RESOLVED, "MaxRetries: received 'v1'. ")
