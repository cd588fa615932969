"""The pytest face: contract files become items, facts are gathered once a class, verdicts become reports.

This module only wires. Node ids are clause ids: ``contracts/tinyland-nix.yaml::toolchain/nix``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder_contracts import begin
from builder_contracts.contract import files, load, schema
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import READERS, ProofPromise
from builder_contracts.errors import BuilderContractsError, InputError, Problem, Source
from builder_contracts.evidence import record
from builder_contracts.evidence.tally import Tally
from builder_contracts.evidence.verdict import Outcome, Verdict
from builder_contracts.progress import Progress

if TYPE_CHECKING:
    from builder_contracts.observe.survey import Survey
    from builder_contracts.prove.session import Session as ProofSession

pytest_plugins = ["builder_contracts.truth.pytest_items"]

PROOFS: pytest.StashKey[ProofSession] = pytest.StashKey()
PROGRESS: pytest.StashKey[Progress] = pytest.StashKey()
SURVEY: pytest.StashKey[Survey] = pytest.StashKey()
TALLY: pytest.StashKey[Tally] = pytest.StashKey()
CLASSES: pytest.StashKey[dict[str, Path]] = pytest.StashKey()
"""The folder of each class's contract, also of those that the command line leaves out."""
NAMED: pytest.StashKey[set[str]] = pytest.StashKey()
ENVIRONMENT: pytest.StashKey[Any] = pytest.StashKey()
"""The Environment document as plain data, or None where there is none."""
HIDDEN: pytest.StashKey[frozenset[str]] = pytest.StashKey()
"""The variables that are none of a job's on this machine."""
STARTED: pytest.StashKey[bool] = pytest.StashKey()

REFUSED = "the command line"
"""The node id under which a worker of xdist reports what it was refused for."""
RUNNERS = ("docker", "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("builder contracts", "contracts of CI runner classes")
    group.addoption(
        "--contracts",
        action="append",
        default=[],
        metavar="PATH",
        help="collect the contracts in this folder, or this contract (repeatable); without other arguments, only these",
    )
    group.addoption(
        "--builder", action="append", default=[], metavar="CLASS", help="only this builder class (repeatable)"
    )
    group.addoption(
        "--image",
        action="append",
        default=[],
        metavar="CLASS=REF",
        dest="builder_images",
        help="check the image REF as the runner of CLASS (repeatable)",
    )
    group.addoption(
        "--runner",
        choices=RUNNERS,
        default="docker",
        help="where to look: a container in a Docker Engine, or the machine that pytest runs on",
    )
    group.addoption(
        "--environment",
        metavar="NAME_OR_FILE",
        default=None,
        help="environment file, or the name of one in environments/ beside the contracts (default: embedded, where there is such a file)",
    )
    group.addoption(
        "--allow-writes",
        action="append",
        choices=begin.WRITABLE,
        default=[],
        metavar="ROLE",
        help="let proofs write to this role of a live environment (repeatable); without it nothing is written there",
    )
    group.addoption(
        "--linux-xr-source",
        metavar="DIR_OR_TARBALL",
        default=None,
        help="build this kernel source in the canary linux-xr, with its own xr/patches/series and xr/config/*",
    )
    group.addoption(
        "--linux-xr-config",
        metavar="FILE",
        default=None,
        help="start the canary linux-xr from this kernel configuration, such as a distribution's, not from a tiny one",
    )
    group.addoption(
        "--evidence", metavar="DIR", default=None, help="write evidence.jsonl, one line a verdict, into DIR"
    )
    group.addoption(
        "--pull", action="store_true", help="allow to download images that the engine does not have"
    )
    group.addoption(
        "--strict-contracts",
        action="store_true",
        help="count every unproven clause as an error, also those that this host can never show",
    )
    group.addoption(
        "--deadline", type=_seconds, default=60.0, metavar="SECONDS", help="for one observation (default: 60)"
    )


def _seconds(text: str) -> float:
    try:
        return begin.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "contract: a clause of a builder class contract")
    config.addinivalue_line("markers", "proof: a clause that is shown by doing: builds, pushes, refusals")
    for kind in READERS:
        config.addinivalue_line("markers", f"{kind}: a clause of this kind")
    config.stash[TALLY] = Tally()
    config.stash[CLASSES] = {}
    config.stash[NAMED] = {
        os.path.abspath(Path(config.invocation_params.dir, path))  # noqa: PTH100 # links stay, as pytest has it
        for path in config.option.contracts
    }
    try:
        _reports(config)
        for path in config.option.contracts:
            begin.present("--contracts", path, config.invocation_params.dir)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    if config.option.contracts:
        _add_arguments(config)
    # One group of xdist is one class, so that no two workers gather the same facts.
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"


