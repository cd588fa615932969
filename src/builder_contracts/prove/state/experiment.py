"""Perform the proof of a state store: take a lock twice, overwrite a state and restore it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from builder_contracts.prove import bucket
from builder_contracts.prove.state.judge import FIRST_HOLDER, FIRST_STATE
from builder_contracts.prove.state.record import STEPS, StateRecord, StateReply
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.services.principals import READER, WRITER
from builder_contracts.services.upstreams import BUCKET


def prove(bench: Testbed) -> StateRecord:
    """Record what the store replied, step by step. Raises Failed, ServiceDown."""
    key = f"proof-{bench.nonce()}"

    def lock(holder: str) -> dict[str, Any]:
        return bucket.s3_request(
            bench, WRITER, "put_object", Key=f"{key}.lock", Body=encode_body(holder), IfNoneMatch="*"
        )

    def write(text: str) -> dict[str, Any]:
        return bucket.s3_request(bench, WRITER, "put_object", Key=key, Body=encode_body(text))

    bench.ready("objects")
    bucket.prepare(bench)
    answers = bench.ask(
        [
            lock(FIRST_HOLDER),
            lock("held by the second"),
            bucket.s3_request(bench, WRITER, "get_object", Key=f"{key}.lock"),
            write(FIRST_STATE),
            write("second state"),
            bucket.s3_request(bench, WRITER, "list_object_versions", Prefix=key),
        ]
    )
    older = [
        entry["VersionId"]
        for entry in answers[-1].get("reply", {}).get("Versions", [])
        if entry["Key"] == key and not entry["IsLatest"]
    ]
    if older:
        source = {"Bucket": BUCKET, "Key": key, "VersionId": older[0]}
        answers += bench.ask(
            [
                bucket.s3_request(bench, WRITER, "copy_object", Key=key, CopySource=source),
                bucket.s3_request(bench, READER, "get_object", Key=key),
            ]
        )
    return StateRecord(_by_step(answers), len(older))


def _by_step(answers: Sequence[Mapping[str, Any]]) -> dict[str, StateReply]:
    # Without an older version there are fewer answers than steps.
    return {
        step: StateReply(
            str(answer["status"]),
            str(answer["detail"]),
            base64.b64decode(answer["body"]).decode("utf-8", "replace"),
        )
        for step, answer in zip(STEPS, answers, strict=False)
    }
