"""The questions of the sections process, search_path, privileges, secrets, trust and localization, and the facts
that the probe's answers to them give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.localization import TimeZone
from builder_contracts.contract.promises.privileges import FileCapabilities, SetIdFiles, Sudo
from builder_contracts.contract.promises.process import SharedMemory, Sysctl
from builder_contracts.contract.promises.search_path import SearchPathRule
from builder_contracts.contract.promises.secrets import SecretFreeFiles
from builder_contracts.contract.promises.trust import Certificates
from builder_contracts.facts.model import (
    NOT_ASKED,
    BundleFacts,
    DirectoryFacts,
    FileFacts,
    PrivilegeFacts,
    ProcessFacts,
    Seen,
    SharedMemoryFacts,
    SudoFacts,
    Unseen,
)
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.observe.text_search import MOST_TEXT, matching_lines

T = TypeVar("T")

# What the kernel calls a limit in /proc/PID/limits, and limits.conf(5).
_LIMITS = {
    "cpu time": "cpu",
    "file size": "fsize",
    "data size": "data",
    "stack size": "stack",
    "core file size": "core",
    "resident set": "rss",
    "processes": "nproc",
    "open files": "nofile",
    "locked memory": "memlock",
    "address space": "as",
    "file locks": "locks",
    "pending signals": "sigpending",
    "msgqueue size": "msgqueue",
    "realtime priority": "rtprio",
}
_LIMIT = re.compile(r"^Max (?P<name>\w+(?: \w+)*) +(?P<soft>unlimited|\d{1,19}) ", re.MULTILINE)


def questions(contract: Contract) -> Iterator[tuple[str, ...]]:
    """The questions about these sections; the slow ones first."""
    if contract.promised(SetIdFiles):
        yield ("set_id",)
    if contract.promised(FileCapabilities):
        yield ("file_capabilities",)
    for promise in contract.promised(SecretFreeFiles):
        yield ("secret_files", *promise.directories)
    if contract.promised(Certificates):
        yield ("ca_bundle",)
    if contract.promised(Sudo):
        yield ("sudo",)
    if contract.promised(SearchPathRule):
        yield ("search_path",)
    if contract.promised(TimeZone):
        yield ("time_zone",)
    if contract.promised(SharedMemory):
        yield ("shared_memory",)
    for path in contract.promised(PathState):
        if path.has_details:
            yield ("details", path.path, "yes" if path.sha256 else "no", "yes" if path.has_content else "no")
    for setting in contract.promised(Sysctl):
        yield ("sysctl", setting.name)


def process(answers: ProbeAnswers, contract: Contract) -> ProcessFacts:
    return ProcessFacts(
        directory=answers.read("directory", "", _directory),
        umask=answers.read("umask", "", lambda text: int(text, 8)),
        ulimits=answers.read("limits", "", _ulimits),
        sysctls={
            setting.name: answers.read("sysctl", setting.name, str) for setting in contract.promised(Sysctl)
        },
        shared_memory=_asked(
            contract,
            SharedMemory,
            answers.read(
                "shared_memory",
                "",
                lambda value: SharedMemoryFacts(
                    min(int(value["size"][0]) * int(value["size"][1]), 1 << 63), bool(value["writable"])
                ),
            ),
        ),
    )


def files(answers: ProbeAnswers, contract: Contract) -> dict[str, Seen[FileFacts]]:
    """More of the paths of which the contract promises more."""
    return {path.path: _file(answers, path) for path in contract.promised(PathState) if path.has_details}


def _file(answers: ProbeAnswers, promise: PathState) -> Seen[FileFacts]:
    lacking = Unseen("the job cannot read it, or the image lacks the tool for it")

    def convert(value: Any) -> FileFacts:
        return FileFacts(
            executable=bool(value["executable"]),
            uid=int(value["uid"]) if "uid" in value else lacking,
            gid=int(value["gid"]) if "gid" in value else lacking,
            group=str(value["group"]) if "group" in value else lacking,
            target=str(value["target"]) if "target" in value else Unseen("not a symbolic link"),
            sha256=str(value["sha256"]) if "sha256" in value else lacking,
            lines=_lines(answers, promise),
        )

    return answers.read("details", promise.path, convert)


def _lines(answers: ProbeAnswers, promise: PathState) -> dict[str, Seen[str | None]]:
    text = _content(answers, promise.path)
    if isinstance(text, Unseen):
        return {pattern.pattern: text for pattern in promise.content_patterns}
    return matching_lines(text, promise.content_patterns, promise.path)


def _content(answers: ProbeAnswers, path: str) -> Seen[str]:
    parts = answers.read("content", path, int)
    if isinstance(parts, Unseen):
        return parts
    texts = [
        answers.sections.get("content_part", {}).get(f"{path} {number}")
        for number in range(min(parts, MOST_TEXT))
    ]
    # A part that is missing, or contradicts itself, leaves a text that the file does not hold.
    text = "".join(part for part in texts if isinstance(part, str))
    if not all(isinstance(part, str) for part in texts) or len(text) > MOST_TEXT:
        return Unseen(f"the file is larger than {MOST_TEXT} bytes, or was not read completely")
    return text


def search_path(answers: ProbeAnswers, contract: Contract) -> Seen[list[DirectoryFacts]]:
    return _listed(
        answers,
        contract,
        SearchPathRule,
        "search_path",
        lambda entries: [_directory(value) for _, value in entries],
    )


def privileges(answers: ProbeAnswers, contract: Contract) -> PrivilegeFacts:
    return PrivilegeFacts(
        set_id=_listed(
            answers,
            contract,
            SetIdFiles,
            "set_id",
            lambda entries: {path: int(mode, 8) for path, mode in entries},
        ),
        file_capabilities=_listed(
            answers,
            contract,
            FileCapabilities,
            "file_capabilities",
            lambda entries: [path for path, _ in entries],
        ),
        sudo=_asked(
            contract,
            Sudo,
            answers.read(
                "sudo",
                "",
                lambda value: (
                    SudoFacts(None)
                    if value["path"] is None
                    else SudoFacts(str(value["path"]), int(value["status"]), str(value["output"]))
                ),
            ),
        ),
    )


def secret_files(answers: ProbeAnswers, contract: Contract) -> Seen[list[str]]:
    return _listed(
        answers, contract, SecretFreeFiles, "secret_files", lambda entries: [path for path, _ in entries]
    )


def ca_bundle(answers: ProbeAnswers, contract: Contract) -> Seen[BundleFacts]:
    return _asked(
        contract,
        Certificates,
        answers.read(
            "ca_bundle",
            "",
            lambda value: BundleFacts(str(value["path"]), min(int(value["certificates"]), 1 << 31)),
        ),
    )


def time_zone(answers: ProbeAnswers, contract: Contract) -> Seen[str]:
    return _asked(contract, TimeZone, answers.read("time_zone", "", _time_zone))


def _time_zone(text: str) -> str:
    name, _, offset = text.partition(" ")
    # TZ=UTC-5 names itself UTC, and is five hours off.
    return text if name == "UTC" and offset.strip("+0") else name


def _asked(contract: Contract, kind: type[Any], fact: Seen[T]) -> Seen[T]:
    return fact if contract.promised(kind) else NOT_ASKED


def _listed(
    answers: ProbeAnswers,
    contract: Contract,
    kind: type[Any],
    section: str,
    convert: Callable[[list[tuple[str, Any]]], T],
) -> Seen[T]:
    """One answer a file, closed by one that says that the list is complete."""
    if not contract.promised(kind):
        return NOT_ASKED
    complete = answers.read("complete", section, bool)
    if isinstance(complete, Unseen):
        return complete
    try:
        return convert(sorted(answers.sections.get(section, {}).items()))
    except (KeyError, TypeError, ValueError, OverflowError):
        return Unseen("invalid probe output")


def _directory(value: Any) -> DirectoryFacts:
    mode = value.get("mode")
    return DirectoryFacts(
        str(value["path"]),
        bool(value["exists"]),
        bool(value["writable"]),
        int(mode, 8) if isinstance(mode, str) else Unseen("the image lacks stat(1)"),
    )


def soft_limits(text: str) -> dict[str, int | None]:
    """The soft limits in the text of /proc/PID/limits, by the names of limits.conf(5); None for unlimited."""
    return {
        _LIMITS[line["name"]]: None if line["soft"] == "unlimited" else int(line["soft"])
        for line in _LIMIT.finditer(text)
        if line["name"] in _LIMITS
    }


def _ulimits(text: str) -> dict[str, int | None]:
    limits = soft_limits(text)
    if not limits:
        raise ValueError("no limits")
    return limits
