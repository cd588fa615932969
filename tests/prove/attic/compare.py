"""Compare a live Attic server with the recording of one: the same requests to both, in caches that this makes.

It creates caches called proof-*, which it destroys again; nothing else of the server is written to. Run by
``script/check-attic``.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from builder_contracts.prove.attic.protocol import AtticCache, Request, StorePath, forged, store_hash
from builder_contracts.prove.protocol_client import plain_http
from tests.prove.attic.replay import Replay

Send = Callable[[Request], Mapping[str, Any]]
# What a server's own configuration decides, and what is of one answer alone.
_OWN = (
    "api_endpoint", "substituter_endpoint", "retention_period", "file_size", "frac_deduplicated", "Compression", "URL",
)  # fmt: skip
# Of a key and a signature only the name can be compared.
_NAMED = ("public_key", "Sig")
WRONG_HASH = f"sha256:{'0' * 64}"


@dataclass
class Comparison:
    """One run: ``send`` reaches the live server. ``differences`` name the request, and both answers."""

    api: str
    tokens: Mapping[str, str]
    send: Send
    compared: int = 0
    differences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replay = Replay.load({token: right for right, token in self.tokens.items()}, {})

    def run(self) -> None:
        """Compare in a private cache, then in a public one."""
        for public in (False, True):
            cache = AtticCache(self.api, f"proof-{secrets.token_hex(8)}", public)
            owner = self._headers("owner")
            try:
                for step, right, request in self._requests(cache):
                    self._compare(f"{'public' if public else 'private'} cache, {step} as {right}", request)
            finally:
                left = self.send(cache.config(owner, "DELETE"))
                if left["status"] not in ("200", "404"):
                    self.differences.append(f"the cache {cache.name} was not removed: {left['status']}")

    def _requests(self, cache: AtticCache) -> Iterator[tuple[str, str, Request]]:
        rights = ["anonymous", "forged", *self.tokens]
        yield from self._reads(cache, rights, "not there", [store_hash()])
        for right in rights:
            yield "create", right, cache.create(self._headers(right))
        if cache.public:
            owner = self._headers("owner")
            yield "open", "owner", cache.config(owner, "PATCH", {"is_public": True})
        paths = []
        for right in rights:
            headers = self._headers(right)
            for preamble in (True, False):
                path = StorePath.of_text(f"proof {store_hash()}\n")
                for step in ("upload", "upload again"):
                    yield step, right, cache.upload(headers, path, preamble=preamble)
                paths.append(path.hash)
                wrong = StorePath.of_text(f"proof {store_hash()}\n")
                request = cache.upload(headers, wrong, preamble=preamble, nar_hash=WRONG_HASH)
                yield "upload with a wrong hash", right, request
            for name in (f"{store_hash()}.narinfo", f"nar/{store_hash()}.nar"):
                yield "put", right, cache.file(headers, name, "PUT")
        yield from self._reads(cache, rights, "there", paths)
        for right in [right for right in rights if right != "owner"]:
            headers = self._headers(right)
            yield "configure", right, cache.config(headers, "PATCH", {"is_public": cache.public})
            yield "destroy", right, cache.config(headers, "DELETE")
        yield "destroy", "owner", cache.config(self._headers("owner"), "DELETE")
        yield from self._reads(cache, rights, "destroyed", paths[:1])

    def _reads(
        self, cache: AtticCache, rights: list[str], state: str, hashes: list[str]
    ) -> Iterator[tuple[str, str, Request]]:
        for right in rights:
            headers = self._headers(right)
            yield f"configuration {state}", right, cache.config(headers)
            yield f"nix-cache-info {state}", right, cache.file(headers, "nix-cache-info")
            yield f"missing paths {state}", right, cache.missing(headers, [*hashes, store_hash()])
            for part in (*hashes, store_hash()):
                yield f"narinfo {state}", right, cache.file(headers, f"{part}.narinfo")
                yield f"nar {state}", right, cache.file(headers, f"nar/{part}.nar", "HEAD")

    def _headers(self, right: str) -> dict[str, str]:
        token = forged(self.tokens["owner"]) if right == "forged" else self.tokens.get(right, "")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _compare(self, name: str, request: Request) -> None:
        headers = {key.lower(): value for key, value in request["headers"].items()}
        host = urlsplit(self.api)
        path = "/" + request["url"].removeprefix(self.api)
        body = base64.b64decode(request.get("body", ""))
        status, _, content = self.replay.answer(
            request["method"], path, {"host": host.netloc, **headers}, body
        )
        live = self.send(request)
        expected, actual = (
            (str(status), normalized(content)),
            (
                live["status"],
                normalized(base64.b64decode(live["body"]) or live["detail"].encode()),
            ),
        )
        if path.endswith(".nar"):
            # Compression is the server's own choice.
            expected, actual = (expected[0], {}), (actual[0], {})
        self.compared += 1
        if expected != actual:
            self.differences.append(f"{name}: {actual[0]} {actual[1]}, recorded {expected[0]} {expected[1]}")


def normalized(content: bytes) -> object:
    """An answer without what is of one server or one moment."""
    text = content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        value = dict(line.partition(": ")[::2] for line in text.splitlines())
    if not isinstance(value, dict):
        return value
    fields = {key: value[key] for key in sorted(value) if key not in _OWN and value[key] != []}
    if isinstance(fields.get("missing_paths"), list):
        fields["missing_paths"] = sorted(fields["missing_paths"])
    return {key: str(item).partition(":")[0] if key in _NAMED else item for key, item in fields.items()}


def main(arguments: list[str]) -> int:
    """URL TOKEN [RIGHT=TOKEN]...; the exit status."""
    url, token, *others = arguments
    owner = sys.stdin.readline().strip() if token == "-" else token
    tokens = dict(other.split("=", 1) for other in others) | {"owner": owner}
    if not forged(owner):
        print("the token is not a JSON Web Token", file=sys.stderr)
        return 3
    comparison = Comparison(url.rstrip("/") + "/", tokens, plain_http)
    comparison.run()
    for difference in comparison.differences:
        print(difference)
    print(f"{comparison.compared} answers compared, {len(comparison.differences)} differ")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
