"""Read the kernel's configuration files. Source of the format: Documentation/kbuild/kconfig.rst."""

from __future__ import annotations

import re

_SET = re.compile(r"(CONFIG_\w+)=(.*)")
_UNSET = re.compile(r"# (CONFIG_\w+) is not set")

OFF = "n"


def parse_options(text: str) -> dict[str, str]:
    """The options of a configuration or a fragment by name; "n" for those that are off."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line.strip()):
            values[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line.strip()):
            values[match[1]] = OFF
    return values
