"""Worlds in which a Bazel cache, or the workspace that uses it, breaks one promise; the right clause says so."""

from __future__ import annotations

import pytest

from tests.prove.conftest import ROOT, Worlds, ids, rewritten

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HTTP = ids("caches/bazel-http-")
GRPC = ids("caches/bazel-grpc-")


def bazelrc(more: str) -> dict[str, str]:
    text = (ROOT / "canaries/bzlmod/.bazelrc").read_text("utf-8")
    return {"bzlmod/.bazelrc": f"{text}{more}\n"}


def test_cache_whose_readers_upload(worlds: Worlds) -> None:
    spec = rewritten("bazel-http", ('"~^writer " 0;', '"~^(writer|reader) " 0;'))
    proved = worlds.prove("tinyland-docker", HTTP, specs={"bazel-http": spec})
    assert proved.broken == {"caches/bazel-http-forced-upload"}
    assert "enforced in the client only" in proved.seen("caches/bazel-http-forced-upload")


def test_grpc_cache_that_forgets_results(worlds: Worlds) -> None:
    drop = "location ~ UpdateActionResult$ { default_type application/grpc; add_header grpc-status 0; return 200 ''; }\n"
    spec = rewritten("bazel-grpc", ("    location / {", drop + "    location / {"))
    proved = worlds.prove(
        "tinyland-docker",
        ids("caches/bazel-grpc-hit", "caches/bazel-grpc-upload"),
        specs={"bazel-grpc": spec},
    )
    assert "caches/bazel-grpc-hit" in proved.broken | proved.unproven
    assert "caches/bazel-grpc-hit" not in proved.ids_kept


def test_client_that_does_not_verify_downloads(worlds: Worlds) -> None:
    proved = worlds.prove("tinyland-docker", HTTP, canary=bazelrc("build --noremote_verify_downloads"))
    assert proved.broken == {"caches/bazel-http-corrupted"}


def test_workspace_whose_actions_see_the_machine(worlds: Worlds) -> None:
    canary = bazelrc("build --noincompatible_strict_action_env")
    proved = worlds.prove("tinyland-docker", HTTP, canary=canary)
    assert proved.broken == {"caches/bazel-http-environment"}
    assert "--incompatible_strict_action_env" in proved.seen("caches/bazel-http-environment")


def test_nonce_that_reaches_no_action(worlds: Worlds) -> None:
    build = (ROOT / "canaries/bzlmod/BUILD.bazel").read_text("utf-8").replace('"nonce.txt"', '"fixed.txt"')
    build = build.replace("$(location nonce.txt)", "$(location fixed.txt)")
    canary = {"bzlmod/BUILD.bazel": build, "bzlmod/fixed.txt": "always the same\n"}
    proved = worlds.prove(
        "tinyland-docker", ids("caches/bazel-http-nonce-miss", "canaries/bzlmod-"), canary=canary
    )
    assert proved.broken == {"caches/bazel-http-nonce-miss", "canaries/bzlmod-runs"}


def test_grpc_cache_that_is_off(worlds: Worlds) -> None:
    spec = rewritten("bazel-grpc", ("grpc_pass grpc://127.0.0.1:50051;", "return 502;"))
    proved = worlds.prove("tinyland-docker", GRPC, specs={"bazel-grpc": spec})
    assert not proved.broken
    assert proved.unproven == set(proved.verdicts)
