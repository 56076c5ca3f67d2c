"""Waits for several images, for images that must be more than there, and for those elsewhere: the whole service."""

import json
import re
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.support.clock import NOW
from tests.support.ecr import ACCOUNT
from tests.support.fakes import PROPERTIES, REPOSITORY_URI, aws_error, stack_event
from tests.support.world import IN_MEMORY, World

REVISION = "org.opencontainers.image.revision"
OTHER = "999999999999"
ROLE = f"arn:aws:iam::{OTHER}:role/reader"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"


def world(**options: Any) -> World:
    there = World(IN_MEMORY, **options)
    there.ecr.repository("team/app")
    return there


def event(kind: str = "Create", /, **properties: Any) -> dict[str, Any]:
    """Returns a request for one image; a wait of a minute unless changed."""
    return request(kind, **{"RepositoryName": "team/app", "ImageTag": "v1", **properties})


def request(kind: str = "Create", /, **properties: Any) -> dict[str, Any]:
    """Returns a request with no more than these properties."""
    return stack_event(kind, ResourceProperties={"MaxRetries": "2", "RetryDelaySeconds": "30", **properties})


def several(*entries: dict[str, Any], kind: str = "Create", **properties: Any) -> dict[str, Any]:
    return request(kind, Images=list(entries), **properties)


def entry(id_: str, name: str = "team/app", tag: str = "v1", **more: Any) -> dict[str, Any]:
    return {"Id": id_, "RepositoryName": name, "ImageTag": tag, **more}


# --- one image by its URI


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        (f"{HOST}/team/app:v1", {}),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/app:v1", {"region": "us-east-1"}),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/team/app:v1", {}),
        (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com/team/app:v1", {"region": "us-east-1"}),
        ("public.ecr.aws/shop/team/app:v1", {"region": "public"}),
    ],
)
def test_a_uri_leads_to_its_image_and_the_answer_names_the_same_host(uri: str, source: dict[str, Any]) -> None:
    there = world()
    digest = there.ecr.push("team/app", **source)

    there.run(request(ImageUri=uri))

    data = there.response["Data"]
    repository = uri.removesuffix(":v1")
    assert there.response["Status"] == "SUCCESS"
    assert (data["ImageUri"], data["TaggedImageUri"]) == (f"{repository}@{digest}", uri)
    assert (data["RepositoryUri"], data["RepositoryName"], data["ImageTag"]) == (repository, "team/app", "v1")


@pytest.mark.parametrize(
    ("properties", "source", "registry"),
    [
        ({"Region": "us-east-1"}, {"region": "us-east-1"}, f"{ACCOUNT}.dkr.ecr.us-east-1"),
        ({"RegistryId": OTHER}, {"account": OTHER}, f"{OTHER}.dkr.ecr.eu-west-1"),
        ({"RoleArn": ROLE}, {"account": OTHER}, ""),
    ],
)
def test_an_image_elsewhere_is_found_there_and_not_here(
    properties: dict[str, str], source: dict[str, Any], registry: str
) -> None:
    there = world()
    there.ecr.push("team/app", content="here")
    digest = there.ecr.push("team/app", content="there", **source)

    there.run(event(**properties))

    assert there.response["Data"]["ImageDigest"] == digest
    assert there.response["Data"]["RepositoryUri"].startswith(registry)
    assert there.ecr.roles == ([ROLE] if "RoleArn" in properties else [])


@pytest.mark.parametrize(
    ("request_", "stack", "session"),
    [
        (event(RoleArn=ROLE), "CREATE_IN_PROGRESS", "ecr-image-waiter-shop"),
        (event("Update", RoleArn=ROLE), "UPDATE_ROLLBACK_IN_PROGRESS", "ecr-image-waiter-shop"),
        ({**PROPERTIES, "RoleArn": ROLE}, "CREATE_IN_PROGRESS", "ecr-image-waiter@direct"),
    ],
    ids=["a wait", "a rollback", "a direct invocation"],
)
def test_a_role_is_assumed_in_the_name_of_the_stack_that_waits(request_: Any, stack: str, session: str) -> None:
    there = World(IN_MEMORY, stack=(stack,))
    there.ecr.push("team/app", account=OTHER)

    there.run(request_)

    assert set(there.ecr.sessions) == {session}


# --- conditions


