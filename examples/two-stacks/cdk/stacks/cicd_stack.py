"""The repositories, and the pipeline that builds and pushes their images."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_ecr as ecr
from constructs import Construct


class CicdStack(Stack):
    """Pushes both images of each commit, labelled with it.

    Args:
        scope: the app.
        name: of the stack.
        connection_arn: of the CodeConnections connection to the source.
        source_repository: owner and name of the repository with the source.
        settings: of any stack.
    """

    def __init__(
        self, scope: Construct, name: str, *, connection_arn: str, source_repository: str, **settings: Any
    ) -> None:
        super().__init__(scope, name, **settings)
        self.text_generation = ecr.Repository(self, "TextGeneration", repository_name="oer/text-generation")
        self.practice_material = ecr.Repository(self, "PracticeMaterial", repository_name="oer/practice-material")

        # One project for both; the pipeline's actions say which image it builds.
        project = codebuild.PipelineProject(
            self,
            "Build",
            build_spec=codebuild.BuildSpec.from_source_filename("buildspec.yml"),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0,
                privileged=True,  # for docker
            ),
        )
        source = codepipeline.Artifact("Source")
        owner, _, repository = source_repository.partition("/")
        fetch = actions.CodeStarConnectionsSourceAction(
            action_name="Source",
            connection_arn=connection_arn,
            owner=owner,
            repo=repository,
            branch="main",
            output=source,
        )
        self.pipeline = codepipeline.Pipeline(
            self,
            "Pipeline",
            pipeline_name="oer-images",
            pipeline_type=codepipeline.PipelineType.V2,
            execution_mode=codepipeline.ExecutionMode.QUEUED,  # each commit gets its images
            cross_account_keys=False,
            stages=[
                codepipeline.StageProps(stage_name="Source", actions=[fetch]),
                codepipeline.StageProps(
                    stage_name="Build",
                    actions=[
                        self._build("TextGeneration", "text-generation", self.text_generation, project, source),
                        self._build("PracticeMaterial", "practice-material", self.practice_material, project, source),
                    ],
                ),
            ],
        )

    def _build(
        self,
        name: str,
        folder: str,
        repository: ecr.Repository,
        project: codebuild.PipelineProject,
        source: codepipeline.Artifact,
    ) -> actions.CodeBuildAction:
        """Returns the action that builds a folder and pushes it to a repository."""
        repository.grant_pull_push(project)  # a push asks which layers exist
        variables = {"IMAGE": f"{repository.repository_uri}:latest", "FOLDER": folder}
        return actions.CodeBuildAction(
            action_name=name,
            project=project,
            input=source,
            environment_variables={
                key: codebuild.BuildEnvironmentVariable(value=value) for key, value in variables.items()
            },
        )
