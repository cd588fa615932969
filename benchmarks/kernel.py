"""What the harness adds to a cold kernel build: the canary's cold build through it and in a plain docker run.

Both ways start a container of tinyland-docker with the class's limits, unpack the same tarball, patch,
configure and compile with the same steps, without a compiler cache, and remove the container. They take
turns; the ratio is of one run. Beside it stands the time that the harness spent outside of the steps, by its
own clock: on a busy machine the ratio of two builds is mostly noise, this part is not.

    .venv/bin/python benchmarks/kernel.py [--rounds 1] [--json FILE]

Needs a Docker Engine, the image tinyland-docker, and about five minutes a round on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from builder_contracts.contract import loading
from builder_contracts.prove.kernel import recipe, source, standalone, tiers
from builder_contracts.prove.kernel.recipe import Pin, Recipe
from builder_contracts.prove.kernel.record import KernelBuild, TierStep

ROOT = Path(__file__).resolve().parents[1]
CANARY = ROOT / "canaries" / "linux-xr"
MOST = 0.03
"""Of the plain build's time: what the harness may add."""

PLAIN = """
set -e
cd "$HOME" && mkdir -p linux-xr/tree linux-xr/build && cd linux-xr
localversion=$1 base=$2 jobs=$3
shift 3
/canary/steps/unpack.sh "$(echo /kept/*.tar.xz)" "$PWD/tree" >/dev/null
/canary/steps/patch.sh "$PWD/tree" /canary/patches >/dev/null
/canary/steps/configure.sh "$PWD/tree" "$PWD/build" "$localversion" "$base" "$@" >/dev/null
/canary/steps/compile.sh "$PWD/tree" "$PWD/build" "$localversion" "$jobs" gcc >/dev/null
"""


def plain(wanted: Recipe, image: str, cpus: float, memory: int) -> float:
    """Seconds of the same steps in a plain docker run."""
    # Without a build folder of the harness there is no compiler cache either.
    reproducible = tiers.build_environment(wanted, "plain", "").items()
    environment = [f"--env={name}={value}" for name, value in reproducible if name.startswith("KBUILD_")]
    fragments = [f"/canary/{path.relative_to(CANARY.resolve())}" for path in wanted.fragments]
    begun = time.monotonic()
    subprocess.run(
        [  # noqa: S607 # the docker of whoever runs this
            "docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges",
            f"--cpus={cpus:g}", f"--memory={memory}", f"--memory-swap={memory}", *environment,
            f"--volume={CANARY}:/canary:ro", f"--volume={source.VOLUME}:/kept:ro",
            image, "sh", "-c", PLAIN, "sh", wanted.localversion, str(wanted.base), str(max(1, int(cpus))), *fragments,
        ],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    wanted = recipe.load(CANARY)
    assert isinstance(wanted.source, Pin)
    ours, theirs, outside = [], [], []
    with standalone.bench(loading.load(ROOT / "contracts" / "tinyland-docker.yaml")) as bench:
        cpus = (bench.plan.cpu_limit or bench.about.cpus * 1000) / 1000
        for _ in range(arguments.rounds):
            begun = time.monotonic()
            record = tiers.run(
                bench, wanted, say=lambda line: print(f"  {line}", file=sys.stderr), cold_only=True
            )
            ours.append(time.monotonic() - begun)
            steps = [
                step
                for step in (record.unpack, record.patches, record.configure)
                if isinstance(step, TierStep)
            ]
            if not isinstance(record.cold, KernelBuild) or not record.cold.step.worked:
                print("the cold build did not work; see script/contract -k linux-xr", file=sys.stderr)
                return 1
            outside.append(ours[-1] - sum(step.seconds for step in [*steps, record.cold.step]))
            theirs.append(plain(wanted, bench.image, cpus, bench.plan.memory_limit or bench.about.memory))
    harness, commands, added = (statistics.median(values) for values in (ours, theirs, outside))
    figures = {
        "harness_seconds": round(harness, 1),
        "plain_seconds": round(commands, 1),
        "ratio": round(harness / commands, 3),
        "outside_of_steps_seconds": round(added, 1),
        "outside_of_steps": round(added / (harness - added), 4),
        "rounds": arguments.rounds,
    }
    print(f"cold build through the harness   {harness:8.1f} s")
    print(f"the same steps, plain docker run {commands:8.1f} s")
    print(f"ratio                            {harness / commands:8.3f}    promised: under {1 + MOST:.2f}")
    print(f"of it outside of the steps       {added:8.1f} s  {added / (harness - added):.1%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return 0 if harness / commands < 1 + MOST else 1


if __name__ == "__main__":
    sys.exit(main())
