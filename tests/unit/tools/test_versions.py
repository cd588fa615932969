"""The version of a tool is read from the line that carries it, and sorted as its tool sorts."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from builder_contracts.tools import versions
from builder_contracts.tools.catalog import KnownTool, catalog
from builder_contracts.tools.versions import ToolVersion, version_in


def version(name: str, output: str) -> ToolVersion | None:
    tool = catalog().get(name, KnownTool(name))
    return version_in(output, name, tool.pattern, tool.order)


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(versions).failed == 0


@pytest.mark.parametrize(
    ("name", "output", "text"),
    [
        ("gcc", "gcc (crosstool-NG 12.0 build) 9.4.0", "9.4.0"),
        ("gcc", "x86_64-unknown-linux-gnu-gcc (crosstool-NG 1.26.0) 13.2.0", "13.2.0"),
        ("gcc-12", "gcc-12 (Debian 12.2.0-14) 12.2.0", "12.2.0"),
        ("nix", "nix (Determinate Nix 3.4.1) 2.28.2", "2.28.2"),
        ("nix", "nix (Nix) 2.19.0pre20230921_abc", "2.19.0pre20230921"),
        ("git", "A new release of git is available: 2.51.0\ngit version 1.8.3.1", "1.8.3.1"),
        ("git", "git version 1.8.3.1\nA new release of git is available: 2.51.0", "1.8.3.1"),
        ("git", "\x1b[38.5mgit version 1.8.3\x1b[0m", "1.8.3"),
        ("git", "?[38.5mgit version 1.8.3?[0m", "1.8.3"),
        ("git", "git version 2.51.0.rc1.windows.1", "2.51.0.rc1"),
        ("javac", "Picked up JAVA_TOOL_OPTIONS: -XX:MaxRAMPercentage=75.0\njavac 11.0.7", "11.0.7"),
        ("java", 'Picked up _JAVA_OPTIONS: -Xmx1.5g\nopenjdk version "17.0.2-ea" 2022', "17.0.2-ea"),
        ("python3", "Python 3.13.0rc1", "3.13.0rc1"),
        ("go", "go version go1.23rc2 linux/amd64", "1.23rc2"),
        ("openssl", "OpenSSL 1.1.1w  11 Sep 2023", "1.1.1w"),
        ("node", "v22.0.0-nightly20240101abc", "22.0.0-nightly20240101"),
        ("rustc", "rustc 1.80.0-nightly (abc 2024-05-01)", "1.80.0-nightly"),
        ("docker", "Docker version 28.5.2+dfsg4, build 9cc6", "28.5.2"),
        ("jq", "jq-1.5-1-a5b5cbe", "1.5"),
        ("jq", "jq-1.7rc1", "1.7rc1"),
        ("bash", "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"),
        ("less", "less 668 (GNU regular expressions)", "668"),
        ("ld", "GNU ld (GNU Binutils for Debian) 2.40", "2.40"),
        ("perl", "\nThis is perl 5, version 42, subversion 3 (v5.42.3) built for x86_64", "5.42.3"),
        ("awk", "mawk 1.3.4 20260302", "1.3.4"),
        ("make", "GNU Make 4.4.1\nBuilt for x86_64", "4.4.1"),
        ("tmux", "tmux 3.3a", "3.3"),
        ("our-tool", "warning: format 3.0 is old\nour-tool v2.1-rc.1", "2.1-rc.1"),
        ("our-tool", "7.0.1", "7.0.1"),
        ("our-tool", "Release: 7.1 (stable)", "7.1"),
    ],
)  # fmt: skip
def test_the_version_is_read_from_its_line(name: str, output: str, text: str) -> None:
    seen = version(name, output)
    assert seen is not None
    assert seen.text == text


@pytest.mark.parametrize(
    "output", ["", "usage: our-tool", "something 1.2 odd", "built in 0.3 s", "100% done"]
)
def test_a_number_that_no_line_explains_is_no_version(output: str) -> None:
    assert version("our-tool", output) is None


@pytest.mark.parametrize(
    ("name", "ascending"),
    [
        ("python3", ["Python 3.13.0a1", "Python 3.13.0b2", "Python 3.13.0rc1", "Python 3.13.0"]),
        ("go", ["go version go1.22.9 x", "go version go1.23rc2 x", "go version go1.23 x"]),
        ("openssl", ["OpenSSL 1.1.1 x", "OpenSSL 1.1.1a x", "OpenSSL 1.1.1w x", "OpenSSL 3.0.0 x"]),
        ("nix", ["nix (Nix) 2.18.9", "nix (Nix) 2.19.0pre20230921_abc", "nix (Nix) 2.19.0"]),
        ("rustc", ["rustc 1.80.0-nightly (x)", "rustc 1.80.0-beta.3 (x)", "rustc 1.80.0 (x)"]),
        ("mvn", ["Apache Maven 4.0.0-alpha-5", "Apache Maven 4.0.0-rc-1", "Apache Maven 4.0.0"]),
    ],
)  # fmt: skip
def test_versions_sort_as_their_tool_sorts_them(name: str, ascending: list[str]) -> None:
    seen = [version(name, output) for output in ascending]
    releases = [Version(item.release) for item in seen if item]
    assert len(releases) == len(ascending)
    assert releases == sorted(set(releases))


def test_dates_are_the_same_with_and_without_hyphens() -> None:
    releases = [
        version_in(f"x {text}", "x", order="date") for text in ("2024-03-01", "20240301", "2024-10-01")
    ]
    assert [item.release for item in releases if item] == ["2024.3.1", "2024.3.1", "2024.10.1"]


@given(st.text(max_size=200), st.sampled_from(sorted(catalog())))
def test_any_output_is_read_without_an_error(output: str, name: str) -> None:
    seen = version(name, output)
    if seen is not None:
        assert str(Version(seen.release))
