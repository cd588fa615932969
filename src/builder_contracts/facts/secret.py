"""Which environment variables hold secrets, and what of their values may be shown."""

from __future__ import annotations

import re

SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH", re.IGNORECASE)
"""Names of environment variables whose values are never written anywhere."""

REDACTED = "(redacted)"

# The password in the address of a proxy, a registry or a database. Source: RFC 3986 section 3.2.1.
_PASSWORD = re.compile(r"(?<=://)([^\s/?#@:]*):[^\s/?#]*@")


def visible(name: str, value: str) -> str:
    """What may be shown of a variable's value: nothing where its name tells of a secret, and no password."""
    return REDACTED if SECRET_NAME.search(name) else _PASSWORD.sub(rf"\1:{REDACTED}@", value)
