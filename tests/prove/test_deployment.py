"""A deployment's caches, proved from its runner: the true command line against servers that the run did not start."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder_contracts.services.catalogue import SERVICES, Service
from builder_contracts.services.identities import Credentials
from tests.prove.conftest import Spec, Worlds, rewritten
from tests.prove.pool import CONTRACTS, ROOT, Checked, Machine, Pool, pool, world

pytestmark = pytest.mark.docker

NIX = {
    "substituted", "source", "key", "counterfactual", "unsigned", "wrong-key", "stripped-references", "swapped-nar",
    "recovery",
}  # fmt: skip
NIX_ALL = {f"caches/nix-{show}" for show in NIX} | {
    f"publication/nix-{who}" for who in ("anonymous", "reader", "writer")
}
NIX_URL = "http://nix.example/main"
SELECTED = "caches/nix or publication/nix"


@pytest.fixture
def runners(worlds: Worlds, tmp_path: Path) -> Iterator[Pool]:
    with pool(tmp_path) as made:
        yield made


class Deployment:
    """The services of somebody else, on the pool's network, and the environment file that binds them."""

    def __init__(self, pool: Pool, roles: Mapping[str, tuple[str, Spec]]) -> None:
        """``roles`` are bound to a URL, which settings of the role may follow, and have a service behind it."""
        self.pool = pool
        self.credentials = Credentials.random()
        services = [
            spec(str(urlsplit(text.split()[0]).hostname), self.credentials) for text, spec in roles.values()
        ]
        pool.host.start(services)
        self.names = [service.name for service in services]
        self.variables = {
            "THEIR_WRITER": f"writer:{self.credentials.writer.secret}",
            "THEIR_READER": f"reader:{self.credentials.reader.secret}",
        }
        for name in self.names:
            pool.host.up(name)
        lines = [
            f"  {role}: {{url: '{url}', writer: THEIR_WRITER, reader: THEIR_READER{rest}}}"
            for role, (text, _) in roles.items()
            for url, _, rest in [text.partition(" ")]
        ]
        (pool.folder / "theirs.yaml").write_text(
            "apiVersion: builder-contracts/v1\nkind: Environment\n"
            "metadata: {name: theirs, summary: What the pool itself has}\nroles:\n" + "\n".join(lines) + "\n",
            "utf-8",
        )

    def check(
        self,
        machine: Machine,
        selected: str,
        *options: str,
        live: bool = True,
        contracts: Path = CONTRACTS,
        **variables: str,
    ) -> Checked:
        return machine.check(
            "--environment", "/world/theirs.yaml", "-k", selected, *options, live=live, contracts=contracts,
            environment={**self.variables, **variables},
        )  # fmt: skip

    def are_not_told(self, found: Checked) -> None:
        """Nobody's credentials are in what a run said, plain or as a header has them."""
        for who in (self.credentials.reader, self.credentials.writer):
            for secret in (who.secret, who.authorization.partition(" ")[2]):
                assert secret not in found.text
                assert secret not in str(found.evidence)

    def asked(self) -> int:
        return sum(len(self.pool.host.log(name)) for name in self.names)


def deletable(alias: str, credentials: Credentials) -> Service:
    """A Nix cache that lets writers take back what they wrote."""
    return rewritten("nix-cache", ("dav_methods PUT;", "dav_methods PUT DELETE;"))(alias, credentials)


def test_a_nix_cache_is_proved_from_a_runner_and_left_as_it_was(runners: Pool) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    # A build is no party to the proof: it is told none of its credentials.
    build = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    curious = build.replace("set -eu\n", 'set -eu\ntest -z "${THEIR_WRITER:-}${THEIR_READER:-}"\n')
    assert curious != build
    contracts = world(runners.folder, {"canaries/flake/build.sh": curious})
    machine = runners.runner("tinyland-nix")
    found = theirs.check(machine, SELECTED, "--allow-writes", "nix", contracts=contracts)
    assert found.kept == NIX_ALL, found.text
    assert {line["rung"] for line in found.evidence.values()} == {"C3"}
    store = found.evidence["caches/nix-substituted"]["witnesses"]
    assert "server: deployed, log unavailable; published paths removed" in store
    assert "fresh: an empty Nix store, on a machine that is not" in store
    left = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert left.split() == ["/srv/data/nix/main/nix-cache-info"]
    assert machine.left() == []
    theirs.are_not_told(found)


