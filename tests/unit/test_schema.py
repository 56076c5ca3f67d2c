"""The JSON schemas say what the model says, but for the differences that stand here, each with its reason."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from samtranslator.yaml_helper import yaml_parse

from ecr_image_waiter.cfn.properties import Entry, Properties, allowed_by
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.messages import InvalidRequest
from sandbox.processes import ROOT
from schema.__main__ import FOLDER, MOST_EXACT, PROPERTIES_FILE, TEMPLATE_FILE, TYPE, digits_between, main, stale
from tests.support.fakes import DIGEST
from tests.support.wrong_values import WRONG

SCHEMAS = {name: json.loads((FOLDER / name).read_text()) for name in (PROPERTIES_FILE, TEMPLATE_FILE)}
OF_PROPERTIES = Draft7Validator(SCHEMAS[PROPERTIES_FILE])
OF_TEMPLATE = Draft7Validator(SCHEMAS[TEMPLATE_FILE])
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
URI = f"{HOST}/team/app:v1"


def sent(value: object) -> object:
    """Return what CloudFormation makes of a value of a template: every number and boolean is text, at any depth."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return [sent(each) for each in value]
    return {key: sent(each) for key, each in value.items()} if isinstance(value, dict) else value


def service_takes(properties: object) -> bool:
    try:
        read_properties(sent(properties), None)
    except InvalidRequest:
        return False
    return True


def is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def template_takes(properties: object) -> bool:
    resource = {"Type": TYPE, "Properties": properties}
    return bool(OF_TEMPLATE.is_valid({"Resources": {"Image": resource}}))


# --- The files ------------------------------------------------------------------------------------------------------


def test_the_files_are_what_the_model_gives() -> None:
    assert stale(FOLDER) == []
    assert main(["--check"]) == 0


