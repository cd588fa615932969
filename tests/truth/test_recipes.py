"""Commands are followed into what they start in the checkout: make, just, npm and shell scripts."""

from __future__ import annotations

import pytest

from builder_contracts.truth.checkout import File
from builder_contracts.truth.readers.recipes import Recipes
from builder_contracts.truth.value import text
from tests.truth.conftest import Judge
from tests.truth.miniature import Tree

MAKE = """\
ENGINE ?= docker
TAG = app:$(shell git rev-parse HEAD)

.PHONY: all image
all: image
\t@echo $$HOME

image: prepare
\t$(ENGINE) build \\
\t  -t $(TAG) .
ifdef PUSH
\t-$(ENGINE) push $(TAG)
endif

prepare:
\tmkdir -p out
"""
JUST = """\
set dotenv-load
tag := "app:1"

image target="x": prepare (log "start")
    @docker build -t {{tag}} {{target}}

prepare:
    mkdir -p out

log text:
    echo {{text}}

script:
    #!/usr/bin/env bash
    set -e
    docker build .

python:
    #!/usr/bin/env python3
    docker = build
"""
PACKAGE = '{\n  "scripts": {\n    "image": "docker build .",\n    "preimage": "mkdir -p out"\n  }\n}\n'
FILES = {
    "Makefile": MAKE, "sub/Makefile": MAKE, "justfile": JUST, "package.json": PACKAGE,
    "ci/build.sh": "docker build .\n", "ci/tool": "#!/bin/bash\ndocker build .\n", "ci/other": "#!/usr/bin/perl\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    read = Recipes()
    for path, content in FILES.items():
        read.read(File(path, content.encode()))
    return read


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("make image", ["Makefile:16 mkdir", "Makefile:9 docker", "Makefile:12 docker"]),
        ("make", ["Makefile:16 mkdir", "Makefile:9 docker", "Makefile:12 docker", "Makefile:6 echo"]),
        ("make -C sub prepare", ["sub/Makefile:16 mkdir"]),
        ("make -j 4 V=1 prepare", ["Makefile:16 mkdir"]),
        ("make missing", []),
        ("just image y", ["justfile:8 mkdir", "justfile:11 echo", "justfile:5 docker"]),
        ("just script", ["justfile:13 #!/usr/bin/env"]),
        ("just python", []),
        ("npm run image", ["package.json:4 mkdir", "package.json:3 docker"]),
        ("yarn image", ["package.json:4 mkdir", "package.json:3 docker"]),
        ("npm install", []),
        ("./ci/build.sh --fast", ["ci/build.sh:0 docker"]),
        ("bash -e ci/build.sh", ["ci/build.sh:0 docker"]),
        ("ci/tool", ["ci/tool:0 #!/bin/bash"]),
        ("ci/other", []),
        ("git status", []),
    ],
)
def test_command_starts_the_recipes_of_its_target(
    recipes: Recipes, command: str, expected: list[str]
) -> None:
    runs = list(recipes.started_by(command.split()))
    assert [f"{run.at.file}:{run.at.line} {(text(run) or '').split()[0]}" for run in runs] == expected


def test_targets_that_need_one_another_end() -> None:
    circle = Recipes()
    circle.read(File("Makefile", b"a: b\n\techo a\nb: a\n\techo b\n"))
    assert [text(run) for run in circle.started_by(["make", "a"])] == ["echo b", "echo a"]


WORKFLOW = "on: push\njobs:\n  build:\n    runs-on: tinyland-nix\n    steps: [{run: %s}]\n"


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("make image", "Makefile:9"),
        ("just script", "justfile:16"),
        ("npm run image", "package.json:3"),
        ("./ci/build.sh", "ci/build.sh:1"),
        ("ci/tool", "ci/tool:2"),
        ("nix develop -c make image", "Makefile:9"),
    ],
)
def test_need_of_a_recipe_is_a_need_of_the_job(judged: Judge, command: str, place: str) -> None:
    tree: Tree = {**FILES, ".github/workflows/ci.yml": WORKFLOW % command}
    report = judged(tree)
    (finding,) = [
        finding
        for finding in report.findings
        if finding.expected.says == "tinyland-nix does not promise a Docker daemon"
    ]
    assert str(finding.actual.at) == place
    assert "job build on tinyland-nix: docker build" in finding.actual.says


def test_job_that_starts_no_recipe_with_docker_agrees(judged: Judge) -> None:
    report = judged({**FILES, ".github/workflows/ci.yml": WORKFLOW % "make prepare"})
    assert [finding for finding in report.findings if "Docker daemon" in finding.expected.says] == []


ITSELF = """\
if [ -z "$INSIDE" ]; then docker run -v .:/w image /w/$(basename $0); else go build; fi
"""


