"""Load contract files: parse, resolve ``extends``, validate, and split into clauses."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from builder_contracts.contract import schemas, validity, variables
from builder_contracts.contract.contradictions import contradictions
from builder_contracts.contract.document import Document, Pointer, read
from builder_contracts.contract.model import AUTOMATIC_LABELS, Clause, Contract, Waiver
from builder_contracts.contract.promises import READERS, SectionParser, toolchain
from builder_contracts.contract.promises.declarations import Responsibility
from builder_contracts.contract.promises.named_promise import PromiseError
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.redaction import learn_data
from builder_contracts.tools.catalog import KnownTool, misspelt, read_tools

MAX_BASES = 8
"""Length of the longest chain of ``extends``."""

# Marks are at the beginning of a line, or after a brace or comma in JSON. Lines that are indented deeper than
# the document are another's text, such as a ConfigMap's that carries a contract.
_MARGIN = re.compile(rb"\A(?:[ \t]*(?:[#%].*|---.*)?\r?\n)*( *)")
_OURS = rb"apiVersion[\"']?\s*:\s*[\"']?builder-contracts/"
_KIND = rb"kind[\"']?\s*:\s*[\"']?([A-Za-z]*)"


def is_contract(path: Path) -> bool:
    """Whether a YAML file is meant as a builder class, by a look at its beginning.

    A file with one of the two marks right and the other misspelt counts, as does one that cannot be opened:
    ignored, it would never fail.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            # A hidden link to nothing is how an editor locks a file.
            return path.is_symlink() and not path.exists() and not path.name.startswith(".")
        with path.open("rb") as stream:
            head = stream.read(65536)
    except OSError:
        return True
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "replace").encode()
    head = head.removeprefix(codecs.BOM_UTF8)
    margin = _MARGIN.match(head)
    start = (
        rb"[{,]\s*[\"']?"
        if head.lstrip().startswith(b"{")
        else rb"(?m)^%b[\"']?" % (margin[1] if margin else b"")
    )
    kind = re.search(start + _KIND, head)
    if kind and kind[1] == b"BuilderClass":
        return True
    return bool(re.search(start + _OURS, head)) and not (kind and kind[1].decode() in schemas.kinds())


@dataclass
class Bases:
    """The bases of earlier contracts: read once, and checked once unless a variable changes them.

    ``read`` has them by path and by name in messages: the merged one, then its parts.
    """

    read: dict[tuple[Path, str], list[Document]] = field(default_factory=dict)
    checked: list[Document] = field(default_factory=list)


NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def load(
    path: Path,
    file: str | None = None,
    bases: Bases | None = None,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Contract:
    """Load the contract at ``path``; ``file`` is its name in messages. Raises InputError.

    Contracts that are loaded with the same ``bases`` read a base that they share once. ``settings`` are values of
    variables that replace defaults; the names that this contract does not declare are for others.
    """
    bases = bases or Bases()
    document, *parts = _merged(path, file or str(path), (), bases)
    # First, so that all other messages are about a valid document.
    learn_data(document.data)
    values = variables.values_of(document, settings)
    for part in parts:
        filled = variables.fill(part, values)
        if filled.data != part.data:
            validity.check("builder-base", filled)
        elif not any(part is checked for checked in bases.checked):
            validity.check("builder-base", part)
            bases.checked.append(part)
    document = variables.fill(document, values)
    learn_data(document.data)
    kind = document.data.get("kind")
    if kind != "BuilderClass" and isinstance(kind, str) and kind in schemas.kinds():
        message = f"a document of kind {kind} is not a contract"
        fix = "pass the classes that use it, or their directory; it is checked with them"
        raise InputError([Problem(document.source(("kind",)), message, fix)])
    validity.check("builder-class", document)
    # What a team knows of its own tools stands in a folder beside its contracts.
    contract = contract_of(document, read_tools(path.parent / "tools"))
    return dataclasses.replace(
        contract, settings={name: settings[name] for name in values if name in settings}
    )


def load_environment(path: Path, file: str | None = None) -> Document:
    """Load an Environment document. Raises InputError."""
    document = read(path, file)
    validity.check("environment", document)
    return document


def load_all(paths: Iterable[Path], settings: Mapping[str, str] = NO_SETTINGS) -> list[Contract]:
    """Load several contracts that are judged together. Raises InputError with the problems of all."""
    contracts, problems = load_readable(paths, settings)
    problems += conflicts(contracts)
    if problems:
        raise InputError(problems)
    if undeclared := list(unknown_settings(settings, contracts)):
        raise InputError(undeclared)
    return contracts


def load_readable(
    paths: Iterable[Path], settings: Mapping[str, str] = NO_SETTINGS
) -> tuple[list[Contract], list[Problem]]:
    """The contracts that can be loaded, and what is wrong with the others: each problem once, also of a shared base."""
    contracts: list[Contract] = []
    problems: list[Problem] = []
    bases = Bases()
    for path in paths:
        try:
            contracts.append(load(path, bases=bases, settings=settings))
        except InputError as error:
            problems += error.problems
    return contracts, list(dict.fromkeys(problems))


def unknown_settings(settings: Iterable[str], contracts: Iterable[Contract]) -> Iterator[Problem]:
    """Names of ``--set`` that none of the contracts declares."""
    declared = sorted(
        {name for contract in contracts for name in contract.document.get(variables.SECTION, ())}
    )
    for name in settings:
        if name not in declared:
            guess = schemas.nearest(name, declared)
            fix = f"did you mean {guess}?" if guess else f"declared: {', '.join(declared) or 'none'}"
            yield Problem(Location("command line"), f"--set {name}: no contract declares this variable", fix)


def conflicts(contracts: Sequence[Contract]) -> list[Problem]:
    """Names and labels that two contracts claim, each reported at the later claim."""
    problems: list[Problem] = []
    names: dict[str, Contract] = {}
    labels: dict[str, Clause] = {}
    for contract in contracts:
        other = names.setdefault(contract.name, contract)
        if other is not contract:
            problems.append(
                Problem(
                    contract.source,
                    f"class {contract.name} is already declared at {other.source}",
                    "rename one of the classes, or remove the copy",
                )
            )
            continue
        for clause in contract.clauses:
            if clause.kind != "labels":
                continue
            # Runners of several classes carry these together with a label of their own.
            if clause.name.lower() in AUTOMATIC_LABELS and len(contract.labels) > 1:
                continue
            # GitHub compares labels without regard to case.
            first = labels.setdefault(clause.name.lower(), clause)
            if first is not clause:
                message = f"label {clause.name} already selects class {first.builder} at {first.source}"
                fix = "give the label to one class; jobs could land on either"
                problems.append(Problem(clause.source, message, fix))
    return problems


def expired(contracts: Iterable[Contract], today: date) -> list[Problem]:
    """Waivers whose last day was before ``today`` (UTC): no fault of the language, and nothing that may stay."""
    return [
        Problem(
            clause.waiver.source,
            f"waiver for {clause.id} expired on {clause.waiver.until}",
            "remove the waiver, or review it and set a later date",
        )
        for contract in contracts
        for clause in contract.clauses
        if clause.waiver and clause.waiver.until < today
    ]


def _merged(path: Path, file: str, chain: tuple[Path, ...], bases: Bases) -> list[Document]:
    """The document with its bases merged under it, then each of the bases as it stands.

    Positions point into the file of each value.
    """
    document = read(path, file)
    if not isinstance(document.data, dict):
        raise InputError(
            [
                Problem(
                    document.source(()),
                    "document must be a mapping",
                    "start with apiVersion: builder-contracts/v1",
                )
            ]
        )
    extends = document.data.get("extends")
    parts = [document] if chain else []
    if not isinstance(extends, str):
        return [document, *parts]
    chain = (*chain, path.resolve())
    base = _base(path, extends, document.source(("extends",)), chain)
    key = base.resolve(), str(Path(file).parent / extends)
    if key not in bases.read:
        bases.read[key] = _merged(base, key[1], chain, bases)
    parent, *above = bases.read[key]
    data = _overlay({key: parent.data[key] for key in parent.data if key not in _OWN}, document.data)
    data.pop("extends", None)
    positions = {
        pointer: source for pointer, source in parent.positions.items() if _inherited(pointer, document.data)
    }
    merged = Document(data, {**positions, **document.positions}, document.spellings)
    return [merged, *parts, *above]


def _base(path: Path, extends: str, where: Location, chain: tuple[Path, ...]) -> Path:
    """The file that the last of the chain extends. Raises InputError."""
    base = path.parent / extends
    try:
        exists, identity = base.is_file(), base.resolve()
    except PermissionError as error:
        message = f"cannot access {extends!r} named in 'extends': {error.strerror}"
        raise InputError([Problem(where, message, "check the path and its permissions")]) from None
    except (OSError, RuntimeError):  # a name that is too long, a loop of symbolic links
        exists, identity = False, base
    if identity in chain:
        loop = " -> ".join(link.name for link in (*chain[chain.index(identity) :], identity))
        raise InputError([Problem(where, f"circular 'extends': {loop}", "break the cycle")])
    if not exists:
        shown = extends if len(extends) <= 200 else extends[:200] + "…"
        fix = "fix the path; it is relative to this file"
        raise InputError([Problem(where, f"'extends' names {shown!r}, which does not exist", fix)])
    if len(chain) > MAX_BASES:
        fix = "merge some of the bases"
        raise InputError([Problem(where, f"'extends' chain is longer than {MAX_BASES}", fix)])
    return base


# What every document says for itself.
_OWN = ("apiVersion", "kind", "extends")


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The mapping ``above`` over the one below: mappings are merged, anything else is replaced."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _overlay(below[key], above[key])
    return merged


def _inherited(pointer: Pointer, above: Any) -> bool:
    """Whether the value at this path of a merged document comes from below."""
    for part in pointer:
        if not isinstance(above, dict):
            return False
        if part not in above:
            return True
        above = above[part]
    return False


def contract_of(document: Document, tools: Mapping[str, KnownTool]) -> Contract:
    """The contract in a valid document, with its clauses. Raises InputError."""
    data = document.data
    builder = data["metadata"]["name"]
    problems: list[Problem] = []
    clauses: list[Clause] = []
    ids: dict[str, Pointer] = {}
    waivers = _waivers(document, problems)
    why: dict[str, str] = data.get("why", {})
    readers: dict[str, SectionParser] = {**READERS, "toolchain": partial(toolchain.read, tools=tools)}
    for kind, read_section in readers.items():
        if kind not in data:
            continue
        try:
            for declared in read_section(data[kind], (kind,)):
                local_id = f"{kind}/{declared.name}"
                if local_id in ids:
                    message = f"duplicate clause ID {local_id}"
                    raise PromiseError(declared.pointer, message, "remove one of them", against=ids[local_id])
                ids[local_id] = declared.pointer
                clauses.append(
                    Clause(
                        builder,
                        kind,
                        declared.name,
                        declared.promise,
                        document.source(declared.pointer),
                        waivers.get(local_id),
                        why.get(local_id),
                    )
                )
        except PromiseError as fault:
            problems.append(_fault(document, fault))
    problems += [_fault(document, conflict) for conflict in contradictions(data)]
    if not problems:
        problems += [*_misspelt_tools(clauses, tools), *_check_clause_references(document, clauses)]
    if problems:
        raise InputError(problems)
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Contract(
        name=builder,
        summary=data["metadata"]["summary"],
        owner=data["metadata"]["owner"],
        labels=tuple(data["labels"]),
        image=data["image"]["reference"],
        source=document.source(("metadata", "name")),
        digest=f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}",
        clauses=tuple(clauses),
        document=data,
    )


