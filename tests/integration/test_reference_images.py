"""The reference images do what their class is for, as a hardened job of the class would do it.

What each image promises clause by clause is in contracts/ and checked by ``script/contract``; here its tools do
their work: offline, as the user runner, without capabilities.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep

ROOT = Path(__file__).parents[2]
CLASSES = ["tinyland-nix", "tinyland-docker", "tinyland-dind"]

pytestmark = pytest.mark.docker

# Starts a container of an image; it is gone after the test.
Launch = Callable[..., Container]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        engine_client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    if missing := [name for name in CLASSES if engine.describe_image(engine_client, name) is None]:
        pytest.skip(f"needs the images {missing}: script/images builds them")
    sweep(engine_client)
    yield engine_client
    engine_client.close()


@pytest.fixture
def run(client: docker.DockerClient) -> Iterator[RunLabels]:
    """What carries this run's labels is gone after the test, or after the next run of any kind."""
    run = RunLabels()
    yield run
    close(client, run)


@pytest.fixture
def launch(client: docker.DockerClient, run: RunLabels) -> Launch:
    def launch(image: str, command: Sequence[str] = ("sleep", "600"), **options: Any) -> Container:
        settings: dict[str, Any] = {"network_mode": "none", "init": True, "labels": run.labels}
        container = client.containers.create(image, list(command), **(settings | options))
        container.start()
        return container

    return launch


@pytest.fixture
def job(launch: Launch) -> Launch:
    """A container as the pools start a job's: no capabilities, no way to gain any."""

    def job(image: str, **options: Any) -> Container:
        return launch(image, cap_drop=["ALL"], security_opt=["no-new-privileges"], **options)

    return job


def shell(container: Container, script: str) -> str:
    """What the script wrote; the test fails with it where the script does."""
    status, output = container.exec_run(["bash", "-euc", script])
    assert isinstance(output, bytes)
    text = output.decode(errors="replace")
    assert status == 0, text
    return text