def test_a_stale_or_missing_file_fails_the_check_until_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / TEMPLATE_FILE
    assert main([], tmp_path) == 0

    for spoil in (lambda: file.write_text(file.read_text().replace("300", "301", 1)), file.unlink):
        spoil()
        assert main(["--check"], tmp_path) == 1
        assert str(file) in capsys.readouterr().err
        assert main([], tmp_path) == 0

    assert stale(tmp_path) == []


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
def test_a_schema_is_one_of_draft_07(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from patterns(each)
    elif isinstance(schema, dict):
        yield from (value for key, value in schema.items() if key == "pattern" and isinstance(value, str))
        yield from schema.get("patternProperties", {})
        yield from (pattern for value in schema.values() for pattern in patterns(value))


def test_patterns_read_the_same_in_python_in_javascript_and_in_go() -> None:
    """No look-around, no named groups, no classes whose letters differ, and no escape that JavaScript refuses."""
    for pattern in patterns(list(SCHEMAS.values())):
        assert re.compile(pattern)
        assert "(?" not in pattern
        assert set(re.findall(r"\\(.)", pattern)) <= {".", "+", "t", "r"}


def test_every_property_says_what_it_means_and_what_it_allows() -> None:
    properties = SCHEMAS[PROPERTIES_FILE]["properties"]
    of_one = properties["Images"]["items"]["properties"]
    for schema, model in ((properties, Properties), (of_one, Entry)):
        assert schema.keys() == model.model_fields.keys()
        for name, field_ in model.model_fields.items():
            assert field_.description
            assert allowed_by(field_)
            said = f"{field_.description} Allowed: {allowed_by(field_)}."
            assert re.fullmatch(rf"{re.escape(said)}( Default: \S+\.)?", schema[name]["description"])
    assert properties["MaxRetries"]["description"].endswith("Default: 60.")
    defaults = {name for name, each in properties.items() if "default" in each}
    assert defaults == {name for name, each in Properties.model_fields.items() if isinstance(each.default, int | float)}


@pytest.mark.parametrize(("least", "most"), [(0, 3600), (1, 900), (1, 9), (10, 10), (17, 2045), (0, 0), (99, 101)])
def test_digits_between_two_numbers_are_those_numbers_and_no_others(least: int, most: int) -> None:
    pattern = re.compile(digits_between(least, most))

    assert [n for n in range(5000) if pattern.fullmatch(str(n))] == [*range(least, most + 1)]


# --- The same as the model ------------------------------------------------------------------------------------------


ONE = {"RepositoryName": "app", "ImageTag": "v1"}
HOSTS = [
    HOST,
    "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
    "123456789012.dkr-ecr.eu-west-1.on.aws",
    "123456789012.dkr-ecr-fips.us-gov-west-1.on.aws",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
    "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
    "public.ecr.aws/shop",
    "ecr-public.aws.com/shop",
]
YES_OR_NO = [True, False, "True", "fALSE", "yes", "1", 0, 1]
VALUES: dict[str, list[Any]] = {
    "RepositoryName": [
        *("team/app", "a__b/c--d", 12, f"{HOST}/app", "a.dkr.ecr.b", 9, 10, MOST_EXACT, "ab", "a", "a" * 256, "a" * 257)
    ],
    "ImageTag": [0, -1, MOST_EXACT, 1.5, "12e4567", "t" * 300, "t" * 301],
    "ImageDigest": [DIGEST],
    "ImageUri": [
        "".join(parts) for parts in product(HOSTS, ("/app", "/team/app"), (":v1", f"@{DIGEST}", f":v1@{DIGEST}"))
    ]
    + [f"{HOST}/{wrong}" for wrong in ("app", "App:v1", "app:", f"app@{DIGEST}:v1", "a" * 660 + ":v1")]
    + [
        "123456789012.dkr-ecr.eu-west-1.amazonaws.com/app:v1",
        "12345678901.dkr.ecr.eu-west-1.amazonaws.com/app:v1",
        "123456789012.dkr.ecr.eu-west-1.evil.com/app:v1",
    ],
    "RegistryId": ["123456789012", "012345678901", 10**11 - 1, 10**11, 10**12 - 1, 10**12],
    "Region": ["eu-west-1", "us-gov-west-1", "eu-isoe-west-1", "eu-west", "EU-WEST-1", 1],
    "RoleArn": [
        *(f"arn:aws:iam::123456789012:role/{name}" for name in ("x", "x" * 600)),
        "arn:aws-us-gov:iam::123456789012:role/a/b+=,.@-_",
    ],
    "DeployTarget": ["Lambda", "ECS"],
    "Platform": [
        *("linux/arm64", "arm64", "windows/amd64", "linux/arm/v7", "X86_64", "386", 385, 386, 387, "darwin/arm64")
    ],
    "PushedAfter": ["StackOperation", "2026-11-32T12:00:00Z", "2026-11-01T24:00:00Z", "2026-11-01T12:60:00Z", 20261101]
    + ["2026-11-01T12:00:00+24:00", "2026-11-01T12:00:00,5Z", "2026-11-01Z"]
    + [
        "".join(parts)
        for parts in product(
            ("2026-11-01", "20261101", "2026-W44", "2026W44", "2026-W44-7", "2026W447"),
            ("T", " ", "t"),
            ("12", "12:00", "1200", "12:00:59", "120059", "23:59:00.5", "000000,123456"),
            ("Z", "+01", "-01:30", "+0130"),
        )
    ],
    "Labels": [{}, {"": "x"}, {"x" * 256: ""}, {"x" * 257: ""}, {"a": "x" * 1024}, {"a": "x" * 1025}, {"a": None}]
    + [{str(n): 1 for n in range(count)} for count in (20, 21)],
    "Images": [[{"Id": str(n), **ONE} for n in range(count)] for count in (0, 1, 20, 21)],
    "WaitForRepository": YES_OR_NO,
    "BuildProject": ["app", "a1", 12, "arn:aws:codebuild:eu-west-1:123456789012:project/app"],
    "Pipeline": ["app", "a", 1.5, -1, "arn:aws:codepipeline:eu-west-1:123456789012:app"],
    "StartBuild": YES_OR_NO,
    "Trigger": ["", None, [{}]],
    "ServiceToken": ["x"],
    "MaxRetries": [*range(-2, 3), 3599, 3600, 3601, "3600", "3601", "03600", "+3600", "3600.0", "3600.1", " "],
    "RetryDelaySeconds": [0, 1, 900, 901, "0", "1", " 900", "901"],
    "BackoffRate": [0.9, 1, 10, 10.1, "0.9", "1", "1.", "9.99", "10", "10.0", "10.1", "010", ".5e1", "1e0", "e1"],
    "ServiceTimeout": [9, 10, 3600, 3601, "10.0"],
}
for _name, _wrong in WRONG.items():
    VALUES[_name] += [value for value, _ in _wrong if is_json(value)]
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FREELY: dict[str, st.SearchStrategy[Any]] = {
    "PushedAfter": st.datetimes(timezones=OFFSETS)
    .filter(lambda time: 1 < time.year < 9999)
    .map(lambda time: time.isoformat()),
    "Labels": st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.booleans(), max_size=22),
    "BackoffRate": st.decimals(0, 20, places=2).map(str) | st.integers(-1, 12),
    "MaxRetries": st.integers(-5, 4000) | st.integers(-5, 4000).map(str) | st.text("0123456789+-.e_ ", max_size=6),
    "ImageTag": st.integers(-5, MOST_EXACT) | st.text("aA0_.-:/", max_size=9),
}
INSTEAD: dict[str, dict[str, Any]] = {"ImageUri": {}, "Images": {}, "StartBuild": {**ONE, "BuildProject": "app"}}
"""What a property stands beside, where it is not a repository and a tag."""
TWICE = {"Id": "a", **ONE}
CHINA = "123456789012.dkr.ecr.cn-north-1.amazonaws.com"

