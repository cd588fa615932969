"""One observation of one runner: run the probe once, and turn its answers into facts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Shell
from builder_contracts.contract.promises.isolation import Device
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts.model import (
    ConnectionFacts,
    DaemonFacts,
    Facts,
    ForbiddenHostFacts,
    NetworkFacts,
    Seen,
    StartFacts,
    Unseen,
)
from builder_contracts.observe.inside import answers as read
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.observe.inside.questions import batches, probe, questions, spellings
from builder_contracts.redaction import learn_data
from builder_contracts.runner.protocol import Runner, StandIn

DEADLINE = 60.0
"""Seconds for one observation."""


def gather(
    contract: Contract,
    runner: Runner,
    *,
    forbidden: Mapping[str, Seen[StandIn]],
    may_try: bool = True,
    unreachable_hosts: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
) -> Facts:
    """Observe ``runner`` with the questions of ``contract``.

    ``forbidden`` holds the stand-ins of forbidden hosts. ``may_try`` is False on a network that routes
    outside: a packet to a stand-in's address could then reach the real host, so none is sent.
    ``unreachable_hosts`` are hosts that the run could not start, with the reason. Nothing that happens in
    the runner raises.
    """
    setting = runner.setting
    taken = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    started_at = time.monotonic()
    if isinstance(setting.start, StartFacts) and not setting.start.started:
        answers = ProbeAnswers(lost=f"runner did not start: {setting.start.said}")
    elif isinstance(setting.start, Unseen) and setting.start.here:
        answers = ProbeAnswers(lost=setting.start.unseen)
    else:
        answers = _ask(contract, runner, forbidden if may_try else {}, deadline)
    facts = _facts(contract, runner, answers, forbidden, unreachable_hosts or {}, taken, started_at)
    # A secret that was read is hidden in every output from here on.
    learn_data(dataclasses.asdict(facts))
    return facts


def _ask(
    contract: Contract, runner: Runner, forbidden: Mapping[str, Seen[StandIn]], deadline: float
) -> ProbeAnswers:
    addresses = {
        name: (host.address, host.port) for name, host in forbidden.items() if isinstance(host, StandIn)
    }
    output, ended = b"", ""
    until = time.monotonic() + deadline
    for batch in batches(questions(contract, addresses)):
        completed = runner.execute(
            ["/bin/sh", "-c", probe(), "builder-contracts-probe", *batch],
            deadline=max(0.1, until - time.monotonic()),
        )
        output += completed.stdout
        if completed.ended or completed.status != 0:
            output_end = completed.stderr.decode("utf-8", errors="replace").strip() or completed.stdout[
                -200:
            ].decode("utf-8", errors="replace")
            ended = completed.ended or f"probe exited with status {completed.status}: {output_end[:300]}"
            ended = f"the observation did not complete: {ended}"
            break
    return read.parse(output, ended)


def _facts(
    contract: Contract,
    runner: Runner,
    answers: ProbeAnswers,
    forbidden: Mapping[str, Seen[StandIn]],
    unreachable: Mapping[str, str],
    taken: str,
    started_at: float,
) -> Facts:
    setting = runner.setting
    start = setting.start
    if isinstance(start, StartFacts) and start.started and answers.silent:
        # The first process died before its first answer: the image's shell does not run.
        start = dataclasses.replace(start, started=False, said=answers.lost)
    tools = contract.promised(Tool)
    paths = [promise.path for promise in (*contract.promised(PathState), *contract.promised(Device))]
    return Facts(
        runner=setting.runner,
        image=setting.image,
        start=start,
        identity=read.identity(answers),
        shells={promise.path: read.shell(answers, promise.path) for promise in contract.promised(Shell)},
        path=answers.read("path", "", str),
        env=read.environment(answers),
        tools={
            tool.name: read.tool(
                answers, tool.name, [name for name, _ in tool.features], works=tool.work is not None
            )
            for tool in tools
        },
        paths={path: read.path(answers, path) for path in paths},
        isolation=read.isolation(answers, setting.privileged),
        daemon=_daemon(answers, runner),
        network=_network(contract, answers, forbidden, unreachable),
        resources=read.resources(answers),
        taken=taken,
        seconds=round(time.monotonic() - started_at, 3),
    )


def _daemon(answers: ProbeAnswers, runner: Runner) -> Seen[DaemonFacts]:
    setting = runner.setting
    daemon = read.daemon(answers, setting.daemon_ready_after)
    if setting.daemon_failure and isinstance(daemon, DaemonFacts):
        return dataclasses.replace(daemon, failure=setting.daemon_failure)
    return daemon


def _network(
    contract: Contract,
    answers: ProbeAnswers,
    forbidden: Mapping[str, Seen[StandIn]],
    unreachable: Mapping[str, str],
) -> NetworkFacts:
    resolve: dict[str, Seen[list[str]]] = {}
    for name in contract.promised(Resolves):
        failure = unreachable.get(name.host)
        resolve[name.host] = Unseen(failure) if failure else read.resolution(answers, name.host)
    connect: dict[str, Seen[ConnectionFacts]] = {}
    for service in contract.promised(Reaches):
        key = f"{service.host}:{service.port}"
        failure = unreachable.get(service.host)
        connect[key] = Unseen(failure) if failure else read.connection(answers, key)
    return NetworkFacts(
        default_routes=read.default_routes(answers),
        resolve=resolve,
        connect=connect,
        forbidden={
            denied.host: _forbidden(denied.host, forbidden.get(denied.host), answers)
            for denied in contract.promised(Denied)
        },
    )


def _forbidden(name: str, stand_in: Seen[StandIn] | None, answers: ProbeAnswers) -> Seen[ForbiddenHostFacts]:
    if stand_in is None:
        return Unseen(f"no stand-in for {name!r} here, and no real host is ever contacted", here=False)
    if isinstance(stand_in, Unseen):
        return stand_in
    return ForbiddenHostFacts(
        stand_in.control,
        {
            spelling: read.connection(answers, f"forbidden {name} {spelling}")
            for spelling in spellings(stand_in.address)
        },
    )
