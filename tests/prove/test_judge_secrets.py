"""Judging the search for secrets: it counts only where it found what was planted for it."""

from __future__ import annotations

import dataclasses

import pytest

from builder_contracts.prove.secrets.judge import judge
from builder_contracts.prove.secrets.record import Leak, Scan
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome, as_json

CLEAN = Scan(items=3, bytes=100, leaks=(), secrets=3, places=2)
TABLE: dict[str, tuple[Scan | Unavailable | None, Outcome, str]] = {
    "clean": (CLEAN, Outcome.KEPT, "no secret in 3 published and logged items"),
    "leak": (dataclasses.replace(CLEAN, leaks=(Leak("nar!xz", "plain"),)), Outcome.BROKEN, "nar!xz (plain)"),
    "planted copy missed": (dataclasses.replace(CLEAN, missed=("registry",)), Outcome.UNPROVEN, "planted in registry"),
    "leak and planted copy missed": (
        dataclasses.replace(CLEAN, missed=("registry",), leaks=(Leak("log", "hex"),)), Outcome.BROKEN, "log (hex)",
    ),
    "undecoded": (
        dataclasses.replace(CLEAN, undecoded=("a.7z: 7z", "b", "c", "d")), Outcome.UNPROVEN,
        "4 items could not be decoded: a.7z: 7z; b; c",
    ),
    "leak and undecoded": (
        dataclasses.replace(CLEAN, undecoded=("a.7z: 7z",), leaks=(Leak("log", "hex"),)), Outcome.BROKEN, "log (hex)",
    ),
    "no place": (dataclasses.replace(CLEAN, places=0), Outcome.UNPROVEN, "nothing was published"),
    "nothing published": (dataclasses.replace(CLEAN, items=0), Outcome.UNPROVEN, "nothing was published"),
    "empty items": (dataclasses.replace(CLEAN, bytes=0), Outcome.UNPROVEN, "nothing was published"),
    "no secret": (dataclasses.replace(CLEAN, secrets=0), Outcome.UNPROVEN, "no secret was searched for"),
    "unavailable": (Unavailable("search off", provable_here=False), Outcome.UNPROVEN, "search off"),
    "no search": (None, Outcome.UNPROVEN, "the experiment did not run"),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_secrets_table(row: str) -> None:
    scan, expected, observed = TABLE[row]
    finding = judge(scan)[0]
    assert finding.outcome is expected
    assert observed in finding.observation


def test_unavailable_search_is_skipped_for_good() -> None:
    assert not judge(Unavailable("search off", provable_here=False))[0].provable_here


def test_search_that_found_nothing_says_how_much_it_saw() -> None:
    finding, (_, control) = judge(CLEAN)
    assert (finding.checked, finding.total, finding.observed) == (CLEAN.items, CLEAN.items, as_json(CLEAN))
    assert control.endswith("was found in each")


def test_leak_says_what_to_do_and_what_the_search_missed() -> None:
    leaky = dataclasses.replace(CLEAN, leaks=(Leak("log", "plain"),), missed=("registry",))
    finding, (_, control) = judge(leaky)
    assert (finding.checked, finding.total, finding.observed) == (leaky.items, leaky.items, as_json(leaky))
    assert (finding.cause, finding.fix.startswith("revoke the secret")) == ("", True)
    assert control.endswith("was missed in registry")
