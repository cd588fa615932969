"""Runners that are confined, fed or connected otherwise than their contract says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.runner.docker.launch_plan import DaemonPlan, LaunchPlan
from builder_contracts.runner.docker.runner import DockerRunner
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker


def test_privileged_container_breaks_isolation_clauses(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(contract, launch=dataclasses.replace(bench.plan(contract), privileged=True))

    assert {"isolation/privileged", "isolation/capabilities", "isolation/seccomp"} <= seen.broken
    assert all(local_id.startswith("isolation/") for local_id in seen.broken)
    assert "securityContext.privileged" in seen.verdicts["isolation/privileged"].cause


def test_an_added_capability_breaks_the_capabilities_alone(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(
        contract, launch=dataclasses.replace(bench.plan(contract), add_capabilities=("NET_RAW",))
    )

    assert seen.broken == {"isolation/capabilities"}
    assert "NET_RAW" in seen.verdicts["isolation/capabilities"].observation


def test_missing_no_new_privileges_breaks_only_its_clause(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(contract, launch=dataclasses.replace(bench.plan(contract), no_new_privileges=False))

    assert seen.broken == {"isolation/no-new-privileges"}
    assert "allowPrivilegeEscalation" in seen.verdicts["isolation/no-new-privileges"].cause


def test_a_runner_without_seccomp_can_unshare_and_says_so(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(contract, launch=dataclasses.replace(bench.plan(contract), seccomp_unconfined=True))

    assert "isolation/seccomp" in seen.broken
    assert seen.broken <= {"isolation/seccomp", "isolation/unshare", "isolation/mount"}
    assert "seccompProfile" in seen.verdicts["isolation/seccomp"].cause


def listen(arguments: str) -> Callable[[DockerRunner], None]:
    """A server inside the runner, started as root so that it can stand at the usual places."""
    script = (
        "use IO::Socket::UNIX; use IO::Socket::INET; umask 0; "
        f"my $s = {arguments} or die qq{{$!}}; "
        "exit 0 if fork; close STDIN; close STDOUT; close STDERR; sleep 600"
    )

    def start(runner: DockerRunner) -> None:
        client = runner._client
        created = client.api.exec_create(runner.container, ["perl", "-e", script], user="root")
        assert client.api.exec_start(created["Id"]) == b""

    return start


def test_a_docker_socket_breaks_the_socket_clause_alone(bench: Bench) -> None:
    seen = bench.observe(
        bench.contract("tinyland-docker"),
        before=listen("IO::Socket::UNIX->new(Local => '/run/docker.sock', Listen => 1)"),
    )

    assert seen.broken == {"isolation/docker-socket"}
    assert "/run/docker.sock" in seen.verdicts["isolation/docker-socket"].observation
    assert "any job controls the host" in seen.verdicts["isolation/docker-socket"].cause


def test_daemon_port_on_localhost_breaks_its_clauses(bench: Bench) -> None:
    seen = bench.observe(
        bench.contract("tinyland-docker"),
        before=listen("IO::Socket::INET->new(LocalAddr => '127.0.0.1:2375', Listen => 1)"),
    )

    # No other port may listen, either.
    assert seen.broken == {"isolation/docker-daemon", "ports/others"}
    assert "localhost:2375 accepts connections" in seen.verdicts["isolation/docker-daemon"].observation


def test_devices_that_are_there_or_missing_break_their_clauses(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "isolation: {devices: {/dev/null: absent, /dev/fuse: present, /dev/mem: absent}}\ntoolchain: {sh: present}\n"
    )

    seen = bench.observe(contract)

    assert seen.broken == {"isolation/device/null", "isolation/device/fuse"}
    assert "does not pass the device through" in seen.verdicts["isolation/device/fuse"].cause


def test_a_promised_ability_that_is_denied_is_broken(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract("isolation: {mount: allowed, unshare: allowed}\n")

    seen = bench.observe(contract)

    assert seen.broken == {"isolation/mount", "isolation/unshare"}
    assert "not permitted" in seen.verdicts["isolation/unshare"].observation


@pytest.mark.parametrize(
    ("change", "clause", "seen_text"),
    [
        ({"memory_limit": 1 << 30, "memory_request": 1 << 28}, "resources/memory-limit", "1Gi"),
        ({"memory_limit": None}, "resources/memory-limit", "no limit is set"),
        ({"cpu_limit": 500}, "resources/cpu-limit", "500m"),
        ({"cpu_limit": None}, "resources/cpu-limit", "no limit is set"),
        ({"cpu_request": None}, "resources/cpu-request", "1024"),
        ({"memory_request": None}, "resources/memory-request", "no memory request is set"),
        ({"pids_limit": 64}, "resources/pids-limit", "64"),
    ],
    ids=lambda value: (
        "-".join(f"{key}={item}" for key, item in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_a_resource_that_was_not_applied_breaks_its_clause_alone(
    bench: Bench, change: dict[str, int | None], clause: str, seen_text: str
) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(contract, launch=dataclasses.replace(bench.plan(contract), **change))  # type: ignore[arg-type]

    expected = {clause}
    if "memory_limit" in change and "memory_request" in change:
        expected = {clause}
        assert seen.verdicts["resources/memory-request"].outcome.value == "kept"
    assert seen.broken == expected
    assert seen_text in seen.verdicts[clause].observation
    assert "the pool's template" in seen.verdicts[clause].cause


def test_limit_above_capacity_is_unproven_and_skipped(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract("resources: {cpu: {limit: '4000'}, memory: {limit: 900Ti}}\n")

    seen = bench.observe(contract)

    assert seen.broken == set()
    for name in ("cpu-limit", "memory-limit"):
        verdict = seen.verdicts[f"resources/{name}"]
        assert (verdict.outcome.value, verdict.provable_here) == ("unproven", False)
        assert "the host has" in verdict.observation


def route_to_the_stand_in(runner: DockerRunner) -> None:
    """What a missing network policy amounts to: a route from the job to the forbidden address."""
    client = runner._client
    stand_in = client.api.inspect_container(runner._run.name("stand-in-metadata"))["NetworkSettings"][
        "Networks"
    ]
    gateway = stand_in[runner._run.name("forbidden-metadata")]["IPAddress"]
    script = 'ip route add 169.254.169.254/32 via "$1" && ip route del default'
    command = ["sh", "-c", script, "sh", gateway]
    client.containers.run(
        "builder-contracts/services",
        command,
        user="root",
        network_mode=f"container:{runner.container}",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN"],
        remove=True,
        labels=runner._run.labels,
    )


def test_stand_in_is_reached_in_every_notation(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")
    bench.network.stand_in("metadata").result()
    attached = dataclasses.replace(
        bench.plan(contract), extra_networks=(bench.run.name("forbidden-metadata"),)
    )

    seen = bench.observe(contract, launch=attached, before=route_to_the_stand_in)

    assert seen.broken == {"network/deny/metadata"}, seen.facts.network
    for spelling in ("dotted", "decimal", "octal", "hexadecimal"):
        assert spelling in seen.verdicts["network/deny/metadata"].observation


def test_routed_network_breaks_egress_and_sends_no_packet(bench: Bench) -> None:
    contract = bench.contract("tinyland-nix")

    seen = bench.observe(contract, launch=dataclasses.replace(bench.plan(contract), network="routed"))

    # The run's services live on its internal network, so their names do not resolve here either.
    assert seen.broken == {
        "network/egress",
        "network/deny/metadata",
        "network/resolve/attic.nix-cache.svc.cluster.local",
        "network/resolve/bazel-cache.nix-cache.svc.cluster.local",
        "network/reach/http://attic.nix-cache.svc.cluster.local/",
        "network/reach/bazel-cache.nix-cache.svc.cluster.local:9092",
    }
    assert "no packet was sent" in seen.verdicts["network/deny/metadata"].observation


def test_a_wrong_cache_name_and_a_wrong_port_are_told_apart(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "network:\n"
        "  resolve: [attic.nix-cache.svc.cluster.local, attic-api.nix-cache.svc.cluster.local]\n"
        "  reach:\n"
        "    - attic.nix-cache.svc.cluster.local:80\n"
        "    - attic.nix-cache.svc.cluster.local:8080\n"
        "    - attic-api.nix-cache.svc.cluster.local:8080\n"
    )

    seen = bench.observe(contract)

    wrong_name, wrong_port = "attic-api.nix-cache.svc.cluster.local", "attic.nix-cache.svc.cluster.local:8080"
    assert seen.broken == {
        f"network/resolve/{wrong_name}",
        f"network/reach/{wrong_name}:8080",
        f"network/reach/{wrong_port}",
    }
    assert "unresolved" in seen.verdicts[f"network/reach/{wrong_name}:8080"].observation
    assert "refused" in seen.verdicts[f"network/reach/{wrong_port}"].observation
    assert "the port is wrong" in seen.verdicts[f"network/reach/{wrong_port}"].cause


def test_a_denied_host_without_a_stand_in_is_unproven_not_kept(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract("network: {egress: none, deny: [metadata]}\n")
    no_stand_in = dataclasses.replace(contract, name="sample")

    def observe() -> tuple[str, str]:
        from builder_contracts.facts.model import Unseen
        from builder_contracts.judge import find
        from builder_contracts.observe.observation import gather

        with DockerRunner(
            bench.client,
            bench.run,
            name="no-stand-in",
            image="tinyland-nix",
            plan=bench.plan(no_stand_in),
            network=bench.network,
            about_engine=bench.about,
        ) as runner:
            facts = gather(no_stand_in, runner, forbidden={"metadata": Unseen("cannot start the stand-in")})
        denied = no_stand_in.clause("network/deny/metadata")
        assert denied is not None
        finding = find(denied.promise, facts)
        return finding.outcome.value, finding.observation

    assert observe() == ("unproven", "cannot start the stand-in")


def with_daemon(bench: Bench, contract: Contract, daemon: DaemonPlan | None) -> LaunchPlan:
    return dataclasses.replace(bench.plan(contract), daemon=daemon)


def test_missing_daemon_breaks_clauses_that_need_it(bench: Bench) -> None:
    contract = bench.contract("tinyland-dind")

    seen = bench.observe(contract, launch=with_daemon(bench, contract, None))

    assert seen.broken == {"isolation/docker-daemon", "daemon/endpoint", "ports/2375/tcp"}
    assert {"daemon/version", "daemon/own"} <= seen.unproven


def test_daemon_not_at_docker_host_breaks_endpoint(bench: Bench) -> None:
    contract = bench.contract("tinyland-dind")

    seen = bench.observe(
        contract, launch=with_daemon(bench, contract, DaemonPlan(port=2376, ready_within=30))
    )

    assert seen.broken == {"daemon/endpoint", "ports/2375/tcp", "ports/others"}
    assert "no response from a daemon at tcp://localhost:2375" in seen.verdicts["daemon/endpoint"].observation
    assert "does not listen on DOCKER_HOST" in seen.verdicts["daemon/endpoint"].cause


def test_daemon_that_dies_shows_end_of_its_log(bench: Bench) -> None:
    contract = bench.contract("tinyland-dind")
    image = bench.build(
        "tinyland-dind",
        "RUN rm -f /usr/sbin/dockerd /usr/bin/dockerd && printf '#!/bin/sh\\necho no space left on device >&2\\nexit 1\\n' "
        ">/usr/sbin/dockerd && chmod 0755 /usr/sbin/dockerd",
    )

    seen = bench.observe(
        contract, image=image, launch=with_daemon(bench, contract, DaemonPlan(port=2375, ready_within=3))
    )

    assert {"daemon/ready", "daemon/endpoint", "isolation/docker-daemon", "ports/2375/tcp"} == seen.broken
    assert "no space left on device" in seen.verdicts["daemon/ready"].observation