def _fault(document: Document, fault: PromiseError) -> Problem:
    message, where = fault.message, document.source(fault.pointer)
    if fault.against is not None and (other := document.source(fault.against)) != where:
        message += f" (at {other})"
    return Problem(where, message, fault.fix)


def _waivers(document: Document, problems: list[Problem]) -> dict[str, Waiver]:
    waivers: dict[str, Waiver] = {}
    for local_id, waiver in document.data.get("waivers", {}).items():
        where = document.source(("waivers", local_id))
        try:
            until = date.fromisoformat(waiver["until"])
        except ValueError as error:
            problems.append(
                Problem(
                    document.source(("waivers", local_id, "until")),
                    f"invalid date: {error}",
                    "use YYYY-MM-DD",
                )
            )
            continue
        waivers[local_id] = Waiver(waiver["reason"], until, where)
    return waivers


def _misspelt_tools(clauses: Iterable[Clause], tools: Mapping[str, KnownTool]) -> Iterator[Problem]:
    """Tools that nobody knows and that are spelled like a known one. A reason says that the name is meant."""
    for clause in clauses:
        if (
            isinstance(clause.promise, Tool)
            and not clause.why
            and clause.name not in tools
            and (guess := misspelt(clause.name))
        ):
            message = f"no tool {clause.name!r} is known"
            fix = f"did you mean {guess!r}? or give a reason under 'why' for {clause.local_id}"
            yield Problem(clause.source, message, fix)


def _check_clause_references(document: Document, clauses: Sequence[Clause]) -> list[Problem]:
    """Ids that waivers, reasons and responsibilities name and that no clause has."""
    local_ids = {clause.local_id for clause in clauses}
    named: list[tuple[str, Pointer]] = []
    for section in ("waivers", "why"):
        named += [(local_id, (section, local_id)) for local_id in document.data.get(section, {})]
    for clause in clauses:
        if isinstance(clause.promise, Responsibility):
            at = ("responsibilities", clause.name, "shown_by")
            named += [(local_id, (*at, index)) for index, local_id in enumerate(clause.promise.shown_by)]
    observed = {
        local_id for local_id in local_ids if not local_id.startswith(("responsibilities/", "labels/"))
    }
    problems: list[Problem] = []
    for local_id, pointer in named:
        if len(problems) == schemas.MAX_PROBLEMS:
            break
        usable = observed if pointer[0] == "responsibilities" else local_ids
        if local_id not in usable:
            guess = _nearest(local_id, usable)
            fix = f"did you mean {guess}?" if guess else "'builder-contracts validate --list' prints the ids"
            problems.append(
                Problem(
                    document.source(pointer),
                    f"{pointer[0]} refers to clause {local_id}, which this contract "
                    + ("does not have" if local_id not in local_ids else "only declares"),
                    fix,
                )
            )
    return problems


def _nearest(local_id: str, usable: set[str]) -> str | None:
    """The id that was probably meant: of the same kind if the kind is right."""
    kind, _, name = local_id.partition("/")
    names = {other.partition("/")[2] for other in usable if other.startswith(f"{kind}/")}
    if names:
        guess = schemas.nearest(name, sorted(names))
        return f"{kind}/{guess}" if guess else None
    return schemas.nearest(local_id, sorted(usable))
