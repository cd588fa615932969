"""The platform's contracts as documents: what is accepted, what is refused and how, and that all of it is judged."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from textwrap import fill

import pytest
from click.testing import CliRunner

from builder_contracts.cli import group
from builder_contracts.errors import InputError
from builder_contracts.truth.platform import AREAS, Platform, load, ungrounded
from builder_contracts.truth.rules.registry import RULES
from builder_contracts.truth.session import load as load_all
from builder_contracts.truth.verdicts import judge
from builder_contracts.verdict import Outcome
from tests.truth.conftest import CONTRACTS, Judge, broken, printed
from tests.truth.miniature import Add, Edit, changed, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the contracts that a test may damage."""
    return Path(shutil.copytree(CONTRACTS, tmp_path / "contracts"))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    body = path.read_text("utf-8")
    assert old in body, f"{file} no longer holds {old!r}"
    path.write_text(body.replace(old, new, 1), "utf-8")


def test_every_clause_has_a_rule_and_every_rule_a_clause() -> None:
    platform = load(CONTRACTS / "platform")
    assert {clause.id.removeprefix("platform/") for clause in platform.clauses} == set(RULES)
    assert {clause.area for clause in platform.clauses} == set(AREAS)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem", "fix"),
    [
        (
            "identity.yaml",
            "area: identity",
            "area: identty",
            "unknown area 'identty'",
            "did you mean 'identity'?",
        ),
        (
            "identity.yaml",
            "  retired-names:",
            "  retired-nams:",
            "unknown field",
            "did you mean 'retired-names'?",
        ),
        (
            "endpoints.yaml",
            "{role: nix, environment: tinyland}",
            "{role: nix}",
            "is missing required field 'environment'",
            "",
        ),
        (
            "endpoints.yaml",
            "{role: nix, env",
            "{role: nixx, env",
            "cache-roles.yaml has no role 'nixx'",
            "did you mean 'nix'?",
        ),
        (
            "endpoints.yaml",
            "environment: tinyland}",
            "environment: tinylandd}",
            "has no endpoint of nix for 'tinylandd'",
            "did you mean 'tinyland'?",
        ),
        (
            "endpoints.yaml",
            "nix-cache.fuzzy-dev",
            "nix-cache.fuzzy",
            "cache-roles.yaml has no stale host",
            "nix-cache.fuzzy-dev",
        ),
        ("endpoints.yaml", "    objects: {named", "    objekts: {named", "no role 'objekts'", "'objects'"),
        (
            "endpoints.yaml",
            "    bazel-http: {words",
            "    flakes: {words",
            "no limit 'not working",
            "add it to cache-roles",
        ),
        (
            "cache-roles.yaml",
            "bazel-cache-grpc.taila4c78d.ts.net:9092",
            "bazel.ts.net",
            "has no host and port",
            "SCHEME://",
        ),
        (
            "lifecycle.yaml",
            "{fact: job_minutes",
            "{fact: job_hours",
            "no fact 'job_hours'",
            "name it",
        ),
        (
            "lifecycle.yaml",
            "clauses: [deadlines]",
            "clauses: [deadline]",
            "no clause 'deadline'",
            "name one",
        ),
        (
            "state.yaml",
            "backends: {default: http}",
            "backends: {attic: http}",
            "is missing required field 'default'",
            "",
        ),
        (
            "state.yaml",
            "section: Seed Issue Set",
            "section: Seed Issues Set",
            "no section 'Seed Issues Set'",
            "Seed Issue Set",
        ),
        (
            "state.yaml",
            "quote: real Tofu state backend",
            "quote: real Terraform backend",
            "no paragraph of 'Seed Issue Set' contains 'real Terraform backend authority'",
            "occur only in the intended paragraph",
        ),
        ("state.yaml", "quote: real Tofu state backend authority", "quote: Define", "5 paragraphs of", ""),
        (
            "state.yaml",
            "{section: Seed Issue Set, quote: real",
            "{quote: real",
            "is missing required field 'section'",
            "",
        ),
        ("exit-criteria.yaml", "quote: presents attic-iac", "quote: no primary", "2 paragraphs of", ""),
        ("planning.yaml", '"^Sprint [1-5]\\\\b"', '"^Sprint [1-5"', "not a valid regular expression", ""),
        (
            "exit-criteria.yaml",
            "endpoints/ports,",
            "endpoints/prots,",
            "unknown clause 'endpoints/prots'",
            "endpoints/ports",
        ),
        ("topology.yaml", "  node-roles:\n", "  node-roles:\n    promise: x\n", "duplicate key", ""),
    ],
)
def test_damaged_contract_is_rejected_with_line_and_fix(
    folder: Path, file: str, old: str, new: str, problem: str, fix: str
) -> None:
    edit(folder / "platform", file, old, new)
    with pytest.raises(InputError) as caught:
        load(folder / "platform")
    assert problem in str(caught.value)
    assert fix in str(caught.value)
    assert file in caught.value.problems[0].source.file


