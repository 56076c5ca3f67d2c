"""Values that each property refuses, each with how the message shows it."""

from ecr_image_waiter.core.messages import clipped
from tests.support.fakes import DIGEST

Wrong = list[tuple[object, str]]


def quoted(*texts: str) -> Wrong:
    return [(text, '"' + clipped(text).replace("\n", "\\n") + '"') for text in texts]


OF_OTHER_TYPES: Wrong = [(None, "null"), (True, "true"), (["a"], "a list"), ({"a": 1}, "an object")]
NOT_TEXT: Wrong = [*quoted(""), *OF_OTHER_TYPES, *((each, str(each)) for each in (1.5, 1.0, float("nan")))]
NUMBERS: Wrong = [
    *OF_OTHER_TYPES,
    (False, "false"),
    *((number, str(number)) for number in (-1, 10**18, float("inf"), float("nan"))),
    *quoted("", " ", "-1", "99999999999999999999", "1.5e1", "five", "5s", "0x5", "+-5", "+5", "-0", " 30 ", "30\n"),
    *quoted("1_000", "1e1", "5.", "5,0", "٣"),  # the last is a digit, but none of CloudFormation's
    ("\xa030", r'"\xa030"'),
]
WHOLE_NUMBERS: Wrong = [*NUMBERS, *quoted("1.5", "3601"), (1.5, "1.5"), (3601, "3601")]
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"
ARN = "arn:aws:codebuild:eu-west-1:123456789012"
WRONG: dict[str, Wrong] = {
    "RepositoryName": [
        *NOT_TEXT,
        *quoted("a", "Team/app", "a//b", "/ab", "ab/", "-ab", "ab-", "a..b", "a b", "ab:v1", "a___b", "a._b", "a-_b"),
        *quoted("äpfel", "ab\n", "a" * 257, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"),
    ],
    "ImageTag": [*NOT_TEXT, *quoted(".v1", "-v1", "v 1", "v1\n", "v:1", "v@1", "é")],
    "ImageDigest": [
        *NOT_TEXT,
        *quoted("sha256:abc", DIGEST.upper(), DIGEST[7:], DIGEST + "0", DIGEST.replace("a", "g")),
        *quoted(DIGEST.replace("sha256", "sha512")),
    ],
    "MaxRetries": WHOLE_NUMBERS,
    "RetryDelaySeconds": [*WHOLE_NUMBERS, *quoted("0", "901"), (0, "0")],
    "BackoffRate": [*NUMBERS, *quoted("0", "0.99", "10.01", "1,5"), (11, "11")],
    "WaitForRepository": [
        *quoted("maybe", "", " ", "2", "tru", "yes", "No", "on", "OFF", "t", "1", "0", " true", "1.0"),
        *((value, str(value)) for value in (2, 1, 0, 0.5)),
        *((value, shown) for value, shown in OF_OTHER_TYPES if value is not True),
    ],
    "ServiceTimeout": [*WHOLE_NUMBERS, *quoted("0", "9"), (5, "5")],
    "ImageUri": [
        *NOT_TEXT,
        (5, "5"),
        *quoted("team/app:v1", URI, f"https://{URI}:v1", f"{URI}:v1 ", f"{URI}@{DIGEST[:-1]}"),
        *quoted("docker.io/library/python:3", "public.ecr.aws/app:v1"),
    ],
    "Images": [
        (None, "null"),
        *quoted("", "a"),
        ({}, "an object"),
        ([], "a list of 0"),
        ([{"Id": f"I{n}", "RepositoryName": "ab", "ImageTag": "v1"} for n in range(21)], "a list of 21"),
    ],
    "RegistryId": [*NOT_TEXT, *quoted("1234", "1234567890123", "123456789o12")],
    "Region": [*NOT_TEXT, *quoted("Ireland", "eu-west-1a", "eu-west-1\n")],
    "RoleArn": [
        *NOT_TEXT,
        *quoted("reader", "arn:aws:iam::123456789012:user/reader", "arn:aws:iam::1234:role/reader"),
        *quoted("arn:aws:iam::123456789012:role/*"),
    ],
    "DeployTarget": [*NOT_TEXT, *quoted("lambda", "EKS"), (5, "5")],
    "Platform": [*NOT_TEXT, *quoted("linux", "linux/mips", "linux/arm64/8")],
    "BuildProject": [*NOT_TEXT, *quoted("a", "a b", "-app", "x" * 151, f"{ARN}:build/app")],
    "Pipeline": [*NOT_TEXT, *quoted("a b", "x" * 101, f"{ARN}:app")],
    "StartBuild": [*quoted("maybe", "", "2"), (2, "2"), (None, "null"), ([], "a list")],
    "Labels": [
        (None, "null"),
        *quoted("a=b"),
        (["a"], "a list"),
        ({}, "an object of 0"),
        ({str(n): "x" for n in range(21)}, "an object of 21"),
    ],
    "PushedAfter": [
        *NOT_TEXT,
        *quoted("yesterday", "2026-11-01", "2026-11-01T12:00:00"),  # of which clock?
        *quoted("2026-13-01T12:00:00Z", "stackoperation", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
}
