"""States of pods before their first command, as the API has them."""

from __future__ import annotations

from typing import Any

import pytest

from builder_contracts.runner.kubernetes.pod_state import PodState, read_refusal, read_state


def status(name: str = "runner", **state: Any) -> dict[str, Any]:
    return {"name": name, "state": state}


def pod(phase: str = "Pending", **fields: Any) -> dict[str, Any]:
    return {"status": {"phase": phase, **fields}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return pod(containerStatuses=[status(waiting={"reason": reason, "message": message})])


def terminated(exit_code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return status(terminated={"exitCode": exit_code, "reason": reason, "message": message})


@pytest.mark.parametrize(
    "starting",
    [
        pod(),
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("ImagePullBackOff", "Back-off pulling image"),
        pod(initContainerStatuses=[status("dind", running={})]),
        pod(initContainerStatuses=[{**terminated(0, "Completed"), "name": "init"}]),
    ],
)
def test_pod_that_is_starting_has_no_verdict_yet(starting: dict[str, Any]) -> None:
    state = read_state(starting, "runner")

    assert (state.running, state.failed) == (False, False)


def test_pod_runs_when_the_jobs_container_runs() -> None:
    others = [status("sidecar", waiting={"reason": "ContainerCreating"}), status(running={})]

    assert read_state(pod("Running", containerStatuses=others), "runner") == PodState(running=True)
    assert not read_state(pod("Running", containerStatuses=others), "sidecar").running


NO_TAG = "failed to pull and unpack image: ghcr.io/x/y:1: not found"

BROKEN = {
    "image is on no node": waiting("ErrImageNeverPull", "not present with pull policy of Never"),
    "tag does not exist": waiting("ErrImagePull", NO_TAG),
    "registry refuses": waiting("ErrImagePull", "pull access denied, repository does not exist"),
    "image name is invalid": waiting("InvalidImageName", "couldn't parse image name"),
    "secret is missing": waiting("CreateContainerConfigError", 'secret "x" not found'),
    "root in a pod without root": waiting("CreateContainerConfigError", "image will run as root"),
    "no shell": pod(containerStatuses=[terminated(128, "StartError", "exec: no such file or directory")]),
    "init container fails": pod("Failed", initContainerStatuses=[{**terminated(1), "name": "init"}]),
    "job's container ends": pod("Failed", containerStatuses=[terminated(1)]),
}
UNPROVEN = {
    "registry does not respond": waiting("ErrImagePull", "dial tcp: lookup ghcr.io: no such host"),
    "registry limits": waiting("ErrImagePull", "429 Too Many Requests"),
    "runtime fails": waiting("CreateContainerError", "context deadline exceeded"),
    "node is full": pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
    "node changed": pod("Failed", reason="NodeAffinity", message="Pod was rejected"),
    "pod was evicted": pod("Failed", reason="Evicted", message="The node was low on resource"),
    "somebody killed it": pod("Failed", containerStatuses=[terminated(137)]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_job_can_start(name: str) -> None:
    state = read_state(BROKEN[name], "runner")

    assert state.failed
    assert state.hopeless
    assert state.reason


@pytest.mark.parametrize("name", UNPROVEN)
def test_only_this_try_failed(name: str) -> None:
    state = read_state(UNPROVEN[name], "runner")

    assert state.failed
    assert not state.hopeless
    assert state.reason


def test_absent_image_is_told_from_other_failures() -> None:
    absent = [name for name, state in BROKEN.items() if not read_state(state, "runner").exists]

    assert absent == [
        "image is on no node",
        "tag does not exist",
        "registry refuses",
        "image name is invalid",
    ]


def test_node_that_the_template_names_is_every_pods() -> None:
    assert read_state(UNPROVEN["node changed"], "runner", own_node=True).hopeless


def test_reason_is_the_clusters_own() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.",
    }

    assert (
        read_state(waiting("ErrImagePull", NO_TAG), "runner").reason
        == f"container runner: ErrImagePull: {NO_TAG}"
    )
    assert "3 Insufficient cpu" in read_state(pod(conditions=[unschedulable]), "runner").reason


@pytest.mark.parametrize(
    ("message", "hopeless"),
    [
        ('pods "x" is forbidden: error looking up service account arc/jobs: serviceaccount "jobs" not found', True),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged', True),
        ('pods "x" is forbidden: no PriorityClass with name high was found', True),
        ('The Pod "x" is invalid: spec.containers[0].image: Required value', True),
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9', False),
        ('pods is forbidden: User "tester" cannot create resource "pods" in API group ""', False),
        ('admission webhook "policy.example" denied the request: label team is missing', False),
        ("Unable to connect to the server: dial tcp 127.0.0.1:6443: connect: connection refused", False),
    ],
)  # fmt: skip
def test_refusal_at_create_is_of_the_template_or_of_this_try(message: str, hopeless: bool) -> None:
    state = read_refusal(f"Error from server (Forbidden): {message}\n")

    assert (state.failed, state.hopeless) == (True, hopeless)
    assert message in state.reason
