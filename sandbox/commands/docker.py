"""docker: see the package. Light to start, since scripts call it often; only a push imports AWS's SDK."""

import argparse
import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_HOST = re.compile(r"[0-9]{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")


class _Docker:
    """What docker remembers, in a file. Scripts may run side by side."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    def login(self, host: str, password: str) -> None:
        if not _HOST.fullmatch(host) or not password:
            sys.exit(f"Error response from daemon: login attempt to https://{host}/v2/ failed")
        with self._locked() as state:
            state["hosts"].append(host)
        print("Login Succeeded")

    def keep(self, images: Mapping[str, Any]) -> None:
        with self._locked() as state:
            state["images"] |= images

    def image(self, name: str) -> Any:
        with self._locked() as state:
            if name not in state["images"]:
                sys.exit(f"Error response from daemon: No such image: {name}")
            return state["images"][name]

    def push(self, name: str) -> None:
        host, _, path = name.partition("/")
        repository, _, tag = path.rpartition(":")
        place = _HOST.fullmatch(host)
        with self._locked() as state:
            if not place or host not in state["hosts"]:
                sys.exit("no basic auth credentials")
        import boto3  # noqa: PLC0415  # see above

        from sandbox.images import push  # noqa: PLC0415  # as above

        ecr = boto3.client("ecr", region_name=place["region"])
        print(f"{tag}: digest: {push(ecr, repository, tag, **self.image(name))}")

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Any]]:
        """Yield what is remembered, and remember it with its changes."""
        with self._file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.loads(file.read() or '{"images": {}, "hosts": []}')
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)


def main(arguments: Sequence[str]) -> None:
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
    build.add_argument("--build-arg", action="append", default=[])
    build.add_argument("--tag", "-t", action="append", required=True)
    build.add_argument("--file", "-f", type=Path)
    build.add_argument("folder", type=Path)
    tag = commands.add_parser("tag", allow_abbrev=False)
    tag.add_argument("image", type=_with_tag)
    tag.add_argument("name", type=_with_tag)
    commands.add_parser("push", allow_abbrev=False).add_argument("name", type=_with_tag)
    options = parser.parse_args(arguments)
    docker = _Docker(Path(os.environ["SANDBOX_DOCKER"]) / "docker.json")
    match options.command:
        case "login":
            docker.login(options.host, sys.stdin.read().rstrip("\r\n"))
        case "build":
            system, _, architecture = options.platform.partition("/")
            built = {
                "content": _content(
                    options.folder,
                    options.file or options.folder / "Dockerfile",
                    dict(each.split("=", 1) for each in options.build_arg),
                ),
                "os": system,
                "architecture": architecture,
                "labels": dict(label.split("=", 1) for label in options.label),
            }
            docker.keep({_with_tag(name): built for name in options.tag})
        case "tag":
            docker.keep({options.name: docker.image(options.image)})
        case "push":
            docker.push(options.name)


def _with_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _content(folder: Path, dockerfile: Path, arguments: Mapping[str, str]) -> str:
    """Return a hash over a Dockerfile, its arguments and a folder's files, if the Dockerfile finds what it copies."""
    if not dockerfile.is_file():
        sys.exit(f"ERROR: failed to read dockerfile: open {dockerfile}: no such file or directory")
    text = dockerfile.read_text()
    unknown = arguments.keys() - re.findall(r"^ARG (\w+)", text, flags=re.MULTILINE)
    if unknown:
        sys.exit(f"ERROR: build arguments that {dockerfile} does not declare: {', '.join(sorted(unknown))}")
    for name, value in arguments.items():
        text = text.replace(f"${{{name}}}", value)
    digest = hashlib.sha256(text.encode())
    for copied in re.findall(r"^COPY (\S+) ", text, flags=re.MULTILINE):
        if not (folder / copied).exists():
            sys.exit(f'ERROR: failed to compute cache key: "/{copied}": not found')
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
