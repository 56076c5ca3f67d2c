"""What publishes the frontend."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_s3 as s3
from constructs import Construct


class FrontendPipelineStack(Stack):
    """Builds the frontend of each commit and puts it into its bucket."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        frontend: s3.IBucket,
        artifacts: s3.IBucket,
        connection_arn: str,
        source_repository: str,
        **settings: Any,
    ) -> None:
        super().__init__(scope, name, **settings)
        project = codebuild.PipelineProject(
            self,
            "Build",
            build_spec=codebuild.BuildSpec.from_object(
                {
                    "version": "0.2",
                    "phases": {"build": {"commands": ["echo your build, such as npm run build"]}},
                    "artifacts": {"base-directory": "frontend", "files": ["**/*"]},
                }
            ),
        )
        source, built = codepipeline.Artifact("Source"), codepipeline.Artifact("Built")
        owner, _, repo = source_repository.partition("/")
        fetch = actions.CodeStarConnectionsSourceAction(
            action_name="Source", connection_arn=connection_arn, owner=owner, repo=repo, branch="main", output=source
        )
        build = actions.CodeBuildAction(action_name="Build", project=project, input=source, outputs=[built])
        publish = actions.S3DeployAction(action_name="Publish", bucket=frontend, input=built)
        codepipeline.Pipeline(
            self,
            "Frontend",
            pipeline_name="ai-social-media-frontend",
            pipeline_type=codepipeline.PipelineType.V2,
            artifact_bucket=artifacts,
            stages=[
                codepipeline.StageProps(stage_name="Source", actions=[fetch]),
                codepipeline.StageProps(stage_name="Build", actions=[build]),
                codepipeline.StageProps(stage_name="Publish", actions=[publish]),
            ],
        )
