"""Section 1 and 2 of the contract: which events are accepted, and what is wrong with the others."""

import json
import re
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from ecr_image_waiter.cfn.event import (
    DirectRequest,
    StackRequest,
    believable_start,
    properties_of,
    read_event,
    session_of,
)
from ecr_image_waiter.cfn.properties import OneImage, Properties, allowed_by
from ecr_image_waiter.cfn.validation import known_faults, read_properties
from ecr_image_waiter.core.messages import InvalidRequest, UnusableEvent
from ecr_image_waiter.core.model import ImageId, Place
from ecr_image_waiter.core.state import STATE_KEY, Backoff
from sandbox.processes import ROOT
from tests.support.clock import NOW
from tests.support.fakes import (
    DIGEST,
    HOST,
    PROPERTIES,
    REPOSITORY_URI,
    REQUEST_ID,
    STACK_ID,
    leaked,
    response_url,
    stack_event,
)
from tests.support.wrong_values import WRONG

HERE = Place("aws", "eu-west-1", "123456789012")


def on_aws(event: object, dns_suffix: str = "amazonaws.com") -> StackRequest | DirectRequest:
    return read_event(event, dns_suffix=dns_suffix, any_host=False)


def stack_request(request_type: str = "Create", /, **changes: Any) -> StackRequest:
    request = on_aws(stack_event(request_type, **changes))
    assert isinstance(request, StackRequest)
    return request


def faults_of(properties: object) -> tuple[str, ...]:
    with pytest.raises(InvalidRequest) as caught:
        read_properties(properties, None)
    return caught.value.faults


def refusal_of(event: object, *, any_host: bool = False, dns_suffix: str = "amazonaws.com") -> str:
    with pytest.raises(UnusableEvent) as caught:
        read_event(event, dns_suffix=dns_suffix, any_host=any_host)
    return str(caught.value)


# --- Properties -----------------------------------------------------------------------------------------------------


def test_defaults_are_the_contracts() -> None:
    properties = read_properties(PROPERTIES, None)

    assert properties.image == ImageId("team/app", "v1", None)
    assert properties.backoff == Backoff(delay=30, rate=1.5, wait_for_repository=False)
    assert (properties.MaxRetries, properties.max_wait, properties.ServiceTimeout) == (60, 1800.0, 3600)


_ROLE = "arn:aws:iam::123456789012:role/a/b+c@d"
_READ: dict[str, list[tuple[object, object]]] = {
    "RepositoryName": [("ab", "ab"), (12, "12"), ("a" * 256, "a" * 256), ("a__b/c.d-e/9", "a__b/c.d-e/9")],
    "ImageTag": [("_", "_"), (7, "7"), ("true", "true"), ("A" * 300, "A" * 300)],
    "ImageDigest": [(DIGEST, DIGEST)],
    "MaxRetries": [("0", 0), (3600, 3600), (30.0, 30), ("030", 30), ("30.0", 30)],
    "RetryDelaySeconds": [("1", 1), ("900", 900)],
    "BackoffRate": [("1", 1.0), ("1.25", 1.25), (10, 10.0), ("02.50", 2.5)],
    "WaitForRepository": [("true", True), ("True", True), ("FALSE", False), (True, True), (False, False)],
    "Trigger": [(each, each) for each in ("", "\ud800", None, -1.5, {"a": [None]})],
    "ServiceToken": [("", ""), (5, 5)],
    "BuildProject": [(name, name) for name in ("a1", "arn:aws:codebuild:eu-west-1:123456789012:project/app")],
    "Pipeline": [(name, name) for name in ("a.b@c_d-e", "arn:aws-cn:codepipeline:cn-north-1:123456789012:app")],
    "RegistryId": [(123456789012, "123456789012")],
    "Region": [("us-gov-west-1", "us-gov-west-1")],
    "RoleArn": [(_ROLE, _ROLE)],
    "DeployTarget": [("ECS", "ECS")],
    "Platform": [("linux/arm/v7", "linux/arm/v7")],
    "Labels": [({"a": 5, "b": " ", "c": "x" * 1024}, {"a": "5", "b": " ", "c": "x" * 1024})],
    "PushedAfter": [(time, time) for time in ("2026-11-01T12:00:00+02:00", "20261101T120000Z")],
    "ServiceTimeout": [("3600", 3600), (10, 10)],
}


