"""Check that roles, environments and classes agree about caches and stores. Pure except for reading files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from builder_contracts.contract import validity
from builder_contracts.contract.document import Document, Pointer, read
from builder_contracts.contract.files import is_file, yaml_in
from builder_contracts.contract.loading import load_environment
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.network import Denied
from builder_contracts.contract.promises.publication import PublicationProof
from builder_contracts.contract.schemas import nearest
from builder_contracts.errors import Problem


def check(
    folder: Path, contracts: Sequence[Contract], environments: Sequence[Document] | None = None
) -> list[Problem]:
    """Everything that does not agree among the contracts in ``folder``, its environments and its cache roles.

    ``environments`` are those of the folder if they are read already. Nothing is wrong with a folder that has
    neither. Raises InputError for files that do not load.
    """
    if environments is None:
        environments = [load_environment(file) for file in yaml_in(folder / "environments")]
    # What classes inherit is reported once.
    wrong = list(dict.fromkeys(_not_forbidden(environments, contracts)))
    path = folder / "platform" / "cache-roles.yaml"
    if is_file(path):
        roles = read(path)
        validity.check("cache-roles", roles)
        wrong += check_roles(roles, environments, contracts)
    return wrong


def check_roles(
    roles: Document, environments: Sequence[Document], contracts: Sequence[Contract]
) -> list[Problem]:
    """The disagreements, in the order of the files."""
    return [
        *_shared_authority(roles),
        *_stale(roles, [roles, *environments]),
        *_other_url(roles, environments),
        *_unbound(environments, contracts),
        *_undescribed(roles, environments),
    ]


def _shared_authority(roles: Document) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name, role in roles.data["roles"].items():
        words = " ".join(role["authority"].lower().split())
        other = first.setdefault(words, name)
        if other != name:
            yield Problem(
                roles.source(("roles", name, "authority")),
                f"roles {other} and {name} claim the same authority: {role['authority']}",
                "state what each one decides alone, or merge them",
            )
    hosts: dict[tuple[str, str], str] = {}
    for name, role in roles.data["roles"].items():
        for environment, url in role.get("endpoints", {}).items():
            parts = urlsplit(url)
            key = (environment, f"{parts.netloc}{parts.path}")
            other = hosts.setdefault(key, name)
            if other != name:
                yield Problem(
                    roles.source(("roles", name, "endpoints", environment)),
                    f"roles {other} and {name} share endpoint {url} in {environment}",
                    "give each role its own endpoint",
                )


def _stale(roles: Document, documents: Iterable[Document]) -> Iterator[Problem]:
    stale: Mapping[str, str] = roles.data.get("stale", {})
    for document in documents:
        for pointer, text in _strings(document.data, ()):
            if pointer[:1] == ("stale",):
                continue
            for host, instead in stale.items():
                if host in text:
                    yield Problem(document.source(pointer), f"refers to the stale endpoint {host}", instead)


def _strings(value: object, at: Pointer) -> Iterator[tuple[Pointer, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*at, key), str(key)
            yield from _strings(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*at, index))


def _other_url(roles: Document, environments: Iterable[Document]) -> Iterator[Problem]:
    for document in environments:
        environment = document.data["metadata"]["name"]
        for name, binding in document.data.get("roles", {}).items():
            written = roles.data["roles"].get(name, {}).get("endpoints", {}).get(environment)
            if binding.get("url") and binding["url"] != written:
                yield Problem(
                    document.source(("roles", name, "url")),
                    f"{environment} binds {name} to {binding['url']}, but cache-roles.yaml has {written or 'nothing'}",
                    "use the same URL in both files",
                )


def _unbound(environments: Iterable[Document], contracts: Iterable[Contract]) -> Iterator[Problem]:
    uses = {
        promise.role if isinstance(promise, CacheProof) else promise.target: (contract.name, clause.source)
        for contract in contracts
        for clause in contract.clauses
        if isinstance(promise := clause.promise, CacheProof | PublicationProof)
    }
    for document in environments:
        bound = document.data.get("roles", {})
        for role, (builder, source) in uses.items():
            if role not in bound:
                environment = document.data["metadata"]["name"]
                yield Problem(
                    source,
                    f"{builder} uses role {role}, which environment {environment} does not define",
                    f"add it under 'roles' in {document.source(()).file}, or state there why it does not work",
                )


def _not_forbidden(environments: Sequence[Document], contracts: Iterable[Contract]) -> Iterator[Problem]:
    forbidden = {name for document in environments for name in document.data.get("forbidden", {})}
    for contract in contracts:
        for clause in contract.clauses:
            if environments and isinstance(clause.promise, Denied) and clause.promise.host not in forbidden:
                guess = nearest(clause.promise.host, sorted(forbidden))
                yield Problem(
                    clause.source,
                    f"denies host {clause.promise.host!r}, which no environment lists under 'forbidden'",
                    f"did you mean {guess!r}?"
                    if guess
                    else f"add it under 'forbidden' in {environments[0].source(()).file}",
                )


def _undescribed(roles: Document, environments: Iterable[Document]) -> Iterator[Problem]:
    for document in environments:
        for name in document.data.get("roles", {}):
            if name not in roles.data["roles"]:
                yield Problem(
                    document.source(("roles", name)),
                    f"defines role {name}, which cache-roles.yaml does not describe",
                    "describe there what it is and is not for",
                )
