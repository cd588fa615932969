"""Facts of what a job inherits, may gain and must not carry, from answers of any form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.localization import TimeZone
from builder_contracts.contract.promises.privileges import FileCapabilities, SetIdFiles, Sudo
from builder_contracts.contract.promises.process import Bounds, SharedMemory, Sysctl
from builder_contracts.contract.promises.search_path import SearchPathRule
from builder_contracts.contract.promises.secrets import SecretFreeFiles
from builder_contracts.contract.promises.trust import Certificates
from builder_contracts.facts.model import (
    NOT_ASKED,
    BundleFacts,
    DirectoryFacts,
    FileFacts,
    SharedMemoryFacts,
    SudoFacts,
    Unseen,
)
from builder_contracts.observe.inside import promised
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.observe.text_search import MOST_TEXT
from tests.unit.observe.test_system_state import promising

EVERYTHING: tuple[Promise, ...] = (
    SetIdFiles(()),
    FileCapabilities(()),
    Sudo(False),
    SecretFreeFiles(("/etc", "/opt")),
    Certificates(1),
    SearchPathRule("relative"),
    TimeZone("UTC"),
    SharedMemory(1),
    Sysctl("a.b", "1", Bounds()),
    PathState("/f", sha256="ab"),
    PathState("/g", contains="x"),
    PathState("/h"),
)
CONTRACT = promising(*EVERYTHING)
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 4096                 files
Max core file size        unlimited            unlimited            bytes
Max odd thing             7                    7                    things
"""
READERS: dict[str, Callable[[ProbeAnswers], Any]] = {
    "process": lambda answers: promised.process(answers, CONTRACT),
    "search_path": lambda answers: promised.search_path(answers, CONTRACT),
    "privileges": lambda answers: promised.privileges(answers, CONTRACT),
    "secret_files": lambda answers: promised.secret_files(answers, CONTRACT),
    "ca_bundle": lambda answers: promised.ca_bundle(answers, CONTRACT),
    "time_zone": lambda answers: promised.time_zone(answers, CONTRACT),
    "files": lambda answers: promised.files(answers, CONTRACT),
}
SECTIONS = ("directory", "umask", "limits", "sysctl", "shared_memory", "search_path", "set_id", "file_capabilities", "sudo", "secret_files", "ca_bundle", "time_zone", "details", "content", "content_part", "complete")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["", "a.b", "/f", "/g", "/g 0", "set_id", "search_path", "secret_files", "file_capabilities"])  # fmt: skip


def test_questions_are_those_of_the_contract() -> None:
    assert list(promised.questions(CONTRACT)) == [
        ("set_id",),
        ("file_capabilities",),
        ("secret_files", "/etc", "/opt"),
        ("ca_bundle",),
        ("sudo",),
        ("search_path",),
        ("time_zone",),
        ("shared_memory",),
        ("details", "/f", "yes", "no"),
        ("details", "/g", "no", "yes"),
        ("sysctl", "a.b"),
    ]
    assert list(promised.questions(promising())) == []


@given(
    st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(KEYS, JSON, max_size=3), max_size=6),
    st.sampled_from(["", "the probe died"]),
)
def test_answers_of_any_form_never_raise(sections: dict[str, dict[str, Any]], lost: str) -> None:
    for read in READERS.values():
        read(ProbeAnswers(sections, lost))


@pytest.mark.parametrize("name", READERS)
def test_without_answers_every_fact_has_the_reason(name: str) -> None:
    facts = READERS[name](ProbeAnswers(lost="the probe died"))
    parts = facts.values() if isinstance(facts, dict) else vars(facts).values()
    if isinstance(facts, Unseen):
        parts = [facts]
    for part in parts:
        for fact in part.values() if isinstance(part, dict) else [part]:
            assert fact == Unseen("the probe died")


def test_facts_that_no_clause_needs_are_not_asked() -> None:
    answers, empty = ProbeAnswers(lost="the probe died"), promising()
    assert promised.search_path(answers, empty) is NOT_ASKED
    assert promised.privileges(answers, empty).sudo is NOT_ASKED
    assert promised.secret_files(answers, empty) is NOT_ASKED
    assert promised.ca_bundle(answers, empty) is NOT_ASKED
    assert promised.time_zone(answers, empty) is NOT_ASKED
    assert promised.process(answers, empty).shared_memory is NOT_ASKED
    assert promised.files(answers, empty) == {}


def test_what_a_job_inherits() -> None:
    directory = {"path": "/w", "exists": True, "writable": False, "mode": "1755"}
    answers = ProbeAnswers(
        {
            "directory": {"": directory},
            "umask": {"": "0027"},
            "limits": {"": LIMITS},
            "sysctl": {"a.b": "1"},
            "shared_memory": {"": {"size": [16384, 4096], "writable": True}},
        }
    )
    facts = promised.process(answers, CONTRACT)
    assert facts.directory == DirectoryFacts("/w", True, False, 0o1755)
    assert facts.umask == 0o027
    assert facts.ulimits == {"nofile": 1024, "core": None}
    assert facts.sysctls == {"a.b": "1"}
    assert facts.shared_memory == SharedMemoryFacts(64 << 20, True)
    huge = ProbeAnswers(
        {
            "shared_memory": {"": {"size": [1 << 40, 1 << 40], "writable": False}},
            "directory": {"": {"path": "/w", "exists": False, "writable": True}},
        }
    )
    facts = promised.process(huge, CONTRACT)
    assert facts.shared_memory == SharedMemoryFacts(1 << 63, False)
    assert facts.directory == DirectoryFacts("/w", False, True, Unseen("the image lacks stat(1)"))


