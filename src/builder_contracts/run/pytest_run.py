"""A run whose clauses are items of pytest: the state that the plugin keeps between hooks, under one stash key."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder_contracts.contract.loading import Bases
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.errors import ExitCode, InputError, Problem
from builder_contracts.extras import name_missing_extra
from builder_contracts.redaction import learn_variables
from builder_contracts.reporting.registry import ReportRequest, open_reports, report_requests, signer
from builder_contracts.reporting.stream import Reports, RunInfo, RunSummary
from builder_contracts.reporting.verdict_data import from_data
from builder_contracts.run import pytest_options
from builder_contracts.run.exit_status import after_removal, exit_code, interrupted_by
from builder_contracts.run.inputs import (
    Inputs,
    is_meant_as_contract,
    new_run_id,
    no_contracts,
    require_named,
    require_path,
    with_contracts,
)
from builder_contracts.run.options import PYTEST, RunOptions, parse
from builder_contracts.run.progress import Progress
from builder_contracts.run.selection import Selected
from builder_contracts.runner import interrupts
from builder_contracts.runner.interrupts import Terminated
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.sources.address import is_elsewhere
from builder_contracts.verdict import Verdict

if TYPE_CHECKING:
    from builder_contracts.run.run import Run


def _local_path(text: str, config: pytest.Config, lock: str | None) -> Path | str:
    """The path of contracts; those that are elsewhere are fetched, or taken from the cache, by their lock."""
    if not is_elsewhere(text):
        return text
    from builder_contracts.sources.resolution import local_path

    return local_path(
        text,
        config.invocation_params.dir,
        lambda line: print(line, file=sys.stderr),
        Path(lock) if lock else None,
    )


@dataclass(eq=False)
class PytestRun:
    """A run whose clauses are items of pytest: all that the plugin keeps, and what it hears of the session."""

    config: pytest.Config
    options: RunOptions
    requests: tuple[ReportRequest, ...]
    repo: str | None
    planning: Sequence[str]
    progress: Progress
    sign: Callable[[str], str] | None = None
    id: str = field(default_factory=new_run_id)
    started_at: float = field(default_factory=time.monotonic)
    contracts: dict[str, Contract] = field(default_factory=dict)
    bases: Bases = field(default_factory=Bases)
    inputs: Inputs | None = None
    reports: Reports | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    other_tests: int = 0
    other_failures: int = 0
    unreadable: list[int] = field(default_factory=list)
    set_aside: list[Problem] = field(default_factory=list)
    deselected: int = 0
    interruption: BaseException | None = None
    begun: bool = False
    leftovers: Leftovers = field(default_factory=Leftovers)
    _run: Run | None = None
    _promised: dict[str, int] = field(default_factory=dict)
    _checkouts: dict[Path, list[Verdict]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: pytest.Config) -> PytestRun:
        """The run that the command line asks for. Raises BuilderContractsError."""
        # What this process is trusted with, such as the token of its CI job, is in no output.
        learn_variables(os.environ)
        values = pytest_options.values_of(config)
        values["contracts"] = [
            _local_path(text, config, values["lock"]) for text in values["contracts"] or ()
        ]
        options = parse(PYTEST, values, cwd=config.invocation_params.dir)
        for path in options.paths:
            require_path("--contracts", path, options.cwd)
        requests = report_requests(options.reports, options.cwd, evidence=options.evidence)
        if xml := getattr(config.option, "xmlpath", None):
            # As pytest reads it.
            junit = options.cwd / os.path.expanduser(os.path.expandvars(xml))  # noqa: PTH111
            ReportRequest("junit", junit, "--junitxml").require_writable()
        sign = signer(options.cwd / options.sign_key if options.sign_key else None, requests)
        progress = Progress(lambda lines: write_progress(config, lines))
        return cls(config, options, requests, values["repo"], values["planning"] or (), progress, sign)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            code = getattr(report, "builder_contracts", None)
            self.unreadable += [] if code is None else [code]
            self.other_failures += code is None

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.deselected += sum(hasattr(item, "clause_id") for item in items)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends itself with a subclass, after errors of collection for example: nobody interrupted.
        if excinfo.type in (KeyboardInterrupt, Terminated):
            self.interruption = excinfo.value

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict of an item at the phase that decides."""
        data = getattr(report, "builder_contracts", None)
        if not decides(report):
            return
        if data is None:
            self.other_tests += 1
            self.other_failures += report.failed
        elif not self.is_worker:
            # The process that reports for workers of xdist reads no contract itself.
            self._promised |= getattr(report, "builder_contracts_promised", {})
            self.verdicts.append(self.begin_reports().add(from_data(data)))

    def begin_reports(self) -> Reports:
        """The reports, which begin with the first verdict: most sessions of pytest have none."""
        if self.reports is None:
            self.reports = open_reports(
                self.requests, stdout=sys.stdout, stderr=sys.stderr, terminal=False, sign=self.sign
            )
            started = datetime.now(UTC).isoformat(timespec="seconds")
            self.reports.begin(RunInfo(self.id, "pytest", self.options.cwd, started, promised=self._promised))
        return self.reports

    @property
    def promised(self) -> dict[str, int]:
        """The number of clauses in each contract that this process collected."""
        return {contract.name: len(contract.clauses) for contract in self.contracts.values()}

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker of xdist, which judges only some of the clauses that it collects."""
        return hasattr(self.config, "workerinput")

    def names(self, path: Path) -> bool:
        """Whether --contracts names this very file or directory."""
        # Links stay, as pytest has it.
        named = {os.path.abspath(self.options.cwd / path) for path in self.options.paths}  # noqa: PTH100
        return str(path) in named

    def is_contract(self, path: Path) -> bool:
        """Whether a file is collected as a contract."""
        if self.names(path):
            # Loading it can say what is wrong with it.
            return True
        # An empty file is a contract that was begun only where contracts are said to be.
        folder = path.parent if self.names(path.parent) else None
        return is_meant_as_contract(path, folder)

    @property
    def judges_checkouts(self) -> bool:
        """Whether clauses of checkouts are collected: only if they are asked for."""
        marks = self.config.option.markexpr or ""
        return self.repo is not None or re.search(r"(?<!not )\btruth\b", marks) is not None

    def read_inputs(self, items: Sequence[pytest.Item]) -> None:
        """Read what surrounds the collected contracts. Raises InputError."""
        contracts = list(self.contracts.values())
        require_named(self.options, contracts, self.set_aside)
        # A contract that cannot be read is reported already.
        if not contracts and self.options.paths and not self.unreadable and not items:
            raise InputError([no_contracts(self.options.paths)])
        self.inputs = with_contracts(self.options, contracts) if contracts else None

    def verdict(self, session: pytest.Session, clause: Clause) -> Verdict:
        """The verdict on a clause; the first call starts everything that this process will judge."""
        inputs = self.inputs or with_contracts(self.options, list(self.contracts.values()))
        if self._run is None:
            from builder_contracts.run.run import Run

            self.begin()
            self._run = Run(self.options, inputs, self._selection(session, inputs), self.progress)
            # A worker of xdist sees the items of all classes and judges only some of them.
            if not self.is_worker:
                self._run.begin()
        (contract,) = inputs.named([clause.builder])
        # The inputs know the image that was asked for.
        return self._run.verdict(contract.clause(clause.local_id) or clause, contract)

    def begin(self) -> None:
        """From here on something may have been created, so that a signal ends the run in order."""
        interrupts.end_in_order()
        self.begun = True

    def _selection(self, session: pytest.Session, inputs: Inputs) -> list[Selected]:
        chosen = {getattr(item, "clause_id", "") for item in session.items}
        selected = (
            Selected(contract, tuple(clause for clause in contract.clauses if clause.id in chosen))
            for contract in inputs.contracts
        )
        return [of_class for of_class in selected if of_class.clauses]

    def checkout_verdicts(self, folder: Path) -> list[Verdict]:
        """The verdicts on the checkout by the contracts in a directory; judged once a process."""
        if folder not in self._checkouts:
            with name_missing_extra():
                from builder_contracts.truth.session import load, verdicts_of
                from builder_contracts.truth.tracker import read
                from builder_contracts.truth.verdicts import judge

            platform, classes = load(folder, self.options.settings)
            cwd = self.options.cwd
            tracker = read([cwd / path for path in self.planning]) if self.planning else None
            judgement = judge(cwd / (self.repo or "."), platform, classes, tracker=tracker)
            self._checkouts[folder] = list(verdicts_of(judgement))
        return self._checkouts[folder]

    def end(self, status: int) -> int:
        """Complete the reports; the exit status of a session that pytest would end with ``status``."""
        status = self._after_removal(self.exit_status(status))
        if not (self.verdicts or self.requests) or status not in {code.value for code in ExitCode}:
            return status
        seconds = time.monotonic() - self.started_at
        interrupted = self.interruption is not None
        return self.begin_reports().end(RunSummary(ExitCode(status), seconds, interrupted=interrupted))

    def _after_removal(self, status: int) -> int:
        if not self.leftovers.lines or status not in {code.value for code in ExitCode}:
            return status
        return after_removal(ExitCode(status), self.leftovers)

    def exit_status(self, status: int) -> int:
        """The exit status of a session that pytest would end with ``status``: that of ``check``, if it can be."""
        if self.unreadable and not self.other_failures:
            return self.unreadable[0]
        if self.interruption is not None and (self.begun or self.verdicts):
            return interrupted_by(self.interruption)
        if self.other_failures or not self.verdicts or status not in _DECIDED:
            return status
        code = exit_code(self.verdicts, strict=self.options.strict)
        return ExitCode.KEPT if code is ExitCode.NOTHING_SELECTED and self.other_tests else code

    def close(self) -> None:
        """Remove what the run made."""
        if self._run is not None:
            # A second signal may come before the removal begins, and interrupts nothing of it.
            self.leftovers += self._run.close()
            self._run = None


def decides(report: pytest.TestReport) -> bool:
    """Whether this phase of an item decides: its call, or a set-up that did not pass."""
    return report.when == "call" or (report.when == "setup" and not report.passed)


# xdist ends a session with -x as if it were interrupted.
_DECIDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)

RUN: pytest.StashKey[PytestRun] = pytest.StashKey()


def write_progress(config: pytest.Config, lines: Iterable[str]) -> None:
    """Write lines to standard error although pytest captures what is written while an item runs."""
    if config.option.verbose < 0:
        return
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if terminal is not None:
            # The line of dots ends before ours begins.
            terminal.ensure_newline()
            terminal.flush()
        # A worker does not know where on the terminal it is, but shares its standard error.
        sys.stderr.write("" if terminal is not None else "\n")
        sys.stderr.writelines(f"  {line}\n" for line in lines)
        sys.stderr.flush()
