"""The text of a first contract: kept promises, and what is not kept as comments. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from builder_contracts.draft.judged import JudgedProposal
from builder_contracts.errors import printable
from builder_contracts.verdict import Outcome

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
}


def header_text(header: dict[str, Any], comment: str) -> str:
    """The head of the file: what it is, who it is for."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += [f"{key}: {_flow(value)}" for key, value in header.items() if key != "image"]
    return "\n".join(lines) + "\n"


def sections_text(judged: Sequence[JudgedProposal], image: str) -> str:
    """The sections of the contract in the order of the proposals."""
    sections: dict[str, list[JudgedProposal]] = {"image": []}
    for item in judged:
        sections.setdefault(item.proposal.pointer[0], []).append(item)
    return "".join(
        f"\n{text}" for section, items in sections.items() if (text := _section(section, items, image))
    )


def _section(section: str, items: Sequence[JudgedProposal], image: str) -> str:
    lines = [f"# {_SECTIONS[section]}"]
    reference = [f"  reference: {_flow(image)}"] if section == "image" else []
    lines.append(_mark(f"{section}:", bool(reference) or _any_kept(items)))
    lines += reference
    groups: dict[tuple[str, ...], list[JudgedProposal]] = {}
    for item in items:
        groups.setdefault(item.proposal.pointer[1:-1], []).append(item)
    for group, members in groups.items():
        for depth, name in enumerate(group):
            lines.append(_mark(f"{'  ' * (depth + 1)}{_flow(name)}:", _any_kept(members)))
        indent = "  " * (len(group) + 1)
        for member in members:
            lines += _lines(member, indent)
    return "\n".join(lines) + "\n"


def _any_kept(items: Sequence[JudgedProposal]) -> bool:
    return any(item.outcome is Outcome.KEPT for item in items)


def _mark(text: str, active: bool) -> str:
    return text if active else f"# {text}"


def _lines(item: JudgedProposal, indent: str) -> Iterator[str]:
    proposal = item.proposal
    promise = f"{indent}{_flow(proposal.pointer[-1])}: {_flow(proposal.value)}"
    why = printable(proposal.why)
    match item.outcome:
        case Outcome.KEPT:
            yield f"{promise}  # {why}"
        case Outcome.UNPROVEN:
            yield f"# {promise}  # {why}"
            yield f"# {indent}  # UNPROVEN here: {printable(item.observation)}"
        case _:
            yield f"# {promise}  # {why}"
            yield f"# {indent}  # BROKEN as it is: {printable(item.observation)}"


# What ends a line for YAML 1.1 and stands in JSON as it is.
_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x7f\x85\u2028\u2029"})


def _flow(value: Any) -> str:
    """A value on one line; as JSON, which is YAML, where YAML would take several."""
    text = yaml.safe_dump(value, default_flow_style=True, width=100_000, allow_unicode=True, sort_keys=False)
    text = text.removesuffix("\n").removesuffix("\n...")
    return json.dumps(value, ensure_ascii=False).translate(_BREAKS) if "\n" in text else text
