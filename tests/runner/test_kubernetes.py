"""Pods as runners, without a cluster: a stand-in for kubectl gives its answers."""

from __future__ import annotations

import copy
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder_contracts.cli.check import check as cli_check
from builder_contracts.contract.document import read
from builder_contracts.contract.loading import load
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.facts.model import PodFacts, Unseen
from builder_contracts.run.inputs import load_inputs
from builder_contracts.run.options import CHECK, parse
from builder_contracts.run.progress import Progress
from builder_contracts.run.run import Run
from builder_contracts.run.selection import select
from builder_contracts.runner.docker.cleanup import OWNER, RUN, Owner, RunLabels
from builder_contracts.runner.kubernetes import pod_template, witness
from builder_contracts.runner.kubernetes import runner as kubernetes
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.verdict import Outcome, Rung, Verdict
from tests.runner.kubectl_stand_in import RUNNING, KubectlStandIn, install

CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: tiny, summary: A class in a pod, owner: me}
labels: [tiny]
image: {reference: tinyland-nix, labels: {a: b}}
isolation: {privileged: false}
resources: {memory: {request: 1Gi}}
"""
POD = """
apiVersion: v1
kind: Pod
spec:
  containers:
  - {name: runner, image: tinyland-nix}
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubectlStandIn:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(CONTRACT, "utf-8")
    Path("pod.yaml").write_text(POD, "utf-8")
    return install(tmp_path / "bin", monkeypatch)


def check(**values: Any) -> dict[str, Verdict]:
    """The verdicts of a run, by the clauses' ids within the class."""
    given = {"runner": "kubernetes", "pod": ("pod.yaml",), **values}
    options = parse(CHECK, given, cwd=Path.cwd(), paths=[Path("tiny.yaml")])
    inputs = load_inputs(options)
    with closing(Run(options, inputs, select(inputs, options), Progress(lambda _: None))) as run:
        verdicts = {verdict.local_id: verdict for verdict in run.verdicts()}
        assert run.close().lines == ()
    return verdicts


def test_pod_is_created_observed_and_deleted(kubectl: KubectlStandIn) -> None:
    verdicts = check(kube_context="ci", namespace="arc")

    reference = verdicts["image/reference"]
    assert (reference.outcome, reference.rung) == (Outcome.KEPT, Rung.OBSERVED)
    assert "tinyland-nix:latest is sha256:abab" in reference.observation
    assert "--runner kubernetes --pod pod.yaml --kube-context ci --namespace arc |" in reference.inspect
    assert reference.origin.image == "tinyland-nix:latest"
    assert reference.origin.image_digest == "sha256:" + "ab" * 32
    assert kubectl.calls("create")[0].startswith("--context=ci --namespace=arc create")
    assert verdicts["isolation/privileged"].outcome is Outcome.KEPT
    assert not verdicts["isolation/privileged"].set_by_run
    metadata = kubectl.created["metadata"]
    assert metadata["name"].endswith("-tiny")
    assert Owner.from_label(metadata["annotations"][OWNER]) == Owner.this_process()
    assert kubectl.calls("delete")[0].split()[4] == metadata["name"]
    assert f"--selector={RUN}={metadata['labels'][RUN]}" in kubectl.calls("delete")[-1]


def test_api_cannot_show_labels_of_an_image(kubectl: KubectlStandIn) -> None:
    label = next(verdict for name, verdict in check().items() if "label" in name and name.startswith("image"))

    assert (label.outcome, label.provable_here) == (Outcome.UNPROVEN, False)
    assert "Kubernetes API shows the image's digest only" in label.observation


