"""What fills the repositories, and gives the functions their images from the second commit on."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct


class BackendPipelineStack(Stack):
    """Builds and pushes the images of each commit, and then updates the functions that there are.

    It knows the functions by their names alone, so that their stacks can wait for it.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        repositories: list[ecr.Repository],
        functions: Mapping[str, str],
        artifacts: s3.IBucket,
        connection_arn: str,
        source_repository: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        build, deploy = self._project("Build", "buildspec.yml"), self._project("Deploy", "deployspec.yml")
        for repository in repositories:
            repository.grant_pull_push(build)  # a push reads the repository, too
            repository.grant_read(deploy)
        those = [lambda_.Function.from_function_name(self, *each) for each in functions.items()]
        deploy.add_to_role_policy(
            iam.PolicyStatement(
                actions=["lambda:GetFunction", "lambda:UpdateFunctionCode"],
                resources=[each.function_arn for each in those],
            )
        )

        source = codepipeline.Artifact("Source")
        owner, _, repo = source_repository.partition("/")
        fetch = actions.CodeStarConnectionsSourceAction(
            action_name="Source", connection_arn=connection_arn, owner=owner, repo=repo, branch="main", output=source
        )
        builds = [
            actions.CodeBuildAction(
                action_name=each.title(),
                project=build,
                input=source,
                environment_variables={"FUNCTION": codebuild.BuildEnvironmentVariable(value=each)},
            )
            for each in functions
        ]
        take_over = actions.CodeBuildAction(
            action_name="Deploy",
            project=deploy,
            input=source,
            environment_variables={"FUNCTIONS": codebuild.BuildEnvironmentVariable(value=" ".join(functions))},
        )
        self.pipeline = codepipeline.Pipeline(
            self,
            "Images",
            pipeline_name="ai-social-media-backend",
            pipeline_type=codepipeline.PipelineType.V2,
            execution_mode=codepipeline.ExecutionMode.QUEUED,  # each commit gets its images: functions wait for one's
            artifact_bucket=artifacts,
            stages=[
                codepipeline.StageProps(stage_name="Source", actions=[fetch]),
                codepipeline.StageProps(stage_name="Build", actions=builds),
                codepipeline.StageProps(stage_name="Deploy", actions=[take_over]),
            ],
        )

    def _project(self, name: str, build_spec: str) -> codebuild.PipelineProject:
        return codebuild.PipelineProject(
            self,
            name,
            build_spec=codebuild.BuildSpec.from_source_filename(build_spec),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0,
                privileged=name == "Build",  # for docker
            ),
        )
