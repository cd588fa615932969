"""Version ranges, and finding a release in what a tool printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.named_promise import PromiseError
from builder_contracts.contract.version_ranges import VersionRange, release_in

RELEASE = st.lists(st.integers(0, 40), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
BOUND = st.tuples(st.sampled_from([">=", "<=", ">", "<", "==", "!="]), RELEASE).map("".join)


@pytest.mark.parametrize(
    ("text", "held", "not_held"),
    [
        (">=2.24,<3", "2.24", "3"),
        (">=2.24,<3", "2.34.8", "2.23.9"),
        (">=2.24, <3", "2.100", "2.3"),
        ("==2.*", "2.0", "3.0"),
        ("!=3", "3.0.1", "3.0"),
        ("~=2.2", "2.9", "3.0"),
        (">2,<3", "2.0.1", "2"),
        (">=2", "3.0rc1", "2.0rc1"),
    ],
)
def test_a_release_lies_in_the_range_or_not(text: str, held: str, not_held: str) -> None:
    versions = VersionRange.read(text, ())
    assert versions.holds(held)
    assert not versions.holds(not_held)


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "2.24",
        "^2",
        "~2",
        "2.x",
        ">=2 <3",
        "=>2",
        ">=",
        ">=2.24rc1",
        "===2",
        ">=1!2",
        "==1.0+local",
        "~=2",
        ">=٣",
        "$(rm -rf /)",
        ">=2\n,<3;",
        ">=" + "9" * 90,
    ],
)
def test_what_is_no_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PromiseError, match="is not a version range") as caught:
        VersionRange.read(text, ("at",))
    assert caught.value.fix == "use comparisons such as '>=2.24,<3'"
    assert caught.value.pointer == ("at",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">3,<2", "version range '>3,<2' is empty, so it can never be met"),
        (">=0", "version range '>=0' allows every version, so it promises nothing"),
    ],
)
def test_a_range_of_no_or_every_version_is_refused(text: str, message: str) -> None:
    with pytest.raises(PromiseError) as caught:
        VersionRange.read(text, ())
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("narrow", "wide", "implied"),
    [
        (">=3", ">=2", True),
        (">=2", ">=3", False),
        ("==2.*", ">=2,<3", True),
        (">=2,<3", "==2.4", False),
        (">=1", "!=5", False),
        ("<3", ">=1", False),
        (">2,<=3", ">2,<3", False),
    ],
)
def test_a_range_implies_a_wider_one_alone(narrow: str, wide: str, implied: bool) -> None:
    assert VersionRange(narrow).implies(VersionRange(wide)) is implied


@pytest.mark.parametrize("text", ["", ",", " , ,"])
def test_a_range_needs_a_bound(text: str) -> None:
    with pytest.raises(PromiseError, match="has no bound, so it promises nothing"):
        VersionRange.read(text, ())


@given(st.lists(BOUND, min_size=1, max_size=3), st.lists(RELEASE, min_size=1, max_size=30))
def test_only_a_range_of_all_or_no_versions_is_rejected(bounds: list[str], releases: list[str]) -> None:
    text = ",".join(bounds)
    try:
        versions = VersionRange.read(text, ())
    except PromiseError as fault:
        # The samples are independent of the product's: any release of the wrong kind shows a false refusal.
        every = "every version" in fault.message
        anything = VersionRange(text)
        assert all(anything.holds(release) is every for release in releases)
    else:
        for release in releases:
            versions.holds(release)


@pytest.mark.parametrize(
    ("output", "release"),
    [
        ("nix (Nix) 2.34.8+dfsg", "2.34.8"),
        ("git version 2.47.1", "2.47.1"),
        ("xz (XZ Utils) 5.6.3\nliblzma 5.6.3", "5.6.3"),
        ("less 668 (GNU regular expressions)", "668"),
        ("jq-1.7.1", "1.7.1"),
        ("go version go1.22.1 linux/amd64", "1.22.1"),
        ("v20.11.1", "20.11.1"),
        ("OpenSSH_9.2p1 Debian-2", "9.2"),
        ("20250101123456.1 build 3.4", "3.4"),
        ("Docker version 28.5.2, build abcdef1", "28.5.2"),
        ("openjdk 25 2025-09-16", "25"),
        ("bazel 7.7.1- (@non-git)", "7.7.1"),
        ("no version here", None),
        ("", None),
        ("версия ٣.٤", None),
    ],
)
def test_the_release_in_what_tools_print(output: str, release: str | None) -> None:
    assert release_in(output) == release


@given(st.text(max_size=200))
def test_whatever_was_found_can_be_compared(output: str) -> None:
    release = release_in(output)
    if release is not None:
        assert VersionRange(">=0").holds(release)
