"""builder-contracts select: pick the smallest class that fits a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.errors import ExitCode, printable
from builder_contracts.run.options import SELECT, settings_of

if TYPE_CHECKING:
    from builder_contracts.truth.builder_selection import CandidateFit


@click.command()
@click.option(
    "--needs",
    required=True,
    metavar="LIST",
    help="What the job needs, such as nix>=2.18,docker-build,cpu=4,memory=12Gi.",
)
@table_options(SELECT)
def select(needs: str, contracts: tuple[str, ...], settings: tuple[str, ...], form: str) -> None:
    """Pick the smallest class that fits a job, and say why the others do not.

    LIST has needs with commas between them; a class must promise all of them:

    \b
      nix  nix>=2.18       a tool, of any or of this version
      docker-build         a Docker daemon for the job
      cpu=4  memory=12Gi   at least this limit
      network/egress  identity/user=ci
                           a clause by its ID, with any or with this value

    Reads the contracts, and scale sets in platform/ next to them; starts nothing. Prints the label for runs-on, then
    what each other class lacks. Exits with 1 if no class fits.

    \b
    Examples:
      builder-contracts select --needs nix,memory=4Gi
      builder-contracts select --needs docker-build,cpu=4
    """
    from builder_contracts.truth import platform

    answers, assumed = choose_builder(needs, map(Path, contracts or ("contracts",)), settings)
    fitting = [answer for answer in answers if answer.fits]
    if form == "json":
        click.echo(json.dumps(to_data(needs, answers, assumed), indent=2))
    else:
        if fitting:
            best = fitting[0].candidate
            click.echo(f"runs-on: {best.label}")
            click.echo(printable(f"  {best.contract.summary}"))
            if reason := assumed.get(f"extra_scale_sets/{best.label}"):
                click.echo(f"  {platform.ASSUMED}: {reason}")
        else:
            click.echo("no class promises everything needed")
        for answer in answers:
            if answer.fits and answer is not fitting[0]:
                click.echo(f"{answer.candidate.label}: also fits, but is larger")
            for lack in answer.lacks:
                click.echo(f"{answer.candidate.label}: {lack}")
    raise click.exceptions.Exit(ExitCode.KEPT if fitting else ExitCode.BROKEN)


def choose_builder(
    needs: str, paths: Iterable[Path], settings: Iterable[str]
) -> tuple[Sequence[CandidateFit], Mapping[str, str]]:
    """How each class answers to the needs, the smallest that fits first, and the facts that are only assumed. Raises InputError."""
    from builder_contracts.contract.loading import load_all
    from builder_contracts.run.inputs import contract_files
    from builder_contracts.truth import platform
    from builder_contracts.truth.builder_selection import candidates, choose, parse

    first, *_ = searched = list(paths)
    classes = load_all(contract_files(searched), settings_of(SELECT, settings))
    folder = first / "platform"
    declared = platform.load(folder) if folder.is_dir() else None
    extra = declared.area("enrolment") if declared else None
    assumed = {assumption.fact: assumption.reason for assumption in declared.assumptions} if declared else {}
    return choose(parse(needs, classes), candidates(classes, extra)), assumed


def to_data(needs: str, answers: Sequence[CandidateFit], assumed: Mapping[str, str]) -> dict[str, Any]:
    """The answers as plain data."""
    return {
        "needs": needs,
        "label": next((answer.candidate.label for answer in answers if answer.fits), None),
        "candidates": [
            {"label": answer.candidate.label, "class": answer.candidate.contract.name, "fits": answer.fits,
             "assumed": assumed.get(f"extra_scale_sets/{answer.candidate.label}"), "lacks": list(answer.lacks)}
            for answer in answers
        ],
    }  # fmt: skip
