"""A plain command fails and the forced one works: the class's own settings are the cause, and named with their file."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.experiment import differing
from builder_contracts.prove.bazel.judge import judge as judge_bazel
from builder_contracts.prove.bazel.log import parse_settings
from builder_contracts.prove.bazel.record import PLAIN, BazelRecord, BazelRun
from builder_contracts.prove.class_settings import ClassSetting, judge_plain
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.nix.class_conf import find_settings, netrc_line
from builder_contracts.prove.nix.judge import judge as judge_nix
from builder_contracts.prove.nix.log import NixLog
from builder_contracts.prove.nix.record import PLAIN_GOOD, NixRecord, NixRun
from builder_contracts.prove.publication.docker_push import credential_helpers
from builder_contracts.prove.publication.judge import judge as judge_publication
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.services.principals import Principal
from builder_contracts.verdict import Assessment, Outcome, broken, kept, unproven
from tests.prove.example_records import (
    LINES,
    LOCAL,
    URL,
    bazel,
    bazel_build,
    deployed_bazel,
    http_line,
    nix,
    nix_failed,
    nix_fetched,
)

KEPT, BROKEN, UNPROVEN = Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN
GOOD, BAD, LOST = kept("works"), broken("no hit", "guess"), unproven("no answer")
SETTING = ClassSetting("substitute = false", "/etc/nix/nix.conf")
CAUSE = "the class's own settings: substitute = false in /etc/nix/nix.conf"


@pytest.mark.parametrize(
    ("plain", "forced", "settings", "outcome", "cause"),
    [
        (GOOD, BAD, (), KEPT, ""),
        (BAD, GOOD, (SETTING,), BROKEN, CAUSE),
        (BAD, GOOD, (), BROKEN, "the class's own settings: none of those that the proof compares"),
        (BAD, BAD, (SETTING,), BROKEN, "guess"),
        (BAD, LOST, (SETTING,), UNPROVEN, ""),
        (LOST, GOOD, (SETTING,), BROKEN, CAUSE),
        (LOST, GOOD, (), UNPROVEN, ""),
        (LOST, BAD, (), BROKEN, "guess"),
    ],
)
def test_plain_and_forced_table(
    plain: Assessment, forced: Assessment, settings: tuple[ClassSetting, ...], outcome: Outcome, cause: str
) -> None:
    assessment = judge_plain(plain, forced, settings)
    assert (assessment.outcome, assessment.cause) == (outcome, cause)


# Bazel

ACCEPT = ClassSetting("--noremote_accept_cached", "/etc/bazel.bazelrc")
ADDRESS = ClassSetting("--remote_cache=http://other", "/home/runner/.bazelrc")
EXCLUDED = ClassSetting("--modify_execution_info=.*=+no-remote-cache", "/etc/bazel.bazelrc")
UPLOAD = ClassSetting("--remote_upload_local_results=false", "/etc/bazel.bazelrc")


def plain_hit(run: BazelRun, *lines: AccessLogLine, **changes: object) -> BazelRecord:
    runs = {**bazel().runs, f"{PLAIN}hit": run}
    served = {**LINES["http"], f"{PLAIN}hit": lines}
    return bazel(runs=runs, served=served, **{"settings": (ACCEPT,), **changes})  # type: ignore[arg-type]


def plain_cold(run: BazelRun, stored: StoreLookup, *lines: AccessLogLine, **changes: object) -> BazelRecord:
    runs = {**bazel().runs, f"{PLAIN}cold": run}
    served = {**LINES["http"], f"{PLAIN}cold": lines}
    return bazel(runs=runs, served=served, plain_upload=stored, **{"settings": (ACCEPT,), **changes})  # type: ignore[arg-type]


def uncacheable(run: BazelRun) -> BazelRun:
    return dataclasses.replace(
        run, spawns=tuple(dataclasses.replace(spawn, cacheable=False) for spawn in run.spawns)
    )


MISSED, RAN = bazel_build(LOCAL), bazel_build(LOCAL)
NOTHING = StoreLookup(False, "0 of 2 results of this build are in the store")
FAILED = dataclasses.replace(MISSED, warnings=("WARNING: Remote Cache: UNAVAILABLE: io",))
OWN = "the class's own settings"
BAZEL_TABLE: dict[str, tuple[str, BazelRecord, Outcome, str]] = {
    "misses": ("hit", plain_hit(MISSED), BROKEN, f"{OWN}: --noremote_accept_cached in /etc/bazel.bazelrc"),
    "disk cache hits": ("hit", plain_hit(bazel_build("disk cache hit")), BROKEN, OWN),
    "empty log": ("hit", plain_hit(BazelRun(0)), BROKEN, OWN),
    "actions kept from the cache": ("hit", plain_hit(uncacheable(MISSED)), BROKEN, OWN),
    "no answer, with another address": ("hit", plain_hit(FAILED, settings=(ADDRESS, ACCEPT)), BROKEN, str(ADDRESS)),
    "no answer, with another setting": ("hit", plain_hit(FAILED), UNPROVEN, ""),
    "no answer, without a setting": ("hit", plain_hit(FAILED, settings=()), UNPROVEN, ""),
    "server that failed": ("hit", plain_hit(MISSED, http_line("GET", "/ac/a1", 502)), UNPROVEN, ""),
    "other keys": ("hit", plain_hit(bazel_build(LOCAL, "-other")), BROKEN, "machine state leaks into the action key"),
    "one other key": ("hit", plain_hit(dataclasses.replace(
        MISSED, spawns=(dataclasses.replace(MISSED.spawns[0], digest="other"), MISSED.spawns[1]),
    )), BROKEN, OWN),
    "no keys": ("hit", plain_hit(dataclasses.replace(
        MISSED, spawns=tuple(dataclasses.replace(spawn, digest="") for spawn in MISSED.spawns),
    )), BROKEN, OWN),
    "nothing uploaded": ("upload", plain_cold(RAN, NOTHING, settings=(ACCEPT, UPLOAD)), BROKEN, f"{OWN}: {UPLOAD}"),
    "nothing uploaded, no setting": ("upload", plain_cold(RAN, NOTHING, settings=()), BROKEN, OWN),
    "nothing cacheable": (
        "upload", plain_cold(uncacheable(RAN), StoreLookup(None, "no action ran"), settings=(EXCLUDED,)), BROKEN, str(EXCLUDED),
    ),
    "upload to a server that failed": (
        "upload", plain_cold(RAN, NOTHING, http_line("PUT", "/ac/a1", 503, "writer")), UNPROVEN, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", BAZEL_TABLE)
def test_plain_bazel_build_table(row: str) -> None:
    show, record, outcome, cause = BAZEL_TABLE[row]
    assessment, witnesses = judge_bazel(show, record)
    assert assessment.outcome is outcome
    assert cause in assessment.cause
    assert witnesses[0].startswith("client: ")


@pytest.mark.parametrize("show", ["counterfactual", "poisoned"])
def test_build_without_cache_counts_excluded_actions(show: str) -> None:
    without = uncacheable(bazel().runs["without"])
    assert judge_bazel(show, bazel(runs={**bazel().runs, "without": without}))[0].outcome is KEPT


def test_both_bazel_builds_fail_by_the_server() -> None:
    runs = {**bazel().runs, "hit": MISSED, f"{PLAIN}hit": MISSED}
    served = {**LINES["http"], f"{PLAIN}hit": ()}
    assessment = judge_bazel("hit", bazel(runs=runs, served=served, settings=(ACCEPT,)))[0]
    assert assessment.outcome is BROKEN
    assert OWN not in assessment.cause


def test_deployed_bazel_cache_has_plain_builds_too() -> None:
    runs = {**deployed_bazel().runs, f"{PLAIN}cold": RAN}
    served = {**deployed_bazel().served, f"{PLAIN}cold": ()}
    record = deployed_bazel(runs=runs, served=served, plain_upload=NOTHING, settings=(ACCEPT,))
    assert OWN in judge_bazel("upload", record)[0].cause


# As Bazel 7.7.1 writes it, with a configuration that a file selects.
ANNOUNCED = """INFO: Reading 'startup' options from /etc/bazel/bazelrc: --install_base=/usr/share/bazel
INFO: Options provided by the client:
  Inherited 'common' options: --isatty=0 --terminal_columns=80
