"""Report the kernel's view of one process and its files, as answers in the probe's form.

This file is also sent as text to a Python that has nothing but its standard library: it imports nothing else.

    look.py PROC NONCE [QUESTION...]

PROC is the process's directory, such as /proc/1. The questions are the probe's; what only a program in the runner
can answer is left out. Nothing in the runner is started, and every path is resolved below the process's own root,
so that a link in an image never leads to a file of this host.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SEPARATOR = "\x1f"
_MOST_BYTES = 4_000_000
_MOST_DATABASE = 64_000_000
_MOST_ARGUMENTS = 1500
_MOST_LINKS = 40
_MOST_ENTRIES = 1000
_DAC_OVERRIDE = 1 << 1
_CONTROL_FILES = (
    ("cpu", "cpu.cfs_quota_us", "v1.quota"),
    ("cpu", "cpu.cfs_period_us", "v1.period"),
    ("cpu", "cpu.shares", "v1.shares"),
    ("memory", "memory.limit_in_bytes", "v1.memory"),
    ("memory", "memory.soft_limit_in_bytes", "v1.memory_reserved"),
    ("pids", "pids.max", "v1.pids"),
    ("", "cpu.max", "v2.cpu"),
    ("", "cpu.weight", "v2.weight"),
    ("", "memory.max", "v2.memory"),
    ("", "memory.low", "v2.memory_reserved"),
    ("", "pids.max", "v2.pids"),
)
_SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/buildkit/buildkitd.sock",
)
_TYPES = (
    (stat.S_ISDIR, "directory"),
    (stat.S_ISREG, "file"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "character-device"),
    (stat.S_ISBLK, "block-device"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISLNK, "symlink"),
)
_UNPACKED = ("not-installed", "config-files")
_USABLE = ("installed", "triggers-awaited", "triggers-pending")
_DATABASES = (
    ("dpkg", "/var/lib/dpkg/status"),
    ("apk", "/lib/apk/db/installed"),
    ("apk", "/usr/lib/apk/db/installed"),
)
_RUNTIMES = ("runc", "crun", "youki")
_START_POLL = 0.01
_START_POLLS = 200
_SETTLE_POLL = 0.25
_SETTLE_POLLS = 6
_ABSENT = (errno.ENOENT, errno.ENOTDIR)

Answer = tuple[str, str, Any]


class _ResolvedFile:
    """A file that a path led to: its descriptor (O_PATH), its real path, whether the job's user may go there."""

    def __init__(self, descriptor: int, path: str, reachable: bool) -> None:
        self.descriptor = descriptor
        self.path = path
        self.reachable = reachable
        self.status = os.fstat(descriptor)

    def __enter__(self) -> _ResolvedFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def read(self, most: int = _MOST_BYTES) -> bytes:
        """The beginning of a regular file. Raises OSError for any other."""
        if not stat.S_ISREG(self.status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        descriptor = os.open(f"/proc/self/fd/{self.descriptor}", os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 # a descriptor has no path
            return stream.read(most)


class ObservedProcess:
    """A process by its directory below /proc."""

    def __init__(self, proc: str) -> None:
        self.proc = proc
        self._await_start()
        self.fields = dict(line.split(":", 1) for line in self.text("status").splitlines() if ":" in line)
        self.uid = self._id("Uid")
        self.gid = self._id("Gid")
        self.groups = {self.gid, *(self.inner_id("gid", int(word)) for word in self.field("Groups").split())}
        self.effective = int(self.field("CapEff") or "0", 16)
        self.env = dict(self._environment())
        self.mounts = [line.split(" ") for line in self.text("mountinfo").splitlines()][:_MOST_ENTRIES]
        self._root = os.open(f"{proc}/root", os.O_PATH | os.O_DIRECTORY)
        self._proc_device = -1
        try:
            with self.resolve("/proc") as directory:
                self._proc_device = directory.status.st_dev
        except OSError:
            pass
        self.users = dict(self._users())

    def _await_start(self) -> None:
        """Wait until the engine's runtime has become the process of the image. Raises OSError if it does not."""
        name = ""
        for _ in range(_START_POLLS):
            # The kernel names the process anew before it shows the new environment.
            name = self.text("comm")
            if not name.startswith(_RUNTIMES) and self.text("environ"):
                return
            time.sleep(_START_POLL)
        if name.startswith(_RUNTIMES):
            raise OSError(errno.EAGAIN, f"still {name.strip()}, the engine's own")

    def text(self, name: str) -> str:
        """A file of the kernel about this process."""
        with Path(f"{self.proc}/{name}").open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "replace")

    def field(self, name: str) -> str:
        """A field of the process's status."""
        return self.fields.get(name, "").strip()

    def _id(self, name: str) -> int:
        return self.inner_id(name.lower(), int(self.field(name).split()[1]))

    def inner_id(self, kind: str, number: int) -> int:
        """An id as the process itself has it: another user namespace shows other numbers."""
        try:
            if Path("/proc/self/ns/user").readlink() == Path(f"{self.proc}/ns/user").readlink():
                return number
            lines = [list(map(int, line.split())) for line in self.text(f"{kind}_map").splitlines()]
        except OSError:
            return number
        return next(
            (inner + number - outer for inner, outer, count in lines if 0 <= number - outer < count), number
        )

    def _environment(self) -> Iterator[tuple[str, str]]:
        for variable in self.text("environ").split("\0"):
            name, equals, value = variable.partition("=")
            if equals and name:
                yield name, value

    def _users(self) -> Iterator[tuple[int, str]]:
        try:
            with self.resolve("/etc/passwd") as file:
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return
        for line in reversed(lines):
            name, _, rest = line.partition(":")
            number = rest.split(":")[1:2]
            if number and number[0].isdecimal() and len(number[0]) <= 10:
                yield int(number[0]), name

    def resolve(self, path: str, *, follow: bool = True) -> _ResolvedFile:
        """The file at a path below the process's root, links resolved there. Raises OSError."""
        pending = path.split("/")[::-1]
        opened, names, links, reachable = [os.dup(self._root)], [""], 0, True
        try:
            while pending:
                name = pending.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    if len(opened) > 1:
                        os.close(opened.pop())
                        names.pop()
                    continue
                directory = os.fstat(opened[-1])
                if directory.st_dev == self._proc_device:
                    raise OSError(errno.EXDEV, "the kernel shows each process another /proc")
                reachable = reachable and self.allows(directory, 1)
                descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=opened[-1])
                if stat.S_ISLNK(os.fstat(descriptor).st_mode) and (follow or any(pending)):
                    links += 1
                    try:
                        target = os.readlink("", dir_fd=descriptor)
                    finally:
                        os.close(descriptor)
                    if links > _MOST_LINKS:
                        raise OSError(errno.ELOOP, "too many symbolic links")
                    while target.startswith("/") and len(opened) > 1:
                        os.close(opened.pop())
                        names.pop()
                    pending += target.split("/")[::-1]
                else:
                    opened.append(descriptor)
                    names.append(name)
            return _ResolvedFile(opened.pop(), "/".join(names) or "/", reachable)
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def allows(self, status: os.stat_result, bit: int) -> bool:
        """Whether a mode lets the process read (4), write (2), or execute and search (1)."""
        if self.effective & _DAC_OVERRIDE:
            return bit != 1 or stat.S_ISDIR(status.st_mode) or bool(status.st_mode & 0o111)
        if self.inner_id("uid", status.st_uid) == self.uid:
            return bool(status.st_mode >> 6 & bit)
        if self.inner_id("gid", status.st_gid) in self.groups:
            return bool(status.st_mode >> 3 & bit)
        return bool(status.st_mode & bit)

    def may_write(self, file: _ResolvedFile) -> bool:
        """Whether mode and mount let the process write. Raises OSError where an access control list decides."""
        try:
            os.getxattr(f"/proc/self/fd/{file.descriptor}", "system.posix_acl_access")
        except OSError:
            pass
        else:
            raise OSError(errno.EACCES, "an access control list decides who may write")
        mode = file.status.st_mode
        fixed = (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and bool(
            os.fstatvfs(file.descriptor).f_flag & os.ST_RDONLY
        )
        return self.allows(file.status, 2) and not fixed

    def owner(self, status: os.stat_result) -> Any:
        """The name of a file's owner in the runner's /etc/passwd."""
        number = self.inner_id("uid", status.st_uid)
        return self.users.get(number, unseen(f"no entry for uid {number} in /etc/passwd"))


def unseen(reason: str) -> dict[str, str]:
    """The answer that there is none, and why."""
    return {"unseen": reason}


def _kind(mode: int) -> str:
    return next((name for test, name in _TYPES if test(mode)), "file")


def _identity(process: ObservedProcess) -> Iterator[Answer]:
    home = process.env.get("HOME", "")
    exists = writable = False
    try:
        with process.resolve(home or "/nonexistent") as directory:
            exists = stat.S_ISDIR(directory.status.st_mode) and directory.reachable
            writable = exists and process.may_write(directory)
    except OSError as error:
        if error.errno not in _ABSENT:
            yield "identity", "", unseen(f"{home}: {error.strerror}")
            return
    user = process.users.get(process.uid, unseen(f"no entry for uid {process.uid} in /etc/passwd"))
    yield (
        "identity",
        "",
        {
            "uid": process.uid,
            "gid": process.gid,
            "user": user,
            "home": home,
            "home_exists": exists,
            "home_writable": writable,
        },
    )


def _isolation(process: ObservedProcess) -> Iterator[Answer]:
    yield "isolation", "bounding", process.field("CapBnd")
    for name, key in (("NoNewPrivs", "no_new_privileges"), ("Seccomp", "seccomp")):
        if process.field(name):
            yield "isolation", key, int(process.field(name))
    system = [
        words[3]
        for line in process.text("mounts").splitlines()
        if (words := line.split(" "))[1:3] == ["/sys", "sysfs"]
    ]
    if system:
        yield "isolation", "sysfs", "rw" if "rw" in system[-1].split(",") else "ro"
    # A socket that is mounted comes from elsewhere, whatever it is called.
    candidates = dict.fromkeys(
        (*_SOCKETS, *(_unescape(mount[4]) for mount in process.mounts if len(mount) > 4))
    )
    yield "isolation", "sockets", [shown for path in candidates if (shown := _socket(process, path))]


def _unescape(path: str) -> str:
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        path = path.replace(f"\\{code}", character)
    return path


def _socket(process: ObservedProcess, path: str) -> str:
    """The path if a socket is there, or a link to one whose volume is not mounted yet; empty otherwise."""
    try:
        with process.resolve(path) as file:
            return path if stat.S_ISSOCK(file.status.st_mode) else ""
    except OSError:
        pass
    try:
        with process.resolve(path, follow=False) as file:
            return f"{path} (dangling link)" if stat.S_ISLNK(file.status.st_mode) else ""
    except OSError:
        return ""


def _routes(process: ObservedProcess) -> Iterator[Answer]:
    names: set[str] = set()
    readable = False
    # The columns of destination and mask or prefix length, what a default route has there, its flags and interface.
    for table, columns, default, flags, interface in (
        ("net/route", (1, 7), ["00000000", "00000000"], 3, 0),
        ("net/ipv6_route", (0, 1), ["0" * 32, "00"], 8, 9),
    ):
        try:
            lines = [line.split() for line in process.text(table).splitlines()]
        except OSError:
            continue
        readable = True
        # The route is up, and does not reject (RTF_UP, RTF_REJECT).
        names |= {
            words[interface]
            for words in lines
            if [words[column] for column in columns] == default and int(words[flags], 16) & 0x201 == 1
        }
    if readable:
        yield "network", "routes", sorted(names)


def _limits(process: ObservedProcess) -> Iterator[Answer]:
    groups = [line.split(":", 2) for line in process.text("cgroup").splitlines() if line.count(":") >= 2]
    control_mounts = {
        _unescape(mount[4])
        for mount in process.mounts
        if "-" in mount and mount[mount.index("-") + 1] in ("cgroup", "cgroup2")
    }
    for controller, file_name, key in _CONTROL_FILES:
        own = ""
        for _, controllers, directory in groups:
            if controller in controllers.split(","):
                own = f"/sys/fs/cgroup/{controllers}{directory}"
        for directory in (own, f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup"):
            try:
                with process.resolve(f"{directory}/{file_name}") as file:
                    # An image can contain such a path; only the kernel's file system counts.
                    if not any(file.path.startswith(f"{mount}/") for mount in control_mounts):
                        continue
                    yield "cgroup", key, file.read().decode("ascii", "replace").partition("\n")[0].strip()
                    break
            except OSError:
                continue


def _process(process: ObservedProcess) -> Iterator[Answer]:
    yield "kernel", "groups", sorted(process.groups)
    yield "kernel", "effective", process.field("CapEff")
    yield (
        "kernel",
        "limits",
        {line[:26].strip(): line[26:].split()[:2] for line in process.text("limits").splitlines()[1:]},
    )
    yield (
        "kernel",
        "mounts",
        {
            _unescape(mount[4]): f"{mount[mount.index('-') + 1]} {mount[5]}"
            for mount in process.mounts
            if "-" in mount
        },
    )
    names = sorted(path.name for path in Path(f"{process.proc}/ns").iterdir())
    yield "kernel", "namespaces", {name: str(Path(f"{process.proc}/ns/{name}").readlink()) for name in names}
    yield (
        "kernel",
        "unix_sockets",
        sorted(
            {
                words[7]
                for line in process.text("net/unix").splitlines()[1:]
                if len(words := line.split(None, 7)) > 7 and int(words[3], 16) & 0x10000
            }
        )[:_MOST_ENTRIES],
    )
    if process.field("Umask"):
        yield "umask", "", process.field("Umask")
    yield "limits", "", process.text("limits")


def _listening(process: ObservedProcess) -> Iterator[Answer]:
    for protocol, state in (("tcp", "0A"), ("udp", "07")):
        sockets: list[str] = []
        for table in (protocol, f"{protocol}6"):
            try:
                lines = process.text(f"net/{table}").splitlines()[1:]
            except OSError:
                # A kernel without IPv6 has only one of the two.
                continue
            sockets += [words[1] for line in lines if (words := line.split())[3] == state]
        yield "listening", protocol, sockets[:_MOST_ENTRIES]


def _shared_memory(process: ObservedProcess) -> Any:
    try:
        with process.resolve("/dev/shm") as directory:  # noqa: S108 # the runner's
            space = os.fstatvfs(directory.descriptor)
            writable = process.may_write(directory) and directory.reachable
            return {"size": [space.f_blocks, space.f_frsize], "writable": writable}
    except OSError as error:
        return unseen(f"shared memory: {error.strerror}")


def _path(process: ObservedProcess, path: str) -> Any:
    try:
        with process.resolve(path, follow=False) as file:
            link = stat.S_ISLNK(file.status.st_mode)
    except OSError as error:
        return {"type": None} if error.errno in _ABSENT else unseen(f"{path}: {error.strerror}")
    try:
        with process.resolve(path) as file:
            space = os.fstatvfs(file.descriptor)
            return {
                "type": _kind(file.status.st_mode),
                "symlink": link,
                "writable": process.may_write(file) and file.reachable,
                "mode": f"{stat.S_IMODE(file.status.st_mode):o}",
                "owner": process.owner(file.status),
                "free": [space.f_bavail, space.f_frsize],
            }
    except OSError as error:
        if link and error.errno in (*_ABSENT, errno.ELOOP):
            nothing = unseen("the link leads nowhere")
            return {
                "type": "symlink",
                "symlink": True,
                "writable": False,
                "mode": nothing,
                "owner": nothing,
                "free": nothing,
            }
        return unseen(f"{path}: {error.strerror}")


def _tool(process: ObservedProcess, name: str) -> Any:
    if "PATH" not in process.env:
        return unseen("the process has no PATH")
    for directory in process.env["PATH"].split(":"):
        path = f"{directory or '.'}/{name}"
        full = path if path.startswith("/") else f"{Path(f'{process.proc}/cwd').readlink()}/{path}"
        try:
            with process.resolve(full) as file:
                if stat.S_ISREG(file.status.st_mode) and file.reachable and process.allows(file.status, 1):
                    return {"path": path}
        except OSError as error:
            if error.errno not in (*_ABSENT, errno.ELOOP, errno.ENAMETOOLONG):
                return unseen(f"{full}: {error.strerror}")
    return {"path": None}


def _shell(process: ObservedProcess, path: str) -> Any:
    """Only the absence of a shell shows from outside."""
    try:
        with process.resolve(path) as file:
            runs = process.allows(file.status, 1) and file.reachable
    except OSError as error:
        if error.errno not in _ABSENT:
            return None
        runs = False
    return None if runs else {"runs": False, "reason": "missing or not executable"}


def _file_text(process: ObservedProcess, path: str) -> str:
    """The text of a file below the process's root, empty for none. Raises OSError, even for one that is too long."""
    try:
        with process.resolve(path) as file:
            data = file.read(_MOST_DATABASE + 1)
    except OSError as error:
        if error.errno in _ABSENT:
            return ""
        raise
    if len(data) > _MOST_DATABASE:
        raise OSError(errno.EFBIG, f"{path} has more than {_MOST_DATABASE} bytes")
    return data.decode("utf-8", "replace")


def _packages(process: ObservedProcess, *names: str) -> Iterator[Answer]:
    """The packages in a database of text; that of rpm is not one, and only rpm reads it."""
    number = 0
    for manager, path in _DATABASES:
        text = _file_text(process, path)
        if not text:
            continue
        name_field, version_field = ("Package", "Version") if manager == "dpkg" else ("P", "V")
        for entry in text.split("\n\n"):
            fields = dict(line.partition(":")[::2] for line in entry.splitlines() if line[:1].isalpha())
            name = fields.get(name_field, "").strip()
            state = fields.get("Status", "installed").split()[-1:]
            if name in names and state and state[0] not in _UNPACKED:
                number += 1
                version = fields.get(version_field, "").strip()
                yield (
                    "package",
                    str(number),
                    [name, version, "installed" if state[0] in _USABLE else state[0]],
                )
        yield "complete", "packages", manager
        return


def _accounts(process: ObservedProcess) -> Iterator[Answer]:
    """The entries of /etc/passwd and /etc/group without passwords and comments."""
    number = 0
    for section, path, columns in (
        ("passwd", "/etc/passwd", (0, 2, 3, 5, 6)),
        ("group", "/etc/group", (0, 2, 3)),
    ):
        for line in _file_text(process, path).splitlines():
            words = line.split(":")
            if len(words) > columns[-1]:
                number += 1
                yield section, str(number), ":".join(words[column] for column in columns)
    yield "complete", "accounts", True


def _settled_processes(process: ObservedProcess) -> Iterator[Answer]:
    """The processes once no more of them start, or after a while: a job's ENTRYPOINT may still be starting some."""
    answers = list(_processes(process))
    for _ in range(_SETTLE_POLLS):
        time.sleep(_SETTLE_POLL)
        before, answers = answers, list(_processes(process))
        if _below_the_first(answers) == _below_the_first(before):
            break
    yield from answers


def _below_the_first(answers: Iterable[Answer]) -> set[str]:
    """The numbers of the first process and of those below it; what an exec starts comes and goes."""
    parents = {pid: str(row[0]) for section, pid, row in answers if section == "process"}
    below = {"1"}
    # A parent is mostly listed before its children, but numbers can start again.
    for _ in parents:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if not more:
            break
        below |= more
    return below


def _processes(process: ObservedProcess) -> Iterator[Answer]:
    """All processes that the process's PID namespace shows, as it numbers them, and the one that started this program."""
    space = Path(f"{process.proc}/ns/pid").readlink()
    same = Path("/proc/self/ns/pid").readlink() == space
    # The place of a number in NSpid: one number a namespace, the outermost first.
    level = 0 if same else len(process.field("NSpid").split()) - 1
    parents, spaces, details = {}, {}, {}
    for directory in Path(process.proc).parent.glob("[1-9]*"):
        try:
            text = (directory / "status").read_text("utf-8", "replace")
            fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            numbers = fields.get("NSpid", directory.name).split()
            # One of fewer namespaces is not in this one, and its own may be closed to this program.
            if len(numbers) <= level:
                continue
            arguments = (directory / "cmdline").read_bytes()[:_MOST_ARGUMENTS]
            spaces[directory.name] = space if same else (directory / "ns/pid").readlink()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        parents[directory.name] = fields["PPid"].strip()
        if fields["State"].strip()[0] in "ZX":
            continue
        uid = process.inner_id("uid", int(fields["Uid"].split()[1]))
        shown = arguments.replace(b"\0", b" ").decode("utf-8", "replace")
        details[directory.name] = (numbers[level], [uid, fields["Name"].strip(), shown])

    def shows(number: str) -> bool:
        """Whether the namespace is the process's, or one below it."""
        passed: set[str] = set()
        while number in spaces and number not in passed:
            if spaces[number] == space:
                return True
            passed.add(number)
            number = parents.get(number, "")
        return False

    inner = {number: pid for number, (pid, _) in details.items() if shows(number)}
    for number, pid in inner.items():
        yield "process", pid, [int(inner.get(parents[number], "0")), *details[number][1]]
    yield "complete", "processes", int(inner.get(str(os.getppid()), "0")) if same else 0


_SYSTEM = {"packages": _packages, "accounts": _accounts, "processes": _settled_processes}


def look(proc: str, questions: list[str]) -> Iterator[Answer]:
    """Every answer about a process. Raises OSError where the process itself cannot be read."""
    process = ObservedProcess(proc)
    yield "path", "", process.env.get("PATH", "")
    yield "env", "", process.env
    for part in (_identity, _isolation, _routes, _limits, _process):
        try:
            yield from part(process)
        except (OSError, ValueError, IndexError) as error:
            # A kernel without such a file costs the facts of this part.
            yield "lost", part.__name__.strip("_"), str(error)
    for question in questions:
        kind, *words = question.split(SEPARATOR)
        if kind == "path":
            yield "paths", words[0], _path(process, words[0])
        elif kind in _SYSTEM:
            try:
                yield from _SYSTEM[kind](process, *(words if kind == "packages" else ()))
            except (OSError, ValueError, LookupError) as error:
                yield "complete", kind, unseen(f"{kind}: {error}")
        elif kind == "tool":
            yield "tools", words[0], _tool(process, words[0])
        elif kind == "listening":
            yield from _listening(process)
        elif kind == "shared_memory":
            yield "shared_memory", "", _shared_memory(process)
        elif kind == "shell" and (answer := _shell(process, words[0])) is not None:
            yield "shells", words[0], answer
    yield "end", "", "complete"


def program() -> str:
    """The text of this file."""
    return Path(__file__).read_text("utf-8")


def main(proc: str, nonce: str, *questions: str) -> None:
    try:
        for answer in look(proc, list(questions)):
            print(nonce, json.dumps(answer))
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"cannot read {proc}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
