"""Classes against the Dockerfiles of their images: what one shows, and what it leaves to others."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.model import Contract
from builder_contracts.truth import image_builds
from builder_contracts.truth.debian import brings, owners
from builder_contracts.truth.model import Model
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.readers import dockerfile
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.session import load
from builder_contracts.truth.verdicts import judge
from builder_contracts.verdict import Outcome, Verdict
from tests.truth.conftest import CONTRACTS, Judge

NIX = "builders/tinyland-nix/Dockerfile"
START = "FROM debian:12.9\n"
INSTALL = "RUN apt-get update && apt-get install -y --no-install-recommends"
OUTSIDE = "FROM registry.example.org/base:1\n"


def verdicts(judged: Judge, body: str, path: str = NIX) -> dict[str, Verdict]:
    """The answers of one Dockerfile, without the class's name."""
    of_file = judged({path: body}).verdicts
    return {v.clause.partition("/")[2]: v for v in of_file if v.origin.environment == path}


@pytest.mark.parametrize(
    ("body", "clause", "seen", "fix"),
    [
        (f"{START}{INSTALL} curl git\n", "toolchain/xz", "debian:12.9 lacks xz", "install the package xz-utils"),
        (f"{START}{INSTALL} git=1:2.39\nRUN apt-get purge -y git\n", "toolchain/git", "git is removed", "do not remove it"),
        (f"{START}{INSTALL} docker.io\n", "toolchain/dockerd", "docker.io is installed", "do not install it"),
        ("FROM scratch\nUSER 1001\n", "identity/shell", "scratch has no usable /bin/sh", "start from an image with a shell"),
        ("FROM scratch\nUSER 1001\n", "toolchain/bash", "scratch lacks bash", "install the package bash"),
        (f"{OUTSIDE}USER root\n", "identity/not-root", "uid 0", "no USER line"),
        (f"{OUTSIDE}USER 0:0\n", "identity/not-root", "uid 0", "no USER line"),
        (START, "identity/not-root", "uid 0", "no USER line"),
        (f"{OUTSIDE}USER 1000\n", "identity/uid", "uid 1000", "USER line"),
        (f"{OUTSIDE}ENV DOCKER_HOST tcp://x\n", "environment/DOCKER_HOST", "DOCKER_HOST='tcp://x'", "ENV line"),
        (f"{OUTSIDE}ARG H\nENV DOCKER_HOST=$H\n", "environment/DOCKER_HOST", "DOCKER_HOST is set", "remove the ENV line"),
        (f"{OUTSIDE}ENV NIX_CONFIG=sandbox=false\n", "environment/NIX_CONFIG", "sandbox=false", "ENV line"),
        (f"{OUTSIDE}ENV A=http://attic-api.x\n", "environment/forbidden/dead-service-name", "A matches", "ENV line"),
        (f"{OUTSIDE}ENTRYPOINT tini --\n", "image/entrypoint", "'/bin/sh', '-c', 'tini --'", "ENTRYPOINT"),
        (f'{OUTSIDE}SHELL ["/bin/bash", "-lc"]\nENTRYPOINT tini\n', "image/entrypoint", "'/bin/bash', '-lc'", "ENTRYPOINT"),
    ],
)  # fmt: skip
def test_impossible_dockerfile_is_broken_with_cause_and_line(
    judged: Judge, body: str, clause: str, seen: str, fix: str
) -> None:
    verdict = verdicts(judged, body)[clause]
    assert verdict.outcome is Outcome.BROKEN
    assert seen in verdict.observation
    assert f"({NIX}:" in verdict.observation
    assert fix in verdict.cause


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        # A base image that nothing is declared of may hold anything, and end as anybody.
        (f"{OUTSIDE}{INSTALL} curl\n", "toolchain/xz"),
        (OUTSIDE, "identity/not-root"),
        (f"{OUTSIDE}USER runner\n", "identity/uid"),
        ("ARG BASE\nFROM $BASE\n", "toolchain/xz"),
        # So may a script, a copied folder, a download, another distribution's package, an unknown package.
        (f"{START}RUN curl -sf https://example.org/x | sh\n", "toolchain/xz"),
        (f"{START}RUN ./setup.sh\n", "toolchain/xz"),
        (f"{START}COPY --from=tools /bin/ /usr/local/bin/\n", "toolchain/xz"),
        (f"{START}COPY . .\n", "toolchain/xz"),
        (f"{START}ENV PATH=/opt/tools:$PATH\n", "toolchain/xz"),
        (f"{START}{INSTALL} $PACKAGES\n", "toolchain/xz"),
        (f"{START}{INSTALL} $(cat packages.txt)\n", "toolchain/xz"),
        (f"{START}{INSTALL} my-company-tools\n", "toolchain/xz"),
        (f"{START}{INSTALL} ./tools.deb\n", "toolchain/xz"),
        # Recommendations bring more than dependencies do.
        (f"{START}RUN apt-get update && apt-get install -y gnupg\n", "toolchain/xz"),
        ("FROM fedora:41\nRUN dnf install -y git\n", "toolchain/xz"),
        (f"{START}RUN if true; then apt-get install -y docker.io; fi\n", "toolchain/dockerd"),
        (f"{START}RUN python3 <<END\napt-get install docker.io\nEND\n", "toolchain/dockerd"),
        (f"{START}SHELL [\"pwsh\", \"-c\"]\nRUN install xz\n", "toolchain/xz"),
        (f"{START}{INSTALL} git\nRUN rm /usr/bin/git\nRUN ./setup.sh\n", "toolchain/git"),
        (f"{START}RUN echo '#!/bin/sh' > /usr/local/bin/xz && chmod +x /usr/local/bin/xz\n", "toolchain/xz"),
        # What a pool's template or the base image may set.
        (START, "environment/NIX_CONFIG"),
        (START, "environment/DOCKER_HOST"),
        (f"{START}ENV NIX_CONFIG='$X'\n", "environment/NIX_CONFIG"),
        (f"{START}ARG X=1\nENV NIX_CONFIG=$X\n", "environment/NIX_CONFIG"),
        (START, "image/entrypoint"),
        (START, "image/label/org.opencontainers.image.licenses"),
        # Installed, but in which version a file does not say.
        (f"{START}{INSTALL} xz-utils\n", "toolchain/xz"),
    ],
)  # fmt: skip
def test_undecided_dockerfile_is_unproven_with_a_reason(judged: Judge, body: str, clause: str) -> None:
    verdict = verdicts(judged, body)[clause]
    assert verdict.outcome is Outcome.UNPROVEN
    assert verdict.observation
    assert not verdict.provable_here, "a checkout never shows it: a skip, not an error"


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        (f"{START}RUN useradd -u 1001 -m runner\nUSER runner\n", "identity/uid"),
        (f"{OUTSIDE}RUN /x/run sh -c 'useradd --uid 1001 runner'\nUSER runner:runner\n", "identity/not-root"),
        ("FROM ghcr.io/actions/actions-runner:2.321.0\nUSER root\nUSER 1001\n", "identity/user"),
        (f"{OUTSIDE}ENTRYPOINT []\n", "image/entrypoint"),
        (f"{OUTSIDE}ENTRYPOINT [\"x\"]\nENTRYPOINT []\n", "image/entrypoint"),
        (f"{OUTSIDE}LABEL org.opencontainers.image.licenses=MIT\n", "image/label/org.opencontainers.image.licenses"),
        (f"{START}{INSTALL} gzip\n", "toolchain/gzip"),
        (START, "toolchain/sh"),
        (START, "identity/shell"),
        ("FROM debian AS a\nENV ATTIC_CACHE=main\nFROM a\n", "environment/ATTIC_CACHE"),
        (f"{OUTSIDE}ENV A=ma\nENV ATTIC_CACHE=${{A}}in\n", "environment/ATTIC_CACHE"),
    ],
)  # fmt: skip
def test_stated_dockerfile_value_is_kept_as_declared(judged: Judge, body: str, clause: str) -> None:
    verdict = verdicts(judged, body)[clause]
    assert verdict.outcome is Outcome.KEPT
    assert verdict.rung is not None
    assert verdict.rung.value == "C0"


