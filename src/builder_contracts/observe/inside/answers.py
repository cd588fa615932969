"""Convert what a witness printed, inside or outside, into facts. Pure. The output is untrusted, and never raises."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeVar

from builder_contracts.facts.model import (
    CONTRADICTION,
    NOT_ASKED,
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
    Seen,
    ShellFacts,
    ToolFacts,
    Unseen,
    UserFacts,
    WorkFacts,
)
from builder_contracts.tools.work import NONCE

T = TypeVar("T")

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# A word of shell text, and the parts of one by their quotes: literal, expanding, ANSI C, or none.
_PART = r"""'[^']*'|"(?:[^"\\]++|\\.)*"|\$'(?:[^'\\]++|\\.)*'|\\.|[^\s'"\\$]++|\$"""
_WORDS = re.compile(rf"(?:{_PART})+", re.DOTALL | re.ASCII)
_PARTS = re.compile(_PART, re.DOTALL | re.ASCII)
_ANSI_C = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})"
    # ksh writes a code in brackets, and zsh Meta and Control.
    r"|[ux]\[([0-9a-fA-F]{1,6})\]|(M-\\C-.|[MC]-.)|(.))|([^\\]+)",
    re.DOTALL,
)
_ANSI_C_LETTERS = {"a": 7, "b": 8, "e": 27, "E": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}

# Above this, cgroup v1 means "no limit": it shows the largest number of pages instead.
_NO_MEMORY_LIMIT = 1 << 60

# The kernel's largest word. A larger number in an answer would raise wherever it is divided.
_LARGEST = (1 << 64) - 1


_NOT_OBSERVED = Unseen("the probe could not observe it in this runner")


@dataclass(frozen=True)
class ProbeAnswers:
    """A witness's answers by section and key; ``lost`` is the reason why some may be missing, or empty.

    ``missing`` stands for an answer that is not there although the witness came to its end.
    """

    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: str = ""
    missing: Unseen = _NOT_OBSERVED

    def followed_by(self, later: ProbeAnswers) -> ProbeAnswers:
        """These answers and those of a later part of the same observation. What both have counts from here."""
        sections = {section: dict(answers) for section, answers in later.sections.items()}
        for section, answers in self.sections.items():
            merged = sections.setdefault(section, {})
            for key, value in answers.items():
                again = merged.get(key)
                if section == "features" and isinstance(value, dict) and isinstance(again, dict):
                    merged[key] = {**again, **value}
                else:
                    merged[key] = value
        return ProbeAnswers(sections, self.lost or later.lost, self.missing)

    @property
    def silent(self) -> bool:
        """True if the probe was lost before its first answer."""
        return bool(self.lost) and not self.sections

    def read(self, section: str, key: str, convert: Callable[[Any], T]) -> Seen[T]:
        """One answer, converted, or the reason why it is missing."""
        try:
            value = self.sections[section][key]
        except KeyError:
            return Unseen(self.lost) if self.lost else self.missing
        try:
            return _seen(value, convert)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError):
            return Unseen(f"invalid probe output: {json.dumps(value)[:100]}")


def parse(output: bytes, ended: str, *, nonce: str) -> ProbeAnswers:
    """The answers in a witness's output; ``ended`` is the reason why it ended early, or empty.

    Only lines that begin with the nonce of this observation are answers. Large texts come as they are, between two
    such lines. A second answer to a question contradicts the first.
    """
    sections: dict[str, dict[str, Any]] = defaultdict(dict)
    start = f"{nonce} ".encode()
    raw: list[bytes] | None = None
    raw_section = ""
    # Decoded text has more kinds of line ends than the probe prints, so lines are split before.
    for line in output.split(b"\n"):
        if line in (start + b"raw path", start + b"raw environ", start + b"raw env") and raw is None:
            raw, raw_section = [], line.decode().rpartition(" ")[2]
        elif line == start + b"end of raw" and raw is not None:
            _add(sections, raw_section, "", b"\n".join(raw).decode("utf-8", errors="replace"))
            raw = None
        elif raw is not None:
            raw.append(line)
        elif line.startswith(start):
            try:
                section, key, value = _line(line.removeprefix(start).decode("utf-8", errors="replace"))
            except (ValueError, TypeError, RecursionError):
                continue
            if not isinstance(section, str) or not isinstance(key, str):
                continue
            if (
                section == "features"
                and isinstance(value, dict)
                and isinstance(sections[section].get(key), dict)
            ):
                for label, feature in value.items():
                    _add(sections[section], key, label, feature)
            else:
                _add(sections, section, key, value)
    lost = ended
    if not lost and "end" not in sections:
        lost = "the observation ended early"
    return ProbeAnswers(dict(sections), lost)


