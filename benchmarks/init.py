"""What a first contract costs: `init` of an image with hundreds of programs, beside a container of it that does nothing.

Both are whole command lines and take turns. `init` asks for every tool that is known, and tries it at work.

    .venv/bin/python benchmarks/init.py [--image tinyland-nix] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
COUNT = "for folder in $(echo $PATH | tr : ' '); do ls $folder; done 2>/dev/null | sort -u | wc -l"


def run(folder: Path, *command: str) -> tuple[float, str]:
    """Seconds of a command that succeeds, and its output."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="tinyland-nix")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours = [sys.executable, "-m", "builder_contracts", "init", "--image", arguments.image, "-o", "-"]
    plain = ["docker", "run", "--rm", "--entrypoint", "/bin/sh", arguments.image, "-c"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        programs = int(run(folder, *plain, COUNT)[1])
        contract = run(folder, *ours)[1]  # the first run fills caches and is not counted
        rounds = [(run(folder, *ours)[0], run(folder, *plain, ":")[0]) for _ in range(arguments.rounds)]
    first, nothing = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    print(f"{arguments.image}: {programs} programs, {contract.count('tried at work')} tools tried at work")
    print(
        f"  first contract {first:.2f} s (aim: 5 s), {first / nothing:.1f} x a container that does nothing, {nothing:.2f} s"
    )


if __name__ == "__main__":
    main()
