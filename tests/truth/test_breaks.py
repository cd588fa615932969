"""Every break and contradiction of the platform's history that files can show: green before, red after.

The values are the real ones; the rules know none of them. Each break turns exactly the clauses red that name
the promise it broke.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from builder_contracts import truth
from builder_contracts.truth.rules.registry import RULES
from builder_contracts.verdict import Outcome
from tests.truth.conftest import CONTRACTS, Judge, broken
from tests.truth.miniature import Add, Change, Edit, changed

SETUP = ".github/actions/setup-flywheel/action.yml"
NIX_JOB = ".github/actions/nix-job/action.yml"
STACK = "tofu/stacks/arc-runners"
DIND_IMAGE = "builders/tinyland-dind/Dockerfile"
NIX_IMAGE = "builders/tinyland-nix/Dockerfile"
WORKFLOW = ".github/workflows/test-runners.yml"


def values(label: str, pod: str = "", container: str = "") -> str:
    """Helm values of a scale set, with more fields of its pod and of the runner's container."""
    docker = "resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {cpu: 2, memory: 4Gi}}"
    kernel = "resources: {requests: {cpu: 2, memory: 4Gi}, limits: {cpu: 4, memory: 16Gi}}"
    resources = kernel if label == "linux-xr-docker" else docker
    env = "env: [{name: ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER, value: 'false'}]"
    return (
        "githubConfigUrl: https://github.com/tinyland-inc\ngithubConfigSecret: github-app-secret\n"
        f"runnerScaleSetName: {label}\ntemplate:\n  spec:\n{pod}"
        f"    containers: [{{name: runner, image: 'ghcr.io/tinyland-inc/runner:1', {resources}, {env}{container}}}]\n"
        "containerMode: {type: kubernetes, kubernetesModeWorkVolumeClaim: {storageClassName: local-path}}\n"
    )


def workflow(label: str, command: str) -> str:
    """A workflow of one job."""
    step = command.replace('"', '\\"')
    return f'name: One\non: push\njobs:\n  one:\n    runs-on: {label}\n    timeout-minutes: 9\n    steps:\n      - run: "{step}"\n'


@dataclass(frozen=True)
class Break:
    """A change of the clean tree, the clauses that it breaks, and the two lines that a finding must name."""

    name: str
    changes: tuple[Change, ...]
    clauses: frozenset[str]
    actual: str
    expected: str


def broken_by(
    name: str, change: Change | tuple[Change, ...], clause: str, actual: str, expected: str
) -> Break:
    changes = change if isinstance(change, tuple) else (change,)
    return Break(name, changes, frozenset(clause.split()), actual, expected)


BUDGET = """\
resource "helm_release" "runner" {
  name      = "runner"
  chart     = "gitlab-runner"
  namespace = "arc-runners"
  values    = [yamlencode({ gitlabUrl = "https://gitlab.com" })]
}
resource "kubernetes_pod_disruption_budget_v1" "runner" {
  metadata { name = "runner" }
  spec {
    selector { match_labels = { "app" = "gitlab-runner" } }
  }
}
"""
JOBS = """\
apiVersion: batch/v1
kind: Job
metadata: {name: first, namespace: nix-cache}
spec: {template: {spec: {imagePullSecrets: [{name: ghcr},],
  containers: [{name: a, image: 'ghcr.io/tinyland-inc/attic:1.0'}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: second, namespace: nix-cache}
spec: {template: {spec: {containers: [{name: a, image: 'ghcr.io/tinyland-inc/attic:1.0'}]}}}
"""
DATABASE = """\
resource "random_password" "owner" {
  length = 32
}
output "url" {
  value = "postgresql://attic:${random_password.owner.result}@db:5432/attic"
}
"""
STORE = """\
terraform {
  backend "http" {}
}
variable "install_operator" {
  type = bool
}
resource "helm_release" "operator" {
  count     = var.install_operator ? 1 : 0
  name      = "operator"
  chart     = "operator"
  version   = "7.1.1"
  namespace = "nix-cache"
}
resource "kubectl_manifest" "tenant" {
  yaml_body = <<-YAML
    apiVersion: minio.min.io/v2
    kind: Tenant
    metadata: {name: store, namespace: nix-cache}
    spec: {pools: [{volumeClaimTemplate: {spec: {storageClassName: local-path}}}]}
  YAML
}
"""

