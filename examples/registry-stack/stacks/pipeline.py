"""What fills the repositories."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from constructs import Construct


class BackendPipelineStack(Stack):
    """Builds and pushes the three images of each commit. It needs no function, so that functions may wait for it."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        repositories: Sequence[ecr.Repository],
        artifacts: s3.IBucket,
        connection_arn: str,
        source_repository: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        project = codebuild.PipelineProject(
            self,
            "Build",
            build_spec=codebuild.BuildSpec.from_source_filename("buildspec.yml"),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0,
                privileged=True,  # for docker
            ),
        )
        for repository in repositories:
            repository.grant_pull_push(project)  # a push asks what is there, too

        source = codepipeline.Artifact("Source")
        owner, _, repo = source_repository.partition("/")
        fetch = actions.CodeStarConnectionsSourceAction(
            action_name="Source", connection_arn=connection_arn, owner=owner, repo=repo, branch="main", output=source
        )
        builds = [
            actions.CodeBuildAction(
                action_name=folder.title(),
                project=project,
                input=source,
                environment_variables={"FOLDER": codebuild.BuildEnvironmentVariable(value=folder)},
            )
            for folder in ("light", "heavy", "webhook")
        ]
        self.pipeline = codepipeline.Pipeline(
            self,
            "Images",
            pipeline_name="media-images",
            pipeline_type=codepipeline.PipelineType.V2,
            execution_mode=codepipeline.ExecutionMode.QUEUED,  # each commit gets its images: functions wait for one's
            artifact_bucket=artifacts,
            stages=[
                codepipeline.StageProps(stage_name="Source", actions=[fetch]),
                codepipeline.StageProps(stage_name="Build", actions=builds),
            ],
        )