def _add(sections: dict[str, dict[str, Any]], section: str, key: str, value: Any) -> None:
    """Keep an answer. Two of them are none, and both are shown."""
    answers = sections[section]
    if key in answers:
        first, second = (json.dumps(answer, ensure_ascii=False)[:150] for answer in (answers[key], value))
        value = {"unseen": f"{CONTRADICTION}: {first} and {second}"}
    answers[key] = value


def _integer(value: Any, base: int | None = None) -> int:
    """A number of the kernel. Raises ValueError for other text, and for a number beyond its largest word."""
    number = int(value) if base is None else int(value, base)
    if abs(number) > _LARGEST:
        raise ValueError("larger than any number of the kernel")
    return number


def _line(text: str) -> Any:
    answer = json.loads(text)
    if _SURROGATE.search(text):
        # Half a character, which no report can hold, raises a ValueError as broken JSON does.
        json.dumps(answer, ensure_ascii=False).encode("utf-8")
    return answer


def identity(answers: ProbeAnswers) -> Seen[UserFacts]:
    return answers.read(
        "identity",
        "",
        lambda value: UserFacts(
            uid=_integer(value["uid"]),
            gid=_integer(value["gid"]),
            user=_seen(value["user"], str),
            home=str(value["home"]),
            home_exists=bool(value["home_exists"]),
            home_writable=bool(value["home_writable"]),
        ),
    )


def _seen(value: Any, convert: Callable[[Any], T]) -> Seen[T]:
    # A feature may be called "unseen" as well, but its answer is never a text.
    if isinstance(value, dict) and isinstance(reason := value.get("unseen"), str):
        return Unseen(reason)
    return convert(value)


def groups(answers: ProbeAnswers) -> Seen[list[GroupFacts]]:
    return answers.read(
        "groups", "", lambda items: [GroupFacts(_integer(gid), str(name)) for gid, name in items]
    )


def environment(answers: ProbeAnswers) -> Seen[dict[str, str]]:
    """The job's variables: as the kernel gave them to its shell, else as the shell prints them."""
    section = "environ" if answers.sections.get("environ", {}).get("") else "env"
    return answers.read(section, "", _variables if section == "env" else _environ)


def _environ(text: str) -> dict[str, str]:
    return {
        name: value for name, equals, value in (entry.partition("=") for entry in text.split("\0")) if equals
    }


def _variables(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    return exports(value)


def exports(text: str) -> dict[str, str]:
    """The variables in the output of ``export -p``, in the quoting of dash, busybox or bash.

    Raises ValueError for text that ends inside quotes.
    """
    if _WORDS.sub("", text).strip():
        raise ValueError("unbalanced quotes")
    variables: dict[str, str] = {}
    for word in _WORDS.findall(text):
        name, equals, quoted = word.partition("=")
        if equals and name.isidentifier():
            variables[name] = "".join(map(_unquoted, _PARTS.findall(quoted)))
    return variables


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] == '"':
        # Characters that a backslash quotes inside double quotes; an escaped line break disappears.
        return re.sub(r"\\([$`\"\\\n])", lambda match: match[1].strip("\n"), part[1:-1])
    if part.startswith("$'"):
        # Bytes, because the shell may write each byte of a character separately.
        decoded = b"".join(map(_ansi_c, _ANSI_C.finditer(part[2:-1])))
        return decoded.decode("utf-8", errors="replace")
    return part[1:] if part[0] == "\\" else part


def _ansi_c(match: re.Match[str]) -> bytes:
    octal, byte, short, long, bracketed, chord, letter, text = match.groups()
    if octal or byte:
        return bytes([int(octal, 8) & 0xFF if octal else int(byte, 16)])
    if code := short or long or bracketed:
        return chr(int(code, 16)).encode("utf-8", errors="replace")
    if chord:
        key = ord(chord[-1])
        if "C-" in chord:
            key = 0x7F if chord[-1] == "?" else key & 0x1F
        return bytes([key | 0x80 if chord[0] == "M" else key])
    if letter:
        return bytes([_ANSI_C_LETTERS[letter]]) if letter in _ANSI_C_LETTERS else letter.encode()
    return text.encode()


