"""Reports: for people, for code hosts, for CI, for a programme lead; baselines; and the command line."""

from __future__ import annotations

import json
import re
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
from builder_contracts.errors import ExitCode, InputError, Location
from builder_contracts.reporting.registry import FORMATS
from builder_contracts.truth.baseline import compare
from builder_contracts.truth.finding import Finding, Quote
from builder_contracts.truth.session import exit_code
from builder_contracts.verdict import Outcome
from tests.truth.conftest import CONTRACTS, Judge, printed, reported
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


def test_text_names_both_lines_the_reason_and_the_fix(judged: Judge) -> None:
    report = printed(judged(changed(STALE)))
    assert "flake.nix:7  endpoints/retired-hosts  BROKEN" in report
    assert '  observed        ATTIC_CACHE_URL = "https://nix-cache.fuzzy-dev.tinyland.dev"' in report
    assert re.search(
        r"  conflicts with  retired.*https://nix-cache\.tinyland\.dev   \(contracts/platform/", report
    ) or (f"({CONTRACTS}/platform/endpoints.yaml:" in report)
    assert re.search(r"  fix             \w+ https://nix-cache\.tinyland\.dev", report)
    assert re.search(
        r"  why it matters  readers who copy the default .* “default cache endpoints still reference ", report
    )


def test_text_groups_findings_of_one_cause_and_folds_them(judged: Judge) -> None:
    host = "https://nix-cache.fuzzy-dev.tinyland.dev"
    many = {f"docs/page{number}.md": f"{host}\n\n{host}/main\n" for number in range(9)}
    report = printed(judged(many))
    assert re.match(r"\d+ clauses: \d+ broken \(\d+ findings\), \d+ kept, ", report), "the counts come first"
    assert report.count("endpoints/retired-hosts  BROKEN") == 5
    assert report.count("  also on lines   3\n") == 5
    assert "  … and 8 more of endpoints/retired-hosts in 4 files (--verbose)" in report


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def notifications(log: dict[str, Any]) -> list[str]:
    (invocation,) = log["runs"][0]["invocations"]
    return [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]


def test_sarif_fingerprint_survives_moved_lines(judged: Judge, tmp_path: Path) -> None:
    first = valid(reported(judged(changed(STALE)), "sarif", tmp_path))
    shifted = Edit("flake.nix", "{\n  desc", "{\n\n\n  desc")
    moved = valid(reported(judged(changed(STALE, shifted)), "sarif", tmp_path))
    (result,), (later,) = results(first), results(moved)
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("flake.nix", 7)
    assert later["locations"][0]["physicalLocation"]["region"]["startLine"] == 9
    assert result["partialFingerprints"] == later["partialFingerprints"]
    rules = {rule["id"] for rule in first["runs"][0]["tool"]["driver"]["rules"]}
    assert result["ruleId"] in rules


def test_sarif_relates_only_places_of_the_checkout(tmp_path: Path) -> None:
    repo = write(tmp_path / "repo", changed(STALE))
    (outside,) = results(valid(truth(repo, "--format", "sarif").stdout))
    assert "relatedLocations" not in outside
    contracts = Path(shutil.copytree(CONTRACTS, repo / "contracts"))
    inside = results(
        valid(run("truth", "--repo", repo, "--contracts", contracts, "--format", "sarif").stdout)
    )
    related = {
        result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in inside
        if result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "flake.nix"
    }
    assert related == {"contracts/platform/endpoints.yaml"}


def test_sarif_tells_equal_lines_apart(judged: Judge, tmp_path: Path) -> None:
    twice = Add(
        "docs/index.md",
        "\nhttps://nix-cache.fuzzy-dev.tinyland.dev\n\nhttps://nix-cache.fuzzy-dev.tinyland.dev\n",
    )
    found = results(valid(reported(judged(changed(twice)), "sarif", tmp_path)))
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in found]
    assert len(prints) == len(set(prints)) >= 2
    assert [mark.partition(":")[2] for mark in prints[:2]] == ["1", "2"]
    assert prints[0].partition(":")[0] == prints[1].partition(":")[0]


SARIF = json.loads((Path(__file__).parent / "sarif" / "sarif-2.1.0.schema.json").read_text("utf-8"))


