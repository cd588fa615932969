"""Perform the proof of a state store: lock a state in every way, overwrite it and restore it."""

from __future__ import annotations

from functools import partial
from typing import Any

from builder_contracts.prove import bucket, lookup_identity
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.state.judge import FIRST_HOLDER, FIRST_STATE
from builder_contracts.prove.state.record import StateRecord
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

RACERS = 8
"""How many lock a state at once."""


def prove(bench: Testbed) -> StateRecord:
    """Record what the store replied, step by step. Raises StepFailed, ServiceDown.

    Locks are what OpenTofu's S3 backend makes of them: an object KEY.tflock that is put with If-None-Match, and
    deleted (github.com/opentofu/opentofu, internal/backend/remote-state/s3/client.go).
    """
    endpoint = bench.endpoints["objects"]
    if lost := endpoint.lacks(WRITER):
        raise StepFailed.of(lost)
    bench.ready("objects")
    bucket.prepare(bench)
    looker = lookup_identity.choose(bench, "objects")
    prefix = f"proof-{bench.nonce()}"
    try:
        replies, older = _steps(bench, prefix, looker)
    finally:
        leftovers = "" if endpoint.service else bucket.remove_all(bench, prefix)
    return StateRecord(replies, older, looker.no_reader, leftovers)


def _steps(
    bench: Testbed, prefix: str, looker: lookup_identity.LookupIdentity
) -> tuple[dict[str, StateReply], int]:
    state, writer = f"{prefix}/state", partial(bucket.s3_request, bench, WRITER)

    def lock(identity: str, key: str, holder: str) -> dict[str, Any]:
        return bucket.s3_request(
            bench, identity, "put_object", Key=f"{key}.tflock", Body=encode_body(holder), IfNoneMatch="*"
        )

    steps = {
        "lock": lock(WRITER, state, FIRST_HOLDER),
        "second-lock": lock(WRITER, state, "held by the second"),
        "anonymous-lock": lock(ANONYMOUS, f"{prefix}/anonymous", "held by nobody"),
        "read-anonymous-lock": writer("get_object", Key=f"{prefix}/anonymous.tflock"),
        "race": {**lock(WRITER, f"{prefix}/race", "held by a racer"), "kind": "s3-race", "count": RACERS},
        "first-write": writer("put_object", Key=state, Body=encode_body(FIRST_STATE)),
    }
    if looker.name == READER:
        steps["reader-lock"] = lock(READER, f"{prefix}/reader", "held by the reader")
        steps["read-reader-lock"] = writer("get_object", Key=f"{prefix}/reader.tflock")
        steps["unlock-by-other"] = bucket.s3_request(bench, READER, "delete_object", Key=f"{state}.tflock")
    steps |= {
        "read-lock": writer("get_object", Key=f"{state}.tflock"),
        "release": writer("delete_object", Key=f"{state}.tflock"),
        "second-write": writer("put_object", Key=state, Body=encode_body("second state")),
        "versions": writer("list_object_versions", Prefix=state),
    }
    answers = dict(zip(steps, bench.ask(list(steps.values())), strict=True))
    older = [
        entry["VersionId"]
        for entry in answers["versions"].get("reply", {}).get("Versions", [])
        if entry["Key"] == state and not entry["IsLatest"]
    ]
    if older:
        source = {"Bucket": bucket.name(bench), "Key": state, "VersionId": older[0]}
        read = bucket.s3_request(bench, looker.name, "get_object", Key=state)
        restore = {"restore": writer("copy_object", Key=state, CopySource=source), "read-state": read}
        answers |= dict(zip(restore, bench.ask(list(restore.values())), strict=True))
    return {step: StateReply.of(answer) for step, answer in answers.items()}, len(older)
