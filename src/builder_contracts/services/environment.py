"""Environment files: which endpoint each role has, and which endpoints the run starts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from builder_contracts.services.principals import ANONYMOUS

NO_READER = "none"
"""The reader of a server whose every identity may write."""


@dataclass(frozen=True)
class RoleBinding:
    """The endpoint of a role.

    ``service`` names what the run starts for it (empty: a deployment's own endpoint); ``not_working`` says
    why nothing can be proved with it; ``reader``, ``writer``, ``owner`` and ``signing_key`` name variables that
    hold secrets; ``public_key`` is that of a Nix cache whose server signs. ``reader`` can also be NO_READER or
    anonymous. ``instance`` is the instance name of a Bazel cache over gRPC, ``bucket`` an existing bucket of a deployed
    object store. ``authority`` names the variable that holds the path of certificates to trust, ``client_certificate``
    that of the writer's own with its key; ``token_header`` is the header in which identities show their secrets.
    """

    role: str
    url: str = ""
    service: str = ""
    not_working: str = ""
    reader: str = ""
    writer: str = ""
    owner: str = ""
    signing_key: str = ""
    public_key: str = ""
    instance: str = ""
    bucket: str = ""
    authority: str = ""
    client_certificate: str = ""
    token_header: str = ""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the variables that hold secrets of this role."""
        reader = "" if self.reader in (NO_READER, ANONYMOUS) else self.reader
        return frozenset({reader, self.writer, self.owner, self.signing_key} - {""})

    @property
    def host(self) -> str:
        """The host name of the endpoint."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class Environment:
    """The roles of one environment; ``from_containers``: a deployment's addresses may be contacted from them."""

    environment: str
    roles: Mapping[str, RoleBinding]
    from_containers: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the variables that hold secrets of this environment."""
        return frozenset(name for role in self.roles.values() for name in role.secrets)

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> Environment:
        """Read an environment file that the schema has accepted."""
        roles = {role: RoleBinding(role, **value) for role, value in data.get("roles", {}).items()}
        return cls(str(data["metadata"]["name"]), roles, data.get("touched_from") == "containers")


NOTHING = Environment("none", {})
