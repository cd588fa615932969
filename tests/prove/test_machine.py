"""Proofs on the machine itself: the true command line in a container of each class's image, as a runner of the pool."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.prove.conftest import Worlds
from tests.prove.pool import ROOT, Machine, Pool, pool, world

pytestmark = pytest.mark.docker

FLAKE = {"builds", "runs", "artifacts", "rebuild", "pure", "lock"}
PLAIN = {"builds", "runs", "artifacts"}
IMAGES = ("docker", "images", "-a", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")


@pytest.fixture
def runners(worlds: Worlds, tmp_path: Path) -> Iterator[Pool]:
    with pool(tmp_path) as created:
        yield created


def somebody_elses_image(machine: Machine) -> None:
    """An image of the canary's name, which is to stay what it is."""
    machine.run("sh", "-c", "tar -cf - -C /etc hostname | docker import - canary-image")


@pytest.mark.parametrize(
    ("builder", "canary", "shows"),
    [
        ("tinyland-nix", "flake", FLAKE),
        ("tinyland-docker", "bzlmod", PLAIN),
        ("tinyland-dind", "image", PLAIN),
    ],
)
def test_canaries_on_a_runner_leave_nothing_behind(
    runners: Pool, builder: str, canary: str, shows: set[str]
) -> None:
    machine = runners.runner(builder)
    before = machine.left()
    if builder == "tinyland-dind":
        somebody_elses_image(machine)
    images = machine.run(*IMAGES).stdout
    result = machine.check("-k", "canaries")
    assert result.kept == {f"canaries/{canary}-{show}" for show in shows}, result.text
    assert result.broken == set()
    # A kernel is booted in containers of its own.
    assert {local_id.startswith("canaries/linux-xr-") for local_id in result.unproven} <= {True}
    for local_id in result.unproven:
        assert result.evidence[local_id]["provable_here"] is False
        assert "use --runner docker" in result.seen(local_id)
    for local_id in result.kept:
        line = result.evidence[local_id]
        assert line["rung"] == "C3"
        assert line["witnesses"][-1] == "fresh: its own directory and home, on a reused machine"
    builds = result.evidence[f"canaries/{canary}-builds"]
    quantities = {measurement["quantity"] for measurement in builds["measurements"]}
    assert "disk_bytes" in quantities
    # The control group holds this harness, too.
    assert "peak_memory_bytes" not in quantities
    assert machine.left() == before
    assert machine.run(*IMAGES).stdout == images


def test_interrupted_run_restores_the_daemons_images(runners: Pool) -> None:
    build = (ROOT / "canaries/image/build.sh").read_text("utf-8")
    contracts = world(runners.folder, {"canaries/image/build.sh": f"{build}\nsleep 543\n"})
    machine = runners.runner("tinyland-dind")
    somebody_elses_image(machine)
    images = machine.run(*IMAGES).stdout
    with ThreadPoolExecutor() as pool:
        checked = pool.submit(machine.check, "-k", "canaries", contracts=contracts)
        while not machine.run("pgrep", "-f", "sleep 543").stdout:
            assert not checked.done(), checked.result().text
            time.sleep(0.1)
        assert machine.run(*IMAGES).stdout != images
        machine.run("pkill", "-INT", "-f", "builder_contracts.cli")
        assert "interrupted" in checked.result(timeout=60).text
    assert machine.run(*IMAGES).stdout == images


def test_artifact_with_its_build_directory_breaks_one_clause(runners: Pool) -> None:
    """Nothing is claimed here: the machine does not show that it is a runner of the class."""
    script = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    bad = script.replace("mkdir -p out", "mkdir -p out\npwd >out/where")
    assert bad != script
    contracts = world(runners.folder, {"canaries/flake/build.sh": bad})
    result = runners.runner("tinyland-nix").check("-k", "canaries", contracts=contracts, live=False)
    assert result.broken == {"canaries/flake-artifacts"}
    assert "out/where contains /tmp/builder-contracts-run-" in result.seen("canaries/flake-artifacts")
    assert result.kept == {f"canaries/flake-{show}" for show in FLAKE - {"artifacts"}}
    assert {line["rung"] for line in result.evidence.values()} == {"C0"}


def test_endless_build_is_broken_and_killed(runners: Pool) -> None:
    changes = {
        "canaries/flake/build.sh": "#!/bin/sh\nsleep 600 & sleep 600\n",
        "canaries/flake/canary.yaml": (ROOT / "canaries/flake/canary.yaml")
        .read_text("utf-8")
        .replace("budget: {seconds: 60", "budget: {seconds: 1"),
    }
    machine = runners.runner("tinyland-nix")
    result = machine.check("-k", "canaries/flake-builds", contracts=world(runners.folder, changes))
    assert result.broken == {"canaries/flake-builds"}
    assert "did not complete" in result.seen("canaries/flake-builds")
    assert machine.run("pgrep", "sleep", "-a").stdout.decode().count("600") == 0
