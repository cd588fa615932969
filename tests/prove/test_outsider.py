"""The client beside the harness shows credentials to nobody else than they are for, whatever a server answers."""

from __future__ import annotations

import base64

import pytest

from builder_contracts.prove import protocol_client
from tests.prove.stub import Answer, Asked, stub

BASIC = "Basic bWU6bXktc2VjcmV0"
SHOWN = {"headers": {"Authorization": BASIC, "Accept": "text/plain"}}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_redirect_to_another_server_takes_no_credentials_along(method: str) -> None:
    with stub(lambda _: Answer(200, b"theirs")) as other:
        moved = Answer(302, headers={"Location": f"{other.url}/there"})
        with stub(lambda _: moved) as first:
            found = protocol_client.plain_http({"url": f"{first.url}/here", "method": method, **SHOWN})
    assert found["status"] == "200"
    assert [each.shown for each in first.asked] == [BASIC]
    assert [(each.path, each.shown) for each in other.asked] == [("/there", "")]


def test_a_redirect_within_a_server_keeps_them() -> None:
    moved = Answer(307, headers={"Location": "/there"})
    with stub(lambda asked: Answer(200) if asked.path == "/there" else moved) as server:
        protocol_client.plain_http({"url": f"{server.url}/here", **SHOWN})
    assert [(each.path, each.shown) for each in server.asked] == [("/here", BASIC), ("/there", BASIC)]


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("https://cache.example/a", "https://cache.example:443/b", True),
        ("https://cache.example/a", "http://cache.example/a", False),
        ("https://cache.example/a", "https://cache.example:8443/a", False),
        ("https://cache.example/a", "https://cache.example.evil/a", False),
        ("https://cache.example/a", "https://cache.example@evil/a", False),
    ],
)
def test_scheme_host_and_port_make_a_server(one: str, another: str, same: bool) -> None:
    assert (protocol_client.origin(one) == protocol_client.origin(another)) is same


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own", "another server"])
def test_a_registry_names_the_place_of_an_upload_and_gets_credentials_for_its_own_only(
    elsewhere: bool,
) -> None:
    with stub(lambda _: Answer(201)) as other:

        def registry(asked: Asked) -> Answer:
            if asked.method != "POST":
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
    puts = [each.shown for each in uploads.asked if each.path.startswith("/upload/1?state=x&digest=sha256:")]
    assert puts == ["" if elsewhere else BASIC] * 2
