// Written by `make schema` from the model of the waiter. Change that, not this file.
import type { Duration } from "aws-cdk-lib";
import type * as codebuild from "aws-cdk-lib/aws-codebuild";
import type * as codepipeline from "aws-cdk-lib/aws-codepipeline";
import type * as ecr from "aws-cdk-lib/aws-ecr";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";

/** Which image to wait for, and what it must be. */
export interface ImageProps {
  /**
   * Where the image is to run. Lambda: a single image in the function's region, else the stack fails at once with the
   * cure; ECS: an image index will do as well. Allowed: Lambda or ECS.
   */
  readonly deployTarget?: "Lambda" | "ECS";
  /**
   * The platform that the image must be for, or that its index must hold. Another one fails at once. Allowed: a
   * platform such as linux/arm64, linux/amd64, linux/arm/v7, or arm64 alone.
   */
  readonly platform?: string | lambda.Architecture;
  /**
   * Labels that the image must carry. Until it does, it is not the image that is waited for. Allowed: an object of 1 to
   * 20 labels, each value a string of at most 1024 characters.
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * An image that was pushed earlier is not the one that is waited for. StackOperation: before this Create or Update
   * began. Allowed: an ISO 8601 time with its offset, such as 2026-11-01T12:00:00Z, or StackOperation.
   */
  readonly pushedAfter?: string | Date;
  /**
   * The repository, with its namespaces, as ECR spells it. Allowed: an ECR repository name of 2 to 256 characters:
   * lower-case letters and digits, with . _ - between them, and / between namespaces; no URI.
   */
  readonly repository?: string | ecr.IRepository;
  /**
   * The tag to wait for. Required unless `digest` or `imageUri` is given. Allowed: an image tag of up to 300
   * characters: letters, digits, _ . - and not beginning with . or -.
   */
  readonly tag?: string;
  /**
   * The digest to wait for. With `tag`, the tag must point at it. Allowed: sha256: and 64 lower-case hexadecimal
   * digits.
   */
  readonly digest?: string;
  /**
   * The image as a whole URI instead of its parts; account and region are read from it. Allowed: an image URI of ECR or
   * ECR Public with a tag, a digest or both, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1.
   */
  readonly imageUri?: string;
  /** The account of the registry, where it is not the waiter's own. Allowed: an AWS account id of 12 digits. */
  readonly registryId?: string;
  /** The region of the registry, where it is not the waiter's own. Allowed: an AWS region, such as eu-west-1. */
  readonly region?: string;
  /** The role to assume before looking, one of those that the install allows. Allowed: the ARN of an IAM role. */
  readonly role?: string | iam.IRole;
}

/** One of several images. */
export interface Image extends ImageProps {
  /**
   * The name of this image, unique among `images`: Fn::GetAtt gives <Id>.ImageUri. Allowed: 1 to 64 letters and digits.
   */
  readonly id: string;
}

/** The properties of `Custom::EcrImageWaiter`. */
export interface WaiterProps extends ImageProps {
  /**
   * Times `retryDelay`, the longest wait in seconds. 0 checks once. Allowed: a whole number from 0 to 3600. Default:
   * 60.
   */
  readonly maxRetries?: number;
  /** The longest pause between two checks, in seconds. Allowed: a whole number from 1 to 900. Default: 30. */
  readonly retryDelay?: number | Duration;
  /**
   * Pauses begin at 1 s and grow by this factor up to `retryDelay`. 1: all are `retryDelay`. Allowed: a number from 1
   * to 10. Default: 1.5.
   */
  readonly backoffRate?: number;
  /**
   * Whether a repository that does not exist is waited for as well. Left out beside `buildProject` or `pipeline`: it
   * is. Allowed: true or false. Default: false.
   */
  readonly waitForRepository?: boolean;
  /**
   * The CodeBuild project that pushes the image. When its build fails, so does the wait. Allowed: the name of a
   * CodeBuild project, or its ARN.
   */
  readonly buildProject?: string | codebuild.IProject;
  /**
   * The pipeline of CodePipeline that pushes the image. When its execution fails, so does the wait. Allowed: the name
   * of a pipeline of CodePipeline, or its ARN.
   */
  readonly pipeline?: string | codepipeline.IPipeline;
  /**
   * Whether that project or pipeline is started when the image is not there and no run is under way. Allowed: true or
   * false. Default: false.
   */
  readonly startBuild?: boolean;
  /** Change it to have the image looked up again. Allowed: anything: it is ignored. */
  readonly trigger?: string;
  /**
   * CloudFormation's own: the seconds after which it fails the resource. The wait ends before that. Allowed: a whole
   * number from 10 to 3600; below 10 there is no time for a check and a response. Default: 3600.
   */
  readonly serviceTimeout?: number | Duration;
  /**
   * 1 to 20 images to wait for together, instead of one. Allowed: a list of 1 to 20 objects, each with an Id and the
   * properties of one image.
   */
  readonly images?: readonly Image[];
}