@pytest.mark.parametrize("name", _READ)
def test_values_are_read_from_strings_numbers_and_booleans(name: str) -> None:
    for value, read in _READ[name]:
        assert getattr(read_properties({**PROPERTIES, name: value}, None), name) == read


@pytest.mark.parametrize("tag", [{}, {"ImageTag": "v1"}], ids=["digest alone", "digest and tag"])
def test_an_image_may_be_named_by_digest(tag: dict[str, str]) -> None:
    image = read_properties({"RepositoryName": "ab", "ImageDigest": DIGEST, **tag}, None).image

    assert image == ImageId("ab", tag.get("ImageTag"), DIGEST)


_INSTEAD: dict[str, dict[str, object]] = {
    "ImageUri": {},
    "Images": {},
    "StartBuild": {**PROPERTIES, "BuildProject": "app"},
}
"""What stands beside a property, where it is not a repository and a tag."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_what_was_received_and_what_is_allowed(name: str) -> None:
    for value, shown in [*WRONG[name], ("", '""')]:
        (fault,) = faults_of({**_INSTEAD.get(name, PROPERTIES), name: value})
        assert fault.startswith(f"{name}: received {shown}, allowed: {allowed_by(Properties.model_fields[name])}")
        assert fault.endswith("; use !Ref AWS::NoValue to omit it") is (value == "")


def test_an_empty_string_in_images_or_a_label_gets_the_hint_too_and_an_empty_name_of_a_label_does_not() -> None:
    (in_images,) = faults_of({"Images": [{"Id": "App", **PROPERTIES, "ImageDigest": ""}]})
    (of_value,) = faults_of({**PROPERTIES, "Labels": {"revision": ""}})
    (of_label,) = faults_of({**PROPERTIES, "Labels": {"": "x"}})

    assert in_images.startswith('Images[0].ImageDigest: received "", allowed: ')
    assert of_value.startswith('Labels["revision"]: received "", allowed: ')
    assert in_images.endswith("; use !Ref AWS::NoValue to omit it")
    assert of_value.endswith("; use !Ref AWS::NoValue to omit it")
    assert "NoValue" not in of_label


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_a_number_that_may_have_lost_digits_is_no_name_no_tag_and_no_label(value: float) -> None:
    """JSON's 1.10 is 1.1, and Python reads NaN and Infinity in JSON."""
    for name in ("RepositoryName", "ImageTag", "BuildProject", "Pipeline"):
        (fault,) = faults_of({**PROPERTIES, name: value})
        assert fault.startswith(f"{name}: received {value}, allowed: ")
        assert fault.endswith("; put it in quotes to keep its digits")

    (label,) = faults_of({**PROPERTIES, "Labels": {"version": value}})
    assert label.startswith(f'Labels["version"]: received {value}, allowed: ')
    assert label.endswith("; put it in quotes to keep its digits")


def test_every_property_but_those_that_take_anything_has_wrong_values_here() -> None:
    assert WRONG.keys() == Properties.model_fields.keys() - {"Trigger", "ServiceToken"}


def test_an_integer_too_long_to_be_shown_is_still_a_fault() -> None:
    (fault,) = faults_of({**PROPERTIES, "MaxRetries": 10**5000})

    assert "MaxRetries: received a number of thousands of digits, allowed: a whole number from 0 to 3600" in fault


def test_what_is_required_and_missing_is_named() -> None:
    assert [fault.split(": missing")[0] for fault in faults_of({"ImageTag": "v1"})] == ["RepositoryName"]
    assert [fault.split(": missing")[0] for fault in faults_of({"RepositoryName": "ab"})] == ["ImageTag"]
    assert [fault.split(": missing")[0] for fault in faults_of({})] == ["RepositoryName", "ImageTag"]


