/** The construct that stands for `Custom::EcrImageWaiter`. */
import { type CfnResource, CustomResource, Duration, Stack } from "aws-cdk-lib";
import * as ecr from "aws-cdk-lib/aws-ecr";
import * as ecs from "aws-cdk-lib/aws-ecs";
import type * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";

import { Attributes, type Image, type ImageProps, PROPERTIES, type WaiterProps } from "./generated";
import type { EcrImageWaiterProvider } from "./provider";
import { faultsOf, faultsOfSpelling, isProperty } from "./validation";

const TYPE = "Custom::EcrImageWaiter";
const SERVICE_TOKEN_PARAMETER = "/ecr-image-waiter/service-token";
const URI =
  /^(?<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?<region>[a-z0-9-]+)\.[a-z0-9.-]+\/(?<repository>[^:@]+)[:@]/;
const PUBLIC = /^(public\.ecr\.aws|ecr-public\.aws\.com)\//;
/** The attribute of a construct that is the value of its property. */
const NAMED_BY: Readonly<Record<string, string>> = {
  repository: "repositoryName",
  role: "roleArn",
  buildProject: "projectArn",
  pipeline: "pipelineArn",
};

export interface EcrImageWaiterProps extends WaiterProps {
  /** The waiter function's ARN, or the construct that deploys it. By default it is read from an SSM parameter. */
  readonly serviceToken?: string | EcrImageWaiterProvider;
  /** The SSM parameter that has the ARN. Default: /ecr-image-waiter/service-token. */
  readonly serviceTokenParameter?: string;
}

/** As of `DockerImageCode.fromEcr`. */
export type ImageCodeProps = Omit<lambda.EcrImageCodeProps, "tag" | "tagOrDigest">;

/**
 * Holds the stack until an image, or each of several, is in ECR and can be deployed.
 *
 * Resources that use one of its attributes are created afterwards; for others there is `node.addDependency`. The
 * constructor throws one Error with every fault that can be seen before the deployment.
 */
export class EcrImageWaiter extends Attributes {
  private readonly images: ReadonlyMap<string, ImageProps>;
  private readonly pinned = new Map<string, ecr.IRepository>();
  private readonly resource: CustomResource;

  constructor(scope: Construct, id: string, props: EcrImageWaiterProps) {
    super(scope, id);
    const { serviceToken, serviceTokenParameter = SERVICE_TOKEN_PARAMETER, ...waiter } = props;
    this.images = new Map<string, ImageProps>(waiter.images?.map((image) => [image.id, image]) ?? [["", waiter]]);
    const properties = propertiesOf(waiter, Stack.of(this));
    const faults = [
      ...faultsOf(properties),
      ...faultsOfSpelling(waiter),
      ...(waiter.images ?? []).flatMap((image, at) => faultsOfSpelling(image, `Images[${String(at)}].`)),
    ];
    if (faults.length > 0) throw new Error([`${this.node.path}, ${TYPE}, is not valid:`, ...faults].join("\n- "));

    const { ServiceTimeout, ...others } = properties; // The library warns of it among the others.
    this.resource = new CustomResource(this, "Resource", {
      resourceType: TYPE,
      serviceToken:
        typeof serviceToken === "object"
          ? serviceToken.serviceToken
          : (serviceToken ?? StringParameter.valueForStringParameter(this, serviceTokenParameter)),
      properties: others,
    });
    (this.resource.node.defaultChild as CfnResource).addPropertyOverride("ServiceTimeout", ServiceTimeout);
    // A function is used before its permissions are there, and a build is started before its own, without these.
    for (const first of [serviceToken, waiter.buildProject, waiter.pipeline]) {
      if (typeof first === "object") this.resource.node.addDependency(first);
    }
  }

  /** Returns the URI, by its digest, of one of several images. */
  imageUriOf(id: string): string {
    if (!id || !this.images.has(id)) {
      const known = [...this.images.keys()].filter(Boolean).join(", ") || "none: there is one image, see imageUri";
      throw new Error(`${this.node.path} waits for no image with the Id "${id}"; it has ${known}`);
    }
    return this.attribute(`${id}.ImageUri`);
  }

  /** Returns the image, by the digest that was found, as code of a `DockerImageFunction`. `id`: which of several. */
  dockerImageCode(id?: string, props?: ImageCodeProps): lambda.DockerImageCode;
  /** Returns the only image, by the digest that was found, as code of a `DockerImageFunction`. */
  dockerImageCode(props: ImageCodeProps): lambda.DockerImageCode;
  dockerImageCode(of: string | ImageCodeProps = "", props: ImageCodeProps = {}): lambda.DockerImageCode {
    const [id, given] = typeof of === "string" ? [of, props] : ["", of];
    return lambda.DockerImageCode.fromEcr(this.repositoryOf(id), given);
  }

