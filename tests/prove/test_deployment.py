"""A deployment's caches, proved from its runner: the true command line against servers that the run did not start."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder_contracts.services.catalog import SERVICES, ServiceSpec
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import Spec, Worlds, rewritten
from tests.prove.pool import CONTRACTS, ROOT, Checked, Machine, Pool, pool, world

pytestmark = pytest.mark.docker

NIX = {
    "substituted", "source", "key", "counterfactual", "unsigned", "wrong-key", "stripped-references", "swapped-nar",
    "recovery",
}  # fmt: skip
NIX_ALL = {f"caches/nix-{show}" for show in NIX} | {
    f"publication/nix-{identity}" for identity in ("anonymous", "reader", "writer")
}
NIX_URL = "http://nix.example/main"
SELECTED = "caches/nix or publication/nix"


@pytest.fixture
def runners(worlds: Worlds, tmp_path: Path) -> Iterator[Pool]:
    with pool(tmp_path) as created:
        yield created


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

    def are_not_told(self, result: Checked) -> None:
        """Nobody's credentials are in what a run said, plain or as a header has them."""
        for identity in (self.credentials.reader, self.credentials.writer):
            for secret in (identity.secret, identity.authorization.partition(" ")[2]):
                assert secret not in result.text
                assert secret not in str(result.evidence)

    def count_requests(self) -> int:
        return sum(len(self.pool.host.log(name)) for name in self.names)


def deletable(alias: str, credentials: Credentials) -> ServiceSpec:
    """A Nix cache that lets writers take back what they wrote."""
    return rewritten("nix-cache", ("dav_methods PUT;", "dav_methods PUT DELETE;"))(alias, credentials)


def test_deployed_nix_cache_is_proved_and_cleaned_up(runners: Pool) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    # A build is no party to the proof: it is told none of its credentials.
    build = (ROOT / "canaries/flake/build.sh").read_text("utf-8")
    curious = build.replace("set -eu\n", 'set -eu\ntest -z "${THEIR_WRITER:-}${THEIR_READER:-}"\n')
    assert curious != build
    contracts = world(runners.folder, {"canaries/flake/build.sh": curious})
    machine = runners.runner("tinyland-nix")
    result = theirs.check(machine, SELECTED, "--allow-writes", "nix", contracts=contracts)
    assert result.kept == NIX_ALL, result.text
    assert {line["rung"] for line in result.evidence.values()} == {"C3"}
    store = result.evidence["caches/nix-substituted"]["witnesses"]
    assert "server: deployed, log unavailable; written data removed" in store
    assert "fresh: an empty Nix store, on a reused machine" in store
    leftovers = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert leftovers.split() == ["/srv/data/nix/main/nix-cache-info"]
    assert machine.left() == []
    theirs.are_not_told(result)


def test_dependency_that_the_cache_had_before_stays(runners: Pool) -> None:
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
    completed = machine.run("sh", "-c", copy, "sh", NIX_URL)
    assert completed.status == 0, completed
    listed = ["sh", "-c", "find /srv/data/nix -type f | sort"]
    had = runners.host.execute("nix-cache", listed).stdout.decode().split()
    assert len(had) == 3, "the cache's own file, a description and its NAR"
    result = theirs.check(machine, SELECTED, "--allow-writes", "nix", contracts=contracts)
    assert result.kept == NIX_ALL, result.text
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
    ("changes", "rest", "broken", "text"),
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
def test_broken_nix_cache_breaks_its_clause_on_a_runner(
    runners: Pool, changes: list[tuple[str, str]], rest: str, broken: set[str], text: str
) -> None:
    theirs = Deployment(runners, {"nix": (f"{NIX_URL} {rest}", rewritten("nix-cache", *changes))})
    machine = runners.runner("tinyland-nix")
    result = theirs.check(machine, SELECTED, "--allow-writes", "nix")
    assert result.broken == broken, result.text
    assert machine.left() == []
    assert any(text in result.seen(local_id) for local_id in broken), result.text


def test_user_requires_no_signatures_breaks_bad_caches(runners: Pool) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    machine = runners.runner("tinyland-nix")
    machine.put("/home/runner/.config/nix/nix.conf", "require-sigs = false\n")
    result = theirs.check(machine, SELECTED, "--allow-writes", "nix")
    assert result.broken == {
        f"caches/nix-{show}" for show in ("unsigned", "wrong-key", "stripped-references", "recovery")
    }
    assert "Nix accepted" in result.seen("caches/nix-unsigned")


@pytest.mark.long
def test_interrupted_proof_removes_what_it_published(runners: Pool) -> None:
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
        result = checked.result(timeout=60)
    assert "interrupted" in result.text
    assert result.kept == set()
    leftovers = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert leftovers.split() == ["/srv/data/nix/main/nix-cache-info"]
    # Nix's store is left to its garbage collection; of folders and processes there are none.
    assert [line for line in machine.left() if line.startswith("/") or " " in line] == []


