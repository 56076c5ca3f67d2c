"""docker, git and the AWS CLI, as far as build scripts and pages of examples need them, against the sandbox.

`install` puts them into a folder that goes before all others on a PATH. They are strict: an option that the real one may
know and this one does not is an error. What is played:

- docker: `login` (with a password of the sandbox's ECR), `build` (needs the Dockerfile, and the files that it copies),
  `tag` and `push`, which pushes an image of one layer by `sandbox.images`. Its content is that of the folder, its
  platform and labels are the options'. Nothing is built, and no engine is needed.
- aws: any operation of botocore's models with its options, lists of plain values as several words, structures as
  `key=value`, `--query` and `--output text`; and `ecr get-login-password`.
- git: `rev-parse HEAD`, which is `COMMIT`.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

from .builds.scripts import COMMIT
from .images import push
from .processes import ROOT

HOST = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
STATE = "SANDBOX_DOCKER"
"""The variable that names the folder with what docker remembers."""


def install(folder: Path) -> dict[str, str]:
    """Write the commands into a folder, and return the variables that make a shell use them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COMMANDS:
        script = folder / name
        run = shlex.join([sys.executable, "-m", "sandbox.commands", name])
        script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(f"{ROOT}:{ROOT}/src")} exec {run} "$@"\n')
        script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", STATE: str(folder)}


def docker(arguments: Sequence[str]) -> None:
    """Do as docker does."""
    parser = argparse.ArgumentParser("docker", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    login = commands.add_parser("login", allow_abbrev=False)
    login.add_argument("--username", choices=["AWS"], required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.add_argument("host")
    build = commands.add_parser("build", allow_abbrev=False)
    build.add_argument("--platform", default="linux/amd64")
    build.add_argument("--label", action="append", default=[])
    build.add_argument("--tag", action="append", required=True)
    build.add_argument("folder", type=Path)
    tag = commands.add_parser("tag", allow_abbrev=False)
    tag.add_argument("image", type=_with_tag)
    tag.add_argument("name", type=_with_tag)
    commands.add_parser("push", allow_abbrev=False).add_argument("name", type=_with_tag)
    options = parser.parse_args(arguments)
    known = _Docker(Path(os.environ[STATE]) / "docker.json")
    match options.command:
        case "login":
            known.login(options.host, sys.stdin.read().rstrip("\r\n"))
        case "build":
            labels = dict(label.split("=", 1) for label in options.label)
            built = {"content": _content(options.folder), "platform": options.platform, "labels": labels}
            known.keep({_with_tag(name): built for name in options.tag})
        case "tag":
            known.keep({options.name: known.image(options.image)})
        case "push":
            known.push(options.name)


class _Docker:
    """What docker remembers, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        empty: dict[str, Any] = {"images": {}, "hosts": []}
        self._state = json.loads(file.read_text()) if file.exists() else empty

    def login(self, host: str, password: str) -> None:
        if not HOST.fullmatch(host) or not password:
            sys.exit(f"Error response from daemon: login attempt to https://{host}/v2/ failed")
        self._state["hosts"].append(host)
        self._save()
        print("Login Succeeded")

    def keep(self, images: Mapping[str, Any]) -> None:
        self._state["images"] |= images
        self._save()

    def image(self, name: str) -> Any:
        if name not in self._state["images"]:
            sys.exit(f"Error response from daemon: No such image: {name}")
        return self._state["images"][name]

    def push(self, name: str) -> None:
        host, _, path = name.partition("/")
        repository, _, tag = path.rpartition(":")
        place = HOST.fullmatch(host)
        if not place or host not in self._state["hosts"]:
            sys.exit("no basic auth credentials")
        image = self.image(name)
        os_, _, architecture = image["platform"].partition("/")
        ecr = boto3.client("ecr", region_name=place["region"])
        kind = {"content": image["content"], "labels": image["labels"], "architecture": architecture, "os": os_}
        print(f"{tag}: digest: {push(ecr, repository, tag, **kind)}")

    def _save(self) -> None:
        self._file.write_text(json.dumps(self._state))


def aws(arguments: Sequence[str]) -> None:
    """Do as the AWS CLI does."""
    parser = argparse.ArgumentParser("aws", allow_abbrev=False)
    parser.add_argument("--region")
    parser.add_argument("--query")
    parser.add_argument("--output", choices=["json", "text"], default="json")
    parser.add_argument("service")
    parser.add_argument("operation")
    options, rest = parser.parse_known_args(arguments)
    client = boto3.client(options.service, region_name=options.region)
    if (options.service, options.operation) == ("ecr", "get-login-password"):
        token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        print(base64.b64decode(token).decode().removeprefix("AWS:"))
        return
    try:
        method = getattr(client, xform_name(options.operation).replace("-", "_"))
        answer = method(**_parameters(client, options.operation, rest))
    except ClientError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(254)
    answer.pop("ResponseMetadata")
    found = jmespath.search(options.query, answer) if options.query else answer
    print(_as_text(found) if options.output == "text" else json.dumps(found, indent=4, default=str))


def _parameters(client: Any, operation: str, words: Sequence[str]) -> dict[str, Any]:
    """Return what the options of an operation say."""
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    members = {f"--{xform_name(name, '-')}": (name, member) for name, member in shape.members.items()}
    found: dict[str, Any] = {}
    name, member = "", None
    for word in words:
        if word.startswith("--"):
            if word not in members:
                sys.exit(f"Unknown options: {word}")
            name, member = members[word]
        elif member is None:
            sys.exit(f"Unknown options: {word}")
        elif member.type_name == "list":
            found.setdefault(name, []).append(word)
        elif member.type_name == "structure":
            pairs = (pair.partition("=") for pair in word.split(","))
            found[name] = {key: {"true": True, "false": False}.get(value, value) for key, _, value in pairs}
        else:
            found[name] = word
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\t".join(_as_text(each) for each in value)
    return "None" if value is None else str(value)


def git(arguments: Sequence[str]) -> None:
    """Do as git does."""
    if list(arguments) != ["rev-parse", "HEAD"]:
        sys.exit(f"The sandbox's git knows rev-parse HEAD alone, not {shlex.join(arguments)}")
    print(COMMIT)


def _with_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _content(folder: Path) -> str:
    """Return a hash over a folder's files, if its Dockerfile finds what it copies."""
    dockerfile = folder / "Dockerfile"
    if not dockerfile.is_file():
        sys.exit(f"ERROR: failed to read dockerfile: open {dockerfile}: no such file or directory")
    for copied in re.findall(r"^COPY (\S+) ", dockerfile.read_text(), flags=re.MULTILINE):
        if not (folder / copied).exists():
            sys.exit(f'ERROR: failed to compute cache key: "/{copied}": not found')
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()


_COMMANDS = {"aws": aws, "docker": docker, "git": git}

if __name__ == "__main__":
    _COMMANDS[sys.argv[1]](sys.argv[2:])
