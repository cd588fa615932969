"""Files of CI, as GitLab, YAML and the command line of OpenTofu read them."""

from __future__ import annotations

import pytest

from tests.truth.conftest import Judge, contradicted

GITLAB = ".gitlab-ci.yml"


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("a: {stage: build, script: [x]}\n", []),
        ("a: {script: [x]}\n", []),
        ("stages: [check]\na: {script: [x]}\n", ["job a is in stage test"]),
        ("stages: [check]\na: {stage: .post, script: [x]}\n", []),
        ("stages: [check]\na: {stage: chek, script: [x]}\n", ["job a is in stage chek"]),
        ("stages: [check]\n.b: {stage: check}\na: {extends: .b, script: [x]}\n", []),
        ("stages: [check]\na: {extends: .elsewhere, script: [x]}\n", []),
        (
            "stages: [check]\ninclude: [{template: Jobs/SAST.gitlab-ci.yml}]\n",
            ["template Jobs/SAST.gitlab-ci.yml is in stage test"],
        ),
        ("include: [{project: g/p, file: x.yml}]\na: {stage: lint, script: [x]}\n", []),
        ("a: {script: [x]}\nb: {script: [x], needs: [a]}\n", []),
        ("a: {script: [x]}\nb: {script: [x], needs: [c]}\n", ["job b needs c"]),
        ("b: {script: [x], needs: [{job: c, optional: true}]}\n", []),
        # What a job of another project is in stands there.
        ("stages: [check]\ninclude: [{project: g/p, file: x.yml}]\na: {image: i}\n", []),
        ("stages: [check]\na: {image: i}\n", ["job a is in stage test"]),
        ("b: {script: [x], needs: [{job: c, project: g/p}]}\n", []),
        ("include: [{remote: 'https://x.dev/a.yml'}]\nb: {script: [x], needs: [c]}\n", []),
    ],
)
def test_pipeline_has_the_stages_and_jobs_it_names(judged: Judge, pipeline: str, expected: list[str]) -> None:
    """Commit 6199d3a: a template of GitLab is in a stage that the pipeline does not list."""
    assert contradicted(judged, {GITLAB: pipeline}, "pipeline-jobs") == expected


def test_file_that_a_pipeline_includes_has_any_name(judged: Judge) -> None:
    """The jobs of a library's pipeline stand in ci/, and its root asks for one of them."""
    tree = {
        GITLAB: "include: /ci/all.yml\nb: {script: [x], needs: [a, c]}\n",
        "ci/all.yml": "include: [{local: /ci/jobs.yml}]\n",
        "ci/jobs.yml": "a: {script: [docker build .], tags: [tinyland-nix]}\n",
        "ci/other.yml": "c: {script: [x]}\n",
    }
    assert contradicted(judged, tree, "pipeline-jobs") == ["job b needs c"]
    assert contradicted(judged, tree, "workflows/needs") == ["job a on tinyland-nix: docker build ."]


@pytest.mark.parametrize(
    "include", ["{project: g/p, file: x.yml}", "{remote: 'https://x.dev/a.yml'}", "/ci/none.yml", "'$X.yml'"]
)
def test_jobs_that_a_pipeline_includes_unseen_are_listed(judged: Judge, include: str) -> None:
    report = judged({GITLAB: f"include: [{include}]\na: {{script: [x], needs: [b]}}\n"})
    reasons = [place.reason for place in report.unjudged if place.clause.endswith("workflows/labels")]
    assert [reason.partition(", ")[2] for reason in reasons] == ["which is not in this checkout"]
    assert report.findings == ()


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("a: {script: [x]}\nb: {script: [x]}\n", []),
        ("a:\n  script: [x]\n  script: [y]\n", ["script is written twice"]),
        ("a: {script: [x]}\na: {script: [y]}\n", ["a is written twice"]),
        (".t: &t {script: [x]}\na:\n  <<: *t\n  script: [y]\n", []),
    ],
)
def test_key_that_is_written_twice_is_named(judged: Judge, pipeline: str, expected: list[str]) -> None:
    """Commit ff11415: two jobs were merged into one, whose first script never ran."""
    assert contradicted(judged, {GITLAB: pipeline}, "keys-once") == expected


