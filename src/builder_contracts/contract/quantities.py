"""Quantities as Kubernetes writes them: ``500m`` and ``4`` CPUs, ``8Gi`` of memory.

Source: the Quantity type of the Kubernetes API reference. Only the suffixes for CPU and memory are read.
"""

from __future__ import annotations

import re

_SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_CPU = re.compile(r"(?P<whole>\d{1,6})(?P<fraction>\.\d{1,3})?(?P<milli>m)?")
_BYTES = re.compile(r"(?P<number>\d{1,15})(?P<suffix>[kMGT]|[KMGT]i)?")


def millicpus(text: str) -> int:
    """``"500m"`` is 500 and ``"4"`` is 4000 thousandths of a CPU. Raises ValueError."""
    match = _CPU.fullmatch(text)
    if not match or (match["milli"] and match["fraction"]):
        raise ValueError(f"{text!r} is not a number of CPUs such as '4', '0.5' or '500m'")
    if match["milli"]:
        return int(match["whole"])
    return round(float(match["whole"] + (match["fraction"] or "")) * 1000)


def byte_count(text: str) -> int:
    """``"8Gi"`` is 8589934592 bytes. Raises ValueError."""
    match = _BYTES.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a number of bytes such as '512Mi', '8Gi' or '2G'")
    return int(match["number"]) * _SUFFIXES[match["suffix"] or ""]


def human_bytes(count: int) -> str:
    """The largest binary unit that shows ``count`` in at most two decimals: ``8Gi``, ``1.5Gi``, ``900``."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if count >= _SUFFIXES[suffix]:
            return f"{count / _SUFFIXES[suffix]:.2f}".rstrip("0").rstrip(".") + suffix
    return str(count)


def human_cpus(milli: int) -> str:
    """Thousandths of a CPU as Kubernetes prints them: ``500m`` or ``4``."""
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