def test_an_image_is_known_by_its_folder_its_suffix_or_its_title(judged: Judge) -> None:
    for path in (NIX, "images/Dockerfile.tinyland-nix", "images/tinyland-nix.Dockerfile"):
        assert "identity/uid" in verdicts(judged, START, path)
    titled = f"{START}LABEL org.opencontainers.image.title=tinyland-nix\n"
    assert "identity/uid" in verdicts(judged, titled, "docker/Dockerfile")
    assert verdicts(judged, START, "app/Dockerfile") == {}
    assert verdicts(judged, START, "tests/defects/tinyland-nix/Dockerfile") == {}


BAKE = """\
variable "TAG" { default = "runner:1" }
target "_common" { contexts = { base = "docker-image://debian:12.9" } }
target "runner" {
  inherits = ["_common"]
  context  = "images/runner"
  tags     = [TAG, "${UNSET}/x"]
}
target "nix" {
  inherits = ["_common", "nix"]
  context  = "builders/tinyland-nix"
  contexts = { runner = "KIND" }
}
"""
RUNNER = "FROM base\nRUN useradd --uid 1001 runner\nUSER runner\n"


@pytest.mark.parametrize("kind", ["docker-image://${TAG}", "target:runner"])
@pytest.mark.parametrize("folder", ["", "images/", "deploy/"])
def test_names_that_bake_gives_to_images_are_followed(judged: Judge, kind: str, folder: str) -> None:
    prefix = folder if folder == "deploy/" else ""
    judgement = judged(
        {
            f"{folder}docker-bake.hcl": BAKE.replace("KIND", kind),
            f"{prefix}images/runner/Dockerfile": RUNNER,
            f"{prefix}{NIX}": "FROM runner\nENV ATTIC_CACHE=main\n",
        }
    )
    of_image = {
        verdict.clause: verdict
        for verdict in judgement.verdicts
        if verdict.origin.environment == prefix + NIX
    }
    assert of_image["tinyland-nix/identity/uid"].outcome is Outcome.KEPT
    assert of_image["tinyland-nix/toolchain/xz"].outcome is Outcome.BROKEN
    assert "debian:12.9 lacks xz" in of_image["tinyland-nix/toolchain/xz"].observation