def test_a_dependency_that_a_cache_had_before_the_proof_stays(runners: Pool) -> None:
    flake = (ROOT / "canaries/flake/flake.nix").read_text("utf-8")
    always_the_same = flake.replace("same words, same hash: ${nonce}", "same words, same hash")
    assert always_the_same != flake
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    contracts = world(runners.folder, {"canaries/flake/flake.nix": always_the_same})
    machine = runners.runner("tinyland-nix")
    machine.put(
        "/tmp/netrc", f"machine nix.example login writer password {theirs.credentials.writer.secret}\n"
    )
    copy = 'nix copy --to "$1" --option netrc-file /tmp/netrc path:/world/canaries/flake#motto'
    done = machine.run("sh", "-c", copy, "sh", NIX_URL)
    assert done.status == 0, done
    listed = ["sh", "-c", "find /srv/data/nix -type f | sort"]
    had = runners.host.execute("nix-cache", listed).stdout.decode().split()
    assert len(had) == 3, "the cache's own file, a description and its NAR"
    found = theirs.check(machine, SELECTED, "--allow-writes", "nix", contracts=contracts)
    assert found.kept == NIX_ALL, found.text
    assert runners.host.execute("nix-cache", listed).stdout.decode().split() == had


DELETABLE = ("dav_methods PUT;", "dav_methods PUT DELETE;")
GOOD = "location / {"
# A server that signs for itself, which nginx does not; what it adds is no signature by the key that is promised.
PROMISED = "main-1:" + base64.b64encode(bytes(range(32))).decode()
ANOTHER = "main-1:" + base64.b64encode(bytes(range(64))).decode()


def narinfo(change: str) -> tuple[str, str]:
    """nginx changes what it answers of a path's description."""
    refuse = "if ($refusal = 401) { return 401; } if ($refusal = 403) { return 403; }"
    location = (
        f"location ~ ^/main/.*narinfo$ {{ {refuse} sub_filter_types *; {change} dav_methods PUT DELETE; "
        "create_full_put_path on; }\n    "
    )
    return (GOOD, location + GOOD)


@pytest.mark.parametrize(
    ("changes", "rest", "broken", "said"),
    [
        (
            [('"~^writer " 0;', '"~^(writer|reader) " 0;'), DELETABLE], "",
            {"publication/nix-reader"}, "enforce permissions on the server",
        ),
        (
            [("dav_methods PUT;", "if ($request_method = PUT) { return 201; }")], "",
            {"publication/nix-writer", "caches/nix-substituted"}, "is absent",
        ),
        (
            [narinfo("sub_filter 'Sig:' 'X-Sig:';")], "",
            {"caches/nix-substituted"}, "not signed by any of the keys",
        ),
        (
            [narinfo(f"sub_filter 'References:' 'Sig: {ANOTHER}\\nReferences:';")], f", public_key: '{PROMISED}'",
            {"caches/nix-substituted"}, "not signed by any of the keys",
        ),
    ],
    ids=["readers write", "writes are dropped", "unsigned", "wrong public key"],
)  # fmt: skip
def test_a_broken_nix_cache_turns_its_clause_red_on_a_runner(
    runners: Pool, changes: list[tuple[str, str]], rest: str, broken: set[str], said: str
) -> None:
    theirs = Deployment(runners, {"nix": (f"{NIX_URL} {rest}", rewritten("nix-cache", *changes))})
    machine = runners.runner("tinyland-nix")
    found = theirs.check(machine, SELECTED, "--allow-writes", "nix")
    assert found.broken == broken, found.text
    assert machine.left() == []
    assert any(said in found.seen(local_id) for local_id in broken), found.text


def test_a_runner_whose_user_requires_no_signatures_is_found_out(runners: Pool) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    machine = runners.runner("tinyland-nix")
    machine.put("/home/runner/.config/nix/nix.conf", "require-sigs = false\n")
    found = theirs.check(machine, SELECTED, "--allow-writes", "nix")
    assert found.broken == {
        f"caches/nix-{show}" for show in ("unsigned", "wrong-key", "stripped-references", "recovery")
    }
    assert "Nix accepted" in found.seen("caches/nix-unsigned")


