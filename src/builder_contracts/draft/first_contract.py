"""A first contract for a runner, from the facts of one survey. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import parse
from builder_contracts.contract.loading import contract_of
from builder_contracts.draft.hosted_images import HostedImage, like
from builder_contracts.draft.judged import JudgedProposal, judged
from builder_contracts.draft.proposals import Level, proposals
from builder_contracts.draft.text import ContractLine, header_text, sections_text
from builder_contracts.facts.model import Facts
from builder_contracts.redaction import redact
from builder_contracts.tools.catalog import catalog
from builder_contracts.verdict import Outcome

_COMMENT = """What {image} gave a job on {day}, written by 'builder-contracts init'.
Every line that is not a comment was kept then. Remove what no job of yours needs.
BROKEN marks a promise that you may want and that was not kept: fix the runner, then remove the '# '."""


@dataclass(frozen=True)
class FirstContract:
    """The text of a contract, and its proposals with their outcomes."""

    text: str
    judged: tuple[JudgedProposal, ...]

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Proposals by outcome."""
        return Counter(item.outcome for item in self.judged)

    @property
    def broken_tools(self) -> list[str]:
        """The tools whose promise is not kept."""
        proposals = (item.proposal for item in self.judged if item.outcome is Outcome.BROKEN)
        return sorted(item.pointer[-1] for item in proposals if item.pointer[0] == "toolchain")


def first_contract(
    facts: Facts, *, name: str, image: str, level: Level, hosted: HostedImage | None = None
) -> FirstContract:
    """The contract of the class ``name``, whose image is ``image``. Raises InputError for a name that cannot be.

    With ``hosted``, its tools are promised as that image has them.
    """
    header = header_of(name, image)
    chosen = {proposal.pointer: proposal for proposal in proposals(facts) if proposal.level <= level}
    comment = _COMMENT.format(image=image, day=facts.taken[:10])
    if hosted is not None:
        chosen |= {proposal.pointer: proposal for proposal in like(hosted)}
        comment += f"\nTools of {hosted.label} are as published on {hosted.date}: {hosted.source}"
    outcomes = judged(list(chosen.values()), header, facts)
    lines = [ContractLine(item.proposal, _objection(item)) for item in outcomes]
    return FirstContract(contract_text(header, comment, lines), tuple(outcomes))


def _objection(item: JudgedProposal) -> str:
    match item.outcome:
        case Outcome.KEPT:
            return ""
        case Outcome.UNPROVEN:
            return f"UNPROVEN here: {item.observation}"
        case _:
            return f"BROKEN as it is: {item.observation}"


def header_of(name: str, image: str) -> dict[str, Any]:
    """What every contract begins with."""
    return {
        "apiVersion": "builder-contracts/v1",
        "kind": "BuilderClass",
        "metadata": {"name": name, "summary": f"Jobs that run in {image}"[:200], "owner": "me"},
        "labels": [name],
        "image": {"reference": image},
    }


def contract_text(header: Mapping[str, Any], comment: str, lines: Sequence[ContractLine]) -> str:
    """The text of a contract. Raises InputError if it does not read back as one."""
    # A value that holds a secret is no proposal; whatever still tells of one is hidden.
    text = redact(header_text(header, comment) + sections_text(lines, header["image"]["reference"]))
    contract_of(parse(text.encode(), "draft.yaml"), catalog())
    return text


def class_name(image: str) -> str:
    """A name for the class of an image.

    >>> class_name("ghcr.io/me/My_Runner:1.2"), class_name("debian:stable-slim"), class_name("x@sha256:0")
    ('my-runner', 'debian', 'x')
    """
    last = re.split("[:@]", image.rpartition("/")[2])[0]
    return re.sub("[^a-z0-9]+", "-", last.lower()).strip("-")[:60].strip("-") or "my-runner"
