"""A waiter that cannot run is answered for: Lambda's on-failure destination calls the deployed last resort."""

import json
import shutil

from sandbox.cloud import Cloud
from sandbox.player import new_resource
from sandbox.player_server import Player
from tests.support.functions import stacks_of


def test_an_artifact_that_cannot_be_imported_fails_the_create_with_lambda_s_error_and_blocks_no_delete_and_no_rollback(
    cloud: Cloud,
) -> None:
    # Beside the other one, because a built template names files of this checkout by the way from there.
    built = cloud.artifact.parent.with_name("build-that-is-broken")
    shutil.copytree(cloud.artifact.parent, built)
    (built / "WaiterFunction" / "ecr_image_waiter" / "handler.py").write_text("import nothing_that_is_there\n")
    shutil.rmtree(built / "WaiterFunction" / "ecr_image_waiter" / "__pycache__", ignore_errors=True)
    token = cloud.deploy_waiter(
        stack="ecr-image-waiter-broken", parameters=["ServiceTokenParameterName=''"], built=built
    )
    client = cloud.client("lambda")

    def invoke(event: object) -> None:
        client.invoke(FunctionName=token, InvocationType="Event", Payload=json.dumps(event))

    with Player(invoke) as player, cloud.proxy.rule(stacks_of(player)):
        create = player.create({"RepositoryName": "app", "ImageTag": "v1"})
        outcome = create.wait()
        assert create.follow_up
        deleted = create.follow_up.wait()
        resource = new_resource()
        resource.physical_id, resource.properties = "Image-0123", {"RepositoryName": "app", "ImageTag": "v1"}
        back = player.cancel_update(player.update(resource, {"RepositoryName": "app", "ImageTag": "v2"})).wait()
    assert (outcome.status, outcome.by) == ("FAILED", "answer")
    assert "The waiter function failed (" in outcome.reason
    assert "nothing_that_is_there" in outcome.reason
    assert deleted.status == "SUCCESS"
    assert (back.status, back.by) == ("SUCCESS", "answer")
    assert back.data["ImageUri"].endswith(".amazonaws.com/app:v1")