def test_directory_without_platform_contracts_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no platform contract"):
        load(tmp_path)
    with pytest.raises(InputError, match="no platform contracts found"):
        load(tmp_path / "gone")


def waive(folder: Path, until: str, files: str = "") -> None:
    path = folder / "platform" / "endpoints.yaml"
    scope = f", files: [{files!r}]" if files else ""
    waiver = f"waivers:\n  retired-hosts: {{reason: the cache moves next week, until: '{until}'{scope}}}\n"
    path.write_text(path.read_text("utf-8") + waiver, "utf-8")


STALE = Edit("flake.nix", "nix-cache.tinyland.dev", "nix-cache.fuzzy-dev.tinyland.dev")


def outcome(folder: Path, repo: Path, today: date) -> tuple[Outcome, str]:
    judgement = judge(repo, *load_all(folder), today=today)
    verdict = next(v for v in judgement.verdicts if v.clause == "platform/endpoints/retired-hosts")
    return verdict.outcome, verdict.observation


def test_waiver_holds_until_its_last_day_and_then_breaks(folder: Path, tmp_path: Path) -> None:
    waive(folder, "2030-01-31")
    repo = write(tmp_path / "repo", changed(STALE))
    assert outcome(folder, repo, date(2030, 1, 31))[0] is Outcome.WAIVED
    late, summary = outcome(folder, repo, date(2030, 2, 1))
    assert late is Outcome.BROKEN
    assert "its waiver expired on 2030-01-31" in summary


def test_unneeded_expired_waiver_is_broken(folder: Path, tmp_path: Path) -> None:
    waive(folder, "2030-01-31")
    late, summary = outcome(folder, write(tmp_path / "repo"), date(2030, 2, 1))
    assert late is Outcome.BROKEN
    assert "is no longer needed" in summary


def test_waiver_for_some_files_excuses_no_others(folder: Path, tmp_path: Path) -> None:
    waive(folder, "2030-01-31", "docs/*")
    repo = write(tmp_path / "repo", changed(STALE))
    assert outcome(folder, repo, date(2030, 1, 1))[0] is Outcome.BROKEN


@pytest.mark.parametrize(
    ("waiver", "problem"),
    [
        ("retired-hosts: {until: '2030-01-31'}", "is missing required field 'reason'"),
        ("retired-hosts: {reason: long enough to read, until: soon}", "until"),
        ("retired-hosts: {reason: long enough to read, until: '2030-02-31'}", "not a date"),
        ("retired-host: {reason: long enough to read, until: '2030-01-31'}", "not in this file"),
    ],
)
def test_incomplete_waiver_is_rejected(folder: Path, waiver: str, problem: str) -> None:
    path = folder / "platform" / "endpoints.yaml"
    path.write_text(f"{path.read_text('utf-8')}waivers:\n  {waiver}\n", "utf-8")
    with pytest.raises(InputError, match=problem):
        load(folder / "platform")