def test_a_latest_that_moves_during_the_wait_is_answered_with_the_commit_meant() -> None:
    there = world()
    there.ecr.push("team/app", "latest", labels={REVISION: "old"})
    new: list[str] = []
    there.clock.plan(40.0, lambda: new.append(there.ecr.push("team/app", "latest", labels={REVISION: "new"})))

    there.run(event(ImageTag="latest", Labels={REVISION: "new"}, MaxRetries="20"))

    assert there.response["Data"]["ImageDigest"] == new[0]
    assert there.response["Data"]["Architecture"] == "arm64"
    assert there.ecr.count("GET") == 2  # one for each image, however many checks there were
    *before, _ = there.lines_of("checked")
    assert len(before) > 3
    assert all(f'its label "{REVISION}" is ' in line["seen"] for line in before)


def test_an_image_that_stays_the_old_one_is_said_to_be_that_at_the_limit() -> None:
    there = world()
    there.ecr.push("team/app", labels={REVISION: "old"})

    there.run(event(Labels={REVISION: "new"}))

    assert there.response["Status"] == "FAILED"
    assert f'the image is another one: its label "{REVISION}" is "old", wanted "new"' in there.response["Reason"]
    assert 'newest tags: "v1" (' in there.response["Reason"]


def test_an_index_for_lambda_fails_within_one_check_with_the_cure() -> None:
    there = world()
    there.ecr.push_index("team/app", platforms=["linux/arm64"], attestations=True)

    there.run(event(DeployTarget="Lambda"))

    assert there.response["Status"] == "FAILED"
    assert "push one with docker buildx build --provenance=false --platform linux/arm64 " in there.response["Reason"]
    assert there.ecr.calls == [("DescribeImages", "team/app")]  # which says the media type


def pushed_index(there: World) -> tuple[str, str]:
    """Pushes an index; returns its digest and that of its image for arm64."""
    index = there.ecr.push_index("team/app", attestations=True, labels={REVISION: "old"})
    manifest = json.loads(there.ecr.image("team/app", index).manifest)
    (arm,) = (each["digest"] for each in manifest["manifests"] if each["platform"]["architecture"] == "arm64")
    return index, arm


def test_an_image_of_an_index_is_named_by_platform_beside_the_whole() -> None:
    there = world()
    index, arm = pushed_index(there)

    there.run(event(Platform="linux/arm64", DeployTarget="ECS"))

    data = there.response["Data"]
    assert (data["ImageDigest"], data["PlatformDigest"]) == (index, arm)
    assert (data["ImageUri"], data["PlatformImageUri"]) == (f"{REPOSITORY_URI}@{index}", f"{REPOSITORY_URI}@{arm}")
    assert data["Architecture"] == "arm64"


def test_since_the_operation_began_means_since_cloudformation_asked() -> None:
    there = world()
    there.clock.time -= 1.0
    there.ecr.push("team/app", content="before")
    there.clock.time += 1.0
    new: list[str] = []
    there.clock.plan(30.0, lambda: new.append(there.ecr.push("team/app", content="after")))

    there.run(event(PushedAfter="StackOperation", MaxRetries="10"))

    assert there.response["Data"]["ImageDigest"] == new[0]


def test_an_archived_image_that_is_restored_during_the_wait_is_found() -> None:
    there = world()
    digest = there.ecr.push("team/app")
    image = there.ecr.image("team/app", digest)
    image.active_from = None
    there.clock.plan(20.0, lambda: setattr(image, "active_from", NOW + 40.0))

    there.run(event(MaxRetries="10"))

    assert there.response["Data"]["ImageDigest"] == digest
    seen = [line["seen"] for line in there.lines_of("checked")]
    assert "the image is archived" in seen
    assert "the image is not available yet (status ACTIVATING)" in seen


# --- several images


def test_several_images_are_ready_when_all_are_and_each_has_its_uri() -> None:
    there = world()
    first = there.ecr.push("team/app", content="1")
    later: list[str] = []
    there.clock.plan(20.0, lambda: later.append(there.ecr.push("jobs", "v2", content="2")))
    there.ecr.repository("jobs")

    there.run(several(entry("App"), entry("Jobs", "jobs", "v2")))

    assert there.response["Status"] == "SUCCESS"
    data = there.response["Data"]
    assert data.keys() == {"App.ImageUri", "Jobs.ImageUri", "Attempts", "WaitedSeconds"}
    assert data["App.ImageUri"] == f"{HOST}/team/app@{first}"
    assert data["Jobs.ImageUri"] == f"{HOST}/jobs@{later[0]}"
    assert int(data["WaitedSeconds"]) >= 20


def test_a_repository_that_does_not_exist_ends_the_wait_for_all_after_its_grace_and_its_id_is_named() -> None:
    there = world()

    there.run(several(entry("App"), entry("Jobs", "jobs")))

    assert (there.response["Status"], there.clock.now()) == ("FAILED", NOW + 15)
    assert '"jobs:v1" (Jobs, one of 2 images)' in there.response["Reason"]


