"""Compares `runs-on` with the labels of classes and scale sets."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from builder_contracts.contract.schema import nearest
from builder_contracts.truth.context import Context
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


@rule("workflows/labels", scope="any")
def check(context: Context) -> Iterator[Observation]:
    facts = context.facts("workflows")
    hosted = facts.get("hosted", default=[])
    enrolment = context.facts("enrolment")
    prefixes = tuple(enrolment.get("label_prefixes", default=[]))
    extra = enrolment.get("extra_scale_sets", default={})
    deployed = {label for scale_set in context.model.scale_sets if (label := text(scale_set.label))}
    known_labels = [*context.labels, *extra, *deployed]
    for job in context.model.jobs:
        if job.forge != "github":
            continue
        if job.labels is None:
            if context.ours:
                yield Unseen(job.at, f"the label of job {job.name} is computed at run time")
            continue
        for value in job.labels:
            written = text(value) or ""
            if written in known_labels:
                yield Agrees(value.at)
            elif (
                prefixes
                and written.startswith(prefixes)
                and not any(fnmatch.fnmatch(written, pattern) for pattern in hosted)
            ):
                guess = nearest(written, known_labels)
                if guess is not None and guess in context.labels:
                    expected = Side(context.labels[guess].source, f"the class {context.labels[guess].name}")
                else:
                    expected = Side(
                        enrolment.at("label_prefixes"),
                        f"known labels: {', '.join(dict.fromkeys(known_labels))}",
                    )
                fix = f"use {guess}" if guess else f"known labels: {', '.join(dict.fromkeys(known_labels))}"
                yield Contradicts(Side(value.at, f"job {job.name} runs on {written!r}"), expected, fix)
