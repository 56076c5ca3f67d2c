// A registry, and a service on Fargate that is deployed when the commit's image is in it.
import { App, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecr from "aws-cdk-lib/aws-ecr";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as patterns from "aws-cdk-lib/aws-ecs-patterns";
import { EcrImageWaiter } from "ecr-image-waiter";

const app = new App();

// A stack of its own, so that no failed deployment of the service removes an image.
const registry = new Stack(app, "AppStack");
const repository = new ecr.Repository(registry, "Repository", {
  repositoryName: "app-mp",
  // A commit's tag can never be overwritten; latest can.
  imageTagMutability: ecr.TagMutability.IMMUTABLE_WITH_EXCLUSION,
  imageTagMutabilityExclusionFilters: [ecr.ImageTagMutabilityExclusionFilter.wildcard("latest")],
});

const service = new Stack(app, "FargateStack");
const image = new EcrImageWaiter(service, "Image", {
  repository,
  tag: app.node.getContext("commit") as string,
  deployTarget: "ECS",
  platform: "linux/amd64",
});
const vpc = new ec2.Vpc(service, "Vpc", {
  maxAzs: 2,
  natGateways: 0,
  subnetConfiguration: [{ name: "Public", subnetType: ec2.SubnetType.PUBLIC }],
});
new patterns.ApplicationLoadBalancedFargateService(service, "Api", {
  serviceName: "mp-api-service",
  cluster: new ecs.Cluster(service, "Cluster", { clusterName: "mp-cluster", vpc }),
  taskImageOptions: { image: image.containerImage(), containerPort: 8080 },
  desiredCount: 1,
  assignPublicIp: true, // to pull the image: there is no NAT gateway
  circuitBreaker: { rollback: true },
  minHealthyPercent: 100,
});
