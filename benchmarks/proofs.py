"""What proving costs: a canary through the harness against the same command in a plain ``docker run``, and the wall
time of all proofs of all classes.

    python benchmarks/proofs.py [--rounds N] [--all]

Both have the class's limits. The ratio is of medians from one run, taken in turns. Beside it stands what the harness
spent outside of the build, by its own clock: on a busy machine the ratio of two builds is mostly noise, this is not.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from builder_contracts.contract.loading import load
from builder_contracts.prove.canary import definition as canaries
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep
from builder_contracts.runner.docker.launch_plan import LaunchPlan, plan
from builder_contracts.runner.docker.runner import describe_engine
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack

ROOT = Path(__file__).parents[1]
CLASS, CANARY = "tinyland-docker", "bzlmod"


def plain(launch: LaunchPlan) -> float:
    """The canary's command in a container that Docker's own client starts and removes."""
    limits = [f"--cpus={(launch.cpu_limit or 0) / 1000:g}", f"--memory={launch.memory_limit or 0}"]
    begun = time.monotonic()
    script = "cp -r /canary ~/canary && cd ~/canary && sh build.sh"
    # Bazel cannot reach a cache without a network, and needs none.
    subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges",  # noqa: S607 # the docker of whoever runs this
         *limits, f"--volume={ROOT / 'canaries' / CANARY}:/canary:ro", CLASS, "sh", "-euc", script],
        check=True, capture_output=True,
    )  # fmt: skip
    return time.monotonic() - begun


def harness(bench: ContainerTestbed, canary: canaries.Canary) -> tuple[float, float]:
    """The same through a fresh runner: started, canary copied in, built, artifacts taken out, removed.

    Seconds in all, and outside of the build's own command.
    """
    begun = time.monotonic()
    with bench.fresh("benchmark") as job:
        job.stage(canary.folder, canary.inputs, {})
        building = time.monotonic()
        job.must("building", canary.command, deadline=600)
        built = time.monotonic() - building
        job.take(canary.artifacts)
    whole = time.monotonic() - begun
    return whole, whole - built


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="also time all proofs of all classes")
    options = parser.parse_args()
    client = engine.connect()
    sweep(client)
    run = RunLabels()
    host = ServiceStack(client, run)
    contract = load(ROOT / "contracts" / f"{CLASS}.yaml")
    about = describe_engine(client)
    launch = plan(contract, host_cpus=about.cpus, host_memory=about.memory)
    bench = ContainerTestbed(
        engine_client=client, run=run, host=host, credentials=Credentials.random(), endpoints={}, name=CLASS,
        image=CLASS, plan=launch, home="/home/runner", about=about,
    )  # fmt: skip
    canary = canaries.load(ROOT / "canaries" / CANARY)
    try:
        rounds = [(plain(launch), *harness(bench, canary)) for _ in range(options.rounds)]
    finally:
        host.close()
        close(client, run)
        client.close()
    alone, proved, outside = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{CANARY} in a plain docker run  {alone:6.1f} s   (median of {options.rounds})")
    print(f"{CANARY} through the harness    {proved:6.1f} s   ratio {proved / alone:.3f}")
    print(f"  of which outside of the build {outside:4.1f} s   {outside / alone:.1%} of the plain run")
    if options.all:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "contract and proof", str(ROOT / "contracts")],
            cwd=ROOT,
        )
        print(
            f"all proofs of all classes      {time.monotonic() - begun:6.1f} s   (pytest exit {done.returncode})"
        )


if __name__ == "__main__":
    main()
