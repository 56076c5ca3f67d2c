"""docker, git and the AWS CLI, as far as build scripts and pages of examples need them, against the sandbox.

`install` puts them into a folder that goes before all others on a PATH. They are strict: an option that the real one
may know and this one does not is an error. What is played:

- docker: `login` (with a password of the sandbox's ECR), `build` (needs the Dockerfile, the files that it copies,
  and an ARG for each build argument), `tag` and `push`, which pushes an image of one layer by `sandbox.images`. Its
  content is that of the folder, its platform and labels are the options'. Nothing is built, and no engine is needed.
- aws: any operation of botocore's models with its options, flags as `--x` and `--no-x`, lists of plain values as
  several words, whole numbers, structures as `key=value`, `--query` and `--output text`; `wait`;
  and `ecr get-login-password`.
- git: `rev-parse HEAD`, which is the commit that it was installed with.
"""

import os
import shlex
import sys
from pathlib import Path

from sandbox.processes import ROOT

COMMIT = "f2194c1757bbdcb0f8f229254a4b3c8b27d43e0b"
"""What examples are built at."""


def install(folder: Path, commit: str) -> dict[str, str]:
    """Write the commands into a folder, and return the variables that make a shell use them."""
    folder.mkdir(parents=True, exist_ok=True)
    modules = f"PYTHONPATH={shlex.quote(str(ROOT))}"
    scripts = {
        name: f'{modules} exec {shlex.quote(sys.executable)} -m sandbox.commands.{name} "$@"'
        for name in ("aws", "docker")
    }
    scripts["git"] = f'[ "$*" = "rev-parse HEAD" ] || exit 2\necho {commit}'
    for name, script in scripts.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return variables(folder)


def variables(folder: Path) -> dict[str, str]:
    """Return the variables that make a shell use the commands that were installed into a folder."""
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SANDBOX_DOCKER": str(folder)}
