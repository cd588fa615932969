"""Judge the record of the Nix cache proof. Pure."""

from __future__ import annotations

from builder_contracts.prove.nix.record import NixRecord, NixRun
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import NO_LOG, Witnessed, unavailable
from builder_contracts.verdict import Assessment, broken, kept, unproven

UNTRUSTED = r"not signed by any of the keys|lacks a signature by a trusted key"
MISMATCH = r"hash mismatch importing path"

# The reason for which each bad cache has to be rejected.
REJECTIONS = {
    "unsigned": UNTRUSTED,
    "wrong-key": UNTRUSTED,
    "stripped-references": UNTRUSTED,
    "swapped-nar": MISMATCH,
}
# How Nix words that a cache did not respond.
_NO_RESPONSE = (
    r"HTTP error 5\d\d|Couldn't resolve|Could not resolve|Timeout was reached|Connection refused|"
    r"Couldn't connect|timed out"
)


def judge(show: str, record: NixRecord | Unavailable | None) -> Witnessed:
    """The assessment of one clause of the Nix cache and what witnesses it."""
    if record is None:
        return unproven(
            "no canary of this class builds with Nix, so nothing can be fetched", provable_here=False
        ), ()
    if isinstance(record, Unavailable):
        return unavailable(record)
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
            return _rejected(record, show)


def _client(record: NixRecord, run: NixRun) -> str:
    count = sum(path in record.closure for path, _ in run.log.substitutes)
    return f"client: Nix logged {count} substitutions (type 108) and {len(run.log.builds)} builds (type 105)"


def _served(record: NixRecord) -> tuple[list[str], list[str]]:
    """Return what the server logged for the runner of the good attempt: narinfos of the path, and NARs."""
    prefix = "/" + record.url.split("/", 3)[3]
    part = record.path.rsplit("/", 1)[1].partition("-")[0]
    lines = [line for line in record.served["good"] if line.source == record.runner and line.status == 200]
    return (
        [line.uri for line in lines if line.uri == f"{prefix}/{part}.narinfo"],
        [line.uri for line in lines if line.uri.startswith(f"{prefix}/nar/")],
    )


def _server(record: NixRecord, observed: str) -> str:
    return f"server: {observed}" if record.logged else NO_LOG


def _queries(record: NixRecord, name: str, url: str) -> int:
    """Count the queries for the path to this cache in Nix's own log: the witness for a cache without a log."""
    queries = record.attempts[name].log.queries
    return sum(path == record.path and source.rstrip("/") == url.rstrip("/") for path, source in queries)


def _no_response(run: NixRun) -> Assessment | None:
    """Return the assessment if Nix did not complete or the cache did not respond, else None."""
    if run.status is None:
        return unproven(f"Nix did not complete: {run.ended}")
    message = run.log.says(_NO_RESPONSE)
    return unproven(f"the cache did not respond: {message}") if message else None


def _why(run: NixRun) -> str:
    """Nix's own error, or its exit status if it has none."""
    return run.log.says("error") or f"status {run.status}"


def _substituted(record: NixRecord) -> Witnessed:
    run = record.attempts["good"]
    narinfos, nars = _served(record)
    witnesses = (
        _client(record, run),
        _server(record, f"{len(narinfos)} x narinfo and {len(nars)} x nar to {record.runner}")
        + ("" if record.logged else f"; {record.leftovers}"),
    )
    if run.log.builds:
        observed = f"Nix built {', '.join(run.log.builds)} although the cache has the path"
        return broken(observed, "a substituter does not respond, and max-jobs is above 0"), witnesses
    if no_response := _no_response(run):
        return no_response, witnesses
    fetched = {path for path, _ in run.log.substitutes}
    if run.status != 0 or record.path not in fetched:
        reason = run.log.says(r".") or f"status {run.status}, no substitution of the path in the log"
        return broken(
            f"{record.path} was not substituted: {reason}",
            "wrong cache URL, cache name in its path, or key in trusted-public-keys",
        ), witnesses
    if record.logged and (not narinfos or not nars):
        return broken(
            "Nix reports a substitution, but the server did not serve it to this runner",
            "another cache or proxy served it; check all substituters and http_proxy",
        ), witnesses
    return kept(f"{record.path} and {len(fetched) - 1} dependencies substituted, nothing built"), witnesses


def _source(record: NixRecord) -> Witnessed:
    run = record.attempts["good"]
    sources = sorted({url for path, url in run.log.substitutes if path == record.path})
    narinfos, nars = _served(record)
    witnesses = (
        f"client: the substitution names {', '.join(sources) or 'no URL'}",
        _server(record, f"{', '.join((narinfos + nars)[:4]) or 'nothing'} to {record.runner}"),
    )
    if no_response := _no_response(run):
        return no_response, witnesses
    if run.status != 0 or not sources:
        return unproven("nothing was substituted, so the source is unknown"), witnesses
    if [source.rstrip("/") for source in sources] != [record.url.rstrip("/")]:
        return broken(
            f"it came from {', '.join(sources)}, expected {record.url}",
            "another substituter takes precedence; check 'substituters' and their priorities",
        ), witnesses
    if record.logged and (not narinfos or not nars):
        return broken(
            f"Nix logged {record.url}, but that server did not serve the path",
            "a proxy or intercepted name is in between",
        ), witnesses
    confirmation = "as its log confirms" if record.logged else "as reported by Nix"
    return kept(f"it came from {record.url}, {confirmation}"), witnesses


