"""What people write by hand: boto3, sleep and urllib."""

import json
import time
import urllib.request

import boto3

ecr = boto3.client("ecr")


def handler(event, context):
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"Status": "SUCCESS", "PhysicalResourceId": event.get("PhysicalResourceId", event["RequestId"])}
    try:
        if event["RequestType"] != "Delete":
            answer["Data"] = {"ImageDigest": wait(event["ResourceProperties"], context)}
    except Exception as error:
        answer |= {"Status": "FAILED", "Reason": str(error)}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    request.add_header("Content-Type", "")
    urllib.request.urlopen(request)


def wait(properties, context):
    images = {"repositoryName": properties["RepositoryName"], "imageIds": [{"imageTag": properties["ImageTag"]}]}
    while context.get_remaining_time_in_millis() > 20_000:
        try:
            return ecr.describe_images(**images)["imageDetails"][0]["imageDigest"]
        except ecr.exceptions.ImageNotFoundException:
            time.sleep(10)
    raise TimeoutError("The image did not come")
