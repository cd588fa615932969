"""Judge clauses: pure functions from a clause and facts to a verdict. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import date
from typing import assert_never

from builder_contracts.contract.model import Clause, Contract
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
from builder_contracts.facts.model import Facts, ImageFacts, RunnerFacts, StartFacts, Unseen
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
    resources,
    search_path,
    secrets,
    step_differences,
    toolchain,
    trust,
    user_entry,
)
from builder_contracts.judge.witnesses import WeighedAssessment, value_at, weigh
from builder_contracts.redaction import redact_variable
from builder_contracts.verdict import Assessment, Json, Origin, Outcome, Rung, Verdict, as_json, unproven


def find(promise: Promise, facts: Facts) -> Assessment:
    """Ask the judge of the promise's kind. A kind without a judge does not type-check."""
    if isinstance(promise, Declaration):
        return declarations.judge(promise)
    if isinstance(promise, ImagePromise):
        return image.judge(promise, facts)
    if isinstance(promise, IdentityPromise):
        return identity.judge(promise, facts)
    if isinstance(promise, Tool):
        return step_differences.tool(promise, facts, toolchain.judge(promise, facts))
    if isinstance(promise, JobPromise):
        return job.judge(promise, facts)
    if isinstance(promise, EnvironmentPromise):
        return environment.judge(promise, facts)
    if isinstance(promise, PathState):
        return filesystem.judge(promise, facts)
    if isinstance(promise, IsolationPromise):
        return isolation.judge(promise, facts)
    if isinstance(promise, DaemonPromise):
        return daemon.judge(promise, facts)
    if isinstance(promise, ProcessPromise):
        return step_differences.process(promise, facts, process.judge(promise, facts))
    if isinstance(promise, SearchPathRule):
        return search_path.judge(promise, facts)
    if isinstance(promise, PrivilegePromise):
        return privileges.judge(promise, facts)
    if isinstance(promise, PackagePromise):
        return packages.judge(promise, facts)
    if isinstance(promise, AccountPromise):
        return accounts.judge(promise, facts)
    if isinstance(promise, RunningProcess):
        return processes.judge(promise, facts)
    if isinstance(promise, JobCommand):
        return commands.judge(promise, facts)
    if isinstance(promise, SecretPromise):
        return secrets.judge(promise, facts)
    if isinstance(promise, TrustPromise):
        return trust.judge(promise, facts)
    if isinstance(promise, LocalizationPromise):
        return localization.judge(promise, facts)
    if isinstance(promise, NetworkPromise):
        return network.judge(promise, facts)
    if isinstance(promise, PortPromise):
        return ports.judge(promise, facts)
    if isinstance(promise, NixSetting):
        return nix.judge(promise, facts)
    if isinstance(promise, PodPromise):
        return pod.judge(promise, facts)
    if isinstance(promise, ResourcePromise):
        return resources.judge(promise, facts)
    if isinstance(promise, ProofPromise):
        return unproven("this promise needs a proof; facts alone do not establish it")
    assert_never(promise)


def assess(promise: Promise, facts: Facts) -> WeighedAssessment:
    """The assessment of a promise by all witnesses, as if it had no waiver."""
    outside = facts.outside_with_steps
    weighed = weigh(promise, find(promise, facts), find(promise, outside) if outside else None, facts)
    # After the witnesses were weighed: one that finds a broken promise must count against one that lies.
    explained = user_entry.without_consequences(promise, facts, weighed.assessment)
    return weighed if explained is weighed.assessment else dataclasses.replace(weighed, assessment=explained)


def judge(
    clause: Clause,
    facts: Facts,
    contract: Contract,
    *,
    today: date,
    environment: str = "",
    instead: Assessment | None = None,
) -> Verdict:
    """The verdict on one clause. ``today`` (UTC) decides about waivers; ``instead`` is used if the facts cannot decide."""
    weighed = WeighedAssessment(instead, facts) if instead else assess(clause.promise, facts)
    assessment = pod.with_template_line(clause.promise, weighed.assessment, facts)
    finding = under_waiver(clause, assessment, today)
    seen_image = facts.image if isinstance(facts.image, ImageFacts) else None
    runner = facts.runner if isinstance(facts.runner, RunnerFacts) else None
    start = facts.start if isinstance(facts.start, StartFacts) else StartFacts(exists=False, started=False)
    origin = origin_of(
        contract,
        runner,
        seen_image,
        environment=environment,
        started=facts.taken,
        seconds=facts.seconds,
        start=start.way,
    )
    if seen_image is None:
        origin = dataclasses.replace(origin, image=start.image, image_digest=start.digest)
    return Verdict.of(
        clause,
        finding,
        origin,
        rung=_rung(finding, runner),
        inspect=_command(_inspected(finding.inspect, weighed.facts is facts), runner, seen_image, contract),
        observed=fact_at(weighed.facts, finding.inspect),
        witnesses=weighed.witnesses,
        one_witness=weighed.one_witness,
    )


