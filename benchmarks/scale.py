"""What starting costs: the contracts of this repository collected, beside a pytest that collects nothing, and how it
grows with 300 generated contracts of 100 clauses, and fractions of them: collected, and judged on saved facts.

Each is a whole `pytest --collect-only` or `check --facts`, process start included. Growth is linear when each further
contract takes the same time. The facts are of this machine, observed once; the contracts ask for the same.

    .venv/bin/python benchmarks/scale.py [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (1, 75, 150, 300)
CLAUSES = 100
ROOT = Path(__file__).parents[1]
# Python tools keep their bytecode, as on a usual machine, also where this one says otherwise.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def contract(number: int) -> str:
    # A label, an image reference and the rest tools: a hundred clauses.
    tools = "\n".join(f"  tool{index}: {{version: '>={index % 7}.1,<9'}}" for index in range(CLAUSES - 2))
    return (
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        f"metadata: {{name: class-{number}, summary: a generated class of runners, owner: benchmarks}}\n"
        f"labels: [class-{number}]\nimage: {{reference: nothing}}\ntoolchain:\n{tools}\n"
    )


def collect(folder: Path, arguments: list[str], expected: str) -> float:
    """Seconds of a pytest that collects what is expected."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--collect-only",
        "-p",
        "no:hypothesispytest",
        *arguments,
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if expected not in done.stdout:
        raise SystemExit(f"not everything was collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def generated(folder: Path, names: list[str]) -> float:
    plain = ["-c", "/dev/null", "-p", "no:cacheprovider"]
    return collect(folder, [*plain, *names], f"{len(names) * CLAUSES} tests collected")


def judged(folder: Path, names: list[str]) -> float:
    """Seconds of a check of these contracts on facts that are saved."""
    begun = time.perf_counter()
    done = ours(folder, "check", "--facts", "facts", *names)
    seconds = time.perf_counter() - begun
    # The tools of the contracts are on no machine: all of them are broken, and judged.
    if done.returncode != 1 or f"class-{len(names) - 1}" not in done.stdout:
        raise SystemExit(f"not everything was judged:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def ours(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "builder_contracts", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def observe(folder: Path, names: list[str]) -> None:
    """Save the facts of this machine for every class."""
    ours(folder, "facts", "--contracts", names[0], "--runner", "local", "-o", "facts.json")
    (folder / "facts").mkdir()
    for name in names:
        (folder / "facts" / Path(name).with_suffix(".json")).hardlink_to(folder / "facts.json")


def report_growth(what: str, medians: dict[int, float]) -> None:
    smallest = medians[SIZES[0]]
    for size, seconds in medians.items():
        each = f"{(seconds - smallest) / (size - 1) * 1000:.1f} ms for each further one" if size > 1 else ""
        print(f"  {size:4} contracts {what}  {seconds:6.2f} s  {each}")


def report_start(folder: Path, rounds: int) -> dict[str, float]:
    """The three contracts of this repository, as `pytest -m contract --collect-only` in a checkout."""
    seconds: dict[str, list[float]] = {"three contracts": [], "pytest alone": []}
    for _ in range(rounds + 1):
        seconds["three contracts"].append(collect(ROOT, ["-m", "contract"], "contracts/tinyland-nix.yaml"))
        empty = ["-c", "/dev/null", "-p", "no:builder_contracts", str(folder)]
        seconds["pytest alone"].append(collect(folder, empty, "no tests collected"))
    # The first of each fills caches and is not counted.
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    three, alone = medians["three contracts"], medians["pytest alone"]
    print(f"three contracts collected: {three:.2f} s, {three / alone:.1f} x a pytest that collects nothing")
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start = report_start(folder, arguments.rounds)
        names = [f"class-{number}.yaml" for number in range(max(SIZES))]
        for number, name in enumerate(names):
            (folder / name).write_text(contract(number))
        observe(folder, names)
        medians = {
            what: {
                size: statistics.median(way(folder, names[:size]) for _ in range(arguments.rounds))
                for size in SIZES
            }
            for what, way in (("collected", generated), ("judged", judged))
        }
    print(f"{CLAUSES} clauses a contract, median of {arguments.rounds} rounds, process start included")
    for what, seconds in medians.items():
        report_growth(what, seconds)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"start": start, "clauses": CLAUSES, "seconds": medians}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
