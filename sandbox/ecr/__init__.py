"""ECR and ECR Public, as far as a waiter and those who push images need them.

moto knows repositories: their creation, deletion, settings, policies and tags. A front stands before it, passes those
on and answers the rest itself, because moto makes an image's digest of its layers or of a random number, deletes an
image that loses its tag, keeps no blobs, and has no status, no media type of an artifact and no ECR Public. The rules
are in `contents`, `private` and `public`, without I/O; tests that wait on a fake clock ask those alone.

They are those of each operation's API page and botocore's model, and of "Restoring an image", "Preventing image tags
from being overwritten", API_ImageDetail, API_ImageFailure and API_RegistryAlias. Unverified on AWS: the words of
messages, DescribeImages' default filter beside imageIds, no artifactMediaType of an index, the failure of an image that
is archived or being restored (ImageInaccessible, LayerInaccessibleException), and a public registry's aliases. Not
imitated: refusals of requests that nobody here makes, URLs of layers that expire, and `acceptedMediaTypes`.

A call's region is that of its signature, its account the one that its access key belongs to: twelve digits are an
account itself, as in MiniStack; of another key GetCallerIdentity says it, of MiniStack in the sandbox, of moto with
`standalone`. `registryId` names another account's registry; `Front.closed` has it deny them.
"""

from .front import Front

__all__ = ["Front"]
