"""Judging a checkout, beside what ripgrep needs to search the same tree for the same words.

Both are whole command lines, from process start to exit; they take turns, and medians of one run are compared as
ratios. Beside the wall's time stands the processor time of one run, which a busy machine changes less. Without --tree
the tree is one of 400 files that this script makes: the miniature platform of the tests, repeated. ripgrep answers
less (lines, not contradictions): it is the price of reading the tree once.

    .venv/bin/python benchmarks/truth.py [--tree DIR …] [--rounds 5] [--json FILE]

Needs ripgrep. python-hcl2, where it is installed, is compared with the parser that is used.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.truth.miniature import CLEAN, write  # noqa: E402

from builder_contracts.truth.rules.registry import build_search_words  # noqa: E402
from builder_contracts.truth.session import load  # noqa: E402 - the path of the project comes first

FILES = 400


def make_tree(root: Path) -> Path:
    """At least FILES files: the miniature itself, and copies of its modules, pages and workflows."""
    write(root)
    copies = -(-FILES // len(CLEAN)) - 1
    for number in range(copies):
        write(root / "copies" / str(number))
    return root


def median(rounds: int, ways: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Seconds of each way; the ways take turns so that a busy moment hits all of them."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def run(command: list[str], statuses: tuple[int, ...]) -> Callable[[], None]:
    # With this set every start compiles the whole program anew, which no user's start does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def once() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode not in statuses:
            raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")

    return once


def tree_figures(tree: Path, rounds: int, ripgrep: str) -> dict[str, object]:
    platform, classes = load(ROOT / "contracts")
    wanted = [part for word in build_search_words(platform, classes).lines for part in ("-e", word)]
    program = "from builder_contracts.cli import main; main()"
    ours = [
        sys.executable,
        "-c",
        program,
        "truth",
        "--repo",
        str(tree),
        "--contracts",
        str(ROOT / "contracts"),
        "--format",
        "json",
    ]
    # As ripgrep is used by people, and reading what we read: hidden files too, links never.
    theirs = [ripgrep, "--hidden", "--ignore-case", "--fixed-strings", "--count", *wanted, str(tree)]
    files = sum(1 for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    run(ours, (0, 1, 2))()  # what Python compiles once is compiled
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(ours, (0, 1, 2))()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    seconds = median(rounds, {"truth": run(ours, (0, 1, 2)), "ripgrep": run(theirs, (0, 1))})
    return {
        "tree": str(tree),
        "files": files,
        "cpu": cpu,
        **seconds,
        "ratio": seconds["truth"] / seconds["ripgrep"],
    }


def hcl_figures(rounds: int) -> dict[str, float] | None:
    if importlib.util.find_spec("hcl2") is None:
        return None
    hcl2 = importlib.import_module("hcl2")
    from builder_contracts.truth.hcl.syntax import parse

    texts = [text for path, text in CLEAN.items() if path.endswith(".tf")] * 10
    hcl2.loads(texts[0])  # its grammar is compiled once

    def ours() -> None:
        for text in texts:
            parse(text.encode(), "x.tf")

    def theirs() -> None:
        for text in texts:
            hcl2.loads(text)

    return median(rounds, {"tree-sitter": ours, "python-hcl2": theirs})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tree", action="append", type=Path, default=[], help="a source tree to judge as well (repeatable)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ripgrep = shutil.which("rg")
    if ripgrep is None:
        raise SystemExit("ripgrep is not installed: apt-get install ripgrep")
    figures: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="builder-contracts-truth-") as made:
        for tree in [make_tree(Path(made)), *options.tree]:
            figures.append(tree_figures(tree, options.rounds, ripgrep))
            one = figures[-1]
            print(
                f"{one['files']:>7} files  truth {one['truth']:7.2f} s (CPU {one['cpu']:.2f} s)  ripgrep {one['ripgrep']:6.2f} s  "
                f"ratio {one['ratio']:6.1f}   {'(made here)' if tree == Path(made) else tree}"
            )
    hcl = hcl_figures(options.rounds)
    if hcl is None:
        print("python-hcl2 is not installed: its comparison was left out")
    else:
        print(f"HCL: tree-sitter {hcl['tree-sitter']:.3f} s, python-hcl2 {hcl['python-hcl2']:.3f} s, "
              f"{hcl['python-hcl2'] / hcl['tree-sitter']:.0f} times")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps({"trees": figures, "hcl": hcl}, indent=2) + "\n")


if __name__ == "__main__":
    main()
