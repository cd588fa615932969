"""Names that stand for a name: examples, variables, and values that are left empty."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(
    r"\$\{|\$\(|<[\w -]+>|CHANGE[ _-]?(?:ME|THIS)"
    # https://www.rfc-editor.org/rfc/rfc2606: names that nobody can own.
    r"|(?:^|\.)(?:example\.(?:com|net|org)|example|invalid|test)$"
    r"|(?:^|\.)(?:service|name|your[\w-]*)\.(?:namespace|ns|your[\w-]*)\.",
    re.IGNORECASE,
)


def is_placeholder(name: str) -> bool:
    """Whether a name is not one that anything has, but stands for it."""
    return not name or _PLACEHOLDER.search(name) is not None
