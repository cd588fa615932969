"""Select the smallest class that promises what a job needs, with the reason why the others do not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.environment import EnvironmentVariable
from builder_contracts.contract.promises.identity import Uid, User
from builder_contracts.contract.promises.isolation import DockerDaemon, DockerSocket
from builder_contracts.contract.promises.named_promise import PromiseError
from builder_contracts.contract.promises.network import Denied, Egress
from builder_contracts.contract.promises.resources import CpuLimit, MemoryLimit
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.quantities import byte_count, human_bytes, human_cpus, millicpus
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.tools.catalog import catalog
from builder_contracts.truth.platform import AreaDeclarations

_SECTIONS = frozenset(
    "accounts caches canaries commands daemon environment filesystem identity isolation localization network packages "
    "publication trust".split()
)
_VERSION = re.compile(r"([^<>=!~\s]+)\s*((?:[<>]=?|[=!~]=).*)")
_WITH_VALUE = re.compile(r"environment/[^/]+|identity/(?:user|uid)")
_FORMS = "use forms such as cpu=4, memory=12Gi, nix>=2.18 and environment/CI=true"
_DAEMON = frozenset({"docker-build", "docker-daemon", "docker", "image-build", "images"})


@dataclass(frozen=True)
class Candidate:
    """A label that jobs can select. A scale set that is like a class keeps the class's promises with
    its own amounts (``cpu`` in thousandths, ``memory`` in bytes)."""

    label: str
    contract: Contract
    cpu: int
    memory: int
    amounts: Location


@dataclass(frozen=True)
class CandidateFit:
    """A candidate compared with the needs: what it lacks, each with its line; empty if it fits."""

    candidate: Candidate
    lacks: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.lacks


@dataclass(frozen=True)
class JobNeeds:
    """Needs of a job: tools and their versions, a daemon, CPU in thousandths, memory in bytes, and clauses by their ids
    or beginnings, with the value that one must have or an empty text.
    """

    tools: tuple[tuple[str, VersionRange | None], ...] = ()
    daemon: bool = False
    cpu: int = 0
    memory: int = 0
    clauses: tuple[tuple[str, str], ...] = ()


def parse(text: str, contracts: Sequence[Contract]) -> JobNeeds:
    """``nix>=2.18,docker-build,memory=12Gi,environment/CI=true``. Raises InputError for words that mean nothing.

    What is known and no class promises is no bad input: no class fits.
    """
    tools_promised = sorted({promise.name for contract in contracts for promise in contract.promised(Tool)})
    tools: list[tuple[str, VersionRange | None]] = []
    clauses: list[tuple[str, str]] = []
    problems: list[Problem] = []
    daemon, cpu, memory = False, 0, 0
    # A further bound belongs to the tool before it: nix>=2.18,<3.
    for need in filter(None, (part.strip() for part in re.split(r",(?!\s*[<>=!~])", text))):
        key, equals, value = need.partition("=")
        version = _VERSION.fullmatch(need)
        name = version[1] if version else need
        try:
            if version and (name in tools_promised or name in catalog()):
                tools.append((name, VersionRange.read(version[2], ())))
            elif equals and key == "memory":
                memory = byte_count(value)
            elif equals and key == "cpu":
                cpu = millicpus(value)
            elif equals and _WITH_VALUE.fullmatch(key):
                clauses.append((key, value))
            elif equals and not version:
                problems.append(_problem(need, f"unknown need {key!r}", _FORMS))
            elif need in _DAEMON:
                daemon = True
            elif need.partition("/")[0] in _SECTIONS and "/" in need:
                clauses.append((need, ""))
            elif need in tools_promised or need in catalog():
                tools.append((need, None))
            else:
                close = difflib.get_close_matches(
                    name, [*tools_promised, *_DAEMON, *catalog()], n=1, cutoff=0.6
                )
                fix = (
                    f"did you mean {close[0]}?"
                    if close
                    else f"known needs: docker-build, cpu=, memory=, {', '.join(tools_promised)}"
                )
                problems.append(_problem(need, "no contract mentions it", fix))
        except PromiseError as error:
            problems.append(_problem(need, error.message, error.fix))
        except ValueError as error:
            problems.append(_problem(need, str(error), _FORMS))
    if not problems and not (tools or daemon or cpu or memory or clauses):
        problems.append(_problem(text, "--needs is empty", "pass for example --needs nix,memory=4Gi"))
    if problems:
        raise InputError(problems)
    return JobNeeds(tuple(tools), daemon, cpu, memory, tuple(clauses))


def _problem(need: str, what: str, fix: str) -> Problem:
    return Problem(Location("--needs"), f"{need!r}: {what}", fix)


def candidates(contracts: Iterable[Contract], extra: AreaDeclarations | None = None) -> list[Candidate]:
    """Every label of the classes, and the scale sets like them that the platform's enrolment declares."""
    choices: list[Candidate] = []
    by_name: dict[str, Candidate] = {}
    for contract in contracts:
        clauses = [
            clause for clause in contract.clauses if isinstance(clause.promise, CpuLimit | MemoryLimit)
        ]
        memory = next(
            (clause.promise.bytes for clause in clauses if isinstance(clause.promise, MemoryLimit)), 0
        )
        cpu = next((clause.promise.milli for clause in clauses if isinstance(clause.promise, CpuLimit)), 0)
        at = clauses[-1].source if clauses else contract.source
        choices += [Candidate(label, contract, cpu, memory, at) for label in contract.labels]
        by_name[contract.name] = choices[-1]
    for label, data in extra.get("extra_scale_sets", default={}).items() if extra else ():
        like = by_name.get(data["like"])
        if like is not None and extra is not None:
            cpu = millicpus(data["cpu"]["limit"]) if "limit" in data.get("cpu", {}) else like.cpu
            memory = byte_count(data["memory"]["limit"]) if "limit" in data.get("memory", {}) else like.memory
            choices.append(Candidate(label, like.contract, cpu, memory, extra.at("extra_scale_sets", label)))
    return choices


