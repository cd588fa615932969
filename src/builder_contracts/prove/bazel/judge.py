"""Judge the record of the Bazel cache proof. Pure."""

from __future__ import annotations

from builder_contracts.prove.bazel import judge_writes
from builder_contracts.prove.bazel.log import REMOTE_HIT
from builder_contracts.prove.bazel.record import BazelRecord, BazelRun
from builder_contracts.prove.bazel.witnesses import (
    ENDPOINT_CAUSE,
    client_witness,
    explain_run,
    no_response,
    reader_witness,
    server_witness,
)
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import broken, kept, unproven

_KEYS = "machine state leaks into the action key; check --incompatible_strict_action_env and --action_env"


def judge(show: str, record: BazelRecord | Unavailable | None) -> Witnessed:
    """The assessment of one clause of a Bazel cache and what witnesses it."""
    if record is None:
        return unproven(
            "no canary of this class builds with Bazel, so nothing can be fetched", provable_here=False
        ), ()
    if isinstance(record, Unavailable):
        return unavailable(record)
    cold = record.runs["cold"]
    if cold.status is None:
        return unproven(f"the cold build did not complete: {cold.ended}"), ()
    if cold.status != 0 or not cold.actions:
        return unproven(
            f"the cold build exited with status {cold.status} after {len(cold.spawns)} actions, so nothing can be fetched: {explain_run(cold)}"
        ), ()
    match show:
        case "upload":
            return judge_writes.judge_upload(record)
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
            return judge_writes.judge_forced_upload(record)
        case "poisoned":
            return _poisoned(record)
        case "corrupted":
            return _corrupted(record)
        case _:
            raise NotImplementedError(f"no judge for the Bazel proof {show}")


def _hit(record: BazelRecord, name: str) -> Witnessed:
    run, cold = record.runs[name], record.runs["cold"]
    reads = record.reads(name)
    second = server_witness(record, name, "result served", reads) if record.logged else reader_witness(record)
    witnesses = (client_witness(run), second)
    if failed := no_response(record, name):
        return failed, witnesses
    mnemonics = {spawn.mnemonic for spawn in run.spawns}
    if not run.spawns:
        return broken(
            "the execution log is empty; a local cache served everything",
            "clear the local action cache, or use a fresh output base",
        ), witnesses
    if lacking := sorted(set(record.mnemonics) - mnemonics):
        return broken(
            f"no {', '.join(lacking)} action; the build did not cover the whole canary",
            "compare with 'mnemonics' in canary.yaml; some targets were not built",
        ), witnesses
    misses = [spawn for spawn in run.actions if not spawn.hit]
    if misses and name == "environment" and not all(spawn.hit for spawn in record.runs["hit"].actions):
        return unproven("the unchanged environment misses as well"), witnesses
    if misses and not record.logged and record.after_upload.present is None:
        return unproven(
            f"{record.reader} cannot read the cache either: {record.after_upload.detail}"
        ), witnesses
    if misses:
        examples = ", ".join(f"{spawn.target} {spawn.mnemonic} ({spawn.runner})" for spawn in misses[:4])
        likely = _KEYS if name == "environment" else f"{ENDPOINT_CAUSE}; or {_KEYS}"
        return broken(
            f"{len(misses)} of {len(run.actions)} actions were not remote cache hits: {examples}; {explain_run(run)}",
            likely,
        ), witnesses
    if absent := {spawn.name for spawn in cold.actions} - {spawn.name for spawn in run.spawns}:
        return broken(
            f"{len(absent)} actions of the cold build are missing from the log: {sorted(absent)[0][:2]}",
            "the two builds cover different targets",
        ), witnesses
    counted = run.counts.get(REMOTE_HIT, 0)
    if counted != len(run.actions):
        return broken(
            f"the log has {len(run.actions)} hits but Bazel reports {counted}",
            "the logs belong to different builds",
        ), witnesses
    if not record.logged and record.after_upload.present is None:
        return unproven(f"no second identity could read the cache: {record.after_upload.detail}"), witnesses
    if not record.logged and record.after_upload.present is False:
        return broken(
            f"Bazel reports {counted} remote cache hits, but {record.reader} finds: {record.after_upload.detail}",
            "another cache served them; check for a disk cache or a proxy",
        ), witnesses
    if record.logged and len(reads) < counted:
        return broken(
            f"Bazel reports {counted} remote cache hits, but the server served {len(reads)} results to this runner",
            "another cache served them; check for a disk cache or a proxy",
        ), witnesses
    if run.status != 0:
        return broken(
            f"the build exited with status {run.status} although all {counted} actions were remote cache hits: "
            f"{explain_run(run)}",
            "a cached result is false, or the build depends on something outside its inputs",
        ), witnesses
    return kept(f"{counted} of {counted} actions were remote cache hits"), witnesses