def _key(record: NixRecord) -> Witnessed:
    run = record.attempts["good"]
    signatures = [str(value) for value in _list(record.info.get("signatures"))]
    names = [signature.partition(":")[0] for signature in signatures]
    witnesses = (
        f"client: path-info has ultimate={record.info.get('ultimate')}, signatures by {', '.join(names) or 'nobody'}; "
        f"verify with the key: {record.verified}, with another: {record.verified_other}",
        _server(record, f"{len(_served(record)[0])} x narinfo to {record.runner}"),
    )
    if no_response := _no_response(run):
        return no_response, witnesses
    if run.status != 0:
        return unproven("nothing was substituted, so there are no signatures to check"), witnesses
    if not record.info:
        return unproven(f"Nix does not report the path's signatures: {record.no_info}"), witnesses
    likely = "the cache signs with a key that runners do not trust, or does not sign at all"
    if record.info.get("ultimate") is True:
        return broken(
            "the store marks the path as ultimate: it was built locally and needed no signature", likely
        ), witnesses
    key_name = record.key.partition(":")[0]
    if key_name not in names:
        return broken(f"signed by {', '.join(names) or 'nobody'}, not by {key_name}", likely), witnesses
    if record.verified is None or record.verified_other is None:
        return unproven("'nix store verify' did not complete"), witnesses
    if record.verified != 0:
        return broken("'nix store verify' fails with the cache's own key", likely), witnesses
    if record.verified_other == 0:
        return broken(
            "'nix store verify' passes with an unrelated key", "this Nix does not verify signatures"
        ), witnesses
    if not record.nar_hash:
        return unproven(
            "the builder did not report its NAR hash, so the content cannot be compared"
        ), witnesses
    if record.info.get("narHash") != record.nar_hash:
        return broken(
            f"NAR hash is {record.info.get('narHash')}, expected {record.nar_hash}",
            "the content changed in transit",
        ), witnesses
    return kept(
        f"signed by {key_name}; verifies with that key and not with another of the same name"
    ), witnesses


def _counterfactual(record: NixRecord) -> Witnessed:
    run, good = record.attempts["none"], record.attempts["good"]
    requests = len(record.served["none"]) if record.watched else len(run.log.queries)
    witness = "server" if record.watched else "client: Nix logs"
    witnesses = (_client(record, run), f"{witness}: {requests} requests by this runner in that time")
    if run.status is None:
        return unproven(f"Nix did not complete: {run.ended}"), witnesses
    if run.status == 0:
        return broken(
            "the path is available without any cache, so a hit proves nothing",
            "the image's store or another substituter has it; check that the nonce is used",
        ), witnesses
    if good.status != 0:
        return unproven("it also fails with the cache, so a failure without it proves nothing"), witnesses
    if requests:
        return broken(
            f"{requests} requests to the cache although none is configured",
            "a substituter is configured elsewhere; check nix.conf and NIX_CONFIG",
        ), witnesses
    return kept(f"fails without the cache: {_why(run)}"), witnesses


def _rejected(record: NixRecord, show: str) -> Witnessed:
    run, good = record.attempts[show], record.attempts["good"]
    url = record.urls[show]
    prefix = "/" + url.split("/", 3)[3]
    requests = sum(
        line.uri.startswith(f"{prefix}/") and line.status == 200 and line.method == "GET"
        for line in record.served[show]
    )
    second = f"server: {requests} x 200 to this runner under {prefix}"
    if not record.watched:
        requests = _queries(record, show, url)
        second = f"client: Nix logged {requests} queries (type 109) to {url}, a directory of this run"
    reason = run.log.says(REJECTIONS[show])
    witnesses = (f"client: {reason or _why(run)}", second)
    if run.status == 0:
        return broken(
            f"Nix accepted {record.path} from {url}",
            "require-sigs = false, a trusted=1 substituter, or an unwanted key in trusted-public-keys",
        ), witnesses
    if no_response := _no_response(run):
        return no_response, witnesses
    if good.status != 0:
        return unproven("the valid cache fails too, so this rejection proves nothing"), witnesses
    if not requests:
        return unproven(f"the bad cache at {url} was never contacted, so nothing was rejected"), witnesses
    if not reason:
        return broken(
            f"it failed for another reason: {_why(run)}",
            "Nix did not reject the bad cache; check its narinfo",
        ), witnesses
    return kept(f"rejected: {reason}"), witnesses


def _recovery(record: NixRecord) -> Witnessed:
    run = record.attempts["recovery"]
    sources = sorted({url for path, url in run.log.substitutes if path == record.path})
    bad = record.urls["unsigned"].split("/", 3)[3]
    offered = sum(line.uri.startswith(f"/{bad}/") for line in record.served["recovery"])
    fetched = len(record.served["recovery"]) - offered
    second = f"server: {offered} requests by this runner to the bad cache, {fetched} to the good one"
    if not record.watched:
        offered = _queries(record, "recovery", record.urls["unsigned"])
        second = f"client: Nix logged {offered} queries (type 109) to the bad cache"
    witnesses = (f"client: status {run.status}, from {', '.join(sources) or 'nowhere'}", second)
    if record.attempts["good"].status != 0:
        return unproven("the valid cache fails on its own"), witnesses
    if run.status is None:
        return unproven(f"Nix did not complete: {run.ended}"), witnesses
    if run.status != 0 or record.url not in [source.rstrip("/") for source in sources]:
        return broken(
            f"with a bad cache listed first, it fails: {_why(run)}",
            "one dead substituter blocks every build; remove it or lower its priority",
        ), witnesses
    if not offered:
        return unproven("the bad cache was never contacted, so nothing was skipped"), witnesses
    if record.logged and not fetched:
        return unproven(
            "Nix reports a substitution, but the server did not serve it to this runner"
        ), witnesses
    return kept(f"the bad cache is skipped; the path comes from {record.url}"), witnesses


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
