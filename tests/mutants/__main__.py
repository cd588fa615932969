"""Which mutants of pure code no test notices. script/mutants has the options."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.mutants.mutation import Mutant, mutants
from tests.mutants.tables import Acceptance, Suite, TableError, acceptances, selected, suites
from tests.mutants.trial import Ending, Trial

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "builder_contracts"
TABLES = Path(__file__).parent
RESULTS = ROOT / ".mutants"
QUIET = "-q --no-header --no-summary -p no:cacheprovider -p no:xdist -p no:cov".split()


class Journal:
    """What became of the mutants of a suite, a line each as soon as it is known, so that a stopped run goes on."""

    def __init__(self, suite: Suite, *, trusted: bool) -> None:
        RESULTS.mkdir(exist_ok=True)
        self._file = RESULTS / f"{suite.name}.jsonl"
        self._tests = _digest(file for path in suite.tests for file in _python_files(ROOT / path))
        self.noticed: set[str] = set()
        if self._file.exists():
            for line in self._file.read_text("utf-8").splitlines():
                entry = json.loads(line)
                if trusted or entry["tests"] == self._tests:
                    self.noticed.add(entry["mutant"])

    def add(self, mutant: Mutant) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"mutant": _key(mutant), "tests": self._tests}) + "\n")


def _key(mutant: Mutant) -> str:
    return hashlib.sha256(f"{mutant.identity}\n{mutant.source}".encode()).hexdigest()


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class Account:
    """The mutants of a suite: how many there are, what became of them, and a line of progress."""

    def __init__(self, suite: Suite, accepted: list[Acceptance], journal: Journal) -> None:
        self.suite = suite
        self.journal = journal
        self.counts: Counter[str] = Counter()
        self.survivors = 0
        self.used: set[Acceptance] = set()
        self._accepted = accepted
        # pytest has its own ideas of the two streams while it runs.
        self._output, self._progress = os.dup(1), os.dup(2)
        self._last = 0.0

    def candidates(self, modules: list[str]) -> Iterator[Mutant]:
        """The mutants that have to be tried."""
        for module in modules:
            for mutant in mutants(module, (SOURCE / module).read_text("utf-8")):
                self.counts["mutants"] += 1
                reasons = {acceptance for acceptance in self._accepted if acceptance.accepts(mutant)}
                self.used |= reasons
                if reasons:
                    self.counts["accepted"] += 1
                elif _key(mutant) in self.journal.noticed:
                    self.counts["noticed"] += 1
                else:
                    yield mutant

    def report(self, mutant: Mutant, ending: Ending) -> None:
        if ending is Ending.NOTICED:
            self.counts["noticed"] += 1
            self.journal.add(mutant)
        else:
            self.survivors += 1
            os.write(self._output, f"{mutant}\n  {ending.value}\n\n".encode())
        if time.monotonic() > self._last + 10:
            self._last = time.monotonic()
            os.write(self._progress, f"mutants: {self} so far, at {mutant.module}:{mutant.line}\n".encode())

    def __str__(self) -> str:
        return (
            f"{self.suite.name}: {self.counts['mutants']} mutants, {self.counts['noticed']} noticed, "
            f"{self.counts['accepted']} accepted, {self.survivors} survive"
        )


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    try:
        rows = suites(TABLES / "tests.toml")
        accepted = acceptances(TABLES / "accepted.toml")
        work = _work(options.paths, rows)
    except TableError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 3
    # The same examples in each fork, and few of them.
    os.environ["HYPOTHESIS_PROFILE"] = "few"
    good = True
    used: set[Acceptance] = set()
    for suite, modules in work:
        account = Account(suite, accepted, Journal(suite, trusted=options.survivors))
        trial = Trial(
            SOURCE, partial(account.candidates, modules), account.report, options.jobs, options.seconds
        )
        status = pytest.main([*QUIET, *(str(ROOT / path) for path in suite.tests)], plugins=[trial])
        if trial.failed or status:
            reason = ", ".join(trial.failed[:5]) or f"pytest exits with {int(status)}"
            print(f"mutants: {suite.name}: without a mutant: {reason}", file=sys.stderr)
            return 4
        if not account.counts["mutants"]:
            print(f"mutants: {', '.join(modules)}: no function has a body to change", file=sys.stderr)
            return 3
        print(account, flush=True)
        good &= not account.survivors
        used |= account.used
    if not options.paths:
        for acceptance in accepted:
            if acceptance not in used:
                good = False
                print(
                    f"accepted, and no mutant is like it: {acceptance.reason} ({acceptance.before or acceptance.change})"
                )
    return 0 if good else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/mutants")
    parser.add_argument("paths", nargs="*", metavar="PATH")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--survivors", action="store_true")
    return parser.parse_args(arguments)


def _work(paths: list[str], rows: list[Suite]) -> list[tuple[Suite, list[str]]]:
    """The modules to try by suite. A path at which there is nothing to try is an error."""
    for path in paths:
        if not any(selected([path], suite, SOURCE) for suite in rows):
            raise TableError(
                f"{path}: no module there has tests in tests/mutants/tests.toml; the suites are "
                + ", ".join(f"{suite.name} ({' '.join(suite.modules)})" for suite in rows)
            )
    work = ((suite, selected(paths, suite, SOURCE)) for suite in rows)
    return [(suite, modules) for suite, modules in work if modules]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
