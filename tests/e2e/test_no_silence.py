"""What would leave a stack hanging, done to the deployed waiter: it answers, and lets every rollback through."""

import json
from typing import Any

from sandbox.cloud import Cloud
from sandbox.proxy import Rule, deny
from tests.support.functions import HANDED_OVER, LONG_TIMEOUT, TIMEOUT, Deployed
from tests.support.patience import eventually

STACK = "rolled-back"


def template(**properties: str) -> str:
    token = "{{resolve:ssm:/ecr-image-waiter/service-token}}"  # noqa: S105  # a function's ARN
    image = {"Type": "Custom::EcrImageWaiter", "Properties": {"ServiceToken": token, **properties}}
    return json.dumps({"Resources": {"Image": image}})


def status(cloudformation: Any) -> str:
    return str(cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])


def test_an_update_that_fails_is_rolled_back_although_the_old_image_is_gone_too(
    cloud: Cloud, deployed: dict[int, Deployed]
) -> None:
    function = deployed[LONG_TIMEOUT]
    repository = function.repository()
    function.push(repository)
    cloudformation = cloud.client("cloudformation")
    old = template(RepositoryName=repository, ImageTag="v1", MaxRetries="1")
    cloudformation.create_stack(StackName=STACK, TemplateBody=old)
    eventually(lambda: status(cloudformation) == "CREATE_COMPLETE", "the stack")
    function.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])

    new = template(RepositoryName=repository, ImageTag="v2", MaxRetries="0")
    cloudformation.update_stack(StackName=STACK, TemplateBody=new)
    eventually(lambda: "ROLLBACK" in status(cloudformation), "the Update's failure")
    eventually(lambda: "IN_PROGRESS" not in status(cloudformation), "the end of the rollback")

    assert status(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"
    entries = [json.loads(line) for line in function.output().splitlines() if repository in line]
    (told,) = [entry for entry in entries if entry.get("event") == "rollback_without_image"]
    (answered,) = [entry for entry in entries if entry.get("TaggedImageUri", "").endswith(f"/{repository}:v1")][1:]
    assert (told["image"], told["RequestId"]) == (f"{repository}:v1", answered["RequestId"])
    assert (answered["ImageUri"], answered["ImageDigest"]) == (answered["TaggedImageUri"], "")


def test_a_function_that_may_not_invoke_itself_fails_the_wait_within_its_first_slice_and_names_the_permission(
    deployed: dict[int, Deployed],
) -> None:
    function = deployed[TIMEOUT]
    repository = function.repository()
    # The emulator asks no policy, so the proxy denies what Lambda would.
    rule = Rule("lambda:Invoke", deny(), where=lambda call: repository in call.body)
    with function.proxy.rule(rule), function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        outcome = create.wait()

    assert outcome.status == "FAILED"
    answered = "Sent FAILED: Waited "
    eventually(lambda: any(told.startswith(answered) for told in function.logged(create)), "the answer is in the log")
    assert len({entry["InvocationId"] for entry in function.entries(create)}) == 1
    assert "could not invoke itself (AccessDeniedException" in outcome.reason
    assert "allow lambda:InvokeFunction on arn:aws:lambda:" in outcome.reason
