"""Quantities as Kubernetes writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.quantities import byte_count, human_bytes, human_cpus, millicpus


@pytest.mark.parametrize(
    ("text", "milli"),
    [("4", 4000), ("0.5", 500), ("500m", 500), ("0.001", 1), ("1m", 1), ("999999", 999_999_000)],
)
def test_cpus(text: str, milli: int) -> None:
    assert millicpus(text) == milli


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("900", 900),
        ("1k", 1000),
        ("2G", 2 * 10**9),
        ("8Gi", 8 * 2**30),
        ("512Mi", 2**29),
        ("1Ti", 2**40),
        ("3T", 3 * 10**12),
    ],
)
def test_bytes(text: str, count: int) -> None:
    assert byte_count(text) == count


@pytest.mark.parametrize(
    "text", ["", "m", "-1", "0.5m", "1.0005", "1e3", "4 ", " 4", "4\n", "4CPU", "four", "1234567"]
)
def test_what_is_no_number_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of CPUs such as"):
        millicpus(text)


@pytest.mark.parametrize(
    "text", ["", "Gi", "-1Gi", "1.5Gi", "8GB", "8gi", "8KI", "8 Gi", "8Gi\n", "1E", "1" * 16]
)
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of bytes such as"):
        byte_count(text)


@pytest.mark.parametrize(
    ("milli", "shown"), [(0, "0"), (1, "1m"), (1000, "1"), (1001, "1001m"), (2500, "2500m"), (16000, "16")]
)
def test_whole_cpus_are_shown_whole(milli: int, shown: str) -> None:
    assert human_cpus(milli) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(900, "900"), (1024, "1Ki"), (3 * 2**29, "1.5Gi"), (10 * 2**30, "10Gi"), (2**40 + 2**38, "1.25Ti")],
)
def test_bytes_are_shown_without_needless_zeros(count: int, shown: str) -> None:
    assert human_bytes(count) == shown


@given(st.integers(0, 999_999))
def test_cpus_survive_being_shown(milli: int) -> None:
    assert millicpus(human_cpus(milli)) == milli


@given(st.integers(0, 2**50))
def test_shown_bytes_are_short_and_near(count: int) -> None:
    shown = human_bytes(count)
    assert len(shown) <= 9
    number = float(shown.rstrip("KMGTi"))
    unit = byte_count("1" + shown.lstrip("0123456789."))
    assert number * unit == pytest.approx(count, rel=0.01, abs=1)


@given(st.integers(1, 1023), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_whole_units_are_shown_as_they_were_written(number: int, suffix: str) -> None:
    assert human_bytes(byte_count(f"{number}{suffix}")) == f"{number}{suffix}"