type Prop = keyof Image | keyof WaiterProps;
/** The property of the resource that each prop becomes. */
export const PROPERTIES: Readonly<Record<Prop, string>> = {
  "deployTarget": "DeployTarget",
  "platform": "Platform",
  "labels": "Labels",
  "pushedAfter": "PushedAfter",
  "repository": "RepositoryName",
  "tag": "ImageTag",
  "digest": "ImageDigest",
  "imageUri": "ImageUri",
  "registryId": "RegistryId",
  "region": "Region",
  "role": "RoleArn",
  "id": "Id",
  "maxRetries": "MaxRetries",
  "retryDelay": "RetryDelaySeconds",
  "backoffRate": "BackoffRate",
  "waitForRepository": "WaitForRepository",
  "buildProject": "BuildProject",
  "pipeline": "Pipeline",
  "startBuild": "StartBuild",
  "trigger": "Trigger",
  "serviceTimeout": "ServiceTimeout",
  "images": "Images"
};

/** The service's own sentences about faults. */
export const WORDS = {
  "value": "received {received}{count}, allowed: {allowed}",
  "empty": "; !Ref AWS::NoValue leaves it out",
  "missing": {
    "RepositoryName": "missing; allowed: an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - between them, and / between namespaces; no URI; or give ImageUri or Images",
    "ImageTag": "missing; give ImageTag, ImageDigest or both",
    "Images.RepositoryName": "missing; allowed: an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - between them, and / between namespaces; no URI",
    "Images.ImageTag": "missing; give ImageTag, ImageDigest or both",
    "Images.Id": "missing; allowed: 1 to 64 letters and digits"
  },
  "beside": {
    "ImageUri": "received beside ImageUri, which says it already; leave one of them out",
    "Images": "received beside Images; give it in the entries of Images that it is meant for",
    "BuildProject": "received beside BuildProject; name the one that is to be followed"
  },
  "StartBuild": "received without BuildProject and Pipeline; name the one that is to be started",
  "Lambda": {
    "Platform": "received {received} beside DeployTarget Lambda, allowed: linux/amd64 or linux/arm64; Lambda runs no other",
    "ImageUri": "received {received} beside DeployTarget Lambda, allowed: the usual host, {usual}; Lambda takes no FIPS host"
  },
  "twice": "the Id {received} stands in it {count} times, allowed: once"
};

/** What the resource returns, as tokens. */
export abstract class Attributes extends Construct {
  /** The image by its digest. Deploy this and you deploy exactly the image that was found. */
  get imageUri(): string {
    return this.ofOne("ImageUri");
  }

  /** The image's digest; empty in a rollback for which the image is gone. */
  get imageDigest(): string {
    return this.ofOne("ImageDigest");
  }

  /** The image by its tag. */
  get taggedImageUri(): string {
    return this.ofOne("TaggedImageUri");
  }

  /** The repository as docker calls it. */
  get repositoryUri(): string {
    return this.ofOne("RepositoryUri");
  }

  /** The repository's name. */
  get repositoryName(): string {
    return this.ofOne("RepositoryName");
  }

  /** The tag that was given. */
  get imageTag(): string {
    return this.ofOne("ImageTag");
  }

  /** The account of the registry. */
  get registryId(): string {
    return this.ofOne("RegistryId");
  }

  /** When the image was pushed, ISO 8601 in UTC. */
  get imagePushedAt(): string {
    return this.ofOne("ImagePushedAt");
  }

  /** The image's size, as ECR has it. */
  get imageSizeInBytes(): string {
    return this.ofOne("ImageSizeInBytes");
  }

  /** The media type of the image's manifest. */
  get imageManifestMediaType(): string {
    return this.ofOne("ImageManifestMediaType");
  }

  /** With `platform`, of an index: the digest of the one image for it. */
  get platformDigest(): string {
    return this.ofOne("PlatformDigest");
  }

  /** With `platform`, of an index: the one image for it, by its digest. */
  get platformImageUri(): string {
    return this.ofOne("PlatformImageUri");
  }

  /** The image's architecture, where `platform` or `labels` had it looked at. */
  get architecture(): string {
    return this.ofOne("Architecture");
  }

  /** How many checks the wait took. */
  get attempts(): string {
    return this.attribute("Attempts");
  }

  /** How many seconds it took. */
  get waitedSeconds(): string {
    return this.attribute("WaitedSeconds");
  }

  /** An attribute of a wait for one image. */
  protected abstract ofOne(name: string): string;
  /** An attribute that every wait has. */
  protected abstract attribute(name: string): string;
}