def test_privilege_is_read_from_the_admitted_pod(kubectl: KubectlStandIn) -> None:
    admitted = copy.deepcopy(RUNNING)
    admitted["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    kubectl.answer("get", admitted)

    assert check()["isolation/privileged"].outcome is Outcome.BROKEN


def test_other_image_than_the_contracts_is_broken(kubectl: KubectlStandIn) -> None:
    Path("pod.yaml").write_text(POD.replace("tinyland-nix", "other:1"), "utf-8")
    admitted = copy.deepcopy(RUNNING)
    admitted["spec"]["containers"][0]["image"] = "other:1"
    kubectl.answer("get", admitted)

    reference = check()["image/reference"]

    assert (reference.outcome, reference.observation) == (Outcome.BROKEN, "the pod runs other:1")


def test_absent_image_is_broken_and_the_rest_unproven(kubectl: KubectlStandIn) -> None:
    waiting = {"reason": "ErrImageNeverPull", "message": 'image "tinyland-nix" is not present'}
    pulling = copy.deepcopy(RUNNING)
    pulling["status"] = {
        "phase": "Pending",
        "containerStatuses": [{"name": "runner", "state": {"waiting": waiting}}],
    }
    kubectl.answer("get", pulling)

    verdicts = check()

    broken = {name for name, verdict in verdicts.items() if verdict.outcome is Outcome.BROKEN}
    assert broken == {"image/reference"}
    assert "ErrImageNeverPull" in verdicts["image/reference"].observation
    assert verdicts["isolation/privileged"].outcome is Outcome.UNPROVEN


ACCOUNT = 'Error from server (Forbidden): pods "x" is forbidden: error looking up service account arc/jobs: serviceaccount "jobs" not found\n'


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (ACCOUNT, Outcome.BROKEN),
        ('Error from server (Forbidden): pods "x" is forbidden: exceeded quota: q\n', Outcome.UNPROVEN),
    ],
)
def test_refused_pod_keeps_nothing(kubectl: KubectlStandIn, message: str, outcome: Outcome) -> None:
    kubectl.answer("create", message)

    verdicts = check()

    assert verdicts["image/reference"].outcome is outcome
    assert message.split(": ", 2)[2].strip() in verdicts["image/reference"].observation
    assert {verdict.outcome for name, verdict in verdicts.items() if name != "image/reference"} <= {
        Outcome.UNPROVEN,
        Outcome.KEPT,
    }
    assert all(
        verdict.rung is Rung.DECLARED for verdict in verdicts.values() if verdict.outcome is Outcome.KEPT
    )


def test_missing_kubectl_is_named(kubectl: KubectlStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    options = parse(
        CHECK, {"runner": "kubernetes", "pod": ("pod.yaml",)}, cwd=Path.cwd(), paths=[Path("tiny.yaml")]
    )
    inputs = load_inputs(options)
    with closing(Run(options, inputs, select(inputs, options), Progress(lambda _: None))) as run:
        reference = next(verdict for verdict in run.verdicts() if verdict.local_id == "image/reference")

    assert reference.outcome is Outcome.UNPROVEN
    assert "kubectl is not installed, or not on PATH" in reference.observation


SCALE_SET: dict[str, Any] = {
    "kind": "AutoscalingRunnerSet",
    "metadata": {"name": "tiny"},
    "spec": {"template": {"spec": {"containers": [{"name": "runner", "image": "tinyland-nix"}]}}},
}


@pytest.mark.parametrize(("name", "rung"), [("tiny", Rung.LIVE), ("other", Rung.OBSERVED)])
def test_deployed_scale_set_of_the_class_is_live(kubectl: KubectlStandIn, name: str, rung: Rung) -> None:
    kubectl.answer("get", {**SCALE_SET, "metadata": {"name": name}}, RUNNING)

    verdicts = check(pod=(), scale_set=("arc/tiny",))

    assert verdicts["image/reference"].rung is rung
    assert f"runs jobs for {name}" in verdicts["image/reference"].origin.attribution
    assert all("--namespace=arc" in line for line in kubectl.calls("create"))


def test_scale_set_that_is_absent_leaves_all_unproven(kubectl: KubectlStandIn) -> None:
    kubectl.answer("get", 'Error from server (NotFound): autoscalingrunnersets "tiny" not found\n')

    verdicts = check(pod=(), scale_set=("arc/tiny",))

    reference = verdicts["image/reference"]
    assert reference.outcome is Outcome.UNPROVEN
    assert "cannot read the scale set arc/tiny: Error from server (NotFound)" in reference.observation


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pod": ()}, "no pod of tiny"),
        ({"runner": "docker"}, "--pod without --runner kubernetes"),
        ({"pod": ("tiny=pod.yaml", "pod.yaml")}, "a second pod of tiny"),
        ({"pod": ("large=pod.yaml",)}, "no contract declares this class"),
        ({"pod": ("absent.yaml",)}, "absent.yaml"),
        ({"pod": (), "scale_set": ("tiny",)}, "use NAMESPACE/NAME"),
    ],
)
def test_options_that_name_no_pod_are_refused(
    kubectl: KubectlStandIn, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check(**values)


MOUNT = {"reason": "FailedMount", "message": 'configmap "settings" not found', "lastTimestamp": "2026-01-02"}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ({"items": [{"reason": "Old", "message": "x", "lastTimestamp": "2026-01-01"}, MOUNT]}, "FailedMount: configmap"),
        ("Error from server (Forbidden): events is forbidden\n", "Pending"),
    ],
)  # fmt: skip
def test_pod_that_never_starts_is_unproven_with_the_warning(
    kubectl: KubectlStandIn, monkeypatch: pytest.MonkeyPatch, events: Any, reason: str
) -> None:
    monkeypatch.setattr(kubernetes, "STARTS_WITHIN", 0.0)
    kubectl.answer("get", {**RUNNING, "status": {"phase": "Pending"}})
    kubectl.answer("events", events)

    reference = check()["image/reference"]

    assert reference.outcome is Outcome.UNPROVEN
    assert f"the pod did not start within 0 s: {reason}" in reference.observation


