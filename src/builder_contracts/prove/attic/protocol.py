"""Attic's protocol: requests for the client of the proofs, and what the answers mean. Pure.

Source: github.com/zhaofengli/attic at b7c9056: client/src/api/mod.rs for the addresses,
attic/src/api/v1/{cache_config,get_missing_paths,upload_path}.rs for the bodies, attic/src/cache.rs for the names,
server/src/access/http.rs and token/src/lib.rs for who is refused with what.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder_contracts.prove.store_lookup import StoreLookup

Request = dict[str, Any]
Reply = Mapping[str, Any]

# The digits of a store path's hash: Attic answers 500 to any other.
_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,49}")
# What a server that keeps its caches from an identity calls that.
_REFUSALS = ("Unauthorized", "AccessError", "NoSuchCache")
STORE = "/nix/store"


def store_hash() -> str:
    """The hash of a store path that has never existed."""
    return "".join(secrets.choice(_DIGITS) for _ in range(32))


@dataclass(frozen=True)
class StorePath:
    """A store path as it is uploaded. ``references`` and ``deriver`` are base names."""

    path: str
    nar: bytes
    references: tuple[str, ...] = ()
    deriver: str | None = None

    @classmethod
    def of_text(cls, text: str) -> StorePath:
        """A file with that text, under a path that has never existed."""
        return cls(f"{STORE}/{store_hash()}-proof", _nar(text.encode()))

    @property
    def hash(self) -> str:
        """The part of the path that caches know it by."""
        return self.path.rsplit("/", 1)[1].partition("-")[0]

    @property
    def nar_hash(self) -> str:
        """The hash of the content, as Attic writes it."""
        return f"sha256:{hashlib.sha256(self.nar).hexdigest()}"


def _nar(content: bytes) -> bytes:
    """Pack a file. Source: https://nix.dev/manual/nix/latest/protocols/nix-archive"""
    words = (b"nix-archive-1", b"(", b"type", b"regular", b"contents", content, b")")
    return b"".join(len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words)