def put(container: Container, folder: Path, target: str) -> None:
    """Copies a folder into the container, as the job's own files."""
    archive = subprocess.run(
        ["tar", "--owner=1001", "--group=1001", "-C", folder, "-c", "."],  # noqa: S607 # the PATH's tar
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    shell(container, f"mkdir -p {target}")
    assert container.put_archive(target, archive)


@pytest.mark.parametrize("image", CLASSES)
class TestEveryImage:
    def test_a_job_is_the_user_runner_without_any_capability(self, job: Launch, image: str) -> None:
        seen = shell(
            job(image), "id -u; id -g; echo $HOME; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status"
        )
        assert seen.splitlines()[:3] == ["1001", "1001", "/home/runner"]
        assert set(seen.splitlines()[3:]) == {
            "CapEff:\t" + "0" * 16,
            "CapBnd:\t" + "0" * 16,
            "NoNewPrivs:\t1",
        }

    def test_it_says_what_it_is(self, client: docker.DockerClient, image: str) -> None:
        labels = client.images.get(image).labels
        names = {
            f"org.opencontainers.image.{name}"
            for name in ("title", "description", "version", "licenses", "base.name")
        }
        assert names <= labels.keys()
        assert labels["org.opencontainers.image.title"] == image
        assert all(labels[name] for name in names)

    def test_it_shares_all_but_its_last_layer_with_the_others(
        self, client: docker.DockerClient, image: str
    ) -> None:
        shared = layers(client, "builder-contracts/runner:sid")
        assert layers(client, image)[:-1] == shared

    def test_nothing_of_its_making_is_left_in_it(self, launch: Launch, image: str) -> None:
        """Package lists, caches, logs, this machine's name and identity, backup copies, set-time files."""
        leftovers = shell(
            launch(image, user="root"),
            "cd /; ls -d etc/machine-id etc/*- var/lib/dpkg/*-old 2>/dev/null || true;"
            "find var/log var/cache/ldconfig var/cache/apt var/lib/apt/lists tmp var/tmp build context keystore"
            " -type f ! -name lock 2>/dev/null || true",
        )
        assert leftovers == ""


class TestNix:
    def test_a_flake_builds_offline_into_a_store_of_the_users_own(self, job: Launch, tmp_path: Path) -> None:
        nonce = uuid.uuid4().hex
        (tmp_path / "flake.nix").write_text(
            "{ outputs = _: { packages.x86_64-linux.default = derivation {"
            ' name = "nonce"; system = "x86_64-linux"; builder = "/bin/sh";'
            f' args = [ "-c" "echo {nonce} > $out" ]; }}; }}; }}\n'
        )
        container = job("tinyland-nix")
        put(container, tmp_path, "/home/runner/flake")
        built = shell(
            container,
            "cd ~/flake && nix build path:. && cat result && nix path-info --json --json-format 1 ./result 2>/dev/null",
        )
        output, information = built.strip().splitlines()[-2:]
        assert output == nonce
        [path] = json.loads(information).values()
        assert path["ultimate"] is True


class TestDocker:
    def test_c_programs_link_with_what_a_kernel_build_needs(self, job: Launch) -> None:
        container = job("tinyland-docker")
        program = "#include <libelf.h>\\n#include <openssl/evp.h>\\nint main(void){return elf_version(EV_CURRENT)==EV_NONE||!EVP_sha256();}\\n"
        shell(
            container, f"cd ~; printf '{program}' >p.c; ccache gcc -Wall -Werror p.c -lelf -lcrypto -o p; ./p"
        )

    def test_an_rpm_package_is_built(self, job: Launch) -> None:
        container = job("tinyland-docker")
        spec = (
            "Name: nonce\\nVersion: 1\\nRelease: 1\\nSummary: s\\nLicense: Apache-2.0\\nBuildArch: noarch\\n"
            "%%description\\nd\\n%%install\\nmkdir -p %%{buildroot}/opt\\necho real >%%{buildroot}/opt/nonce\\n%%files\\n/opt/nonce\\n"
        )
        shell(container, f"cd ~; printf '{spec}' >nonce.spec; rpmbuild --quiet -bb nonce.spec 2>&1")
        assert (
            shell(container, "rpm -qpl ~/rpmbuild/RPMS/noarch/nonce-1-1.noarch.rpm 2>/dev/null")
            == "/opt/nonce\n"
        )

    @pytest.mark.slow
    def test_a_bzlmod_workspace_builds_and_tests_offline(self, job: Launch) -> None:
        container = job("tinyland-docker")
        put(container, ROOT / "canaries/bzlmod", "/home/runner/bzlmod")
        assert "PASSED" in shell(container, "cd ~/bzlmod; bazel test //... 2>&1")

    def test_there_is_no_docker_in_it(self, launch: Launch) -> None:
        programs = shell(
            launch("tinyland-docker", user="root"),
            "command -v docker dockerd containerd runc podman buildah || true; find / -xdev -name 'docker*.sock' 2>/dev/null",
        )
        assert programs == ""


class TestDind:
    def test_job_builds_and_runs_images_on_its_sidecar(
        self, client: docker.DockerClient, run: RunLabels, launch: Launch, job: Launch
    ) -> None:
        network = client.networks.create(run.name("dind"), internal=True, labels=run.labels)
        runner = job("tinyland-dind", network_mode=network.name)
        launch(
            "tinyland-dind",
            ["dockerd", "--host=tcp://127.0.0.1:2375", "--tls=false"],
            user="root",
            privileged=True,
            network_mode=f"container:{runner.id}",
            volumes=["/var/lib/docker"],
        )
        until = time.monotonic() + 60
        while runner.exec_run(["docker", "version"]).exit_code:
            assert time.monotonic() < until, "the daemon beside the job did not answer within 60 s"
            time.sleep(0.1)
        nonce = uuid.uuid4().hex
        output = shell(
            runner,
            # A base without a registry: the job's own shell and the libraries that it needs.
            "mkdir -p ~/root ~/image; cd ~; for f in /bin/sh $(ldd /bin/sh | grep -o '/[^ )]*'); do"
            "  mkdir -p root$(dirname $f); cp $f root$f; done\n"
            "tar -C root -c . | docker import - base >/dev/null\n"
            f'printf \'FROM base\\nRUN echo {nonce} >/nonce\\nCMD ["/bin/sh", "-c", "read n </nonce; echo $n"]\\n\' >image/Dockerfile\n'
            "docker build --quiet --tag nonce image >/dev/null 2>&1; docker run --rm nonce",
        )
        assert output == f"{nonce}\n"
        assert shell(runner, "docker info --format '{{.Images}}' 2>/dev/null") == "2\n"
        # Its own: this machine's engine has no part in it.
        assert engine.describe_image(client, "nonce") is None

    def test_without_the_sidecar_there_is_no_daemon(self, job: Launch) -> None:
        assert job("tinyland-dind").exec_run(["docker", "version"]).exit_code == 1


def layers(client: docker.DockerClient, image: str) -> list[str]:
    digests = client.images.get(image).attrs["RootFS"]["Layers"]
    assert isinstance(digests, list)
    return digests


@pytest.fixture
def scratch(client: docker.DockerClient) -> Iterator[Callable[[], str]]:
    """Names for images that are gone after the test."""
    names: list[str] = []

    def name() -> str:
        names.append(f"builder-contracts-test/image:{uuid.uuid4().hex[:12]}")
        return names[-1]

    yield name
    for used in names:
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.images.remove(used)


def bake(folder: Path, target: str, tag: str, **variables: str) -> None:
    """Builds one target of a tree's bake file, every step of it."""
    subprocess.run(
        [  # noqa: S607 # the PATH's docker
            "docker",
            *("buildx", "bake", "--file", "builders/docker-bake.hcl", "--provenance=false", "--no-cache"),
            *("--set", f"{target}.tags={tag}", target),
        ],
        cwd=folder,
        env=os.environ | {"FETCHED": str(time.time_ns())} | variables,
        check=True,
        capture_output=True,
        timeout=600,
    )


@pytest.mark.slow
class TestReproducible:
    def test_a_second_build_of_every_step_gives_the_same_layers(
        self, client: docker.DockerClient, scratch: Callable[[], str]
    ) -> None:
        """From one archive: where the mirror moves between the two builds, they may differ, and rightly."""
        builds = []
        for _ in range(2):
            runner, image = scratch(), scratch()
            bake(ROOT, "runner", runner)
            bake(ROOT, "tinyland-nix", image, RUNNER_IMAGE=runner)
            builds.append(layers(client, image))
        assert builds[0] == builds[1]

    def test_a_step_that_keeps_the_time_of_day_would_be_noticed(
        self, client: docker.DockerClient, scratch: Callable[[], str], tmp_path: Path
    ) -> None:
        shutil.copytree(ROOT / "builders", tmp_path / "builders")
        (tmp_path / "builders/tinyland-nix/Dockerfile").write_text(
            "FROM runner\nUSER root\nRUN date +%s%N >/etc/built-now\n"
        )
        builds = []
        for _ in range(2):
            image = scratch()
            bake(tmp_path, "tinyland-nix", image)
            builds.append(layers(client, image))
        assert builds[0][:-1] == builds[1][:-1]
        assert builds[0][-1] != builds[1][-1]
