"""Facts that are changed until a promise is false of them, where no other promise would be its contrary. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from builder_contracts.contract.promises import PathState, Promise, SearchPathRule, Tool
from builder_contracts.contract.promises import secrets as secret
from builder_contracts.contract.promises.daemon import DaemonListens, DaemonOwn
from builder_contracts.contract.promises.identity import Home, NotRoot, Shell
from builder_contracts.contract.promises.image import ImageHealthcheck, ImageReference
from builder_contracts.contract.promises.job import JobStart, StepShell
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves
from builder_contracts.contract.promises.pod import HostNamespaces, HostPaths
from builder_contracts.contract.promises.ports import OtherPorts
from builder_contracts.contract.promises.privileges import FileCapabilities, SetIdFiles
from builder_contracts.contract.promises.process import WorkingDirectory
from builder_contracts.contract.promises.trust import TlsTool
from builder_contracts.facts.model import (
    NOT_ASKED,
    ConnectionFacts,
    DirectoryFacts,
    Facts,
    FeatureFacts,
    PodFacts,
    ShellFacts,
    StartFacts,
    Unseen,
)
from builder_contracts.teeth.mutant import OTHER

_FILE = f"/{OTHER}"
_TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
_OPEN = {"0.0.0.0"}  # noqa: S104 # what a forged runner listens on
_FAILS = FeatureFacts(1, "failed")


def contrary_facts(promise: Promise, facts: Facts) -> Iterator[tuple[str, Facts]]:
    """Each change in words, and the facts with it; nothing where the facts do not show what is promised.

    There is one witness less: the other one would contradict the change.
    """
    for change, fields in _changes(promise, facts):
        yield change, dataclasses.replace(facts, **{"outside": NOT_ASKED, **fields})


def _changes(promise: Promise, facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Only what was seen can be changed: a list that is not there gets no entry."""
    match promise:
        case ImageReference() | JobStart() if isinstance(facts.start, StartFacts):
            lost = dataclasses.replace(facts.start, started=False, hopeless=True, output="it failed")
            yield "no job starts", {"start": lost}
        case ImageHealthcheck(declared=True) if not isinstance(facts.healthcheck, Unseen):
            yield "the health check fails", {"healthcheck": _FAILS}
        case StepShell():
            step = facts.steps.get(promise.shell, NOT_ASKED)
            if not isinstance(step, Unseen):
                env = {**step.env, "PATH": _FILE}
                changed = dataclasses.replace(step, env=env)
                yield "steps have another PATH", {"steps": {**facts.steps, promise.shell: changed}}
        case Shell() if promise.path in facts.shells:
            yield (
                "the shell fails",
                {"shells": {**facts.shells, promise.path: ShellFacts(False, "it failed")}},
            )
        case NotRoot() if not isinstance(facts.identity, Unseen):
            yield "uid 0", {"identity": dataclasses.replace(facts.identity, uid=0)}
        case Home() if not isinstance(facts.identity, Unseen):
            yield "not writable", {"identity": dataclasses.replace(facts.identity, home_writable=False)}
        case WorkingDirectory() if not isinstance(facts.process.directory, Unseen):
            directory = dataclasses.replace(facts.process.directory, writable=False)
            yield "not writable", {"process": dataclasses.replace(facts.process, directory=directory)}
        case Tool():
            yield from _tool(promise, facts)
        case PathState():
            file = facts.files.get(promise.path, NOT_ASKED)
            if promise.has_content and not isinstance(file, Unseen):
                other = dataclasses.replace(file, lines=dict.fromkeys(file.lines))
                yield "another content", {"files": {**facts.files, promise.path: other}}
        case SearchPathRule(rule="relative") if not isinstance(facts.path, Unseen):
            yield "the working directory on PATH", {"path": f"{facts.path}:."}
        case SearchPathRule() if not isinstance(facts.search_path, Unseen):
            everybody = DirectoryFacts(_FILE, exists=True, writable=True, mode=0o777)
            yield "a writable directory on PATH", {"search_path": [*facts.search_path, everybody]}
        case SetIdFiles() if not isinstance(facts.privileges.set_id, Unseen):
            files = {**facts.privileges.set_id, _FILE: 0o4755}
            yield "a file more", {"privileges": dataclasses.replace(facts.privileges, set_id=files)}
        case FileCapabilities() if not isinstance(facts.privileges.file_capabilities, Unseen):
            more = [*facts.privileges.file_capabilities, _FILE]
            yield "a file more", {"privileges": dataclasses.replace(facts.privileges, file_capabilities=more)}
        case secret.SecretFreeFiles() if not isinstance(facts.secret_files, Unseen):
            yield "a secret in a file", {"secret_files": [*facts.secret_files, _FILE]}
        case secret.SecretFree():
            yield from _secret(promise, facts)
        case TlsTool():
            tried = facts.handshakes.get(promise.name, NOT_ASKED)
            if not isinstance(tried, Unseen):
                for change, answers in (
                    ("refuses a known authority", dataclasses.replace(tried, trusted=_FAILS)),
                    ("accepts an unknown authority", dataclasses.replace(tried, unknown=FeatureFacts(0, ""))),
                ):
                    yield change, {"handshakes": {**facts.handshakes, promise.name: answers}}
        case Resolves() if promise.host in facts.network.resolve:
            yield "no address", _network(facts, "resolve", promise.host, [])
        case Reaches() if f"{promise.host}:{promise.port}" in facts.network.connect:
            refused = ConnectionFacts("refused", "it failed")
            yield "refused", _network(facts, "connect", f"{promise.host}:{promise.port}", refused)
        case Denied():
            forbidden = facts.network.forbidden.get(promise.host, NOT_ASKED)
            if not isinstance(forbidden, Unseen):
                for spelling in forbidden.attempts:
                    attempts = {**forbidden.attempts, spelling: ConnectionFacts("connected", "")}
                    reached = dataclasses.replace(forbidden, attempts=attempts)
                    yield f"reached as {spelling}", _network(facts, "forbidden", promise.host, reached)
        case HostPaths() if isinstance(facts.pod, PodFacts):
            more = [*facts.pod.host_paths, _FILE]
            yield "a path more", {"pod": dataclasses.replace(facts.pod, host_paths=more)}
        case HostNamespaces() if isinstance(facts.pod, PodFacts):
            more = [*facts.pod.host_namespaces, OTHER]
            yield "a namespace more", {"pod": dataclasses.replace(facts.pod, host_namespaces=more)}
        case OtherPorts() if not isinstance(facts.ports, Unseen):
            port = next(key for key in map("{}/tcp".format, range(1, 65536)) if key not in promise.named)
            yield f"{port} listens", {"ports": {**facts.ports, port: sorted(_OPEN)}}
        case DaemonListens() if not isinstance(facts.ports, Unseen):
            yield "on every interface", {"ports": {**facts.ports, f"{promise.port}/tcp": sorted(_OPEN)}}
        case DaemonOwn() if not isinstance(facts.daemon, Unseen) and not isinstance(facts.runner, Unseen):
            yield (
                "the host's daemon",
                {"daemon": dataclasses.replace(facts.daemon, id=facts.runner.engine_id)},
            )
        case _:
            pass


