"""The pytest plugin: hooks that turn contract files into items, and verdicts into reports and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract.promises import READERS
from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.pytest_items import (
    ClauseItem,
    ContractFile,
    ContractsFile,
)
from builder_contracts.redaction import redact
from builder_contracts.reporting.terminal import format_summary, format_verdict
from builder_contracts.reporting.verdict_data import from_data, to_data
from builder_contracts.run import pytest_options, xdist_workers
from builder_contracts.run.pytest_run import RUN, PytestRun, decides
from builder_contracts.run.selection import nothing_left

pytest_plugins = ["builder_contracts.pytest_items"]


def pytest_addoption(parser: pytest.Parser) -> None:
    pytest_options.add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, Any, Any]:
    try:
        return (yield)
    except pytest.UsageError as error:
        if not isinstance(error.__cause__, BuilderContractsError):
            raise
        print(f"ERROR: {error}", file=sys.stderr)
        return error.__cause__.exit_code


def pytest_configure(config: pytest.Config) -> None:
    for mark, meaning in (
        ("contract", "a clause of a builder class contract"),
        ("proof", "a clause that is proved by an experiment: builds, pushes, rejections"),
        ("truth", "a clause checked against the files of a checkout"),
        *((kind, "a clause of this kind") for kind in READERS),
    ):
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    try:
        run = config.stash[RUN] = PytestRun.of(config)
    except BuilderContractsError as error:
        raise pytest.UsageError(redact(str(error))) from error
    config.pluginmanager.register(run, "builder-contracts-run")
    if not run.is_worker:
        config.pluginmanager.register(xdist_workers.Workers(run), "builder-contracts-workers")
    if run.options.paths:
        chosen = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
        config.args = list(dict.fromkeys([*chosen, *map(str, run.options.paths)]))
    # One group of xdist is one class, so that no two workers gather the same facts.
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ContractFile | None:
    if parent.config.stash[RUN].is_contract(file_path):
        collector: ContractFile = ContractFile.from_parent(parent, path=file_path)
        return collector
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed and isinstance(collector, ContractsFile) and collector.exit_code is not None:
        vars(report)["builder_contracts"] = int(collector.exit_code)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None]:
    # xdist 3.8 schedules by names that end in the group. It sets them in an attribute that pytest 9.2 no longer reads.
    named = [item for item in session.items if "_nodeid" in vars(item)]
    before = [item.id for item in named]
    for item in named:
        item._id = type(item.id).parse(vars(item)["_nodeid"])
    yield
    # The names in reports are those of the clauses.
    for item, name in zip(named, before, strict=True):
        item._id = name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    run = config.stash[RUN]
    try:
        run.read_inputs(items)
    except InputError as error:
        if not run.is_worker:
            raise pytest.UsageError(redact(str(error))) from error
        # xdist keeps a worker's usage error to itself, and passes on what failed to be collected.
        items.clear()
        code = int(error.exit_code)
        report = pytest.CollectReport(
            "the command line", "failed", redact(str(error)), [], builder_contracts=code
        )
        config.hook.pytest_collectreport(report=report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, ClauseItem) and item.verdict is not None and decides(report):
        # Plain data: xdist carries it to the process that reports.
        vars(report)["builder_contracts"] = to_data(item.verdict)
        vars(report)["builder_contracts_promised"] = item.config.stash[RUN].promised
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Show unproven clauses after their cause: they are neither failures of a promise nor errors of a test."""
    data = getattr(report, "builder_contracts", None)
    if isinstance(data, dict) and report.when == "setup" and report.failed:
        return "unproven", "U", "UNPROVEN"
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    run.close()
    if run.is_worker:
        xdist_workers.tell_leftovers(session.config, run.leftovers)
    if not run.is_worker:
        session.exitstatus = run.end(int(session.exitstatus))


def pytest_unconfigure(config: pytest.Config) -> None:
    if run := config.stash.get(RUN, None):
        run.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    run, writer = config.stash[RUN], config.get_terminal_writer()
    for failure in (*(run.reports.failures if run.reports else ()), *run.leftovers.lines):
        terminalreporter.write_line(f"ERROR: {failure}", red=True)
    for problem in dict.fromkeys(run.set_aside):
        terminalreporter.write_line(f"WARNING: {redact(str(problem))}", yellow=True)
    if not run.verdicts and run.deselected:
        terminalreporter.write_line(nothing_left(run.deselected, config.option.keyword))
    if not run.verdicts:
        return
    terminalreporter.section("builder contracts")

    def paint(text: str, color: str) -> str:
        return writer.markup(text, **{color: True})

    causes: set[str] = set()
    for report in terminalreporter.getreports("unproven"):
        verdict = from_data(report.builder_contracts)
        # One cause, such as an engine that is gone, is shown in full once; the summary counts the others.
        if verdict.observation not in causes:
            terminalreporter.write_line(format_verdict(verdict, paint))
        causes.add(verdict.observation)
    for line in format_summary(run.verdicts, paint):
        terminalreporter.write_line(line)
    if not run.other_failures:
        # Where CI runs, pytest's own summary, which follows, would show each failure in full once more.
        config.option.force_short_summary = True
