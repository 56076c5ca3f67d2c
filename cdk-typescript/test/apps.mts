// The apps of a table, synthesized: node apps.mts TABLE OUT. tests/cdk/parity.py does the same in Python.
import { readFileSync, writeFileSync } from "node:fs";

import { App, CfnOutput, CfnParameter, Duration, type Environment, Fn, Stack } from "aws-cdk-lib";
import * as codebuild from "aws-cdk-lib/aws-codebuild";
import * as codepipeline from "aws-cdk-lib/aws-codepipeline";
import * as ecr from "aws-cdk-lib/aws-ecr";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as sns from "aws-cdk-lib/aws-sns";
import * as ssm from "aws-cdk-lib/aws-ssm";
import { EcrImageWaiter, type EcrImageWaiterProps, EcrImageWaiterProvider } from "ecr-image-waiter";

type Use = Readonly<Record<string, string>> & { of: string[] };
interface Described {
  env?: Environment;
  waiters: Record<string, unknown>;
  uses?: Use[];
}

function synthesized(described: Described): unknown {
  const app = new App();
  const stack = new Stack(app, "Stack", described.env ? { env: described.env } : {});
  const value = valuesIn(stack);
  const waiters: Record<string, EcrImageWaiter> = {};
  try {
    for (const [id, given] of Object.entries(described.waiters)) {
      waiters[id] = new EcrImageWaiter(stack, id, value(given) as EcrImageWaiterProps);
    }
  } catch (error) {
    return { error: (error as Error).message };
  }
  (described.uses ?? []).forEach((use, number) => {
    const { function: ofFunction, task: ofTask, outputs, after, id, of, ...rest } = use;
    const waiter = waiters[ofFunction ?? ofTask ?? outputs ?? after ?? ""]!;
    if (ofFunction) {
      const code = id ? waiter.dockerImageCode(id, rest) : waiter.dockerImageCode(rest);
      new lambda.DockerImageFunction(stack, `Function${number}`, { code });
    } else if (ofTask) {
      const task = new ecs.FargateTaskDefinition(stack, `Task${number}`);
      task.addContainer("Container", { image: waiter.containerImage(id) });
    } else if (outputs) {
      for (const name of of) {
        new CfnOutput(stack, `${name}${number}`, { value: waiter[name as "imageUri"] });
      }
    } else {
      const dependent = new ssm.StringParameter(stack, `After${number}`, { stringValue: "-" });
      dependent.node.addDependency(waiter);
    }
  });
  const { messages, template } = app.synth().getStackByName("Stack");
  return messages.length > 0 ? { error: messages.map((message) => message.entry.data).join("\n") } : template;
}

function valuesIn(stack: Stack): (given: unknown) => unknown {
  let number = 0;
  const next = () => `Given${number++}`;
  const spec = codebuild.BuildSpec.fromObject({ version: "0.2" });
  const kinds: Record<string, (of: any) => unknown> = {
    $parameter: (id) => new CfnParameter(stack, id).valueAsString,
    $number: (id) => new CfnParameter(stack, id, { type: "Number" }).valueAsNumber,
    $import: (name) => Fn.importValue(name),
    $duration: (seconds) => Duration.seconds(seconds),
    $architecture: (name) => (name === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64),
    $time: (text) => new Date(text),
    $long: (length) => "x".repeat(length),
    $repository: (name) => new ecr.Repository(stack, next(), { repositoryName: name }),
    $repositoryArn: (arn) => ecr.Repository.fromRepositoryArn(stack, next(), arn),
    $repositoryName: (name) => ecr.Repository.fromRepositoryName(stack, next(), name),
    $role: (arn) => iam.Role.fromRoleArn(stack, next(), arn),
    $policy: (arn) => iam.ManagedPolicy.fromManagedPolicyArn(stack, next(), arn),
    $key: (arn) => kms.Key.fromKeyArn(stack, next(), arn),
    $topic: (arn) => sns.Topic.fromTopicArn(stack, next(), arn),
    $project: (name) => new codebuild.Project(stack, next(), { projectName: name, buildSpec: spec }),
    $pipeline: (name) => {
      const arn = stack.formatArn({ service: "codepipeline", resource: name });
      return codepipeline.Pipeline.fromPipelineArn(stack, next(), arn);
    },
    $provider: (given) => new EcrImageWaiterProvider(stack, next(), value(given) as object),
  };
  const value = (given: unknown): unknown => {
    if (Array.isArray(given)) return given.map(value);
    if (typeof given !== "object" || given === null) return given;
    for (const [kind, of] of Object.entries(given)) {
      if (kind.startsWith("$")) return kinds[kind]!(of);
    }
    return Object.fromEntries(Object.entries(given).map(([name, each]) => [name, value(each)]));
  };
  return value;
}

const [table, out] = process.argv.slice(2) as [string, string];
const apps = JSON.parse(readFileSync(table, "utf8")) as Record<string, Described>;
const templates = Object.entries(apps).map(([name, app]) => [name, synthesized(app)]);
writeFileSync(out, JSON.stringify(Object.fromEntries(templates)));
