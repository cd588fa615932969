"""Around the nightly checks: issues that say what is broken, the history of the night before, the summary."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.cli.nightly import nightly
from builder_contracts.dashboard.analysis.history_report import HistoryReport, analyze_history
from builder_contracts.dashboard.demo.report_files import simulate_nights
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.series import HistorySnapshot, Series
from builder_contracts.dashboard.history.store import History
from builder_contracts.dashboard.nightly.breakage_issues import (
    IssueMarker,
    parse_mark,
    plan_actions,
)
from builder_contracts.dashboard.nightly.job_summary import format_summary
from builder_contracts.dashboard.nightly.night_warnings import list_warnings
from builder_contracts.errors import InputError
from builder_contracts.forge import client as forges
from builder_contracts.forge.issues import CloseIssue, Issue, OpenIssue, UpdateIssue
from builder_contracts.reporting.markdown import code_span
from builder_contracts.runner.local.attribution import Placement, this_machine
from builder_contracts.verdict import Rung
from tests.dashboard.forges import TOKEN, Forge, serving
from tests.dashboard.reports import case, now, suite
from tests.dashboard.test_report import series, tell
from tests.dashboard.test_store import LINE

BOOK = HistorySnapshot((), (), {}, None, {0: "seen so"})  # type: ignore[arg-type]


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as server:
        yield server


@pytest.fixture
def hub(forge: Forge) -> forges.GitHub:
    return forges.GitHub("o/r", TOKEN, base=forge.url)


@pytest.fixture
def job(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a job of GitHub Actions."""
    for name, value in {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": forge.url,
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "1",
        "RUNNER_NAME": "runner-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITLAB_CI", raising=False)


def night(*stories: Series, hours: float = 8) -> HistoryReport:
    return tell(*stories, hours=hours)


def sync(tracker: forges.Forge, report: HistoryReport) -> list[str]:
    """One night: what was done."""
    return [tracker.apply(action) for action in plan_actions(report, BOOK, tracker.open_issues())]


# --- issues: the plan -----------------------------------------------------------------------------------


def test_a_new_breakage_opens_one_issue_for_its_class() -> None:
    (action,) = plan_actions(
        night(series("kkb", name="a"), series("kkb", name="b"), series("kkk", name="c")), BOOK, []
    )

    assert isinstance(action, OpenIssue)
    assert action.title == "c (e): 2 clauses broken"
    assert parse_mark(action.body) == IssueMarker("e", "c", ("toolchain/a", "toolchain/b"))
    assert (
        "- `c/toolchain/a`: promised `seen so`, observed `seen so`; likely cause `seen so`\n" in action.body
    )


def test_issue_body_has_promise_evidence_and_rerun_command(
    analyzed: tuple[HistoryReport, HistorySnapshot],
) -> None:
    opened = {
        action.title: action.body for action in plan_actions(*analyzed, []) if isinstance(action, OpenIssue)
    }

    body = opened["tinyland-dind (simulated): 2 clauses broken"]
    assert re.search(
        r"\*\*Broken since the run of 12 Mar 2026, 02:10 UTC\.\*\* Suspect the image \(\w+ → \w+\)", body
    )
    assert re.search(r"^- `tinyland-dind/daemon/endpoint`: promised `.+`, observed `.+`", body, re.MULTILINE)
    assert re.search(r"Latest run: 12 Mar 2026, 02:10 UTC, image `sha256:\w+`, host `.+`\.", body)
    again = "`builder-contracts check --builder tinyland-dind --runner local --environment simulated`"
    assert f"To check again on a runner of the class: {again}\n" in body


def test_results_of_other_tools_are_not_asked_for_again() -> None:
    foreign = HistorySnapshot((), (), {}, None, {0: ""})  # type: ignore[arg-type]

    (action,) = plan_actions(night(series("kkb")), foreign, [])

    assert isinstance(action, OpenIssue)
    assert "ask again" not in action.body


def test_nothing_broken_needs_no_issue() -> None:
    assert plan_actions(night(series("kku", name="a"), series("kkw", name="b")), BOOK, []) == []


def issue_of(report: HistoryReport, number: int = 1) -> Issue:
    (action,) = plan_actions(report, BOOK, [])
    assert isinstance(action, OpenIssue)
    return Issue(number, action.title, action.body)


