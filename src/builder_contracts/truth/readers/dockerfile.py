"""Dockerfiles: which images they start from."""

from __future__ import annotations

import re

from builder_contracts.errors import Source
from builder_contracts.truth.model import ImageUse, Model
from builder_contracts.truth.value import Known, Unknown, Value

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{?(\w+)(?::-([^}]*))?\}?")


def is_dockerfile(path: str) -> bool:
    """Whether the name is one that image builders read."""
    name = path.rpartition("/")[2]
    return (
        name in ("Dockerfile", "Containerfile")
        or name.startswith("Dockerfile.")
        or name.endswith(".Dockerfile")
    )


def read(text: str, path: str, model: Model) -> None:
    """Add the base images; stages of the same file are not images of their own."""
    stages: set[str] = {"scratch"}
    arguments: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _ARG.match(line):
            arguments[found[1]] = found[2].strip("\"'")
        elif found := _FROM.match(line):
            reference, missing = found[1], ""
            for name, default in _REFERENCE.findall(reference):
                if name not in arguments and not default:
                    missing = name
            written = _REFERENCE.sub(lambda use: arguments.get(use[1], use[2] or ""), reference)
            at = Source(path, number)
            value: Value = (
                Unknown(f"the build argument {missing} has no default", at) if missing else Known(written, at)
            )
            if written not in stages:
                model.images.append(ImageUse(value, "Dockerfile"))
            if found[2]:
                stages.add(found[2])
