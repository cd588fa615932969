"""Judging a checkout that doubles: the time should double with it.

Two shapes grow: a log whose every line has a host of the platform (each line is a finding), and a tree of manifests.
The ratio of each doubling is printed, processor time of this process alone: about 2 is linear, about 4 quadratic.

    .venv/bin/python benchmarks/truth_growth.py [--steps 4] [--lines 2500] [--files 500] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from builder_contracts.contract.model import Contract
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.session import load
from builder_contracts.truth.verdicts import judge

CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"


def write_log(root: Path, lines: int) -> None:
    """A log in which every second host is unknown, none of them twice."""
    body = "".join(
        f"{number} GET http://cache-{number}.nix-cache.svc.cluster.local:8080/nar/{number}\n"
        if number % 2
        else f"{number} GET http://attic.nix-cache.svc.cluster.local/nar/{number}\n"
        for number in range(lines)
    )
    (root / "access.log").write_text(body)


def write_manifests(root: Path, files: int) -> None:
    """Services and the configuration that names them, fifty files a directory."""
    for number in range(files):
        folder = root / str(number // 50)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.yaml").write_text(
            f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: nix-cache}}\nspec: {{ports: [{{port: 80}}]}}\n"
            f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: nix-cache}}\n"
            f"data: {{url: 'http://s{number}.nix-cache.svc.cluster.local'}}\n"
        )


def seconds(
    write: Callable[[Path, int], None], size: int, platform: Platform, classes: list[Contract]
) -> float:
    with tempfile.TemporaryDirectory(prefix="builder-contracts-growth-") as folder:
        write(Path(folder), size)
        begun = time.process_time()
        judgement = judge(Path(folder), platform, classes)
        taken = time.process_time() - begun
    if judgement.unread:
        raise SystemExit(f"{judgement.unread[0].path} was not judged: {judgement.unread[0].reason}")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--lines", type=int, default=2500)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    platform, classes = load(CONTRACTS)
    seconds(write_log, 100, platform, classes)  # what is imported and compiled once
    figures: list[dict[str, object]] = []
    for shape, write, first in (
        ("log of hosts", write_log, options.lines),
        ("tree of files", write_manifests, options.files),
    ):
        before: float | None = None
        for step in range(options.steps):
            size = first * 2**step
            taken = seconds(write, size, platform, classes)
            ratio = taken / before if before else None
            figures.append({"shape": shape, "size": size, "seconds": taken, "ratio": ratio})
            print(
                f"{shape:<14} {size:>8}  {taken:7.2f} s" + (f"  ratio {ratio:4.1f}" if ratio else ""),
                flush=True,
            )
            before = taken
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