def origin_of(
    contract: Contract,
    runner: RunnerFacts | None,
    image: ImageFacts | None,
    *,
    environment: str,
    started: str,
    seconds: float,
    start: str = "",
) -> Origin:
    """The origin of a verdict, as far as a runner and an image are known."""
    return Origin(
        image=image.reference if image else "",
        image_digest=image.digest if image else "",
        contract_digest=contract.digest,
        engine=runner.engine if runner else "",
        host=runner.host if runner else "",
        runner=runner.kind if runner else "",
        attribution=runner.identity if runner else "",
        environment=environment,
        started=started,
        seconds=seconds,
        start=start,
    )


def fact_at(facts: Facts, path: str) -> Json:
    """The fact at a path, as plain data without secrets, or None if there is none."""
    if path == ".env" and not isinstance(facts.env, Unseen):
        # Names alone: what a contract forbids anywhere in the environment may be a token.
        return as_json(sorted(facts.env))
    if path.startswith(".steps"):
        return _step_at(facts, path)
    return as_json(value_at(_without_secrets(facts) if path.startswith((".env", ".image")) else facts, path))


def _step_at(facts: Facts, path: str) -> Json:
    """What a step sees, by the names of its variables alone, or the one variable that the path leads to."""
    for shell, step in facts.steps.items():
        prefix = step_differences.inspect_path(shell)
        if not path.startswith(prefix):
            continue
        if isinstance(step, Unseen):
            return as_json(step)
        name = path.removeprefix(f"{prefix}.env.")
        if name != path:
            return redact_variable(name, step.env[name]) if name in step.env else None
        return as_json({**vars(step), "env": sorted(step.env)})
    return None


def _without_secrets(facts: Facts) -> Facts:
    """The facts without values of variables and labels whose names tell of a secret."""
    if not isinstance(facts.env, Unseen):
        env = {name: redact_variable(name, value) for name, value in facts.env.items()}
        facts = dataclasses.replace(facts, env=env)
    if isinstance(facts.image, ImageFacts):
        labels = {name: redact_variable(name, value) for name, value in facts.image.labels.items()}
        facts = dataclasses.replace(facts, image=dataclasses.replace(facts.image, labels=labels))
    return facts


def under_waiver(clause: Clause, finding: Assessment, today: date) -> Assessment:
    """The finding as a waiver changes it: a live one excuses a broken promise, an expired one breaks any."""
    waiver = clause.waiver
    if waiver is None:
        return finding
    if today > waiver.until:
        return Assessment(
            Outcome.BROKEN,
            f"waiver expired on {waiver.until} ({finding.outcome.value}: {finding.observation})",
            finding.cause,
            finding.inspect,
            measurements=finding.measurements,
            fix=f"remove the waiver at {waiver.source}, or review it and set a later date"
            + (f"; {finding.fix}" if finding.fix else ""),
            checked=finding.checked,
            total=finding.total,
            observed=finding.observed,
            set_by_run=finding.set_by_run,
        )
    if finding.outcome is Outcome.BROKEN:
        return dataclasses.replace(
            finding, outcome=Outcome.WAIVED, cause=f"waived until {waiver.until}: {waiver.reason}"
        )
    return finding


def _rung(finding: Assessment, runner: RunnerFacts | None) -> Rung | None:
    """Limit the rung to declared (C0) on a host that is not shown to be a runner of the class."""
    if finding.declared or runner is None:
        return Rung.DECLARED
    if runner.kind == "docker":
        return Rung.OBSERVED
    if runner.live:
        return Rung.LIVE
    return Rung.OBSERVED if runner.kind == "kubernetes" else Rung.DECLARED


def _inspected(look: str, inside: bool) -> str:
    """Where a reader finds the fact in the facts of the observation."""
    return look if inside or not look else f".outside{look}"


def _command(look: str, runner: RunnerFacts | None, seen_image: ImageFacts | None, contract: Contract) -> str:
    """The command that shows a reader the fact behind a finding."""
    if not look:
        return ""
    if runner is None:
        # Without a runner the command would fail too; doctor says what is missing.
        return "builder-contracts doctor"
    where = f"--image {shlex.quote(seen_image.reference if seen_image else contract.image)}"
    if runner.kind != "docker":
        where = shlex.join(["--runner", runner.place, *runner.options])
    # Names and paths of contracts are never shell text, not even in a line to copy.
    contract_file = shlex.quote(contract.source.file)
    platform = f" --platform {shlex.quote(contract.platform)}" if contract.platform else ""
    settings = "".join(f" --set {shlex.quote(f'{name}={text}')}" for name, text in contract.settings.items())
    return f"builder-contracts facts --contract {contract_file}{settings}{platform} {where} | jq {shlex.quote(look)}"
