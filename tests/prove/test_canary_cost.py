"""What else ran on the host during a build, from what the kernel prints."""

from __future__ import annotations

import pytest

from builder_contracts.prove.canary.products import CpuTime, parse_cpu_time, share_of_others

STAT = b"cpu  1000 200 300 4000 500 60 70 80 0 0\n"


@pytest.mark.parametrize(
    ("printed", "own"),
    [(b"usage_usec 2500000\n", 2.5), (b"2500000000\n", 2.5), (b"", None), (b"usage_usec many\n", None)],
    ids=["cgroup v2", "cgroup v1", "no cgroup", "nonsense"],
)
def test_cpu_time(printed: bytes, own: float | None) -> None:
    expected = CpuTime(total=62.1, worked=17.1, own=own) if own is not None else None
    assert parse_cpu_time(STAT + printed) == expected


@pytest.mark.parametrize(
    ("after", "share"),
    [
        (CpuTime(110.0, 60.0, 5.0), 0.5),
        (CpuTime(110.0, 60.0, 10.0), 0.0),
        # The two were not read at the same moment.
        (CpuTime(110.0, 60.0, 10.1), 0.0),
        (CpuTime(100.0, 50.0, 0.0), None),
        (None, None),
    ],
)
def test_share_of_others(after: CpuTime | None, share: float | None) -> None:
    assert share_of_others(CpuTime(100.0, 50.0, 0.0), after) == share
    assert share_of_others(None, after) is None