# Values of which the schema and the service think differently, and why that is left so.
THE_SCHEMA_TAKES: dict[str, list[dict[str, Any]]] = {
    "Python's $ stands before a last newline, too; that of other languages does not": [
        *({name: "30\n"} for name in ("MaxRetries", "RetryDelaySeconds", "ServiceTimeout")),
        *({"RepositoryName": "ab\n"}, {"ImageTag": "v1\n"}, {"Region": "eu-west-1\n"}),
    ],
    "JSON Schema cannot say that one key of the objects in a list is unique; the rule for cfn-lint does": [
        {"Images": [TWICE, TWICE]}
    ],
    "which suffix goes with which region would take a pattern for each partition": [{"ImageUri": f"{CHINA}/app:v1"}],
    "a pattern does not know the calendar": [{"PushedAfter": "2026-02-30T00:00Z"}],
    "a pattern does not reckon whether a time lies in a year that can be written, in UTC too": [
        *({"PushedAfter": "0001-01-01T00:00:00+14:00"}, {"PushedAfter": "9999-12-31T23:59:59-14:00"})
    ],
    "in JSON minus zero is zero; as text it keeps its sign": [{"MaxRetries": -0.0}, {"ImageTag": -0.0}],
    "in JSON 1.0 is a whole number; as text it keeps its point (what CloudFormation makes of it is untried)": [
        {"RegistryId": 123456789012.0}
    ],
    "half of a surrogate pair is no text that CloudFormation could send": [{"Labels": {"a": "\ud800"}}],
    "the length of a number's text, in a label": [{"Labels": {"a": 10**1024}}],
}
THE_SERVICE_TAKES: dict[str, list[dict[str, Any]]] = {
    "Python reads more forms of time than ISO 8601 and the reference have": [
        {"PushedAfter": "2026-11-01x12:00:00+01:30:15"}
    ],
    "a double has no more than 17 digits, a pattern has": [{"BackoffRate": "10.0000000000000000001"}],
    "a repository whose name is a number with a point is more likely a slip": [
        {"RepositoryName": value} for value in (12.5, 1.5, 1.0)
    ],
    "a number with a fraction may lose digits on its way, and what comes of it as text cannot tell": [
        *({"ImageTag": 1.5}, {"Pipeline": 1.5})
    ],
    "a longer number may be rounded on its way; as a string it stays what it is": [{"ImageTag": MOST_EXACT + 1}],
}
DIFFERENCES = [
    pytest.param(properties, takes, id=why)
    for takes, reasons in ((True, THE_SCHEMA_TAKES), (False, THE_SERVICE_TAKES))
    for why, each in reasons.items()
    for properties in each
]
DIFFERENT = {repr(difference.values[0]) for difference in DIFFERENCES}

