"""Images and runs that break ports, responses, limits, or the settings of Nix and a daemon."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.runner import DockerRunner
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker

CONF = "/home/runner/.config/nix/nix.conf"
USER_CONF = (
    # Nix ignores the setting in a file unless flakes are on by then.
    "RUN install -d -o runner -g runner /home/runner/.config/nix && printf 'extra-experimental-features = flakes\\n"
    f"accept-flake-config = true\\n' >{CONF}"
)


@pytest.mark.parametrize(
    ("instructions", "breaks", "says"),
    [
        ("EXPOSE 8080", "image/exposed", "EXPOSE 8080/tcp"),
        (USER_CONF, "nix/setting/accept-flake-config", f"accept-flake-config = true (set in {CONF})"),
        ("RUN echo sandbox = true >/etc/nix/nix.conf", "nix/setting/sandbox", "set in /etc/nix/nix.conf"),
    ],
)
def test_image_breaks_exactly_one_setting(bench: Bench, instructions: str, breaks: str, says: str) -> None:
    seen = bench.observe(bench.contract("tinyland-nix"), image=bench.build("tinyland-nix", instructions))
    assert seen.broken == {breaks}
    assert says in seen.verdicts[breaks].observation


STARTED = """image: {reference: tinyland-docker}
job: {start: image}
process:
  umask: "0022"
  ulimits: {nofile: {at_least: 1024}}
ports:
  8080/tcp: loopback
  9000/udp: absent
  others: absent
"""
# A job that listens where its arguments say, after what one more line changes.
LISTENER = """#!/usr/bin/python3
import os, pathlib, resource, socket, sys, time
CHANGE
sockets = []
for text in sys.argv[1:]:
    kind, address, port = text.split(",")
    sockets.append(socket.socket(type=socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM))
    sockets[-1].bind((address, int(port)))
    if kind == "tcp":
        sockets[-1].listen()
pathlib.Path("/tmp/ready").touch()
time.sleep(600)
"""
LOOPBACK, ANY = "127.0.0.1", "0.0.0.0"  # noqa: S104 # what is to be seen
SOUND = f"tcp,{LOOPBACK},8080"


@pytest.mark.parametrize(
    ("change", "listen", "breaks", "says"),
    [
        ("", [SOUND], "", ""),
        ("os.umask(0o77)", [SOUND], "process/umask", "umask 0077"),
        (
            "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
            [SOUND],
            "process/ulimit/nofile",
            "nofile 64",
        ),
        ("", [f"tcp,{ANY},8080"], "ports/8080/tcp", f"8080/tcp listens on {ANY}"),
        ("", [], "ports/8080/tcp", "nothing listens on 8080/tcp"),
        ("", [SOUND, f"udp,{ANY},9000"], "ports/9000/udp", f"9000/udp listens on {ANY}"),
        ("", [SOUND, f"udp,{ANY},9001"], "ports/others", f"9001/udp listens on {ANY}"),
    ],
)
def test_entry_point_breaks_exactly_what_it_changes(
    bench: Bench,
    write_contract: Callable[..., Contract],
    change: str,
    listen: list[str],
    breaks: str,
    says: str,
) -> None:
    def wait(runner: DockerRunner) -> None:
        waiting = "until [ -e /tmp/ready ]; do sleep 0.1; done"
        assert runner.execute(["/bin/sh", "-c", waiting], deadline=30).status == 0

    program = base64.b64encode(LISTENER.replace("CHANGE", change).encode()).decode()
    image = bench.build(
        "tinyland-docker",
        f"RUN echo {program} | base64 -d >/start && chmod 0755 /start\n"
        f"ENTRYPOINT {json.dumps(['/start', *listen])}\nCMD []",
    )
    seen = bench.observe(write_contract(STARTED), image=image, before=wait)
    assert seen.broken == ({breaks} if breaks else set())
    if breaks:
        assert says in seen.verdicts[breaks].observation


RUN = """process:
  sysctls: {net.ipv4.ip_unprivileged_port_start: "0"}
  shm: 64Mi
network: {resolve: [attic.nix-cache.svc.cluster.local]}
"""


@pytest.mark.parametrize(
    ("command", "breaks", "says"),
    [
        ("mount -o remount,size=1m /dev/shm", "process/shm", "/dev/shm of 1Mi"),
        (
            "mount -o remount,rw /proc/sys && echo 99 >/proc/sys/net/ipv4/ip_unprivileged_port_start",
            "process/sysctl/net.ipv4.ip_unprivileged_port_start",
            "= 99",
        ),
    ],
)
def test_run_breaks_exactly_what_it_changes(
    bench: Bench, write_contract: Callable[..., Contract], command: str, breaks: str, says: str
) -> None:
    def change(runner: DockerRunner) -> None:
        completed = engine.execute(
            bench.client, runner.container, ["sh", "-c", command], deadline=30, user="root", privileged=True
        )
        assert completed.status == 0, completed

    contract = write_contract(RUN)
    assert bench.observe(contract).broken == set()
    # The filter of system calls would forbid the change itself.
    launch = replace(bench.plan(contract), seccomp_unconfined=True)
    seen = bench.observe(contract, launch=launch, before=change)
    assert seen.broken == {breaks}
    assert says in seen.verdicts[breaks].observation


ATTIC = "attic.nix-cache.svc.cluster.local"
REACH = f"""network:
  reach:
    - {{url: "http://{ATTIC}/main/nix-cache-info", status: 200}}
    - {{url: "http://{ATTIC}/gone", status: 404}}
    - {{url: "http://{ATTIC}:8080/", status: 200}}
    - {{url: "http://attic-api.nix-cache.svc.cluster.local/", status: 200}}
    - {{url: "https://cache.nixos.org/nix-cache-info", status: 200}}
    - cache.nixos.org:443