def tool(
    answers: ProbeAnswers, name: str, features: Sequence[str], *, works: bool = False
) -> Seen[ToolFacts]:
    """``works``: the probe was asked to let the tool do its piece of work."""
    seen: dict[str, Seen[FeatureFacts]] = {label: _feature(answers, name, label) for label in features}

    def convert(value: Any) -> ToolFacts:
        path = value["path"]
        if path is None:
            return ToolFacts(None)
        not_run = Unseen("its version was not observed", provable_here=answers.missing.provable_here)
        return ToolFacts(
            str(path),
            _seen(value["status"], _integer) if "status" in value else not_run,
            _seen(value["output"], str) if "output" in value else not_run,
            answers.read("work", name, _work) if works else NOT_ASKED,
            seen,
        )

    return answers.read("tools", name, convert)


def _work(value: Any) -> WorkFacts:
    def without_nonce(text: str) -> str:
        # Facts of two runs are then alike. A tool that prints the placeholder itself did not work with the number.
        return text.replace(NONCE, "{no nonce}").replace(str(value["nonce"]), NONCE)

    return WorkFacts(
        _integer(value["step"]),
        _integer(value["status"]),
        without_nonce(str(value["output"])),
        without_nonce(str(value["errors"])),
    )


def _feature(answers: ProbeAnswers, name: str, label: str) -> Seen[FeatureFacts]:
    return answers.read(
        "features",
        name,
        lambda value: _seen(
            value[label], lambda inner: FeatureFacts(_integer(inner["status"]), str(inner["output"]))
        ),
    )


def path(answers: ProbeAnswers, name: str) -> Seen[PathFacts]:
    def convert(value: Any) -> PathFacts:
        if value["type"] is None:
            return PathFacts(None)
        return PathFacts(
            str(value["type"]),
            bool(value["symlink"]),
            bool(value["writable"]),
            _seen(value["mode"], lambda mode: _integer(mode, 8)),
            _seen(value["owner"], str),
            _seen(value["free"], lambda free: _integer(_integer(free[0]) * _integer(free[1]))),
        )

    return answers.read("paths", name, convert)


def shell(answers: ProbeAnswers, name: str) -> Seen[ShellFacts]:
    return answers.read(
        "shells", name, lambda value: ShellFacts(bool(value["runs"]), str(value.get("reason", "")))
    )


def connection(answers: ProbeAnswers, key: str) -> Seen[ConnectionFacts]:
    return answers.read(
        "connect", key, lambda value: ConnectionFacts(str(value["outcome"]), str(value["output"]))
    )


def resolution(answers: ProbeAnswers, host: str) -> Seen[list[str]]:
    return answers.read("resolve", host, lambda value: [str(address) for address in value])


def daemon(answers: ProbeAnswers, ready_after: Seen[float]) -> Seen[DaemonFacts]:
    return answers.read(
        "daemon",
        "",
        lambda value: DaemonFacts(
            bool(value["reachable"]),
            str(value["how"]),
            str(value.get("id", "")),
            str(value.get("version", "")),
            ready_after,
        ),
    )


def isolation(answers: ProbeAnswers, privileged: Seen[bool]) -> IsolationFacts:
    """``privileged`` is the engine's view; without an engine, the kernel's view of sysfs decides."""
    bounding = answers.read("isolation", "bounding", lambda text: _integer(text, 16))
    if isinstance(privileged, Unseen):
        privileged = answers.read("isolation", "sysfs", lambda text: text == "rw")
        if privileged is True and isinstance(bounding, int):
            privileged = bool(bounding & (1 << 21))  # CAP_SYS_ADMIN
    return IsolationFacts(
        bounding=bounding,
        no_new_privileges=answers.read("isolation", "no_new_privileges", lambda flag: bool(_integer(flag))),
        seccomp=answers.read("isolation", "seccomp", _integer),
        privileged=privileged,
        sockets=answers.read("isolation", "sockets", lambda paths: [str(item) for item in paths]),
        mount=answers.read("isolation", "mount", _attempt),
        unshare=answers.read("isolation", "unshare", _attempt),
    )


def _attempt(value: Any) -> AttemptFacts:
    return AttemptFacts(bool(value["worked"]), str(value["output"]))


