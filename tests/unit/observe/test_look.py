"""The outside witness's program: paths that never leave the runner's root, and a process that is not ours."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.observe.outside import look

UID = 1001


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A directory as /proc has it for a process of uid 1001 whose root is the directory 'root' in it."""
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "home").mkdir()
    (tmp_path / "root" / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nci:x:1001:1001::/home:/bin/sh\n"
    )
    (tmp_path / "ns").mkdir()
    (tmp_path / "ns" / "user").symlink_to(Path("/proc/self/ns/user").readlink())
    (tmp_path / "net").mkdir()
    (tmp_path / "cwd").symlink_to("/home")
    (tmp_path / "status").write_text(
        f"Name:\tsh\nUid:\t{UID}\t{UID}\t{UID}\t{UID}\nGid:\t100\t100\t100\t100\nGroups:\t100 200\n"
        "CapEff:\t0000000000000000\nCapBnd:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\nUmask:\t0027\n"
    )
    (tmp_path / "comm").write_text("sh\n")
    (tmp_path / "environ").write_bytes(b"HOME=/home\0PATH=/bin:/opt:\0with-a.dot=x\0BAD=\xff\0")
    (tmp_path / "mountinfo").write_text(
        "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /sys/fs/cgroup ro - cgroup2 none rw\n"
    )
    (tmp_path / "mounts").write_text("none /sys sysfs ro,nosuid 0 0\n")
    (tmp_path / "cgroup").write_text("0::/docker/abc\n")
    (tmp_path / "limits").write_text(f"{'Limit':26}Soft\n{'Max open files':26}1024  4096  files\n")
    (tmp_path / "net" / "route").write_text(
        "Iface Destination Gateway Flags RefCnt Use Metric Mask\n"
        "eth0 00000000 010011AC 0003 0 0 0 00000000\neth1 000011AC 00000000 0001 0 0 0 0000FFFF\n"
    )
    (tmp_path / "net" / "unix").write_text(
        "Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 00010000 1 1 77 /run/docker.sock\n"
    )
    (tmp_path / "net" / "tcp").write_text(
        "sl local\n0: 00000000:0947 00000000:0000 0A\n1: 0100007F:0050 0 01\n"
    )
    (tmp_path / "net" / "udp").write_text(
        "sl local\n0: 0100007F:0035 00000000:0000 07\n1: 0100007F:0036 0100007F:0035 01\n"
    )
    (tmp_path / "net" / "tcp6").write_text(f"sl local\n0: {'0' * 24}01000000:1F90 {'0' * 32}:0000 0A\n")
    return tmp_path


def answers(proc: Path, *questions: Sequence[str]) -> dict[tuple[str, str], Any]:
    lines = list(look.look(str(proc), ["\x1f".join(words) for words in questions]))
    assert lines[-1] == ("end", "", "complete")
    return {(section, key): value for section, key, value in lines}


def test_listening_sockets_are_those_the_kernel_lists(proc: Path) -> None:
    seen = answers(proc, ("listening",))
    assert seen["listening", "tcp"] == ["00000000:0947", f"{'0' * 24}01000000:1F90"]
    assert seen["listening", "udp"] == ["0100007F:0035"]


def test_shared_memory_below_the_root_is_measured(proc: Path) -> None:
    assert "unseen" in answers(proc, ("shared_memory",))["shared_memory", ""]
    (proc / "root" / "dev" / "shm").mkdir(parents=True)
    (proc / "root" / "dev" / "shm").chmod(0o1777)
    seen = answers(proc, ("shared_memory",))["shared_memory", ""]
    space = os.statvfs(proc)
    assert seen == {"size": [space.f_blocks, space.f_frsize], "writable": True}


def test_process_is_read_from_the_kernels_files(proc: Path) -> None:
    seen = answers(proc)

    assert seen["identity", ""]["user"] == "ci"
    assert (seen["identity", ""]["uid"], seen["identity", ""]["gid"]) == (UID, 100)
    assert seen["env", ""] == {"HOME": "/home", "PATH": "/bin:/opt:", "with-a.dot": "x", "BAD": "\ufffd"}
    assert seen["isolation", "bounding"] == "0000000000000400"
    assert (seen["isolation", "no_new_privileges"], seen["isolation", "seccomp"]) == (1, 2)
    assert seen["isolation", "sysfs"] == "ro"
    assert seen["network", "routes"] == ["eth0"]
    assert seen["kernel", "groups"] == [100, 200]
    assert seen["kernel", "limits"] == {"Max open files": ["1024", "4096"]}
    assert seen["umask", ""] == "0027"
    assert seen["limits", ""].startswith("Limit")
    assert seen["kernel", "unix_sockets"] == ["/run/docker.sock"]
    assert seen["kernel", "mounts"]["/"] == "overlay rw"


