"""Witnesses of a Bazel build, from Bazel's own logs and the server's log. Pure."""

from __future__ import annotations

import re
from collections import Counter

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.record import PLAIN, BazelRecord, BazelRun
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.witnessed import NO_LOG
from builder_contracts.verdict import Assessment, unproven

ENDPOINT_CAUSE = "wrong endpoint (scheme, host, port) or credentials, or a faulty server"
# As Bazel's HTTP client words it: the status and its reason phrase.
_RETURNED_5XX = re.compile(r"\b5\d\d (?:Internal|Bad|Service|Gateway)")

_OPTION = re.compile(r"--(?:no)?(?P<name>\w+)")
_EXPLAIN = {
    "cold": ("remote_cache", "remote_instance_name", "modify_execution_info", "remote_upload_local_results"),
    "hit": (
        "remote_cache",
        "remote_instance_name",
        "modify_execution_info",
        "remote_accept_cached",
        "disk_cache",
    ),
}


def explain_run(run: BazelRun) -> str:
    """Return why a build did not complete, or its first warning."""
    reason = run.ended or next((line for line in run.warnings if "host_javabase" not in line), "no warning")
    return reason[:300]


def client_witness(run: BazelRun) -> str:
    counts = Counter(spawn.runner for spawn in run.actions)
    action_counts = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "no action"
    return f"client: execution log {action_counts}; runnerCount {dict(run.counts)}"


def server_witness(record: BazelRecord, name: str, event: str, lines: list[AccessLogLine]) -> str:
    if not record.logged:
        return NO_LOG
    return f"server: {len(lines)} x {event} of {len(record.served[name])} requests by this runner"


def reader_witness(record: BazelRecord) -> str:
    return f"outside: {record.reader} finds that {record.after_upload.detail}"


def server_failures(record: BazelRecord, name: str) -> list[AccessLogLine]:
    """The requests of a build that the server failed to answer."""
    return [line for line in record.served[name] if line.status >= 500 or line.grpc == "14"]


def explaining_settings(record: BazelRecord, name: str) -> tuple[ClassSetting, ...]:
    """The class's own settings that can explain why a plain build, cold or hit, did not use the cache."""
    if server_failures(record, f"{PLAIN}{name}"):
        return ()
    # Of a cache that gave no answer only another address.
    options = ("remote_cache",) if no_response(record, f"{PLAIN}{name}") else _EXPLAIN[name]
    return tuple(
        setting
        for setting in record.settings
        if (option := _OPTION.match(setting.text)) and option["name"] in options
    )


def no_response(record: BazelRecord, name: str) -> Assessment | None:
    """Return the assessment if the build did not complete or the cache did not respond, else None."""
    run = record.runs[name]
    if run.status is None:
        return unproven(f"the build did not complete: {run.ended}")
    if failures := server_failures(record, name):
        status = f"gRPC status {failures[0].grpc}" if failures[0].grpc == "14" else failures[0].status
        return unproven(
            f"the cache returned {status} for {failures[0].uri}; it is failing, so its access rules were not tested"
        )
    warning = next(
        (
            line
            for line in run.warnings
            if "UNAVAILABLE" in line
            or "UnknownHost" in line
            or "Connection refused" in line
            or "DEADLINE_EXCEEDED" in line
            or _RETURNED_5XX.search(line)
        ),
        "",
    )
    return unproven(f"the cache did not respond: {warning[:300]}") if warning else None
