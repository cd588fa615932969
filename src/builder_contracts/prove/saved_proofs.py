"""The records of a class's proofs in a file, without secrets: what ``check --save`` writes and ``check --facts`` judges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.contract.files import read_text
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import NoSecrets
from builder_contracts.errors import InputError
from builder_contracts.facts.typed_json import from_plain, load_data
from builder_contracts.prove.canary.definition import named
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.verdicts import ProofContext
from builder_contracts.redaction import redact_data
from builder_contracts.verdict import as_json

SCHEMA = "builder-contracts/proofs/v1"
MAX_BYTES = 64_000_000
"""Many times the records of the three classes, whose largest part are the access logs."""


@dataclass(frozen=True)
class SavedProofs:
    """The records and their origin. ``asked`` has a digest of every promise that they were made for."""

    records: ProofRecords
    where: ProofContext
    asked: tuple[str, ...]
    schema: str = SCHEMA


def digests(clauses: Iterable[Clause], contract: Contract) -> tuple[str, ...]:
    """A digest of what each of these clauses asks for. Another contract, or another canary, asks for something else."""
    words = ("\0".join(_words(clause.promise, contract)) for clause in clauses)
    return tuple(
        sorted({hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16] for text in words})
    )


def _words(promise: object, contract: Contract) -> Iterator[str]:
    yield repr(promise)
    if isinstance(promise, CanaryProof):
        try:
            yield named(promise.canary, contract).digest
        except (InputError, OSError) as error:
            yield f"cannot be read: {error}"
    if isinstance(promise, NoSecrets):
        # The search is through everything that the others publish.
        promises = (clause.promise for clause in contract.clauses)
        yield from (repr(other) for other in promises if isinstance(other, ProofPromise))


def to_json(proofs: SavedProofs) -> str:
    """The proofs as indented JSON, in ASCII: a terminal acts on nothing of it."""
    return json.dumps(redact_data(as_json(proofs)), indent=2, sort_keys=True)


def load_proofs(path: Path) -> SavedProofs:
    """The proofs in a file that ``to_json`` wrote. Raises InputError."""
    fix = "save proofs with 'builder-contracts check --save'"
    data = load_data(read_text(path, MAX_BYTES), str(path), fix)
    proofs: SavedProofs = from_plain(data, SavedProofs, str(path), "proofs", fix)
    return proofs
