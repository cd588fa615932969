"""How loading and collecting contracts grows: 300 generated contracts of 100 clauses, and fractions of them.

Each size is a whole `pytest --collect-only`, process start included. Growth is linear when each further
contract takes the same time.

    .venv/bin/python benchmarks/scale.py [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (1, 75, 150, 300)
CLAUSES = 100


def contract(number: int) -> str:
    # A label, an image reference and the rest tools: a hundred clauses.
    tools = "\n".join(f"  tool{index}: {{version: '>={index % 7}.1,<9'}}" for index in range(CLAUSES - 2))
    return (
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        f"metadata: {{name: class-{number}, summary: a generated class of runners, owner: benchmarks}}\n"
        f"labels: [class-{number}]\nimage: {{reference: nothing}}\ntoolchain:\n{tools}\n"
    )


def collect(folder: Path, files: list[str]) -> float:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "/dev/null",
        "-q",
        "--collect-only",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-p", "no:hypothesispytest", *files]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if f"{len(files) * CLAUSES} tests collected" not in done.stdout:
        raise SystemExit(f"not everything was collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = [f"class-{number}.yaml" for number in range(max(SIZES))]
        for number, name in enumerate(names):
            (folder / name).write_text(contract(number))
        medians = {
            size: statistics.median(collect(folder, names[:size]) for _ in range(arguments.rounds))
            for size in SIZES
        }
    smallest = medians[SIZES[0]]
    print(f"{CLAUSES} clauses a contract, median of {arguments.rounds} rounds, process start included")
    for size, seconds in medians.items():
        each = f"{(seconds - smallest) / (size - 1) * 1000:.1f} ms for each further one" if size > 1 else ""
        print(f"  {size:4} contracts  {seconds:6.2f} s  {each}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"clauses": CLAUSES, "seconds": medians}, indent=2) + "\n")


if __name__ == "__main__":
    main()
