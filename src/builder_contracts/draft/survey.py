"""The contract that asks a runner for everything that is known, for an observation that no contract decides. Pure."""

from __future__ import annotations

from typing import Any

from builder_contracts.contract.document import Document
from builder_contracts.contract.loading import contract_of
from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.tools.catalog import catalog

NAME = "survey"

_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 # the runner's

PATHS = (*_TEMPORARY, "/etc/passwd", "/nix", *_LOADERS)
"""Paths that jobs rely on, or that tell what programs run."""

SECRET_FOLDERS = ("/etc", "/home", "/opt", "/root", "/srv", "/usr/local")

GROUPS = ("docker", "root", "sudo", "wheel")
"""Groups whose members may change the system."""

NIX_SETTINGS = ("experimental-features", "sandbox", "substituters", "trusted-public-keys")


def survey(image: str = "") -> Contract:
    """Every question that needs no knowledge of the runner. It promises nothing that anyone should judge by."""
    # Next to the environments of a checkout, whose secrets stay hidden here too.
    return contract_of(Document(_data(image), {(): Location(f"contracts/{NAME}")}), catalog())


def _data(image: str) -> dict[str, Any]:
    tools = catalog().values()
    packages = {name for tool in tools for names in tool.packages.values() for name in names}
    return {
        "metadata": {"name": NAME, "summary": "Everything that is known to ask", "owner": "nobody"},
        "labels": [NAME],
        "image": {"reference": image or NAME},
        "identity": {"shell": "/bin/sh"},
        # Above 0 is what makes the question ask for the version at all.
        "toolchain": {tool.name: {"version": ">0"} for tool in tools},
        "environment": {"proxy": "absent"},
        "filesystem": dict.fromkeys(PATHS, "present"),
        "isolation": {"docker_socket": "absent", "docker_daemon": "absent"},
        "process": {"shm": "1"},
        "search_path": dict.fromkeys(("relative", "writable_by_others", "writable_by_job"), "never"),
        "privileges": {"set_id": [], "file_capabilities": [], "sudo": "absent"},
        "packages": dict.fromkeys(
            sorted(packages | {"ca-certificates", "openssh-server", "tzdata"}), "present"
        ),
        "accounts": {"groups": dict.fromkeys(GROUPS, "present")},
        "secrets": {
            **dict.fromkeys(("environment", "labels", "history"), "none"),
            "files": list(SECRET_FOLDERS),
        },
        "trust": {"certificates": 1},
        "localization": {"locale": "C.UTF-8", "time_zone": "UTC"},
        "ports": {"others": "absent"},
        "nix": {"settings": {name: [] for name in NIX_SETTINGS}},
    }
