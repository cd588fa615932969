"""Worlds in which a target lets somebody write who must not, or loses what somebody may; the right clause says so."""

from __future__ import annotations

import pytest

from builder_contracts.services.catalog import SERVICES, ServiceSpec
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import GRANTS_EVERY_LOCK, ROOT, Spec, Worlds, ids, rewritten

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
    assert "docker push returned OK" in proved.seen("publication/registry-anonymous")


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
    assert "dropped silently" in proved.seen("publication/bazel-http-writer")


def test_object_store_whose_reader_may_write(worlds: Worlds) -> None:
    spec = rewritten(
        "objects", ('"Read:state"', '"Read:state", "Write:state"'), part="seaweedfs", file="s3.json"
    )
    proved = worlds.prove("tinyland-nix", ids("publication/objects-"), specs={"objects": spec})
    assert proved.broken == {
        f"publication/objects-{show}" for show in ("reader", "reader-lock", "unlock-by-other")
    }
    assert "released the writer's lock" in proved.seen("publication/objects-unlock-by-other")


def test_object_store_that_grants_every_lock(worlds: Worlds) -> None:
    spec = rewritten("objects", GRANTS_EVERY_LOCK)
    proved = worlds.prove(
        "tinyland-nix",
        ids("publication/objects-second-lock", "publication/objects-old-state", "publication/objects-race"),
        specs={"objects": spec},
    )
    assert proved.broken == {"publication/objects-second-lock", "publication/objects-race"}
    assert "so state locks do not work" in proved.seen("publication/objects-second-lock")


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


OPEN = ('"~^anonymous " 401;', '"~^anonymous " 0;')
READS = ('"~^writer " 0;', '"~^(writer|reader) " 0;')
GRPC_CAS = r"build\.bazel\.remote\.execution\.v2\.ContentAddressableStorage/BatchUpdateBlobs|"
ANONYMOUS_S3 = ('"identities": [', '"identities": [{"name": "anonymous", "actions": ["Write:state"]}, ')


@pytest.mark.parametrize(
    ("spec", "broken"),
    [
        (rewritten("nix-cache", OPEN), "nix-anonymous"),
        (rewritten("nix-cache", READS), "nix-reader"),
        (rewritten("bazel-http", OPEN), "bazel-http-anonymous"),
        (rewritten("bazel-http", READS), "bazel-http-reader"),
        (rewritten("bazel-grpc", ('"~^(anonymous|unknown) " 16;', '"~^unknown " 16;')), "bazel-grpc-anonymous"),
        (rewritten("bazel-grpc", (GRPC_CAS, "")), "bazel-grpc-reader"),
        (rewritten("registry", READS), "registry-reader"),
        (rewritten("objects", ANONYMOUS_S3, part="seaweedfs", file="s3.json"), "objects-anonymous"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_target_that_is_open_to_one_identity(worlds: Worlds, spec: Spec, broken: str) -> None:
    service = spec("x", Credentials.random()).name
    proved = worlds.prove(
        "tinyland-docker", ids(f"publication/{broken.rpartition('-')[0]}-"), specs={service: spec}
    )
    locks = {f"publication/{broken}-lock"} if service == "objects" else set()
    assert proved.broken == {f"publication/{broken}"} | locks
    assert "but was written" in proved.seen(f"publication/{broken}")


@pytest.mark.parametrize(
    ("service", "old"),
    [
        ("registry", "location / {"),
        ("objects", "location / {"),
        ("bazel-http", "location / {"),
        ("bazel-grpc", "location / {"),
    ],
)
def test_server_that_answers_500_refuses_nothing(worlds: Worlds, service: str, old: str) -> None:
    proved = worlds.prove(
        "tinyland-docker",
        ids(f"publication/{service}-"),
        specs={service: rewritten(service, (old, f"{old} return 500;"))},
    )
    assert proved.broken == set()
    assert proved.unproven == set(proved.verdicts)


def test_registry_that_hangs_refuses_nothing(worlds: Worlds) -> None:
    never = "  server { listen 81; location / { limit_rate 1; return 200 'never complete'; } }\n  server {\n    listen 80;"
    spec = rewritten(
        "registry",
        ("  server {\n    listen 80;", never),
        ("location / {", "location ~ /uploads/ { proxy_pass http://127.0.0.1:81; }\n    location / {"),
    )
    proved = worlds.prove("tinyland-nix", ids("publication/registry-"), specs={"registry": spec})
    assert proved.broken == set()
    assert proved.unproven == set(proved.verdicts)


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    ("role", "url", "text"),
    [
        ("bazel-grpc", "grpc://bazel-cache-api.nix-cache.svc.cluster.local:9092", "resol"),
        ("bazel-http", "http://bazel-cache-http.nix-cache.svc.cluster.local:9999", "refused"),
        ("registry", "https://registry-api.nix-cache.svc.cluster.local", "resol"),
        ("objects", "http://rustfs.nix-cache.svc.cluster.local:9999", "connect"),
    ],
)
def test_name_that_does_not_resolve_and_wrong_port(worlds: Worlds, role: str, url: str, text: str) -> None:
    def aliased(alias: str, credentials: Credentials) -> ServiceSpec:
        # Only the wrong port is of a name that is there.
        return SERVICES[role](alias if text == "refused" else f"{role}.example", credentials)

    proved = worlds.prove(
        "tinyland-docker", ids(f"publication/{role}-"), urls={role: url}, specs={role: aliased}
    )
    assert proved.broken == set()
    assert proved.unproven == set(proved.verdicts)
    seen = {name: verdict.observation for name, verdict in proved.verdicts.items()}
    assert all(text in observation for observation in seen.values()), seen


def test_registry_that_drops_what_it_takes(worlds: Worlds) -> None:
    drop = "location ~ /manifests/ { if ($refusal = 401) { return 401; } if ($refusal = 403) { return 403; } "
    drop += "if ($request_method = PUT) { return 201; } proxy_pass http://127.0.0.1:5001; }\n    "
    spec = rewritten("registry", ("location / {", drop + "location / {"))
    proved = worlds.prove("tinyland-dind", ids("publication/registry-"), specs={"registry": spec})
    assert proved.broken == {"publication/registry-writer"}
    assert "dropped silently" in proved.seen("publication/registry-writer")


CONFIG = "/home/runner/.docker/config.json"
BROKEN_HELPER = "RUN printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/docker-credential-desktop && chmod 0755 /usr/bin/docker-credential-desktop"


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        pytest.param(
            "", '"credsStore": "desktop" (docker-credential-desktop is not installed)', id="missing"
        ),
        pytest.param(BROKEN_HELPER, '"credsStore": "desktop"', id="broken", marks=pytest.mark.long),
    ],
)
def test_image_whose_credential_helper_fails(worlds: Worlds, more: str, cause: str) -> None:
    image = f"""RUN install -d -o runner /home/runner/.docker && echo '{{"credsStore": "desktop"}}' >{CONFIG}\n{more}"""
    proved = worlds.prove("tinyland-dind", ids("publication/registry-"), image=image)
    assert proved.broken == {"publication/registry-writer"}
    assert proved.ids_kept == {"publication/registry-anonymous", "publication/registry-reader"}
    assert f"the class's own settings: {cause} in {CONFIG}" in proved.seen("publication/registry-writer")
