"""The inputs of a run, each read once: contracts, the environments next to them, the environment in use."""

from __future__ import annotations

import dataclasses
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder_contracts.contract import files, schemas
from builder_contracts.contract.document import Document, read
from builder_contracts.contract.loading import (
    conflicts,
    is_contract,
    load_environment,
    load_readable,
    unknown_settings,
)
from builder_contracts.contract.model import Contract
from builder_contracts.contract.platforms import are_same
from builder_contracts.contract.promises.image import ImagePlatform, ImageReference
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.run.options import RunOptions, usage_error
from builder_contracts.runner.kubernetes import helm, pod_template
from builder_contracts.runner.kubernetes.pod_template import PodTemplate
from builder_contracts.runner.kubernetes.scale_set import ScaleSetName
from builder_contracts.services import role_checks
from builder_contracts.services.environment import NOTHING, Environment


@dataclass(frozen=True)
class Inputs:
    """Contracts in the order of their files, with the images that were asked for, and what surrounds them.

    ``document`` is the environment in use, as plain data; ``hidden`` are the variables of this process that no job of
    this machine sees; ``unreadable`` is what is wrong with contracts of other classes. ``pods`` is where the pods of a
    class come from, with ``--runner kubernetes``.
    """

    contracts: tuple[Contract, ...]
    document: Any = None
    bindings: Environment = NOTHING
    hidden: frozenset[str] = frozenset()
    unreadable: tuple[Problem, ...] = ()
    pods: Mapping[str, PodTemplate | ScaleSetName] = field(default_factory=dict)

    def named(self, builders: Sequence[str]) -> tuple[Contract, ...]:
        """The contracts of these classes, or all of them."""
        return tuple(contract for contract in self.contracts if not builders or contract.name in builders)


