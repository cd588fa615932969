"""Amounts that lists of the documentation give, under a heading and behind a paragraph that names a class."""

from __future__ import annotations

import pytest

from tests.truth.conftest import Judge, contradicted
from tests.truth.miniature import CLEAN

PAGE = (
    "# Builds\n\n## Resource Limits\n\nBuilds with nix are\nlarge:\n\n- **CPU**: 4 cores\n- **Memory**: 4Gi\n"
)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PAGE, ["nix: memory limit 4Gi"]),
        (PAGE.replace("4Gi", "`8Gi`"), []),
        (PAGE.replace("- **Memory**: 4Gi", "* memory limit: 4Gi").replace(" Limits", ""), ["nix: memory limit 4Gi"]),
        # Whose amount it is, or which, the page does not say.
        (PAGE.replace("nix", "care"), []),
        (PAGE.replace("nix", "nix or docker"), []),
        (PAGE.replace(" Limits", ""), []),
        (PAGE.replace(" Limits", " Limits and Requests"), []),
        (PAGE.replace("large:\n", "large.\n\nOthers are not:\n"), []),
        (PAGE.replace("4Gi", "plenty"), []),
    ],
)  # fmt: skip
def test_listed_amount_is_the_deployed_one(judged: Judge, page: str, expected: list[str]) -> None:
    tree = {**CLEAN, "docs/builds.md": page}
    assert contradicted(judged, tree, "documented-resources") == expected
