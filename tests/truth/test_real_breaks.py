"""Shapes of the platform's real breaks: each is a finding before its fix and none after. docs/truth/breaks.md has them."""

from __future__ import annotations

import re

import pytest

from builder_contracts.truth.model import Model
from tests.truth.conftest import Judge
from tests.truth.miniature import CLEAN, Tree

GITLAB = ".gitlab-ci.yml"


def findings(judged: Judge, tree: Tree, clause: str) -> list[str]:
    report = judged({**CLEAN, **tree})
    return [finding.witness for finding in report.findings if finding.clause.endswith(clause)]


TEMPLATE = """\
variable "spread" {
  type    = bool
  default = false
}
locals {
  config = <<-TOML
    [[runners]]
      executor = "kubernetes"
      [runners.kubernetes]
        namespace = "arc-runners"
        %{if var.spread~}
        [runners.kubernetes.affinity]
          [runners.kubernetes.affinity.node_affinity]
        %{endif~}
        memory_limit = "8Gi"
  TOML
}
"""
CALL = 'terraform {\n  backend "http" {}\n}\nmodule "nix" {\n  source = "../../modules/pool"\n  spread = true\n}\n'


@pytest.mark.parametrize("call", [CALL, CALL.replace("true", "var.spread"), ""])
def test_template_is_judged_as_callers_may_render_it(judged: Judge, call: str) -> None:
    """Commit 4442e0f: the limit is in another table only when a caller turns the switch on."""
    tree = {"tofu/modules/pool/main.tf": TEMPLATE, **({"tofu/stacks/pool/main.tf": call} if call else {})}
    assert findings(judged, tree, "settings-apply")
    lines = TEMPLATE.splitlines(keepends=True)
    lines.insert(9, lines.pop(-3))
    mended = {**tree, "tofu/modules/pool/main.tf": "".join(lines)}
    assert not findings(judged, mended, "settings-apply")


def test_image_that_runners_give_to_jobs_needs_a_shell(judged: Judge) -> None:
    """Commit 49ce80e: the default image of GitLab Runner is written in the values of a release."""
    config = TEMPLATE.replace('namespace = "arc-runners"', 'image = "nixos/nix:2.24.9"')
    assert findings(judged, {"tofu/modules/pool/main.tf": config}, "job-shells")
    mended = config.replace("nixos/nix:2.24.9", "nixpkgs/nix:nixos-25.05")
    assert not findings(judged, {"tofu/modules/pool/main.tf": mended}, "job-shells")


RELEASE = """\
terraform {
  backend "http" {}
}
resource "helm_release" "runner" {
  name      = "runner"
  chart     = "gitlab-runner"
  namespace = "arc-runners"
  values    = [yamlencode({ concurrent = 4 })]
}
"""


def test_value_that_a_chart_requires_is_set(judged: Judge) -> None:
    """Commit a4c46ee: values that replace the generated ones leave out the server."""
    assert findings(judged, {"tofu/stacks/gl/main.tf": RELEASE}, "settings-apply")
    mended = RELEASE.replace("concurrent = 4", 'gitlabUrl = "https://gitlab.com"')
    assert not findings(judged, {"tofu/stacks/gl/main.tf": mended}, "settings-apply")


def pipeline(*push: str) -> str:
    lines = "".join(f"    - {line}\n" for line in push)
    return (
        ".nix:\n  image: alpine:3.21\n  artifacts: {paths: ['result*']}\n"
        "build:\n  extends: .nix\n  script: [nix build .#image --out-link result-image]\n"
        f"push:\n  extends: .nix\n  needs: [build]\n  script:\n{lines}"
    )


def test_link_of_another_job_is_not_followed(judged: Judge) -> None:
    """Commit 03838bf: the job that uses the artifact has another store than the one that made the link."""
    used = [
        w
        for w in findings(judged, {GITLAB: pipeline("./result-image/bin/push")}, "workflows/artifacts")
        if "push" in w
    ]
    assert any(f"{GITLAB}:11" in witness and "its own /nix/store" in witness for witness in used)
    rebuilt = pipeline("nix build .#image --out-link result-image", "./result-image/bin/push")
    assert not any(
        "its own /nix/store" in w for w in findings(judged, {GITLAB: rebuilt}, "workflows/artifacts")
    )


MODULE = 'module(name = "gloriousflywheel")\nbazel_dep(name = "rules_pkg", version = "1.1.0")\n'
BAZEL = "build:\n  image: alpine:3.21\n  script:\n    - nix develop .#ci --command bazel build //...\n"