def test_twenty_images_pushed_in_any_order_over_hand_overs_are_all_found() -> None:
    there = world(timeout=60.0)
    names = [("one", f"v{n}") for n in range(7)] + [("two", f"v{n}") for n in range(7)] + [("three", "v0")] * 6
    order = sorted(set(names))
    Random(5).shuffle(order)  # noqa: S311  # reproducible on purpose
    digests: dict[tuple[str, str], str] = {}
    for name in ("one", "two", "three"):
        there.ecr.repository(name)

    def push(name: str, tag: str) -> None:
        content = f"{name}{tag}"
        digests[name, tag] = there.ecr.push(name, tag, content=content, labels={"n": content})

    for place, image in enumerate(order):
        there.clock.plan(10.0 + 12 * place, partial(push, *image))
    entries = [entry(f"I{n}", name, tag, Labels={"n": f"{name}{tag}"}) for n, (name, tag) in enumerate(names)]

    invocations = there.run_to_the_end(several(*entries, MaxRetries="20"))

    assert invocations > 3
    data = there.response["Data"]
    assert {key: uri.split("@")[1] for key, uri in data.items() if key.endswith("ImageUri")} == {
        f"I{number}.ImageUri": digests[name] for number, name in enumerate(names)
    }
    # What an invocation has read, the next one knows: no config is read twice.
    assert there.ecr.count("GET") == len(set(names))


def test_newest_tags_are_named_with_their_repository() -> None:
    """The last check got no answer, and one before it found that the repository lacks the image."""
    there = world()
    there.ecr.push("team/app")
    there.ecr.push("jobs", "v7")
    throttled = aws_error("ThrottlingException")
    there.clock.plan(30.0, lambda: there.ecr.faults.update(BatchGetImage=throttled))

    there.run(several(entry("App"), entry("Jobs", "jobs", "v2"), MaxRetries="2"))

    assert "ECR did not answer (ThrottlingException" in there.response["Reason"]
    assert 'newest tags of jobs: "v7" (1 min old)' in there.response["Reason"]


def test_a_repository_that_is_throttled_slows_the_checks_of_the_others_too() -> None:
    def waits(fault: Exception | None) -> list[float]:
        there = world()
        if fault:
            there.ecr.faults["jobs"] = fault
        there.run(several(entry("Jobs", "jobs"), entry("App", "none"), WaitForRepository="true", MaxRetries="20"))
        return there.clock.sleeps

    assert len(waits(aws_error("ThrottlingException"))) < len(waits(None))


def allowed(reason: str) -> int:
    """Returns how many images a Reason says would fit a response."""
    told = re.search(r"Images: received 20, allowed here: ([0-9]+)", reason)
    assert told
    return int(told[1])


def test_what_would_not_fit_an_answer_is_refused_before_any_call_with_how_many_would() -> None:
    name, ids = "n" * 256, [f"I{number:063}" for number in range(20)]

    def answered(count: int) -> World:
        there = world()
        for id_ in ids:
            there.ecr.push(name, id_, content=id_)
        there.run(several(*(entry(id_, name, id_) for id_ in ids[:count])))
        return there

    refused = answered(20)
    assert refused.ecr.calls == []
    fits = allowed(refused.response["Reason"])
    assert 0 < fits < 20
    assert [answered(count).response["Status"] for count in (fits, fits + 1)] == ["SUCCESS", "FAILED"]


def test_what_a_create_accepts_is_answered_with_tags_in_a_rollback_too() -> None:
    """A tag may be longer than a digest, which it stands for where the image is not there any more."""
    entries = [entry(f"I{number}", tag=f"{number:0150}") for number in range(20)]
    there, back = world(), world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    there.run(several(*entries))
    fit = allowed(there.response["Reason"])
    assert 10 < fit < 20

    back.run(several(*entries[:fit], kind="Update"))

    assert back.response["Status"] == "SUCCESS"
    assert back.response["Data"]["I9.ImageUri"] == f"{HOST}/team/app:{9:0150}"


def test_twenty_images_of_usual_names_fit() -> None:
    there = world()
    for n in range(20):
        there.ecr.push(f"shop/backend-service-{n}", "latest")

    there.run(several(*(entry(f"Service{n}", f"shop/backend-service-{n}", "latest") for n in range(20))))

    assert there.response["Status"] == "SUCCESS"


# --- rollback


