"""The tests of a gossfile as promises. Pure. Source: goss-org/goss, docs/gossfile.md (05c2cedaf)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from builder_contracts.draft.peers.conversion import Converted, LeftOut, command_name, mapping, texts
from builder_contracts.draft.proposals import Proposal

_TYPES = {
    "file": "file",
    "directory": "directory",
    "symlink": "symlink",
    "socket": "socket",
    "pipe": "fifo",
    "character-device": "character-device",
    "block-device": "block-device",
}
# A pattern that matches the empty text is no promise, so silence forbids every character.
_ANYTHING = r"[\s\S]"
_MATCHER = "a matcher of goss; write the promise by hand"


def convert(data: Mapping[str, Any]) -> Iterator[Converted]:
    """Every test of a rendered gossfile: promises, or the reasons why there are none."""
    for kind, tests in data.items():
        if kind not in CONVERTERS:
            yield LeftOut(str(kind), "not a resource of goss")
            continue
        for name, test in mapping(tests).items():
            fields = mapping(test)
            if fields.get("skip") is True:
                yield LeftOut(f"{kind} {name}", "the file skips it")
            else:
                yield from CONVERTERS[kind](str(name), fields)


def _file(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    path, label = str(test.get("path", name)), f"file {name}"
    if not path.startswith("/"):
        yield LeftOut(label, "not an absolute path of the runner")
        return
    if test.get("exists", True) is not True:
        yield (
            Proposal(("filesystem", path), "absent", label)
            if test["exists"] is False
            else LeftOut(f"{label}: exists", _MATCHER)
        )
        return
    value: dict[str, Any] = {}
    for field, promised, kind in (
        ("mode", "mode", str), ("owner", "owner", str), ("group", "group", str), ("uid", "uid", int),
        ("gid", "gid", int), ("linked-to", "target", str), ("sha256", "sha256", str), ("filetype", "type", str),
    ):  # fmt: skip
        if field in test:
            stated = (
                _TYPES.get(test[field])
                if field == "filetype" and isinstance(test[field], str)
                else test[field]
            )
            if type(stated) is kind:
                value[promised] = stated
            else:
                yield LeftOut(f"{label}: {field}", _MATCHER)
    for field in ("md5", "sha512", "size"):
        if field in test:
            yield LeftOut(
                f"{label}: {field}", "one checksum is enough, and determines the size: promise sha256"
            )
    yield Proposal(("filesystem", path), value or "present", label)
    for field in ("contents", "contains"):
        if test.get(field) not in (None, []):
            yield from _output(
                f"{label}: {field}",
                command_name(f"content{path}"),
                {"run": ["cat", path]},
                {"stdout": test[field]},
            )


def _output(
    label: str, name: str, command: dict[str, Any], streams: Mapping[str, Any]
) -> Iterator[Converted]:
    """A command with what goss states for its streams: a text is all of one, a list has patterns for its lines."""
    for stream, stated in streams.items():
        if isinstance(stated, str):
            command[stream] = (
                {"matches": [rf"\A{re.escape(stated)}\Z"]} if stated else {"forbids": [_ANYTHING]}
            )
            continue
        listed = texts(stated)
        if listed is None:
            yield LeftOut(f"{label}: {stream}" if len(streams) > 1 else label, _MATCHER)
            continue
        patterns: dict[str, list[str]] = {}
        for text in listed:
            patterns.setdefault("forbids" if text.startswith("!") else "matches", []).append(_pattern(text))
        if patterns:
            command[stream] = patterns
    yield Proposal(("commands", name), command, label)


def _pattern(text: str) -> str:
    """The pattern of a text of goss: between slashes it is one, and an exclamation mark negates.

    >>> _pattern("a.b"), _pattern("/a.b/"), _pattern("!/^x/")
    ('a\\\\.b', 'a.b', '(?m)^x')
    """
    text = text.removeprefix("!")
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        # goss reads line by line; a contract reads the whole text.
        return f"(?m){text[1:-1]}" if set("^$") & set(text) else text[1:-1]
    return re.escape(text.removeprefix("\\"))


def _command(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    label, line = f"command {name}", test.get("exec", name)
    if not isinstance(line, str):
        yield LeftOut(label, "not a command line")
        return
    command: dict[str, Any] = {"run": ["/bin/sh", "-c", line]}
    status, timeout = test.get("exit-status", 0), test.get("timeout")
    if type(status) is not int:
        yield LeftOut(label, _MATCHER)
        return
    if status:
        command["status"] = status
    if type(timeout) is int and timeout > 0:
        command["within"] = min(60, -(-timeout // 1000))
    streams = {field: test[field] for field in ("stdout", "stderr") if test.get(field) not in (None, [])}
    yield from _output(label, command_name(name), command, streams)


def _package(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    label, versions = f"package {name}", test.get("versions")
    if test.get("installed") is False:
        yield Proposal(("packages", name), "absent", label)
        return
    stated = texts([versions] if isinstance(versions, str) else versions)
    version = stated[0] if stated and len(stated) == 1 else None
    if versions and version is None:
        yield LeftOut(
            f"{label}: versions", "a range is one list of bounds, such as '>=2,<3'; write it by hand"
        )
    yield Proposal(("packages", name), {"version": f"=={version}"} if version else "present", label)


def _account(section: str, promised: Mapping[str, type], kind: str) -> Callable[..., Iterator[Converted]]:
    def convert_account(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
        label, value = f"{kind} {name}", {}
        if test.get("exists") is False:
            yield Proposal(("accounts", section, name), "absent", label)
            return
        for field in test.keys() - {"exists"}:
            if field in promised and type(test[field]) is promised[field]:
                value[field] = test[field]
            elif field == "groups":
                yield LeftOut(f"{label}: groups", "goss lists some of them, and a contract all")
            else:
                yield LeftOut(
                    f"{label}: {field}", _MATCHER if field in promised else "not a fact of an account"
                )
        yield Proposal(("accounts", section, name), dict(sorted(value.items())) or "present", label)

    return convert_account


def _process(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    running = test.get("running")
    if not isinstance(running, bool):
        yield LeftOut(f"process {name}", _MATCHER)
    else:
        yield Proposal(("processes", name), "present" if running else "absent", f"process {name}")


def _port(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    label, match = f"port {name}", re.fullmatch(r"(tcp|udp):([0-9]+)", name)
    if not match or not isinstance(test.get("listening"), bool):
        yield LeftOut(label, "not tcp:PORT or udp:PORT with 'listening'")
        return
    state, addresses = "present" if test["listening"] else "absent", texts(test.get("ip", []))
    if test["listening"] and addresses and len(addresses) == 1:
        state = addresses[0]
    elif test.get("ip"):
        yield LeftOut(f"{label}: ip", "a port is promised on one address, or on any")
    yield Proposal(("ports", f"{match[2]}/{match[1]}"), state, label)


def _addr(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    label, match = f"addr {name}", re.fullmatch(r"tcp://([^/\[\]]+:[0-9]+)", name)
    if match and test.get("reachable") is True and not re.match(r"[0-9.]+:", match[1]):
        yield Proposal(("network", "reach"), [match[1]], label)
    elif test.get("reachable") is False:
        yield LeftOut(
            label, "what must be out of reach stands in an environment file, and 'network.deny' names it"
        )
    else:
        yield LeftOut(label, "only a hostname and a TCP port can be promised")


def _dns(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    if (
        test.get("resolvable") is True
        and not test.keys() & {"server", "addrs", "addresses"}
        and ":" not in name
    ):
        yield Proposal(("network", "resolve"), [name], f"dns {name}")
    else:
        yield LeftOut(f"dns {name}", "which server answers, and with what, belongs to the cluster")


def _kernel_parameter(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    value = test.get("value")
    if isinstance(value, str | int) and not isinstance(value, bool):
        yield Proposal(("process", "sysctls", name), str(value), f"kernel-param {name}")
    else:
        yield LeftOut(f"kernel-param {name}", _MATCHER)


def _http(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
    url, status = test.get("url", name), test.get("status")
    if (
        isinstance(url, str)
        and type(status) is int
        and not test.keys() - {"url", "status", "timeout", "body"}
    ):
        if test.get("body"):
            yield LeftOut(f"http {name}: body", "run curl under 'commands' and promise what it prints")
        path = "" if url.count("/") > 2 else "/"
        yield Proposal(("network", "reach"), [{"url": url + path, "status": status}], f"http {name}")
    else:
        yield LeftOut(f"http {name}", "run curl under 'commands', with these headers and methods")


def _left_out(kind: str, reason: str) -> Callable[..., Iterator[Converted]]:
    def leave_out(name: str, test: Mapping[str, Any]) -> Iterator[Converted]:
        del test
        yield LeftOut(f"{kind} {name}", reason)

    return leave_out


CONVERTERS: Mapping[str, Callable[[str, Mapping[str, Any]], Iterator[Converted]]] = {
    "addr": _addr,
    "command": _command,
    "dns": _dns,
    "file": _file,
    "gossfile": _left_out("gossfile", "convert that file as well; contracts share parts with 'extends'"),
    "group": _account("groups", {"gid": int}, "group"),
    "http": _http,
    "interface": _left_out("interface", "the engine or the cluster gives a job its interface"),
    "kernel-param": _kernel_parameter,
    "matching": _left_out("matching", "it compares values of the test file, and asks the runner nothing"),
    "mount": _left_out("mount", "a job depends on what it can do at a path: promise that under 'filesystem'"),
    "package": _package,
    "port": _port,
    "process": _process,
    "service": _left_out(
        "service", "a container has no service manager: promise its process under 'processes'"
    ),
    "user": _account("users", {"uid": int, "gid": int, "home": str, "shell": str}, "user"),
}
"""The resources of goss."""
