"""Pods on a real node: the reference images, one defect each, and what a run may do and leaves."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.run.inputs import load_inputs
from builder_contracts.run.options import CHECK, parse
from builder_contracts.run.progress import Progress
from builder_contracts.run.run import Run
from builder_contracts.run.selection import select
from builder_contracts.runner.kubernetes import runner as kubernetes
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.verdict import Outcome, Rung, Verdict
from docs import as_deployed
from tests.kubernetes.conftest import NAMESPACE, ROOT, admin, pods_of_runs, role

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("kubernetes")]

CONFINED: dict[str, Any] = {
    "runAsUser": 1001,
    "runAsGroup": 1001,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
# The node has no services that a class could reach, and no pod proves anything.
CHOSEN = "not network/r and not caches and not publication and not canaries"


def spec(image: str) -> dict[str, Any]:
    """A pod that keeps the contract of its class."""
    return {
        "nodeName": "localhost",
        "serviceAccountName": "jobs",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "runner",
                "image": image,
                "imagePullPolicy": "Never",
                "command": ["/home/runner/run.sh"],
                "securityContext": CONFINED,
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"cpu": "4", "memory": "8Gi"},
                },
            }
        ],
    }


@pytest.fixture
def cluster(node: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in node.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def check(
    pod: dict[str, Any], builder: str = "tinyland-nix", contracts: Path = ROOT / "contracts"
) -> dict[str, Verdict]:
    """The verdicts on a class in such a pod, by the clauses' ids within the class."""
    Path("pod.json").write_text(json.dumps({"kind": "Pod", "spec": pod}), "utf-8")
    return check_in_pod(builder, contracts, pod=("pod.json",))


def check_in_pod(builder: str, contracts: Path = ROOT / "contracts", **template: Any) -> dict[str, Verdict]:
    given = {"runner": "kubernetes", **template, "namespace": NAMESPACE, "builder": (builder,)}
    options = parse(CHECK, {**given, "keyword": CHOSEN}, cwd=Path.cwd(), paths=[contracts])
    inputs = load_inputs(options)
    with contextlib.closing(Run(options, inputs, select(inputs, options), Progress(lambda _: None))) as run:
        verdicts = {verdict.local_id: verdict for verdict in run.verdicts()}
        assert run.close().lines == ()
    assert pods_of_runs() == []
    return verdicts


