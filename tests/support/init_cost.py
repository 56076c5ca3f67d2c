"""What a new environment does before its first event, counted: what no machine makes faster or slower.

docs/performance.md has the times. Here are the counts that they rest on, as last measured.
"""

from typing import Final

START: Final = """
import gc, json, os, ssl, sys
os.environ.update(AWS_LAMBDA_FUNCTION_NAME="waiter", AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1")
gc.set_threshold(2000, 10, 10)  # as in the Python that Lambda runs, whichever this is
before, collected = set(sys.modules), sum(each["collections"] for each in gc.get_stats())
import ecr_image_waiter.handler
from botocore.client import BaseClient
collector = {
    "collections": sum(each["collections"] for each in gc.get_stats()) - collected,
    "works": gc.isenabled(),
    "leaves": gc.get_freeze_count(),
}
gc.unfreeze()
clients = [each.meta.service_model.service_name for each in gc.get_objects() if isinstance(each, BaseClient)]
contexts = [each for each in gc.get_objects() if isinstance(each, ssl.SSLContext)]
print(json.dumps({
    "clients": clients,
    "collector": collector,
    "modules": sorted(set(sys.modules) - before),
    "trusting": sum(each.cert_store_stats()["x509_ca"] > 100 for each in contexts),
}))
"""
"""A program that prints the modules that INIT imports, beyond Python's own, the clients that it makes, what the garbage
collector did (how often it ran, whether it works afterwards, and how many objects it leaves alone then), and how
many of its TLS contexts have read the authorities that `SSL_CERT_FILE` names.
"""

MOST_MODULES: Final = 430
MOST_COLLECTIONS: Final = 12  # of garbage, before the first module of ours; with all others it is 39
FORBIDDEN: Final = {
    "boto3",  # botocore makes the clients
    "s3transfer",
    "multiprocessing",  # of S3's transfers
    "asyncio",
    "pydantic.v1",
    "pydantic.mypy",
    "aws_lambda_powertools.utilities.parser",
    "aws_xray_sdk",
    "awscrt",
}
