"""Judges the record of the Bazel cache proof. Pure."""

from __future__ import annotations

import re
from collections import Counter

from builder_contracts.prove.bazel.log import REMOTE_HIT, Spawn
from builder_contracts.prove.nix.judge import Judged
from builder_contracts.prove.records import SECOND, AccessLogLine, BazelRecord, BazelRun, Unavailable
from builder_contracts.verdict import Assessment, broken, kept, unproven

_ENDPOINT = "the endpoint (scheme, host, port), the credentials, or the server behind it"
# As Bazel's HTTP client words it: the status and its reason phrase.
_ANSWERED_5XX = re.compile(r"\b5\d\d (?:Internal|Bad|Service|Gateway)")
_ANSWERED_REFUSED = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|\b40[13] (?:Forbidden|Unauthorized)")
_NO_LOG = "server: a deployment's own, its log is not at hand"
_STAYS = "; a cache has no way to delete: what was uploaded stays until it is evicted"
_KEYS = "something of the machine is part of the action's key: look at --incompatible_strict_action_env and --action_env"


def judge(show: str, record: BazelRecord | Unavailable | None) -> Judged:
    """The finding on one clause of a Bazel cache and what witnesses it."""
    if record is None:
        return unproven(
            "no canary of this class builds with Bazel, so there is nothing to fetch", here=False
        ), ()
    if isinstance(record, Unavailable):
        return unproven(record.reason, here=record.here), ()
    cold = record.runs["cold"]
    if cold.status is None:
        return unproven(f"the cold build was lost: {cold.ended}"), ()
    if cold.status != 0 or not _actions(cold):
        return unproven(
            f"the cold build ended with status {cold.status} and {len(cold.spawns)} actions, so nothing can be fetched: {_first(cold)}"
        ), ()
    match show:
        case "upload":
            return _upload(record)
        case "hit":
            return _hit(record, "hit")
        case "environment":
            return _hit(record, "environment")
        case "digests":
            return _digests(record)
        case "counterfactual":
            return _counterfactual(record)
        case "nonce-miss":
            return _nonce_miss(record)
        case "forced-upload":
            return _forced_upload(record)
        case "poisoned":
            return _poisoned(record)
        case "corrupted":
            return _corrupted(record)
        case _:
            raise NotImplementedError(f"no judge for the Bazel proof {show}")


def _actions(run: BazelRun) -> list[Spawn]:
    """The actions that a remote cache could have answered."""
    return [spawn for spawn in run.spawns if spawn.cacheable]


def _first(run: BazelRun) -> str:
    return (run.ended or next((line for line in run.warnings if "host_javabase" not in line), "no warning"))[
        :300
    ]


def _client(run: BazelRun) -> str:
    counts = Counter(spawn.runner for spawn in _actions(run))
    said = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "no action"
    return f"client: execution log {said}; runnerCount {dict(run.counts)}"


def _server(record: BazelRecord, name: str, what: str, found: list[AccessLogLine]) -> str:
    if not record.logged:
        return _NO_LOG
    return f"server: {len(found)} x {what} of {len(record.served[name])} requests by this runner"


def _outside(record: BazelRecord) -> str:
    return f"outside: {record.looker} finds that {record.after_upload.said}"


def _reads(record: BazelRecord, name: str) -> list[AccessLogLine]:
    """Requests for results of actions that the server answered with one."""
    if record.protocol == "http":
        return [
            line
            for line in record.served[name]
            if "/ac/" in line.uri and line.method == "GET" and line.status == 200
        ]
    return [
        line for line in record.served[name] if line.uri.endswith("/GetActionResult") and line.grpc == "0"
    ]


def _writes(record: BazelRecord, name: str, *, refused: bool) -> list[AccessLogLine]:
    lines = record.served[name]
    if record.protocol == "http":
        wanted = {401, 403} if refused else {200, 201, 204}
        return [line for line in lines if line.method == "PUT" and line.status in wanted]
    wanted_grpc = {"7", "16"} if refused else {"0"}
    writing = ("/UpdateActionResult", "/BatchUpdateBlobs", "/Write", "/SpliceBlob")
    return [line for line in lines if line.uri.endswith(writing) and line.grpc in wanted_grpc]


def _down(record: BazelRecord, name: str) -> Assessment | None:
    run = record.runs[name]
    if run.status is None:
        return unproven(f"the build was lost: {run.ended}")
    answers = [line for line in record.served[name] if line.status >= 500 or line.grpc == "14"]
    if answers:
        return unproven(
            f"the cache answered {answers[0].status} to {answers[0].uri}: it does not work, whatever its rules are"
        )
    trouble = next(
        (
            line
            for line in run.warnings
            if "UNAVAILABLE" in line
            or "UnknownHost" in line
            or "Connection refused" in line
            or "DEADLINE_EXCEEDED" in line
            or _ANSWERED_5XX.search(line)
        ),
        "",
    )
    return unproven(f"the cache did not answer: {trouble[:300]}") if trouble else None


