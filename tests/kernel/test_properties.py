"""Whatever a build prints and however its steps end, every clause gets an answer."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel import claims, kconfig
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel.boot_console import parse_console
from builder_contracts.prove.kernel.record import Boot, CacheServer, KernelBuild, KernelRecord, TierStep
from builder_contracts.prove.unavailable import Unavailable

from . import records

KEYS = st.sampled_from(
    ["measured", "status", "largest_process", "peak", "oom_kills", "limit", "cache", "digests", "images", "objects",
     "fragment", "text", "config", "release", "version", "patch", "said", "package", "file", "files", "named", "arch"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
OUTPUT = st.lists(
    st.dictionaries(KEYS, JSON, max_size=5).map(json.dumps) | st.text(max_size=60), max_size=6
).map("\n".join)
STEPS = st.builds(
    TierStep,
    name=st.text(max_size=10),
    status=st.none() | st.integers(0, 255),
    stdout=OUTPUT,
    stderr=st.text(max_size=200),
    seconds=st.floats(0, 1e6),
    budget=st.floats(1, 1e6),
    ended=st.sampled_from(["", "no exit within 3 s", "the container died"]),
    killed=st.booleans(),
)
LOST = st.just(Unavailable("the step was not reached"))
BUILDS = st.builds(KernelBuild, STEPS, st.lists(st.text(max_size=20), max_size=7).map(tuple))
WORDS = st.sampled_from(
    ["begin", "release", "version", "built", "config CONFIG_A=y", "hid", "drm x", "quirk", "end"]
)
CONSOLES = st.lists(
    WORDS.map(lambda word: f"LINUX-XR {records.NONCE} {word}")
    | st.text(max_size=60)
    | st.just("Kernel panic - not syncing: x")
).map("\n".join)
BOOTS = st.builds(
    Boot,
    st.builds(dataclasses.replace, STEPS, stdout=CONSOLES),
    st.just(records.NONCE),
    st.text(max_size=10),
)
RECORDS = st.builds(
    KernelRecord,
    release=st.text(max_size=10),
    quirk=st.text(max_size=10),
    devices=st.lists(st.sampled_from(["drm", "hid"]), max_size=2).map(tuple),
    folder=st.just("/home/runner/linux-xr"),
    limit=st.none() | st.integers(0, 2**40),
    unpack=LOST | STEPS,
    patches=st.none() | LOST | STEPS,
    configure=LOST | STEPS,
    cold=LOST | BUILDS,
    warm=LOST | BUILDS,
    server=LOST | st.builds(CacheServer, *[st.integers(0, 9)] * 3),
    package=LOST | STEPS,
    boot=LOST | BOOTS,
    capacity=st.sampled_from(["", ": the host has 1Gi"]),
)


@given(RECORDS)
def test_any_record_gets_a_result_for_every_clause(record: KernelRecord) -> None:
    results = tiers.judge(record)
    assert results.keys() == tiers.SHOWS.keys()
    for finding in results.values():
        assert finding.reason if isinstance(finding, Unavailable) else finding.observed
        # A broken promise names its likely cause.
        assert isinstance(finding, Unavailable) or finding.good or finding.likely


@given(RECORDS)
def test_claim_needs_every_part_proved(record: KernelRecord) -> None:
    results = tiers.judge(record)
    reached = claims.highest_claim(results)
    packaged = isinstance(results["package"], CheckResult) and results["package"].good
    boots = isinstance(results["boot"], CheckResult) and results["boot"].good
    assert reached.claim is claims.KernelClaim.NONE or packaged
    assert reached.claim is not claims.KernelClaim.REALTIME or (packaged and boots)


@given(RECORDS)
def test_lost_tier_keeps_nothing(record: KernelRecord) -> None:
    results = tiers.judge(record)
    for tier, name in (
        ("boot", "boot"),
        ("package", "package"),
        ("cold", "build"),
        ("configure", "configure"),
    ):
        if isinstance(getattr(record, tier), Unavailable):
            judged = [results[show] for show in tiers.TIERS[name]]
            assert not [finding for finding in judged if isinstance(finding, CheckResult) and finding.good]


@given(
    st.dictionaries(
        st.from_regex(r"CONFIG_[A-Z0-9_]{1,12}", fullmatch=True),
        st.sampled_from(["y", "m", "n", '"x y"', "0x10"]),
    )
)
def test_options_survive_a_round_trip(options: dict[str, str]) -> None:
    written = "\n".join(
        f"# {name} is not set" if value == "n" else f"{name}={value}" for name, value in options.items()
    )
    assert kconfig.parse_options(written) == options


@given(st.text())
def test_any_console_is_parsed(text: str) -> None:
    console = parse_console(text, "nonce")
    assert console.ended == ("end" in console.lines)
