"""Which names of platforms mean the same."""

from __future__ import annotations

import pytest

from builder_contracts.contract.platforms import are_same, normalize


@pytest.mark.parametrize(
    ("platform", "usual"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("Linux/ARM64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
        ("", ""),
    ],
)
def test_platform_has_its_usual_name(platform: str, usual: str) -> None:
    assert normalize(platform) == usual
    assert normalize(usual) == usual


def test_other_platforms_are_not_the_same() -> None:
    assert are_same("linux/arm64/v8", "linux/arm64")
    assert not are_same("linux/arm64", "linux/arm")
    assert not are_same("linux/arm64", "linux/amd64")
    assert not are_same("linux/amd64", "windows/amd64")