_MEANT = {
    "RepositoryName": ("repositoryname", "Repository"),
    "ImageTag": ("ImageTags", "Tag"),
    "ImageDigest": ("Digest",),
    "MaxRetries": ("MaxRetry",),
    "RetryDelaySeconds": ("PollInterval",),
    "BackoffRate": ("BACKOFFRATE",),
    "ServiceTimeout": ("Timeout",),
    "BuildProject": ("CodeBuildProjectName",),
    "Pipeline": ("codePipelineName",),
    "StartBuild": ("TriggerBuildOnMissing",),
    "MaxRetries: times RetryDelaySeconds, it is the longest wait in seconds": ("MaxAttempts", "TimeoutSeconds"),
}


@pytest.mark.parametrize("meant", _MEANT)
def test_an_unknown_property_is_answered_with_the_one_that_is_meant_or_the_nearest(meant: str) -> None:
    for unknown in _MEANT[meant]:
        (fault,) = faults_of({**PROPERTIES, unknown: "x"})
        assert fault.startswith(f'{unknown}: received "x", unknown property')
        assert fault.endswith(meant)


@pytest.mark.parametrize(
    ("properties", "waits"),
    [
        ({}, False),
        ({"WaitForRepository": "true"}, True),
        ({"BuildProject": "app"}, True),
        ({"BuildProject": "app", "WaitForRepository": "false"}, False),
    ],
)
def test_a_repository_is_waited_for_where_asked_or_where_a_build_may_create_it(
    properties: dict[str, str], *, waits: bool
) -> None:
    read = read_properties({**PROPERTIES, **properties}, None)

    assert (read.waits_for_repository, read.backoff.wait_for_repository) == (waits, waits)


def test_all_faults_of_a_request_are_reported_together() -> None:
    """As the reference shows it."""
    with pytest.raises(InvalidRequest) as caught:
        read_properties({"RepositoryName": "App", "MaxRetries": "-1", "ImagTag": "latest"}, None)

    reference = " ".join((ROOT / "docs/EcrImageWaiter.md").read_text().split())
    assert f"Invalid request: {caught.value} (log stream" in reference


@pytest.mark.parametrize("ids", [("App", "App"), (1, "1"), (7, 7)])
def test_an_id_that_stands_twice_in_images_is_a_fault_however_it_is_written(ids: tuple[object, object]) -> None:
    (fault,) = faults_of({"Images": [{"Id": id_, **PROPERTIES} for id_ in ids]})

    assert fault == f'Images: duplicate Id "{ids[0]}"'


def entry(**more: Any) -> dict[str, Any]:
    return {"Images": [{"Id": "App", **PROPERTIES, **more}]}


