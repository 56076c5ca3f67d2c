"""Image URIs, regions and partitions, as ECR writes them. Pure.

User Guide, "Making requests to Amazon ECR registries" and "Making requests to Amazon ECR Public registries". The
suffixes are botocore's of each partition; those of dual-stack hosts outside `aws` follow from its pattern, untried.
"""

import re
from typing import Final

from .model import ImageId, Source

REPOSITORY: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
"""ECR's own pattern: a test compares it with botocore's model of ECR."""
TAG: Final = r"[a-zA-Z0-9_][a-zA-Z0-9._-]*"
DIGEST: Final = r"sha256:[0-9a-f]{64}"
REGION: Final = r"[a-z]{2,8}(-[a-z]+)+-[0-9]+"
PUBLIC_HOSTS: Final = ("public.ecr.aws", "ecr-public.aws.com")
PUBLIC_REGION: Final = "us-east-1"
"""The one region whose API describes public repositories (General Reference, "ECR Public endpoints")."""

_REST: Final = rf"(?P<repository>{REPOSITORY})(:(?P<tag>{TAG}))?(@(?P<digest>{DIGEST}))?"
_PRIVATE: Final = re.compile(
    rf"(?P<host>(?P<account>[0-9]{{12}})\.dkr(?P<kind>[.-])ecr(-fips)?\.(?P<region>{REGION})\.(?P<suffix>[a-z0-9.-]+))"
    rf"/{_REST}"
)
_PUBLIC: Final = re.compile(rf"(?P<host>{'|'.join(map(re.escape, PUBLIC_HOSTS))})/(?P<alias>[a-z][a-z0-9._-]+)/{_REST}")

# By the beginning of a region's name; what begins otherwise is `aws`.
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}
# Of registry hosts: usual, and dual-stack.
SUFFIXES: Final = {
    "aws": ("amazonaws.com", "on.aws"),
    "aws-cn": ("amazonaws.com.cn", "on.amazonwebservices.com.cn"),
    "aws-eusc": ("amazonaws.eu", "on.amazonwebservices.eu"),
    "aws-iso": ("c2s.ic.gov", "on.aws.ic.gov"),
    "aws-iso-b": ("sc2s.sgov.gov", "on.aws.scloud"),
    "aws-iso-e": ("cloud.adc-e.uk", "on.cloud-aws.adc-e.uk"),
    "aws-iso-f": ("csp.hci.ic.gov", "on.aws.hci.ic.gov"),
    "aws-us-gov": ("amazonaws.com", "on.aws"),
}


def partition_of(region: str) -> str:
    """Returns the partition that a region is in."""
    return next((partition for prefix, partition in _PARTITIONS.items() if region.startswith(prefix)), "aws")


_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_link(path: str, region: str) -> str:
    """Returns the address of a page of the AWS console, empty for a partition whose console is not known here."""
    host = _CONSOLES.get(partition_of(region))
    return f"https://{region}.{host}/{path}?region={region}" if host else ""


def without_fips(host: str) -> str:
    """Returns the host of a registry whose FIPS endpoint this is, the same host of any other."""
    return host.replace("ecr-fips.", "ecr.", 1)


def read_uri(uri: str) -> tuple[ImageId, Source] | None:
    """Returns the image that a URI names and its registry, None if it is no image URI of ECR or ECR Public."""
    found = _PUBLIC.fullmatch(uri)
    if found:
        source = Source(region=PUBLIC_REGION, host=found["host"], alias=found["alias"])
    else:
        found = _PRIVATE.fullmatch(uri)
        if not found:
            return None
        usual, dual_stack = SUFFIXES[partition_of(found["region"])]
        if found["suffix"] != (usual if found["kind"] == "." else dual_stack):
            return None
        source = Source(region=found["region"], registry_id=found["account"], host=found["host"])
    return ImageId(found["repository"], found["tag"], found["digest"]), source


def registry_in(repository: str) -> str:
    """Returns the host at the beginning of a repository's name, as Docker reads it; empty if there is none.

    ECR takes such names as well: a namespace may have dots, and be the prefix of a pull-through cache.
    """
    host, slash, _ = repository.partition("/")
    return host if slash and ("." in host or host == "localhost") else ""