def valid(log: str) -> dict[str, Any]:
    """A SARIF log that the standard's own schema accepts."""
    data: dict[str, Any] = json.loads(log)
    checker = Draft202012Validator(SARIF, format_checker=FormatChecker())
    assert [f"{error.json_path}: {error.message}" for error in checker.iter_errors(data)] == []
    return data


def test_contradiction_of_a_class_has_a_place_and_a_baseline(wrong: Path, tmp_path: Path) -> None:
    log = valid(truth(wrong, "--format", "sarif").stdout)
    (result,) = [item for item in results(log) if item["ruleId"] == "tinyland-nix/resources/memory-limit"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "tofu/stacks/arc-runners/variables.tf"
    assert "promised: memory limit" in result["message"]["text"]
    known = tmp_path / "known.json"
    assert truth(wrong, "--baseline", known, "--write-baseline").exit_code == 0
    assert truth(wrong, "--baseline", known).exit_code == 0


def test_the_sarif_schema_would_find_a_wrong_log(judged: Judge, tmp_path: Path) -> None:
    data = json.loads(reported(judged(changed(STALE)), "sarif", tmp_path))
    data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(AssertionError, match="startLine: 0 is less than the minimum of 1"):
        valid(json.dumps(data))


def test_sarif_is_what_the_standards_schema_accepts(judged: Judge, tmp_path: Path) -> None:
    clean = valid(reported(judged(changed()), "sarif", tmp_path))
    assert results(clean) == []
    assert clean["runs"][0]["invocations"][0]["executionSuccessful"] is True
    hostile = Add(
        "docs/a b#?%.md", "\nSee http://attic-api.nix-cache.svc.cluster.local \x01\x1b]0; ]]> <x>&\n"
    )
    broken_yaml = Add(".github/workflows/broken.yml", "on: [push\n")
    everything = [change for case in BREAKS for change in case.changes]
    full = valid(reported(judged(changed(*everything, hostile, broken_yaml)), "sarif", tmp_path))
    assert len(results(full)) > 50
    assert {result["ruleId"] for result in results(full)} == {
        rule["id"] for rule in full["runs"][0]["tool"]["driver"]["rules"]
    }
    assert "docs/a%20b%23%3F%25.md" in json.dumps(results(full))
    prefix = "skipped: .github/workflows/broken.yml: not YAML"
    assert any(note.startswith(prefix) for note in notifications(full))
    assert full["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_waived_and_baseline_findings_are_sarif_notes(wrong: Path, tmp_path: Path) -> None:
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
    assert results(log) == []
    notes = notifications(log)
    assert any(note.startswith("waived: platform/endpoints/retired-hosts: flake.nix:7") for note in notes)
    assert "in the baseline: 2 findings" in notes


def test_junit_counts_and_carries_the_verdicts(judged: Judge, tmp_path: Path) -> None:
    judgement = judged(changed(STALE, SMALL))
    xml = reported(judgement, "junit", tmp_path)
    suite = ElementTree.fromstring(xml).find("testsuite")  # noqa: S314 - our own report
    assert suite is not None
    failures = int(suite.get("failures", ""))
    assert failures == len(suite.findall("testcase/failure")) == judgement.count(Outcome.BROKEN)
    for case, verdict in zip(suite.findall("testcase"), judgement.verdicts, strict=True):
        properties = {item.get("name"): item.get("value") for item in case.findall("properties/property")}
        assert properties["clause"] == verdict.clause
        assert properties["outcome"] == verdict.outcome.value
        assert properties["observation"] == verdict.observation


def test_text_that_xml_cannot_hold_breaks_no_report(judged: Judge, tmp_path: Path) -> None:
    url = "http://attic-api.nix-cache.svc.cluster.local"
    judgement = judged(changed(Add("docs/index.md", f"\nSee {url} \x01\x1b]0; ]]> <x>&\n")))
    ElementTree.fromstring(reported(judgement, "junit", tmp_path))  # noqa: S314 - our own report
    valid(reported(judgement, "sarif", tmp_path))
    assert "\x1b" not in printed(judgement)


def test_verdicts_of_a_checkout_say_how_much_was_checked(judged: Judge) -> None:
    found = {verdict.clause: verdict for verdict in judged(changed(STALE)).verdicts}
    verdict = found["platform/endpoints/retired-hosts"]
    assert verdict.total is not None
    assert verdict.checked == verdict.total > 0


def test_exit_codes_say_kept_broken_or_bad_input(clean: Path, wrong: Path, tmp_path: Path) -> None:
    assert truth(clean).exit_code == 0
    assert truth(wrong).exit_code == 1
    assert truth(clean, "--strict").exit_code == 2
    assert isinstance(truth(tmp_path / "gone").exception, InputError)
    assert isinstance(run("truth", "--repo", clean, "--contracts", tmp_path).exception, InputError)


def test_checkout_that_decides_nothing_is_not_kept(judged: Judge) -> None:
    judgement = judged({"notes.txt": "nothing\n"})
    assert judgement.count(Outcome.KEPT), "searches without a hit decide their clauses"
    assert exit_code(judgement, strict=False) is ExitCode.NOTHING_SELECTED
    assert exit_code(judgement, strict=True) is ExitCode.UNPROVEN


def test_an_unproven_clause_that_files_should_decide_ends_with_2(tmp_path: Path) -> None:
    unknown = Edit(
        "tofu/stacks/arc-runners/variables.tf", '  type    = string\n  default = "8Gi"', "  type = string"
    )
    result = truth(write(tmp_path / "r", changed(unknown)))
    assert result.exit_code == 2
    assert "unproven  resources/memory-limit: the variable 'nix_memory_limit' has no default" in result.output


@pytest.mark.parametrize("form", ["text", *(name for name in FORMATS if name != "attestation")])
def test_reports_are_written_whole_to_a_file(wrong: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "report"
    assert truth(wrong, "--format", form, "-o", target).exit_code == 1
    assert "endpoints/retired-hosts" in target.read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "wrong"]


def test_attestation_of_a_checkout_is_refused_before(wrong: Path, tmp_path: Path) -> None:
    error = truth(wrong, "--report", f"attestation={tmp_path / 'report'}").exception
    assert isinstance(error, InputError)
    assert "a checkout has none" in str(error)
    assert not (tmp_path / "report").exists()


def test_report_that_cannot_be_made_is_refused_before(wrong: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = truth(wrong, "-o", tmp_path / "file" / "report").exception
    assert isinstance(error, InputError)
    assert "cannot write" in str(error)


@pytest.mark.parametrize("command", ["truth", "workflows"])
def test_several_reports_of_one_run(wrong: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "reports"
    reports = [f"--report={form}={folder / form}" for form in ("sarif", "gitlab", "jsonl", "markdown")]
    place = ["--repo", wrong] if command == "truth" else [wrong]
    result = run(command, *place, "--contracts", CONTRACTS, *reports, "--report", "json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["command"] == command
    assert sorted(path.name for path in folder.iterdir()) == ["gitlab", "jsonl", "markdown", "sarif"]
    lines = [json.loads(line) for line in (folder / "jsonl").read_text("utf-8").splitlines()]
    assert lines == document["verdicts"]
    assert {line["run"] for line in lines} == {document["run"]}
    paths = {issue["location"]["path"] for issue in json.loads((folder / "gitlab").read_text("utf-8"))}
    assert "flake.nix" in paths


def test_disk_full_is_named_after_every_verdict(wrong: Path) -> None:
    result = truth(wrong, "--report", "json=/dev/full")
    assert "endpoints/retired-hosts  BROKEN" in result.stdout
    assert result.stderr.endswith("error: cannot write /dev/full: No space left on device\n")
    assert result.exit_code == 4


def test_unknown_format_gets_a_suggestion(clean: Path) -> None:
    assert "did you mean sarif?" in str(truth(clean, "--report", "sarfi=x").exception)


def test_json_holds_findings_verdicts_and_what_was_not_read(wrong: Path) -> None:
    (wrong / "x.yaml").write_text("apiVersion: v1\nkind: [\n")
    data = json.loads(truth(wrong, "--format", "json").output)
    assert data["schema"] == "builder-contracts/report/v2"
    assert data["unread"][0]["path"] == "x.yaml"
    (finding,) = [one for one in data["findings"] if one["clause"].endswith("retired-hosts")]
    assert finding["here"]["file"] == "flake.nix"
    assert {one["clause"] for one in data["verdicts"] if one["outcome"] == "broken"} >= {finding["clause"]}


def test_a_baseline_starts_clean_and_only_gets_better(tmp_path: Path) -> None:
    repo, known = write(tmp_path / "repo", changed(STALE)), tmp_path / "known.json"
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 0
    assert truth(repo, "--baseline", known).exit_code == 0

    write(repo, changed(STALE, Add("docs/index.md", "\nhttps://nix-cache.fuzzy-dev.tinyland.dev\n")))
    assert truth(repo, "--baseline", known).exit_code == 1
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 1
    assert len(json.loads(known.read_text())["findings"]) == 1, "a baseline never grows"

    write(repo)
    assert "1 known findings no longer occur" in truth(repo, "--baseline", known).output
    assert truth(repo, "--baseline", known, "--write-baseline").exit_code == 0
    assert json.loads(known.read_text())["findings"] == []


def test_a_damaged_baseline_is_refused(clean: Path, tmp_path: Path) -> None:
    for body in (
        "{",
        "[]",
        '{"schema": "x"}',
        '{"schema": "builder-contracts/baseline/v1", "findings": [1]}',
        "[" * 100_000,
    ):
        (tmp_path / "b.json").write_text(body)
        assert isinstance(truth(clean, "--baseline", tmp_path / "b.json").exception, InputError)
    assert isinstance(truth(clean, "--baseline", tmp_path / "gone.json").exception, InputError)


def test_fingerprints_are_those_of_older_baselines() -> None:
    finding = Finding(
        "platform/endpoints/ports",
        "p",
        "w",
        "g",
        Quote(Location("a.tf", 3), "port 80"),
        Quote(Location("c", 1), "port 443"),
        "m",
    )
    assert finding.fingerprint == "cd5f89b22a7d88f6de6af347"


findings = st.lists(
    st.builds(
        lambda clause, file, line, says: Finding(
            clause, "p", "w", "g", Quote(Location(file, line), says), Quote(Location("c", 1), "t"), "m"
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


def test_exit_criteria_page_lists_what_is_missing(clean: Path, wrong: Path) -> None:
    page = truth(wrong, "--exit-criteria", "--format", "markdown").output
    assert page.startswith("# Runner Platform Reset: 6 of 8 exit criteria met, 3 of them with assumptions\n")
    assert "| 1 | No primary surface still defaults to stale cache endpoints | **not met** | 4 of 5 |" in page
    assert "**1. No primary surface still defaults to stale cache endpoints**" in page
    assert (
        "- No retired host is named anywhere. Contradicted at `flake.nix:7`: use https://nix-cache.tinyland.dev "
        "[endpoints/retired-hosts]" in page
    )
    assert (
        "| 7 | The planning surfaces of GitHub and Linear both reflect the active programme | **unproven** | 0 of 4 |"
        in page
    )
    assert "- no tracker export (pass --planning FILE) [planning/milestone, planning/issues, " in page
    assert "## To confirm with the operator" in page
    assert "- state/backends: stacks name GitLab's HTTP backend;" in page


def test_the_exit_criteria_are_one_page_of_text(clean: Path) -> None:
    page = truth(clean, "--exit-criteria").output
    assert page.startswith("Runner Platform Reset: 7 of 8 exit criteria met, 3 of them with assumptions\n")
    assert " 3  met (assumed)  The truth about the state backend is explicit and verified" in page
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
    for arguments in (["--format", "sarif"], ["--report", "json=x"]):
        output = truth(clean, "--exit-criteria", *arguments).output
        assert "--exit-criteria supports only --format text, markdown or json" in output


def test_paragraphs_of_the_grounding_document_can_be_checked(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "g.md").write_text("# Something else\n")
    result = truth(clean, "--grounding", tmp_path / "g.md")
    assert isinstance(result.exception, InputError)
    assert "must contain this exactly once under 'Seed Issue Set'" in str(result.exception)


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
    assert "fix             run the job on tinyland-dind" in result.output
    assert "fix             use tinyland-nix" in result.output
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
        ("disk=1", "use forms such as cpu=4, memory=12Gi"),
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
