"""The pytest face of static judging: ``pytest -m truth --repo PATH``.

Items are collected from the platform's contracts and the classes' only when a checkout is named or the marker
is asked for, so that a run of the contracts themselves stays what it is. Everything else is imported when used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder_contracts.extras import name_missing_extra

if TYPE_CHECKING:
    from builder_contracts.evidence.verdict import Verdict
    from builder_contracts.truth.verdicts import Judgement

JUDGED: pytest.StashKey[dict[Path, Judgement]] = pytest.StashKey()

_PLATFORM = re.compile(rb"^kind:\s*[\"']?PlatformContract\b", re.MULTILINE)
_CLASS = re.compile(rb"^kind:\s*[\"']?BuilderClass\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("builder contracts")
    group.addoption(
        "--repo", metavar="PATH", default=None,
        help="judge this checkout by the platform's contracts, without running it (select with -m truth)",
    )  # fmt: skip
    group.addoption(
        "--planning", metavar="FILE", action="append", default=[],
        help="export of a tracker for the planning clauses: GitHub's REST JSON or Linear's (repeatable)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "truth: a clause judged against the files of a checkout")
    config.stash[JUDGED] = {}


def _asked(config: pytest.Config) -> bool:
    return (
        config.option.repo is not None
        or re.search(r"(?<!not )\btruth\b", config.option.markexpr or "") is not None
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in (".yaml", ".yml") or not _asked(parent.config):
        return None
    try:
        with file_path.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return None
    if b"builder-contracts/" not in head:
        return None
    if _PLATFORM.search(head):
        area: AreaFile = AreaFile.from_parent(parent, path=file_path)
        return area
    if _CLASS.search(head) and (file_path.parent / "platform").is_dir():
        deployed: DeployedFile = DeployedFile.from_parent(parent, path=file_path)
        return deployed
    return None


class Broken(AssertionError):
    """A promise that the checkout does not keep."""


class Unproven(Exception):
    """A promise that the checkout should decide and does not."""


def _judgement(config: pytest.Config, folder: Path) -> Judgement:
    """The judgement by the contracts in a folder; computed once a process."""
    judged = config.stash[JUDGED]
    if folder not in judged:
        with name_missing_extra():
            from builder_contracts.truth.session import load
            from builder_contracts.truth.tracker import read
            from builder_contracts.truth.verdicts import judge

            platform, classes = load(folder)
            here = config.invocation_params.dir
            tracker = read([here / one for one in config.option.planning]) if config.option.planning else None
            judged[folder] = judge(here / (config.option.repo or "."), platform, classes, tracker=tracker)
    return judged[folder]


class AreaFile(pytest.File):
    """A platform contract, collected into its clauses."""

    def collect(self) -> Iterator[TruthItem]:
        from builder_contracts.errors import BuilderContractsError
        from builder_contracts.truth.session import verdicts_of

        folder = self.path.parent.parent
        try:
            judgement = _judgement(self.config, folder)
        except BuilderContractsError as error:
            raise self.CollectError(str(error)) from None
        for verdict in verdicts_of(judgement):
            if verdict.location.file == str(self.path):
                name = verdict.clause.partition("/")[2].partition("/")[2]
                yield TruthItem.from_parent(self, name=name, verdict=verdict, judgement=judgement)


class DeployedFile(pytest.File):
    """A class contract, collected into the clauses that a deployment in the checkout speaks of."""

    def collect(self) -> Iterator[TruthItem]:
        from builder_contracts.contract.load import load
        from builder_contracts.errors import BuilderContractsError
        from builder_contracts.truth.session import verdicts_of

        try:
            contract = load(self.path)
            judgement = _judgement(self.config, self.path.parent)
        except BuilderContractsError as error:
            raise self.CollectError(str(error)) from None
        taken: dict[str, int] = {}
        for verdict in verdicts_of(judgement):
            builder, _, local = verdict.clause.partition("/")
            if builder != contract.name:
                continue
            taken[local] = taken.get(local, 0) + 1
            name = f"deployed/{local}" + (f"[{taken[local]}]" if taken[local] > 1 else "")
            yield TruthItem.from_parent(self, name=name, verdict=verdict, judgement=judgement)


class TruthItem(pytest.Item):
    """One clause before one checkout."""

    def __init__(self, *, verdict: Verdict, judgement: Judgement, **rest: Any) -> None:
        super().__init__(**rest)
        self.verdict = verdict
        self.judgement = judgement
        self.add_marker("truth")
        self.add_marker(pytest.mark.xdist_group("truth"))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.verdict.location.line - 1, self.verdict.clause

    def setup(self) -> None:
        from builder_contracts.evidence.verdict import Outcome
        from builder_contracts.reporting.terminal import format_verdict
        from builder_contracts.reporting.verdict_data import to_properties

        self.user_properties.extend(to_properties(self.verdict))
        if self.verdict.outcome is Outcome.WAIVED:
            pytest.skip(f"waived: {self.verdict.cause}; observed: {self.verdict.observation}")
        if self.verdict.outcome is Outcome.UNPROVEN:
            if self.verdict.provable_here or self.config.option.strict_contracts:
                raise Unproven(format_verdict(self.verdict))
            pytest.skip(f"unproven: {self.verdict.observation}")

    def runtest(self) -> None:
        from builder_contracts.evidence.verdict import Outcome
        from builder_contracts.reporting.terminal import format_verdict

        if self.verdict.outcome is Outcome.BROKEN:
            raise Broken(format_verdict(self.verdict))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Broken | Unproven):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)
