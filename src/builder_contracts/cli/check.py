"""builder-contracts check: the same as pytest, for people who do not know pytest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder_contracts import begin
from builder_contracts.cli.paths import classes, contract_files, seconds
from builder_contracts.contract.load import load_all
from builder_contracts.errors import BuilderContractsError, ExitCode
from builder_contracts.evidence.verdict import Outcome
from builder_contracts.reporting import jsonl
from builder_contracts.reporting.session_tally import Tally

if TYPE_CHECKING:
    import pytest

    from builder_contracts.observe.survey import Survey

# Plugins of pytest that a contract has no use for: each costs time at every start. The one for unraisable
# exceptions collects garbage five times at the end, the others find or dress tests that are Python.
_UNUSED = (
    "cacheprovider", "debugging", "doctest", "faulthandler", "legacypath", "logging", "pastebin", "setuponly",
    "setupplan", "stepwise", "unittest", "unraisableexception",
)  # fmt: skip


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--builder", multiple=True, metavar="CLASS", shell_complete=classes, help="Only this class (repeatable)."
)
@click.option(
    "--image", multiple=True, metavar="CLASS=REF", help="Check REF as the runner of CLASS (repeatable)."
)
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--environment", metavar="NAME_OR_FILE", help="Environment that binds names to services.")
@click.option(
    "--allow-writes",
    multiple=True,
    type=click.Choice(begin.WRITABLE),
    help="Let proofs write to this role of a live environment (repeatable).",
)
@click.option(
    "--linux-xr-source",
    type=click.Path(exists=True),
    metavar="DIR_OR_TARBALL",
    help="Build this kernel source in the canary linux-xr, with its own xr/patches/series and xr/config/*.",
)
@click.option(
    "--linux-xr-config",
    type=click.Path(exists=True),
    metavar="FILE",
    help="Start the canary linux-xr from this kernel configuration, not from a tiny one.",
)
@click.option(
    "--evidence", type=click.Path(path_type=Path), metavar="DIR", help="Write evidence.jsonl into DIR."
)
@click.option("--junitxml", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML to FILE.")
@click.option("-k", "keyword", metavar="EXPRESSION", help="Only clauses whose id matches, as in pytest.")
@click.option("--pull", is_flag=True, help="Allow to download images that the engine does not have.")
@click.option(
    "--strict", is_flag=True, help="Count every unproven clause, also what this host can never show."
)
@click.option(
    "--deadline", type=seconds, default=60.0, show_default=True, help="Seconds for one observation."
)
@click.option("-v", "--verbose", is_flag=True, help="A line a clause.")
def check(
    paths: tuple[Path, ...],
    builder: tuple[str, ...],
    image: tuple[str, ...],
    runner: str,
    environment: str | None,
    allow_writes: tuple[str, ...],
    linux_xr_source: str | None,
    linux_xr_config: str | None,
    evidence: Path | None,
    junitxml: Path | None,
    keyword: str | None,
    pull: bool,
    strict: bool,
    deadline: float,
    verbose: bool,
) -> None:
    """Look at the runners of the classes and judge every clause of their contracts.

    PATHS are contract files or folders; ./contracts when left out.

    \b
    Examples:
      builder-contracts check
      builder-contracts check --builder tinyland-nix --image tinyland-nix=ghcr.io/me/runner:1 --pull
      builder-contracts check --runner local --builder tinyland-docker --junitxml junit.xml
    """
    files = contract_files(paths)
    for option, report in (
        ("--evidence", evidence and evidence / jsonl.FILE),
        ("--junitxml", junitxml),
    ):
        if report:
            # Also asked by the plugin, but then runners are being started already.
            begin.writable(option, report)
    # The settings of a pytest project around us are not ours, nor are the plugins that are installed beside us:
    # only our own options count.
    arguments = ["-c", "/dev/null", "--noconftest", "--assert=plain"]
    # Below its root pytest names items by their path; folders above ours it has no need to look into.
    root = os.path.commonpath([Path.cwd(), *map(os.path.abspath, files)])
    arguments += ["--rootdir", root, "--confcutdir", str(Path.cwd())]
    arguments += ["--disable-plugin-autoload", "-p", "builder_contracts.plugin"]
    for plugin in _UNUSED:
        arguments += ["-p", f"no:{plugin}"]
    arguments += ["-m", "contract"]
    arguments += ["-v" if verbose else "-q", "--no-header", "--runner", runner, "--deadline", str(deadline)]
    for option, values in (("--builder", builder), ("--image", image), ("--allow-writes", allow_writes)):
        for value in values:
            arguments += [option, value]
    single = {
        "--environment": environment,
        "--linux-xr-source": linux_xr_source,
        "--linux-xr-config": linux_xr_config,
        "--evidence": evidence,
        "--junitxml": junitxml,
        "-k": keyword,
    }
    for option, given in single.items():
        if given:
            arguments += [option, str(given)]
    arguments += [flag for flag, wanted in (("--pull", pull), ("--strict-contracts", strict)) if wanted]
    for file in files:
        arguments += ["--contracts", str(file)]
    begun = None if keyword else _begin(files, builder, image, runner, environment, pull, deadline)
    try:
        # Takes a while, in which the engine already starts what will be looked at.
        import pytest

        tally = Tally()
        status = pytest.main(arguments, plugins=[tally, Face(begun)])
    finally:
        if begun:
            begun.close()
    raise click.exceptions.Exit(exit_code(status, tally, strict=strict))


def _begin(
    files: list[Path],
    builder: tuple[str, ...],
    image: tuple[str, ...],
    runner: str,
    environment: str | None,
    pull: bool,
    deadline: float,
) -> Survey | None:
    """The survey of the classes that are wanted, begun; None where something is wrong, which pytest then tells."""
    images = {
        name: reference for name, equals, reference in (text.partition("=") for text in image) if equals
    }
    try:
        contracts = load_all(files)
        folders = {file.parent for file in files}
        document = begin.environment(environment, folders, Path.cwd())
        hidden = begin.hidden(runner, document, folders)
    except BuilderContractsError:
        return None
    if len(images) < len(image) or not {*builder, *images} <= {contract.name for contract in contracts}:
        return None
    survey = begin.survey(document, images=images, runner=runner, pull=pull, deadline=deadline, hidden=hidden)
    survey.prefetch(contract for contract in contracts if contract.name in builder or not builder)
    return survey


class Face:
    """A plugin that hands pytest the survey which was begun before it, and progress also where pytest is quiet."""

    def __init__(self, begun: Survey | None) -> None:
        self._begun = begun

    def pytest_configure(self, config: pytest.Config) -> None:
        from builder_contracts.plugin import PROGRESS, SURVEY
        from builder_contracts.progress import Progress

        config.stash[PROGRESS] = Progress(config)
        if self._begun is not None:
            config.stash[SURVEY] = self._begun


def exit_code(status: int, tally: Tally, *, strict: bool) -> ExitCode:
    """This command's exit code for the end of a pytest session."""
    import pytest

    unproven = [
        verdict
        for verdict in tally.verdicts
        if verdict.outcome is Outcome.UNPROVEN and (verdict.provable_here or strict)
    ]
    match status:
        case pytest.ExitCode.OK:
            return ExitCode.KEPT
        case pytest.ExitCode.NO_TESTS_COLLECTED:
            return ExitCode.NOTHING_SELECTED
        case pytest.ExitCode.INTERRUPTED if not tally.verdicts and not tally.interrupted:
            return ExitCode.BAD_INPUT
        case pytest.ExitCode.INTERRUPTED:
            return ExitCode.INTERRUPTED
        case pytest.ExitCode.USAGE_ERROR:
            return ExitCode.BAD_INPUT
        case pytest.ExitCode.TESTS_FAILED if tally.count(Outcome.BROKEN):
            return ExitCode.BROKEN
        case pytest.ExitCode.TESTS_FAILED if unproven:
            # Where not one runner could be had nothing was asked of the classes: it is this machine that lacks one.
            lost = any(verdict.provable_here for verdict in unproven) and not any(
                verdict.origin.runner for verdict in tally.verdicts
            )
            return ExitCode.CANNOT_RUN if lost else ExitCode.UNPROVEN
        case _:
            raise BuilderContractsError(
                f"pytest ended with status {status}; please report the traceback above"
            )