def _tool(promise: Tool, facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    tool = facts.tools.get(promise.name, NOT_ASKED)
    if isinstance(tool, Unseen):
        return
    if promise.work is not None and not isinstance(tool.work, Unseen):
        failed = dataclasses.replace(tool, work=dataclasses.replace(tool.work, status=1))
        yield "its work fails", {"tools": {**facts.tools, promise.name: failed}}
    for name, _ in promise.features:
        lame = dataclasses.replace(tool, features={**tool.features, name: _FAILS})
        yield f"{name} fails", {"tools": {**facts.tools, promise.name: lame}}


def _secret(promise: secret.SecretFree, facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    image = facts.image
    if promise.place == "environment":
        if not isinstance(facts.env, Unseen):
            yield "a token in a variable", {"env": {**facts.env, OTHER: _TOKEN}}
    elif isinstance(image, Unseen):
        return
    elif promise.place == "labels":
        labels = {**image.labels, OTHER: _TOKEN}
        yield "a token in a label", {"image": dataclasses.replace(image, labels=labels)}
    elif not isinstance(image.history, Unseen):
        history = [*image.history, f"RUN login {_TOKEN}"]
        yield "a token in a command", {"image": dataclasses.replace(image, history=history)}


def _network(facts: Facts, field: str, key: str, value: Any) -> dict[str, Any]:
    changed: dict[str, Any] = {field: {**getattr(facts.network, field), key: value}}
    return {"network": dataclasses.replace(facts.network, **changed)}
