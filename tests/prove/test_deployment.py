"""A deployment's caches, proved from its runner: the true command line against servers that the run did not start."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder_contracts.services.catalogue import SERVICES, Service
from builder_contracts.services.identities import Credentials
from tests.prove.conftest import Spec, Worlds, rewritten
from tests.prove.pool import Checked, Machine, Pool, pool

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
        self, machine: Machine, selected: str, *options: str, live: bool = True, **variables: str
    ) -> Checked:
        return machine.check(
            "--environment", "/world/theirs.yaml", "-k", selected, *options, live=live,
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
    machine = runners.runner("tinyland-nix")
    found = theirs.check(machine, SELECTED, "--allow-writes", "nix")
    assert found.kept == NIX_ALL, found.text
    assert {line["rung"] for line in found.evidence.values()} == {"C3"}
    store = found.evidence["caches/nix-substituted"]["witnesses"]
    assert "server: a deployment's own, its log is not at hand; what was published is removed" in store
    assert "fresh: an empty Nix store, on a machine that is not" in store
    left = runners.host.execute("nix-cache", ["find", "/srv/data/nix", "-type", "f"]).stdout.decode()
    assert left.split() == ["/srv/data/nix/main/nix-cache-info"]
    assert machine.left() == []
    theirs.are_not_told(found)


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
            {"publication/nix-reader"}, "enforce its rights in the server",
        ),
        (
            [("dav_methods PUT;", "if ($request_method = PUT) { return 201; }")], "",
            {"publication/nix-writer", "caches/nix-substituted"}, "is not there",
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
    found = theirs.check(runners.runner("tinyland-nix"), SELECTED, "--allow-writes", "nix")
    assert found.broken == broken, found.text
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


@pytest.mark.parametrize(
    ("options", "live", "variables", "said"),
    [
        ([], True, {}, "nothing is written to theirs unless --allow-writes nix says so"),
        (["--allow-writes", "nix"], False, {}, "touched on real runners only, and this machine is none"),
        (["--allow-writes", "nix"], True, {"THEIR_WRITER": ""}, "set THEIR_WRITER to NAME:SECRET"),
    ],
    ids=["not allowed", "not shown to be a runner", "no credentials"],
)  # fmt: skip
def test_a_deployment_gets_no_packet_without_leave(
    runners: Pool, options: list[str], live: bool, variables: dict[str, str], said: str
) -> None:
    theirs = Deployment(runners, {"nix": (NIX_URL, deletable)})
    before = theirs.asked()
    found = theirs.check(runners.runner("tinyland-nix"), SELECTED, *options, live=live, **variables)
    assert found.unproven == NIX_ALL
    assert {line["provable_here"] for line in found.evidence.values()} == {"no"}
    assert all(said in line["seen"] for line in found.evidence.values()), found.text
    assert theirs.asked() == before


BAZEL = {"upload", "hit", "counterfactual", "nonce-miss", "environment", "forced-upload"}
UNSEEN = {"digests", "poisoned", "corrupted"}
ROLES = {"bazel-grpc": "grpc://grpc.example:9092", "bazel-http": "http://http.example:8080"}


def bazel(role: str, *shows: str) -> set[str]:
    return {f"caches/{role}-{show}" for show in shows}


def test_bazel_caches_are_proved_from_a_runner(runners: Pool) -> None:
    theirs = Deployment(runners, {role: (url, SERVICES[role]) for role, url in ROLES.items()})
    machine = runners.runner("tinyland-docker")
    found = theirs.check(
        machine,
        "bazel and (caches or publication)",
        *[word for role in ROLES for word in ("--allow-writes", role)],
    )
    for role in ROLES:
        published = {f"publication/{role}-{who}" for who in ("anonymous", "reader", "writer")}
        assert {each for each in found.kept if role in each} == bazel(role, *BAZEL) | published, found.text
        assert {each for each in found.unproven if role in each} == bazel(role, *UNSEEN)
        for show in UNSEEN:
            assert found.evidence[f"caches/{role}-{show}"]["provable_here"] == "no"
    assert found.broken == set()
    assert {found.evidence[each]["rung"] for each in found.kept} == {"C3"}
    theirs.are_not_told(found)
    assert machine.left() == []