def abandoned(name: str, **fields: Any) -> dict[str, Any]:
    dead = Owner(**{**vars(Owner.this_process()), "started": "0.00"})
    return {"metadata": {"name": name, "annotations": {OWNER: dead.label}}, **fields}


def test_pods_of_dead_runs_are_swept(kubectl: KubectlStandIn) -> None:
    alive = {"metadata": {"name": "alive", "annotations": {OWNER: Owner.this_process().label}}}
    elsewhere = {
        "metadata": {
            "name": "ended",
            "annotations": {OWNER: json.dumps({**vars(Owner.this_process()), "boot": "x"})},
        },
        "status": {"phase": "Failed", "reason": "DeadlineExceeded"},
    }
    foreign = {"metadata": {"name": "foreign"}}
    going = abandoned("going")
    going["metadata"]["deletionTimestamp"] = "2026-03-15T00:00:00Z"
    kubectl.answer("list", {"items": [abandoned("dead"), going, alive, elsewhere, foreign]})

    assert kubernetes.sweep(Kubectl()) == ["dead", "ended"]
    assert kubectl.calls("delete") == ["delete pod dead ended --wait=false --ignore-not-found"]


def test_class_that_starts_by_entrypoint_is_not_judged_in_a_pod(kubectl: KubectlStandIn) -> None:
    Path("tiny.yaml").write_text(CONTRACT + "job: {start: image}\n", "utf-8")

    reference = check()["image/reference"]

    assert (reference.outcome, reference.provable_here) == (Outcome.UNPROVEN, False)
    assert "job.start: image" in reference.observation


@pytest.mark.parametrize(
    ("requests", "request_in_bytes"),
    [({"memory": "1073741824"}, 2**30), ({"memory": "2Gi"}, 2**31), ({"cpu": "1"}, None)],
)
def test_memory_request_is_that_of_the_admitted_pod(
    kubectl: KubectlStandIn, requests: dict[str, str], request_in_bytes: int | None
) -> None:
    assert pod_with(kubectl, requests).memory_request == request_in_bytes


def test_memory_request_in_a_strange_unit_is_unseen(kubectl: KubectlStandIn) -> None:
    unseen = pod_with(kubectl, {"memory": "1e9"}).memory_request

    assert isinstance(unseen, Unseen)
    assert "'1e9' is not a number of bytes" in unseen.reason


def pod_with(kubectl: KubectlStandIn, requests: dict[str, str], **fields: Any) -> PodFacts:
    """What is known of a pod with these fields, whose container requests so much."""
    admitted = copy.deepcopy(RUNNING)
    admitted["spec"] |= fields
    admitted["spec"]["containers"][0]["resources"] = {"requests": requests}
    kubectl.answer("get", admitted)
    template = pod_template.from_manifest(read(Path("pod.yaml")), ())
    with kubernetes.KubernetesRunner(Kubectl(), RunLabels(), load(Path("tiny.yaml")), template) as runner:
        pod = runner.setting.pod
    assert isinstance(pod, PodFacts)
    return pod


