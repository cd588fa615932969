"""Who reads what the writer wrote: the reader if the server knows it, else whoever else has credentials."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import GIVEN, machine_bench
from tests.prove.stub import Answer, Asked, Stub, stub

NOBODY = Credentials.from_texts("", "")
WRITER_ONLY = Credentials.from_texts("", "me:my-long-secret")


def bench(tmp_path: Path, role: str, server: Stub, credentials: Credentials, **rules: Any) -> LocalTestbed:
    created = machine_bench(tmp_path, **{role: server.url})
    endpoint = dataclasses.replace(created.endpoints[role], credentials=credentials, **rules)
    created.endpoints = {role: endpoint}
    return created


@pytest.mark.parametrize("role", ["nix", "registry", "bazel-http"])
@pytest.mark.parametrize(
    ("status", "name"), [(200, "reader"), (404, "reader"), (403, "reader"), (401, "writer")]
)
def test_reader_is_asked_for_once(tmp_path: Path, role: str, status: int, name: str) -> None:
    def answer(request: Asked) -> Answer:
        assert request.authorization == GIVEN.reader.authorization
        return Answer(status)

    with stub(answer) as server:
        looker = lookup_identity.choose(bench(tmp_path, role, server, GIVEN), role)
        assert len(server.requests) == 1
    assert looker.name == name
    assert (looker.no_reader is None) is (name == "reader")
    if looker.no_reader is not None:
        assert "not known to the server" in looker.no_reader.reason
        assert looker.no_reader.provable_here


@pytest.mark.parametrize(
    ("credentials", "rules", "name", "reason"),
    [
        (WRITER_ONLY, {}, "writer", "no reader credentials"),
        (NOBODY, {}, "anonymous", "no reader credentials"),
        (GIVEN, {"anonymous_reader": True}, "anonymous", ""),
        (WRITER_ONLY, {"no_reader": True}, "writer", "the server knows no identity that may only read"),
    ],
    ids=["no reader", "nobody", "anonymous reader", "no read-only identity"],
)
def test_without_a_reader_nobody_is_asked(
    tmp_path: Path, credentials: Credentials, rules: dict[str, bool], name: str, reason: str
) -> None:
    with stub(lambda _: Answer(500)) as server:
        looker = lookup_identity.choose(bench(tmp_path, "nix", server, credentials, **rules), "nix")
        assert server.requests == []
    assert looker.name == name
    assert (looker.no_reader.reason if looker.no_reader else "").startswith(reason) or reason in str(
        looker.no_reader
    )