BREAKS = [
    # The table of dated breaks.
    broken_by(
        "cache host that no service carries",
        Edit(f"{STACK}/tinyland.tfvars", "http://attic.nix-cache", "http://attic-api.nix-cache"),
        "endpoints/known-hosts tinyland-nix/environment/ATTIC_SERVER tinyland-nix/environment/forbidden/dead-service-name",
        f"{STACK}/tinyland.tfvars:2",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "tool that no class promises is needed by an action",
        Edit(WORKFLOW, "- run: make test", "- run: podman build ."),
        "workflows/needs",
        f"{WORKFLOW}:17",
        "contracts/tinyland-docker.yaml",
    ),
    broken_by(
        "limit below a nested TOML table is never applied",
        (
            Edit(
                "tofu/modules/gitlab-runner/main.tf", '        memory_limit = "${var.job_memory_limit}"\n', ""
            ),
            Edit(
                "tofu/modules/gitlab-runner/main.tf",
                "        %{endif~}\n",
                '        %{endif~}\n        memory_limit = "${var.job_memory_limit}"\n',
            ),
        ),
        "deployment/settings-apply",
        "tofu/modules/gitlab-runner/main.tf:19",
        "tofu/modules/gitlab-runner/main.tf:12",
    ),
    broken_by(
        "limit that the class does not promise is deployed",
        Edit(f"{STACK}/variables.tf", 'default = "8Gi"', 'default = "1Gi"'),
        "tinyland-nix/resources/memory-limit deployment/documented-resources",
        "docs/runners.md:16",
        f"{STACK}/variables.tf:22",
    ),
    broken_by(
        "image tag that nobody checked",
        Edit(".gitlab-ci.yml", "image: alpine:3.21", "image: alpine/k8s:1.31"),
        "deployment/images-exist",
        ".gitlab-ci.yml:5",
        ".github/workflows/mirror-images.yml:12",
    ),
    broken_by(
        "scale sets from another chart than their controller",
        Edit("tofu/modules/arc-runner/variables.tf", 'default = "0.13.1"', 'default = "0.10.1"'),
        "enrolment/chart-versions",
        "tofu/modules/arc-runner/variables.tf:",
        f"{STACK}/variables.tf:14",
    ),
    broken_by(
        "object store credentials as flags",
        Edit(
            "tofu/modules/bazel-cache/main.tf",
            'args  = ["--config_file=/etc/bazel-remote/config.yaml"]',
            'args  = ["--s3.auth_method=access_key", "--s3.secret_access_key=$(BAZEL_REMOTE_S3_SECRET_ACCESS_KEY)"]',
        ),
        "enrolment/secrets-by-reference",
        "tofu/modules/bazel-cache/main.tf:15",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "object store credentials in a config file",
        (
            Edit(
                "tofu/modules/bazel-cache/main.tf",
                "        bucket: bazel-cache\n",
                "        bucket: bazel-cache\n        secret_access_key: ${var.s3_secret_key}\n",
            ),
            Add(
                "tofu/modules/bazel-cache/variables.tf",
                'variable "s3_secret_key" {\n  type    = string\n  default = "unset"\n}\n',
            ),
        ),
        "enrolment/secrets-by-reference",
        "tofu/modules/bazel-cache/main.tf:",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "artifact that is a link into the store",
        (
            Edit(".gitlab-ci.yml", "    - cp -rL result out\n", ""),
            Edit(".gitlab-ci.yml", "[out]", "[result]"),
        ),
        "workflows/artifacts",
        ".gitlab-ci.yml:10",
        ".gitlab-ci.yml:7",
    ),
    broken_by(
        "the project's own flake names a stale cache",
        Edit("flake.nix", "https://nix-cache.tinyland.dev", "https://nix-cache.fuzzy-dev.tinyland.dev"),
        "endpoints/retired-hosts",
        "flake.nix:7",
        "contracts/platform/endpoints.yaml",
    ),
    broken_by(
        "job image without a usable shell",
        Add(
            ".github/workflows/container.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    container: nixos/nix@sha256:"
            f"{'0' * 64}\n    steps: [{{run: nix build}}]\n",
        ),
        "deployment/job-shells",
        ".github/workflows/container.yml:5",
        "contracts/platform/deployment.yaml",
    ),
    broken_by(
        "build that refuses root runs as root",
        Edit("MODULE.bazel", "    ignore_root_user_error = True,\n", ""),
        "workflows/not-root",
        "MODULE.bazel:10",
        ".gitlab-ci.yml:5",
    ),
    broken_by(
        "build in an image without the interpreter it starts",
        Add(
            ".github/workflows/bazel.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    container: debian@sha256:"
            f"{'0' * 64}\n    steps: [{{run: bazel build //...}}]\n",
        ),
        "workflows/image-tools",
        ".github/workflows/bazel.yml:4",
        "MODULE.bazel:8",
    ),
    broken_by(
        "disruption budget that selects no pod of the chart",
        Add("tofu/modules/budget/main.tf", BUDGET),
        "deployment/selectors",
        "tofu/modules/budget/main.tf:10",
        "tofu/modules/budget/main.tf:1",
    ),
    broken_by(
        "job without the pull secret of its sibling",
        Add("k8s/jobs.yaml", JOBS),
        "deployment/pull-secrets",
        "k8s/jobs.yaml:10",
        "k8s/jobs.yaml:4",
    ),
    broken_by(
        "generated password that a URL cannot hold",
        Add("tofu/modules/database/main.tf", DATABASE),
        "deployment/url-passwords",
        "tofu/modules/database/main.tf:5",
        "tofu/modules/database/main.tf:1",
    ),
    # What an image's own Dockerfile shows.
    broken_by(
        "a runner image without the tool that installers unpack with",
        Edit(DIND_IMAGE, "    apt-get install -y --no-install-recommends xz-utils && \\\n", ""),
        "tinyland-dind/toolchain/xz",
        "",
        "",
    ),
    broken_by(
        "a promised tool is removed again",
        Edit(DIND_IMAGE, "USER runner", "RUN rm -f /usr/bin/git\nUSER runner"),
        "tinyland-dind/toolchain/git",
        "",
        "",
    ),
    broken_by(
        "an image ends as root",
        Edit(NIX_IMAGE, "USER runner\n", ""),
        "tinyland-nix/identity/not-root tinyland-nix/identity/uid tinyland-nix/identity/user",
        "",
        "",
    ),
    broken_by(
        "an image's user has another number",
        Add(
            "images/tinyland-docker.Dockerfile",
            f"FROM registry.example.org/base@sha256:{'0' * 64}\nUSER 1000\n",
        ),
        "tinyland-docker/identity/uid",
        "",
        "",
    ),
    broken_by(
        "an image sets a variable that must not be there",
        Edit(NIX_IMAGE, "ENTRYPOINT []", "ENV DOCKER_HOST=tcp://localhost:2375\nENTRYPOINT []"),
        "tinyland-nix/environment/DOCKER_HOST",
        "",
        "",
    ),
    broken_by(
        "an image has an entry point that jobs do not expect",
        Edit(DIND_IMAGE, "USER runner\n", 'USER runner\nENTRYPOINT ["/usr/bin/tini", "--"]\n'),
        "tinyland-dind/image/entrypoint",
        "",
        "",
    ),
    broken_by(
        "an image holds a daemon that its class must not have",
        Edit(NIX_IMAGE, "jq nix-bin", "jq docker.io nix-bin"),
        "tinyland-nix/toolchain/dockerd",
        "",
        "",
    ),
    broken_by(
        "an image without any shell",
        Add(
            "images/Dockerfile.tinyland-docker",
            "FROM gcr.io/distroless/static-debian12:nonroot-amd64\nCOPY tools.conf /etc/tools.conf\n",
        ),
        "tinyland-docker/identity/shell",
        "",
        "",
    ),
    # The table of standing contradictions.
    broken_by(
        "an action calls the container's port, the service listens on another",
        Edit(SETUP, "attic.nix-cache.svc.cluster.local", "attic.nix-cache.svc.cluster.local:8080"),
        "endpoints/service-ports",
        f"{SETUP}:13",
        "tofu/modules/hpa-deployment/main.tf:",
    ),
    broken_by(
        "an action is named by a path that is not there",
        Edit(NIX_JOB, "./.github/actions", "./github/actions"),
        "workflows/local-actions",
        f"{NIX_JOB}:7",
        f"{SETUP}:1",
    ),
    broken_by(
        "DOCKER_HOST names a port, the daemon listens on its socket only",
        Edit(
            "tofu/modules/arc-runner/main.tf",
            "--host=tcp://localhost:2375",
            "--host=unix:///var/run/docker.sock",
        ),
        "tinyland-dind/daemon/endpoint tinyland-dind/isolation/docker-daemon",
        "",
        "",
    ),
    broken_by(
        "documentation names a host that no service carries",
        Edit("docs/runners.md", "http://attic.nix-cache", "http://attic-api.nix-cache"),
        "endpoints/known-hosts",
        "docs/runners.md:20",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "a cache is called configured that runners do not get",
        Add("docs/runners.md", "\nAttic is pre-configured as a substituter on Nix runners.\n"),
        "workflows/substituters",
        "docs/runners.md:23",
        "tofu/modules/arc-runner/locals.tf:7",
    ),
    broken_by(
        "documentation gives another memory limit than is deployed",
        Edit("docs/runners.md", "256Mi | 4Gi", "256Mi | 2Gi"),
        "deployment/documented-resources",
        "docs/runners.md:15",
        f"{STACK}/main.tf:47",
    ),
    broken_by(
        "documentation counts a scale set that is off by default",
        Edit(
            "docs/index.md",
            "Two runner scale sets are deployed by default.",
            "Three runner scale sets are deployed.",
        ),
        "enrolment/documented-sets",
        "docs/index.md:11",
        f"{STACK}/variables.tf:26",
    ),
    broken_by(
        "documentation sends users to another repository than the fixes are in",
        Edit("README.md", "tinyland-inc/GloriousFlywheel", "Jesssullivan/GloriousFlywheel"),
        "identity/one-repository",
        "README.md:5",
        "contracts/platform/identity.yaml",
    ),
    broken_by(
        "a check that cannot fail",
        Edit(WORKFLOW, "nix-cache-info\n", "nix-cache-info && echo OK || echo UNREACHABLE\n"),
        "workflows/checks-fail",
        f"{WORKFLOW}:12",
        "contracts/platform/endpoints.yaml",
    ),
    broken_by(
        "a health check that prints bad news and succeeds",
        Edit("scripts/health-check.sh", "exit 1", "exit 0"),
        "workflows/checks-fail",
        "scripts/health-check.sh:4",
        "scripts/health-check.sh:3",
    ),
    broken_by(
        "a check that never consumes the lazy parser",
        Add(
            ".github/workflows/yaml.yml",
            workflow(
                "tinyland-docker", "python3 -c 'import yaml,sys; yaml.safe_load_all(sys.stdin)' < k8s.yaml"
            ),
        ),
        "workflows/checks-fail",
        ".github/workflows/yaml.yml:8",
        ".github/workflows/yaml.yml:8",
    ),
    # What the grounding document found besides.
    broken_by(
        "the module carries a retired name",
        Edit("MODULE.bazel", '"gloriousflywheel"', '"attic-iac"'),
        "identity/module-names",
        "MODULE.bazel:4",
        "contracts/platform/identity.yaml",
    ),
    broken_by(
        "a primary surface carries a retired name",
        Add("CONTRIBUTING.md", "\nClone attic-iac and open a pull request.\n"),
        "identity/retired-names",
        "CONTRIBUTING.md:5",
        "contracts/platform/identity.yaml",
    ),
    broken_by(
        "the flake presents something older and smaller",
        Edit("flake.nix", "GloriousFlywheel: runners and caches", "Attic Nix binary cache"),
        "identity/current-name",
        "flake.nix:2",
        "contracts/platform/identity.yaml",
    ),
    broken_by(
        "a scheme that the endpoint does not speak",
        Edit("docs/runners.md", "grpc://bazel-cache", "http://bazel-cache"),
        "endpoints/schemes",
        "docs/runners.md:21",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "a port that the endpoint does not listen on",
        Edit("docs/index.md", "ts.net:9092", "ts.net:9093"),
        "endpoints/ports",
        "docs/index.md:24",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "HOST:PORT where a URL is needed",
        Edit(SETUP, "BAZEL_REMOTE_CACHE=grpc://", "BAZEL_REMOTE_CACHE="),
        "endpoints/shapes",
        f"{SETUP}:14",
        "contracts/platform/endpoints.yaml",
    ),
    broken_by(
        "a role that is written down nowhere",
        Edit("docs/index.md", "- FlakeHub publishes and resolves flakes.\n", ""),
        "endpoints/roles",
        "docs/index.md:1",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "a role that is another one's",
        Add("docs/index.md", "\nFlakeHub is our build cache.\n"),
        "endpoints/roles",
        "docs/index.md:30",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "an endpoint that does not work is offered",
        Edit(
            "docs/index.md",
            "The public Bazel HTTP endpoint does not work.",
            "Use the public Bazel HTTP endpoint.",
        ),
        "endpoints/not-working",
        "docs/index.md:28",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "availability that the deployment does not have",
        Add("docs/index.md", "\nAttic runs with high availability.\n"),
        "endpoints/high-availability",
        "docs/index.md:30",
        "contracts/platform/cache-roles.yaml",
    ),
    broken_by(
        "a stack whose state is elsewhere than declared",
        Edit("tofu/stacks/attic/main.tf", 'backend "http"', 'backend "s3"'),
        "state/backends",
        "tofu/stacks/attic/main.tf:2",
        "contracts/platform/state.yaml",
    ),
    broken_by(
        "a stack without a backend",
        Add(
            "tofu/stacks/dashboard/main.tf",
            'module "bazel" {\n  source = "../../modules/bazel-cache"\n  name = "b"\n  namespace = "nix-cache"\n}\n',
        ),
        "state/one-authority",
        "tofu/stacks/dashboard/main.tf:",
        "contracts/platform/state.yaml",
    ),
    broken_by(
        "a state without a lock",
        Edit(
            f"{STACK}/backend.tf",
            'backend "http" {}',
            'backend "http" {\n    address = "https://gitlab.com/api/v4/projects/1/terraform/state/attic"\n  }',
        ),
        "state/locks",
        f"{STACK}/backend.tf:3",
        "contracts/platform/state.yaml",
    ),
    broken_by(
        "an intended migration is told as done",
        Add("docs/index.md", "\nTofu state lives in RustFS.\n"),
        "state/migrations",
        "docs/index.md:30",
        "contracts/platform/state.yaml",
    ),
    broken_by(
        "runners depend on a removed technology",
        Add(f"{STACK}/main.tf", '\noutput "selector" {\n  value = { "liqo.io/type" = "virtual-node" }\n}\n'),
        "topology/removed-technology",
        f"{STACK}/main.tf:",
        "contracts/platform/topology.yaml",
    ),
    broken_by(
        "a transitional provider is the default target",
        Edit(f"{STACK}/tinyland.tfvars", '"blahaj"', '"tinyland-civo-dev"'),
        "topology/transitional-provider",
        f"{STACK}/tinyland.tfvars:1",
        "contracts/platform/topology.yaml",
    ),
    broken_by(
        "a node is described with another node's role",
        Add("docs/index.md", "\nbumble is the control plane.\n"),
        "topology/node-roles",
        "docs/index.md:30",
        "contracts/platform/topology.yaml",
    ),
    broken_by(
        "runners are placed on a node that takes none",
        Edit(
            "tofu/modules/arc-runner/variables.tf",
            "type    = map(string)\n  default = {}",
            'type    = map(string)\n  default = { "kubernetes.io/hostname" = "sting" }',
        ),
        "topology/placement",
        "tofu/modules/arc-runner/variables.tf:",
        "contracts/platform/topology.yaml",
    ),
    broken_by(
        "a scale set carries a label that no class has",
        Add("deploy/general.yaml", values("tinyland-general")),
        "enrolment/labels lifecycle/scaling",
        "deploy/general.yaml:3",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "the kernel's scale set has the memory of its class",
        Edit(f"{STACK}/variables.tf", 'optional(string, "16Gi")', 'optional(string, "4Gi")'),
        "enrolment/declared-resources",
        f"{STACK}/variables.tf:",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "a scale set registers with a stranger",
        Edit(f"{STACK}/tinyland.tfvars", "Jesssullivan/linux-xr", "somebody/else"),
        "enrolment/scopes",
        f"{STACK}/tinyland.tfvars:7",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "a pool grows beyond its bounds",
        Edit("tofu/modules/arc-runner/variables.tf", "default = 5", "default = 50"),
        "lifecycle/scaling",
        "tofu/modules/arc-runner/variables.tf:",
        "contracts/platform/lifecycle.yaml",
    ),
    broken_by(
        "a deadline that no work fits",
        Edit(WORKFLOW, "timeout-minutes: 20", "timeout-minutes: 2"),
        "lifecycle/deadlines",
        f"{WORKFLOW}:6",
        "contracts/platform/lifecycle.yaml",
    ),
    broken_by(
        "a host is exposed that is not declared public",
        Edit("tofu/stacks/attic/main.tf", '"nix-cache.tinyland.dev"', '"bazel.xoxd.ai"'),
        "operator/public-surface",
        "tofu/stacks/attic/main.tf:",
        "contracts/platform/operator.yaml",
    ),
    broken_by(
        "the dashboard has a public address",
        Add("docs/index.md", "\nOpen https://dashboard.tinyland.dev to see the pools.\n"),
        "operator/management-addresses",
        "docs/index.md:30",
        "contracts/platform/operator.yaml",
    ),
    broken_by(
        "runners from an image that moves",
        Edit(
            "tofu/modules/arc-runner/variables.tf",
            "ghcr.io/tinyland-inc/runner:2.321.0",
            "quay.io/builders/runner:latest",
        ),
        "deployment/images-pinned",
        "tofu/modules/arc-runner/variables.tf:",
        "contracts/platform/deployment.yaml",
    ),
    broken_by(
        "a namespace that nobody creates",
        Add(
            "k8s/cache.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cache, namespace: nix-caches}\n",
        ),
        "deployment/namespaces",
        "k8s/cache.yaml:3",
        "contracts/platform/deployment.yaml",
    ),
    broken_by(
        "scale sets look for their controller where it is not",
        Edit(
            "tofu/stacks/arc-runners/main.tf",
            "  namespace     = var.controller_namespace",
            '  namespace     = "arc-control"',
        ),
        "deployment/namespaces",
        f"{STACK}/variables.tf:10",
        f"{STACK}/main.tf:",
    ),
    broken_by(
        "nobody wrote the operator's story",
        Edit("docs/index.md", "## Operator runbook", "## Around"),
        "identity/audiences",
        "docs/index.md:1",
        "contracts/platform/identity.yaml",
    ),
    broken_by(
        "the tailnet is not presented as the operators' way in",
        Edit("docs/index.md", "through the tailnet", "as always"),
        "operator/documented",
        "docs/index.md:1",
        "contracts/platform/operator.yaml",
    ),
    broken_by(
        "nothing states what stays outside of the local cluster",
        Edit("docs/index.md", " Civo remains an edge for failover only.", ""),
        "deployment/local-cluster",
        "docs/index.md:1",
        "contracts/platform/deployment.yaml",
    ),
    broken_by(
        "the documentation does not name the canary of heavy Linux builds",
        Edit("docs/index.md", "such as linux-xr ", ""),
        "enrolment/linux-builder",
        "docs/index.md:1",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "a scale set joins a group that nobody declared",
        Edit("tofu/modules/arc-runner/variables.tf", 'default = "default"', 'default = "everybody"'),
        "enrolment/runner-groups",
        "tofu/modules/arc-runner/variables.tf:11",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "GitHub's credentials are in the values of a chart",
        Add(
            "deploy/linux-xr-docker.yaml",
            values("linux-xr-docker").replace("github-app-secret", "{github_token: not-a-real-one}"),
        ),
        "enrolment/secrets-by-reference",
        "deploy/linux-xr-docker.yaml:2",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "a runner keeps a volume between jobs",
        Add(
            "deploy/keeps.yaml",
            values(
                "linux-xr-docker", "    volumes: [{name: work, persistentVolumeClaim: {claimName: work}}]\n"
            ),
        ),
        "lifecycle/ephemeral",
        "deploy/keeps.yaml:6",
        "contracts/platform/lifecycle.yaml",
    ),
    broken_by(
        "a second controller scales a pool",
        Add(
            "k8s/hpa.yaml",
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: x, namespace: arc-runners}\n"
            "spec: {scaleTargetRef: {name: gh-nix}, maxReplicas: 9}\n",
        ),
        "lifecycle/scaling-owner",
        "k8s/hpa.yaml:1",
        "contracts/platform/lifecycle.yaml",
    ),
    broken_by(
        "a pod has no time to end",
        Add("deploy/hurried.yaml", values("linux-xr-docker", "    terminationGracePeriodSeconds: 1\n")),
        "lifecycle/grace-periods",
        "deploy/hurried.yaml:6",
        "contracts/platform/lifecycle.yaml",
    ),
    broken_by(
        "the host's engine is mounted into runners",
        Edit(
            "tofu/modules/arc-runner/main.tf",
            "            containers = concat(\n              [\n                merge(\n                  {\n",
            '            volumes = [{ name = "d", hostPath = { path = "/var/run/docker.sock" } }]\n            containers = concat(\n'
            "              [\n                merge(\n                  {\n"
            '                    volumeMounts = [{ name = "d", mountPath = "/var/run/docker.sock" }]\n',
        ),
        "tinyland-nix/isolation/docker-socket tinyland-docker/isolation/docker-socket tinyland-dind/isolation/docker-socket",
        "",
        "",
    ),
    broken_by(
        "runners are privileged, run as root and may gain privileges",
        Add(
            "deploy/docker.yaml",
            values(
                "tinyland-docker",
                "    securityContext: {runAsUser: 0}\n",
                ", securityContext: {privileged: true, allowPrivilegeEscalation: true}",
            ),
        ),
        " ".join(
            f"tinyland-docker/{clause}"
            for clause in (
                "isolation/privileged",
                "isolation/no-new-privileges",
                "isolation/capabilities",
                "isolation/seccomp",
                "identity/not-root",
                "identity/uid",
            )
        ),
        "",
        "",
    ),
    broken_by(
        "the kernel's scale set is privileged, which its class never is",
        Add(
            "deploy/kernel.yaml", values("linux-xr-docker", container=", securityContext: {privileged: true}")
        ),
        " ".join(
            f"tinyland-docker/isolation/{clause}"
            for clause in ("privileged", "no-new-privileges", "capabilities", "seccomp")
        ),
        "deploy/kernel.yaml:6",
        "contracts/base/linux-runner.yaml",
    ),
    broken_by(
        "a scale set in another container mode than its class",
        Edit(
            f"{STACK}/main.tf",
            'runner_label         = "tinyland-docker"\n',
            'runner_label         = "tinyland-docker"\n  container_mode       = "kubernetes-novolume"\n',
        ),
        "enrolment/container-modes",
        f"{STACK}/main.tf:39",
        "contracts/platform/enrolment.yaml",
    ),
    broken_by(
        "a container mode without the volume that it needs",
        Edit("tofu/modules/arc-runner/main.tf", "ModeWorkVolumeClaim", "ModeVolumeClaim"),
        "deployment/chart-values",
        "tofu/modules/arc-runner/locals.tf:2",
        "tofu/modules/arc-runner/main.tf:1",
    ),
    broken_by(
        "a job without a container on runners that refuse it",
        Edit(
            "tofu/modules/arc-runner/locals.tf", 'CONTAINER", value = "false"', 'CONTAINER", value = "true"'
        ),
        "workflows/job-containers",
        f"{WORKFLOW}:5",
        "tofu/modules/arc-runner/locals.tf:2",
    ),
    broken_by(
        "a module of OpenTofu refers to what nobody declares",
        Add(f"{STACK}/outputs.tf", 'output "token" {\n  value = local.token\n}\n'),
        "deployment/names-declared",
        f"{STACK}/outputs.tf:2",
        f"{STACK}/outputs.tf:2",
    ),
    broken_by(
        "a local value is set and never read",
        Add("tofu/modules/arc-controller/locals.tf", 'locals {\n  images = ["alpine"]\n}\n'),
        "deployment/values-reach",
        "tofu/modules/arc-controller/locals.tf:2",
        "tofu/modules/arc-controller/locals.tf:2",
    ),
    broken_by(
        "the results of a conditional are of different types",
        Add(
            f"{STACK}/types.tf",
            'output "pods" {\n  value = var.deploy_dind_runner ? { a = "x", b = { c = "y" } } : {}\n}\n',
        ),
        "deployment/result-types",
        f"{STACK}/types.tf:2",
        f"{STACK}/types.tf:2",
    ),
    broken_by(
        "a workload pulls what the mirror has from Docker Hub",
        Edit(
            ".github/workflows/mirror-images.yml",
            "          - debian:12.9\n",
            "          - debian:12.9\n          - source: buchgr/bazel-remote-cache:v2.4.4\n"
            "            target: ghcr.io/tinyland-inc/bazel-remote-cache:v2.4.4\n",
        ),
        "deployment/images-mirrored",
        "tofu/modules/bazel-cache/main.tf:14",
        ".github/workflows/mirror-images.yml:15",
    ),
    broken_by(
        "a program with a read-only root has nowhere to write",
        Add(
            "k8s/lifecycle.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: lifecycle, namespace: nix-cache}\n"
            "spec: {template: {spec: {containers: [{name: mc, image: 'quay.io/minio/mc:RELEASE.2025-01-17',\n"
            "  securityContext: {readOnlyRootFilesystem: true}}]}}}\n",
        ),
        "deployment/writable-folders",
        "k8s/lifecycle.yaml:4",
        "k8s/lifecycle.yaml:5",
    ),
    broken_by(
        "objects of a kind that only a chart which is left out brings",
        (
            Add("tofu/stacks/store/main.tf", STORE),
            Add("tofu/stacks/store/live.tfvars", "install_operator = false\n"),
        ),
        "deployment/cluster-extensions",
        "tofu/stacks/store/main.tf:16",
        "tofu/stacks/store/live.tfvars:1",
    ),
    broken_by(
        "a job of GitLab is in a stage that its pipeline does not have",
        Edit(".gitlab-ci.yml", "stages: [build]", "stages: [check]"),
        "workflows/pipeline-jobs",
        ".gitlab-ci.yml:4",
        ".gitlab-ci.yml:1",
    ),
    broken_by(
        "a key of a job is written twice",
        Add(
            ".github/workflows/twice.yml",
            workflow("tinyland-docker", "make test") + "    timeout-minutes: 9\n",
        ),
        "workflows/keys-once",
        ".github/workflows/twice.yml:6",
        ".github/workflows/twice.yml:9",
    ),
    broken_by(
        "a file of values replaces a variable of the command line",
        Add(
            ".github/workflows/plan.yml",
            workflow("ubuntu-latest", "tofu plan -var=cluster_context=review -var-file=tinyland.tfvars"),
        ),
        "workflows/variable-order",
        ".github/workflows/plan.yml:8",
        f"{STACK}/tinyland.tfvars:1",
    ),
    broken_by(
        "a rollout may take longer than its job",
        Add(
            ".github/workflows/rollout.yml",
            workflow("ubuntu-latest", "kubectl rollout status deployment/x --timeout=10m"),
        ),
        "workflows/time-budgets",
        ".github/workflows/rollout.yml:8",
        ".github/workflows/rollout.yml:6",
    ),
    broken_by(
        "a program for glibc runs in an image with musl",
        Add(
            ".github/workflows/musl.yml",
            workflow("ubuntu-latest", "bazelisk build") + "    container: alpine:3.21\n",
        ),
        "workflows/libc",
        ".github/workflows/musl.yml:9",
        ".github/workflows/musl.yml:8",
    ),
    broken_by(
        "a job selects a label that nobody serves",
        Add(".github/workflows/label.yml", workflow("tinyland-doker", "make test")),
        "workflows/labels",
        ".github/workflows/label.yml:5",
        "contracts/tinyland-docker.yaml",
    ),
    broken_by(
        "an image is built on a class without a daemon",
        Add(".github/workflows/image.yml", workflow("tinyland-docker", "docker build .")),
        "workflows/needs",
        ".github/workflows/image.yml:8",
        "contracts/base/linux-runner.yaml",
    ),
]


