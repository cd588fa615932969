"""builder-contracts explain: what a clause promises, how it is judged, why it matters, how to mend it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.paths import contract_files
from builder_contracts.contract import schemas
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import READERS
from builder_contracts.errors import InputError, Location, Problem, printable
from builder_contracts.facts.model import NOT_ASKED, Facts, RunnerFacts
from builder_contracts.judge import judge
from builder_contracts.judge.explanations import explanation


def _suggest(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Ids and kinds for the shell's completion; nothing where the contracts cannot be read."""
    try:
        contracts = _load(context.params.get("path"))
    except InputError:
        contracts = []
    return [word for word in _ids(contracts) if word.startswith(typed)]


def _ids(contracts: Iterable[Contract]) -> list[str]:
    """Everything that can be explained: kinds, and clauses with and without their class."""
    clauses = [clause for contract in contracts for clause in contract.clauses]
    found = [*READERS, *(clause.id for clause in clauses), *(clause.local_id for clause in clauses)]
    return list(dict.fromkeys(found))


@click.command()
@click.argument("clause_id", metavar="CLAUSE-ID", shell_complete=_suggest)
@click.option(
    "--contract",
    "path",
    type=click.Path(path_type=Path),
    help="Contract file or folder (default: ./contracts).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def explain(clause_id: str, path: Path | None, as_json: bool) -> None:
    """Explain a clause: its promise, how it is judged, why it matters, how to mend it.

    CLAUSE-ID is the id that reports show (tinyland-nix/toolchain/xz), the part after the class where one
    class alone has it (daemon/ready), or a clause kind (toolchain).

    \b
    Examples:
      builder-contracts explain tinyland-nix/toolchain/xz
      builder-contracts explain daemon/ready
      builder-contracts explain isolation
    """
    if clause_id in READERS:
        # A kind is explained by the schema; contracts only add their own clauses of it.
        contracts = _load(path) if path or Path("contracts").is_dir() else []
        answer = _about_kind(clause_id, contracts)
    else:
        contracts = _load(path)
        answer = _about_clause(*_find(clause_id, contracts))
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        _print(answer)


def _load(path: Path | None) -> list[Contract]:
    return load_all(contract_files((path,) if path else ()))


def _find(wanted: str, contracts: Sequence[Contract]) -> tuple[Clause, Contract]:
    """The one clause that is meant. Raises InputError with the nearest id, or all that it could be."""
    pairs = [(clause, contract) for contract in contracts for clause in contract.clauses]
    found = [pair for pair in pairs if wanted in (pair[0].id, pair[0].local_id)]
    if len(found) == 1:
        return found[0]
    if found:
        what = f"{len(found)} classes have a clause {wanted}"
        mend = f"name one of {', '.join(clause.id for clause, _ in found)}"
    else:
        what = f"no clause and no kind has the id {wanted[:200]!r}"
        guess = schemas.nearest(wanted, _ids(contracts))
        mend = f"did you mean {guess}?" if guess else "'builder-contracts validate --list' prints the ids"
    raise InputError([Problem(Location("command line", 1), what, mend)])


Answer = dict[str, str | list[str]]
"""What is printed: a heading under ``""``, then fields in their order."""


def _about_clause(clause: Clause, contract: Contract) -> Answer:
    about = explanation(clause.promise)
    # A judge that has nothing to judge still says which fact it would look at.
    nothing = Facts(RunnerFacts("docker", "", "", 0, 0), NOT_ASKED, NOT_ASKED)
    look = judge(clause, nothing, contract, today=date.min).look
    answer: Answer = {
        "clause": clause.id,
        "promised": clause.promise.text,
        "declared": str(clause.source),
        "judged": about.how,
        "unproven": about.unproven,
        "matters": clause.why or about.why,
        "breaks": about.breaks,
        "mend": about.mend,
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


def _about_kind(kind: str, contracts: Iterable[Contract]) -> Answer:
    section = schemas.resolve(schemas.load("builder-class")["properties"][kind])
    answer: Answer = {
        "kind": kind,
        "promised": f"{section['title']}. {section['description']}",
        "fields": [f"{name}: {field['description']}" for name, field in _fields(section)],
        "clauses": [
            f"{clause.id}: {clause.promise.text}"
            for contract in contracts
            for clause in contract.clauses
            if clause.kind == kind
        ],
        "more": "docs/clauses.md says how each is judged, docs/contract-reference.md how it is written",
    }
    return {name: value for name, value in answer.items() if value}


def _fields(section: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of a section; where its keys are names of the user's own, those that stand under each."""
    if "properties" in section:
        for name, field in section["properties"].items():
            yield name, schemas.resolve(field)
        return
    inner = schemas.resolve(section.get("additionalProperties", {}))
    for form in (inner, *map(schemas.resolve, inner.get("anyOf", []))):
        for name, field in form.get("properties", {}).items():
            yield name, schemas.resolve(field)


def _print(answer: Answer) -> None:
    width = min(100, shutil.get_terminal_size().columns)
    heading, *rest = answer.items()
    click.secho(str(heading[1]), bold=True)
    for name, value in rest:
        label = f"  {name.ljust(10)}"
        if name in ("look", "check"):
            # A command is for copying: it stays on one line.
            click.echo(printable(f"{label}{value}"))
            continue
        for line in [value] if isinstance(value, str) else value:
            # Options such as --allow-writes stay whole.
            for part in textwrap.wrap(
                line, width, initial_indent=label, subsequent_indent=" " * 12, break_on_hyphens=False
            ):
                click.echo(printable(part))
            label = " " * 12
