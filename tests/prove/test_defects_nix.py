"""Worlds in which the Nix cache, or what is around it, breaks one promise; the right clause says so."""

from __future__ import annotations

import dataclasses

import pytest

from builder_contracts.services.catalog import DATA, ServiceContainer, ServiceSpec
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import ROOT, Spec, Worlds, ids, rewritten

pytestmark = pytest.mark.docker

CACHE = ids("caches/nix-")
ALL = ids("caches/nix-", "publication/nix-")
# For a rewriting of answers, which nginx does for these paths only.
GOOD = "location / {"


def test_cache_without_signatures(worlds: Worlds) -> None:
    strip = "location ~ ^/main/.*narinfo$ { sub_filter_types *; sub_filter 'Sig:' 'X-Sig:'; dav_methods PUT; }\n    "
    strip = strip.replace(
        "dav_methods PUT;", "if ($refusal) { return 403; } dav_methods PUT; create_full_put_path on;"
    )
    proved = worlds.prove(
        "tinyland-nix", CACHE, specs={"nix-cache": rewritten("nix-cache", (GOOD, strip + GOOD))}
    )
    assert proved.broken == {"caches/nix-substituted"}
    assert "not signed by any of the keys" in proved.seen("caches/nix-substituted")


def test_cache_that_signs_with_another_key(worlds: Worlds) -> None:
    resign = (
        "location ~ ^/main/.*narinfo$ { if ($refusal) { return 403; } dav_methods PUT; create_full_put_path on; "
        "sub_filter_types *; sub_filter 'Sig: main-1:' 'Sig: other-1:'; }\n    "
    )
    proved = worlds.prove(
        "tinyland-nix", CACHE, specs={"nix-cache": rewritten("nix-cache", (GOOD, resign + GOOD))}
    )
    assert proved.broken == {"caches/nix-substituted"}
    assert "trusted-public-keys" in proved.seen("caches/nix-substituted")


# GET goes where a test says, PUT where it always went.
def answered(location: str, get: str) -> str:
    return (
        f"location {location} {{ if ($refusal) {{ return 403; }} dav_methods PUT; create_full_put_path on; "
        f"if ($request_method ~ GET|HEAD) {{ {get} }} }}\n    "
    )


def test_proxy_that_serves_another_paths_nar(worlds: Worlds) -> None:
    # Whichever nar is asked for, the first that was ever uploaded is served, as a proxy with a wrong key would.
    keep = (
        'folder=$1; shift; (until set -- "$folder"/main/nar/*.nar.xz && [ -e "$1" ]; do sleep 0.05; done; '
        'cp "$1" "$folder/first.nar.xz") & exec "$@"'
    )
    front = rewritten("nix-cache", (GOOD, answered("~ ^/main/nar/", "rewrite ^ /first.nar.xz break;") + GOOD))

    def spec(alias: str, credentials: Credentials) -> ServiceSpec:
        whole = front(alias, credentials)
        part = whole.parts[0]
        command = ("sh", "-c", keep, "sh", f"{DATA}/nix", *part.command)
        return ServiceSpec(
            whole.name, whole.alias, (ServiceContainer(part.name, command, part.files),), whole.ready
        )

    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert proved.broken == {"caches/nix-substituted"}
    assert "hash mismatch" in proved.seen("caches/nix-substituted")


def test_mirror_that_answers_in_place_of_the_cache(worlds: Worlds) -> None:
    away = answered('~ "^/main/(?<rest>(nar/)?[a-z0-9]+[.](narinfo|nar.xz))$"', "return 302 /mirror/$rest;")
    mirror = f"location /mirror/ {{ alias {DATA}/nix/main/; }}\n    "
    spec = rewritten("nix-cache", (GOOD, away + mirror + GOOD))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert proved.broken == {"caches/nix-substituted", "caches/nix-source"}
    assert "that server did not serve the path" in proved.seen("caches/nix-source")


