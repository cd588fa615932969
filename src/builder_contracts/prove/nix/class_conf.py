"""Give a job its Nix cache as a pool does: by a configuration file of its user; and read what the class itself sets.

Source: nix.conf(5), "Configuration file": the system's file, then the user's files from the last to the first, then
NIX_CONFIG, of which a later value replaces an earlier one. ``attic use`` puts the same three into the user's file: a
substituter, its key and a netrc file (client/src/command/use.rs of zhaofengli/attic at 0b528b5).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.services.principals import Principal

# What forced commands overrule, and whether signatures are checked, which they leave to the class.
_NAMES = ("substitute", "substituters", "trusted-public-keys", "require-sigs", "netrc-file")
_WHERE = (
    'others="${XDG_CONFIG_DIRS:-/etc/xdg}"; others="$(printf %s "$others" | sed "s|:|/nix/nix.conf:|g")/nix/nix.conf"; '
    'printf "%s\\0" "${NIX_CONFIG-}" "${NIX_USER_CONF_FILES:-${XDG_CONFIG_HOME:-$HOME/.config}/nix/nix.conf:$others}" '
    '"${NIX_CONF_DIR:-/etc/nix}/nix.conf"'
)
_SHOW = (
    'count=$1; shift; while [ "$count" -gt 0 ]; do printf "%s\\0" "$(nix config show "$1")"; shift; count=$((count - 1)); '
    'done; for file in "$@"; do printf "%s\\0" "$(cat "$file" 2>/dev/null)"; done'
)


@dataclass(frozen=True)
class ClassConf:
    """Where the class's own settings are: in the variable NIX_CONFIG, the user's files and the system's file."""

    variable: str
    user_files: str
    system_file: str

    @classmethod
    def of(cls, job: ProofJob) -> ClassConf:
        """Ask a job that has been given nothing yet. Raises Failed."""
        # Not in the job's folder, which there may not be yet.
        asked = job.run(["sh", "-c", _WHERE], deadline=30, folder="/")
        if asked.status != 0:
            raise StepFailed("reading Nix's configuration", format_completed(asked))
        variable, user_files, system_file, _ = asked.stdout.decode().split("\0")
        return cls(variable, user_files, system_file)

    def given(self, job: ProofJob, url: str, key: str, identity: Principal) -> ProofJob:
        """The job with a cache, its key and its credentials besides the class's own settings. Raises Failed."""
        file = f"{job.folder}.keys/given.conf"
        lines = [f"extra-substituters = {url}", f"extra-trusted-public-keys = {key}"]
        if identity.secret:
            netrc = f"{job.folder}.keys/given-netrc"
            job.write(netrc, netrc_line(url, identity))
            lines.append(f"netrc-file = {netrc}")
        job.write(file, "\n".join([*lines, ""]).encode())
        return dataclasses.replace(job, env={**job.env, "NIX_USER_CONF_FILES": f"{file}:{self.user_files}"})

    def settings(self, job: ProofJob, url: str, key: str) -> tuple[ClassSetting, ...]:
        """The class's own settings that keep its jobs from this cache, or let them take what nobody signed."""
        files = [*self.user_files.split(":"), self.system_file]
        line = ["sh", "-c", _SHOW, "sh", str(len(_NAMES)), *_NAMES, *files]
        output = job.run(line, deadline=60).stdout.decode("utf-8", "replace").split("\0")
        values = dict(zip(_NAMES, output, strict=False))
        contents = dict(zip(files, output[len(_NAMES) :], strict=False))
        return find_settings(values, {"NIX_CONFIG": self.variable, **contents}, url, key)


def find_settings(
    values: Mapping[str, str], sources: Mapping[str, str], url: str, key: str
) -> tuple[ClassSetting, ...]:
    """The settings with a wrong effective value, each from the source that comes first: that one is in force."""
    wrong = [name for name in ("substitute", "require-sigs") if values.get(name) == "false"]
    for name, expected in (("substituters", url), ("trusted-public-keys", key)):
        if values.get(name) and expected not in values[name].split():
            wrong.append(name)
    # Any file but the given one: Nix has one at most.
    if values.get("netrc-file") and not values["netrc-file"].endswith("/given-netrc"):
        wrong.append("netrc-file")
    return tuple(setting for name in wrong if (setting := _find(name, sources)))


def _find(name: str, sources: Mapping[str, str]) -> ClassSetting | None:
    for source, content in sources.items():
        lines = re.findall(rf"^[ \t]*{name}[ \t]*=[^#\n]*", content, re.MULTILINE)
        if lines:
            return ClassSetting(" ".join(lines[-1].split()), source)
    return None


def netrc_line(url: str, identity: Principal) -> bytes:
    """The line of a netrc file by which an identity is known to the host of a URL."""
    host = re.sub(r"^\w+://([^/:?]+).*", r"\1", url)
    return f"machine {host} login {identity.name} password {identity.secret}\n".encode()
