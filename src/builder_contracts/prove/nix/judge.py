"""Judges the record of the Nix cache proof. Pure."""

from __future__ import annotations

from builder_contracts.prove.records import NixRecord, NixRun, Unavailable
from builder_contracts.verdict import Assessment, broken, kept, unproven

UNTRUSTED = r"not signed by any of the keys|lacks a signature by a trusted key"
MISMATCH = r"hash mismatch importing path"

# The reason for which each bad cache has to be refused.
REFUSALS = {
    "unsigned": UNTRUSTED,
    "wrong-key": UNTRUSTED,
    "stripped-references": UNTRUSTED,
    "swapped-nar": MISMATCH,
}

Judged = tuple[Assessment, tuple[str, ...]]
"""A finding and its witnesses, a line each."""


def judge(show: str, record: NixRecord | Unavailable | None) -> Judged:
    """The finding on one clause of the Nix cache and what witnesses it."""
    if record is None:
        return unproven(
            "no canary of this class builds with Nix, so there is nothing to fetch", here=False
        ), ()
    if isinstance(record, Unavailable):
        return unproven(record.reason, here=record.here), ()
    match show:
        case "substituted":
            return _substituted(record)
        case "source":
            return _source(record)
        case "key":
            return _key(record)
        case "counterfactual":
            return _counterfactual(record)
        case "recovery":
            return _recovery(record)
        case _:
            return _refused(record, show)


def _client(record: NixRecord, run: NixRun) -> str:
    count = sum(path in record.closure for path, _ in run.log.substitutes)
    return f"client: Nix logs {count} substitutions (type 108) and {len(run.log.builds)} builds (type 105)"


def _served(record: NixRecord) -> tuple[list[str], list[str]]:
    """What the server says it served to the runner of the good attempt: narinfos of the path, and nars."""
    prefix = "/" + record.url.split("/", 3)[3]
    part = record.path.rsplit("/", 1)[1].partition("-")[0]
    mine = [line for line in record.served["good"] if line.source == record.runner and line.status == 200]
    return (
        [line.uri for line in mine if line.uri == f"{prefix}/{part}.narinfo"],
        [line.uri for line in mine if line.uri.startswith(f"{prefix}/nar/")],
    )


def _server(record: NixRecord, said: str) -> str:
    return f"server: {said}" if record.logged else "server: a deployment's own, its log is not at hand"


def _queries(record: NixRecord, name: str, url: str) -> int:
    """How often Nix itself says that it asked this cache for the path: the witness for one that has no log."""
    asked = record.attempts[name].log.queries
    return sum(path == record.path and source.rstrip("/") == url.rstrip("/") for path, source in asked)


def _left(record: NixRecord) -> str:
    return (
        f"; not removed from it again: {', '.join(record.left)}"
        if record.left
        else "; what was published is removed"
    )


def _lost(run: NixRun) -> Assessment | None:
    if run.status is None:
        return unproven(f"Nix was lost: {run.ended}")
    trouble = run.log.says(
        r"HTTP error 5\d\d|Couldn't resolve|Could not resolve|Timeout was reached|Connection refused|Couldn't connect|timed out"
    )
    return unproven(f"the cache did not answer: {trouble}") if trouble else None


def _substituted(record: NixRecord) -> Judged:
    run = record.attempts["good"]
    narinfos, nars = _served(record)
    witnesses = (
        _client(record, run),
        _server(record, f"{len(narinfos)} x narinfo and {len(nars)} x nar to {record.runner}")
        + ("" if record.logged else _left(record)),
    )
    if run.log.builds:
        said = f"Nix built {', '.join(run.log.builds)} although the path is in the cache"
        return broken(said, "a substituter that does not answer, and max-jobs above 0"), witnesses
    if lost := _lost(run):
        return lost, witnesses
    fetched = {path for path, _ in run.log.substitutes}
    if run.status != 0 or record.path not in fetched:
        reason = run.log.says(r".") or f"status {run.status}, no substitution of the path in the log"
        return broken(
            f"{record.path} was not substituted: {reason}",
            "the cache's URL, its key in trusted-public-keys, or the name of the cache in the path",
        ), witnesses
    if record.logged and (not narinfos or not nars):
        return broken(
            "Nix says that it substituted, the server did not serve it to this runner",
            "another cache or a proxy answered: look at every substituter and at http_proxy",
        ), witnesses
    return kept(f"{record.path} and {len(fetched) - 1} dependencies substituted, nothing built"), witnesses


def _source(record: NixRecord) -> Judged:
    run = record.attempts["good"]
    sources = sorted({url for path, url in run.log.substitutes if path == record.path})
    narinfos, nars = _served(record)
    witnesses = (
        f"client: the substitution names {', '.join(sources) or 'no URL'}",
        _server(record, f"{', '.join((narinfos + nars)[:4]) or 'nothing'} to {record.runner}"),
    )
    if lost := _lost(run):
        return lost, witnesses
    if not sources:
        return unproven("nothing was substituted, so nothing tells its source"), witnesses
    if [source.rstrip("/") for source in sources] != [record.url.rstrip("/")]:
        return broken(
            f"it came from {', '.join(sources)}, not from {record.url}",
            "another substituter answered first: compare priorities and substituters",
        ), witnesses
    if record.logged and (not narinfos or not nars):
        return broken(
            f"the log names {record.url}, but that server did not serve it",
            "a proxy or an intercepted name in between",
        ), witnesses
    who = "whose own log says so" if record.logged else "as Nix names the source of what it fetched"
    return kept(f"it came from {record.url}, {who}"), witnesses


