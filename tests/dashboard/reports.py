"""JUnit files for tests, as this product's plugin writes them and as plain pytest does."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

DEFAULTS = {
    "verdict": "kept",
    "rung": "C1",
    "promised": "xz on the job's PATH",
    "seen": "xz 5.4.1 at /usr/bin/xz",
    "source": "contracts/tinyland-nix.yaml:21",
    "image": "tinyland-nix",
    "image_digest": "sha256:4f1c",
    "contract_digest": "sha256:c0de",
    "environment": "embedded",
    "runner": "docker",
    "started": "2026-03-12T02:00:11Z",
    "seconds": "0.080",
}


def now() -> str:
    """A time that is fresh for the commands, which judge as of now."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def case(clause: str = "tinyland-nix/toolchain/xz", *, ending: str = "", **properties: str) -> str:
    """One testcase of a clause; ``ending`` is XML inside of it, and a property that is empty is left out."""
    pairs = {"clause": clause, **DEFAULTS, **properties}
    builder, _, name = clause.partition("/")
    inside = "".join(
        f"<property name={quoteattr(key.replace('__', '.'))} value={quoteattr(value)}/>"
        for key, value in pairs.items()
        if value
    )
    return (
        f"<testcase classname={quoteattr(builder)} name={quoteattr(name)} time='0.01'>"
        f"<properties>{inside}</properties>{ending}</testcase>"
    )


def suite(*cases: str, attributes: str = 'timestamp="2026-03-12T02:00:09+00:00"') -> bytes:
    """A whole report."""
    head = f'<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" {attributes}>'
    return f"{head}{''.join(cases)}</testsuite></testsuites>".encode()
