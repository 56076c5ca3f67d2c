"""Image URIs: which are read, and how."""

import re

import botocore.session
import pytest

from ecr_image_waiter.core.model import ImageId, Source
from ecr_image_waiter.core.uris import SUFFIXES, console_link, partition_of, read_uri, registry_in

PARTITIONS = botocore.session.get_session().get_component("data_loader").load_data("partitions")["partitions"]
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition["id"])
def test_each_region_is_in_the_partition_that_botocore_says_and_has_its_suffix(partition: dict[str, object]) -> None:
    regions, outputs = partition["regions"], partition["outputs"]
    assert isinstance(regions, dict)
    assert isinstance(outputs, dict)

    named = [region for region in regions if "global" not in region]

    assert {partition_of(region) for region in named} <= {partition["id"]}
    usual, dual_stack = SUFFIXES[str(partition["id"])]
    assert usual == outputs["dnsSuffix"]
    if partition["id"] in ("aws", "aws-us-gov"):
        assert dual_stack == "on.aws"  # User Guide, "Making requests to Amazon ECR registries"
    else:
        assert dual_stack == re.sub(r"^api\.", "on.", str(outputs["dualStackDnsSuffix"]))


HOSTS = {
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "eu-west-1",
    "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com": "us-east-1",
    "123456789012.dkr-ecr.eu-west-1.on.aws": "eu-west-1",
    "123456789012.dkr-ecr-fips.us-gov-west-1.on.aws": "us-gov-west-1",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": "cn-north-1",
    "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn": "cn-north-1",
    "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu": "eusc-de-east-1",
    "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov": "us-isob-east-1",
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_private_uri_says_account_region_repository_tag_and_digest(host: str) -> None:
    source = Source(region=HOSTS[host], registry_id="123456789012", host=host)

    assert read_uri(f"{host}/team/app:v1") == (ImageId("team/app", "v1", None), source)
    assert read_uri(f"{host}/app@{DIGEST}") == (ImageId("app", None, DIGEST), source)
    assert read_uri(f"{host}/app:v1@{DIGEST}") == (ImageId("app", "v1", DIGEST), source)
    assert read_uri(f"{host}/app") == (ImageId("app", None, None), source)


@pytest.mark.parametrize("host", ["public.ecr.aws", "ecr-public.aws.com"])
def test_a_public_uri_says_the_alias_too(host: str) -> None:
    assert read_uri(f"{host}/shop/team/app:v1") == (
        ImageId("team/app", "v1", None),
        Source(region="us-east-1", host=host, alias="shop"),
    )


_HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "uri",
    [
        *("", "app:v1", "docker.io/library/app:v1", "public.ecr.aws/app:v1", f"https://{_HOST}/app:v1"),
        *(f"{_HOST[1:]}/app:v1", f"{_HOST}.cn/app:v1", f"{_HOST.replace('eu-west-1', 'cn-north-1')}/app:v1"),
        *(f"{_HOST.replace('.ecr', '-ecr')}/app:v1", f"{_HOST.replace('amazonaws.com', 'on.aws')}/app:v1"),
        *(f"{_HOST}/{rest}" for rest in ("app:v1\n", "App:v1", "app:", "app@sha256:ab")),
        "123456789012.dkr.ecr.eu-west-1.evil.com/app:v1",
    ],
)
def test_anything_else_is_no_uri_of_an_image_in_ecr(uri: str) -> None:
    assert read_uri(uri) is None


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-west-1", "aws.amazon.com"),
        ("cn-north-1", "amazonaws.cn"),
        ("us-gov-west-1", "amazonaws-us-gov.com"),
        *((region, "") for region in ("eusc-de-east-1", "us-iso-east-1")),
    ],
)
def test_a_link_leads_to_the_console_of_its_partition_and_nowhere_where_that_is_not_known(
    region: str, console: str
) -> None:
    link = f"https://{region}.console.{console}/codesuite/x?region={region}" if console else ""
    assert console_link("codesuite/x", region) == link


_OF_ANOTHER = ["docker.io/library/nginx", "team.azurecr.io/app", "localhost/app"]


@pytest.mark.parametrize("name", [*_OF_ANOTHER, "app", "app.web", "localhost", "team/app.web", "docker-hub/nginx"])
def test_a_name_begins_with_another_registry_where_docker_would_read_a_host_and_nowhere_else(name: str) -> None:
    assert registry_in(name) == (name.partition("/")[0] if name in _OF_ANOTHER else "")
