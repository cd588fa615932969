"""One test of behaviour for every runner: what works in one works in all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.errors import EngineError
from builder_contracts.runner import process
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close
from builder_contracts.runner.docker.launch_plan import LaunchPlan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.docker.network_plan import EMPTY
from builder_contracts.runner.docker.runner import DockerRunner
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.runner.kubernetes.pod_template import PodTemplate
from builder_contracts.runner.kubernetes.runner import KubernetesRunner
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import Runner
from builder_contracts.runner.ssh.runner import SshRunner
from tests.runner.kubectl_stand_in import install
from tests.runner.ssh_server import use

IMAGE = "tinyland-nix"


@pytest.fixture(params=["local", "ssh", "kubernetes", pytest.param("docker", marks=pytest.mark.docker)])
def runner(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runner]:
    if request.param == "ssh":
        server = request.getfixturevalue("ssh_server")
        use(server, tmp_path, monkeypatch)
        yield SshRunner(server.url)
        return
    if request.param == "local":
        yield local_runner()
        return
    if request.param == "kubernetes":
        install(tmp_path, monkeypatch)
        contract = load(Path(__file__).parents[2] / "contracts" / "tinyland-nix.yaml")
        spec = {"containers": [{"name": "runner", "image": IMAGE}]}
        template = PodTemplate({"labels": {}, "annotations": {}}, spec, ())
        with KubernetesRunner(Kubectl(), RunLabels(), contract, template) as in_pod:
            yield in_pod
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
            yield docker
    finally:
        network.close()
        close(client, run)
        client.close()


def test_arguments_arrive_unchanged(runner: Runner) -> None:
    words = ["a b", "", "$(id)", "`id`", "quote ' and \" and \\", "line\nbreak", "*", "é"]

    completed = runner.execute(["/bin/sh", "-c", 'printf "[%s]" "$@"', "sh", *words], deadline=30)

    assert completed.status == 0
    assert completed.stdout.decode() == "".join(f"[{word}]" for word in words)


def test_long_program_and_its_arguments_arrive_unchanged(runner: Runner) -> None:
    program = "\n".join([*[f": line {number}" for number in range(500)], 'printf "[%s]" "$0" "$@"; exit 5'])
    words = ["a b", "", "$(id)", "quote ' and \" and \\", "line\nbreak\n", "*", "é", "x" * 5000]

    completed = runner.execute(["/bin/sh", "-c", program, "name", *words], deadline=30)

    assert completed.status == 5
    assert completed.stdout.decode() == "".join(f"[{word}]" for word in ["name", *words])


def test_status_and_both_streams_are_separate(runner: Runner) -> None:
    completed = runner.execute(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], deadline=30)

    assert (completed.status, completed.stdout, completed.stderr) == (7, b"out\n", b"err\n")
    assert completed.ended == ""


def test_large_binary_output_arrives_whole(runner: Runner) -> None:
    completed = runner.execute(["/bin/sh", "-c", "head -c 1000000 /dev/zero"], deadline=30)

    assert completed.stdout == bytes(1_000_000)


def test_missing_program_has_a_status(runner: Runner) -> None:
    completed = runner.execute(["/nonexistent/program"], deadline=30)

    assert completed.status in (126, 127)


def test_deadline_keeps_the_output_until_then(runner: Runner) -> None:
    # Without a deadline the program never ends, and the test with it.
    completed = runner.execute(["/bin/sh", "-c", "echo early; sleep infinity"], deadline=1.5)

    assert completed.status is None
    assert "1.5 s" in completed.ended
    assert completed.stdout == b"early\n"


def test_last_line_ends_the_command_for_the_reader(runner: Runner) -> None:
    # A child holds the output open for longer than any test waits.
    line = ["/bin/sh", "-c", "echo first; echo last; sleep infinity & wait"]

    completed = runner.execute(line, deadline=300, last_line=b"last")

    assert (completed.status, completed.ended) == (0, "")
    assert completed.stdout == b"first\nlast\n"


def test_last_line_within_a_line_is_not_the_last(runner: Runner) -> None:
    completed = runner.execute(
        ["/bin/sh", "-c", "echo not last; echo lasting; exit 3"], deadline=30, last_line=b"last"
    )

    assert completed.status == 3


def test_flood_is_kept_up_to_a_limit(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (process, engine):
        monkeypatch.setattr(module, "MOST_OUTPUT", 100_000)

    completed = runner.execute(["/bin/sh", "-c", "head -c 1000000 /dev/zero; echo done >&2"], deadline=30)

    assert (completed.status, completed.stderr) == (0, b"done\n")
    assert completed.stdout == bytes(100_000)
    assert completed.cut


def test_flood_ends_at_the_deadline(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (process, engine):
        monkeypatch.setattr(module, "MOST_OUTPUT", 100_000)

    completed = runner.execute(["/bin/sh", "-c", "while :; do echo y; done"], deadline=1.5)

    assert completed.status is None
    assert "1.5 s" in completed.ended
    assert len(completed.stdout) <= 100_000


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    # A child that was killed stays a zombie until its new parent waits for it.
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_local_deadline_kills_children_too() -> None:
    completed = local_runner().execute(["/bin/sh", "-c", "sleep infinity & echo $!; wait"], deadline=0.5)

    assert completed.status is None
    assert not is_running(int(completed.stdout))


def test_local_runner_finds_programs_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert local_runner().execute(["only-here"], deadline=30).stdout == b"ran\n"


def test_local_runner_hides_credentials_of_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_WRITER", "writer:hunter2")
    monkeypatch.setenv("OWN_CACHE", "main")

    listings = [
        local_runner(hidden=hidden).execute(["env"], deadline=20).stdout.decode().splitlines()
        for hidden in (frozenset[str](), frozenset({"OWN_WRITER"}))
    ]

    assert ["OWN_WRITER=writer:hunter2" in lines for lines in listings] == [True, False]
    assert all("OWN_CACHE=main" in lines for lines in listings)
