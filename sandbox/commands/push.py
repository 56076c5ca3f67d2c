"""The push of docker: of what the first argument says, in JSON."""

import json
import sys

import boto3

from sandbox.images import push


def main(wanted: str) -> None:
    """Push an image and print what docker prints last."""
    image = json.loads(wanted)
    ecr = boto3.client("ecr", region_name=image.pop("region"))
    repository, tag = image.pop("repository"), image.pop("tag")
    print(f"{tag}: digest: {push(ecr, repository, tag, **image)}")


if __name__ == "__main__":
    main(sys.argv[1])
