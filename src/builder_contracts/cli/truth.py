"""builder-contracts truth: judge a checkout against the platform's contracts, without executing it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract.files import write
from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem
from builder_contracts.reporting.registry import (
    ReportRequest,
    open_reports,
    report_requests,
    require_attestable,
)
from builder_contracts.reporting.terminal import painter
from builder_contracts.run.options import TRUTH, parse

if TYPE_CHECKING:
    from builder_contracts.truth.platform import Platform
    from builder_contracts.truth.verdicts import TruthReport


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that judges a checkout and are not in the table."""
    for option in (
        click.option("--write-baseline", is_flag=True,
                     help="Create the --baseline file, or drop resolved findings from an existing one."),
        click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE",
                     help="File of known findings to ignore."),
        click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write the report to FILE."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@table_options(TRUTH)
@report_options
@click.option(
    "--exit-criteria", is_flag=True, help="Print a one-page report on exit criteria: met, and missing."
)
@click.option(
    "--planning-live",
    metavar="OWNER/NAME",
    help="Fetch planning data from GitHub (GITHUB_TOKEN), and from Linear if LINEAR_API_KEY is set.",
)
@click.option("--grounding", type=click.Path(path_type=Path), metavar="FILE",
              help="Check that FILE contains the paragraphs that clauses cite.")  # fmt: skip
def truth(
    output: Path | None,
    exit_criteria: bool,
    planning_live: str | None,
    grounding: Path | None,
    baseline: Path | None,
    write_baseline: bool,
    **values: Any,
) -> None:
    """Check what a repository says, defaults to and deploys against its platform's contracts.

    Reads OpenTofu, Kubernetes manifests, Helm values, workflows, Dockerfiles and documentation; executes nothing
    and needs no network. Each finding cites the two lines that contradict each other.

    \b
    Examples:
      builder-contracts truth --repo ../platform
      builder-contracts truth --repo . --report sarif=truth.sarif
      builder-contracts truth --exit-criteria --format markdown --planning issues.json --planning milestones.json
      builder-contracts truth --baseline truth-baseline.json --write-baseline
    """
    from builder_contracts.truth.other_checkouts import given_checkouts
    from builder_contracts.truth.session import exit_code, load
    from builder_contracts.truth.verdicts import judge

    options = parse(TRUTH, values, cwd=Path.cwd())
    repo, form, strict, verbose = (
        Path(values["repo"] or "."),
        options.report_format,
        options.strict,
        options.verbose,
    )
    planning = tuple(map(Path, values["planning"]))
    if planning and planning_live:
        raise click.UsageError("--planning and --planning-live are mutually exclusive")
    if exit_criteria and (form not in (None, "terminal", "json", "markdown") or options.reports):
        raise click.UsageError("--exit-criteria supports only --format text, markdown or json")
    requests = requests_of(options.reports, form, output)
    platform, classes = load(Path(values["contracts_directory"] or "contracts"), options.settings)
    if grounding is not None:
        _check_grounding(platform, grounding)
    tracker = None
    if planning or planning_live:
        # An HTTP client costs a tenth of what judging a repository takes.
        from builder_contracts.truth import tracker as trackers

        tracker = trackers.fetch(planning_live) if planning_live else trackers.read(planning)
    judgement = judge(
        repo,
        platform,
        classes,
        tracker=tracker,
        rendered=map(Path, values["rendered"]),
        plans=map(Path, values["plans"]),
        renders_charts=values["renders_charts"],
        others=given_checkouts(values["checkouts"]),
    )
    judgement = apply_baseline(judgement, baseline, write=write_baseline)
    if exit_criteria:
        _print_criteria(platform, judgement, form, repo, output)
        raise click.exceptions.Exit(exit_code(judgement, strict=strict))
    raise click.exceptions.Exit(
        report_checkout(judgement, requests, command="truth", strict=strict, verbose=verbose)
    )