@pytest.mark.long
def test_an_interrupted_proof_takes_back_what_it_published(runners: Pool) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    machine = runners.runner("tinyland-nix")
    with ThreadPoolExecutor() as pool:
        checked = pool.submit(theirs.check, machine, SELECTED, "--allow-writes", "nix")
        while not any(
            line.get("method") == "PUT" and line.get("identity") == "writer"
            for line in runners.host.log("nix-cache")
        ):
            assert not checked.done(), checked.result().text
            time.sleep(0.02)
        machine.run("pkill", "-INT", "-f", "builder_contracts.cli")
        found = checked.result(timeout=60)
    assert "Interrupt" in found.text
    assert found.kept == set()
    left = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert left.split() == ["/srv/data/nix/main/nix-cache-info"]
    # Nix's store is left to its garbage collection; of folders and processes there are none.
    assert [line for line in machine.left() if line.startswith("/") or " " in line] == []


@pytest.mark.parametrize(("builder", "open_to_all"), [("tinyland-nix", True), ("tinyland-docker", False)])
def test_without_a_writer_an_open_cache_is_found_and_a_closed_one_shows_nothing(
    runners: Pool, builder: str, open_to_all: bool
) -> None:
    changes = [DELETABLE, *([('"~^anonymous " 401;', '"~^anonymous " 0;')] if open_to_all else [])]
    theirs = Deployment(runners, {"nix": (NIX_URL, rewritten("nix-cache", *changes))})
    found = theirs.check(
        runners.runner(builder), SELECTED, "--allow-writes", "nix", THEIR_WRITER="", THEIR_READER=""
    )
    assert found.kept == set()
    assert found.broken == ({"publication/nix-anonymous"} if open_to_all else set()), found.text
    assert {found.evidence[each]["provable_here"] for each in found.unproven} == {"no"}
    assert "set THEIR_WRITER to NAME:SECRET" in str(found.evidence)
    left = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert left.split() == ["/srv/data/nix/main/nix-cache-info"]


@pytest.mark.parametrize("builder", ["tinyland-nix", "tinyland-docker"])
def test_a_cache_with_another_way_to_upload_is_not_called_broken(runners: Pool, builder: str) -> None:
    """As Attic, which is not to be had here: it refuses HTTP PUT to everybody alike."""
    no_puts = rewritten("nix-cache", (GOOD, "location / { if ($request_method = PUT) { return 405; }"))
    theirs = Deployment(runners, {"nix": (NIX_URL, no_puts)})
    found = theirs.check(runners.runner(builder), SELECTED, "--allow-writes", "nix")
    assert found.broken | found.kept == set()
    assert all("does not accept HTTP PUT uploads" in line["seen"] for line in found.evidence.values()), (
        found.text
    )
    assert {line["provable_here"] for line in found.evidence.values()} == {"no"}


@pytest.mark.parametrize(
    ("options", "live", "said"),
    [
        ([], True, "writing to theirs requires --allow-writes nix"),
        (["--allow-writes", "nix"], False, "contacted only from real runners, and this machine is not one"),
    ],
    ids=["not allowed", "not shown to be a runner"],
)  # fmt: skip
def test_a_deployment_gets_no_packet_without_leave(
    runners: Pool, options: list[str], live: bool, said: str
) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    before = theirs.asked()
    found = theirs.check(runners.runner("tinyland-nix"), SELECTED, *options, live=live)
    assert found.unproven == NIX_ALL
    assert {line["provable_here"] for line in found.evidence.values()} == {"no"}
    assert all(said in line["seen"] for line in found.evidence.values()), found.text
    assert theirs.asked() == before


BAZEL = {"upload", "hit", "counterfactual", "nonce-miss", "environment", "forced-upload"}
UNSEEN = {"digests", "poisoned", "corrupted"}
ROLES = {"bazel-grpc": "grpc://grpc.example:9092", "bazel-http": "http://http.example:8080"}


def bazel(role: str, *shows: str) -> set[str]:
    return {f"caches/{role}-{show}" for show in shows}


