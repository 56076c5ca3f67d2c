"""A result in a job of GitHub Actions: the outputs of the step, its summary, annotations. Pure."""

import json
from typing import Final

from ecr_image_waiter.core.messages import harmless, iso
from ecr_image_waiter.core.model import Image

from .results import Result, Status, as_json

_HEADINGS: Final = {Status.FOUND: "found", Status.INTERRUPTED: "interrupted", Status.WRONG_USAGE: "wrong usage"}
_PLAIN: Final = frozenset(" -/,();")


def outputs(result: Result) -> str:
    """Returns what goes into the file GITHUB_OUTPUT. URIs are there if every image is ready, as in the form `uri`."""
    images = result.images if result.status is Status.FOUND else ()
    uris = [harmless(image.uri) for image in images]
    first = uris[0] if uris else ""
    lines = [f"uri={first}", f"digest={first.rpartition('@')[2]}", "uris<<END_OF_URIS", *uris, "END_OF_URIS"]
    # In ASCII, and without a line break, because JSON escapes both.
    return "".join(f"{line}\n" for line in (*lines, f"json={json.dumps(as_json(result))}"))


def summary(result: Result) -> str:
    """Returns what goes into the file GITHUB_STEP_SUMMARY, in Markdown: a table of the images, and why it failed."""
    lines = [f"### ecr-image-waiter: {_HEADINGS.get(result.status, 'not found')}", ""]
    if result.images:
        lines += ["| image | | digest | pushed |", "| ----- | - | ------ | ------ |"]
    for one in result.images:
        image = one.image
        pushed = iso(image.pushed_at) if image and image.pushed_at else ""
        cells = (
            one.name,
            "ready" if isinstance(one.finding, Image) else one.phrase,
            image.digest if image else "",
            pushed,
        )
        lines.append(f"| {' | '.join(map(_in_markdown, cells))} |")
    note = result.note
    said = [note.heading, *(f"{title}: {text}" for title, text in note.rows)] if note.rows else [note.sentence]
    return "\n\n".join(["\n".join(lines), *map(_in_markdown, said), ""])


def annotation(text: str) -> str:
    """Returns the line that shows a text as an error of the job."""
    return f"::error title=ecr-image-waiter::{harmless(text).replace('%', '%25')}\n"


def _in_markdown(text: str) -> str:
    """Returns a text in which nothing is Markdown, HTML, a link or a mention."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"&#{ord(c)};" for c in harmless(text))
