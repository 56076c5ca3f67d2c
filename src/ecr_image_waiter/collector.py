"""Python's garbage collector, which rests while Lambda makes a new environment.

Hardly anything that INIT makes is garbage, and to look for some is a twentieth of it. A module that imports this one at
its top is to call `go_on` at its end.
"""

import gc
import os
from typing import Final

_IN_LAMBDA: Final = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

if _IN_LAMBDA:
    gc.disable()


def go_on() -> None:
    """Let it collect again, but leave alone what is there now: that stays as long as the process does."""
    if _IN_LAMBDA:
        gc.freeze()
        gc.enable()
