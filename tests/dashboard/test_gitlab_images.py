"""GitLab's job *images*, run whole: a Debian container, beside a Docker Engine that only TLS reaches."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import cleanup, engine
from tests.dashboard import gitlab

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
NIX, DIND, BASE = "tinyland-nix", "tinyland-dind", "builder-contracts/base:sid"
SEEDED = [
    BASE,
    "builder-contracts/runner:sid",
    NIX,
    "builder-contracts/services",
    "builder-contracts/linux-xr-boot",
]
"""What the engine beside the job has already, so that nothing is built again: that is the scripts' own test."""

# What docker:dind does at its start: an authority, a server's and a client's certificate, and then the engine.
SERVICE = """
set -e
make() { # NAME EXTENSIONS
  mkdir -p "/certs/$1"
  openssl req -new -newkey rsa:2048 -nodes -keyout "/certs/$1/key.pem" -out /tmp/csr.pem -subj "/CN=$1"
  printf '%s\\n' "$2" >/tmp/extensions
  openssl x509 -req -in /tmp/csr.pem -CA /tmp/ca.pem -CAkey /tmp/ca-key.pem -CAcreateserial -days 2 \
    -extfile /tmp/extensions -out "/certs/$1/cert.pem"
  cp /tmp/ca.pem "/certs/$1/ca.pem"
}
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout /tmp/ca-key.pem -out /tmp/ca.pem -days 2 \
  -subj '/CN=authority' -addext keyUsage=critical,digitalSignature,keyCertSign
make server 'subjectAltName = DNS:docker
extendedKeyUsage = serverAuth'
make client 'extendedKeyUsage = clientAuth'
exec dockerd --host unix:///var/run/docker.sock --host tcp://0.0.0.0:2376 --tlsverify \
  --tlscacert /certs/server/ca.pem --tlscert /certs/server/cert.pem --tlskey /certs/server/key.pem
"""

CONTRACT = f"""
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {{name: {NIX}, summary: A class for tests of the nightly steps, owner: tests}}
labels: [{NIX}]
image: {{reference: {NIX}}}
toolchain: {{nix: present}}
canaries: {{flake: [builds, artifacts]}}
"""


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    try:
        made = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    with contextlib.closing(made):
        if missing := [name for name in (*SEEDED, DIND) if engine.describe_image(made, name) is None]:
            pytest.skip(f"needs {', '.join(missing)}: script/images builds them")
        yield made


class Runner:
    """A network, the engine as the service ``docker`` on it, and a volume for certificates, as GitLab's runner
    with ``privileged = true`` makes them for one job."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client, self.run = client, cleanup.RunLabels()
        self.network = client.networks.create(self.run.name("gitlab"), labels=self.run.labels)
        self.certificates = client.volumes.create(self.run.name("certificates"), labels=self.run.labels)

    def container(self, image: str, program: str, alias: str, environment: dict[str, str]) -> Any:
        api: Any = self.client.api
        created = api.create_container(
            image,
            ["sh", "-c", program],
            name=self.run.name(alias),
            labels=self.run.labels,
            user="0",
            environment=environment,
            working_dir="/",
            volumes=["/var/lib/docker", "/certs"],
            host_config=api.create_host_config(
                privileged=True, cpu_shares=512, binds={self.certificates.name: {"bind": "/certs"}}
            ),
            networking_config=api.create_networking_config(
                {self.network.name: api.create_endpoint_config(aliases=[alias])}
            ),
        )
        return self.client.containers.get(created["Id"])

    def engine(self) -> Any:
        service = self.container(DIND, SERVICE, "docker", {})
        service.start()
        return service

    def job(self, files: bytes, **variables: str) -> Any:
        images = gitlab.pipeline()["images"]
        script = "\n".join(["set -e", "cd /builds", *images["before_script"], *images["script"]])
        environment = {name: str(value) for name, value in images["variables"].items()}
        job = self.container(
            BASE,
            script,
            "job",
            {**environment, "VENV": "/venv", "CI": "true", "GITLAB_CI": "true", **variables},
        )
        job.put_archive("/", files)
        job.start()
        return job


@pytest.fixture
def runner(client: docker.DockerClient) -> Iterator[Runner]:
    made = Runner(client)
    try:
        yield made
    finally:
        cleanup.close(client, made.run)


def project() -> tuple[bytes, dict[str, str]]:
    """The project as a job checks it out, with one small contract; and how this machine reaches package indexes."""
    packed, variables = io.BytesIO(), {}
    with tarfile.open(fileobj=packed, mode="w") as archive:

        def add(path: str, content: bytes) -> None:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))

        for name in ("script", "builders", "src", "canaries", "contracts/environments", "contracts/schema"):
            archive.add(
                ROOT / name,
                f"builds/{name}",
                filter=lambda member: None if "__pycache__" in member.name else member,
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            archive.add(ROOT / name, f"builds/{name}")
        add("builds/contracts/tiny.yaml", CONTRACT.encode())
        # A mirror may be older than its Release file's Valid-Until.
        add("etc/apt/apt.conf.d/99mirror", b'Acquire::Check-Valid-Until "false";\n')
        if authorities := os.environ.get("PIP_CERT"):
            add("authorities.pem", Path(authorities).read_bytes())
            variables["PIP_CERT"] = "/authorities.pem"
    return packed.getvalue(), variables


def seed(service: Any) -> None:
    """Give the engine the images that this one has."""
    program = shutil.which("docker") or pytest.skip("needs the docker client")
    unix = [program, "exec", "-i", service.id, "docker", "--host", "unix:///var/run/docker.sock"]
    deadline = time.monotonic() + 120
    while subprocess.run([*unix, "version"], capture_output=True, timeout=30, check=False).returncode:
        assert time.monotonic() < deadline, service.logs().decode(errors="replace")[-4000:]
        time.sleep(0.2)
    with subprocess.Popen([program, "save", *SEEDED], stdout=subprocess.PIPE) as saved:
        subprocess.run(
            [*unix, "load", "--quiet"], stdin=saved.stdout, capture_output=True, timeout=300, check=True
        )


def test_a_class_s_image_is_proved_in_the_engine_of_the_service(runner: Runner, tmp_path: Path) -> None:
    seed(runner.engine())
    files, variables = project()

    job = runner.job(files, BUILDER=NIX, **variables)
    status = job.wait(timeout=900)["StatusCode"]

    log = job.logs().decode(errors="replace")
    assert status == 0, log[-4000:]
    assert "images: building" not in log
    chunks, _ = job.get_archive("/builds/reports")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "reports" / "images" / NIX
    assert sorted(path.name for path in folder.glob("*.xml")) == ["canaries.xml", "quick.xml"]
    report = (folder / "canaries.xml").read_text("utf-8")
    assert 'name="outcome" value="kept"' in report
    assert 'name="rung" value="C2"' in report
