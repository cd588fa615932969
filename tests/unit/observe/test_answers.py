"""The probe's text to facts: untrusted, so anything may stand there and nothing may fail."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder_contracts.facts.model import (
    CONTRADICTION,
    AttemptFacts,
    ConnectionFacts,
    DaemonFacts,
    DaemonSettingsFacts,
    FeatureFacts,
    GroupFacts,
    IsolationFacts,
    KernelFacts,
    NixSettingFacts,
    PathFacts,
    ResourceFacts,
    ResponseFacts,
    ShellFacts,
    ToolFacts,
    Unseen,
    UserFacts,
    WorkFacts,
)
from builder_contracts.observe.inside import answers as read
from builder_contracts.observe.inside.answers import ProbeAnswers
from tests.unit.judge.observed import NOT_HERE

NAMES = st.sampled_from(
    ["xz", "/", "key", "", "unseen", "v1.quota", "v1.period", "v2.cpu", "bounding", "mount"]
)
SECTIONS = st.sampled_from(
    "identity env path tools features paths shells connect resolve daemon isolation network cgroup end".split()
)
FIELDS = st.sampled_from(
    ["uid", "path", "status", "output", "type", "mode", "free", "unseen", "worked", "xz"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("100 0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)
LINES = st.lists(st.tuples(SECTIONS, NAMES, JSON), max_size=12).map(
    lambda lines: "\n".join(json.dumps(line) for line in lines).encode()
)


NONCE = "c0ffee"


def parse(output: bytes, ended: str) -> ProbeAnswers:
    """The answers in lines that all carry the nonce."""
    lines = (b"%b %b" % (NONCE.encode(), line) for line in output.split(b"\n"))
    return read.parse(b"\n".join(lines), ended, nonce=NONCE)


def everything(answers: ProbeAnswers) -> list[Any]:
    """Every fact that can be asked of the answers."""
    return [
        read.identity(answers),
        read.environment(answers),
        read.tool(answers, "xz", ["xz", "unseen"]),
        read.path(answers, "/"),
        read.shell(answers, "xz"),
        read.connection(answers, "key"),
        read.resolution(answers, "xz"),
        read.daemon(answers, Unseen("not started here")),
        read.isolation(answers, Unseen("no engine here")),
        read.isolation(answers, False),
        read.default_routes(answers),
        read.resources(answers),
    ]


@given(st.binary(max_size=400), st.text(max_size=20))
def test_arbitrary_bytes_never_fail(output: bytes, ended: str) -> None:
    assert everything(parse(output, ended))


@given(LINES, st.text(max_size=20))
@example(b'["features", "xz", null]\n["features", "xz", {}]', "")
def test_answers_of_any_shape_never_fail(output: bytes, ended: str) -> None:
    for fact in everything(parse(output, ended)):
        # A fact can be reported: it is text of whole characters.
        assert repr(fact).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'["identity","",{"uid":Infinity,"gid":0,"user":"x","home":"","home_exists":1,"home_writable":1}]',
        b'["cgroup","v2.cpu","100 0"]',
        b'["cgroup","v2.cpu","max"]\n["cgroup","v2.memory",1e400]',
        b'["paths","/",{"type":"file","symlink":0,"writable":0,"mode":"999","owner":"x","free":[1,2]}]',
        b'["isolation","bounding",' + b"9" * 5000 + b"]",
        b'["env","",' + b'"' + b"a='" * 1000 + b'"]',
        b"null",
        b"[1,2,3]",
        b'["tools",null,{}]',
    ],
)
def test_hostile_lines_are_passed_over(line: bytes) -> None:
    answers = parse(line + b'\n["path","","/bin"]\n', "")
    assert everything(answers)
    assert answers.read("path", "", str) == "/bin"


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("line", "read_fact"),
    [
        (
            f'["identity","",{{"uid":{HUGE},"gid":0,"user":"x","home":"","home_exists":1,"home_writable":1}}]',
            read.identity,
        ),
        (
            f'["tools","xz",{{"path":"/bin/xz","status":{HUGE},"output":""}}]',
            lambda answers: read.tool(answers, "xz", []),
        ),
        (f'["cgroup","v2.cpu","{HUGE} 1"]', lambda answers: read.resources(answers).cpu),
        (f'["cgroup","v2.memory","{HUGE}"]', lambda answers: read.resources(answers).memory),
        (f'["cgroup","v2.weight","{HUGE}"]', lambda answers: read.resources(answers).cpu_weight),
        (f'["cgroup","v1.pids","-{HUGE}"]', lambda answers: read.resources(answers).pids),
        (
            f'["cgroup","v1.quota","{HUGE}"]\n["cgroup","v1.period","1"]',
            lambda answers: read.resources(answers).cpu,
        ),
        (f'["isolation","bounding","{HUGE}"]', lambda answers: read.isolation(answers, False).bounding),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_number_beyond_the_kernels_is_unseen(line: str, read_fact: Callable[[ProbeAnswers], Any]) -> None:
    answers = parse(line.encode() + b'\n["path","","/bin"]\n', "")

    fact = read_fact(answers)

    if isinstance(fact, ToolFacts):
        fact = fact.status
    assert isinstance(fact, Unseen)
    assert "invalid probe output" in fact.reason
    assert len(fact.reason) < 150
    assert answers.read("path", "", str) == "/bin"


def test_half_a_character_never_becomes_a_fact() -> None:
    output = b'["env","","export A=\'\\ud800\'"]\n["path","","/bin\\ud83d\\ude00"]\n'
    answers = parse(output, "")
    assert isinstance(read.environment(answers), Unseen)
    assert answers.read("path", "", str) == "/bin\U0001f600"
    literal = parse(json.dumps(["path", "", r"C:\ud800"]).encode(), "")
    assert literal.read("path", "", str) == r"C:\ud800"


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_a_newline_ends_a_line(character: str) -> None:
    output = json.dumps(["path", "", f"a{character}b"], ensure_ascii=False).encode()
    assert parse(output, "").read("path", "", str) == f"a{character}b"


def test_line_without_the_nonce_is_no_answer() -> None:
    output = b'["path","","/forged"]\nother ["path","","/forged"]\nc0ffee ["path","","/bin"]\n'

    assert read.parse(output, "", nonce=NONCE).read("path", "", str) == "/bin"


@pytest.mark.parametrize("second", ["/forged", "/bin"])
def test_two_answers_to_one_question_are_none(second: str) -> None:
    lines = [["path", "", "/bin"], ["paths", "/", {"type": None}], ["path", "", second]]
    answers = parse("\n".join(map(json.dumps, lines)).encode(), "")

    fact = answers.read("path", "", str)

    assert fact == Unseen(f'{CONTRADICTION}: "/bin" and "{second}"')
    assert read.path(answers, "/") == PathFacts(None)


def test_two_answers_about_a_feature_cost_that_feature() -> None:
    lines = [
        ["tools", "nix", {"path": "/bin/nix"}],
        ["features", "nix", {"flakes": {"status": 1, "output": ""}}],
        ["features", "nix", {"fetch": {"status": 0, "output": ""}}],
        ["features", "nix", {"flakes": {"status": 0, "output": ""}}],
    ]
    tool = read.tool(parse("\n".join(map(json.dumps, lines)).encode(), ""), "nix", ["flakes", "fetch"])

    assert isinstance(tool, ToolFacts)
    assert isinstance(flakes := tool.features["flakes"], Unseen)
    assert flakes.reason.startswith(CONTRADICTION)
    assert tool.features["fetch"] == FeatureFacts(0, "")


def test_environment_between_its_marks_is_read_as_it_is() -> None:
    output = b'c0ffee raw env\nexport A=\'x\n["path"]\'\nc0ffee end of raw\nc0ffee ["path","","/bin"]\n'
    answers = read.parse(output, "", nonce=NONCE)

    assert read.environment(answers) == {"A": 'x\n["path"]'}
    assert answers.read("path", "", str) == "/bin"


def test_environment_of_the_kernel_goes_before_the_shells() -> None:
    output = b"c0ffee raw environ\n%b\nc0ffee end of raw\nc0ffee raw env\nexport B=2\nc0ffee end of raw\n"

    assert read.environment(read.parse(output % b"A=1\n=\0a-b=\0C\0", "", nonce=NONCE)) == {
        "A": "1\n=",
        "a-b": "",
    }
    assert read.environment(read.parse(output % b"", "", nonce=NONCE)) == {"B": "2"}


@pytest.mark.parametrize("text", ["env\nexport A='x'", "environ\nA=x"])
def test_environment_without_its_end_is_not_observed(text: str) -> None:
    answers = read.parse(f"c0ffee raw {text}\n".encode(), "no exit within 5 s", nonce=NONCE)

    assert read.environment(answers) == Unseen("no exit within 5 s")


def test_environment_of_a_megabyte_is_parsed_whole() -> None:
    variables = {f"V{index}": "x\n'\"" * 20_000 for index in range(12)}
    text = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    output = b"c0ffee raw env\n%b\nc0ffee end of raw\n" % text.encode()

    assert read.environment(read.parse(output, "", nonce=NONCE)) == variables


def test_missing_answer_has_a_reason() -> None:
    assert parse(b"", "the container died").read("path", "", str) == Unseen("the container died")
    assert parse(b"", "").read("path", "", str) == Unseen("the observation ended early")
    whole = parse(b'["end","","complete"]', "")
    assert whole.read("path", "", str) == Unseen("the probe could not observe it in this runner")
    assert parse(b'["path","",{"unseen":"no way"}]', "").read("path", "", str) == Unseen("no way")


def test_invalid_answer_is_unseen_and_quoted_shortened() -> None:
    output = json.dumps(["paths", "/", {"nonsense": "x" * 1000}]).encode()
    fact = read.path(parse(output, ""), "/")
    assert isinstance(fact, Unseen)
    assert fact.reason.startswith("invalid probe output: ")
    assert len(fact.reason) < 150


def test_a_feature_called_unseen_is_a_feature() -> None:
    lines = [
        ["tools", "xz", {"path": "/bin/xz"}],
        ["features", "xz", {"unseen": {"status": 0, "output": "1"}}],
    ]
    tool = read.tool(parse("\n".join(map(json.dumps, lines)).encode(), ""), "xz", ["unseen"])
    assert not isinstance(tool, Unseen)
    assert not isinstance(tool.features["unseen"], Unseen)


def test_a_printed_placeholder_is_no_number_of_the_run() -> None:
    work = {"nonce": "10293847", "step": 1, "status": 0, "output": "a {nonce}", "errors": "b 10293847"}
    lines = [["tools", "jq", {"path": "/bin/jq"}], ["work", "jq", work]]
    tool = read.tool(parse("\n".join(map(json.dumps, lines)).encode(), ""), "jq", [], works=True)
    assert isinstance(tool, ToolFacts)
    assert tool.work == WorkFacts(1, 0, "a {no nonce}", "b {nonce}")


@pytest.mark.parametrize(
    ("exported", "variables"),
    [
        ("export A='b'\nexport C='it'\"'\"'s'", {"A": "b", "C": "it's"}),
        (r"export A='\$x \n \\'", {"A": r"\$x \n \\"}),
        (r'declare -x A="\$x \`y\` \"z\" \\ \a"', {"A": r'$x `y` "z" \ \a'}),
        (
            r"declare -x A=$'a\nb\tc\'d\\e\E[m\001\303\274\x41\u00e9\U0001f600\q'",
            {"A": "a\nb\tc'd\\e\x1b[m\x01üAé😀q"},
        ),
        (r"export A=$'\u[e9]\M-C\M-<\C-A\C-?\M-C\M-\C-@'", {"A": "éü\x01\x7fÀ"}),
        ("export A='line\nbreak'\nexport B=''", {"A": "line\nbreak", "B": ""}),
        ("export UNSET\nexport A=1", {"A": "1"}),
        ("declare -x BASH_FUNC_f%%='() {  :\n}'\ndeclare -x A=\"1\"", {"A": "1"}),
        ("export A='a=b' B=plain", {"A": "a=b", "B": "plain"}),
        (r"export A=a\ b\\", {"A": "a b\\"}),
        ('declare -x A="a\\\nb"', {"A": "ab"}),
        (r"export A=$'\xff\ud800'", {"A": "\ufffd?"}),
        ("", {}),
    ],
)
def test_exported_variables_in_every_shell_quoting(exported: str, variables: dict[str, str]) -> None:
    assert read.environment(parse(json.dumps(["env", "", exported]).encode(), "")) == variables


@pytest.mark.parametrize(
    "exported", ["export A='b", 'export A="b', "export A='b'\nexport C=\"", r"declare -x A=$'\U99999999'"]
)
def test_environment_cut_inside_quotes_is_unseen(exported: str) -> None:
    assert isinstance(read.environment(parse(json.dumps(["env", "", exported]).encode(), "")), Unseen)


TOOL = {"path": "/bin/xz", "status": "1", "output": "5.6"}
WORK = {"nonce": "10293847", "step": "1", "status": "2", "output": "a", "errors": "b"}
FEATURES = {"xz": {"lzma": {"status": "3", "output": "no"}}}
USER = {"uid": "1001", "gid": "1002", "user": "ci", "home": "/h", "home_exists": 1, "home_writable": 0}
HUNG = {"unseen": "hung"}
PLACE = {"type": "file", "symlink": 1, "writable": 0, "mode": "755", "owner": "ci", "free": ["4096", 10]}
SETTINGS = {"driver": "overlay2", "insecure": "b a b", "mtu": "1450", "networks": "host bridge host"}
LOOPBACK = f"{int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder):08X}"
NEVER = Unseen("the probe could not observe it in this runner")

ANSWERED: dict[str, tuple[dict[str, Any], Callable[[ProbeAnswers], Any], Any]] = {
    "user": ({"identity": {"": USER}}, read.identity, UserFacts(1001, 1002, "ci", "/h", True, False)),
    "user without a name": ({"identity": {"": {**USER, "user": HUNG, "home_exists": 0, "home_writable": 1}}}, read.identity, UserFacts(1001, 1002, Unseen("hung"), "/h", False, True)),
    "groups": ({"groups": {"": [["7", "ci"], [8, 9]]}}, read.groups, [GroupFacts(7, "ci"), GroupFacts(8, "9")]),
    "variables by name": ({"env": {"": {"A": 1}}}, read.environment, {"A": "1"}),
    "tool": ({"tools": {"xz": TOOL}, "work": {"xz": WORK}, "features": FEATURES}, lambda answers: read.tool(answers, "xz", ["lzma"], works=True), ToolFacts("/bin/xz", 1, "5.6", WorkFacts(1, 2, "a", "b"), {"lzma": FeatureFacts(3, "no")})),
    "tool that need not work": ({"tools": {"xz": TOOL}, "work": {"xz": WORK}}, lambda answers: read.tool(answers, "xz", []), ToolFacts("/bin/xz", 1, "5.6")),
    "tool that hangs": ({"tools": {"xz": {**TOOL, "status": HUNG, "output": HUNG}}}, lambda answers: read.tool(answers, "xz", []), ToolFacts("/bin/xz", Unseen("hung"), Unseen("hung"))),
    "tool that nobody runs": ({"tools": {"xz": {"path": "/bin/xz"}}}, lambda answers: read.tool(replace(answers, missing=NOT_HERE), "xz", []), ToolFacts("/bin/xz", Unseen("its version was not observed", provable_here=False), Unseen("its version was not observed", provable_here=False))),
    "no tool": ({"tools": {"xz": {"path": None}}}, lambda answers: read.tool(answers, "xz", []), ToolFacts(None)),
    "path": ({"paths": {"/a": PLACE}}, lambda answers: read.path(answers, "/a"), PathFacts("file", True, False, 0o755, "ci", 40960)),
    "path without stat": ({"paths": {"/a": {**PLACE, "symlink": 0, "writable": 1, "mode": HUNG, "owner": HUNG, "free": HUNG}}}, lambda answers: read.path(answers, "/a"), PathFacts("file", False, True, Unseen("hung"), Unseen("hung"), Unseen("hung"))),
    "no path": ({"paths": {"/a": {"type": None}}}, lambda answers: read.path(answers, "/a"), PathFacts(None)),
    "shell": ({"shells": {"bash": {"runs": 1}}}, lambda answers: read.shell(answers, "bash"), ShellFacts(True, "")),
    "shell that fails": ({"shells": {"bash": {"runs": 0, "reason": "no"}}}, lambda answers: read.shell(answers, "bash"), ShellFacts(False, "no")),
    "connection": ({"connect": {"a:80": {"outcome": "refused", "output": "no"}}}, lambda answers: read.connection(answers, "a:80"), ConnectionFacts("refused", "no")),
    "resolution": ({"resolve": {"a": ["::1", 7]}}, lambda answers: read.resolution(answers, "a"), ["::1", "7"]),
    "daemon": ({"daemon": {"": {"reachable": 1, "how": "docker", "id": "ID", "version": "28"}}}, lambda answers: read.daemon(answers, 1.5), DaemonFacts(True, "docker", "ID", "28", 1.5)),
    "no daemon": ({"daemon": {"": {"reachable": 0, "how": "no"}}}, lambda answers: read.daemon(answers, 1.5), DaemonFacts(False, "no", "", "", 1.5)),
    "daemon settings": ({"daemon_settings": {"": SETTINGS}}, read.daemon_settings, DaemonSettingsFacts("overlay2", ["a", "b"], 1450, ["bridge", "host"])),
    "daemon without a bridge": ({"daemon_settings": {"": {**SETTINGS, "mtu": ""}}}, read.daemon_settings, DaemonSettingsFacts("overlay2", ["a", "b"], Unseen("the daemon has no network called bridge"), ["bridge", "host"])),
    "isolation": ({"isolation": {"bounding": "1f", "no_new_privileges": "0", "seccomp": "2", "sockets": ["/a"], "mount": {"worked": 1, "output": "m"}, "unshare": {"worked": 0, "output": "u"}}}, lambda answers: read.isolation(answers, False), IsolationFacts(0x1F, False, 2, False, ["/a"], AttemptFacts(True, "m"), AttemptFacts(False, "u"))),
    "no new privileges": ({"isolation": {"no_new_privileges": "1"}}, lambda answers: read.isolation(answers, NOT_HERE).no_new_privileges, True),
    "privileged by sysfs alone": ({"isolation": {"sysfs": "rw"}}, lambda answers: read.isolation(answers, NOT_HERE).privileged, True),
    "kernel": ({"kernel": {"groups": ["7"], "effective": "1f", "limits": {"files": [1, "2"]}, "mounts": {"/": "ext4 rw"}, "namespaces": {"net": 7}, "unix_sockets": ["/a"]}}, read.kernel, KernelFacts([7], 0x1F, {"files": ["1", "2"]}, {"/": "ext4 rw"}, {"net": "7"}, ["/a"])),
    "ports": ({"listening": {"tcp": [f"{LOOPBACK}:0016", "02020202:0016", "0" * 32 + ":0050"], "udp": ["02020202:0035"]}}, read.ports, {"22/tcp": ["127.0.0.1", "2.2.2.2"], "53/udp": ["2.2.2.2"], "80/tcp": ["::"]}),
    "ports of one protocol": ({"listening": {"tcp": []}}, read.ports, NEVER),
    "setting of Nix": ({"nix": {"sandbox": {"value": "true", "source": "/etc"}}}, lambda answers: read.nix_setting(answers, "sandbox"), NixSettingFacts("true", "/etc")),
    "no setting of Nix": ({"nix": {"sandbox": {"value": None, "source": ""}}}, lambda answers: read.nix_setting(answers, "sandbox"), NixSettingFacts(None, "")),
    "response": ({"request": {"http://a": {"outcome": "answered", "status": "200", "output": "ok"}}}, lambda answers: read.response(answers, "http://a"), ResponseFacts("answered", 200, "ok")),
    "routes": ({"network": {"routes": ["eth1", "eth0", "eth1"]}}, read.default_routes, ["eth0", "eth1"]),
}  # fmt: skip


@pytest.mark.parametrize(("sections", "read_fact", "fact"), ANSWERED.values(), ids=ANSWERED)
def test_an_answer_becomes_its_fact(
    sections: dict[str, Any], read_fact: Callable[[ProbeAnswers], Any], fact: Any
) -> None:
    assert read_fact(ProbeAnswers(sections)) == fact


def test_the_first_of_two_parts_of_an_observation_counts() -> None:
    later = ProbeAnswers(
        {"features": {"xz": {"a": 2, "b": 3}, "jq": 4}, "paths": {"/": {"u": 2}, "/b": 3}, "env": {"": "x"}},
        "later",
    )
    before = replace(later, sections={name: dict(answers) for name, answers in later.sections.items()})
    first = ProbeAnswers(
        {
            "features": {"xz": {"a": 1}, "jq": {"c": 1}, "nix": {"d": 1}},
            "paths": {"/": {"t": 1}},
            "path": {"": "/bin"},
        },
        "",
        NOT_HERE,
    )
    assert first.followed_by(later) == ProbeAnswers(
        {
            "features": {"xz": {"a": 1, "b": 3}, "jq": {"c": 1}, "nix": {"d": 1}},
            "paths": {"/": {"t": 1}, "/b": 3},
            "env": {"": "x"},
            "path": {"": "/bin"},
        },
        "later",
        NOT_HERE,
    )
    assert later == before


@pytest.mark.parametrize("line", [b'["path",7,"/bin"]', b'[7,"","/bin"]'])
def test_an_answer_to_no_question_is_passed_over(line: bytes) -> None:
    assert parse(line, "").sections == {}


def test_broken_bytes_are_marked() -> None:
    output = b'c0ffee raw environ\nA=\xff\0\nc0ffee end of raw\nc0ffee ["path","","/\xff"]\n'
    answers = read.parse(output, "", nonce=NONCE)
    assert read.environment(answers) == {"A": "\ufffd"}
    assert answers.read("path", "", str) == "/\ufffd"


def cgroup(**files: str) -> ResourceFacts:
    lines = [json.dumps(["cgroup", name.replace("_", ".", 1), text]) for name, text in files.items()]
    return read.resources(parse("\n".join(lines).encode(), ""))


def test_limits_of_cgroup_v1() -> None:
    fact = cgroup(
        v1_quota="150000",
        v1_period="100000",
        v1_memory="536870912",
        v1_memory_reserved="9223372036854771712",
        v1_pids="100",
        v1_shares="512",
    )
    assert (fact.cpu, fact.memory, fact.memory_reserved, fact.pids) == (1500, 2**29, None, 100)
    assert fact.cpu_shares == 512
    assert isinstance(fact.cpu_weight, Unseen)


def test_no_limits_of_cgroup_v1() -> None:
    fact = cgroup(v1_quota="-1", v1_period="100000", v1_memory="9223372036854771712", v1_pids="max")
    assert (fact.cpu, fact.memory, fact.pids) == (None, None, None)


def test_limits_of_cgroup_v2() -> None:
    fact = cgroup(
        v2_cpu="150000 100000", v2_memory="536870912", v2_memory_reserved="0", v2_pids="100", v2_weight="20"
    )
    assert (fact.cpu, fact.memory, fact.memory_reserved, fact.pids) == (1500, 2**29, None, 100)
    assert fact.cpu_weight == 20


def test_no_limits_of_cgroup_v2() -> None:
    fact = cgroup(v2_cpu="max 100000", v2_memory="max", v2_pids="max")
    assert (fact.cpu, fact.memory, fact.pids) == (None, None, None)


def test_a_missing_controller_is_not_seen() -> None:
    fact = cgroup(v1_memory="536870912")
    assert isinstance(fact.cpu, Unseen)
    assert isinstance(fact.pids, Unseen)
    assert cgroup(v1_quota="1").cpu == Unseen("no cpu cgroup controller is visible")
    assert cgroup(v1_quota="x", v1_period="1").cpu == Unseen('invalid probe output: "x"')


@pytest.mark.parametrize(
    ("quota", "period", "cpu"), [("0", "100000", None), ("1", "1000", 1), ("5", "0", None), ("5", "1", 5000)]
)
def test_only_a_quota_and_a_period_make_a_limit(quota: str, period: str, cpu: int | None) -> None:
    assert cgroup(v1_quota=quota, v1_period=period).cpu == cpu


def test_numbers_at_the_edge_of_the_kernels() -> None:
    assert cgroup(v2_memory=str(2**64 - 1), v2_memory_reserved="1024").memory == 2**64 - 1
    assert cgroup(v2_cpu="max", v2_memory_reserved="1024").memory_reserved == 1024
    assert cgroup(v2_cpu="max").cpu is None
    assert cgroup(v1_memory=str(2**60)).memory is None
    assert cgroup(v1_memory=str(2**60 - 1)).memory == 2**60 - 1


@pytest.mark.parametrize(
    ("engine", "sysfs", "mask", "privileged"),
    [
        (True, "ro", 0, True),
        (False, "rw", -1, False),
        (None, "rw", 1 << 21, True),
        (None, "rw", 0, False),
        (None, "ro", 1 << 21, False),
    ],
)
def test_privileged_from_engine_or_else_from_kernel(
    engine: bool | None, sysfs: str, mask: int, privileged: bool
) -> None:
    lines = [["isolation", "sysfs", sysfs], ["isolation", "bounding", f"{mask:016x}"]]
    answers = parse("\n".join(map(json.dumps, lines)).encode(), "")
    assert read.isolation(answers, Unseen("no engine") if engine is None else engine).privileged is privileged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("export V=\u00a0", "\u00a0"),  # mksh
        ("export V=$'\\M-B\\M- '", "\u00a0"),  # zsh
        ("export V=$'\\x[1f]0'", "\x1f0"),  # ksh
    ],
)
def test_values_of_odd_characters_are_read_as_they_are(text: str, value: str) -> None:
    assert read.exports(text) == {"V": value}
