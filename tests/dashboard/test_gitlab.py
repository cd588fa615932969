"""GitLab's equivalent of the nightly workflow: whole, sound for a plain shell, and run for real where it can be."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder_contracts.dashboard.history.store import History
from tests.dashboard import gitlab
from tests.dashboard.forges import TOKEN, Forge, serving
from tests.dashboard.reports import case, now, suite
from tests.dashboard.spy import PARTS, Spy

ROOT = Path(__file__).parents[2]
CREDENTIALS = ("ATTIC_WRITER", "BAZEL_READER")
CLASSES = ["tinyland-nix", "tinyland-docker", "tinyland-dind"]

CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: tiny, summary: A class for tests of the nightly steps, owner: tests}
labels: [tiny]
image: {reference: tiny}
toolchain:
  sh: present
  no-such-tool: present
"""
PROOFS = "caches: {nix: read}\ncanaries: {flake: [builds]}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project with one contract; nothing of the platform's is in its environment."""
    folder = tmp_path / "work"
    (folder / "contracts" / "environments").mkdir(parents=True)
    (folder / "contracts" / "tiny.yaml").write_text(CONTRACT)
    text = (ROOT / "contracts" / "environments" / "embedded.yaml").read_text("utf-8")
    for name in ("embedded", "deployment"):
        file = folder / "contracts" / "environments" / f"{name}.yaml"
        file.write_text(text.replace("name: embedded", f"name: {name}"))
    return folder


def run(
    name: str, workspace: Path, variables: Mapping[str, str] | None = None, **given: Any
) -> subprocess.CompletedProcess[str]:
    job = gitlab.pipeline(environment="deployment", **given)[name]
    environment = {"VENV": sys.prefix, "BUILDER": "tiny", "CI_PAGES_URL": "https://example.org/site"}
    return gitlab.shell(job, workspace, {**environment, "GITLAB_TOKEN": "", **(variables or {})})


def test_the_file_uses_every_input_and_no_other() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", gitlab.FILE.read_text("utf-8").partition("\n---\n")[2]))

    assert used == set(gitlab.inputs())


