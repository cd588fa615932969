"""Records of proofs in which everything is as promised, and the same of deployed servers, which keep their logs."""

from __future__ import annotations

import dataclasses

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.log import REMOTE_HIT, Spawn
from builder_contracts.prove.bazel.record import BazelRecord, BazelRun
from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.nix.log import NixLog
from builder_contracts.prove.nix.record import NixRecord, NixRun
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.unavailable import Unavailable

PATH = "/nix/store/aaaa-report"
DEPENDENCY = "/nix/store/bbbb-greeting"
URL = "http://cache.example/main"
UNTRUSTED = (
    "warning: ignoring substitute for 'x', as it's not signed by any of the keys in 'trusted-public-keys'"
)
DIRECTORY = "file:///tmp/run/bad-caches"
BAD = ("unsigned", "wrong-key", "stripped-references", "swapped-nar")


def nix_fetched(url: str = URL) -> NixRun:
    return NixRun(0, NixLog(((PATH, url), (DEPENDENCY, url))))


def nix_failed(message: str) -> NixRun:
    return NixRun(1, NixLog(messages=(message,)))


def nix_lines(
    *uris: str, source: str = "10.0.0.2", method: str = "GET", status: int = 200
) -> tuple[AccessLogLine, ...]:
    return tuple(AccessLogLine("anonymous", source, method, uri, status) for uri in uris)


