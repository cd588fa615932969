"""Convert a contract into the questions that the probe must answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address
from pathlib import Path

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.daemon import DAEMON_SETTINGS, DaemonEndpoint, DaemonListens
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Shell
from builder_contracts.contract.promises.isolation import Device, DockerDaemon
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.contract.promises.ports import OtherPorts, Port
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.observe.inside import promised, system_state
from builder_contracts.tools.work import ToolWork

SEPARATOR = "\x1f"
"""Between the words of a question; the schema keeps it out of every word."""

# The bytes of one exec argument list that Linux accepts are at least 128 KiB with the environment.
MAX_QUESTION_BYTES = 90_000


def probe() -> str:
    """The text of the probe program."""
    return (Path(__file__).parent / "probe.sh").read_text("utf-8")


def spellings(address: str) -> dict[str, str]:
    """The ways to write an address that resolvers accept, by name.

    Filters that compare text let some of them through. Source: inet_aton(3) for the numeric forms,
    RFC 4291 section 2.5.5.2 for the IPv6-mapped one, section 2.2 for the abbreviation of zeros in an IPv6 address.
    """
    if ":" in address:
        ipv6 = IPv6Address(address)
        return {"compressed": ipv6.compressed, "exploded": ipv6.exploded}
    parts = [int(part) for part in address.split(".")]
    number = (parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]
    return {
        "dotted": address,
        "decimal": str(number),
        "octal": ".".join(f"0{part:o}" for part in parts),
        "hexadecimal": f"0x{number:08x}",
        "ipv6-mapped": f"::ffff:{address}",
    }


def questions(contract: Contract, forbidden: dict[str, tuple[str, int]]) -> list[str]:
    """All questions of a contract, each once.

    ``forbidden`` maps the names of hosts that may be tried to their address and port; a name that is
    missing is not tried at all.
    """
    return list(dict.fromkeys(SEPARATOR.join(words) for words in _words(contract, forbidden)))


def _words(contract: Contract, forbidden: dict[str, tuple[str, int]]) -> Iterator[tuple[str, ...]]:
    # Slow questions first: they run side by side.
    if contract.promised(DockerDaemon) or contract.promised(DaemonEndpoint):
        yield ("daemon",)
    if any(contract.promised(kind) for kind in DAEMON_SETTINGS):
        yield ("daemon_settings",)
    if settings := contract.promised(NixSetting):
        yield ("nix", *(setting.name for setting in settings))
    yield from promised.questions(contract)
    for clause in contract.clauses:
        match clause.promise:
            case Tool() as tool:
                yield ("tool", tool.name, *(tool.version_command if tool.version else ()))
                if tool.work is not None:
                    yield ("work", tool.name, *work_words(tool.work))
                for label, arguments in tool.features:
                    yield ("feature", tool.name, label, *arguments)
            case Shell() as shell:
                yield ("shell", shell.path)
            case PathState() as state:
                for path in state.looked_at:
                    yield ("path", path)
            case Device() as device:
                yield ("path", device.path)
            case Resolves() as name:
                yield ("resolve", name.host)
            case Reaches() as service:
                yield ("connect", f"{service.host}:{service.port}", service.host, str(service.port))
            case Responds() as request:
                yield ("request", request.url)
            case DaemonListens() | Port() | OtherPorts():
                yield ("listening",)
            case Denied() as denied if denied.host in forbidden:
                address, port = forbidden[denied.host]
                for spelling, text in spellings(address).items():
                    yield ("connect", f"forbidden {denied.host} {spelling}", text, str(port))
            case _:
                pass
    # Last, because a job's ENTRYPOINT may still be starting processes.
    yield from system_state.questions(contract)


def work_words(work: ToolWork) -> Iterator[str]:
    """The words of a piece of work: its time limit, then what to set, to write and to run, each with its length."""
    yield str(work.seconds)
    for name, value in work.environment:
        yield from ("set", name, value)
    for name, text in work.files:
        yield from ("file", name, text)
    for step in work.steps:
        yield from ("step", step.program, step.stdin, step.into, str(len(step.arguments)), *step.arguments)


def batches(asked: Sequence[str]) -> list[list[str]]:
    """The questions in as few groups as the argument list allows: one for any contract of usual size."""
    groups: list[list[str]] = [[]]
    size = 0
    for question in asked:
        size += len(question.encode()) + 9
        if size > MAX_QUESTION_BYTES:
            groups.append([])
            size = len(question.encode()) + 9
        groups[-1].append(question)
    return groups
