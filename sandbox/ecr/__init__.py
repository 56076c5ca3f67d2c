"""ECR and ECR Public, as far as a waiter and those who push images need them.

moto knows repositories: their creation, deletion, settings, policies and tags. A front stands before it, passes those
on and answers the rest itself, because moto makes an image's digest of its layers or of a random number, deletes an
image that loses its tag, keeps no blobs, and has no status, no media type of an artifact and no ECR Public.

| operation               | what it imitates                                               | source                    |
|-------------------------|----------------------------------------------------------------|---------------------------|
| InitiateLayerUpload,    | parts in order, at least 5 MiB but for the last; the digest is | API reference of each;    |
| UploadLayerPart,        | that of the bytes; a layer that is there is refused, unless it | botocore's models         |
| CompleteLayerUpload     | is archived (u)                                                |                           |
| BatchCheckLayer-        | AVAILABLE; ARCHIVED where only images that can't be pulled use | API_Layer; botocore's     |
| Availability            | it (u); MissingLayerDigest, InvalidLayerDigest                 | model                     |
| GetDownloadUrlForLayer  | a presigned URL, valid for an hour (u), of S3, here of the     | its API page; monken/     |
|                         | front; LayersNotFoundException; LayerInaccessibleException for | aws-ecr-public#11         |
|                         | a layer of no image, or only of such that can't be pulled (u)  |                           |
| GET of that URL         | 403 for another path or query, and when it has expired         | S3 User Guide, "Sharing   |
|                         |                                                                | objects with presigned    |
|                         |                                                                | URLs"                     |
| PutImage                | the digest is that of the bytes; needs every layer, and of an  | API_PutImage; "Preventing |
|                         | index every image; a tag moves, and its image stays, untagged; | image tags from being     |
|                         | a tag that is immutable does not; invalid without a mediaType  | overwritten"; "Restoring  |
|                         | in manifest or call; a push of an archived image restores it   | an image"; aws-cli#8620   |
|                         | at once                                                        |                           |
| DescribeImages          | all of imageIds or ImageNotFoundException; only images of the  | its API page,             |
|                         | filter's status, ACTIVE by default (u for imageIds); an index  | API_ImageDetail,          |
|                         | is as large as its largest image; artifactMediaType from a     | API_DescribeImagesFilter; |
|                         | manifest's config, none for an index (u); imagePushedAt in     | mql#4938 for the seconds  |
|                         | whole seconds; pages                                           |                           |
| ListImages              | the same filter; an entry for each tag; pages                  | its API page              |
| BatchGetImage           | the manifest's bytes; a failure for each image that can't be   | its API page,             |
|                         | had: ImageNotFound, ImageTagDoesNotMatchDigest (when both are  | API_ImageFailure;         |
|                         | there: u), ImageInaccessible while it is ARCHIVED or           | "Restoring an image"      |
|                         | ACTIVATING (u), InvalidImageDigest, MissingDigestAndTag        |                           |
| BatchDeleteImage        | a tag goes, and with the last one its image; an image that an  | its API page; botocore's  |
|                         | index refers to stays: ImageReferencedByManifestList           | model                     |
| UpdateImageStorageClass | ACTIVE to ARCHIVED; then to ACTIVATING, and to ACTIVE after 20 | its API page; "Restoring  |
|                         | minutes or as set; every other change is not supported (u)     | an image"                 |
| DeleteRepository        | refused where there are images and no `force`; else moto's     | its API page              |
| ECR Public's operations | no status; a registry may be named by an alias; in any region  | API reference of ECR      |
| for layers, PutImage,   | but us-east-1 UnsupportedCommandException, though most regions | Public; aws-cdk#24244     |
| DescribeImages          | have no such endpoint at all                                   |                           |
| DescribeRegistries      | one registry, with the default alias that ECR Public makes up, | API_Registry,             |
|                         | and an own one that is active and the primary (also before the | API_RegistryAlias         |
|                         | first repository: u)                                           |                           |
| CreateRepository,       | in memory, with no more than a name                            | API reference of ECR      |
| DescribeRepositories,   |                                                                | Public                    |
| DeleteRepository        |                                                                |                           |

(u): unverified on AWS. So are the words of messages, but for those that moto has or that stand in the issues named, and
how an index fares whose images are archived; here each has its own status. Not imitated: that BatchGetImage by tag may
convert a manifest to one of `acceptedMediaTypes` (User Guide, "Amazon ECR image manifest conversion"); here they are
not looked at.

Accounts and regions: a call's region is that of its signature, its account the one that its access key belongs to. A
key of twelve digits is an account itself, as in MiniStack. Whose another key is says GetCallerIdentity of the STS that
gave it: MiniStack's in the sandbox, where AWS_ENDPOINT_URL leads to; with `standalone` moto's, on the front itself.
Either gives credentials for a role of any account and does not ask whether there is one. `registryId` names another
account's registry, whoever calls; `Front.closed` has it deny them. The functions in the sandbox call with the digits of
the account they are installed in.
"""

from .front import Front

__all__ = ["Front"]
