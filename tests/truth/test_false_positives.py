"""What has nothing to do with the platform breaks none of its promises: real trees that are on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.verdicts import judge
from builder_contracts.verdict import Outcome
from tests.truth.conftest import CONTRACTS
from tests.truth.test_breaks import HISTORY

# Folders of source that packages of Debian ship; which of them are there differs from machine to machine.
TREES = ("/usr/lib/python3", "/usr/lib/python3.11", "/usr/share/perl5", "/usr/share/perl", "/usr/share/vim", "/usr/include",
         "/usr/lib/node_modules", "/usr/share/cmake-3.25", "/usr/src")  # fmt: skip
FOUND = [tree for tree in TREES if Path(tree).is_dir() and any(Path(tree).iterdir())]


def broken(root: Path, platform: Platform, classes: list[Contract]) -> list[str]:
    judgement = judge(root, platform, classes)
    assert judgement.files > 0
    contradictions = [str(finding.actual) for finding in (*judgement.findings, *judgement.waived)]
    return contradictions + [
        f"{verdict.clause}: {verdict.observation}"
        for verdict in judgement.verdicts
        if verdict.outcome is Outcome.BROKEN
    ]


@pytest.mark.parametrize("tree", FOUND[:4])
def test_an_unrelated_source_tree_breaks_no_promise(
    tree: str, contracts: tuple[Platform, list[Contract]]
) -> None:
    assert broken(Path(tree), *contracts) == []


@pytest.mark.skipif(len(FOUND) < 3, reason=f"fewer than three trees are here: {', '.join(FOUND) or 'none'}")
def test_three_unrelated_trees_were_judged() -> None:
    assert len(FOUND[:4]) >= 3


def test_own_checkout_has_no_findings(
    contracts: tuple[Platform, list[Contract]],
) -> None:
    assert HISTORY
    assert broken(CONTRACTS.parent, *contracts) == []
