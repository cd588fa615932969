"""Packages, accounts and processes: asked for real in the shells that images have, and converted to facts."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.accounts import GroupAccount, UserAccount
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.errors import Location
from builder_contracts.facts.model import (
    AccountFacts,
    GroupEntryFacts,
    InstalledPackage,
    PackageFacts,
    Unseen,
    UserEntryFacts,
)
from builder_contracts.observe.inside import system_state
from builder_contracts.observe.inside.answers import ProbeAnswers
from tests.unit.observe.shells import Shell, program, shells

each_shell = pytest.mark.parametrize("shell", shells())

SPEC = """
Name: sample
Epoch: 1
Version: 1.2~rc1
Release: 3
Summary: A package for a test
License: none
BuildArch: noarch
%description
%files
"""


def promising(*promises: Promise) -> Contract:
    """A contract of these promises and nothing else."""
    place = Location("sample.yaml")
    clauses = tuple(
        Clause("sample", "any", str(number), promise, place) for number, promise in enumerate(promises)
    )
    return Contract("sample", "", "", (), "", place, "", clauses, {})


def asked(contract: Contract, shell: Shell, **options: object) -> ProbeAnswers:
    return shell.ask(*system_state.questions(contract), **options)  # type: ignore[arg-type]  # those of ask


# --- packages


@each_shell
def test_packages_of_dpkg(shell: Shell) -> None:
    contract = promising(PackagePromise("dpkg"), PackagePromise("no-such-package"), PackagePromise("bash"))
    facts = system_state.packages(asked(contract, shell), contract)
    query = shutil.which("dpkg-query")
    assert query is not None
    version = subprocess.run(
        [query, "-W", "-f", "${Version}", "bash"], capture_output=True, text=True, check=True
    ).stdout
    assert isinstance(facts, PackageFacts)
    assert facts.manager == "dpkg"
    assert facts.packages["bash"] == [InstalledPackage(version)]
    assert facts.packages["no-such-package"] == []
    assert len(facts.packages["dpkg"]) == 1


@each_shell
def test_states_of_dpkg(shell: Shell, tmp_path: Path) -> None:
    lines = [
        "a\t1.0\tinstall ok installed",
        "a\t2.0\tinstall ok installed",
        "b\t1\tdeinstall ok config-files",
    ]
    lines += [
        "c\t1\tinstall ok half-configured",
        "d\t\tunknown ok not-installed",
        "e\t1\thold ok triggers-pending",
    ]
    program(tmp_path, "dpkg-query", f"cat <<'END'\n{chr(10).join(lines)}\nEND\nexit 1")
    contract = promising(*(PackagePromise(name) for name in "abcde"))
    facts = system_state.packages(asked(contract, shell, path=f"{tmp_path}:/usr/bin:/bin"), contract)
    assert isinstance(facts, PackageFacts)
    assert facts.packages == {
        "a": [InstalledPackage("1.0"), InstalledPackage("2.0")],
        "b": [],
        "c": [InstalledPackage("1", "half-configured")],
        "d": [],
        "e": [InstalledPackage("1")],
    }


@each_shell
def test_dpkg_that_fails_is_a_reason(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "dpkg-query", "exit 2")
    contract = promising(PackagePromise("bash"))
    facts = system_state.packages(asked(contract, shell, path=f"{tmp_path}:/usr/bin:/bin"), contract)
    assert facts == Unseen("dpkg exited with status 2")
    facts = system_state.packages(asked(contract, shell, path="/nonexistent"), contract)
    assert isinstance(facts, Unseen)
    assert "lacks dpkg-query" in facts.reason


@each_shell
def test_packages_of_apk(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "installed").write_text(
        "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld\n\nP:zlib\nV:1.3-r2\n\n"
    )
    contract = promising(PackagePromise("musl"), PackagePromise("zlib"), PackagePromise("curl"))
    moved = {
        "/var/lib/dpkg/status": "/nonexistent",
        "/lib/apk/db/installed /usr": f"{tmp_path}/installed /usr",
    }
    facts = system_state.packages(asked(contract, shell, moved=moved), contract)
    assert facts == PackageFacts(
        "apk", {"musl": [InstalledPackage("1.2.5-r0")], "zlib": [InstalledPackage("1.3-r2")], "curl": []}
    )


@pytest.fixture(scope="module")
def rpm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose rpm has a database with one package, which rpm itself built and installed."""
    build, rpm = shutil.which("rpmbuild"), shutil.which("rpm")
    if build is None or rpm is None:
        pytest.skip("no rpm here: apt-get install rpm")
    home = tmp_path_factory.mktemp("rpm")
    (home / ".rpmmacros").write_text(f"%_dbpath {home}/db\n%_topdir {home}/build\n")
    (home / "sample.spec").write_text(SPEC)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    for command in (
        [build, "-bb", "--quiet", "sample.spec"],
        [rpm, "-i", "--justdb", "--nodeps", "build/RPMS/noarch/sample-1.2~rc1-3.noarch.rpm"],
    ):
        subprocess.run(command, cwd=home, env=environment, capture_output=True, check=True)
    return home