def _digests(record: BazelRecord) -> Witnessed:
    if not record.logged:
        return unproven(
            f"{record.url} is deployed and its log unavailable; services started by the run can prove this",
            provable_here=False,
        ), ()
    run = record.runs["hit"]
    hits = {spawn.digest for spawn in run.spawns if spawn.hit}
    logged = record.asked["hit"]
    example = next(iter(sorted(hits & logged)), "none")
    witnesses = (
        f"client: {len(hits)} action digests counted as hits, such as {example[:16]}…",
        f"server: log contains {len(hits & logged)} of them",
    )
    if failed := no_response(record, "hit"):
        return failed, witnesses
    if run.status != 0 or not hits:
        return unproven("no hit has a digest to check"), witnesses
    if unknown := hits - logged:
        return broken(
            f"{len(unknown)} of {len(hits)} digests are not in the server's log, such as {min(unknown)}",
            "another cache served those",
        ), witnesses
    return kept(f"all {len(hits)} action digests are in the server's log"), witnesses


def _counterfactual(record: BazelRecord) -> Witnessed:
    run, hit = record.runs["without"], record.runs["hit"]
    hits = [spawn for spawn in run.spawns if spawn.hit or "cache hit" in spawn.runner]
    second = f"server: {len(record.served['without'])} requests by this runner"
    witnesses = (client_witness(run), second if record.logged else reader_witness(record))
    if run.status is None:
        return unproven(f"the build did not complete: {run.ended}"), witnesses
    if hit.status != 0 or not any(spawn.hit for spawn in hit.spawns):
        return unproven("the cache gave no hits, so building without it proves nothing"), witnesses
    if hits or record.served["without"]:
        return broken(
            f"{len(hits)} hits and {len(record.served['without'])} requests with no cache configured",
            "a cache is configured elsewhere; check every .bazelrc and the disk cache",
        ), witnesses
    if not run.actions:
        return broken(
            "no action ran and nothing was fetched",
            "outputs were cached locally, so a hit proves nothing",
        ), witnesses
    return kept(f"without the cache, {len(run.actions)} actions ran on the runner"), witnesses


def _nonce_miss(record: BazelRecord) -> Witnessed:
    run = record.runs["miss"]
    before = {spawn.digest for spawn in record.runs["cold"].spawns}
    # An action that the change does not reach has the key that it had, and may hit.
    changed = [spawn for spawn in run.actions if spawn.digest not in before]
    hits = [spawn for spawn in changed if spawn.hit]
    misses = [
        line
        for line in record.served["miss"]
        if (line.status == 404 and "/ac/" in line.uri)
        or (line.grpc == "5" and line.uri.endswith("/GetActionResult"))
    ]
    second = f"outside: {record.after_refusal.detail}" if not record.logged else ""
    witnesses = (client_witness(run), second or server_witness(record, "miss", "not found", misses))
    if failed := no_response(record, "miss"):
        return failed, witnesses
    if not changed:
        return broken(
            "an input changed but no action key did",
            "the nonce is not an input of any action, so any hit may be stale",
        ), witnesses
    if hits:
        return broken(
            f"{len(hits)} actions with new inputs hit the cache, such as {hits[0].target}",
            "the cache returns results of other actions; check the proxy in front of it",
        ), witnesses
    if record.logged and len(misses) < len(changed):
        return unproven(
            f"{len(changed)} actions changed, but the server logged misses for {len(misses)}"
        ), witnesses
    if run.status != 0:
        return unproven(f"the changed build exited with status {run.status}: {explain_run(run)}"), witnesses
    observed, lookup = f"all {len(changed)} changed actions missed, as expected", record.after_refusal
    if record.logged:
        return kept(observed), witnesses
    if lookup.present is None:
        return unproven(
            f"only Bazel reports that {len(changed)} changed actions missed: {lookup.detail}"
        ), witnesses
    if lookup.present:
        # An open cache: the build that missed has filled it.
        return kept(f"{observed}; reported only by Bazel, whose uploads are in the store by now"), witnesses
    return kept(f"{observed}: {lookup.detail}"), witnesses


