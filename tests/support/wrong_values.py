"""Values that each property refuses, each with how the message shows it."""

from ecr_image_waiter.core.messages import clipped
from tests.support.fakes import DIGEST


def shown_in_a_line(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'


NUMBERS = [
    ("-1", '"-1"'),
    (-1, "-1"),
    ("99999999999999999999", '"99999999999999999999"'),
    (10**18, str(10**18)),
    ("1.5e1", '"1.5e1"'),
    (float("inf"), "inf"),
    (float("nan"), "nan"),
    ("", '""'),
    (" ", '" "'),
    ("five", '"five"'),
    ("5s", '"5s"'),
    ("0x5", '"0x5"'),
    ("+-5", '"+-5"'),
    *((number, shown_in_a_line(number)) for number in ("+5", "-0", " 30 ", "30\n", "1_000", "1_0.0", "1e1", "5.")),
    ("\xa030", r'"\xa030"'),
    ("5,0", '"5,0"'),
    (False, "false"),
    ("٣", '"٣"'),  # a digit, but not one of CloudFormation's
    (None, "null"),
    (True, "true"),
    ([], "a list"),
    (["5"], "a list"),
    ({}, "an object"),
]
WHOLE_NUMBERS = [*NUMBERS, ("1.5", '"1.5"'), (1.5, "1.5"), ("3601", '"3601"'), (3601, "3601")]
NOT_TEXT = [
    ("", '""'),
    (None, "null"),
    (True, "true"),
    (["a"], "a list"),
    ({"a": 1}, "an object"),
    (1.5, "1.5"),
    (1.0, "1.0"),
    (float("nan"), "nan"),
    (float("inf"), "inf"),
]
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"
WRONG: dict[str, list[tuple[object, str]]] = {
    "RepositoryName": [
        *NOT_TEXT,
        *(
            (name, f'"{name}"')
            for name in ("a", "Team/app", "a//b", "/ab", "ab/", "-ab", "ab-", "a..b", "a b", "ab:v1")
        ),
        *(
            (name, shown_in_a_line(name))
            for name in ("a___b", "a._b", "a-_b", "äpfel", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/A")
        ),
        ("ab\n", '"ab\\n"'),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
            '"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"',
        ),
        ("a" * 257, '"' + "a" * 57 + '..."'),
    ],
    "ImageTag": [
        *NOT_TEXT,
        *((tag, shown_in_a_line(tag)) for tag in (".v1", "-v1", "v 1", "v1\n", "v:1", "v@1", "é")),
    ],
    "ImageDigest": [
        *NOT_TEXT,
        ("sha256:abc", '"sha256:abc"'),
        (DIGEST.upper(), f'"{DIGEST.upper()[:57]}..."'),
        (DIGEST[7:], f'"{DIGEST[7:64]}..."'),
        (DIGEST + "0", f'"{DIGEST[:57]}..."'),
        (DIGEST.replace("sha256", "sha512"), f'"{DIGEST.replace("sha256", "sha512")[:57]}..."'),
        (DIGEST.replace("a", "g"), f'"{DIGEST.replace("a", "g")[:57]}..."'),
    ],
    "MaxRetries": WHOLE_NUMBERS,
    "RetryDelaySeconds": [*WHOLE_NUMBERS, ("0", '"0"'), (0, "0"), ("901", '"901"')],
    "BackoffRate": [*NUMBERS, ("0", '"0"'), ("0.99", '"0.99"'), ("10.01", '"10.01"'), (11, "11"), ("1,5", '"1,5"')],
    "WaitForRepository": [(value, f'"{value}"') for value in ("maybe", "", " ", "2", "-1", "tru")]
    + [(value, f'"{value}"') for value in ("yes", "No", "on", "OFF", "t", "f", "y", "1", "0", " true", "1.0")]
    + [(2, "2"), (1, "1"), (0, "0"), (1.0, "1.0"), (0.5, "0.5"), (None, "null"), ([True], "a list"), ({}, "an object")],
    "ServiceTimeout": [*WHOLE_NUMBERS, ("0", '"0"'), ("9", '"9"'), (5, "5")],
    "ImageUri": [
        *NOT_TEXT,
        (5, "5"),
        ("team/app:v1", '"team/app:v1"'),
        (URI, f'"{URI}"'),
        (f"https://{URI}:v1", f'"{clipped("https://" + URI + ":v1")}"'),
        (f"{URI}:v1 ", f'"{URI}:v1 "'),
        (f"{URI}@{DIGEST[:-1]}", f'"{clipped(URI + "@" + DIGEST[:-1])}"'),
        ("docker.io/library/python:3", '"docker.io/library/python:3"'),
        ("public.ecr.aws/app:v1", '"public.ecr.aws/app:v1"'),
    ],
    "Images": [
        (None, "null"),
        ("", '""'),
        ("a", '"a"'),
        ({}, "an object"),
        ([], "a list of 0"),
        ([{"Id": f"I{n}", "RepositoryName": "ab", "ImageTag": "v1"} for n in range(21)], "a list of 21"),
    ],
    "RegistryId": [
        *NOT_TEXT,
        ("1234", '"1234"'),
        ("1234567890123", '"1234567890123"'),
        ("123456789o12", '"123456789o12"'),
    ],
    "Region": [*NOT_TEXT, ("Ireland", '"Ireland"'), ("eu-west-1a", '"eu-west-1a"'), ("eu-west-1\n", '"eu-west-1\\n"')],
    "RoleArn": [
        *NOT_TEXT,
        ("reader", '"reader"'),
        ("arn:aws:iam::123456789012:user/reader", '"arn:aws:iam::123456789012:user/reader"'),
        ("arn:aws:iam::1234:role/reader", '"arn:aws:iam::1234:role/reader"'),
        ("arn:aws:iam::123456789012:role/*", '"arn:aws:iam::123456789012:role/*"'),
    ],
    "DeployTarget": [*NOT_TEXT, ("lambda", '"lambda"'), ("EKS", '"EKS"'), (5, "5")],
    "Platform": [
        *NOT_TEXT,
        ("linux", '"linux"'),
        ("linux/mips", '"linux/mips"'),
        ("linux/arm64/8", '"linux/arm64/8"'),
    ],
    "BuildProject": [
        *NOT_TEXT,
        ("a", '"a"'),
        ("a b", '"a b"'),
        ("-app", '"-app"'),
        ("x" * 151, '"' + "x" * 57 + '..."'),
        ("arn:aws:codebuild:eu-west-1:123456789012:build/app", '"arn:aws:codebuild:eu-west-1:123456789012:build/app"'),
    ],
    "Pipeline": [
        *NOT_TEXT,
        ("a b", '"a b"'),
        ("x" * 101, '"' + "x" * 57 + '..."'),
        ("arn:aws:codebuild:eu-west-1:123456789012:app", '"arn:aws:codebuild:eu-west-1:123456789012:app"'),
    ],
    "StartBuild": [(value, f'"{value}"') for value in ("maybe", "", "2")] + [(2, "2"), (None, "null"), ([], "a list")],
    "Labels": [
        (None, "null"),
        ("a=b", '"a=b"'),
        (["a"], "a list"),
        ({}, "an object of 0"),
        ({str(n): "x" for n in range(21)}, "an object of 21"),
    ],
    "PushedAfter": [
        *NOT_TEXT,
        ("yesterday", '"yesterday"'),
        ("2026-11-01", '"2026-11-01"'),
        ("2026-11-01T12:00:00", '"2026-11-01T12:00:00"'),  # of which clock?
        ("2026-13-01T12:00:00Z", '"2026-13-01T12:00:00Z"'),
        ("stackoperation", '"stackoperation"'),
        ("0001-01-01T00:00:00+14:00", '"0001-01-01T00:00:00+14:00"'),
        ("9999-12-31T23:59:59-14:00", '"9999-12-31T23:59:59-14:00"'),
    ],
}
