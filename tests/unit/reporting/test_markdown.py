"""A run as Markdown."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from markdown_it import MarkdownIt

from builder_contracts.errors import Location
from builder_contracts.reporting import markdown
from builder_contracts.reporting.stream import Skipped
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import CONTRADICTED, KEPT, SAMPLE, SUMMARY, UNPROVEN, VERDICTS, recorded


def test_broken_clause_reads_like_this() -> None:
    verdict = replace(SAMPLE, fix="install xz-utils", witnesses=("client",))
    assert markdown.render(recorded(verdict, UNPROVEN)) == (
        "### builder-contracts check: 0 kept, 1 broken, 1 unproven\n"
        "\n"
        "| | Kept | Set by this run | Broken | Unproven | Waived |\n"
        "|---|--:|--:|--:|--:|--:|\n"
        "| `tinyland-nix` | 0 | 0 | 1 | 1 | 0 |\n"
        "\n"
        "#### `tinyland-nix/toolchain/xz` is broken\n"
        "\n"
        "- promised: `xz on the job's PATH` (`contracts/tinyland-nix.yaml:21`)\n"
        "- observed: `not found in /usr/local/bin:/usr/bin:/bin`\n"
        "- witness: `client`\n"
        "- likely cause: `the image lacks the package xz-utils`\n"
        "- fix: `install xz-utils`\n"
        "- try: `builder-contracts facts --image tinyland-nix | jq .tools.xz`\n"
        "\n"
        "#### Unproven and waived\n"
        "\n"
        "- unproven `tinyland-nix: toolchain/xz`: `no engine`\n"
    )


def test_contradiction_names_both_places() -> None:
    text = markdown.render(recorded(CONTRADICTED))
    assert (
        "- observed: `cache = old` (`flake.nix:7`)\n"
        "  - conflicts with: `retired; now new` (`contracts/platform/endpoints.yaml:12`)\n"
        "  - fix: `use new`\n"
    ) in text


def test_skipped_and_interrupted_are_mentioned() -> None:
    summary = replace(SUMMARY, interrupted=True, skipped=(Skipped("x.yaml", "not YAML"),))
    text = markdown.render(recorded(KEPT, summary=summary))
    assert "interrupted" in text
    assert "- `x.yaml`: `not YAML`" in text


@given(VERDICTS)
def test_no_text_of_others_becomes_markup(verdict: Verdict) -> None:
    hostile = replace(verdict, observation=f"{verdict.observation} @all <img> [x](y) **b** | # h")
    tokens = MarkdownIt("commonmark").parse(markdown.render(recorded(hostile)))
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {"text", "code_inline", "softbreak"}


def test_bar_does_not_end_a_cell() -> None:
    verdict = replace(KEPT, clause="a|b/c/d", location=Location("x", 1))
    assert r"| `a\|b` | 1 | 0 | 0 | 0 |" in markdown.render(recorded(verdict))