def test_the_clean_miniature_breaks_nothing(judged: Judge) -> None:
    judgement = judged(changed())

    assert broken(judgement) == set()
    assert judgement.findings == ()
    assert judgement.unread == ()


@pytest.mark.parametrize("case", BREAKS, ids=[case.name.replace(" ", "-") for case in BREAKS])
def test_break_breaks_its_clauses_and_no_others(case: Break, judged: Judge) -> None:
    judgement = judged(changed(*case.changes))

    assert broken(judgement) == case.clauses
    if case.actual:
        places = [(str(finding.actual.at), str(finding.expected.at)) for finding in judgement.findings]
        assert any(
            actual.startswith(case.actual) and case.expected in expected for actual, expected in places
        ), places


def test_every_rule_is_broken_by_some_case() -> None:
    """Planning is broken in a module of its own: it needs an export, not a checkout."""
    shown = {clause for case in BREAKS for clause in case.clauses}
    assert {clause for clause in RULES if not clause.startswith("planning/")} <= shown


def test_all_breaks_at_once_are_all_reported(judged: Judge) -> None:
    judgement = judged(changed(*(change for case in BREAKS for change in case.changes)))

    expected = {clause for case in BREAKS for clause in case.clauses}
    assert expected <= broken(judgement)
    assert {clause for clause in RULES if not clause.startswith("planning/")} <= broken(judgement)


