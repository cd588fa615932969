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
    with pool(tmp_path) as made:
        yield made


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
def test_canaries_are_built_on_a_runner_and_nothing_of_them_stays(
    runners: Pool, builder: str, canary: str, shows: set[str]
) -> None:
    machine = runners.runner(builder)
    before = machine.left()
    if builder == "tinyland-dind":
        somebody_elses_image(machine)
    images = machine.run(*IMAGES).stdout
    found = machine.check("-k", "canaries")
    assert found.kept == {f"canaries/{canary}-{show}" for show in shows}, found.text
    assert found.broken == set()
    # A kernel is booted in containers of its own.
    assert {local_id.startswith("canaries/linux-xr-") for local_id in found.unproven} <= {True}
    for local_id in found.unproven:
        assert found.evidence[local_id]["provable_here"] == "no"
        assert "use --runner docker" in found.seen(local_id)
    for local_id in found.kept:
        line = found.evidence[local_id]
        assert line["rung"] == "C3"
        assert line["witnesses"][-1] == "fresh: a folder and home of its own, on a machine that is not"
    builds = found.evidence[f"canaries/{canary}-builds"]
    assert "measured.disk_bytes" in builds
    # The control group holds this harness, too.
    assert "measured.peak_memory_bytes" not in builds
    assert machine.left() == before
    assert machine.run(*IMAGES).stdout == images


def test_after_an_interrupt_a_daemon_has_the_images_that_it_had(runners: Pool) -> None:
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
        assert "Interrupt" in checked.result(timeout=60).text
    assert machine.run(*IMAGES).stdout == images


def test_an_artifact_that_names_the_folder_of_the_build_breaks_its_clause_alone(runners: Pool) -> None:
    """Nothing is claimed here: the machine does not show that it is a runner of the class."""
    script = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    bad = script.replace("mkdir -p out", "mkdir -p out\npwd >out/where")
    assert bad != script
    contracts = world(runners.folder, {"canaries/flake/build.sh": bad})
    found = runners.runner("tinyland-nix").check("-k", "canaries", contracts=contracts, live=False)
    assert found.broken == {"canaries/flake-artifacts"}
    assert "out/where contains /tmp/builder-contracts-run-" in found.seen("canaries/flake-artifacts")
    assert found.kept == {f"canaries/flake-{show}" for show in FLAKE - {"artifacts"}}
    assert {line["rung"] for line in found.evidence.values()} == {"C0"}


def test_a_build_that_never_ends_is_broken_and_does_not_stay(runners: Pool) -> None:
    changes = {
        "canaries/flake/build.sh": "#!/bin/sh\nsleep 600 & sleep 600\n",
        "canaries/flake/canary.yaml": (ROOT / "canaries/flake/canary.yaml")
        .read_text("utf-8")
        .replace("budget: {seconds: 60", "budget: {seconds: 1"),
    }
    machine = runners.runner("tinyland-nix")
    found = machine.check("-k", "canaries/flake-builds", contracts=world(runners.folder, changes))
    assert found.broken == {"canaries/flake-builds"}
    assert "did not complete" in found.seen("canaries/flake-builds")
    assert machine.run("pgrep", "sleep", "-a").stdout.decode().count("600") == 0