@pytest.mark.parametrize(
    ("steps", "broken", "listed"),
    [
        ("[{run: go build}]", ["go"], []),
        ("[{run: 'if [ $USE_GO = 1 ]; then go build; fi'}]", [], ["go"]),
        ("[{run: 'if go build; then x; fi'}]", ["go"], []),
        ("[{run: 'if [ $PUSH = 1 ]; then go build; fi'}]", ["go"], []),
        ("[{uses: someone/go-action@v1}, {run: go build}]", [], ["go"]),
        ("[{uses: someone/ago-action@v1}, {run: go build}]", ["go"], []),
        ("[{run: 'go build; export PATH=x'}]", ["go"], []),
        ('[{run: "export PATH=x\\ngo build"}]', [], ["go"]),
        ("[{run: yum install x}]", ["yum"], []),
        ("[{run: /tmp/x/install --update}, {run: go build}]", [], ["go"]),
        ("[{run: /tmp/x/installed --update}, {run: go build}]", ["go"], []),
        ("[{run: ./itself.sh}]", ["a Docker daemon"], ["go"]),
    ],
)
def test_need_that_a_job_may_not_have_is_listed(
    judged: Judge, steps: str, broken: list[str], listed: list[str]
) -> None:
    workflow = f"on: push\njobs:\n  build:\n    runs-on: tinyland-nix\n    steps: {steps}\n"
    report = judged({".github/workflows/ci.yml": workflow, "itself.sh": ITSELF})
    start = "tinyland-nix does not promise "
    assert [finding.expected.says.removeprefix(start) for finding in report.findings] == broken
    reasons = [place.reason.removeprefix(start) for place in report.unjudged]
    assert [reason.partition(" (")[0] for reason in reasons] == listed


DISPATCH = """\
build() { docker build .; }
main() {
  case "$1" in
    build|all) build ;;
    version) echo 1 ;;
  esac
}
main "$@"
"""
MAYBE = """\
never:
ifdef CI
\tdocker build .
endif
always:
\tdocker build .
"""


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("{run: ./do.sh build}", ""),
        ("{run: ./do.sh all}", ""),
        ("{run: ./do.sh version}", "this call of the script may not reach it"),
        ("{run: ./asks.sh}", "the script asks whether it succeeds"),
        ("{run: ./retries.sh}", "it runs only if another command fails"),
        ("{run: './do.sh build || true'}", "the script goes on if it fails"),
        ("{run: './do.sh build || exit 1'}", ""),
        ("{run: 'docker build . || :'}", "the script goes on if it fails"),
        ("{run: 'docker build . || docker build x'}", ""),
        ("{run: docker build ., continue-on-error: true}", "the job goes on if the step fails"),
        ("{uses: docker/login-action@v3, continue-on-error: true}", "the job goes on if the step fails"),
        ("{run: make never}", "a condition of the Makefile may leave it out"),
        ("{run: make always}", ""),
        # One that may not run hides none that does.
        ("{run: 'docker ps || true; docker build .'}", ""),
    ],
)
def test_need_that_may_not_run_is_listed_with_its_reason(judged: Judge, step: str, reason: str) -> None:
    """A script that serves several callers asked for a builder of images when it was asked for a version."""
    workflow = f"on: push\njobs:\n  build:\n    runs-on: tinyland-nix\n    steps: [{step}]\n"
    scripts = {
        "asks.sh": "if docker push x; then echo; fi\n",
        "retries.sh": "if ! make x; then docker rm x; fi\n",
    }
    report = judged({".github/workflows/ci.yml": workflow, "do.sh": DISPATCH, "Makefile": MAYBE, **scripts})
    found = [finding for finding in report.findings if "a Docker daemon" in finding.expected.says]
    reasons = [place.reason for place in report.unjudged if "a Docker daemon" in place.reason]
    assert bool(found) is not bool(reason)
    assert [entry.rpartition(", but ")[2] for entry in reasons] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("packages", "found"),
    [('"${missing[@]}"', False), ("$PACKAGES", False), ("a=$VERSION", True), ("curl; echo $HOME", True)],
)
def test_script_may_install_what_only_a_variable_names(judged: Judge, packages: str, found: bool) -> None:
    """A script of documentation collected what was missing, and installed it."""
    workflow = "on: push\njobs:\n  build:\n    runs-on: tinyland-nix\n    steps: [{run: ./do.sh}]\n"
    script = f"apt-get -qq install -y {packages}\nninja\n"
    report = judged({".github/workflows/ci.yml": workflow, "do.sh": script})
    says = [finding.expected.says for finding in report.findings]
    assert ("tinyland-nix does not promise ninja" in says) is found, says
