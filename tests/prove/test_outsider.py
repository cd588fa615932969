"""The client beside the harness shows credentials to nobody else than they are for, whatever a server answers."""

from __future__ import annotations

import base64

import pytest

from builder_contracts.prove import protocol_client
from tests.prove.stub import Answer, Asked, stub

BASIC = "Basic bWU6bXktc2VjcmV0"
SHOWN = {"headers": {"Authorization": BASIC, "X-Api-Key": "key", "Accept": "text/plain"}}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_redirect_to_another_server_drops_credentials(method: str) -> None:
    with stub(lambda _: Answer(200, b"theirs")) as other:
        moved = Answer(302, headers={"Location": f"{other.url}/there"})
        with stub(lambda _: moved) as first:
            reply = protocol_client.plain_http({"url": f"{first.url}/here", "method": method, **SHOWN})
    assert reply["status"] == "200"
    assert [request.authorization for request in first.requests] == [BASIC]
    assert [(request.path, request.authorization) for request in other.requests] == [("/there", "")]
    # A secret can be in a header of any name.
    assert "x-api-key" in first.requests[0].headers
    assert "x-api-key" not in other.requests[0].headers


def test_redirect_within_a_server_keeps_credentials() -> None:
    moved = Answer(307, headers={"Location": "/there"})
    with stub(lambda request: Answer(200) if request.path == "/there" else moved) as server:
        protocol_client.plain_http({"url": f"{server.url}/here", **SHOWN})
    assert [(request.path, request.authorization) for request in server.requests] == [
        ("/here", BASIC),
        ("/there", BASIC),
    ]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("https://cache.example/a", "https://cache.example:443/b", True),
        ("https://cache.example/a", "http://cache.example/a", False),
        ("https://cache.example/a", "https://cache.example:8443/a", False),
        ("https://cache.example/a", "https://cache.example.evil/a", False),
        ("https://cache.example/a", "https://cache.example@evil/a", False),
    ],
)
def test_origin_is_scheme_host_and_port(first: str, second: str, same: bool) -> None:
    assert (protocol_client.origin(first) == protocol_client.origin(second)) is same


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own", "another server"])
def test_push_sends_credentials_only_to_registry_origin(
    elsewhere: bool,
) -> None:
    with stub(lambda _: Answer(201)) as other:

        def registry(request: Asked) -> Answer:
            if request.method != "POST":
                return Answer(201)
            return Answer(202, headers={"Location": f"{other.url if elsewhere else ''}/upload/1?state=x"})

        with stub(registry) as first:
            request = {
                "url": first.url,
                "name": "proof/a",
                "body": base64.b64encode(b"layer").decode(),
                **SHOWN,
            }
            assert protocol_client.push(request)["status"] == "201"
    uploads = other if elsewhere else first
    puts = [
        request.authorization
        for request in uploads.requests
        if request.path.startswith("/upload/1?state=x&digest=sha256:")
    ]
    assert puts == ["" if elsewhere else BASIC] * 2
