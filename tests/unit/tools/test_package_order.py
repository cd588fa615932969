"""The order of packages' versions, against the package managers themselves."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from builder_contracts.tools.package_order import MANAGERS, PackageRange, UnorderedVersion, compare

ORDERED = {
    "dpkg": ["1.0~~", "1.0~rc1-1", "1.0", "1.0-0.1", "1.0-1~bpo12", "1.0-1", "1.0-1+b2", "1.0-10", "1.0a", "1.0+x", "1.0.1", "1.10", "1:0.1"],
    "rpm": ["1.0~~-1", "1.0~rc1-1", "1.0-1.el8", "1.0-1.fc41", "1.0-2", "1.0-10", "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.10-1", "1:0.1-1"],
    "apk": ["1.0_alpha", "1.0_beta2", "1.0_rc1-r9", "1.0", "1.0-r0", "1.0-r10", "1.0_git2", "1.0_p1", "1.0a", "1.0.05", "1.0.1", "1.2", "1.10"],
}  # fmt: skip
EQUAL = [("dpkg", "1.0", "1.0-0"), ("dpkg", "0:1.00-1", "1.0-1"), ("rpm", "1.0", "1.0-7.fc41"), ("rpm", "1.0.", "1_0"), ("apk", "1.0", "1.0")]  # fmt: skip


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@pytest.mark.parametrize("manager", MANAGERS)
def test_versions_are_in_the_managers_order(manager: str) -> None:
    versions = ORDERED[manager]
    for left, a in enumerate(versions):
        for right, b in enumerate(versions):
            assert compare(manager, a, b) == sign(left - right), (a, b)


@pytest.mark.parametrize(("manager", "left", "right"), EQUAL)
def test_versions_that_are_equal(manager: str, left: str, right: str) -> None:
    assert compare(manager, left, right) == 0


@pytest.mark.parametrize("version", ["", "1.0~deb-1x", "1.0_foo", "a1", "1.0-1", "1.0b2"])
def test_apk_accepts_no_other_version(version: str) -> None:
    with pytest.raises(UnorderedVersion):
        compare("apk", version, "1")


def versions(letters: str, number: int) -> list[tuple[str, str]]:
    """Pairs of versions that are alike, the same on each run."""
    source = random.Random(7)  # noqa: S311 # no secret
    text = ["".join(source.choices(letters, k=source.randint(1, 6))) for _ in range(2 * number)]
    return [(f"1{a}2", f"1{b}2") for a, b in zip(text[::2], text[1::2], strict=True)]


def test_dpkg_orders_in_the_same_way() -> None:
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        pytest.skip("no dpkg here: this is not Debian")
    for left, right in [*versions("01a~.+-", 60), ("1:1", "2"), ("1.0", "1.0-0")]:
        order = compare("dpkg", left, right)
        relation = {-1: "lt", 0: "eq", 1: "gt"}[order]
        subprocess.run([dpkg, "--compare-versions", left, relation, right], check=True)


def test_rpm_orders_in_the_same_way(tmp_path: Path) -> None:
    rpm = shutil.which("rpm")
    if rpm is None:
        pytest.skip("no rpm here: apt-get install rpm")
    # Its function splits at a hyphen itself.
    pairs = versions("01aB~^._+", 800)
    (tmp_path / "pairs").write_text("".join(f"{left} {right}\n" for left, right in pairs))
    program = 'local a, b = line:match("(%S+) (%S+)") print(rpm.vercmp(a, b) .. "\\n")'
    loop = f'for line in io.lines("{tmp_path}/pairs") do {program} end'
    answer = subprocess.run([rpm, "--eval", f"%{{lua:{loop}}}"], capture_output=True, text=True, check=True)
    assert [compare("rpm", left, right) for left, right in pairs] == list(map(int, answer.stdout.split()))


@pytest.mark.parametrize(
    ("text", "version", "lies_within"),
    [
        (">=1.0-1,<2", "1.0-1", True),
        (">=1.0-1 , <2", "2", False),
        ("<=1.0", "1.0-1", False),
        ("!=1.0-1", "1.0-1", False),
        ("==1.0-1", "1.0-1", True),
        (">1.0-1", "1.0-1", False),
    ],
)
def test_range_holds(text: str, version: str, lies_within: bool) -> None:
    assert PackageRange(text).holds("dpkg", version) is lies_within


@pytest.mark.parametrize("text", ["", "1.0", ">=", ">=1,", "~=1.0", ">=$(id)", "==1.*"])
def test_text_that_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="not a range of package versions"):
        PackageRange(text)


@pytest.mark.parametrize(
    ("text", "empty"),
    [(">=2,<1", True), (">1,<1", True), ("==1,==2", True), (">=1,<=1", False), (">=1~x,<1", False), (">=1", False)],
)  # fmt: skip
def test_range_that_no_version_meets(text: str, empty: bool) -> None:
    assert PackageRange(text).is_empty() is empty
