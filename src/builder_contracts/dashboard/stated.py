"""Measurements that the sentence of a canary's verdict states, for reports without properties of them."""

from __future__ import annotations

import re

from builder_contracts.dashboard.model import Measurement

_NUMBER = r"\d+(?:\.\d+)?"
_BYTES = rf"{_NUMBER}(?:[KMGT]i)?"
_UNITS = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_BUDGET = "budget_"

# What a canary's clause is about, and the sentences of its judge with a group a quantity.
_SENTENCES = [
    (show, re.compile(pattern))
    for show, pattern in (
        ("builds", rf"^built in (?P<cold_seconds>{_NUMBER}) s with "),
        ("builds", rf" with (?P<peak_memory_bytes>{_BYTES}) of memory and "),
        ("builds", rf" and (?P<disk_bytes>{_BYTES}) of disk, within its budget$"),
        ("builds", rf"(?P<cold_seconds>{_NUMBER}) s of time; the budget is (?P<budget_cold_seconds>{_NUMBER}) s"),
        ("builds", rf"(?P<peak_memory_bytes>{_BYTES}) of memory; the budget is (?P<budget_peak_memory_bytes>{_BYTES})"),
        ("builds", rf"(?P<disk_bytes>{_BYTES}) of disk; the budget is (?P<budget_disk_bytes>{_BYTES})"),
        ("artifacts", r"^\d+ files, (?P<artifact_bytes>\d+) bytes, no links"),
        ("build", rf"^\d+ objects and the image, cold, in (?P<cold_seconds>{_NUMBER}) s"),
        ("memory", rf"^peak (?P<peak_memory_bytes>{_BYTES}) of (?P<budget_peak_memory_bytes>{_BYTES}), "),
        ("memory", rf"at the limit of (?P<budget_peak_memory_bytes>{_BYTES}), peak (?P<peak_memory_bytes>{_BYTES})"),
        ("memory-link", rf"all of it (?P<link_memory_bytes>{_BYTES}); the limit is (?P<budget_link_memory_bytes>{_BYTES})"),
        ("rebuild-hits", rf" came from the cache, (?P<cache_hit_ratio>{_NUMBER})%(?: where (?P<budget_cache_hit_ratio>{_NUMBER})% )?"),
        ("rebuild-time", rf"^(?P<warm_seconds>{_NUMBER}) s, \d+% of the cold build's "),
    )
]  # fmt: skip


def measurements(kind: str, name: str, seen: str) -> tuple[Measurement, ...]:
    """What the verdict ``seen`` on a clause states; nothing for clauses of other kinds than canaries."""
    if kind != "canaries":
        return ()
    stated: dict[str, float] = {}
    for show, sentence in _SENTENCES:
        if name.endswith(f"-{show}") and (found := sentence.search(seen)):
            for quantity, text in found.groupdict().items():
                if text is not None:
                    stated[quantity] = _value(quantity, text)
    return tuple(
        Measurement(quantity, value, stated.get(_BUDGET + quantity))
        for quantity, value in stated.items()
        if not quantity.startswith(_BUDGET)
    )


def _value(quantity: str, text: str) -> float:
    if quantity.endswith("_ratio"):
        return float(text) / 100
    return float(text.rstrip("KMGTi")) * _UNITS.get(text[-2:], 1.0)
