"""builder-contracts teeth: change every promise until it is false, and see its clause go red."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.facts import finish, require_image
from builder_contracts.cli.options import builders, table_options
from builder_contracts.contract.files import current_directory
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.facts.model import Facts
from builder_contracts.run.inputs import contract_files, unknown
from builder_contracts.run.options import TEETH, parse
from builder_contracts.run.saved_facts import load as saved_facts_of
from builder_contracts.run.single_observation import observe
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.teeth import report
from builder_contracts.teeth.trial import ClauseTrials, Reaction, try_clause


@click.command()
@click.argument("classes", nargs=-1, metavar="[CLASS]...", shell_complete=builders)
@table_options(TEETH)
def teeth(classes: tuple[str, ...], saved_facts: str | None, form: str, **values: Any) -> None:
    """Change every promise until it is false, and see whether its clause goes red.

    A clause that stays kept although its promise is false checks nothing. The changed promises, called mutants, are
    judged on saved facts, without a runner; without --facts, each class is observed once. Exits with 1 if a mutant
    stayed kept without a reason, and with 5 if no mutant could be judged.

    \b
    Examples:
      builder-contracts facts --builder tinyland-nix -o facts/tinyland-nix.json
      builder-contracts teeth tinyland-nix --facts facts
      builder-contracts teeth --format json | jq '.classes[].totals'
    """
    options = parse(TEETH, values, cwd=current_directory())
    contracts = load_all(contract_files(options.paths), options.settings)
    if problems := list(unknown("teeth", classes, contracts)):
        raise InputError(problems)
    chosen = [contract for contract in contracts if not classes or contract.name in classes]
    left = Leftovers()
    if saved_facts is None:
        observed = []
        for contract in chosen:
            facts, remaining = observe(options, contract, None)
            require_image(facts)
            observed.append((contract, facts))
            left += remaining
    else:
        saved = saved_facts_of(Path(saved_facts), chosen)
        observed = [(contract, saved[contract.name]) for contract in chosen if contract.name in saved]
    tried = [(contract, facts, _try_all(contract, facts)) for contract, facts in observed]
    if form == "json":
        shown = [report.data(contract.name, facts.taken, clauses) for contract, facts, clauses in tried]
        click.echo(json.dumps({"classes": shown}, indent=2))
    else:
        for contract, facts, clauses in tried:
            for line in report.lines(contract.name, facts.taken, clauses):
                click.echo(line)
    finish(_exit_code([clause for *_, clauses in tried for clause in clauses]), left)


def _try_all(contract: Contract, facts: Facts) -> list[ClauseTrials]:
    return [try_clause(clause, facts) for clause in contract.clauses]


def _exit_code(clauses: Iterable[ClauseTrials]) -> ExitCode:
    clauses = list(clauses)
    if any(tried.stayed_kept for tried in clauses):
        return ExitCode.BROKEN
    if any(tried.count(Reaction.RED) for tried in clauses):
        return ExitCode.KEPT
    return ExitCode.NOTHING_SELECTED
