"""Canaries: directories with a ``canary.yaml`` that defines their build and its artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.contract import validity
from builder_contracts.contract.document import read
from builder_contracts.contract.files import current_directory, is_file, list_folder
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.canaries import ANY, KERNEL, NIX, CanaryProof
from builder_contracts.contract.quantities import byte_count
from builder_contracts.contract.schemas import nearest
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.sources.cache import is_fetched


@dataclass(frozen=True)
class CanaryBudget:
    """Budget of a cold build: seconds, bytes of memory, bytes of disk (None: not limited)."""

    seconds: float
    memory: int | None
    disk: int | None


@dataclass(frozen=True)
class Canary:
    """A real workload. ``nonce`` is the file whose content makes a build unlike every other.

    ``inputs`` are the files and folders that it is built from, and all that the builder gets of it.
    ``artifacts`` are the paths that leave the builder, relative to the working folder; ``says`` is what
    ``run`` prints.
    """

    name: str
    folder: Path
    tool: str
    builders: tuple[str, ...]
    command: tuple[str, ...]
    nonce: str
    artifacts: tuple[str, ...]
    budget: CanaryBudget
    inputs: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    says: str = ""
    mnemonics: tuple[str, ...] = ()

    @property
    def kernel(self) -> bool:
        """Whether it is a kernel, which has its own tiers."""
        return (self.folder / "kernel.yaml").is_file()

    @property
    def digest(self) -> str:
        """A digest of its definition and of everything that it is built from."""
        digest = hashlib.sha256()
        for name in ("canary.yaml", "kernel.yaml", *self.inputs):
            for path in sorted({self.folder / name, *(self.folder / name).rglob("*")}):
                if path.is_file():
                    content = hashlib.sha256(path.read_bytes()).digest()
                    digest.update(str(path.relative_to(self.folder)).encode() + b"\0" + content)
        return digest.hexdigest()

    @property
    def shows(self) -> list[str]:
        """The things that it can prove."""
        if self.kernel:
            return [*KERNEL]
        return [show for show in (*ANY, *(NIX if self.tool == "nix" else ())) if show != "runs" or self.run]


def folder_of(contract_file: str) -> Path:
    """The directory of a contract's canaries: ``canaries`` next to the directory of the contract.

    A canary is a program. One that was fetched is none of this machine's; the current directory's own is built.
    """
    if is_fetched(contract_file):
        return current_directory() / "canaries"
    return Path(contract_file).resolve().parent.parent / "canaries"


def named(name: str, contract: Contract) -> Canary:
    """The canary that a contract names. Raises InputError if it is not there, or not for this class."""
    canary = load(folder_of(contract.source.file) / name)
    if contract.name not in canary.builders:
        message = f"'builders' lists {', '.join(canary.builders)} but not {contract.name}"
        fix = f"add {contract.name} to 'builders', or remove {name} from the contract"
        raise InputError([Problem(Location(str(canary.folder / "canary.yaml")), message, fix)])
    return canary


def check(contracts: Iterable[Contract]) -> list[Problem]:
    """The errors in the canaries that contracts name, and in the things that they must prove.

    Nothing is wrong with contracts that have no folder of canaries.
    """
    problems: list[Problem] = []
    for contract in contracts:
        folder = folder_of(contract.source.file)
        if not folder.is_dir():
            continue
        shown: dict[str, list[Clause]] = {}
        for clause in contract.clauses:
            if isinstance(clause.promise, CanaryProof):
                shown.setdefault(clause.promise.canary, []).append(clause)
        for name, clauses in shown.items():
            try:
                if not is_file(folder / name / "canary.yaml"):
                    guess = nearest(name, [path.name for path in list_folder(folder)])
                    fix = f"did you mean {guess}?" if guess else f"create {folder / name / 'canary.yaml'}"
                    problems.append(Problem(clauses[0].source, f"no such canary: {name}", fix))
                    continue
                shows = named(name, contract).shows
            except InputError as error:
                problems += error.problems
                continue
            problems += [
                Problem(
                    clause.source,
                    f"canary {name} does not support {clause.promise.show}",
                    f"use one of {', '.join(shows)}",
                )
                for clause in clauses
                if isinstance(clause.promise, CanaryProof) and clause.promise.show not in shows
            ]
    # What classes inherit is reported once.
    return list(dict.fromkeys(problems))


def load(folder: Path) -> Canary:
    """Read ``canary.yaml`` in the folder. Raises InputError."""
    path = folder / "canary.yaml"
    if not is_file(path):
        raise InputError(
            [
                Problem(
                    Location(str(path)), f"no such canary: {folder.name}", f"create {path}, or fix the name"
                )
            ]
        )
    document = read(path)
    validity.check("canary", document)
    data = document.data
    if data["metadata"]["name"] != folder.name:
        place = document.source(("metadata", "name"))
        raise InputError(
            [
                Problem(
                    place,
                    f"canary name does not match its directory {folder.name}",
                    f"rename it to {folder.name}, or move it",
                )
            ]
        )
    inputs = tuple(data["inputs"])
    problems = [
        Problem(
            document.source(("inputs", index)),
            f"input {name} not found in {folder}",
            "fix the path, or add the file",
        )
        for index, name in enumerate(inputs)
        if not (folder / name).exists()
    ]
    if not any(data["nonce"] == name or data["nonce"].startswith(f"{name}/") for name in inputs):
        problems.append(
            Problem(
                document.source(("nonce",)),
                f"nonce {data['nonce']} is not an input",
                "add it to 'inputs'; otherwise it does not change the build",
            )
        )
    if problems:
        raise InputError(problems)
    budget = data["budget"]
    return Canary(
        name=data["metadata"]["name"],
        folder=folder,
        tool=data["tool"],
        builders=tuple(data["builders"]),
        command=tuple(data.get("command", ())),
        nonce=data["nonce"],
        artifacts=tuple(data["artifacts"]),
        budget=CanaryBudget(
            float(budget["seconds"]), _bytes(budget.get("memory")), _bytes(budget.get("disk"))
        ),
        inputs=inputs,
        run=tuple(data.get("run", {}).get("command", ())),
        says=data.get("run", {}).get("says", ""),
        mnemonics=tuple(data.get("mnemonics", ())),
    )


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    return byte_count(text)