def test_witness_has_the_user_of_the_runner_and_no_privilege() -> None:
    pod = copy.deepcopy(RUNNING)
    pod["metadata"]["resourceVersion"] = "7"
    pod["spec"]["containers"][0]["securityContext"] = {"runAsNonRoot": True, "privileged": True}
    pod["status"]["containerStatuses"][0]["user"] = {"linux": {"uid": 1001, "gid": 100}}

    sent = witness.joined(pod, "runner", "python:3")

    assert sent["spec"]["ephemeralContainers"][0] | {"command": []} == {
        "name": "builder-contracts-witness",
        "image": "python:3",
        "imagePullPolicy": "IfNotPresent",
        "targetContainerName": "runner",
        "command": [],
        "stdin": True,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "runAsGroup": 100,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    assert "resourceVersion" not in sent["metadata"]
    assert sent["spec"]["containers"] == pod["spec"]["containers"]


@pytest.mark.parametrize(
    ("fields", "refusal", "reason"),
    [
        ({}, 'cannot update resource "pods/ephemeralcontainers"', "cannot update resource"),
        ({"shareProcessNamespace": True}, "", "the pod shares its processes"),
        ({"hostPID": True}, "", "the pod shares its processes"),
    ],
)
def test_pod_without_a_witness_says_why(
    kubectl: KubectlStandIn, fields: dict[str, bool], refusal: str, reason: str
) -> None:
    pod = copy.deepcopy(RUNNING)
    pod["spec"] |= fields
    kubectl.answer("get", pod)
    kubectl.answer("replace", refusal)

    looked = witness.PodWitness(Kubectl(), "run", "runner", "python:3").look("pass", [], 9)

    assert looked.status is None
    assert looked.ended.startswith("the witness did not start: ")
    assert reason in looked.ended


def test_witness_that_cannot_start_says_why(kubectl: KubectlStandIn) -> None:
    joined = copy.deepcopy(RUNNING)
    joined["spec"]["ephemeralContainers"] = [{"name": witness.NAME}]
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    joined["status"]["ephemeralContainerStatuses"] = [{"name": witness.NAME, "state": waiting}]
    kubectl.answer("get", RUNNING, joined)
    kubectl.answer("replace", {})

    looked = witness.PodWitness(Kubectl(), "run", "runner", "python:3").look("pass", [], 9)

    assert "ErrImagePull: not found" in looked.ended


def test_witness_runs_its_program_about_the_first_process(kubectl: KubectlStandIn) -> None:
    joined = copy.deepcopy(RUNNING)
    joined["spec"]["ephemeralContainers"] = [{"name": witness.NAME}]
    joined["status"]["ephemeralContainerStatuses"] = [{"name": witness.NAME, "state": {"running": {}}}]
    kubectl.answer("get", joined)

    program = "import sys; print(*sys.argv[1:])"
    looked = witness.PodWitness(Kubectl(), "run", "runner", "python:3").look(program, ["nonce", "a b"], 30)

    assert (looked.status, looked.stdout) == (0, b"/proc/1 nonce a b\n")
    assert f"--container={witness.NAME}" in kubectl.calls("exec")[0]


def test_witness_image_needs_a_pod(kubectl: KubectlStandIn) -> None:
    with pytest.raises(InputError, match="--witness-image without --runner kubernetes"):
        check(runner="docker", pod=(), witness_image="python:3")


def test_volumes_that_the_cluster_provides_are_no_host_paths(kubectl: KubectlStandIn) -> None:
    pod = pod_with(
        kubectl,
        {},
        volumes=[
            {"name": "node", "hostPath": {"path": "/var/log"}},
            {"name": "work", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
            {"name": "own", "emptyDir": {}},
        ],
    )

    assert (pod.host_paths, pod.claims) == (["/var/log"], ["cache", "work"])


POD_PROMISES = """
pod: {host_paths: [], host_namespaces: [], qos_class: Guaranteed, image_pull_policy: Always, priority_class: none}
"""
DEFECTIVE_POD = """
kind: Pod
spec:
  hostNetwork: true
  priorityClassName: urgent
  volumes:
  - {name: node, hostPath: {path: /}}
  containers:
  - name: runner
    image: tinyland-nix
    imagePullPolicy: Never
"""


def test_promises_of_a_pod_are_kept_by_the_admitted_pod(kubectl: KubectlStandIn) -> None:
    Path("tiny.yaml").write_text(CONTRACT + POD_PROMISES, "utf-8")
    admitted = copy.deepcopy(RUNNING)
    admitted["status"]["qosClass"] = "Guaranteed"
    admitted["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    kubectl.answer("get", admitted)

    verdicts = {name: verdict for name, verdict in check().items() if name.startswith("pod/")}

    assert len(verdicts) == 5
    assert {(verdict.outcome, verdict.rung) for verdict in verdicts.values()} == {
        (Outcome.KEPT, Rung.OBSERVED)
    }


def test_broken_promise_of_a_pod_names_the_templates_line(kubectl: KubectlStandIn) -> None:
    Path("tiny.yaml").write_text(CONTRACT + POD_PROMISES, "utf-8")
    Path("pod.yaml").write_text(DEFECTIVE_POD, "utf-8")
    admitted = copy.deepcopy(RUNNING)
    admitted["spec"] |= {
        "hostNetwork": True,
        "priorityClassName": "urgent",
        "volumes": [{"name": "node", "hostPath": {"path": "/"}}, {"name": "token", "projected": {}}],
    }
    admitted["spec"]["containers"][0] |= {"imagePullPolicy": "Never", "securityContext": {"privileged": True}}
    admitted["status"]["qosClass"] = "BestEffort"
    kubectl.answer("get", admitted)

    verdicts = check()

    lines = {
        name: verdict.cause.rpartition(" at pod.yaml:")[2]
        for name, verdict in verdicts.items()
        # Programs of this pod run on this host, whatever reserves its memory.
        if verdict.outcome is Outcome.BROKEN and verdict.section != "resources"
    }
    assert lines == {
        "pod/host-namespaces": "4",
        "pod/priority-class": "5",
        "pod/host-paths": "6",
        # What the template leaves out is decided where it would stand.
        "pod/qos-class": "9",
        "isolation/privileged": "9",
        "pod/image-pull-policy": "11",
    }


def test_values_without_a_template_name_no_line(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("containerMode: {type: none}\nmaxRunners: 2\n", "utf-8")

    template = pod_template.from_values(read(values, "values.yaml"), (), release="tiny")

    assert template.lines == {}


def test_two_runners_give_one_table_of_what_differs(kubectl: KubectlStandIn) -> None:
    Path("tiny.yaml").write_text(CONTRACT + POD_PROMISES, "utf-8")
    admitted = copy.deepcopy(RUNNING)
    admitted["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    kubectl.answer("get", admitted)
    chosen = ["-k", "pull or paths", "--runner", "local", "--runner", "kubernetes", "--pod", "pod.yaml"]

    result = CliRunner().invoke(
        cli_check, ["tiny.yaml", *chosen, "--report", "json=all.json", "--evidence", "."]
    )

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "clause local kubernetes" in lines
    assert "tiny/pod/image-pull-policy unproven kept C1" in lines
    assert "2 of 2 clauses differ between local, kubernetes; the same from each: 0" in lines
    everything = json.loads(Path("all.json").read_text("utf-8"))
    assert everything["vantages"]["tiny/pod/host-paths"]["kubernetes"] == {"outcome": "kept", "rung": "C1"}
    evidence = [json.loads(line) for line in Path("evidence.jsonl").read_text("utf-8").splitlines()]
    assert len({(verdict["runner"], verdict["run"]) for verdict in evidence}) == 2
    # Nothing was judged on this machine.
    assert result.exit_code == ExitCode.NOTHING_SELECTED


def test_saved_facts_are_not_compared(kubectl: KubectlStandIn) -> None:
    line = ["tiny.yaml", "--facts", "facts", "--runner", "local", "--runner", "docker"]

    result = CliRunner().invoke(cli_check, line)

    assert isinstance(result.exception, InputError)
    assert "--facts with several --runner" in str(result.exception)
