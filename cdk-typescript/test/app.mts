// An app of two stacks, which tests/e2e deploys: node app.mts OUT BUCKET. tests/cdk/app.py is the same in Python,
// but for the service on Fargate.
import { App, DefaultStackSynthesizer, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as ssm from "aws-cdk-lib/aws-ssm";
import { EcrImageWaiter, EcrImageWaiterProvider, type EcrImageWaiterProps } from "ecr-image-waiter";

const [outdir, fileAssetsBucketName] = process.argv.slice(2) as [string, string];
const app = new App({ outdir });
for (const name of ["looked-up-typescript", "own-typescript"]) {
  const synthesizer = new DefaultStackSynthesizer({ fileAssetsBucketName, generateBootstrapVersionRule: false });
  const stack = new Stack(app, name, { synthesizer });
  const own = name.startsWith("own") ? { serviceToken: new EcrImageWaiterProvider(stack, "Waiter") } : {};
  const props: EcrImageWaiterProps = { repository: name, tag: "v1", maxRetries: 3, ...own };
  const image = new EcrImageWaiter(stack, "Image", props);
  new lambda.DockerImageFunction(stack, "Function", { functionName: `cdk-${name}`, code: image.dockerImageCode() });
  const after = new ssm.StringParameter(stack, "After", {
    parameterName: `/cdk/${name}`,
    stringValue: "the image is there",
  });
  after.node.addDependency(image);
  if (name.startsWith("own")) {
    const web = new EcrImageWaiter(stack, "Web", { ...props, deployTarget: "ECS" });
    const taskDefinition = new ecs.FargateTaskDefinition(stack, "Task", { family: name });
    taskDefinition.addContainer("Container", { image: web.containerImage() });
    const vpc = new ec2.Vpc(stack, "Vpc", { maxAzs: 2, natGateways: 0 });
    const cluster = new ecs.Cluster(stack, "Cluster", { vpc });
    new ecs.FargateService(stack, "Service", { cluster, taskDefinition, minHealthyPercent: 100 });
  }
}
app.synth();
