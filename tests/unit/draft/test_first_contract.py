"""First contracts: what is promised is kept, and what is not kept is a comment that says why."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.draft.first_contract import FirstContract, class_name, first_contract
from builder_contracts.draft.hosted_images import HostedImage, hosted_image, labels
from builder_contracts.draft.proposals import Level, version_range
from builder_contracts.facts.model import (
    DirectoryFacts,
    Facts,
    ImageFacts,
    PathFacts,
    ShellFacts,
    ToolFacts,
    UserFacts,
    WorkFacts,
)
from builder_contracts.tools.catalog import catalog
from tests.unit.judge.observed import IMAGE, LOST, NOT_HERE, facts

DONE = WorkFacts(3, 0, "a piece of {nonce}")
XZ = ToolFacts("/usr/bin/xz", 0, "xz (XZ Utils) 5.8.4", DONE)


def draft(seen: Facts, level: Level = Level.ALL) -> FirstContract:
    return first_contract(seen, name="sample", image="sample:1", level=level)


def written(first: FirstContract, folder: Path) -> Contract:
    """The contract as ``check`` reads it."""
    file = folder / "sample.yaml"
    file.write_text(first.text, "utf-8")
    return load(file)


def sound(**seen: object) -> Facts:
    return facts(**{"tools": {"xz": XZ}, "shells": {"/bin/sh": ShellFacts(True)}, **seen})


def test_a_tool_that_works_is_promised_with_a_range(tmp_path: Path) -> None:
    clause = written(draft(sound()), tmp_path).clause("toolchain/xz")
    assert clause
    assert clause.promise.text == "xz >=5.8,<6 on the job's PATH"


@pytest.mark.parametrize(
    ("tool", "comment"),
    [
        (
            ToolFacts("/bin/xz", 0, "xz (XZ Utils) 5.8.4", WorkFacts(1, 3, "")),
            "BROKEN as it is: /bin/xz does not",
        ),
        (
            ToolFacts("/bin/xz", 0, "xz (XZ Utils) 5.8.4", LOST),
            "UNPROVEN here: the observation did not complete",
        ),
    ],
    ids=["broken", "unproven"],
)
def test_a_tool_that_is_not_kept_is_a_comment(tool: ToolFacts, comment: str, tmp_path: Path) -> None:
    first = draft(sound(tools={"xz": tool}))
    assert "toolchain" not in written(first, tmp_path).document
    assert "\n#   xz: {version: '>=5.8,<6'}" in first.text
    assert comment in first.text


def test_a_tool_that_is_not_there_is_not_mentioned() -> None:
    assert "xz" not in draft(sound(tools={"xz": ToolFacts(None)})).text


def test_root_is_a_commented_promise(tmp_path: Path) -> None:
    root = UserFacts(0, 0, "root", "/root", home_exists=True, home_writable=True)
    first = draft(sound(identity=root))
    assert "\n#   root: never" in first.text
    assert "BROKEN as it is: uid 0" in first.text
    assert written(first, tmp_path).clause("identity/user") is None


def test_a_path_that_the_job_writes_is_a_commented_promise() -> None:
    first = draft(sound(search_path=[DirectoryFacts("/drop", True, True, 0o1777)]))
    assert "\n#   writable_by_others: never" in first.text
    assert "BROKEN as it is: writable: /drop" in first.text


def test_the_value_of_a_secret_is_nowhere(tmp_path: Path) -> None:
    secrets = {"DEPLOY_TOKEN": "hunter2hunter2", "DB": "postgres://me:opensesame1@db/x", "LANG": "C.UTF-8"}
    image = ImageFacts(**{**vars(IMAGE), "env": secrets})
    first = draft(sound(image=image, env=secrets))
    assert "hunter2" not in first.text
    assert "opensesame" not in first.text
    assert "\n#     DEPLOY_TOKEN: absent" in first.text
    assert "\n#   environment: none" in first.text
    assert written(first, tmp_path).clause("environment/LANG")


@pytest.mark.parametrize(
    "value", ["a: b # c", "'", '"', "{x}", "- y", "true", "1", " ", "é\t\\n", "*a", "a\nb: c"]
)
def test_any_value_of_a_variable_survives_the_file(value: str, tmp_path: Path) -> None:
    image = ImageFacts(**{**vars(IMAGE), "env": {"GREETING": value}})
    contract = written(draft(sound(image=image, env={"GREETING": value})), tmp_path)
    assert contract.document["environment"]["variables"]["GREETING"] == {"equals": value}


def test_what_the_language_cannot_hold_is_a_comment(tmp_path: Path) -> None:
    user = UserFacts(1001, 1001, "runner", "not/absolute", home_exists=True, home_writable=True)
    first = draft(sound(identity=user))
    assert "\n#   home: not/absolute" in first.text
    contract = written(first, tmp_path)
    assert contract.clause("identity/home") is None
    assert contract.clause("identity/uid")


def test_a_name_with_a_line_break_forges_no_line(tmp_path: Path) -> None:
    user = UserFacts(1001, 1001, "a\nb: c\x85", "/home/runner", home_exists=True, home_writable=True)
    assert written(draft(sound(identity=user)), tmp_path).document["identity"].get("b") is None


def test_a_level_promises_no_less_than_the_one_below(tmp_path: Path) -> None:
    seen = sound(paths={"/tmp": PathFacts("directory", writable=True, mode=0o1777)})
    minimal, usual, every = (
        {clause.local_id for clause in written(draft(seen, level), tmp_path).clauses} for level in Level
    )
    assert minimal < usual < every
    assert "toolchain/xz" in minimal


def test_a_real_runner_has_no_image_to_promise(tmp_path: Path) -> None:
    contract = written(draft(sound(image=NOT_HERE)), tmp_path)
    assert contract.document["image"] == {"reference": "sample:1"}


def test_what_could_not_be_looked_at_is_not_promised(tmp_path: Path) -> None:
    first = draft(sound(search_path=LOST, env=LOST))
    kept = written(first, tmp_path).document.keys()
    assert "environment" not in kept
    assert "\n#   writable_by_job: never" in first.text
    assert "UNPROVEN here: the observation did not complete" in first.text


@pytest.mark.parametrize(
    ("release", "expected"),
    [("2.47.3", ">=2.47,<3"), ("668", ">=668"), ("0.29.2", ">=0.29,<1"), ("3.0rc1", "")],
)
def test_a_range_ends_before_the_next_major_release(release: str, expected: str) -> None:
    assert version_range(release) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("ghcr.io/me/My_Runner:1.2", "my-runner"),
        ("x@sha256:00", "x"),
        ("localhost:5000/a-", "a"),
        ("_", "my-runner"),
    ],
)
def test_a_class_is_named_after_its_image(image: str, expected: str) -> None:
    assert class_name(image) == expected


def test_tools_of_a_hosted_image_are_promised_or_named(tmp_path: Path) -> None:
    hosted = HostedImage(
        "hosted-1", "https://example.org/list", "2026-01-01", {"xz": "5.4.5", "git": "2.55.0"}
    )
    seen = sound(tools={"xz": XZ, "git": ToolFacts(None)})
    first = first_contract(seen, name="sample", image="sample:1", level=Level.MINIMAL, hosted=hosted)
    assert written(first, tmp_path).document["toolchain"] == {"xz": {"version": ">=5.4"}}
    assert "#   git: {version: '>=2.55'}  # hosted-1 has 2.55.0\n" in first.text
    assert first.broken_tools == ["git"]
    assert "2026-01-01: https://example.org/list" in first.text


@pytest.mark.parametrize("label", labels())
def test_every_tool_of_a_hosted_image_is_known(label: str) -> None:
    image = hosted_image(label)
    assert image.tools.keys() <= catalog().keys()
    assert image.source.startswith("https://")
    assert date.fromisoformat(image.date) < date.max
