"""A server that answers as Attic did: each answer is from a recording of the real server.

What decides an answer is the operation, whether the cache is public, the right of the token and whether the path is
there; names, keys and hashes of the recording are placeholders. A mutation changes one thing. It is a program as well,
which runs in the services' image: ``replay.py SETTINGS`` listens on port 80.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any

ANSWERS = Path(__file__).with_name("answers.jsonl")
MUTATIONS = (
    "wrong-key", "silent-drop", "without-content", "other-content", "anonymous-push", "reader-push", "forged-token",
    "open-reads", "reader-configures", "reader-destroys", "unchecked-hash", "put-accepted",
)  # fmt: skip
_CONFIG = re.compile(r"/_api/v1/cache-config/([^/]+)")
_FILE = re.compile(r"/([^/]+)/(?:nar/)?([0-9a-z]{32})\.(narinfo|nar)")
_INFO = re.compile(r"/([^/]+)/nix-cache-info")
_OPERATIONS = {"GET": "config", "POST": "create", "PATCH": "configure", "DELETE": "destroy"}
_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"


class Key:
    """A signing key of a cache. Without the library for it, which this machine may lack, its signatures are noise."""

    def __init__(self, name: str) -> None:
        self.name, self._private = name, None
        self._public = secrets.token_bytes(32)
        try:
            ed25519: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        except ImportError:
            return
        self._private = ed25519.Ed25519PrivateKey.generate()
        self._public = self._private.public_key().public_bytes_raw()

    @property
    def public(self) -> str:
        return f"{self.name}:{base64.b64encode(self._public).decode()}"

    def sign(self, info: Mapping[str, Any]) -> str:
        """Sign a path. Source of the text: the Nix manual, "Fingerprint" of store object metadata."""
        digest = bytes.fromhex(info["nar_hash"].removeprefix("sha256:"))
        references = ",".join(f"/nix/store/{name}" for name in sorted(info["references"]))
        text = f"1;{info['store_path']};sha256:{_base32(digest)};{info['nar_size']};{references}"
        signature = self._private.sign(text.encode()) if self._private else secrets.token_bytes(64)
        return f"{self.name}:{base64.b64encode(signature).decode()}"


def _base32(digest: bytes) -> str:
    """Nix's own base 32, last digit first."""
    number = int.from_bytes(digest, "little")
    return "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range((len(digest) * 8 + 4) // 5)))