RIGHT = {
    name: next(value for value in VALUES[name] if service_takes({**INSTEAD.get(name, ONE), name: value}))
    for name in Properties.model_fields.keys() - {"Images", "Trigger", "ServiceToken"}
}
FIPS = {"ImageUri": URI.replace("ecr.", "ecr-fips.", 1)}
LAMBDA = {"DeployTarget": "Lambda"}
BESIDE: dict[str, dict[str, Any]] = {
    "a URI": {"ImageUri": URI},
    "a repository and a tag": ONE,
    "a repository and a digest": {"RepositoryName": "app", "ImageDigest": DIGEST},
    "a URI of a FIPS host": FIPS,
    "Lambda": {**ONE, **LAMBDA},
    "Lambda, and a URI of a FIPS host": {**FIPS, **LAMBDA},
    **{
        f"Lambda, and {platform}": {**ONE, **LAMBDA, "Platform": platform}
        for platform in ("linux/amd64/v2", "windows/amd64", "arm", "linux/arm/v7", 386, "riscv64")
    },
    "a build project": {**ONE, "BuildProject": "app"},
    "a pipeline that starts": {**ONE, "Pipeline": "app", "StartBuild": "true"},
    "a repository": {"RepositoryName": "app"},
    "a tag": {"ImageTag": "v1"},
    "a list of images": {"Images": [{"Id": "a", **ONE}]},
    "nothing": {},
}


@pytest.mark.parametrize("beside", BESIDE)
def test_what_may_stand_beside_what_is_the_same_for_one_image_and_in_a_list(beside: str) -> None:
    for name, value in RIGHT.items():
        properties = {**BESIDE[beside], name: value}
        for each in (properties, {"Images": [{"Id": "a", **properties}]}):
            assert OF_PROPERTIES.is_valid(each) is service_takes(each), each
            assert template_takes({"ServiceToken": "x", **each}) is service_takes(each), each


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_taken_where_the_service_takes_it(name: str) -> None:
    for value in VALUES[name]:
        properties = {**INSTEAD.get(name, ONE), name: value}
        different = repr({name: value}) in DIFFERENT
        assert OF_PROPERTIES.is_valid(properties) is (service_takes(properties) is not different), value


@settings(max_examples=2 * settings().max_examples)
@given(st.sampled_from(sorted(FREELY)), st.data())
def test_a_drawn_value_is_taken_where_the_service_takes_it(name: str, data: st.DataObject) -> None:
    properties = {**ONE, name: data.draw(FREELY[name])}

    assert OF_PROPERTIES.is_valid(properties) is service_takes(properties)


@pytest.mark.parametrize(("properties", "schema_takes_it"), DIFFERENCES)
def test_a_difference_is_still_there(properties: dict[str, Any], *, schema_takes_it: bool) -> None:
    (name,) = properties
    properties = {**INSTEAD.get(name, ONE), **properties}

    assert OF_PROPERTIES.is_valid(properties) is schema_takes_it
    assert service_takes(properties) is not schema_takes_it


@pytest.mark.parametrize(
    "name", [name for name in Properties.model_fields if name not in ("Images", "Trigger", "ServiceToken")]
)
def test_a_wrong_value_is_refused_at_its_property_in_the_model_s_words(name: str) -> None:
    errors = list(OF_PROPERTIES.iter_errors({**INSTEAD.get(name, ONE), name: []}))

    assert {tuple(error.absolute_path) for error in errors} == {(name,)}
    assert {error.schema["errorMessage"] for error in errors} == {
        f"Allowed: {allowed_by(Properties.model_fields[name])}"
    }


