"""builder-contracts truth: judge a checkout against the platform's contracts, without running it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder_contracts.contract.files import write
from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem

if TYPE_CHECKING:
    from builder_contracts.truth.platform import Platform
    from builder_contracts.truth.verdicts import TruthReport


@click.command()
@click.option("--repo", type=click.Path(path_type=Path), default=Path(), show_default="here", metavar="PATH",
              help="Root of the checkout to judge.")  # fmt: skip
@click.option("--contracts", type=click.Path(path_type=Path), default=Path("contracts"), show_default=True, metavar="DIR",
              help="Class contracts, and those of the platform in DIR/platform.")  # fmt: skip
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "markdown"]),
    default="text",
    show_default=True,
    help="markdown is for --exit-criteria.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to FILE."
)
@click.option(
    "--exit-criteria", is_flag=True, help="One page: which exit criteria are met, and what is missing."
)
@click.option("--planning", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
              help="Export of a tracker: GitHub's REST JSON or Linear's (repeatable).")  # fmt: skip
@click.option(
    "--planning-live",
    metavar="OWNER/NAME",
    help="Ask GitHub for the planning (GITHUB_TOKEN), and Linear where LINEAR_API_KEY is set.",
)
@click.option("--grounding", type=click.Path(path_type=Path), metavar="FILE",
              help="Check that this document has the paragraphs that clauses rest on.")  # fmt: skip
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Findings that are known.")
@click.option("--write-baseline", is_flag=True,
              help="Write --baseline: all findings when it is new, otherwise only drop what is gone.")  # fmt: skip
@click.option(
    "--strict", is_flag=True, help="Count every unproven clause, also what a checkout can never show."
)
@click.option("-v", "--verbose", is_flag=True, help="Also what is kept, and what a checkout cannot show.")
def truth(
    repo: Path,
    contracts: Path,
    form: str,
    output: Path | None,
    exit_criteria: bool,
    planning: tuple[Path, ...],
    planning_live: str | None,
    grounding: Path | None,
    baseline: Path | None,
    write_baseline: bool,
    strict: bool,
    verbose: bool,
) -> None:
    """Compare what a repository says, defaults to and deploys with what its platform promises.

    Reads OpenTofu, Kubernetes, Helm values, workflows, Dockerfiles and documentation; runs nothing and needs
    no network. Every finding names both lines that cannot both be right.

    \b
    Examples:
      builder-contracts truth --repo ../platform
      builder-contracts truth --repo . --format sarif -o truth.sarif
      builder-contracts truth --exit-criteria --format markdown --planning issues.json --planning milestones.json
      builder-contracts truth --baseline truth-baseline.json --write-baseline
    """
    from builder_contracts.truth import baseline as baselines
    from builder_contracts.truth.session import exit_code, load, with_baseline
    from builder_contracts.truth.verdicts import judge

    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs --baseline FILE")
    if planning and planning_live:
        raise click.UsageError("give the planning once: --planning or --planning-live")
    if exit_criteria and form in ("sarif", "junit"):
        raise click.UsageError("--exit-criteria is a page: --format text, markdown or json")
    if form == "markdown" and not exit_criteria:
        raise click.UsageError("--format markdown is for --exit-criteria")
    platform, classes = load(contracts)
    if grounding is not None:
        _check_grounding(platform, grounding)
    tracker = None
    if planning or planning_live:
        # An HTTP client costs a tenth of what judging a repository takes.
        from builder_contracts.truth import tracker as trackers

        tracker = trackers.fetch(planning_live) if planning_live else trackers.read(planning)
    judgement = judge(repo, platform, classes, tracker=tracker)
    if baseline is not None and (baseline.exists() or not write_baseline):
        judgement, compared = with_baseline(judgement, baselines.read(baseline))
        if write_baseline:
            baselines.write(baseline, compared.known)
        if compared.gone:
            hint = "dropped from the baseline" if write_baseline else "drop them with --write-baseline"
            click.echo(f"{compared.gone} known findings are gone: {hint}", err=True)
    elif baseline is not None:
        baselines.write(baseline, judgement.findings)
        click.echo(f"{len(judgement.findings)} findings are now known", err=True)
        judgement, _ = with_baseline(judgement, baselines.read(baseline))
    if exit_criteria:
        from builder_contracts.truth.exit_criteria import compute
        from builder_contracts.truth.report import page

        answers = compute(platform, {verdict.clause: verdict for verdict in judgement.platform})
        code = "`" if form == "markdown" else ""
        told = page.page(platform, answers, judgement, of=_name(repo), code=code)
        if form == "json":
            _emit(page.to_json(told) + "\n", output)
        else:
            lines = page.markdown(told) if form == "markdown" else page.text(told)
            _emit("\n".join(lines) + "\n", output)
    else:
        _emit(render_judgement(judgement, form, verbose=verbose, colour=output is None), output)
    raise click.exceptions.Exit(exit_code(judgement, strict=strict))


def _name(repo: Path) -> str:
    """What was judged, as somebody elsewhere knows it: the folder's name and the commit."""
    from builder_contracts.truth.git_index import commit

    at = commit(repo)
    return repo.resolve().name + (f" at commit {at[:12]}" if at else "")


def render_judgement(judgement: TruthReport, form: str, *, verbose: bool, colour: bool) -> str:
    """The report in one of the formats; ``colour`` allows it where the output is a terminal."""
    from builder_contracts.truth.report import machine, text

    if form == "text":
        return (
            "\n".join(text.render(judgement, verbose=verbose, paint=painter() if colour else _plain)) + "\n"
        )
    formats: dict[str, Callable[[TruthReport], str]] = {
        "json": machine.to_json,
        "sarif": machine.to_sarif,
        "junit": machine.to_junit,
    }
    return formats[form](judgement).rstrip("\n") + "\n"


def _plain(text: str, _: str) -> str:
    return text


def painter() -> Callable[[str, str], str]:
    """Colour on a terminal, unless NO_COLOR is set; plain text elsewhere."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return _plain
    return lambda text, colour: click.style(text, fg=colour)


def _emit(body: str, output: Path | None) -> None:
    if output is None:
        click.echo(body, nl=False)
        return
    try:
        write(output, body.encode())
    except OSError as error:
        raise BuilderContractsError(f"{output} cannot be written: {error.strerror}") from None


def _check_grounding(platform: Platform, path: Path) -> None:
    from builder_contracts.truth.platform import ungrounded

    try:
        body = path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(
            [Problem(Location(str(path), 1), f"cannot be read: {error.strerror}", "check the path")]
        ) from None
    missing = ungrounded(platform, body)
    if missing:
        raise InputError(
            [
                Problem(
                    source,
                    f"{path} does not have once, under {ground.section!r}: {ground.paragraph}",
                    "quote the paragraph that it rests on now, in grounding.yaml too",
                )
                for source, ground in missing
            ]
        )
