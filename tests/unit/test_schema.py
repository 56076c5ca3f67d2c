"""The JSON schemas say what the model says, but for the differences that stand here, each with its reason."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from samtranslator.yaml_helper import yaml_parse

from ecr_image_waiter.cfn.properties import Entry, OneImage, Properties, allowed_by
from ecr_image_waiter.cfn.validation import read_properties
from ecr_image_waiter.core.messages import InvalidRequest
from ecr_image_waiter.core.model import Place
from sandbox.processes import ROOT
from schema.__main__ import (
    FOLDER,
    MOST_EXACT,
    PROPERTIES_FILE,
    TEMPLATE_FILE,
    TYPE,
    digits_between,
    main,
    stale,
)
from tests.support.fakes import DIGEST, PROPERTIES
from tests.support.strategies import JSON, NUMBERS, TEXT
from tests.support.wrong_values import WRONG

SCHEMAS = {name: json.loads((FOLDER / name).read_text()) for name in (PROPERTIES_FILE, TEMPLATE_FILE)}
OF_PROPERTIES = Draft7Validator(SCHEMAS[PROPERTIES_FILE])
OF_TEMPLATE = Draft7Validator(SCHEMAS[TEMPLATE_FILE])
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
URI = f"{HOST}/team/app:v1"
PLACE = Place("aws", "eu-west-1", "123456789012")


def sent(value: object) -> object:
    """Return what CloudFormation makes of a value of a template: every number and boolean is text, at any depth."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return [sent(each) for each in value]
    return {key: sent(each) for key, each in value.items()} if isinstance(value, dict) else value


def service_takes(properties: object, place: Place | None = None) -> bool:
    try:
        read_properties(sent(properties), place)
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


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_stale_or_missing_file_fails_the_check_until_it_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0

    for spoil in (lambda: file.write_text(file.read_text().replace("300", "301", 1)), file.unlink):
        spoil()
        capsys.readouterr()
        assert main(["--check"], tmp_path) == 1
        assert capsys.readouterr().err == f"{file} is not what the model gives: make schema\n"
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


@pytest.mark.parametrize("pattern", sorted({*patterns(list(SCHEMAS.values()))}))
def test_a_pattern_reads_the_same_in_python_in_javascript_and_in_go(pattern: str) -> None:
    """No look-around, no named groups, no classes whose letters differ, and no escape that JavaScript refuses."""
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
    assert {name for name, each in properties.items() if "default" in each} == {
        "MaxRetries",
        "RetryDelaySeconds",
        "BackoffRate",
        "WaitForRepository",
        "StartBuild",
        "ServiceTimeout",
    }


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
INSTEAD: dict[str, dict[str, Any]] = {"ImageUri": {}, "Images": {}, "StartBuild": {**ONE, "BuildProject": "app"}}
"""What a property stands beside, where it is not a repository and a tag."""
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FREELY: dict[str, st.SearchStrategy[Any]] = {
    "Trigger": JSON,
    "ServiceToken": TEXT,
    "ImageTag": st.integers(0) | st.floats(0, 99),
    "PushedAfter": st.datetimes(timezones=OFFSETS).map(lambda time: time.isoformat()),
    "Labels": st.dictionaries(
        st.text(max_size=5), st.text(max_size=9) | st.integers() | st.booleans() | st.floats(allow_nan=False)
    ),
    "BackoffRate": st.floats(0, 20) | st.floats(0, 20).map(str),
    **dict.fromkeys(("MaxRetries", "RetryDelaySeconds", "ServiceTimeout"), NUMBERS),
}