def test_lists_are_those_of_their_sections() -> None:
    entry = {"path": "/bin", "exists": True, "writable": False, "mode": "755"}
    listed: dict[str, dict[str, Any]] = {
        "search_path": {"0": entry},
        "file_capabilities": {"/ping": 1},
        "secret_files": {"/key": 1},
    }
    whole = ProbeAnswers({**listed, "complete": dict.fromkeys([*listed, "set_id"], True)})
    assert promised.search_path(whole, CONTRACT) == [DirectoryFacts("/bin", True, False, 0o755)]
    assert promised.privileges(whole, CONTRACT).file_capabilities == ["/ping"]
    assert promised.privileges(whole, CONTRACT).set_id == {}
    assert promised.secret_files(whole, CONTRACT) == ["/key"]


def test_details_of_a_file_are_those_that_were_seen() -> None:
    details = {"executable": False, "uid": "1", "gid": "2", "group": "ci", "target": "/x", "sha256": "ab"}
    seen = ProbeAnswers({"details": {"/f": details, "/g": {"executable": True}}})
    lacking = Unseen("the job cannot read it, or the image lacks the tool for it")
    no_link = Unseen("not a symbolic link")
    text = Unseen("the probe could not observe it in this runner")
    assert promised.files(seen, CONTRACT) == {
        "/f": FileFacts(False, 1, 2, "ci", "/x", "ab"),
        "/g": FileFacts(True, lacking, lacking, lacking, no_link, lacking, {"x": text}),
    }


def test_list_counts_only_if_it_is_complete() -> None:
    listed = {"/bin/su": "4755", "/bin/a": "2755"}
    whole = ProbeAnswers({"set_id": listed, "complete": {"set_id": True}})
    assert promised.privileges(whole, CONTRACT).set_id == {"/bin/a": 0o2755, "/bin/su": 0o4755}
    cut = ProbeAnswers({"set_id": listed}, lost="the probe died")
    assert promised.privileges(cut, CONTRACT).set_id == Unseen("the probe died")
    late = ProbeAnswers({"set_id": listed, "complete": {"set_id": {"unseen": "no exit within 20 s"}}})
    assert promised.privileges(late, CONTRACT).set_id == Unseen("no exit within 20 s")
    odd = ProbeAnswers({"set_id": {"/bin/su": "rwx"}, "complete": {"set_id": True}})
    assert promised.privileges(odd, CONTRACT).set_id == Unseen("invalid probe output")


def test_sudo_bundle_and_zone() -> None:
    answers = ProbeAnswers(
        {
            "sudo": {"": {"path": "/usr/bin/sudo", "status": 1, "output": "no"}},
            "ca_bundle": {"": {"path": "/ca", "certificates": 1 << 40}},
            "time_zone": {"": "UTC"},
        }
    )
    assert promised.privileges(answers, CONTRACT).sudo == SudoFacts("/usr/bin/sudo", 1, "no")
    assert promised.ca_bundle(answers, CONTRACT) == BundleFacts("/ca", 1 << 31)
    assert promised.time_zone(answers, CONTRACT) == "UTC"
    zones = [
        ("UTC +0000", "UTC"),
        ("CET +0100", "CET"),
        ("UTC +0500", "UTC +0500"),
        ("UTC -0530", "UTC -0530"),
    ]
    for printed, zone in zones:
        assert promised.time_zone(ProbeAnswers({"time_zone": {"": printed}}), CONTRACT) == zone
    absent = ProbeAnswers({"sudo": {"": {"path": None}}})
    assert promised.privileges(absent, CONTRACT).sudo == SudoFacts(None)


def file_facts(parts: list[object], count: object, *patterns: str) -> FileFacts:
    contract = promising(*(PathState("/g", matches=re.compile(pattern)) for pattern in patterns))
    answers = ProbeAnswers(
        {
            "details": {"/g": {"executable": True, "uid": 1, "target": "/x"}},
            "content": {"/g": count},
            **(
                {"content_part": {f"/g {number}": part for number, part in enumerate(parts)}} if parts else {}
            ),
        }
    )
    facts = promised.files(answers, contract)["/g"]
    assert isinstance(facts, FileFacts)
    return facts


def test_only_matching_lines_of_a_file_are_kept() -> None:
    assert file_facts(["x" * MOST_TEXT], 1, "y").lines == {"y": None}
    facts = file_facts(["a = 1\nb ", "= 2\n", "c = 3\n"], 3, "b = .")
    assert facts.lines == {"b = .": "b = 2"}
    assert (facts.executable, facts.uid, facts.target) == (True, 1, "/x")
    assert isinstance(facts.gid, Unseen)
    assert "c = 3" not in str(facts)


@pytest.mark.parametrize(
    ("parts", "count", "reason"),
    [
        (["x"], 2, "not read completely"),
        (["x" * (MOST_TEXT + 1)], 1, f"larger than {MOST_TEXT} bytes"),
        ([7], 1, "not read completely"),
        ([], 1, "not read completely"),
        ([], {"unseen": "the job cannot read /g"}, "cannot read /g"),
    ],
)
def test_file_that_was_not_read_is_a_reason(parts: list[object], count: object, reason: str) -> None:
    line = file_facts(parts, count, "x").lines["x"]
    assert isinstance(line, Unseen)
    assert reason in line.reason