def new_run_id() -> str:
    """An ID that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def load_inputs(options: RunOptions) -> Inputs:
    """Read what a run needs. Raises InputError with everything that is wrong.

    With ``--builder``, a contract that cannot be read costs its own class only.
    """
    contracts, problems = load_readable(contract_files(options.paths), options.settings)
    require_named(options, contracts, problems)
    return dataclasses.replace(with_contracts(options, contracts), unreadable=tuple(problems))


def require_named(options: RunOptions, contracts: Sequence[Contract], problems: Sequence[Problem]) -> None:
    """Raise InputError with the problems of unreadable contracts, unless every class that is asked for was read."""
    names = {contract.name for contract in contracts}
    if problems and not (options.builders and names.issuperset(options.builders)):
        raise InputError(list(dict.fromkeys([*problems, *conflicts(contracts)])))


def with_contracts(options: RunOptions, contracts: Sequence[Contract]) -> Inputs:
    """The inputs of a run whose contracts are read already. Raises InputError with everything that is wrong."""
    problems = [
        *conflicts(contracts),
        *unknown_settings(options.settings, contracts),
        *unknown("--builder", options.builders, contracts),
        *unknown("--image", options.images, contracts),
        *_without_platform(options, contracts),
    ]
    environments: dict[Path, Document] = {}
    folders = dict.fromkeys(Path(contract.source.file).parent for contract in contracts)
    for folder in folders:
        try:
            loaded = {file: load_environment(file) for file in files.yaml_in(folder / "environments")}
            environments |= loaded
            beside = [contract for contract in contracts if Path(contract.source.file).parent == folder]
            problems += role_checks.check(folder, beside, list(loaded.values()))
        except InputError as error:
            problems += error.problems
    document = None
    try:
        document = find_environment(options.environment, environments, options.cwd)
    except InputError as error:
        problems += error.problems
    for option, path in (
        ("--linux-xr-source", options.linux_xr_source),
        ("--linux-xr-config", options.linux_xr_config),
    ):
        try:
            if path is not None:
                require_path(option, path, options.cwd)
        except InputError as error:
            problems += error.problems
    pods: Mapping[str, PodTemplate | ScaleSetName] = {}
    try:
        pods = pod_sources(options, contracts)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return Inputs(
        tuple(
            _with_platform(_with_image(contract, options.images.get(contract.name)), options.platform)
            for contract in contracts
        ),
        document,
        Environment.from_document(document) if document else NOTHING,
        secret_variables([document, *(environment.data for environment in environments.values())]),
        pods=pods,
    )


def pod_sources(options: RunOptions, contracts: Sequence[Contract]) -> dict[str, PodTemplate | ScaleSetName]:
    """Where the pods of each chosen class come from. Raises InputError."""
    given = [
        *(("--pod", name, value) for name, value in options.pods),
        *(("--helm-values", name, value) for name, value in options.helm_values),
        *(("--scale-set", name, value) for name, value in options.scale_sets),
    ]
    if "kubernetes" not in options.runners:
        used = [option for option, *_ in given]
        used += [
            option
            for option, value in (
                ("--helm-chart", options.helm_chart),
                ("--witness-image", options.witness_image),
            )
            if value
        ]
        if used:
            raise usage_error(f"{used[0]} without --runner kubernetes", "add --runner kubernetes")
        return {}
    if options.helm_chart and not options.helm_values:
        raise usage_error(
            "--helm-chart without --helm-values", "add --helm-values, which it is rendered with"
        )
    chosen = [contract for contract in contracts if not options.builders or contract.name in options.builders]
    if problems := list(unknown("--pod", filter(None, (name for _, name, _ in given)), contracts)):
        raise InputError(problems)
    sources: dict[str, PodTemplate | ScaleSetName] = {}
    for option, name, value in given:
        if not name and len(chosen) != 1:
            names = ", ".join(contract.name for contract in chosen)
            raise usage_error(
                f"{option} {value}: which class is it of?", f"pass CLASS={value}; CLASS is one of {names}"
            )
        name = name or chosen[0].name
        if name in sources:
            raise usage_error(f"{option} {value}: a second pod of {name}", "pass one of them")
        contract = next(contract for contract in contracts if contract.name == name)
        sources[name] = _pod_source(option, value, contract, options)
    for contract in chosen:
        if contract.name not in sources:
            raise usage_error(
                f"--runner kubernetes: no pod of {contract.name}",
                f"pass --pod {contract.name}=FILE, --helm-values {contract.name}=FILE or --scale-set {contract.name}=NAMESPACE/NAME, or select other classes with --builder",
            )
    return sources


def _pod_source(
    option: str, value: str, contract: Contract, options: RunOptions
) -> PodTemplate | ScaleSetName:
    words: tuple[str, ...] = (option, value)
    if option == "--scale-set":
        namespace, _, name = value.partition("/")
        return ScaleSetName(namespace, name, words)
    if option == "--pod":
        return pod_template.from_manifest(read(options.cwd / value, value), words)
    if options.helm_chart is None:
        return pod_template.from_values(read(options.cwd / value, value), words, release=contract.labels[0])
    words = (*words, "--helm-chart", str(options.helm_chart))
    document = helm.render(
        options.cwd / options.helm_chart,
        options.cwd / value,
        release=contract.labels[0],
        namespace=options.namespace,
        options=words,
    )
    return pod_template.from_manifest(document, words)


def _with_image(contract: Contract, reference: str | None) -> Contract:
    """The contract with another image: every message and every command to try then names what is checked."""
    if reference is None:
        return contract
    clauses = tuple(
        dataclasses.replace(clause, promise=ImageReference(reference))
        if isinstance(clause.promise, ImageReference)
        else clause
        for clause in contract.clauses
    )
    return dataclasses.replace(contract, image=reference, clauses=clauses)


def _without_platform(options: RunOptions, contracts: Iterable[Contract]) -> Iterator[Problem]:
    """Classes that are asked for and have no image for the platform that is asked for."""
    for contract in contracts:
        promised = [promise.platform for promise in contract.promised(ImagePlatform)]
        chosen = options.platform and (not options.builders or contract.name in options.builders)
        if chosen and promised and not any(are_same(options.platform, platform) for platform in promised):
            yield Problem(
                Location("command line"),
                f"--platform {options.platform}: {contract.name} promises {', '.join(promised)}",
                "add it under image.platforms, or select other classes with --builder",
            )


def _with_platform(contract: Contract, platform: str) -> Contract:
    """The contract with the platform that is looked at: an image for another one does not keep its clause."""
    if not platform:
        return contract
    clauses = tuple(
        dataclasses.replace(clause, promise=ImagePlatform(clause.promise.platform))
        if isinstance(clause.promise, ImagePlatform) and are_same(clause.promise.platform, platform)
        else clause
        for clause in contract.clauses
    )
    return dataclasses.replace(contract, platform=platform, clauses=clauses)


def unknown(option: str, names: Iterable[str], contracts: Iterable[Contract]) -> Iterator[Problem]:
    """Classes that an option names and no contract declares."""
    declared = sorted(contract.name for contract in contracts)
    for name in names:
        if name not in declared:
            guess = schemas.nearest(name, declared)
            yield Problem(
                Location("command line"),
                f"{option} {name}: no contract declares this class",
                f"did you mean {guess}?" if guess else f"known classes: {', '.join(declared)}",
            )


def find_environment(name: str | None, environments: dict[Path, Document], cwd: Path) -> Any:
    """The environment in use as plain data: a file, or one of those next to the contracts; None without one.

    Raises InputError for one that is asked for and does not exist.
    """
    if name and os.path.isfile(cwd / name):  # noqa: PTH113 # never raises
        read = {path.resolve(): document for path, document in environments.items()}
        return (read.get((cwd / name).resolve()) or load_environment(cwd / name)).data
    by_name = {path.stem: document for path, document in reversed(environments.items())}
    if name in by_name or name is None:
        document = by_name.get(name or "embedded")
        return document.data if document else None
    guess = schemas.nearest(name, sorted(by_name))
    known_names = f"known: {', '.join(sorted(by_name))}" if by_name else "none defined"
    raise usage_error(
        f"--environment {name}: no such file, and no such name in environments/ next to the contracts",
        f"did you mean {guess}?" if guess else f"pass a file, or the name of an environment ({known_names})",
    )


def secret_variables(documents: Iterable[Any]) -> frozenset[str]:
    """The variables that no job sees on this machine: what any of the environments names as secrets.

    A deployment's credentials stay secret while a different environment is in use.
    """
    return frozenset[str]().union(
        *(Environment.from_document(document).secrets for document in documents if document)
    )


def require_path(option: str, path: Path, cwd: Path) -> None:
    """See that something exists at the path of an option, relative to ``cwd``. Raises InputError."""
    try:
        (cwd / path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise usage_error(f"{option} {path}: no such file or directory", "check the path") from None
    except OSError as error:
        raise usage_error(
            f"{option} {path}: cannot access: {error.strerror}", "check the path and its permissions"
        ) from None


def contract_files(paths: Iterable[Path]) -> list[Path]:
    """The contracts that are named, or that are in the named directories or in ./contracts.

    Raises InputError for a path that cannot be read or is not a file, and for directories without any contract.
    """
    search_paths = list(paths) or [Path("contracts")]
    contracts: list[Path] = []
    for path in search_paths:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise _path_error(path, "no such file or directory") from None
        except OSError as error:
            raise files.refusal(path, error) from None
        if stat.S_ISDIR(mode):
            contracts += sorted(file for file in _candidates(path) if is_meant_as_contract(file, path))
        elif stat.S_ISREG(mode):
            contracts.append(path)
        else:
            kind = _OTHERS.get(stat.S_IFMT(mode), "something else")
            raise _path_error(path, f"expected a file or directory, found {kind}")
    if not contracts:
        raise InputError([no_contracts(search_paths)])
    # A file may be named twice, or be in a directory that is named as well.
    return list({os.path.realpath(file): file for file in contracts}.values())


def no_contracts(paths: Iterable[Path]) -> Problem:
    """Directories in which no contract stands."""
    return Problem(
        Location(", ".join(map(str, paths)), 1),
        "no contracts found",
        "a contract needs apiVersion: builder-contracts/v1 and kind: BuilderClass",
    )


def is_meant_as_contract(file: Path, folder: Path | None) -> bool:
    """Whether a file in a directory of contracts is to be one; an empty one is begun, and loading it says so."""
    return file.suffix in files.SUFFIXES and (
        is_contract(file) or (file.parent == folder and files.is_empty(file))
    )


_OTHERS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _path_error(path: Path, message: str) -> InputError:
    return InputError(
        [Problem(Location(str(path), 1), message, "pass a contract file or a directory of contracts")]
    )


def _candidates(folder: Path) -> Iterator[Path]:
    """The files below a directory that could be contracts. Raises InputError for a directory that may not be read."""

    def refuse(error: OSError) -> None:
        raise files.refusal(error.filename, error)

    for directory, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(directory, name) for name in names if name.endswith(files.SUFFIXES))