def mostly(right: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is right in nine of ten cases. Most sets would have something wrong otherwise, and prove little."""
    return st.integers(0, 9).flatmap(lambda number: right if number else odd)


def value_of(name: str) -> st.SearchStrategy[Any]:
    """Draw a value of a property, mostly one that the service takes."""
    right = [value for value in VALUES[name] if service_takes({**INSTEAD.get(name, ONE), name: value})]
    return mostly(st.sampled_from(right) | FREELY.get(name, st.nothing()), st.sampled_from(VALUES[name]))


def together(*parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def objects(named: st.SearchStrategy[Any], others: Iterable[str]) -> st.SearchStrategy[Any]:
    """Objects that name an image or several, with up to two more properties; now and then one is anything."""
    values = {name: value_of(name) for name in sorted(others)}
    names = st.lists(st.sampled_from([*values]), max_size=2, unique=True)
    more = names.flatmap(lambda drawn: st.fixed_dictionaries({name: values[name] for name in drawn}))
    odd = st.dictionaries(st.sampled_from(sorted(Properties.model_fields)) | TEXT, JSON, max_size=1)
    return st.builds(together, named, more, mostly(st.just({}), odd))


IDENTITIES = mostly(
    st.sampled_from([ONE, {"RepositoryName": "app", "ImageDigest": DIGEST}, {**ONE, "ImageDigest": DIGEST}])
    | value_of("ImageUri").map(lambda uri: {"ImageUri": uri}),
    st.sampled_from([{"RepositoryName": "app"}, {"ImageTag": "v1"}, {"ImageUri": URI, "ImageTag": "v1"}, {}]),
)
IDS = mostly(st.sampled_from([7, True, "x" * 64]), st.sampled_from(["x" * 65, "", "a-b"]))
OF_ONE, OF_ALL = {*OneImage.model_fields}, {*Properties.model_fields} - {*OneImage.model_fields} - {"Images"}
CONDITIONS = {"RoleArn", "DeployTarget", "Platform", "Labels", "PushedAfter"}
ENTRIES = st.lists(objects(IDENTITIES, CONDITIONS), min_size=1, max_size=3).flatmap(
    lambda entries: st.tuples(
        *(st.builds(lambda id_, one=one: {"Id": id_, **one}, st.just(f"App{n}") | IDS) for n, one in enumerate(entries))
    ).map(list)
)
SETS = st.one_of(
    objects(IDENTITIES, CONDITIONS | OF_ALL),
    objects(IDENTITIES, OF_ONE | {"Images"}),
    objects(st.builds(lambda images: {"Images": images}, ENTRIES), OF_ALL),
    JSON,
)


@dataclass(frozen=True)
class Difference:
    """Values of which the schema and the service think differently, and why that is left so.

    `found`: whether a property of this name and value, in a template, is one of them.
    """

    why: str
    found: Callable[[str, Any], bool]
    example: dict[str, Any]
    schema_takes_it: bool
    beside: Mapping[str, Any] = field(default_factory=lambda: PROPERTIES)


NUMBERS_OF_THE_WAIT = ("MaxRetries", "RetryDelaySeconds", "BackoffRate", "ServiceTimeout")
FREE = ("Trigger", "ServiceToken")


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def unusual_time(value: Any) -> bool:
    date = r"(\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d(-\d)?|\d{4}W\d{2,3})"
    plain = date + r"[Tt ]([01]\d|2[0-3])(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)"
    return is_text(value) and service_takes({**ONE, "PushedAfter": value}) and not re.fullmatch(plain, value)


DIFFERENCES = [
    Difference(
        "Python's $ stands before a last newline, too; that of other languages does not",
        lambda name, value: is_text(value) and value.endswith("\n") and name not in FREE,
        {"ImageTag": "v1\n"},
        schema_takes_it=True,
    ),
    Difference(
        "JSON Schema cannot say that one key of the objects in a list is unique; the rule for cfn-lint does",
        lambda name, value: (
            name == "Images" and len({str(sent(each["Id"])) for each in having_id(value)}) < len(having_id(value))
        ),
        {"Images": [{"Id": "a", **ONE}, {"Id": "a", **ONE}]},
        schema_takes_it=True,
        beside={},
    ),
    Difference(
        "which suffix goes with which region would take a pattern for each partition",
        lambda name, value: name == "ImageUri" and is_text(value) and ".cn-" in value and ".cn/" not in value,
        {"ImageUri": "123456789012.dkr.ecr.cn-north-1.amazonaws.com/app:v1"},
        schema_takes_it=True,
        beside={},
    ),
    Difference(
        "a pattern does not know the calendar",
        lambda name, value: name == "PushedAfter" and value in ("2026-02-30T00:00Z", "2026-W00-1T00:00Z"),
        {"PushedAfter": "2026-02-30T00:00Z"},
        schema_takes_it=True,
    ),
    Difference(
        "a pattern does not reckon whether a time lies in a year that can be written, in UTC too",
        lambda name, value: name == "PushedAfter" and is_text(value) and value[:4] in ("0001", "9999"),
        {"PushedAfter": "9999-12-31T23:59:59-14:00"},
        schema_takes_it=True,
    ),
    Difference(
        "Python reads more forms of time than ISO 8601 and the reference have",
        lambda name, value: name == "PushedAfter" and unusual_time(value),
        {"PushedAfter": "2026-11-01x12:00:00+01:30:15"},
        schema_takes_it=False,
    ),
    Difference(
        "a double has no more than 17 digits, a pattern has",
        lambda name, value: name == "BackoffRate" and is_text(value) and len(value) > 17,
        {"BackoffRate": "10.0000000000000000001"},
        schema_takes_it=False,
    ),
    Difference(
        "in JSON minus zero is zero; as text it keeps its sign",
        lambda name, value: name in NUMBERS_OF_THE_WAIT and str(value) == "-0.0" and not is_text(value),
        {"MaxRetries": -0.0},
        schema_takes_it=True,
    ),
    Difference(
        "in JSON 1.0 is a whole number; as text it keeps its point (what CloudFormation makes of it is untried)",
        lambda name, value: (
            isinstance(value, float) and value.is_integer() and name in ("RegistryId", "Platform", "Id", "BuildProject")
        ),
        {"RegistryId": 123456789012.0},
        schema_takes_it=True,
    ),
    Difference(
        "the same for minus zero as a tag",
        lambda name, value: name == "ImageTag" and str(value) == "-0.0" and not is_text(value),
        {"ImageTag": -0.0},
        schema_takes_it=True,
    ),
    Difference(
        "a repository whose name is a number with a point is more likely a slip",
        lambda name, value: name == "RepositoryName" and isinstance(value, float),
        {"RepositoryName": 12.5},
        schema_takes_it=False,
    ),
    Difference(
        "a number with a fraction may lose digits on its way, and what comes of it as text cannot tell",
        lambda name, value: (
            (name in ("ImageTag", "Pipeline") and has_fraction(value))
            or (name == "Labels" and isinstance(value, dict) and any(map(has_fraction, value.values())))
        ),
        {"ImageTag": 1.5},
        schema_takes_it=False,
    ),
    Difference(
        "a longer number may be rounded on its way; as a string it stays what it is",
        lambda name, value: (
            name in ("RepositoryName", "ImageTag", "Id") and isinstance(value, int | float) and value > MOST_EXACT
        ),
        {"ImageTag": MOST_EXACT + 1},
        schema_takes_it=False,
    ),
    Difference(
        "half of a surrogate pair is no text that CloudFormation could send",
        lambda name, value: name == "Labels" and any("\ud800" <= char <= "\udfff" for char in text_in(value)),
        {"Labels": {"a": "\ud800"}},
        schema_takes_it=True,
    ),
    Difference(
        "the length of a number's text, in a label",
        lambda name, value: name == "Labels" and isinstance(value, dict) and any(map(of_many_digits, value.values())),
        {"Labels": {"a": 10**1024}},
        schema_takes_it=True,
    ),
]

# What depends on where the function is; of these, only the service with its place can say anything.
OUT_OF_PLACE = {
    "a region of another partition": {**ONE, "Region": "cn-north-1"},
    "a URI of another partition": {"ImageUri": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/app:v1"},
    "a role of another partition": {**ONE, "RoleArn": "arn:aws-cn:iam::123456789012:role/x"},
    "Lambda in another region": {**ONE, "Region": "us-east-1", "DeployTarget": "Lambda"},
    "a platform of ECR Public": {"ImageUri": "public.ecr.aws/shop/app:v1", "Platform": "arm64"},
    "labels of ECR Public": {"ImageUri": "public.ecr.aws/shop/app:v1", "Labels": {"a": "b"}},
}


def having_id(value: Any) -> list[dict[str, Any]]:
    entries = value if isinstance(value, list) else []
    return [each for each in entries if isinstance(each, dict) and "Id" in each]


def has_fraction(value: Any) -> bool:
    return isinstance(value, float) and not value.is_integer()


def text_in(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else ""


def of_many_digits(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= 10**1023


def differs(properties: object) -> bool:
    """Return whether one of the differences is among the properties, or among those of one of several images."""
    if not isinstance(properties, dict):
        return False
    images = properties.get("Images")
    return any(d.found(name, value) for name, value in properties.items() for d in DIFFERENCES) or any(
        map(differs, images if isinstance(images, list) else [])
    )


@settings(max_examples=6 * settings().max_examples)
@given(SETS)
def test_the_schema_takes_what_the_service_takes(properties: object) -> None:
    assume(is_json(properties) and not differs(properties))

    taken = service_takes(properties)

    assert OF_PROPERTIES.is_valid(properties) is taken
    if isinstance(properties, dict):
        assert template_takes({"ServiceToken": "x", **properties}) is taken


RIGHT: dict[str, Any] = {
    "RepositoryName": "app",
    "ImageTag": "v1",
    "ImageDigest": DIGEST,
    "ImageUri": URI,
    "RegistryId": "123456789012",
    "Region": "eu-west-1",
    "RoleArn": "arn:aws:iam::123456789012:role/x",
    "DeployTarget": "ECS",
    "Platform": "arm64",
    "Labels": {"a": "b"},
    "PushedAfter": "StackOperation",
}
BESIDE: dict[str, dict[str, Any]] = {
    "a URI": {"ImageUri": URI},
    "a repository and a tag": ONE,
    "a repository and a digest": {"RepositoryName": "app", "ImageDigest": DIGEST},
    "a URI of a FIPS host": {"ImageUri": URI.replace("ecr.", "ecr-fips.", 1)},
    "Lambda": {**ONE, "DeployTarget": "Lambda"},
    "Lambda, and a URI of a FIPS host": {"ImageUri": URI.replace("ecr.", "ecr-fips.", 1), "DeployTarget": "Lambda"},
    "Lambda, and its own platform": {**ONE, "DeployTarget": "Lambda", "Platform": "linux/amd64/v2"},
    **{
        f"Lambda, and {platform}": {**ONE, "DeployTarget": "Lambda", "Platform": platform}
        for platform in ("windows/amd64", "arm", "linux/arm/v7", "386", 386, "linux/s390x", "ppc64le", "riscv64")
    },
    "a repository": {"RepositoryName": "app"},
    "a tag": {"ImageTag": "v1"},
    "a list of images": {"Images": [{"Id": "a", **ONE}]},
    "nothing": {},
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("beside", BESIDE)
def test_what_may_stand_beside_what_is_the_same_for_one_image_and_in_a_list(name: str, beside: str) -> None:
    properties = {**BESIDE[beside], name: RIGHT[name]}
    entries = {"Images": [{"Id": "a", **properties}]}

    for each in (properties, entries):
        assert OF_PROPERTIES.is_valid(each) is service_takes(each) is template_takes({"ServiceToken": "x", **each})


def test_there_is_a_right_value_of_each_property_of_an_image() -> None:
    assert RIGHT.keys() == OneImage.model_fields.keys()
    for name, value in RIGHT.items():
        assert OF_PROPERTIES.is_valid({**({} if name == "ImageUri" else ONE), name: value})


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_taken_where_the_service_takes_it(name: str) -> None:
    for value in VALUES[name]:
        properties = {**INSTEAD.get(name, ONE), name: value}
        assert differs(properties) or OF_PROPERTIES.is_valid(properties) is service_takes(properties), value


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.why)
def test_a_difference_is_still_there_and_is_told_apart(difference: Difference) -> None:
    properties = {**difference.beside, **difference.example}

    assert OF_PROPERTIES.is_valid(properties) is difference.schema_takes_it
    assert service_takes(properties) is not difference.schema_takes_it
    assert differs(properties)
    assert not differs(difference.beside)


@pytest.mark.parametrize("properties", OUT_OF_PLACE.values(), ids=list(OUT_OF_PLACE))
def test_what_depends_on_the_place_of_the_function_is_left_to_the_service(properties: dict[str, Any]) -> None:
    assert OF_PROPERTIES.is_valid(properties)
    assert service_takes(properties)
    assert not service_takes(properties, PLACE)


@pytest.mark.parametrize("name", [name for name in Properties.model_fields if name not in ("Images", *FREE)])
def test_a_wrong_value_is_refused_at_its_property_in_the_model_s_words(name: str) -> None:
    beside = {"ImageUri": {}, "StartBuild": {**PROPERTIES, "BuildProject": "app"}}.get(name, PROPERTIES)

    errors = list(OF_PROPERTIES.iter_errors({**beside, name: []}))

    assert {tuple(error.absolute_path) for error in errors} == {(name,)}
    assert {error.schema["errorMessage"] for error in errors} == {
        f"Allowed: {allowed_by(Properties.model_fields[name])}"
    }


# --- Templates ------------------------------------------------------------------------------------------------------


def faults_of(template: str) -> set[str]:
    """Return the paths of what an editor would mark, from the name of the resource on."""
    errors = OF_TEMPLATE.iter_errors(yaml_parse(template))
    return {"/".join(map(str, list(error.absolute_path)[1:])) for error in errors}


def test_functions_may_stand_for_any_value() -> None:
    functions = """
      ServiceToken: !ImportValue ecr-image-waiter-ServiceToken
      RepositoryName: !Select [0, !Ref Names]
      ImageTag: !Sub "${Tag}-x"
      ImageDigest: !If [Pinned, !Ref Digest, !Ref AWS::NoValue]
      MaxRetries: !Ref Retries
      BackoffRate: !FindInMap [Rates, !Ref Stage, Rate]
      WaitForRepository: {"Fn::If": [Fresh, true, false]}
      Labels:
        org.opencontainers.image.revision: !Ref Commit
"""
    images = """
      ServiceToken: !GetAtt Waiter.Arn
      Images:
        - Id: a
          ImageUri: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/app:v1"
          Labels: !If [Pinned, {a: b}, !Ref AWS::NoValue]
        - !If [Fresh, {Id: b, RepositoryName: app, ImageTag: v1}, !Ref AWS::NoValue]
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://bucket/more.yaml}}
"""
    either = """
      ServiceToken: !Ref Token
      ImageUri: !If [Whole, !Ref Uri, !Ref AWS::NoValue]
      RepositoryName: !If [Whole, !Ref AWS::NoValue, app]
      ImageTag: !If [Whole, !Ref AWS::NoValue, v1]
"""
    for properties in (functions, images, either, "\n      ServiceToken: x\n      Images: !Ref Images\n"):
        assert faults_of(f"Resources:\n  A:\n    Type: {TYPE}\n    Properties:{properties}") == set()


def test_what_is_wrong_is_marked_where_it_stands() -> None:
    assert faults_of(f"""
Resources:
  A:
    Type: {TYPE}
    Properties:
      ServiceToken: x
      RepositoryName: App
      ImageTag: {{Reff: Tag}}
      MaxRetries: "3601"
      Labels: {{a: [b]}}
  B:
    Type: {TYPE}
    Properties:
      RepositoryName: app
      ImageTag: v1
  C:
    Type: {TYPE}
    Properties:
      ServiceToken: x
      ImageUri: {URI}
      ImageTag: v1
      Images:
        - RepositoryName: app
          ImageTag: v1
  D:
    Type: {TYPE}
""") == {
        "A/Properties/RepositoryName",
        "A/Properties/ImageTag",
        "A/Properties/MaxRetries",
        "A/Properties/Labels/a",
        "B/Properties",
        "C/Properties/ImageTag",
        "C/Properties/ImageUri",
        "C/Properties/Images/0",
        "D",
    }


def test_everything_else_in_a_template_is_left_alone() -> None:
    assert (
        faults_of("""
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  A: {Type: AWS::CloudFormation::CustomResource, Properties: {RepositoryName: App}}
  B: {Type: Custom::Other, Properties: {RepositoryName: App}}
  Fn::ForEach::Each: [Name, [a, b], {"${Name}": {Type: AWS::SNS::Topic}}]
Outputs: {X: {Value: !Ref A}}
""")
        == set()
    )


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
