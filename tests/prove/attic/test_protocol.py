"""Requests and answers of Attic's protocol, by the recording of the real server where there is one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.attic import protocol
from builder_contracts.prove.attic.protocol import AtticCache, StorePath
from builder_contracts.prove.protocol_client import plain_http
from tests.prove.attic.compare import Comparison, main, normalized
from tests.prove.attic.conftest import TOKENS, running
from tests.prove.attic.replay import ANSWERS, MUTATIONS, Replay

ROWS: list[dict[str, Any]] = [json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines()]
CACHE = AtticCache("https://attic.example/", "main", public=False)
PATH = StorePath.of_text("a text")


def reply(status: object, body: str = "") -> dict[str, str]:
    """An answer as the client of the proofs returns it: a refusal has its text among its details."""
    refused = str(status) >= "400"
    content = "" if refused else base64.b64encode(body.encode()).decode()
    return {"status": str(status), "detail": body if refused else "", "body": content}


@pytest.mark.parametrize(
    ("url", "api", "name"),
    [
        ("https://cache.example/main", "https://cache.example/", "main"),
        ("https://cache.example/attic/main/", "https://cache.example/attic/", "main"),
        ("http://cache.example:8080/a+b_c-1", "http://cache.example:8080/", "a+b_c-1"),
    ],
)
def test_cache_is_read_from_its_url(url: str, api: str, name: str) -> None:
    assert AtticCache.at(url) == AtticCache(api, name)


@pytest.mark.parametrize(
    "url", ["https://cache.example", "https://cache.example/", "https://cache.example/ma.in", "s3:main"]
)
def test_url_without_a_cache_name_is_none(url: str) -> None:
    assert AtticCache.at(url) is None


CONFIG = '{"is_public":true,"public_key":"main:k=","store_dir":"/nix/store"}'
UNAUTHORIZED = '{"code":401,"error":"Unauthorized","message":"Unauthorized."}'


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([reply(200, CONFIG)], AtticCache("https://attic.example/", "main", True, "main:k=")),
        # One identity that may know is enough.
        ([reply(401, UNAUTHORIZED), reply(200, CONFIG)], AtticCache("https://attic.example/", "main", True, "main:k=")),
        ([reply(401, UNAUTHORIZED)], AtticCache("https://attic.example/", "main")),
        ([reply(404, '{"code":404,"error":"NoSuchCache","message":"-"}')], AtticCache("https://attic.example/", "main")),
        # Other servers: a page, a challenge, a file of that name, an error in JSON of its own.
        ([reply(404, "<html>nginx</html>")], None),
        ([reply(401, "credentials, please")], None),
        ([reply(200, "<html>Sign in</html>")], None),
        ([reply(200, "[1]")], None),
        ([reply(200, '{"public_key":"x"}')], None),
        ([reply(404, '{"code":404,"error":"NotFound","message":"-"}')], None),
        ([reply("LOST", "no route to host")], None),
        ([reply(502, "bad gateway")], None),
    ],
)  # fmt: skip
def test_server_is_attic_by_its_answers(replies: list[dict[str, str]], expected: AtticCache | None) -> None:
    assert AtticCache("https://attic.example/", "main").described(replies) == expected


REFUSED = [
    row
    for row in ROWS
    if row["operation"] in ("upload", "missing", "configure", "destroy")
    and row["cache"] != "none"
    and row["status"] in (401, 403)
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row['operation']}-{row['cache']}-{row['right']}")
def test_refusal_is_the_recorded_one(row: dict[str, Any]) -> None:
    """Which of the two refusals an identity gets, for each identity, kind of cache and operation."""
    cache = AtticCache("", "main", row["cache"] == "public")
    discovers = row["right"] in ("reader", "pushonly", "writer")
    assert cache.refusal(discovers=discovers) == (str(row["status"]),)


def test_refusals_of_every_identity_are_recorded() -> None:
    for operation in ("upload", "missing"):
        for visibility in ("public", "private"):
            rights = {
                row["right"] for row in REFUSED if (row["operation"], row["cache"]) == (operation, visibility)
            }
            assert rights == {"anonymous", "expired", "forged", "other", "reader"}


def test_hidden_cache_refuses_with_either() -> None:
    assert AtticCache("", "main").refusal(discovers=False) == ("401", "403")


@pytest.mark.parametrize("preamble", [True, False])
def test_upload_describes_the_path_in_both_forms(preamble: bool) -> None:
    path = StorePath("/nix/store/0abc-report", b"nar", ("1abc-motto",), "2abc-report.drv")
    request = CACHE.upload({"Authorization": "Bearer t"}, path, preamble=preamble)
    headers, body = request["headers"], base64.b64decode(request["body"])
    size = int(headers.get("X-Attic-Nar-Info-Preamble-Size", 0))
    described = json.loads(body[:size] if preamble else headers["X-Attic-Nar-Info"])
    assert body[size:] == b"nar"
    assert described["store_path_hash"] == "0abc"
    assert described["nar_hash"] == path.nar_hash
    assert (described["references"], described["deriver"]) == (["1abc-motto"], "2abc-report.drv")
    assert request["url"] == "https://attic.example/_api/v1/upload-path"


def test_nar_of_a_text_is_what_nix_makes() -> None:
    """By nix-store --dump of a file with that text."""
    assert StorePath.of_text("proof\n").nar_hash == NAR_HASH


NAR_HASH = "sha256:b3c4790e3933a43c756c43d3d6164457f9e96612bc11b46fa56d9c250635631b"


@given(st.text("ABCab01-_", min_size=1), st.text("ABCab01-_", min_size=1), st.text("ABCab01-_", min_size=1))
def test_forged_token_differs_in_its_signature_only(head: str, claims: str, signature: str) -> None:
    token = f"{head}.{claims}.{signature}"
    forged = protocol.forged(token)
    assert forged != token
    assert forged.rpartition(".")[0] == f"{head}.{claims}"
    assert len(forged) == len(token)


@pytest.mark.parametrize("token", ["", "password", "a.b", "a.b.", "a.b.c.d"])
def test_password_has_no_forged_form(token: str) -> None:
    assert protocol.forged(token) == ""


def test_store_hashes_have_the_digits_of_nix() -> None:
    hashes = {protocol.store_hash() for _ in range(200)}
    assert len(hashes) == 200
    assert set("".join(hashes)) == set("0123456789abcdfghijklmnpqrsvwxyz")


THERE = reply(200, f"StorePath: x\nNarHash: {PATH.nar_hash}\n")
GONE = reply(404, '{"code":404,"error":"NoSuchObject","message":"-"}')
LISTED = reply(200, '{"missing_paths":[]}')
MISSING = reply(200, json.dumps({"missing_paths": [PATH.hash]}))
DENIED, DOWN = reply(403, UNAUTHORIZED), reply(502)


@pytest.mark.parametrize(
    ("narinfo", "nar", "missing", "stored", "traces"),
    [
        (THERE, reply(200), LISTED, True, True),
        (GONE, GONE, MISSING, False, False),
        (THERE, GONE, LISTED, False, True),
        (GONE, GONE, LISTED, False, True),
        (THERE, reply(200), MISSING, False, True),
        (reply(200, "NarHash: sha256:0\n"), reply(200), LISTED, False, True),
        (reply(200, "a page"), reply(200), LISTED, False, True),
        (DENIED, DENIED, LISTED, None, True),
        (DENIED, DENIED, MISSING, False, None),
        (GONE, GONE, DENIED, False, None),
        (THERE, DOWN, LISTED, None, True),
        (THERE, reply(200), DOWN, None, True),
        (DOWN, DOWN, DOWN, None, None),
        (THERE, reply(200), reply(200, "a page"), None, True),
    ],
)  # fmt: skip
def test_lookup_needs_every_part_of_a_path(
    narinfo: dict[str, str],
    nar: dict[str, str],
    missing: dict[str, str],
    stored: bool | None,
    traces: bool | None,
) -> None:
    assert protocol.lookup_stored(PATH, narinfo, nar, missing).present is stored
    assert protocol.lookup_traces(PATH, narinfo, missing).present is traces


@pytest.mark.parametrize("mutation", ["", *MUTATIONS])
def test_comparison_finds_each_mutation(mutation: str) -> None:
    """The script that compares a live server: nothing differs from itself, and every mutation does."""
    tokens = {right: TOKENS[right] for right in ("owner", "reader", "writer")}
    rights = {token: right for right, token in tokens.items()}
    replay = Replay.load(rights, {}, *[mutation] if mutation else [])
    with running(replay) as url:
        comparison = Comparison(f"{url}/", tokens, plain_http)
        comparison.run()
    # Only the name of a signature can be compared.
    assert bool(comparison.differences) is (mutation not in ("", "wrong-key")), comparison.differences
    assert comparison.compared > 100
    assert replay.caches == {}


def test_comparison_ignores_what_a_server_decides() -> None:
    own = b'{"public_key":"proof-a:x","retention_period":"Global","is_public":true}'
    other = b'{"public_key":"proof-a:y","retention_period":{"Period":1},"is_public":true}'
    assert normalized(own) == normalized(other) == {"public_key": "proof-a", "is_public": True}
    assert normalized(b"StorePath: a\nSig: k:1\n") == {"StorePath": "a", "Sig": "k"}


@pytest.mark.parametrize(
    ("mutations", "token", "status", "words"),
    [
        ([], TOKENS["owner"], 0, " 0 differ"),
        (["anonymous-push"], TOKENS["owner"], 1, "upload as anonymous: 200"),
        ([], "password", 3, "not a JSON Web Token"),
        # A token without the rights creates nothing, and every answer to it differs.
        ([], TOKENS["reader"], 1, "create as owner: 403"),
    ],
)
def test_comparison_says_what_differs(
    capsys: pytest.CaptureFixture[str], mutations: list[str], token: str, status: int, words: str
) -> None:
    replay = Replay.load({TOKENS["owner"]: "owner", TOKENS["reader"]: "reader"}, {}, *mutations)
    with running(replay) as url:
        assert main([url, token]) == status
    output = "".join(capsys.readouterr())
    assert words in output
    assert token not in output
    assert replay.caches == {}
