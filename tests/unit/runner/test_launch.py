"""From a contract to how its container is started: as hardened as promised, never weaker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.isolation import Capabilities, NoNewPrivileges, Privileged, Seccomp
from builder_contracts.contract.promises.job import DEFAULT_START, JobStart, StartWay
from builder_contracts.runner.docker.launch_plan import DEFAULT_PIDS, DaemonPlan, LaunchPlan, plan
from tests.unit.generated_contracts import contracts

GIB = 2**30
HEAD = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
"""


def planned(folder: Path, body: str = "", *, cpus: int = 8, memory: int = 64 * GIB) -> LaunchPlan:
    path = folder / "sample.yaml"
    path.write_text(HEAD + body)
    return plan(load(path), host_cpus=cpus, host_memory=memory)


def test_builder_without_promises_gets_nothing(tmp_path: Path) -> None:
    assert planned(tmp_path) == LaunchPlan(pids_limit=DEFAULT_PIDS, network="none")


def test_limits_are_applied_as_declared(tmp_path: Path) -> None:
    launch = planned(
        tmp_path,
        "resources:\n  cpu: {request: 500m, limit: '4'}\n  memory: {request: 1Gi, limit: 8Gi}\n  pids: {limit: 77}\n",
    )
    assert (launch.cpu_request, launch.cpu_limit) == (500, 4000)
    assert (launch.memory_request, launch.memory_limit, launch.pids_limit) == (GIB, 8 * GIB, 77)


def test_limits_above_the_host_are_lowered_to_what_it_has(tmp_path: Path) -> None:
    body = "resources:\n  cpu: {limit: '4'}\n  memory: {limit: 8Gi}\n"
    launch = planned(tmp_path, body, cpus=2, memory=4 * GIB)
    assert (launch.cpu_limit, launch.memory_limit) == (2000, 4 * GIB)


@pytest.mark.parametrize(
    ("body", "network"),
    [
        ("", "none"),
        ("network: {egress: none}\n", "internal"),
        ("network: {egress: any}\n", "routed"),
        ("network: {resolve: [a.example]}\n", "internal"),
        ("network: {reach: ['a.example:80']}\n", "internal"),
        ("network: {deny: [metadata]}\n", "internal"),
        ("network: {egress: any, deny: [metadata]}\n", "routed"),
        ("daemon: {endpoint: 'tcp://localhost:2375', ready_within: 60}\n", "internal"),
    ],
)
def test_network_only_if_a_promise_needs_it(tmp_path: Path, body: str, network: str) -> None:
    assert planned(tmp_path, body).network == network


def test_the_daemon_listens_where_the_contract_says(tmp_path: Path) -> None:
    launch = planned(tmp_path, "daemon: {endpoint: 'tcp://localhost:2375', ready_within: 30}\n")
    assert launch.daemon == DaemonPlan(port=2375, ready_within=30)
    assert planned(tmp_path).daemon is None


@pytest.mark.parametrize(
    ("body", "start", "tries_entrypoint"),
    [
        ("", DEFAULT_START, False),
        ("job: {shells: [bash -l]}\n", DEFAULT_START, False),
        ("job: {start: image}\n", JobStart(StartWay.IMAGE), False),
        (
            "job: {command: [tail, -f, /dev/null]}\n",
            JobStart(StartWay.REPLACED, ("tail", "-f", "/dev/null")),
            False,
        ),
        ("job: {start: arguments}\n", JobStart(StartWay.ARGUMENTS), False),
    ],
)
def test_job_starts_as_the_contract_says(
    tmp_path: Path, body: str, start: JobStart, tries_entrypoint: bool
) -> None:
    launch = planned(tmp_path, body)
    assert (launch.start, launch.try_entrypoint) == (start, tries_entrypoint)


def test_promised_entrypoint_is_tried_unless_jobs_use_it(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    for entrypoint, job, tried in (
        ("[/ep]", "", True),
        ("[]", "", False),
        ("[/ep]", "job: {start: image}\n", False),
    ):
        image = f"image: {{reference: sample, entrypoint: {entrypoint}}}\n"
        path.write_text(HEAD.replace("image: {reference: sample}\n", image) + job)
        assert plan(load(path), host_cpus=2, host_memory=GIB).try_entrypoint is tried


def test_only_what_is_promised_is_loosened(tmp_path: Path) -> None:
    launch = planned(
        tmp_path,
        "isolation:\n  privileged: true\n  capabilities: {require: [NET_RAW, CHOWN]}\n"
        "  no_new_privileges: false\n  seccomp: unconfined\n",
    )
    assert launch.privileged
    assert launch.add_capabilities == ("NET_RAW", "CHOWN")
    assert not launch.no_new_privileges
    assert launch.seccomp_unconfined


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(contracts())
def test_no_contract_starts_weaker_than_it_promises(contract: Contract) -> None:
    launch = plan(contract, host_cpus=2, host_memory=4 * GIB)
    assert not launch.privileged or Privileged(True) in contract.promised(Privileged)
    assert not launch.seccomp_unconfined or Seccomp(False) in contract.promised(Seccomp)
    assert launch.no_new_privileges or NoNewPrivileges(False) in contract.promised(NoNewPrivileges)
    required = {name for promise in contract.promised(Capabilities) for name in promise.require}
    assert set(launch.add_capabilities) == required
    assert launch.pids_limit > 0
    assert launch.cpu_limit is None or launch.cpu_limit <= 2000
    assert launch.memory_limit is None or launch.memory_limit <= 4 * GIB
    assert launch.network in ("none", "internal", "routed")