def test_class_without_an_installers_tool_is_broken(folder: Path, tmp_path: Path) -> None:
    """The break of 02-26: the runner image had no xz, and the Nix installer unpacks with it."""
    repo = write(tmp_path / "repo")
    assert "workflows/needs" not in broken(judge(repo, *load_all(folder)))
    edit(folder, "base/linux-runner.yaml", 'xz: {version: ">=5.2", package: xz-utils}', "xz: absent")
    judgement = judge(repo, *load_all(folder))
    (finding,) = [finding for finding in judgement.findings if finding.clause == "platform/workflows/needs"]
    assert str(finding.actual.at) == ".github/actions/nix-job/action.yml:6"
    assert "does not promise xz" in finding.expected.says


def page(platform: Platform) -> list[str]:
    """A document of all paragraphs that something rests on, as Markdown would have it."""
    grounds = [clause.ground for clause in platform.clauses if clause.ground is not None]
    grounds += [criterion.ground for criterion in platform.criteria]
    lines: list[str] = []
    for section in dict.fromkeys(ground.section for ground in grounds):
        lines += ["", f"## {section}", ""]
        paragraphs = dict.fromkeys(ground.paragraph for ground in grounds if ground.section == section)
        lines += [
            line
            for paragraph in paragraphs
            for line in ("- " + fill(paragraph, 60, subsequent_indent="  ", break_on_hyphens=False)).split(
                "\n"
            )
        ]
    return lines


def test_every_clause_and_criterion_rests_on_one_paragraph() -> None:
    platform = load(CONTRACTS / "platform")
    grounds = [clause.ground for clause in platform.clauses if clause.ground is not None]
    assert len(grounds) == len(platform.clauses)
    for ground in (*grounds, *(criterion.ground for criterion in platform.criteria)):
        assert ground.quote in ground.paragraph
        assert ground.source.file.endswith("grounding.yaml")
        assert ground.source.line > 1


def test_paragraphs_are_compared_with_the_grounding_document() -> None:
    platform = load(CONTRACTS / "platform")
    lines = page(platform)
    assert ungrounded(platform, "\n".join(lines)) == []

    place = lines.index("## Seed Issue Set") + 2
    missing = ungrounded(platform, "\n".join([*lines[:place], *lines[place + 2 :]]))
    assert len(missing) == 1
    twice = ungrounded(platform, "\n".join([*lines[: place + 2], *lines[place:]]))
    assert [ground.paragraph for _, ground in twice] == [missing[0][1].paragraph]


def test_foreign_repository_is_judged_by_platform_mentions_only(judged: Judge) -> None:
    tree = {
        "README.md": "# Other\n\nUses attic-cache and Liqo and Civo.\n",
        "MODULE.bazel": 'module(name = "other")\n',
        "tofu/main.tf": 'terraform {\n  backend "s3" {}\n}\nresource "x" "y" {}\n',
        "deploy.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
        ".github/workflows/ci.yml": "on: push\njobs:\n  a:\n    runs-on: my-own-runner\n    steps: [{run: docker build .}]\n",
    }
    assert judged(tree).findings == ()
    stale = {**tree, "x.conf": "substituters = https://nix-cache.fuzzy-dev.tinyland.dev\n"}
    assert broken(judged(stale)) == {"endpoints/retired-hosts"}


def test_sentence_about_the_past_is_not_a_claim(judged: Judge) -> None:
    past = Add(
        "docs/index.md",
        "\nThe cache is no longer at https://nix-cache.fuzzy-dev.tinyland.dev, and Liqo was removed.\n",
    )
    assert broken(judged(changed(past))) == set()


def test_value_known_only_at_run_time_is_unproven(judged: Judge) -> None:
    unknown = Edit(
        "tofu/stacks/arc-runners/variables.tf", '  type    = string\n  default = "8Gi"', "  type = string"
    )
    judgement = judged(changed(unknown))
    verdicts = {verdict.clause: verdict for verdict in judgement.verdicts}
    verdict = verdicts["tinyland-nix/resources/memory-limit"]
    assert verdict.outcome is Outcome.UNPROVEN
    assert verdict.provable_here
    assert "no default and no .tfvars file sets it" in verdict.observation


