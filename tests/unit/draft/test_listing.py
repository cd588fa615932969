"""The list of what a runner has: nothing in it claims more than was seen."""

from __future__ import annotations

import pytest

from builder_contracts.contract import validity
from builder_contracts.contract.document import Document
from builder_contracts.draft.listing import listing
from builder_contracts.draft.survey import survey
from builder_contracts.errors import Location
from builder_contracts.facts.model import StartFacts, ToolFacts, Unseen, WorkFacts
from tests.unit.judge.observed import LOST, facts


def line(text: str, start: str) -> str:
    return next(row for row in text.splitlines() if row.strip().startswith(start))


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        (
            ToolFacts("/usr/bin/xz", 0, "xz (XZ Utils) 5.8.4", WorkFacts(3, 0, "a piece of {nonce}")),
            "xz 5.8.4 works /usr/bin/xz",
        ),
        (
            ToolFacts("/usr/bin/xz", 1, "xz: not found 5", WorkFacts(3, 0, "a piece of {nonce}")),
            "xz - works /usr/bin/xz",
        ),
        (
            ToolFacts("/usr/bin/xz", 0, "xz (XZ Utils) 5.8.4", WorkFacts(1, 127, "")),
            "xz 5.8.4 does not work /usr/bin/xz",
        ),
        (ToolFacts("/usr/bin/xz", 0, "xz (XZ Utils) 5.8.4", LOST), "xz 5.8.4 unproven /usr/bin/xz"),
    ],
    ids=["works", "no version", "broken work", "unseen work"],
)
def test_a_tool_works_only_if_its_work_was_done(tool: ToolFacts, shown: str) -> None:
    asked = survey("sample")
    seen = facts(tools={promise: ToolFacts(None) for promise in ("git", "curl")} | {"xz": tool})
    assert " ".join(line(listing(seen, asked), "xz").split()) == shown


def test_tools_that_could_not_be_looked_for_are_unproven() -> None:
    asked = survey("sample")
    count = len(asked.document["toolchain"])
    seen = facts(tools=dict.fromkeys(asked.document["toolchain"], LOST))
    assert line(listing(seen, asked), "tools").endswith(f"unproven: {count} could not be looked for")


def test_a_secret_is_listed_by_name_alone() -> None:
    seen = facts(env={"DEPLOY_TOKEN": "hunter2-and-more", "LANG": "C.UTF-8"})
    text = listing(seen, survey("sample"))
    assert "hunter2" not in text
    assert "DEPLOY_TOKEN=" in text
    assert "LANG=C.UTF-8" in text


def test_a_runner_that_did_not_start_says_so() -> None:
    lost = Unseen("runner did not start: no shell")
    seen = facts(
        start=StartFacts(exists=True, started=False, output="no shell"), identity=lost, env=lost, path=lost
    )
    text = listing(seen, survey("sample"))
    assert line(text, "runner").split(maxsplit=1)[1] == "did not start: no shell"
    assert "unproven: runner did not start" in line(text, "user")


def test_text_of_a_runner_cannot_forge_a_line() -> None:
    text = listing(facts(path="/bin\nuser        root"), survey("sample"))
    assert [row for row in text.splitlines() if row.startswith("user")] == [line(text, "user")]


def test_the_survey_is_a_valid_contract() -> None:
    header = {"apiVersion": "builder-contracts/v1", "kind": "BuilderClass"}
    document = Document({**header, **survey("sample").document}, {(): Location("survey")})
    validity.check("builder-class", document)
