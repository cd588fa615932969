"""Download over HTTPS: up to a size, credentials to their own host only, and no redirect to anything but HTTPS."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import requests

from builder_contracts.forge.http import Api, ForgeError
from builder_contracts.sources.address import ContractSource, refusal, unavailable
from builder_contracts.sources.documents import MOST_COMPRESSED

DEADLINE = 300.0
"""Seconds for a whole download."""
_REDIRECTS = 5
_NO_HEADERS: Mapping[str, str] = {}


def basic(user: str, password: str) -> str:
    """The header with a name and a password; none without a name."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""


def is_allowed(url: str, plain_host: str = "") -> bool:
    """Whether a URL is HTTPS, or HTTP on the one host of this machine that speaks nothing else."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        bool(plain_host) and (parts.scheme, parts.netloc) == ("http", plain_host)
    )


def download(
    api: Api,
    url: str,
    source: ContractSource,
    *,
    limit: int = MOST_COMPRESSED,
    headers: Mapping[str, str] = _NO_HEADERS,
    plain_host: str = "",
) -> bytes:
    """The content at a URL. Raises InputError; ForgeError with its challenge where the server wants a login."""
    until = time.monotonic() + DEADLINE
    for _ in range(_REDIRECTS + 1):
        if not is_allowed(url, plain_host):
            message = f"the server leads to {urlsplit(url).scheme}://, which anybody on the way can change"
            raise refusal(source.address, message, "use an address that stays with https")
        response = api.request(
            "GET", url, stream=True, allow_redirects=False,
            headers={"Accept-Encoding": "identity", **headers},
        )  # fmt: skip
        with response:
            if not response.is_redirect:
                return _body(response, source, limit, until)
            url = urljoin(url, response.headers["Location"])
    raise refusal(source.address, f"more than {_REDIRECTS} redirects", "use the address where they lead")


def _body(response: requests.Response, source: ContractSource, limit: int, until: float) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > limit:
                raise refusal(
                    source.address,
                    f"more than {limit:,} bytes",
                    "use a smaller one, with the contracts alone",
                )
            if time.monotonic() > until:
                raise unavailable(source.address, f"not complete after {DEADLINE:g} s", "try again")
    except requests.RequestException as error:
        raise unavailable(
            source.address, f"the connection broke ({type(error).__name__})", "try again"
        ) from None
    return bytes(body)


def fetch(source: ContractSource) -> bytes:
    """The archive at the URL of a source. Raises InputError."""
    hint = "for a private one: https://USER:TOKEN@HOST/…"
    api = Api(source.url, basic(source.user, source.password), hint)
    try:
        return download(api, source.url, source)
    except ForgeError as error:
        raise unavailable(
            source.address, str(error), "check the address, and that this machine reaches it"
        ) from None