def test_assumption_is_reported_where_a_verdict_relies_on_it(judged: Judge) -> None:
    judgement = judged(changed())
    verdict = next(
        verdict for verdict in judgement.verdicts if verdict.clause == "platform/lifecycle/deadlines"
    )
    assert verdict.outcome is Outcome.KEPT
    assert "relies on job_minutes: assumed; confirm with the operator" in verdict.observation
    assert "lifecycle: job_minutes: no document names a deadline" in printed(judgement)
    assert {(one.area, one.fact) for one in judgement.assumptions} >= {
        ("topology", "nodes"),
        ("state", "backends"),
    }

    late = judged(
        changed(Edit(".github/workflows/test-runners.yml", "timeout-minutes: 20", "timeout-minutes: 2"))
    )
    (finding,) = late.findings
    assert finding.expected.says == "5 to 360 minutes (assumed; confirm with the operator)"


def test_unused_assumption_is_not_reported(judged: Judge) -> None:
    assert judged({"README.md": "# Other\n"}).assumptions == ()


def test_sentence_next_to_a_denial_is_still_a_claim(judged: Judge) -> None:
    line = "\nThe cache is at http://attic-api.nix-cache.svc.cluster.local. It is not highly available.\n"
    assert broken(judged(changed(Add("docs/index.md", line)))) == {"endpoints/known-hosts"}
    gone = "\nThe name http://attic-api.nix-cache.svc.cluster.local is not used. It was a mistake.\n"
    assert broken(judged(changed(Add("docs/index.md", gone)))) == set()


def test_select_reports_assumed_amounts() -> None:
    arguments = ["select", "--needs", "gcc,memory=12Gi", "--contracts", str(CONTRACTS)]
    result = CliRunner().invoke(group, arguments)
    assert "runs-on: linux-xr-docker" in result.output
    assert "assumed; confirm with the operator: which of its amounts" in result.output


@pytest.mark.parametrize(
    ("value", "form", "breaks"),
    [
        ("grpc://bazel-cache.nix-cache.svc.cluster.local:9092", "host-port", True),
        ("bazel-cache.nix-cache.svc.cluster.local:9092", "host-port", False),
        ("bazel-cache.nix-cache.svc.cluster.local:9092", "url", True),
        ("grpc://bazel-cache.nix-cache.svc.cluster.local:9092", "url", False),
    ],
)
def test_setting_must_have_its_programs_address_form(
    folder: Path, tmp_path: Path, value: str, form: str, breaks: bool
) -> None:
    edit(
        folder,
        "platform/endpoints.yaml",
        "    attic_server: url\n",
        f"    attic_server: url\n    grpc_target: {form}\n",
    )
    repo = write(tmp_path / "repo", {"README.md": "# Other\n", "app.conf": f"grpc_target = {value}\n"})
    judgement = judge(repo, *load_all(folder))
    assert broken(judgement) == ({"endpoints/shapes"} if breaks else set())


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (Add("README.md", "\nattic-iac is the cache.\n"), "identity/retired-names"),
        (Add("CONTRIBUTING.md", "\nClone attic-iac first.\n"), "identity/retired-names"),
        (Edit("MODULE.bazel", '"""GloriousFlywheel', '"""attic-iac'), "identity/retired-names"),
        (Edit("flake.nix", "GloriousFlywheel: runners", "attic-cache: runners"), "identity/retired-names"),
        (Edit("Justfile", "# GloriousFlywheel: tasks", "# GloriousFlywheel: tasks of attic-iac"), "identity/retired-names"),
        (Add("docs/index.md", "\nWelcome to attic-iac.\n"), "identity/retired-names"),
        (Edit(".github/workflows/mirror-images.yml", "Mirror images", "attic-iac images"), "identity/retired-names"),
        (Add("package.json", '{"name": "attic-iac", "description": "GloriousFlywheel"}\n'), "identity/module-names"),
        (Add("pyproject.toml", '[project]\nname = "attic-iac"\ndescription = "GloriousFlywheel"\n'), "identity/module-names"),
        (Edit("MODULE.bazel", '"gloriousflywheel"', '"attic-iac"'), "identity/module-names"),
    ],
)  # fmt: skip
def test_every_primary_surface_is_held_to_the_current_name(
    judged: Judge, change: Add | Edit, clause: str
) -> None:
    assert clause in broken(judged(changed(change)))