# The platform's own history, break by break and contradiction by contradiction: what it was, the case above that
# makes it, and the clause that must be kept before and broken after.
HISTORY = [
    # Dated breaks.
    ("03-13 cache host does not resolve", "cache host that no service carries", "platform/endpoints/known-hosts"),
    ("02-26 no xz in the runner image", "a runner image without the tool that installers unpack with", "tinyland-dind/toolchain/xz"),
    ("02-23 memory limit never applied", "limit below a nested TOML table is never applied", "platform/deployment/settings-apply"),
    ("02-23 builds OOM at 1Gi instead of 8Gi", "limit that the class does not promise is deployed", "tinyland-nix/resources/memory-limit"),
    ("02-23 image tag does not exist", "image tag that nobody checked", "platform/deployment/images-exist"),
    ("02-25 chart and CRD versions differ", "scale sets from another chart than their controller", "platform/enrolment/chart-versions"),
    ("02-05 credentials in a config file", "object store credentials in a config file", "platform/enrolment/secrets-by-reference"),
    ("02-05 credentials as flags", "object store credentials as flags", "platform/enrolment/secrets-by-reference"),
    ("02-07 artifact is a symlink into the store", "artifact that is a link into the store", "platform/workflows/artifacts"),
    ("02-07 own flake names a stale cache", "the project's own flake names a stale cache", "platform/endpoints/retired-hosts"),
    ("02-03 image has no usable /bin/sh", "job image without a usable shell", "platform/deployment/job-shells"),
    ("02-07 build refuses to run as root", "build that refuses root runs as root", "platform/workflows/not-root"),
    # Standing contradictions.
    ("actions call Attic on 8080, it listens on 80", "an action calls the container's port, the service listens on another", "platform/endpoints/service-ports"),
    ("uses: ./github, the folder is .github", "an action is named by a path that is not there", "platform/workflows/local-actions"),
    ("DOCKER_HOST is a port, the daemon has a socket only", "DOCKER_HOST names a port, the daemon listens on its socket only", "tinyland-dind/daemon/endpoint"),
    ("docs still name attic-api", "documentation names a host that no service carries", "platform/endpoints/known-hosts"),
    ("docs: Attic is pre-configured as a substituter", "a cache is called configured that runners do not get", "platform/workflows/substituters"),
    ("docs: memory limit 2Gi, deployed 4Gi", "documentation gives another memory limit than is deployed", "platform/deployment/documented-resources"),
    ("docs: three scale sets, dind is off", "documentation counts a scale set that is off by default", "platform/enrolment/documented-sets"),
    ("docs send users to the other repository", "documentation sends users to another repository than the fixes are in", "platform/identity/one-repository"),
    # Checks that cannot fail.
    ("curl && echo OK || echo UNREACHABLE", "a check that cannot fail", "platform/workflows/checks-fail"),
    ("health check prints DEGRADED and exits 0", "a health check that prints bad news and succeeds", "platform/workflows/checks-fail"),
    ("YAML check never consumes the lazy parser", "a check that never consumes the lazy parser", "platform/workflows/checks-fail"),
]  # fmt: skip
# No sentence of the clean tree makes the claim; and which xz is installed, only a runner shows.
SILENT_BEFORE = {"platform/workflows/substituters", "tinyland-dind/toolchain/xz"}


