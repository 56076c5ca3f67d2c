"""ECR and ECR Public, as far as a waiter and those who push images need them.

moto knows repositories: their creation, deletion, settings, policies and tags. A front stands before it, passes those
on and answers the rest itself, because moto makes an image's digest of its layers or of a random number, deletes an
image that loses its tag, keeps no blobs, and has no status, no media type of an artifact and no ECR Public.

| operation               | what it imitates                                               | source                    |
|-------------------------|----------------------------------------------------------------|---------------------------|
| InitiateLayerUpload,    | the digest is that of the bytes; parts in any size, and every  | API reference of each;    |
| UploadLayerPart,        | upload is taken                                                | botocore's models         |
| CompleteLayerUpload     |                                                                |                           |
| BatchCheckLayer-        | AVAILABLE, MissingLayerDigest                                  | API_Layer; botocore's     |
| Availability            |                                                                | model                     |
| GetDownloadUrlForLayer  | a presigned URL of S3, here of the front, which does not       | its API page; monken/     |
|                         | expire; LayersNotFoundException; LayerInaccessibleException    | aws-ecr-public#11         |
|                         | for a layer only of images that can't be pulled (u)            |                           |
| PutImage                | the digest is that of the bytes; a tag moves, and its image    | API_PutImage; "Restoring  |
|                         | stays, untagged, unless the tag is immutable; exclusion        | an image"; "Preventing    |
|                         | filters; a push of an archived image restores it at once;      | image tags from being     |
|                         | parts may be missing                                           | overwritten"              |
| DescribeImages          | all of imageIds or ImageNotFoundException; only images of the  | its API page,             |
|                         | filter's status, ACTIVE by default (u for imageIds); an index  | API_ImageDetail,          |
|                         | is as large as its largest image; artifactMediaType from a     | API_DescribeImagesFilter; |
|                         | manifest's config, none for an index (u); imagePushedAt in     | mql#4938 for the seconds  |
|                         | whole seconds; pages                                           |                           |
| ListImages              | the same filter; an entry for each tag; pages                  | its API page              |
| BatchGetImage           | the manifest's bytes; a failure for each image that can't be   | its API page,             |
|                         | had: ImageNotFound, or ImageInaccessible while it is ARCHIVED  | API_ImageFailure;         |
|                         | or ACTIVATING (u)                                              | "Restoring an image"      |
| BatchDeleteImage        | a tag goes, and with the last one its image                    | its API page              |
| UpdateImageStorageClass | ARCHIVED at once; ACTIVATING, and ACTIVE after 20 minutes      | its API page; "Restoring  |
|                         |                                                                | an image"                 |
| DeleteRepository        | refused where there are images and no `force`; else moto's     | its API page              |
| ECR Public's operations | no status; in any region but us-east-1                         | API reference of ECR      |
| for layers, PutImage,   | UnsupportedCommandException, though most regions have no such  | Public; aws-cdk#24244     |
| DescribeImages          | endpoint at all                                                |                           |
| DescribeRegistries      | one registry, with the default alias that ECR Public makes up, | API_Registry,             |
|                         | and an own one that is active and the primary (also before the | API_RegistryAlias         |
|                         | first repository: u)                                           |                           |
| CreateRepository,       | in memory, with no more than a name                            | API reference of ECR      |
| DescribeRepositories,   |                                                                | Public                    |
| DeleteRepository        |                                                                |                           |

(u): unverified on AWS. So are the words of messages, but for those that moto has. Not imitated: refusals of requests
that nobody here makes, and that BatchGetImage by tag may convert a manifest to one of `acceptedMediaTypes` (User Guide,
"Amazon ECR image manifest conversion"); here they are not read.

The rules are in `contents`, `private` and `public`, without I/O; tests that wait on a fake clock ask those alone.

Accounts and regions: a call's region is that of its signature, its account the one that its access key belongs to. A
key of twelve digits is an account itself, as in MiniStack. Whose another key is says GetCallerIdentity of the STS that
gave it: MiniStack's in the sandbox, where AWS_ENDPOINT_URL leads to; with `standalone` moto's, on the front itself.
Either gives credentials for a role of any account and does not ask whether there is one. `registryId` names another
account's registry; `Front.closed` has it deny them. The functions in the sandbox call with the digits of
the account they are installed in.
"""

from .front import Front

__all__ = ["Front"]