@each_shell
def test_packages_of_rpm(shell: Shell, rpm_home: Path) -> None:
    contract = promising(PackagePromise("sample"), PackagePromise("absent"), PackagePromise("missing"))
    moved = {"/var/lib/dpkg/status": "/nonexistent", "/var/lib/rpm": f"{rpm_home}/db"}
    environment = {"HOME": str(rpm_home)}
    facts = system_state.packages(asked(contract, shell, moved=moved, environment=environment), contract)
    assert facts == PackageFacts(
        "rpm", {"sample": [InstalledPackage("1:1.2~rc1-3")], "absent": [], "missing": []}
    )


@each_shell
@pytest.mark.usefixtures("rpm_home")
def test_database_that_rpm_cannot_open_is_a_reason(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "rpmdb.sqlite").write_text("no database")
    (tmp_path / ".rpmmacros").write_text(f"%_dbpath {tmp_path}\n%_db_backend sqlite\n")
    contract = promising(PackagePromise("sample"))
    moved = {"/var/lib/dpkg/status": "/nonexistent", "/var/lib/rpm": str(tmp_path)}
    environment = {"HOME": str(tmp_path)}
    facts = system_state.packages(asked(contract, shell, moved=moved, environment=environment), contract)
    assert isinstance(facts, Unseen)
    assert facts.reason.startswith("rpm exited with status")


@each_shell
def test_image_without_a_package_manager_is_a_reason(shell: Shell) -> None:
    contract = promising(PackagePromise("sample"))
    facts = system_state.packages(
        asked(
            contract, shell, moved={"/var/lib/dpkg/status": "/nonexistent", "/var/lib/rpm": "/nonexistent"}
        ),
        contract,
    )
    assert isinstance(facts, Unseen)
    assert "no database of dpkg, rpm or apk" in facts.reason


# --- accounts


@each_shell
def test_accounts_are_those_of_the_files(shell: Shell) -> None:
    names = ("root", "daemon", "games")
    contract = promising(
        *(UserAccount(name) for name in (*names, "nobody-of-this-name")),
        *(GroupAccount(name) for name in (*names, "no-group")),
    )
    facts = system_state.accounts(asked(contract, shell), contract)
    assert isinstance(facts, AccountFacts)
    for name in names:
        user, group = pwd.getpwnam(name), grp.getgrnam(name)
        groups = sorted(
            entry.gr_name for entry in grp.getgrall() if entry.gr_gid == user.pw_gid or name in entry.gr_mem
        )
        assert facts.users[name] == UserEntryFacts(
            user.pw_uid, user.pw_gid, user.pw_dir, user.pw_shell, groups
        )
        assert facts.groups[name] == GroupEntryFacts(group.gr_gid, sorted(group.gr_mem))
    assert facts.users["nobody-of-this-name"] is None
    assert facts.groups["no-group"] is None