# --- Templates ------------------------------------------------------------------------------------------------------


def faults_of(template: str) -> set[str]:
    """Return the paths of what an editor would mark, from the name of the resource on."""
    errors = OF_TEMPLATE.iter_errors(yaml_parse(template))
    return {"/".join(map(str, list(error.absolute_path)[1:])) for error in errors}


@pytest.mark.parametrize(
    "properties",
    [
        """
      RepositoryName: !Select [0, !Ref Names]
      ImageTag: !Sub "${Tag}-x"
      ImageDigest: !If [Pinned, !Ref Digest, !Ref AWS::NoValue]
      BackoffRate: !FindInMap [Rates, !Ref Stage, Rate]
      WaitForRepository: {"Fn::If": [Fresh, true, false]}
      Labels: {org.opencontainers.image.revision: !Ref Commit}
""",
        """
      Images:
        - Id: a
          ImageUri: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/app:v1"
          Labels: !If [Pinned, {a: b}, !Ref AWS::NoValue]
        - !If [Fresh, {Id: b, RepositoryName: app, ImageTag: v1}, !Ref AWS::NoValue]
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://bucket/more.yaml}}
""",
        """
      ImageUri: !If [Whole, !Ref Uri, !Ref AWS::NoValue]
      RepositoryName: !If [Whole, !Ref AWS::NoValue, app]
      ImageTag: !If [Whole, !Ref AWS::NoValue, v1]
""",
        "\n      Images: !Ref Images\n",
    ],
)
def test_functions_may_stand_for_any_value(properties: str) -> None:
    first = "\n      ServiceToken: !ImportValue ecr-image-waiter-ServiceToken"
    assert faults_of(f"Resources:\n  A:\n    Type: {TYPE}\n    Properties:{first}{properties}") == set()


def test_what_is_wrong_is_marked_where_it_stands() -> None:
    wrong = {
        "A": {"ServiceToken": "x", "RepositoryName": "App", "ImageTag": {"Reff": "Tag"}, "Labels": {"a": ["b"]}},
        "B": {"RepositoryName": "app", "ImageTag": "v1"},
        "C": {"ServiceToken": "x", "ImageUri": URI, "ImageTag": "v1", "Images": [ONE]},
    }
    resources = {name: {"Type": TYPE, "Properties": properties} for name, properties in wrong.items()}

    assert faults_of(json.dumps({"Resources": {**resources, "D": {"Type": TYPE}}})) == {
        *(f"A/Properties/{name}" for name in ("RepositoryName", "ImageTag", "Labels/a")),
        "B/Properties",
        *(f"C/Properties/{name}" for name in ("ImageTag", "ImageUri", "Images/0")),
        "D",
    }


def test_everything_else_in_a_template_is_left_alone() -> None:
    others = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  A: {Type: AWS::CloudFormation::CustomResource, Properties: {RepositoryName: App}}
  B: {Type: Custom::Other, Properties: {RepositoryName: App}}
  Fn::ForEach::Each: [Name, [a, b], {"${Name}": {Type: AWS::SNS::Topic}}]
Outputs: {X: {Value: !Ref A}}
"""
    assert faults_of(others) == set()


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the properties of each resource of ours in the project's own templates and documents."""
    files = [ROOT / "README.md", *sorted((ROOT / "sandbox").glob("*.yaml")), *sorted((ROOT / "docs").glob("*.md"))]
    for file in files:
        text = file.read_text()
        blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if file.suffix == ".md" else [text]
        for block in blocks:
            if TYPE in block and "ServiceToken: String" not in block:  # the reference's table of types
                yield from ((file.name, properties) for properties in ours(yaml_parse(block)))


def ours(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("Type") == TYPE:
            yield value["Properties"]
        for each in value.values():
            yield from ours(each)


def test_the_examples_are_right_by_the_schema() -> None:
    found = list(examples())

    assert {name for name, _ in found} >= {"README.md", "consumer.yaml", "build-fails.yaml", "first-deploy.yaml"}
    assert [(name, properties) for name, properties in found if not template_takes(properties)] == []