READERS_WRITE = ('"~^writer " 0;', '"~^(writer|reader) " 0;')
READERS_WRITE_GRPC = ('"~^reader /', '"~^reader /not-')
FORGETS = (
    "    location / {",
    "    location ~ UpdateActionResult$ { if ($refusal = 16) { return 401; } if ($refusal = 7) { return 403; } "
    "default_type application/grpc; add_header grpc-status 0; return 200 ''; }\n    location / {",
)


@pytest.mark.parametrize(
    ("roles", "role", "change", "broken"),
    [
        (
            {"bazel-grpc"}, "bazel-grpc", READERS_WRITE_GRPC,
            {"caches/bazel-grpc-forced-upload", "publication/bazel-grpc-reader"},
        ),
        pytest.param(
            {*ROLES}, "bazel-http", READERS_WRITE,
            {"caches/bazel-http-forced-upload", "publication/bazel-http-reader"}, marks=pytest.mark.long,
        ),
        pytest.param(
            {*ROLES}, "bazel-grpc", FORGETS,
            {"caches/bazel-grpc-upload", "caches/bazel-grpc-hit", "publication/bazel-grpc-writer"},
            marks=pytest.mark.long,
        ),
    ],
    ids=["readers write over gRPC", "readers write over HTTP", "results are forgotten over gRPC"],
)  # fmt: skip
def test_bazel_caches_are_proved_from_a_runner_and_the_broken_one_is_found(
    runners: Pool, roles: set[str], role: str, change: tuple[str, str], broken: set[str]
) -> None:
    specs = {**SERVICES, role: rewritten(role, change)}
    theirs = Deployment(runners, {name: (ROLES[name], specs[name]) for name in sorted(roles)})
    machine = runners.runner("tinyland-docker")
    allowed = [word for name in roles for word in ("--allow-writes", name)]
    found = theirs.check(machine, f"({' or '.join(roles)}) and (caches or publication)", *allowed)
    assert found.broken == broken, found.text
    for name in roles:
        assert bazel(name, *UNSEEN) <= found.unproven
        assert {found.evidence[each]["provable_here"] for each in bazel(name, *UNSEEN)} == {"no"}
        whole = bazel(name, *BAZEL) | {
            f"publication/{name}-{who}" for who in ("anonymous", "reader", "writer")
        }
        kept = {each for each in found.kept if name in each}
        # Where nothing arrives, what could be fetched or refused shows nothing either.
        assert kept <= whole - broken
        assert kept == whole - broken or change == FORGETS
    assert {found.evidence[each]["rung"] for each in found.kept} == {"C3"}
    stays = [
        line for each in found.evidence.values() for line in each.get("witnesses", []) if "evicted" in line
    ]
    assert stays
    theirs.are_not_told(found)
    assert machine.left() == []


@pytest.mark.long
def test_a_cache_in_the_settings_of_a_runners_user_breaks_the_counterfactual(runners: Pool) -> None:
    url = ROLES["bazel-grpc"]
    theirs = Deployment(runners, {"bazel-grpc": (url, SERVICES["bazel-grpc"])})
    machine = runners.runner("tinyland-docker")
    machine.put("/home/runner/.bazelrc", f"build --remote_cache={url}\n")
    found = theirs.check(machine, "caches/bazel-grpc", "--allow-writes", "bazel-grpc")
    assert found.broken == {"caches/bazel-grpc-counterfactual"}, found.text
    assert "check every .bazelrc" in found.seen("caches/bazel-grpc-counterfactual")


def test_a_registry_is_pushed_to_from_a_runner_with_a_daemon(runners: Pool) -> None:
    # Credentials are for the token only, as at the large public ones.
    token = ("location / {", "location / { if ($http_authorization ~ ^Basic) { return 401; }")
    open_to_readers = rewritten("registry", READERS_WRITE, token)
    theirs = Deployment(runners, {"registry": ("http://registry.example", open_to_readers)})
    machine = runners.runner("tinyland-dind", daemon=("--insecure-registry=registry.example",))
    found = theirs.check(machine, "registry", "--allow-writes", "registry")
    assert found.kept == {"publication/registry-anonymous", "publication/registry-writer"}, found.text
    assert found.broken == {"publication/registry-reader"}
    assert "docker push" in found.seen("publication/registry-reader")
    assert "written data removed" in str(found.evidence["publication/registry-writer"]["witnesses"])
    theirs.are_not_told(found)
    assert machine.run("docker", "images", "-aq").stdout == b""