def test_its_scripts_are_sound_for_a_plain_shell(tmp_path: Path) -> None:
    for name, about in gitlab.pipeline().items():
        script = tmp_path / f"{name}.sh"
        script.write_text(
            "#!/bin/sh\nset -e\n" + "\n".join([*about["before_script"], *about["script"]]) + "\n"
        )
        done = subprocess.run(
            [Path(sys.executable).with_name("shellcheck"), "--exclude=SC1091", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_both_nights_take_the_same_inputs() -> None:
    reusable = yaml.safe_load((ROOT / ".github" / "workflows" / "contracts.yml").read_text("utf-8"))

    assert {"contracts", "environment", "allow-writes"} <= set(gitlab.inputs()) & set(
        reusable[True]["workflow_call"]["inputs"]
    )


def test_gitlab_job_uses_tag_and_image_of_builder() -> None:
    jobs = gitlab.pipeline(images_tags=["privileged"], docker="docker:1-dind")
    check, images = jobs["check"], jobs["images"]

    assert check["tags"] == ["$BUILDER"]
    assert check["parallel"] == images["parallel"] == {"matrix": [{"BUILDER": CLASSES}]}
    assert images["tags"] == ["privileged"]
    assert images["services"] == [{"name": "docker:1-dind", "alias": "docker"}]
    assert images["variables"]["DOCKER_HOST"] == "tcp://docker:2376"
    assert images["variables"]["DOCKER_CERT_PATH"] == f"{images['variables']['DOCKER_TLS_CERTDIR']}/client"


def test_gitlab_images_job_exists_only_where_it_can_run() -> None:
    """A project that includes the file has no script/images; GitLab looks in the project that the pipeline is of."""
    (rule,) = gitlab.pipeline()["images"]["rules"]

    assert rule["exists"] == ["script/images"]
    assert (ROOT / "script" / "images").is_file()
    assert rule["if"].startswith('"true" == "true" && (')
    (rule,) = gitlab.pipeline(images=False)["images"]["rules"]
    assert rule["if"].startswith('"false" == "true" && (')


def test_gitlab_dashboard_needs_checks_and_optional_images() -> None:
    jobs = gitlab.pipeline()
    needs = {need["job"]: need.get("optional", False) for need in jobs["dashboard"]["needs"]}

    assert needs == {"check": False, "images": True}
    assert jobs["dashboard"]["when"] == "always"
    for name in ("pages", "issues"):
        assert jobs[name]["needs"] == ["dashboard"]
        assert [rule["when"] for rule in jobs[name]["rules"]] == ["always"]


@pytest.mark.parametrize("source", ["schedule", "web"])
def test_a_branch_s_night_is_made_and_told_to_nobody(source: str) -> None:
    jobs = gitlab.pipeline()
    variables = {"CI_PIPELINE_SOURCE": source, "CI_DEFAULT_BRANCH": "main"}

    def started(branch: str, **more: str) -> set[str]:
        given = {**variables, "CI_COMMIT_BRANCH": branch, **more}
        return {name for name, job in jobs.items() if gitlab.starts(job, **given)}

    assert started("main") == {"check", "images", "dashboard", "pages", "issues"}
    assert started("topic") == {"check", "images", "dashboard"}
    assert started("main", CI_PIPELINE_SOURCE="push") == set()


def test_what_was_found_before_a_job_s_time_was_over_is_uploaded() -> None:
    """At the job's own limit GitLab uploads nothing; a script's leaves time for it."""
    for job in map(gitlab.pipeline().__getitem__, ("check", "images")):
        assert job["artifacts"]["when"] == "always"
        script, whole = job["variables"]["RUNNER_SCRIPT_TIMEOUT"], job["timeout"]
        assert int(script.removesuffix("m")) + 5 == int(whole.removesuffix(" minutes"))


def test_gitlab_scoped_variables_reach_only_their_jobs() -> None:
    jobs = gitlab.pipeline(allow_writes="nix")

    assert {name: job["environment"] for name, job in jobs.items() if "environment" in job} == {
        "check": {"name": "contracts/$BUILDER", "action": "access"},
        "dashboard": {"name": "nightly", "action": "access"},
        "issues": {"name": "nightly", "action": "access"},
    }
    assert [name for name, job in jobs.items() if "ALLOW_WRITES" in job["variables"]] == ["check"]


def test_gitlab_jobs_share_no_virtual_environment() -> None:
    """A runner can have several jobs at once, and a machine several users."""
    for name, job in gitlab.pipeline().items():
        assert job["variables"]["VENV"] == "$CI_PROJECT_DIR/.builder-contracts-venv", name
        assert "/tmp" not in "\n".join([*job["before_script"], *job["script"]]), name


@pytest.mark.parametrize(("allow", "asked"), [("nix", True), ("", False)])
def test_gitlab_live_extra_only_where_writing_is_allowed(tmp_path: Path, allow: str, asked: bool) -> None:
    """The package index is not asked here: an interpreter stands in that says what it was called with."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    job = gitlab.pipeline(allow_writes=allow)["check"]
    job["before_script"] = job["before_script"][1:]

    done = gitlab.shell({**job, "script": []}, tmp_path, {"VENV": str(tmp_path / "venv")}, before=True)

    packages = [line.split()[-1] for line in done.stdout.splitlines()]
    assert packages == [".", "builder-contracts[live]"][: 1 + asked]


@pytest.mark.docker
@pytest.mark.slow
def test_gitlab_images_wait_for_engine_then_fail(
    workspace: Path,
) -> None:
    images = gitlab.pipeline()["images"]
    (wait,) = [line for line in images["before_script"] if "docker version" in line]
    assert images["before_script"].index(wait) == len(images["before_script"]) - 2
    # Port 9 of this machine, and two tries.
    job = {
        "variables": {"DOCKER_HOST": "tcp://127.0.0.1:9"},
        "script": [wait.replace("=60", "=2"), "echo built"],
    }

    done = gitlab.shell(job, workspace, {})

    assert done.returncode == 1
    assert "tcp://127.0.0.1:9" in done.stdout.splitlines()[-1]
    assert "built" not in done.stdout


@pytest.fixture
def spy(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Spy:
    (workspace / "contracts" / "tiny.yaml").write_text(CONTRACT + PROOFS)
    made = Spy(tmp_path / "spy")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def seen(spy: Spy) -> dict[str, tuple[list[str], set[str]]]:
    """By part: the roles that it may write to, and the variables with credentials that it has."""
    starts = {part: spy.start(part) for part in PARTS}
    return {part: (start.roles, {*CREDENTIALS} & {*start.environment}) for part, start in starts.items()}


@pytest.mark.slow
def test_roles_and_credentials_reach_the_proofs_alone(
    workspace: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "tom:s3cr3t")

    run("check", workspace, {"GITLAB_TOKEN": "s3cr3t"}, allow_writes="nix  bazel-grpc")
    assert seen(spy) == {
        "quick": ([], set()),
        "proofs": (["nix", "bazel-grpc"], {*CREDENTIALS}),
        "canaries": ([], set()),
    }
    assert all("GITLAB_TOKEN" not in spy.start(part).environment for part in PARTS)

    run("check", workspace, strict="true")
    assert seen(spy) == dict.fromkeys(PARTS, ([], set()))
    assert spy.start("quick").environment["BUILDER_CONTRACTS_STRICT"] == "true"

    run("images", workspace)
    assert seen(spy) == dict.fromkeys(PARTS, ([], set()))


@pytest.mark.slow
def test_a_role_is_no_pattern_for_files(workspace: Path, spy: Spy) -> None:
    (workspace / "bazel-http").touch()

    done = run("check", workspace, allow_writes="bazel*")

    assert "--allow-writes bazel*: 'bazel*' is not one of nix," in done.stdout
    assert done.returncode == 1


def test_gitlab_credential_names_are_those_of_tinyland() -> None:
    platform = yaml.safe_load((ROOT / "contracts" / "environments" / "tinyland.yaml").read_text("utf-8"))
    named = {
        role[key]
        for role in platform["roles"].values()
        for key in ("reader", "writer", "owner", "signing_key")
        if key in role
    }

    assert set(gitlab.inputs()["credentials"]["default"].split()) == named


@pytest.mark.slow
def test_its_jobs_really_check_and_report(workspace: Path) -> None:
    check = run("check", workspace)
    counts = (workspace / "contracts.env").read_text()
    # No engine answers at the service's address here: its clauses are unproven, and reported as such.
    images = run("images", workspace)
    dashboard = run("dashboard", workspace)
    pages = run("pages", workspace)

    assert check.returncode == 1, check.stdout
    assert "CONTRACTS_TINY_BROKEN=1\n" in counts
    assert sorted(path.name for path in (workspace / "reports" / "tiny").iterdir()) == ["quick", "quick.xml"]
    assert images.returncode == 1
    assert "cannot reach a Docker Engine" in images.stdout
    assert sorted(path.name for path in (workspace / "reports" / "images" / "tiny").iterdir()) == [
        "quick",
        "quick.xml",
    ]
    assert dashboard.returncode == 0, dashboard.stdout
    assert pages.returncode == 0, pages.stdout
    assert (workspace / "public" / "index.html").is_file()
    pool, embedded = (workspace / "night.md").read_text("utf-8").split("## `embedded`")
    assert "## `deployment`" in pool
    assert "| `tiny` | ❌ broken |" in pool
    assert "| `tiny` | ❔ unproven |" in embedded


def report(workspace: Path, name: str, content: bytes) -> None:
    folder = workspace / "reports" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("folder", ["no folder", "a folder without reports"])
@pytest.mark.slow
def test_a_night_of_which_nothing_came_makes_the_site_and_warns(workspace: Path, folder: str) -> None:
    if folder != "no folder":
        report(workspace, "log.txt", b"")

    done = run("dashboard", workspace)

    assert done.returncode == 0, done.stdout
    assert "warning: no class reported: " in done.stdout
    assert "`tiny (deployment): never reported: " in (workspace / "night.md").read_text("utf-8")
    assert (workspace / "history.db").is_file()
    assert run("pages", workspace).returncode == 0


@pytest.mark.slow
def test_unreadable_report_fails_job_but_site_is_built(
    workspace: Path,
) -> None:
    report(workspace, "quick.xml", suite(case("tiny/toolchain/sh", started=now())))
    report(workspace, "proofs.xml", suite(case("tiny/caches/nix"))[:-20])

    done = run("dashboard", workspace)

    assert done.returncode == 3
    assert "proofs.xml:1: is not well-formed XML" in done.stdout
    assert "| `tiny` | ❔ unproven | 1 | 0 |" in (workspace / "night.md").read_text("utf-8")
    assert run("pages", workspace).returncode == 0
    assert {"public", "history.db", "night.md"} == {*gitlab.pipeline()["dashboard"]["artifacts"]["paths"]}
    assert gitlab.pipeline()["dashboard"]["artifacts"]["when"] == "always"


@pytest.mark.slow
def test_failed_restore_creates_no_new_history(workspace: Path) -> None:
    report(workspace, "quick.xml", suite(case("tiny/toolchain/sh", started=now())))
    with serving() as forge:
        forge.failing["/jobs"] = 500
        done = run("dashboard", workspace, job_of(forge))

    assert done.returncode == 4, done.stdout
    assert "500 refused by this test" in done.stdout
    assert {path.name for path in workspace.iterdir()} == {"contracts", "reports"}
    assert run("pages", workspace).returncode == 1


@pytest.mark.slow
def test_gitlab_night_continues_history_and_writes_issues(workspace: Path, simulated: Path) -> None:
    report(workspace, "quick.xml", suite(case("tiny/toolchain/sh", verdict="broken", started=now())))
    with serving() as forge:
        forge.gitlab_job(7, simulated.read_bytes())
        dashboard = run("dashboard", workspace, job_of(forge))
        assert dashboard.returncode == 0, dashboard.stdout
        assert forge.writes == []
        issues = run("issues", workspace, job_of(forge))

    assert issues.returncode == 0, issues.stdout
    assert "tiny (embedded): 1 clause broken" in {issue["title"] for issue in forge.issues}
    with History(workspace / "history.db", write=False) as store, History(simulated, write=False) as before:
        assert store.size().runs == before.size().runs + 1


@pytest.mark.slow
def test_without_a_token_there_are_no_issues_and_that_is_said(workspace: Path) -> None:
    done = run("issues", workspace)

    assert done.returncode == 0
    assert done.stdout == "no issues: the variable GITLAB_TOKEN is not set\n"


def job_of(forge: Forge) -> dict[str, str]:
    """The variables of a job at that server."""
    return {"GITLAB_CI": "true", "GITLAB_TOKEN": TOKEN, "CI_PROJECT_ID": "7", "CI_API_V4_URL": forge.url}