def test_a_rollback_takes_any_image_that_is_there_and_names_its_platform() -> None:
    there = world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    index, arm = pushed_index(there)

    there.run(
        event("Update", Labels={REVISION: "new"}, DeployTarget="Lambda", PushedAfter="StackOperation", Platform="arm64")
    )

    data = there.response["Data"]
    assert (there.response["Status"], data["ImageDigest"], data["Architecture"]) == ("SUCCESS", index, "arm64")
    assert data["PlatformImageUri"] == f"{REPOSITORY_URI}@{arm}"


@pytest.mark.parametrize("pushed", [False, True])
@pytest.mark.parametrize("more", [{}, {"Typo": "x"}], ids=["", "refused"])
def test_a_rollback_has_a_uri_for_the_platform_also_where_no_image_for_it_is_known(
    more: dict[str, str], *, pushed: bool
) -> None:
    there = world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    index = there.ecr.push_index("team/app", platforms=["linux/amd64"]) if pushed else ""

    there.run(event("Update", Platform="arm64", **more))

    data = there.response["Data"]
    known = f"{REPOSITORY_URI}@{index}" if pushed and not more else f"{REPOSITORY_URI}:v1"
    assert data["PlatformImageUri"] == data["ImageUri"] == known
    assert data["PlatformDigest"] == ""


@pytest.mark.parametrize("several_", [False, True])
def test_a_rollback_names_an_image_that_is_there_also_if_its_platform_cannot_be_read(*, several_: bool) -> None:
    there = world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    digest = there.ecr.push("team/app", platform="linux/arm64")
    there.ecr.faults["GetDownloadUrlForLayer"] = aws_error("AccessDeniedException")

    one = entry("App", Platform="arm64")
    there.run(several(one, kind="Update") if several_ else event("Update", Platform="arm64"))

    assert there.response["Data"]["App.ImageUri" if several_ else "ImageUri"] == f"{HOST}/team/app@{digest}"


def test_a_rollback_of_several_names_each_with_its_digest_where_it_is_there() -> None:
    there = world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))
    digest = there.ecr.push("team/app", "v0")

    there.run(
        several(entry("Here", tag="v0"), entry("Gone"), entry("Dig", tag="v0", ImageDigest=digest), kind="Update")
    )

    assert there.response["Status"] == "SUCCESS"
    assert there.response["Data"] == {
        "Here.ImageUri": f"{HOST}/team/app@{digest}",
        "Gone.ImageUri": f"{HOST}/team/app:v1",
        "Dig.ImageUri": f"{HOST}/team/app@{digest}",
        "Attempts": "1",
        "WaitedSeconds": "0",
    }


@pytest.mark.parametrize(
    ("properties", "uris"),
    [
        ({"ImageUri": f"{HOST}/team/app:gone"}, {"ImageUri": f"{HOST}/team/app:gone"}),
        ({"ImageUri": f"{HOST}/team/app:gone", "Typo": "x"}, {"ImageUri": f"{HOST}/team/app:gone"}),
        ({"ImageUri": ["nonsense"]}, {"ImageUri": ""}),
        (
            {"RepositoryName": "team/app", "ImageTag": "v1", "Region": "us-east-1", "Typo": "x"},
            {"ImageUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/app:v1"},
        ),
        (
            {"RepositoryName": "team/app", "ImageTag": "v1", "Region": "nowhere", "RoleArn": "arn:", "RegistryId": "1"},
            {"ImageUri": f"{HOST}/team/app:v1"},
        ),
        (
            {"RepositoryName": "team/app", "ImageTag": "v1", "RoleArn": ROLE, "Typo": "x"},
            {"ImageUri": f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"},
        ),
        (
            {"Images": [{"Id": "A", "RepositoryName": "team/app", "ImageTag": "v1", "Typo": "x"}, "x", {"Id": 5}]},
            {"A.ImageUri": f"{HOST}/team/app:v1"},
        ),
        ({"Images": "x"}, {"ImageUri": ""}),
    ],
)
def test_a_rollback_answers_with_what_can_be_read_of_properties_that_are_refused_or_lead_nowhere(
    properties: dict[str, Any], uris: dict[str, str]
) -> None:
    there = world(stack=("UPDATE_ROLLBACK_IN_PROGRESS",))

    there.run(request("Update", **properties))

    assert there.response["Status"] == "SUCCESS"
    data = there.response["Data"]
    assert {key: value for key, value in data.items() if key in uris or key.endswith(".ImageUri")} == uris


# --- direct invocations


def test_a_caller_gets_the_same_attributes() -> None:
    there = world()
    digest = there.ecr.push("team/app")

    found = there.run({"Images": [entry("App")], "MaxRetries": 0})

    assert found == {"App.ImageUri": f"{HOST}/team/app@{digest}", "Attempts": "1", "WaitedSeconds": "0"}