@pytest.mark.parametrize(
    "target",
    ["/secret", "../../../../../../secret", "/../secret", "/home/up/secret"],
    ids=["absolute", "relative", "above the root", "through a link"],
)
def test_link_never_leads_out_of_the_root(proc: Path, target: str) -> None:
    (proc / "secret").write_text("of the host")
    (proc / "root" / "home" / "up").symlink_to("../..")
    (proc / "root" / "home" / "link").symlink_to(target)

    seen = answers(proc, ("path", "/home/link"))["paths", "/home/link"]

    assert (seen["type"], seen["symlink"]) == ("symlink", True)
    (proc / "root" / "secret").mkdir()
    assert answers(proc, ("path", "/home/link"))["paths", "/home/link"]["type"] == "directory"


def test_link_to_the_hosts_users_is_read_in_the_root(proc: Path) -> None:
    (proc / "root" / "etc" / "passwd").unlink()
    (proc / "root" / "etc" / "passwd").symlink_to("/etc/shadow")

    assert "no entry for uid 1001" in answers(proc)["identity", ""]["user"]["unseen"]


def test_type_mode_and_owner_of_paths(proc: Path) -> None:
    home = proc / "root" / "home"
    (home / "file").write_text("")
    (home / "file").chmod(0o640)
    os.chown(home / "file", UID, 100)
    (home / "loop").symlink_to("loop")
    os.mkfifo(home / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "socket"))
    names = ("file", "loop", "fifo", "socket", "nothing", "file/below")

    seen = answers(proc, *(("path", f"/home/{name}") for name in names))

    file = seen["paths", "/home/file"]
    assert (file["type"], file["mode"], file["owner"], file["writable"]) == ("file", "640", "ci", True)
    assert [seen["paths", f"/home/{name}"]["type"] for name in names[1:]] == [
        "symlink",
        "fifo",
        "socket",
        None,
        None,
    ]


def test_fifo_as_passwd_does_not_block(proc: Path) -> None:
    (proc / "root" / "etc" / "passwd").unlink()
    os.mkfifo(proc / "root" / "etc" / "passwd")

    assert answers(proc)["identity", ""]["uid"] == UID


@pytest.mark.parametrize(
    ("mode", "owner", "group", "writable"),
    [
        (0o200, UID, 0, True),
        (0o577, UID, 0, False),
        (0o020, 0, 200, True),
        (0o002, 0, 0, True),
        (0o755, 0, 0, False),
    ],
)
def test_mode_bits_decide_who_may_write(
    proc: Path, mode: int, owner: int, group: int, writable: bool
) -> None:
    path = proc / "root" / "home" / "file"
    path.write_text("")
    os.chown(path, owner, group)
    path.chmod(mode)

    assert answers(proc, ("path", "/home/file"))["paths", "/home/file"]["writable"] is writable


def test_tool_is_executable_and_reachable_on_path(proc: Path) -> None:
    for folder, name, mode in (
        ("bin", "tool", 0o644),
        ("opt", "tool", 0o755),
        ("opt", "mine", 0o700),
        ("home", "local", 0o755),
    ):
        (proc / "root" / folder).mkdir(exist_ok=True)
        (proc / "root" / folder / name).write_text("")
        (proc / "root" / folder / name).chmod(mode)

    seen = answers(proc, ("tool", "tool"), ("tool", "mine"), ("tool", "local"), ("tool", "absent"))

    assert seen["tools", "tool"] == {"path": "/opt/tool"}
    assert seen["tools", "mine"] == {"path": None}
    assert seen["tools", "local"] == {"path": "./local"}
    assert seen["tools", "absent"] == {"path": None}
    (proc / "root" / "opt").chmod(0o700)
    assert answers(proc, ("tool", "tool"))["tools", "tool"] == {"path": None}


def test_only_the_absence_of_a_shell_is_an_answer(proc: Path) -> None:
    (proc / "root" / "bin").mkdir()
    (proc / "root" / "bin" / "sh").write_text("")
    (proc / "root" / "bin" / "sh").chmod(0o755)

    seen = answers(proc, ("shell", "/bin/sh"), ("shell", "/bin/zsh"))

    assert ("shells", "/bin/sh") not in seen
    assert seen["shells", "/bin/zsh"] == {"runs": False, "reason": "missing or not executable"}


def test_control_files_of_the_image_are_not_the_kernels(proc: Path) -> None:
    control = proc / "root" / "sys" / "fs" / "cgroup"
    control.mkdir(parents=True)
    (control / "pids.max").write_text("77\n")
    assert answers(proc)["cgroup", "v2.pids"] == "77"

    (proc / "mountinfo").write_text("1 0 0:1 / / rw - overlay overlay rw\n")

    assert ("cgroup", "v2.pids") not in answers(proc)


def test_process_that_cannot_be_read_is_a_reason() -> None:
    completed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", look.program(), "/proc/nobody", "nonce"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert completed.returncode == 1
    assert completed.stderr.startswith("cannot read /proc/nobody: ")
    assert completed.stdout == ""