def kernel(answers: ProbeAnswers) -> KernelFacts:
    return KernelFacts(
        groups=answers.read("kernel", "groups", lambda groups: [_integer(group) for group in groups]),
        effective=answers.read("kernel", "effective", lambda text: _integer(text, 16)),
        limits=answers.read(
            "kernel",
            "limits",
            lambda limits: {str(name): [str(word) for word in words] for name, words in limits.items()},
        ),
        mounts=answers.read("kernel", "mounts", _variables),
        namespaces=answers.read("kernel", "namespaces", _variables),
        unix_sockets=answers.read("kernel", "unix_sockets", lambda paths: [str(path) for path in paths]),
    )


def ports(answers: ProbeAnswers) -> Seen[dict[str, list[str]]]:
    """The addresses of sockets that listen, by PORT/PROTOCOL."""
    addresses: dict[str, set[str]] = {}
    for protocol in ("tcp", "udp"):
        sockets = answers.read("listening", protocol, lambda items: [_socket(str(item)) for item in items])
        if isinstance(sockets, Unseen):
            return sockets
        for address, port in sockets:
            addresses.setdefault(f"{port}/{protocol}", set()).add(address)
    return {key: sorted(bound) for key, bound in sorted(addresses.items())}


def _socket(text: str) -> tuple[str, int]:
    """Address and port of a socket; the kernel writes an address as words in its own byte order."""
    address, _, port = text.partition(":")
    words = b"".join(
        bytes.fromhex(address[start : start + 8])[:: -1 if sys.byteorder == "little" else 1]
        for start in range(0, len(address), 8)
    )
    ip = ip_address(words)
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip), int(port, 16)
    return str(ip), int(port, 16)


def nix_setting(answers: ProbeAnswers, name: str) -> Seen[NixSettingFacts]:
    return answers.read(
        "nix",
        name,
        lambda value: NixSettingFacts(
            None if value["value"] is None else str(value["value"]), str(value["source"])
        ),
    )


def daemon_settings(answers: ProbeAnswers) -> Seen[DaemonSettingsFacts]:
    return answers.read(
        "daemon_settings",
        "",
        lambda value: DaemonSettingsFacts(
            storage_driver=str(value["driver"]),
            insecure_registries=sorted(set(value["insecure"].split())),
            mtu=_integer(value["mtu"]) if value["mtu"] else Unseen("the daemon has no network called bridge"),
            networks=sorted(set(value["networks"].split())),
        ),
    )


def response(answers: ProbeAnswers, url: str) -> Seen[ResponseFacts]:
    return answers.read(
        "request",
        url,
        lambda value: ResponseFacts(str(value["outcome"]), _integer(value["status"]), str(value["output"])),
    )


def default_routes(answers: ProbeAnswers) -> Seen[list[str]]:
    return answers.read("network", "routes", lambda names: sorted({str(name) for name in names}))


def resources(answers: ProbeAnswers) -> ResourceFacts:
    """Limits from the cgroup version that the runner has."""
    seen = answers.sections.get("cgroup", {})
    if any(key.startswith("v2.") for key in seen):
        return ResourceFacts(
            cpu=answers.read("cgroup", "v2.cpu", _cpu_max),
            memory=answers.read("cgroup", "v2.memory", _number_or_max),
            memory_reserved=answers.read(
                "cgroup", "v2.memory_reserved", lambda text: _number_or_max(text) or None
            ),
            pids=answers.read("cgroup", "v2.pids", _number_or_max),
            cpu_weight=answers.read("cgroup", "v2.weight", _integer),
        )
    quota = answers.read("cgroup", "v1.quota", _integer)
    period = answers.read("cgroup", "v1.period", _integer)
    cpu: Seen[int | None]
    if isinstance(quota, Unseen) or isinstance(period, Unseen):
        cpu = quota if isinstance(quota, Unseen) else Unseen("no cpu cgroup controller is visible")
    else:
        cpu = None if quota <= 0 or period <= 0 else round(quota * 1000 / period)
    return ResourceFacts(
        cpu=cpu,
        memory=answers.read("cgroup", "v1.memory", _bytes_v1),
        memory_reserved=answers.read("cgroup", "v1.memory_reserved", _bytes_v1),
        pids=answers.read("cgroup", "v1.pids", _number_or_max),
        cpu_shares=answers.read("cgroup", "v1.shares", _integer),
    )


def _cpu_max(text: str) -> int | None:
    quota, _, period = text.partition(" ")
    return None if quota == "max" else round(_integer(quota) * 1000 / _integer(period))


def _number_or_max(text: str) -> int | None:
    return None if text == "max" else _integer(text)


def _bytes_v1(text: str) -> int | None:
    amount = _integer(text)
    return None if amount >= _NO_MEMORY_LIMIT else amount
