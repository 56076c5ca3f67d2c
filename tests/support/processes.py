"""The processes of this machine."""

import os
from pathlib import Path


def processes_naming(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text, in their command or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            held = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in held and folder.name != str(os.getpid()):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found
