"""One test of behaviour for every runner: what works in one works in all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Unseen
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close
from builder_contracts.runner.docker.launch_plan import LaunchPlan
from builder_contracts.runner.docker.network import EMPTY, RunNetwork
from builder_contracts.runner.docker.runner import DockerRunner
from builder_contracts.runner.host import HostRunner
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import OutsideView, Runner

IMAGE = "tinyland-nix"


@pytest.fixture(
    params=[
        "local",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("testinfra-docker", marks=pytest.mark.docker),
    ]
)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    if request.param == "local":
        yield local_runner()
        return
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    if engine.describe_image(client, IMAGE) is None:
        pytest.skip(f"needs the image {IMAGE}: script/images builds it")
    run = RunLabels()
    network = RunNetwork(client, run, EMPTY)
    try:
        with DockerRunner(
            client, run, name="conformance", image=IMAGE, plan=LaunchPlan(), network=network
        ) as docker:
            unknown = Unseen("not looked at")
            over_testinfra = HostRunner(
                f"docker://{docker.container}", OutsideView(unknown, unknown, unknown)
            )
            yield docker if request.param == "docker" else over_testinfra
    finally:
        network.close()
        close(client, run)
        client.close()


def test_arguments_arrive_as_they_are(runner: Runner) -> None:
    words = ["a b", "", "$(id)", "`id`", "quote ' and \" and \\", "line\nbreak", "*", "é"]

    done = runner.execute(["/bin/sh", "-c", 'printf "[%s]" "$@"', "sh", *words], deadline=30)

    assert done.status == 0
    assert done.stdout.decode() == "".join(f"[{word}]" for word in words)


def test_status_and_both_streams_are_kept_apart(runner: Runner) -> None:
    done = runner.execute(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], deadline=30)

    assert (done.status, done.stdout, done.stderr, done.ended) == (7, b"out\n", b"err\n", "")


def test_large_and_binary_output_arrives_whole(runner: Runner) -> None:
    done = runner.execute(["/bin/sh", "-c", "head -c 1000000 /dev/zero"], deadline=30)

    assert done.stdout == bytes(1_000_000)


def test_a_program_that_is_not_there_has_a_status(runner: Runner) -> None:
    done = runner.execute(["/nonexistent/program"], deadline=30)

    assert done.status in (126, 127)


def test_the_deadline_ends_the_wait_and_keeps_what_was_printed(runner: Runner) -> None:
    begun = time.monotonic()

    done = runner.execute(["/bin/sh", "-c", "echo early; sleep 30"], deadline=1.5)

    assert time.monotonic() - begun < 15
    assert done.status is None
    assert "1.5 s" in done.ended
    assert done.stdout == b"early\n"


def test_a_local_process_is_gone_after_its_deadline(tmp_path: Path) -> None:
    mark = tmp_path / "alive"

    local_runner().execute(["/bin/sh", "-c", f"(sleep 2; touch {mark}) & wait"], deadline=0.5)
    time.sleep(2.5)

    assert not mark.exists()


def test_the_harness_s_own_credentials_are_no_part_of_the_local_runner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OWN_WRITER", "writer:hunter2")
    monkeypatch.setenv("OWN_CACHE", "main")

    seen = [
        local_runner(hidden=hidden).execute(["env"], deadline=20).stdout.decode().splitlines()
        for hidden in (frozenset[str](), frozenset({"OWN_WRITER"}))
    ]

    assert ["OWN_WRITER=writer:hunter2" in lines for lines in seen] == [True, False]
    assert all("OWN_CACHE=main" in lines for lines in seen)
