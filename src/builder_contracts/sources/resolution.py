"""Resolve the address of contracts to a folder: by the lock and the cache, or fetched and locked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from builder_contracts.contract.files import read_bytes
from builder_contracts.sources import address, cache, lock
from builder_contracts.sources.address import ContractSource, refusal
from builder_contracts.sources.cache import Documents, digest_of
from builder_contracts.sources.documents import MOST_COMPRESSED, read_archive
from builder_contracts.sources.lock import LockedSource


def local_path(text: str, cwd: Path, say: Callable[[str], None], lock_file: Path | None = None) -> Path:
    """The file or folder with the contracts at an address. Raises BuilderContractsError.

    ``lock_file`` is another file than the one that ``lock.path`` finds by itself.
    A source that is not in the lock yet is fetched and locked; one that is has the locked content, or is an error.
    """
    if not address.is_elsewhere(text) or (cwd / text).is_dir():
        return Path(text)
    source = address.parse(text)
    file = lock.path(cwd, lock_file)
    locked = lock.load(file).get(source.address)
    # Reading an archive on this machine again costs little, and shows whether it is another one by now.
    folder: Path | None = cache.find(locked.digest) if locked and source.kind != "path" else None
    if folder is None:
        documents, resolved = _fetch(source, cwd, locked.resolved if locked else "")
        digest = digest_of(documents)
        if locked and digest != locked.digest:
            raise refusal(
                source.address,
                f"the content changed: {file.name} has {locked.digest}, the source has {digest}",
                f"look at what changed; to take it, run 'builder-contracts lock {source.address}'",
            )
        folder = cache.store(documents)
        if not locked:
            lock.save(file, {**lock.load(file), source.address: LockedSource(digest, resolved)})
            say(f"locked {source.address} at {resolved} in {file.name}")
    return _inside(folder, source)


def renew(text: str, cwd: Path, file: Path) -> tuple[str, LockedSource | None, LockedSource]:
    """Lock in ``file`` what a source has now: its address, what was locked before, and what is. Raises BuilderContractsError."""
    source = address.parse(text)
    documents, resolved = _fetch(source, cwd, "")
    entry = LockedSource(digest_of(documents), resolved)
    cache.store(documents)
    before = lock.load(file)
    lock.save(file, {**before, source.address: entry})
    return source.address, before.get(source.address), entry


def _fetch(source: ContractSource, cwd: Path, resolved: str) -> tuple[Documents, str]:
    """The documents of a source, and the commit or the digest that had them; the locked one if there is one."""
    # Each is imported for its own sources alone: the libraries of HTTP take longer than all of 'validate'.
    if source.kind == "git":
        from builder_contracts.sources import git

        documents, resolved = git.fetch(source, resolved)
    elif source.kind == "oci":
        from builder_contracts.sources import registry

        documents, resolved = registry.fetch(source, resolved)
    else:
        if source.kind == "path":
            content = read_bytes(cwd / source.url, MOST_COMPRESSED, source.url)
            if len(content) > MOST_COMPRESSED:
                raise refusal(
                    source.address, f"more than {MOST_COMPRESSED:,} bytes", "pack the contracts alone"
                )
        else:
            from builder_contracts.sources import download

            content = download.fetch(source)
        documents = read_archive(content, source.address)
        resolved = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if not documents:
        raise refusal(source.address, "it has no YAML and no JSON", "use a source that has contracts")
    return documents, resolved


def _inside(folder: Path, source: ContractSource) -> Path:
    """The folder that the address names: in the source, or in the one folder that an archive has at its top."""
    if not source.folder:
        return folder
    entries = sorted(folder.iterdir())
    tops: list[Path] = [folder, *(entries if len(entries) == 1 else ())]
    for top in tops:
        if (top / source.folder).exists():
            return top / source.folder
    names = ", ".join(entry.name for entry in sorted(tops[-1].iterdir())[:20])
    raise refusal(
        f"{source.address}#{source.folder}", "it has no YAML and no JSON there", f"name one of {names}"
    )