def test_swapped_nar_that_the_client_accepts(worlds: Worlds) -> None:
    good = "location /swapped-nar/nar/ { if ($request_method = GET) { rewrite ^/swapped-nar/(.*) /main/$1 break; } "
    good += "dav_methods PUT; create_full_put_path on; }\n    "
    proved = worlds.prove(
        "tinyland-nix", CACHE, specs={"nix-cache": rewritten("nix-cache", (GOOD, good + GOOD))}
    )
    assert proved.broken == {"caches/nix-swapped-nar"}
    assert "Nix accepted" in proved.seen("caches/nix-swapped-nar")


def test_anybody_can_write(worlds: Worlds) -> None:
    spec = rewritten("nix-cache", ('"~^anonymous " 401;', '"~^anonymous " 0;'))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert proved.broken == {"publication/nix-anonymous"}
    assert "but was written" in proved.seen("publication/nix-anonymous")


def private(*changes: tuple[str, str]) -> Spec:
    """A cache that asks for credentials to read as well; what waits for it to be ready gets a page of its own."""
    closed = ('"~ (GET|HEAD|OPTIONS)$" 0;', '"~^(reader|writer) (GET|HEAD|OPTIONS)$" 0;')

    def spec(alias: str, credentials: Credentials) -> ServiceSpec:
        whole = rewritten("nix-cache", closed, *changes)(alias, credentials)
        return dataclasses.replace(whole, ready=(whole.ready[0].replace("/main/nix-cache-info", "/.health"),))

    return spec


def test_private_cache_that_anybody_can_write_to(worlds: Worlds) -> None:
    """Nix stops at the cache's own description, which nobody may read: that is not the refusal of a write."""
    spec = private(('"~^anonymous " 401;', '"~^anonymous PUT$" 0; "~^anonymous " 401;'))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert proved.broken == {"publication/nix-anonymous"}
    assert "narinfo returned 201 but was written" in proved.seen("publication/nix-anonymous")
    assert proved.unproven == set()


def test_reader_that_can_write(worlds: Worlds) -> None:
    spec = rewritten("nix-cache", ('"~^writer " 0;', '"~^(writer|reader) " 0;'))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert proved.broken == {"publication/nix-reader"}
    assert "enforce permissions on the server" in proved.seen("publication/nix-reader")


def test_writes_that_are_silently_dropped(worlds: Worlds) -> None:
    spec = rewritten("nix-cache", ("dav_methods PUT;", "if ($request_method = PUT) { return 201; }"))
    proved = worlds.prove("tinyland-dind", ids("publication/nix-"), specs={"nix-cache": spec})
    # The class may not write at all: that the writer's words vanish makes every refusal worthless.
    assert not proved.broken
    proved = worlds.prove("tinyland-nix", ids("publication/nix-"), specs={"nix-cache": spec})
    assert proved.broken == {"publication/nix-writer"}
    assert "dropped silently" in proved.seen("publication/nix-writer")


NO_RETRY = "RUN echo 'download-attempts = 1' >>/etc/nix/nix.conf"
"""Nix asks a server that fails four times more, with pauses: five seconds in each command."""


def test_server_that_answers_500_proves_nothing(worlds: Worlds) -> None:
    spec = rewritten("nix-cache", (GOOD, "location ~ ^/main/.+(narinfo|xz)$ { return 500; }\n    " + GOOD))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec}, image=NO_RETRY)
    assert not proved.broken
    assert proved.unproven == set(proved.verdicts)


