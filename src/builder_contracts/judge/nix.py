"""Judges promises about Nix's settings."""

from __future__ import annotations

from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: NixSetting, facts: Facts) -> Assessment:
    inspect = f'.nix_settings["{promise.name}"]'
    setting = facts.nix_settings.get(promise.name, NOT_ASKED)
    if isinstance(setting, Unseen):
        return unproven_because(setting, inspect)
    if setting.value is None:
        return broken(
            f"Nix has no setting {promise.name}",
            "this version of Nix does not know it, or it belongs to an experimental feature that is off",
            inspect=inspect,
        )
    seen = f"{promise.name} = {setting.value}" + (f" (set in {setting.source})" if setting.source else "")
    words = setting.value.split()
    holds = {
        "equal": words == list(promise.words),
        "same": sorted(words) == sorted(promise.words),
        "contains": set(promise.words) <= set(words),
    }[promise.match]
    if holds:
        return kept(seen, inspect=inspect)
    likely = (
        f"{setting.source} sets it; sources that count more are, in this order, NIX_CONFIG, the user's files, the system's"
        if setting.source
        else "no configuration file sets it: this is Nix's default, or a file that another one includes sets it"
    )
    return broken(seen, likely, inspect=inspect)


def explain(promise: NixSetting) -> Explanation:
    return Explanation(
        how="The value that `nix config show` prints for a job (`nix show-config` before Nix 2.20): "
        "the result of NIX_CONFIG, the user's files, the system's file and Nix's defaults. "
        "The verdict names the first of them that sets it; files that they include are not searched.",
        unproven=f"{RUNNER_LOST}; or the job has no nix that runs.",
        why="A file says what was meant; a job gets what is in effect after all files and variables.",
        breaks="NIX_CONFIG in the pool's template, a nix.conf in the job's home directory, another default.",
        fix=f"Set {promise.name} in /etc/nix/nix.conf, and in no file or variable that counts more.",
    )