@each_shell
def test_first_entry_counts_and_no_password_leaves(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(
        "ci:$6$hash:7:8:Full Name:/h:/s\n+::::::\nci:x:0:0::/:/bin/sh\nlast:x:9:8::/:/s"
    )
    (tmp_path / "group").write_text("ci:x:8:\nextra:$5$hash:9:last,ci\n")
    contract = promising(UserAccount("ci"), UserAccount("last"), GroupAccount("extra"))
    moved = {"/etc/passwd": f"{tmp_path}/passwd", "/etc/group": f"{tmp_path}/group"}
    answers = asked(contract, shell, moved=moved)
    assert system_state.accounts(answers, contract) == AccountFacts(
        {
            "ci": UserEntryFacts(7, 8, "/h", "/s", ["ci", "extra"]),
            "last": UserEntryFacts(9, 8, "/", "/s", ["ci", "extra"]),
        },
        {"extra": GroupEntryFacts(9, ["ci", "last"])},
    )
    assert "hash" not in str(answers.sections)


def test_entry_with_no_number_is_a_reason() -> None:
    contract = promising(UserAccount("ci"))
    answers = ProbeAnswers({"passwd": {"1": "ci:x1:8:/:/s"}, "complete": {"accounts": True}})
    assert system_state.accounts(answers, contract) == Unseen(
        "an entry of /etc/passwd or /etc/group is not valid"
    )


# --- processes


def await_name(pid: int, name: str) -> None:
    """Wait until a process that was just started has become its program."""
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}/comm").read_text() != f"{name}\n":
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """A script of another session that nobody here is the parent of."""
    name = f"agent-{os.getpid()}"[:15]
    script = program(tmp_path, name, "while :; do sleep 0.1; done")
    shell = shutil.which("sh")
    setsid = shutil.which("setsid")
    assert shell
    assert setsid
    started = subprocess.run(
        [setsid, shell, "-c", '"$1" "a  b" --once >/dev/null 2>&1 & echo $!', "sh", script],
        capture_output=True,
        check=True,
    )
    pid = int(started.stdout)
    await_name(pid, name)
    try:
        yield name
    finally:
        os.kill(pid, signal.SIGKILL)


@each_shell
def test_process_by_name_and_arguments(shell: Shell, agent: str) -> None:
    promises = [
        RunningProcess(agent),
        RunningProcess(agent, arguments=re.compile(r"a  b --once")),
        RunningProcess(agent, arguments=re.compile("--never")),
        RunningProcess("no-such-program"),
    ]
    contract = promising(*promises)
    facts = system_state.processes(asked(contract, shell), contract)
    assert [facts[promise.key] for promise in promises] == [["root"], ["root"], [], []]


@each_shell
def test_processes_of_the_harness_do_not_count(shell: Shell, tmp_path: Path) -> None:
    script = program(tmp_path, "harness-child", "while :; do sleep 0.1; done")
    contract = promising(RunningProcess("harness-child"))
    with subprocess.Popen([script]) as child:
        await_name(child.pid, "harness-child")
        facts = system_state.processes(asked(contract, shell), contract)
        child.kill()
    assert facts["harness-child"] == []


def test_execs_of_an_engine_do_not_count() -> None:
    listed = {
        "1": [0, 0, "job", ""],
        "5": [1, 7, "job", ""],
        "9": [0, 0, "job", ""],
        "10": [9, 0, "job", ""],
    }
    contract = promising(RunningProcess("job"))
    answers = ProbeAnswers(
        {
            "process": listed,
            "passwd": {"1": "root:0:0:/:/s"},
            "complete": {"processes": 0, "accounts": True},
        }
    )
    assert system_state.processes(answers, contract) == {"job": ["7", "root"]}


def test_processes_that_are_no_tree_end() -> None:
    contract = promising(RunningProcess("job"))
    listed = {"5": [6, 0, "job", ""], "6": [5, 0, "job", ""]}
    answers = ProbeAnswers({"process": listed, "complete": {"processes": 0, "accounts": True}})
    assert system_state.processes(answers, contract) == {"job": ["0", "0"]}


def test_pattern_that_never_ends_is_a_reason() -> None:
    promise = RunningProcess("job", arguments=re.compile("(a+)+$"))
    listed = {"1": [0, 0, "job", "a" * 60 + "b"]}
    answers = ProbeAnswers({"process": listed, "complete": {"processes": 0, "accounts": True}})
    facts = system_state.processes(answers, promising(promise))[promise.key]
    assert isinstance(facts, Unseen) or facts == []


@pytest.mark.parametrize("value", [["x"], None, {"a": 1}, [1, 2, 3]])
def test_answers_of_another_form_are_a_reason(value: object) -> None:
    contract = promising(RunningProcess("job"), PackagePromise("a"), UserAccount("a"))
    sections = {
        "process": {"1": value},
        "package": {"1": value},
        "passwd": {"1": value},
        "complete": {"processes": 0, "accounts": True, "packages": "dpkg"},
    }
    answers = ProbeAnswers(sections)
    assert isinstance(system_state.processes(answers, contract)["job"], Unseen)
    assert isinstance(system_state.packages(answers, contract), Unseen | PackageFacts)
    assert system_state.accounts(answers, contract) == AccountFacts({"a": None}, {})
