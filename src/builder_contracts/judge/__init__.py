"""Judging: pure functions from a clause and facts to a verdict. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import date
from typing import assert_never

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import (
    DaemonPromise,
    Declaration,
    EnvironmentPromise,
    IdentityPromise,
    ImagePromise,
    IsolationPromise,
    NetworkPromise,
    PathState,
    Promise,
    ProofPromise,
    ResourcePromise,
    Tool,
)
from builder_contracts.evidence.verdict import Finding, Outcome, Rung, Verdict, unproven
from builder_contracts.facts.model import Facts, Image, Runner
from builder_contracts.judge import (
    daemon,
    declarations,
    environment,
    filesystem,
    identity,
    image,
    isolation,
    network,
    resources,
    toolchain,
)


def find(promise: Promise, facts: Facts) -> Finding:
    """Ask the judge of the promise's kind. A kind without a judge does not type-check."""
    if isinstance(promise, Declaration):
        return declarations.judge(promise)
    if isinstance(promise, ImagePromise):
        return image.judge(promise, facts)
    if isinstance(promise, IdentityPromise):
        return identity.judge(promise, facts)
    if isinstance(promise, Tool):
        return toolchain.judge(promise, facts)
    if isinstance(promise, EnvironmentPromise):
        return environment.judge(promise, facts)
    if isinstance(promise, PathState):
        return filesystem.judge(promise, facts)
    if isinstance(promise, IsolationPromise):
        return isolation.judge(promise, facts)
    if isinstance(promise, DaemonPromise):
        return daemon.judge(promise, facts)
    if isinstance(promise, NetworkPromise):
        return network.judge(promise, facts)
    if isinstance(promise, ResourcePromise):
        return resources.judge(promise, facts)
    if isinstance(promise, ProofPromise):
        return unproven("this promise needs a proof; facts alone do not establish it")
    assert_never(promise)


def judge(clause: Clause, facts: Facts, contract: Contract, *, today: date, environment: str = "") -> Verdict:
    """The verdict on one clause. ``today`` (UTC) decides about waivers."""
    finding = under_waiver(clause, find(clause.promise, facts), today)
    seen_image = facts.image if isinstance(facts.image, Image) else None
    runner = facts.runner if isinstance(facts.runner, Runner) else None
    return Verdict(
        clause=clause.id,
        outcome=finding.outcome,
        rung=_rung(finding, runner),
        promised=clause.promise.text,
        seen=finding.seen,
        source=str(clause.source),
        likely=finding.likely,
        look=_command(finding.look, runner, seen_image, contract),
        why=clause.why or "",
        here=finding.here,
        image=seen_image.reference if seen_image else "",
        image_digest=seen_image.digest if seen_image else "",
        contract_digest=contract.digest,
        engine=runner.engine if runner else "",
        host=runner.host if runner else "",
        runner=runner.kind if runner else "",
        identity=runner.identity if runner else "",
        environment=environment,
        started=facts.taken,
        seconds=facts.seconds,
    )


def under_waiver(clause: Clause, finding: Finding, today: date) -> Finding:
    """The finding as a waiver changes it: a live one excuses a broken promise, an expired one breaks any."""
    waiver = clause.waiver
    if waiver is None:
        return finding
    if today > waiver.until:
        return Finding(
            Outcome.BROKEN,
            f"waiver expired on {waiver.until} ({finding.outcome.value}: {finding.seen})",
            f"remove the waiver at {waiver.source}, or review it and set a later date"
            + (f"; {finding.likely}" if finding.likely else ""),
            finding.look,
            measures=finding.measures,
        )
    if finding.outcome is Outcome.BROKEN:
        return dataclasses.replace(
            finding, outcome=Outcome.WAIVED, likely=f"waived until {waiver.until}: {waiver.reason}"
        )
    return finding


def _rung(finding: Finding, runner: Runner | None) -> Rung | None:
    """No rung is claimed for what was not seen, nor on a machine that is not shown to be of the class."""
    if finding.outcome is Outcome.UNPROVEN:
        return None
    if finding.declared:
        return Rung.DECLARED
    if runner is not None and runner.kind == "docker":
        return Rung.OBSERVED
    if runner is not None and runner.live:
        return Rung.LIVE
    return Rung.DECLARED


def _command(look: str, runner: Runner | None, seen_image: Image | None, contract: Contract) -> str:
    """The command that shows a reader the fact behind a finding."""
    if not look:
        return ""
    if runner is None:
        # Nothing can be looked at, so the way goes to what is missing.
        return "builder-contracts doctor"
    where = f"--image {shlex.quote(seen_image.reference if seen_image else contract.image)}"
    if runner.kind != "docker":
        where = f"--runner {runner.kind}"
    # Names and paths of contracts are never shell text, not even in a line to copy.
    contract_file = shlex.quote(contract.source.file)
    return f"builder-contracts facts --contract {contract_file} {where} | jq {shlex.quote(look)}"