INFO: Reading rc options for 'test' from /etc/bazel.bazelrc:
  Inherited 'build' options: --noremote_accept_cached --disk_cache=/tmp/disk cache --config=ci
INFO: Reading rc options for 'test' from /home/runner/.bazelrc:
  'test' options: --remote_upload_local_results=0
INFO: Found applicable config definition build:ci in file /home/runner/.bazelrc: --remote_timeout=3
Computing main repo mapping:
  nothing options: --of_this
"""


def test_announced_options_have_their_files() -> None:
    assert parse_settings(ANNOUNCED) == (
        ClassSetting("--noremote_accept_cached", "/etc/bazel.bazelrc"),
        ClassSetting("--disk_cache=/tmp/disk cache", "/etc/bazel.bazelrc"),
        ClassSetting("--config=ci", "/etc/bazel.bazelrc"),
        ClassSetting("--remote_upload_local_results=0", "/home/runner/.bazelrc"),
        ClassSetting("--remote_timeout=3", "/home/runner/.bazelrc"),
    )


@given(st.text())
def test_any_text_parses_as_settings(text: str) -> None:
    assert all(setting.source for setting in parse_settings(text))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--noremote_accept_cached",), ("--noremote_accept_cached",)),
        (("--remote_accept_cached=0",), ("--remote_accept_cached=0",)),
        (("--remote_accept_cached", "--remote_upload_local_results=yes"), ()),
        (("--remote_accept_cached=false", "--remote_accept_cached"), ()),
        (("--disk_cache=",), ()),
        (("--disk_cache=/a", "--disk_cache=/b"), ("--disk_cache=/b",)),
        (("--remote_cache=",), ("--remote_cache=",)),
        (("--remote_cache=grpc://cache",), ()),
        (("--modify_execution_info=.*=+no-remote-cache",), ("--modify_execution_info=.*=+no-remote-cache",)),
        (("--remote_header=authorization=secret", "--config=ci", "-k"), ()),
    ],
)
def test_settings_that_the_forced_build_overrules(
    options: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    settings = tuple(ClassSetting(option, "/etc/bazel.bazelrc") for option in options)
    assert (
        tuple(setting.text for setting in differing(settings, Endpoint("bazel-grpc", "grpc://cache", "")))
        == expected
    )


# Nix

SIGS = ClassSetting("require-sigs = false", "/etc/nix/nix.conf")


def plain_good(run: NixRun, status: int = 200, **changes: object) -> NixRecord:
    attempts = {**nix().attempts, PLAIN_GOOD: run}
    lines = (AccessLogLine("anonymous", "10.0.0.2", "GET", "/main/nix-cache-info", status),)
    served = {**nix().served, PLAIN_GOOD: lines}
    return nix(attempts=attempts, served=served, **{"settings": (SETTING, SIGS), **changes})


NIX_TABLE: dict[str, tuple[NixRecord, Outcome, str]] = {
    "nothing substituted": (plain_good(nix_failed("error: no substituter can build it")), BROKEN, CAUSE),
    "nothing substituted, no setting": (plain_good(nix_failed("error: none"), settings=(SIGS,)), BROKEN, OWN),
    "no answer, with a setting": (plain_good(nix_failed(f"unable to download '{URL}': timed out")), UNPROVEN, ""),
    "no answer, without a setting": (
        plain_good(nix_failed(f"unable to download '{URL}': timed out"), settings=()), UNPROVEN, "",
    ),
    "server that failed": (plain_good(nix_failed(f"unable to download '{URL}': HTTP error 502"), 502), UNPROVEN, ""),
}  # fmt: skip


@pytest.mark.parametrize("row", NIX_TABLE)
def test_plain_substitution_table(row: str) -> None:
    record, outcome, cause = NIX_TABLE[row]
    assessment = judge_nix("substituted", record)[0]
    assert assessment.outcome is outcome
    assert cause in assessment.cause
    assert judge_nix("key", record)[0].outcome is KEPT


def test_other_substituter_that_is_away_is_no_lost_cache() -> None:
    away = "warning: unable to download 'https://cache.nixos.org/nix-cache-info': Could not resolve host"
    run = dataclasses.replace(nix_fetched(), log=dataclasses.replace(nix_fetched().log, messages=(away,)))
    assert judge_nix("substituted", nix(attempts={**nix().attempts, "good": run}))[0].outcome is KEPT
    lost = NixRun(1, NixLog(messages=(away.replace("https://cache.nixos.org", URL),)))
    assert judge_nix("substituted", nix(attempts={**nix().attempts, "good": lost}))[0].outcome is UNPROVEN


@pytest.mark.parametrize("show", ["unsigned", "recovery"])
def test_accepted_unsigned_path_names_the_setting(show: str) -> None:
    attempts = {**nix().attempts, show: nix_fetched("http://cache.example/unsigned")}
    assessment = judge_nix(show, nix(attempts=attempts, settings=(SETTING, SIGS)))[0]
    assert assessment.outcome is BROKEN
    assert assessment.cause == "the class's own settings: require-sigs = false in /etc/nix/nix.conf"
    assert "trusted=1" in judge_nix(show, nix(attempts=attempts))[0].cause


SOURCES = {
    "NIX_CONFIG": "experimental-features = flakes\n# substitute = true\n",
    "/home/runner/.config/nix/nix.conf": "substitute = false # really\nsubstituters = http://a\nsubstituters = http://b",
    "/etc/nix/nix.conf": "substitute = true\nrequire-sigs=false\nnetrc-file = /etc/netrc\n",
}
USER = "/home/runner/.config/nix/nix.conf"
VALUES = {
    "substitute": "true",
    "substituters": f"http://a {URL}",
    "trusted-public-keys": "other:x main-1:key",
    "require-sigs": "true",
    "netrc-file": "/work/proof.keys/given-netrc",
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ()),
        (dict.fromkeys(VALUES, ""), ()),
        ({"substitute": "false"}, (("substitute = false", USER),)),
        ({"require-sigs": "false"}, (("require-sigs=false", "/etc/nix/nix.conf"),)),
        ({"substituters": "http://a"}, (("substituters = http://b", USER),)),
        ({"trusted-public-keys": "other:x"}, ()),
        ({"netrc-file": "/etc/netrc"}, (("netrc-file = /etc/netrc", "/etc/nix/nix.conf"),)),
    ],
)
def test_wrong_nix_settings_have_their_files(
    changed: dict[str, str], expected: tuple[tuple[str, str], ...]
) -> None:
    settings = find_settings({**VALUES, **changed}, SOURCES, URL, "main-1:key")
    assert settings == tuple(ClassSetting(*pair) for pair in expected)


def test_netrc_names_the_host_alone() -> None:
    line = netrc_line("http://cache.example:8080/main?secret-key=/k", Principal("me", "secret"))
    assert line == b"machine cache.example login me password secret\n"


# Publication

HELPER = ClassSetting('"credsStore": "desktop"', "/home/runner/.docker/config.json")
WRITTEN = PublishAttempt(
    "writer",
    {"docker push": "OK pushed"},
    {"docker push": StoreLookup(True, "200")},
    {},
    (AccessLogLine("writer", "10.0.0.2", "PUT", "/v2/proof", 201),),
    "docker push",
    settings=(HELPER,),
)


@pytest.mark.parametrize(
    ("changes", "outcome", "cause"),
    [
        ({"plain": "refused error saving credentials"}, BROKEN, str(HELPER)),
        ({"plain": "refused error", "settings": ()}, BROKEN, OWN),
        ({"plain": "LOST timed out"}, UNPROVEN, ""),
        ({"plain": "503 down"}, UNPROVEN, ""),
        (
            {"plain": "401 no", "answers": {"docker push": "401 no"}},
            BROKEN,
            "the writer's credentials are wrong",
        ),
        ({}, KEPT, ""),
    ],
)
def test_plain_publication_table(changes: dict[str, object], outcome: Outcome, cause: str) -> None:
    attempt = dataclasses.replace(WRITTEN, **changes)  # type: ignore[arg-type]
    assessment = judge_publication("writer", attempt)[0]
    assert assessment.outcome is outcome
    assert cause in assessment.cause


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", {}),
        ("{}", {}),
        ("{nope", None),
        ("[1]", None),
        ('{"credsStore": "desktop"}', {'"credsStore": "desktop"': "docker-credential-desktop"}),
        ('{"credHelpers": {"registry.example": "ecr"}}', {'"credHelpers": {"registry.example": "ecr"}': "docker-credential-ecr"}),
        ('{"credHelpers": {"other.example": "ecr"}}', {}),
        ('{"credHelpers": []}', {}),
    ],
)  # fmt: skip
def test_client_configuration_names_helpers(content: str, expected: dict[str, str] | None) -> None:
    assert credential_helpers(content, "registry.example") == expected


def test_fix_depends_on_whether_a_setting_explains_it() -> None:
    setting = ClassSetting("substitute = false", "/etc/nix/nix.conf")
    fixes = [judge_plain(broken("no", ""), kept("yes"), known).fix for known in ([setting], [])]
    assert fixes[0].startswith("correct these settings")
    assert fixes[1].startswith("compare the class's configuration")
