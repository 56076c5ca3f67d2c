"""Section 5 of the contract: the attributes of what was found."""

from dataclasses import replace
from typing import Any

import pytest

from ecr_image_waiter.cfn.response import attributes, longest_attributes
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.manifests import INDEXES, LONGEST_PLATFORM_NAME, SINGLE
from ecr_image_waiter.core.model import OWN, Image, ImageId, Place, Several, Source
from tests.support.clock import NOW
from tests.support.fakes import DIGEST, OTHER_DIGEST, REPOSITORY_URI

ACCOUNT = "123456789012"
IMAGE = ImageId("team/app", "v1", None)
FOUND = Image(DIGEST, ACCOUNT, REPOSITORY_URI, NOW - 60.5, 12_345, "application/vnd.oci.image.manifest.v1+json")
BY_TAG = {
    "ImageUri": f"{REPOSITORY_URI}@{DIGEST}",
    "ImageDigest": DIGEST,
    "TaggedImageUri": f"{REPOSITORY_URI}:v1",
    "RepositoryUri": REPOSITORY_URI,
    "RepositoryName": "team/app",
    "ImageTag": "v1",
    "RegistryId": ACCOUNT,
    "ImagePushedAt": "2026-11-01T11:58:59Z",
    "ImageSizeInBytes": "12345",
    "ImageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
    "PlatformDigest": "",
    "PlatformImageUri": "",
    "Architecture": "",
    "Attempts": "3",
    "WaitedSeconds": "42",
}
UNSAID = ("TaggedImageUri", "ImageTag", "ImagePushedAt", "ImageSizeInBytes", "ImageManifestMediaType")


@pytest.mark.parametrize(
    ("image", "found", "expected"),
    [
        pytest.param(IMAGE, FOUND, BY_TAG, id="by tag"),
        pytest.param(
            ImageId("team/app", None, DIGEST),
            Image(DIGEST, ACCOUNT, REPOSITORY_URI),
            BY_TAG | dict.fromkeys(UNSAID, ""),
            id="what does not apply is an empty string",
        ),
        pytest.param(
            IMAGE,
            replace(FOUND, size=0, pushed_at=0.0),
            BY_TAG | {"ImageSizeInBytes": "0", "ImagePushedAt": "1970-01-01T00:00:00Z"},
            id="no bytes and 1970 are told from what ECR does not say",
        ),
    ],
)
def test_the_attributes_of_an_image_are_these(image: ImageId, found: Image, expected: dict[str, str]) -> None:
    assert attributes([Wanted("", image, OWN, Conditions())], found, checks=3, waited=42.9) == expected


def uri(_: Source, registry_id: str, name: str) -> str:
    return f"{registry_id}.dkr.ecr.eu-west-1.amazonaws.com/{name}"


@pytest.mark.parametrize(
    ("conditions", "learnt"),
    [
        ({}, {}),
        ({"Labels": {"a": "b"}}, {"architecture": "\0" * LONGEST_PLATFORM_NAME}),
        ({"Platform": "arm64"}, {"architecture": "\0" * LONGEST_PLATFORM_NAME, "platform_digest": OTHER_DIGEST}),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_an_answer_is_planned_as_long_as_it_can_become(
    conditions: dict[str, Any], learnt: dict[str, str], *, several: bool
) -> None:
    """14 digits of bytes, five of checks and of seconds, and the longest names that anything may have."""
    one = Wanted("App" if several else "", IMAGE, OWN, Conditions(**conditions))
    found = Image(DIGEST, ACCOUNT, REPOSITORY_URI, NOW, 99_999_999_999_999, max(SINGLE | INDEXES, key=len))
    found = replace(found, **learnt)  # type: ignore[arg-type]  # fields that are text
    longest = attributes([one], Several((("App", found),)) if several else found, checks=99_999, waited=99_999.9)

    planned = longest_attributes([one], uri, Place("aws", "eu-west-1", ACCOUNT))
    assert {name: len(value) for name, value in planned.items()} == {n: len(value) for n, value in longest.items()}