@pytest.mark.parametrize(("builder", "open_to_all"), [("tinyland-nix", True), ("tinyland-docker", False)])
def test_cache_without_a_writer_is_open_or_unproven(runners: Pool, builder: str, open_to_all: bool) -> None:
    changes = [DELETABLE, *([('"~^anonymous " 401;', '"~^anonymous " 0;')] if open_to_all else [])]
    theirs = Deployment(runners, {"nix": (NIX_URL, rewritten("nix-cache", *changes))})
    result = theirs.check(
        runners.runner(builder), SELECTED, "--allow-writes", "nix", THEIR_WRITER="", THEIR_READER=""
    )
    assert result.kept == set()
    assert result.broken == ({"publication/nix-anonymous"} if open_to_all else set()), result.text
    assert {result.evidence[local_id]["provable_here"] for local_id in result.unproven} == {False}
    assert "set THEIR_WRITER to NAME:SECRET" in str(result.evidence)
    leftovers = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert leftovers.split() == ["/srv/data/nix/main/nix-cache-info"]


@pytest.mark.parametrize("builder", ["tinyland-nix", "tinyland-docker"])
def test_cache_with_another_upload_protocol_is_unproven(runners: Pool, builder: str) -> None:
    """As Attic, which is not to be had here: it refuses HTTP PUT to everybody alike."""
    no_puts = rewritten("nix-cache", (GOOD, "location / { if ($request_method = PUT) { return 405; }"))
    theirs = Deployment(runners, {"nix": (NIX_URL, no_puts)})
    result = theirs.check(runners.runner(builder), SELECTED, "--allow-writes", "nix")
    assert result.broken | result.kept == set()
    assert all(
        "does not accept HTTP PUT uploads" in line["observation"] for line in result.evidence.values()
    ), result.text
    assert {line["provable_here"] for line in result.evidence.values()} == {False}


@pytest.mark.parametrize(
    ("options", "live", "text"),
    [
        ([], True, "writing to theirs requires --allow-writes nix"),
        (["--allow-writes", "nix"], False, "contacted only from real runners, and this machine is not one"),
    ],
    ids=["not allowed", "not shown to be a runner"],
)  # fmt: skip
def test_deployment_gets_no_packet_without_permission(
    runners: Pool, options: list[str], live: bool, text: str
) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    before = theirs.count_requests()
    result = theirs.check(runners.runner("tinyland-nix"), SELECTED, *options, live=live)
    assert result.unproven == NIX_ALL
    assert {line["provable_here"] for line in result.evidence.values()} == {False}
    assert all(text in line["observation"] for line in result.evidence.values()), result.text
    assert theirs.count_requests() == before


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
def test_deployed_bazel_cache_breaks_only_its_own_clauses(
    runners: Pool, roles: set[str], role: str, change: tuple[str, str], broken: set[str]
) -> None:
    specs = {**SERVICES, role: rewritten(role, change)}
    theirs = Deployment(runners, {name: (ROLES[name], specs[name]) for name in sorted(roles)})
    machine = runners.runner("tinyland-docker")
    allowed = [word for name in roles for word in ("--allow-writes", name)]
    result = theirs.check(machine, f"({' or '.join(roles)}) and (caches or publication)", *allowed)
    assert result.broken == broken, result.text
    for name in roles:
        assert bazel(name, *UNSEEN) <= result.unproven
        assert {result.evidence[local_id]["provable_here"] for local_id in bazel(name, *UNSEEN)} == {False}
        whole = bazel(name, *BAZEL) | {
            f"publication/{name}-{identity}" for identity in ("anonymous", "reader", "writer")
        }
        kept = {local_id for local_id in result.kept if name in local_id}
        # Where nothing arrives, what could be fetched or refused shows nothing either.
        assert kept <= whole - broken
        assert kept == whole - broken or change == FORGETS
    assert {result.evidence[local_id]["rung"] for local_id in result.kept} == {"C3"}
    stays = [
        line
        for evidence in result.evidence.values()
        for line in evidence.get("witnesses", [])
        if "evicted" in line
    ]
    assert stays
    theirs.are_not_told(result)
    assert machine.left() == []


@pytest.mark.long
def test_cache_in_the_users_bazelrc_breaks_counterfactual(runners: Pool) -> None:
    url = ROLES["bazel-grpc"]
    theirs = Deployment(runners, {"bazel-grpc": (url, SERVICES["bazel-grpc"])})
    machine = runners.runner("tinyland-docker")
    machine.put("/home/runner/.bazelrc", f"build --remote_cache={url}\n")
    result = theirs.check(machine, "caches/bazel-grpc", "--allow-writes", "bazel-grpc")
    assert result.broken == {"caches/bazel-grpc-counterfactual"}, result.text
    assert "check every .bazelrc" in result.seen("caches/bazel-grpc-counterfactual")


def test_registry_is_pushed_to_from_a_runner(runners: Pool) -> None:
    # Credentials are for the token only, as at the large public ones.
    token = ("location / {", "location / { if ($http_authorization ~ ^Basic) { return 401; }")
    open_to_readers = rewritten("registry", READERS_WRITE, token)
    theirs = Deployment(runners, {"registry": ("http://registry.example", open_to_readers)})
    machine = runners.runner("tinyland-dind", daemon=("--insecure-registry=registry.example",))
    result = theirs.check(machine, "registry", "--allow-writes", "registry")
    assert result.kept == {"publication/registry-anonymous", "publication/registry-writer"}, result.text
    assert result.broken == {"publication/registry-reader"}
    assert "docker push" in result.seen("publication/registry-reader")
    assert "written data removed" in str(result.evidence["publication/registry-writer"]["witnesses"])
    theirs.are_not_told(result)
    assert machine.run("docker", "images", "-aq").stdout == b""
