"""Reports: for people, for code hosts, for CI, for a programme lead; baselines; and the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from builder_contracts.cli import group
from builder_contracts.errors import BuilderContractsError, InputError, Source
from builder_contracts.evidence.record import from_properties
from builder_contracts.evidence.verdict import Outcome
from builder_contracts.truth.baseline import compare
from builder_contracts.truth.finding import Finding, Side
from builder_contracts.truth.report import machine, text
from tests.truth.conftest import CONTRACTS, Judge
from tests.truth.miniature import Add, Edit, changed, write
from tests.truth.test_breaks import BREAKS

STALE = Edit("flake.nix", "nix-cache.tinyland.dev", "nix-cache.fuzzy-dev.tinyland.dev")
SMALL = Edit("tofu/stacks/arc-runners/variables.tf", 'default = "8Gi"', 'default = "1Gi"')


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments], catch_exceptions=True)


def truth(repo: Path, *arguments: str | Path) -> Result:
    return run("truth", "--repo", repo, "--contracts", CONTRACTS, *arguments)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return write(tmp_path / "clean")


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    return write(tmp_path / "wrong", changed(STALE, SMALL))


def test_text_names_both_lines_the_reason_and_the_mend(judged: Judge) -> None:
    report = "\n".join(text.render(judged(changed(STALE))))
    assert "flake.nix:7  endpoints/retired-hosts  BROKEN" in report
    assert 'here      ATTIC_CACHE_URL = "https://nix-cache.fuzzy-dev.tinyland.dev"' in report
    assert (
        f"there     retired, replaced by https://nix-cache.tinyland.dev   ({CONTRACTS}/platform/endpoints.yaml:"
        in report
    )
    assert "mend      use https://nix-cache.tinyland.dev" in report
    assert (
        "why       whoever copies the default talks to a host that nobody watches any more\n"
        "            Repo drift against that runtime: “default cache endpoints still reference "
        "nix-cache.fuzzy-dev.tinyland.dev”" in report
    )


def test_sarif_has_both_sides_and_a_fingerprint_that_survives_moved_lines(judged: Judge) -> None:
    first = json.loads(machine.to_sarif(judged(changed(STALE))))
    moved = json.loads(
        machine.to_sarif(judged(changed(STALE, Edit("flake.nix", "{\n  desc", "{\n\n\n  desc"))))
    )
    assert first["version"] == "2.1.0"
    (result,), (later,) = first["runs"][0]["results"], moved["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("flake.nix", 7)
    assert later["locations"][0]["physicalLocation"]["region"]["startLine"] == 9
    assert result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith(
        "endpoints.yaml"
    )
    assert result["partialFingerprints"] == later["partialFingerprints"]
    rules = {rule["id"] for rule in first["runs"][0]["tool"]["driver"]["rules"]}
    assert result["ruleId"] in rules


SARIF = json.loads((Path(__file__).parent / "sarif" / "sarif-2.1.0.schema.json").read_text("utf-8"))


def valid(log: str) -> dict[str, Any]:
    """A SARIF log that the standard's own schema accepts."""
    data: dict[str, Any] = json.loads(log)
    checker = Draft202012Validator(SARIF, format_checker=FormatChecker())
    assert [f"{error.json_path}: {error.message}" for error in checker.iter_errors(data)] == []
    return data


def test_a_contradiction_of_a_class_has_both_sides_and_can_be_known(wrong: Path, tmp_path: Path) -> None:
    log = valid(truth(wrong, "--format", "sarif").stdout)
    (result,) = [
        one for one in log["runs"][0]["results"] if one["ruleId"] == "tinyland-nix/resources/memory-limit"
    ]
    here = result["locations"][0]["physicalLocation"]
    there = result["relatedLocations"][0]["physicalLocation"]
    assert here["artifactLocation"]["uri"] == "tofu/stacks/arc-runners/variables.tf"
    assert there["artifactLocation"]["uri"].endswith("contracts/tinyland-nix.yaml")
    known = tmp_path / "known.json"
    assert truth(wrong, "--baseline", known, "--write-baseline").exit_code == 0
    assert truth(wrong, "--baseline", known).exit_code == 0


def test_the_sarif_schema_would_find_a_wrong_log(judged: Judge) -> None:
    data = json.loads(machine.to_sarif(judged(changed(STALE))))
    data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(AssertionError, match="startLine: 0 is less than the minimum of 1"):
        valid(json.dumps(data))


