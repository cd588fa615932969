"""A platform repository in miniature, in the shape of the real one: clean, and with ways to break it.

Every break is an edit of the clean tree, so that a test sees green before and red after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Tree = Mapping[str, str]

README = """\
# GloriousFlywheel

A runner and cache platform: builder classes for GitHub Actions, a Nix binary cache, a Bazel remote cache.

Install it from [the repository](https://github.com/tinyland-inc/GloriousFlywheel); start at [the docs](docs/index.md).
"""

INDEX = """\
# GloriousFlywheel documentation

## Operator runbook

The platform deploys into the blahaj cluster. Civo remains an edge for failover only.
Operators reach the dashboard and the clusters through the tailnet; nothing of it is public.
honey is the control plane and state anchor, bumble is bulk storage, sting is policy-contained.

## Enrolment of organisations

Scale sets register with tinyland-inc. Two runner scale sets are deployed by default.

## Publishing and maintenance

## Choosing a runner

Heavy Linux builds such as linux-xr select `tinyland-docker`.

## Agents and automation

## Caches and stores

- Attic is the Nix binary cache: `https://nix-cache.tinyland.dev`. It is not highly available.
- Bazel has a remote cache over gRPC: `grpc://bazel-cache-grpc.taila4c78d.ts.net:9092`. It is not highly available.
- FlakeHub publishes and resolves flakes.
- RustFS is the object store, spoken to with S3. It is not highly available.
- Tofu state is kept by GitLab; moving the tofu state to RustFS is intended and not verified.
- The public Bazel HTTP endpoint does not work.
"""

RUNNERS = """\
# GitHub Actions runners

## Available labels

| Label | For |
| --- | --- |
| `tinyland-nix` | Nix flake builds |
| `tinyland-docker` | lint, test, compile |
| `tinyland-dind` | images; off by default |

## Resources

| Runner | CPU request | CPU limit | Memory request | Memory limit |
| --- | --- | --- | --- | --- |
| docker | 100m | 2 | 256Mi | 4Gi |
| nix | 500m | 4 | 1Gi | 8Gi |

## Caches

Inside the cluster, Attic answers at `http://attic.nix-cache.svc.cluster.local` and the Bazel cache at
`grpc://bazel-cache.nix-cache.svc.cluster.local:9092`.
"""

MODULE = '''\
"""GloriousFlywheel: builder classes and caches as a Bazel module."""

module(
    name = "gloriousflywheel",
    version = "0.2.0",
)

bazel_dep(name = "rules_python", version = "1.0.0")
python = use_extension("@rules_python//python/extensions:python.bzl", "python")
python.toolchain(
    ignore_root_user_error = True,
    python_version = "3.11",
)
'''

FLAKE = """\
{
  description = "GloriousFlywheel: runners and caches";

  outputs = { self, nixpkgs }: {
    devShells.x86_64-linux.default = nixpkgs.legacyPackages.x86_64-linux.mkShell {
      name = "gloriousflywheel-dev";
      ATTIC_CACHE_URL = "https://nix-cache.tinyland.dev";
    };
  };
}
"""

SETUP_ACTION = """\
name: Set up GloriousFlywheel
description: Cache endpoints for runners in the cluster
inputs:
  attic-cache:
    description: Name of the cache
    default: main
runs:
  using: composite
  steps:
    - name: Endpoints
      shell: bash
      run: |
        echo "ATTIC_SERVER=http://attic.nix-cache.svc.cluster.local" >> "$GITHUB_ENV"
        echo "BAZEL_REMOTE_CACHE=grpc://bazel-cache.nix-cache.svc.cluster.local:9092" >> "$GITHUB_ENV"
        echo "ATTIC_CACHE=${{ inputs.attic-cache }}" >> "$GITHUB_ENV"
"""

NIX_ACTION = """\
name: Nix job
description: A Nix build with the cache
runs:
  using: composite
  steps:
    - uses: cachix/install-nix-action@v30
    - uses: ./.github/actions/setup-flywheel
    - name: Build
      shell: bash
      run: nix build
"""

TEST_WORKFLOW = """\
name: Test runners
on: [push]
jobs:
  nix:
    runs-on: tinyland-nix
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: ./.github/actions/nix-job
      - name: The cache answers
        run: |
          curl -sf http://attic.nix-cache.svc.cluster.local/nix-cache-info
  docker:
    runs-on: tinyland-docker
    steps:
      - uses: actions/checkout@v4
      - run: make test
  image:
    runs-on: tinyland-dind
    steps:
      - uses: actions/checkout@v4
      - run: docker build -t app .
"""

MIRROR_WORKFLOW = """\
name: Mirror images
on: [workflow_dispatch]
jobs:
  mirror:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        image:
          - ghcr.io/actions/actions-runner:2.321.0
          - ghcr.io/zhaofengli/attic:v0.3.1
          - buchgr/bazel-remote-cache:v2.4.4
          - alpine/k8s:1.31.4
          - alpine:3.21
          - debian:12.9
    steps:
      - run: crane copy ${{ matrix.image }} ghcr.io/tinyland-inc/mirror
"""

GITLAB = """\
stages: [build]

build-image:
  stage: build
  image: alpine:3.21
  script:
    - nix build .#image
    - cp -rL result out
    - bazel build //...
  artifacts:
    paths: [out]
"""

ARC_RUNNER = {
    "variables.tf": """\
variable "runner_name" { type = string }
variable "runner_label" { type = string }
variable "runner_type" {
  type    = string
  default = "docker"
}
variable "github_config_url" { type = string }
variable "github_config_secret" { type = string }
variable "runner_group" {
  type    = string
  default = "default"
}
variable "namespace" {
  type    = string
  default = "arc-runners"
}
variable "controller_namespace" {
  type    = string
  default = "arc-systems"
}
variable "chart_version" {
  type    = string
  default = "0.13.1"
}
variable "image" {
  type    = string
  default = "ghcr.io/tinyland-inc/runner:2.321.0"
}
variable "min_runners" {
  type    = number
  default = 0
}
variable "max_runners" {
  type    = number
  default = 5
}
variable "container_mode" {
  type    = string
  default = ""
}
variable "cpu_request" { type = string }
variable "cpu_limit" { type = string }
variable "memory_request" { type = string }
variable "memory_limit" { type = string }
variable "attic_server" {
  type    = string
  default = ""
}
variable "bazel_cache_endpoint" {
  type    = string
  default = ""
}
variable "docker_host" {
  type    = string
  default = "tcp://localhost:2375"
}
variable "node_selector" {
  type    = map(string)
  default = {}
}
variable "env_vars" {
  type    = list(object({ name = string, value = string }))
  default = []
}
""",
    "locals.tf": """\
locals {
  modes          = { docker = "kubernetes", dind = "dind", nix = "kubernetes" }
  container_mode = var.container_mode != "" ? var.container_mode : local.modes[var.runner_type]

  cache_env = concat(
    var.runner_type == "nix" && var.attic_server != "" ? [
      { name = "NIX_CONFIG", value = "experimental-features = nix-command flakes" },
      { name = "ATTIC_SERVER", value = var.attic_server },
      { name = "ATTIC_CACHE", value = "main" },
    ] : [],
    var.bazel_cache_endpoint != "" && contains(["docker", "nix"], var.runner_type) ? [
      { name = "BAZEL_REMOTE_CACHE", value = var.bazel_cache_endpoint },
    ] : [],
    local.container_mode == "dind" ? [
      { name = "DOCKER_HOST", value = var.docker_host },
      { name = "DOCKER_TLS_CERTDIR", value = "" },
    ] : [],
    [{ name = "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER", value = "false" }],
  )

  env = concat(local.cache_env, var.env_vars)
}
""",
    "main.tf": """\
resource "helm_release" "arc_runner" {
  name       = var.runner_name
  repository = "oci://ghcr.io/actions/actions-runner-controller-charts"
  chart      = "gha-runner-scale-set"
  version    = var.chart_version
  namespace  = var.namespace

  set {
    name  = "githubConfigUrl"
    value = var.github_config_url
  }
  set {
    name  = "githubConfigSecret"
    value = var.github_config_secret
  }
  set {
    name  = "runnerScaleSetName"
    value = var.runner_label
  }
  set {
    name  = "runnerGroup"
    value = var.runner_group
  }
  set {
    name  = "minRunners"
    value = tostring(var.min_runners)
  }
  set {
    name  = "maxRunners"
    value = tostring(var.max_runners)
  }
  set {
    name  = "controllerServiceAccount.namespace"
    value = var.controller_namespace
  }

  set {
    name  = "containerMode.kubernetesModeWorkVolumeClaim.storageClassName"
    value = "local-path"
  }
  dynamic "set" {
    for_each = local.container_mode != "" ? [1] : []
    content {
      name  = "containerMode.type"
      value = local.container_mode
    }
  }

  values = [
    yamlencode({
      template = {
        spec = merge(
          {
            containers = concat(
              [
                merge(
                  {
                    name  = "runner"
                    image = var.image
                    resources = {
                      requests = { cpu = var.cpu_request, memory = var.memory_request }
                      limits   = { cpu = var.cpu_limit, memory = var.memory_limit }
                    }
                  },
                  length(local.env) > 0 ? { env = local.env } : {},
                )
              ],
              local.container_mode == "dind" ? [
                {
                  name  = "daemon"
                  image = "ghcr.io/tinyland-inc/dind:27.5.1"
                  args  = ["dockerd", "--host=tcp://localhost:2375"]
                }
              ] : [],
            )
          },
          length(var.node_selector) > 0 ? { nodeSelector = var.node_selector } : {},
        )
      }
    })
  ]
}
""",
}

ARC_CONTROLLER = """\
variable "namespace" { type = string }
variable "chart_version" { type = string }

resource "helm_release" "arc_controller" {
  name             = "arc-controller"
  chart            = "gha-runner-scale-set-controller"
  version          = var.chart_version
  namespace        = var.namespace
  create_namespace = true
}
"""

ARC_STACK = {
    "backend.tf": """\
# State is kept by GitLab.
terraform {
  backend "http" {}
}
""",
    "main.tf": """\
resource "kubernetes_namespace_v1" "arc_runners" {
  metadata {
    name = var.runner_namespace
  }
}

module "arc_controller" {
  source = "../../modules/arc-controller"

  namespace     = var.controller_namespace
  chart_version = var.controller_chart_version
}

module "gh_nix" {
  source = "../../modules/arc-runner"

  runner_name          = "gh-nix"
  runner_label         = "tinyland-nix"
  runner_type          = "nix"
  namespace            = var.runner_namespace
  controller_namespace = var.controller_namespace
  github_config_url    = var.github_config_url
  github_config_secret = "github-app-secret"

  cpu_request    = "500m"
  cpu_limit      = "4"
  memory_request = "1Gi"
  memory_limit   = var.nix_memory_limit

  attic_server         = var.attic_server
  bazel_cache_endpoint = var.bazel_cache_endpoint
}

module "gh_docker" {
  source = "../../modules/arc-runner"

  runner_name          = "gh-docker"
  runner_label         = "tinyland-docker"
  namespace            = var.runner_namespace
  controller_namespace = var.controller_namespace
  github_config_url    = var.github_config_url
  github_config_secret = "github-app-secret"

  cpu_request    = "100m"
  cpu_limit      = "2"
  memory_request = "256Mi"
  memory_limit   = "4Gi"

  bazel_cache_endpoint = var.bazel_cache_endpoint
}

module "gh_dind" {
  source = "../../modules/arc-runner"
  count  = var.deploy_dind_runner ? 1 : 0

  runner_name          = "gh-dind"
  runner_label         = "tinyland-dind"
  runner_type          = "dind"
  namespace            = var.runner_namespace
  controller_namespace = var.controller_namespace
  github_config_url    = var.github_config_url
  github_config_secret = "github-app-secret"

  cpu_request    = "500m"
  cpu_limit      = "4"
  memory_request = "1Gi"
  memory_limit   = "8Gi"
}

module "extra_runners" {
  source   = "../../modules/arc-runner"
  for_each = var.extra_runner_sets

  runner_name          = each.key
  runner_label         = each.value.runner_label
  runner_type          = each.value.runner_type
  namespace            = var.runner_namespace
  controller_namespace = var.controller_namespace
  github_config_url    = each.value.github_config_url
  github_config_secret = each.value.github_config_secret
  max_runners          = each.value.max_runners
  cpu_request          = "2"
  cpu_limit            = "4"
  memory_request       = "4Gi"
  memory_limit         = each.value.memory_limit
}
""",
    "variables.tf": """\
variable "cluster_context" {
  type = string
}
variable "runner_namespace" {
  type    = string
  default = "arc-runners"
}
variable "controller_namespace" {
  type    = string
  default = "arc-systems"
}
variable "controller_chart_version" {
  type    = string
  default = "0.13.1"
}
variable "github_config_url" {
  type    = string
  default = "https://github.com/tinyland-inc"
}
variable "nix_memory_limit" {
  type    = string
  default = "8Gi"
}
variable "deploy_dind_runner" {
  type    = bool
  default = false
}
variable "attic_server" {
  type    = string
  default = ""
}
variable "bazel_cache_endpoint" {
  type    = string
  default = ""
}
variable "extra_runner_sets" {
  type = map(object({
    github_config_url    = string
    github_config_secret = optional(string, "github-app-secret")
    runner_label         = string
    runner_type          = optional(string, "docker")
    max_runners          = optional(number, 2)
    memory_limit         = optional(string, "16Gi")
  }))
  default = {}
}
""",
    "tinyland.tfvars": """\
cluster_context      = "blahaj"
attic_server         = "http://attic.nix-cache.svc.cluster.local"
bazel_cache_endpoint = "grpc://bazel-cache.nix-cache.svc.cluster.local:9092"

extra_runner_sets = {
  linux-xr-docker = {
    github_config_url = "https://github.com/Jesssullivan/linux-xr"
    runner_label      = "linux-xr-docker"
  }
}
""",
}

HPA_DEPLOYMENT = """\
variable "name" { type = string }
variable "namespace" { type = string }
variable "image" { type = string }
variable "service_port" {
  type    = number
  default = 80
}

resource "kubernetes_deployment" "main" {
  metadata {
    name      = var.name
    namespace = var.namespace
  }
  spec {
    template {
      spec {
        container {
          name  = "api"
          image = var.image
          port {
            container_port = 8080
          }
        }
      }
    }
  }
}

resource "kubernetes_service" "main" {
  metadata {
    name      = var.name
    namespace = var.namespace
  }
  spec {
    port {
      port        = var.service_port
      target_port = 8080
    }
  }
}
"""

BAZEL_CACHE = """\
variable "name" { type = string }
variable "namespace" { type = string }

resource "kubernetes_deployment_v1" "main" {
  metadata {
    name      = var.name
    namespace = var.namespace
  }
  spec {
    template {
      spec {
        container {
          name  = "bazel-remote"
          image = "buchgr/bazel-remote-cache:v2.4.4"
          args  = ["--config_file=/etc/bazel-remote/config.yaml"]
        }
      }
    }
  }
}

resource "kubernetes_config_map_v1" "main" {
  metadata {
    name      = var.name
    namespace = var.namespace
  }
  data = {
    "config.yaml" = <<-YAML
      dir: /data
      s3_proxy:
        auth_method: iam_role
        bucket: bazel-cache
    YAML
  }
}

resource "kubernetes_service_v1" "main" {
  metadata {
    name      = var.name
    namespace = var.namespace
  }
  spec {
    port {
      port = 9092
      name = "grpc"
    }
  }
}
"""

ATTIC_STACK = """\
terraform {
  backend "http" {}
}

variable "namespace" {
  type    = string
  default = "nix-cache"
}

resource "kubernetes_namespace" "nix_cache" {
  metadata {
    name = var.namespace
  }
}

module "attic_api" {
  source = "../../modules/hpa-deployment"

  name      = "attic"
  namespace = var.namespace
  image     = "ghcr.io/zhaofengli/attic:v0.3.1"
}

module "bazel_cache" {
  source = "../../modules/bazel-cache"

  name      = "bazel-cache"
  namespace = var.namespace
}

resource "kubernetes_ingress_v1" "attic" {
  metadata {
    name      = "attic"
    namespace = var.namespace
  }
  spec {
    rule {
      host = "nix-cache.tinyland.dev"
    }
  }
}
"""

GITLAB_RUNNER = """\
variable "job_memory_limit" {
  type    = string
  default = "8Gi"
}
variable "runner_type" { type = string }

locals {
  runner_config_toml = <<-TOML
    [[runners]]
      name = "gl-${var.runner_type}"
      executor = "kubernetes"
      [runners.kubernetes]
        namespace = "arc-runners"
        memory_limit = "${var.job_memory_limit}"
        %{if var.runner_type == "nix"~}
        [[runners.kubernetes.volumes.empty_dir]]
          name = "nix-store"
          mount_path = "/nix"
        %{endif~}
  TOML
}

output "config" { value = local.runner_config_toml }
"""

HEALTH = """\
#!/bin/sh
if ! curl -sf https://nix-cache.tinyland.dev/nix-cache-info; then
    echo "DEGRADED"
    exit 1
fi
"""

DIND_IMAGE = """\
FROM ghcr.io/actions/actions-runner:2.321.0
USER root
RUN apt-get update && \\
    apt-get install -y --no-install-recommends xz-utils && \\
    rm -rf /var/lib/apt/lists/*
USER runner
"""

NIX_IMAGE = """\
FROM debian:12.9
RUN apt-get update \\
    && apt-get install -y --no-install-recommends curl git jq nix-bin xz-utils \\
    && useradd --uid 1001 --create-home runner
ENV NIX_CONFIG="experimental-features = nix-command flakes"
ENTRYPOINT []
USER runner
"""

CLEAN: Tree = {
    "README.md": README,
    "CONTRIBUTING.md": "# Contributing\n\nThank you for helping GloriousFlywheel.\n",
    "CHANGELOG.md": "# Changes\n\n- The project was called attic-iac; the cache was at nix-cache.fuzzy-dev.tinyland.dev.\n",
    "MODULE.bazel": MODULE,
    "flake.nix": FLAKE,
    "Justfile": "# GloriousFlywheel: tasks\n\nplan stack:\n    cd tofu/stacks/{{stack}} && tofu plan -var=cluster_context=blahaj\n",
    "docs/index.md": INDEX,
    "docs/runners.md": RUNNERS,
    ".github/actions/setup-flywheel/action.yml": SETUP_ACTION,
    ".github/actions/nix-job/action.yml": NIX_ACTION,
    ".github/workflows/test-runners.yml": TEST_WORKFLOW,
    ".github/workflows/mirror-images.yml": MIRROR_WORKFLOW,
    ".gitlab-ci.yml": GITLAB,
    **{f"tofu/modules/arc-runner/{name}": text for name, text in ARC_RUNNER.items()},
    "tofu/modules/arc-controller/main.tf": ARC_CONTROLLER,
    "tofu/modules/hpa-deployment/main.tf": HPA_DEPLOYMENT,
    "tofu/modules/bazel-cache/main.tf": BAZEL_CACHE,
    "tofu/modules/gitlab-runner/main.tf": GITLAB_RUNNER,
    **{f"tofu/stacks/arc-runners/{name}": text for name, text in ARC_STACK.items()},
    "tofu/stacks/attic/main.tf": ATTIC_STACK,
    "scripts/health-check.sh": HEALTH,
    "builders/tinyland-dind/Dockerfile": DIND_IMAGE,
    "builders/tinyland-nix/Dockerfile": NIX_IMAGE,
    "app/Dockerfile": "FROM alpine:3.21 AS build\nFROM build\n",
}


@dataclass(frozen=True)
class Edit:
    """Replace text of one file; the text must be there, so that a test cannot go stale in silence."""

    path: str
    old: str
    new: str

    def __call__(self, tree: dict[str, str]) -> None:
        if self.old not in tree[self.path]:
            raise AssertionError(f"{self.path} no longer holds {self.old!r}")
        tree[self.path] = tree[self.path].replace(self.old, self.new)


@dataclass(frozen=True)
class Add:
    """Add a file, or text to the end of one."""

    path: str
    text: str

    def __call__(self, tree: dict[str, str]) -> None:
        tree[self.path] = tree.get(self.path, "") + self.text


Change = Callable[[dict[str, str]], None]


def changed(*changes: Change, tree: Tree = CLEAN) -> dict[str, str]:
    """The tree after some changes."""
    copy = dict(tree)
    for change in changes:
        change(copy)
    return copy


def write(root: Path, tree: Tree = CLEAN) -> Path:
    """Lay the tree out below ``root``."""
    for path, text in tree.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return root