def _upload(record: BazelRecord) -> Judged:
    run = record.runs["cold"]
    ran = [spawn for spawn in _actions(run) if not spawn.hit]
    taken = _writes(record, "cold", refused=False)
    results = [line for line in taken if "/ac/" in line.uri or line.uri.endswith("/UpdateActionResult")]
    stored = record.after_upload
    server = _server(record, "cold", "result taken", results)
    stays = "" if record.logged else _STAYS
    witnesses = (_client(run), f"{server}; afterwards {stored.said}{stays}")
    if down := _down(record, "cold"):
        return down, witnesses
    if len(ran) < len(_actions(run)):
        return unproven(
            f"{len(_actions(run)) - len(ran)} actions were hits before anything was uploaded: the nonce did not reach them"
        ), witnesses
    if record.logged and len(results) < len(ran):
        return broken(
            f"{len(ran)} actions ran, {len(results)} results arrived at the server: {_first(run)}", _ENDPOINT
        ), witnesses
    if stored.present is False:
        took = f"the server took {len(results)} results" if record.logged else f"{len(ran)} actions ran"
        kept_not = "has not kept them" if record.logged else "the cache does not have their results"
        return broken(
            f"{took} and {kept_not}: {stored.said}; {_first(run)}",
            "writes are dropped without a word: look at the proxy and at the store behind it",
        ), witnesses
    if stored.present is None:
        return unproven(f"what was uploaded could not be looked for: {stored.said}"), witnesses
    if not record.logged:
        return kept(f"{len(ran)} actions ran; {record.looker} finds the results of all of them"), witnesses
    return kept(
        f"{len(ran)} actions ran, {len(results)} results and {len(taken) - len(results)} blobs arrived"
    ), witnesses


def _hit(record: BazelRecord, name: str) -> Judged:
    run, cold = record.runs[name], record.runs["cold"]
    reads = _reads(record, name)
    second = _server(record, name, "result served", reads) if record.logged else _outside(record)
    witnesses = (_client(run), second)
    if down := _down(record, name):
        return down, witnesses
    wanted = {spawn.name for spawn in _actions(cold)}
    kinds = {spawn.mnemonic for spawn in run.spawns}
    if not run.spawns:
        return broken(
            "the execution log is empty: something local answered before any cache was asked",
            "the local action cache or a kept output base; start from a fresh one",
        ), witnesses
    if lacking := sorted(set(record.mnemonics) - kinds):
        return broken(
            f"no action of kind {', '.join(lacking)}: this was not the whole canary",
            "canary.yaml names the kinds; see which targets were left out",
        ), witnesses
    misses = [spawn for spawn in _actions(run) if not spawn.hit]
    if misses and name == "environment" and not all(spawn.hit for spawn in _actions(record.runs["hit"])):
        return unproven("in the same environment there are misses as well"), witnesses
    if misses:
        said = ", ".join(f"{spawn.target} {spawn.mnemonic} ({spawn.runner})" for spawn in misses[:4])
        likely = _KEYS if name == "environment" else f"{_ENDPOINT}; or {_KEYS}"
        return broken(
            f"{len(misses)} of {len(_actions(run))} actions were not remote hits: {said}; {_first(run)}",
            likely,
        ), witnesses
    if absent := wanted - {spawn.name for spawn in run.spawns}:
        return broken(
            f"{len(absent)} actions of the cold build are not in the log: {sorted(absent)[0][:2]}",
            "the two builds are not of the same targets",
        ), witnesses
    counted = run.counts.get(REMOTE_HIT, 0)
    if counted != len(_actions(run)):
        return broken(
            f"the log has {len(_actions(run))} hits, Bazel counted {counted}",
            "the two logs are not of one build",
        ), witnesses
    if not record.logged and record.after_upload.present is None:
        return unproven(f"the cache could not be read by anybody else: {record.after_upload.said}"), witnesses
    if not record.logged and record.after_upload.present is False:
        return broken(
            f"Bazel counted {counted} remote hits, {record.looker} finds: {record.after_upload.said}",
            "another cache answered: look for a disk cache or a proxy",
        ), witnesses
    if record.logged and len(reads) < counted:
        return broken(
            f"Bazel counted {counted} remote hits, the server served {len(reads)} results to this runner",
            "another cache answered: look for a disk cache or a proxy",
        ), witnesses
    return kept(f"{counted} of {counted} actions are remote cache hits"), witnesses


