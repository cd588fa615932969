"""Values of a scale set against its chart, and jobs against its container mode."""

from __future__ import annotations

import pytest

from builder_contracts.facts.model import DaemonFacts, Facts, Seen, Unseen
from builder_contracts.truth.deployed_builders import facts_of
from builder_contracts.truth.model import Model
from builder_contracts.truth.readers import yaml
from builder_contracts.truth.readers.helm_releases import ReleaseReader
from builder_contracts.truth.value import without
from tests.truth.conftest import Judge

VALUES = """\
githubConfigUrl: https://github.com/tinyland-inc
githubConfigSecret: github-app-secret
runnerScaleSetName: tinyland-docker
"""
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: docker, namespace: arc-runners}
spec:
  chart: {spec: {chart: gha-runner-scale-set, version: 0.13.1}}
  values:
    githubConfigUrl: https://github.com/tinyland-inc
    githubConfigSecret: github-app-secret
"""
MODE = "containerMode: {type: kubernetes"
CLAIM = ", kubernetesModeWorkVolumeClaim: {accessModes: [ReadWriteOnce]}}\n"
POD = "template: {spec: {volumes: [{name: work}], containers: [{name: runner, image: a, command: [run]}]}}\n"


def results(judged: Judge, path: str, text: str, clause: str) -> tuple[list[str], list[str]]:
    """What a file breaks of a clause, and what of it is not judged."""
    report = judged({path: text})
    found = [finding.actual.says for finding in report.findings if finding.clause.endswith(clause)]
    return found, [entry.reason for entry in report.unjudged if entry.clause.endswith(clause)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("", ""),
        (MODE + CLAIM, ""),
        (MODE + "}\n" + POD, ""),
        (MODE + "}\n", "without kubernetesModeWorkVolumeClaim"),
        ("containerMode: {type: kubernetes-novolume}\n", ""),
        ("containerMode: {type: docker}\n", "container mode of scale set docker: docker"),
        ("minRunners: 1\nmaxRunners: 5\n", ""),
        ("minRunners: 6\nmaxRunners: 5\n", "minRunners of scale set docker is 6"),
    ],
)
def test_values_are_those_that_the_chart_can_use(judged: Judge, values: str, expected: str) -> None:
    broken, _ = results(judged, "docker.yaml", VALUES + values, "chart-values")
    assert [bool(expected in says) for says in broken] == [True] * bool(expected), broken


@pytest.mark.parametrize(
    ("key", "ignored"), [("maxRunners", False), ("maxRunner", True), ("resources", True)]
)
def test_value_that_the_chart_does_not_read_is_named(judged: Judge, key: str, ignored: bool) -> None:
    broken, _ = results(judged, "docker.yaml", f"{RELEASE}    {key}: 3\n", "chart-values")
    assert broken == [f"release docker sets {key}"] * ignored


PORT, SOCKET = "tcp://localhost:2375", "unix:///var/run/docker.sock"
RUNNER = "{name: runner, volumeMounts: [{name: %s, mountPath: /x}]}"
DAEMON = f"{{name: %s, command: [dockerd], args: ['--host={PORT}']}}"


@pytest.mark.parametrize(
    ("mode", "containers", "starting", "host", "reached"),
    [
        ("dind", "", "", SOCKET, True),
        ("dind", "", "", PORT, False),
        # The chart drops a container of this name, and keeps every other.
        ("dind", DAEMON % "dind", "", PORT, False),
        ("dind", DAEMON % "engine", "", PORT, True),
        ("dind", "", DAEMON % "dind", PORT, True),
        ("''", DAEMON % "dind", "", PORT, True),
        ("''", DAEMON % "engine", "", PORT, True),
        ("''", DAEMON % "engine", "", SOCKET, False),
        ("''", "", "", PORT, False),
    ],
)
def test_daemon_is_where_the_chart_leaves_one(
    mode: str, containers: str, starting: str, host: str, reached: bool
) -> None:
    runner = f"{{name: runner, env: [{{name: DOCKER_HOST, value: '{host}'}}]}}"
    daemon = daemon_of(f"containers: [{runner}, {containers}], initContainers: [{starting}]", mode)
    assert isinstance(daemon, DaemonFacts)
    assert daemon.reachable is reached


def deployed(pod: str, mode: str = "''") -> Facts:
    values = f"{VALUES}containerMode: {{type: {mode}}}\ntemplate: {{spec: {{{pod}}}}}\n"
    model, releases = Model(), ReleaseReader()
    releases.read(without(yaml.read(values, "a.yaml")[0], "{{", "a template fills it in"), "a.yaml")
    releases.join(model)
    return facts_of(model.scale_sets[0])


def daemon_of(pod: str, mode: str) -> Seen[DaemonFacts]:
    return deployed(pod, mode).daemon


@pytest.mark.parametrize(
    ("path", "mounted", "sockets"),
    [
        ("/var/run/docker.sock", "host", ["/var/run/docker.sock"]),
        ("/var/run/docker.sock", "work", []),
        ("/var/run", "host", None),
        ("/", "host", None),
        ("/dev/kvm", "host", []),
        ("'{{ .Values.path }}'", "host", None),
        ("/var/run/docker.sock", "'{{ .Values.name }}'", None),
    ],
)
def test_socket_is_where_a_volume_may_show_one(path: str, mounted: str, sockets: list[str] | None) -> None:
    volumes = f"volumes: [{{name: host, hostPath: {{path: {path}}}}}]"
    seen = deployed(f"{volumes}, containers: [{RUNNER % mounted}]").isolation.sockets
    assert isinstance(seen, Unseen) if sockets is None else seen == sockets


def test_daemon_of_the_chart_shares_its_socket() -> None:
    seen = deployed(f"containers: [{RUNNER % 'work'}]", "dind").isolation.sockets
    assert isinstance(seen, Unseen)
    assert "shares the socket" in seen.reason


@pytest.mark.parametrize(
    ("capabilities", "bounding"),
    [
        ("{drop: [ALL]}", 0),
        ("{drop: [ALL], add: [CAP_CHOWN]}", 1),
        ("{drop: [ALL], add: [ALL]}", 2**41 - 1),
        ("{drop: [NET_RAW]}", None),
        ("{drop: [ALL]}, privileged: true", 2**41 - 1),
        ("{drop: [ALL]}, privileged: '{{ .Values.privileged }}'", None),
        ("{drop: [ALL], add: ['{{ .Values.capability }}']}", None),
        ("{drop: [ALL], add: '{{ .Values.capabilities }}'}", None),
    ],
)
def test_capabilities_are_those_that_a_template_decides(capabilities: str, bounding: int | None) -> None:
    pod = f"containers: [{{name: runner, securityContext: {{capabilities: {capabilities}}}}}]"
    seen = deployed(pod).isolation.bounding
    assert isinstance(seen, Unseen) if bounding is None else seen == bounding


def test_address_that_only_the_image_can_set_is_unproven() -> None:
    daemon = daemon_of(f"containers: [{{name: runner}}, {DAEMON % 'engine'}]", "''")
    assert daemon == Unseen("the template does not set DOCKER_HOST, but the image may", provable_here=False)


@pytest.mark.parametrize(
    ("template", "job", "refused", "unknown"),
    [
        ("env: []", "", True, False),
        ("env: [{name: ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER, value: 'false'}]", "", False, False),
        ("env: [{name: ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER, valueFrom: {}}]", "", False, True),
        ("env: []", "container: rockylinux:10", False, False),
    ],
)
def test_job_without_a_container_is_refused(
    judged: Judge, template: str, job: str, refused: bool, unknown: bool
) -> None:
    pod = f"template: {{spec: {{containers: [{{name: runner, image: a, command: [run], {template}}}]}}}}\n"
    tree = {
        "docker.yaml": VALUES + MODE + CLAIM + pod,
        ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: tinyland-docker\n"
        f"    steps: [{{run: make}}]\n{f'    {job}' if job else ''}\n",
    }
    report = judged(tree)
    clause = "platform/workflows/job-containers"
    assert [finding.clause == clause for finding in report.findings].count(True) == refused
    assert any(entry.clause == clause for entry in report.unjudged) == unknown