def test_issue_of_a_withdrawn_class_is_closed() -> None:
    issue = issue_of(night(series("kkb")))

    assert plan_actions(tell(series("kkb"), contracts={"other": ["toolchain/n"]}), BOOK, [issue]) == [
        CloseIssue(1, "Withdrawn: `toolchain/n`.")
    ]


def test_issue_stays_open_while_its_clause_is_unreported() -> None:
    issue = issue_of(night(series("kkb", name="lost")))
    report = tell(series("kkk", name="a"), contracts={"c": ["toolchain/a", "toolchain/lost"]})

    (action,) = plan_actions(report, BOOK, [issue])

    assert isinstance(action, UpdateIssue)
    assert "not yet confirmed kept:\n\n- `toolchain/lost`" in action.body


def test_the_same_history_changes_nothing_the_second_time() -> None:
    report = night(series("kkb"))
    issue = issue_of(report)

    assert plan_actions(report, BOOK, [issue]) == []
    # Trackers hand a text back with their own line ends.
    assert plan_actions(report, BOOK, [Issue(1, issue.title, issue.body.replace("\n", "\r\n"))]) == []


def test_what_broke_in_addition_is_told_in_a_comment() -> None:
    before = issue_of(night(series("kkb", name="a"), series("kkk", name="b")))

    (action,) = plan_actions(night(series("kkbb", name="a"), series("kkkb", name="b")), BOOK, [before])

    assert isinstance(action, UpdateIssue)
    assert action.comment == "Also broken now: `toolchain/b`."


def test_another_broken_night_updates_without_comment() -> None:
    (action,) = plan_actions(night(series("kkbb")), BOOK, [issue_of(night(series("kkb")))])

    assert isinstance(action, UpdateIssue)
    assert action.comment == ""


def test_recovery_closes_the_issue() -> None:
    (action,) = plan_actions(night(series("kkbk")), BOOK, [issue_of(night(series("kkb")))])

    assert isinstance(action, CloseIssue)
    assert "Kept again" in action.comment


def test_recovery_lists_kept_waived_and_withdrawn_apart() -> None:
    stories = [series("kkb", name=name) for name in ("mended", "waived", "dropped")]
    later = [series("kkbk", name="mended"), series("kkbw", name="waived"), series("kkb-", name="dropped")]
    contract = {"c": ["toolchain/mended", "toolchain/waived"]}

    (action,) = plan_actions(tell(*later, contracts=contract), BOOK, [issue_of(night(*stories))])

    assert isinstance(action, CloseIssue)
    assert action.comment.splitlines() == [
        "Kept again in the run of 7 Oct 2024, 02:00 UTC (image `1`): `toolchain/mended`.",
        "Waived: `toolchain/waived`.",
        "Withdrawn: `toolchain/dropped`.",
    ]


def test_a_recovery_names_the_run_that_saw_it() -> None:
    """The latest run of a class can be another part of the night, and another image's."""
    before = issue_of(night(series("kkb", name="a"), series("kkk", name="b")))
    report = night(series("kkbk-", name="a"), series("kkkkk", name="b", images="11112"))

    (action,) = plan_actions(report, BOOK, [before])

    assert isinstance(action, CloseIssue)
    assert "the run of 7 Oct 2024, 02:00 UTC (image `1`)" in action.comment


@pytest.mark.parametrize(("nights", "hours"), [("kkbu", 8.0), ("kkb", 24 * 9.0)])
def test_that_nobody_could_look_is_no_recovery(nights: str, hours: float) -> None:
    (action,) = plan_actions(night(series(nights), hours=hours), BOOK, [issue_of(night(series("kkb")))])

    assert isinstance(action, UpdateIssue)
    assert action.title == "c (e): fix not confirmed"
    assert "not yet confirmed kept" in action.body
    again = Issue(1, action.title, action.body)
    assert plan_actions(night(series(nights), hours=hours), BOOK, [again]) == []
    assert isinstance(plan_actions(night(series("kkbuk")), BOOK, [again])[0], CloseIssue)


def test_of_two_issues_about_one_class_the_older_stays() -> None:
    report = night(series("kkb"))

    (action,) = plan_actions(report, BOOK, [issue_of(report, 9), issue_of(report, 4)])

    assert action == CloseIssue(9, "Duplicate of #4.")


