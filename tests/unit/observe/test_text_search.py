"""Lines that match patterns: without secrets, short, and None for no match."""

from __future__ import annotations

import re

from builder_contracts.facts.model import Unseen
from builder_contracts.observe.text_search import matching_lines

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def lines(text: str, *patterns: str) -> dict[str, object]:
    return dict(matching_lines(text, map(re.compile, patterns), "/file"))


def test_first_matching_line_by_pattern() -> None:
    text = "a = 1\n  b = 2 \nb = 3\n"
    assert lines(text, "b =", "(?m)^b", "c", r"1\n\s+b") == {
        "b =": "b = 2",
        "(?m)^b": "b = 3",
        "c": None,
        r"1\n\s+b": "a = 1",
    }


def test_secret_is_not_in_the_line() -> None:
    text = f"user = ci\ntoken = {TOKEN}\npassword = hunter2-and-more\n"
    found = lines(text, "token", "password", "ghp_")
    assert TOKEN not in str(found)
    assert "hunter2" not in str(found)
    assert str(found["token"]).startswith("token = ")


def test_secret_of_a_long_line_is_hidden_before_the_cut() -> None:
    line = "x" * 190 + " " + TOKEN + " tail"
    shown = str(lines(line, "x{190}")["x{190}"])
    assert len(shown) <= 201
    assert "ghp_" not in shown


def test_pattern_that_never_ends_is_a_reason() -> None:
    found = lines("a" * 60 + "b", r"(a|aa)+$")[r"(a|aa)+$"]
    assert isinstance(found, Unseen)
    assert "took longer than" in found.reason
