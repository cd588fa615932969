"""Explain any promise: call the module of its section, as ``judge`` does for a verdict.

The command ``explain`` and docs/reference/clauses.md use it.
"""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises import (
    AccountPromise,
    DaemonPromise,
    Declaration,
    EnvironmentPromise,
    IdentityPromise,
    ImagePromise,
    IsolationPromise,
    JobCommand,
    JobPromise,
    LocalizationPromise,
    NetworkPromise,
    NixSetting,
    PackagePromise,
    PathState,
    PodPromise,
    PortPromise,
    PrivilegePromise,
    ProcessPromise,
    Promise,
    ProofPromise,
    ResourcePromise,
    RunningProcess,
    SearchPathRule,
    SecretPromise,
    Tool,
    TrustPromise,
)
from builder_contracts.judge import (
    accounts,
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
    proof_explanations,
    resources,
    search_path,
    secrets,
    toolchain,
    trust,
)
from builder_contracts.judge.explanation import Explanation


def explanation(promise: Promise) -> Explanation:
    """The explanation of a promise. A promise without one does not type-check."""
    if isinstance(promise, Declaration):
        return declarations.explain(promise)
    if isinstance(promise, ImagePromise):
        return image.explain(promise)
    if isinstance(promise, JobPromise):
        return job.explain(promise)
    if isinstance(promise, IdentityPromise):
        return identity.explain(promise)
    if isinstance(promise, Tool):
        return toolchain.explain(promise)
    if isinstance(promise, EnvironmentPromise):
        return environment.explain(promise)
    if isinstance(promise, PathState):
        return filesystem.explain(promise)
    if isinstance(promise, IsolationPromise):
        return isolation.explain(promise)
    if isinstance(promise, DaemonPromise):
        return daemon.explain(promise)
    if isinstance(promise, ProcessPromise):
        return process.explain(promise)
    if isinstance(promise, SearchPathRule):
        return search_path.explain(promise)
    if isinstance(promise, PrivilegePromise):
        return privileges.explain(promise)
    if isinstance(promise, PackagePromise):
        return packages.explain(promise)
    if isinstance(promise, AccountPromise):
        return accounts.explain(promise)
    if isinstance(promise, RunningProcess):
        return processes.explain(promise)
    if isinstance(promise, JobCommand):
        return commands.explain(promise)
    if isinstance(promise, SecretPromise):
        return secrets.explain(promise)
    if isinstance(promise, TrustPromise):
        return trust.explain(promise)
    if isinstance(promise, LocalizationPromise):
        return localization.explain(promise)
    if isinstance(promise, NetworkPromise):
        return network.explain(promise)
    if isinstance(promise, PortPromise):
        return ports.explain(promise)
    if isinstance(promise, NixSetting):
        return nix.explain(promise)
    if isinstance(promise, PodPromise):
        return pod.explain(promise)
    if isinstance(promise, ResourcePromise):
        return resources.explain(promise)
    if isinstance(promise, ProofPromise):
        return proof_explanations.explain(promise)
    assert_never(promise)
