"""builder-contracts explain: print a clause's promise, its judging, its reason and its fix."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract import schemas
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import READERS
from builder_contracts.errors import InputError, Location, Problem, printable
from builder_contracts.facts.model import NOT_ASKED, Facts, RunnerFacts
from builder_contracts.judge import judge
from builder_contracts.judge.explanations import explanation
from builder_contracts.run.inputs import contract_files
from builder_contracts.run.options import EXPLAIN, settings_of


def _suggest(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Ids and kinds for the shell's completion; nothing if the contracts cannot be read."""
    try:
        contracts = _load(
            map(Path, context.params.get("contracts") or ()), context.params.get("settings") or ()
        )
    except InputError:
        contracts = []
    return [word for word in _ids(contracts) if word.startswith(typed)]


def _ids(contracts: Iterable[Contract]) -> list[str]:
    """Everything that can be explained: kinds, and clauses with and without their class."""
    clauses = [clause for contract in contracts for clause in contract.clauses]
    words = [*READERS, *(clause.id for clause in clauses), *(clause.local_id for clause in clauses)]
    return list(dict.fromkeys(words))


@click.command()
@click.argument("clause_id", metavar="CLAUSE-ID", shell_complete=_suggest)
@table_options(EXPLAIN)
def explain(clause_id: str, contracts: tuple[str, ...], settings: tuple[str, ...], form: str) -> None:
    """Explain a clause: its promise, how it is judged, why it matters and how to fix it.

    CLAUSE-ID is a full ID from a report (tinyland-nix/toolchain/xz), the part after the class if only one
    class has it (daemon/ready), or a clause kind (toolchain).

    \b
    Examples:
      builder-contracts explain tinyland-nix/toolchain/xz
      builder-contracts explain daemon/ready
      builder-contracts explain isolation
    """
    # A kind is explained by the schema; contracts only add their own clauses of it.
    needed = contracts or clause_id not in READERS or Path("contracts").is_dir()
    explained = explain_id(clause_id, _load(map(Path, contracts), settings) if needed else [])
    if form == "json":
        click.echo(json.dumps(explained, indent=2))
    else:
        _print(explained)


def explain_id(clause_id: str, contracts: Sequence[Contract]) -> ExplainedFields:
    """What is to be said of a clause or a clause kind. Raises InputError for any other ID."""
    if clause_id in READERS:
        return _about_kind(clause_id, contracts)
    return _about_clause(*_find(clause_id, contracts))


def _load(paths: Iterable[Path], settings: Iterable[str]) -> list[Contract]:
    return load_all(contract_files(paths), settings_of(EXPLAIN, settings))


def _find(clause_id: str, contracts: Sequence[Contract]) -> tuple[Clause, Contract]:
    """The one clause that is meant. Raises InputError with the nearest id, or all that it could be."""
    pairs = [(clause, contract) for contract in contracts for clause in contract.clauses]
    pairs = [pair for pair in pairs if clause_id in (pair[0].id, pair[0].local_id)]
    if len(pairs) == 1:
        return pairs[0]
    if pairs:
        what = f"{clause_id} is ambiguous: {len(pairs)} classes have this clause"
        mend = f"use one of {', '.join(clause.id for clause, _ in pairs)}"
    else:
        what = f"no clause or clause kind named {clause_id[:200]!r}"
        guess = schemas.nearest(clause_id, _ids(contracts))
        mend = (
            f"did you mean {guess}?" if guess else "run 'builder-contracts validate --list' to list all IDs"
        )
    raise InputError([Problem(Location("command line"), what, mend)])


ExplainedFields = dict[str, str | list[str]]
"""What is printed: a heading under ``""``, then fields in their order."""


def _about_clause(clause: Clause, contract: Contract) -> ExplainedFields:
    about = explanation(clause.promise)
    # A judge that has nothing to judge still says which fact it would look at.
    nothing = Facts(RunnerFacts("docker", "", "", 0, 0), NOT_ASKED, NOT_ASKED)
    look = judge(clause, nothing, contract, today=date.min).inspect
    answer: ExplainedFields = {
        "clause": clause.id,
        "promised": clause.promise.text,
        "declared": str(clause.source),
        "judged": about.how,
        "unproven": about.unproven,
        "matters": clause.why or about.why,
        "breaks": about.breaks,
        "fix": about.fix,
    }
    if clause.waiver:
        over = clause.waiver.until < datetime.now(UTC).date()
        answer["waived"] = (
            f"{'expired on' if over else 'until'} {clause.waiver.until}: "
            f"{clause.waiver.reason} ({clause.waiver.source})"
        )
    answer["check"] = f"pytest '{contract.source.file}::{clause.local_id}'"
    if look:
        answer["look"] = look
    return answer


def _about_kind(kind: str, contracts: Iterable[Contract]) -> ExplainedFields:
    section = schemas.resolve(schemas.load("builder-class")["properties"][kind])
    answer: ExplainedFields = {
        "kind": kind,
        "promised": f"{section['title']}. {section['description']}",
        "fields": [f"{name}: {field['description']}" for name, field in _fields(section)],
        "clauses": [
            f"{clause.id}: {clause.promise.text}"
            for contract in contracts
            for clause in contract.clauses
            if clause.kind == kind
        ],
        "more": "see docs/reference/clauses.md for how clauses are judged, docs/reference/contract.md for the syntax",
    }
    return {name: value for name, value in answer.items() if value}


def _fields(section: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of a section; if its keys are names that the user chooses, the fields under each."""
    if "properties" in section:
        for name, field in section["properties"].items():
            yield name, schemas.resolve(field)
        return
    inner = schemas.resolve(section.get("additionalProperties", {}))
    for form in (inner, *map(schemas.resolve, inner.get("anyOf", []))):
        for name, field in form.get("properties", {}).items():
            yield name, schemas.resolve(field)


LABELS = {
    "judged": "how judged",
    "matters": "why it matters",
    "breaks": "common causes",
    "fix": "fix",
    "look": "inspect",
}
"""What a person reads for a key of the JSON."""


def _print(answer: ExplainedFields) -> None:
    width = min(100, shutil.get_terminal_size().columns)
    heading, *rest = answer.items()
    click.secho(str(heading[1]), bold=True)
    for name, value in rest:
        label = f"  {LABELS.get(name, name).ljust(16)}"
        if name in ("look", "check"):
            # A command is for copying: it stays on one line.
            click.echo(printable(f"{label}{value}"))
            continue
        for line in [value] if isinstance(value, str) else value:
            # Options such as --allow-writes stay whole.
            for part in textwrap.wrap(
                line, width, initial_indent=label, subsequent_indent=" " * 18, break_on_hyphens=False
            ):
                click.echo(printable(part))
            label = " " * 18