@pytest.mark.long
def test_server_that_hangs_proves_nothing(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder_contracts.prove.nix.experiment.DEADLINE", 4)
    hang = "location ~ ^/main/.+narinfo$ { proxy_pass http://127.0.0.1:81; }\n    "
    listener = "  server { listen 81; location / { limit_rate 1; return 200 'never complete'; } }\n  server {\n    listen 80;"
    spec = rewritten("nix-cache", (GOOD, hang + GOOD), ("  server {\n    listen 80;", listener))
    proved = worlds.prove("tinyland-nix", ALL, specs={"nix-cache": spec})
    assert not proved.broken
    assert proved.unproven == set(proved.verdicts)


@pytest.mark.usefixtures("unreached")
@pytest.mark.parametrize(
    "url",
    [
        "http://attic-api.nix-cache.svc.cluster.local/main",
        "http://attic.nix-cache.svc.cluster.local:8080/main",
    ],
)
def test_name_that_does_not_resolve_and_wrong_port(worlds: Worlds, url: str) -> None:
    def aliased(alias: str, credentials: object) -> object:
        return rewritten("nix-cache")("attic.nix-cache.svc.cluster.local", credentials)  # type: ignore[arg-type]

    proved = worlds.prove(
        "tinyland-nix",
        ALL,
        urls={"nix": url},
        specs={"nix-cache": aliased},  # type: ignore[dict-item]
        image=NO_RETRY,
    )
    assert not proved.broken
    assert proved.unproven == set(proved.verdicts)
    text = " ".join(verdict.observation for verdict in proved.verdicts.values())
    assert "resolve" in text or "onnect" in text


SYSTEM_CONF = "/etc/nix/nix.conf"


@pytest.mark.parametrize(
    ("instruction", "cause", "broken"),
    [
        (
            f"RUN echo 'require-sigs = false' >>{SYSTEM_CONF}",
            f"the class's own settings: require-sigs = false in {SYSTEM_CONF}",
            {"unsigned", "wrong-key", "stripped-references", "recovery"},
        ),
        (
            f"RUN echo 'substitute = false' >>{SYSTEM_CONF}",
            f"the class's own settings: substitute = false in {SYSTEM_CONF}",
            {"substituted"},
        ),
        (
            # An ENV line has no line breaks, so that the features move into the file.
            f"RUN echo 'experimental-features = nix-command flakes' >>{SYSTEM_CONF}\nENV NIX_CONFIG='substituters = http://other.example'",
            "the class's own settings: substituters = http://other.example in NIX_CONFIG",
            {"substituted"},
        ),
    ],
    ids=["no-signatures", "no-substitution", "other-substituter"],
)
def test_image_whose_nix_settings_break_the_cache(
    worlds: Worlds, instruction: str, cause: str, broken: set[str]
) -> None:
    proved = worlds.prove("tinyland-nix", ALL, image=instruction)
    assert proved.broken == {f"caches/nix-{show}" for show in broken}
    assert proved.ids_kept == set(proved.verdicts) - proved.broken
    for show in broken:
        assert cause in proved.seen(f"caches/nix-{show}")


def test_runner_requires_no_signatures_takes_unsigned_cache(
    worlds: Worlds,
) -> None:
    strip = answered("~ ^/main/.*narinfo$", "sub_filter_types *; sub_filter 'Sig:' 'X-Sig:';")
    strip = strip.replace("if ($request_method ~ GET|HEAD) { ", "").replace("; } }", "; }")
    proved = worlds.prove(
        "tinyland-nix",
        ids("caches/nix-key", "caches/nix-substituted"),
        specs={"nix-cache": rewritten("nix-cache", (GOOD, strip + GOOD))},
        image=f"RUN echo 'require-sigs = false' >>{SYSTEM_CONF}",
    )
    assert proved.broken == {"caches/nix-key"}
    assert "signed by nobody" in proved.seen("caches/nix-key")


def test_secret_in_a_nar(worlds: Worlds) -> None:
    build = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    leak = build.replace("nix build", 'printf %s "$CI_PROOF_SECRET" >words/greeting\nnix build', 1)
    proved = worlds.prove(
        "tinyland-nix", ids("publication/no-secrets", "caches/nix-"), canary={"flake/build.sh": leak}
    )
    assert proved.broken == {"publication/no-secrets"}
    assert ".nar.xz!xz" in proved.seen("publication/no-secrets")


def test_artifact_that_is_a_link_into_the_store(worlds: Worlds) -> None:
    build = (ROOT / "canaries/flake/build.sh").read_text("utf-8").replace("cp -L", "ln -s")
    proved = worlds.prove("tinyland-nix", ids("canaries/flake-"), canary={"flake/build.sh": build})
    assert proved.broken == {"canaries/flake-artifacts"}
    assert "a link to /nix/store/" in proved.seen("canaries/flake-artifacts")


def test_lock_that_is_not_current(worlds: Worlds) -> None:
    flake = (ROOT / "canaries/flake/flake.nix").read_text("utf-8")
    changed = flake.replace(
        "inputs.words = {", 'inputs.more = { url = "path:./words"; flake = false; };\n  inputs.words = {'
    ).replace("{ self, words }:", "{ self, words, more }:")
    proved = worlds.prove("tinyland-nix", ids("canaries/flake-lock"), canary={"flake/flake.nix": changed})
    assert proved.broken == {"canaries/flake-lock"}


def test_build_that_is_not_reproducible(worlds: Worlds) -> None:
    flake = (ROOT / "canaries/flake/flake.nix").read_text("utf-8")
    changed = flake.replace(
        """printf '%s %s\\n' "$words" "$nonce" > "$out\"""",
        """printf '%s %s\\n' "$words" "$nonce" > "$out"; read -r pid _ </proc/self/stat; printf '%s\\n' "$pid" >> "$out\"""",
    )
    assert changed != flake
    proved = worlds.prove("tinyland-nix", ids("canaries/flake-"), canary={"flake/flake.nix": changed})
    assert proved.broken == {"canaries/flake-rebuild"}, proved.verdicts


FLAKE = ids("canaries/flake-")


@pytest.mark.parametrize(
    ("file", "old", "new", "broken", "observed"),
    [
        ("build.sh", "set -eu\n", "set -eu\nexit 3\n", "builds", "the build exited with status 3"),
        ("canary.yaml", "memory: 1Gi", "memory: 1Mi", "builds", "of memory (budget 1Mi)"),
        ("canary.yaml", "disk: 200Mi", "disk: 1Ki", "builds", "of disk (budget 1Ki)"),
        ("canary.yaml", "good day from NONCE", "good night from NONCE", "runs", "the program should print 'good night from"),
        ("build.sh", 'cp -L "$(', 'echo "$(', "artifacts", "contains /nix/store"),
    ],
    ids=["build that fails", "too much memory", "too much disk", "other words", "path of the builder"],
)  # fmt: skip
def test_canary_that_breaks_one_promise(
    worlds: Worlds, file: str, old: str, new: str, broken: str, observed: str
) -> None:
    text = (ROOT / "canaries/flake" / file).read_text("utf-8")
    assert old in text
    changed = text.replace(old, new).replace(
        ')" out/artifact.txt',
        ')" good day from >out/artifact.txt' if broken == "artifacts" else ')" out/artifact.txt',
    )
    proved = worlds.prove("tinyland-nix", FLAKE, canary={f"flake/{file}": changed})
    assert f"canaries/flake-{broken}" in proved.broken
    assert observed in proved.seen(f"canaries/flake-{broken}")
    assert proved.broken <= {f"canaries/flake-{broken}", "canaries/flake-runs"}


def test_evaluation_that_looks_around(worlds: Worlds) -> None:
    # The build says --impure and gets away with it.
    flake = (ROOT / "canaries/flake/flake.nix").read_text("utf-8")
    build = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    around = flake.replace("inherit nonce;", "inherit nonce; host = builtins.readFile /etc/hostname;")
    assert around != flake
    canary = {"flake/flake.nix": around, "flake/build.sh": build.replace("nix build", "nix build --impure")}
    proved = worlds.prove("tinyland-nix", FLAKE, canary=canary)
    assert proved.broken == {"canaries/flake-pure"}
    assert "it depends on something outside its inputs" in proved.seen("canaries/flake-pure")