def test_issues_of_others_are_left_alone() -> None:
    others = [Issue(1, "help", "xz is missing"), Issue(2, "mine", "<!-- builder-contracts {} -->")]

    assert plan_actions(night(series("kkk")), BOOK, others) == []


@given(st.text(), st.text(), st.lists(st.text(), max_size=4))
def test_a_mark_comes_back_whatever_things_are_called(
    environment: str, builder: str, clauses: list[str]
) -> None:
    mark = IssueMarker(environment, builder, tuple(clauses))
    text = f"before\n{mark}\nafter"

    assert parse_mark(text) == mark
    assert text.count("-->") == 1


@given(st.text(max_size=400))
def test_no_text_of_others_gets_out_of_its_code_span(text: str) -> None:
    span = code_span(text)

    assert "\n" not in span
    assert "\r" not in span
    if text.split() and span != "(nothing)":
        fence = re.match("`+", span)
        assert fence is not None
        assert span.endswith(fence[0])
        inside = span[len(fence[0]) : -len(fence[0])]
        assert not re.search(f"(?<!`){fence[0]}(?!`)", inside)


# --- a class without a report, and a machine of another class --------------------------------------------


def promised(*stories: Series, expected: tuple[str, ...] = (), hours: float = 8) -> HistoryReport:
    """The report where two classes promise one clause each."""
    contracts = {"c": ["toolchain/n"], "absent": ["toolchain/n"]}
    return tell(*stories, hours=hours, contracts=contracts, expected=expected)


def test_class_that_never_reported_opens_and_closes_an_issue() -> None:
    report = promised(series("k"), expected=("e",))

    assert list(list_warnings(report)) == [
        "absent (e): never reported: no runner has answered to its label, or its checks could not start"
    ]
    assert "| `absent` | ⚪ unknown, never reported |" in format_summary(report, BOOK)
    (action,) = plan_actions(report, BOOK, [])
    assert isinstance(action, OpenIssue)
    assert action.title == "absent (e): never reported"
    issue = Issue(1, action.title, action.body)
    assert plan_actions(report, BOOK, [issue]) == []
    later = promised(series("kk"), series("-k", builder="absent"), expected=("e",))
    assert plan_actions(later, BOOK, [issue]) == [
        CloseIssue(1, "Reported in the run of 5 Oct 2024, 02:00 UTC.")
    ]


def test_pool_that_never_reported_is_expected_beside_images() -> None:
    """The images report every night, also where no runner of the pool answers."""
    report = promised(series("k"), series("k", builder="absent"), expected=("pool", "e"))

    assert [action.title for action in plan_actions(report, BOOK, []) if isinstance(action, OpenIssue)] == [
        "absent (pool): never reported",
        "c (pool): never reported",
    ]


def test_empty_history_names_every_expected_class() -> None:
    book = HistorySnapshot((), (), {}, None)  # type: ignore[arg-type]
    report = analyze_history(book, 0, None, {"c": ["toolchain/n"]}, expected=("pool",))

    assert [warning.partition(":")[0] for warning in list_warnings(report)] == ["c (pool)"]
    assert "| `c` | ⚪ unknown, never reported |" in format_summary(report, BOOK)


def test_class_that_fell_silent_opens_an_issue() -> None:
    report = promised(series("kk"), series("k-", builder="absent"))

    (action,) = plan_actions(report, BOOK, [])

    assert isinstance(action, OpenIssue)
    assert action.title == "absent (e): no report"
    assert "**No report since 4 Oct 2024, 02:00 UTC.**" in action.body


@pytest.mark.parametrize(("expected", "opened"), [((), 0), (("e",), 2)])
def test_silent_environment_is_missed_only_if_expected(expected: tuple[str, ...], opened: int) -> None:
    """An environment that was renamed is never heard of again, and nobody can mend that."""
    report = promised(series("k"), series("k", builder="absent"), expected=expected, hours=24 * 2)

    assert len(plan_actions(report, BOOK, [])) == opened


