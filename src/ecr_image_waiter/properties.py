"""The properties of `Custom::EcrImageWaiter`, validated: all faults at once, each one a sentence."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from .errors import InvalidRequest
from .findings import ImageId
from .waiting import Rhythm

_DEFAULT_SERVICE_TIMEOUT: Final = 3600

# ECR's own pattern: a test compares it with botocore's model of ECR.
_REPOSITORY: Final = r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"


def _no_truth(value: object) -> object:
    # True is a kind of 1 to Python, and to nobody who writes a template.
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004  # what pydantic wants
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
Decimal = Annotated[float, BeforeValidator(_no_truth)]


class Properties(BaseModel):
    """The properties, as docs/EcrImageWaiter.md has them.

    They arrive as strings, or as JSON has them. Each description says what is allowed, in the words of a fault.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)

    RepositoryName: str = Field(
        min_length=2,
        max_length=256,
        pattern=_REPOSITORY,
        description="an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - between "
        "them, and / between namespaces; no URI",
    )
    ImageTag: str = Field(
        default="",
        min_length=1,
        max_length=300,
        pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9._-]*$",
        description="an image tag of up to 300 characters: letters, digits, _ . - and not beginning with . or -",
    )
    ImageDigest: str = Field(
        default="", pattern=r"^sha256:[0-9a-f]{64}$", description="sha256: and 64 lower-case hexadecimal digits"
    )
    MaxRetries: Whole = Field(default=60, ge=0, le=3600, description="a whole number from 0 to 3600")
    RetryDelaySeconds: Whole = Field(default=30, ge=1, le=900, description="a whole number from 1 to 900")
    BackoffRate: Decimal = Field(default=1.5, ge=1, le=10, description="a number from 1 to 10")
    WaitForRepository: bool = Field(default=False, description="true or false")
    Trigger: object = Field(default="", description="anything: it is ignored")
    ServiceTimeout: Whole = Field(
        default=_DEFAULT_SERVICE_TIMEOUT,
        ge=1,
        le=_DEFAULT_SERVICE_TIMEOUT,
        description="a whole number from 1 to 3600",
    )
    ServiceToken: object = Field(default="", description="CloudFormation's own")

    @field_validator("RepositoryName")
    @classmethod
    def _no_uri(cls, name: str) -> str:
        # A URI has the form of a name with a namespace, and would be waited for in vain.
        if ".dkr.ecr." in name:
            raise ValueError("a URI")
        return name

    @property
    def image(self) -> ImageId:
        """The image to wait for."""
        return ImageId(repository=self.RepositoryName, tag=self.ImageTag or None, digest=self.ImageDigest or None)

    @property
    def rhythm(self) -> Rhythm:
        """How the template wants to wait."""
        return Rhythm(
            delay=self.RetryDelaySeconds, backoff_rate=self.BackoffRate, wait_for_repository=self.WaitForRepository
        )

    @property
    def max_wait(self) -> float:
        """The longest wait the template asks for, in seconds."""
        return float(self.MaxRetries * self.RetryDelaySeconds)


def read_properties(received: object) -> Properties:
    """Return the validated properties.

    Args:
        received: `ResourceProperties` of an event, or a direct invocation's whole event.

    Raises:
        InvalidRequest: with every fault of the request.
    """
    if not isinstance(received, Mapping):
        raise InvalidRequest([f"ResourceProperties: received {shown(received)}, allowed: an object of properties"])
    no_image = ["ImageTag: missing; give ImageTag, ImageDigest or both"]
    neither = no_image if received.keys().isdisjoint({"ImageTag", "ImageDigest"}) else []
    try:
        properties = Properties.model_validate(dict(received))
    except ValidationError as error:
        # pydantic names no place for a key that is not valid Unicode.
        faults = [
            _fault(item["type"], str(item["loc"][0] if item["loc"] else "?"), item["input"]) for item in error.errors()
        ]
        raise InvalidRequest([*faults, *neither]) from None
    if neither:
        raise InvalidRequest(neither)
    return properties


def _fault(kind: str, name: str, received: object) -> str:
    if kind == "extra_forbidden" or name not in Properties.model_fields:
        # Case is what people get wrong most; it must not count as distance.
        known = {field.lower(): field for field in Properties.model_fields}
        nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)
        return (
            f"{clipped(name)}: received {shown(received)}, unknown property; the nearest known one is "
            f"{known[nearest[0]]}"
        )
    allowed = Properties.model_fields[name].description
    if kind == "missing":
        return f"{name}: missing; allowed: {allowed}"
    return f"{name}: received {shown(received)}, allowed: {allowed}"


def clipped(text: str) -> str:
    """Shorten a text to what a sentence can bear."""
    text = text if len(text) <= 60 else text[:57] + "..."
    # A Reason is one line of valid Unicode, whatever a template says.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """Show a value shortly and as JSON would, so that a list, a number and a string can be told apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{clipped(value)}"'
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    try:
        return clipped(str(value))
    except ValueError:  # an integer beyond Python's limit for conversion to text
        return "a number of thousands of digits"
