"""Where the function is, and where an image is. Pure."""

from dataclasses import dataclass

from .model import Source


@dataclass(frozen=True, slots=True)
class Place:
    """A region of an account. `partition` is `aws`, `aws-cn`, ..."""

    partition: str
    region: str
    account: str

    @property
    def is_public(self) -> bool:
        """Whether this is ECR Public, which is in no region."""
        return "/" in self.region

    def repository_arn(self, repository: str) -> str:
        """Return the repository's ARN, as an IAM policy names it."""
        if self.is_public:
            return f"arn:{self.partition}:ecr-public::{self.account}:repository/{repository}"
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"

    def at(self, source: Source) -> "Place":
        """Return the place of an image's registry, from the function's own."""
        if source.alias:
            return Place(self.partition, f"public.ecr.aws/{source.alias}", self.account)
        account = source.registry_id or (source.role_arn.split(":")[4] if source.role_arn else self.account)
        return Place(self.partition, source.region or self.region, account)


def place_of(function_arn: str) -> Place:
    """Return the partition, region and account that the function's own ARN names."""
    _, partition, _, region, account, *_ = [*function_arn.split(":"), *[""] * 5]
    return Place(partition or "aws", region, account)