  /** Returns the image, by the digest that was found, for a container of ECS. `id`: which of several. */
  containerImage(id = ""): ecs.ContainerImage {
    const uri = this.uriOf(id);
    // ECR Public needs no permission.
    if (PUBLIC.test(this.images.get(id)?.imageUri ?? "")) return ecs.ContainerImage.fromRegistry(uri);
    return ecs.ContainerImage.fromEcrRepository(this.repositoryOf(id));
  }

  protected ofOne(name: string): string {
    if (this.images.has("")) return this.attribute(name);
    const ids = [...this.images.keys()].join(", ");
    throw new Error(`${this.node.path} waits for a list of images: give one's Id (${ids})`);
  }

  protected attribute(name: string): string {
    return this.resource.getAttString(name);
  }

  private uriOf(id: string): string {
    return id ? this.imageUriOf(id) : this.imageUri;
  }

  /** Returns a repository that has the image that was found, whatever tag or digest it is asked for. */
  private repositoryOf(id: string): ecr.IRepository {
    const uri = this.uriOf(id);
    const pinned = this.pinned.get(id) ?? new Pinned(this, `Pinned${id}`, this.importedRepository(id), uri);
    this.pinned.set(id, pinned);
    return pinned;
  }

  private importedRepository(id: string): ecr.IRepository {
    const image = this.images.get(id) ?? {};
    if (typeof image.repository === "object") return image.repository;
    let { repository, region, registryId: account } = image;
    if (image.imageUri !== undefined) {
      ({ repository, region, account } = URI.exec(image.imageUri)?.groups ?? {});
    }
    if (repository === undefined) {
      throw new Error(
        `${this.node.path}: permission to pull needs a private repository that is known before the deployment: ` +
          "give repository and tag or digest instead of imageUri",
      );
    }
    const arn = { service: "ecr", resource: "repository", resourceName: repository, region, account };
    return ecr.Repository.fromRepositoryAttributes(this, `Repository${id}`, {
      repositoryArn: Stack.of(this).formatArn(arn),
      repositoryName: repository,
    });
  }
}

/**
 * A repository with one image in it.
 *
 * The library tells a tag from a digest by how it begins, which nobody knows of a digest that a deployment finds.
 */
class Pinned extends ecr.RepositoryBase {
  readonly repositoryArn: string;
  readonly repositoryName: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly repository: ecr.IRepository,
    private readonly imageUri: string,
  ) {
    super(scope, id);
    this.repositoryArn = repository.repositoryArn;
    this.repositoryName = repository.repositoryName;
  }

  addToResourcePolicy(statement: iam.PolicyStatement): iam.AddToResourcePolicyResult {
    return this.repository.addToResourcePolicy(statement);
  }

  override grantPull(grantee: iam.IGrantable): iam.Grant {
    return this.repository.grantPull(grantee);
  }

  override repositoryUriForTagOrDigest(): string {
    return this.imageUri;
  }
}

function propertiesOf(props: WaiterProps | Image, stack: Stack): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  const names: Readonly<Record<string, string>> = PROPERTIES;
  for (const name of Object.keys({ ...names, ...props })) {
    const value = valueOf(name, props[name as keyof typeof props], stack);
    // An unknown name stays as it is, for the error; a property's would take the place of its prop.
    const property = Object.hasOwn(names, name) ? names[name] : name;
    if (value !== undefined && property !== undefined && !isProperty(name)) properties[property] = value;
  }
  if (typeof props.repository === "object") {
    const [account, region] = registryOf(props.repository);
    if (account !== stack.account) properties["RegistryId"] ??= account;
    if (region !== stack.region) properties["Region"] ??= region;
  }
  return properties;
}

function valueOf(name: string, value: unknown, stack: Stack): unknown {
  if (value instanceof Duration) return value.toSeconds();
  if (value instanceof lambda.Architecture) return value.dockerPlatform;
  if (value instanceof Date) return value.toISOString().replace(/\.\d+Z$/, "+00:00");
  if (name === "images") return (value as readonly Image[] | undefined)?.map((image) => propertiesOf(image, stack));
  const attribute = Object.hasOwn(NAMED_BY, name) ? NAMED_BY[name] : undefined;
  if (attribute === undefined || typeof value !== "object") return value;
  return (value as Record<string, unknown>)[attribute];
}

/** Returns the account and the region of a repository. */
function registryOf(repository: ecr.IRepository): [string, string] {
  // Of one that was imported with its ARN, the ARN says more than `env`.
  const [, , , region = "", account = ""] = repository.repositoryArn.split(":");
  return [account || repository.env.account, region || repository.env.region];
}