@pytest.mark.parametrize(
    "body",
    [
        "target {", "", 'target "nix" {}', 'target "nix" { contexts = var.x }', 'target "nix" { inherits = ["nix", "gone"] }',
        'target "nix" {\n context = "builders/tinyland-nix"\n contexts = { runner = "target:nix" }\n}',
        'target "nix" {\n context = "builders/tinyland-nix"\n contexts = { runner = "target:gone", b = 1 }\n}',
        'target "nix" {\n matrix = { v = ["1"] }\n name = "a-${v}"\n context = "x/${v}"\n}',
    ],
)  # fmt: skip
def test_bake_file_without_the_image_leaves_it_unknown(judged: Judge, body: str) -> None:
    judgement = judged({"docker-bake.hcl": body, NIX: "FROM runner\n"})
    of_image = {
        verdict.clause: verdict for verdict in judgement.verdicts if verdict.origin.environment == NIX
    }
    assert of_image["tinyland-nix/identity/uid"].outcome is Outcome.UNPROVEN
    assert of_image["tinyland-nix/toolchain/xz"].outcome is Outcome.UNPROVEN


def test_pool_template_overrides_the_image(judged: Judge) -> None:
    scale_set = """\
githubConfigUrl: https://github.com/tinyland-inc
githubConfigSecret: s
runnerScaleSetName: tinyland-nix
template:
  spec:
    securityContext: {runAsUser: 1001}
    containers:
      - {name: runner, image: x, env: [{name: ATTIC_CACHE, value: main}]}
"""
    all_verdicts = judged({NIX: f"{START}ENV ATTIC_CACHE=other\n", "deploy/nix.yaml": scale_set}).verdicts
    image = {v.clause: v for v in all_verdicts if v.origin.environment == NIX}
    assert image["tinyland-nix/environment/ATTIC_CACHE"].outcome is Outcome.UNPROVEN
    assert "deploy/nix.yaml:8" in image["tinyland-nix/environment/ATTIC_CACHE"].observation
    assert image["tinyland-nix/identity/not-root"].outcome is Outcome.UNPROVEN


