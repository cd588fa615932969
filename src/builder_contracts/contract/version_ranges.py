"""Version ranges: comma-separated comparisons such as ``>=2.24,<3``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import PromiseError

# Letters may precede it directly: v20.11.1, go1.22, OpenSSH_9.2p1.
_RELEASE = re.compile(r"(?<![0-9.])([0-9]{1,9}(?:\.[0-9]{1,9}){1,4})")
_WHOLE = re.compile(r"(?<![\w.])v?([0-9]{1,9})(?![\w.])")
# What release_in finds has numbers and dots only, so a bound with more could never hold.
_BOUND = re.compile(r"\s*(?:[<>]=?|[=!~]=)\s*[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}(?:\.\*)?\s*")
_EXAMPLE = "use comparisons such as '>=2.24,<3'"


@dataclass(frozen=True)
class VersionRange:
    """A range in the syntax of the contract, which is that of Python's version specifiers."""

    text: str

    @cached_property
    def _specifiers(self) -> SpecifierSet:
        return SpecifierSet(self.text)

    def holds(self, version: str) -> bool:
        """Whether a release such as ``2.34.8`` lies in the range."""
        return self._specifiers.contains(Version(version), prereleases=True)

    def implies(self, other: VersionRange) -> bool:
        """Whether every release of this range lies in the other."""
        # What holds at, between and beyond the bounds of both holds everywhere.
        samples = [*_samples(self._specifiers), *_samples(other._specifiers)]
        return all(
            other._specifiers.contains(sample, prereleases=True)
            for sample in samples
            if self._specifiers.contains(sample, prereleases=True)
        )

    @classmethod
    def read(cls, text: str, at: Pointer) -> VersionRange:
        """Raises Fault for what does not parse and for a range without any bound."""
        if not text.replace(",", "").strip():
            raise PromiseError(at, f"version range {text!r} has no bound, so it promises nothing", _EXAMPLE)
        try:
            if not all(map(_BOUND.fullmatch, text.split(","))):
                raise InvalidSpecifier
            held = _held(text)
        except InvalidSpecifier:
            raise PromiseError(at, f"{text!r} is not a version range", _EXAMPLE) from None
        if held == {True}:
            raise PromiseError(
                at, f"version range {text!r} allows every version, so it promises nothing", _EXAMPLE
            )
        if held == {False}:
            raise PromiseError(at, f"version range {text!r} is empty, so it can never be met", _EXAMPLE)
        return cls(text)


@cache
def _held(text: str) -> frozenset[bool]:
    """Whether a range holds any release, and whether it leaves out any. Raises InvalidSpecifier."""
    specifiers = SpecifierSet(text)
    return frozenset(specifiers.contains(version, prereleases=True) for version in _samples(specifiers))


def _samples(specifiers: SpecifierSet) -> list[str]:
    """Versions at, just above and below the bounds: a range that holds any holds one of these."""
    bounds = [specifier.version.removesuffix(".*") for specifier in specifiers]
    return ["0", *bounds, *(f"{bound}.0.0.0.1" for bound in bounds)]


def release_in(output: str) -> str | None:
    """The first dotted release number in what a tool printed, or the first whole number, or None.

    >>> release_in("nix (Nix) 2.34.8+dfsg")
    '2.34.8'
    >>> release_in("less 668 (GNU regular expressions)")
    '668'
    """
    match = _RELEASE.search(output) or _WHOLE.search(output)
    return match[1] if match else None
