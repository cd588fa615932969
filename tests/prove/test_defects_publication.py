"""Worlds in which a target lets somebody write who must not, or loses what somebody may; the right clause says so."""

from __future__ import annotations

import pytest

from tests.prove.conftest import ROOT, Worlds, ids, rewritten

pytestmark = pytest.mark.docker


def test_registry_that_is_open_to_all(worlds: Worlds) -> None:
    spec = rewritten("registry", ('"~^anonymous " 401;', '"~^(anonymous|reader) " 0;'))
    proved = worlds.prove("tinyland-nix", ids("publication/registry-"), specs={"registry": spec})
    assert proved.broken == {"publication/registry-anonymous", "publication/registry-reader"}
    assert "lets this identity write" in proved.seen("publication/registry-anonymous")


def test_docker_push_to_an_open_registry(worlds: Worlds) -> None:
    spec = rewritten("registry", ('"~^anonymous " 401;', '"~^anonymous " 0;'))
    proved = worlds.prove("tinyland-dind", ids("publication/registry-"), specs={"registry": spec})
    assert proved.broken == {"publication/registry-anonymous"}
    assert "docker push was answered OK" in proved.seen("publication/registry-anonymous")


def test_registry_that_refuses_the_writer(worlds: Worlds) -> None:
    spec = rewritten("registry", ('"~^writer " 0;', ""))
    proved = worlds.prove("tinyland-dind", ids("publication/registry-"), specs={"registry": spec})
    assert proved.broken == {"publication/registry-writer"}
    # Without an allowed writer a refusal shows nothing.
    assert proved.unproven == {"publication/registry-anonymous", "publication/registry-reader"}


def test_bazel_cache_whose_readers_write_results(worlds: Worlds) -> None:
    spec = rewritten(
        "bazel-grpc", ("build\\.bazel\\.remote\\.execution\\.v2\\.ActionCache/UpdateActionResult|", "")
    )
    proved = worlds.prove("tinyland-dind", ids("publication/bazel-grpc-"), specs={"bazel-grpc": spec})
    assert proved.broken == {"publication/bazel-grpc-reader"}
    assert "action cache" in proved.seen("publication/bazel-grpc-reader")


def test_bazel_http_cache_that_drops_what_it_takes(worlds: Worlds) -> None:
    spec = rewritten("bazel-http", ("dav_methods PUT;", "if ($request_method = PUT) { return 201; }"))
    proved = worlds.prove("tinyland-docker", ids("publication/bazel-http-"), specs={"bazel-http": spec})
    assert proved.broken == {"publication/bazel-http-writer"}
    assert "dropped without a word" in proved.seen("publication/bazel-http-writer")


def test_object_store_whose_reader_may_write(worlds: Worlds) -> None:
    spec = rewritten(
        "objects", ('"Read:state"', '"Read:state", "Write:state"'), part="seaweedfs", file="s3.json"
    )
    proved = worlds.prove("tinyland-nix", ids("publication/objects-"), specs={"objects": spec})
    assert proved.broken == {"publication/objects-reader"}


def test_object_store_that_ignores_conditions(worlds: Worlds) -> None:
    spec = rewritten("objects", ("proxy_request_buffering off;", 'proxy_set_header If-None-Match "";'))
    proved = worlds.prove(
        "tinyland-nix",
        ids("publication/objects-second-lock", "publication/objects-old-state"),
        specs={"objects": spec},
    )
    assert "publication/objects-second-lock" not in proved.ids_kept
    assert "publication/objects-old-state" in proved.ids_kept


def test_object_store_without_versions(worlds: Worlds) -> None:
    spec = rewritten("objects", ("location / {", 'location / { if ($args ~ "^versioning") { return 200; }'))
    proved = worlds.prove(
        "tinyland-nix",
        ids("publication/objects-second-lock", "publication/objects-old-state"),
        specs={"objects": spec},
    )
    assert proved.broken == {"publication/objects-old-state"}
    assert "versioning is not enabled" in proved.seen("publication/objects-old-state")


def test_secret_in_an_image_layer(worlds: Worlds) -> None:
    build = (ROOT / "canaries/image/build.sh").read_text("utf-8")
    leak = build.replace("docker build", 'printf %s "$CI_PROOF_SECRET" >root/token\ndocker build')
    proved = worlds.prove(
        "tinyland-dind",
        ids("publication/no-secrets", "publication/registry-", "canaries/image-builds"),
        canary={"image/build.sh": leak},
    )
    assert proved.broken == {"publication/no-secrets"}
    assert "registry" in proved.seen("publication/no-secrets")


def test_secret_in_a_compressed_log(worlds: Worlds) -> None:
    build = (ROOT / "canaries/image/build.sh").read_text("utf-8")
    leak = build + 'printf "token=%s" "$CI_PROOF_SECRET" | base64 | gzip >out/build.log.gz\n'
    proved = worlds.prove(
        "tinyland-dind",
        ids("publication/no-secrets", "publication/registry-", "canaries/image-builds"),
        canary={"image/build.sh": leak},
    )
    assert proved.broken == {"publication/no-secrets"}
    assert "build.log.gz!gzip (base64)" in proved.seen("publication/no-secrets")


@pytest.mark.parametrize("service", ["nix-cache", "bazel-grpc", "bazel-http", "registry", "objects"])
def test_a_server_that_is_off_makes_exactly_its_clauses_unproven(worlds: Worlds, service: str) -> None:
    target = {"nix-cache": "nix"}.get(service, service)

    def off(alias: str, credentials: object) -> object:
        spec = rewritten(service)(alias, credentials)  # type: ignore[arg-type]
        front = spec.parts[0]
        dead = type(front)(front.name, ("sh", "-c", "echo the disk is full >&2; exit 1"), front.files)
        return type(spec)(spec.name, spec.alias, (dead, *spec.parts[1:]), spec.ready)

    proved = worlds.prove(
        "tinyland-dind",
        lambda clause: clause.local_id.startswith("publication/") and clause.name != "no-secrets",
        specs={service: off},  # type: ignore[dict-item]
    )
    assert not proved.broken
    assert proved.unproven == {local_id for local_id in proved.verdicts if f"/{target}-" in local_id}
    told = [proved.verdicts[local_id].seen for local_id in proved.unproven]
    assert all("the disk is full" in said or "could not be started" in said for said in told)