def _reports(config: pytest.Config) -> None:
    """See that reports can be written before the work that they would report. Raises InputError."""
    here, xml = config.invocation_params.dir, getattr(config.option, "xmlpath", None)
    if config.option.evidence:
        begin.writable("--evidence", Path(here, config.option.evidence, record.FILE))
    if xml:
        # As pytest reads it.
        begin.writable("--junitxml", Path(here, os.path.expanduser(os.path.expandvars(xml))))  # noqa: PTH111


def _add_arguments(config: pytest.Config) -> None:
    folders = [str(folder) for folder in config.option.contracts]
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS
    config.args = list(dict.fromkeys([*(config.args if chosen else []), *folders]))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ContractFile | None:
    # What is named as a contract is one, so that loading it can say what is wrong with it.
    named = str(file_path) in parent.config.stash[NAMED]
    if named or (file_path.suffix in files.SUFFIXES and load.is_contract(file_path)):
        collected: ContractFile = ContractFile.from_parent(parent, path=file_path)
        return collected
    return None


class ContractFile(pytest.File):
    """A contract, collected into its clauses."""

    def collect(self) -> Iterator[ClauseItem]:
        name = os.path.relpath(self.path, self.config.invocation_params.dir)
        try:
            contract = load.load(self.path, name)
        except InputError as error:
            raise self.CollectError(str(error)) from None
        self.config.stash[CLASSES][contract.name] = Path(contract.source.file).parent
        wanted = self.config.option.builder
        if wanted and contract.name not in wanted:
            return
        for clause in contract.clauses:
            yield ClauseItem.from_parent(self, name=clause.local_id, clause=clause, contract=contract)


class Broken(AssertionError):
    """A promise that is not kept; its text is what a person reads."""


class Unproven(Exception):
    """A promise that could have been proven here and was not."""