def choose(needs: JobNeeds, among: Iterable[Candidate]) -> list[CandidateFit]:
    """Every candidate, those that fit first, the smallest of them at the front."""
    answers = [CandidateFit(candidate, tuple(_lacks(needs, candidate))) for candidate in among]
    return sorted(answers, key=lambda answer: (len(answer.lacks), *size(answer.candidate)))


def size(candidate: Candidate) -> tuple[int, int, int, str]:
    """Memory and CPU limits, then whether it carries a daemon: what makes one runner dearer than another."""
    daemon = any(promise.reachable for promise in candidate.contract.promised(DockerDaemon))
    return (candidate.memory, candidate.cpu, int(daemon), candidate.label)


def _gives(promise: Promise, value: str) -> bool:
    """Whether a promise is of something that is there, and has a value if one is needed."""
    match promise:
        case EnvironmentVariable():
            return promise.present and value in ("", promise.equals)
        case Egress():
            return promise.allowed
        case Denied():
            return False
        case User():
            return value in ("", promise.name)
        case Uid():
            return value in ("", str(promise.uid))
        case DockerSocket():
            return promise.present
        case DockerDaemon():
            return promise.reachable
        case _:
            return not value


def _lacks(needs: JobNeeds, candidate: Candidate) -> Iterable[str]:
    contract = candidate.contract
    for tool, version in needs.tools:
        clause = next(
            (
                clause
                for clause in contract.clauses
                if isinstance(clause.promise, Tool) and clause.promise.name == tool
            ),
            None,
        )
        if clause is None:
            yield f"{tool} is not promised ({contract.source})"
        elif isinstance(clause.promise, Tool) and not clause.promise.present:
            yield f"{tool} is promised absent ({clause.source})"
        elif (
            isinstance(clause.promise, Tool)
            and version is not None
            and not (clause.promise.version is not None and clause.promise.version.implies(version))
        ):
            promised = clause.promise.version.text if clause.promise.version else "in no version"
            yield f"{tool} is promised {promised}, needs {version.text} ({clause.source})"
    if needs.daemon:
        clause = next(
            (clause for clause in contract.clauses if isinstance(clause.promise, DockerDaemon)), None
        )
        if clause is None or not (isinstance(clause.promise, DockerDaemon) and clause.promise.reachable):
            yield f"no Docker daemon ({clause.source if clause else contract.source})"
    for need, value in needs.clauses:
        named = [
            clause
            for clause in contract.clauses
            if clause.local_id == need or clause.local_id.startswith((f"{need}/", f"{need}-"))
        ]
        if not named:
            yield f"no promise {need} ({contract.source})"
        elif not any(_gives(clause.promise, value) for clause in named):
            asked = f"{need}={value}" if value else need
            yield f"promises {named[0].promise.text}, needs {asked} ({named[0].source})"
    for what, needed, given, shown in (
        ("memory", needs.memory, candidate.memory, human_bytes),
        ("CPU", needs.cpu, candidate.cpu, human_cpus),
    ):
        if given < needed:
            has = f"{what} {shown(given)}" if given else f"no {what} is promised"
            yield f"{has}, needs {shown(needed)} ({candidate.amounts})"
