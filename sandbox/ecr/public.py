"""ECR Public: repositories and their images, in memory, one registry for each account. No I/O."""

import hashlib
from collections.abc import Callable
from typing import Final, TypeAlias

from ecr_image_waiter.core.deadline import Clock

from .contents import Answer, Refused, Repository, Request, page

REGION: Final = "us-east-1"
"""The one region that has the API."""

Operation: TypeAlias = Callable[[str, Request], Answer]
"""Of the account whose registry it reads, and the request."""


class PublicRepository(Repository):
    """A repository of ECR Public. `created_at`: seconds since 1970 UTC. `alias`: the registry's primary one."""

    def __init__(self, registry_id: str, name: str, created_at: float, alias: str) -> None:
        super().__init__(registry_id, name)
        self.created_at = created_at
        self._alias = alias

    @property
    def described_itself(self) -> Answer:
        return {
            **self.identity,
            "repositoryArn": f"arn:aws:ecr-public::{self.registry_id}:repository/{self.name}",
            "repositoryUri": f"public.ecr.aws/{self._alias}/{self.name}",
            "createdAt": self.created_at,
        }


class Public:
    """ECR Public's operations, by the names that the API has for them in `operations`.

    Args:
        clock: the time.
        aliases: an account's default alias and its own.
    """

    def __init__(self, clock: Clock, aliases: Callable[[str], tuple[str, str]] | None = None) -> None:
        self._clock = clock
        self._aliases = aliases or _aliases
        self._registries: dict[str, dict[str, PublicRepository]] = {}
        self.operations: dict[str, Operation] = {
            "BatchCheckLayerAvailability": lambda *call: self._repository(*call).check_layers(call[1]),
            "CompleteLayerUpload": lambda *call: self._repository(*call).complete_upload(call[1]),
            "CreateRepository": self._create_repository,
            "DeleteRepository": self._delete_repository,
            "DescribeImages": self._describe_images,
            "DescribeRegistries": self._describe_registries,
            "DescribeRepositories": self._describe_repositories,
            "InitiateLayerUpload": lambda *call: self._repository(*call).begin_upload(),
            "PutImage": lambda *call: self._repository(*call).put_image(call[1], self._clock.now()),
            "UploadLayerPart": lambda *call: self._repository(*call).upload_part(call[1]),
        }

    def answer(self, operation: str, caller: str, request: Request) -> Answer:
        """Return the answer to a call of one of the operations, or raise `Refused`."""
        return self.operations[operation](str(request.get("registryId") or caller), request)

    def reset(self) -> None:
        self._registries.clear()

    def _registry(self, account: str) -> dict[str, PublicRepository]:
        return self._registries.setdefault(account, {})

    def _repository(self, account: str, request: Request) -> PublicRepository:
        name = request["repositoryName"]
        try:
            return self._registry(account)[name]
        except KeyError:
            raise _repository_not_found(name, account) from None

    def _create_repository(self, account: str, request: Request) -> Answer:
        name, registry = request["repositoryName"], self._registry(account)
        if name in registry:
            raise Refused(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{account}'",
            )
        registry[name] = PublicRepository(account, name, self._clock.now(), self._aliases(account)[1])
        return {"repository": registry[name].described_itself, "catalogData": {}}

    def _delete_repository(self, account: str, request: Request) -> Answer:
        repository = self._repository(account, request)
        if repository.images and not request.get("force"):
            raise Refused(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository.name}' in registry with id '{account}' cannot be deleted "
                "because it still contains images",
            )
        del self._registry(account)[repository.name]
        return {"repository": repository.described_itself}

    def _describe_registries(self, account: str, request: Request) -> Answer:
        default, own = self._aliases(account)
        registry = {
            "registryId": account,
            "registryArn": f"arn:aws:ecr-public::{account}:registry/{account}",
            "registryUri": f"public.ecr.aws/{own}",
            "verified": False,
            "aliases": [
                {"name": default, "status": "ACTIVE", "primaryRegistryAlias": False, "defaultRegistryAlias": True},
                {"name": own, "status": "ACTIVE", "primaryRegistryAlias": True, "defaultRegistryAlias": False},
            ],
        }
        return page([registry], request, "registries")

    def _describe_repositories(self, account: str, request: Request) -> Answer:
        registry = self._registry(account)
        names = request.get("repositoryNames") or list(registry)
        for name in names:
            if name not in registry:
                raise _repository_not_found(name, account)
        return page([registry[name].described_itself for name in names], request, "repositories")

    def _describe_images(self, account: str, request: Request) -> Answer:
        repository = self._repository(account, request)
        images = repository.describe(request, repository.images.values())
        return page([repository.detail(image) for image in images], request, "imageDetails")


def _aliases(account: str) -> tuple[str, str]:
    """Return an account's default alias, which ECR Public makes up, and the one that it asked for."""
    return "t" + hashlib.sha256(account.encode()).hexdigest()[:7], f"team{account[-4:]}"


def _repository_not_found(name: str, account: str) -> Refused:
    return Refused(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account}'",
    )