class ClauseItem(pytest.Item):
    """One clause of one class."""

    def __init__(self, *, clause: Clause, contract: Contract, **rest: Any) -> None:
        super().__init__(**rest)
        self.clause = clause
        self.contract = contract
        self.add_marker("contract")
        self.add_marker(clause.kind)
        if isinstance(clause.promise, ProofPromise):
            self.add_marker("proof")
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(contract.name))
        self._verdict: Verdict | None = None

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.clause.source.line - 1, self.clause.id

    def setup(self) -> None:
        verdict = self._proved() if isinstance(self.clause.promise, ProofPromise) else self._judged()
        self.user_properties.extend(record.to_properties(verdict))
        self._verdict = verdict
        if verdict.outcome is Outcome.WAIVED:
            pytest.skip(f"waived: {verdict.likely}; seen: {verdict.seen}")
        if verdict.outcome is Outcome.UNPROVEN:
            if verdict.here or self.config.option.strict_contracts:
                raise Unproven(record.render(verdict))
            pytest.skip(f"unproven: {verdict.seen}")

    def _judged(self) -> Verdict:
        from builder_contracts.judge import judge

        facts = _survey(self.session).facts(self.contract)
        today, document = datetime.now(UTC).date(), self.config.stash[ENVIRONMENT]
        environment = begin.bindings(document).environment
        return judge(self.clause, facts, self.contract, today=today, environment=environment)

    def _proved(self) -> Verdict:
        wanted = _wanted_proofs(self.session)[self.contract.name][1]
        proofs, progress = _proofs(self.session), self.config.stash[PROGRESS]
        while not proofs.ready(self.contract, wanted, within=progress.interval):
            progress.tell(self.contract.name)
        progress.tell(self.contract.name)
        return proofs.verdict(self.clause, self.contract, wanted)

    def runtest(self) -> None:
        if self._verdict is not None and self._verdict.outcome is Outcome.BROKEN:
            raise Broken(record.render(self._verdict))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A promise is reported in its own words: a Python traceback would say where this plugin stands."""
    report = yield
    told = (Broken, Unproven, BuilderContractsError)
    if isinstance(item, ClauseItem) and call.excinfo is not None and isinstance(call.excinfo.value, told):
        report.longrepr = str(call.excinfo.value)
    return report


def pytest_report_teststatus(report: Any, config: pytest.Config) -> tuple[str, str, str] | None:
    """One cause, such as an engine that is gone, is told in full once: what else it takes along is counted."""
    return ("unproven", "E", "UNPROVEN") if config.stash[TALLY].told_before(report) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    contracts = _contracts(items)
    problems = load.conflicts(contracts)
    # Also those that --builder leaves out: one that is misspelt leaves out all.
    known = config.stash[CLASSES]
    if not problems and known:
        problems = [
            *_incoherent(contracts),
            *_unknown("--builder", config.option.builder, known),
            *_unknown("--image", _images(config), known),
            *_chosen(config),
        ]
        # What is wrong with an environment beside the contracts is found by looking at it either way.
        problems = list(dict.fromkeys(problems))
    if problems:
        _refuse(config, items, "\n".join(map(str, problems)))
    # A contract that cannot be read is there, and reported already.
    elif config.option.contracts and not known and not session.testsfailed:
        _refuse(
            config,
            items,
            f"no contract in {', '.join(config.option.contracts)}: a contract is a YAML file with "
            "apiVersion: builder-contracts/v1 and kind: BuilderClass",
        )


def _refuse(config: pytest.Config, items: list[pytest.Item], why: str) -> None:
    """End the session before anything runs."""
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError(why)
    # xdist keeps a worker's usage error to itself, and passes on what failed to be collected.
    items.clear()
    config.hook.pytest_collectreport(report=pytest.CollectReport(REFUSED, "failed", why, []))


def _incoherent(contracts: Iterable[Contract]) -> list[Problem]:
    """What does not agree between the contracts of a folder, its environments and its cache roles."""
    from builder_contracts.services import roles

    by_folder: dict[Path, list[Contract]] = {}
    for contract in contracts:
        by_folder.setdefault(Path(contract.source.file).parent, []).append(contract)
    try:
        return [problem for folder, some in by_folder.items() for problem in roles.check(folder, some)]
    except InputError as error:
        return list(error.problems)


def _chosen(config: pytest.Config) -> list[Problem]:
    """What is wrong with the environment and the kernel that are wanted; the environment is kept for the session."""
    here, problems = config.invocation_params.dir, list[Problem]()
    folders = config.stash[CLASSES].values()
    try:
        document = begin.environment(config.option.environment, folders, here)
        config.stash[ENVIRONMENT] = document
        config.stash[HIDDEN] = begin.hidden(config.option.runner, document, folders)
    except InputError as error:
        problems += error.problems
    for option, path in (
        ("--linux-xr-source", config.option.linux_xr_source),
        ("--linux-xr-config", config.option.linux_xr_config),
    ):
        try:
            if path is not None:
                begin.present(option, path, here)
        except InputError as error:
            problems += error.problems
    return problems


def _unknown(option: str, names: Iterable[str], known: Collection[str]) -> list[Problem]:
    return [
        Problem(
            Source("command line", 1),
            f"{option} names the class {name}, which no contract declares",
            f"did you mean {guess}?"
            if (guess := schema.nearest(name, known))
            else f"classes are {', '.join(sorted(known))}",
        )
        for name in names
        if name not in known
    ]


def _contracts(items: Iterable[pytest.Item]) -> list[Contract]:
    return list({id(item.contract): item.contract for item in items if isinstance(item, ClauseItem)}.values())


def _images(config: pytest.Config) -> dict[str, str]:
    images: dict[str, str] = {}
    for text in config.option.builder_images:
        name, equals, reference = text.partition("=")
        if not (name and equals and schema.is_image(reference)):
            raise pytest.UsageError(
                f"--image {text!r}: write CLASS=REF, for example tinyland-nix=ghcr.io/me/runner:1"
            )
        images[name] = reference
    return images


def _survey(session: pytest.Session) -> Survey:
    """The survey of this process; the first call starts all classes that this process will judge."""
    config, stash = session.config, session.config.stash
    if SURVEY not in stash:
        stash[SURVEY] = begin.survey(
            stash[ENVIRONMENT],
            images=_images(config),
            runner=config.option.runner,
            pull=config.option.pull,
            deadline=config.option.deadline,
            hidden=stash[HIDDEN],
        )
    if STARTED not in stash:
        stash[STARTED] = True
        # A worker of xdist sees the items of all classes and judges only some of them.
        if not hasattr(config, "workerinput"):
            stash[SURVEY].prefetch(_contracts(session.items))
            if _wanted_proofs(session):
                # Proofs take longest, so they begin while facts are still gathered.
                _proofs(session)
    return stash[SURVEY]


def _wanted_proofs(session: pytest.Session) -> dict[str, tuple[Contract, list[Clause]]]:
    """The clauses that were selected and are shown by doing, by class."""
    wanted: dict[str, tuple[Contract, list[Clause]]] = {}
    for item in session.items:
        if isinstance(item, ClauseItem) and isinstance(item.clause.promise, ProofPromise):
            wanted.setdefault(item.contract.name, (item.contract, []))[1].append(item.clause)
    return wanted


def _proofs(session: pytest.Session) -> ProofSession:
    """The proofs of this process; the first call starts those of all classes that it will judge."""
    stash = session.config.stash
    if PROOFS not in stash:
        from builder_contracts.prove.kernel.experiment import Choice
        from builder_contracts.prove.session import Options, Session

        config = session.config
        stash[PROGRESS].begin()
        stash[PROOFS] = Session(
            Options(
                images=_images(config),
                runner=config.option.runner,
                bindings=begin.bindings(stash[ENVIRONMENT]),
                allow_writes=frozenset(config.option.allow_writes),
                hidden=stash[HIDDEN],
                kernel=Choice(*_kernel(config), stash[PROGRESS].say),
            )
        )
        if not hasattr(config, "workerinput"):
            stash[PROOFS].prefetch(_wanted_proofs(session))
    return stash[PROOFS]


def _kernel(config: pytest.Config) -> tuple[Path | None, Path | None]:
    """Another source and another configuration for the canary linux-xr, where they are wanted."""
    here, source, configuration = (
        config.invocation_params.dir,
        config.option.linux_xr_source,
        config.option.linux_xr_config,
    )
    return source and Path(here, source), configuration and Path(here, configuration)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    _close(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    config.pluginmanager.register(config.stash[TALLY], "builder-contracts-tally")
    config.stash.setdefault(PROGRESS, Progress(config, silent=config.option.verbose < 0))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    _close(session.config)
    config = session.config
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and any(report.nodeid == REFUSED for report in terminal.getreports("error")):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    if config.option.evidence and not hasattr(config, "workerinput"):
        folder = Path(config.invocation_params.dir, config.option.evidence)
        try:
            record.write(folder, config.stash[TALLY].verdicts)
        except BuilderContractsError as error:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            terminal.ensure_newline()
            terminal.write_line(f"ERROR: {error}", red=True)


def _close(config: pytest.Config) -> None:
    if PROOFS in config.stash:
        proofs = config.stash[PROOFS]
        del config.stash[PROOFS]
        proofs.close()
    if SURVEY in config.stash:
        survey = config.stash[SURVEY]
        del config.stash[SURVEY]
        survey.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tally = config.stash[TALLY]
    if not tally.verdicts:
        return
    terminalreporter.section("builder contracts")
    for line in tally.lines():
        terminalreporter.line(line.text, **{line.colour: True})
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    if all(record.from_properties(getattr(report, "user_properties", [])) for report in failed):
        # Where CI runs, pytest's own summary, which follows, would tell each of them in full once more.
        config.option.force_short_summary = True
