"""The page on proofs names, for every clause that is shown by doing, a world that turns it red, and its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder_contracts.contract.promises.caches import BAZEL, BAZEL_WRITE, NIX
from builder_contracts.contract.promises.publication import BOUNDARY, HTTP_STATE, STATE

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/explanation/proofs.md"
# What the canaries of nix, bazel and docker show; a kernel's tiers have a page and tests of their own.
CANARY = ("builds", "runs", "artifacts", "rebuild", "pure", "lock")


def rows() -> list[tuple[str, str]]:
    """The columns clause and test of the table of defects."""
    section = PAGE.read_text("utf-8").split("## What turns it red")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [(line[1], line[2]) for line in lines[1:]]


def test_every_clause_is_in_the_table() -> None:
    clauses = " ".join(clause for clause, _ in rows())
    shows = [*NIX, *BAZEL, *BAZEL_WRITE, *BOUNDARY, *STATE, *HTTP_STATE, *CANARY, "secrets"]
    assert [show for show in shows if f"-{show}`" not in clauses] == []


@pytest.mark.parametrize(
    "shows",
    [[*NIX, *BAZEL, *BAZEL_WRITE], [*BOUNDARY, *HTTP_STATE, "secrets"], [*CANARY]],
    ids=["caches", "publication", "canaries"],
)
def test_every_kind_has_two_defects_at_least(shows: list[str]) -> None:
    defects = [clause for clause, _ in rows() if any(f"-{show}`" in clause for show in shows)]
    assert len(defects) >= 2


def test_every_named_test_exists() -> None:
    tests = " ".join(
        name
        for file in HERE.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.M)
    )
    files = {"nix", "bazel", "publication", "machine", "deployment", "attempts"}
    for clause, column in rows():
        named = [word for word in re.findall(r"`([^`]+)`", column) if word not in files]
        assert named, clause
        for word in named:
            path = HERE / word if "/" not in word else PAGE.parents[2] / word
            assert path.is_file() if word.endswith(".py") else word in tests, word
