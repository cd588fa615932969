"""Worlds in which a Bazel cache, or the workspace that uses it, breaks one promise; the right clause says so."""

from __future__ import annotations

import pytest

from builder_contracts.services.catalog import SERVICES, ServiceContainer, ServiceSpec
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import ROOT, Worlds, ids, rewritten

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HTTP = ids("caches/bazel-http-")
GRPC = ids("caches/bazel-grpc-")


def bazelrc(more: str) -> dict[str, str]:
    text = (ROOT / "canaries/bzlmod/.bazelrc").read_text("utf-8")
    return {"bzlmod/.bazelrc": f"{text}{more}\n"}


NO_RETRY = bazelrc("build --remote_retries=0")
"""Bazel asks a server that fails five times more, with pauses: half a minute in each build."""


def test_cache_whose_readers_upload(worlds: Worlds) -> None:
    spec = rewritten("bazel-http", ('"~^writer " 0;', '"~^(writer|reader) " 0;'))
    proved = worlds.prove("tinyland-docker", HTTP, specs={"bazel-http": spec})
    assert proved.broken == {"caches/bazel-http-forced-upload"}
    assert "enforced only in the client" in proved.seen("caches/bazel-http-forced-upload")


def test_grpc_cache_that_forgets_results(worlds: Worlds) -> None:
    drop = "location ~ UpdateActionResult$ { default_type application/grpc; add_header grpc-status 0; return 200 ''; }\n"
    spec = rewritten("bazel-grpc", ("    location / {", drop + "    location / {"))
    proved = worlds.prove("tinyland-docker", GRPC, specs={"bazel-grpc": spec}, canary=NO_RETRY)
    assert "caches/bazel-grpc-upload" in proved.broken
    assert proved.broken <= {"caches/bazel-grpc-upload", "caches/bazel-grpc-hit"}
    assert "caches/bazel-grpc-hit" not in proved.ids_kept


def test_http_cache_that_drops_what_it_takes(worlds: Worlds) -> None:
    spec = rewritten("bazel-http", ("dav_methods PUT;", "if ($request_method = PUT) { return 201; }"))
    proved = worlds.prove("tinyland-docker", HTTP, specs={"bazel-http": spec})
    assert proved.broken == {"caches/bazel-http-upload", "caches/bazel-http-hit"}
    assert "did not keep them: 0 of" in proved.seen("caches/bazel-http-upload")


def test_cache_that_hides_results_from_readers(worlds: Worlds) -> None:
    hide = "location ~ ^/ac/ { if ($refusal) { return 403; } dav_methods PUT; create_full_put_path on; if ($identity = reader) { return 404; } }\n    "
    spec = rewritten("bazel-http", ("location / {", hide + "location / {"))
    proved = worlds.prove("tinyland-docker", HTTP, specs={"bazel-http": spec})
    assert "caches/bazel-http-hit" in proved.broken
    assert "were not remote cache hits" in proved.seen("caches/bazel-http-hit")
    assert proved.broken == {"caches/bazel-http-hit"}


def test_cache_whose_log_is_not_its_own(worlds: Worlds) -> None:
    """A server that logs nothing stands for a proxy that answers in its place."""

    def spec(alias: str, credentials: Credentials) -> ServiceSpec:
        whole = SERVICES["bazel-grpc"](alias, credentials)
        front, back = whole.parts
        silent = tuple(word for word in back.command if word != "-vv")
        return ServiceSpec(
            whole.name, whole.alias, (front, ServiceContainer(back.name, silent, back.files)), whole.ready
        )

    proved = worlds.prove("tinyland-docker", GRPC, specs={"bazel-grpc": spec})
    assert proved.broken == {"caches/bazel-grpc-digests"}
    assert "not in the server's log" in proved.seen("caches/bazel-grpc-digests")


def test_workspace_that_names_a_cache_of_its_own(worlds: Worlds) -> None:
    url = "http://bazel-cache-http.nix-cache.svc.cluster.local:8080"
    proved = worlds.prove("tinyland-docker", HTTP, canary=bazelrc(f"build --remote_cache={url}"))
    # What comes from it unasked is also what was poisoned in it.
    assert proved.broken == {"caches/bazel-http-counterfactual", "caches/bazel-http-poisoned"}
    assert "check every .bazelrc" in proved.seen("caches/bazel-http-counterfactual")


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
    runs = (
        (ROOT / "canaries/bzlmod/canary.yaml").read_text("utf-8").replace("inputs: [", "inputs: [fixed.txt, ")
    )
    canary = {
        "bzlmod/BUILD.bazel": build,
        "bzlmod/fixed.txt": "always the same\n",
        "bzlmod/canary.yaml": runs,
    }
    proved = worlds.prove(
        "tinyland-docker", ids("caches/bazel-http-nonce-miss", "canaries/bzlmod-"), canary=canary
    )
    assert proved.broken == {"caches/bazel-http-nonce-miss", "canaries/bzlmod-runs"}


def test_grpc_cache_that_is_off(worlds: Worlds) -> None:
    spec = rewritten("bazel-grpc", ("grpc_pass grpc://127.0.0.1:50051;", "return 502;"))
    proved = worlds.prove("tinyland-docker", GRPC, specs={"bazel-grpc": spec}, canary=NO_RETRY)
    assert not proved.broken
    assert proved.unproven == set(proved.verdicts)


SYSTEM_RC, USER_RC = "/etc/bazel.bazelrc", "/home/runner/.bazelrc"
WRONG_HOST = "http://bazel-cache-api.nix-cache.svc.cluster.local:8080"


@pytest.mark.parametrize(
    ("file", "option", "broken"),
    [
        pytest.param(SYSTEM_RC, "--remote_upload_local_results=false", {"upload"}, id="no-upload"),
        pytest.param(SYSTEM_RC, "--noremote_accept_cached", {"hit"}, id="no-accept"),
        pytest.param(SYSTEM_RC, "--disk_cache=/tmp/disk-cache", {"counterfactual"}, id="disk-cache"),
        pytest.param(USER_RC, "--remote_cache=", {"upload", "hit"}, id="no-cache", marks=pytest.mark.long),
        pytest.param(
            USER_RC, f"--remote_cache={WRONG_HOST}", {"upload", "hit"}, id="wrong-host", marks=pytest.mark.long
        ),
        pytest.param(
            SYSTEM_RC, "--modify_execution_info=.*=+no-remote-cache", {"upload", "hit"},
            id="no-remote-cache", marks=pytest.mark.long,
        ),
    ],
)  # fmt: skip
def test_image_whose_bazelrc_undoes_the_cache(
    worlds: Worlds, file: str, option: str, broken: set[str]
) -> None:
    image = f"RUN printf 'build %s\\n' '{option}' >>{file}"
    proved = worlds.prove("tinyland-docker", HTTP, image=image)
    assert proved.broken == {f"caches/bazel-http-{show}" for show in broken}, proved.verdicts
    assert proved.ids_kept == set(proved.verdicts) - proved.broken
    for show in broken & {"upload", "hit"}:
        assert f"the class's own settings: {option} in {file}" in proved.seen(f"caches/bazel-http-{show}")
