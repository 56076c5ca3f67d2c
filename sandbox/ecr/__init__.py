"""ECR and ECR Public, as far as a waiter and those who push images need them.

moto knows repositories: their creation, deletion, settings, policies and tags. A front stands before it, passes those on
and answers the rest itself, because moto makes an image's digest of its layers or of a random number, deletes an image
that loses its tag, keeps no blobs, and has no status, no media type of an artifact and no ECR Public.

| operation                | what it imitates                                               | source                      |
|--------------------------|----------------------------------------------------------------|-----------------------------|
| InitiateLayerUpload,     | parts in order, at least 5 MiB but for the last; the digest is | API reference of each;      |
| UploadLayerPart,         | that of the bytes; a layer that is there is refused, unless    | botocore's models           |
| CompleteLayerUpload      | it is archived (u)                                             |                             |
| BatchCheckLayer-         | AVAILABLE; ARCHIVED where only images that can't be pulled use | API_Layer;                  |
| Availability             | it (u); MissingLayerDigest, InvalidLayerDigest                 | botocore's models           |
| GetDownloadUrlForLayer   | a presigned URL of S3, valid for an hour (u), here on the      | API_GetDownloadUrlForLayer; |
|                          | front; LayerInaccessibleException for a layer of no image, or  | #308 of containers-roadmap  |
|                          | only of images that can't be pulled (u)                        | for the URL                 |
| GET of that URL          | 403 for another path or query, and after it has expired        | S3, "Sharing objects with   |
|                          |                                                                | presigned URLs"             |
| PutImage                 | the digest is that of the bytes; needs every layer, and of an  | API_PutImage;               |
|                          | index every image; a tag moves, and its image stays, untagged; | "Preventing image tags from |
|                          | a tag that is immutable does not; no mediaType in manifest and | being overwritten";         |
|                          | call is refused as invalid JSON; an archived image is restored | aws-cli#8620;               |
|                          | (at once: u)                                                   | "Archiving an image"        |
| DescribeImages           | all of imageIds or ImageNotFoundException; images of another   | API_DescribeImages,         |
|                          | status than the filter's, ACTIVE by default, are not found (u, | API_ImageDetail,            |
|                          | for imageIds); an index is as large as its largest image; no   | API_DescribeImagesFilter    |
|                          | artifactMediaType for an index (u); milliseconds; pages        |                             |
| ListImages               | the same filter; an entry for each tag; pages                  | API_ListImages              |
| BatchGetImage            | the manifest's bytes; a failure for each image that can't be   | API_BatchGetImage,          |
|                          | had: ImageNotFound, ImageTagDoesNotMatchDigest (when both are  | API_ImageFailure            |
|                          | there: u), ImageInaccessible (u), InvalidImageDigest,          |                             |
|                          | MissingDigestAndTag                                            |                             |
| BatchDeleteImage         | a tag goes, with the last one its image; an image that an      | API_BatchDeleteImage        |
|                          | index refers to stays: ImageReferencedByManifestList           |                             |
| UpdateImageStorageClass  | ACTIVE, ARCHIVED, ACTIVATING for 20 minutes (u) or as set,     | API_UpdateImageStorage-     |
|                          | ACTIVE; every other change is not supported (u)                | Class                       |
| DeleteRepository         | refused where there are images and no `force`; else moto's     | API_DeleteRepository        |
| ECR Public: the same for | no status; a registry may be named by an alias; only in        | API reference of ECR        |
| layers, PutImage and     | us-east-1, elsewhere UnsupportedCommandException               | Public; aws-cdk#24244       |
| DescribeImages           |                                                                |                             |
| DescribeRegistries       | one registry, with the default alias that ECR Public makes up  | API_Registry,               |
|                          | and an own one that is the primary (also before the first      | API_RegistryAlias           |
|                          | repository: u)                                                 |                             |
| CreateRepository,        | in memory, with no more than a name                            | API reference of ECR Public |
| DescribeRepositories,    |                                                                |                             |
| DeleteRepository         |                                                                |                             |

(u): unverified on AWS, as are the words of all messages but those that moto or the issues have. Not imitated: that
BatchGetImage by tag converts a manifest to one of `acceptedMediaTypes` (User Guide, "Amazon ECR image manifest
conversion"); here the parameter is not looked at.

Accounts and regions. A call's region is that of its signature, its account the one that its access key belongs to: a key
of twelve digits is an account itself, as in MiniStack; whose any other key is says GetCallerIdentity of the STS that made
it. In the sandbox that is MiniStack's, where AWS_ENDPOINT_URL leads to; with `standalone` it is moto's, on the front
itself. Both give credentials for a role of any account without asking whether it exists. `registryId` names another
account's registry, whoever calls; `Front.closed` lets one deny that. What the functions in the sandbox call with is the
sandbox's own account, in digits.
"""

from .front import Front

__all__ = ["Front"]
