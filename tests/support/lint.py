"""cfn-lint over templates, as a fixture gives it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Linter: TypeAlias = Callable[[Mapping[str, Any]], str]