@pytest.mark.parametrize(
    ("history", "case", "clause"), HISTORY, ids=[row[0].replace(" ", "-") for row in HISTORY]
)
def test_dated_break_is_kept_before_and_broken_after(
    history: str, case: str, clause: str, judged: Judge
) -> None:
    change = next(entry for entry in BREAKS if entry.name == case)
    before, after = judged(changed()), judged(changed(*change.changes))
    was = {verdict.outcome for verdict in before.verdicts if verdict.clause == clause}
    assert Outcome.KEPT in was or clause in SILENT_BEFORE, history
    assert Outcome.BROKEN not in was
    assert Outcome.BROKEN in {verdict.outcome for verdict in after.verdicts if verdict.clause == clause}


def test_no_rule_knows_a_literal_of_the_history() -> None:
    """A rule names the promise that was broken; hosts, tags and names of the platform are data of contracts."""
    package = Path(truth.__file__).parent
    code = "\n".join(path.read_text("utf-8") for path in sorted(package.rglob("*.py")))
    for literal in (
        "attic-",
        "fuzzy",
        "tinyland",
        "liqo",
        "civo",
        "honey",
        "bumble",
        "flywheel",
        "1.31",
        "0.10.1",
        "9092",
    ):
        assert literal not in code.lower(), literal


@pytest.mark.parametrize(
    "case", [case for case in BREAKS if not case.actual], ids=lambda case: case.name.replace(" ", "-")
)
def test_class_finding_names_deciding_and_promising_line(case: Break, judged: Judge) -> None:
    for finding in judged(changed(*case.changes)).findings:
        if not finding.clause.startswith("platform/"):
            assert not finding.actual.at.file.startswith("/"), "a file of the checkout"
            assert finding.expected.at.file.startswith(str(CONTRACTS))
            assert finding.expected.at.line > 1
            assert finding.fix