def _key(record: NixRecord) -> Judged:
    run = record.attempts["good"]
    signatures = [str(value) for value in _list(record.info.get("signatures"))]
    names = [signature.partition(":")[0] for signature in signatures]
    witnesses = (
        f"client: path-info has ultimate={record.info.get('ultimate')}, signatures by {', '.join(names) or 'nobody'}; "
        f"verify with the key: {record.verified}, with another: {record.verified_other}",
        _server(record, f"{len(_served(record)[0])} x narinfo to {record.runner}"),
    )
    if lost := _lost(run):
        return lost, witnesses
    if not record.info:
        return unproven("the path is not in the store, so its signatures cannot be looked at"), witnesses
    likely = "the cache signs with another key than the one that runners trust, or does not sign at all"
    if record.info.get("ultimate") is True:
        return broken(
            "the store calls the path ultimate: it was built here, no signature was needed", likely
        ), witnesses
    wanted = record.key.partition(":")[0]
    if wanted not in names:
        return broken(f"signed by {', '.join(names) or 'nobody'}, not by {wanted}", likely), witnesses
    if record.verified is None or record.verified_other is None:
        return unproven("nix store verify did not end"), witnesses
    if record.verified != 0:
        return broken("nix store verify fails with the cache's own key", likely), witnesses
    if record.verified_other == 0:
        return broken(
            "nix store verify passes with a key that signed nothing", "this Nix does not check signatures"
        ), witnesses
    if record.nar_hash and record.info.get("narHash") != record.nar_hash:
        return broken(
            f"the NAR hash is {record.info.get('narHash')}, the builder's was {record.nar_hash}",
            "the content changed on its way",
        ), witnesses
    return kept(f"signed by {wanted}; verifies with it and not with another key of that name"), witnesses


def _counterfactual(record: NixRecord) -> Judged:
    run, good = record.attempts["none"], record.attempts["good"]
    asked = len(record.served["none"]) if record.watched else len(run.log.queries)
    who = "server" if record.watched else "client: Nix logs"
    witnesses = (_client(record, run), f"{who}: {asked} requests by this runner meanwhile")
    if run.status is None:
        return unproven(f"Nix was lost: {run.ended}"), witnesses
    if run.status == 0:
        return broken(
            "the path is there without any cache, so a hit proves nothing",
            "the image's store or another substituter already has it: is the nonce used?",
        ), witnesses
    if good.status != 0:
        return unproven("with the cache it fails as well, so failing without it shows nothing"), witnesses
    if asked:
        return broken(
            f"{asked} requests to the cache although none was named",
            "a substituter is set somewhere else: look at nix.conf and NIX_CONFIG",
        ), witnesses
    return kept(f"fails without the cache: {run.log.says('error') or f'status {run.status}'}"), witnesses


def _refused(record: NixRecord, show: str) -> Judged:
    run, good = record.attempts[show], record.attempts["good"]
    url = record.urls[show]
    prefix = "/" + url.split("/", 3)[3]
    asked = sum(
        line.uri.startswith(f"{prefix}/") and line.status == 200 and line.method == "GET"
        for line in record.served[show]
    )
    seen = f"server: {asked} x 200 to this runner below {prefix}"
    if not record.watched:
        asked = _queries(record, show, url)
        seen = f"client: Nix logs {asked} questions (type 109) to {url}, a folder of the run's own"
    reason = run.log.says(REFUSALS[show])
    witnesses = (
        f"client: {reason or run.log.says('error') or f'status {run.status}'}",
        seen,
    )
    if run.status == 0 or any(path == record.path for path, source in run.log.substitutes if run.status == 0):
        return broken(
            f"Nix accepted {record.path} from {url}",
            "require-sigs = false, a substituter marked trusted=1, or a key in trusted-public-keys that should not be",
        ), witnesses
    if lost := _lost(run):
        return lost, witnesses
    if good.status != 0:
        return unproven("the good cache fails as well, so this refusal shows nothing"), witnesses
    if not asked:
        return unproven(f"the bad cache at {url} was never asked, so nothing was refused"), witnesses
    if not reason:
        return broken(
            f"it failed for another reason: {run.log.says('error') or f'status {run.status}'}",
            "the bad cache was not seen as bad; look at what its narinfo says",
        ), witnesses
    return kept(f"refused: {reason}"), witnesses


def _recovery(record: NixRecord) -> Judged:
    run = record.attempts["recovery"]
    sources = sorted({url for path, url in run.log.substitutes if path == record.path})
    bad = record.urls["unsigned"].split("/", 3)[3]
    offered = sum(line.uri.startswith(f"/{bad}/") for line in record.served["recovery"])
    seen = (
        f"server: {offered} requests by this runner to the bad cache, "
        f"{len(record.served['recovery']) - offered} to the good one"
    )
    if not record.watched:
        offered = _queries(record, "recovery", record.urls["unsigned"])
        seen = f"client: Nix logs {offered} questions (type 109) to the bad cache"
    witnesses = (f"client: status {run.status}, from {', '.join(sources) or 'nowhere'}", seen)
    if record.attempts["good"].status != 0:
        return unproven("the good cache fails by itself"), witnesses
    if run.status is None:
        return unproven(f"Nix was lost: {run.ended}"), witnesses
    if run.status != 0 or record.url not in [source.rstrip("/") for source in sources]:
        return broken(
            f"with a bad cache first it ends with {run.log.says('error') or f'status {run.status}'}",
            "one stale substituter stops every build: order them by priority, remove the dead one",
        ), witnesses
    if not offered:
        return unproven("the bad cache was never asked, so nothing was passed over"), witnesses
    return kept(f"the bad cache is passed over, the path comes from {record.url}"), witnesses


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
