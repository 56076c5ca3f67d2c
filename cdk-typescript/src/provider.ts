/** The construct that deploys the waiter itself, from the artifact in this package. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

import { Token } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import type * as codebuild from "aws-cdk-lib/aws-codebuild";
import type * as codepipeline from "aws-cdk-lib/aws-codepipeline";
import type * as ecr from "aws-cdk-lib/aws-ecr";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct, Dependable, DependencyGroup } from "constructs";

import { type Part, settled, type Template } from "./intrinsics";
import { shown, unknownProp } from "./validation";

const ARTIFACT = path.join(__dirname, "..", "artifact");

export interface EcrImageWaiterProviderProps {
  /** Repositories, or ARNs with `*`, that the waiter may read. Default: all of this account and region. */
  readonly repositories?: readonly (ecr.IRepository | string)[];
  /** Roles, or ARNs, that the waiter may assume. */
  readonly assumableRoles?: readonly (iam.IRole | string)[];
  /** CodeBuild projects, or ARNs, that the waiter may follow. */
  readonly buildProjects?: readonly (codebuild.IProject | string)[];
  /** Pipelines, or ARNs, that the waiter may follow. */
  readonly pipelines?: readonly (codepipeline.IPipeline | string)[];
  /** Whether the waiter may start those. Default: false. */
  readonly allowStartBuild?: boolean;
  /** Architecture of the functions. Default: arm64. */
  readonly architecture?: lambda.Architecture;
  /** Memory in MB. Default: 128. */
  readonly memorySize?: number;
  /** How many invocations may run at once. */
  readonly reservedConcurrency?: number;
  /** Policy, or its ARN, that bounds the roles. */
  readonly permissionsBoundary?: iam.IManagedPolicy | string;
  /** Name of the function. Never change it later. */
  readonly functionName?: string;
  /** Lowest level of the log lines that are kept. Default: INFO. */
  readonly logLevel?: "DEBUG" | "INFO" | "WARNING" | "ERROR";
  /** Name of the waiter's log group. Another one later is another log group. */
  readonly logGroupName?: string;
  /** Days that log lines are kept. Default: 30. */
  readonly logRetentionDays?: number;
  /** KMS key, or its ARN, that encrypts the logs. CloudWatch Logs must be allowed to use it. */
  readonly logKey?: kms.IKey | string;
  /** Whether to make a CloudWatch dashboard. Default: false. */
  readonly dashboard?: boolean;
  /** SNS topic, or its ARN, of alarms about the waiter. Default: no alarms. */
  readonly alarmTopic?: sns.ITopic | string;
  /** Concurrent executions of the account above which there is an alarm. Default: 800. */
  readonly accountConcurrencyThreshold?: number;
  /** SSM parameter that gets the ServiceToken, for other stacks. Default: none. */
  readonly serviceTokenParameterName?: string;
}

/**
 * Deploys the waiter into the stack, as template.yaml does, for apps that want no second stack.
 *
 * Give the construct as `serviceToken` to each `EcrImageWaiter`. Its path in the app must stay: another path is another
 * function, and the ServiceToken of a resource can never change. The constructor throws one Error with every fault.
 */
export class EcrImageWaiterProvider extends Construct {
  /** The function's ARN. A resource that uses it must depend on this construct as well; an `EcrImageWaiter` does. */
  readonly serviceToken: string;
  /** The waiter's role, for policies of other accounts' repositories and of roles that it is to assume. */
  readonly roleArn: string;
  /** The log group of the waiter. */
  readonly logGroupName: string;

  constructor(scope: Construct, id: string, props: EcrImageWaiterProviderProps = {}) {
    super(scope, id);
    const parameters = parametersOf(props);
    const given = Object.fromEntries(Object.values(parameters).filter(([, value]) => value !== undefined));
    const template = JSON.parse(readFileSync(path.join(ARTIFACT, "waiter.json"), "utf8")) as Template;
    const names = Object.entries(parameters).map(([prop, [parameter]]) => [prop, parameter] as const);
    const unknown = Object.entries(props).filter(([prop, value]) => value !== undefined && !Object.hasOwn(parameters, prop));
    const faults = Object.entries(given).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).flatMap((each) => faultsOf(name, template.Parameters[name], each)),
    );
    faults.push(...unknown.map(([prop, value]) => unknownProp(prop, value, names)));
    if (faults.length > 0) {
      throw new Error([`${this.node.path}, the waiter, is not valid:`, ...faults].join("\n- "));
    }
    const left = settled(template, given);
    const included = include(this, left);
    for (const [name, asset] of [["WaiterFunction", "Artifact"], ["LastResortFunction", "LastResort"]] as const) {
      const code = new Asset(this, asset, { path: path.join(ARTIFACT, `${name}.zip`) });
      const resource = included.getResource(name);
      resource.addPropertyOverride("Code", { S3Bucket: code.s3BucketName, S3Key: code.s3ObjectKey });
      code.addResourceMetadata(resource, "Code");
    }
    // Nothing can depend on a resource that the deployment may leave out.
    const always = Object.entries(left.Resources).filter(([, each]) => !("Condition" in (each as object)));
    const group = new DependencyGroup(...always.map(([name]) => included.getResource(name)));
    Dependable.implement(this, Dependable.of(group));
    this.serviceToken = Token.asString(included.getResource("WaiterFunction").getAtt("Arn"));
    this.roleArn = Token.asString(included.getResource("WaiterRole").getAtt("Arn"));
    this.logGroupName = included.getResource("WaiterLogGroup").ref;
  }
}

