"""What the command calls things: options for properties, and their names in faults and Reasons. Pure."""

import re
from typing import Final

from ecr_image_waiter.cfn.properties import Properties
from ecr_image_waiter.cfn.validation import BESIDE_IMAGES, LEAVE_OUT
from ecr_image_waiter.text.terms import Terms

_PARTS: Final = {
    "RepositoryName": "the repository's name",
    "ImageTag": "the tag",
    "ImageDigest": "the digest",
    "ImageUri": "the URI",
}
_NAMES: Final = re.compile(rf'"[^"]*"|\b({"|".join(Properties.model_fields)})\b')


def option_of(name: str) -> str:
    """Return the option for a property: `--max-retries` for MaxRetries. A map's is said once for each of its keys."""
    name = "Label" if name == "Labels" else name
    return "--" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def called(name: str) -> str:
    """Return what the command calls a property: parts of the image are no options."""
    return _PARTS.get(name) or option_of(name)


def without_template(fault: str) -> str:
    """Return a fault of an image without what only a template has: the place in Images, and AWS::NoValue."""
    beside = "; it applies to every image, so give it as an option, where there is one"
    return fault.removeprefix("Images[0].").removesuffix(LEAVE_OUT).replace(BESIDE_IMAGES, beside)


def in_options(fault: str) -> str:
    """Return a fault of properties in the words of the command. What stands in quotes is the user's own."""
    return _NAMES.sub(lambda found: called(found[1]) if found[1] else found[0], fault)


COMMAND: Final = Terms(
    named=lambda name: "--timeout" if name == "MaxRetries" else called(name),
    switched_on=lambda name: f"give {option_of(name)}",
    by_parameter=lambda _: "",
    again="try again",
    beforehand="first",
    waiter="whoever runs this",
    credentials="whether they have expired or the clock is wrong",
    trusted="whoever runs this",
    here="here",
)
"""The words of a Reason on the command line."""