def _digests(record: BazelRecord) -> Judged:
    if not record.logged:
        return unproven(
            f"{record.url} is a deployment's own, whose log is not at hand; with services of the run's own it is shown",
            here=False,
        ), ()
    run = record.runs["hit"]
    mine = {spawn.digest for spawn in run.spawns if spawn.hit}
    asked = record.asked["hit"]
    example = next(iter(sorted(mine & asked)), "none")
    witnesses = (
        f"client: {len(mine)} action digests counted as hits, such as {example[:16]}…",
        f"server: its log names {len(mine & asked)} of them",
    )
    if down := _down(record, "hit"):
        return down, witnesses
    if not mine:
        return unproven("there was no hit whose digest could be looked for"), witnesses
    if unknown := mine - asked:
        return broken(
            f"{len(unknown)} of {len(mine)} digests are unknown to the server, such as {min(unknown)}",
            "another cache answered those",
        ), witnesses
    return kept(f"all {len(mine)} action digests stand in the server's log"), witnesses


def _counterfactual(record: BazelRecord) -> Judged:
    run, hit = record.runs["without"], record.runs["hit"]
    hits = [spawn for spawn in run.spawns if spawn.hit or "cache hit" in spawn.runner]
    second = f"server: {len(record.served['without'])} requests by this runner"
    witnesses = (_client(run), second if record.logged else _outside(record))
    if run.status is None:
        return unproven(f"the build was lost: {run.ended}"), witnesses
    if not any(spawn.hit for spawn in hit.spawns):
        return unproven(
            "with the cache there was no hit either, so building without it shows nothing"
        ), witnesses
    if hits or record.served["without"]:
        return broken(
            f"{len(hits)} hits and {len(record.served['without'])} requests without any cache named",
            "a cache is set somewhere else: look at every .bazelrc and at a disk cache",
        ), witnesses
    if not _actions(run):
        return broken(
            "nothing ran and nothing was fetched",
            "something local kept the outputs; a hit then proves nothing",
        ), witnesses
    return kept(f"without the cache {len(_actions(run))} actions ran on the runner"), witnesses


def _nonce_miss(record: BazelRecord) -> Judged:
    run = record.runs["miss"]
    before = {spawn.digest for spawn in record.runs["cold"].spawns}
    # An action that the change does not reach has the key that it had, and may hit.
    changed = [spawn for spawn in _actions(run) if spawn.digest not in before]
    hits = [spawn for spawn in changed if spawn.hit]
    asked = [
        line
        for line in record.served["miss"]
        if (line.status == 404 and "/ac/" in line.uri)
        or (line.grpc == "5" and line.uri.endswith("/GetActionResult"))
    ]
    second = f"outside: {record.after_refusal.said}" if not record.logged else ""
    witnesses = (_client(run), second or _server(record, "miss", "not found", asked))
    if down := _down(record, "miss"):
        return down, witnesses
    if not changed:
        return broken(
            "no action has another key than before, although an input changed",
            "the nonce file is no input of any action, so every hit may be an old one",
        ), witnesses
    if hits:
        return broken(
            f"{len(hits)} actions hit although their input never existed before, such as {hits[0].target}",
            "the cache answers with other actions' results: look at the proxy in front of it",
        ), witnesses
    if record.logged and len(asked) < len(changed):
        return unproven(
            f"{len(changed)} actions changed, the server was asked in vain for {len(asked)}"
        ), witnesses
    said, look = f"{len(changed)} changed actions missed, as they must", record.after_refusal
    if record.logged:
        return kept(said), witnesses
    if look.present is None:
        return unproven(
            f"that {len(changed)} changed actions missed Bazel alone says: {look.said}"
        ), witnesses
    if look.present:
        # What the cache is open to: the build that missed has filled it.
        return kept(f"{said}; Bazel alone says so, whose own results are in the store since"), witnesses
    return kept(f"{said}: {look.said}"), witnesses


def _forced_upload(record: BazelRecord) -> Judged:
    if record.no_reader is not None:
        return unproven(record.no_reader.reason, here=record.no_reader.here), ()
    if not record.logged:
        return _forced_upload_unlogged(record)
    run = record.runs["miss"]
    refused, taken = _writes(record, "miss", refused=True), _writes(record, "miss", refused=False)
    found = record.after_refusal
    witnesses = (
        f"client: {_first(run)}",
        f"server: {len(refused)} writes refused and {len(taken)} taken; afterwards {found.said}",
    )
    control = record.after_upload.present and _writes(record, "cold", refused=False)
    likely = "identities are enforced in the client only: enforce them in the server, for CAS and action cache alike"
    if down := _down(record, "miss"):
        return down, witnesses
    if taken or found.present:
        return broken(
            f"the server took {len(taken)} writes of an identity that may only read; {found.said}", likely
        ), witnesses
    if not control:
        return unproven("the writer's uploads did not arrive either, so a refusal shows nothing"), witnesses
    if found.present is None:
        return unproven(found.said), witnesses
    if not refused:
        return broken(
            "no write was tried or refused, although Bazel was told to upload",
            "Bazel did not reach the server, or the server drops writes without a word",
        ), witnesses
    return kept(f"{len(refused)} writes refused, none taken; {found.said}"), witnesses