/** Returns the parameter that each prop sets, and its value. */
function parametersOf(props: EcrImageWaiterProviderProps): Record<keyof EcrImageWaiterProviderProps, [string, Part]> {
  return {
    repositories: ["RepositoryArnPattern", props.repositories?.map((each) => arnOf(each, (is) => is.repositoryArn))],
    assumableRoles: ["AssumableRoleArns", props.assumableRoles?.map((each) => arnOf(each, (is) => is.roleArn))],
    buildProjects: ["BuildProjectArns", props.buildProjects?.map((each) => arnOf(each, (is) => is.projectArn))],
    pipelines: ["PipelineArns", props.pipelines?.map((each) => arnOf(each, (is) => is.pipelineArn))],
    allowStartBuild: ["AllowStartBuild", String(props.allowStartBuild ?? false)],
    architecture: ["Architecture", props.architecture?.name],
    memorySize: ["MemorySize", props.memorySize],
    reservedConcurrency: ["ReservedConcurrency", props.reservedConcurrency],
    permissionsBoundary: [
      "PermissionsBoundary",
      props.permissionsBoundary && arnOf(props.permissionsBoundary, (is) => is.managedPolicyArn),
    ],
    functionName: ["FunctionName", props.functionName],
    logLevel: ["LogLevel", props.logLevel],
    logGroupName: ["LogGroupName", props.logGroupName],
    logRetentionDays: ["LogRetentionDays", props.logRetentionDays],
    logKey: ["LogKmsKeyArn", props.logKey && arnOf(props.logKey, (is) => is.keyArn)],
    dashboard: ["Dashboard", String(props.dashboard ?? false)],
    alarmTopic: ["AlarmTopicArn", props.alarmTopic && arnOf(props.alarmTopic, (is) => is.topicArn)],
    accountConcurrencyThreshold: ["AccountConcurrencyThreshold", props.accountConcurrencyThreshold],
    serviceTokenParameterName: ["ServiceTokenParameterName", props.serviceTokenParameterName ?? ""],
  };
}

function arnOf<T extends object>(given: T | string, arn: (construct: T) => string): string {
  return typeof given === "string" ? given : arn(given);
}

/** Returns what CloudFormation would say of a parameter's value. */
function faultsOf(name: string, parameter: Part, value: Part): string[] {
  if (Token.isUnresolved(value)) return [];
  const rules = parameter as Readonly<Record<string, unknown>>;
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const allowed = rules["AllowedValues"] as unknown[] | undefined;
  const least = rules["MinValue"] as number | undefined;
  const most = rules["MaxValue"] as number | undefined;
  const must: string[] = [];
  if (allowed && !allowed.includes(value)) must.push(`allowed: ${allowed.join(", ")}`);
  if (!new RegExp((rules["AllowedPattern"] ?? "") as string).test(text)) {
    must.push(`it ${String(rules["ConstraintDescription"])}`);
  }
  const whole = Number.isInteger(value) ? Number(value) : NaN;
  if (least !== undefined && !(whole >= least && whole <= (most ?? Infinity))) {
    must.push(`allowed: a whole number from ${String(least)}${most === undefined ? "" : ` to ${String(most)}`}`);
  }
  return must.map((each) => `${name}: received ${shown(value)}, ${each}`);
}

function include(scope: Construct, template: Template): CfnInclude {
  const folder = mkdtempSync(path.join(tmpdir(), "ecr-image-waiter-"));
  try {
    const templateFile = path.join(folder, "waiter.json");
    writeFileSync(templateFile, JSON.stringify(template));
    // Ids of the app's own, so that it goes beside anything.
    return new CfnInclude(scope, "Resource", { templateFile, preserveLogicalIds: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
