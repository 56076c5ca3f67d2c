"""An answer that botocore's model does not know is noticed, or the sandbox's answers would be held against nothing."""

from typing import Any, Final

import pytest

from tests.support.fakes import DIGEST
from tests.support.shapes import faults

_DETAIL: Final = {"imageDigest": DIGEST, "imageSizeInBytes": 1, "imagePushedAt": 1.5, "imageStatus": "ACTIVE"}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"imageSize": 1}, "DescribeImages: imageSize of imageDetails: unknown"),
        ({"imageSizeInBytes": True}, "DescribeImages: True of imageSizeInBytes: no long"),
        ({"imageStatus": "GONE"}, "DescribeImages: 'GONE' of imageStatus: not one of ACTIVE, ARCHIVED, ACTIVATING"),
        ({"registryId": "12"}, "DescribeImages: '12' of registryId: not like [0-9]{12}"),
    ],
)
def test_an_answer_that_the_model_does_not_know_is_noticed(changed: dict[str, Any], fault: str | None) -> None:
    answer = {"imageDetails": [{**_DETAIL, **changed}]}
    assert faults("ecr", "DescribeImages", 200, answer) == ([fault] if fault else [])


def test_a_member_that_is_missing_and_an_error_that_is_not_the_operation_s_are_noticed() -> None:
    assert faults("ecr-public", "DescribeRegistries", 200, {}) == ["DescribeRegistries: registries: missing"]
    (fault,) = faults("ecr", "BatchGetImage", 400, {"__type": "ImageNotFoundException", "message": "words"})
    assert "the error ImageNotFoundException is not one of" in fault