def _forced_upload_unlogged(record: BazelRecord) -> Judged:
    """The same without the server's log: Bazel's own words are the refusal, a second client's look the verdict."""
    run, found = record.runs["miss"], record.after_refusal
    refusal = next((line for line in run.warnings if _ANSWERED_REFUSED.search(line)), "")
    witnesses = (
        f"client: {refusal[:300] or _first(run)}",
        f"{_NO_LOG}; afterwards {SECOND} finds that {found.said}",
    )
    likely = "identities are enforced in the client only: enforce them in the server, for CAS and action cache alike"
    if down := _down(record, "miss"):
        return down, witnesses
    if found.present:
        return broken(
            f"the server took what an identity wrote that may only read: {found.said}", likely
        ), witnesses
    if not record.after_upload.present:
        return unproven("the writer's uploads did not arrive either, so a refusal shows nothing"), witnesses
    if found.present is None:
        return unproven(found.said), witnesses
    if not refusal:
        return unproven(
            "nothing of it is in the store, but Bazel says of no write that it was refused, and the server's log is not "
            "at hand"
        ), witnesses
    return kept(f"refused: {refusal[:200]}; {found.said}"), witnesses


def _outputs(run: BazelRun) -> dict[str, str]:
    return {path: value for spawn in run.spawns for path, value in spawn.outputs.items()}


def _poisoned(record: BazelRecord) -> Judged:
    if record.not_lied is not None:
        return unproven(
            f"no false result could be made: {record.not_lied.reason}", here=record.not_lied.here
        ), ()
    lied, truth = record.runs["lied-to"], record.runs["without"]
    false = {path for path, value in _outputs(lied).items() if value == record.poisoned}
    different = sorted(path for path in false if _outputs(truth).get(path) not in (None, record.poisoned))
    reads = len(_reads(record, "lied-to"))
    witnesses = (
        f"client: with the cache {record.poisoned[:16]}… at {', '.join(sorted(false)) or 'no path'}, "
        f"without it {_outputs(truth).get(different[0], '')[:16] if different else 'nothing else'}…",
        f"server: took the false result, and served {reads} results to this runner",
    )
    if down := _down(record, "lied-to"):
        return down, witnesses
    if truth.status != 0 or not _actions(truth):
        return unproven("there is no build without the cache to compare with"), witnesses
    if not false:
        return unproven("the false result was not fetched, so there was nothing to find"), witnesses
    if not different:
        return broken(
            "the build without the cache has the false result as well",
            "it did take cached results: look for a second cache",
        ), witnesses
    return kept(
        f"{different[0]} differs from the build without the cache: the false result is found"
    ), witnesses


def _corrupted(record: BazelRecord) -> Judged:
    if record.not_lied is not None:
        return unproven(f"no blob could be damaged: {record.not_lied.reason}", here=record.not_lied.here), ()
    lied, truth = record.runs["lied-to"], record.runs["without"]
    path = next((path for path, value in _outputs(truth).items() if value == record.corrupted), "")
    spawn = next((spawn for spawn in lied.spawns if path in spawn.outputs), None)
    said = next((line for line in lied.warnings if "igest" in line or "checksum" in line.lower()), "")
    reading = (f"/cas/{record.corrupted}", "/Read", "/BatchReadBlobs")
    served = sum(line.uri.endswith(reading) and line.method != "PUT" for line in record.served["lied-to"])
    witnesses = (
        f"client: {spawn.runner if spawn else 'no action'} for {path}; {said[:200] or 'no warning'}",
        f"server: served the damaged blob {record.corrupted[:16]}… {served} times to this runner"
        if record.protocol == "http"
        else f"server: {served} x ByteStream.Read or BatchReadBlobs by this runner",
    )
    if down := _down(record, "lied-to"):
        return down, witnesses
    if not path:
        return unproven("the damaged blob belongs to no output of the build"), witnesses
    if spawn is None:
        noticed = lied.status != 0 and bool(said)
        if noticed:
            return kept(f"the build stopped at the damaged blob: {said[:300]}"), witnesses
        return unproven("the action with the damaged blob is not in the log"), witnesses
    if spawn.hit:
        return broken(
            f"{path} was taken from the cache although its blob was changed",
            "--noremote_verify_downloads, or a proxy that keeps old answers",
        ), witnesses
    if spawn.outputs[path] != record.corrupted:
        return broken(
            f"{path} came out as {spawn.outputs[path][:16]}…, not as {record.corrupted[:16]}…",
            "the damaged blob was used",
        ), witnesses
    return kept(
        f"noticed and built anew by {spawn.runner}: {said[:200] or 'the blob did not match its digest'}"
    ), witnesses
