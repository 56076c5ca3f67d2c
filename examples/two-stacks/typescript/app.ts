// The CICD stack, whose pipeline pushes two images, and the API stack, whose functions run them.
import { App, CfnOutput, Duration, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import * as codebuild from "aws-cdk-lib/aws-codebuild";
import * as codepipeline from "aws-cdk-lib/aws-codepipeline";
import * as actions from "aws-cdk-lib/aws-codepipeline-actions";
import * as ecr from "aws-cdk-lib/aws-ecr";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { EcrImageWaiter } from "ecr-image-waiter";

const app = new App();
const commit = app.node.getContext("commit") as string;
const [owner = "", repo = ""] = (app.node.getContext("sourceRepository") as string).split("/");

const cicd = new Stack(app, "OER-CICD");
const textGeneration = new ecr.Repository(cicd, "TextGeneration", { repositoryName: "oer/text-generation" });
const practiceMaterial = new ecr.Repository(cicd, "PracticeMaterial", { repositoryName: "oer/practice-material" });

// One project for both; the pipeline's actions say which image it builds.
const project = new codebuild.PipelineProject(cicd, "Build", {
  buildSpec: codebuild.BuildSpec.fromSourceFilename("buildspec.yml"),
  environment: {
    buildImage: codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0,
    privileged: true, // for docker
  },
});
const source = new codepipeline.Artifact("Source");
const pipeline = new codepipeline.Pipeline(cicd, "Pipeline", {
  pipelineName: "oer-images",
  pipelineType: codepipeline.PipelineType.V2,
  executionMode: codepipeline.ExecutionMode.QUEUED, // each commit gets its images
  crossAccountKeys: false,
  stages: [
    {
      stageName: "Source",
      actions: [
        new actions.CodeStarConnectionsSourceAction({
          actionName: "Source",
          connectionArn: app.node.getContext("connectionArn") as string,
          owner,
          repo,
          branch: "main",
          output: source,
        }),
      ],
    },
    {
      stageName: "Build",
      actions: [
        build("TextGeneration", "text-generation", textGeneration),
        build("PracticeMaterial", "practice-material", practiceMaterial),
      ],
    },
  ],
});

const stack = new Stack(app, "OER-Api");
stack.addDependency(cicd);
const api = new apigateway.HttpApi(stack, "HttpApi");
for (const [id, path, repository] of [
  ["TextGeneration", "/text", textGeneration],
  ["PracticeMaterial", "/practice-material", practiceMaterial],
] as const) {
  const image = new EcrImageWaiter(stack, `${id}Image`, {
    repository,
    tag: "latest",
    labels: { "org.opencontainers.image.revision": commit }, // latest is an older commit's until the push
    deployTarget: "Lambda",
    platform: lambda.Architecture.ARM_64,
    pipeline, // if it fails, so does this stack, with its message
  });
  // The reference to the digest is the dependency, and the pin.
  const handler = new lambda.DockerImageFunction(stack, id, {
    code: image.dockerImageCode(),
    architecture: lambda.Architecture.ARM_64,
    memorySize: 512,
    timeout: Duration.seconds(30),
  });
  api.addRoutes({
    path,
    methods: [apigateway.HttpMethod.POST],
    integration: new HttpLambdaIntegration(id, handler),
  });
  new CfnOutput(stack, `${id}ImageUri`, { value: image.imageUri });
}
new CfnOutput(stack, "Url", { value: api.apiEndpoint });

/** Returns the action that builds a folder and pushes it to a repository. */
function build(actionName: string, folder: string, repository: ecr.Repository): actions.CodeBuildAction {
  repository.grantPullPush(project); // a push asks which layers exist
  return new actions.CodeBuildAction({
    actionName,
    project,
    input: source,
    environmentVariables: {
      IMAGE: { value: `${repository.repositoryUri}:latest` },
      FOLDER: { value: folder },
    },
  });
}