FLAGS = "FLAGS=(-var=region=a)\nFILE=${F:-live.tfvars}\nFLAGS+=(-var-file=$FILE)\ntofu plan $FLAGS\n"


@pytest.mark.parametrize(
    ("script", "replaced"),
    [
        ("tofu plan -var=region=a -var-file=live.tfvars", True),
        ("tofu plan -var region=a -var-file live.tfvars", True),
        ("tofu plan -var-file=live.tfvars -var=region=a", False),
        ("tofu plan -var=size=1 -var-file=live.tfvars", False),
        ("tofu plan -var=region=a && tofu plan -var-file=live.tfvars", False),
        ("tofu plan -var=region=a -var-file=elsewhere.tfvars", False),
        (FLAGS, True),
    ],
)
def test_file_of_values_comes_before_variables(judged: Judge, script: str, replaced: bool) -> None:
    """Commit a8b5810: reviews were deployed over the environment of the file."""
    lines = "".join(f"      {line}\n" for line in script.splitlines())
    tree = {GITLAB: f"plan:\n  script:\n    - |\n{lines}", "tofu/live.tfvars": 'region = "b"\n'}
    assert contradicted(judged, tree, "variable-order") == ["-var region"] * replaced


@pytest.mark.parametrize(
    ("image", "script", "flake", "wrong"),
    [
        ("alpine:3.21", "bazelisk build", "", True),
        ("debian:12", "bazelisk build", "", False),
        ("node:22-alpine", "bazelisk build", "", True),
        ("alpine:3.21", "bazel build", "{ x = pkgs.bazelisk; }", False),
        ("alpine:3.21", "nix develop -c bazel build", "{ x = pkgs.bazelisk; }", True),
        ("alpine:3.21", "nix develop -c bazel build", "{ x = pkgs.bazel_7; }", False),
    ],
)
def test_image_has_the_c_library_of_its_programs(
    judged: Judge, image: str, script: str, flake: str, wrong: bool
) -> None:
    """Commit 3cbf75a: the launcher of Bazel downloads a program for glibc."""
    tree = {GITLAB: f"build:\n  image: {image}\n  script: [{script}]\n", "flake.nix": flake}
    says = [f"job build runs in {image}, whose C library is musl"]
    assert contradicted(judged, tree, "workflows/libc") == says * wrong


@pytest.mark.parametrize(("other", "replaced"), [("region", True), ("size", False)])
def test_file_of_two_stacks_has_to_set_it_in_both(judged: Judge, other: str, replaced: bool) -> None:
    tree = {
        GITLAB: "plan:\n  script: [tofu plan -var=region=a -var-file=live.tfvars]\n",
        "one/live.tfvars": 'region = "b"\n',
        "two/live.tfvars": f'{other} = "b"\n',
    }
    report = judged(tree)
    clause = "platform/workflows/variable-order"
    assert any(finding.clause == clause for finding in report.findings) == replaced
    assert any(entry.clause == clause for entry in report.unjudged) != replaced


CONTAINER = "name: mc, image: 'quay.io/minio/mc:1', securityContext: {readOnlyRootFilesystem: true}"


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("", True),
        (", volumeMounts: [{name: a, mountPath: /root}]", False),
        (", volumeMounts: [{name: a, mountPath: /root, readOnly: true}]", True),
        (
            ", volumeMounts: [{name: a, mountPath: /tmp}], env: [{name: MC_CONFIG_DIR, value: /tmp/.mc}]",
            False,
        ),
        (", env: [{name: MC_CONFIG_DIR, value: /tmp/.mc}]", True),
        (", args: [--config-dir, /tmp]", False),
    ],
)
def test_program_can_write_where_it_has_to(judged: Judge, more: str, wrong: bool) -> None:
    """Commit 15ecfe7: the client of MinIO keeps its settings in the home of root."""
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"
    tree = {"job.yaml": f"{job}spec: {{template: {{spec: {{containers: [{{{CONTAINER}{more}}}]}}}}}}\n"}
    assert bool(contradicted(judged, tree, "writable-folders")) == wrong
