"""Typed promises, one module per section of a contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises import (
    accounts,
    caches,
    canaries,
    commands,
    daemon,
    declarations,
    environment,
    filesystem,
    identity,
    image,
    isolation,
    job,
    localization,
    network,
    nix,
    packages,
    pod,
    ports,
    privileges,
    process,
    processes,
    publication,
    resources,
    search_path,
    secrets,
    toolchain,
    trust,
)
from builder_contracts.contract.promises.accounts import AccountPromise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.commands import JobCommand
from builder_contracts.contract.promises.daemon import DaemonPromise
from builder_contracts.contract.promises.declarations import Declaration
from builder_contracts.contract.promises.environment import EnvironmentPromise
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import IdentityPromise
from builder_contracts.contract.promises.image import ImagePromise
from builder_contracts.contract.promises.isolation import IsolationPromise
from builder_contracts.contract.promises.job import JobPromise
from builder_contracts.contract.promises.localization import LocalizationPromise
from builder_contracts.contract.promises.named_promise import NamedPromise
from builder_contracts.contract.promises.network import NetworkPromise
from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.pod import PodPromise
from builder_contracts.contract.promises.ports import PortPromise
from builder_contracts.contract.promises.privileges import PrivilegePromise
from builder_contracts.contract.promises.process import ProcessPromise
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.contract.promises.publication import Publication
from builder_contracts.contract.promises.resources import ResourcePromise
from builder_contracts.contract.promises.search_path import SearchPathRule
from builder_contracts.contract.promises.secrets import SecretPromise
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.promises.trust import TrustPromise

ProofPromise = CacheProof | Publication | CanaryProof
"""Promises that are shown by doing (package ``prove``), not by looking."""

Promise = (
    Declaration
    | ImagePromise
    | JobPromise
    | IdentityPromise
    | Tool
    | EnvironmentPromise
    | PathState
    | IsolationPromise
    | DaemonPromise
    | ProcessPromise
    | SearchPathRule
    | PrivilegePromise
    | PackagePromise
    | AccountPromise
    | RunningProcess
    | JobCommand
    | SecretPromise
    | TrustPromise
    | LocalizationPromise
    | NetworkPromise
    | PortPromise
    | NixSetting
    | ResourcePromise
    | PodPromise
    | CacheProof
    | Publication
    | CanaryProof
)

SectionParser = Callable[[Any, Pointer], Iterator[NamedPromise[Promise]]]

READERS: Mapping[str, SectionParser] = {
    "labels": declarations.read_labels,
    "responsibilities": declarations.read_responsibilities,
    "image": image.read,
    "job": job.read,
    "identity": identity.read,
    "toolchain": toolchain.read,
    "environment": environment.read,
    "filesystem": filesystem.read,
    "isolation": isolation.read,
    "daemon": daemon.read,
    "process": process.read,
    "search_path": search_path.read,
    "privileges": privileges.read,
    "packages": packages.read,
    "accounts": accounts.read,
    "processes": processes.read,
    "commands": commands.read,
    "secrets": secrets.read,
    "trust": trust.read,
    "localization": localization.read,
    "network": network.read,
    "ports": ports.read,
    "nix": nix.read,
    "resources": resources.read,
    "pod": pod.read,
    "caches": caches.read,
    "publication": publication.read,
    "canaries": canaries.read,
}
"""Sections of a contract that hold clauses; the section's name is the clause kind."""

__all__ = [
    "READERS",
    "AccountPromise",
    "DaemonPromise",
    "Declaration",
    "EnvironmentPromise",
    "IdentityPromise",
    "ImagePromise",
    "IsolationPromise",
    "JobCommand",
    "JobPromise",
    "LocalizationPromise",
    "NamedPromise",
    "NetworkPromise",
    "NixSetting",
    "PackagePromise",
    "PathState",
    "PodPromise",
    "PortPromise",
    "PrivilegePromise",
    "ProcessPromise",
    "Promise",
    "ProofPromise",
    "ResourcePromise",
    "RunningProcess",
    "SearchPathRule",
    "SecretPromise",
    "Tool",
    "TrustPromise",
]
