"""The words of the command: options in place of properties, in faults and in Reasons. Pure."""

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
    """Returns the option for a property: `--max-retries` for MaxRetries. A map has one option for each of its keys."""
    name = "Label" if name == "Labels" else name
    return "--" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def called(name: str) -> str:
    """Returns the command's name for a property. The parts of an image have names in place of options."""
    return _PARTS.get(name) or option_of(name)


def without_template(fault: str) -> str:
    """Returns a fault of an image without the place in Images and the hint to AWS::NoValue."""
    beside = "; it applies to every image, so give it as an option"
    return fault.removeprefix("Images[0].").removesuffix(LEAVE_OUT).replace(BESIDE_IMAGES, beside)


def in_options(fault: str) -> str:
    """Returns a fault of properties with options in place of properties. Quoted values stay as they are."""
    return _NAMES.sub(lambda found: called(found[1]) if found[1] else found[0], fault)


COMMAND: Final = Terms(
    named=lambda name: "--timeout" if name == "MaxRetries" else called(name),
    switched_on=lambda name: f"give {option_of(name)}",
    by_parameter=lambda _: "",
    again="try again",
    beforehand="first",
    waiter="the identity that runs this command",
    credentials="that they have not expired and that the clock is right",
    trusted="that identity",
    here="this machine's",
)
"""The words of a Reason on the command line."""
