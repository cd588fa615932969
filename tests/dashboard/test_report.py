"""What a history means: changes, blame, flakes, decay, sustained evidence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.dashboard.analysis.history_report import HistoryReport, analyze_history
from builder_contracts.dashboard.analysis.status import Breakage, ClauseState, ClauseStatus, Policy
from builder_contracts.dashboard.history.series import (
    DAY_MS,
    ClauseKey,
    HistorySnapshot,
    RecordedRun,
    RecordedVerdict,
    Series,
)
from builder_contracts.dashboard.history.store import History
from builder_contracts.dashboard.nightly.job_summary import format_summary
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.pages.canaries import describe_trend
from builder_contracts.dashboard.site.pages.grid import encode_nights
from builder_contracts.dashboard.site.pages.overview import build_overview_page
from builder_contracts.verdict import Outcome, Rung

KEPT, BROKEN, UNPROVEN, WAIVED = Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED
LETTERS = {"k": KEPT, "b": BROKEN, "u": UNPROVEN, "h": UNPROVEN, "w": WAIVED}
FIRST = 20_000
"""The night that the stories begin with, as days since 1970."""


def run(
    night: int, *, builder: str = "c", image: str = "i1", contract: str = "c1", hour: int = 2, **rest: str
) -> RecordedRun:
    started = (FIRST + night) * DAY_MS + hour * 3_600_000
    number = night * 100 + hour + sum(map(ord, builder)) * 100_000
    return RecordedRun(number, "e", builder, image, contract, started, **rest)  # type: ignore[arg-type]


def series(
    verdicts: str,
    *,
    name: str = "n",
    kind: str = "toolchain",
    builder: str = "c",
    images: str = "",
    contracts: str = "",
    rung: Rung | None = Rung.LIVE,
) -> Series:
    """One letter per night (k, b, u, w; h for a limit of the host; a dash for no run).

    ``images`` and ``contracts`` likewise name digests.
    """
    points = []
    for night, letter in enumerate(verdicts):
        if letter != "-":
            where = run(
                night,
                builder=builder,
                image=images[night] if images else "1",
                contract=contracts[night] if contracts else "1",
            )
            verdict = LETTERS[letter]
            reached = None if verdict is UNPROVEN else rung
            points.append(
                RecordedVerdict(where, verdict, reached, 0.1, 0, 0, 0, 0, 0, 0, host_limit=letter == "h")
            )
    return Series(ClauseKey("e", builder, kind, name), number=sum(map(ord, name)), points=points)


def tell(
    *stories: Series,
    nights: int | None = None,
    hours: float = 8,
    policy: Policy | None = None,
    **rest: object,
) -> HistoryReport:
    """The report some hours into the day after the last night."""
    last = (
        nights
        if nights is not None
        else max(point.run.night for story in stories for point in story.points) - FIRST
    )
    runs = sorted({point.run for story in stories for point in story.points}, key=lambda story: story.started)
    book = HistorySnapshot(runs, stories, {}, cast(History, None))
    now = (FIRST + last) * DAY_MS + round(hours * 3_600_000)
    return analyze_history(
        book,
        now,
        policy,
        cast(None, rest.get("contracts")),
        expected=cast("tuple[str, ...]", rest.get("expected", ())),
    )


def status_of(report: HistoryReport, name: str = "n") -> ClauseStatus:
    return next(
        clause for builder in report.classes for clause in builder.clauses if clause.clause.name == name
    )


# --- last night ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nights", "broke", "mended", "unproven"),
    [
        ("kkkk", 0, 0, 0),
        ("kkkb", 1, 0, 0),
        ("kkbb", 0, 0, 0),
        ("kkbk", 0, 1, 0),
        ("kkku", 0, 0, 1),
        ("kkuu", 0, 0, 0),
        ("kkuk", 0, 1, 0),
        ("kkub", 1, 0, 0),
        ("kkwb", 1, 0, 0),
        ("kkbw", 0, 0, 0),
        ("kb-b", 0, 0, 0),
        ("kbub", 0, 0, 0),
        ("kk-b", 1, 0, 0),
        ("b", 1, 0, 0),
    ],
)
def test_what_is_different_from_the_night_before(nights: str, broke: int, mended: int, unproven: int) -> None:
    (morning,) = tell(series(nights)).mornings

    assert (len(morning.broke), len(morning.mended), len(morning.unproven)) == (broke, mended, unproven)


def test_silent_class_is_named_and_its_breakage_is_not_new() -> None:
    report = tell(series("kkkk", builder="a"), series("kkb-", builder="b"))

    (morning,) = report.mornings
    assert [silent.builder for silent in morning.silent] == ["b"]
    assert morning.broke == ()
    assert [red.clause.builder for red in morning.standing] == ["b"]


def test_the_longest_standing_red_comes_first() -> None:
    (morning,) = tell(
        series("kkkb", name="new"), series("kbbb", name="old"), series("bkbb", name="again")
    ).mornings

    assert [red.clause.name for red in morning.standing] == ["old", "again", "new"]


def test_a_new_clause_is_told_but_not_on_the_first_night_of_all() -> None:
    (morning,) = tell(series("kkkk", name="a"), series("---k", name="b")).mornings
    (first,) = tell(series("k", name="a")).mornings

    assert [new.clause.name for new in morning.new] == ["b"]
    assert first.new == ()


def test_incidents_group_by_run_latest_first() -> None:
    (morning,) = tell(
        series("kkbb", name="a"), series("kkbb", name="b"), series("kkkb", name="c"), series("kkbk", name="d")
    ).mornings

    assert [[clause.clause.name for clause in builder.clauses] for builder in morning.incidents] == [
        ["c"],
        ["a", "b"],
    ]


def test_several_runs_of_a_night_are_told_by_the_last_of_them() -> None:
    story = series("kk")
    early = RecordedVerdict(run(1, hour=1), BROKEN, None, 0.1, 0, 0, 0, 0, 0, 0)
    story.points.insert(1, early)

    assert tell(story).mornings[0].broke == ()
    assert [segment.verdict for segment in status_of(tell(story)).segments] == [KEPT, BROKEN, KEPT]


def test_breakage_fixed_within_the_night_shows_in_its_nights() -> None:
    story = series("kk")
    for hour, verdict in ((1, KEPT), (1.5, BROKEN)):
        where = run(1)._replace(started=(FIRST + 1) * DAY_MS + round(hour * 3_600_000))
        story.points.insert(
            -1, RecordedVerdict(where, verdict, None, 0.1, 0, 7 if verdict is BROKEN else 0, 0, 0, 0, 0)
        )
    (builder,) = tell(story).classes

    assert builder.nights[FIRST + 1] is BROKEN
    assert encode_nights(story.points, FIRST, FIRST + 1)[-1] == ("b", 1, 7)
    assert status_of(tell(story)).state is ClauseState.KEPT


def test_what_was_newly_waived_is_told() -> None:
    (morning,) = tell(series("kkkw", name="a"), series("kkww", name="b"), series("kkkb", name="c")).mornings

    assert [waived.clause.name for waived in morning.waived] == ["a"]


def test_clause_without_result_in_its_class_run_is_named() -> None:
    stories = (
        series("kkkk", name="a"),
        series("kkb-", name="b"),
        series("kkk-", name="c", builder="silent"),
        series("k---", name="d"),
    )
    (morning,) = tell(*stories, policy=Policy(stale_days=2)).mornings

    assert [clause.clause.name for clause in morning.unanswered] == ["b"]
    assert [clause.clause.name for clause in morning.stale] == ["d"]


@pytest.mark.parametrize(("hours", "missed"), [(8, [1, 0]), (47.9, [1, 0]), (48.1, [2, 1])])
def test_digest_counts_nights_without_any_run(hours: float, missed: list[int]) -> None:
    """A pool that is down has no class that did not report beside one that did."""
    silent, other = series("kkk-"), series("kkkk", builder="d")
    other = replace(
        other,
        clause=replace(other.clause, environment="f"),
        points=[point._replace(run=point.run._replace(environment="f")) for point in other.points],
    )
    report = tell(silent, other, hours=hours)

    assert [morning.missed for morning in report.mornings] == missed
    book = HistorySnapshot((), (), {}, cast(History, None), {0: "seen"})
    text = f"No class has reported for {wording.format_nights(missed[0])}."
    assert build_overview_page(report, book)["environments"][0]["missed_words"] == text
    assert format_summary(report, book).count("No class has reported for") == sum(map(bool, missed))
    assert build_overview_page(report, book)["environments"][0]["which_night"] == "that night"


# --- blame -----------------------------------------------------------------------------------------


def blame(before: RecordedRun | None, after: RecordedRun, kind: str = "toolchain") -> str:
    def point(where: RecordedRun, verdict: Outcome) -> RecordedVerdict:
        return RecordedVerdict(where, verdict, None, 0.1, 0, 0, 0, 0, 0, 0)

    story = series("b", kind=kind)
    change = Breakage(point(before, KEPT) if before else None, point(after, BROKEN))
    return wording.describe_suspicion(change, [status_of(tell(story))])


def test_the_image_is_suspected_when_it_alone_changed() -> None:
    text = blame(run(1, image="sha256:aaa"), run(2, image="sha256:bbb"))

    assert text == "Suspect the image (aaa → bbb): it changed in this run; the contract did not."


def test_the_contract_is_suspected_when_it_alone_changed() -> None:
    assert blame(run(1, contract="x"), run(2, contract="y")) == (
        "Suspect the contract (x → y): it changed in this run; the image did not."
    )


def test_both_are_suspected_when_both_changed() -> None:
    text = blame(run(1, image="a", contract="x"), run(2, image="b", contract="y"))

    assert text == "Suspect the image (a → b) or the contract (x → y): both changed in this run."


@pytest.mark.parametrize(
    ("kind", "suspect"),
    [
        ("canaries", "Suspect the canary: "),
        ("caches", "the service it uses"),
        ("publication", "the service it uses"),
        ("toolchain", "the runner's surroundings"),
    ],
)
def test_unchanged_run_is_suspected_by_clause_kind(kind: str, suspect: str) -> None:
    text = blame(run(1), run(2), kind)

    assert text.startswith("Image and contract are unchanged.")
    assert suspect in text


def test_another_host_or_engine_is_named() -> None:
    assert blame(run(1, host="honey"), run(2, host="bumble")).endswith("it changed from honey to bumble.")
    assert blame(run(1, engine="26.1"), run(2, engine="27.0")).endswith("it changed from 26.1 to 27.0.")


def test_an_image_that_nobody_saw_is_not_said_to_be_the_same() -> None:
    for before, after in ((run(1, image=""), run(2, image="")), (run(1, image="a"), run(2, image=""))):
        text = blame(before, after)
        assert "the image is unknown" in text
        assert "Image and contract are unchanged" not in text


def test_a_real_runner_whose_packages_changed_has_another_image() -> None:
    old, new = (f"tinyland-nix-1: live (…) · namespace arc; packages sha256:{digit * 64}" for digit in "ab")

    text = blame(run(1, image="", identity=old), run(2, image="", identity=new))

    assert text == (
        "Suspect the image: the packages installed on the runner (aaaaaaaaaaaa → bbbbbbbbbbbb) changed in this run."
    )


def test_a_break_at_the_beginning_blames_nobody() -> None:
    assert "the change that caused it is unknown" in blame(None, run(2))


def test_breakage_skips_unproven_nights_back_to_last_kept() -> None:
    red = status_of(tell(series("kuub", images="abbb")))

    (change,) = red.breakages
    assert wording.describe_suspicion(change, [red]) == (
        "Suspect the image (a → b): it changed since the last kept run; the contract did not. "
        "It was unproven for 2 nights in between."
    )
    assert flakes(series("kuub", images="abbb")) == {}


def test_red_counts_from_the_first_broken_run_since_it_was_kept() -> None:
    report = tell(series("kbubk", name="mended"), series("kbbub", images="abbbc"))

    assert status_of(report).since.run.night == FIRST + 1
    assert [incident.change.suspects for incident in report.mornings[0].incidents] == [("image",)]
    assert [change.after.run.night - FIRST for change in status_of(report, "mended").breakages] == [1]


@pytest.mark.parametrize(
    ("nights", "text"),
    [
        ("b", "Broken since the start of the history"),
        ("-b", "New clause"),
        ("ub", "Never kept so far: unproven for 1 night before it broke."),
        ("wb", "It was waived before; check whether the waiver has expired."),
    ],
)
def test_what_was_never_kept_is_said_to_be_so(nights: str, text: str) -> None:
    red = status_of(tell(series(nights), series("k" * len(nights), name="other")))

    assert wording.describe_suspicion(red.breakages[-1], [red]).startswith(text)


def test_incident_is_bounded_by_the_clause_kept_last() -> None:
    (morning,) = tell(
        series("kkub", name="a", images="1222"),
        series("---b", name="b", images="2222"),
        series("kkkb", name="c", images="1222"),
    ).mornings

    (incident,) = morning.incidents
    assert incident.change == status_of(tell(series("kkkb", name="c", images="1222")), "c").breakages[-1]


# --- decay -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", "kbuw")
def test_old_evidence_says_nothing_about_today(letter: str) -> None:
    policy = Policy(stale_days=2)
    fresh = tell(series(letter * 3), hours=2 + 47.9, policy=policy)
    stale = tell(series(letter * 3), hours=2 + 48.1, policy=policy)

    assert status_of(fresh).state is ClauseState(LETTERS[letter].value)
    assert status_of(stale).state is ClauseState.UNKNOWN
    assert status_of(stale).rung is None
    assert stale.classes[0].state is ClauseState.UNKNOWN
    assert stale.mornings[0].stale == stale.classes[0].clauses
    assert status_of(fresh).expires == status_of(stale).expires


def test_a_class_with_a_stale_clause_does_not_pass_for_kept() -> None:
    report = tell(series("kkkkkkkk", name="a"), series("kk------", name="b"))

    assert report.classes[0].state is ClauseState.UNPROVEN
    assert report.classes[0].counts[ClauseState.UNKNOWN] == 1


def test_clause_dropped_by_its_contract_is_withdrawn() -> None:
    stories = series("kkkkkkkk", name="a"), series("kk------", name="b")

    given_contract = tell(*stories, contracts={"c": ["toolchain/a"]})
    without = tell(*stories)

    assert [clause.clause.name for clause in given_contract.classes[0].clauses] == ["a"]
    assert given_contract.classes[0].state is ClauseState.KEPT
    assert status_of(without, "b").state is ClauseState.UNKNOWN


def test_promise_without_any_result_counts_as_unknown() -> None:
    report = tell(series("kkk", name="a"), contracts={"c": ["toolchain/a", "caches/nix-hit"]})

    assert report.classes[0].unreported == ("caches/nix-hit",)
    assert report.classes[0].counts[ClauseState.UNKNOWN] == 1
    assert report.classes[0].state is ClauseState.UNPROVEN


@pytest.mark.parametrize(
    ("contracts", "expected"),
    [
        (None, {"c": ClauseState.KEPT, "d": ClauseState.KEPT}),
        ({"c": ["toolchain/n"], "d": ["toolchain/n"]}, {"c": ClauseState.KEPT, "d": ClauseState.KEPT}),
        ({"c": ["toolchain/n"]}, {"c": ClauseState.KEPT}),
        (
            {"c": ["toolchain/n"], "new": ["image/platform"]},
            {"c": ClauseState.KEPT, "new": ClauseState.UNKNOWN},
        ),
        ({"c": ["image/platform"], "d": ["toolchain/n"]}, {"c": ClauseState.UNKNOWN, "d": ClauseState.KEPT}),
    ],
    ids=["no contracts", "all promised", "d withdrawn", "d withdrawn, new unknown", "only other clauses"],
)
def test_contracts_decide_unknown_and_withdrawn_classes(
    contracts: dict[str, list[str]] | None, expected: dict[str, ClauseState]
) -> None:
    report = tell(series("kkk"), series("kkk", builder="d"), contracts=contracts)

    assert {builder.builder: builder.state for builder in report.classes} == expected
    assert {builder.builder for builder in report.withdrawn} == {"c", "d"} - expected.keys()


def test_class_that_never_reported_is_unknown_in_the_digest() -> None:
    report = tell(series("kkk"), contracts={"c": ["toolchain/n"], "new": ["image/platform", "identity/uid"]})
    (morning,) = report.mornings

    assert [(builder.builder, len(builder.unreported)) for builder in morning.never_reported] == [("new", 2)]
    assert [builder.builder for builder in morning.silent] == []
    assert "new | ⚪ unknown, never reported | 0 | 0 | 0 | 0 | 2 |" in format_summary(
        report, HistorySnapshot((), (), {}, cast(History, None), {0: ""})
    ).replace("`", "")


def test_summary_names_what_was_not_seen() -> None:
    report = tell(
        series("kkk"),
        series("kuu", name="x"),
        series("khh", name="y"),
        series("kkk", name="old"),
        contracts={"c": ["toolchain/n", "toolchain/x", "toolchain/y", "caches/hit"]},
    )
    book = HistorySnapshot((), (), {}, cast(History, None), {0: "seen"})
    text = format_summary(report, book).replace("`", "")

    assert "### Still unproven\n\n- c/toolchain/x: promised seen, observed seen" in text
    assert "### Limits of the host\n\n- c/toolchain/y: promised seen, observed seen" in text
    assert "### Never reported\n\n- c: caches/hit\n" in text
    assert "Stale evidence" not in text
    assert text.endswith("## Withdrawn\n\nNo contract has these anymore:\n\n- c (e): toolchain/old\n")
    overview = build_overview_page(report, book)
    assert overview["withdrawn_clauses"] == [
        {"environment": "e", "builder": "c", "clauses": ["toolchain/old"]}
    ]


def test_report_of_another_tool_is_never_withdrawn() -> None:
    story = series("kkk", builder="their-suite", kind="test", rung=None)
    story.points[:] = [point._replace(run=point.run._replace(contract_digest="")) for point in story.points]
    report = tell(series("kkk"), story, contracts={"c": ["toolchain/n"]})

    assert [builder.builder for builder in report.classes] == ["c", "their-suite"]
    assert report.withdrawn == ()


@pytest.mark.parametrize(
    ("runners", "expected"),
    [
        ({"pool": "local"}, {"pool"}),
        ({"images": "docker"}, {"images"}),
        ({"images": "docker", "pool": "local"}, {"pool"}),
        ({"pool-a": "local", "pool-b": "ssh"}, {"pool-a", "pool-b"}),
    ],
)
def test_missing_class_is_expected_on_real_runners_first(runners: dict[str, str], expected: set[str]) -> None:
    stories = []
    for environment, runner in runners.items():
        story = series("kkk")
        points = [
            point._replace(run=point.run._replace(environment=environment, runner=runner))
            for point in story.points
        ]
        stories.append(Series(ClauseKey(environment, "c", "toolchain", "n"), story.number, points))
    report = tell(*stories, contracts={"c": ["toolchain/n"], "new": ["toolchain/n"]})

    assert {builder.environment for builder in report.classes if builder.builder == "new"} == expected


@pytest.mark.parametrize(
    ("nights", "state"),
    [
        ("kkk kkh", ClauseState.KEPT),
        ("kkk kkw kkh", ClauseState.WAIVED),
        ("kkk kkh kku", ClauseState.UNPROVEN),
        ("kkh kkh", ClauseState.UNPROVEN),
        ("kkh kkb", ClauseState.BROKEN),
    ],
)
def test_limit_of_the_host_leaves_its_class_kept(nights: str, state: ClauseState) -> None:
    report = tell(*(series(letters, name=str(at)) for at, letters in enumerate(nights.split())))

    assert report.classes[0].state is state


@pytest.mark.parametrize(("nights", "limit"), [("kkh", True), ("kku", False), ("khu", False), ("hhk", False)])
def test_limit_of_the_host_is_told_from_other_unproven(nights: str, limit: bool) -> None:
    assert status_of(tell(series(nights))).host_limit is limit


# --- rungs -----------------------------------------------------------------------------------------


LIVE, SUSTAINED, DECLARED, EXERCISED = Rung.LIVE, Rung.SUSTAINED, Rung.DECLARED, Rung.EXERCISED


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ([("k" * 8, LIVE)], SUSTAINED),
        ([("k" * 8, LIVE), ("kkkkkkkb", LIVE)], None),
        ([("k" * 8, LIVE), ("kkkkkkku", LIVE)], None),
        ([("k" * 8, LIVE), ("kk------", LIVE)], None),
        ([("k" * 8, LIVE), ("bkkkkkkk", EXERCISED)], EXERCISED),
        ([("k" * 8, LIVE), ("-----kkk", LIVE)], LIVE),
        ([("k" * 8, LIVE), ("k" * 8, DECLARED)], SUSTAINED),
        ([("k" * 8, DECLARED)], DECLARED),
        ([("k" * 8, DECLARED), ("bbbbbbbb", DECLARED)], None),
        ([("k" * 8, LIVE), ("kkkkkkkh", LIVE)], SUSTAINED),
        ([("k" * 8, LIVE), ("kkkkkkkw", LIVE)], SUSTAINED),
        ([("wwwwwwww", LIVE)], None),
        ([("hhhhhhhh", LIVE)], None),
        ([("k" * 8, LIVE), ("k" * 8, None)], SUSTAINED),
        ([("k" * 8, None)], None),
    ],
    ids=[
        "one clause",
        "one broken",
        "one unproven",
        "one stale",
        "the weakest",
        "a young clause",
        "declared lowers nothing",
        "declared only",
        "declared and broken",
        "limit of the host",
        "waived",
        "all waived",
        "all limits",
        "a plain test beside",
        "plain tests only",
    ],
)
def test_class_rung_is_the_weakest_of_what_it_promises(
    clauses: list[tuple[str, Rung | None]], expected: Rung | None
) -> None:
    report = tell(
        *(series(nights, name=str(number), rung=rung) for number, (nights, rung) in enumerate(clauses)),
        nights=7,
    )

    assert report.classes[0].rung is expected


def test_clause_that_sank_to_declared_lowers_its_class() -> None:
    fallen = series("k" * 8, name="fallen")
    fallen.points[-1] = fallen.points[-1]._replace(rung=DECLARED)

    assert tell(series("k" * 8), fallen).classes[0].rung is DECLARED


def test_unreported_promise_leaves_its_class_without_a_rung() -> None:
    report = tell(series("k" * 8), contracts={"c": ["toolchain/n", "caches/nix-hit"]})

    assert report.classes[0].rung is None


def test_card_names_unproven_clauses_limits_last() -> None:
    book = HistorySnapshot((), (), {}, cast(History, None), {0: "the host has 2 CPUs"})
    report = tell(series("kh", name="a"), series("ku", name="b"), series("kk", name="c"))
    (card,) = build_overview_page(report, book)["environments"][0]["classes"]

    assert [(clause["local_id"], clause["seen"], clause["host_limit"]) for clause in card["unproven"]] == [
        ("toolchain/b", "the host has 2 CPUs", False),
        ("toolchain/a", "the host has 2 CPUs", True),
    ]
    assert card["host_limits"] == 1


@pytest.mark.parametrize(
    ("nights", "rung"),
    [
        ("kkkkkkkkkk", Rung.SUSTAINED),
        ("bbbkkkkkkk", Rung.SUSTAINED),
        ("bbbbkkkkkk", Rung.LIVE),
        ("kkkkkkkk-k", Rung.LIVE),
        ("kkkkkkkkuk", Rung.LIVE),
        ("kkkkkkkkwk", Rung.LIVE),
        ("kkkkkkk", Rung.SUSTAINED),
        ("kkkkkk", Rung.LIVE),
        ("kkkkkkkkkb", None),
        ("kkkkkkkkku", None),
    ],
)
def test_sustained_needs_live_evidence_each_night(nights: str, rung: Rung | None) -> None:
    assert status_of(tell(series(nights))).rung is rung


def test_class_without_the_latest_night_is_not_sustained() -> None:
    report = tell(series("k" * 10, builder="a"), series("k" * 9 + "-", builder="b"))

    assert [builder.rung for builder in report.classes] == [Rung.SUSTAINED, Rung.LIVE]


@pytest.mark.parametrize(
    ("hours", "rung"), [(8, Rung.SUSTAINED), (47.9, Rung.SUSTAINED), (48.1, Rung.LIVE), (73, Rung.LIVE)]
)
def test_day_without_any_run_ends_sustained(hours: float, rung: Rung) -> None:
    assert status_of(tell(series("k" * 10), hours=hours)).rung is rung


@pytest.mark.parametrize("rung", [Rung.DECLARED, Rung.OBSERVED, Rung.EXERCISED])
def test_no_weaker_evidence_is_ever_sustained(rung: Rung) -> None:
    assert status_of(tell(series("k" * 30, rung=rung))).rung is rung


def test_broken_second_run_of_a_night_ends_sustained() -> None:
    story = series("k" * 10)
    story.points.insert(8, RecordedVerdict(run(7, hour=5), BROKEN, Rung.LIVE, 0.1, 0, 0, 0, 0, 0, 0))

    assert status_of(tell(story)).rung is Rung.LIVE


# --- flakes ----------------------------------------------------------------------------------------


def flakes(*stories: Series) -> dict[str, tuple[int, int]]:
    return {flake.report.clause.name: (flake.changes, flake.pairs) for flake in tell(*stories).flakes}


def test_flakes_are_changes_on_the_same_image_and_contract() -> None:
    assert flakes(series("kbkbk")) == {"n": (4, 4)}
    assert flakes(series("kkbbkk", images="112233")) == {}
    assert flakes(series("kkbbkk", contracts="112233")) == {}
    assert flakes(series("kkbbkk", images="111233")) == {"n": (1, 3)}
    assert flakes(series("kkkkk")) == {}
    assert flakes(series("kukbk")) == {"n": (4, 4)}
    assert flakes(series("bubub")) == {}


@pytest.mark.parametrize(("installed", "expected"), [("aa", {"n": (1, 1)}), ("ab", {})])
def test_flakes_on_real_runners_compare_package_digests(
    installed: str, expected: dict[str, tuple[int, int]]
) -> None:
    story = series("kb")
    for at, letter in enumerate(installed):
        seen = f"runner r1; packages sha256:{letter}"
        where = story.points[at].run._replace(image_digest="", identity=seen)
        story.points[at] = story.points[at]._replace(run=where)

    assert flakes(story) == expected
    assert all(flake.image_known for flake in tell(story).flakes)


def test_flake_has_the_bad_result_of_its_latest_change() -> None:
    (back,) = tell(series("kbkk")).flakes
    (flake,) = tell(series("kkbb")).flakes

    assert back.bad.run.night == FIRST + 1
    assert flake.bad.run.night == FIRST + 2


def test_a_waiver_is_no_flake() -> None:
    assert flakes(series("bbwwbb")) == {}


def test_flakes_are_ranked_by_changes_then_rate() -> None:
    ranked = flakes(
        series("kbkk", name="twice"), series("kbkbkb", name="often"), series("kbkkkkkk", name="rare")
    )

    assert list(ranked) == ["often", "twice", "rare"]


# --- properties of all of it ----------------------------------------------------------------------------

stories = st.lists(
    st.builds(
        series,
        st.text("kbuw-", min_size=1, max_size=20).filter(lambda text: text.strip("-")),
        name=st.sampled_from(["a", "b", "c", "d"]),
        builder=st.sampled_from(["x", "y"]),
        rung=st.sampled_from([None, *Rung]).filter(lambda rung: rung is not Rung.SUSTAINED),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda story: (story.clause.builder, story.clause.name),
)


@given(stories, st.integers(0, 200), st.floats(0.5, 9))
def test_no_state_or_rung_is_above_its_evidence(
    histories: list[Series], hours: int, stale_days: float
) -> None:
    report = tell(*histories, hours=hours, policy=Policy(stale_days=stale_days))

    clauses = [clause for builder in report.classes for clause in builder.clauses]
    assert len(clauses) == len(histories)
    for clause in clauses:
        fresh = report.now <= clause.last.run.started + stale_days * DAY_MS + 1
        assert clause.state is not ClauseState.KEPT or (clause.last.verdict is KEPT and fresh)
        assert clause.rung is None or clause.state is ClauseState.KEPT
        assert sum(segment.points for segment in clause.segments) == len(clause.series.points)
    for builder in report.classes:
        assert sum(builder.counts.values()) == len(builder.clauses)
        assert builder.state is not ClauseState.KEPT or all(
            clause.state is ClauseState.KEPT for clause in builder.clauses
        )
    for morning in report.mornings:
        assert set(map(id, morning.broke)) <= set(map(id, clauses))
        red = [clause for incident in morning.incidents for clause in incident.clauses]
        assert sorted(map(id, red)) == sorted(map(id, morning.standing))


@given(st.text("kbuw-", min_size=1, max_size=40).filter(lambda text: text.strip("-")), st.integers(0, 5))
def test_the_run_length_strings_of_the_grid_say_every_night(nights: str, after: int) -> None:
    story = series(nights)
    stretches = encode_nights(story.points, FIRST, FIRST + len(nights) - 1 + after)

    assert "".join(letter * count for letter, count, _ in stretches) == nights + "-" * after
    letters = [letter for letter, _, _ in stretches]
    assert all(a != b for a, b in pairwise(letters))


@given(st.lists(st.floats(0.1, 1e6), min_size=12, max_size=60))
def test_a_trend_is_words_or_nothing(values: Sequence[float]) -> None:
    from builder_contracts.dashboard.history.series import MeasuredValue

    readings = [MeasuredValue(run(night), value, None) for night, value in enumerate(values)]
    assert describe_trend("cold_seconds", readings).split(" ")[0] in ("steady", "risen", "fallen")


def test_a_slow_drift_is_a_trend_and_noise_is_not() -> None:
    from builder_contracts.dashboard.history.series import MeasuredValue

    drift = [MeasuredValue(run(night), 400 + 3 * night + (-1) ** night, None) for night in range(60)]
    noise = [MeasuredValue(run(night), 400 + 30 * (-1) ** night, None) for night in range(60)]

    assert describe_trend("cold_seconds", drift) == "risen from 7 min to 9 min 17 s in 45 nights"
    assert describe_trend("cold_seconds", noise) == "steady"


@pytest.mark.parametrize(
    ("clause", "canary"),
    [
        ("linux-xr-boot-release", "linux-xr"),
        ("flake-builds", "flake"),
        ("mine", "mine"),
        ("a-b-memory-link", "a-b"),
    ],
)
def test_a_canary_is_known_by_the_name_of_its_clause(clause: str, canary: str) -> None:
    assert ClauseKey("embedded", "tinyland-docker", "canaries", clause).canary == canary
    assert ClauseKey("embedded", "tinyland-docker", "toolchain", clause).canary == ""


# --- parts of one check ----------------------------------------------------------------------------


def part(name: str, hour: int, verdicts: str) -> Series:
    """A clause that is reported by the part of the check that starts at that hour."""
    story = series(verdicts, name=name)
    story.points[:] = [
        point._replace(run=run(point.run.night - FIRST, image="1", contract="1", hour=hour))
        for point in story.points
    ]
    return story


def test_parts_of_one_check_are_one_incident() -> None:
    (morning,) = tell(part("quick", 2, "kb"), part("canary", 3, "kb")).mornings

    (incident,) = morning.incidents
    assert [clause.clause.name for clause in incident.clauses] == ["quick", "canary"]


def test_second_check_of_a_night_is_an_incident_of_its_own() -> None:
    """It judged the clause that the first had kept."""
    later = part("later", 2, "kk")
    later.points.append(
        later.points[-1]._replace(run=run(1, image="1", contract="1", hour=9), verdict=BROKEN)
    )

    (morning,) = tell(part("quick", 2, "kb"), later).mornings

    assert [len(incident.clauses) for incident in morning.incidents] == [1, 1]


@pytest.mark.parametrize("kind", ["toolchain", "filesystem"])
def test_unknown_image_is_suspected_for_what_it_decides(kind: str) -> None:
    """Before the host: a pod has a new name every night."""
    story = series("kb", kind=kind, images="  ")
    for at, host in enumerate(("pod-1", "pod-2")):
        where = story.points[at].run._replace(host=host, image_digest="")
        story.points[at] = story.points[at]._replace(run=where)

    status = status_of(tell(story))

    assert wording.describe_suspicion(status.breakages[-1], [status]) == (
        "The contract is unchanged; the image is unknown. Suspect the image."
    )
