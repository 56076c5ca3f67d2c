"""`sam package` and `sam publish` themselves, against loopback: moto's S3, and a SAR that only keeps requests."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, Final

import boto3
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from samtranslator.yaml_helper import yaml_parse

from sandbox.cloud import ACCOUNT, CREDENTIALS, ISOLATED, REGION, run_sam
from sandbox.processes import Program, free_port
from sandbox.serving import Handler, Server

from .folder import TEMPLATE
from .rules import Application

BUCKET: Final = "the-bucket-of-a-dry-run"
PACKAGED: Final = "packaged.yaml"


@dataclass(frozen=True)
class Upload:
    """A file that `sam package` put into the bucket."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Rehearsed:
    """What `sam publish` asked SAR for, as CreateApplication's parameters, and what `sam package` uploaded for it."""

    request: dict[str, Any]
    uploads: dict[str, Upload]
    """By the address that the template and the metadata have for it."""

    def measured(self, application: Application) -> Application:
        """Return an application with the sizes that its artifacts have as uploaded."""
        resources = yaml_parse(self.request["TemplateBody"])["Resources"]
        return replace(
            application,
            artifacts={
                name: replace(artifact, zipped=self.uploads[resources[name]["Properties"]["CodeUri"]].size)
                for name, artifact in application.artifacts.items()
            },
        )


def rehearse(folder: Path, work: Path) -> Rehearsed:
    """Package and publish a folder, to nobody.

    Args:
        folder: what `folder.prepare` made.
        work: a folder for logs and for the packaged template.

    Raises:
        RuntimeError: the SAM CLI failed; with what it printed.
    """
    with services(work) as (endpoint, sar):
        environment = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sar.server_port}",
            "AWS_ENDPOINT_URL_S3": endpoint,
        }
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **_KEYS)
        s3.create_bucket(Bucket=BUCKET)
        for command in commands(folder, work / PACKAGED, BUCKET, REGION):
            run_sam(*command, environment=environment, log=work)
        uploads = {}
        for listed in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
            content = s3.get_object(Bucket=BUCKET, Key=listed["Key"])["Body"].read()
            upload = Upload(listed["Key"], len(content), hashlib.sha256(content).hexdigest())
            uploads[f"s3://{BUCKET}/{upload.key}"] = upload
    (body,) = sar.requests
    return Rehearsed(parameters(body), uploads)


def commands(folder: Path, packaged: Path, bucket: str, region: str) -> list[list[str | Path]]:
    """Return the SAM CLI's commands that publish a folder."""
    return [
        [
            *("package", "--template-file", folder / TEMPLATE, "--output-template-file", packaged),
            *("--s3-bucket", bucket, "--region", region, "--no-progressbar"),
        ],
        ["publish", "--template", packaged, "--region", region, "--fail-on-same-version"],
    ]


def parameters(body: bytes) -> dict[str, Any]:
    """Return the parameters of CreateApplication that a request's body holds.

    Raises:
        ValueError: they are not those that botocore's model of the operation has.
    """
    model = ServiceModel(Loader().load_service_model("serverlessrepo", "service-2"))
    shape = model.operation_model("CreateApplication").input_shape
    names = {member.serialization["name"]: name for name, member in shape.members.items()}
    found = {names.get(name, name): value for name, value in json.loads(body).items()}
    wrong = ParamValidator().validate(found, shape)
    if wrong.has_errors():
        raise ValueError(f"CreateApplication does not take what sam publish sends: {wrong.generate_report()}")
    return found


_KEYS: Final = {
    "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
}


class Sar(Server):
    """Takes every CreateApplication and keeps its body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[bytes] = []


class _Handler(Handler):
    server: Sar

    def do_POST(self) -> None:  # noqa: N802  # the name http.server looks for
        body = self.read_body()
        if self.path != "/applications":
            self.reply(404, b'{"message": "the rehearsal knows CreateApplication alone"}')
            return
        self.server.requests.append(body)
        arn = f"arn:aws:serverlessrepo:{REGION}:{ACCOUNT}:applications/{json.loads(body)['name']}"
        self.reply(201, json.dumps({"applicationId": arn}).encode(), [("content-type", "application/json")])


@contextmanager
def services(log: Path) -> Iterator[tuple[str, Sar]]:
    """S3 and SAR on loopback: the address of the first, and the second."""
    port = free_port()
    with (
        Program("moto-s3", [sys.executable, "-m", "moto.server", "--port", str(port)], ISOLATED, log) as moto,
        Sar() as sar,
    ):
        Thread(target=sar.serve_forever, daemon=True).start()
        moto.wait_until(lambda: moto.listens(port))
        try:
            yield f"http://127.0.0.1:{port}", sar
        finally:
            sar.shutdown()