@pytest.mark.parametrize(
    ("module", "rejects"),
    [
        (MODULE, True),
        (MODULE + 'bazel_dep(name = "rules_python", version = "1.4.1")\n', False),
        (MODULE + 'p.toolchain(python_version = "3.11", ignore_root_user_error = True)\n', False),
        (MODULE + 'bazel_dep(name = "unlisted", version = "1")\n', False),
    ],
)
def test_interpreter_that_a_module_brings_rejects_root(judged: Judge, module: str, rejects: bool) -> None:
    """Commit e8c29dc: no toolchain is configured, and the command stands behind nix develop."""
    witnesses = findings(judged, {"MODULE.bazel": module, GITLAB: BAZEL}, "not-root")
    assert bool(witnesses) is rejects


def test_tag_that_the_registry_does_not_have(judged: Judge) -> None:
    """Commits babc3bd and 6bcea79: the mirror's own source is looked at, too."""
    mirror = CLEAN[".github/workflows/mirror-images.yml"]
    assert isinstance(mirror, str)
    wrong = mirror.replace("alpine/k8s:1.31.4", "bitnami/kubectl:1.31")
    assert findings(judged, {".github/workflows/mirror-images.yml": wrong}, "images-exist")
    right = mirror.replace("alpine/k8s:1.31.4", f"bitnami/kubectl@sha256:{'0' * 64}")
    assert not findings(judged, {".github/workflows/mirror-images.yml": right}, "images-exist")


