"""Requests to one server: with its token, with retries, and with a readable error for a rejection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from builder_contracts.errors import BuilderContractsError

DEADLINE = 30.0
"""Seconds for one response."""

_MAX_BYTES = 50_000_000
_PAGES = 50


class ForgeError(BuilderContractsError):
    """The forge did not respond, or rejected the request; ``challenge`` is how it wants a client to log in."""

    challenge = ""


class GoneError(ForgeError):
    """The forge does not have the requested object."""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Whom a request to a URL reaches: RFC 6454 section 4."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class _Token(requests.auth.AuthBase):
    """A token for one origin, even if a redirect, a page's link or the address of an archive names a different one.

    Because there is always one of these, a host's .netrc is not asked for credentials either.
    """

    def __init__(self, authorization: str, base: str) -> None:
        self._authorization = authorization
        self._origin = _origin(base)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._authorization and _origin(request.url or "") == self._origin:
            request.headers["Authorization"] = self._authorization
        return request


class _Session(requests.Session):
    """Follows redirects, with credentials only to the host that they are for."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        # requests also lets them pass from http to https of a host, and asks .netrc about the next one.
        if _origin(prepared_request.url or "") != _origin(response.request.url or ""):
            prepared_request.headers.pop("Authorization", None)


class Api:
    """One server, the credentials that are for it, and what a rejection is most likely about."""

    def __init__(
        self, base: str, authorization: str, hint: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.base = base.rstrip("/")
        self._hint = hint
        self._session = _Session()
        self._session.headers.update({"User-Agent": "builder-contracts", **(headers or {})})
        self._session.auth = _Token(authorization, self.base)
        # Reading again is harmless; writing again would open an issue twice.
        retry = Retry(3, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=("GET",))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """The response to a request; ``path`` may be a whole URL. Raises ForgeError."""
        url = path if path.startswith(("http://", "https://")) else f"{self.base}{path}"
        try:
            response = self._session.request(method, url, timeout=DEADLINE, **options)
        except requests.RequestException as error:
            raise ForgeError(f"{method} {url}: no response ({type(error).__name__})") from None
        if not response.ok:
            try:
                message = str(response.json().get("message", ""))[:200]
            except (ValueError, AttributeError):
                message = ""
            hint = f" ({self._hint})" if response.status_code in (401, 403, 404) else ""
            kind = GoneError if response.status_code in (404, 410) else ForgeError
            rejection = kind(f"{method} {url}: {response.status_code} {message or response.reason}{hint}")
            rejection.challenge = response.headers.get("WWW-Authenticate", "")
            raise rejection
        return response

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of a response. Raises ForgeError."""
        return _parse(self.request(method, path, **options))

    def pages(self, path: str, parameters: Mapping[str, str | tuple[str, ...]]) -> Iterator[Any]:
        """All pages of a list, by the Link header that both forges send. Raises ForgeError."""
        response = self.request("GET", path, params={"per_page": 100, **parameters})
        for _ in range(_PAGES):
            yield _parse(response)
            following = response.links.get("next", {}).get("url")
            if not following:
                return
            response = self.request("GET", following)
        raise ForgeError(f"GET {path}: more than {_PAGES} pages of results")

    def list_all(self, path: str, parameters: Mapping[str, str]) -> list[Any]:
        """The entries of all pages of a list. Raises ForgeError."""
        entries: list[Any] = []
        for page in self.pages(path, parameters):
            if not isinstance(page, list):
                raise ForgeError(f"GET {self.base}{path}: did not return a list")
            entries += page
        return entries


def _parse(response: requests.Response) -> Any:
    request = response.request
    if len(response.content) > _MAX_BYTES:
        raise ForgeError(f"{request.method} {request.url}: response is larger than {_MAX_BYTES:,} bytes")
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise ForgeError(f"{request.method} {request.url}: response is not JSON") from None
