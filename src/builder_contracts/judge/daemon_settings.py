"""Judges promises about the settings of the Docker daemon of a class."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.daemon import (
    DaemonInsecureRegistries,
    DaemonMtu,
    DaemonNetworks,
    DaemonSetting,
    DaemonStorageDriver,
)
from builder_contracts.facts.model import DaemonSettingsFacts, Seen, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept

# Every daemon has these.
_LOOPBACK = {"127.0.0.0/8", "::1/128"}


def judge(promise: DaemonSetting, settings: Seen[DaemonSettingsFacts]) -> Assessment:
    if isinstance(settings, Unseen):
        return unproven_because(settings, ".daemon.settings")
    match promise:
        case DaemonStorageDriver():
            inspect = ".daemon.settings.storage_driver"
            seen = f"storage driver {settings.storage_driver}"
            if settings.storage_driver in promise.drivers:
                return kept(seen, inspect=inspect)
            likely = "the volume below /var/lib/docker does not support the promised driver, or daemon.json names another"
            return broken(seen, likely, inspect=inspect)
        case DaemonInsecureRegistries():
            inspect = ".daemon.settings.insecure_registries"
            registries = sorted(set(settings.insecure_registries) - _LOOPBACK)
            seen = f"insecure registries: {', '.join(registries) or 'none beside loopback'}"
            if set(registries) == set(promise.registries):
                return kept(seen, inspect=inspect)
            likely = "insecure-registries in daemon.json, or an option of dockerd, differs"
            return broken(seen, likely, inspect=inspect)
        case DaemonMtu():
            inspect = ".daemon.settings.mtu"
            if isinstance(settings.mtu, Unseen):
                return unproven_because(settings.mtu, inspect)
            seen = f"MTU {settings.mtu}"
            if settings.mtu == promise.bytes:
                return kept(seen, inspect=inspect)
            likely = (
                "mtu in daemon.json, or an option of dockerd, differs; packets above the pod's MTU are lost"
            )
            return broken(seen, likely, inspect=inspect)
        case DaemonNetworks():
            inspect = ".daemon.settings.networks"
            seen = f"networks {', '.join(settings.networks) or 'none'}"
            if set(settings.networks) == set(promise.names):
                return kept(seen, inspect=inspect)
            likely = "an entry point created or removed one, or the daemon starts with another job's state"
            return broken(seen, likely, inspect=inspect)
        case _:
            assert_never(promise)


def explain(promise: DaemonSetting) -> Explanation:
    unproven = f"{RUNNER_LOST}; or the job has no docker client to which the daemon responds."
    match promise:
        case DaemonStorageDriver():
            return Explanation(
                how="The storage driver that the daemon reports to the job (docker info).",
                unproven=unproven,
                why="Builds on another driver take many times as long: vfs copies every layer.",
                breaks="A volume whose file system the driver does not support, a daemon.json.",
                fix=f"Give the daemon a volume on which {promise.drivers[0]} works.",
            )
        case DaemonInsecureRegistries():
            return Explanation(
                how="The registries that the daemon reports as insecure (docker info), without those on loopback, "
                "which every daemon has.",
                unproven=unproven,
                why="The daemon believes anybody who answers for an insecure registry.",
                breaks="An insecure-registries line in daemon.json that somebody needed once.",
                fix="Give the registry a certificate, and remove the line.",
            )
        case DaemonMtu():
            return Explanation(
                how="The MTU of the network called bridge, from the daemon itself (docker network inspect).",
                unproven=f"{unproven[:-1]}; or it has no default bridge.",
                why="Packets larger than the pod's network carries are lost: downloads in builds hang.",
                breaks="The default of 1500 on an overlay network that carries 1450.",
                fix=f"Start dockerd with --mtu={promise.bytes}.",
            )
        case DaemonNetworks():
            return Explanation(
                how="The names of the daemon's networks (docker network ls), before a job has made any.",
                unproven=unproven,
                why="A network that is there already belongs to somebody else, and hides a job's own.",
                breaks="A daemon whose state outlives its job, an entry point that creates networks.",
                fix="Start each job's daemon with empty state.",
            )
        case _:
            assert_never(promise)