"""


def test_response_is_kept_broken_or_unproven_for_its_reason(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    verdicts = bench.observe(write_contract(REACH)).verdicts
    seen = {
        name.removeprefix("network/reach/"): (verdict.outcome.value, verdict.observation)
        for name, verdict in verdicts.items()
        if name.startswith("network/reach/")
    }
    assert seen[f"http://{ATTIC}/main/nix-cache-info"] == ("kept", "status 200")
    assert seen[f"http://{ATTIC}/gone"] == ("broken", "status 200")
    assert seen[f"http://{ATTIC}:8080/"] == ("broken", "refused: Connection refused")
    name = "http://attic-api.nix-cache.svc.cluster.local/"
    assert seen[name] == ("broken", "unresolved: Name or service not known")
    for name in ("https://cache.nixos.org/nix-cache-info", "cache.nixos.org:443"):
        assert seen[name][0] == "unproven"
        assert "no way out" in seen[name][1]
        assert not verdicts[f"network/reach/{name}"].provable_here


@pytest.mark.parametrize(
    ("option", "command", "breaks", "says"),
    [
        ("--insecure-registry=r.example:5000", "", "daemon/insecure-registries", "r.example:5000"),
        ("--mtu=1400", "", "daemon/mtu", "MTU 1400"),
        ("--storage-driver=vfs", "", "daemon/storage-driver", "storage driver vfs"),
        ("", "docker network create ci", "daemon/networks", "networks bridge, ci, host, none"),
    ],
)
def test_daemon_breaks_exactly_one_setting(
    bench: Bench, option: str, command: str, breaks: str, says: str
) -> None:
    wrap = (
        "RUN mv /usr/sbin/dockerd /usr/sbin/dockerd.real && printf '#!/bin/sh\\n"
        f'exec /usr/sbin/dockerd.real "$@" {option}\\n\' >/usr/sbin/dockerd && chmod 0755 /usr/sbin/dockerd'
    )

    def change(runner: DockerRunner) -> None:
        if command:
            completed = runner.execute(command.split(), deadline=30)
            assert completed.status == 0, completed

    seen = bench.observe(
        bench.contract("tinyland-dind"), image=bench.build("tinyland-dind", wrap), before=change
    )
    assert seen.broken == {breaks}
    assert says in seen.verdicts[breaks].observation


TLS = "trust: {tools: [curl, git, openssl, python3]}\n"
GIT = "git config --system http"
OTHER = "cp /etc/ssl/certs/ca-certificates.crt /opt/other.pem"


@pytest.mark.parametrize(
    ("instructions", "breaks", "says"),
    [
        ("", [], ""),
        # With nothing but another bundle, libcurl would still look into /etc/ssl/certs.
        (
            f"RUN {OTHER} && printf 'cacert=/opt/other.pem\\ncapath=/opt\\n' >/home/runner/.curlrc",
            ["curl"],
            "refuses",
        ),
        (f"RUN {OTHER} && {GIT}.sslCAInfo /opt/other.pem && {GIT}.sslCAPath /opt", ["git"], "refuses"),
        (f"RUN {GIT}.sslVerify false", ["git"], "authority is in no bundle"),
        ("RUN echo insecure >/home/runner/.curlrc", ["curl"], "authority is in no bundle"),
        ("RUN rm /usr/bin/openssl", ["openssl"], "openssl is not on PATH"),
        ("RUN rm -r /etc/ssl/certs", ["curl", "git", "openssl", "python3"], "no CA bundle"),
    ],
)
def test_tool_that_does_not_use_the_bundle_is_broken(
    bench: Bench, write_contract: Callable[..., Contract], instructions: str, breaks: list[str], says: str
) -> None:
    contract = write_contract(f"image: {{reference: tinyland-docker}}\n{TLS}")
    seen = bench.observe(contract, image=bench.build("tinyland-docker", instructions))
    assert seen.unproven == set()
    assert seen.broken == {f"trust/tool/{tool}" for tool in breaks}
    if breaks:
        assert says in seen.verdicts[f"trust/tool/{breaks[0]}"].observation
