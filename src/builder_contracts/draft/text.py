"""The text of a first contract: kept promises, and what is not kept as comments. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from builder_contracts.draft.proposals import Proposal
from builder_contracts.errors import printable

_SECTIONS = {
    "image": "The image itself.",
    "identity": "Who a job runs as.",
    "toolchain": "Programs on a job's PATH, with the version that was there, up to the next major one.",
    "environment": "Variables that a job finds.",
    "filesystem": "Paths that jobs rely on.",
    "isolation": "What a job may do to its host. A run in an engine sets most of it itself; a real runner shows it.",
    "process": "What a job's processes inherit.",
    "search_path": "Directories on PATH: who writes there replaces tools.",
    "privileges": "Programs with more rights than a job.",
    "packages": "Packages of the image's manager.",
    "accounts": "Users and groups of the image.",
    "secrets": "Places that everybody who pulls the image can read.",
    "trust": "Certificate authorities.",
    "localization": "Language and time.",
    "ports": "Ports on which something listens as a job starts.",
    "nix": "Nix's settings in effect.",
    "commands": "Programs that a job can run, and how they end.",
    "processes": "Programs that run next to a job, or must not.",
    "network": "What a job reaches.",
}


@dataclass(frozen=True)
class ContractLine:
    """A promise of the file; with ``objection``, the reason why it is only a comment there."""

    proposal: Proposal
    objection: str = ""


def header_text(header: Mapping[str, Any], comment: str) -> str:
    """The head of the file: what it is, who it is for."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += [f"{key}: {_flow(value)}" for key, value in header.items() if key != "image"]
    return "\n".join(lines) + "\n"


def sections_text(lines: Sequence[ContractLine], image: str) -> str:
    """The sections of the contract in the order of the proposals."""
    sections: dict[str, list[ContractLine]] = {"image": []}
    for line in lines:
        sections.setdefault(line.proposal.pointer[0], []).append(line)
    return "".join(
        f"\n{text}" for section, items in sections.items() if (text := _section(section, items, image))
    )


def _section(section: str, items: Sequence[ContractLine], image: str) -> str:
    lines = [f"# {_SECTIONS[section]}"]
    reference = [f"  reference: {_flow(image)}"] if section == "image" else []
    lines.append(_mark(f"{section}:", bool(reference) or _any_kept(items)))
    lines += reference
    groups: dict[tuple[str, ...], list[ContractLine]] = {}
    for item in items:
        groups.setdefault(item.proposal.pointer[1:-1], []).append(item)
    for group, members in groups.items():
        for depth, name in enumerate(group):
            lines.append(_mark(f"{'  ' * (depth + 1)}{_flow(name)}:", _any_kept(members)))
        indent = "  " * (len(group) + 1)
        for member in members:
            lines += _lines(member, indent)
    return "\n".join(lines) + "\n"


def _any_kept(items: Sequence[ContractLine]) -> bool:
    return any(not item.objection for item in items)


def _mark(text: str, active: bool) -> str:
    return text if active else f"# {text}"


def _lines(item: ContractLine, indent: str) -> Iterator[str]:
    proposal = item.proposal
    promise = f"{indent}{_flow(proposal.pointer[-1])}: {_flow(proposal.value)}"
    why = printable(proposal.why)
    if not item.objection:
        yield f"{promise}  # {why}"
    else:
        yield f"# {promise}  # {why}"
        yield f"# {indent}  # {printable(item.objection)}"


# What ends a line for YAML 1.1 and stands in JSON as it is.
_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x7f\x85\u2028\u2029"})


def _flow(value: Any) -> str:
    """A value on one line; as JSON, which is YAML, where YAML would take several."""
    text = yaml.safe_dump(value, default_flow_style=True, width=100_000, allow_unicode=True, sort_keys=False)
    text = text.removesuffix("\n").removesuffix("\n...")
    return json.dumps(value, ensure_ascii=False).translate(_BREAKS) if "\n" in text else text
