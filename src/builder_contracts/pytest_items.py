"""Pytest items: contract files, and one item per clause.

The run of the session judges a clause; with ``pytest -m truth --repo PATH`` the files of a checkout do. Judges are
imported when the first item needs them. Node IDs are clause IDs:
``contracts/tinyland-nix.yaml::toolchain/nix``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from builder_contracts.contract import loading
from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.errors import BuilderContractsError, ExitCode, InputError, Location, Problem
from builder_contracts.redaction import redact
from builder_contracts.reporting.terminal import format_verdict
from builder_contracts.reporting.verdict_data import redacted, to_properties
from builder_contracts.run.pytest_run import RUN
from builder_contracts.verdict import Outcome, Verdict

Loaded = TypeVar("Loaded")


class ClauseBroken(AssertionError):
    """A promise that is not kept; its text is what a person reads."""


class ClauseUnproven(Exception):
    """A promise that could have been proven here and was not."""


class ClauseItem(pytest.Item):
    """One clause, whatever it is judged by."""

    def __init__(
        self, *, clause_id: str, location: Location, marks: Iterable[str], group: str, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.clause_id = clause_id
        self.declared_at = location
        self.verdict: Verdict | None = None
        for mark in marks:
            self.add_marker(mark)
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(group))

    def judge(self) -> Verdict:
        """The verdict on the clause."""
        raise NotImplementedError

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.declared_at.line - 1, self.clause_id

    def setup(self) -> None:
        verdict = self.verdict = redacted(self.judge())
        self.user_properties.extend(to_properties(verdict))
        if verdict.outcome is Outcome.WAIVED:
            pytest.skip(f"{verdict.cause or 'waived'}; observed: {verdict.observation}")
        if verdict.outcome is Outcome.UNPROVEN:
            if verdict.provable_here or self.config.stash[RUN].options.strict:
                raise ClauseUnproven(format_verdict(verdict))
            pytest.skip(f"unproven: {verdict.observation}")

    def runtest(self) -> None:
        if self.verdict is not None and self.verdict.outcome is Outcome.BROKEN:
            raise ClauseBroken(format_verdict(self.verdict))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        # Report the promise in its own words: a Python traceback would only show this plugin.
        if isinstance(excinfo.value, ClauseBroken | ClauseUnproven | BuilderContractsError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class ContractItem(ClauseItem):
    """A clause of a contract, judged by the run of the session."""

    def __init__(self, *, clause: Clause, **rest: Any) -> None:
        proof = ["proof"] if isinstance(clause.promise, ProofPromise) else []
        super().__init__(
            clause_id=clause.id,
            location=clause.source,
            marks=["contract", clause.kind, *proof],
            group=clause.builder,
            **rest,
        )
        self.clause = clause

    def judge(self) -> Verdict:
        return self.config.stash[RUN].verdict(self.session, self.clause)


class TruthItem(ClauseItem):
    """A clause that the files of a checkout decided."""

    def __init__(self, *, decided: Verdict, **rest: Any) -> None:
        super().__init__(
            clause_id=decided.clause, location=decided.location, marks=["truth"], group="truth", **rest
        )
        self.decided = decided

    def judge(self) -> Verdict:
        return self.decided


class ContractsFile(pytest.File):
    """A file of contracts. ``exit_code`` is that of the error for which it could not be collected."""

    exit_code: ExitCode | None = None

    def required(self, read: Callable[[], Loaded]) -> Loaded:
        """The result of reading; errors of the input become the error of the collection."""
        try:
            return read()
        except BuilderContractsError as error:
            self.exit_code = error.exit_code
            raise self.CollectError(redact(str(error))) from None


class ContractFile(ContractsFile):
    """A contract, collected into its clauses."""

    def collect(self) -> Iterator[ClauseItem]:
        run = self.config.stash[RUN]
        name = os.path.relpath(self.path, run.options.cwd)
        try:
            contract = loading.load(self.path, name, run.bases, run.options.settings)
        except InputError as error:
            problems = error.problems
            if not run.options.builders:
                self.required(lambda: _refuse(problems))
            # Perhaps of a class that is not asked for: known once every contract was collected.
            run.set_aside += error.problems
            return
        other = run.contracts.get(contract.name)
        if other is not None and other.source != contract.source:
            self.required(lambda: _refuse(loading.conflicts([other, contract])))
        run.contracts[contract.name] = contract
        if run.options.builders and contract.name not in run.options.builders:
            return
        for clause in contract.clauses:
            yield ContractItem.from_parent(self, name=clause.local_id, clause=clause)


class AreaFile(ContractsFile):
    """A contract of the platform, collected into its clauses."""

    def collect(self) -> Iterator[ClauseItem]:
        run = self.config.stash[RUN]
        for verdict in self.required(lambda: run.checkout_verdicts(self.path.parent.parent)):
            if verdict.location.file == str(self.path):
                name = verdict.local_id.partition("/")[2]
                yield TruthItem.from_parent(self, name=name, decided=verdict)


class DeployedFile(ContractsFile):
    """A class contract, collected into the clauses that a deployment in the checkout mentions."""

    def collect(self) -> Iterator[ClauseItem]:
        run = self.config.stash[RUN]
        contract = self.required(lambda: loading.load(self.path, settings=run.options.settings))
        taken: dict[str, int] = {}
        for verdict in self.required(lambda: run.checkout_verdicts(self.path.parent)):
            if verdict.builder != contract.name:
                continue
            number = taken[verdict.local_id] = taken.get(verdict.local_id, 0) + 1
            name = f"deployed/{verdict.local_id}" + (f"[{number}]" if number > 1 else "")
            yield TruthItem.from_parent(self, name=name, decided=verdict)


def _refuse(problems: Sequence[Problem]) -> None:
    raise InputError(problems)


_PLATFORM = re.compile(rb"^kind:\s*[\"']?PlatformContract\b", re.MULTILINE)
_CLASS = re.compile(rb"^kind:\s*[\"']?BuilderClass\b", re.MULTILINE)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ContractsFile | None:
    """A contract that a checkout is judged by."""
    if file_path.suffix not in (".yaml", ".yml") or not parent.config.stash[RUN].judges_checkouts:
        return None
    try:
        with file_path.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return None
    if b"builder-contracts/" not in head:
        return None
    collector: ContractsFile
    if _PLATFORM.search(head):
        collector = AreaFile.from_parent(parent, path=file_path)
        return collector
    if _CLASS.search(head) and (file_path.parent / "platform").is_dir():
        collector = DeployedFile.from_parent(parent, path=file_path)
        return collector
    return None