@pytest.mark.parametrize(
    ("properties", "begins", "ends"),
    [
        ({"ImageUri": f"{REPOSITORY_URI}:v1", "ImageTag": "v1"}, 'ImageTag: received "v1", ', "remove one of them"),
        ({**entry(), "Region": "eu-west-1"}, 'Region: received "eu-west-1", cannot be combined with Images', ""),
        ({"Images": [PROPERTIES]}, "Images[0].Id: missing", "1 to 64 letters and digits"),
        ({"Images": [{"Id": "App", "RepositoryName": "app"}]}, "Images[0].ImageTag: missing", ""),
        ({"Images": ["app:v1"]}, 'Images[0]: received "app:v1"', "an object with an Id"),
        (entry(Tag="v1"), 'Images[0].Tag: received "v1", unknown property', "ImageTag"),
        (entry(MaxRetries=5), "Images[0].MaxRetries: received 5, no property of one image", "next to Images"),
        (entry(maxretries=5), "Images[0].maxretries: received 5, unknown property", "next to Images"),
        (entry(CodeBuildProjectName="x"), "Images[0].CodeBuildProjectName: ", "next to Images"),
        ({**PROPERTIES, "Labels": {"a": []}}, 'Labels["a"]: received a list, allowed: ', "1 to 1024 characters"),
        ({**PROPERTIES, "Region": "cn-north-1"}, 'Region: received "cn-north-1" in the partition', ', "aws"'),
        ({**PROPERTIES, "RoleArn": "arn:aws-cn:iam::123456789012:role/x"}, "RoleArn: received", 'partition, "aws"'),
        (
            {**PROPERTIES, "DeployTarget": "Lambda", "Region": "us-east-1"},
            *("DeployTarget: received Lambda with an image in us-east-1", "function's region, eu-west-1"),
        ),
        (
            {"ImageUri": "123456789012.dkr-ecr-fips.eu-west-1.on.aws/app:v1", "DeployTarget": "Lambda"},
            *('ImageUri: received "123456789012.dkr-ecr-fips.eu-west-1.on.aws" with DeployTarget Lambda', "FIPS hosts"),
        ),
        (
            {"ImageUri": "public.ecr.aws/shop/app:v1", "DeployTarget": "Lambda"},
            *("DeployTarget: received Lambda with an image in ECR Public", "function's region, eu-west-1"),
        ),
        ({"ImageUri": "public.ecr.aws/shop/app:v1", "Platform": "arm64"}, 'Platform: received "arm64", ', "remove it"),
    ],
)
def test_properties_that_do_not_go_together_or_lead_nowhere_are_refused(
    properties: object, begins: str, ends: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_properties(properties, HERE)

    (fault,) = caught.value.faults
    assert fault.startswith(begins)
    assert fault.endswith(ends)


UNKNOWN = "?"


def known(value: object) -> bool:
    return value != UNKNOWN


@pytest.mark.parametrize("name", Properties.model_fields.keys() - {"Images"})
def test_a_value_that_is_not_known_yet_is_no_fault(name: str) -> None:
    identity = {} if name == "ImageUri" else PROPERTIES
    builder = {"BuildProject": "build"} if name == "StartBuild" else {}

    assert known_faults({**identity, **builder, name: UNKNOWN}, HERE, known) == ()
    inside = {"Id": "A", **identity, name: UNKNOWN}
    if name in OneImage.model_fields:
        assert known_faults({"Images": [inside]}, HERE, known) == ()


def test_beside_a_value_that_is_not_known_yet_all_faults_are_told_and_each_once() -> None:
    wrong = {"RepositoryName": UNKNOWN, "MaxRetries": "-1", "Labels": {"a": UNKNOWN, "b": []}, "StartBuild": "true"}

    named = [fault.split(":")[0] for fault in known_faults(wrong, HERE, known)]
    assert sorted(named) == ["ImageTag", 'Labels["b"]', "MaxRetries", "StartBuild"]


def told(properties: dict[str, object]) -> tuple[str, ...]:
    return known_faults(properties, None, lambda _: True)


_RUNS = dict.fromkeys(("linux/amd64", "arm64", "X86_64", "linux/arm64/v8"), True)
_RUNS_NOT: dict[object, bool] = dict.fromkeys(("windows/arm64", "linux/arm/v7", "arm", 386, "riscv64"), False)


@pytest.mark.parametrize(("platform", "runs"), [*_RUNS.items(), *_RUNS_NOT.items()])
def test_a_platform_that_lambda_does_not_run_is_refused_for_lambda_alone(platform: object, *, runs: bool) -> None:
    properties = {**PROPERTIES, "Platform": platform}

    assert told(properties) == told({**properties, "DeployTarget": "ECS"}) == ()
    assert [fault.split(":")[0] for fault in told({**properties, "DeployTarget": "Lambda"})] == (
        [] if runs else ["Platform"]
    )


def test_a_place_that_is_known_is_checked_and_one_that_is_not_is_left() -> None:
    abroad = {**PROPERTIES, "DeployTarget": "Lambda", "Region": "us-east-1"}

    assert [fault.split(":")[0] for fault in known_faults(abroad, HERE, known)] == ["DeployTarget"]
    assert known_faults(abroad, None, known) == ()
    assert known_faults({**abroad, "Region": UNKNOWN}, HERE, known) == ()
    assert known_faults({"Images": [{"Id": "A", **abroad, "Region": UNKNOWN}]}, HERE, known) == ()
    part = known_faults({**PROPERTIES, "Region": f"{UNKNOWN}-1"}, None, known)
    assert [fault.split(":")[0] for fault in part] == ["Region"]


@pytest.mark.parametrize("number", [20, 23])
def test_of_very_many_faults_twenty_are_listed_and_the_rest_is_counted(number: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_properties({**PROPERTIES, **{f"Unknown{each}": "x" for each in range(number)}}, None)

    assert len(caught.value.faults) == number
    assert str(caught.value).count("unknown property") == 20
    assert ("3" in str(caught.value).rpartition(";")[2]) is (number == 23)


@pytest.mark.parametrize(("received", "shown"), [(None, "null"), ([], "a list"), ("x", '"x"'), (5, "5")])
def test_properties_that_are_no_object_are_a_fault(received: object, shown: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        properties_of(stack_request(ResourceProperties=received, ServiceTimeout="60"), HERE)

    fault = f"ResourceProperties: received {shown}, allowed: an object of properties"
    assert faults_of(received) == caught.value.faults == (fault,)


@pytest.mark.parametrize(
    ("own", "top_level", "read"),
    [("60", ..., 60), (..., 70, 70), ("60", "70", 60), (..., None, 3600), (..., ..., 3600)],
)
def test_service_timeout_is_read_from_the_properties_or_the_event(own: object, top_level: object, read: int) -> None:
    properties = PROPERTIES if own is ... else {**PROPERTIES, "ServiceTimeout": own}
    request = stack_request(ResourceProperties=properties, ServiceTimeout=top_level)

    assert properties_of(request, HERE).ServiceTimeout == read


def test_a_wrong_service_timeout_of_the_event_is_a_fault_like_any_other() -> None:
    with pytest.raises(InvalidRequest, match='ServiceTimeout: received "soon", allowed: a whole number'):
        properties_of(stack_request(ServiceTimeout="soon"), HERE)


def _shape(name: str, service: str = "ecr") -> dict[str, Any]:
    model = botocore.session.get_session().get_component("data_loader").load_service_model(service, "service-2")
    shape: dict[str, Any] = model["shapes"][name]
    return shape


_ECR_NAME = re.compile(_shape("RepositoryName")["pattern"])


@given(st.lists(st.sampled_from([*"ab1._-/A\n ", "__", "--", "-_"]), min_size=2, max_size=9).map("".join))
@example("a__b")
@example("a--b/c---d")
@example("a._b")
def test_a_repository_name_is_accepted_exactly_when_botocores_model_of_ecr_matches_it(name: str) -> None:
    if _ECR_NAME.fullmatch(name):
        assert read_properties({**PROPERTIES, "RepositoryName": name}, None).RepositoryName == name
    else:
        assert len(faults_of({**PROPERTIES, "RepositoryName": name})) == 1


# --- Events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state"), [("Create", ...), ("Update", ...), ("Delete", ...), ("Create", {"any": "thing"})]
)
def test_an_event_of_cloudformation_is_read_whole(kind: str, state: object) -> None:
    event = stack_event(kind, **{STATE_KEY: state})

    request = on_aws(event)

    assert isinstance(request, StackRequest)
    assert (request.type, request.stack_id, request.request_id) == (kind, STACK_ID, REQUEST_ID)
    assert (request.logical_id, request.physical_id) == ("Image", event.get("PhysicalResourceId"))
    assert (request.response_url, request.signed_at, request.state) == (event["ResponseURL"], NOW, event.get(STATE_KEY))
    assert request.event == event


@pytest.mark.parametrize("physical_id", [..., None, "", 5, []])
def test_a_physical_id_that_is_none_is_none(physical_id: object) -> None:
    assert stack_request("Update", PhysicalResourceId=physical_id).physical_id is None


@pytest.mark.parametrize("properties", [PROPERTIES, {}, {"ServiceToken": "x"}, {"Nonsense": 1}, {STATE_KEY: {}}])
def test_an_object_without_keys_of_cloudformation_is_a_direct_invocation(properties: dict[str, object]) -> None:
    assert on_aws(properties) == DirectRequest(properties, deletes=False)


@pytest.mark.parametrize("tf", [{"action": "delete"}, {"action": "create"}, {}, "delete", None], ids=str)
def test_terraforms_key_is_taken_out_and_its_action_may_be_a_delete(tf: object) -> None:
    assert on_aws({**PROPERTIES, "tf": tf}) == DirectRequest(dict(PROPERTIES), deletes=tf == {"action": "delete"})


@pytest.mark.parametrize(
    ("event", "shown"), [(None, "null"), ([], "a list"), ("Create", '"Create"'), (1, "1"), (True, "true")]
)
def test_an_event_that_is_no_object_is_told_what_was_expected(event: object, shown: str) -> None:
    assert refusal_of(event).startswith(f"received {shown}, expected an object")


@pytest.mark.parametrize("key", ["RequestType", "ResponseURL", "StackId", "RequestId"])
def test_one_key_of_cloudformation_among_properties_makes_half_an_event_and_no_direct_invocation(key: str) -> None:
    assert "expected" in refusal_of({**PROPERTIES, key: "x"})


_NO_ID: list[Any] = [..., None, "", 5, [], "x" * 601, "\ud800"]
_LONGEST_IDS = {"StackId": 600, "RequestId": 255, "LogicalResourceId": 255}
_MISSING: dict[str, list[Any]] = {
    **dict.fromkeys(_LONGEST_IDS, _NO_ID),
    "RequestType": [..., None, "", "create", "Read", 5, ["Create"], {}],
    "ResponseURL": [..., None, "", 5, [], {}, "no URL", "https://", "//" + HOST, "https://["],
}


@pytest.mark.parametrize("kind", ["Create", "Delete"])
@pytest.mark.parametrize("key", _MISSING)
def test_half_an_event_is_refused_naming_the_half_that_is_missing(kind: str, key: str) -> None:
    for value in _MISSING[key]:
        assert refusal_of(stack_event(kind, **{key: value})).startswith(f"{key}: ")


@pytest.mark.parametrize("letter", ["x", "é", '"', "\0"])
@pytest.mark.parametrize(("key", "longest"), _LONGEST_IDS.items())
def test_an_id_may_be_as_long_as_the_answer_has_room_for_and_no_longer(key: str, longest: int, letter: str) -> None:
    in_json = len(json.dumps(letter, ensure_ascii=False).encode()) - 2

    assert stack_request(**{key: letter * (longest // in_json)})
    refusal = refusal_of(stack_event(**{key: letter * (longest // in_json + 1)}))
    assert refusal.endswith(f"expected a string of 1 to {longest} bytes")


@pytest.mark.parametrize("letter", ["x", "é", '"'])
def test_a_physical_id_over_a_kilobyte_is_none_and_one_of_a_kilobyte_is_kept(letter: str) -> None:
    in_json = len(json.dumps(letter, ensure_ascii=False).encode()) - 2
    fits = letter * (1024 // in_json)

    assert stack_request("Update", PhysicalResourceId=fits).physical_id == fits
    assert stack_request("Update", PhysicalResourceId=fits + letter).physical_id is None


# --- ResponseURL ----------------------------------------------------------------------------------------------------


_CHINA = "cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize("host", [HOST, HOST + ":443", HOST.upper(), HOST.replace(".s3.", ".s3-"), _CHINA])
def test_an_https_url_under_the_partitions_suffix_is_accepted(host: str) -> None:
    url = response_url(host)

    request = on_aws(stack_event(ResponseURL=url), "amazonaws.com.cn" if host == _CHINA else "amazonaws.com")

    assert isinstance(request, StackRequest)
    assert request.response_url == url


_TRICKS = [
    *((scheme, HOST) for scheme in ("http", "ftp", "file")),
    *(("https", host) for host in ("", "evil.example", "amazonaws.com", "evilamazonaws.com", "127.0.0.1", "[::1]")),
    *(("https", f"s3.amazonaws.com{end}") for end in (".evil.example", ".", "@evil.example", ":443@evil.example")),
    *(("https", f"s3.amazonaws.com{end}") for end in (".cn", "\N{FULLWIDTH SOLIDUS}.evil.example")),
    *(("https", f"evil.example{mark}.amazonaws.com") for mark in "#?/"),
    *(("https", host) for host in (f"user:password@{HOST}", f"@{HOST}", f"{HOST}:0x50", f"{HOST}:99999")),
    ("https", "[::1].amazonaws.com"),
    # urllib3, which sends the answer, ends a host at a backslash; urllib.parse does not.
    *(("https", f"evil.example\\{mark}s3.amazonaws.com") for mark in ".@"),
]


@pytest.mark.parametrize(("scheme", "host"), _TRICKS)
def test_any_other_url_is_refused_and_no_part_of_its_query_is_shown(scheme: str, host: str) -> None:
    refusal = refusal_of(stack_event(ResponseURL=response_url(host, scheme=scheme)))

    assert refusal.startswith("ResponseURL: ")
    assert not leaked(refusal)
    assert "password" not in refusal


_PIECES = ["s3.amazonaws.com", ".amazonaws.com", "evil.example", "%2e", *":@/\\?#%[] \t"]


@given(st.lists(st.sampled_from(_PIECES) | st.characters(), min_size=1, max_size=6).map("".join))
@example("evil.example\\.amazonaws.com")
@example("evil.example\t.amazonaws.com")
def test_a_url_that_is_accepted_has_its_host_under_the_suffix_for_urllib3_too(authority: str) -> None:
    url = f"https://{authority}/x"
    try:
        on_aws(stack_event(ResponseURL=url))
    except UnusableEvent:
        return
    assert (parse_url(url).host or "").endswith(".amazonaws.com")


@pytest.mark.parametrize(("scheme", "host"), [("http", "127.0.0.1:4566"), ("https", "localhost"), ("https", HOST)])
def test_an_emulator_may_use_any_host_and_plain_http(scheme: str, host: str) -> None:
    url = response_url(host, scheme=scheme)

    request = read_event(stack_event(ResponseURL=url), dns_suffix="amazonaws.com", any_host=True)

    assert isinstance(request, StackRequest)
    assert request.response_url == url


@pytest.mark.parametrize("url", ["ftp://localhost/x", "http://", "localhost:4566/x", "http://[", ""])
def test_an_emulator_needs_a_url_too(url: str) -> None:
    assert refusal_of(stack_event(ResponseURL=url), any_host=True).startswith("ResponseURL: ")


# --- The session of a role ------------------------------------------------------------------------------------------


def arn_of_stack(name: str) -> str:
    return f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/5b1c9a50-0000-11ee-9d01-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("stack_id", "session"),
    [
        (arn_of_stack("s" * 47), "s" * 47),
        (arn_of_stack("s" * 48), "s" * 23 + ".." + "s" * 22),
        (arn_of_stack("Shop" + "x" * 90 + "-1A2B3C"), "Shop" + "x" * 19 + ".." + "x" * 15 + "-1A2B3C"),
        ("no ARN: \u00e9/x", "no-ARN----x"),
    ],
)
def test_the_session_of_a_role_is_named_after_the_stack(stack_id: str, session: str) -> None:
    assert session_of(stack_request(StackId=stack_id)) == f"ecr-image-waiter-{session}"


_SESSION = _shape("roleSessionNameType", "sts")


@given(st.text(min_size=1, max_size=140) | st.from_regex(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", fullmatch=True))
def test_a_session_is_named_as_sts_allows_whatever_the_stack_is_called(name: str) -> None:
    for stack_id in (name, arn_of_stack(name)):
        session = session_of(replace(stack_request(), stack_id=stack_id))
        assert _SESSION["min"] <= len(session) <= _SESSION["max"]
        assert re.fullmatch(_SESSION["pattern"], session, re.ASCII)


# --- The start of the wait ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["", *(f"X-Amz-Date={date}" for date in ("", "20261301T120000Z", "2026-11-01T12:00:00Z")), "x=%ff&;;"],
    ids=len,
)
def test_without_a_date_in_the_url_nothing_is_known_about_the_start(query: str) -> None:
    assert stack_request(ResponseURL=response_url(query=query)).signed_at is None


@pytest.mark.parametrize(
    ("signed", "start"),
    [(None, NOW), (NOW, NOW), (NOW - 7200, NOW - 7200), (NOW - 7201, NOW), (NOW + 1, NOW), (0.0, NOW)],
    ids=["unknown", "now", "two hours", "over two hours", "future", "1970"],
)
def test_a_wait_starts_when_cloudformation_signed_unless_that_cannot_be(signed: float | None, start: float) -> None:
    assert believable_start(signed, NOW) == start
