"""Pull an artifact from an OCI registry: its manifest and layers, each held against its digest."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import docker.auth
import docker.errors

from builder_contracts.forge.http import Api, ForgeError
from builder_contracts.sources.address import ContractSource, refusal, unavailable
from builder_contracts.sources.cache import Documents
from builder_contracts.sources.documents import (
    MOST_COMPRESSED,
    is_document,
    read_archive,
)
from builder_contracts.sources.download import basic, download, is_allowed

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MOST_MANIFEST = 4_000_000
_MOST_LAYERS = 100
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_HINT = "'docker login' keeps the password of a private one"


def fetch(source: ContractSource, digest: str) -> tuple[Documents, str]:
    """The documents of an artifact, and the digest of its manifest. Raises InputError."""
    try:
        return _Registry(source).artifact(digest or source.reference)
    except ForgeError as error:
        raise unavailable(source.address, str(error), "check registry, repository and tag") from None


class _Registry:
    """The registry of a source; over HTTP only if it is on this machine, as Docker does."""

    def __init__(self, source: ContractSource) -> None:
        self._source = source
        self._host, _, self._repository = source.url.partition("/")
        self._plain = self._host if _is_loopback(self._host) else ""
        self._base = f"{'http' if self._plain else 'https'}://{self._host}"
        self._api = Api(self._base, "", _HINT)

    def artifact(self, reference: str) -> tuple[Documents, str]:
        body = self._get(f"manifests/{reference}", _MOST_MANIFEST, ", ".join(_MANIFESTS))
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if _DIGEST.fullmatch(reference) and digest != reference:
            raise self._refuse(f"the registry sent {digest} for {reference}", "do not trust this registry")
        layers = self._layers(body)
        documents: dict[str, bytes] = {}
        size = 0
        for layer in layers:
            content = self._blob(layer)
            size += len(content)
            if size > MOST_COMPRESSED:
                raise self._refuse(
                    f"the layers have more than {MOST_COMPRESSED:,} bytes", "push a smaller artifact"
                )
            # A later layer replaces files of an earlier one, as in an image.
            documents |= self._documents(layer, content)
        return documents, digest

    def _layers(self, body: bytes) -> list[dict[str, Any]]:
        try:
            manifest = json.loads(body)
            layers = [dict(layer) for layer in manifest["layers"]]
            valid = all(_DIGEST.fullmatch(layer["digest"]) for layer in layers)
        except (ValueError, TypeError, KeyError, RecursionError):
            valid, layers = False, []
        if not valid or len(layers) > _MOST_LAYERS:
            fix = "name one artifact by its digest, not an index of several"
            raise self._refuse("this is not the manifest of an artifact", fix)
        return layers

    def _documents(self, layer: dict[str, Any], content: bytes) -> Documents:
        """A layer is one file with a title, as 'oras push' makes it, or an archive."""
        notes = layer.get("annotations") or {}
        title = notes.get("org.opencontainers.image.title", "")
        if title and is_document(title) and ".." not in title.split("/") and not title.startswith("/"):
            return {title: content}
        return read_archive(content, self._source.address)

    def _blob(self, layer: dict[str, Any]) -> bytes:
        content = self._get(f"blobs/{layer['digest']}", MOST_COMPRESSED)
        if layer["digest"] != f"sha256:{hashlib.sha256(content).hexdigest()}":
            raise self._refuse(f"the registry sent another content for {layer['digest']}", "push it again")
        return content

    def _get(self, path: str, limit: int, accept: str = "*/*") -> bytes:
        url = f"{self._base}/v2/{self._repository}/{path}"
        for attempt in range(2):
            try:
                return download(
                    self._api,
                    url,
                    self._source,
                    limit=limit,
                    headers={"Accept": accept},
                    plain_host=self._plain,
                )
            except ForgeError as error:
                if attempt or not error.challenge:
                    raise
                self._api = Api(self._base, self._authorization(error.challenge), _HINT)
        raise AssertionError("the second attempt returns or raises")

    def _authorization(self, challenge: str) -> str:
        """What the registry asked for: also a public one wants a token that anybody is given."""
        user, password = _login(self._host)
        own = basic(user, password)
        if challenge.lower().startswith("basic"):
            return own
        asked = dict(_CHALLENGE.findall(challenge))
        realm = asked.get("realm", "")
        if not is_allowed(
            realm, urlsplit(realm).netloc if self._plain and _is_loopback(urlsplit(realm).netloc) else ""
        ):
            raise self._refuse("the registry hands out tokens without TLS", "use one that speaks https")
        query = urlencode(
            {"service": asked.get("service", ""), "scope": f"repository:{self._repository}:pull"}
        )
        tokens = Api(realm, own, _HINT).json("GET", f"{realm}?{query}", allow_redirects=False)
        token = tokens.get("token") or tokens.get("access_token") if isinstance(tokens, dict) else None
        return f"Bearer {token}"

    def _refuse(self, message: str, fix: str) -> Exception:
        return refusal(self._source.address, message, fix)


def _login(host: str) -> tuple[str, str]:
    """The name and the password that 'docker login' keeps for a registry."""
    try:
        login = docker.auth.load_config().resolve_authconfig(host) or {}
    except docker.errors.DockerException:
        return "", ""
    return str(login.get("username") or login.get("Username") or ""), str(
        login.get("password") or login.get("Password") or ""
    )


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]" in host else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