def test_process_of_the_runtime_is_waited_for(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (proc / "comm").write_text("runc:[2:INIT]\n")
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            (proc / "comm").write_text("sh\n")

    monkeypatch.setattr("time.sleep", nap)

    assert answers(proc)["identity", ""]["uid"] == UID
    assert len(naps) == 3


def test_process_that_stays_the_runtimes_is_a_reason(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (proc / "comm").write_text("runc:[2:INIT]\n")
    monkeypatch.setattr("time.sleep", lambda _: None)

    with pytest.raises(OSError, match=r"still runc:\[2:INIT\], the engine's own"):
        answers(proc)


def test_program_prints_answers_with_the_nonce() -> None:
    completed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", look.program(), "/proc/self", "nonce", "path\x1f/"],
        capture_output=True,
        text=True,
        check=True,
    )

    lines = completed.stdout.splitlines()
    assert all(line.startswith("nonce [") for line in lines)
    assert json.loads(lines[-1].removeprefix("nonce ")) == ["end", "", "complete"]


def test_program_imports_the_standard_library_alone() -> None:
    modules = set(re.findall(r"^(?:from|import) (\w+)", look.program(), re.MULTILINE))

    assert modules <= set(sys.stdlib_module_names)


STATUS = """Package: openssl
Status: install ok installed
Version: 3.0.15-1~deb12u1
Description: a toolkit
 Package: of-the-description

Package: gone
Status: deinstall ok config-files
Version: 1

Package: torn
Version: 2
Status: install ok half-installed
"""


def write(proc: Path, path: str, text: str) -> None:
    file = proc / "root" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_packages_of_dpkgs_file(proc: Path) -> None:
    write(proc, "var/lib/dpkg/status", STATUS)

    seen = answers(proc, ("packages", "openssl", "gone", "torn", "of-the-description"))

    assert seen["complete", "packages"] == "dpkg"
    assert [value for (section, _), value in seen.items() if section == "package"] == [
        ["openssl", "3.0.15-1~deb12u1", "installed"],
        ["torn", "2", "half-installed"],
    ]


def test_packages_of_apks_file(proc: Path) -> None:
    write(proc, "lib/apk/db/installed", "C:Q1x=\nP:musl\nV:1.2.5-r0\n\nP:zlib\nV:1.3-r2\n\n")

    seen = answers(proc, ("packages", "zlib"))

    assert seen["complete", "packages"] == "apk"
    assert seen["package", "1"] == ["zlib", "1.3-r2", "installed"]


def test_image_without_a_database_of_text_gives_no_answer(proc: Path) -> None:
    assert ("complete", "packages") not in answers(proc, ("packages", "zlib"))


def test_database_that_is_no_file_is_a_reason(proc: Path) -> None:
    (proc / "root" / "var" / "lib" / "dpkg" / "status").mkdir(parents=True)

    assert "not a regular file" in answers(proc, ("packages", "zlib"))["complete", "packages"]["unseen"]


def test_accounts_come_without_passwords(proc: Path) -> None:
    write(proc, "etc/passwd", "ci:$6$hash:1001:100:Name:/home:/bin/sh\nshort:x:1\n")
    write(proc, "etc/group", "docker:$5$hash:999:ci\n")

    seen = answers(proc, ("accounts",))

    assert seen["passwd", "1"] == "ci:1001:100:/home:/bin/sh"
    assert seen["group", "2"] == "docker:999:ci"
    assert seen["complete", "accounts"] is True
    assert "hash" not in str(seen)


def test_processes_of_the_same_namespace(proc: Path) -> None:
    """Three containers: that of the process has a job, a job's container, what an exec started, and a zombie."""
    own, other, nested = "pid:[1]", "pid:[2]", "pid:[3]"
    (proc / "status").write_text((proc / "status").read_text() + "NSpid:\t100\t1\n")
    (proc / "ns" / "pid").symlink_to(own)
    for number, space, inner, parent, state, name in (
        ("100", own, "1", "7", "S", "job"),
        ("101", own, "12", "100", "R", "my agent"),
        ("102", own, "20", "7", "S", "exec"),
        ("103", own, "21", "100", "Z", "ended"),
        ("104", other, "1", "7", "S", "job"),
        ("105", nested, "30\t1", "101", "S", "below"),
    ):
        folder = proc.parent / number
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "pid").symlink_to(space)
        (folder / "cmdline").write_bytes(f"/bin/{name}\0-x\0".encode())
        (folder / "status").write_text(
            f"Name:\t{name}\nState:\t{state} (x)\nPPid:\t{parent}\nUid:\t5\t6\t7\t8\nNSpid:\t{number}\t{inner}\n"
        )
    # Of a process of the host, the namespace may be closed to the witness.
    (proc.parent / "106").mkdir()
    (proc.parent / "106" / "status").write_text(
        "Name:\tinit\nState:\tS (x)\nPPid:\t0\nUid:\t0\t0\t0\t0\nNSpid:\t106\n"
    )

    seen = answers(proc, ("processes", "yes"))

    assert {key: value for (section, key), value in seen.items() if section == "process"} == {
        "1": [0, 6, "job", "/bin/job -x "],
        "12": [1, 6, "my agent", "/bin/my agent -x "],
        "20": [0, 6, "exec", "/bin/exec -x "],
        "30": [12, 6, "below", "/bin/below -x "],
    }
    assert seen["complete", "processes"] == 0


def test_processes_that_cannot_be_listed_are_a_reason(proc: Path) -> None:
    assert "processes: " in answers(proc, ("processes", "no"))["complete", "processes"]["unseen"]