@dataclass(frozen=True)
class AtticCache:
    """A cache of an Attic server, whose API is at ``api``.

    ``public`` and ``public_key`` are what the server says of it; ``public`` is None if no identity may know.
    """

    api: str
    name: str
    public: bool | None = None
    public_key: str = ""

    @classmethod
    def at(cls, url: str) -> AtticCache | None:
        """The cache that this URL would be at an Attic server, None if no cache there can have such a name."""
        api, _, name = url.rstrip("/").rpartition("/")
        return cls(f"{api}/", name) if "://" in api and _NAME.fullmatch(name) else None

    @property
    def url(self) -> str:
        """The URL for Nix."""
        return f"{self.api}{self.name}"

    def described(self, replies: Iterable[Reply]) -> AtticCache | None:
        """The cache by the answers of several identities' ``config``; None if this is not an Attic server."""
        refused = False
        for reply in replies:
            answer = _json(reply)
            if reply["status"] == "200" and isinstance(answer.get("is_public"), bool):
                key = str(answer.get("public_key") or "")
                return dataclasses.replace(self, public=answer["is_public"], public_key=key)
            refused |= answer.get("error") in _REFUSALS and "message" in answer
        return self if refused else None

    def refusal(self, *, discovers: bool) -> tuple[str, ...]:
        """What an identity without a right gets: who may know of a cache gets 403, everybody else 401."""
        if self.public is None:
            return ("401", "403")
        return ("403",) if discovers or self.public else ("401",)

    def config(
        self, headers: Mapping[str, str], method: str = "GET", body: Mapping[str, Any] | None = None
    ) -> Request:
        """Read, create (POST), change (PATCH) or destroy (DELETE) the cache."""
        return self._api(f"cache-config/{self.name}", method, headers, body)

    def create(self, headers: Mapping[str, str]) -> Request:
        """Create the cache, private."""
        settings = {"is_public": False, "store_dir": STORE, "priority": 41, "upstream_cache_key_names": []}
        return self.config(headers, "POST", {"keypair": "Generate", **settings})

    def missing(self, headers: Mapping[str, str], hashes: Sequence[str]) -> Request:
        """Ask which paths the cache lacks, which needs the right to push."""
        return self._api(
            "get-missing-paths", "POST", headers, {"cache": self.name, "store_path_hashes": [*hashes]}
        )

    def upload(
        self, headers: Mapping[str, str], path: StorePath, *, preamble: bool = True, nar_hash: str = ""
    ) -> Request:
        """Upload a path; its description goes ahead of the content, or into a header. ``nar_hash`` replaces its own."""
        description = json.dumps(
            {
                "cache": self.name, "store_path_hash": path.hash, "store_path": path.path,
                "references": [*path.references], "system": None, "deriver": path.deriver, "sigs": [], "ca": None,
                "nar_hash": nar_hash or path.nar_hash, "nar_size": len(path.nar),
            }
        )  # fmt: skip
        body = path.nar
        described = {"X-Attic-Nar-Info": description}
        if preamble:
            body = description.encode() + body
            described = {"X-Attic-Nar-Info-Preamble-Size": str(len(description))}
        return {
            "kind": "http", "method": "PUT", "url": f"{self.api}_api/v1/upload-path",
            "headers": {**headers, **described, "Content-Type": "application/octet-stream"},
            "body": base64.b64encode(body).decode(),
        }  # fmt: skip

    def file(self, headers: Mapping[str, str], name: str, method: str = "GET") -> Request:
        """A request for a file of the cache, as Nix makes it."""
        body = {"body": ""} if method == "PUT" else {}
        return {
            "kind": "http", "method": method, "url": f"{self.url}/{name}", "headers": {**headers}, **body,
        }  # fmt: skip

    def _api(
        self, path: str, method: str, headers: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> Request:
        request = {
            "kind": "http",
            "method": method,
            "url": f"{self.api}_api/v1/{path}",
            "headers": {**headers},
        }
        if body is None:
            return request
        request["headers"] = {**headers, "Content-Type": "application/json"}
        return {**request, "body": base64.b64encode(json.dumps(body).encode()).decode()}


def forged(token: str) -> str:
    """A token with the same claims and another signature; empty for what is no JSON Web Token."""
    claims, _, signature = token.rpartition(".")
    if claims.count(".") != 1 or not signature:
        return ""
    # Not the last character, some of whose bits a decoder may ignore.
    return f"{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def format_reply(reply: Reply) -> str:
    """The status of a reply with what Attic says of it."""
    answer = _json(reply)
    words = [str(answer[name]) for name in ("kind", "error", "message") if name in answer]
    return f"{reply['status']} {': '.join(words) or reply['detail']}".strip()


def lookup_stored(path: StorePath, narinfo: Reply, nar: Reply, missing: Reply) -> StoreLookup:
    """Whether all of a path arrived: description, content and the server's own list."""
    facts = (*_facts(path, narinfo, missing), _found(nar))
    detail = f"{_describe(narinfo, missing, path)}, nar {nar['status']}"
    match = _nar_hash(narinfo) == path.nar_hash
    if facts[0] and not match:
        return StoreLookup(
            False, f"{detail}; it has {_nar_hash(narinfo) or 'no NarHash'}, not {path.nar_hash}"
        )
    return StoreLookup(False if False in facts else None if None in facts else True, detail)


def lookup_traces(path: StorePath, narinfo: Reply, missing: Reply) -> StoreLookup:
    """Whether anything of a path arrived."""
    facts = _facts(path, narinfo, missing)
    present = True if True in facts else None if None in facts else False
    return StoreLookup(present, _describe(narinfo, missing, path))


def missing_hashes(reply: Reply) -> frozenset[str] | None:
    """The paths that a cache lacks, None if it does not say."""
    listed = _json(reply).get("missing_paths")
    if reply["status"] != "200" or not isinstance(listed, list):
        return None
    return frozenset(map(str, listed))


def _facts(path: StorePath, narinfo: Reply, missing: Reply) -> tuple[bool | None, bool | None]:
    lacks = missing_hashes(missing)
    return _found(narinfo), None if lacks is None else path.hash not in lacks


def _found(reply: Reply) -> bool | None:
    return {"200": True, "404": False}.get(reply["status"])


def _describe(narinfo: Reply, missing: Reply, path: StorePath) -> str:
    lacks = missing_hashes(missing)
    listed = f"unknown ({missing['status']})" if lacks is None else "yes" if path.hash in lacks else "no"
    return f"narinfo {narinfo['status']}, missing by its own list: {listed}"


def _nar_hash(narinfo: Reply) -> str:
    text = base64.b64decode(narinfo["body"]).decode("utf-8", "replace")
    return next((line[9:] for line in text.splitlines() if line.startswith("NarHash: ")), "")


def _json(reply: Reply) -> dict[str, Any]:
    """The object that a reply is, empty if it is none: a refusal has it among its details."""
    try:
        value = json.loads(base64.b64decode(reply["body"]) or reply["detail"])
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
