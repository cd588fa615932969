"""Parse the address of contracts that are not a folder of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from builder_contracts.errors import ExitCode, InputError, Location, Problem
from builder_contracts.redaction import learn_secrets

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
"""How the names of archives on this machine end."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.+-]*)::?//|([A-Za-z][A-Za-z0-9+-]*)::")
# No word of it can be an option of git, or more than one reference.
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_NETWORK = re.compile(rf"(?:[A-Za-z0-9_.-]+@)?{_HOST}")
_ARTIFACT = re.compile(
    rf"(?P<registry>{_HOST})/(?P<repository>[a-z0-9][a-z0-9._/-]*?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_FORMS = (
    "use git+https://HOST/PATH@REF#FOLDER, git+ssh://, https://HOST/ARCHIVE.tar.gz#FOLDER, "
    "oci://REGISTRY/REPOSITORY:TAG, or a path of this machine"
)


class SourceUnavailableError(InputError):
    """Contracts could not be fetched: nothing is known about them."""

    exit_code = ExitCode.CANNOT_RUN


def refusal(address: str, message: str, fix: str) -> InputError:
    """The error about a source that was looked at and cannot be used."""
    return InputError([Problem(Location(address), message, fix)])


def unavailable(address: str, message: str, fix: str) -> SourceUnavailableError:
    """The error about a source that could not be looked at."""
    return SourceUnavailableError([Problem(Location(address), message, fix)])


@dataclass(frozen=True)
class ContractSource:
    """Where contracts are: ``address`` has neither credentials nor the folder, and is the name in the lock.

    ``url`` is what is asked. A ``path`` is an archive on this machine.
    """

    kind: Literal["git", "archive", "path", "oci"]
    address: str
    url: str
    reference: str = ""
    folder: str = ""
    user: str = ""
    password: str = ""


def is_elsewhere(text: str) -> bool:
    """Whether a value of ``--contracts`` is more than a file or a folder of this machine."""
    path = text.partition("#")[0]
    return bool(_SCHEME.match(text)) or path.endswith(ARCHIVES)


def parse(text: str) -> ContractSource:
    """The source at an address. Raises InputError for what cannot be, or may not be, fetched."""
    if not _SCHEME.match(text):
        path, _, folder = text.partition("#")
        return ContractSource("path", path, path, folder=_folder(folder, path))
    try:
        parts = urlsplit(text)
    except ValueError:
        raise refusal("--contracts", "not a URL", _FORMS) from None
    learn_secrets(*filter(None, (parts.password, unquote(parts.password or ""))))
    address = parts.netloc.rpartition("@")[2] + parts.path
    if parts.scheme not in ("git+https", "git+ssh", "https", "oci"):
        scheme = (_SCHEME.match(text) or [""])[0]
        raise refusal(f"{scheme}…", "contracts are not fetched this way", _FORMS)
    shown = f"{parts.scheme}://{address}"
    folder = _folder(unquote(parts.fragment), shown)
    if parts.scheme == "oci":
        return _artifact(parts, shown, folder)
    host = parts.netloc.rpartition("@")[2]
    if not re.fullmatch(_HOST, host) or re.search(r"[\s\x00-\x1f]", text):
        raise refusal(shown, "this is not the URL of a host", _FORMS)
    if parts.scheme == "https":
        query = f"?{parts.query}" if parts.query else ""
        url = f"https://{host}{parts.path}{query}"
        return _with_credentials(ContractSource("archive", url, url, folder=folder), parts)
    return _repository(parts, shown, folder)


def _repository(parts: SplitResult, shown: str, folder: str) -> ContractSource:
    path, _, reference = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "HEAD")
    if not _REFERENCE.fullmatch(reference) or ".." in reference:
        raise refusal(shown, "no branch, tag or commit follows the @", "append @REF, such as @v1")
    if not path.strip("/") or parts.query:
        raise refusal(shown, "this is not the URL of a git repository", _FORMS)
    if parts.scheme == "git+ssh":
        if not _NETWORK.fullmatch(parts.netloc):
            fix = "use git+ssh://USER@HOST/PATH; the key is that of your ssh agent"
            raise refusal(shown, "ssh takes a user and a host, without a password", fix)
        # Who logs in decides what is reached.
        shown = f"git+ssh://{parts.netloc}{parts.path}"
        return ContractSource("git", shown, f"ssh://{parts.netloc}{path}", reference, folder)
    host = parts.netloc.rpartition("@")[2]
    source = ContractSource("git", shown, f"https://{host}{path}", reference, folder)
    return _with_credentials(source, parts)


def _artifact(parts: SplitResult, shown: str, folder: str) -> ContractSource:
    match = _ARTIFACT.fullmatch(parts.netloc + parts.path)
    if not match or parts.query:
        fix = "use oci://REGISTRY/REPOSITORY:TAG or …@sha256:…; 'docker login' keeps the password"
        raise refusal(shown, "this is not an artifact of a registry", fix)
    url = f"{match['registry']}/{match['repository']}"
    return ContractSource("oci", shown, url, match["digest"] or match["tag"] or "latest", folder)


def _with_credentials(source: ContractSource, parts: SplitResult) -> ContractSource:
    return replace(source, user=unquote(parts.username or ""), password=unquote(parts.password or ""))


def _folder(text: str, shown: str) -> str:
    folder = PurePosixPath(text)
    if folder.is_absolute() or ".." in folder.parts or "\0" in text:
        raise refusal(
            f"{shown}#{text}", "the folder leaves the source", "name a folder inside, such as #contracts"
        )
    return "" if folder == PurePosixPath() else str(folder)
