"""A contract from the test file of another tool. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder_contracts.contract.document import Document, parse
from builder_contracts.contract.files import decode
from builder_contracts.draft.first_contract import contract_text, header_of
from builder_contracts.draft.judged import accepted
from builder_contracts.draft.peers import goss, structure_test
from builder_contracts.draft.peers.conversion import Converted, LeftOut, merged
from builder_contracts.draft.text import ContractLine
from builder_contracts.errors import InputError, Location, Problem, printable

# Text of Go's templates, and of no YAML that a test needs.
_TEMPLATE = re.compile(r"\{\{")

_DOCKERFILE = re.compile(r"(^|/)(Dockerfile|Containerfile)([._-][^/]*)?$|\.[Dd]ockerfile$")

_COMMENT = """Converted from {file} by 'builder-contracts init --from'. Nothing was looked at: run 'builder-contracts check'.
Promises: {promises}. What became none: {left}, at the end, each with its reason."""


@dataclass(frozen=True)
class ConvertedContract:
    """The text of a contract, its promises, and what became none."""

    text: str
    promises: int
    left_out: tuple[LeftOut, ...]


def convert(raw: bytes, file: str, *, name: str, image: str) -> ConvertedContract:
    """The contract of a gossfile, a container-structure-test file or a Dockerfile. Raises InputError for others."""
    conversion = merged(_parts(raw, file))
    header = header_of(name, image)
    _, refused = accepted(conversion.proposals, header)
    usable = [item for number, item in enumerate(conversion.proposals, 1) if number not in refused]
    left_out = [
        *conversion.left_out,
        *(
            LeftOut(conversion.proposals[number - 1].why, reason)
            for number, reason in refused.items()
            if number
        ),
    ]
    if not usable:
        reasons = "; ".join(sorted({item.reason for item in left_out})[:3]) or "it states none"
        message = f"nothing became a promise: {reasons}"
        raise InputError(
            [Problem(Location(file), message, "write the contract by hand, or start with init --image")]
        )
    comment = _COMMENT.format(file=printable(file), promises=len(usable), left=len(left_out))
    order = list(dict.fromkeys(item.pointer[0] for item in usable))
    lines = [ContractLine(item) for item in sorted(usable, key=lambda item: order.index(item.pointer[0]))]
    text = contract_text(header, comment, lines) + ("\n" if left_out else "")
    text += "".join(
        f"# not converted: {printable(item.test)}: {printable(item.reason)}\n" for item in left_out
    )
    return ConvertedContract(text, len(usable), tuple(left_out))


def _parts(raw: bytes, file: str) -> Iterator[Converted]:
    if _DOCKERFILE.search(file):
        from builder_contracts.draft.peers import dockerfile

        return dockerfile.convert(decode(raw, file), file)
    document = _document(raw, file)
    if "schemaVersion" in document.data:
        return structure_test.convert(document.data)
    if not document.data.keys() & goss.CONVERTERS.keys():
        message = "neither a gossfile nor a container-structure-test file, and not called Dockerfile"
        fix = f"a gossfile has one of the keys {', '.join(goss.CONVERTERS)}; the other one has schemaVersion"
        raise InputError([Problem(document.source(()), message, fix)])
    return goss.convert(document.data)


def _document(raw: bytes, file: str) -> Document:
    try:
        document = parse(raw, file)
    except InputError as error:
        text = raw.decode("utf-8", errors="replace")
        if match := _TEMPLATE.search(text):
            line = text.count("\n", 0, match.start()) + 1
            fix = "render it first: goss --gossfile FILE render > rendered.yaml"
            raise InputError(
                [Problem(Location(file, line), "a template of goss, not YAML yet", fix)]
            ) from error
        raise
    if not isinstance(document.data, dict):
        raise InputError([Problem(document.source(()), "expected a mapping", "pass a file of tests")])
    return document