def nix(**changes: object) -> NixRecord:
    """A good cache of the run."""
    good = NixRecord(
        path=PATH,
        closure=(PATH, DEPENDENCY),
        url=URL,
        key="main-1:key",
        nar_hash="sha256-x",
        runner="10.0.0.2",
        attempts={
            "good": nix_fetched(),
            "none": nix_failed("error: there is no substituter that can build it"),
            **dict.fromkeys(BAD[:3], nix_failed(UNTRUSTED)),
            "swapped-nar": nix_failed("error: hash mismatch importing path"),
            "recovery": nix_fetched(),
        },
        urls={name: f"http://cache.example/{name}" for name in BAD} | {"good": URL},
        info={"ultimate": False, "signatures": ["main-1:sig"], "narHash": "sha256-x"},
        verified=0,
        verified_other=2,
        served={
            "good": nix_lines("/main/aaaa.narinfo", "/main/nar/1.nar.xz"),
            "none": (),
            "recovery": nix_lines("/unsigned/aaaa.narinfo", "/main/aaaa.narinfo", "/main/nar/1.nar.xz"),
            **{name: nix_lines(f"/{name}/aaaa.narinfo") for name in BAD},
        },
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def deployed_nix(**changes: object) -> NixRecord:
    """A deployed cache that this host proves: its log is unavailable, and the bad caches are directories."""
    attempts = dict(nix().attempts)
    for name in BAD:
        log = dataclasses.replace(attempts[name].log, queries=((PATH, f"{DIRECTORY}/{name}"),))
        attempts[name] = dataclasses.replace(attempts[name], log=log)
    log = dataclasses.replace(
        attempts["recovery"].log, queries=((PATH, f"{DIRECTORY}/unsigned"), (PATH, URL))
    )
    attempts["recovery"] = dataclasses.replace(attempts["recovery"], log=log)
    base: dict[str, object] = {
        "attempts": attempts,
        "urls": {name: f"{DIRECTORY}/{name}" for name in BAD} | {"good": URL},
        "served": dict.fromkeys(nix().served, ()),
        "runner": "",
        "logged": False,
        "watched": False,
    }
    return nix(**{**base, **changes})


LOCAL = "processwrapper-sandbox"
SEAL, HELLO = "bin/seal.txt", "bin/hello"
BAZEL_REJECTION = "WARNING: Remote Cache: 403 Forbidden"
NOT_LIED = Unavailable("false results are never written to a shared cache", provable_here=False)
_ACTION_CACHE = "/build.bazel.remote.execution.v2.ActionCache"
_BYTES = "/google.bytestream.ByteStream"


def bazel_build(
    runner: str, suffix: str = "", seal: str = "true-seal", hello: str = "true-hello", **changes: object
) -> BazelRun:
    """A build of two actions that all had this runner; ``suffix`` makes their keys others."""

    def spawn(target: str, mnemonic: str, digest: str, path: str, content: str) -> Spawn:
        return Spawn(
            target, mnemonic, runner, f"{digest}{suffix}", cacheable=True, size=1, outputs={path: content}
        )

    spawns = (
        spawn("//:seal", "Stamp", "a1", SEAL, seal),
        spawn("//:hello", "CppLink", "a2", HELLO, hello),
    )
    good = BazelRun(0, spawns, {"total": 2, runner: 2}, "id")
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def http_line(method: str, uri: str, status: int, identity: str = "reader") -> AccessLogLine:
    return AccessLogLine(identity, "10.0.0.2", method, uri, status)


def grpc_line(method: str, grpc: str, identity: str = "reader") -> AccessLogLine:
    """Of gRPC every status is HTTP's 200."""
    service = _BYTES if method in ("Read", "Write") else _ACTION_CACHE
    return AccessLogLine(identity, "10.0.0.2", "POST", f"{service}/{method}", 200, grpc)


_HTTP_HITS = (http_line("GET", "/ac/a1", 200), http_line("GET", "/ac/a2", 200))
_GRPC_HITS = (grpc_line("GetActionResult", "0"), grpc_line("GetActionResult", "0"))
LINES: dict[str, dict[str, tuple[AccessLogLine, ...]]] = {
    "http": {
        "cold": tuple(http_line("PUT", uri, 201, "writer") for uri in ("/ac/a1", "/ac/a2", "/cas/x")),
        "miss": (
            http_line("GET", "/ac/a1-changed", 404),
            http_line("GET", "/ac/a2-changed", 404),
            http_line("PUT", "/cas/y", 403),
        ),
        "hit": _HTTP_HITS,
        "environment": _HTTP_HITS,
        "without": (),
        "lied-to": (*_HTTP_HITS, http_line("GET", "/cas/true-hello", 200)),
    },
    "grpc": {
        "cold": (
            grpc_line("UpdateActionResult", "0", "writer"),
            grpc_line("UpdateActionResult", "0", "writer"),
            grpc_line("Write", "0", "writer"),
        ),
        "miss": (
            grpc_line("GetActionResult", "5"),
            grpc_line("GetActionResult", "5"),
            grpc_line("Write", "7"),
        ),
        "hit": _GRPC_HITS,
        "environment": _GRPC_HITS,
        "without": (),
        "lied-to": (*_GRPC_HITS, grpc_line("Read", "0")),
    },
}
"""What the server logs of each build, by protocol."""


def bazel(protocol: str = "http", **changes: object) -> BazelRecord:
    """A good cache of the run."""
    lied = bazel_build(REMOTE_HIT, seal="poison")
    rebuilt = dataclasses.replace(lied.spawns[1], runner=LOCAL)
    good = BazelRecord(
        protocol=protocol,
        url=f"{protocol}://cache:8080",
        runs={
            "cold": bazel_build(LOCAL),
            "miss": bazel_build(LOCAL, "-changed"),
            "hit": bazel_build(REMOTE_HIT),
            "environment": bazel_build(REMOTE_HIT),
            "without": bazel_build(LOCAL),
            "lied-to": dataclasses.replace(lied, spawns=(lied.spawns[0], rebuilt)),
        },
        asked={"hit": frozenset({"a1", "a2"})},
        served=LINES[protocol],
        after_upload=StoreLookup(True, "2 of 2"),
        after_refusal=StoreLookup(False, "0 of 2"),
        poisoned="poison",
        corrupted="true-hello",
        mnemonics=("Stamp", "CppLink"),
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def deployed_bazel(**changes: object) -> BazelRecord:
    """A deployed cache: no log, no false results, and Bazel's own words in their place."""
    runs = {name: run for name, run in bazel().runs.items() if name != "lied-to"}
    runs["miss"] = bazel_build(LOCAL, "-changed", warnings=(BAZEL_REJECTION,))
    base: dict[str, object] = {
        "runs": runs,
        "served": dict.fromkeys(runs, ()),
        "asked": {"hit": frozenset()},
        "logged": False,
        "not_lied": NOT_LIED,
        "poisoned": "",
        "corrupted": "",
    }
    return bazel(**{**base, **changes})  # type: ignore[arg-type]


HOLDER = "holder-1"
STATES = ("state 1", "state 2", "state 3", "state 4", "state 5")
_TAKEN, _DENIED, _DONE = StateReply("409", f'{{"ID":"{HOLDER}"}}'), StateReply("403"), StateReply("200")


def http_state(**replies: StateReply) -> HttpStateRecord:
    """A server that answers as GitLab does; the changed ``replies`` are by step, with _ for -."""
    good = {
        **dict.fromkeys(("lock", "lock-after-anonymous", "lock-after-reader", "next-lock"), _DONE),
        **dict.fromkeys(("first-write", "second-write", "next-write", "restore", "release"), _DONE),
        **dict.fromkeys(("second-lock", "lock-again", "release-with-another-id"), _TAKEN),
        **dict.fromkeys(("write-without-lock", "write-with-another-id"), _TAKEN),
        **dict.fromkeys(("late-write", "stale-write"), _TAKEN),
        **dict.fromkeys(("reader-lock", "release-by-reader"), _DENIED),
        "anonymous-lock": StateReply("401"),
        "race": StateReply("200", text="409 200 423"),
        "read-unwritten": StateReply("404"),
        "read-after-stale": StateReply("200", text=STATES[1]),
        "first-version": StateReply("200", text=STATES[0]),
        "second-version": StateReply("200", text=STATES[1]),
        "read-restored": StateReply("200", text=STATES[4]),
    }
    changed = {step.replace("_", "-"): reply for step, reply in replies.items()}
    assert changed.keys() <= good.keys()
    return HttpStateRecord({**good, **changed}, HOLDER, STATES, leftovers="written data removed")