def apply_baseline(judgement: TruthReport, baseline: Path | None, *, write: bool) -> TruthReport:
    """The judgement without the findings of a baseline, which is written first if the user asks for that."""
    from builder_contracts.truth import baseline as baselines
    from builder_contracts.truth.session import with_baseline

    if baseline is None:
        if write:
            raise click.UsageError("--write-baseline requires --baseline FILE")
        return judgement
    if write and not baseline.exists():
        baselines.write_baseline(baseline, judgement.findings)
        click.echo(f"baseline written with {len(judgement.findings)} findings", err=True)
        return with_baseline(judgement, baselines.load_baseline(baseline))[0]
    judgement, compared = with_baseline(judgement, baselines.load_baseline(baseline))
    if write:
        baselines.write_baseline(baseline, compared.known)
    if compared.gone:
        hint = "dropped from the baseline" if write else "run with --write-baseline to drop them"
        click.echo(f"{compared.gone} known findings no longer occur: {hint}", err=True)
    return judgement


def requests_of(report: tuple[str, ...], form: str | None, output: Path | None) -> tuple[ReportRequest, ...]:
    """The reports that the options ask for; with ``-o`` the one of ``--format`` goes to a file."""
    cwd = Path.cwd()
    if output is None:
        requests = report_requests(report, cwd, form=form)
    else:
        requests = report_requests([*report, f"{form or 'terminal'}={output}"], cwd)
    require_attestable(requests, classes=(), runners=())
    return requests


def report_checkout(
    judgement: TruthReport, requests: tuple[ReportRequest, ...], *, command: str, strict: bool, verbose: bool
) -> int:
    """Write the reports of a judged checkout; the exit code of the run."""
    from builder_contracts.reporting.truth_stream import report

    with open_reports(
        requests,
        stdout=sys.stdout,
        stderr=sys.stderr,
        paint=painter(sys.stdout),
        verbose=verbose,
        limits=False,
        # Who writes the text to a file does not want it printed, too.
        terminal=not any(request.format == "terminal" for request in requests),
    ) as reports:
        code = report(judgement, reports, command=command, strict=strict)
    for failure in reports.failures:
        click.echo(f"error: {failure}", err=True)
    return code


def _print_criteria(
    platform: Platform, judgement: TruthReport, form: str | None, repo: Path, output: Path | None
) -> None:
    from builder_contracts.reporting import exit_criteria
    from builder_contracts.truth.exit_criteria import compute

    answers = compute(platform, {verdict.clause: verdict for verdict in judgement.platform})
    code = "`" if form == "markdown" else ""
    page = exit_criteria.build_criteria_page(platform, answers, judgement, subject=_name(repo), code=code)
    if form == "json":
        text = exit_criteria.to_json(page)
    else:
        text = "\n".join(
            exit_criteria.to_markdown(page) if form == "markdown" else exit_criteria.to_text(page)
        )
    _emit(text + "\n", output)


def _name(repo: Path) -> str:
    """The judged checkout, in terms that others know: the name of its directory and the commit."""
    from builder_contracts.truth.git_index import commit

    at = commit(repo)
    return repo.resolve().name + (f" at commit {at[:12]}" if at else "")


def _emit(body: str, output: Path | None) -> None:
    if output is None:
        click.echo(body, nl=False)
        return
    try:
        write(output, body.encode())
    except OSError as error:
        raise BuilderContractsError(f"cannot write {output}: {error.strerror}") from None


def _check_grounding(platform: Platform, path: Path) -> None:
    from builder_contracts.truth.platform import ungrounded

    try:
        body = path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(
            [Problem(Location(str(path), 1), f"cannot read: {error.strerror}", "check the path")]
        ) from None
    missing = ungrounded(platform, body)
    if missing:
        raise InputError(
            [
                Problem(
                    source,
                    f"{path} must contain this exactly once under {ground.section!r}: {ground.paragraph}",
                    "cite the current paragraph here and in grounding.yaml",
                )
                for source, ground in missing
            ]
        )
