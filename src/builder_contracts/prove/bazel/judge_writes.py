"""Judge the writes of the Bazel cache proof: the writer's upload, and the rejected upload of a reader. Pure."""

from __future__ import annotations

import re

from builder_contracts.prove.bazel.record import BazelRecord
from builder_contracts.prove.bazel.witnesses import (
    ENDPOINT_CAUSE,
    client_witness,
    explain_run,
    no_response,
    server_witness,
)
from builder_contracts.prove.publish_attempt import unknown_reader
from builder_contracts.prove.store_lookup import SECOND
from builder_contracts.prove.witnessed import NO_LOG, Witnessed, unavailable
from builder_contracts.services.principals import READER
from builder_contracts.verdict import broken, kept, unproven

_REJECTED = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|\b40[13] (?:Forbidden|Unauthorized)")
_UNKNOWN = re.compile(r"UNAUTHENTICATED|\b401 Unauthorized")
_STAYS = "; uploads remain until evicted (a cache cannot delete)"
_LIKELY = "access is enforced only in the client; enforce it in the server, for both CAS and action cache"


def judge_upload(record: BazelRecord) -> Witnessed:
    run = record.runs["cold"]
    ran = [spawn for spawn in run.actions if not spawn.hit]
    accepted = record.writes("cold", rejected=False)
    results = [line for line in accepted if "/ac/" in line.uri or line.uri.endswith("/UpdateActionResult")]
    stored = record.after_upload
    server = server_witness(record, "cold", "result accepted", results)
    stays = "" if record.logged else _STAYS
    witnesses = (client_witness(run), f"{server}; afterwards {stored.detail}{stays}")
    if failed := no_response(record, "cold"):
        return failed, witnesses
    if len(ran) < len(run.actions):
        return unproven(
            f"{len(run.actions) - len(ran)} actions hit before any upload; the nonce is not among their inputs"
        ), witnesses
    if record.logged and len(results) < len(ran):
        return broken(
            f"{len(ran)} actions ran, but the server received {len(results)} results: {explain_run(run)}",
            ENDPOINT_CAUSE,
        ), witnesses
    if stored.present is False:
        observed = (
            f"the server accepted {len(results)} results but did not keep them"
            if record.logged
            else f"{len(ran)} actions ran, but the cache lacks their results"
        )
        return broken(
            f"{observed}: {stored.detail}; {explain_run(run)}",
            "writes are dropped silently; check the proxy and the store behind it",
        ), witnesses
    if stored.present is None:
        return unproven(f"cannot verify the uploads: {stored.detail}"), witnesses
    if not record.logged:
        return kept(f"{len(ran)} actions ran; {record.reader} finds all of their results"), witnesses
    return kept(
        f"{len(ran)} actions ran; the server received {len(results)} results and {len(accepted) - len(results)} blobs"
    ), witnesses


def judge_forced_upload(record: BazelRecord) -> Witnessed:
    if record.no_reader is not None:
        return unavailable(record.no_reader)
    if not record.logged:
        return _forced_upload_unlogged(record)
    run = record.runs["miss"]
    rejected, accepted = record.writes("miss", rejected=True), record.writes("miss", rejected=False)
    lookup = record.after_refusal
    witnesses = (
        f"client: {explain_run(run)}",
        f"server: {len(rejected)} writes rejected, {len(accepted)} accepted; afterwards {lookup.detail}",
    )
    control = record.after_upload.present and record.writes("cold", rejected=False)
    if failed := no_response(record, "miss"):
        return failed, witnesses
    if accepted or lookup.present:
        return broken(
            f"the server accepted {len(accepted)} writes from a read-only identity; {lookup.detail}", _LIKELY
        ), witnesses
    if not control:
        return unproven("the writer's uploads failed too, so a rejection proves nothing"), witnesses
    if lookup.present is None:
        return unproven(lookup.detail), witnesses
    if not rejected:
        return broken(
            "no write was attempted or rejected, although uploads were enabled in Bazel",
            "Bazel did not reach the server, or the server drops writes silently",
        ), witnesses
    if record.fetcher == READER and all(line.status == 401 or line.grpc == "16" for line in rejected):
        return unavailable(unknown_reader(f"{len(rejected)} writes rejected for want of credentials"))
    if run.status != 0:
        return unproven(f"the changed build exited with status {run.status}: {explain_run(run)}"), witnesses
    return kept(f"{len(rejected)} writes rejected, none accepted; {lookup.detail}"), witnesses


def _forced_upload_unlogged(record: BazelRecord) -> Witnessed:
    """The same without the server's log: Bazel's own words are the rejection, a second client's lookup is the proof."""
    run, lookup = record.runs["miss"], record.after_refusal
    rejection = next((line for line in run.warnings if _REJECTED.search(line)), "")
    witnesses = (
        f"client: {rejection[:300] or explain_run(run)}",
        f"{NO_LOG}; afterwards {SECOND} finds that {lookup.detail}",
    )
    if failed := no_response(record, "miss"):
        return failed, witnesses
    if lookup.present:
        return broken(
            f"the server accepted a write from a read-only identity: {lookup.detail}", _LIKELY
        ), witnesses
    if not record.after_upload.present:
        return unproven("the writer's uploads failed too, so a rejection proves nothing"), witnesses
    if lookup.present is None:
        return unproven(lookup.detail), witnesses
    if not rejection:
        return unproven(
            "the store is unchanged, but Bazel reports no rejected write and the server's log is unavailable"
        ), witnesses
    if record.fetcher == READER and _UNKNOWN.search(rejection):
        return unavailable(unknown_reader(rejection[:200]))
    if run.status != 0:
        return unproven(f"the changed build exited with status {run.status}: {explain_run(run)}"), witnesses
    return kept(f"rejected: {rejection[:200]}; {lookup.detail}"), witnesses