def _outputs(run: BazelRun) -> dict[str, str]:
    return {path: value for spawn in run.spawns for path, value in spawn.outputs.items()}


def _poisoned(record: BazelRecord) -> Witnessed:
    if record.not_lied is not None:
        return unproven(
            f"cannot create a false result: {record.not_lied.reason}",
            provable_here=record.not_lied.provable_here,
        ), ()
    lied, truth = record.runs["lied-to"], record.runs["without"]
    false = {path for path, value in _outputs(lied).items() if value == record.poisoned}
    different = sorted(path for path in false if _outputs(truth).get(path) != record.poisoned)
    reads = len(record.reads("lied-to"))
    witnesses = (
        f"client: with the cache {record.poisoned[:16]}… at {', '.join(sorted(false)) or 'no path'}, "
        f"without it {_outputs(truth).get(different[0], '')[:16] if different else 'nothing else'}…",
        f"server: accepted the false result and served {reads} results to this runner",
    )
    if failed := no_response(record, "lied-to"):
        return failed, witnesses
    if truth.status != 0 or not truth.actions or not false <= _outputs(truth).keys():
        return unproven("no build without the cache to compare with"), witnesses
    if not record.poisoned or not false or not reads:
        return unproven("the false result was never fetched, so there was nothing to detect"), witnesses
    if not different:
        return broken(
            "the build without the cache also contains the false result",
            "it used cached results; check for a second cache",
        ), witnesses
    return kept(f"{different[0]} differs from the uncached build, which exposes the false result"), witnesses


def _corrupted(record: BazelRecord) -> Witnessed:
    if record.not_lied is not None:
        return unproven(
            f"cannot corrupt a blob: {record.not_lied.reason}", provable_here=record.not_lied.provable_here
        ), ()
    lied, truth = record.runs["lied-to"], record.runs["without"]
    path = next((path for path, value in _outputs(truth).items() if value == record.corrupted), "")
    spawn = next((spawn for spawn in lied.spawns if path in spawn.outputs), None)
    warning = next((line for line in lied.warnings if "igest" in line or "checksum" in line.lower()), "")
    methods = (f"/cas/{record.corrupted}", "/Read", "/BatchReadBlobs")
    served = sum(line.uri.endswith(methods) and line.method != "PUT" for line in record.served["lied-to"])
    witnesses = (
        f"client: {spawn.runner if spawn else 'no action'} for {path}; {warning[:200] or 'no warning'}",
        f"server: served the corrupted blob {record.corrupted[:16]}… {served} times to this runner"
        if record.protocol == "http"
        else f"server: {served} x ByteStream.Read or BatchReadBlobs by this runner",
    )
    if failed := no_response(record, "lied-to"):
        return failed, witnesses
    if truth.status != 0:
        return unproven("no build without the cache to compare with"), witnesses
    if not record.corrupted or not path:
        return unproven("the corrupted blob is not an output of the build"), witnesses
    if not served:
        return unproven("the corrupted blob was never fetched, so there was nothing to detect"), witnesses
    if spawn is None:
        if lied.status != 0 and warning:
            return kept(f"the build failed on the corrupted blob: {warning[:300]}"), witnesses
        return unproven("the action with the corrupted blob is not in the log"), witnesses
    if spawn.hit:
        return broken(
            f"{path} was fetched from the cache despite its corrupted blob",
            "--noremote_verify_downloads is set, or a proxy caches responses",
        ), witnesses
    if spawn.outputs[path] != record.corrupted:
        return broken(
            f"{path} came out as {spawn.outputs[path][:16]}…, not as {record.corrupted[:16]}…",
            "the build used the corrupted blob",
        ), witnesses
    return kept(
        f"detected and rebuilt by {spawn.runner}: {warning[:200] or 'the blob did not match its digest'}"
    ), witnesses
