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
   * The service that will run the image. Fails immediately if that service cannot deploy it: Lambda takes a single
   * image from a private repository in the function's region, ECS takes an image index too. Allowed: Lambda or ECS.
   */
  readonly deployTarget?: "Lambda" | "ECS";
  /**
   * The platform that the image must be for; an image index must list it. Fails immediately if the image is for another
   * platform. Allowed: a platform such as linux/arm64, linux/amd64, linux/arm/v7, or arm64 alone.
   */
  readonly platform?: string | lambda.Architecture;
  /**
   * The labels that the image must carry. An image without them is an older one, so the wait goes on. Allowed: an
   * object of 1 to 20 labels, each value a string of 1 to 1024 characters.
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The time from which a push counts. An image pushed earlier is an older one, so the wait goes on. StackOperation is
   * the start of the wait. Allowed: an ISO 8601 time with its offset, such as 2026-11-01T12:00:00Z, or StackOperation.
   */
  readonly pushedAfter?: string | Date;
  /**
   * The repository, with its namespaces. Allowed: an ECR repository name of 2 to 256 characters: lower-case letters and
   * digits, with . _ - between them, and / between namespaces; no URI.
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
   * The whole URI of the image, instead of its parts. Account and region are read from it. Allowed: an image URI of ECR
   * or ECR Public with a tag, a digest or both, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1.
   */
  readonly imageUri?: string;
  /** The account whose registry holds the image, if it is another one. Allowed: an AWS account id of 12 digits. */
  readonly registryId?: string;
  /** The region of the registry, if it is another one. Allowed: an AWS region, such as eu-west-1. */
  readonly region?: string;
  /** The role to assume before ECR is called. Allowed: the ARN of an IAM role. */
  readonly role?: string | iam.IRole;
}

/** One of several images. */
export interface Image extends ImageProps {
  /**
   * The name of this image, unique among `images`. Fn::GetAtt gives <Id>.ImageUri. Allowed: 1 to 64 letters and digits.
   */
  readonly id: string;
}

/** The properties of `Custom::EcrImageWaiter`. */
export interface WaiterProps extends ImageProps {
  /**
   * The longest wait, as a multiple of `retryDelay`. 0 checks once. Allowed: a whole number from 0 to 3600. Default:
   * 60.
   */
  readonly maxRetries?: number;
  /** The longest pause between two checks, in seconds. Allowed: a whole number from 1 to 900. Default: 30. */
  readonly retryDelay?: number | Duration;
  /**
   * The factor by which pauses grow, from 1 s up to `retryDelay`. With 1, every pause is `retryDelay`. Allowed: a
   * number from 1 to 10. Default: 1.5.
   */
  readonly backoffRate?: number;
  /**
   * Whether to wait for a repository that does not exist yet. With `buildProject` or `pipeline`, the default is true.
   * Allowed: true or false. Default: false.
   */
  readonly waitForRepository?: boolean;
  /**
   * The CodeBuild project that pushes the image. When its build fails, the wait fails. Allowed: the name of a CodeBuild
   * project, or its ARN.
   */
  readonly buildProject?: string | codebuild.IProject;
  /**
   * The pipeline of CodePipeline that pushes the image. When its execution fails, the wait fails. Allowed: the name of
   * a pipeline of CodePipeline, or its ARN.
   */
  readonly pipeline?: string | codepipeline.IPipeline;
  /**
   * Whether to start `buildProject` or `pipeline` if the image is missing and no run is under way. Allowed: true or
   * false. Default: false.
   */
  readonly startBuild?: boolean;
  /** Ignored. Change it to have the image checked again. Allowed: anything. */
  readonly trigger?: string;
  /**
   * CloudFormation's own limit, in seconds, after which it fails the resource. The wait ends earlier. Allowed: a whole
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
  "empty": "; use !Ref AWS::NoValue to omit it",
  "missing": {
    "RepositoryName": "missing; allowed: an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - between them, and / between namespaces; no URI; or set ImageUri or Images",
    "ImageTag": "missing; set ImageTag, ImageDigest or both",
    "Images.RepositoryName": "missing; allowed: an ECR repository name of 2 to 256 characters: lower-case letters and digits, with . _ - between them, and / between namespaces; no URI",
    "Images.ImageTag": "missing; set ImageTag, ImageDigest or both",
    "Images.Id": "missing; allowed: 1 to 64 letters and digits"
  },
  "beside": {
    "ImageUri": "received {received}, cannot be combined with ImageUri, which contains it; remove one of them",
    "Images": "received {received}, cannot be combined with Images; set it per entry",
    "BuildProject": "received {received}, cannot be combined with BuildProject; set one of them"
  },
  "unknown": "received {received}, unknown property; the nearest known one is {meant}",
  "ofAll": "received {received}, no property of one image; it applies to every image, so set it next to Images",
  "StartBuild": "received {received}, requires BuildProject or Pipeline; set one of them",
  "Lambda": {
    "Platform": "received {received} with DeployTarget Lambda, allowed: linux/amd64 or linux/arm64",
    "ImageUri": "received {received} with DeployTarget Lambda, allowed: {usual}; Lambda rejects FIPS hosts"
  },
  "twice": "duplicate Id {received}"
};

/** What the resource returns, as tokens. */
export abstract class Attributes extends Construct {
  /** The image by its digest. Deploying this deploys exactly the image that was found. */
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

  /** The repository's URI. */
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

  /** The digest of the one image for `platform` in an index. */
  get platformDigest(): string {
    return this.ofOne("PlatformDigest");
  }

  /** The one image for `platform` in an index, by its digest. */
  get platformImageUri(): string {
    return this.ofOne("PlatformImageUri");
  }

  /** The image's architecture, if `platform` or `labels` is set. */
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