def cache(arguments: str, variables: str = "", table: str = "") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cache, namespace: nix-cache}}
spec:
  template:
    spec:
      containers:
        - name: cache
          image: buchgr/bazel-remote-cache:v2.4.4
          args: [{arguments}]
          env: [{variables}]
          volumeMounts: [{{name: config, mountPath: /etc/cache}}]
      volumes: [{{name: config, configMap: {{name: cache}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: cache, namespace: nix-cache}}
data:
  config.yaml: |
    dir: /data
{table}"""


FILE = "--config_file=/etc/cache/config.yaml"
BUCKET = "{name: BAZEL_REMOTE_S3_BUCKET, value: cache}"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (cache(FILE, BUCKET), "BAZEL_REMOTE_S3_BUCKET is ignored"),
        (
            cache(f"{FILE}, --s3.auth_method=iam_role, --s3.bucket=cache"),
            "--s3.auth_method, --s3.bucket are ignored",
        ),
        (cache("--dir=/data, --s3.bucket=cache"), "does not start without --s3.auth_method"),
        (
            cache(FILE, table="    s3_proxy: {bucket: cache}\n"),
            "s3_proxy of Deployment cache has no auth_method",
        ),
        (cache(FILE, table="    s3_proxy: {bucket: cache, auth_method: iam_role}\n"), ""),
        (cache("--dir=/data", BUCKET), ""),
        (cache(f"{FILE}", "{name: OTHER, value: cache}"), ""),
    ],
)
def test_program_reads_settings_from_one_place(judged: Judge, manifest: str, expected: str) -> None:
    """Commits 2bcf2c0, 1e0b26a and 0160922: what stands beside the file of settings is not read."""
    witnesses = findings(judged, {"k8s/cache.yaml": manifest}, "settings-apply")
    assert [expected in witness for witness in witnesses] == ([True] if expected else [])


def test_method_of_authentication_is_no_secret(judged: Judge) -> None:
    variables = "{name: BAZEL_REMOTE_S3_AUTH_METHOD, value: access_key}"
    assert not findings(judged, {"k8s/cache.yaml": cache("--dir=/data", variables)}, "secrets-by-reference")


ACTION = "name: x\ndescription: y\nruns:\n  using: composite\n  steps:\n"
STOCK = "ghcr.io/actions/actions-runner:2.321.0"


@pytest.mark.parametrize(
    ("install", "missing"), [("", True), ("    - run: sudo apt-get install -y xz-utils\n", False)]
)
def test_action_needs_what_a_deployed_image_holds(judged: Judge, install: str, missing: bool) -> None:
    """Commit 7989276: the installer unpacks with xz, and the image of every scale set lacks it."""
    module = CLEAN["tofu/modules/arc-runner/variables.tf"]
    assert isinstance(module, str)
    tree = {
        "tofu/modules/arc-runner/variables.tf": module.replace("ghcr.io/tinyland-inc/runner:2.321.0", STOCK),
        ".github/actions/install/action.yml": f"{ACTION}{install}    - uses: cachix/install-nix-action@v30\n",
    }
    witnesses = [w for w in findings(judged, tree, "workflows/needs") if ".github/actions/install" in w]
    assert bool(witnesses) is missing
    assert [w for w in findings(judged, tree, "tinyland-nix/toolchain/xz") if "lacks xz" in w]


def test_deployed_image_with_a_mount_is_not_judged(judged: Judge) -> None:
    values = (
        "githubConfigUrl: https://github.com/tinyland-inc\ngithubConfigSecret: app\nrunnerScaleSetName: tinyland-nix\n"
        f"template:\n  spec:\n    containers:\n      - name: runner\n        image: {STOCK}\n"
        "        volumeMounts: [{name: nix, mountPath: /nix}]\n"
    )
    assert not findings(judged, {"values/nix.yaml": values}, "tinyland-nix/toolchain/nix")


def test_model_of_an_empty_checkout_has_no_modules() -> None:
    assert Model().bazel_modules == []


JOB = "on: push\njobs:\n  one:\n    runs-on: {label}\n    timeout-minutes: 9\n{body}"


@pytest.mark.parametrize(
    ("label", "body", "expected"),
    [
        ("tinyland-nix", "    container: alpine:3.21\n    steps: [{run: ls}]\n", "container:"),
        ("tinyland-nix", "    services: {db: {image: 'postgres:17'}}\n    steps: [{run: ls}]\n", "services:"),
        ("tinyland-nix", "    steps: [{uses: 'docker://alpine:3.21'}]\n", "uses: docker://alpine:3.21"),
        ("tinyland-docker", "    steps: [{uses: docker/login-action@v3}]\n", "uses: docker/login-action"),
        ("tinyland-nix", "    steps: [{run: docker --context x build .}]\n", "docker --context x"),
        (
            "tinyland-nix",
            "    steps: [{run: timeout 5m bash -c 'docker image build .'}]\n",
            "docker image build",
        ),
        ("tinyland-nix", "    steps: [{run: sudo mkdir /data}]\n", "sudo mkdir /data"),
        ("tinyland-nix", "    steps: [{run: go test ./...}]\n", "go test ./..."),
        ("tinyland-dind", "    container: alpine:3.21\n    steps: [{run: ls}]\n", ""),
        ("tinyland-nix", "    steps: [{run: nix develop -c go test ./...}]\n", ""),
        ("tinyland-nix", "    steps: [{uses: actions/setup-go@v5}, {run: go test}]\n", ""),
        ("tinyland-nix", "    steps: [{if: \"runner.os == 'macOS'\", run: brew install x}, {run: ls}]\n", ""),
        ("tinyland-nix", "    steps: [{run: 'command -v go && go test'}]\n", ""),
        ("tinyland-nix", "    steps: [{run: docker --version}]\n", "docker --version"),
    ],
)
def test_job_needs_what_its_class_promises(judged: Judge, label: str, body: str, expected: str) -> None:
    workflow = JOB.replace("{label}", label).replace("{body}", body)
    module = "tofu/modules/arc-runner/main.tf"
    # In mode kubernetes a container is a pod of its own.
    tree = {module: CLEAN[module].replace('container_mode != ""', 'container_mode == "dind"')}
    witnesses = findings(judged, {**tree, ".github/workflows/one.yml": workflow}, "workflows/needs")
    assert [expected in witness for witness in witnesses] == ([True] if expected else [])


def test_tool_that_a_script_may_have_brought_is_unsure(judged: Judge) -> None:
    body = "    steps: [{run: 'curl -L https://x.example/i | sh'}, {run: go test}]\n"
    workflow = JOB.replace("{label}", "tinyland-nix").replace("{body}", body)
    report = judged({**CLEAN, ".github/workflows/one.yml": workflow})
    assert [entry.reason for entry in report.unjudged if entry.at.file.endswith("one.yml")]
    assert not findings(judged, {".github/workflows/one.yml": workflow}, "workflows/needs")


def pool(table: str) -> str:
    lines = TEMPLATE.replace('        memory_limit = "8Gi"\n', table)
    return re.sub(r"        %\{if.*?endif~\}\n", "", lines, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('        [runners.kubernetes.cpu_limit]\n          value = "2"\n', "cpu_limit is a table"),
        ('        [[runners.kubernetes.pod_spec.containers]]\n          name = "b"\n', "pod_spec is a table"),
        (
            '        [[runners.kubernetes.services]]\n          name = "d"\n'
            '          [[runners.kubernetes.services.env]]\n            name = "A"\n',
            "a service has env",
        ),
        ('        cpu_limit = "2"\n', ""),
        ('        [[runners.kubernetes.pod_spec]]\n          name = "b"\n', ""),
        (
            '        [[runners.kubernetes.services]]\n          name = "d"\n          environment = ["A=1"]\n',
            "",
        ),
    ],
)
def test_runner_configuration_has_the_types_it_needs(judged: Judge, table: str, expected: str) -> None:
    """Commits 012a91f and 03bcdc2: a limit as a table, pod_spec as a table, env of a service."""
    witnesses = findings(judged, {"tofu/modules/pool/main.tf": pool(table)}, "settings-apply")
    assert [expected in witness for witness in witnesses] == ([True] if expected else [])


@pytest.mark.parametrize(("path", "hidden"), [("/nix", True), ("/cache", False)])
def test_volume_over_the_nix_store_hides_the_shell(judged: Judge, path: str, hidden: bool) -> None:
    """Commit e685845: an empty volume at /nix, and a job in an image of Nix."""
    table = f'        [[runners.kubernetes.volumes.empty_dir]]\n          name = "n"\n          mount_path = "{path}"\n'
    job = (
        "smoke:\n  image: docker.nix-community.org/nixpkgs/nix-flakes:nixos-25.05\n  script: nix --version\n"
    )
    tree = {"tofu/modules/pool/main.tf": pool(table), GITLAB: job}
    witnesses = findings(judged, tree, "job-shells")
    assert any("pool/main.tf" in witness for witness in witnesses) is hidden


@pytest.mark.parametrize(
    ("container", "missing"),
    [
        ("image: ghcr.io/actions/actions-runner:2.330.0\n        command: [/home/runner/run.sh]", []),
        ("image: ghcr.io/actions/actions-runner:2.330.0", ["command"]),
        ("image: ghcr.io/x/own:1.2.3", []),
        ("resources: {}", ["image", "command"]),
    ],
)
def test_template_repeats_what_it_replaces(judged: Judge, container: str, missing: list[str]) -> None:
    """Commit 6ddde3f: a pod template of one's own without the image and the command of the chart's."""
    values = (
        "githubConfigUrl: https://github.com/tinyland-inc\ngithubConfigSecret: app\nrunnerScaleSetName: tinyland-nix\n"
        f"template:\n  spec:\n    containers:\n      - name: runner\n        {container}\n"
    )
    witnesses = findings(judged, {"values/nix.yaml": values}, "settings-apply")
    assert [f"has no {key}" in witness for key, witness in zip(missing, witnesses, strict=True)] == [
        True for _ in missing
    ]


HPA = """\
resource "kubernetes_horizontal_pod_autoscaler_v2" "runner" {
  count = var.scaled ? 1 : 0
  metadata { name = "runner-hpa" }
  spec {
    scale_target_ref {
      kind = "Deployment"
      name = "nix"
    }
    max_replicas = 3
  }
}
resource "kubernetes_pod_disruption_budget_v1" "runner" {
  metadata { name = "runner-pdb" }
  spec {
    selector {
      match_labels = { "app" = "nix", "release" = "nix" }
    }
  }
}
variable "scaled" {
  type    = bool
  default = false
}
"""


@pytest.mark.parametrize(
    ("settings", "broken"),
    [
        ('gitlabUrl = "https://gitlab.com"', ["scales nix <>", "selects pods with app=nix <>"]),
        ('gitlabUrl = "https://gitlab.com", fullnameOverride = "nix"', []),
        (
            'gitlabUrl = "https://gitlab.com", fullnameOverride = "nix", affinity = { podAntiAffinity = '
            '[{ labelSelector = { matchLabels = { "part-of" = "pool" } } }] }',
            ["have no label part-of"],
        ),
        (
            'gitlabUrl = "https://gitlab.com", fullnameOverride = "nix", podLabels = { "part-of" = "pool" }, '
            'affinity = { podAntiAffinity = [{ labelSelector = { matchLabels = { "part-of" = "pool" } } }] }',
            [],
        ),
    ],
)
def test_selectors_select_what_the_chart_makes(judged: Judge, settings: str, broken: list[str]) -> None:
    """Commits 52b2d97 and ce1e5c6: names and labels that the chart does not give its pods."""
    release = RELEASE.replace("concurrent = 4", settings).replace('= "runner"\n', '= "nix"\n', 1)
    witnesses = findings(judged, {"tofu/stacks/gl/main.tf": release + HPA}, "deployment/selectors")
    assert [any(part in witness for witness in witnesses) for part in broken] == [True for _ in broken]
    assert len(witnesses) == len(broken)


def pod(name: str, image: str, secret: str = "") -> str:
    secrets = f"imagePullSecrets: [{{name: {secret}}}], " if secret else ""
    return (
        f"---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: nix-cache}}\n"
        f"spec: {{template: {{spec: {{{secrets}containers: [{{name: a, image: {image}}}]}}}}}}\n"
    )


@pytest.mark.parametrize(
    ("manifest", "broken"),
    [
        (pod("a", "ghcr.io/t/a:1.0", "ghcr") + pod("b", "ghcr.io/t/b:1.0"), True),
        (pod("a", "ghcr.io/t/a:1.0", "ghcr") + pod("b", "ghcr.io/t/b:1.0", "ghcr"), False),
        (pod("a", "ghcr.io/t/a:1.0", "ghcr") + pod("b", "ghcr.io/other/b:1.0"), False),
        (pod("a", "ghcr.io/t/a:1.0") + pod("b", "ghcr.io/t/b:1.0"), False),
    ],
)
def test_pods_of_one_owner_have_its_pull_secret(judged: Judge, manifest: str, broken: bool) -> None:
    """Commit 952672a: one job of several pulls from a private registry without the secret."""
    assert bool(findings(judged, {"k8s/jobs.yaml": manifest}, "pull-secrets")) is broken


@pytest.mark.parametrize(
    ("url", "settings", "broken"),
    [
        ("${random_password.db.result}", "", True),
        ("${var.own ? random_password.db.result : var.password}", 'override_special = "-:"', True),
        ("${random_password.db.result}", 'override_special = "-_."', False),
        ("${random_password.db.result}", "special = false", False),
        ("${urlencode(random_password.db.result)}", "", False),
    ],
)
def test_password_in_a_url_is_encoded(judged: Judge, url: str, settings: str, broken: bool) -> None:
    """Commit 4a2cc3c: a generated password with a colon in the URL of a database."""
    module = (
        f'resource "random_password" "db" {{\n  length = 32\n  {settings}\n}}\n'
        f'output "url" {{\n  value = "postgresql://attic:{url}@db:5432/attic"\n}}\n'
    )
    assert bool(findings(judged, {"tofu/modules/db/main.tf": module}, "url-passwords")) is broken


def test_endpoint_of_bazel_remote_has_no_scheme(judged: Judge) -> None:
    """Commit 7b7ca9d: the address of the bucket begins with http://."""
    table = "    s3_proxy: {bucket: cache, auth_method: iam_role, endpoint: 'http://minio:9000'}\n"
    assert findings(judged, {"k8s/cache.yaml": cache(FILE, table=table)}, "settings-apply")
    mended = table.replace("http://", "")
    assert not findings(judged, {"k8s/cache.yaml": cache(FILE, table=mended)}, "settings-apply")


ATTIC = '[database]\nurl = "sqlite://x"\n[storage]\ntype = "local"\n[chunking]\nmin-size = 1\n[jwt.signing]\nx = "y"\n'


@pytest.mark.parametrize(
    ("removed", "more", "expected"),
    [
        ("", "", ""),
        ('url = "sqlite://x"\n', "", "no database.url"),
        ('[jwt.signing]\nx = "y"\n', "", "no jwt.signing"),
        ('url = "sqlite://x"\n', "ATTIC_SERVER_DATABASE_URL", ""),
        ("[chunking]\nmin-size = 1\n", "", ""),
    ],
)
def test_attic_starts_with_its_settings(judged: Judge, removed: str, more: str, expected: str) -> None:
    """Commits 602f24b and e42f395: neither the file nor a variable that Attic reads has the setting."""
    content = ATTIC.replace(removed, "").replace("\n", "\n    ")
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: attic}}\ndata:\n  server.toml: |\n    {content}\n"
    if more:
        manifest += (
            f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: attic}}\nstringData: {{{more}: x}}\n"
        )
    witnesses = findings(judged, {"k8s/attic.yaml": manifest}, "settings-apply")
    assert [expected in witness for witness in witnesses] == ([True] if expected else [])