def test_sarif_is_what_the_standards_schema_accepts(judged: Judge, tmp_path: Path) -> None:
    clean, hostile = (
        valid(machine.to_sarif(judged(changed()))),
        Add("docs/a b#?%.md", "\nSee http://attic-api.nix-cache.svc.cluster.local \x01\x1b]0; ]]> <x>&\n"),
    )
    assert clean["runs"][0]["results"] == []
    broken_yaml = Add(".github/workflows/broken.yml", "on: [push\n")
    everything = [change for case in BREAKS for change in case.changes]
    full = valid(machine.to_sarif(judged(changed(*everything, hostile, broken_yaml))))
    results = full["runs"][0]["results"]
    assert len(results) > 50
    assert {result["ruleId"] for result in results} == {
        rule["id"] for rule in full["runs"][0]["tool"]["driver"]["rules"]
    }
    assert "docs/a%20b%23%3F%25.md" in json.dumps(results)
    notes = [
        note["message"]["text"] for note in full["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    ]
    assert any(note.startswith("not read: .github/workflows/broken.yml: not YAML") for note in notes)


def test_what_is_waived_or_known_is_a_note_in_sarif_and_no_annotation(wrong: Path, tmp_path: Path) -> None:
    contracts = Path(shutil.copytree(CONTRACTS, tmp_path / "contracts"))
    endpoints = contracts / "platform" / "endpoints.yaml"
    waiver = "waivers:\n  retired-hosts: {reason: the cache moves next week, until: '2099-01-31'}\n"
    endpoints.write_text(endpoints.read_text("utf-8") + waiver, "utf-8")
    baseline = tmp_path / "baseline.json"
    run("truth", "--repo", wrong, "--contracts", contracts, "--baseline", baseline, "--write-baseline")
    result = run(
        "truth", "--repo", wrong, "--contracts", contracts, "--baseline", baseline, "--format", "sarif"
    )
    log = valid(result.stdout)
    assert log["runs"][0]["results"] == []
    notes = [
        note["message"]["text"] for note in log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    ]
    assert any(note.startswith("waived: platform/endpoints/retired-hosts: flake.nix:7") for note in notes)
    assert "known by the baseline: 2 findings" in notes


def test_junit_counts_and_carries_the_verdicts(judged: Judge) -> None:
    judgement = judged(changed(STALE, SMALL))
    suite = ElementTree.fromstring(machine.to_junit(judgement)).find("testsuite")  # noqa: S314 - our own report
    assert suite is not None
    assert (
        int(suite.get("failures", ""))
        == len(suite.findall("testcase/failure"))
        == judgement.count(Outcome.BROKEN)
    )
    assert int(suite.get("errors", "")) == len(suite.findall("testcase/error"))
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    for case, verdict in zip(suite.findall("testcase"), judgement.verdicts, strict=True):
        pairs = [(one.get("name", ""), one.get("value", "")) for one in case.findall("properties/property")]
        read = from_properties(pairs)
        assert read is not None
        assert (read.clause, read.outcome, read.seen) == (verdict.clause, verdict.outcome, verdict.seen)


def test_what_xml_cannot_hold_does_not_break_junit(judged: Judge) -> None:
    hostile = Add(
        "docs/index.md", "\nSee http://attic-api.nix-cache.svc.cluster.local \x01\x1b]0; ]]> <x>&\n"
    )
    ElementTree.fromstring(machine.to_junit(judged(changed(hostile))))  # noqa: S314 - our own report
    json.loads(machine.to_sarif(judged(changed(hostile))))


def test_exit_codes_say_kept_broken_or_bad_input(clean: Path, wrong: Path, tmp_path: Path) -> None:
    assert truth(clean).exit_code == 0
    assert truth(wrong).exit_code == 1
    assert truth(clean, "--strict").exit_code == 2
    assert isinstance(truth(tmp_path / "gone").exception, InputError)
    assert isinstance(run("truth", "--repo", clean, "--contracts", tmp_path).exception, InputError)


def test_an_unproven_clause_that_files_should_decide_ends_with_2(tmp_path: Path) -> None:
    unknown = Edit(
        "tofu/stacks/arc-runners/variables.tf", '  type    = string\n  default = "8Gi"', "  type = string"
    )
    result = truth(write(tmp_path / "r", changed(unknown)))
    assert result.exit_code == 2
    assert (
        "UNPROVEN  tinyland-nix/resources/memory-limit: the variable 'nix_memory_limit' has no default"
        in result.output
    )


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit"])
def test_reports_are_written_whole_to_a_file(wrong: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "report"
    assert truth(wrong, "--format", form, "-o", target).exit_code == 1
    assert "endpoints/retired-hosts" in target.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".truth-")] == []
    assert isinstance(truth(wrong, "-o", tmp_path / "no" / "such").exception, BuilderContractsError)


def test_json_holds_findings_verdicts_and_what_was_not_read(wrong: Path) -> None:
    (wrong / "x.yaml").write_text("apiVersion: v1\nkind: [\n")
    data = json.loads(truth(wrong, "--format", "json").output)
    assert data["schema"] == "builder-contracts/truth/v1"
    assert data["unread"][0]["path"] == "x.yaml"
    (finding,) = [one for one in data["findings"] if one["clause"].endswith("retired-hosts")]
    assert finding["here"]["file"] == "flake.nix"
    assert {one["clause"] for one in data["verdicts"] if one["verdict"] == "broken"} >= {finding["clause"]}


def test_a_baseline_starts_clean_and_only_gets_better(tmp_path: Path) -> None:
    repo, known = write(tmp_path / "repo", changed(STALE)), tmp_path / "known.json"
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 0
    assert truth(repo, "--baseline", known).exit_code == 0

    write(repo, changed(STALE, Add("docs/index.md", "\nhttps://nix-cache.fuzzy-dev.tinyland.dev\n")))
    assert truth(repo, "--baseline", known).exit_code == 1
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 1
    assert len(json.loads(known.read_text())["findings"]) == 1, "a baseline never grows"

    write(repo)
    assert "1 known findings are gone" in truth(repo, "--baseline", known).output
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 0
    assert json.loads(known.read_text())["findings"] == []


def test_a_damaged_baseline_is_refused(clean: Path, tmp_path: Path) -> None:
    for body in (
        "{",
        "[]",
        '{"schema": "x"}',
        '{"schema": "builder-contracts/baseline/v1", "findings": [1]}',
    ):
        (tmp_path / "b.json").write_text(body)
        assert isinstance(truth(clean, "--baseline", tmp_path / "b.json").exception, InputError)
    assert isinstance(truth(clean, "--baseline", tmp_path / "gone.json").exception, InputError)


findings = st.lists(
    st.builds(
        lambda clause, file, line, says: Finding(
            clause, "p", "w", "g", Side(Source(file, line), says), Side(Source("c", 1), "t"), "m"
        ),
        st.sampled_from("ab"),
        st.sampled_from("xy"),
        st.integers(1, 9),
        st.sampled_from("12"),
    ),
    max_size=12,
)


@given(findings, findings)
def test_each_known_finding_excuses_one_and_none_is_lost(seen: list[Finding], known: list[Finding]) -> None:
    from collections import Counter

    entries = Counter(one.fingerprint for one in known)
    compared = compare(seen, entries)
    assert sorted((*compared.new, *compared.known), key=repr) == sorted(seen, key=repr)
    assert len(compared.known) + compared.gone == len(known)


def everything_wrong(tmp_path: Path) -> Path:
    changes = [change for case in BREAKS for change in case.changes]
    return write(tmp_path / "all-wrong", changed(*changes))


def test_the_exit_criteria_are_one_page_of_markdown_that_says_what_is_missing(
    clean: Path, wrong: Path
) -> None:
    page = truth(wrong, "--exit-criteria", "--format", "markdown").output
    assert page.startswith("# Runner Platform Reset: 6 of 8 exit criteria met, 3 of them on assumptions\n")
    assert "| 1 | No primary surface still defaults to stale cache endpoints | **not met** | 4 of 5 |" in page
    assert "**1. No primary surface still defaults to stale cache endpoints**" in page
    assert (
        "- No retired host is named anywhere. Not so at `flake.nix:7`: use https://nix-cache.tinyland.dev "
        "[endpoints/retired-hosts]" in page
    )
    assert (
        "| 7 | The planning surfaces of GitHub and Linear both reflect the active programme | **not shown** | 0 of 4 |"
        in page
    )
    assert "- no tracker export (pass --planning FILE) [planning/milestone, planning/issues, " in page
    assert "## To confirm with the operator" in page
    assert "- state/backends: stacks name GitLab's HTTP backend;" in page


def test_the_exit_criteria_are_one_page_of_text(clean: Path) -> None:
    page = truth(clean, "--exit-criteria").output
    assert page.startswith("Runner Platform Reset: 7 of 8 exit criteria met, 3 of them on assumptions\n")
    assert " 3  met, assuming  The truth about the state backend is explicit and verified" in page
    assert max(map(len, page.splitlines())) <= 100
    data = json.loads(truth(clean, "--exit-criteria", "--format", "json").output)
    assert [one["state"] for one in data["criteria"]].count("met") == 4
    assert data["criteria"][2]["assumed"][0]["fact"] == "state/backends"


def test_the_page_is_one_page_even_when_everything_is_wrong(tmp_path: Path) -> None:
    repo = everything_wrong(tmp_path)
    for form in ("text", "markdown"):
        page = truth(repo, "--exit-criteria", "--format", form).output
        assert "0 of 8 exit criteria met" in page
        assert len(page.splitlines()) <= 110
        assert len(page) < 9_000


def test_the_page_names_the_commit_that_was_judged(clean: Path) -> None:
    (clean / ".git").mkdir()
    (clean / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert "files of clean;" in truth(clean, "--exit-criteria").output
    (clean / ".git" / "packed-refs").write_text(f"# pack-refs\n{'ab' * 20} refs/heads/main\n")
    assert "files of clean at commit abababababab;" in truth(clean, "--exit-criteria").output
    for hostile in ("ref: ../../etc/passwd", "ref: refs/../../x", "\0", "x" * 40):
        (clean / ".git" / "HEAD").write_text(hostile)
        assert "files of clean;" in truth(clean, "--exit-criteria").output


def test_formats_that_do_not_fit_the_page_are_refused(clean: Path) -> None:
    assert "--exit-criteria is a page" in truth(clean, "--exit-criteria", "--format", "sarif").output
    assert "is for --exit-criteria" in truth(clean, "--format", "markdown").output


def test_paragraphs_of_the_grounding_document_can_be_checked(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "g.md").write_text("# Something else\n")
    result = truth(clean, "--grounding", tmp_path / "g.md")
    assert isinstance(result.exception, InputError)
    assert "does not have once, under 'Seed Issue Set'" in str(result.exception)


def test_a_consumers_workflows_are_judged_against_the_classes(tmp_path: Path) -> None:
    tree = {
        "README.md": "# App\n",
        ".github/workflows/ci.yml": """\
on: push
jobs:
  lint:
    runs-on: tinyland-docker
    steps: [{run: make lint}]
  image:
    runs-on: tinyland-docker
    steps: [{uses: docker/build-push-action@v6}]
  typo:
    runs-on: tinyland-nx
    steps: [{run: nix build}]
  local:
    runs-on: tinyland-nix
    steps: [{uses: ./tools/setup}]
""",
    }
    result = run("workflows", write(tmp_path / "app", tree), "--contracts", CONTRACTS)
    assert result.exit_code == 1
    assert "mend      run the job on tinyland-dind" in result.output
    assert "mend      use tinyland-nix" in result.output
    assert "tools/setup does not exist" in result.output
    assert "identity" not in result.output


def test_select_names_the_smallest_class_and_why_not_the_others() -> None:
    result = run("select", "--contracts", CONTRACTS, "--needs", "nix,memory=2Gi")
    assert result.exit_code == 0
    assert result.output.startswith("runs-on: tinyland-nix\n")
    assert "tinyland-docker: nix is promised absent" in result.output

    assert run("select", "--contracts", CONTRACTS, "--needs", "docker-build").output.startswith(
        "runs-on: tinyland-dind\n"
    )
    assert run("select", "--contracts", CONTRACTS, "--needs", "gcc,memory=12Gi").output.startswith(
        "runs-on: linux-xr-docker\n"
    )
    assert run("select", "--contracts", CONTRACTS, "--needs", "git").output.startswith(
        "runs-on: tinyland-docker\n"
    )

    nothing = run("select", "--contracts", CONTRACTS, "--needs", "nix,docker-build,memory=12Gi")
    assert nothing.exit_code == 1
    assert "tinyland-nix: no Docker daemon" in nothing.output
    assert "tinyland-dind: memory 8Gi, needs 12Gi" in nothing.output

    data = json.loads(run("select", "--contracts", CONTRACTS, "--needs", "nix", "--json").output)
    assert data["label"] == "tinyland-nix"


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("nixx", "did you mean nix?"),
        ("memory=much", "not a number of bytes"),
        ("disk=1", "cpu=4 and memory=12Gi"),
        (",", "--needs is empty"),
    ],
)
def test_needs_that_no_contract_speaks_of_are_refused(needs: str, said: str) -> None:
    result = run("select", "--contracts", CONTRACTS, "--needs", needs)
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)


@pytest.mark.parametrize("command", ["truth", "select", "workflows"])
def test_help_shows_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
