"""Observe one runner: run the probe once, and convert its answers into facts."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from builder_contracts.contract.model import Contract
from builder_contracts.contract.platforms import are_same
from builder_contracts.contract.promises.daemon import DAEMON_SETTINGS, DaemonListens
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Shell
from builder_contracts.contract.promises.image import ImageHealthcheck
from builder_contracts.contract.promises.isolation import Device
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.contract.promises.ports import OtherPorts, Port
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.promises.trust import TlsTool
from builder_contracts.facts.model import (
    ENTRYPOINT,
    NOT_ASKED,
    ConnectionFacts,
    ControlFacts,
    DaemonFacts,
    Facts,
    FeatureFacts,
    ForbiddenHostFacts,
    ImageFacts,
    NetworkFacts,
    ResponseFacts,
    RunnerFacts,
    Seen,
    StartFacts,
    StepFacts,
    Unseen,
)
from builder_contracts.observe import asked_words, commands, healthcheck, second_try
from builder_contracts.observe.inside import answers as read
from builder_contracts.observe.inside import promised, steps, system_state
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.observe.inside.questions import batches, probe, questions, spellings
from builder_contracts.observe.outside import look
from builder_contracts.redaction import learn_data
from builder_contracts.runner.protocol import CompletedCommand, Look, OutsideView, Runner, StandIn, TimeLimit

DEADLINE = 60.0
"""Seconds for one observation."""

_NO_HANDSHAKE = Unseen(
    "the CA bundle of a runner that was not started by this run is not changed", provable_here=False
)
_LISTENING = (DaemonListens, Port, OtherPorts)

ONLY_INSIDE = Unseen("not visible from outside the runner", provable_here=False)


def gather(
    contract: Contract,
    runner: Runner,
    *,
    forbidden: Mapping[str, Seen[StandIn]],
    may_try: bool = True,
    unreachable_hosts: Mapping[str, Unseen] | None = None,
    deadline: float = DEADLINE,
) -> Facts:
    """Observe ``runner`` with the questions of ``contract``.

    ``forbidden`` holds the stand-ins of forbidden hosts. ``may_try`` is False on a network that routes
    outside: a packet to a stand-in's address could then reach the real host, so none is sent.
    ``unreachable_hosts`` are hosts that cannot be tried, with the reason. Nothing that happens in
    the runner raises.
    """
    setting = runner.setting
    taken = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    started_at = time.monotonic()
    shells: dict[str, Seen[StepFacts]] = {}
    control: Seen[ControlFacts] = NOT_ASKED
    # The outside witness looks, and shells of steps start, while the probe runs.
    with ThreadPoolExecutor(3, thread_name_prefix="witness") as pool:
        shaking = pool.submit(setting.handshakes) if setting.handshakes else None
        looking = pool.submit(_look, contract, setting.look, deadline) if setting.look else None
        if isinstance(setting.start, StartFacts) and not setting.start.started:
            answers = ProbeAnswers(lost=_no_start(setting.start))
        elif isinstance(setting.start, Unseen) and setting.start.provable_here:
            answers = ProbeAnswers(lost=setting.start.reason)
        else:
            stepping = pool.submit(steps.observe, contract, runner, deadline=deadline)
            asked = questions(contract, _addresses(forbidden) if may_try else {})
            answers = _ask(asked, runner, deadline)
            shells = stepping.result()
            if not answers.lost and (doubtful := second_try.ended_from_outside(answers, asked)):
                answers, control = second_try.ask_again(
                    answers, doubtful, runner, lambda again: _ask(again, runner, deadline)
                )
        outside = looking.result() if looking else None
        handshakes = shaking.result() if shaking else {}
    foreign = _foreign(setting, answers)
    if foreign is not None:
        answers, shells = ProbeAnswers(missing=foreign), dict.fromkeys(shells, foreign)
    facts = _facts(contract, runner, answers, forbidden, unreachable_hosts or {}, taken, started_at)
    if isinstance(setting.entrypoint_env, dict):
        shells[ENTRYPOINT] = StepFacts(setting.entrypoint_env)
    shown = {tool.name: handshakes.get(tool.name, _NO_HANDSHAKE) for tool in contract.promised(TlsTool)}
    facts = dataclasses.replace(
        facts,
        asked=asked_words.digests(clause.promise for clause in contract.clauses),
        handshakes=shown,
        control=control,
        steps=shells,
        healthcheck=foreign or _healthcheck(contract, runner, answers),
        commands=commands.observe(contract, runner, lost=foreign.reason if foreign else answers.lost),
    )
    if foreign is not None:
        facts = dataclasses.replace(facts, start=foreign)
    if outside is not None:
        from_outside = _facts(contract, runner, outside, {}, {}, taken, started_at)
        facts = _with_outside(
            facts,
            dataclasses.replace(
                from_outside, isolation=read.isolation(outside, outside.missing), daemon=outside.missing
            ),
        )
    # A secret that was read is hidden in every output from here on.
    learn_data(dataclasses.asdict(facts))
    return facts


def _foreign(setting: OutsideView, answers: ProbeAnswers) -> Unseen | None:
    """Why nothing of the image runs here, if it is for a platform that this host cannot run."""
    image, about = setting.image, setting.runner
    if not isinstance(image, ImageFacts) or not isinstance(about, RunnerFacts) or not about.platform:
        return None
    if "exec format error" not in answers.lost or are_same(image.platform, about.platform):
        return None
    reason = f"this host runs programs for {about.platform}, and none for {image.platform}"
    return Unseen(reason, provable_here=False)


def _no_start(start: StartFacts) -> str:
    if start.hopeless:
        return f"no job of this class can run: {start.output}"
    return f"runner did not start: {start.output}"


def _addresses(forbidden: Mapping[str, Seen[StandIn]]) -> dict[str, tuple[str, int]]:
    return {name: (host.address, host.port) for name, host in forbidden.items() if isinstance(host, StandIn)}


def _ask(asked: Sequence[str], runner: Runner, deadline: float) -> ProbeAnswers:
    answers: ProbeAnswers | None = None
    until = time.monotonic() + deadline * TimeLimit.LONGEST
    for batch in batches(asked):
        # Who answers without it was not asked, or remembers another run.
        nonce = _nonce()
        completed = runner.execute(
            ["/bin/sh", "-c", probe(), "builder-contracts-probe", nonce, *batch],
            deadline=max(0.1, min(deadline, until - time.monotonic())),
            last_line=f'{nonce} ["end","","complete"]'.encode(),
        )
        part = read.parse(completed.stdout, _ended(completed, "probe"), nonce=nonce)
        answers = answers.followed_by(part) if answers else part
        if answers.lost:
            break
    return answers or ProbeAnswers()


def _look(contract: Contract, look_outside: Look, deadline: float) -> ProbeAnswers:
    """What the outside witness answers, while the probe runs."""
    answers: ProbeAnswers | None = None
    until = time.monotonic() + deadline
    for batch in batches(questions(contract, {})):
        nonce = _nonce()
        completed = look_outside(look.program(), [nonce, *batch], max(0.1, until - time.monotonic()))
        part = read.parse(completed.stdout, _ended(completed, "outside witness"), nonce=nonce)
        answers = answers.followed_by(part) if answers else part
        if answers.lost:
            break
    return dataclasses.replace(answers or ProbeAnswers(), missing=ONLY_INSIDE)


def _nonce() -> str:
    """Twenty digits. The first eight become a number for tools to work with."""
    return str(secrets.randbelow(9 * 10**19) + 10**19)


def _ended(completed: CompletedCommand, name: str) -> str:
    """The reason why a witness did not come to its end, or nothing."""
    if not completed.ended and completed.status == 0:
        return ""
    output_end = (completed.stderr.strip() or completed.stdout[-200:]).decode("utf-8", errors="replace")
    ended = completed.ended or f"{name} exited with status {completed.status}: {output_end[:300]}"
    return f"the observation did not complete: {ended}"


def _with_outside(facts: Facts, outside: Facts) -> Facts:
    """The facts with what the outside witness saw, and with the variables that no shell can name."""
    env = facts.env
    if not isinstance(env, Unseen) and not isinstance(outside.env, Unseen):
        env = env | {name: value for name, value in outside.env.items() if not name.isidentifier()}
    return dataclasses.replace(facts, env=env, outside=outside)


def _facts(
    contract: Contract,
    runner: Runner,
    answers: ProbeAnswers,
    forbidden: Mapping[str, Seen[StandIn]],
    unreachable: Mapping[str, Unseen],
    taken: str,
    started_at: float,
) -> Facts:
    setting = runner.setting
    start = setting.start
    if isinstance(start, StartFacts) and start.started and answers.silent:
        # The first process died before its first answer: the image's shell does not run.
        start = dataclasses.replace(start, started=False, output=start.output or answers.lost)
    tools = contract.promised(Tool)
    paths = [
        *(path for promise in contract.promised(PathState) for path in promise.looked_at),
        *(device.path for device in contract.promised(Device)),
    ]
    return Facts(
        runner=setting.runner,
        image=setting.image,
        start=start,
        entrypoint=setting.entrypoint,
        identity=read.identity(answers),
        groups=read.groups(answers),
        ports=read.ports(answers) if any(map(contract.promised, _LISTENING)) else NOT_ASKED,
        process=promised.process(answers, contract),
        search_path=promised.search_path(answers, contract),
        privileges=promised.privileges(answers, contract),
        packages=system_state.packages(answers, contract),
        accounts=system_state.accounts(answers, contract),
        processes=system_state.processes(answers, contract),
        secret_files=promised.secret_files(answers, contract),
        ca_bundle=promised.ca_bundle(answers, contract),
        time_zone=promised.time_zone(answers, contract),
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
        files=promised.files(answers, contract),
        isolation=read.isolation(answers, setting.privileged),
        daemon=_daemon(contract, answers, runner),
        network=_network(contract, answers, forbidden, unreachable),
        nix_settings={
            setting.name: read.nix_setting(answers, setting.name) for setting in contract.promised(NixSetting)
        },
        resources=read.resources(answers),
        pod=setting.pod,
        kernel=read.kernel(answers),
        taken=taken,
        seconds=round(time.monotonic() - started_at, 3),
    )


def _healthcheck(contract: Contract, runner: Runner, answers: ProbeAnswers) -> Seen[FeatureFacts]:
    if not any(promise.declared for promise in contract.promised(ImageHealthcheck)):
        return NOT_ASKED
    return Unseen(answers.lost) if answers.lost else healthcheck.run(runner)


def _daemon(contract: Contract, answers: ProbeAnswers, runner: Runner) -> Seen[DaemonFacts]:
    setting = runner.setting
    daemon = read.daemon(answers, setting.daemon_ready_after)
    if isinstance(daemon, Unseen):
        return daemon
    if any(map(contract.promised, DAEMON_SETTINGS)):
        daemon = dataclasses.replace(daemon, settings=read.daemon_settings(answers))
    return dataclasses.replace(daemon, failure=setting.daemon_failure)


def _network(
    contract: Contract,
    answers: ProbeAnswers,
    forbidden: Mapping[str, Seen[StandIn]],
    unreachable: Mapping[str, Unseen],
) -> NetworkFacts:
    resolve: dict[str, Seen[list[str]]] = {}
    for name in contract.promised(Resolves):
        resolve[name.host] = unreachable.get(name.host) or read.resolution(answers, name.host)
    connect: dict[str, Seen[ConnectionFacts]] = {}
    for service in contract.promised(Reaches):
        key = f"{service.host}:{service.port}"
        connect[key] = unreachable.get(service.host) or read.connection(answers, key)
    responses: dict[str, Seen[ResponseFacts]] = {}
    for request in contract.promised(Responds):
        responses[request.url] = unreachable.get(request.host) or read.response(answers, request.url)
    return NetworkFacts(
        responses=responses,
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
        return Unseen(
            f"no stand-in for {name!r} here, and no real host is ever contacted", provable_here=False
        )
    if isinstance(stand_in, Unseen):
        return stand_in
    return ForbiddenHostFacts(
        stand_in.control,
        {
            spelling: read.connection(answers, f"forbidden {name} {spelling}")
            for spelling in spellings(stand_in.address)
        },
    )