def test_retired_name_in_another_role_is_not_a_finding(judged: Judge) -> None:
    uses = """\

Set the input `attic-cache: main`, pass `--attic-cache main`, and look with `kubectl -n attic-cache get pods`.
The project was formerly called attic-iac.
"""
    assert broken(judged(changed(Add("README.md", uses)))) == set()


RUNNER = "tofu/modules/arc-runner"
SELECTOR = "length(var.node_selector) > 0 ? { nodeSelector = var.node_selector } : {}"
NO_VALUE = Add(f"{RUNNER}/unset.tf", 'variable "unset" { type = any }\n')


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (Edit(f"{RUNNER}/main.tf", SELECTOR, "{ nodeSelector = var.unset }"), "topology/placement"),
        (Edit(f"{RUNNER}/main.tf", SELECTOR, '{ nodeSelector = { "kubernetes.io/hostname" = var.unset } }'), "topology/placement"),
        (Edit(f"{RUNNER}/main.tf", "            containers = concat(", "            volumes = var.unset\n            containers = concat("), "lifecycle/ephemeral"),
        (Edit(f"{RUNNER}/main.tf", "tostring(var.max_runners)", "tostring(var.unset)"), "lifecycle/scaling"),
        (Edit(f"{RUNNER}/main.tf", "value = var.github_config_secret", "value = var.unset"), "enrolment/secrets-by-reference"),
        (Edit(f"{RUNNER}/main.tf", "value = var.github_config_url", "value = var.unset"), "enrolment/scopes"),
        (Edit(f"{RUNNER}/main.tf", "value = var.runner_group", "value = var.unset"), "enrolment/runner-groups"),
        (Edit(f"{RUNNER}/main.tf", "value = var.runner_label", "value = var.unset"), "enrolment/labels"),
        (Edit(f"{RUNNER}/main.tf", "image = var.image", "image = var.unset"), "deployment/images-pinned"),
        (Edit(f"{RUNNER}/main.tf", "namespace  = var.namespace", "namespace  = var.unset"), "deployment/namespaces"),
        (Edit(f"{RUNNER}/main.tf", "version    = var.chart_version", "version    = var.unset"), "enrolment/chart-versions"),
        (Edit(f"{RUNNER}/main.tf", "cpu = var.cpu_limit", "cpu = var.unset"), "enrolment/declared-resources"),
        (Edit("tofu/modules/bazel-cache/main.tf", '["--config_file=/etc/bazel-remote/config.yaml"]', "var.unset"), "enrolment/secrets-by-reference"),
        (Edit(".gitlab-ci.yml", "image: alpine:3.21", "image: $IMAGE"), "deployment/images-pinned"),
    ],
)  # fmt: skip
def test_unevaluated_value_is_unproven_and_never_kept(judged: Judge, change: Edit, clause: str) -> None:
    before, after = (
        judged(changed()),
        judged(changed(change, NO_VALUE, Add("tofu/modules/bazel-cache/u.tf", NO_VALUE.text))),
    )
    outcomes = [
        {v.clause: v.outcome for v in judgement.verdicts}[f"platform/{clause}"]
        for judgement in (before, after)
    ]
    assert outcomes == [Outcome.KEPT, Outcome.UNPROVEN]