def on_another_machine(story: Series) -> Series:
    """The series with its last run on a machine that is not shown to be of the class."""
    last = story.points[-1]
    machine = last.run._replace(runner="local", identity="r-1: not confirmed as a runner of the class (why)")
    story.points[-1] = last._replace(run=machine, rung=Rung.DECLARED)
    return story


def test_machine_of_another_class_opens_no_issue_and_says_so() -> None:
    report = night(on_another_machine(series("kkb")))

    assert plan_actions(report, BOOK, []) == []
    (warning,) = list_warnings(report)
    assert warning.startswith("c (e): 1 clause broken on a machine that is not shown to be a runner of the")
    assert "r-1: not confirmed as a runner of the class (why)" in warning
    assert code_span(warning, 1000) in format_summary(report, BOOK)


def test_machine_of_another_class_closes_no_issue() -> None:
    before = issue_of(night(series("kkb")))

    (action,) = plan_actions(night(on_another_machine(series("kkbb"))), BOOK, [before])

    assert isinstance(action, UpdateIssue)
    assert action.title == "c (e): fix not confirmed"
    assert "Not counted: `1 clause broken on a machine" in action.body


# --- issues: at a forge ---------------------------------------------------------------------------------


def trackers(forge: Forge) -> dict[str, forges.Forge]:
    return {
        "github": forges.GitHub("o/r", TOKEN, base=forge.url),
        "gitlab": forges.GitLab("7", TOKEN, base=forge.url),
    }


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_issue_is_opened_updated_closed_idempotently(forge: Forge, kind: str) -> None:
    tracker = trackers(forge)[kind]
    nights = [
        (night(series("kkk")), 0, 0),
        (night(series("kkkb")), 1, 0),
        (night(series("kkkbb")), 1, 0),
        (night(series("kkkbbk")), 0, 1),
        (night(series("kkkbbkb")), 1, 1),
    ]
    for report, opened, closed in nights:
        sync(tracker, report)
        writes = len(forge.writes)
        assert sync(tracker, report) == []
        assert len(forge.writes) == writes, "the second time wrote something"
        states = [issue["state"] for issue in forge.issues]
        assert (states.count("open"), states.count("closed")) == (opened, closed)
    assert len(forge.issues) == 2
    assert [text.startswith("Kept again") for _, text in forge.comments] == [True]


def test_issues_on_later_pages_are_found(forge: Forge, hub: forges.GitHub) -> None:
    report = night(series("kkb"))
    for number in range(5):
        forge.issue(f"other {number}", "nothing of ours")
    sync(hub, report)
    forge.page = 2

    assert sync(hub, report) == []
    assert len(hub.open_issues()) == 6


def test_issue_of_another_author_is_ignored(forge: Forge, hub: forges.GitHub) -> None:
    report = night(series("kkb"))
    forged = issue_of(report)
    forge.issue(forged.title, forged.body, creator="mallory")
    forge.issue(forged.title, forged.body, pull_request={})

    assert sync(hub, report) == ["opened https://example.org/issues/3"]


