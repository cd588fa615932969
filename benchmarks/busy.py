"""Runs of one class with its proofs on a host that is kept busy: do any verdicts differ?

    .venv/bin/python benchmarks/busy.py [--runs 20] [--builder tinyland-nix] [--hogs 4] [-k TERM] [--seconds 5]

Processes that only count keep every processor busy while `builder-contracts check` runs again and again. Nothing else
changes, so each clause must have the same verdict each time. Printed are the seconds of each run and, for a clause
with several outcomes, each of them with what was observed. With --seconds, each canary has only that time: on a busy host
a build that is late shows nothing, so a canary may be kept or unproven, and never broken. Needs a Docker Engine and the image of the class.

exit: 0 if the verdicts are the same, 1 if one differs or a canary is broken for its --seconds, 3 if a run did not judge anything
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
SPIN = "while True: pass"


@contextmanager
def busy(hogs: int) -> Iterator[None]:
    """Processes that use all the time they can get, until the context ends."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(hogs)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def with_little_time(folder: Path, seconds: int) -> None:
    """Copy the contracts, with canaries whose builds have so many seconds."""
    for name in ("contracts", "canaries"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    for file in folder.glob("canaries/*/canary.yaml"):
        text, count = re.subn(r"(?<=\bseconds: )\d+", str(seconds), file.read_text("utf-8"))
        assert count == 1, f"{file} has {count} budgets of seconds"
        file.write_text(text, "utf-8")


def verdicts(arguments: Sequence[str], directory: Path) -> dict[str, tuple[str, str]]:
    """Outcome and observation of each clause in one run; empty if it judged nothing."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "builder_contracts", "check", *arguments, "--evidence", folder],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        evidence = Path(folder) / "evidence.jsonl"
        lines = evidence.read_text("utf-8").splitlines() if evidence.exists() else []
    records = [json.loads(line) for line in lines]
    return {
        record["clause"]: (record["outcome"], record["observation"])
        for record in records
        if "clause" in record
    }


def differences(runs: Sequence[Mapping[str, tuple[str, str]]]) -> dict[str, dict[str, str]]:
    """The clauses with several outcomes: what was observed first for each of them. A missing clause is an outcome."""
    outcomes: dict[str, dict[str, str]] = defaultdict(dict)
    for clause in {clause for run in runs for clause in run}:
        for number, run in enumerate(runs, start=1):
            outcome, observation = run.get(clause, ("missing", "no verdict"))
            outcomes[clause].setdefault(outcome, f"run {number}: {observation}")
    return {clause: found for clause, found in sorted(outcomes.items()) if len(found) > 1}


def broken_canaries(runs: Sequence[Mapping[str, tuple[str, str]]]) -> dict[str, dict[str, str]]:
    """The clauses of canaries that are broken in a run, and what was observed."""
    return {
        clause: {outcome: f"run {number}: {observation}"}
        for number, run in enumerate(runs, start=1)
        for clause, (outcome, observation) in run.items()
        if "/canaries/" in clause and outcome == "broken"
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--builder", default="tinyland-nix")
    parser.add_argument("--hogs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("-k", dest="term", help="the clauses, as 'builder-contracts check' takes them")
    parser.add_argument("--seconds", type=int, help="the time of each canary's build")
    options = parser.parse_args()
    arguments = ["--builder", options.builder, *(["-k", options.term] if options.term else [])]
    runs = []
    with tempfile.TemporaryDirectory() as folder, busy(options.hogs):
        if options.seconds is not None:
            with_little_time(Path(folder), options.seconds)
        directory = ROOT if options.seconds is None else Path(folder)
        for number in range(1, options.runs + 1):
            started_at = time.monotonic()
            run = verdicts(arguments, directory)
            if not run:
                print(f"run {number} judged nothing", file=sys.stderr)
                return 3
            runs.append(run)
            outcomes = [outcome for outcome, _ in run.values()]
            counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted({*outcomes}))
            print(f"run {number}: {time.monotonic() - started_at:.0f} s, {counts}", flush=True)
    found = differences(runs) if options.seconds is None else broken_canaries(runs)
    for clause, by_outcome in found.items():
        print(clause, *(f"  {outcome}, {text}" for outcome, text in by_outcome.items()), sep="\n")
    wrong = "differ" if options.seconds is None else "are broken for want of time"
    print(f"{len(found)} of {len(runs[0])} clauses {wrong} in {len(runs)} runs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
