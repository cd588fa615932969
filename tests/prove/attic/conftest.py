"""A replayed Attic server on this machine, and a bench whose Nix cache it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder_contracts.prove import protocol_client
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.publication import experiment, judge
from builder_contracts.prove.publish_attempt import IDENTITIES
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import Credentials
from builder_contracts.verdict import Assessment
from tests.prove.attic.replay import Replay, serve
from tests.prove.conftest import machine_bench

TOKENS = {
    right: f"head.{right}-claims.Signature" for right in ("reader", "writer", "owner", "pushonly", "other")
}
RIGHTS = {token: right for right, token in TOKENS.items()}


@contextmanager
def running(replay: Replay) -> Iterator[str]:
    """The address of a replayed server, until the context ends."""
    with serve(replay) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def attic_bench(root: Path, url: str, **tokens: str) -> LocalTestbed:
    """A bench whose Nix cache is at this URL, with these tokens of its identities."""
    bench = machine_bench(root)
    texts = [f"x:{token}" if (token := tokens.get(name)) else "" for name in ("reader", "writer", "owner")]
    bench.endpoints = {"nix": Endpoint("nix", url, "", Credentials.from_texts(*texts))}
    return bench


def in_this_process(monkeypatch: pytest.MonkeyPatch, bench: LocalTestbed) -> None:
    """Spare the start of a program for each round of requests."""

    def send(requests: str, **_: object) -> CompletedCommand:
        replies = [protocol_client.http(request) for request in json.loads(requests)]
        return CompletedCommand(0, json.dumps(replies).encode(), b"")

    monkeypatch.setattr(bench, "send", send)


def judged(bench: LocalTestbed, job: object) -> dict[str, Assessment]:
    """The verdicts of the three identities at the bench's Nix cache."""
    attempts = experiment.prove(bench, "nix", job)  # type: ignore[arg-type] # a machine asks from where it is
    return {name: judge.judge(name, attempts[name])[0] for name in IDENTITIES}