def zstd(content: bytes) -> bytes:
    """A frame of one block as it is. Source: RFC 8878, sections 3.1.1.1 and 3.1.1.2."""
    block = (len(content) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + len(content).to_bytes(4, "little") + block + content


@dataclass
class Cache:
    public: bool
    key: Key
    held: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Replay:
    """``tokens`` have a right each; ``caches`` are public or not."""

    tokens: Mapping[str, str]
    caches: dict[str, Cache]
    mutations: frozenset[str] = frozenset()
    nars: dict[str, bytes] = field(default_factory=dict)
    rows: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(
        cls, tokens: Mapping[str, str], caches: Mapping[str, bool], *mutations: str, answers: Path = ANSWERS
    ) -> Replay:
        assert set(mutations) <= set(MUTATIONS), mutations
        lines = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
        rows = {(row["operation"], row["cache"], row["right"], row["state"]): row for row in lines}
        created = {name: Cache(public, Key(name)) for name, public in caches.items()}
        return cls(tokens, created, frozenset(mutations), rows=rows)

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        """Status, type and body; the names of headers are in lower case."""
        right, api = self._right(headers.get("authorization", "")), f"http://{headers.get('Host', '')}/"
        if match := _CONFIG.fullmatch(path):
            return self._configure(_OPERATIONS[method], match[1], right, body, api)
        if path == "/_api/v1/get-missing-paths":
            asked = json.loads(body)
            cache = self.caches.get(asked["cache"])
            lacks = [name for name in asked["store_path_hashes"] if cache is None or name not in cache.held]
            return self._row("missing", asked["cache"], right, missing=json.dumps(lacks))
        if path == "/_api/v1/upload-path":
            return self._upload(headers, body, right)
        if match := _INFO.fullmatch(path):
            return self._row("info", match[1], right)
        if match := _FILE.fullmatch(path):
            return self._file(method, match[1], match[2], match[3], right)
        return 404, "", b""

    def _right(self, authorization: str) -> str:
        scheme, _, text = authorization.partition(" ")
        if scheme == "Basic":
            text = base64.b64decode(text).decode().partition(":")[2]
        return self.tokens.get(text, "forged") if text else "anonymous"

    def _row(
        self, operation: str, cache: str, right: str, state: str = "", **values: object
    ) -> tuple[int, str, bytes]:
        kept = self.caches.get(cache)
        visibility = "none" if kept is None else "public" if kept.public else "private"
        row = self.rows.get((operation, visibility, right, state))
        if row is None:
            return (
                599,
                "text/plain",
                f"not recorded: {operation}, {visibility}, {right}, {state or '-'}".encode(),
            )
        values = {"cache": cache, **values}
        return row["status"], row["type"], Template(row["body"]).safe_substitute(values).encode()

    def _configure(
        self, operation: str, name: str, right: str, body: bytes, api: str
    ) -> tuple[int, str, bytes]:
        cache = self.caches.get(name)
        mutated = {"configure": "reader-configures", "destroy": "reader-destroys"}.get(operation)
        if mutated in self.mutations and right == "reader":
            right = "owner"
        key = cache.key.public if cache else ""
        answer = self._row(operation, name, right, api=api, key=key)
        if answer[0] != 200:
            return answer
        if operation == "configure" and cache:
            cache.public = json.loads(body)["is_public"]
        elif operation == "create":
            self.caches[name] = Cache(json.loads(body)["is_public"], Key(name))
        elif operation == "destroy":
            del self.caches[name]
        return answer

    def _upload(self, headers: Mapping[str, str], body: bytes, right: str) -> tuple[int, str, bytes]:
        size = int(headers.get("x-attic-nar-info-preamble-size") or 0)
        info = json.loads(body[:size] if size else headers["x-attic-nar-info"])
        nar, name = body[size:], info["cache"]
        mutated = {"anonymous": "anonymous-push", "reader": "reader-push", "forged": "forged-token"}.get(
            right
        )
        right = "writer" if mutated in self.mutations else right
        state = "deduplicated" if info["nar_hash"] in self.nars else "new"
        permitted = self._row("upload", name, right, state)[0] == 200
        matches = f"sha256:{hashlib.sha256(nar).hexdigest()}" == info["nar_hash"]
        if permitted and not matches and "unchecked-hash" not in self.mutations:
            return self._row("upload-wrong-hash", name, right)
        if permitted and "silent-drop" not in self.mutations:
            self.nars[info["nar_hash"]] = nar
            self.caches[name].held[info["store_path_hash"]] = info
        if not permitted:
            state = ""
        return self._row("upload", name, right, state, size=len(nar))

    def _file(self, method: str, name: str, part: str, kind: str, right: str) -> tuple[int, str, bytes]:
        if method not in ("GET", "HEAD"):
            return (201, "", b"") if "put-accepted" in self.mutations else self._row("put", name, right)
        cache = self.caches.get(name)
        info = cache.held.get(part) if cache else None
        if kind == "nar" and "without-content" in self.mutations:
            info = None
        if "open-reads" in self.mutations and right == "anonymous":
            right = "reader"
        if cache is None or info is None:
            return self._row(kind, name, right, "absent")
        if kind == "nar":
            status, media, _ = self._row(kind, name, right, "held")
            return status, media, zstd(self.nars[info["nar_hash"]])
        described = dict(info)
        if "other-content" in self.mutations:
            described["nar_hash"] = f"sha256:{hashlib.sha256(b'other').hexdigest()}"
        key = Key(name) if "wrong-key" in self.mutations else cache.key
        permitted = self._row(kind, name, right, "held")[0] == 200
        state = "held without deriver" if permitted and not info["deriver"] else "held"
        return self._row(
            kind, name, right, state, storepath=info["store_path"], url=f"nar/{part}.nar",
            narhash=described["nar_hash"], narsize=info["nar_size"], references=" ".join(info["references"]),
            deriver=info["deriver"], sig=key.sign(described),
        )  # fmt: skip


def serve(replay: Replay, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """The server, which the caller runs and closes."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, media, content = replay.answer(self.command, self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 # http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing: an error is in the answer."""

    return ThreadingHTTPServer((host, port), Handler)


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    answers = Path(sys.argv[1]).with_name(ANSWERS.name)
    loaded = Replay.load(settings["tokens"], settings["caches"], *settings["mutations"], answers=answers)
    serve(loaded, "0.0.0.0", 80).serve_forever()  # noqa: S104 # in a container of the run's own network