@given(st.text(st.sampled_from("FROM RUN ENV USER a=$\"'\\\n<<E[]{}#scratch:"), max_size=200))
def test_no_dockerfile_stops_the_reader(body: str) -> None:
    model = Model()
    dockerfile.read_dockerfile(body, "Dockerfile", model)
    for build in model.builds:
        dockerfile.assignments(build, "ENV")


LINES = st.lists(
    st.tuples(
        st.sampled_from(
            ["FROM", "RUN", "USER", "ENV", "ARG", "COPY", "ADD", "SHELL", "ENTRYPOINT", "LABEL", "CMD"]
        ),
        st.lists(
            st.sampled_from(
                [
                    "debian:12",
                    "scratch",
                    "apt-get",
                    "install",
                    "remove",
                    "-y",
                    "xz-utils",
                    "git",
                    "&&",
                    "||",
                    "sh",
                    "-c",
                    "'",
                    '"',
                    "$X",
                    "${Y:-z}",
                    "A=1",
                    "PATH=/x",
                    "root",
                    "1001",
                    "useradd",
                    "--uid",
                    "runner",
                    "AS",
                    "a",
                    "[]",
                    '["a"]',
                    "[1",
                    "<<E",
                    "\nE",
                    "rm",
                    "/usr/bin/git",
                    ">",
                    "/usr/bin/xz",
                    "\\\n",
                    "if",
                    ";",
                    "\x00",
                    "é",
                ]
            ),
            max_size=8,
        ).map(" ".join),
    ).map(" ".join),
    max_size=10,
).map("\n".join)


@given(LINES)
def test_every_clause_gets_an_assessment_of_any_dockerfile(
    contracts: tuple[Platform, list[Contract]], body: str
) -> None:
    platform, classes = contracts
    model = Model()
    dockerfile.read_dockerfile(body, "Dockerfile", model)
    context = RuleContext(platform, model, tuple(classes))
    for build in model.builds:
        for clause in (clause for contract in classes for clause in contract.clauses):
            if isinstance(clause.promise, image_builds.DECIDED):
                judged, at = image_builds.judge_image_build(clause, build, context, {})
                assert judged.observation
                assert 1 <= at.line <= body.count("\n") + 1
                assert judged.outcome is not Outcome.BROKEN or judged.cause


def test_many_stages_are_read_in_linear_time() -> None:
    body = "FROM a AS s0\n" + "RUN x\n" * 50_000 + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(5_000))
    model = Model()
    dockerfile.read_dockerfile(body, "Dockerfile", model)
    assert len(model.builds[0].steps) == 50_000


@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="needs apt's package index")
@pytest.mark.parametrize("package", ["git", "nix-bin", "build-essential", "rpm", "docker.io"])
def test_package_table_includes_direct_dependencies(package: str) -> None:
    """Against the index of this machine, in whose release a package may bring less, never more."""
    apt = shutil.which("apt-cache") or ""
    completed = subprocess.run(
        [apt, "depends", "--important", package], capture_output=True, text=True, check=False
    )
    named = {line.split()[-1].strip("<>") for line in completed.stdout.splitlines() if "Depends:" in line}
    tools = brings(package, recommended=False)
    assert tools is not None
    for tool in ("xz", "gcc", "g++", "make", "curl", "git", "jq"):
        if named & owners(tool, None):
            assert tool in tools


def test_own_images_are_judged_and_break_no_class() -> None:
    all_verdicts = judge(CONTRACTS.parent, *load(CONTRACTS)).verdicts
    image_verdicts = [
        verdict for verdict in all_verdicts if verdict.origin.environment.startswith("builders/")
    ]
    assert {verdict.clause.partition("/")[0] for verdict in image_verdicts} == {
        "tinyland-nix",
        "tinyland-docker",
        "tinyland-dind",
    }
    assert [verdict.clause for verdict in image_verdicts if verdict.outcome is Outcome.BROKEN] == []
    assert sum(verdict.outcome is Outcome.KEPT for verdict in image_verdicts) > 5