def test_another_user_s_token_finds_the_issues_of_that_user(
    forge: Forge, job: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every night would open them again."""
    forge.issue("theirs", "", creator="contracts-app[bot]")

    assert forges.connect_forge().open_issues() == []
    monkeypatch.setenv("BUILDER_CONTRACTS_AUTHOR", "contracts-app[bot]")
    assert [issue.title for issue in forges.connect_forge().open_issues()] == ["theirs"]


@pytest.mark.parametrize(
    ("status", "hint"), [(403, True), (404, True), (401, True), (422, False), (500, False)]
)
def test_forge_error_names_request_and_likely_permission(
    forge: Forge, hub: forges.GitHub, status: int, hint: bool
) -> None:
    forge.failing["/issues"] = status

    with pytest.raises(forges.ForgeError) as refused:
        hub.apply(OpenIssue("t", "b"))

    assert f"POST {forge.url}/repos/o/r/issues: {status} refused by this test" in str(refused.value)
    assert ("permissions" in str(refused.value)) is hint
    assert TOKEN not in str(refused.value)


def test_html_instead_of_json_is_a_clear_error(forge: Forge, hub: forges.GitHub) -> None:
    forge.failing["/issues"] = 200

    with pytest.raises(forges.ForgeError, match=r"GET http://.*/issues\?.*: response is not JSON"):
        hub.open_issues()


def test_a_server_that_is_away_is_an_error_without_the_token() -> None:
    with socket.socket() as held:
        # Nobody listens here, and nobody else can.
        held.bind(("127.0.0.1", 0))
        gone = forges.GitHub("o/r", TOKEN, base=f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(forges.ForgeError, match="no response") as lost:
            gone.apply(OpenIssue("t", "b"))
    assert TOKEN not in str(lost.value)


# --- the history of the night before -----------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(nightly, list(arguments))


def test_the_latest_history_of_the_default_branch_comes_back(
    forge: Forge, job: None, simulated: Path, tmp_path: Path
) -> None:
    forge.artifact(b"older")
    forge.artifact(simulated.read_bytes())
    elsewhere = {"head_branch": "topic", "head_repository_id": 1, "repository_id": 1}
    fork = {"head_branch": "main", "head_repository_id": 2, "repository_id": 1}
    forge.artifact(b"of a branch", workflow_run=elsewhere)
    forge.artifact(b"of a fork", workflow_run=fork)
    forge.artifact(b"gone", expired=True)

    done = run("restore", "--history", str(tmp_path / "h.db"))

    assert done.exit_code == 0, done.output
    assert (tmp_path / "h.db").read_bytes() == simulated.read_bytes()


def test_the_first_night_has_no_history_and_that_is_no_error(forge: Forge, job: None, tmp_path: Path) -> None:
    done = run("restore", "--history", str(tmp_path / "h.db"))

    assert done.exit_code == 0
    assert "starting from scratch" in done.output
    assert list(tmp_path.iterdir()) == []


def test_lost_history_is_an_error_without_start_anew(forge: Forge, job: None, tmp_path: Path) -> None:
    forge.artifact(b"x", expired=True)

    lost = run("restore", "--history", str(tmp_path / "h.db"))
    anew = run("restore", "--history", str(tmp_path / "h.db"), "--start-anew")

    assert isinstance(lost.exception, forges.ForgeError)
    assert "have expired" in str(lost.exception)
    assert anew.exit_code == 0


def test_a_forge_that_does_not_answer_is_not_a_first_night(forge: Forge, job: None, tmp_path: Path) -> None:
    forge.failing["/artifacts"] = 500

    assert isinstance(run("restore", "--history", str(tmp_path / "h.db")).exception, forges.ForgeError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["history.db", "other.db"])
def test_artifact_that_is_not_a_history_is_rejected(
    forge: Forge, job: None, tmp_path: Path, name: str
) -> None:
    forge.artifact(b"this is not a database of any kind", name=name)

    refused = run("restore", "--history", str(tmp_path / "h.db")).exception
    assert isinstance(refused, InputError | forges.ForgeError)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def lab(forge: Forge) -> forges.GitLab:
    return forges.GitLab("7", TOKEN, base=forge.url)


def test_gitlab_hands_the_history_on_as_artifacts_of_its_job(forge: Forge, lab: forges.GitLab) -> None:
    assert lab.last_history("history.db", start_anew=False) is None
    forge.gitlab_job(10, b"of a topic", ref="topic")
    forge.gitlab_job(9, b"of another job", name="check")
    forge.gitlab_job(8, b"of a tag", tag=True)
    forge.gitlab_job(7, b"latest")
    forge.gitlab_job(6, b"older")

    assert lab.last_history("history.db", start_anew=False) == forges.Stored(
        b"latest", "2026-03-07T03:00:00Z"
    )


def test_failed_gitlab_night_with_history_counts(forge: Forge, lab: forges.GitLab) -> None:
    """Red with one: a report could not be read. Red without: the earlier history did not come back."""
    forge.gitlab_job(9, status="failed")
    forge.gitlab_job(8, b"red", status="failed")
    forge.gitlab_job(7, b"green")

    stored = lab.last_history("history.db", start_anew=False)

    assert stored is not None
    assert stored.content == b"red"


@pytest.mark.parametrize("status", ["success", "failed"])
def test_removed_gitlab_history_needs_start_anew(forge: Forge, lab: forges.GitLab, status: str) -> None:
    forge.gitlab_job(7, status=status, artifacts_expire_at="2026-03-08T03:00:00Z")

    with pytest.raises(forges.ForgeError, match="artifacts of the previous night are gone"):
        lab.last_history("history.db", start_anew=False)
    assert lab.last_history("history.db", start_anew=True) is None


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_download_sends_no_token_along_a_redirect(forge: Forge, kind: str) -> None:
    forge.artifact(b"history")
    forge.gitlab_job(7, b"history")

    stored = trackers(forge)[kind].last_history("history.db", start_anew=False)

    assert stored is not None
    assert stored.content == b"history"
    (received,) = forge.storage.received
    assert not [name for name, value in received.items() if TOKEN in value]


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_netrc_of_the_machine_does_not_take_the_token_s_place(
    forge: Forge, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs write one so that git and pip find what is private."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login job password another\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert trackers(forge)[kind].open_issues() == []


# --- what the night's jobs left --------------------------------------------------------------------------


def test_a_night_is_every_report_below_its_folder(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    for number, folder in enumerate((reports / "a" / "quick", reports / "images" / "b")):
        folder.mkdir(parents=True)
        (folder.parent / "quick.xml").write_bytes(suite(case(f"c{number}/toolchain/sh")))
    (reports / "a" / "quick" / "evidence.jsonl").write_bytes(LINE.replace(b"c/k/n", b"c2/k/n"))

    done = run("add", "--history", str(tmp_path / "h.db"), "--reports", str(reports))

    assert done.exit_code == 0, done.output
    assert "added 3 files with 3 results" in done.output


def test_evidence_without_junit_is_a_night(tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").write_bytes(LINE)

    done = run("add", "--history", str(tmp_path / "h.db"), "--reports", str(tmp_path))

    assert done.exit_code == 0, done.output
    assert "added 1 file with 1 result" in done.output


def test_broken_contract_costs_the_history_its_own_class_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And withdraws nothing: nobody knows which class it was of."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    head = "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
    (contracts / "bad.yaml").write_text(f"{head}metadata: {{name: bad}}\ntoolchain: nonsense\n")
    (contracts / "tiny.yaml").write_text(
        f"{head}metadata: {{name: tiny, summary: A class for tests, owner: me}}\nlabels: [tiny]\n"
        "image: {reference: tiny}\ntoolchain: {sh: present}\n"
    )
    report = tmp_path / "r.xml"
    cases = (case(f"{name}/toolchain/sh", started=now()) for name in ("bad", "tiny"))
    report.write_bytes(suite(*cases))
    with History(tmp_path / "h.db") as store:
        add_files(store, [report], ImportDefaults())

    done = run("summary", "--history", str(tmp_path / "h.db"), "--contracts", str(contracts))

    assert done.exit_code == 0, done.output
    assert "| `bad` | ✅ kept | 1 |" in done.stdout
    assert "| `tiny` | ❔ unproven | 1 |" in done.stdout
    assert "Withdrawn" not in done.stdout
    assert f"warning: {contracts / 'bad.yaml'}:" in done.stderr
    assert "the history is shown without this contract" in done.stderr


# --- placement, summary, and the commands --------------------------------------------------------------


def test_placement_is_github_s_word_on_the_job_that_runs_here(
    forge: Forge, job: None, tmp_path: Path
) -> None:
    running = {"status": "in_progress", "runner_group_name": "default", "html_url": "https://example.org/job"}
    forge.jobs = [
        {**running, "runner_name": "runner-2", "labels": ["tinyland-dind"]},
        {**running, "runner_name": "runner-1", "labels": ["tinyland-nix"]},
        {**running, "runner_name": "runner-1", "labels": ["old"], "status": "completed"},
    ]
    out = tmp_path / "placement.json"

    done = run("placement", "--out", str(out))

    assert done.exit_code == 0, done.output
    placed = this_machine({"BUILDER_CONTRACTS_PLACEMENT": str(out)}, tmp_path).placement
    assert placed == Placement(("tinyland-nix",), "runner-1", "default")


@pytest.mark.parametrize("jobs", [[], [{"runner_name": "runner-1", "status": "completed", "labels": []}]])
def test_no_record_is_written_where_github_knows_no_such_job(
    forge: Forge, job: None, tmp_path: Path, jobs: list[dict[str, object]]
) -> None:
    forge.jobs = jobs

    assert isinstance(run("placement", "--out", str(tmp_path / "p.json")).exception, forges.ForgeError)
    assert list(tmp_path.iterdir()) == []


def test_issues_of_a_real_history_are_opened_once(forge: Forge, job: None, tmp_path: Path) -> None:
    from builder_contracts.cli.dashboard import _find_last_night
    from builder_contracts.dashboard.demo.story import build_story

    files = []
    for name, text in simulate_nights(build_story(), last=_find_last_night(), count=60):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        files.append(path)
    history = str(tmp_path / "h.db")
    with History(Path(history)) as store:
        add_files(store, files, ImportDefaults())

    tried = run("issues", "--history", history, "--dry-run")
    assert forge.writes == []
    first = run("issues", "--history", history, "--site", "https://example.org/site/")
    second = run("issues", "--history", history, "--site", "https://example.org/site/")

    assert tried.output.count("would open") == 3
    assert first.output.count("opened") == 3
    assert second.output == "issues are up to date\n"
    assert {issue["title"] for issue in forge.issues} == {
        "linux-xr-docker (simulated): no report",
        "tinyland-dind (simulated): 2 clauses broken",
        "tinyland-docker (simulated): 2 clauses broken",
    }
    assert "https://example.org/site/clauses/simulated/tinyland-dind/daemon.endpoint.html" in json.dumps(
        forge.issues
    )


def test_outside_of_a_job_the_commands_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, simulated: Path, tmp_path: Path
) -> None:
    for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    for arguments in (
        ("issues", "--history", str(simulated)),
        ("restore", "--history", str(tmp_path / "h.db")),
    ):
        refused = run(*arguments).exception
        assert isinstance(refused, forges.ForgeError)
        assert "GITHUB_REPOSITORY is not set" in str(refused)


def test_the_summary_names_what_broke_when_and_why(analyzed: tuple[HistoryReport, HistorySnapshot]) -> None:
    text = format_summary(*analyzed, site="https://example.org/site")

    assert "**Simulated data.**" in text
    assert "| `tinyland-dind` | ❌ broken | 27 | 2 | 1 | 1 | 0 |  |" in text
    assert "since the run of 12 Mar 2026, 02:10 UTC. Suspect the image" in text
    assert "https://example.org/site/clauses/simulated/tinyland-dind/daemon.endpoint.html" in text
    assert "- `linux-xr-docker`: 12 clauses" in text
    assert len(text.encode()) < 1 << 20


@pytest.mark.parametrize(
    ("nights", "hours", "sentence"),
    [
        ("kk", 8.0, "No clause is broken."),
        ("kw", 8.0, "No clause is broken."),
        ("ku", 8.0, "No clause is known to be broken, but some have no current result."),
        ("kk", 24 * 9.0, "No clause is known to be broken, but some have no current result."),
    ],
)
def test_that_nobody_could_look_is_not_told_as_nothing_broken(
    nights: str, hours: float, sentence: str
) -> None:
    assert sentence in format_summary(night(series(nights), hours=hours), BOOK).splitlines()


def test_summary_counts_and_names_unreported_clauses() -> None:
    report = tell(series("k"), contracts={"c": ["toolchain/n", "toolchain/never", "toolchain/ever"]})

    text = format_summary(report, BOOK)

    assert "| `c` | ❔ unproven | 1 | 0 | 0 | 0 | 2 |" in text
    assert "### Never reported\n\n- `c`: `toolchain/never`, `toolchain/ever`\n" in text


def test_quoted_host_is_code_in_markdown_only() -> None:
    story = series("kb")
    for at, host in enumerate(("h", "the h")):
        story.points[at] = story.points[at]._replace(run=story.points[at].run._replace(host=host))

    sentence = "Image and contract are unchanged. Suspect the host: it changed from `h` to `the h`."
    assert sentence in format_summary(night(story), BOOK)
    (action,) = plan_actions(night(story), BOOK, [])
    assert isinstance(action, OpenIssue)
    assert sentence in action.body


def test_a_summary_of_nothing_says_so(tmp_path: Path) -> None:
    assert "no class has reported yet" in format_summary(
        HistoryReport(0, night(series("k")).policy, (), (), ()), BOOK
    )