def of(outcome: Outcome, verdicts: Mapping[str, Verdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if verdict.outcome is outcome}


@pytest.mark.parametrize("builder", ["tinyland-nix", "tinyland-docker", "tinyland-dind"])
def test_reference_image_is_kept_in_a_pod_of_the_chart(cluster: None, builder: str) -> None:
    """The pod is made from the values in the documentation, and differs from a container as it says."""
    values = (ROOT / "docs" / "examples" / "scale-sets" / f"{builder}.yaml").read_text("utf-8")
    # The node has no scheduler.
    Path("values.yaml").write_text(
        values.replace("  spec:\n", "  spec:\n    nodeName: localhost\n", 1), "utf-8"
    )

    verdicts = check_in_pod(builder, helm_values=("values.yaml",))

    assert of(Outcome.BROKEN, verdicts) == set()
    # Everything that a pod can show is shown.
    assert not [name for name in of(Outcome.UNPROVEN, verdicts) if verdicts[name].provable_here]
    assert {verdict.rung for verdict in verdicts.values() if verdict.outcome is Outcome.KEPT} == {
        Rung.DECLARED,
        Rung.OBSERVED,
    }
    assert not any(verdict.set_by_run for verdict in verdicts.values())
    documented = {row["clause"]: row["kubernetes"].split()[0] for row in as_deployed.saved()["differing"]}
    seen = {verdict.clause: verdict.outcome.value for verdict in verdicts.values()}
    assert {clause: documented[clause] for clause in documented.keys() & seen.keys()} == {
        clause: seen[clause] for clause in documented.keys() & seen.keys()
    }, "run script/vantages"


# Only its name and form: the node has none of the controllers that would act on it.
SCALE_SETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "autoscalingrunnersets.actions.github.com"},
    "spec": {
        "group": "actions.github.com",
        "scope": "Namespaced",
        "names": {
            "kind": "AutoscalingRunnerSet",
            "plural": "autoscalingrunnersets",
            "singular": "autoscalingrunnerset",
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


def test_pod_of_a_deployed_scale_set_is_live_evidence(cluster: None) -> None:
    admin("apply", "--filename=-", manifest=SCALE_SETS)
    admin("wait", "--for=condition=Established", f"crd/{SCALE_SETS['metadata']['name']}", "--timeout=60s")
    for name, label in (("nix", "tinyland-nix"), ("other", "another-label")):
        scale_set = {
            "apiVersion": "actions.github.com/v1alpha1",
            "kind": "AutoscalingRunnerSet",
            "metadata": {"name": name},
            "spec": {"runnerScaleSetName": label, "template": {"spec": spec("tinyland-nix")}},
        }
        admin("apply", "--filename=-", manifest=scale_set)

    by_name, by_other, of_none = (
        check_in_pod("tinyland-nix", scale_set=(f"{NAMESPACE}/{name}",))
        for name in ("nix", "other", "absent")
    )
    with lesser_role("autoscalingrunnersets", {"get"}):
        forbidden = check_in_pod("tinyland-nix", scale_set=(f"{NAMESPACE}/nix",))

    assert of(Outcome.BROKEN, by_name) == of(Outcome.BROKEN, by_other) == set()
    kept = of(Outcome.KEPT, by_name)
    assert kept == of(Outcome.KEPT, by_other)
    assert {by_name[name].rung for name in kept} == {Rung.DECLARED, Rung.LIVE}
    assert {by_other[name].rung for name in kept} == {Rung.DECLARED, Rung.OBSERVED}
    for unread, reason in ((of_none, '"absent" not found'), (forbidden, "cannot get resource")):
        assert of(Outcome.BROKEN, unread) == set()
        assert of(Outcome.KEPT, unread) <= {name for name in kept if by_name[name].rung is Rung.DECLARED}
        assert reason in unread["identity/uid"].observation


@pytest.mark.slow
def test_second_witness_joins_the_runner_if_the_role_allows(cluster: None) -> None:
    Path("pod.json").write_text(json.dumps({"kind": "Pod", "spec": spec("tinyland-nix")}), "utf-8")
    # Any image with Python will do.
    given: dict[str, Any] = {"pod": ("pod.json",), "witness_image": "tinyland-docker"}

    by_two = check_in_pod("tinyland-nix", **given)
    with lesser_role("pods/ephemeralcontainers", {"update"}):
        by_one = check_in_pod("tinyland-nix", **given)

    assert of(Outcome.BROKEN, by_two) == of(Outcome.BROKEN, by_one) == set()
    assert by_two["identity/uid"].witnesses == ("probe: uid 1001", "kernel: uid 1001")
    assert not [name for name, verdict in by_two.items() if verdict.one_witness]
    assert by_one["identity/uid"].one_witness
    assert "cannot update resource" in by_one["identity/uid"].witnesses[1]


def root(pod: dict[str, Any]) -> None:
    pod["containers"][0]["securityContext"] = {**CONFINED, "runAsUser": 0, "runAsNonRoot": False}


def unconfined(pod: dict[str, Any]) -> None:
    del pod["containers"][0]["securityContext"], pod["securityContext"]


def unlimited(pod: dict[str, Any]) -> None:
    del pod["containers"][0]["resources"]


def wrong_tag(pod: dict[str, Any]) -> None:
    pod["containers"][0]["image"] = "tinyland-nix:v0"


def no_account(pod: dict[str, Any]) -> None:
    pod["serviceAccountName"] = "absent"


def socket(pod: dict[str, Any]) -> None:
    path = "/run/containerd/containerd.sock"
    pod["volumes"] = [{"name": "socket", "hostPath": {"path": path}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "socket", "mountPath": "/var/run/docker.sock"}]


def failing_init(pod: dict[str, Any]) -> None:
    # As ARC's init-dind-externals, in an image without that directory.
    pod["initContainers"] = [
        {
            "name": "init-dind-externals",
            "image": "tinyland-nix",
            "imagePullPolicy": "Never",
            "command": ["cp", "-r", "/home/runner/externals/.", "/tmp"],
        }
    ]


IDENTITY = {
    "identity/user", "identity/uid", "identity/home", "identity/not-root", "environment/HOME", "filesystem/home/runner",
    "filesystem/etc/passwd", "filesystem/nix/store", "process/working-directory", "search_path/writable-by-job",
}  # fmt: skip
ISOLATION = {
    "isolation/capabilities", "isolation/no-new-privileges", "isolation/seccomp", "isolation/mount", "isolation/unshare",
}  # fmt: skip
START = {"image/reference", "job/start"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("defect", "broken", "reason"),
    [
        # Root without a capability may not write to the store of another user.
        (root, IDENTITY | {"toolchain/nix"}, "uid 0"),
        (unconfined, ISOLATION, "no seccomp filter"),
        (
            unlimited,
            {"resources/cpu-request", "resources/memory-limit", "resources/memory-request"},
            "no limit is set",
        ),
        (wrong_tag, START, "ErrImageNeverPull"),
        (no_account, START, 'serviceaccount "absent" not found'),
        (socket, {"isolation/docker-socket"}, "/var/run/docker.sock"),
        (failing_init, START, "init container init-dind-externals: Error, exit status 1"),
    ],
)
def test_defect_of_a_pod_breaks_its_own_clauses_alone(
    cluster: None, defect: Callable[[dict[str, Any]], None], broken: set[str], reason: str
) -> None:
    pod = copy.deepcopy(spec("tinyland-nix"))
    defect(pod)

    verdicts = check(pod)

    assert of(Outcome.BROKEN, verdicts) == broken
    assert any(reason in verdicts[name].observation for name in broken)


POD_CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: in-pod, summary: What a pod of jobs shares with its node and its cluster, owner: tests}
labels: [in-pod]
image: {reference: tinyland-nix}
filesystem: {/var/run/secrets/kubernetes.io/serviceaccount: absent}
isolation: {docker_socket: absent, privileged: false}
resources: {memory: {request: 1Gi}}
pod: {host_paths: [], host_namespaces: [], qos_class: Burstable, image_pull_policy: Never, priority_class: ci-jobs}
"""


def in_pod(**fields: Any) -> dict[str, Any]:
    """A pod that keeps this contract, but for the given fields."""
    return {**spec("tinyland-nix"), "priorityClassName": "ci-jobs", **fields}


def with_container(**fields: Any) -> dict[str, Any]:
    pod = in_pod()
    pod["containers"][0] |= fields
    return pod


def with_resources(requests: dict[str, str]) -> dict[str, Any]:
    return with_container(resources={"requests": requests, "limits": {"cpu": "500m", "memory": "1Gi"}})


TOKEN = "filesystem/var/run/secrets/kubernetes.io/serviceaccount"
NODE_LOGS = [{"name": "logs", "hostPath": {"path": "/var/log"}}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pod", "broken", "reason"),
    [
        pytest.param(in_pod(), set(), "", id="none"),
        pytest.param(in_pod(automountServiceAccountToken=True), {TOKEN}, "directory", id="token mounted"),
        pytest.param(in_pod(volumes=NODE_LOGS), {"pod/host-paths"}, "host paths: /var/log", id="host path"),
        pytest.param(in_pod(hostNetwork=True), {"pod/host-namespaces"}, "network", id="host network"),
        pytest.param(in_pod(hostPID=True), {"pod/host-namespaces"}, "pid", id="host processes"),
        pytest.param(in_pod(hostIPC=True), {"pod/host-namespaces"}, "ipc", id="host memory"),
        pytest.param(with_resources({"cpu": "500m", "memory": "1Gi"}), {"pod/qos-class"}, "Guaranteed", id="QoS class"),
        pytest.param(with_resources({"cpu": "100m", "memory": "512Mi"}), {"resources/memory-request"}, "512Mi", id="request"),
        pytest.param(with_container(imagePullPolicy="IfNotPresent"), {"pod/image-pull-policy"}, "IfNotPresent", id="pull policy"),
        pytest.param(in_pod(priorityClassName=""), {"pod/priority-class"}, "no priority class", id="no priority"),
        pytest.param(in_pod(priorityClassName="absent"), {"image/reference"}, "no PriorityClass with name", id="unknown priority"),
    ],
)  # fmt: skip
def test_defect_of_the_pod_itself_breaks_its_own_clause_alone(
    cluster: None, pod: dict[str, Any], broken: set[str], reason: str
) -> None:
    Path("in-pod.yaml").write_text(POD_CONTRACT, "utf-8")

    verdicts = check(pod, "in-pod", Path("in-pod.yaml"))

    assert of(Outcome.BROKEN, verdicts) == broken
    assert all(reason in verdicts[name].observation for name in broken)
    # A pod that does not start shows nothing else.
    assert of(Outcome.UNPROVEN, verdicts) <= (set() if broken != {"image/reference"} else verdicts.keys())


@pytest.mark.slow
def test_pod_that_the_namespace_forbids_can_run_no_job(cluster: None) -> None:
    Path("in-pod.yaml").write_text(POD_CONTRACT, "utf-8")
    level = "pod-security.kubernetes.io/enforce"
    admin("label", "namespace", NAMESPACE, f"{level}=baseline")
    try:
        verdicts = check(in_pod(volumes=NODE_LOGS), "in-pod", Path("in-pod.yaml"))
    finally:
        admin("label", "namespace", NAMESPACE, f"{level}-")

    assert of(Outcome.BROKEN, verdicts) == {"image/reference"}
    assert 'violates PodSecurity "baseline:latest": hostPath' in verdicts["image/reference"].observation


@pytest.mark.slow
def test_full_node_says_nothing_of_the_class(cluster: None) -> None:
    pod = spec("tinyland-nix")
    pod["containers"][0]["resources"] = {"requests": {"cpu": "900"}}

    verdicts = check(pod)

    assert of(Outcome.BROKEN, verdicts) == set()
    assert "OutOfcpu" in verdicts["image/reference"].observation


@pytest.mark.parametrize(
    ("resource", "verbs", "lost"),
    [
        ("pods", {"create"}, "cannot create resource"),
        ("pods", {"get"}, "cannot get resource"),
        # kubectl gets a connection by one or the other, so either will do.
        ("pods/exec", {"create", "get"}, 'cannot create resource "pods/exec"'),
    ],
)  # fmt: skip
def test_less_than_the_role_proves_nothing(cluster: None, resource: str, verbs: set[str], lost: str) -> None:
    Path("in-pod.yaml").write_text(POD_CONTRACT, "utf-8")
    with lesser_role(resource, verbs):
        verdicts = check(in_pod(), "in-pod", Path("in-pod.yaml"))

    assert of(Outcome.BROKEN, verdicts) == set()
    assert verdicts["isolation/docker-socket"].outcome is Outcome.UNPROVEN
    assert lost in verdicts["isolation/docker-socket"].observation


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["delete", "list"])
def test_run_that_cannot_clean_up_says_what_may_be_left(cluster: None, verb: str) -> None:
    Path("in-pod.yaml").write_text(POD_CONTRACT, "utf-8")
    try:
        with lesser_role("pods", {verb}), pytest.raises(AssertionError, match=f"cannot {verb}"):
            check(in_pod(), "in-pod", Path("in-pod.yaml"))
    finally:
        admin("delete", "pods", "--all", "--grace-period=0", "--force", "--ignore-not-found")


@contextlib.contextmanager
def lesser_role(resource: str, verbs: set[str]) -> Iterator[None]:
    """The documented Role without some verbs of a resource."""
    rules = [
        {
            **rule,
            "verbs": [verb for verb in rule["verbs"] if rule["resources"] != [resource] or verb not in verbs],
        }
        for rule in role()["rules"]
    ]
    admin("apply", "--filename=-", manifest={**role(), "rules": [rule for rule in rules if rule["verbs"]]})
    try:
        yield
    finally:
        admin("apply", "--filename=-", manifest=role())


def start_check() -> subprocess.Popen[bytes]:
    """A run in a process of its own, once its pod is there."""
    Path("pod.json").write_text(json.dumps({"kind": "Pod", "spec": spec("tinyland-nix")}), "utf-8")
    line = [
        sys.executable,
        "-m",
        "builder_contracts",
        "check",
        str(ROOT / "contracts"),
        "--builder",
        "tinyland-nix",
    ]
    line += ["--runner", "kubernetes", "--pod", "pod.json", "--namespace", NAMESPACE, "-k", CHOSEN]
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    patience = time.monotonic() + 120
    while not pods_of_runs():
        assert process.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.05)
    return process


def test_terminated_run_leaves_no_pod(cluster: None) -> None:
    process = start_check()
    process.send_signal(signal.SIGTERM)
    process.wait(120)

    assert pods_of_runs() == []


def test_next_run_removes_the_pod_of_a_killed_run(cluster: None) -> None:
    process = start_check()
    process.kill()
    process.wait(120)
    left = pods_of_runs()

    assert kubernetes.sweep(Kubectl(namespace=NAMESPACE)) == left
    assert pods_of_runs() == []
