"""Verdicts as records: JUnit properties, lines of evidence, text for a person."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from builder_contracts.contract import schema
from builder_contracts.errors import BuilderContractsError
from builder_contracts.evidence import record
from builder_contracts.evidence.verdict import Measure, Outcome, Rung, Verdict

DIGEST = st.just("sha256:" + "0a" * 32)
NAME = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
TEXT = st.text(min_size=1)
VERDICTS = st.builds(
    Verdict,
    clause=st.tuples(NAME, NAME, st.from_regex(r"[!-~]{1,20}", fullmatch=True)).map("/".join),
    outcome=st.sampled_from(Outcome),
    rung=st.sampled_from([None, *Rung]),
    promised=TEXT,
    seen=TEXT,
    source=TEXT,
    likely=st.text(),
    why=st.text(),
    image_digest=st.just("") | DIGEST,
    contract_digest=DIGEST,
    runner=st.sampled_from(["", "docker", "local"]),
    # Records have milliseconds.
    seconds=st.integers(0, 10**8).map(lambda number: number / 1000),
    witnesses=st.lists(st.text(), max_size=3).map(tuple),
    measures=st.lists(
        st.builds(
            Measure,
            st.sampled_from(["cold_seconds", "peak_memory_bytes", "cache_hit_ratio"]),
            st.floats(0, 1e15),
            st.none() | st.floats(0, 1e15),
        ),
        max_size=3,
        unique_by=lambda one: one.quantity,
    ).map(tuple),
)

SAMPLE = Verdict(
    "tinyland-nix/toolchain/xz",
    Outcome.BROKEN,
    Rung.OBSERVED,
    promised="xz on the job's PATH",
    seen="not found in /usr/local/bin:/usr/bin:/bin",
    source="contracts/tinyland-nix.yaml:21",
    likely="the image lacks the package xz-utils",
    look="builder-contracts facts --image tinyland-nix | jq .tools.xz",
    image="tinyland-nix",
    image_digest="sha256:4f1c" + "0" * 60,
    contract_digest="sha256:" + "1" * 64,
    runner="docker",
    seconds=0.08,
)


@given(VERDICTS)
def test_a_verdict_survives_its_properties(verdict: Verdict) -> None:
    assert record.from_properties(record.to_properties(verdict)) == verdict


@given(VERDICTS)
def test_a_record_keeps_to_the_schema_of_evidence(verdict: Verdict) -> None:
    Draft202012Validator(schema.load("evidence")).validate(json.loads(json.dumps(record.to_record(verdict))))


def test_the_schema_has_every_field_of_a_record_and_no_other() -> None:
    assert record.to_record(SAMPLE).keys() == schema.load("evidence")["properties"].keys()
    names = {name for name, _ in record.to_properties(dataclasses.replace(SAMPLE, witnesses=("a", "b")))}
    assert names == record.to_record(SAMPLE).keys() - {"schema", "witnesses"} | {"witness"}


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("clause", "a/b/c")],
        [("verdict", "kept")],
        [("clause", "penalty"), ("verdict", "guilty"), ("promised", ""), ("seen", ""), ("source", "")],
        [("clause", "penalty"), ("verdict", "kept")],
    ],
)
def test_properties_of_other_tests_are_no_verdict(pairs: list[tuple[str, object]]) -> None:
    assert record.from_properties(pairs) is None


def test_text_that_is_no_unicode_can_still_be_reported() -> None:
    verdict = dataclasses.replace(SAMPLE, source="contracts/\udcff.yaml:1", witnesses=("\ud800",))
    pairs = record.to_properties(verdict)
    assert dict(pairs)["source"] == r"contracts/\udcff.yaml:1"
    assert json.dumps([*pairs, record.to_record(verdict)], ensure_ascii=False).encode()


def test_evidence_is_one_json_object_a_line(tmp_path: Path) -> None:
    odd = dataclasses.replace(SAMPLE, seen="line\nbreak \u2028 and ü")
    path = record.write(tmp_path / "new" / "folder", [SAMPLE, odd])
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line)["seen"] for line in lines[:-1]] == [SAMPLE.seen, odd.seen]
    assert lines[-1] == b""
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["evidence.jsonl"]


def test_evidence_that_cannot_be_written_leaves_the_old_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = record.write(tmp_path, [SAMPLE])
    before = target.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BuilderContractsError, match=r"evidence\.jsonl cannot be written: No space left"):
        record.write(tmp_path, [SAMPLE, SAMPLE])
    assert target.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["evidence.jsonl"]


def test_an_interrupted_write_leaves_the_old_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = record.write(tmp_path, [SAMPLE])
    before = target.read_bytes()

    def interrupted(_: Verdict) -> record.Record:
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "to_record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record.write(tmp_path, [SAMPLE])
    assert target.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["evidence.jsonl"]


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuilderContractsError, match="cannot be written: File exists"):
        record.write(tmp_path / "file", [SAMPLE])


def test_a_broken_promise_reads_like_this() -> None:
    assert record.render(SAMPLE) == (
        "contracts/tinyland-nix.yaml:21  toolchain/xz  BROKEN\n"
        "  promised  xz on the job's PATH\n"
        "  seen      not found in /usr/local/bin:/usr/bin:/bin   (image tinyland-nix@sha256:4f1c00000000…, 0.08 s)\n"
        "  likely    the image lacks the package xz-utils\n"
        "  try       builder-contracts facts --image tinyland-nix | jq .tools.xz"
    )


def test_an_unproven_promise_says_because_and_witnesses_are_told() -> None:
    verdict = dataclasses.replace(
        SAMPLE, outcome=Outcome.UNPROVEN, rung=None, seen="no stat(1)", image="", why="it matters", likely="",
        witnesses=("the client's log", "the server's log"),
    )  # fmt: skip
    assert record.render(verdict) == (
        "contracts/tinyland-nix.yaml:21  toolchain/xz  UNPROVEN\n"
        "  promised  xz on the job's PATH\n"
        "  because   no stat(1)\n"
        "  witness   the client's log\n"
        "  witness   the server's log\n"
        "  why       it matters\n"
        "  try       builder-contracts facts --image tinyland-nix | jq .tools.xz"
    )


@given(VERDICTS)
def test_nothing_that_a_runner_says_reaches_the_terminal_as_a_command(verdict: Verdict) -> None:
    text = record.render(verdict)
    assert all(line.isprintable() for line in text.split("\n"))
    headings = r"promised|seen|because|witness|likely|why|try"
    for line in text.split("\n")[1:]:
        assert re.match(rf"  ({headings})( +|$)", line)
